//! OCSP requests made to measure (RFC 6960 §4.1, RFC 9654 §2.1).  From: a script.  To: `Responder::answer`.

use ocspry_core::{OwnedCertificate, crypto};
use ocspry_wire::der::write::{push, push_nested};
use ocspry_wire::der::{oid, tag};
use ocspry_wire::ocsp::HashAlgorithm;

/// A CertID for a serial number given as content octets, its hash parameters NULL or absent.
pub fn cert_id(
    issuer: &OwnedCertificate,
    hash: HashAlgorithm,
    has_null: bool,
    serial: &[u8],
) -> Vec<u8> {
    let view = issuer.view();
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push_nested(out, tag::SEQUENCE, |out| {
            push(out, tag::OID, hash.oid());
            if has_null {
                push(out, tag::NULL, &[]);
            }
        });
        for hashed in [view.subject, view.public_key.key_bits] {
            push(
                out,
                tag::OCTET_STRING,
                crypto::digest(hash, hashed).as_ref(),
            );
        }
        push(out, tag::INTEGER, serial);
    });
    der
}

/// An Extension that is not critical.
pub fn extension(identifier: &[u8], value: &[u8]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push(out, tag::OID, identifier);
        push(out, tag::OCTET_STRING, value);
    });
    der
}

/// A nonce extension.
pub fn nonce_extension(octets: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    push(&mut value, tag::OCTET_STRING, octets);
    extension(oid::OCSP_NONCE, &value)
}

/// A PreferredSignatureAlgorithms extension of whole AlgorithmIdentifiers (RFC 6960 §4.4.7.1).
pub fn preferred_extension(algorithms: &[&[u8]]) -> Vec<u8> {
    let mut value = Vec::new();
    push_nested(&mut value, tag::SEQUENCE, |out| {
        for algorithm in algorithms {
            push(out, tag::SEQUENCE, algorithm);
        }
    });
    extension(oid::OCSP_PREFERRED_SIGNATURE_ALGORITHMS, &value)
}

/// An OCSPRequest of whole CertIDs and whole Extensions.
pub fn request(cert_ids: &[Vec<u8>], extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push_nested(out, tag::SEQUENCE, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                for cert_id in cert_ids {
                    push(out, tag::SEQUENCE, cert_id);
                }
            });
            if !extensions.is_empty() {
                push_nested(out, tag::context(2), |out| {
                    push(out, tag::SEQUENCE, &extensions.concat());
                });
            }
        });
    });
    der
}
