//! One HTTP request: the OCSP request out of it, the answer into the response.  From: `connection`.  To: `core::responder`
//! and back, by way of `get_path` (GET) and `headers`.
//!
//! OCSP errors are answers and travel in HTTP 200 (RFC 6960 §A.2); HTTP errors are for what is not OCSP at all, and 503 stands in
//! for `tryLater` where the operator wants it (`Answer::Unavailable`).  There are no redirects.  Of the path it matters whether it is the
//! endpoint of one issuer (`endpoint_paths`), `/healthz`, or what `published` finds.

use crate::counts::{HttpRefusal, MethodKind, RequestOutcome};
use crate::deadlines::{Deadline, Phase};
use crate::get_path::{self, GetPath};
use crate::headers::{self, Cacheable};
use crate::published::{self, Published};
use crate::request_log::RequestRecord;
use crate::server::{Scratch, Worker};
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Version};
use ocspry_core::{Answer, Answered, Endpoint, SignedResponse};
use ocspry_wire::Time;
use ocspry_wire::ocsp::ErrorStatus;
use std::convert::Infallible;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Instant;

/// Answers one HTTP request.
pub(crate) async fn respond(
    http_request: Request<Incoming>,
    peer: IpAddr,
    worker: Rc<Worker>,
    deadline: Rc<Deadline>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let is_recorded = worker.is_recorded();
    let started = (is_recorded || tracing::enabled!(tracing::Level::DEBUG)).then(Instant::now);
    // A pipelined request comes out of hyper's buffer: no read has told that it began.
    if matches!(deadline.phase(), Phase::New | Phase::Idle | Phase::Write) {
        deadline.enter(Phase::Request);
    }
    let (mut head, body) = http_request.into_parts();
    let has_body = !body.is_end_stream();
    let mut scratch = worker.scratch();

    let (reply, outcome) = if has_valid_host(head.version, &head.headers) {
        match head.method {
            Method::POST => {
                let path = head.uri.path();
                post(path, body, &worker, &deadline, &mut scratch).await
            }
            Method::GET | Method::HEAD => {
                get(head.uri.path_and_query(), &worker, &deadline, &mut scratch).await
            }
            _ => refuse(HttpRefusal::MethodNotAllowed),
        }
    } else {
        refuse(HttpRefusal::NoHost)
    };

    // Not the time at which the request began: a body may take its time, and so may a slow key.
    let now = worker.now();
    let (reply, outcome) = match reply {
        Reply::Ocsp(Answer::Signed(signed)) if now >= signed.send_before => (
            Reply::Ocsp(Answer::of(ErrorStatus::TryLater, signed.unable)),
            RequestOutcome::OverWhenSigned,
        ),
        reply => (reply, outcome),
    };
    let is_conditional = matches!(head.method, Method::GET | Method::HEAD);
    let leaves_body_unread =
        has_body && (head.method != Method::POST || matches!(reply, Reply::Refusal(_)));
    // The map of the request becomes the map of the response: its room is there already.
    let mut response = reply.into_response(std::mem::take(&mut head.headers), is_conditional, now);
    worker.write_date(response.headers_mut(), now);
    if leaves_body_unread {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
        deadline.linger_at_close();
    }
    deadline.enter(Phase::Write);
    let counts = worker.counts();
    counts.request_answered(MethodKind::of(&head.method), outcome);
    if response.status() == StatusCode::NOT_MODIFIED {
        counts.not_modified.add(1);
    }
    if head.method != Method::HEAD {
        let body_bytes = response.body().size_hint().exact().unwrap_or(0);
        counts.response_body_bytes.add(body_bytes);
    }
    if let Some(started) = started {
        let elapsed = started.elapsed();
        if is_recorded {
            let record = RequestRecord {
                time: now,
                method: MethodKind::of(&head.method).label(),
                outcome: outcome.label(),
                status: response.status().as_u16(),
                body_bytes: response.body().size_hint().exact().unwrap_or(0),
                elapsed,
                peer: None,
            };
            worker.record(record, peer);
        }
        let elapsed_us = elapsed.as_micros();
        let outcome = outcome.label();
        tracing::debug!(outcome, method = %head.method, elapsed_us, "answered");
    }
    Ok(response)
}

/// RFC 9112 §3.2: HTTP/1.1 has exactly one Host; HTTP/1.0, which `openssl ocsp` speaks, may have none.
fn has_valid_host(version: Version, request_headers: &HeaderMap) -> bool {
    let mut hosts = request_headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => version == Version::HTTP_10,
        (Some(_), Some(_)) => false,
    }
}

/// The request is the body (RFC 6960 §A.1); its Content-Type says nothing that the octets do not.
async fn post(
    path: &str,
    mut body: Incoming,
    worker: &Worker,
    deadline: &Deadline,
    scratch: &mut Scratch,
) -> (Reply, RequestOutcome) {
    let request_bytes_max = worker.limits().request_bytes_max;
    if body.size_hint().lower() > u64::try_from(request_bytes_max).unwrap_or(u64::MAX) {
        return refuse(HttpRefusal::BodyTooLarge);
    }
    // Nearly always the body is one piece, and is used where it lies.
    let mut whole = Bytes::new();
    scratch.body.clear();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return refuse(HttpRefusal::BrokenBody);
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if whole.len() + scratch.body.len() + data.len() > request_bytes_max {
            return refuse(HttpRefusal::BodyTooLarge);
        }
        if whole.is_empty() && scratch.body.is_empty() {
            whole = data;
        } else {
            scratch.body.extend_from_slice(&std::mem::take(&mut whole));
            scratch.body.extend_from_slice(&data);
        }
    }
    deadline.enter(Phase::Answer);
    let Scratch { body, answer, get } = scratch;
    let der = if whole.is_empty() {
        body.as_slice()
    } else {
        &whole
    };
    let endpoint = worker.endpoint(get_path::plain(path.as_bytes(), get));
    ask(worker, endpoint, der, answer).await
}

