//! good, revoked, unknown: what the list says, and nothing that it does not (RFC 6960 §2.2).

use std::sync::Arc;

use crate::ask_one;
use crate::fixture::{Fixture, SERIAL_GOOD, noon};
use ocspry_core::{SourceInfo, StatusTableBuilder, ValidityWindow};
use ocspry_testkit::{KeyKind, RequestSpec, cert_id};
use ocspry_wire::ocsp::{CertStatus, CrlReason, HashAlgorithm, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

/// A CA whose list revokes one serial for each of these.
fn with_list(entries: &[RevokedInfo]) -> Fixture {
    let fixture = Fixture::new(KeyKind::P256);
    let mut builder = StatusTableBuilder::revoked_only();
    for (index, info) in entries.iter().enumerate() {
        let serial = SerialNumber::from_content(&serial(index)).expect("short");
        builder.revoked(&serial, *info);
    }
    let window = ValidityWindow {
        this_update: noon().plus_seconds(-60),
        next_update: noon().plus_seconds(86_400),
    };
    let source = SourceInfo {
        origin: "test".to_owned(),
        crl_number: None,
        signature_algorithm: None,
        digest: [0; 32],
    };
    fixture
        .issuer()
        .set_table(Some(Arc::new(builder.build(window, source))));
    fixture
}

fn serial(index: usize) -> [u8; 2] {
    [0x44, index as u8]
}

fn status(fixture: &Fixture, serial: &[u8]) -> CertStatus {
    let asked = cert_id(HashAlgorithm::Sha1, &fixture.ca, serial);
    ask_one(fixture, &RequestSpec::one(asked).der()).status
}

#[test]
fn sta_01_sta_02_sta_03_sta_04_sta_06_sta_07_an_entry_is_passed_on_as_it_is() {
    let reasons = [1, 2, 3, 4, 5, 6, 9, 10].map(CrlReason::from_code);
    let mut entries = vec![RevokedInfo {
        revocation_time: noon().plus_seconds(-12_345),
        reason: None,
        invalidity_date: None,
    }];
    for (index, reason) in reasons.into_iter().enumerate() {
        assert!(reason.is_some());
        let revocation_time = noon().plus_seconds(-1_000 - index as i64);
        entries.push(RevokedInfo {
            revocation_time,
            reason,
            invalidity_date: (index % 2 == 0).then(|| revocation_time.plus_seconds(-40 * 86_400)),
        });
    }
    let fixture = with_list(&entries);
    for (index, entry) in entries.iter().enumerate() {
        let found = status(&fixture, &serial(index));
        assert_eq!(found, CertStatus::Revoked(*entry), "{index}");
    }
    assert_eq!(status(&fixture, SERIAL_GOOD), CertStatus::Good);
}

#[test]
fn sta_14_a_backdated_revocation_is_passed_on_unchanged() {
    let long_ago = RevokedInfo {
        revocation_time: noon().plus_seconds(-400 * 86_400),
        reason: None,
        invalidity_date: None,
    };
    let fixture = with_list(&[long_ago]);
    let found = status(&fixture, &serial(0));
    assert_eq!(found, CertStatus::Revoked(long_ago));
}
