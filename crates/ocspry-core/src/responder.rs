//! START HERE: the story of one OCSP request, top to bottom.
//!
//! From: `http::ocsp`, the octets of a request and the time.  Through: `wire::ocsp::request` (octets to
//! [`OcspRequest`]), `issuer` (CertID to issuer), `status` (serial to status), `response` (what is signed), `signing`.
//! To: an [`Answer`], which is either signed or one of the five error bodies, and the [`Outcome`] that says why.
//! Nothing here reads a file, a clock or the network, and nothing waits but for a slow key.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CERT_IDS_MAX, CertStatus, CrlReason, ErrorStatus, OcspRequest};

use crate::outcome::{Refusal, SignedStatus};
use crate::response::{Draft, Lifetime, ResponseData, lifetime};
use crate::{
    IssuerId, IssuerSet, Lookup, NoncePolicy, Outcome, ResponderCredential, SignError, SigningPool,
    SigningSpeed, ValidityWindow,
};

/// What goes back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A signed OCSPResponse.
    Signed(SignedResponse),
    /// One of the five error bodies.
    Error(ErrorStatus),
}

/// A whole signed OCSPResponse, with the facts that HTTP headers need.
#[derive(Clone, Debug)]
pub struct SignedResponse {
    /// The DER.
    pub der: Bytes,
    /// When it was signed.
    pub produced_at: Time,
    /// The earliest thisUpdate to the earliest nextUpdate in it.
    pub window: ValidityWindow,
    /// From then on it must not be sent any more.
    pub send_before: Time,
    /// It carries a nonce: it is for one client only.
    pub has_nonce: bool,
    /// How long a cache may keep it at the most.
    pub max_age_max: Duration,
}

/// Answers requests for one set of issuers.
pub struct Responder {
    issuers: IssuerSet,
    pool: Arc<SigningPool>,
}

impl Responder {
    /// A responder for `issuers`; slow keys sign on `pool`.
    pub fn new(issuers: IssuerSet, pool: Arc<SigningPool>) -> Responder {
        Responder { issuers, pool }
    }

    /// The issuers it answers for.
    pub fn issuers(&self) -> &IssuerSet {
        &self.issuers
    }

    /// Answers one request.  `buffer` is scratch space, best kept between calls.
    pub async fn answer(
        &self,
        request: &[u8],
        now: Time,
        buffer: &mut BytesMut,
    ) -> (Answer, Outcome) {
        let unsigned = match self.prepare(request, now, buffer) {
            Ok(unsigned) => unsigned,
            Err(refusal) => return refuse(refusal),
        };
        match self.sign(unsigned, buffer).await {
            Ok((response, status)) => (Answer::Signed(response), Outcome::Signed(status)),
            Err(refusal) => refuse(refusal),
        }
    }

    /// All up to the signature: which issuer, which status, which window; written into `buffer`.  Allocates nothing.
    fn prepare(
        &self,
        request: &[u8],
        now: Time,
        buffer: &mut BytesMut,
    ) -> Result<Unsigned, Refusal> {
        let request = OcspRequest::from_der(request).map_err(Refusal::Malformed)?;
        if request.single_request_count > CERT_IDS_MAX {
            return Err(Refusal::TooManyCertIds {
                count: request.single_request_count,
            });
        }
        let issuer_id = self.issuer_asked(&request)?;
        let issuer = self.issuers.issuer(issuer_id);
        if now > issuer.not_after() {
            return Err(Refusal::IssuerExpired {
                not_after: issuer.not_after(),
            });
        }
        let nonce = match issuer.policy().nonce {
            NoncePolicy::Echo => request.nonce,
            NoncePolicy::Ignore => None,
            NoncePolicy::Required => Some(request.nonce.ok_or(Refusal::NonceMissing)?),
        };

        let table = issuer.table_guard();
        let table = table.as_ref().ok_or(Refusal::SourceMissing)?;
        let credential = issuer.credential().ok_or(Refusal::SignerMissing)?;
        let lifetime = lifetime(table.window(), issuer, &credential, now)?;

        let mut draft = Draft::begin(buffer, &credential);
        let mut shortest = lifetime;
        let mut signed_status = SignedStatus::Several;
        let mut max_age_max = MAX_AGE_MAX;
        for single in request.single_requests() {
            let cert_id = single.cert_id;
            let is_ours = self.issuers.find(&cert_id) == Some(issuer_id);
            let status = if is_ours {
                match table.lookup(&cert_id.serial_number) {
                    Lookup::Revoked(info) => CertStatus::Revoked(info),
                    Lookup::Absent => CertStatus::Good,
                }
            } else {
                CertStatus::Unknown
            };
            let mut its_lifetime = lifetime;
            if is_provisional(status) {
                its_lifetime = lifetime.at_most(PROVISIONAL_SECONDS_MAX);
                shortest = its_lifetime;
                max_age_max = PROVISIONAL_MAX_AGE_MAX;
            }
            draft.single(cert_id.der, status, its_lifetime.window);
            if request.single_request_count == 1 {
                signed_status = SignedStatus::of(status);
            }
        }
        let response_data = draft.response_data(&credential, lifetime.produced_at, nonce);
        Ok(Unsigned {
            response_data,
            credential,
            lifetime: shortest,
            status: signed_status,
            has_nonce: nonce.is_some(),
            max_age_max,
        })
    }

