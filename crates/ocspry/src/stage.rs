//! How far an issuer's list and signer are through their time, each stage said once.  From: `control`, after each look.
//! To: the operator's log, before answers stop and when they do.
//!
//! Answers stop a margin before the end (design.md §3, rule 2), and while the clock is more than the tolerance behind the
//! beginning: the stages follow the same rule, so that the log is not later than the first `tryLater`.

use std::time::Duration;

use ocspry_core::{CLOCK_BEHIND_SECONDS_MAX, Stale, ValidityWindow};
use ocspry_source::Ended;
use ocspry_wire::Time;
use tracing::{error, info, warn};

use crate::assemble::RunningIssuer;
use crate::audit::AUDIT;
use crate::time_text::{utc, utc_and_distance};

/// How far something is through its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The clock says that it has not begun: it was set back, since nothing is put in use before its time.
    NotBegun { start: Time },
    /// More than a fifth of its time is left.
    Fresh,
    /// The last fifth.
    Ending { end: Time },
    /// So nearly over that nothing is promised any more.
    Closing { end: Time },
    /// Over.
    Over { end: Time },
}

/// Of one issuer, as last said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stages {
    list: Stage,
    signer: Stage,
    /// Answers come from an expired list: since which word, to be said again every hour.
    stale: Option<StaleWord>,
    /// The clock is far behind answers that were made then.
    behind: Option<Time>,
}

/// That answers come from an expired list, as last said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct StaleWord {
    until: Time,
    said: Time,
}

/// How often it is said again that answers come from an expired list.
const STALE_WORD_SECONDS: i64 = 3_600;

impl Stages {
    /// Nothing was said yet.
    pub(crate) const UNTOLD: Stages = Stages {
        list: Stage::Fresh,
        signer: Stage::Fresh,
        stale: None,
        behind: None,
    };
}

/// Says what is new: something is nearly over, or over, or the clock is behind it.
pub(crate) fn tell(running: &mut RunningIssuer, now: Time) {
    // What is not there was reported when it could not be loaded.
    let of = |span: Option<Span>| span.map_or(Stage::Fresh, |span| span.stage(now));
    let stages = Stages {
        list: of(list_span(running)),
        signer: of(signer_span(running)),
        stale: tell_stale(running, now),
        behind: tell_behind(running, now),
    };
    let issuer = running.config.name.as_str();
    // What it would say of the answers is not so while they are stale, and that has been said.
    if !(stages.stale.is_some() && matches!(stages.list, Stage::Closing { end: _ })) {
        let dated = match running.refresher.joint().ends_first() {
            Ended::List => Dated::List,
            Ended::Ledger => Dated::Ledger,
        };
        tell_one(issuer, dated, stages.list, running.told.list, now);
    }
    tell_one(
        issuer,
        Dated::Signer,
        stages.signer,
        running.told.signer,
        now,
    );
    running.told = stages;
}

/// When the next stage begins.
pub(crate) fn next(running: &RunningIssuer, now: Time) -> Option<Time> {
    let clock = running
        .issuer
        .time_passed()
        .plus_seconds(-CLOCK_BEHIND_SECONDS_MAX);
    let stale = running
        .told
        .stale
        .map(|word| word.until.min(word.said.plus_seconds(STALE_WORD_SECONDS)));
    [list_span(running), signer_span(running)]
        .into_iter()
        .flatten()
        .filter_map(|span| span.next_stage(now))
        .chain(stale.into_iter().chain([clock]).filter(|time| *time > now))
        .min()
}

/// What is to be said of answers from an expired list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StaleNews {
    /// Nothing that was not said within the hour.
    None,
    /// They are in use.
    InUse(Stale),
    /// A newer list is there, or the operator no longer wants them.
    Ended,
    /// Their time is over, and no newer list is there.
    Over { until: Time },
}

impl StaleWord {
    /// Break-glass is said when it begins, every hour while it is in use, and when it ends; a clock that was set back does
    /// not make the hour longer.
    fn next(
        told: Option<StaleWord>,
        stale: Option<Stale>,
        now: Time,
    ) -> (Option<StaleWord>, StaleNews) {
        let is_fresh = |word: &StaleWord, stale: Stale| {
            word.until == stale.until
                && (word.said..word.said.plus_seconds(STALE_WORD_SECONDS)).contains(&now)
        };
        match (told, stale) {
            (None, None) => (None, StaleNews::None),
            (Some(word), None) if now >= word.until => {
                (None, StaleNews::Over { until: word.until })
            }
            (Some(_), None) => (None, StaleNews::Ended),
            (Some(word), Some(stale)) if is_fresh(&word, stale) => (Some(word), StaleNews::None),
            (Some(_) | None, Some(stale)) => {
                let until = stale.until;
                (
                    Some(StaleWord { until, said: now }),
                    StaleNews::InUse(stale),
                )
            }
        }
    }
}

