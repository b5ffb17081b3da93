//! What the admin pages are made from.  From: `serve`, which says how far the program is, and the control thread, which
//! publishes what it knows of the issuers after each look.  To: `snapshot`, `metrics`, `/readyz`.
//!
//! Whole values are swapped in and read without a lock.  What a request could see (tables, signers) is read from the
//! issuers themselves, so that a page is as new as an answer; only in the middle of a reload it may still show an issuer that
//! has just been replaced.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, ArcSwapOption};
use ocspry_core::{Clock, Issuer, Refusal, RevokedSerials};
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;

use super::problem_log::{LoggedProblem, ProblemLog};
use super::program::{ProcessUsage, ProgramCounts, Reload, ReloadResult, StateKept};
use super::request_history::{RequestHistories, Requests};
use crate::server::ServerMeter;

/// Shared by the program and its admin listener.
pub struct AdminState {
    /// Of the program.
    pub(crate) version: &'static str,
    pub(crate) started_at: Time,
    started: Instant,
    clock: Arc<dyn Clock>,
    pub(crate) crl_number: fn(&[u8]) -> String,
    usage: fn() -> ProcessUsage,
    counts: Arc<ProgramCounts>,
    last_reload: ArcSwapOption<Reload>,
    state_kept: OnceLock<StateKept>,
    server: OnceLock<ServerMeter>,
    issuers: ArcSwap<Vec<IssuerReport>>,
    is_stopping: AtomicBool,
    /// Of the last hour.
    requests: Mutex<RequestHistories>,
    /// Of the last while.
    problems: Mutex<ProblemLog>,
}

/// What the control thread knows of one issuer.
#[derive(Clone)]
pub struct IssuerReport {
    /// The issuer that requests meet.
    pub issuer: Arc<Issuer>,
    /// Where its list comes from.
    pub source_path: String,
    /// What keeps the newest list from being used or kept.
    pub source_problem: Option<Problem>,
    /// When the sources were last looked at and nothing of that kind was found.
    pub source_success: Option<Time>,
    /// What keeps the newest certificate and key from being used.
    pub signer_problem: Option<Problem>,
    /// What is wrong with what the state directory keeps of it.
    pub state_problem: Option<Problem>,
    /// Where its status comes from, in the order of the configuration.
    pub sources: Vec<SourceReport>,
    /// The CRLs in use, complete ones each before its delta.
    pub lists: Vec<ListReport>,
    /// Why certificates that no list names get `tryLater`, if they do.
    pub unproven: Option<String>,
    /// What the guard holds until the operator accepts it.
    pub holds: Vec<HoldReport>,
    /// Entries that one complete list had and the next had not, since the start.
    pub vanished_count: u64,
}

/// One configured source.
#[derive(Clone, Debug)]
pub struct SourceReport {
    /// The key that names it in the configuration.
    pub kind: &'static str,
    /// The file, directory or URL.
    pub name: String,
    /// What is wrong with it, the first of it in a directory.
    pub problem: Option<Problem>,
    /// How much is wrong with it.
    pub problem_count: usize,
    /// When its URL last had a list for us, or said that it is still the same; None for files, and before the first time.
    pub last_fetch: Option<Time>,
    /// Where the deltas are fetched that its lists name.
    pub deltas: Vec<NamedDeltaReport>,
    /// Of a ledger, how far it is followed.
    pub ledger: Option<LedgerMeter>,
    /// Of an overlay, what it revokes; None before it was read.
    pub overlay: Option<OverlayReport>,
}

/// What an overlay revokes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OverlayReport {
    /// Serials that it names.
    pub serial_count: usize,
    /// What it says of every certificate of the issuer, if it does.
    pub all: Option<RevokedInfo>,
}

/// Something that the guard holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldReport {
    /// The file or URL that it is about.
    pub place: String,
    /// What, for people.
    pub what: String,
}

/// Tells how far a ledger is followed, when asked.
#[derive(Clone)]
pub struct LedgerMeter {
    look: Arc<dyn Fn() -> Option<LedgerLook> + Send + Sync>,
}

/// The last look at a ledger that succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerLook {
    /// The last fact that was there.
    pub sequence: u64,
    /// When that was.
    pub time: Time,
}

impl LedgerMeter {
    /// `look` is called by the pages, and waits for nothing.
    pub fn new(look: impl Fn() -> Option<LedgerLook> + Send + Sync + 'static) -> LedgerMeter {
        let look = Arc::new(look);
        LedgerMeter { look }
    }

    /// None before the first one.
    pub(crate) fn last_look(&self) -> Option<LedgerLook> {
        (self.look)()
    }
}

impl fmt::Debug for LedgerMeter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.last_look().fmt(formatter)
    }
}

/// A place of deltas that a CRL names.
#[derive(Clone, Debug)]
pub struct NamedDeltaReport {
    /// The URL.
    pub url: String,
    /// As of a source.
    pub last_fetch: Option<Time>,
    /// What is wrong with it: the issuer answers on.
    pub problem: Option<Problem>,
}

/// One CRL in use.
#[derive(Clone, Debug)]
pub struct ListReport {
    /// The file or URL that it comes from.
    pub place: String,
    /// It is the last good copy of what was there.
    pub is_last_good: bool,
    /// It says what changed since a complete list.
    pub is_delta: bool,
    /// Which certificates it is about, for people.
    pub scope: String,
    /// cRLNumber for people.
    pub number: Option<String>,
    /// Of the list itself.
    pub this_update: Time,
    /// Of the list itself, or what counts for it.
    pub next_update: Time,
    /// Revoked serials.
    pub entry_count: usize,
    /// What was tolerated in it, by name.
    pub defects: Vec<(&'static str, u64)>,
    /// What it says of serials, as long as it is in use.
    pub serials: Weak<RevokedSerials>,
}

/// What is wrong, and since when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// One line: what and where.
    pub message: String,
    /// Seen first then.
    pub since: Time,
}

