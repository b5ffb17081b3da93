//! All that an issuer's sources say, as one table (design.md §2).
//!
//! From: `refresh`, with the slots, the lists of what was issued, and the overlays.  To: `core::StatusTable`, made of parts
//! that are not copied.  Among complete lists of one scope the newest is there already; between scopes and kinds revoked
//! wins.  Here it is decided what absence means: only what is known whole can prove that a serial is not revoked, or was
//! never issued.
//!
//! And since when that is known (RFC 6960 §2.4): thisUpdate of an answer is that of what it rests on.  `revoked` rests on
//! the newest list that says so, an older part beside it takes nothing back.  What no list names rests on the newest list
//! about all certificates; without one on every part, each of which might name it, so on the oldest.  nextUpdate is that of
//! the first part that ends, for all that is said.
//!
//! For one serial that goes back only where less is known of it from then on (design.md §3, rule 3): the operator adds an
//! older part, which is needed from then on; or what a newer part alone said is taken back, as when a hold in a shard is
//! lifted or a line leaves an overlay.  The newer time was that of the revocation and proves nothing of the others.

use std::sync::Arc;

use ocspry_core::{
    Absence, IssuedSerials, ListPart, Overlay, RevokedSerials, SourceInfo, StatusParts,
    StatusTable, ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::ReasonFlags;

use crate::scope::Scope;
use crate::slot::Slot;

/// Everything that a table is made of.
#[derive(Clone)]
pub(crate) struct Composition {
    lists: Vec<ListPart>,
    issued: Vec<Arc<IssuedSerials>>,
    overlays: Vec<Overlay>,
    absence: Absence,
    window: ValidityWindow,
    source: SourceInfo,
    more_sources: Vec<SourceInfo>,
    /// Why absence proves nothing.
    pub(crate) unproven: Option<Unproven>,
}

/// Why a serial that is not named cannot be called good.  Displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// A configured source has no list, and the others are parts.
    SourceMissing,
    /// The lists are for some reasons only.
    SomeReasons,
    /// A delta that was used is not there any more.
    DeltaLost,
    /// An overlay was never read.
    OverlayMissing,
    /// What was issued is not known any more, or not yet.
    IssuedStale,
    /// The ledger was not read since the start.
    LedgerUnread,
}

impl std::fmt::Display for Unproven {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unproven::SourceMissing => {
                "a source has no list yet, and what the others say is not about all certificates"
            }
            Unproven::SomeReasons => {
                "the lists that are there are about some reasons for revocation only"
            }
            Unproven::DeltaLost => {
                "a delta CRL that was used is not there any more, and its complete CRL is older: what it revoked is not known"
            }
            Unproven::OverlayMissing => "an overlay could not be read yet",
            Unproven::IssuedStale => "the list of what was issued is missing, or too old",
            Unproven::LedgerUnread => "the ledger could not be read yet",
        })
    }
}

/// What the configured sources of lists have yielded.
#[derive(Clone, Copy)]
pub(crate) struct Yield {
    /// Each has a list.
    pub(crate) has_every_list: bool,
    /// No list is missing that another key may have signed: what several keys sign is added up.
    pub(crate) has_every_key: bool,
}

/// What the lists in use say.
#[derive(Clone)]
pub(crate) struct Listed {
    lists: Vec<ListPart>,
    windows: Vec<ValidityWindow>,
    sources: Vec<SourceInfo>,
    /// When it was known last what no list names; None: no list is in use.
    known_since: Option<Time>,
    /// Whether one of them is about all certificates and reasons.
    has_whole: bool,
    proof: Result<(), Unproven>,
}

impl Listed {
    /// Of these slots.
    pub(crate) fn of<'a>(slots: impl Iterator<Item = &'a Slot>, yielded: Yield) -> Listed {
        let slots: Vec<&Slot> = slots.collect();
        let (used, proof) = judged(slots.iter().copied(), yielded);
        let mut lists: Vec<ListPart> = used.iter().filter_map(|slot| slot.part()).collect();
        // What is held is the operator's to let go, whether its list is there or not.
        lists.extend(slots.iter().filter_map(|slot| slot.held_part()));
        Listed {
            lists,
            windows: used.iter().filter_map(|slot| slot.window()).collect(),
            sources: used.iter().flat_map(|slot| slot.source_infos()).collect(),
            known_since: known_since(&used),
            has_whole: used.iter().any(is_whole),
            proof,
        }
    }
}

