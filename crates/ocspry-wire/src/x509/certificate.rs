//! A certificate as exact slices (RFC 5280 §4.1).
//!
//! From: files named in the configuration, and certificates enclosed in answers.  To: `core`, which matches issuers by
//! name and key and checks who may sign.  Load time only; bytes are kept as they are, never written anew.

pub use super::name::display_name;

use super::extension::{ExplicitFalse, Extensions};
use super::{SerialNumber, SignatureAlgorithm};
use crate::der::read::{AlgorithmParameters, whole};
use crate::der::{Reader, Tlv, oid, tag};
use crate::{DerError, DerErrorKind, Time};

/// A parsed certificate that borrows from its DER.
#[derive(Clone, Debug)]
pub struct Certificate<'a> {
    /// The whole certificate.
    pub der: &'a [u8],
    /// The exact tbsCertificate: what the signature covers.
    pub tbs: &'a [u8],
    /// The serial number.
    pub serial_number: SerialNumber,
    /// The issuer's Name, whole SEQUENCE.
    pub issuer: &'a [u8],
    /// The subject's Name, whole SEQUENCE.
    pub subject: &'a [u8],
    /// First second of validity.
    pub not_before: Time,
    /// Last second of validity.
    pub not_after: Time,
    /// The public key.
    pub public_key: SubjectPublicKeyInfo<'a>,
    /// None: an algorithm not known here.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The signature's octets.
    pub signature: &'a [u8],
    /// keyUsage, if present.
    pub key_usage: Option<KeyUsage>,
    /// subjectKeyIdentifier's octets, if it is present and can be read: what others call its key.
    pub subject_key_id: Option<&'a [u8]>,
    /// basicConstraints' cA (false when absent).
    pub is_ca: bool,
    /// Content of the ExtKeyUsageSyntax SEQUENCE, if present.
    pub ext_key_usage: Option<&'a [u8]>,
    /// id-pkix-ocsp-nocheck present?
    pub has_ocsp_nocheck: bool,
    /// What a responder's certificate is to look like beyond that, for those who check its profile.
    pub profile: ProfileFacts,
}

/// Facts that no decision hangs on, but which lint programs and root programs look at (CA/B BR 7.1.2.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProfileFacts {
    /// id-pkix-ocsp-nocheck with the value it is to have, NULL (RFC 6960 §4.2.2.2.1).
    pub ocsp_nocheck_is_null: bool,
    /// keyUsage is marked critical (RFC 5280 §4.2.1.3).
    pub key_usage_is_critical: bool,
    /// keyUsage has exactly digitalSignature.
    pub key_usage_is_digital_signature_only: bool,
    /// extKeyUsage names one purpose and no more.
    pub has_one_ext_key_usage: bool,
    /// subjectAltName is present.
    pub has_subject_alt_name: bool,
    /// cRLDistributionPoints is present.
    pub has_crl_distribution_points: bool,
    /// authorityInfoAccess says where to ask for this certificate's own status (RFC 5280 §4.2.2.1).
    pub has_ocsp_url: bool,
    /// authorityKeyIdentifier names the issuer's key (RFC 5280 §4.2.1.1).
    pub has_authority_key_id: bool,
}

/// subjectPublicKeyInfo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubjectPublicKeyInfo<'a> {
    /// The whole SEQUENCE.
    pub der: &'a [u8],
    /// Content octets of the algorithm's OID.
    pub algorithm: &'a [u8],
    /// Content octets of the parameters when they are an OID (named curve).
    pub curve: Option<&'a [u8]>,
    /// The BIT STRING's content without the unused-bits octet: what issuerKeyHash hashes, and what a verifier takes.
    pub key_bits: &'a [u8],
}

/// keyUsage bits that matter here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage {
    /// digitalSignature.
    pub digital_signature: bool,
    /// keyCertSign.
    pub key_cert_sign: bool,
    /// cRLSign.
    pub crl_sign: bool,
}

