//! A CRL that a CA published before, for its number.  From: a file that the operator names.  To: `django_ca`, `ca import`.

use std::mem;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::CrlNumber;
use ocspry_signer::read_regular_file;
use ocspry_wire::x509::{CertificateList, pem};

use crate::crl_at_hand::{OCTETS_MAX, signed_by};

/// A CRL with a number.
pub(crate) struct NumberedCrl {
    der: Vec<u8>,
    list: CertificateList,
    number: CrlNumber,
}

impl NumberedCrl {
    /// Reads it, PEM or DER.
    ///
    /// # Errors
    /// It cannot be read, is no CRL, or has no number.
    pub(crate) fn read(path: &Path) -> Result<NumberedCrl> {
        let shown = path.display();
        let mut file = read_regular_file(path, OCTETS_MAX)
            .with_context(|| format!("{shown} cannot be read"))?;
        let mut der = mem::take(&mut *file.content);
        if pem::is_pem(&der) {
            let blocks = pem::blocks(&der).ok();
            let block = blocks.and_then(|blocks| blocks.into_iter().next());
            der = block.with_context(|| format!("{shown} is broken PEM"))?.der;
        }
        let Ok(list) = CertificateList::from_der(&der, |_| {}) else {
            bail!("{shown} is no CRL");
        };
        let number = list.extensions.crl_number.as_deref();
        let number = number.and_then(CrlNumber::from_content);
        Ok(NumberedCrl {
            number: number
                .with_context(|| format!("{shown} has no CRL number, and need not be given"))?,
            der,
            list,
        })
    }

    /// Did the CA of this certificate sign it?
    pub(crate) fn is_signed_by(&self, issuer: &OwnedCertificate) -> bool {
        signed_by(issuer, &self.der, &self.list)
    }

    /// Its number.
    pub(crate) fn number(&self) -> CrlNumber {
        self.number
    }
}
