//! `ocspry crl`: verbs on certificate revocation lists.  From: `main`.  To: a running `serve` (`accept`).

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::control_client::{self, ControlFlags};
use crate::control_command::ControlCommand;

/// Verbs on CRLs.
#[derive(Debug, Subcommand)]
pub(crate) enum CrlCommand {
    /// Let a running `serve` use the CRL that it holds back for an issuer
    #[command(after_help = ACCEPT_AFTER_HELP)]
    Accept(AcceptFlags),
}

/// When that is needed.
const ACCEPT_AFTER_HELP: &str = "\
A CRL is held back when its number is lower than that of the list in use although it is newer:
mostly the CA began to count anew, but it may also be a list from a restored backup. The log and
/status say so. Without `accept` it is used when the list in use ends.

Exit codes: 0 it is in use now, 1 nothing is held, it was refused, or no `serve` is reached,
2 wrong usage.";

/// What `crl accept` can be told.
#[derive(Debug, Args)]
pub(crate) struct AcceptFlags {
    /// The issuer's name in the configuration, as it stands in the log
    #[arg(value_name = "ISSUER")]
    issuer: String,

    #[command(flatten)]
    control: ControlFlags,
}

/// Runs a verb.
///
/// # Errors
/// No `serve` is reached.
pub(crate) fn run(command: CrlCommand) -> Result<ExitCode> {
    match command {
        CrlCommand::Accept(flags) => control_client::run(
            &flags.control,
            &ControlCommand::CrlAccept {
                issuer: flags.issuer,
            },
        ),
    }
}
