//! `/status`: the state of the program as JSON, for people with `curl` and for programs.  From: [`AdminState`].  To:
//! `pages`.  Times are RFC 3339, spans of time whole seconds; keys as in `ocspry config check --json` where both say the same.

use ocspry_core::{CredentialKind, NoncePolicy, Policy};
use ocspry_wire::Time;
use ocspry_wire::x509::certificate::display_name;
use serde_json::{Value, json};

use super::{AdminState, IssuerReport, Problem};

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
        "can_answer": can_answer.is_ok(),
        "cannot_answer_because": can_answer.err().map(|refusal| refusal.to_string()),
        "source": source(state, report, now),
        "signer": signer(report, now),
        "policy": policy(&issuer.policy()),
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
            "seconds_left": window.next_update.seconds_since(now),
        })
    });
    json!({
        "path": report.source_path,
        "list": list,
        "last_error": report.source_problem.as_ref().map(problem),
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
            "algorithm": credential.signer().algorithm().name(),
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

fn policy(policy: &Policy) -> Value {
    json!({
        "validity_seconds": policy.validity.map(|validity| validity.as_secs()),
        "nonce": match policy.nonce {
            NoncePolicy::Echo => "echo",
            NoncePolicy::Ignore => "ignore",
            NoncePolicy::Required => "required",
        },
    })
}
