//! Which CA and which certificate of the ledger is meant.  From: names, serial numbers and files of the command line.
//! To: the commands.

use std::path::Path;

use anyhow::{Result, anyhow, bail};
use ocspry_ca::{HttpUrl, KeyAlgorithm, Pointers};
use ocspry_core::{OwnedCertificate, crypto};
use ocspry_ledger::{CertificateFacts, IssuerFacts, LedgerReader, Setting};
use ocspry_source::serial_from_text;
use ocspry_wire::x509::{Certificate, SerialNumber};

use crate::certificate_file::CertificateFile;

/// The CA that is meant: by its name, or by the serial number of one of its certificates.
///
/// # Errors
/// There is none, or it cannot be said which; the ledger cannot be read.
pub(crate) fn ca(reader: &LedgerReader, text: &str) -> Result<IssuerFacts> {
    let mut all = reader.issuers()?;
    let is_meant = |ca: &IssuerFacts| ca.name.as_str() == text;
    if let Some(at) = all.iter().position(is_meant) {
        return Ok(all.swap_remove(at));
    }
    if let Ok(serial) = serial_from_text(text) {
        let has_serial = |ca: &IssuerFacts| {
            ca.certificates
                .iter()
                .any(|certificate| same(&certificate.view().serial_number, &serial))
        };
        let mut found: Vec<IssuerFacts> = all.into_iter().filter(has_serial).collect();
        if found.len() > 1 {
            bail!(
                "{text} is the serial number of several CAs: {}",
                names(&found)
            );
        }
        if let Some(ca) = found.pop() {
            return Ok(ca);
        }
    }
    // Says that there is none, and how to see which there are.
    Ok(reader.issuer(text)?)
}

/// A certificate that the ledger knows, and whose it is.
pub(crate) struct Chosen {
    pub(crate) ca: IssuerFacts,
    pub(crate) certificate: CertificateFacts,
}

/// Finds certificates; each CA is read once.
pub(crate) struct Chooser<'a> {
    reader: &'a LedgerReader,
    cas: Vec<IssuerFacts>,
}

