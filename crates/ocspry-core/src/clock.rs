//! The only place that asks what time it is.  To: the edges, which pass `now` on.
use std::time::Duration;

use ocspry_wire::Time;

/// Wall time for the edges; tests pass a fixed one.
pub trait Clock: Send + Sync {
    /// The wall time in whole seconds, truncated.
    fn now(&self) -> Time;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        whole_seconds(since_epoch.unwrap_or_default())
    }
}

/// Cut down, never rounded up: a time that is rounded up lies in the future for the fastest clients.
fn whole_seconds(since_epoch: Duration) -> Time {
    Time::from_unix(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tim_11_a_moment_between_two_seconds_is_the_earlier_one() {
        for nanoseconds in [0, 500_000_000, 999_999_999] {
            let moment = Duration::new(1_800_000_000, nanoseconds);
            assert_eq!(whole_seconds(moment), Time::from_unix(1_800_000_000));
        }
    }
}
