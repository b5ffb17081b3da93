//! Which CA, certificate or form of file an old line means.  From: the line and the ledger.  To: the new words.
//!
//! django-ca takes a CA or certificate by its serial, the beginning of that, or its commonName.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use ocspry_ca::{Subject, certificate_to_pem};
use ocspry_ledger::{CertificateFacts, IssuerFacts, LedgerReader};
use ocspry_source::serial_from_text;
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

use crate::ca_choice;
use crate::ca_keys::is_enabled;
use crate::output;

/// The CA that is meant; None: the first that is enabled.
pub(super) fn ca(reader: &LedgerReader, text: Option<&str>) -> Result<IssuerFacts> {
    let cas = reader.issuers()?;
    let Some(text) = text else {
        let first = cas.into_iter().find(is_enabled);
        return first.with_context(|| {
            format!(
                "ledger {}: has no CA that is enabled; make one: ocspry ca init NAME",
                reader.path().display()
            )
        });
    };
    let found = ca_choice::ca(reader, text);
    if found.is_ok() {
        return found;
    }
    let is_meant = |ca: &&IssuerFacts| {
        ca.certificates.iter().any(|certificate| {
            let view = certificate.view();
            begins(&view.serial_number, text)
                || common_name(view.subject).is_some_and(|name| name == text)
        })
    };
    let mut meant = cas.iter().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(ca), None) => Ok(ca.clone()),
        (Some(_), Some(_)) => bail!("{text} could be several CAs: give the whole serial"),
        (None, _) => found,
    }
}

/// The certificate that is meant, and whose it is.
pub(super) fn certificate(
    reader: &LedgerReader,
    text: &str,
    now: Time,
) -> Result<(IssuerFacts, CertificateFacts)> {
    // Never a file of that name, as the new words take one.
    if let Ok(serial) = serial_from_text(text)
        && let Ok(chosen) = ca_choice::Chooser::new(reader, None)?.by_serial(&serial)
    {
        return Ok((chosen.ca, chosen.certificate));
    }
    let mut meant = Vec::new();
    let cas = reader.issuers()?;
    for page in reader.pages(None) {
        meant.extend(page?.into_iter().filter(|facts| {
            let is_valid = facts.not_after.is_none_or(|end| end >= now);
            let has_name = is_valid && name_of(facts).is_some_and(|name| name == text);
            has_name || begins(&facts.serial_number, text)
        }));
    }
    if meant.len() > 1 {
        bail!(
            "{text} could be {} certificates: give the whole serial",
            meant.len()
        );
    }
    let Some(facts) = meant.pop() else {
        bail!("{text}: certificate not found; see: ocspry cert list");
    };
    let ca = cas.into_iter().find(|ca| ca.number == facts.issuer);
    let ca = ca.context("the CA of a certificate is not in its ledger")?;
    Ok((ca, facts))
}

/// The commonName of a certificate that is at hand.
pub(super) fn name_of(facts: &CertificateFacts) -> Option<String> {
    let certificate = ocspry_core::OwnedCertificate::from_der(facts.der.clone()?).ok()?;
    common_name(certificate.view().subject)
}

/// The commonName of a Name.
pub(super) fn common_name(subject: &[u8]) -> Option<String> {
    Subject::from_der(subject).ok()?.common_name()
}

/// As django-ca writes a serial: `34:D6:02`.
pub(super) fn colons(serial: &SerialNumber) -> String {
    let mut hex = Vec::new();
    serial.push_hex(&mut hex);
    let digits = String::from_utf8_lossy(&hex).into_owned();
    let pairs: Vec<&str> = (0..digits.len())
        .step_by(2)
        .filter_map(|at| digits.get(at..at + 2))
        .collect();
    pairs.join(":")
}

/// Does the serial begin so?  With colons or without; at least one octet of it.
fn begins(serial: &SerialNumber, text: &str) -> bool {
    let typed = text.replace(':', "").to_ascii_uppercase();
    typed.len() >= 2 && colons(serial).replace(':', "").starts_with(&typed)
}

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(super) enum Format {
    /// Text.
    Pem,
    /// Octets.
    Der,
    /// The same.
    Asn1,
}

impl Format {
    /// In the new words.
    pub(super) const fn form(self) -> &'static str {
        match self {
            Format::Pem => "pem",
            Format::Der | Format::Asn1 => "der",
        }
    }

    /// A certificate in it.
    pub(super) fn octets(self, der: &[u8]) -> Result<Vec<u8>> {
        Ok(match self {
            Format::Pem => certificate_to_pem(der)?.into_bytes(),
            Format::Der | Format::Asn1 => der.to_vec(),
        })
    }
}

/// Writes a certificate; `-` is standard output.
pub(super) fn write_certificate(der: &[u8], format: Format, path: &str) -> Result<()> {
    let octets = format.octets(der)?;
    if path == "-" {
        return io::stdout()
            .write_all(&octets)
            .context("the certificate cannot be written to standard output");
    }
    output::write_certificate(Path::new(path), &octets)
}

/// The digest is that of the CA's key; a line that asks for a weak one is not changed silently.
pub(super) fn check_digest(digest: Option<&str>) -> Result<()> {
    let is_strong = |digest: &str| {
        let digest = digest.to_ascii_lowercase().replace('-', "");
        ["sha256", "sha384", "sha512"].contains(&digest.as_str())
    };
    match digest {
        Some(digest) if !is_strong(digest) => {
            bail!("{digest} is not signed with here: leave it out, the CA's key decides")
        }
        Some(_) | None => Ok(()),
    }
}
