//! The worker threads: each has its own runtime, its own sockets and its own scratch space, and shares nothing with the
//! others that a request would have to wait for.  From: `listener`.  To: `connection`.
//!
//! ```text
//! Server::start ─> thread 1: accept loops ─> connection ─> ocsp ─> core::responder
//!                            sweep (deadlines), drain
//!               ─> thread 2: the same, on its own SO_REUSEPORT sockets
//! ```

use crate::accept::accept_loop;
use crate::admission::Admission;
use crate::connection;
use crate::counts::{MethodKind, RequestOutcome, ServerCounts, WorkerCounts};
use crate::deadlines::{Deadlines, Phase};
use crate::head;
use crate::headers::DateHeader;
use crate::listener::PortHolder;
use crate::request_log::{RequestLogSender, RequestRecord, RequestSampler};
use crate::sampling::{AnswerDurations, DurationSampler};
use crate::scratch::Scratch;
use crate::trusted_peers::CLIENT_HEADER;
use crate::turn_clock::{Turn, TurnClock};
use crate::{EndpointPaths, ExchangeSender, Limits, Listeners, TrustedPeers};
use arc_swap::{ArcSwap, Cache};
use ocspry_core::{
    Answer, AnswerCounts, Client, Clock, Endpoint, RECENT_BYTES_MAX, RecentAnswer, RecentAnswers,
    Responder, TurnCounts,
};
use ocspry_wire::Time;
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;
use tokio::time::MissedTickBehavior;

/// A running OCSP listener.  Dropped without [`drain`](Server::drain), it stops at once, and requests in flight are cut.
pub struct Server {
    stop: watch::Sender<Option<Instant>>,
    threads: Vec<JoinHandle<usize>>,
    meter: ServerMeter,
}

/// How a server works, beside what it answers.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The bounds.
    pub limits: Limits,
    /// Whom to tell of each request and its answer.
    pub exchanges: Option<ExchangeSender>,
    /// Whom to tell of one request in so many.
    pub request_log: Option<RequestLogSender>,
    /// Where issuers have endpoints of their own.
    pub endpoint_paths: EndpointPaths,
    /// Which proxies are believed.
    pub trusted: TrustedPeers,
}

impl From<Limits> for ServerOptions {
    fn from(limits: Limits) -> ServerOptions {
        ServerOptions {
            limits,
            exchanges: None,
            request_log: None,
            endpoint_paths: EndpointPaths::new([EndpointPaths::DEFAULT]),
            trusted: TrustedPeers::default(),
        }
    }
}

/// Reads what a server counts, from any thread, without a lock that a worker takes for a request's sake.
#[derive(Clone)]
pub struct ServerMeter {
    limits: Limits,
    addresses: Vec<SocketAddr>,
    endpoint_paths: EndpointPaths,
    counts: Vec<Arc<WorkerCounts>>,
    durations: Arc<AnswerDurations>,
    admission: Arc<Admission>,
    responder: Arc<ArcSwap<Responder>>,
}

/// Why the workers did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kernel gave no thread or no event queue.
    #[error("cannot start worker {worker} of the OCSP listener: {source}")]
    Worker {
        /// Which one, from 0.
        worker: usize,
        /// What the kernel said.
        source: io::Error,
    },
}

/// How a drain ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Connections that were still busy when the time was over, and were cut.
    pub connections_cut: usize,
}

