//! What was found goes to the slots, and what they say of it back to the feeds.
//!
//! From: `refresh`, with what the feeds hold now.  To: the slots, which take a list or not; the feeds, which plan by that
//! verdict; and the operator, as reports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

use super::{Event, Refresher, Report, copy_name};
use crate::SourceError;
use crate::feed::{Found, Verdict};
use crate::line::{Offer, Served};
use crate::list::LoadedList;
use crate::slot::{Outcome, Slot, Surroundings};

impl Refresher {
    /// Gives each slot what was found for it, the best first.  Lists that let go of their serials for a better one are read
    /// again where that was refused.
    pub(super) fn take_lists(
        &mut self,
        mut found: Vec<(usize, Found)>,
        now: Time,
        reports: &mut Vec<Report>,
    ) {
        for _ in 0..READINGS_MAX {
            let to_be_read = self.take_each(found, now, reports);
            if to_be_read.is_empty() {
                return;
            }
            found = self.look_again(to_be_read, now);
        }
        for (position, found) in found {
            self.feeds[position].1.forget_seen_at(&found.path);
        }
    }

    /// Which are to be read again, each with the position of its feed.
    fn take_each(
        &mut self,
        found: Vec<(usize, Found)>,
        now: Time,
        reports: &mut Vec<Report>,
    ) -> Vec<(usize, PathBuf)> {
        let mut to_be_read = Vec::new();
        let mut offers: BTreeMap<String, Vec<(usize, Offer)>> = BTreeMap::new();
        let over = self.what_is_over(&found, now);
        let key_ids = self.key_ids(&found);
        for (position, found) in found {
            if let Some(verdict) = over.get(&found.path) {
                let feed = &mut self.feeds[position].1;
                feed.judged(&found.path, verdict.clone(), None, now);
                continue;
            }
            let result = found
                .result
                .and_then(|offer| self.check_place(&offer).map(|()| offer));
            match result {
                Ok(offer) => {
                    let key = offer.list.scope.key().to_owned();
                    let mut offer = offer;
                    let slot = self.slot(&key);
                    slot.settle_written(&mut offer, found.is_post_dated);
                    if !offer.list.is_delta() {
                        slot.is_offered(&offer);
                    }
                    offers.entry(key).or_default().push((position, offer));
                }
                Err(error) => {
                    let is_known = error.other_key().is_some_and(|key| key_ids.contains(key));
                    let error = match is_known {
                        true => error.of_other_key(None),
                        false => error,
                    };
                    let feed = &mut self.feeds[position].1;
                    feed.judged(&found.path, Verdict::Refused(error), None, now);
                }
            }
        }
        self.read_marks();
        let keys: Vec<String> = self.slots.keys().cloned().collect();
        for key in keys {
            let mut offers = offers.remove(&key).unwrap_or_default();
            // Complete lists before deltas, the newest of each first.
            offers.sort_by(|(_, left), (_, right)| {
                let kinds = left.list.is_delta().cmp(&right.list.is_delta());
                kinds.then_with(|| right.list.order().cmp(&left.list.order()))
            });
            let mut of_slot = Vec::new();
            self.start_slot(&key, &offers, now, &mut of_slot);
            for (position, offer) in offers {
                if offer.list.has_serials() {
                    self.take_list(&key, position, offer, now, &mut of_slot);
                } else if !self.pass_over(&key, position, &offer, now) {
                    to_be_read.push((position, offer.path));
                }
            }
            self.take_pending(&key, now, &mut of_slot);
            reports.extend(without_what_was_replaced(of_slot));
        }
        to_be_read
    }

    /// A list that let go of its serials is older than the one in use.  False if it is not: it is to be read again.
    fn pass_over(&mut self, key: &str, position: usize, offer: &Offer, now: Time) -> bool {
        let list = &offer.list;
        if !self.slots.get(key).is_some_and(Slot::is_readable) {
            self.feeds[position].1.forget_seen_at(&offer.path);
            return true;
        }
        let in_use = self.slots.get(key).and_then(Slot::complete);
        let in_use = in_use.map(|in_use| in_use.this_update());
        let Some(in_use) = in_use.filter(|in_use| *in_use > list.this_update()) else {
            self.feeds[position].1.forget_seen_at(&offer.path);
            return false;
        };
        let state = self.state.as_ref();
        let refusal = SourceError::Older {
            path: offer.path.clone(),
            this_update: list.this_update(),
            in_use,
            state_folder: state.map(|state| state.folder(self.issuer.identity())),
        };
        let verdict = self.refused(key, offer, refusal);
        self.feeds[position]
            .1
            .judged(&offer.path, verdict, Some(list), now);
        true
    }

