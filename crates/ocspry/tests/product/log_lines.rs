//! What the log says, at which level, and what it does not say.

use crate::site::{CONFIGURATION, GOOD, NOTICE_WAIT_MAX, Site, says_revoked};
use ocspry_testkit::{
    CertificateSpec, CrlSpec, HttpClient, KeyKind, OcspryProcess, TerminationSignal, TestKey, now,
    pem, wait_until,
};
use ocspry_wire::ocsp::CertStatus;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;

#[test]
fn a_request_is_a_line_at_debug_and_none_without() {
    let site = Site::new();
    let ask_twice = |process: &OcspryProcess| {
        let mut client = process.connect();
        for _ in 0..2 {
            site.ask(&mut client, &site.request(GOOD)).single();
        }
    };
    let process = site.serve().env("OCSPRY_LOG", "debug").start();
    let mark = process.log_mark();
    ask_twice(&process);
    let line = process.wait_for_log_after(mark, "answered", NOTICE_WAIT_MAX);
    assert!(line.contains("DEBUG"), "{line}");
    let log = process.stop().stderr;
    assert_eq!(log.matches("answered").count(), 2, "{log}");

    let process = site.serve().start();
    process.wait_for_log("serving", NOTICE_WAIT_MAX);
    ask_twice(&process);
    let log = process.stop().stderr;
    let between: Vec<&str> = log
        .lines()
        .skip_while(|line| !line.contains("serving"))
        .skip(1)
        .take_while(|line| !line.contains("SIGTERM received"))
        .collect();
    assert!(between.is_empty(), "{between:?}");
    assert!(!log.contains("DEBUG"), "{log}");
}

#[test]
fn a_list_in_its_last_fifth_is_a_warning_and_an_expired_one_an_error() {
    let site = Site::new();
    let serve = site.serve();
    // 40 s long, 10 s of it left: the last fifth begins in 2 s.
    let crl = CrlSpec::new(11)
        .made_at(now().plus_seconds(-30))
        .until(now().plus_seconds(10));
    site.write_crl(&crl);
    let process = serve.start();
    let line = process.wait_for_log("no newer one is there", NOTICE_WAIT_MAX);
    assert!(
        line.contains("WARN") && line.contains("the CRL ends on"),
        "{line}"
    );
    let line = process.wait_for_log("tryLater until a newer one comes", NOTICE_WAIT_MAX);
    assert!(line.contains("ERROR"), "{line}");
    let log = process.log();
    assert_eq!(process.log_count("no newer one is there"), 1, "{log}");
}

#[test]
fn a_signer_in_its_last_fifth_is_a_warning_and_an_expired_one_an_error() {
    let site = Site::new();
    let key = TestKey::generate(KeyKind::P256);
    site.write("ocsp.key", key.pkcs8_pem());
    let serve = site.serve();
    let mut spec = CertificateSpec::responder("Responder with seconds left");
    spec.not_before = now().plus_seconds(-30);
    spec.not_after = now().plus_seconds(10);
    let certificate = site.ca.issue(&spec, &key.public_key_info());
    site.write("ocsp.pem", pem("CERTIFICATE", &certificate));
    let process = serve.start();
    let line = process.wait_for_log(": renew it", NOTICE_WAIT_MAX);
    assert!(line.contains("WARN"), "{line}");
    let line = process.wait_for_log("tryLater until it is renewed", NOTICE_WAIT_MAX);
    assert!(line.contains("ERROR"), "{line}");
}

#[test]
fn on_request_a_line_is_one_json_object_with_time_level_and_fields() {
    let site = Site::new();
    let process = site.serve().args(["--log-format", "json"]).start();
    process.wait_for_log("serving", NOTICE_WAIT_MAX);
    let lines = json_lines(&process.stop().stderr);
    let in_use = lines
        .iter()
        .find(|line| text(line, "message").starts_with("CRL 10 in use"))
        .unwrap();
    assert_eq!(text(in_use, "level"), "INFO");
    assert_eq!(text(in_use, "issuer"), "intermediate_ca");
    assert_eq!(text(in_use, "path"), "crl.pem");
    let time = text(in_use, "timestamp");
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
}

