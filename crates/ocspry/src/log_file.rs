//! A log file that outlives its rotation and full disks.  From: `log_output`.  To: the disk.
//!
//! Whoever rotates it renames it: a line that finds another file in its place, or none, goes there.  That is looked at by
//! the line that is written, once a second at the most, so that nobody has to send a signal.  What the file does not take
//! is counted, and marked in it when it takes lines again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use arc_swap::ArcSwap;

/// How often the path is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Paths, names and perhaps who asked: not for everybody.
const MODE: u32 = 0o640;

/// A file that lines are appended to.  No lock: a panic while a line is written is a line too.
#[derive(Debug)]
pub(crate) struct LogFile {
    path: PathBuf,
    opened: ArcSwap<Opened>,
    /// The next look at the path, in milliseconds from `began`.
    look_at_ms: AtomicU64,
    look_interval: Duration,
    began: Instant,
    /// Lines that the file did not take, since it last took one.
    missing: AtomicU64,
    is_failing: AtomicBool,
    /// The last line stands there in part.
    is_torn: AtomicBool,
    unwritten: Arc<AtomicU64>,
}

/// The file as it is open, and what tells it from another one.
#[derive(Debug)]
struct Opened {
    file: File,
    device: u64,
    inode: u64,
}

/// A line that the file did not take.
#[derive(Debug)]
pub(crate) struct Unwritten {
    pub(crate) cause: io::Error,
    /// It is the first one: nobody knows yet.
    pub(crate) is_first: bool,
}

