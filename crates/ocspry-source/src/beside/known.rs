//! A list of what was issued, as it was read: three tables and the facts about them.
//!
//! From: `issued`, entry by entry.  To: `compose`, and to the next reading, which is compared with it.

use std::path::Path;
use std::sync::Arc;

use ocspry_core::{
    IssuedSerials, IssuedSerialsBuilder, OwnedCertificate, Revocation, RevokedSerials,
    RevokedSerialsBuilder,
};
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

use crate::SourceError;
use crate::issued::{IssuedFacts, IssuedKind, IssuedLimits, read_issued_watched};
use crate::load::{Onlooker, Progress};
use crate::text_file::{self, StatusFile};

/// One reading.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) unexpired: Arc<IssuedSerials>,
    /// Of certificates that have expired, and of those of which that is not known.
    pub(super) others: Arc<IssuedSerials>,
    pub(super) revoked: Arc<RevokedSerials>,
    pub(super) facts: IssuedFacts,
    /// When it was last seen to be so.
    pub(super) confirmed: Time,
    /// When it was told which certificates have expired.
    pub(super) read_at: Time,
}

/// Whether a certificate has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Unexpired,
    Expired,
    /// Only its serial number is known.
    Unknown,
}

impl Known {
    /// Somebody looks on.
    pub(super) fn read(
        path: &Path,
        issuer: &OwnedCertificate,
        limits: &IssuedLimits,
        now: Time,
        onlooker: Onlooker<'_>,
    ) -> Result<Known, SourceError> {
        let (mut unexpired, mut others) =
            (IssuedSerialsBuilder::new(), IssuedSerialsBuilder::new());
        let mut revoked = RevokedSerialsBuilder::new();
        let facts = read_issued_watched(path, issuer, limits, onlooker, |entry| {
            let is_unexpired = entry.not_after.is_some_and(|not_after| not_after >= now);
            let serials = if is_unexpired {
                &mut unexpired
            } else {
                &mut others
            };
            serials.push(&entry.serial_number);
            if let Some(info) = entry.revoked {
                revoked.push(&entry.serial_number, Revocation::Revoked(info));
            }
        })?;
        (onlooker.show)(Progress::Sorting);
        let mut unexpired = unexpired.into_sorting();
        let mut others = others.into_sorting();
        let mut revoked = revoked.into_sorting();
        let mut is_sorted = false;
        while !is_sorted {
            if !(onlooker.goes_on)() {
                return Err(text_file::ended(StatusFile::Issued, path));
            }
            is_sorted = unexpired.step() && others.step() && revoked.step();
        }
        let known = Known {
            unexpired: Arc::new(unexpired.finish()),
            others: Arc::new(others.finish()),
            revoked: Arc::new(revoked.finish()),
            facts,
            confirmed: now,
            read_at: now,
        };
        (onlooker.show)(Progress::Done);
        Ok(known)
    }

    /// Every serial that it names, once.
    pub(super) fn serials(&self) -> impl Iterator<Item = SerialNumber> {
        let others = self.others.iter();
        let others = others.filter(|serial| !self.unexpired.contains(serial));
        self.unexpired.iter().chain(others)
    }

    pub(super) fn names(&self, serial: &SerialNumber) -> bool {
        self.unexpired.contains(serial) || self.others.contains(serial)
    }

    pub(super) fn revokes(&self, serial: &SerialNumber) -> bool {
        matches!(self.revoked.lookup(serial), Some(Revocation::Revoked(_)))
    }

    /// Of a certificate that it names.
    pub(super) fn age(&self, serial: &SerialNumber) -> Age {
        match self.facts.kind {
            IssuedKind::Serials => Age::Unknown,
            IssuedKind::Index | IssuedKind::Certificates if self.unexpired.contains(serial) => {
                Age::Unexpired
            }
            IssuedKind::Index | IssuedKind::Certificates => Age::Expired,
        }
    }

    /// For the operator.
    pub(super) fn sentence(&self) -> String {
        let facts = &self.facts;
        let mut sentence = format!("{} in use: {} issued", facts.kind, facts.issued);
        if facts.kind == IssuedKind::Index {
            sentence.push_str(&format!(", {} of them revoked", facts.revoked));
        }
        for note in facts.notes.found() {
            sentence.push_str(&format!("; tolerated: {note}"));
        }
        sentence
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use ocspry_testkit::{Authority, KeyKind};

    use super::*;

    #[test]
    fn a_reading_ends_when_it_is_told_to_of_files_of_directories_and_while_it_sorts() {
        let folder = tempfile::tempdir().unwrap();
        let ca = Authority::root("Example Root", KeyKind::P256);
        let issuer = OwnedCertificate::from_der(ca.certificate.clone()).unwrap();
        let (file, directory) = (folder.path().join("serials"), folder.path().join("certs"));
        fs::write(&file, "0A\n0B\n").unwrap();
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("root.der"), &ca.certificate).unwrap();
        let now = Time::from_unix(1_900_000_000);
        let read = |path: &Path, onlooker: Onlooker<'_>| {
            Known::read(path, &issuer, &IssuedLimits::DEFAULT, now, onlooker)
        };
        for path in [&file, &directory] {
            assert_eq!(
                read(path, Onlooker::NOBODY).unwrap().facts.issued,
                path_count(path)
            );
            let is_told = Cell::new(false);
            let at_once = Onlooker {
                goes_on: &|| false,
                ..Onlooker::NOBODY
            };
            let while_it_sorts = Onlooker {
                show: &|progress| is_told.set(progress == Progress::Sorting),
                goes_on: &|| !is_told.get(),
            };
            for onlooker in [at_once, while_it_sorts] {
                let error = read(path, onlooker).unwrap_err();
                assert!(
                    matches!(error, SourceError::ListUnreadable { .. }),
                    "{error}"
                );
            }
            assert!(is_told.get(), "it was read, and was being sorted");
        }
    }

    /// Two serials in the file, and the one certificate.
    fn path_count(path: &Path) -> u64 {
        if path.is_dir() { 1 } else { 2 }
    }
}
