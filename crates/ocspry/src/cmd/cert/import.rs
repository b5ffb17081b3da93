//! `ocspry cert import`: certificates that a CA of the ledger signed elsewhere, or before it had a ledger.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use ocspry_ledger::{ImportEntry, Imported, IssuerFacts, LedgerReader, Origin};
use ocspry_wire::Time;
use ocspry_wire::x509::display_name;
use serde_json::json;

use crate::ca_choice::{self, read_certificate};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print_json, say};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry cert import issuing www.pem mail.pem
  ocspry cert import issuing old/*.pem --profile server --dry-run

The CA must have signed each of them, else none is taken. What is in the ledger already is passed
over, so that it can be run again. They are taken as not revoked. One that the ledger has by a line of an
index stays without its certificate: that is told.

Exit codes: 0 all are in the ledger, 1 not all are, 2 wrong usage.";

/// What `cert import` can be told.
#[derive(Debug, Args)]
pub(crate) struct ImportFlags {
    /// The CA: its name, or the serial number of its certificate
    #[arg(value_name = "CA")]
    ca: String,

    /// Certificates, PEM or DER; the first of each file
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath, required = true)]
    files: Vec<PathBuf>,

    /// What they were issued for, as the ledger shall keep it
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,

    /// Say what would be added, and add nothing
    #[arg(long)]
    dry_run: bool,

    /// Print the counts as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    act: ActFlags,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Imports them.
///
/// # Errors
/// One of them is none, or another CA's; the ledger cannot be written.
pub(super) fn run(flags: &ImportFlags, now: Time) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    let ca = ca_choice::ca(ledger.reader(), &flags.ca)?;
    // Once to judge them all, once to add them: what lies in memory is one certificate and a batch.
    for file in &flags.files {
        entry(&ca, file, flags.profile.as_deref())?;
    }
    let entries = flags
        .files
        .iter()
        .filter_map(|file| entry(&ca, file, flags.profile.as_deref()).ok());
    let imported = match flags.dry_run {
        true => ledger.reader().preview_import(now, ca.number, entries)?,
        false => {
            let act = flags.act.act(now);
            let _audit = flags.act.audit(&flags.ledger, "cert import", &act)?;
            ledger.import(&act, ca.number, entries, |_| {})?
        }
    };
    let Imported {
        entries,
        certificates,
        revocations: _,
    } = imported;
    match flags.json {
        true => print_json(&json!({
            "ca": ca.name.as_str(),
            "dry_run": flags.dry_run,
            "looked_at": entries,
            "added": certificates,
        })),
        false => {
            let added = if flags.dry_run {
                "would be added"
            } else {
                "added"
            };
            say(&format!(
                "{certificates} of {entries} certificates {added} to CA {}",
                ca.name
            ));
        }
    }
    let mut is_whole = entries == flags.files.len() as u64;
    for file in &flags.files {
        if is_without_certificate(ledger.reader(), &ca, file)? {
            is_whole = false;
            say(&format!(
                "error: {}: the ledger has it by its serial, without the certificate, as a line of an index brought it along; it \
                 takes none later: it can be revoked, and not be shown as PEM or renewed",
                file.display()
            ));
        }
    }
    Ok(if is_whole {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Is it known, and its certificate not at hand?
fn is_without_certificate(reader: &LedgerReader, ca: &IssuerFacts, file: &Path) -> Result<bool> {
    let serial = read_certificate(file)?.view().serial_number;
    let known = reader.certificate(ca.number, &serial)?;
    Ok(known.is_some_and(|known| known.origin == Origin::Imported && known.der.is_none()))
}

fn entry(ca: &IssuerFacts, file: &Path, profile: Option<&str>) -> Result<ImportEntry> {
    let certificate = read_certificate(file)?;
    if !ca_choice::issued(ca, &certificate.view()) {
        bail!(
            "{}: CA {} did not sign this certificate ({}); nothing was added",
            file.display(),
            ca.name,
            display_name(certificate.view().subject)
        );
    }
    Ok(ImportEntry::of(&certificate, profile))
}
