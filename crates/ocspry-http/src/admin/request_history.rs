//! Requests of the last hour, minute by minute.  From: the workers' own counts, read once a minute by the admin thread's
//! timer.  To: `dashboard`.
//!
//! Nothing is counted here that is not counted anyway: a minute is the difference of two readings.  The workers count for the
//! whole server and not for each issuer, and so does this.

use std::collections::VecDeque;

use ocspry_core::OutcomeKind;

use crate::counts::{HttpRefusal, MethodKind, RequestOutcome};
use crate::server::ServerMeter;

/// What became of requests, in as few kinds as a chart can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    Good,
    Revoked,
    Unknown,
    /// About several certificates.
    Several,
    /// `tryLater`, or HTTP 503 in its place.
    TryLater,
    /// `unauthorized` and `malformedRequest`.
    Refused,
    /// Not OCSP: health, published lists, errors of HTTP.
    Other,
}

/// How many requests ended in each kind.
pub(crate) type AnswerCounts = [u64; AnswerKind::ALL.len()];

impl AnswerKind {
    /// All of them; each stands at its own number.
    pub(crate) const ALL: [AnswerKind; 7] = [
        AnswerKind::Good,
        AnswerKind::Revoked,
        AnswerKind::Unknown,
        AnswerKind::Several,
        AnswerKind::TryLater,
        AnswerKind::Refused,
        AnswerKind::Other,
    ];

    /// For people.
    pub(crate) fn label(self) -> &'static str {
        match self {
            AnswerKind::Good => "good",
            AnswerKind::Revoked => "revoked",
            AnswerKind::Unknown => "unknown",
            AnswerKind::Several => "several certificates",
            AnswerKind::TryLater => "tryLater",
            AnswerKind::Refused => "refused",
            AnswerKind::Other => "not OCSP",
        }
    }

    /// A word for the style sheet.
    pub(crate) fn class(self) -> &'static str {
        match self {
            AnswerKind::Good => "good",
            AnswerKind::Revoked => "revoked",
            AnswerKind::Unknown => "unknown",
            AnswerKind::Several => "several",
            AnswerKind::TryLater => "later",
            AnswerKind::Refused => "refused",
            AnswerKind::Other => "other",
        }
    }

    fn of(outcome: RequestOutcome) -> AnswerKind {
        match outcome {
            RequestOutcome::Ocsp(kind) => AnswerKind::of_ocsp(kind),
            RequestOutcome::MalformedPath => AnswerKind::Refused,
            RequestOutcome::OverWhenSigned => AnswerKind::TryLater,
            RequestOutcome::Healthz
            | RequestOutcome::MalformedHttp
            | RequestOutcome::Published
            | RequestOutcome::Refused(
                HttpRefusal::NoHost
                | HttpRefusal::BrokenBody
                | HttpRefusal::NotOcsp
                | HttpRefusal::MethodNotAllowed
                | HttpRefusal::BodyTooLarge
                | HttpRefusal::TargetTooLong,
            ) => AnswerKind::Other,
        }
    }

    fn of_ocsp(kind: OutcomeKind) -> AnswerKind {
        match kind {
            OutcomeKind::Good => AnswerKind::Good,
            OutcomeKind::Revoked => AnswerKind::Revoked,
            OutcomeKind::Unknown => AnswerKind::Unknown,
            OutcomeKind::Several => AnswerKind::Several,
            OutcomeKind::Malformed
            | OutcomeKind::UnknownIssuer
            | OutcomeKind::WrongEndpoint
            | OutcomeKind::TooManyCertIds
            | OutcomeKind::SeveralIssuers
            | OutcomeKind::NeverIssued
            | OutcomeKind::NonceMissing
            | OutcomeKind::IssuerExpired => AnswerKind::Refused,
            OutcomeKind::SourceMissing
            | OutcomeKind::AbsenceUnproven
            | OutcomeKind::SignerMissing
            | OutcomeKind::ClockBehind
            | OutcomeKind::ValidityOver
            | OutcomeKind::WindowOver
            | OutcomeKind::SourceExpired
            | OutcomeKind::SignerExpired
            | OutcomeKind::IssuerExpiring
            | OutcomeKind::SigningQueueFull
            | OutcomeKind::Overtaken
            | OutcomeKind::SigningFailed => AnswerKind::TryLater,
        }
    }
}

