//! All lists of one scope of an issuer: the complete one in use, the delta over it, and what the guard holds back.
//!
//! From: `refresh`, with lists that `load` judged.  To: `compose`, as one part of the issuer's table.  A delta is laid over
//! its base and never used without it (RFC 5280 §5.2.4); one that comes before its base waits for it.  What vanishes from
//! one complete list to the next is counted by `guard`, and held here where the operator wants that (design.md §7).

use std::sync::Arc;

use ocspry_core::{
    ListPart, Revocation, RevokedSerials, RevokedSerialsBuilder, SourceInfo, ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

use crate::guard::{After, Change, Guard, Vanished};
use crate::keeping::Keeping;
use crate::line::{Line, Offer, Served, Swap, Taken};
use crate::list::{DeltaGap, LoadedList};
use crate::load::{CrlSigners, SourceLimits};
use crate::refresh::{HeldBack, Hold};
use crate::scope::Scope;
use crate::state::{KeptSeries, SeriesKind, StateDirectory};
use crate::{SourceError, held};

mod over_base;

/// The lists of one scope.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    scope: Option<Scope>,
    complete: Line,
    delta: Line,
    /// Deltas that do not fit the complete list, which may be behind them; one for each place.
    pending_deltas: Vec<(Offer, DeltaGap)>,
    /// The complete list ends the window alone.
    is_delta_outlived: bool,
    /// The delta in use was used before that was forgotten: it holds back no complete list.
    is_delta_forgotten: bool,
    /// What vanished and is revoked all the same.
    held_removals: Option<Arc<RevokedSerials>>,
    /// What is held is to be written down.
    is_held_unkept: bool,
    held_keeping: Keeping,
    series: Option<KeptSeries>,
    /// Its place has a newer list of another scope.
    is_behind: bool,
    /// No configured place has its lists any more.
    is_unfed: bool,
}

/// A list that went into use, for the operator.
#[derive(Clone, Debug)]
pub struct ListInUse {
    /// Which copy of it.
    pub served: Served,
    /// The list.
    pub list: Arc<LoadedList>,
    /// Revoked serials of the one before it.
    pub entries_before: Option<usize>,
    /// What was revoked before it and is not with it, without what was on hold.  None for the first, and for a last good
    /// copy.
    pub vanished: Option<Vanished>,
}

/// A list in use, for people.
#[derive(Clone, Copy, Debug)]
pub struct UsedList<'a> {
    /// The configured place that it comes from.
    pub place: &'a str,
    /// It is the last good copy of what was there.
    pub is_last_good: bool,
    /// The list.
    pub list: &'a LoadedList,
}

/// What a slot is told by its issuer.
pub(crate) struct Surroundings<'a> {
    pub(crate) signers: &'a Arc<CrlSigners>,
    pub(crate) limits: &'a SourceLimits,
    pub(crate) guard: Guard,
    /// Whether a certificate is known not to have expired.
    pub(crate) is_unexpired: &'a (dyn Fn(&SerialNumber) -> bool + Sync),
    pub(crate) now: Time,
}

/// What became of an offer.
pub(crate) enum Outcome {
    InUse(Box<ListInUse>),
    /// It is in use already.
    Same,
    /// It is from the future.
    Waits,
    /// A delta that cannot be laid over what is there.
    Gap,
    /// A delta that the complete list has overtaken.
    Overtaken,
}

impl Slot {
    pub(crate) fn new(
        key: &str,
        state: Option<(&Arc<StateDirectory>, &str)>,
        keeps_when_told: bool,
    ) -> Slot {
        let series = |kind| state.map(|(state, identity)| state.series(identity, key, kind));
        Slot {
            scope: None,
            complete: Line::new(series(SeriesKind::Complete), keeps_when_told),
            delta: Line::new(series(SeriesKind::Delta), keeps_when_told),
            pending_deltas: Vec::new(),
            is_delta_outlived: false,
            is_delta_forgotten: false,
            held_removals: None,
            is_held_unkept: false,
            held_keeping: Keeping::default(),
            series: series(SeriesKind::Complete),
            is_behind: false,
            is_unfed: false,
        }
    }

