//! `openssl ocsp`: HTTP/1.0 POST.  Its exit code is 0 for a revoked certificate, so its words are read.

use crate::matrix::{Client, Row};
use crate::scene::{LieRefusals, Nonce, Nonces, Question, Said, Scene, battery, openssl_reason};
use crate::site::Site;
use ocspry_testkit::{Authority, KeyKind, Peer, Run, pem, run_bounded};

#[test]
fn openssl_tells_good_revoked_and_unknown_apart_and_refuses_every_lie() {
    let Some(version) = Peer::Openssl.version(&["version"]) else {
        return;
    };
    let version = version.split(" (").next().unwrap();
    let scene = Scene::new();
    Row::of(Client::OpensslOcsp, version, |row| {
        let refusals = LieRefusals {
            forged_signature: "Response Verify Failure: signature failure",
            expired: Some("Status times invalid.: status expired"),
            stranger: "unable to get local issuer certificate",
            sibling: "root ca not trusted",
        };
        battery(row, &scene, Nonces::Both, refusals, |question| {
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
        let reason = openssl_reason(run);
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        return Said::Refused(format!("exit {}: {words}{reason}", run.code.unwrap_or(-1)));
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
    let warning = line("WARNING").map_or_else(String::new, |line| format!("; {line}"));
    let words = format!("exit {}: {status}{warning}", run.code.unwrap_or(-1));
    match status.as_str() {
        "good" => Said::Good(words),
        "revoked" => Said::Revoked(words),
        "unknown" => Said::Unknown(words),
        _ => Said::Refused(format!("{run:?}")),
    }
}

#[test]
fn openssl_gets_what_it_asks_for_with_each_hash_and_several_certificates_at_once() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let scene = Scene::new();
    for hash in ["-sha1", "-sha256", "-sha384", "-sha512"] {
        for nonce in ["-nonce", "-no_nonce"] {
            let mut openssl = Peer::Openssl.command().expect("found before");
            openssl
                .args([
                    "ocsp",
                    "-issuer",
                    "intermediate_ca.pem",
                    "-CAfile",
                    "root_ca.pem",
                ])
                .args([hash, "-cert", "server.pem", hash, "-cert", "revoked.pem"])
                .args([
                    hash,
                    "-serial",
                    "0x1234",
                    nonce,
                    "-url",
                    &scene.ocspry.url(),
                ])
                .current_dir(scene.site.path());
            let run = run_bounded(&mut openssl);
            for line in ["server.pem: good", "revoked.pem: revoked", "0x1234: good"] {
                crate::site::assert_openssl_says(&run, line);
            }
        }
    }
}

#[test]
fn openssl_is_told_unknown_of_a_strangers_certificate_and_needs_the_responder_named_to_believe_it()
{
    if Peer::Openssl.find().is_none() {
        return;
    }
    let scene = Scene::new();
    let stranger = Authority::root("A stranger", KeyKind::P256);
    scene
        .site
        .write("stranger_ca.pem", stranger.certificate_pem());
    let theirs = pem("CERTIFICATE", &stranger.server("theirs.example", &[0x77]));
    scene.site.write("theirs.pem", theirs);
    let ask = |trusted: &[&str]| {
        let mut openssl = Peer::Openssl.command().expect("found before");
        openssl
            .args([
                "ocsp",
                "-issuer",
                "intermediate_ca.pem",
                "-cert",
                "server.pem",
            ])
            .args(["-issuer", "stranger_ca.pem", "-cert", "theirs.pem"])
            .args([
                "-CAfile",
                "root_ca.pem",
                "-nonce",
                "-url",
                &scene.ocspry.url(),
            ])
            .args(trusted)
            .current_dir(scene.site.path());
        run_bounded(&mut openssl)
    };
    let run = ask(&["-VAfile", "ocsp.pem"]);
    crate::site::assert_openssl_says(&run, "server.pem: good");
    crate::site::assert_openssl_says(&run, "theirs.pem: unknown");
    // One delegate cannot be that of two CAs, so without a name openssl refuses the whole answer.
    let run = ask(&[]);
    assert!(run.stderr.contains("Response Verify Failure"), "{run:?}");
}
