//! Load, check, swap: how a CRL file becomes the table in use, and what keeps a worse one out.
//!
//! From: the control thread, at start, at every poll, file event and wake-up.  To: `core::Issuer`, whose table is
//! swapped whole; then the state directory, off the hot path; then a report for the log.  The rules (design.md §3):
//!
//! - A list that is bad, older, or cannot be read changes nothing and is reported (rules 6, 11).
//! - thisUpdate never goes back, nor does a number under one thisUpdate; the marks remember both across a restart
//!   (rule 3).  A lower number under a newer thisUpdate is held until the list in use has run out.  Of two lists that
//!   neither tells apart, the one that comes second must revoke all that the first does.
//! - A newer list takes over even when it has run out itself: the CA has spoken since, and a certificate that its newer
//!   list calls revoked must not be called good from the older one (rule 1).  The issuer then answers `tryLater`.
//! - A list from the future waits and takes over when its time comes (rule 14); the list in use stays until then, and
//!   after a restart the last good copy serves.
//! - A list that has run out is loaded all the same at start: the issuer answers `tryLater`, and the report says since
//!   when.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::{Issuer, StatusTable};
use ocspry_wire::Time;

use crate::crl::{CrlFacts, CrlFile, CrlNumber, LoadedTable, NO_NEXT_UPDATE_SECONDS};
use crate::crl_file::{Fingerprint, SourceLimits};
use crate::state::Marks;
use crate::{SourceError, StateDirectory};

/// Keeps one issuer's status table as new as its CRL file.
///
/// A table that the issuer already has (it was handed over at a reload) counts as the one in use.
pub struct Refresher {
    path: PathBuf,
    issuer: Arc<Issuer>,
    state: Option<Arc<StateDirectory>>,
    limits: SourceLimits,
    /// The newest list ever used, by what the state directory and the table in use say; None before the first.
    high_water: Option<Marks>,
    /// The marks in the state directory; None before they are read, and when there are none.
    kept_marks: Option<Marks>,
    /// They were read, and are in `high_water`.
    marks_are_read: bool,
    /// The list in use is not in the state directory yet.
    is_unkept: bool,
    /// The last try to keep it, which failed.
    failed_keep: Option<FailedKeep>,
    /// Nothing is written before [`Refresher::keep_now`].
    keeps_when_told: bool,
    /// What is to be written then.
    to_keep: Option<(Arc<Vec<u8>>, Marks)>,
    /// What was wrong with the marks while a list was in use, until it is reported.
    marks_problem: Option<SourceError>,
    /// What the file was when it was last judged; None when it must be read again in any case.
    seen: Option<Seen>,
    /// The list from the future.
    waiting: Option<Candidate>,
    /// The operator says to use the list that is held.
    takes_held: bool,
    told: Told,
}

/// How long until a list that could not be kept is tried again: a full disk may get room, a lock may be released.  Twice
/// as long after each failure, since the whole list is read for it.
const KEEP_AGAIN_SECONDS: i64 = 5;

/// The longest such wait.
const KEEP_AGAIN_SECONDS_MAX: i64 = 300;

struct FailedKeep {
    error: SourceError,
    at: Time,
    wait_seconds: i64,
}

impl FailedKeep {
    fn again(&self) -> Time {
        self.at.plus_seconds(self.wait_seconds)
    }

    /// A clock that went back does not make the wait longer.
    fn still_waits(&self, now: Time) -> bool {
        (self.at..self.again()).contains(&now)
    }
}

struct Seen {
    fingerprint: Fingerprint,
    verdict: Verdict,
}

/// What came of reading a file, for as long as the file stays the same.
#[derive(Clone)]
enum Verdict {
    InUse,
    Waits,
    Refused(SourceError),
}

/// A list that passed every check but the one against the lists used before.
#[derive(Clone)]
struct Candidate {
    table: Arc<StatusTable>,
    facts: CrlFacts,
    der: Arc<Vec<u8>>,
    written: Time,
}

