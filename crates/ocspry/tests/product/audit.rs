//! The audit stream as an auditor meets it: what the commands and `serve` write, and what happens when it cannot be written.

use crate::ledger_site::LedgerSite;
use crate::site::{CONFIGURATION, LATER, NOTICE_WAIT_MAX, Site};
use ocspry_core::crypto::sha256;
use ocspry_testkit::{CrlSpec, Finished, OcspryProcess, ScopeSpec, now, wait_until};
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::CertStatus;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Appended to a line of arguments.
pub(crate) const AUDIT: &str = "--audit-file audit.jsonl";

/// A CA with one certificate, a.pem, all of it audited.
pub(crate) fn audited() -> LedgerSite {
    let site = LedgerSite::empty();
    site.done(&format!(
        "ca init root --subject /CN=Root --no-passphrase --key root.key --out root.pem {AUDIT}"
    ));
    site.done(&format!(
        "cert sign root --new-key --key a.key --subject /CN=a.example.com --out a.pem --ticket REQ-1 {AUDIT}"
    ));
    site
}

/// What an audit file of the site has.
pub(crate) fn lines(site: &LedgerSite, name: &str) -> Vec<Value> {
    lines_of(&site.file(name))
}

fn lines_of(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines = text
        .split_inclusive('\n')
        .filter(|line| line.ends_with('\n'));
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

/// What the lines tell of.
pub(crate) fn events(lines: &[Value]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| line["event"].as_str().unwrap())
        .collect()
}

/// The numbers of the facts that the lines are made from.
pub(crate) fn facts(lines: &[Value]) -> Vec<u64> {
    lines
        .iter()
        .filter_map(|line| line["fact"].as_u64())
        .collect()
}

/// What `audit verify` says.
pub(crate) fn verify(site: &LedgerSite, files: &str) -> Finished {
    site.run(&format!("audit verify {files}"))
}

/// The same, where nothing is wrong.
pub(crate) fn is_whole(site: &LedgerSite, files: &str) -> String {
    let finished = verify(site, files);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(finished.stdout.contains("\nwhole: "), "{finished:?}");
    finished.stdout
}

/// The number of the last fact of the ledger.
pub(crate) fn last_fact(site: &LedgerSite) -> u64 {
    site.json("ledger check --json")["sequence"]
        .as_u64()
        .unwrap()
}

#[test]
fn each_act_is_told_once_in_order_with_who_and_why_and_before_it_the_use_of_the_key() {
    let site = audited();
    site.done(&format!(
        "cert revoke ./a.pem --yes --reason keyCompromise --ticket INC-7 {AUDIT}"
    ));
    site.done(&format!("ca tick root {AUDIT}"));
    // Nothing is due: nothing is written.
    let before = fs::read(site.file("audit.jsonl")).unwrap();
    site.done(&format!("ca tick root {AUDIT}"));
    assert_eq!(fs::read(site.file("audit.jsonl")).unwrap(), before);

    let lines = lines(&site, "audit.jsonl");
    assert_eq!(facts(&lines), (1..=last_fact(&site)).collect::<Vec<_>>());
    let signed: Vec<&str> = events(&lines)
        .into_iter()
        .skip_while(|event| *event != "command-begun")
        .skip(1)
        .skip_while(|event| *event != "command-begun")
        .take(4)
        .collect();
    assert_eq!(
        signed,
        [
            "command-begun",
            "ca-key-opened",
            "serial-reserved",
            "issued"
        ]
    );
    let issued = lines.iter().find(|line| line["event"] == "issued").unwrap();
    assert_eq!(issued["ca"], "root");
    assert_eq!(issued["subject"], "CN=a.example.com");
    assert_eq!(issued["ticket"], "REQ-1");
    let revoked = lines
        .iter()
        .find(|line| line["event"] == "revoked")
        .unwrap();
    assert_eq!(revoked["reason"], "keyCompromise");
    assert_eq!(revoked["ticket"], "INC-7");
    assert_eq!(revoked["serial"], issued["serial"]);
    assert!(
        revoked["actor"].as_str().unwrap().contains("uid"),
        "{revoked}"
    );
    // When it was first published.
    let published = lines
        .iter()
        .find(|line| line["event"] == "crl-published")
        .unwrap();
    assert!(
        published["covers"].as_u64() >= revoked["fact"].as_u64(),
        "{published}"
    );
    let verdict = is_whole(&site, "audit.jsonl");
    assert!(
        verdict.contains(&format!("{} lines, 1 to {0}, from ", lines.len())),
        "{verdict}"
    );
}

