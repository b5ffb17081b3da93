//! What happened, counted per worker and summed when asked: no request writes where another worker writes.
//!
//! From: `server`, `connection` and `ocsp`; each request is counted once, by its method and what became of it, both closed
//! sets.  To: `metrics`, and whoever asks the server.

use std::array;
use std::sync::Arc;

use ocspry_core::{AnswerCounts, Count, OutcomeKind, TurnCounts};

/// What happened since the start, summed over the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerCounts {
    /// Connections open now.
    pub connections_open: u64,
    /// Connections accepted and served.
    pub connections_total: u64,
    /// Connections closed at once because a cap was reached.
    pub connections_refused_total: u64,
    /// Connections closed because a deadline passed.
    pub connections_expired_total: u64,
    /// Of these, silent ones closed early, because nearly all places were taken.
    pub connections_crowded_out_total: u64,
    /// Connections dropped because of a panic.
    pub panics_total: u64,
    /// Times `accept` failed.
    pub accept_errors_total: u64,
    /// HTTP requests answered, whatever became of them.
    pub requests_total: u64,
    /// Of these, answered with 304: the client has the answer.
    pub not_modified_total: u64,
    /// Octets of the bodies of answers.
    pub response_body_bytes_total: u64,
}

impl ServerCounts {
    /// The sum over all workers.
    pub(crate) fn sum(connections_open: usize, workers: &[Arc<WorkerCounts>]) -> ServerCounts {
        let sum =
            |count: fn(&WorkerCounts) -> u64| workers.iter().map(|worker| count(worker)).sum();
        ServerCounts {
            connections_open: u64::try_from(connections_open).unwrap_or(u64::MAX),
            connections_total: sum(|worker| worker.connections.get()),
            connections_refused_total: sum(|worker| worker.connections_refused.get()),
            connections_expired_total: sum(|worker| worker.connections_expired.get()),
            connections_crowded_out_total: sum(|worker| worker.connections_crowded_out.get()),
            panics_total: sum(|worker| worker.panics.get()),
            accept_errors_total: sum(|worker| worker.accept_errors.get()),
            requests_total: sum(|worker| worker.requests.0.iter().flatten().map(Count::get).sum()),
            not_modified_total: sum(|worker| worker.not_modified.get()),
            response_body_bytes_total: sum(|worker| worker.response_body_bytes.get()),
        }
    }
}

/// The counts of one worker; only its own thread adds.  On cache lines of its own, so that no neighbour slows it.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct WorkerCounts {
    /// Connections accepted and served.
    pub(crate) connections: Count,
    /// Connections over a cap.
    pub(crate) connections_refused: Count,
    /// Connections that took too long.
    pub(crate) connections_expired: Count,
    /// Connections that made room for others.
    pub(crate) connections_crowded_out: Count,
    /// Requests that panicked.
    pub(crate) panics: Count,
    /// Times accept(2) failed.
    pub(crate) accept_errors: Count,
    /// Answers that the client had already.
    pub(crate) not_modified: Count,
    /// Octets of bodies.
    pub(crate) response_body_bytes: Count,
    /// Turns of its loop.
    pub(crate) turns: Count,
    /// What the answers were made from.
    pub(crate) answers: Arc<AnswerCounts>,
    /// Whose turn it is to sign.
    pub(crate) turns_of_signing: Arc<TurnCounts>,
    requests: Requests,
}

/// By [`MethodKind`], then by [`RequestOutcome`].
#[derive(Debug)]
struct Requests([[Count; RequestOutcome::COUNT]; MethodKind::ALL.len()]);

impl Default for Requests {
    fn default() -> Requests {
        Requests(array::from_fn(|_| array::from_fn(|_| Count::default())))
    }
}

impl WorkerCounts {
    /// A request was answered.
    pub(crate) fn request_answered(&self, method: MethodKind, outcome: RequestOutcome) {
        // A number out of range would be a mistake of this module, and no reason to drop a client.
        if let Some(count) = self.requests.0[method as usize].get(outcome.index()) {
            count.add(1);
        }
    }

    /// How many requests of this method became this.
    pub(crate) fn requests(&self, method: MethodKind, outcome: RequestOutcome) -> u64 {
        self.requests.0[method as usize][outcome.index()].get()
    }
}

/// The methods that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MethodKind {
    /// GET.
    Get,
    /// POST.
    Post,
    /// HEAD.
    Head,
    /// Any other, and requests that have none because they are not HTTP.
    Other,
}

impl MethodKind {
    /// All of them; each stands at its own number.
    pub(crate) const ALL: [MethodKind; 4] = [
        MethodKind::Get,
        MethodKind::Post,
        MethodKind::Head,
        MethodKind::Other,
    ];

