//! A key pair that has been checked, and what it signs with.  From: `encoding.rs`, `decrypt.rs`.  To: `file.rs`.
//!
//! RSA signs with PKCS#1 v1.5 and SHA-256, or SHA-384 or SHA-512 where asked for (RFC 8017 §8.2), P-256 with SHA-256, P-384 with SHA-384, P-521 with SHA-512,
//! each as DER (RFC 5480, RFC 5758 §3.2), Ed25519 as RFC 8410 has it.

use crate::KeyError;
use crate::encoding::{KeyForm, malformed};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::error::KeyRejected;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair, RsaSignatureEncoding,
};
use ocspry_core::{SignError, SigningSpeed};
use ocspry_wire::der::{Reader, Tlv, oid, read, tag, write};
use ocspry_wire::x509::SignatureAlgorithm;
use pkcs8::ObjectIdentifier;
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// The kinds of keys that sign; prints as people say it (`P-256`, `RSA 2048`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA.
    Rsa {
        /// Bits of the modulus, 2048 to 4096.
        bits: usize,
    },
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyKind::Rsa { bits } => write!(f, "RSA {bits}"),
            KeyKind::P256 => f.write_str("P-256"),
            KeyKind::P384 => f.write_str("P-384"),
            KeyKind::P521 => f.write_str("P-521"),
            KeyKind::Ed25519 => f.write_str("Ed25519"),
        }
    }
}

/// A key pair of one of the kinds.
pub(crate) enum KeyPair {
    Rsa { pair: RsaKeyPair, bits: usize },
    Ecdsa { pair: EcdsaKeyPair, curve: Curve },
    Ed25519 { pair: Ed25519KeyPair },
}

impl KeyPair {
    /// Takes a key that is not encrypted (any more), checks its size and that its parts belong together.
    pub(crate) fn from_der(
        form: KeyForm,
        der: &[u8],
        ec_parameters: Option<&[u8]>,
        path: &Path,
    ) -> Result<KeyPair, KeyError> {
        match form {
            KeyForm::Pkcs8 | KeyForm::EncryptedPkcs8 => from_pkcs8(der, path),
            KeyForm::Pkcs1 => {
                let bits = check_rsa_size(der, path)?;
                let pair = RsaKeyPair::from_der(der).map_err(|e| rejected("RSA", e, path))?;
                Ok(KeyPair::Rsa { pair, bits })
            }
            KeyForm::Sec1 => {
                let curve = sec1_curve(der, ec_parameters, path)?;
                // Derives the public key where the file has none, and compares where it has one.
                let pair = EcdsaKeyPair::from_private_key_der(curve.signing(), der)
                    .map_err(|e| rejected("EC", e, path))?;
                Ok(KeyPair::Ecdsa { pair, curve })
            }
        }
    }

    /// Which kind it is.
    pub(crate) fn kind(&self) -> KeyKind {
        match self {
            KeyPair::Rsa { bits, .. } => KeyKind::Rsa { bits: *bits },
            KeyPair::Ecdsa {
                curve: Curve::P256, ..
            } => KeyKind::P256,
            KeyPair::Ecdsa {
                curve: Curve::P384, ..
            } => KeyKind::P384,
            KeyPair::Ecdsa {
                curve: Curve::P521, ..
            } => KeyKind::P521,
            KeyPair::Ed25519 { .. } => KeyKind::Ed25519,
        }
    }

    /// The algorithm of its signatures unless another is asked for.
    pub(crate) fn algorithm(&self) -> SignatureAlgorithm {
        match self {
            KeyPair::Rsa { .. } => SignatureAlgorithm::RsaSha256,
            KeyPair::Ecdsa {
                curve: Curve::P256, ..
            } => SignatureAlgorithm::EcdsaSha256,
            KeyPair::Ecdsa {
                curve: Curve::P384, ..
            } => SignatureAlgorithm::EcdsaSha384,
            KeyPair::Ecdsa {
                curve: Curve::P521, ..
            } => SignatureAlgorithm::EcdsaSha512,
            KeyPair::Ed25519 { .. } => SignatureAlgorithm::Ed25519,
        }
    }

