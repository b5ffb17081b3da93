//! One admin request to one page.  From: the admin listener.  To: `metrics`, `status`, `dashboard`, and back.
//!
//! Everything is GET (or HEAD), nothing is kept by caches, and nothing changes the responder (design.md §1).

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};

use super::snapshot::Snapshot;
use super::{AdminState, dashboard, status};
use crate::metrics;

/// Octets of a body that are read, to throw away.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Answers one request.
pub(super) async fn respond(
    http_request: Request<Incoming>,
    state: &Arc<AdminState>,
) -> Response<Full<Bytes>> {
    let (head, body) = http_request.into_parts();
    if !matches!(head.method, Method::GET | Method::HEAD) {
        // Read, since closing on unread octets would reset the connection, and the refusal with it.
        let _ = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let text = "This is for reading only: GET or HEAD.\n";
        let mut response = page(StatusCode::METHOD_NOT_ALLOWED, TEXT, text);
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    if let Some(response) = dashboard::respond(&head, state) {
        return response;
    }
    match head.uri.path() {
        "/metrics" => page(StatusCode::OK, metrics::CONTENT_TYPE, metrics::text(state)),
        "/healthz" => page(StatusCode::OK, TEXT, "ok\n"),
        "/readyz" => match state.readiness(&state.issuers(), state.now()) {
            Ok(()) => page(StatusCode::OK, TEXT, "ready\n"),
            Err(why) => page(
                StatusCode::SERVICE_UNAVAILABLE,
                TEXT,
                format!("not ready: {why}\n"),
            ),
        },
        "/status" => page(
            StatusCode::OK,
            "application/json",
            status::text(&Snapshot::take(state)),
        ),
        _ => page(
            StatusCode::NOT_FOUND,
            TEXT,
            "Here are /, /explain, /healthz, /metrics, /readyz and /status.\n",
        ),
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) fn page(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
