//! GnuTLS's `ocsptool`: HTTP/1.0 POST, SHA-1 CertIDs.  Its exit code is 0 for a revoked certificate, so its words are
//! read.  It prints the times and judges none, so the expired answer is put to `gnutls-cli --ocsp`, which asks about the
//! certificate of the TLS server that it connects to.

use crate::matrix::{Client, Note, Row, Situation};
use crate::scene::{LieRefusals, Nonce, Nonces, Question, Said, Scene, Subject, battery, words};
use crate::site::Site;
use ocspry_testkit::{Impostor, Lie, LineChild, Peer, Run, run_bounded};

#[test]
fn gnutls_tells_good_revoked_and_unknown_apart_and_refuses_every_lie() {
    let Some(version) = Peer::Ocsptool.version(&["--version"]) else {
        return;
    };
    let scene = Scene::new();
    Row::of(Client::Ocsptool, &version, |row| {
        let refusals = LieRefusals {
            forged_signature: "Failure, Signature failure",
            expired: None,
            stranger: "Failure, Signer cert is not trusted",
            sibling: "Failure, Signer cert is not trusted",
        };
        battery(row, &scene, Nonces::Both, refusals, |question| {
            ask(&scene.site, question)
        });
        row.cell(Situation::Expired, || expired(&scene));
    });
}

fn ask(site: &Site, question: Question<'_>) -> Said {
    let mut ocsptool = Peer::Ocsptool.command().expect("found before");
    ocsptool
        .arg(format!("--ask={}", question.url))
        .arg(match question.nonce {
            Nonce::With => "--nonce",
            Nonce::Without => "--no-nonce",
        })
        .args(["--load-issuer", "intermediate_ca.pem"])
        .args(["--load-cert", question.subject.file()])
        .args(["--load-trust", "intermediate_ca.pem"])
        .current_dir(site.path());
    let run = run_bounded(&mut ocsptool);
    let said = |part| words(&run, part);
    if !run.stdout.contains("Verifying OCSP Response: Success") || run.code != Some(0) {
        let status = said("Response Status:").filter(|line| !line.ends_with("Successful"));
        let parts = ["Verifying OCSP Response:", "nonce:", "Could not connect"];
        let words = status.or_else(|| parts.into_iter().find_map(said));
        return Said::Refused(words.unwrap_or_else(|| panic!("{run:?}")));
    }
    match said("Certificate Status:") {
        Some(words) if words.ends_with("good") => Said::Good(words),
        Some(words) if words.ends_with("revoked") => Said::Revoked(words),
        Some(words) if words.ends_with("unknown") => Said::Unknown(words),
        _ => Said::Refused(format!("{run:?}")),
    }
}

/// What `gnutls-cli` makes of an expired answer, and of one that is not.
fn expired(scene: &Scene) -> Note {
    let honest = connect(scene, &scene.impostor(Lie::None));
    assert!(honest.stdout.contains("not revoked"), "no lie: {honest:?}");
    assert_eq!(honest.code, Some(0), "no lie: {honest:?}");
    let impostor = scene.impostor(Lie::Expired);
    let lied_to = connect(scene, &impostor);
    assert!(!impostor.requests().is_empty(), "never asked");
    assert_ne!(lied_to.code, Some(0), "{lied_to:?}");
    assert!(
        lied_to.stdout.contains("there is a newer issue"),
        "{lied_to:?}"
    );
    // When ocsptool looks at the times, it is to be taken at its word.
    let ocsptool = ask(
        &scene.site,
        Question {
            url: &impostor.url(),
            subject: Subject::Server,
            nonce: Nonce::Without,
        },
    );
    assert!(matches!(ocsptool, Said::Good(_)), "{ocsptool:?}");
    Note("by `gnutls-cli --ocsp`; ocsptool prints the times and judges none")
}

/// Connects to a TLS server whose certificate names the impostor as its responder.
fn connect(scene: &Scene, impostor: &Impostor) -> Run {
    scene.write_certificate("asked.pem", Subject::Server.serial(), &impostor.url());
    let mut openssl = Peer::Openssl.command().expect("the package is everywhere");
    openssl
        .args(["s_server", "-accept", "127.0.0.1:0"])
        .args([
            "-cert",
            "asked.pem",
            "-key",
            "ca.key",
            "-cert_chain",
            "intermediate_ca.pem",
        ])
        .current_dir(scene.site.path());
    let mut server = LineChild::start(&mut openssl);
    let accept = server.line_with("ACCEPT ");
    let port = accept.rsplit(':').next().unwrap();
    let mut client = Peer::GnutlsCli.command().expect("in ocsptool's package");
    client
        .args(["--ocsp", "--x509cafile", "root_ca.pem"])
        .args([
            "--verify-hostname",
            "server.example",
            "--port",
            port,
            "127.0.0.1",
        ])
        .current_dir(scene.site.path());
    run_bounded(&mut client)
}
