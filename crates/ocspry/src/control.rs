//! What happens while the responder runs: files change, time passes, signals come.  From: `signals`, the file watch, the
//! clock, and what the control socket asks for (`control/commands.rs`).  To: the issuers' slots and, on a reload, the
//! responder as a whole.
//!
//! One thread.  It may be slow and it may fail; the end of the process does not wait for it; requests read what was swapped in last and never wait for it.

mod commands;

use std::mem;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use ocspry_core::{Clock, Issuer, Responder};
use ocspry_http::{AdminState, ReloadResult};
use ocspry_source::{Downloads, FileWatch, StateDirectory};
use ocspry_wire::Time;
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use crate::assemble::{self, FirstLook, RunningIssuer};
use crate::audit::{AUDIT, AuditStream};
use crate::clock_watch::{CLOCK_INTERVAL, ClockWatch, Reading};
use crate::cmd::serve::notify;
use crate::config::{Config, ConfigOrigin, Environment, IssuerConfig, SourceConfig};
use crate::control_command::{QueuedCommand, Verdict};
use crate::credential_files::CredentialReport;
use crate::file_stamp::FileStamps;
use crate::ledger_feed::{LedgerFeed, NotTakenOver};
use crate::log_output::LogOutput;
use crate::time_text::utc_and_distance;
use crate::{issuer_report, report, stage};

/// Calls the control thread.  Any number of calls before it looks are one: a look finds all that changed.
#[derive(Clone, Debug)]
pub(crate) struct Bell {
    reload: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
    sender: SyncSender<()>,
}

impl Bell {
    /// A bell, and the side that hears it.
    pub(crate) fn new() -> (Bell, Receiver<()>) {
        let (sender, receiver) = sync_channel(1);
        let bell = Bell {
            reload: Arc::new(AtomicBool::new(false)),
            end: Arc::new(AtomicBool::new(false)),
            sender,
        };
        (bell, receiver)
    }

    /// Some followed file may have changed.
    pub(crate) fn ask_for_look(&self) {
        // Full: it will look anyway, and has not begun to.
        let _ = self.sender.try_send(());
    }

    /// Everything is to be read again.
    pub(crate) fn ask_for_reload(&self) {
        self.reload.store(true, Ordering::SeqCst);
        self.ask_for_look();
    }

    /// The control thread is to end once its look is over.
    pub(crate) fn ask_for_end(&self) {
        self.end.store(true, Ordering::SeqCst);
        self.ask_for_look();
    }

    /// A reload was asked for, and was not begun.
    fn takes_reload(&self) -> bool {
        self.reload.swap(false, Ordering::SeqCst)
    }
}

/// How soon a replaced responder is looked at again: workers let it go within a second.
const RETIREMENT_WAIT: Duration = Duration::from_secs(2);

/// How soon a certificate that `ca tick` has signed is in use.
const AWAITED_INTERVAL: Duration = Duration::from_secs(1);

/// Everything the control thread works with.
pub(crate) struct Control {
    /// Where the configuration is read from again.
    pub(crate) origin: ConfigOrigin,
    /// What the environment said at the start.
    pub(crate) environment: Environment,
    /// The configuration that sockets, log and state directory were opened by.
    pub(crate) config_at_start: Config,
    /// The configuration in use.
    pub(crate) config: Config,
    /// The time.
    pub(crate) clock: Arc<dyn Clock>,
    /// The log, opened again on SIGHUP.
    pub(crate) log: Arc<LogOutput>,
    /// For auditors.
    pub(crate) audit: AuditStream,
    /// Where last good lists are kept.
    pub(crate) state: Option<Arc<StateDirectory>>,
    /// Fetches lists; None when there is nowhere to put them.
    pub(crate) downloads: Option<Downloads>,
    /// The ledger that issuers are fed from, if there is one.
    pub(crate) ledger: Option<LedgerFeed>,
    /// What the workers answer with.
    pub(crate) responder: Arc<ArcSwap<Responder>>,
    /// The issuers of that responder.
    pub(crate) issuers: Vec<RunningIssuer>,
    /// For the file watch.
    pub(crate) bell: Bell,
    /// What the control socket asks for; the bell rings for each.
    pub(crate) commands: Receiver<QueuedCommand>,
    /// Rings until it is replaced.
    pub(crate) watch: FileWatch,
    /// The files whose change is a reload, as they were before they were read: the configuration and the CAs'
    /// certificates.
    pub(crate) structure: FileStamps,
    /// The files of the configuration that was refused last, as they were before they were read: a change of one is
    /// another try.
    pub(crate) refused: FileStamps,
    /// Responders that were replaced and that a worker may still hold.
    pub(crate) retired: Vec<Arc<Responder>>,
    /// Told of the issuers after each look.
    pub(crate) admin: Arc<AdminState>,
    /// Is the clock right?
    pub(crate) clock_watch: ClockWatch,
    /// When the files were looked at.
    pub(crate) looked: Instant,
}

