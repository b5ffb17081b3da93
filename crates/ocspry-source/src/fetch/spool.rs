//! A download on its way: a file that is gone unless somebody wants it.
//!
//! From: `client`, which writes it.  To: the loader, which reads it, and the state directory, which copies it.  A file is locked for as long as it is in use, so that what a run left behind that was killed can be told
//! from what another process is writing.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::FlockOperation;

use super::problem::FetchProblem;

/// A downloaded file: removed on drop.
#[derive(Debug)]
pub struct SpoolFile {
    path: PathBuf,
    /// Holds the lock.
    file: File,
    bytes: u64,
}

impl SpoolFile {
    /// A new, empty, locked file (mode 0600) in this directory.
    pub(super) fn create(directory: &Path) -> Result<SpoolFile, FetchProblem> {
        let mut last = io::ErrorKind::AlreadyExists.into();
        let mut path = directory.to_owned();
        for _ in 0..NAMES_TRIED_MAX {
            path = directory.join(next_name());
            match create_locked(&path) {
                Ok(Some(file)) => {
                    return Ok(SpoolFile {
                        path,
                        file,
                        bytes: 0,
                    });
                }
                Ok(None) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
                Err(error) => {
                    last = error;
                    break;
                }
            }
        }
        Err(FetchProblem::Spool {
            path,
            source: Arc::new(last),
        })
    }

    pub(super) fn write(&mut self, octets: &[u8]) -> Result<(), FetchProblem> {
        self.file
            .write_all(octets)
            .map_err(|source| FetchProblem::Spool {
                path: self.path.clone(),
                source: Arc::new(source),
            })?;
        self.bytes += octets.len() as u64;
        Ok(())
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many octets it has.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        // Nothing can be done about a file that cannot be removed; the next start tries again.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes what runs left behind that did not end by themselves; files that are being written stay.
pub(super) fn remove_left_overs(directory: &Path) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        // Creating a file there will say what is wrong.
        return;
    };
    for entry in entries.flatten() {
        let is_ours = entry.file_name().to_str().is_some_and(is_spool_name);
        if is_ours && let Ok(file) = open_left_over(&entry.path()) {
            // Still locked while it goes: a name that is being taken anew is seen by `create_locked`.
            let _ = std::fs::remove_file(entry.path());
            drop(file);
        }
    }
}

fn open_left_over(path: &Path) -> io::Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(no_follow.bits().cast_signed())
        .open(path)?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
    Ok(file)
}

/// None: somebody took it for a left-over in the moment before it was locked.
fn create_locked(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    let is_locked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    let is_there = file.metadata()?.nlink() > 0;
    Ok((is_locked && is_there).then_some(file))
}

fn next_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let count = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("{PREFIX}{}-{count}{SUFFIX}", std::process::id())
}

fn is_spool_name(name: &str) -> bool {
    let middle = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX));
    middle.is_some_and(|middle| {
        middle
            .split_once('-')
            .is_some_and(|(pid, count)| is_number(pid) && is_number(count))
    })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit())
}

const PREFIX: &str = ".fetch-";
const SUFFIX: &str = ".tmp";
/// Names of a run that had the same process id, as in containers, are passed over; so many of them.
const NAMES_TRIED_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_spool_file_is_private_and_goes_with_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let mut file = SpoolFile::create(directory.path()).unwrap();
        file.write(b"octets").unwrap();
        assert_eq!(file.bytes(), 6);
        assert_eq!(std::fs::read(file.path()).unwrap(), b"octets");
        let mode = std::fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(file);
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn left_overs_go_but_not_what_is_in_use_nor_what_is_not_ours() {
        let directory = tempfile::tempdir().unwrap();
        let in_use = SpoolFile::create(directory.path()).unwrap();
        for name in [".fetch-1-0.tmp", ".fetch-x-0.tmp", ".fetch-1.tmp", "ca.crl"] {
            std::fs::write(directory.path().join(name), "x").unwrap();
        }
        let victim = directory.path().join("ca.crl");
        std::os::unix::fs::symlink(&victim, directory.path().join(".fetch-1-1.tmp")).unwrap();
        remove_left_overs(directory.path());
        let mut expected = vec![
            in_use.path().file_name().unwrap().to_str().unwrap(),
            ".fetch-1-1.tmp",
            ".fetch-1.tmp",
            ".fetch-x-0.tmp",
            "ca.crl",
        ];
        expected.sort_unstable();
        assert_eq!(names(directory.path()), expected);
    }

    #[test]
    fn names_that_are_taken_are_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        let first = SpoolFile::create(directory.path()).unwrap();
        let count = |file: &SpoolFile| -> u64 {
            let name = file.path().file_name().unwrap().to_str().unwrap();
            let count = name.trim_end_matches(SUFFIX).rsplit('-').next().unwrap();
            count.parse().unwrap()
        };
        let taken = count(&first) + 1..count(&first) + 100;
        for next in taken.clone() {
            let name = format!("{PREFIX}{}-{next}{SUFFIX}", std::process::id());
            std::fs::write(directory.path().join(name), "x").unwrap();
        }
        let second = SpoolFile::create(directory.path()).unwrap();
        assert!(!taken.contains(&count(&second)));
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file_and_leaves_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".fetch-1-0.tmp");
        std::fs::write(&path, "").unwrap();
        let mut file = SpoolFile {
            path: path.clone(),
            file: OpenOptions::new().write(true).open("/dev/full").unwrap(),
            bytes: 0,
        };
        let error = file.write(b"octets").unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
        assert!(error.contains("No space left"), "{error}");
        drop(file);
        assert_eq!(names(directory.path()), [""; 0]);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error_that_names_it() {
        let error = SpoolFile::create(Path::new("/nonexistent/state")).unwrap_err();
        assert!(
            error.to_string().contains("/nonexistent/state/.fetch-"),
            "{error}"
        );
    }
}
