//! What the log says, at which level, and what it does not say.

use crate::site::{GOOD, NOTICE_WAIT_MAX, Site};
use ocspry_testkit::{CertificateSpec, CrlSpec, KeyKind, OcspryProcess, TestKey, now, pem};

#[test]
fn a_request_is_a_line_at_debug_and_none_without() {
    let site = Site::new();
    let ask_twice = |process: &OcspryProcess| {
        let mut client = process.connect();
        for _ in 0..2 {
            site.ask(&mut client, &site.request(GOOD)).single();
        }
    };
    let process = site.serve().env("OCSPRY_LOG", "debug").start();
    let mark = process.log_mark();
    ask_twice(&process);
    let line = process.wait_for_log_after(mark, "answered", NOTICE_WAIT_MAX);
    assert!(line.contains("DEBUG"), "{line}");
    let log = process.stop().stderr;
    assert_eq!(log.matches("answered").count(), 2, "{log}");

    let process = site.serve().start();
    process.wait_for_log("serving", NOTICE_WAIT_MAX);
    ask_twice(&process);
    let log = process.stop().stderr;
    let between: Vec<&str> = log
        .lines()
        .skip_while(|line| !line.contains("serving"))
        .skip(1)
        .take_while(|line| !line.contains("SIGTERM received"))
        .collect();
    assert!(between.is_empty(), "{between:?}");
    assert!(!log.contains("DEBUG"), "{log}");
}

#[test]
fn a_list_in_its_last_fifth_is_a_warning_and_an_expired_one_an_error() {
    let site = Site::new();
    let serve = site.serve();
    // 40 s long, 10 s of it left: the last fifth begins in 2 s.
    let crl = CrlSpec::new(11)
        .made_at(now().plus_seconds(-30))
        .until(now().plus_seconds(10));
    site.write_crl(&crl);
    let process = serve.start();
    let line = process.wait_for_log("no newer one is there", NOTICE_WAIT_MAX);
    assert!(
        line.contains("WARN") && line.contains("the CRL ends on"),
        "{line}"
    );
    let line = process.wait_for_log("tryLater until a newer one comes", NOTICE_WAIT_MAX);
    assert!(line.contains("ERROR"), "{line}");
    let log = process.log();
    assert_eq!(process.log_count("no newer one is there"), 1, "{log}");
}

#[test]
fn a_signer_in_its_last_fifth_is_a_warning_and_an_expired_one_an_error() {
    let site = Site::new();
    let key = TestKey::generate(KeyKind::P256);
    site.write("ocsp.key", key.pkcs8_pem());
    let serve = site.serve();
    let mut spec = CertificateSpec::responder("Responder with seconds left");
    spec.not_before = now().plus_seconds(-30);
    spec.not_after = now().plus_seconds(10);
    let certificate = site.ca.issue(&spec, &key.public_key_info());
    site.write("ocsp.pem", pem("CERTIFICATE", &certificate));
    let process = serve.start();
    let line = process.wait_for_log(": renew it", NOTICE_WAIT_MAX);
    assert!(line.contains("WARN"), "{line}");
    let line = process.wait_for_log("tryLater until it is renewed", NOTICE_WAIT_MAX);
    assert!(line.contains("ERROR"), "{line}");
}
