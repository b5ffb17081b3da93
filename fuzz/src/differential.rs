//! Our OCSP decoder beside another one, `rasn-ocsp`: what both accept they read alike, and where only they accept, a named
//! rule of ours says why (RFC 6960 §4, RFC 9654 §2.1, X.690 §10 and §11).
//!
//! From: any octets.  To: an [`Agreement`], or the sentence that says what does not fit.  The rules are judged on what the
//! *other* decoder read, never on our own error: a refusal that no rule explains is a finding, and so is an acceptance
//! that a rule forbids.  Where only we accept, it must be for a part that we leave closed on purpose.

use ocspry_wire::der::read::whole;
use ocspry_wire::der::write::{push, push_nested};
use ocspry_wire::der::{Reader, Tlv, oid, tag};
use ocspry_wire::ocsp::{
    BasicOcspResponse, CertId, CertStatus, ErrorStatus, HashAlgorithm, OcspRequest, OcspResponse,
    PreferredSignatureAlgorithm, ResponderId, ResponseStatus,
};
use ocspry_wire::x509::SignatureAlgorithm;
use ocspry_wire::x509::extension::EXTENSIONS_MAX;
use ocspry_wire::x509::serial::SERIAL_OCTETS_MAX;
use ocspry_wire::{DerError, DerErrorKind};
use rasn::Decoder as _;
use rasn::types::{Any, GeneralizedTime};
use rasn_pkix::{AlgorithmIdentifier, CrlReason, Extensions};

/// How two decoders may agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Neither takes it.
    BothRefuse,
    /// Both take it and read the same.
    BothAccept,
    /// We refuse it, by these rules.
    TheirsOnly(Vec<Strictness>),
    /// They refuse it, for a part that we do not open, or for an identifier with an arc beyond 32 bits.
    OursOnly,
}

/// A rule by which we refuse what the other decoder takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strictness {
    /// It is not the one DER encoding of its value: a default written out, a set out of order (X.690 §11).
    OtherEncoding,
    /// A version that is not v1 (RFC 6960 §4.1.1).
    Version,
    /// A list of requests or answers, or of certificates that could be absent, without any (RFC 6960 §4.1.1, §4.2.1).
    EmptyList,
    /// A list of extensions without any (RFC 5280 §4.1).
    NoExtensions,
    /// One extension twice (RFC 5280 §4.2).
    DuplicateExtension,
    /// More extensions than our bound.
    TooManyExtensions,
    /// A critical extension that is not understood (RFC 6960 §4.1.2).
    UnknownCriticalExtension,
    /// A nonce that is not an OCTET STRING of 1 to 128 octets (RFC 9654 §2.1).
    Nonce,
    /// The value of a known extension is not of its type.
    ExtensionValue,
    /// A serial number of more octets than our bound.
    LongSerial,
    /// Algorithm parameters that are no DER element, or a NULL with content (X.690 §8.8).
    Parameters,
    /// A signature whose bits do not fill octets (RFC 5280 §4.1.1.3).
    SignatureBits,
    /// `successful` without a body, or an error with one (RFC 6960 §4.2.1).
    StatusAndBody,
    /// A response that is not basic (RFC 6960 §4.2.1).
    ResponseType,
    /// A key hash that is not SHA-1's (RFC 6960 §4.2.1).
    KeyHash,
    /// A time with a fraction of a second (RFC 6960 §4.2.2.1).
    FractionOfASecond,
    /// A reason that no certificate is revoked for: removeFromCRL (RFC 5280 §5.3.1).
    Reason,
}

