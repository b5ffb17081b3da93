//! CertID (RFC 6960 §4.1.1).
//!
//! From: requests and responses.  To: `core::issuer`, which matches the two hashes, and the answer, which repeats the
//! octets.  An algorithm that is not known here still parses: the CertID then names no issuer of ours.

use crate::DerError;
use crate::der::read::whole;
use crate::der::{DerErrorKind, Reader, Tlv, oid, tag};
use crate::x509::SerialNumber;

/// Names one certificate: its issuer by two hashes, and its serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertId<'a> {
    /// The whole SEQUENCE exactly as received: it goes back unchanged.
    pub der: &'a [u8],
    /// None: an algorithm we do not know (or known, but with hashes of another length, or parameters neither absent nor
    /// NULL): no verdict.
    pub hash_algorithm: Option<HashAlgorithm>,
    /// Hash of the issuer's DER name.
    pub issuer_name_hash: &'a [u8],
    /// Hash of the issuer's public key bits.
    pub issuer_key_hash: &'a [u8],
    /// The certificate's serial number.
    pub serial_number: SerialNumber,
}

impl<'a> CertId<'a> {
    /// Parses a whole CertID.
    ///
    /// # Errors
    /// When it is not one DER CertID, its serial number is not minimal (X.690 §8.3.2) or has more than 64 octets.
    pub fn from_der(input: &'a [u8]) -> Result<Self, DerError> {
        CertId::from_tlv(whole(input, tag::SEQUENCE)?)
    }

    #[inline(always)]
    pub(crate) fn from_tlv(cert_id: Tlv<'a>) -> Result<Self, DerError> {
        let mut fields = Reader::inside(cert_id);
        let algorithm = fields.read(tag::SEQUENCE)?;
        let issuer_name_hash = fields.read(tag::OCTET_STRING)?.value;
        let issuer_key_hash = fields.read(tag::OCTET_STRING)?.value;
        let serial = fields.read(tag::INTEGER)?;
        fields.finish()?;

        serial.check_integer()?;
        let serial_number =
            SerialNumber::from_content(serial.value).ok_or(serial.error(DerErrorKind::Value))?;
        let hash_algorithm = HashAlgorithm::from_algorithm_identifier(algorithm.der);
        if hash_algorithm.is_none() {
            let (oid, _) = algorithm.algorithm_identifier()?;
            oid.check_oid()?;
        }
        let fits = |hash: &HashAlgorithm| {
            issuer_name_hash.len() == hash.digest_length()
                && issuer_key_hash.len() == hash.digest_length()
        };
        Ok(CertId {
            der: cert_id.der,
            hash_algorithm: hash_algorithm.filter(fits),
            issuer_name_hash,
            issuer_key_hash,
            serial_number,
        })
    }
}

