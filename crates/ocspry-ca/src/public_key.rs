//! A public key that may be certified: of a known kind, and strong enough.  From: `csr.rs`, `key.rs`, callers.
//! To: `issue.rs`.

use crate::CaError;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ECDSA_P521_SHA512_ASN1, ED25519,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use der::asn1::ObjectIdentifier;
use ocspry_signer::KeyKind;
use ocspry_wire::der::{Reader, oid, read, tag};
use ocspry_wire::x509::SubjectPublicKeyInfo;

/// Fewest and most bits of an RSA key that is certified (NIST SP 800-57 part 1, table 2; what verifiers bear).
const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=8192;

/// A key of 2048 bits or more (RSA), on P-256, P-384 or P-521, or Ed25519.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    der: Vec<u8>,
    kind: KeyKind,
}

impl PublicKey {
    /// Takes a DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When it is none, of a kind or on a curve not known here, too short, or no point of its curve.
    pub fn from_der(der: &[u8]) -> Result<PublicKey, CaError> {
        let info = SubjectPublicKeyInfo::from_der(der).map_err(|_| CaError::PublicKey)?;
        let kind = kind_of(&info)?;
        ParsedPublicKey::new(algorithm_of(kind), info.key_bits)
            .map_err(|_| CaError::InvalidPublicKey { kind })?;
        Ok(PublicKey {
            der: der.to_vec(),
            kind,
        })
    }

    /// The whole SubjectPublicKeyInfo.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// What kind of key it is.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }
}

fn kind_of(info: &SubjectPublicKeyInfo<'_>) -> Result<KeyKind, CaError> {
    let unknown = |algorithm: &[u8], what| {
        let name = match ObjectIdentifier::from_bytes(algorithm) {
            Ok(oid) => oid.to_string(),
            Err(_) => "a broken object identifier".to_owned(),
        };
        CaError::UnknownPublicKey {
            what,
            algorithm: name,
        }
    };
    match info.algorithm {
        oid::RSA_ENCRYPTION => {
            let bits = rsa_bits(info.key_bits).ok_or(CaError::PublicKey)?;
            if RSA_BITS.contains(&bits) {
                Ok(KeyKind::Rsa { bits })
            } else {
                Err(CaError::RsaSize {
                    bits,
                    bits_min: *RSA_BITS.start(),
                    bits_max: *RSA_BITS.end(),
                })
            }
        }
        oid::EC_PUBLIC_KEY => match info.curve {
            Some(oid::P256) => Ok(KeyKind::P256),
            Some(oid::P384) => Ok(KeyKind::P384),
            Some(oid::P521) => Ok(KeyKind::P521),
            Some(other) => Err(unknown(other, "on the curve")),
            None => Err(CaError::UnnamedCurve),
        },
        oid::ED25519 => Ok(KeyKind::Ed25519),
        other => Err(unknown(other, "of the algorithm")),
    }
}

/// Bits of the modulus of an RSAPublicKey (RFC 8017 §A.1.1); None when it is none, or its exponent is even or 1.
fn rsa_bits(key_bits: &[u8]) -> Option<usize> {
    let mut fields = Reader::inside(read::whole(key_bits, tag::SEQUENCE).ok()?);
    let modulus = fields.read(tag::INTEGER).ok()?;
    let exponent = fields.read(tag::INTEGER).ok()?;
    fields.finish().ok()?;
    modulus.check_integer().ok()?;
    exponent.check_integer().ok()?;
    let is_odd_and_above_1 = exponent.value != [1] && exponent.value.last()? & 1 == 1;
    let magnitude = modulus.value.strip_prefix(&[0]).unwrap_or(modulus.value);
    let first = magnitude.first().filter(|_| is_odd_and_above_1)?;
    Some(magnitude.len() * 8 - first.leading_zeros() as usize)
}

/// An algorithm under which the crypto library looks at a key of this kind.
fn algorithm_of(kind: KeyKind) -> &'static dyn VerificationAlgorithm {
    match kind {
        KeyKind::Rsa { .. } => &RSA_PKCS1_2048_8192_SHA256,
        KeyKind::P256 => &ECDSA_P256_SHA256_ASN1,
        KeyKind::P384 => &ECDSA_P384_SHA384_ASN1,
        KeyKind::P521 => &ECDSA_P521_SHA512_ASN1,
        KeyKind::Ed25519 => &ED25519,
    }
}
