//! Why the ledger cannot be used or a fact cannot be recorded, for the operator: what, where, and what to do.
//! From: every module here.  To: the command line and the log.
//!
//! A ledger that cannot be read says nothing about any certificate; whoever follows it keeps the table in use.  The errors
//! are `Clone`, so that a problem can be reported when it appears and still be known at the next look.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

use crate::CrlNumber;

/// Why the ledger cannot be used, or a fact cannot be recorded.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LedgerError {
    /// It names a kind of database that this build has no code for.
    #[error(
        "ledger {url}: is of a kind that this build cannot open; name a SQLite file: sqlite:/path/to/ledger.db"
    )]
    UnknownPlace {
        /// As it was written, without a password.
        url: String,
    },
    /// No file there.
    #[error("ledger {path}: is not there; check the path, or make a CA, which makes its ledger")]
    Missing {
        /// The ledger.
        path: PathBuf,
    },
    /// There is one already.
    #[error("ledger {path}: is there already; use it, or name another path")]
    AlreadyThere {
        /// The ledger.
        path: PathBuf,
    },
    /// A directory, a pipe, a device.
    #[error("ledger {path}: is not a file; name the ledger file itself")]
    NotAFile {
        /// The ledger.
        path: PathBuf,
    },
    /// The file cannot be opened.
    #[error(
        "ledger {path}: cannot be opened: {problem}; check the permissions of the file and of {path}-wal and {path}-shm, \
         which must be there for a reader that may not write: any command that writes to the ledger makes them"
    )]
    CannotOpen {
        /// The ledger.
        path: PathBuf,
        /// What the system said.
        problem: String,
    },
    /// Something about the file cannot be done.
    #[error(
        "ledger {path}: {doing}: {source}; check its permissions, and that its file system has room"
    )]
    File {
        /// The ledger, or what is made beside it.
        path: PathBuf,
        /// What failed, as the end of "cannot …".
        doing: &'static str,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// On a file system whose locks cannot be relied on.
    #[error(
        "ledger {path}: lies on {kind}, whose locks do not protect a database; move it to a disk of this machine"
    )]
    NetworkFileSystem {
        /// The ledger.
        path: PathBuf,
        /// Which kind.
        kind: &'static str,
    },
    /// Another file.
    #[error("ledger {path}: is not an ocspry ledger: {found}; name the ledger file")]
    NotALedger {
        /// The file.
        path: PathBuf,
        /// What it is instead.
        found: &'static str,
    },
    /// Its creation was cut off.
    #[error(
        "ledger {path}: is empty: its creation was cut off; run the command that makes it again"
    )]
    Unfinished {
        /// The ledger.
        path: PathBuf,
    },
    /// Made by a newer version.
    #[error(
        "ledger {path}: has schema version {found}, this program knows {known}; use the newer program that migrated it, or \
         restore the backup that it made before"
    )]
    FutureVersion {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest one that is known here.
        known: i64,
    },
    /// Made by an older version.
    #[error(
        "ledger {path}: has schema version {found}, this program needs {known}; run: ocspry ledger migrate"
    )]
    OldVersion {
        /// The ledger.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The one needed.
        known: i64,
    },
    /// Damaged.
    #[error(
        "ledger {path}: is damaged: {problem}; stop what writes to it, look with: ocspry ledger check, and restore the \
         last backup when the damaged file is moved away"
    )]
    Corrupt {
        /// The ledger.
        path: PathBuf,
        /// What was found.
        problem: String,
    },
    /// Another process holds it.
    #[error(
        "ledger {path}: is locked by another process; try again, and look for one that does not end if it stays so"
    )]
    Locked {
        /// The ledger.
        path: PathBuf,
    },
    /// Not writable.
    #[error(
        "ledger {path}: cannot be written: {problem}; run this as the user who owns the ledger, on a file system that is not \
         read-only"
    )]
    ReadOnly {
        /// The ledger.
        path: PathBuf,
        /// What the database said.
        problem: String,
    },
    /// No room.
    #[error("ledger {path}: the disk is full, nothing was recorded; make room and run this again")]
    DiskFull {
        /// The ledger.
        path: PathBuf,
    },
    /// Something else went wrong in the database.
    #[error("ledger {path}: the database says: {problem}; look with: ocspry ledger check")]
    Database {
        /// The ledger.
        path: PathBuf,
        /// What it said.
        problem: String,
    },
    /// Another ledger than before.
    #[error(
        "ledger {path}: is not the ledger that was followed so far; put that one back, or forget what was seen of it with: \
         ocspry state reset"
    )]
    OtherLedger {
        /// The ledger.
        path: PathBuf,
    },
    /// An older copy.
    #[error(
        "ledger {path}: ends at fact {found}, and {seen} was seen already: it is an older copy, and revocations may be \
         missing; run: ocspry ledger reconcile"
    )]
    SequenceWentBack {
        /// The ledger.
        path: PathBuf,
        /// The last fact seen.
        seen: u64,
        /// The last fact there.
        found: u64,
    },
    /// An older copy that was written to.
    #[error(
        "ledger {path}: fact {seen} is not the one that was seen: facts were lost and others took their place, and \
         revocations may be missing; run: ocspry ledger reconcile"
    )]
    HistoryDiffers {
        /// The ledger.
        path: PathBuf,
        /// The last fact seen.
        seen: u64,
    },
    /// A reconciliation that did not know everything.
    #[error(
        "ledger {path}: was reconciled without {count} revocations that are known here, serial {serial} of {issuer} among \
         them; run once more: ocspry ledger reconcile --state-dir DIR, with the state directory of this server"
    )]
    ReconciliationIncomplete {
        /// The ledger.
        path: PathBuf,
        /// How many are missing.
        count: usize,
        /// The first of them.
        serial: Box<SerialNumber>,
        /// Of which CA.
        issuer: String,
    },
    /// Restored, and nobody said yet what is missing.
    #[error(
        "ledger {path}: was restored from a backup, and what was recorded after that is missing, or a restore was cut off; \
         run: ocspry ledger reconcile"
    )]
    NotReconciled {
        /// The ledger.
        path: PathBuf,
    },
    /// A backup would overwrite something.
    #[error("{path}: is there already; name another path, or remove it")]
    TargetExists {
        /// Where it should go.
        path: PathBuf,
    },
    /// What was asked for contradicts what is recorded.
    #[error("ledger {path}: {refusal}")]
    Refused {
        /// The ledger.
        path: PathBuf,
        /// Why.
        refusal: Box<Refusal>,
    },
}

