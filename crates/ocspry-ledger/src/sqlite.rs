//! A SQLite file opened the way a ledger needs it.
//!
//! Every commit is on the disk before it returns (`synchronous=FULL`), readers are never in the way of the writer (WAL),
//! and the `-wal` and `-shm` files stay when the last writer closes: without them somebody who may only read could not open
//! the ledger.  From: `ledger`, `reader`, `backup`.  To: SQLite.

use std::fs::{self, OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, FileControl, OpenFlags, TransactionBehavior};

use crate::LedgerError;
use crate::schema::{self, Migration};

/// Makes a new, empty ledger, or finishes one whose making was cut off.
///
/// # Errors
/// `AlreadyThere`, or the file cannot be made or written.
pub(crate) fn create(path: &Path, migrations: &[Migration]) -> Result<(), LedgerError> {
    refuse_network(path)?;
    make_file(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_WAIT)?;
    // First of all: nothing of somebody else's is touched.
    check_empty(&connection, path)?;
    keep_safe(&connection, path)?;
    let sqlite = sqlite_error(path);
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(&sqlite)?;
    // Another one may have been faster.
    check_empty(&transaction, path)?;
    schema::apply(&transaction, migrations, 0).map_err(&sqlite)?;
    transaction.commit().map_err(&sqlite)?;
    sync_directory(path)
}

fn check_empty(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    match schema::found(connection, path) {
        Err(LedgerError::Unfinished { .. }) => Ok(()),
        Ok(_) => Err(LedgerError::AlreadyThere {
            path: path.to_owned(),
        }),
        Err(error) => Err(error),
    }
}

/// Opens a ledger to write; its schema version is not looked at.
pub(crate) fn open_to_write(path: &Path) -> Result<Connection, LedgerError> {
    check_file(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE, WRITER_WAIT)?;
    schema::found(&connection, path)?;
    if connection
        .is_readonly(rusqlite::MAIN_DB)
        .map_err(sqlite_error(path))?
    {
        return Err(LedgerError::ReadOnly {
            path: path.to_owned(),
            problem: "this user may only read it".to_owned(),
        });
    }
    keep_safe(&connection, path)?;
    Ok(connection)
}

/// Opens a ledger to read only.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, LedgerError> {
    check_file(path)?;
    let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY, READER_WAIT)?;
    schema::found(&connection, path)?;
    Ok(connection)
}

/// The database's word about a file, as one of ours.
pub(crate) fn sqlite_error(path: &Path) -> impl Fn(rusqlite::Error) -> LedgerError {
    move |error| LedgerError::from_sqlite(path, &error)
}

fn connect(path: &Path, access: OpenFlags, wait: Duration) -> Result<Connection, LedgerError> {
    let sqlite = sqlite_error(path);
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(&sqlite)?;
    // Before anything that could meet a lock.
    connection.busy_timeout(wait).map_err(&sqlite)?;
    for (setting, is_on) in [
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true),
        // A statement that is kept stays as it was planned: else each new value has it parsed and planned anew.
        (DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true),
    ] {
        connection.set_db_config(setting, is_on).map_err(&sqlite)?;
    }
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(connection)
}

/// What every writer sets.
fn keep_safe(connection: &Connection, path: &Path) -> Result<(), LedgerError> {
    let sqlite = sqlite_error(path);
    let mode: String = connection
        .query_row("PRAGMA journal_mode=WAL", [], |row| row.get(0))
        .map_err(&sqlite)?;
    if mode != "wal" {
        return Err(LedgerError::Database {
            path: path.to_owned(),
            problem: format!("its journal mode stays {mode}, and wal is needed"),
        });
    }
    // Serial numbers have no order: a batch of them touches thousands of pages, which are kept at hand (64 MiB), and are
    // written back after some batches and not after each.
    connection
        .execute_batch(
            "PRAGMA synchronous=FULL; PRAGMA journal_size_limit=16777216;
             PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=16384;",
        )
        .map_err(&sqlite)?;
    let mut keep_wal = 1;
    connection
        .file_control(None::<&str>, FileControl::PersistWal(&mut keep_wal))
        .map_err(&sqlite)
}

/// Is it a file, and where its locks hold?
fn check_file(path: &Path) -> Result<(), LedgerError> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => refuse_network(path),
        Ok(_) => Err(LedgerError::NotAFile {
            path: path.to_owned(),
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(LedgerError::Missing {
            path: path.to_owned(),
        }),
        Err(error) => Err(LedgerError::CannotOpen {
            path: path.to_owned(),
            problem: error.to_string(),
        }),
    }
}

/// 0640: `serve` reads it as another user of the group.  There is nothing secret in it.
fn make_file(path: &Path) -> Result<(), LedgerError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path);
    match made {
        Ok(file) => file
            .set_permissions(Permissions::from_mode(FILE_MODE))
            .map_err(LedgerError::file(path, "cannot set its permissions")),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => check_file(path),
        Err(error) => Err(LedgerError::file(path, "cannot be made")(error)),
    }
}

/// Makes the name of a new file durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), LedgerError> {
    fs::File::open(directory_of(path))
        .and_then(|directory| directory.sync_all())
        .map_err(LedgerError::file(path, "its directory cannot be synced"))
}

fn directory_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Locks over a network are often none, and shared memory never is.
fn refuse_network(path: &Path) -> Result<(), LedgerError> {
    let directory = directory_of(path);
    let found = rustix::fs::statfs(&directory).map_err(|errno| {
        LedgerError::file(path, "its directory cannot be looked at")(errno.into())
    })?;
    match network_kind(found.f_type as u32) {
        None => Ok(()),
        Some(kind) => Err(LedgerError::NetworkFileSystem {
            path: path.to_owned(),
            kind,
        }),
    }
}

/// By the number that `statfs` gives; None for a file system of this machine.
fn network_kind(magic: u32) -> Option<&'static str> {
    NETWORK_FILE_SYSTEMS
        .iter()
        .find(|(known, _)| *known == magic)
        .map(|(_, kind)| *kind)
}

/// As in Linux's `magic.h`.
const NETWORK_FILE_SYSTEMS: [(u32, &str); 12] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB 2"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0102_1997, "9P"),
    (0x564c, "NCP"),
    (0x6573_5546, "FUSE"),
];

const FILE_MODE: u32 = 0o640;
/// As long as a batch of others takes.
const WRITER_WAIT: Duration = Duration::from_secs(10);
/// A reader meets a lock only while a database is repaired or taken over.
const READER_WAIT: Duration = Duration::from_millis(500);
const STATEMENTS_KEPT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_of_other_machines_are_known_by_name() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0xff53_4d42), Some("CIFS"));
        assert_eq!(network_kind(0xef53), None, "ext4");
        assert_eq!(network_kind(0x0102_1994), None, "tmpfs");
    }
}
