//! How an answer gets its signature.  From: `responder`, with everything but that.  To: its key, and back.
//!
//! A fast key signs here, when it is the request's turn on this worker; where many wait, on a thread of the pool that has
//! nothing to do.  A slow key signs on the pool: there, one signature at a time for each answer that is kept.  Whoever
//! waited for a turn looks again before it signs, since by then an answer for everybody may be there, or another one be right.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ocspry_wire::x509::SignatureAlgorithm;
use tokio::sync::oneshot;

use super::Responder;
use crate::cache::{AnswerKey, Basis, CachedAnswer, Flight};
use crate::counts::Tally;
use crate::outcome::Refusal;
use crate::response::{Lifetime, ResponseData};
use crate::signing::gave_up;
use crate::signing_pool::{Job, Reply, Waiters};
use crate::signing_turns::Turn;
use crate::waiting_line::Asker;
use crate::{
    Client, Effort, Excess, RecentAnswers, ResponderCredential, SignError, SignedResponse,
    SigningClass, SigningSpeed, UnablePolicy, crypto,
};

/// How far one request has come.
pub(super) struct Asking {
    /// Whom it is counted for.
    client: Client,
    /// It has waited for a turn, which has come.
    has_turn: bool,
    /// It asked with a nonce, for which there was no room.
    pub(super) without_nonce: bool,
    /// Answers that were signed for it.
    pub(super) attempts: usize,
}

impl Asking {
    pub(super) fn of(client: Client) -> Asking {
        Asking {
            client,
            has_turn: false,
            without_nonce: false,
            attempts: 0,
        }
    }
}

/// What came of it.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one call; a box would be an allocation per signature"
)]
pub(super) enum Made {
    /// An answer.
    Answer(NewAnswer),
    /// Time has passed: prepare it again, and then it is signed at once.
    NotYet,
}

/// What comes after a signature.
#[expect(
    clippy::large_enum_variant,
    reason = "it lives for one call; a box would be an allocation per signature"
)]
pub(super) enum NewAnswer {
    /// For everybody; cached: the one that was to be replaced, which is still true.
    Kept(Arc<CachedAnswer>, Effort),
    /// For this client.
    Once(SignedResponse, Basis),
}

/// Everything but the signature.
pub(super) struct Unsigned {
    pub(super) response_data: ResponseData,
    pub(super) credential: Arc<ResponderCredential>,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) lifetime: Lifetime,
    pub(super) unable: UnablePolicy,
    pub(super) produced_at_is_unique: bool,
    pub(super) has_nonce: bool,
    pub(super) max_age_max: Duration,
    /// What it is derived from.
    pub(super) basis: Basis,
    /// What it will be kept for, if it will.
    pub(super) keep_as: Option<AnswerKey>,
    /// The answer that it is to replace, which is still true.
    pub(super) due: Option<Arc<CachedAnswer>>,
}

/// An answer under way.
enum Begun {
    /// It is there.
    Done(NewAnswer),
    /// When its turn has come, it is signed here.
    Here(oneshot::Receiver<()>, Unsigned),
    /// A thread of the pool signs it, for this client.
    Once(oneshot::Receiver<Result<SignedResponse, SignError>>, Basis),
    /// The same, for everybody.
    Kept(oneshot::Receiver<Result<Arc<CachedAnswer>, SignError>>),
}

impl Begun {
    /// Until it is there, or its turn has come.
    async fn wait(&mut self) -> Result<(), SignError> {
        let new = match self {
            Begun::Done(_) => return Ok(()),
            Begun::Here(turn, _) => {
                let overdue = |_| SignError::Excess(Excess::Overdue);
                return turn.await.map_err(overdue);
            }
            Begun::Once(signed, basis) => {
                NewAnswer::Once(signed.await.unwrap_or_else(|_| Err(gave_up()))?, *basis)
            }
            Begun::Kept(signed) => {
                let answer = signed.await.unwrap_or_else(|_| Err(gave_up()))?;
                NewAnswer::Kept(answer, Effort::Signed)
            }
        };
        *self = Begun::Done(new);
        Ok(())
    }
}

