//! One certificate (RFC 5280 §4.1), from what is asked for to its signed DER.  From: `authority.rs`.  To: its caller.
//!
//! The certified key and the profile decide everything; nothing is copied from a certificate request.  The issuer's name
//! goes in octet for octet as it stands in the issuer's certificate, because clients compare octets.

use crate::authority::key_identifier;
use crate::{BACKDATED_SECONDS, CaError, CaKey, CertificateAuthority, signed};
use aws_lc_rs::rand;
use der::asn1::{AnyRef, Ia5String, Null, ObjectIdentifier, OctetString, SetOfVec};
use der::oid::AssociatedOid;
use der::{DateTime, Decode, Encode, Sequence};
use ocspry_core::{OwnedCertificate, Signer as _};
use ocspry_wire::Time;
use ocspry_wire::x509::SubjectPublicKeyInfo;
use std::net::IpAddr;
use std::time::Duration;
use x509_cert::Version;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
    ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::Validity;

/// What a certificate shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest<'a> {
    /// Whose it is.
    pub subject: Subject,
    /// The key to certify, as DER SubjectPublicKeyInfo.
    pub public_key_info: &'a [u8],
    /// What it is for.
    pub profile: Profile,
    /// How long it is valid, from `now` on; cut to the issuer's own notAfter.
    pub lifetime: Duration,
}

/// A subject's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// commonName: 1 to 64 characters.
    pub common_name: String,
    /// organizationName: 1 to 64 characters.
    pub organization: Option<String>,
}

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// A CA below this one.
    Intermediate {
        /// How many CAs may follow below it; None sets no limit.
        path_len: Option<u8>,
    },
    /// A delegated responder (RFC 6960 §4.2.2.2), with ocsp-nocheck: clients do not ask for its own status.
    OcspResponder,
    /// A TLS server.
    Server {
        /// DNS names, `*.` in front allowed.
        dns_names: Vec<String>,
        /// IP addresses.
        ip_addresses: Vec<IpAddr>,
        /// Where clients ask for its status, if anywhere: goes into authorityInfoAccess.
        ocsp_url: Option<String>,
    },
}

impl Profile {
    /// The usual lifetime: 5 years for an intermediate, 30 days for a responder, 365 days for a server.
    pub const fn usual_lifetime(&self) -> Duration {
        const DAY: u64 = 86_400;
        Duration::from_secs(match self {
            Profile::Intermediate { .. } => 5 * 365 * DAY,
            Profile::OcspResponder => 30 * DAY,
            Profile::Server { .. } => 365 * DAY,
        })
    }
}

/// Issues one certificate; the CA is valid at `now`.
pub(crate) fn issue(
    ca: &CertificateAuthority,
    request: &CertificateRequest<'_>,
    now: Time,
) -> Result<OwnedCertificate, CaError> {
    let issuer = ca.certificate().view();
    let public_key =
        SubjectPublicKeyInfo::from_der(request.public_key_info).map_err(|_| CaError::PublicKey)?;

    let mut extensions = match &request.profile {
        Profile::Intermediate { path_len } => ca_extensions(path_len_below(ca, *path_len)?),
        Profile::OcspResponder => responder_extensions(),
        Profile::Server {
            dns_names,
            ip_addresses,
            ocsp_url,
        } => server_extensions(dns_names, ip_addresses, ocsp_url.as_deref()),
    }?;
    extensions.extend(key_identifiers(public_key.key_bits, ca.key_identifier())?);

    sign(
        Contents {
            issuer: issuer.subject,
            not_before: now.plus_seconds(-BACKDATED_SECONDS).max(issuer.not_before),
            not_after: end_of(request.lifetime, now).min(issuer.not_after),
            subject: &request.subject.to_der()?,
            public_key_info: request.public_key_info,
            extensions,
        },
        ca.key(),
    )
}

/// Issues the certificate of a root to itself.
pub(crate) fn self_signed(
    key: &CaKey,
    subject: &Subject,
    lifetime: Duration,
    now: Time,
) -> Result<OwnedCertificate, CaError> {
    let public_key =
        SubjectPublicKeyInfo::from_der(key.public_key_info()).map_err(|_| CaError::PublicKey)?;
    let mut extensions = ca_extensions(None)?;
    extensions.extend(key_identifiers(
        public_key.key_bits,
        &key_identifier(public_key.key_bits),
    )?);
    let name = subject.to_der()?;
    sign(
        Contents {
            issuer: &name,
            not_before: now.plus_seconds(-BACKDATED_SECONDS),
            not_after: end_of(lifetime, now),
            subject: &name,
            public_key_info: key.public_key_info(),
            extensions,
        },
        key,
    )
}

