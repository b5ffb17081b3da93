//! One certificate (RFC 5280 §4.1), from what is asked for to its signed DER.  From: `authority.rs`.  To: its caller.
//!
//! Two steps: [`prepare`] checks everything and decides what the certificate will say, and
//! [`PreparedCertificate::sign`] takes a serial number, which its caller has made durable in between, and signs.  The
//! issuer's name goes in octet for octet as it stands in the issuer's certificate, because clients compare octets.

use crate::authority::key_identifier;
use crate::extension::{Wanted, extensions};
use crate::{
    AltName, BACKDATED_SECONDS, CaConstraints, CaError, CaKey, CertificateAuthority, Pointers,
    Profile, PublicKey, ROOT_LIFETIME, RawExtension, Subject, signed,
};
use der::asn1::AnyRef;
use der::{DateTime, Decode, Encode, Sequence};
use ocspry_core::{OwnedCertificate, Signer as _};
use ocspry_wire::Time;
use ocspry_wire::x509::{SerialNumber, SubjectPublicKeyInfo};
use std::time::Duration;
use x509_cert::Version;
use x509_cert::ext::Extensions;
use x509_cert::time::Validity;

/// What a certificate shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateRequest {
    /// Whose it is.
    pub subject: Subject,
    /// Its alternative names.
    pub alt_names: Vec<AltName>,
    /// The key to certify.
    pub public_key: PublicKey,
    /// What it is for.
    pub profile: Profile,
    /// When it ends.
    pub expiry: Expiry,
    /// Where clients find its status and its issuer; a responder's certificate has none of it.
    pub pointers: Pointers,
    /// Extensions that the profile does not write.
    pub extensions: Vec<RawExtension>,
    /// subjectKeyIdentifier, where it shall not be made from the key: that of a certificate that is renewed.
    pub key_identifier: Option<Vec<u8>>,
}

/// What the certificate of a root shall say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootRequest {
    /// Whose it is.
    pub subject: Subject,
    /// What holds for the CAs and names below it.
    pub constraints: CaConstraints,
    /// When it ends.
    pub expiry: Expiry,
    /// Extensions that are not written here.
    pub extensions: Vec<RawExtension>,
    /// subjectKeyIdentifier, where it shall not be made from the key: that of a certificate that is renewed.
    pub key_identifier: Option<Vec<u8>>,
}

impl CertificateRequest {
    /// A certificate with the usual lifetime of its profile, and no other names, pointers or extensions than the profile's.
    pub fn usual(subject: Subject, public_key: PublicKey, profile: Profile) -> CertificateRequest {
        CertificateRequest {
            subject,
            alt_names: Vec::new(),
            public_key,
            expiry: Expiry::AtMost(profile.usual_lifetime()),
            profile,
            pointers: Pointers::default(),
            extensions: Vec::new(),
            key_identifier: None,
        }
    }
}

impl RootRequest {
    /// A root with the usual lifetime, [`ROOT_LIFETIME`], and no constraints.
    pub fn usual(subject: Subject) -> RootRequest {
        RootRequest {
            subject,
            constraints: CaConstraints::default(),
            expiry: Expiry::After(ROOT_LIFETIME),
            extensions: Vec::new(),
            key_identifier: None,
        }
    }
}

/// When a certificate ends; no certificate outlives its issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// So long from now on, or with its issuer if that ends sooner.
    AtMost(Duration),
    /// So long from now on; refused if the issuer ends sooner.
    After(Duration),
    /// At this time; refused if the issuer ends sooner.
    At(Time),
}

/// A certificate that has been checked and can be signed.
#[derive(Debug)]
pub struct PreparedCertificate<'a> {
    key: &'a CaKey,
    issuer: Vec<u8>,
    subject: Subject,
    not_before: Time,
    not_after: Time,
    public_key: PublicKey,
    extensions: Extensions,
}

/// Checks a request; the CA is valid at `now`.
pub(crate) fn prepare<'a>(
    ca: &'a CertificateAuthority,
    request: &CertificateRequest,
    now: Time,
) -> Result<PreparedCertificate<'a>, CaError> {
    let issuer = ca.certificate().view();
    request
        .profile
        .check_names(&request.subject, &request.alt_names)?;
    let (subject, alt_names) = (&request.subject, &request.alt_names);
    let refused = match (ca.names().refused(subject, alt_names)?, &request.profile) {
        (Some(name), _) => Some(name),
        (None, Profile::Intermediate(_)) => None,
        (None, _) => ca.names().refused_host(subject, alt_names)?,
    };
    if let Some(name) = refused {
        return Err(CaError::NameNotPermitted {
            name: name.to_string(),
            issuer: ca.name(),
        });
    }
    let profile = match &request.profile {
        Profile::Intermediate(constraints) => Profile::Intermediate(CaConstraints {
            path_len: path_len_below(ca, constraints.path_len)?,
            names: constraints.names.clone(),
        }),
        other => other.clone(),
    };
    let own_identifier = subject_key_identifier(&request.public_key, &request.key_identifier)?;
    Ok(PreparedCertificate {
        key: ca.key(),
        issuer: issuer.subject.to_vec(),
        subject: request.subject.clone(),
        not_before: now.plus_seconds(-BACKDATED_SECONDS).max(issuer.not_before),
        not_after: request.expiry.below(ca, now)?,
        public_key: request.public_key.clone(),
        extensions: extensions(&Wanted {
            profile: &profile,
            public_key: &request.public_key,
            subject: &request.subject,
            alt_names: &request.alt_names,
            pointers: &request.pointers,
            raw: &request.extensions,
            subject_key: &own_identifier,
            authority_key: ca.key_identifier(),
        })?,
    })
}

