//! Cached answers: the same octets again for as long as they are true, and never a moment longer.

mod fixture;

use bytes::BytesMut;
use fixture::{
    Fixture, SERIAL_GOOD, SERIAL_ON_HOLD, SERIAL_REVOKED, body, noon, poll_once, table_with, wait,
};
use ocspry_core::{
    Answer, NoncePolicy, Outcome, Policy, RecentAnswers, Refusal, StatusParts, StatusTable,
    ValidityWindow,
};
use ocspry_testkit::{KeyKind, RequestSpec, cert_id, nonce_extension};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, HashAlgorithm};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// One worker: it asks, and remembers.
struct Worker<'a> {
    fixture: &'a Fixture,
    recent: RecentAnswers,
}

impl<'a> Worker<'a> {
    fn of(fixture: &'a Fixture) -> Worker<'a> {
        Worker {
            fixture,
            recent: RecentAnswers::default(),
        }
    }

    fn ask(&self, request: &[u8], now: Time) -> (Answer, Outcome) {
        let mut buffer = BytesMut::new();
        wait(
            self.fixture
                .responder
                .answer(request, now, &self.recent, &mut buffer),
        )
    }

    fn body(&self, request: &[u8], now: Time) -> Vec<u8> {
        body(&self.ask(request, now).0)
    }
}

fn request(fixture: &Fixture, hash: HashAlgorithm, serial: &[u8]) -> Vec<u8> {
    RequestSpec::one(cert_id(hash, &fixture.ca, serial)).der()
}

#[test]
fn the_same_question_is_signed_once_for_all_workers() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    let (one, other) = (Worker::of(&fixture), Worker::of(&fixture));
    let first = one.body(&asked, noon());
    assert_eq!(one.body(&asked, noon().plus_seconds(1)), first);
    assert_eq!(other.body(&asked, noon().plus_seconds(2)), first);
    assert_eq!(fixture.signatures(), 1);
}

#[test]
fn an_answer_is_found_by_its_cert_id_whatever_else_the_request_holds() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let spec = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
    let extension = ocspry_testkit::extension(&[0x2b, 0x06, 0x01, 0x04, 0x01], false, &[5, 0]);
    let worker = Worker::of(&fixture);
    let first = worker.body(&spec.der(), noon());
    assert_eq!(
        worker.body(&spec.with_extension(extension).der(), noon()),
        first
    );
    assert_eq!(fixture.signatures(), 1);
}

#[test]
fn cid_12_a_sha_1_answer_never_serves_a_sha_256_request_nor_another_encoding() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    for hash in HashAlgorithm::ALL {
        let asked = request(&fixture, hash, SERIAL_GOOD);
        let answer = worker.ask(&asked, noon()).0;
        let expected = cert_id(hash, &fixture.ca, SERIAL_GOOD);
        assert_eq!(fixture.check(&answer).single().cert_id, expected);
    }
    // The same hash with its NULL left out is another CertID.
    let with_null = cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD);
    let mut without_null = with_null.clone();
    without_null.drain(11..13);
    without_null[1] -= 2;
    without_null[3] -= 2;
    let answer = worker
        .ask(&RequestSpec::one(without_null.clone()).der(), noon())
        .0;
    assert_eq!(fixture.check(&answer).single().cert_id, without_null);
    assert_eq!(fixture.signatures(), 5);
}

/// Is producedAt enough to tell this answer from every other that says something else?
fn is_named_by_its_time(answer: &Answer) -> bool {
    match answer {
        Answer::Signed(signed) => signed.produced_at_is_unique,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_named_by_its_time_unless_another_was_made_in_that_second_from_what_was_replaced() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    assert!(is_named_by_its_time(&worker.ask(&asked, noon()).0));

    // Revoked in the second of the signature: the new answer has the producedAt of the old one.
    fixture
        .issuer()
        .set_table(Some(Arc::new(table_with(&[SERIAL_GOOD], 86_400))));
    assert!(!is_named_by_its_time(&worker.ask(&asked, noon()).0));
    // The answer stays, and what is not known of it is not known later either.
    let later = noon().plus_seconds(60);
    assert!(!is_named_by_its_time(&worker.ask(&asked, later).0));
    // Another one, made in a second of its own, is named by it.
    let other = request(&fixture, HashAlgorithm::Sha1, SERIAL_REVOKED);
    assert!(is_named_by_its_time(&worker.ask(&other, later).0));

    // Another signer is as much a change as another table: the old one may have been stolen.
    fixture.renew_credential();
    assert!(!is_named_by_its_time(&worker.ask(&other, later).0));
}

#[test]
fn an_answer_about_several_certificates_is_not_named_by_its_time() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let mut spec = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
    spec.cert_ids
        .push(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_REVOKED));
    let answer = Worker::of(&fixture).ask(&spec.der(), noon()).0;
    assert!(!is_named_by_its_time(&answer));
}