/// What decides when a list and the newest one used so far are of one thisUpdate and number.
#[derive(Clone, Copy)]
enum Tie<'a> {
    /// It was in use itself: the marks are behind it.
    WasInUse,
    /// Nothing that this list revokes may be missing; it must be the newest used so far.
    Compare(&'a StatusTable),
    /// Only the marks are known.
    Unknown,
}

/// What was reported already, so that it is reported once.
#[derive(Clone, Default)]
struct Told {
    problem: Option<SourceError>,
    waiting_until: Option<Time>,
    expired: bool,
}

/// What one look at the file led to.  Only `Swapped` changed the table in use.
#[derive(Debug)]
pub enum RefreshReport {
    /// Nothing new.
    Unchanged,
    /// A table was swapped in.
    Swapped(Box<Swapped>),
    /// The list in the file is from the future; the table in use stays until then.
    Waiting {
        /// Its thisUpdate.
        until: Time,
        /// Said before, and nothing changed since: do not log it again.
        repeated: bool,
    },
    /// The table in use (or none) stays.
    Kept {
        /// Why.
        error: SourceError,
        /// Said before, and nothing changed since: do not log it again.
        repeated: bool,
    },
    /// The problem reported before is gone: the file holds the list in use.
    Recovered,
    /// The list in use, which could not be kept in the state directory before, is kept there now.
    StateKept,
    /// The list in use has run out since the last look: the issuer answers `tryLater` until a newer one comes.
    Expired {
        /// Its nextUpdate.
        next_update: Time,
    },
}

/// A table that is in use from now on.
#[derive(Debug)]
pub struct Swapped {
    /// Where the list came from.
    pub served: Served,
    /// What it is.
    pub facts: CrlFacts,
    /// It has run out: the issuer answers `tryLater` until a newer list comes.
    pub is_expired: bool,
    /// Why what is in the file now is not used; only when `served` is not `File`.
    pub refused: Option<SourceError>,
    /// The file holds a list from the future, which takes over then; only when `served` is not `File`.
    pub waiting_until: Option<Time>,
    /// The state directory could not be written: after a restart this list would not be known.
    pub state_error: Option<SourceError>,
}

/// Which copy of a list went into use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// What is in the configured file.
    File,
    /// What was in the configured file and waited for its time to come.
    Waited,
    /// The last good copy of the state directory.
    LastGood,
}

impl Refresher {
    /// For one issuer and one CRL file; nothing is read yet.
    pub fn new(
        path: PathBuf,
        issuer: Arc<Issuer>,
        state: Option<Arc<StateDirectory>>,
        limits: SourceLimits,
    ) -> Refresher {
        Refresher {
            path,
            issuer,
            state,
            limits,
            high_water: None,
            kept_marks: None,
            marks_are_read: false,
            is_unkept: false,
            failed_keep: None,
            keeps_when_told: false,
            to_keep: None,
            marks_problem: None,
            seen: None,
            waiting: None,
            takes_held: false,
            told: Told::default(),
        }
    }

    /// Takes over from the refresher of the same issuer in the configuration before, which stays as it is: the table in
    /// use, what is known of lists used, and, if the CRL file is the same, the list that waits and what was reported.
    ///
    /// To be called before the first [`Refresher::refresh`]; another issuer's refresher gives nothing.
    pub fn carry_over(&mut self, old: &Refresher) {
        if self.issuer.identity() != old.issuer.identity() {
            return;
        }
        drop(self.issuer.set_table(old.issuer.table()));
        self.high_water.clone_from(&old.high_water);
        self.is_unkept = old.is_unkept;
        if self.path == old.path {
            self.waiting.clone_from(&old.waiting);
            self.told.clone_from(&old.told);
        }
    }

    /// From here on nothing is written to the state directory before [`Refresher::keep_now`]: whoever makes this
    /// refresher does not know yet whether it will stay.
    pub fn keep_when_told(&mut self) {
        self.keeps_when_told = true;
    }

