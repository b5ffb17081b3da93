//! The file: what may be opened, by whom, and what is said when it cannot be.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ocspry_ledger::{
    Defect, FollowPolicy, Ledger, LedgerError, LedgerFollower, LedgerPlace, LedgerReader, check,
};
use ocspry_testkit::{LineChild, wait_until};
use ocspry_wire::ocsp::CrlReason;
use rusqlite::Connection;

use crate::fixture::{NOW, Scene, act, revoked, serial};

fn place(path: &Path) -> LedgerPlace {
    LedgerPlace::Sqlite(path.to_owned())
}

#[test]
fn what_is_no_ledger_is_named_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::write(
        path("text"),
        "this is a text that is long enough to be read as a header of something",
    )
    .unwrap();
    fs::write(path("empty"), "").unwrap();
    Connection::open(path("other"))
        .unwrap()
        .execute_batch("CREATE TABLE thing (a)")
        .unwrap();
    for (name, expected) in [
        ("missing", "is not there"),
        ("text", "is not an ocspry ledger: no database"),
        ("empty", "its creation was cut off"),
        ("other", "a database of something else"),
        ("", "is not a file"),
    ] {
        for error in [
            Ledger::open(&place(&path(name))).unwrap_err(),
            LedgerReader::open(&place(&path(name))).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains(expected), "{name}: {text}");
            assert!(text.contains(&*path(name).to_string_lossy()), "{text}");
        }
    }
    assert!(!path("missing").exists());
    for name in ["text", "other"] {
        let before = fs::read(path(name)).unwrap();
        Ledger::create(&place(&path(name))).unwrap_err();
        assert!(before == fs::read(path(name)).unwrap(), "{name}");
    }
}

#[test]
fn a_ledger_is_made_once_and_one_whose_making_was_cut_off_is_finished() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.db");
    fs::write(&path, "").unwrap();
    Ledger::create(&place(&path)).unwrap();
    assert!(matches!(
        Ledger::create(&place(&path)),
        Err(LedgerError::AlreadyThere { .. })
    ));
    Ledger::open(&place(&path)).unwrap();
}

#[test]
fn the_group_may_read_the_ledger_and_the_files_beside_it() {
    let mut scene = Scene::new();
    scene.issue(1);
    for suffix in ["", "-wal", "-shm"] {
        let path = format!("{}{suffix}", scene.path().display());
        let mode = fs::metadata(&path).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o640, "{path}");
    }
}

/// One who may only read opens what nobody has open, sees what a writer adds later, and changes nothing: the test itself,
/// started again as another user.
#[test]
fn another_user_of_the_group_reads_without_a_writer_and_beside_one() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let mut scene = Scene::new();
    scene.issue_revoked(1);
    share(scene.directory.path());
    let path = scene.path();
    let read_as_other = |expected: &str| {
        let finished = as_other("files::reads_as_another_user", &path)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&finished.stdout);
        assert!(said.contains(expected), "{said}");
    };
    read_as_other("reads 4 more");
    let Scene {
        place,
        ledger,
        directory,
        ..
    } = scene;
    drop(ledger);
    read_as_other("reads 4 more");
    // A checkpoint empties the log, and the next writer begins the memory beside it anew: a reader that may not write to it
    // depends on what that writer leaves there.
    let ledger = Ledger::open(&place).unwrap();
    Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    drop(ledger);
    read_as_other("reads 4 more");
    let mut ledger = Ledger::open(&place).unwrap();
    let issuer = ledger.reader().issuer("root").unwrap().number;
    ledger.reserve_serial(&act(), issuer, &serial(2)).unwrap();
    read_as_other("reads 5 more");
    drop(ledger);
    read_as_other("reads 5 more");
    // SQLite's own tool takes the files beside it away when it is done; who may not make them is told what does.
    drop(
        Connection::open(&path)
            .unwrap()
            .execute_batch("SELECT * FROM head"),
    );
    read_as_other("any command that writes to the ledger makes them");
    Ledger::open(&place).unwrap();
    read_as_other("reads 5 more");
    drop(directory);
}

