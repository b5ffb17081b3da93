//! What an operator may choose, per issuer, as types.  From: the checked configuration.  To: `responder`, `response`.

use std::time::Duration;

/// The choices for one issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Upper bound on an answer's life, counted from producedAt; None leaves it to the source and the certificates.
    pub validity: Option<Duration>,
    /// What to do with a nonce (RFC 9654).
    pub nonce: NoncePolicy,
}

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
