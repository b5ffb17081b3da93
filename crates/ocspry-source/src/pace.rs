//! Loads a list beside a busy responder: at idle priority, so that answers come first, until the news would get old.
//!
//! From: `feed` and `beside`, on the control thread.  To: `load`, step by step, and to `issued`.  A thread of idle priority runs only when nobody else
//! wants the processor; it cannot raise itself again without a privilege, so it hands the half-done work back, and the
//! control thread, which never lowered itself, ends it (design.md §8); what cannot be handed over is begun anew there.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use ocspry_wire::Time;
use thread_priority::{
    NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
    set_thread_priority_and_policy, thread_native_id,
};

use crate::SourceError;
use crate::list::LoadedList;
use crate::load::{ListLoad, Progress};

/// How urgent a list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Nothing is in use yet: as fast as can be.
    AtOnce,
    /// A list is in use, and its time is over in so many seconds.
    Beside { seconds_left: i64 },
}

/// Loads the list; where somebody waits for it, `show` is told how far it is.
///
/// # Errors
/// Those of [`ListLoad::step`] and [`ListLoad::finish`].
pub(crate) fn load(
    mut load: ListLoad,
    pace: Pace,
    now: Time,
    show: impl Fn(Progress),
) -> Result<LoadedList, SourceError> {
    match pace {
        Pace::AtOnce => loop {
            let progress = load.step()?;
            show(progress);
            if progress == Progress::Done {
                break;
            }
        },
        Pace::Beside { seconds_left } => {
            let bytes = load.file_bytes();
            let quiet_time = Duration::from_nanos(bytes.saturating_mul(QUIET_NANOSECONDS_PER_BYTE));
            beside(bytes, patience(quiet_time, seconds_left), || {
                Ok(load.step()? != Progress::Done)
            })?;
        }
    }
    load.finish(now)
}

/// Does work that goes on while `step` says so: at idle priority as far as it comes within `patience`, and the rest at the
/// caller's.  Less than some octets are not worth a thread.
///
/// # Errors
/// The first of a step.
pub(crate) fn beside<Step>(bytes: u64, patience: Duration, step: Step) -> Result<(), SourceError>
where
    Step: FnMut() -> Result<bool, SourceError> + Send,
{
    let work = Mutex::new(step);
    if bytes >= SMALL_BYTES {
        let part = at_idle_priority(patience, |goes_on| {
            let mut step = work.lock().unwrap_or_else(PoisonError::into_inner);
            while goes_on() && step()? {}
            Ok(())
        });
        // Without a thread all is left to the caller.
        part.map_or(Ok(()), |part| part.result)?;
    }
    let mut step = work.into_inner().unwrap_or_else(PoisonError::into_inner);
    while step()? {}
    Ok(())
}

/// Does work that nobody else can go on with: at idle priority if that comes to its end in time, else it is ended there and
/// done from its beginning at the caller's.  `work` asks its argument every few milliseconds, and ends with any error when
/// that says no.
///
/// # Errors
/// Those of the work, but for the one with which it was ended.
pub(crate) fn beside_or_anew<T: Send>(
    quiet_time: Duration,
    seconds_left: i64,
    work: impl Fn(&dyn Fn() -> bool) -> Result<T, SourceError> + Sync,
) -> Result<T, SourceError> {
    if quiet_time >= SHORT {
        let whole = at_idle_priority(patience(quiet_time, seconds_left), &work);
        if let Some(whole) = whole
            && (whole.result.is_ok() || !whole.was_ended)
        {
            return whole.result;
        }
    }
    work(&|| true)
}

/// What came of work at idle priority.
struct Aside<T> {
    result: T,
    /// It was asked to end, since it took too long.
    was_ended: bool,
}

