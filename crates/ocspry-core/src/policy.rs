//! What an operator may choose, per issuer, as types.  From: the checked configuration.  To: `issuer`, `credential`,
//! `responder` and `response`, each of which must name every case.

use std::time::Duration;

use ocspry_wire::ocsp::{CertStatus, CrlReason, HashAlgorithm, RevokedInfo};
use ocspry_wire::x509::SignatureAlgorithm;
use ocspry_wire::{Time, ocsp};

use crate::{Absence, Lookup, Refusal, ValidityWindow};

/// The choices for one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Upper bound on an answer's life, counted from producedAt; None leaves it to the source and the certificates.
    pub validity: Option<Duration>,
    /// Upper bound on nextUpdate, counted from thisUpdate with both ends included, as root programs count (BR 4.9.9).
    pub window_max: Option<Duration>,
    /// Break-glass: until then answers go on from a list that is over, an hour at a time (DESIGN §7, staleness ladder).
    pub stale_until: Option<Time>,
    /// What to do with a nonce (RFC 9654).
    pub nonce: NoncePolicy,
    /// What to say while nothing can be signed.
    pub unable: UnablePolicy,
    /// What to say to a request with a nonce while more is asked for than can be signed.
    pub nonce_over_budget: NonceOverBudget,
    /// What to say of a CA that is none of ours.
    pub unknown_issuer: UnknownIssuerPolicy,
    /// What to say of a serial that a list of revoked ones does not name.
    pub absent: AbsentPolicy,
    /// What to say of a serial that was never issued.
    pub never_issued: NeverIssuedPolicy,
    /// How the answer names its signer.
    pub responder_id: ResponderIdPolicy,
    /// Which certificates the answer encloses.
    pub certificates: CertificatesPolicy,
    /// Most CertIDs in one request; more of them are `unauthorized`.
    pub cert_ids_max: usize,
    /// Under which hash algorithms a CertID may name this issuer.
    pub cert_id_hashes: CertIdHashes,
    /// From when on the status of certificates is known although they have expired.
    pub archive_cutoff: ArchiveCutoff,
    /// The weakest hash that its answers may be signed with, whatever a client prefers.
    pub signature_hash_min: SignatureHash,
}

impl Policy {
    /// What holds when nothing is chosen (DESIGN §4).
    pub const DEFAULT: Policy = Policy {
        validity: None,
        window_max: None,
        stale_until: None,
        nonce: NoncePolicy::Echo,
        unable: UnablePolicy::TryLater,
        nonce_over_budget: NonceOverBudget::TryLater,
        unknown_issuer: UnknownIssuerPolicy::Unauthorized,
        absent: AbsentPolicy::Good,
        never_issued: NeverIssuedPolicy::Unknown,
        responder_id: ResponderIdPolicy::ByKey,
        certificates: CertificatesPolicy::Signer,
        cert_ids_max: ocsp::CERT_IDS_MAX,
        cert_id_hashes: CertIdHashes::ALL,
        archive_cutoff: ArchiveCutoff::None,
        signature_hash_min: SignatureHash::Sha256,
    };

    /// When the answers from a list with this window end at the latest, whoever signs: with the list, or with
    /// [`Policy::window_max`], both of whose ends count (BR 4.9.9), hence one second less.
    pub fn source_end(&self, source: ValidityWindow) -> Time {
        self.window_end(source)
            .map_or(source.next_update, |end| end.min(source.next_update))
    }

    /// From then on nothing is promised from a list with this window any more: its end, as [`Policy::source_end`] has it,
    /// less the margin of DESIGN rule 2.
    pub fn source_closes(&self, source: ValidityWindow) -> Time {
        let end = self.source_end(source);
        let answer = ValidityWindow {
            this_update: source.this_update,
            next_update: end,
        };
        let margin = answer
            .margin_seconds()
            .min(self.validity_seconds().unwrap_or(i64::MAX) / 100);
        end.plus_seconds(-margin)
    }

    /// Until when answers go on at `now` from a list that is over; None: it is not over, or the operator does not want that.
    pub(crate) fn stale_until(&self, source: ValidityWindow, now: Time) -> Option<Time> {
        self.stale_until
            .filter(|until| now < *until && now >= self.source_closes(source))
    }

    /// [`Policy::validity`] in seconds.
    pub(crate) fn validity_seconds(&self) -> Option<i64> {
        self.validity
            .map(|validity| i64::try_from(validity.as_secs()).unwrap_or(i64::MAX))
    }

    /// The end that [`Policy::window_max`] sets, if it sets one.
    pub(crate) fn window_end(&self, source: ValidityWindow) -> Option<Time> {
        let seconds = i64::try_from(self.window_max?.as_secs()).unwrap_or(i64::MAX);
        Some(source.this_update.plus_seconds(seconds.saturating_sub(1)))
    }

