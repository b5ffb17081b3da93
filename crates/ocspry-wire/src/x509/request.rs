//! A request for a certificate (PKCS#10, RFC 2986 §4) as exact slices.
//!
//! From: files that strangers made.  To: the CA, which checks the signature and takes the key, and subject and names where
//! its operator says so.  What else is asked for is read only to be named.

use super::certificate::{basic_constraints_ca, count_purposes};
use super::extension::{ExplicitFalse, Extensions};
use super::{KeyUsage, SignatureAlgorithm, SubjectPublicKeyInfo};
use crate::der::read::whole;
use crate::der::{Reader, Tlv, oid, tag};
use crate::{DerError, DerErrorKind};

/// Most attributes that are read of one request; OpenSSL writes one, Microsoft four.
pub const ATTRIBUTES_MAX: usize = 16;

/// A parsed request that borrows from its DER.  The signature is not checked here.
#[derive(Clone, Debug)]
pub struct CertificationRequest<'a> {
    /// The exact certificationRequestInfo: what the signature covers.
    pub info: &'a [u8],
    /// The subject's Name, whole SEQUENCE.
    pub subject: &'a [u8],
    /// The public key.
    pub public_key: SubjectPublicKeyInfo<'a>,
    /// None: an algorithm not known here.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The signature's octets.
    pub signature: &'a [u8],
    /// What its extensionRequest asks for (RFC 2985 §5.4.2).
    pub requested: RequestedExtensions<'a>,
}

/// The extensions that a request asks for; each is a wish.
#[derive(Clone, Debug, Default)]
pub struct RequestedExtensions<'a> {
    /// basicConstraints with cA TRUE.
    pub is_ca: bool,
    /// keyUsage.
    pub key_usage: Option<KeyUsage>,
    /// Content of the ExtKeyUsageSyntax SEQUENCE.
    pub ext_key_usage: Option<&'a [u8]>,
    /// The GeneralNames SEQUENCE of subjectAltName, whole; what is in it has not been looked at.
    pub subject_alt_name: Option<&'a [u8]>,
    /// Content octets of the OIDs of all others.
    pub others: Vec<&'a [u8]>,
}

impl<'a> CertificationRequest<'a> {
    /// Parses a whole request.
    ///
    /// The attributes may be missing altogether, as some programs leave them out; their order is not looked at.
    ///
    /// # Errors
    /// When it is not one DER CertificationRequest of version 1, when an extension that is read here does not parse or is
    /// asked for twice, or when it has more than [`ATTRIBUTES_MAX`] attributes.
    pub fn from_der(input: &'a [u8]) -> Result<Self, DerError> {
        let mut outer = Reader::inside(whole(input, tag::SEQUENCE)?);
        let info = outer.read(tag::SEQUENCE)?;
        let algorithm = outer.read(tag::SEQUENCE)?;
        let signature = outer.read(tag::BIT_STRING)?.bit_string_octets()?;
        outer.finish()?;

        let mut fields = Reader::inside(info);
        let version = fields.read(tag::INTEGER)?;
        if version.value != [0] {
            return Err(version.error(DerErrorKind::Value));
        }
        let subject = fields.read(tag::SEQUENCE)?;
        let public_key = SubjectPublicKeyInfo::from_tlv(fields.read(tag::SEQUENCE)?)?;
        let attributes = fields.read_optional(tag::context(0))?;
        fields.finish()?;

        Ok(CertificationRequest {
            info: info.der,
            subject: subject.der,
            public_key,
            signature_algorithm: SignatureAlgorithm::from_der(algorithm.der),
            signature,
            requested: match attributes {
                Some(attributes) => requested_extensions(attributes)?,
                None => RequestedExtensions::default(),
            },
        })
    }
}

