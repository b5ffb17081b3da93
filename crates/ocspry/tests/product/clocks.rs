//! Clocks that are wrong, and a CA that is late: what the responder says then, and what its operator can do.

use crate::site::{CONFIGURATION, GOOD, NOTICE_WAIT_MAX, Site};
use ocspry_testkit::{
    CrlSpec, HttpClient, Reply, RequestSpec, nonce_extension, now, wait_for_some,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus};
use serde_json::Value;
use std::path::PathBuf;

/// Serves and answers once, so that the state directory knows the issuer; returns the issuer's folder and the last
/// producedAt.
fn after_a_first_run(site: &Site) -> (PathBuf, Time) {
    let process = site.serve().start();
    let reply = site.ask(&mut process.connect(), &site.request(GOOD));
    let produced_at = reply.signed().produced_at;
    process.stop();
    let mut folders = std::fs::read_dir(site.file("state/issuers")).unwrap();
    let folder = folders.next().unwrap().unwrap().path();
    assert!(folders.next().is_none());
    (folder, produced_at)
}

fn generalized(time: Time) -> String {
    String::from_utf8(time.to_generalized().to_vec()).unwrap()
}

fn names_in(folder: &PathBuf) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_clock_behind_the_answers_of_the_last_run_stops_them_until_the_operator_resets_that() {
    let site = Site::new();
    let (folder, produced_at) = after_a_first_run(&site);
    let mark = folder.join("produced.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(&mark).unwrap()).unwrap();
    assert_eq!(kept["produced-at"], generalized(produced_at));

    // As if the clock had been two hours ahead then, or were two hours behind now.
    let future = now().plus_seconds(7_200);
    let text = format!(
        "{{\"version\": 1, \"produced-at\": \"{}\"}}",
        generalized(future)
    );
    std::fs::write(&mark, &text).unwrap();
    let process = site.serve().start();
    let line = process.wait_for_log("ocspry state reset intermediate_ca", NOTICE_WAIT_MAX);
    assert!(
        line.contains("ERROR") && line.contains("the clock is behind"),
        "{line}"
    );
    let reply = site.ask(&mut process.connect(), &site.request(GOOD));
    assert!(
        matches!(reply, Reply::Error(ErrorStatus::TryLater)),
        "{reply:?}"
    );
    process.stop();
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), text, "it stays");

    let reset = || {
        site.ocspry()
            .args(["state", "reset", "--ca", "intermediate_ca.pem"])
    };
    let unasked = reset().run();
    assert_eq!(unasked.code, Some(1), "{unasked:?}");
    assert!(unasked.stderr.contains("--yes"), "{unasked:?}");
    assert!(mark.exists());
    let done = reset().arg("--yes").run();
    assert_eq!(done.code, Some(0), "{done:?}");
    for part in [
        "removes marks.json",
        "removes produced.json",
        "keeps last-good.crl",
        "audit: ",
    ] {
        assert!(done.stderr.contains(part), "no {part:?} in {done:?}");
    }
    assert_eq!(names_in(&folder), ["last-good.crl"]);
    let audit = std::fs::read_to_string(site.file("state/audit.log")).unwrap();
    let line: Value = serde_json::from_str(audit.trim_end()).unwrap();
    assert_eq!(line["action"], "state reset");
    assert_eq!(
        line["removed"],
        serde_json::json!(["marks.json", "produced.json"])
    );
    assert_eq!(line["produced_at"], future.to_string());
    assert!(line["uid"].is_u64() && line["time"].is_string(), "{line}");

    let process = site.serve().start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    assert_eq!(process.log_count("the clock is behind"), 0);
}

#[test]
fn a_reset_of_a_delta_from_the_future_makes_nothing_good_that_one_before_it_may_have_revoked() {
    let site = Site::new();
    let (folder, _) = after_a_first_run(&site);
    let marks = std::fs::read_to_string(folder.join("marks.json")).unwrap();
    let mut marks: Value = serde_json::from_str(&marks).unwrap();
    marks["this-update"] = generalized(now().plus_seconds(86_400)).into();
    let path = folder.join("delta-marks.json");
    std::fs::write(&path, marks.to_string()).unwrap();
    let line = ["state", "reset", "--ca", "intermediate_ca.pem", "--yes"];
    let done = site.ocspry().args(line).run();
    assert_eq!(done.code, Some(0), "{done:?}");
    for part in ["takes back delta-marks.json", "what one before it revoked"] {
        assert!(done.stderr.contains(part), "no {part:?} in {done:?}");
    }

    let process = site.serve().start();
    let reply = site.ask(&mut process.connect(), &site.request(GOOD));
    assert!(
        matches!(reply, Reply::Error(ErrorStatus::TryLater)),
        "{reply:?}"
    );
    site.write_crl(&CrlSpec::new(11).made_at(now()));
    let is_good = wait_for_some(NOTICE_WAIT_MAX, || {
        let reply = site.ask(&mut process.connect(), &site.request(GOOD));
        matches!(reply, Reply::Signed(_)).then_some(())
    });
    assert!(is_good.is_some(), "{}", process.log());
    process.stop();

    // Who wants none of it says so.
    std::fs::write(&path, marks.to_string()).unwrap();
    let done = site.ocspry().args(line).arg("--forget-list").run();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(names_in(&folder).is_empty(), "{:?}", names_in(&folder));
}

