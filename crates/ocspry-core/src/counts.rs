//! What one worker's answers were made from, counted where it is known.  From: `responder`, once per request.  To: whoever
//! asks (metrics), by way of [`RecentAnswers`](crate::RecentAnswers), which each worker has one of.
//!
//! Outcomes are counted by the listener; what only the responder knows is counted here: what the request asked with, whether
//! the answer was there, and how the signature went.  One thread adds, any thread reads; sums are made by whoever reads.

use std::sync::atomic::{AtomicU64, Ordering};

use ocspry_wire::ocsp::{HashAlgorithm, OcspRequest};

use crate::{Excess, SignError, SigningClass};

/// A number that one thread writes and others read: no thread waits, and none fights for it.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds.  Only one thread may: a load and a store are enough then.
    pub fn add(&self, more: u64) {
        self.set(self.get().wrapping_add(more));
    }

    /// Replaces it.
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Signatures that were refused, by class and reason; any thread adds.
#[derive(Debug, Default)]
pub struct ExcessCounts([[AtomicU64; Excess::ALL.len()]; SigningClass::ALL.len()]);

impl ExcessCounts {
    /// Adds.
    pub(crate) fn add(&self, class: SigningClass, excess: Excess, more: u64) {
        self.0[class as usize][excess as usize].fetch_add(more, Ordering::Relaxed);
    }

    /// How many so far.
    pub fn get(&self, class: SigningClass, excess: Excess) -> u64 {
        self.0[class as usize][excess as usize].load(Ordering::Relaxed)
    }

    /// All of them, by class and reason.
    pub fn all(&self) -> [[u64; Excess::ALL.len()]; SigningClass::ALL.len()] {
        SigningClass::ALL.map(|class| Excess::ALL.map(|excess| self.get(class, excess)))
    }
}

/// The counts of one worker's answers.
#[derive(Debug, Default)]
pub struct AnswerCounts {
    /// Answers found by the exact octets of the request.
    pub hits_by_request: Count,
    /// Answers found by the CertID.
    pub hits_by_cert_id: Count,
    /// Answers that could have been there, and were not, or no longer current, or due for a newer one.
    pub misses: Count,
    /// Requests with a nonce.
    pub with_nonce: Count,
    /// Requests without one.
    pub without_nonce: Count,
    /// Signatures that the worker made itself (fast keys).
    pub signed: Count,
    /// Signatures that failed there.
    pub signing_failed: Count,
    /// Requests that asked with a nonce and were answered, or refused, without it, since there was no room for it.
    pub nonces_dropped: Count,
    /// Octets that the worker's own cache holds.
    pub recent_bytes: Count,
    /// Answers that it holds.
    pub recent_entries: Count,
    /// By the place in [`HashAlgorithm::ALL`]; the last: an algorithm that is not known here.
    hash_algorithms: [Count; HashAlgorithm::ALL.len() + 1],
}

impl AnswerCounts {
    /// Requests whose (first) CertID uses this hash algorithm; None: one that is not known here.
    pub fn hash_algorithm(&self, algorithm: Option<HashAlgorithm>) -> u64 {
        self.hash_algorithms[place(algorithm)].get()
    }

    /// A request asked so.
    pub(crate) fn asked(&self, asked: Asked) {
        self.hash_algorithms[place(asked.hash_algorithm)].add(1);
        match asked.has_nonce {
            true => self.with_nonce.add(1),
            false => self.without_nonce.add(1),
        }
    }
}

fn place(algorithm: Option<HashAlgorithm>) -> usize {
    algorithm.map_or(HashAlgorithm::ALL.len(), |algorithm| algorithm as usize)
}

/// What a request asked with (RFC 9919 §3.2.1: it is worth knowing who still uses SHA-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Of its first CertID.
    hash_algorithm: Option<HashAlgorithm>,
    has_nonce: bool,
}

/// One request's share of the counts: each fact counts once, however often the answer is made again.
pub(crate) struct Tally<'a> {
    counts: &'a AnswerCounts,
    asked: Option<Asked>,
    is_looked_up: bool,
}

impl Asked {
    /// A request with a nonce is one client's own.
    pub(crate) fn has_nonce(self) -> bool {
        self.has_nonce
    }
}

impl<'a> Tally<'a> {
    /// Nothing is known of the request yet.
    pub(crate) fn new(counts: &'a AnswerCounts) -> Tally<'a> {
        Tally {
            counts,
            asked: None,
            is_looked_up: false,
        }
    }

    /// What it asked with, once that is known.
    pub(crate) fn asked(&self) -> Option<Asked> {
        self.asked
    }

    /// The request was decoded.
    pub(crate) fn decoded(&mut self, request: &OcspRequest<'_>) {
        if self.asked.is_some() {
            return;
        }
        let asked = Asked {
            hash_algorithm: request.first.cert_id.hash_algorithm,
            has_nonce: request.nonce.is_some(),
        };
        self.counts.asked(asked);
        self.asked = Some(asked);
    }

    /// Its nonce is left out: there is no room for a signature of its own.
    pub(crate) fn nonce_dropped(&self) {
        self.counts.nonces_dropped.add(1);
    }

    /// The answer was looked for by its CertID.
    pub(crate) fn looked_up(&mut self, is_found: bool) {
        if std::mem::replace(&mut self.is_looked_up, true) {
            return;
        }
        match is_found {
            true => self.counts.hits_by_cert_id.add(1),
            false => self.counts.misses.add(1),
        }
    }

    /// The worker signed, or could not.
    pub(crate) fn signed<T>(&self, signature: &Result<T, SignError>) {
        match signature {
            Ok(_) => self.counts.signed.add(1),
            Err(_) => self.counts.signing_failed.add(1),
        }
    }
}
