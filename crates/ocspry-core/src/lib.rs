//! The responder as a value: no sockets, files, executor or logging (layer 1).  START HERE: `responder.rs`.

mod cache;
pub mod certificate;
pub mod client;
pub mod clock;
pub mod counts;
pub mod credential;
pub mod crypto;
pub mod endpoint;
pub mod explain;
pub mod issuer;
pub mod issuer_counts;
pub mod outcome;
mod pace;
pub mod policy;
mod produced;
pub mod responder;
pub mod response;
pub mod shared_counts;
mod side_by_side;
pub mod signing;
pub mod signing_pool;
pub mod signing_turns;
pub mod status;
pub mod time_text;
pub mod verify;
pub mod waiting_line;

pub use cache::{CacheUsage, RECENT_BYTES_MAX, RecentAnswer, RecentAnswers};
pub use certificate::OwnedCertificate;
pub use client::{Client, Network};
pub use clock::{Clock, SystemClock};
pub use counts::{AnswerCounts, Count, ExcessCounts};
pub use credential::{CredentialError, CredentialKind, CredentialWarning, ResponderCredential};
pub use endpoint::Endpoint;
pub use explain::{Explanation, NamedBy, Said};
pub use issuer::{Issuer, IssuerError, IssuerId, IssuerSet, PublishedCrl, Stale};
pub use issuer_counts::{IssuerCounts, SignatureCounts, Told};
pub use outcome::{Outcome, OutcomeKind, Refusal, SignedStatus};
pub use policy::{
    AbsentPolicy, ArchiveCutoff, CERT_IDS_LIMIT, CertIdHashes, CertificatesPolicy,
    NeverIssuedPolicy, NonceOverBudget, NoncePolicy, Policy, ResponderIdPolicy, SignatureHash,
    UnablePolicy, UnknownIssuerPolicy, word,
};
pub use responder::{Answer, Answered, Effort, Question, Responder, SignedResponse};
pub use response::{CLOCK_BEHIND_SECONDS_MAX, Limit};
pub use shared_counts::{Durations, SharedCounts};
pub use side_by_side::side_by_side;
pub use signing::{SignError, Signer, SigningSpeed};
pub use signing_pool::{PoolLimits, SigningCounts, SigningPool};
pub use signing_turns::{SigningTurns, TurnCounts};
pub use status::{
    Absence, IssuedSerials, IssuedSerialsBuilder, IssuedSorting, Known, ListPart, Lookup, Overlay,
    Revocation, RevokedSerials, RevokedSerialsBuilder, SourceInfo, StatusParts, StatusTable,
    StatusTableBuilder, TableSorting, ValidityWindow, graver,
};
pub use verify::{ResponseCheck, ResponseDefect, VerifiedResponse};
pub use waiting_line::{Excess, SigningClass};
