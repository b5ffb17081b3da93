//! `ocspry crl accept`: the operator takes what the guard holds.  From: `main`.  To: a running `serve`, by its control
//! socket.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::control_client::{self, ControlFlags};
use crate::control_command::ControlCommand;

/// When that is needed.
pub(super) const AFTER_HELP: &str = "\
A CRL is held back when its number is lower than that of the list in use although it is newer:
mostly the CA began to count anew, but it may also be a list from a restored backup. With
guard = \"refuse\", entries that vanished from a CRL stay revoked when they are very many, or of
certificates that have not expired; and what a list of issued certificates takes back counts on.
The log and /status say so.

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

/// Asks the running `serve`.
///
/// # Errors
/// None is reached.
pub(super) fn run(flags: AcceptFlags) -> Result<ExitCode> {
    let command = ControlCommand::CrlAccept {
        issuer: flags.issuer,
    };
    control_client::run(&flags.control, &command)
}
