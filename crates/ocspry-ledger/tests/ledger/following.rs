//! A server that follows a ledger: what it knows, how soon, and what it does not take.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ocspry_core::{Absence, Lookup, OwnedCertificate, StatusTable};
use ocspry_ledger::{
    FollowPolicy, FollowedTable, ImportEntry, IssuerEvidence, Ledger, LedgerError, LedgerFollower,
    LedgerPlace, Position, SeenRevocation, backup, issuer_identity, restore,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::fixture::{NOW, ROOT, Scene, act, certificate, entry, revoked, serial};

fn follower(scene: &Scene) -> LedgerFollower {
    follower_of(&scene.place, None)
}

fn follower_of(place: &LedgerPlace, known: Option<Position>) -> LedgerFollower {
    LedgerFollower::new(place.clone(), &["root"], FollowPolicy::DEFAULT, known)
}

/// The one table that is new.
fn only(tables: Vec<FollowedTable>) -> StatusTable {
    let [one] = <[FollowedTable; 1]>::try_from(tables).expect("one table");
    assert_eq!(one.name, "root");
    let root = OwnedCertificate::from_der(ROOT.certificate.clone()).unwrap();
    assert_eq!(one.identity, issuer_identity(&root.view()));
    one.table
}

fn look(follower: &mut LedgerFollower) -> StatusTable {
    only(follower.look(NOW).unwrap())
}

fn reason_of(table: &StatusTable, serial: &SerialNumber) -> Option<CrlReason> {
    match table.lookup(serial) {
        Lookup::Revoked(info) => info.reason,
        other => panic!("{serial} is {other:?}"),
    }
}

#[test]
fn what_is_recorded_is_in_the_next_look() {
    let mut scene = Scene::new();
    let (good, bad) = (scene.issue(1), scene.issue_revoked(2));
    let mut follower = follower(&scene);
    let table = look(&mut follower);
    assert_eq!(table.absence(), Absence::NeverIssued);
    assert_eq!(table.window().this_update, NOW);
    assert_eq!(table.window().next_update, NOW.plus_seconds(12 * 3600));
    assert_eq!(table.lookup(&good), Lookup::Issued);
    assert_eq!(
        table.lookup(&bad),
        Lookup::Revoked(revoked(CrlReason::Superseded))
    );
    assert_eq!(table.lookup(&serial(3)), Lookup::Absent);
    assert!(follower.look(NOW).unwrap().is_empty(), "nothing is new");

    let new = scene.issue(3);
    scene.revoke(&good, CrlReason::CertificateHold);
    let table = look(&mut follower);
    assert_eq!(table.lookup(&new), Lookup::Issued);
    assert_eq!(reason_of(&table, &good), Some(CrlReason::CertificateHold));

    scene.ledger.release(&act(), scene.issuer, &good).unwrap();
    assert_eq!(look(&mut follower).lookup(&good), Lookup::Issued);
    scene.revoke(&good, CrlReason::KeyCompromise);
    let table = look(&mut follower);
    assert_eq!(reason_of(&table, &good), Some(CrlReason::KeyCompromise));
    assert_eq!(reason_of(&table, &bad), Some(CrlReason::Superseded));
    assert_eq!(
        follower.position(),
        Some(scene.ledger.reader().position().unwrap())
    );
}

#[test]
fn a_serial_that_was_only_reserved_was_never_issued() {
    let mut scene = Scene::new();
    scene
        .ledger
        .reserve_serial(&act(), scene.issuer, &serial(1))
        .unwrap();
    let table = look(&mut follower(&scene));
    assert_eq!(table.lookup(&serial(1)), Lookup::Absent);
}

#[test]
fn each_minute_a_table_that_did_not_change_is_said_to_be_of_now() {
    let mut scene = Scene::new();
    scene.issue(1);
    let mut follower = follower(&scene);
    look(&mut follower);
    let at = |seconds| NOW.plus_seconds(seconds);
    assert!(follower.look(at(59)).unwrap().is_empty());
    let table = only(follower.look(at(60)).unwrap());
    assert_eq!(table.window().this_update, at(60));
    assert!(follower.look(at(61)).unwrap().is_empty());
}

#[test]
fn a_clock_that_is_set_back_a_little_takes_no_table_back() {
    let mut scene = Scene::new();
    scene.issue(1);
    let mut follower = follower(&scene);
    look(&mut follower);
    scene.issue(2);
    let table = only(follower.look(NOW.plus_seconds(-30)).unwrap());
    assert_eq!(table.lookup(&serial(2)), Lookup::Issued);
    assert_eq!(table.window().this_update, NOW);
}

#[test]
fn dbs_09_what_expired_leaves_after_its_retention_and_not_before() {
    let mut scene = Scene::new();
    let serial = scene.issue_revoked(1);
    let mut follower = follower(&scene);
    look(&mut follower);
    // notAfter is a day from now, and seven more are kept.
    let eight_days = NOW.plus_seconds(8 * 86_400);
    let table = only(follower.look(eight_days).unwrap());
    assert!(matches!(table.lookup(&serial), Lookup::Revoked(_)));
    let table = only(follower.look(eight_days.plus_seconds(86_401)).unwrap());
    assert_eq!(table.lookup(&serial), Lookup::Absent);

    // By a clock that was ahead: the right one brings it back.
    let table = only(follower.look(NOW).unwrap());
    assert!(matches!(table.lookup(&serial), Lookup::Revoked(_)));

    let policy = FollowPolicy {
        retention: None,
        ..FollowPolicy::DEFAULT
    };
    let mut archive = LedgerFollower::new(scene.place.clone(), &["root"], policy, None);
    let table = only(archive.look(Time::from_unix(4_000_000_000)).unwrap());
    assert!(matches!(table.lookup(&serial), Lookup::Revoked(_)));
}

#[test]
fn a_serial_that_was_named_before_its_certificate_came_leaves_whole_when_that_has_expired() {
    let mut scene = Scene::new();
    let evidence = IssuerEvidence {
        issuer: scene.issuer,
        certificates: Vec::new(),
        revoked: vec![SeenRevocation {
            serial_number: serial(1),
            info: revoked(CrlReason::KeyCompromise),
            seen: NOW,
        }],
        crl_numbers: Vec::new(),
    };
    scene.ledger.reconcile(&act(), &[evidence], None).unwrap();
    let known = ImportEntry::of(&certificate(1), None);
    scene
        .ledger
        .import(&act(), scene.issuer, [known], |_| {})
        .unwrap();
    let table = look(&mut follower(&scene));
    assert!(matches!(table.lookup(&serial(1)), Lookup::Revoked(_)));
    let later = NOW.plus_seconds(8 * 86_400 + 1);
    let table = only(follower(&scene).look(later).unwrap());
    assert_eq!(table.lookup(&serial(1)), Lookup::Absent);
}

#[test]
fn a_ca_that_is_not_there_yet_is_followed_when_it_comes() {
    let directory = tempfile::tempdir().unwrap();
    let place = LedgerPlace::Sqlite(directory.path().join("ledger.db"));
    let mut follower = follower_of(&place, None);
    assert!(matches!(
        follower.look(NOW),
        Err(LedgerError::Missing { .. })
    ));
    let mut ledger = Ledger::create(&place).unwrap();
    assert!(follower.look(NOW).unwrap().is_empty());
    assert_eq!(follower.missing().collect::<Vec<_>>(), ["root"]);

    let issuer = crate::fixture::add_root(&mut ledger);
    ledger
        .import(&act(), issuer, [entry(1, None)], |_| {})
        .unwrap();
    let table = look(&mut follower);
    assert_eq!(table.lookup(&serial(1)), Lookup::Issued);
    assert_eq!(follower.missing().count(), 0);
}

#[test]
fn a_ledger_that_is_locked_gone_or_damaged_is_an_error_and_comes_back_without_a_restart() {
    let mut scene = Scene::new();
    let good = scene.issue(1);
    let mut follower = follower(&scene);
    look(&mut follower);
    let path = scene.path();
    let aside = scene.directory.path().join("aside.db");

    fs::rename(&path, &aside).unwrap();
    assert!(matches!(
        follower.look(NOW),
        Err(LedgerError::Missing { .. })
    ));
    fs::write(
        &path,
        "something else that is no database at all, and long enough to have a header",
    )
    .unwrap();
    assert!(matches!(
        follower.look(NOW),
        Err(LedgerError::NotALedger { .. })
    ));
    fs::rename(&aside, &path).unwrap();
    let Scene {
        place,
        ledger,
        directory,
        issuer,
    } = scene;
    drop(ledger);

    let locker = Connection::open(&path).unwrap();
    locker
        .execute_batch(
            "PRAGMA locking_mode=EXCLUSIVE; BEGIN IMMEDIATE; UPDATE head SET restored = 0; COMMIT;",
        )
        .unwrap();
    assert!(matches!(
        follower.look(NOW),
        Err(LedgerError::Locked { .. })
    ));
    drop(locker);
    // SQLite's own tool takes the files beside it away when it is done; a writer brings them back.
    let mut ledger = Ledger::open(&place).unwrap();
    ledger
        .revoke(&act(), issuer, &good, revoked(CrlReason::Superseded))
        .unwrap();
    let table = look(&mut follower);
    assert!(matches!(table.lookup(&good), Lookup::Revoked(_)));
    drop(directory);
}

/// What is done to a ledger behind a follower's back.
fn copied_back(scene: &mut Scene, and_then: impl FnOnce(&mut Ledger)) {
    let copy = scene.directory.path().join("copy.db");
    fs::remove_file(scene.path()).unwrap();
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", scene.path().display()));
    }
    fs::copy(copy, scene.path()).unwrap();
    scene.ledger = Ledger::open(&scene.place).unwrap();
    and_then(&mut scene.ledger);
}

