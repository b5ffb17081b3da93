//! One look at the ledger after the other, and who is told.  From: the thread of [`super::LedgerFeed`].  To: the issuers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ocspry_ledger::{FollowedTable, LedgerError, LedgerFollower, LedgerPlace, Position};
use ocspry_source::{Joint, KeptLedger, SourceError};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use tracing::info;

use crate::audit::AUDIT;

use super::beside::{OfIssuer, Snapshot};
use super::kept::{self, Remembered};
use super::{LedgerProblem, Looked, POLL, POLL_FAILING, Subject};

/// A ledger and the issuers that are fed from it.
pub(super) struct Following {
    place: LedgerPlace,
    subject: Subject,
    follower: LedgerFollower,
    /// What is kept was read, or there is nowhere to keep it: nothing is taken before, since it may be older.
    is_remembered: bool,
    /// By the name of the CA.
    kept: BTreeMap<String, Remembered>,
    /// As they were given out last.
    tables: BTreeMap<String, FollowedTable>,
    /// The last look that succeeded.
    looked: Option<Time>,
    targets: Vec<Target>,
    failing: Option<Failing>,
    /// The CAs whose issuers the operator let go since the last look that succeeded.
    forgotten: BTreeSet<String>,
}

/// An issuer that is fed.
struct Target {
    name: String,
    joint: Weak<Joint>,
}

struct Failing {
    since: Instant,
    error: SourceError,
}

impl Following {
    pub(super) fn new(subject: &Subject, kept: BTreeMap<String, KeptLedger>) -> Following {
        Following {
            follower: subject.follower(None),
            place: subject.config.place.clone(),
            subject: subject.clone(),
            is_remembered: kept.is_empty(),
            kept: kept
                .into_iter()
                .map(|(name, kept)| (name, Remembered::new(kept)))
                .collect(),
            tables: BTreeMap::new(),
            looked: None,
            targets: Vec::new(),
            failing: None,
            forgotten: BTreeSet::new(),
        }
    }

    /// Before anybody is attached: a failure counts at once.
    pub(super) fn look_first(&mut self, now: Time) {
        self.take(now);
        if let Some(failing) = &mut self.failing {
            failing.since = failing.since.checked_sub(PATIENCE).unwrap_or(failing.since);
        }
    }

    /// Feeds an issuer with what is known, and from here on.
    pub(super) fn attach(&mut self, name: &str, joint: &Arc<Joint>) {
        if let Some(kept) = self.kept.get(name)
            && let Some((revoked, this_update)) = kept.list()
        {
            let source = kept::source_of(&self.place, name);
            joint.remember_ledger(revoked, source, this_update);
        }
        self.targets.push(Target {
            name: name.to_owned(),
            joint: Arc::downgrade(joint),
        });
        if let (Some(table), Some(looked)) = (self.tables.get(name), self.looked) {
            self.feed(joint, table, looked);
        }
        self.tell_problems();
    }

    /// Looks, so that nobody is handed less than `before` knows, which hands out nothing meanwhile.
    ///
    /// # Errors
    /// What `before` has read cannot be read now, or is not there any more.
    pub(super) fn go_on_from(
        &mut self,
        before: Option<&Following>,
        now: Time,
    ) -> Result<(), SourceError> {
        let before = before.filter(|before| before.place == self.place);
        if let Some(before) = before
            && self.looked.is_none()
        {
            // Nothing was read yet: what is known is what it knows.
            self.follower = self.subject.follower(before.follower.position());
            for name in &self.subject.names {
                let revoked = before.follower.revocations(name);
                self.follower.remember(name, &revoked);
            }
            self.is_remembered = true;
        }
        self.look(now);
        let positions = before.map(|before| (self.follower.position(), before.follower.position()));
        let Some((Some(own), Some(before))) = positions else {
            return Ok(());
        };
        if own.identity != before.identity || own.sequence >= before.sequence {
            return Ok(());
        }
        let LedgerPlace::Sqlite(path) = &self.place;
        let went_back = || {
            LedgerProblem::Ledger(LedgerError::SequenceWentBack {
                path: path.clone(),
                seen: before.sequence,
                found: own.sequence,
            })
        };
        let failing = self.failing.as_ref();
        Err(failing.map_or_else(|| went_back().as_source(), |failing| failing.error.clone()))
    }

    /// Looks once.
    pub(super) fn look(&mut self, now: Time) -> Looked {
        self.targets
            .retain(|target| target.joint.strong_count() > 0);
        let is_next_second = self.looked != Some(now);
        let names = self.take(now);
        for target in &self.targets {
            let Some(joint) = target.joint.upgrade() else {
                continue;
            };
            if names.contains(&target.name)
                && let Some(table) = self.tables.get(&target.name)
            {
                self.feed(&joint, table, now);
            } else if is_next_second && self.failing.is_none() {
                self.confirm(&target.name, &joint, now);
            }
            joint.free_retired();
        }
        let mut has_news_for_control = false;
        if is_next_second || !names.is_empty() {
            has_news_for_control = self.tell_problems();
        }
        Looked {
            has_news_for_control,
            again_in: match self.failing {
                None => POLL,
                Some(_) => POLL_FAILING,
            },
        }
    }

