//! Rules of docs/conformance-rules.md, sections 1 to 9, as a client meets them over HTTP: what needs the whole program.
//!
//! Most of those sections are asked of the responder without its sockets, in `crates/ocspry-core/tests/rules`.

use crate::site::{GOOD, REVOKED, Site, assert_openssl_says};
use ocspry_testkit::{
    CrlSpec, KeyKind, Mutator, OcspryProcess, Reply, RequestSpec, base64_path, nonce_extension, now,
};
use ocspry_wire::ocsp::{CertStatus, CrlReason};

/// The responder still answers well after whatever was done to it.
fn assert_alive(site: &Site, process: &OcspryProcess) {
    assert_eq!(site.status(process, GOOD), CertStatus::Good);
    assert!(matches!(
        site.status(process, REVOKED),
        CertStatus::Revoked(_)
    ));
}

#[test]
fn err_07_250_mutations_of_a_posted_request_get_an_answer_or_an_error_each_and_do_no_harm() {
    const SEED: u64 = 0x6960;
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let request = RequestSpec::one(site.cert_id(GOOD))
        .with_extension(nonce_extension(&[7; 32]))
        .der();
    let mut mutator = Mutator::seeded(SEED);
    for round in 0..250 {
        let mutated = mutator.mutate(&request);
        let response = client.post(&mutated).expect("an HTTP response");
        assert_eq!(response.status, 200, "seed {SEED:#x}, round {round}");
        if let Err(reason) = Reply::try_check(&response.body, &site.ca) {
            panic!("seed {SEED:#x}, round {round}: {reason}: {mutated:02x?}");
        }
    }
    assert_alive(&site, &process);
}

#[test]
fn req_02_a_request_that_openssl_signed_is_answered_and_one_with_a_broken_signature_too() {
    let site = Site::new();
    let process = site.serve().start();
    let url = process.url();
    let line = [
        "ocsp",
        "-issuer",
        "intermediate_ca.pem",
        "-cert",
        "revoked.pem",
        "-signer",
        "intermediate_ca.pem",
        "-signkey",
        "ca.key",
        "-reqout",
        "signed.der",
        "-url",
        &url,
        "-CAfile",
        "root_ca.pem",
    ];
    let Some(run) = site.openssl(&line) else {
        return;
    };
    assert_openssl_says(&run, "revoked.pem: revoked");
    let mut broken = std::fs::read(site.file("signed.der")).unwrap();
    assert!(broken.len() > 500, "with a signature and a certificate");
    *broken.last_mut().unwrap() ^= 1;
    let status = site.ask(&mut process.connect(), &broken).single().status;
    assert!(matches!(status, CertStatus::Revoked(_)), "{status:?}");
}

#[test]
fn non_04_non_10_a_nonce_over_get_comes_back() {
    let site = Site::new();
    let process = site.serve().start();
    for nonce in [&[0, 0x80, 0xff, 0x3f][..], &[0xfb; 32]] {
        let request = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(nonce));
        let response = process.connect().get(&base64_path(&request.der())).unwrap();
        let reply = Reply::check(&response.body, &site.ca).signed();
        assert_eq!(reply.nonce.as_deref(), Some(nonce));
    }
}

#[test]
fn tim_02_tim_03_tim_08_an_answer_with_a_nonce_is_made_now() {
    let site = Site::new();
    let crl = CrlSpec::new(11)
        .revoke(REVOKED, Some(CrlReason::KeyCompromise))
        .made_at(now().plus_seconds(-4_321));
    site.write_crl(&crl);
    let process = site.serve().start();
    let request = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(&[7; 16]));
    let before = now();
    let reply = site.ask(&mut process.connect(), &request.der()).signed();
    assert!((before..=now()).contains(&reply.produced_at));
    assert_eq!(reply.singles[0].this_update, crl.this_update);
}

#[test]
fn sig_11_an_odd_delegate_is_told_at_the_start_and_answers() {
    let site = Site::new();
    let mut spec = ocspry_testkit::CertificateSpec::responder("Odd responder");
    spec.dns_name = Some("ocsp.example".to_owned());
    spec.authority_key_id = false;
    let odd = site.ca.issue_with_key(&spec, KeyKind::P256);
    site.write("ocsp.pem", odd.certificate_pem());
    site.write("ocsp.key", odd.key.pkcs8_pem());
    let process = site.serve().start();
    for expected in ["has a subjectAltName", "has no authorityKeyIdentifier"] {
        let line = process.wait_for_log(expected, crate::site::NOTICE_WAIT_MAX);
        assert!(
            line.contains("WARN") && line.contains("Odd responder"),
            "{line}"
        );
    }
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}