/// Does work on a thread of idle priority; once `patience` is over, the question that it asks is answered with no.  None:
/// there was no thread.
fn at_idle_priority<T: Send>(
    patience: Duration,
    work: impl FnOnce(&dyn Fn() -> bool) -> T + Send,
) -> Option<Aside<T>> {
    let rise = AtomicBool::new(false);
    let (done, is_done) = sync_channel(1);
    thread::scope(|scope| {
        let idle = thread::Builder::new().name("list-load".to_owned());
        let worker = idle.spawn_scoped(scope, || {
            lower_this_thread();
            let result = work(&|| !rise.load(Ordering::Relaxed));
            // Nobody waits any more: then it was asked to end.
            let _ = done.send(());
            result
        });
        let worker = worker.ok()?;
        if is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            rise.store(true, Ordering::Relaxed);
        }
        let result = worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Some(Aside {
            result,
            was_ended: rise.load(Ordering::Relaxed),
        })
    })
}

/// Gives memory back, which takes a while for a large table; nobody waits for it.
pub(crate) fn free<T: Send + 'static>(things: Vec<T>) {
    if things.is_empty() {
        return;
    }
    let idle = thread::Builder::new().name("list-free".to_owned());
    // Without a thread they are freed here.
    let _ = idle.spawn(move || {
        lower_this_thread();
        drop(things);
    });
}

/// Only this thread.  Where the system refuses, the load is as it would be without.
fn lower_this_thread() {
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle);
}

/// Ten times what a quiet machine takes, but no more than a fifth of the time that is left to the list in use.
fn patience(quiet_time: Duration, seconds_left: i64) -> Duration {
    let left = Duration::from_secs(u64::try_from(seconds_left).unwrap_or(0));
    (quiet_time * 10).max(PATIENCE_MIN).min(left / 5)
}

/// Smaller lists are loaded in the time that an answer takes, or little more.
const SMALL_BYTES: u64 = 256 << 10;

/// The same, of what takes so long on a quiet machine.
const SHORT: Duration = Duration::from_millis(1);

/// Measured: 460 MB in about a second (bench/results).
const QUIET_NANOSECONDS_PER_BYTE: u64 = 2;

/// The first step alone may wait that long for its turn.
const PATIENCE_MIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_ten_times_the_quiet_time_and_a_fifth_of_what_is_left_at_most() {
        let hour = 3600;
        let quiet_time = Duration::from_millis(920);
        assert_eq!(patience(quiet_time, hour), Duration::from_millis(9200));
        assert_eq!(patience(SHORT, hour), PATIENCE_MIN);
        assert_eq!(patience(quiet_time, 10), Duration::from_secs(2));
        assert_eq!(
            patience(quiet_time, -5),
            Duration::ZERO,
            "the news is old already"
        );
    }

    /// What was done, on which thread and to which end.
    fn done(seconds_left: i64, quiet_time: Duration, waits_for_the_end: bool) -> Vec<(bool, bool)> {
        let (here, runs) = (thread::current().id(), Mutex::new(Vec::new()));
        let found = beside_or_anew(quiet_time, seconds_left, |goes_on| {
            let is_aside = thread::current().id() != here;
            while is_aside && waits_for_the_end && goes_on() {
                thread::yield_now();
            }
            let is_ended = !goes_on();
            runs.lock().unwrap().push((is_aside, is_ended));
            match is_ended {
                true => Err(SourceError::Empty {
                    path: "list".into(),
                }),
                false => Ok(()),
            }
        });
        assert!(found.is_ok(), "{found:?}");
        runs.into_inner().unwrap()
    }

    #[test]
    fn what_does_not_come_to_its_end_in_time_is_done_from_its_beginning_at_the_callers_priority() {
        let (aside, here) = ((true, false), (false, false));
        assert_eq!(done(3600, SHORT, false), [aside], "in time");
        assert_eq!(done(0, SHORT, true), [(true, true), here], "too late");
        assert_eq!(done(3600, Duration::ZERO, false), [here], "too short");
    }

    #[test]
    fn an_error_of_the_work_itself_is_the_answer() {
        let runs = AtomicBool::new(false);
        let found: Result<(), _> = beside_or_anew(SHORT, 3600, |_| {
            assert!(!runs.swap(true, Ordering::Relaxed), "once");
            Err(SourceError::Empty {
                path: "list".into(),
            })
        });
        assert!(matches!(found, Err(SourceError::Empty { .. })));
    }
}
