//! Requests with their answers, for whoever prints or counts them.  From: `ocsp`, on the workers.  To: a thread of the
//! binary, and only where it asked for them: without a reader nothing is copied.
//!
//! A reader that falls behind holds up no client: what finds no room in the queue is counted instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use bytes::Bytes;
use ocspry_core::Answer;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// The octets of the request; none where a GET path held no whole one.
    pub request: Vec<u8>,
    /// The OCSPResponse; None: HTTP 503 went out in its place.
    pub response: Option<Bytes>,
}

/// The workers' end.
#[derive(Clone, Debug)]
pub struct ExchangeSender {
    sender: SyncSender<Exchange>,
    lost: Arc<AtomicU64>,
}

/// The reader's end.
#[derive(Debug)]
pub struct ExchangeReceiver {
    receiver: Receiver<Exchange>,
    lost: Arc<AtomicU64>,
}

/// A queue that holds `waiting_max` exchanges.
pub fn exchange_queue(waiting_max: usize) -> (ExchangeSender, ExchangeReceiver) {
    let (sender, receiver) = sync_channel(waiting_max);
    let lost = Arc::new(AtomicU64::new(0));
    let sender = ExchangeSender {
        sender,
        lost: Arc::clone(&lost),
    };
    (sender, ExchangeReceiver { receiver, lost })
}

impl ExchangeSender {
    /// Copies the request, shares the answer, and returns at once.
    pub(crate) fn send(&self, request: &[u8], answer: &Answer) {
        let response = match answer {
            Answer::Signed(signed) => Some(signed.der.clone()),
            Answer::Error(error) => Some(Bytes::from_static(error.der())),
            Answer::Unavailable => None,
        };
        let exchange = Exchange {
            request: request.to_vec(),
            response,
        };
        if self.sender.try_send(exchange).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl ExchangeReceiver {
    /// Waits for the next exchange; None: the server has ended.
    pub fn next(&self) -> Option<Exchange> {
        self.receiver.recv().ok()
    }

    /// How many found no room since this was asked last.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}