/// Why nobody should be sent here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    Starting,
    Stopping,
    /// No issuer can answer; for each, why.
    NoIssuer(Vec<(String, Refusal)>),
}

impl AdminState {
    /// The program starts.  `crl_number` writes a cRLNumber's octets for people.
    pub fn new(
        version: &'static str,
        clock: Arc<dyn Clock>,
        crl_number: fn(&[u8]) -> String,
    ) -> AdminState {
        AdminState {
            version,
            started_at: clock.now(),
            started: Instant::now(),
            clock,
            crl_number,
            usage: ProcessUsage::default,
            counts: Arc::default(),
            last_reload: ArcSwapOption::empty(),
            state_kept: OnceLock::new(),
            server: OnceLock::new(),
            issuers: ArcSwap::default(),
            is_stopping: AtomicBool::new(false),
            requests: Mutex::default(),
            problems: Mutex::default(),
        }
    }

    /// What happened; whoever writes lines counts there those that were not written.
    pub fn counts(&self) -> &Arc<ProgramCounts> {
        &self.counts
    }

    /// `usage` asks the kernel what the process uses, whenever somebody wants to know.
    pub fn with_usage(self, usage: fn() -> ProcessUsage) -> AdminState {
        AdminState { usage, ..self }
    }

    /// Where state is kept; only the first call counts.
    pub fn keeps(&self, state_kept: StateKept) {
        let _ = self.state_kept.set(state_kept);
    }

    /// Everything was read again; `reasons` say why it was refused, if it was.
    pub fn reloaded(&self, result: ReloadResult, reasons: Vec<String>) {
        self.counts.reloaded(result);
        self.last_reload.store(Some(Arc::new(Reload {
            time: self.now(),
            result,
            reasons,
        })));
    }

    /// The clock was set.
    pub fn clock_stepped(&self) {
        self.counts.clock_stepped();
    }

    /// These are the issuers now; the control thread says so after each look.
    pub fn publish(&self, issuers: Vec<IssuerReport>) {
        self.issuers.store(Arc::new(issuers));
        self.note_problems();
    }

    /// The OCSP listener runs: the start is over.  Only the first call counts.
    pub fn serving(&self, server: ServerMeter) {
        let _ = self.server.set(server);
    }

    /// The program ends: load balancers are to look elsewhere.
    pub fn stopping(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> Time {
        self.clock.now()
    }

    pub(crate) fn usage(&self) -> ProcessUsage {
        (self.usage)()
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Takes down what is wrong now; lists end, too, while nobody looks at files.
    pub(crate) fn note_problems(&self) {
        let issuers = self.issuers();
        let reload = self.last_reload();
        let now = self.now();
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.note(&issuers, reload.as_deref(), now);
    }

    /// What was wrong lately, the newest first.
    pub(crate) fn problems(&self) -> Vec<LoggedProblem> {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.newest_first().cloned().collect()
    }

    /// Takes down how many requests there were: to be called once a minute.
    pub(crate) fn end_minute(&self) {
        let issuers = self.issuers();
        let counts = issuers.iter().map(|report| report.issuer.counts());
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.end_minute(self.server(), counts);
    }

    /// Requests to the server, and about the certificates of each of these issuers.
    pub(crate) fn requests(&self, issuers: &[IssuerReport]) -> (Requests, Vec<Requests>) {
        let requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let of_issuer = |report: &IssuerReport| requests.of_issuer(report.issuer.counts());
        (
            requests.of_server(self.server()),
            issuers.iter().map(of_issuer).collect(),
        )
    }

    /// None before the first one.
    pub(crate) fn last_reload(&self) -> Option<Arc<Reload>> {
        self.last_reload.load_full()
    }

    /// None while that is not known yet.
    pub(crate) fn state_kept(&self) -> Option<&StateKept> {
        self.state_kept.get()
    }

    pub(crate) fn issuers(&self) -> Arc<Vec<IssuerReport>> {
        self.issuers.load_full()
    }

    /// None while starting.
    pub(crate) fn server(&self) -> Option<&ServerMeter> {
        self.server.get()
    }

    /// One issuer that can answer is enough: replicas share a stale list, and a load balancer must not take them all out
    /// (design.md §7).
    pub(crate) fn readiness(&self, issuers: &[IssuerReport], now: Time) -> Result<(), NotReady> {
        if self.is_stopping.load(Ordering::Relaxed) {
            return Err(NotReady::Stopping);
        }
        if self.server.get().is_none() {
            return Err(NotReady::Starting);
        }
        let mut reasons = Vec::new();
        for report in issuers {
            match report.issuer.can_answer(now) {
                Ok(()) => return Ok(()),
                Err(refusal) => reasons.push((report.issuer.name().to_owned(), refusal)),
            }
        }
        Err(NotReady::NoIssuer(reasons))
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotReady::Starting => formatter.write_str("starting"),
            NotReady::Stopping => formatter.write_str("stopping"),
            NotReady::NoIssuer(reasons) => {
                formatter.write_str("no issuer can answer")?;
                for (name, refusal) in reasons {
                    write!(formatter, "; {name}: {refusal}")?;
                }
                Ok(())
            }
        }
    }
}
