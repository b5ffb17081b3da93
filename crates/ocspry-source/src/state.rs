//! What survives a restart: per issuer, the last good list and the high-water marks (design.md, rule 3).
//!
//! From: `refresh`, after a swap.  To: `refresh`, at start, which checks all of it again.  A folder per issuer identity
//! under `issuers/`, mode 0700, holds `last-good.crl` (DER, exactly as signed) and `marks.json`; one below it, for each list of
//! what was issued, `last-good.txt` and `marks.json`; in `ledger`, how far a ledger was followed and what it revoked.  Each file is written whole: a temporary name, fsync, rename, fsync of the folder.  The list is written before the marks, so that a cut in
//! between leaves marks that lag behind.  A list that cannot be kept (a full disk) does not keep the marks back: they
//! are small, and they alone stop a rollback.
//!
//! Several instances may share a directory: a folder is locked while it is written, and marks never go back.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::crypto::sha256;
use ocspry_wire::hex::to_hex;
use rustix::fs::FlockOperation;

use crate::SourceError;
use crate::copy::{self, Original};
use crate::held::HELD;

#[cfg(test)]
mod faults;
mod ledger;
mod marks;
mod produced;
#[cfg(test)]
mod tests;

pub use ledger::{KeptLedger, SeenLedger};
pub use marks::Marks;
use marks::generalized;

/// The directory that `--state-dir` names.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
}

