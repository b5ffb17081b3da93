//! The only place that asks what time it is.  To: the edges, which pass `now` on.
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
        Time::from_unix(since_epoch.map_or(0, |elapsed| {
            i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX)
        }))
    }
}
