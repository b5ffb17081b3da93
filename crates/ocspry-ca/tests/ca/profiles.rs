//! Profiles, constraints and extensions, as OpenSSL prints and enforces them.

use crate::pki::*;
use ocspry_ca::{
    AltName, CaConstraints, CaError, CaKey, CertificateAuthority, CertificateRequest, Criticality,
    CustomProfile, Expiry, HttpUrl, KeyAlgorithm, KeyUse, NameConstraints, NameSubtree, Pointers,
    Profile, Purpose, RawExtension, RootRequest, Subject,
};
use ocspry_core::OwnedCertificate;
use ocspry_testkit::Openssl;

fn alt_names(texts: &[&str]) -> Vec<AltName> {
    texts
        .iter()
        .map(|text| AltName::parse(text).unwrap())
        .collect()
}

#[test]
fn each_profile_says_what_it_is_for() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    openssl.write_certificate("root.pem", ca.certificate());
    let ec = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let rsa = CaKey::generate(KeyAlgorithm::Rsa2048).unwrap();
    for (profile, names, key, usage, purpose, checked_as) in [
        (
            "server",
            &["a"][..],
            &ec,
            "Digital Signature",
            "TLS Web Server Authentication",
            "sslserver",
        ),
        (
            "server",
            &["a"],
            &rsa,
            "Digital Signature, Key Encipherment",
            "TLS Web Server Authentication",
            "sslserver",
        ),
        (
            "client",
            &[],
            &rsa,
            "Digital Signature",
            "TLS Web Client Authentication",
            "sslclient",
        ),
        ("code", &[], &ec, "Digital Signature", "Code Signing", "any"),
        (
            "email",
            &["a@b"],
            &rsa,
            "Digital Signature, Key Encipherment",
            "E-mail Protection",
            "smimesign",
        ),
        (
            "email",
            &["a@b"],
            &ec,
            "Digital Signature, Key Agreement",
            "E-mail Protection",
            "smimesign",
        ),
        (
            "ocsp",
            &[],
            &ec,
            "Digital Signature",
            "OCSP Signing",
            "ocsphelper",
        ),
    ] {
        let wanted = (Profile::named(profile).unwrap(), alt_names(names));
        let certificate = issue(&ca, profile, key, wanted);
        let text = openssl.text(&certificate);
        assert_eq!(
            extensions(&text)[..4],
            [
                "X509v3 Key Usage: critical",
                usage,
                "X509v3 Extended Key Usage:",
                purpose
            ],
            "{profile}"
        );
        openssl.write_certificate("leaf.pem", &certificate);
        let at = NOW.unix_seconds();
        let said = openssl.run(&format!(
            "verify -x509_strict -attime {at} -purpose {checked_as} -CAfile root.pem leaf.pem"
        ));
        assert_eq!(said.trim(), "leaf.pem: OK");
        let days = if profile == "ocsp" { 30 } else { 365 };
        assert_eq!(
            certificate.view().not_after,
            NOW.plus_seconds(days * 86_400)
        );
    }
    let error = Profile::named("sever").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no profile \"sever\"; choose one of server, client, code, email, ocsp, intermediate, custom"
    );
}

#[test]
fn a_custom_profile_says_exactly_what_it_is_told() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let profile = Profile::Custom(CustomProfile {
        key_usage: vec![
            KeyUse::NonRepudiation,
            KeyUse::KeyAgreement,
            KeyUse::DecipherOnly,
        ],
        purposes: vec![
            Purpose::named("msSmartcardLogin").unwrap(),
            Purpose::named("1.3.6.1.5.5.7.3.17").unwrap(),
        ],
    });
    let names = alt_names(&[
        "UPN:alice@corp.example",
        "URI:urn:x:y",
        "RID:1.2.3",
        "dirName:/O=x",
    ]);
    let mut request = request("alice", &key, (profile, names));
    // Microsoft's szOID_NTDS_CA_SECURITY_EXT and a BOOLEAN of our own.
    request.extensions = vec![
        RawExtension::new(
            "1.3.6.1.4.1.311.25.2",
            Criticality::NotCritical,
            b"\x04\x02S-",
        )
        .unwrap(),
        RawExtension::new(
            "1.3.6.1.4.1.99999.1",
            Criticality::Critical,
            b"\x01\x01\xff",
        )
        .unwrap(),
    ];
    let text = openssl.text(&ca.issue(&request, new_serial(), NOW).unwrap());
    assert_eq!(
        masked(&extensions(&text)),
        [
            "X509v3 Key Usage: critical",
            "Non Repudiation, Key Agreement, Decipher Only",
            "X509v3 Extended Key Usage:",
            "Microsoft Smartcard Login, ipsec Internet Key Exchange",
            "X509v3 Subject Alternative Name:",
            "othername: UPN::alice@corp.example, URI:urn:x:y, Registered ID:1.2.3, DirName:/O=x",
            "1.3.6.1.4.1.311.25.2:",
            "..S-",
            "1.3.6.1.4.1.99999.1: critical",
            "...",
            "X509v3 Subject Key Identifier:",
            "(key)",
            "X509v3 Authority Key Identifier:",
            "(key)",
        ]
    );
}

