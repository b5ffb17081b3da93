//! OCSPResponse (RFC 6960 §4.2.1) as another DER implementation reads it, and writes it again: what comes out must be
//! what went in.  To: `response`, which looks at the fields.

use der::asn1::{Any, BitString, GeneralizedTime, Int, Null, ObjectIdentifier, OctetString};
use der::{Choice, Decode, Encode, Enumerated, Sequence};

/// Reads a signed answer strictly: decoded and encoded again it is the same octets, outside and inside.
pub(crate) fn read(octets: &[u8]) -> BasicOcspResponse {
    let response = OcspResponse::from_der(octets).expect("DER");
    assert_eq!(response.to_der().expect("DER"), octets, "the outer layer");
    let bytes = response.response_bytes.expect("a signed answer");
    assert_eq!(response.response_status, ResponseStatus::Successful);
    assert_eq!(bytes.response_type.to_string(), "1.3.6.1.5.5.7.48.1.1");
    let inside = bytes.response.as_bytes();
    let basic = BasicOcspResponse::from_der(inside).expect("DER");
    assert_eq!(basic.to_der().expect("DER"), inside, "BasicOCSPResponse");
    for extension in basic.extensions() {
        // What an extension holds is DER as well.
        let value = Any::from_der(extension.extn_value.as_bytes()).expect("DER");
        assert_eq!(
            value.to_der().expect("DER"),
            extension.extn_value.as_bytes()
        );
    }
    basic
}

#[derive(Sequence, Debug)]
struct OcspResponse {
    response_status: ResponseStatus,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    response_bytes: Option<ResponseBytes>,
}

#[derive(Enumerated, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum ResponseStatus {
    Successful = 0,
}

#[derive(Sequence, Debug)]
struct ResponseBytes {
    response_type: ObjectIdentifier,
    response: OctetString,
}

#[derive(Sequence, Debug)]
pub(crate) struct BasicOcspResponse {
    pub(crate) tbs_response_data: ResponseData,
    pub(crate) signature_algorithm: AlgorithmIdentifier,
    pub(crate) signature: BitString,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) certs: Option<Vec<Any>>,
}

/// Without a version: v1 is the default, and a default is not encoded.
#[derive(Sequence, Debug)]
pub(crate) struct ResponseData {
    pub(crate) responder_id: ResponderId,
    pub(crate) produced_at: GeneralizedTime,
    pub(crate) responses: Vec<SingleResponse>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) response_extensions: Option<Vec<Extension>>,
}

#[derive(Choice, Debug)]
pub(crate) enum ResponderId {
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", constructed = "true")]
    ByName(Any),
    #[asn1(context_specific = "2", tag_mode = "EXPLICIT", constructed = "true")]
    ByKey(OctetString),
}

#[derive(Sequence, Debug)]
pub(crate) struct AlgorithmIdentifier {
    pub(crate) algorithm: ObjectIdentifier,
    pub(crate) parameters: Option<Any>,
}

#[derive(Sequence, Debug)]
pub(crate) struct SingleResponse {
    pub(crate) cert_id: CertId,
    pub(crate) cert_status: CertStatus,
    pub(crate) this_update: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) next_update: Option<GeneralizedTime>,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) single_extensions: Option<Vec<Extension>>,
}

#[derive(Sequence, Debug)]
pub(crate) struct CertId {
    hash_algorithm: AlgorithmIdentifier,
    issuer_name_hash: OctetString,
    issuer_key_hash: OctetString,
    pub(crate) serial_number: Int,
}

#[derive(Choice, Debug)]
pub(crate) enum CertStatus {
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT")]
    Good(Null),
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", constructed = "true")]
    Revoked(RevokedInfo),
    #[asn1(context_specific = "2", tag_mode = "IMPLICIT")]
    Unknown(Null),
}

#[derive(Sequence, Debug)]
pub(crate) struct RevokedInfo {
    revocation_time: GeneralizedTime,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    pub(crate) revocation_reason: Option<CrlReason>,
}

/// RFC 5280 §5.3.1, without unspecified, removeFromCRL and the number that is not used.
#[derive(Enumerated, Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum CrlReason {
    KeyCompromise = 1,
    CaCompromise = 2,
    AffiliationChanged = 3,
    Superseded = 4,
    CessationOfOperation = 5,
    CertificateHold = 6,
    PrivilegeWithdrawn = 9,
    AaCompromise = 10,
}

#[derive(Sequence, Debug)]
pub(crate) struct Extension {
    pub(crate) extn_id: ObjectIdentifier,
    #[asn1(default = "Default::default")]
    pub(crate) critical: bool,
    pub(crate) extn_value: OctetString,
}

impl BasicOcspResponse {
    /// Every extension, of the whole and of each line.
    pub(crate) fn extensions(&self) -> impl Iterator<Item = &Extension> {
        let data = &self.tbs_response_data;
        let of_lines = data
            .responses
            .iter()
            .flat_map(|single| &single.single_extensions);
        data.response_extensions.iter().chain(of_lines).flatten()
    }
}
