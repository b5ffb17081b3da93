//! Loads a list beside a busy responder: at idle priority, so that answers come first, until the news would get old.
//!
//! From: `feed`, on the control thread.  To: `load`, step by step.  A thread of idle priority runs only when nobody else
//! wants the processor; it cannot raise itself again without a privilege, so it hands the half-done work back, and the
//! control thread, which never lowered itself, ends it (design.md §8).

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
            beside(bytes, patience(bytes, seconds_left), || {
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
        at_idle_priority(&work, patience)?;
    }
    let mut step = work.into_inner().unwrap_or_else(PoisonError::into_inner);
    while step()? {}
    Ok(())
}

fn at_idle_priority<Step>(work: &Mutex<Step>, patience: Duration) -> Result<(), SourceError>
where
    Step: FnMut() -> Result<bool, SourceError> + Send,
{
    let rise = AtomicBool::new(false);
    let (done, is_done) = sync_channel(1);
    thread::scope(|scope| {
        let idle = thread::Builder::new().name("list-load".to_owned());
        let worker = idle.spawn_scoped(scope, || {
            lower_this_thread();
            let mut step = work.lock().unwrap_or_else(PoisonError::into_inner);
            let mut goes_on = Ok(true);
            while matches!(goes_on, Ok(true)) && !rise.load(Ordering::Relaxed) {
                goes_on = step();
            }
            // Nobody waits any more: then it was asked to stop.
            let _ = done.send(());
            goes_on.map(|_| ())
        });
        // Without a thread all is left to the caller.
        let Ok(worker) = worker else {
            return Ok(());
        };
        if is_done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            rise.store(true, Ordering::Relaxed);
        }
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
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
fn patience(file_bytes: u64, seconds_left: i64) -> Duration {
    let quiet = Duration::from_nanos(file_bytes.saturating_mul(QUIET_NANOSECONDS_PER_BYTE));
    let left = Duration::from_secs(u64::try_from(seconds_left).unwrap_or(0));
    (quiet * 10).max(PATIENCE_MIN).min(left / 5)
}

/// Smaller lists are loaded in the time that an answer takes, or little more.
const SMALL_BYTES: u64 = 256 << 10;

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
        assert_eq!(patience(460_000_000, hour), Duration::from_millis(9200));
        assert_eq!(patience(1_000_000, hour), PATIENCE_MIN);
        assert_eq!(patience(460_000_000, 10), Duration::from_secs(2));
        assert_eq!(
            patience(460_000_000, -5),
            Duration::ZERO,
            "the news is old already"
        );
    }
}
