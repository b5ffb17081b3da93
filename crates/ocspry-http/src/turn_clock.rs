//! The wall time of a worker, read once for each turn of its loop.  From: `server`.  To: `ocsp`, with each request.
//!
//! A turn is what happens between two waits for the kernel: some microseconds for each client that had sent something.  An
//! answer lives whole seconds, so the time at which the turn began will do.  tokio tells when it has waited; a worker that never
//! has to wait reads the clock again after so many uses, and after each sweep, a few times a second.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ocspry_core::Clock;
use ocspry_wire::Time;

/// One worker's clock.
pub(crate) struct TurnClock {
    clock: Arc<dyn Clock>,
    turn: Turn,
    now: Cell<Time>,
    uses_left: Cell<u32>,
}

/// Whether a turn has begun since the clock was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turn(Arc<AtomicBool>);

impl Turn {
    /// The worker has waited: what it knows of the time is old.
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl TurnClock {
    /// Read by `clock`, whenever `turn` has begun.
    pub(crate) fn new(clock: Arc<dyn Clock>, turn: Turn) -> TurnClock {
        let now = Cell::new(clock.now());
        TurnClock {
            clock,
            turn,
            now,
            uses_left: Cell::new(0),
        }
    }

    /// What is known of the time is old, which tokio does not tell: the worker has not waited.
    pub(crate) fn begin_turn(&self) {
        self.turn.begin();
    }

    /// The wall time.
    pub(crate) fn now(&self) -> Time {
        let uses_left = self.uses_left.get();
        if uses_left > 0 && !self.turn.0.load(Ordering::Relaxed) {
            self.uses_left.set(uses_left - 1);
            return self.now.get();
        }
        self.turn.0.store(false, Ordering::Relaxed);
        self.uses_left.set(USES_MAX);
        self.now.set(self.clock.now());
        self.now.get()
    }
}

/// Requests ask for the time twice: about as many of them as tokio serves in one turn.
const USES_MAX: u32 = 128;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicI64;

    struct Counted(AtomicI64);

    impl Clock for Counted {
        fn now(&self) -> Time {
            Time::from_unix(self.0.fetch_add(1, Ordering::Relaxed))
        }
    }

    #[test]
    fn the_clock_is_read_once_a_turn_and_again_in_one_that_does_not_end() {
        let turn = Turn::default();
        let clock = TurnClock::new(Arc::new(Counted(AtomicI64::new(0))), turn.clone());
        let at = |seconds| Time::from_unix(seconds);
        for _ in 0..=USES_MAX {
            assert_eq!(clock.now(), at(1));
        }
        assert_eq!(clock.now(), at(2));
        assert_eq!(clock.now(), at(2));
        turn.begin();
        assert_eq!(clock.now(), at(3));
        assert_eq!(clock.now(), at(3));
    }
}