    /// The one issuer that the request asks about; CertIDs of nobody we know do not count (STA-09).
    fn issuer_asked(&self, request: &OcspRequest<'_>) -> Result<IssuerId, Refusal> {
        let mut asked = None;
        for single in request.single_requests() {
            match (asked, self.issuers.find(&single.cert_id)) {
                (_, None) => {}
                (None, found) => asked = found,
                (Some(first), Some(other)) if first == other => {}
                (Some(_), Some(_)) => return Err(Refusal::SeveralIssuers),
            }
        }
        asked.ok_or(Refusal::UnknownIssuer)
    }

    /// A fast key signs here, a slow one on the pool.
    async fn sign(
        &self,
        unsigned: Unsigned,
        buffer: &mut BytesMut,
    ) -> Result<(SignedResponse, SignedStatus), Refusal> {
        let Unsigned {
            response_data,
            credential,
            lifetime,
            status,
            has_nonce,
            max_age_max,
        } = unsigned;
        let signer = credential.signer();
        let message = response_data.octets(buffer);
        let signature = match signer.speed() {
            SigningSpeed::Inline => {
                let mut signature = Vec::with_capacity(INLINE_SIGNATURE_OCTETS);
                signer.sign(message, &mut signature).map(|()| signature)
            }
            SigningSpeed::Queued => self.pool.sign(Arc::clone(signer), message.to_vec()).await,
        }
        .map_err(|error| match error {
            SignError::QueueFull => Refusal::SigningQueueFull,
            SignError::Failed(reason) => Refusal::SigningFailed { reason },
        })?;
        let der = response_data.into_response(
            buffer,
            signer.algorithm(),
            &signature,
            credential.certificates(),
        );
        let response = SignedResponse {
            der,
            produced_at: lifetime.produced_at,
            window: lifetime.window,
            send_before: lifetime.send_before,
            has_nonce,
            max_age_max,
        };
        Ok((response, status))
    }
}

/// Enough for an ECDSA P-256 signature in DER, or an Ed25519 one.
const INLINE_SIGNATURE_OCTETS: usize = 72;

/// Everything but the signature.
struct Unsigned {
    response_data: ResponseData,
    credential: Arc<ResponderCredential>,
    lifetime: Lifetime,
    status: SignedStatus,
    has_nonce: bool,
    max_age_max: Duration,
}

fn refuse(refusal: Refusal) -> (Answer, Outcome) {
    (
        Answer::Error(refusal.error_status()),
        Outcome::Refused(refusal),
    )
}

/// What may change back is not promised for long: `unknown` (it may be enrolled a second later) and a certificate on
/// hold (it may be released) live five minutes at most (DESIGN §4).
fn is_provisional(status: CertStatus) -> bool {
    match status {
        CertStatus::Good => false,
        CertStatus::Revoked(info) => info.reason == Some(CrlReason::CertificateHold),
        CertStatus::Unknown => true,
    }
}

/// The longest life of what may change back.
const PROVISIONAL_SECONDS_MAX: i64 = 300;
/// How long a cache may keep an answer.
const MAX_AGE_MAX: Duration = Duration::from_secs(3_600);
/// How long a cache may keep what may change back.
const PROVISIONAL_MAX_AGE_MAX: Duration = Duration::from_secs(60);
