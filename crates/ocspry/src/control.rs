//! What happens while the responder runs: files change, time passes, signals come.  From: `signals`, the file watch, the
//! clock.  To: the issuers' slots and, on a reload, the responder as a whole.
//!
//! One thread, the main one.  It may be slow and it may fail; requests read what was swapped in last and never wait for it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use arc_swap::ArcSwap;
use ocspry_core::{Clock, Responder, SigningPool, ValidityWindow};
use ocspry_source::{FileWatch, RefreshReport, StateDirectory};
use ocspry_wire::Time;
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use crate::assemble::{self, Assembly, RunningIssuer};
use crate::cmd::serve::notify;
use crate::config::{Config, ConfigOrigin, Environment};
use crate::credential_files::CredentialReport;
use crate::file_stamp::FileStamps;
use crate::log_output::LogOutput;
use crate::report;
use crate::time_text::utc_and_distance;

/// Something that the control thread shall act on.
#[derive(Debug)]
pub(crate) enum Event {
    /// Some followed file may have changed.
    Files,
    /// Read everything again.
    Reload,
    /// End in order.
    Stop,
}

/// Events that may wait.  A full queue loses only [`Event::Files`], and those already in it lead to the same look.
const EVENTS_MAX: usize = 16;

/// The way to the control thread.
pub(crate) fn channel() -> (SyncSender<Event>, Receiver<Event>) {
    sync_channel(EVENTS_MAX)
}

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
    /// Where last good lists are kept.
    pub(crate) state: Option<Arc<StateDirectory>>,
    /// The threads for slow keys.
    pub(crate) pool: Arc<SigningPool>,
    /// What the workers answer with.
    pub(crate) responder: Arc<ArcSwap<Responder>>,
    /// The issuers of that responder.
    pub(crate) issuers: Vec<RunningIssuer>,
    /// For the file watch.
    pub(crate) sender: SyncSender<Event>,
    /// Sends [`Event::Files`] until it is replaced.
    pub(crate) watch: FileWatch,
    /// How far each issuer's list and signer are through their time, as last said.
    pub(crate) stages: Vec<Stages>,
    /// The files whose change is a reload: the configuration and the CAs' certificates.
    pub(crate) structure: FileStamps,
}

impl Control {
    /// Works until it is told to stop.
    pub(crate) fn run(&mut self, events: &Receiver<Event>) {
        self.begin();
        loop {
            match events.recv_timeout(self.wait(self.clock.now())) {
                Ok(Event::Stop) => return,
                // Nobody can send any more: nothing is left to wait for.
                Err(RecvTimeoutError::Disconnected) => return,
                Ok(Event::Reload) => self.reload_and_tell(),
                Ok(Event::Files) | Err(RecvTimeoutError::Timeout) => self.look(),
            }
        }
    }

    /// Takes the issuers and files as they are now for what later looks are compared with.
    fn begin(&mut self) {
        self.structure = self.structure_stamps();
        self.stages = vec![
            Stages {
                list: Stage::Fresh,
                signer: Stage::Fresh
            };
            self.issuers.len()
        ];
        self.tell_stages(self.clock.now());
    }

    /// How long nothing needs to be looked at: the check interval, or less when something ends or begins before.
    fn wait(&self, now: Time) -> Duration {
        let soonest = self
            .issuers
            .iter()
            .flat_map(|running| {
                let ends = [list_window(running), signer_window(running)]
                    .into_iter()
                    .flatten()
                    .filter_map(move |window| next_stage(window, now));
                running.refresher.next_wake(now).into_iter().chain(ends)
            })
            .min();
        let seconds = soonest.map_or(u64::MAX, |time| {
            u64::try_from(time.seconds_since(now)).unwrap_or(0)
        });
        self.config
            .check_interval
            .min(Duration::from_secs(seconds.max(1)))
    }

    /// Looks at every followed file.
    fn look(&mut self) {
        let structure = self.structure_stamps();
        let changed = structure.changed_since(&self.structure);
        if let Some(path) = changed.first() {
            info!(path = %path.display(), "changed: everything is read again");
            self.reload_and_tell();
            return;
        }
        let now = self.clock.now();
        for running in &mut self.issuers {
            look_at_list(running, now);
            look_at_pair(running, now);
        }
        self.tell_stages(now);
    }

    /// Says it when a list or a certificate is nearly over, or over: each once.
    fn tell_stages(&mut self, now: Time) {
        for (running, told) in self.issuers.iter().zip(&mut self.stages) {
            let stages = Stages::of(running, now);
            tell_stage(running, Dated::List, stages.list, told.list, now);
            tell_stage(running, Dated::Signer, stages.signer, told.signer, now);
            *told = stages;
        }
    }

