//! What the admin listener is told of the issuers.  From: `control`, after each look.  To: `ocspry_http::AdminState`.
//!
//! The control thread alone knows what is wrong with files; it hands out copies, and nobody waits for it.

use std::sync::Arc;

use ocspry_http::{IssuerReport, Problem};
use ocspry_wire::Time;

use crate::assemble::RunningIssuer;

/// What was wrong with an issuer's files at the last look.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    source: Option<Problem>,
    signer: Option<Problem>,
}

/// Takes note of what is wrong with each issuer's files now, and writes it down for the admin listener.
pub(crate) fn take(issuers: &mut [RunningIssuer], now: Time) -> Vec<IssuerReport> {
    let report = |running: &mut RunningIssuer| {
        let source = running.refresher.problems().into_iter().next();
        let source = source.map(|problem| problem.error.to_string());
        note(&mut running.problems.source, source, now);
        let signer = running.credentials.problem().map(ToOwned::to_owned);
        note(&mut running.problems.signer, signer, now);
        IssuerReport {
            issuer: Arc::clone(&running.issuer),
            source_path: running.config.source_names(),
            source_problem: running.problems.source.clone(),
            signer_problem: running.problems.signer.clone(),
        }
    };
    issuers.iter_mut().map(report).collect()
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