    /// The complete list in use.
    pub(crate) fn complete(&self) -> Option<&Arc<LoadedList>> {
        self.complete.in_use()
    }

    /// The complete list in use, after where it comes from.
    pub(crate) fn complete_and_place(&self) -> Option<(&str, &Arc<LoadedList>)> {
        Some((self.complete.place()?, self.complete()?))
    }

    /// The delta over it.
    pub(crate) fn delta(&self) -> Option<&Arc<LoadedList>> {
        self.complete().and(self.delta.in_use())
    }

    /// About which certificates; None before the first list.
    pub(crate) fn scope(&self) -> Option<&Scope> {
        self.scope.as_ref()
    }

    /// That is the key of its scope.
    pub(crate) fn has_key(&self, key: &str) -> bool {
        self.scope().is_some_and(|scope| scope.key() == key)
    }

    /// Where its complete list comes from, or came from last.
    pub(crate) fn place(&self) -> Option<&str> {
        self.complete.place().or(self.complete.marked_place())
    }

    /// Where its delta comes from, or came from last.
    pub(crate) fn delta_place(&self) -> Option<&str> {
        self.delta.place().or(self.delta.marked_place())
    }

    /// Where its complete list comes from; without one, where one waits, or a delta over one lies.
    pub(crate) fn place_of_any(&self) -> Option<&str> {
        let gap = self.gaps().next().map(|(place, _)| place);
        self.place().or(self.waiting_place()).or(gap)
    }

    /// thisUpdate of the newest complete list ever used.
    pub(crate) fn this_update(&self) -> Option<Time> {
        self.complete.marked_this_update()
    }

    /// nextUpdate of that list.
    pub(crate) fn marked_next_update(&self) -> Option<Time> {
        self.complete.marked_next_update()
    }

    /// The later of two slots with a list from one place is the greater; what was forgotten is the least.
    pub(crate) fn recency(&self) -> (Option<Time>, Option<Time>) {
        let in_use = self.complete().map(|list| list.this_update());
        (self.this_update(), in_use)
    }

    /// Its place has a newer list of another scope, or is configured no more: it is used until the others will do.
    pub(crate) fn is_leaving(&self) -> bool {
        self.is_behind || self.is_unfed
    }

    /// No configured place has its lists any more.
    pub(crate) fn is_unfed(&self) -> bool {
        self.is_unfed
    }

    /// Notes whether no configured place has its lists any more.  Whether that is news about a list in use.
    pub(crate) fn set_unfed(&mut self, is_unfed: bool) -> bool {
        let was_unfed = std::mem::replace(&mut self.is_unfed, is_unfed);
        is_unfed && !was_unfed && self.complete().is_some()
    }

    /// The state directory has a complete list of it, or what the guard holds.
    pub(crate) fn is_kept_in_part(&self) -> bool {
        let series = self.series.as_ref();
        series.is_some_and(|series| series.list_path().exists() || held::is_there(series))
    }

    /// Notes whether its place has a newer list of another scope.  Whether that is news about a list in use.
    pub(crate) fn set_behind(&mut self, is_behind: bool) -> bool {
        let was_behind = std::mem::replace(&mut self.is_behind, is_behind);
        is_behind && !was_behind && self.complete().is_some()
    }

    /// The place of that complete list feeds the scope: what is in use counts as its own, if it was left behind.  One that
    /// has an older list only may never have a newer one.
    pub(crate) fn is_offered(&mut self, offer: &Offer) {
        let in_use = self.complete();
        if self.is_leaving()
            && in_use.is_some_and(|in_use| in_use.this_update() <= offer.list.this_update())
        {
            self.complete.move_to(&offer.place);
        }
    }

