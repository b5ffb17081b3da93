//! CRLs in files, as far as a CA of the ledger signed them: what left the CA before.  From: paths and octets.  To:
//! `crl_publishing`, which uses no number twice, `ledger reconcile`, and `import`.

use std::path::Path;

use ocspry_core::{OwnedCertificate, crypto};
use ocspry_ledger::{CrlNumber, IssuerFacts};
use ocspry_signer::read_regular_file;
use ocspry_wire::x509::{CertificateList, pem};

/// The number of the list that lies there (RFC 5280 §5.2.3); None where no list of this CA can be read there, or it has none.
pub(crate) fn number_at(path: &Path, ca: &IssuerFacts) -> Option<CrlNumber> {
    let content = read_regular_file(path, OCTETS_MAX).ok()?.content;
    if !pem::is_pem(&content) {
        return number_of(&content, ca);
    }
    let blocks = pem::blocks(&content).ok()?;
    blocks
        .into_iter()
        .filter_map(|block| number_of(&block.der, ca))
        .max()
}

fn number_of(der: &[u8], ca: &IssuerFacts) -> Option<CrlNumber> {
    let list = CertificateList::from_der(der, |_| {}).ok()?;
    let number = list.extensions.crl_number.as_deref()?;
    signed(ca, der, &list).then(|| CrlNumber::from_content(number))?
}

/// Did this CA sign the list, whose octets these are?
pub(crate) fn signed(ca: &IssuerFacts, der: &[u8], list: &CertificateList) -> bool {
    let certificates = &mut ca.certificates.iter();
    certificates.any(|certificate| signed_by(certificate, der, list))
}

/// Did the CA with this certificate?
pub(crate) fn signed_by(issuer: &OwnedCertificate, der: &[u8], list: &CertificateList) -> bool {
    let tbs = &list.header.tbs;
    let (Ok(start), Ok(end)) = (usize::try_from(tbs.start), usize::try_from(tbs.end)) else {
        return false;
    };
    let Some(tbs) = der.get(start..end) else {
        return false;
    };
    let view = issuer.view();
    let algorithm = list.header.signature_algorithm;
    view.subject == list.header.issuer
        && crypto::verify(algorithm, &view.public_key, tbs, &list.signature).is_ok()
}

/// Most octets of a file: a CRL of some millions of entries.
pub(crate) const OCTETS_MAX: u64 = 512 << 20;
