//! What survives a restart: per issuer, the last good list and the high-water marks (design.md, rule 3).
//!
//! From: `refresh`, after a swap.  To: `refresh`, at start, which checks all of it again.  A folder per issuer identity
//! under `issuers/`, mode 0700, holds `last-good.crl` (DER, exactly as signed) and `marks.json`; one below it, for each list of
//! what was issued, `last-good.txt` and `marks.json`.  Each file is written whole: a temporary name, fsync, rename, fsync of the folder.  The list is written before the marks, so that a cut in
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
use ocspry_wire::Time;
use ocspry_wire::hex::{from_hex, to_hex};
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use crate::SourceError;
use crate::copy::{self, Original};
use crate::list::CrlNumber;

mod produced;

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

    /// The keys of the scopes of which something is kept, in no order.
    ///
    /// # Errors
    /// `StateRead` when the folder is there and cannot be read.
    pub(crate) fn scope_keys(&self, identity: &str) -> Result<Vec<String>, SourceError> {
        let folder = self.folder(identity);
        let mut keys = Vec::new();
        let is_kept = |folder: &Path| {
            let names = [LAST_GOOD, MARKS, LAST_GOOD_DELTA, DELTA_MARKS];
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
        self.directory.make_folder(&self.folder)?;
        let locked = lock(&self.folder)?;
        write_whole(&self.folder, &locked, name, |file, path| {
            step(StateStep::Write, path, || write(file))
        })
    }

    /// Keeps the marks alone, in the same way.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed.
    pub(crate) fn keep_marks(&self, marks: &Marks) -> Result<(), SourceError> {
        self.write(marks, |_, _| Ok(()))
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

/// The newest list that was ever used for an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marks {
    /// Its thisUpdate.
    pub this_update: Time,
    /// Its nextUpdate as used.
    pub next_update: Time,
    /// Its cRLNumber.
    pub crl_number: Option<CrlNumber>,
    /// SHA-256 of its DER.
    pub digest: [u8; 32],
    /// When its file was written: a list without nextUpdate counts from here.
    pub written: Time,
    /// The file it came from, for people.
    pub source: String,
}

impl Marks {
    /// By thisUpdate, then by number; a list without a number is not compared by number.
    pub fn is_newer_than(&self, other: &Marks) -> bool {
        let by_number = || match (&self.crl_number, &other.crl_number) {
            (Some(number), Some(other)) => number > other,
            (Some(_) | None, None) | (None, Some(_)) => false,
        };
        self.this_update > other.this_update
            || (self.this_update == other.this_update && by_number())
    }

    /// Another list, and neither is newer.
    pub fn is_tied_with(&self, other: &Marks) -> bool {
        self.digest != other.digest && !self.is_newer_than(other) && !other.is_newer_than(self)
    }

    fn to_json(&self) -> String {
        let file = MarksFile {
            version: MARKS_VERSION,
            this_update: generalized(self.this_update),
            next_update: generalized(self.next_update),
            crl_number: self.crl_number.as_ref().map(CrlNumber::to_hex),
            sha256: to_hex(&self.digest),
            written: generalized(self.written),
            source: self.source.clone(),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("strings and a number are JSON");
        text.push('\n');
        text
    }

    fn from_json(text: &str) -> Result<Marks, String> {
        let file: MarksFile = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if file.version != MARKS_VERSION {
            return Err(format!("version {} is not known here", file.version));
        }
        let time = |key: &str, value: &str| {
            Time::from_generalized(value.as_bytes())
                .ok_or_else(|| format!("{key} is not a time like 20261121060000Z"))
        };
        let crl_number = file
            .crl_number
            .map(|digits| CrlNumber::from_hex(&digits).ok_or("crl-number is not hex"))
            .transpose()?;
        let digest = from_hex(&file.sha256).and_then(|octets| octets.try_into().ok());
        Ok(Marks {
            this_update: time("this-update", &file.this_update)?,
            next_update: time("next-update", &file.next_update)?,
            crl_number,
            digest: digest.ok_or("sha256 is not 64 hex digits")?,
            written: time("written", &file.written)?,
            source: file.source,
        })
    }
}

fn generalized(time: Time) -> String {
    String::from_utf8_lossy(&time.to_generalized()).into_owned()
}

const MARKS_VERSION: u32 = 1;

/// `marks.json` as it is stored.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct MarksFile {
    version: u32,
    this_update: String,
    next_update: String,
    crl_number: Option<String>,
    sha256: String,
    written: String,
    source: String,
}

#[cfg(test)]
pub(crate) mod faults {
    //! Makes one step of a write fail, before it is done or after.

    use std::cell::Cell;
    use std::io;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) enum Fault {
        Fails,
        FailsAfterTakingEffect,
    }

    thread_local! {
        static PLAN: Cell<Option<(usize, Fault)>> = const { Cell::new(None) };
    }

    /// The step that comes after `steps` others fails; those after it work again.
    pub(crate) fn plan(steps: usize, fault: Fault) {
        PLAN.set(Some((steps, fault)));
    }

    /// Whether the planned fault has not come yet; forgets it.
    pub(crate) fn clear() -> bool {
        PLAN.take().is_some()
    }

    pub(super) fn around<T>(action: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let full = || Err(io::Error::from(io::ErrorKind::StorageFull));
        match PLAN.get() {
            None => action(),
            Some((0, fault)) => {
                PLAN.set(None);
                match fault {
                    Fault::Fails => full(),
                    Fault::FailsAfterTakingEffect => action().and_then(|_| full()),
                }
            }
            Some((steps, fault)) => {
                PLAN.set(Some((steps - 1, fault)));
                action()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::faults::Fault;
    use super::*;
    use tempfile::TempDir;

    const IDENTITY: &str = "ab12";

    fn marks(number: u8) -> Marks {
        let this_update = Time::from_unix(1_800_000_000 + i64::from(number) * 60);
        Marks {
            this_update,
            next_update: this_update.plus_seconds(86_400),
            crl_number: Some(CrlNumber::from_content(&[number])),
            digest: [number; 32],
            written: this_update.plus_seconds(5),
            source: "/etc/\"odd\"\npath".to_owned(),
        }
    }

    fn list(number: u8) -> Vec<u8> {
        [&[0x30, 0x82][..], &[number; 10_000]].concat()
    }

    /// The series of one issuer.
    fn series(directory: &Path) -> KeptSeries {
        let state = Arc::new(StateDirectory::open(directory).unwrap());
        state.series(IDENTITY, "", SeriesKind::Complete)
    }

    /// Keeps a list that lies in a file beside.
    fn keep(series: &KeptSeries, list: &[u8], marks: &Marks) -> Result<(), SourceError> {
        let source = TempDir::new().unwrap();
        let path = source.path().join("list");
        std::fs::write(&path, list).unwrap();
        let original = Original {
            path: &path,
            der_bytes: list.len() as u64,
            signature: &list[list.len() - 64..],
        };
        series.keep(original, marks)
    }

    fn last_good(series: &KeptSeries) -> Option<Vec<u8>> {
        std::fs::read(series.list_path()).ok()
    }

    #[test]
    fn what_was_kept_is_read_again() {
        let directory = TempDir::new().unwrap();
        let state = series(&directory.path().join("a/b"));
        assert_eq!(state.marks().unwrap(), None);
        let without_number = Marks {
            crl_number: None,
            ..marks(3)
        };
        for kept in [marks(1), marks(2), without_number] {
            keep(&state, &list(1), &kept).unwrap();
            assert_eq!(state.marks().unwrap(), Some(kept));
        }
    }

    #[test]
    fn marks_never_go_back_whoever_writes_them() {
        let directory = TempDir::new().unwrap();
        let state = series(directory.path());
        keep(&state, &list(2), &marks(2)).unwrap();
        let another = series(directory.path());
        keep(&another, &list(1), &marks(1)).unwrap();
        assert_eq!(state.marks().unwrap(), Some(marks(2)));
        assert_eq!(last_good(&state), Some(list(2)));
    }

    #[test]
    fn a_folder_that_another_process_writes_is_not_waited_for() {
        let directory = TempDir::new().unwrap();
        let state = series(directory.path());
        keep(&state, &list(1), &marks(1)).unwrap();
        let held = lock(state.folder()).unwrap();
        let error = keep(&state, &list(2), &marks(2)).unwrap_err();
        assert!(
            matches!(
                error,
                SourceError::StateWrite {
                    step: StateStep::Lock,
                    ..
                }
            ),
            "{error}"
        );
        drop(held);
        keep(&state, &list(2), &marks(2)).unwrap();
    }

    /// Each step of a write fails, or is done and then reported as failed.  What must hold: the failure is reported; the
    /// list and the marks are each the old or the new one, whole; the next write succeeds and leaves nothing behind.
    #[test]
    fn a_write_that_fails_at_any_step_leaves_old_or_new_and_heals() {
        for fault in [Fault::Fails, Fault::FailsAfterTakingEffect] {
            for is_first in [true, false] {
                let steps = (0..)
                    .take_while(|&steps| a_write_fails_after(steps, fault, is_first))
                    .count();
                assert_eq!(steps, if is_first { 14 } else { 11 }, "{fault:?}");
            }
        }
    }

    /// Whether the fault came at all.
    fn a_write_fails_after(steps: usize, fault: Fault, is_first: bool) -> bool {
        let directory = TempDir::new().unwrap();
        let state = series(directory.path());
        if !is_first {
            keep(&state, &list(1), &marks(1)).unwrap();
        }
        faults::plan(steps, fault);
        let result = keep(&state, &list(2), &marks(2));
        if faults::clear() {
            result.unwrap();
            return false;
        }
        let error = result.unwrap_err();
        let case = format!("step {steps}, {fault:?}, first {is_first}: {error}");
        assert!(matches!(error, SourceError::StateWrite { .. }), "{case}");
        assert!(
            error
                .to_string()
                .contains(directory.path().to_str().unwrap()),
            "{case}"
        );

        let (old_marks, old_list) = if is_first {
            (None, None)
        } else {
            (Some(marks(1)), Some(list(1)))
        };
        let now_there = (state.marks().unwrap(), last_good(&state));
        let (new_marks, new_list) = (Some(marks(2)), Some(list(2)));
        let allowed = [
            (old_marks.clone(), old_list.clone()),
            (new_marks.clone(), old_list),
            (old_marks, new_list.clone()),
            (new_marks.clone(), new_list.clone()),
        ];
        assert!(allowed.contains(&now_there), "{case}");
        let temporary = [LAST_GOOD, MARKS].map(|name| format!(".{name}.tmp"));
        assert!(
            !temporary
                .iter()
                .any(|name| state.folder().join(name).exists()),
            "{case}"
        );

        keep(&state, &list(2), &marks(2)).unwrap();
        assert_eq!(
            (state.marks().unwrap(), last_good(&state)),
            (new_marks, new_list),
            "{case}"
        );
        let count = std::fs::read_dir(state.folder()).unwrap().count();
        assert_eq!(count, 2, "{case}");
        true
    }

    #[test]
    fn a_list_that_cannot_be_kept_does_not_keep_the_marks_back() {
        // After lock, the list's temporary file cannot be created.
        const BEFORE_CREATE: usize = 1;
        let directory = TempDir::new().unwrap();
        let state = series(directory.path());
        keep(&state, &list(1), &marks(1)).unwrap();
        faults::plan(BEFORE_CREATE, Fault::Fails);
        keep(&state, &list(2), &marks(2)).unwrap_err();
        assert!(!faults::clear());
        assert_eq!(state.marks().unwrap(), Some(marks(2)));
        assert_eq!(last_good(&state), Some(list(1)), "older than its marks");

        let tied = Marks {
            digest: [9; 32],
            ..marks(2)
        };
        keep(&state, &list(2), &marks(2)).unwrap();
        faults::plan(BEFORE_CREATE, Fault::Fails);
        keep(&state, &list(9), &tied).unwrap_err();
        assert!(!faults::clear());
        assert_eq!(state.marks().unwrap(), Some(tied));
        assert_eq!(last_good(&state), None, "not known to be older");
    }

    #[test]
    fn damaged_marks_are_replaced_when_a_list_is_kept() {
        let directory = TempDir::new().unwrap();
        let state = series(directory.path());
        keep(&state, &list(1), &marks(1)).unwrap();
        std::fs::write(state.folder().join(MARKS), "{").unwrap();
        state.keep_marks(&marks(2)).unwrap();
        assert_eq!(state.marks().unwrap(), Some(marks(2)));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error_that_names_it() {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file.clone(), file.join("below")] {
            let error = StateDirectory::open(&path).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("state directory {}: ", path.display())),
                "{error}"
            );
        }
    }
}
