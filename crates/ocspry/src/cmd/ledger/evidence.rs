//! What left a CA, as far as it is at hand: CRLs and certificates in files, and what a server has seen of the ledger.
//! From: paths.  To: `reconcile`.
//!
//! A file counts for the CA that signed it; whoever can write it but has no CA key can put nothing into the ledger.  A state
//! directory is signed by nobody: whoever can write it can have certificates revoked.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use ocspry_ca::BACKDATED_SECONDS;
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{
    CrlNumber, ImportEntry, IssuerEvidence, IssuerFacts, LedgerReader, Position, SeenRevocation,
};
use ocspry_signer::read_regular_file;
use ocspry_source::StateDirectory;
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::x509::{CertificateList, SerialNumber, pem};

use crate::ca_choice::issued;
use crate::crl_at_hand::{OCTETS_MAX, signed};

/// What was found so far.
pub(super) struct Evidence<'a> {
    cas: &'a [IssuerFacts],
    /// Of each, the last list that the ledger knows.
    last: Vec<Option<CrlNumber>>,
    issuers: Vec<IssuerEvidence>,
    found: Found,
}

/// How much it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// CRLs that a CA of the ledger signed.
    pub(super) crls: u64,
    /// Certificates that one issued.
    pub(super) certificates: u64,
    /// Files of a directory that are neither.
    pub(super) others: u64,
    /// CAs of which a server had kept what it saw.
    pub(super) states: u64,
}

