//! `ocspry`: an OCSP responder and a small CA in one binary (layer 4).
//!
//! START HERE for the command line; `cmd/serve.rs` tells how the responder starts, `assemble.rs` how a configuration
//! becomes running parts, `control.rs` what happens while it runs.  The story of one request begins in
//! `ocspry_core::responder`.

mod aside;
mod assemble;
mod audit;
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
mod credentials;
mod crl_at_hand;
mod crl_publishing;
mod descriptors;
mod exchange_printer;
mod file_stamp;
mod inherited_sockets;
mod issuer_report;
mod ledger_feed;
mod ledger_flags;
mod load_bar;
mod log_capture;
mod log_file;
mod log_output;
mod managed_responder;
mod metered_signer;
mod ocsp_text;
mod output;
mod passphrases;
mod process_usage;
mod report;
mod request_log;
mod shell;
mod signals;
mod stage;
mod summary;
mod text_table;
mod time_text;
mod watchdog;

use std::io::{self, Write};
use std::panic;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use cmd::audit::AuditCommand;
use cmd::ca::CaCommand;
use cmd::cert::CertCommand;
use cmd::config::ConfigCommand;
use cmd::crl::CrlCommand;
use cmd::demo::DemoFlags;
use cmd::healthcheck::HealthcheckFlags;
use cmd::import::ImportCommand;
use cmd::index::IndexCommand;
use cmd::ledger::LedgerCommand;
use cmd::ocsp::OcspArguments;
use cmd::old_lines::{OldLine, Turn};
use cmd::papers::{CompletionsFlags, ManFlags};
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
    #[command(disable_help_flag = true, after_help = cmd::ocsp::HELP)]
    Ocsp(OcspArguments),
    /// Make a throw-away PKI, serve it, and print the client commands to try
    Demo(DemoFlags),
    /// Check, show and explain configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Let a running `serve` read configuration, certificates, keys and CRLs again, and print the verdict
    #[command(after_help = RELOAD_AFTER_HELP)]
    Reload(ControlFlags),
    /// Say by one line and the exit code whether a running `serve` is well, for containers and load balancers
    #[command(after_help = HEALTHCHECK_AFTER_HELP)]
    Healthcheck(HealthcheckFlags),
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
    /// Check audit streams
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Work with what is remembered across restarts
    #[command(subcommand)]
    State(StateCommand),
    /// Write the man pages, one for each verb and one for the configuration
    #[command(after_help = "Example:\n  ocspry man /usr/local/share/man/man1")]
    Man(ManFlags),
    /// Print the script that completes verbs and flags in a shell
    #[command(after_help = "Example:\n  ocspry completions bash >/etc/bash_completion.d/ocspry")]
    Completions(CompletionsFlags),
    #[command(flatten)]
    Old(OldLine),
}

/// What the exit code says.
const RELOAD_AFTER_HELP: &str = "\
Does what SIGHUP does, by the control socket of `serve`, and waits for the end of it. What is printed
is what the log of `serve` gets.

Exit codes: 0 everything was read and taken, 1 it was not (refused, or in part) or no `serve` is
reached, 2 wrong usage.";

/// What the exit code says.
const HEALTHCHECK_AFTER_HELP: &str = "\
Examples:
  ocspry healthcheck
  ocspry healthcheck --strict -c /etc/ocspry/ocspry.toml
  ocspry healthcheck --url http://127.0.0.1:8888/healthz

Exit codes: 0 healthy; 1 not: it starts or stops, no issuer can answer, or it is not reached; with
--strict also what that flag names; 2 wrong usage.  Restart by the first, call people by --strict:
all replicas share a list that ends.";

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
        Command::Healthcheck(flags) => cmd::healthcheck::run(&flags),
        Command::Crl(command) => cmd::crl::run(command),
        Command::Ca(command) => cmd::ca::run(command),
        Command::Cert(command) => cmd::cert::run(command),
        Command::Import(command) => cmd::import::run(command),
        Command::Index(command) => cmd::index::run(command),
        Command::Ledger(command) => cmd::ledger::run(command),
        Command::Audit(command) => cmd::audit::run(&command),
        Command::State(command) => cmd::state::run(command),
        Command::Man(flags) => {
            cmd::papers::man(Cli::command(), &flags.directory).map(|()| ExitCode::SUCCESS)
        }
        Command::Completions(flags) => {
            cmd::papers::completions(&flags, Cli::command()).map(|()| ExitCode::SUCCESS)
        }
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

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_a_man_page_with_every_flag_and_the_lines_of_others_have_none() {
        let directory = tempfile::tempdir().unwrap();
        cmd::papers::man(Cli::command(), directory.path()).unwrap();
        let mut table = Cli::command().disable_help_subcommand(true);
        table.build();
        let mut verbs = vec![table];
        let mut pages = 0;
        while let Some(verb) = verbs.pop() {
            let name = verb
                .get_display_name()
                .unwrap_or(verb.get_name())
                .to_owned();
            let page = std::fs::read_to_string(directory.path().join(format!("{name}.1"))).unwrap();
            let page = page.replace('\\', "");
            let flags = verb.get_arguments().filter(|flag| !flag.is_hide_set());
            for flag in flags.filter_map(|flag| flag.get_long()) {
                assert!(page.contains(&format!("--{flag}")), "{name} --{flag}");
            }
            if let Some(notes) = verb.get_after_help() {
                let notes = notes.to_string().replace('\\', "");
                assert!(page.contains(notes.lines().next().unwrap()), "{name}");
            }
            pages += 1;
            let shown = verb.get_subcommands().filter(|verb| !verb.is_hide_set());
            verbs.extend(shown.cloned());
        }
        // And that of the configuration.
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            pages + 1
        );
        assert!(!directory.path().join("ocspry-sign_cert.1").exists());
    }

    #[test]
    fn the_page_of_the_configuration_has_every_key_with_its_meaning_and_default() {
        let directory = tempfile::tempdir().unwrap();
        cmd::papers::man(Cli::command(), directory.path()).unwrap();
        let page = std::fs::read_to_string(directory.path().join("ocspry.toml.5")).unwrap();
        let page = page.replace('\\', "");
        for key in config::KEYS {
            let tag = format!("fB{}fR ({})", key.last(), key.takes.text());
            for part in [tag.as_str(), key.meaning, key.default.text(), key.example] {
                assert!(page.contains(part), "{}: no {part:?}", key.name);
            }
        }
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
