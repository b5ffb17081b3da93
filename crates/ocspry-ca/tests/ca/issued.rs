//! Certificates, as OpenSSL verifies and prints them, for each kind of key.

use crate::pki::*;
use ocspry_ca::{
    AltName, BACKDATED_SECONDS, CaError, CaKey, CertificateAuthority, CertificateRequest, Expiry,
    HttpUrl, KeyAlgorithm, Pointers, Profile, PublicKey, RevokedCertificate, Subject,
};
use ocspry_core::{OwnedCertificate, Signer as _};
use ocspry_testkit::Openssl;
use ocspry_wire::Time;
use ocspry_wire::der::oid;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::{Certificate, CertificateList, ProfileFacts};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

/// A whole PKI whose CA keys are of one kind: openssl builds and checks the chain, and the CRL.
fn openssl_accepts_a_pki_of(algorithm: KeyAlgorithm) {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let root = root(algorithm);
    let key = CaKey::generate(algorithm).unwrap();
    let certificate = issue(&root, "Test Intermediate", &key, intermediate(Some(0)));
    let intermediate = CertificateAuthority::new(certificate, key).unwrap();
    let server_key = CaKey::generate(algorithm).unwrap();
    let good = issue(
        &intermediate,
        "good.example.com",
        &server_key,
        server(&["good.example.com"]),
    );
    let bad = issue(
        &intermediate,
        "bad.example.com",
        &server_key,
        server(&["bad.example.com"]),
    );
    let responder = issue(&intermediate, "Responder", &server_key, RESPONDER);

    let entry = RevokedCertificate {
        serial_number: bad.view().serial_number,
        revoked: RevokedInfo {
            revocation_time: NOW.plus_seconds(-60),
            reason: Some(CrlReason::KeyCompromise),
            invalidity_date: Some(NOW.plus_seconds(-7200)),
        },
    };
    let list = list(7, NOW.plus_seconds(7 * 86_400));
    let crl = intermediate.crl(&list, [entry], NOW).unwrap();
    let empty = root.crl(&list, [], NOW).unwrap();

    openssl.write_certificate("root.pem", root.certificate());
    openssl.write_certificate("intermediate.pem", intermediate.certificate());
    openssl.write_certificate("good.pem", &good);
    openssl.write_certificate("bad.pem", &bad);
    openssl.write_certificate("responder.pem", &responder);
    openssl.write_crl("intermediate.crl", &crl);
    openssl.write_crl("root.crl", &empty);

    let at = NOW.unix_seconds();
    let verify = format!(
        "verify -x509_strict -check_ss_sig -attime {at} -CAfile root.pem -untrusted intermediate.pem"
    );
    for (name, purpose) in [
        ("good", "sslserver"),
        ("bad", "sslserver"),
        ("responder", "ocsphelper"),
    ] {
        let said = openssl.run(&format!("{verify} -purpose {purpose} {name}.pem"));
        assert_eq!(said.trim(), format!("{name}.pem: OK"));
    }
    let with_crls = format!("{verify} -crl_check_all -CRLfile intermediate.crl -CRLfile root.crl");
    assert_eq!(
        openssl.run(&format!("{with_crls} good.pem")).trim(),
        "good.pem: OK"
    );
    let run = openssl.try_run(&format!("{with_crls} bad.pem"));
    assert!(
        run.stderr.contains("certificate revoked"),
        "{}{}",
        run.stdout,
        run.stderr
    );

    for (name, ca) in [
        ("intermediate.crl", "intermediate.pem"),
        ("root.crl", "root.pem"),
    ] {
        let said = openssl.run(&format!("crl -verify -in {name} -CAfile {ca} -noout"));
        assert!(said.contains("verify OK"), "{said}");
    }

    // And our own decoder reads it: subject, key, chain by octets.
    let view = good.view();
    assert_eq!(view.issuer, intermediate.certificate().view().subject);
    assert_eq!(view.public_key.der, server_key.public_key_info());
    assert_eq!(
        view.signature_algorithm,
        Some(intermediate.key().signer().algorithm())
    );
    let mut entries = Vec::new();
    let read = CertificateList::from_der(&crl, |entry| {
        entries.push((entry.serial_content.to_vec(), entry.revoked));
    })
    .unwrap();
    let header = read.header;
    assert_eq!(header.issuer, intermediate.certificate().view().subject);
    assert_eq!(read.extensions.crl_number.as_deref(), Some(&[7][..]));
    assert_eq!(
        entries,
        [(entry.serial_number.content().to_vec(), entry.revoked)]
    );
    assert_eq!(read.defects, Default::default());
}

