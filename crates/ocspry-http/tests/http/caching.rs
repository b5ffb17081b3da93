//! What caches are told, against the clock: nothing is promised past its end, and a revocation is told at once.

use crate::fixture::{Fixture, GOOD, PATIENT, REVOKED};
use ocspry_core::{Clock, SigningSpeed, ValidityWindow};
use ocspry_testkit::{HttpResponse, Reply, base64_path, http_date};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus};
use proptest::prelude::*;
use std::time::Duration;

/// Seconds of `max-age=N, public, no-transform, must-revalidate`, which must be all there is.
fn max_age(response: &HttpResponse) -> i64 {
    let cache_control = response.header("cache-control").unwrap();
    let digits = cache_control
        .strip_prefix("max-age=")
        .and_then(|rest| rest.strip_suffix(", public, no-transform, must-revalidate"))
        .unwrap_or_else(|| panic!("{cache_control}"));
    digits.parse().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        ..ProptestConfig::default()
    })]

    #[test]
    fn cac_01_cac_03_nothing_is_promised_past_its_end_whatever_the_window_and_the_clock(
        age in 0_i64..100_000,
        left in prop_oneof![-100_i64..5_000, 0_i64..200_000],
        validity in prop::option::of(prop_oneof![1_u64..5_000, 1_u64..200_000]),
        steps in prop::collection::vec(0_i64..20_000, 1..6),
    ) {
        let fixture = Fixture::start_with_validity(
            PATIENT,
            SigningSpeed::Inline,
            1,
            validity.map(Duration::from_secs),
        );
        let window = ValidityWindow {
            this_update: fixture.clock.now().plus_seconds(-age),
            next_update: fixture.clock.now().plus_seconds(left),
        };
        fixture.set_list(&[REVOKED], window);
        let mut client = fixture.connect();
        let request = fixture.request(GOOD, &[]);
        for step in steps {
            fixture.clock.go_on(step);
            let now = fixture.clock.now();
            let response = client.get(&base64_path(&request)).unwrap();
            if response.body == ErrorStatus::TryLater.der() {
                prop_assert_eq!(response.header("cache-control"), Some("no-store"));
                // Too near to the end of the list for anything to be said.
                prop_assert!(now.plus_seconds(60) >= window.next_update);
                continue;
            }
            let single = Reply::check(&response.body, &fixture.authority).single();
            let margin = ValidityWindow {
                this_update: single.this_update,
                next_update: single.next_update,
            }
            .margin_seconds()
            .min(validity.map_or(i64::MAX, |validity| i64::try_from(validity / 100).unwrap()));
            let fresh_until = now.plus_seconds(max_age(&response));
            prop_assert!(max_age(&response) > 0);
            prop_assert!(fresh_until <= single.next_update.plus_seconds(-margin));
            prop_assert!(single.next_update <= window.next_update);
            let (expires, date) = (http_date(single.next_update), http_date(now));
            prop_assert_eq!(response.header("expires"), Some(expires.as_str()));
            prop_assert_eq!(response.header("date"), Some(date.as_str()));
        }
    }
}

#[test]
fn cac_12_the_served_answer_is_replaced_before_its_max_age_ends() {
    let fixture = Fixture::start_with_validity(
        PATIENT,
        SigningSpeed::Inline,
        1,
        Some(Duration::from_secs(3_000)),
    );
    let mut client = fixture.connect();
    let target = base64_path(&fixture.request(GOOD, &[]));
    let first = client.get(&target).unwrap();
    let first_ends = fixture.clock.now().plus_seconds(max_age(&first));
    let mut served = first.clone();
    while served.body == first.body {
        assert!(fixture.clock.now() < first_ends, "not replaced");
        fixture.clock.go_on(60);
        served = client.get(&target).unwrap();
    }
    assert!(fixture.clock.now() < first_ends, "replaced too late");
    let next_update = |response: &HttpResponse| {
        Reply::check(&response.body, &fixture.authority)
            .single()
            .next_update
    };
    assert!(next_update(&served) > next_update(&first));
}

#[test]
fn cac_14_a_revocation_is_in_the_next_answer_and_no_copy_of_the_old_one_is_confirmed() {
    let fixture = Fixture::start(PATIENT);
    let mut client = fixture.connect();
    let target = base64_path(&fixture.request(GOOD, &[]));
    let good = client.get(&target).unwrap();
    let tag = format!("If-None-Match: {}\r\n", good.header("etag").unwrap());
    let date = format!(
        "If-Modified-Since: {}\r\n",
        good.header("last-modified").unwrap()
    );
    for condition in [&tag, &date] {
        let held = client.request("GET", &target, condition).unwrap();
        assert_eq!(held.status, 304, "{condition}");
    }

    // In the very second in which the first answer was made: both have the same Last-Modified.
    let now = fixture.clock.now();
    let window = ValidityWindow {
        this_update: now,
        next_update: now.plus_seconds(86_400),
    };
    fixture.set_list(&[REVOKED, GOOD], window);
    for seconds in [0, 0, 1, 300] {
        fixture.clock.go_on(seconds);
        for condition in ["", tag.as_str(), date.as_str()] {
            let answer = client.request("GET", &target, condition).unwrap();
            assert_eq!(
                answer.header("last-modified"),
                good.header("last-modified"),
                "the trap is not set"
            );
            assert_eq!(answer.status, 200, "{condition}");
            assert_ne!(answer.header("etag"), good.header("etag"));
            let single = Reply::check(&answer.body, &fixture.authority).single();
            assert!(matches!(single.status, CertStatus::Revoked(_)));
        }
    }
}

#[test]
fn cac_04_cac_09_last_modified_is_produced_at_and_date_is_now() {
    let fixture = Fixture::start(PATIENT);
    let mut client = fixture.connect();
    let target = base64_path(&fixture.request(GOOD, &[]));
    let made = fixture.clock.now();
    client.get(&target).unwrap();
    fixture.clock.go_on(77);
    let response = client.get(&target).unwrap();
    let (last_modified, date) = (http_date(made), http_date(made.plus_seconds(77)));
    assert_eq!(
        response.header("last-modified"),
        Some(last_modified.as_str())
    );
    assert_eq!(response.header("date"), Some(date.as_str()));
    let produced_at = Reply::check(&response.body, &fixture.authority)
        .signed()
        .produced_at;
    assert_eq!(produced_at, made);
}

/// Where the reference says how long the head of an answer is.
const REFERENCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/http.md");

#[test]
fn the_head_of_an_answer_is_as_long_as_the_reference_says() {
    let fixture = Fixture::start(PATIENT);
    let mut client = fixture.connect();
    // An Ed25519 answer without a certificate has three digits of length, as every one up to 999 octets.
    let response = client
        .get(&base64_path(&fixture.request(GOOD, &[])))
        .unwrap();
    assert!((100..1_000).contains(&response.body.len()));
    let lines = response.headers.iter();
    let octets = "HTTP/1.1 200 OK\r\n\r\n".len()
        + lines
            .map(|(name, value)| name.len() + value.len() + ": \r\n".len())
            .sum::<usize>();
    let reference = std::fs::read_to_string(REFERENCE).unwrap();
    let line = format!("The head of such an answer has {octets} octets");
    assert!(reference.contains(&line), "not in the reference: {line}");
}
