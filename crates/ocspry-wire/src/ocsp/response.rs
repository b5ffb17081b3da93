//! Reading an OCSPResponse as a client does (RFC 6960 §4.2.1).  Writing is `core::response`'s.
//!
//! From: a responder, ours or another.  To: `core::verify`, tests and tools; never the hot path, so lists are vectors.

use super::{CertId, CertStatus, CrlReason, ErrorStatus, Nonce, ResponseStatus, RevokedInfo};
use crate::Time;
use crate::der::read::whole;
use crate::der::{DerError, DerErrorKind, Reader, Tlv, oid, tag};
use crate::x509::extension::{ExplicitFalse, Extensions};

/// A decoded response.
#[derive(Clone, Debug)]
pub struct OcspResponse<'a> {
    /// The outer status.
    pub status: ResponseStatus,
    /// Present exactly when the status is successful.
    pub basic: Option<BasicOcspResponse<'a>>,
}

/// A signed answer.
#[derive(Clone, Debug)]
pub struct BasicOcspResponse<'a> {
    /// The exact tbsResponseData SEQUENCE: what the signature covers.
    pub tbs_response_data: &'a [u8],
    /// Who signed.
    pub responder_id: ResponderId<'a>,
    /// When.
    pub produced_at: Time,
    /// The answers.
    pub responses: Vec<SingleResponse<'a>>,
    /// The nonce's octets, if any.
    pub nonce: Option<&'a [u8]>,
    /// The AlgorithmIdentifier SEQUENCE.
    pub signature_algorithm: &'a [u8],
    /// The signature's octets.
    pub signature: &'a [u8],
    /// The enclosed certificates, each whole.
    pub certificates: Vec<&'a [u8]>,
}

/// ResponderID.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponderId<'a> {
    /// The Name's DER.
    ByName(&'a [u8]),
    /// SHA-1 of the key bits.
    ByKeyHash(&'a [u8]),
}

/// One certificate's line.
#[derive(Clone, Debug)]
pub struct SingleResponse<'a> {
    /// Which certificate.
    pub cert_id: CertId<'a>,
    /// What is known of it (invalidityDate from singleExtensions where present).
    pub cert_status: CertStatus,
    /// When it was known.
    pub this_update: Time,
    /// Until when.
    pub next_update: Option<Time>,
}

impl<'a> OcspResponse<'a> {
    /// Decodes strictly.
    ///
    /// # Errors
    /// When it is not one DER OCSPResponse, when status and body contradict each other, when the type is not basic, and
    /// for a critical extension, since no response needs one.
    pub fn from_der(input: &'a [u8]) -> Result<Self, DerError> {
        let mut fields = Reader::inside(whole(input, tag::SEQUENCE)?);
        let status = fields.read(tag::ENUMERATED)?;
        let response_bytes = fields.read_optional(tag::context(0))?;
        fields.finish()?;
        let status_value = match status.value {
            [0] => ResponseStatus::Successful,
            [1] => ResponseStatus::Error(ErrorStatus::MalformedRequest),
            [2] => ResponseStatus::Error(ErrorStatus::InternalError),
            [3] => ResponseStatus::Error(ErrorStatus::TryLater),
            [5] => ResponseStatus::Error(ErrorStatus::SigRequired),
            [6] => ResponseStatus::Error(ErrorStatus::Unauthorized),
            _ => return Err(status.error(DerErrorKind::Value)),
        };
        let basic = match (status_value, response_bytes) {
            (ResponseStatus::Successful, Some(response_bytes)) => {
                Some(BasicOcspResponse::read(response_bytes)?)
            }
            (ResponseStatus::Error(_), None) => None,
            (ResponseStatus::Successful, None) | (ResponseStatus::Error(_), Some(_)) => {
                return Err(status.error(DerErrorKind::Value));
            }
        };
        Ok(OcspResponse {
            status: status_value,
            basic,
        })
    }
}

impl<'a> BasicOcspResponse<'a> {
    /// From `[0] EXPLICIT ResponseBytes`.
    fn read(response_bytes: Tlv<'a>) -> Result<Self, DerError> {
        let mut fields = Reader::inside(response_bytes.only(tag::SEQUENCE)?);
        let response_type = fields.read(tag::OID)?;
        if response_type.value != oid::OCSP_BASIC {
            return Err(response_type.error(DerErrorKind::Value));
        }
        let response = fields.read(tag::OCTET_STRING)?;
        fields.finish()?;

        let mut fields = Reader::inside(response.only(tag::SEQUENCE)?);
        let tbs_response_data = fields.read(tag::SEQUENCE)?;
        let signature_algorithm = fields.read(tag::SEQUENCE)?;
        signature_algorithm.algorithm_identifier()?.0.check_oid()?;
        let signature = fields.read(tag::BIT_STRING)?.bit_string_octets()?;
        let mut certificates = Vec::new();
        if let Some(enclosed) = fields.read_optional(tag::context(0))? {
            let mut enclosed = Reader::inside(enclosed.only(tag::SEQUENCE)?);
            loop {
                // An empty list is to be absent instead (RFC 6960 §4.2.1), so at least one must be there.
                certificates.push(enclosed.read(tag::SEQUENCE)?.der);
                if enclosed.is_empty() {
                    break;
                }
            }
        }
        fields.finish()?;

        // A version written out is not DER (X.690 §11.5): it fails as a responderID.
        let mut data = Reader::inside(tbs_response_data);
        let responder_id = ResponderId::from_tlv(data.read_any()?)?;
        let produced_at = Time::from_generalized_tlv(data.read_any()?)?;
        let mut list = Reader::inside(data.read(tag::SEQUENCE)?);
        let mut responses = Vec::new();
        loop {
            responses.push(SingleResponse::from_tlv(list.read(tag::SEQUENCE)?)?);
            if list.is_empty() {
                break;
            }
        }
        let mut nonce = None;
        if let Some(extensions) = data.read_optional(tag::context(1))? {
            let mut extensions =
                Extensions::inside(extensions.only(tag::SEQUENCE)?, ExplicitFalse::Refused)?;
            while let Some(extension) = extensions.next()? {
                match extension.oid {
                    oid::OCSP_NONCE => {
                        nonce = Some(Nonce::from_extension(extension.value)?.octets())
                    }
                    _ => extension.pass_over()?,
                }
            }
        }
        data.finish()?;
        Ok(BasicOcspResponse {
            tbs_response_data: tbs_response_data.der,
            responder_id,
            produced_at,
            responses,
            nonce,
            signature_algorithm: signature_algorithm.der,
            signature,
            certificates,
        })
    }
}

