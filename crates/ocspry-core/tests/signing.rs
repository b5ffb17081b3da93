//! The pool for slow keys: bounded, undisturbed by clients that leave, and alive after a key's code panicked.

mod fixture;

use fixture::{poll_once, wait};
use ocspry_core::{SignError, SigningPool};
use std::pin::pin;
use std::sync::mpsc::channel;

#[test]
fn a_full_queue_refuses_at_once_and_the_waiting_ones_are_still_signed() {
    let pool = SigningPool::start(1, 1).expect("a thread");
    let (begun, has_begun) = channel();
    let (open, gate) = channel::<()>();
    let mut first = pin!(pool.run(move || {
        begun.send(()).expect("the test listens");
        gate.recv().expect("the test opens the gate");
        1
    }));
    assert!(poll_once(first.as_mut()).is_pending());
    has_begun.recv().expect("the thread took the first");
    let mut second = pin!(pool.run(|| 2));
    assert!(poll_once(second.as_mut()).is_pending(), "one may wait");
    let refused = wait(pool.run(|| 3));
    assert!(matches!(refused, Err(SignError::QueueFull)), "{refused:?}");
    open.send(()).expect("open");
    assert_eq!(wait(first).expect("signed"), 1);
    assert_eq!(wait(second).expect("signed"), 2);
}

#[test]
fn a_client_that_leaves_does_not_cancel_its_signature() {
    let pool = SigningPool::start(1, 4).expect("a thread");
    let (done, is_done) = channel();
    {
        let mut left = pin!(pool.run(move || done.send(()).expect("the test listens")));
        assert!(poll_once(left.as_mut()).is_pending());
    }
    is_done.recv().expect("it was signed though nobody waits");
}

#[test]
fn a_key_whose_code_panics_fails_one_signature_only() {
    let pool = SigningPool::start(1, 4).expect("a thread");
    let failed = wait(pool.run(|| -> u8 { panic!("as a vendor's module might") }));
    assert!(matches!(failed, Err(SignError::Failed(_))), "{failed:?}");
    assert_eq!(wait(pool.run(|| 9)).expect("the thread lives"), 9);
}
