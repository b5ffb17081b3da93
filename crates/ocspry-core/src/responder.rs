//! START HERE: the story of one OCSP request, top to bottom.  What happens when it comes to a signature is in `sign`.
//!
//! From: `http::ocsp`, the octets of a request and the time.  Through: `wire::ocsp::request` (octets to
//! [`OcspRequest`]), `issuer` (CertID to issuer), `status` (serial to status), `response` (what is signed), `signing`.
//! To: an [`Answer`], which is signed, one of the five error bodies, or left to HTTP, and the [`Outcome`] that says why.
//! Nothing here reads a file, a clock or the network, and nothing waits but for a slow key, or its turn.

mod sign;

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, OcspRequest, PreferredSignatureAlgorithms};
use ocspry_wire::x509::SignatureAlgorithm;

use self::sign::{Asking, Made, NewAnswer, Unsigned};
use crate::cache::{AnswerKey, Basis, CachedAnswer, Content, ResponseCache, Standing};
use crate::counts::Tally;
use crate::outcome::Refusal;
use crate::policy::{
    CERT_IDS_LIMIT, MAX_AGE_MAX, PROVISIONAL_MAX_AGE_MAX, PROVISIONAL_SECONDS_MAX,
    RevokedDefinition, Verdict, is_provisional,
};
use crate::produced::Origin;
use crate::response::{Draft, lifetime};
use crate::{
    ArchiveCutoff, CacheUsage, Client, Endpoint, Issuer, IssuerId, IssuerSet, Limit,
    NonceOverBudget, NoncePolicy, Outcome, RecentAnswer, RecentAnswers, ResponderCredential,
    SignError, SigningCounts, SigningPool, UnablePolicy, ValidityWindow,
};

/// What goes back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A signed OCSPResponse.
    Signed(SignedResponse),
    /// One of the five error bodies.
    Error(ErrorStatus),
    /// Nothing that is OCSP: the operator wants HTTP to say that we cannot ([`UnablePolicy::Http503`]).
    Unavailable,
}

/// A whole signed OCSPResponse, with the facts that HTTP headers need.
#[derive(Clone, Debug)]
pub struct SignedResponse {
    /// The DER.
    pub der: Bytes,
    /// producedAt: when it was made, just before it was signed.
    pub produced_at: Time,
    /// No other answer about this certificate has this producedAt, unless it says the same: producedAt names it.
    pub produced_at_is_unique: bool,
    /// The earliest thisUpdate to the earliest nextUpdate in it.
    pub window: ValidityWindow,
    /// What set that nextUpdate.
    pub limit: Limit,
    /// From then on it must not be sent any more.
    pub send_before: Time,
    /// What to say instead, from then on.
    pub unable: UnablePolicy,
    /// SHA-256 of the DER, which names it in caches (RFC 9919 §7.2); None: it carries a nonce, and is for one client only.
    pub digest: Option<[u8; 32]>,
    /// How long a cache may keep it at the most.
    pub max_age_max: Duration,
}

/// A request, and how it came.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whom it is put to.
    pub endpoint: Endpoint<'a>,
    /// Whom it is counted for, while more is asked for than can be signed.
    pub client: Client,
    /// Its octets.
    pub request: &'a [u8],
    /// Octets that stand for it, and are recognised when they come again: its own, or those of a URL that says the endpoint too.
    pub known_as: &'a [u8],
}

/// An answer with what is told of it, but to the client.
#[derive(Clone, Debug)]
pub struct Answered {
    /// What goes back.
    pub answer: Answer,
    /// Why it is this one.
    pub outcome: Outcome,
    /// What it took.
    pub effort: Effort,
    /// Who was asked about, as far as that was found out.
    issuer: Option<IssuerId>,
}

/// What an answer took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// It was there.
    Cached,
    /// A signature, made for it or awaited.
    Signed,
    /// It is not signed.
    Unsigned,
}

/// Answers requests for one set of issuers.
pub struct Responder {
    /// Tells this responder, with all its issuers, from the one that it replaced.
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