impl Control {
    /// Works until it is asked to end.
    pub(crate) fn run(&mut self, calls: &Receiver<()>) {
        self.tell_stages(self.clock.now());
        // Answers came first: to copy a list of half a gigabyte takes a while.
        self.keep(self.clock.now());
        loop {
            let wait = self.wait(self.clock.now());
            let nap = wait.min(self.nap());
            let called = calls.recv_timeout(nap);
            let was_set = self.look_at_clock();
            match called {
                // Nobody can call any more: nothing is left to wait for.
                Err(RecvTimeoutError::Disconnected) => break,
                _ if self.bell.end.load(Ordering::SeqCst) => break,
                // It was time for the clock alone, and for certificates that may have come.
                Err(RecvTimeoutError::Timeout) if wait > nap && !was_set => self.take_awaited(),
                Ok(()) | Err(RecvTimeoutError::Timeout) => self.work(),
            }
            self.publish(self.clock.now());
            self.retired
                .retain(|responder| Arc::strong_count(responder) > 1);
        }
        let reading = Reading::take(self.clock.as_ref());
        self.clock_watch
            .end(reading, &self.issuers, self.state.as_deref());
        if let Some(ledger) = &self.ledger {
            ledger.end();
        }
    }

    /// What is in use is written to the state directory from here on.
    fn keep(&mut self, now: Time) {
        for running in &mut self.issuers {
            let reports = running.refresher.keep_now(now);
            report::sources(running, &reports, now);
        }
    }

    /// Compares the clocks; returns whether the wall clock was set.
    fn look_at_clock(&mut self) -> bool {
        let reading = Reading::take(self.clock.as_ref());
        let state = self.state.as_deref();
        let was_set = self.clock_watch.look(reading, &self.issuers, state);
        if was_set {
            self.admin.clock_stepped();
        }
        was_set
    }

    /// What a call may be about; any number of them may have become one.
    fn work(&mut self) {
        let mut is_reread = self.bell.takes_reload();
        if is_reread {
            self.reload_and_tell();
        }
        is_reread |= self.carry_out_commands();
        if !is_reread {
            self.look();
        }
    }

    /// Tells the admin listener what is known now.
    fn publish(&mut self, now: Time) {
        self.admin
            .publish(issuer_report::take(&mut self.issuers, now));
    }

    /// How long nothing needs to be looked at: the check interval, or less when something ends or begins before.
    fn wait(&self, now: Time) -> Duration {
        let soonest = self
            .issuers
            .iter()
            .flat_map(|running| {
                let wake = running.refresher.next_wake(now);
                let renewal = running.credentials.next_wake(now);
                wake.into_iter()
                    .chain(stage::next(running, now))
                    .chain(renewal)
            })
            .min();
        let seconds = soonest.map_or(u64::MAX, |time| {
            u64::try_from(time.seconds_since(now)).unwrap_or(0)
        });
        let interval = if self.retired.is_empty() {
            self.config.check_interval
        } else {
            RETIREMENT_WAIT
        };
        let interval = interval.saturating_sub(self.looked.elapsed());
        interval.min(Duration::from_secs(seconds.max(1)))
    }

