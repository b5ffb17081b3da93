//! A responder's certificate and key, from files and back to files.  From: `config`.  To: the issuer's credential slot.
//!
//! Renewal tools replace certificate and key one after the other, so for a moment they do not fit: the pair in use goes
//! on until the new one is whole.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::{CredentialError, CredentialWarning, Issuer, ResponderCredential, Signer};
use ocspry_signer::{FileSigner, KeyError, KeyWarning};
use ocspry_wire::Time;

use crate::certificate_file::{CertificateFile, CertificateFileError};
use crate::config::{FileRole, PassphraseSource, ResponderFiles};
use crate::file_stamp::FileStamps;
use crate::managed_responder::{Awaited, FolderError};
use crate::metered_signer::MeteredSigner;

/// Loads one issuer's credential, and loads it again when its files change.
pub(crate) struct CredentialFiles {
    config: ResponderFiles,
    issuer: Arc<Issuer>,
    stamps: FileStamps,
    /// What the last attempt said, when it failed.
    refused: Option<Refused>,
}

/// What the last attempt said.
pub(crate) struct Refused {
    pub(crate) message: String,
    attempts: u32,
}

impl Refused {
    /// Another attempt; how many said the same, from 1.
    pub(crate) fn note(refused: &mut Option<Refused>, message: String) -> u32 {
        let attempts = match refused.take() {
            Some(refused) if refused.message == message => refused.attempts.saturating_add(1),
            Some(_) | None => 1,
        };
        *refused = Some(Refused { message, attempts });
        attempts
    }
}

/// What one look at the files led to.
#[derive(Debug)]
pub(crate) enum CredentialReport {
    /// Nothing new.
    Unchanged,
    /// The files were refused, and hold the pair in use again.
    Recovered,
    /// A new pair is in use.
    Swapped { warnings: Vec<PairWarning> },
    /// The files do not make a credential.  `attempts` counts looks with this same result, from 1.
    Refused { error: PairError, attempts: u32 },
    /// A managed responder waits for something, which is news.
    Awaits(Awaited),
}

/// Why files make no credential.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PairError {
    /// The certificate cannot be read.
    #[error("{} {source}{}", FileRole::ResponderCertificate, source.help().map(|help| format!(": {help}")).unwrap_or_default())]
    Certificate { source: CertificateFileError },
    /// The key or its passphrase cannot be read.
    #[error("{role} {source}{}", passphrase_hint(source))]
    Key { role: FileRole, source: KeyError },
    /// They do not belong together, or to this CA.
    #[error("{}: {source}", path.display())]
    Credential {
        path: PathBuf,
        source: CredentialError,
    },
    /// The files of a managed responder are of no use.
    #[error("managed responder: {source}")]
    Managed {
        #[from]
        source: FolderError,
    },
}

/// Where a passphrase file is named; the signer does not know about flags and keys of a file.
fn passphrase_hint(error: &KeyError) -> &'static str {
    if matches!(error, KeyError::PassphraseMissing { path: _ }) {
        " (--ocsp-key-passphrase-file FILE; passphrase-file = \"FILE\" in `responder`; -passin file:FILE of `ocspry ocsp`)"
    } else {
        ""
    }
}

/// A pair that works, with a blemish.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PairWarning {
    /// Of the key file.
    #[error(transparent)]
    Key(KeyWarning),
    /// Of the certificate.
    #[error(transparent)]
    Credential(CredentialWarning),
    /// Every user of the machine may read the passphrase.
    #[error(
        "{path}: every user of this machine can read this passphrase (mode {mode:04o}); run: chmod 600 {path}",
        path = .path.display()
    )]
    PassphraseReadable { path: PathBuf, mode: u32 },
}

impl CredentialFiles {
    /// For one issuer; nothing is read yet.
    pub(crate) fn new(config: ResponderFiles, issuer: Arc<Issuer>) -> CredentialFiles {
        CredentialFiles {
            config,
            issuer,
            stamps: FileStamps::default(),
            refused: None,
        }
    }

    /// The files, as last looked at, make no credential.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Why they make none, as last looked at.
    pub(crate) fn problem(&self) -> Option<&str> {
        self.refused
            .as_ref()
            .map(|refused| refused.message.as_str())
    }

    /// Makes the next look read the files in any case.
    pub(crate) fn forget_stamps(&mut self) {
        self.stamps = FileStamps::default();
    }

