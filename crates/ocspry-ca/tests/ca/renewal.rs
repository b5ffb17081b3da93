//! Certificates that are issued once more.

use crate::pki::*;
use ocspry_ca::{
    AltName, CaConstraints, CaKey, CertificateAuthority, CertificateRequest, Criticality, Expiry,
    HttpUrl, KeyAlgorithm, NameConstraints, NameSubtree, Pointers, Profile, RawExtension,
    RootRequest,
};
use ocspry_core::OwnedCertificate;
use ocspry_testkit::Openssl;
use std::fs;

#[test]
fn a_root_renewed_with_its_key_verifies_what_it_issued_before_and_one_with_a_new_key_does_not() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let old = root_until(KeyAlgorithm::P256, subject("Root"), 30 * DAY, NOW);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let leaf = issue(&old, "x", &key, server(&["x"]));
    openssl.write_certificate("leaf.pem", &leaf);

    let later = NOW.plus_seconds(20 * 86_400);
    let new_key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let at = later.unix_seconds();
    for (key, verifies) in [(old.key(), true), (&new_key, false)] {
        let request = RootRequest::renewing(
            old.certificate(),
            key.public_key(),
            Expiry::After(365 * DAY),
        )
        .unwrap();
        let prepared = CertificateAuthority::prepare_root(key, &request, later).unwrap();
        let renewed = prepared.sign(new_serial()).unwrap();
        assert_eq!(renewed.view().subject, old.certificate().view().subject);
        assert_eq!(renewed.view().not_after, later.plus_seconds(365 * 86_400));
        assert_ne!(
            renewed.view().serial_number,
            old.certificate().view().serial_number
        );
        openssl.write_certificate("renewed.pem", &renewed);
        let run = openssl.try_run(&format!("verify -attime {at} -CAfile renewed.pem leaf.pem"));
        assert_eq!(
            run.code == Some(0),
            verifies,
            "{}{}",
            run.stdout,
            run.stderr
        );
    }
}

#[test]
fn a_foreign_key_identifier_stays_with_its_key() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    openssl.write(
        "ca.cnf",
        "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\n[dn]\nCN=Foreign\n\
         [ext]\nbasicConstraints=critical,CA:TRUE\nsubjectKeyIdentifier=0102030405\n",
    );
    openssl.run("req -x509 -new -config ca.cnf -key ca.key -days 3650 -outform DER -out ca.der");
    let old = OwnedCertificate::from_der(fs::read(openssl.path("ca.der")).unwrap()).unwrap();
    let key = CaKey::load(&openssl.path("ca.key"), None).unwrap();
    let other = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let renewing = |key: &CaKey| {
        RootRequest::renewing(&old, key.public_key(), Expiry::After(DAY))
            .unwrap()
            .key_identifier
    };
    assert_eq!(renewing(&key), Some(vec![1, 2, 3, 4, 5]));
    assert_eq!(renewing(&other), None);
    let request = RootRequest::renewing(&old, key.public_key(), Expiry::After(DAY)).unwrap();
    let prepared = CertificateAuthority::prepare_root(&key, &request, NOW).unwrap();
    let text = openssl.text(&prepared.sign(new_serial()).unwrap());
    let identifiers = text.matches("01:02:03:04:05").count();
    assert_eq!(identifiers, 2, "its own and its issuer's: {text}");
}

#[test]
fn a_renewed_certificate_says_the_same_under_new_pointers_and_dates() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let pointers = |host: &str| Pointers {
        ocsp: vec![HttpUrl::parse(&format!("http://{host}/ocsp")).unwrap()],
        issuer: Vec::new(),
        crl: vec![HttpUrl::parse(&format!("http://{host}/crl")).unwrap()],
    };
    let constraints = CaConstraints {
        path_len: Some(1),
        names: NameConstraints {
            permitted: vec![NameSubtree::parse("DNS:example.com").unwrap()],
            excluded: Vec::new(),
        },
    };
    let later = NOW.plus_seconds(86_400);
    for (profile, names) in [
        (Profile::Server, &["a.example", "192.0.2.1"][..]),
        (Profile::OcspResponder, &[]),
        (Profile::Intermediate(constraints), &[]),
        (Profile::Email, &["a@b", "UPN:a@b"]),
    ] {
        let names = names.iter().map(|name| AltName::parse(name).unwrap());
        let mut first = request("x", &key, (profile.clone(), names.collect()));
        first.pointers = pointers("old.example");
        let policy = b"\x30\x06\x30\x04\x06\x02\x2a\x03";
        first
            .extensions
            .push(RawExtension::new("2.5.29.32", Criticality::NotCritical, policy).unwrap());
        let old = ca.issue(&first, new_serial(), NOW).unwrap();

        let again = CertificateRequest::renewing(
            &old,
            key.public_key().clone(),
            Expiry::AtMost(10 * DAY),
            pointers("new.example"),
        )
        .unwrap();
        let new = ca.issue(&again, new_serial(), later).unwrap();
        assert_eq!(new.view().not_after, later.plus_seconds(10 * 86_400));
        let lines = |certificate| {
            let text = openssl
                .text(certificate)
                .replace("old.example", "new.example");
            extensions(&text)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(lines(&old), lines(&new), "{profile:?}");
        assert!(!contains(new.der(), b"old.example"));
    }
}
