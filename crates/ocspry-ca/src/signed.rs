//! Puts the signature around a TBSCertificate, TBSCertList or certificationRequestInfo.  From: `issue.rs`, `crl.rs`, `own_request.rs`.  To: their callers.
//!
//! All are `SEQUENCE { toBeSigned, signatureAlgorithm, signature BIT STRING }` (RFC 5280 §4.1.1, §5.1.1, RFC 2986 §4.2).

use crate::{CaError, CaKey};
use ocspry_core::{Signer as _, crypto};
use ocspry_wire::der::{tag, write};
use ocspry_wire::x509::SubjectPublicKeyInfo;

/// Signs, verifies what it signed, and writes the whole.
///
/// A wrong signature of an RSA key can give the key away, and a CA signs seldom: so each one is verified.
pub(crate) fn sign(to_be_signed: &[u8], key: &CaKey) -> Result<Vec<u8>, CaError> {
    let algorithm = key.signer().algorithm();
    let mut signature = Vec::new();
    key.signer().sign(algorithm, to_be_signed, &mut signature)?;

    let public_key = SubjectPublicKeyInfo::from_der(key.public_key_info())
        .map_err(|_| CaError::SignatureFault)?;
    crypto::verify(Some(algorithm), &public_key, to_be_signed, &signature)
        .map_err(|_| CaError::SignatureFault)?;

    let mut der = Vec::with_capacity(to_be_signed.len() + signature.len() + 64);
    write::push_nested(&mut der, tag::SEQUENCE, |signed| {
        signed.extend_from_slice(to_be_signed);
        signed.extend_from_slice(algorithm.der());
        write::push_nested(signed, tag::BIT_STRING, |bits| {
            bits.push(0); // unused bits
            bits.extend_from_slice(&signature);
        });
    });
    Ok(der)
}
