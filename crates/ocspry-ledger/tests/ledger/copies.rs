//! Backups, restored copies, and what brings back what they lack.

use std::collections::BTreeMap;
use std::fs;
use std::sync::mpsc;
use std::thread;

use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_ledger::{
    CrlNumber, CrlUse, ImportEntry, IssuerEvidence, IssuerName, Ledger, LedgerError, LedgerPlace,
    Reconciled, Refusal, SeenRevocation, backup, check, restore,
};
use ocspry_wire::ocsp::CrlReason;

use crate::fixture::{NOW, ROOT, Scene, act, certificate, entry, revoked, serial};

#[test]
fn a_backup_is_whole_while_others_write_and_replaces_nothing() {
    let mut scene = Scene::new();
    scene.issue_revoked(1);
    let target = scene.directory.path().join("copy.db");
    let mut other = scene.other();
    thread::scope(|scope| {
        let writing = scope.spawn(|| {
            for number in 10..40 {
                other
                    .reserve_serial(&act(), scene.issuer, &serial(number))
                    .unwrap();
            }
        });
        let report = backup(&scene.place, &target).unwrap();
        assert_eq!(report.defects, []);
        writing.join().unwrap();
    });
    let copy = LedgerPlace::Sqlite(target.clone());
    assert!(check(&copy).unwrap().sequence >= 5);
    assert!(matches!(
        backup(&scene.place, &target),
        Err(LedgerError::TargetExists { .. })
    ));
    let names: Vec<_> = fs::read_dir(scene.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("copy.db"))
        .collect();
    assert_eq!(names, ["copy.db"], "one file and nothing left over");
}

#[test]
fn what_was_lost_by_a_restore_is_put_back_by_a_reconciliation_and_numbers_go_on_above() {
    let mut scene = Scene::new();
    let issuer = scene.issuer;
    scene.issue_revoked(1);
    let held = scene.issue(2);
    scene.revoke(&held, CrlReason::CertificateHold);
    scene
        .ledger
        .reserve_crl_number(&act(), issuer, CrlUse::Full)
        .unwrap();
    scene.ledger.release(&act(), issuer, &held).unwrap();
    let target = scene.directory.path().join("copy.db");
    backup(&scene.place, &target).unwrap();

    // After the backup: one is issued and revoked, one is known by its serial alone, CRLs up to 5.
    let lost = scene.issue_revoked(3);
    let lost_certificate = scene
        .ledger
        .reader()
        .certificate(issuer, &lost)
        .unwrap()
        .unwrap();
    let nameless = scene.issue_revoked(4);
    let seen = scene.ledger.reader().position().unwrap().sequence;
    let kept = restore(&target, &scene.place).unwrap().unwrap();
    assert!(kept.ends_with("ledger.db.before-restore"));
    assert_eq!(
        check(&LedgerPlace::Sqlite(kept)).unwrap().sequence,
        seen,
        "what was there is kept"
    );

    // Also one who had it open all the time writes nothing now.
    let refused = scene.ledger.reserve_serial(&act(), issuer, &serial(9));
    assert!(matches!(refused, Err(LedgerError::NotReconciled { .. })));

    let entry = ImportEntry {
        serial_number: lost,
        subject: lost_certificate.subject,
        not_before: lost_certificate.not_before,
        not_after: lost_certificate.not_after.unwrap(),
        der: lost_certificate.der,
        profile: None,
        revoked: None,
    };
    let saw = |serial_number, reason| SeenRevocation {
        serial_number,
        info: revoked(reason),
        seen: NOW.plus_seconds(-1),
    };
    let evidence = [IssuerEvidence {
        issuer,
        certificates: vec![entry],
        revoked: vec![
            saw(serial(1), CrlReason::Superseded),
            saw(lost, CrlReason::Superseded),
            saw(nameless, CrlReason::KeyCompromise),
            // An older list: it was released since.
            saw(held, CrlReason::CertificateHold),
        ],
        crl_numbers: vec![CrlNumber::from(5), CrlNumber::from(4)],
    }];
    let reconciled = scene.ledger.reconcile(&act(), &evidence, Some(seen));
    assert_eq!(
        reconciled.unwrap(),
        Reconciled {
            certificates: 1,
            revocations: 2,
            named: 1,
            crl_numbers: BTreeMap::from([(issuer, CrlNumber::from(1005))]),
            sequence: seen + 1,
        }
    );
    let reader = scene.ledger.reader();
    let standing = |serial| {
        reader
            .standing(issuer, &serial)
            .unwrap()
            .unwrap()
            .revocation
    };
    assert_eq!(
        standing(lost),
        Revocation::Revoked(revoked(CrlReason::Superseded))
    );
    assert_eq!(
        standing(nameless),
        Revocation::Revoked(revoked(CrlReason::KeyCompromise))
    );
    assert_eq!(standing(held), Revocation::Removed);
    let next = scene
        .ledger
        .reserve_crl_number(&act(), issuer, CrlUse::Full)
        .unwrap();
    assert_eq!(next, CrlNumber::from(1006));
    assert_eq!(check(&scene.place).unwrap().defects, []);

    // The certificate turns up later, and takes the place of its bare serial.
    let found = ImportEntry::of(&certificate(4), None);
    let imported = scene
        .ledger
        .import(&act(), issuer, [found], |_| {})
        .unwrap();
    assert_eq!(imported.certificates, 1);
    let facts = scene
        .ledger
        .reader()
        .certificate(issuer, &nameless)
        .unwrap();
    assert_eq!(facts.unwrap().subject, "CN=host-4.example.com");
    assert_eq!(check(&scene.place).unwrap().defects, []);
}

