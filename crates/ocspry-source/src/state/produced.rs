//! What is kept beside lists and marks: when answers were made last, by issuer, and who reset what.
//!
//! From: the control thread, about once a minute, and `ocspry state reset`.  To: the same at the next start: a clock that
//! is far behind answers that were made is wrong, and must not sign (design.md, rule 14).  `produced.json` lies in the
//! issuer's folder and is written whole, as the marks are; `audit.log` lies in the state directory itself and only grows.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_wire::Time;
use serde::{Deserialize, Serialize};

use super::{
    DELTA_MARKS, Marks, StateDirectory, StateStep, generalized, lock, remove, step, write_text,
};
use crate::{SourceError, held};

const PRODUCED: &str = "produced.json";
const PRODUCED_VERSION: u32 = 1;
const AUDIT: &str = "audit.log";
/// Folders below an issuer's that are looked into.
const DEPTH_MAX: usize = 3;

/// `produced.json` as it is stored.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct ProducedFile {
    version: u32,
    produced_at: String,
}

impl StateDirectory {
    /// The latest producedAt that was kept for an issuer; None when there is none.
    ///
    /// # Errors
    /// `StateRead` or `StateCorrupt`.
    pub fn produced_at(&self, identity: &str) -> Result<Option<Time>, SourceError> {
        let path = self.folder(identity).join(PRODUCED);
        let octets = match std::fs::read(&path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(SourceError::StateRead {
                    path,
                    source: Arc::new(error),
                });
            }
        };
        let corrupt = |problem| SourceError::StateCorrupt {
            path: path.clone(),
            problem,
        };
        let file: ProducedFile =
            serde_json::from_slice(&octets).map_err(|error| corrupt(error.to_string()))?;
        if file.version != PRODUCED_VERSION {
            let problem = format!("version {} is not known here", file.version);
            return Err(corrupt(problem));
        }
        Time::from_generalized(file.produced_at.as_bytes())
            .map(Some)
            .ok_or_else(|| corrupt("produced-at is not a time like 20261121060000Z".to_owned()))
    }

    /// Keeps a producedAt; does nothing if the one there is not earlier (another instance).  A damaged one is replaced.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed, or `StateRead`; the file is still whole then.
    pub fn keep_produced_at(&self, identity: &str, produced_at: Time) -> Result<(), SourceError> {
        let folder = self.folder(identity);
        self.make_folder(&folder)?;
        let locked = lock(&folder)?;
        let kept = match self.produced_at(identity) {
            Err(SourceError::StateCorrupt { .. }) => None,
            kept => kept?,
        };
        if kept.is_some_and(|kept| kept >= produced_at) {
            return Ok(());
        }
        let file = ProducedFile {
            version: PRODUCED_VERSION,
            produced_at: generalized(produced_at),
        };
        let mut text = serde_json::to_string_pretty(&file).expect("strings and a number are JSON");
        text.push('\n');
        write_text(&folder, &locked, PRODUCED, &text)
    }

    /// Every file that is kept of what was seen of an issuer, in order of their names.
    ///
    /// # Errors
    /// `StateRead` when a folder cannot be listed.
    pub fn files_of(&self, identity: &str) -> Result<Vec<PathBuf>, SourceError> {
        let mut files = Vec::new();
        collect(&self.folder(identity), DEPTH_MAX, &mut files)?;
        let keys = self.responder_folder(identity);
        files.retain(|path| !path.starts_with(&keys));
        files.sort();
        Ok(files)
    }

    /// Does this file say what the guard holds until the operator accepts it?
    pub fn is_of_guard(path: &Path) -> bool {
        held::is_of_guard(path)
    }

    /// Does this file say that a delta from the future was used?  What one before it revoked is in no complete list yet, and
    /// a responder that knows nothing of it would call that good.
    pub fn is_of_delta_ahead(path: &Path, now: Time) -> bool {
        delta_marks(path).is_some_and(|marks| marks.this_update > now)
    }

    /// Of such a file: of the deltas that were used nothing is known but that they were made before now, and so one of that
    /// time or a complete list has to come before what is in none is good.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed.
    pub fn take_back_delta(path: &Path, now: Time) -> Result<(), SourceError> {
        let (Some(marks), Some(folder)) = (delta_marks(path), path.parent()) else {
            return Ok(());
        };
        let marks = marks.known_only_until(now);
        let locked = lock(folder)?;
        write_text(folder, &locked, DELTA_MARKS, &marks.to_json())
    }

    /// Removes these files of an issuer, all of them or up to the first that cannot be.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed.
    pub fn forget(&self, identity: &str, files: &[PathBuf]) -> Result<(), SourceError> {
        let folder = self.folder(identity);
        let locked = lock(&folder)?;
        for path in files {
            remove(path)?;
        }
        step(StateStep::SyncFolder, &folder, || locked.sync_all())
    }

    /// Where the audit log is.
    pub fn audit_path(&self) -> PathBuf {
        self.path().join(AUDIT)
    }

    /// Appends a line (without its end) to the audit log.
    ///
    /// # Errors
    /// `StateWrite` with the step that failed.
    pub fn append_audit(&self, line: &str) -> Result<(), SourceError> {
        let path = self.audit_path();
        let mut file = step(StateStep::Create, &path, || {
            OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&path)
        })?;
        // In one piece: lines of several processes do not mix.
        let whole = format!("{line}\n");
        step(StateStep::Write, &path, || file.write_all(whole.as_bytes()))?;
        step(StateStep::SyncFile, &path, || file.sync_all())
    }
}