impl Responder {
    /// Signs it, here or elsewhere, now or when its turn has come.
    pub(super) async fn sign(
        &self,
        unsigned: Unsigned,
        asking: &mut Asking,
        recent: &RecentAnswers,
        tally: &Tally<'_>,
        buffer: &mut BytesMut,
    ) -> Result<Made, SignError> {
        // All but the waiting is said in calls, so that what waits is small.
        let mut begun = self.begin_to_sign(unsigned, asking, recent, tally, buffer)?;
        begun.wait().await?;
        match begun {
            Begun::Done(new) => Ok(Made::Answer(new)),
            // Nobody else can have had it made meanwhile.
            Begun::Here(_, unsigned)
                if unsigned.keep_as.is_none() && self.holds(&unsigned.basis) =>
            {
                let new = self.sign_here(unsigned, None, tally, buffer)?;
                Ok(Made::Answer(new))
            }
            Begun::Here(..) => {
                asking.has_turn = true;
                Ok(Made::NotYet)
            }
            // They are done once they were waited for.
            Begun::Once(..) | Begun::Kept(_) => Err(gave_up()),
        }
    }

    fn begin_to_sign(
        &self,
        mut unsigned: Unsigned,
        asking: &mut Asking,
        recent: &RecentAnswers,
        tally: &Tally<'_>,
        buffer: &mut BytesMut,
    ) -> Result<Begun, SignError> {
        let due = unsigned.due.take();
        let class = match (&unsigned.keep_as, &due) {
            (None, _) => SigningClass::Once,
            (Some(_), None) => SigningClass::Kept,
            (Some(_), Some(_)) => SigningClass::Renewal,
        };
        let asker = Asker {
            class,
            client: asking.client,
        };
        if unsigned.credential.signer().speed() == SigningSpeed::Queued {
            return self.sign_elsewhere(unsigned, due, asker, buffer);
        }
        let turns = recent.turns();
        let has_turn = std::mem::take(&mut asking.has_turn);
        if !has_turn && turns.is_long() && self.pool.has_spare_thread() {
            turns.counts().handed_over.add(1);
            return self.sign_elsewhere(unsigned, due, asker, buffer);
        }
        let turn = if has_turn {
            Ok(Turn::Now)
        } else {
            turns.ask(asker)
        };
        match (turn, due) {
            (Ok(Turn::Now), due) => {
                let new = self.sign_here(unsigned, due, tally, buffer)?;
                Ok(Begun::Done(new))
            }
            // Nobody waits for a newer answer while there is a true one.
            (Ok(Turn::Later(_)) | Err(_), Some(due)) => {
                Ok(Begun::Done(NewAnswer::Kept(due, Effort::Cached)))
            }
            (Ok(Turn::Later(turn)), None) => Ok(Begun::Here(turn, unsigned)),
            (Err(excess), None) => Err(SignError::Excess(excess)),
        }
    }

    fn sign_here(
        &self,
        mut unsigned: Unsigned,
        due: Option<Arc<CachedAnswer>>,
        tally: &Tally<'_>,
        buffer: &mut BytesMut,
    ) -> Result<NewAnswer, SignError> {
        let keep = unsigned.keep_as.take();
        let basis = unsigned.basis;
        let renew_at = unsigned.lifetime.renew_at;
        let signed = unsigned.sign(buffer);
        tally.signed(&signed);
        match (signed, keep, due) {
            (Ok(response), None, _) => Ok(NewAnswer::Once(response, basis)),
            (Ok(response), Some(key), _) => {
                let answer = Arc::new(CachedAnswer::new(response, basis, renew_at));
                self.cache.insert(key, Arc::clone(&answer));
                Ok(NewAnswer::Kept(answer, Effort::Signed))
            }
            // The one there is lives on.
            (Err(_), _, Some(due)) => Ok(NewAnswer::Kept(due, Effort::Cached)),
            (Err(error), _, None) => Err(error),
        }
    }

