//! `ocspry`: an OCSP responder and a small CA in one binary (layer 4).
//!
//! START HERE for the command line; `cmd/serve.rs` tells how the responder starts, `assemble.rs` how a configuration
//! becomes running parts, `control.rs` what happens while it runs.  The story of one request begins in
//! `ocspry_core::responder`.

mod aside;
mod assemble;
mod ca_choice;
mod ca_keys;
mod certificate_file;
mod clock_watch;
mod cmd;
mod config;
mod consent;
mod control;
mod control_client;
mod control_command;
mod control_socket;
mod credential_files;
mod crl_publishing;
mod exchange_printer;
mod file_stamp;
mod issuer_report;
mod ledger_feed;
mod ledger_flags;
mod load_bar;
mod log_capture;
mod log_output;
mod ocsp_text;
mod output;
mod passphrases;
mod report;
mod shell;
mod signals;
mod stage;
mod summary;
mod text_table;
mod time_text;

use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use cmd::ca::CaCommand;
use cmd::cert::CertCommand;
use cmd::config::ConfigCommand;
use cmd::crl::CrlCommand;
use cmd::demo::DemoFlags;
use cmd::import::ImportCommand;
use cmd::index::IndexCommand;
use cmd::ledger::LedgerCommand;
use cmd::ocsp::OcspArguments;
use cmd::old_lines::{OldLine, Turn};
use cmd::state::StateCommand;
use config::ServeFlags;
use control_client::ControlFlags;

/// Answers whether certificates are revoked (OCSP, RFC 6960), and signs the answers.
#[derive(Debug, Parser)]
#[command(name = "ocspry", version, max_term_width = 100, propagate_version = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Exit codes and where to begin.
const AFTER_HELP: &str = "\
Begin with `ocspry demo`: it makes a throw-away PKI, serves it, and prints what to try.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found.  Log level: OCSPRY_LOG=error|warn|info|debug|trace.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer OCSP requests from CRL files
    #[command(after_help = SERVE_AFTER_HELP)]
    Serve(Box<ServeFlags>),
    /// Serve an OpenSSL index with the flags of `openssl ocsp`, server side
    #[command(disable_help_flag = true)]
    Ocsp(OcspArguments),
    /// Make a throw-away PKI, serve it, and print the client commands to try
    Demo(DemoFlags),
    /// Work with configuration files
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Let a running `serve` read configuration, certificates, keys and CRLs again, and print the verdict
    #[command(after_help = RELOAD_AFTER_HELP)]
    Reload(ControlFlags),
    /// Look into CRLs, try whether one would be used, accept one that is held
    #[command(subcommand)]
    Crl(CrlCommand),
    /// Make, list, show and change the CAs of a ledger
    #[command(subcommand)]
    Ca(CaCommand),
    /// Sign, revoke, list and show the certificates of a ledger
    #[command(subcommand)]
    Cert(CertCommand),
    /// Bring along a CA that another program kept
    #[command(subcommand)]
    Import(ImportCommand),
    /// Write and read indexes as `openssl ca` keeps them
    #[command(subcommand)]
    Index(IndexCommand),
    /// Keep the ledger safe: back it up, restore it, look whether it is whole
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Work with what is remembered across restarts
    #[command(subcommand)]
    State(StateCommand),
    #[command(flatten)]
    Old(OldLine),
}

/// What the exit code says.
const RELOAD_AFTER_HELP: &str = "\
Does what SIGHUP does, by the control socket of `serve`, and waits for the end of it. What is printed
is what the log of `serve` gets.

Exit codes: 0 everything was read and taken, 1 it was not (refused, or in part) or no `serve` is
reached, 2 wrong usage.";

/// Two ways to serve, and what belongs together.
const SERVE_AFTER_HELP: &str = "\
Examples:
  ocspry serve --ca ca.pem --crl crl.pem --ocsp-cert ocsp.pem --ocsp-key ocsp.key
  ocspry serve --ca ca.pem --crl crl.pem --ca-key ca.key
  ocspry serve -c /etc/ocspry/ocspry.toml

Repeated files are matched by what is in them: a CRL to its CA by name and signature, a responder
certificate to the CA that issued it, a key to its certificate.  Changed files are picked up by
themselves; `ocspry reload` or SIGHUP reads everything again, SIGTERM finishes open requests (5 s at most) and stops.";

fn main() -> ExitCode {
    // Every secret is in this process: no core dump, and no other process may look into it.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    log_panics();
    let cli = Cli::parse();
    run(cli.command).unwrap_or_else(|error| {
        // Nobody may be reading.
        let _ = writeln!(io::stderr(), "{}", on_one_line(&error));
        ExitCode::FAILURE
    })
}

/// Runs a verb.
fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(flags) => cmd::serve::run(*flags),
        Command::Ocsp(arguments) => cmd::ocsp::run(&arguments.words),
        Command::Demo(flags) => cmd::demo::run(&flags),
        Command::Config(command) => cmd::config::run(command),
        Command::Reload(flags) => cmd::reload::run(&flags),
        Command::Crl(command) => cmd::crl::run(command),
        Command::Ca(command) => cmd::ca::run(command),
        Command::Cert(command) => cmd::cert::run(command),
        Command::Import(command) => cmd::import::run(command),
        Command::Index(command) => cmd::index::run(command),
        Command::Ledger(command) => cmd::ledger::run(command),
        Command::State(command) => cmd::state::run(command),
        Command::Old(line) => match cmd::old_lines::run(&line)? {
            Turn::Done(code) => Ok(code),
            Turn::Instead(words, then) => {
                let code = run(Cli::parse_from(words).command)?;
                let _ = io::stdout().write_all(&then);
                Ok(code)
            }
        },
    }
}

/// The error with its causes.  Our own errors name their cause themselves: what was said is not said again.
fn on_one_line(error: &anyhow::Error) -> String {
    let text = error
        .chain()
        .fold(String::new(), |text, cause| match cause.to_string() {
            cause if text.contains(&cause) => text,
            cause if text.is_empty() => cause,
            cause => format!("{text}: {cause}"),
        });
    if text.starts_with("error: ") {
        text
    } else {
        format!("error: {text}")
    }
}

/// A panic is one line in the log.  On a worker it costs one connection; the main thread ends with it, and so does the
/// process; the signal thread ends the process itself.
fn log_panics() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let message = info.payload_as_str().unwrap_or("no message");
        if tracing::dispatcher::has_been_set() {
            tracing::error!("panic at {place}: {message}");
        } else {
            let _ = writeln!(io::stderr(), "error: panic at {place}: {message}");
        }
    }));
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn an_error_is_one_line_and_names_each_cause_once() {
        let cause = io::Error::from(io::ErrorKind::NotFound);
        let error = Err::<(), _>(cause)
            .context("the directory x cannot be read")
            .unwrap_err();
        assert_eq!(
            on_one_line(&error),
            "error: the directory x cannot be read: entity not found"
        );
        let error = error.context("twice: the directory x cannot be read: entity not found");
        assert_eq!(
            on_one_line(&error),
            "error: twice: the directory x cannot be read: entity not found"
        );
    }
}
