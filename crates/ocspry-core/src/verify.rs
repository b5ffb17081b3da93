//! Checks a response as a careful client does before it believes it (RFC 6960 §3.2, §4.2.2.2; RFC 9654 §2.1).
//!
//! From: the octets that a responder sent, ours or another's, beside what was asked.  To: a [`VerifiedResponse`], or the
//! first [`ResponseDefect`]: what a client tool prints, and what tests and fuzz targets measure answers by.  A value in, a
//! value out: the caller passes the time, and trusts the issuer's certificate for reasons of its own.  Nothing recurses,
//! and size, certificates and signature checks are capped before the first one costs anything.

use std::time::Duration;

use ocspry_wire::der::oid;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::{
    BasicOcspResponse, CertStatus, ErrorStatus, HashAlgorithm, OcspResponse, ResponderId,
    ResponseStatus, SingleResponse,
};
use ocspry_wire::x509::{Certificate, SerialNumber, SignatureAlgorithm, display_name};
use ocspry_wire::{DerError, DerErrorKind, Time};

use crate::crypto::{self, VerifyError};
use crate::{CredentialKind, OwnedCertificate};

/// Most octets of a response that is looked at.
pub const RESPONSE_OCTETS_MAX: usize = 64 * 1024;
/// Most certificates that a response may enclose.
pub const CERTIFICATES_MAX: usize = 8;

/// What was asked, of whom, and what the client insists on.
#[derive(Clone, Copy, Debug)]
pub struct ResponseCheck<'a> {
    /// The CertIDs asked, each the whole SEQUENCE as it was sent.
    pub cert_ids: &'a [&'a [u8]],
    /// The nonce's octets, if one was sent.
    pub nonce: Option<&'a [u8]>,
    /// What to think of a response that leaves out the nonce that was sent.
    pub missing_nonce: MissingNonce,
    /// What to think of a response that does not say when newer information will be there.
    pub missing_next_update: MissingNextUpdate,
    /// The CA that issued the certificates asked about; trusted, its own validity is not looked at.
    pub issuer: &'a OwnedCertificate,
    /// The client's time.
    pub now: Time,
    /// How far the two clocks may be apart.
    pub tolerance: Duration,
}

/// What to think of a response without the nonce that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingNonce {
    /// It may have been made before it was asked for (RFC 9654 §2.1).
    Accepted,
    /// It may be an old one, sent again.
    Refused,
}

/// What to think of a response without nextUpdate (RFC 6960 §4.2.2.1: newer information is always there).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingNextUpdate {
    /// It is believed until it is this old, counted from thisUpdate.
    AgeMax(Duration),
    /// Nobody can tell how long it holds (RFC 9919 §3.2.4 wants it there).
    Refused,
}

/// A response that holds, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedResponse {
    /// When it was signed.
    pub produced_at: Time,
    /// Who signed it.
    pub signer: CredentialKind,
    /// How.
    pub signature_algorithm: SignatureAlgorithm,
    /// Was it made for this very request?
    pub has_nonce: bool,
    /// What is said of each certificate, in the order in which they were asked about.
    pub singles: Vec<VerifiedSingle>,
}

/// What a response that holds says of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifiedSingle {
    /// good, revoked or unknown.
    pub cert_status: CertStatus,
    /// When that was known.
    pub this_update: Time,
    /// When newer information will be there.
    pub next_update: Option<Time>,
}