    /// Looks at the files, and puts a new pair into the issuer's slot if they make one.
    pub(crate) fn refresh(&mut self, now: Time) -> CredentialReport {
        // Stamps are taken before the files are read: a change in between is seen next time.
        let stamps = FileStamps::of(self.config.paths());
        if stamps == self.stamps && self.refused.is_none() {
            return CredentialReport::Unchanged;
        }
        self.stamps = stamps;
        match load(&self.config, &self.issuer, now) {
            Ok((credential, warnings)) => {
                let was_refused = self.refused.take().is_some();
                let same_certificate = |in_use: &Arc<ResponderCredential>| {
                    in_use.certificate() == credential.certificate()
                };
                let in_use = self.issuer.credential().filter(same_certificate);
                let same = in_use.is_some();
                // The same pair stays in its slot: what it signed stays cached.
                if in_use.is_none_or(|in_use| {
                    in_use.signer().public_key_info() != credential.signer().public_key_info()
                }) {
                    self.issuer.set_credential(Some(Arc::new(credential)));
                }
                match (same, was_refused) {
                    (true, true) => CredentialReport::Recovered,
                    (true, false) => CredentialReport::Unchanged,
                    (false, _) => CredentialReport::Swapped { warnings },
                }
            }
            Err(error) => {
                let attempts = Refused::note(&mut self.refused, error.to_string());
                CredentialReport::Refused { error, attempts }
            }
        }
    }
}

fn load(
    config: &ResponderFiles,
    issuer: &Issuer,
    now: Time,
) -> Result<(ResponderCredential, Vec<PairWarning>), PairError> {
    let (key, role, passphrase) = match config {
        ResponderFiles::Delegated {
            certificate: _,
            key,
            passphrase,
        } => (key, FileRole::ResponderKey, passphrase),
        ResponderFiles::Issuer { key, passphrase } => (key, FileRole::CaKey, passphrase),
    };
    let passphrase_file = passphrase.as_ref().and_then(PassphraseSource::path);
    let readable = passphrase_file.and_then(readable_by_others);
    let passphrase = passphrase
        .as_ref()
        .map(PassphraseSource::read)
        .transpose()
        .map_err(|source| PairError::Key {
            role: FileRole::PassphraseFile,
            source,
        })?;
    let signer = FileSigner::load(key, passphrase.as_deref())
        .map_err(|source| PairError::Key { role, source })?;
    let mut warnings: Vec<PairWarning> = signer
        .warnings()
        .iter()
        .cloned()
        .map(PairWarning::Key)
        .chain(readable)
        .collect();
    let signer: Arc<dyn Signer> = Arc::new(MeteredSigner::new(signer, issuer.counts()));
    let (path, credential) = match config {
        ResponderFiles::Delegated {
            certificate: path,
            key: _,
            passphrase: _,
        } => {
            let file =
                CertificateFile::read(path).map_err(|source| PairError::Certificate { source })?;
            (
                path,
                ResponderCredential::delegated(file.certificate, signer, issuer, now),
            )
        }
        ResponderFiles::Issuer { key, passphrase: _ } => {
            (key, ResponderCredential::issuer(signer, issuer, now))
        }
    };
    let (credential, more) = credential.map_err(|source| PairError::Credential {
        path: path.clone(),
        source,
    })?;
    warnings.extend(more.into_iter().map(PairWarning::Credential));
    Ok((credential, warnings))
}