impl Server {
    /// Starts one thread per worker of `listeners`.
    ///
    /// `responder` may be swapped at any time; each worker takes the new one with its next request, or at its next sweep.  Whoever swaps
    /// should keep the old one until nobody else does, and drop it there: freeing a large status table takes a while.
    ///
    /// # Errors
    /// [`StartError`] when the kernel gives no thread or event queue.
    pub fn start(
        listeners: Listeners,
        responder: Arc<ArcSwap<Responder>>,
        clock: Arc<dyn Clock>,
        options: impl Into<ServerOptions>,
    ) -> Result<Server, StartError> {
        let ServerOptions {
            limits,
            exchanges,
            request_log,
            endpoint_paths,
            trusted,
        } = options.into();
        let patience = responder.load().patience();
        let holder = listeners.holder();
        let (addresses, workers) = listeners.into_parts();
        let (stop, _) = watch::channel(None);
        let mut server = Server {
            stop,
            threads: Vec::with_capacity(workers.len()),
            meter: ServerMeter {
                limits,
                addresses,
                endpoint_paths: endpoint_paths.clone(),
                counts: Vec::with_capacity(workers.len()),
                durations: Arc::default(),
                admission: Arc::new(Admission::new(
                    limits.connections_max,
                    limits.connections_per_address_max,
                )),
                responder: Arc::clone(&responder),
            },
        };
        for (number, sockets) in workers.into_iter().enumerate() {
            let shared = Shared {
                responder: Arc::clone(&responder),
                clock: Arc::clone(&clock),
                limits,
                holder,
                exchanges: exchanges.clone(),
                request_log: request_log.clone(),
                endpoint_paths: endpoint_paths.clone(),
                trusted: trusted.clone(),
                patience,
                admission: Arc::clone(&server.meter.admission),
                counts: Arc::new(WorkerCounts::default()),
                durations: Arc::clone(&server.meter.durations),
            };
            server.meter.counts.push(Arc::clone(&shared.counts));
            let thread = start_worker(number, sockets, shared, server.stop.subscribe()).map_err(
                |source| StartError::Worker {
                    worker: number,
                    source,
                },
            )?;
            server.threads.push(thread);
        }
        Ok(server)
    }

    /// The addresses that clients can connect to.
    pub fn local_addresses(&self) -> &[SocketAddr] {
        self.meter.addresses()
    }

    /// What happened so far.
    pub fn counts(&self) -> ServerCounts {
        self.meter.counts()
    }

    /// For whoever asks what happened.
    pub fn meter(&self) -> ServerMeter {
        self.meter.clone()
    }

    /// Closes the listeners and the idle connections, lets requests in flight finish within `time`, and joins the threads.
    pub fn drain(self, time: Duration) -> DrainReport {
        self.stop.send_replace(Some(Instant::now() + time));
        let connections_cut = self
            .threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or(0))
            .sum();
        DrainReport { connections_cut }
    }
}

impl ServerMeter {
    /// What happened so far.
    pub(crate) fn counts(&self) -> ServerCounts {
        ServerCounts::sum(self.admission.open(), &self.counts)
    }

    /// How many requests of this method became this.
    pub(crate) fn requests(&self, method: MethodKind, outcome: RequestOutcome) -> u64 {
        let of_worker = |worker: &Arc<WorkerCounts>| worker.requests(method, outcome);
        self.counts.iter().map(of_worker).sum()
    }

    /// The sum of one count of answers over all workers.
    pub(crate) fn answers(&self, count: impl Fn(&AnswerCounts) -> u64) -> u64 {
        self.counts
            .iter()
            .map(|worker| count(&worker.answers))
            .sum()
    }

    /// The addresses that clients can connect to.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where issuers have endpoints of their own.
    pub(crate) fn endpoint_paths(&self) -> &EndpointPaths {
        &self.endpoint_paths
    }

    /// What each worker counts of whose turn it is to sign.
    pub(crate) fn signing_turns(&self) -> impl Iterator<Item = &TurnCounts> {
        self.counts.iter().map(|worker| &*worker.turns_of_signing)
    }

    /// How long answers took.
    pub(crate) fn durations(&self) -> &AnswerDurations {
        &self.durations
    }

    /// How often each worker's loop has come round so far: a few times a second, whatever it has to do.  One that does not
    /// any more is stuck.
    pub fn turns(&self) -> Vec<u64> {
        let turns = self.counts.iter().map(|worker| worker.turns.get());
        turns.collect()
    }