impl StateDirectory {
    /// Opens the directory; makes it (mode 0700) if it is not there.  It need not be writable: that shows later, in
    /// the reports.
    ///
    /// # Errors
    /// `StateDirectory` when it cannot be made, or is something else.
    pub fn open(path: &Path) -> Result<StateDirectory, SourceError> {
        let unusable = |source| SourceError::StateDirectory {
            path: path.to_owned(),
            source: Arc::new(source),
        };
        if !path.is_dir() {
            make_directory(path).map_err(unusable)?;
        }
        std::fs::read_dir(path).map_err(unusable)?;
        Ok(StateDirectory {
            path: path.to_owned(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where downloads lie until they are judged; made if it is not there.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn download_directory(&self) -> io::Result<PathBuf> {
        let directory = self.path.join("downloads");
        make_directory(&directory)?;
        Ok(directory)
    }

    /// Where all that is kept of an issuer lies.
    pub fn folder(&self, identity: &str) -> PathBuf {
        self.path.join("issuers").join(identity)
    }

    /// Where the keys of a managed responder lie.  They are no memory of what was seen: [`StateDirectory::files_of`] passes
    /// them over, and nothing here reads or writes them.
    pub fn responder_folder(&self, identity: &str) -> PathBuf {
        self.folder(identity).join(RESPONDER)
    }

    /// The keys of the scopes of which something is kept, in no order.
    ///
    /// # Errors
    /// `StateRead` when the folder is there and cannot be read.
    pub(crate) fn scope_keys(&self, identity: &str) -> Result<Vec<String>, SourceError> {
        let folder = self.folder(identity);
        let mut keys = Vec::new();
        let is_kept = |folder: &Path| {
            let names = [LAST_GOOD, MARKS, LAST_GOOD_DELTA, DELTA_MARKS, HELD];
            names
                .iter()
                .any(|name| folder.join(name).symlink_metadata().is_ok())
        };
        if is_kept(&folder) {
            keys.push(String::new());
        }
        let scopes = folder.join(SCOPES);
        let unreadable = |source| SourceError::StateRead {
            path: scopes.clone(),
            source: Arc::new(source),
        };
        match std::fs::read_dir(&scopes) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(unreadable)?;
                    if let Ok(key) = entry.file_name().into_string()
                        && is_kept(&entry.path())
                    {
                        keys.push(key);
                    }
                }
                Ok(keys)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(keys),
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Where the lists came from that were used for an issuer last; none where nothing is kept, or cannot be read.
    pub fn last_places(self: &Arc<StateDirectory>, identity: &str) -> Vec<String> {
        let keys = self.scope_keys(identity).unwrap_or_default();
        let marks = keys.iter().filter_map(|key| {
            let series = self.series(identity, key, SeriesKind::Complete);
            series.marks().ok().flatten()
        });
        marks.map(|marks| marks.source).collect()
    }

    /// What is kept of one series of lists.
    pub(crate) fn series(
        self: &Arc<StateDirectory>,
        identity: &str,
        scope_key: &str,
        kind: SeriesKind,
    ) -> KeptSeries {
        let folder = self.folder(identity);
        KeptSeries {
            directory: Arc::clone(self),
            folder: if scope_key.is_empty() {
                folder
            } else {
                folder.join(SCOPES).join(scope_key)
            },
            kind,
        }
    }

    /// What is kept of a list of what was issued, by its path: nothing in it says which list it is.
    pub(crate) fn issued(self: &Arc<StateDirectory>, identity: &str, path: &Path) -> KeptSeries {
        let key = to_hex(&sha256(path.as_os_str().as_bytes()));
        KeptSeries {
            directory: Arc::clone(self),
            folder: self.folder(identity).join(ISSUED).join(key),
            kind: SeriesKind::Issued,
        }
    }

    /// Replaces a file of a folder, or makes both.
    fn write_file(
        &self,
        folder: &Path,
        name: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), SourceError> {
        self.make_folder(folder)?;
        let locked = lock(folder)?;
        write_whole(folder, &locked, name, |file, path| {
            step(StateStep::Write, path, || write(file))
        })
    }

    /// Makes what is missing, and makes it last.
    fn make_folder(&self, folder: &Path) -> Result<(), SourceError> {
        if folder.is_dir() {
            return Ok(());
        }
        step(StateStep::MakeFolder, folder, || make_directory(folder))?;
        let parents = folder.ancestors().skip(1);
        for parent in parents.take_while(|parent| parent.starts_with(&self.path)) {
            step(StateStep::SyncFolder, parent, || {
                File::open(parent)?.sync_all()
            })?;
        }
        Ok(())
    }
}

/// What follows one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeriesKind {
    /// Complete CRLs of one scope.
    Complete,
    /// Deltas of one scope.
    Delta,
    /// Versions of one list of what was issued.
    Issued,
}

/// The last good list of a series, and its marks.
#[derive(Clone, Debug)]
pub(crate) struct KeptSeries {
    directory: Arc<StateDirectory>,
    folder: PathBuf,
    kind: SeriesKind,
}

impl KeptSeries {
    /// Where both lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Complete lists or deltas.
    pub(crate) fn kind(&self) -> SeriesKind {
        self.kind
    }

    /// Where the last good list lies, if there is one.
    pub(crate) fn list_path(&self) -> PathBuf {
        self.folder.join(self.list_name())
    }

    fn list_name(&self) -> &'static str {
        match self.kind {
            SeriesKind::Complete => LAST_GOOD,
            SeriesKind::Delta => LAST_GOOD_DELTA,
            SeriesKind::Issued => LAST_GOOD_ISSUED,
        }
    }

    fn marks_name(&self) -> &'static str {
        match self.kind {
            SeriesKind::Complete | SeriesKind::Issued => MARKS,
            SeriesKind::Delta => DELTA_MARKS,
        }
    }

    /// The marks; None when nothing was ever kept.
    ///
    /// # Errors
    /// `StateRead` or `StateCorrupt`: marks that are there but cannot be understood are never passed over.
    pub(crate) fn marks(&self) -> Result<Option<Marks>, SourceError> {
        let path = self.folder.join(self.marks_name());
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(SourceError::StateCorrupt {
                    path,
                    problem: error.to_string(),
                });
            }
            Err(error) => {
                return Err(SourceError::StateRead {
                    path,
                    source: Arc::new(error),
                });
            }
        };
        Marks::from_json(&text)
            .map(Some)
            .map_err(|problem| SourceError::StateCorrupt { path, problem })
    }

    /// The last good copy is that very list, as far as its length and its signature tell; the whole is not read.
    pub(crate) fn holds(&self, list: Original<'_>) -> bool {
        copy::is_copy(&self.list_path(), list)
    }

    /// Keeps a list that was swapped in, which is read once more, and its marks; does nothing if the marks there are newer (another instance).  Damaged marks are replaced: whoever swapped a list in knows better.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed, or why the list cannot be read any more; each file is still whole then,
    /// and the marks are written even if the list cannot be.
    pub(crate) fn keep(&self, list: Original<'_>, marks: &Marks) -> Result<(), SourceError> {
        self.keep_as(marks, |file, path| copy::write(list, file, path))
    }

    /// The same with what `write_list` writes into the file that it is given, with its name.
    ///
    /// # Errors
    /// As for [`KeptSeries::keep`].
    pub(crate) fn keep_as(
        &self,
        marks: &Marks,
        write_list: impl FnOnce(&mut File, &Path) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        self.write(marks, |folder, locked| {
            write_whole(folder, locked, self.list_name(), write_list)
        })
    }

    /// Replaces another file of the folder, or makes it.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed; the file is the old one then.
    pub(crate) fn write_beside(
        &self,
        name: &str,
        write: impl FnOnce(&mut File) -> io::Result<()>,
    ) -> Result<(), SourceError> {
        self.directory.write_file(&self.folder, name, write)
    }

    /// Keeps the marks alone, in the same way.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed.
    pub(crate) fn keep_marks(&self, marks: &Marks) -> Result<(), SourceError> {
        self.write(marks, |_, _| Ok(()))
    }

    /// Removes the list and its marks, if the marks there are these, and not those of another instance.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed, or the marks there cannot be read.
    pub(crate) fn forget(&self, marks: &Marks) -> Result<(), SourceError> {
        let _locked = lock(&self.folder)?;
        if self.marks()?.as_ref() == Some(marks) {
            remove(&self.folder.join(self.marks_name()))?;
            remove(&self.list_path())?;
        }
        Ok(())
    }

    fn write(
        &self,
        marks: &Marks,
        write_list: impl FnOnce(&Path, &File) -> Result<(), SourceError>,
    ) -> Result<(), SourceError> {
        let folder = &self.folder;
        self.directory.make_folder(folder)?;
        let locked = lock(folder)?;
        let kept = match self.marks() {
            Err(SourceError::StateCorrupt { .. }) => None,
            kept => kept?,
        };
        if kept.as_ref().is_some_and(|kept| kept.is_newer_than(marks)) {
            return Ok(());
        }
        let list = write_list(folder, &locked);
        if list.is_err() && kept.is_some_and(|kept| kept.is_tied_with(marks)) {
            // Its time and number do not show that the copy there is behind these marks.
            let _ = std::fs::remove_file(self.list_path());
        }
        let written = write_text(folder, &locked, self.marks_name(), &marks.to_json());
        list.and(written)
    }
}

