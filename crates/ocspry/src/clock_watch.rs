//! Is the clock right?  From: the wall clock and the clock that nobody can set, read together at every look.  To: the
//! issuers, which must not sign with a clock far behind answers that were made (design.md, rule 14), and to the log.
//!
//! The wall clock may be set, by hand or by a time service; the time since boot only runs, through sleep too.  A
//! difference between two looks is a step.  A step back is caught by what is known to have passed: lists, and the last
//! producedAt, which is kept across a restart.  A step forward may be a mistake that is corrected an hour later:
//! producedAt from then on is no measure for others until a list confirms that so much time has passed.

use std::collections::HashMap;
use std::time::Duration;

use ocspry_core::{CLOCK_BEHIND_SECONDS_MAX, Clock, Issuer};
use ocspry_source::StateDirectory;
use ocspry_wire::Time;
use rustix::time::{ClockId, clock_gettime};
use tracing::{info, warn};

use crate::assemble::RunningIssuer;
use crate::time_text::utc;

/// At least so often the clocks are compared.
pub(crate) const CLOCK_INTERVAL: Duration = Duration::from_secs(60);
/// More than this between two looks is a step; time services that slew stay far below.
const STEP_SECONDS_MAX: i64 = 5;
/// producedAt is written to the state directory once in this time.
const KEEP_INTERVAL: Duration = Duration::from_secs(60);

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    /// The time of day.
    pub(crate) wall: Time,
    /// The time since boot, sleep included.
    pub(crate) since_boot: Duration,
}

impl Reading {
    /// Now.
    pub(crate) fn take(clock: &dyn Clock) -> Reading {
        #[cfg(target_os = "linux")]
        const STEADY: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const STEADY: ClockId = ClockId::Monotonic;
        let since_boot = clock_gettime(STEADY);
        let seconds = u64::try_from(since_boot.tv_sec).unwrap_or(0);
        let nanoseconds = u32::try_from(since_boot.tv_nsec).unwrap_or(0);
        Reading {
            wall: clock.now(),
            since_boot: Duration::new(seconds, nanoseconds),
        }
    }
}

/// Follows the clocks.
pub(crate) struct ClockWatch {
    last: Reading,
    /// How far the wall clock was set forward, all in all, since it was believed; negative: back.
    ahead_seconds: i64,
    /// Where it stood after the last step.
    stepped_to: Time,
    /// By issuer identity.
    kept: HashMap<String, Kept>,
}

/// What the state directory was told about an issuer.
#[derive(Debug, Default)]
struct Kept {
    /// The producedAt that lies there.
    produced_at: Option<Time>,
    /// The last try, since boot.
    tried: Option<Duration>,
    /// It failed, and that was said.
    has_failed: bool,
}

impl ClockWatch {
    /// From here on; what the clock says now is believed.
    pub(crate) fn new(reading: Reading) -> ClockWatch {
        ClockWatch {
            last: reading,
            ahead_seconds: 0,
            stepped_to: reading.wall,
            kept: HashMap::new(),
        }
    }

    /// What was kept of this issuer is kept no more.
    pub(crate) fn forget(&mut self, identity: &str) {
        self.kept.remove(identity);
    }

    /// One look: says if the clock was set, has cached answers checked again then, and takes note of how late answers
    /// were made.  Returns whether the clock was set.
    pub(crate) fn look(
        &mut self,
        reading: Reading,
        issuers: &[RunningIssuer],
        state: Option<&StateDirectory>,
    ) -> bool {
        let step = self.step(reading);
        if let Some(seconds) = step {
            let direction = if seconds > 0 { "forward" } else { "back" };
            warn!(
                "the clock was set {direction} by {} s, to {}: cached answers are checked again",
                seconds.abs(),
                utc(reading.wall),
            );
            for running in issuers {
                running.issuer.check_cached_again();
            }
        }
        // What is read from a ledger is as new as this very clock says.
        let by_lists = |running: &&RunningIssuer| running.config.name_in_ledger().is_none();
        let lists = issuers.iter().filter(by_lists);
        let lists = lists.filter_map(|running| running.issuer.table());
        let newest = lists.map(|list| list.window().this_update).max();
        if newest.is_some_and(|this_update| self.confirm(this_update)) {
            info!("a newer list confirms the time to which the clock was set");
        }
        for running in issuers {
            self.note(&running.issuer, state, reading, false);
        }
        step.is_some()
    }

    /// The last look: what is not in the state directory yet is written.
    pub(crate) fn end(
        &mut self,
        reading: Reading,
        issuers: &[RunningIssuer],
        state: Option<&StateDirectory>,
    ) {
        self.look(reading, issuers, state);
        for running in issuers {
            self.note(&running.issuer, state, reading, true);
        }
    }

    /// By how many seconds the clock was set since the last look; None where it was not.
    fn step(&mut self, reading: Reading) -> Option<i64> {
        let passed = reading.since_boot.saturating_sub(self.last.since_boot);
        let passed = i64::try_from(passed.as_secs()).unwrap_or(i64::MAX);
        let step = reading.wall.seconds_since(self.last.wall) - passed;
        self.last = reading;
        if step.abs() <= STEP_SECONDS_MAX {
            return None;
        }
        self.ahead_seconds += step;
        self.stepped_to = reading.wall;
        Some(step)
    }