/// What the sources beside the lists say.
#[derive(Clone)]
pub(crate) struct Beside {
    /// Whether every list of what was issued is there, and fresh; None: there is none in the configuration.
    pub(crate) is_issued_known: Option<bool>,
    /// What is absent may be called good when it is not known.
    pub(crate) lags_as_good: bool,
    pub(crate) issued: Vec<Arc<IssuedSerials>>,
    /// What an index says is revoked, from when to when, and where that stands.
    pub(crate) indexes: Vec<(Arc<RevokedSerials>, ValidityWindow, SourceInfo)>,
    /// What an index said was revoked, and the guard holds.
    pub(crate) held_removals: Vec<Arc<RevokedSerials>>,
    /// Of all that were read.
    pub(crate) overlays: Vec<Overlay>,
    /// None could not be read yet.
    pub(crate) has_every_overlay: bool,
}

/// What a ledger says, as it was followed last.
#[derive(Clone, Copy)]
pub(crate) enum OfLedger<'a> {
    /// The issuer is not fed from one.
    None,
    /// It is, and nothing is known yet.
    Unread,
    /// This is known, from when to when.
    Read(&'a LedgerPart, ValidityWindow),
}

/// The part of the table that a ledger makes.
#[derive(Clone)]
pub(crate) struct LedgerPart {
    pub(crate) lists: Vec<ListPart>,
    pub(crate) issued: Vec<Arc<IssuedSerials>>,
    pub(crate) source: SourceInfo,
    /// All that the ledger says; else what is remembered to be revoked.
    pub(crate) is_whole: bool,
}

/// Puts it together; None when no list, no index and no ledger is there.
pub(crate) fn compose(listed: Listed, beside: Beside, ledger: OfLedger<'_>) -> Option<Composition> {
    let Listed {
        mut lists,
        mut windows,
        mut sources,
        known_since,
        has_whole,
        proof,
    } = listed;
    let newest = windows.iter().map(|window| window.this_update).max();
    for (revoked, window, source) in beside.indexes {
        lists.push(ListPart {
            base: revoked,
            delta: None,
            this_update: newest.map(|newest| newest.min(window.this_update)),
        });
        if newest.is_none() {
            // A CRL's word has a window of its own; an index beside it adds to what is revoked.
            windows.push(window);
        }
        sources.push(source);
    }
    lists.extend(beside.held_removals.into_iter().map(|held| ListPart {
        base: held,
        delta: None,
        this_update: None,
    }));
    let mut issued = beside.issued;
    let mut known_since = known_since;
    if let OfLedger::Read(part, window) = ledger {
        lists.extend(part.lists.iter().cloned());
        issued.extend(part.issued.iter().cloned());
        sources.push(part.source.clone());
        windows.push(window);
        // It speaks of all certificates, as a whole list does.
        let of_whole = known_since.filter(|_| has_whole);
        known_since = match part.is_whole {
            true => of_whole.max(Some(window.this_update)),
            false => known_since,
        };
    }
    let mut sources = sources.into_iter();
    let source = sources.next()?;
    let window = windows.into_iter().reduce(narrower)?;
    let window = ValidityWindow {
        this_update: known_since.unwrap_or(window.this_update),
        ..window
    };
    let is_ledger_known = match ledger {
        OfLedger::None => None,
        OfLedger::Unread => Some(false),
        OfLedger::Read(part, _) => Some(part.is_whole),
    };
    let unproven = match proof {
        Err(unproven) => Some(unproven),
        Ok(()) if !beside.has_every_overlay => Some(Unproven::OverlayMissing),
        Ok(()) if is_ledger_known == Some(false) => Some(Unproven::LedgerUnread),
        Ok(()) if beside.is_issued_known == Some(false) && !beside.lags_as_good => {
            Some(Unproven::IssuedStale)
        }
        Ok(()) => None,
    };
    let is_issued_known = beside.is_issued_known.or(is_ledger_known);
    let absence = match (unproven, is_issued_known) {
        (Some(Unproven::IssuedStale), _) => Absence::PerhapsIssued,
        (Some(_), _) => Absence::Unproven,
        (None, Some(true)) => Absence::NeverIssued,
        (None, Some(false) | None) => Absence::NotRevoked,
    };
    Some(Composition {
        lists,
        issued,
        overlays: beside.overlays,
        absence,
        window,
        source,
        more_sources: sources.collect(),
        unproven,
    })
}