    /// Can it sign so?  An EC key signs with the hash of its own size only, as the crypto library has it.
    pub(crate) fn signs_with(&self, algorithm: SignatureAlgorithm) -> bool {
        match self {
            KeyPair::Rsa { .. } => rsa_encoding(algorithm).is_some(),
            KeyPair::Ecdsa { .. } | KeyPair::Ed25519 { .. } => algorithm == self.algorithm(),
        }
    }

    /// Where it may sign.
    ///
    /// One signature takes, in microseconds on one core of a small server: Ed25519 10, P-256 16, P-384 83, P-521 164,
    /// RSA 2048 241, RSA 3072 690, RSA 4096 1450.  Passing a message to a thread and back costs some tens: below 100
    /// that is no gain, above it the other requests of the worker would wait too long.
    pub(crate) fn speed(&self) -> SigningSpeed {
        match self {
            KeyPair::Ed25519 { .. }
            | KeyPair::Ecdsa {
                curve: Curve::P256 | Curve::P384,
                ..
            } => SigningSpeed::Inline,
            KeyPair::Rsa { .. }
            | KeyPair::Ecdsa {
                curve: Curve::P521, ..
            } => SigningSpeed::Queued,
        }
    }

    /// SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) as certificates carry it: rsaEncryption with NULL, a named curve
    /// with an uncompressed point (whatever form the key file has it in), Ed25519 without parameters.
    pub(crate) fn public_key_info(&self) -> Vec<u8> {
        let (algorithm, parameters, key) = match self {
            KeyPair::Rsa { pair, .. } => (
                oid::RSA_ENCRYPTION,
                Some((tag::NULL, &[][..])),
                pair.public_key().as_ref(),
            ),
            KeyPair::Ecdsa { pair, curve } => (
                oid::EC_PUBLIC_KEY,
                Some((tag::OID, curve.oid())),
                pair.public_key().as_ref(),
            ),
            KeyPair::Ed25519 { pair } => (oid::ED25519, None, pair.public_key().as_ref()),
        };
        let mut der = Vec::new();
        write::push_nested(&mut der, tag::SEQUENCE, |info| {
            write::push_nested(info, tag::SEQUENCE, |identifier| {
                write::push(identifier, tag::OID, algorithm);
                if let Some((tag, content)) = parameters {
                    write::push(identifier, tag, content);
                }
            });
            write::push_nested(info, tag::BIT_STRING, |bits| {
                bits.push(0); // unused bits
                bits.extend_from_slice(key);
            });
        });
        der
    }

    /// Appends a signature over `message`.
    pub(crate) fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        let unsupported = || {
            let (kind, algorithm) = (self.kind(), algorithm.name());
            SignError::Failed(format!(
                "a key of kind {kind} does not sign with {algorithm}"
            ))
        };
        if !self.signs_with(algorithm) {
            return Err(unsupported());
        }
        // aws-lc-rs draws randomness itself; the argument is there for compatibility.
        let rng = SystemRandom::new();
        match self {
            KeyPair::Rsa { pair, .. } => {
                let start = signature.len();
                signature.resize(start + pair.public_modulus_len(), 0);
                let encoding = rsa_encoding(algorithm).ok_or_else(unsupported)?;
                let signed = pair.sign(encoding, &rng, message, &mut signature[start..]);
                if signed.is_err() {
                    signature.truncate(start);
                }
                signed.map_err(|_| failed("RSA"))
            }
            KeyPair::Ecdsa { pair, .. } => {
                let signed = pair.sign(&rng, message).map_err(|_| failed("ECDSA"))?;
                signature.extend_from_slice(signed.as_ref());
                Ok(())
            }
            KeyPair::Ed25519 { pair } => {
                signature.extend_from_slice(pair.sign(message).as_ref());
                Ok(())
            }
        }
    }

    /// PKCS#8 version 1, not encrypted: the form every tool reads.
    pub(crate) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, SignError> {
        let der = match self {
            KeyPair::Rsa { pair, .. } => pair
                .as_der()
                .map(|der| Zeroizing::new(der.as_ref().to_vec())),
            KeyPair::Ecdsa { pair, .. } => pair
                .to_pkcs8v1()
                .map(|der| Zeroizing::new(der.as_ref().to_vec())),
            KeyPair::Ed25519 { pair } => pair
                .to_pkcs8v1()
                .map(|der| Zeroizing::new(der.as_ref().to_vec())),
        };
        der.map_err(|_| SignError::Failed("the key cannot be written as PKCS#8".to_owned()))
    }
}