#[test]
fn non_05_non_06_an_answer_with_a_nonce_is_neither_kept_nor_taken_from_what_is_kept() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let plain = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
    let with_nonce = plain
        .clone()
        .with_extension(nonce_extension(&[7; 16]))
        .der();
    for _ in 0..2 {
        let answer = worker.ask(&with_nonce, noon()).0;
        assert_eq!(fixture.check(&answer).signed().nonce, Some(vec![7; 16]));
    }
    assert_eq!(fixture.signatures(), 2);
    let answer = worker.ask(&plain.der(), noon()).0;
    assert_eq!(fixture.check(&answer).signed().nonce, None);
    assert_eq!(fixture.signatures(), 3);
}

#[test]
fn a_revocation_is_in_the_next_answer_though_the_old_one_was_kept() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    worker.ask(&asked, noon());
    fixture
        .issuer()
        .set_table(Some(Arc::new(table_with(&[SERIAL_GOOD], 86_400))));
    let answer = worker.ask(&asked, noon()).0;
    assert!(matches!(
        fixture.check(&answer).single().status,
        CertStatus::Revoked(_)
    ));
}

#[test]
fn a_new_table_that_says_the_same_keeps_the_answer_and_one_with_another_window_does_not() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    for serial in [SERIAL_GOOD, SERIAL_REVOKED] {
        let asked = request(&fixture, HashAlgorithm::Sha1, serial);
        fixture
            .issuer()
            .set_table(Some(Arc::new(table_with(&[], 86_400))));
        let before = fixture.signatures();
        let first = worker.body(&asked, noon());
        fixture
            .issuer()
            .set_table(Some(Arc::new(table_with(&[&[0x77]], 86_400))));
        assert_eq!(worker.body(&asked, noon()), first);
        assert_eq!(fixture.signatures(), before + 1);
        fixture
            .issuer()
            .set_table(Some(Arc::new(table_with(&[&[0x77]], 90_000))));
        assert_ne!(worker.body(&asked, noon()), first);
        assert_eq!(fixture.signatures(), before + 2);
    }
}

#[test]
fn a_hold_does_not_outlive_its_table_and_is_renewed_within_minutes() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_ON_HOLD);
    worker.ask(&asked, noon());
    worker.ask(&asked, noon().plus_seconds(149));
    assert_eq!(fixture.signatures(), 1);
    worker.ask(&asked, noon().plus_seconds(150));
    assert_eq!(fixture.signatures(), 2);
    fixture
        .issuer()
        .set_table(Some(Arc::new(table_with(&[], 86_400))));
    worker.ask(&asked, noon().plus_seconds(150));
    assert_eq!(fixture.signatures(), 3);
}

#[test]
fn tim_09_nothing_is_served_past_its_end_nor_in_the_margin_before_it() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    let first = worker.body(&asked, noon());
    assert_eq!(worker.body(&asked, noon().plus_seconds(86_400 - 61)), first);
    for late in [86_400 - 60, 86_400, 90_000] {
        let (_, outcome) = worker.ask(&asked, noon().plus_seconds(late));
        assert!(
            matches!(outcome, Outcome::Refused(Refusal::WindowOver { .. })),
            "{outcome:?}"
        );
    }
    // Nor when the clock jumps far back.
    let (_, outcome) = worker.ask(&asked, noon().plus_seconds(-400));
    assert!(
        matches!(outcome, Outcome::Refused(Refusal::WindowNotBegun { .. })),
        "{outcome:?}"
    );
}

#[test]
fn an_answer_that_lives_by_the_policy_is_renewed_at_half_its_life() {
    let policy = Policy {
        validity: Some(Duration::from_secs(3_600)),
        nonce: NoncePolicy::Echo,
        ..Policy::DEFAULT
    };
    let fixture = Fixture::counting(KeyKind::P256, Some(policy));
    let worker = Worker::of(&fixture);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    let first = worker.body(&asked, noon());
    assert_eq!(worker.body(&asked, noon().plus_seconds(1_799)), first);
    let renewed = worker.ask(&asked, noon().plus_seconds(1_800)).0;
    let single = fixture.check(&renewed).single();
    assert_eq!(single.next_update, noon().plus_seconds(1_800 + 3_600));
}

