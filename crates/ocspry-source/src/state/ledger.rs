//! What was seen of a ledger: how far it was followed, and what it called revoked.
//!
//! From: whoever follows the ledger, at most once a second.  To: the next start, which refuses a ledger that does not go on
//! from there; and to a reconciliation, which puts back what an older copy lacks (design.md §3, rule 3).  A folder `ledger`
//! in the issuer's: `position.txt` (a line of the follower's own, and thisUpdate), `revoked.txt` in the format of an overlay,
//! and what has changed since: `revoked-since.txt` and `released-since.txt`.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use ocspry_core::{Revocation, RevokedSerials};
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;

use super::{StateDirectory, generalized, remove};
use crate::{SourceError, held};

/// Where one issuer's part of it is kept.
#[derive(Clone, Debug)]
pub struct KeptLedger {
    directory: Arc<StateDirectory>,
    folder: PathBuf,
}

/// What was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenLedger {
    /// How far, as the follower writes it.
    pub position: String,
    /// thisUpdate of the table then.
    pub this_update: Time,
    /// What was revoked.
    pub revoked: Vec<(SerialNumber, RevokedInfo)>,
}

impl StateDirectory {
    /// What is kept of the ledger that an issuer is fed from.
    pub fn ledger(self: &Arc<StateDirectory>, identity: &str) -> KeptLedger {
        KeptLedger {
            directory: Arc::clone(self),
            folder: self.folder(identity).join(LEDGER),
        }
    }
}

impl KeptLedger {
    /// None when nothing was ever kept.
    ///
    /// # Errors
    /// It is there and cannot be read or understood: it is never passed over.
    pub fn read(&self) -> Result<Option<SeenLedger>, SourceError> {
        let path = self.position_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let source = Arc::new(error);
                return Err(SourceError::StateRead { path, source });
            }
        };
        let mut lines = text.lines();
        let this_update = |line: &str| Time::from_generalized(line.as_bytes());
        let (Some(position), Some(this_update)) =
            (lines.next(), lines.next().and_then(this_update))
        else {
            let problem = "is not a position and a time".to_owned();
            return Err(SourceError::StateCorrupt { path, problem });
        };
        let mut revoked = BTreeMap::new();
        for name in [REVOKED, REVOKED_SINCE] {
            held::each_revoked(&self.folder.join(name), |serial, info| {
                revoked.insert(serial.content().to_vec(), (serial, info));
            })?;
        }
        held::each_serial(&self.folder.join(RELEASED_SINCE), |serial| {
            revoked.remove(serial.content());
        })?;
        Ok(Some(SeenLedger {
            position: position.to_owned(),
            this_update,
            revoked: revoked.into_values().collect(),
        }))
    }

    /// Where it stands how far the ledger was followed.
    pub fn position_path(&self) -> PathBuf {
        self.folder.join(POSITION)
    }

    /// Removes all that is kept.
    ///
    /// # Errors
    /// `StateWrite` with what could not be removed.
    pub fn remove(&self) -> Result<(), SourceError> {
        let names = [POSITION, REVOKED, REVOKED_SINCE, RELEASED_SINCE];
        let mut paths = names.iter().map(|name| self.folder.join(name));
        paths.try_for_each(|path| remove(&path))
    }

    /// Keeps a whole list of what is revoked.
    ///
    /// # Errors
    /// `StateWrite`; the file is the old one then.
    pub fn keep_revoked(&self, revoked: &RevokedSerials) -> Result<(), SourceError> {
        let write = |file: &mut _| held::write_revoked(file, revoked);
        self.directory.write_file(&self.folder, REVOKED, write)
    }

    /// Keeps what has changed since that list.
    ///
    /// # Errors
    /// As for the list.
    pub fn keep_changes(&self, changes: Option<&RevokedSerials>) -> Result<(), SourceError> {
        let released = changes.into_iter().flat_map(RevokedSerials::iter);
        let released = released.filter(|(_, revocation)| *revocation == Revocation::Removed);
        self.directory
            .write_file(&self.folder, REVOKED_SINCE, |file| match changes {
                Some(changes) => held::write_revoked(file, changes),
                None => Ok(()),
            })?;
        self.directory
            .write_file(&self.folder, RELEASED_SINCE, |file| {
                for (serial, _) in released {
                    writeln!(file, "{}", held::text(&serial))?;
                }
                Ok(())
            })
    }

    /// Keeps how far the ledger was followed.
    ///
    /// # Errors
    /// As for the list.
    pub fn keep_position(&self, position: &str, this_update: Time) -> Result<(), SourceError> {
        let time = generalized(this_update);
        self.directory.write_file(&self.folder, POSITION, |file| {
            writeln!(file, "{position}\n{time}")
        })
    }
}

const LEDGER: &str = "ledger";
const POSITION: &str = "position.txt";
const REVOKED: &str = "revoked.txt";
const REVOKED_SINCE: &str = "revoked-since.txt";
const RELEASED_SINCE: &str = "released-since.txt";

#[cfg(test)]
mod tests {
    use ocspry_core::RevokedSerialsBuilder;
    use ocspry_wire::ocsp::CrlReason;

    use super::*;

    #[test]
    fn what_was_revoked_is_known_after_a_restart_and_what_was_released_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDirectory::open(directory.path()).unwrap());
        let kept = state.ledger("00");
        assert_eq!(kept.read().unwrap(), None);

        let serial = |octet| SerialNumber::from_content(&[octet]).unwrap();
        let info = |reason| RevokedInfo {
            revocation_time: Time::from_unix(1_700_000_000),
            reason: Some(reason),
            invalidity_date: None,
        };
        let (hold, key) = (
            info(CrlReason::CertificateHold),
            info(CrlReason::KeyCompromise),
        );
        let mut base = RevokedSerialsBuilder::new();
        base.push(&serial(1), Revocation::Revoked(hold));
        base.push(&serial(2), Revocation::Revoked(hold));
        let mut changes = RevokedSerialsBuilder::new();
        changes.push(&serial(1), Revocation::Removed);
        changes.push(&serial(2), Revocation::Revoked(key));
        changes.push(&serial(3), Revocation::Revoked(key));
        kept.keep_revoked(&base.build()).unwrap();
        kept.keep_changes(Some(&changes.build())).unwrap();
        kept.keep_position("here", Time::from_unix(1_700_000_060))
            .unwrap();
        let seen = SeenLedger {
            position: "here".to_owned(),
            this_update: Time::from_unix(1_700_000_060),
            revoked: vec![(serial(2), key), (serial(3), key)],
        };
        assert_eq!(kept.read().unwrap(), Some(seen));

        std::fs::write(kept.folder.join(POSITION), "here\n").unwrap();
        let damaged = kept.read().unwrap_err();
        assert!(matches!(damaged, SourceError::StateCorrupt { .. }));
    }
}
