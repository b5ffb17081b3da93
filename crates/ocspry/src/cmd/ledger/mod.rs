//! `ocspry ledger`: the book of the built-in CA kept safe.  From: `main`.  To: `ocspry_ledger`, which does all of it.
//!
//! `backup` copies it while others write, `check` looks whether it is whole, `restore` puts a copy back, `reconcile` puts
//! back what that copy lacked, `migrate` brings it to this program's version.

mod evidence;
mod reconcile;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueHint};
use ocspry_core::{Clock as _, SystemClock};
use ocspry_ledger::{CheckReport, LedgerPlace};
use serde_json::{Value, json};

use crate::consent::{ConsentFlags, Question};
use crate::crl_publishing::ListLock;
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print, print_json, say};

/// Verbs on the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Copy it to a new file, while others write to it
    Backup(BackupFlags),
    /// Make it what a backup is; what was there is kept beside it
    #[command(after_help = RESTORE_AFTER_HELP)]
    Restore(RestoreFlags),
    /// Look whether the file is whole and its facts fit together
    #[command(after_help = CHECK_AFTER_HELP)]
    Check(CheckFlags),
    /// After a restore: put back what is known from CRLs and certificates
    #[command(after_help = reconcile::AFTER_HELP)]
    Reconcile(reconcile::ReconcileFlags),
    /// Bring it to this program's version; a backup is made before
    Migrate(MigrateFlags),
}

/// What comes after a restore.
const RESTORE_AFTER_HELP: &str = "\
What was recorded after the backup is missing then.  Nothing is written to the ledger, and no `serve` takes
it, before `ocspry ledger reconcile` was given the CRLs and certificates that are at hand.  Where it is cut
off, run it again; or to go on with what was there: `ocspry ledger reconcile`.";

/// What the exit code says.
const CHECK_AFTER_HELP: &str = "\
Exit codes: 0 whole, 1 it is not, or cannot be read, 2 wrong usage.";

/// What `ledger backup` can be told.
#[derive(Debug, Args)]
pub(crate) struct BackupFlags {
    /// Where the copy goes; no file may be there
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Say what was copied as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// What `ledger restore` can be told.
#[derive(Debug, Args)]
pub(crate) struct RestoreFlags {
    /// The backup
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Say what was done as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    consent: ConsentFlags,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    act: ActFlags,
}

/// What `ledger check` can be told.
#[derive(Debug, Args)]
pub(crate) struct CheckFlags {
    /// Say what was found as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// What `ledger migrate` can be told.
#[derive(Debug, Args)]
pub(crate) struct MigrateFlags {
    /// Say what was done as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Runs a verb.
///
/// # Errors
/// Why the ledger cannot be used, or what cannot be done with it.
pub(crate) fn run(command: LedgerCommand) -> Result<ExitCode> {
    match command {
        LedgerCommand::Backup(flags) => backup(&flags),
        LedgerCommand::Restore(flags) => restore(&flags),
        LedgerCommand::Check(flags) => check(&flags),
        LedgerCommand::Reconcile(flags) => reconcile::run(&flags),
        LedgerCommand::Migrate(flags) => migrate(&flags),
    }
}

fn backup(flags: &BackupFlags) -> Result<ExitCode> {
    let report = ocspry_ledger::backup(&flags.ledger.place()?, &flags.file)?;
    let file = flags.file.display();
    tell(
        flags.json,
        &json!({ "file": file.to_string(), "sequence": report.sequence, "facts": report.facts }),
        &format!(
            "{file}: {} facts, the last one is {}; checked",
            report.facts, report.sequence
        ),
    );
    Ok(ExitCode::SUCCESS)
}

fn restore(flags: &RestoreFlags) -> Result<ExitCode> {
    let place = flags.ledger.place()?;
    let LedgerPlace::Sqlite(path) = &place;
    say(&format!(
        "{} becomes what {} is; what was recorded after that is missing then",
        path.display(),
        flags.file.display()
    ));
    if !flags.consent.obtained(&Question::Type("restore"))? {
        return Ok(ExitCode::FAILURE);
    }
    // A list that is being published is recorded before.
    let _lock = ListLock::wait(path)?;
    let act = flags.act.act(SystemClock.now());
    let audit = flags.act.audit(&flags.ledger, "ledger restore", &act)?;
    let kept = ocspry_ledger::restore(&flags.file, &place)?;
    let from = flags.file.display().to_string();
    let told = audit.say("ledger-restored", [("from", json!(from))]);
    let kept_text = match &kept {
        Some(kept) => format!("; what was there is {}", kept.display()),
        None => String::new(),
    };
    tell(
        flags.json,
        &json!({
            "ledger": path.display().to_string(),
            "from": flags.file.display().to_string(),
            "kept": kept.map(|path| path.display().to_string()),
        }),
        &format!(
            "{}: restored{kept_text}\nnothing is written to it before: ocspry ledger reconcile FILE…, with the last CRLs and \
             the certificates that are at hand",
            path.display()
        ),
    );
    told.context("it is restored, and the audit file says only that this was begun")?;
    Ok(ExitCode::SUCCESS)
}

fn check(flags: &CheckFlags) -> Result<ExitCode> {
    let report = ocspry_ledger::check(&flags.ledger.place()?)?;
    tell(flags.json, &check_json(&report), &check_text(&report));
    Ok(match report.defects.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn check_text(report: &CheckReport) -> String {
    let path = report.path.display();
    let mut text = format!(
        "{path}: {} facts, the last one is {}",
        report.facts, report.sequence
    );
    if report.unissued > 0 {
        text += &format!(
            "\n{} serials were reserved and nothing was signed under them: a signature failed, or was cut off",
            report.unissued
        );
    }
    match report.defects.as_slice() {
        [] => text += "\nit is whole",
        defects => {
            for defect in defects {
                text += &format!("\ndefect: {defect}");
            }
        }
    }
    text
}

fn check_json(report: &CheckReport) -> Value {
    let defects: Vec<String> = report.defects.iter().map(ToString::to_string).collect();
    json!({
        "ledger": report.path.display().to_string(),
        "whole": defects.is_empty(),
        "sequence": report.sequence,
        "facts": report.facts,
        "unissued": report.unissued,
        "defects": defects,
    })
}

fn migrate(flags: &MigrateFlags) -> Result<ExitCode> {
    let LedgerPlace::Sqlite(path) = flags.ledger.place()?;
    let migrated = ocspry_ledger::migrate(&path)?;
    let text = match &migrated.backup {
        None => format!(
            "{}: has version {}, nothing is to be done",
            path.display(),
            migrated.to
        ),
        Some(backup) => format!(
            "{}: had version {}, has version {} now; as it was before: {}",
            path.display(),
            migrated.from,
            migrated.to,
            backup.display()
        ),
    };
    tell(
        flags.json,
        &json!({
            "ledger": path.display().to_string(),
            "from": migrated.from,
            "to": migrated.to,
            "backup": migrated.backup.as_ref().map(|path| path.display().to_string()),
        }),
        &text,
    );
    Ok(ExitCode::SUCCESS)
}

/// What was done or found.
fn tell(is_json: bool, value: &Value, text: &str) {
    match is_json {
        true => print_json(value),
        false => print(&format!("{text}\n")),
    }
}
