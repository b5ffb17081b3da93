//! Where the passphrase of a key comes from.  From: `passphrase-file`, or `-passin` of `ocspry ocsp`.  To: whoever loads the
//! key, at each loading.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_signer::{KeyError, Passphrase};

/// Where a passphrase is.
#[derive(Clone, Debug)]
pub(crate) enum PassphraseSource {
    /// The first line of a file, read anew each time.
    File(PathBuf),
    /// What a descriptor or a variable held at the start: it can be read only once.
    Held(Arc<Passphrase>),
}

impl PassphraseSource {
    /// The passphrase.
    ///
    /// # Errors
    /// The file cannot be read, or holds none.
    pub(crate) fn read(&self) -> Result<Arc<Passphrase>, KeyError> {
        match self {
            PassphraseSource::File(path) => Ok(Arc::new(Passphrase::from_file(path)?)),
            PassphraseSource::Held(passphrase) => Ok(Arc::clone(passphrase)),
        }
    }

    /// The file, if it is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            PassphraseSource::File(path) => Some(path),
            PassphraseSource::Held(_) => None,
        }
    }
}

impl PartialEq for PassphraseSource {
    /// The same place, not the same secret.
    fn eq(&self, other: &PassphraseSource) -> bool {
        match (self, other) {
            (PassphraseSource::File(one), PassphraseSource::File(other)) => one == other,
            (PassphraseSource::Held(one), PassphraseSource::Held(other)) => Arc::ptr_eq(one, other),
            (PassphraseSource::File(_), PassphraseSource::Held(_))
            | (PassphraseSource::Held(_), PassphraseSource::File(_)) => false,
        }
    }
}

impl Eq for PassphraseSource {}