    /// The bounds.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The responder in use; not to be kept.
    pub(crate) fn responder(&self) -> Arc<Responder> {
        self.responder.load_full()
    }
}

/// What a worker is given.
struct Shared {
    responder: Arc<ArcSwap<Responder>>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    holder: PortHolder,
    exchanges: Option<ExchangeSender>,
    request_log: Option<RequestLogSender>,
    endpoint_paths: EndpointPaths,
    trusted: TrustedPeers,
    patience: Duration,
    admission: Arc<Admission>,
    counts: Arc<WorkerCounts>,
    durations: Arc<AnswerDurations>,
}

/// Makes the runtime and registers the sockets here, where an error can still be returned, then starts the thread.
fn start_worker(
    number: usize,
    sockets: Vec<std::net::TcpListener>,
    shared: Shared,
    stop: watch::Receiver<Option<Instant>>,
) -> io::Result<JoinHandle<usize>> {
    let turn = Turn::default();
    let begins = turn.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_unpark(move || begins.begin())
        .build()?;
    let listeners = {
        let _context = runtime.enter();
        sockets
            .into_iter()
            .map(TcpListener::from_std)
            .collect::<io::Result<Vec<_>>>()?
    };
    std::thread::Builder::new()
        .name(format!("ocspry-http-{number}"))
        .spawn(move || {
            // Panics of requests end in `connection`; one that comes here would leave a port that nobody serves.
            catch_unwind(AssertUnwindSafe(|| {
                run_worker(&runtime, listeners, Worker::new(shared, turn), stop)
            }))
            .unwrap_or_else(|_| {
                tracing::error!(
                    worker = number,
                    "a worker of the OCSP listener panicked: the process stops"
                );
                std::process::abort()
            })
        })
}

/// A worker from start to stop; returns how many connections it had to cut.
fn run_worker(
    runtime: &Runtime,
    listeners: Vec<TcpListener>,
    worker: Worker,
    mut stop: watch::Receiver<Option<Instant>>,
) -> usize {
    let worker = Rc::new(worker);
    let tasks = LocalSet::new();
    tasks.block_on(runtime, async {
        for listener in listeners {
            tokio::task::spawn_local(accept_loop(listener, Rc::clone(&worker), stop.clone()));
        }
        tokio::task::spawn_local(signing_turns(Rc::clone(&worker)));
        let mut sweep = tokio::time::interval(worker.limits().sweep.max(Duration::from_millis(1)));
        // A worker that was held up does not make its clients pay.
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = sweep.tick() => worker.sweep(),
                _ = stop.changed() => break,
            }
        }
        // No sender left: the server was dropped, and nobody waits.
        let until = stop.borrow().unwrap_or_else(Instant::now);
        worker.deadlines.drain();
        while worker.is_busy() {
            tokio::select! {
                _ = sweep.tick() => worker.sweep(),
                () = worker.less_busy.notified() => {}
                () = tokio::time::sleep_until(until.into()) => break,
            }
        }
        worker.deadlines.count()
    })
}

/// A few signatures, then everybody else; and again, for as long as somebody waits for a signature.
async fn signing_turns(worker: Rc<Worker>) {
    let turns = worker.recent().turns();
    loop {
        turns.exhausted().await;
        worker.clock.begin_turn();
        // Comes back when the sockets have been looked at, and what was ready has run.
        tokio::task::yield_now().await;
        turns.begin();
    }
}

/// What the connections of one thread share.
pub(crate) struct Worker {
    limits: Limits,
    holder: PortHolder,
    exchanges: Option<ExchangeSender>,
    request_log: Option<RequestSampler>,
    endpoint_paths: EndpointPaths,
    trusted: TrustedPeers,
    clock: TurnClock,
    responder: RefCell<CurrentResponder>,
    deadlines: Rc<Deadlines>,
    admission: Arc<Admission>,
    counts: Arc<WorkerCounts>,
    date: RefCell<DateHeader>,
    recent: RecentAnswers,
    durations: DurationSampler,
    #[expect(
        clippy::vec_box,
        reason = "lent as one pointer, twice for each request"
    )]
    scratch: RefCell<Vec<Box<Scratch>>>,
    accept_loops: Cell<usize>,
    less_busy: Notify,
}

