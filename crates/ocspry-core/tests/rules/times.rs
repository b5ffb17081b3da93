//! producedAt, thisUpdate, nextUpdate (RFC 6960 §2.4, RFC 9919 §3.2.4).

use crate::fixture::{Fixture, SERIAL_GOOD, answer_at, body, noon};
use ocspry_core::Answer;
use ocspry_testkit::{KeyKind, Reply, RequestSpec, SignedReply, cert_id, nonce_extension};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{ErrorStatus, HashAlgorithm};

fn request(fixture: &Fixture) -> RequestSpec {
    RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD))
}

fn signed_at(fixture: &Fixture, request: &[u8], now: Time) -> SignedReply {
    fixture.check(&answer_at(fixture, request, now).0).signed()
}

#[test]
fn tim_02_tim_03_tim_04_tim_08_an_answer_is_produced_now_from_what_the_list_knew() {
    let fixture = Fixture::new(KeyKind::P256);
    let request = request(&fixture).with_extension(nonce_extension(&[7; 16]));
    for later in [0, 1, 4_000] {
        let now = noon().plus_seconds(later);
        let reply = signed_at(&fixture, &request.der(), now);
        let this_update = reply.singles[0].this_update;
        assert_eq!(reply.produced_at, now);
        assert_eq!(this_update, noon().plus_seconds(-60), "the list's own");
        assert!(this_update <= reply.produced_at && this_update <= now);
    }
}

#[test]
fn tim_05_tim_06_tim_09_an_answer_is_replaced_strictly_before_its_end() {
    let fixture = Fixture::new(KeyKind::P256);
    let request = request(&fixture).der();
    let end = noon().plus_seconds(86_400);
    for before in [86_400, 3_600, 61] {
        let reply = signed_at(&fixture, &request, end.plus_seconds(-before));
        assert_eq!(reply.singles[0].next_update, end, "the list's own");
    }
    for now in [end.plus_seconds(-1), end, end.plus_seconds(1)] {
        let (answer, _) = answer_at(&fixture, &request, now);
        assert!(
            matches!(answer, Answer::Error(ErrorStatus::TryLater)),
            "{now}"
        );
    }
}

#[test]
fn tim_07_an_answer_does_not_outlive_its_signer() {
    let fixture = Fixture::with_limits(86_400, 7_200, 90 * 86_400, crate::fixture::echo());
    let reply = signed_at(&fixture, &request(&fixture).der(), noon());
    assert_eq!(reply.singles[0].next_update, noon().plus_seconds(7_200));
}

#[test]
fn tim_01_tim_12_the_last_second_of_the_year_9999_is_written_as_it_is() {
    let last = Time::from_unix(253_402_300_799);
    let after_noon = last.seconds_since(noon());
    let fixture = Fixture::with_limits(after_noon, after_noon, after_noon, crate::fixture::echo());
    let (answer, _) = answer_at(&fixture, &request(&fixture).der(), noon());
    let octets = body(&answer);
    let text = b"99991231235959Z";
    assert!(octets.windows(text.len()).any(|window| window == text));
    let single = Reply::check(&octets, &fixture.ca).single();
    assert_eq!(single.next_update, last);
}