/// Gives a directory and what is in it to the group of those who read.
fn share(directory: &Path) {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o750)).unwrap();
    for name in fs::read_dir(directory).unwrap() {
        std::os::unix::fs::chown(name.unwrap().path(), None, Some(READER_ID)).unwrap();
    }
    std::os::unix::fs::chown(directory, None, Some(READER_ID)).unwrap();
}

/// One test of this program, as another user.
fn as_other(test: &str, ledger: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .args([test, "--exact", "--ignored", "--nocapture"])
        .env("OCSPRY_TEST_LEDGER", ledger)
        .uid(READER_ID)
        .gid(READER_ID);
    command
}

/// The same of one who follows: it starts without a writer, and sees one come, write, go, and come again.
#[test]
fn another_user_of_the_group_follows_writers_that_come_and_go() {
    if !rustix::process::getuid().is_root() {
        return;
    }
    let mut scene = Scene::new();
    for number in 1..=4 {
        scene.issue(number);
    }
    share(scene.directory.path());
    let Scene {
        place,
        ledger,
        directory,
        issuer,
    } = scene;
    drop(ledger);
    let mut follower = LineChild::start(&mut as_other(
        "files::follows_as_another_user",
        &directory.path().join("ledger.db"),
    ));
    follower.line_with("0 revoked");
    let revoke = |ledger: &mut Ledger, number| {
        let info = revoked(CrlReason::Superseded);
        ledger
            .revoke(&act(), issuer, &serial(number), info)
            .unwrap();
    };
    let mut first = Ledger::open(&place).unwrap();
    revoke(&mut first, 1);
    follower.line_with("1 revoked");
    revoke(&mut first, 2);
    follower.line_with("2 revoked");
    drop(first);
    let mut second = Ledger::open(&place).unwrap();
    revoke(&mut second, 3);
    follower.line_with("3 revoked");
    // A checkpoint of everything while it follows, and the log begun anew.
    Connection::open(directory.path().join("ledger.db"))
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    revoke(&mut second, 4);
    follower.line_with("4 revoked");
}

#[test]
#[ignore = "run by the test above, as another user"]
fn follows_as_another_user() {
    let Some(path) = std::env::var_os("OCSPRY_TEST_LEDGER") else {
        return;
    };
    let policy = FollowPolicy::DEFAULT;
    let mut follower = LedgerFollower::new(place(Path::new(&path)), &["root"], policy, None);
    let mut told = None;
    wait_until("four revocations", Duration::from_secs(50), || {
        match follower.look(NOW) {
            Ok(tables) => {
                let count = tables.last().map(|followed| followed.table.entry_count());
                if let Some(count) = count.filter(|_| count != told) {
                    println!("{count} revoked");
                    told = Some(count);
                }
            }
            Err(error) => println!("{error}"),
        }
        told == Some(4)
    });
}

#[test]
#[ignore = "run by the test above, as another user"]
fn reads_as_another_user() {
    let Some(path) = std::env::var_os("OCSPRY_TEST_LEDGER") else {
        return;
    };
    let place = place(Path::new(&path));
    match LedgerReader::open(&place) {
        Ok(reader) => match reader.facts(1, 100) {
            Ok(facts) => println!("reads {} more", facts.len()),
            Err(error) => println!("{error}"),
        },
        Err(error) => println!("{error}"),
    }
    match Ledger::open(&place) {
        Err(LedgerError::ReadOnly { .. }) => {}
        other => println!("may write: {other:?}"),
    }
}

/// Nobody, on most systems.
const READER_ID: u32 = 65_534;

