//! The CRLs that the ledger's CAs have published, to be handed out from memory.  From: a directory that `ca tick` writes to,
//! `NAME.crl` for each CA, in DER.  To: `core::Issuer`.
//!
//! The ledger says which CRL was published last, by its digest: another file is not handed out.  Read when the ledger or the file
//! has changed, never by a request.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use ocspry_core::{Issuer, PublishedCrl};
use ocspry_ledger::{LedgerError, LedgerReader, Position};
use ocspry_signer::read_regular_file;
use ocspry_source::Fingerprint;
use tracing::{info, warn};

use crate::config::LedgerConfig;

/// Looks for them.
pub(super) struct PublishedCrls {
    config: LedgerConfig,
    /// By the name of the CA: what was found at the last look.
    seen: BTreeMap<String, Seen>,
    /// By the name of the CA: why its file could not be read, as it was told.
    told: BTreeMap<String, String>,
}

/// The state of ledger and file at a look that led to something.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    position: Position,
    file: Option<Fingerprint>,
}

/// What became of a look at ledger and file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// Both were read; they are looked at again when one has changed.
    Read,
    /// One was not, and is tried again.
    Unreadable,
}

impl Taken {
    fn is_read(self) -> bool {
        self == Taken::Read
    }
}

impl PublishedCrls {
    pub(super) fn new(config: LedgerConfig) -> PublishedCrls {
        PublishedCrls {
            config,
            seen: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Hands an issuer its newest one.
    pub(super) fn look(&mut self, position: Position, name: &str, issuer: &Issuer) {
        let file = fs::metadata(self.path(name)).ok();
        let file = file.filter(Metadata::is_file);
        let seen = Seen {
            position,
            file: file.as_ref().map(Fingerprint::from),
        };
        let is_news = self.seen.get(name) != Some(&seen);
        // An issuer of a new configuration has none.
        if seen.file.is_some()
            && (is_news || issuer.published_crl().is_none())
            && self.take(name, issuer).is_read()
        {
            self.seen.insert(name.to_owned(), seen);
        }
    }

    fn take(&mut self, name: &str, issuer: &Issuer) -> Taken {
        let wanted = match self.last_of(name) {
            Ok(Some(wanted)) => wanted,
            Ok(None) => return Taken::Read,
            // Told of elsewhere.
            Err(_) => return Taken::Unreadable,
        };
        let in_use = issuer.published_crl();
        if in_use.is_some_and(|crl| crl.digest == wanted.sha256) {
            return Taken::Read;
        }
        let path = self.path(name);
        let (this_update, next_update) = (wanted.this_update, wanted.next_update);
        let found = self.read(name);
        match found.map(|der| PublishedCrl::new(der, this_update, next_update)) {
            Ok(crl) if crl.digest == wanted.sha256 => {
                issuer.set_published_crl(Some(Arc::new(crl)));
                info!(
                    issuer = issuer.name(),
                    path = %path.display(),
                    "CRL {} is handed out at /crl/{}.crl",
                    wanted.number,
                    issuer.name(),
                );
            }
            // It is on its way, or the ledger hears of it in a moment: both are looked at again then.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Taken::Unreadable,
            Err(error) => {
                let error = error.to_string();
                if self.told.get(name) != Some(&error) {
                    warn!(
                        issuer = issuer.name(),
                        path = %path.display(),
                        "the published CRL cannot be read: {error}; what is handed out stays as it is"
                    );
                }
                self.told.insert(name.to_owned(), error);
                return Taken::Unreadable;
            }
        }
        self.told.remove(name);
        Taken::Read
    }

    fn last_of(&self, name: &str) -> Result<Option<ocspry_ledger::PublishedCrl>, LedgerError> {
        let reader = LedgerReader::open(&self.config.place)?;
        let issuer = reader.issuer(name)?;
        reader.last_full_crl(issuer.number)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.config.published.join(format!("{name}.crl"))
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut file = read_regular_file(&self.path(name), CRL_BYTES_MAX + 1)?;
        if file.content.len() as u64 > CRL_BYTES_MAX {
            let limit = format!("it has more than {CRL_BYTES_MAX} octets");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, limit));
        }
        Ok(std::mem::take(&mut file.content))
    }
}

/// Two million entries and more; each issuer's is in memory.
const CRL_BYTES_MAX: u64 = 128 << 20;
