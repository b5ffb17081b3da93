//! The threads that sign for slow keys.
//!
//! From: `responder`, an answer to be signed.  To: its key, on a thread, when its turn has come.  Each key has a
//! `WaitingLine` of its own, in front of which as many are let in as it signs within the time that clients wait; a
//! signature that takes long counts with its age, so that a key that hangs closes its line by itself.  The threads go from
//! key to key, and the last idle one is kept for a key that has none.  What takes too long is told to those who wait,
//! and its thread gets a substitute (`watch`).  A client that hangs up does not cancel a signature that is under way.

mod watch;

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::cache::{Flight, ResponseCache};
use crate::counts::ExcessCounts;
use crate::pace::Pace;
use crate::waiting_line::{Asker, Excess, SigningClass, WaitingLine, room};
use crate::{ResponderCredential, SignError, SignedResponse};

/// The bounds of a pool.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    /// Threads; one key alone gets all but one of them.
    pub threads: usize,
    /// Most signatures that wait for one key, however fast it is.
    pub waiting_max: usize,
    /// How long a client is to wait for its turn at the most.
    pub patience: Duration,
}

impl PoolLimits {
    /// What a signature takes.  More than clients wait for, twice, is as good as no answer, whatever a key has taken.
    fn average(&self, pace: &Pace) -> Duration {
        pace.average().min(self.average_max())
    }

    fn average_max(&self) -> Duration {
        self.patience * 2
    }

    /// How long it may take from the question to the answer.
    fn longest(&self, pace: &Pace) -> Duration {
        self.longest_where(self.average(pace))
    }

    /// The same of the slowest key, with the pause between two looks.
    fn longest_of_any(&self) -> Duration {
        self.longest_where(self.average_max()) + watch::PAUSE_MAX
    }

    /// To wait is for others, to sign for itself, twice each.
    fn longest_where(&self, average: Duration) -> Duration {
        (self.patience + average) * 2
    }
}

/// Threads that sign for slow keys, and for fast ones whose worker has too much to do.
pub struct SigningPool {
    shared: Arc<Shared>,
}

struct Shared {
    limits: PoolLimits,
    /// What each thread does first.
    thread_begins: fn(),
    state: Mutex<State>,
    /// There is something to sign, or the end has come.
    changed: Condvar,
    /// There is something to watch, or the end has come.
    watched: Condvar,
    totals: Arc<Totals>,
}

struct State {
    /// Those keys for which something waits or is under way, by the id of the credential.
    lanes: HashMap<u64, Lane>,
    /// Those for which something waits, each once; the first is looked at first.
    order: VecDeque<u64>,
    /// Signatures that wait, of all keys.
    waiting: usize,
    /// Threads that have nothing to do.
    idle: usize,
    /// Threads that there are.
    threads: usize,
    /// Threads that have been at one signature for too long.
    stuck: usize,
    handles: Vec<JoinHandle<()>>,
    next_signature: u64,
    is_watch_asleep: bool,
    is_stopping: bool,
}

/// One key.
struct Lane {
    line: WaitingLine<Job>,
    under_way: Vec<UnderWay>,
    pace: Arc<Pace>,
}

impl Lane {
    /// Signatures that have taken too long, and have not ended.
    fn overdue(&self) -> usize {
        let overdue = self.under_way.iter().filter(|one| one.is_overdue);
        overdue.count()
    }

    /// May one more be begun?  A key that hangs takes two threads, and is then tried again and again, each time after twice as
    /// long: it may never come back, and threads are for the others.  A trial that ended is no more under way, so that the
    /// next one is begun at once.
    fn may_begin(&self, is_another_idle: bool, longest: Duration, now: Instant) -> bool {
        match self.overdue() {
            // The last idle thread is for a key that has none.
            0 => self.under_way.is_empty() || is_another_idle,
            1 => true,
            overdue => {
                let doublings = u32::try_from(overdue)
                    .unwrap_or(u32::MAX)
                    .min(DOUBLINGS_MAX);
                let last = self.under_way.iter().map(|one| one.began).max();
                last.is_none_or(|last| {
                    now.saturating_duration_since(last) >= longest * (1 << doublings)
                })
            }
        }
    }
}

