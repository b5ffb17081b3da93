//! A key, its certificate, and the proof that both may answer for an issuer (RFC 6960 §4.2.2.2).
//!
//! From: the loader, with a certificate and a [`Signer`].  To: `response`, which takes the precomputed parts.  All that
//! later code relies on is checked here, once: the key fits, the certificate is the issuer's own or a delegate issued by
//! that same issuer key with EKU OCSPSigning, it is valid now, and a first signature has been verified (DESIGN rule 8).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ocspry_wire::Time;
use ocspry_wire::der::{oid, tag, write};
use ocspry_wire::ocsp::HashAlgorithm;
use ocspry_wire::x509::display_name;
use ocspry_wire::x509::{Certificate, SignatureAlgorithm, SubjectPublicKeyInfo};

use crate::crypto::VerifyError;
use crate::{
    CertificatesPolicy, Issuer, OwnedCertificate, ResponderIdPolicy, SignError, SignatureHash,
    Signer, crypto,
};

/// A key and a certificate that may answer for one issuer.
pub struct ResponderCredential {
    id: u64,
    kind: CredentialKind,
    certificate: OwnedCertificate,
    signer: Arc<dyn Signer>,
    /// Those that the operator admits, the usual one first.
    algorithms: Vec<SignatureAlgorithm>,
    not_before: Time,
    not_after: Time,
    responder_id: Vec<u8>,
    certificates: Vec<u8>,
}

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialKind {
    /// The issuer's own key.
    Issuer,
    /// A delegate: id-kp-OCSPSigning, issued by the issuer's key.
    Delegated,
}

/// Why a key and a certificate may not answer for an issuer.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// Key and certificate do not belong together.
    #[error("the key does not fit the certificate {subject}: its public key is another one")]
    KeyMismatch {
        /// The certificate's subject.
        subject: String,
    },
    /// The certificate comes from somebody else.
    #[error(
        "the certificate {subject} was issued by {issuer}, not by {expected}: a responder certificate must come from the CA it answers for"
    )]
    OtherIssuer {
        /// The certificate's subject.
        subject: String,
        /// The name that issued it.
        issuer: String,
        /// The CA's name.
        expected: String,
    },
    /// The issuer's name is right, its key is not.
    #[error(
        "the certificate {subject} names {expected} as its issuer, but {source}: it was not signed by this CA's key"
    )]
    OtherIssuerKey {
        /// The certificate's subject.
        subject: String,
        /// The CA's name.
        expected: String,
        /// What the check of the signature said.
        source: VerifyError,
    },
    /// A CA certificate that is not the issuer's own.
    #[error(
        "the certificate {subject} is a CA certificate: use a responder certificate, or the issuer's own certificate and key"
    )]
    CaCertificate {
        /// The certificate's subject.
        subject: String,
    },
    /// A delegate without the right to answer.
    #[error(
        "the certificate {subject} lacks the extended key usage OCSPSigning: clients would refuse its answers (RFC 6960 §4.2.2.2)"
    )]
    NoOcspSigning {
        /// The certificate's subject.
        subject: String,
    },
    /// A delegate whose keyUsage forbids signatures.
    #[error(
        "the certificate {subject} has a key usage without digitalSignature: its key may not sign answers"
    )]
    NoDigitalSignature {
        /// The certificate's subject.
        subject: String,
    },
    /// Over.
    #[error("the certificate {subject} expired on {not_after}: renew it")]
    Expired {
        /// The certificate's subject.
        subject: String,
        /// Its last second.
        not_after: Time,
    },
    /// Not begun.
    #[error(
        "the certificate {subject} is not valid before {not_before}: wait, or check this machine's clock"
    )]
    NotYetValid {
        /// The certificate's subject.
        subject: String,
        /// Its first second.
        not_before: Time,
    },
    /// The issuer wants stronger hashes than the key signs with.
    #[error(
        "the key of {subject} signs with {algorithm}, and the issuer asks for {hash} at the least: use another key, or lower signature-hash-min",
        algorithm = algorithm.name(),
        hash = hash.name()
    )]
    WeakHash {
        /// The certificate's subject.
        subject: String,
        /// What the key signs with.
        algorithm: SignatureAlgorithm,
        /// The issuer's floor.
        hash: SignatureHash,
    },
    /// The first signature could not be made.
    #[error("the key of {subject} could not sign")]
    Sign {
        /// The certificate's subject.
        subject: String,
        /// What the key said.
        source: SignError,
    },
    /// The first signature is wrong.
    #[error(
        "the first signature of the key of {subject} does not verify under its certificate: {source}"
    )]
    FirstSignature {
        /// The certificate's subject.
        subject: String,
        /// What the check said.
        source: VerifyError,
    },
}