/// Stamps tests on one kind of key.
macro_rules! kind_of_key {
    ($name:ident, $algorithm:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn openssl_accepts_the_pki() {
                openssl_accepts_a_pki_of($algorithm);
            }

            #[test]
            fn a_key_written_is_read_again_by_us_and_by_openssl() {
                let directory = tempfile::tempdir().unwrap();
                let path = directory.path().join("ca.key");
                let key = CaKey::generate($algorithm).unwrap();
                key.write_pem(&path, None).unwrap();
                assert_eq!(
                    fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
                    0o600
                );
                let read = CaKey::load(&path, None).unwrap();
                assert_eq!(read.public_key_info(), key.public_key_info());
                assert_eq!(read.signer().warnings(), []);
                assert_eq!(read.signer().kind().to_string(), $algorithm.to_string());

                let Some(openssl) = Openssl::find() else {
                    return;
                };
                key.write_pem(&openssl.path("ca.key"), None).unwrap();
                openssl.run("pkey -in ca.key -check -noout");
                openssl.run("pkey -in ca.key -pubout -outform DER -out public.der");
                assert_eq!(
                    fs::read(openssl.path("public.der")).unwrap(),
                    key.public_key_info()
                );
            }
        }
    };
}

kind_of_key!(p256, KeyAlgorithm::P256);
kind_of_key!(p384, KeyAlgorithm::P384);
kind_of_key!(p521, KeyAlgorithm::P521);
kind_of_key!(ed25519, KeyAlgorithm::Ed25519);
kind_of_key!(rsa_2048, KeyAlgorithm::Rsa2048);
kind_of_key!(rsa_3072, KeyAlgorithm::Rsa3072);
kind_of_key!(rsa_4096, KeyAlgorithm::Rsa4096);

#[test]
fn a_root_and_an_intermediate_say_what_a_ca_may_do() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let root = root(KeyAlgorithm::P256);
    let text = openssl.text(root.certificate());
    assert!(
        text.contains("Subject: O = Example, CN = Test Root"),
        "{text}"
    );
    assert_eq!(
        masked(&extensions(&text)),
        [
            "X509v3 Basic Constraints: critical",
            "CA:TRUE",
            "X509v3 Key Usage: critical",
            "Digital Signature, Certificate Sign, CRL Sign",
            "X509v3 Subject Key Identifier:",
            "(key)",
            "X509v3 Authority Key Identifier:",
            "(key)",
        ]
    );
    let text = openssl.text(intermediate_of(&root, Some(0)).certificate());
    assert_eq!(extensions(&text)[1], "CA:TRUE, pathlen:0", "{text}");
}

