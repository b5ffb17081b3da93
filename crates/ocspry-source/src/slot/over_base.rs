//! The delta of a slot beside its complete list: laid over it where it fits, waiting where that is behind it, and not taken
//! back by an older one (RFC 5280 §5.2.4).
//!
//! From: `slot`, with lists that are offered.  To: the two series of the slot, and `compose`, which asks what is missing.

use std::sync::Arc;

use super::{Outcome, Slot, Surroundings};
use crate::SourceError;
use crate::guard::{After, Change};
use crate::line::{Offer, Taken};
use crate::list::{DeltaGap, LoadedList};

impl Slot {
    /// That complete list may take the place of base and delta.
    ///
    /// # Errors
    /// `Older`: it was made before the delta and does not fit under it.  One that has at least its number takes over from it
    /// all the same, if it revokes all that base and delta do: it was made with the delta, or after it (RFC 5280 §5.2.4).
    pub(super) fn check_delta(&self, offer: &Offer) -> Result<(), SourceError> {
        let list = &offer.list;
        let newer = self
            .delta()
            .filter(|delta| !self.is_delta_forgotten && list.this_update() < delta.this_update());
        let Some(delta) = newer else {
            return Ok(());
        };
        match delta.applies_to(list) {
            Ok(()) => Ok(()),
            Err(None) if self.is_all_in(list) => Ok(()),
            Err(_) => Err(SourceError::Older {
                path: offer.path.clone(),
                this_update: list.this_update(),
                in_use: delta.this_update(),
                state_folder: None,
            }),
        }
    }

    /// That complete list revokes all that base and delta do.
    fn is_all_in(&self, list: &LoadedList) -> bool {
        let change = self.part().map(|before| Change {
            before,
            after: After::Complete {
                list: Arc::clone(&list.serials),
                is_delta_kept: false,
            },
        });
        change.is_none_or(|change| change.is_nothing_gone())
    }

    pub(super) fn offer_delta(
        &mut self,
        offer: Offer,
        around: &Surroundings<'_>,
    ) -> Result<Outcome, SourceError> {
        let fits = self.fits(&offer);
        self.pending_deltas
            .retain(|(pending, _)| pending.place != offer.place);
        match fits {
            Ok(()) => Ok(match self.delta.offer(offer, around.now)? {
                Taken::Swapped(swap) => Outcome::InUse(Box::new(self.delta_used(&swap, around))),
                Taken::InUse => {
                    self.is_delta_forgotten = false;
                    Outcome::Same
                }
                Taken::Waits => Outcome::Waits,
            }),
            Err(None) => Ok(Outcome::Overtaken),
            Err(Some(gap)) => {
                self.pending_deltas.push((offer, gap));
                Ok(Outcome::Gap)
            }
        }
    }

    /// As [`LoadedList::applies_to`], of the complete list in use.
    pub(super) fn fits(&self, delta: &Offer) -> Result<(), Option<DeltaGap>> {
        match self.complete() {
            None => Err(Some(DeltaGap::NoBase)),
            Some(base) => delta.list.applies_to(base),
        }
    }

    /// Deltas came before their base, and the base has come: each with its place, the newest first.
    pub(crate) fn offer_pending(
        &mut self,
        around: &Surroundings<'_>,
    ) -> Vec<(String, Result<Outcome, SourceError>)> {
        let mut pending = std::mem::take(&mut self.pending_deltas);
        pending.sort_by(|(left, _), (right, _)| right.list.order().cmp(&left.list.order()));
        let mut taken = Vec::new();
        for (offer, gap) in pending {
            match self.complete().map(|base| offer.list.applies_to(base)) {
                Some(Ok(())) => {
                    let is_overtaken = self
                        .delta()
                        .is_some_and(|delta| delta.order() >= offer.list.order());
                    if !is_overtaken {
                        taken.push((offer.place.clone(), self.offer_delta(offer, around)));
                    }
                }
                // The complete list knows all that it does.
                Some(Err(None)) => {}
                Some(Err(Some(gap))) => self.pending_deltas.push((offer, gap)),
                None => self.pending_deltas.push((offer, gap)),
            }
        }
        taken
    }

    /// Which deltas wait for a complete list, and why.
    pub(crate) fn gaps(&self) -> impl Iterator<Item = (&str, &DeltaGap)> {
        self.pending_deltas
            .iter()
            .map(|(offer, gap)| (offer.place.as_str(), gap))
    }

    /// The delta does not fit the complete list that came into use, and goes.  What that is known by does not go back: no
    /// list from before the delta follows, and none of its revocations is missed after a restart.  Of one that was forgotten
    /// nothing is left.
    pub(super) fn overtake_delta(&mut self) {
        let Some(delta) = self.delta.in_use().cloned() else {
            return;
        };
        if self.is_overtaken(&delta) {
            self.delta.pass_over_copy();
        }
        if self.is_delta_forgotten {
            self.delta.forget();
        } else {
            self.complete.raise_to(delta.this_update());
            self.delta.retire();
        }
    }

    /// The last good copy of the delta does not fit, and goes.  If the complete list has overtaken it and revokes all that it
    /// does, nothing is lost: what that is known by does not go back, though its marks may be gone.
    pub(super) fn retire_copy(&mut self) {
        if let (Some(base), Some(delta)) = (self.complete.in_use(), self.delta.in_use().cloned())
            && self.is_overtaken(&delta)
        {
            if base.revokes_all_of(&delta) {
                self.complete.raise_to(delta.this_update());
            }
            self.delta.pass_over_copy();
        }
        self.delta.retire();
    }

    fn is_overtaken(&self, delta: &LoadedList) -> bool {
        self.complete()
            .is_some_and(|base| delta.applies_to(base) == Err(None))
    }

    /// A delta was used that is later than what the complete list in use is known by, and it is not there: what it revoked
    /// is not known.
    pub(crate) fn is_delta_lost(&self) -> bool {
        self.delta.in_use().is_none()
            && self
                .complete
                .this_update()
                .is_some_and(|known| self.delta.marked_this_update() > Some(known))
    }

    /// Whether what the delta said stays in use beyond its end, for as long as the complete list has.
    pub(crate) fn set_delta_outlived(&mut self, is_outlived: bool) {
        self.is_delta_outlived = is_outlived;
    }

    /// What the delta said stays in use beyond its end.
    pub(crate) fn is_delta_outlived(&self) -> bool {
        self.is_delta_outlived
    }
}
