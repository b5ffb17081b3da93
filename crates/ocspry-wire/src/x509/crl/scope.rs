//! Which certificates a list speaks of: issuingDistributionPoint (RFC 5280 §5.2.5).  From: `extensions.rs`.  To: whoever
//! puts the lists of one issuer together.
//!
//! What is not understood here would make a list seem to cover more than it does, and silence would turn into "good":
//! it is refused, never passed over.

use super::{CrlDefects, CrlError};
use crate::DerError;
use crate::der::{DerErrorKind, Reader, Tlv, tag};
use crate::ocsp::CrlReason;
use crate::x509::extension::Extension;

/// IssuingDistributionPoint: which certificates, and which reasons, the list covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuingDistributionPoint {
    /// The exact extension value: lists of one scope have it in common (RFC 5280 §5.2.4 (b)).
    pub der: Vec<u8>,
    /// DER of the DistributionPointName, if there is one: what a certificate's own distribution point names.
    pub distribution_point: Option<Vec<u8>>,
    /// The URIs among its names, whatever their scheme.
    pub uris: Vec<String>,
    /// onlyContainsUserCerts: certificates of subjects that are no CAs.
    pub only_contains_user_certs: bool,
    /// onlyContainsCACerts: certificates of CAs.
    pub only_contains_ca_certs: bool,
    /// onlyContainsAttributeCerts: no public key certificates at all.
    pub only_contains_attribute_certs: bool,
    /// onlySomeReasons: revocations for other reasons stand elsewhere.
    pub only_some_reasons: Option<ReasonFlags>,
    /// indirectCRL: entries may be about certificates of other issuers.
    pub indirect_crl: bool,
}

/// ReasonFlags (RFC 5280 §4.2.1.13): a set of revocation reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReasonFlags {
    /// Bit n of the BIT STRING is bit n here.
    bits: u16,
}

impl ReasonFlags {
    /// Is this reason in the set?
    pub const fn contains(self, reason: CrlReason) -> bool {
        self.bits & (1 << bit(reason)) != 0
    }

    /// From an IMPLICIT BIT STRING.
    fn from_tlv(flags: Tlv<'_>) -> Result<ReasonFlags, CrlError> {
        let (unused, octets) = match flags.value {
            [unused @ 0..=7, octets @ ..] if *unused == 0 || !octets.is_empty() => {
                (*unused, octets)
            }
            _ => return Err(flags.error(DerErrorKind::Value).into()),
        };
        let mut bits = 0;
        for number in 0..octets.len() * 8 - usize::from(unused) {
            if octets[number / 8] & (0x80 >> (number % 8)) == 0 {
                continue;
            }
            if number > LAST_REASON_BIT {
                return Err(CrlError::UnknownScope {
                    offset: flags.offset(),
                });
            }
            bits |= 1 << number;
        }
        Ok(ReasonFlags { bits })
    }
}

/// The number of a reason's bit, which is its code but for the last two.
const fn bit(reason: CrlReason) -> u8 {
    match reason {
        CrlReason::KeyCompromise
        | CrlReason::CaCompromise
        | CrlReason::AffiliationChanged
        | CrlReason::Superseded
        | CrlReason::CessationOfOperation
        | CrlReason::CertificateHold => reason.code(),
        CrlReason::PrivilegeWithdrawn => 7,
        CrlReason::AaCompromise => 8,
    }
}

/// aACompromise.
const LAST_REASON_BIT: usize = 8;

