//! The pool for slow keys: bounded, undisturbed by clients that leave, and done before it ends.

mod fixture;

use fixture::wait;
use ocspry_core::{SignError, Signer, SigningPool, SigningSpeed};
use ocspry_wire::x509::SignatureAlgorithm;
use std::future::Future;
use std::pin::pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

/// A slow key: says when it begins, and goes on when it is let.
struct GatedSigner {
    begun: Mutex<Sender<()>>,
    gate: Mutex<Receiver<()>>,
}

impl Signer for GatedSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RsaSha256
    }
    fn public_key_info(&self) -> &[u8] {
        &[]
    }
    fn speed(&self) -> SigningSpeed {
        SigningSpeed::Queued
    }
    fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
        self.begun
            .lock()
            .expect("not poisoned")
            .send(())
            .expect("the test listens");
        self.gate
            .lock()
            .expect("not poisoned")
            .recv()
            .expect("the test opens the gate");
        signature.extend_from_slice(message);
        Ok(())
    }
}

fn gated() -> (Arc<GatedSigner>, Receiver<()>, Sender<()>) {
    let (begun, has_begun) = channel();
    let (open, gate) = channel();
    (
        Arc::new(GatedSigner {
            begun: Mutex::new(begun),
            gate: Mutex::new(gate),
        }),
        has_begun,
        open,
    )
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_full_queue_refuses_at_once_and_the_waiting_ones_are_still_signed() {
    let pool = SigningPool::start(1, 1).expect("a thread");
    let (signer, has_begun, open) = gated();
    let mut first = pin!(pool.sign(signer.clone(), vec![1]));
    assert!(poll_once(first.as_mut()).is_pending());
    has_begun.recv().expect("the thread took the first");
    let mut second = pin!(pool.sign(signer.clone(), vec![2]));
    assert!(poll_once(second.as_mut()).is_pending(), "one may wait");
    let refused = wait(pool.sign(signer.clone(), vec![3]));
    assert!(matches!(refused, Err(SignError::QueueFull)), "{refused:?}");
    open.send(()).expect("open");
    open.send(()).expect("open");
    assert_eq!(wait(first).expect("signed"), [1]);
    assert_eq!(wait(second).expect("signed"), [2]);
}

#[test]
fn a_client_that_leaves_does_not_cancel_its_signature_nor_hold_up_the_next() {
    let pool = SigningPool::start(1, 4).expect("a thread");
    let (signer, has_begun, open) = gated();
    {
        let mut left = pin!(pool.sign(signer.clone(), vec![1]));
        assert!(poll_once(left.as_mut()).is_pending());
    }
    has_begun
        .recv()
        .expect("the signature of the one who left is under way");
    open.send(()).expect("open");
    open.send(()).expect("open");
    assert_eq!(wait(pool.sign(signer, vec![2])).expect("signed"), [2]);
}

#[test]
fn a_key_whose_code_panics_fails_one_signature_only() {
    struct Panics;
    impl Signer for Panics {
        fn algorithm(&self) -> SignatureAlgorithm {
            SignatureAlgorithm::RsaSha256
        }
        fn public_key_info(&self) -> &[u8] {
            &[]
        }
        fn speed(&self) -> SigningSpeed {
            SigningSpeed::Queued
        }
        fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
            assert_ne!(message, [0], "as a vendor's module might");
            signature.push(9);
            Ok(())
        }
    }
    let pool = SigningPool::start(1, 4).expect("a thread");
    let signer = Arc::new(Panics);
    let failed = wait(pool.sign(signer.clone(), vec![0]));
    assert!(matches!(failed, Err(SignError::Failed(_))), "{failed:?}");
    assert_eq!(
        wait(pool.sign(signer, vec![1])).expect("the thread lives"),
        [9]
    );
}