    /// A list is refused; that is no problem of its place where another one has a newer one of its scope.
    fn refused(&self, key: &str, offer: &Offer, refusal: SourceError) -> Verdict {
        match refusal {
            SourceError::Older { .. }
            | SourceError::LowerNumber {
                held_until: None, ..
            } if self.is_fed_elsewhere(key, &offer.place, offer.list.is_delta()) => {
                Verdict::Behind {
                    scope_key: key.to_owned(),
                    refusal,
                }
            }
            refusal => Verdict::Refused(refusal),
        }
    }

    /// Complete lists that have ended while another key of the same name has a newer one that has not: the CA signs with
    /// that, and no answer is to end for a list of the key before.
    fn what_is_over(&self, found: &[(usize, Found)], now: Time) -> BTreeMap<PathBuf, Verdict> {
        let offered = found
            .iter()
            .filter_map(|(_, found)| found.result.as_ref().ok())
            .map(|offer| &offer.list);
        let offered = offered.filter(|list| !list.is_delta());
        let in_use = self.slots.values().filter_map(Slot::complete);
        let current: Vec<&Arc<LoadedList>> = offered
            .chain(in_use)
            .filter(|list| list.is_due(now) && !self.is_over(list, now))
            .collect();
        let verdict = |offer: &Offer| {
            let list = &offer.list;
            let is_newer = |other: &&&Arc<LoadedList>| {
                other.scope.is_by_another_key_than(&list.scope)
                    && other.this_update() > list.this_update()
            };
            let newer = current.iter().find(is_newer)?;
            Some(Verdict::Behind {
                scope_key: newer.scope.key().to_owned(),
                refusal: SourceError::Older {
                    path: offer.path.clone(),
                    this_update: list.this_update(),
                    in_use: newer.this_update(),
                    state_folder: None,
                },
            })
        };
        let ended = found.iter().filter_map(|(_, found)| {
            let offer = found.result.as_ref().ok()?;
            let is_over = !offer.list.is_delta() && self.is_over(&offer.list, now);
            let verdict = is_over.then(|| verdict(offer)).flatten()?;
            Some((found.path.clone(), verdict))
        });
        ended.collect()
    }

    /// The authorityKeyIdentifiers (DER) of lists that keys which are configured did sign.
    fn key_ids(&self, found: &[(usize, Found)]) -> BTreeSet<Vec<u8>> {
        let offered = found
            .iter()
            .filter_map(|(_, found)| found.result.as_ref().ok())
            .map(|offer| &*offer.list);
        let in_use = self.slots.values().flat_map(Slot::lists);
        let lists = offered.chain(in_use.map(|used| used.list));
        let key_ids = lists.filter_map(|list| list.authority_key_id.clone());
        key_ids.collect()
    }

    /// Nothing is promised from that list any more.
    fn is_over(&self, list: &LoadedList, now: Time) -> bool {
        self.issuer.policy().source_closes(list.facts.window) <= now
    }

    /// What was kept comes into use where nothing is.
    fn start_slot(
        &mut self,
        key: &str,
        offers: &[(usize, Offer)],
        now: Time,
        reports: &mut Vec<Report>,
    ) {
        let best = |is_delta: bool| {
            let mut offers = offers.iter().map(|(_, offer)| offer);
            offers.find(|offer| offer.list.is_delta() == is_delta && offer.list.has_serials())
        };
        let started = self.with_slot(key, now, |slot, around| {
            slot.start(best(false), best(true), around)
        });
        let name = copy_name(key);
        match started {
            None | Some(Ok(_)) => self.slot_problems.remove(&name),
            // Another list in use makes up for it.
            Some(Err(ref error)) => self.slot_problems.insert(name, error.clone()),
        };
        for in_use in started.and_then(Result::ok).unwrap_or_default() {
            let place = self.slots[key].place().unwrap_or_default().to_owned();
            reports.push(Report {
                place,
                event: Event::ListInUse(Box::new(in_use)),
            });
        }
    }

    fn take_list(
        &mut self,
        key: &str,
        position: usize,
        offer: Offer,
        now: Time,
        reports: &mut Vec<Report>,
    ) {
        let offered = offer.clone();
        let Some(outcome) = self.with_slot(key, now, |slot, around| slot.offer(offer, around))
        else {
            // Its marks cannot be read: another try when they can.
            self.feeds[position].1.forget_seen();
            return;
        };
        let verdict = match outcome {
            Ok(outcome) => self.outcome(outcome, &offered.place, reports),
            Err(refusal) => self.refused(key, &offered, refusal),
        };
        if matches!(verdict, Verdict::InUse) {
            self.slot_problems.remove(&copy_name(key));
        }
        self.feeds[position]
            .1
            .judged(&offered.path, verdict, Some(&offered.list), now);
    }

