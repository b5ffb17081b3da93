//! What left a CA, as far as it is at hand: CRLs and certificates in files.  From: paths.  To: `reconcile`.
//!
//! A file counts for the CA that signed it; whoever can write it but has no CA key can put nothing into the ledger.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{CrlNumber, ImportEntry, IssuerEvidence, IssuerFacts, SeenRevocation};
use ocspry_signer::read_regular_file;
use ocspry_wire::x509::{CertificateList, SerialNumber, pem};

use crate::ca_choice::{issued, signed_list};

/// What was found so far.
pub(super) struct Evidence<'a> {
    cas: &'a [IssuerFacts],
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
}

impl<'a> Evidence<'a> {
    /// None yet, for these CAs.
    pub(super) fn of(cas: &'a [IssuerFacts]) -> Evidence<'a> {
        let none = |ca: &IssuerFacts| IssuerEvidence {
            issuer: ca.number,
            certificates: Vec::new(),
            revoked: Vec::new(),
            crl_numbers: Vec::new(),
        };
        Evidence {
            cas,
            issuers: cas.iter().map(none).collect(),
            found: Found::default(),
        }
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
        let signed = |ca: &IssuerFacts| {
            let mut certificates = ca.certificates.iter();
            certificates.any(|certificate| signed_list(certificate, der, &list))
        };
        let Some(at) = self.cas.iter().position(signed) else {
            return false;
        };
        // The CAs here sign no indirect lists.
        if is_foreign {
            return false;
        }
        let seen = list.header.this_update;
        let evidence = &mut self.issuers[at];
        let entries = revoked
            .into_iter()
            .map(|(serial_number, info)| SeenRevocation {
                serial_number,
                info,
                seen,
            });
        evidence.revoked.extend(entries);
        let number = list.extensions.crl_number.as_deref();
        evidence
            .crl_numbers
            .extend(number.and_then(CrlNumber::from_content));
        self.found.crls += 1;
        true
    }
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

/// Most octets of a file: a CRL of some millions of entries.
const OCTETS_MAX: u64 = 512 << 20;