impl Worker {
    fn new(shared: Shared, turn: Turn) -> Worker {
        let Shared {
            responder,
            clock,
            limits,
            holder,
            exchanges,
            request_log,
            endpoint_paths,
            trusted,
            patience,
            admission,
            counts,
            durations,
        } = shared;
        let clock = TurnClock::new(clock, turn);
        let date = DateHeader::new(clock.now());
        let recent = RecentAnswers::new(RECENT_BYTES_MAX, Arc::clone(&counts.answers))
            .with_turns(patience, Arc::clone(&counts.turns_of_signing));
        Worker {
            limits,
            holder,
            exchanges,
            request_log: request_log.map(RequestSampler::new),
            endpoint_paths,
            trusted,
            clock,
            responder: RefCell::new(CurrentResponder::new(responder)),
            deadlines: Rc::new(Deadlines::new(&limits)),
            admission,
            counts,
            date: RefCell::new(date),
            recent,
            durations: DurationSampler::new(durations),
            scratch: RefCell::new(Vec::new()),
            accept_loops: Cell::new(0),
            less_busy: Notify::new(),
        }
    }

    /// Serves a new connection, if the caps allow one more.  `phase` is what it begins with: [`Phase::Request`] if octets
    /// are known to wait.
    pub(crate) fn serve(self: &Rc<Self>, stream: TcpStream, peer: SocketAddr, phase: Phase) {
        let Some(permit) = self.admission.admit(self.trusted.peer(peer.ip())) else {
            self.counts.connections_refused.add(1);
            return;
        };
        self.counts.connections.add(1);
        // Before its task first runs: a drain that begins in between must find it.
        let watched = self.deadlines.watch(phase);
        let worker = Rc::clone(self);
        tokio::task::spawn_local(async move {
            connection::serve(stream, peer.ip(), Rc::clone(&worker), permit, watched).await;
            worker.less_busy.notify_one();
        });
    }

    fn sweep(&self) {
        self.counts.turns.add(1);
        self.clock.begin_turn();
        let made_room = self.deadlines.sweep(self.admission.crowd());
        self.counts.connections_crowded_out.add(made_room);
        // An idle worker must not be the one that keeps an old configuration in memory.
        self.responder.borrow_mut().refresh();
    }

    /// One more loop that accepts, until what is returned is dropped.
    pub(crate) fn begin_accepting(self: &Rc<Self>) -> Accepting {
        self.accept_loops.set(self.accept_loops.get() + 1);
        Accepting {
            worker: Rc::clone(self),
        }
    }

    /// Who else has the port.
    pub(crate) fn holder(&self) -> PortHolder {
        self.holder
    }

    /// The server stops: every connection is to finish.
    pub(crate) fn drain(&self) {
        self.deadlines.drain();
    }

    fn is_busy(&self) -> bool {
        self.accept_loops.get() > 0 || self.deadlines.count() > 0
    }

    /// The server stops.
    pub(crate) fn is_draining(&self) -> bool {
        self.deadlines.is_draining()
    }

