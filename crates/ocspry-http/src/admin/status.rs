//! `/status`: the state of the program as JSON, for people with `curl` and for programs.  From: [`AdminState`].  To:
//! `pages`.  Times are RFC 3339, spans of time whole seconds; keys as in `ocspry config check --json` where both say the same.

use std::time::Duration;

use ocspry_core::{
    AbsentPolicy, ArchiveCutoff, CertIdHashes, CertificatesPolicy, CredentialKind,
    NeverIssuedPolicy, NoncePolicy, Policy, ResponderIdPolicy, SignatureHash, UnablePolicy,
    UnknownIssuerPolicy, word,
};
use ocspry_wire::Time;
use ocspry_wire::x509::certificate::display_name;
use serde_json::{Value, json};

use super::{AdminState, IssuerReport, ListReport, NamedDeltaReport, Problem, SourceReport};

/// The page.
pub(super) fn text(state: &AdminState) -> String {
    let now = state.now();
    let readiness = state.readiness();
    let issuers = state.issuers();
    let status = json!({
        "version": state.version,
        "now": now.to_string(),
        "started_at": state.started_at.to_string(),
        "uptime_seconds": state.uptime().as_secs(),
        "ready": readiness.is_ok(),
        "not_ready_because": readiness.err().map(|why| why.to_string()),
        "issuers": issuers
            .iter()
            .map(|report| issuer(state, report, now))
            .collect::<Vec<_>>(),
    });
    format!("{status:#}\n")
}

fn issuer(state: &AdminState, report: &IssuerReport, now: Time) -> Value {
    let issuer = &report.issuer;
    let can_answer = issuer.can_answer(now);
    json!({
        "name": issuer.name(),
        "subject": display_name(issuer.certificate().view().subject),
        // Of its table: grows with each that is swapped in.
        "generation": issuer.generation(),
        "can_answer": can_answer.is_ok(),
        "cannot_answer_because": can_answer.err().map(|refusal| refusal.to_string()),
        // Answers come from a list that is over; until when they may, if it comes to that.
        "stale": issuer.stale(now).is_some(),
        "stale_until": issuer.policy().stale_until.map(|until| until.to_string()),
        "source": source(state, report, now),
        "sources": report.sources.iter().map(source_report).collect::<Vec<_>>(),
        "lists": report.lists.iter().map(|list| list_report(list, now)).collect::<Vec<_>>(),
        // Why certificates that no list names get tryLater.
        "unproven": report.unproven,
        // Something waits for `ocspry crl accept`.
        "holding": report.is_holding,
        "state_error": report.state_problem.as_ref().map(problem),
        "signer": signer(report, now),
        "policy": policy(issuer.policy()),
    })
}

fn source(state: &AdminState, report: &IssuerReport, now: Time) -> Value {
    let list = report.issuer.table().map(|table| {
        let window = table.window();
        let source = table.source();
        json!({
            // Another path than the source's own: the last good copy.
            "read_from": source.origin,
            "number": source.crl_number.as_deref().map(|octets| state.crl_number(octets)),
            "entries": table.entry_count(),
            "this_update": window.this_update.to_string(),
            "next_update": window.next_update.to_string(),
            // By window-max, if that ends answers before the list does.
            "seconds_left": report.issuer.policy().source_end(window).seconds_since(now),
        })
    });
    json!({
        "path": report.source_path,
        "list": list,
        "last_error": report.source_problem.as_ref().map(problem),
    })
}

fn source_report(source: &SourceReport) -> Value {
    json!({
        "kind": source.kind,
        "name": source.name,
        "last_error": source.problem.as_ref().map(problem),
        // More than one in a directory only.
        "errors": source.problem_count,
        // Of URLs only.
        "last_fetch": source.last_fetch.map(|time| time.to_string()),
        // Of ledgers only: the last look that succeeded.
        "ledger": source.ledger.as_ref().map(|ledger| ledger.last_look().map(|look| json!({
            "sequence": look.sequence,
            "last_look": look.time.to_string(),
        }))),
        "deltas": source.deltas.iter().map(delta_report).collect::<Vec<_>>(),
    })
}

fn delta_report(delta: &NamedDeltaReport) -> Value {
    json!({
        "url": delta.url,
        "last_fetch": delta.last_fetch.map(|time| time.to_string()),
        "last_error": delta.problem.as_ref().map(problem),
    })
}

fn list_report(list: &ListReport, now: Time) -> Value {
    let defects: serde_json::Map<String, Value> = list
        .defects
        .iter()
        .map(|(defect, count)| ((*defect).to_owned(), json!(count)))
        .collect();
    json!({
        "place": list.place,
        "last_good_copy": list.is_last_good,
        "delta": list.is_delta,
        "scope": list.scope,
        "number": list.number,
        "entries": list.entry_count,
        "this_update": list.this_update.to_string(),
        "next_update": list.next_update.to_string(),
        "seconds_left": list.next_update.seconds_since(now),
        "defects": defects,
    })
}

fn signer(report: &IssuerReport, now: Time) -> Value {
    let in_use = report.issuer.credential().map(|credential| {
        json!({
            "kind": match credential.kind() {
                CredentialKind::Issuer => "issuer",
                CredentialKind::Delegated => "delegated",
            },
            "subject": display_name(credential.certificate().view().subject),
            "algorithm": credential.algorithm().name(),
            "not_after": credential.not_after().to_string(),
            "seconds_left": credential.not_after().seconds_since(now),
        })
    });
    json!({
        "in_use": in_use,
        "last_error": report.signer_problem.as_ref().map(problem),
    })
}

fn problem(problem: &Problem) -> Value {
    json!({ "message": problem.message, "since": problem.since.to_string() })
}

/// The choices, named and worded as in the configuration file.
fn policy(policy: &Policy) -> Value {
    let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs());
    let hashes: Vec<&str> = CertIdHashes::WORDS
        .iter()
        .filter(|(_, algorithm)| policy.cert_id_hashes.allows(*algorithm))
        .map(|(word, _)| *word)
        .collect();
    json!({
        "validity_seconds": seconds(policy.validity),
        "window_max_seconds": seconds(policy.window_max),
        "nonce": word(NoncePolicy::WORDS, policy.nonce),
        "unable": word(UnablePolicy::WORDS, policy.unable),
        "unknown_issuer": word(UnknownIssuerPolicy::WORDS, policy.unknown_issuer),
        "absent": word(AbsentPolicy::WORDS, policy.absent),
        "never_issued": word(NeverIssuedPolicy::WORDS, policy.never_issued),
        "responder_id": word(ResponderIdPolicy::WORDS, policy.responder_id),
        "embedded_certificates": word(CertificatesPolicy::WORDS, policy.certificates),
        "cert_ids_max": policy.cert_ids_max,
        "cert_id_hashes": hashes,
        "archive_cutoff": match policy.archive_cutoff {
            ArchiveCutoff::None => json!("none"),
            ArchiveCutoff::IssuerNotBefore => json!("issuer"),
            ArchiveCutoff::Retention(retention) => json!({ "seconds": retention.as_secs() }),
        },
        "signature_hash_min": word(SignatureHash::WORDS, policy.signature_hash_min),
    })
}
