//! Where an issuer's table is put together of what two threads know: the sources that are looked at, and a ledger that is
//! followed.  Whoever has news hands it in, and the table is swapped then and there: a revocation in the ledger waits for
//! no list that is being read.
//!
//! What a ledger says is true of the time of the last look at it, and has no end of its own: it gets one, the issuer's
//! validity later.  That window moves on in steps, not with every look: a cached answer lives as long as its window does, and a
//! ledger that grows all the time empties no cache (ADR-0008).  What is revoked is known as of the revocation at least, and
//! thisUpdate does not go back (design.md §3, rule 3).
//!
//! From: `refresh`, and whoever follows the ledger.  To: `core::Issuer`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ocspry_core::{
    CLOCK_BEHIND_SECONDS_MAX, Issuer, ListPart, RevokedSerials, SourceInfo, StatusTable,
    ValidityWindow,
};
use ocspry_wire::Time;

use crate::SourceError;
use crate::compose::{Beside, Composition, LedgerPart, Listed, OfLedger, Unproven, compose};
use crate::pace;
use crate::refresh::Ended;

/// The table of one issuer, in the making.
pub struct Joint {
    issuer: Arc<Issuer>,
    is_ledger_fed: bool,
    parts: Mutex<Parts>,
}

#[derive(Default)]
struct Parts {
    /// As of the last look at the sources; None before the first.
    looked: Option<(Listed, Beside)>,
    ledger: Option<Followed>,
    seen: Option<LedgerSeen>,
    ledger_problem: Option<SourceError>,
    composed: Option<Composition>,
    /// Tables that were replaced and that a worker may still hold: freeing one is no work for a worker.
    retired: Vec<Arc<StatusTable>>,
}

/// One look at a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerSeen {
    /// The last fact that was there.
    pub sequence: u64,
    /// When that was.
    pub now: Time,
}

/// What a ledger says, and since when.
#[derive(Clone)]
struct Followed {
    part: LedgerPart,
    /// thisUpdate of what is not revoked.
    this_update: Time,
    /// When the last revocation was seen, or this_update.
    revoked_update: Time,
    /// The operator let go of both.
    is_time_forgotten: bool,
}

impl Joint {
    pub(crate) fn new(issuer: Arc<Issuer>, is_ledger_fed: bool) -> Joint {
        Joint {
            issuer,
            is_ledger_fed,
            parts: Mutex::default(),
        }
    }

    /// The issuer whose table it is.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// What the ledger says at `now`, whole: `table` as a follower makes it.  In use when this returns.
    pub fn take_ledger(&self, table: &StatusTable, sequence: u64, now: Time) {
        let part = LedgerPart {
            lists: table.lists().to_vec(),
            issued: table.issued().to_vec(),
            source: table.source().clone(),
            is_whole: true,
        };
        let mut parts = self.parts();
        parts.seen = Some(LedgerSeen { sequence, now });
        let step = self.step_seconds();
        parts.ledger = Some(match parts.ledger.take() {
            Some(before) => before.replaced_by(part, now, step),
            None => Followed::new(part, now),
        });
        self.swap(&mut parts);
    }

    /// The ledger, which ends at `sequence` now, still says what it said.
    pub fn confirm_ledger(&self, sequence: u64, now: Time) {
        let mut parts = self.parts();
        parts.seen = Some(LedgerSeen { sequence, now });
        let step = self.step_seconds();
        if let Some(ledger) = &mut parts.ledger
            && ledger.part.is_whole
            && ledger.move_on(now, step)
        {
            self.swap(&mut parts);
        }
    }

    /// Before the ledger was read: what is remembered to have been revoked at `seen`; of the others nothing is known yet.
    pub fn remember_ledger(&self, revoked: RevokedSerials, source: SourceInfo, seen: Time) {
        let part = LedgerPart {
            lists: vec![ListPart {
                base: Arc::new(revoked),
                delta: None,
                this_update: None,
            }],
            issued: Vec::new(),
            source,
            is_whole: false,
        };
        let mut parts = self.parts();
        if parts.ledger.is_none() {
            parts.ledger = Some(Followed::new(part, seen));
            self.swap(&mut parts);
        }
    }