#[test]
fn a_raw_extension_cannot_say_what_the_profile_says_nor_come_twice() {
    for (oid, value, why) in [
        (
            "2.5.29.19",
            &b"\x30\x03\x01\x01\xff"[..],
            "it is written by the profile",
        ),
        ("2.5.29.37", b"\x30\x00", "it is written by the profile"),
        (
            "1.3.6.1.5.5.7.48.1.5",
            b"\x05\x00",
            "it is written by the profile",
        ),
        ("1.2.x", b"\x05\x00", "this is no object identifier"),
        ("1.2.3", b"", "its value must be one DER element"),
        (
            "1.2.3",
            b"\x05\x00\x05\x00",
            "its value must be one DER element",
        ),
        ("1.2.3", b"\x05\x01", "its value must be one DER element"),
    ] {
        let error = RawExtension::new(oid, Criticality::NotCritical, value).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the extension {oid} cannot be added: {why}")
        );
    }
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let mut request = request("x", &key, (Profile::Client, Vec::new()));
    let null = RawExtension::new("1.2.3", Criticality::NotCritical, b"\x05\x00").unwrap();
    request.extensions = vec![null.clone(), null];
    let error = ca.issue(&request, new_serial(), NOW).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the extension 1.2.3 cannot be added: it is there already"
    );
}

#[test]
fn names_are_critical_where_there_is_no_subject() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let request = CertificateRequest {
        alt_names: alt_names(&["a.example"]),
        ..CertificateRequest::usual(Subject::empty(), key.public_key().clone(), Profile::Server)
    };
    let certificate = ca.issue(&request, new_serial(), NOW).unwrap();
    let text = openssl.text(&certificate);
    assert!(
        text.contains("X509v3 Subject Alternative Name: critical"),
        "{text}"
    );
    openssl.write_certificate("root.pem", ca.certificate());
    openssl.write_certificate("leaf.pem", &certificate);
    let at = NOW.unix_seconds();
    let verify = format!("verify -x509_strict -attime {at} -CAfile root.pem leaf.pem");
    assert_eq!(openssl.run(&verify).trim(), "leaf.pem: OK");
}

#[test]
fn name_constraints_bind_what_is_issued_below() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let subtrees = |texts: &[&str]| -> Vec<_> {
        texts
            .iter()
            .map(|text| NameSubtree::parse(text).unwrap())
            .collect()
    };
    let constraints = CaConstraints {
        path_len: Some(0),
        names: NameConstraints {
            permitted: subtrees(&[
                "DNS:example.com",
                "IP:192.0.2.0/24",
                "email:example.com",
                "dirName:/O=Example",
            ]),
            excluded: subtrees(&["DNS:secret.example.com", "IP:::/0"]),
        },
    };
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let request = RootRequest {
        constraints: constraints.clone(),
        ..RootRequest::usual(subject("Bound"))
    };
    let prepared = CertificateAuthority::prepare_root(&key, &request, NOW).unwrap();
    let bound = prepared.sign(new_serial()).unwrap();
    key.write_pem(&openssl.path("ca.key"), None).unwrap();
    let ca = CertificateAuthority::new(bound, key).unwrap();
    assert_eq!(CaConstraints::of(ca.certificate()).unwrap(), constraints);
    let text = openssl.text(ca.certificate());
    for line in [
        "CA:TRUE, pathlen:0",
        "X509v3 Name Constraints: critical",
        "DNS:example.com",
        "IP:192.0.2.0/255.255.255.0",
        "email:example.com",
        "DirName:O = Example",
        "DNS:secret.example.com",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }

    openssl.write_certificate("root.pem", ca.certificate());
    let at = NOW.unix_seconds();
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    // The same CA without constraints, for certificates that it must not issue.
    let same_key = CaKey::load(&openssl.path("ca.key"), None).unwrap();
    let request = RootRequest::usual(subject("Bound"));
    let unbound = CertificateAuthority::self_signed(same_key, &request, new_serial(), NOW).unwrap();
    for (names, is_permitted) in [
        (&["www.example.com", "192.0.2.7"][..], true),
        (&["example.com", "*.www.example.com"], true),
        (&["example.org"], false),
        (&["badexample.com"], false),
        (&["www.secret.example.com"], false),
        (&["*.secret.example.com"], false),
        (&["www.example.com", "198.51.100.1"], false),
        (&["www.example.com", "::1"], false),
        (&["a", "a@example.com"], false),
        (&["www.example.com", "a@example.com"], true),
        (&["www.example.com", "a@mail.example.com"], false),
        (&["www.example.com", "https://anywhere.example/"], true),
    ] {
        let wanted = || (Profile::Server, alt_names(names));
        match try_issue(&ca, "x y", &key, wanted()) {
            Ok(_) => assert!(is_permitted, "{names:?}"),
            Err(error) => {
                assert!(!is_permitted, "{error}");
                assert!(matches!(error, CaError::NameNotPermitted { .. }), "{error}");
            }
        }
        // OpenSSL takes a commonName that looks like a host for one.
        let leaf = issue(&unbound, "x y", &key, wanted());
        openssl.write_certificate("leaf.pem", &leaf);
        let run = openssl.try_run(&format!(
            "verify -x509_strict -attime {at} -CAfile root.pem leaf.pem"
        ));
        assert_eq!(
            run.code == Some(0),
            is_permitted,
            "{names:?}: {}{}",
            run.stdout,
            run.stderr
        );
    }
}

