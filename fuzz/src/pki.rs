//! Certificates and keys that are the same in every run, so that an input found today crashes tomorrow too.
//!
//! Keys come from fixed seeds and files, and times are fixed; Ed25519 signs without randomness.  To: the targets `answer`
//! and `verify`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use ocspry_core::{OwnedCertificate, SignError, Signer, SigningSpeed};
use ocspry_wire::Time;
use ocspry_wire::der::write::{push, push_nested};
use ocspry_wire::der::{oid, tag};
use ocspry_wire::x509::SignatureAlgorithm;

/// What time it is when a script begins: 2030-01-01T00:00:00Z.
pub const NOW: Time = Time::from_unix(1_893_456_000);

/// A private key.
pub struct Key {
    pair: Pair,
    public_key_info: Vec<u8>,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl Key {
    /// The key of the certificate in `issuer/`: Ed25519.
    pub fn of_the_issuer() -> Key {
        Key::ed25519(Ed25519KeyPair::from_pkcs8(ISSUER_KEY).expect("a key"))
    }

    /// The Ed25519 key whose seed is this octet, over and over.
    pub fn from_seed(seed: u8) -> Key {
        Key::ed25519(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("any seed is one"))
    }

    /// A key on P-256.
    pub fn p256() -> Key {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, P256_KEY).expect("a key");
        Key {
            public_key_info: [P256_PUBLIC_KEY_INFO, pair.public_key().as_ref()].concat(),
            pair: Pair::P256(pair),
        }
    }

    fn ed25519(pair: Ed25519KeyPair) -> Key {
        Key {
            public_key_info: [ED25519_PUBLIC_KEY_INFO, pair.public_key().as_ref()].concat(),
            pair: Pair::Ed25519(pair),
        }
    }

    /// What it signs with.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        match self.pair {
            Pair::Ed25519(_) => SignatureAlgorithm::Ed25519,
            Pair::P256(_) => SignatureAlgorithm::EcdsaSha256,
        }
    }

    /// The signature over a message.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.pair {
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::P256(pair) => pair
                .sign(&SystemRandom::new(), message)
                .expect("a key in memory signs")
                .as_ref()
                .to_vec(),
        }
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }
}

/// The certificate in `issuer/`: valid from 2026 to 2126.
pub fn issuer_certificate() -> OwnedCertificate {
    OwnedCertificate::from_der(ISSUER_CERTIFICATE.to_vec()).expect("a certificate")
}

/// What a certificate says.
pub struct CertificateSpec<'a> {
    /// commonName of the subject.
    pub subject: &'a str,
    /// The issuer's Name, DER.
    pub issuer: &'a [u8],
    /// First second.
    pub not_before: Time,
    /// Last second.
    pub not_after: Time,
    /// extKeyUsage OCSPSigning?
    pub ocsp_signing: bool,
}

impl CertificateSpec<'_> {
    /// The certificate of `key`, signed by `signer`, which is Ed25519.
    pub fn certify(&self, key: &Key, signer: &Key) -> OwnedCertificate {
        let mut tbs = Vec::new();
        push_nested(&mut tbs, tag::SEQUENCE, |out| {
            push(out, tag::context(0), &[tag::INTEGER, 1, 2]);
            push(out, tag::INTEGER, &[0x01]);
            out.extend_from_slice(SignatureAlgorithm::Ed25519.der());
            out.extend_from_slice(self.issuer);
            push_nested(out, tag::SEQUENCE, |out| {
                for time in [self.not_before, self.not_after] {
                    push(out, tag::GENERALIZED_TIME, &time.to_generalized());
                }
            });
            out.extend_from_slice(&name(self.subject));
            out.extend_from_slice(key.public_key_info());
            if self.ocsp_signing {
                push_nested(out, tag::context(3), |out| {
                    push_nested(out, tag::SEQUENCE, |out| {
                        push_nested(out, tag::SEQUENCE, |out| {
                            push(out, tag::OID, oid::EXT_KEY_USAGE);
                            push_nested(out, tag::OCTET_STRING, |out| {
                                push_nested(out, tag::SEQUENCE, |out| {
                                    push(out, tag::OID, oid::KP_OCSP_SIGNING);
                                });
                            });
                        });
                    });
                });
            }
        });
        let signature = [&[0][..], &signer.sign(&tbs)].concat();
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            out.extend_from_slice(&tbs);
            out.extend_from_slice(SignatureAlgorithm::Ed25519.der());
            push(out, tag::BIT_STRING, &signature);
        });
        OwnedCertificate::from_der(der).expect("a certificate")
    }
}

/// A Name that is one commonName, DER.
pub fn name(common_name: &str) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push_nested(out, 0x31, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                push(out, tag::OID, &[0x55, 0x04, 0x03]);
                push(out, 0x0c, common_name.as_bytes());
            });
        });
    });
    der
}

/// A key behind the responder's seam, which counts its signatures and fails when it is told to.
pub struct FixedSigner {
    key: Key,
    books: Arc<SignerBooks>,
}

/// What the signers of one PKI share.
#[derive(Default)]
pub struct SignerBooks {
    /// How many signatures were made.
    pub signatures_count: AtomicU64,
    /// Does every signature fail?
    pub fails: AtomicBool,
}

impl FixedSigner {
    /// A signer that keeps these books.
    pub fn new(key: Key, books: &Arc<SignerBooks>) -> Arc<FixedSigner> {
        Arc::new(FixedSigner {
            key,
            books: Arc::clone(books),
        })
    }
}

impl Signer for FixedSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }

    fn public_key_info(&self) -> &[u8] {
        self.key.public_key_info()
    }

    fn speed(&self) -> SigningSpeed {
        SigningSpeed::Inline
    }

    fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        assert_eq!(algorithm, self.key.algorithm(), "nothing else was offered");
        if self.books.fails.load(Ordering::Relaxed) {
            return Err(SignError::Failed("as it was told".to_owned()));
        }
        self.books.signatures_count.fetch_add(1, Ordering::Relaxed);
        signature.extend_from_slice(&self.key.sign(message));
        Ok(())
    }
}

const ISSUER_CERTIFICATE: &[u8] = include_bytes!("../issuer/certificate.der");
const ISSUER_KEY: &[u8] = include_bytes!("../issuer/key.der");
const P256_KEY: &[u8] = include_bytes!("../issuer/p256.der");

/// What stands before the 32 octets of the key (RFC 8410 §4).
const ED25519_PUBLIC_KEY_INFO: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// What stands before the 65 octets of the point (RFC 5480 §2).
const P256_PUBLIC_KEY_INFO: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