#[test]
fn a_schema_of_the_next_version_is_read_and_not_written_and_one_beyond_is_refused() {
    let mut scene = Scene::new();
    scene.issue(1);
    let set = |version: i64| {
        Connection::open(scene.path())
            .unwrap()
            .pragma_update(None, "user_version", version)
            .unwrap();
    };
    let may = |version| {
        set(version);
        (
            LedgerReader::open(&scene.place).is_ok(),
            Ledger::open(&scene.place).is_ok(),
        )
    };
    assert_eq!(may(1), (true, true));
    assert_eq!(may(2), (true, false));
    assert_eq!(may(3), (false, false));
    let error = LedgerReader::open(&scene.place).unwrap_err();
    assert!(error.to_string().contains("schema version 3"), "{error}");
    let error = ocspry_ledger::migrate(&scene.path()).unwrap_err();
    assert!(matches!(error, LedgerError::FutureVersion { .. }));
}

#[test]
fn a_lock_that_does_not_end_is_named_and_what_was_asked_is_not_recorded() {
    let mut scene = Scene::new();
    let blocker = Connection::open(scene.path()).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let reader = LedgerReader::open(&scene.place).unwrap();
    assert_eq!(reader.position().unwrap().sequence, 2, "readers go on");

    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            scene
                .ledger
                .reserve_serial(&act(), scene.issuer, &serial(1))
                .map(|recorded| recorded.last)
        });
        blocker.execute_batch("COMMIT").unwrap();
        assert_eq!(
            waiting.join().unwrap().unwrap(),
            3,
            "a writer waits its turn"
        );
    });
}

#[test]
fn a_damaged_file_is_named_whether_it_is_opened_or_checked() {
    let mut scene = Scene::new();
    for number in 0..60 {
        scene.issue(number);
    }
    drop(scene.ledger);
    let path = scene.directory.path().join("ledger.db");
    Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .unwrap();
    let length = fs::metadata(&path).unwrap().len();
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(length / 2)).unwrap();
    file.write_all(&vec![0xa5; (length / 4) as usize]).unwrap();
    drop(file);
    match check(&scene.place) {
        Ok(report) => assert!(
            matches!(report.defects[..], [Defect::File { .. }, ..]),
            "{report:?}"
        ),
        Err(error) => assert!(error.to_string().contains("is damaged"), "{error}"),
    }
}

#[test]
fn facts_cannot_be_changed_or_removed_by_a_statement() {
    let mut scene = Scene::new();
    scene.issue_revoked(1);
    let database = Connection::open(scene.path()).unwrap();
    for statement in [
        "DELETE FROM revocation",
        "UPDATE revocation SET reason = 1",
        "DELETE FROM certificate",
        "UPDATE act SET actor = 'nobody'",
        "UPDATE head SET sequence = 1",
        "DELETE FROM head",
    ] {
        assert!(database.execute(statement, []).is_err(), "{statement}");
    }
}

#[test]
fn a_check_names_what_the_facts_contradict() {
    let mut scene = Scene::new();
    scene.issue_revoked(1);
    let issuer = 1;
    for (tampering, expected) in [
        (
            "DROP TRIGGER revocation_remains; DELETE FROM revocation;".to_owned(),
            "5 facts were recorded, and 4 are there",
        ),
        (
            format!("INSERT INTO revocation VALUES (5, {issuer}, x'0102', 0, 0, 1, NULL);"),
            "serial 0102 of CA 1: is revoked and was never issued",
        ),
        (
            "DROP TRIGGER reservation_remains; DELETE FROM reservation;".to_owned(),
            "was signed before its serial was reserved",
        ),
        (
            "DROP TRIGGER certificate_stays; UPDATE certificate SET not_after = 5;".to_owned(),
            "is recorded otherwise than it says itself",
        ),
        (
            "DROP TRIGGER act_remains; DELETE FROM act WHERE first = 4;".to_owned(),
            "facts are missing between 3 and 5",
        ),
    ] {
        Connection::open(scene.path())
            .unwrap()
            .execute_batch(&tampering)
            .unwrap();
        let report = check(&scene.place).unwrap();
        let said: Vec<_> = report.defects.iter().map(Defect::to_string).collect();
        assert!(said.iter().any(|line| line.contains(expected)), "{said:?}");
    }
}
