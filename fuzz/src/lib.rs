//! What several fuzz targets stand on: a PKI that is the same in every run, requests made to measure, and a second
//! decoder beside ours.
//!
//! From: the octets that libFuzzer makes up.  To: the targets in `fuzz_targets/`, and `src/bin/agreement.rs`, which holds
//! the two decoders against each other on files.

pub mod ask;
pub mod differential;
pub mod pki;

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Runs a future that waits for nothing: with fast keys the first poll is the last.
pub fn poll_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("answer() waits for nothing but slow keys"),
    }
}
