//! A CA that publishes lists on web servers, and an issuer that follows them.  To: the tests.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ocspry_core::{Absence, Issuer, Lookup, OwnedCertificate, Policy};
use ocspry_source::{
    CrlUrl, Downloads, FreshestCrl, Guard, ListSource, Refresher, Report, SourceLimits, Sources,
    StateDirectory, StatusSource,
};
use ocspry_testkit::{Authority, CrlSpec, KeyKind};
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;
use tempfile::TempDir;

use crate::peer::{Peer, ok, say};
use crate::{LIMITS, fetcher};

/// A web server of files, each with a tag, by which it answers 304.
pub(crate) struct WebServer {
    peer: Peer,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl WebServer {
    pub(crate) fn start() -> WebServer {
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let served = Arc::clone(&files);
        let peer = Peer::start(move |head, stream| {
            let path = head.split(' ').nth(1).unwrap();
            let Some(file) = served.lock().unwrap().get(path).cloned() else {
                return say(stream, b"HTTP/1.1 404 Not Found\r\n\r\n");
            };
            let mut hasher = DefaultHasher::new();
            file.hash(&mut hasher);
            let tag = format!("\"{}\"", hasher.finish());
            if head.contains(&format!("if-none-match: {tag}\r\n")) {
                return say(stream, b"HTTP/1.1 304 Not Modified\r\n\r\n");
            }
            say(stream, &ok(&file, &format!("ETag: {tag}\r\n")));
        });
        WebServer { peer, files }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.peer.url(path)
    }

    pub(crate) fn put(&self, path: &str, file: Vec<u8>) {
        self.files.lock().unwrap().insert(path.to_owned(), file);
    }

    pub(crate) fn remove(&self, path: &str) {
        self.files.lock().unwrap().remove(path);
    }

    /// Of each request for this path, whether it had a condition.
    pub(crate) fn asked(&self, path: &str) -> Vec<bool> {
        let line = format!("get {path} http/1.1\r\n");
        let requests = self.peer.requests();
        let asked = requests.iter().filter(|head| head.starts_with(&line));
        asked
            .map(|head| head.contains("\r\nif-none-match: "))
            .collect()
    }

    /// How many requests came.
    pub(crate) fn request_count(&self) -> usize {
        self.peer.requests().len()
    }
}

/// A CA, its web server, and a directory for downloads and state.
pub(crate) struct Publisher {
    pub(crate) ca: Authority,
    /// Who may sign its lists besides itself.
    pub(crate) crl_issuers: Vec<OwnedCertificate>,
    pub(crate) web: WebServer,
    pub(crate) now: Time,
    pub(crate) directory: TempDir,
}

impl Publisher {
    pub(crate) fn new() -> Publisher {
        Publisher {
            ca: Authority::root("Example CA", KeyKind::P256),
            crl_issuers: Vec::new(),
            web: WebServer::start(),
            now: ocspry_testkit::now(),
            directory: TempDir::new().unwrap(),
        }
    }

    /// An empty list made some minutes ago, good for a day.
    pub(crate) fn list(&self, number: u64, minutes_ago: i64) -> CrlSpec {
        CrlSpec::new(number)
            .made_at(self.now.plus_seconds(-60 * minutes_ago))
            .until(self.now.plus_seconds(86_400))
    }

    pub(crate) fn publish(&self, path: &str, list: &CrlSpec) {
        self.web.put(path, self.ca.crl(list));
    }

    /// Its URL on the web server, as the operator wrote it.
    pub(crate) fn crl_url(&self, path: &str) -> CrlUrl {
        CrlUrl::parse(&self.web.url(path)).unwrap()
    }

    /// Follows this one URL.
    pub(crate) fn follow(&self, url: CrlUrl) -> Follower {
        self.follow_source(ListSource::Url(url), FreshestCrl::default())
    }

    pub(crate) fn follow_source(&self, source: ListSource, freshest_crl: FreshestCrl) -> Follower {
        self.follow_sources(vec![source], freshest_crl)
    }

