//! START HERE: one look at everything that an issuer's status comes from.
//!
//! From: the control thread, at start, at every poll, file event, download and wake-up.  Through: `feed` (what is there
//! now?), `load` (is it a list of this issuer?), `slot` and `line` (is it better than what is in use?), `compose` (what do
//! all sources say together?).  To: `core::Issuer`, whose table is swapped whole; then the state directory, off the hot
//! path; then reports, each said once.  A source that is bad, or cannot be read, changes nothing (design.md §3, rules 6
//! and 11).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::{Issuer, OwnedCertificate};
use ocspry_wire::Time;

use crate::beside::{IssuedFeed, IssuedSource, OverlayFeed};
use crate::compose::{Beside, Listed, Unproven};
use crate::feed::{AskedBy, Feed, Found, ListSource, Looking};
use crate::fetch::Fetcher;
use crate::freshest::FreshestCrl;
use crate::guard::Guard;
use crate::joint::Joint;
use crate::line::Line;
use crate::load::{CrlSigners, Progress, SourceLimits};
use crate::pace::Pace;
use crate::slot::{Slot, UsedList};
use crate::{SourceError, StateDirectory};

pub use self::by_hand::{HeldBack, Hold};
use self::follow::{NamedByPlace, configured};
use self::scopes::Left;
use self::told::Told;
pub use self::told::{Ended, Event, Fetch, LeftBy, Problem, Report};

mod by_hand;
mod follow;
mod scopes;
mod taking;
mod told;

/// Where the status of one issuer's certificates comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sources {
    /// In the order of the configuration.
    pub sources: Vec<StatusSource>,
    /// Certificates whose keys may sign this issuer's lists, besides its own.
    pub crl_issuers: Vec<OwnedCertificate>,
    /// What is done with a list from which much has vanished, or that takes much back of what was issued.
    pub guard: Guard,
    /// Whether the deltas that lists name are fetched.
    pub freshest_crl: FreshestCrl,
    /// Bounds on what is read.
    pub limits: SourceLimits,
}

/// One source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatusSource {
    /// CRLs.
    Lists(ListSource),
    /// What was issued.
    Issued(IssuedSource),
    /// A file of serials that are revoked, whatever the rest says.
    Overlay(PathBuf),
    /// A CA of a ledger, by its name there: somebody else follows it, and hands what it says to [`Refresher::joint`].
    Ledger(String),
}

/// What downloads need: who does them, where they are put, and whom to call when one is there.
#[derive(Clone)]
pub struct Downloads {
    /// Does them.
    pub fetcher: Arc<Fetcher>,
    /// Where.
    pub directory: PathBuf,
    /// Calls the control thread.
    pub wake: Arc<dyn Fn() + Send + Sync>,
}

/// Is told how far the load of a file is.
pub type ShowLoad = dyn Fn(&Path, Progress) + Send;

/// Keeps one issuer's status table as new as its sources.
pub struct Refresher {
    issuer: Arc<Issuer>,
    signers: Arc<CrlSigners>,
    sources: Sources,
    state: Option<Arc<StateDirectory>>,
    downloads: Option<Downloads>,
    feeds: Vec<(usize, Feed)>,
    issued: Vec<(usize, IssuedFeed)>,
    overlays: Vec<(usize, OverlayFeed)>,
    /// By the key of their scope.
    slots: BTreeMap<String, Slot>,
    kept_scopes_are_known: bool,
    named: NamedByPlace,
    /// By the key of the scope.
    left: BTreeMap<String, Left>,
    keeps_when_told: bool,
    /// What is wrong with a slot, by the name of its file or folder.
    slot_problems: BTreeMap<String, SourceError>,
    /// Where it is put together with what a ledger says.
    joint: Arc<Joint>,
    /// The source that is a ledger.
    ledger: Option<(usize, String)>,
    vanished_count: u64,
    /// When it looked last.
    looked_at: Option<Time>,
    told: Told,
    show_load: Option<Box<ShowLoad>>,
}

