//! What the clients of one issuer were told, and how its keys signed.  From: `responder`, once per request, and whoever
//! measures signatures.  To: metrics, one row of few series for each issuer.
//!
//! Requests are counted by method and outcome for all issuers together (http), and here by issuer in six words: two
//! hundred issuers make twelve hundred series, and not one for each pair of everything.

use std::sync::OnceLock;
use std::time::Duration;

use ocspry_wire::x509::SignatureAlgorithm;

use crate::OutcomeKind;
use crate::shared_counts::{Durations, SharedCounts};

/// What a client was told, in few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Signed: good.
    Good,
    /// Signed: revoked.
    Revoked,
    /// Signed: unknown.
    Unknown,
    /// Signed, of several certificates.
    Several,
    /// Not signed, and another try changes nothing.
    Refused,
    /// Not signed: nothing can be said now.
    TryLater,
}

impl Told {
    /// All of them; each stands at its own number.
    pub const ALL: [Told; 6] = [
        Told::Good,
        Told::Revoked,
        Told::Unknown,
        Told::Several,
        Told::Refused,
        Told::TryLater,
    ];

    /// A fixed word.
    pub fn label(self) -> &'static str {
        match self {
            Told::Good => "good",
            Told::Revoked => "revoked",
            Told::Unknown => "unknown",
            Told::Several => "several",
            Told::Refused => "refused",
            Told::TryLater => "try-later",
        }
    }

    /// How an outcome is told.
    pub fn of(outcome: OutcomeKind) -> Told {
        match outcome {
            OutcomeKind::Good => Told::Good,
            OutcomeKind::Revoked => Told::Revoked,
            OutcomeKind::Unknown => Told::Unknown,
            OutcomeKind::Several => Told::Several,
            OutcomeKind::Malformed
            | OutcomeKind::UnknownIssuer
            | OutcomeKind::WrongEndpoint
            | OutcomeKind::TooManyCertIds
            | OutcomeKind::SeveralIssuers
            | OutcomeKind::NeverIssued
            | OutcomeKind::NonceMissing
            | OutcomeKind::IssuerExpired => Told::Refused,
            OutcomeKind::SourceMissing
            | OutcomeKind::AbsenceUnproven
            | OutcomeKind::SignerMissing
            | OutcomeKind::ClockBehind
            | OutcomeKind::ValidityOver
            | OutcomeKind::WindowOver
            | OutcomeKind::SourceExpired
            | OutcomeKind::SignerExpired
            | OutcomeKind::IssuerExpiring
            | OutcomeKind::SigningQueueFull
            | OutcomeKind::OverNetworkShare
            | OutcomeKind::SigningOverdue
            | OutcomeKind::Overtaken
            | OutcomeKind::SigningFailed => Told::TryLater,
        }
    }
}

/// The counts of one issuer; a reload hands them on.
#[derive(Debug, Default)]
pub struct IssuerCounts {
    told: SharedCounts<{ Told::ALL.len() }>,
    /// By the place in [`SignatureAlgorithm::ALL`]: there once a key of the issuer has signed so.
    signatures: [OnceLock<SignatureCounts>; SignatureAlgorithm::ALL.len()],
}

/// How signatures of one algorithm went.
#[derive(Debug, Default)]
pub struct SignatureCounts {
    /// Made, failed.
    results: SharedCounts<2>,
    /// How long each took, whatever came of it.
    pub durations: Durations,
}

impl IssuerCounts {
    /// A request about one of its certificates was answered so.
    pub(crate) fn answered(&self, outcome: OutcomeKind) {
        self.told.add(Told::of(outcome) as usize, 1);
    }

    /// How often each was told.
    pub fn told(&self) -> [(Told, u64); Told::ALL.len()] {
        let sums = self.told.sums();
        Told::ALL.map(|told| (told, sums[told as usize]))
    }

    /// A key of the issuer signed, or failed to.
    pub fn signed(&self, algorithm: SignatureAlgorithm, is_made: bool, elapsed: Duration) {
        let counts = self.signatures[algorithm as usize].get_or_init(SignatureCounts::default);
        counts.results.add(usize::from(!is_made), 1);
        counts.durations.note(elapsed);
    }

    /// By algorithm, those that its keys were asked for.
    pub fn signatures(&self) -> impl Iterator<Item = (SignatureAlgorithm, &SignatureCounts)> {
        let all = SignatureAlgorithm::ALL.into_iter().zip(&self.signatures);
        all.filter_map(|(algorithm, counts)| Some((algorithm, counts.get()?)))
    }
}

impl SignatureCounts {
    /// How many were made, and how many failed.
    pub fn results(&self) -> [u64; 2] {
        self.results.sums()
    }
}