/// A signature that a thread is at.
struct UnderWay {
    number: u64,
    /// Since when somebody waits for it.
    asked: Instant,
    /// Since when a thread is at it.
    began: Instant,
    waiters: Waiters,
    /// Those who wait were told that it takes too long.
    is_given_up: bool,
    /// It takes the thread too long.
    is_overdue: bool,
}

/// A signature to be made.
pub(crate) struct Job {
    /// Makes it and tells those who wait.
    pub(crate) sign: Box<dyn FnOnce() + Send>,
    /// Who waits.
    pub(crate) waiters: Waiters,
}

/// Who waits for a signature.
#[derive(Clone)]
pub(crate) enum Waiters {
    /// One client.
    One(Arc<Reply>),
    /// Everybody who asks for this answer.
    Flight(Arc<ResponseCache>, Flight),
}

/// Where one client waits; told once.
pub(crate) struct Reply(Mutex<Option<oneshot::Sender<Result<SignedResponse, SignError>>>>);

impl Reply {
    pub(crate) fn new(sender: oneshot::Sender<Result<SignedResponse, SignError>>) -> Arc<Reply> {
        Arc::new(Reply(Mutex::new(Some(sender))))
    }

    /// The first word counts.
    pub(crate) fn tell(&self, signed: Result<SignedResponse, SignError>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(sender) = sender {
            // Nobody may be waiting any more: the client hung up.
            let _ = sender.send(signed);
        }
    }

    fn is_gone(&self) -> bool {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sender.as_ref().is_none_or(oneshot::Sender::is_closed)
    }
}

impl Waiters {
    /// A signature that nobody wants any more; one that is for everybody is wanted by the next client.
    fn are_gone(&self) -> bool {
        match self {
            Waiters::One(reply) => reply.is_gone(),
            Waiters::Flight(..) => false,
        }
    }

    /// They are told that it takes too long, and are returned as so many of a class; the signature goes on.
    fn give_up(&self) -> (SigningClass, u64) {
        match self {
            Waiters::One(reply) => {
                reply.tell(Err(SignError::Excess(Excess::Overdue)));
                (SigningClass::Once, 1)
            }
            Waiters::Flight(cache, flight) => (SigningClass::Kept, cache.give_up(flight)),
        }
    }
}

/// What became of signatures on the pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningCounts {
    /// Made.
    pub signed: u64,
    /// The key or its device failed, or its code panicked.
    pub failed: u64,
    /// Refused, by class and reason.
    pub refused: [[u64; Excess::ALL.len()]; SigningClass::ALL.len()],
    /// Waiting now, of all keys, by class.
    pub waiting: [u64; SigningClass::ALL.len()],
    /// How many may wait now for the key that takes the fewest.
    pub waiting_max: u64,
    /// Threads.
    pub threads: u64,
    /// Threads that have nothing to do.
    pub threads_idle: u64,
    /// Threads that have been at one signature for too long.
    pub threads_stuck: u64,
}

impl SigningCounts {
    /// Refused, for whatever reason.
    pub fn refused_total(&self) -> u64 {
        self.refused.iter().flatten().sum()
    }
}

/// The counts in the making.  Several threads add: a slow signature takes thousands of times as long as that.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    signed: AtomicU64,
    failed: AtomicU64,
    refused: ExcessCounts,
    /// Threads to which a worker may hand something over; read without the lock.
    spare: AtomicUsize,
}

