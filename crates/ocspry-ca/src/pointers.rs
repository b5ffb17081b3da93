//! Where clients find what belongs to a certificate: authorityInfoAccess and cRLDistributionPoints (RFC 5280 §4.2.2.1,
//! §4.2.1.13), per CA.  From: the caller, who keeps them.  To: `issue.rs`, `crl.rs`.

use crate::CaError;
use std::fmt;

/// The addresses that a CA puts into what it issues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pointers {
    /// Who answers for the certificate's status (OCSP).
    pub ocsp: Vec<HttpUrl>,
    /// Where the CA's own certificate is (caIssuers), as DER.
    pub issuer: Vec<HttpUrl>,
    /// Where the CA's CRL is; several name the same list.
    pub crl: Vec<HttpUrl>,
}

/// A URL that clients can fetch before they trust anything: `http://`, in ASCII.
///
/// `https://` is refused, because to check its certificate a client would have to fetch the next one (RFC 5280 §8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Reads one.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(url: &str) -> Result<HttpUrl, CaError> {
        let has_host = url
            .strip_prefix("http://")
            .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'));
        if has_host && url.bytes().all(|octet| octet.is_ascii_graphic()) {
            Ok(HttpUrl(url.to_owned()))
        } else {
            Err(CaError::PointerUrl {
                url: url.to_owned(),
            })
        }
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