    /// What keeps the ledger from being read; None: nothing.  True if that is news.
    pub fn set_ledger_problem(&self, problem: Option<SourceError>) -> bool {
        let text = |problem: &Option<SourceError>| problem.as_ref().map(ToString::to_string);
        let mut parts = self.parts();
        let is_news = text(&parts.ledger_problem) != text(&problem);
        parts.ledger_problem = problem;
        is_news
    }

    /// The last look at the ledger that succeeded.
    pub fn ledger_seen(&self) -> Option<LedgerSeen> {
        self.parts().seen
    }

    /// thisUpdate of what the ledger says, while something is known.
    pub fn ledger_this_update(&self) -> Option<Time> {
        Some(self.parts().ledger.as_ref()?.this_update)
    }

    /// What no worker holds any more goes, beside their work.
    pub fn free_retired(&self) {
        let is_free = |table: &mut Arc<StatusTable>| Arc::strong_count(table) == 1;
        let free: Vec<Arc<StatusTable>> = self.parts().retired.extract_if(.., is_free).collect();
        pace::free(free);
    }

    /// Some table was replaced and may still be held.
    pub(crate) fn has_retired(&self) -> bool {
        !self.parts().retired.is_empty()
    }

    pub(crate) fn take_looked(&self, listed: Listed, beside: Beside) {
        let mut parts = self.parts();
        parts.looked = Some((listed, beside));
        self.swap(&mut parts);
    }

    /// Takes over the table in use, and what it is made of.
    pub(crate) fn carry_over(&self, old: &Joint, is_ledger_carried: bool) {
        let old = old.parts();
        let mut parts = self.parts();
        parts.composed.clone_from(&old.composed);
        if is_ledger_carried {
            parts.ledger.clone_from(&old.ledger);
            parts.seen = old.seen;
            parts.ledger_problem.clone_from(&old.ledger_problem);
        }
        let in_use = old.composed.as_ref().map(|composed| composed.table());
        let replaced = self.issuer.set_table(in_use.map(Arc::new));
        parts.retired.extend(replaced);
    }

    /// What sets the end of the table in use.
    pub fn ends_first(&self) -> Ended {
        let parts = self.parts();
        let of_ledger = parts.ledger.as_ref();
        let of_ledger = of_ledger.map(|ledger| ledger.window(self.validity_seconds()).next_update);
        let of_table = parts.composed.as_ref();
        let of_table = of_table.map(|composed| composed.window().next_update);
        match of_ledger.is_some() && of_ledger == of_table {
            true => Ended::Ledger,
            false => Ended::List,
        }
    }

    /// The problem that was told last.
    pub fn ledger_problem(&self) -> Option<SourceError> {
        self.parts().ledger_problem.clone()
    }

    pub(crate) fn unproven(&self) -> Option<Unproven> {
        self.parts().composed.as_ref()?.unproven
    }

    pub(crate) fn window(&self) -> Option<ValidityWindow> {
        Some(self.parts().composed.as_ref()?.window())
    }

    /// The clock was ahead when the ledger was looked at, and the operator says so: its time begins anew with the next
    /// look.
    pub(crate) fn forget_ledger_time(&self) {
        if let Some(ledger) = &mut self.parts().ledger {
            ledger.is_time_forgotten = true;
        }
    }

    /// Puts together what is known, and swaps it in if it is new.
    fn swap(&self, parts: &mut Parts) {
        let Some((listed, beside)) = parts.looked.clone() else {
            return;
        };
        let followed = parts.ledger.as_ref().map(|ledger| {
            let window = ledger.window(self.validity_seconds());
            (ledger.part_now(), window)
        });
        let of_ledger = match &followed {
            _ if !self.is_ledger_fed => OfLedger::None,
            None => OfLedger::Unread,
            Some((part, window)) => OfLedger::Read(part, *window),
        };
        let Some(composition) = compose(listed, beside, of_ledger) else {
            return;
        };
        let composed = parts.composed.as_ref();
        if composed.is_some_and(|composed| composed.is_same_as(&composition)) {
            return;
        }
        let table = Arc::new(composition.table());
        parts.composed = Some(composition);
        parts.retired.extend(self.issuer.set_table(Some(table)));
    }