#[test]
fn a_new_signer_signs_anew_and_no_signer_means_no_answer() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    worker.ask(&asked, noon());
    let credential = fixture.issuer().credential();
    fixture.issuer().set_credential(None);
    assert_eq!(
        worker.ask(&asked, noon()).1,
        Outcome::Refused(Refusal::SignerMissing)
    );
    fixture.renew_credential();
    worker.ask(&asked, noon());
    assert_eq!(fixture.signatures(), 2);
    fixture.issuer().set_credential(credential);
    assert!(matches!(worker.ask(&asked, noon()).0, Answer::Signed(_)));
}

#[test]
fn a_worker_does_not_serve_what_an_earlier_responder_said() {
    let mut fixture = Fixture::counting(KeyKind::P256, None);
    let recent = {
        let worker = Worker::of(&fixture);
        worker.ask(&request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD), noon());
        worker.recent
    };
    // A reload that leaves every issuer out.
    fixture.without_issuers();
    let worker = Worker {
        fixture: &fixture,
        recent,
    };
    let (_, outcome) = worker.ask(&request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD), noon());
    assert_eq!(outcome, Outcome::Refused(Refusal::UnknownIssuer));
}

#[test]
fn many_who_wait_for_one_slow_signature_get_the_same_answer() {
    let fixture = Fixture::counting(KeyKind::Rsa2048, None);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    fixture.gate.close();
    let recent = RecentAnswers::default();
    let mut buffers: Vec<BytesMut> = (0..20).map(|_| BytesMut::new()).collect();
    let mut waiting: Vec<_> = buffers
        .iter_mut()
        .map(|buffer| Box::pin(fixture.responder.answer(&asked, noon(), &recent, buffer)))
        .collect();
    for future in &mut waiting {
        assert!(poll_once(future.as_mut()).is_pending());
    }
    // The one whose request began the signature hangs up.
    drop(waiting.remove(0));
    fixture.gate.open();
    let bodies: Vec<Vec<u8>> = waiting
        .into_iter()
        .map(|future| body(&wait(future).0))
        .collect();
    assert!(bodies.iter().all(|body| *body == bodies[0]));
    assert_eq!(fixture.signatures(), 1);
}

#[test]
fn a_signature_that_all_have_left_is_kept_for_the_next_client() {
    let fixture = Fixture::counting(KeyKind::Rsa2048, None);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    fixture.gate.close();
    let recent = RecentAnswers::default();
    {
        let mut buffer = BytesMut::new();
        let mut left = pin!(
            fixture
                .responder
                .answer(&asked, noon(), &recent, &mut buffer)
        );
        assert!(poll_once(left.as_mut()).is_pending());
    }
    fixture.gate.open();
    assert!(matches!(
        Worker::of(&fixture).ask(&asked, noon()).0,
        Answer::Signed(_)
    ));
    assert_eq!(fixture.signatures(), 1);
}

#[test]
fn a_revocation_that_comes_while_a_slow_key_signs_is_in_every_answer_after_it() {
    let fixture = Fixture::counting(KeyKind::Rsa2048, None);
    let plain = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
    let with_nonce = plain
        .clone()
        .with_extension(nonce_extension(&[7; 16]))
        .der();
    // The one that is revoked, and another: such answers are not kept, and are overtaken all the same.
    let several = RequestSpec::of(vec![
        cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD),
        cert_id(HashAlgorithm::Sha1, &fixture.ca, &[0x55]),
    ])
    .der();
    for asked in [plain.der(), with_nonce, several] {
        fixture
            .issuer()
            .set_table(Some(Arc::new(table_with(&[], 86_400))));
        fixture.gate.close();
        let recent = RecentAnswers::default();
        let (mut one, mut other) = (BytesMut::new(), BytesMut::new());
        let mut before = pin!(fixture.responder.answer(&asked, noon(), &recent, &mut one));
        assert!(poll_once(before.as_mut()).is_pending());
        fixture
            .issuer()
            .set_table(Some(Arc::new(table_with(&[SERIAL_GOOD], 86_400))));
        let mut after = pin!(
            fixture
                .responder
                .answer(&asked, noon(), &recent, &mut other)
        );
        assert!(poll_once(after.as_mut()).is_pending());
        fixture.gate.open();
        for answer in [wait(before).0, wait(after).0] {
            let status = fixture.check(&answer).signed().singles[0].status;
            assert!(matches!(status, CertStatus::Revoked(_)), "{status:?}");
        }
    }
}

