//! `ocspry state reset`: an issuer forgets what holds it back, because a clock was wrong or a list should not have been.
//!
//! From: `main`, for files that no running `serve` uses (a running one keeps in memory what it knows, and has to make its
//! own [`Plan`]).  To: the state directory, its audit log, and standard error.  What is removed is said before and after.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Args, Subcommand, ValueHint};
use ocspry_core::{Clock, Issuer, OwnedCertificate, Policy, SystemClock};
use ocspry_ledger::Act;
use ocspry_source::{CrlSigners, ListLoad, LoadedList, SourceError, SourceLimits, StateDirectory};
use ocspry_wire::Time;
use rustix::process::getuid;
use serde_json::json;

use crate::audit::AuditTrail;
use crate::certificate_file::CertificateFile;
use crate::config::{ConfigOrigin, Environment, ServeFlags, StateChoice, usual_state};
use crate::ledger_flags::{AuditFlags, actor};
use crate::time_text::utc_and_distance;

/// Verbs on the state directory.
#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Forget what stops an issuer: answers made by a clock that was ahead, and high-water marks of its lists
    #[command(after_help = RESET_AFTER_HELP)]
    Reset(ResetFlags),
}

/// How it is used.
const RESET_AFTER_HELP: &str = "\
Examples:
  ocspry state reset corporate -c /etc/ocspry/ocspry.toml
  ocspry state reset --ca ca.pem --state-dir /var/lib/ocspry

Stop `ocspry serve` before, and start it after: a running one keeps in memory what it knows.  The last good
CRL stays while it is the CA's own, or a CRL issuer's, and not from the future, and so does what the guard
holds; --forget-list removes both.  What was done, by whom and when is appended to audit.log in the state
directory.";

/// What `state reset` can be told.
#[derive(Debug, Args)]
pub(crate) struct ResetFlags {
    /// The issuer, by its name in the configuration
    #[arg(value_name = "NAME", required_unless_present = "ca")]
    name: Option<String>,

    /// Configuration file (TOML) that names the issuer and the state directory
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "ca", conflicts_with = "ca")]
    config: Option<PathBuf>,

    /// Certificate of the CA, where there is no configuration file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca: Option<PathBuf>,

    /// Certificate that may sign its CRLs as well, where there is no configuration file (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "config")]
    crl_issuer: Vec<PathBuf>,

    /// State directory [default: that of the configuration, else as `serve` finds it]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    state_dir: Option<PathBuf>,

    /// Remove the last good CRL and what the guard holds too
    #[arg(long)]
    forget_list: bool,

    /// Do not ask
    #[arg(long)]
    yes: bool,

    #[command(flatten)]
    audit: AuditFlags,
}

/// Runs a verb.
///
/// # Errors
/// What kept it from being done, and what was done all the same.
pub(crate) fn run(command: StateCommand) -> Result<ExitCode> {
    match command {
        StateCommand::Reset(flags) => reset(flags, SystemClock.now()),
    }
}

fn reset(flags: ResetFlags, now: Time) -> Result<ExitCode> {
    let Target {
        name,
        signers,
        state,
    } = match Target::of(&flags, now)? {
        Ok(target) => target,
        Err(problems) => {
            let _ = writeln!(anstream::stderr(), "{problems}");
            return Ok(ExitCode::FAILURE);
        }
    };
    let lists = if flags.forget_list {
        Lists::Forget
    } else {
        Lists::KeepIfGood
    };
    let plan = Plan::of(&state, name, &signers, lists, now)?;
    if flags.ca.is_some() && lists == Lists::KeepIfGood {
        plan.check_signers(&signers, now)?;
    }
    let _ = write!(anstream::stderr(), "{}", plan.text(now));
    if plan.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    if !flags.yes && !asked_and_allowed()? {
        let _ = writeln!(anstream::stderr(), "nothing was changed");
        return Ok(ExitCode::FAILURE);
    }
    let act = Act::by(&actor(), now);
    let audit = AuditTrail::begin(flags.audit.file().as_deref(), None, "state reset", &act)?;
    let line = plan.carry_out(&state, getuid().as_raw(), now)?;
    let done = [
        ("issuer", json!(plan.name)),
        ("identity", json!(plan.identity)),
    ];
    let told = audit.say("state-reset", done);
    let _ = writeln!(anstream::stderr(), "audit: {line}");
    let _ = writeln!(
        anstream::stderr(),
        "done: an `ocspry serve` that is running does not see it; restart it"
    );
    told.context("it is done, and the audit file says only that it was begun")?;
    Ok(ExitCode::SUCCESS)
}

