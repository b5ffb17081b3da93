//! `/crl/NAME.crl` and `/ca/NAME.cer`: what certificates point to beside OCSP (RFC 5280 §4.2.1.13, §4.2.2.1), from memory.
//!
//! From: `ocsp`, with the path of a GET or HEAD.  To: `ocsp`, as a response.  NAME is that of an issuer in the configuration.  A
//! CRL may be kept until its nextUpdate; a CA's certificate for a day, since it may be renewed.

use bytes::Bytes;
use hyper::{HeaderMap, StatusCode};
use ocspry_core::crypto::sha256;
use ocspry_core::{Issuer, IssuerSet};
use ocspry_wire::Time;

use crate::headers::{self, Cacheable};

/// Something to hand out.
pub(crate) struct Published {
    body: Bytes,
    digest: [u8; 32],
    media_type: &'static str,
    since: Time,
    /// None: a day from when it is asked for.
    until: Option<Time>,
}

/// What a path names; None: nothing that is there, so that it is a matter of OCSP.
pub(crate) fn find(path: &str, issuers: &IssuerSet) -> Option<Published> {
    let named = |name: &str| issuers.iter().find(|issuer| issuer.name() == name);
    if let Some(name) = path.strip_prefix("/crl/") {
        return crl_of(named(name.strip_suffix(".crl")?)?);
    }
    let name = path.strip_prefix("/ca/")?.strip_suffix(".cer")?;
    Some(certificate_of(named(name)?))
}

fn crl_of(issuer: &Issuer) -> Option<Published> {
    let crl = issuer.published_crl()?;
    Some(Published {
        body: crl.der.clone(),
        digest: crl.digest,
        media_type: "application/pkix-crl",
        since: crl.this_update,
        until: Some(crl.next_update),
    })
}

fn certificate_of(issuer: &Issuer) -> Published {
    let der = issuer.certificate().der();
    Published {
        body: Bytes::copy_from_slice(der),
        digest: sha256(der),
        media_type: "application/pkix-cert",
        since: issuer.not_before(),
        until: None,
    }
}

impl Published {
    /// Status and body; `headers` are the request's, and are replaced.
    pub(crate) fn write(
        self,
        headers: &mut HeaderMap,
        is_conditional: bool,
        now: Time,
    ) -> (StatusCode, Bytes) {
        let until = self.until.unwrap_or(now.plus_seconds(CERTIFICATE_SECONDS));
        let cacheable = Cacheable::of_published(&self.digest, self.since, until, now);
        let is_held = is_conditional && cacheable.is_held_by(headers);
        headers.clear();
        cacheable.write(headers);
        if is_held {
            return (StatusCode::NOT_MODIFIED, Bytes::new());
        }
        headers::write_content_type(headers, self.media_type);
        (StatusCode::OK, self.body)
    }
}

/// How long a cache may keep the certificate of a CA.
const CERTIFICATE_SECONDS: i64 = 86_400;
