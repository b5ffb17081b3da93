//! The extensions of a certificate (RFC 5280 §4.2), written with the types of `x509-cert`.  From: `issue.rs`.

use crate::{
    AltName, CaConstraints, CaError, HttpUrl, KeyUse, Pointers, Profile, PublicKey, Purpose,
    Subject,
};
use der::Encode;
use der::asn1::{Ia5String, Null, ObjectIdentifier, OctetString};
use der::oid::AssociatedOid;
use x509_cert::ext::pkix::crl::dp::DistributionPoint;
use x509_cert::ext::pkix::name::{DistributionPointName, GeneralName};
use x509_cert::ext::pkix::{
    AccessDescription, AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, BasicConstraints,
    CrlDistributionPoints, ExtendedKeyUsage, KeyUsage, KeyUsages, NameConstraints, SubjectAltName,
    SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions};

/// Must a client that does not know the extension refuse the certificate?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Criticality {
    /// It must.
    Critical,
    /// It may pass it over.
    NotCritical,
}

/// An extension that no profile writes, given as it shall stand there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawExtension(Extension);

impl RawExtension {
    /// Takes an OID with dots and the DER of a value.
    ///
    /// # Errors
    /// When the OID is none, or of an extension that is written by the profile, or the value is not one DER element.
    pub fn new(oid: &str, criticality: Criticality, value: &[u8]) -> Result<RawExtension, CaError> {
        let refuse = |why| CaError::RawExtension {
            oid: oid.to_owned(),
            why,
        };
        let extn_id =
            ObjectIdentifier::new(oid).map_err(|_| refuse("this is no object identifier"))?;
        if WRITTEN_HERE.contains(&extn_id) {
            return Err(refuse("it is written by the profile"));
        }
        let mut reader = ocspry_wire::der::Reader::new(value);
        let is_element = reader.read_any().is_ok() && reader.is_empty();
        if !is_element {
            return Err(refuse("its value must be one DER element"));
        }
        raw(extn_id, criticality, value).map(RawExtension)
    }

    /// Its OID, with dots.
    pub fn oid(&self) -> String {
        self.0.extn_id.to_string()
    }

    /// As it stands in another certificate.
    pub(crate) fn kept(extension: Extension) -> RawExtension {
        RawExtension(extension)
    }
}

/// All that a certificate's extensions are made from.
pub(crate) struct Wanted<'a> {
    pub(crate) profile: &'a Profile,
    pub(crate) public_key: &'a PublicKey,
    pub(crate) subject: &'a Subject,
    pub(crate) alt_names: &'a [AltName],
    pub(crate) pointers: &'a Pointers,
    pub(crate) raw: &'a [RawExtension],
    /// subjectKeyIdentifier.
    pub(crate) subject_key: &'a [u8],
    /// authorityKeyIdentifier.
    pub(crate) authority_key: &'a [u8],
}

/// Writes them in the order in which people read them: what it may do, its names, where to ask, the keys.
pub(crate) fn extensions(wanted: &Wanted<'_>) -> Result<Extensions, CaError> {
    let mut out = match wanted.profile {
        Profile::Intermediate(constraints) => ca_extensions(constraints)?,
        Profile::Server
        | Profile::Client
        | Profile::Code
        | Profile::Email
        | Profile::OcspResponder
        | Profile::Custom(_) => {
            let (key_usage, purposes) = wanted.profile.uses(wanted.public_key);
            leaf_extensions(&key_usage, &purposes)?
        }
    };
    if *wanted.profile == Profile::OcspResponder {
        let no_check = Null.to_der().map_err(encode_error)?;
        out.push(raw(OCSP_NOCHECK, Criticality::NotCritical, &no_check)?);
    }
    if !wanted.alt_names.is_empty() {
        // RFC 5280 §4.2.1.6: critical where there is no other name.
        let criticality = match wanted.subject.is_empty() {
            true => Criticality::Critical,
            false => Criticality::NotCritical,
        };
        let names = wanted.alt_names.iter().map(|name| name.0.clone()).collect();
        out.push(extension(&SubjectAltName(names), criticality)?);
    }
    // ocsp-nocheck says that nobody asks for a responder's own status (RFC 6960 §4.2.2.2.1).
    if *wanted.profile != Profile::OcspResponder {
        out.extend(pointer_extensions(wanted.pointers)?);
    }
    out.extend(wanted.raw.iter().map(|raw| raw.0.clone()));
    out.extend(key_identifiers(wanted.subject_key, wanted.authority_key)?);

    for (index, extension) in out.iter().enumerate() {
        let is_same = |other: &Extension| other.extn_id == extension.extn_id;
        if out[..index].iter().any(is_same) {
            return Err(CaError::RawExtension {
                oid: extension.extn_id.to_string(),
                why: "it is there already",
            });
        }
    }
    Ok(out)
}

