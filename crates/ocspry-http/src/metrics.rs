//! `/metrics`: every number there is, in the text format of Prometheus.  From: the workers' counts and the issuers, read
//! when asked.  To: `admin`.
//!
//! Nothing is registered and nothing is kept: each scrape sums the workers' own counts.  Labels are closed sets or the
//! issuers' configured names, never anything from a request.  docs/reference/metrics.md explains each; a test compares.

mod issuers;
mod page;
mod signing;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ocspry_core::{AnswerCounts, RECENT_BYTES_MAX};
use ocspry_wire::ocsp::HashAlgorithm;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

use self::page::{Page, number};
use crate::admin::{AdminState, ReloadResult};
use crate::counts::{MethodKind, RequestOutcome};
use crate::server::ServerMeter;

/// What [`text`] is.
pub(crate) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// The page.
pub(crate) fn text(state: &Arc<AdminState>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Numbers {
        state: Arc::clone(state),
    }));
    let mut text = String::new();
    // A String takes whatever is written.
    let _ = prometheus_text::encode(&mut text, &registry);
    text
}

struct Numbers {
    state: Arc<AdminState>,
}

impl fmt::Debug for Numbers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Numbers")
    }
}

impl Collector for Numbers {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page::new(encoder);
        program(&mut page, &self.state)?;
        process(&mut page, &self.state)?;
        if let Some(server) = self.state.server() {
            requests(&mut page, server)?;
            connections(&mut page, server)?;
            cache(&mut page, server)?;
            signing::write(&mut page, server)?;
            workers(&mut page, server)?;
        }
        issuers::write(&mut page, &self.state)
    }
}

fn program(page: &mut Page<'_>, state: &AdminState) -> fmt::Result {
    page.gauge(
        "ocspry_build_info",
        "The version of the program, as a label",
        [([("version", state.version)], 1)],
    )?;
    page.gauge(
        "ocspry_time_seconds",
        "What this machine's clock says, in seconds since 1970",
        [([], state.now().unix_seconds())],
    )?;
    page.counter(
        "ocspry_clock_steps",
        "Times the clock was set by more than 5 seconds",
        [([], state.counts().clock_steps())],
    )?;
    page.counter(
        "ocspry_reloads",
        "Times configuration, certificates, keys and lists were read again because somebody asked, or a file changed",
        ReloadResult::ALL.map(|result| {
            let labels = [("result", result.label())];
            (labels, state.counts().reloads(result))
        }),
    )?;
    let last_reload = state.last_reload();
    let is_refused = last_reload.is_some_and(|reload| reload.result == ReloadResult::Refused);
    page.gauge(
        "ocspry_config_last_reload_successful",
        "1 while the configuration in use is the last one that was read, 0 while that one is refused",
        [([], i64::from(!is_refused))],
    )?;
    let counts = state.counts();
    page.counter(
        "ocspry_log_lines_unwritten",
        "Log lines that the log file did not take",
        [([], counts.log_lines_unwritten.load(Ordering::Relaxed))],
    )?;
    page.counter(
        "ocspry_request_log_lines_unwritten",
        "Records of requests that the request log did not take",
        [([], counts.request_lines_unwritten.load(Ordering::Relaxed))],
    )?;
    page.counter(
        "ocspry_audit_lines_unwritten",
        "Lines that the audit file did not take",
        [([], counts.audit_lines_unwritten.load(Ordering::Relaxed))],
    )
}

/// Named as by every other program.
fn process(page: &mut Page<'_>, state: &AdminState) -> fmt::Result {
    page.gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970",
        [([], state.started_at.unix_seconds())],
    )?;
    let usage = state.usage();
    let of = |value: Option<u64>| value.map(|value| ([], number(value)));
    page.seconds(
        "process_cpu_seconds",
        "Time that processors worked for the process",
        usage.cpu.map(|cpu| ([], cpu)),
    )?;
    page.gauge(
        "process_resident_memory_bytes",
        "Memory of the process that is in use",
        of(usage.resident_bytes),
    )?;
    page.gauge(
        "process_open_fds",
        "File descriptors that are open, connections included",
        of(usage.descriptors),
    )?;
    page.gauge(
        "process_max_fds",
        "File descriptors that may be open",
        of(usage.descriptors_max),
    )
}

fn workers(page: &mut Page<'_>, server: &ServerMeter) -> fmt::Result {
    let turns = server.turns().into_iter().enumerate();
    let turns: Vec<(String, u64)> = turns
        .map(|(worker, turns)| (worker.to_string(), turns))
        .collect();
    page.counter(
        "ocspry_worker_turns",
        "Turns of each worker's loop, four a second: one that stands still is stuck",
        turns
            .iter()
            .map(|(worker, turns)| ([("worker", worker.as_str())], *turns)),
    )
}

