//! Which answers their producedAt tells apart: it has whole seconds, and a revocation may come in the second of a signature.
//!
//! From: `responder`, when it makes an answer that will be kept.  To: the listener, as
//! [`SignedResponse::produced_at_is_unique`](crate::SignedResponse::produced_at_is_unique): a client that names its copy by
//! Last-Modified alone is told "not modified" only where no other answer can be meant (RFC 9110 §8.8.2.2).  Answers from one
//! table by one signer say the same; so the only question is whether anything was made in the same second from what has been
//! replaced since.  One record for each CA, kept across reloads.

use std::sync::{Arc, Mutex, PoisonError};

use ocspry_wire::Time;

/// When answers about one CA's certificates were made, as far as it matters.
#[derive(Debug, Default)]
pub(crate) struct ProducedTimes(Mutex<Times>);

#[derive(Debug, Default)]
struct Times {
    /// What the newest answer was made from.
    origin: Option<Origin>,
    /// The greatest producedAt of all answers from it.
    latest: Option<Time>,
    /// The greatest producedAt of all answers from anything else.
    latest_of_others: Option<Time>,
}

/// What an answer is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// The responder: its policies.
    pub(crate) responder: u64,
    /// The generation of the table.
    pub(crate) generation: u64,
    /// The id of the credential.
    pub(crate) credential: u64,
}

impl ProducedTimes {
    /// Of a CA that nothing was said about yet.
    pub(crate) fn new() -> Arc<ProducedTimes> {
        Arc::default()
    }

    /// Notes an answer that is about to be signed.  Is it sure that none was made from anything else with this producedAt, or
    /// a later one (by a clock that was set back)?
    ///
    /// To be called before the signature, and the origin to be looked at again behind it: an answer that is overtaken in between is not sent.
    pub(crate) fn note(&self, origin: Origin, produced_at: Time) -> bool {
        // Whole after every step, so a panic elsewhere does not spoil it.
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if times.origin != Some(origin) {
            times.origin = Some(origin);
            times.latest_of_others = times.latest_of_others.max(times.latest.take());
        }
        times.latest = times.latest.max(Some(produced_at));
        times.latest_of_others < Some(produced_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Origin = Origin {
        responder: 1,
        generation: 1,
        credential: 1,
    };

    fn second(number: i64) -> Time {
        Time::from_unix(1_800_000_000 + number)
    }

    #[test]
    fn answers_from_one_origin_say_the_same_and_need_no_telling_apart() {
        let times = ProducedTimes::new();
        assert!(times.note(FIRST, second(0)));
        assert!(times.note(FIRST, second(0)));
        assert!(times.note(FIRST, second(7)));
    }

    #[test]
    fn another_table_signer_or_responder_in_the_same_second_is_told_apart_by_nothing() {
        for other in [
            Origin {
                generation: 2,
                ..FIRST
            },
            Origin {
                credential: 2,
                ..FIRST
            },
            Origin {
                responder: 2,
                ..FIRST
            },
        ] {
            let times = ProducedTimes::new();
            assert!(times.note(FIRST, second(0)));
            assert!(!times.note(other, second(0)), "{other:?}");
            assert!(times.note(other, second(1)), "{other:?}");
            // A worker that was late, with what has been replaced.
            assert!(!times.note(FIRST, second(1)), "{other:?}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_second_unique_again() {
        let times = ProducedTimes::new();
        assert!(times.note(FIRST, second(100)));
        let newer = Origin {
            generation: 2,
            ..FIRST
        };
        assert!(!times.note(newer, second(60)));
        assert!(!times.note(newer, second(100)));
        assert!(times.note(newer, second(101)));
    }
}