    /// How long the clock, and the ledger where a certificate is awaited, need not be looked at.
    fn nap(&self) -> Duration {
        let mut issuers = self.issuers.iter();
        match issuers.any(|running| running.credentials.is_awaiting()) {
            true => AWAITED_INTERVAL,
            false => CLOCK_INTERVAL,
        }
    }

    /// Takes the certificates that were awaited and may have come, without a look at anything else.
    fn take_awaited(&mut self) {
        let now = self.clock.now();
        let has_news = |running: &&mut RunningIssuer| running.credentials.has_news();
        for running in self.issuers.iter_mut().filter(has_news) {
            look_at_pair(running, now);
            stage::tell(running, now);
        }
    }

    /// Looks at every followed file.
    fn look(&mut self) {
        self.looked = Instant::now();
        let structure = self.structure.again();
        let refused = self.refused.again();
        let changed = structure.changed_since(&self.structure).into_iter();
        if let Some(path) = changed.chain(refused.changed_since(&self.refused)).next() {
            info!(path = %path.display(), "changed: everything is read again");
            self.reload_and_tell();
            return;
        }
        let now = self.clock.now();
        for running in &mut self.issuers {
            look_at_sources(running, now);
            look_at_pair(running, now);
        }
        self.tell_stages(now);
    }

    /// Says it when a list or a certificate is nearly over, or over: each once.
    fn tell_stages(&mut self, now: Time) {
        for running in &mut self.issuers {
            stage::tell(running, now);
        }
    }

    /// Reloads between the words that systemd waits for.
    fn reload_and_tell(&mut self) -> Verdict {
        self.looked = Instant::now();
        match NotifyState::monotonic_usec_now() {
            Ok(monotonic) => notify(&[NotifyState::Reloading, monotonic]),
            Err(error) => warn!("the monotonic clock cannot be read: {error}"),
        }
        if let Err(error) = self.log.reopen() {
            error!("{error:#}");
        }
        let before: Vec<Arc<Issuer>> = self
            .issuers
            .iter()
            .map(|running| Arc::clone(&running.issuer))
            .collect();
        let reloaded = self.reload();
        // Whatever became of the configuration: a list or a pair that changed is news of its own.
        // Issuers that were just made have just been looked at.
        let now = self.clock.now();
        let stays = |running: &&mut RunningIssuer| {
            before
                .iter()
                .any(|issuer| Arc::ptr_eq(issuer, &running.issuer))
        };
        for running in self.issuers.iter_mut().filter(stays) {
            // What comes of it is seen when it is there: a slow server holds up no reload.
            running.refresher.fetch_now();
            look_at_sources(running, now);
            look_at_pair_afresh(running, now);
        }
        self.tell_stages(now);
        let refused_count = self
            .issuers
            .iter()
            .filter(|running| running.credentials.is_refused() || !running.can_answer())
            .count();
        let (verdict, result, reasons) = match reloaded {
            Ok(()) if refused_count == 0 => {
                info!("reloaded: {} issuer(s)", self.issuers.len());
                (Verdict::Ok, ReloadResult::Whole, Vec::new())
            }
            Ok(()) => {
                warn!(
                    "reloaded in part: {refused_count} of {} issuer(s) could not take their files",
                    self.issuers.len()
                );
                (Verdict::InPart, ReloadResult::InPart, Vec::new())
            }
            Err(reasons) => {
                error!(
                    "not reloaded, the configuration stays as it is: {}",
                    reasons.join("; ")
                );
                (Verdict::Refused, ReloadResult::Refused, reasons)
            }
        };
        info!(
            target: AUDIT,
            event = "reloaded",
            verdict = verdict.name(),
            configuration_sha256 = self.config.file_sha256.as_deref(),
        );
        self.admin.reloaded(result, reasons);
        notify(&[NotifyState::Ready]);
        verdict
    }