fn tell_stale(running: &RunningIssuer, now: Time) -> Option<StaleWord> {
    let issuer = running.config.name.as_str();
    let (word, news) = StaleWord::next(running.told.stale, running.issuer.stale(now), now);
    let told = match &news {
        StaleNews::None => None,
        StaleNews::InUse(stale) => Some(("stale-until-in-use", Some(stale.until))),
        StaleNews::Ended => Some(("stale-until-ended", None)),
        StaleNews::Over { until } => Some(("stale-until-over", Some(*until))),
    };
    if let Some((event, until)) = told {
        info!(target: AUDIT, event, issuer, until = until.map(display));
    }
    match news {
        StaleNews::None => {}
        StaleNews::InUse(stale) => error!(
            issuer,
            audit = "stale-until",
            since = %stale.since,
            until = %stale.until,
            "answers come from an expired CRL, which ended on {}, by stale-until until {}: what was revoked since is not in them; get a newer CRL",
            utc(stale.since),
            utc_and_distance(stale.until, now),
        ),
        StaleNews::Ended => info!(
            issuer,
            audit = "stale-until",
            "answers no longer come from an expired CRL"
        ),
        StaleNews::Over { until } => error!(
            issuer,
            audit = "stale-until",
            "stale-until ({}) has passed and no newer CRL is there; answers are tryLater until one comes",
            utc(until)
        ),
    }
    word
}

/// A clock far behind the last answers is said once, and when it is over.
fn tell_behind(running: &RunningIssuer, now: Time) -> Option<Time> {
    let issuer = running.config.name.as_str();
    let produced_at = running.issuer.time_passed();
    let is_behind = now < produced_at.plus_seconds(-CLOCK_BEHIND_SECONDS_MAX);
    match (is_behind, running.told.behind) {
        (true, None) => error!(
            issuer,
            "the clock is behind: answers were made as late as {}; answers are tryLater: set the clock, or, if it was wrong then, run `ocspry state reset {issuer}`",
            utc_and_distance(produced_at, now),
        ),
        (false, Some(_)) => info!(
            issuer,
            "the clock is no longer behind the answers that were made"
        ),
        (true, Some(_)) | (false, None) => {}
    }
    is_behind.then_some(produced_at)
}

/// What has a first and a last second.
#[derive(Clone, Copy, Debug)]
enum Dated {
    List,
    Ledger,
    Signer,
}

fn tell_one(issuer: &str, dated: Dated, stage: Stage, told: Stage, now: Time) {
    if stage == told {
        return;
    }
    if matches!(told, Stage::NotBegun { start: _ }) {
        info!(issuer, "the clock is no longer behind {}", dated.name());
    }
    match (dated, stage) {
        (Dated::List | Dated::Ledger | Dated::Signer, Stage::Fresh) => {}
        (Dated::List | Dated::Ledger | Dated::Signer, Stage::NotBegun { start }) => error!(
            issuer,
            "the clock is behind {}, which began on {}; answers are tryLater: set the clock",
            dated.name(),
            utc_and_distance(start, now),
        ),
        (Dated::List, Stage::Ending { end }) => warn!(
            issuer,
            "the CRL ends on {}, and no newer one is there",
            utc_and_distance(end, now)
        ),
        (Dated::Ledger, Stage::Ending { end }) => warn!(
            issuer,
            "what the ledger said ends on {}, and it was not read since",
            utc_and_distance(end, now)
        ),
        (Dated::Signer, Stage::Ending { end }) => warn!(
            issuer,
            "the signer's certificate ends on {}: renew it",
            utc_and_distance(end, now)
        ),
        (Dated::Ledger, Stage::Closing { end }) => error!(
            issuer,
            "what the ledger said ends on {}, too soon to promise anything; answers are tryLater until it can be read",
            utc_and_distance(end, now),
        ),
        (Dated::List | Dated::Signer, Stage::Closing { end }) => error!(
            issuer,
            "{} ends on {}, too soon to promise anything; answers are tryLater until a newer one comes",
            dated.name(),
            utc_and_distance(end, now),
        ),
        // The refresher reports that one itself, to the second.
        (Dated::List | Dated::Ledger, Stage::Over { end: _ }) => {}
        (Dated::Signer, Stage::Over { end }) => error!(
            issuer,
            "the signer's certificate expired on {}; answers are tryLater until it is renewed",
            utc_and_distance(end, now),
        ),
    }
}

impl Dated {
    fn name(self) -> &'static str {
        match self {
            Dated::List => "the CRL in use",
            Dated::Ledger => "the last look at the ledger",
            Dated::Signer => "the signer's certificate",
        }
    }
}

/// The time of a list or a signer, and the part of it in which there are answers.
#[derive(Clone, Copy, Debug)]
struct Span {
    window: ValidityWindow,
    answers_from: Time,
    answers_until: Time,
}

fn list_span(running: &RunningIssuer) -> Option<Span> {
    let mut window = running.issuer.table()?.window();
    let validity = running.issuer.policy().validity;
    window.next_update = running.issuer.policy().source_end(window);
    Some(Span::new(window, window.this_update, validity))
}