/// Worth saying, not worth refusing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialWarning {
    /// Clients may ask about the responder certificate itself.
    #[error(
        "the certificate {subject} lacks ocsp-nocheck: clients may ask whether it is revoked, and whom? (RFC 6960 §4.2.2.2.1)"
    )]
    NoOcspNocheck {
        /// The certificate's subject.
        subject: String,
    },
    /// The certificate is signed with SHA-1.
    #[error("the certificate {subject} is signed with SHA-1: many clients refuse it")]
    Sha1Signed {
        /// The certificate's subject.
        subject: String,
    },
    /// The CA signs answers although its keyUsage does not say so.
    #[error(
        "the CA certificate {subject} has a key usage without digitalSignature: strict clients refuse its answers; use a responder certificate"
    )]
    IssuerWithoutDigitalSignature {
        /// The certificate's subject.
        subject: String,
    },
}

impl ResponderCredential {
    /// The issuer's own key signs.
    ///
    /// # Errors
    /// The key is another one, the CA certificate is not valid at `now`, or the first signature fails.
    pub fn issuer(
        signer: Arc<dyn Signer>,
        issuer: &Issuer,
        now: Time,
    ) -> Result<(Self, Vec<CredentialWarning>), CredentialError> {
        let certificate = issuer.certificate().clone();
        let view = certificate.view();
        let mut warnings = Vec::new();
        if view.key_usage.is_some_and(|usage| !usage.digital_signature) {
            let subject = display_name(view.subject);
            warnings.push(CredentialWarning::IssuerWithoutDigitalSignature { subject });
        }
        let algorithms = check_validity_and_key(&view, signer.as_ref(), issuer, now)?;
        let kind = CredentialKind::Issuer;
        let credential = Self::assemble(kind, certificate.clone(), signer, algorithms, issuer);
        Ok((credential, warnings))
    }

    /// A delegate signs; the issuer's own certificate counts as [`ResponderCredential::issuer`].
    ///
    /// # Errors
    /// See [`CredentialError`]: every way in which a client would refuse what this pair signs.
    pub fn delegated(
        certificate: OwnedCertificate,
        signer: Arc<dyn Signer>,
        issuer: &Issuer,
        now: Time,
    ) -> Result<(Self, Vec<CredentialWarning>), CredentialError> {
        let view = certificate.view();
        let issuer_view = issuer.certificate().view();
        let is_issuer_itself = view.subject == issuer_view.subject
            && view.public_key.key_bits == issuer_view.public_key.key_bits;
        if is_issuer_itself {
            return Self::issuer(signer, issuer, now);
        }
        let subject = || display_name(view.subject);
        if view.is_ca {
            return Err(CredentialError::CaCertificate { subject: subject() });
        }
        if view.issuer != issuer_view.subject {
            return Err(CredentialError::OtherIssuer {
                subject: subject(),
                issuer: display_name(view.issuer),
                expected: display_name(issuer_view.subject),
            });
        }
        crypto::verify(
            view.signature_algorithm,
            &issuer_view.public_key,
            view.tbs,
            view.signature,
        )
        .map_err(|source| CredentialError::OtherIssuerKey {
            subject: subject(),
            expected: display_name(issuer_view.subject),
            source,
        })?;
        if !view.has_ext_key_usage(oid::KP_OCSP_SIGNING) {
            return Err(CredentialError::NoOcspSigning { subject: subject() });
        }
        if view.key_usage.is_some_and(|usage| !usage.digital_signature) {
            return Err(CredentialError::NoDigitalSignature { subject: subject() });
        }
        let algorithms = check_validity_and_key(&view, signer.as_ref(), issuer, now)?;
        let mut warnings = Vec::new();
        if !view.has_ocsp_nocheck {
            warnings.push(CredentialWarning::NoOcspNocheck { subject: subject() });
        }
        if view.signature_algorithm == Some(SignatureAlgorithm::RsaSha1) {
            warnings.push(CredentialWarning::Sha1Signed { subject: subject() });
        }
        let kind = CredentialKind::Delegated;
        let credential = Self::assemble(kind, certificate.clone(), signer, algorithms, issuer);
        Ok((credential, warnings))
    }

    /// The same key and certificate for the same issuer under another policy.
    ///
    /// # Errors
    /// As when it was made: the certificate may have run out, and the policy may ask for more.
    pub fn again_for(&self, issuer: &Issuer, now: Time) -> Result<Self, CredentialError> {
        let signer = Arc::clone(&self.signer);
        let made = match self.kind {
            CredentialKind::Issuer => Self::issuer(signer, issuer, now),
            CredentialKind::Delegated => {
                Self::delegated(self.certificate.clone(), signer, issuer, now)
            }
        };
        made.map(|(credential, _)| credential)
    }