/// Why a client may not believe a response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseDefect {
    /// Nobody needs that much.
    #[error(
        "the response has {octets_count} octets; no more than {RESPONSE_OCTETS_MAX} are looked at"
    )]
    TooLarge {
        /// How many it has.
        octets_count: usize,
    },
    /// Not the DER of an OCSPResponse.
    #[error("the response is not the DER of an OCSP response: {0}")]
    NotDer(DerError),
    /// It demands an understanding that is not here (RFC 5280 §4.2).
    #[error("at octet {offset}: the response holds a critical extension that is not understood")]
    UnknownCriticalExtension {
        /// Where, in octets from its start.
        offset: usize,
    },
    /// The responder did not answer.
    #[error("the responder answered {0:?} instead of a signed response")]
    Unsigned(ErrorStatus),
    /// More certificates than a client wants to try.
    #[error(
        "the response encloses {count} certificates; no more than {CERTIFICATES_MAX} are tried"
    )]
    TooManyCertificates {
        /// How many there are.
        count: usize,
    },
    /// The ResponderID fits neither the issuer nor a certificate that came along (RFC 6960 §4.2.2.3).
    #[error(
        "the response names {responder} as its signer, which is neither {issuer} nor a certificate it encloses"
    )]
    SignerNotFound {
        /// Whom it names: a name, or the hash of a key.
        responder: String,
        /// The CA's name.
        issuer: String,
    },
    /// Signed with SHA-1, which anybody may forge some day.
    #[error("the response is signed with {}, which is too weak", algorithm.name())]
    WeakSignature {
        /// How it is signed.
        algorithm: SignatureAlgorithm,
    },
    /// The signature is not the signer's.
    #[error("the response of {signer}: {source}")]
    BadSignature {
        /// The name of the certificate that should have signed.
        signer: String,
        /// What the check said.
        source: VerifyError,
    },
    /// The delegate is another CA's (RFC 6960 §4.2.2.2).
    #[error("the signer {signer} was issued by {found}, not by {issuer}")]
    DelegateOfOther {
        /// The delegate's name.
        signer: String,
        /// Who issued it.
        found: String,
        /// Who should have.
        issuer: String,
    },
    /// The delegate names the CA, whose key did not sign it.
    #[error("the signer {signer} names {issuer} as its issuer, but {source}")]
    DelegateOfOtherKey {
        /// The delegate's name.
        signer: String,
        /// The CA's name.
        issuer: String,
        /// What the check said.
        source: VerifyError,
    },
    /// The delegate was never allowed to answer (RFC 6960 §4.2.2.2).
    #[error("the signer {signer} lacks the extended key usage OCSPSigning")]
    NoOcspSigning {
        /// The delegate's name.
        signer: String,
    },
    /// The delegate's keyUsage forbids signatures (RFC 5280 §4.2.1.3).
    #[error("the signer {signer} has a key usage without digitalSignature")]
    NoDigitalSignature {
        /// The delegate's name.
        signer: String,
    },
    /// The delegate's time has not come.
    #[error("the signer {signer} is not valid before {not_before}, and it is {now}")]
    SignerNotYetValid {
        /// The delegate's name.
        signer: String,
        /// Its first second.
        not_before: Time,
        /// The client's time.
        now: Time,
    },
    /// The delegate's time is over.
    #[error("the signer {signer} expired at {not_after}, and it is {now}")]
    SignerExpired {
        /// The delegate's name.
        signer: String,
        /// Its last second.
        not_after: Time,
        /// The client's time.
        now: Time,
    },
    /// It speaks of a certificate that nobody asked about (RFC 6960 §4.2.2.3).
    #[error("the response speaks of the serial {serial} under a CertID that was not asked")]
    NotAsked {
        /// Which.
        serial: SerialNumber,
    },
    /// It does not speak of one that was asked about (RFC 6960 §3.2, §4.2.2.3).
    #[error("the response says nothing of the CertID asked at place {place}")]
    NotAnswered {
        /// Its place among those asked, from 0.
        place: usize,
    },
    /// It says two things of one certificate.
    #[error("the response contradicts itself about the serial {serial}")]
    Contradiction {
        /// Of which.
        serial: SerialNumber,
    },
    /// Made for somebody else's request, or an old one sent again (RFC 9654 §2.1).
    #[error("the response carries another nonce than the one sent")]
    OtherNonce,
    /// A nonce was sent, and wanted back.
    #[error("the response carries no nonce, though one was sent")]
    NonceMissing,
    /// A nonce that was not sent.
    #[error("the response carries a nonce, though none was sent")]
    NonceNotSent,
    /// It was signed in what is the future here.
    #[error(
        "the response was produced at {produced_at}, and it is {now}: one of the clocks is wrong"
    )]
    ProducedLater {
        /// producedAt.
        produced_at: Time,
        /// The client's time.
        now: Time,
    },
    /// Its window has not begun (RFC 6960 §3.2).
    #[error("what is said of the serial {serial} holds from {this_update} on, and it is {now}")]
    TooEarly {
        /// Of which certificate.
        serial: SerialNumber,
        /// thisUpdate.
        this_update: Time,
        /// The client's time.
        now: Time,
    },
    /// Its window is over (RFC 6960 §3.2).
    #[error("what is said of the serial {serial} held until {end}, and it is {now}")]
    TooOld {
        /// Of which certificate.
        serial: SerialNumber,
        /// nextUpdate, or when its age became too great.
        end: Time,
        /// The client's time.
        now: Time,
    },
    /// Its window ends before it begins.
    #[error(
        "what is said of the serial {serial} ends at {next_update}, before it begins at {this_update}"
    )]
    WindowReversed {
        /// Of which certificate.
        serial: SerialNumber,
        /// thisUpdate.
        this_update: Time,
        /// nextUpdate.
        next_update: Time,
    },
    /// Nobody can tell how long it holds.
    #[error("what is said of the serial {serial} has no nextUpdate")]
    NoNextUpdate {
        /// Of which certificate.
        serial: SerialNumber,
    },
}