    /// Reloads between the words that systemd waits for.
    fn reload_and_tell(&mut self) {
        match NotifyState::monotonic_usec_now() {
            Ok(monotonic) => notify(&[NotifyState::Reloading, monotonic]),
            Err(error) => warn!("the monotonic clock cannot be read: {error}"),
        }
        if let Err(error) = self.log.reopen() {
            error!("{error:#}");
        }
        match self.reload() {
            Ok(()) => info!("reloaded: {} issuer(s)", self.issuers.len()),
            Err(reasons) => error!(
                "not reloaded, everything stays as it is: {}",
                reasons.join("; ")
            ),
        }
        // Also after a failure: the same bad file is no news until it changes again.
        self.begin();
        notify(&[NotifyState::Ready]);
    }

    /// Builds everything anew and swaps it in, or leaves all as it is.
    fn reload(&mut self) -> Result<(), Vec<String>> {
        let config = self
            .origin
            .load(&self.environment)
            .map_err(|problems| problems.lines())?;
        let watch = watch(&self.origin, &config, &self.sender);
        let now = self.clock.now();
        let Assembly {
            responder,
            issuers,
            first_looks,
        } = assemble::assemble(&config, self.state.as_ref(), &self.pool, &self.issuers, now)
            .map_err(|error| vec![error.to_string()])?;

        // An issuer that could not answer before does not stand in the way of the others; any other may not be lost.
        let broken_already: HashSet<&str> = self
            .issuers
            .iter()
            .filter(|running| !running.can_answer())
            .map(|running| running.issuer.identity())
            .collect();
        let reasons: Vec<String> = issuers
            .iter()
            .zip(&first_looks)
            .filter(|(running, _)| {
                !running.can_answer() && !broken_already.contains(running.issuer.identity())
            })
            .flat_map(|(running, look)| {
                let name = running.config.name.clone();
                look.causes(&running.config)
                    .into_iter()
                    .map(move |(_, cause)| format!("issuer {name}: {cause}"))
            })
            .collect();
        if !reasons.is_empty() {
            return Err(reasons);
        }

        for warning in config
            .warnings
            .iter()
            .filter(|warning| !self.config.warnings.contains(warning))
        {
            warn!("{warning}");
        }
        for (running, look) in issuers.iter().zip(&first_looks) {
            report::first_look(running, look, now);
        }
        self.warn_of_what_needs_a_restart(&config);
        self.responder.store(Arc::new(responder));
        self.issuers = issuers;
        self.config = config;
        self.watch = watch;
        Ok(())
    }

    fn warn_of_what_needs_a_restart(&self, config: &Config) {
        if config.listen != self.config_at_start.listen {
            warn!(
                "the addresses to listen on are {} now: that needs a restart",
                join(&config.listen)
            );
        }
        if config.log_file.as_deref() != self.log.path() {
            warn!("the log file is another one now: that needs a restart");
        }
        if config.state != self.config_at_start.state {
            warn!("the state directory is another one now: that needs a restart");
        }
    }

    fn structure_stamps(&self) -> FileStamps {
        FileStamps::of(
            structure_paths(&self.origin, &self.config)
                .iter()
                .map(PathBuf::as_path),
        )
    }
}

fn look_at_list(running: &mut RunningIssuer, now: Time) {
    let entries_before = running.issuer.table().map(|table| table.entry_count());
    let report = running.refresher.refresh(now);
    let issuer = running.config.name.as_str();
    match report {
        RefreshReport::Unchanged
        | RefreshReport::Waiting {
            until: _,
            repeated: true,
        }
        | RefreshReport::Kept {
            error: _,
            repeated: true,
        } => {}
        RefreshReport::Swapped(swapped) => {
            report::list_in_use(running, &swapped, entries_before, now)
        }
        RefreshReport::Waiting {
            until,
            repeated: false,
        } => report::list_waiting(running, until, now),
        RefreshReport::Kept {
            error,
            repeated: false,
        } if entries_before.is_some() => {
            error!(issuer, "{error}; the list in use stays");
        }
        RefreshReport::Kept {
            error,
            repeated: false,
        } => error!(issuer, "{error}; answers are tryLater"),
        RefreshReport::Recovered => info!(issuer, "the file holds the list in use again"),
        RefreshReport::StateKept => {
            info!(issuer, "the list in use is kept in the state directory now")
        }
        RefreshReport::Expired { next_update } => report::list_expired(running, next_update, now),
    }
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
    }
}

