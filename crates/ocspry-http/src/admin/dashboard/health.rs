//! How bad things are with an issuer, worst first (design.md §7, staleness ladder).  From: a snapshot.  To: the order of the
//! overview, and the words and signs of every page.

use maud::{Markup, html};
use ocspry_core::ValidityWindow;
use ocspry_wire::Time;

use super::figures;
use crate::admin::snapshot::{IssuerSnapshot, ListSeen, SignerSeen};

/// The states of an issuer, the worst first; what is worse hides what is less so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Health {
    /// Every request gets `tryLater` or `unauthorized`.
    CannotAnswer,
    /// Answers come from a list that is over (`stale-until`).
    Stale,
    /// Certificates that no list names get `tryLater`.
    Unproven,
    /// Answers go on, and something new cannot be used or kept.
    Problem,
    /// Less than a fifth of the list's window, or of the signer's life, is left.
    EndsSoon,
    /// Nothing to do.
    Fine,
}

impl Health {
    /// Of an issuer.
    pub(super) fn of(seen: &IssuerSnapshot) -> Health {
        let report = seen.report();
        let has_problem = report.source_problem.is_some()
            || report.signer_problem.is_some()
            || report.state_problem.is_some()
            || !report.holds.is_empty();
        if seen.can_answer.is_err() {
            Health::CannotAnswer
        } else if seen.stale.is_some() {
            Health::Stale
        } else if report.unproven.is_some() {
            Health::Unproven
        } else if has_problem {
            Health::Problem
        } else if ends_soon(seen) {
            Health::EndsSoon
        } else {
            Health::Fine
        }
    }

    /// For people.
    pub(super) fn label(self) -> &'static str {
        match self {
            Health::CannotAnswer => "Cannot answer",
            Health::Stale => "Stale list",
            Health::Unproven => "Partly tryLater",
            Health::Problem => "Problem",
            Health::EndsSoon => "Ends soon",
            Health::Fine => "Fine",
        }
    }

    /// The word as a badge; its sign says the same as its colour.
    pub(super) fn badge(self) -> Markup {
        let (level, sign) = match self {
            Health::CannotAnswer | Health::Stale => ("bad", "✕"),
            Health::Unproven | Health::Problem | Health::EndsSoon => ("warn", "!"),
            Health::Fine => ("fine", "✓"),
        };
        html! {
            span class={ "badge " (level) } {
                span.sign aria-hidden="true" { (sign) }
                (self.label())
            }
        }
    }
}

/// Why an issuer is not fine, one sentence for each thing.
pub(super) fn reasons(seen: &IssuerSnapshot) -> Vec<Markup> {
    let report = seen.report();
    let mut reasons = Vec::new();
    if let Err(refusal) = &seen.can_answer {
        reasons.push(html! { (refusal) });
    }
    if let Some(stale) = seen.stale {
        reasons.push(html! {
            "the list ended " (figures::point(stale.since, seen.now)) ", and answers go on from it by stale-until until "
            (figures::moment(stale.until))
        });
    }
    if let Some(unproven) = &report.unproven {
        reasons.push(html! { "certificates that no list names get tryLater: " (unproven) });
    }
    let problems = [
        &report.source_problem,
        &report.signer_problem,
        &report.state_problem,
    ];
    let mut told: Vec<&str> = Vec::new();
    for problem in problems.into_iter().flatten() {
        // What is wrong with the state directory may be the first of all problems, too.
        if !told.contains(&problem.message.as_str()) {
            told.push(&problem.message);
            reasons.push(html! { (problem.message) ", since " (figures::moment(problem.since)) });
        }
    }
    for hold in &report.holds {
        reasons.push(html! {
            "the guard holds something until " code { "ocspry crl accept " (seen.name()) } ": of " (hold.place) ", " (hold.what)
        });
    }
    reasons
}

fn ends_soon(seen: &IssuerSnapshot) -> bool {
    let list = seen.list().map(|list| Rest::of_list(&list));
    let signer = seen.signer().map(|signer| Rest::of_signer(&signer));
    list.into_iter().chain(signer).any(|rest| rest.is_soon)
}

/// What is left of the life of something.
pub(super) struct Rest {
    seconds_left: i64,
    life: i64,
    is_soon: bool,
}

impl Rest {
    /// Of a window.
    pub(super) fn of(window: ValidityWindow, now: Time) -> Rest {
        Rest {
            seconds_left: window.next_update.seconds_since(now),
            life: life_of(window),
            is_soon: now >= window.last_fifth(),
        }
    }

    /// Of the list in use.
    pub(super) fn of_list(list: &ListSeen<'_>) -> Rest {
        Rest {
            seconds_left: list.seconds_left,
            life: life_of(list.window),
            is_soon: list.is_ending,
        }
    }

    /// Of the signer in use.
    pub(super) fn of_signer(signer: &SignerSeen) -> Rest {
        Rest {
            seconds_left: signer.seconds_left,
            life: signer.not_after.seconds_since(signer.not_before),
            is_soon: signer.is_ending && signer.seconds_left < SIGNER_SECONDS_SOON,
        }
    }

    /// As a bar and in words.
    pub(super) fn markup(&self) -> Markup {
        figures::left(self.seconds_left, self.life, self.is_soon)
    }
}

fn life_of(window: ValidityWindow) -> i64 {
    window.next_update.seconds_since(window.this_update)
}

/// A year's certificate is no worry ten weeks before its end.
const SIGNER_SECONDS_SOON: i64 = 14 * 86_400;