    /// Forgets how far the ledger was seen, when no issuer needs that any more.
    pub(super) fn forget(&mut self, name: &str) {
        self.forgotten.insert(name.to_owned());
        let is_forgotten = |target: &Target| self.forgotten.contains(&target.name);
        if self.targets.iter().all(is_forgotten) {
            self.forgotten.clear();
            self.follower.forget_seen();
            info!(
                "what was seen of {} is forgotten: it is taken as it is now",
                self.place
            );
        } else if self.failing.is_some() {
            info!(
                "what was seen of {} is forgotten for {name}; for the other issuers that are fed from it it still holds",
                self.place
            );
        }
    }

    /// Feeds nobody any more.
    pub(super) fn end(&mut self) {
        self.targets.clear();
    }

    /// What is known now, for whoever writes it down; also while the ledger cannot be read or is refused.
    pub(super) fn snapshot(&self) -> Snapshot {
        let of_issuer = |target: &Target| {
            let table = self.tables.get(&target.name)?;
            Some(OfIssuer {
                name: target.name.clone(),
                joint: target.joint.upgrade()?,
                revoked: table.table.lists().first()?.clone(),
                is_forgotten: self.forgotten.contains(&target.name),
            })
        };
        Snapshot {
            position: self.follower.position(),
            issuers: self.targets.iter().filter_map(of_issuer).collect(),
        }
    }

    /// Reads what is new; the names of the CAs whose tables are.
    fn take(&mut self, now: Time) -> BTreeSet<String> {
        let tables = match self.remember() {
            Ok(()) => self
                .follower
                .look(now)
                .map_err(|error| LedgerProblem::Ledger(error).as_source()),
            Err(error) => Err(error),
        };
        match tables {
            Ok(tables) => {
                if self.failing.take().is_some_and(|failing| failing.is_told()) {
                    info!("{} can be read again", self.place);
                }
                self.looked = Some(now);
                // Nothing holds the ledger back: what was let go until then is kept from here on.
                self.forgotten.clear();
                // From here on it is in the follower.
                self.kept.values_mut().for_each(Remembered::forget);
                let names = tables.iter().map(|table| table.name.clone()).collect();
                let tables = tables.into_iter().map(|table| (table.name.clone(), table));
                self.tables.extend(tables);
                names
            }
            Err(error) => {
                let since = self.failing.take();
                let since = since.map_or_else(Instant::now, |failing| failing.since);
                self.failing = Some(Failing { since, error });
                BTreeSet::new()
            }
        }
    }

    /// Reads what is kept, once.
    fn remember(&mut self) -> Result<(), SourceError> {
        if self.is_remembered {
            return Ok(());
        }
        for kept in self.kept.values_mut() {
            kept.read()?;
        }
        let positions = self.kept.values().filter_map(Remembered::position);
        let position = positions.max_by_key(|position| position.sequence);
        self.follower = self.subject.follower(position);
        for (name, kept) in &self.kept {
            self.follower.remember(name, kept.revoked());
        }
        self.is_remembered = true;
        Ok(())
    }

    fn sequence(&self) -> u64 {
        self.follower
            .position()
            .map_or(0, |position| position.sequence)
    }

    /// Swaps in a table as of `now`, unless it is another CA's.
    fn feed(&self, joint: &Joint, table: &FollowedTable, now: Time) {
        if is_of(joint, table) {
            joint.take_ledger(&table.table, self.sequence(), now);
            info!(
                target: AUDIT,
                event = "ledger-in-use",
                issuer = joint.issuer().name(),
                ca = table.name,
                up_to_fact = self.sequence(),
            );
        }
    }

    fn confirm(&self, name: &str, joint: &Joint, now: Time) {
        if self
            .tables
            .get(name)
            .is_some_and(|table| is_of(joint, table))
        {
            joint.confirm_ledger(self.sequence(), now);
        }
    }

    /// Says what is wrong to whoever is fed; true if that is news.
    fn tell_problems(&self) -> bool {
        let mut is_news = false;
        for target in &self.targets {
            if let Some(joint) = target.joint.upgrade() {
                is_news |= joint.set_ledger_problem(self.problem(&target.name, &joint));
            }
        }
        is_news
    }

    fn problem(&self, name: &str, joint: &Joint) -> Option<SourceError> {
        match &self.failing {
            Some(failing) if failing.is_told() => return Some(failing.error.clone()),
            // It may be over before anybody has read of it.
            Some(_) => return joint.ledger_problem(),
            None => {}
        }
        let (place, name) = (self.place.clone(), name.to_owned());
        let problem = match self.tables.get(&name) {
            _ if self.follower.missing().any(|missing| missing == name) => {
                LedgerProblem::NoSuchCa { place, name }
            }
            Some(table) if !is_of(joint, table) => LedgerProblem::AnotherCa { place, name },
            Some(_) | None => return None,
        };
        Some(problem.as_source())
    }
}

impl Subject {
    /// Nothing is read yet; `position` is how far it was seen.
    fn follower(&self, position: Option<Position>) -> LedgerFollower {
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        LedgerFollower::new(self.config.place.clone(), &names, self.policy, position)
    }
}

impl Failing {
    fn is_told(&self) -> bool {
        self.since.elapsed() >= PATIENCE
    }
}

fn is_of(joint: &Joint, table: &FollowedTable) -> bool {
    to_hex(&table.identity) == joint.issuer().identity()
}

/// A ledger that is being replaced, or locked for a moment, is no news.
const PATIENCE: Duration = Duration::from_secs(1);
