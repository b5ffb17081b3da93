//! What openssl makes of the answers: every kind of key, every CertID hash, delegated and signed by the CA itself.

use crate::site::{GOOD, REVOKED, Site, assert_openssl_says, openssl_time};
use ocspry_testkit::{
    CrlEntrySpec, CrlSpec, KeyKind, Ocspry, OcspryProcess, Peer, RequestSpec, Run, cert_id,
    nonce_extension, now,
};
use ocspry_wire::ocsp::{CertStatus, CrlReason, HashAlgorithm};

fn start_and_ask_both(site: &Site, serve: Ocspry<'_>) -> Option<(OcspryProcess, Run, Run)> {
    Peer::Openssl.find()?;
    let process = serve.start();
    let good = openssl_ocsp(site, &process, "server.pem", &[])?;
    let revoked = openssl_ocsp(site, &process, "revoked.pem", &[])?;
    Some((process, good, revoked))
}

fn openssl_ocsp(
    site: &Site,
    process: &OcspryProcess,
    certificate: &str,
    before_cert: &[&str],
) -> Option<Run> {
    let url = process.url();
    let mut arguments = vec!["ocsp", "-issuer", "intermediate_ca.pem"];
    arguments.extend(before_cert);
    arguments.extend(["-cert", certificate, "-url", &url, "-CAfile", "root_ca.pem"]);
    site.openssl(&arguments)
}

#[test]
fn sig_01_sig_02_rsp_04_alg_09_openssl_verifies_a_delegated_responder_with_every_kind_of_key() {
    for kind in KeyKind::ALL {
        let site = Site::with_keys(KeyKind::P256, kind);
        let Some((_process, good, revoked)) = start_and_ask_both(&site, site.serve()) else {
            return;
        };
        assert_openssl_says(&good, "server.pem: good");
        assert_openssl_says(&revoked, "revoked.pem: revoked");
    }
}

#[test]
fn sig_01_sig_03_openssl_verifies_a_ca_that_signs_its_own_answers_with_every_kind_of_key() {
    for kind in KeyKind::ALL {
        let site = Site::with_keys(kind, KeyKind::P256);
        let Some((_process, good, revoked)) = start_and_ask_both(&site, site.serve_by_ca()) else {
            return;
        };
        assert_openssl_says(&good, "server.pem: good");
        assert_openssl_says(&revoked, "revoked.pem: revoked");
    }
}

#[test]
fn a_delegate_may_have_another_kind_of_key_than_its_ca() {
    let pairs = [
        (KeyKind::Rsa2048, KeyKind::Ed25519),
        (KeyKind::Ed25519, KeyKind::Rsa2048),
    ];
    for (ca, delegate) in pairs {
        let site = Site::with_keys(ca, delegate);
        let Some((_process, good, revoked)) = start_and_ask_both(&site, site.serve()) else {
            return;
        };
        assert_openssl_says(&good, "server.pem: good");
        assert_openssl_says(&revoked, "revoked.pem: revoked");
    }
}

#[test]
fn cid_01_cid_02_cid_15_eco_01_openssl_gets_a_verdict_for_certids_of_every_hash() {
    let site = Site::new();
    let process = site.serve().start();
    for hash in ["-sha1", "-sha256", "-sha384", "-sha512"] {
        let Some(good) = openssl_ocsp(&site, &process, "server.pem", &[hash]) else {
            return;
        };
        assert_openssl_says(&good, "server.pem: good");
        let Some(revoked) = openssl_ocsp(&site, &process, "revoked.pem", &[hash]) else {
            return;
        };
        assert_openssl_says(&revoked, "revoked.pem: revoked");
    }
}

#[test]
fn sta_02_tim_04_tim_06_openssl_shows_the_times_and_the_reason_of_the_crl() {
    let site = Site::new();
    let mut crl = CrlSpec::new(11);
    crl.entries.push(CrlEntrySpec {
        revocation_time: now().plus_seconds(-100_000),
        ..CrlEntrySpec::new(REVOKED, Some(CrlReason::CessationOfOperation))
    });
    site.write_crl(&crl);
    let process = site.serve().start();
    let Some(run) = openssl_ocsp(&site, &process, "revoked.pem", &[]) else {
        return;
    };
    assert_openssl_says(&run, "revoked.pem: revoked");
    let revoked_at = openssl_time(crl.entries[0].revocation_time);
    let this_update = openssl_time(crl.this_update);
    let next_update = openssl_time(crl.next_update.unwrap());
    for line in [
        "\tReason: cessationOfOperation".to_owned(),
        format!("\tRevocation Time: {revoked_at}"),
        format!("\tThis Update: {this_update}"),
        format!("\tNext Update: {next_update}"),
    ] {
        assert!(
            run.stdout.lines().any(|seen| seen == line),
            "no {line:?} in {run:?}"
        );
    }
}

