//! OCSP requests made to measure, the odd ones too (RFC 6960 §4.1, RFC 9654).  To: `HttpClient`.

use crate::authority::Authority;
use crate::encode::{element, integer, oid, sequence};
use aws_lc_rs::digest;
use ocspry_wire::der::{oid as known, tag};
use ocspry_wire::ocsp::HashAlgorithm;
use ocspry_wire::x509::SubjectPublicKeyInfo;

/// What a request says.
#[derive(Clone, Debug, Default)]
pub struct RequestSpec {
    /// CertIDs, whole SEQUENCEs.
    pub cert_ids: Vec<Vec<u8>>,
    /// requestExtensions, whole Extensions.
    pub extensions: Vec<Vec<u8>>,
}

impl RequestSpec {
    /// One certificate, nothing else.
    pub fn one(cert_id: Vec<u8>) -> RequestSpec {
        RequestSpec {
            cert_ids: vec![cert_id],
            extensions: Vec::new(),
        }
    }

    /// Several certificates, nothing else.
    pub fn of(cert_ids: Vec<Vec<u8>>) -> RequestSpec {
        RequestSpec {
            cert_ids,
            extensions: Vec::new(),
        }
    }

    /// The same request with one more extension.
    #[must_use]
    pub fn with_extension(mut self, extension: Vec<u8>) -> RequestSpec {
        self.extensions.push(extension);
        self
    }

    /// The OCSPRequest.
    pub fn der(&self) -> Vec<u8> {
        let requests: Vec<u8> = self
            .cert_ids
            .iter()
            .flat_map(|cert_id| sequence(&[cert_id]))
            .collect();
        let requests = element(tag::SEQUENCE, &requests);
        let extensions = if self.extensions.is_empty() {
            Vec::new()
        } else {
            element(
                tag::context(2),
                &element(tag::SEQUENCE, &self.extensions.concat()),
            )
        };
        sequence(&[&sequence(&[&requests, &extensions])])
    }
}

/// A CertID of `issuer` for a serial number given as content octets; parameters NULL, as OpenSSL writes them.
pub fn cert_id(hash: HashAlgorithm, issuer: &Authority, serial: &[u8]) -> Vec<u8> {
    let info = issuer.key.public_key_info();
    let info = SubjectPublicKeyInfo::from_der(&info).expect("a SubjectPublicKeyInfo");
    let (identifier, algorithm) = match hash {
        HashAlgorithm::Sha1 => (known::SHA1, &digest::SHA1_FOR_LEGACY_USE_ONLY),
        HashAlgorithm::Sha256 => (known::SHA256, &digest::SHA256),
        HashAlgorithm::Sha384 => (known::SHA384, &digest::SHA384),
        HashAlgorithm::Sha512 => (known::SHA512, &digest::SHA512),
    };
    let name_hash = digest::digest(algorithm, &issuer.name);
    let key_hash = digest::digest(algorithm, info.key_bits);
    sequence(&[
        &sequence(&[&oid(identifier), &element(tag::NULL, &[])]),
        &element(tag::OCTET_STRING, name_hash.as_ref()),
        &element(tag::OCTET_STRING, key_hash.as_ref()),
        &integer(serial),
    ])
}

/// A nonce extension of the given octets (any number of them, also none).
pub fn nonce_extension(octets: &[u8]) -> Vec<u8> {
    extension(
        known::OCSP_NONCE,
        false,
        &element(tag::OCTET_STRING, octets),
    )
}

/// PreferredSignatureAlgorithms (RFC 6960 §4.4.7) that names these AlgorithmIdentifiers, first the one liked best.
pub fn preferring(algorithms: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = algorithms
        .iter()
        .flat_map(|algorithm| sequence(&[algorithm]))
        .collect();
    extension(
        known::OCSP_PREFERRED_SIGNATURE_ALGORITHMS,
        false,
        &element(tag::SEQUENCE, &list),
    )
}

/// Any extension: identifier (content octets), criticality, value.
pub fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    crate::encode::extension(identifier, critical, value)
}
