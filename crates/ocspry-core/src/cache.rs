//! Signed answers, kept for as long as they are true: by CertID for everybody, by request for each worker.
//!
//! From: `responder`, before it signs.  To: `responder`, in place of a signature.  A cache is never an authority (DESIGN
//! §2): each answer remembers what it was derived from, and is handed out only while all of that still holds.  It dies
//! with its window, with its signer, and with a table that says something else.  Answers with a nonce are never kept.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use ocspry_wire::Time;
use ocspry_wire::x509::{SerialNumber, SignatureAlgorithm};
use quick_cache::{Equivalent, Weighter, sync, unsync};
use tokio::sync::oneshot;

use crate::counts::{AnswerCounts, Asked};
use crate::outcome::{Outcome, SignedStatus};
use crate::policy::{Verdict, is_provisional};
use crate::signing::gave_up;
use crate::signing_turns::{SigningTurns, TurnCounts};
use crate::{
    CLOCK_BEHIND_SECONDS_MAX, Endpoint, Excess, Issuer, IssuerId, SignError, SignedResponse,
    ValidityWindow,
};

/// What everybody shares.
pub(crate) struct ResponseCache {
    answers: sync::Cache<AnswerKey, Arc<CachedAnswer>, Octets>,
    in_flight: Mutex<InFlight>,
    next_flight: AtomicU64,
}

/// What one answer serves: the exact octets of a CertID, which name the issuer under one hash algorithm and one encoding,
/// and the serial, so that a SHA-1 CertID is never answered with a SHA-256 one (DESIGN rule 4); and how it is signed, so
/// that nobody gets what another client preferred (ALG-11).
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct AnswerKey {
    /// The CertID.
    pub(crate) cert_id: Box<[u8]>,
    /// The algorithm of the signature.
    pub(crate) algorithm: SignatureAlgorithm,
}

/// The same, borrowed; fields in the same order, so that both hash alike.
#[derive(Hash)]
struct AnswerKeyView<'a> {
    cert_id: &'a [u8],
    algorithm: SignatureAlgorithm,
}

impl Equivalent<AnswerKey> for AnswerKeyView<'_> {
    fn equivalent(&self, key: &AnswerKey) -> bool {
        self.algorithm == key.algorithm && *self.cert_id == *key.cert_id
    }
}

/// How full a cache is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheUsage {
    /// Octets that it holds.
    pub bytes: u64,
    /// Octets that it may hold.
    pub bytes_max: u64,
    /// Answers that it holds.
    pub entries: u64,
}

/// Who waits for which signature.
type InFlight = HashMap<Flight, Crowd>;

/// Those who wait for one signature.
#[derive(Default)]
struct Crowd {
    waiting: Vec<oneshot::Sender<Signed>>,
    /// Which signature it is.
    number: u64,
}

/// A signature under way: whoever asks after a newer table or signer came does not wait for an older one's.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    /// What the answer will serve.
    pub(crate) key: AnswerKey,
    /// The generation of the table.
    pub(crate) generation: u64,
    /// The id of the credential.
    pub(crate) credential: u64,
}

/// What a signature that several wait for led to.
pub(crate) type Signed = Result<Arc<CachedAnswer>, SignError>;

/// A signed answer about one certificate, and all that it was derived from.
pub(crate) struct CachedAnswer {
    /// The answer.
    pub(crate) response: SignedResponse,
    /// What it was derived from.
    pub(crate) basis: Basis,
    /// From then on the next client gets a newer one, if there can be one.
    renew_at: Time,
    /// The newest generation of the issuer's table that says the same.
    generation: AtomicU64,
}

/// What an answer was derived from.
#[derive(Clone, Copy)]
pub(crate) struct Basis {
    /// Which issuer: its policies, its tables, its signers.
    pub(crate) instance: u64,
    /// Where that stood among the issuers of the responder.
    pub(crate) issuer: IssuerId,
    /// Which responder, where all of its issuers mattered: that none of them is the CA that was asked about.
    pub(crate) responder: Option<u64>,
    /// The generation of that issuer's table.
    pub(crate) generation: u64,
    /// From when to when the table knows what it says; of several certificates that of the last.
    pub(crate) source: ValidityWindow,
    /// The id of the credential that signs.
    pub(crate) credential: u64,
    /// What it says.
    pub(crate) content: Content,
}

