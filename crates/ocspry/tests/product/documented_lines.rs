//! The lines of the README and of the guide, run as written: fixed port, in a network namespace of their own.

use crate::site::{REVOKED, SERVE_FLAGS, Site, assert_openssl_says};
use ocspry_testkit::{Namespace, OcspryProcess, Peer, pem};

/// The line people know, with the path and port it always had.
const VAFILE_LINE: &str = "openssl ocsp -issuer intermediate_ca.pem -cert server.pem \
     -url http://127.0.0.1:8888/ocsp -nonce -VAfile root_ca.pem -text";

/// The line that needs no trust store.
const CAFILE_LINE: &str = "openssl ocsp -issuer intermediate_ca.pem -cert server.pem \
     -url http://127.0.0.1:8888/ocsp -nonce -CAfile root_ca.pem -text";

fn namespace_with_openssl() -> Option<Namespace> {
    let namespace = Namespace::new()?;
    Peer::Openssl.find()?;
    Some(namespace)
}

/// `ocspry serve` on the port it has without flags.
fn serve_in(site: &Site, namespace: &Namespace) -> OcspryProcess {
    site.ocspry()
        .namespace(namespace)
        .arg("serve")
        .args(SERVE_FLAGS)
        .start()
}

#[test]
fn the_documented_line_says_good_on_a_machine_that_trusts_the_root() {
    let Some(namespace) = namespace_with_openssl() else {
        return;
    };
    let site = Site::new();
    let _process = serve_in(&site, &namespace);
    let run = site.shell(
        Some(&namespace),
        &format!("SSL_CERT_FILE=root_ca.pem {VAFILE_LINE}"),
    );
    assert_openssl_says(&run, "server.pem: good");
}

#[test]
fn the_documented_line_says_revoked_with_time_and_reason() {
    let Some(namespace) = namespace_with_openssl() else {
        return;
    };
    let site = Site::new();
    site.write(
        "server.pem",
        pem("CERTIFICATE", &site.ca.server("server.example", REVOKED)),
    );
    let _process = serve_in(&site, &namespace);
    let run = site.shell(
        Some(&namespace),
        &format!("SSL_CERT_FILE=root_ca.pem {VAFILE_LINE}"),
    );
    assert_openssl_says(&run, "server.pem: revoked");
    assert!(run.stdout.contains("Reason: keyCompromise"), "{run:?}");
    assert!(run.stdout.contains("Revocation Time: "), "{run:?}");
}

#[test]
fn without_a_trusted_root_openssl_itself_cannot_verify_a_delegate_through_vafile() {
    let Some(namespace) = namespace_with_openssl() else {
        return;
    };
    let site = Site::new();
    let _process = serve_in(&site, &namespace);
    // The machine's own trust store must not matter to this test.
    let line = format!("SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/nonexistent {VAFILE_LINE}");
    let run = site.shell(Some(&namespace), &line);
    assert!(run.stderr.contains("Response Verify Failure"), "{run:?}");
    assert!(
        run.stderr
            .contains("unable to get local issuer certificate"),
        "{run:?}"
    );
}

#[test]
fn the_cafile_line_says_good_without_any_trust_store() {
    let Some(namespace) = namespace_with_openssl() else {
        return;
    };
    let site = Site::new();
    let _process = serve_in(&site, &namespace);
    let line = format!("SSL_CERT_FILE=/dev/null SSL_CERT_DIR=/nonexistent {CAFILE_LINE}");
    let run = site.shell(Some(&namespace), &line);
    assert_openssl_says(&run, "server.pem: good");
}

#[test]
fn the_readme_gives_the_cafile_line_and_says_when_the_other_works() {
    let readme = readme();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        readme.contains(&words(CAFILE_LINE)),
        "README.md lacks: {}",
        words(CAFILE_LINE)
    );
    assert_eq!(
        words(VAFILE_LINE),
        words(CAFILE_LINE).replace("-CAfile", "-VAfile")
    );
    for part in [
        "`-VAfile root_ca.pem` in place of `-CAfile root_ca.pem`",
        "`SSL_CERT_FILE=root_ca.pem`",
    ] {
        assert!(readme.contains(part), "README.md lacks: {part}");
    }
}

#[test]
fn the_guide_leads_from_a_new_key_to_a_verified_answer() {
    let Some(namespace) = namespace_with_openssl() else {
        return;
    };
    let guide = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/guide/crl-responder.md"
    ));
    // Between two fences: the key and its certificate, the responder, the question.
    let blocks: Vec<&str> = guide.split("```\n").skip(1).step_by(2).collect();
    let [certificate, serve, ask] = blocks[..] else {
        panic!("the guide has other blocks now: {blocks:?}");
    };
    let site = Site::new();
    site.write("intermediate_ca.key", site.ca.key.pkcs8_pem());
    for made in ["ocsp.key", "ocsp.pem"] {
        std::fs::remove_file(site.file(made)).unwrap();
    }
    let run = site.shell(None, &format!("set -e; umask 077\n{certificate}"));
    assert_eq!(run.code, Some(0), "{run:?}");
    let mut words = serve.split_whitespace();
    assert_eq!(words.next(), Some("ocspry"));
    let process = site.ocspry().namespace(&namespace).args(words).start();
    let run = site.shell(Some(&namespace), ask);
    assert_openssl_says(&run, "server.pem: good");
    assert!(!process.log().contains("WARN"), "{}", process.log());
}

/// README.md with every run of white space as one blank.
pub(crate) fn readme() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