/// Checks the request for the certificate of a root to itself.
pub(crate) fn prepare_root<'a>(
    key: &'a CaKey,
    request: &RootRequest,
    now: Time,
) -> Result<PreparedCertificate<'a>, CaError> {
    let profile = Profile::Intermediate(request.constraints.clone());
    profile.check_names(&request.subject, &[])?;
    let public_key = key.public_key();
    let identifier = subject_key_identifier(public_key, &request.key_identifier)?;
    Ok(PreparedCertificate {
        key,
        issuer: request.subject.der().to_vec(),
        subject: request.subject.clone(),
        not_before: now.plus_seconds(-BACKDATED_SECONDS),
        not_after: request.expiry.alone(now)?,
        public_key: public_key.clone(),
        extensions: extensions(&Wanted {
            profile: &profile,
            public_key,
            subject: &request.subject,
            alt_names: &[],
            pointers: &Pointers::default(),
            raw: &request.extensions,
            subject_key: &identifier,
            authority_key: &identifier,
        })?,
    })
}

impl PreparedCertificate<'_> {
    /// Whose it will be.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// First second of its validity.
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// Last second of its validity.
    pub fn not_after(&self) -> Time {
        self.not_after
    }

    /// Signs it under a serial number, which nobody else may have or get: see [`crate::new_serial_number`].
    ///
    /// # Errors
    /// When the serial number is not positive or longer than 20 octets (RFC 5280 §4.1.2.2), or the key does not sign.
    pub fn sign(&self, serial_number: SerialNumber) -> Result<OwnedCertificate, CaError> {
        let encode = |source| CaError::Encode {
            what: "the certificate",
            source,
        };
        let tbs = TbsCertificate {
            version: Version::V3,
            serial_number: issued_serial(serial_number)?,
            signature: AnyRef::from_der(self.key.signer().algorithm().der()).map_err(encode)?,
            issuer: AnyRef::from_der(&self.issuer).map_err(encode)?,
            validity: Validity::new(
                x509_time(self.not_before).map_err(encode)?,
                x509_time(self.not_after).map_err(encode)?,
            ),
            subject: AnyRef::from_der(self.subject.der()).map_err(encode)?,
            subject_public_key_info: AnyRef::from_der(self.public_key.der()).map_err(encode)?,
            extensions: self.extensions.clone(),
        };
        let der = signed::sign(&tbs.to_der().map_err(encode)?, self.key)?;
        OwnedCertificate::from_der(der).map_err(|error| CaError::NotReadable {
            offset: error.offset,
        })
    }
}

/// TBSCertificate (RFC 5280 §4.1).  Our own, because that of `x509-cert` decodes and encodes names anew.
#[derive(Sequence)]
struct TbsCertificate<'a> {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: Version,
    serial_number: x509_cert::serial_number::SerialNumber,
    signature: AnyRef<'a>,
    issuer: AnyRef<'a>,
    validity: Validity,
    subject: AnyRef<'a>,
    subject_public_key_info: AnyRef<'a>,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

/// Positive, and of 20 octets at most (RFC 5280 §4.1.2.2).
fn issued_serial(serial: SerialNumber) -> Result<x509_cert::serial_number::SerialNumber, CaError> {
    const OCTETS_MAX: usize = 20;
    let content = serial.content();
    let refused = || CaError::SerialNumber {
        serial: serial.to_string(),
    };
    if serial.is_negative() || !serial.is_minimal() || content == [0] || content.len() > OCTETS_MAX
    {
        return Err(refused());
    }
    // What `x509-cert` takes is the number without its sign octet.
    let magnitude = content.strip_prefix(&[0]).unwrap_or(content);
    x509_cert::serial_number::SerialNumber::new(magnitude).map_err(|_| refused())
}

impl Expiry {
    fn below(self, ca: &CertificateAuthority, now: Time) -> Result<Time, CaError> {
        let not_after = self.alone(now)?;
        let issuer_not_after = ca.certificate().view().not_after;
        if not_after <= issuer_not_after {
            return Ok(not_after);
        }
        match self {
            Expiry::AtMost(_) => Ok(issuer_not_after),
            Expiry::After(_) | Expiry::At(_) => Err(CaError::BeyondIssuer {
                not_after,
                issuer: ca.name(),
                issuer_not_after,
            }),
        }
    }

    fn alone(self, now: Time) -> Result<Time, CaError> {
        let not_after = match self {
            Expiry::AtMost(lifetime) | Expiry::After(lifetime) => {
                now.plus_seconds(i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX))
            }
            Expiry::At(time) => time,
        };
        if not_after > now {
            Ok(not_after)
        } else {
            Err(CaError::ExpiryPast { not_after, now })
        }
    }
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

fn subject_key_identifier(key: &PublicKey, given: &Option<Vec<u8>>) -> Result<Vec<u8>, CaError> {
    match given {
        Some(identifier) => Ok(identifier.clone()),
        None => {
            let info = SubjectPublicKeyInfo::from_der(key.der()).map_err(|_| CaError::PublicKey)?;
            Ok(key_identifier(info.key_bits))
        }
    }
}

/// UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5).
fn x509_time(time: Time) -> der::Result<x509_cert::time::Time> {
    let (year, month, day, hour, minute, second) = time.civil();
    DateTime::new(year, month, day, hour, minute, second).map(x509_cert::time::Time::from)
}
