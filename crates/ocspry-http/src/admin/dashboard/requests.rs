//! Requests by what became of them: as a picture with a table beside it, and in a cell of the overview.

use maud::{Markup, html};

use super::chart;
use super::figures;
use crate::admin::request_history::{AnswerKind, Requests};

/// Picture and table; `kinds` from the lowest part of a bar to the highest.
pub(super) fn picture_and_table(requests: &Requests, kinds: &[AnswerKind]) -> Markup {
    let columns = [
        requests.last_minute(),
        requests.last_hour(),
        requests.since_start,
    ];
    html! {
        (chart::of_minutes(&requests.minutes))
        table.numbers {
            thead {
                tr {
                    th scope="col" { "Answer" }
                    th scope="col" { "Last minute" }
                    th scope="col" { "Last hour" }
                    th scope="col" { "Since the start" }
                }
            }
            tbody {
                // As in the bars, from top to bottom.
                @for kind in kinds.iter().rev() {
                    tr {
                        th scope="row" { (swatch(*kind)) (kind.label()) }
                        @for counts in &columns { td { (figures::count(counts[*kind as usize])) } }
                    }
                }
                tr.sum {
                    th scope="row" { "all" }
                    @for counts in &columns { td { (figures::count(counts.iter().sum())) } }
                }
            }
        }
    }
}

/// The last hour of an issuer: bars, and in words what came.
pub(super) fn cell(requests: &Requests) -> Markup {
    let hour = requests.last_hour();
    let all: u64 = hour.iter().sum();
    html! {
        (chart::small(&requests.minutes))
        @if all == 0 { span.small { "no requests" } }
        @else {
            span.parts {
                @for kind in AnswerKind::OF_ISSUER {
                    @let count = hour[kind as usize];
                    @if count > 0 { span { (swatch(kind)) (figures::count(count)) " " (kind.label()) } " " }
                }
            }
        }
    }
}

fn swatch(kind: AnswerKind) -> Markup {
    html! { span class={ "swatch " (kind.class()) } aria-hidden="true" {} }
}
