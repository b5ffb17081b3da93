//! A certification request (PKCS#10, RFC 2986) of which the key may be certified.  From: a file that its maker sent.
//! To: the caller, who asks `issue.rs` for a certificate.
//!
//! The signature has been checked: its maker has the private key.  From then on only the key is taken; subject and names
//! on the caller's request; nothing else ever.

use crate::usage::Purpose;
use crate::{AltName, CaError, PublicKey, Subject};
use der::asn1::ObjectIdentifier;
use ocspry_core::crypto::{self, VerifyError};
use ocspry_wire::x509::{CertificationRequest, pem};
use std::fmt;

/// Most octets of a request; one with an RSA key of 8192 bits and a hundred names has 6,000.
const OCTETS_MAX: usize = 64 * 1024;

/// A request whose signature holds.
#[derive(Clone, Debug)]
pub struct SigningRequest {
    public_key: PublicKey,
    subject: Vec<u8>,
    alt_names: Option<Vec<u8>>,
    not_granted: Vec<NotGranted>,
}

impl SigningRequest {
    /// Reads a request, PEM or DER.
    ///
    /// # Errors
    /// When it is none, its signature is wrong or of an unknown algorithm, or its key is weak or of an unknown kind.
    pub fn read(content: &[u8]) -> Result<SigningRequest, CaError> {
        if content.len() > OCTETS_MAX {
            return Err(CaError::RequestTooLong {
                octets_max: OCTETS_MAX,
            });
        }
        if !pem::is_pem(content) {
            return SigningRequest::from_der(content);
        }
        let blocks = pem::blocks(content).map_err(|error| CaError::RequestPem {
            line: match error {
                pem::PemError::NoEnd { line } | pem::PemError::Body { line } => line,
            },
        })?;
        let is_request = |block: &&pem::PemBlock| {
            matches!(
                block.label.as_str(),
                "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST"
            )
        };
        let mut requests = blocks.iter().filter(is_request);
        match (requests.next(), requests.next()) {
            (Some(request), None) => SigningRequest::from_der(&request.der),
            (Some(_), Some(_)) => Err(CaError::SeveralRequests),
            (None, _) => Err(CaError::NoRequest {
                found: blocks.first().map(|block| block.label.clone()),
            }),
        }
    }

    fn from_der(der: &[u8]) -> Result<SigningRequest, CaError> {
        let request = CertificationRequest::from_der(der)
            .map_err(|source| CaError::MalformedRequest { source })?;
        // First what a weak key is called, since a signature by one is not looked at.
        let public_key = PublicKey::from_der(request.public_key.der)?;
        crypto::verify(
            request.signature_algorithm,
            &request.public_key,
            request.info,
            request.signature,
        )
        .map_err(|error| match error {
            VerifyError::Unsupported => CaError::RequestAlgorithm,
            VerifyError::BadSignature => CaError::RequestSignature,
        })?;
        Ok(SigningRequest {
            public_key,
            subject: request.subject.to_vec(),
            alt_names: request.requested.subject_alt_name.map(<[u8]>::to_vec),
            not_granted: not_granted(&request),
        })
    }

    /// The key to certify.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// The subject it asks for.
    ///
    /// # Errors
    /// When it cannot be shown: see [`Subject::from_der`].
    pub fn subject(&self) -> Result<Subject, CaError> {
        Subject::from_der(&self.subject)
    }

    /// The alternative names it asks for.
    ///
    /// # Errors
    /// When one of them would be refused if it were typed: see [`AltName::from_general_names`].
    pub fn alt_names(&self) -> Result<Vec<AltName>, CaError> {
        match &self.alt_names {
            Some(names) => AltName::from_general_names(names),
            None => Ok(Vec::new()),
        }
    }

    /// What else it asks for, and does not get by asking.
    pub fn not_granted(&self) -> &[NotGranted] {
        &self.not_granted
    }
}

/// Something that a request asks for and a profile decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotGranted {
    /// To be a CA: basicConstraints with cA TRUE.
    CaRights,
    /// keyUsage with keyCertSign or cRLSign.
    CaKeyUsage,
    /// Any other keyUsage.
    KeyUsage,
    /// extKeyUsage, and what for.
    ExtKeyUsage(Vec<Purpose>),
    /// Another extension, by its OID.
    Extension(String),
}

impl NotGranted {
    /// Does it ask for the rights of a CA?
    pub fn is_for_a_ca(&self) -> bool {
        match self {
            NotGranted::CaRights | NotGranted::CaKeyUsage => true,
            NotGranted::KeyUsage | NotGranted::ExtKeyUsage(_) | NotGranted::Extension(_) => false,
        }
    }
}

/// For people: `basicConstraints CA:TRUE (to be a CA)`.
impl fmt::Display for NotGranted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotGranted::CaRights => f.write_str("basicConstraints CA:TRUE (to be a CA)"),
            NotGranted::CaKeyUsage => {
                f.write_str("keyUsage keyCertSign or cRLSign (to sign as a CA)")
            }
            NotGranted::KeyUsage => f.write_str("keyUsage"),
            NotGranted::ExtKeyUsage(purposes) => {
                f.write_str("extKeyUsage")?;
                purposes
                    .iter()
                    .try_for_each(|purpose| write!(f, " {purpose}"))
            }
            NotGranted::Extension(oid) => write!(f, "the extension {oid}"),
        }
    }
}

fn not_granted(request: &CertificationRequest<'_>) -> Vec<NotGranted> {
    let requested = &request.requested;
    let mut out = Vec::new();
    if requested.is_ca {
        out.push(NotGranted::CaRights);
    }
    if let Some(usage) = requested.key_usage {
        out.push(match usage.key_cert_sign || usage.crl_sign {
            true => NotGranted::CaKeyUsage,
            false => NotGranted::KeyUsage,
        });
    }
    if let Some(purposes) = requested.ext_key_usage {
        let mut reader = ocspry_wire::der::Reader::new(purposes);
        let mut found = Vec::new();
        while let Ok(purpose) = reader.read(ocspry_wire::der::tag::OID) {
            found.extend(Purpose::from_content(purpose.value));
        }
        out.push(NotGranted::ExtKeyUsage(found));
    }
    out.extend(requested.others.iter().map(|oid| {
        NotGranted::Extension(match ObjectIdentifier::from_bytes(oid) {
            Ok(oid) => oid.to_string(),
            Err(_) => "(a broken object identifier)".to_owned(),
        })
    }));
    out
}
