//! `/crl/NAME.crl` and `/ca/NAME.cer`: what certificates point to beside OCSP (RFC 5280 §4.2.1.13, §4.2.2.1), from memory.
//!
//! From: `ocsp`, with the path of a GET or HEAD.  To: `ocsp`, as a response.  NAME is that of an issuer in the configuration.  A
//! CRL may be kept until its nextUpdate; a CA's certificate for a day, since it may be renewed.

use bytes::Bytes;
use ocspry_core::crypto::sha256;
use ocspry_core::{Issuer, IssuerSet};
use ocspry_wire::Time;

use crate::headers::{self, Cacheable, Status};

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
pub(crate) fn find(path: &[u8], issuers: &IssuerSet) -> Option<Published> {
    let named = |name: &[u8]| {
        issuers
            .iter()
            .find(|issuer| issuer.name().as_bytes() == name)
    };
    if let Some(name) = path.strip_prefix(b"/crl/") {
        return crl_of(named(name.strip_suffix(b".crl")?)?);
    }
    let name = path.strip_prefix(b"/ca/")?.strip_suffix(b".cer")?;
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
    /// Writes the head, but for its end, and returns its status; the body is for whoever does not have it.  `condition` is the head of
    /// a request that may name what the client has.
    pub(crate) fn write(&self, condition: Option<&[u8]>, now: Time, head: &mut Vec<u8>) -> Status {
        let until = self.until.unwrap_or(now.plus_seconds(CERTIFICATE_SECONDS));
        let cacheable = Cacheable::of_published(&self.digest, self.since, until, now);
        let is_held = condition.is_some_and(|head| cacheable.is_held_by(head));
        let status = match is_held {
            true => Status::NotModified,
            false => Status::Ok,
        };
        headers::write_status(head, status);
        if !is_held {
            headers::write_content_type(head, self.media_type);
            headers::write_content_length(head, self.body.len());
        }
        cacheable.write_names(head);
        cacheable.write_cache_control(head);
        status
    }

    /// What is handed out.
    pub(crate) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The same, to be sent bit by bit.
    pub(crate) fn into_body(self) -> Bytes {
        self.body
    }
}

/// How long a cache may keep the certificate of a CA.
const CERTIFICATE_SECONDS: i64 = 86_400;
