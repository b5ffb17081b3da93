//! `ocspry index dump`: from the ledger, page by page, to an index that is written whole or not at all.

use std::io::{self, BufWriter};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use ocspry_ca::{CaError, FileAccess, IndexRow, IndexSubject, write_file_with};
use ocspry_core::{Clock as _, OwnedCertificate, SystemClock};
use ocspry_ledger::{CertificateFacts, IssuerFacts, LedgerReader, Origin};
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use serde_json::json;

use crate::ca_choice;
use crate::ledger_flags::LedgerFlags;
use crate::output::{print_json, say};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry index dump root index.txt
  ocspry index dump index.txt                     every CA; fails where two have the same serial
  openssl ocsp -index index.txt -port 8888 -rsigner ocsp.pem -rkey ocsp.key -CA ca.pem

Written whole or not at all: a running `openssl ocsp` takes the new one at its next request.";

/// What `index dump` can be told.
#[derive(Debug, Args)]
pub(crate) struct DumpFlags {
    /// The CAs, by name or serial number (none: all), and last the file; `-` is standard output
    #[arg(value_name = "[CA]... FILE", required = true)]
    words: Vec<String>,

    /// Say what was written as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Writes an index.
///
/// # Errors
/// A CA is not there, two have one serial, the ledger cannot be read or the file not written.
pub(super) fn run(flags: &DumpFlags) -> Result<ExitCode> {
    let Some((file, names)) = flags.words.split_last() else {
        bail!("give the file to write to");
    };
    let reader = flags.ledger.to_read()?;
    let cas = match names {
        [] => reader.issuers()?,
        names => names
            .iter()
            .map(|name| ca_choice::ca(&reader, name))
            .collect::<Result<_>>()?,
    };
    let counts = write(&reader, &cas, Path::new(file), SystemClock.now())?;
    if flags.json {
        let names: Vec<&str> = cas.iter().map(|ca| ca.name.as_str()).collect();
        print_json(&json!({
            "file": file,
            "cas": names,
            "certificates": counts.certificates,
            "revoked": counts.revoked,
        }));
    } else {
        say(&format!(
            "{file}: {} certificates, {} of them revoked",
            counts.certificates, counts.revoked
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// How much was written.
#[derive(Default)]
struct Counts {
    certificates: u64,
    revoked: u64,
}

fn write(reader: &LedgerReader, cas: &[IssuerFacts], path: &Path, now: Time) -> Result<Counts> {
    let mut counts = Counts::default();
    let mut rows = |out: &mut dyn io::Write| -> Result<()> {
        let mut line = Vec::new();
        for (at, ca) in cas.iter().enumerate() {
            each_certificate(reader, ca, |facts| {
                check_alone(reader, &cas[..at], ca, facts)?;
                let revoked = reader.revocation(facts.issuer, &facts.serial_number)?;
                line.clear();
                push_row(&mut line, facts, revoked, now)?;
                counts.certificates += 1;
                counts.revoked += u64::from(revoked.is_some());
                out.write_all(&line)
                    .with_context(|| format!("{} cannot be written", path.display()))
            })?;
        }
        Ok(out.flush()?)
    };
    match path == Path::new(STDOUT) {
        true => rows(&mut BufWriter::new(io::stdout().lock()))?,
        false => write_file_with(path, FileAccess::Public, |file| rows(file))?,
    }
    Ok(counts)
}

/// As a file: standard output.
const STDOUT: &str = "-";

/// Every certificate once, in the order in which they were recorded.
fn each_certificate(
    reader: &LedgerReader,
    ca: &IssuerFacts,
    mut each: impl FnMut(&CertificateFacts) -> Result<()>,
) -> Result<()> {
    for page in reader.pages(Some(ca.number)) {
        for facts in &page? {
            // A serial that a list named may have become known since, and stands there again.
            let is_known_better = facts.origin == Origin::Named
                && reader
                    .certificate(ca.number, &facts.serial_number)?
                    .is_some_and(|known| known.sequence != facts.sequence);
            if !is_known_better {
                each(facts)?;
            }
        }
    }
    Ok(())
}

/// OpenSSL finds a certificate by its serial alone, and refuses an index with one twice.
fn check_alone(
    reader: &LedgerReader,
    others: &[IssuerFacts],
    ca: &IssuerFacts,
    facts: &CertificateFacts,
) -> Result<()> {
    for other in others {
        if reader
            .certificate(other.number, &facts.serial_number)?
            .is_some()
        {
            bail!(
                "CA {} and CA {} both have a certificate of serial {}, and an index has each serial once: dump each CA \
                 into a file of its own",
                other.name,
                ca.name,
                facts.serial_number
            );
        }
    }
    Ok(())
}

fn push_row(
    line: &mut Vec<u8>,
    facts: &CertificateFacts,
    revoked: Option<RevokedInfo>,
    now: Time,
) -> Result<()> {
    let certificate = match &facts.der {
        Some(der) => Some(OwnedCertificate::from_der(der.clone()).with_context(|| {
            format!(
                "the certificate of serial {} in the ledger cannot be read",
                facts.serial_number
            )
        })?),
        None => None,
    };
    let view = certificate.as_ref().map(OwnedCertificate::view);
    let row = IndexRow {
        serial_number: facts.serial_number,
        not_after: facts.not_after.unwrap_or(NEVER),
        revoked,
        subject: match &view {
            Some(view) => IndexSubject::Name(view.subject),
            None => IndexSubject::Text(facts.subject.as_bytes()),
        },
    };
    row.push(line, now).map_err(|error: CaError| error.into())
}

/// The end of a certificate of which only the serial is known: 9999-12-31T23:59:59Z, no well-defined end (RFC 5280
/// §4.1.2.5).
const NEVER: Time = Time::from_unix(253_402_300_799);
