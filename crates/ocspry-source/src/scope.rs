//! Which of an issuer's certificates a list is about (RFC 5280 §5.2.5).
//!
//! From: a list's issuingDistributionPoint, the name of who issued it, and the key that signed it.  To: `slot`: the lists
//! of one scope follow one another, those of different scopes are added up; and to the state directory, where each scope
//! has its folder.
//!
//! Two keys of one name sign two series: each may know of the certificates of its own key only, and a delta is signed by
//! the key of its base (RFC 5280 §5.2.4).

use std::fmt;

use ocspry_core::crypto;
use ocspry_wire::hex::to_hex;
use ocspry_wire::x509::{IssuingDistributionPoint, ReasonFlags};

/// What the lists of one series have in common.
#[derive(Clone, Debug)]
pub struct Scope {
    key: String,
    /// The key, whoever of the name signed.
    key_of_any_signer: String,
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
    /// the issuer of the certificates; `other_key` (SubjectPublicKeyInfo) what signed it, if that is not the first key of
    /// that name.
    pub(crate) fn new(
        point: Option<&IssuingDistributionPoint>,
        crl_issuer: Option<&[u8]>,
        other_key: Option<&[u8]>,
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
        if other_key.is_some() {
            description.push_str(", by another key");
        }
        let key_of_any_signer = key(point, crl_issuer);
        Scope {
            key: match other_key {
                Some(other_key) => key_of(&key_of_any_signer, other_key),
                None => key_of_any_signer.clone(),
            },
            key_of_any_signer,
            description,
            point: point.and_then(|point| point.distribution_point.clone()),
            kind,
            reasons,
        }
    }

    /// The same for all lists of the scope and for no other; empty for lists that the issuer's own key signed without an
    /// issuingDistributionPoint.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// The same, but for the key that signs.
    pub(crate) fn is_by_another_key_than(&self, other: &Scope) -> bool {
        self.key != other.key && self.key_of_any_signer == other.key_of_any_signer
    }

    /// Its lists say nothing of a scope: all of the issuer's certificates, for every reason, by the issuer's own key.
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

fn key_of(key_of_any_signer: &str, other_key: &[u8]) -> String {
    let scope = crypto::sha256(key_of_any_signer.as_bytes());
    let other_key = crypto::sha256(other_key);
    to_hex(&crypto::sha256(&[scope, other_key].concat())[..16])
}

/// For people.
impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)
    }
}
