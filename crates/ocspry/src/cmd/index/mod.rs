//! `ocspry index`: what a built-in CA issued, as `openssl ca` keeps it (`index.txt`).  From: `main`.  To: a file that
//! `openssl ocsp -index` and `openssl ca` take for their own, and back into the ledger.

mod dump;
mod import;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use import::{CertificateFiles, CountedImport, IndexFile, added_text};

/// Verbs on indexes.
#[derive(Debug, Subcommand)]
pub(crate) enum IndexCommand {
    /// Write what CAs have issued and revoked as an index of `openssl ca`
    #[command(after_help = dump::AFTER_HELP)]
    Dump(dump::DumpFlags),
    /// Bring along what an index of `openssl ca` says
    #[command(after_help = import::AFTER_HELP)]
    Import(import::ImportFlags),
}

/// Runs a verb.
///
/// # Errors
/// What cannot be read, written or be true.
pub(crate) fn run(command: IndexCommand) -> Result<ExitCode> {
    match command {
        IndexCommand::Dump(flags) => dump::run(&flags),
        IndexCommand::Import(flags) => import::run(&flags),
    }
}
