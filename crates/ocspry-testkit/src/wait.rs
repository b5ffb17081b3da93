//! Waiting for what another process does: look, look again, and give up with a reason.  From: tests and the other modules
//! here.  One loop for all of them, so that every wait is bounded.

use std::time::{Duration, Instant};

/// Time between two looks: it leaves the processor to the one that is waited for, and nothing depends on its length.
const PAUSE: Duration = Duration::from_millis(10);

/// Looks until something is seen; None when nothing was within `wait_max`.
pub fn wait_for_some<T>(wait_max: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + wait_max;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() >= deadline {
            return None;
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// Looks until `is_so`; panics with `what` when it does not become so within `wait_max`.
pub fn wait_until(what: &str, wait_max: Duration, mut is_so: impl FnMut() -> bool) {
    if wait_for_some(wait_max, || is_so().then_some(())).is_none() {
        panic!("not within {wait_max:?}: {what}");
    }
}
