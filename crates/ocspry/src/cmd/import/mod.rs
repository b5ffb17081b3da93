//! `ocspry import`: a whole CA that another program kept.  From: `main`.  To: the ledger.

mod brought_ca;
mod django_ca;
mod numbered_crl;
mod openssl_ca;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(crate) use numbered_crl::NumberedCrl;

/// Verbs by the program that kept the CA.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportCommand {
    /// A directory of `openssl ca`: certificate, key, index, CRL number, issued certificates
    #[command(name = "openssl-ca", after_help = openssl_ca::AFTER_HELP)]
    OpensslCa(Box<openssl_ca::OpensslCaFlags>),
    /// The SQLite database of django-ca: its CAs, certificates and revocations
    #[command(name = "django-ca", after_help = django_ca::AFTER_HELP)]
    DjangoCa(Box<django_ca::DjangoCaFlags>),
}

/// Runs a verb.
///
/// # Errors
/// What cannot be read or contradicts the ledger.
pub(crate) fn run(command: ImportCommand) -> Result<ExitCode> {
    match command {
        ImportCommand::OpensslCa(flags) => openssl_ca::run(&flags),
        ImportCommand::DjangoCa(flags) => django_ca::run(&flags),
    }
}