    /// Writes what came into use since [`Refresher::keep_when_told`], and from here on at once.
    ///
    /// # Errors
    /// The state directory could not be written; it is tried again, and after a restart this list would not be known.
    pub fn keep_now(&mut self, now: Time) -> Result<(), SourceError> {
        self.keeps_when_told = false;
        let Some((der, marks)) = self.to_keep.take() else {
            return Ok(());
        };
        let kept_now = self.keep(&der, &marks);
        if let Err(error) = &kept_now {
            self.keep_again(error, now);
            self.keep_marks_at_least();
            self.told.problem = Some(error.clone());
        }
        kept_now
    }

    /// The CRL file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The issuer it feeds.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// What keeps the file or the state directory from being used right now, as last reported.
    pub fn problem(&self) -> Option<&SourceError> {
        self.told.problem.as_ref()
    }

    /// Looks at the file, and swaps the issuer's table if there is a better one.  Reads files; never called by a request.
    pub fn refresh(&mut self, now: Time) -> RefreshReport {
        let report = match (self.read_marks(), self.issuer.table()) {
            (Err(error), _) => kept(error),
            (Ok(()), None) => self.start(now),
            (Ok(()), Some(in_use)) => self.look(&in_use, now),
        };
        self.keep_marks_at_least();
        let report = self.with_marks_problem(report);
        self.tell_once(report, now)
    }

    /// Uses the list that is held for its lower number now, as if the list in use had run out: the operator knows that the
    /// CA counts anew.  `Unchanged` when none is held.  The file is read and checked again like any other.
    pub fn accept_held(&mut self, now: Time) -> RefreshReport {
        if !matches!(
            self.problem(),
            Some(SourceError::LowerNumber {
                held_until: Some(_),
                ..
            })
        ) {
            return RefreshReport::Unchanged;
        }
        self.seen = None;
        self.takes_held = true;
        let report = self.refresh(now);
        self.takes_held = false;
        report
    }

    /// When to call `refresh` again at the latest, besides polls and file events.
    pub fn next_wake(&self, now: Time) -> Option<Time> {
        let waiting = self.waiting.as_ref().map(Candidate::this_update);
        let expiry = self.issuer.table().filter(|_| !self.told.expired);
        let held = self
            .seen
            .as_ref()
            .and_then(|seen| seen.verdict.held_until());
        let keep_again = self.is_unkept.then(|| match &self.failed_keep {
            Some(failed) if failed.still_waits(now) => failed.again(),
            Some(_) | None => now.plus_seconds(KEEP_AGAIN_SECONDS),
        });
        [
            waiting,
            expiry.map(|table| table.window().next_update),
            held,
            keep_again,
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|wake| wake.max(now))
    }

    /// Once; a table handed over counts too.
    fn read_marks(&mut self) -> Result<(), SourceError> {
        if self.marks_are_read {
            return Ok(());
        }
        let in_use = self.issuer.table();
        if let Some(state) = &self.state {
            match (state.marks(self.issuer.identity()), &in_use) {
                (Ok(marks), _) => self.kept_marks = marks,
                (Err(error), None) => return Err(error),
                // The list in use says what damaged marks said, and they are written anew.
                (Err(SourceError::StateCorrupt { path, problem }), Some(_)) => {
                    self.marks_problem = Some(SourceError::StateReplaced { path, problem });
                }
                // Writing them meets the same obstacle, and reports it.
                (Err(_), Some(_)) => {}
            }
        }
        self.marks_are_read = true;
        if let Some(marks) = self.kept_marks.clone() {
            self.raise(marks);
        }
        if let Some(table) = in_use {
            let digest = table.source().digest;
            self.is_unkept |= self.state.is_some()
                && (self.kept_marks.as_ref().map(|marks| marks.digest) != Some(digest)
                    || self.last_good_digest().ok().flatten() != Some(digest));
            if !self.is_marked(digest) {
                self.raise(marks_of(&table));
            }
        }
        Ok(())
    }

