//! `ocspry ca`: the CAs of a ledger.  From: `main`.  To: the ledger, key files, standard output.

mod compromise;
mod edit;
mod import;
mod init;
mod list;
mod own;
mod renew;
mod show;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use ocspry_ca::{CaError, HttpUrl, certificate_to_pem};
use ocspry_core::{Clock, OwnedCertificate, SystemClock};
use ocspry_ledger::IssuerName;

pub(crate) use init::sign_reserved;
pub(crate) use own::refuse_key_taken_back;

use crate::cmd::tick;
use crate::output::write_certificate;

/// Verbs on CAs.
#[derive(Debug, Subcommand)]
pub(crate) enum CaCommand {
    /// Make a CA: a root, or an intermediate below another CA of the ledger
    #[command(after_help = init::AFTER_HELP)]
    Init(Box<init::InitFlags>),
    /// List the CAs of the ledger
    List(list::ListFlags),
    /// Say all that is known of a CA, or print its certificate
    #[command(after_help = show::AFTER_HELP)]
    Show(show::ShowFlags),
    /// Change what a CA is set to: URLs, defaults, whether it issues
    #[command(after_help = edit::AFTER_HELP)]
    Edit(Box<edit::EditFlags>),
    /// Take a CA in that exists already
    #[command(after_help = import::AFTER_HELP)]
    Import(Box<import::ImportFlags>),
    /// Sign the certificate of a CA once more, for its own key or a new one
    #[command(after_help = renew::AFTER_HELP)]
    Renew(Box<renew::RenewFlags>),
    /// Revoke all that a CA issued, because its key is in other hands
    #[command(after_help = compromise::AFTER_HELP)]
    Compromise(compromise::CompromiseFlags),
    /// Publish CRLs where they are due, renew responder certificates, tell what ends: for a timer
    #[command(after_help = tick::AFTER_HELP)]
    Tick(tick::TickFlags),
}

/// Runs a verb.
///
/// # Errors
/// What kept it from being done.
pub(crate) fn run(command: CaCommand) -> Result<ExitCode> {
    let now = SystemClock.now();
    match command {
        CaCommand::Init(flags) => init::run(&flags, now),
        CaCommand::List(flags) => list::run(&flags, now),
        CaCommand::Show(flags) => show::run(&flags, now),
        CaCommand::Edit(flags) => edit::run(&flags, now),
        CaCommand::Import(flags) => import::run(&flags, now),
        CaCommand::Renew(flags) => renew::run(&flags, now),
        CaCommand::Compromise(flags) => compromise::run(&flags, now),
        CaCommand::Tick(flags) => tick::run(&flags),
    }
}

/// Writes the certificate of a CA that is in the ledger by now.
///
/// # Errors
/// It cannot be written; what is recorded, and how to have it all the same.
fn write_recorded(out: &Path, certificate: &OwnedCertificate, ca: &IssuerName) -> Result<()> {
    let pem = certificate_to_pem(certificate.der())?;
    write_certificate(out, pem.as_bytes()).with_context(|| {
        format!(
            "CA {ca} and its certificate are in the ledger, and its key is on the disk: do not run this again; only the \
             file was not written, which is done by: ocspry ca show {ca} --out FILE"
        )
    })
}

/// A longest time in days: a hundred years.
const DAYS_MAX: i64 = 36_500;

/// So many days from `now`, in seconds.
fn days(days: u32) -> std::time::Duration {
    std::time::Duration::from_secs(u64::from(days) * 86_400)
}

/// Reads one URL of an option.
fn http_url(text: &str) -> Result<HttpUrl, CaError> {
    HttpUrl::parse(text)
}

/// URLs as one setting; None: there is none.
fn urls_setting(urls: &[HttpUrl]) -> Option<String> {
    let texts: Vec<&str> = urls.iter().map(HttpUrl::as_str).collect();
    (!texts.is_empty()).then(|| texts.join(" "))
}
