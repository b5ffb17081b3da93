//! crlExtensions (RFC 5280 §5.2): which list this is, of which scope, and what belongs to it.  From: `parser.rs`, after
//! the last entry.  To: whoever decides whether the list counts, and beside which others.

use super::scope::{IssuingDistributionPoint, names_in, read_distribution_point_name};
use super::{CrlDefects, CrlError, read_time};
use crate::der::{DerErrorKind, Reader, Tlv, oid, tag};
use crate::x509::extension::{ExplicitFalse, Extension, Extensions};
use crate::{DerError, Time};

/// Most octets of a cRLNumber (RFC 5280 §5.2.3).
pub const CRL_NUMBER_OCTETS_MAX: usize = 20;

/// What a list's extensions say.  Those not named here are passed over, or refuse the list if they are critical.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CrlExtensions {
    /// cRLNumber's content octets without leading zeros (zero itself is one octet); at most 20 octets.
    pub crl_number: Option<Vec<u8>>,
    /// keyIdentifier of the authorityKeyIdentifier.
    pub authority_key_id: Option<Vec<u8>>,
    /// authorityKeyIdentifier, the whole extension value: a delta and its base have it in common (RFC 5280 §5.2.4 (b)).
    pub authority_key_id_der: Option<Vec<u8>>,
    /// BaseCRLNumber of a deltaCRLIndicator, written like `crl_number`: this is a delta, no complete list.  So it is
    /// where the extension is not critical, as it must be: who takes a delta for a complete list calls certificates good
    /// that nobody spoke of.
    pub base_crl_number: Option<Vec<u8>>,
    /// issuingDistributionPoint; None: all certificates of the CRL's issuer, for all reasons.
    pub issuing_distribution_point: Option<IssuingDistributionPoint>,
    /// freshestCRL: where deltas to this list are, as far as http and https reach (RFC 5280 §5.2.6).  Whoever signed the
    /// list chose these addresses.
    pub freshest_crl: Vec<String>,
    /// How many names freshestCRL has beside those: LDAP, directory names, names relative to the CRL's issuer.
    pub freshest_crl_other_names: u64,
    /// Microsoft's Next CRL Publish: when the next list comes, before this one ends.
    pub next_publish: Option<Time>,
    /// expiredCertsOnCRL: certificates that ran out after this are still listed (X.509 §9.5.2.8).
    pub expired_certs_on_crl: Option<Time>,
}

impl CrlExtensions {
    pub(super) fn read(list: Tlv<'_>, defects: &mut CrlDefects) -> Result<Self, CrlError> {
        let mut found = CrlExtensions::default();
        let mut extensions = Extensions::inside(list, ExplicitFalse::Tolerated)?;
        while let Some(extension) = extensions.next()? {
            found.take(extension, defects)?;
        }
        defects.explicit_defaults += extensions.explicit_false_count();
        Ok(found)
    }

    fn take(&mut self, extension: Extension<'_>, defects: &mut CrlDefects) -> Result<(), CrlError> {
        match extension.oid {
            oid::CRL_NUMBER => {
                self.crl_number = Some(read_crl_number(extension.value.only(tag::INTEGER)?)?);
            }
            oid::AUTHORITY_KEY_IDENTIFIER => {
                let identifier = extension.value.only(tag::SEQUENCE)?;
                self.authority_key_id = Reader::inside(identifier)
                    .read_optional(tag::context_primitive(0))?
                    .map(|id| id.value.to_vec());
                self.authority_key_id_der = Some(identifier.der.to_vec());
            }
            oid::DELTA_CRL_INDICATOR => {
                let number = read_crl_number(extension.value.only(tag::INTEGER)?)?;
                self.base_crl_number = Some(number);
                defects.uncritical_delta_indicators += u64::from(!extension.critical);
            }
            oid::ISSUING_DISTRIBUTION_POINT => {
                let scope = IssuingDistributionPoint::from_extension(extension, defects)?;
                self.issuing_distribution_point = Some(scope);
            }
            oid::FRESHEST_CRL => {
                (self.freshest_crl, self.freshest_crl_other_names) =
                    read_freshest_crl(extension.value)
                        .or_else(|error| left_out(extension, error, defects))?;
            }
            oid::MICROSOFT_NEXT_PUBLISH => {
                self.next_publish = read_next_publish(extension.value, defects)
                    .or_else(|error| left_out(extension, error, defects))?;
            }
            oid::EXPIRED_CERTS_ON_CRL => {
                self.expired_certs_on_crl = read_expired_certs(extension.value)
                    .or_else(|error| left_out(extension, error, defects))?;
            }
            _ if extension.critical => {
                return Err(CrlError::UnknownCriticalExtension {
                    offset: extension.offset,
                });
            }
            _ => extension.pass_over()?,
        }
        Ok(())
    }
}

