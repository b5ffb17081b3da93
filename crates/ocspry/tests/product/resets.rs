//! `ocspry state reset` while nothing runs: what it keeps, so that forgetting a wrong clock makes nothing good that is revoked.

use ocspry_testkit::{Authority, CertificateSpec, CrlSpec, KeyKind, Run, TestKey, pem};
use ocspry_wire::ocsp::CertStatus;

use crate::site::{CONFIGURATION, GOOD, LATER, NOTICE_WAIT_MAX, Site, says_revoked};

const BY_CONFIGURATION: &[&str] = &["site", "-c", "ocspry.toml"];

fn reset(site: &Site, target: &[&str]) -> Run {
    let line = ["state", "reset", "--yes"];
    site.ocspry().args(line).args(target).run()
}

/// The issuer with one more key.
fn configure(site: &Site, more: &str) {
    site.write("ocspry.toml", format!("{CONFIGURATION}{more}\n"));
}

fn status(site: &Site, serial: &[u8]) -> CertStatus {
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    let status = site.status(&process, serial);
    // What is in use is in the state directory then.
    assert_eq!(process.stop().code, Some(0));
    status
}

#[track_caller]
fn assert_revoked(site: &Site, serial: &[u8]) {
    let status = status(site, serial);
    assert!(matches!(status, CertStatus::Revoked(_)), "{status:?}");
}

#[test]
fn a_reset_keeps_what_the_guard_holds() {
    let site = Site::new();
    configure(&site, "guard = \"refuse\"");
    let many = (1..=20u8).fold(CrlSpec::new(11).revoke(LATER, None), |crl, serial| {
        crl.revoke(&[serial], None)
    });
    site.write_crl(&many);
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    site.ask_until(&process, LATER, NOTICE_WAIT_MAX, says_revoked);
    site.write_crl(&CrlSpec::new(12));
    process.wait_for_log("they stay revoked", NOTICE_WAIT_MAX);
    assert_eq!(process.stop().code, Some(0));

    let done = reset(&site, BY_CONFIGURATION);
    assert_eq!(done.code, Some(0), "{done:?}");
    for part in [
        "keeps held-removals.txt",
        "what the guard holds stays revoked",
    ] {
        assert!(done.stderr.contains(part), "no {part:?} in {done:?}");
    }
    assert_revoked(&site, LATER);
    let forgotten = reset(&site, &[BY_CONFIGURATION, &["--forget-list"]].concat());
    assert!(
        forgotten.stderr.contains("removes held-removals.txt"),
        "{forgotten:?}"
    );
    assert_eq!(status(&site, LATER), CertStatus::Good);
}

#[test]
fn a_reset_keeps_the_list_of_another_signer_that_it_is_told_of() {
    let site = Site::new();
    let mut same_name = CertificateSpec::authority("Site Intermediate");
    same_name.serial = Some(vec![0x09]);
    let other_key = Authority::root_from(&same_name, TestKey::generate(KeyKind::P256));
    site.write("other_key.pem", other_key.certificate_pem());
    let put = |list: &CrlSpec| site.write("crl.pem", pem("X509 CRL", &other_key.crl(list)));
    configure(&site, "crl-issuer = [\"other_key.pem\"]");
    let older = site.first_crl();
    put(&CrlSpec::new(99).revoke(GOOD, None));
    assert_revoked(&site, GOOD);

    let by_ca = ["--ca", "intermediate_ca.pem"];
    let refused = reset(&site, &by_ca);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("--crl-issuer FILE"), "{refused:?}");
    for target in [
        BY_CONFIGURATION,
        &[&by_ca[..], &["--crl-issuer", "other_key.pem"]].concat(),
    ] {
        put(&CrlSpec::new(99).revoke(GOOD, None));
        assert_revoked(&site, GOOD);
        let done = reset(&site, target);
        assert_eq!(done.code, Some(0), "{done:?}");
        // What another key signs is a scope of its own.
        let is_kept =
            |line: &str| line.contains("keeps scopes/") && line.contains("/last-good.crl");
        assert!(done.stderr.lines().any(is_kept), "{done:?}");
        // An older one does not take its place.
        put(&older);
        assert_revoked(&site, GOOD);
    }
}