#[test]
fn the_key_asks_for_json_as_the_flag_does_and_another_word_is_refused() {
    let site = Site::new();
    let configuration = |format: &str| {
        let top = format!("log-format = \"{format}\"\n");
        CONFIGURATION.replacen("version = 1\n", &format!("version = 1\n{top}"), 1)
    };
    site.write("ocspry.toml", configuration("json"));
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    process.wait_for_log("serving", NOTICE_WAIT_MAX);
    assert!(!json_lines(&process.stop().stderr).is_empty());
    site.write("ocspry.toml", configuration("xml"));
    let refused = site.ocspry().args(["serve", "-c", "ocspry.toml"]).run();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("log-format"), "{refused:?}");
}

#[test]
fn a_line_for_the_journal_begins_with_its_priority_and_has_no_time_of_its_own() {
    let site = Site::new();
    let (reader, writer) = std::io::pipe().unwrap();
    let found = rustix::fs::fstat(&writer).unwrap();
    let serve = |format: &str, stream: String| {
        site.serve()
            .args(["--log-format", format])
            .env("JOURNAL_STREAM", stream)
    };
    let named = format!("{}:{}", found.st_dev, found.st_ino);
    let process = serve("text", named.clone()).stderr(writer).start();
    let mut lines = BufReader::new(reader).lines();
    let mut line_with = |part: &str| {
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(part))
            .unwrap()
    };
    let line = line_with("serving");
    assert!(line.starts_with("<6>"), "{line}");
    assert!(!line.contains(&now().to_string()[..4]), "{line}");
    site.write("crl.pem", b"not a list");
    let line = line_with("is not a CRL");
    assert!(line.starts_with("<3>"), "{line}");
    drop(process);
    site.write_crl(&site.first_crl());
    // Redirected: the variable names another stream, and nothing stands before a line.
    let process = serve("json", named).start();
    process.wait_for_log("serving", NOTICE_WAIT_MAX);
    assert!(!json_lines(&process.stop().stderr).is_empty());
}

#[test]
fn a_problem_that_repeats_is_one_line_and_its_end_is_another() {
    let site = Site::new();
    site.write("overlay", "# nothing yet\n");
    let sources = "[{ crl = \"crl.pem\" }, { overlay = \"overlay\" }]";
    let configuration = CONFIGURATION.replace("[{ crl = \"crl.pem\" }]", sources);
    site.write("ocspry.toml", configuration);
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    let key = fs::read(site.file("ocsp.key")).unwrap();
    // The same problems, there at each of some looks: what the overlay says is seen by the look that sees them.
    let mut overlay = String::new();
    for serial in [&[0x11][..], &[0x22], &[0x33], &[0x44]] {
        site.replace("crl.pem", "not a list");
        site.replace("ocsp.key", "not a key");
        overlay += &format!("{:02x} keyCompromise\n", serial[0]);
        site.replace("overlay", &overlay);
        site.ask_until(&process, serial, NOTICE_WAIT_MAX, says_revoked);
    }
    process.wait_for_log("still so", NOTICE_WAIT_MAX);
    site.write_crl(&CrlSpec::new(11));
    process.wait_for_log("CRL 11 in use", NOTICE_WAIT_MAX);
    site.replace("ocsp.key", &key);
    process.wait_for_log("the files hold the signer in use again", NOTICE_WAIT_MAX);
    let log = process.log();
    for part in [
        "is not a CRL",
        "CRL 11 in use",
        // Of what may be a renewal in the making the first look says so, the second warns.
        "goes on until certificate and key fit",
        "still so",
        "hold the signer in use again",
    ] {
        assert_eq!(process.log_count(part), 1, "{part}: {log}");
    }
}

