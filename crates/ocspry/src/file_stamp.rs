//! Tells whether files may have changed, without reading them.  From: paths.  To: `credential_files`, `control`.
//!
//! A rename changes the inode, a write in place the times and usually the size.  A secret that is read only when its
//! stamp changed is seldom in memory.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What `stat` said of some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileStamps(Vec<(PathBuf, Option<Stamp>)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamps {
    /// Looks at the files; one that is not there has a stamp too.
    pub(crate) fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> FileStamps {
        let stamp = |path: &Path| {
            fs::metadata(path).ok().map(|metadata| Stamp {
                device: metadata.dev(),
                inode: metadata.ino(),
                size: metadata.size(),
                modified: (metadata.mtime(), metadata.mtime_nsec()),
                changed: (metadata.ctime(), metadata.ctime_nsec()),
            })
        };
        FileStamps(
            paths
                .into_iter()
                .map(|path| (path.to_owned(), stamp(path)))
                .collect(),
        )
    }

    /// The files that differ from an earlier look at the same ones.
    pub(crate) fn changed_since<'a>(&'a self, earlier: &FileStamps) -> Vec<&'a Path> {
        self.0
            .iter()
            .zip(&earlier.0)
            .filter(|(now, before)| now != before)
            .map(|(now, _)| now.0.as_path())
            .collect()
    }
}