    /// Is a list of this thisUpdate news that confirms what the clock was set to?
    fn confirm(&mut self, this_update: Time) -> bool {
        let is_in_doubt = self.ahead_seconds > CLOCK_BEHIND_SECONDS_MAX;
        let confirms =
            is_in_doubt && this_update >= self.stepped_to.plus_seconds(-CLOCK_BEHIND_SECONDS_MAX);
        if confirms {
            self.ahead_seconds = 0;
        }
        confirms
    }

    /// Has so much time passed, as far as anybody but the wall clock says?
    fn believes(&self, produced_at: Time, reading: Reading) -> bool {
        let course = reading.wall.plus_seconds(-self.ahead_seconds);
        produced_at <= course.plus_seconds(CLOCK_BEHIND_SECONDS_MAX)
    }

    fn note(
        &mut self,
        issuer: &Issuer,
        state: Option<&StateDirectory>,
        reading: Reading,
        is_last: bool,
    ) {
        let Some(produced_at) = issuer.produced_last() else {
            return;
        };
        if !self.believes(produced_at, reading) {
            return;
        }
        issuer.note_time_passed(produced_at);
        let Some(state) = state else {
            return;
        };
        let kept = self.kept.entry(issuer.identity().to_owned()).or_default();
        let waits = |tried| reading.since_boot.saturating_sub(tried) < KEEP_INTERVAL;
        if kept.produced_at >= Some(produced_at) || (kept.tried.is_some_and(waits) && !is_last) {
            return;
        }
        kept.tried = Some(reading.since_boot);
        match state.keep_produced_at(issuer.identity(), produced_at) {
            Ok(()) => {
                kept.produced_at = Some(produced_at);
                kept.has_failed = false;
            }
            Err(error) => {
                if !kept.has_failed {
                    warn!(
                        issuer = issuer.name(),
                        "the time of the last answers cannot be kept ({}): after a restart a clock that was set back may not be noticed",
                        error.what_failed()
                    );
                }
                kept.has_failed = true;
            }
        }
    }
}

/// Tells an issuer that is about to begin when its last answers were made.
pub(crate) fn remember(state: &StateDirectory, issuer: &Issuer) {
    match state.produced_at(issuer.identity()) {
        Ok(Some(produced_at)) => issuer.note_time_passed(produced_at),
        Ok(None) => {}
        // The marks of its lists are another guard, and an issuer that does not answer is no better.
        Err(error) => warn!(
            issuer = issuer.name(),
            "{error}; a clock that was set back to before the last answers is not noticed"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_unix(1_800_000_000);

    /// So many seconds after the start by the steady clock, with the wall clock set by so many in all.
    fn reading(seconds: u64, set: i64) -> Reading {
        let passed = i64::try_from(seconds).unwrap();
        Reading {
            wall: START.plus_seconds(passed + set),
            since_boot: Duration::from_secs(1_000 + seconds),
        }
    }

    fn watch() -> ClockWatch {
        ClockWatch::new(reading(0, 0))
    }

    #[test]
    fn a_step_is_more_than_five_seconds_either_way_and_is_told_once() {
        let mut watch = watch();
        assert_eq!(watch.step(reading(60, 0)), None);
        assert_eq!(watch.step(reading(120, 5)), None, "no step");
        assert_eq!(watch.step(reading(180, 11)), Some(6));
        assert_eq!(watch.step(reading(240, 11)), None, "told already");
        assert_eq!(watch.step(reading(300, 5)), Some(-6));
        assert_eq!(watch.step(reading(300, -7_200)), Some(-7_205));
        // A night's sleep is no step: the time since boot runs on.
        assert_eq!(watch.step(reading(40_000, -7_200)), None);
    }

    #[test]
    fn produced_at_beyond_a_step_forward_is_no_measure_until_a_newer_list_confirms_it() {
        let mut watch = watch();
        let three_hours = 3 * 3_600;
        assert_eq!(watch.step(reading(60, three_hours)), Some(three_hours));
        let later = reading(600, three_hours);
        assert!(!watch.believes(later.wall, later));
        assert!(watch.believes(START.plus_seconds(900), later), "600 + 300");
        assert!(!watch.believes(START.plus_seconds(901), later));
        // The list in use is older than the step.
        assert!(!watch.confirm(START));
        assert!(!watch.confirm(START.plus_seconds(three_hours + 60 - 301)));
        assert!(!watch.believes(later.wall, later));
        assert!(watch.confirm(START.plus_seconds(three_hours + 60 - 300)));
        assert!(watch.believes(later.wall, later));
        assert!(!watch.confirm(later.wall), "nothing is in doubt any more");
    }

    #[test]
    fn a_mistake_that_is_corrected_leaves_no_doubt_and_what_was_made_in_between_does_not_count() {
        let mut watch = watch();
        watch.step(reading(60, 7_200));
        let mistaken = reading(90, 7_200).wall;
        watch.step(reading(120, 0));
        let now = reading(180, 0);
        assert_eq!(watch.step(now), None);
        assert!(watch.believes(now.wall, now));
        assert!(!watch.believes(mistaken, now));
    }

    #[test]
    fn a_step_forward_of_five_minutes_is_believed() {
        let mut watch = watch();
        watch.step(reading(60, 300));
        let now = reading(61, 300);
        assert!(watch.believes(now.wall, now));
        // Several of them are not.
        watch.step(reading(120, 310));
        let now = reading(121, 310);
        assert!(!watch.believes(now.wall, now));
    }
}
