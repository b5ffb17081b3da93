//! Rules of docs/conformance-rules.md sections 10 to 12 that only the whole program can show: its clock, its addresses, its life
//! beside clients that misbehave.

use crate::clients::request_with_plus_slash_and_padding;
use crate::site::{GOOD, NOTICE_WAIT_MAX, REVOKED, Site, says_revoked};
use ocspry_testkit::{CrlSpec, Mutator, Reply, base64_path, http_date, percent_encoded, sequence};
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus};
use std::io::ErrorKind;

#[test]
fn get_11_get_and_post_have_one_body_in_every_spelling() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let request = request_with_plus_slash_and_padding(&site);
    let posted = client.post(&request).unwrap();
    let raw = base64_path(&request);
    for path in [
        raw.clone(),
        percent_encoded(&raw),
        raw.trim_end_matches('=').to_owned(),
        format!("/{}", raw[1..].replace('+', "-").replace('/', "_")),
        format!("/ocsp/{raw}"),
        format!("{raw}?x=/MEow"),
    ] {
        let got = client.get(&path).unwrap();
        assert_eq!(got.body, posted.body, "{path}");
        assert_eq!(got.header("etag"), posted.header("etag"), "{path}");
    }
}

#[test]
fn cac_05_cac_06_cac_09_cac_10_a_kept_answer_names_its_body_and_its_second_and_the_date_is_right() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let target = base64_path(&site.request(GOOD));
    let before = ocspry_testkit::now();
    let first = client.get(&target).unwrap();
    let after = ocspry_testkit::now();
    let date = first.header("date").unwrap().to_owned();
    let window = (0..=after.seconds_since(before)).map(|second| before.plus_seconds(second));
    assert!(
        window.into_iter().any(|time| http_date(time) == date),
        "{date} is not between {before:?} and {after:?}"
    );
    for _ in 0..3 {
        let again = client.get(&target).unwrap();
        assert_eq!(again.body, first.body);
        for name in ["etag", "last-modified", "expires"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
        assert_eq!(again.header("pragma"), None);
    }
    for (name, header) in [
        ("If-None-Match", "etag"),
        ("If-Modified-Since", "last-modified"),
    ] {
        let condition = format!("{name}: {}\r\n", first.header(header).unwrap());
        let held = client.request("GET", &target, &condition).unwrap();
        assert_eq!(held.status, 304, "{condition}");
        assert_eq!(held.header("etag"), first.header("etag"));
        assert_eq!(held.header("content-length"), None);
    }
}

#[test]
fn cac_14_a_new_list_is_told_by_get_at_once_and_no_old_copy_is_confirmed() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let target = base64_path(&site.request(GOOD));
    let good = client.get(&target).unwrap();
    site.write_crl(&CrlSpec::new(11).revoke(GOOD, Some(CrlReason::KeyCompromise)));
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, says_revoked);
    for (name, header) in [
        ("If-None-Match", "etag"),
        ("If-Modified-Since", "last-modified"),
    ] {
        let condition = format!("{name}: {}\r\n", good.header(header).unwrap());
        let answer = client.request("GET", &target, &condition).unwrap();
        assert_eq!(answer.status, 200, "{condition}");
        assert!(says_revoked(&Reply::check(&answer.body, &site.ca)));
    }
}

#[test]
fn htp_22_what_a_client_says_of_its_address_changes_nothing() {
    let site = Site::new();
    let process = site.serve().start();
    let target = base64_path(&site.request(REVOKED));
    let mut client = process.connect();
    let headers =
        "X-Forwarded-For: 192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\nForwarded: for=192.0.2.1\r\n";
    for headers in ["", headers] {
        let response = client.request("GET", &target, headers).unwrap();
        let single = Reply::check(&response.body, &site.ca).single();
        assert!(matches!(single.status, CertStatus::Revoked(_)));
    }
}

#[test]
fn err_07_250_mutations_of_a_get_get_an_answer_or_an_http_error_each_and_do_no_harm() {
    const SEED: u64 = 0x9e37_79b9;
    const ROUNDS: usize = 250;
    // Where the end of the head is damaged the request never ends: silence is right then.
    const SILENT_MAX: usize = 5;
    let site = Site::new();
    let process = site.serve().start();
    let mut bystander = process.connect();
    let request = site.request(GOOD);
    let whole = get(&base64_path(&request));
    let mut mutator = Mutator::seeded(SEED);
    let mut silent = 0;
    for round in 0..ROUNDS {
        let octets = mutator.mutate(&whole);
        let what = format!(
            "seed {SEED:#x}, round {round}: {}",
            String::from_utf8_lossy(&octets)
        );
        let mut client = process.connect();
        client.send(&octets).unwrap();
        client.finish_sending().unwrap();
        match client.receive(true) {
            Ok(response) if response.status == 200 => {
                if response.header("content-type") == Some("application/ocsp-response") {
                    Reply::check(&response.body, &site.ca);
                }
            }
            Ok(response) => assert!(
                (400..500).contains(&response.status),
                "{what}: {response:?}"
            ),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{what}");
                silent += 1;
            }
        }
    }
    assert!(silent <= SILENT_MAX, "{silent} of {ROUNDS} got nothing");
    let mut answer = || site.ask(&mut bystander, &request).single().status;
    assert_eq!(answer(), CertStatus::Good);
    assert_eq!(answer(), CertStatus::Good);
}

#[test]
fn err_08_htp_16_htp_18_what_is_deep_big_or_endless_costs_no_other_client_its_connection() {
    let site = Site::new();
    let process = site.serve().start();
    let mut bystander = process.connect();
    let indefinite = [0x30, 0x80].repeat(3_000);
    let definite = (0..3_000).fold(Vec::new(), |inner: Vec<u8>, _| sequence(&[&inner]));
    let deep_in_path = base64_path(&[0x30, 0x82, 0x0f, 0xa0].repeat(1_001)[..4_004]);
    let long_path = format!("/{}", "MEow/".repeat(1_600));
    let long_header = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(300_000));
    let malformed = Some(ErrorStatus::MalformedRequest);
    for (what, octets, expected) in [
        ("deep", post(indefinite.len(), &indefinite), malformed),
        (
            "deep with lengths",
            post(definite.len(), &definite),
            malformed,
        ),
        ("deep in a path", get(&deep_in_path), malformed),
        ("lying", post(999_999_999_999, b"0"), None),
        ("big", post(5_000_000, &vec![0x30; 5_000_000]), None),
        ("false starts", get(&long_path), None),
        ("a long header", long_header.into_bytes(), None),
    ] {
        let mut client = process.connect();
        let is_big = octets.len() > 100_000;
        // What is big may be refused before all of it is sent, and the refusal be lost in a reset; nothing else may.
        let sent = client.send(&octets).and_then(|()| client.finish_sending());
        match sent.and_then(|()| client.receive(true)) {
            Ok(response) if response.status == 200 => {
                let body = expected.map(|status| status.der().to_vec());
                assert_eq!(Some(response.body), body, "{what}");
            }
            Ok(response) => {
                assert_eq!(expected, None, "{what}: {response:?}");
                assert!(
                    (400..500).contains(&response.status),
                    "{what}: {response:?}"
                );
            }
            Err(error) => assert!(is_big, "{what}: {error}"),
        }
        let single = site.ask(&mut bystander, &site.request(REVOKED)).single();
        assert!(matches!(single.status, CertStatus::Revoked(_)), "{what}");
    }
}

fn post(length: usize, body: &[u8]) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
}
