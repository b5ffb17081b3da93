//! CRLs made to measure, the odd ones too (RFC 5280 §5).  From: `Authority::crl`.  To: files on disk.

use std::sync::LazyLock;

use crate::authority::now;
use crate::encode::{
    bit_string, boolean_true, element, extension, generalized_time, integer, sequence,
    unsigned_content, x509_time,
};
use crate::key::TestKey;
use ocspry_wire::Time;
use ocspry_wire::der::{oid as known, tag};
use ocspry_wire::ocsp::CrlReason;

/// An extension nobody knows (1.3.6.1.4.1.99999.1).
pub(crate) const UNKNOWN_EXTENSION: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];

/// What a CRL says; start from [`CrlSpec::new`] and change what the test is about.
#[derive(Clone, Debug)]
pub struct CrlSpec {
    /// thisUpdate.
    pub this_update: Time,
    /// nextUpdate; None = absent.
    pub next_update: Option<Time>,
    /// cRLNumber; None = absent.
    pub number: Option<u64>,
    /// Revoked certificates, in this order.
    pub entries: Vec<CrlEntrySpec>,
    /// A critical extension of the list that nobody knows.
    pub unknown_critical_extension: bool,
    /// deltaCRLIndicator with this BaseCRLNumber; None = a complete list.
    pub base_number: Option<u64>,
    /// issuingDistributionPoint; None = absent.
    pub scope: Option<ScopeSpec>,
    /// authorityKeyIdentifier with this keyIdentifier; None = absent.
    pub authority_key_id: Option<Vec<u8>>,
    /// More extensions of the list, each whole, taken as they are.
    pub more_extensions: Vec<Vec<u8>>,
}

/// What an issuingDistributionPoint says (RFC 5280 §5.2.5); nothing by default.
#[derive(Clone, Debug, Default)]
pub struct ScopeSpec {
    /// distributionPoint: the one name in it, a URI.
    pub uri: Option<String>,
    /// onlyContainsUserCerts.
    pub only_users: bool,
    /// onlyContainsCACerts.
    pub only_authorities: bool,
    /// onlySomeReasons; empty = absent.
    pub only_reasons: Vec<CrlReason>,
    /// indirectCRL.
    pub indirect: bool,
    /// onlyContainsAttributeCerts.
    pub only_attributes: bool,
    /// A field `[9]` that nobody knows.
    pub unknown_field: bool,
}

/// One revoked certificate.
#[derive(Clone, Debug)]
pub struct CrlEntrySpec {
    /// Content octets of the serial number, taken as they are.
    pub serial: Vec<u8>,
    /// revocationDate.
    pub revocation_time: Time,
    /// reasonCode; None = absent.
    pub reason: Option<CrlReason>,
    /// Where there is no reason: reasonCode unspecified(0), which should be absent, is written out.
    pub says_unspecified: bool,
    /// invalidityDate; None = absent.
    pub invalidity_date: Option<Time>,
    /// A critical extension of the entry that nobody knows.
    pub unknown_critical_extension: bool,
    /// More extensions of the entry, each whole, taken as they are.
    pub more_extensions: Vec<Vec<u8>>,
}

/// What every list calls the key that signed it; nobody compares it with a certificate.
const KEY_ID: &[u8] = b"a key identifier";

impl CrlSpec {
    /// An empty list, a minute old, good for a day.
    pub fn new(number: u64) -> CrlSpec {
        CrlSpec {
            this_update: now().plus_seconds(-60),
            next_update: Some(now().plus_seconds(86_400)),
            number: Some(number),
            entries: Vec::new(),
            unknown_critical_extension: false,
            base_number: None,
            scope: None,
            authority_key_id: Some(KEY_ID.to_vec()),
            more_extensions: Vec::new(),
        }
    }

    /// The same list with one more revoked certificate (an hour ago).
    #[must_use]
    pub fn revoke(mut self, serial: &[u8], reason: Option<CrlReason>) -> CrlSpec {
        self.entries.push(CrlEntrySpec::new(serial, reason));
        self
    }

    /// The same list with an entry that ends a revocation: removeFromCRL (RFC 5280 §5.3.1).
    #[must_use]
    pub fn release(mut self, serial: &[u8]) -> CrlSpec {
        let mut entry = CrlEntrySpec::new(serial, None);
        let value = element(tag::ENUMERATED, &[REMOVE_FROM_CRL]);
        entry
            .more_extensions
            .push(extension(known::REASON_CODE, false, &value));
        self.entries.push(entry);
        self
    }