/// The hash algorithms a CertID may name here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HashAlgorithm {
    /// SHA-1: an identifier here, not a signature.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl HashAlgorithm {
    /// All of them.
    pub const ALL: [HashAlgorithm; 4] = [
        HashAlgorithm::Sha1,
        HashAlgorithm::Sha256,
        HashAlgorithm::Sha384,
        HashAlgorithm::Sha512,
    ];

    /// Octets of a digest.
    pub const fn digest_length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Content octets of the algorithm's OID.
    pub const fn oid(self) -> &'static [u8] {
        match self {
            Self::Sha1 => oid::SHA1,
            Self::Sha256 => oid::SHA256,
            Self::Sha384 => oid::SHA384,
            Self::Sha512 => oid::SHA512,
        }
    }

    /// From a whole AlgorithmIdentifier, parameters NULL or absent; None for all others.  Bytes are compared, nothing is
    /// parsed: this stands in the path of every request.
    #[inline]
    pub fn from_algorithm_identifier(der: &[u8]) -> Option<HashAlgorithm> {
        match der {
            b"\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00"
            | b"\x30\x07\x06\x05\x2b\x0e\x03\x02\x1a" => Some(HashAlgorithm::Sha1),
            b"\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00"
            | b"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01" => {
                Some(HashAlgorithm::Sha256)
            }
            b"\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00"
            | b"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02" => {
                Some(HashAlgorithm::Sha384)
            }
            b"\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00"
            | b"\x30\x0b\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03" => {
                Some(HashAlgorithm::Sha512)
            }
            _ => None,
        }
    }

    /// The name people use: `SHA-256`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::write::{push, push_nested};

    /// `parameters` is the encoded element, or nothing.
    fn cert_id(
        oid: &[u8],
        parameters: &[u8],
        name_hash: &[u8],
        key_hash: &[u8],
        serial: &[u8],
    ) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                push(out, tag::OID, oid);
                out.extend_from_slice(parameters);
            });
            push(out, tag::OCTET_STRING, name_hash);
            push(out, tag::OCTET_STRING, key_hash);
            push(out, tag::INTEGER, serial);
        });
        der
    }

    fn algorithm(der: &[u8]) -> Option<HashAlgorithm> {
        CertId::from_der(der).unwrap().hash_algorithm
    }

    const NULL: &[u8] = &[0x05, 0x00];

    #[test]
    fn every_hash_algorithm_is_known_with_null_and_with_absent_parameters() {
        for hash in HashAlgorithm::ALL {
            let digest = vec![0xab; hash.digest_length()];
            for parameters in [NULL, &[]] {
                let der = cert_id(hash.oid(), parameters, &digest, &digest, &[0x00, 0x80]);
                let parsed = CertId::from_der(&der).unwrap();
                assert_eq!(parsed.hash_algorithm, Some(hash), "{}", hash.name());
                assert_eq!(parsed.der, der, "kept as received");
                assert_eq!(parsed.issuer_name_hash, digest);
                assert_eq!(parsed.serial_number.content(), [0x00, 0x80]);
            }
        }
    }

    #[test]
    fn an_algorithm_is_known_by_the_identifier_that_its_oid_makes() {
        for hash in HashAlgorithm::ALL {
            for parameters in [NULL, &[]] {
                let mut identifier = Vec::new();
                push_nested(&mut identifier, tag::SEQUENCE, |out| {
                    push(out, tag::OID, hash.oid());
                    out.extend_from_slice(parameters);
                });
                assert_eq!(
                    HashAlgorithm::from_algorithm_identifier(&identifier),
                    Some(hash)
                );
            }
        }
    }

    #[test]
    fn a_cert_id_that_cannot_match_parses_without_an_algorithm() {
        assert_eq!(
            algorithm(&cert_id(
                &[0x2a, 0x03, 0x04],
                NULL,
                &[1; 20],
                &[1; 20],
                &[1]
            )),
            None,
            "unknown hash"
        );
        assert_eq!(
            algorithm(&cert_id(oid::SHA1, NULL, &[1; 32], &[1; 20], &[1])),
            None,
            "name hash too long"
        );
        assert_eq!(
            algorithm(&cert_id(oid::SHA256, NULL, &[1; 32], &[1; 20], &[1])),
            None,
            "key hash too short"
        );
        assert_eq!(
            algorithm(&cert_id(oid::SHA1, &[0x30, 0x00], &[1; 20], &[1; 20], &[1])),
            None,
            "other parameters"
        );
        assert_eq!(
            algorithm(&cert_id(&[0x2a, 0x03, 0x04], NULL, &[], &[], &[1])),
            None,
            "no hashes"
        );
    }

    #[test]
    fn serials_must_be_minimal_and_of_1_to_64_octets() {
        let parses = |serial: &[u8]| {
            CertId::from_der(&cert_id(oid::SHA1, NULL, &[1; 20], &[1; 20], serial)).is_ok()
        };
        for good in [
            &[0x00][..],
            &[0xff],
            &[0x00, 0xff],
            &[0x7f; 20],
            &[0x7f; 21],
            &[0x7f; 64],
        ] {
            assert!(parses(good), "{good:02x?}");
        }
        for bad in [
            &[][..],
            &[0x00, 0x7f],
            &[0x00, 0x00, 0x80],
            &[0xff, 0x80],
            &[0x7f; 65],
            &[0x7f; 1000],
        ] {
            assert!(!parses(bad), "{bad:02x?}");
        }
    }

    #[test]
    fn a_null_with_content_is_malformed() {
        assert!(
            CertId::from_der(&cert_id(
                oid::SHA1,
                &[0x05, 0x01, 0x00],
                &[1; 20],
                &[1; 20],
                &[1]
            ))
            .is_err()
        );
    }
}
