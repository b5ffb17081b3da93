//! Configuration to running parts: the one file that knows every crate.  From: `config`.  To: `control`, and
//! through the responder to the data plane.
//!
//! Every issuer is built whole, with its list and its credential, before any request can see it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use ocspry_core::{Clock, Issuer, IssuerSet, PoolLimits, Responder, SigningPool};
use ocspry_source::fetch::{FetchLimits, Fetcher};
use ocspry_source::{
    Downloads, FreshestCrl, ListSource, Refresher, Report, SourceError, StateDirectory,
    StatusSource,
};
use ocspry_wire::Time;

use crate::clock_watch;
use crate::config::{Config, ConfigError, IssuerConfig, Place, StateChoice};
use crate::control::Bell;
use crate::credential_files::{CredentialReport, PairError, PairWarning};
use crate::credentials::Credentials;
use crate::issuer_report::Problems;
use crate::ledger_feed::LedgerFeed;
use crate::load_bar;
use crate::managed_responder::Awaited;
use crate::stage::Stages;

/// What one configuration became.
pub(crate) struct Assembly {
    /// Answers for all issuers.
    pub(crate) responder: Responder,
    /// The same issuers with what keeps them up to date, in the order of the configuration.
    pub(crate) issuers: Vec<RunningIssuer>,
    /// What was learned on the way, to be logged or printed, in the same order.
    pub(crate) first_looks: Vec<FirstLook>,
    /// The ledger that some of them are fed from; its thread is not started yet.
    pub(crate) ledger: Option<LedgerFeed>,
}

/// One issuer and what keeps it up to date.
pub(crate) struct RunningIssuer {
    /// What it was made from.
    pub(crate) config: IssuerConfig,
    /// What the data plane reads.
    pub(crate) issuer: Arc<Issuer>,
    /// Follows its sources.
    pub(crate) refresher: Refresher,
    /// Follows certificate and key.
    pub(crate) credentials: Credentials,
    /// How far list and signer are through their time, as last said.
    pub(crate) told: Stages,
    /// When its sources were looked at.
    pub(crate) looked: Time,
    /// What was wrong at the last look, for the admin listener.
    pub(crate) problems: Problems,
}

impl RunningIssuer {
    /// It has a list and a key.  (The list may be over, or the certificate: then it answers `tryLater` until they are renewed.)
    pub(crate) fn can_answer(&self) -> bool {
        self.issuer.table().is_some() && self.issuer.credential().is_some()
    }

    /// And the time of its certificate has come, and is not over.
    pub(crate) fn can_answer_at(&self, now: Time) -> bool {
        self.issuer.table().is_some()
            && self.issuer.credential().is_some_and(|credential| {
                (credential.not_before()..=credential.not_after()).contains(&now)
            })
    }
}

/// What the first look at an issuer's files led to.
#[derive(Debug)]
pub(crate) struct FirstLook {
    /// At the sources.
    pub(crate) reports: Vec<Report>,
    /// At certificate and key.
    pub(crate) pair: PairLook,
}

/// What became of certificate and key.
#[derive(Debug)]
pub(crate) enum PairLook {
    /// They are in use.
    InUse(Vec<PairWarning>),
    /// They are not.
    Refused(PairError),
    /// They are to come.
    Awaited(Awaited),
}

impl FirstLook {
    /// Why the issuer cannot answer, with the place of the cause; a list from the future is no cause, but a reason to
    /// wait, and so are one that is being fetched and a certificate that the CA is to sign.
    pub(crate) fn causes(&self, running: &RunningIssuer) -> Vec<(Place, String)> {
        let config = &running.config;
        let mut causes: Vec<(Place, String)> = running
            .refresher
            .problems()
            .into_iter()
            .map(|problem| {
                let source = problem.source.and_then(|index| config.sources.get(index));
                let place = source.map_or(&config.status_place, |source| &source.place);
                (place.clone(), problem.error.to_string())
            })
            .collect();
        match &self.pair {
            PairLook::InUse(_) | PairLook::Awaited(_) => {}
            PairLook::Refused(error) => {
                causes.push((config.responder_place.clone(), error.to_string()))
            }
        }
        causes
    }
}

/// Builds all issuers of a configuration.
///
/// # Errors
/// Issuers that no request could tell apart.
pub(crate) fn assemble(
    config: &Config,
    state: Option<&Arc<StateDirectory>>,
    downloads: Option<&Downloads>,
    pool: &Arc<SigningPool>,
    now: Time,
) -> Result<Assembly, ConfigError> {
    let ledger = LedgerFeed::open(config, state, now);
    let (issuers, first_looks): (Vec<RunningIssuer>, Vec<FirstLook>) = config
        .issuers
        .iter()
        .map(|config| build(config, state, downloads, ledger.as_ref(), &[], now))
        .unzip();
    Ok(Assembly {
        responder: Responder::new(issuer_set(issuers.iter())?, Arc::clone(pool)),
        issuers,
        first_looks,
        ledger,
    })
}