fn end_of(lifetime: Duration, now: Time) -> Time {
    now.plus_seconds(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
}

/// What may follow below an intermediate: what was asked for, but less than the CA itself may have below it
/// (RFC 5280 §6.1.4 (m)).
fn path_len_below(ca: &CertificateAuthority, asked: Option<u8>) -> Result<Option<u8>, CaError> {
    match ca.path_len() {
        None => Ok(asked),
        Some(own) => match own.checked_sub(1) {
            Some(most) => Ok(Some(asked.map_or(most, |asked| asked.min(most)))),
            None => Err(CaError::PathLength {
                issuer: ca.name(),
                path_len: own,
            }),
        },
    }
}

/// What is signed, but for version, serial number and algorithm.
struct Contents<'a> {
    issuer: &'a [u8],
    not_before: Time,
    not_after: Time,
    subject: &'a [u8],
    public_key_info: &'a [u8],
    extensions: Extensions,
}

fn sign(contents: Contents<'_>, key: &CaKey) -> Result<OwnedCertificate, CaError> {
    let encode = |source| CaError::Encode {
        what: "the certificate",
        source,
    };
    let tbs = TbsCertificate {
        version: Version::V3,
        serial_number: new_serial_number()?,
        signature: AnyRef::from_der(key.signer().algorithm().der()).map_err(encode)?,
        issuer: AnyRef::from_der(contents.issuer).map_err(encode)?,
        validity: Validity::new(
            x509_time(contents.not_before).map_err(encode)?,
            x509_time(contents.not_after).map_err(encode)?,
        ),
        subject: AnyRef::from_der(contents.subject).map_err(encode)?,
        subject_public_key_info: AnyRef::from_der(contents.public_key_info).map_err(encode)?,
        extensions: contents.extensions,
    };
    let der = signed::sign(&tbs.to_der().map_err(encode)?, key)?;
    OwnedCertificate::from_der(der).map_err(|error| CaError::NotReadable {
        offset: error.offset,
    })
}

/// TBSCertificate (RFC 5280 §4.1).  Our own, because that of `x509-cert` decodes and encodes names anew.
#[derive(Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: SerialNumber,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    subject_public_key_info: AnyRef<'a>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

/// 16 random octets: positive, and of the same length always, because the top two bits are 01.
fn new_serial_number() -> Result<SerialNumber, CaError> {
    let mut octets = [0; 16];
    rand::fill(&mut octets).map_err(|_| CaError::Random)?;
    octets[0] = octets[0] & 0x3f | 0x40;
    SerialNumber::new(&octets).map_err(|source| CaError::Encode {
        what: "the serial number",
        source,
    })
}

/// UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5).
fn x509_time(time: Time) -> der::Result<x509_cert::time::Time> {
    let (year, month, day, hour, minute, second) = time.civil();
    DateTime::new(year, month, day, hour, minute, second).map(x509_cert::time::Time::from)
}

impl Subject {
    /// Name (RFC 5280 §4.1.2.4), organization first, as UTF8String.
    fn to_der(&self) -> Result<Vec<u8>, CaError> {
        /// ub-common-name and ub-organization-name (RFC 5280 Appendix A.1).
        const CHARACTERS_MAX: usize = 64;

        let organization = self
            .organization
            .as_deref()
            .map(|text| ("organizationName", ORGANIZATION, text));
        let common_name = ("commonName", COMMON_NAME, self.common_name.as_str());
        let mut name = Vec::new();
        for (field, oid, text) in organization.into_iter().chain([common_name]) {
            let characters = text.chars().count();
            if characters == 0 || characters > CHARACTERS_MAX {
                return Err(CaError::SubjectField {
                    field,
                    characters,
                    characters_max: CHARACTERS_MAX,
                });
            }
            name.push(relative_name(oid, text).map_err(encode_error("the subject"))?);
        }
        name.to_der().map_err(encode_error("the subject"))
    }
}

fn relative_name(
    oid: ObjectIdentifier,
    text: &str,
) -> der::Result<SetOfVec<AttributeTypeAndValue>> {
    let value = der::asn1::Utf8StringRef::new(text)?.into();
    SetOfVec::try_from([AttributeTypeAndValue { oid, value }])
}

/// A CA signs certificates and CRLs, and its own OCSP answers if need be.
fn ca_extensions(path_len: Option<u8>) -> Result<Extensions, CaError> {
    Ok(vec![
        extension(
            &BasicConstraints {
                ca: true,
                path_len_constraint: path_len,
            },
            Criticality::Critical,
        )?,
        extension(
            &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign | KeyUsages::DigitalSignature),
            Criticality::Critical,
        )?,
    ])
}

