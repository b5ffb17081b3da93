//! Where the ledger is, and who writes to it: what every command of the CA can be told.  From: the command line, the
//! environment, a configuration.  To: `cmd::ca`, `cmd::cert` and all others that open a ledger.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueHint};
use ocspry_ledger::{Act, Ledger, LedgerError, LedgerPlace, LedgerReader};
use ocspry_wire::Time;
use rustix::process::{geteuid, getuid};

use crate::audit::AuditTrail;
use crate::config::{self, Environment};

/// Where the ledger is.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Ledger")]
pub(crate) struct LedgerFlags {
    /// The ledger, a SQLite file [default: $OCSPRY_LEDGER, else `[ledger] url` of the configuration]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ledger: Option<String>,

    /// Configuration file (TOML) that names the ledger
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,
}

/// The variable that names the ledger.
const LEDGER_VARIABLE: &str = "OCSPRY_LEDGER";

impl LedgerFlags {
    /// The ledger that is meant.
    ///
    /// # Errors
    /// None is named, or what names it cannot be read.
    pub(crate) fn place(&self) -> Result<LedgerPlace> {
        if let Some(text) = &self.ledger {
            return named("--ledger", text);
        }
        match env::var_os(LEDGER_VARIABLE) {
            Some(text) if !text.is_empty() => {
                let text = text
                    .into_string()
                    .map_err(|_| anyhow!("{LEDGER_VARIABLE} is not UTF-8"))?;
                return named(LEDGER_VARIABLE, &text);
            }
            Some(_) | None => {}
        }
        let found = match &self.config {
            Some(path) => config::ledger_of(path, &Environment::of_process())
                .map_err(|problems| anyhow!("{}", problems.render()))?,
            None => None,
        };
        found.ok_or_else(|| {
            anyhow!(
                "no ledger is named: give --ledger FILE, set {LEDGER_VARIABLE}, or give -c FILE with `[ledger] url = \"…\"`"
            )
        })
    }

    /// The ledger, to read.
    ///
    /// # Errors
    /// As [`LedgerFlags::place`]; it cannot be opened.
    pub(crate) fn to_read(&self) -> Result<LedgerReader> {
        Ok(LedgerReader::open(&self.place()?)?)
    }

    /// The ledger, to read; None where there is none yet.
    ///
    /// # Errors
    /// As [`LedgerFlags::place`]; it cannot be opened.
    pub(crate) fn to_read_if_there(&self) -> Result<Option<LedgerReader>> {
        match LedgerReader::open(&self.place()?) {
            Ok(reader) => Ok(Some(reader)),
            Err(LedgerError::Missing { .. } | LedgerError::Unfinished { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The ledger, to write.
    ///
    /// # Errors
    /// As [`LedgerFlags::place`]; it cannot be opened.
    pub(crate) fn to_write(&self) -> Result<Ledger> {
        Ok(Ledger::open(&self.place()?)?)
    }

    /// The ledger, to write; made where there is none.
    ///
    /// # Errors
    /// As [`LedgerFlags::place`]; it cannot be opened or made.
    pub(crate) fn to_write_or_make(&self) -> Result<Ledger> {
        let place = self.place()?;
        match Ledger::open(&place) {
            Err(LedgerError::Missing { .. } | LedgerError::Unfinished { .. }) => {
                match Ledger::create(&place) {
                    // Another one was faster.
                    Err(LedgerError::AlreadyThere { .. }) => Ok(Ledger::open(&place)?),
                    made => Ok(made?),
                }
            }
            opened => Ok(opened?),
        }
    }
}

fn named(by: &str, text: &str) -> Result<LedgerPlace> {
    if text.is_empty() || text == "sqlite:" {
        bail!("{by} names no ledger: give the path of a file");
    }
    Ok(LedgerPlace::from_text(text)?)
}

/// Why something is written.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ActFlags {
    /// Number or name of the request that this is for, kept with what is recorded
    #[arg(long, value_name = "TEXT")]
    ticket: Option<String>,

    #[command(flatten)]
    audit: AuditFlags,
}

impl ActFlags {
    /// Who does it, why, and when.
    pub(crate) fn act(&self, now: Time) -> Act {
        Act {
            ticket: self.ticket.clone(),
            ..Act::by(&actor(), now)
        }
    }

    /// Begins to write down what a command does, if that was asked for.
    ///
    /// # Errors
    /// It cannot be written down: nothing may be done.
    pub(crate) fn audit(
        &self,
        ledger: &LedgerFlags,
        command: &'static str,
        act: &Act,
    ) -> Result<AuditTrail> {
        let file = self.audit.file();
        AuditTrail::begin(file.as_deref(), Some(ledger.place()?), command, act)
    }

    /// The same for a command that may do nothing: there is a line when it opens a key, or does something.
    ///
    /// # Errors
    /// As [`ActFlags::audit`].
    pub(crate) fn audit_when_due(
        &self,
        ledger: &LedgerFlags,
        command: &'static str,
        act: &Act,
    ) -> Result<AuditTrail> {
        let file = self.audit.file();
        AuditTrail::open(file.as_deref(), Some(ledger.place()?), command, act)
    }
}

/// Where what is done is written down.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct AuditFlags {
    /// Append what is done to this audit file [default: $OCSPRY_AUDIT, else to none]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    audit_file: Option<PathBuf>,
}

/// The variable that names the audit file.
const AUDIT_VARIABLE: &str = "OCSPRY_AUDIT";

impl AuditFlags {
    /// The audit file, if there is to be one.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let by_variable = || {
            env::var_os(AUDIT_VARIABLE)
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        self.audit_file.clone().or_else(by_variable)
    }
}

/// Whoever runs this: `alice (uid 1000)`, and behind sudo whoever asked for it.
pub(crate) fn actor() -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let uid = geteuid().as_raw();
    let mut actor = match user_name(&users, uid) {
        Some(name) => format!("{name} (uid {uid})"),
        None => format!("uid {uid}"),
    };
    let by_sudo = env::var("SUDO_USER").ok().filter(|_| getuid().is_root());
    if let Some(name) = by_sudo.filter(|name| is_user_name(name)) {
        actor = format!("{actor}, by sudo from {name}");
    }
    actor
}

/// By the lines of `/etc/passwd`: `name:password:uid:…`.
fn user_name(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| is_user_name(name))?;
        let is_it = fields.nth(1)?.parse() == Ok(uid);
        is_it.then_some(name)
    })
}

fn is_user_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|letter| letter.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_has_the_name_of_its_user() {
        let users =
            "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1000::/home/alice:/bin/sh\n";
        assert_eq!(user_name(users, 1000), Some("alice"));
        assert_eq!(user_name(users, 7), None);
        let uid = geteuid().as_raw();
        assert!(actor().contains(&format!("uid {uid}")), "{}", actor());
    }
}