/// What an answer says, as far as a newer table could say it too.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// Something of one certificate.
    One {
        /// Which.
        serial_number: SerialNumber,
        /// What; of a CA that is none of ours, `unknown`, whatever this issuer's table says of the serial.
        verdict: Verdict,
    },
    /// Something of several certificates: it does not outlive its table, and is never kept.
    Several,
}

impl Content {
    /// What is told of it.
    pub(crate) fn status(&self) -> SignedStatus {
        match self {
            Content::One { verdict, .. } => SignedStatus::of(verdict.cert_status),
            Content::Several => SignedStatus::Several,
        }
    }
}

/// What may be done with a cached answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Hand it out.
    Current,
    /// It is true, and time for a newer one: hand it out if that takes time or fails.
    Due,
    /// Never again.
    Over,
}

impl Basis {
    /// Does it still hold?  `issuer` is the one that it names; `generation` the newest at which it held, which is raised.
    pub(crate) fn holds(&self, issuer: &Issuer, generation: &AtomicU64) -> bool {
        if !issuer.is_signed_by(self.credential) {
            return false;
        }
        // Read before the table: a table that is swapped in between is looked at again by the next request.
        let newest = issuer.generation();
        if newest == generation.load(Ordering::Acquire) {
            return true;
        }
        let Content::One {
            serial_number,
            verdict,
        } = self.content
        else {
            return false;
        };
        let table = issuer.table_guard();
        // What may change back does not outlive its generation, even if the next one says the same.
        let says_the_same = !is_provisional(verdict.cert_status)
            && table.as_ref().is_some_and(|table| {
                let known = table.known(&serial_number);
                known.window == self.source
                    && issuer.policy().verdict(known.lookup, table.absence()) == Ok(verdict)
            });
        if says_the_same {
            generation.fetch_max(newest, Ordering::AcqRel);
        }
        says_the_same
    }
}

impl CachedAnswer {
    /// An answer that has just been signed.
    pub(crate) fn new(response: SignedResponse, basis: Basis, renew_at: Time) -> CachedAnswer {
        CachedAnswer {
            // A copy of its own size: a part of a worker's buffer would keep all of that buffer.
            response: SignedResponse {
                der: Bytes::copy_from_slice(&response.der),
                ..response
            },
            generation: AtomicU64::new(basis.generation),
            basis,
            renew_at,
        }
    }

    /// What may be done with it at `now`.  `issuer` is the one that its basis names.
    pub(crate) fn standing(&self, issuer: &Issuer, now: Time) -> Standing {
        // A clock far behind producedAt, of this answer or of later ones, was set back: whether anything may be said then
        // is not for a cache to decide.
        let earliest = self
            .response
            .produced_at
            .max(issuer.time_passed())
            .plus_seconds(-CLOCK_BEHIND_SECONDS_MAX);
        if now < earliest
            || now >= self.response.send_before
            || !self.basis.holds(issuer, &self.generation)
        {
            return Standing::Over;
        }
        if now >= self.renew_at {
            return Standing::Due;
        }
        Standing::Current
    }
}

impl ResponseCache {
    /// Empty; holds `bytes_max` octets of answers.
    pub(crate) fn new(bytes_max: u64) -> ResponseCache {
        ResponseCache {
            answers: sync::Cache::with_weighter(ITEMS_EXPECTED, bytes_max, Octets),
            in_flight: Mutex::new(HashMap::new()),
            next_flight: AtomicU64::new(0),
        }
    }

    /// The answer kept for a CertID, signed so, which may not hold any more.
    pub(crate) fn get(
        &self,
        cert_id: &[u8],
        algorithm: SignatureAlgorithm,
    ) -> Option<Arc<CachedAnswer>> {
        self.answers.get(&AnswerKeyView { cert_id, algorithm })
    }

    /// How full it is.  Each part of the cache is locked for a moment, as by a request that reads.
    pub(crate) fn usage(&self) -> CacheUsage {
        CacheUsage {
            bytes: self.answers.weight(),
            bytes_max: self.answers.capacity(),
            entries: self.answers.len() as u64,
        }
    }