#[test]
fn sig_11_a_responder_signs_ocsp_answers_and_nothing_else() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let responder = issue(&ca, "Responder", &key, RESPONDER);
    let text = openssl.text(&responder);
    assert_eq!(
        masked(&extensions(&text)),
        [
            "X509v3 Key Usage: critical",
            "Digital Signature",
            "X509v3 Extended Key Usage:",
            "OCSP Signing",
            "OCSP No Check:",
            "",
            "X509v3 Subject Key Identifier:",
            "(key)",
            "X509v3 Authority Key Identifier:",
            "(key)",
        ]
    );
    let view = responder.view();
    assert!(view.has_ocsp_nocheck && !view.is_ca && view.has_ext_key_usage(oid::KP_OCSP_SIGNING));
    assert_eq!(view.not_after.seconds_since(NOW), 30 * 86_400);
    // Nothing that `serve` would warn of.
    let expected = ProfileFacts {
        ocsp_nocheck_is_null: true,
        key_usage_is_critical: true,
        key_usage_is_digital_signature_only: true,
        has_one_ext_key_usage: true,
        has_subject_alt_name: false,
        has_crl_distribution_points: false,
        has_ocsp_url: false,
        has_authority_key_id: true,
    };
    assert_eq!(view.profile, expected);
    // id-pkix-ocsp-nocheck, value NULL, not critical.
    let no_check = [&[0x06, 9][..], oid::OCSP_NOCHECK, &[0x04, 2, 0x05, 0x00]].concat();
    assert!(
        responder
            .der()
            .windows(no_check.len())
            .any(|window| window == no_check)
    );
}

#[test]
fn a_server_has_its_names_and_where_to_ask() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let names = server(&[
        "www.example.com",
        "*.example.com",
        "192.0.2.1",
        "2001:db8::1",
    ]);
    let url = |url: &str| HttpUrl::parse(url).unwrap();
    let request = CertificateRequest {
        pointers: Pointers {
            ocsp: vec![url("http://127.0.0.1:8888/ocsp")],
            issuer: vec![url("http://127.0.0.1:8888/ca/root.cer")],
            crl: vec![url("http://127.0.0.1:8888/crl/root.crl")],
        },
        ..request("www.example.com", &key, names)
    };
    let certificate = ca.issue(&request, new_serial(), NOW).unwrap();
    let text = openssl.text(&certificate);
    assert_eq!(
        masked(&extensions(&text)),
        [
            "X509v3 Key Usage: critical",
            "Digital Signature",
            "X509v3 Extended Key Usage:",
            "TLS Web Server Authentication",
            "X509v3 Subject Alternative Name:",
            "DNS:www.example.com, DNS:*.example.com, IP Address:192.0.2.1, IP Address:2001:DB8:0:0:0:0:0:1",
            "Authority Information Access:",
            "OCSP - URI:http://127.0.0.1:8888/ocsp",
            "CA Issuers - URI:http://127.0.0.1:8888/ca/root.cer",
            "X509v3 CRL Distribution Points:",
            "Full Name:",
            "URI:http://127.0.0.1:8888/crl/root.crl",
            "X509v3 Subject Key Identifier:",
            "(key)",
            "X509v3 Authority Key Identifier:",
            "(key)",
        ]
    );
    openssl.write_certificate("server.pem", &certificate);
    assert_eq!(
        openssl.run("x509 -in server.pem -noout -ocsp_uri").trim(),
        "http://127.0.0.1:8888/ocsp"
    );
}

#[test]
fn a_certificate_without_the_names_that_its_readers_look_for_is_refused() {
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    for (profile, names, missing) in [
        (Profile::Server, vec![], "a DNS name or an IP address"),
        (Profile::Server, vec!["a@b"], "a DNS name or an IP address"),
        (Profile::Email, vec!["b"], "an email address"),
    ] {
        let alt_names = names.iter().map(|name| AltName::parse(name).unwrap());
        let error = try_issue(&ca, "x", &key, (profile, alt_names.collect())).unwrap_err();
        assert!(
            error.to_string().ends_with(&format!("needs {missing}")),
            "{error}"
        );
    }
    for (profile, missing) in [
        (Profile::Code, "a subject"),
        (Profile::OcspResponder, "a subject"),
        (Profile::Client, "a subject or an alternative name"),
        (
            Profile::named("custom").unwrap(),
            "a subject or an alternative name",
        ),
    ] {
        let request =
            CertificateRequest::usual(Subject::empty(), key.public_key().clone(), profile);
        let error = ca.issue(&request, new_serial(), NOW).unwrap_err();
        assert!(
            error.to_string().ends_with(&format!("needs {missing}")),
            "{error}"
        );
    }
}

