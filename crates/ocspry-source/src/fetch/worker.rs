//! The thread on which all downloads run, and one feed for each URL that is followed.
//!
//! From: the control plane, which starts feeds and judges what they bring.  To: `client`, when `schedule` says so.  One
//! task per feed, all on one thread: downloads wait for the network nearly all the time, and what they write goes to the
//! page cache.  A feed holds one outcome at the most, and asks for no more until that was judged.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ocspry_core::clock::Clock;
use ocspry_wire::Time;
use tokio::runtime::{self, Handle};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::client::{Downloaded, download};
use super::schedule::{self, FailureCost, Jitter};
use super::{CrlUrl, FetchLimits, FetchProblem, Fetched, Judged, Validators, spool};
use crate::SourceError;
use crate::watch::EndProcessOnPanic;

/// Runs all downloads, until it is dropped: then they end at once, and their files go.
#[derive(Debug)]
pub struct Fetcher {
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Fetcher {
    /// Starts the thread.  The clock is asked when something happened, and whether it is time.
    ///
    /// # Errors
    /// No thread, or no sockets.
    pub fn start(limits: FetchLimits, clock: Arc<dyn Clock>) -> io::Result<Fetcher> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            // Names are resolved there, which may take long: one for each download.
            .max_blocking_threads(limits.at_once_max.max(1))
            .build()?;
        let shared = Arc::new(Shared {
            limits,
            clock,
            turns: Semaphore::new(limits.at_once_max.max(1)),
            runtime: runtime.handle().clone(),
        });
        let (stop, stopped) = oneshot::channel();
        let thread = thread::Builder::new()
            .name("crl-fetch".to_owned())
            .spawn(move || {
                let _end = EndProcessOnPanic;
                // Whether it was told to stop or forgotten is the same.
                let _ = runtime.block_on(stopped);
                // Nobody waits for a name that is still being resolved.
                runtime.shutdown_background();
            })?;
        Ok(Fetcher {
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            // A panic in there has ended the process.
            let _ = thread.join();
        }
    }
}

struct Shared {
    limits: FetchLimits,
    clock: Arc<dyn Clock>,
    turns: Semaphore,
    runtime: Handle,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// One URL, followed until this is dropped.  It asks at once, and then as its outcomes and verdicts say.
#[derive(Debug)]
pub struct UrlFeed {
    feed: Arc<Feed>,
    task: AbortHandle,
}

impl UrlFeed {
    /// Follows the URL.  Downloads go to `directory`, which exists; what earlier runs left there is removed.
    ///
    /// `validators` are those of the list that is kept from an earlier run, if it is in use.  `wake` is called on the
    /// fetcher's thread for each outcome; it must not block, and must not panic.
    pub fn start(
        fetcher: &Fetcher,
        url: CrlUrl,
        directory: &Path,
        validators: Option<Validators>,
        wake: impl Fn() + Send + Sync + 'static,
    ) -> UrlFeed {
        spool::remove_left_overs(directory);
        let feed = Arc::new(Feed::default());
        let follower = Follower {
            shared: Arc::clone(&fetcher.shared),
            feed: Arc::clone(&feed),
            url,
            directory: directory.to_owned(),
            known: validators.unwrap_or_default(),
            in_use: None,
            failure_count: 0,
            jitter: Jitter::random(),
        };
        let task = fetcher.shared.runtime.spawn(follower.run(wake));
        UrlFeed {
            feed,
            task: task.abort_handle(),
        }
    }

    /// The outcome that was not taken yet; never waits.
    pub fn take(&mut self) -> Option<Fetched> {
        let mut state = self.feed.lock();
        let outcome = state.outcome.take();
        state.is_verdict_owed |= match &outcome {
            Some(Fetched::New { .. } | Fetched::NotModified { .. }) => true,
            Some(Fetched::Failed { .. }) | None => false,
        };
        outcome
    }

    /// Says what the outcome that was taken is worth; the next fetch is planned by it.  Owed for `New` and `NotModified`,
    /// without which the feed asks no more; else without effect: a verdict on what came before is none on an outcome that
    /// nobody has seen.
    pub fn judged(&mut self, verdict: Judged) {
        let mut state = self.feed.lock();
        if state.is_verdict_owed {
            state.is_verdict_owed = false;
            state.verdict = Some(verdict);
            drop(state);
            self.feed.changed.notify_one();
        }
    }