    /// The lists that `left` has in use are in use no more, and one in this slot came to their place: what they revoked
    /// and none of the `others` does has vanished.  What was held there is held here.
    pub(crate) fn succeed(
        &mut self,
        left: &Slot,
        others: Vec<ListPart>,
        around: &Surroundings<'_>,
    ) -> Option<Vanished> {
        let vanished = left.part().map(|before| {
            let after = After::Others(others);
            self.vanished(&Change { before, after }, around)
        });
        if let Some(held) = &left.held_removals {
            self.hold(held.iter());
        }
        vanished
    }

    /// What it revokes and none of the others does, with nobody to hold it.
    pub(crate) fn lost_to(
        &self,
        others: Vec<ListPart>,
        is_unexpired: &(dyn Fn(&SerialNumber) -> bool + Sync),
    ) -> Option<Vanished> {
        let change = Change {
            before: self.part()?,
            after: After::Others(others),
        };
        Some(change.measure(is_unexpired))
    }

    /// All that it calls revoked, and what is held.
    pub(crate) fn parts(&self) -> impl Iterator<Item = ListPart> {
        self.part().into_iter().chain(self.held_part())
    }

    /// The state directory knows all that it is to know.
    pub(crate) fn is_kept(&self) -> bool {
        self.complete.is_kept() && self.delta.is_kept() && !self.is_held_unkept
    }

    /// What the state directory has of its lists goes; the marks stay, so that none comes back.
    ///
    /// # Errors
    /// `StateWrite`.
    pub(crate) fn remove_copies(&self) -> Result<(), SourceError> {
        self.complete.remove_copy()?;
        self.delta.remove_copy()?;
        self.series
            .as_ref()
            .map_or(Ok(()), |series| held::write(series, None))
    }

    /// One in which nothing is in use, and which remembers what was.
    pub(crate) fn without_lists(&self) -> Slot {
        Slot {
            scope: self.scope.clone(),
            complete: self.complete.without_lists(),
            delta: self.delta.without_lists(),
            pending_deltas: Vec::new(),
            is_delta_outlived: false,
            is_delta_forgotten: false,
            held_removals: None,
            is_held_unkept: false,
            held_keeping: Keeping::default(),
            series: self.series.clone(),
            is_behind: false,
            is_unfed: false,
        }
    }

    /// As the one of the configuration before; nothing is written before it is told, if that is so.
    pub(crate) fn carried(&self, keeps_when_told: bool) -> Slot {
        let mut slot = self.clone();
        for line in slot.lines() {
            line.begin_anew(keeps_when_told);
        }
        // Its marks are those of what is in use again.
        slot.is_delta_forgotten = false;
        slot.held_keeping.begin();
        slot
    }

    /// Lists from the future, and deltas without their base, wait no more where that is so of their place.  Whether one
    /// did.
    pub(crate) fn drop_waiting_if(&mut self, is_so: &dyn Fn(&str) -> bool) -> bool {
        let pending_count = self.pending_deltas.len();
        self.pending_deltas
            .retain(|(offer, _)| !is_so(&offer.place));
        let has_dropped = self.pending_deltas.len() < pending_count;
        let lines = self.lines().map(|line| line.drop_waiting_if(is_so));
        has_dropped || lines.contains(&true)
    }

    /// From when lists without nextUpdate count.
    pub(crate) fn settle_written(&self, offer: &mut Offer, is_post_dated: bool) {
        if let Some(list) = Arc::get_mut(&mut offer.list) {
            let line = if list.is_delta() {
                &self.delta
            } else {
                &self.complete
            };
            line.settle_written(list, false, is_post_dated);
        }
    }

    /// Its marks could be read, so that it may be used.
    pub(crate) fn is_readable(&self) -> bool {
        self.complete.is_readable() && self.delta.is_readable()
    }

