//! One HTTP request: the OCSP request out of it, the answer into the response.  From: `connection`.  To: `core::responder`
//! and back, by way of `get_path` (GET) and `headers`.
//!
//! OCSP errors are answers and travel in HTTP 200 (RFC 6960 §A.2); HTTP errors are for what is not OCSP at all, and 503 stands in
//! for `tryLater` where the operator wants it (`Answer::Unavailable`).  There are no redirects.  Of the path it matters whether it is the
//! endpoint of one issuer (`endpoint_paths`), `/healthz`, or what `published` finds.

use crate::counts::{HttpRefusal, MethodKind, RequestOutcome};
use crate::deadlines::{Deadline, Phase, Verdict};
use crate::get_path::{self, GetPath};
use crate::head::{self, Head};
use crate::headers::{self, Cacheable, Status};
use crate::published::{self, Published};
use crate::request_log::RequestRecord;
use crate::scratch::Buffers;
use crate::server::{ResponderInUse, Worker};
use bytes::{Bytes, BytesMut};
use ocspry_core::{
    Answer, Answered, Effort, Endpoint, Question, RecentAnswer, Responder, SignedResponse,
};
use ocspry_wire::Time;
use ocspry_wire::der::tag::SEQUENCE;
use ocspry_wire::ocsp::ErrorStatus;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

/// One HTTP request, of which all has come that will be read.
pub(crate) struct HttpRequest<'a> {
    /// What matters of its head.
    pub(crate) head: &'a Head,
    /// The octets of that.
    pub(crate) octets: &'a [u8],
    /// Its body.
    pub(crate) body: Body<'a>,
    /// Who sent it: the other end of the connection.
    pub(crate) peer: IpAddr,
}

/// The body of a request.
#[derive(Clone, Copy)]
pub(crate) enum Body<'a> {
    /// All of it; nothing, where there is none.
    Whole(&'a [u8]),
    /// There is one that nobody has asked for.
    Unread,
    /// There is one that cannot be read, or will not.
    Refused(HttpRefusal),
}

/// What is done once the head, and what of the body is behind it, has been written.
pub(crate) struct HttpResponse {
    /// What is left of a large body.
    pub(crate) tail: Bytes,
    /// Another request may follow.
    pub(crate) keep_alive: bool,
}

impl HttpRequest<'_> {
    /// The client may still be sending a body that nobody reads.
    pub(crate) fn leaves_body_unread(&self) -> bool {
        match self.body {
            Body::Whole(_) => false,
            Body::Unread | Body::Refused(_) => true,
        }
    }
}

/// Answers one HTTP request: the response is in `buffers.output`, but for the tail of a large body.
pub(crate) async fn respond(
    request: &HttpRequest<'_>,
    worker: &Worker,
    deadline: &Deadline,
    buffers: &mut Buffers,
) -> HttpResponse {
    let is_recorded = worker.is_recorded();
    let started = (is_recorded || tracing::enabled!(tracing::Level::DEBUG)).then(Instant::now);
    deadline.enter(Phase::Answer);
    let head = request.head;

    let (reply, outcome) = if head.has_valid_host() {
        match head.method {
            MethodKind::Post => post(request, worker, buffers).await,
            MethodKind::Get | MethodKind::Head => get(request, worker, buffers).await,
            MethodKind::Other => refuse(HttpRefusal::MethodNotAllowed),
        }
    } else {
        refuse(HttpRefusal::NoHost)
    };

    // Not the time at which the request was whole: a slow key may take its time.
    let now = worker.now();
    let over = reply.signed().filter(|signed| now >= signed.send_before);
    let (reply, outcome) = match over.map(|signed| signed.unable) {
        Some(unable) => (
            Reply::Ocsp(Answer::of(ErrorStatus::TryLater, unable)),
            RequestOutcome::OverWhenSigned,
        ),
        None => (reply, outcome),
    };
    let keep_alive =
        head.keep_alive && !request.leaves_body_unread() && deadline.verdict() == Verdict::Continue;

    let output = &mut buffers.output;
    output.clear();
    let is_conditional =
        head.has_condition && matches!(head.method, MethodKind::Get | MethodKind::Head);
    let condition = is_conditional.then_some(request.octets);
    let status = reply.write_head(condition, now, output);
    worker.write_date(output, now);
    headers::write_end(output, keep_alive, head.is_http_10);
    let has_body = head.method != MethodKind::Head && status != Status::NotModified;
    let (body_bytes, tail) = if has_body {
        reply.write_body(output)
    } else {
        (0, Bytes::new())
    };

    let counts = worker.counts();
    counts.request_answered(head.method, outcome);
    counts.response_body_bytes.add(body_bytes);
    if status == Status::NotModified {
        counts.not_modified.add(1);
    }
    if let Some(started) = started {
        let elapsed = started.elapsed();
        let method = head.method.label();
        let outcome = outcome.label();
        if is_recorded {
            let record = RequestRecord {
                time: now,
                method,
                outcome,
                status: status.code(),
                body_bytes,
                elapsed,
                peer: None,
            };
            worker.record(record, request.peer);
        }
        let elapsed_us = elapsed.as_micros();
        tracing::debug!(outcome, method, elapsed_us, "answered");
    }
    HttpResponse { tail, keep_alive }
}

