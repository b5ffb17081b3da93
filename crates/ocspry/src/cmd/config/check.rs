//! `ocspry config check`: everything that `serve` would load, without opening the port.
//!
//! From: `main`.  To: standard output (the verdict, or all of it as JSON) and standard error (what is wrong).  No state
//! directory is opened or written: the files are judged as they are, not what could stand in for them.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result};
use clap::{Args, ValueHint};
use ocspry_core::{Clock, SystemClock};
use ocspry_source::{Event, Report, Unproven};
use ocspry_wire::Time;
use serde_json::{Value, json};

use crate::assemble::{self, FirstLook, PairLook, RunningIssuer};
use crate::config::{ConfigOrigin, ConfigText, Environment, Place, Problems};
use crate::time_text::utc_and_distance;
use crate::{report, summary};

/// What `config check` can be told.
#[derive(Debug, Args)]
pub(crate) struct CheckFlags {
    /// Configuration file (TOML)
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "config", conflicts_with = "config")]
    file: Option<PathBuf>,

    /// The same, as `serve` takes it
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

/// Says what is wrong.
///
/// # Errors
/// What kept it from judging at all; a bad file is a verdict.
pub(super) fn run(flags: CheckFlags) -> Result<ExitCode> {
    let path = flags
        .file
        .or(flags.config)
        .context("no configuration file given")?;
    let verdict = Verdict::of(path, SystemClock.now())?;
    if flags.json {
        let _ = writeln!(io::stdout(), "{:#}", verdict.json());
    } else {
        verdict.print();
    }
    Ok(if verdict.complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// All that is to be said about a file.
struct Verdict {
    path: PathBuf,
    text: Option<ConfigText>,
    complaints: Vec<Complaint>,
    warnings: Vec<String>,
    issuers: Vec<RunningIssuer>,
    now: Time,
}

/// One thing that is wrong.
struct Complaint {
    place: Place,
    issuer: Option<String>,
    message: String,
    help: Option<String>,
}

impl Verdict {
    fn of(path: PathBuf, now: Time) -> Result<Verdict> {
        let origin = ConfigOrigin::of_file(&path);
        let mut verdict = Verdict {
            path,
            text: None,
            complaints: Vec::new(),
            warnings: Vec::new(),
            issuers: Vec::new(),
            now,
        };
        let (config, text) = match origin.load_with_text(&Environment::of_process(), now) {
            Ok(loaded) => loaded,
            Err(Problems { text, problems }) => {
                verdict.text = text;
                verdict
                    .complaints
                    .extend(problems.into_iter().map(|problem| Complaint {
                        message: problem.error.to_string(),
                        help: problem.error.help(),
                        place: problem.place,
                        issuer: None,
                    }));
                return Ok(verdict);
            }
        };
        verdict.text = text;
        verdict
            .warnings
            .extend(config.warnings.iter().map(ToString::to_string));
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let pool = assemble::start_signing_pool(processors, config.patience)
            .context("the signing threads cannot be started")?;
        let assembly = assemble::assemble(&config, None, None, &pool, now)?;
        for (running, look) in assembly.issuers.iter().zip(&assembly.first_looks) {
            verdict.judge(running, look);
        }
        verdict.issuers = assembly.issuers;
        Ok(verdict)
    }

    fn judge(&mut self, running: &RunningIssuer, look: &FirstLook) {
        let config = &running.config;
        let mut complain = |place: Place, message: String| {
            self.complaints.push(Complaint {
                place,
                issuer: Some(config.name.clone()),
                message,
                help: None,
            });
        };
        for (place, cause) in look.causes(running) {
            complain(place, cause);
        }
        for Report { place, event } in &look.reports {
            match event {
                Event::ListInUse(in_use) => {
                    let warnings = in_use.list.facts.warnings.iter();
                    self.warnings.extend(
                        warnings
                            .map(|warning| format!("issuer {}: {place}: {warning}", config.name)),
                    );
                }
                Event::Waiting { until } => self.warnings.push(format!(
                    "issuer {}: the CRL {place} is from the future; it is not used until {}",
                    config.name,
                    utc_and_distance(*until, self.now)
                )),
                Event::Gap(gap) => self.warnings.push(format!(
                    "issuer {}: the delta CRL {place} is not used: {gap}",
                    config.name
                )),
                Event::Expired {
                    next_update,
                    ended: _,
                } => {
                    let end = utc_and_distance(*next_update, self.now);
                    let expired = format!("the CRL expired on {end}");
                    match running.issuer.stale(self.now) {
                        Some(stale) => self.warnings.push(format!(
                            "issuer {}: {expired}; {}",
                            config.name,
                            report::goes_on(stale)
                        )),
                        None => complain(config.status_place.clone(), expired),
                    }
                }
                // Perhaps what is fetched makes the whole.
                Event::Unproven(Unproven::SourceMissing) if running.refresher.is_pending() => {}
                Event::Unproven(unproven) => complain(
                    config.status_place.clone(),
                    format!("certificates that no list names get tryLater: {unproven}"),
                ),
                // Problems are complained about with their place.
                Event::Refused(_)
                | Event::ScopeLeft { .. }
                | Event::NewsMissing(_)
                | Event::Named(_)
                | Event::FactsInUse(_)
                | Event::Settling { .. }
                | Event::OverlayEmptied
                | Event::TakenBack(_)
                | Event::NotCompared(_)
                | Event::Recovered
                | Event::NotKept(_)
                | Event::Kept
                | Event::Proven => {}
            }
        }
        if running.refresher.is_pending() {
            self.warnings.push(format!(
                "issuer {}: {} is not fetched by a check, so that its list is not judged",
                config.name,
                config.url_names()
            ));
        }
        match &look.pair {
            PairLook::InUse(warnings) => {
                let warnings = warnings
                    .iter()
                    .map(|warning| format!("issuer {}: {warning}", config.name));
                self.warnings.extend(warnings);
            }
            PairLook::Refused(_) => {}
            PairLook::Awaited(_) => self.warnings.push(format!(
                "issuer {}: its responder is managed, and a check opens no state directory, so that its signer is not judged",
                config.name
            )),
        }
    }

    /// Nobody may be reading: the exit code tells the verdict too.
    fn print(&self) {
        let mut errors = anstream::stderr();
        for warning in &self.warnings {
            let _ = writeln!(errors, "warning: {warning}");
        }
        for (index, complaint) in self.complaints.iter().enumerate() {
            let message = match &complaint.issuer {
                Some(issuer) => format!("issuer {issuer}: {}", complaint.message),
                None => complaint.message.clone(),
            };
            if index > 0 {
                let _ = writeln!(errors);
            }
            let _ = match (&self.text, &complaint.help) {
                (Some(text), help) => writeln!(
                    errors,
                    "{}",
                    text.render(&complaint.place, &message, help.as_deref())
                ),
                (None, Some(help)) => writeln!(errors, "error: {message}: {help}"),
                (None, None) => writeln!(errors, "error: {message}"),
            };
        }
        if self.complaints.is_empty() {
            let issuers = summary::issuers_text(&self.issuers, self.now);
            let _ = write!(io::stdout(), "{}: ok\n\n{issuers}", self.path.display());
        }
    }

    fn json(&self) -> Value {
        let complaints: Vec<Value> = self
            .complaints
            .iter()
            .map(|complaint| {
                let position = self
                    .text
                    .as_ref()
                    .and_then(|text| text.line_and_column(&complaint.place));
                json!({
                    "line": position.map(|(line, _)| line),
                    "column": position.map(|(_, column)| column),
                    "variable": self.text.as_ref().and_then(|text| text.variable(&complaint.place)),
                    "issuer": complaint.issuer,
                    "message": complaint.message,
                    "help": complaint.help,
                })
            })
            .collect();
        json!({
            "file": self.path.display().to_string(),
            "ok": self.complaints.is_empty(),
            "errors": complaints,
            "warnings": self.warnings,
            "issuers": self.issuers.iter().map(summary::json).collect::<Vec<Value>>(),
        })
    }
}