#[test]
fn rsp_06_openssl_asks_for_several_certificates_in_one_request() {
    let site = Site::new();
    let process = site.serve().start();
    let url = process.url();
    let arguments = [
        "ocsp",
        "-issuer",
        "intermediate_ca.pem",
        "-cert",
        "server.pem",
        "-cert",
    ];
    let rest = [
        "revoked.pem",
        "-cert",
        "later.pem",
        "-url",
        &url,
        "-CAfile",
        "root_ca.pem",
    ];
    let Some(run) = site.openssl(&[&arguments[..], &rest[..]].concat()) else {
        return;
    };
    assert_openssl_says(&run, "server.pem: good");
    assert_openssl_says(&run, "revoked.pem: revoked");
    assert_openssl_says(&run, "later.pem: good");
}

#[test]
fn sta_02_sta_03_sta_04_sta_05_sta_06_sta_07_every_reason_and_the_lack_of_one_reach_the_answer() {
    let reasons = [
        None,
        Some(CrlReason::KeyCompromise),
        Some(CrlReason::CaCompromise),
        Some(CrlReason::AffiliationChanged),
        Some(CrlReason::Superseded),
        Some(CrlReason::CessationOfOperation),
        Some(CrlReason::CertificateHold),
        Some(CrlReason::PrivilegeWithdrawn),
        Some(CrlReason::AaCompromise),
    ];
    let site = Site::new();
    let mut crl = CrlSpec::new(11);
    for (index, reason) in reasons.into_iter().enumerate() {
        crl = crl.revoke(&[0x20, index as u8], reason);
    }
    // unspecified(0), written out, is as good as none.
    crl = crl.revoke(&[0x21], None);
    crl.entries.last_mut().unwrap().says_unspecified = true;
    crl.entries[1].invalidity_date = Some(now().plus_seconds(-40 * 86_400));
    site.write_crl(&crl);
    let process = site.serve().start();
    for entry in &crl.entries {
        let CertStatus::Revoked(info) = site.status(&process, &entry.serial) else {
            panic!("{entry:?} is not revoked");
        };
        assert_eq!(info.reason, entry.reason);
        assert_eq!(info.revocation_time, entry.revocation_time);
        assert_eq!(info.invalidity_date, entry.invalidity_date);
    }
}

#[test]
fn cid_01_cid_02_cid_12_non_04_non_05_the_answer_repeats_the_certid_and_the_nonce_octet_for_octet()
{
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    for hash in HashAlgorithm::ALL {
        for serial in [GOOD, REVOKED] {
            let asked = cert_id(hash, &site.ca, serial);
            let nonce: Vec<u8> = (0..32).collect();
            let request = RequestSpec::one(asked.clone()).with_extension(nonce_extension(&nonce));
            let reply = site.ask(&mut client, &request.der()).signed();
            assert_eq!(reply.nonce.as_deref(), Some(&nonce[..]));
            assert_eq!(reply.singles.len(), 1);
            assert_eq!(reply.singles[0].cert_id, asked);
        }
    }
    let plain = site.ask(&mut client, &site.request(GOOD)).signed();
    assert_eq!(plain.nonce, None);
}

#[test]
fn sig_02_sig_03_rsp_10_rsp_14_a_delegate_encloses_its_certificate_and_a_ca_encloses_nothing() {
    let site = Site::new();
    let delegated = site.serve().start();
    let reply = site
        .ask(&mut delegated.connect(), &site.request(GOOD))
        .signed();
    assert_eq!(
        reply.certificates,
        std::slice::from_ref(&site.responder.certificate)
    );
    let by_ca = site
        .serve_by_ca()
        .env("STATE_DIRECTORY", site.file("state-2"))
        .start();
    let reply = site.ask(&mut by_ca.connect(), &site.request(GOOD)).signed();
    assert!(reply.certificates.is_empty());
}

#[test]
fn tim_05_tim_07_an_answer_ends_with_the_crl_the_signer_and_the_bound_whichever_is_first() {
    let site = Site::new();
    let crl = site.first_crl();
    let process = site.serve().args(["--next-update", "2"]).start();
    let single = site
        .ask(&mut process.connect(), &site.request(GOOD))
        .signed();
    assert_eq!(single.singles[0].this_update, crl.this_update);
    assert_eq!(
        single.singles[0].next_update,
        single.produced_at.plus_seconds(2 * 3600)
    );
    drop(process);

    let mut spec = ocspry_testkit::CertificateSpec::responder("Short-lived responder");
    spec.not_after = now().plus_seconds(3600);
    let short = site.ca.issue_with_key(&spec, KeyKind::P256);
    site.write("ocsp.pem", short.certificate_pem());
    site.write("ocsp.key", short.key.pkcs8_pem());
    let process = site.serve().start();
    let single = site
        .ask(&mut process.connect(), &site.request(GOOD))
        .single();
    assert_eq!(single.next_update, spec.not_after);
}