impl Refresher {
    /// For one issuer; nothing is read yet.  Without `downloads`, URLs are not followed.
    pub fn new(
        issuer: Arc<Issuer>,
        sources: Sources,
        state: Option<Arc<StateDirectory>>,
        downloads: Option<&Downloads>,
    ) -> Refresher {
        let signers = CrlSigners::new(issuer.certificate().clone(), sources.crl_issuers.clone());
        let (mut feeds, mut issued, mut overlays) = (Vec::new(), Vec::new(), Vec::new());
        let mut ledger = None;
        for (index, source) in sources.sources.iter().enumerate() {
            match source {
                StatusSource::Lists(source) => {
                    let feed = Feed::new(source.clone(), AskedBy::Operator, downloads);
                    feeds.push((index, feed));
                }
                StatusSource::Issued(source) => {
                    let series = state
                        .as_ref()
                        .map(|state| state.issued(issuer.identity(), &source.path));
                    issued.push((index, IssuedFeed::new(source.clone(), series)));
                }
                StatusSource::Overlay(path) => {
                    overlays.push((index, OverlayFeed::new(path.clone())))
                }
                StatusSource::Ledger(name) => ledger = Some((index, name.clone())),
            }
        }
        Refresher {
            joint: Arc::new(Joint::new(Arc::clone(&issuer), ledger.is_some())),
            ledger,
            issuer,
            signers: Arc::new(signers),
            sources,
            state,
            downloads: downloads.cloned(),
            feeds,
            issued,
            overlays,
            slots: BTreeMap::new(),
            kept_scopes_are_known: false,
            named: NamedByPlace::new(),
            left: BTreeMap::new(),
            keeps_when_told: false,
            slot_problems: BTreeMap::new(),
            vanished_count: 0,
            looked_at: None,
            told: Told::default(),
            show_load: None,
        }
    }

    /// Takes over from the refresher of the same issuer in the configuration before, which stays as it is: the lists in
    /// use, what is known of lists used, and, of sources that are in both, what they held and what was reported.
    ///
    /// To be called before the first [`Refresher::refresh`]; another issuer's refresher gives nothing.
    pub fn carry_over(&mut self, old: &Refresher) {
        if self.issuer.identity() != old.issuer.identity() {
            return;
        }
        let (signers, old_signers) = (&self.sources.crl_issuers, &old.sources.crl_issuers);
        if !old_signers.iter().all(|signer| signers.contains(signer)) {
            // What one signed whom the operator does not name any more is of no use: all is read and verified again.
            return;
        }
        let is_any_signer_new = signers.len() > old_signers.len();
        let is_same_ledger = |(_, name): &(usize, String)| {
            let old = old.ledger.as_ref();
            old.is_some_and(|(_, old)| old == name)
        };
        let is_ledger_carried = self.ledger.as_ref().is_some_and(is_same_ledger);
        self.joint.carry_over(&old.joint, is_ledger_carried);
        let carried =
            |(key, slot): (&String, &Slot)| (key.clone(), slot.carried(self.keeps_when_told));
        self.slots = old.slots.iter().map(carried).collect();
        self.kept_scopes_are_known = old.kept_scopes_are_known;
        self.left.clone_from(&old.left);
        self.vanished_count = old.vanished_count;
        self.looked_at = old.looked_at;
        self.told.clone_from(&old.told);
        self.follow_named();
        for (_, feed) in &mut self.feeds {
            if let Some(old) = counterpart(&old.feeds, |old| old.source() == feed.source()) {
                feed.carry_over(old);
            }
        }
        for (_, feed) in &mut self.issued {
            // How far it is believed may be another question now.
            let is_same = |old: &IssuedFeed| old.source().path == feed.source().path;
            if let Some(old) = counterpart(&old.issued, is_same) {
                feed.carry_over(old);
            }
        }
        for (_, feed) in &mut self.overlays {
            if let Some(old) = counterpart(&old.overlays, |old| old.path() == feed.path()) {
                feed.carry_over(old);
            }
        }
        let feeds = &self.feeds;
        let is_configured = |place: &str| feeds.iter().any(|(_, feed)| feed.has_place(place));
        for slot in self.slots.values_mut() {
            slot.drop_waiting_if(&|place| !is_configured(place));
        }
        self.told.waiting.retain(|place, _| is_configured(place));
        if is_any_signer_new {
            // What was refused for its signature may be used now.
            self.forget_seen();
        }
    }

