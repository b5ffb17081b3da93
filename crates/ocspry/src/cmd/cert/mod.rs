//! `ocspry cert`: the certificates of a ledger.  From: `main`.  To: the ledger, files, standard output.

mod import;
mod list;
mod renew;
mod request;
mod revoke;
mod selection;
mod show;
mod sign;
mod told;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use ocspry_core::{Clock, SystemClock};

pub(crate) use renew::as_long_as;
pub(crate) use revoke::{Reason, lines as revocation_lines, reason_from_text, revoke_all};
pub(crate) use selection::{Alike, Selection};

/// Verbs on certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum CertCommand {
    /// Sign a certificate, for a request or a new key
    #[command(after_help = sign::AFTER_HELP)]
    Sign(Box<sign::SignFlags>),
    /// Revoke certificates, put them on hold, or release them
    #[command(after_help = revoke::AFTER_HELP)]
    Revoke(Box<revoke::RevokeFlags>),
    /// List certificates
    #[command(after_help = list::AFTER_HELP)]
    List(list::ListFlags),
    /// Say all that is known of a certificate, with who did what and when
    #[command(after_help = show::AFTER_HELP)]
    Show(show::ShowFlags),
    /// Sign once more what a certificate says, with a new validity
    #[command(after_help = renew::AFTER_HELP, mut_arg("days", renew::days_help))]
    Renew(Box<renew::RenewFlags>),
    /// Bring certificates along that a CA signed elsewhere
    #[command(after_help = import::AFTER_HELP)]
    Import(import::ImportFlags),
}

/// Runs a verb.
///
/// # Errors
/// What kept it from being done.
pub(crate) fn run(command: CertCommand) -> Result<ExitCode> {
    let now = SystemClock.now();
    match command {
        CertCommand::Sign(flags) => sign::run(&flags, now),
        CertCommand::Revoke(flags) => revoke::run(&flags, now),
        CertCommand::List(flags) => list::run(&flags, now),
        CertCommand::Show(flags) => show::run(&flags, now),
        CertCommand::Renew(flags) => renew::run(&flags, now),
        CertCommand::Import(flags) => import::run(&flags, now),
    }
}
