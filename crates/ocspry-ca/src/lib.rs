//! The small CA, first bricks: keys, certificates and CRLs (layer 3).  From: `ocspry demo`.  To: files that every PKI
//! tool reads.
//!
//! `key.rs` makes and keeps keys; `issue.rs` is the story of one certificate (RFC 5280 §4) and `crl.rs` that of one CRL
//! (RFC 5280 §5), both on top of `authority.rs`, a certificate with its key; `signed.rs` puts the signature around what
//! they wrote; `file.rs` writes files whole or not at all.  Nothing here reads a clock: `now` is passed in.

mod authority;
mod crl;
mod error;
mod file;
mod issue;
mod key;
mod signed;

pub use authority::CertificateAuthority;
pub use crl::{RevocationList, RevokedCertificate};
pub use error::CaError;
pub use file::{FileAccess, certificate_to_pem, crl_to_pem, write_file};
pub use issue::{CertificateRequest, Profile, Subject};
pub use key::{CaKey, KeyAlgorithm};

/// How far certificates and CRLs are dated back, in seconds: for clients whose clocks are slow.
pub const BACKDATED_SECONDS: i64 = 600;
