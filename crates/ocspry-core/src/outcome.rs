//! What became of a request: one table from outcome to OCSP status to label.
//!
//! From: `responder::answer`.  To: the listener, which counts and logs each request once (STYLE §3, Errors).  Every
//! outcome travels in HTTP 200 (RFC 6960 App. A.2): HTTP errors are for things that are not OCSP at all, and for
//! `tryLater` where the operator wants 503 in its place ([`UnablePolicy::Http503`](crate::UnablePolicy::Http503)).
//! [`OutcomeKind`] is the closed set of words that logs and metrics use.

use ocspry_wire::ocsp::{CertStatus, ErrorStatus};
use ocspry_wire::{DerError, Time};

use crate::response::Limit;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A signed answer.
    Signed(SignedStatus),
    /// One of the five error bodies, or HTTP 503 in place of `tryLater`.
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

/// Why there is no signed answer, with the facts that say so; as text, one sentence for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not an OCSPRequest, or one with a critical extension that is not understood.
    #[error("the request is malformed: {0}")]
    Malformed(DerError),
    /// None of the CertIDs names an issuer of ours.
    #[error("no CertID of the request names an issuer that is configured")]
    UnknownIssuer,
    /// The URL is the endpoint of another issuer, or of none.
    #[error("the URL is not the endpoint of the issuer that the request names")]
    WrongEndpoint,
    /// More CertIDs than one answer may hold.
    #[error("the request has {count} CertIDs, more than one answer may hold")]
    TooManyCertIds {
        /// How many were asked.
        count: usize,
    },
    /// CertIDs of two of our issuers, which no one signer may answer for (RFC 6960 §4.2.2.2).
    #[error("the request names two issuers, for which no one signer may answer")]
    SeveralIssuers,
    /// A serial that was never issued, of which the operator says nothing.
    #[error("the serial was never issued, and nothing is said of such")]
    NeverIssued,
    /// The issuer wants a nonce and there was none.
    #[error("the issuer wants a nonce, and the request has none")]
    NonceMissing,
    /// The issuer's own certificate has expired.
    #[error("the issuer's own certificate expired on {not_after}")]
    IssuerExpired {
        /// Its last second.
        not_after: Time,
    },
    /// No usable list has been loaded yet.
    #[error("no usable list has been loaded yet")]
    SourceMissing,
    /// A part of what the issuer's sources tell is missing or too old, and nothing else calls the certificate revoked.
    #[error(
        "a list is missing or too old, and only with it could the certificate be called good or never issued"
    )]
    AbsenceUnproven,
    /// No key and certificate that may answer.
    #[error("there is no key with a certificate that may answer")]
    SignerMissing,
    /// The list or a certificate in use begins in the future: the clock was set back.
    #[error("{limit} begins on {at}: the clock is behind it")]
    WindowNotBegun {
        /// What has not begun.
        limit: Limit,
        /// When it begins.
        at: Time,
    },
    /// Answers of this issuer were made later than now: the clock was set back.
    #[error("answers were made as late as {at}: the clock is behind that")]
    ProducedLater {
        /// The latest producedAt that is known.
        at: Time,
    },
    /// Nothing can be promised any more: an answer made now would be over, or within the margin.
    #[error("{limit} ends on {at}: an answer made now would be over, or nearly so")]
    WindowOver {
        /// What ends it.
        limit: Limit,
        /// When.
        at: Time,
    },
    /// Too many signatures wait.
    #[error("too many signatures are waiting")]
    SigningQueueFull,
    /// More than half of those wait, and the client's network has its part of them.
    #[error("the client's network has more signatures waiting than its share")]
    OverNetworkShare,
    /// The client has waited as long as clients do.
    #[error("the signature took longer than clients wait")]
    SigningOverdue,
    /// Tables or signers were replaced faster than the key could sign.
    #[error("lists or signers were replaced faster than the key could sign")]
    Overtaken,
    /// The key or its device failed.
    #[error("the key failed to sign: {reason}")]
    SigningFailed {
        /// What it said.
        reason: String,
    },
}

