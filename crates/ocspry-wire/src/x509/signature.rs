//! Signature algorithms by AlgorithmIdentifier (RFC 4055, RFC 5758, RFC 8410).  From: certificates, CRLs, responses.
//! To: `core::crypto`.

use crate::der::read::{AlgorithmParameters, whole};
use crate::der::{oid, tag};

/// The algorithms that can be told apart here; `core::crypto` decides which of them verify and sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SignatureAlgorithm {
    /// sha1WithRSAEncryption: only ever verified, with a warning.
    RsaSha1,
    /// sha256WithRSAEncryption.
    RsaSha256,
    /// sha384WithRSAEncryption.
    RsaSha384,
    /// sha512WithRSAEncryption.
    RsaSha512,
    /// ecdsa-with-SHA256.
    EcdsaSha256,
    /// ecdsa-with-SHA384.
    EcdsaSha384,
    /// ecdsa-with-SHA512.
    EcdsaSha512,
    /// id-Ed25519.
    Ed25519,
}

impl SignatureAlgorithm {
    /// All of them.
    pub const ALL: [SignatureAlgorithm; 8] = [
        SignatureAlgorithm::RsaSha1,
        SignatureAlgorithm::RsaSha256,
        SignatureAlgorithm::RsaSha384,
        SignatureAlgorithm::RsaSha512,
        SignatureAlgorithm::EcdsaSha256,
        SignatureAlgorithm::EcdsaSha384,
        SignatureAlgorithm::EcdsaSha512,
        SignatureAlgorithm::Ed25519,
    ];

    /// From a whole AlgorithmIdentifier SEQUENCE; None when unknown.  RSA takes NULL or absent parameters, the others
    /// only absent ones (RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3).
    pub fn from_der(algorithm_identifier: &[u8]) -> Option<SignatureAlgorithm> {
        let (oid, parameters) = whole(algorithm_identifier, tag::SEQUENCE)
            .ok()?
            .algorithm_identifier()
            .ok()?;
        let algorithm = SignatureAlgorithm::ALL
            .into_iter()
            .find(|algorithm| algorithm.oid() == oid.value)?;
        let fits = match parameters {
            AlgorithmParameters::Absent => true,
            AlgorithmParameters::Null => algorithm.is_rsa(),
            AlgorithmParameters::Oid(_) | AlgorithmParameters::Other => false,
        };
        fits.then_some(algorithm)
    }

