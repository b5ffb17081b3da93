//! When a list is fetched next.
//!
//! From: what the last download came to, and what the list says about its successor.  To: `worker`, which waits.  Three
//! wishes: news at once when it was announced (Microsoft's Next CRL Publish), several tries before a list runs out, and
//! never a crowd at one moment.  A try that brings nothing new costs the CA one small answer, so that the waits are short.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use ocspry_wire::Time;

use super::{FetchLimits, Judged};

/// The wait after a list was looked at and is in use, new or not.
///
/// - Announced for later (`next_publish`): then, up to a minute late.
/// - Announced, and overdue: after half of the time that it is overdue.
/// - Not announced: after half of the time until `next_update`, and so on, which gives many tries.
/// - Run out: after half of the time since then, so that an outage grows by half at the most.
///
/// Never sooner than after a minute, never later than `check_max`; overdue or run out, never later than `retry_max`.
pub(super) fn after_success(
    verdict: &Judged,
    limits: &FetchLimits,
    jitter: &mut Jitter,
) -> Duration {
    let until = |time: Option<Time>| time.map(|time| time.seconds_since(verdict.now));
    let (publish, end) = (until(verdict.next_publish), until(verdict.next_update));
    let announced = publish.filter(|publish| *publish > 0 && end.is_none_or(|end| *publish < end));
    if let Some(publish) = announced {
        let wait = seconds(publish) + jitter.up_to(SOONEST);
        return wait.min(limits.check_max).max(SOONEST);
    }
    let half_of = |overdue: i64| seconds(overdue / 2).min(limits.retry_max);
    let wait = match (publish, end) {
        (_, Some(end)) if end <= 0 => half_of(-end),
        (Some(publish), Some(end)) if publish <= 0 => half_of(-publish).min(seconds(end / 2)),
        (Some(publish), None) => half_of(-publish),
        (_, Some(end)) => seconds(end / 2),
        (None, None) => limits.check_max,
    };
    let wait = wait.min(limits.check_max);
    (wait - jitter.up_to(wait / 10)).max(SOONEST)
}

/// The wait after so many failures in a row (1 at least): doubled from `retry_min` to `retry_max`, spread over a fifth.
pub(super) fn after_failure(
    failure_count: u32,
    cost: FailureCost,
    next_update: Option<Time>,
    now: Time,
    limits: &FetchLimits,
    jitter: &mut Jitter,
) -> Duration {
    let doubled = 2u32.saturating_pow(failure_count.saturating_sub(1));
    let spread_below = limits.retry_max * 4 / 5;
    let mut wait = limits.retry_min.saturating_mul(doubled).min(spread_below);
    if cost == FailureCost::Small {
        // While there is no list that answers can be made from, nobody waits for an hour.
        let left = next_update.map_or(0, |end| end.seconds_since(now));
        let urgent = seconds(left / 2).max(URGENT).max(limits.retry_min);
        wait = wait.min(urgent);
    }
    wait + jitter.up_to(wait / 4)
}

/// What a failure costs those who provide the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureCost {
    /// No list came.
    Small,
    /// A list came, whole, and was not used.
    Download,
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

/// The rhythm of looks at a list that is about to run out.
const SOONEST: Duration = Duration::from_secs(60);
/// The longest wait after a failure while no list is in use, or the one in use has run out.
const URGENT: Duration = Duration::from_secs(300);

/// Spreads what would otherwise happen at the same moment everywhere.  Not for secrets.
#[derive(Clone, Debug)]
pub(super) struct Jitter {
    state: u64,
}

impl Jitter {
    #[cfg(test)]
    pub(super) fn new(seed: u64) -> Jitter {
        Jitter { state: seed }
    }

    /// Other than that of every other process.
    pub(super) fn random() -> Jitter {
        Jitter {
            // The standard library keys each with octets from the system.
            state: RandomState::new().build_hasher().finish(),
        }
    }