    /// Does not wait for the time of the next fetch.  While one is under way, or waits to be judged, another one follows.
    pub fn fetch_now(&mut self) {
        self.feed.lock().is_asked_for = true;
        self.feed.changed.notify_one();
    }
}

impl Drop for UrlFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Between the task and its owner.
#[derive(Debug, Default)]
struct Feed {
    state: Mutex<FeedState>,
    /// Wakes the task.
    changed: Notify,
}

#[derive(Debug, Default)]
struct FeedState {
    outcome: Option<Fetched>,
    is_verdict_owed: bool,
    verdict: Option<Judged>,
    is_asked_for: bool,
}

impl Feed {
    fn lock(&self) -> MutexGuard<'_, FeedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until it is time, or somebody asked.  By both clocks, in small steps: a machine that slept has only the wall
    /// clock to tell it, and a wall clock that was set back must not hold news up.
    async fn wait(&self, wait: Duration, clock: &dyn Clock) {
        let began = Instant::now();
        let whole = i64::try_from(wait.as_secs()).unwrap_or(i64::MAX);
        let due = clock
            .now()
            .plus_seconds(whole.saturating_add(i64::from(wait.subsec_nanos() > 0)));
        loop {
            let left = wait.saturating_sub(began.elapsed());
            let is_asked_for = std::mem::take(&mut self.lock().is_asked_for);
            if is_asked_for || left.is_zero() || clock.now() >= due {
                break;
            }
            // Either way there is something to look at.
            let _ = timeout(left.min(STEP), self.changed.notified()).await;
        }
        // Whoever asked until now gets what comes now.
        self.lock().is_asked_for = false;
    }

    async fn verdict(&self) -> Judged {
        loop {
            if let Some(verdict) = self.lock().verdict.take() {
                return verdict;
            }
            self.changed.notified().await;
        }
    }
}

/// Longest time that passes unseen on the wall clock.
const STEP: Duration = Duration::from_secs(60);

/// The task of one feed.
struct Follower {
    shared: Arc<Shared>,
    feed: Arc<Feed>,
    url: CrlUrl,
    directory: PathBuf,
    /// Those of the list in use; the next request asks by them.
    known: Validators,
    /// The last verdict under which a list was in use.
    in_use: Option<Judged>,
    failure_count: u32,
    jitter: Jitter,
}

impl Follower {
    async fn run(mut self, wake: impl Fn() + Send + Sync + 'static) {
        let _end = EndProcessOnPanic;
        let shared = Arc::clone(&self.shared);
        let feed = Arc::clone(&self.feed);
        let mut wait = Duration::ZERO;
        loop {
            feed.wait(wait, &*shared.clock).await;
            let downloaded = self.download().await;
            let at = shared.clock.now();
            wait = match downloaded {
                Ok(downloaded) => {
                    let validators = self.tell(downloaded, at);
                    wake();
                    let verdict = feed.verdict().await;
                    self.after_verdict(verdict, validators)
                }
                Err(problem) => {
                    let wait = self.after_failure(FailureCost::Small, at);
                    self.tell_failure(problem, wait, at);
                    wake();
                    wait
                }
            };
        }
    }

    async fn download(&self) -> Result<Downloaded, FetchProblem> {
        let shared = &self.shared;
        // Never closed; it is a bound, not a gate.
        let _turn = shared.turns.acquire().await;
        download(&shared.limits, &self.url, &self.known, &self.directory).await
    }

    /// Hands the outcome over; what is left are the validators that count if it is used.
    fn tell(&self, downloaded: Downloaded, at: Time) -> Validators {
        let (outcome, validators) = match downloaded {
            Downloaded::NotModified => (Fetched::NotModified { at }, self.known.clone()),
            Downloaded::New { file, validators } => {
                let kept = validators.clone();
                let outcome = Fetched::New {
                    file,
                    validators,
                    at,
                };
                (outcome, kept)
            }
        };
        self.feed.lock().outcome = Some(outcome);
        validators
    }

    fn tell_failure(&self, problem: FetchProblem, next_try_in: Duration, at: Time) {
        let error = SourceError::Fetch {
            url: self.url.to_string(),
            problem,
        };
        self.feed.lock().outcome = Some(Fetched::Failed {
            error,
            next_try_in,
            at,
        });
    }

    fn after_verdict(&mut self, verdict: Judged, validators: Validators) -> Duration {
        if verdict.used {
            // A list without nextUpdate counts from when it was fetched: it has to be.
            let is_conditional = verdict.next_update.is_some();
            self.known = Some(validators)
                .filter(|_| is_conditional)
                .unwrap_or_default();
            self.in_use = Some(verdict);
            self.failure_count = 0;
            schedule::after_success(&verdict, &self.shared.limits, &mut self.jitter)
        } else {
            self.known = Validators::default();
            self.after_failure(FailureCost::Download, verdict.now)
        }
    }

    fn after_failure(&mut self, cost: FailureCost, now: Time) -> Duration {
        self.failure_count = self.failure_count.saturating_add(1);
        // A list without an end does not run out.
        let end_of = |verdict: Judged| verdict.next_update.unwrap_or(Time::MAX);
        let next_update = self.in_use.map(end_of);
        let limits = &self.shared.limits;
        schedule::after_failure(
            self.failure_count,
            cost,
            next_update,
            now,
            limits,
            &mut self.jitter,
        )
    }
}
