//! What tells one version of a list of issued certificates from another, without reading it.
//!
//! From: the names, sizes and times of files.  To: whoever looks every few seconds whether there is something to read.  The
//! same walk through a directory stands behind the reading and the looking, so that both see the same files.

use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ocspry_core::crypto::{Sha256, sha256};
use ocspry_wire::Time;

use super::IssuedLimits;
use crate::SourceError;
use crate::fingerprint::{Fingerprint, other_than_a_file};
use crate::noted::Oddity;
use crate::text_file::{self, StatusFile};

/// One version of a file or of a whole directory; equal as long as nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedStamp {
    /// Of a list of serials or an index.
    File(Fingerprint),
    /// Of a directory of certificates.
    Directory(DirectoryStamp),
}

/// The names, sizes and times of all files of a directory but the hidden ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryStamp {
    digest: [u8; 32],
    files: u64,
    changed: Time,
}

impl IssuedStamp {
    /// What is at `path` now.
    ///
    /// # Errors
    /// `ListUnreadable`, `ListNotAFile`, `TooManyFiles`.
    pub fn of(path: &Path) -> Result<IssuedStamp, SourceError> {
        let list = StatusFile::Issued;
        let metadata =
            std::fs::metadata(path).map_err(|source| text_file::unreadable(list, path, source))?;
        match other_than_a_file(&metadata) {
            None => Ok(IssuedStamp::File(Fingerprint::from(&metadata))),
            Some(_) if metadata.is_dir() => {
                walk(path, IssuedLimits::DEFAULT.files_max, |_, _, _| Ok(()))
                    .map(IssuedStamp::Directory)
            }
            Some(found) => Err(SourceError::ListNotAFile {
                list,
                path: path.to_owned(),
                found,
            }),
        }
    }

    /// Whether a later version would surely look different: file times are coarse, and a file written twice within one
    /// tick looks as before.
    pub fn is_settled(&self, now: Time) -> bool {
        match self {
            IssuedStamp::File(fingerprint) => fingerprint.is_settled(now),
            IssuedStamp::Directory(stamp) => now.seconds_since(stamp.changed) >= SETTLED_SECONDS,
        }
    }
}

impl DirectoryStamp {
    /// How many they are.
    pub(crate) fn files(&self) -> u64 {
        self.files
    }

    /// SHA-256 over all of it.
    pub fn digest(&self) -> &[u8; 32] {
        &self.digest
    }
}

/// Something in a directory.
pub(super) enum Seen<'a> {
    /// A file, perhaps through a symbolic link; this was taken before it is read.
    File(&'a Metadata),
    /// Not a file to read.
    PassedOver(Oddity),
}

/// Shows `each` everything in a directory, with its path and name, in no order; holds nothing of it.
pub(super) fn walk(
    directory: &Path,
    files_max: u64,
    mut each: impl FnMut(&Path, &OsStr, Seen<'_>) -> Result<(), SourceError>,
) -> Result<DirectoryStamp, SourceError> {
    let list = StatusFile::Issued;
    let failed = |source| text_file::unreadable(list, directory, source);
    let mut count = 0_u64;
    let mut files = FilesDigest::default();
    let mut changed = Time::MIN;
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        count += 1;
        if count > files_max {
            return Err(SourceError::TooManyFiles {
                path: directory.to_owned(),
                files_max,
            });
        }
        let (path, name) = (entry.path(), entry.file_name());
        if name.as_bytes().starts_with(b".") {
            each(&path, &name, Seen::PassedOver(Oddity::HiddenFile))?;
            continue;
        }
        let metadata = match std::fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                each(&path, &name, Seen::PassedOver(Oddity::VanishedFile))?;
                continue;
            }
            Err(error) => return Err(text_file::unreadable(list, &path, error)),
        };
        if !metadata.is_file() {
            each(&path, &name, Seen::PassedOver(Oddity::NotAFile))?;
            continue;
        }
        files.add(&name, &metadata);
        changed = changed.max(Fingerprint::from(&metadata).changed());
        each(&path, &name, Seen::File(&metadata))?;
    }
    Ok(DirectoryStamp {
        files: files.count,
        digest: files.finish(),
        changed,
    })
}

/// A digest of a set: a directory gives its files in any order, and there may be too many to sort.
///
/// The digests of the files are added up, each quarter by itself.  That is no defence against somebody who makes names to
/// collide; but who may write here may also write what the files say.
#[derive(Default)]
struct FilesDigest {
    count: u64,
    sum: [u64; 4],
}

impl FilesDigest {
    fn add(&mut self, name: &OsStr, metadata: &Metadata) {
        let mut hash = Sha256::new();
        // The same facts as in a `Fingerprint`.
        for number in [
            metadata.dev(),
            metadata.ino(),
            metadata.size(),
            metadata.mtime().cast_unsigned(),
            metadata.mtime_nsec().cast_unsigned(),
            metadata.ctime().cast_unsigned(),
            metadata.ctime_nsec().cast_unsigned(),
        ] {
            hash.update(&number.to_be_bytes());
        }
        hash.update(name.as_bytes());
        let digest = hash.finish();
        for (sum, octets) in self.sum.iter_mut().zip(digest.as_chunks().0) {
            *sum = sum.wrapping_add(u64::from_be_bytes(*octets));
        }
        self.count += 1;
    }

    fn finish(self) -> [u8; 32] {
        let [a, b, c, d] = self.sum;
        let numbers = [self.count, a, b, c, d].map(u64::to_be_bytes);
        sha256(numbers.as_flattened())
    }
}

/// As for a single file (`Fingerprint::is_settled`).
const SETTLED_SECONDS: i64 = 2;
