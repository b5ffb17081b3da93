//! What is counted while answers are made, and that an issuer says of itself what its clients hear.

mod fixture;

use bytes::BytesMut;
use fixture::{Fixture, SERIAL_GOOD, SERIAL_REVOKED, answer_at, noon, table_with, wait};
use ocspry_core::{
    Client, Effort, Endpoint, Issuer, NoncePolicy, Outcome, OutcomeKind, Policy, RecentAnswers,
    Told,
};
use ocspry_testkit::{KeyKind, RequestSpec, cert_id, nonce_extension};
use ocspry_wire::ocsp::HashAlgorithm;
use std::time::Duration;

fn request(fixture: &Fixture, hash: HashAlgorithm, serial: &[u8]) -> RequestSpec {
    RequestSpec::one(cert_id(hash, &fixture.ca, serial))
}

fn ask(fixture: &Fixture, request: &[u8], recent: &RecentAnswers) -> OutcomeKind {
    let mut buffer = BytesMut::new();
    let answered = fixture
        .responder
        .answer(request, noon(), recent, &mut buffer);
    wait(answered).1.kind()
}

#[test]
fn an_issuer_can_answer_exactly_when_a_request_gets_an_answer() {
    let validity = |seconds| Policy {
        validity: seconds,
        nonce: NoncePolicy::Echo,
        ..Policy::DEFAULT
    };
    let an_hour = Some(Duration::from_secs(3_600));
    let mut heard = Vec::new();
    for (list, signer, ca, policy) in [
        (1_000, 2_000, 3_000, validity(None)),
        (2_000, 1_000, 3_000, validity(None)),
        (3_000, 2_000, 1_000, validity(None)),
        (86_400, 86_400, 86_400, validity(an_hour)),
    ] {
        let fixture = Fixture::with_limits(list, signer, ca, policy);
        let asked = request(&fixture, HashAlgorithm::Sha256, SERIAL_GOOD).der();
        for second in [
            -90_000, -361, -360, -60, 0, 900, 970, 989, 990, 999, 1_000, 1_001, 86_399, 90_000,
        ] {
            let now = noon().plus_seconds(second);
            let (_, outcome) = answer_at(&fixture, &asked, now);
            let expected = match &outcome {
                Outcome::Signed(_) => Ok(()),
                Outcome::Refused(refusal) => Err(refusal.clone()),
            };
            // A fresh fixture's cache holds what the same second gave: nothing older is handed out.
            assert_eq!(fixture.issuer().can_answer(now), expected, "{second}");
            heard.push(outcome.kind().label());
        }
        let issuer = fixture.issuer();
        issuer.set_credential(None);
        let (_, outcome) = answer_at(&fixture, &asked, noon());
        assert_eq!(
            outcome,
            Outcome::Refused(issuer.can_answer(noon()).unwrap_err())
        );
        heard.push(outcome.kind().label());
        drop(issuer.set_table(None));
        let (_, outcome) = answer_at(&fixture, &asked, noon());
        assert_eq!(
            outcome,
            Outcome::Refused(issuer.can_answer(noon()).unwrap_err())
        );
        heard.push(outcome.kind().label());
    }
    for cause in [
        "good",
        "clock-behind",
        "source-expired",
        "signer-expired",
        "issuer-expiring",
        "issuer-expired",
        "source-missing",
        "signer-missing",
    ] {
        assert!(heard.contains(&cause), "{cause} was not met: {heard:?}");
    }
}

#[test]
fn ops_12_each_request_counts_its_hash_algorithm_and_nonce_also_out_of_the_cache() {
    let fixture = Fixture::new(KeyKind::P256);
    let recent = RecentAnswers::default();
    for _ in 0..3 {
        let sha1 = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
        assert_eq!(ask(&fixture, &sha1.der(), &recent), OutcomeKind::Good);
    }
    let sha256 = request(&fixture, HashAlgorithm::Sha256, SERIAL_REVOKED);
    let with_nonce = sha256.with_extension(nonce_extension(&[7; 16])).der();
    assert_eq!(ask(&fixture, &with_nonce, &recent), OutcomeKind::Revoked);
    assert_eq!(ask(&fixture, b"none", &recent), OutcomeKind::Malformed);
    let counts = recent.counts();
    assert_eq!(counts.hash_algorithm(Some(HashAlgorithm::Sha1)), 3);
    assert_eq!(counts.hash_algorithm(Some(HashAlgorithm::Sha256)), 1);
    assert_eq!(counts.hash_algorithm(None), 0);
    assert_eq!(
        (counts.with_nonce.get(), counts.without_nonce.get()),
        (1, 3)
    );
    assert_eq!((counts.hits_by_request.get(), counts.misses.get()), (2, 1));
    assert_eq!(counts.recent_entries.get(), 1);
    assert!(counts.recent_bytes.get() > 0);
}

#[test]
fn requests_with_a_nonce_that_is_ignored_do_not_fill_the_workers_cache() {
    let fixture = Fixture::with_policy(Policy {
        nonce: NoncePolicy::Ignore,
        ..Policy::DEFAULT
    });
    let recent = RecentAnswers::default();
    for octet in 0..20 {
        let asked = request(&fixture, HashAlgorithm::Sha256, SERIAL_GOOD)
            .with_extension(nonce_extension(&[octet; 16]));
        ask(&fixture, &asked.der(), &recent);
    }
    assert_eq!(recent.counts().recent_entries.get(), 0);
    // They are all answered with the one that is kept for everybody.
    assert_eq!(recent.counts().hits_by_cert_id.get(), 19);
}