#[test]
fn a_rotated_log_file_is_let_go_without_a_signal_and_no_line_is_lost() {
    let site = Site::new();
    let process = site
        .serve()
        .args(["--log-file", "ocspry.log", "--cache-ttl", "1"])
        .start();
    wait_until("the first file", NOTICE_WAIT_MAX, || {
        log_file(&site, "ocspry.log").contains("serving")
    });
    fs::rename(site.file("ocspry.log"), site.file("ocspry.log.1")).unwrap();
    let mut number = 10;
    wait_until("a new file", NOTICE_WAIT_MAX, || {
        number += 1;
        site.write_crl(&CrlSpec::new(number));
        let part = format!("CRL {number} in use");
        wait_until("the line", NOTICE_WAIT_MAX, || {
            [
                log_file(&site, "ocspry.log"),
                log_file(&site, "ocspry.log.1"),
            ]
            .concat()
            .contains(&part)
        });
        site.file("ocspry.log").exists()
    });
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    assert_eq!(process.log(), "");
    process.stop();
    let old = log_file(&site, "ocspry.log.1");
    let new = log_file(&site, "ocspry.log");
    assert!(old.contains("serving") && !new.contains("serving"));
    assert!(new.contains("stopped") && !old.contains("stopped"));
}

#[test]
fn a_full_disk_under_the_log_is_said_once_counted_and_marked_and_stops_no_answer() {
    let site = Site::new();
    symlink("/dev/full", site.file("ocspry.log")).unwrap();
    let process = site
        .serve()
        .args(["--log-file", "ocspry.log", "--admin", "127.0.0.1:0"])
        .args(["--log-format", "json"])
        .start();
    process.wait_for_log("serving", NOTICE_WAIT_MAX);
    process.signal(TerminationSignal::Reload);
    process.wait_for_log("reloaded: 1 issuer", NOTICE_WAIT_MAX);
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    let log = process.log();
    assert_eq!(process.log_count("cannot be written"), 1, "{log}");
    let unwritten = json_lines(&log).len() - 1;
    let counted = metric(&process, "ocspry_log_lines_unwritten_total");
    assert_eq!(counted, unwritten as u64, "{log}");

    fs::remove_file(site.file("ocspry.log")).unwrap();
    process.signal(TerminationSignal::Reload);
    wait_until("lines in the file", NOTICE_WAIT_MAX, || {
        log_file(&site, "ocspry.log").contains("reloaded")
    });
    let lines = json_lines(&log_file(&site, "ocspry.log"));
    let mark = text(&lines[0], "message");
    assert!(
        mark.ends_with("lines are missing here: the file could not be written"),
        "{mark}"
    );
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn a_hostile_name_cannot_break_a_line() {
    let site = Site::new();
    let key = TestKey::generate(KeyKind::P256);
    site.write("ocsp.key", key.pkcs8_pem());
    let hostile = "R\n2026-01-01 ERROR forged\r\u{1b}[31m\u{85}\u{2028}\"}";
    let spec = CertificateSpec::responder(hostile);
    let certificate = site.ca.issue(&spec, &key.public_key_info());
    site.write("ocsp.pem", pem("CERTIFICATE", &certificate));
    for format in ["text", "json"] {
        let process = site.serve().args(["--log-format", format]).start();
        let line = process.wait_for_log("signer in use", NOTICE_WAIT_MAX);
        assert!(line.contains("forged"), "{line}");
        let log = process.stop().stderr;
        let is_bare = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{2028}';
        assert!(!log.contains(is_bare), "{log:?}");
        assert!(
            log.lines().all(|line| !line.starts_with("2026-01-01 ")),
            "{log}"
        );
    }
}

/// A responder with a log of requests.
fn serve_recording(site: &Site, table: &str) -> OcspryProcess {
    let configuration =
        format!("{CONFIGURATION}\n[request-log]\nfile = \"requests.jsonl\"\n{table}");
    site.write("ocspry.toml", configuration);
    site.ocspry()
        .args(["serve", "-c", "ocspry.toml", "--admin", "127.0.0.1:0"])
        .start()
}

/// On one connection, and so of one worker.
fn ask_times(site: &Site, process: &OcspryProcess, count: usize) {
    let mut client = process.connect();
    for _ in 0..count {
        site.ask(&mut client, &site.request(GOOD)).single();
    }
}

#[test]
fn one_request_in_so_many_is_recorded_without_who_asked_unless_that_is_wanted() {
    let site = Site::new();
    let process = serve_recording(&site, "sample = \"1/3\"\n");
    ask_times(&site, &process, 10);
    process.stop();
    let lines = json_lines(&log_file(&site, "requests.jsonl"));
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in &lines {
        assert_eq!(text(line, "method"), "post");
        assert_eq!(text(line, "outcome"), "good");
        assert_eq!(line["status"], 200);
        assert!(line["body_bytes"].as_u64() > Some(100), "{line}");
        assert!(line["elapsed_us"].is_u64(), "{line}");
        assert!(line.get("peer").is_none(), "{line}");
    }
    let process = serve_recording(&site, "sample = \"1/1\"\naddresses = \"peer\"\n");
    ask_times(&site, &process, 2);
    process.stop();
    let lines = json_lines(&log_file(&site, "requests.jsonl"));
    assert_eq!(lines.len(), 5, "{lines:?}");
    assert_eq!(text(&lines[4], "peer"), "127.0.0.1");
}

#[test]
fn no_request_is_recorded_unless_asked_for() {
    let site = Site::new();
    let process = site.serve().start();
    ask_times(&site, &process, 3);
    let log = process.stop().stderr;
    assert!(!log.contains("good"), "{log}");
    assert!(!site.file("requests.jsonl").exists());
}

#[test]
fn a_log_of_requests_that_takes_nothing_holds_up_no_answer_and_is_counted_and_said_once() {
    let site = Site::new();
    symlink("/dev/full", site.file("requests.jsonl")).unwrap();
    let process = serve_recording(&site, "sample = \"1/1\"\n");
    ask_times(&site, &process, 5);
    let said = "requests.jsonl cannot be written";
    process.wait_for_log(said, NOTICE_WAIT_MAX);
    wait_until("all of them counted", NOTICE_WAIT_MAX, || {
        metric(&process, "ocspry_request_log_lines_unwritten_total") == 5
    });
    assert_eq!(process.log_count(said), 1, "{}", process.log());
}

#[test]
fn a_share_of_the_requests_that_is_none_is_refused() {
    let site = Site::new();
    for sample in ["0.001", "1/0", "2/3", "1/"] {
        let table = format!("\n[request-log]\nfile = \"r\"\nsample = \"{sample}\"\n");
        site.write("ocspry.toml", format!("{CONFIGURATION}{table}"));
        let refused = site.ocspry().args(["serve", "-c", "ocspry.toml"]).run();
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(
            refused.stderr.contains("one request in so many"),
            "{refused:?}"
        );
    }
}

/// What the admin listener says of one number.
fn metric(process: &OcspryProcess, name: &str) -> u64 {
    let admin = process.wait_for_stdout("admin listener at", NOTICE_WAIT_MAX);
    let port = admin
        .split_once("127.0.0.1:")
        .and_then(|(_, rest)| rest.split_once('/'))
        .and_then(|(port, _)| port.parse().ok())
        .unwrap();
    let page = HttpClient::connect(port).unwrap().get("/metrics").unwrap();
    let page = String::from_utf8(page.body).unwrap();
    let value = page
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    value
        .unwrap_or_else(|| panic!("no {name} in {page}"))
        .parse()
        .unwrap()
}

fn log_file(site: &Site, name: &str) -> String {
    fs::read_to_string(site.file(name)).unwrap_or_default()
}

/// Every line is an object.
fn json_lines(log: &str) -> Vec<Value> {
    log.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

fn text<'a>(line: &'a Value, field: &str) -> &'a str {
    line[field]
        .as_str()
        .unwrap_or_else(|| panic!("no {field} in {line}"))
}
