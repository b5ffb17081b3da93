//! Keys that sign, and the threads that sign for slow ones.
//!
//! From: `responder`, with the octets of a ResponseData.  To: a [`Signer`], at once when it is fast, on the
//! [`SigningPool`] when it is slow or may block.  The pool's queue is bounded: full means refuse at once.  A client that
//! hangs up does not cancel a signature that is under way.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use ocspry_wire::x509::SignatureAlgorithm;
use tokio::sync::oneshot;

/// A private key that signs.
///
/// Callers may use it from any thread, several at once.  It may block if [`Signer::speed`] says so; it does not retry.
pub trait Signer: Send + Sync {
    /// The algorithm of its signatures unless another is asked for.
    fn algorithm(&self) -> SignatureAlgorithm;

    /// Can it make signatures of this algorithm?
    fn signs_with(&self, algorithm: SignatureAlgorithm) -> bool {
        algorithm == self.algorithm()
    }

    /// The public key that belongs to it, as DER SubjectPublicKeyInfo.
    fn public_key_info(&self) -> &[u8];

    /// Where it may be called.
    fn speed(&self) -> SigningSpeed;

    /// Signs `message` (not a digest of it) with one of its algorithms, and appends the signature's octets (ECDSA: the
    /// DER form) to `signature`.
    ///
    /// # Errors
    /// The key or its device failed, or cannot sign so; nothing is known about the certificate because of it.
    fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError>;
}

/// How long a signature takes, by kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SigningSpeed {
    /// Tens of microseconds: signed on the worker that holds the request.
    Inline,
    /// Longer, or blocking: signed on the pool's threads.
    Queued,
}

/// Why a key did not sign.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignError {
    /// The key or its device failed.
    #[error("the key failed to sign: {0}")]
    Failed(String),
    /// Too many signatures wait already.
    #[error("too many signatures are waiting")]
    QueueFull,
}

/// Threads that sign for slow keys, with one bounded queue.
pub struct SigningPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    queue: Mutex<Queue>,
    changed: Condvar,
    queue_max: usize,
    totals: Arc<SigningTotals>,
}

/// What became of signatures on the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SigningCounts {
    /// Made.
    pub signed: u64,
    /// The key or its device failed, or its code panicked.
    pub failed: u64,
    /// Refused at once: too many waited.
    pub refused: u64,
    /// Waiting now.
    pub waiting: u64,
    /// How many may wait.
    pub waiting_max: u64,
}

/// The same, in the making.  Several threads add: a slow signature takes thousands of times as long as that.
#[derive(Debug, Default)]
pub(crate) struct SigningTotals {
    signed: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
    /// The length of the queue, for readers without its lock.
    waiting: AtomicUsize,
}

impl SigningTotals {
    /// A signature was made, or failed.
    pub(crate) fn ended<T>(&self, signature: Result<T, SignError>) -> Result<T, SignError> {
        let total = match &signature {
            Ok(_) => &self.signed,
            Err(_) => &self.failed,
        };
        total.fetch_add(1, Ordering::Relaxed);
        signature
    }
}

struct Queue {
    jobs: VecDeque<Job>,
    stopping: bool,
}

/// Signs and hands on; never runs on a worker.
type Job = Box<dyn FnOnce() + Send>;

impl SigningPool {
    /// Starts `threads` threads; more than `queue_max` waiting signatures are refused.
    ///
    /// # Errors
    /// The operating system did not give a thread.
    pub fn start(threads: usize, queue_max: usize) -> std::io::Result<Arc<SigningPool>> {
        let shared = Arc::new(Shared {
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                stopping: false,
            }),
            changed: Condvar::new(),
            queue_max,
            totals: Arc::default(),
        });
        let threads = (0..threads)
            .map(|number| {
                let shared = Arc::clone(&shared);
                std::thread::Builder::new()
                    .name(format!("signing-{number}"))
                    .spawn(move || sign_until_stopped(&shared))
            })
            .collect::<std::io::Result<Vec<_>>>()?;
        Ok(Arc::new(SigningPool { shared, threads }))
    }

    /// What became of its signatures so far.
    pub fn counts(&self) -> SigningCounts {
        let totals = &self.shared.totals;
        SigningCounts {
            signed: totals.signed.load(Ordering::Relaxed),
            failed: totals.failed.load(Ordering::Relaxed),
            refused: totals.refused.load(Ordering::Relaxed),
            waiting: totals.waiting.load(Ordering::Relaxed) as u64,
            waiting_max: self.shared.queue_max as u64,
        }
    }

    /// Where a job says how its signature ended.
    pub(crate) fn totals(&self) -> Arc<SigningTotals> {
        Arc::clone(&self.shared.totals)
    }

    /// Runs `job` on one of the threads, also when nobody waits for it any more.
    ///
    /// # Errors
    /// `QueueFull` at once when too many wait; the job is dropped then.
    pub fn submit(&self, job: impl FnOnce() + Send + 'static) -> Result<(), SignError> {
        {
            let mut queue = self.shared.lock();
            if queue.jobs.len() >= self.shared.queue_max {
                self.shared.totals.refused.fetch_add(1, Ordering::Relaxed);
                return Err(SignError::QueueFull);
            }
            queue.jobs.push_back(Box::new(job));
            self.shared.tell_length(&queue);
        }
        self.shared.changed.notify_one();
        Ok(())
    }

    /// Runs `job` on one of the threads and waits for what it returns; the wait is bounded by the queue in front of them.
    ///
    /// # Errors
    /// `QueueFull` at once when too many wait; `Failed` when the job panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, SignError> {
        let (reply, returned) = oneshot::channel();
        self.submit(move || {
            // Nobody may be waiting any more: the client hung up.
            let _ = reply.send(job());
        })?;
        returned.await.map_err(|_| gave_up())
    }
}

/// What is said when a job ended without a word: its key's code panicked.
pub(crate) fn gave_up() -> SignError {
    SignError::Failed("the key's code panicked".to_owned())
}

impl Drop for SigningPool {
    /// Signs what is queued, then ends the threads.
    fn drop(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        for thread in self.threads.drain(..) {
            // A thread that panicked has nothing left to wait for.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The queue holds plain data, whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell_length(&self, queue: &Queue) {
        self.totals
            .waiting
            .store(queue.jobs.len(), Ordering::Relaxed);
    }
}

fn sign_until_stopped(shared: &Shared) {
    loop {
        let mut queue = shared.lock();
        let job = loop {
            if let Some(job) = queue.jobs.pop_front() {
                shared.tell_length(&queue);
                break job;
            }
            if queue.stopping {
                return;
            }
            queue = shared
                .changed
                .wait(queue)
                .unwrap_or_else(PoisonError::into_inner);
        };
        drop(queue);
        // Whoever waits learns of a panic by the end of their channel; the thread lives on.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            shared.totals.failed.fetch_add(1, Ordering::Relaxed);
        }
    }
}
