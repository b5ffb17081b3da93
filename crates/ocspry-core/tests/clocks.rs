//! Clocks that were set, and lists that ran out: what is still answered, and until when (DESIGN rule 14, staleness ladder).

mod fixture;

use bytes::BytesMut;
use fixture::{Fixture, SERIAL_GOOD, SERIAL_ON_HOLD, SERIAL_REVOKED, body, noon, table_with, wait};
use ocspry_core::{
    Answer, Issuer, Limit, Outcome, Policy, RecentAnswers, Refusal, SignedResponse, Stale,
};
use ocspry_testkit::{KeyKind, RequestSpec, cert_id, nonce_extension};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, HashAlgorithm};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

/// The list of these tests ends then, in seconds after noon; nothing is promised from it in the last 60 s.
const LIST_END: i64 = 86_400;
/// Two days after that, answers end for good.
const STALE_UNTIL: i64 = LIST_END + 2 * 86_400;

fn at(seconds: i64) -> Time {
    noon().plus_seconds(seconds)
}

fn break_glass() -> Policy {
    Policy {
        stale_until: Some(at(STALE_UNTIL)),
        ..Policy::DEFAULT
    }
}

/// A worker that remembers.
struct Worker<'a> {
    fixture: &'a Fixture,
    recent: RecentAnswers,
}

impl Worker<'_> {
    fn of(fixture: &Fixture) -> Worker<'_> {
        Worker {
            fixture,
            recent: RecentAnswers::default(),
        }
    }

    fn ask(&self, serial: &[u8], seconds: i64) -> (Answer, Outcome) {
        let spec = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &self.fixture.ca, serial));
        self.ask_for(&spec, seconds)
    }

    fn ask_for(&self, spec: &RequestSpec, seconds: i64) -> (Answer, Outcome) {
        let mut buffer = BytesMut::new();
        let responder = &self.fixture.responder;
        wait(responder.answer(&spec.der(), at(seconds), &self.recent, &mut buffer))
    }

    fn signed(&self, serial: &[u8], seconds: i64) -> SignedResponse {
        match self.ask(serial, seconds) {
            (Answer::Signed(response), _) => response,
            other => panic!("{other:?}"),
        }
    }

    fn refused(&self, serial: &[u8], seconds: i64) -> Refusal {
        match self.ask(serial, seconds) {
            (_, Outcome::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        }
    }
}

fn over(limit: Limit, seconds: i64) -> Refusal {
    Refusal::WindowOver {
        limit,
        at: at(seconds),
    }
}

#[test]
fn before_the_end_of_the_list_stale_until_changes_nothing() {
    let with = Fixture::counting(KeyKind::P256, Some(break_glass()));
    let without = Fixture::counting(KeyKind::P256, None);
    for seconds in [0, LIST_END / 2, LIST_END - 61] {
        let (with, without) = (Worker::of(&with), Worker::of(&without));
        let with = with.signed(SERIAL_GOOD, seconds);
        let without = without.signed(SERIAL_GOOD, seconds);
        assert_eq!(with.window, without.window);
        assert_eq!(with.send_before, without.send_before);
        assert_eq!(with.limit, Limit::Source);
    }
    assert_eq!(with.issuer().stale(at(LIST_END - 61)), None);
}

#[test]
fn a_list_that_is_over_answers_an_hour_at_a_time_until_stale_until_and_not_a_second_more() {
    let fixture = Fixture::counting(KeyKind::P256, Some(break_glass()));
    let worker = Worker::of(&fixture);
    let this_update = at(-60);
    for seconds in [LIST_END - 60, LIST_END + 3_600, LIST_END + 86_400] {
        let response = worker.signed(SERIAL_REVOKED, seconds);
        assert_eq!(response.window.this_update, this_update, "the source's");
        assert_eq!(response.window.next_update, at(seconds + 3_600));
        assert_eq!(response.limit, Limit::StaleUntil);
        assert_eq!(response.produced_at, at(seconds));
        let single = fixture.check(&Answer::Signed(response)).single();
        assert!(matches!(single.status, CertStatus::Revoked(_)));
        let expected = Stale {
            since: at(LIST_END),
            until: at(STALE_UNTIL),
        };
        assert_eq!(fixture.issuer().stale(at(seconds)), Some(expected));
        assert_eq!(fixture.issuer().can_answer(at(seconds)), Ok(()));
    }
    // The last hour is shorter, and its answers have their margin too.
    let last = worker.signed(SERIAL_REVOKED, STALE_UNTIL - 1_000);
    assert_eq!(last.window.next_update, at(STALE_UNTIL));
    assert_eq!(last.limit, Limit::StaleUntil);
    assert!(last.send_before < at(STALE_UNTIL));
    let closing = over(Limit::StaleUntil, STALE_UNTIL);
    assert_eq!(worker.refused(SERIAL_REVOKED, STALE_UNTIL - 1), closing);
    for seconds in [STALE_UNTIL, STALE_UNTIL + 1, STALE_UNTIL + 86_400] {
        let refused = worker.refused(SERIAL_REVOKED, seconds);
        assert_eq!(refused, over(Limit::Source, LIST_END));
        assert_eq!(fixture.issuer().stale(at(seconds)), None);
    }
}

