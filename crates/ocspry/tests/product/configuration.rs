//! `ocspry serve -c FILE` and `ocspry config check`: the same loader, and errors that show the place.

use crate::site::{CONFIGURATION, GOOD, NOTICE_WAIT_MAX, REVOKED, Site, says_good};
use ocspry_testkit::{
    Authority, CrlSpec, Finished, KeyKind, Reply, RequestSpec, TestKey, cert_id, nonce_extension,
    wait_until,
};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm};

/// What `config check` says of this text.
pub(crate) fn check(site: &Site, text: &str) -> Finished {
    site.write("ocspry.toml", text);
    site.ocspry()
        .args(["config", "check", "-c", "ocspry.toml"])
        .run()
}

#[test]
fn a_good_configuration_is_checked_and_served() {
    let site = Site::new();
    let checked = check(&site, CONFIGURATION);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(
        checked.stdout.contains("CN=Site Intermediate"),
        "{checked:?}"
    );
    let process = site
        .ocspry()
        .args(["serve", "--config", "ocspry.toml"])
        .start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    assert!(matches!(
        site.status(&process, REVOKED),
        CertStatus::Revoked(_)
    ));
}

#[test]
fn paths_are_relative_to_the_file_and_not_to_where_one_stands() {
    let site = Site::new();
    site.write("ocspry.toml", CONFIGURATION);
    let elsewhere = tempfile::tempdir().unwrap();
    let process = site
        .ocspry()
        .directory(elsewhere.path())
        .args(["serve", "-c"])
        .arg(site.file("ocspry.toml"))
        .start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn a_ca_that_signs_itself_can_be_written_in_the_file() {
    let site = Site::new();
    let text = CONFIGURATION.replace(
        "{ certificate = \"ocsp.pem\", key = \"ocsp.key\" }",
        "{ ca-key = \"ca.key\" }",
    );
    assert_eq!(check(&site, &text).code, Some(0));
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    let reply = site
        .ask(&mut process.connect(), &site.request(GOOD))
        .signed();
    assert!(reply.certificates.is_empty());
}

#[test]
fn a_wrong_configuration_is_refused_with_file_line_caret_and_advice() {
    // What is replaced by what, the line number, what the caret stands under, what is said, what is advised.
    let cases = [
        (
            "certificate = \"inter",
            "certificat = \"inter",
            7,
            "certificat",
            "unknown key",
            "`certificate`",
        ),
        ("[listen]", "[lisen]", 3, "lisen", "unknown key", "`listen`"),
        (
            "version = 1",
            "version = 2",
            1,
            "2",
            "version 2",
            "version = 1",
        ),
        (
            "\"127.0.0.1:0\"",
            "\"127.0.0.1\"",
            4,
            "\"127.0.0.1\"",
            "not an address",
            "127.0.0.1:8888",
        ),
        (
            "[{ crl = \"crl.pem\" }]",
            "\"crl.pem\"",
            8,
            "\"crl.pem\"",
            "this key takes",
            "",
        ),
        ("version = 1", "version = ", 1, "", "", ""),
        (
            "\"intermediate_ca.pem\"",
            "\"absent.pem\"",
            7,
            "\"absent.pem\"",
            "absent.pem",
            "No such file",
        ),
    ];
    let site = Site::new();
    for (old, new, line, marked, said, advised) in cases {
        let text = CONFIGURATION.replace(old, new);
        assert_ne!(text, CONFIGURATION, "{old}");
        let checked = check(&site, &text);
        let served = site.ocspry().args(["serve", "-c", "ocspry.toml"]).run();
        for finished in [&checked, &served] {
            assert_eq!(finished.code, Some(1), "{new}: {finished:?}");
            let place = format!("ocspry.toml:{line}:");
            for part in [place.as_str(), said, advised] {
                assert!(
                    finished.stderr.contains(part),
                    "{new}: no {part:?} in\n{}",
                    finished.stderr
                );
            }
            assert!(
                finished.stderr.contains(&"^".repeat(marked.len().max(1))),
                "{}",
                finished.stderr
            );
        }
        assert_eq!(checked.stderr, served.stderr, "one loader, one message");
    }
}

#[test]
fn the_example_that_ships_is_good_beside_its_files() {
    let site = Site::new();
    site.write(
        "intermediate.crl",
        std::fs::read(site.file("crl.pem")).unwrap(),
    );
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/ocspry.toml");
    let checked = check(&site, &std::fs::read_to_string(example).unwrap());
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn the_nonce_policy_of_the_file_rules() {
    let site = Site::new();
    let without = site.request(GOOD);
    let with = RequestSpec::one(site.cert_id(GOOD))
        .with_extension(nonce_extension(&[5; 16]))
        .der();
    for (policy, answer_without, echo) in [
        ("echo", true, true),
        ("ignore", true, false),
        ("required", false, true),
    ] {
        site.write(
            "ocspry.toml",
            format!("{CONFIGURATION}nonce = \"{policy}\"\n"),
        );
        let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
        let mut client = process.connect();
        match site.ask(&mut client, &without) {
            Reply::Signed(signed) => {
                assert!(answer_without, "{policy}");
                assert_eq!(signed.nonce, None);
            }
            Reply::Error(status) => {
                assert!(!answer_without, "{policy}");
                assert_eq!(status, ErrorStatus::Unauthorized);
            }
        }
        let nonce = site.ask(&mut client, &with).signed().nonce;
        assert_eq!(nonce, echo.then(|| vec![5; 16]), "{policy}");
    }
}

#[test]
fn what_no_issuer_can_use_is_refused_by_the_check_as_by_the_start() {
    let site = Site::new();
    site.write("ocsp.key", TestKey::generate(KeyKind::P256).pkcs8_pem());
    let checked = check(&site, CONFIGURATION);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(
        checked.stderr.contains("does not fit the certificate"),
        "{checked:?}"
    );
}

#[test]
fn a_key_that_everybody_can_read_is_worth_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    let checked_with = |mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(site.file("ocsp.key"), permissions).unwrap();
        check(&site, CONFIGURATION)
    };
    let checked = checked_with(0o644);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    let warning =
        "every user of this machine can read this private key (mode 0644); run: chmod 600";
    assert!(checked.stderr.contains(warning), "{checked:?}");
    let checked = checked_with(0o600);
    assert!(!checked.stderr.contains("warning"), "{checked:?}");
}

