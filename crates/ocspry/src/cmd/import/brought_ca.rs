//! A CA that another program kept, on its way into the ledger.  From: `openssl_ca`, `django_ca`.  To: one transaction with
//! all that it issued.
//!
//! The key stays where it is.  What the ledger has of a CA already stays as it is, but for a key that it did not have, and for
//! a CA that is disabled there since.

use anyhow::Result;
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{
    CrlNumber, IssuerFacts, IssuerName, IssuerNumber, LedgerError, LedgerReader, Refusal, Setting,
    WholeImport, issuer_identity,
};
use ocspry_wire::x509::display_name;

use crate::ca_keys::{KeyPlace, is_enabled};

/// A CA as it is to be in the ledger.
pub(super) struct BroughtCa {
    pub(super) name: IssuerName,
    /// That it uses now.
    pub(super) certificate: OwnedCertificate,
    /// Those before it, of the same subject and key, oldest first.
    pub(super) older: Vec<OwnedCertificate>,
    /// Without the key.
    pub(super) settings: Vec<(Setting, String)>,
    pub(super) key: Option<KeyPlace>,
    /// The last CRL number that may have been used.
    pub(super) crl_number: Option<CrlNumber>,
}

impl BroughtCa {
    /// What its certificates have in common.
    pub(super) fn identity(&self) -> [u8; 32] {
        issuer_identity(&self.certificate.view())
    }

    /// All its certificates, oldest first.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &OwnedCertificate> {
        self.older.iter().chain([&self.certificate])
    }

    /// The CA, where the ledger has it.
    ///
    /// # Errors
    /// The ledger has its name for another one, or itself under another name; it cannot be read.
    pub(super) fn known(&self, reader: &LedgerReader) -> Result<Option<IssuerFacts>> {
        let identity = self.identity();
        let mut found = None;
        for ca in reader.issuers()? {
            let name = ca.name.to_string();
            let refusal = match (ca.name == self.name, ca.identity == identity) {
                (false, false) => continue,
                (true, true) => {
                    found = Some(ca);
                    continue;
                }
                (true, false) => Refusal::NameTaken { name },
                (false, true) => Refusal::IssuerTaken { name },
            };
            return Err(LedgerError::Refused {
                path: reader.path().to_owned(),
                refusal: Box::new(refusal),
            }
            .into());
        }
        Ok(found)
    }

    /// Records what the ledger does not have of it.
    ///
    /// # Errors
    /// It is in the ledger meanwhile; the ledger cannot be written.
    pub(super) fn record(
        &self,
        whole: &mut WholeImport<'_>,
        known: Option<&IssuerFacts>,
    ) -> Result<IssuerNumber, LedgerError> {
        let issuer = match known {
            Some(ca) => {
                let is_news =
                    |certificate: &&OwnedCertificate| !ca.certificates.contains(certificate);
                for certificate in self.certificates().filter(is_news) {
                    whole.add_issuer_certificate(ca.number, certificate)?;
                }
                if self.disables(ca) {
                    whole.set(ca.number, Setting::Enabled, "no")?;
                }
                ca.number
            }
            None => {
                let mut certificates = self.certificates();
                let first = certificates.next().unwrap_or(&self.certificate);
                let issuer = whole.add_issuer(&self.name, first)?;
                for certificate in certificates {
                    whole.add_issuer_certificate(issuer, certificate)?;
                }
                for (setting, value) in &self.settings {
                    whole.set(issuer, *setting, value)?;
                }
                issuer
            }
        };
        let has_key = known.is_some_and(|ca| ca.settings.contains_key(&Setting::Key));
        if let Some(key) = self.key.as_ref().filter(|_| !has_key) {
            whole.set(issuer, Setting::Key, &key.setting)?;
        }
        Ok(issuer)
    }

    /// Is it disabled there, and not yet in the ledger?
    pub(super) fn disables(&self, known: &IssuerFacts) -> bool {
        let no = (Setting::Enabled, "no".to_owned());
        self.settings.contains(&no) && is_enabled(known)
    }

    /// Passes over the CRL numbers that were used.
    ///
    /// # Errors
    /// The ledger cannot be written.
    pub(super) fn record_crl_number(
        &self,
        whole: &mut WholeImport<'_>,
        issuer: IssuerNumber,
    ) -> Result<(), LedgerError> {
        match &self.crl_number {
            Some(number) => whole.pass_over_crl_numbers(issuer, number),
            None => Ok(()),
        }
    }

    /// `CA root (CN=Root)`.
    pub(super) fn title(&self) -> String {
        let subject = display_name(self.certificate.view().subject);
        format!("CA {} ({subject})", self.name)
    }

    /// What becomes of its CRL numbers and its key, for people: a line each.
    pub(super) fn rest(&self) -> String {
        let number = match &self.crl_number {
            Some(number) => format!("CRL numbers go on after {number}\n"),
            None => String::new(),
        };
        let key = match &self.key {
            Some(key) => format!("its key stays at {}\n", key.path.display()),
            None => format!(
                "its key was not found: it signs nothing here until ocspry ca edit {} --key FILE names it\n",
                self.name
            ),
        };
        number + &key
    }

    /// Where its key is, for programs.
    pub(super) fn key_path(&self) -> Option<String> {
        self.key.as_ref().map(|key| key.path.display().to_string())
    }
}