/// A CA signs certificates and CRLs, and its own OCSP answers if need be.
fn ca_extensions(constraints: &CaConstraints) -> Result<Extensions, CaError> {
    let basic = BasicConstraints {
        ca: true,
        path_len_constraint: constraints.path_len,
    };
    let usage = KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign | KeyUsages::DigitalSignature);
    let mut out = vec![
        extension(&basic, Criticality::Critical)?,
        extension(&usage, Criticality::Critical)?,
    ];
    if !constraints.names.is_empty() {
        let names = constraints.names.to_extension();
        out.push(extension(&names, Criticality::Critical)?);
    }
    Ok(out)
}

fn leaf_extensions(key_usage: &[KeyUse], purposes: &[Purpose]) -> Result<Extensions, CaError> {
    let mut out = Vec::new();
    let bits = key_usage.iter().map(|usage| usage.bit());
    if let Some(bits) = bits.map(der::flagset::FlagSet::from).reduce(|a, b| a | b) {
        out.push(extension(&KeyUsage(bits), Criticality::Critical)?);
    }
    if !purposes.is_empty() {
        let purposes = purposes.iter().map(|purpose| purpose.0).collect();
        out.push(extension(
            &ExtendedKeyUsage(purposes),
            Criticality::NotCritical,
        )?);
    }
    Ok(out)
}

fn pointer_extensions(pointers: &Pointers) -> Result<Extensions, CaError> {
    let mut out = Vec::new();
    let mut access = Vec::new();
    for (access_method, urls) in [
        (ACCESS_OCSP, &pointers.ocsp),
        (ACCESS_CA_ISSUERS, &pointers.issuer),
    ] {
        for url in urls {
            access.push(AccessDescription {
                access_method,
                access_location: uri(url)?,
            });
        }
    }
    if !access.is_empty() {
        let access = AuthorityInfoAccessSyntax(access);
        out.push(extension(&access, Criticality::NotCritical)?);
    }
    if !pointers.crl.is_empty() {
        let names = pointers.crl.iter().map(uri).collect::<Result<_, _>>()?;
        let point = DistributionPoint {
            distribution_point: Some(DistributionPointName::FullName(names)),
            reasons: None,
            crl_issuer: None,
        };
        out.push(extension(
            &CrlDistributionPoints(vec![point]),
            Criticality::NotCritical,
        )?);
    }
    Ok(out)
}

fn uri(url: &HttpUrl) -> Result<GeneralName, CaError> {
    let text = Ia5String::new(url.as_str()).map_err(encode_error)?;
    Ok(GeneralName::UniformResourceIdentifier(text))
}

fn key_identifiers(subject: &[u8], authority: &[u8]) -> Result<[Extension; 2], CaError> {
    let identifier = |octets: &[u8]| OctetString::new(octets).map_err(encode_error);
    Ok([
        extension(
            &SubjectKeyIdentifier(identifier(subject)?),
            Criticality::NotCritical,
        )?,
        extension(
            &AuthorityKeyIdentifier {
                key_identifier: Some(identifier(authority)?),
                authority_cert_issuer: None,
                authority_cert_serial_number: None,
            },
            Criticality::NotCritical,
        )?,
    ])
}

fn extension<T: AssociatedOid + Encode>(
    value: &T,
    criticality: Criticality,
) -> Result<Extension, CaError> {
    raw(T::OID, criticality, &value.to_der().map_err(encode_error)?)
}

fn raw(
    extn_id: ObjectIdentifier,
    criticality: Criticality,
    value: &[u8],
) -> Result<Extension, CaError> {
    Ok(Extension {
        extn_id,
        critical: match criticality {
            Criticality::Critical => true,
            Criticality::NotCritical => false,
        },
        extn_value: OctetString::new(value).map_err(encode_error)?,
    })
}

fn encode_error(source: der::Error) -> CaError {
    CaError::Encode {
        what: "an extension",
        source,
    }
}

/// id-ad-ocsp.
const ACCESS_OCSP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1");
/// id-ad-caIssuers.
const ACCESS_CA_ISSUERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.2");
/// id-pkix-ocsp-nocheck.
pub(crate) const OCSP_NOCHECK: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.5");

/// The extensions that come from profile, names, keys and CA: nobody else writes them.
pub(crate) const WRITTEN_HERE: &[ObjectIdentifier] = &[
    BasicConstraints::OID,
    KeyUsage::OID,
    ExtendedKeyUsage::OID,
    NameConstraints::OID,
    SubjectAltName::OID,
    AuthorityInfoAccessSyntax::OID,
    CrlDistributionPoints::OID,
    SubjectKeyIdentifier::OID,
    AuthorityKeyIdentifier::OID,
    OCSP_NOCHECK,
];