/// Whether the lists of these slots prove by themselves what is not revoked, and as lately as those of `all` do.
pub(crate) fn can_replace<'a>(
    slots: impl Iterator<Item = &'a Slot>,
    all: impl Iterator<Item = &'a Slot>,
    yielded: Yield,
) -> bool {
    let (used, proof) = judged(slots, yielded);
    let all: Vec<&Slot> = all.collect();
    proof.is_ok() && known_since(&used) >= known_since(&all)
}

/// The slots with a list in use, and whether absence from them proves something.
fn judged<'a>(
    slots: impl Iterator<Item = &'a Slot>,
    yielded: Yield,
) -> (Vec<&'a Slot>, Result<(), Unproven>) {
    let (used, is_every_slot_used) = used_of(slots);
    let yielded = Yield {
        has_every_list: yielded.has_every_list && is_every_slot_used,
        ..yielded
    };
    let proof = coverage(&used, yielded);
    (used, proof)
}

/// The slots with a list in use, and whether that makes up for those without.
fn used_of<'a>(slots: impl Iterator<Item = &'a Slot>) -> (Vec<&'a Slot>, bool) {
    let (used, others): (Vec<&Slot>, Vec<&Slot>) =
        slots.partition(|slot| slot.complete().is_some());
    let is_every_slot_used = others.iter().all(|slot| is_made_up_for(slot, &used));
    (used, is_every_slot_used)
}

/// Whether none of these slots lacks a list, be the others about all certificates or not.
pub(crate) fn is_every_part_there<'a>(slots: impl Iterator<Item = &'a Slot>) -> bool {
    used_of(slots).1
}

/// When it was known last that what no list names is not revoked: thisUpdate of the newest list about all certificates and
/// reasons, whatever older parts there are beside it, but for those of other keys, each of which might name it; else of the
/// oldest part, for the same reason (RFC 6960 §2.4).
pub(crate) fn known_since(used: &[&Slot]) -> Option<Time> {
    let this_update = |slot: &Slot| slot.window().map(|window| window.this_update);
    let whole = || used.iter().filter(|slot| is_whole(slot));
    let of_every_key = |slot: &&Slot| {
        let others = whole().filter(|other| is_by_another_key(other, slot));
        let others = others.filter_map(|other| this_update(other));
        others.chain(this_update(slot)).min()
    };
    let of_whole = whole().filter_map(of_every_key).max();
    of_whole.or_else(|| used.iter().filter_map(|slot| this_update(slot)).min())
}

fn is_by_another_key(slot: &Slot, than: &Slot) -> bool {
    let scopes = slot.scope().zip(than.scope());
    scopes.is_some_and(|(scope, than)| scope.is_by_another_key_than(than))
}

fn is_whole(slot: &&Slot) -> bool {
    slot.scope().is_some_and(Scope::is_whole)
}

/// A part that ages counts for the whole.
fn narrower(left: ValidityWindow, right: ValidityWindow) -> ValidityWindow {
    ValidityWindow {
        this_update: left.this_update.min(right.this_update),
        next_update: left.next_update.min(right.next_update),
    }
}

/// A slot without a complete list counts as a part that is missing, if one was there, waits, or has a delta; unless its
/// place has something else in use.
pub(crate) fn is_made_up_for(slot: &Slot, used: &[&Slot]) -> bool {
    slot.place_of_any()
        .is_none_or(|place| used.iter().any(|other| other.place() == Some(place)))
}