impl ResponseCheck<'_> {
    /// Checks `response` from its outermost octet to its last date.
    ///
    /// Where several CertIDs were asked, one that does not hold spoils the whole.
    ///
    /// # Errors
    /// The first defect found; the signature comes before all that it covers, so the facts in later ones are really what
    /// was signed.
    pub fn run(&self, response: &[u8]) -> Result<VerifiedResponse, ResponseDefect> {
        let basic = decode(response)?;
        let signature_algorithm = SignatureAlgorithm::from_der(basic.signature_algorithm);
        let signer = self.signer(&basic, signature_algorithm)?;
        let singles = self.singles(&basic.responses)?;
        self.check_nonce(basic.nonce)?;
        if basic.produced_at > self.latest() {
            return Err(ResponseDefect::ProducedLater {
                produced_at: basic.produced_at,
                now: self.now,
            });
        }
        for single in &basic.responses {
            self.check_window(single)?;
        }
        Ok(VerifiedResponse {
            produced_at: basic.produced_at,
            signer,
            signature_algorithm: signature_algorithm
                .expect("a signature of an unknown algorithm does not verify"),
            has_nonce: basic.nonce.is_some(),
            singles,
        })
    }

    /// Who signed: a certificate that the ResponderID names, whose key verifies the signature, and that may answer.
    fn signer(
        &self,
        basic: &BasicOcspResponse<'_>,
        algorithm: Option<SignatureAlgorithm>,
    ) -> Result<CredentialKind, ResponseDefect> {
        if let Some(algorithm @ SignatureAlgorithm::RsaSha1) = algorithm {
            return Err(ResponseDefect::WeakSignature { algorithm });
        }
        let issuer = self.issuer.view();
        let verifies = |signer: &Certificate<'_>| {
            let (message, signature) = (basic.tbs_response_data, basic.signature);
            crypto::verify(algorithm, &signer.public_key, message, signature).map_err(|source| {
                ResponseDefect::BadSignature {
                    signer: display_name(signer.subject),
                    source,
                }
            })
        };
        // Certificates may share a name, or a key that was certified again: the first that may answer counts.
        let mut defect = None;
        if names(basic.responder_id, &issuer) {
            match verifies(&issuer) {
                Ok(()) => return Ok(CredentialKind::Issuer),
                Err(bad_signature) => defect = Some(bad_signature),
            }
        }
        for der in &basic.certificates {
            // One that cannot be read cannot be the signer.
            let Ok(delegate) = Certificate::from_der(der) else {
                continue;
            };
            if !names(basic.responder_id, &delegate) {
                continue;
            }
            match verifies(&delegate).and_then(|()| self.check_delegate(&delegate, &issuer)) {
                Ok(()) => return Ok(CredentialKind::Delegated),
                Err(why_not) => defect = Some(why_not),
            }
        }
        Err(defect.unwrap_or_else(|| ResponseDefect::SignerNotFound {
            responder: match basic.responder_id {
                ResponderId::ByName(name) => display_name(name),
                ResponderId::ByKeyHash(hash) => format!("the key {}", to_hex(hash)),
            },
            issuer: display_name(issuer.subject),
        }))
    }

    /// May this certificate answer for the issuer, and now (RFC 6960 §4.2.2.2)?
    fn check_delegate(
        &self,
        delegate: &Certificate<'_>,
        issuer: &Certificate<'_>,
    ) -> Result<(), ResponseDefect> {
        let signer = || display_name(delegate.subject);
        if delegate.issuer != issuer.subject {
            return Err(ResponseDefect::DelegateOfOther {
                signer: signer(),
                found: display_name(delegate.issuer),
                issuer: display_name(issuer.subject),
            });
        }
        crypto::verify(
            delegate.signature_algorithm,
            &issuer.public_key,
            delegate.tbs,
            delegate.signature,
        )
        .map_err(|source| ResponseDefect::DelegateOfOtherKey {
            signer: signer(),
            issuer: display_name(issuer.subject),
            source,
        })?;
        if !delegate.has_ext_key_usage(oid::KP_OCSP_SIGNING) {
            return Err(ResponseDefect::NoOcspSigning { signer: signer() });
        }
        if delegate
            .key_usage
            .is_some_and(|usage| !usage.digital_signature)
        {
            return Err(ResponseDefect::NoDigitalSignature { signer: signer() });
        }
        if delegate.not_before > self.latest() {
            return Err(ResponseDefect::SignerNotYetValid {
                signer: signer(),
                not_before: delegate.not_before,
                now: self.now,
            });
        }
        if delegate.not_after < self.earliest() {
            return Err(ResponseDefect::SignerExpired {
                signer: signer(),
                not_after: delegate.not_after,
                now: self.now,
            });
        }
        Ok(())
    }

    /// Exactly what was asked, in the order asked.
    fn singles(
        &self,
        responses: &[SingleResponse<'_>],
    ) -> Result<Vec<VerifiedSingle>, ResponseDefect> {
        let is_asked = |single: &&SingleResponse<'_>| self.cert_ids.contains(&single.cert_id.der);
        if let Some(other) = responses.iter().find(|single| !is_asked(single)) {
            return Err(ResponseDefect::NotAsked {
                serial: other.cert_id.serial_number,
            });
        }
        let verified = |(place, cert_id): (usize, &&[u8])| {
            let mut about_it = responses
                .iter()
                .filter(|single| single.cert_id.der == *cert_id);
            let single = about_it
                .next()
                .ok_or(ResponseDefect::NotAnswered { place })?;
            let says_the_same = |other: &SingleResponse<'_>| {
                (other.cert_status, other.this_update, other.next_update)
                    == (single.cert_status, single.this_update, single.next_update)
            };
            if !about_it.all(says_the_same) {
                return Err(ResponseDefect::Contradiction {
                    serial: single.cert_id.serial_number,
                });
            }
            Ok(VerifiedSingle {
                cert_status: single.cert_status,
                this_update: single.this_update,
                next_update: single.next_update,
            })
        };
        self.cert_ids.iter().enumerate().map(verified).collect()
    }

    fn check_nonce(&self, received: Option<&[u8]>) -> Result<(), ResponseDefect> {
        match (self.nonce, received, self.missing_nonce) {
            (None, None, _) | (Some(_), None, MissingNonce::Accepted) => Ok(()),
            (Some(_), None, MissingNonce::Refused) => Err(ResponseDefect::NonceMissing),
            (None, Some(_), _) => Err(ResponseDefect::NonceNotSent),
            (Some(sent), Some(received), _) if sent == received => Ok(()),
            (Some(_), Some(_), _) => Err(ResponseDefect::OtherNonce),
        }
    }

    /// Does it hold now (RFC 6960 §3.2, §4.2.2.1)?
    fn check_window(&self, single: &SingleResponse<'_>) -> Result<(), ResponseDefect> {
        let serial = single.cert_id.serial_number;
        let this_update = single.this_update;
        if this_update > self.latest() {
            return Err(ResponseDefect::TooEarly {
                serial,
                this_update,
                now: self.now,
            });
        }
        let end = match (single.next_update, self.missing_next_update) {
            (Some(next_update), _) if next_update < this_update => {
                return Err(ResponseDefect::WindowReversed {
                    serial,
                    this_update,
                    next_update,
                });
            }
            (Some(next_update), _) => next_update,
            (None, MissingNextUpdate::AgeMax(age)) => this_update.plus_seconds(seconds(age)),
            (None, MissingNextUpdate::Refused) => {
                return Err(ResponseDefect::NoNextUpdate { serial });
            }
        };
        if end < self.earliest() {
            return Err(ResponseDefect::TooOld {
                serial,
                end,
                now: self.now,
            });
        }
        Ok(())
    }

    /// The latest time that it may be where the response was made.
    fn latest(&self) -> Time {
        self.now.plus_seconds(seconds(self.tolerance))
    }

    /// The earliest one.
    fn earliest(&self) -> Time {
        self.now.plus_seconds(-seconds(self.tolerance))
    }
}