    /// The bounds.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whom a path names.
    pub(crate) fn endpoint<'a>(&self, path: &'a [u8]) -> Endpoint<'a> {
        self.endpoint_paths.endpoint(path)
    }

    /// Whom a request is counted for.
    pub(crate) fn client(&self, peer: IpAddr, request_head: &[u8]) -> Client {
        self.trusted
            .client(peer, || head::values(request_head, CLIENT_HEADER))
    }

    /// Somebody reads exchanges.
    pub(crate) fn is_overheard(&self) -> bool {
        self.exchanges.is_some()
    }

    /// Tells whoever reads exchanges, if somebody does, of one more.
    pub(crate) fn note_exchange(&self, request: &[u8], answer: &Answer) {
        if let Some(exchanges) = &self.exchanges {
            exchanges.send(request, answer);
        }
    }

    /// The same, of an answer that was given before.
    pub(crate) fn note_recent_exchange(&self, request: &[u8], answer: &RecentAnswer) {
        if self.is_overheard() {
            self.note_exchange(request, &Answer::Signed(answer.response().clone()));
        }
    }

    /// Whether this request is to be recorded; once for each.
    pub(crate) fn is_recorded(&self) -> bool {
        self.request_log
            .as_ref()
            .is_some_and(RequestSampler::is_turn)
    }

    /// Records it.
    pub(crate) fn record(&self, record: RequestRecord, peer: IpAddr) {
        if let Some(log) = &self.request_log {
            log.send(record, peer);
        }
    }

    /// The wall time, as of this turn of the loop.
    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    /// The responder in use, for one request: a later swap does not touch it.
    pub(crate) fn responder(&self) -> Rc<ResponderInUse> {
        self.responder.borrow_mut().refresh()
    }

    /// What is counted.
    pub(crate) fn counts(&self) -> &WorkerCounts {
        &self.counts
    }

    /// The answers that this worker gave last.
    pub(crate) fn recent(&self) -> &RecentAnswers {
        &self.recent
    }

    /// Measures some of the answers.
    pub(crate) fn durations(&self) -> &DurationSampler {
        &self.durations
    }

    /// Writes the Date header of `now`.
    pub(crate) fn write_date(&self, head: &mut Vec<u8>, now: Time) {
        self.date.borrow_mut().write(head, now);
    }

    /// Scratch space, for as long as there are octets of a client.  It is given back with [`give_back`](Worker::give_back), or
    /// lost with its connection.
    pub(crate) fn lend(&self) -> Box<Scratch> {
        self.scratch.borrow_mut().pop().unwrap_or_default()
    }

    /// The next request can use it again.
    pub(crate) fn give_back(&self, scratch: Box<Scratch>) {
        let mut spare = self.scratch.borrow_mut();
        if spare.len() < SPARE_SCRATCH_MAX && scratch.is_worth_keeping() {
            spare.push(scratch);
        }
    }
}

/// The newest responder that a worker has seen.
struct CurrentResponder {
    cache: Cache<Arc<ArcSwap<Responder>>, Arc<Responder>>,
    in_use: Rc<ResponderInUse>,
}

impl CurrentResponder {
    fn new(responder: Arc<ArcSwap<Responder>>) -> CurrentResponder {
        let in_use = Rc::new(ResponderInUse {
            responder: responder.load_full(),
        });
        CurrentResponder {
            cache: Cache::new(responder),
            in_use,
        }
    }

    fn refresh(&mut self) -> Rc<ResponderInUse> {
        let newest = self.cache.load();
        if !Arc::ptr_eq(newest, &self.in_use.responder) {
            self.in_use = Rc::new(ResponderInUse {
                responder: Arc::clone(newest),
            });
        }
        Rc::clone(&self.in_use)
    }
}

/// One worker's share of a responder: requests count themselves here, and threads do not fight over one count.
pub(crate) struct ResponderInUse {
    responder: Arc<Responder>,
}

impl Deref for ResponderInUse {
    type Target = Responder;
    fn deref(&self) -> &Responder {
        &self.responder
    }
}

/// Buffers that a worker keeps for later.
const SPARE_SCRATCH_MAX: usize = 64;

/// An accept loop that has not ended.
pub(crate) struct Accepting {
    worker: Rc<Worker>,
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.worker
            .accept_loops
            .set(self.worker.accept_loops.get() - 1);
        self.worker.less_busy.notify_one();
    }
}
