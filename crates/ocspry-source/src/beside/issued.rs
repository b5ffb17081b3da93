//! A list of what was issued, followed: which reading is in use, and what keeps a worse one out.
//!
//! From: the CA's file or directory, by `issued`.  To: `compose`, to the state directory, and to the operator.  Nothing in
//! such a list is signed or numbered, so what is guaranteed is less than for a CRL (design.md §3, §7):
//!
//! - An export that was written before one already used is refused, also after a restart: the last good copy serves.  A
//!   record speaks of the time at which it is read, and has no such order; nor has a directory of certificates, since the
//!   newest of them may go.
//! - What the list in use said and the next one does not (a certificate named, a revocation that is no lifted hold) is
//!   never taken in silence: it is counted, and where it is alarming the guard has its say.  With `refuse` it counts on
//!   until the operator accepts, also across restarts.  After a restart the list in use is the kept copy; without that,
//!   it is said that nothing could be compared.  The copy of a record names nothing any more, but what it revokes is revoked
//!   until the record is in use again.
//! - A file that was written a moment ago may be half there: what it adds counts at once, what it takes back once it has
//!   stayed as it is (`followed.rs`).
//! - A list is remembered by its path.  One that says all that the one before it said is taken, whatever else it says.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use ocspry_core::{
    CLOCK_BEHIND_SECONDS_MAX, IssuedSerials, OwnedCertificate, RevokedSerials, SourceInfo,
    ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

use super::followed::{Followed, Look, SETTLED_SECONDS};
use super::known::Known;
use super::taken_back::{Held, compare};
use super::{IssuedRole, IssuedSource, Lag, kept};
use crate::guard::Guard;
use crate::issued::{IssuedKind, IssuedLimits, IssuedStamp};
use crate::keeping::Keeping;
use crate::load::Onlooker;
use crate::pace::{self, Pace};
use crate::refresh::{Event, HeldBack, Hold, Report, ShowLoad};
use crate::state::{KeptSeries, Marks};
use crate::{SourceError, held};

/// A list of what was issued, as it was last read and found good.
pub(crate) struct IssuedFeed {
    source: IssuedSource,
    followed: Followed<IssuedStamp>,
    /// Since when there is nothing at its place.
    missing_since: Option<Time>,
    known: Option<Known>,
    /// A copy that proves nothing, while nothing is in use since the start: of that, what it revokes.
    remembered: Option<Known>,
    /// What is there, and may be half written.
    settling: Option<Settling>,
    /// What was taken back and counts all the same.
    held: Held,
    /// The newest ever used, by what the state directory says and by what is in use.
    high_water: Option<Marks>,
    series: Option<KeptSeries>,
    /// The state directory was read.
    is_remembered: bool,
    is_unkept: bool,
    keeping: Keeping,
    is_held_unkept: bool,
    held_keeping: Keeping,
    keeps_when_told: bool,
}

/// A reading that takes something back, of a file that was written a moment ago: it counts beside what is in use.
#[derive(Clone)]
struct Settling {
    reading: Known,
    /// What readings before it said that were of no longer life.
    passed: Held,
    /// Of the first of them.
    since: Time,
    /// When it is judged.
    until: Time,
}

impl IssuedFeed {
    pub(crate) fn new(source: IssuedSource, series: Option<KeptSeries>) -> IssuedFeed {
        IssuedFeed {
            source,
            followed: Followed::new(),
            missing_since: None,
            known: None,
            remembered: None,
            settling: None,
            held: Held::default(),
            high_water: None,
            series,
            is_remembered: false,
            is_unkept: false,
            keeping: Keeping::default(),
            is_held_unkept: false,
            held_keeping: Keeping::default(),
            keeps_when_told: false,
        }
    }

    pub(crate) fn source(&self) -> &IssuedSource {
        &self.source
    }

