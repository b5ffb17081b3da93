//! How long answers take, of one request in 64.  From: `ocsp`, around the responder.  To: `metrics`.
//!
//! Two looks at the monotonic clock cost 50 ns, as much as a request is decoded in: so only some requests are measured, and
//! the others count down.  Which ones is a matter of chance, so that no client that asks in a rhythm is measured always or
//! never; the first one is.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use ocspry_core::{Durations, Effort};

/// How many requests there are to one that is measured, on average.
pub(crate) const REQUESTS_PER_SAMPLE: u32 = 64;

/// By what an answer took, from the whole request to the answer.
#[derive(Debug, Default)]
pub(crate) struct AnswerDurations {
    cached: Durations,
    signed: Durations,
    unsigned: Durations,
}

impl AnswerDurations {
    /// Each with its word.
    pub(crate) fn all(&self) -> [(&'static str, &Durations); 3] {
        [Effort::Cached, Effort::Signed, Effort::Unsigned].map(|effort| {
            let label = match effort {
                Effort::Cached => "cached",
                Effort::Signed => "signed",
                Effort::Unsigned => "unsigned",
            };
            (label, self.of(effort))
        })
    }

    fn of(&self, effort: Effort) -> &Durations {
        match effort {
            Effort::Cached => &self.cached,
            Effort::Signed => &self.signed,
            Effort::Unsigned => &self.unsigned,
        }
    }
}

/// One worker's choice of the requests to measure.
pub(crate) struct DurationSampler {
    durations: Arc<AnswerDurations>,
    /// Requests until the next one that is measured.
    left: Cell<u32>,
    random: Cell<u32>,
}

impl DurationSampler {
    /// The next request is measured.
    pub(crate) fn new(durations: Arc<AnswerDurations>) -> DurationSampler {
        DurationSampler {
            durations,
            left: Cell::new(0),
            random: Cell::new(1),
        }
    }

    /// A request is whole; the time, if it is to be measured.
    pub(crate) fn begin(&self) -> Option<Instant> {
        let left = self.left.get();
        if left > 0 {
            self.left.set(left - 1);
            return None;
        }
        // A step of a linear congruential generator (Knuth's), whose high bits are even enough for this.
        let random = self.random.get().wrapping_mul(1_664_525);
        let random = random.wrapping_add(1_013_904_223);
        self.random.set(random);
        self.left
            .set((random >> 16) % (2 * REQUESTS_PER_SAMPLE - 1));
        Some(Instant::now())
    }

    /// Its answer is there.
    pub(crate) fn end(&self, started: Option<Instant>, effort: Effort) {
        if let Some(started) = started {
            self.durations.of(effort).note(started.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_is_measured_then_one_in_64_in_no_rhythm() {
        let durations = Arc::new(AnswerDurations::default());
        let sampler = DurationSampler::new(Arc::clone(&durations));
        let mut last = 0;
        let mut gaps = Vec::new();
        for request in 0..64_000 {
            let started = sampler.begin();
            assert!(request > 0 || started.is_some());
            if started.is_some() && request > 0 {
                gaps.push(request - last);
                last = request;
            }
            sampler.end(started, Effort::Cached);
        }
        let count = |durations: &Durations| durations.read().0.iter().sum::<u64>();
        let measured = count(&durations.cached);
        assert!((900..1_100).contains(&measured), "{measured}");
        assert_eq!(count(&durations.signed) + count(&durations.unsigned), 0);
        gaps.sort_unstable();
        gaps.dedup();
        assert!(gaps.len() > 100 && gaps[gaps.len() - 1] < 128, "{gaps:?}");
    }
}