impl<'a> Evidence<'a> {
    /// None yet, for these CAs of a ledger.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) fn of(cas: &'a [IssuerFacts], reader: &LedgerReader) -> Result<Evidence<'a>> {
        let last = |ca: &IssuerFacts| -> Result<Option<CrlNumber>> {
            let lists = [
                reader.last_full_crl(ca.number)?,
                reader.last_delta_crl(ca.number)?,
            ];
            Ok(lists.into_iter().flatten().map(|crl| crl.number).max())
        };
        let none = |ca: &IssuerFacts| IssuerEvidence {
            issuer: ca.number,
            certificates: Vec::new(),
            revoked: Vec::new(),
            crl_numbers: Vec::new(),
        };
        Ok(Evidence {
            cas,
            last: cas.iter().map(last).collect::<Result<_>>()?,
            issuers: cas.iter().map(none).collect(),
            found: Found::default(),
        })
    }

    /// All of it, in the order of the CAs.
    pub(super) fn issuers(&self) -> &[IssuerEvidence] {
        &self.issuers
    }

    /// How much it is.
    pub(super) fn found(&self) -> Found {
        self.found
    }

    /// Takes a file, or each file of a directory.
    ///
    /// # Errors
    /// It cannot be read; a file that was named is no evidence.
    pub(super) fn add_path(&mut self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            if !self.add_file(path)? {
                bail!(
                    "{}: neither a CRL nor a certificate that a CA of this ledger signed",
                    path.display()
                );
            }
            return Ok(());
        }
        for file in files_of(path)? {
            if !self.add_file(&file)? {
                self.found.others += 1;
            }
        }
        Ok(())
    }

    /// Takes what a server keeps in its state directory; gives the last fact that it had seen.
    ///
    /// # Errors
    /// It cannot be read; it is about another ledger than `own`, or about none.
    pub(super) fn add_state(&mut self, path: &Path, own: &Position) -> Result<u64> {
        // A path with a mistake in it is no state that is empty.
        if !path.is_dir() {
            bail!("the state directory {} does not exist", path.display());
        }
        let state = Arc::new(StateDirectory::open(path)?);
        let mut last = None;
        for (ca, evidence) in self.cas.iter().zip(&mut self.issuers) {
            let kept = state.ledger(&to_hex(&ca.identity));
            let Some(seen) = kept.read()? else {
                continue;
            };
            let file = kept.position_path();
            let position: Position = seen
                .position
                .parse()
                .with_context(|| format!("{} cannot be used", file.display()))?;
            if position.identity != own.identity {
                bail!("{} is about another ledger", file.display());
            }
            // What is there was known when it was written, which may be long after thisUpdate of the answers.
            let written = fs::metadata(&file).and_then(|metadata| metadata.modified());
            let written = written.with_context(|| format!("{} cannot be read", file.display()))?;
            let known = whole_seconds(written).max(seen.this_update);
            let revoked = seen
                .revoked
                .iter()
                .map(|(serial_number, info)| SeenRevocation {
                    serial_number: *serial_number,
                    info: *info,
                    seen: known.max(info.revocation_time),
                });
            evidence.revoked.extend(revoked);
            self.found.states += 1;
            last = last.max(Some(position.sequence));
        }
        last.with_context(|| {
            format!(
                "{} holds nothing about a CA of this ledger; name the state directory of a server that is fed from it",
                path.display()
            )
        })
    }

    /// False when it is no evidence.
    fn add_file(&mut self, path: &Path) -> Result<bool> {
        let unreadable = || format!("{} cannot be read", path.display());
        let content = read_regular_file(path, OCTETS_MAX)
            .with_context(unreadable)?
            .content;
        if content.len() as u64 >= OCTETS_MAX {
            bail!("{} is larger than any CRL", path.display());
        }
        if !pem::is_pem(&content) {
            return Ok(self.add_der(&content));
        }
        let Ok(blocks) = pem::blocks(&content) else {
            return Ok(false);
        };
        let mut is_evidence = false;
        for block in blocks {
            is_evidence |= self.add_der(&block.der);
        }
        Ok(is_evidence)
    }

    fn add_der(&mut self, der: &[u8]) -> bool {
        self.add_certificate(der) || self.add_crl(der)
    }

    fn add_certificate(&mut self, der: &[u8]) -> bool {
        let Ok(certificate) = OwnedCertificate::from_der(der.to_owned()) else {
            return false;
        };
        let view = certificate.view();
        for (ca, evidence) in self.cas.iter().zip(&mut self.issuers) {
            // A root is in the ledger as the CA, not as one of its certificates.
            let is_its_own = ca.certificates.iter().any(|own| own.der() == der);
            if !is_its_own && issued(ca, &view) {
                evidence
                    .certificates
                    .push(ImportEntry::of(&certificate, None));
                self.found.certificates += 1;
                return true;
            }
        }
        false
    }

    fn add_crl(&mut self, der: &[u8]) -> bool {
        let mut revoked = Vec::new();
        let mut is_foreign = false;
        let list = CertificateList::from_der(der, |entry| {
            is_foreign |= entry.certificate_issuer.is_some();
            if let Some(serial_number) = SerialNumber::from_content(entry.serial_content)
                && !entry.remove_from_crl
            {
                revoked.push((serial_number, entry.revoked));
            }
        });
        let Ok(list) = list else { return false };
        let Some(at) = self.cas.iter().position(|ca| signed(ca, der, &list)) else {
            return false;
        };
        // The CAs here sign no indirect lists.
        if is_foreign {
            return false;
        }
        let number = list.extensions.crl_number.as_deref();
        let number = number.and_then(CrlNumber::from_content);
        // It is dated back; a release that the ledger has may be older than a list that it does not know.
        let seen = match number <= self.last[at] {
            true => list.header.this_update,
            false => list.header.this_update.plus_seconds(BACKDATED_SECONDS),
        };
        let evidence = &mut self.issuers[at];
        let entries = revoked
            .into_iter()
            .map(|(serial_number, info)| SeenRevocation {
                serial_number,
                info,
                seen,
            });
        evidence.revoked.extend(entries);
        evidence.crl_numbers.extend(number);
        self.found.crls += 1;
        true
    }
}

fn whole_seconds(time: SystemTime) -> Time {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_unix(i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX))
}

/// Not those of directories below it.
fn files_of(directory: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = || format!("the directory {} cannot be read", directory.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
