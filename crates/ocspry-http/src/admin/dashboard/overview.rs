//! `/`: the verdict, the issuers with the worst first, the requests of the last hour, what was wrong lately, and what the
//! program itself says of its state.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::health::{self, Health, Rest};
use super::{Page, figures, requests};
use crate::admin::AdminState;
use crate::admin::problem_log::LoggedProblem;
use crate::admin::request_history::AnswerKind;
use crate::admin::snapshot::{IssuerSnapshot, Snapshot};

/// The page.
pub(super) fn page<'a>(snapshot: &'a Snapshot, state: &AdminState) -> Page<'a> {
    let mut issuers: Vec<(Health, &IssuerSnapshot)> = snapshot
        .issuers
        .iter()
        .map(|seen| (Health::of(seen), seen))
        .collect();
    issuers.sort_by_key(|(health, seen)| (*health, soonest_end(seen)));
    let verdict = verdict(snapshot, &issuers);
    Page {
        snapshot,
        path: "/",
        main: html! {
            div #verdict role="status" data-live { (verdict_block(&verdict, snapshot, &issuers)) }
            section aria-labelledby="issuers-title" {
                div.heading {
                    h2 #issuers-title { "Issuers" }
                    (super::explain::short_form())
                }
                div #issuers.scroll data-live role="group" aria-labelledby="issuers-title" tabindex="0" {
                    (issuer_table(&issuers))
                }
            }
            section aria-labelledby="requests-title" {
                h2 #requests-title { "Requests in the last hour" }
                div #requests.side-by-side data-live { (requests::picture_and_table(&snapshot.requests, &AnswerKind::ALL)) }
            }
            section aria-labelledby="problems-title" {
                h2 #problems-title { "Recent problems" }
                div #problems.scroll data-live role="group" aria-labelledby="problems-title" tabindex="0" {
                    (problem_table(&state.problems()))
                }
            }
            section aria-labelledby="program-title" {
                h2 #program-title { "The program" }
                div #program data-live { (program(snapshot)) }
            }
        },
        title: verdict,
    }
}

/// What an operator wants to know from across the room.
fn verdict(snapshot: &Snapshot, issuers: &[(Health, &IssuerSnapshot)]) -> String {
    let all = issuers.len();
    let unable = issuers
        .iter()
        .filter(|(health, _)| *health == Health::CannotAnswer);
    match (unable.count(), all) {
        (_, 0) => match &snapshot.readiness {
            Ok(()) => "No issuers".to_owned(),
            Err(why) => format!("Not ready: {why}"),
        },
        (0, 1) => "The issuer answers".to_owned(),
        (0, all) => format!("All {all} issuers answer"),
        (1, 1) => "The issuer cannot answer".to_owned(),
        (unable, all) if unable == all => format!("None of {all} issuers can answer"),
        (unable, all) => format!("{unable} of {all} issuers cannot answer"),
    }
}

fn verdict_block(
    verdict: &str,
    snapshot: &Snapshot,
    issuers: &[(Health, &IssuerSnapshot)],
) -> Markup {
    let worst = issuers.first().map(|(health, _)| *health);
    let refused = snapshot.last_reload.as_deref();
    let refused = refused.and_then(|reload| Some((reload.time, reload.refused_because()?)));
    let level = match worst {
        Some(Health::Fine) if refused.is_none() => "fine",
        Some(Health::Fine) => "warn",
        Some(Health::EndsSoon | Health::Problem | Health::Unproven) => "warn",
        Some(Health::Stale | Health::CannotAnswer) | None => "bad",
    };
    let worth = |health: Health| issuers.iter().filter(|(other, _)| *other == health).count();
    let others = [
        Health::CannotAnswer,
        Health::Stale,
        Health::Unproven,
        Health::Problem,
        Health::EndsSoon,
    ]
    .map(|health| (health, worth(health)));
    html! {
        h1 class=(level) { (verdict) }
        @if let (Err(why), false) = (&snapshot.readiness, issuers.is_empty()) {
            p { "Not ready: " (why) }
        }
        @if let Some((time, because)) = refused {
            p.wrong {
                "✕ The configuration was refused on " (figures::moment(time)) ", the one before goes on: " (because)
            }
        }
        @if others.iter().any(|(_, count)| *count > 0) {
            ul.tallies {
                @for (health, count) in others.iter().filter(|(_, count)| *count > 0) {
                    li { (figures::length(*count)) " × " (health.badge()) }
                }
            }
        }
    }
}