impl<'a> Certificate<'a> {
    /// Parses a whole certificate.
    ///
    /// Serials that RFC 5280 forbids but CAs have issued (negative, more than 20 octets, needless zeros) are taken.
    ///
    /// # Errors
    /// When it is not one DER Certificate, when the algorithm inside differs from the one outside
    /// (RFC 5280 §4.1.1.2), or when an extension that is read here does not parse or stands twice.
    pub fn from_der(input: &'a [u8]) -> Result<Self, DerError> {
        let certificate = whole(input, tag::SEQUENCE)?;
        let mut outer = Reader::inside(certificate);
        let tbs = outer.read(tag::SEQUENCE)?;
        let outer_algorithm = outer.read(tag::SEQUENCE)?;
        let signature = outer.read(tag::BIT_STRING)?.bit_string_octets()?;
        outer.finish()?;

        let mut fields = Reader::inside(tbs);
        if let Some(version) = fields.read_optional(tag::context(0))? {
            let version = version.only(tag::INTEGER)?;
            if !matches!(version.value, [0..=2]) {
                return Err(version.error(DerErrorKind::Value));
            }
        }
        let serial = fields.read(tag::INTEGER)?;
        let serial_number =
            SerialNumber::from_content(serial.value).ok_or(serial.error(DerErrorKind::Value))?;
        let inner_algorithm = fields.read(tag::SEQUENCE)?;
        if inner_algorithm.der != outer_algorithm.der {
            return Err(outer_algorithm.error(DerErrorKind::Value));
        }
        let issuer = fields.read(tag::SEQUENCE)?;
        let mut validity = Reader::inside(fields.read(tag::SEQUENCE)?);
        let not_before = Time::from_choice_tlv(validity.read_any()?)?;
        let not_after = Time::from_choice_tlv(validity.read_any()?)?;
        validity.finish()?;
        let subject = fields.read(tag::SEQUENCE)?;
        let public_key = SubjectPublicKeyInfo::from_tlv(fields.read(tag::SEQUENCE)?)?;
        fields.read_optional(tag::context_primitive(1))?;
        fields.read_optional(tag::context_primitive(2))?;
        let extensions = fields.read_optional(tag::context(3))?;
        fields.finish()?;

        let mut parsed = Certificate {
            der: certificate.der,
            tbs: tbs.der,
            serial_number,
            issuer: issuer.der,
            subject: subject.der,
            not_before,
            not_after,
            public_key,
            signature_algorithm: SignatureAlgorithm::from_der(outer_algorithm.der),
            signature,
            key_usage: None,
            subject_key_id: None,
            is_ca: false,
            ext_key_usage: None,
            has_ocsp_nocheck: false,
            profile: ProfileFacts::default(),
        };
        if let Some(extensions) = extensions {
            parsed.read_extensions(extensions.only(tag::SEQUENCE)?)?;
        }
        Ok(parsed)
    }

