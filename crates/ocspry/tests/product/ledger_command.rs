//! `ocspry ledger`: backup, restore, reconcile, check and migrate.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::ledger_site::LedgerSite;
use crate::published_lists::site_with_index;
use crate::site::OCSPRY;
use serde_json::json;

#[test]
fn what_was_revoked_after_the_backup_is_put_back_from_the_last_crl() {
    let site = site_with_index();
    site.done("crl dump root --out first.crl");
    site.done("ledger backup backup.db");
    site.write(
        "more.txt",
        "R\t351231235959Z\t250202120000Z,superseded\t2001\tunknown\t/CN=more.example\n",
    );
    site.done("index import root more.txt");
    site.done("crl dump root --out last.crl");

    let restored = site.json("ledger restore backup.db --yes --json");
    assert!(
        restored["kept"]
            .as_str()
            .unwrap()
            .ends_with("ledger.db.before-restore")
    );
    let said = site.refused("crl dump root --out too-early.crl");
    assert!(said.contains("ledger reconcile"), "{said}");

    let put_back = site.json("ledger reconcile last.crl --json");
    assert_eq!(put_back["revocations"], 1, "{put_back}");
    assert_eq!(put_back["crl_numbers"]["root"], "1002", "{put_back}");
    let dumped = site.json("crl dump root --out after.crl --json");
    assert_eq!(dumped["number"], "1003");
    site.done("crl show after.crl --find 2001");
    assert_eq!(site.json("ledger check --json")["whole"], true);
}