#[test]
fn urls_that_no_client_would_ask_are_refused() {
    for url in [
        "",
        "http://",
        "http:///x",
        "https://a/",
        "ldap://a",
        "http://a b/",
        "http://ä/",
        "/ocsp",
    ] {
        let error = HttpUrl::parse(url).unwrap_err();
        assert!(
            matches!(error, CaError::PointerUrl { .. }),
            "{url}: {error}"
        );
    }
}

#[test]
fn a_subject_is_written_as_it_was_given() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let longest = "ü".repeat(64);
    for common_name in ["Ä, \"quoted\" + <b>=1;\\", &longest] {
        let subject = Subject::new(common_name, None).unwrap();
        let root = root_until(KeyAlgorithm::P256, subject, DAY, NOW);
        openssl.write_certificate("root.pem", root.certificate());
        let said =
            openssl.run("x509 -in root.pem -noout -subject -nameopt utf8,sep_comma_plus,sname");
        assert_eq!(said.trim_end(), format!("subject=CN={common_name}"));
    }
}

#[test]
fn a_subject_out_of_bounds_is_refused() {
    for (common_name, organization) in [("", None), ("x", Some("")), (&*"x".repeat(65), None)] {
        let error = Subject::new(common_name, organization).unwrap_err();
        assert!(matches!(error, CaError::Subject { .. }), "{error}");
    }
}

#[test]
fn a_certificate_starts_ten_minutes_ago_and_never_outlives_its_issuer() {
    let ca = root_until(KeyAlgorithm::P256, subject("Short"), 10 * DAY, NOW);
    let ends = ca.certificate().view().not_after;
    assert_eq!(
        ca.certificate().view().not_before,
        NOW.plus_seconds(-BACKDATED_SECONDS)
    );
    assert_eq!(ends, NOW.plus_seconds(10 * 86_400));

    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let later = NOW.plus_seconds(86_400);
    let validity = |expiry, now| {
        let request = CertificateRequest {
            expiry,
            ..request("x", &key, server(&["x"]))
        };
        let prepared = ca.prepare(&request, now)?;
        let certificate = prepared.sign(new_serial())?;
        let validity = (certificate.view().not_before, certificate.view().not_after);
        assert_eq!(validity, (prepared.not_before(), prepared.not_after()));
        Ok(validity)
    };
    let within = later.plus_seconds(2 * 86_400);
    let begins = later.plus_seconds(-BACKDATED_SECONDS);
    for (expiry, not_after) in [
        (Expiry::After(2 * DAY), within),
        (Expiry::AtMost(2 * DAY), within),
        (Expiry::At(within), within),
        (Expiry::At(ends), ends),
        (Expiry::AtMost(365 * DAY), ends),
        (Expiry::AtMost(Duration::MAX), ends),
    ] {
        assert_eq!(
            validity(expiry, later).unwrap(),
            (begins, not_after),
            "{expiry:?}"
        );
    }
    let earliest = ca.certificate().view().not_before;
    assert_eq!(validity(Expiry::After(DAY), earliest).unwrap().0, earliest);

    for expiry in [
        Expiry::After(10 * DAY),
        Expiry::At(ends.plus_seconds(86_400)),
    ] {
        let error: CaError = validity(expiry, later).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the certificate would end at 2026-12-02T06:00:00Z, but its issuer CN=Short,O=Example ends at \
             2026-12-01T06:00:00Z; ask for less, or renew the issuer"
        );
    }
    for expiry in [Expiry::After(Duration::ZERO), Expiry::At(later)] {
        let error = validity(expiry, later).unwrap_err();
        assert!(matches!(error, CaError::ExpiryPast { .. }), "{error}");
    }

    for now in [earliest.plus_seconds(-1), ends, ends.plus_seconds(1)] {
        let error = validity(Expiry::After(DAY), now).unwrap_err();
        assert!(matches!(error, CaError::IssuerNotValid { .. }), "{error}");
        let error = ca.crl(&list(1, Time::MAX), [], now).unwrap_err();
        assert!(matches!(error, CaError::IssuerNotValid { .. }), "{error}");
    }
}

