//! What was wrong lately, and from when to when.  From: what the control thread publishes, and the issuers at the admin
//! thread's ticks.  To: `dashboard`.
//!
//! `/status` says what is wrong now; this remembers what was, within a bound, until the program ends.

use std::collections::VecDeque;

use ocspry_wire::Time;

use super::program::Reload;
use super::{IssuerReport, Problem};

/// Problems that are remembered; of more, those that are over go first, then the oldest.
const PROBLEMS_MAX: usize = 50;
/// Characters of a message that are remembered.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// The last problems, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct ProblemLog {
    entries: VecDeque<LoggedProblem>,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LoggedProblem {
    /// Whose; None: of the whole program.
    pub(crate) issuer: Option<String>,
    /// What it is about.
    pub(crate) about: About,
    pub(crate) message: String,
    pub(crate) since: Time,
    /// None: it goes on.
    pub(crate) until: Option<Time>,
}

/// What a problem is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    Answers,
    Source,
    Signer,
    State,
    Configuration,
}

impl About {
    pub(crate) fn label(self) -> &'static str {
        match self {
            About::Answers => "answers",
            About::Source => "source",
            About::Signer => "signer",
            About::State => "state directory",
            About::Configuration => "configuration",
        }
    }
}

impl ProblemLog {
    /// Takes down what is wrong at `now`: what is new begins, what is not there any more ends.
    pub(crate) fn note(&mut self, issuers: &[IssuerReport], reload: Option<&Reload>, now: Time) {
        let of_issuers = issuers.iter().flat_map(|report| problems_of(report, now));
        let open = reload.and_then(refused).into_iter().chain(of_issuers);
        self.note_open(open.collect(), now);
    }

    /// The newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &LoggedProblem> {
        self.entries.iter().rev()
    }

    fn note_open(&mut self, mut open: Vec<LoggedProblem>, now: Time) {
        for entry in &mut self.entries {
            if entry.until.is_none() && !open.iter().any(|problem| problem.is_same_as(entry)) {
                entry.until = Some(now);
            }
        }
        open.sort_by_key(|problem| problem.since);
        // Older ones are not taken up again, when newer ones have pushed them out.
        let newest = open.len().saturating_sub(PROBLEMS_MAX);
        for problem in open.drain(newest..) {
            let is_known =
                |entry: &LoggedProblem| entry.until.is_none() && entry.is_same_as(&problem);
            if !self.entries.iter().any(is_known) {
                self.entries.push_back(problem);
            }
        }
        while self.entries.len() > PROBLEMS_MAX {
            let over = self.entries.iter().position(|entry| entry.until.is_some());
            self.entries.remove(over.unwrap_or(0));
        }
    }
}

impl LoggedProblem {
    fn is_same_as(&self, other: &LoggedProblem) -> bool {
        (&self.issuer, self.about, &self.message) == (&other.issuer, other.about, &other.message)
    }
}

/// The configuration that is there is not the one in use.
fn refused(reload: &Reload) -> Option<LoggedProblem> {
    let because = reload.refused_because()?;
    Some(LoggedProblem {
        issuer: None,
        about: About::Configuration,
        message: shortened(&format!("refused, the one before goes on: {because}")),
        since: reload.time,
        until: None,
    })
}

fn shortened(message: &str) -> String {
    message.chars().take(MESSAGE_CHARACTERS_MAX).collect()
}

