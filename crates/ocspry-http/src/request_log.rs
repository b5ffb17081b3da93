//! One request in so many, for whoever wants to see what is asked.  From: `ocsp`, on the workers.  To: a thread of the
//! binary, and only where the operator asked for it: without a reader a request is not looked at.
//!
//! A reader that falls behind holds up no client: what finds no room in the queue is counted instead.

use std::cell::Cell;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use ocspry_wire::Time;

/// One request that was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// When its answer went out.
    pub time: Time,
    /// As in the metrics.
    pub method: &'static str,
    /// As in the metrics.
    pub outcome: &'static str,
    /// Of HTTP.
    pub status: u16,
    /// Octets of the response's body.
    pub body_bytes: u64,
    /// From its head to its answer.
    pub elapsed: Duration,
    /// Who asked, where that is wanted: the other end of the connection.
    pub peer: Option<IpAddr>,
}

/// Whether a record says who asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordedAddresses {
    /// It does not.
    None,
    /// The address of the connection's other end.
    Peer,
}

/// The workers' end.
#[derive(Clone, Debug)]
pub struct RequestLogSender {
    sender: SyncSender<RequestRecord>,
    every: NonZeroU64,
    addresses: RecordedAddresses,
    lost: Arc<AtomicU64>,
}

/// A queue that holds `waiting_max` records of each `every`th request of a worker; those that find no room are added to
/// `lost`.
pub fn request_log_queue(
    waiting_max: usize,
    every: NonZeroU64,
    addresses: RecordedAddresses,
    lost: Arc<AtomicU64>,
) -> (RequestLogSender, Receiver<RequestRecord>) {
    let (sender, receiver) = sync_channel(waiting_max);
    let sender = RequestLogSender {
        sender,
        every,
        addresses,
        lost,
    };
    (sender, receiver)
}

/// The sender with a worker's own count.
pub(crate) struct RequestSampler {
    log: RequestLogSender,
    left: Cell<u64>,
}

impl RequestSampler {
    pub(crate) fn new(log: RequestLogSender) -> RequestSampler {
        let left = Cell::new(log.every.get());
        RequestSampler { log, left }
    }

    /// Once for each request.
    pub(crate) fn is_turn(&self) -> bool {
        let left = self.left.get() - 1;
        match left {
            0 => self.left.set(self.log.every.get()),
            left => self.left.set(left),
        }
        left == 0
    }

    /// Returns at once.
    pub(crate) fn send(&self, record: RequestRecord, peer: IpAddr) {
        let peer = match self.log.addresses {
            RecordedAddresses::None => None,
            RecordedAddresses::Peer => Some(peer.to_canonical()),
        };
        if self
            .log
            .sender
            .try_send(RequestRecord { peer, ..record })
            .is_err()
        {
            self.log.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> RequestRecord {
        RequestRecord {
            time: Time::from_unix(0),
            method: "get",
            outcome: "good",
            status: 200,
            body_bytes: 1,
            elapsed: Duration::ZERO,
            peer: None,
        }
    }

    #[test]
    fn one_in_so_many_is_recorded_and_what_finds_no_room_is_counted() {
        let every = NonZeroU64::new(3).unwrap();
        let lost = Arc::<AtomicU64>::default();
        let (sender, receiver) =
            request_log_queue(2, every, RecordedAddresses::None, Arc::clone(&lost));
        let sampler = RequestSampler::new(sender);
        let peer = "192.0.2.1".parse().unwrap();
        for _ in 0..10 {
            if sampler.is_turn() {
                sampler.send(record(), peer);
            }
        }
        assert_eq!(lost.load(Ordering::Relaxed), 1);
        assert_eq!(
            receiver.try_iter().collect::<Vec<_>>(),
            [record(), record()]
        );
    }
}