/// The request is the body (RFC 6960 §A.1); its Content-Type says nothing that the octets do not.
async fn post(
    request: &HttpRequest<'_>,
    worker: &Worker,
    buffers: &mut Buffers,
) -> (Reply, RequestOutcome) {
    let der = match request.body {
        Body::Whole(der) => der,
        Body::Unread => return refuse(HttpRefusal::BrokenBody),
        Body::Refused(refusal) => return refuse(refusal),
    };
    let target = &request.octets[request.head.target.clone()];
    let path = head::path_of(target).unwrap_or_default();
    let endpoint = worker.endpoint(get_path::plain(path, &mut buffers.get));
    let responder = worker.responder();
    let started = worker.durations().begin();
    // What is known as the path of a GET is no request.
    if der.first() == Some(&SEQUENCE)
        && let Some(recent) = find_recent(worker, &responder, Some(endpoint), der, started)
    {
        worker.note_recent_exchange(der, &recent);
        return Reply::recent(recent);
    }
    let question = Question {
        endpoint,
        client: worker.client(request.peer, request.octets),
        request: der,
        known_as: der,
    };
    ask(&question, worker, responder, &mut buffers.answer, started).await
}

/// The request is in the path.
async fn get(
    request: &HttpRequest<'_>,
    worker: &Worker,
    buffers: &mut Buffers,
) -> (Reply, RequestOutcome) {
    let target = &request.octets[request.head.target.clone()];
    if target.len() > worker.limits().target_bytes_max {
        return refuse(HttpRefusal::TargetTooLong);
    }
    let Some(path) = head::path_of(target) else {
        return refuse(HttpRefusal::NotOcsp);
    };
    if path == b"/healthz" {
        return (Reply::Healthy, RequestOutcome::Healthz);
    }
    let responder = worker.responder();
    if let Some(published) = published::find(path, responder.issuers()) {
        return (Reply::Published(published), RequestOutcome::Published);
    }
    let started = worker.durations().begin();
    // A path says all that a request does, and who is asked: nearly always it need not be decoded.
    let known_as_path = (!worker.is_overheard()).then_some(path);
    if let Some(path) = known_as_path
        && let Some(recent) = find_recent(worker, &responder, None, path, started)
    {
        return Reply::recent(recent);
    }
    let (prefix, decoded) = get_path::decode_behind(path, &mut buffers.get);
    match decoded {
        GetPath::Request(der) => {
            let question = Question {
                endpoint: worker.endpoint(prefix),
                client: worker.client(request.peer, request.octets),
                request: der,
                known_as: known_as_path.unwrap_or(der),
            };
            ask(&question, worker, responder, &mut buffers.answer, started).await
        }
        GetPath::Malformed => {
            let answer = Answer::Error(ErrorStatus::MalformedRequest);
            worker.note_exchange(&[], &answer);
            (Reply::Ocsp(answer), RequestOutcome::MalformedPath)
        }
        GetPath::NotOcsp => refuse(HttpRefusal::NotOcsp),
    }
}

/// The answer that this worker gave before, if it may be given again.
fn find_recent(
    worker: &Worker,
    responder: &Responder,
    endpoint: Option<Endpoint<'_>>,
    known_as: &[u8],
    started: Option<Instant>,
) -> Option<Rc<RecentAnswer>> {
    let recent = responder.recent_answer(endpoint, known_as, worker.now(), worker.recent())?;
    worker.durations().end(started, Effort::Cached);
    Some(recent)
}

