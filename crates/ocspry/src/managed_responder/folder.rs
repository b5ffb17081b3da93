//! What a managed responder has on disk: the pair in use and the one before it, each a file with certificate and key; the
//! key that waits for its certificate; and, in a directory that the CA's user may read, the request for that.
//!
//! From: `mod`, on the control thread.  To: the folder `responder` of the issuer's state, which other instances may share: it
//! is locked while it is looked at.  Each file is whole or not there, and whatever is cut off goes on at the next look.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ocspry_ca::{
    CaError, CaKey, FileAccess, KeyAlgorithm, SigningRequest, Subject, certificate_to_pem,
    write_file,
};
use ocspry_core::OwnedCertificate;
use ocspry_signer::{FileSigner, KeyError, read_regular_file};
use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::certificate_file::{CertificateFile, CertificateFileError};
use crate::file_stamp::FileStamps;

/// Where it all is.
#[derive(Clone, Debug)]
pub(super) struct Places {
    folder: PathBuf,
    request: PathBuf,
}

/// Which pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The one that signs.
    InUse,
    /// The one that signed before it, until its answers have ended.
    Before,
}

/// A certificate with its key.
pub(super) struct Pair {
    pub(super) path: PathBuf,
    pub(super) certificate: OwnedCertificate,
    pub(super) signer: FileSigner,
}

/// Why the files of a managed responder are of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// A folder cannot be made or opened.
    #[error("{}: the folder cannot be used: {source}", path.display())]
    Folder { path: PathBuf, source: io::Error },
    /// Another process works with it at this moment.
    #[error("{}: another process is at work here; it is tried again", path.display())]
    Locked { path: PathBuf },
    /// A key of the folder is of no use.
    #[error("{source}; no other is made in its place: let this user read it, or remove the file")]
    Key { source: KeyError },
    /// A certificate of the folder is of no use.
    #[error("{source}; no other is put in its place: remove the file")]
    Certificate { source: CertificateFileError },
    /// A key cannot be made, or a file not be written.
    #[error(transparent)]
    Make(#[from] CaError),
    /// A file cannot be replaced or removed.
    #[error("{}: cannot be replaced or removed: {source}", path.display())]
    Remove { path: PathBuf, source: io::Error },
}

impl Places {
    /// `folder` is below the state directory, `requests` where the CA's user looks, `ca` its name in the ledger.
    pub(super) fn new(folder: PathBuf, requests: &Path, ca: &str) -> Places {
        Places {
            folder,
            request: requests.join(format!("{ca}.csr")),
        }
    }

    /// The file of the request.
    pub(super) fn request(&self) -> &Path {
        &self.request
    }

    /// Whether something was changed.
    pub(super) fn stamps(&self) -> FileStamps {
        let next = self.next();
        let pairs = [Kept::InUse, Kept::Before].map(|kept| self.pair(kept));
        let paths = pairs.iter().chain([&next, &self.request]);
        FileStamps::of(paths.map(PathBuf::as_path))
    }

    fn pair(&self, kept: Kept) -> PathBuf {
        self.folder.join(match kept {
            Kept::InUse => "in-use.pem",
            Kept::Before => "before.pem",
        })
    }

    fn next(&self) -> PathBuf {
        self.folder.join("next.key")
    }
}

/// The folder, while nobody else works with it.
pub(super) struct Folder<'a> {
    places: &'a Places,
    _lock: File,
}

impl<'a> Folder<'a> {
    /// Makes it (0700) where it is not there.
    ///
    /// # Errors
    /// It cannot be made, or somebody else has it: this never waits.
    pub(super) fn open(places: &'a Places) -> Result<Folder<'a>, FolderError> {
        let path = || places.folder.clone();
        let unusable = |source| FolderError::Folder {
            path: path(),
            source,
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&places.folder)
            .map_err(unusable)?;
        let lock = File::open(&places.folder).map_err(unusable)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_| FolderError::Locked { path: path() })?;
        Ok(Folder {
            places,
            _lock: lock,
        })
    }

    /// Reads a pair; None: there is none.
    ///
    /// # Errors
    /// It is there and of no use.
    pub(super) fn pair(&self, kept: Kept) -> Result<Option<Pair>, FolderError> {
        let path = self.places.pair(kept);
        let Some(signer) = there(FileSigner::load(&path, None))? else {
            return Ok(None);
        };
        let file =
            CertificateFile::read(&path).map_err(|source| FolderError::Certificate { source })?;
        Ok(Some(Pair {
            path,
            certificate: file.certificate,
            signer,
        }))
    }