/// Holds both decoders against one request.
///
/// # Errors
/// What does not fit, as a sentence.
pub fn compare_request(input: &[u8]) -> Result<Agreement, String> {
    let ours = OcspRequest::from_der(input);
    let theirs = rasn::der::decode::<rasn_ocsp::OcspRequest>(input);
    match (ours, theirs) {
        (Err(_), Err(_)) => Ok(Agreement::BothRefuse),
        (Ok(ours), Ok(theirs)) => {
            let mut broken = rules_broken_by_request(&theirs, input);
            if has_wide_arc(input) {
                // A list of algorithms that they cannot read is none by their reading.
                broken.retain(|rule| *rule != Strictness::ExtensionValue);
            }
            if !broken.is_empty() {
                return Err(format!("we accept it in spite of {broken:?}"));
            }
            same_request(&ours, &theirs)?;
            Ok(Agreement::BothAccept)
        }
        (Err(error), Ok(theirs)) => {
            let broken = rules_broken_by_request(&theirs, input);
            if broken.is_empty() {
                return Err(format!("we refuse it for no named rule: {error}"));
            }
            Ok(Agreement::TheirsOnly(broken))
        }
        (Ok(_), Err(_)) if has_wide_arc(input) => Ok(Agreement::OursOnly),
        (Ok(ours), Err(error)) => {
            let opened = request_without_closed_parts(input).map_err(|error| error.to_string())?;
            let theirs = rasn::der::decode::<rasn_ocsp::OcspRequest>(&opened)
                .map_err(|_| format!("only we accept it, and they say: {error}"))?;
            same_request(&ours, &theirs)?;
            Ok(Agreement::OursOnly)
        }
    }
}

/// Holds both decoders against one response.
///
/// # Errors
/// As [`compare_request`].
pub fn compare_response(input: &[u8]) -> Result<Agreement, String> {
    let ours = OcspResponse::from_der(input);
    let theirs = TheirResponse::from_der(input);
    match (ours, theirs) {
        (Err(_), Err(_)) => Ok(Agreement::BothRefuse),
        (Ok(ours), Ok(theirs)) => {
            let broken = rules_broken_by_response(&theirs, input);
            if !broken.is_empty() {
                return Err(format!("we accept it in spite of {broken:?}"));
            }
            same_response(&ours, &theirs)?;
            Ok(Agreement::BothAccept)
        }
        (Err(error), Ok(theirs)) => {
            let broken = rules_broken_by_response(&theirs, input);
            if broken.is_empty() {
                return Err(format!("we refuse it for no named rule: {error}"));
            }
            Ok(Agreement::TheirsOnly(broken))
        }
        (Ok(_), Err(_)) if has_wide_arc(input) => Ok(Agreement::OursOnly),
        (Ok(ours), Err(error)) => {
            let opened = response_without_closed_parts(input).map_err(|error| error.to_string())?;
            let theirs = TheirResponse::from_der(&opened)
                .map_err(|_| format!("only we accept it, and they say: {error}"))?;
            same_response(&ours, &theirs)?;
            Ok(Agreement::OursOnly)
        }
    }
}

/// PreferredSignatureAlgorithm (RFC 6960 §4.4.7.1), which they do not define.
#[derive(rasn::AsnType, rasn::Decode, rasn::Encode)]
struct TheirPreference {
    signature: AlgorithmIdentifier,
    key: Option<AlgorithmIdentifier>,
}

/// Both layers of a response, as they read it.
struct TheirResponse {
    outer: rasn_ocsp::OcspResponse,
    basic: Option<rasn_ocsp::BasicOcspResponse>,
}

impl TheirResponse {
    fn from_der(input: &[u8]) -> Result<TheirResponse, String> {
        let outer: rasn_ocsp::OcspResponse =
            rasn::der::decode(input).map_err(|error| error.to_string())?;
        let basic = match &outer.bytes {
            Some(bytes) if content(&bytes.r#type) == oid::OCSP_BASIC => {
                Some(rasn::der::decode(&bytes.response).map_err(|error| error.to_string())?)
            }
            Some(_) | None => None,
        };
        Ok(TheirResponse { outer, basic })
    }

    /// Would they write both layers like this?
    fn is_encoded_as(&self, input: &[u8]) -> bool {
        let outer_is = rasn::der::encode(&self.outer).is_ok_and(|again| again == input);
        let basic_is = match (&self.basic, &self.outer.bytes) {
            (Some(basic), Some(bytes)) => {
                rasn::der::encode(basic).is_ok_and(|again| again[..] == bytes.response[..])
            }
            (_, _) => true,
        };
        outer_is && basic_is
    }
}

/// Collects each broken rule once.
#[derive(Default)]
struct Broken(Vec<Strictness>);

impl Broken {
    fn when(&mut self, is_broken: bool, rule: Strictness) {
        if is_broken && !self.0.contains(&rule) {
            self.0.push(rule);
        }
    }