/// Of list and signer, what ends first; those without either come first.
fn soonest_end(seen: &IssuerSnapshot) -> i64 {
    let list = seen.list().map_or(i64::MIN, |list| list.seconds_left);
    let signer = seen.signer().map_or(i64::MIN, |signer| signer.seconds_left);
    list.min(signer)
}

fn issuer_table(issuers: &[(Health, &IssuerSnapshot)]) -> Markup {
    html! {
        table.issuers {
            thead {
                tr {
                    th scope="col" { "Issuer" }
                    th scope="col" { "State" }
                    th scope="col" { "Answers come from" }
                    th scope="col" { "Signer" }
                    th scope="col" { "Last hour" }
                }
            }
            tbody {
                @for (health, seen) in issuers {
                    tr {
                        th scope="row" {
                            a #(format!("issuer-{}", seen.name())) href={ "/issuer/" (seen.name()) } { (seen.name()) }
                        }
                        td { (health.badge()) }
                        td { (list_cell(seen)) }
                        td { (signer_cell(seen)) }
                        td { (requests::cell(&seen.requests)) }
                    }
                    @let reasons = health::reasons(seen);
                    @if !reasons.is_empty() {
                        tr.why { td colspan="5" { ul { @for reason in reasons { li { (reason) } } } } }
                    }
                }
            }
        }
    }
}

/// The list in use, and how much of it is left.
pub(super) fn list_cell(seen: &IssuerSnapshot) -> Markup {
    let Some(list) = seen.list() else {
        return html! { span.missing { "no list yet" } };
    };
    html! {
        (Rest::of_list(&list).markup())
        span.small {
            @if let Some(number) = &list.number { "number " (number) ", " }
            (figures::length(list.entry_count)) " revoked"
            @if revokes_by_overlay(seen) { ", an overlay among them" }
        }
    }
}

fn revokes_by_overlay(seen: &IssuerSnapshot) -> bool {
    let sources = seen.report().sources.iter();
    let mut overlays = sources.filter_map(|source| source.overlay);
    overlays.any(|overlay| overlay.serial_count > 0 || overlay.all.is_some())
}

/// The signer in use, and how much of it is left.
pub(super) fn signer_cell(seen: &IssuerSnapshot) -> Markup {
    let Some(signer) = seen.signer() else {
        return html! { span.missing { "no signer" } };
    };
    html! {
        (Rest::of_signer(&signer).markup())
        span.small { (signer.kind) ", " (signer.algorithm) }
    }
}

fn problem_table(problems: &[LoggedProblem]) -> Markup {
    if problems.is_empty() {
        return html! { p.small { "Nothing was wrong since the start." } };
    }
    let mut problems: Vec<&LoggedProblem> = problems.iter().collect();
    // What goes on first; else as they came, the newest first.
    problems.sort_by_key(|problem| Reverse(problem.until.is_none()));
    html! {
        table {
            thead {
                tr {
                    th scope="col" { "Since" }
                    th scope="col" { "Until" }
                    th scope="col" { "Issuer" }
                    th scope="col" { "About" }
                    th scope="col" { "What" }
                }
            }
            tbody {
                @for problem in problems {
                    tr {
                        td.moment { (figures::moment(problem.since)) }
                        td.moment {
                            @match problem.until {
                                Some(until) => (figures::moment(until)),
                                None => strong { "goes on" },
                            }
                        }
                        td {
                            @match &problem.issuer {
                                Some(issuer) => a href={ "/issuer/" (issuer) } { (issuer) },
                                None => "all",
                            }
                        }
                        td { (problem.about.label()) }
                        td.message { (problem.message) }
                    }
                }
            }
        }
    }
}

/// What is about no issuer alone.
fn program(snapshot: &Snapshot) -> Markup {
    html! {
        dl {
            dt { "State directory" }
            dd {
                @match &snapshot.state_kept {
                    None => "not opened yet",
                    Some(kept) => {
                        @match &kept.directory {
                            Some(path) => (path),
                            None => span.wrong { "none: the last good lists are forgotten at a restart" },
                        }
                        @if let Some(problem) = &kept.problem { "; " (problem) }
                    }
                }
            }
            dt { "Last reload" }
            dd {
                @match snapshot.last_reload.as_deref() {
                    None => "none since the start",
                    Some(reload) => { (figures::moment(reload.time)) ": " (reload.result.label()) },
                }
            }
            dt { "Started" }
            dd { (figures::moment(snapshot.started_at)) }
        }
    }
}