/// A root with these constraints, DNS names alone.
fn bound_ca(permitted: &[&str], excluded: &[&str]) -> CertificateAuthority {
    let subtrees = |texts: &[&str]| -> Vec<_> {
        let subtrees = texts.iter().map(|text| NameSubtree::parse(text).unwrap());
        subtrees.collect()
    };
    let request = RootRequest {
        constraints: CaConstraints {
            path_len: None,
            names: NameConstraints {
                permitted: subtrees(permitted),
                excluded: subtrees(excluded),
            },
        },
        ..RootRequest::usual(subject("Bound"))
    };
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    CertificateAuthority::self_signed(key, &request, new_serial(), NOW).unwrap()
}

#[test]
fn a_wildcard_that_stands_for_an_excluded_name_is_refused() {
    let ca = bound_ca(&[], &["DNS:secret.example.com", "DNS:.deep.example.org"]);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    for (name, is_permitted) in [
        ("*.example.com", false),
        ("*.secret.example.com", false),
        ("*.www.secret.example.com", false),
        ("*.www.example.com", true),
        ("*.ple.com", true),
        // It stands for one label, and all that is excluded has two more.
        ("*.com", true),
        ("*.example.org", true),
        ("*.deep.example.org", false),
    ] {
        let wanted = (Profile::Server, alt_names(&[name]));
        match try_issue(&ca, "x y", &key, wanted) {
            Ok(_) => assert!(is_permitted, "{name}"),
            Err(error) => {
                assert!(!is_permitted, "{error}");
                assert!(matches!(error, CaError::NameNotPermitted { .. }), "{error}");
            }
        }
    }
}

#[test]
fn an_excluded_subtree_of_no_length_excludes_every_name_of_its_kind() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let made = CaKey::generate(KeyAlgorithm::P256).unwrap();
    made.write_pem(&openssl.path("ca.key"), None).unwrap();
    let leaf = CaKey::generate(KeyAlgorithm::P256).unwrap();
    for (kind, name) in [
        ("DNS", "www.example.com"),
        ("email", "a@example.com"),
        ("URI", "https://example.com/"),
    ] {
        openssl.write(
            "ca.cnf",
            format!(
                "[req]\ndistinguished_name=dn\n[dn]\n[ca]\nbasicConstraints=critical,CA:TRUE\n\
                 nameConstraints=critical,@bound\n[bound]\nexcluded;{kind}.0=\n"
            ),
        );
        openssl.run(
            "req -x509 -new -key ca.key -subj /CN=Bound -config ca.cnf -extensions ca -out ca.pem",
        );
        openssl.run("x509 -in ca.pem -outform DER -out ca.der");
        let certificate = OwnedCertificate::from_der(openssl.read("ca.der")).unwrap();
        let begin = certificate.view().not_before;
        let key = CaKey::load(&openssl.path("ca.key"), None).unwrap();
        let ca = CertificateAuthority::new(certificate, key).unwrap();
        let refused = |name: &str| {
            let request = CertificateRequest {
                alt_names: alt_names(&[name]),
                ..CertificateRequest::usual(
                    subject("x y"),
                    leaf.public_key().clone(),
                    Profile::Custom(CustomProfile {
                        key_usage: vec![KeyUse::DigitalSignature],
                        purposes: vec![Purpose::named("serverAuth").unwrap()],
                    }),
                )
            };
            match ca.issue(&request, new_serial(), begin) {
                Ok(_) => false,
                Err(error) => matches!(error, CaError::NameNotPermitted { .. }),
            }
        };
        assert!(refused(name), "{name}");
        assert!(!refused("IP:192.0.2.1"), "{kind}");
    }
}