    fn extensions(&mut self, extensions: Option<&Extensions>, place: Place) {
        let Some(extensions) = extensions else {
            return;
        };
        self.when(extensions.is_empty(), Strictness::NoExtensions);
        self.when(
            extensions.len() > EXTENSIONS_MAX,
            Strictness::TooManyExtensions,
        );
        for (index, extension) in extensions.iter().enumerate() {
            let is_double = extensions
                .iter()
                .take(index)
                .any(|earlier| earlier.extn_id == extension.extn_id);
            self.when(is_double, Strictness::DuplicateExtension);
            let value = &extension.extn_value[..];
            let is_known = match (&content(&extension.extn_id)[..], place) {
                (oid::OCSP_NONCE, Place::Request | Place::Response) => {
                    let length = whole(value, tag::OCTET_STRING).map(|nonce| nonce.value.len());
                    self.when(!matches!(length, Ok(1..=128)), Strictness::Nonce);
                    true
                }
                (oid::OCSP_PREFERRED_SIGNATURE_ALGORITHMS, Place::Request) => {
                    self.preferred(value);
                    true
                }
                (oid::OCSP_RESPONSE, Place::Request)
                | (oid::OCSP_SERVICE_LOCATOR, Place::SingleRequest) => {
                    let is_sequence = whole(value, tag::SEQUENCE).is_ok();
                    self.when(!is_sequence, Strictness::ExtensionValue);
                    true
                }
                (oid::INVALIDITY_DATE, Place::RevokedSingleResponse) => {
                    match rasn::der::decode::<GeneralizedTime>(value) {
                        Ok(date) => self.time(&date),
                        Err(_) => self.when(true, Strictness::ExtensionValue),
                    }
                    true
                }
                (_, _) => false,
            };
            self.when(
                extension.critical && !is_known,
                Strictness::UnknownCriticalExtension,
            );
        }
    }

    fn preferred(&mut self, value: &[u8]) {
        let Ok(entries) = rasn::der::decode::<Vec<TheirPreference>>(value) else {
            return self.when(true, Strictness::ExtensionValue);
        };
        let is_the_same = rasn::der::encode(&entries).is_ok_and(|again| again == value);
        self.when(!is_the_same, Strictness::ExtensionValue);
        for entry in &entries {
            self.algorithm(&entry.signature);
            if let Some(key) = &entry.key {
                self.algorithm(key);
            }
        }
    }

    fn cert_id(&mut self, cert_id: &rasn_ocsp::CertId) {
        let serial = content(&cert_id.serial_number);
        self.when(serial.len() > SERIAL_OCTETS_MAX, Strictness::LongSerial);
        self.algorithm(&cert_id.hash_algorithm);
    }

    fn algorithm(&mut self, algorithm: &AlgorithmIdentifier) {
        let is_an_element = |parameters: &Any| {
            let mut reader = Reader::new(parameters.as_bytes());
            let element = reader.read_any();
            reader.is_empty()
                && element.is_ok_and(|element| element.tag != tag::NULL || element.value.is_empty())
        };
        let fits = algorithm.parameters.as_ref().is_none_or(is_an_element);
        self.when(!fits, Strictness::Parameters);
    }

    fn time(&mut self, time: &GeneralizedTime) {
        self.when(
            time.timestamp_subsec_nanos() != 0,
            Strictness::FractionOfASecond,
        );
    }
}

/// Where a list of extensions stands.
#[derive(Clone, Copy)]
enum Place {
    Request,
    SingleRequest,
    Response,
    SingleResponse,
    RevokedSingleResponse,
}

