//! Where an issuer's lists come from: a file, a directory of files, a URL; and what each place held at the last look.
//!
//! From: the configuration, and whoever writes there.  To: `refresh`, as lists judged by `load`.  A file that did not
//! change is not read again, and what was found wrong with it is known without it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_wire::Time;

use crate::SourceError;
use crate::fetch::{CrlUrl, Fetched, Judged, SpoolFile, UrlFeed, Validators};
use crate::fetched::FetchedVersion;
use crate::fingerprint::Fingerprint;
use crate::line::Offer;
use crate::list::LoadedList;
use crate::load::{CrlSigners, ListLoad, SourceLimits};
use crate::pace::{self, Pace};
use crate::refresh::{Downloads, ShowLoad};
use crate::slot::Slot;

use self::listing::{Gathered, files_of};

mod listing;

/// Where lists come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListSource {
    /// A CRL file.
    File(PathBuf),
    /// A directory: every list in it that fits the issuer.
    Directory(PathBuf),
    /// A URL.
    Url(CrlUrl),
}

/// What is needed to look at one.
pub(crate) struct Looking<'a> {
    pub(crate) signers: &'a Arc<CrlSigners>,
    pub(crate) limits: &'a SourceLimits,
    pub(crate) pace: Pace,
    pub(crate) show: Option<&'a ShowLoad>,
    pub(crate) now: Time,
}

/// One source of lists.
pub(crate) struct Feed {
    source: ListSource,
    asked_by: AskedBy,
    places: BTreeMap<PathBuf, Place>,
    /// What is wrong with the directory, or with fetching.
    problem: Option<SourceError>,
    url: Option<Download>,
}

/// Who wants it followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AskedBy {
    /// The operator: without what it holds something is missing.
    Operator,
    /// A list that names it as the place of its deltas: they are news, and nothing is missing without them.
    List,
}

/// One file, as it was last seen.
#[derive(Clone)]
struct Place {
    /// None when it must be read again in any case.
    seen: Option<Fingerprint>,
    verdict: Verdict,
}

/// What came of reading a file, for as long as it stays the same.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// It holds a list that is in use.
    InUse,
    /// Its list is from the future.
    Waits,
    /// Its list is good, and another place has a newer one of this scope: it is refused only where that is in use no more.
    Behind {
        scope_key: String,
        refusal: SourceError,
    },
    /// It is a delta whose base is not there, or knows all that it does.
    Unlaid,
    /// It is not for this issuer, or no list at all: other files of a directory are.
    PassedOver,
    /// Nothing that may be used.
    Refused(SourceError),
}

/// A URL that is followed, and what was fetched there last.
struct Download {
    url: CrlUrl,
    downloads: Downloads,
    /// None until it is known what is kept of earlier runs.
    feed: Option<UrlFeed>,
    file: Option<Arc<SpoolFile>>,
    /// The server said last that it still has what it was asked by.
    is_unmodified: bool,
    /// That, if it is a complete list.
    asked: Option<KnownList>,
    /// What the server sent with the file.
    validators: Validators,
    /// The version in use.
    version: Option<FetchedVersion>,
    /// It was written to the state directory, or there is no need to.
    is_version_kept: bool,
    /// What it was worth.
    worth: Option<Judged>,
    /// It is known whether there is something.
    is_first_outcome_there: bool,
    /// When the server last had a list for us, or said that it is still the same.
    last_success: Option<Time>,
}

/// A complete list that a server is asked by: only another one is sent.
#[derive(Clone)]
struct KnownList {
    scope_key: String,
    this_update: Time,
}

/// A list that was read just now.
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) result: Result<Offer, SourceError>,
    pub(crate) is_post_dated: bool,
}

impl Found {
    /// There is no file.
    pub(crate) fn is_missing(&self) -> bool {
        match &self.result {
            Err(SourceError::Read { source, .. }) => source.kind() == ErrorKind::NotFound,
            Err(_) | Ok(_) => false,
        }
    }
}

impl Feed {
    /// Follows a source; downloads are for URLs only, and start with [`Feed::begin`].
    pub(crate) fn new(
        source: ListSource,
        asked_by: AskedBy,
        downloads: Option<&Downloads>,
    ) -> Feed {
        let url = match (&source, downloads) {
            (ListSource::Url(url), Some(downloads)) => Some(Download {
                url: url.clone(),
                downloads: downloads.clone(),
                feed: None,
                file: None,
                is_unmodified: false,
                asked: None,
                validators: Validators::default(),
                version: None,
                is_version_kept: true,
                worth: None,
                is_first_outcome_there: false,
                last_success: None,
            }),
            (ListSource::Url(_) | ListSource::File(_) | ListSource::Directory(_), _) => None,
        };
        Feed {
            source,
            asked_by,
            places: BTreeMap::new(),
            problem: None,
            url,
        }
    }