/// All requests since the start; none before there is a server.
pub(crate) fn totals(server: Option<&ServerMeter>) -> AnswerCounts {
    let mut totals = AnswerCounts::default();
    let Some(server) = server else { return totals };
    for outcome in RequestOutcome::all() {
        let of_methods = MethodKind::ALL.map(|method| server.requests(method, outcome));
        totals[AnswerKind::of(outcome) as usize] += of_methods.iter().sum::<u64>();
    }
    totals
}

/// Readings at the ends of the last minutes, the oldest first.
#[derive(Debug)]
pub(crate) struct RequestHistory {
    readings: VecDeque<AnswerCounts>,
}

impl Default for RequestHistory {
    /// The program starts: there were no requests.
    fn default() -> RequestHistory {
        RequestHistory {
            readings: VecDeque::from([AnswerCounts::default()]),
        }
    }
}

impl RequestHistory {
    /// Minutes that are shown, the one that goes on included.
    pub(crate) const MINUTES: usize = 60;

    /// A minute is over.
    pub(crate) fn end_minute(&mut self, totals: AnswerCounts) {
        if self.readings.len() == RequestHistory::MINUTES {
            self.readings.pop_front();
        }
        self.readings.push_back(totals);
    }

    /// The last minutes, the oldest first and the one that goes on last; fewer than [`RequestHistory::MINUTES`] soon after
    /// the start.
    pub(crate) fn minutes(&self, totals: AnswerCounts) -> Vec<AnswerCounts> {
        let ends = self.readings.iter().skip(1).chain([&totals]);
        self.readings
            .iter()
            .zip(ends)
            .map(|(begin, end)| difference(*end, *begin))
            .collect()
    }
}

/// The sum of some minutes.
pub(crate) fn sum(minutes: &[AnswerCounts]) -> AnswerCounts {
    let mut sum = AnswerCounts::default();
    for minute in minutes {
        for (total, count) in sum.iter_mut().zip(minute) {
            *total += count;
        }
    }
    sum
}

fn difference(end: AnswerCounts, begin: AnswerCounts) -> AnswerCounts {
    let mut difference = end;
    for (count, before) in difference.iter_mut().zip(begin) {
        // Workers count on while they are read.
        *count = count.saturating_sub(before);
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(count: u64) -> AnswerCounts {
        let mut counts = AnswerCounts::default();
        counts[AnswerKind::Good as usize] = count;
        counts
    }

    #[test]
    fn each_kind_stands_at_its_own_number() {
        for (place, kind) in AnswerKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, place);
        }
    }

    #[test]
    fn a_minute_is_what_came_between_two_readings_and_the_last_one_goes_on() {
        let mut history = RequestHistory::default();
        assert_eq!(history.minutes(good(3)), [good(3)]);
        history.end_minute(good(5));
        history.end_minute(good(5));
        assert_eq!(history.minutes(good(7)), [good(5), good(0), good(2)]);
        assert_eq!(sum(&history.minutes(good(7))), good(7));
    }

    #[test]
    fn an_hour_is_kept_and_no_more() {
        let mut history = RequestHistory::default();
        for minute in 0..1_000 {
            history.end_minute(good(minute * 10));
        }
        let minutes = history.minutes(good(9_999));
        assert_eq!(minutes.len(), RequestHistory::MINUTES);
        assert_eq!(minutes.first(), Some(&good(10)));
        assert_eq!(minutes.last(), Some(&good(9)));
        assert_eq!(history.readings.len(), RequestHistory::MINUTES);
    }
}