impl<'a> Chooser<'a> {
    /// Among those of one CA, or of all.
    ///
    /// # Errors
    /// As [`ca`].
    pub(crate) fn new(reader: &'a LedgerReader, ca_name: Option<&str>) -> Result<Chooser<'a>> {
        let cas = match ca_name {
            Some(name) => vec![ca(reader, name)?],
            None => reader.issuers()?,
        };
        Ok(Chooser { reader, cas })
    }

    /// The certificate that is meant: by its serial number, or by a file that holds it.  A text with a dot or a slash is a
    /// file.
    ///
    /// # Errors
    /// There is none, or it cannot be said which; the file or the ledger cannot be read.
    pub(crate) fn certificate(&self, text: &str) -> Result<Chosen> {
        if text.contains(['/', '.']) {
            return self.by_file(Path::new(text));
        }
        let serial = serial_from_text(text).map_err(|problem| {
            anyhow!("{text:?} {problem}; a file is told by a dot or slash in its path, as ./{text}")
        })?;
        self.by_serial(&serial)
    }

    /// The certificate of that serial number.
    ///
    /// # Errors
    /// There is none, or one of several CAs; the ledger cannot be read.
    pub(crate) fn by_serial(&self, serial: &SerialNumber) -> Result<Chosen> {
        let mut found = Vec::new();
        for ca in &self.cas {
            if let Some(certificate) = self.reader.certificate(ca.number, serial)? {
                found.push(Chosen {
                    ca: ca.clone(),
                    certificate,
                });
            }
        }
        if found.len() > 1 {
            let cas: Vec<IssuerFacts> = found.into_iter().map(|chosen| chosen.ca).collect();
            bail!(
                "several CAs have a certificate of serial {serial}: say whose it is with --ca ({})",
                names(&cas)
            );
        }
        found.pop().ok_or_else(|| {
            let path = self.reader.path().display();
            match self.cas.as_slice() {
                [ca] => anyhow!(
                    "ledger {path}: CA {} has no certificate of serial {serial}",
                    ca.name
                ),
                _ => anyhow!("ledger {path}: no CA has a certificate of serial {serial}"),
            }
        })
    }

    fn by_file(&self, path: &Path) -> Result<Chosen> {
        let certificate = read_certificate(path)?;
        let view = certificate.view();
        for ca in &self.cas {
            if !issued(ca, &view) {
                continue;
            }
            return match self.reader.certificate(ca.number, &view.serial_number)? {
                Some(known) => Ok(Chosen {
                    ca: ca.clone(),
                    certificate: known,
                }),
                None => bail!(
                    "{}: CA {} signed it, but the ledger does not know it; bring it along first: \
                     ocspry cert import {} {}",
                    path.display(),
                    ca.name,
                    ca.name,
                    path.display()
                ),
            };
        }
        bail!(
            "{}: no CA that was looked at signed this certificate",
            path.display()
        )
    }
}

/// Did this CA sign it?
pub(crate) fn issued(ca: &IssuerFacts, certificate: &Certificate<'_>) -> bool {
    ca.certificates
        .iter()
        .any(|issuer| crypto::is_signed_by(certificate, &issuer.view()))
}

/// The first certificate of a file.
///
/// # Errors
/// There is none.
pub(crate) fn read_certificate(path: &Path) -> Result<OwnedCertificate> {
    match CertificateFile::read(path) {
        Ok(file) => Ok(file.certificate),
        Err(error) => Err(match error.help() {
            Some(help) => anyhow!("{error}: {help}"),
            None => anyhow!("{error}"),
        }),
    }
}

/// Where clients of a CA's certificates find status and issuer; a setting may hold several URLs, with spaces between.
///
/// # Errors
/// A URL in the ledger is none.
pub(crate) fn pointers(ca: &IssuerFacts) -> Result<Pointers> {
    let urls = |setting| -> Result<Vec<HttpUrl>> {
        let text = ca.settings.get(&setting).map_or("", String::as_str);
        let urls = text.split_whitespace().map(HttpUrl::parse);
        Ok(urls.collect::<Result<_, _>>()?)
    };
    Ok(Pointers {
        ocsp: urls(Setting::OcspUrl)?,
        issuer: urls(Setting::IssuerUrl)?,
        crl: urls(Setting::CrlUrl)?,
    })
}

/// As it is typed: `p-256`, `rsa-2048`.
pub(crate) const fn algorithm_name(algorithm: KeyAlgorithm) -> &'static str {
    match algorithm {
        KeyAlgorithm::P256 => "p-256",
        KeyAlgorithm::P384 => "p-384",
        KeyAlgorithm::P521 => "p-521",
        KeyAlgorithm::Ed25519 => "ed25519",
        KeyAlgorithm::Rsa2048 => "rsa-2048",
        KeyAlgorithm::Rsa3072 => "rsa-3072",
        KeyAlgorithm::Rsa4096 => "rsa-4096",
    }
}

/// From what was typed, in any case.
///
/// # Errors
/// It is none.
pub(crate) fn algorithm_from_text(text: &str) -> Result<KeyAlgorithm> {
    KeyAlgorithm::ALL
        .into_iter()
        .find(|algorithm| algorithm_name(*algorithm).eq_ignore_ascii_case(text))
        .ok_or_else(|| {
            let known = KeyAlgorithm::ALL.map(algorithm_name).join(", ");
            anyhow!("choose one of {known}")
        })
}

/// A name that can stand in a URL: `Example Root` becomes `Example-Root`.
pub(crate) fn plain_name(name: &str) -> String {
    name.chars()
        .map(|letter| match letter {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' | '.' => letter,
            _ => '-',
        })
        .collect()
}

fn names(cas: &[IssuerFacts]) -> String {
    let names: Vec<&str> = cas.iter().map(|ca| ca.name.as_str()).collect();
    names.join(", ")
}

/// One number, however many needless zeros it has.
fn same(one: &SerialNumber, other: &SerialNumber) -> bool {
    fn bare(serial: &SerialNumber) -> &[u8] {
        let content = serial.content();
        content.strip_prefix(&[0]).unwrap_or(content)
    }
    bare(one) == bare(other)
}
