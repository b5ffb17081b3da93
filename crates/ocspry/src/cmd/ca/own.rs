//! The certificates of a CA's key, wherever the ledger has them: other CAs signed them, one after the other or beside each
//! other.  From: the ledger.  To: `compromise`, which revokes all of them, and whoever would sign another one for that key.

use anyhow::{Result, bail};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{IssuerFacts, IssuerName, LedgerReader};
use ocspry_wire::x509::SerialNumber;

use crate::ca_choice::issued;
use crate::ca_keys::is_enabled;

/// What a CA of the ledger signed for the key of another one.
pub(super) struct SignedAbove {
    pub(super) above: IssuerFacts,
    /// Those that it knows, in the order in which they were recorded.
    pub(super) known: Vec<SerialNumber>,
    /// Those of the other CA that it signed and does not know: it came into the ledger later.
    pub(super) unknown: Vec<OwnedCertificate>,
}

/// Looks through all that other CAs issued: a second for some hundred thousand.
///
/// # Errors
/// The ledger cannot be read.
pub(super) fn signed_above(reader: &LedgerReader, ca: &IssuerFacts) -> Result<Vec<SignedAbove>> {
    let mut found = Vec::new();
    for above in reader.issuers()? {
        if above.number == ca.number {
            continue;
        }
        let mut known = Vec::new();
        for page in reader.pages(Some(above.number)) {
            for facts in page? {
                let certificate = facts.der.map(OwnedCertificate::from_der);
                if certificate.is_some_and(|it| it.is_ok_and(|it| has_key_of(&it, ca))) {
                    known.push(facts.serial_number);
                }
            }
        }
        let mut unknown = Vec::new();
        for certificate in &ca.certificates {
            let view = certificate.view();
            if !issued(&above, &view) {
                continue;
            }
            let serial = view.serial_number;
            match reader.certificate(above.number, &serial)? {
                // By its serial alone, perhaps: as a list or an index named it.
                Some(_) if known.iter().any(|one| one.minimal() == serial.minimal()) => {}
                Some(_) => known.push(serial),
                None => unknown.push(certificate.clone()),
            }
        }
        if !(known.is_empty() && unknown.is_empty()) {
            found.push(SignedAbove {
                above,
                known,
                unknown,
            });
        }
    }
    Ok(found)
}

/// Where one certificate of the key of a CA was taken back, another one would undo that.
///
/// # Errors
/// The CA is disabled, or a CA of the ledger revoked a certificate of its key or put it on hold.
pub(super) fn refuse_same_key(reader: &LedgerReader, name: &IssuerName) -> Result<()> {
    let ca = reader.issuer(name.as_str())?;
    let instead =
        format!("make a CA with a new key: ocspry ca renew {name} --new-key p-256 --as NAME");
    if !is_enabled(&ca) {
        bail!(
            "CA {name} is disabled, and its key gets no other certificate; {instead}; if nothing is wrong with its key: \
             ocspry ca edit {name} --enable"
        );
    }
    let by_itself = ca
        .certificates
        .iter()
        .filter(|certificate| issued(&ca, &certificate.view()))
        .map(|certificate| (ca.number, certificate.view().serial_number));
    let above = signed_above(reader, &ca)?;
    let by_others = above.iter().flat_map(|signed| {
        let number = signed.above.number;
        signed.known.iter().map(move |serial| (number, *serial))
    });
    for (signer, serial) in by_itself.chain(by_others) {
        if reader.revocation(signer, &serial)?.is_some() {
            bail!(
                "serial {serial} of CA {name} is revoked or on hold, and its key gets no other certificate; {instead}"
            );
        }
    }
    Ok(())
}

/// The same for a key that may be that of a CA of the ledger.
///
/// # Errors
/// It is, and gets no other certificate.
pub(crate) fn refuse_key_taken_back(reader: &LedgerReader, public_key: &[u8]) -> Result<()> {
    for ca in reader.issuers()? {
        let mut certificates = ca.certificates.iter();
        if certificates.any(|it| it.view().public_key.der == public_key) {
            refuse_same_key(reader, &ca.name)?;
        }
    }
    Ok(())
}

fn has_key_of(certificate: &OwnedCertificate, ca: &IssuerFacts) -> bool {
    let key = certificate.view().public_key.der;
    ca.certificates
        .iter()
        .any(|own| own.view().public_key.der == key)
}
