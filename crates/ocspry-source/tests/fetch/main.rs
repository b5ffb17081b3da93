//! CRLs by URL against servers that misbehave, over real sockets, with real threads, without sleeping.

#![expect(
    clippy::unwrap_used,
    reason = "a test that does not get what it needs fails"
)]

mod bounds;
mod feed;
mod freshest;
mod named;
mod peer;
mod publisher;
mod redirects;
mod restart;

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use ocspry_core::clock::Clock;
use ocspry_source::{
    CrlUrl, FetchLimits, FetchProblem, Fetched, Fetcher, Judged, SourceError, UrlFeed, Validators,
};
use ocspry_wire::Time;

const NOW: Time = Time::from_unix(1_800_000_000);

/// Long enough for a busy machine; the wait after a failure is longer than any test.
const LIMITS: FetchLimits = FetchLimits {
    bytes_max: 1 << 20,
    connect_timeout: Duration::from_secs(20),
    silence_timeout: Duration::from_secs(20),
    total_timeout: Duration::from_secs(40),
    redirects_max: 3,
    at_once_max: 4,
    retry_min: Duration::from_secs(3600),
    retry_max: Duration::from_secs(7200),
    check_max: Duration::from_secs(7200),
};

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> Time {
        NOW
    }
}

/// A feed, and what a control thread would have beside it.
struct Follow {
    feed: UrlFeed,
    woken: Receiver<()>,
}

fn fetcher(limits: FetchLimits) -> Fetcher {
    Fetcher::start(limits, Arc::new(FixedClock)).unwrap()
}

impl Follow {
    fn start(fetcher: &Fetcher, url: CrlUrl, directory: &Path) -> Follow {
        Follow::knowing(fetcher, url, directory, None)
    }

    fn knowing(
        fetcher: &Fetcher,
        url: CrlUrl,
        directory: &Path,
        validators: Option<Validators>,
    ) -> Follow {
        let (wake, woken) = channel();
        let feed = UrlFeed::start(fetcher, url, directory, validators, move || {
            let _ = wake.send(());
        });
        Follow { feed, woken }
    }

    /// The next outcome, which comes within a minute.
    fn next(&mut self) -> Fetched {
        self.woken.recv_timeout(Duration::from_secs(60)).unwrap();
        self.feed.take().unwrap()
    }

    /// The next outcome, which is a list of these octets.
    fn next_list(&mut self) -> (Vec<u8>, Validators) {
        match self.next() {
            Fetched::New {
                file,
                validators,
                at,
            } => {
                assert_eq!(at, NOW);
                let octets = std::fs::read(file.path()).unwrap();
                assert_eq!(octets.len() as u64, file.bytes());
                (octets, validators)
            }
            other => panic!("no list: {other:?}"),
        }
    }

    /// The verdict on a list that runs out in a day; the next fetch follows at once.
    fn judge_and_ask(&mut self, used: bool) {
        self.feed.fetch_now();
        self.feed.judged(Judged {
            used,
            next_update: Some(NOW.plus_seconds(86_400)),
            next_publish: None,
            now: NOW,
        });
    }
}

/// Looks once at this URL, finds no list, and leaves no file: the problem, and the line for the operator.
fn failure(limits: FetchLimits, url: &str) -> (FetchProblem, String) {
    failure_of(limits, CrlUrl::parse(url).unwrap())
}

fn failure_of(limits: FetchLimits, url: CrlUrl) -> (FetchProblem, String) {
    let directory = tempfile::tempdir().unwrap();
    let fetcher = fetcher(limits);
    let shown = url.to_string();
    let mut follow = Follow::start(&fetcher, url, directory.path());
    let outcome = follow.next();
    assert_eq!(files(directory.path()), [""; 0]);
    let Fetched::Failed { error, .. } = outcome else {
        panic!("no failure: {outcome:?}");
    };
    let line = error.to_string();
    assert!(line.starts_with(&format!("CRL {shown}: ")), "{line}");
    assert!(!line.contains('\n'), "{line}");
    match error {
        SourceError::Fetch { problem, .. } => (problem, line),
        other => panic!("another error: {other:?}"),
    }
}

fn files(directory: &Path) -> Vec<String> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}