impl Totals {
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

impl SigningPool {
    /// Starts the threads; each runs `thread_begins` first.
    ///
    /// # Errors
    /// The operating system did not give a thread.
    pub fn start(limits: PoolLimits, thread_begins: fn()) -> std::io::Result<Arc<SigningPool>> {
        let shared = Arc::new(Shared::new(limits, thread_begins));
        let pool = Arc::new(SigningPool { shared });
        let mut state = pool.shared.lock();
        for _ in 0..limits.threads {
            start_thread(&pool.shared, &mut state)?;
        }
        let watched = Arc::clone(&pool.shared);
        let watch = std::thread::Builder::new()
            .name("signing-watch".to_owned())
            .spawn(move || watch::watch(&watched))?;
        state.handles.push(watch);
        drop(state);
        Ok(pool)
    }

    /// How long clients are to wait.
    pub fn patience(&self) -> Duration {
        self.shared.limits.patience
    }

    /// After so long whoever waits has been told so, of whatever key.
    pub fn longest(&self) -> Duration {
        self.shared.limits.longest_of_any()
    }

    /// What became of its signatures so far.
    pub fn counts(&self) -> SigningCounts {
        self.counts_at(Instant::now())
    }

    fn counts_at(&self, now: Instant) -> SigningCounts {
        let (totals, state) = (&self.shared.totals, self.shared.lock());
        let lanes = state.lanes.values();
        let keys_waiting = state.keys_waiting();
        let rooms = lanes.map(|lane| self.shared.room(lane, &state, keys_waiting, now));
        let waiting_max = rooms.min().unwrap_or(self.shared.limits.waiting_max);
        SigningCounts {
            signed: totals.signed.load(Ordering::Relaxed),
            failed: totals.failed.load(Ordering::Relaxed),
            refused: totals.refused.all(),
            waiting: SigningClass::ALL.map(|class| {
                let of_lane = |lane: &Lane| lane.line.waiting(class) as u64;
                state.lanes.values().map(of_lane).sum()
            }),
            waiting_max: waiting_max as u64,
            threads: state.threads as u64,
            threads_idle: state.idle as u64,
            threads_stuck: state.stuck as u64,
        }
    }

    /// Where a job says how its signature ended.
    pub(crate) fn totals(&self) -> Arc<Totals> {
        Arc::clone(&self.shared.totals)
    }

    /// Signs on one of the threads, when its turn has come.
    ///
    /// # Errors
    /// At once, where too many wait for this key; the job is dropped then.
    pub(crate) fn submit(
        &self,
        credential: &ResponderCredential,
        asker: Asker,
        job: Job,
    ) -> Result<(), SignError> {
        let (key, pace) = (credential.id(), credential.pace());
        self.submit_at(key, pace, asker, job, Instant::now())
    }

    fn submit_at(
        &self,
        key: u64,
        pace: &Arc<Pace>,
        asker: Asker,
        job: Job,
        now: Instant,
    ) -> Result<(), SignError> {
        let state = self.shared.lock();
        let admitted = match state.lanes.get(&key) {
            // Nobody waits for it.
            None => Ok(()),
            Some(lane) => {
                let room = self.shared.room(lane, &state, state.keys_waiting(), now);
                lane.line.admit(asker, room)
            }
        };
        if let Err(excess) = admitted {
            self.shared.totals.refused.add(asker.class, excess, 1);
            drop(state);
            return Err(SignError::Excess(excess));
        }
        self.shared.take_in(state, key, pace, asker, job, now);
        Ok(())
    }

    /// Is there a thread with nothing to do?
    pub(crate) fn has_spare_thread(&self) -> bool {
        self.shared.totals.spare.load(Ordering::Relaxed) > 0
    }
}

impl Drop for SigningPool {
    /// Signs what is queued, then ends the threads; those that a key holds for as long as clients wait, twice, are left to it.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.is_stopping = true;
        self.shared.changed.notify_all();
        self.shared.watched.notify_all();
        let is_busy = |state: &mut State| state.threads > state.stuck;
        let longest = (self.shared.limits.patience * 2).min(STOP_TIME_MAX);
        let waited = self
            .shared
            .changed
            .wait_timeout_while(state, longest, is_busy);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let handles = std::mem::take(&mut state.handles);
        drop(state);
        for thread in handles.into_iter().filter(JoinHandle::is_finished) {
            // A thread that panicked has nothing left to wait for.
            let _ = thread.join();
        }
    }
}