impl<'a> ResponderId<'a> {
    fn from_tlv(choice: Tlv<'a>) -> Result<Self, DerError> {
        const BY_NAME: u8 = tag::context(1);
        const BY_KEY: u8 = tag::context(2);
        const KEY_HASH_OCTETS: usize = 20;
        match choice.tag {
            BY_NAME => Ok(ResponderId::ByName(choice.only(tag::SEQUENCE)?.der)),
            BY_KEY => {
                let key_hash = choice.only(tag::OCTET_STRING)?;
                if key_hash.value.len() != KEY_HASH_OCTETS {
                    return Err(key_hash.error(DerErrorKind::Value));
                }
                Ok(ResponderId::ByKeyHash(key_hash.value))
            }
            _ => Err(choice.error(DerErrorKind::UnexpectedTag)),
        }
    }
}

impl<'a> SingleResponse<'a> {
    fn from_tlv(single: Tlv<'a>) -> Result<Self, DerError> {
        let mut fields = Reader::inside(single);
        let cert_id = CertId::from_tlv(fields.read(tag::SEQUENCE)?)?;
        let mut cert_status = read_cert_status(fields.read_any()?)?;
        let this_update = Time::from_generalized_tlv(fields.read_any()?)?;
        let next_update = match fields.read_optional(tag::context(0))? {
            Some(next_update) => Some(Time::from_generalized_tlv(
                next_update.only(tag::GENERALIZED_TIME)?,
            )?),
            None => None,
        };
        if let Some(extensions) = fields.read_optional(tag::context(1))? {
            let mut extensions =
                Extensions::inside(extensions.only(tag::SEQUENCE)?, ExplicitFalse::Refused)?;
            while let Some(extension) = extensions.next()? {
                match (extension.oid, &mut cert_status) {
                    (oid::INVALIDITY_DATE, CertStatus::Revoked(info)) => {
                        let date = extension.value.only(tag::GENERALIZED_TIME)?;
                        info.invalidity_date = Some(Time::from_generalized_tlv(date)?);
                    }
                    _ => extension.pass_over()?,
                }
            }
        }
        fields.finish()?;
        Ok(SingleResponse {
            cert_id,
            cert_status,
            this_update,
            next_update,
        })
    }
}

/// `CertStatus ::= CHOICE { good [0] IMPLICIT NULL, revoked [1] IMPLICIT RevokedInfo, unknown [2] IMPLICIT NULL }`.
fn read_cert_status(choice: Tlv<'_>) -> Result<CertStatus, DerError> {
    const GOOD: u8 = tag::context_primitive(0);
    const REVOKED: u8 = tag::context(1);
    const UNKNOWN: u8 = tag::context_primitive(2);
    match (choice.tag, choice.value) {
        (GOOD, []) => Ok(CertStatus::Good),
        (UNKNOWN, []) => Ok(CertStatus::Unknown),
        (GOOD | UNKNOWN, _) => Err(choice.error(DerErrorKind::Value)),
        (REVOKED, _) => {
            let mut fields = Reader::inside(choice);
            let revocation_time = Time::from_generalized_tlv(fields.read_any()?)?;
            let reason = match fields.read_optional(tag::context(0))? {
                Some(reason) => read_reason(reason.only(tag::ENUMERATED)?)?,
                None => None,
            };
            fields.finish()?;
            Ok(CertStatus::Revoked(RevokedInfo {
                revocation_time,
                reason,
                invalidity_date: None,
            }))
        }
        _ => Err(choice.error(DerErrorKind::UnexpectedTag)),
    }
}

/// `unspecified` should be absent, but is no error (RFC 5280 §5.3.1).
fn read_reason(reason: Tlv<'_>) -> Result<Option<CrlReason>, DerError> {
    match reason.value {
        [0] => Ok(None),
        [code] => CrlReason::from_code(*code)
            .map(Some)
            .ok_or(reason.error(DerErrorKind::Value)),
        _ => Err(reason.error(DerErrorKind::Value)),
    }
}
