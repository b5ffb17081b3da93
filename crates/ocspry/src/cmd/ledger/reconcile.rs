//! `ocspry ledger reconcile`: after an older copy was restored, what left the CA since is put back.
//!
//! From: CRLs and certificates in files and directories, and the state of servers.  To: the ledger, in one act; and to
//! people, what was found.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueHint};
use ocspry_core::{Clock as _, SystemClock};
use ocspry_ledger::{IssuerFacts, Position, Reconciled};
use serde_json::{Value, json};

use super::evidence::Evidence;
use super::tell;
use crate::crl_publishing::ListLock;
use crate::ledger_flags::{ActFlags, LedgerFlags};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry ledger reconcile /var/lib/ocspry/published /srv/issued --state-dir /var/lib/ocspry-serve
  ocspry ledger reconcile root.crl root-delta.crl web.pem --seen 4711

Give the last CRLs, full and delta, and the certificates that were issued since the backup, as far as they
are at hand: files, or directories of them; and the state directory of each `ocspry serve` that is fed from
this ledger, which knows revocations that no CRL names yet.  What they revoke and the ledger does not know is revoked again,
and what the ledger knows stays.  The next CRL number is a thousand above all that were seen, or above 0,
since more may have been used.  It can be run again with more.  What CAs were set to since the backup is not put
back: see `ocspry ca list`, and disable again what was disabled.";

/// What `ledger reconcile` can be told.
#[derive(Debug, Args)]
pub(crate) struct ReconcileFlags {
    /// CRLs and certificates, PEM or DER, or directories of them
    #[arg(value_name = "FILE|DIR", value_hint = ValueHint::AnyPath)]
    evidence: Vec<PathBuf>,

    /// The state directory of a server that is fed from this ledger (repeatable)
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    state_dir: Vec<PathBuf>,

    /// The last fact that anybody saw of the ledger: its number, or the position that `serve` names
    #[arg(long, value_name = "SEQUENCE", value_parser = seen)]
    seen: Option<u64>,

    /// Say what was done as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    act: ActFlags,
}

/// A number, or a whole position.
fn seen(text: &str) -> Result<u64, String> {
    if let Ok(sequence) = text.parse() {
        return Ok(sequence);
    }
    match text.parse::<Position>() {
        Ok(position) => Ok(position.sequence),
        Err(_) => Err("give the number of a fact, or a position".to_owned()),
    }
}

/// Reconciles.
///
/// # Errors
/// A file or a state directory that was named is no evidence; evidence contradicts the ledger; the ledger cannot be written.
pub(super) fn run(flags: &ReconcileFlags) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    // A restore that is under way would take what is opened here, and what is written then, for what it replaces.
    let _lock = ListLock::wait(ledger.reader().path())?;
    let cas = ledger.reader().issuers()?;
    let mut evidence = Evidence::of(&cas, ledger.reader())?;
    for path in &flags.evidence {
        evidence.add_path(path)?;
    }
    let mut seen = flags.seen;
    let own = ledger.reader().position()?;
    for path in &flags.state_dir {
        seen = seen.max(Some(evidence.add_state(path, &own)?));
    }
    let found = evidence.found();
    let act = flags.act.act(SystemClock.now());
    let audit = flags.act.audit(&flags.ledger, "ledger reconcile", &act)?;
    seen = seen.max(audit.last_fact()?);
    let reconciled = ledger.reconcile(&act, evidence.issuers(), seen)?;
    tell(
        flags.json,
        &as_json(&cas, found, &reconciled),
        &text(&cas, found, &reconciled),
    );
    Ok(ExitCode::SUCCESS)
}

fn text(cas: &[IssuerFacts], found: super::evidence::Found, reconciled: &Reconciled) -> String {
    let mut text = format!(
        "looked at {} CRLs, {} certificates ({} other files passed over) and what servers saw of {} CAs\n\
         put back: {} certificates, {} revocations, {} of them of serials of which nothing else is known",
        found.crls,
        found.certificates,
        found.others,
        found.states,
        reconciled.certificates,
        reconciled.revocations,
        reconciled.named
    );
    for ca in cas {
        if let Some(number) = reconciled.crl_numbers.get(&ca.number) {
            text += &format!("\nCA {}: CRL numbers go on after {number}", ca.name);
        }
    }
    text += &format!("\nthe facts go on with {}", reconciled.sequence);
    text
}

fn as_json(cas: &[IssuerFacts], found: super::evidence::Found, reconciled: &Reconciled) -> Value {
    let numbers = cas.iter().filter_map(|ca| {
        let number = reconciled.crl_numbers.get(&ca.number)?;
        Some((ca.name.as_str().to_owned(), Value::from(number.to_string())))
    });
    json!({
        "crls": found.crls,
        "certificates_seen": found.certificates,
        "others": found.others,
        "states": found.states,
        "certificates": reconciled.certificates,
        "revocations": reconciled.revocations,
        "named": reconciled.named,
        "crl_numbers": Value::Object(numbers.collect()),
        "sequence": reconciled.sequence,
    })
}