/// Whoever may read the passphrase has the key's protection off; of the key itself the signer says so.
fn readable_by_others(path: &Path) -> Option<PairWarning> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o004 != 0).then(|| PairWarning::PassphraseReadable {
        path: path.to_owned(),
        mode,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use ocspry_ca::{
        CaKey, CertificateAuthority, CertificateRequest, Expiry, KeyAlgorithm, Profile,
        RootRequest, Subject, certificate_to_pem, new_serial_number,
    };
    use ocspry_core::{NoncePolicy, Policy};

    use super::*;

    const NOW: Time = Time::from_unix(1_795_240_800);

    #[test]
    fn the_old_pair_serves_until_the_new_one_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let (mut files, ca) = start(directory.path());
        assert!(matches!(
            files.refresh(NOW),
            CredentialReport::Swapped { .. }
        ));
        assert!(matches!(files.refresh(NOW), CredentialReport::Unchanged));
        let old = files.issuer.credential().unwrap();

        let (certificate, key) = delegate(&ca);
        replace(&directory.path().join("ocsp.key"), &key);
        assert_refused(
            files.refresh(NOW),
            1,
            "the key does not fit the certificate",
        );
        assert_refused(
            files.refresh(NOW),
            2,
            "the key does not fit the certificate",
        );
        assert!(Arc::ptr_eq(&files.issuer.credential().unwrap(), &old));

        replace(&directory.path().join("ocsp.pem"), &certificate);
        assert!(matches!(
            files.refresh(NOW),
            CredentialReport::Swapped { .. }
        ));
        assert_ne!(
            files.issuer.credential().unwrap().certificate(),
            old.certificate()
        );
    }

    #[test]
    fn the_same_pair_read_again_leaves_the_credential_in_its_slot() {
        let directory = tempfile::tempdir().unwrap();
        let (mut files, _) = start(directory.path());
        files.refresh(NOW);
        let before = files.issuer.credential().unwrap();
        files.forget_stamps();
        assert!(matches!(files.refresh(NOW), CredentialReport::Unchanged));
        assert!(Arc::ptr_eq(&files.issuer.credential().unwrap(), &before));
    }

    #[test]
    fn files_that_are_put_back_are_the_pair_in_use_again() {
        let directory = tempfile::tempdir().unwrap();
        let (mut files, _) = start(directory.path());
        files.refresh(NOW);
        let path = directory.path().join("ocsp.pem");
        let certificate = fs::read_to_string(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert_refused(files.refresh(NOW), 1, "cannot be read");
        replace(&path, &certificate);
        assert!(matches!(files.refresh(NOW), CredentialReport::Recovered));
        assert!(files.issuer.credential().is_some());
    }

    #[test]
    fn a_certificate_of_tomorrow_takes_over_tomorrow_without_a_change_of_the_files() {
        let directory = tempfile::tempdir().unwrap();
        let (mut files, _) = start(directory.path());
        assert_refused(
            files.refresh(NOW.plus_seconds(-86_400)),
            1,
            "is not valid before",
        );
        assert!(matches!(
            files.refresh(NOW),
            CredentialReport::Swapped { .. }
        ));
    }

    #[test]
    fn a_key_that_is_not_there_is_named_by_what_it_is_for() {
        let directory = tempfile::tempdir().unwrap();
        let (mut files, _) = start(directory.path());
        fs::remove_file(directory.path().join("ocsp.key")).unwrap();
        let path = directory.path().join("ocsp.key");
        assert_refused(
            files.refresh(NOW),
            1,
            &format!("responder key {}", path.display()),
        );
    }

    fn assert_refused(report: CredentialReport, expected_attempts: u32, expected: &str) {
        match report {
            CredentialReport::Refused { error, attempts } => {
                assert!(error.to_string().contains(expected), "{error}");
                assert_eq!(attempts, expected_attempts);
            }
            other => panic!("{other:?}"),
        }
    }

    fn start(directory: &Path) -> (CredentialFiles, CertificateAuthority) {
        let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
        let root = RootRequest {
            expiry: Expiry::After(Duration::from_secs(86_400)),
            ..RootRequest::usual(subject("ca"))
        };
        let serial = new_serial_number().unwrap();
        let ca = CertificateAuthority::self_signed(key, &root, serial, NOW).unwrap();
        let (certificate, key) = delegate(&ca);
        let config = ResponderFiles::Delegated {
            certificate: directory.join("ocsp.pem"),
            key: directory.join("ocsp.key"),
            passphrase: None,
        };
        replace(&directory.join("ocsp.pem"), &certificate);
        replace(&directory.join("ocsp.key"), &key);
        let policy = Policy {
            validity: None,
            nonce: NoncePolicy::Echo,
            ..Policy::DEFAULT
        };
        let issuer = Arc::new(Issuer::new(
            "ca".to_owned(),
            ca.certificate().clone(),
            policy,
        ));
        (CredentialFiles::new(config, issuer), ca)
    }

    fn subject(common_name: &str) -> Subject {
        Subject::new(common_name, None).unwrap()
    }

    fn delegate(ca: &CertificateAuthority) -> (String, String) {
        let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
        let request = CertificateRequest {
            expiry: Expiry::After(Duration::from_secs(3600)),
            ..CertificateRequest::usual(
                subject("delegate"),
                key.public_key().clone(),
                Profile::OcspResponder,
            )
        };
        let serial = new_serial_number().unwrap();
        let certificate = ca.issue(&request, serial, NOW).unwrap();
        (
            certificate_to_pem(certificate.der()).unwrap(),
            key.to_pem().unwrap().to_string(),
        )
    }

    /// By a rename, as renewal tools do.
    fn replace(path: &Path, text: &str) {
        let temporary = path.with_extension("new");
        fs::write(&temporary, text).unwrap();
        fs::rename(temporary, path).unwrap();
    }
}
