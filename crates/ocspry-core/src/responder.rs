//! START HERE: the story of one OCSP request, top to bottom.
//!
//! From: `http::ocsp`, the octets of a request and the time.  Through: `wire::ocsp::request` (octets to
//! [`OcspRequest`]), `issuer` (CertID to issuer), `status` (serial to status), `response` (what is signed), `signing`.
//! To: an [`Answer`], which is either signed or one of the five error bodies, and the [`Outcome`] that says why.
//! Nothing here reads a file, a clock or the network, and nothing waits but for a slow key.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CERT_IDS_MAX, CertStatus, CrlReason, ErrorStatus, OcspRequest};

use crate::cache::{Basis, CachedAnswer, Flight, ResponseCache, Standing};
use crate::counts::Tally;
use crate::outcome::{Refusal, SignedStatus};
use crate::response::{Draft, Lifetime, ResponseData, lifetime};
use crate::signing::gave_up;
use crate::{
    CacheUsage, IssuerId, IssuerSet, NoncePolicy, Outcome, RecentAnswers, ResponderCredential,
    SignError, SigningCounts, SigningPool, SigningSpeed, ValidityWindow, crypto,
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
    /// producedAt: when it was made, just before it was signed.
    pub produced_at: Time,
    /// The earliest thisUpdate to the earliest nextUpdate in it.
    pub window: ValidityWindow,
    /// From then on it must not be sent any more.
    pub send_before: Time,
    /// SHA-256 of the DER, which names it in caches (RFC 9919 §7.2); None: it carries a nonce, and is for one client only.
    pub digest: Option<[u8; 32]>,
    /// How long a cache may keep it at the most.
    pub max_age_max: Duration,
}

/// Answers requests for one set of issuers.
pub struct Responder {
    /// Tells this responder's answers from those of the one it replaced.
    id: u64,
    issuers: IssuerSet,
    pool: Arc<SigningPool>,
    cache: Arc<ResponseCache>,
}

impl Responder {
    /// A responder for `issuers`; slow keys sign on `pool`.
    pub fn new(issuers: IssuerSet, pool: Arc<SigningPool>) -> Responder {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Responder {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            issuers,
            pool,
            cache: Arc::new(ResponseCache::new(CACHE_BYTES_MAX)),
        }
    }

    /// The issuers it answers for.
    pub fn issuers(&self) -> &IssuerSet {
        &self.issuers
    }

    /// How full the cache is that its workers share.
    pub fn cache_usage(&self) -> CacheUsage {
        self.cache.usage()
    }

    /// What its slow keys did so far.
    pub fn signing_counts(&self) -> SigningCounts {
        self.pool.counts()
    }

    /// Answers one request.  `recent` is the worker's own cache, `buffer` scratch space; both are best kept between calls.
    pub async fn answer(
        &self,
        request: &[u8],
        now: Time,
        recent: &RecentAnswers,
        buffer: &mut BytesMut,
    ) -> (Answer, Outcome) {
        let is_current = |answer: &_| self.standing(answer, now) == Standing::Current;
        if let Some(answer) = recent.get_if(request, is_current) {
            return signed(&answer);
        }
        let mut tally = Tally::new(recent.counts());
        for _ in 0..ATTEMPTS_MAX {
            let unsigned = match self.prepare(request, now, &mut tally, buffer) {
                Ok(Prepared::Cached(answer)) => {
                    recent.insert(request, tally.asked(), Arc::clone(&answer));
                    return signed(&answer);
                }
                Ok(Prepared::Unsigned(unsigned)) => unsigned,
                Err(refusal) => return refuse(refusal),
            };
            let basis = unsigned.basis;
            let new = match self.sign(unsigned, &tally, buffer).await {
                Ok(new) => new,
                Err(refusal) => return refuse(refusal),
            };
            // A slow key takes its time: what was good when it began may be revoked by now.
            if basis.is_some_and(|basis| !self.holds(&basis)) {
                continue;
            }
            return match new {
                NewAnswer::Kept(answer) => {
                    let answered = signed(&answer);
                    recent.insert(request, tally.asked(), answer);
                    answered
                }
                NewAnswer::Once(response, status) => {
                    (Answer::Signed(response), Outcome::Signed(status))
                }
            };
        }
        refuse(Refusal::Overtaken)
    }