    /// Nothing is in use: the file and the last good copy are both considered.
    fn start(&mut self, now: Time) -> RefreshReport {
        let news = self.look_at_file(None, now);
        if self.waiting_is_due(now) {
            let news = self.unless_behind(news, Tie::Unknown, now);
            return self.file_news(news, now);
        }
        if self.is_last_good_too(&news) {
            let news = self.unless_behind(news, Tie::WasInUse, now);
            return self.file_news(news, now);
        }
        let last_good = self.last_good(now);
        let tie = match &last_good {
            Ok(Some(last_good)) => Tie::Compare(&last_good.table),
            Ok(None) | Err(_) => Tie::Unknown,
        };
        let news = self.unless_behind(news, tie, now);
        match (news, last_good) {
            (news, Ok(None)) => self.file_news(news, now),
            (News::Better(candidate), _) => self.swap(candidate, Served::File, None, now),
            (News::Refused(error), Ok(Some(last_good))) => {
                self.swap(last_good, Served::LastGood, Some(error), now)
            }
            (News::Future(candidate), Ok(Some(last_good))) => {
                self.waiting = Some(candidate);
                self.swap(last_good, Served::LastGood, None, now)
            }
            (News::StillWaiting | News::InUse, Ok(Some(last_good))) => {
                self.swap(last_good, Served::LastGood, None, now)
            }
            (News::Refused(file), Err(last_good)) => kept(SourceError::NoGoodCopy {
                file: Box::new(file),
                last_good: Box::new(last_good),
            }),
            (news @ (News::Future(_) | News::StillWaiting | News::InUse), Err(_)) => {
                self.file_news(news, now)
            }
        }
    }

    fn waiting_is_due(&self, now: Time) -> bool {
        self.waiting
            .as_ref()
            .is_some_and(|waiting| waiting.is_due(now))
    }

    /// The file holds the very list that lies in the state directory, so that there is no choice.  The marks alone do
    /// not tell: if writing them was cut off, the copy is newer than they say.
    fn is_last_good_too(&self, news: &News) -> bool {
        match news {
            News::Better(candidate) => {
                matches!(self.last_good_digest(), Ok(Some(digest)) if digest == candidate.facts.digest)
            }
            News::InUse | News::Future(_) | News::StillWaiting | News::Refused(_) => false,
        }
    }

    /// Of the last good copy, which is not judged; None when there is no such file.
    fn last_good_digest(&self) -> Result<Option<[u8; 32]>, SourceError> {
        Ok(self.last_good_file()?.map(|file| file.digest()))
    }

    fn last_good_file(&self) -> Result<Option<CrlFile>, SourceError> {
        let Some(state) = &self.state else {
            return Ok(None);
        };
        let path = state.last_good_path(self.issuer.identity());
        if !path.exists() {
            return Ok(None);
        }
        CrlFile::read(&path, &self.limits).map(Some)
    }

    /// The last good copy, checked again; None when there is no such file.  From here on it is the measure, if the marks
    /// lag behind it.
    fn last_good(&mut self, now: Time) -> Result<Option<Candidate>, SourceError> {
        let (Some(file), Some(state)) = (self.last_good_file()?, self.state.clone()) else {
            return Ok(None);
        };
        let path = file.path().to_owned();
        let written = self.written(&file, now);
        let last_good = Candidate::new(file, &self.issuer, written, now)?;
        self.check_order(&path, &last_good, Tie::WasInUse, now)?;
        self.raise(last_good.marks(&self.path));
        if !last_good.is_due(now) {
            return Err(SourceError::FromTheFuture {
                path,
                this_update: last_good.this_update(),
                now,
                state_folder: state.folder(self.issuer.identity()),
            });
        }
        Ok(Some(last_good))
    }

    /// What the file holds, unless a list used before is newer.
    fn unless_behind(&mut self, news: News, tie: Tie<'_>, now: Time) -> News {
        let News::Better(candidate) = news else {
            return news;
        };
        match self.check_order(&self.path, &candidate, tie, now) {
            Ok(()) => News::Better(candidate),
            Err(error) => {
                self.seen = self.seen.take().map(|seen| Seen {
                    fingerprint: seen.fingerprint,
                    verdict: Verdict::Refused(error.clone()),
                });
                News::Refused(error)
            }
        }
    }

    /// A table is in use.
    fn look(&mut self, in_use: &StatusTable, now: Time) -> RefreshReport {
        let news = self.look_at_file(Some(in_use), now);
        let news = self.unless_behind(news, Tie::Compare(in_use), now);
        self.file_news(news, now)
    }

