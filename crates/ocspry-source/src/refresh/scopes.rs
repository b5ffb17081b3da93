//! Which scopes an issuer's lists are about, while its places move from one to another, or the operator names others
//! (ADR-0013).
//!
//! From: `refresh`, before what was found is taken, and after.  To: the slots, and the guard.  A place that has a newer list
//! of another scope has left the old scope.  The list of that stays in use, and ages by its own window, until those that
//! are there prove without it what is not revoked (RFC 5280 §5.2.5), and no earlier time of it: a CA that goes over to
//! shards publishes one after the other, and a shard may be older than its last full list.  What it revoked and no list in use does then has vanished, as from one list to the next.
//!
//! A list whose place the operator names no more stays as long: the new place of it may be empty yet, or mistyped.  It goes
//! the same way once every configured source has a list.  So does one that has ended while another key of the same name has
//! a newer one: whoever changed keys renews the lists of the old one no more.

use std::collections::BTreeMap;

use ocspry_core::ListPart;
use ocspry_wire::Time;

use super::follow::configured;
use super::{Event, LeftBy, Refresher, Report};
use crate::SourceError;
use crate::compose::{Yield, can_replace, is_every_part_there, is_made_up_for};
use crate::feed::{Feed, Found};
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

    /// What waits in a place that has something of another scope by now, or nothing, waits no more; and scopes of which
    /// nothing is known but that no configured place feeds them do not count beside those that one does.  Whether another
    /// place may hold what went, and was passed over for it.
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
        let are_others_there = is_any_fed || self.feeds.is_empty() || !of_operator.is_empty();
        let is_nothing = |key: &str, slot: &Slot| {
            slot.complete().is_none() && !slot.is_kept_in_part() && !is_fed(key, slot)
        };
        self.slots
            .retain(|key, slot| !(are_others_there && is_nothing(key, slot)));
        have_gone | self.note_unfed()
    }

    /// Notes which slots no configured place feeds any more.  Whether a list in use is one that was not before: another
    /// place may have it as well.
    fn note_unfed(&mut self) -> bool {
        let feeds = &self.feeds;
        let is_configured = |place: &str| configured(feeds).any(|(_, feed)| feed.has_place(place));
        let slots = self.slots.values_mut();
        slots.fold(false, |any, slot| {
            let places = slot.place().into_iter().chain(slot.waiting_place());
            let is_unfed = !places.into_iter().any(is_configured) && slot.place().is_some();
            any | slot.set_unfed(is_unfed)
        })
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

    /// Ends the use of lists whose places have moved on, or are configured no more, once that may be.
    pub(super) fn leave_scopes(&mut self, now: Time, reports: &mut Vec<Report>) {
        if self.note_behind() | self.note_unfed() {
            // Another place may have lists of that scope as well.
            self.forget_seen();
            let found = self.look(now);
            self.take_lists(found, now, reports);
            self.note_behind();
            self.note_unfed();
        }
        let mut leaving = Vec::new();
        for (key, successor) in self.leaving(now) {
            let slot = self.slots.remove(&key);
            leaving.extend(slot.map(|slot| (key, slot, successor)));
        }
        let others: Vec<ListPart> = self.slots.values().flat_map(Slot::parts).collect();
        for (key, slot, successor) in leaving {
            self.leave(&slot, successor.as_deref(), others.clone(), now, reports);
            for before in self.left.values_mut() {
                if before.successor.as_ref() == Some(&key) {
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

    /// The keys of slots whose lists are to be used no more, each with that of its successor, if there is one.
    fn leaving(&self, now: Time) -> Vec<(String, Option<String>)> {
        let staying = || self.slots.values().filter(|slot| !slot.is_leaving());
        let yielded = self.yielded(staying, now);
        let can_replace = can_replace(staying(), self.slots.values(), yielded);
        let may_leave = |slot: &Slot| match self.closing(slot) {
            Some(closing) => can_replace || now >= closing,
            None => slot.waiting_place().is_none() && slot.gaps().next().is_none(),
        };
        // What the operator names instead is not there yet, though the lists that are there may speak of all certificates.
        let is_every_source_there = yielded.has_every_list && is_every_part_there(staying());
        let may_leave_unfed = |slot: &Slot| {
            let has_ended = self.closing(slot).is_some_and(|closing| now >= closing);
            has_ended || (is_every_source_there && can_replace)
        };
        let successors = self.successors().into_iter();
        let behind = successors.filter_map(|(key, successor)| {
            let slot = self.slots.get(&key)?;
            (!slot.is_unfed() && may_leave(slot)).then_some((key, Some(successor)))
        });
        let heir = self.heir();
        let is_no_list_configured = configured(&self.feeds).next().is_none();
        let unfed = self.slots.iter().filter(|(_, slot)| {
            slot.is_unfed() && (is_no_list_configured || (heir.is_some() && may_leave_unfed(slot)))
        });
        let unfed = unfed.map(|(key, _)| (key.clone(), heir.clone()));
        let has_ended = |slot| self.closing(slot).is_some_and(|closing| now >= closing);
        let over = self.over_beside_another_key();
        let over =
            over.filter(|(_, slot, other)| has_ended(slot) && !has_ended(&self.slots[*other]));
        let over = over.map(|(key, _, other)| (key.clone(), Some(other.clone())));
        let leaving: BTreeMap<String, Option<String>> = behind.chain(unfed).chain(over).collect();
        let staying_after = |key: &String| {
            let mut last = key;
            while let Some(Some(next)) = leaving.get(last) {
                last = next;
            }
            (!leaving.contains_key(last)).then(|| last.clone())
        };
        let keys = leaving.keys();
        keys.map(|key| (key.clone(), staying_after(key))).collect()
    }

    /// What the sources have yielded, if these slots alone count.  Nothing is missing for the list of a key that has ended
    /// where that was the last one: it is renewed no more.
    pub(super) fn yielded<'a, Slots: Iterator<Item = &'a Slot>>(
        &self,
        slots: impl Fn() -> Slots,
        now: Time,
    ) -> Yield {
        let missing = || configured(&self.feeds).filter(|(_, feed)| !feed.is_served(slots()));
        let has_ended = |slot: &&Slot| {
            let next_update = slot.marked_next_update();
            slot.complete().is_none() && next_update.is_some_and(|end| end <= now)
        };
        let known = || {
            let left = self.left.values().map(|left| &left.slot);
            self.slots.values().chain(left)
        };
        let is_over = |feed: &Feed| {
            let mut places = known().filter(has_ended).filter_map(Slot::place);
            places.any(|place| feed.has_place(place))
        };
        let used: Vec<&Slot> = slots().filter(|slot| slot.complete().is_some()).collect();
        let is_lost = |slot: &Slot| {
            slot.complete().is_none()
                && slot.place().is_some()
                && !has_ended(&slot)
                && !is_made_up_for(slot, &used)
        };
        let is_every_key_there =
            || missing().all(|(_, feed)| is_over(feed)) && !slots().any(is_lost);
        Yield {
            has_every_list: missing().next().is_none(),
            has_every_key: !self.signers.have_several_keys() || is_every_key_there(),
        }
    }

    /// Slots that stay, each with its key and that of a newer one of the same name and another key, which ends later.
    fn over_beside_another_key(&self) -> impl Iterator<Item = (&String, &Slot, &String)> {
        let staying = || {
            let slots = self.slots.iter();
            slots.filter(|(_, slot)| !slot.is_leaving() && slot.is_readable())
        };
        let is_newer = |slot: &Slot, other: &Slot| {
            let (Some(list), Some(newer)) = (slot.complete(), other.complete()) else {
                return false;
            };
            newer.scope.is_by_another_key_than(&list.scope)
                && other.recency() > slot.recency()
                && self.closing(other) > self.closing(slot)
        };
        staying().filter_map(move |(key, slot)| {
            let newer = staying().filter(|(_, other)| is_newer(slot, other));
            let (other, _) = newer.max_by_key(|(_, other)| self.closing(other))?;
            Some((key, slot, other))
        })
    }

    /// The key of the slot with the newest list that stays: what the operator took out of the configuration is held there.
    fn heir(&self) -> Option<String> {
        let is_staying =
            |slot: &Slot| !slot.is_leaving() && slot.is_readable() && slot.complete().is_some();
        let staying = self.slots.iter().filter(|(_, slot)| is_staying(slot));
        let newest = staying.max_by_key(|(_, slot)| slot.recency());
        newest.map(|(key, _)| key.clone())
    }

    /// When nothing is promised any more from the lists of a slot that its place has left.
    fn closing(&self, slot: &Slot) -> Option<Time> {
        let window = slot.window()?;
        Some(self.issuer.policy().source_closes(window))
    }

    /// When lists that are to leave end.
    pub(super) fn next_leave(&self, now: Time) -> Option<Time> {
        let leaving = self.slots.values().filter(|slot| slot.is_leaving());
        let over = self.over_beside_another_key().map(|(_, slot, _)| slot);
        let closing = leaving.chain(over).filter_map(|slot| self.closing(slot));
        // One that nothing can take the place of stays.
        closing.filter(|closing| *closing > now).min()
    }

    fn leave(
        &mut self,
        slot: &Slot,
        successor: Option<&str>,
        others: Vec<ListPart>,
        now: Time,
        reports: &mut Vec<Report>,
    ) {
        let vanished = match successor {
            Some(successor) => self
                .with_slot(successor, now, |successor, around| {
                    successor.succeed(slot, others, around)
                })
                .flatten(),
            None => slot.lost_to(others, &|serial| {
                self.issued
                    .iter()
                    .any(|(_, feed)| feed.is_unexpired(serial))
            }),
        };
        if let Some(vanished) = vanished {
            reports.push(Report {
                place: slot.place().unwrap_or_default().to_owned(),
                event: Event::ScopeLeft {
                    scope: slot.scope().map(ToString::to_string).unwrap_or_default(),
                    left_by: match (slot.is_unfed(), slot.is_leaving()) {
                        (true, _) => LeftBy::Operator,
                        (false, true) => LeftBy::Place,
                        (false, false) => LeftBy::Key,
                    },
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
            let successor = left.successor.as_ref().and_then(|key| slots.get(key));
            let is_kept = successor.is_none_or(Slot::is_kept);
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
    /// The key of the slot that came to its place, or holds what it held.
    successor: Option<String>,
    /// Its own, without lists: none that is older comes back.
    pub(super) slot: Slot,
    /// The state directory has its lists, which go when what its successor has is kept.
    has_copies: bool,
}