#[test]
fn times_from_2050_on_are_generalized() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    // 2049-12-30T00:00:00Z; the CA and its CRL cross the line.
    let now = Time::from_unix(2_524_435_200);
    let ca = root_until(KeyAlgorithm::P256, subject("Late"), 36_500 * DAY, now);
    let text = openssl.text(ca.certificate());
    assert!(
        text.contains("Not Before: Dec 29 23:50:00 2049 GMT"),
        "{text}"
    );
    assert!(
        text.contains("Not After : Dec  6 00:00:00 2149 GMT"),
        "{text}"
    );
    let der = ca.certificate().der();
    assert!(contains(
        der,
        b"\x17\x0d491229235000Z\x18\x0f21491206000000Z"
    ));

    let before_1950 = Time::from_unix(-700_000_000);
    let revoked_at = |content: &[u8], revocation_time| RevokedCertificate {
        serial_number: serial(content),
        revoked: RevokedInfo {
            revocation_time,
            reason: None,
            invalidity_date: None,
        },
    };
    let revoked = [
        revoked_at(&[1], now.plus_seconds(-600)),
        revoked_at(&[2], Time::MAX),
        revoked_at(&[3], before_1950),
    ];
    let list = list(u64::MAX, now.plus_seconds(7 * 86_400));
    let crl = ca.crl(&list, revoked, now).unwrap();
    assert!(contains(
        &crl,
        b"\x17\x0d491229235000Z\x18\x0f20500106000000Z"
    ));
    assert!(contains(&crl, b"\x02\x01\x01\x17\x0d491229235000Z"));
    assert!(contains(&crl, b"\x02\x01\x02\x18\x0f99991231235959Z"));
    assert!(
        contains(&crl, b"\x02\x01\x03\x18\x0f19471027033320Z"),
        "{before_1950}"
    );
    openssl.write_crl("late.crl", &crl);
    openssl.write_certificate("late.pem", ca.certificate());
    let said = openssl.run("crl -verify -in late.crl -CAfile late.pem -noout -crlnumber");
    assert!(
        said.contains("verify OK") && said.contains("crlNumber=0xFFFFFFFFFFFFFFFF"),
        "{said}"
    );
}

#[test]
fn serial_numbers_are_unique_positive_and_of_sixteen_octets() {
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let mut seen = HashSet::new();
    for _ in 0..200 {
        let certificate = issue(&ca, "x", &key, server(&["x"]));
        let der = certificate.der().to_vec();
        let content = Certificate::from_der(&der)
            .unwrap()
            .serial_number
            .content()
            .to_vec();
        assert_eq!(content.len(), 16);
        assert!((0x40..0x80).contains(&content[0]), "{content:02x?}");
        assert!(seen.insert(content));
    }
    // Each bit below the two fixed ones comes as 0 and as 1.
    let or = seen.iter().fold(0, |all, content| {
        all | u128::from_be_bytes(content[..].try_into().unwrap())
    });
    let and = seen.iter().fold(!0, |all, content| {
        all & u128::from_be_bytes(content[..].try_into().unwrap())
    });
    assert_eq!((or >> 126, or << 2 >> 2, and), (1, !0 >> 2, 1 << 126));
}

