//! Which of an issuer's certificates a list is about (RFC 5280 §5.2.5).
//!
//! From: a list's issuingDistributionPoint and the name of who issued it.  To: `slot`: the lists of one scope follow one
//! another, those of different scopes are added up; and to the state directory, where each scope has its folder.

use std::fmt;

use ocspry_core::crypto;
use ocspry_wire::hex::to_hex;
use ocspry_wire::x509::{IssuingDistributionPoint, ReasonFlags};

/// What the lists of one series have in common.
#[derive(Clone, Debug)]
pub struct Scope {
    key: String,
    description: String,
    point: Option<Vec<u8>>,
    kind: Kind,
    reasons: Option<ReasonFlags>,
}

/// Which certificates, by what they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    All,
    User,
    Authority,
}

impl Scope {
    /// Of a list with this issuingDistributionPoint; `crl_issuer` (DER) is whoever issued it, if that is another than
    /// the issuer of the certificates.
    pub(crate) fn new(
        point: Option<&IssuingDistributionPoint>,
        crl_issuer: Option<&[u8]>,
    ) -> Scope {
        let mut description = match point.and_then(|point| point.uris.first()) {
            Some(uri) => format!("the part at {uri}"),
            None if point.is_some_and(|point| point.distribution_point.is_some()) => {
                "the part of a named distribution point".to_owned()
            }
            None => "all certificates".to_owned(),
        };
        let kind = match point {
            Some(point) if point.only_contains_user_certs => Kind::User,
            Some(point) if point.only_contains_ca_certs => Kind::Authority,
            Some(_) | None => Kind::All,
        };
        match kind {
            Kind::All => {}
            Kind::User => description.push_str(", user certificates only"),
            Kind::Authority => description.push_str(", CA certificates only"),
        }
        let reasons = point.and_then(|point| point.only_some_reasons);
        if reasons.is_some() {
            description.push_str(", some reasons only");
        }
        if crl_issuer.is_some() {
            description.push_str(", by another CRL issuer");
        }
        Scope {
            key: key(point, crl_issuer),
            description,
            point: point.and_then(|point| point.distribution_point.clone()),
            kind,
            reasons,
        }
    }

    /// The same for all lists of the scope and for no other; empty for lists of the issuer without an
    /// issuingDistributionPoint.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Its lists say nothing of a scope: all of the issuer's certificates, for every reason, in the issuer's own name.
    pub fn is_unlimited(&self) -> bool {
        self.key.is_empty()
    }

    /// About all certificates and all reasons: what its lists do not name is not revoked, whatever other lists there are.
    pub fn is_whole(&self) -> bool {
        self.point.is_none() && self.reasons.is_none() && self.kind == Kind::All
    }

    /// The reasons it is limited to.
    pub(crate) fn reasons(&self) -> Option<ReasonFlags> {
        self.reasons
    }

    /// About the same certificates, whatever the reasons.
    pub(crate) fn has_the_certificates_of(&self, other: &Scope) -> bool {
        self.point == other.point && self.has_the_kind_of(other)
    }

    /// About certificates that are the same thing, wherever their distribution point is.
    pub(crate) fn has_the_kind_of(&self, other: &Scope) -> bool {
        self.kind == other.kind
    }
}

fn key(point: Option<&IssuingDistributionPoint>, crl_issuer: Option<&[u8]>) -> String {
    if point.is_none() && crl_issuer.is_none() {
        return String::new();
    }
    let point = crypto::sha256(point.map_or(&[], |point| &point.der));
    let crl_issuer = crypto::sha256(crl_issuer.unwrap_or_default());
    to_hex(&crypto::sha256(&[point, crl_issuer].concat())[..16])
}

/// For people.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}