/// Watches all files of a configuration.
pub(crate) fn watch(
    origin: &ConfigOrigin,
    config: &Config,
    sender: &SyncSender<Event>,
) -> FileWatch {
    let mut paths = structure_paths(origin, config);
    for issuer in &config.issuers {
        paths.push(issuer.crl.clone());
        paths.extend(issuer.responder.paths().into_iter().map(Path::to_owned));
    }
    let sender = sender.clone();
    let (watch, errors) = FileWatch::start(&paths, move |_| {
        // A full queue already holds an event that leads to the same look.
        let _ = sender.try_send(Event::Files);
    });
    for error in errors {
        warn!(
            "{error}; changes are seen every {} s",
            config.check_interval.as_secs()
        );
    }
    watch
}

/// The files whose change is a change of the whole.
fn structure_paths(origin: &ConfigOrigin, config: &Config) -> Vec<PathBuf> {
    let certificates = config
        .issuers
        .iter()
        .map(|issuer| issuer.certificate_path.clone());
    origin
        .file()
        .map(Path::to_owned)
        .into_iter()
        .chain(certificates)
        .collect()
}

/// `127.0.0.1:80, [::1]:80`.
pub(crate) fn join(addresses: &[SocketAddr]) -> String {
    addresses
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// How far something is through its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// More than a fifth of its time is left.
    Fresh,
    /// The last fifth.
    Ending { end: Time },
    /// Over.
    Over { end: Time },
}

/// Of one issuer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stages {
    list: Stage,
    signer: Stage,
}

impl Stages {
    fn of(running: &RunningIssuer, now: Time) -> Stages {
        // What is not there was reported when it could not be loaded.
        let of = |window: Option<ValidityWindow>| {
            window.map_or(Stage::Fresh, |window| stage(window, now))
        };
        Stages {
            list: of(list_window(running)),
            signer: of(signer_window(running)),
        }
    }
}

fn list_window(running: &RunningIssuer) -> Option<ValidityWindow> {
    running.issuer.table().map(|table| table.window())
}

/// From the first to the last second of the signer's certificate.
fn signer_window(running: &RunningIssuer) -> Option<ValidityWindow> {
    let credential = running.issuer.credential()?;
    Some(ValidityWindow {
        this_update: credential.not_before(),
        next_update: credential.not_after(),
    })
}

fn stage(window: ValidityWindow, now: Time) -> Stage {
    let end = window.next_update;
    if now > end {
        Stage::Over { end }
    } else if now >= last_fifth(window) {
        Stage::Ending { end }
    } else {
        Stage::Fresh
    }
}

fn last_fifth(window: ValidityWindow) -> Time {
    window
        .next_update
        .plus_seconds(-(window.next_update.seconds_since(window.this_update) / 5))
}

/// When the next stage begins.
fn next_stage(window: ValidityWindow, now: Time) -> Option<Time> {
    [last_fifth(window), window.next_update.plus_seconds(1)]
        .into_iter()
        .find(|time| *time > now)
}

/// What has a last second.
#[derive(Clone, Copy, Debug)]
enum Dated {
    List,
    Signer,
}

fn tell_stage(running: &RunningIssuer, dated: Dated, stage: Stage, told: Stage, now: Time) {
    let issuer = running.config.name.as_str();
    if stage == told {
        return;
    }
    match (dated, stage) {
        (Dated::List | Dated::Signer, Stage::Fresh) => {}
        (Dated::List, Stage::Ending { end }) => {
            warn!(
                issuer,
                "the CRL ends on {}, and no newer one is there",
                utc_and_distance(end, now)
            );
        }
        (Dated::Signer, Stage::Ending { end }) => {
            warn!(
                issuer,
                "the signer's certificate ends on {}: renew it",
                utc_and_distance(end, now)
            );
        }
        // The refresher reports that one itself, to the second.
        (Dated::List, Stage::Over { end: _ }) => {}
        (Dated::Signer, Stage::Over { end }) => error!(
            issuer,
            "the signer's certificate expired on {}; answers are tryLater until it is renewed",
            utc_and_distance(end, now),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_fresh_then_ending_in_its_last_fifth_then_over() {
        let start = Time::from_unix(1_000_000);
        let window = ValidityWindow {
            this_update: start,
            next_update: start.plus_seconds(100),
        };
        let end = window.next_update;
        assert_eq!(stage(window, start), Stage::Fresh);
        assert_eq!(stage(window, start.plus_seconds(79)), Stage::Fresh);
        assert_eq!(stage(window, start.plus_seconds(80)), Stage::Ending { end });
        assert_eq!(stage(window, end), Stage::Ending { end });
        assert_eq!(stage(window, end.plus_seconds(1)), Stage::Over { end });
        assert_eq!(next_stage(window, start), Some(start.plus_seconds(80)));
        assert_eq!(
            next_stage(window, start.plus_seconds(80)),
            Some(start.plus_seconds(101))
        );
        assert_eq!(next_stage(window, start.plus_seconds(101)), None);
    }
}