    /// Keeps an answer.
    pub(crate) fn insert(&self, key: AnswerKey, answer: Arc<CachedAnswer>) {
        self.answers.insert(key, answer);
    }

    /// Waits for this signature if it is under way.  With an [`UnderWay`] it was not, and it is the caller who has to
    /// make it.
    pub(crate) fn join(
        self: &Arc<Self>,
        flight: Flight,
    ) -> (oneshot::Receiver<Signed>, Option<UnderWay>) {
        let (sender, receiver) = oneshot::channel();
        let mut in_flight = self.in_flight();
        if let Some(Crowd { waiting, .. }) = in_flight.get_mut(&flight) {
            if waiting.len() == waiting.capacity() {
                // Who hung up is forgotten before the list grows: it is bounded by the connections that are open.
                waiting.retain(|sender| !sender.is_closed());
            }
            waiting.push(sender);
            return (receiver, None);
        }
        let number = self.next_flight.fetch_add(1, Ordering::Relaxed);
        let crowd = Crowd {
            waiting: vec![sender],
            number,
        };
        in_flight.insert(flight.clone(), crowd);
        let under_way = UnderWay {
            cache: Arc::clone(self),
            flight,
            number,
            end: Err(SignError::Excess(Excess::QueueFull)),
        };
        (receiver, Some(under_way))
    }

    /// Tells those who wait for this signature that it takes too long; returns how many they are.  Who comes next asks for another
    /// one: this one may never end.
    pub(crate) fn give_up(&self, flight: &Flight) -> u64 {
        let crowd = self.in_flight().remove(flight).unwrap_or_default();
        let told = crowd.waiting.len() as u64;
        for sender in crowd.waiting {
            let _ = sender.send(Err(SignError::Excess(Excess::Overdue)));
        }
        told
    }

    /// Whole after every step, so a panic elsewhere does not spoil it.
    fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A signature that others may wait for; when this is dropped, they are told how it ended.
pub(crate) struct UnderWay {
    cache: Arc<ResponseCache>,
    flight: Flight,
    number: u64,
    /// How it ended; that it was never begun, until something else is known.
    end: Signed,
}

impl UnderWay {
    /// Makes the signature, and tells all who wait for it.
    pub(crate) fn run(mut self, sign: impl FnOnce() -> Signed) {
        // What they hear if `sign` panics.
        self.end = Err(gave_up());
        self.end = sign();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if let Ok(answer) = &self.end {
            self.cache
                .insert(self.flight.key.clone(), Arc::clone(answer));
        }
        // Those who wait for another signature, since this one took too long, take its answer, but not its failure.
        let waiting = {
            let mut in_flight = self.cache.in_flight();
            let is_theirs = |crowd: &Crowd| self.end.is_ok() || crowd.number == self.number;
            match in_flight.get(&self.flight).is_some_and(is_theirs) {
                true => in_flight.remove(&self.flight).unwrap_or_default().waiting,
                false => Vec::new(),
            }
        };
        for sender in waiting {
            // Who hung up does not mind.
            let _ = sender.send(self.end.clone());
        }
    }
}

/// What one worker keeps for itself: answers by the exact octets of the request, found without decoding it; its counts, and
/// whose turn it is to sign there.
pub struct RecentAnswers {
    answers: RefCell<unsync::Cache<Box<[u8]>, Rc<RecentAnswer>, Octets>>,
    counts: Arc<AnswerCounts>,
    turns: SigningTurns,
}

/// An answer that this worker has given before, and what the request asked with, which is not decoded again.
pub struct RecentAnswer {
    answer: Arc<CachedAnswer>,
    asked: Asked,
    /// The endpoint where it was asked for; None: that of everybody.
    endpoint: Option<Box<[u8]>>,
    head: OnceCell<Box<[u8]>>,
}

impl RecentAnswer {
    /// What goes back.
    pub fn response(&self) -> &SignedResponse {
        &self.answer.response
    }

    /// The same, with what it was derived from.
    pub(crate) fn answer(&self) -> &CachedAnswer {
        &self.answer
    }

    /// Where it was asked for.
    pub(crate) fn endpoint(&self) -> Endpoint<'_> {
        self.endpoint
            .as_deref()
            .map_or(Endpoint::All, Endpoint::Named)
    }

