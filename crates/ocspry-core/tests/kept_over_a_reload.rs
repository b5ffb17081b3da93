//! Other issuers come and go by a reload: what is cached of one that stays, stays, and what rested on all of them does not.

mod fixture;

use bytes::BytesMut;
use fixture::{Fixture, SERIAL_GOOD, body, noon, wait};
use ocspry_core::{
    Answer, IssuerSet, NoncePolicy, Policy, RecentAnswers, Responder, UnknownIssuerPolicy,
};
use ocspry_testkit::{KeyKind, RequestSpec, cert_id};
use ocspry_wire::ocsp::HashAlgorithm;
use std::sync::Arc;

fn ask(responder: &Responder, request: &[u8], recent: &RecentAnswers) -> Answer {
    let mut buffer = BytesMut::new();
    wait(responder.answer(request, noon(), recent, &mut buffer)).0
}

#[test]
fn what_is_cached_of_an_issuer_goes_on_in_another_place_beside_others_and_not_without_it() {
    let one = Fixture::counting(KeyKind::P256, None);
    let other = Fixture::new(KeyKind::Ed25519);
    let asked = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &one.ca, SERIAL_GOOD)).der();
    let (recent, other_worker) = (RecentAnswers::default(), RecentAnswers::default());
    let first = body(&ask(&one.responder, &asked, &recent));

    let both = vec![Arc::clone(other.issuer()), Arc::clone(one.issuer())];
    let beside = one.responder.with_issuers(IssuerSet::new(both).unwrap());
    // By the same request, and by the CertID alone.
    for recent in [&recent, &other_worker] {
        assert_eq!(body(&ask(&beside, &asked, recent)), first);
    }
    assert_eq!(one.signatures(), 1);

    let without = vec![Arc::clone(other.issuer())];
    let without = beside.with_issuers(IssuerSet::new(without).unwrap());
    assert!(matches!(ask(&without, &asked, &recent), Answer::Error(_)));

    let alone = vec![Arc::clone(one.issuer())];
    let again = without.with_issuers(IssuerSet::new(alone).unwrap());
    assert_eq!(body(&ask(&again, &asked, &recent)), first);
    assert_eq!(one.signatures(), 1);
}

#[test]
fn an_unknown_of_a_stranger_is_gone_when_the_stranger_is_configured() {
    let one = Fixture::with_policy(Policy {
        nonce: NoncePolicy::Echo,
        unknown_issuer: UnknownIssuerPolicy::Unknown,
        ..Policy::DEFAULT
    });
    let stranger = Fixture::new(KeyKind::Ed25519);
    let asked = cert_id(HashAlgorithm::Sha256, &stranger.ca, SERIAL_GOOD);
    let asked = RequestSpec::one(asked).der();
    let recent = RecentAnswers::default();
    let unknown = ask(&one.responder, &asked, &recent);
    one.check(&unknown).single();
    assert_eq!(body(&ask(&one.responder, &asked, &recent)), body(&unknown));

    let both = vec![Arc::clone(one.issuer()), Arc::clone(stranger.issuer())];
    let beside = one.responder.with_issuers(IssuerSet::new(both).unwrap());
    stranger.check(&ask(&beside, &asked, &recent)).single();
}