#[test]
fn what_others_record_while_a_ledger_is_restored_is_in_what_is_kept_or_refused() {
    let mut scene = Scene::new();
    let issuer = scene.issuer;
    let target = scene.directory.path().join("copy.db");
    backup(&scene.place, &target).unwrap();
    // Enough that copying takes longer than recording.
    let many = (100_000..130_000).map(|number| entry(number, None));
    scene.ledger.import(&act(), issuer, many, |_| {}).unwrap();
    let place = scene.place.clone();
    let (begun, has_begun) = mpsc::channel();
    let (recorded, kept) = thread::scope(|scope| {
        let writing = scope.spawn(move || {
            for number in 1..20_000 {
                // As one command after another: others get their turn.
                let mut other = Ledger::open(&place).unwrap();
                let news = entry(number, Some(revoked(CrlReason::Superseded)));
                match other.import(&act(), issuer, [news], |_| {}) {
                    Ok(_) => begun.send(()).unwrap(),
                    Err(LedgerError::NotReconciled { .. }) => return number - 1,
                    Err(error) => panic!("{error}"),
                }
            }
            panic!("nobody was kept from writing")
        });
        has_begun.recv().unwrap();
        let kept = restore(&target, &scene.place).unwrap().unwrap();
        (writing.join().unwrap(), kept)
    });
    assert!(recorded > 0);
    let kept = Ledger::open(&LedgerPlace::Sqlite(kept)).unwrap();
    for number in 1..=recorded {
        let found = kept.reader().revocation(issuer, &serial(number)).unwrap();
        assert!(found.is_some(), "{number} of {recorded} was recorded");
    }
    // It can be used as it could before.
    assert!(!kept.reader().is_restored().unwrap());
    assert!(scene.ledger.reader().is_restored().unwrap());
}

#[test]
fn a_restore_that_fails_leaves_the_ledger_as_it_was_and_open_to_writers() {
    let mut scene = Scene::new();
    let target = scene.directory.path().join("copy.db");
    backup(&scene.place, &target).unwrap();
    // A fact that is not there: what was there cannot be kept as something whole.
    let database = rusqlite::Connection::open(scene.path()).unwrap();
    let spoil = "UPDATE head SET sequence = sequence + 1";
    database.execute(spoil, []).unwrap();
    let refused = restore(&target, &scene.place);
    assert!(
        matches!(refused, Err(LedgerError::Corrupt { .. })),
        "{refused:?}"
    );
    assert!(!scene.ledger.reader().is_restored().unwrap());
    let issuer = scene.issuer;
    scene
        .ledger
        .reserve_serial(&act(), issuer, &serial(1))
        .unwrap();
}