    /// What is said of a serial.
    ///
    /// # Errors
    /// Why nothing is said: it was never issued and the operator says nothing of such, or a part of the table is missing.
    pub(crate) fn verdict(&self, found: Lookup, absence: Absence) -> Result<Verdict, Refusal> {
        let cert_status = match (found, absence) {
            (Lookup::Revoked(info), _) => CertStatus::Revoked(info),
            (
                Lookup::Issued,
                Absence::NotRevoked | Absence::NeverIssued | Absence::PerhapsIssued,
            ) => CertStatus::Good,
            (Lookup::Absent, Absence::NotRevoked) => match self.absent {
                AbsentPolicy::Good => CertStatus::Good,
                AbsentPolicy::Unknown => CertStatus::Unknown,
            },
            (Lookup::Absent, Absence::NeverIssued) => match self.never_issued {
                NeverIssuedPolicy::Unknown => CertStatus::Unknown,
                NeverIssuedPolicy::Unauthorized => return Err(Refusal::NeverIssued),
                NeverIssuedPolicy::Revoked => {
                    return Ok(Verdict {
                        cert_status: CertStatus::Revoked(EXTENDED_REVOKE),
                        definition: RevokedDefinition::Extended,
                    });
                }
            },
            (Lookup::Absent, Absence::PerhapsIssued)
            | (Lookup::Issued | Lookup::Absent, Absence::Unproven) => {
                return Err(Refusal::AbsenceUnproven);
            }
        };
        Ok(Verdict {
            cert_status,
            definition: RevokedDefinition::Plain,
        })
    }
}

/// Most CertIDs in one request, whatever an operator allows.
pub const CERT_IDS_LIMIT: usize = 128;

/// The word of a choice, from its list of words.
pub fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], choice: T) -> &'static str {
    words
        .iter()
        .find(|(_, other)| *other == choice)
        .map_or("?", |(word, _)| word)
}

/// What is said of one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// good, revoked or unknown.
    pub(crate) cert_status: CertStatus,
    /// What `revoked` means in it.
    pub(crate) definition: RevokedDefinition,
}

/// What `revoked` means (RFC 6960 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RevokedDefinition {
    /// It was issued and revoked.
    Plain,
    /// It was never issued.
    Extended,
}

/// How a certificate is called revoked that was never issued (RFC 6960 §2.2).
const EXTENDED_REVOKE: RevokedInfo = RevokedInfo {
    revocation_time: Time::from_unix(0),
    reason: Some(CrlReason::CertificateHold),
    invalidity_date: None,
};

/// What to do with a nonce (RFC 9654 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoncePolicy {
    /// Copy it into the answer.
    Echo,
    /// Answer as if there were none.
    Ignore,
    /// Copy it into the answer; a request without one is `unauthorized`.
    Required,
}

impl NoncePolicy {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("echo", Self::Echo),
        ("ignore", Self::Ignore),
        ("required", Self::Required),
    ];
}

/// What to say to a request with a nonce while more is asked for than can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceOverBudget {
    /// OCSP's `tryLater`, in HTTP 200.
    TryLater,
    /// The answer that everybody gets, without the nonce (RFC 9654 §2.1 leaves that to the responder); where there is none,
    /// and it cannot be made either, what [`UnablePolicy`] says.
    WithoutNonce,
    /// HTTP 503, without OCSP.
    Http503,
}

impl NonceOverBudget {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("try-later", Self::TryLater),
        ("without-nonce", Self::WithoutNonce),
        ("http-503", Self::Http503),
    ];
}

/// What to say while nothing can be signed: the list or the signer is over or missing, or too many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnablePolicy {
    /// OCSP's `tryLater`, in HTTP 200 (RFC 6960 §2.3).
    TryLater,
    /// HTTP 503 and no OCSP: for clients that take `tryLater` for a verdict, and pass over a server that fails.
    Http503,
}

impl UnablePolicy {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("try-later", Self::TryLater), ("http-503", Self::Http503)];
}

/// What to say of a CertID that names no issuer of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownIssuerPolicy {
    /// `unauthorized` (RFC 9919 §3.2.3).
    Unauthorized,
    /// `unknown`, signed by this issuer's signer (RFC 6960 §2.2); one issuer of a responder at the most.
    Unknown,
}

impl UnknownIssuerPolicy {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("unauthorized", Self::Unauthorized),
        ("unknown", Self::Unknown),
    ];
}

/// What to say of a serial that is not on a list of revoked ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbsentPolicy {
    /// `good` (RFC 6960 §2.2).
    Good,
    /// `unknown`: the list does not say that it was issued.
    Unknown,
}

