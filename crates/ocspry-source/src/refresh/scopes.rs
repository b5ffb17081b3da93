//! Which scopes an issuer's lists are about, while its places move from one to another (ADR-0013).
//!
//! From: `refresh`, before what was found is taken, and after.  To: the slots, and the guard.  A place that has a newer list
//! of another scope has left the old scope.  The list of that stays in use, and ages by its own window, until those that
//! are there prove without it what is not revoked (RFC 5280 §5.2.5), and no earlier time of it: a CA that goes over to
//! shards publishes one after the other, and a shard may be older than its last full list.  What it revoked and no list in use does then has vanished, as from one list to the next.

use std::collections::BTreeMap;

use ocspry_core::ListPart;
use ocspry_wire::Time;

use super::follow::configured;
use super::{Event, Refresher, Report};
use crate::SourceError;
use crate::compose::can_replace;
use crate::feed::Found;
use crate::line::Offer;
use crate::slot::Slot;

impl Refresher {
    /// Scopes that the state directory knows of: a part that is missing now was there before.
    pub(super) fn find_kept_scopes(&mut self) {
        let (false, Some(state)) = (self.kept_scopes_are_known, &self.state) else {
            return;
        };
        let folder = state.folder(self.issuer.identity()).display().to_string();
        match state.scope_keys(self.issuer.identity()) {
            Ok(keys) => {
                self.slot_problems.remove(&folder);
                self.kept_scopes_are_known = true;
                for key in keys {
                    self.slot(&key);
                }
            }
            Err(error) => {
                self.slot_problems.insert(folder, error);
            }
        }
    }

    /// What waits in a place that has something of another scope by now, or nothing, waits no more; and scopes that no
    /// configured place feeds any more do not count beside those that one does.  Whether another place may hold what
    /// went, and was passed over for it.
    pub(super) fn drop_scopes(&mut self, found: &[(usize, Found)]) -> bool {
        let offers = || {
            found
                .iter()
                .filter_map(|(_, found)| found.result.as_ref().ok())
        };
        for offer in offers() {
            let others = self
                .slots
                .iter_mut()
                .filter(|(key, _)| *key != offer.list.scope.key());
            others.for_each(|(_, slot)| {
                slot.drop_waiting_if(&|place| place == offer.place);
            });
        }
        let feeds = &self.feeds;
        let is_gone = |place: &str| {
            let mut found = found.iter();
            let found =
                found.find(|(position, found)| feeds[*position].1.name(&found.path) == place);
            match found {
                Some((_, found)) => found.is_missing(),
                None => feeds.iter().any(|(_, feed)| feed.has_lost(place)),
            }
        };
        let slots = self.slots.values_mut();
        let have_gone = slots.fold(false, |any, slot| any | slot.drop_waiting_if(&is_gone));
        let of_operator: Vec<&Offer> = found
            .iter()
            .filter(|(position, _)| self.feeds[*position].1.is_configured())
            .filter_map(|(_, found)| found.result.as_ref().ok())
            .collect();
        let is_fed = |key: &str, slot: &Slot| {
            of_operator
                .iter()
                .any(|offer| offer.list.scope.key() == key)
                || slot.place_of_any().is_some_and(|place| {
                    configured(&self.feeds).any(|(_, feed)| feed.has_place(place))
                })
        };
        let is_any_fed = self.slots.iter().any(|(key, slot)| is_fed(key, slot));
        if !(is_any_fed || self.feeds.is_empty() || !of_operator.is_empty()) {
            return have_gone;
        }
        let dropped = self.slots.extract_if(.., |key, slot| !is_fed(key, slot));
        dropped.fold(have_gone, |any, (_, slot)| any | slot.complete().is_some())
    }