    fn read_extensions(&mut self, list: Tlv<'a>) -> Result<(), DerError> {
        let mut extensions = Extensions::inside(list, ExplicitFalse::Tolerated)?;
        while let Some(extension) = extensions.next()? {
            match extension.oid {
                oid::KEY_USAGE => {
                    let bit_string = extension.value.only(tag::BIT_STRING)?;
                    self.key_usage = Some(KeyUsage::from_tlv(bit_string)?);
                    self.profile.key_usage_is_critical = extension.critical;
                    self.profile.key_usage_is_digital_signature_only =
                        matches!(bit_string.value, [_, 0x80]);
                }
                oid::BASIC_CONSTRAINTS => {
                    self.is_ca = basic_constraints_ca(extension.value.only(tag::SEQUENCE)?)?
                }
                oid::EXT_KEY_USAGE => {
                    let purposes = extension.value.only(tag::SEQUENCE)?;
                    self.profile.has_one_ext_key_usage = count_purposes(purposes)? == 1;
                    self.ext_key_usage = Some(purposes.value);
                }
                oid::OCSP_NOCHECK => {
                    self.has_ocsp_nocheck = true;
                    self.profile.ocsp_nocheck_is_null = extension.value.value == NULL;
                }
                oid::SUBJECT_ALT_NAME => self.profile.has_subject_alt_name = true,
                oid::CRL_DISTRIBUTION_POINTS => self.profile.has_crl_distribution_points = true,
                // These are looked into, but a certificate is not refused for what is odd in them.
                oid::SUBJECT_KEY_IDENTIFIER => {
                    let key_id = extension.value.only(tag::OCTET_STRING);
                    self.subject_key_id = key_id.ok().map(|key_id| key_id.value);
                }
                oid::AUTHORITY_INFO_ACCESS => {
                    self.profile.has_ocsp_url = names_ocsp_url(extension.value).unwrap_or(false);
                }
                oid::AUTHORITY_KEY_IDENTIFIER => {
                    self.profile.has_authority_key_id =
                        names_key_id(extension.value).unwrap_or(false);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Does extKeyUsage name this purpose (OID content octets)?
    pub fn has_ext_key_usage(&self, purpose: &[u8]) -> bool {
        let mut purposes = Reader::new(self.ext_key_usage.unwrap_or_default());
        while let Ok(found) = purposes.read(tag::OID) {
            if found.value == purpose {
                return true;
            }
        }
        false
    }
}

/// The DER of NULL.
const NULL: &[u8] = &[tag::NULL, 0];

/// ExtKeyUsageSyntax ::= SEQUENCE SIZE (1..MAX) OF KeyPurposeId (RFC 5280 §4.2.1.12).
pub(super) fn count_purposes(purposes: Tlv<'_>) -> Result<usize, DerError> {
    let mut reader = Reader::inside(purposes);
    let mut count = 0;
    loop {
        reader.read(tag::OID)?.check_oid()?;
        count += 1;
        if reader.is_empty() {
            return Ok(count);
        }
    }
}

/// AuthorityInfoAccessSyntax ::= SEQUENCE OF AccessDescription: is one of them id-ad-ocsp (RFC 5280 §4.2.2.1)?
fn names_ocsp_url(value: Tlv<'_>) -> Result<bool, DerError> {
    let mut descriptions = Reader::inside(value.only(tag::SEQUENCE)?);
    while !descriptions.is_empty() {
        let mut description = Reader::inside(descriptions.read(tag::SEQUENCE)?);
        if description.read(tag::OID)?.value == oid::ACCESS_OCSP {
            return Ok(true);
        }
    }
    Ok(false)
}

/// AuthorityKeyIdentifier with its first field, keyIdentifier (RFC 5280 §4.2.1.1).
fn names_key_id(value: Tlv<'_>) -> Result<bool, DerError> {
    let mut fields = Reader::inside(value.only(tag::SEQUENCE)?);
    Ok(fields.read_optional(tag::context_primitive(0))?.is_some())
}

/// cA of BasicConstraints (RFC 5280 §4.2.1.9); FALSE written out is taken.
pub(super) fn basic_constraints_ca(constraints: Tlv<'_>) -> Result<bool, DerError> {
    let mut fields = Reader::inside(constraints);
    let is_ca = match fields.read_optional(tag::BOOLEAN)? {
        None => false,
        Some(boolean) => match boolean.value {
            [0xff] => true,
            [0x00] => false,
            _ => return Err(boolean.error(DerErrorKind::Value)),
        },
    };
    fields.read_optional(tag::INTEGER)?;
    fields.finish()?;
    Ok(is_ca)
}

impl KeyUsage {
    /// From the BIT STRING (RFC 5280 §4.2.1.3); bit 0 is the top bit of the first octet.
    pub(super) fn from_tlv(bit_string: Tlv<'_>) -> Result<KeyUsage, DerError> {
        let bits = match bit_string.value {
            [0..=7, bits, ..] => *bits,
            [0] => 0,
            _ => return Err(bit_string.error(DerErrorKind::Value)),
        };
        Ok(KeyUsage {
            digital_signature: bits & 0x80 != 0,
            key_cert_sign: bits & 0x04 != 0,
            crl_sign: bits & 0x02 != 0,
        })
    }
}

impl<'a> SubjectPublicKeyInfo<'a> {
    /// Parses a whole subjectPublicKeyInfo.
    ///
    /// # Errors
    /// When it is not one DER SubjectPublicKeyInfo whose key fills whole octets.
    pub fn from_der(input: &'a [u8]) -> Result<Self, DerError> {
        SubjectPublicKeyInfo::from_tlv(whole(input, tag::SEQUENCE)?)
    }

    pub(super) fn from_tlv(info: Tlv<'a>) -> Result<Self, DerError> {
        let mut fields = Reader::inside(info);
        let (algorithm, parameters) = fields.read(tag::SEQUENCE)?.algorithm_identifier()?;
        let key_bits = fields.read(tag::BIT_STRING)?.bit_string_octets()?;
        fields.finish()?;
        let curve = match parameters {
            AlgorithmParameters::Oid(curve) => Some(curve),
            AlgorithmParameters::Absent
            | AlgorithmParameters::Null
            | AlgorithmParameters::Other => None,
        };
        Ok(SubjectPublicKeyInfo {
            der: info.der,
            algorithm: algorithm.value,
            curve,
            key_bits,
        })
    }
}