    /// From here on `show` is told how far each list is that somebody waits for, since nothing is in use yet; None: nobody.
    pub fn show_loads(&mut self, show: Option<Box<ShowLoad>>) {
        self.show_load = show;
    }

    /// From here on nothing is written to the state directory before [`Refresher::keep_now`]: whoever makes this
    /// refresher does not know yet whether it will stay.
    pub fn keep_when_told(&mut self) {
        self.keeps_when_told = true;
        for (_, feed) in &mut self.issued {
            feed.keep_when_told();
        }
    }

    /// Writes what came into use since [`Refresher::keep_when_told`], and from here on at once.
    pub fn keep_now(&mut self, now: Time) -> Vec<Report> {
        self.keeps_when_told = false;
        for line in self.slots.values_mut().flat_map(Slot::lines) {
            line.keep_now();
        }
        for (_, feed) in &mut self.issued {
            feed.keep_now();
        }
        let mut reports = Vec::new();
        self.keep(now, &mut reports);
        reports
    }

    /// Where what a ledger says is handed in.
    pub fn joint(&self) -> &Arc<Joint> {
        &self.joint
    }

    /// The issuer it feeds.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// The lists in use, complete ones each before its delta.
    pub fn lists(&self) -> impl Iterator<Item = UsedList<'_>> {
        let lists = self.slots.values().flat_map(Slot::lists);
        lists.map(|used| UsedList {
            // The server has nothing else.
            is_last_good: used.is_last_good && !self.is_unmodified_at(used.place),
            ..used
        })
    }

    fn is_unmodified_at(&self, place: &str) -> bool {
        let mut feeds = self.feeds.iter();
        feeds.any(|(_, feed)| feed.is_unmodified() && feed.has_place(place))
    }

    /// Why certificates that no list names get `tryLater`, if they do.
    pub fn unproven(&self) -> Option<Unproven> {
        self.joint.unproven()
    }

    /// A first download is under way, or nothing is downloaded here: what it brings is not known yet.
    pub fn is_pending(&self) -> bool {
        configured(&self.feeds).any(|(_, feed)| feed.is_pending())
    }

    /// When a list from the future begins, if one waits.
    pub fn waiting_until(&self) -> Option<Time> {
        self.told.waiting.values().min().copied()
    }

    /// Entries that one complete list had and the next had not, since the start.
    pub fn vanished_count(&self) -> u64 {
        self.vanished_count
    }

    /// What is wrong right now.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |source: usize, (place, error): (String, &SourceError)| {
            problems.push(Problem {
                source: Some(source),
                place,
                error: error.clone(),
                is_of_named_delta: false,
            });
        };
        let is_source_missing = self.unproven() == Some(Unproven::SourceMissing);
        let is_in_use = |key: &str| {
            self.slots
                .get(key)
                .is_some_and(|slot| slot.complete().is_some())
        };
        for (index, feed) in configured(&self.feeds) {
            feed.problems().for_each(|problem| add(*index, problem));
            if is_source_missing {
                let left_behind = feed.left_behind(&is_in_use);
                left_behind.for_each(|(place, error)| add(*index, (place, &error)));
            }
        }
        for (index, feed) in &self.issued {
            feed.problem()
                .into_iter()
                .for_each(|problem| add(*index, problem));
        }
        for (index, feed) in &self.overlays {
            feed.problem()
                .into_iter()
                .for_each(|problem| add(*index, problem));
        }
        if let Some((index, name)) = &self.ledger
            && let Some(error) = self.joint.ledger_problem()
        {
            add(*index, (name.clone(), &error));
        }
        problems.extend(self.slot_problems.iter().map(|(place, error)| Problem {
            source: None,
            place: place.clone(),
            error: error.clone(),
            is_of_named_delta: false,
        }));
        problems.extend(self.problems_of_named_deltas());
        problems
    }

    /// The operator accepts what the guard holds: it is used from here on.  Empty: nothing was held.
    pub fn accept_held(&mut self, now: Time) -> Vec<Report> {
        let lists = self.slots.values_mut().map(Slot::accept_held);
        let issued = self.issued.iter_mut().map(|(_, feed)| feed.accept_held());
        if !lists.chain(issued).fold(false, |any, held| any | held) {
            return Vec::new();
        }
        self.forget_seen();
        let reports = self.refresh(now);
        let lines = self.slots.values_mut().flat_map(Slot::lines);
        lines.for_each(Line::end_acceptance);
        reports
    }

    /// A list that was held for its number may be gone from its place.
    fn drop_held_that_is_gone(&mut self) {
        let problems = self.feeds.iter().flat_map(|(_, feed)| feed.problems());
        let held = problems.filter_map(|(place, error)| match error {
            SourceError::LowerNumber {
                held_until: Some(_),
                ..
            } => Some(place),
            _ => None,
        });
        let held: BTreeSet<String> = held.collect();
        for line in self.slots.values_mut().flat_map(Slot::lines) {
            line.drop_held_unless(|place| held.contains(place));
        }
    }

    /// Forgets which lists were used, so that older ones are taken again; whoever calls it has emptied the issuer's folder
    /// in the state directory.  What is in use stays until another list comes, but for a delta from the future, which waits.
    pub fn forget_used(&mut self, now: Time) {
        for slot in self.slots.values_mut() {
            slot.forget_used(now);
        }
        self.left.clear();
        for (_, feed) in &mut self.feeds {
            feed.begin_anew();
        }
        for (_, feed) in &mut self.issued {
            feed.forget_used();
        }
        self.joint.forget_ledger_time();
        self.forget_seen();
    }

    /// Asks at every URL now, whenever the next time would have been; what comes is judged by a later
    /// [`Refresher::refresh`].
    pub fn fetch_now(&mut self) {
        for (_, feed) in &mut self.feeds {
            feed.fetch_now();
        }
    }

    fn forget_seen(&mut self) {
        for (_, feed) in &mut self.feeds {
            feed.forget_seen();
        }
    }

    /// Looks at every source, and swaps the issuer's table if they say something new.  Reads files; never called by a
    /// request.  The reports are those that were not made before.
    pub fn refresh(&mut self, now: Time) -> Vec<Report> {
        let mut reports = Vec::new();
        let looked_at = self.looked_at.replace(now);
        if looked_at.is_some_and(|before| now.seconds_since(before) < -STEP_SECONDS_MAX) {
            // What was passed over because it had ended has not.
            self.forget_seen();
        }
        // The guard asks what was issued.
        let pace = self.pace(now);
        for (_, feed) in &mut self.issued {
            let (issuer, show) = (self.issuer.certificate(), self.show_load.as_deref());
            reports.extend(feed.look(issuer, self.sources.guard, pace, show, now));
        }
        for (_, feed) in &mut self.overlays {
            reports.extend(feed.look(now));
        }
        self.find_kept_scopes();
        self.slot_problems.retain(|place, _| !is_about_marks(place));
        self.read_marks();
        let lines = self.slots.values_mut().flat_map(Slot::lines);
        lines.for_each(|line| line.remember_due(now));
        if self.state.is_none() || self.kept_scopes_are_known {
            let mut found = self.look(now);
            if self.drop_scopes(&found) {
                self.forget_seen();
                found = self.look_beside(found, now);
            }
            self.take_lists(found, now, &mut reports);
        }
        self.take_over(now, &mut reports);
        self.leave_scopes(now, &mut reports);
        if self.follow_named() {
            let found = self.look(now);
            self.take_lists(found, now, &mut reports);
        }
        self.drop_held_that_is_gone();
        let names = self
            .slots
            .keys()
            .flat_map(|key| [slot_name(key), copy_name(key)]);
        let names: BTreeSet<String> = names.collect();
        self.slot_problems.retain(|place, _| {
            names.contains(place) || !(is_about_marks(place) || place.starts_with(COPY))
        });
        let vanished = reports.iter().filter_map(|report| match &report.event {
            Event::ListInUse(in_use) => in_use.vanished,
            Event::ScopeLeft { vanished, .. } => Some(*vanished),
            _ => None,
        });
        self.vanished_count += vanished.map(|vanished| vanished.count as u64).sum::<u64>();
        self.outlive_named_deltas(now);
        self.swap(now);
        self.begin_feeds(now);
        self.keep(now, &mut reports);
        self.tell(now, &mut reports);
        reports
    }

    /// When to call `refresh` again at the latest, besides polls, file events and downloads.
    pub fn next_wake(&self, now: Time) -> Option<Time> {
        let slots = self.slots.values().filter_map(|slot| slot.next_wake(now));
        let feeds = self.feeds.iter().filter_map(|(_, feed)| feed.next_wake());
        let issued = self.issued.iter();
        let issued =
            issued.flat_map(|(_, feed)| [feed.stale_at(), feed.missed_at(), feed.settles_at()]);
        let overlays = self.overlays.iter().map(|(_, feed)| feed.settles_at());
        // What is too old, missed or settled already is looked at when its file changes.
        let beside = issued.chain(overlays).flatten().filter(|wake| *wake > now);
        let outlived = self.next_outlived(now);
        let unkept = self
            .issued
            .iter()
            .filter_map(|(_, feed)| feed.next_keep(now));
        let end = self.joint.window().map(|window| window.next_update);
        let end = end.filter(|_| !self.told.expired);
        // A worker lets go of it within an answer's time.
        let free = (self.joint.has_retired()).then(|| now.plus_seconds(RETIREMENT_SECONDS));
        let wake = slots
            .chain(feeds)
            .chain(beside)
            .chain(outlived)
            .chain(unkept)
            .chain(end)
            .chain(self.next_leave(now))
            .chain(free)
            .min()?;
        Some(wake.max(now))
    }

    fn slot(&mut self, key: &str) -> &mut Slot {
        let state = self.state.as_ref();
        let state = state.map(|state| (state, self.issuer.identity()));
        let keeps_when_told = self.keeps_when_told;
        self.slots
            .entry(key.to_owned())
            .or_insert_with(|| match self.left.get(key) {
                Some(left) => left.slot.carried(keeps_when_told),
                None => Slot::new(key, state, keeps_when_told),
            })
    }

    /// Slots whose marks cannot be read are not touched until they can.
    fn read_marks(&mut self) {
        for (key, slot) in self
            .slots
            .iter_mut()
            .filter(|(_, slot)| !slot.is_readable())
        {
            match slot.read_marks() {
                Ok(None) => {}
                Ok(Some(error)) | Err(error) => {
                    self.slot_problems.insert(slot_name(key), error);
                }
            }
        }
    }

    fn pace(&self, now: Time) -> Pace {
        match self.issuer.table() {
            None => Pace::AtOnce,
            Some(table) => Pace::Beside {
                seconds_left: table.window().next_update.seconds_since(now),
            },
        }
    }

    fn look(&mut self, now: Time) -> Vec<(usize, Found)> {
        self.look_beside(Vec::new(), now)
    }

    /// The same where it was not just done; with what was found there.
    fn look_beside(&mut self, mut found: Vec<(usize, Found)>, now: Time) -> Vec<(usize, Found)> {
        let pace = self.pace(now);
        let looking = Looking {
            signers: &self.signers,
            limits: &self.sources.limits,
            pace,
            show: self.show_load.as_deref(),
            now,
        };
        for (position, (_, feed)) in self.feeds.iter_mut().enumerate() {
            let just_read = found.iter().filter(|(of, _)| *of == position);
            let just_read = just_read.map(|(_, found)| found.path.clone()).collect();
            let more = feed.look(&looking, &just_read).into_iter();
            found.extend(more.map(|found| (position, found)));
        }
        self.refuse_what_is_no_named_delta(&mut found);
        found
    }

    /// Looks at these files again, each with the position of its feed.
    fn look_again(&mut self, paths: Vec<(usize, PathBuf)>, now: Time) -> Vec<(usize, Found)> {
        let looking = Looking {
            signers: &self.signers,
            limits: &self.sources.limits,
            pace: self.pace(now),
            show: self.show_load.as_deref(),
            now,
        };
        let mut found = Vec::new();
        for (position, (_, feed)) in self.feeds.iter_mut().enumerate() {
            let of_feed = paths.iter().filter(|(of, _)| *of == position);
            let of_feed = of_feed.map(|(_, path)| path.clone());
            let more = feed.look_at_each(of_feed, &looking).into_iter();
            found.extend(more.map(|found| (position, found)));
        }
        found
    }

    /// Puts together what all sources say, and swaps it in if it is new.
    fn swap(&mut self, now: Time) {
        let yielded = self.yielded(|| self.slots.values(), now);
        let listed = Listed::of(self.slots.values(), yielded);
        self.joint.take_looked(listed, self.beside(now));
        self.joint.free_retired();
    }

    fn beside(&self, now: Time) -> Beside {
        let overlays = || self.overlays.iter().map(|(_, feed)| feed.overlays());
        Beside {
            is_issued_known: (!self.issued.is_empty())
                .then(|| self.issued.iter().all(|(_, feed)| feed.is_fresh(now))),
            lags_as_good: self.issued.iter().all(|(_, feed)| feed.lags_as_good()),
            issued: self
                .issued
                .iter()
                .flat_map(|(_, feed)| feed.issued())
                .collect(),
            indexes: self
                .issued
                .iter()
                .filter_map(|(_, feed)| feed.index())
                .collect(),
            held_removals: self
                .issued
                .iter()
                .flat_map(|(_, feed)| feed.held_removals())
                .map(Arc::clone)
                .collect(),
            overlays: overlays().flatten().flatten().collect(),
            has_every_overlay: overlays().all(|overlay| overlay.is_some()),
        }
    }

    fn keep(&mut self, now: Time, reports: &mut Vec<Report>) {
        if !self.keeps_when_told {
            self.keep_versions();
        }
        let mut kept = Vec::new();
        for slot in self.slots.values_mut() {
            let place = slot.place().unwrap_or_default().to_owned();
            kept.extend(slot.keep(now).into_iter().map(|kept| (place.clone(), kept)));
        }
        for (_, feed) in &mut self.issued {
            let place = feed.source().path.display().to_string();
            let of_feed = feed.keep(self.issuer.certificate(), now).into_iter();
            kept.extend(of_feed.map(|kept| (place.clone(), kept)));
        }
        reports.extend(kept.into_iter().map(|(place, kept)| Report {
            place,
            event: kept.map_or_else(Event::NotKept, |()| Event::Kept),
        }));
        self.forget_left();
    }
}

/// A clock that goes back further was ahead, or is wrong now.
const STEP_SECONDS_MAX: i64 = 5;

/// How soon a table that was replaced is looked at again.
const RETIREMENT_SECONDS: i64 = 2;

/// Where a refresher that came before had the same source.
fn counterpart<Feed>(old: &[(usize, Feed)], is_same: impl Fn(&Feed) -> bool) -> Option<&Feed> {
    let mut feeds = old.iter().map(|(_, feed)| feed);
    feeds.find(|feed| is_same(feed))
}

/// A slot whose marks cannot be read, for people.
fn slot_name(key: &str) -> String {
    match key {
        "" => MARKS.to_owned(),
        key => format!("{MARKS}, scope {key}"),
    }
}

fn is_about_marks(place: &str) -> bool {
    place.starts_with(MARKS)
}

const MARKS: &str = "marks of the lists used";

/// The last good copy of a slot, for people.
fn copy_name(key: &str) -> String {
    match key {
        "" => COPY.to_owned(),
        key => format!("{COPY}, scope {key}"),
    }
}

const COPY: &str = "last good copy";