    pub(crate) fn carry_over(&mut self, old: &IssuedFeed) {
        self.followed.clone_from(&old.followed);
        if self.source.role == old.source.role {
            self.remembered.clone_from(&old.remembered);
        } else {
            // What was refused as an export may be used as a record.
            self.followed.forget_seen();
        }
        self.known.clone_from(&old.known);
        self.settling.clone_from(&old.settling);
        self.held.clone_from(&old.held);
        self.high_water.clone_from(&old.high_water);
        self.is_held_unkept = old.is_held_unkept;
        self.is_unkept = old.is_unkept;
        self.keeping.clone_from(&old.keeping);
        self.held_keeping.clone_from(&old.held_keeping);
        self.keeping.begin();
        self.held_keeping.begin();
    }

    pub(crate) fn problem(&self) -> Option<(String, &SourceError)> {
        Some((self.place(), self.followed.problem()?))
    }

    fn place(&self) -> String {
        self.source.path.display().to_string()
    }

    /// Reads it again if it changed, or if it was told too long ago which certificates have expired.  Where nothing is in
    /// use yet, `show` is told how far that is; else it is read at its pace.
    pub(crate) fn look(
        &mut self,
        issuer: &OwnedCertificate,
        guard: Guard,
        pace: Pace,
        show: Option<&ShowLoad>,
        now: Time,
    ) -> Vec<Report> {
        let mut events = Vec::new();
        if let Err(error) = self.remember(&mut events) {
            self.followed.forget_seen();
            self.followed.refuse(error);
            return Vec::new();
        }
        if let Some(known) = &mut self.known
            && !(-CLOCK_BEHIND_SECONDS_MAX..AGES_HOLD_SECONDS)
                .contains(&now.seconds_since(known.read_at))
        {
            known.read_at = now;
            self.followed.forget_seen();
        }
        let stamp = IssuedStamp::of(&self.source.path);
        if self.is_being_replaced(&stamp, now) {
            return Vec::new();
        }
        let path = &self.source.path;
        let quiet_time = stamp.as_ref().map_or(Duration::ZERO, quiet_time);
        let read = |onlooker: Onlooker<'_>| {
            Known::read(path, issuer, &IssuedLimits::DEFAULT, now, onlooker)
        };
        let look = self.followed.look(
            stamp,
            |stamp| stamp.is_settled(now),
            now,
            || match (&self.known, pace) {
                (Some(_), Pace::Beside { seconds_left }) => {
                    pace::beside_or_anew(quiet_time, seconds_left, |goes_on| {
                        let show = &|_| {};
                        read(Onlooker { show, goes_on })
                    })
                }
                (None, _) | (_, Pace::AtOnce) => read(Onlooker {
                    show: &|progress| {
                        if let Some(show) = show {
                            show(path, progress);
                        }
                    },
                    goes_on: &|| true,
                }),
            },
        );
        match look {
            Look::Unchanged => self.confirm(now),
            Look::Failed => {}
            Look::Read(known) => self.judge(known, issuer, guard, now, &mut events),
        }
        if self.known.is_none() {
            self.use_copy(issuer, now, &mut events);
        }
        let report = |event| Report {
            place: self.place(),
            event,
        };
        events.into_iter().map(report).collect()
    }

    /// It was there a moment ago: `openssl ca` moves the old index away before it moves the new one in.
    fn is_being_replaced(&mut self, stamp: &Result<IssuedStamp, SourceError>, now: Time) -> bool {
        let is_missing = matches!(
            stamp,
            Err(SourceError::ListUnreadable { source, .. }) if source.kind() == ErrorKind::NotFound
        );
        if !is_missing || self.known.is_none() {
            self.missing_since = None;
            return false;
        }
        let since = *self.missing_since.get_or_insert(now);
        (0..REPLACING_SECONDS).contains(&now.seconds_since(since))
    }

    /// Reads what the state directory remembers, once.
    ///
    /// # Errors
    /// Nothing is in use, and it cannot be read: nothing may be used then.
    fn remember(&mut self, events: &mut Vec<Event>) -> Result<(), SourceError> {
        let Some(series) = self.series.as_ref().filter(|_| !self.is_remembered) else {
            return Ok(());
        };
        let marks = match (series.marks(), &self.known) {
            (Ok(marks), _) => marks,
            (Err(error), None) => return Err(error),
            // What is in use says what they said, and they are written anew.
            (Err(SourceError::StateCorrupt { path, problem }), Some(_)) => {
                events.push(Event::Refused(SourceError::StateReplaced { path, problem }));
                None
            }
            // Writing them meets the same obstacle, and reports it.
            (Err(_), Some(_)) => None,
        };
        match &self.known {
            None => {
                self.held = Held {
                    issued: held::read_issued(series)?,
                    revoked: held::read(series)?,
                };
            }
            Some(known) => {
                let is_marked = |marks: &Marks| marks.digest == known.facts.digest;
                self.is_unkept |= !marks.as_ref().is_some_and(is_marked)
                    || !kept::is_copy(&series.list_path(), known);
            }
        }
        self.is_remembered = true;
        if self.high_water.as_ref().is_none_or(|used| {
            marks
                .as_ref()
                .is_some_and(|marks| marks.is_newer_than(used))
        }) {
            self.high_water = marks;
        }
        Ok(())
    }

    fn judge(
        &mut self,
        known: Known,
        issuer: &OwnedCertificate,
        guard: Guard,
        now: Time,
        events: &mut Vec<Event>,
    ) {
        if let Some(used) = &self.known
            && used.facts.digest == known.facts.digest
        {
            self.take_again(known, now);
            return;
        }
        let marks = self.high_water.as_ref();
        let is_marked = marks.is_some_and(|marks| marks.digest == known.facts.digest);
        if !is_marked && let Some(error) = self.older(&known) {
            self.followed.refuse(error);
            return;
        }
        let before = match (&self.known, &self.series, marks) {
            (Some(used), _, _) => Some(Ok(used.clone())),
            (None, Some(series), Some(marks)) if !is_marked => {
                Some(kept::read(&series.list_path(), issuer, marks.written, now))
            }
            (None, _, _) => None,
        };
        let compared = before.map(|before| before.map(|before| compare(&before, &known)));
        if let Some(Ok((_, taken_back))) = &compared
            && !taken_back.is_empty()
            && let Some(until) = self.settles_when(&known, now)
        {
            if self.settling.is_none() {
                events.push(Event::Settling { until });
            }
            self.settle(known, until, now);
            return;
        }
        events.push(Event::FactsInUse(known.sentence()));
        match compared {
            None => {}
            Some(Err(error)) => events.push(Event::NotCompared(error)),
            Some(Ok((mut taken_back, all))) => {
                if guard == Guard::Refuse && taken_back.is_alarming() {
                    taken_back.is_held = true;
                    self.held.add(&all);
                    self.is_held_unkept = true;
                    self.held_keeping.begin();
                }
                if !taken_back.is_nothing() {
                    events.push(Event::TakenBack(taken_back));
                }
            }
        }
        self.take(known);
    }

    /// When that reading is judged; None: now.
    fn settles_when(&self, reading: &Known, now: Time) -> Option<Time> {
        let written = match reading.facts.kind {
            IssuedKind::Serials | IssuedKind::Index => reading.facts.written,
            // A file that goes leaves no trace in the times of the others, and one that comes may bring its own.
            IssuedKind::Certificates => now,
        };
        let until = self.followed.settles_at(written, SETTLED_SECONDS, now)?;
        let settling = self.settling.as_ref();
        let is_restless = reading.facts.kind == IssuedKind::Certificates
            && settling.is_some_and(|settling| {
                !(0..RESTLESS_SECONDS).contains(&now.seconds_since(settling.since))
            });
        (!is_restless).then_some(until)
    }

    /// It is judged later, and counts until then beside all that was said.
    fn settle(&mut self, reading: Known, until: Time, now: Time) {
        self.followed.forget_seen();
        match &mut self.settling {
            Some(settling) if settling.reading.facts.digest == reading.facts.digest => {
                settling.until = until;
            }
            Some(settling) => {
                let (_, passed) = compare(&settling.reading, &reading);
                settling.passed.add(&passed);
                (settling.reading, settling.until) = (reading, until);
            }
            None => {
                self.settling = Some(Settling {
                    reading,
                    passed: Held::default(),
                    since: now,
                    until,
                });
            }
        }
    }

    fn older(&self, known: &Known) -> Option<SourceError> {
        // thisUpdate of a record is when it was read, and may be remembered here as well.
        let in_use = self.high_water.as_ref()?.written;
        let has_order = match (self.source.role, known.facts.kind) {
            (IssuedRole::Export, IssuedKind::Serials | IssuedKind::Index) => true,
            (IssuedRole::Export, IssuedKind::Certificates) | (IssuedRole::Record, _) => false,
        };
        (has_order && known.facts.written < in_use).then(|| SourceError::OlderIssued {
            path: self.source.path.clone(),
            written: known.facts.written,
            in_use,
            state_folder: self
                .series
                .as_ref()
                .map(|series| series.folder().to_owned()),
        })
    }

    fn take(&mut self, mut known: Known) {
        (self.settling, self.remembered) = (None, None);
        self.settle_written(&mut known);
        let marks = self.marks_of(&known);
        self.is_unkept = self.series.as_ref().is_some_and(|series| {
            self.high_water.as_ref() != Some(&marks) || !kept::is_copy(&series.list_path(), &known)
        });
        self.keeping.begin();
        self.high_water = Some(marks);
        self.known = Some(known);
    }

    /// It says what the one in use says.
    fn take_again(&mut self, mut known: Known, now: Time) {
        self.settling = None;
        self.settle_written(&mut known);
        let marks = self.marks_of(&known);
        if let Some(used) = &mut self.known {
            if known.unexpired.len() != used.unexpired.len() {
                (used.unexpired, used.others) = (known.unexpired, known.others);
            }
            self.is_unkept |= self.series.is_some() && known.facts.written > used.facts.written;
            used.facts = known.facts;
            used.read_at = known.read_at;
        }
        self.high_water = Some(marks);
        self.confirm(now);
    }

    /// The same list does not grow older because the time of its file was set back.
    fn settle_written(&self, known: &mut Known) {
        let marks = self.high_water.as_ref();
        if let Some(marks) = marks.filter(|marks| marks.digest == known.facts.digest) {
            known.facts.written = known.facts.written.max(marks.written);
        }
    }

    /// The time that it speaks of.
    fn this_update_of(&self, known: &Known) -> Time {
        match self.source.role {
            IssuedRole::Export => known.facts.written,
            IssuedRole::Record => known.confirmed,
        }
    }

    fn marks_of(&self, known: &Known) -> Marks {
        let this_update = self.this_update_of(known);
        let used = self.high_water.as_ref().map(|marks| marks.this_update);
        let this_update = used.map_or(this_update, |used| used.max(this_update));
        Marks {
            this_update,
            next_update: this_update.plus_seconds(self.source.max_age_seconds),
            crl_number: None,
            digest: known.facts.digest,
            written: known.facts.written,
            source: self.place(),
        }
    }

    /// Nothing is in use: the last good copy of an export is as old as it says.  That of a record was not seen to be so since,
    /// nor was one that is behind the marks, and proves nothing; but nobody knows that what it revokes is not revoked any more.
    fn use_copy(&mut self, issuer: &OwnedCertificate, now: Time, events: &mut Vec<Event>) {
        let (Some(series), Some(marks), None) = (&self.series, &self.high_water, &self.remembered)
        else {
            return;
        };
        let Ok(copy) = kept::read(&series.list_path(), issuer, marks.written, now) else {
            return;
        };
        let is_newest = copy.facts.digest == marks.digest;
        match self.source.role {
            IssuedRole::Export if is_newest => {
                let sentence = copy.sentence();
                events.push(Event::FactsInUse(format!("the last good copy: {sentence}")));
                self.known = Some(copy);
            }
            IssuedRole::Export | IssuedRole::Record => self.remembered = Some(copy),
        }
    }

    /// A list of serials is seen to be so once a minute at the most, so that answers made from it can be kept for that long.
    fn confirm(&mut self, now: Time) {
        if self.followed.problem().is_none()
            && let Some(known) = &mut self.known
            && !(-CLOCK_BEHIND_SECONDS_MAX..CONFIRM_SECONDS)
                .contains(&now.seconds_since(known.confirmed))
        {
            known.confirmed = now;
        }
    }

    /// What is held for `crl accept`.
    pub(crate) fn hold(&self) -> Option<Hold> {
        (!self.held.is_empty()).then(|| Hold {
            place: self.source.path.display().to_string(),
            what: HeldBack::TakenBack {
                certificates: self.held.issued.as_ref().map_or(0, |held| held.len()),
                revocations: self.held.revoked.as_ref().map_or(0, |held| held.len()),
            },
        })
    }

    /// The operator accepts what was taken back; whether anything was held.
    pub(crate) fn accept_held(&mut self) -> bool {
        let was_holding = !self.held.is_empty();
        self.held = Held::default();
        if was_holding {
            self.is_held_unkept = true;
            self.held_keeping.begin();
        }
        was_holding
    }

    /// Forgets which lists were used, so that older ones are taken again; what is in use stays until another one comes.
    pub(crate) fn forget_used(&mut self) {
        self.high_water = None;
        self.is_unkept = self.series.is_some() && self.known.is_some();
        self.is_held_unkept = !self.held.is_empty();
        self.keeping.begin();
        self.held_keeping.begin();
        self.followed.forget_seen();
    }

    /// From here on nothing is written before [`IssuedFeed::keep_now`].
    pub(crate) fn keep_when_told(&mut self) {
        self.keeps_when_told = true;
    }

    /// From here on [`IssuedFeed::keep`] writes.
    pub(crate) fn keep_now(&mut self) {
        self.keeps_when_told = false;
    }

    /// Writes what is not in the state directory yet.  What is to be reported of that.
    pub(crate) fn keep(
        &mut self,
        issuer: &OwnedCertificate,
        now: Time,
    ) -> Vec<Result<(), SourceError>> {
        let held = self.keep_held(now);
        // Before the list without it: a restart holds too much rather than too little.
        let list = if self.keeps_held() {
            None
        } else {
            self.keep_list(issuer, now)
        };
        held.into_iter().chain(list).collect()
    }

    fn keep_held(&mut self, now: Time) -> Option<Result<(), SourceError>> {
        if !self.keeps_held() || !self.held_keeping.is_time(now) {
            return None;
        }
        let series = self.series.as_ref()?;
        let revoked = held::write(series, self.held.revoked.as_deref());
        let written =
            revoked.and_then(|()| held::write_issued(series, self.held.issued.as_deref()));
        self.is_held_unkept = written.is_err();
        self.held_keeping.tried(written, now)
    }

    /// What is held, or that nothing is, is still to be written down.
    fn keeps_held(&self) -> bool {
        self.is_held_unkept && self.series.is_some() && !self.keeps_when_told
    }

    fn keep_list(
        &mut self,
        issuer: &OwnedCertificate,
        now: Time,
    ) -> Option<Result<(), SourceError>> {
        if !self.is_unkept || self.keeps_when_told || !self.keeping.is_time(now) {
            return None;
        }
        let (series, known) = (self.series.as_ref()?, self.known.as_ref()?);
        let marks = self.marks_of(known);
        let kept = if kept::is_copy(&series.list_path(), known) {
            series.keep_marks(&marks)
        } else {
            series.keep_as(&marks, |file, path| {
                kept::write(&self.source.path, issuer, known, file, path)
            })
        };
        self.is_unkept = kept.is_err();
        self.keeping.tried(kept, now)
    }

    /// From when to when it holds.
    fn window(&self) -> Option<ValidityWindow> {
        let this_update = self.this_update_of(self.known.as_ref()?);
        Some(ValidityWindow {
            this_update,
            next_update: this_update.plus_seconds(self.source.max_age_seconds),
        })
    }

    /// It was read, and is not too old.
    pub(crate) fn is_fresh(&self, now: Time) -> bool {
        self.window().is_some_and(|window| now < window.next_update)
    }

    pub(crate) fn lags_as_good(&self) -> bool {
        self.source.lag == Lag::Good
    }

    /// What was issued.
    pub(crate) fn issued(&self) -> impl Iterator<Item = Arc<IssuedSerials>> {
        let settling = || self.settling.iter();
        let readings = self.known.iter().chain(settling().map(|new| &new.reading));
        readings
            .flat_map(|known| [&known.unexpired, &known.others])
            .chain(&self.held.issued)
            .chain(settling().filter_map(|new| new.passed.issued.as_ref()))
            .filter(|serials| !serials.is_empty())
            .map(Arc::clone)
    }

    /// What an index says of revocations.
    pub(crate) fn index(&self) -> Option<(Arc<RevokedSerials>, ValidityWindow, SourceInfo)> {
        let known = self
            .known
            .as_ref()
            .filter(|known| known.facts.kind == IssuedKind::Index)?;
        let source = SourceInfo {
            origin: self.place(),
            crl_number: None,
            digest: known.facts.digest,
            signature_algorithm: None,
        };
        Some((Arc::clone(&known.revoked), self.window()?, source))
    }

    /// What an index said of revocations and does not say any more, or said before the start, and what it says that is not
    /// in use yet.
    pub(crate) fn held_removals(&self) -> impl Iterator<Item = &Arc<RevokedSerials>> {
        let settling = || self.settling.iter();
        let revoked = self.held.revoked.iter();
        revoked
            .chain(self.remembered.iter().map(|copy| &copy.revoked))
            .chain(settling().map(|new| &new.reading.revoked))
            .chain(settling().filter_map(|new| new.passed.revoked.as_ref()))
            .filter(|revoked| !revoked.is_empty())
    }

    /// A certificate with this serial is known not to have expired.
    pub(crate) fn is_unexpired(&self, serial: &SerialNumber) -> bool {
        let settling = self.settling.iter().map(|new| &new.reading);
        let mut readings = self.known.iter().chain(&self.remembered).chain(settling);
        readings.any(|known| known.unexpired.contains(serial))
    }

    /// When it gets too old.
    pub(crate) fn stale_at(&self) -> Option<Time> {
        Some(self.window()?.next_update)
    }

    /// When it has been missing for too long to be between two names.
    pub(crate) fn missed_at(&self) -> Option<Time> {
        Some(self.missing_since?.plus_seconds(REPLACING_SECONDS))
    }

    /// When what was written a moment ago is judged.
    pub(crate) fn settles_at(&self) -> Option<Time> {
        Some(self.settling.as_ref()?.until)
    }

    /// When to try to keep what is not kept, or to try again.
    pub(crate) fn next_keep(&self, now: Time) -> Option<Time> {
        if self.keeps_held() {
            return Some(self.held_keeping.next_try(now));
        }
        let keeps = self.is_unkept && !self.keeps_when_told;
        keeps.then(|| self.keeping.next_try(now))
    }
}

/// About how long a quiet machine reads at it.
fn quiet_time(stamp: &IssuedStamp) -> Duration {
    Duration::from_nanos(match stamp {
        IssuedStamp::File(file) => file.bytes().saturating_mul(QUIET_NANOSECONDS_PER_BYTE),
        IssuedStamp::Directory(directory) => {
            directory.files().saturating_mul(QUIET_NANOSECONDS_PER_FILE)
        }
    })
}

/// Measured of an index: 86 MB in 0.6 s.
const QUIET_NANOSECONDS_PER_BYTE: u64 = 8;

/// Opened, read, and its signature verified.
const QUIET_NANOSECONDS_PER_FILE: u64 = 100_000;

/// How long there may be nothing where a list was.
const REPLACING_SECONDS: i64 = 5;

/// A directory to which a busy CA writes all the time never stays as it is for long.
const RESTLESS_SECONDS: i64 = 60;

/// How often a record that did not change is said to be of now.
const CONFIRM_SECONDS: i64 = 60;

/// How long it counts as known which certificates have expired.
const AGES_HOLD_SECONDS: i64 = 86_400;
