//! A certificate that owns its bytes.  From: files, by the loaders.  To: `issuer`, `credential`.
//!
//! Certificates are looked into when something is loaded, never while a request waits, so the view is parsed again
//! each time it is asked for and the bytes stay exactly as they came (RFC 6960 §4.1.1 hashes them).

use ocspry_wire::DerError;
use ocspry_wire::x509::Certificate;

/// One DER certificate (RFC 5280 §4.1), known to parse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedCertificate {
    der: Vec<u8>,
}

impl OwnedCertificate {
    /// Takes one DER certificate.
    ///
    /// # Errors
    /// The place and kind of the first thing that is not DER or not a certificate.
    pub fn from_der(der: Vec<u8>) -> Result<Self, DerError> {
        Certificate::from_der(&der)?;
        Ok(Self { der })
    }

    /// The bytes, exactly as they came.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate's fields, borrowed from its bytes.
    pub fn view(&self) -> Certificate<'_> {
        Certificate::from_der(&self.der).expect("the same bytes were parsed by from_der")
    }
}