    /// What became of the request.
    pub fn outcome(&self) -> Outcome {
        Outcome::Signed(self.answer.basis.content.status())
    }

    /// Room for what the listener writes in front of it, made once.
    pub fn head(&self) -> &OnceCell<Box<[u8]>> {
        &self.head
    }
}

impl Default for RecentAnswers {
    fn default() -> Self {
        Self::new(RECENT_BYTES_MAX, Arc::default())
    }
}

impl RecentAnswers {
    /// Empty; holds `bytes_max` octets of requests and answers, and adds to `counts`, to which no other thread may add.
    pub fn new(bytes_max: u64, counts: Arc<AnswerCounts>) -> RecentAnswers {
        let answers = unsync::Cache::with_weighter(RECENT_ITEMS_EXPECTED, bytes_max, Octets);
        RecentAnswers {
            answers: RefCell::new(answers),
            counts,
            turns: SigningTurns::unbounded(),
        }
    }

    /// The same, on a worker that signs a few answers in each turn of its loop, which it drives.
    pub fn with_turns(self, patience: Duration, counts: Arc<TurnCounts>) -> RecentAnswers {
        RecentAnswers {
            turns: SigningTurns::driven(patience, counts),
            ..self
        }
    }

    /// Whose turn it is to sign.
    pub fn turns(&self) -> &SigningTurns {
        &self.turns
    }

    /// What is counted.
    pub fn counts(&self) -> &Arc<AnswerCounts> {
        &self.counts
    }

    /// The answer to the same octets, if it may be handed out; then it is counted.
    pub(crate) fn get_if(
        &self,
        known_as: &[u8],
        is_current: impl FnOnce(&RecentAnswer) -> bool,
    ) -> Option<Rc<RecentAnswer>> {
        // Counted by this thread alone: workers that hand out the same answer write nothing that another one reads.
        let recent = Rc::clone(self.answers.borrow().get(known_as)?);
        if !is_current(&recent) {
            return None;
        }
        self.counts.hits_by_request.add(1);
        self.counts.asked(recent.asked);
        Some(recent)
    }

    /// Keeps the answer to these octets.
    pub(crate) fn insert(
        &self,
        known_as: &[u8],
        endpoint: Endpoint<'_>,
        asked: Asked,
        answer: Arc<CachedAnswer>,
    ) {
        let mut answers = self.answers.borrow_mut();
        let recent = RecentAnswer {
            answer,
            asked,
            endpoint: match endpoint {
                Endpoint::All => None,
                Endpoint::Named(name) => Some(name.into()),
            },
            head: OnceCell::new(),
        };
        answers.insert(known_as.into(), Rc::new(recent));
        self.counts.recent_bytes.set(answers.weight());
        self.counts.recent_entries.set(answers.len() as u64);
    }
}

/// Weighs an entry by the octets it takes.
#[derive(Clone)]
struct Octets;

impl Weighter<AnswerKey, Arc<CachedAnswer>> for Octets {
    fn weight(&self, key: &AnswerKey, answer: &Arc<CachedAnswer>) -> u64 {
        octets(&key.cert_id, answer)
    }
}

impl Weighter<Box<[u8]>, Rc<RecentAnswer>> for Octets {
    fn weight(&self, request: &Box<[u8]>, recent: &Rc<RecentAnswer>) -> u64 {
        octets(request, &recent.answer) + HEAD_OCTETS
    }
}

fn octets(key: &[u8], answer: &CachedAnswer) -> u64 {
    (key.len() + answer.response.der.len() + OVERHEAD_OCTETS) as u64
}

/// What an entry takes beside its key and its DER: facts, counts, the cache's own books.
const OVERHEAD_OCTETS: usize = size_of::<CachedAnswer>() + 96;
/// What a worker keeps beside it: the head of the response, and the books of that.
const HEAD_OCTETS: u64 = 400;
/// For the first size of the tables; they grow.
const ITEMS_EXPECTED: usize = 4_096;
/// As [`ITEMS_EXPECTED`], for one worker.
const RECENT_ITEMS_EXPECTED: usize = 512;
/// What one worker keeps for itself.
pub const RECENT_BYTES_MAX: u64 = 4 << 20;
