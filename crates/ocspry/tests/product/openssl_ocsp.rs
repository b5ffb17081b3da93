//! `ocspry ocsp`: the line that starts OpenSSL's responder, one word changed; beside that responder, on the same index, and
//! asked by OpenSSL's client.

use crate::site::{GOOD, LATER, NOTICE_WAIT_MAX, OCSPRY, REVOKED, Site};
use ocspry_testkit::{
    ForegroundPeer, HttpClient, KeyKind, Peer, Run, run_bounded, wait_for_some, wait_until,
};
use ocspry_wire::ocsp::{CertStatus, CrlReason};
use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// GOOD is valid, REVOKED revoked, LATER expired.
const INDEX: &str = "\
V\t20491231235959Z\t\t1A2B3C\tunknown\t/CN=server.example
R\t20491231235959Z\t261101000000Z,keyTime,20261031000000Z\t4D5E6F\tunknown\t/CN=revoked.example
E\t200101000000Z\t\t707172\tunknown\t/CN=later.example
R\t491231235959Z\t261102000000Z\t01\tunknown\t/CN=without-reason.example
R\t491231235959Z\t261103000000Z,holdInstruction,holdInstructionReject\t02\tunknown\t/CN=hold.example
R\t491231235959Z\t261104000000Z,superseded\t03\tunknown\t/CN=superseded.example
";

/// What every line needs, as it is written for OpenSSL.
const LINE: &[&str] = &[
    "-index",
    "index.txt",
    "-port",
    "0",
    "-rsigner",
    "ocsp.pem",
    "-rkey",
    "ocsp.key",
    "-CA",
    "intermediate_ca.pem",
];

/// A responder that has said where it listens.
struct Responder {
    peer: ForegroundPeer,
    port: u16,
    id: u32,
}

impl Responder {
    fn start(mut command: Command, site: &Site, flags: &[&str]) -> Responder {
        command.arg("ocsp").args(LINE).args(flags);
        command.current_dir(site.path());
        let peer = ForegroundPeer::start(&mut command);
        let line = peer
            .wait_for_line("ACCEPT ", NOTICE_WAIT_MAX)
            .unwrap_or_else(|| panic!("{command:?} does not listen:\n{peer}"));
        let address = line.split(' ').nth(1).unwrap();
        let port = address.rsplit(':').next().unwrap().parse().unwrap();
        let id = line.rsplit("PID=").next().unwrap().parse().unwrap();
        Responder { peer, port, id }
    }

    fn ours(site: &Site, flags: &[&str]) -> Responder {
        Responder::start(ocspry(site), site, flags)
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// What a client of ours hears of this serial.
    fn status(&self, site: &Site, serial: &[u8]) -> CertStatus {
        let mut client = HttpClient::connect(self.port).unwrap();
        site.ask(&mut client, &site.request(serial)).single().status
    }

    /// Waits until it ends by itself.
    fn wait_for_end(&mut self) {
        let ended = wait_for_some(NOTICE_WAIT_MAX, || self.peer.has_ended().then_some(()));
        ended.unwrap_or_else(|| panic!("it goes on:\n{}", self.peer));
    }
}

fn ocspry(site: &Site) -> Command {
    let mut command = Command::new(OCSPRY);
    command.env("STATE_DIRECTORY", site.file("state"));
    command
}

fn site() -> Site {
    let site = Site::new();
    site.write("index.txt", INDEX);
    site
}

/// OpenSSL's client, about these serials.
fn openssl_asks(site: &Site, url: &str, before: &[&str], serials: &[&str]) -> Run {
    let mut arguments = vec![
        "ocsp",
        "-issuer",
        "intermediate_ca.pem",
        "-CAfile",
        "root_ca.pem",
    ];
    arguments.extend(before);
    arguments.extend(["-url", url]);
    for serial in serials {
        arguments.extend(["-serial", serial]);
    }
    site.openssl(&arguments).unwrap()
}

/// What OpenSSL says of each certificate, without the times of the answer: those are the responder's own.
fn verdicts(run: &Run) -> Vec<String> {
    assert!(run.stderr.contains("Response verify OK"), "{run:?}");
    let is_of_the_answer =
        |line: &&str| line.contains("This Update") || line.contains("Next Update");
    let lines = run.stdout.lines().filter(|line| !is_of_the_answer(line));
    lines.map(str::to_owned).collect()
}

/// A refused line: its exit code and what it says.
fn refused(site: &Site, flags: &[&str]) -> (Option<i32>, String) {
    let run = run_bounded(
        ocspry(site)
            .arg("ocsp")
            .args(flags)
            .current_dir(site.path()),
    );
    assert_eq!(run.stdout, "");
    (run.code, run.stderr)
}

#[test]
fn openssl_hears_the_same_of_an_index_from_us_as_from_its_own_responder() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = site();
    let theirs = Responder::start(Peer::Openssl.command().unwrap(), &site, &[]);
    let ours = Responder::ours(&site, &[]);
    let serials = ["0x1A2B3C", "0x4D5E6F", "1", "2", "3", "0x99"];
    for before in [&["-no_nonce"][..], &["-nonce"], &["-sha256"], &["-sha512"]] {
        let from_them = verdicts(&openssl_asks(&site, &theirs.url(), before, &serials));
        let from_us = verdicts(&openssl_asks(&site, &ours.url(), before, &serials));
        assert_eq!(from_us, from_them, "{before:?}");
        let all = from_us.join("\n");
        for line in [
            "0x1A2B3C: good",
            "0x4D5E6F: revoked",
            "\tReason: keyCompromise",
            "0x99: unknown",
        ] {
            assert!(all.contains(line), "no {line:?} in {all}");
        }
    }
    // OpenSSL leaves an expired certificate out of its answer; it was issued, and is not revoked.
    let expired = openssl_asks(&site, &ours.url(), &[], &["0x707172"]);
    assert_eq!(verdicts(&expired), ["0x707172: good"]);
    let CertStatus::Revoked(info) = ours.status(&site, REVOKED) else {
        panic!("not revoked");
    };
    assert_eq!(info.revocation_time.to_string(), "2026-11-01T00:00:00Z");
    assert_eq!(info.reason, Some(CrlReason::KeyCompromise));
    assert_eq!(
        info.invalidity_date.map(|date| date.to_string()).as_deref(),
        Some("2026-10-31T00:00:00Z")
    );
}