#[test]
fn an_answer_cached_before_the_end_goes_with_it_and_one_of_an_hour_is_renewed_after_half_of_it() {
    let fixture = Fixture::counting(KeyKind::P256, Some(break_glass()));
    let worker = Worker::of(&fixture);
    let before = worker.signed(SERIAL_GOOD, LIST_END - 61);
    let stale = worker.signed(SERIAL_GOOD, LIST_END - 60);
    assert_ne!(stale.der, before.der);
    assert_eq!(fixture.signatures(), 2);
    let half = LIST_END - 60 + 1_800;
    assert_eq!(worker.signed(SERIAL_GOOD, half - 1).der, stale.der);
    let renewed = worker.signed(SERIAL_GOOD, half);
    assert_eq!(renewed.window.next_update, at(half + 3_600));
    assert_eq!(fixture.signatures(), 3);
    // Both are named by their times: no other was made in those seconds.
    assert!(stale.produced_at_is_unique && renewed.produced_at_is_unique);
}

#[test]
fn a_newer_list_ends_what_was_stale_at_once() {
    let fixture = Fixture::counting(KeyKind::P256, Some(break_glass()));
    let worker = Worker::of(&fixture);
    worker.signed(SERIAL_GOOD, LIST_END + 10);
    let newer = table_with(&[SERIAL_GOOD], 3 * LIST_END);
    fixture.issuer().set_table(Some(Arc::new(newer)));
    let response = worker.signed(SERIAL_GOOD, LIST_END + 11);
    assert_eq!(response.limit, Limit::Source);
    let single = fixture.check(&Answer::Signed(response)).single();
    assert!(matches!(single.status, CertStatus::Revoked(_)));
    assert_eq!(fixture.issuer().stale(at(LIST_END + 11)), None);
}

#[test]
fn stale_answers_keep_every_other_limit() {
    let hour = Duration::from_secs(3_600);
    let with = |signer: i64, validity: Option<Duration>, window_max: Option<Duration>| {
        let policy = Policy {
            validity,
            window_max,
            ..break_glass()
        };
        Fixture::with_limits(LIST_END, signer, 90 * 86_400, policy)
    };
    let signer = with(LIST_END + 1_000, None, None);
    let response = Worker::of(&signer).signed(SERIAL_GOOD, LIST_END);
    assert_eq!(response.window.next_update, at(LIST_END + 1_000));
    assert_eq!(response.limit, Limit::Signer);
    let gone = Worker::of(&signer).refused(SERIAL_GOOD, LIST_END + 1_001);
    assert_eq!(gone, over(Limit::Signer, LIST_END + 1_000));

    let short = with(30 * 86_400, Some(hour / 6), None);
    let response = Worker::of(&short).signed(SERIAL_GOOD, LIST_END);
    assert_eq!(response.window.next_update, at(LIST_END + 600));
    assert_eq!(response.limit, Limit::Validity);

    // window-max is what makes a list over before its own end; stale-until goes beyond it.
    let capped = with(30 * 86_400, None, Some(12 * hour));
    let closes = 43_200 - 61;
    let before = Worker::of(&capped).signed(SERIAL_GOOD, closes - 61);
    assert_eq!(before.limit, Limit::Window);
    let response = Worker::of(&capped).signed(SERIAL_GOOD, closes);
    assert_eq!(response.limit, Limit::StaleUntil);
    assert_eq!(response.window.next_update, at(closes + 3_600));

    let on_hold = Fixture::with_policy(break_glass());
    let response = Worker::of(&on_hold).signed(SERIAL_ON_HOLD, LIST_END);
    assert_eq!(response.window.next_update, at(LIST_END + 300));
    assert_eq!(response.limit, Limit::Provisional);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the times: nothing is said past stale-until, nor for longer than an hour once the list is over.
    #[test]
    fn nothing_is_said_past_stale_until(
        list in 100i64..200_000,
        until in 0i64..400_000,
        validity in proptest::option::of(60u64..100_000),
        clock in 0i64..500_000,
    ) {
        let fixture = Fixture::with_limits(list, 30 * 86_400, 90 * 86_400, Policy {
            validity: validity.map(Duration::from_secs),
            stale_until: Some(at(until)),
            ..Policy::DEFAULT
        });
        let worker = Worker::of(&fixture);
        worker.ask(SERIAL_GOOD, 0);
        let (Answer::Signed(response), _) = worker.ask(SERIAL_GOOD, clock) else {
            prop_assert!(clock >= list - 60 && (clock >= until - 60), "list {list} until {until} clock {clock}");
            return Ok(());
        };
        let next_update = response.window.next_update;
        prop_assert!(next_update > at(clock) && at(clock) < response.send_before);
        prop_assert!(next_update <= at(list.max(until)));
        if next_update > at(list) {
            prop_assert!(response.produced_at.plus_seconds(3_600) >= next_update);
            prop_assert!(response.produced_at >= at(list - 60));
        }
    }
}

