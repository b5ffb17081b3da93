//! What takes too long.  From: the pool, on a thread of its own, as long as there is anything to sign.  To: those who wait.
//!
//! Nothing here ends a signature: nobody can.  Those who wait are told that they wait in vain, so that they can ask
//! elsewhere, and a thread that is held gets a substitute, so that other keys have theirs.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Excess, Job, Shared, State, Waiters, start_thread};

/// Looks a few times in each span that clients wait, until the pool ends.
pub(super) fn watch(shared: &Arc<Shared>) {
    let pause = (shared.limits.patience / LOOKS).clamp(PAUSE_MIN, PAUSE_MAX);
    let mut state = shared.lock();
    loop {
        if state.is_stopping {
            return;
        }
        if state.lanes.is_empty() {
            state.is_watch_asleep = true;
            state = shared
                .watched
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        let waited = shared.watched.wait_timeout(state, pause);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let found = overdue(shared, &mut state, Instant::now());
        substitute(shared, &mut state);
        // A key that hung may be tried again by now.
        if state.idle > 0 && !state.order.is_empty() {
            shared.changed.notify_one();
        }
        shared.tell_spare(&state);
        drop(state);
        found.tell(shared);
        state = shared.lock();
    }
}

/// What was found.
#[derive(Default)]
pub(super) struct Overdue {
    /// Will not be begun any more.
    dropped: Vec<Job>,
    /// Goes on, and nobody waits for it any longer.
    under_way: Vec<Waiters>,
}

impl Overdue {
    /// Without the pool's lock: whoever hears it may ask again at once.
    pub(super) fn tell(self, shared: &Shared) {
        let dropped = self.dropped.iter().map(|job| &job.waiters);
        for waiters in self.under_way.iter().chain(dropped) {
            let (class, told) = waiters.give_up();
            shared.totals.refused.add(class, Excess::Overdue, told);
        }
    }
}

pub(super) fn overdue(shared: &Shared, state: &mut State, now: Instant) -> Overdue {
    let mut found = Overdue::default();
    let mut dropped = 0;
    let mut stuck = 0;
    for lane in state.lanes.values_mut() {
        let longest = shared.limits.longest(&lane.pace);
        while let Some((_, job)) = lane.line.pop_overdue(longest, now) {
            found.dropped.push(job);
            dropped += 1;
        }
        for one in &mut lane.under_way {
            if !one.is_given_up && now.saturating_duration_since(one.asked) >= longest {
                one.is_given_up = true;
                found.under_way.push(one.waiters.clone());
            }
            if !one.is_overdue && now.saturating_duration_since(one.began) >= longest {
                one.is_overdue = true;
                stuck += 1;
            }
        }
    }
    state.waiting -= dropped;
    state.stuck += stuck;
    let lanes = &mut state.lanes;
    lanes.retain(|_, lane| !lane.line.is_empty() || !lane.under_way.is_empty());
    state
        .order
        .retain(|key| lanes.get(key).is_some_and(|lane| !lane.line.is_empty()));
    found
}

/// Lets threads begin for those that are held, up to a bound.
fn substitute(shared: &Arc<Shared>, state: &mut State) {
    let wanted = shared.limits.threads + state.stuck.min(SUBSTITUTES_MAX);
    while state.threads < wanted {
        if start_thread(shared, state).is_err() {
            // The kernel has none now: the next look tries again.
            return;
        }
    }
}

/// Looks in one span that clients wait.
const LOOKS: u32 = 8;
/// Shorter pauses would be work for nothing.
const PAUSE_MIN: Duration = Duration::from_millis(5);
/// Longer ones would tell clients late.
pub(super) const PAUSE_MAX: Duration = Duration::from_millis(100);
/// Threads that keys may hold for too long before there are no more substitutes.
pub(super) const SUBSTITUTES_MAX: usize = 32;
