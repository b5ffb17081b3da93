//! One reading of a CRL file: the octets of one list as DER, however the file wraps them (RFC 7468).
//!
//! From: a file that somebody else writes, or the last good copy in the state directory.  To: `crl`, which judges the
//! list; and to `refresh`, the fingerprint by which it sees that a file is another one than before.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use ocspry_wire::Time;
use ocspry_wire::der::tag;
use ocspry_wire::x509::pem::{self, PemError};

use crate::SourceError;

/// The one list in the file, as DER, and what tells this version of the file from others.
///
/// # Errors
/// Every way in which the file does not hold one block of octets that may be a CRL.
pub(crate) fn read(
    path: &Path,
    limits: &SourceLimits,
) -> Result<(Vec<u8>, Fingerprint), SourceError> {
    let (bytes, fingerprint) = read_whole(path, limits)?;
    Ok((der_of(path, bytes)?, fingerprint))
}

/// Bounds on what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourceLimits {
    /// Most octets of a CRL file (PEM or DER); a larger one is refused before it is read.
    pub crl_bytes_max: u64,
}

impl SourceLimits {
    /// 1 GiB: twice the largest lists known (10 million entries).
    pub const DEFAULT: SourceLimits = SourceLimits {
        crl_bytes_max: 1 << 30,
    };
}

/// The fingerprint is taken before the octets: what changes in between is seen as a change at the next look.
fn read_whole(path: &Path, limits: &SourceLimits) -> Result<(Vec<u8>, Fingerprint), SourceError> {
    let file = open(path)?;
    let metadata = file.metadata().map_err(unreadable(path))?;
    if let Some(found) = other_than_a_file(&metadata) {
        return Err(SourceError::NotAFile {
            path: path.to_owned(),
            found,
        });
    }
    let bytes_max = limits.crl_bytes_max;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(bytes_max)).unwrap_or(0));
    let read = if metadata.len() > bytes_max {
        metadata.len()
    } else {
        file.take(bytes_max + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable(path))? as u64
    };
    if read > bytes_max {
        return Err(SourceError::TooLarge {
            path: path.to_owned(),
            bytes: read,
            bytes_max,
        });
    }
    Ok((bytes, Fingerprint::from(&metadata)))
}

/// Without waiting: the other end of a pipe may never come.
fn open(path: &Path) -> Result<File, SourceError> {
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path)
        .map_err(unreadable(path))
}

fn unreadable(path: &Path) -> impl Fn(io::Error) -> SourceError {
    |source| SourceError::Read {
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

fn other_than_a_file(metadata: &Metadata) -> Option<&'static str> {
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

/// DER as it is, or the one CRL among the PEM blocks.
fn der_of(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, SourceError> {
    let path = || path.to_owned();
    if bytes.is_empty() {
        return Err(SourceError::Empty { path: path() });
    }
    if is_der(&bytes) {
        return Ok(bytes);
    }
    let mut list = None;
    let mut list_count = 0;
    let mut others = Labels::default();
    for block in pem::Blocks::new(&bytes) {
        let block = block.map_err(|error| match error {
            PemError::NoEnd { line } => SourceError::Pem {
                path: path(),
                line,
                problem: "the PEM block that begins here has no end",
            },
            PemError::Body { line } => SourceError::Pem {
                path: path(),
                line,
                problem: "not the base64 of a PEM block",
            },
        })?;
        if PEM_LABELS.contains(&block.label.as_str()) {
            list_count += 1;
            list = list.or(Some(block.der));
        } else {
            others.add(&block.label);
        }
    }
    match (list, list_count) {
        (Some(list), 1) => Ok(list),
        (Some(_), count) => Err(SourceError::SeveralCrls {
            path: path(),
            count,
        }),
        (None, _) if others.count == 0 => Ok(bytes),
        (None, _) => Err(SourceError::NoCrlBlock {
            path: path(),
            found: others.to_string(),
        }),
    }
}

/// The labels of blocks that are no CRLs, for people: the first few, and not more of each than a line can bear.
#[derive(Default)]
struct Labels {
    shown: Vec<String>,
    count: usize,
}

impl Labels {
    fn add(&mut self, label: &str) {
        self.count += 1;
        if self.shown.len() < LABELS_SHOWN_MAX {
            let mut escaped = label.escape_debug();
            let mut shown: String = escaped.by_ref().take(LABEL_CHARACTERS_MAX).collect();
            if escaped.next().is_some() {
                shown.push('…');
            }
            self.shown.push(format!("\"{shown}\""));
        }
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        match self.count - self.shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

const LABELS_SHOWN_MAX: usize = 3;
const LABEL_CHARACTERS_MAX: usize = 64;

/// RFC 7468 §7 (`X509 CRL`), and a spelling that is met beside it.
const PEM_LABELS: [&str; 2] = ["X509 CRL", "CRL"];

/// A SEQUENCE with a length in the long form: no text begins so, and every signed CRL does.
fn is_der(bytes: &[u8]) -> bool {
    matches!(bytes, [tag::SEQUENCE, length, ..] if *length >= 0x80)
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

    /// When the system last saw it change; nobody can set it ahead.
    pub(crate) fn changed(&self) -> Time {
        Time::from_unix(self.changed.0)
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
