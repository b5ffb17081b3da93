//! OCSP messages (RFC 6960 §4, RFC 9654).

pub mod cert_id;
pub mod nonce;
pub mod preferred;
pub mod request;
pub mod response;
pub mod status;

pub use cert_id::{CertId, HashAlgorithm};
pub use nonce::Nonce;
pub use preferred::{PreferredSignatureAlgorithm, PreferredSignatureAlgorithms};
pub use request::{CERT_IDS_MAX, OcspRequest, SingleRequest};
pub use response::{BasicOcspResponse, OcspResponse, ResponderId, SingleResponse};
pub use status::{CertStatus, CrlReason, ErrorStatus, ResponseStatus, RevokedInfo};
