//! `ocspry reload`: a running `serve` reads everything again, and says what came of it.  From: `main`.  To: its control
//! socket.

use std::process::ExitCode;

use anyhow::Result;

use crate::control_client::{self, ControlFlags};
use crate::control_command::ControlCommand;

/// Asks for a reload and prints its verdict.
///
/// # Errors
/// No `serve` is reached.
pub(crate) fn run(flags: &ControlFlags) -> Result<ExitCode> {
    control_client::run(flags, &ControlCommand::Reload {})
}
