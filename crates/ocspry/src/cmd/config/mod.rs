//! `ocspry config`: what stands in a configuration, what comes of it, and what could stand there.  From: `main`.

mod check;
mod explain;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

pub(super) use explain::table_heading;

use crate::config::sample;
use crate::output::print;

/// Verbs on configuration files.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Load everything that `serve -c FILE` would load, and say what is wrong
    Check(check::CheckFlags),
    /// Print the configuration in force as TOML: each key, its value, and where that comes from
    #[command(after_help = SHOW_AFTER_HELP)]
    Show(Box<show::ShowFlags>),
    /// Say what a key means, takes and is by default; without a key, list them all
    #[command(after_help = EXPLAIN_AFTER_HELP)]
    Explain(explain::ExplainFlags),
    /// Print a configuration with every key in it, commented out where it may be left out
    Sample,
}

const SHOW_AFTER_HELP: &str = "\
Takes the flags of `serve`.  Flags win over OCSPRY__TABLE__KEY=value of the environment, and these
over the file.

Examples:
  ocspry config show -c ocspry.toml
  OCSPRY__LISTEN__ADMIN=127.0.0.1:9560 ocspry config show -c ocspry.toml --port 80";

const EXPLAIN_AFTER_HELP: &str = "\
Examples:
  ocspry config explain
  ocspry config explain issuer.NAME.validity
  ocspry config explain admin";

/// Runs a verb.
///
/// # Errors
/// What kept it from doing it at all.
pub(crate) fn run(command: ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Check(flags) => check::run(flags),
        ConfigCommand::Show(flags) => show::run(*flags),
        ConfigCommand::Explain(flags) => explain::run(&flags),
        ConfigCommand::Sample => {
            print(&sample());
            Ok(ExitCode::SUCCESS)
        }
    }
}
