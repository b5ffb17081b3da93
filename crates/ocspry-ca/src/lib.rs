//! The small CA: keys, certificates and CRLs (layer 3).  From: `ocspry demo`.  To: files that every PKI tool reads.
//!
//! START HERE: `issue.rs`, the story of one certificate (RFC 5280 §4), and `crl.rs`, that of one CRL (RFC 5280 §5), both on
//! top of `authority.rs`, a certificate with its key.  What a certificate says comes from `profile.rs` (what it is for),
//! `subject.rs`, `alt_name.rs` and `constraints.rs` (names), `usage.rs`, `pointers.rs`, and `extension.rs` writes it;
//! `csr.rs` reads what strangers ask for, `own_request.rs` asks another CA for a certificate, `public_key.rs` says which keys are strong enough, `renewal.rs` asks for an old
//! certificate once more.  `key.rs` makes and keeps keys; `signed.rs` puts the signature around what was written;
//! `file.rs` writes files whole or not at all, and `index.rs` the index of `openssl ca`.
//!
//! Nothing here reads a clock or keeps a book: `now`, serial numbers and CRL numbers are passed in, by whoever has made
//! them durable.

mod alt_name;
mod authority;
mod constraints;
mod crl;
mod csr;
mod error;
mod extension;
mod file;
mod index;
mod issue;
mod key;
mod own_request;
mod pointers;
mod profile;
mod public_key;
mod renewal;
mod serial;
mod signed;
mod subject;
mod usage;

pub use alt_name::{AltName, AltNameProblem};
pub use authority::CertificateAuthority;
pub use constraints::{CaConstraints, NameConstraints, NameSubtree};
pub use crl::{
    CrlScope, DeltaEntry, DeltaList, RevocationList, RevokedCertificate, ScopeOfCertificates,
};
pub use csr::{NotGranted, SigningRequest};
pub use error::CaError;
pub use extension::{Criticality, RawExtension};
pub use file::{FileAccess, certificate_to_pem, crl_to_pem, write_file, write_file_with};
pub use index::{IndexEntry, IndexProblem, IndexReader, IndexRow, IndexSubject, write_index};
pub use issue::{CertificateRequest, Expiry, PreparedCertificate, RootRequest};
pub use key::{CaKey, KeyAlgorithm};
pub use pointers::{HttpUrl, Pointers};
pub use profile::{CustomProfile, Profile};
pub use public_key::PublicKey;
pub use serial::new_serial_number;
pub use subject::{Subject, SubjectProblem};
pub use usage::{KeyUse, Purpose};

pub use ocspry_signer::{KeyKind, Passphrase};

use std::time::Duration;

/// How far certificates and CRLs are dated back, in seconds: for clients whose clocks are slow.
pub const BACKDATED_SECONDS: i64 = 600;

/// How long a root is valid, usually: 10 years.
pub const ROOT_LIFETIME: Duration = Duration::from_secs(3650 * 86_400);

/// When the next CRL is due, usually: after 7 days.
pub const CRL_LIFETIME: Duration = Duration::from_secs(7 * 86_400);