    fn file_news(&mut self, news: News, now: Time) -> RefreshReport {
        let due = self.waiting.take_if(|waiting| waiting.is_due(now));
        match news {
            News::Better(candidate) => {
                self.waiting = None;
                self.swap(candidate, Served::File, None, now)
            }
            News::InUse => {
                self.waiting = None;
                self.keep_what_is_unkept(now)
            }
            News::Future(candidate) => {
                let until = candidate.this_update();
                self.waiting = Some(candidate);
                self.take_over(due, None, now).unwrap_or(waiting(until))
            }
            News::StillWaiting => match (self.take_over(due, None, now), &self.waiting) {
                (Some(report), _) => report,
                (None, Some(candidate)) => waiting(candidate.this_update()),
                (None, None) => RefreshReport::Unchanged,
            },
            News::Refused(error) => self
                .take_over(due, Some(&error), now)
                .unwrap_or_else(|| kept(error)),
        }
    }

    /// The list that waited, if its time has come.
    fn take_over(
        &mut self,
        due: Option<Candidate>,
        refused: Option<&SourceError>,
        now: Time,
    ) -> Option<RefreshReport> {
        let candidate = due?;
        let in_use = self.issuer.table();
        let tie = in_use.as_deref().map_or(Tie::Unknown, Tie::Compare);
        if let Err(error) = self.check_order(&self.path, &candidate, tie, now) {
            // Held, or overtaken: what is in the file is judged anew at the next look.
            self.seen = None;
            return Some(kept(error));
        }
        self.mark_seen_in_use();
        Some(self.swap(candidate, Served::Waited, refused.cloned(), now))
    }

    fn mark_seen_in_use(&mut self) {
        if let Some(seen) = &mut self.seen
            && matches!(seen.verdict, Verdict::Waits)
            && self.waiting.is_none()
        {
            seen.verdict = Verdict::InUse;
        }
    }

    fn swap(
        &mut self,
        candidate: Candidate,
        served: Served,
        refused: Option<SourceError>,
        now: Time,
    ) -> RefreshReport {
        let marks = candidate.marks(&self.path);
        let Candidate {
            table,
            facts,
            der,
            written: _,
        } = candidate;
        drop(self.issuer.set_table(Some(table)));
        let is_kept = self.kept_marks.as_ref() == Some(&marks)
            && matches!(self.last_good_digest(), Ok(Some(digest)) if digest == facts.digest);
        self.is_unkept = false;
        self.failed_keep = None;
        self.to_keep = None;
        let mut state_error = None;
        if !is_kept && self.keeps_when_told {
            self.to_keep = Some((der, marks.clone()));
        } else if !is_kept && let Err(error) = self.keep(&der, &marks) {
            self.keep_again(&error, now);
            state_error = Some(error);
        }
        self.raise(marks);
        RefreshReport::Swapped(Box::new(Swapped {
            served,
            is_expired: is_expired(facts.window.next_update, now),
            facts,
            refused,
            waiting_until: self.waiting.as_ref().map(Candidate::this_update),
            state_error,
        }))
    }

    fn keep(&mut self, der: &[u8], marks: &Marks) -> Result<(), SourceError> {
        if let Some(state) = &self.state {
            state.keep(self.issuer.identity(), der, marks)?;
            self.kept_marks = Some(marks.clone());
        }
        Ok(())
    }

    /// The file holds the list in use: another try, if the last one failed.
    fn keep_what_is_unkept(&mut self, now: Time) -> RefreshReport {
        let (true, false, Some(table)) =
            (self.is_unkept, self.keeps_when_told, self.issuer.table())
        else {
            return RefreshReport::Unchanged;
        };
        if let Some(failed) = &self.failed_keep
            && failed.still_waits(now)
        {
            return kept(failed.error.clone());
        }
        let kept_now = CrlFile::read(&self.path, &self.limits).and_then(|file| {
            if file.digest() != table.source().digest {
                return Ok(false);
            }
            let mut marks = self.marks_in_use(&table);
            marks.source = self.path.display().to_string();
            self.keep(&file.into_der(), &marks).map(|()| true)
        });
        match kept_now {
            Ok(true) => {
                self.is_unkept = false;
                self.failed_keep = None;
                RefreshReport::StateKept
            }
            Ok(false) => RefreshReport::Unchanged,
            Err(error) => {
                self.keep_again(&error, now);
                kept(error)
            }
        }
    }