fn requests(page: &mut Page<'_>, server: &ServerMeter) -> fmt::Result {
    let pairs = MethodKind::ALL
        .into_iter()
        .flat_map(|method| RequestOutcome::all().map(move |outcome| (method, outcome)));
    page.counter(
        "ocspry_requests",
        "HTTP requests answered, each once",
        pairs.map(|(method, outcome)| {
            let labels = [("method", method.label()), ("outcome", outcome.label())];
            (labels, server.requests(method, outcome))
        }),
    )?;
    let algorithms = HashAlgorithm::ALL.into_iter().map(Some).chain([None]);
    page.counter(
        "ocspry_requests_by_hash_algorithm",
        "OCSP requests, by the hash algorithm of their first CertID",
        algorithms.map(|algorithm| {
            let count = server.answers(|counts| counts.hash_algorithm(algorithm));
            ([("hash_algorithm", hash_label(algorithm))], count)
        }),
    )?;
    page.counter(
        "ocspry_requests_by_nonce",
        "OCSP requests with and without a nonce",
        [
            (
                [("nonce", "present")],
                server.answers(|counts| counts.with_nonce.get()),
            ),
            (
                [("nonce", "absent")],
                server.answers(|counts| counts.without_nonce.get()),
            ),
        ],
    )?;
    page.histogram(
        "ocspry_answer_duration_seconds",
        "How long it took to find or to make an answer; one request in 64 is measured",
        server
            .durations()
            .all()
            .map(|(effort, durations)| ([("effort", effort)], durations)),
    )?;
    let counts = server.counts();
    page.counter(
        "ocspry_responses_not_modified",
        "Answers of 304: the client or cache had them already",
        [([], counts.not_modified_total)],
    )?;
    page.counter(
        "ocspry_response_body_bytes",
        "Octets of response bodies",
        [([], counts.response_body_bytes_total)],
    )
}

fn hash_label(algorithm: Option<HashAlgorithm>) -> &'static str {
    match algorithm {
        Some(HashAlgorithm::Sha1) => "sha1",
        Some(HashAlgorithm::Sha256) => "sha256",
        Some(HashAlgorithm::Sha384) => "sha384",
        Some(HashAlgorithm::Sha512) => "sha512",
        None => "unknown",
    }
}

fn connections(page: &mut Page<'_>, server: &ServerMeter) -> fmt::Result {
    let counts = server.counts();
    page.gauge(
        "ocspry_connections_open",
        "Connections open now",
        [([], number(counts.connections_open))],
    )?;
    page.gauge(
        "ocspry_connections_open_max",
        "Connections that may be open",
        [([], number(server.limits().connections_max as u64))],
    )?;
    page.counter(
        "ocspry_connections",
        "Connections accepted and served",
        [([], counts.connections_total)],
    )?;
    page.counter(
        "ocspry_connections_refused",
        "Connections closed at once because too many were open",
        [([], counts.connections_refused_total)],
    )?;
    page.counter(
        "ocspry_connections_expired",
        "Connections closed because a deadline passed",
        [([], counts.connections_expired_total)],
    )?;
    page.counter(
        "ocspry_connections_crowded_out",
        "Silent connections closed early because nearly as many were open as may be",
        [([], counts.connections_crowded_out_total)],
    )?;
    page.counter(
        "ocspry_accept_errors",
        "Times a connection could not be accepted",
        [([], counts.accept_errors_total)],
    )?;
    page.counter(
        "ocspry_panics",
        "Connections dropped because of a defect in this program",
        [([], counts.panics_total)],
    )
}

fn cache(page: &mut Page<'_>, server: &ServerMeter) -> fmt::Result {
    const BY_REQUEST: [(&str, &str); 1] = [("level", "request")];
    const BY_CERT_ID: [(&str, &str); 1] = [("level", "cert-id")];
    let sum = |count: fn(&AnswerCounts) -> u64| server.answers(count);
    let shared = server.responder().cache_usage();
    page.gauge(
        "ocspry_response_cache_bytes",
        "Octets that the answer cache holds",
        [
            (BY_REQUEST, number(sum(|counts| counts.recent_bytes.get()))),
            (BY_CERT_ID, number(shared.bytes)),
        ],
    )?;
    page.gauge(
        "ocspry_response_cache_bytes_max",
        "Octets that the answer cache may hold",
        [
            (BY_REQUEST, number(sum(|_| RECENT_BYTES_MAX))),
            (BY_CERT_ID, number(shared.bytes_max)),
        ],
    )?;
    page.gauge(
        "ocspry_response_cache_entries",
        "Answers that the answer cache holds",
        [
            (
                BY_REQUEST,
                number(sum(|counts| counts.recent_entries.get())),
            ),
            (BY_CERT_ID, number(shared.entries)),
        ],
    )?;
    page.counter(
        "ocspry_response_cache_hits",
        "Answers that were there: by the same request, or by the same CertID",
        [
            (BY_REQUEST, sum(|counts| counts.hits_by_request.get())),
            (BY_CERT_ID, sum(|counts| counts.hits_by_cert_id.get())),
        ],
    )?;
    page.counter(
        "ocspry_response_cache_misses",
        "Answers that could have been there and had to be made, or made anew",
        [([], sum(|counts| counts.misses.get()))],
    )
}