#[test]
fn a_ca_that_nobody_named_is_unknown_as_openssl_has_it() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = site();
    let flags = ["-ndays", "1"];
    for responder in [
        Responder::start(Peer::Openssl.command().unwrap(), &site, &flags),
        Responder::ours(&site, &flags),
    ] {
        // Its answers verify under the CA that it was given.
        let run = site
            .openssl(&[
                "ocsp",
                "-issuer",
                "root_ca.pem",
                "-CAfile",
                "root_ca.pem",
                "-verify_other",
                "intermediate_ca.pem",
                "-noverify",
                "-url",
                &responder.url(),
                "-serial",
                "0x1A2B3C",
            ])
            .unwrap();
        assert!(run.stdout.starts_with("0x1A2B3C: unknown"), "{run:?}");
    }
}

#[test]
fn the_index_is_followed_as_openssl_ca_replaces_it() {
    let site = site();
    let responder = Responder::ours(&site, &[]);
    assert_eq!(responder.status(&site, GOOD), CertStatus::Good);
    let revoked = INDEX.replacen(
        "V\t20491231235959Z\t\t1A2B3C",
        "R\t20491231235959Z\t261105000000Z,CACompromise\t1A2B3C",
        1,
    );
    // index.txt becomes index.txt.old, and index.txt.new index.txt.
    site.write("index.txt.new", revoked);
    fs::rename(site.file("index.txt"), site.file("index.txt.old")).unwrap();
    fs::rename(site.file("index.txt.new"), site.file("index.txt")).unwrap();
    let reason = wait_for_some(NOTICE_WAIT_MAX, || match responder.status(&site, GOOD) {
        CertStatus::Revoked(info) => Some(info.reason),
        CertStatus::Good | CertStatus::Unknown => None,
    });
    assert_eq!(reason, Some(Some(CrlReason::CaCompromise)));
}

#[test]
fn answers_name_their_signer_by_its_subject_unless_by_key_is_asked_for() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = site();
    for (flags, by_name, encloses) in [
        (&[][..], true, true),
        (&["-resp_key_id"], false, true),
        (&["-resp_no_certs"], true, false),
        (&["-resp_key_id", "--resp_no_certs"], false, false),
    ] {
        let from_us = Responder::ours(&site, flags);
        let from_them = Responder::start(Peer::Openssl.command().unwrap(), &site, flags);
        for responder in [from_us, from_them] {
            let before = ["-resp_text", "-noverify"];
            let text = openssl_asks(&site, &responder.url(), &before, &["1"]).stdout;
            let id = text
                .lines()
                .find_map(|line| line.trim().strip_prefix("Responder Id: "));
            assert_eq!(id.unwrap().starts_with("CN"), by_name, "{flags:?}: {text}");
            assert_eq!(
                text.contains("BEGIN CERTIFICATE"),
                encloses,
                "{flags:?}: {text}"
            );
        }
    }
}