/// Why a fact is not recorded: it contradicts those that are there.  Displays as what is wrong and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No CA of that name or number.
    #[error("knows no CA {name}; see: ocspry ca list")]
    NoSuchIssuer {
        /// As it was asked for.
        name: String,
    },
    /// The name is another CA's.
    #[error("has a CA {name} already; choose another name")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The same subject and key.
    #[error(
        "has this CA (same subject and key) already, as {name}; add the certificate to that one"
    )]
    IssuerTaken {
        /// The name it has.
        name: String,
    },
    /// The certificate is of another subject or key.
    #[error("the certificate is not one of CA {name}: subject or key differ; add it as another CA")]
    OtherIssuer {
        /// The CA.
        name: String,
    },
    /// A name that cannot be part of a path.
    #[error(
        "{name:?} cannot be the name of a CA: use 1 to 64 letters, digits, '-', '_' and '.', not a '.' first"
    )]
    IssuerName {
        /// What was asked for.
        name: String,
    },
    /// A text that is too long, or empty.
    #[error("{what} has {characters} characters; 1 to {characters_max} are kept")]
    TextLength {
        /// Which.
        what: &'static str,
        /// How many.
        characters: usize,
        /// Most.
        characters_max: usize,
    },
    /// It was told to issue no more.
    #[error(
        "CA {name} is disabled: nothing is signed by it or for it; to change that: ocspry ca edit {name} --enable"
    )]
    IssuerDisabled {
        /// The CA.
        name: String,
    },
    /// Not a certificate.
    #[error(
        "the certificate of serial {serial} cannot be read, or says otherwise than what is recorded beside it"
    )]
    Certificate {
        /// Which.
        serial: SerialNumber,
    },
    /// The serial is in use.
    #[error("serial {serial} is in use already; draw another one")]
    SerialTaken {
        /// Which.
        serial: SerialNumber,
    },
    /// A certificate that was signed without its serial being recorded before.
    #[error("serial {serial} was not reserved before it was signed, or has been issued already")]
    SerialNotReserved {
        /// Which.
        serial: SerialNumber,
    },
    /// Two certificates under one serial.
    #[error(
        "has another certificate of serial {serial}; one CA must not issue two: find out which is the real one"
    )]
    SerialConflict {
        /// Which.
        serial: SerialNumber,
    },
    /// Nothing is known of it.
    #[error(
        "knows no certificate of serial {serial}; was it issued by another CA, or is it still to be imported?"
    )]
    NoSuchCertificate {
        /// Which.
        serial: SerialNumber,
    },
    /// It is revoked, and not on hold.
    #[error("serial {serial} is revoked since {since} already; nothing was changed")]
    AlreadyRevoked {
        /// Which.
        serial: SerialNumber,
        /// Since when.
        since: Time,
    },
    /// A release without a hold.
    #[error("serial {serial} is not on hold; only a hold can be released")]
    NotOnHold {
        /// Which.
        serial: SerialNumber,
    },
    /// A time that has not come.
    #[error(
        "serial {serial} cannot be revoked as of {time}: that is later than now, {now}; revoke it when the time has come"
    )]
    FutureRevocation {
        /// Which.
        serial: SerialNumber,
        /// Asked for.
        time: Time,
        /// The clock.
        now: Time,
    },
    /// Not the next one, or used before.
    #[error(
        "CRL number {number} was not reserved before it was signed, or has been published already; a number is used once"
    )]
    CrlNumberNotReserved {
        /// Which.
        number: CrlNumber,
    },
    /// A number that no ledger gets to.
    #[error(
        "fact {seen} cannot have been seen: the last one here is {last}, and not that many can be missing; give the number \
         as serve or its state directory has it"
    )]
    SeenTooFar {
        /// As it was given.
        seen: u64,
        /// The last fact here.
        last: u64,
    },
    /// Twenty octets are all there is (RFC 5280 §5.2.3).
    #[error("there is no CRL number after {number}: RFC 5280 ends them at 20 octets")]
    CrlNumbersEnd {
        /// The last.
        number: CrlNumber,
    },
}

