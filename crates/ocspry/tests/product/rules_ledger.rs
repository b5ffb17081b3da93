//! The rules of docs/conformance-rules.md for status from a database (section 16), by a client of a `serve` on a ledger.

use std::fs;

use crate::admin::Watched;
use crate::ledger::{STATUS, Scene, act, is_try_later, number, this_update};
use crate::site::{GOOD, LATER, NOTICE_WAIT_MAX, REVOKED, says_good, says_revoked};
use ocspry_testkit::{Reply, now, wait_until};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, CrlReason};

#[test]
fn dbs_02_a_serial_that_the_ledger_never_saw_or_only_reserved_is_unknown() {
    let mut scene = Scene::new();
    scene
        .ledger
        .reserve_serial(&act(), scene.ca, &number(LATER))
        .unwrap();
    let process = scene.serve().start();
    assert_eq!(scene.site.status(&process, GOOD), CertStatus::Good);
    for never_issued in [LATER, &[0x55, 0x55]] {
        let status = scene.site.status(&process, never_issued);
        assert_eq!(status, CertStatus::Unknown, "{never_issued:02x?}");
    }
}

#[test]
fn dbs_03_a_serial_that_was_never_issued_is_revoked_with_all_that_belongs_to_it_until_it_is_issued()
{
    let mut scene = Scene::new();
    let process = scene
        .serve_from(STATUS, "never-issued = \"revoked\"")
        .start();
    let body = |serial: &[u8]| {
        let request = scene.site.request(serial);
        process.connect().post(&request).unwrap().body
    };
    let answer = body(LATER);
    let CertStatus::Revoked(info) = Reply::check(&answer, &scene.site.ca).single().status else {
        panic!("{answer:02x?}");
    };
    assert_eq!(info.reason, Some(CrlReason::CertificateHold));
    assert_eq!(info.revocation_time, Time::from_unix(0));
    // id-pkix-ocsp-extended-revoke, with NULL in it.
    let extension = b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x09\x04\x02\x05\x00";
    assert!(
        answer
            .windows(extension.len())
            .any(|part| part == extension)
    );
    assert!(says_good(&Reply::check(&body(GOOD), &scene.site.ca)));
    scene.issue("later.example", LATER);
    scene.wait_for(&process, LATER, says_good);
}

#[test]
fn dbs_06_this_update_is_the_time_of_a_look_at_the_ledger_and_not_of_the_start() {
    let scene = Scene::new();
    let process = scene.serve_from(STATUS, "validity = \"1m\"").start();
    let first = scene.wait_for(&process, GOOD, says_good);
    let later = scene.wait_for(&process, GOOD, |reply| {
        this_update(reply) > this_update(&first)
    });
    let later = later.single();
    assert!(later.this_update <= now());
    assert_eq!(later.next_update, later.this_update.plus_seconds(60));
}

#[test]
fn dbs_07_a_ledger_that_is_away_is_answered_for_from_what_was_known_until_that_is_over() {
    let mut scene = Scene::new();
    let serve = |scene: &Scene| scene.serve_from(STATUS, "validity = \"1h\"").start();
    let process = serve(&scene);
    scene.wait_until_all_is_seen();
    fs::rename(scene.file(), scene.site.file("away.db")).unwrap();
    process.wait_for_log("is not there", NOTICE_WAIT_MAX);
    scene.wait_for(&process, GOOD, says_good);
    scene.wait_for(&process, REVOKED, says_revoked);
    process.stop();

    // Nothing is known of what was issued: that makes nothing good.
    let process = serve(&scene);
    scene.wait_for(&process, REVOKED, says_revoked);
    scene.wait_for(&process, GOOD, is_try_later);
    process.stop();

    let kept = fs::read_to_string(scene.position_file()).unwrap();
    let (position, _) = kept.trim_end().split_once('\n').unwrap();
    let two_hours_ago = now().plus_seconds(-7_200).to_generalized();
    let two_hours_ago = String::from_utf8(two_hours_ago.to_vec()).unwrap();
    fs::write(
        scene.position_file(),
        format!("{position}\n{two_hours_ago}\n"),
    )
    .unwrap();
    let process = serve(&scene);
    scene.wait_for(&process, REVOKED, is_try_later);
    scene.wait_for(&process, GOOD, is_try_later);
}

#[test]
fn dbs_08_how_far_the_ledger_was_read_and_when_is_told_and_stands_still_while_it_is_away() {
    let mut scene = Scene::new();
    let watched = Watched::of(scene.serve());
    let ledger = || watched.issuer()["sources"][0]["ledger"].clone();
    scene.issue("later.example", LATER);
    let end = scene.ledger.reader().position().unwrap().sequence;
    wait_until("all facts are seen", NOTICE_WAIT_MAX, || {
        ledger()["sequence"].as_u64() == Some(end)
    });
    let looked = ledger()["last_look"].clone();
    wait_until("the ledger is looked at", NOTICE_WAIT_MAX, || {
        ledger()["last_look"] != looked
    });
    fs::rename(scene.file(), scene.site.file("away.db")).unwrap();
    watched
        .process
        .wait_for_log("is not there", NOTICE_WAIT_MAX);
    let stood = ledger();
    let asked = now();
    wait_until("time passes", NOTICE_WAIT_MAX, || {
        now() > asked.plus_seconds(1)
    });
    assert_eq!(ledger(), stood);
    assert!(
        watched
            .text("/metrics")
            .contains("ocspry_ledger_last_look_timestamp_seconds{issuer=\"site\"}")
    );
}