#[test]
fn a_nonce_that_is_ignored_counts_though_the_answer_is_everybodys() {
    let fixture = Fixture::with_policy(Policy {
        validity: None,
        nonce: NoncePolicy::Ignore,
        ..Policy::DEFAULT
    });
    let recent = RecentAnswers::default();
    let plain = request(&fixture, HashAlgorithm::Sha256, SERIAL_GOOD);
    ask(&fixture, &plain.der(), &recent);
    let with_nonce = request(&fixture, HashAlgorithm::Sha256, SERIAL_GOOD)
        .with_extension(nonce_extension(&[7; 16]))
        .der();
    for _ in 0..2 {
        ask(&fixture, &with_nonce, &recent);
    }
    let counts = recent.counts();
    assert_eq!(
        (counts.with_nonce.get(), counts.without_nonce.get()),
        (2, 1)
    );
    let found = (counts.hits_by_cert_id.get(), counts.hits_by_request.get());
    assert_eq!((found, counts.misses.get()), ((2, 0), 1));
    assert_eq!(counts.signed.get(), 1);
}

#[test]
fn an_answer_that_no_longer_holds_is_a_miss_and_not_a_hit() {
    let fixture = Fixture::new(KeyKind::P256);
    let recent = RecentAnswers::default();
    let asked = request(&fixture, HashAlgorithm::Sha256, SERIAL_GOOD).der();
    assert_eq!(ask(&fixture, &asked, &recent), OutcomeKind::Good);
    let revoked = table_with(&[SERIAL_GOOD], 86_400);
    drop(fixture.issuer().set_table(Some(revoked.into())));
    assert_eq!(ask(&fixture, &asked, &recent), OutcomeKind::Revoked);
    let counts = recent.counts();
    assert_eq!(
        (counts.hits_by_request.get(), counts.hits_by_cert_id.get()),
        (0, 0)
    );
    assert_eq!((counts.misses.get(), counts.signed.get()), (2, 2));
}

#[test]
fn signatures_count_by_how_they_ended_whoever_makes_them() {
    for kind in [KeyKind::P256, KeyKind::Rsa2048] {
        let fixture = Fixture::counting(kind, None);
        let recent = RecentAnswers::default();
        let good = request(&fixture, HashAlgorithm::Sha256, SERIAL_GOOD).der();
        let revoked = request(&fixture, HashAlgorithm::Sha256, SERIAL_REVOKED).der();
        assert_eq!(ask(&fixture, &good, &recent), OutcomeKind::Good);
        fixture.gate.fail();
        assert_eq!(ask(&fixture, &revoked, &recent), OutcomeKind::SigningFailed);
        let (counts, pool) = (recent.counts(), fixture.responder.signing_counts());
        let signed = (counts.signed.get(), pool.signed);
        let failed = (counts.signing_failed.get(), pool.failed);
        match kind {
            KeyKind::P256 => assert_eq!((signed, failed), ((1, 0), (1, 0))),
            _ => assert_eq!((signed, failed), ((0, 1), (0, 1))),
        }
        assert_eq!(
            (pool.refused_total(), pool.waiting, pool.waiting_max),
            (0, [0; 3], 8)
        );
    }
}

/// What was told more than never.
fn told(issuer: &Issuer) -> Vec<(Told, u64)> {
    let counts = issuer.counts().told().into_iter();
    counts.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn an_issuer_counts_what_its_clients_were_told_and_hands_the_counts_on() {
    let fixture = Fixture::with_policy(Policy {
        nonce: NoncePolicy::Required,
        ..Policy::DEFAULT
    });
    let recent = RecentAnswers::default();
    let plain = |serial| request(&fixture, HashAlgorithm::Sha256, serial);
    let with_nonce = |serial| {
        plain(serial)
            .with_extension(nonce_extension(&[7; 16]))
            .der()
    };
    ask(&fixture, &with_nonce(SERIAL_GOOD), &recent);
    ask(&fixture, &with_nonce(SERIAL_GOOD), &recent);
    ask(&fixture, &with_nonce(SERIAL_REVOKED), &recent);
    ask(&fixture, &plain(SERIAL_GOOD).der(), &recent);
    // Nobody's.
    ask(&fixture, b"none", &recent);
    let issuer = fixture.issuer();
    let expected = [(Told::Good, 2), (Told::Revoked, 1), (Told::Refused, 1)];
    assert_eq!(told(issuer), expected);
    drop(issuer.set_table(None));
    ask(&fixture, &with_nonce(SERIAL_GOOD), &recent);
    assert_eq!(told(issuer).last(), Some(&(Told::TryLater, 1)));

    let (name, certificate) = ("anew".to_owned(), issuer.certificate().clone());
    let mut anew = Issuer::new(name, certificate, Policy::DEFAULT);
    assert_eq!(told(&anew), []);
    anew.continue_from(issuer);
    assert_eq!(told(&anew), told(issuer));
}

#[test]
fn an_answer_tells_what_it_took() {
    let fixture = Fixture::new(KeyKind::P256);
    let (one, other) = (RecentAnswers::default(), RecentAnswers::default());
    let effort = |asked: &[u8], recent: &RecentAnswers| {
        let mut buffer = BytesMut::new();
        let responder = &fixture.responder;
        let answered = responder.answer_at(
            Endpoint::All,
            Client::Trusted,
            asked,
            noon(),
            recent,
            &mut buffer,
        );
        wait(answered).effort
    };
    let good = request(&fixture, HashAlgorithm::Sha256, SERIAL_GOOD).der();
    assert_eq!(effort(&good, &one), Effort::Signed);
    // By the same request, and by the CertID alone.
    assert_eq!(effort(&good, &one), Effort::Cached);
    assert_eq!(effort(&good, &other), Effort::Cached);
    assert_eq!(effort(b"none", &one), Effort::Unsigned);
}
