//! What the admin listener is told of the issuers.  From: `control`, after each look.  To: `ocspry_http::AdminState`.
//!
//! The control thread alone knows what is wrong with files; it hands out copies, and nobody waits for it.

use std::sync::Arc;

use ocspry_http::{IssuerReport, ListReport, Problem, SourceReport};
use ocspry_source::UsedList;
use ocspry_wire::Time;

use crate::assemble::RunningIssuer;

/// What was wrong with an issuer's files at the last look.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    source: Option<Problem>,
    signer: Option<Problem>,
    state: Option<Problem>,
    /// One for each source.
    by_source: Vec<Option<Problem>>,
}

/// Takes note of what is wrong with each issuer's files now, and writes it down for the admin listener.
pub(crate) fn take(issuers: &mut [RunningIssuer], now: Time) -> Vec<IssuerReport> {
    let report = |running: &mut RunningIssuer| {
        let found = running.refresher.problems();
        let first = |of: &dyn Fn(Option<usize>) -> bool| {
            let mut found = found.iter();
            let first = found.find(|problem| of(problem.source));
            first.map(|problem| problem.error.to_string())
        };
        note(&mut running.problems.source, first(&|_| true), now);
        let state = first(&|source| source.is_none());
        note(&mut running.problems.state, state, now);
        let count = running.config.sources.len();
        running.problems.by_source.resize(count, None);
        for (index, problem) in running.problems.by_source.iter_mut().enumerate() {
            note(problem, first(&|source| source == Some(index)), now);
        }
        let sources = running
            .config
            .sources
            .iter()
            .zip(&running.problems.by_source);
        let sources = sources.enumerate().map(|(index, (source, problem))| {
            let is_its_own = |problem: &&ocspry_source::Problem| problem.source == Some(index);
            SourceReport {
                kind: source.kind(),
                name: source.name(),
                problem: problem.clone(),
                problem_count: found.iter().filter(is_its_own).count(),
            }
        });
        let sources = sources.collect();
        let signer = running.credentials.problem().map(ToOwned::to_owned);
        note(&mut running.problems.signer, signer, now);
        IssuerReport {
            issuer: Arc::clone(&running.issuer),
            source_path: running.config.source_names(),
            source_problem: running.problems.source.clone(),
            signer_problem: running.problems.signer.clone(),
            state_problem: running.problems.state.clone(),
            sources,
            lists: running.refresher.lists().map(list_report).collect(),
            unproven: running
                .refresher
                .unproven()
                .map(|unproven| unproven.to_string()),
            is_holding: running.refresher.is_holding(),
            vanished_count: running.refresher.vanished_count(),
        }
    };
    issuers.iter_mut().map(report).collect()
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
