//! How an answer gets its signature.  From: `responder`, with everything but that.  To: its key, and back.
//!
//! A fast key signs here, when it is the request's turn on this worker; where many wait, on a thread of the pool that has
//! nothing to do.  A slow key signs on the pool: there, one signature at a time for each answer that is kept.  Whoever
//! waited for a turn looks again before it signs, since by then the answer may be there, or another one be right.

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
    Client, Excess, RecentAnswers, ResponderCredential, SignError, SignedResponse, SigningClass,
    SigningSpeed, UnablePolicy, crypto,
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
    /// For everybody.
    Kept(Arc<CachedAnswer>),
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

impl Responder {
    /// Signs it, here or elsewhere, now or when its turn has come.
    pub(super) async fn sign(
        &self,
        mut unsigned: Unsigned,
        asking: &mut Asking,
        recent: &RecentAnswers,
        tally: &Tally<'_>,
        buffer: &mut BytesMut,
    ) -> Result<Made, SignError> {
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
            return self.sign_elsewhere(unsigned, due, asker, buffer).await;
        }
        let turns = recent.turns();
        let has_turn = std::mem::take(&mut asking.has_turn);
        if !has_turn && turns.is_long() && self.pool.has_spare_thread() {
            turns.counts().handed_over.add(1);
            return self.sign_elsewhere(unsigned, due, asker, buffer).await;
        }
        let turn = if has_turn {
            Ok(Turn::Now)
        } else {
            turns.ask(asker)
        };
        match (turn, due) {
            (Ok(Turn::Now), due) => self.sign_here(unsigned, due, tally, buffer),
            // Nobody waits for a newer answer while there is a true one.
            (Ok(Turn::Later(_)) | Err(_), Some(due)) => Ok(Made::Answer(NewAnswer::Kept(due))),
            (Ok(Turn::Later(turn)), None) => {
                let overdue = |_| SignError::Excess(Excess::Overdue);
                turn.await.map_err(overdue)?;
                asking.has_turn = true;
                Ok(Made::NotYet)
            }
            (Err(excess), None) => Err(SignError::Excess(excess)),
        }
    }

    fn sign_here(
        &self,
        mut unsigned: Unsigned,
        due: Option<Arc<CachedAnswer>>,
        tally: &Tally<'_>,
        buffer: &mut BytesMut,
    ) -> Result<Made, SignError> {
        let keep = unsigned.keep_as.take();
        let basis = unsigned.basis;
        let renew_at = unsigned.lifetime.renew_at;
        let signed = unsigned.sign(buffer);
        tally.signed(&signed);
        let new = match (signed, keep, due) {
            (Ok(response), None, _) => NewAnswer::Once(response, basis),
            (Ok(response), Some(key), _) => {
                let answer = Arc::new(CachedAnswer::new(response, basis, renew_at));
                self.cache.insert(key, Arc::clone(&answer));
                NewAnswer::Kept(answer)
            }
            // The one there is lives on.
            (Err(_), _, Some(due)) => NewAnswer::Kept(due),
            (Err(error), _, None) => return Err(error),
        };
        Ok(Made::Answer(new))
    }

    async fn sign_elsewhere(
        &self,
        mut unsigned: Unsigned,
        due: Option<Arc<CachedAnswer>>,
        asker: Asker,
        buffer: &mut BytesMut,
    ) -> Result<Made, SignError> {
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
            let response = signed.await.unwrap_or_else(|_| Err(gave_up()))?;
            return Ok(Made::Answer(NewAnswer::Once(response, basis)));
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
        // Nobody waits for a newer answer while there is a true one.
        if let Some(due) = due {
            return Ok(Made::Answer(NewAnswer::Kept(due)));
        }
        let answer = signed.await.unwrap_or_else(|_| Err(gave_up()))?;
        Ok(Made::Answer(NewAnswer::Kept(answer)))
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