    /// Reads the key that waits for its certificate; None: there is none.
    ///
    /// # Errors
    /// It is there and of no use.
    pub(super) fn next(&self) -> Result<Option<CaKey>, FolderError> {
        there(CaKey::load(&self.places.next(), None))
    }

    /// What signs with that key.
    ///
    /// # Errors
    /// It is of no use, or not there.
    pub(super) fn next_signer(&self) -> Result<FileSigner, FolderError> {
        FileSigner::load(&self.places.next(), None).map_err(|source| FolderError::Key { source })
    }

    /// Makes a key that waits for its certificate.
    ///
    /// # Errors
    /// It cannot be made or written.
    pub(super) fn make_next(&self, algorithm: KeyAlgorithm) -> Result<CaKey, FolderError> {
        let key = CaKey::generate(algorithm)?;
        key.write_pem(&self.places.next(), None)?;
        Ok(key)
    }

    /// The certificate is there: both become the pair in use, and that one the pair before it.
    ///
    /// # Errors
    /// A file cannot be written; at the next look this goes on.
    pub(super) fn put_in_use(
        &self,
        key: &CaKey,
        certificate: &OwnedCertificate,
    ) -> Result<(), FolderError> {
        let (in_use, before) = (
            self.places.pair(Kept::InUse),
            self.places.pair(Kept::Before),
        );
        match fs::rename(&in_use, before) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(FolderError::Remove {
                    path: in_use,
                    source,
                });
            }
            Ok(()) | Err(_) => {}
        }
        let mut pem = Zeroizing::new(certificate_to_pem(certificate.der())?);
        pem.push_str(&key.to_pem()?);
        write_file(&in_use, pem.as_bytes(), FileAccess::Private)?;
        self.forget_next()
    }

    /// The key that waited has its certificate, and lies beside it now.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub(super) fn forget_next(&self) -> Result<(), FolderError> {
        remove(&self.places.next())
    }

    /// The answers of the pair before have ended.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub(super) fn forget_before(&self) -> Result<(), FolderError> {
        remove(&self.places.pair(Kept::Before))
    }

    /// Puts the request for a certificate where the CA's user finds it (0644, in a directory that is made 0755 where it is
    /// not there).
    ///
    /// # Errors
    /// It cannot be made or written.
    pub(super) fn ask(&self, key: &CaKey) -> Result<(), FolderError> {
        let path = &self.places.request;
        if is_request_for(path, key) {
            return Ok(());
        }
        // The CA chooses the subject.
        let request = key.request_pem(&Subject::new("OCSP responder", None)?)?;
        if let Some(directory) = path.parent()
            && fs::create_dir(directory).is_ok()
        {
            set_mode(directory, 0o755)?;
        }
        write_file(path, request.as_bytes(), FileAccess::Public)?;
        // Whatever the umask of a service is: another user is to read it.
        set_mode(path, 0o644)
    }

    /// Nothing is asked for any more.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub(super) fn ask_nothing(&self) -> Result<(), FolderError> {
        remove(&self.places.request)
    }
}

/// None: there is no such file.
fn there<T, E: Into<CaError>>(loaded: Result<T, E>) -> Result<Option<T>, FolderError> {
    match loaded.map_err(Into::into) {
        Ok(loaded) => Ok(Some(loaded)),
        Err(CaError::Key(KeyError::Unreadable { path: _, source }))
            if source.kind() == io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(CaError::Key(source)) => Err(FolderError::Key { source }),
        Err(other) => Err(other.into()),
    }
}

fn is_request_for(path: &Path, key: &CaKey) -> bool {
    read_regular_file(path, REQUEST_OCTETS_MAX).is_ok_and(|file| {
        SigningRequest::read(&file.content)
            .is_ok_and(|request| request.public_key() == key.public_key())
    })
}

fn remove(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FolderError::Remove {
            path: path.to_owned(),
            source,
        }),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), FolderError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|source| FolderError::Folder {
        path: path.to_owned(),
        source,
    })
}

/// A request of our own has 2,000 at most.
const REQUEST_OCTETS_MAX: u64 = 64 * 1024;