    /// Builds what changed, and swaps it in or leaves all as it is.  An issuer whose configuration did not change stays
    /// whole, with what it knows.
    fn reload(&mut self) -> Result<(), Vec<String>> {
        // Taken before anything is read: a change meanwhile is seen at the next look.  Also kept after a failure: the
        // same bad file is no news until it changes again.
        self.structure = self.config.structure.again();
        let config = match self.origin.load(&self.environment, self.clock.now()) {
            Ok(config) => config,
            Err(problems) => {
                self.refused = FileStamps::missing(problems.missing_files());
                self.watch_refused();
                return Err(problems.lines());
            }
        };
        if self.downloads.is_none() {
            match assemble::start_downloads(&config, self.state.as_deref(), &self.bell, &self.clock)
            {
                Ok(downloads) => self.downloads = downloads,
                Err(error) => return Err(vec![format!("downloads cannot be started: {error}")]),
            }
        }
        let watch = watch(&config, &self.bell);
        let mut files = config.structure.clone();
        for path in followed_paths(&config) {
            files.add(&path);
        }
        let now = self.clock.now();
        let ledger = match LedgerFeed::is_for(self.ledger.as_ref(), &config) {
            true => self.ledger.clone(),
            false => {
                // What the one before has seen, the new one knows.
                if let Some(old) = &self.ledger {
                    old.work_beside();
                }
                LedgerFeed::open(&config, self.state.as_ref(), now)
            }
        };
        let parts: Vec<Part> = config
            .issuers
            .iter()
            .map(|issuer| self.part(issuer, ledger.as_ref(), now))
            .collect();
        let issuers = parts.iter().map(|part| match part {
            Part::Kept { position } => &self.issuers[*position],
            Part::Built(built) => &built.0,
        });
        let none_would_answer = !issuers.clone().any(|running| running.can_answer_at(now));
        let responder = assemble::issuer_set(issuers)
            .map_err(|error| vec![error.to_string()])
            .and_then(|issuers| {
                self.refuse_losses(&parts, none_would_answer, now)
                    .map(|()| self.responder.load().with_issuers(issuers))
            });
        let responder = match responder {
            Ok(responder) => responder,
            Err(reasons) => {
                drop(parts);
                self.refused = files;
                self.watch_refused();
                return Err(reasons);
            }
        };
        if let Err(error) = self.change_ledger(ledger, &config, &parts) {
            return Err(vec![format!("the ledger cannot be followed: {error}")]);
        }
        self.refused = FileStamps::default();

        for warning in config
            .warnings
            .iter()
            .filter(|warning| !self.config.warnings.contains(warning))
        {
            warn!("{warning}");
        }
        for part in &parts {
            match part {
                Part::Kept { position: _ } => {}
                Part::Built(built) => report::first_look(&built.0, &built.1, now),
            }
        }
        self.warn_of_what_needs_a_restart(&config);
        // What is cached of the issuers that stay goes on with the new one; if all do, nothing changes at all.
        if !self.all_stay(&parts) {
            // Kept until no worker has it any more: freeing it is no work for a worker.
            self.retired.push(self.responder.swap(Arc::new(responder)));
        }
        let mut before: Vec<Option<RunningIssuer>> =
            mem::take(&mut self.issuers).into_iter().map(Some).collect();
        self.issuers = parts
            .into_iter()
            .zip(&config.issuers)
            .filter_map(|(part, config)| match part {
                // Each is taken once, since no two issuers of a configuration have one identity.
                Part::Kept { position } => before[position].take().map(|running| RunningIssuer {
                    config: config.clone(),
                    ..running
                }),
                Part::Built(built) => Some(built.0),
            })
            .collect();
        // Before anything is written: pages speak of the issuers that answer.
        self.publish(now);
        self.keep(now);
        self.structure = config.structure.clone();
        self.config = config;
        self.watch = watch;
        Ok(())
    }