#[test]
fn an_older_copy_is_refused_also_after_a_restart_and_also_when_it_was_written_to() {
    let mut scene = Scene::new();
    scene.issue(1);
    backup(&scene.place, &scene.directory.path().join("copy.db")).unwrap();
    scene.issue_revoked(2);
    let mut running = follower(&scene);
    look(&mut running);
    let known = running.position();

    copied_back(&mut scene, |_| {});
    let mut restarted = follower_of(&scene.place, known);
    for follower in [&mut running, &mut restarted] {
        assert!(matches!(
            follower.look(NOW),
            Err(LedgerError::SequenceWentBack {
                seen: 7,
                found: 4,
                ..
            })
        ));
    }
    let issuer = scene.issuer;
    for number in 10..20 {
        scene
            .ledger
            .reserve_serial(&act(), issuer, &serial(number))
            .unwrap();
    }
    for follower in [&mut running, &mut restarted] {
        assert!(matches!(
            follower.look(NOW),
            Err(LedgerError::HistoryDiffers { seen: 7, .. })
        ));
    }
    // Who never saw it cannot know, and an operator may say that it shall be forgotten.
    look(&mut follower_of(&scene.place, None));
    restarted.forget_seen();
    look(&mut restarted);

    let other = Scene::new();
    let mut elsewhere = follower_of(&other.place, known);
    assert!(matches!(
        elsewhere.look(NOW),
        Err(LedgerError::OtherLedger { .. })
    ));
}