#[test]
fn what_ran_without_an_audit_file_is_told_by_the_next_command_that_has_one() {
    let site = audited();
    site.done("cert revoke ./a.pem --yes --reason certificateHold");
    site.done("cert revoke ./a.pem --release");
    let finished = site
        .ocspry()
        .args(["cert", "revoke", "./a.pem", "--yes"])
        .env("OCSPRY_AUDIT", site.file("audit.jsonl"))
        .run();
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let told = lines(&site, "audit.jsonl");
    assert_eq!(facts(&told), (1..=last_fact(&site)).collect::<Vec<_>>());
    let end: Vec<&str> = events(&told).into_iter().rev().take(4).collect();
    assert_eq!(end, ["revoked", "command-begun", "released", "held"]);
    // A new file has the whole history.
    site.done("ca edit root --ocsp-url http://o.example.com/ --audit-file other.jsonl");
    let told = lines(&site, "other.jsonl");
    assert_eq!(facts(&told), (1..=last_fact(&site)).collect::<Vec<_>>());
    is_whole(&site, "other.jsonl");
}

#[test]
fn what_cannot_be_written_down_is_not_done_and_nothing_is_signed() {
    let site = audited();
    symlink("/dev/full", site.file("full.jsonl")).unwrap();
    let before = last_fact(&site);
    for line in [
        "cert sign root --new-key --key b.key --subject /CN=b.example.com --out b.pem",
        "cert revoke ./a.pem --yes",
        "ca edit root --disable",
        "crl dump root --out root.crl",
        "ca renew root --out again.pem",
        "cert import root a.pem",
    ] {
        let said = site.refused(&format!("{line} --audit-file full.jsonl"));
        assert!(said.contains("nothing was done"), "{line}: {said}");
        assert!(
            said.contains("full.jsonl cannot be written"),
            "{line}: {said}"
        );
    }
    assert_eq!(last_fact(&site), before);
    for name in ["b.key", "b.pem", "root.crl", "again.pem"] {
        assert!(!site.file(name).exists(), "{name}");
    }
    let tick = site.run("ca tick --audit-file full.jsonl");
    assert_eq!(tick.code, Some(1), "{tick:?}");
    assert_eq!(last_fact(&site), before);
}

#[test]
fn a_disk_that_fills_up_after_the_act_loses_no_line() {
    let site = LedgerSite::empty();
    site.write("pass", "correct horse\n");
    site.done(&format!(
        "ca init root --subject /CN=Root --passphrase-file pass --key root.key {AUDIT}"
    ));
    // It waits for its passphrase when it has written that it opens the key; then nothing more finds room.
    let finished = site.shell(
        "{ until [ $(grep -c ca-key-opened audit.jsonl) = 2 ]; do :; done; \
         mv audit.jsonl kept; ln -s /dev/full audit.jsonl; cat pass; } | \
         $OCSPRY cert sign root --new-key --key a.key --subject /CN=a.example.com --out a.pem \
         --passphrase-fd 0 --audit-file audit.jsonl",
    );
    assert_eq!(finished.code, Some(0), "{finished:?}");
    assert!(
        finished.stderr.contains("warning: the audit file"),
        "{finished:?}"
    );
    assert!(
        finished.stderr.contains("is told with the next command"),
        "{finished:?}"
    );
    fs::rename(site.file("kept"), site.file("audit.jsonl")).unwrap();
    assert!(!events(&lines(&site, "audit.jsonl")).contains(&"issued"));
    site.done(&format!(
        "ca edit root --ocsp-url http://o.example.com/ {AUDIT}"
    ));
    let told = lines(&site, "audit.jsonl");
    assert!(events(&told).contains(&"issued"));
    assert_eq!(facts(&told), (1..=last_fact(&site)).collect::<Vec<_>>());
    is_whole(&site, "audit.jsonl");
}