#[test]
fn more_certificates_are_enclosed_behind_the_signers() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = site();
    let flags = ["-rother", "intermediate_ca.pem"];
    let ours = Responder::ours(&site, &flags);
    let theirs = Responder::start(Peer::Openssl.command().unwrap(), &site, &flags);
    let certificates = |responder: &Responder| {
        let before = ["-resp_text", "-noverify"];
        let text = openssl_asks(&site, &responder.url(), &before, &["1"]).stdout;
        let from = text.find("\nCertificate:").unwrap();
        let to = text.rfind("END CERTIFICATE").unwrap();
        text[from..to].to_owned()
    };
    let ours = certificates(&ours);
    assert_eq!(ours.matches("BEGIN CERTIFICATE").count(), 2);
    assert_eq!(ours, certificates(&theirs));
}

#[test]
fn an_answer_lives_as_many_days_and_minutes_as_were_given() {
    let site = site();
    for (flags, seconds) in [
        (&["-ndays", "7"][..], 7 * 86_400),
        (&["-nmin", "90"], 5400),
        (&["-ndays=1", "-nmin=1"], 86_460),
        (&[], 12 * 3600),
    ] {
        let responder = Responder::ours(&site, flags);
        let mut client = HttpClient::connect(responder.port).unwrap();
        let single = site.ask(&mut client, &site.request(GOOD)).single();
        let life = single.next_update.seconds_since(single.this_update);
        // thisUpdate is when the index was read; nextUpdate counts from the answer.
        assert!((seconds..seconds + 60).contains(&life), "{flags:?}: {life}");
    }
}

#[test]
fn the_signature_is_over_the_hash_that_was_asked_for() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = Site::with_keys(KeyKind::P256, KeyKind::Rsa2048);
    site.write("index.txt", INDEX);
    for (hash, algorithm) in [
        ("sha256", "sha256WithRSAEncryption"),
        ("SHA-384", "sha384WithRSAEncryption"),
        ("SHA2-512", "sha512WithRSAEncryption"),
    ] {
        let flags = ["-rmd", hash, "-rsigopt", "rsa_padding_mode:pkcs1"];
        let responder = Responder::ours(&site, &flags);
        let run = openssl_asks(&site, &responder.url(), &["-resp_text"], &["1"]);
        assert!(run.stderr.contains("Response verify OK"), "{run:?}");
        assert!(run.stdout.contains(algorithm), "{hash}: {run:?}");
    }
}

#[test]
fn it_ends_after_the_number_of_requests_that_was_given() {
    let site = site();
    let mut responder = Responder::ours(&site, &["-nrequest", "3"]);
    for _ in 0..2 {
        assert_eq!(responder.status(&site, GOOD), CertStatus::Good);
        assert!(!responder.peer.has_ended());
    }
    // What is no request at all does not count; a malformed one does, and ends nothing before its time.
    let mut client = HttpClient::connect(responder.port).unwrap();
    assert_eq!(client.get("/favicon.ico").unwrap().status, 404);
    let malformed = client.post(b"no request").unwrap();
    assert_eq!(malformed.body, [0x30, 0x03, 0x0a, 0x01, 0x01]);
    responder.wait_for_end();
}

#[test]
fn a_client_that_says_nothing_is_left_after_the_time_that_was_given() {
    let site = site();
    let responder = Responder::ours(&site, &["-timeout", "1"]);
    let mut stream = TcpStream::connect(("127.0.0.1", responder.port)).unwrap();
    // Well under the half minute that is usual.
    stream.set_read_timeout(Some(NOTICE_WAIT_MAX)).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert_eq!(responder.status(&site, GOOD), CertStatus::Good);
}

#[test]
fn as_many_threads_answer_as_were_given() {
    let site = site();
    for count in [1, 3] {
        let responder = Responder::ours(&site, &["-multi", &count.to_string()]);
        // A thread names itself once it runs.
        wait_until("as many threads as were given", NOTICE_WAIT_MAX, || {
            let tasks = fs::read_dir(format!("/proc/{}/task", responder.id)).unwrap();
            let answering = tasks
                .filter_map(|task| fs::read_to_string(task.unwrap().path().join("comm")).ok())
                .filter(|name| name.starts_with("ocspry-http-"));
            answering.count() == count
        });
    }
}