    pub(crate) fn follow_sources(
        &self,
        sources: Vec<ListSource>,
        freshest_crl: FreshestCrl,
    ) -> Follower {
        let (wake, woken) = channel();
        let downloads = Downloads {
            fetcher: Arc::new(fetcher(LIMITS)),
            directory: self.directory.path().to_owned(),
            wake: Arc::new(move || {
                let _ = wake.send(());
            }),
        };
        let refresher = self.refresher(sources, freshest_crl, &downloads);
        Follower {
            refresher,
            downloads,
            woken,
            reports: Vec::new(),
        }
    }

    /// As after a start: what is in the state directory is all that is known.
    pub(crate) fn refresher(
        &self,
        sources: Vec<ListSource>,
        freshest_crl: FreshestCrl,
        downloads: &Downloads,
    ) -> Refresher {
        let certificate = OwnedCertificate::from_der(self.ca.certificate.clone()).unwrap();
        let issuer = Issuer::new("ca".to_owned(), certificate, Policy::DEFAULT);
        let state = StateDirectory::open(&self.directory.path().join("state")).unwrap();
        let sources = Sources {
            sources: sources.into_iter().map(StatusSource::Lists).collect(),
            crl_issuers: self.crl_issuers.clone(),
            guard: Guard::Alarm,
            freshest_crl,
            limits: SourceLimits::DEFAULT,
        };
        Refresher::new(
            Arc::new(issuer),
            sources,
            Some(Arc::new(state)),
            Some(downloads),
        )
    }
}

/// An issuer that is looked at whenever a download has an outcome.
pub(crate) struct Follower {
    pub(crate) refresher: Refresher,
    pub(crate) downloads: Downloads,
    woken: Receiver<()>,
    /// All so far.
    pub(crate) reports: Vec<Report>,
}

impl Follower {
    pub(crate) fn look(&mut self, now: Time) {
        self.reports.extend(self.refresher.refresh(now));
    }

    /// Looks until that is so, within a minute from one outcome to the next.
    #[track_caller]
    pub(crate) fn until(&mut self, now: Time, is_so: impl Fn(&Follower) -> bool) {
        self.look(now);
        while !is_so(self) {
            self.woken.recv_timeout(Duration::from_secs(60)).unwrap();
            self.look(now);
        }
    }

    /// Asks at every URL, and takes what comes.
    #[track_caller]
    pub(crate) fn until_after_fetch(&mut self, now: Time, is_so: impl Fn(&Follower) -> bool) {
        self.refresher.fetch_now();
        self.until(now, is_so);
    }

    /// Asks once more where nothing is under way, and takes what comes.
    pub(crate) fn after_one_more_fetch(&mut self, now: Time) {
        while self.woken.try_recv().is_ok() {}
        self.refresher.fetch_now();
        self.woken.recv_timeout(Duration::from_secs(60)).unwrap();
        self.look(now);
    }

    pub(crate) fn is_revoked(&self, serial: u8) -> bool {
        let table = self.refresher.issuer().table();
        let serial = SerialNumber::from_content(&[serial]).unwrap();
        table.is_some_and(|table| matches!(table.lookup(&serial), Lookup::Revoked(_)))
    }

    /// A table is there, names no such serial, and that proves something.
    pub(crate) fn is_good(&self, serial: u8) -> bool {
        let table = self.refresher.issuer().table();
        let serial = SerialNumber::from_content(&[serial]).unwrap();
        table.is_some_and(|table| {
            table.lookup(&serial) == Lookup::Absent && table.absence() == Absence::NotRevoked
        })
    }

    /// The end of what is in use.
    #[track_caller]
    pub(crate) fn end(&self) -> Time {
        let table = self.refresher.issuer().table().unwrap();
        table.window().next_update
    }

    /// What is wrong, as sentences.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problems = self.refresher.problems();
        problems
            .iter()
            .map(|problem| problem.error.to_string())
            .collect()
    }

    /// Something is wrong whose sentence has that in it.
    pub(crate) fn has_problem(&self, part: &str) -> bool {
        self.problems().iter().any(|problem| problem.contains(part))
    }
}