    /// What may be done with this cached answer, which may be an earlier responder's?
    fn standing(&self, answer: &CachedAnswer, now: Time) -> Standing {
        if answer.basis.responder != self.id {
            return Standing::Over;
        }
        answer.standing(self.issuers.issuer(answer.basis.issuer), now)
    }

    /// Does what an answer is being made from still hold?
    fn holds(&self, basis: &Basis) -> bool {
        let issuer = self.issuers.issuer(basis.issuer);
        basis.holds(issuer, &AtomicU64::new(basis.generation))
    }

    /// All up to the signature: which issuer, which status, which window; written into `buffer` unless there is an answer
    /// already.  Allocates nothing, once `buffer` has grown, but the CertID of an answer that will be kept.
    fn prepare(
        &self,
        request: &[u8],
        now: Time,
        tally: &mut Tally<'_>,
        buffer: &mut BytesMut,
    ) -> Result<Prepared, Refusal> {
        let request = OcspRequest::from_der(request).map_err(Refusal::Malformed)?;
        tally.decoded(&request);
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

        // Only answers about one certificate, for anybody who asks.
        let is_kept = nonce.is_none() && request.single_request_count == 1;
        let mut due = None;
        if is_kept {
            if let Some(answer) = self.cache.get(request.first.cert_id.der) {
                match self.standing(&answer, now) {
                    Standing::Current => {
                        tally.looked_up(true);
                        return Ok(Prepared::Cached(answer));
                    }
                    Standing::Due => due = Some(answer),
                    Standing::Over => {}
                }
            }
            tally.looked_up(false);
        }

        // Read before the table: an answer never claims a newer table than it was derived from.
        let generation = issuer.generation();
        let table = issuer.table_guard();
        let table = table.as_ref().ok_or(Refusal::SourceMissing)?;
        let credential = issuer.credential().ok_or(Refusal::SignerMissing)?;
        let lifetime = lifetime(table.window(), issuer, &credential, now)?;

        let mut draft = Draft::begin(buffer, &credential);
        let mut shortest = lifetime;
        let mut max_age_max = MAX_AGE_MAX;
        let mut last_status = CertStatus::Unknown;
        for single in request.single_requests() {
            let cert_id = single.cert_id;
            let is_ours = self.issuers.find(&cert_id) == Some(issuer_id);
            let status = if is_ours {
                table.lookup(&cert_id.serial_number).cert_status()
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
            last_status = status;
        }
        let response_data = draft.response_data(&credential, lifetime.produced_at, nonce);
        let status = match request.single_request_count {
            1 => SignedStatus::of(last_status),
            _ => SignedStatus::Several,
        };
        let basis = (request.single_request_count == 1).then(|| Basis {
            responder: self.id,
            issuer: issuer_id,
            generation,
            source: table.window(),
            credential: credential.id(),
            serial_number: request.first.cert_id.serial_number,
            status: last_status,
        });
        let keep_as = is_kept.then(|| request.first.cert_id.der.into());
        Ok(Prepared::Unsigned(Unsigned {
            response_data,
            credential,
            lifetime: shortest,
            status,
            has_nonce: nonce.is_some(),
            max_age_max,
            basis,
            keep_as,
            due,
        }))
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

    /// A fast key signs here, a slow one on the pool: there, one signature at a time for each answer that is kept.
    async fn sign(
        &self,
        mut unsigned: Unsigned,
        tally: &Tally<'_>,
        buffer: &mut BytesMut,
    ) -> Result<NewAnswer, Refusal> {
        let due = unsigned.due.take();
        let keep = unsigned.keep_as.take().zip(unsigned.basis);
        let renew_at = unsigned.lifetime.renew_at;
        match (unsigned.credential.signer().speed(), keep) {
            (SigningSpeed::Inline, None) => {
                let status = unsigned.status;
                let signed = unsigned.sign(buffer);
                tally.signed(&signed);
                Ok(NewAnswer::Once(signed?, status))
            }
            (SigningSpeed::Inline, Some((cert_id, basis))) => {
                let signed = unsigned.sign(buffer);
                tally.signed(&signed);
                match (signed, due) {
                    (Ok(response), _) => {
                        let answer = Arc::new(CachedAnswer::new(response, basis, renew_at));
                        self.cache.insert(cert_id, Arc::clone(&answer));
                        Ok(NewAnswer::Kept(answer))
                    }
                    // The one there is lives on.
                    (Err(_), Some(due)) => Ok(NewAnswer::Kept(due)),
                    (Err(error), None) => Err(error.into()),
                }
            }
            (SigningSpeed::Queued, None) => {
                let status = unsigned.status;
                let mut buffer = std::mem::take(buffer);
                let totals = self.pool.totals();
                let sign = move || totals.ended(unsigned.sign(&mut buffer));
                let response = self.pool.run(sign).await??;
                Ok(NewAnswer::Once(response, status))
            }
            (SigningSpeed::Queued, Some((cert_id, basis))) => {
                let (signed, under_way) = self.cache.join(Flight {
                    cert_id,
                    generation: basis.generation,
                    credential: basis.credential,
                });
                if let Some(under_way) = under_way {
                    let mut buffer = std::mem::take(buffer);
                    let totals = self.pool.totals();
                    let sign = move || {
                        let response = totals.ended(unsigned.sign(&mut buffer))?;
                        Ok(Arc::new(CachedAnswer::new(response, basis, renew_at)))
                    };
                    // Run or refused, everybody is told; and it is run though all have hung up: the next client wants it.
                    let _ = self.pool.submit(move || under_way.run(sign));
                }
                // Nobody waits for a newer answer while there is a true one.
                if let Some(due) = due {
                    return Ok(NewAnswer::Kept(due));
                }
                let answer = signed.await.unwrap_or_else(|_| Err(gave_up()))?;
                Ok(NewAnswer::Kept(answer))
            }
        }
    }
}

/// How often an answer is made again because its table or signer was replaced while a slow key signed.
const ATTEMPTS_MAX: usize = 3;
/// How many octets of answers are kept.
const CACHE_BYTES_MAX: u64 = 64 << 20;
/// Enough for an ECDSA P-256 signature in DER, or an Ed25519 one.
const INLINE_SIGNATURE_OCTETS: usize = 72;

/// What comes before a signature.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one call; a box would be an allocation per request"
)]
enum Prepared {
    /// None is needed.
    Cached(Arc<CachedAnswer>),
    /// One is.
    Unsigned(Unsigned),
}

