//! What tells one version of a file from another without reading it.
//!
//! From: the system.  To: `feed`, which reads a file again when its fingerprint is another one; and to `load`, for
//! lists that count from the time their file was written.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use ocspry_wire::Time;

use crate::SourceError;

/// Opens whatever is there without waiting: the other end of a pipe may never come.
pub(crate) fn open_at_once(path: &Path) -> io::Result<File> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
}

/// Opens a file, and nothing else.
///
/// # Errors
/// `Read` when it cannot be opened, `NotAFile` when it is something else.
pub(crate) fn open(path: &Path) -> Result<(File, Metadata), SourceError> {
    let file = open_at_once(path).map_err(unreadable(path))?;
    let metadata = file.metadata().map_err(unreadable(path))?;
    match other_than_a_file(&metadata) {
        None => Ok((file, metadata)),
        Some(found) => Err(SourceError::NotAFile {
            path: path.to_owned(),
            found,
        }),
    }
}

/// The system's refusal as an error for people.
pub(crate) fn unreadable(path: &Path) -> impl Fn(io::Error) -> SourceError {
    |source| SourceError::Read {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

/// What it is instead of a file, with its article.
pub(crate) fn other_than_a_file(metadata: &Metadata) -> Option<&'static str> {
    let kind = metadata.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a directory")
    } else if kind.is_fifo() {
        Some("a pipe")
    } else {
        Some("a device or socket")
    }
}

/// What tells one version of a file from another without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Fingerprint {
    /// The file that is at `path` now.
    ///
    /// # Errors
    /// `Read` when there is none, or it cannot be reached.
    pub fn of(path: &Path) -> Result<Fingerprint, SourceError> {
        std::fs::metadata(path)
            .map(|metadata| Fingerprint::from(&metadata))
            .map_err(unreadable(path))
    }

    /// When the content was written.
    pub fn modified(&self) -> Time {
        Time::from_unix(self.modified.0)
    }

    /// The time of writing was set by hand to one that had not come yet: it says nothing, then or later.
    pub(crate) fn is_post_dated(&self) -> bool {
        self.modified.0 > self.changed.0
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// When the system last saw it change; nobody can set it ahead.
    pub(crate) fn changed(&self) -> Time {
        Time::from_unix(self.changed.0)
    }

    /// When the content was written; a time that was set ahead does not count.
    pub(crate) fn written(&self) -> Time {
        self.modified().min(self.changed())
    }

    /// Whether a later version would surely look different: file times are coarse, and a file written twice within
    /// one tick keeps its fingerprint.
    pub fn is_settled(&self, now: Time) -> bool {
        now.seconds_since(self.changed()) >= 2
    }
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Self {
        Fingerprint {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_changed_just_now_is_not_settled() {
        let changed = 1_800_000_000;
        let fingerprint = Fingerprint {
            device: 1,
            inode: 1,
            bytes: 1,
            modified: (changed, 0),
            changed: (changed, 999_999_999),
        };
        for (seconds, settled) in [(-5, false), (0, false), (1, false), (2, true), (300, true)] {
            let now = Time::from_unix(changed + seconds);
            assert_eq!(fingerprint.is_settled(now), settled, "{seconds}");
        }
    }
}
