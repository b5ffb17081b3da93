//! Bytes to types and back: DER, OCSP (RFC 6960) and the parts of X.509 (RFC 5280) a responder reads.
//!
//! Layer 0: no I/O, no clock, no crypto, no logging. What can borrow from the input does, and allocates nothing; a CRL,
//! which is longer than any input, owns what is left of it. Every length is checked against what is left before it is used.

pub mod der;
pub mod hex;
pub mod ocsp;
pub mod openssl_index;
pub mod x509;

pub use der::{DerError, DerErrorKind, Time};