    fn keep_again(&mut self, error: &SourceError, now: Time) {
        let wait_seconds = self
            .failed_keep
            .as_ref()
            .map_or(KEEP_AGAIN_SECONDS, |failed| {
                (failed.wait_seconds * 2).min(KEEP_AGAIN_SECONDS_MAX)
            });
        self.is_unkept = true;
        self.failed_keep = Some(FailedKeep {
            error: error.clone(),
            at: now,
            wait_seconds,
        });
    }

    /// Whatever became of the list: the marks alone stop a rollback after a restart.  A failure was reported as that of
    /// the list, and is tried again with it.
    fn keep_marks_at_least(&mut self) {
        let (true, false, Some(state), Some(table)) = (
            self.is_unkept,
            self.keeps_when_told,
            &self.state,
            self.issuer.table(),
        ) else {
            return;
        };
        let marks = self.marks_in_use(&table);
        if self.kept_marks.as_ref().map(|kept| kept.digest) != Some(marks.digest)
            && state.keep_marks(self.issuer.identity(), &marks).is_ok()
        {
            self.kept_marks = Some(marks);
        }
    }

    fn marks_in_use(&self, table: &StatusTable) -> Marks {
        self.high_water
            .clone()
            .filter(|marks| marks.digest == table.source().digest)
            .unwrap_or_else(|| marks_of(table))
    }

    /// Reports what was wrong with the marks as soon as nothing else is to be said.
    fn with_marks_problem(&mut self, report: RefreshReport) -> RefreshReport {
        match report {
            RefreshReport::Unchanged | RefreshReport::StateKept | RefreshReport::Recovered => {
                self.marks_problem.take().map_or(report, kept)
            }
            RefreshReport::Swapped(mut swapped) => {
                if swapped.state_error.is_none() {
                    swapped.state_error = self.marks_problem.take();
                }
                RefreshReport::Swapped(swapped)
            }
            RefreshReport::Waiting { .. }
            | RefreshReport::Kept { .. }
            | RefreshReport::Expired { .. } => report,
        }
    }