/// On a terminal, whoever sits there decides.
fn asked_and_allowed() -> Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("without a terminal nobody can be asked: give --yes");
    }
    let _ = write!(anstream::stderr(), "Go on? [y/N] ");
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}

/// Whose state, and where it lies.
struct Target {
    name: String,
    signers: Arc<CrlSigners>,
    state: StateDirectory,
}

impl Target {
    /// What the flags name; the inner error is a bad configuration, ready to be printed.
    fn of(flags: &ResetFlags, now: Time) -> Result<Result<Target, String>> {
        let environment = Environment::of_process();
        let (name, signers, choice) = match (&flags.config, &flags.ca) {
            (Some(path), _) => {
                let origin = ConfigOrigin::File {
                    path: path.clone(),
                    flags: Box::new(ServeFlags {
                        state_dir: flags.state_dir.clone(),
                        ..ServeFlags::default()
                    }),
                };
                let config = match origin.load(&environment, now) {
                    Ok(config) => config,
                    Err(problems) => return Ok(Err(problems.render())),
                };
                let known: Vec<String> = config
                    .issuers
                    .iter()
                    .map(|issuer| issuer.name.clone())
                    .collect();
                let wanted = flags.name.as_deref().unwrap_or_default();
                let found = config
                    .issuers
                    .into_iter()
                    .find(|issuer| issuer.name == wanted);
                let Some(issuer) = found else {
                    bail!(
                        "{}: there is no issuer `{wanted}`; there are: {}",
                        path.display(),
                        known.join(", ")
                    );
                };
                let signers = CrlSigners::new(issuer.certificate, issuer.crl_issuers);
                (issuer.name, signers, config.state)
            }
            (None, Some(ca)) => {
                let others = flags.crl_issuer.iter();
                let others = others.map(|path| certificate("CRL issuer certificate", path));
                let signers = CrlSigners::new(
                    certificate("CA certificate", ca)?,
                    others.collect::<Result<_>>()?,
                );
                let choice = match &flags.state_dir {
                    Some(path) => StateChoice::Named(path.clone()),
                    None => usual_state(&environment),
                };
                let name = flags.name.clone();
                let name = name.unwrap_or_else(|| ca.display().to_string());
                (name, signers, choice)
            }
            (None, None) => bail!("give -c FILE, or --ca FILE"),
        };
        let path = match choice {
            StateChoice::Named(path) | StateChoice::Default(path) => path,
            StateChoice::Nowhere => bail!("no state directory: give --state-dir DIR"),
        };
        // Nothing is made here: a mistyped path is an error, not an empty memory.
        if !path.is_dir() {
            bail!("the state directory {} does not exist", path.display());
        }
        let state = StateDirectory::open(&path)?;
        Ok(Ok(Target {
            name,
            signers: Arc::new(signers),
            state,
        }))
    }
}

fn certificate(what: &str, path: &Path) -> Result<OwnedCertificate> {
    let file = CertificateFile::read(path).map_err(|error| match error.help() {
        Some(help) => anyhow!("{what} {error}: {help}"),
        None => anyhow!("{what} {error}"),
    })?;
    Ok(file.certificate)
}

/// What becomes of the last good lists, and of what the guard holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lists {
    /// Those stay that the CA signed, or a CRL issuer of its, and whose time has come: they hold back older lists, as they
    /// should.  What is held is the operator's to accept, whatever the clock was.
    KeepIfGood,
    /// None stays.
    Forget,
}

/// What a reset is about to do.
pub(crate) struct Plan {
    name: String,
    identity: String,
    folder: PathBuf,
    produced_at: Option<Time>,
    removes: Vec<PathBuf>,
    /// Marks of deltas from the future.
    takes_back: Vec<PathBuf>,
    keeps: Vec<PathBuf>,
}

impl Plan {
    /// Looks at what is kept of an issuer; changes nothing.
    ///
    /// # Errors
    /// Its folder cannot be read.
    pub(crate) fn of(
        state: &StateDirectory,
        name: String,
        signers: &Arc<CrlSigners>,
        lists: Lists,
        now: Time,
    ) -> Result<Plan> {
        let issuer = Issuer::new(name.clone(), signers.issuer().clone(), Policy::DEFAULT);
        let stays = |path: &PathBuf| {
            lists == Lists::KeepIfGood
                && (StateDirectory::is_of_guard(path) || is_good_list(path, signers, now))
        };
        let files = state.files_of(issuer.identity())?;
        let (keeps, others): (Vec<_>, Vec<_>) = files.into_iter().partition(stays);
        let is_taken_back = |path: &PathBuf| {
            lists == Lists::KeepIfGood && StateDirectory::is_of_delta_ahead(path, now)
        };
        let (takes_back, removes) = others.into_iter().partition(is_taken_back);
        Ok(Plan {
            identity: issuer.identity().to_owned(),
            folder: state.folder(issuer.identity()),
            // Damaged: it goes as well.
            produced_at: state.produced_at(issuer.identity()).ok().flatten(),
            removes,
            takes_back,
            keeps,
            name,
        })
    }

