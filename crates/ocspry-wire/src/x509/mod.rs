//! The parts of RFC 5280 that are read here: serial numbers, certificates as exact slices, CRLs, certification requests
//! (RFC 2986), PEM armour.

pub mod certificate;
pub mod crl;
pub mod extension;
pub mod name;
pub mod pem;
pub mod request;
pub mod serial;
mod serial_text;
pub mod signature;

pub use certificate::{Certificate, KeyUsage, ProfileFacts, SubjectPublicKeyInfo};
pub use crl::{
    CertificateList, CrlDefects, CrlEntry, CrlError, CrlExtensions, CrlHeader, CrlParser,
    IssuingDistributionPoint, ReasonFlags,
};
pub use extension::{Extension, Extensions};
pub use name::{display_name, dotted, is_same_name};
pub use request::{CertificationRequest, RequestedExtensions};
pub use serial::SerialNumber;
pub use serial_text::SerialTextError;
pub use signature::SignatureAlgorithm;