#[test]
fn commands_at_once_write_whole_lines_and_use_no_number_twice() {
    let site = audited();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let site = &site;
            scope.spawn(move || {
                for round in 0..3 {
                    let url = format!("http://o{writer}{round}.example.com/");
                    site.done(&format!("ca edit root --ocsp-url {url} {AUDIT}"));
                }
            });
        }
    });
    let told = lines(&site, "audit.jsonl");
    let numbers: Vec<u64> = told
        .iter()
        .filter_map(|line| line["sequence"].as_u64())
        .collect();
    assert_eq!(numbers, (1..=told.len() as u64).collect::<Vec<_>>());
    assert_eq!(facts(&told), (1..=last_fact(&site)).collect::<Vec<_>>());
    assert_eq!(
        events(&told)
            .iter()
            .filter(|event| **event == "command-begun")
            .count(),
        14
    );
    is_whole(&site, "audit.jsonl");
}

#[test]
fn a_restored_ledger_is_told_on_when_it_is_reconciled_and_another_one_is_refused() {
    let site = audited();
    site.done("ledger backup backup.db");
    site.done(&format!("cert revoke ./a.pem --yes {AUDIT}"));
    let before = last_fact(&site);
    site.done(&format!("ledger restore backup.db --yes {AUDIT}"));
    site.done(&format!("ledger reconcile a.pem {AUDIT}"));
    site.done(&format!("cert revoke ./a.pem --yes {AUDIT}"));
    let told = lines(&site, "audit.jsonl");
    let events = events(&told);
    for event in ["ledger-restored", "reconciled"] {
        assert!(events.contains(&event), "{event}: {events:?}");
    }
    let numbers = facts(&told);
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    assert!(
        numbers.iter().filter(|fact| **fact > before).count() >= 2,
        "{numbers:?}"
    );
    is_whole(&site, "audit.jsonl");

    let other = LedgerSite::with_root();
    let file = site.file("audit.jsonl");
    let said = other.refused(&format!(
        "ca edit root --disable --audit-file {}",
        file.display()
    ));
    assert!(
        said.contains("nothing was done") && said.contains("does not go on from it"),
        "{said}"
    );
}

#[test]
fn a_key_is_opened_by_no_command_that_has_not_written_it_down_also_to_look_at_it() {
    let site = audited();
    let count = lines(&site, "audit.jsonl").len();
    site.done(&format!("ca edit root --key root.key {AUDIT}"));
    let told = lines(&site, "audit.jsonl").split_off(count);
    assert_eq!(
        events(&told),
        ["command-begun", "ca-key-opened", "ca-changed"]
    );
    assert_eq!(told[1]["command"], "ca edit");
    // A dry run begins nothing, and opens the key.
    fs::create_dir_all(site.file("ca/private")).unwrap();
    site.write("ca/cacert.pem", site.read("root.pem"));
    site.write("ca/private/cakey.pem", site.read("root.key"));
    site.write("ca/index.txt", "");
    let count = lines(&site, "audit.jsonl").len();
    site.done(&format!(
        "import openssl-ca ca --name root --dry-run {AUDIT}"
    ));
    let told = lines(&site, "audit.jsonl").split_off(count);
    assert_eq!(events(&told), ["ca-key-opened"]);
    assert_eq!(told[0]["command"], "import openssl-ca");
}