#[test]
fn a_path_length_shrinks_on_the_way_down() {
    let root = root(KeyAlgorithm::P256);
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let first = intermediate_of(&root, Some(1));
    let second = intermediate_of(&first, None);
    let text = openssl.text(second.certificate());
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let error = try_issue(&second, "x", &key, intermediate(None)).unwrap_err();
    assert!(
        matches!(error, CaError::PathLength { path_len: 0, .. }),
        "{error}"
    );
    issue(&second, "x", &key, server(&["x"]));
}

#[test]
fn a_certificate_that_is_no_ca_or_has_another_key_cannot_issue() {
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let leaf = issue(&ca, "x", &key, server(&["x"]));
    let error = CertificateAuthority::new(leaf.clone(), key).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the certificate of CN=x,O=Example is not a CA certificate (basicConstraints); it cannot issue"
    );
    let other = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let error = CertificateAuthority::new(ca.certificate().clone(), other).unwrap_err();
    assert!(matches!(error, CaError::KeyMismatch { .. }), "{error}");
}

#[test]
fn a_ca_that_openssl_made_issues_under_its_own_name_and_key_identifier() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.run("ecparam -name prime256v1 -genkey -noout -out ca.key");
    // PrintableString, a two-part RDN, a foreign key identifier.
    fs::write(
        openssl.path("ca.cnf"),
        "[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=ext\nstring_mask=pkix\nmultivalue-rdn=yes\n\
         [dn]\nC=DE\n0.O=Example\n+OU=Unit\nCN=Foreign CA\n\
         [ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n\
         subjectKeyIdentifier=0102030405\n",
    )
    .unwrap();
    openssl.run("req -x509 -new -config ca.cnf -key ca.key -days 3650 -outform DER -out ca.der");
    let certificate =
        OwnedCertificate::from_der(fs::read(openssl.path("ca.der")).unwrap()).unwrap();
    let key = CaKey::load(&openssl.path("ca.key"), None).unwrap();
    let ca = CertificateAuthority::new(certificate, key).unwrap();
    let now = ca.certificate().view().not_before.plus_seconds(60);

    let key = CaKey::generate(KeyAlgorithm::Ed25519).unwrap();
    let request = request("x", &key, server(&["x"]));
    let issued = ca.issue(&request, new_serial(), now).unwrap();
    assert_eq!(issued.view().issuer, ca.certificate().view().subject);
    let text = openssl.text(&issued);
    assert!(text.contains("01:02:03:04:05"), "{text}");
    openssl.write_certificate("ca.pem", ca.certificate());
    openssl.write_certificate("issued.pem", &issued);
    let at = now.unix_seconds();
    assert_eq!(
        openssl
            .run(&format!("verify -attime {at} -CAfile ca.pem issued.pem"))
            .trim(),
        "issued.pem: OK"
    );
    // Its keyUsage has no cRLSign.
    let error = ca.crl(&list(1, Time::MAX), [], now).unwrap_err();
    assert!(
        matches!(
            error,
            CaError::KeyUsage {
                missing: "cRLSign",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn what_is_not_a_public_key_is_not_certified() {
    let ca = root(KeyAlgorithm::P256);
    for public_key_info in [&b""[..], b"\x30\x00", ca.certificate().der()] {
        let error = PublicKey::from_der(public_key_info).unwrap_err();
        assert!(matches!(error, CaError::PublicKey), "{error}");
    }
}

#[test]
fn a_serial_number_that_may_not_stand_in_a_certificate_is_refused() {
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let request = request("x", &key, server(&["x"]));
    let prepared = ca.prepare(&request, NOW).unwrap();
    for content in [&[0][..], &[0x80], &[0x00, 0x01], &[0x01; 21]] {
        let error = prepared.sign(serial(content)).unwrap_err();
        assert!(matches!(error, CaError::SerialNumber { .. }), "{error}");
    }
    for content in [&[1][..], &[0x00, 0x80], &[0x01; 20]] {
        let certificate = prepared.sign(serial(content)).unwrap();
        assert_eq!(certificate.view().serial_number, serial(content));
    }
}