/// The text of OpenSSL, as far as we print the same: names without spaces, and no certificates in full.
fn comparable(text: &str) -> Vec<String> {
    let certificates = text.find("\nCertificate:").unwrap_or(text.len());
    let lines = text[..certificates].lines();
    lines.map(|line| line.replace(" = ", "=")).collect()
}

#[test]
fn requests_and_answers_are_printed_as_openssl_prints_them() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = site();
    for (flags, to_file) in [
        (&["-text", "-nrequest", "1"][..], false),
        (
            &["-text", "-nrequest", "1", "-resp_key_id", "-out", "log.txt"],
            true,
        ),
    ] {
        for before in [&["-nonce"][..], &["-no_nonce", "-sha512"]] {
            let mut responder = Responder::ours(&site, flags);
            let mut theirs = before.to_vec();
            theirs.push("-text");
            let serials = ["0x1A2B3C", "0x4D5E6F", "0xF1F2F3F4", "1", "2"];
            let run = openssl_asks(&site, &responder.url(), &theirs, &serials);
            assert!(run.stderr.contains("Response verify OK"), "{run:?}");
            responder.wait_for_end();
            let printed = responder.peer.stop().stdout;
            let printed = match to_file {
                true => fs::read_to_string(site.file("log.txt")).unwrap(),
                false => printed.split_once('\n').unwrap().1.to_owned(),
            };
            assert_eq!(comparable(&printed), comparable(&run.stdout), "{flags:?}");
            assert!(printed.contains("BEGIN CERTIFICATE"), "{printed}");
        }
    }
}

#[test]
fn only_what_was_asked_for_is_printed_and_a_refusal_in_any_case() {
    let site = site();
    let mut responder = Responder::ours(&site, &["-req_text", "-nrequest", "2", "-ignore_err"]);
    assert_eq!(responder.status(&site, GOOD), CertStatus::Good);
    HttpClient::connect(responder.port)
        .unwrap()
        .post(b"no request")
        .unwrap();
    responder.wait_for_end();
    let printed = responder.peer.stop().stdout;
    assert!(printed.contains("OCSP Request Data:"), "{printed}");
    assert!(!printed.contains("OCSP Response Data:"), "{printed}");
    assert!(
        printed.contains("Responder Error: malformedrequest (1)\n"),
        "{printed}"
    );
}

#[test]
fn the_passphrase_comes_from_a_file_a_descriptor_a_variable_or_standard_input() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = site();
    let run = site.shell(
        None,
        "openssl pkcs8 -topk8 -in ocsp.key -passout pass:open-sesame -v2 aes256 -out locked.key",
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    site.write("passphrase", "open-sesame\n");
    for (source, shell) in [
        ("file:passphrase", ""),
        ("fd:7", "7< passphrase"),
        ("env:KEY_PASSPHRASE", ""),
        ("stdin", "< passphrase"),
    ] {
        // One shell in between: descriptors are its own business.
        let mut command = Command::new("/bin/sh");
        command.args([
            "-c",
            &format!("shift 0; exec \"$0\" \"$@\" {shell}"),
            OCSPRY,
        ]);
        command.env("STATE_DIRECTORY", site.file("state"));
        command.env("KEY_PASSPHRASE", "open-sesame");
        let flags = ["-rkey", "locked.key", "-passin", source];
        let responder = Responder::start(command, &site, &flags);
        assert_eq!(responder.status(&site, GOOD), CertStatus::Good, "{source}");
    }
    for (source, says) in [
        ("pass:open-sesame", "-passin file:FILE"),
        ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
        ("fd:", "no source that is known"),
        ("vault:x", "no source that is known"),
    ] {
        let flags = [LINE, &["-passin", source]].concat();
        let (code, said) = refused(&site, &flags);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(says), "{said}");
        assert!(!said.contains("open-sesame"), "{said}");
    }
}

#[test]
fn a_key_may_stand_beside_its_certificate() {
    let site = site();
    let both = [
        fs::read_to_string(site.file("ocsp.pem")).unwrap(),
        fs::read_to_string(site.file("ocsp.key")).unwrap(),
    ];
    site.write("both.pem", both.concat());
    // Of a flag that stands there twice the last counts.
    let responder = Responder::ours(&site, &["-rsigner", "both.pem", "-rkey", "both.pem"]);
    assert_eq!(responder.status(&site, GOOD), CertStatus::Good);
    let mut command = ocspry(&site);
    command
        .args([
            "ocsp",
            "-index",
            "index.txt",
            "-port",
            "0",
            "-CA",
            "intermediate_ca.pem",
        ])
        .args(["-rsigner", "both.pem"])
        .current_dir(site.path());
    let peer = ForegroundPeer::start(&mut command);
    assert!(
        peer.wait_for_line("ACCEPT ", NOTICE_WAIT_MAX).is_some(),
        "{peer}"
    );
}