    /// The same list with a revoked certificate of the issuer of that Name (DER): certificateIssuer (RFC 5280 §5.3.3).
    /// The entries behind it are that issuer's as well.
    #[must_use]
    pub fn revoke_of(mut self, issuer: &[u8], serial: &[u8]) -> CrlSpec {
        let mut entry = CrlEntrySpec::new(serial, None);
        let value = sequence(&[&element(DIRECTORY_NAME, issuer)]);
        entry
            .more_extensions
            .push(extension(known::CERTIFICATE_ISSUER, true, &value));
        self.entries.push(entry);
        self
    }

    /// The same list as a delta over the complete list with this number.
    #[must_use]
    pub fn over(mut self, base_number: u64) -> CrlSpec {
        self.base_number = Some(base_number);
        self
    }

    /// The same list, which says that its deltas are at these URIs: freshestCRL (RFC 5280 §5.2.6).
    #[must_use]
    pub fn with_deltas_at(mut self, uris: &[&str]) -> CrlSpec {
        let uris: Vec<u8> = uris
            .iter()
            .flat_map(|uri| element(UNIFORM_RESOURCE_IDENTIFIER, uri.as_bytes()))
            .collect();
        let name = element(tag::context(0), &element(tag::context(0), &uris));
        let value = sequence(&[&sequence(&[&name])]);
        self.more_extensions
            .push(extension(known::FRESHEST_CRL, false, &value));
        self
    }

    /// The same list about a part of the certificates.
    #[must_use]
    pub fn about(mut self, scope: ScopeSpec) -> CrlSpec {
        self.scope = Some(scope);
        self
    }

    /// The same list with another thisUpdate.
    #[must_use]
    pub fn made_at(mut self, this_update: Time) -> CrlSpec {
        self.this_update = this_update;
        self
    }

    /// The same list with another nextUpdate.
    #[must_use]
    pub fn until(mut self, next_update: Time) -> CrlSpec {
        self.next_update = Some(next_update);
        self
    }

    pub(crate) fn signed_by(&self, issuer: &[u8], key: &TestKey) -> Vec<u8> {
        let algorithm = key.kind().signature_algorithm().der();
        let next_update = self.next_update.map(x509_time).unwrap_or_default();
        let entries: Vec<u8> = self.entries.iter().flat_map(CrlEntrySpec::der).collect();
        let entries = if entries.is_empty() {
            Vec::new()
        } else {
            element(tag::SEQUENCE, &entries)
        };
        let mut extensions = Vec::new();
        if let Some(number) = self.number {
            let value = integer(&unsigned_content(number));
            extensions.extend(extension(known::CRL_NUMBER, false, &value));
        }
        if self.unknown_critical_extension {
            extensions.extend(extension(UNKNOWN_EXTENSION, true, &element(tag::NULL, &[])));
        }
        if let Some(number) = self.base_number {
            let value = integer(&unsigned_content(number));
            extensions.extend(extension(known::DELTA_CRL_INDICATOR, true, &value));
        }
        if let Some(scope) = &self.scope {
            let point = known::ISSUING_DISTRIBUTION_POINT;
            extensions.extend(extension(point, true, &scope.der()));
        }
        if let Some(key_identifier) = &self.authority_key_id {
            let value = sequence(&[&element(tag::context_primitive(0), key_identifier)]);
            extensions.extend(extension(known::AUTHORITY_KEY_IDENTIFIER, false, &value));
        }
        extensions.extend(self.more_extensions.concat());
        let extensions = if extensions.is_empty() {
            Vec::new()
        } else {
            element(tag::context(0), &element(tag::SEQUENCE, &extensions))
        };
        let tbs = sequence(&[
            &integer(&[1]),
            algorithm,
            issuer,
            &x509_time(self.this_update),
            &next_update,
            &entries,
            &extensions,
        ]);
        sequence(&[&tbs, algorithm, &bit_string(&key.sign(&tbs))])
    }
}

impl ScopeSpec {
    /// One of several parts: the certificates whose own distribution point has this URI.
    pub fn part(uri: &str) -> ScopeSpec {
        ScopeSpec {
            uri: Some(uri.to_owned()),
            ..ScopeSpec::default()
        }
    }

    /// User certificates only.
    pub fn users() -> ScopeSpec {
        ScopeSpec {
            only_users: true,
            ..ScopeSpec::default()
        }
    }

    /// CA certificates only.
    pub fn authorities() -> ScopeSpec {
        ScopeSpec {
            only_authorities: true,
            ..ScopeSpec::default()
        }
    }