    /// Reads the file unless it is the one that was read last, and judges it.
    fn look_at_file(&mut self, in_use: Option<&StatusTable>, now: Time) -> News {
        let fingerprint = match Fingerprint::of(&self.path) {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                self.seen = None;
                return News::Refused(error);
            }
        };
        if let Some(seen) = &self.seen
            && seen.fingerprint == fingerprint
            && seen.verdict.holds(in_use.is_some(), now)
        {
            return seen.verdict.clone().into();
        }
        let news = self.judge(in_use, now).unwrap_or_else(News::Refused);
        self.seen = Verdict::of(&news)
            .filter(|_| fingerprint.is_settled(now))
            .map(|verdict| Seen {
                fingerprint,
                verdict,
            });
        news
    }

    /// All but the order.
    fn judge(&self, in_use: Option<&StatusTable>, now: Time) -> Result<News, SourceError> {
        let file = CrlFile::read(&self.path, &self.limits)?;
        let written = self.written(&file, now);
        if in_use.is_some_and(|table| {
            table.source().digest == file.digest()
                && file.next_update(written, now) == table.window().next_update
        }) {
            return Ok(News::InUse);
        }
        let candidate = Candidate::new(file, &self.issuer, written, now)?;
        Ok(if candidate.is_due(now) {
            News::Better(candidate)
        } else {
            News::Future(candidate)
        })
    }

    /// When the file was written, as it counts and is kept.  A list that is known does not count anew because the time
    /// of its file was set ahead.
    fn written(&self, file: &CrlFile, now: Time) -> Time {
        let written = file.written().min(now);
        let is_copy = self
            .state
            .as_ref()
            .is_some_and(|state| file.path() == state.last_good_path(self.issuer.identity()));
        self.high_water
            .as_ref()
            .filter(|marks| (is_copy || file.is_post_dated(now)) && marks.digest == file.digest())
            .map_or(written, |marks| marks.written.min(written))
    }

    /// Against the newest list used so far.
    fn check_order(
        &self,
        path: &Path,
        candidate: &Candidate,
        tie: Tie<'_>,
        now: Time,
    ) -> Result<(), SourceError> {
        let Some(high_water) = &self.high_water else {
            return Ok(());
        };
        let facts = &candidate.facts;
        let this_update = candidate.this_update();
        let state_folder = || {
            let state = self.state.as_ref()?;
            Some(state.folder(self.issuer.identity()))
        };
        if facts.digest == high_water.digest {
            return Ok(());
        }
        if this_update < high_water.this_update {
            return Err(SourceError::Older {
                path: path.to_owned(),
                this_update,
                in_use: high_water.this_update,
                state_folder: state_folder(),
            });
        }
        if candidate.marks(path).is_tied_with(high_water) {
            let is_enough = match tie {
                Tie::WasInUse => true,
                Tie::Compare(used) => {
                    used.source().digest == high_water.digest
                        && candidate.table.revokes_all_of(used)
                }
                Tie::Unknown => false,
            };
            return if is_enough {
                Ok(())
            } else {
                Err(SourceError::SameOrder {
                    path: path.to_owned(),
                    digest: facts.digest,
                    in_use: high_water.digest,
                    state_folder: state_folder(),
                })
            };
        }
        let (Some(number), Some(in_use)) = (&facts.crl_number, &high_water.crl_number) else {
            return Ok(());
        };
        let is_newer = this_update > high_water.this_update;
        let has_run_out = is_expired(high_water.next_update, now) || self.takes_held;
        if number >= in_use || (is_newer && has_run_out) {
            return Ok(());
        }
        Err(SourceError::LowerNumber {
            path: path.to_owned(),
            this_update,
            number: number.clone(),
            in_use: in_use.clone(),
            held_until: is_newer.then_some(high_water.next_update),
        })
    }

    fn raise(&mut self, marks: Marks) {
        if self
            .high_water
            .as_ref()
            .is_none_or(|high_water| !high_water.is_newer_than(&marks))
        {
            self.high_water = Some(marks);
        }
    }

    fn is_marked(&self, digest: [u8; 32]) -> bool {
        self.high_water
            .as_ref()
            .is_some_and(|marks| marks.digest == digest)
    }

    /// Marks what was reported before, and adds the one report that needs no change of the file.
    fn tell_once(&mut self, report: RefreshReport, now: Time) -> RefreshReport {
        let report = self.mark_repeats(report);
        let has_news = match &report {
            RefreshReport::Unchanged => false,
            RefreshReport::Waiting { repeated, .. } | RefreshReport::Kept { repeated, .. } => {
                !repeated
            }
            RefreshReport::Swapped(_)
            | RefreshReport::Recovered
            | RefreshReport::StateKept
            | RefreshReport::Expired { .. } => true,
        };
        let run_out = self
            .issuer
            .table()
            .map(|table| table.window().next_update)
            .filter(|next_update| is_expired(*next_update, now));
        match run_out {
            Some(next_update) if !has_news && !self.told.expired => {
                self.told.expired = true;
                RefreshReport::Expired { next_update }
            }
            Some(_) | None => report,
        }
    }

    fn mark_repeats(&mut self, report: RefreshReport) -> RefreshReport {
        let told = &mut self.told;
        match report {
            RefreshReport::Kept { error, repeated: _ } => {
                let sentence = error.to_string();
                let repeated = told
                    .problem
                    .as_ref()
                    .is_some_and(|old| old.to_string() == sentence);
                told.problem = Some(error.clone());
                RefreshReport::Kept { error, repeated }
            }
            RefreshReport::Waiting { until, repeated: _ } => {
                let repeated = told.waiting_until.replace(until) == Some(until);
                told.problem = None;
                RefreshReport::Waiting { until, repeated }
            }
            RefreshReport::Swapped(swapped) => {
                *told = Told {
                    problem: swapped
                        .refused
                        .clone()
                        .or_else(|| swapped.state_error.clone()),
                    waiting_until: swapped.waiting_until,
                    expired: swapped.is_expired,
                };
                RefreshReport::Swapped(swapped)
            }
            RefreshReport::Unchanged => match told.problem.take() {
                Some(_) => RefreshReport::Recovered,
                None => RefreshReport::Unchanged,
            },
            RefreshReport::StateKept => {
                told.problem = None;
                RefreshReport::StateKept
            }
            RefreshReport::Recovered | RefreshReport::Expired { .. } => report,
        }
    }
}

