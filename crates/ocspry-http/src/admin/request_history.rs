//! Requests of the last hour, minute by minute, to the server and about each issuer.  From: the workers' own counts and the
//! issuers', read once a minute by the admin thread's timer.  To: `snapshot`.
//!
//! Nothing is counted here that is not counted anyway: a minute is the difference of two readings.  An hour of an issuer
//! takes some 3 KiB.

use std::collections::VecDeque;
use std::sync::Arc;

use ocspry_core::{IssuerCounts, Told};

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
    /// Not OCSP: health, published lists, errors of HTTP; about no issuer.
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

    /// What a request about certificates of an issuer may become.
    pub(crate) const OF_ISSUER: [AnswerKind; 6] = [
        AnswerKind::Good,
        AnswerKind::Revoked,
        AnswerKind::Unknown,
        AnswerKind::Several,
        AnswerKind::TryLater,
        AnswerKind::Refused,
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

    /// The key in `/status`.
    pub(crate) fn key(self) -> &'static str {
        match self {
            AnswerKind::Good => "good",
            AnswerKind::Revoked => "revoked",
            AnswerKind::Unknown => "unknown",
            AnswerKind::Several => "several",
            AnswerKind::TryLater => "try_later",
            AnswerKind::Refused => "refused",
            AnswerKind::Other => "not_ocsp",
        }
    }

    fn of_told(told: Told) -> AnswerKind {
        match told {
            Told::Good => AnswerKind::Good,
            Told::Revoked => AnswerKind::Revoked,
            Told::Unknown => AnswerKind::Unknown,
            Told::Several => AnswerKind::Several,
            Told::Refused => AnswerKind::Refused,
            Told::TryLater => AnswerKind::TryLater,
        }
    }

    fn of(outcome: RequestOutcome) -> AnswerKind {
        match outcome {
            RequestOutcome::Ocsp(kind) => AnswerKind::of_told(Told::of(kind)),
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
}

/// What became of requests, at one moment.
pub(crate) struct Requests {
    pub(crate) since_start: AnswerCounts,
    /// As of [`RequestHistory::minutes`].
    pub(crate) minutes: Vec<AnswerCounts>,
}

impl Requests {
    /// The last minute that is over; nothing before there is one.
    pub(crate) fn last_minute(&self) -> AnswerCounts {
        let over = self.minutes.len().checked_sub(2);
        let minute = over.and_then(|index| self.minutes.get(index));
        minute.copied().unwrap_or_default()
    }

    /// All that are remembered, with the minute that goes on.
    pub(crate) fn last_hour(&self) -> AnswerCounts {
        sum(&self.minutes)
    }
}

/// The server's requests, and those about each issuer.
#[derive(Debug, Default)]
pub(crate) struct RequestHistories {
    server: RequestHistory,
    /// By the counts, which a reload hands on from issuer to issuer of one CA.
    issuers: Vec<(Arc<IssuerCounts>, RequestHistory)>,
}

impl RequestHistories {
    /// A minute is over, and these are the issuers now.
    pub(crate) fn end_minute<'a>(
        &mut self,
        server: Option<&ServerMeter>,
        issuers: impl Iterator<Item = &'a Arc<IssuerCounts>>,
    ) {
        self.server.end_minute(totals(server));
        let mut before = std::mem::take(&mut self.issuers);
        for counts in issuers {
            let is_its = |(other, _): &(Arc<IssuerCounts>, _)| Arc::ptr_eq(other, counts);
            let known = before.iter().position(is_its);
            let known = known.map(|index| before.swap_remove(index).1);
            let mut history = known.unwrap_or_default();
            history.end_minute(totals_of(counts));
            self.issuers.push((Arc::clone(counts), history));
        }
    }

    /// To the server.
    pub(crate) fn of_server(&self, server: Option<&ServerMeter>) -> Requests {
        self.server.until(totals(server))
    }

    /// About certificates of an issuer.
    pub(crate) fn of_issuer(&self, counts: &Arc<IssuerCounts>) -> Requests {
        let known = self
            .issuers
            .iter()
            .find(|(other, _)| Arc::ptr_eq(other, counts));
        let totals = totals_of(counts);
        match known {
            Some((_, history)) => history.until(totals),
            // It came within this minute.
            None => RequestHistory::default().until(totals),
        }
    }
}

fn totals_of(counts: &IssuerCounts) -> AnswerCounts {
    let mut totals = AnswerCounts::default();
    for (told, count) in counts.told() {
        totals[AnswerKind::of_told(told) as usize] = count;
    }
    totals
}

/// All requests since the start; none before there is a server.
fn totals(server: Option<&ServerMeter>) -> AnswerCounts {
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
    fn end_minute(&mut self, totals: AnswerCounts) {
        if self.readings.len() == RequestHistory::MINUTES {
            self.readings.pop_front();
        }
        self.readings.push_back(totals);
    }

    fn until(&self, totals: AnswerCounts) -> Requests {
        Requests {
            since_start: totals,
            minutes: self.minutes(totals),
        }
    }

    /// The last minutes, the oldest first and the one that goes on last; fewer than [`RequestHistory::MINUTES`] soon after
    /// the start.
    fn minutes(&self, totals: AnswerCounts) -> Vec<AnswerCounts> {
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
    fn an_issuers_hour_goes_on_while_it_stays_and_ends_with_it() {
        let (stays, goes) = (Arc::<IssuerCounts>::default(), Arc::default());
        let mut histories = RequestHistories::default();
        for _ in 0..3 {
            histories.end_minute(None, [&goes, &stays].into_iter());
        }
        assert_eq!(histories.of_issuer(&stays).minutes.len(), 4);
        // Another place in the configuration is no other issuer.
        let new = Arc::default();
        histories.end_minute(None, [&stays, &new].into_iter());
        assert_eq!(histories.of_issuer(&stays).minutes.len(), 5);
        assert_eq!(histories.of_issuer(&new).minutes.len(), 2);
        assert_eq!(histories.issuers.len(), 2);
        assert_eq!(histories.of_issuer(&goes).minutes.len(), 1);
        for _ in 0..100 {
            histories.end_minute(None, [&stays].into_iter());
        }
        let hour = histories.of_issuer(&stays);
        assert_eq!(hour.minutes.len(), RequestHistory::MINUTES);
        assert_eq!(histories.issuers[0].1.readings.len(), 60);
        assert_eq!(hour.last_minute(), AnswerCounts::default());
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