fn signer_span(running: &RunningIssuer) -> Option<Span> {
    let credential = running.issuer.credential()?;
    let window = ValidityWindow {
        this_update: credential.not_before(),
        next_update: credential.not_after(),
    };
    // An answer begins with the list, wherever it ends.
    let list = running.issuer.table().map(|table| table.window());
    let begins = list.map_or(window.this_update, |list| list.this_update);
    let validity = running.issuer.policy().validity;
    Some(Span::new(window, begins, validity))
}

impl Span {
    /// `begins` is the thisUpdate of the answers.
    fn new(window: ValidityWindow, begins: Time, validity: Option<Duration>) -> Span {
        let answer = ValidityWindow {
            this_update: begins,
            next_update: window.next_update,
        };
        let validity_seconds = validity.map_or(i64::MAX, |validity| {
            i64::try_from(validity.as_secs()).unwrap_or(i64::MAX)
        });
        let margin = answer.margin_seconds().min(validity_seconds / 100);
        Span {
            window,
            answers_from: window.this_update.plus_seconds(-CLOCK_BEHIND_SECONDS_MAX),
            answers_until: window.next_update.plus_seconds(-margin),
        }
    }

    fn stage(self, now: Time) -> Stage {
        let end = self.window.next_update;
        if now < self.answers_from {
            Stage::NotBegun {
                start: self.window.this_update,
            }
        } else if now > end {
            Stage::Over { end }
        } else if now >= self.answers_until {
            Stage::Closing { end }
        } else if now >= self.window.last_fifth() {
            Stage::Ending { end }
        } else {
            Stage::Fresh
        }
    }

    fn next_stage(self, now: Time) -> Option<Time> {
        [
            self.answers_from,
            self.window.last_fifth(),
            self.answers_until,
            self.window.next_update.plus_seconds(1),
        ]
        .into_iter()
        .find(|time| *time > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Time = Time::from_unix(1_000_000);

    fn span(seconds: i64, validity: Option<Duration>) -> Span {
        let window = ValidityWindow {
            this_update: START,
            next_update: START.plus_seconds(seconds),
        };
        Span::new(window, START, validity)
    }

    #[test]
    fn a_window_is_fresh_then_ending_in_its_last_fifth_then_closing_with_the_last_answer_then_over()
    {
        let span = span(1000, None);
        let end = START.plus_seconds(1000);
        let at = |seconds| span.stage(START.plus_seconds(seconds));
        assert_eq!(at(0), Stage::Fresh);
        assert_eq!(at(799), Stage::Fresh);
        assert_eq!(at(800), Stage::Ending { end });
        assert_eq!(at(989), Stage::Ending { end });
        // 1 % of the window: core makes no answer from here on.
        assert_eq!(at(990), Stage::Closing { end });
        assert_eq!(at(1000), Stage::Closing { end });
        assert_eq!(at(1001), Stage::Over { end });
        let next = |seconds| span.next_stage(START.plus_seconds(seconds));
        assert_eq!(next(0), Some(START.plus_seconds(800)));
        assert_eq!(next(800), Some(START.plus_seconds(990)));
        assert_eq!(next(990), Some(START.plus_seconds(1001)));
        assert_eq!(next(1001), None);
    }

    #[test]
    fn the_margin_is_60_s_at_most_and_1_percent_of_a_short_validity() {
        assert_eq!(span(86_400, None).answers_until, START.plus_seconds(86_340));
        let short = span(86_400, Some(Duration::from_secs(600)));
        assert_eq!(short.answers_until, START.plus_seconds(86_394));
    }

    #[test]
    fn answers_from_an_expired_list_are_an_error_when_they_begin_and_every_hour_until_they_end() {
        let at = |seconds| START.plus_seconds(seconds);
        let until = at(10_000);
        let stale = Stale {
            since: START,
            until,
        };
        let in_use = StaleNews::InUse(stale);
        let mut word = None;
        let mut next = |stale, seconds| {
            let news;
            (word, news) = StaleWord::next(word, stale, at(seconds));
            news
        };
        assert_eq!(next(None, -1), StaleNews::None);
        assert_eq!(next(Some(stale), 0), in_use);
        assert_eq!(next(Some(stale), 3_599), StaleNews::None);
        assert_eq!(next(Some(stale), 3_600), in_use);
        assert_eq!(next(Some(stale), 7_199), StaleNews::None);
        assert_eq!(next(Some(stale), 60), in_use, "the clock was set back");
        assert_eq!(next(None, 61), StaleNews::Ended);
        assert_eq!(next(Some(stale), 62), in_use);
        assert_eq!(next(None, 10_000), StaleNews::Over { until });
        assert_eq!(next(None, 10_001), StaleNews::None);
    }

    #[test]
    fn a_clock_behind_the_beginning_is_a_stage_of_its_own_beyond_the_tolerance() {
        let span = span(86_400, None);
        assert_eq!(span.stage(START.plus_seconds(-300)), Stage::Fresh);
        let behind = START.plus_seconds(-301);
        assert_eq!(span.stage(behind), Stage::NotBegun { start: START });
        assert_eq!(span.next_stage(behind), Some(START.plus_seconds(-300)));
    }
}