/// What a look at the file found.
enum News {
    /// The list in use, or one that only carries it on.
    InUse,
    /// A list that may be used now.
    Better(Candidate),
    /// A list from the future.
    Future(Candidate),
    /// The list from the future that was there before.
    StillWaiting,
    /// Nothing that may be used.
    Refused(SourceError),
}

impl From<Verdict> for News {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::InUse => News::InUse,
            Verdict::Waits => News::StillWaiting,
            Verdict::Refused(error) => News::Refused(error),
        }
    }
}

impl Verdict {
    /// None when the same file must be read again: what the system refused may be given at the next try.
    fn of(news: &News) -> Option<Verdict> {
        match news {
            News::InUse | News::Better(_) => Some(Verdict::InUse),
            News::Future(_) | News::StillWaiting => Some(Verdict::Waits),
            News::Refused(SourceError::Read { .. }) => None,
            News::Refused(error) => Some(Verdict::Refused(error.clone())),
        }
    }

    /// Whether it still holds for the same file.
    fn holds(&self, is_anything_in_use: bool, now: Time) -> bool {
        match self {
            Verdict::InUse => is_anything_in_use,
            Verdict::Waits => true,
            Verdict::Refused(_) => self.held_until().is_none_or(|until| now < until),
        }
    }

    /// When a list that is held may be used.
    fn held_until(&self) -> Option<Time> {
        match self {
            Verdict::Refused(SourceError::LowerNumber { held_until, .. }) => *held_until,
            Verdict::Refused(_) | Verdict::InUse | Verdict::Waits => None,
        }
    }
}

impl Candidate {
    /// Checks the list whole; `written` is when its file counts as written.
    fn new(
        file: CrlFile,
        issuer: &Issuer,
        written: Time,
        now: Time,
    ) -> Result<Candidate, SourceError> {
        let LoadedTable { table, facts } = file.load(issuer.certificate(), written, now)?;
        Ok(Candidate {
            table: Arc::new(table),
            facts,
            der: Arc::new(file.into_der()),
            written,
        })
    }

    fn this_update(&self) -> Time {
        self.facts.window.this_update
    }

    fn is_due(&self, now: Time) -> bool {
        self.this_update() <= now
    }

    fn marks(&self, source: &Path) -> Marks {
        let facts = &self.facts;
        Marks {
            this_update: facts.window.this_update,
            next_update: facts.window.next_update,
            crl_number: facts.crl_number.clone(),
            digest: facts.digest,
            written: self.written,
            source: source.display().to_string(),
        }
    }
}

/// What a table says of the list it was made from.
fn marks_of(table: &StatusTable) -> Marks {
    let (window, source) = (table.window(), table.source());
    Marks {
        this_update: window.this_update,
        next_update: window.next_update,
        crl_number: source.crl_number.as_deref().map(CrlNumber::from_content),
        digest: source.digest,
        // As if the list had no nextUpdate of its own: only then it counts from here.
        written: window.next_update.plus_seconds(-NO_NEXT_UPDATE_SECONDS),
        source: source.origin.clone(),
    }
}

/// nextUpdate is the time at which newer information is there: from then on the list is old.
fn is_expired(next_update: Time, now: Time) -> bool {
    now >= next_update
}

fn kept(error: SourceError) -> RefreshReport {
    RefreshReport::Kept {
        error,
        repeated: false,
    }
}

fn waiting(until: Time) -> RefreshReport {
    RefreshReport::Waiting {
        until,
        repeated: false,
    }
}
