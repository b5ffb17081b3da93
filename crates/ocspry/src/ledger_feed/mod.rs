//! Follows the ledger for the issuers that are fed from it.  From: the ledger's file, which others write, and the
//! configuration.  To: the issuers' tables, at once; to `control`, when something is wrong or right again; and to the state
//! directory, which knows after a restart how far the ledger was seen and what it had revoked.
//!
//! One thread of its own looks: no list that is being loaded holds up a revocation.  It polls, which costs some microseconds a
//! time while nothing changes; a ledger that cannot be read changes nothing, and is tried again less often.  What waits for a
//! disk is the work of another one, once a second (`beside.rs`).

mod beside;
mod following;
mod kept;
mod published;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ocspry_core::{ArchiveCutoff, Clock};
use ocspry_ledger::{FollowPolicy, LedgerError, LedgerPlace};
use ocspry_source::{KeptLedger, Refresher, SourceError, StateDirectory};
use ocspry_wire::Time;

use crate::config::{Config, IssuerConfig, LedgerConfig};
use crate::control::Bell;
use crate::signals::EndProcessOnPanic;
use beside::Beside;
use following::Following;

/// The ledger of one configuration, followed.
#[derive(Clone)]
pub(crate) struct LedgerFeed {
    shared: Arc<Shared>,
}

struct Shared {
    subject: Subject,
    following: Mutex<Following>,
    beside: Mutex<Beside>,
    is_stopped: AtomicBool,
}

/// What is followed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Subject {
    config: LedgerConfig,
    /// The CAs, by their names in the ledger.
    names: Vec<String>,
    policy: FollowPolicy,
}

/// Why an issuer is not fed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LedgerProblem {
    /// The ledger cannot be read, or may not be used.
    #[error("{0}")]
    Ledger(LedgerError),
    /// It has no such CA.
    #[error(
        "{place}: has no CA named {name}: check `ledger` of this issuer, or make that CA; it is taken when it is there"
    )]
    NoSuchCa { place: LedgerPlace, name: String },
    /// It has another one of that name.
    #[error(
        "{place}: CA {name} has another name or key than the certificate of this issuer: name the CA that the certificate belongs to"
    )]
    AnotherCa { place: LedgerPlace, name: String },
}

/// Why the ledger is not followed by another configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTakenOver {
    /// It would know less than what is in use.
    #[error("{0}")]
    Behind(SourceError),
    /// The kernel gave no thread.
    #[error("its thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

impl LedgerProblem {
    /// For whoever knows sources only.
    fn as_source(&self) -> SourceError {
        SourceError::Ledger(Arc::new(self.clone()))
    }
}

impl LedgerFeed {
    /// For all issuers of a configuration that name a CA of its ledger; None when there is none.  It has looked once when
    /// this returns; what it found is with the issuers once they are [attached](LedgerFeed::attach).
    pub(crate) fn open(
        config: &Config,
        state: Option<&Arc<StateDirectory>>,
        now: Time,
    ) -> Option<LedgerFeed> {
        let subject = Subject::of(config)?;
        let fed = config.issuers.iter();
        let fed = fed.filter_map(|issuer| Some((issuer.name_in_ledger()?, issuer)));
        let kept = fed.filter_map(|(name, issuer)| {
            let identity = kept::identity_of(issuer);
            Some((name.to_owned(), state?.ledger(&identity)))
        });
        let kept: BTreeMap<String, KeptLedger> = kept.collect();
        let beside = Beside::new(&subject.config, &kept);
        let mut following = Following::new(&subject, kept);
        following.look_first(now);
        Some(LedgerFeed {
            shared: Arc::new(Shared {
                subject,
                beside: Mutex::new(beside),
                following: Mutex::new(following),
                is_stopped: AtomicBool::new(false),
            }),
        })
    }

    /// It is what this configuration asks for; None and None are the same, too.
    pub(crate) fn is_for(feed: Option<&LedgerFeed>, config: &Config) -> bool {
        feed.map(|feed| &feed.shared.subject) == Subject::of(config).as_ref()
    }

    /// From here on this issuer is fed, as long as its refresher lives; what is known is in its table when this returns,
    /// or will be at its first look at the other sources.
    pub(crate) fn attach(&self, config: &IssuerConfig, refresher: &Refresher) {
        if let Some(name) = config.name_in_ledger() {
            self.following().attach(name, refresher.joint());
        }
    }

