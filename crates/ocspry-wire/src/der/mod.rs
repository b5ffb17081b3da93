//! One strict DER reader and writer (X.690), without recursion, allocation or I/O.
//!
//! From: octets off the network or out of a file.  To: `ocsp` and `x509`, which know what the elements mean.
//! Strict because two readings of one message are two answers: X.690 §10 and §11 leave one encoding per value.

pub mod oid;
pub mod read;
pub mod tag;
pub mod time;
pub mod write;

pub use read::{Reader, Tlv};
pub use time::Time;

use core::fmt;

/// Where decoding stopped, and why.  Offsets count octets from the start of the outermost input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DerError {
    /// Octets from the start of the outermost input.
    pub offset: usize,
    /// What was wrong there.
    pub kind: DerErrorKind,
}

/// What was wrong with the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DerErrorKind {
    /// The input, or the element around it, ends before the element does.
    Truncated,
    /// Octets are left after the last element.
    TrailingData,
    /// Indefinite, non-minimal or over-long length.
    Length,
    /// Another tag was expected here.
    UnexpectedTag,
    /// A tag number above 30.
    MultiOctetTag,
    /// The value breaks a DER rule or a rule of the type.
    Value,
    /// A critical extension that is not understood (RFC 5280 §4.2).
    UnknownCriticalExtension,
    /// One extension twice in a list (RFC 5280 §4.2).
    DuplicateExtension,
    /// More elements than the bound for this list.
    TooMany,
}

impl fmt::Display for DerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at octet {}: {}", self.offset, self.kind)
    }
}

impl fmt::Display for DerErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DerErrorKind::Truncated => "the data ends inside an element",
            DerErrorKind::TrailingData => "octets are left after the last element",
            DerErrorKind::Length => "the length is indefinite, not minimal, or too large",
            DerErrorKind::UnexpectedTag => "another element was expected here",
            DerErrorKind::MultiOctetTag => "a tag number above 30 is not used in these types",
            DerErrorKind::Value => "the value is not valid for its type",
            DerErrorKind::UnknownCriticalExtension => "a critical extension is not understood",
            DerErrorKind::DuplicateExtension => "an extension stands twice in one list",
            DerErrorKind::TooMany => "the list has more elements than are accepted",
        })
    }
}

impl core::error::Error for DerError {}