fn rules_broken_by_request(request: &rasn_ocsp::OcspRequest, input: &[u8]) -> Vec<Strictness> {
    let mut broken = Broken::default();
    let is_the_same = |input: &[u8], request: &rasn_ocsp::OcspRequest| {
        rasn::der::encode(request).is_ok_and(|again| again == input)
    };
    let only_closed_parts_differ = || {
        request_without_closed_parts(input).is_ok_and(|opened| {
            rasn::der::decode(&opened).is_ok_and(|request| is_the_same(&opened, &request))
        })
    };
    broken.when(
        !is_the_same(input, request) && !only_closed_parts_differ(),
        Strictness::OtherEncoding,
    );
    let tbs = &request.tbs_request;
    broken.when(content(&tbs.version) != [0], Strictness::Version);
    broken.when(tbs.request_list.is_empty(), Strictness::EmptyList);
    for single in &tbs.request_list {
        broken.cert_id(&single.req_cert);
        broken.extensions(
            single.single_request_extensions.as_ref(),
            Place::SingleRequest,
        );
    }
    broken.extensions(tbs.request_extensions.as_ref(), Place::Request);
    if let Some(signature) = &request.optional_signature {
        broken.algorithm(&signature.signature_algorithm);
        broken.when(
            signature.signature.len() % 8 != 0,
            Strictness::SignatureBits,
        );
    }
    broken.0
}

fn rules_broken_by_response(response: &TheirResponse, input: &[u8]) -> Vec<Strictness> {
    let mut broken = Broken::default();
    let outer = &response.outer;
    let only_closed_parts_differ = || {
        response_without_closed_parts(input).is_ok_and(|opened| {
            TheirResponse::from_der(&opened).is_ok_and(|response| response.is_encoded_as(&opened))
        })
    };
    broken.when(
        !response.is_encoded_as(input) && !only_closed_parts_differ(),
        Strictness::OtherEncoding,
    );
    let is_successful = outer.status == rasn_ocsp::OcspResponseStatus::Successful;
    broken.when(
        is_successful != outer.bytes.is_some(),
        Strictness::StatusAndBody,
    );
    let is_other = outer.bytes.is_some() && response.basic.is_none();
    broken.when(is_other, Strictness::ResponseType);
    let Some(basic) = &response.basic else {
        return broken.0;
    };
    broken.algorithm(&basic.signature_algorithm);
    broken.when(basic.signature.len() % 8 != 0, Strictness::SignatureBits);
    let has_no_certificate = basic.certs.as_ref().is_some_and(Vec::is_empty);
    broken.when(has_no_certificate, Strictness::EmptyList);
    let data = &basic.tbs_response_data;
    broken.when(content(&data.version) != [0], Strictness::Version);
    if let rasn_ocsp::ResponderId::ByKey(hash) = &data.responder_id {
        broken.when(hash.len() != 20, Strictness::KeyHash);
    }
    broken.time(&data.produced_at);
    broken.when(data.responses.is_empty(), Strictness::EmptyList);
    for single in &data.responses {
        broken.cert_id(&single.cert_id);
        let mut place = Place::SingleResponse;
        if let rasn_ocsp::CertStatus::Revoked(info) = &single.cert_status {
            place = Place::RevokedSingleResponse;
            broken.time(&info.revocation_time);
            let is_none = info.revocation_reason == Some(CrlReason::RemoveFromCRL);
            broken.when(is_none, Strictness::Reason);
        }
        broken.time(&single.this_update);
        if let Some(next_update) = &single.next_update {
            broken.time(next_update);
        }
        broken.extensions(single.single_extensions.as_ref(), place);
    }
    broken.extensions(data.response_extensions.as_ref(), Place::Response);
    broken.0
}

fn same_request(ours: &OcspRequest<'_>, theirs: &rasn_ocsp::OcspRequest) -> Result<(), String> {
    let tbs = &theirs.tbs_request;
    let singles: Vec<_> = ours.single_requests().collect();
    same("count", &singles.len(), &tbs.request_list.len())?;
    same("count", &ours.single_request_count, &tbs.request_list.len())?;
    for (ours, theirs) in singles.iter().zip(&tbs.request_list) {
        same_cert_id(&ours.cert_id, &theirs.req_cert)?;
    }
    let value = |identifier| extension_value(tbs.request_extensions.as_ref(), identifier);
    let nonce = ours.nonce.map(|nonce| nonce.octets().to_vec());
    same("nonce", &nonce, &inner(value(oid::OCSP_NONCE)))?;
    let preferred = ours.preferred_signature_algorithms.as_ref();
    let ours: Option<Vec<_>> = preferred.map(|preferred| {
        let known = |entry: PreferredSignatureAlgorithm<'_>| entry.signature_algorithm;
        preferred.iter().map(known).collect()
    });
    let theirs = value(oid::OCSP_PREFERRED_SIGNATURE_ALGORITHMS).map(|value| {
        let known = |entry: &TheirPreference| {
            let identifier = rasn::der::encode(&entry.signature).unwrap_or_default();
            SignatureAlgorithm::from_der(&identifier)
        };
        let entries = rasn::der::decode::<Vec<TheirPreference>>(value);
        entries.map(|entries| entries.iter().map(known).collect::<Vec<_>>())
    });
    match theirs.transpose() {
        Ok(theirs) => same("preferred algorithms", &ours, &theirs),
        // An identifier that is too wide for them: see above.
        Err(_) => Ok(()),
    }
}

