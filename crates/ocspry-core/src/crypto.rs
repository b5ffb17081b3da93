//! Hashes and signature verification: the one module of this crate that names the crypto library.
//!
//! From: `issuer` (CertID hashes), `credential` and the CRL loader (signatures).  Verification never runs while a
//! request waits; hashing of a request's bytes does not either: issuers are hashed once, at load.

use aws_lc_rs::digest;
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use ocspry_wire::der::oid;
use ocspry_wire::ocsp::HashAlgorithm;
use ocspry_wire::x509::{Certificate, SignatureAlgorithm, SubjectPublicKeyInfo};

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The algorithm is not known here, or does not go with the key (RSA below 2048 bits among them).
    #[error("its signature algorithm is not supported, or does not fit the key")]
    Unsupported,
    /// The signature is wrong.
    #[error("its signature does not verify")]
    BadSignature,
}

/// Verifies `signature` over `message` with `key`.
///
/// RSA keys of 2048 to 8192 bits, the NIST curves with any of SHA-256/384/512, and Ed25519.  SHA-1 with RSA is
/// verified, since old CAs still sign with it; callers warn.
///
/// # Errors
/// `Unsupported` when algorithm and key do not go together, `BadSignature` when the signature is wrong.
pub fn verify(
    algorithm: Option<SignatureAlgorithm>,
    key: &SubjectPublicKeyInfo<'_>,
    message: &[u8],
    signature: &[u8],
) -> Result<(), VerifyError> {
    let algorithm = algorithm.ok_or(VerifyError::Unsupported)?;
    let verification = verification_algorithm(algorithm, key).ok_or(VerifyError::Unsupported)?;
    UnparsedPublicKey::new(verification, key.key_bits)
        .verify(message, signature)
        .map_err(|_| VerifyError::BadSignature)
}

/// Did the holder of the issuer's name and key sign the certificate (RFC 5280 §6.1.3 (a)(1) and (4))?  Names are compared
/// octet by octet.
pub fn is_signed_by(certificate: &Certificate<'_>, issuer: &Certificate<'_>) -> bool {
    certificate.issuer == issuer.subject
        && verify(
            certificate.signature_algorithm,
            &issuer.public_key,
            certificate.tbs,
            certificate.signature,
        )
        .is_ok()
}

/// A message that arrives in pieces, to be named by its SHA-256 and to be held against a signature.
///
/// It is hashed as it comes.  Ed25519 alone wants the whole message in one piece: then it is kept.
pub struct MessageHash {
    sha256: digest::Context,
    other: Option<digest::Context>,
    whole: Option<Vec<u8>>,
}

impl MessageHash {
    /// For a message that is signed in this way.
    pub fn new(algorithm: Option<SignatureAlgorithm>) -> MessageHash {
        let other = match algorithm {
            Some(SignatureAlgorithm::RsaSha1) => Some(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            Some(SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::EcdsaSha384) => {
                Some(&digest::SHA384)
            }
            Some(SignatureAlgorithm::RsaSha512 | SignatureAlgorithm::EcdsaSha512) => {
                Some(&digest::SHA512)
            }
            Some(
                SignatureAlgorithm::RsaSha256
                | SignatureAlgorithm::EcdsaSha256
                | SignatureAlgorithm::Ed25519,
            )
            | None => None,
        };
        MessageHash {
            sha256: digest::Context::new(&digest::SHA256),
            other: other.map(digest::Context::new),
            whole: (algorithm == Some(SignatureAlgorithm::Ed25519)).then(Vec::new),
        }
    }

    /// The octets that come next.
    pub fn update(&mut self, octets: &[u8]) {
        self.sha256.update(octets);
        if let Some(other) = &mut self.other {
            other.update(octets);
        }
        if let Some(whole) = &mut self.whole {
            whole.extend_from_slice(octets);
        }
    }

    /// Octets of the message that are kept in memory.
    pub fn kept_bytes(&self) -> usize {
        self.whole.as_ref().map_or(0, Vec::len)
    }

    /// Nothing more comes.
    pub fn finish(self) -> HashedMessage {
        HashedMessage {
            sha256: self.sha256.finish(),
            other: self.other.map(digest::Context::finish),
            whole: self.whole,
        }
    }
}

/// A whole message, hashed.
pub struct HashedMessage {
    sha256: digest::Digest,
    other: Option<digest::Digest>,
    whole: Option<Vec<u8>>,
}

impl HashedMessage {
    /// SHA-256 of the message.
    pub fn sha256(&self) -> [u8; 32] {
        octets_of(&self.sha256)
    }