impl LedgerError {
    /// The database's word, as one of ours.
    pub(crate) fn from_sqlite(path: &Path, error: &rusqlite::Error) -> LedgerError {
        use rusqlite::ErrorCode;

        let path = path.to_owned();
        let problem = error.to_string();
        if let rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::FromSqlConversionFailure(..) = error
        {
            return LedgerError::Corrupt { path, problem };
        }
        if let Some(sqlite) = error.sqlite_error()
            && READER_CANNOT_JOIN.contains(&sqlite.extended_code)
        {
            return LedgerError::CannotOpen { path, problem };
        }
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                LedgerError::Locked { path }
            }
            Some(ErrorCode::ReadOnly) => LedgerError::ReadOnly { path, problem },
            Some(ErrorCode::DiskFull) => LedgerError::DiskFull { path },
            Some(ErrorCode::DatabaseCorrupt) => LedgerError::Corrupt { path, problem },
            Some(ErrorCode::NotADatabase) => LedgerError::NotALedger {
                path,
                found: "no database",
            },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
                LedgerError::CannotOpen { path, problem }
            }
            Some(_) | None => LedgerError::Database { path, problem },
        }
    }

    /// The system's word about a file.
    pub(crate) fn file(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> LedgerError {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull => LedgerError::DiskFull {
                path: path.to_owned(),
            },
            _ => LedgerError::File {
                path: path.to_owned(),
                doing,
                source: Arc::new(source),
            },
        }
    }

    /// Why the fact was refused, if it is that.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            LedgerError::Refused { refusal, .. } => Some(refusal),
            _ => None,
        }
    }
}

/// What SQLite says to a reader that may not write, where the files beside the database are not there or of no use.
const READER_CANNOT_JOIN: [i32; 4] = [
    rusqlite::ffi::SQLITE_READONLY_RECOVERY,
    rusqlite::ffi::SQLITE_READONLY_CANTLOCK,
    rusqlite::ffi::SQLITE_READONLY_CANTINIT,
    rusqlite::ffi::SQLITE_READONLY_DIRECTORY,
];