fn same_response(ours: &OcspResponse<'_>, theirs: &TheirResponse) -> Result<(), String> {
    let status = match theirs.outer.status {
        rasn_ocsp::OcspResponseStatus::Successful => ResponseStatus::Successful,
        rasn_ocsp::OcspResponseStatus::MalformedRequest => {
            ResponseStatus::Error(ErrorStatus::MalformedRequest)
        }
        rasn_ocsp::OcspResponseStatus::InternalError => {
            ResponseStatus::Error(ErrorStatus::InternalError)
        }
        rasn_ocsp::OcspResponseStatus::TryLater => ResponseStatus::Error(ErrorStatus::TryLater),
        rasn_ocsp::OcspResponseStatus::SigRequired => {
            ResponseStatus::Error(ErrorStatus::SigRequired)
        }
        rasn_ocsp::OcspResponseStatus::Unauthorized => {
            ResponseStatus::Error(ErrorStatus::Unauthorized)
        }
    };
    same("status", &ours.status, &status)?;
    match (&ours.basic, &theirs.basic) {
        (None, None) => Ok(()),
        (Some(ours), Some(theirs)) => same_basic(ours, theirs),
        (Some(_), None) | (None, Some(_)) => Err("one of us sees no body".to_owned()),
    }
}

fn same_basic(
    ours: &BasicOcspResponse<'_>,
    theirs: &rasn_ocsp::BasicOcspResponse,
) -> Result<(), String> {
    let data = &theirs.tbs_response_data;
    match (ours.responder_id, &data.responder_id) {
        (ResponderId::ByKeyHash(ours), rasn_ocsp::ResponderId::ByKey(theirs)) => {
            same("key hash", &ours, &&theirs[..])?;
        }
        // What names hold is not opened here: their octets are compared as part of the whole.
        (ResponderId::ByName(_), rasn_ocsp::ResponderId::ByName(_)) => {}
        (ours, theirs) => return Err(format!("signed by {ours:?} and {theirs:?}")),
    }
    same_time("producedAt", ours.produced_at, &data.produced_at)?;
    same("count", &ours.responses.len(), &data.responses.len())?;
    for (ours, theirs) in ours.responses.iter().zip(&data.responses) {
        same_cert_id(&ours.cert_id, &theirs.cert_id)?;
        same_time("thisUpdate", ours.this_update, &theirs.this_update)?;
        match (ours.next_update, &theirs.next_update) {
            (None, None) => {}
            (Some(ours), Some(theirs)) => same_time("nextUpdate", ours, theirs)?,
            (ours, theirs) => return Err(format!("nextUpdate: {ours:?} and {theirs:?}")),
        }
        same_status(ours.cert_status, theirs)?;
    }
    let nonce = extension_value(data.response_extensions.as_ref(), oid::OCSP_NONCE);
    same("nonce", &ours.nonce.map(<[u8]>::to_vec), &inner(nonce))?;
    let algorithm = rasn::der::encode(&theirs.signature_algorithm).unwrap_or_default();
    same("algorithm", &ours.signature_algorithm, &&algorithm[..])?;
    let signature = theirs.signature.as_raw_slice();
    same("signature", &ours.signature, &signature)
}