#[test]
fn a_restored_ledger_is_taken_when_it_was_reconciled_with_all_that_was_known_to_be_revoked() {
    let mut scene = Scene::new();
    scene.issue(1);
    let copy = scene.directory.path().join("copy.db");
    backup(&scene.place, &copy).unwrap();
    let lost = scene.issue_revoked(2);
    let mut running = follower(&scene);
    look(&mut running);
    let known = running.position().unwrap();
    restore(&copy, &scene.place).unwrap();
    assert!(matches!(
        running.look(NOW),
        Err(LedgerError::NotReconciled { .. })
    ));

    scene
        .ledger
        .reconcile(&act(), &[], Some(known.sequence))
        .unwrap();
    let refused = running.look(NOW).unwrap_err();
    assert!(
        matches!(
            refused,
            LedgerError::ReconciliationIncomplete { count: 1, .. }
        ),
        "{refused}"
    );

    // What it knows is the evidence that was missing.
    let saw = |(serial_number, info)| SeenRevocation {
        serial_number,
        info,
        seen: NOW,
    };
    let evidence = IssuerEvidence {
        issuer: scene.issuer,
        certificates: Vec::new(),
        revoked: running.revocations("root").into_iter().map(saw).collect(),
        crl_numbers: Vec::new(),
    };
    scene
        .ledger
        .reconcile(&act(), &[evidence], Some(known.sequence))
        .unwrap();
    let table = look(&mut running);
    assert_eq!(
        table.lookup(&lost),
        Lookup::Revoked(revoked(CrlReason::Superseded))
    );
    // And one that was restarted meanwhile takes it too.
    look(&mut follower_of(&scene.place, Some(known)));
}

/// A server that saw what `then` recorded after a backup, and the ledger as that backup has it, reconciled without evidence.
fn restored_behind(scene: &mut Scene, then: impl FnOnce(&mut Scene)) -> LedgerFollower {
    let copy = scene.directory.path().join("copy.db");
    backup(&scene.place, &copy).unwrap();
    then(scene);
    let mut running = follower(scene);
    look(&mut running);
    let seen = running.position().map(|position| position.sequence);
    restore(&copy, &scene.place).unwrap();
    scene.ledger.reconcile(&act(), &[], seen).unwrap();
    running
}

