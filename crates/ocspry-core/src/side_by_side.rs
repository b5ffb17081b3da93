//! Two parts of one work at once.
//!
//! From: whoever loads a long list, here and in the status sources.  Never on the way of a request.  A thread that is begun
//! has the priority of the one that begins it: what gives way to answers does so on two cores as on one.

use std::thread;

/// What `here` gives, when both are done.  `aside` has a thread of its own if that is worth it and there is one, and is done
/// first otherwise, or last.
pub fn side_by_side<T>(
    is_worth_a_thread: bool,
    mut aside: impl FnMut() + Send,
    here: impl FnOnce() -> T,
) -> T {
    if !is_worth_a_thread {
        aside();
        return here();
    }
    let thread = thread::Builder::new().name("list-aside".to_owned());
    on_a_thread(thread, aside, here)
}

fn on_a_thread<T>(
    thread: thread::Builder,
    mut aside: impl FnMut() + Send,
    here: impl FnOnce() -> T,
) -> T {
    let (is_begun, result) = thread::scope(|scope| {
        let thread = thread.spawn_scoped(scope, &mut aside);
        let result = here();
        let ended = thread.map(thread::ScopedJoinHandle::join);
        if let Ok(Err(panic)) = ended {
            std::panic::resume_unwind(panic);
        }
        (ended.is_ok(), result)
    });
    if !is_begun {
        aside();
    }
    result
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn both_parts_are_done_with_a_thread_and_without() {
        for is_worth_a_thread in [false, true] {
            let mut count = 0;
            let result = side_by_side(is_worth_a_thread, || count += 1, || 7);
            assert_eq!((count, result), (1, 7));
        }
    }

    #[test]
    fn they_go_on_at_the_same_time_where_that_is_worth_a_thread() {
        let (to_aside, from_here) = channel();
        let (to_here, from_aside) = channel();
        let result = side_by_side(
            true,
            move || {
                let number: u32 = from_here.recv().unwrap_or_default();
                let _ = to_here.send(number + 1);
            },
            || {
                let _ = to_aside.send(7);
                from_aside.recv().unwrap_or_default()
            },
        );
        assert_eq!(result, 8);
    }

    #[test]
    fn where_no_thread_can_be_begun_one_part_follows_the_other() {
        // No address space has so much.
        let thread = thread::Builder::new().stack_size(1 << 56);
        let mut count = 0;
        assert_eq!(on_a_thread(thread, || count += 1, || 7), 7);
        assert_eq!(count, 1);
    }

    #[test]
    fn a_panic_aside_is_one_here() {
        let all = || side_by_side(true, || panic!("aside"), || 7);
        assert!(catch_unwind(AssertUnwindSafe(all)).is_err());
    }
}