/// PKCS#1 v1.5 with the hash of this algorithm; SHA-1 is not signed with.
fn rsa_encoding(algorithm: SignatureAlgorithm) -> Option<&'static RsaSignatureEncoding> {
    match algorithm {
        SignatureAlgorithm::RsaSha256 => Some(&RSA_PKCS1_SHA256),
        SignatureAlgorithm::RsaSha384 => Some(&RSA_PKCS1_SHA384),
        SignatureAlgorithm::RsaSha512 => Some(&RSA_PKCS1_SHA512),
        SignatureAlgorithm::RsaSha1
        | SignatureAlgorithm::EcdsaSha256
        | SignatureAlgorithm::EcdsaSha384
        | SignatureAlgorithm::EcdsaSha512
        | SignatureAlgorithm::Ed25519 => None,
    }
}

fn from_pkcs8(der: &[u8], path: &Path) -> Result<KeyPair, KeyError> {
    let info = PrivateKeyInfo::from_der(der).map_err(|e| malformed(e, path))?;
    match info.algorithm {
        oid::RSA_ENCRYPTION => {
            let bits = check_rsa_size(info.private_key, path)?;
            let pair = RsaKeyPair::from_pkcs8(der).map_err(|e| rejected("RSA", e, path))?;
            Ok(KeyPair::Rsa { pair, bits })
        }
        oid::EC_PUBLIC_KEY => {
            let parameters = info.parameters.ok_or_else(|| KeyError::MissingCurve {
                path: path.to_owned(),
            })?;
            let curve = Curve::from_parameters(parameters, path)?;
            let pair = EcdsaKeyPair::from_pkcs8(curve.signing(), der)
                .map_err(|e| rejected("EC", e, path))?;
            Ok(KeyPair::Ecdsa { pair, curve })
        }
        oid::ED25519 => {
            let pair = Ed25519KeyPair::from_pkcs8(der).map_err(|e| rejected("Ed25519", e, path))?;
            Ok(KeyPair::Ed25519 { pair })
        }
        other => Err(KeyError::Unsupported {
            path: path.to_owned(),
            algorithm: algorithm_name(other),
        }),
    }
}

/// The parts of PrivateKeyInfo that decide which key it is (RFC 5958 §2).
struct PrivateKeyInfo<'a> {
    algorithm: &'a [u8],
    parameters: Option<Tlv<'a>>,
    private_key: &'a [u8],
}

impl<'a> PrivateKeyInfo<'a> {
    fn from_der(der: &'a [u8]) -> Result<Self, ocspry_wire::DerError> {
        let mut info = Reader::inside(read::whole(der, tag::SEQUENCE)?);
        info.read(tag::INTEGER)?;
        let mut identifier = Reader::inside(info.read(tag::SEQUENCE)?);
        let algorithm = identifier.read(tag::OID)?.value;
        let parameters = if identifier.is_empty() {
            None
        } else {
            Some(identifier.read_any()?)
        };
        let private_key = info.read(tag::OCTET_STRING)?.value;
        Ok(PrivateKeyInfo {
            algorithm,
            parameters,
            private_key,
        })
    }
}