/// The issuer has been told that this time has passed.
fn told(fixture: &Fixture, seconds: i64) -> &Arc<Issuer> {
    let issuer = fixture.issuer();
    issuer.note_time_passed(at(seconds));
    issuer
}

#[test]
fn a_clock_behind_answers_that_were_made_is_lifted_to_them_for_five_minutes_and_refused_beyond() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let issuer = told(&fixture, 10_000);
    let worker = Worker::of(&fixture);
    // The first is made with the clock furthest behind; the others find it.
    for seconds in [9_700, 9_999, 10_000] {
        let response = worker.signed(SERIAL_GOOD, seconds);
        assert_eq!(response.produced_at, at(10_000));
    }
    assert_eq!(worker.signed(SERIAL_GOOD, 10_001).produced_at, at(10_000));
    let expected = Refusal::ProducedLater { at: at(10_000) };
    assert_eq!(worker.refused(SERIAL_GOOD, 9_699), expected);
    assert_eq!(issuer.can_answer(at(9_699)), Err(expected));
    // An earlier time is no news.
    issuer.note_time_passed(at(0));
    assert_eq!(issuer.time_passed(), at(10_000));
    issuer.forget_time_passed();
    worker.signed(SERIAL_GOOD, 9_699);
}

#[test]
fn ops_13_a_clock_that_was_set_back_resurrects_no_cached_answer_and_stops_what_is_far_behind() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let first = worker.signed(SERIAL_GOOD, 0);
    let other = worker.signed(SERIAL_REVOKED, 10_000);
    assert_eq!(fixture.signatures(), 2);
    // The first answer's own time is over 5 minutes away from neither clock; that others were made later is known.
    assert_eq!(worker.signed(SERIAL_GOOD, 100).der, first.der);
    told(&fixture, 10_000);
    let expected = Refusal::ProducedLater { at: at(10_000) };
    for seconds in [100, 9_699] {
        assert_eq!(worker.refused(SERIAL_GOOD, seconds), expected);
        assert_eq!(Worker::of(&fixture).refused(SERIAL_GOOD, seconds), expected);
    }
    // Within the tolerance it goes on, with what it has.
    assert_eq!(worker.signed(SERIAL_GOOD, 9_700).der, first.der);
    assert_eq!(worker.signed(SERIAL_REVOKED, 9_700).der, other.der);
    assert_eq!(fixture.signatures(), 2);
}

#[test]
fn the_last_produced_at_is_known_of_every_answer_also_of_those_that_are_not_kept() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let (issuer, worker) = (fixture.issuer(), Worker::of(&fixture));
    assert_eq!(issuer.produced_last(), None);
    worker.signed(SERIAL_GOOD, 5);
    assert_eq!(issuer.produced_last(), Some(at(5)));
    let id = cert_id(HashAlgorithm::Sha256, &fixture.ca, SERIAL_GOOD);
    let with_nonce = RequestSpec::one(id).with_extension(nonce_extension(&[7; 16]));
    worker.ask_for(&with_nonce, 9);
    assert_eq!(issuer.produced_last(), Some(at(9)));
    // A cached answer was made before.
    worker.signed(SERIAL_GOOD, 20);
    assert_eq!(issuer.produced_last(), Some(at(9)));
    // The last, not the greatest: a clock that was ahead for a moment does not hide what comes after.
    worker.ask_for(&with_nonce, 3);
    assert_eq!(issuer.produced_last(), Some(at(3)));
}

#[test]
fn an_issuer_that_takes_the_place_of_another_knows_what_time_has_passed() {
    let fixture = Fixture::new(KeyKind::P256);
    told(&fixture, 10_000);
    let before = fixture.issuer();
    let mut after = Issuer::new(
        before.name().to_owned(),
        before.certificate().clone(),
        before.policy().clone(),
    );
    after.continue_from(before);
    assert_eq!(after.time_passed(), at(10_000));
}

#[test]
fn cached_answers_that_are_to_be_checked_again_stay_if_they_still_hold() {
    let fixture = Fixture::counting(KeyKind::P256, None);
    let worker = Worker::of(&fixture);
    let good = worker.signed(SERIAL_GOOD, 0);
    let on_hold = worker.signed(SERIAL_ON_HOLD, 0);
    fixture.issuer().check_cached_again();
    assert_eq!(worker.signed(SERIAL_GOOD, 0).der, good.der);
    // What may change back is asked for again.
    let again = worker.ask(SERIAL_ON_HOLD, 0).0;
    assert_eq!(fixture.signatures(), 3);
    assert_ne!(body(&again), on_hold.der);
}
