//! What stands beside the CRLs: lists of what was issued, and overlays; each as it was last read.
//!
//! From: files that the CA's tools or the operator write, by `issued` and `overlay`.  To: `compose`.  What cannot be read
//! changes nothing: the last reading counts until it is too old, an overlay for ever.  What a list of what was issued takes
//! back is looked at by the guard, and an older one is known after a restart (`issued.rs` says what is guaranteed).

mod followed;
mod issued;
mod kept;
mod known;
mod overlay;
mod taken_back;

pub use taken_back::TakenBack;

pub(crate) use issued::IssuedFeed;
pub(crate) use overlay::OverlayFeed;

use std::path::PathBuf;

/// A list of what was issued, and how far it is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedSource {
    /// A file of serials, an OpenSSL index, or a directory of certificates.
    pub path: PathBuf,
    /// Whose word it is.
    pub role: IssuedRole,
    /// How old it may get.
    pub max_age_seconds: i64,
    /// What is said of absent serials when it is older.
    pub lag: Lag,
}

/// Whose word a list of issued serials is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssuedRole {
    /// A copy that is made now and then: it speaks of the time at which it was written.
    #[default]
    Export,
    /// The CA's own record: it speaks of the time at which it is read.
    Record,
}

impl IssuedRole {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("export", Self::Export), ("record", Self::Record)];
}

/// What is said of absent serials while it is not known what was issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lag {
    /// `tryLater`.
    #[default]
    TryLater,
    /// As if there were no list of what was issued.
    Good,
}

impl Lag {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("try-later", Self::TryLater), ("good", Self::Good)];
}