impl AbsentPolicy {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("good", Self::Good), ("unknown", Self::Unknown)];
}

/// What to say of a serial that was never issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeverIssuedPolicy {
    /// `unknown`.
    Unknown,
    /// `unauthorized` for the whole request: costs no signature.
    Unauthorized,
    /// `revoked`, on hold since 1970, with the extension that says so (RFC 6960 §2.2, §4.4.8).
    Revoked,
}

impl NeverIssuedPolicy {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("unknown", Self::Unknown),
        ("unauthorized", Self::Unauthorized),
        ("revoked", Self::Revoked),
    ];
}

/// How an answer names its signer (RFC 6960 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponderIdPolicy {
    /// By the SHA-1 hash of the key (RFC 9919 §3.2.2).
    ByKey,
    /// By the subject's name, for clients older than that.
    ByName,
}

impl ResponderIdPolicy {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("by-key", Self::ByKey), ("by-name", Self::ByName)];
}

/// Which certificates an answer encloses (RFC 6960 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificatesPolicy {
    /// None: the client has the delegate's certificate from elsewhere.
    None,
    /// The delegate's; none when the issuer signs.
    Signer,
    /// The delegate's, the issuer's, and those above it that were given with it, up to but not including the root.
    Chain,
}

impl CertificatesPolicy {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("signer", Self::Signer),
        ("chain", Self::Chain),
    ];
}

/// From when on the status of certificates is known although they have expired (RFC 6960 §4.4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArchiveCutoff {
    /// Nothing is said.
    None,
    /// So long before producedAt.
    Retention(Duration),
    /// Since the issuer's certificate began (ETSI EN 319 411-2 CSS-6.3.10-10).
    IssuerNotBefore,
}

/// The hash that a signature is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl SignatureHash {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] = &[
        ("sha256", Self::Sha256),
        ("sha384", Self::Sha384),
        ("sha512", Self::Sha512),
    ];
}

impl SignatureHash {
    /// Is a signature of this algorithm over this hash, or a stronger one?
    pub fn admits(self, algorithm: SignatureAlgorithm) -> bool {
        let bits = match self {
            SignatureHash::Sha256 => 256,
            SignatureHash::Sha384 => 384,
            SignatureHash::Sha512 => 512,
        };
        algorithm.hash_bits() >= bits
    }

    /// The name people use: `SHA-256`.
    pub fn name(self) -> &'static str {
        match self {
            SignatureHash::Sha256 => "SHA-256",
            SignatureHash::Sha384 => "SHA-384",
            SignatureHash::Sha512 => "SHA-512",
        }
    }
}

/// A set of hash algorithms for CertIDs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertIdHashes {
    allowed: [bool; HashAlgorithm::ALL.len()],
}

impl CertIdHashes {
    /// Each algorithm with its word.
    pub const WORDS: &'static [(&'static str, HashAlgorithm)] = &[
        ("sha1", HashAlgorithm::Sha1),
        ("sha256", HashAlgorithm::Sha256),
        ("sha384", HashAlgorithm::Sha384),
        ("sha512", HashAlgorithm::Sha512),
    ];
    /// Every one that is known.
    pub const ALL: CertIdHashes = CertIdHashes {
        allowed: [true; HashAlgorithm::ALL.len()],
    };

    /// These.
    pub fn only(algorithms: &[HashAlgorithm]) -> CertIdHashes {
        let mut allowed = [false; HashAlgorithm::ALL.len()];
        for algorithm in algorithms {
            allowed[*algorithm as usize] = true;
        }
        CertIdHashes { allowed }
    }

    /// Is it one of them?
    pub fn allows(self, algorithm: HashAlgorithm) -> bool {
        self.allowed[algorithm as usize]
    }
}

/// What may change back is not promised for long: `unknown` (it may be enrolled a second later) and a certificate on
/// hold (it may be released) live five minutes at most (DESIGN §4).
pub(crate) fn is_provisional(status: CertStatus) -> bool {
    match status {
        CertStatus::Good => false,
        CertStatus::Revoked(info) => info.reason == Some(CrlReason::CertificateHold),
        CertStatus::Unknown => true,
    }
}

/// The life of an answer from a list that is over.
pub(crate) const STALE_SECONDS_MAX: i64 = 3_600;
/// The longest life of what may change back.
pub(crate) const PROVISIONAL_SECONDS_MAX: i64 = 300;
/// How long a cache may keep what may change back.
pub(crate) const PROVISIONAL_MAX_AGE_MAX: Duration = Duration::from_secs(60);
/// How long a cache may keep any other answer.
pub(crate) const MAX_AGE_MAX: Duration = Duration::from_secs(3_600);
