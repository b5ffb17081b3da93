//! What became of a request: one table from outcome to OCSP status to label.
//!
//! From: `responder::answer`.  To: the listener, which counts and logs each request once (STYLE §3, Errors).  Every
//! outcome travels in HTTP 200 (RFC 6960 App. A.2): HTTP errors are for things that are not OCSP at all.

use ocspry_wire::ocsp::{CertStatus, ErrorStatus};
use ocspry_wire::{DerError, Time};

use crate::response::Limit;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A signed answer.
    Signed(SignedStatus),
    /// One of the five error bodies.
    Refused(Refusal),
}

/// What a signed answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedStatus {
    /// One certificate, good.
    Good,
    /// One certificate, revoked.
    Revoked,
    /// One certificate, unknown.
    Unknown,
    /// Several certificates.
    Several,
}

/// Why there is no signed answer, with the facts that say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Not an OCSPRequest, or one with a critical extension that is not understood.
    Malformed(DerError),
    /// None of the CertIDs names an issuer of ours.
    UnknownIssuer,
    /// More CertIDs than one answer may hold.
    TooManyCertIds {
        /// How many were asked.
        count: usize,
    },
    /// CertIDs of two of our issuers, which no one signer may answer for (RFC 6960 §4.2.2.2).
    SeveralIssuers,
    /// A serial that was never issued, of which the operator says nothing.
    NeverIssued,
    /// The issuer wants a nonce and there was none.
    NonceMissing,
    /// The issuer's own certificate has expired.
    IssuerExpired {
        /// Its last second.
        not_after: Time,
    },
    /// No usable list has been loaded yet.
    SourceMissing,
    /// No key and certificate that may answer.
    SignerMissing,
    /// The list or a certificate in use begins in the future: the clock was set back.
    WindowNotBegun {
        /// What has not begun.
        limit: Limit,
        /// When it begins.
        at: Time,
    },
    /// Nothing can be promised any more: an answer made now would be over, or within the margin.
    WindowOver {
        /// What ends it.
        limit: Limit,
        /// When.
        at: Time,
    },
    /// Too many signatures wait.
    SigningQueueFull,
    /// Tables or signers were replaced faster than the key could sign.
    Overtaken,
    /// The key or its device failed.
    SigningFailed {
        /// What it said.
        reason: String,
    },
}

impl Outcome {
    /// A fixed word for logs and metrics.
    pub fn label(&self) -> &'static str {
        match self {
            Outcome::Signed(SignedStatus::Good) => "good",
            Outcome::Signed(SignedStatus::Revoked) => "revoked",
            Outcome::Signed(SignedStatus::Unknown) => "unknown",
            Outcome::Signed(SignedStatus::Several) => "several",
            Outcome::Refused(refusal) => refusal.label(),
        }
    }
}

impl SignedStatus {
    /// What an answer about one certificate says.
    pub(crate) fn of(status: CertStatus) -> SignedStatus {
        match status {
            CertStatus::Good => SignedStatus::Good,
            CertStatus::Revoked(_) => SignedStatus::Revoked,
            CertStatus::Unknown => SignedStatus::Unknown,
        }
    }
}

impl Refusal {
    /// The OCSP status that the client sees (RFC 6960 §2.3, RFC 9919 §3.2.3).
    pub fn error_status(&self) -> ErrorStatus {
        match self {
            Refusal::Malformed(_) => ErrorStatus::MalformedRequest,
            Refusal::UnknownIssuer
            | Refusal::TooManyCertIds { .. }
            | Refusal::SeveralIssuers
            | Refusal::NeverIssued
            | Refusal::NonceMissing
            | Refusal::IssuerExpired { .. } => ErrorStatus::Unauthorized,
            Refusal::SourceMissing
            | Refusal::SignerMissing
            | Refusal::WindowNotBegun { .. }
            | Refusal::WindowOver { .. }
            | Refusal::SigningQueueFull
            | Refusal::Overtaken
            | Refusal::SigningFailed { .. } => ErrorStatus::TryLater,
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Refusal::Malformed(_) => "malformed",
            Refusal::UnknownIssuer => "unknown-issuer",
            Refusal::TooManyCertIds { .. } => "too-many-cert-ids",
            Refusal::SeveralIssuers => "several-issuers",
            Refusal::NeverIssued => "never-issued",
            Refusal::NonceMissing => "nonce-missing",
            Refusal::IssuerExpired { .. } => "issuer-expired",
            Refusal::SourceMissing => "source-missing",
            Refusal::SignerMissing => "signer-missing",
            Refusal::WindowNotBegun { .. } => "clock-behind",
            Refusal::WindowOver { limit, .. } => match limit {
                Limit::Validity => "validity-over",
                Limit::Window | Limit::Provisional => "window-over",
                Limit::Source => "source-expired",
                Limit::Signer => "signer-expired",
                Limit::Issuer => "issuer-expiring",
            },
            Refusal::SigningQueueFull => "signing-queue-full",
            Refusal::Overtaken => "overtaken",
            Refusal::SigningFailed { .. } => "signing-failed",
        }
    }
}
