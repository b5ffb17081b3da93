//! What the operator is told of a look, each thing once.
//!
//! From: `refresh`, when all is taken and put together.  To: the operator, as reports; what was told is remembered until it
//! is true no more.

use std::collections::{BTreeMap, BTreeSet};

use ocspry_wire::Time;

use super::Refresher;
use crate::SourceError;
use crate::beside::TakenBack;
use crate::compose::{Unproven, is_expired};
use crate::freshest::NamedDeltas;
use crate::guard::Vanished;
use crate::list::DeltaGap;
use crate::slot::{ListInUse, Slot};

/// Something that the operator is to know.
#[derive(Debug)]
pub struct Report {
    /// The file or URL that it is about; empty when it is about all of them.
    pub place: String,
    /// What.
    pub event: Event,
}

/// What a look led to.
#[derive(Debug)]
pub enum Event {
    /// A list went into use.
    ListInUse(Box<ListInUse>),
    /// A list is in use no more, since another one like it is not awaited.
    ScopeLeft {
        /// What it was about.
        scope: String,
        /// Why not.
        left_by: LeftBy,
        /// What it revoked, and no list in use does.
        vanished: Vanished,
    },
    /// A list of what was issued, or an overlay, went into use.
    FactsInUse(String),
    /// A list of what was issued, or an overlay, was written a moment ago, and takes something back: that counts later.
    Settling {
        /// When, if it stays as it is.
        until: Time,
    },
    /// An overlay revokes nothing any more.
    OverlayEmptied,
    /// A list of what was issued that went into use does not say what the one before it said.
    TakenBack(TakenBack),
    /// Nobody can tell: the one before it was not kept.
    NotCompared(SourceError),
    /// The list there is from the future; what is in use stays until then.
    Waiting {
        /// Its thisUpdate.
        until: Time,
    },
    /// What is there cannot be used; what is in use stays.
    Refused(SourceError),
    /// As that, of a delta that a list names: what is in use answers on without what it would add.
    NewsMissing(SourceError),
    /// The problem reported before is gone.
    Recovered,
    /// A complete list names other places of its deltas than before, or none any more.
    Named(NamedDeltas),
    /// A delta waits for its base.
    Gap(DeltaGap),
    /// The list in use, or what is held of it, could not be written to the state directory.
    NotKept(SourceError),
    /// It is there now.
    Kept,
    /// Certificates that no list names get `tryLater`.
    Unproven(Unproven),
    /// They are answered for again.
    Proven,
    /// What is in use has run out: the issuer answers `tryLater` until newer lists come.
    Expired {
        /// When it did.
        next_update: Time,
        /// What it is that ended first.
        ended: Ended,
    },
}

/// Who ended the use of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftBy {
    /// The place has a list of another scope.
    Place,
    /// The operator: no configured source has the place any more.
    Operator,
    /// The CA: the list has ended, and another key of the same name signed a newer one.
    Key,
}

/// What sets the end of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// A list, by its own word or by its age.
    List,
    /// A ledger, which was not read for the issuer's validity.
    Ledger,
}

/// Something that is wrong now.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The source in [`Sources::sources`](super::Sources::sources) that it is about.
    pub source: Option<usize>,
    /// The file, directory or URL.
    pub place: String,
    /// What is wrong.
    pub error: SourceError,
    /// It is about a delta that a list names: nothing is missing without it but news.
    pub is_of_named_delta: bool,
}

/// How it goes with one URL.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The source in [`Sources::sources`](super::Sources::sources) that names it, or whose list does.
    pub source: usize,
    /// Which.
    pub url: String,
    /// A list names it as the place of its deltas.
    pub is_of_named_delta: bool,
    /// When there was an answer that helps; None: not since the start.
    pub last_success: Option<Time>,
}

/// What was reported already, so that it is reported once.
#[derive(Clone, Default)]
pub(super) struct Told {
    /// By place, the sentences: a URL may be down, and what came from it before bad.
    pub(super) refused: BTreeMap<String, BTreeSet<String>>,
    pub(super) waiting: BTreeMap<String, Time>,
    pub(super) gaps: BTreeMap<String, DeltaGap>,
    /// By the place of the complete list.
    pub(super) named: BTreeMap<String, NamedDeltas>,
    pub(super) unproven: Option<Unproven>,
    pub(super) expired: bool,
}

impl Refresher {
    /// Reports what changed in what is wrong, what waits and what is over.
    pub(super) fn tell(&mut self, now: Time, reports: &mut Vec<Report>) {
        let mut refused: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for problem in self.problems() {
            let sentence = problem.error.to_string();
            let told = self.told.refused.get(&problem.place);
            if !told.is_some_and(|told| told.contains(&sentence)) {
                reports.push(Report {
                    place: problem.place.clone(),
                    event: if problem.is_of_named_delta {
                        Event::NewsMissing(problem.error)
                    } else {
                        Event::Refused(problem.error)
                    },
                });
            }
            refused.entry(problem.place).or_default().insert(sentence);
        }
        for place in self
            .told
            .refused
            .keys()
            .filter(|place| !refused.contains_key(*place))
        {
            let is_said = reports.iter().any(|report| {
                report.place == *place
                    && matches!(
                        report.event,
                        Event::ListInUse(_)
                            | Event::FactsInUse(_)
                            | Event::Settling { .. }
                            | Event::OverlayEmptied
                    )
            });
            if !is_said {
                reports.push(Report {
                    place: place.clone(),
                    event: Event::Recovered,
                });
            }
        }
        self.told.refused = refused;

        let waiting = self.slots.values().flat_map(Slot::waiting);
        let waiting: BTreeMap<String, Time> = waiting
            .map(|(until, place)| (place.to_owned(), until))
            .collect();
        for (place, until) in waiting
            .iter()
            .filter(|(place, until)| self.told.waiting.get(*place) != Some(until))
        {
            reports.push(Report {
                place: place.clone(),
                event: Event::Waiting { until: *until },
            });
        }
        self.told.waiting = waiting;

        let gaps = self.slots.values().flat_map(Slot::gaps);
        let gaps: BTreeMap<String, DeltaGap> = gaps
            .map(|(place, gap)| (place.to_owned(), gap.clone()))
            .collect();
        for (place, gap) in gaps
            .iter()
            .filter(|(place, gap)| self.told.gaps.get(*place) != Some(gap))
        {
            reports.push(Report {
                place: place.clone(),
                event: Event::Gap(gap.clone()),
            });
        }
        self.told.gaps = gaps;
        self.tell_named(reports);
        self.tell_state(now, reports);
    }

    /// What is true of the issuer as a whole.
    fn tell_state(&mut self, now: Time, reports: &mut Vec<Report>) {
        let mut say = |event| {
            reports.push(Report {
                place: String::new(),
                event,
            });
        };
        let unproven = self.unproven();
        match (unproven, self.told.unproven) {
            (Some(unproven), told) if told != Some(unproven) => say(Event::Unproven(unproven)),
            (None, Some(_)) => say(Event::Proven),
            (Some(_) | None, _) => {}
        }
        self.told.unproven = unproven;
        let Some(window) = self.joint.window() else {
            return;
        };
        let next_update = window.next_update;
        let expired = is_expired(next_update, now);
        if expired && !self.told.expired {
            let ended = self
                .lists()
                .find(|used| used.list.next_update() == next_update);
            reports.push(Report {
                place: ended.map_or_else(String::new, |used| used.place.to_owned()),
                event: Event::Expired {
                    next_update,
                    ended: self.joint.ends_first(),
                },
            });
        }
        self.told.expired = expired;
    }
}