    /// By its name, in which case matters (RFC 9110 §9.1).
    pub(crate) fn of(method: &str) -> MethodKind {
        match method {
            "GET" => MethodKind::Get,
            "POST" => MethodKind::Post,
            "HEAD" => MethodKind::Head,
            _ => MethodKind::Other,
        }
    }

    /// A fixed word.
    pub(crate) fn label(self) -> &'static str {
        match self {
            MethodKind::Get => "get",
            MethodKind::Post => "post",
            MethodKind::Head => "head",
            MethodKind::Other => "other",
        }
    }
}

/// What became of an HTTP request: a closed set, of which each request has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestOutcome {
    /// The responder answered.
    Ocsp(OutcomeKind),
    /// The path of a GET holds a request that is not base64: malformedRequest.
    MalformedPath,
    /// The answer was over when it was signed: tryLater.
    OverWhenSigned,
    /// `/healthz`.
    Healthz,
    /// Not HTTP/1, or a head that is too large: 400 or 431.
    MalformedHttp,
    /// The CRL or the certificate of a CA.
    Published,
    /// Not OCSP.
    Refused(HttpRefusal),
}

impl RequestOutcome {
    /// How many there are.
    pub(crate) const COUNT: usize = OutcomeKind::ALL.len() + 5 + HttpRefusal::ALL.len();

    /// All of them; each stands at its own [`RequestOutcome::index`].
    pub(crate) fn all() -> impl Iterator<Item = RequestOutcome> {
        let answered = OutcomeKind::ALL.iter().copied().map(RequestOutcome::Ocsp);
        answered
            .chain([
                RequestOutcome::MalformedPath,
                RequestOutcome::OverWhenSigned,
                RequestOutcome::Healthz,
                RequestOutcome::MalformedHttp,
                RequestOutcome::Published,
            ])
            .chain(HttpRefusal::ALL.map(RequestOutcome::Refused))
    }

    /// Its number, below [`RequestOutcome::COUNT`].
    fn index(self) -> usize {
        const BESIDE: usize = OutcomeKind::ALL.len();
        match self {
            RequestOutcome::Ocsp(kind) => kind as usize,
            RequestOutcome::MalformedPath => BESIDE,
            RequestOutcome::OverWhenSigned => BESIDE + 1,
            RequestOutcome::Healthz => BESIDE + 2,
            RequestOutcome::MalformedHttp => BESIDE + 3,
            RequestOutcome::Published => BESIDE + 4,
            RequestOutcome::Refused(refusal) => BESIDE + 5 + refusal as usize,
        }
    }

    /// A fixed word for logs and metrics.
    pub(crate) fn label(self) -> &'static str {
        match self {
            RequestOutcome::Ocsp(kind) => kind.label(),
            RequestOutcome::MalformedPath => "malformed-path",
            RequestOutcome::OverWhenSigned => "over-when-signed",
            RequestOutcome::Healthz => "healthz",
            RequestOutcome::MalformedHttp => "malformed-http",
            RequestOutcome::Published => "published",
            RequestOutcome::Refused(refusal) => refusal.label(),
        }
    }
}

/// Why a request is not OCSP at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HttpRefusal {
    NoHost,
    BrokenBody,
    NotOcsp,
    MethodNotAllowed,
    BodyTooLarge,
    TargetTooLong,
}

impl HttpRefusal {
    /// All of them; each stands at its own number.
    pub(crate) const ALL: [HttpRefusal; 6] = [
        HttpRefusal::NoHost,
        HttpRefusal::BrokenBody,
        HttpRefusal::NotOcsp,
        HttpRefusal::MethodNotAllowed,
        HttpRefusal::BodyTooLarge,
        HttpRefusal::TargetTooLong,
    ];

    fn label(self) -> &'static str {
        match self {
            HttpRefusal::NoHost => "no-host",
            HttpRefusal::BrokenBody => "broken-body",
            HttpRefusal::NotOcsp => "not-ocsp",
            HttpRefusal::MethodNotAllowed => "method-not-allowed",
            HttpRefusal::BodyTooLarge => "body-too-large",
            HttpRefusal::TargetTooLong => "target-too-long",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_has_its_own_number_and_its_own_word() {
        let mut words = Vec::new();
        for (place, outcome) in RequestOutcome::all().enumerate() {
            assert_eq!(outcome.index(), place, "{outcome:?}");
            words.push(outcome.label());
        }
        assert_eq!(words.len(), RequestOutcome::COUNT);
        words.sort_unstable();
        words.dedup();
        assert_eq!(words.len(), RequestOutcome::COUNT);
    }

    #[test]
    fn each_method_stands_at_its_own_number() {
        for (place, method) in MethodKind::ALL.iter().enumerate() {
            assert_eq!(*method as usize, place);
        }
    }
}