/// Whether the lists speak of every certificate and every reason (RFC 5280 §5.2.5, §6.3.3).
fn coverage(used: &[&Slot], yielded: Yield) -> Result<(), Unproven> {
    if used.iter().any(|slot| slot.is_delta_lost()) {
        return Err(Unproven::DeltaLost);
    }
    let scopes: Vec<&Scope> = used.iter().filter_map(|slot| slot.scope()).collect();
    let is_any_whole = scopes.iter().any(|scope| scope.is_whole());
    let is_enough_there = match is_any_whole {
        true => yielded.has_every_key,
        false => yielded.has_every_list,
    };
    if !is_enough_there {
        return Err(Unproven::SourceMissing);
    }
    if is_any_whole {
        return Ok(());
    }
    let covers_all_reasons = |scope: &&Scope| {
        let same = scopes
            .iter()
            .filter(|other| other.has_the_certificates_of(scope));
        let reasons: Vec<Option<ReasonFlags>> = same.map(|other| other.reasons()).collect();
        let has = |reason| reasons.iter().flatten().any(|some| some.contains(reason));
        reasons.contains(&None)
            || CrlReason::ALL.into_iter().all(has)
            || is_split_by_reason(&scopes, scope)
    };
    if scopes.iter().all(covers_all_reasons) {
        Ok(())
    } else {
        Err(Unproven::SomeReasons)
    }
}

/// Each reason has one list among those of a kind, and no more: their distribution points stand for reasons, and a
/// certificate names them all (RFC 5280 §4.2.1.13).  Parts of the certificates, each with lists by reason, would have a reason more than once.
fn is_split_by_reason(scopes: &[&Scope], scope: &Scope) -> bool {
    let same = || scopes.iter().filter(|other| other.has_the_kind_of(scope));
    let is_about = |other: &Scope, reason| other.reasons().is_none_or(|some| some.contains(reason));
    let lists_of = |reason| same().filter(|other| is_about(other, reason)).count();
    CrlReason::ALL
        .into_iter()
        .all(|reason| lists_of(reason) == 1)
}

impl Composition {
    /// The same parts mean the same.
    pub(crate) fn is_same_as(&self, other: &Composition) -> bool {
        let same_lists = self.lists.len() == other.lists.len()
            && self.lists.iter().zip(&other.lists).all(|(left, right)| {
                Arc::ptr_eq(&left.base, &right.base)
                    && left.this_update == right.this_update
                    && match (&left.delta, &right.delta) {
                        (None, None) => true,
                        (Some(left), Some(right)) => Arc::ptr_eq(left, right),
                        (Some(_), None) | (None, Some(_)) => false,
                    }
            });
        let same_issued = self.issued.len() == other.issued.len()
            && self
                .issued
                .iter()
                .zip(&other.issued)
                .all(|(left, right)| Arc::ptr_eq(left, right));
        let same_overlays = self.overlays.len() == other.overlays.len()
            && self
                .overlays
                .iter()
                .zip(&other.overlays)
                .all(|pair| match pair {
                    (Overlay::All(left), Overlay::All(right)) => left == right,
                    (Overlay::Serials(left), Overlay::Serials(right)) => Arc::ptr_eq(left, right),
                    (Overlay::All(_), Overlay::Serials(_))
                    | (Overlay::Serials(_), Overlay::All(_)) => false,
                });
        same_lists
            && same_issued
            && same_overlays
            && self.absence == other.absence
            && self.window == other.window
            && self.source == other.source
            && self.more_sources == other.more_sources
    }

    /// The table.
    pub(crate) fn table(&self) -> StatusTable {
        StatusTable::new(StatusParts {
            lists: self.lists.clone(),
            issued: self.issued.clone(),
            overlays: self.overlays.clone(),
            absence: self.absence,
            window: self.window,
            source: self.source.clone(),
            more_sources: self.more_sources.clone(),
        })
    }

    pub(crate) fn window(&self) -> ValidityWindow {
        self.window
    }
}

/// nextUpdate is the time at which newer information is there: from then on the list is old.
pub(crate) fn is_expired(next_update: Time, now: Time) -> bool {
    now >= next_update
}