#[test]
fn a_passphrase_that_everybody_can_read_is_worth_a_warning() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = Site::new();
    site.write("ocsp.pass", "open sesame\n");
    let responder = "key = \"ocsp.key\", passphrase-file = \"ocsp.pass\"";
    let text = CONFIGURATION.replace("key = \"ocsp.key\"", responder);
    let checked_with = |mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(site.file("ocsp.pass"), permissions).unwrap();
        check(&site, &text)
    };
    let warning = "every user of this machine can read this passphrase (mode 0644); run: chmod 600";
    let checked = checked_with(0o644);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    assert!(checked.stderr.contains(warning), "{checked:?}");
    let checked = checked_with(0o640);
    assert!(!checked.stderr.contains("can read"), "{checked:?}");
}

#[test]
fn a_missing_configuration_file_is_named() {
    let site = Site::new();
    for arguments in [
        &["serve", "-c", "absent.toml"][..],
        &["config", "check", "-c", "absent.toml"],
    ] {
        let finished = site.ocspry().args(arguments).run();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("absent.toml"), "{finished:?}");
    }
}

#[test]
fn one_issuer_that_cannot_answer_does_not_silence_the_others() {
    let site = Site::new();
    let second = Authority::root("Second CA", KeyKind::P256);
    site.write("second.pem", second.certificate_pem());
    site.write("second.key", second.key.pkcs8_pem());
    let text = format!(
        "{CONFIGURATION}\n[issuer.second]\ncertificate = \"second.pem\"\nstatus = [{{ crl = \"absent.crl\" }}]\n\
         responder = {{ ca-key = \"second.key\" }}\n"
    );
    site.write("ocspry.toml", text);
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    process.wait_for_log("absent.crl", NOTICE_WAIT_MAX);
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    let asked = cert_id(HashAlgorithm::Sha1, &second, GOOD);
    let request = RequestSpec::one(asked).der();
    let body = process.connect().post(&request).unwrap().body;
    assert_eq!(body, ErrorStatus::TryLater.der());
    // When its list appears, it answers.
    site.write("absent.crl", second.crl(&CrlSpec::new(1)));
    wait_until("the second CA answers", NOTICE_WAIT_MAX, || {
        let body = process.connect().post(&request).unwrap().body;
        says_good(&Reply::check(&body, &second))
    });
}