    /// Another ledger, or other CAs of it: the new thread takes over from the old one, with all that are fed.
    fn change_ledger(
        &mut self,
        ledger: Option<LedgerFeed>,
        config: &Config,
        parts: &[Part],
    ) -> Result<(), NotTakenOver> {
        if LedgerFeed::is_for(self.ledger.as_ref(), config) {
            return Ok(());
        }
        if let Some(new) = &ledger {
            let kept = parts.iter().filter_map(|part| match part {
                Part::Kept { position } => Some(&self.issuers[*position]),
                Part::Built(_) => None,
            });
            let kept = kept.map(|running| (&running.config, &running.refresher));
            new.take_over(self.ledger.as_ref(), kept, &self.clock, &self.bell)?;
        }
        if let Some(old) = mem::replace(&mut self.ledger, ledger) {
            old.end();
        }
        Ok(())
    }

    /// Watches the files of the configuration that was refused beside those in use.
    fn watch_refused(&mut self) {
        let mut paths = all_paths(&self.config);
        paths.extend(self.refused.paths().map(Path::to_owned));
        self.watch = watch_paths(&paths, &self.config, &self.bell);
    }

    /// The new configuration has the same issuers in the same order.
    fn all_stay(&self, parts: &[Part]) -> bool {
        parts.len() == self.issuers.len()
            && parts.iter().enumerate().all(|(place, part)| match part {
                Part::Kept { position } => *position == place,
                Part::Built(_) => false,
            })
    }

    /// What an issuer of the new configuration is made of.
    fn part(&self, config: &IssuerConfig, ledger: Option<&LedgerFeed>, now: Time) -> Part {
        let same = |running: &RunningIssuer| running.config.makes_the_same_as(config);
        if let Some(position) = self.issuers.iter().position(same) {
            return Part::Kept { position };
        }
        let built = assemble::build(
            config,
            self.state.as_ref(),
            self.downloads.as_ref(),
            ledger,
            &self.issuers,
            now,
        );
        Part::Built(Box::new(built))
    }

    /// An issuer that answered, by its name or as a CA, may not be lost.  One that is new, or could not answer before
    /// either, does not stand in the way of the others.
    fn refuse_losses(
        &self,
        parts: &[Part],
        none_would_answer: bool,
        now: Time,
    ) -> Result<(), Vec<String>> {
        let answering = || {
            self.issuers
                .iter()
                .filter(|running| running.can_answer_at(now))
        };
        let all_would_be_lost = none_would_answer && answering().next().is_some();
        let mut reasons = Vec::new();
        for part in parts {
            let Part::Built(built) = part else {
                continue;
            };
            let (running, look) = built.as_ref();
            let answered = answering().any(|before| {
                before.issuer.identity() == running.issuer.identity()
                    || before.config.name == running.config.name
            });
            if !running.can_answer() && (answered || all_would_be_lost) {
                let name = &running.config.name;
                let causes = look.causes(running).into_iter();
                let before = reasons.len();
                reasons.extend(causes.map(|(_, cause)| format!("issuer {name}: {cause}")));
                // To wait is no cause at a start, but it is a loss here.
                if reasons.len() == before
                    && let Some(until) = running.refresher.waiting_until()
                {
                    reasons.push(format!(
                        "issuer {name}: its list begins on {}",
                        utc_and_distance(until, now)
                    ));
                } else if reasons.len() == before
                    && let Some(awaited) = running.credentials.awaited()
                {
                    reasons.push(format!("issuer {name}: {awaited}"));
                }
            }
        }
        if reasons.is_empty() {
            Ok(())
        } else {
            Err(reasons)
        }
    }

    fn warn_of_what_needs_a_restart(&self, config: &Config) {
        if config.endpoint_paths != self.config_at_start.endpoint_paths {
            warn!("the paths of endpoints are others now: that needs a restart");
        }
        if config.port_sharing != self.config_at_start.port_sharing {
            warn!("whether the port is shared has changed: that needs a restart");
        }
        if config.trusted != self.config_at_start.trusted {
            warn!("the trusted proxies are others now: that needs a restart");
        }
        if config.patience != self.config_at_start.patience {
            warn!("how long clients are to wait is another now: that needs a restart");
        }
        if config.listen != self.config_at_start.listen {
            warn!(
                "the addresses to listen on are {} now: that needs a restart",
                join(&config.listen)
            );
        }
        if config.admin != self.config_at_start.admin {
            let now = config
                .admin
                .map_or_else(|| "off".to_owned(), |address| address.to_string());
            warn!("the admin listener is {now} now: that needs a restart");
        }
        if config.log_file.as_deref() != self.log.path() {
            warn!("the log file is another one now: that needs a restart");
        }
        if config.log_format != self.log.format() {
            warn!("the log format is another one now: that needs a restart");
        }
        if config.request_log != self.config_at_start.request_log {
            warn!("the request log is another one now: that needs a restart");
        }
        if config.audit_file != self.config_at_start.audit_file {
            warn!("the audit file is another one now: that needs a restart");
        }
        if config.state != self.config_at_start.state {
            warn!("the state directory is another one now: that needs a restart");
        }
        if config.control_socket != self.config_at_start.control_socket {
            warn!("the control socket is another one now: that needs a restart");
        }
    }
}