/// What comes after it.
enum NewAnswer {
    /// For everybody.
    Kept(Arc<CachedAnswer>),
    /// For this client.
    Once(SignedResponse, SignedStatus),
}

/// Everything but the signature.
struct Unsigned {
    response_data: ResponseData,
    credential: Arc<ResponderCredential>,
    lifetime: Lifetime,
    status: SignedStatus,
    has_nonce: bool,
    max_age_max: Duration,
    /// What it is derived from, when it is about one certificate.
    basis: Option<Basis>,
    /// The CertID under which it will be kept, if it will.
    keep_as: Option<Box<[u8]>>,
    /// The answer that it is to replace, which is still true.
    due: Option<Arc<CachedAnswer>>,
}

impl Unsigned {
    /// Signs what lies in `buffer`, and puts the rest around it.
    fn sign(self, buffer: &mut BytesMut) -> Result<SignedResponse, SignError> {
        let signer = self.credential.signer();
        let mut signature = Vec::with_capacity(INLINE_SIGNATURE_OCTETS);
        signer.sign(self.response_data.octets(buffer), &mut signature)?;
        let der = self.response_data.into_response(
            buffer,
            signer.algorithm(),
            &signature,
            self.credential.certificates(),
        );
        let digest = (!self.has_nonce).then(|| crypto::sha256(&der));
        Ok(SignedResponse {
            der,
            produced_at: self.lifetime.produced_at,
            window: self.lifetime.window,
            send_before: self.lifetime.send_before,
            digest,
            max_age_max: self.max_age_max,
        })
    }
}

fn signed(answer: &CachedAnswer) -> (Answer, Outcome) {
    (
        Answer::Signed(answer.response.clone()),
        Outcome::Signed(SignedStatus::of(answer.basis.status)),
    )
}

impl From<SignError> for Refusal {
    fn from(error: SignError) -> Refusal {
        match error {
            SignError::QueueFull => Refusal::SigningQueueFull,
            SignError::Failed(reason) => Refusal::SigningFailed { reason },
        }
    }
}

fn refuse(refusal: Refusal) -> (Answer, Outcome) {
    (
        Answer::Error(refusal.error_status()),
        Outcome::Refused(refusal),
    )
}

/// What may change back is not promised for long: `unknown` (it may be enrolled a second later) and a certificate on
/// hold (it may be released) live five minutes at most (DESIGN §4).
pub(crate) fn is_provisional(status: CertStatus) -> bool {
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
