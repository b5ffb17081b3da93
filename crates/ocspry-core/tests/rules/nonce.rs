//! Nonces (RFC 9654).

use crate::encode::Parts;
use crate::fixture::{Fixture, SERIAL_GOOD};
use crate::{ask, ask_octets, assert_refused, strict};
use ocspry_testkit::{KeyKind, cert_id, element, extension, nonce_extension};
use ocspry_wire::der::{oid, tag};
use ocspry_wire::ocsp::{ErrorStatus, HashAlgorithm};

fn with_nonce(fixture: &Fixture, extensions: Vec<Vec<u8>>) -> Vec<u8> {
    Parts {
        extensions,
        ..Parts::one(&cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD))
    }
    .der()
}

/// Octets that begin with a zero and have high bits in them.
fn octets(length: u8) -> Vec<u8> {
    (0..length).map(|index| index.wrapping_mul(0x91)).collect()
}

#[test]
fn non_01_non_02_non_04_a_nonce_of_1_to_128_octets_comes_back_octet_for_octet() {
    let fixture = Fixture::new(KeyKind::P256);
    for length in [16, 20, 23, 24, 31, 32, 1, 8, 15, 33, 64, 128] {
        let nonce = octets(length);
        let request = with_nonce(&fixture, vec![nonce_extension(&nonce)]);
        let basic = strict::read(&ask_octets(&fixture, &request));
        let extensions = basic.tbs_response_data.response_extensions;
        let extensions = extensions.expect("responseExtensions");
        assert_eq!(extensions.len(), 1);
        assert_eq!(extensions[0].extn_id.to_string(), "1.3.6.1.5.5.7.48.1.2");
        let expected = element(tag::OCTET_STRING, &nonce);
        assert_eq!(extensions[0].extn_value.as_bytes(), expected, "{length}");
    }
}

#[test]
fn non_03_a_nonce_of_0_or_more_than_128_octets_is_malformed() {
    let fixture = Fixture::new(KeyKind::P256);
    for length in [0, 129, 200, 1000] {
        let nonce = vec![0x5a; length];
        let request = with_nonce(&fixture, vec![nonce_extension(&nonce)]);
        let what = format!("{length} octets");
        assert_refused(&fixture, &request, ErrorStatus::MalformedRequest, &what);
    }
}

#[test]
fn non_05_non_06_each_request_gets_its_own_nonce_or_none() {
    let fixture = Fixture::new(KeyKind::P256);
    let plain = with_nonce(&fixture, Vec::new());
    assert_eq!(ask(&fixture, &plain).signed().nonce, None);
    for first in 1..=5 {
        let nonce = vec![first; 16];
        let request = with_nonce(&fixture, vec![nonce_extension(&nonce)]);
        assert_eq!(ask(&fixture, &request).signed().nonce, Some(nonce));
    }
    assert_eq!(ask(&fixture, &plain).signed().nonce, None);
}

#[test]
fn non_07_non_08_a_bare_nonce_and_two_of_them_are_malformed() {
    let fixture = Fixture::new(KeyKind::P256);
    let malformed = ErrorStatus::MalformedRequest;
    // As clients of RFC 2560's days sent it: the octets themselves in extnValue.
    let bare = vec![extension(oid::OCSP_NONCE, false, &[0x5a; 16])];
    assert_refused(&fixture, &with_nonce(&fixture, bare), malformed, "bare");
    let twice = vec![nonce_extension(&[1; 16]), nonce_extension(&[2; 16])];
    assert_refused(&fixture, &with_nonce(&fixture, twice), malformed, "twice");
}

#[test]
fn non_09_a_critical_nonce_is_understood() {
    let fixture = Fixture::new(KeyKind::P256);
    let value = element(tag::OCTET_STRING, &[7; 16]);
    let critical = vec![extension(oid::OCSP_NONCE, true, &value)];
    let reply = ask(&fixture, &with_nonce(&fixture, critical)).signed();
    assert_eq!(reply.nonce, Some(vec![7; 16]));
}
