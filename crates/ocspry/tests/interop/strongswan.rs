//! strongSwan's `pki --verify --online`: HTTP/1.1 POST through its curl plugin, always with a nonce.  It asks where the
//! certificate says.

use crate::matrix::{Client, Row};
use crate::scene::{LieRefusals, Nonces, Question, Said, Scene, battery};
use ocspry_testkit::{Peer, run_bounded};

#[test]
fn strongswan_tells_good_revoked_and_unknown_apart_and_refuses_every_lie() {
    let Some(pki) = Peer::StrongswanPki.find() else {
        return;
    };
    let help = run_bounded(std::process::Command::new(pki).arg("--help"));
    let version = help.stdout + &help.stderr;
    let version = version.lines().find(|line| line.contains("strongSwan"));
    let scene = Scene::new();
    Row::of(Client::StrongswanPki, version.unwrap_or_default(), |row| {
        let refusals = LieRefusals {
            forged_signature: "verification failed, invalid signature",
            expired: Some("ocsp response is stale"),
            stranger: "verification failed, no signer certificate",
            sibling: "verification failed, no signer certificate",
        };
        battery(row, &scene, Nonces::Always, refusals, |question| {
            ask(&scene, question)
        });
    });
}

fn ask(scene: &Scene, question: Question<'_>) -> Said {
    scene.write_certificate("asked.pem", question.subject.serial(), question.url);
    let mut pki = Peer::StrongswanPki.command().expect("found before");
    pki.args(["--verify", "--in", "asked.pem", "--online", "--debug", "1"])
        .args(["--cacert", "root_ca.pem", "--cacert", "intermediate_ca.pem"])
        .current_dir(scene.site.path());
    let run = run_bounded(&mut pki);
    // The intermediate's own status is asked for next, at the same place; the words up to there are about ours.
    let about_ours: Vec<&str> = run
        .stderr
        .lines()
        .map(str::trim)
        .skip_while(|line| !line.starts_with(CHECKING))
        .skip(1)
        .take_while(|line| !line.starts_with(CHECKING))
        .collect();
    let says = |part: &str| about_ours.iter().find(|line| line.contains(part));
    let verdict = run.stdout.trim();
    let words = |line: &str| {
        // "… after 3 ms" is not the same twice.
        let line = line.split(" after ").next().unwrap_or(line);
        format!("exit {}: {verdict}; {line}", run.code.unwrap_or(-1))
    };
    let signed = says("ocsp response correctly signed by").is_some();
    if signed && let Some(line) = says("certificate status is good") {
        return Said::Good(words(line));
    }
    if signed && let Some(line) = says("certificate was revoked on") {
        return Said::Revoked(words(line));
    }
    // Its way to say unknown; the same words as for an answer about other certificates only.
    if signed && let Some(line) = says("ocsp response contains no status on our certificate") {
        return Said::Unknown(words(line));
    }
    let parts = [
        "libcurl",
        "status:",
        "stale",
        "verification failed",
        "failed",
    ];
    let line = parts.into_iter().find_map(says);
    Said::Refused(words(line.unwrap_or_else(|| panic!("{run:?}"))))
}

const CHECKING: &str = "checking certificate status of";
