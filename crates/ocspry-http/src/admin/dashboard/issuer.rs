//! `/issuer/NAME`: all that is known of one issuer: its state, lists, requests, sources, signer, endpoint and limits.

use maud::{Markup, html};
use ocspry_core::ValidityWindow;
use ocspry_wire::x509::certificate::display_name;
use serde_json::Value;

use super::health::{self, Health, Rest};
use super::{Page, explain, figures, requests};
use crate::admin::request_history::AnswerKind;
use crate::admin::snapshot::{IssuerSnapshot, Snapshot};
use crate::admin::{AdminState, ListReport, OverlayReport, Problem, SourceReport, status};

/// The page.
pub(super) fn page<'a>(
    snapshot: &'a Snapshot,
    seen: &'a IssuerSnapshot,
    state: &AdminState,
) -> Page<'a> {
    let health = Health::of(seen);
    let issuer = &seen.report().issuer;
    let reasons = health::reasons(seen);
    Page {
        snapshot,
        title: format!("{}: {}", seen.name(), health.label()),
        path: "",
        main: html! {
            div #verdict role="status" data-live {
                h1 { (seen.name()) " " (health.badge()) }
                p.subject { (display_name(issuer.certificate().view().subject)) }
                @if !reasons.is_empty() { ul.reasons { @for reason in &reasons { li { (reason) } } } }
            }
            div.side-by-side {
                section aria-labelledby="answers-title" {
                    h2 #answers-title { "Answers come from" }
                    div #answers data-live { (answers(seen)) }
                }
                section aria-labelledby="signer-title" {
                    h2 #signer-title { "Signer" }
                    div #signer data-live { (signer(seen)) }
                }
            }
            section aria-labelledby="requests-title" {
                h2 #requests-title { "Requests in the last hour" }
                div #requests.side-by-side data-live {
                    (requests::picture_and_table(&seen.requests, &AnswerKind::OF_ISSUER))
                }
            }
            section aria-labelledby="sources-title" {
                h2 #sources-title { "Sources" }
                div #sources.scroll data-live role="group" aria-labelledby="sources-title" tabindex="0" { (sources(seen)) }
            }
            section aria-labelledby="lists-title" {
                h2 #lists-title { "CRLs in use" }
                div #lists.scroll data-live role="group" aria-labelledby="lists-title" tabindex="0" { (lists(seen)) }
            }
            div.side-by-side {
                section aria-labelledby="endpoint-title" {
                    h2 #endpoint-title { "Endpoint" }
                    (endpoint(seen, state))
                }
                section aria-labelledby="limits-title" {
                    h2 #limits-title { "Limits and choices" }
                    div #limits data-live { (choices(&status::policy(issuer.policy()))) }
                }
            }
            section aria-labelledby="explain-title" {
                h2 #explain-title { "Explain a certificate" }
                (explain::form(snapshot, "", Some(seen.name()), None))
            }
        },
    }
}

fn answers(seen: &IssuerSnapshot) -> Markup {
    let report = seen.report();
    let Some(list) = seen.list() else {
        return html! { p.missing { "No usable list has been loaded yet." } };
    };
    html! {
        dl {
            dt { "Time left" } dd { (Rest::of_list(&list).markup()) }
            dt { "Entries" } dd { (figures::length(list.entry_count)) " revoked" }
            dt { "Number" } dd { (list.number.as_deref().unwrap_or("none")) }
            dt { "thisUpdate" } dd { (figures::moment(list.window.this_update)) }
            dt { "nextUpdate" } dd { (figures::moment(list.window.next_update)) }
            @if let Some(until) = report.issuer.policy().stale_until {
                dt { "stale-until" } dd { (figures::moment(until)) }
            }
            dt { "Read from" } dd { (list.read_from) }
            dt { "Generation" } dd { (figures::count(seen.generation)) }
            dt { "Entries that vanished" } dd { (figures::count(report.vanished_count)) " since the start" }
        }
    }
}

fn signer(seen: &IssuerSnapshot) -> Markup {
    let Some(signer) = seen.signer() else {
        return html! { p.missing { "There is no key with a certificate that may answer." } };
    };
    html! {
        dl {
            dt { "Time left" } dd { (Rest::of_signer(&signer).markup()) }
            dt { "Kind" } dd { (signer.kind) }
            dt { "Subject" } dd { (signer.subject) }
            dt { "Algorithm" } dd { (signer.algorithm) }
            dt { "notAfter" } dd { (figures::moment(signer.not_after)) }
        }
    }
}