#[test]
fn the_time_of_the_last_answers_is_kept_while_it_runs_and_again_when_it_stops() {
    let site = Site::new();
    let process = site.serve().start();
    site.status(&process, GOOD);
    // Any look keeps it.
    site.write_crl(&CrlSpec::new(11));
    let issuers = site.file("state/issuers");
    let kept = || {
        let folder = std::fs::read_dir(&issuers).ok()?.next()?.ok()?.path();
        let file = std::fs::read(folder.join("produced.json")).ok()?;
        let value: Value = serde_json::from_slice(&file).unwrap();
        let text = value["produced-at"].as_str()?.to_owned();
        Time::from_generalized(text.as_bytes())
    };
    let first = wait_for_some(NOTICE_WAIT_MAX, kept).unwrap();
    // The next minute has not come when it stops.
    let request = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(&[7; 16]));
    let last = wait_for_some(NOTICE_WAIT_MAX, || {
        let reply = site.ask(&mut process.connect(), &request.der());
        Some(reply.signed().produced_at).filter(|produced_at| *produced_at > first)
    });
    assert_eq!(kept(), Some(first));
    process.stop();
    assert_eq!(kept(), last);
}

#[test]
fn a_reset_by_the_configuration_may_forget_the_list_too_and_has_nothing_to_do_twice() {
    let site = Site::new();
    let (folder, _) = after_a_first_run(&site);
    site.write("site.toml", CONFIGURATION);
    let reset = |name: &str| {
        site.ocspry().args([
            "state",
            "reset",
            name,
            "-c",
            "site.toml",
            "--forget-list",
            "--yes",
        ])
    };
    let unknown = reset("other").run();
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert!(unknown.stderr.contains("there are: site"), "{unknown:?}");
    let done = reset("site").run();
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("removes last-good.crl"), "{done:?}");
    assert!(names_in(&folder).is_empty());
    let again = reset("site").run();
    assert_eq!(again.code, Some(0), "{again:?}");
    assert!(again.stderr.contains("nothing holds it back"), "{again:?}");
    let missing = reset("site").args(["--state-dir", "no-such"]).run();
    assert_eq!(missing.code, Some(1), "{missing:?}");
    assert!(
        !site.file("no-such").exists(),
        "a mistyped path is not made"
    );
}

#[test]
fn a_list_that_ran_out_answers_on_with_stale_until_and_is_red_everywhere() {
    let site = Site::new();
    let start = now();
    let ended = start.plus_seconds(-600);
    let crl = CrlSpec::new(10)
        .revoke(b"\x4d\x5e\x6f", Some(CrlReason::KeyCompromise))
        .made_at(start.plus_seconds(-86_400))
        .until(ended);
    site.write_crl(&crl);
    let until = start.plus_seconds(1_800);
    let text = format!(
        "{}\nstale-until = \"{until}\"\n",
        CONFIGURATION.replace("[listen]", "[listen]\nadmin = \"127.0.0.1:0\"")
    );
    site.write("site.toml", &text);

    let check = site.ocspry().args(["config", "check", "site.toml"]).run();
    assert_eq!(check.code, Some(0), "{check:?}");
    for part in [
        "stale-until is set",
        "expired on",
        "answers go on from it until",
    ] {
        assert!(check.stderr.contains(part), "no {part:?} in {check:?}");
    }

    let process = site.ocspry().args(["serve", "-c", "site.toml"]).start();
    let single = site
        .ask(&mut process.connect(), &site.request(GOOD))
        .single();
    assert_eq!(single.status, CertStatus::Good);
    assert_eq!(single.this_update, start.plus_seconds(-86_400));
    assert_eq!(single.next_update, until);
    let line = process.wait_for_log("answers come from an expired CRL", NOTICE_WAIT_MAX);
    assert!(line.contains("ERROR"), "{line}");
    for part in ["audit=\"stale-until\"", "issuer=\"site\""] {
        assert!(line.contains(part), "no {part} in {line}");
    }
    for part in [format!("since={ended}"), format!("until={until}")] {
        assert!(line.contains(&part), "no {part} in {line}");
    }
    assert_eq!(
        process.log_count("answers are tryLater"),
        0,
        "{}",
        process.log()
    );

    let address = process.wait_for_stdout("admin listener at http://127.0.0.1:", NOTICE_WAIT_MAX);
    let port = address.rsplit(':').next().unwrap();
    let port = port.split('/').next().unwrap().parse().unwrap();
    let get = |path: &str| HttpClient::connect(port).unwrap().get(path).unwrap().body;
    let status: Value = serde_json::from_slice(&get("/status")).unwrap();
    let issuer = &status["issuers"][0];
    assert_eq!(issuer["stale"], true, "{issuer}");
    assert_eq!(issuer["stale_until"], until.to_string());
    assert_eq!(issuer["can_answer"], true);
    let metrics = String::from_utf8(get("/metrics")).unwrap();
    assert!(
        metrics.contains("ocspry_source_stale{issuer=\"site\"} 1"),
        "{metrics}"
    );

    // The CA is back: as if nothing had been.
    site.write_crl(&site.first_crl());
    process.wait_for_log("no longer come from an expired CRL", NOTICE_WAIT_MAX);
    let status: Value = serde_json::from_slice(&get("/status")).unwrap();
    assert_eq!(status["issuers"][0]["stale"], false, "{status}");
}
