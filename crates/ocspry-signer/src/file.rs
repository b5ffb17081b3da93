//! A private key from a file.  From: a path that the operator gave.  To: `core::ResponderCredential`, as a `Signer`.
//!
//! The file is read once, up to a cap; the key then lives in memory only.  Octets of the key that pass through our hands
//! are wiped when dropped.

use crate::encoding::{KeyForm, find_key};
use crate::key_pair::KeyPair;
use crate::{KeyError, KeyKind, KeyWarning, Passphrase, decrypt, encrypt, read_regular_file};
use ocspry_core::{SignError, Signer, SigningSpeed};
use ocspry_wire::x509::SignatureAlgorithm;
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// Most octets of a key file: an RSA key of 4096 bits takes 3,300, and a chain of certificates may stand beside it.
const OCTETS_MAX: u64 = 256 * 1024;

/// Permission bit: everybody may read.
const READABLE_BY_OTHERS: u32 = 0o004;

/// A private key that was read from a file and signs in this process.
pub struct FileSigner {
    pair: KeyPair,
    public_key_info: Vec<u8>,
    warnings: Vec<KeyWarning>,
}

impl FileSigner {
    /// Reads a key file: PEM or DER, PKCS#8 (encrypted with PBES2 or not), PKCS#1 or SEC1.
    ///
    /// Certificates beside the key are passed over; a second key is refused.
    ///
    /// # Errors
    /// When the file holds no key, a damaged one, several, or one that cannot sign here; when the passphrase is missing
    /// or wrong.
    pub fn load(path: &Path, passphrase: Option<&Passphrase>) -> Result<FileSigner, KeyError> {
        let file =
            read_regular_file(path, OCTETS_MAX + 1).map_err(|source| KeyError::Unreadable {
                path: path.to_owned(),
                source,
            })?;
        let mode = file.mode;
        let mut signer = FileSigner::from_bytes(&file.content, path, passphrase)?;
        if mode & READABLE_BY_OTHERS != 0 {
            signer.warnings.push(KeyWarning::ReadableByOthers {
                path: path.to_owned(),
                mode,
            });
        }
        Ok(signer)
    }

    /// Takes the content of a key file that is in memory already; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`FileSigner::load`].
    pub fn from_bytes(
        content: &[u8],
        path: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<FileSigner, KeyError> {
        if content.len() as u64 > OCTETS_MAX {
            return Err(KeyError::TooLarge {
                path: path.to_owned(),
                octets_max: OCTETS_MAX,
            });
        }
        let key = find_key(content, path)?;
        let mut warnings = Vec::new();
        let pair = if key.form == KeyForm::EncryptedPkcs8 {
            let der = decrypt::decrypt(&key, passphrase, path)?;
            KeyPair::from_der(KeyForm::Pkcs8, &der, None, path)?
        } else {
            if passphrase.is_some() {
                warnings.push(KeyWarning::PassphraseNotUsed {
                    path: path.to_owned(),
                });
            }
            KeyPair::from_der(key.form, &key.der, key.ec_parameters.as_deref(), path)?
        };
        Ok(FileSigner {
            public_key_info: pair.public_key_info(),
            pair,
            warnings,
        })
    }

    /// The kind of key.
    pub fn kind(&self) -> KeyKind {
        self.pair.kind()
    }

    /// What is worth saying of the file.
    pub fn warnings(&self) -> &[KeyWarning] {
        &self.warnings
    }

    /// The private key as PKCS#8 DER, not encrypted: for a CA that writes the key it has made.  A responder holds its
    /// keys as `dyn Signer`, which cannot do this.
    ///
    /// # Errors
    /// When the crypto library cannot encode the key.
    pub fn export_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, SignError> {
        self.pair.to_pkcs8()
    }

    /// The private key as EncryptedPrivateKeyInfo (RFC 5958 §3), under this passphrase: PBES2 with PBKDF2-HMAC-SHA256 and
    /// AES-256-CBC, which every tool opens.
    ///
    /// # Errors
    /// When the passphrase is empty, or the crypto library cannot encode or encrypt the key.
    pub fn export_encrypted_pkcs8(&self, passphrase: &Passphrase) -> Result<Vec<u8>, KeyError> {
        let pkcs8 = self.export_pkcs8().map_err(|_| KeyError::NotEncrypted)?;
        encrypt::encrypt(&pkcs8, passphrase)
    }
}

impl Signer for FileSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.pair.algorithm()
    }

    fn signs_with(&self, algorithm: SignatureAlgorithm) -> bool {
        self.pair.signs_with(algorithm)
    }

    fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }

    fn speed(&self) -> SigningSpeed {
        self.pair.speed()
    }

    fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        self.pair.sign(algorithm, message, signature)
    }
}

impl fmt::Debug for FileSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSigner")
            .field("kind", &self.kind())
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}