/// How an issuer of a new configuration comes to be.
enum Part {
    /// The running one at this position stays.
    Kept { position: usize },
    /// Made anew, and what was learned on the way.
    Built(Box<(RunningIssuer, FirstLook)>),
}

fn look_at_sources(running: &mut RunningIssuer, now: Time) {
    let reports = running.refresher.refresh(now);
    running.looked = now;
    report::sources(running, &reports, now);
}

fn look_at_pair(running: &mut RunningIssuer, now: Time) {
    match running.credentials.refresh(now) {
        CredentialReport::Unchanged => {}
        CredentialReport::Recovered => {
            info!(
                issuer = running.config.name.as_str(),
                "the files hold the signer in use again"
            );
        }
        CredentialReport::Swapped { warnings } => report::pair_in_use(running, &warnings, now),
        CredentialReport::Refused { error, attempts } => {
            report::pair_refused(running, &error, attempts, now)
        }
        CredentialReport::Awaits(awaited) => report::pair_awaited(running, &awaited, now),
    }
}

/// Reads certificate and key again in any case.
fn look_at_pair_afresh(running: &mut RunningIssuer, now: Time) {
    running.credentials.forget_stamps();
    match running.credentials.refresh(now) {
        CredentialReport::Unchanged | CredentialReport::Recovered => {}
        CredentialReport::Swapped { warnings } => report::pair_in_use(running, &warnings, now),
        CredentialReport::Awaits(awaited) => report::pair_awaited(running, &awaited, now),
        // Whoever asks for a reload wants to know, also when it was said before.
        CredentialReport::Refused { error, attempts: _ } => {
            let stays = if running.can_answer_at(now) {
                "the signer in use goes on"
            } else {
                "answers are tryLater"
            };
            let issuer = running.config.name.as_str();
            error!(issuer, "not reloaded: {error}; {stays}");
        }
    }
}

/// Watches all files of a configuration.  They were read before anybody knew which they are: it begins with a look of
/// its own, which finds what changed in between.
pub(crate) fn watch(config: &Config, bell: &Bell) -> FileWatch {
    watch_paths(&all_paths(config), config, bell)
}

/// The files whose change is a change of the whole, and those whose change concerns one issuer.
fn all_paths(config: &Config) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = config.structure.paths().map(Path::to_owned).collect();
    paths.extend(followed_paths(config));
    paths
}

/// Lists, certificates and keys: their change concerns one issuer.
fn followed_paths(config: &Config) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for issuer in &config.issuers {
        paths.extend(
            issuer
                .sources
                .iter()
                .filter_map(SourceConfig::path)
                .cloned(),
        );
        paths.extend(issuer.responder.paths().into_iter().map(Path::to_owned));
    }
    paths
}

fn watch_paths(paths: &[PathBuf], config: &Config, bell: &Bell) -> FileWatch {
    let watching = bell.clone();
    let (watch, errors) = FileWatch::start(paths, move |_| watching.ask_for_look());
    bell.ask_for_look();
    for error in errors {
        warn!(
            "{error}; changes are seen every {} s",
            config.check_interval.as_secs()
        );
    }
    watch
}

/// `127.0.0.1:80, [::1]:80`.
pub(crate) fn join(addresses: &[SocketAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
