//! `/status`: the state of the program as JSON, for people with `curl` and for programs.  From: [`Snapshot`].  To:
//! `pages`.  Times are RFC 3339, spans of time whole seconds; keys as in `ocspry config check --json` where both say the same.

use std::time::Duration;

use ocspry_core::{
    AbsentPolicy, ArchiveCutoff, CertIdHashes, CertificatesPolicy, NeverIssuedPolicy, NoncePolicy,
    Policy, ResponderIdPolicy, SignatureHash, UnablePolicy, UnknownIssuerPolicy, word,
};
use ocspry_wire::Time;
use ocspry_wire::x509::certificate::display_name;
use serde_json::{Value, json};

use super::program::Reload;
use super::request_history::{AnswerCounts, AnswerKind, Requests};
use super::snapshot::{IssuerSnapshot, Snapshot};
use super::{
    HoldReport, ListReport, NamedDeltaReport, OverlayReport, Problem, SourceReport, StateKept,
};

/// The page.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let status = json!({
        "version": snapshot.version,
        "now": snapshot.now.to_string(),
        "started_at": snapshot.started_at.to_string(),
        "uptime_seconds": snapshot.uptime.as_secs(),
        "ready": snapshot.readiness.is_ok(),
        "not_ready_because": snapshot.readiness.as_ref().err().map(ToString::to_string),
        // What survives a restart is kept there.
        "state_directory": snapshot.state_kept.as_ref().map(state_kept),
        "last_reload": snapshot.last_reload.as_deref().map(reload),
        "requests": requests(&snapshot.requests, &AnswerKind::ALL),
        "issuers": snapshot.issuers.iter().map(issuer).collect::<Vec<_>>(),
    });
    format!("{status:#}\n")
}

fn state_kept(kept: &StateKept) -> Value {
    json!({ "path": kept.directory, "problem": kept.problem })
}

fn reload(reload: &Reload) -> Value {
    json!({
        "time": reload.time.to_string(),
        "result": reload.result.label(),
        // Of one that was refused.
        "reasons": reload.reasons,
    })
}

/// By what became of them; the last minute is the last one that is over.
fn requests(requests: &Requests, kinds: &[AnswerKind]) -> Value {
    let by_kind = |counts: AnswerCounts| -> serde_json::Map<String, Value> {
        let kinds = kinds.iter();
        kinds
            .map(|kind| (kind.key().to_owned(), json!(counts[*kind as usize])))
            .collect()
    };
    json!({
        "last_minute": by_kind(requests.last_minute()),
        "last_hour": by_kind(requests.last_hour()),
        "since_start": by_kind(requests.since_start),
    })
}

fn issuer(seen: &IssuerSnapshot) -> Value {
    let report = seen.report();
    let issuer = &report.issuer;
    json!({
        "name": issuer.name(),
        "subject": display_name(issuer.certificate().view().subject),
        // Of its table: grows with each that is swapped in.
        "generation": seen.generation,
        "can_answer": seen.can_answer.is_ok(),
        "cannot_answer_because": seen.can_answer.as_ref().err().map(ToString::to_string),
        // Answers come from a list that is over; until when they may, if it comes to that.
        "stale": seen.stale.is_some(),
        "stale_until": issuer.policy().stale_until.map(|until| until.to_string()),
        "source": source(seen),
        "sources": report.sources.iter().map(source_report).collect::<Vec<_>>(),
        "lists": report.lists.iter().map(|list| list_report(list, seen.now)).collect::<Vec<_>>(),
        // Why certificates that no list names get tryLater.
        "unproven": report.unproven,
        // Something waits for `ocspry crl accept`.
        "holding": !report.holds.is_empty(),
        "holds": report.holds.iter().map(hold).collect::<Vec<_>>(),
        "state_error": report.state_problem.as_ref().map(problem),
        "signer": signer(seen),
        "requests": requests(&seen.requests, &AnswerKind::OF_ISSUER),
        "policy": policy(issuer.policy()),
    })
}

fn source(seen: &IssuerSnapshot) -> Value {
    let list = seen.list().map(|list| {
        json!({
            // Another path than the source's own: the last good copy.
            "read_from": list.read_from,
            "number": list.number,
            "entries": list.entry_count,
            "this_update": list.window.this_update.to_string(),
            "next_update": list.window.next_update.to_string(),
            // By window-max, if that ends answers before the list does.
            "seconds_left": list.seconds_left,
            // Less than a fifth of its time is left.
            "ending": list.is_ending,
        })
    });
    let report = seen.report();
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
        // Of overlays only: what the operator revokes at once.
        "overlay": source.overlay.as_ref().map(overlay),
        "deltas": source.deltas.iter().map(delta_report).collect::<Vec<_>>(),
    })
}

fn overlay(overlay: &OverlayReport) -> Value {
    json!({
        "serials": overlay.serial_count,
        "all": overlay.all.map(|info| json!({
            "revoked_at": info.revocation_time.to_string(),
            "reason": info.reason.map(|reason| reason.name()),
        })),
    })
}

fn hold(hold: &HoldReport) -> Value {
    json!({ "place": hold.place, "what": hold.what })
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

fn signer(seen: &IssuerSnapshot) -> Value {
    let in_use = seen.signer().map(|signer| {
        json!({
            "kind": signer.kind,
            "subject": signer.subject,
            "algorithm": signer.algorithm,
            "not_after": signer.not_after.to_string(),
            "seconds_left": signer.seconds_left,
            "ending": signer.is_ending,
        })
    });
    json!({
        "in_use": in_use,
        "last_error": seen.report().signer_problem.as_ref().map(problem),
    })
}

fn problem(problem: &Problem) -> Value {
    json!({ "message": problem.message, "since": problem.since.to_string() })
}

/// The choices, named and worded as in the configuration file.
pub(super) fn policy(policy: &Policy) -> Value {
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