    /// Gives it to the pool.
    fn sign_elsewhere(
        &self,
        mut unsigned: Unsigned,
        due: Option<Arc<CachedAnswer>>,
        asker: Asker,
        buffer: &mut BytesMut,
    ) -> Result<Begun, SignError> {
        let credential = Arc::clone(&unsigned.credential);
        let basis = unsigned.basis;
        let renew_at = unsigned.lifetime.renew_at;
        let totals = self.pool.totals();
        let Some(key) = unsigned.keep_as.take() else {
            let (sender, signed) = oneshot::channel();
            let reply = Reply::new(sender);
            let waiters = Waiters::One(Arc::clone(&reply));
            let mut buffer = std::mem::take(buffer);
            let sign = move || reply.tell(totals.ended(unsigned.sign(&mut buffer)));
            let sign = Box::new(sign);
            self.pool
                .submit(&credential, asker, Job { sign, waiters })?;
            return Ok(Begun::Once(signed, basis));
        };
        let flight = Flight {
            key,
            generation: basis.generation,
            credential: basis.credential,
        };
        let (signed, under_way) = self.cache.join(flight.clone());
        if let Some(under_way) = under_way {
            let waiters = Waiters::Flight(Arc::clone(&self.cache), flight);
            let mut buffer = std::mem::take(buffer);
            let sign = move || {
                let response = totals.ended(unsigned.sign(&mut buffer))?;
                Ok(Arc::new(CachedAnswer::new(response, basis, renew_at)))
            };
            // Run or refused, everybody is told; and it is run though all have hung up: the next client wants it.
            let sign = Box::new(move || under_way.run(sign));
            let submitted = self.pool.submit(&credential, asker, Job { sign, waiters });
            if due.is_none() {
                submitted?;
            }
        }
        Ok(match due {
            // Nobody waits for a newer answer while there is a true one.
            Some(due) => Begun::Done(NewAnswer::Kept(due, Effort::Cached)),
            None => Begun::Kept(signed),
        })
    }
}

impl Unsigned {
    /// Signs what lies in `buffer`, and puts the rest around it.
    fn sign(self, buffer: &mut BytesMut) -> Result<SignedResponse, SignError> {
        let signer = self.credential.signer();
        let mut signature = Vec::with_capacity(INLINE_SIGNATURE_OCTETS);
        let message = self.response_data.octets(buffer);
        signer.sign(self.algorithm, message, &mut signature)?;
        let der = self.response_data.into_response(
            buffer,
            self.algorithm,
            &signature,
            self.credential.certificates(),
        );
        let digest = (!self.has_nonce).then(|| crypto::sha256(&der));
        Ok(SignedResponse {
            der,
            produced_at: self.lifetime.produced_at,
            produced_at_is_unique: self.produced_at_is_unique,
            window: self.lifetime.window,
            limit: self.lifetime.limit,
            send_before: self.lifetime.send_before,
            unable: self.unable,
            digest,
            max_age_max: self.max_age_max,
        })
    }
}

impl From<SignError> for Refusal {
    fn from(error: SignError) -> Refusal {
        match error {
            SignError::Excess(Excess::QueueFull) => Refusal::SigningQueueFull,
            SignError::Excess(Excess::OverShare) => Refusal::OverNetworkShare,
            SignError::Excess(Excess::Overdue) => Refusal::SigningOverdue,
            SignError::Failed(reason) => Refusal::SigningFailed { reason },
        }
    }
}

/// Enough for an ECDSA P-256 signature in DER, or an Ed25519 one.
const INLINE_SIGNATURE_OCTETS: usize = 72;