impl State {
    /// Idle threads that nothing waits for, less the one that is kept for a key that has none, and one for the processor that
    /// the worker has itself: with one processor there is nobody to hand anything to.
    fn spare_threads(&self) -> usize {
        self.idle.saturating_sub(self.waiting + 2)
    }

    /// Keys that have something waiting; one that hangs has no part in what they share.
    fn keys_waiting(&self) -> usize {
        let lanes = self.order.iter().filter_map(|key| self.lanes.get(key));
        lanes.filter(|lane| lane.overdue() == 0).count()
    }

    /// The next signature to be made by a thread that is free now.
    fn take(&mut self, limits: &PoolLimits, now: Instant) -> Option<Taken> {
        for _ in 0..self.order.len() {
            let key = self.order.pop_front()?;
            let Some(lane) = self.lanes.get_mut(&key) else {
                continue;
            };
            if !lane.may_begin(self.idle > 0, limits.longest(&lane.pace), now) {
                self.order.push_back(key);
                continue;
            }
            while let Some((_, place)) = lane.line.pop() {
                let (job, asked) = (place.item, place.since);
                self.waiting -= 1;
                if job.waiters.are_gone() {
                    continue;
                }
                let number = self.next_signature;
                self.next_signature += 1;
                lane.under_way.push(UnderWay {
                    number,
                    asked,
                    began: now,
                    waiters: job.waiters,
                    is_given_up: false,
                    is_overdue: false,
                });
                if !lane.line.is_empty() {
                    self.order.push_back(key);
                }
                return Some(Taken {
                    key,
                    number,
                    sign: job.sign,
                });
            }
            if lane.under_way.is_empty() {
                self.lanes.remove(&key);
            }
        }
        None
    }

    /// A thread is done with one.
    fn end(&mut self, limits: &PoolLimits, key: u64, number: u64, now: Instant) {
        let Some(lane) = self.lanes.get_mut(&key) else {
            return;
        };
        let place = lane.under_way.iter().position(|one| one.number == number);
        if let Some(place) = place {
            let ended = lane.under_way.swap_remove(place);
            // That it hung once says little of what it takes when it does not.
            let elapsed = now.saturating_duration_since(ended.began);
            lane.pace.note(elapsed.min(limits.average_max()));
            self.stuck -= usize::from(ended.is_overdue);
        }
        if lane.under_way.is_empty() && lane.line.is_empty() {
            self.lanes.remove(&key);
        }
    }
}

/// A signature that a thread is to make.
struct Taken {
    key: u64,
    number: u64,
    sign: Box<dyn FnOnce() + Send>,
}

impl Shared {
    /// No thread yet, and nothing to sign.
    fn new(limits: PoolLimits, thread_begins: fn()) -> Shared {
        Shared {
            limits,
            thread_begins,
            state: Mutex::new(State {
                lanes: HashMap::new(),
                order: VecDeque::new(),
                waiting: 0,
                idle: 0,
                threads: 0,
                stuck: 0,
                handles: Vec::new(),
                next_signature: 0,
                is_watch_asleep: false,
                is_stopping: false,
            }),
            changed: Condvar::new(),
            watched: Condvar::new(),
            totals: Arc::default(),
        }
    }

