//! What is explained to the operator, beside what clients get.

mod fixture;

use fixture::{Fixture, SERIAL_GOOD, SERIAL_ON_HOLD, SERIAL_REVOKED, answer_at, noon, table_with};
use ocspry_core::{
    Absence, Answer, Limit, NamedBy, NeverIssuedPolicy, Outcome, Policy, Refusal, Revocation,
};
use ocspry_testkit::{KeyKind, RequestSpec, cert_id, nonce_extension};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, HashAlgorithm};
use ocspry_wire::x509::SerialNumber;
use std::sync::Arc;
use std::time::Duration;

const DAY: i64 = 86_400;

/// Holds the explanation against the answer of the same moment; returns what set the end, where there is one.
fn compare(fixture: &Fixture, serial: &[u8], now: Time) -> Option<Limit> {
    // With a nonce it is made anew each time; one from the cache may be older.
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &fixture.ca, serial))
        .with_extension(nonce_extension(&[7; 16]))
        .der();
    let explained = fixture
        .issuer()
        .explain(&SerialNumber::from_content(serial).expect("short"), now)
        .said;
    let (answer, outcome) = answer_at(fixture, &request, now);
    let case = format!("{serial:02x?} at {now}");
    match (explained, &answer, outcome) {
        (Ok(said), Answer::Signed(signed), Outcome::Signed(_)) => {
            let single = fixture.check(&answer).single();
            assert_eq!(said.cert_status, single.status, "{case}");
            assert_eq!(said.window, signed.window, "{case}");
            assert_eq!(said.limit, signed.limit, "{case}");
            Some(said.limit)
        }
        (Err(refusal), _, Outcome::Refused(told)) => {
            assert_eq!(refusal, told, "{case}");
            None
        }
        (explained, answer, _) => panic!("{case}: {explained:?} and {answer:?}"),
    }
}

#[test]
fn an_explanation_says_what_the_answer_of_the_same_moment_says() {
    let fixtures = [
        Fixture::new(KeyKind::P256),
        Fixture::issuer_signed(KeyKind::Ed25519),
        Fixture::with_policy(Policy {
            validity: Some(Duration::from_secs(3_600)),
            ..Policy::DEFAULT
        }),
        Fixture::with_policy(Policy {
            window_max: Some(Duration::from_secs(7_200)),
            ..Policy::DEFAULT
        }),
        Fixture::with_limits(DAY, 3_600, 30 * DAY, Policy::DEFAULT),
        Fixture::with_limits(30 * DAY, 29 * DAY, DAY, Policy::DEFAULT),
        Fixture::that_knows_what_was_issued(Policy {
            never_issued: NeverIssuedPolicy::Revoked,
            ..Policy::DEFAULT
        }),
        Fixture::that_knows_what_was_issued(Policy {
            never_issued: NeverIssuedPolicy::Unauthorized,
            ..Policy::DEFAULT
        }),
        Fixture::with_absence(Absence::Unproven),
    ];
    let mut limits = Vec::new();
    for fixture in &fixtures {
        for serial in [SERIAL_GOOD, SERIAL_REVOKED, SERIAL_ON_HOLD, &[0x7f]] {
            for seconds in [0, 1_800, 7_199, DAY, 400 * DAY, 40_000 * DAY, -DAY] {
                let now = noon().plus_seconds(seconds);
                limits.extend(compare(fixture, serial, now));
            }
        }
    }
    for limit in [
        Limit::Validity,
        Limit::Window,
        Limit::Provisional,
        Limit::Source,
        Limit::Signer,
        Limit::Issuer,
    ] {
        assert!(limits.contains(&limit), "no case for {limit:?}");
    }
}

#[test]
fn an_issuer_without_list_or_signer_is_explained_as_it_answers() {
    let fixture = Fixture::new(KeyKind::P256);
    fixture.issuer().set_credential(None);
    compare(&fixture, SERIAL_GOOD, noon());
    fixture.issuer().set_table(None);
    compare(&fixture, SERIAL_GOOD, noon());
    let explanation = fixture
        .issuer()
        .explain(&SerialNumber::from_content(SERIAL_REVOKED).unwrap(), noon());
    assert_eq!(explanation.said, Err(Refusal::SourceMissing));
    assert!(explanation.named_by.is_empty());
}

#[test]
fn the_part_that_names_a_serial_is_the_very_list() {
    let fixture = Fixture::new(KeyKind::P256);
    let table = Arc::new(table_with(&[&[0x44]], DAY));
    fixture.issuer().set_table(Some(Arc::clone(&table)));
    let named_by = |serial: &[u8]| {
        let serial = SerialNumber::from_content(serial).unwrap();
        fixture.issuer().explain(&serial, noon()).named_by
    };
    let [
        NamedBy::List {
            serials,
            revocation,
        },
    ] = &named_by(&[0x44])[..]
    else {
        panic!("{:?}", named_by(&[0x44]));
    };
    assert!(Arc::ptr_eq(serials, &table.lists()[0].base));
    assert!(matches!(revocation, Revocation::Revoked(_)));
    assert!(named_by(&[0x45]).is_empty());
}

#[test]
fn to_explain_leaves_no_trace() {
    let fixture = Fixture::new(KeyKind::P256);
    let issuer = fixture.issuer();
    let before = (issuer.generation(), issuer.produced_last());
    let serial = SerialNumber::from_content(SERIAL_GOOD).unwrap();
    let said = issuer.explain(&serial, noon()).said.unwrap();
    assert_eq!(said.cert_status, CertStatus::Good);
    assert_eq!((issuer.generation(), issuer.produced_last()), before);
}