#[test]
fn a_restore_that_was_cut_off_is_run_again_or_the_ledger_is_reconciled_as_it_is() {
    let mut scene = Scene::new();
    let issuer = scene.issuer;
    let target = scene.directory.path().join("copy.db");
    backup(&scene.place, &target).unwrap();
    let last = scene.issue_revoked(1);
    // As far as it came: nobody writes any more, and nothing is replaced yet.
    let database = rusqlite::Connection::open(scene.path()).unwrap();
    let closed = "UPDATE head SET restored = 1";
    database.execute(closed, []).unwrap();
    let refused = scene.ledger.reserve_serial(&act(), issuer, &serial(2));
    assert!(matches!(refused, Err(LedgerError::NotReconciled { .. })));

    scene.ledger.reconcile(&act(), &[], None).unwrap();
    let reader = scene.ledger.reader();
    assert!(reader.revocation(issuer, &last).unwrap().is_some());
    scene.issue(2);
    database.execute(closed, []).unwrap();
    restore(&target, &scene.place).unwrap();
    let reader = scene.ledger.reader();
    assert_eq!(reader.revocation(issuer, &last).unwrap(), None);
}

#[test]
fn a_backup_is_restored_where_no_ledger_is_and_a_damaged_one_nowhere() {
    let mut scene = Scene::new();
    scene.issue(1);
    let target = scene.directory.path().join("copy.db");
    backup(&scene.place, &target).unwrap();
    let place = LedgerPlace::Sqlite(scene.directory.path().join("new.db"));
    assert_eq!(restore(&target, &place).unwrap(), None);
    let mut ledger = Ledger::open(&place).unwrap();
    ledger.reconcile(&act(), &[], None).unwrap();
    assert_eq!(check(&place).unwrap().defects, []);

    let length = fs::metadata(&target).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&target).unwrap();
    file.set_len(length / 2).unwrap();
    let before = scene.ledger.reader().position().unwrap();
    restore(&target, &scene.place).unwrap_err();
    assert_eq!(scene.ledger.reader().position().unwrap(), before);
    let left: Vec<_> = fs::read_dir(scene.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("restoring") || name.contains("part"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn where_a_restore_to_a_new_place_was_cut_off_nobody_begins_anew() {
    let mut scene = Scene::new();
    let serial = scene.issue_revoked(1);
    let good = scene.directory.path().join("good.db");
    let odd = scene.directory.path().join("odd.db");
    backup(&scene.place, &good).unwrap();
    fs::copy(&good, &odd).unwrap();
    // SQLite does not copy pages of another size into a file with a log.
    let database = rusqlite::Connection::open(&odd).unwrap();
    let spoil = "PRAGMA page_size = 8192; VACUUM";
    database.execute_batch(spoil).unwrap();
    drop(database);
    let place = LedgerPlace::Sqlite(scene.directory.path().join("new.db"));
    restore(&odd, &place).unwrap_err();
    let mut ledger = Ledger::open(&place).unwrap();
    let root = OwnedCertificate::from_der(ROOT.certificate.clone()).unwrap();
    let name = IssuerName::new("root").unwrap();
    let begun = ledger.add_issuer(&act(), &name, &root, &[]);
    assert!(
        matches!(begun, Err(LedgerError::NotReconciled { .. })),
        "{begun:?}"
    );

    restore(&good, &place).unwrap();
    ledger.reconcile(&act(), &[], None).unwrap();
    let found = ledger.reader().revocation(scene.issuer, &serial).unwrap();
    assert!(found.is_some());
}

#[test]
fn a_number_that_no_ledger_gets_to_was_not_seen() {
    let mut scene = Scene::new();
    let last = scene.ledger.reader().position().unwrap().sequence;
    let seen = u64::MAX / 2 - 4;
    let refused = scene.ledger.reconcile(&act(), &[], Some(seen)).unwrap_err();
    assert_eq!(refused.refusal(), Some(&Refusal::SeenTooFar { seen, last }));
    let far = last + 1_000_000_000_000;
    scene.ledger.reconcile(&act(), &[], Some(far)).unwrap();
    scene.issue(1);
}