    fn validity_seconds(&self) -> i64 {
        let validity = self.issuer.policy().validity.unwrap_or(VALIDITY_DEFAULT);
        i64::try_from(validity.as_secs()).unwrap_or(i64::MAX)
    }

    /// How long the window of the ledger stays where it is.
    fn step_seconds(&self) -> i64 {
        (self.validity_seconds() / STEPS_MIN).clamp(1, STEP_SECONDS_MAX)
    }

    /// Whole after every step, so a panic elsewhere does not spoil it.
    fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    fn new(part: LedgerPart, now: Time) -> Followed {
        Followed {
            part,
            this_update: now,
            revoked_update: now,
            is_time_forgotten: false,
        }
    }

    fn replaced_by(mut self, part: LedgerPart, now: Time, step: i64) -> Followed {
        if !self.part.is_whole {
            self.part = part;
            // What it revoked was known until then.
            self.this_update = now.max(self.this_update);
            self.revoked_update = self.this_update;
            return self;
        }
        let is_revoked_changed = !says_the_same(&self.part.lists, &part.lists);
        let takes_back = may_take_back(&self.part.lists, &part.lists);
        self.part = part;
        if is_revoked_changed && takes_back {
            // What was on hold is good, as of now and not of before the hold.
            self.this_update = now.max(self.revoked_update);
        }
        if is_revoked_changed {
            self.revoked_update = now.max(self.revoked_update);
        }
        self.move_on(now, step);
        self
    }

    /// A clock that was set back a little does not take thisUpdate back; with one that was set back much, nothing is signed
    /// anyway (design.md §3, rule 14).
    fn move_on(&mut self, now: Time, step: i64) -> bool {
        if self.is_time_forgotten {
            *self = Followed::new(self.part.clone(), now);
            return true;
        }
        let moves = now.seconds_since(self.this_update) >= step;
        if moves {
            self.this_update = now.max(self.revoked_update);
            self.revoked_update = self.this_update;
        }
        moves
    }

    fn window(&self, validity_seconds: i64) -> ValidityWindow {
        ValidityWindow {
            this_update: self.this_update,
            next_update: self.this_update.plus_seconds(validity_seconds),
        }
    }

    /// With the time of what it revokes.
    fn part_now(&self) -> LedgerPart {
        let mut part = self.part.clone();
        for list in &mut part.lists {
            list.this_update = Some(self.revoked_update.max(self.this_update));
        }
        part
    }
}

/// The same serials are revoked, or the follower would have made another list.
fn says_the_same(one: &[ListPart], other: &[ListPart]) -> bool {
    let is_same = |(one, other): (&ListPart, &ListPart)| {
        Arc::ptr_eq(&one.base, &other.base)
            && match (&one.delta, &other.delta) {
                (None, None) => true,
                (Some(one), Some(other)) => Arc::ptr_eq(one, other),
                (Some(_), None) | (None, Some(_)) => false,
            }
    };
    one.len() == other.len() && one.iter().zip(other).all(is_same)
}

/// Something that was revoked may be so no more: the news says so, or all was put together anew.
fn may_take_back(one: &[ListPart], other: &[ListPart]) -> bool {
    let is_same_base = |(one, other): (&ListPart, &ListPart)| Arc::ptr_eq(&one.base, &other.base);
    let has_removals = |list: &ListPart| {
        let delta = list.delta.as_ref();
        delta.is_some_and(|delta| delta.revoked_count() < delta.len())
    };
    !one.iter().zip(other).all(is_same_base) || other.iter().any(has_removals)
}

