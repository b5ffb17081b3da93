//! `ocspry cert list`: certificates in the order in which they were recorded, read and printed page by page.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ocspry_ledger::{CertificateFacts, IssuerNumber};
use ocspry_wire::Time;

use super::told::{self, State};
use crate::ca_choice;
use crate::ledger_flags::LedgerFlags;
use crate::summary::Paint;
use crate::text_table::Table;
use crate::time_text::utc;

/// What the choices mean.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry cert list --ca issuing --valid
  ocspry cert list --revoked --json

Without a choice all are listed. A certificate that is revoked or on hold is `revoked`, also when
it has expired.

Exit codes: 0 listed, 1 the ledger cannot be read, 2 wrong usage.";

/// What `cert list` can be told.
#[derive(Debug, Args)]
pub(crate) struct ListFlags {
    /// Those of this CA: its name, or the serial number of its certificate
    #[arg(long, value_name = "CA")]
    ca: Option<String>,

    /// Those that are valid
    #[arg(long)]
    valid: bool,

    /// Those that have expired
    #[arg(long)]
    expired: bool,

    /// Those that are revoked or on hold
    #[arg(long)]
    revoked: bool,

    /// Those of this profile
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,

    /// Print them as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Lists them.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn run(flags: &ListFlags, now: Time) -> Result<ExitCode> {
    let reader = flags.ledger.to_read()?;
    let issuer = match &flags.ca {
        Some(name) => Some(ca_choice::ca(&reader, name)?.number),
        None => None,
    };
    let cas = reader.issuers()?;
    let names = cas.iter().map(|ca| (ca.number, ca.name.as_str())).collect();
    let mut printer = match flags.json {
        true => Printer::Json { is_first: true },
        false => Printer::Table { is_first: true },
    };
    printer.begin();
    for page in reader.pages(issuer) {
        let mut chosen = Vec::new();
        for certificate in page? {
            let state = State::of(&reader, &certificate, now)?;
            if flags.wants(&certificate, &state, now) {
                chosen.push((certificate, state));
            }
        }
        // Whoever was reading has gone.
        if printer.print(&chosen, &names).is_err() {
            break;
        }
    }
    printer.end();
    Ok(ExitCode::SUCCESS)
}

impl ListFlags {
    fn wants(&self, certificate: &CertificateFacts, state: &State, now: Time) -> bool {
        let is_any = !(self.valid || self.expired || self.revoked);
        let is_revoked = matches!(state, State::Revoked(_));
        let is_chosen = is_any
            || (self.valid && *state == State::Valid)
            || (self.expired && told::is_expired(certificate, now))
            || (self.revoked && is_revoked);
        let is_of_profile = self
            .profile
            .as_ref()
            .is_none_or(|profile| certificate.profile.as_ref() == Some(profile));
        is_chosen && is_of_profile
    }
}

enum Printer {
    Table { is_first: bool },
    Json { is_first: bool },
}

type Names<'a> = BTreeMap<IssuerNumber, &'a str>;

impl Printer {
    fn begin(&self) {
        if let Printer::Json { is_first: _ } = self {
            let _ = write!(io::stdout(), "[");
        }
    }

    fn print(
        &mut self,
        certificates: &[(CertificateFacts, State)],
        names: &Names<'_>,
    ) -> io::Result<()> {
        let name = |certificate: &CertificateFacts| {
            names.get(&certificate.issuer).copied().unwrap_or_default()
        };
        match self {
            Printer::Table { is_first } => {
                let mut table = Table::new(["serial", "CA", "until", "state", "subject"]);
                for (certificate, state) in certificates {
                    table.add([
                        certificate.serial_number.to_string(),
                        name(certificate).to_owned(),
                        certificate.not_after.map_or_else(|| "-".to_owned(), utc),
                        state.word().to_owned(),
                        certificate.subject.clone(),
                    ]);
                }
                let text = match *is_first {
                    true => table.text(&Paint::for_stdout()),
                    false => table.text_below(),
                };
                *is_first = false;
                write!(io::stdout(), "{text}")
            }
            Printer::Json { is_first } => {
                let mut out = io::stdout().lock();
                for (certificate, state) in certificates {
                    let separator = if *is_first { "\n" } else { ",\n" };
                    *is_first = false;
                    let value = told::json(name(certificate), certificate, state);
                    write!(out, "{separator}  {value}")?;
                }
                Ok(())
            }
        }
    }

    fn end(&self) {
        if let Printer::Json { is_first } = self {
            let end = if *is_first { "]" } else { "\n]" };
            let _ = writeln!(io::stdout(), "{end}");
        }
    }
}
