//! A ledger copied whole while others write to it, and put back (SQLite's backup interface).
//!
//! A copy is one file, checked before it gets its name, durable before the function returns.  A restore closes the ledger to
//! writers, keeps a copy, and is then one transaction in the ledger's own file: other processes keep it open and see it
//! happen, and a crash leaves one state or the other, closed to writers until it is run again or reconciled.
//! From: `ocspry ledger backup | restore`, `schema::migrate`.

use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, TransactionBehavior};

use crate::place::LedgerPlace;
use crate::reader::{LedgerReader, rows};
use crate::sqlite::{self, sqlite_error, sync_directory};
use crate::{CheckReport, LedgerError, check, schema};

/// Copies a ledger to a file that is not there yet.
///
/// # Errors
/// `TargetExists`; the ledger is damaged, which its copy shows; the file cannot be written.
pub fn backup(place: &LedgerPlace, target: &Path) -> Result<CheckReport, LedgerError> {
    let LedgerPlace::Sqlite(path) = place;
    copy(path, target)
}

/// Makes a ledger be what a backup is; what was there is kept beside it, as `<ledger>.before-restore`.
///
/// What was recorded after the backup is missing from then on, so nothing else is written to it, and no server takes it,
/// before it is reconciled.  Whoever else writes is refused from before the copy on, so that what was recorded is in what is
/// kept.  Gives the path of what was kept, if there was a ledger.
///
/// # Errors
/// The backup is damaged or not a ledger; what is there is not a ledger or damaged (move it away); it cannot be written.  The
/// ledger is as it was then, and open to writers; where there was none, an empty one may be there that is closed to them.
pub fn restore(from: &Path, place: &LedgerPlace) -> Result<Option<PathBuf>, LedgerError> {
    let LedgerPlace::Sqlite(path) = place;
    let staged = beside(path, "restoring");
    let restored = stage(from, &staged).and_then(|()| take_over(&staged, path));
    // Where staging failed there may be none.
    let removed = fs::remove_file(&staged);
    let kept = restored?;
    removed.map_err(LedgerError::file(&staged, "cannot be removed"))?;
    Ok(kept)
}

/// The backup, checked and marked as in need of a reconciliation, in a file of its own.
fn stage(from: &Path, staged: &Path) -> Result<(), LedgerError> {
    copy(from, staged)?;
    let connection = Connection::open(staged).map_err(sqlite_error(staged))?;
    schema::check_writable(&connection, from)?;
    set_restored(&connection, staged, true)
}

fn take_over(staged: &Path, path: &Path) -> Result<Option<PathBuf>, LedgerError> {
    if !path.exists() {
        sqlite::create(path, schema::MIGRATIONS)?;
        let mut ledger = sqlite::open_to_write(path)?;
        // Cut off from here on, it is none that somebody begins anew with.
        close_to_writers(&mut ledger, path)?;
        replace(staged, &mut ledger, path)?;
        return Ok(None);
    }
    let mut ledger = sqlite::open_to_write(path)?;
    let was_restored = close_to_writers(&mut ledger, path)?;
    let kept = beside(path, "before-restore");
    let taken_over = keep(path, &kept, was_restored)
        .and_then(|()| replace(staged, &mut ledger, path))
        .map(|()| Some(kept));
    if taken_over.is_err() {
        // Where this fails too, it stays closed, as after a crash.
        let _ = set_restored(&ledger, path, was_restored);
    }
    taken_over
}

/// From here on nobody else records anything, which would be in neither of the two ledgers.  Gives whether that was so before.
fn close_to_writers(ledger: &mut Connection, path: &Path) -> Result<bool, LedgerError> {
    let sqlite = sqlite_error(path);
    let transaction = ledger
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(&sqlite)?;
    let was_restored = rows::head(&transaction).map_err(&sqlite)?.is_restored;
    set_restored(&transaction, path, true)?;
    transaction.commit().map_err(&sqlite)?;
    Ok(was_restored)
}

/// A copy of what was there, which can be used as that could.
fn keep(path: &Path, kept: &Path, was_restored: bool) -> Result<(), LedgerError> {
    copy(path, kept)?;
    let connection = Connection::open(kept).map_err(sqlite_error(kept))?;
    set_restored(&connection, kept, was_restored)
}

fn replace(staged: &Path, ledger: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    let source = Connection::open(staged).map_err(sqlite_error(staged))?;
    run(&source, ledger, path)
}

fn set_restored(connection: &Connection, path: &Path, restored: bool) -> Result<(), LedgerError> {
    connection
        .execute(include_str!("sql/set_restored.sql"), [restored])
        .map(|_| ())
        .map_err(sqlite_error(path))
}

/// Copies a file, checks the copy, and gives it its name.
pub(crate) fn copy(path: &Path, target: &Path) -> Result<CheckReport, LedgerError> {
    if target.symlink_metadata().is_ok() {
        return Err(LedgerError::TargetExists {
            path: target.to_owned(),
        });
    }
    let unnamed = beside(target, "part");
    let copied = copy_unnamed(path, &unnamed).and_then(|report| {
        // Unlike a rename, a link replaces nothing.
        fs::hard_link(&unnamed, target)
            .map_err(LedgerError::file(target, "the backup cannot get its name"))?;
        Ok(report)
    });
    // What is left of a failed copy helps nobody.
    let removed = fs::remove_file(&unnamed);
    let report = copied?;
    removed.map_err(LedgerError::file(&unnamed, "cannot be removed"))?;
    sync_directory(target)?;
    Ok(report)
}

fn copy_unnamed(path: &Path, unnamed: &Path) -> Result<CheckReport, LedgerError> {
    let source = sqlite::open_to_read(path)?;
    let made = File::create_new(unnamed).and_then(|file| {
        file.set_permissions(Permissions::from_mode(0o640))?;
        Ok(file)
    });
    let file = made.map_err(LedgerError::file(unnamed, "the backup cannot be made"))?;
    let sqlite = sqlite_error(unnamed);
    let mut target = Connection::open(unnamed).map_err(&sqlite)?;
    run(&source, &mut target, unnamed)?;
    // One file, without a log beside it.
    target
        .query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(()))
        .map_err(&sqlite)?;
    file.sync_all()
        .map_err(LedgerError::file(unnamed, "the backup cannot be synced"))?;
    let report = check::check_with(&LedgerReader::over(target, unnamed))?;
    match report.defects.first() {
        None => Ok(report),
        Some(defect) => Err(LedgerError::Corrupt {
            path: path.to_owned(),
            problem: defect.to_string(),
        }),
    }
}

/// All in one step: writers are not in the way of a reader, and of the target this is one transaction.
fn run(source: &Connection, target: &mut Connection, path: &Path) -> Result<(), LedgerError> {
    let sqlite = sqlite_error(path);
    let backup = Backup::new(source, target).map_err(&sqlite)?;
    match backup.step(-1).map_err(&sqlite)? {
        StepResult::Done => Ok(()),
        _ => Err(LedgerError::Locked {
            path: path.to_owned(),
        }),
    }
}

/// The first of `PATH.SUFFIX`, `PATH.SUFFIX.2`, `PATH.SUFFIX.3`, … that is free.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let named = |more: &str| {
        let mut name = OsString::from(path);
        name.push(format!(".{suffix}{more}"));
        PathBuf::from(name)
    };
    let is_free = |path: &PathBuf| path.symlink_metadata().is_err();
    let numbered = (2_u64..).map(|number| named(&format!(".{number}")));
    std::iter::once(named(""))
        .chain(numbered)
        .find(is_free)
        .unwrap_or_else(|| named(""))
}