/// Where the issuer has none of its own (design.md §3, rule 2).
const VALIDITY_DEFAULT: Duration = Duration::from_secs(12 * 3600);
/// As far as clients' clocks may be behind anyway (design.md §4).
const STEP_SECONDS_MAX: i64 = CLOCK_BEHIND_SECONDS_MAX;
/// A short validity is not used up by waiting for the next step.
const STEPS_MIN: i64 = 20;

#[cfg(test)]
mod tests {
    use ocspry_core::{
        Absence, IssuedSerials, IssuedSerialsBuilder, Lookup, OwnedCertificate, Policy, Revocation,
        RevokedSerialsBuilder, StatusParts,
    };
    use ocspry_testkit::{Authority, KeyKind};
    use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
    use ocspry_wire::x509::SerialNumber;

    use super::*;
    use crate::compose::Yield;

    const START: Time = Time::from_unix(1_900_000_000);

    fn at(seconds: i64) -> Time {
        START.plus_seconds(seconds)
    }

    fn serial(octet: u8) -> SerialNumber {
        SerialNumber::from_content(&[octet]).unwrap()
    }

    /// A joint that has looked at its other sources: there are none.
    fn joint(validity_seconds: u64) -> Joint {
        let ca = Authority::root("Ledger CA", KeyKind::P256);
        let policy = Policy {
            validity: Some(Duration::from_secs(validity_seconds)),
            ..Policy::DEFAULT
        };
        let certificate = OwnedCertificate::from_der(ca.certificate).unwrap();
        let issuer = Issuer::new("ca".to_owned(), certificate, policy);
        let joint = Joint::new(Arc::new(issuer), true);
        let all = Yield {
            has_every_list: true,
            has_every_key: true,
        };
        joint.take_looked(Listed::of(std::iter::empty(), all), nothing_beside());
        joint
    }

    fn nothing_beside() -> Beside {
        Beside {
            is_issued_known: None,
            lags_as_good: true,
            issued: Vec::new(),
            indexes: Vec::new(),
            held_removals: Vec::new(),
            overlays: Vec::new(),
            has_every_overlay: true,
        }
    }

    fn list(base: &Arc<RevokedSerials>, delta: &[(u8, Revocation)]) -> ListPart {
        let mut builder = RevokedSerialsBuilder::new();
        for (octet, revocation) in delta {
            builder.push(&serial(*octet), *revocation);
        }
        ListPart {
            base: Arc::clone(base),
            delta: (!delta.is_empty()).then(|| Arc::new(builder.build())),
            this_update: None,
        }
    }

    fn table(list: ListPart, issued: &Arc<IssuedSerials>) -> StatusTable {
        // The window of the follower is not asked.
        let window = ValidityWindow {
            this_update: Time::MIN,
            next_update: Time::MIN,
        };
        StatusTable::new(StatusParts {
            lists: vec![list],
            issued: vec![Arc::clone(issued)],
            overlays: Vec::new(),
            absence: Absence::NeverIssued,
            window,
            source: source(),
            more_sources: Vec::new(),
        })
    }

    fn source() -> SourceInfo {
        SourceInfo {
            origin: "ledger".to_owned(),
            crl_number: None,
            digest: [0; 32],
            signature_algorithm: None,
        }
    }

    fn on_hold(second: i64) -> Revocation {
        Revocation::Revoked(RevokedInfo {
            revocation_time: at(second),
            reason: Some(CrlReason::CertificateHold),
            invalidity_date: None,
        })
    }

    fn issued(octets: &[u8]) -> Arc<IssuedSerials> {
        let mut builder = IssuedSerialsBuilder::new();
        octets
            .iter()
            .for_each(|octet| builder.push(&serial(*octet)));
        Arc::new(builder.build())
    }

    fn empty() -> Arc<RevokedSerials> {
        Arc::new(RevokedSerialsBuilder::new().build())
    }