/// Looks for extensionRequest among the attributes; the others (challengePassword and the like) are passed over.
fn requested_extensions(attributes: Tlv<'_>) -> Result<RequestedExtensions<'_>, DerError> {
    let mut reader = Reader::inside(attributes);
    let mut requested = None;
    let mut count = 0;
    while !reader.is_empty() {
        let attribute = reader.read(tag::SEQUENCE)?;
        count += 1;
        if count > ATTRIBUTES_MAX {
            return Err(attribute.error(DerErrorKind::TooMany));
        }
        let mut fields = Reader::inside(attribute);
        let attribute_type = fields.read(tag::OID)?;
        attribute_type.check_oid()?;
        let values = fields.read(tag::SET)?;
        fields.finish()?;
        if !matches!(
            attribute_type.value,
            oid::EXTENSION_REQUEST | oid::MICROSOFT_EXTENSION_REQUEST
        ) {
            continue;
        }
        let extensions = RequestedExtensions::from_tlv(values.only(tag::SEQUENCE)?)?;
        if requested.replace(extensions).is_some() {
            return Err(attribute.error(DerErrorKind::DuplicateExtension));
        }
    }
    Ok(requested.unwrap_or_default())
}

impl<'a> RequestedExtensions<'a> {
    fn from_tlv(list: Tlv<'a>) -> Result<Self, DerError> {
        let mut requested = RequestedExtensions::default();
        let mut extensions = Extensions::inside(list, ExplicitFalse::Tolerated)?;
        while let Some(extension) = extensions.next()? {
            let value = extension.value;
            match extension.oid {
                oid::BASIC_CONSTRAINTS => {
                    requested.is_ca = basic_constraints_ca(value.only(tag::SEQUENCE)?)?;
                }
                oid::KEY_USAGE => {
                    requested.key_usage = Some(KeyUsage::from_tlv(value.only(tag::BIT_STRING)?)?);
                }
                oid::EXT_KEY_USAGE => {
                    let purposes = value.only(tag::SEQUENCE)?;
                    count_purposes(purposes)?;
                    requested.ext_key_usage = Some(purposes.value);
                }
                oid::SUBJECT_ALT_NAME => {
                    requested.subject_alt_name = Some(value.only(tag::SEQUENCE)?.der);
                }
                other => requested.others.push(other),
            }
        }
        Ok(requested)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::write::{push, push_nested};

    /// The attributes of a request: type and values.
    type Attribute<'a> = (&'a [u8], &'a [u8]);

    fn request(version: u8, attributes: Option<&[Attribute<'_>]>) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push_nested(out, tag::SEQUENCE, |info| {
                push(info, tag::INTEGER, &[version]);
                push(info, tag::SEQUENCE, &[]);
                push_nested(info, tag::SEQUENCE, |key| {
                    push_nested(key, tag::SEQUENCE, |id| push(id, tag::OID, oid::ED25519));
                    push(key, tag::BIT_STRING, &[0; 33]);
                });
                let Some(attributes) = attributes else { return };
                push_nested(info, tag::context(0), |out| {
                    for (attribute_type, values) in attributes {
                        push_nested(out, tag::SEQUENCE, |attribute| {
                            push(attribute, tag::OID, attribute_type);
                            push(attribute, tag::SET, values);
                        });
                    }
                });
            });
            out.extend_from_slice(SignatureAlgorithm::Ed25519.der());
            push(out, tag::BIT_STRING, &[0; 65]);
        });
        der
    }

    fn extensions(list: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            for (oid, value) in list {
                push_nested(out, tag::SEQUENCE, |extension| {
                    push(extension, tag::OID, oid);
                    push(extension, tag::OCTET_STRING, value);
                });
            }
        });
        der
    }

    fn refused(der: &[u8]) -> DerErrorKind {
        CertificationRequest::from_der(der).unwrap_err().kind
    }

    #[test]
    fn a_request_gives_its_key_its_name_and_its_wishes() {
        let wishes = extensions(&[
            (oid::BASIC_CONSTRAINTS, b"\x30\x03\x01\x01\xff"),
            (oid::KEY_USAGE, b"\x03\x02\x01\x06"),
            (oid::EXT_KEY_USAGE, b"\x30\x05\x06\x03\x55\x1d\x25"),
            (oid::SUBJECT_ALT_NAME, b"\x30\x03\x82\x01a"),
            (oid::OCSP_NOCHECK, b"\x05\x00"),
        ]);
        for oid in [oid::EXTENSION_REQUEST, oid::MICROSOFT_EXTENSION_REQUEST] {
            let der = request(0, Some(&[(&[0x55, 4, 3], b"\x0c\x01x"), (oid, &wishes)]));
            let read = CertificationRequest::from_der(&der).unwrap();
            assert_eq!(read.subject, [0x30, 0x00]);
            assert_eq!(read.public_key.key_bits, [0; 32]);
            assert_eq!(read.signature_algorithm, Some(SignatureAlgorithm::Ed25519));
            assert_eq!(read.signature, [0; 64]);
            assert!(der.windows(read.info.len()).any(|part| part == read.info));
            let requested = read.requested;
            assert!(requested.is_ca);
            assert!(requested.key_usage.unwrap().key_cert_sign);
            assert_eq!(requested.ext_key_usage, Some(&wishes_purpose()[..]));
            assert_eq!(requested.subject_alt_name, Some(&b"\x30\x03\x82\x01a"[..]));
            assert_eq!(requested.others, [oid::OCSP_NOCHECK]);
        }
    }

    fn wishes_purpose() -> [u8; 5] {
        *b"\x06\x03\x55\x1d\x25"
    }

    #[test]
    fn attributes_may_be_missing_or_empty() {
        for attributes in [None, Some(&[][..])] {
            let der = request(0, attributes);
            let read = CertificationRequest::from_der(&der).unwrap();
            assert!(!read.requested.is_ca && read.requested.others.is_empty());
        }
    }

    #[test]
    fn another_version_and_octets_behind_are_refused() {
        assert_eq!(refused(&request(1, None)), DerErrorKind::Value);
        let mut der = request(0, None);
        der.push(0);
        assert_eq!(refused(&der), DerErrorKind::TrailingData);
        let der = request(0, None);
        for length in 0..der.len() {
            assert!(
                CertificationRequest::from_der(&der[..length]).is_err(),
                "{length}"
            );
        }
    }

    #[test]
    fn wishes_that_contradict_each_other_are_refused() {
        let wish = extensions(&[(oid::OCSP_NOCHECK, b"\x05\x00")]);
        let twice = (oid::EXTENSION_REQUEST, &wish[..]);
        let der = request(0, Some(&[twice, twice]));
        assert_eq!(refused(&der), DerErrorKind::DuplicateExtension);
        let wish = extensions(&[(oid::OCSP_NOCHECK, b""), (oid::OCSP_NOCHECK, b"")]);
        let der = request(0, Some(&[(oid::EXTENSION_REQUEST, &wish)]));
        assert_eq!(refused(&der), DerErrorKind::DuplicateExtension);
        let der = request(0, Some(&[(oid::EXTENSION_REQUEST, b"")]));
        assert_eq!(refused(&der), DerErrorKind::Truncated);
    }

    #[test]
    fn more_attributes_than_the_bound_are_refused() {
        let attribute: Attribute<'_> = (&[0x55, 4, 3], b"");
        let all = [attribute; ATTRIBUTES_MAX + 1];
        assert!(CertificationRequest::from_der(&request(0, Some(&all[1..]))).is_ok());
        assert_eq!(refused(&request(0, Some(&all))), DerErrorKind::TooMany);
    }
}