impl LogFile {
    /// Opens it, and makes it where there is none; lines that it does not take are added to `unwritten`.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(path: &Path, unwritten: Arc<AtomicU64>) -> Result<LogFile> {
        LogFile::looking_every(LOOK_INTERVAL, path, unwritten)
    }

    fn looking_every(
        look_interval: Duration,
        path: &Path,
        unwritten: Arc<AtomicU64>,
    ) -> Result<LogFile> {
        Ok(LogFile {
            path: path.to_owned(),
            opened: ArcSwap::from_pointee(open(path)?),
            look_at_ms: AtomicU64::new(0),
            look_interval,
            began: Instant::now(),
            missing: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            is_torn: AtomicBool::new(false),
            unwritten,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens what is at the path now.
    ///
    /// # Errors
    /// It cannot be opened; lines go on into the old one.
    pub(crate) fn reopen(&self) -> Result<()> {
        self.opened.store(Arc::new(open(&self.path)?));
        Ok(())
    }

    /// Writes a line, in one piece; before the first one after a gap, the line that `mark` makes of how many are missing.
    ///
    /// # Errors
    /// The file does not take it: it is counted.
    pub(crate) fn write(
        &self,
        line: &[u8],
        mark: impl FnOnce(u64) -> String,
    ) -> Result<(), Unwritten> {
        self.follow_rotation();
        let opened = self.opened.load_full();
        let missing = self.missing.swap(0, Ordering::SeqCst);
        let written = match missing {
            0 => self.append(&opened.file, line),
            _ => {
                let mut both = Vec::new();
                if self.is_torn.load(Ordering::SeqCst) {
                    both.push(b'\n');
                }
                both.extend_from_slice(mark(missing).as_bytes());
                both.extend_from_slice(line);
                self.append(&opened.file, &both)
            }
        };
        match written {
            Ok(()) => {
                if missing > 0 {
                    self.is_failing.store(false, Ordering::SeqCst);
                    self.is_torn.store(false, Ordering::SeqCst);
                }
                Ok(())
            }
            Err(cause) => {
                self.missing.fetch_add(missing + 1, Ordering::SeqCst);
                self.unwritten.fetch_add(1, Ordering::Relaxed);
                let is_first = !self.is_failing.swap(true, Ordering::SeqCst);
                Err(Unwritten { cause, is_first })
            }
        }
    }

    fn append(&self, mut file: &File, line: &[u8]) -> io::Result<()> {
        let mut rest = line;
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    rest = &rest[count..];
                    self.is_torn.store(!rest.is_empty(), Ordering::SeqCst);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One thread looks, and no line waits for it.
    fn follow_rotation(&self) {
        let milliseconds =
            |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let now = milliseconds(self.began.elapsed());
        let due = self.look_at_ms.load(Ordering::SeqCst);
        let next = now.saturating_add(milliseconds(self.look_interval));
        let is_turn = || {
            self.look_at_ms
                .compare_exchange(due, next, Ordering::SeqCst, Ordering::SeqCst)
                .is_ok()
        };
        if now < due || !is_turn() {
            return;
        }
        let is_same = |opened: &Opened| {
            fs::metadata(&self.path)
                .is_ok_and(|found| (found.dev(), found.ino()) == (opened.device, opened.inode))
        };
        // One that cannot be opened today is tried again: meanwhile the old one still takes lines.
        if !is_same(&self.opened.load()) {
            let _ = self.reopen();
        }
    }
}

fn open(path: &Path) -> Result<Opened> {
    let open = || {
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .mode(MODE)
            .open(path)?;
        let found = file.metadata()?;
        Ok(Opened {
            file,
            device: found.dev(),
            inode: found.ino(),
        })
    };
    open().map_err(|error: io::Error| {
        anyhow!(
            "the log file {} cannot be opened: {error}: check that its directory exists and may be written",
            path.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn log_file(path: &Path, look_interval: Duration) -> LogFile {
        LogFile::looking_every(look_interval, path, Arc::default()).unwrap()
    }

    fn mark(missing: u64) -> String {
        format!("{missing} missing\n")
    }

    #[test]
    fn a_line_goes_to_the_file_that_is_there_and_none_is_lost_by_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocspry.log");
        let log = log_file(&path, Duration::ZERO);
        log.write(b"first\n", mark).unwrap();
        let rotated = directory.path().join("ocspry.log.1");
        fs::rename(&path, &rotated).unwrap();
        log.write(b"second\n", mark).unwrap();
        assert_eq!(fs::read_to_string(&rotated).unwrap(), "first\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "second\n");
    }

    #[test]
    fn a_file_that_is_made_is_not_for_everybody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("requests.jsonl");
        log_file(&path, Duration::ZERO).write(b"a\n", mark).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o007, 0);
    }

    #[test]
    fn the_path_is_looked_at_once_in_a_while_and_when_asked() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocspry.log");
        let log = log_file(&path, Duration::from_secs(3600));
        log.write(b"first\n", mark).unwrap();
        let rotated = directory.path().join("ocspry.log.1");
        fs::rename(&path, &rotated).unwrap();
        log.write(b"second\n", mark).unwrap();
        log.reopen().unwrap();
        log.write(b"third\n", mark).unwrap();
        assert_eq!(fs::read_to_string(&rotated).unwrap(), "first\nsecond\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "third\n");
    }

    #[test]
    fn what_a_full_disk_does_not_take_is_counted_said_once_and_marked_when_it_takes_lines_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocspry.log");
        symlink("/dev/full", &path).unwrap();
        let log = log_file(&path, Duration::ZERO);
        let firsts = [b"first\n", b"other\n"].map(|line| {
            let unwritten = log.write(line, mark).unwrap_err();
            assert_eq!(unwritten.cause.kind(), io::ErrorKind::StorageFull);
            unwritten.is_first
        });
        assert_eq!(firsts, [true, false]);
        assert_eq!(log.unwritten.load(Ordering::Relaxed), 2);
        fs::remove_file(&path).unwrap();
        log.write(b"third\n", mark).unwrap();
        log.write(b"fourth\n", mark).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, "2 missing\nthird\nfourth\n");
        fs::remove_file(&path).unwrap();
        symlink("/dev/full", &path).unwrap();
        assert!(log.write(b"fifth\n", mark).unwrap_err().is_first);
    }
}
