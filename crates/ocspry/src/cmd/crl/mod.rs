//! `ocspry crl`: verbs on CRLs.  From: `main`.  To: standard output (for people, or as JSON).
//!
//! `dump` signs the next list of a built-in CA; `show` says what a list says, whoever signed it; `check` says whether it
//! would be used for a CA, and why not; `accept` takes what a running `serve` holds back.

mod accept;
mod check;
pub(crate) mod dump;
mod show;
mod tally;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;
use ocspry_source::CrlNumber;
use ocspry_wire::x509::CrlDefects;
use serde_json::{Map, Value};

/// Verbs on CRLs.
#[derive(Debug, Subcommand)]
pub(crate) enum CrlCommand {
    /// Sign the next CRL of a built-in CA
    #[command(after_help = dump::AFTER_HELP)]
    Dump(dump::DumpFlags),
    /// Say what a CRL says: issuer, number, times, scope, entries by reason, defects
    #[command(after_help = show::AFTER_HELP)]
    Show(show::ShowFlags),
    /// Say whether a CRL would be used for a CA, and why not
    #[command(after_help = check::AFTER_HELP)]
    Check(check::CheckFlags),
    /// Let a running `serve` use what it holds back for an issuer
    #[command(after_help = accept::AFTER_HELP)]
    Accept(accept::AcceptFlags),
}

/// Runs a verb.
///
/// # Errors
/// The one line that says why the file cannot be shown or judged.
pub(crate) fn run(command: CrlCommand) -> Result<ExitCode> {
    match command {
        CrlCommand::Dump(flags) => dump::run(&flags),
        CrlCommand::Show(flags) => show::run(flags),
        CrlCommand::Check(flags) => check::run(flags),
        CrlCommand::Accept(flags) => accept::run(flags),
    }
}

/// `12 octets`, `1.5 MiB`.
fn size_text(octets: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if octets < 1024 {
        return format!("{octets} octets");
    }
    let mut size = octets as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// What was tolerated, by name.
fn defects_json(defects: &CrlDefects) -> Value {
    let found = defects.found();
    Value::Object(
        found
            .map(|(name, count)| (name.to_owned(), Value::from(count)))
            .collect::<Map<String, Value>>(),
    )
}

/// In decimal, and in hex when it is longer than a counter gets.
fn number_text(content: &[u8]) -> String {
    CrlNumber::from_content(content).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_told_in_the_unit_that_suits_it() {
        for (octets, text) in [
            (0, "0 octets"),
            (1023, "1023 octets"),
            (1536, "1.5 KiB"),
            (3 << 20, "3.0 MiB"),
            (5 << 40, "5.0 TiB"),
            (5 << 50, "5120.0 TiB"),
        ] {
            assert_eq!(size_text(octets), text);
        }
    }
}
