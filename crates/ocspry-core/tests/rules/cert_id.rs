//! CertIDs: which certificate is meant, and which is not (RFC 6960 §4.1.1).

use std::sync::Arc;

use crate::encode::{PRIVATE, Parts, algorithm, cert_id, hashes};
use crate::fixture::{Fixture, SERIAL_REVOKED, answer, table_with};
use crate::{ask_one, assert_refused};
use aws_lc_rs::digest;
use ocspry_testkit::{KeyKind, RequestSpec};
use ocspry_wire::der::oid;
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm};

/// A CA whose list revokes these serials, beside the usual ones.
fn with_revoked(serials: &[Vec<u8>]) -> Fixture {
    let fixture = Fixture::new(KeyKind::P256);
    let serials: Vec<&[u8]> = serials.iter().map(Vec::as_slice).collect();
    let table = table_with(&serials, 86_400);
    fixture.issuer().set_table(Some(Arc::new(table)));
    fixture
}

fn is_revoked(fixture: &Fixture, serial: &[u8]) -> bool {
    let asked = ocspry_testkit::cert_id(HashAlgorithm::Sha256, &fixture.ca, serial);
    let single = ask_one(fixture, &RequestSpec::one(asked).der());
    matches!(single.status, CertStatus::Revoked(_))
}

/// The content octets of a non-negative INTEGER, from its magnitude.
fn content(magnitude: &[u8]) -> Vec<u8> {
    let first = magnitude.iter().position(|octet| *octet != 0);
    let magnitude = &magnitude[first.unwrap_or(magnitude.len() - 1)..];
    let sign: &[u8] = if magnitude[0] & 0x80 != 0 { &[0] } else { &[] };
    [sign, magnitude].concat()
}

/// 2 to this power.
fn power(exponent: usize) -> Vec<u8> {
    let mut magnitude = vec![0; exponent / 8 + 1];
    magnitude[0] = 1 << (exponent % 8);
    magnitude
}

/// One less and one more.
fn neighbours(magnitude: &[u8]) -> [Vec<u8>; 2] {
    let mut less = magnitude.to_vec();
    for octet in less.iter_mut().rev() {
        let borrows = *octet == 0;
        *octet = octet.wrapping_sub(1);
        if !borrows {
            break;
        }
    }
    let mut more = [&[0], magnitude].concat();
    for octet in more.iter_mut().rev() {
        *octet = octet.wrapping_add(1);
        if *octet != 0 {
            break;
        }
    }
    [content(&less), content(&more)]
}

#[test]
fn cid_03_serials_of_every_length_are_compared_whole() {
    let [largest, _] = neighbours(&power(159));
    let magnitudes = [
        vec![0x01],
        vec![0x7f],
        vec![0x80],
        vec![0xff],
        vec![0x01, 0x00],
        vec![0x80, 0x00],
        power(31),
        power(63),
        power(64),
        power(127),
        largest,
    ];
    let revoked: Vec<Vec<u8>> = magnitudes.iter().map(|serial| content(serial)).collect();
    let fixture = with_revoked(&revoked);
    for (magnitude, serial) in magnitudes.iter().zip(&revoked) {
        assert!(is_revoked(&fixture, serial), "{serial:02x?}");
        for neighbour in neighbours(magnitude) {
            let is_listed = revoked.contains(&neighbour);
            assert_eq!(
                is_revoked(&fixture, &neighbour),
                is_listed,
                "{neighbour:02x?}, beside {serial:02x?}"
            );
        }
    }
}

#[test]
fn cid_04_a_serial_of_21_content_octets_is_found_when_listed() {
    let listed = [content(&power(159)), content(&[0xff; 20])];
    let fixture = with_revoked(&listed);
    for serial in &listed {
        assert_eq!(serial.len(), 21);
        assert!(is_revoked(&fixture, serial), "{serial:02x?}");
        assert!(!is_revoked(&fixture, &serial[..20]), "{serial:02x?}");
    }
}

#[test]
fn cid_05_ten_variations_of_a_revoked_serial_are_good() {
    let serial = [0x4d, 0x5e, 0x6f, 0x71, 0x42];
    let fixture = with_revoked(&[serial.to_vec()]);
    assert!(is_revoked(&fixture, &serial));
    let variations: [&[u8]; 10] = [
        &[0x4d, 0x5e, 0x6f, 0x71, 0x43],
        &[0x4d, 0x5e, 0x6f, 0x71, 0x41],
        &[0x4d, 0x5e, 0x6f, 0x71],
        &[0x5e, 0x6f, 0x71, 0x42],
        &[0x4d, 0x5e, 0x6f, 0x71, 0x42, 0x00],
        &[0x01, 0x4d, 0x5e, 0x6f, 0x71, 0x42],
        &[0x42, 0x71, 0x6f, 0x5e, 0x4d],
        &[0x4d, 0x5e, 0x6f, 0x71, 0x42, 0x4d, 0x5e, 0x6f, 0x71, 0x42],
        &[0x4d, 0x5e, 0xef, 0x71, 0x42],
        &[0xb2, 0xa1, 0x90, 0x8e, 0xbd],
    ];
    for variation in variations {
        assert!(!is_revoked(&fixture, variation), "{variation:02x?}");
    }
}

#[test]
fn cid_06_a_negative_serial_is_not_the_positive_one_with_the_same_octets() {
    let (positive, negative) = ([[0x00, 0xff], [0x00, 0x80]], [[0xff], [0x80]]);
    let fixture = with_revoked(&positive.map(|serial| serial.to_vec()));
    for index in 0..2 {
        assert!(is_revoked(&fixture, &positive[index]));
        assert!(!is_revoked(&fixture, &negative[index]));
    }
    let fixture = with_revoked(&negative.map(|serial| serial.to_vec()));
    for index in 0..2 {
        assert!(!is_revoked(&fixture, &positive[index]));
        assert!(is_revoked(&fixture, &negative[index]));
    }
}

