//! Makes private keys, writes them as PKCS#8 PEM (RFC 5958, RFC 7468 §10, §11) and reads them again.  To: `authority.rs`.

use crate::file::{FileAccess, to_pem, write_file};
use crate::{CaError, PublicKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair,
};
use ocspry_core::Signer as _;
use ocspry_signer::{FileSigner, KeyKind, Passphrase};
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// The kinds of keys that are made here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on P-256: signs fastest among those that every client knows.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
}

impl KeyAlgorithm {
    /// All of them.
    pub const ALL: [KeyAlgorithm; 7] = [
        KeyAlgorithm::P256,
        KeyAlgorithm::P384,
        KeyAlgorithm::P521,
        KeyAlgorithm::Ed25519,
        KeyAlgorithm::Rsa2048,
        KeyAlgorithm::Rsa3072,
        KeyAlgorithm::Rsa4096,
    ];

    /// What key a delegated responder of a CA has: of the CA's own kind, so that whoever can check the one can check the
    /// other; RSA with 2048 bits, since a responder signs often.
    pub fn of_responder(ca: &PublicKey) -> KeyAlgorithm {
        match ca.kind() {
            KeyKind::Rsa { .. } => KeyAlgorithm::Rsa2048,
            KeyKind::P256 => KeyAlgorithm::P256,
            KeyKind::P384 => KeyAlgorithm::P384,
            KeyKind::P521 => KeyAlgorithm::P521,
            KeyKind::Ed25519 => KeyAlgorithm::Ed25519,
        }
    }

    /// By its name as it prints, in any case, with or without blanks and dashes: `P-256`, `p256`, `rsa3072`.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn named(name: &str) -> Result<KeyAlgorithm, CaError> {
        let plain = |text: &str| text.to_ascii_lowercase().replace([' ', '-'], "");
        KeyAlgorithm::ALL
            .into_iter()
            .find(|algorithm| plain(&algorithm.to_string()) == plain(name))
            .ok_or_else(|| CaError::UnknownKeyAlgorithm {
                name: name.to_owned(),
            })
    }
}

impl fmt::Display for KeyAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyAlgorithm::P256 => "P-256",
            KeyAlgorithm::P384 => "P-384",
            KeyAlgorithm::P521 => "P-521",
            KeyAlgorithm::Ed25519 => "Ed25519",
            KeyAlgorithm::Rsa2048 => "RSA 2048",
            KeyAlgorithm::Rsa3072 => "RSA 3072",
            KeyAlgorithm::Rsa4096 => "RSA 4096",
        })
    }
}

/// The private key of a CA, a responder or a server.
#[derive(Debug)]
pub struct CaKey {
    signer: FileSigner,
    public_key: PublicKey,
}

impl CaKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the crypto library cannot.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<CaKey, CaError> {
        let pkcs8 = generate_pkcs8(algorithm).map_err(|_| CaError::KeyGeneration { algorithm })?;
        CaKey::new(FileSigner::from_bytes(
            &pkcs8,
            Path::new("(new key)"),
            None,
        )?)
    }

    /// Reads a key file, in any form that `ocspry-signer` reads.
    ///
    /// # Errors
    /// As [`FileSigner::load`].
    pub fn load(path: &Path, passphrase: Option<&Passphrase>) -> Result<CaKey, CaError> {
        CaKey::new(FileSigner::load(path, passphrase)?)
    }

    fn new(signer: FileSigner) -> Result<CaKey, CaError> {
        Ok(CaKey {
            public_key: PublicKey::from_der(signer.public_key_info())?,
            signer,
        })
    }

    /// The key as PKCS#8 PEM, not encrypted.
    ///
    /// # Errors
    /// When the crypto library cannot encode it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, CaError> {
        let pkcs8 = self.signer.export_pkcs8()?;
        to_pem("PRIVATE KEY", &pkcs8).map(Zeroizing::new)
    }

    /// The key as encrypted PKCS#8 PEM (RFC 7468 §11).
    ///
    /// # Errors
    /// As [`FileSigner::export_encrypted_pkcs8`].
    pub fn to_encrypted_pem(&self, passphrase: &Passphrase) -> Result<String, CaError> {
        let encrypted = self.signer.export_encrypted_pkcs8(passphrase)?;
        to_pem("ENCRYPTED PRIVATE KEY", &encrypted)
    }

    /// Writes the key as PEM, under a passphrase if there is one; whole or not at all, for its owner only (0600);
    /// replaces what is there.
    ///
    /// # Errors
    /// As [`CaKey::to_encrypted_pem`] and [`write_file`].
    pub fn write_pem(&self, path: &Path, passphrase: Option<&Passphrase>) -> Result<(), CaError> {
        let pem = match passphrase {
            Some(passphrase) => Zeroizing::new(self.to_encrypted_pem(passphrase)?),
            None => self.to_pem()?,
        };
        write_file(path, pem.as_bytes(), FileAccess::Private)
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The public key, as DER SubjectPublicKeyInfo.
    pub fn public_key_info(&self) -> &[u8] {
        self.signer.public_key_info()
    }

    /// What signs.
    pub fn signer(&self) -> &FileSigner {
        &self.signer
    }
}

fn generate_pkcs8(algorithm: KeyAlgorithm) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    match algorithm {
        KeyAlgorithm::P256 => generate_ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING),
        KeyAlgorithm::P384 => generate_ecdsa(&ECDSA_P384_SHA384_ASN1_SIGNING),
        KeyAlgorithm::P521 => generate_ecdsa(&ECDSA_P521_SHA512_ASN1_SIGNING),
        KeyAlgorithm::Ed25519 => {
            let document = Ed25519KeyPair::generate()?.to_pkcs8v1()?;
            Ok(Zeroizing::new(document.as_ref().to_vec()))
        }
        KeyAlgorithm::Rsa2048 => generate_rsa(KeySize::Rsa2048),
        KeyAlgorithm::Rsa3072 => generate_rsa(KeySize::Rsa3072),
        KeyAlgorithm::Rsa4096 => generate_rsa(KeySize::Rsa4096),
    }
}

fn generate_ecdsa(
    algorithm: &'static EcdsaSigningAlgorithm,
) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let document = EcdsaKeyPair::generate(algorithm)?.to_pkcs8v1()?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}

fn generate_rsa(size: KeySize) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
    let document = RsaKeyPair::generate(size)?.as_der()?;
    Ok(Zeroizing::new(document.as_ref().to_vec()))
}
