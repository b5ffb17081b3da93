//! Decoding, look-up and assembling allocate nothing (DESIGN §8); what a signature takes is the signer's.

mod fixture;

use bytes::BytesMut;
use fixture::{Fixture, SERIAL_GOOD, SERIAL_REVOKED, noon, wait};
use ocspry_core::{Answer, Client, Endpoint, RecentAnswers};
use ocspry_testkit::{KeyKind, RequestSpec, cert_id, nonce_extension};
use ocspry_wire::ocsp::HashAlgorithm;
use std::sync::Arc;

#[test]
fn everything_but_the_signature_allocates_nothing_once_the_buffer_has_grown() {
    let fixture = Fixture::with_stored_signature();
    let requests: Vec<Vec<u8>> = [SERIAL_GOOD, SERIAL_REVOKED]
        .iter()
        .map(|serial| {
            RequestSpec::one(cert_id(HashAlgorithm::Sha256, &fixture.ca, serial))
                .with_extension(nonce_extension(&[7; 32]))
                .der()
        })
        .collect();
    let mut buffer = BytesMut::new();
    let recent = RecentAnswers::default();
    let mut ask = |request: &[u8]| {
        let (answer, _) = wait(
            fixture
                .responder
                .answer(request, noon(), &recent, &mut buffer),
        );
        assert!(matches!(answer, Answer::Signed(_)));
    };
    // The first answers make the buffer grow to its size.
    for request in &requests {
        ask(request);
    }
    // The waker of `wait` and the signature's own Vec are no part of decode, look-up and assemble.
    let outside = allocation_counter::measure(|| {
        wait(std::future::ready(()));
        std::hint::black_box(Vec::<u8>::with_capacity(72));
    });
    for request in &requests {
        let inside = allocation_counter::measure(|| ask(request));
        assert_eq!(
            inside.count_total, outside.count_total,
            "allocations per answer"
        );
    }
}

#[test]
fn a_refusal_allocates_nothing() {
    let fixture = Fixture::new(KeyKind::P256);
    let outside = allocation_counter::measure(|| wait(std::future::ready(())));
    let mut buffer = BytesMut::new();
    let recent = RecentAnswers::default();
    let inside = allocation_counter::measure(|| {
        let (answer, _) = wait(fixture.responder.answer(
            &[0x30, 0x80],
            noon(),
            &recent,
            &mut buffer,
        ));
        assert!(matches!(answer, Answer::Error(_)));
    });
    assert_eq!(inside.count_total, outside.count_total);
}

#[test]
fn to_find_an_endpoint_allocates_nothing() {
    let fixture = Fixture::new(KeyKind::P256);
    let issuer = fixture.responder.issuers().iter().next().unwrap();
    let name = issuer.name().to_owned();
    let serial = issuer.certificate().view().serial_number.to_string();
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &fixture.ca, SERIAL_GOOD)).der();
    let (recent, mut buffer) = (RecentAnswers::default(), BytesMut::new());
    let mut ask = |name: &str| {
        let endpoint = Endpoint::Named(name.as_bytes());
        let responder = &fixture.responder;
        let answer = responder.answer_at(
            endpoint,
            Client::Trusted,
            &request,
            noon(),
            &recent,
            &mut buffer,
        );
        wait(answer).answer
    };
    assert!(matches!(ask(&name), Answer::Signed(_)));
    let outside = allocation_counter::measure(|| wait(std::future::ready(())));
    for (name, is_there) in [(name.as_str(), true), (&serial, true), ("nobody", false)] {
        let inside = allocation_counter::measure(|| {
            assert_eq!(matches!(ask(name), Answer::Signed(_)), is_there, "{name}");
        });
        assert_eq!(inside.count_total, outside.count_total, "{name}");
    }
}

#[test]
fn a_cache_hit_allocates_nothing() {
    let fixture = Fixture::new(KeyKind::P256);
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &fixture.ca, SERIAL_GOOD)).der();
    let (recent, mut buffer) = (RecentAnswers::default(), BytesMut::new());
    let other_worker = RecentAnswers::default();
    let mut ask = |recent: &RecentAnswers| {
        let (answer, _) = wait(
            fixture
                .responder
                .answer(&request, noon(), recent, &mut buffer),
        );
        assert!(matches!(answer, Answer::Signed(_)));
    };
    ask(&recent);
    let outside = allocation_counter::measure(|| wait(std::future::ready(())));
    let inside = allocation_counter::measure(|| ask(&recent));
    assert_eq!(inside.count_total, outside.count_total);
    // The first time on another worker keeps the request there.
    ask(&other_worker);
}

#[test]
fn what_the_cache_says_that_it_holds_is_what_it_takes() {
    let fixture = Fixture::with_stored_signature();
    let before = fixture.responder.cache_usage();
    // Nothing of it is kept twice.
    let recent = RecentAnswers::new(0, Arc::default());
    let mut buffer = BytesMut::new();
    let requests: Vec<Vec<u8>> = (0_u32..8_000)
        .map(|number| {
            let serial = [&[0x7f; 16][..], &number.to_be_bytes()].concat();
            RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, &serial)).der()
        })
        .collect();
    let taken = allocation_counter::measure(|| {
        for request in &requests {
            let asked = fixture
                .responder
                .answer(request, noon(), &recent, &mut buffer);
            assert!(matches!(wait(asked).0, Answer::Signed(_)));
        }
    });
    let usage = fixture.responder.cache_usage();
    assert_eq!(usage.entries - before.entries, 8_000);
    let said = usage.bytes - before.bytes;
    let taken = u64::try_from(taken.bytes_current).unwrap();
    assert!(
        taken.abs_diff(said) < said / 5,
        "{taken} octets for {said} of the metric"
    );
}