    /// What it follows.
    pub(crate) fn source(&self) -> &ListSource {
        &self.source
    }

    /// The operator wants it followed.
    pub(crate) fn is_configured(&self) -> bool {
        self.asked_by == AskedBy::Operator
    }

    /// What the operator calls a place of this source.
    pub(crate) fn name(&self, path: &Path) -> String {
        match &self.source {
            ListSource::Url(url) => url.to_string(),
            ListSource::File(_) | ListSource::Directory(_) => path.display().to_string(),
        }
    }

    /// Whether a place of that name is, or was, one of this source.
    pub(crate) fn has_place(&self, name: &str) -> bool {
        match &self.source {
            ListSource::File(path) => path.display().to_string() == name,
            ListSource::Directory(path) => Path::new(name).parent() == Some(path),
            ListSource::Url(url) => url.to_string() == name,
        }
    }

    /// Its directory had no file of that name when it was listed last.
    pub(crate) fn has_lost(&self, name: &str) -> bool {
        matches!(self.source, ListSource::Directory(_))
            && self.has_place(name)
            && !self.places.keys().any(|path| self.name(path) == name)
    }

    /// It has yielded a list that counts, or the last good copy makes up for what is not there.  A directory may hold a
    /// part in each of its files: none may be refused without another list from that very file in use.
    pub(crate) fn is_served<'a>(&self, slots: impl Iterator<Item = &'a Slot>) -> bool {
        let slots: Vec<&Slot> = slots.filter(|slot| slot.complete().is_some()).collect();
        let used: Vec<&str> = slots
            .iter()
            .filter_map(|slot| slot.place())
            .filter(|place| self.has_place(place))
            .collect();
        // What is newer than its list may be in use no more.
        let is_in_use = |key: &str| slots.iter().any(|slot| slot.has_key(key));
        let has_a_list = self.places.values().any(|place| match &place.verdict {
            Verdict::InUse | Verdict::Waits | Verdict::Unlaid => true,
            Verdict::Behind { scope_key, .. } => is_in_use(scope_key),
            Verdict::PassedOver | Verdict::Refused(_) => false,
        });
        let is_made_up_for = |path: &Path| used.contains(&self.name(path).as_str());
        let is_of_no_use = |place: &Place| match &place.verdict {
            Verdict::Refused(_) => true,
            Verdict::Behind { scope_key, .. } => !is_in_use(scope_key),
            Verdict::InUse | Verdict::Waits | Verdict::Unlaid | Verdict::PassedOver => false,
        };
        let lacks_a_part = matches!(self.source, ListSource::Directory(_))
            && self
                .places
                .iter()
                .any(|(path, place)| is_of_no_use(place) && !is_made_up_for(path));
        // Which list the server has still is known, if another place has a newer one as well.
        let is_unmodified = self.places.is_empty()
            && self.is_unmodified()
            && self
                .still_has()
                .is_none_or(|list| is_in_use(&list.scope_key));
        // Another place may have taken over from what it still holds.
        (has_a_list || is_unmodified || !used.is_empty()) && !lacks_a_part
    }

    /// The first download has brought nothing yet, or nothing is downloaded here: what it holds is not known.
    pub(crate) fn is_pending(&self) -> bool {
        match &self.source {
            ListSource::Url(_) => self
                .url
                .as_ref()
                .is_none_or(|url| !url.is_first_outcome_there),
            ListSource::File(_) | ListSource::Directory(_) => false,
        }
    }

    /// What is wrong, with the name of the place.
    pub(crate) fn problems(&self) -> impl Iterator<Item = (String, &SourceError)> {
        let own = self
            .problem
            .as_ref()
            .map(|problem| (self.own_name(), problem));
        let of_places = self
            .places
            .iter()
            .filter_map(|(path, place)| match &place.verdict {
                Verdict::Refused(error) => Some((self.name(path), error)),
                Verdict::InUse
                | Verdict::Waits
                | Verdict::Behind { .. }
                | Verdict::Unlaid
                | Verdict::PassedOver => None,
            });
        own.into_iter().chain(of_places)
    }

    /// The places whose lists are older than what was used of a scope of which nothing is in use: they count as none.
    pub(crate) fn left_behind(
        &self,
        is_in_use: &impl Fn(&str) -> bool,
    ) -> impl Iterator<Item = (String, SourceError)> {
        let still_there = self.still_has().filter(|list| !is_in_use(&list.scope_key));
        let still_there = still_there.map(|list| SourceError::StillOlder {
            url: self.own_name(),
            this_update: list.this_update,
        });
        let of_places = self
            .places
            .iter()
            .filter_map(|(path, place)| match &place.verdict {
                Verdict::Behind { scope_key, refusal } if !is_in_use(scope_key) => {
                    Some((self.name(path), refusal.clone()))
                }
                Verdict::Behind { .. }
                | Verdict::InUse
                | Verdict::Waits
                | Verdict::Unlaid
                | Verdict::PassedOver
                | Verdict::Refused(_) => None,
            });
        let own = still_there.map(|error| (self.own_name(), error));
        own.into_iter().chain(of_places)
    }

    /// The list that the server has by its own word, and that was not fetched since the start.
    fn still_has(&self) -> Option<&KnownList> {
        let url = self.url.as_ref().filter(|url| url.is_unmodified)?;
        url.asked.as_ref().filter(|_| self.places.is_empty())
    }

    /// What the operator calls the source itself.
    pub(crate) fn own_name(&self) -> String {
        match &self.source {
            ListSource::File(path) | ListSource::Directory(path) => path.display().to_string(),
            ListSource::Url(url) => url.to_string(),
        }
    }

    /// Knows what the feed of the same source in the configuration before knew.
    pub(crate) fn carry_over(&mut self, old: &Feed) {
        self.places.clone_from(&old.places);
        self.problem.clone_from(&old.problem);
        if let (Some(new), Some(old)) = (&mut self.url, &old.url) {
            new.file.clone_from(&old.file);
            new.is_unmodified = old.is_unmodified;
            new.asked.clone_from(&old.asked);
            new.validators.clone_from(&old.validators);
            new.version.clone_from(&old.version);
            new.is_version_kept = old.is_version_kept;
            new.is_first_outcome_there = old.is_first_outcome_there;
            new.last_success = old.last_success;
        }
    }

    /// Everything is to be read again.
    pub(crate) fn forget_seen(&mut self) {
        for place in self.places.values_mut() {
            place.seen = None;
        }
    }

    /// What is held is to be read again: the list that it was measured by is in use no more.
    pub(crate) fn forget_held(&mut self) {
        for place in self.places.values_mut() {
            if place.verdict.held_until().is_some() {
                place.seen = None;
            }
        }
    }

    /// That file is to be read again.
    pub(crate) fn forget_seen_at(&mut self, path: &Path) {
        if let Some(place) = self.places.get_mut(path) {
            place.seen = None;
        }
    }

    /// The list that waited in that place is in use: others that wait are to be read again, since one waits at a time.
    pub(crate) fn took_over(&mut self, name: &str) {
        let took_over: Vec<PathBuf> = self
            .places
            .keys()
            .filter(|path| self.name(path) == name)
            .cloned()
            .collect();
        for (path, place) in &mut self.places {
            if took_over.contains(path) {
                place.verdict = Verdict::InUse;
            } else if matches!(place.verdict, Verdict::Waits) {
                place.seen = None;
            }
        }
    }

    /// Starts to ask at its URL, if that is not done.  `kept` finds, from what is known of earlier runs, the list in use
    /// that came from there, and which version it is.
    pub(crate) fn begin<'a>(
        &mut self,
        now: Time,
        kept: impl FnOnce(&CrlUrl) -> Option<(&'a LoadedList, Option<FetchedVersion>)>,
    ) {
        let Some(url) = self.url.as_mut().filter(|url| url.feed.is_none()) else {
            return;
        };
        let (list, version) = kept(&url.url).map_or((None, None), |(list, version)| {
            let known = url.version.clone().filter(|known| known.is_of(list));
            (Some(list), known.or(version))
        });
        if let (Some(list), Some(_)) = (list, &version) {
            url.worth = Some(worth(true, Some(list), now));
            url.asked = (!list.is_delta()).then(|| KnownList {
                scope_key: list.scope.key().to_owned(),
                this_update: list.this_update(),
            });
        }
        url.version.clone_from(&version);
        let validators = version.map(|version| version.validators);
        let wake = Arc::clone(&url.downloads.wake);
        url.feed = Some(UrlFeed::start(
            &url.downloads.fetcher,
            url.url.clone(),
            &url.downloads.directory,
            validators,
            move || wake(),
        ));
    }

    /// What it held last is to be fetched as at the start, since the state directory may keep it no more.
    pub(crate) fn begin_anew(&mut self) {
        if let Some(url) = &mut self.url {
            url.feed = None;
            url.version = None;
        }
    }

    /// The server said last that it still has what it had.
    pub(crate) fn is_unmodified(&self) -> bool {
        self.url.as_ref().is_some_and(|url| url.is_unmodified)
    }

    /// The version in use of the list at its URL, if it is not written to the state directory yet; it is from here on.
    pub(crate) fn take_unkept_version(&mut self) -> Option<(&CrlUrl, &FetchedVersion)> {
        let url = self.url.as_mut()?;
        if std::mem::replace(&mut url.is_version_kept, true) {
            return None;
        }
        Some((&url.url, url.version.as_ref()?))
    }

    /// When the server last had a list for us, or said that it is still the same.
    pub(crate) fn last_fetch(&self) -> Option<Time> {
        self.url.as_ref()?.last_success
    }

    /// The last fetch failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.problem.is_some()
    }

    /// Fetches at once: a delta needs a newer base than there is.
    pub(crate) fn fetch_now(&mut self) {
        if let Some(feed) = self.url.as_mut().and_then(|url| url.feed.as_mut()) {
            feed.fetch_now();
        }
    }

    /// Reads what changed since the last look, but for what was just read.
    pub(crate) fn look(
        &mut self,
        looking: &Looking<'_>,
        just_read: &BTreeSet<PathBuf>,
    ) -> Vec<Found> {
        let paths = match &self.source {
            ListSource::File(path) => vec![path.clone()],
            ListSource::Directory(path) => match files_of(path) {
                Ok(paths) => {
                    self.problem = None;
                    paths
                }
                Err(error) => {
                    self.problem = Some(error);
                    return Vec::new();
                }
            },
            // A newer download comes with a look of its own.
            ListSource::Url(_) if !just_read.is_empty() => return Vec::new(),
            ListSource::Url(_) => self.fetched().into_iter().collect(),
        };
        if !matches!(self.source, ListSource::File(_)) {
            self.places.retain(|path, _| paths.contains(path));
        }
        let paths = paths.into_iter().filter(|path| !just_read.contains(path));
        self.look_at_each(paths, looking)
    }

    /// Reads what changed of these files.
    pub(crate) fn look_at_each(
        &mut self,
        paths: impl Iterator<Item = PathBuf>,
        looking: &Looking<'_>,
    ) -> Vec<Found> {
        let mut gathered = Gathered::default();
        for path in paths {
            gathered.extend(self.look_at(path, looking), looking.now);
        }
        gathered.found
    }

    /// What was fetched last, and takes note of how that went.
    fn fetched(&mut self) -> Option<PathBuf> {
        let url = self.url.as_mut()?;
        match url.feed.as_mut().and_then(UrlFeed::take) {
            None => {}
            Some(Fetched::New {
                file,
                validators,
                at,
            }) => {
                url.file = Some(Arc::new(file));
                url.validators = validators;
                url.is_unmodified = false;
                url.is_first_outcome_there = true;
                url.last_success = Some(at);
                self.problem = None;
            }
            Some(Fetched::NotModified { at }) => {
                url.is_unmodified = true;
                url.is_first_outcome_there = true;
                url.last_success = Some(at);
                if let (Some(feed), Some(worth)) = (&mut url.feed, url.worth) {
                    feed.judged(Judged { now: at, ..worth });
                }
                self.problem = None;
            }
            Some(Fetched::Failed { error, .. }) => {
                url.is_first_outcome_there = true;
                self.problem = Some(error);
            }
        }
        url.file.as_ref().map(|file| file.path().to_owned())
    }

    fn look_at(&mut self, path: PathBuf, looking: &Looking<'_>) -> Option<Found> {
        let fingerprint = match Fingerprint::of(&path) {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                self.places.remove(&path);
                return Some(Found {
                    path,
                    result: Err(error),
                    is_post_dated: false,
                });
            }
        };
        if let Some(place) = self.places.get(&path)
            && place.seen == Some(fingerprint)
            && place.verdict.holds(looking.now)
        {
            return None;
        }
        let seen = fingerprint.is_settled(looking.now).then_some(fingerprint);
        // What it was counts until it is judged.
        let verdict = self
            .places
            .remove(&path)
            .map_or(Verdict::PassedOver, |place| place.verdict);
        self.places.insert(path.clone(), Place { seen, verdict });
        let loaded = read(&path, looking);
        let is_post_dated = fingerprint.modified() > looking.now || fingerprint.is_post_dated();
        let place = self.name(&path);
        let result = loaded.map(|list| Offer {
            list: Arc::new(list),
            path: path.clone(),
            place,
        });
        Some(Found {
            path,
            result,
            is_post_dated,
        })
    }

    /// What the list in a place was worth.
    pub(crate) fn judged(
        &mut self,
        path: &Path,
        verdict: Verdict,
        list: Option<&LoadedList>,
        now: Time,
    ) {
        let verdict = match verdict {
            Verdict::Refused(error) if self.passes_over(&error) => Verdict::PassedOver,
            Verdict::Refused(error) if self.url.is_some() => {
                Verdict::Refused(error.said_of(path, &self.name(path)))
            }
            Verdict::Behind { scope_key, refusal } if self.url.is_some() => Verdict::Behind {
                scope_key,
                refusal: refusal.said_of(path, &self.name(path)),
            },
            verdict => verdict,
        };
        if let Some(url) = &mut self.url {
            let is_used = !matches!(verdict, Verdict::Refused(_) | Verdict::PassedOver);
            url.judged(is_used, list, now);
        }
        let place = self.places.entry(path.to_owned()).or_insert(Place {
            seen: None,
            verdict: Verdict::PassedOver,
        });
        // What the system refused may be given at the next try.
        if matches!(verdict, Verdict::Refused(SourceError::Read { .. })) {
            place.seen = None;
        }
        place.verdict = verdict;
    }

    /// In a directory there may be anything.
    fn passes_over(&self, error: &SourceError) -> bool {
        matches!(self.source, ListSource::Directory(_)) && error.is_of_another_file()
    }

    /// When a list that is held may be used.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        self.places
            .values()
            .filter_map(|place| place.verdict.held_until())
            .min()
    }
}

