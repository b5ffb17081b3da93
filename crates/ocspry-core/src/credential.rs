//! A key, its certificate, and the proof that both may answer for an issuer (RFC 6960 §4.2.2.2).
//!
//! From: the loader, with a certificate and a [`Signer`].  To: `response`, which takes the precomputed parts.  All that
//! later code relies on is checked here, once: the key fits, the certificate is the issuer's own or a delegate issued by
//! that same issuer key with EKU OCSPSigning, it is valid now, and a first signature has been verified (DESIGN rule 8).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ocspry_wire::Time;
use ocspry_wire::der::{oid, tag, write};
use ocspry_wire::ocsp::HashAlgorithm;
use ocspry_wire::x509::display_name;
use ocspry_wire::x509::{Certificate, SignatureAlgorithm, SubjectPublicKeyInfo};

use crate::crypto::VerifyError;
use crate::pace::Pace;
use crate::response::single_answer_octets;
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
    /// How long its signatures take.
    pace: Arc<Pace>,
    /// Those that the operator admits, the usual one first.
    algorithms: Vec<SignatureAlgorithm>,
    /// Content octets of the key's algorithm and curve.
    key_kind: (Vec<u8>, Option<Vec<u8>>),
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
    /// ocsp-nocheck with another value than NULL.
    #[error(
        "the certificate {subject} has an ocsp-nocheck that is not NULL (05 00): strict clients and linters refuse it; have it issued again (RFC 6960 §4.2.2.2.1)"
    )]
    NocheckNotNull {
        /// The certificate's subject.
        subject: String,
    },
    /// More purposes than answering.
    #[error(
        "the certificate {subject} has other extended key usages beside OCSPSigning: have it issued for OCSPSigning only, so that its key is good for nothing else (CA/B BR 7.1.2.8)"
    )]
    OtherPurposes {
        /// The certificate's subject.
        subject: String,
    },
    /// keyUsage absent or not critical.
    #[error(
        "the certificate {subject} has no critical key usage: have it issued with keyUsage = critical, digitalSignature (CA/B BR 7.1.2.8)"
    )]
    KeyUsageNotCritical {
        /// The certificate's subject.
        subject: String,
    },
    /// keyUsage with more than digitalSignature.
    #[error(
        "the certificate {subject} has more key usages than digitalSignature: have it issued with that one only (CA/B BR 7.1.2.8)"
    )]
    OtherKeyUsages {
        /// The certificate's subject.
        subject: String,
    },
    /// A responder has no name that anybody connects to.
    #[error(
        "the certificate {subject} has a subjectAltName: have it issued without, a responder needs none (CA/B BR 7.1.2.8)"
    )]
    SubjectAltName {
        /// The certificate's subject.
        subject: String,
    },
    /// A CRL for a certificate that nobody is to check.
    #[error(
        "the certificate {subject} has CRL distribution points: have it issued without, ocsp-nocheck says that nobody looks there (CA/B BR 7.1.2.8)"
    )]
    CrlDistributionPoints {
        /// The certificate's subject.
        subject: String,
    },
    /// A responder for a certificate that nobody is to check.
    #[error(
        "the certificate {subject} says where to ask by OCSP for its own status: have it issued without, or clients may ask in circles (CA/B BR 7.1.2.8)"
    )]
    OcspUrl {
        /// The certificate's subject.
        subject: String,
    },
    /// Nothing says which of a renewed CA's keys issued it.
    #[error(
        "the certificate {subject} has no authorityKeyIdentifier: have it issued with one, or clients may take the wrong one of a CA's keys (RFC 5280 §4.2.1.1)"
    )]
    NoAuthorityKeyId {
        /// The certificate's subject.
        subject: String,
    },
    /// Too large for those who carry answers in small fields.
    #[error(
        "an answer with the certificate {subject} takes {octets} octets, more than the {octets_max} that fit into 5500 base64 characters: charging stations (OCPP) cannot carry it; use a smaller key or certificate",
        octets_max = OCTETS_MAX
    )]
    LargeAnswer {
        /// The certificate's subject.
        subject: String,
        /// The size of an answer about one certificate.
        octets: usize,
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
        check_validity_and_key(&view, signer.as_ref(), now)?;
        let first = proven_algorithms(&view, signer.as_ref(), issuer)?;
        let kind = CredentialKind::Issuer;
        let certificate = certificate.clone();
        let credential = Self::assemble(kind, certificate, signer, &first, issuer);
        warnings.extend(credential.large_answer(first.octets_max));
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
        check_validity_and_key(&view, signer.as_ref(), now)?;
        let first = proven_algorithms(&view, signer.as_ref(), issuer)?;
        let mut warnings = odd_profile(&view);
        let kind = CredentialKind::Delegated;
        let certificate = certificate.clone();
        let credential = Self::assemble(kind, certificate, signer, &first, issuer);
        warnings.extend(credential.large_answer(first.octets_max));
        Ok((credential, warnings))
    }

    /// The same key and certificate for the same issuer under another policy.
    ///
    /// # Errors
    /// The policy asks for more than the key can do, or the key fails.
    pub fn again_for(&self, issuer: &Issuer) -> Result<Self, CredentialError> {
        let signer = Arc::clone(&self.signer);
        let first = proven_algorithms(&self.certificate.view(), signer.as_ref(), issuer)?;
        let certificate = self.certificate.clone();
        Ok(Self::assemble(
            self.kind,
            certificate,
            signer,
            &first,
            issuer,
        ))
    }

    /// Precomputes what every answer repeats.
    fn assemble(
        kind: CredentialKind,
        certificate: OwnedCertificate,
        signer: Arc<dyn Signer>,
        first: &FirstSignatures,
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
            pace: Arc::new(Pace::new(first.longest)),
            algorithms: first.algorithms.clone(),
            key_kind: (
                view.public_key.algorithm.to_vec(),
                view.public_key.curve.map(<[u8]>::to_vec),
            ),
            certificate,
        }
    }

    /// Says so when an answer about one certificate is larger than some clients can carry (RSP-13).
    fn large_answer(&self, signature_octets: usize) -> Option<CredentialWarning> {
        let octets = single_answer_octets(self, signature_octets);
        (octets > OCTETS_MAX).then(|| CredentialWarning::LargeAnswer {
            subject: display_name(self.certificate.view().subject),
            octets,
        })
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

    /// How long its signatures take.
    pub(crate) fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// What it signs with unless something else is asked for.
    pub fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithms[0]
    }

    /// Content octets of the OIDs of the key's algorithm and of its curve, if it is on one.
    pub(crate) fn key_kind(&self) -> (&[u8], Option<&[u8]>) {
        (&self.key_kind.0, self.key_kind.1.as_deref())
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

/// What is odd about a delegate's certificate, and no reason to refuse it (SIG-11).
fn odd_profile(view: &Certificate<'_>) -> Vec<CredentialWarning> {
    let subject = || display_name(view.subject);
    let profile = view.profile;
    let mut warnings = Vec::new();
    if !view.has_ocsp_nocheck {
        warnings.push(CredentialWarning::NoOcspNocheck { subject: subject() });
    } else if !profile.ocsp_nocheck_is_null {
        warnings.push(CredentialWarning::NocheckNotNull { subject: subject() });
    }
    if !profile.has_one_ext_key_usage {
        warnings.push(CredentialWarning::OtherPurposes { subject: subject() });
    }
    if !profile.key_usage_is_critical {
        warnings.push(CredentialWarning::KeyUsageNotCritical { subject: subject() });
    }
    if view.key_usage.is_some() && !profile.key_usage_is_digital_signature_only {
        warnings.push(CredentialWarning::OtherKeyUsages { subject: subject() });
    }
    if profile.has_subject_alt_name {
        warnings.push(CredentialWarning::SubjectAltName { subject: subject() });
    }
    if profile.has_crl_distribution_points {
        warnings.push(CredentialWarning::CrlDistributionPoints { subject: subject() });
    }
    if profile.has_ocsp_url {
        warnings.push(CredentialWarning::OcspUrl { subject: subject() });
    }
    if !profile.has_authority_key_id {
        warnings.push(CredentialWarning::NoAuthorityKeyId { subject: subject() });
    }
    if view.signature_algorithm == Some(SignatureAlgorithm::RsaSha1) {
        warnings.push(CredentialWarning::Sha1Signed { subject: subject() });
    }
    warnings
}

/// The octets of an answer that fit into the 5500 base64 characters of OCPP's ocspResult.
const OCTETS_MAX: usize = 5500 / 4 * 3;

/// The certificates that answers enclose, one behind the other.
fn enclosed(kind: CredentialKind, signer: &OwnedCertificate, issuer: &Issuer) -> Vec<u8> {
    let mut enclosed = match kind {
        CredentialKind::Issuer => Vec::new(),
        CredentialKind::Delegated => signer.der().to_vec(),
    };
    match issuer.policy().certificates {
        CertificatesPolicy::None => return Vec::new(),
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
    for certificate in issuer.enclosed() {
        enclosed.extend_from_slice(certificate.der());
    }
    enclosed
}

/// What delegate and issuer have in common: valid now, and the right key.
fn check_validity_and_key(
    view: &Certificate<'_>,
    signer: &dyn Signer,
    now: Time,
) -> Result<(), CredentialError> {
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
    Ok(())
}

/// What the first signatures of a key showed.
struct FirstSignatures {
    /// What it can do and the operator admits, its usual one first.
    algorithms: Vec<SignatureAlgorithm>,
    /// How many octets the longest of them has.
    octets_max: usize,
    /// How long the slowest took.
    longest: Duration,
}

/// The algorithms that the key can do and the operator admits; a first signature of each has been verified.
fn proven_algorithms(
    view: &Certificate<'_>,
    signer: &dyn Signer,
    issuer: &Issuer,
) -> Result<FirstSignatures, CredentialError> {
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
            subject: display_name(view.subject),
            algorithm: signer.algorithm(),
            hash,
        });
    }
    let mut octets_max = 0;
    let mut longest = Duration::ZERO;
    for algorithm in &algorithms {
        let began = Instant::now();
        octets_max = octets_max.max(check_first_signature(view, signer, *algorithm)?);
        longest = longest.max(began.elapsed());
    }
    Ok(FirstSignatures {
        algorithms,
        octets_max,
        longest,
    })
}

/// Verifies one signature, and returns how many octets it has.
fn check_first_signature(
    view: &Certificate<'_>,
    signer: &dyn Signer,
    algorithm: SignatureAlgorithm,
) -> Result<usize, CredentialError> {
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
    })?;
    Ok(signature.len())
}
