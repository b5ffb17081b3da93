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