impl Download {
    fn judged(&mut self, is_used: bool, list: Option<&LoadedList>, now: Time) {
        let worth = worth(is_used, list, now);
        self.worth = Some(worth);
        self.version = list.filter(|_| is_used).map(|list| FetchedVersion {
            digest: list.digest(),
            validators: self.validators.clone(),
        });
        self.is_version_kept = self.version.is_none();
        if let Some(feed) = &mut self.feed {
            feed.judged(worth);
        }
    }
}

/// What a list is worth to whoever plans when it is asked for next.
fn worth(used: bool, list: Option<&LoadedList>, now: Time) -> Judged {
    Judged {
        used,
        next_update: list
            .filter(|list| list.has_next_update)
            .map(LoadedList::next_update),
        next_publish: list.and_then(|list| list.next_publish),
        now,
    }
}

impl Verdict {
    /// Whether it still holds for the same file.
    fn holds(&self, now: Time) -> bool {
        self.held_until().is_none_or(|until| now < until)
    }

    fn held_until(&self) -> Option<Time> {
        match self {
            Verdict::Refused(SourceError::LowerNumber { held_until, .. }) => *held_until,
            Verdict::Refused(_)
            | Verdict::InUse
            | Verdict::Waits
            | Verdict::Behind { .. }
            | Verdict::Unlaid
            | Verdict::PassedOver => None,
        }
    }
}