fn assert_incomplete(running: &mut LedgerFollower) {
    let refused = running.look(NOW).unwrap_err();
    assert!(
        matches!(
            refused,
            LedgerError::ReconciliationIncomplete { count: 1, .. }
        ),
        "{refused}"
    );
}

#[test]
fn a_reconciliation_that_goes_back_to_a_release_before_the_revocation_is_not_taken() {
    for reason in [CrlReason::KeyCompromise, CrlReason::CertificateHold] {
        let mut scene = Scene::new();
        let serial = scene.issue(1);
        scene.revoke(&serial, CrlReason::CertificateHold);
        scene.ledger.release(&act(), scene.issuer, &serial).unwrap();
        let mut running = restored_behind(&mut scene, |scene| scene.revoke(&serial, reason));
        assert_incomplete(&mut running);

        // A compromised key is put back also where it was seen, by a list that is dated back, before the release.
        let is_hold = reason == CrlReason::CertificateHold;
        let evidence = IssuerEvidence {
            issuer: scene.issuer,
            certificates: Vec::new(),
            revoked: vec![SeenRevocation {
                serial_number: serial,
                info: revoked(reason),
                seen: NOW.plus_seconds(if is_hold { 0 } else { -600 }),
            }],
            crl_numbers: Vec::new(),
        };
        scene.ledger.reconcile(&act(), &[evidence], None).unwrap();
        assert_eq!(reason_of(&look(&mut running), &serial), Some(reason));
    }
}

#[test]
fn a_revocation_for_good_does_not_become_a_hold_again_and_a_compromised_key_no_other_reason() {
    for before in [CrlReason::CertificateHold, CrlReason::Superseded] {
        let mut scene = Scene::new();
        let serial = scene.issue(1);
        scene.revoke(&serial, before);
        let mut running = restored_behind(&mut scene, |scene| {
            scene.revoke(&serial, CrlReason::KeyCompromise);
        });
        assert_incomplete(&mut running);
        // Nor is it released, whatever was done to the hold that the copy has.
        if before == CrlReason::CertificateHold {
            scene.ledger.release(&act(), scene.issuer, &serial).unwrap();
            assert_incomplete(&mut running);
        }
    }
}

#[test]
fn a_revocation_is_not_put_back_as_of_a_later_time() {
    let mut scene = Scene::new();
    let serial = scene.issue(1);
    let mut running = restored_behind(&mut scene, |scene| {
        scene.revoke(&serial, CrlReason::Superseded);
    });
    // Somebody saw that it was missing.
    let known = revoked(CrlReason::Superseded);
    let later = RevokedInfo {
        revocation_time: NOW,
        ..known
    };
    let issuer = scene.issuer;
    scene.ledger.revoke(&act(), issuer, &serial, later).unwrap();
    assert_incomplete(&mut running);
    let evidence = IssuerEvidence {
        issuer,
        certificates: Vec::new(),
        revoked: vec![SeenRevocation {
            serial_number: serial,
            info: known,
            seen: NOW,
        }],
        crl_numbers: Vec::new(),
    };
    scene.ledger.reconcile(&act(), &[evidence], None).unwrap();
    let table = look(&mut running);
    assert_eq!(table.lookup(&serial), Lookup::Revoked(known));
}

#[test]
fn a_hold_that_is_released_after_the_reconciliation_is_no_loss() {
    let mut scene = Scene::new();
    let serial = scene.issue(1);
    scene.revoke(&serial, CrlReason::CertificateHold);
    let mut running = restored_behind(&mut scene, |scene| {
        scene.issue(2);
    });
    scene.ledger.release(&act(), scene.issuer, &serial).unwrap();
    assert_eq!(look(&mut running).lookup(&serial), Lookup::Issued);
}

/// Everything but the headers, with the time of before.
fn scribble_over(path: &Path) {
    let mut file = fs::File::options().write(true).open(path).unwrap();
    let metadata = file.metadata().unwrap();
    let length = usize::try_from(metadata.len()).unwrap();
    if length > 100 {
        file.seek(SeekFrom::Start(100)).unwrap();
        file.write_all(&vec![0xa5; length - 100]).unwrap();
    }
    file.set_modified(metadata.modified().unwrap()).unwrap();
}