/// Puts the whole request to the responder.
async fn ask(
    question: &Question<'_>,
    worker: &Worker,
    mut responder: Rc<ResponderInUse>,
    buffer: &mut BytesMut,
    started: Option<Instant>,
) -> (Reply, RequestOutcome) {
    let answered = loop {
        // In a box: what an answer takes to make is large, and a connection that waits for its client has no use for it.
        let making = responder.answer_anew(question, worker.now(), worker.recent(), buffer);
        let answered = Box::pin(making).await;
        // While it waited for its signature, a reload may have put another issuer in the place of this one, with other
        // keys, and another list.
        let newest = worker.responder();
        if !newest.overtakes(&responder, &answered) {
            break answered;
        }
        responder = newest;
    };
    let Answered {
        answer,
        outcome,
        effort,
        ..
    } = answered;
    worker.durations().end(started, effort);
    worker.note_exchange(question.request, &answer);
    (Reply::Ocsp(answer), RequestOutcome::Ocsp(outcome.kind()))
}

fn refuse(refusal: HttpRefusal) -> (Reply, RequestOutcome) {
    (Reply::Refusal(refusal), RequestOutcome::Refused(refusal))
}

/// What goes back over HTTP.
enum Reply {
    /// An OCSPResponse that this worker has sent before.
    Recent(Rc<RecentAnswer>),
    /// An OCSPResponse.
    Ocsp(Answer),
    /// What a CA has published.
    Published(Published),
    /// The process lives and answers.
    Healthy,
    /// Not OCSP.
    Refusal(HttpRefusal),
}

impl HttpRefusal {
    fn status(self) -> Status {
        match self {
            HttpRefusal::NoHost | HttpRefusal::BrokenBody => Status::BadRequest,
            HttpRefusal::NotOcsp => Status::NotFound,
            HttpRefusal::MethodNotAllowed => Status::MethodNotAllowed,
            HttpRefusal::BodyTooLarge => Status::ContentTooLarge,
            HttpRefusal::TargetTooLong => Status::UriTooLong,
        }
    }

    /// One line for the person who looks.
    fn text(self) -> &'static str {
        match self {
            HttpRefusal::NoHost => "An HTTP/1.1 request has exactly one Host header.\n",
            HttpRefusal::BrokenBody => "The body of the request did not arrive whole.\n",
            HttpRefusal::NotOcsp => {
                "This is an OCSP responder (RFC 6960): POST the DER request to any path, or GET it in base64 behind the last slash.\n"
            }
            HttpRefusal::MethodNotAllowed => "OCSP is asked by GET or POST.\n",
            HttpRefusal::BodyTooLarge => "The body is too large for an OCSP request.\n",
            HttpRefusal::TargetTooLong => "The path is too long for an OCSP request: use POST.\n",
        }
    }
}

impl Reply {
    /// One that was sent before, and what became of the request.
    fn recent(recent: Rc<RecentAnswer>) -> (Reply, RequestOutcome) {
        let outcome = RequestOutcome::Ocsp(recent.outcome().kind());
        (Reply::Recent(recent), outcome)
    }

    /// The signed answer, if it is one.
    fn signed(&self) -> Option<&SignedResponse> {
        match self {
            Reply::Recent(recent) => Some(recent.response()),
            Reply::Ocsp(Answer::Signed(signed)) => Some(signed),
            Reply::Ocsp(Answer::Error(_) | Answer::Unavailable)
            | Reply::Published(_)
            | Reply::Healthy
            | Reply::Refusal(_) => None,
        }
    }