#[test]
fn no_secret_is_in_a_line_and_no_name_breaks_one() {
    let site = LedgerSite::empty();
    site.write("pass", "correct horse battery staple\n");
    let run = |arguments: &[&str]| {
        let finished = site
            .ocspry()
            .args(arguments)
            .args(["--passphrase-file", "pass", "--audit-file", "audit.jsonl"])
            .run();
        assert_eq!(finished.code, Some(0), "{finished:?}");
    };
    run(&["ca", "init", "root", "--subject", "/CN=Root"]);
    let hostile = "/CN=\u{fc}\u{1f600}\"},{\"event\":\"forged";
    run(&[
        "cert",
        "sign",
        "root",
        "--new-key",
        "--key",
        "a.key",
        "--out",
        "a.pem",
        "--subject",
        hostile,
        "--alt",
        "DNS:a.example.com",
        "--ticket",
        "T\n{\"event\":\"forged\"}\u{1b}[2J",
    ]);
    let text = String::from_utf8(site.read("audit.jsonl")).unwrap();
    assert!(
        text.bytes()
            .all(|octet| octet == b'\n' || (b' '..=b'~').contains(&octet)),
        "{text}"
    );
    let told = lines(&site, "audit.jsonl");
    assert!(!events(&told).contains(&"forged"), "{text}");
    assert!(events(&told).contains(&"issued"), "{text}");
    is_whole(&site, "audit.jsonl");
    assert!(!text.contains("battery"), "{text}");
    let key = String::from_utf8(site.read("a.key")).unwrap();
    for line in key
        .lines()
        .filter(|line| line.len() > 20 && !line.contains("KEY"))
    {
        assert!(!text.contains(line), "{text}");
    }
}

/// A responder with an audit file.
fn serve_audited(site: &Site) -> OcspryProcess {
    let configuration = format!("{CONFIGURATION}\n[audit]\nfile = \"audit.jsonl\"\n");
    site.write("ocspry.toml", configuration);
    site.ocspry().args(["serve", "-c", "ocspry.toml"]).start()
}

fn has_event(site: &Site, event: &str, field: &str, value: &str) -> bool {
    lines_of(&site.file("audit.jsonl"))
        .iter()
        .any(|line| line["event"] == event && line[field] == value)
}

#[test]
fn serve_tells_of_lists_keys_commands_and_reloads_and_leaves_its_log_as_it_is() {
    let site = Site::new();
    let process = serve_audited(&site);
    wait_until("the list in use", NOTICE_WAIT_MAX, || {
        has_event(&site, "list-in-use", "crl_number", "10")
    });
    wait_until("the key in use", NOTICE_WAIT_MAX, || {
        has_event(&site, "responder-key-loaded", "issuer", "site")
    });
    site.write_crl(&CrlSpec::new(11).revoke(LATER, None));
    wait_until("the next list in use", NOTICE_WAIT_MAX, || {
        has_event(&site, "list-in-use", "crl_number", "11")
    });
    let reload = site.ocspry().arg("reload").run();
    assert_eq!(reload.code, Some(0), "{reload:?}");
    assert!(!reload.stdout.contains("list-in-use"), "{reload:?}");
    // Another configuration is told by its hash, and one that is refused is not in use.
    let configuration = String::from_utf8(fs::read(site.file("ocspry.toml")).unwrap()).unwrap();
    let hash = |text: &str| to_hex(&sha256(text.as_bytes()));
    let reloaded = |verdict: &str, text: &str| {
        wait_until("the reload", NOTICE_WAIT_MAX, || {
            let told = lines_of(&site.file("audit.jsonl"));
            told.iter().any(|line| {
                line["event"] == "reloaded"
                    && line["verdict"] == verdict
                    && line["configuration_sha256"] == hash(text)
            })
        });
    };
    assert!(has_event(
        &site,
        "started",
        "configuration_sha256",
        &hash(&configuration)
    ));
    let another = format!("{configuration}# more\n");
    site.replace("ocspry.toml", &another);
    reloaded("ok", &another);
    site.replace("ocspry.toml", "nonsense");
    reloaded("refused", &another);
    let log = process.stop().stderr;
    for event in [
        "list-in-use",
        "responder-key-loaded",
        "command-begun",
        "audit-stream",
    ] {
        assert!(!log.contains(event), "{log}");
    }
    for (event, field, value) in [
        ("started", "version", env!("CARGO_PKG_VERSION")),
        ("command-begun", "command", "reload"),
        ("command-done", "verdict", "ok"),
        ("reloaded", "verdict", "ok"),
    ] {
        assert!(has_event(&site, event, field, value), "{event}");
    }
    let told = lines_of(&site.file("audit.jsonl"));
    assert_eq!(told.last().unwrap()["event"], "stopped");
    // Numbers are numbers, whoever tells them.
    let by = told.iter().filter(|line| line["uid"].is_u64());
    assert!(by.clone().count() >= 2, "{told:?}");
    assert!(by.clone().all(|line| line["pid"].is_u64()), "{told:?}");
    let verdict = site.ocspry().args(["audit", "verify", "audit.jsonl"]).run();
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
}

