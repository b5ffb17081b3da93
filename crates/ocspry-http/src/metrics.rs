//! `/metrics`: every number there is, in the text format of Prometheus.  From: the workers' counts and the issuers, read
//! when asked.  To: `admin`.
//!
//! Nothing is registered and nothing is kept: each scrape sums the workers' own counts.  Labels are closed sets or the
//! issuers' configured names, never anything from a request.  docs/reference/metrics.md explains each; a test compares.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use ocspry_core::{AnswerCounts, RECENT_BYTES_MAX};
use ocspry_wire::ocsp::HashAlgorithm;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::admin::{AdminState, IssuerReport, LedgerLook};
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
        let mut page = Page { encoder };
        process(&mut page, &self.state)?;
        if let Some(server) = self.state.server() {
            requests(&mut page, server)?;
            connections(&mut page, server)?;
            cache(&mut page, server)?;
            signing(&mut page, server)?;
        }
        issuers(&mut page, &self.state)
    }
}

fn process(page: &mut Page<'_>, state: &AdminState) -> fmt::Result {
    page.gauge(
        "ocspry_build_info",
        "The version of the program, as a label",
        [([("version", state.version)], 1)],
    )?;
    page.gauge(
        "process_start_time_seconds",
        "When the process started, in seconds since 1970",
        [([], state.started_at.unix_seconds())],
    )?;
    page.counter(
        "ocspry_log_lines_unwritten",
        "Log lines that the log file did not take",
        [([], state.lines().log_unwritten.load(Ordering::Relaxed))],
    )?;
    page.counter(
        "ocspry_request_log_lines_unwritten",
        "Records of requests that the request log did not take",
        [([], state.lines().requests_unwritten.load(Ordering::Relaxed))],
    )?;
    page.counter(
        "ocspry_audit_lines_unwritten",
        "Lines that the audit file did not take",
        [([], state.lines().audit_unwritten.load(Ordering::Relaxed))],
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

fn signing(page: &mut Page<'_>, server: &ServerMeter) -> fmt::Result {
    let queued = server.responder().signing_counts();
    let signed = server.answers(|counts| counts.signed.get());
    let failed = server.answers(|counts| counts.signing_failed.get());
    page.counter(
        "ocspry_signatures",
        "Signatures made, failed, or refused because too many waited",
        [
            ([("result", "signed")], signed + queued.signed),
            ([("result", "failed")], failed + queued.failed),
            ([("result", "refused")], queued.refused),
        ],
    )?;
    page.gauge(
        "ocspry_signing_queue_length",
        "Signatures of slow keys that wait",
        [([], number(queued.waiting))],
    )?;
    page.gauge(
        "ocspry_signing_queue_length_max",
        "Signatures of slow keys that may wait",
        [([], number(queued.waiting_max))],
    )
}

fn issuers(page: &mut Page<'_>, state: &AdminState) -> fmt::Result {
    let now = state.now();
    let issuers = state.issuers();
    let mut each = |name: &str, help: &str, value: &dyn Fn(&IssuerReport) -> Option<i64>| {
        let rows = issuers.iter().filter_map(|report| {
            let labels = [("issuer", report.issuer.name())];
            value(report).map(|value| (labels, value))
        });
        page.gauge(name, help, rows)
    };
    each(
        "ocspry_issuer_can_answer",
        "1 if a request about this issuer would get a signed answer now, else 0",
        &|report| Some(i64::from(report.issuer.can_answer(now).is_ok())),
    )?;
    each(
        "ocspry_source_seconds_until_stale",
        "Seconds until answers from the list in use end, by its nextUpdate or by window-max; negative once they have",
        &|report| {
            let window = report.issuer.table()?.window();
            let end = report.issuer.policy().source_end(window);
            Some(end.seconds_since(now))
        },
    )?;
    each(
        "ocspry_source_stale",
        "1 while answers come from a list that is over, because of stale-until, else 0",
        &|report| Some(i64::from(report.issuer.stale(now).is_some())),
    )?;
    each(
        "ocspry_source_this_update_timestamp_seconds",
        "The thisUpdate of the list in use, in seconds since 1970",
        &|report| {
            let table = report.issuer.table()?;
            Some(table.window().this_update.unix_seconds())
        },
    )?;
    each(
        "ocspry_source_entries",
        "Entries of the list in use",
        &|report| Some(number(report.issuer.table()?.entry_count() as u64)),
    )?;
    each(
        "ocspry_source_failing",
        "1 while the newest list cannot be used or kept (/status says why), else 0",
        &|report| Some(i64::from(report.source_problem.is_some())),
    )?;
    each(
        "ocspry_signer_seconds_until_expiry",
        "Seconds until the notAfter of the signer's certificate; negative once it is over",
        &|report| {
            let credential = report.issuer.credential()?;
            Some(credential.not_after().seconds_since(now))
        },
    )?;
    each(
        "ocspry_signer_failing",
        "1 while the newest certificate and key cannot be used (/status says why), else 0",
        &|report| Some(i64::from(report.signer_problem.is_some())),
    )?;
    each(
        "ocspry_absence_unproven",
        "1 while certificates that no list names get tryLater (/status says why), else 0",
        &|report| Some(i64::from(report.unproven.is_some())),
    )?;
    each(
        "ocspry_crl_held",
        "1 while the guard holds something until ocspry crl accept, else 0",
        &|report| Some(i64::from(report.is_holding)),
    )?;
    page.gauge(
        "ocspry_crl_fetch_last_success_timestamp_seconds",
        "When the URL last had a CRL, or said that it is still the same, in seconds since 1970",
        issuers.iter().flat_map(|report| {
            report.sources.iter().filter_map(|source| {
                let labels = [
                    ("issuer", report.issuer.name()),
                    ("source", source.name.as_str()),
                ];
                Some((labels, source.last_fetch?.unix_seconds()))
            })
        }),
    )?;
    let mut of_ledger = |name: &str, help: &str, value: &dyn Fn(LedgerLook) -> i64| {
        let rows = issuers.iter().filter_map(|report| {
            let mut meters = report
                .sources
                .iter()
                .filter_map(|source| source.ledger.as_ref());
            let look = meters.next()?.last_look()?;
            Some(([("issuer", report.issuer.name())], value(look)))
        });
        page.gauge(name, help, rows)
    };
    of_ledger(
        "ocspry_ledger_sequence",
        "The last fact of the ledger that was seen",
        &|look| number(look.sequence),
    )?;
    of_ledger(
        "ocspry_ledger_last_look_timestamp_seconds",
        "When the ledger was read last, in seconds since 1970",
        &|look| look.time.unix_seconds(),
    )?;
    page.counter(
        "ocspry_crl_vanished_entries",
        "Entries that one complete CRL had and the next had not",
        issuers
            .iter()
            .map(|report| ([("issuer", report.issuer.name())], report.vanished_count)),
    )?;
    page.gauge(
        "ocspry_crl_defects",
        "What is tolerated in the CRLs in use, by name",
        issuers.iter().flat_map(|report| {
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for (defect, count) in report.lists.iter().flat_map(|list| &list.defects) {
                *counts.entry(defect).or_default() += count;
            }
            counts.into_iter().map(|(defect, count)| {
                let labels = [("issuer", report.issuer.name()), ("defect", defect)];
                (labels, number(count))
            })
        }),
    )
}

/// A gauge's value; no count here comes near the end of it.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The page in the making: one family after the other.
struct Page<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl Page<'_> {
    /// A counter; `_total` is added to its name.
    fn counter<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], u64)>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in rows {
            family
                .encode_family(&labels)?
                .encode_counter::<NoLabelSet, u64, f64>(&value, None)?;
        }
        Ok(())
    }

    fn gauge<'l, const LABELS: usize>(
        &mut self,
        name: &str,
        help: &str,
        rows: impl IntoIterator<Item = ([(&'l str, &'l str); LABELS], i64)>,
    ) -> fmt::Result {
        let mut family = self
            .encoder
            .encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in rows {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }
}