    /// Between nothing and all of it.
    pub(super) fn up_to(&mut self, most: Duration) -> Duration {
        // splitmix64
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let part = (mixed >> 32) as f64 / f64::from(u32::MAX);
        most.mul_f64(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 3600;
    const NOW: Time = Time::from_unix(1_800_000_000);
    const LIMITS: FetchLimits = FetchLimits::DEFAULT;

    /// The shortest and the longest wait of many seeds, in seconds; a list that says so many seconds from now.
    fn waits(publish: Option<i64>, end: Option<i64>) -> (u64, u64) {
        let verdict = Judged {
            used: true,
            next_update: end.map(|end| NOW.plus_seconds(end)),
            next_publish: publish.map(|publish| NOW.plus_seconds(publish)),
            now: NOW,
        };
        spread(|jitter| after_success(&verdict, &LIMITS, jitter))
    }

    fn spread(wait: impl Fn(&mut Jitter) -> Duration) -> (u64, u64) {
        let all: Vec<u64> = (0..2000)
            .map(|seed| wait(&mut Jitter::new(seed)).as_secs())
            .collect();
        (*all.iter().min().unwrap(), *all.iter().max().unwrap())
    }

    #[test]
    fn an_announced_list_is_fetched_within_a_minute_of_its_announcement() {
        assert_eq!(waits(Some(HOUR), Some(2 * HOUR)), (3600, 3659));
        assert_eq!(waits(Some(HOUR), None), (3600, 3659));
        assert_eq!(waits(Some(1), Some(2 * HOUR)), (60, 60));
    }

    #[test]
    fn news_is_never_older_than_four_hours() {
        let day = 24 * HOUR;
        assert_eq!(waits(Some(day), Some(2 * day)), (14_400, 14_400));
        for (publish, end) in [
            (None, None),
            (None, Some(7 * day)),
            (Some(8 * day), Some(7 * day)),
        ] {
            let (shortest, longest) = waits(publish, end);
            assert!(
                shortest >= 12_960 && longest <= 14_400,
                "{shortest}..{longest}"
            );
        }
    }

    #[test]
    fn a_list_that_is_about_to_run_out_is_looked_at_ever_more_often_but_once_a_minute_at_the_most()
    {
        for left in [7 * HOUR, 2 * HOUR, 10 * MINUTE] {
            let (shortest, longest) = waits(None, Some(left));
            let half = u64::try_from(left / 2).unwrap();
            assert!(
                shortest >= half * 9 / 10 - 1 && longest <= half,
                "{left}: {shortest}..{longest}"
            );
        }
        for left in [2 * MINUTE, 30, 1, 0, -1, -2 * MINUTE] {
            assert_eq!(waits(None, Some(left)), (60, 60), "{left}");
        }
        // From eight hours before the end on, there are many tries.
        let (mut left, mut tries) = (8 * HOUR, 0);
        while left > 0 {
            left -= i64::try_from(waits(None, Some(left)).1).unwrap();
            tries += 1;
        }
        assert!((8..=16).contains(&tries), "{tries}");
    }

    #[test]
    fn a_list_that_is_overdue_is_looked_at_in_proportion_and_hourly_at_last() {
        for end in [None, Some(24 * HOUR)] {
            assert_eq!(waits(Some(-MINUTE), end), (60, 60));
            let (shortest, longest) = waits(Some(-20 * MINUTE), end);
            assert!(shortest >= 540 && longest <= 600, "{shortest}..{longest}");
            let (shortest, longest) = waits(Some(-24 * HOUR), end);
            assert!(shortest >= 3240 && longest <= 3600, "{shortest}..{longest}");
        }
        // Its end counts more than how long it has been overdue.
        let (_, longest) = waits(Some(-24 * HOUR), Some(10 * MINUTE));
        assert!(longest <= 300, "{longest}");
        // A list that has run out: half of the time since then.
        let (shortest, longest) = waits(Some(-2 * HOUR), Some(-20 * MINUTE));
        assert!(shortest >= 540 && longest <= 600, "{shortest}..{longest}");
        assert!(waits(None, Some(-1000 * HOUR)).1 <= 3600);
    }

    fn retries(count: u32, cost: FailureCost, left: Option<i64>) -> (u64, u64) {
        let end = left.map(|left| NOW.plus_seconds(left));
        spread(|jitter| after_failure(count, cost, end, NOW, &LIMITS, jitter))
    }

    #[test]
    fn failures_double_the_wait_from_half_a_minute_to_an_hour() {
        let week = Some(7 * 24 * HOUR);
        for cost in [FailureCost::Small, FailureCost::Download] {
            for (count, low, high) in [(1, 30, 37), (2, 60, 75), (5, 480, 600), (8, 2880, 3600)] {
                let (shortest, longest) = retries(count, cost, week);
                assert!(
                    shortest >= low && longest <= high,
                    "{count}: {shortest}..{longest}"
                );
            }
            assert_eq!(retries(8, cost, week), retries(u32::MAX, cost, week));
        }
    }

    #[test]
    fn without_a_list_to_answer_from_the_wait_stays_short_unless_whole_lists_come_for_nothing() {
        for left in [None, Some(-HOUR), Some(0), Some(MINUTE)] {
            let (shortest, longest) = retries(20, FailureCost::Small, left);
            assert!(
                shortest >= 300 && longest <= 375,
                "{left:?}: {shortest}..{longest}"
            );
            assert!(retries(20, FailureCost::Download, left).0 >= 2880);
        }
        // There is a try before the end.
        assert!(retries(20, FailureCost::Small, Some(HOUR)).1 < 3600);
    }

    #[test]
    fn one_seed_gives_one_sequence_and_another_seed_another() {
        let draw = |seed| {
            let mut jitter = Jitter::new(seed);
            [(); 4].map(|()| jitter.up_to(Duration::from_secs(1)))
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_ne!(Jitter::random().state, Jitter::random().state);
    }
}