#[test]
fn which_list_is_left_and_how_many_revocations_go_with_it_is_told() {
    let site = Site::new();
    let part = |name: &str| {
        let point = ScopeSpec::part(&format!("http://crl.example/{name}.crl"));
        CrlSpec::new(1).about(point)
    };
    let old = part("old").revoke(LATER, None).revoke(&[0x22], None);
    site.write("old.crl", site.ca.crl(&old));
    site.write("new.crl", site.ca.crl(&part("new")));
    let configuration = |name: &str| {
        let status = format!("[{{ crl = \"crl.pem\" }}, {{ crl = \"{name}\" }}]");
        let issuer = CONFIGURATION.replace("[{ crl = \"crl.pem\" }]", &status);
        format!("{issuer}\n[audit]\nfile = \"audit.jsonl\"\n")
    };
    site.write("ocspry.toml", configuration("old.crl"));
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    assert!(matches!(
        site.status(&process, LATER),
        CertStatus::Revoked(_)
    ));
    site.replace("ocspry.toml", configuration("new.crl"));
    wait_until("the list left", NOTICE_WAIT_MAX, || {
        has_event(&site, "list-left", "path", "old.crl")
    });
    process.stop();
    let told = lines_of(&site.file("audit.jsonl"));
    let vanished = told
        .iter()
        .find(|line| line["event"] == "entries-vanished")
        .unwrap();
    assert_eq!(
        (&vanished["count"], &vanished["of"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(vanished["is_held"], false);
}

#[test]
fn a_full_disk_under_the_audit_file_stops_acceptance_and_no_answer_and_is_marked() {
    let site = Site::new();
    symlink("/dev/full", site.file("audit.jsonl")).unwrap();
    site.write_crl(&site.first_crl().made_at(now().plus_seconds(-600)));
    let process = serve_audited(&site);
    let line = process.wait_for_log("audit.jsonl cannot be written", NOTICE_WAIT_MAX);
    assert!(line.contains("ERROR"), "{line}");
    site.write_crl(&CrlSpec::new(1).revoke(LATER, None));
    process.wait_for_log("number 1 is below", NOTICE_WAIT_MAX);
    let accept = || site.ocspry().args(["crl", "accept", "site"]).run();
    let refused = accept();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("nothing was done"), "{said}");
    assert_eq!(site.status(&process, LATER), CertStatus::Good);

    fs::remove_file(site.file("audit.jsonl")).unwrap();
    let accepted = accept();
    assert_eq!(accepted.code, Some(0), "{accepted:?}");
    let status = site.status(&process, LATER);
    assert!(matches!(status, CertStatus::Revoked(_)), "{status:?}");
    process.wait_for_log("takes lines again", NOTICE_WAIT_MAX);
    let log = process.stop().stderr;
    assert_eq!(
        log.matches("audit.jsonl cannot be written").count(),
        1,
        "{log}"
    );
    let told = lines_of(&site.file("audit.jsonl"));
    assert_eq!(events(&told)[..3], ["file-begun", "gap", "command-begun"]);
    assert!(told[1]["missing"].as_u64() >= Some(3), "{}", told[1]);
    assert!(has_event(&site, "command-done", "verdict", "ok"));
    let verdict = site.ocspry().args(["audit", "verify", "audit.jsonl"]).run();
    assert_eq!(verdict.code, Some(0), "{verdict:?}");
    assert!(verdict.stdout.contains("lines are missing"), "{verdict:?}");
}