fn same_status(ours: CertStatus, theirs: &rasn_ocsp::SingleResponse) -> Result<(), String> {
    match (ours, &theirs.cert_status) {
        (CertStatus::Good, rasn_ocsp::CertStatus::Good)
        | (CertStatus::Unknown, rasn_ocsp::CertStatus::Unknown(())) => Ok(()),
        (CertStatus::Revoked(ours), rasn_ocsp::CertStatus::Revoked(info)) => {
            same_time(
                "revocationTime",
                ours.revocation_time,
                &info.revocation_time,
            )?;
            let code = info.revocation_reason.map_or(0, |reason| reason as u8);
            same(
                "reason",
                &ours.reason.map_or(0, |reason| reason.code()),
                &code,
            )?;
            let date = extension_value(theirs.single_extensions.as_ref(), oid::INVALIDITY_DATE)
                .and_then(|value| rasn::der::decode::<GeneralizedTime>(value).ok());
            match (ours.invalidity_date, &date) {
                (None, None) => Ok(()),
                (Some(ours), Some(theirs)) => same_time("invalidityDate", ours, theirs),
                (ours, theirs) => Err(format!("invalidityDate: {ours:?} and {theirs:?}")),
            }
        }
        (ours, theirs) => Err(format!("status: {ours:?} and {theirs:?}")),
    }
}

fn same_cert_id(ours: &CertId<'_>, theirs: &rasn_ocsp::CertId) -> Result<(), String> {
    let whole = rasn::der::encode(theirs).map_err(|error| error.to_string())?;
    same("CertID", &ours.der, &&whole[..])?;
    same(
        "name hash",
        &ours.issuer_name_hash,
        &&theirs.issuer_name_hash[..],
    )?;
    same(
        "key hash",
        &ours.issuer_key_hash,
        &&theirs.issuer_key_hash[..],
    )?;
    let serial = content(&theirs.serial_number);
    same("serial", &ours.serial_number.content(), &&serial[..])?;
    // Known is a hash that we name, of that hash's length, with parameters NULL or absent.
    let parameters = theirs.hash_algorithm.parameters.as_ref();
    let algorithm = content(&theirs.hash_algorithm.algorithm);
    let known = HashAlgorithm::ALL.into_iter().find(|known| {
        known.oid() == algorithm
            && theirs.issuer_name_hash.len() == known.digest_length()
            && theirs.issuer_key_hash.len() == known.digest_length()
            && parameters.is_none_or(|parameters| parameters.as_bytes() == [tag::NULL, 0])
    });
    same("hash algorithm", &ours.hash_algorithm, &known)
}

fn same_time(what: &str, ours: ocspry_wire::Time, theirs: &GeneralizedTime) -> Result<(), String> {
    same(what, &ours.unix_seconds(), &theirs.timestamp())
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, ours: &T, theirs: &T) -> Result<(), String> {
    if ours == theirs {
        Ok(())
    } else {
        Err(format!("{what}: we read {ours:02x?}, they {theirs:02x?}"))
    }
}

/// The content octets of a value as they write it.
fn content(value: &impl rasn::Encode) -> Vec<u8> {
    let der = rasn::der::encode(value).unwrap_or_default();
    Reader::new(&der)
        .read_any()
        .map_or(Vec::new(), |element| element.value.to_vec())
}

/// extnValue of the extension with this identifier.
fn extension_value<'a>(extensions: Option<&'a Extensions>, identifier: &[u8]) -> Option<&'a [u8]> {
    extensions?
        .iter()
        .find(|extension| content(&extension.extn_id) == identifier)
        .map(|extension| &extension.extn_value[..])
}

/// The content of the element that an extnValue holds.
fn inner(value: Option<&[u8]>) -> Option<Vec<u8>> {
    let element = Reader::new(value?).read_any().ok()?;
    Some(element.value.to_vec())
}

/// As the input, but a request less the requestor's name and certificates, which we do not open (RFC 9919 §3.1.2).
fn request_without_closed_parts(input: &[u8]) -> Result<Vec<u8>, DerError> {
    let outer = elements(whole(input, tag::SEQUENCE)?)?;
    let mut der = Vec::new();
    for (place, part) in outer.iter().enumerate() {
        let mut fields;
        if place == 0 {
            fields = elements(*part)?;
            fields.retain(|field| !is_one_element(field));
            push(&mut der, part.tag, &concatenated(&fields));
        } else {
            let signature = part.only(tag::SEQUENCE)?;
            fields = elements(signature)?;
            fields.retain(|field| !holds_certificates(field));
            push_nested(&mut der, part.tag, |out| {
                push(out, signature.tag, &concatenated(&fields));
            });
        }
    }
    let mut request = Vec::new();
    push(&mut request, tag::SEQUENCE, &der);
    Ok(request)
}

