//! Which version of the schema a ledger has, which are understood, and the steps from one to the next.
//!
//! A step is one file of `migrations/`, applied once, in one transaction with all that are missing; SQLite's own
//! `user_version` says which is the last.  Version N is read by programs that know N − 1, N or N + 1 (a step only adds,
//! and is not relied upon before the next one), and written to by those that know N.  From: `sqlite`, `ledger`, `reader`.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::sqlite::{self, sqlite_error};
use crate::{LedgerError, backup};

/// One step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migration {
    /// What the schema has afterwards.
    pub(crate) version: i64,
    pub(crate) sql: &'static str,
}

/// All steps, in order.
pub(crate) const MIGRATIONS: &[Migration] = &[Migration {
    version: 1,
    sql: include_str!("../migrations/0001-facts.sql"),
}];

/// What the program knows.
pub(crate) const VERSION: i64 = newest(MIGRATIONS);

const fn newest(migrations: &[Migration]) -> i64 {
    match migrations.last() {
        Some(last) => last.version,
        None => 0,
    }
}

/// "ocsp", in the header of the file.
const APPLICATION_ID: i64 = 0x6f63_7370;

/// The version that the file has.
///
/// # Errors
/// `NotALedger`, or `Unfinished` when nothing is in it yet.
pub(crate) fn found(connection: &Connection, path: &Path) -> Result<i64, LedgerError> {
    let sqlite = sqlite_error(path);
    let number = |pragma| {
        connection
            .query_row(pragma, [], |row| row.get::<_, i64>(0))
            .map_err(&sqlite)
    };
    if number("PRAGMA application_id")? == APPLICATION_ID {
        return number("PRAGMA user_version");
    }
    let path = path.to_owned();
    match number("SELECT count(*) FROM sqlite_schema")? {
        0 => Err(LedgerError::Unfinished { path }),
        _ => Err(LedgerError::NotALedger {
            path,
            found: "a database of something else",
        }),
    }
}

/// May it be read?
pub(crate) fn check_readable(
    connection: &Connection,
    path: &Path,
    known: i64,
) -> Result<(), LedgerError> {
    check(connection, path, known, 1)
}

/// May it be written to?
pub(crate) fn check_writable(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    check(connection, path, VERSION, 0)
}

fn check(
    connection: &Connection,
    path: &Path,
    known: i64,
    distance_max: i64,
) -> Result<(), LedgerError> {
    let found = found(connection, path)?;
    let path = path.to_owned();
    if found > known + distance_max {
        return Err(LedgerError::FutureVersion { path, found, known });
    }
    if found < known - distance_max {
        return Err(LedgerError::OldVersion { path, found, known });
    }
    Ok(())
}

/// Applies every step after version `from`.
pub(crate) fn apply(
    transaction: &Transaction<'_>,
    migrations: &[Migration],
    from: i64,
) -> rusqlite::Result<()> {
    for step in migrations.iter().filter(|step| step.version > from) {
        transaction.execute_batch(step.sql)?;
        transaction.pragma_update(None, "user_version", step.version)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)
}

/// What a migration did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Migrated {
    /// The version before.
    pub from: i64,
    /// The version now.
    pub to: i64,
    /// The backup that was made before; None when there was nothing to do.
    pub backup: Option<PathBuf>,
}

/// Brings a ledger to this program's version; a backup is made beside it first, as `<ledger>.before-version-N`.
///
/// # Errors
/// `FutureVersion`, the backup cannot be made, or a step fails; the ledger is as it was then.
pub fn migrate(path: &Path) -> Result<Migrated, LedgerError> {
    migrate_with(path, MIGRATIONS)
}

pub(crate) fn migrate_with(path: &Path, migrations: &[Migration]) -> Result<Migrated, LedgerError> {
    let mut connection = sqlite::open_to_write(path)?;
    let known = newest(migrations);
    let from = found(&connection, path)?;
    if from > known {
        return Err(LedgerError::FutureVersion {
            path: path.to_owned(),
            found: from,
            known,
        });
    }
    if from == known {
        return Ok(Migrated {
            from,
            to: known,
            backup: None,
        });
    }
    let sqlite = sqlite_error(path);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(&sqlite)?;
    // Nobody else writes from here on, so that the backup is all there is.  Another one may have been faster, though.
    let from_now = found(&transaction, path)?;
    let target = backup::beside(path, &format!("before-version-{known}"));
    backup::copy(path, &target)?;
    apply(&transaction, migrations, from_now).map_err(&sqlite)?;
    transaction.commit().map_err(&sqlite)?;
    Ok(Migrated {
        from,
        to: known,
        backup: Some(target),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::LedgerPlace;
    use crate::reader::LedgerReader;
    use crate::{Act, Ledger, check};

    /// A step that only adds, after those that there are.
    const NEXT: Migration = Migration {
        version: VERSION + 1,
        sql: "CREATE TABLE more (a ANY) STRICT;",
    };
    const BROKEN: Migration = Migration {
        version: VERSION + 2,
        sql: "CREATE TABLE broken (a ANY) STRICT; INSERT INTO nothing VALUES (1);",
    };

    fn with(more: &[Migration]) -> Vec<Migration> {
        [MIGRATIONS, more].concat()
    }

    #[test]
    fn a_migration_keeps_a_backup_of_the_version_before_and_is_done_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let place = LedgerPlace::Sqlite(path.clone());
        let mut ledger = Ledger::create(&place).unwrap();
        let before = ledger.reader().position().unwrap();
        assert_eq!(migrate(&path).unwrap().backup, None, "nothing to do");

        let steps = with(&[NEXT]);
        let migrated = migrate_with(&path, &steps).unwrap();
        assert_eq!((migrated.from, migrated.to), (VERSION, VERSION + 1));
        let backup = LedgerPlace::Sqlite(migrated.backup.unwrap());
        assert_eq!(check(&backup).unwrap().sequence, before.sequence);
        assert_eq!(migrate_with(&path, &steps).unwrap().backup, None);

        // This program still reads it, and does not write to it, not even where it has it open.
        assert_eq!(
            LedgerReader::open(&place).unwrap().position().unwrap(),
            before
        );
        assert!(Ledger::open(&place).is_err());
        let act = Act::by("tests", ocspry_wire::Time::from_unix(0));
        let refused = ledger.reconcile(&act, &[], None);
        assert!(matches!(refused, Err(LedgerError::FutureVersion { .. })));
        // And the one before it would be told what to do.
        let older = LedgerReader::open_knowing(&path, VERSION - 1).unwrap_err();
        assert!(matches!(older, LedgerError::FutureVersion { .. }));
        let newer = LedgerReader::open_knowing(&path, VERSION + 3).unwrap_err();
        assert!(newer.to_string().contains("ledger migrate"), "{newer}");
    }

    #[test]
    fn a_step_that_fails_leaves_the_ledger_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ledger.db");
        let place = LedgerPlace::Sqlite(path.clone());
        Ledger::create(&place).unwrap();
        migrate_with(&path, &with(&[NEXT, BROKEN])).unwrap_err();
        let connection = sqlite::open_to_write(&path).unwrap();
        assert_eq!(found(&connection, &path).unwrap(), VERSION);
        assert_eq!(check(&place).unwrap().defects, []);
        Ledger::open(&place).unwrap();
    }
}