/// All that is wrong with one issuer.
fn problems_of(report: &IssuerReport, now: Time) -> Vec<LoggedProblem> {
    let logged = |about, message: &str, since| LoggedProblem {
        issuer: Some(report.issuer.name().to_owned()),
        about,
        message: shortened(message),
        since,
        until: None,
    };
    let mut problems = Vec::new();
    let mut push = |about, message: &str, since| {
        let problem: LoggedProblem = logged(about, message, since);
        if !problems
            .iter()
            .any(|other: &LoggedProblem| other.is_same_as(&problem))
        {
            problems.push(problem);
        }
    };
    if let Err(refusal) = report.issuer.can_answer(now) {
        push(About::Answers, &refusal.to_string(), now);
    }
    if let Some(unproven) = &report.unproven {
        push(About::Answers, unproven, now);
    }
    for hold in &report.holds {
        let message = format!("the guard holds something of {}: {}", hold.place, hold.what);
        push(About::Source, &message, now);
    }
    let of_sources = report.sources.iter().flat_map(|source| {
        let of_deltas = source
            .deltas
            .iter()
            .filter_map(|delta| delta.problem.as_ref());
        source.problem.iter().chain(of_deltas)
    });
    let found = [
        (About::State, &report.state_problem),
        (About::Signer, &report.signer_problem),
        (About::Source, &report.source_problem),
    ];
    let found = found
        .into_iter()
        .filter_map(|(about, problem)| Some((about, problem.as_ref()?)));
    let mut told: Vec<&Problem> = Vec::new();
    for (about, problem) in found.chain(of_sources.map(|problem| (About::Source, problem))) {
        // The first of an issuer's problems stands in several places.
        if !told.iter().any(|other| other.message == problem.message) {
            told.push(problem);
            push(about, &problem.message, problem.since);
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64) -> Time {
        Time::from_unix(seconds)
    }

    fn open(message: &str, since: i64) -> LoggedProblem {
        LoggedProblem {
            issuer: Some("root".to_owned()),
            about: About::Source,
            message: message.to_owned(),
            since: time(since),
            until: None,
        }
    }

    fn log_of(log: &ProblemLog) -> Vec<(&str, i64, Option<i64>)> {
        let seconds = |time: Time| time.unix_seconds();
        let entry = |entry: &'_ LoggedProblem| (seconds(entry.since), entry.until.map(seconds));
        log.newest_first()
            .map(|problem| {
                let (since, until) = entry(problem);
                (problem.message.as_str(), since, until)
            })
            .collect()
    }

    #[test]
    fn a_problem_has_a_beginning_and_an_end_and_may_come_again() {
        let mut log = ProblemLog::default();
        log.note_open(vec![open("bad", 1)], time(1));
        log.note_open(vec![open("bad", 1)], time(2));
        assert_eq!(log_of(&log), [("bad", 1, None)]);
        log.note_open(vec![open("worse", 3)], time(3));
        assert_eq!(log_of(&log), [("worse", 3, None), ("bad", 1, Some(3))]);
        log.note_open(vec![open("worse", 3), open("bad", 4)], time(4));
        assert_eq!(
            log_of(&log),
            [("bad", 4, None), ("worse", 3, None), ("bad", 1, Some(3))]
        );
    }

    #[test]
    fn fifty_are_kept_and_what_goes_on_is_kept_before_what_is_over() {
        let mut log = ProblemLog::default();
        log.note_open(vec![open("goes on", 0)], time(0));
        for number in 1..200 {
            let name = format!("problem {number}");
            log.note_open(vec![open("goes on", 0), open(&name, number)], time(number));
        }
        assert_eq!(log.entries.len(), PROBLEMS_MAX);
        let kept = log_of(&log);
        assert!(kept.contains(&("goes on", 0, None)), "{kept:?}");
        assert_eq!(kept[0], ("problem 199", 199, None));
    }

    #[test]
    fn of_more_than_fifty_that_go_on_the_newest_are_kept_and_none_comes_twice() {
        let all: Vec<String> = (0..80).map(|number| format!("problem {number}")).collect();
        let now_open = || {
            let numbered = all.iter().zip(0..);
            numbered.map(|(name, since)| open(name, since)).collect()
        };
        let mut log = ProblemLog::default();
        for second in 100..110 {
            log.note_open(now_open(), time(second));
        }
        let kept = log_of(&log);
        assert_eq!(kept.len(), PROBLEMS_MAX);
        assert_eq!(kept[0], ("problem 79", 79, None));
        assert_eq!(kept[49], ("problem 30", 30, None));
    }
}