#[test]
fn a_common_name_that_looks_like_a_host_is_bound_where_no_dns_name_is_given() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = bound_ca(&["DNS:example.com"], &["DNS:secret.example.com"]);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    // The same CA without constraints, for certificates that it must not issue.
    ca.key().write_pem(&openssl.path("ca.key"), None).unwrap();
    let same_key = CaKey::load(&openssl.path("ca.key"), None).unwrap();
    let request = RootRequest::usual(subject("Bound"));
    let unbound = CertificateAuthority::self_signed(same_key, &request, new_serial(), NOW).unwrap();
    openssl.write_certificate("root.pem", ca.certificate());
    let at = NOW.unix_seconds();
    for (name, names, is_permitted) in [
        ("evil.org", &[][..], false),
        ("www.example.com", &[], true),
        ("www.secret.example.com", &[], false),
        ("Alice at Example", &[], true),
        ("localhost", &[], true),
        ("192.0.2.1", &[], false),
        ("-evil.org", &[], true),
        ("evil.org.", &[], true),
        ("under_score.org", &[], false),
        ("evil.org", &["www.example.com"], true),
        ("evil.org", &["a@example.com"], false),
    ] {
        let profile = Profile::Custom(CustomProfile {
            key_usage: vec![KeyUse::DigitalSignature],
            purposes: vec![Purpose::named("serverAuth").unwrap()],
        });
        let wanted = || (profile.clone(), alt_names(names));
        match try_issue(&ca, name, &key, wanted()) {
            Ok(_) => assert!(is_permitted, "{name} {names:?}"),
            Err(error) => {
                assert!(!is_permitted, "{error}");
                assert!(matches!(error, CaError::NameNotPermitted { .. }), "{error}");
            }
        }
        let leaf = issue(&unbound, name, &key, wanted());
        openssl.write_certificate("leaf.pem", &leaf);
        let run = openssl.try_run(&format!("verify -attime {at} -CAfile root.pem leaf.pem"));
        let is_taken = run.code == Some(0);
        assert_eq!(is_taken, is_permitted, "{name} {names:?}: {run:?}");
    }
}