/// The signed part of a response of bounded size.
fn decode(response: &[u8]) -> Result<BasicOcspResponse<'_>, ResponseDefect> {
    if response.len() > RESPONSE_OCTETS_MAX {
        return Err(ResponseDefect::TooLarge {
            octets_count: response.len(),
        });
    }
    let response = OcspResponse::from_der(response).map_err(|error| match error.kind {
        DerErrorKind::UnknownCriticalExtension => ResponseDefect::UnknownCriticalExtension {
            offset: error.offset,
        },
        _ => ResponseDefect::NotDer(error),
    })?;
    let basic = match (response.status, response.basic) {
        (ResponseStatus::Error(status), _) => return Err(ResponseDefect::Unsigned(status)),
        (ResponseStatus::Successful, basic) => {
            basic.expect("the decoder refuses `successful` without a body")
        }
    };
    if basic.certificates.len() > CERTIFICATES_MAX {
        return Err(ResponseDefect::TooManyCertificates {
            count: basic.certificates.len(),
        });
    }
    Ok(basic)
}

/// Does the ResponderID name this certificate (RFC 6960 §4.2.2.3)?
fn names(responder: ResponderId<'_>, certificate: &Certificate<'_>) -> bool {
    match responder {
        ResponderId::ByName(name) => name == certificate.subject,
        ResponderId::ByKeyHash(hash) => {
            hash == crypto::digest(HashAlgorithm::Sha1, certificate.public_key.key_bits).as_ref()
        }
    }
}

/// Whole seconds; more than there are become the most there are.
fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
