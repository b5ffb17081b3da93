//! Tells whether files may have changed, without reading them.  From: paths.  To: `credential_files`, `control`.
//!
//! A rename changes the inode, a write in place the times and usually the size.  A secret that is read only when its
//! stamp changed is seldom in memory.

use std::path::{Path, PathBuf};

use ocspry_source::Fingerprint;

/// What `stat` said of some files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileStamps(Vec<(PathBuf, Option<Fingerprint>)>);

impl FileStamps {
    /// Looks at the files; one that is not there has a stamp too.
    pub(crate) fn of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> FileStamps {
        FileStamps(
            paths
                .into_iter()
                .map(|path| (path.to_owned(), Fingerprint::of(path).ok()))
                .collect(),
        )
    }

    /// Files that were not there.
    pub(crate) fn missing<'a>(paths: impl IntoIterator<Item = &'a Path>) -> FileStamps {
        FileStamps(
            paths
                .into_iter()
                .map(|path| (path.to_owned(), None))
                .collect(),
        )
    }

    /// Looks at the same files once more.
    pub(crate) fn again(&self) -> FileStamps {
        FileStamps::of(self.paths())
    }

    /// Which files they are.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(|(path, _)| path.as_path())
    }

    /// Looks at one more file.
    pub(crate) fn add(&mut self, path: &Path) {
        self.0.extend(FileStamps::of([path]).0);
    }

    /// These, and of later ones those of other files.
    pub(crate) fn before(mut self, later: FileStamps) -> FileStamps {
        let more = later.0.into_iter();
        let more = more.filter(|(path, _)| !self.paths().any(|known| known == path));
        let more: Vec<_> = more.collect();
        self.0.extend(more);
        self
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