    /// Verifies `signature` over the message with `key`, under the algorithm that the hash was made for.
    ///
    /// # Errors
    /// Those of [`verify`].
    pub fn verify(
        &self,
        algorithm: Option<SignatureAlgorithm>,
        key: &SubjectPublicKeyInfo<'_>,
        signature: &[u8],
    ) -> Result<(), VerifyError> {
        if let Some(whole) = &self.whole {
            return verify(algorithm, key, whole, signature);
        }
        let algorithm = algorithm.ok_or(VerifyError::Unsupported)?;
        let verification =
            verification_algorithm(algorithm, key).ok_or(VerifyError::Unsupported)?;
        UnparsedPublicKey::new(verification, key.key_bits)
            .verify_digest(self.other.as_ref().unwrap_or(&self.sha256), signature)
            .map_err(|_| VerifyError::BadSignature)
    }
}

fn verification_algorithm(
    algorithm: SignatureAlgorithm,
    key: &SubjectPublicKeyInfo<'_>,
) -> Option<&'static dyn VerificationAlgorithm> {
    if key.algorithm == oid::RSA_ENCRYPTION {
        return match algorithm {
            SignatureAlgorithm::RsaSha1 => {
                Some(&signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY)
            }
            SignatureAlgorithm::RsaSha256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
            SignatureAlgorithm::RsaSha384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
            SignatureAlgorithm::RsaSha512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
            SignatureAlgorithm::EcdsaSha256
            | SignatureAlgorithm::EcdsaSha384
            | SignatureAlgorithm::EcdsaSha512
            | SignatureAlgorithm::Ed25519 => None,
        };
    }
    if key.algorithm == oid::ED25519 && algorithm == SignatureAlgorithm::Ed25519 {
        return Some(&signature::ED25519);
    }
    if key.algorithm == oid::EC_PUBLIC_KEY {
        return ecdsa_verification_algorithm(algorithm, key.curve?);
    }
    None
}

fn ecdsa_verification_algorithm(
    algorithm: SignatureAlgorithm,
    curve: &[u8],
) -> Option<&'static dyn VerificationAlgorithm> {
    let by_digest: [&'static dyn VerificationAlgorithm; 3] = if curve == oid::P256 {
        [
            &signature::ECDSA_P256_SHA256_ASN1,
            &signature::ECDSA_P256_SHA384_ASN1,
            &signature::ECDSA_P256_SHA512_ASN1,
        ]
    } else if curve == oid::P384 {
        [
            &signature::ECDSA_P384_SHA256_ASN1,
            &signature::ECDSA_P384_SHA384_ASN1,
            &signature::ECDSA_P384_SHA512_ASN1,
        ]
    } else if curve == oid::P521 {
        [
            &signature::ECDSA_P521_SHA256_ASN1,
            &signature::ECDSA_P521_SHA384_ASN1,
            &signature::ECDSA_P521_SHA512_ASN1,
        ]
    } else {
        return None;
    };
    match algorithm {
        SignatureAlgorithm::EcdsaSha256 => Some(by_digest[0]),
        SignatureAlgorithm::EcdsaSha384 => Some(by_digest[1]),
        SignatureAlgorithm::EcdsaSha512 => Some(by_digest[2]),
        SignatureAlgorithm::RsaSha1
        | SignatureAlgorithm::RsaSha256
        | SignatureAlgorithm::RsaSha384
        | SignatureAlgorithm::RsaSha512
        | SignatureAlgorithm::Ed25519 => None,
    }
}

/// The digest of `data`, on the stack.
pub fn digest(algorithm: HashAlgorithm, data: &[u8]) -> digest::Digest {
    let algorithm = match algorithm {
        HashAlgorithm::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
        HashAlgorithm::Sha256 => &digest::SHA256,
        HashAlgorithm::Sha384 => &digest::SHA384,
        HashAlgorithm::Sha512 => &digest::SHA512,
    };
    digest::digest(algorithm, data)
}

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> [u8; 32] {
    octets_of(&digest(HashAlgorithm::Sha256, data))
}

/// SHA-256 of what comes piece by piece.
#[derive(Clone)]
pub struct Sha256(digest::Context);

impl Sha256 {
    /// Of nothing yet.
    #[expect(
        clippy::new_without_default,
        reason = "a hash without data is no default for anything"
    )]
    pub fn new() -> Sha256 {
        Sha256(digest::Context::new(&digest::SHA256))
    }

    /// Takes the next piece.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// Of everything that was taken.
    pub fn finish(self) -> [u8; 32] {
        octets_of(&self.0.finish())
    }
}

fn octets_of(sha256: &digest::Digest) -> [u8; 32] {
    let mut octets = [0; 32];
    octets.copy_from_slice(sha256.as_ref());
    octets
}
