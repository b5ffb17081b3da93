//! pyca/cryptography, which builds requests and parses answers.  It verifies nothing: check.py beside this file does what
//! its users have to do themselves, with its keys and its parser.

use crate::matrix::{Client, Row};
use crate::scene::{LieRefusals, Nonce, Nonces, Question, Said, Scene, battery};
use ocspry_testkit::{Peer, run_bounded};

#[test]
fn pyca_tells_good_revoked_and_unknown_apart_and_its_user_can_refuse_every_lie() {
    const VERSION: &str = "import cryptography as c; print('cryptography', c.__version__)";
    let Some(version) = Peer::Python.version(&["-c", VERSION]) else {
        return;
    };
    let scene = Scene::new();
    Row::of(Client::Pyca, &version, |row| {
        let refusals = LieRefusals {
            forged_signature: "the signature is wrong",
            expired: Some("the answer has expired"),
            stranger: "the delegate is not of the issuer",
            sibling: "the delegate is not of the issuer",
        };
        battery(row, &scene, Nonces::Both, refusals, |question| {
            ask(&scene, question)
        });
    });
}

fn ask(scene: &Scene, question: Question<'_>) -> Said {
    let mut python = Peer::Python.command().expect("found before");
    python
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/interop/check.py"
        ))
        .args([question.url, "intermediate_ca.pem", question.subject.file()])
        .arg(match question.nonce {
            Nonce::With => "nonce",
            Nonce::Without => "no-nonce",
        })
        .current_dir(scene.site.path());
    let run = run_bounded(&mut python);
    assert_eq!(run.code, Some(0), "{run:?}");
    let (verdict, words) = run.stdout.trim().split_once(": ").unwrap();
    let words = words.to_owned();
    match verdict {
        "good" => Said::Good(words),
        "revoked" => Said::Revoked(words),
        "unknown" => Said::Unknown(words),
        "refused" => Said::Refused(words),
        _ => panic!("check.py says {run:?}"),
    }
}