const LAST_GOOD: &str = "last-good.crl";
const MARKS: &str = "marks.json";
const LAST_GOOD_DELTA: &str = "last-good-delta.crl";
const DELTA_MARKS: &str = "delta-marks.json";
/// Folder of the keys of a managed responder.
const RESPONDER: &str = "responder";
const SCOPES: &str = "scopes";
const LAST_GOOD_ISSUED: &str = "last-good.txt";
const ISSUED: &str = "issued";

fn make_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// The folder, locked until the handle is dropped.  Never waits: a stopped process may hold the lock.
fn lock(folder: &Path) -> Result<File, SourceError> {
    step(StateStep::Lock, folder, || {
        let handle = File::open(folder)?;
        rustix::fs::flock(&handle, FlockOperation::NonBlockingLockExclusive)?;
        Ok(handle)
    })
}

/// The old file or the new one, never a part; under the folder's lock.
fn write_whole(
    folder: &Path,
    locked: &File,
    name: &str,
    write: impl FnOnce(&mut File, &Path) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let path = folder.join(name);
    let temporary = folder.join(format!(".{name}.tmp"));
    let written = write_synced(&temporary, &path, write).and_then(|()| {
        step(StateStep::Rename, &path, || {
            std::fs::rename(&temporary, &path)
        })
    });
    if written.is_err() {
        // A full disk stays less full; if this fails too, the next write begins with the same name.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    step(StateStep::SyncFolder, &path, || locked.sync_all())
}

/// The same with a text.
fn write_text(folder: &Path, locked: &File, name: &str, text: &str) -> Result<(), SourceError> {
    write_whole(folder, locked, name, |file, path| {
        step(StateStep::Write, path, || file.write_all(text.as_bytes()))
    })
}

fn write_synced(
    temporary: &Path,
    path: &Path,
    write: impl FnOnce(&mut File, &Path) -> Result<(), SourceError>,
) -> Result<(), SourceError> {
    let mut file = step(StateStep::Create, path, || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(temporary)
    })?;
    write(&mut file, path)?;
    step(StateStep::SyncFile, path, || file.sync_all())
}

/// Removes a file, if it is there.
///
/// # Errors
/// `StateWrite`.
pub(crate) fn remove(path: &Path) -> Result<(), SourceError> {
    step(StateStep::Remove, path, || {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    })
}

/// What was being done when the state could not be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateStep {
    /// Making the issuer's folder.
    MakeFolder,
    /// Locking it.
    Lock,
    /// Creating the temporary file.
    Create,
    /// Writing it.
    Write,
    /// fsync of the file.
    SyncFile,
    /// Renaming it to its name.
    Rename,
    /// fsync of the folder.
    SyncFolder,
    /// Removing it.
    Remove,
}

impl fmt::Display for StateStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StateStep::MakeFolder => "making the folder",
            StateStep::Lock => "locking the folder",
            StateStep::Create => "creating a temporary file beside it",
            StateStep::Write => "writing",
            StateStep::SyncFile => "fsync",
            StateStep::Rename => "renaming to this name",
            StateStep::SyncFolder => "fsync of the folder",
            StateStep::Remove => "removing",
        })
    }
}

pub(crate) fn step<T>(
    step: StateStep,
    path: &Path,
    action: impl FnOnce() -> io::Result<T>,
) -> Result<T, SourceError> {
    #[cfg(test)]
    let action = || faults::around(action);
    action().map_err(|source| SourceError::StateWrite {
        path: path.to_owned(),
        step,
        source: Arc::new(source),
    })
}
