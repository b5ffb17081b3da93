//! How long one signature takes, as a moving average.  From: whoever has made one.  To: the bounds of those that wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A moving average of durations that any thread reads.
#[derive(Debug)]
pub(crate) struct Pace {
    nanoseconds: AtomicU64,
}

impl Pace {
    /// As if it had always taken `first`.
    pub(crate) fn new(first: Duration) -> Pace {
        Pace {
            nanoseconds: AtomicU64::new(whole(first)),
        }
    }

    /// It took so long this time.  Two that come at the same moment may count as one.
    pub(crate) fn note(&self, elapsed: Duration) {
        let before = self.nanoseconds.load(Ordering::Relaxed);
        let after = (before / SHARE * (SHARE - 1)).saturating_add(whole(elapsed) / SHARE);
        self.nanoseconds.store(after.max(1), Ordering::Relaxed);
    }

    /// The average; never zero.
    pub(crate) fn average(&self) -> Duration {
        Duration::from_nanos(self.nanoseconds.load(Ordering::Relaxed))
    }
}

fn whole(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos())
        .unwrap_or(u64::MAX)
        .max(1)
}

/// The newest counts for one in so many: what a key does now is known after some dozen signatures.
const SHARE: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_what_is_measured() {
        let pace = Pace::new(Duration::from_millis(1));
        for _ in 0..60 {
            pace.note(Duration::from_millis(200));
        }
        assert!(pace.average() > Duration::from_millis(190));
        for _ in 0..120 {
            pace.note(Duration::ZERO);
        }
        let average = pace.average();
        assert!(average > Duration::ZERO && average < Duration::from_millis(1));
    }
}
