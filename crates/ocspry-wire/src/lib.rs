//! Bytes to types and back: DER, OCSP (RFC 6960) and the parts of X.509 (RFC 5280) a responder reads.
//!
//! Layer 0: no I/O, no clock, no crypto, no logging. Everything here borrows from the input and allocates nothing
//! unless its name says so; every length is checked against what is left before it is used.

pub mod der;
pub mod ocsp;
pub mod x509;

pub use der::{DerError, DerErrorKind, Time};