    fn outcome(&mut self, outcome: Outcome, place: &str, reports: &mut Vec<Report>) -> Verdict {
        match outcome {
            Outcome::InUse(in_use) => {
                self.forget_held();
                reports.push(Report {
                    place: place.to_owned(),
                    event: Event::ListInUse(in_use),
                });
                Verdict::InUse
            }
            Outcome::Same => Verdict::InUse,
            Outcome::Waits => Verdict::Waits,
            Outcome::Gap => {
                self.fetch_base(place);
                Verdict::Unlaid
            }
            Outcome::Overtaken => Verdict::Unlaid,
        }
    }

    /// What is held was measured by a list that is in use no more.
    fn forget_held(&mut self) {
        for (_, feed) in &mut self.feeds {
            feed.forget_held();
        }
    }

    /// A newer base may be there already than the last time that was asked for one; the delta itself was just fetched.
    fn fetch_base(&mut self, delta_place: &str) {
        let mut gaps = self.slots.values().flat_map(Slot::gaps);
        let gap = gaps.find(|(place, _)| *place == delta_place);
        if gap.is_some_and(|(place, gap)| self.told.gaps.get(place) == Some(gap)) {
            return;
        }
        let others = self
            .feeds
            .iter_mut()
            .filter(|(_, feed)| !feed.has_place(delta_place));
        others.for_each(|(_, feed)| feed.fetch_now());
    }

    /// The newest list of that scope and kind comes from another configured place.
    fn is_fed_elsewhere(&self, key: &str, place: &str, is_delta: bool) -> bool {
        let place_used = if is_delta {
            Slot::delta_place
        } else {
            Slot::place
        };
        self.slots
            .get(key)
            .and_then(place_used)
            .is_some_and(|used| {
                used != place && self.feeds.iter().any(|(_, feed)| feed.has_place(used))
            })
    }

    fn take_pending(&mut self, key: &str, now: Time, reports: &mut Vec<Report>) {
        let taken = self.with_slot(key, now, |slot, around| slot.offer_pending(around));
        for (place, taken) in taken.unwrap_or_default() {
            match taken {
                Ok(outcome) => {
                    self.outcome(outcome, &place, reports);
                }
                // Held: what is in the place is judged anew at the next look.
                Err(_) => self.forget_seen(),
            }
        }
    }

    /// Lists from the future whose time has come.
    pub(super) fn take_over(&mut self, now: Time, reports: &mut Vec<Report>) {
        let mut has_taken = false;
        let keys: Vec<String> = self.slots.keys().cloned().collect();
        for key in keys {
            let waiting = self.slots.get(&key).and_then(Slot::waiting_place);
            let Some(place) = waiting.map(ToOwned::to_owned) else {
                continue;
            };
            let taken = self.with_slot(&key, now, |slot, around| slot.take_over(around));
            for taken in taken.unwrap_or_default() {
                match taken {
                    Ok(in_use) => {
                        has_taken = true;
                        self.forget_held();
                        for (_, feed) in &mut self.feeds {
                            feed.took_over(&place);
                        }
                        reports.push(Report {
                            place: place.clone(),
                            event: Event::ListInUse(Box::new(in_use)),
                        });
                    }
                    // Held, or overtaken: what is in the place is judged anew at the next look.
                    Err(_) => self.forget_seen(),
                }
            }
            self.take_pending(&key, now, reports);
        }
        if has_taken {
            let found = self.look(now);
            self.take_lists(found, now, reports);
        }
    }

    /// None when the slot may not be touched.
    pub(super) fn with_slot<T>(
        &mut self,
        key: &str,
        now: Time,
        act: impl FnOnce(&mut Slot, &Surroundings<'_>) -> T,
    ) -> Option<T> {
        let slot = self.slots.get_mut(key)?;
        if !slot.is_readable() {
            return None;
        }
        let issued = &self.issued;
        let is_unexpired =
            |serial: &SerialNumber| issued.iter().any(|(_, feed)| feed.is_unexpired(serial));
        let around = Surroundings {
            signers: &self.signers,
            limits: &self.sources.limits,
            guard: self.sources.guard,
            is_unexpired: &is_unexpired,
            now,
        };
        Some(act(slot, &around))
    }
}

/// How often lists are read again in one look, each time because a better one was refused; then at the next look.
const READINGS_MAX: usize = 8;

/// A last good copy that a better list took the place of at once was never answered from.
fn without_what_was_replaced(mut reports: Vec<Report>) -> Vec<Report> {
    let in_use = |report: &Report| match &report.event {
        Event::ListInUse(in_use) => Some((in_use.list.is_delta(), in_use.served)),
        _ => None,
    };
    let better: Vec<bool> = reports
        .iter()
        .filter_map(in_use)
        .filter(|(_, served)| *served == Served::Source)
        .map(|(is_delta, _)| is_delta)
        .collect();
    reports.retain(|report| {
        in_use(report).is_none_or(|(is_delta, served)| {
            served != Served::LastGood || !better.contains(&is_delta)
        })
    });
    reports
}