    /// The lists in use.
    pub(crate) fn lists(&self) -> impl Iterator<Item = UsedList<'_>> {
        [&self.complete, &self.delta]
            .into_iter()
            .filter_map(|line| {
                Some(UsedList {
                    place: line.place().unwrap_or_default(),
                    is_last_good: line.is_last_good(),
                    list: line.in_use()?,
                })
            })
    }

    /// Lists from the future.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (Time, &str)> {
        [&self.complete, &self.delta]
            .into_iter()
            .filter_map(Line::waiting)
    }

    /// Where the one that comes next lies.
    pub(crate) fn waiting_place(&self) -> Option<&str> {
        self.waiting()
            .min_by_key(|(until, _)| *until)
            .map(|(_, place)| place)
    }

    /// What the guard holds back.
    pub(crate) fn holds(&self) -> impl Iterator<Item = Hold> {
        let removals = self.held_removals.iter().map(|held| Hold {
            place: self.complete.place().unwrap_or_default().to_owned(),
            what: HeldBack::Removals { count: held.len() },
        });
        let lines = [&self.complete, &self.delta].into_iter();
        removals.chain(lines.filter_map(Line::hold))
    }

    /// When to look again.
    pub(crate) fn next_wake(&self, now: Time) -> Option<Time> {
        let waiting = self.waiting().map(|(until, _)| until);
        let keep = if self.keeps_held() {
            Some(self.held_keeping.next_try(now))
        } else {
            let lines = [&self.complete, &self.delta];
            let keeps = lines.into_iter().filter_map(|line| line.next_keep(now));
            keeps.min()
        };
        waiting.chain(keep).min()
    }

    /// Writes what is not in the state directory yet.  What is to be reported of that.
    pub(crate) fn keep(&mut self, now: Time) -> Vec<Result<(), SourceError>> {
        let held = self.keep_held(now);
        // Before the list without them, and not without them: a restart holds too much rather than too little.
        if self.keeps_held() {
            return held.into_iter().collect();
        }
        let kept = self.lines().map(|line| line.keep(now));
        held.into_iter().chain(kept.into_iter().flatten()).collect()
    }

    fn keep_held(&mut self, now: Time) -> Option<Result<(), SourceError>> {
        if !self.keeps_held() || !self.held_keeping.is_time(now) {
            return None;
        }
        let written = held::write(self.series.as_ref()?, self.held_removals.as_deref());
        self.is_held_unkept = written.is_err();
        self.held_keeping.tried(written, now)
    }

    /// What is held, or that nothing is, is still to be written down.
    fn keeps_held(&self) -> bool {
        self.is_held_unkept && self.series.is_some() && !self.complete.keeps_when_told()
    }

    /// Both series, the complete one first.
    pub(crate) fn lines(&mut self) -> [&mut Line; 2] {
        [&mut self.complete, &mut self.delta]
    }

    /// Its part of the table.
    pub(crate) fn part(&self) -> Option<ListPart> {
        Some(ListPart {
            base: Arc::clone(&self.complete()?.serials),
            delta: self.delta().map(|delta| Arc::clone(&delta.serials)),
            this_update: self.window().map(|window| window.this_update),
        })
    }

    /// Forgets which lists were used, so that older ones are taken again.  A delta stays in use until another one comes, or a
    /// complete list that it does not fit, which need not say what it did.  Once it is found in its place again it is
    /// remembered as any.  One from the future goes, since it was used by a wrong clock; if one was used before it, that is
    /// lost.
    pub(crate) fn forget_used(&mut self, now: Time) {
        for line in self.lines() {
            line.forget_used(now);
        }
        if self.delta.in_use().is_some_and(|delta| !delta.is_due(now)) {
            self.delta.take_back(now);
        }
        self.is_delta_forgotten = self.delta.in_use().is_some();
        self.is_held_unkept = self.held_removals.is_some() && self.series.is_some();
        self.held_keeping.begin();
    }

    /// What is revoked in spite of the complete list.
    pub(crate) fn held_part(&self) -> Option<ListPart> {
        Some(ListPart {
            base: Arc::clone(self.held_removals.as_ref()?),
            delta: None,
            this_update: self.window().map(|window| window.this_update),
        })
    }

    /// The window of both: the delta says how things stood later, and the first that ends is the end, unless the delta is
    /// outlived.  A complete list that took over from a delta is known as of that: thisUpdate does not go back.
    pub(crate) fn window(&self) -> Option<ValidityWindow> {
        let window = ValidityWindow {
            this_update: self.complete.this_update()?,
            next_update: self.complete()?.next_update(),
        };
        Some(match self.delta() {
            None => window,
            Some(delta) => ValidityWindow {
                this_update: window.this_update.max(delta.this_update()),
                next_update: if self.is_delta_outlived {
                    window.next_update
                } else {
                    window.next_update.min(delta.next_update())
                },
            },
        })
    }

    /// Where it came from.
    pub(crate) fn source_infos(&self) -> impl Iterator<Item = SourceInfo> {
        let line = |line: &Line| {
            let origin = line.place().unwrap_or_default().to_owned();
            line.in_use().map(|list| list.source_info(origin))
        };
        line(&self.complete)
            .into_iter()
            .chain(self.delta().and(line(&self.delta)))
    }

    /// Reads what the state directory remembers.
    ///
    /// # Errors
    /// Nothing is in use, and the marks cannot be read.
    pub(crate) fn read_marks(&mut self) -> Result<Option<SourceError>, SourceError> {
        if self.held_removals.is_none()
            && !self.complete.is_readable()
            && let Some(series) = &self.series
        {
            self.held_removals = held::read(series)?;
        }
        let complete = self.complete.read_marks()?;
        Ok(complete.or(self.delta.read_marks()?))
    }

    /// Nothing is in use: what was kept is considered beside the best lists that are offered.
    ///
    /// # Errors
    /// There is a copy, and it is of no use.
    pub(crate) fn start(
        &mut self,
        best: Option<&Offer>,
        best_delta: Option<&Offer>,
        around: &Surroundings<'_>,
    ) -> Result<Vec<ListInUse>, SourceError> {
        let mut in_use = Vec::new();
        if self.complete.in_use().is_none() {
            let swap = self
                .complete
                .start(best, around.signers, around.limits, around.now)?;
            in_use.extend(swap.map(|swap| self.used(&swap, around)));
        }
        if self.complete.in_use().is_some() && self.delta.in_use().is_none() {
            let swap = self
                .delta
                .start(best_delta, around.signers, around.limits, around.now);
            let fits = self
                .complete()
                .zip(self.delta.in_use())
                .map(|(base, delta)| delta.applies_to(base).is_ok());
            match fits {
                Some(true) => in_use.extend(swap?.map(|swap| delta_in_use(&swap))),
                Some(false) => self.retire_copy(),
                None => {}
            }
        }
        Ok(in_use)
    }

    /// Takes a list, if it is better than what is in use.
    ///
    /// # Errors
    /// It is older than one used before, or held.
    pub(crate) fn offer(
        &mut self,
        offer: Offer,
        around: &Surroundings<'_>,
    ) -> Result<Outcome, SourceError> {
        if offer.list.is_delta() {
            return self.offer_delta(offer, around);
        }
        self.check_delta(&offer)?;
        self.scope.get_or_insert_with(|| offer.list.scope.clone());
        Ok(match self.complete.offer(offer, around.now)? {
            Taken::Swapped(swap) => Outcome::InUse(Box::new(self.used(&swap, around))),
            Taken::InUse => Outcome::Same,
            Taken::Waits => Outcome::Waits,
        })
    }

    /// Lists whose time has come.
    pub(crate) fn take_over(
        &mut self,
        around: &Surroundings<'_>,
    ) -> Vec<Result<ListInUse, SourceError>> {
        let mut taken = Vec::new();
        if let Some(offer) = self.complete.take_waiting(around.now) {
            let checked = self.check_delta(&offer);
            let swap = checked.and_then(|()| self.complete.take_due(offer, around.now));
            taken.push(swap.map(|swap| self.used(&swap, around)));
        }
        if let Some(offer) = self.delta.take_waiting(around.now) {
            // The complete list may be another one by now.
            match self.fits(&offer) {
                Ok(()) => {
                    let swap = self.delta.take_due(offer, around.now);
                    taken.push(swap.map(|swap| self.delta_used(&swap, around)));
                }
                Err(None) => {}
                Err(Some(gap)) => self.pending_deltas.push((offer, gap)),
            }
        }
        taken
    }

    /// A complete list went into use: what vanished with the one before it, and does the delta still fit?
    fn used(&mut self, swap: &Swap, around: &Surroundings<'_>) -> ListInUse {
        let list = Arc::clone(&swap.list);
        self.scope.get_or_insert_with(|| list.scope.clone());
        let fits = self
            .delta
            .in_use()
            .is_some_and(|delta| delta.applies_to(&list).is_ok());
        let vanished = swap.before.as_ref().map(|before| {
            let change = Change {
                before: ListPart {
                    base: Arc::clone(&before.serials),
                    delta: self.delta.in_use().map(|delta| Arc::clone(&delta.serials)),
                    this_update: None,
                },
                after: After::Complete {
                    list: Arc::clone(&list.serials),
                    is_delta_kept: fits,
                },
            };
            self.vanished(&change, around)
        });
        if !fits {
            self.overtake_delta();
        }
        self.is_delta_forgotten = false;
        ListInUse {
            served: swap.served,
            entries_before: swap.before.as_ref().map(|before| before.facts.entry_count),
            vanished,
            list,
        }
    }

    /// A delta went into use: what does it take back?
    fn delta_used(&mut self, swap: &Swap, around: &Surroundings<'_>) -> ListInUse {
        let base = self.complete().map(|base| Arc::clone(&base.serials));
        let vanished = base.map(|base| {
            let change = Change {
                before: ListPart {
                    base,
                    delta: swap.before.as_ref().map(|delta| Arc::clone(&delta.serials)),
                    this_update: None,
                },
                after: After::Delta(Arc::clone(&swap.list.serials)),
            };
            self.vanished(&change, around)
        });
        self.is_delta_forgotten = false;
        ListInUse {
            vanished,
            ..delta_in_use(swap)
        }
    }

    /// What vanishes, which is held if the operator wants that.
    fn vanished(&mut self, change: &Change, around: &Surroundings<'_>) -> Vanished {
        let mut vanished = change.measure(around.is_unexpired);
        if around.guard == Guard::Refuse && vanished.is_alarming() {
            vanished.is_held = true;
            self.hold(change.vanished());
        }
        vanished
    }

    /// What was held before stays held.
    fn hold(&mut self, more: impl Iterator<Item = (SerialNumber, Revocation)>) {
        let mut held = RevokedSerialsBuilder::new();
        let before = self.held_removals.iter().flat_map(|held| held.iter());
        for (serial, revocation) in more.chain(before) {
            held.push(&serial, revocation);
        }
        self.held_removals = Some(Arc::new(held.build()));
        self.is_held_unkept = self.series.is_some();
        self.held_keeping.begin();
    }

    /// The operator accepts what the guard holds; whether anything was held.
    pub(crate) fn accept_held(&mut self) -> bool {
        let were_removals_held = self.held_removals.take().is_some();
        if were_removals_held {
            self.is_held_unkept |= self.series.is_some();
            self.held_keeping.begin();
        }
        let lines = self.lines().map(Line::accept_held);
        were_removals_held || lines.contains(&true)
    }
}

/// A delta that was in use before.
fn delta_in_use(swap: &Swap) -> ListInUse {
    ListInUse {
        served: swap.served,
        list: Arc::clone(&swap.list),
        entries_before: swap.before.as_ref().map(|before| before.facts.entry_count),
        vanished: None,
    }
}
