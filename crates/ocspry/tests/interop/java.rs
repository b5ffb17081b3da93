//! The JDK's own checker, `PKIXRevocationChecker` under `CertPathValidator`, over a line protocol: Check.java beside this
//! file reads questions on stdin and answers each with a line, so that one start of the machine serves all of them.

use crate::matrix::{Client, Row};
use crate::scene::{LieRefusals, Nonce, Nonces, Question, Said, Scene, Subject, battery};
use ocspry_testkit::{Lie, LineChild, Peer};
use std::cell::RefCell;

#[test]
fn java_tells_good_revoked_and_unknown_apart_and_refuses_every_lie_by_post() {
    row(Client::JavaPost, "POST");
}

#[test]
fn java_tells_good_revoked_and_unknown_apart_and_refuses_every_lie_by_get() {
    row(Client::JavaGet, "GET");
}

fn row(client: Client, method: &str) {
    let Some(version) = Peer::Java.version(&["-version"]) else {
        return;
    };
    let scene = Scene::new();
    let checker = RefCell::new(checker(&scene, method));
    Row::of(client, &version, |row| {
        let refusals = LieRefusals {
            forged_signature: "Error verifying OCSP Response's signature",
            expired: Some("its validity interval is out-of-date"),
            stranger: "certificate is not authorized to sign OCSP responses",
            sibling: "certificate is not authorized to sign OCSP responses",
        };
        battery(row, &scene, Nonces::Both, refusals, |question| {
            ask(&mut checker.borrow_mut(), question)
        });
    });
    let impostor = scene.impostor(Lie::None);
    let question = Question {
        url: &impostor.url(),
        subject: Subject::Server,
        nonce: Nonce::Without,
    };
    ask(&mut checker.borrow_mut(), question);
    assert_eq!(impostor.methods(), [method]);
}

/// Starts Check.java.
fn checker(scene: &Scene, method: &str) -> LineChild {
    let mut java = Peer::Java.command().expect("found before");
    java.arg(format!(
        "-Dcom.sun.security.ocsp.useget={}",
        method == "GET"
    ))
    .arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/interop/Check.java"
    ))
    .args(["root_ca.pem", "intermediate_ca.pem"])
    .current_dir(scene.site.path());
    LineChild::start(&mut java)
}

fn ask(checker: &mut LineChild, question: Question<'_>) -> Said {
    let nonce = match question.nonce {
        Nonce::With => "true",
        Nonce::Without => "false",
    };
    checker.write(&format!(
        "{} {} {nonce}",
        question.url,
        question.subject.file()
    ));
    let line = checker.line_with(": ");
    let (verdict, words) = line.split_once(": ").unwrap();
    let words = words.to_owned();
    match verdict {
        "good" => Said::Good(words),
        "revoked" => Said::Revoked(words),
        "unknown" => Said::Unknown(words),
        "refused" => Said::Refused(words),
        _ => panic!("Check.java says {line:?}"),
    }
}