#[test]
fn a_reconciliation_waits_for_a_restore_that_is_under_way() {
    let site = site_with_index();
    // As a restore holds it.
    site.done("ca tick");
    let lock = File::options()
        .write(true)
        .open(site.file("ledger.db.crl-lock"))
        .unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut waiting = Command::new(OCSPRY)
        .args(["ledger", "reconcile", "--ledger"])
        .arg(site.file("ledger.db"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut lines = BufReader::new(waiting.stderr.take().unwrap());
    lines.read_line(&mut said).unwrap();
    let before = site.json("ledger check --json");
    drop(lock);
    assert!(waiting.wait().unwrap().success());
    assert!(said.contains("waiting for another process"), "{said:?}");
    let after = site.json("ledger check --json");
    assert_eq!(
        after["sequence"].as_u64(),
        before["sequence"].as_u64().map(|last| last + 2)
    );
}

#[test]
fn a_directory_of_lists_and_certificates_is_evidence_and_other_files_are_counted() {
    let site = site_with_index();
    site.done("ledger backup backup.db");
    site.done("ca tick --out-dir published");
    site.write("published/notes.txt", "nothing");
    site.done("ledger restore backup.db --yes");
    let put_back = site.json("ledger reconcile published --json");
    assert_eq!(put_back["crls"], 1, "{put_back}");
    // The CA's own certificate, which the ledger has, and the notes.
    assert_eq!(put_back["others"], 2, "{put_back}");
    assert_eq!(put_back["crl_numbers"]["root"], "1001", "{put_back}");
}

#[test]
fn a_list_that_no_ca_of_the_ledger_signed_is_no_evidence() {
    let site = site_with_index();
    let foreign = site_with_index();
    foreign.done("crl dump root --out root.crl");
    site.write("foreign.crl", foreign.read("root.crl"));
    let said = site.refused("ledger reconcile foreign.crl");
    assert!(
        said.contains("foreign.crl: neither a CRL nor a certificate"),
        "{said}"
    );
}

#[test]
fn the_sequence_goes_on_above_what_anybody_saw() {
    let site = site_with_index();
    let put_back = site.json("ledger reconcile --seen 5000 --json");
    assert_eq!(put_back["sequence"], 5001);
    assert!(
        site.json("ledger check --json")["sequence"]
            .as_u64()
            .unwrap()
            >= 5001
    );
}

#[test]
fn a_backup_never_overwrites_and_a_restore_wants_to_be_meant() {
    let site = LedgerSite::with_root();
    let copied = site.json("ledger backup backup.db --json");
    assert_eq!(
        copied["sequence"],
        site.json("ledger check --json")["sequence"]
    );
    let said = site.refused("ledger backup backup.db");
    assert!(said.contains("is there already"), "{said}");
    let said = site.refused("ledger restore backup.db");
    assert!(said.contains("--yes"), "{said}");
    assert_eq!(
        site.json("ledger check --json")["sequence"],
        copied["sequence"]
    );
}

#[test]
fn a_damaged_ledger_is_told_and_exits_1() {
    let site = site_with_index();
    let mut content = site.read("ledger.db");
    let middle = content.len() / 2;
    content[middle..middle + 4096].fill(0xa5);
    site.write("damaged.db", content);
    let finished = site.run("ledger check --ledger damaged.db");
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let told = finished.stdout.contains("defect: ") || finished.stderr.contains("damaged");
    assert!(told, "{finished:?}");
}

#[test]
fn a_migration_of_a_ledger_that_is_up_to_date_does_nothing() {
    let site = LedgerSite::with_root();
    let migrated = site.json("ledger migrate --json");
    assert_eq!(
        (&migrated["from"], &migrated["backup"]),
        (&migrated["to"], &json!(null))
    );
}

#[test]
fn a_number_that_was_used_is_passed_over_though_no_list_is_at_hand_any_more() {
    let site = site_with_index();
    site.done("ledger backup backup.db");
    let lost = site.json("crl dump root --out lost.crl --json");
    site.done("ledger restore backup.db --yes");
    let put_back = site.json("ledger reconcile --json");
    assert_eq!(put_back["crl_numbers"]["root"], "1000", "{put_back}");
    let dumped = site.json("crl dump root --out after.crl --json");
    assert_eq!(
        (&lost["number"], &dumped["number"]),
        (&json!("1"), &json!("1001"))
    );
}

#[test]
fn a_hold_that_came_soon_after_a_release_is_put_back_from_a_list_that_is_dated_back() {
    let site = LedgerSite::with_root();
    site.write(
        "index.txt",
        "V\t351231235959Z\t\t1001\tunknown\t/CN=held.example\n",
    );
    site.done("index import root index.txt");
    let hold = "cert revoke 1001 --reason certificateHold --at 2026-01-02T03:04:05Z --yes";
    site.done(hold);
    site.done("cert revoke 1001 --release --yes");
    site.done("crl dump root --out released.crl");
    site.done("ledger backup backup.db");
    site.done(hold);
    site.done("crl dump root --out held.crl");
    site.done("ledger restore backup.db --yes");

    let put_back = site.json("ledger reconcile released.crl held.crl --json");
    assert_eq!(put_back["revocations"], 1, "{put_back}");
    assert_eq!(site.json("cert show 1001 --json")["state"], "on hold");
}

#[test]
fn a_number_that_no_ledger_gets_to_was_not_seen() {
    let site = LedgerSite::with_root();
    let said = site.refused("ledger reconcile --seen 9223372036854775803");
    assert!(said.contains("cannot have been seen"), "{said}");
    site.done("crl dump root --out root.crl");
}

/// The file itself is put back, as `ledger restore` would not do it.
fn put_back_by_hand(site: &LedgerSite, copy: &str) {
    for file in ["ledger.db-wal", "ledger.db-shm"] {
        let _ = std::fs::remove_file(site.file(file));
    }
    std::fs::copy(site.file(copy), site.file("ledger.db")).unwrap();
}

#[test]
fn a_ledger_that_was_rolled_back_signs_no_crl_number_a_second_time() {
    let site = site_with_index();
    site.done("crl dump root --out first.crl");
    site.done("ledger backup backup.db");
    site.done("ca tick --out-dir lists");
    let published = site.read("lists/root.crl");
    put_back_by_hand(&site, "backup.db");

    let said = site.refused("ca tick --out-dir lists");
    assert!(
        said.contains("root.crl is CRL 2 of CA root, and the ledger knows of none after 1")
            && said.contains("run: ocspry ledger reconcile lists/root.crl"),
        "{said}"
    );
    assert_eq!(site.read("lists/root.crl"), published);
    let said = site.refused("crl dump root --out lists/root.crl");
    assert!(said.contains("is CRL 2 of CA root"), "{said}");

    site.done("ledger reconcile lists/root.crl");
    let told = site.json("ca tick --out-dir lists --json");
    assert_eq!(told["crls"][0]["crl"]["number"], "1003", "{told}");
}

#[test]
fn a_dump_to_elsewhere_sees_what_tick_has_published() {
    let site = site_with_index();
    site.done("ledger backup backup.db");
    site.done("ca tick");
    put_back_by_hand(&site, "backup.db");
    for line in ["crl dump root --out other.crl", "crl dump root"] {
        let said = site.refused(line);
        assert!(said.contains("the ledger knows of none: it is"), "{said}");
    }
}
