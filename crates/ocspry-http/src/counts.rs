//! What happened, counted per worker and summed when asked: no request writes where another worker writes.
//!
//! From: `server`, `connection` and `ocsp`.  To: whoever asks the server (metrics, tests).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What happened since the start, summed over the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerCounts {
    /// Connections open now.
    pub connections_open: u64,
    /// Connections accepted and served.
    pub connections_total: u64,
    /// Connections closed at once because a cap was reached.
    pub connections_refused_total: u64,
    /// Connections closed because a deadline passed.
    pub connections_expired_total: u64,
    /// Connections dropped because of a panic.
    pub panics_total: u64,
    /// Times `accept` failed.
    pub accept_errors_total: u64,
    /// HTTP requests answered.
    pub requests_total: u64,
}

impl ServerCounts {
    /// The sum over all workers.
    pub(crate) fn sum(connections_open: usize, workers: &[Arc<WorkerCounts>]) -> ServerCounts {
        let sum = |count: fn(&WorkerCounts) -> &AtomicU64| {
            workers
                .iter()
                .map(|worker| count(worker).load(Ordering::Relaxed))
                .sum()
        };
        ServerCounts {
            connections_open: u64::try_from(connections_open).unwrap_or(u64::MAX),
            connections_total: sum(|worker| &worker.connections),
            connections_refused_total: sum(|worker| &worker.connections_refused),
            connections_expired_total: sum(|worker| &worker.connections_expired),
            panics_total: sum(|worker| &worker.panics),
            accept_errors_total: sum(|worker| &worker.accept_errors),
            requests_total: sum(|worker| &worker.requests),
        }
    }
}

/// The counts of one worker; only its own thread adds.
#[derive(Debug, Default)]
pub(crate) struct WorkerCounts {
    connections: AtomicU64,
    connections_refused: AtomicU64,
    connections_expired: AtomicU64,
    panics: AtomicU64,
    accept_errors: AtomicU64,
    requests: AtomicU64,
}

impl WorkerCounts {
    /// A connection is served.
    pub(crate) fn connection_accepted(&self) {
        add_one(&self.connections);
    }

    /// A connection was over a cap.
    pub(crate) fn connection_refused(&self) {
        add_one(&self.connections_refused);
    }

    /// A connection took too long.
    pub(crate) fn connection_expired(&self) {
        add_one(&self.connections_expired);
    }

    /// A request panicked.
    pub(crate) fn panicked(&self) {
        add_one(&self.panics);
    }

    /// accept(2) failed.
    pub(crate) fn accept_failed(&self) {
        add_one(&self.accept_errors);
    }

    /// A request was answered.
    pub(crate) fn request_answered(&self) {
        add_one(&self.requests);
    }
}

/// One thread adds, so a load and a store are enough.
fn add_one(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}