/// Bits of the modulus of an RSAPrivateKey, if there are neither too few nor too many.
fn check_rsa_size(rsa_private_key: &[u8], path: &Path) -> Result<usize, KeyError> {
    let modulus = rsa_modulus(rsa_private_key).map_err(|e| malformed(e, path))?;
    let significant = match modulus.iter().position(|octet| *octet != 0) {
        Some(leading_zeros) => &modulus[leading_zeros..],
        None => &[],
    };
    let bits = match significant.first() {
        Some(first) => significant.len() * 8 - first.leading_zeros() as usize,
        None => 0,
    };
    if (2048..=4096).contains(&bits) {
        Ok(bits)
    } else {
        Err(KeyError::RsaSize {
            path: path.to_owned(),
            bits,
        })
    }
}

fn rsa_modulus(rsa_private_key: &[u8]) -> Result<&[u8], ocspry_wire::DerError> {
    let mut key = Reader::inside(read::whole(rsa_private_key, tag::SEQUENCE)?);
    key.read(tag::INTEGER)?;
    Ok(key.read(tag::INTEGER)?.value)
}

/// The curve of an ECPrivateKey: its own `[0]`, else that of the block beside it (RFC 5915 §3).
fn sec1_curve(der: &[u8], beside: Option<&[u8]>, path: &Path) -> Result<Curve, KeyError> {
    let parameters = (|| {
        let mut key = Reader::inside(read::whole(der, tag::SEQUENCE)?);
        key.read(tag::INTEGER)?;
        key.read(tag::OCTET_STRING)?;
        match (key.read_optional(tag::context(0))?, beside) {
            (Some(own), _) => Reader::inside(own).read_any().map(Some),
            (None, Some(beside)) => Reader::new(beside).read_any().map(Some),
            (None, None) => Ok(None),
        }
    })()
    .map_err(|e| malformed(e, path))?;
    match parameters {
        Some(parameters) => Curve::from_parameters(parameters, path),
        None => Err(KeyError::MissingCurve {
            path: path.to_owned(),
        }),
    }
}

/// The curves that sign here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// From ECParameters (RFC 5480 §2.1.1): a named curve.
    fn from_parameters(parameters: Tlv<'_>, path: &Path) -> Result<Curve, KeyError> {
        if parameters.tag != tag::OID {
            return Err(KeyError::UnnamedCurve {
                path: path.to_owned(),
            });
        }
        match parameters.value {
            oid::P256 => Ok(Curve::P256),
            oid::P384 => Ok(Curve::P384),
            oid::P521 => Ok(Curve::P521),
            other => Err(KeyError::Unsupported {
                path: path.to_owned(),
                algorithm: format!("an EC key on the curve {}", dotted(other)),
            }),
        }
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Curve::P256 => oid::P256,
            Curve::P384 => oid::P384,
            Curve::P521 => oid::P521,
        }
    }

    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Curve::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Curve::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
            Curve::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }
}

fn algorithm_name(oid: &[u8]) -> String {
    if oid == oid::RSASSA_PSS {
        return "an RSA key restricted to PSS".to_owned();
    }
    let dotted = dotted(oid);
    let name = match dotted.as_str() {
        "1.2.840.10040.4.1" => "a DSA key",
        "1.2.840.113549.1.3.1" => "a DH key",
        "1.3.101.110" => "an X25519 key",
        "1.3.101.111" => "an X448 key",
        "1.3.101.113" => "an Ed448 key",
        "2.16.840.1.101.3.4.3.17" => "an ML-DSA-44 key",
        "2.16.840.1.101.3.4.3.18" => "an ML-DSA-65 key",
        "2.16.840.1.101.3.4.3.19" => "an ML-DSA-87 key",
        _ => return format!("a key of the algorithm {dotted}"),
    };
    name.to_owned()
}

fn dotted(oid: &[u8]) -> String {
    ObjectIdentifier::from_bytes(oid).map_or_else(
        |_| "with a broken object identifier".to_owned(),
        |oid| oid.to_string(),
    )
}

fn rejected(kind: &'static str, error: KeyRejected, path: &Path) -> KeyError {
    KeyError::Rejected {
        path: path.to_owned(),
        kind,
        reason: error.to_string(),
    }
}

fn failed(kind: &str) -> SignError {
    SignError::Failed(format!("{kind} signing was refused by the crypto library"))
}