#[test]
fn cid_07_a_serial_that_is_not_minimal_is_malformed() {
    let fixture = Fixture::new(KeyKind::P256);
    let (name, key) = hashes(&fixture, &digest::SHA256);
    for serial in [
        &[0x00, 0x00, 0x50, 0x00][..],
        &[0x00, 0x50],
        &[0xff, 0x80],
        &[],
    ] {
        let asked = cert_id(&algorithm(oid::SHA256, true), &name, &key, serial);
        let request = Parts::one(&asked).der();
        let what = format!("{serial:02x?}");
        assert_refused(&fixture, &request, ErrorStatus::MalformedRequest, &what);
    }
}

#[test]
fn cid_09_cid_10_a_hash_that_is_not_known_yields_no_verdict() {
    let fixture = Fixture::new(KeyKind::P256);
    const SHA224: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x04];
    const SHA3_256: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x08];
    for (what, identifier, hash) in [
        ("SHA-224", SHA224, &digest::SHA224),
        ("SHA3-256", SHA3_256, &digest::SHA3_256),
        ("a private one", PRIVATE, &digest::SHA256),
        ("a private one", PRIVATE, &digest::SHA1_FOR_LEGACY_USE_ONLY),
    ] {
        let (name, key) = hashes(&fixture, hash);
        for with_null in [true, false] {
            let asked = cert_id(
                &algorithm(identifier, with_null),
                &name,
                &key,
                SERIAL_REVOKED,
            );
            let request = Parts::one(&asked).der();
            assert_refused(&fixture, &request, ErrorStatus::Unauthorized, what);
        }
    }
}

#[test]
fn cid_11_values_of_another_algorithm_than_the_named_one_yield_no_verdict() {
    let fixture = Fixture::new(KeyKind::P256);
    let sha1 = hashes(&fixture, &digest::SHA1_FOR_LEGACY_USE_ONLY);
    let sha256 = hashes(&fixture, &digest::SHA256);
    let cut = (sha256.0[..20].to_vec(), sha256.1[..20].to_vec());
    let padded = |hash: &[u8]| [hash, &[0; 12]].concat();
    for (what, identifier, (name, key)) in [
        ("SHA-1 values called SHA-256", oid::SHA256, &sha1),
        ("SHA-256 values called SHA-1", oid::SHA1, &sha256),
        ("SHA-256 values cut to SHA-1", oid::SHA1, &cut),
        (
            "SHA-1 values stretched to SHA-256",
            oid::SHA256,
            &(padded(&sha1.0), padded(&sha1.1)),
        ),
    ] {
        let asked = cert_id(&algorithm(identifier, true), name, key, SERIAL_REVOKED);
        let request = Parts::one(&asked).der();
        assert_refused(&fixture, &request, ErrorStatus::Unauthorized, what);
    }
}

#[test]
fn cid_12_a_cert_id_comes_back_with_or_without_null_as_it_was() {
    let fixture = Fixture::new(KeyKind::P256);
    let (name, key) = hashes(&fixture, &digest::SHA1_FOR_LEGACY_USE_ONLY);
    for with_null in [true, false] {
        let asked = cert_id(
            &algorithm(oid::SHA1, with_null),
            &name,
            &key,
            SERIAL_REVOKED,
        );
        let single = ask_one(&fixture, &Parts::one(&asked).der());
        assert_eq!(single.cert_id, asked);
        assert!(matches!(single.status, CertStatus::Revoked(_)));
    }
}

#[test]
fn cid_13_a_serial_comes_back_with_its_leading_zero_octet() {
    let fixture = Fixture::new(KeyKind::P256);
    for magnitude in [vec![0x80], vec![0xff], power(63), power(159)] {
        let serial = content(&magnitude);
        assert_eq!(serial[0], 0);
        let asked = ocspry_testkit::cert_id(HashAlgorithm::Sha1, &fixture.ca, &serial);
        let single = ask_one(&fixture, &RequestSpec::one(asked).der());
        assert!(single.cert_id.ends_with(&serial), "{serial:02x?}");
    }
}

#[test]
fn cid_15_the_key_hash_is_over_the_bits_alone() {
    let fixture = Fixture::new(KeyKind::P256);
    let info = fixture.ca.key.public_key_info();
    let (name, right) = hashes(&fixture, &digest::SHA256);
    // The BIT STRING is the end of the SubjectPublicKeyInfo: 03 42 00 and the 65 octets of a P-256 point.
    let bits = &info[info.len() - 65..];
    assert_eq!(right, digest::digest(&digest::SHA256, bits).as_ref());
    let with_unused_bits = &info[info.len() - 66..];
    let with_header = &info[info.len() - 68..];
    for (what, hashed) in [
        ("with the unused-bits octet", with_unused_bits),
        ("with tag and length", with_header),
        ("the whole SubjectPublicKeyInfo", &info[..]),
    ] {
        let key = digest::digest(&digest::SHA256, hashed);
        let asked = cert_id(
            &algorithm(oid::SHA256, true),
            &name,
            key.as_ref(),
            SERIAL_REVOKED,
        );
        let request = Parts::one(&asked).der();
        assert_refused(&fixture, &request, ErrorStatus::Unauthorized, what);
    }
    let asked = cert_id(&algorithm(oid::SHA256, true), &name, &right, SERIAL_REVOKED);
    let (answer, _) = answer(&fixture, &Parts::one(&asked).der());
    assert!(matches!(
        fixture.check(&answer).single().status,
        CertStatus::Revoked(_)
    ));
}