/// OCSPSigning and nothing else; no AIA and no CRL, for ocsp-nocheck says that nobody asks (RFC 6960 §4.2.2.2.1).
fn responder_extensions() -> Result<Extensions, CaError> {
    let no_check = Null.to_der().map_err(encode_error("an extension"))?;
    Ok(vec![
        extension(
            &KeyUsage(KeyUsages::DigitalSignature.into()),
            Criticality::Critical,
        )?,
        extension(
            &ExtendedKeyUsage(vec![OCSP_SIGNING]),
            Criticality::NotCritical,
        )?,
        Extension {
            extn_id: OCSP_NOCHECK,
            critical: false,
            extn_value: OctetString::new(no_check).map_err(encode_error("an extension"))?,
        },
    ])
}

fn server_extensions(
    dns_names: &[String],
    ip_addresses: &[IpAddr],
    ocsp_url: Option<&str>,
) -> Result<Extensions, CaError> {
    let mut names = Vec::new();
    for name in dns_names {
        names.push(GeneralName::DnsName(dns_name(name)?));
    }
    names.extend(ip_addresses.iter().copied().map(GeneralName::from));
    if names.is_empty() {
        return Err(CaError::NoServerName);
    }

    let mut extensions = vec![
        extension(
            &KeyUsage(KeyUsages::DigitalSignature.into()),
            Criticality::Critical,
        )?,
        extension(
            &ExtendedKeyUsage(vec![SERVER_AUTH]),
            Criticality::NotCritical,
        )?,
        extension(&SubjectAltName(names), Criticality::NotCritical)?,
    ];
    if let Some(url) = ocsp_url {
        let access = AccessDescription {
            access_method: ACCESS_OCSP,
            access_location: GeneralName::UniformResourceIdentifier(http_url(url)?),
        };
        extensions.push(extension(
            &AuthorityInfoAccessSyntax(vec![access]),
            Criticality::NotCritical,
        )?);
    }
    Ok(extensions)
}

fn dns_name(name: &str) -> Result<Ia5String, CaError> {
    let plain = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
    };
    let error = || CaError::DnsName {
        name: name.to_owned(),
    };
    if name.len() > 253 || !plain.split('.').all(is_label) {
        return Err(error());
    }
    Ia5String::new(name).map_err(|_| error())
}

fn http_url(url: &str) -> Result<Ia5String, CaError> {
    let error = || CaError::OcspUrl {
        url: url.to_owned(),
    };
    let has_host = url
        .strip_prefix("http://")
        .is_some_and(|rest| !rest.is_empty());
    if !has_host || !url.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(error());
    }
    Ia5String::new(url).map_err(|_| error())
}

fn key_identifiers(subject_key_bits: &[u8], issuer: &[u8]) -> Result<[Extension; 2], CaError> {
    let identifier =
        |octets: &[u8]| OctetString::new(octets).map_err(encode_error("a key identifier"));
    Ok([
        extension(
            &SubjectKeyIdentifier(identifier(&key_identifier(subject_key_bits))?),
            Criticality::NotCritical,
        )?,
        extension(
            &AuthorityKeyIdentifier {
                key_identifier: Some(identifier(issuer)?),
                authority_cert_issuer: None,
                authority_cert_serial_number: None,
            },
            Criticality::NotCritical,
        )?,
    ])
}

/// Must a client that does not know the extension refuse the certificate?
#[derive(Clone, Copy)]
enum Criticality {
    Critical,
    NotCritical,
}

fn extension<T: AssociatedOid + Encode>(
    value: &T,
    criticality: Criticality,
) -> Result<Extension, CaError> {
    let der = value.to_der().map_err(encode_error("an extension"))?;
    Ok(Extension {
        extn_id: T::OID,
        critical: match criticality {
            Criticality::Critical => true,
            Criticality::NotCritical => false,
        },
        extn_value: OctetString::new(der).map_err(encode_error("an extension"))?,
    })
}

fn encode_error(what: &'static str) -> impl FnOnce(der::Error) -> CaError {
    move |source| CaError::Encode { what, source }
}

/// id-at-commonName.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// id-at-organizationName.
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// id-kp-serverAuth.
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
/// id-kp-OCSPSigning.
const OCSP_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9");
/// id-ad-ocsp.
const ACCESS_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// id-pkix-ocsp-nocheck.
const OCSP_NOCHECK: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");