    fn known(joint: &Joint, octet: u8) -> (Lookup, Time) {
        let known = joint.issuer().table().unwrap().known(&serial(octet));
        (known.lookup, known.window.this_update)
    }

    #[test]
    fn the_window_moves_in_steps_and_a_certificate_that_is_issued_moves_it_not() {
        let joint = joint(43_200);
        let base = empty();
        joint.take_ledger(&table(list(&base, &[]), &issued(&[1])), 1, at(0));
        let window = joint.window().unwrap();
        assert_eq!(window.this_update, at(0));
        assert_eq!(window.next_update, at(43_200));
        assert_eq!(joint.ends_first(), Ended::Ledger);
        joint.take_ledger(&table(list(&base, &[]), &issued(&[1, 2])), 2, at(299));
        assert_eq!(known(&joint, 2), (Lookup::Issued, at(0)));
        let in_use = joint.issuer().table().unwrap();
        joint.confirm_ledger(2, at(299));
        assert!(Arc::ptr_eq(&joint.issuer().table().unwrap(), &in_use));
        joint.confirm_ledger(2, at(300));
        assert_eq!(joint.window().unwrap().this_update, at(300));
        assert_eq!(joint.window().unwrap().next_update, at(43_500));
        // A clock that was set back takes nothing back.
        joint.take_ledger(&table(list(&base, &[]), &issued(&[1, 2, 3])), 3, at(100));
        assert_eq!(known(&joint, 3), (Lookup::Issued, at(300)));
    }

    #[test]
    fn a_short_validity_is_not_used_up_by_waiting() {
        let joint = joint(60);
        joint.take_ledger(&table(list(&empty(), &[]), &issued(&[1])), 1, at(0));
        joint.confirm_ledger(1, at(3));
        assert_eq!(joint.window().unwrap().this_update, at(3));
    }

    #[test]
    fn this_update_is_not_before_the_revocation_and_not_before_it_when_a_hold_is_lifted() {
        let joint = joint(43_200);
        let (base, issued) = (empty(), issued(&[1, 2]));
        joint.take_ledger(&table(list(&base, &[]), &issued), 1, at(0));
        let held = list(&base, &[(1, on_hold(50))]);
        joint.take_ledger(&table(held, &issued), 2, at(50));
        assert_eq!(known(&joint, 1).1, at(50));
        // The others keep their window, and so their cached answers.
        assert_eq!(known(&joint, 2), (Lookup::Issued, at(0)));
        let lifted = list(&base, &[(1, Revocation::Removed)]);
        joint.take_ledger(&table(lifted, &issued), 3, at(60));
        assert_eq!(known(&joint, 1), (Lookup::Issued, at(60)));
    }

    #[test]
    fn what_is_remembered_revokes_and_proves_nothing_until_the_ledger_is_read() {
        let joint = joint(43_200);
        assert_eq!(joint.issuer().table().map(|_| ()), None);
        let mut revoked = RevokedSerialsBuilder::new();
        revoked.push(&serial(1), on_hold(-50));
        joint.remember_ledger(revoked.build(), source(), at(-10));
        let in_use = joint.issuer().table().unwrap();
        assert!(matches!(in_use.lookup(&serial(1)), Lookup::Revoked(_)));
        assert_eq!(in_use.absence(), Absence::Unproven);
        assert_eq!(joint.unproven(), Some(Unproven::LedgerUnread));
        joint.take_ledger(&table(list(&empty(), &[]), &issued(&[1])), 1, at(0));
        assert_eq!(known(&joint, 1), (Lookup::Issued, at(0)));
        assert_eq!(
            joint.issuer().table().unwrap().absence(),
            Absence::NeverIssued
        );
    }

    #[test]
    fn a_time_that_the_operator_lets_go_begins_anew() {
        let joint = joint(43_200);
        joint.take_ledger(&table(list(&empty(), &[]), &issued(&[1])), 1, at(9_000));
        joint.forget_ledger_time();
        joint.confirm_ledger(1, at(0));
        assert_eq!(joint.window().unwrap().this_update, at(0));
    }
}