fn read(path: &Path, looking: &Looking<'_>) -> Result<LoadedList, SourceError> {
    let load = ListLoad::open(path, looking.signers, looking.limits)?;
    pace::load(load, looking.pace, looking.now, |progress| {
        if let Some(show) = looking.show {
            show(path, progress);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ocspry_core::OwnedCertificate;
    use ocspry_testkit::{Authority, CrlSpec, KeyKind};
    use tempfile::TempDir;

    #[test]
    fn a_file_that_did_not_change_is_not_read_again() {
        let directory = TempDir::new().unwrap();
        let ca = Authority::root("Example CA", KeyKind::P256);
        let path = directory.path().join("ca.crl");
        std::fs::write(&path, ca.crl(&CrlSpec::new(1))).unwrap();
        let certificate = OwnedCertificate::from_der(ca.certificate).unwrap();
        let signers = Arc::new(CrlSigners::new(certificate, Vec::new()));
        // File times are coarse: a file is known again once it has settled.
        let now = ocspry_testkit::now().plus_seconds(3600);
        let looking = Looking {
            signers: &signers,
            limits: &SourceLimits::DEFAULT,
            pace: Pace::AtOnce,
            show: None,
            now,
        };
        let mut feed = Feed::new(ListSource::File(path.clone()), AskedBy::Operator, None);
        let none = BTreeSet::new();
        let found = feed.look(&looking, &none);
        assert_eq!(found.len(), 1);
        feed.judged(&path, Verdict::InUse, None, now);
        assert!(feed.look(&looking, &none).is_empty());
        feed.forget_seen();
        assert_eq!(feed.look(&looking, &none).len(), 1);
    }
}