#[test]
fn of_several_cas_those_are_answered_for_that_issued_the_responder_certificate() {
    let site = site();
    let chain = [site.root.certificate_pem(), site.ca.certificate_pem()].concat();
    site.write("chain.pem", &chain);
    let responder = Responder::ours(&site, &["-CA", "chain.pem"]);
    assert_eq!(responder.status(&site, GOOD), CertStatus::Good);
    let finished = responder.peer.stop();
    assert!(
        finished
            .stderr
            .contains("did not issue the responder certificate"),
        "{}",
        finished.stderr
    );
    // None of them did: that is said, and nothing is served.
    let flags = [LINE, &["-CA", "root_ca.pem"]].concat();
    let (code, said) = refused(&site, &flags);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("a responder certificate must come from the CA it answers for"),
        "{said}"
    );
}

#[test]
fn flags_of_the_client_are_refused_with_the_line_to_use_instead() {
    let site = site();
    let line = [
        "-issuer",
        "ca.pem",
        "-cert",
        "it's mine.pem",
        "-url",
        "http://ocsp.example/",
        "-CAfile",
        "r.pem",
    ];
    let (code, said) = refused(&site, &line);
    assert_eq!(code, Some(2));
    assert!(
        said.contains(
            "openssl ocsp -issuer ca.pem -cert 'it'\\''s mine.pem' -url http://ocsp.example/ -CAfile r.pem\n"
        ),
        "{said}"
    );
    for flag in [
        "-url", "-issuer", "-cert", "-reqin", "-respin", "-host", "-path", "-serial", "-VAfile",
        "-CAfile", "-sha256",
    ] {
        let (code, said) = refused(&site, &[flag, "x"]);
        assert_eq!(code, Some(2), "{flag}");
        assert!(
            said.contains(&format!("{flag} is a flag of the client")),
            "{said}"
        );
        let (_, said) = refused(&site, &[LINE, &[flag, "x"]].concat());
        assert!(said.contains("leave it out"), "{said}");
    }
    for (flags, says) in [
        (&["-badsig"][..], "-badsig is not there"),
        (&["-indx", "i"], "did you mean -index?"),
        (&["-index"], "-index needs a value"),
        (&["-text=yes"], "-text takes no value"),
        (&["-port", "http"], "-port takes a whole number"),
        (&["-rmd", "sha1"], "sha256, sha384 or sha512"),
        (&["-rsigopt", "rsa_padding_mode:pss"], "PKCS#1 v1.5"),
        (
            &["-index", "i", "-port", "1", "-rsigner", "r"],
            "-CA is missing",
        ),
    ] {
        let (code, said) = refused(&site, flags);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(says), "{said}");
    }
}

/// The words behind a dash, in whatever stands around them.
fn flags_in(text: &str) -> BTreeSet<&str> {
    let words =
        text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "-_".contains(letter)));
    let flags = words.filter_map(|word| word.strip_prefix('-'));
    flags.filter(|flag| !flag.is_empty()).collect()
}

#[test]
fn the_help_and_the_reference_name_the_same_flags() {
    let site = site();
    let run = run_bounded(ocspry(&site).args(["ocsp", "--help"]));
    assert_eq!(run.code, Some(0), "{run:?}");
    let help: String = run
        .stdout
        .lines()
        .filter(|line| line.starts_with("  -"))
        .collect();
    let reference = include_str!("../../../../docs/reference/openssl-ocsp.md");
    let table: String = reference
        .split("\n## ")
        .find(|section| section.starts_with("Flags of the responder"))
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("| `-"))
        .map(|line| format!("-{} ", line.replace("`-help`", "")))
        .collect();
    let mut in_help = flags_in(&help);
    in_help.insert("help");
    assert_eq!(in_help, flags_in(&table));
}

#[test]
fn it_listens_on_all_addresses_as_openssl_does() {
    let site = site();
    let responder = Responder::ours(&site, &[]);
    let from = format!("[::1]:{}", responder.port);
    // Where the kernel has no IPv6, it is IPv4 alone.
    if Path::new("/proc/net/if_inet6").exists()
        && fs::read_to_string("/proc/net/if_inet6")
            .unwrap()
            .contains("lo")
    {
        assert!(TcpStream::connect(from).is_ok());
    }
    assert_eq!(responder.status(&site, LATER), CertStatus::Good);
}
