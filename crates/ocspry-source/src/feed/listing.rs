//! What one look at a directory finds: its files, and of their lists as much as can be of use.
//!
//! From: `feed`, file by file.  To: `refresh`.  A directory may hold every list that a CA has made, and one of them is
//! used: of the others no more stays in memory than what it takes to say that they are older.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_wire::Time;

use super::Found;
use crate::SourceError;
use crate::fingerprint::unreadable;
use crate::list::LoadedList;

/// What was found so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) found: Vec<Found>,
}

impl Gathered {
    /// One more.  Of two complete lists of one scope that may both be used now, the older lets go of its serials.
    pub(super) fn extend(&mut self, more: Option<Found>, now: Time) {
        let Some(mut more) = more else {
            return;
        };
        if let Some(new) = whole(&mut more, now) {
            let lists = self.found.iter_mut().filter_map(|found| whole(found, now));
            for list in lists {
                if list.scope.key() != new.scope.key() {
                    continue;
                }
                if list.this_update() < new.this_update() {
                    list.let_go_of_serials();
                } else if new.this_update() < list.this_update() {
                    new.let_go_of_serials();
                }
            }
        }
        self.found.push(more);
    }
}

/// A complete list that may be used now, and has its serials.
fn whole(found: &mut Found, now: Time) -> Option<&mut LoadedList> {
    let offer = found.result.as_mut().ok()?;
    let list = Arc::get_mut(&mut offer.list)?;
    (!list.is_delta() && list.is_due(now) && list.has_serials()).then_some(list)
}

/// The files of a directory, in the order of their names; hidden ones are none of ours, nor are directories in it.
pub(super) fn files_of(directory: &Path) -> Result<Vec<PathBuf>, SourceError> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(unreadable(directory))? {
        let entry = entry.map_err(unreadable(directory))?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let path = entry.path();
        if path.is_dir() {
            continue;
        }
        if paths.len() == DIRECTORY_FILES_MAX {
            return Err(SourceError::TooManyLists {
                path: directory.to_owned(),
                count_max: DIRECTORY_FILES_MAX,
            });
        }
        paths.push(path);
    }
    paths.sort();
    Ok(paths)
}

/// Most files of one directory of lists.
const DIRECTORY_FILES_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ocspry_core::OwnedCertificate;
    use ocspry_testkit::{Authority, CrlSpec, KeyKind, ScopeSpec, now};

    use super::*;
    use crate::feed::{AskedBy, Feed, ListSource, Looking};
    use crate::load::{CrlSigners, SourceLimits};
    use crate::pace::Pace;

    #[test]
    fn of_many_lists_of_one_scope_one_is_in_memory_whole() {
        let directory = tempfile::tempdir().unwrap();
        let ca = Authority::root("Example CA", KeyKind::P256);
        let scope = |name: &str| ScopeSpec::part(&format!("http://crl.example/{name}.crl"));
        for (name, newest) in [("a", 0), ("b", 29), ("c", 13)] {
            for day in 0..30_i64 {
                let age = (day - newest).rem_euclid(30);
                let list = CrlSpec::new(1)
                    .made_at(now().plus_seconds(-3600 * (1 + age)))
                    .about(scope(name));
                let list = (0..200_u8).fold(list, |list, serial| list.revoke(&[1, serial], None));
                let path = directory.path().join(format!("{name}{day:02}"));
                std::fs::write(path, ca.crl(&list)).unwrap();
            }
        }
        let certificate = OwnedCertificate::from_der(ca.certificate).unwrap();
        let signers = Arc::new(CrlSigners::new(certificate, Vec::new()));
        let looking = Looking {
            signers: &signers,
            limits: &SourceLimits::DEFAULT,
            pace: Pace::AtOnce,
            show: None,
            now: now(),
        };
        let source = ListSource::Directory(directory.path().to_owned());
        let mut feed = Feed::new(source, AskedBy::Operator, None);
        let found = feed.look(&looking, &BTreeSet::new());
        assert_eq!(found.len(), 90);
        let lists = found
            .iter()
            .map(|found| &found.result.as_ref().unwrap().list);
        let whole: Vec<_> = lists.filter(|list| list.serials.len() == 200).collect();
        assert_eq!(whole.len(), 3);
        let hour_ago = now().plus_seconds(-3660);
        assert!(whole.iter().all(|list| list.this_update() >= hour_ago));
    }
}