    /// Revocations for some reasons only.
    pub fn reasons(reasons: &[CrlReason]) -> ScopeSpec {
        ScopeSpec {
            only_reasons: reasons.to_vec(),
            ..ScopeSpec::default()
        }
    }

    /// With entries of other issuers.
    pub fn indirect() -> ScopeSpec {
        ScopeSpec {
            indirect: true,
            ..ScopeSpec::default()
        }
    }

    fn der(&self) -> Vec<u8> {
        let true_content = boolean_true().split_off(2);
        let flag = |number, is_set: bool| match is_set {
            true => element(tag::context_primitive(number), &true_content),
            false => Vec::new(),
        };
        let point = self.uri.as_ref().map(|uri| {
            let name = element(UNIFORM_RESOURCE_IDENTIFIER, uri.as_bytes());
            element(tag::context(0), &element(tag::context(0), &name))
        });
        let reasons = match self.only_reasons.is_empty() {
            true => Vec::new(),
            false => element(tag::context_primitive(3), &reason_flags(&self.only_reasons)),
        };
        sequence(&[
            &point.unwrap_or_default(),
            &flag(1, self.only_users),
            &flag(2, self.only_authorities),
            &reasons,
            &flag(4, self.indirect),
            &flag(5, self.only_attributes),
            &flag(9, self.unknown_field),
        ])
    }
}

/// ReasonFlags as content octets, without trailing zero bits (RFC 5280 §4.2.1.13).
fn reason_flags(reasons: &[CrlReason]) -> Vec<u8> {
    let mut bits: u16 = 0;
    for reason in reasons {
        let bit = match reason {
            CrlReason::PrivilegeWithdrawn => 7,
            CrlReason::AaCompromise => 8,
            reason => reason.code(),
        };
        bits |= 0x8000 >> bit;
    }
    let octets = match bits.to_be_bytes() {
        [first, 0] => vec![first],
        both => both.to_vec(),
    };
    let unused = octets.last().map_or(0, |last| last.trailing_zeros() as u8);
    [vec![unused], octets].concat()
}

/// reasonCode removeFromCRL.
const REMOVE_FROM_CRL: u8 = 8;
/// directoryName in a GeneralName.
const DIRECTORY_NAME: u8 = tag::context(4);
/// uniformResourceIdentifier: `[6] IMPLICIT IA5String` of GeneralName (RFC 5280 §4.2.1.6).
const UNIFORM_RESOURCE_IDENTIFIER: u8 = tag::context_primitive(6);

/// An hour before the first list of the process: one that is made twice is the same list, also over the end of a second.
static REVOKED: LazyLock<Time> = LazyLock::new(|| now().plus_seconds(-3600));

impl CrlEntrySpec {
    /// Revoked an hour ago.
    pub fn new(serial: &[u8], reason: Option<CrlReason>) -> CrlEntrySpec {
        CrlEntrySpec {
            serial: serial.to_vec(),
            revocation_time: *REVOKED,
            reason,
            says_unspecified: false,
            invalidity_date: None,
            unknown_critical_extension: false,
            more_extensions: Vec::new(),
        }
    }

    fn der(&self) -> Vec<u8> {
        let mut extensions = Vec::new();
        let unspecified = self.says_unspecified.then_some(0);
        if let Some(code) = self.reason.map(CrlReason::code).or(unspecified) {
            let value = element(tag::ENUMERATED, &[code]);
            extensions.extend(extension(known::REASON_CODE, false, &value));
        }
        if let Some(date) = self.invalidity_date {
            extensions.extend(extension(
                known::INVALIDITY_DATE,
                false,
                &generalized_time(date),
            ));
        }
        if self.unknown_critical_extension {
            extensions.extend(extension(UNKNOWN_EXTENSION, true, &element(tag::NULL, &[])));
        }
        extensions.extend(self.more_extensions.concat());
        let extensions = if extensions.is_empty() {
            Vec::new()
        } else {
            element(tag::SEQUENCE, &extensions)
        };
        sequence(&[
            &integer(&self.serial),
            &x509_time(self.revocation_time),
            &extensions,
        ])
    }
}

/// The same certificate or CRL with one bit of its signature turned: well-formed, and forged.
pub fn forge(der: &[u8]) -> Vec<u8> {
    let mut forged = der.to_vec();
    let last = forged.last_mut().expect("a signature at the end");
    *last ^= 0x01;
    forged
}