    /// A list that is older than what came from its place, though of another scope, is as old as any.
    pub(super) fn check_place(&self, offer: &Offer) -> Result<(), SourceError> {
        let newer = self.slots.iter().find_map(|(key, slot)| {
            let used = slot.this_update()?;
            let is_newer = key != offer.list.scope.key()
                && slot.place() == Some(&offer.place)
                && used > offer.list.this_update();
            is_newer.then_some(used)
        });
        match newer {
            Some(in_use) if !offer.list.is_delta() => Err(SourceError::Older {
                path: offer.path.clone(),
                this_update: offer.list.this_update(),
                in_use,
                state_folder: self
                    .state
                    .as_ref()
                    .map(|state| state.folder(self.issuer.identity())),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Ends the use of lists whose places have moved on, once that may be.
    pub(super) fn leave_scopes(&mut self, now: Time, reports: &mut Vec<Report>) {
        if self.note_behind() {
            // Another place may have lists of that scope as well.
            self.forget_seen();
            let found = self.look(now);
            self.take_lists(found, now, reports);
            self.note_behind();
        }
        let mut leaving = Vec::new();
        for (key, successor) in self.leaving(now) {
            let slot = self.slots.remove(&key);
            leaving.extend(slot.map(|slot| (key, slot, successor)));
        }
        let others: Vec<ListPart> = self.slots.values().flat_map(Slot::parts).collect();
        for (key, slot, successor) in leaving {
            self.leave(&slot, &successor, others.clone(), now, reports);
            for before in self.left.values_mut() {
                if before.successor == key {
                    before.successor.clone_from(&successor);
                }
            }
            let had_copies = self.left.get(&key).is_some_and(|left| left.has_copies);
            let left = Left {
                successor,
                has_copies: had_copies || slot.parts().next().is_some(),
                slot: slot.without_lists(),
            };
            self.left.insert(key, left);
        }
    }

    /// Notes which slots are behind another one of their place.  Whether a list in use is behind that was not before.
    fn note_behind(&mut self) -> bool {
        let behind = self.successors();
        let slots = self.slots.iter_mut();
        slots.fold(false, |any, (key, slot)| {
            any | slot.set_behind(behind.contains_key(key))
        })
    }

    /// For each slot whose place has a newer list of another scope in use, the slot with the newest.
    fn successors(&self) -> BTreeMap<String, String> {
        let mut newest: BTreeMap<&str, (&str, &Slot)> = BTreeMap::new();
        for (key, slot) in &self.slots {
            let (true, true, Some(place)) =
                (slot.is_readable(), slot.complete().is_some(), slot.place())
            else {
                continue;
            };
            let (newest_key, newest) = newest.entry(place).or_insert((key, slot));
            if slot.recency() > newest.recency() {
                (*newest_key, *newest) = (key, slot);
            }
        }
        let successor = |slot: &Slot| {
            let (key, newest) = newest.get(slot.place()?)?;
            (newest.recency() > slot.recency()).then(|| (*key).to_owned())
        };
        let slots = self.slots.iter();
        slots
            .filter_map(|(key, slot)| Some((key.clone(), successor(slot)?)))
            .collect()
    }

    /// The keys of slots whose lists are to be used no more, each with that of its successor.
    fn leaving(&self, now: Time) -> Vec<(String, String)> {
        let staying = || self.slots.values().filter(|slot| !slot.is_behind());
        let has_every_list = configured(&self.feeds).all(|(_, feed)| feed.is_served(staying()));
        let can_replace = can_replace(staying(), self.slots.values(), has_every_list);
        let may_leave = |slot: &Slot| match self.closing(slot) {
            Some(closing) => can_replace || now >= closing,
            None => slot.waiting_place().is_none() && slot.gaps().next().is_none(),
        };
        let mut leaving = self.successors();
        leaving.retain(|key, _| self.slots.get(key).is_some_and(may_leave));
        leaving.into_iter().collect()
    }

    /// When nothing is promised any more from the lists of a slot that its place has left.
    fn closing(&self, slot: &Slot) -> Option<Time> {
        let window = slot.window()?;
        Some(self.issuer.policy().source_closes(window))
    }

    /// When lists that are behind another one of their place end.
    pub(super) fn next_leave(&self) -> Option<Time> {
        let behind = self.slots.values().filter(|slot| slot.is_behind());
        behind.filter_map(|slot| self.closing(slot)).min()
    }

    fn leave(
        &mut self,
        slot: &Slot,
        successor: &str,
        others: Vec<ListPart>,
        now: Time,
        reports: &mut Vec<Report>,
    ) {
        let vanished = self.with_slot(successor, now, |successor, around| {
            successor.succeed(slot, others, around)
        });
        if let Some(vanished) = vanished.flatten() {
            reports.push(Report {
                place: slot.place().unwrap_or_default().to_owned(),
                event: Event::ScopeLeft {
                    scope: slot.scope().map(ToString::to_string).unwrap_or_default(),
                    vanished,
                },
            });
        }
    }

    /// The state directory forgets lists that are in use no more, once what is held of them is kept; else they are in use
    /// again after a restart, and leave again.  A failure is as good as that, and tried again.
    pub(super) fn forget_left(&mut self) {
        if self.keeps_when_told {
            return;
        }
        let slots = &self.slots;
        self.left.retain(|key, left| {
            let is_kept = slots.get(&left.successor).is_none_or(Slot::is_kept);
            let is_back = slots.get(key).is_some_and(|slot| slot.complete().is_some());
            if left.has_copies && is_kept && !is_back {
                left.has_copies = left.slot.remove_copies().is_err();
            }
            !is_back
        });
    }
}

/// A scope whose lists are in use no more.
#[derive(Clone)]
pub(super) struct Left {
    /// The key of the slot that came to its place.
    successor: String,
    /// Its own, without lists: none that is older comes back.
    pub(super) slot: Slot,
    /// The state directory has its lists, which go when what its successor has is kept.
    has_copies: bool,
}