fn sources(seen: &IssuerSnapshot) -> Markup {
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "Kind" }
                    th scope="col" { "Place" }
                    th scope="col" { "Last look" }
                    th scope="col" { "Last error" }
                }
            }
            tbody {
                @for source in &seen.report().sources {
                    tr {
                        td { (source.kind) }
                        th scope="row" { (source.name) }
                        td.moment { (last_look(source)) }
                        td.message { (last_error(source.problem.as_ref(), source.problem_count)) }
                    }
                    @for delta in &source.deltas {
                        tr {
                            td { "delta" }
                            th scope="row" { (delta.url) }
                            td.moment { @if let Some(time) = delta.last_fetch { (figures::moment(time)) } @else { "none yet" } }
                            td.message { (last_error(delta.problem.as_ref(), 1)) }
                        }
                    }
                }
            }
        }
    }
}

/// When news was last had from it; files are watched.
fn last_look(source: &SourceReport) -> Markup {
    let ledger = source.ledger.as_ref().map(|ledger| ledger.last_look());
    match (ledger, source.last_fetch, source.kind) {
        (Some(Some(look)), _, _) => html! {
            (figures::moment(look.time)) ", sequence " (figures::count(look.sequence))
        },
        (None, Some(time), _) => figures::moment(time),
        (Some(None), _, _) | (None, None, "crl-url") => html! { "none yet" },
        (None, None, _) => match source.overlay {
            Some(overlay) => html! { "watched; " (revoked_by(overlay)) },
            None => html! { "watched" },
        },
    }
}

fn revoked_by(overlay: OverlayReport) -> Markup {
    html! {
        (figures::length(overlay.serial_count)) " revoked"
        @if let Some(info) = overlay.all {
            ", and every certificate since " (figures::moment(info.revocation_time))
        }
    }
}

fn last_error(problem: Option<&Problem>, count: usize) -> Markup {
    html! {
        @match problem {
            None => "none",
            Some(problem) => {
                (problem.message) ", since " (figures::moment(problem.since))
                @if count > 1 { ", the first of " (figures::length(count)) }
            }
        }
    }
}

fn lists(seen: &IssuerSnapshot) -> Markup {
    let lists = &seen.report().lists;
    if lists.is_empty() {
        return html! { p.small { "None." } };
    }
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "Place" }
                    th.number scope="col" { "Number" }
                    th scope="col" { "thisUpdate" }
                    th scope="col" { "nextUpdate" }
                    th scope="col" { "Time left" }
                    th.number scope="col" { "Entries" }
                }
            }
            tbody { @for list in lists { (list_row(list, seen)) } }
        }
    }
}

fn list_row(list: &ListReport, seen: &IssuerSnapshot) -> Markup {
    let window = ValidityWindow {
        this_update: list.this_update,
        next_update: list.next_update,
    };
    html! {
        tr {
            th scope="row" {
                (list.place)
                span.small {
                    @if list.is_delta { "delta, " }
                    @if list.is_last_good { "the last good copy, " }
                    (list.scope)
                    @for (defect, count) in &list.defects { "; tolerated: " (defect) " (" (figures::count(*count)) ")" }
                }
            }
            td.number { (list.number.as_deref().unwrap_or("none")) }
            td.moment { (figures::moment(list.this_update)) }
            td.moment { (figures::moment(list.next_update)) }
            td { (Rest::of(window, seen.now).markup()) }
            td.number { (figures::length(list.entry_count)) }
        }
    }
}

fn endpoint(seen: &IssuerSnapshot, state: &AdminState) -> Markup {
    let urls = explain::endpoint_urls(state, seen.name());
    if urls.is_empty() {
        return html! { p { "The OCSP listener is not there yet." } };
    }
    html! { ul { @for url in urls { li { code { (url) } } } } }
}

/// As the configuration file names and words them.
fn choices(policy: &Value) -> Markup {
    let word = |value: &Value| match value {
        Value::Null => "not set".to_owned(),
        Value::String(word) => word.clone(),
        Value::Array(words) => {
            let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
            words.join(", ")
        }
        other => other.to_string(),
    };
    html! {
        dl {
            @for (key, value) in policy.as_object().into_iter().flatten() {
                dt { (key.replace('_', "-")) }
                dd { @if let Some(number) = value.as_u64() { (figures::count(number)) } @else { (word(value)) } }
            }
        }
    }
}