    /// Starts its threads in the place of `old`, and feeds those that stay, too.  What it hands out is no older than what
    /// `old` did, which waits meanwhile, and then hands out nothing any more.
    ///
    /// # Errors
    /// What `old` has read cannot be read now; the kernel gave no thread.  Then `old` goes on.
    pub(crate) fn take_over<'a>(
        &self,
        old: Option<&LedgerFeed>,
        kept: impl Iterator<Item = (&'a IssuerConfig, &'a Refresher)>,
        clock: &Arc<dyn Clock>,
        bell: &Bell,
    ) -> Result<(), NotTakenOver> {
        let mut before = old.map(LedgerFeed::following);
        self.following()
            .go_on_from(before.as_deref(), clock.now())
            .map_err(NotTakenOver::Behind)?;
        self.start(Arc::clone(clock), bell.clone())
            .inspect_err(|_| self.stop())?;
        for (config, refresher) in kept {
            self.attach(config, refresher);
        }
        if let Some(before) = &mut before {
            before.end();
        }
        Ok(())
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// The kernel gave none.
    pub(crate) fn start(&self, clock: Arc<dyn Clock>, bell: Bell) -> io::Result<()> {
        let feed = self.clone();
        thread::Builder::new()
            .name("ocspry-ledger-io".to_owned())
            .spawn(move || {
                let _end = EndProcessOnPanic;
                while !feed.is_stopped() {
                    thread::park_timeout(BESIDE_INTERVAL);
                    feed.work_beside();
                }
            })?;
        let feed = self.clone();
        thread::Builder::new()
            .name("ocspry-ledger".to_owned())
            .spawn(move || {
                let _end = EndProcessOnPanic;
                while !feed.is_stopped() {
                    let looked = feed.following().look(clock.now());
                    if looked.has_news_for_control {
                        bell.ask_for_look();
                    }
                    thread::park_timeout(looked.again_in);
                }
            })?;
        Ok(())
    }

    /// The operator lets go of what was seen, for one issuer; when all that are fed have been let go, an older ledger is taken
    /// again.
    pub(crate) fn forget(&self, config: &IssuerConfig) {
        if let Some(name) = config.name_in_ledger() {
            self.following().forget(name);
            self.beside().forget(name);
        }
    }

    /// Writes down how far it was followed, and follows no more.
    pub(crate) fn end(&self) {
        self.stop();
        self.work_beside();
        self.following().end();
    }

    fn stop(&self) {
        self.shared.is_stopped.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.shared.is_stopped.load(Ordering::Relaxed)
    }

    /// Reads and writes files, while the ledger is followed on.
    pub(crate) fn work_beside(&self) {
        let mut beside = self.beside();
        let snapshot = self.following().snapshot();
        beside.work(&snapshot);
    }

    fn beside(&self) -> MutexGuard<'_, Beside> {
        let beside = &self.shared.beside;
        beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whole after every step that matters: what a panic cut short ends the process.
    fn following(&self) -> MutexGuard<'_, Following> {
        self.shared
            .following
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Subject {
    fn of(config: &Config) -> Option<Subject> {
        let fed = || {
            let issuers = config.issuers.iter();
            issuers.filter(|issuer| issuer.name_in_ledger().is_some())
        };
        let mut names: Vec<String> = fed()
            .filter_map(|issuer| issuer.name_in_ledger())
            .map(str::to_owned)
            .collect();
        names.sort();
        names.dedup();
        if names.is_empty() {
            return None;
        }
        let is_archive =
            |issuer: &IssuerConfig| issuer.policy.archive_cutoff != ArchiveCutoff::None;
        Some(Subject {
            config: config.ledger.clone()?,
            names,
            policy: FollowPolicy {
                // An archive answers for certificates that have expired long ago.
                retention: FollowPolicy::DEFAULT
                    .retention
                    .filter(|_| !fed().any(is_archive)),
                ..FollowPolicy::DEFAULT
            },
        })
    }
}

/// What a look led to.
struct Looked {
    has_news_for_control: bool,
    again_in: Duration,
}

/// A revocation is seen this long after it is durable, at the latest.
const POLL: Duration = Duration::from_millis(10);
/// While the ledger cannot be read.
const POLL_FAILING: Duration = Duration::from_millis(250);
/// How often files are looked at and written.
const BESIDE_INTERVAL: Duration = Duration::from_secs(1);