impl SourceError {
    /// Where and what, without what it would mean for a list: for what is kept beside lists.
    pub fn what_failed(&self) -> String {
        match self {
            SourceError::StateWrite { path, step, source } => {
                format!("{}: {step}: {source}", path.display())
            }
            other => other.to_string(),
        }
    }
}

fn collect(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let unreadable = |source| SourceError::StateRead {
        path: folder.to_owned(),
        source: Arc::new(source),
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        let is_folder = entry.file_type().map_err(unreadable)?.is_dir();
        match (is_folder, depth) {
            (true, 0) => {}
            (true, _) => collect(&entry.path(), depth - 1, files)?,
            (false, _) => files.push(entry.path()),
        }
    }
    Ok(())
}

/// None where the file is of another kind, or cannot be read.
fn delta_marks(path: &Path) -> Option<Marks> {
    if path.file_name()? != DELTA_MARKS {
        return None;
    }
    Marks::from_json(&std::fs::read_to_string(path).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    const IDENTITY: &str = "ab12";

    fn second(number: i64) -> Time {
        Time::from_unix(1_800_000_000 + number)
    }

    fn state() -> (TempDir, StateDirectory) {
        let directory = TempDir::new().unwrap();
        let state = StateDirectory::open(directory.path()).unwrap();
        (directory, state)
    }

    #[test]
    fn the_last_produced_at_is_read_again_and_never_goes_back_whoever_writes_it() {
        let (directory, state) = state();
        assert_eq!(state.produced_at(IDENTITY).unwrap(), None);
        state.keep_produced_at(IDENTITY, second(5)).unwrap();
        let another = StateDirectory::open(directory.path()).unwrap();
        another.keep_produced_at(IDENTITY, second(3)).unwrap();
        assert_eq!(state.produced_at(IDENTITY).unwrap(), Some(second(5)));
        another.keep_produced_at(IDENTITY, second(6)).unwrap();
        assert_eq!(state.produced_at(IDENTITY).unwrap(), Some(second(6)));
        let text = std::fs::read_to_string(state.folder(IDENTITY).join(PRODUCED)).unwrap();
        assert!(
            text.contains("\"produced-at\": \"20270115080006Z\""),
            "{text}"
        );
    }

    #[test]
    fn a_damaged_mark_is_named_and_replaced_by_the_next() {
        let (_directory, state) = state();
        state.keep_produced_at(IDENTITY, second(5)).unwrap();
        for damaged in [
            "",
            "{",
            "{\"version\": 2, \"produced-at\": \"20270115080006Z\"}",
            "{\"version\": 1, \"produced-at\": \"noon\"}",
        ] {
            let path = state.folder(IDENTITY).join(PRODUCED);
            std::fs::write(&path, damaged).unwrap();
            let error = state.produced_at(IDENTITY).unwrap_err();
            assert!(matches!(error, SourceError::StateCorrupt { .. }), "{error}");
            assert!(
                error.to_string().contains(path.to_str().unwrap()),
                "{error}"
            );
            state.keep_produced_at(IDENTITY, second(4)).unwrap();
            assert_eq!(state.produced_at(IDENTITY).unwrap(), Some(second(4)));
        }
    }

    #[test]
    fn what_is_forgotten_is_gone_and_the_rest_stays() {
        let (_directory, state) = state();
        assert!(state.files_of(IDENTITY).unwrap().is_empty());
        state.keep_produced_at(IDENTITY, second(5)).unwrap();
        let list = state.folder(IDENTITY).join("last-good.crl");
        std::fs::write(&list, "list").unwrap();
        let below = state.folder(IDENTITY).join("scope");
        std::fs::create_dir(&below).unwrap();
        std::fs::write(below.join("marks.json"), "{}").unwrap();
        let files = state.files_of(IDENTITY).unwrap();
        assert_eq!(files.len(), 3, "{files:?}");
        let (kept, removed): (Vec<_>, Vec<_>) = files.into_iter().partition(|path| *path == list);
        state.forget(IDENTITY, &removed).unwrap();
        assert_eq!(state.files_of(IDENTITY).unwrap(), kept);
        assert_eq!(state.produced_at(IDENTITY).unwrap(), None);
        // Once more is no error.
        state.forget(IDENTITY, &removed).unwrap();
    }

    #[test]
    fn the_audit_log_only_grows() {
        let (_directory, state) = state();
        state.append_audit("one").unwrap();
        state.append_audit("two").unwrap();
        let text = std::fs::read_to_string(state.audit_path()).unwrap();
        assert_eq!(text, "one\ntwo\n");
    }
}