/// One list makes the enum, all its members and their words, so that no member can be left out.
macro_rules! outcome_kinds {
    ($($(#[$doc:meta])+ $kind:ident => $label:literal,)+) => {
        /// Which outcome, without its facts: the closed set that is counted (`kind as usize` is its place in `ALL`).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum OutcomeKind {
            $($(#[$doc])+ $kind,)+
        }

        impl OutcomeKind {
            /// All of them.
            pub const ALL: &'static [OutcomeKind] = &[$(OutcomeKind::$kind,)+];

            /// A fixed word for logs and metrics.
            pub const fn label(self) -> &'static str {
                match self {
                    $(OutcomeKind::$kind => $label,)+
                }
            }
        }
    };
}

outcome_kinds! {
    /// [`SignedStatus::Good`].
    Good => "good",
    /// [`SignedStatus::Revoked`].
    Revoked => "revoked",
    /// [`SignedStatus::Unknown`].
    Unknown => "unknown",
    /// [`SignedStatus::Several`].
    Several => "several",
    /// [`Refusal::Malformed`].
    Malformed => "malformed",
    /// [`Refusal::UnknownIssuer`].
    UnknownIssuer => "unknown-issuer",
    /// [`Refusal::WrongEndpoint`].
    WrongEndpoint => "wrong-endpoint",
    /// [`Refusal::TooManyCertIds`].
    TooManyCertIds => "too-many-cert-ids",
    /// [`Refusal::SeveralIssuers`].
    SeveralIssuers => "several-issuers",
    /// [`Refusal::NeverIssued`].
    NeverIssued => "never-issued",
    /// [`Refusal::NonceMissing`].
    NonceMissing => "nonce-missing",
    /// [`Refusal::IssuerExpired`].
    IssuerExpired => "issuer-expired",
    /// [`Refusal::SourceMissing`].
    SourceMissing => "source-missing",
    /// [`Refusal::AbsenceUnproven`].
    AbsenceUnproven => "absence-unproven",
    /// [`Refusal::SignerMissing`].
    SignerMissing => "signer-missing",
    /// [`Refusal::WindowNotBegun`] or [`Refusal::ProducedLater`].
    ClockBehind => "clock-behind",
    /// [`Refusal::WindowOver`], by [`Limit::Validity`].
    ValidityOver => "validity-over",
    /// [`Refusal::WindowOver`], by [`Limit::Window`] or [`Limit::Provisional`].
    WindowOver => "window-over",
    /// [`Refusal::WindowOver`], by [`Limit::Source`] or [`Limit::StaleUntil`].
    SourceExpired => "source-expired",
    /// [`Refusal::WindowOver`], by [`Limit::Signer`].
    SignerExpired => "signer-expired",
    /// [`Refusal::WindowOver`], by [`Limit::Issuer`].
    IssuerExpiring => "issuer-expiring",
    /// [`Refusal::SigningQueueFull`].
    SigningQueueFull => "signing-queue-full",
    /// [`Refusal::OverNetworkShare`].
    OverNetworkShare => "over-network-share",
    /// [`Refusal::SigningOverdue`].
    SigningOverdue => "signing-overdue",
    /// [`Refusal::Overtaken`].
    Overtaken => "overtaken",
    /// [`Refusal::SigningFailed`].
    SigningFailed => "signing-failed",
}

impl Outcome {
    /// Which of the closed set.
    pub fn kind(&self) -> OutcomeKind {
        match self {
            Outcome::Signed(SignedStatus::Good) => OutcomeKind::Good,
            Outcome::Signed(SignedStatus::Revoked) => OutcomeKind::Revoked,
            Outcome::Signed(SignedStatus::Unknown) => OutcomeKind::Unknown,
            Outcome::Signed(SignedStatus::Several) => OutcomeKind::Several,
            Outcome::Refused(refusal) => refusal.kind(),
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
            | Refusal::WrongEndpoint
            | Refusal::TooManyCertIds { .. }
            | Refusal::SeveralIssuers
            | Refusal::NeverIssued
            | Refusal::NonceMissing
            | Refusal::IssuerExpired { .. } => ErrorStatus::Unauthorized,
            Refusal::SourceMissing
            | Refusal::AbsenceUnproven
            | Refusal::SignerMissing
            | Refusal::WindowNotBegun { .. }
            | Refusal::ProducedLater { .. }
            | Refusal::WindowOver { .. }
            | Refusal::SigningQueueFull
            | Refusal::OverNetworkShare
            | Refusal::SigningOverdue
            | Refusal::Overtaken
            | Refusal::SigningFailed { .. } => ErrorStatus::TryLater,
        }
    }

    fn kind(&self) -> OutcomeKind {
        match self {
            Refusal::Malformed(_) => OutcomeKind::Malformed,
            Refusal::UnknownIssuer => OutcomeKind::UnknownIssuer,
            Refusal::WrongEndpoint => OutcomeKind::WrongEndpoint,
            Refusal::TooManyCertIds { .. } => OutcomeKind::TooManyCertIds,
            Refusal::SeveralIssuers => OutcomeKind::SeveralIssuers,
            Refusal::NeverIssued => OutcomeKind::NeverIssued,
            Refusal::NonceMissing => OutcomeKind::NonceMissing,
            Refusal::IssuerExpired { .. } => OutcomeKind::IssuerExpired,
            Refusal::SourceMissing => OutcomeKind::SourceMissing,
            Refusal::AbsenceUnproven => OutcomeKind::AbsenceUnproven,
            Refusal::SignerMissing => OutcomeKind::SignerMissing,
            Refusal::WindowNotBegun { .. } | Refusal::ProducedLater { .. } => {
                OutcomeKind::ClockBehind
            }
            Refusal::WindowOver { limit, .. } => match limit {
                Limit::Validity => OutcomeKind::ValidityOver,
                Limit::Window | Limit::Provisional => OutcomeKind::WindowOver,
                Limit::Source | Limit::StaleUntil => OutcomeKind::SourceExpired,
                Limit::Signer => OutcomeKind::SignerExpired,
                Limit::Issuer => OutcomeKind::IssuerExpiring,
            },
            Refusal::SigningQueueFull => OutcomeKind::SigningQueueFull,
            Refusal::OverNetworkShare => OutcomeKind::OverNetworkShare,
            Refusal::SigningOverdue => OutcomeKind::SigningOverdue,
            Refusal::Overtaken => OutcomeKind::Overtaken,
            Refusal::SigningFailed { .. } => OutcomeKind::SigningFailed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_word_and_its_number_is_its_place() {
        let mut words: Vec<&str> = OutcomeKind::ALL.iter().map(|kind| kind.label()).collect();
        for (place, kind) in OutcomeKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place, "{kind:?}");
        }
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), OutcomeKind::ALL.len());
    }
}