#[test]
fn directory_names_bind_the_subject_of_what_is_issued_below() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let subtree = |text: &str| NameSubtree::parse(text).unwrap();
    let ca_request = RootRequest {
        constraints: CaConstraints {
            path_len: None,
            names: NameConstraints {
                permitted: vec![
                    subtree("dirName:/C=AT/O=Big Example"),
                    subtree("email:example.com"),
                ],
                excluded: vec![subtree("dirName:/C=AT/O=Big Example/OU=Secret")],
            },
        },
        ..RootRequest::usual(subject("Bound"))
    };
    let new_key = || CaKey::generate(KeyAlgorithm::P256).unwrap();
    let key = new_key();
    key.write_pem(&openssl.path("ca.key"), None).unwrap();
    let ca = CertificateAuthority::self_signed(key, &ca_request, new_serial(), NOW).unwrap();
    // The same CA without constraints, for certificates that it must not issue.
    let key = CaKey::load(&openssl.path("ca.key"), None).unwrap();
    let request = RootRequest::usual(subject("Bound"));
    let unbound = CertificateAuthority::self_signed(key, &request, new_serial(), NOW).unwrap();
    openssl.write_certificate("root.pem", ca.certificate());
    let at = NOW.unix_seconds();
    let key = new_key();
    let dns = "www.example.com";
    for (name, names, is_permitted) in [
        ("/C=AT/O=Big Example/CN=x", &[dns][..], true),
        ("/C=AT/O=big  EXAMPLE/CN=x", &[dns], true),
        ("/C=AT/O=Big Example", &[dns], true),
        ("/C=AT/O=Big Example Ltd/CN=x", &[dns], false),
        ("/C=AT/CN=x", &[dns], false),
        ("/C=DE/O=Big Example/CN=x", &[dns], false),
        ("/O=Big Example/C=AT/CN=x", &[dns], false),
        ("CN=x,O=Big Example+L=Wien,C=AT", &[dns], false),
        ("/C=AT/O=Big Example/OU=Secret/CN=x", &[dns], false),
        ("/C=AT/O=Big Example/OU=secret", &[dns], false),
        ("/C=AT/O=Big Example/OU=Secretary/CN=x", &[dns], true),
        (
            "/C=AT/O=Big Example/CN=x",
            &[dns, "dirName:/O=Other"],
            false,
        ),
        (
            "/C=AT/O=Big Example/CN=x",
            &[dns, "dirName:/C=AT/O=Big Example/CN=y"],
            true,
        ),
        (
            "/C=AT/O=Big Example/emailAddress=a@example.com",
            &[dns],
            true,
        ),
        (
            "/C=AT/O=Big Example/emailAddress=a@example.org",
            &[dns],
            false,
        ),
    ] {
        let request = CertificateRequest {
            alt_names: alt_names(names),
            ..CertificateRequest::usual(
                Subject::parse(name).unwrap(),
                key.public_key().clone(),
                Profile::Server,
            )
        };
        match ca.issue(&request, new_serial(), NOW) {
            Ok(_) => assert!(is_permitted, "{name} {names:?}"),
            Err(error) => {
                assert!(!is_permitted, "{error}");
                assert!(matches!(error, CaError::NameNotPermitted { .. }), "{error}");
            }
        }
        let leaf = unbound.issue(&request, new_serial(), NOW).unwrap();
        openssl.write_certificate("leaf.pem", &leaf);
        let run = openssl.try_run(&format!(
            "verify -x509_strict -attime {at} -CAfile root.pem leaf.pem"
        ));
        let is_taken = run.code == Some(0);
        assert_eq!(is_taken, is_permitted, "{name} {names:?}: {run:?}");
    }
    // Where the alternative names say everything, no subject has to lie in it.
    let request = CertificateRequest {
        alt_names: alt_names(&[dns]),
        ..CertificateRequest::usual(Subject::empty(), key.public_key().clone(), Profile::Server)
    };
    ca.issue(&request, new_serial(), NOW).unwrap();
}

#[test]
fn an_intermediate_points_to_its_parent_and_a_responder_to_nothing() {
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let url = |url: &str| vec![HttpUrl::parse(url).unwrap()];
    let pointers = Pointers {
        ocsp: url("http://ca.example/ocsp/root/"),
        issuer: url("http://ca.example/ca/root.cer"),
        crl: url("http://ca.example/crl/root.crl"),
    };
    for (wanted, points) in [(intermediate(None), true), (RESPONDER, false)] {
        let request = CertificateRequest {
            pointers: pointers.clone(),
            ..request("x", &key, wanted)
        };
        let certificate = ca.issue(&request, new_serial(), NOW).unwrap();
        let profile = certificate.view().profile;
        assert_eq!(profile.has_ocsp_url, points);
        assert_eq!(profile.has_crl_distribution_points, points);
        let has = |needle: &str| contains(certificate.der(), needle.as_bytes());
        assert_eq!(has("http://ca.example/ca/root.cer"), points);
    }
}

#[test]
fn a_responder_has_a_key_of_its_cas_own_kind() {
    for (algorithm, expected) in [
        (KeyAlgorithm::Rsa4096, KeyAlgorithm::Rsa2048),
        (KeyAlgorithm::P384, KeyAlgorithm::P384),
        (KeyAlgorithm::Ed25519, KeyAlgorithm::Ed25519),
    ] {
        assert_eq!(root(algorithm).responder_algorithm(), expected);
    }
}

#[test]
fn a_root_lives_as_long_as_it_is_told_and_ten_years_otherwise() {
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let end = |expiry: Option<Expiry>| {
        let mut request = RootRequest::usual(subject("x"));
        request.expiry = expiry.unwrap_or(request.expiry);
        CertificateAuthority::prepare_root(&key, &request, NOW).map(|root| root.not_after())
    };
    assert_eq!(end(None).unwrap(), NOW.plus_seconds(3650 * 86_400));
    assert_eq!(
        end(Some(Expiry::At(NOW.plus_seconds(5)))).unwrap(),
        NOW.plus_seconds(5)
    );
    assert!(end(Some(Expiry::At(NOW))).is_err());
    let nameless = RootRequest::usual(Subject::empty());
    let error = CertificateAuthority::prepare_root(&key, &nameless, NOW).unwrap_err();
    assert!(error.to_string().ends_with("needs a subject"), "{error}");
}