    /// A responder for other issuers, some of which may be the same: what is cached of those stays.
    pub fn with_issuers(&self, issuers: IssuerSet) -> Responder {
        Responder {
            cache: Arc::clone(&self.cache),
            ..Responder::new(issuers, Arc::clone(&self.pool))
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

    /// How long clients are to wait for their turn.
    pub fn patience(&self) -> Duration {
        self.pool.patience()
    }

    /// After so long whoever waits for a signature has been told so.
    pub fn longest(&self) -> Duration {
        self.pool.longest()
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
        let everybody = Endpoint::All;
        let nobody = Client::Trusted;
        let answered = self.answer_at(everybody, nobody, request, now, recent, buffer);
        let Answered {
            answer, outcome, ..
        } = answered.await;
        (answer, outcome)
    }

    /// Answers a request that was put to `endpoint`: where that names an issuer, only about certificates of that one
    /// (or, at the endpoint of the one that answers for unknown issuers, about those of nobody we know).  It is counted for
    /// `client` while more is asked for than can be signed.
    pub async fn answer_at(
        &self,
        endpoint: Endpoint<'_>,
        client: Client,
        request: &[u8],
        now: Time,
        recent: &RecentAnswers,
        buffer: &mut BytesMut,
    ) -> Answered {
        match self.recent_answer(Some(endpoint), request, now, recent) {
            Some(recent) => signed(recent.response(), recent.outcome(), Effort::Cached),
            None => {
                let question = Question {
                    endpoint,
                    client,
                    request,
                    known_as: request,
                };
                self.answer_anew(&question, now, recent, buffer).await
            }
        }
    }

    /// The answer that this worker gave before to what is [known as](Question::known_as) these octets, if it may be given
    /// again: the shortest way through.  It is counted.
    ///
    /// `endpoint` is where the request was put to; None: the octets say that too, and it is the one of before.
    pub fn recent_answer(
        &self,
        endpoint: Option<Endpoint<'_>>,
        known_as: &[u8],
        now: Time,
        recent: &RecentAnswers,
    ) -> Option<Rc<RecentAnswer>> {
        let mut its_issuer = None;
        let is_current = |kept: &RecentAnswer| {
            let answer = kept.answer();
            its_issuer = self.issuer_of(&answer.basis);
            its_issuer.is_some_and(|issuer| {
                let only = self.only(endpoint.unwrap_or(kept.endpoint()));
                let issuer_now = self.issuers.issuer(issuer);
                only.is_ok_and(|only| only.is_none_or(|only| only == issuer))
                    && answer.standing(issuer_now, now) == Standing::Current
            })
        };
        let answer = recent.get_if(known_as, is_current)?;
        let counts = self.issuers.issuer(its_issuer?).counts();
        counts.answered(answer.outcome().kind());
        Some(answer)
    }

    /// As [`answer_at`](Responder::answer_at), where [`recent_answer`](Responder::recent_answer) has found nothing.
    pub async fn answer_anew(
        &self,
        question: &Question<'_>,
        now: Time,
        recent: &RecentAnswers,
        buffer: &mut BytesMut,
    ) -> Answered {
        let answered = self.make(question, now, recent, buffer).await;
        if let Some(issuer) = answered.issuer {
            let counts = self.issuers.issuer(issuer).counts();
            counts.answered(answered.outcome.kind());
        }
        answered
    }

    /// Whether what an earlier responder has answered rests on an issuer that is none of this one's: another one has taken
    /// its place, or none has.
    pub fn overtakes(&self, earlier: &Responder, answered: &Answered) -> bool {
        answered.issuer.is_some_and(|issuer| {
            let instance = earlier.issuers.issuer(issuer).instance();
            self.issuers.find_instance(instance, issuer).is_none()
        })
    }

    /// The issuer that alone may be asked about at an endpoint; None: any.
    fn only(&self, endpoint: Endpoint<'_>) -> Result<Option<IssuerId>, Refusal> {
        match endpoint {
            Endpoint::All => Ok(None),
            Endpoint::Named(name) => match self.issuers.named(name) {
                Some(issuer) => Ok(Some(issuer)),
                None => Err(Refusal::WrongEndpoint),
            },
        }
    }

    /// The answer, which is not counted yet.
    async fn make(
        &self,
        question: &Question<'_>,
        now: Time,
        recent: &RecentAnswers,
        buffer: &mut BytesMut,
    ) -> Answered {
        let only = match self.only(question.endpoint) {
            Ok(only) => only,
            Err(refusal) => return refuse(refusal, UnablePolicy::TryLater),
        };
        let is_asked = |issuer| only.is_none_or(|only| only == issuer);
        let mut tally = Tally::new(recent.counts());
        let mut unable = UnablePolicy::TryLater;
        let mut asked = None;
        let mut asking = Asking::of(question.client);
        while asking.attempts < ATTEMPTS_MAX {
            // In a block, so that the decoded request is not kept while the answer waits.
            let (unsigned, policy) = {
                let (request, issuer) = match self.understand(question.request, &mut tally) {
                    Ok((_, issuer)) if !is_asked(issuer) => {
                        return refuse(Refusal::WrongEndpoint, unable);
                    }
                    Ok(understood) => understood,
                    Err(refusal) => return refuse(refusal, unable),
                };
                let policy = self.issuers.issuer(issuer).policy();
                unable = policy.unable;
                asked = Some(issuer);
                match self.prepare(&request, issuer, now, &asking, &mut tally, buffer) {
                    Ok(Prepared::Cached(answer)) => {
                        let sent = keep_and_send(recent, question, &tally, answer, Effort::Cached);
                        return sent.about(asked);
                    }
                    Ok(Prepared::Unsigned(unsigned)) => (unsigned, policy),
                    Err(refusal) => return refuse(refusal, unable).about(asked),
                }
            };
            let has_nonce = unsigned.has_nonce;
            let signed = self.sign(unsigned, &mut asking, recent, &tally, buffer);
            let new = match (signed.await, policy.nonce_over_budget) {
                (Ok(Made::Answer(new)), _) => new,
                // Its turn has come, and meanwhile the answer may have, too.
                (Ok(Made::NotYet), _) => continue,
                (Err(SignError::Excess(_)), NonceOverBudget::WithoutNonce) if has_nonce => {
                    tally.nonce_dropped();
                    asking.without_nonce = true;
                    continue;
                }
                (Err(error @ SignError::Excess(_)), NonceOverBudget::Http503) if has_nonce => {
                    return refuse(error.into(), UnablePolicy::Http503).about(asked);
                }
                (Err(error @ SignError::Excess(_)), NonceOverBudget::TryLater) if has_nonce => {
                    return refuse(error.into(), UnablePolicy::TryLater).about(asked);
                }
                (Err(error), _) => return refuse(error.into(), unable).about(asked),
            };
            asking.attempts += 1;
            // A slow key takes its time, and the answer may be one that another client waited for: what was good when it
            // began may be revoked by now.
            match new {
                NewAnswer::Kept(answer, effort) if self.holds(&answer.basis) => {
                    let sent = keep_and_send(recent, question, &tally, answer, effort);
                    return sent.about(asked);
                }
                NewAnswer::Once(response, basis) if self.holds(&basis) => {
                    return Answered {
                        answer: Answer::Signed(response),
                        outcome: Outcome::Signed(basis.content.status()),
                        effort: Effort::Signed,
                        issuer: asked,
                    };
                }
                NewAnswer::Kept(..) | NewAnswer::Once(..) => {}
            }
        }
        refuse(Refusal::Overtaken, unable).about(asked)
    }

    /// The issuer of a cached answer, which may be an earlier responder's; None where that issuer was replaced, or where
    /// the answer rests on issuers that are others now.
    fn issuer_of(&self, basis: &Basis) -> Option<IssuerId> {
        if basis
            .responder
            .is_some_and(|responder| responder != self.id)
        {
            return None;
        }
        self.issuers.find_instance(basis.instance, basis.issuer)
    }

    /// What may be done with a cached answer?
    fn standing(&self, answer: &CachedAnswer, now: Time) -> Standing {
        match self.issuer_of(&answer.basis) {
            Some(issuer) => answer.standing(self.issuers.issuer(issuer), now),
            None => Standing::Over,
        }
    }

    /// Does what an answer was made from still hold?
    fn holds(&self, basis: &Basis) -> bool {
        self.issuer_of(basis).is_some_and(|issuer| {
            let generation = AtomicU64::new(basis.generation);
            basis.holds(self.issuers.issuer(issuer), &generation)
        })
    }

    /// Reads the request, and finds the issuer that is to answer it.
    fn understand<'r>(
        &self,
        request: &'r [u8],
        tally: &mut Tally<'_>,
    ) -> Result<(OcspRequest<'r>, IssuerId), Refusal> {
        let request = OcspRequest::from_der(request).map_err(Refusal::Malformed)?;
        tally.decoded(&request);
        let count = request.single_request_count;
        if count > CERT_IDS_LIMIT {
            return Err(Refusal::TooManyCertIds { count });
        }
        let issuer = self.issuer_asked(&request)?;
        if count > self.issuers.issuer(issuer).policy().cert_ids_max {
            return Err(Refusal::TooManyCertIds { count });
        }
        Ok((request, issuer))
    }

    /// All up to the signature: which status, which window, who signs and how; written into `buffer` unless there is an
    /// answer already.  Allocates nothing, once `buffer` has grown, but the CertID of an answer that will be kept.
    fn prepare(
        &self,
        request: &OcspRequest<'_>,
        issuer_id: IssuerId,
        now: Time,
        asking: &Asking,
        tally: &mut Tally<'_>,
        buffer: &mut BytesMut,
    ) -> Result<Prepared, Refusal> {
        let issuer = self.issuers.issuer(issuer_id);
        let policy = issuer.policy();
        issuer.refuse_if_over(now)?;
        let nonce = match policy.nonce {
            NoncePolicy::Echo => request.nonce,
            NoncePolicy::Ignore => None,
            NoncePolicy::Required => Some(request.nonce.ok_or(Refusal::NonceMissing)?),
        };
        let nonce = nonce.filter(|_| !asking.without_nonce);

        // Read before the table: an answer never claims a newer table than it was derived from.
        let generation = issuer.generation();
        let table = issuer.table_guard();
        let table = table.as_ref().ok_or(Refusal::SourceMissing)?;
        let credentials = issuer.credentials_guard();
        let preferred = request.preferred_signature_algorithms.as_ref();
        let (credential, algorithm) = who_signs(
            &credentials,
            preferred,
            table.source().signature_algorithm,
            now,
        )
        .ok_or(Refusal::SignerMissing)?;

        // Only answers about one certificate, for anybody who asks.
        let is_kept = nonce.is_none() && request.single_request_count == 1;
        let mut due = None;
        if is_kept {
            if let Some(answer) = self.cache.get(request.first.cert_id.der, algorithm) {
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

        let lifetime = lifetime(table.window(), issuer, credential, now)?;
        let mut draft = Draft::begin(buffer, credential);
        let mut shortest = lifetime;
        let mut source = table.window();
        let mut max_age_max = MAX_AGE_MAX;
        let mut last_verdict = FOREIGN;
        let mut are_all_ours = true;
        for single in request.single_requests() {
            let cert_id = single.cert_id;
            let is_ours = self.issuers.find(&cert_id) == Some(issuer_id);
            are_all_ours &= is_ours;
            let mut its_lifetime = lifetime;
            let verdict = if is_ours {
                let known = table.known(&cert_id.serial_number);
                its_lifetime = lifetime.known_since(known.window.this_update);
                source = known.window;
                policy.verdict(known.lookup, table.absence())?
            } else {
                FOREIGN
            };
            let is_provisional = is_provisional(verdict.cert_status);
            if is_provisional {
                its_lifetime = its_lifetime.at_most(PROVISIONAL_SECONDS_MAX);
                max_age_max = PROVISIONAL_MAX_AGE_MAX;
            }
            if is_provisional || request.single_request_count == 1 {
                shortest = its_lifetime;
            }
            let archive_cutoff = archive_cutoff(issuer, verdict, lifetime.produced_at);
            draft.single(cert_id.der, verdict, its_lifetime.window, archive_cutoff);
            last_verdict = verdict;
        }
        let response_data = draft.response_data(credential, lifetime.produced_at, nonce);
        let content = match request.single_request_count {
            1 => Content::One {
                serial_number: request.first.cert_id.serial_number,
                verdict: last_verdict,
            },
            _ => Content::Several,
        };
        let basis = Basis {
            instance: issuer.instance(),
            issuer: issuer_id,
            responder: (!are_all_ours).then_some(self.id),
            generation,
            source,
            credential: credential.id(),
            content,
        };
        let keep_as = is_kept.then(|| AnswerKey {
            cert_id: request.first.cert_id.der.into(),
            algorithm,
        });
        let origin = Origin {
            responder: self.id,
            generation,
            credential: credential.id(),
        };
        issuer.note_produced(lifetime.produced_at);
        // Only what is kept is named by its time; `answer` looks at the origin again behind the signature.
        let produced_at_is_unique = is_kept && issuer.produced().note(origin, lifetime.produced_at);
        Ok(Prepared::Unsigned(Unsigned {
            response_data,
            credential: Arc::clone(credential),
            algorithm,
            lifetime: shortest,
            unable: policy.unable,
            produced_at_is_unique,
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
        asked
            .or(self.issuers.for_unknown())
            .ok_or(Refusal::UnknownIssuer)
    }
}

/// How often an answer is made again because its table or signer was replaced while a slow key signed.
const ATTEMPTS_MAX: usize = 3;
/// How many octets of answers are kept.
const CACHE_BYTES_MAX: u64 = 64 << 20;

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

/// Sends an answer that is for everybody, and keeps it for the same octets; not if those hold a nonce, which do not come
/// again.
fn keep_and_send(
    recent: &RecentAnswers,
    question: &Question<'_>,
    tally: &Tally<'_>,
    answer: Arc<CachedAnswer>,
    effort: Effort,
) -> Answered {
    let outcome = Outcome::Signed(answer.basis.content.status());
    let sent = signed(&answer.response, outcome, effort);
    if let Some(asked) = tally.asked()
        && !asked.has_nonce()
    {
        recent.insert(question.known_as, question.endpoint, asked, answer);
    }
    sent
}

fn signed(response: &SignedResponse, outcome: Outcome, effort: Effort) -> Answered {
    Answered {
        answer: Answer::Signed(response.clone()),
        outcome,
        effort,
        issuer: None,
    }
}

fn refuse(refusal: Refusal, unable: UnablePolicy) -> Answered {
    Answered {
        answer: Answer::of(refusal.error_status(), unable),
        outcome: Outcome::Refused(refusal),
        effort: Effort::Unsigned,
        issuer: None,
    }
}

impl Answered {
    /// It is about certificates of this issuer.
    fn about(mut self, issuer: Option<IssuerId>) -> Answered {
        self.issuer = issuer;
        self
    }
}

impl Answer {
    /// An error body, unless the operator wants HTTP to say this one.
    pub fn of(status: ErrorStatus, unable: UnablePolicy) -> Answer {
        match (status, unable) {
            (ErrorStatus::TryLater, UnablePolicy::Http503) => Answer::Unavailable,
            (status, UnablePolicy::TryLater | UnablePolicy::Http503) => Answer::Error(status),
        }
    }
}

/// The signer and its algorithm, in the order of RFC 6960 §4.4.7.2.1: what the client likes best of all that our signers
/// offer and the operator admits; else as the list is signed, if the first signer can do that, since whoever takes the
/// one takes the other; else as the first signer usually does.  A signer that has run out counts only when all have.
pub(crate) fn who_signs<'a>(
    credentials: &'a [Arc<ResponderCredential>],
    preferred: Option<&PreferredSignatureAlgorithms<'_>>,
    source: Option<SignatureAlgorithm>,
    now: Time,
) -> Option<(&'a Arc<ResponderCredential>, SignatureAlgorithm)> {
    let valid = || {
        credentials
            .iter()
            .filter(|credential| now <= credential.not_after())
    };
    let entries = preferred.into_iter().flat_map(|list| list.iter());
    for entry in entries.take(PREFERENCES_MAX) {
        let Some(algorithm) = entry.signature_algorithm else {
            continue;
        };
        let fits = |credential: &&Arc<ResponderCredential>| {
            let (key_algorithm, curve) = credential.key_kind();
            credential.signs_with(algorithm) && entry.admits_key(key_algorithm, curve)
        };
        if let Some(credential) = valid().find(fits) {
            return Some((credential, algorithm));
        }
    }
    let first = valid().next().or(credentials.first())?;
    let algorithm = source.filter(|algorithm| first.signs_with(*algorithm));
    Some((first, algorithm.unwrap_or(first.algorithm())))
}

/// What archiveCutoff says of a certificate of ours (RFC 6960 §4.4.4); nothing of one that nobody knows or that was never
/// issued.
fn archive_cutoff(issuer: &Issuer, verdict: Verdict, produced_at: Time) -> Option<Time> {
    let is_known = verdict.cert_status != CertStatus::Unknown
        && verdict.definition == RevokedDefinition::Plain;
    match issuer.policy().archive_cutoff {
        ArchiveCutoff::None => None,
        ArchiveCutoff::Retention(retention) => {
            let seconds = i64::try_from(retention.as_secs()).unwrap_or(i64::MAX);
            is_known.then(|| produced_at.plus_seconds(-seconds))
        }
        ArchiveCutoff::IssuerNotBefore => is_known.then(|| issuer.not_before()),
    }
}

/// What is said of a certificate whose CA is none of ours.
const FOREIGN: Verdict = Verdict {
    cert_status: CertStatus::Unknown,
    definition: RevokedDefinition::Plain,
};
/// How far into a client's list of preferred algorithms we look.
const PREFERENCES_MAX: usize = 16;
