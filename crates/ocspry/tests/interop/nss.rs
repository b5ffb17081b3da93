//! NSS's `ocspclnt`: HTTP/1.0 GET, then POST when that brought no answer that it likes; no nonce.  It asks where the
//! certificate says, and its exit code is 0 for a revoked certificate, so its words are read.

use crate::matrix::{Client, Row, package_version};
use crate::scene::{LieRefusals, Nonce, Nonces, Question, Said, Scene, Subject, battery};
use ocspry_testkit::{Lie, Peer, run_bounded};

#[test]
fn nss_tells_good_revoked_and_unknown_apart_and_refuses_every_lie() {
    if Peer::Ocspclnt.find().is_none() || Peer::Certutil.find().is_none() {
        return;
    }
    let scene = Scene::new();
    Row::of(Client::Ocspclnt, &package_version("libnss3-tools"), |row| {
        let refusals = LieRefusals {
            forged_signature: "OCSP response has an invalid signature",
            expired: Some("The OCSP response contains out-of-date information"),
            stranger: "Invalid OCSP signing certificate",
            sibling: "Invalid OCSP signing certificate",
        };
        battery(row, &scene, Nonces::Never, refusals, |question| {
            ask(&scene, question)
        });
    });
}

#[test]
fn nss_asks_by_get_and_by_post_only_when_that_brought_nothing() {
    if Peer::Ocspclnt.find().is_none() || Peer::Certutil.find().is_none() {
        return;
    }
    let scene = Scene::new();
    for (lie, methods) in [
        (Lie::None, &["GET"][..]),
        (Lie::HttpStatus(503), &["GET", "POST"]),
    ] {
        let impostor = scene.impostor(lie);
        let question = Question {
            url: &impostor.url(),
            subject: Subject::Server,
            nonce: Nonce::Without,
        };
        ask(&scene, question);
        assert_eq!(impostor.methods(), methods);
    }
}

/// One question, with a database of its own: it may not hold two certificates of one serial number.
fn ask(scene: &Scene, question: Question<'_>) -> Said {
    scene.write_certificate("asked.pem", question.subject.serial(), question.url);
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sql:{}", directory.path().display());
    certutil(scene, &["-N", "-d", &database, "--empty-password"]);
    for (name, trust) in [
        ("root_ca", "CT,C,C"),
        ("intermediate_ca", ",,"),
        ("asked", ",,"),
    ] {
        let file = format!("{name}.pem");
        let add = [
            "-A", "-d", &database, "-a", "-n", name, "-t", trust, "-i", &file,
        ];
        certutil(scene, &add);
    }
    let mut ocspclnt = Peer::Ocspclnt.command().expect("found before");
    ocspclnt.args(["-S", "asked", "-d", &database]);
    let run = run_bounded(ocspclnt.current_dir(scene.site.path()));
    let lines: Vec<&str> = run.stdout.lines().chain(run.stderr.lines()).collect();
    if let Some(line) = lines.iter().find(|line| line.ends_with("succeeded.")) {
        return Said::Good(format!("exit {}: {line}", run.code.unwrap_or(-1)));
    }
    let reason = lines
        .iter()
        .skip_while(|line| !line.contains("Reason:"))
        .nth(1)
        .unwrap_or_else(|| panic!("no verdict and no reason: {run:?}"));
    let words = format!("exit {}: {}", run.code.unwrap_or(-1), reason.trim());
    match reason.trim() {
        "Peer's Certificate has been revoked." => Said::Revoked(words),
        "The OCSP server has no status for the certificate." => Said::Unknown(words),
        _ => Said::Refused(words),
    }
}

fn certutil(scene: &Scene, arguments: &[&str]) {
    let mut certutil = Peer::Certutil.command().expect("found before");
    let run = run_bounded(certutil.args(arguments).current_dir(scene.site.path()));
    assert_eq!(run.code, Some(0), "{run:?}");
}