    /// Writes the head, but for its end, and returns its status.  `condition` is the head of a request that may name what the client
    /// has.
    fn write_head(&self, condition: Option<&[u8]>, now: Time, head: &mut Vec<u8>) -> Status {
        match self {
            Reply::Recent(recent) => {
                let response = recent.response();
                // Last-Modified is producedAt, if the clock is not behind it.
                let is_lasting = condition.is_none() && now >= response.produced_at;
                let lasting = is_lasting.then(|| lasting_head(recent, now)).flatten();
                let Some(lasting) = lasting else {
                    return write_signed(response, condition, now, head);
                };
                head.extend_from_slice(lasting);
                headers::write_cache_control(head, headers::max_age_seconds(response, now));
                Status::Ok
            }
            Reply::Ocsp(Answer::Signed(signed)) => write_signed(signed, condition, now, head),
            Reply::Ocsp(Answer::Error(error)) => write_for_one(head, error.der().len()),
            Reply::Published(published) => published.write(condition, now, head),
            Reply::Ocsp(Answer::Unavailable) => {
                write_plain_text(head, Status::Unavailable, UNAVAILABLE)
            }
            Reply::Healthy => write_plain_text(head, Status::Ok, HEALTHY),
            Reply::Refusal(refusal) => {
                let status = write_plain_text(head, refusal.status(), refusal.text());
                if *refusal == HttpRefusal::MethodNotAllowed {
                    headers::write_allow(head);
                }
                status
            }
        }
    }

    /// Writes the body behind the head, or returns the tail of a large one; and how many octets it has.
    fn write_body(self, output: &mut Vec<u8>) -> (u64, Bytes) {
        let body = match &self {
            Reply::Recent(recent) => &recent.response().der,
            Reply::Ocsp(Answer::Signed(signed)) => signed.der.as_ref(),
            Reply::Ocsp(Answer::Error(error)) => error.der(),
            Reply::Ocsp(Answer::Unavailable) => UNAVAILABLE.as_bytes(),
            Reply::Healthy => HEALTHY.as_bytes(),
            Reply::Refusal(refusal) => refusal.text().as_bytes(),
            Reply::Published(published) => published.body(),
        };
        let length = body.len() as u64;
        if body.len() <= BODY_BEHIND_HEAD_MAX {
            // One write costs more than the copy.
            output.extend_from_slice(body);
            return (length, Bytes::new());
        }
        let tail = match self {
            Reply::Published(published) => published.into_body(),
            Reply::Ocsp(Answer::Signed(signed)) => signed.der,
            Reply::Recent(recent) => recent.response().der.clone(),
            Reply::Ocsp(Answer::Error(_) | Answer::Unavailable)
            | Reply::Healthy
            | Reply::Refusal(_) => Bytes::new(),
        };
        (length, tail)
    }
}

/// A signed answer: whole, or 304 for a client that has this very one.
fn write_signed(
    signed: &SignedResponse,
    condition: Option<&[u8]>,
    now: Time,
    head: &mut Vec<u8>,
) -> Status {
    let Some(cacheable) = Cacheable::of(signed, now) else {
        return write_for_one(head, signed.der.len());
    };
    let is_held = condition.is_some_and(|octets| cacheable.is_held_by(octets));
    let status = if is_held {
        headers::write_status(head, Status::NotModified);
        cacheable.write_names(head);
        Status::NotModified
    } else {
        headers::write_lasting(head, &cacheable, signed.der.len());
        Status::Ok
    };
    cacheable.write_cache_control(head);
    status
}

/// An OCSPResponse for this client alone.
fn write_for_one(head: &mut Vec<u8>, body_length: usize) -> Status {
    headers::write_status(head, Status::Ok);
    headers::write_ocsp_response(head);
    headers::write_content_length(head, body_length);
    headers::write_no_store(head);
    Status::Ok
}

/// What does not change of the head of an answer for everybody, written once; None of one with a nonce.
fn lasting_head(recent: &RecentAnswer, now: Time) -> Option<&[u8]> {
    if let Some(lasting) = recent.head().get() {
        return Some(lasting);
    }
    let response = recent.response();
    let cacheable = Cacheable::of(response, now)?;
    Some(recent.head().get_or_init(|| {
        let mut lasting = Vec::new();
        headers::write_lasting(&mut lasting, &cacheable, response.der.len());
        lasting.into_boxed_slice()
    }))
}

/// A line for people, which nobody keeps.
fn write_plain_text(head: &mut Vec<u8>, status: Status, text: &'static str) -> Status {
    headers::write_status(head, status);
    headers::write_content_type(head, "text/plain; charset=utf-8");
    headers::write_content_length(head, text.len());
    headers::write_no_store(head);
    status
}

const UNAVAILABLE: &str = "No answer can be signed now; try later.\n";
const HEALTHY: &str = "ok\n";
/// Octets of a body that are written with the head, as nearly any OCSPResponse has: a larger one is not copied for each
/// client that is slow to take it.
const BODY_BEHIND_HEAD_MAX: usize = 16 * 1024;
