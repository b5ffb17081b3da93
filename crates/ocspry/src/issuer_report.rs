//! What the admin listener is told of the issuers.  From: `control`, after each look.  To: `ocspry_http::AdminState`.
//!
//! The control thread alone knows what is wrong with files; it hands out copies, and nobody waits for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use ocspry_core::Overlay;
use ocspry_http::{
    HoldReport, IssuerReport, LedgerLook, LedgerMeter, ListReport, NamedDeltaReport, OverlayReport,
    Problem, SourceReport,
};
use ocspry_source::{Fetch, Hold, LedgerSeen, Problem as Found, Refresher, UsedList};
use ocspry_wire::Time;

use crate::assemble::RunningIssuer;

/// What was wrong with an issuer's files at the last look.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    source: Option<Problem>,
    /// When nothing was wrong with the sources.
    success: Option<Time>,
    signer: Option<Problem>,
    state: Option<Problem>,
    /// One for each source.
    by_source: Vec<Option<Problem>>,
    /// By the URL of a delta that a list names.
    by_delta: BTreeMap<String, Option<Problem>>,
}

/// Takes note of what is wrong with each issuer's files now, and writes it down for the admin listener.
pub(crate) fn take(issuers: &mut [RunningIssuer], now: Time) -> Vec<IssuerReport> {
    let report = |running: &mut RunningIssuer| {
        let found = running.refresher.problems();
        let first = |of: &dyn Fn(&Found) -> bool| {
            let first = found.iter().find(|problem| of(problem));
            first.map(|problem| problem.error.to_string())
        };
        note(&mut running.problems.source, first(&|_| true), now);
        if running.problems.source.is_none() {
            running.problems.success = Some(running.looked);
        }
        let state = first(&|problem| problem.source.is_none());
        note(&mut running.problems.state, state, now);
        let is_of = |index| {
            move |problem: &Found| problem.source == Some(index) && !problem.is_of_named_delta
        };
        let count = running.config.sources.len();
        running.problems.by_source.resize(count, None);
        for (index, problem) in running.problems.by_source.iter_mut().enumerate() {
            note(problem, first(&is_of(index)), now);
        }
        let fetches: Vec<Fetch> = running.refresher.fetches().collect();
        let by_delta = &mut running.problems.by_delta;
        by_delta.retain(|url, _| fetches.iter().any(|fetch| fetch.url == *url));
        for fetch in fetches.iter().filter(|fetch| fetch.is_of_named_delta) {
            let is_its = |problem: &Found| problem.place == fetch.url;
            let problem = by_delta.entry(fetch.url.clone()).or_default();
            note(problem, first(&is_its), now);
        }
        let overlays: BTreeMap<usize, Vec<Overlay>> = running.refresher.overlays().collect();
        let by_source = &running.problems.by_source;
        let sources = running.config.sources.iter().zip(by_source).enumerate();
        let sources = sources.map(|(index, (source, problem))| {
            let fetches = || fetches.iter().filter(move |fetch| fetch.source == index);
            let own = fetches().find(|fetch| !fetch.is_of_named_delta);
            let deltas = fetches().filter(|fetch| fetch.is_of_named_delta);
            SourceReport {
                kind: source.kind(),
                name: source.name(),
                problem: problem.clone(),
                problem_count: found.iter().filter(|problem| is_of(index)(problem)).count(),
                last_fetch: own.and_then(|fetch| fetch.last_success),
                deltas: deltas
                    .map(|fetch| NamedDeltaReport {
                        url: fetch.url.clone(),
                        last_fetch: fetch.last_success,
                        problem: running.problems.by_delta[&fetch.url].clone(),
                    })
                    .collect(),
                ledger: source.is_ledger().then(|| meter_of(&running.refresher)),
                overlay: overlays
                    .get(&index)
                    .map(|overlays| overlay_report(overlays)),
            }
        });
        let sources = sources.collect();
        let signer = running.credentials.problem();
        note(&mut running.problems.signer, signer, now);
        IssuerReport {
            issuer: Arc::clone(&running.issuer),
            source_path: running.config.source_names(),
            source_problem: running.problems.source.clone(),
            source_success: running.problems.success,
            signer_problem: running.problems.signer.clone(),
            state_problem: running.problems.state.clone(),
            sources,
            lists: running.refresher.lists().map(list_report).collect(),
            unproven: running
                .refresher
                .unproven()
                .map(|unproven| unproven.to_string()),
            holds: running.refresher.holds().map(hold_report).collect(),
            vanished_count: running.refresher.vanished_count(),
        }
    };
    issuers.iter_mut().map(report).collect()
}

fn meter_of(refresher: &Refresher) -> LedgerMeter {
    let joint = Arc::clone(refresher.joint());
    LedgerMeter::new(move || {
        let LedgerSeen { sequence, now } = joint.ledger_seen()?;
        Some(LedgerLook {
            sequence,
            time: now,
        })
    })
}

fn overlay_report(overlays: &[Overlay]) -> OverlayReport {
    let mut report = OverlayReport::default();
    for overlay in overlays {
        match overlay {
            Overlay::All(info) => report.all = Some(*info),
            Overlay::Serials(serials) => report.serial_count += serials.revoked_count(),
        }
    }
    report
}

fn hold_report(hold: Hold) -> HoldReport {
    HoldReport {
        place: hold.place,
        what: hold.what.to_string(),
    }
}

fn list_report(used: UsedList<'_>) -> ListReport {
    let facts = &used.list.facts;
    ListReport {
        place: used.place.to_owned(),
        is_last_good: used.is_last_good,
        is_delta: used.list.is_delta(),
        scope: used.list.scope.to_string(),
        number: facts.crl_number.as_ref().map(ToString::to_string),
        this_update: facts.window.this_update,
        next_update: facts.window.next_update,
        entry_count: facts.entry_count,
        defects: facts.defects.found().collect(),
        serials: Arc::downgrade(&used.list.serials),
    }
}

/// What goes on keeps the time at which it was seen first.
fn note(problem: &mut Option<Problem>, message: Option<String>, now: Time) {
    let goes_on = |problem: &Problem| message.as_ref() == Some(&problem.message);
    if problem.as_ref().is_some_and(goes_on) {
        return;
    }
    *problem = message.map(|message| Problem {
        message,
        since: now,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_time_while_it_goes_on_and_another_one_has_its_own() {
        let time = Time::from_unix;
        let seen = |message: &str, since| {
            let message = message.to_owned();
            Some(Problem {
                message,
                since: time(since),
            })
        };
        let mut problem = None;
        note(&mut problem, Some("bad".to_owned()), time(1));
        note(&mut problem, Some("bad".to_owned()), time(2));
        assert_eq!(problem, seen("bad", 1));
        note(&mut problem, Some("worse".to_owned()), time(3));
        assert_eq!(problem, seen("worse", 3));
        note(&mut problem, None, time(4));
        assert_eq!(problem, None);
    }
}