#[test]
fn an_answer_past_half_its_life_is_served_while_a_slow_key_makes_the_next() {
    let policy = Policy {
        validity: Some(Duration::from_secs(3_600)),
        nonce: NoncePolicy::Echo,
        ..Policy::DEFAULT
    };
    let fixture = Fixture::counting(KeyKind::Rsa2048, Some(policy));
    let worker = Worker::of(&fixture);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    let first = worker.body(&asked, noon());
    fixture.gate.close();
    for second in 1_800..1_810 {
        assert_eq!(worker.body(&asked, noon().plus_seconds(second)), first);
    }
    fixture.gate.open();
    // Its margin begins 36 s before its end; then only a new one will do.
    let last = worker.ask(&asked, noon().plus_seconds(3_564)).0;
    let reply = fixture.check(&last).signed();
    assert!(reply.produced_at > noon(), "{}", reply.produced_at);
}

#[test]
fn an_answer_past_half_its_life_is_served_when_the_key_fails() {
    let policy = Policy {
        validity: Some(Duration::from_secs(3_600)),
        nonce: NoncePolicy::Echo,
        ..Policy::DEFAULT
    };
    let fixture = Fixture::counting(KeyKind::P256, Some(policy));
    let worker = Worker::of(&fixture);
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_GOOD);
    let first = worker.body(&asked, noon());
    fixture.gate.fail();
    assert_eq!(worker.body(&asked, noon().plus_seconds(1_900)), first);
    let (_, outcome) = worker.ask(&asked, noon().plus_seconds(3_564));
    assert!(
        matches!(outcome, Outcome::Refused(Refusal::SigningFailed { .. })),
        "{outcome:?}"
    );
}

/// The usual list, known some seconds before noon, among others of which the oldest is of some seconds before noon.
fn list_among_others(list_seconds: i64, oldest_seconds: i64) -> Arc<StatusTable> {
    let usual = table_with(&[], 3_600);
    let mut lists = usual.lists().to_vec();
    lists[0].this_update = Some(noon().plus_seconds(-list_seconds));
    Arc::new(StatusTable::new(StatusParts {
        lists,
        issued: Vec::new(),
        overlays: Vec::new(),
        absence: usual.absence(),
        window: ValidityWindow {
            this_update: noon().plus_seconds(-oldest_seconds),
            next_update: usual.window().next_update,
        },
        source: usual.source().clone(),
        more_sources: Vec::new(),
    }))
}

#[test]
fn what_is_revoked_is_as_new_as_its_list_and_stays_so_when_an_older_part_comes() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let [revoked, good] = [SERIAL_REVOKED, SERIAL_GOOD]
        .map(|serial| cert_id(HashAlgorithm::Sha1, &fixture.ca, serial));
    let known_at = |spec: &RequestSpec| {
        let reply = fixture.check(&worker.ask(&spec.der(), noon()).0);
        let signed = reply.signed();
        let times = signed
            .singles
            .iter()
            .map(|single| noon().seconds_since(single.this_update));
        times.collect::<Vec<i64>>()
    };
    let (of_revoked, of_good) = (
        RequestSpec::one(revoked.clone()),
        RequestSpec::one(good.clone()),
    );
    let mut of_both = of_revoked.clone();
    of_both.cert_ids.push(good);

    fixture
        .issuer()
        .set_table(Some(list_among_others(600, 900)));
    assert_eq!(known_at(&of_revoked), [600]);
    assert_eq!(known_at(&of_good), [900]);
    assert_eq!(known_at(&of_both), [600, 900]);
    let signed_before = fixture.signatures();

    fixture
        .issuer()
        .set_table(Some(list_among_others(600, 1_800)));
    assert_eq!(known_at(&of_revoked), [600]);
    assert_eq!(
        fixture.signatures(),
        signed_before,
        "the kept answer is true"
    );
    assert_eq!(known_at(&of_good), [1_800]);

    fixture
        .issuer()
        .set_table(Some(list_among_others(300, 1_800)));
    assert_eq!(known_at(&of_revoked), [300]);
}

#[test]
fn a_list_that_is_newer_than_a_clock_that_was_set_back_is_not_newer_than_its_answer() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    fixture.issuer().set_table(Some(list_among_others(0, 900)));
    let asked = request(&fixture, HashAlgorithm::Sha1, SERIAL_REVOKED);
    let minute_ago = noon().plus_seconds(-60);
    let reply = fixture.check(&Worker::of(&fixture).ask(&asked, minute_ago).0);
    let signed = reply.signed();
    assert_eq!(signed.produced_at, minute_ago);
    assert_eq!(signed.singles[0].this_update, minute_ago);
}
