//! Requests element by element, the odd ones too (RFC 6960 §4.1.1).  To: the tests of this binary.

use crate::fixture::Fixture;
use aws_lc_rs::digest::{Algorithm, digest};
use ocspry_testkit::{element, sequence};
use ocspry_wire::der::tag;
use ocspry_wire::x509::SubjectPublicKeyInfo;

/// A private identifier: 1.3.6.1.4.1.99999.1.
pub(crate) const PRIVATE: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];

/// An AlgorithmIdentifier, with NULL or without parameters.
pub(crate) fn algorithm(identifier: &[u8], with_null: bool) -> Vec<u8> {
    let null: &[u8] = if with_null { &[tag::NULL, 0] } else { &[] };
    sequence(&[&element(tag::OID, identifier), null])
}

/// A CertID from its four parts.
pub(crate) fn cert_id(algorithm: &[u8], name: &[u8], key: &[u8], serial: &[u8]) -> Vec<u8> {
    sequence(&[
        algorithm,
        &element(tag::OCTET_STRING, name),
        &element(tag::OCTET_STRING, key),
        &element(tag::INTEGER, serial),
    ])
}

/// The fixture's CA, hashed: its name and its key bits.
pub(crate) fn hashes(fixture: &Fixture, hash: &'static Algorithm) -> (Vec<u8>, Vec<u8>) {
    let info = fixture.ca.key.public_key_info();
    let info = SubjectPublicKeyInfo::from_der(&info).expect("a SubjectPublicKeyInfo");
    let name = digest(hash, &fixture.ca.name).as_ref().to_vec();
    (name, digest(hash, info.key_bits).as_ref().to_vec())
}

/// A Request without or with singleRequestExtensions.
pub(crate) fn single(cert_id: &[u8], extensions: &[&[u8]]) -> Vec<u8> {
    let extensions = if extensions.is_empty() {
        Vec::new()
    } else {
        element(tag::context(0), &sequence(extensions))
    };
    sequence(&[cert_id, &extensions])
}

/// What a request holds beside its list; every part may be empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parts {
    /// Goes in front, as it is.
    pub(crate) version: Vec<u8>,
    /// A GeneralName.
    pub(crate) requestor: Vec<u8>,
    /// Requests, each whole.
    pub(crate) singles: Vec<Vec<u8>>,
    /// requestExtensions, each whole.
    pub(crate) extensions: Vec<Vec<u8>>,
    /// A Signature.
    pub(crate) signature: Vec<u8>,
}

impl Parts {
    /// One certificate, nothing else.
    pub(crate) fn one(cert_id: &[u8]) -> Parts {
        Parts {
            singles: vec![single(cert_id, &[])],
            ..Parts::default()
        }
    }

    /// The OCSPRequest.
    pub(crate) fn der(&self) -> Vec<u8> {
        let explicit = |number: u8, content: &[u8]| {
            if content.is_empty() {
                Vec::new()
            } else {
                element(tag::context(number), content)
            }
        };
        let extensions = if self.extensions.is_empty() {
            Vec::new()
        } else {
            element(tag::SEQUENCE, &self.extensions.concat())
        };
        let tbs = sequence(&[
            &self.version,
            &explicit(1, &self.requestor),
            &element(tag::SEQUENCE, &self.singles.concat()),
            &explicit(2, &extensions),
        ]);
        sequence(&[&tbs, &explicit(0, &self.signature)])
    }
}
