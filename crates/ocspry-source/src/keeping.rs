//! Tries to write one thing to the state directory: when the next is due, and what the operator was told of the last.
//!
//! From: `line`, `slot` and `beside`, each with something that is not kept yet.  To: the operator, who hears of a failure
//! once, and once that it is over.  A full disk may get room, a lock may be released; until then the tries get rarer, since
//! a whole list may be read for each.

use ocspry_wire::Time;

use crate::SourceError;

/// How it goes with keeping one thing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keeping {
    /// The last try, if it failed.
    failed: Option<FailedTry>,
    /// The failure that was reported and is not over, as a sentence.
    told: Option<String>,
}

#[derive(Clone, Copy, Debug)]
struct FailedTry {
    at: Time,
    wait_seconds: i64,
}

impl Keeping {
    /// Something else is to be kept from now on: it is tried at once.
    pub(crate) fn begin(&mut self) {
        self.failed = None;
    }

    /// What is not kept may be tried now.
    pub(crate) fn is_time(&self, now: Time) -> bool {
        self.failed.is_none_or(|failed| !failed.still_waits(now))
    }

    /// When it may be tried next; soon, if it may be now.
    pub(crate) fn next_try(&self, now: Time) -> Time {
        match self.failed {
            Some(failed) if failed.still_waits(now) => failed.again(),
            Some(_) | None => now.plus_seconds(AGAIN_SECONDS),
        }
    }

    /// It was tried.  What the operator is to be told: that it failed, and was not known to; or that it is kept after all.
    pub(crate) fn tried(
        &mut self,
        result: Result<(), SourceError>,
        now: Time,
    ) -> Option<Result<(), SourceError>> {
        let error = match result {
            Ok(()) => {
                self.failed = None;
                return self.told.take().map(|_| Ok(()));
            }
            Err(error) => error,
        };
        let wait_seconds = self.failed.map_or(AGAIN_SECONDS, |failed| {
            (failed.wait_seconds * 2).min(AGAIN_SECONDS_MAX)
        });
        self.failed = Some(FailedTry {
            at: now,
            wait_seconds,
        });
        // Where its place holds something else by now, that is judged and reported on its own.
        if !matches!(error, SourceError::StateWrite { .. }) {
            return None;
        }
        let sentence = error.to_string();
        let is_known = self.told.as_ref() == Some(&sentence);
        self.told = Some(sentence);
        (!is_known).then_some(Err(error))
    }
}

impl FailedTry {
    fn again(&self) -> Time {
        self.at.plus_seconds(self.wait_seconds)
    }

    /// A clock that went back does not make the wait longer.
    fn still_waits(&self, now: Time) -> bool {
        (self.at..self.again()).contains(&now)
    }
}

/// How long until it is tried again; twice as long after each failure.
const AGAIN_SECONDS: i64 = 5;

/// The longest such wait.
const AGAIN_SECONDS_MAX: i64 = 300;