impl IssuingDistributionPoint {
    pub(super) fn from_extension(
        extension: Extension<'_>,
        defects: &mut CrlDefects,
    ) -> Result<IssuingDistributionPoint, CrlError> {
        let sequence = extension.value.only(tag::SEQUENCE)?;
        defects.uncritical_scopes += u64::from(!extension.critical);
        defects.empty_scopes += u64::from(sequence.value.is_empty());
        let mut fields = Reader::inside(sequence);
        let (distribution_point, uris) = match fields.read_optional(tag::context(0))? {
            None => (None, Vec::new()),
            Some(field) => {
                let (name, uris) = read_distribution_point_name(field)?;
                (Some(name.der.to_vec()), uris.map(str::to_owned).collect())
            }
        };
        let only_contains_user_certs = read_flag(&mut fields, 1, defects)?;
        let only_contains_ca_certs = read_flag(&mut fields, 2, defects)?;
        let only_some_reasons = match fields.read_optional(tag::context_primitive(3))? {
            None => None,
            Some(flags) => Some(ReasonFlags::from_tlv(flags)?),
        };
        let indirect_crl = read_flag(&mut fields, 4, defects)?;
        let only_contains_attribute_certs = read_flag(&mut fields, 5, defects)?;
        if !fields.is_empty() {
            return Err(CrlError::UnknownScope {
                offset: fields.offset(),
            });
        }
        let kinds = [
            only_contains_user_certs,
            only_contains_ca_certs,
            only_contains_attribute_certs,
        ];
        if kinds.into_iter().filter(|only| *only).count() > 1 {
            return Err(CrlError::ContradictoryScope {
                offset: sequence.offset(),
            });
        }
        Ok(IssuingDistributionPoint {
            der: sequence.der.to_vec(),
            distribution_point,
            uris,
            only_contains_user_certs,
            only_contains_ca_certs,
            only_contains_attribute_certs,
            only_some_reasons,
            indirect_crl,
        })
    }
}

/// `[number] IMPLICIT BOOLEAN DEFAULT FALSE`.
fn read_flag(
    fields: &mut Reader<'_>,
    number: u8,
    defects: &mut CrlDefects,
) -> Result<bool, DerError> {
    let Some(flag) = fields.read_optional(tag::context_primitive(number))? else {
        return Ok(false);
    };
    match flag.value {
        [0xff] => Ok(true),
        [0x00] => {
            defects.explicit_defaults += 1;
            Ok(false)
        }
        _ => Err(flag.error(DerErrorKind::Value)),
    }
}

/// The DistributionPointName in `field`, a `[0] EXPLICIT` (RFC 5280 §4.2.1.13), and the URIs in it that can be shown.
pub(super) fn read_distribution_point_name<'a>(
    field: Tlv<'a>,
) -> Result<(Tlv<'a>, impl Iterator<Item = &'a str>), CrlError> {
    let mut reader = Reader::inside(field);
    let name = reader.read_any()?;
    reader.finish()?;
    let names = match name.tag {
        FULL_NAME if name.value.is_empty() => return Err(name.error(DerErrorKind::Value).into()),
        FULL_NAME => Reader::inside(name),
        NAME_RELATIVE_TO_CRL_ISSUER => Reader::new(&[]),
        _ => {
            return Err(CrlError::UnknownScope {
                offset: name.offset(),
            });
        }
    };
    let mut checked = names.clone();
    while !checked.is_empty() {
        checked.read_any()?;
    }
    Ok((name, uris(names)))
}

/// How many names a DistributionPointName has; one that is relative to the CRL's issuer is one.
pub(super) fn names_in(name: Tlv<'_>) -> u64 {
    if name.tag != FULL_NAME {
        return 1;
    }
    let mut names = Reader::inside(name);
    core::iter::from_fn(move || names.read_any().ok()).count() as u64
}

/// The URIs among GeneralNames that were checked, but those with octets that no URI has.
fn uris<'a>(mut names: Reader<'a>) -> impl Iterator<Item = &'a str> {
    core::iter::from_fn(move || names.read_any().ok())
        .filter(|name| name.tag == UNIFORM_RESOURCE_IDENTIFIER)
        .filter(|name| name.value.iter().all(u8::is_ascii_graphic))
        .filter_map(|name| core::str::from_utf8(name.value).ok())
}

/// fullName: `[0] IMPLICIT GeneralNames`.
const FULL_NAME: u8 = tag::context(0);
/// nameRelativeToCRLIssuer: `[1] IMPLICIT RelativeDistinguishedName`.
const NAME_RELATIVE_TO_CRL_ISSUER: u8 = tag::context(1);
/// uniformResourceIdentifier: `[6] IMPLICIT IA5String` (RFC 5280 §4.2.1.6).
const UNIFORM_RESOURCE_IDENTIFIER: u8 = tag::context_primitive(6);
