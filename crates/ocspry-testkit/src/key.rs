//! Private keys of every kind the responder takes, made fresh for each test.  To: `authority`, `crl`.

use crate::encode::pem;
use ocspry_wire::x509::SignatureAlgorithm;
use rcgen::{PublicKeyData as _, SigningKey as _};

/// The kinds of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA of 2048 bits.
    Rsa2048,
    /// P-256.
    P256,
    /// P-384.
    P384,
    /// P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl KeyKind {
    /// All of them.
    pub const ALL: [KeyKind; 5] = [
        KeyKind::Rsa2048,
        KeyKind::P256,
        KeyKind::P384,
        KeyKind::P521,
        KeyKind::Ed25519,
    ];

    /// What a key of this kind signs with.
    pub fn signature_algorithm(self) -> SignatureAlgorithm {
        match self {
            KeyKind::Rsa2048 => SignatureAlgorithm::RsaSha256,
            KeyKind::P256 => SignatureAlgorithm::EcdsaSha256,
            KeyKind::P384 => SignatureAlgorithm::EcdsaSha384,
            KeyKind::P521 => SignatureAlgorithm::EcdsaSha512,
            KeyKind::Ed25519 => SignatureAlgorithm::Ed25519,
        }
    }

    /// What a key of this kind can sign with, the usual one first.
    pub fn signature_algorithms(self) -> Vec<SignatureAlgorithm> {
        match self {
            KeyKind::Rsa2048 => vec![
                SignatureAlgorithm::RsaSha256,
                SignatureAlgorithm::RsaSha384,
                SignatureAlgorithm::RsaSha512,
            ],
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 => {
                vec![self.signature_algorithm()]
            }
        }
    }
}

/// A private key.
#[derive(Debug)]
pub struct TestKey {
    kind: KeyKind,
    pair: rcgen::KeyPair,
}

impl Clone for TestKey {
    fn clone(&self) -> TestKey {
        TestKey::from_pkcs8_der(&self.pkcs8_der(), self.kind)
    }
}

impl TestKey {
    /// A new key.
    pub fn generate(kind: KeyKind) -> TestKey {
        let algorithm = match kind {
            KeyKind::Rsa2048 => &rcgen::PKCS_RSA_SHA256,
            KeyKind::P256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::P384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            KeyKind::P521 => &rcgen::PKCS_ECDSA_P521_SHA512,
            KeyKind::Ed25519 => &rcgen::PKCS_ED25519,
        };
        let pair = rcgen::KeyPair::generate_for(algorithm).expect("key generation");
        TestKey { kind, pair }
    }

    /// The key in a PKCS#8 DER, of a kind that the caller knows.
    pub fn from_pkcs8_der(der: &[u8], kind: KeyKind) -> TestKey {
        let pair = rcgen::KeyPair::try_from(der).expect("a PKCS#8 key");
        TestKey { kind, pair }
    }

    /// A P-256 key that stands in a PKCS#8 PEM text.
    pub fn p256_from_pem(text: &str) -> TestKey {
        let pair = rcgen::KeyPair::from_pem(text).expect("a PKCS#8 key in PEM");
        TestKey {
            kind: KeyKind::P256,
            pair,
        }
    }

    /// Its kind.
    pub fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The private key as PKCS#8 DER.
    pub fn pkcs8_der(&self) -> Vec<u8> {
        self.pair.serialize_der()
    }

    /// The private key as PKCS#8 PEM.
    pub fn pkcs8_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8_der())
    }

    /// The public key as DER SubjectPublicKeyInfo.
    pub fn public_key_info(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// Signs with the kind's own algorithm.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).expect("the key signs")
    }

    /// Signs with one of [`KeyKind::signature_algorithms`].
    pub fn sign_with(&self, algorithm: SignatureAlgorithm, message: &[u8]) -> Vec<u8> {
        let rsa = match algorithm {
            SignatureAlgorithm::RsaSha384 => &rcgen::PKCS_RSA_SHA384,
            SignatureAlgorithm::RsaSha512 => &rcgen::PKCS_RSA_SHA512,
            _ => {
                assert_eq!(algorithm, self.kind.signature_algorithm());
                return self.sign(message);
            }
        };
        let der = self.pkcs8_der();
        let pair = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&der.as_slice().into(), rsa)
            .expect("an RSA key");
        pair.sign(message).expect("the key signs")
    }
}