/// Builds one issuer.  If the same CA runs already, it hands its table on, so that its time never goes backwards and a
/// list that became unreadable stays in use; and its credential, if that comes from the same files.
pub(crate) fn build(
    config: &IssuerConfig,
    state: Option<&Arc<StateDirectory>>,
    downloads: Option<&Downloads>,
    ledger: Option<&LedgerFeed>,
    running: &[RunningIssuer],
    now: Time,
) -> (RunningIssuer, FirstLook) {
    let issuer = Issuer::new(
        config.name.clone(),
        config.certificate.clone(),
        config.policy.clone(),
    )
    .with_chain(config.chain.clone())
    .also_enclosing(config.enclosed.clone());
    let named = |issuer: Issuer, name: &Vec<u8>| issuer.also_named(name);
    let mut issuer = config.other_names.iter().fold(issuer, named);
    let before = running
        .iter()
        .find(|running| running.issuer.identity() == issuer.identity());
    if let Some(before) = before {
        issuer.continue_from(&before.issuer);
    }
    let issuer = Arc::new(issuer);
    if let Some(state) = state {
        clock_watch::remember(state, &issuer);
    }
    let mut refresher = Refresher::new(
        Arc::clone(&issuer),
        config.status_sources(),
        state.map(Arc::clone),
        downloads,
    );
    // The issuer may yet be refused, and then leaves nothing behind.
    refresher.keep_when_told();
    if let Some(before) = before {
        refresher.carry_over(&before.refresher);
        if before.config.responder == config.responder
            && let Some(credential) = before.issuer.credential()
        {
            // Put together again: what answers repeat depends on the issuer's policy.
            let again = credential.again_for(&issuer);
            issuer.set_credential(again.ok().map(Arc::new));
        }
    }
    if let Some(ledger) = ledger {
        ledger.attach(config, &refresher);
    }
    if running.is_empty() {
        // Nothing runs yet: somebody may sit at a terminal and wait.
        refresher.show_loads(Some(load_bar::of_each()));
    }
    let reports = refresher.refresh(now);
    refresher.show_loads(None);
    let joint = refresher.joint();
    let mut credentials =
        Credentials::new(&config.responder, &issuer, joint, state.map(Arc::as_ref));
    let pair = match credentials.refresh(now) {
        CredentialReport::Swapped { warnings } => PairLook::InUse(warnings),
        CredentialReport::Unchanged | CredentialReport::Recovered => PairLook::InUse(Vec::new()),
        CredentialReport::Refused { error, attempts: _ } => PairLook::Refused(error),
        CredentialReport::Awaits(awaited) => PairLook::Awaited(awaited),
    };
    let running = RunningIssuer {
        config: config.clone(),
        issuer,
        refresher,
        credentials,
        told: Stages::UNTOLD,
        looked: now,
        problems: Problems::default(),
    };
    (running, FirstLook { reports, pair })
}

/// What a responder answers for.
///
/// # Errors
/// Two of them are the same CA.
pub(crate) fn issuer_set<'a>(
    issuers: impl Iterator<Item = &'a RunningIssuer>,
) -> Result<IssuerSet, ConfigError> {
    let issuers = issuers.map(|running| Arc::clone(&running.issuer));
    Ok(IssuerSet::new(issuers.collect())?)
}

/// Starts the thread that fetches lists, if there may be one to fetch; what is fetched lies in the state directory
/// until it is judged, or, without one, among temporary files.
///
/// # Errors
/// No thread, no sockets, or the directory cannot be made.
pub(crate) fn start_downloads(
    config: &Config,
    state: Option<&StateDirectory>,
    bell: &Bell,
    clock: &Arc<dyn Clock>,
) -> io::Result<Option<Downloads>> {
    if !config.issuers.iter().any(is_fetching) {
        return Ok(None);
    }
    let directory = match state {
        Some(state) => state.download_directory()?,
        None => std::env::temp_dir(),
    };
    let bell = bell.clone();
    Ok(Some(Downloads {
        fetcher: Arc::new(Fetcher::start(FetchLimits::DEFAULT, Arc::clone(clock))?),
        directory,
        wake: Arc::new(move || bell.ask_for_look()),
    }))
}

/// It names a URL, or its lists may.
fn is_fetching(issuer: &IssuerConfig) -> bool {
    issuer.sources.iter().any(|source| match &source.source {
        StatusSource::Lists(ListSource::Url(_)) => true,
        StatusSource::Lists(ListSource::File(_) | ListSource::Directory(_)) => {
            issuer.freshest_crl == FreshestCrl::AllLists
        }
        StatusSource::Issued(_) | StatusSource::Overlay(_) | StatusSource::Ledger(_) => false,
    })
}

/// Opens the state directory.  One that was found in the environment and cannot be used is a warning, not an end.
///
/// # Errors
/// The directory that the operator named cannot be used.
pub(crate) fn open_state(
    choice: &StateChoice,
) -> Result<(Option<Arc<StateDirectory>>, Option<SourceError>), SourceError> {
    match choice {
        StateChoice::Named(path) => Ok((Some(Arc::new(StateDirectory::open(path)?)), None)),
        StateChoice::Default(path) => Ok(match StateDirectory::open(path) {
            Ok(state) => (Some(Arc::new(state)), None),
            Err(error) => (None, Some(error)),
        }),
        StateChoice::Nowhere => Ok((None, None)),
    }
}

/// Threads for slow keys (RSA): as many as processors, since each of them computes, and one more, so that a key that hangs
/// does not hold all that there are.
///
/// # Errors
/// The kernel gave no thread.
pub(crate) fn start_signing_pool(
    processors: usize,
    patience: Duration,
) -> io::Result<Arc<SigningPool>> {
    let limits = PoolLimits {
        threads: processors + 1,
        waiting_max: SIGNING_QUEUE_MAX,
        patience,
    };
    SigningPool::start(limits, yield_to_workers)
}

/// The workers come first, so that cached answers do, and while they need all processors no signature is handed over
/// to be made elsewhere.
fn yield_to_workers() {
    // Nothing is wrong with an answer where the kernel does not allow it.
    let _ = rustix::process::setpriority_process(None, SIGNING_NICENESS);
}

/// A tenth of a worker's share of a processor that both want.
const SIGNING_NICENESS: i32 = 10;
/// Most that wait for one key, however fast it is.
const SIGNING_QUEUE_MAX: usize = 512;
