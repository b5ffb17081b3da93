//! `openssl ocsp`: HTTP/1.0 POST.  Its exit code is 0 for a revoked certificate, so its words are read.

use crate::matrix::{Client, Row};
use crate::scene::{Nonce, Nonces, Question, Said, Scene, battery};
use crate::site::Site;
use ocspry_testkit::{Peer, Run, run_bounded};

#[test]
fn openssl_tells_good_revoked_and_unknown_apart_and_refuses_every_lie() {
    let Some(version) = Peer::Openssl.version(&["version"]) else {
        return;
    };
    let scene = Scene::new();
    Row::of(Client::OpensslOcsp, &version, |row| {
        battery(row, &scene, Nonces::Both, |question| {
            said(&ask(&scene.site, question, &["-sha256"]))
        });
    });
}

/// One question; `hash` stands before the certificate, which it is for.
fn ask(site: &Site, question: Question<'_>, hash: &[&str]) -> Run {
    let mut openssl = Peer::Openssl.command().expect("found before");
    openssl
        .args(["ocsp", "-issuer", "intermediate_ca.pem"])
        .args(hash)
        .args(["-cert", question.subject.file()])
        .args(["-CAfile", "root_ca.pem", "-url", question.url])
        .arg(match question.nonce {
            Nonce::With => "-nonce",
            Nonce::Without => "-no_nonce",
        })
        .current_dir(site.path());
    run_bounded(&mut openssl)
}

fn said(run: &Run) -> Said {
    let line = |part: &str| {
        let lines = run.stdout.lines().chain(run.stderr.lines());
        lines.map(str::trim).find(|line| line.contains(part))
    };
    let refused = [
        "Response Verify Failure",
        "Status times invalid",
        "Responder Error",
    ]
    .into_iter()
    .find_map(line);
    if let Some(words) = refused {
        return Said::Refused(format!("exit {}: {words}", run.code.unwrap_or(-1)));
    }
    if !run.stderr.contains("Response verify OK") {
        let words = run.stderr.lines().next().unwrap_or_default();
        return Said::Refused(format!("exit {}: {words}", run.code.unwrap_or(-1)));
    }
    let status = run
        .stdout
        .lines()
        .find_map(|line| line.split_once(".pem: "))
        .map(|(_, status)| status.to_owned())
        .unwrap_or_default();
    let words = format!("exit {}: {status}", run.code.unwrap_or(-1));
    match status.as_str() {
        "good" => Said::Good(words),
        "revoked" => Said::Revoked(words),
        "unknown" => Said::Unknown(words),
        _ => Said::Refused(format!("{run:?}")),
    }
}