#[test]
fn what_is_refused_is_not_read_again_before_it_changes() {
    let mut scene = Scene::new();
    scene.issue(1);
    let copy = scene.directory.path().join("copy.db");
    backup(&scene.place, &copy).unwrap();
    scene.issue_revoked(2);
    let mut running = follower(&scene);
    look(&mut running);
    let known = running.position().unwrap();
    restore(&copy, &scene.place).unwrap();
    running.look(NOW).unwrap_err();
    let seen = Some(known.sequence);
    scene.ledger.reconcile(&act(), &[], seen).unwrap();
    running.look(NOW).unwrap_err();
    // Nothing can be read from it any more, and SQLite is not told.
    scribble_over(&scene.path());
    scribble_over(&scene.directory.path().join("ledger.db-wal"));
    let refused = running.look(NOW).unwrap_err();
    assert!(
        matches!(refused, LedgerError::ReconciliationIncomplete { .. }),
        "{refused}"
    );
    // Whoever opens it sees that.
    follower_of(&scene.place, Some(known))
        .look(NOW)
        .unwrap_err();
}

/// Makes the file be what another one is, in one transaction.
fn make_it_be(file: &Path, what: &Path) {
    let source = Connection::open(what).unwrap();
    let mut target = Connection::open(file).unwrap();
    let backup = Backup::new(&source, &mut target).unwrap();
    backup.step(-1).unwrap();
}

#[test]
fn a_table_is_of_one_moment_though_other_states_take_the_ledgers_place_while_it_is_read() {
    let mut scene = Scene::new();
    let file = |name: &str| scene.directory.path().join(name);
    let (early, late) = (file("early.db"), file("late.db"));
    // Long enough that something can come in between.
    let many = (100..9_000).map(|number| entry(number, None));
    scene
        .ledger
        .import(&act(), scene.issuer, many, |_| {})
        .unwrap();
    let common = file("common.db");
    backup(&scene.place, &common).unwrap();
    let (one, two) = (serial(1), serial(2));
    // Early: two is revoked, one is not.  Late, as if the other had been lost: one is revoked, two was never issued.
    let revoked = || Some(revoked(CrlReason::KeyCompromise));
    for (entries, copy) in [
        (vec![entry(1, None), entry(2, revoked())], &early),
        (vec![entry(1, revoked())], &late),
    ] {
        make_it_be(&scene.path(), &common);
        scene
            .ledger
            .import(&act(), scene.issuer, entries, |_| {})
            .unwrap();
        backup(&scene.place, copy).unwrap();
    }
    let is_over = AtomicBool::new(false);
    let path = scene.path();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                make_it_be(&path, &early);
                make_it_be(&path, &late);
            }
        });
        for _ in 0..30 {
            let table = look(&mut follower(&scene));
            let said = (table.lookup(&one), table.lookup(&two));
            let is_whole = matches!(
                said,
                (Lookup::Issued, Lookup::Revoked(_)) | (Lookup::Revoked(_), Lookup::Absent)
            );
            if !is_whole {
                is_over.store(true, Ordering::Relaxed);
                panic!("{said:?}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn an_older_copy_that_was_written_to_is_taken_after_a_reconciliation() {
    let mut scene = Scene::new();
    scene.issue(1);
    backup(&scene.place, &scene.directory.path().join("copy.db")).unwrap();
    scene.issue(2);
    let mut running = follower(&scene);
    look(&mut running);
    let seen = running.position().unwrap().sequence;
    let issuer = scene.issuer;
    copied_back(&mut scene, |ledger| {
        for number in 10..20 {
            ledger
                .reserve_serial(&act(), issuer, &serial(number))
                .unwrap();
        }
    });
    running.look(NOW).unwrap_err();
    scene.ledger.reconcile(&act(), &[], Some(seen)).unwrap();
    look(&mut running);
}

#[test]
fn many_certificates_take_no_more_than_their_serials() {
    let mut scene = Scene::new();
    // 16 octets, as a CA draws them.
    let random = |number: u64| {
        let digest = ocspry_core::crypto::sha256(&number.to_be_bytes());
        let mut content = digest[..16].to_vec();
        content[0] &= 0x7f;
        content[0] |= 0x40;
        SerialNumber::from_content(&content).unwrap()
    };
    let entries = (0..6_000).map(|number| {
        let mut entry = entry(number, None);
        entry.serial_number = random(number);
        entry
    });
    scene
        .ledger
        .import(&act(), scene.issuer, entries, |_| {})
        .unwrap();
    let mut follower = LedgerFollower::new(
        scene.place.clone(),
        &["root"],
        FollowPolicy {
            validity: Duration::from_secs(60),
            retention: None,
        },
        None,
    );
    let table = look(&mut follower);
    assert_eq!(table.lookup(&random(5_999)), Lookup::Issued);
    assert!(table.size_bytes() <= 20 * 6_000, "{}", table.size_bytes());
}