    /// Precomputes what every answer repeats.
    fn assemble(
        kind: CredentialKind,
        certificate: OwnedCertificate,
        signer: Arc<dyn Signer>,
        algorithms: Vec<SignatureAlgorithm>,
        issuer: &Issuer,
    ) -> Self {
        let view = certificate.view();
        let mut responder_id = Vec::new();
        match issuer.policy().responder_id {
            // [2] EXPLICIT OCTET STRING, SHA-1 of the key bits (RFC 6960 §4.2.1, RFC 9919 §3.2.2).
            ResponderIdPolicy::ByKey => {
                let key_hash = crypto::digest(HashAlgorithm::Sha1, view.public_key.key_bits);
                write::push_nested(&mut responder_id, tag::context(2), |out| {
                    write::push(out, tag::OCTET_STRING, key_hash.as_ref());
                });
            }
            // [1] EXPLICIT Name.
            ResponderIdPolicy::ByName => {
                write::push_nested(&mut responder_id, tag::context(1), |out| {
                    out.extend_from_slice(view.subject);
                });
            }
        }
        // certs: [0] EXPLICIT SEQUENCE OF Certificate; absent, not empty, when there are none (RSP-10).
        let mut certificates = Vec::new();
        let enclosed = enclosed(kind, &certificate, issuer);
        if !enclosed.is_empty() {
            write::push_nested(&mut certificates, tag::context(0), |out| {
                write::push(out, tag::SEQUENCE, &enclosed);
            });
        }
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            kind,
            not_before: view.not_before,
            not_after: view.not_after,
            responder_id,
            certificates,
            signer,
            algorithms,
            certificate,
        }
    }

    /// Tells it from every other credential of this process, so that a cached answer need not keep its key.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Who signs.
    pub fn kind(&self) -> CredentialKind {
        self.kind
    }

    /// Its certificate (the issuer's own when the issuer signs).
    pub fn certificate(&self) -> &OwnedCertificate {
        &self.certificate
    }

    /// The key.
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.signer
    }

    /// What it signs with unless something else is asked for.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithms[0]
    }

    /// Can it sign so, and does the operator admit it?
    pub(crate) fn signs_with(&self, algorithm: SignatureAlgorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// The certificate's first second.
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// The certificate's last second.
    pub fn not_after(&self) -> Time {
        self.not_after
    }

    /// The whole ResponderID.
    pub(crate) fn responder_id(&self) -> &[u8] {
        &self.responder_id
    }

    /// The whole `[0] certs` element, or nothing.
    pub(crate) fn certificates(&self) -> &[u8] {
        &self.certificates
    }
}

/// The certificates that answers enclose, one behind the other.
fn enclosed(kind: CredentialKind, signer: &OwnedCertificate, issuer: &Issuer) -> Vec<u8> {
    let mut enclosed = match kind {
        CredentialKind::Issuer => Vec::new(),
        CredentialKind::Delegated => signer.der().to_vec(),
    };
    match issuer.policy().certificates {
        CertificatesPolicy::None => enclosed.clear(),
        CertificatesPolicy::Signer => {}
        CertificatesPolicy::Chain => {
            for certificate in std::iter::once(issuer.certificate()).chain(issuer.chain()) {
                let view = certificate.view();
                // Clients trust a root because they have it.
                if view.subject != view.issuer {
                    enclosed.extend_from_slice(certificate.der());
                }
            }
        }
    }
    enclosed
}

/// What delegate and issuer have in common: valid now, the right key, an algorithm that the operator admits, and a first
/// signature of each that verifies.
fn check_validity_and_key(
    view: &Certificate<'_>,
    signer: &dyn Signer,
    issuer: &Issuer,
    now: Time,
) -> Result<Vec<SignatureAlgorithm>, CredentialError> {
    let subject = || display_name(view.subject);
    if now > view.not_after {
        return Err(CredentialError::Expired {
            subject: subject(),
            not_after: view.not_after,
        });
    }
    if now < view.not_before {
        return Err(CredentialError::NotYetValid {
            subject: subject(),
            not_before: view.not_before,
        });
    }
    let fits = SubjectPublicKeyInfo::from_der(signer.public_key_info()).is_ok_and(|key| {
        key.algorithm == view.public_key.algorithm
            && key.curve == view.public_key.curve
            && key.key_bits == view.public_key.key_bits
    });
    if !fits {
        return Err(CredentialError::KeyMismatch { subject: subject() });
    }
    let hash = issuer.policy().signature_hash_min;
    let algorithms: Vec<SignatureAlgorithm> = std::iter::once(signer.algorithm())
        .chain(
            SignatureAlgorithm::ALL
                .into_iter()
                .filter(|other| *other != signer.algorithm() && signer.signs_with(*other)),
        )
        .filter(|algorithm| hash.admits(*algorithm))
        .collect();
    if algorithms.is_empty() {
        return Err(CredentialError::WeakHash {
            subject: subject(),
            algorithm: signer.algorithm(),
            hash,
        });
    }
    for algorithm in &algorithms {
        check_first_signature(view, signer, *algorithm)?;
    }
    Ok(algorithms)
}

fn check_first_signature(
    view: &Certificate<'_>,
    signer: &dyn Signer,
    algorithm: SignatureAlgorithm,
) -> Result<(), CredentialError> {
    let subject = || display_name(view.subject);
    let message = b"the first signature of this key";
    let mut signature = Vec::new();
    signer
        .sign(algorithm, message, &mut signature)
        .map_err(|source| CredentialError::Sign {
            subject: subject(),
            source,
        })?;
    crypto::verify(Some(algorithm), &view.public_key, message, &signature).map_err(|source| {
        CredentialError::FirstSignature {
            subject: subject(),
            source,
        }
    })
}