/// An extension that only adds to what the list says, and cannot be read: nothing, unless it is critical.
fn left_out<T: Default>(
    extension: Extension<'_>,
    error: CrlError,
    defects: &mut CrlDefects,
) -> Result<T, CrlError> {
    if extension.critical {
        return Err(error);
    }
    defects.unreadable_extensions += 1;
    Ok(T::default())
}

/// CRLNumber ::= INTEGER (0..MAX), at most 20 octets (RFC 5280 §5.2.3).
fn read_crl_number(number: Tlv<'_>) -> Result<Vec<u8>, DerError> {
    number.check_integer()?;
    let content = match number.value {
        [0x00, rest @ ..] if !rest.is_empty() => rest,
        [0x80..=0xff, ..] => return Err(number.error(DerErrorKind::Value)),
        content => content,
    };
    if content.len() > CRL_NUMBER_OCTETS_MAX {
        return Err(number.error(DerErrorKind::Value));
    }
    Ok(content.to_vec())
}

/// FreshestCRL ::= CRLDistributionPoints ::= SEQUENCE SIZE (1..MAX) OF DistributionPoint (RFC 5280 §4.2.1.13, §5.2.6).
/// The http and https URIs, and how many names are something else.  Its reasons and cRLIssuer are not asked: what a delta
/// covers, it says itself.
fn read_freshest_crl(value: Tlv<'_>) -> Result<(Vec<String>, u64), CrlError> {
    let mut points = Reader::inside(value.only(tag::SEQUENCE)?);
    if points.is_empty() {
        return Err(value.error(DerErrorKind::Value).into());
    }
    let (mut found, mut name_count) = (Vec::new(), 0);
    while !points.is_empty() {
        let mut fields = Reader::inside(points.read(tag::SEQUENCE)?);
        if let Some(field) = fields.read_optional(tag::context(0))? {
            let (name, uris) = read_distribution_point_name(field)?;
            name_count += names_in(name);
            found.extend(uris.filter(|uri| is_http(uri)).map(str::to_owned));
        }
        fields.read_optional(tag::context_primitive(1))?;
        fields.read_optional(tag::context(2))?;
        fields.finish()?;
    }
    let other_names = name_count.saturating_sub(found.len() as u64);
    Ok((found, other_names))
}

/// Schemes are written in either case (RFC 3986 §3.1).
fn is_http(uri: &str) -> bool {
    uri.split_once("://").is_some_and(|(scheme, _)| {
        scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https")
    })
}

/// Next CRL Publish: Time, in either spelling.
fn read_next_publish(value: Tlv<'_>, defects: &mut CrlDefects) -> Result<Option<Time>, CrlError> {
    let mut reader = Reader::inside(value);
    let time = reader.read_any()?;
    reader.finish()?;
    Ok(Some(read_time(time, defects)?))
}

/// ExpiredCertsOnCRL ::= GeneralizedTime.
fn read_expired_certs(value: Tlv<'_>) -> Result<Option<Time>, CrlError> {
    let time = value.only(tag::GENERALIZED_TIME)?;
    Ok(Some(Time::from_generalized_tlv(time)?))
}