/// Puts the whole request to the responder.
async fn ask(
    worker: &Worker,
    endpoint: Endpoint<'_>,
    der: &[u8],
    buffer: &mut BytesMut,
) -> (Reply, RequestOutcome) {
    let started = worker.durations().begin();
    let responder = worker.responder();
    let Answered {
        answer,
        outcome,
        effort,
        ..
    } = responder
        .answer_at(endpoint, der, worker.now(), worker.recent(), buffer)
        .await;
    worker.durations().end(started, effort);
    worker.note_exchange(der, &answer);
    (Reply::Ocsp(answer), RequestOutcome::Ocsp(outcome.kind()))
}

/// The request is in the path.
async fn get(
    target: Option<&hyper::http::uri::PathAndQuery>,
    worker: &Worker,
    deadline: &Deadline,
    scratch: &mut Scratch,
) -> (Reply, RequestOutcome) {
    deadline.enter(Phase::Answer);
    let Some(target) = target else {
        return refuse(HttpRefusal::NotOcsp);
    };
    if target.as_str().len() > worker.limits().target_bytes_max {
        return refuse(HttpRefusal::TargetTooLong);
    }
    if target.path() == "/healthz" {
        return (Reply::Healthy, RequestOutcome::Healthz);
    }
    if let Some(published) = published::find(target.path(), worker.responder().issuers()) {
        return (Reply::Published(published), RequestOutcome::Published);
    }
    let Scratch {
        get,
        answer,
        body: _,
    } = scratch;
    let (prefix, decoded) = get_path::decode_behind(target.path().as_bytes(), get);
    match decoded {
        GetPath::Request(der) => {
            let endpoint = worker.endpoint(prefix);
            ask(worker, endpoint, der, answer).await
        }
        GetPath::Malformed => {
            let answer = Answer::Error(ErrorStatus::MalformedRequest);
            worker.note_exchange(&[], &answer);
            (Reply::Ocsp(answer), RequestOutcome::MalformedPath)
        }
        GetPath::NotOcsp => refuse(HttpRefusal::NotOcsp),
    }
}

fn refuse(refusal: HttpRefusal) -> (Reply, RequestOutcome) {
    (Reply::Refusal(refusal), RequestOutcome::Refused(refusal))
}

/// What goes back over HTTP.
enum Reply {
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
    fn status(self) -> StatusCode {
        match self {
            HttpRefusal::NoHost | HttpRefusal::BrokenBody => StatusCode::BAD_REQUEST,
            HttpRefusal::NotOcsp => StatusCode::NOT_FOUND,
            HttpRefusal::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            HttpRefusal::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            HttpRefusal::TargetTooLong => StatusCode::URI_TOO_LONG,
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
    /// The response; `headers` are the request's, and are replaced.
    fn into_response(
        self,
        mut headers: HeaderMap,
        is_conditional: bool,
        now: Time,
    ) -> Response<Full<Bytes>> {
        let (status, body) = match self {
            Reply::Ocsp(Answer::Signed(signed)) => {
                signed_response(signed, &mut headers, is_conditional, now)
            }
            Reply::Ocsp(Answer::Error(error)) => {
                headers.clear();
                headers::write_ocsp_response(&mut headers);
                headers::write_no_store(&mut headers);
                (StatusCode::OK, Bytes::from_static(error.der()))
            }
            Reply::Ocsp(Answer::Unavailable) => {
                headers.clear();
                headers::write_plain_text(&mut headers);
                let text: &[u8] = b"No answer can be signed now; try later.\n";
                (StatusCode::SERVICE_UNAVAILABLE, Bytes::from_static(text))
            }
            Reply::Published(published) => published.write(&mut headers, is_conditional, now),
            Reply::Healthy => {
                headers.clear();
                headers::write_plain_text(&mut headers);
                (StatusCode::OK, Bytes::from_static(b"ok\n"))
            }
            Reply::Refusal(refusal) => {
                headers.clear();
                headers::write_plain_text(&mut headers);
                if refusal == HttpRefusal::MethodNotAllowed {
                    headers::write_allow(&mut headers);
                }
                (
                    refusal.status(),
                    Bytes::from_static(refusal.text().as_bytes()),
                )
            }
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

/// A signed answer: whole, or 304 for a client that has this very one.
fn signed_response(
    signed: SignedResponse,
    headers: &mut HeaderMap,
    is_conditional: bool,
    now: Time,
) -> (StatusCode, Bytes) {
    let Some(cacheable) = Cacheable::of(&signed, now) else {
        headers.clear();
        headers::write_ocsp_response(headers);
        headers::write_no_store(headers);
        return (StatusCode::OK, signed.der);
    };
    let is_held = is_conditional && cacheable.is_held_by(headers);
    headers.clear();
    cacheable.write(headers);
    if is_held {
        return (StatusCode::NOT_MODIFIED, Bytes::new());
    }
    headers::write_ocsp_response(headers);
    (StatusCode::OK, signed.der)
}