/// `[1] EXPLICIT` around one element, as the requestor's name stands.
fn is_one_element(field: &Tlv<'_>) -> bool {
    field.tag == tag::context(1) && elements(*field).is_ok_and(|inside| inside.len() == 1)
}

/// `[0] EXPLICIT SEQUENCE OF` what could be certificates.
fn holds_certificates(field: &Tlv<'_>) -> bool {
    let are_sequences =
        |list: Vec<Tlv<'_>>| list.iter().all(|element| element.tag == tag::SEQUENCE);
    field.tag == tag::context(0)
        && field
            .only(tag::SEQUENCE)
            .and_then(elements)
            .is_ok_and(are_sequences)
}

/// As the input, but a response less the certificates, and with an empty name for a responder: neither is opened by its decoder.
fn response_without_closed_parts(input: &[u8]) -> Result<Vec<u8>, DerError> {
    let outer = elements(whole(input, tag::SEQUENCE)?)?;
    let [status, explicit] = outer[..] else {
        return Err(NOT_THERE);
    };
    let bytes = elements(explicit.only(tag::SEQUENCE)?)?;
    let [response_type, response] = bytes[..] else {
        return Err(NOT_THERE);
    };
    let basic = elements(response.only(tag::SEQUENCE)?)?;
    let [response_data, signature_and_more @ ..] = &basic[..] else {
        return Err(NOT_THERE);
    };
    let mut signature_and_more = signature_and_more.to_vec();
    signature_and_more.retain(|field| !holds_certificates(field));
    let mut data = elements(*response_data)?;
    let empty_name = [tag::context(1), 2, tag::SEQUENCE, 0];
    if let Some(responder) = data.first_mut()
        && responder.tag == tag::context(1)
        && responder.only(tag::SEQUENCE).is_ok()
    {
        responder.der = &empty_name;
    }
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        out.extend_from_slice(status.der);
        push_nested(out, explicit.tag, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                out.extend_from_slice(response_type.der);
                push_nested(out, response.tag, |out| {
                    push_nested(out, tag::SEQUENCE, |out| {
                        push(out, response_data.tag, &concatenated(&data));
                        out.extend_from_slice(&concatenated(&signature_and_more));
                    });
                });
            });
        });
    });
    Ok(der)
}

fn elements(parent: Tlv<'_>) -> Result<Vec<Tlv<'_>>, DerError> {
    let mut reader = Reader::inside(parent);
    let mut found = Vec::new();
    while !reader.is_empty() {
        found.push(reader.read_any()?);
    }
    Ok(found)
}

fn concatenated(elements: &[Tlv<'_>]) -> Vec<u8> {
    let octets: Vec<&[u8]> = elements.iter().map(|element| element.der).collect();
    octets.concat()
}

/// A part that was looked for is missing.
const NOT_THERE: DerError = DerError {
    offset: 0,
    kind: DerErrorKind::Truncated,
};

/// Does an OBJECT IDENTIFIER, wherever it stands, have an arc beyond 32 bits, such as those under 2.25?  X.660 has no bound.
fn has_wide_arc(input: &[u8]) -> bool {
    let mut unread = vec![input];
    while let Some(octets) = unread.pop() {
        let mut reader = Reader::new(octets);
        while let Ok(element) = reader.read_any() {
            let mut arcs = element.value.split_inclusive(|octet| *octet < 0x80);
            let is_wide = |arc: &[u8]| {
                let number = arc.iter().try_fold(0_u32, |number, octet| {
                    number
                        .checked_mul(0x80)?
                        .checked_add(u32::from(octet & 0x7f))
                });
                number.is_none()
            };
            if element.tag == tag::OID && arcs.any(is_wide) {
                return true;
            }
            // Constructed elements, and those that wrap another one.
            if element.tag & 0x20 != 0 || element.tag == tag::OCTET_STRING {
                unread.push(element.value);
            }
        }
    }
    false
}