    /// The state is whole after every step, so a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many may wait for this key: as many as it signs within the patience of clients, by what a signature takes; a
    /// thread that has been at one for some of that time makes the fewer.
    fn room(&self, lane: &Lane, state: &State, keys_waiting: usize, now: Instant) -> usize {
        let patience = self.limits.patience;
        let average = self.limits.average(&lane.pace);
        let at_work = lane.under_way.iter().map(|one| {
            let age = now.saturating_duration_since(one.began);
            // What every signature takes is no delay.
            patience.saturating_sub(age.saturating_sub(average))
        });
        let idle = match (lane.under_way.len(), lane.overdue()) {
            (0, _) => state.idle.saturating_sub(1).max(1),
            (_, 0) => state.idle.saturating_sub(1),
            // It hangs: it gets none of them.
            (_, _) => 0,
        };
        let idle = patience.saturating_mul(u32::try_from(idle).unwrap_or(u32::MAX));
        let time = at_work.sum::<Duration>().saturating_add(idle);
        let share = self.share_of(time, lane, keys_waiting);
        room(share, average, self.limits.waiting_max)
    }

    /// What is left of the threads' time for one key while others wait as well: all get the same.
    fn share_of(&self, time: Duration, lane: &Lane, keys_waiting: usize) -> Duration {
        let threads = self.limits.threads;
        let keys = keys_waiting + usize::from(lane.line.is_empty());
        if keys <= threads {
            return time;
        }
        let parts = |count| u32::try_from(count).unwrap_or(u32::MAX);
        time.saturating_mul(parts(threads)) / parts(keys)
    }

    fn take_in(
        &self,
        mut state: MutexGuard<'_, State>,
        key: u64,
        pace: &Arc<Pace>,
        asker: Asker,
        job: Job,
        now: Instant,
    ) {
        let lane = state.lanes.entry(key).or_insert_with(|| Lane {
            line: WaitingLine::new(),
            under_way: Vec::new(),
            pace: Arc::clone(pace),
        });
        let is_first = lane.line.is_empty();
        lane.line.push(asker, now, job);
        if is_first {
            state.order.push_back(key);
        }
        state.waiting += 1;
        self.tell_spare(&state);
        let wakes_watch = std::mem::take(&mut state.is_watch_asleep);
        drop(state);
        self.changed.notify_one();
        if wakes_watch {
            self.watched.notify_one();
        }
    }

    fn tell_spare(&self, state: &State) {
        let spare = state.spare_threads();
        self.totals.spare.store(spare, Ordering::Relaxed);
    }
}

/// One more thread.
fn start_thread(shared: &Arc<Shared>, state: &mut State) -> std::io::Result<()> {
    let thread = {
        let shared = Arc::clone(shared);
        std::thread::Builder::new()
            .name("signing".to_owned())
            .spawn(move || {
                (shared.thread_begins)();
                sign_until_stopped(&shared);
            })?
    };
    state.handles.retain(|handle| !handle.is_finished());
    state.handles.push(thread);
    state.threads += 1;
    Ok(())
}

fn sign_until_stopped(shared: &Shared) {
    let mut state = shared.lock();
    loop {
        // A substitute goes when the one that it stands for is back.
        if state.threads > shared.limits.threads + state.stuck {
            break;
        }
        let Some(taken) = state.take(&shared.limits, Instant::now()) else {
            if state.is_stopping {
                break;
            }
            state.idle += 1;
            shared.tell_spare(&state);
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            shared.tell_spare(&state);
            continue;
        };
        drop(state);
        let Taken { key, number, sign } = taken;
        // Whoever waits learns of a panic by the end of their channel; the thread lives on.
        if catch_unwind(AssertUnwindSafe(sign)).is_err() {
            shared.totals.failed.fetch_add(1, Ordering::Relaxed);
        }
        state = shared.lock();
        state.end(&shared.limits, key, number, Instant::now());
    }
    state.threads -= 1;
    // What this one leaves is for another one, and who stops the pool waits for the last.
    shared.changed.notify_all();
}

/// How long whoever stops the pool waits for signatures that do not end.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// A key that hangs is tried again after its longest time, doubled so often at the most: in hours.
const DOUBLINGS_MAX: u32 = 12;

#[cfg(test)]
mod tests;