    /// Without a configuration nobody says who else signs the CA's lists.
    ///
    /// # Errors
    /// A list that is to be removed is signed by none of these.
    fn check_signers(&self, signers: &Arc<CrlSigners>, now: Time) -> Result<()> {
        for path in self.removes.iter().filter(|path| is_list(path)) {
            if let Err(
                error @ (SourceError::WrongIssuer { .. } | SourceError::BadSignature { .. }),
            ) = load(path, signers, now)
            {
                bail!(
                    "{error}: name the certificate whose key signed it by --crl-issuer FILE, or give -c FILE; \
                     --forget-list removes it all the same, and older lists are taken again then"
                );
            }
        }
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.removes.is_empty() && self.takes_back.is_empty()
    }

    /// For whoever is to decide.
    fn text(&self, now: Time) -> String {
        let folder = self.folder.display();
        if self.is_empty() {
            return format!("issuer {}: nothing holds it back in {folder}\n", self.name);
        }
        let produced_at = self.produced_at.map_or_else(String::new, |time| {
            format!(
                "; answers were made as late as {}",
                utc_and_distance(time, now)
            )
        });
        let mut text = format!("issuer {}: in {folder}{produced_at}\n", self.name);
        for (word, paths) in [
            ("removes", &self.removes),
            ("takes back", &self.takes_back),
            ("keeps", &self.keeps),
        ] {
            for path in self.within(paths) {
                text.push_str(&format!("  {word} {path}\n"));
            }
        }
        if self
            .keeps
            .iter()
            .any(|path| StateDirectory::is_of_guard(path))
        {
            text.push_str(
                "what the guard holds stays revoked, and issued, until `ocspry crl accept` on the running serve\n",
            );
        }
        if !self.takes_back.is_empty() {
            text.push_str(
                "a delta from the future was used, and what one before it revoked is not known: answers are tryLater \
                 for what is in no list, until a delta or complete CRL made from now on comes\n",
            );
        }
        text
    }

    /// Removes what is to be removed, and writes down who did it (`uid`); returns the line of the audit log.
    ///
    /// # Errors
    /// A file could not be removed, or the audit log not be written: then nothing is removed.
    pub(crate) fn carry_out(&self, state: &StateDirectory, uid: u32, now: Time) -> Result<String> {
        let line = json!({
            "time": now.to_string(),
            "action": "state reset",
            "uid": uid,
            "issuer": self.name,
            "identity": self.identity,
            "produced_at": self.produced_at.map(|time| time.to_string()),
            "removed": self.within(&self.removes),
            "taken_back": self.within(&self.takes_back),
            "kept": self.within(&self.keeps),
        })
        .to_string();
        // Before the deed: what cannot be written down is not done.
        state
            .append_audit(&line)
            .map_err(|error| anyhow!("nothing was removed: {}", error.what_failed()))?;
        for path in &self.takes_back {
            StateDirectory::take_back_delta(path, now)
                .map_err(|error| anyhow!("nothing was removed: {}", error.what_failed()))?;
        }
        state
            .forget(&self.identity, &self.removes)
            .map_err(|error| anyhow!("not all was removed: {}", error.what_failed()))?;
        Ok(line)
    }

    /// Without the folder that all of them lie in.
    fn within(&self, paths: &[PathBuf]) -> Vec<String> {
        paths
            .iter()
            .map(|path| path.strip_prefix(&self.folder).unwrap_or(path))
            .map(|path| path.display().to_string())
            .collect()
    }
}

/// Would a responder that remembers nothing take this list?
fn is_good_list(path: &Path, signers: &Arc<CrlSigners>, now: Time) -> bool {
    is_list(path) && load(path, signers, now).is_ok_and(|list| list.facts.window.this_update <= now)
}

fn is_list(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "crl")
}

fn load(path: &Path, signers: &Arc<CrlSigners>, now: Time) -> Result<LoadedList, SourceError> {
    ListLoad::open(path, signers, &SourceLimits::DEFAULT)?.run(now)
}