    /// The whole AlgorithmIdentifier SEQUENCE: RSA with NULL, ECDSA and Ed25519 without parameters.
    pub const fn der(self) -> &'static [u8] {
        match self {
            SignatureAlgorithm::RsaSha1 => {
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00"
            }
            SignatureAlgorithm::RsaSha256 => {
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"
            }
            SignatureAlgorithm::RsaSha384 => {
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c\x05\x00"
            }
            SignatureAlgorithm::RsaSha512 => {
                b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d\x05\x00"
            }
            SignatureAlgorithm::EcdsaSha256 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
            SignatureAlgorithm::EcdsaSha384 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
            SignatureAlgorithm::EcdsaSha512 => b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
            SignatureAlgorithm::Ed25519 => b"\x30\x05\x06\x03\x2b\x65\x70",
        }
    }

    /// Content octets of the algorithm's OID.
    pub const fn oid(self) -> &'static [u8] {
        match self {
            SignatureAlgorithm::RsaSha1 => oid::SHA1_WITH_RSA,
            SignatureAlgorithm::RsaSha256 => oid::SHA256_WITH_RSA,
            SignatureAlgorithm::RsaSha384 => oid::SHA384_WITH_RSA,
            SignatureAlgorithm::RsaSha512 => oid::SHA512_WITH_RSA,
            SignatureAlgorithm::EcdsaSha256 => oid::ECDSA_WITH_SHA256,
            SignatureAlgorithm::EcdsaSha384 => oid::ECDSA_WITH_SHA384,
            SignatureAlgorithm::EcdsaSha512 => oid::ECDSA_WITH_SHA512,
            SignatureAlgorithm::Ed25519 => oid::ED25519,
        }
    }

    /// The name people use: `ecdsa-with-SHA256`.
    pub const fn name(self) -> &'static str {
        match self {
            SignatureAlgorithm::RsaSha1 => "sha1WithRSAEncryption",
            SignatureAlgorithm::RsaSha256 => "sha256WithRSAEncryption",
            SignatureAlgorithm::RsaSha384 => "sha384WithRSAEncryption",
            SignatureAlgorithm::RsaSha512 => "sha512WithRSAEncryption",
            SignatureAlgorithm::EcdsaSha256 => "ecdsa-with-SHA256",
            SignatureAlgorithm::EcdsaSha384 => "ecdsa-with-SHA384",
            SignatureAlgorithm::EcdsaSha512 => "ecdsa-with-SHA512",
            SignatureAlgorithm::Ed25519 => "Ed25519",
        }
    }

    /// Bits of the hash that is signed: the floor that an operator may set is counted in these.  Ed25519 hashes with
    /// SHA-512 inside (RFC 8032 §5.1).
    pub const fn hash_bits(self) -> u16 {
        match self {
            SignatureAlgorithm::RsaSha1 => 160,
            SignatureAlgorithm::RsaSha256 | SignatureAlgorithm::EcdsaSha256 => 256,
            SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::EcdsaSha384 => 384,
            SignatureAlgorithm::RsaSha512
            | SignatureAlgorithm::EcdsaSha512
            | SignatureAlgorithm::Ed25519 => 512,
        }
    }

    const fn is_rsa(self) -> bool {
        match self {
            SignatureAlgorithm::RsaSha1
            | SignatureAlgorithm::RsaSha256
            | SignatureAlgorithm::RsaSha384
            | SignatureAlgorithm::RsaSha512 => true,
            SignatureAlgorithm::EcdsaSha256
            | SignatureAlgorithm::EcdsaSha384
            | SignatureAlgorithm::EcdsaSha512
            | SignatureAlgorithm::Ed25519 => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::write::{push, push_nested};

    fn identifier(oid: &[u8], parameters: &[u8]) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push(out, tag::OID, oid);
            out.extend_from_slice(parameters);
        });
        der
    }

    #[test]
    fn every_algorithm_is_recognised_by_what_it_writes() {
        for algorithm in SignatureAlgorithm::ALL {
            assert_eq!(
                SignatureAlgorithm::from_der(algorithm.der()),
                Some(algorithm),
                "{}",
                algorithm.name()
            );
            let null: &[u8] = if algorithm.is_rsa() {
                &[0x05, 0x00]
            } else {
                &[]
            };
            assert_eq!(
                algorithm.der(),
                identifier(algorithm.oid(), null),
                "{}",
                algorithm.name()
            );
        }
    }

    #[test]
    fn rsa_goes_with_null_or_absent_parameters_and_the_others_with_absent_ones() {
        let from =
            |oid, parameters: &[u8]| SignatureAlgorithm::from_der(&identifier(oid, parameters));
        assert_eq!(
            from(oid::SHA256_WITH_RSA, &[]),
            Some(SignatureAlgorithm::RsaSha256)
        );
        assert_eq!(from(oid::ECDSA_WITH_SHA256, &[0x05, 0x00]), None);
        assert_eq!(from(oid::ED25519, &[0x05, 0x00]), None);
        assert_eq!(from(oid::SHA256_WITH_RSA, &[0x30, 0x00]), None);
        assert_eq!(from(oid::RSASSA_PSS, &[]), None);
        assert_eq!(from(oid::ECDSA_WITH_SHA1, &[]), None);
        assert_eq!(SignatureAlgorithm::from_der(&[]), None);
    }
}
