//! What is not revoked any more when lists take the place of others: counted, and when it is much, looked at twice.
//!
//! From: `slot`, with what was in use and what comes.  To: the operator, as an alarm; and with [`Guard::Refuse`] to `slot`,
//! which holds it back.  A list does not say when its certificates expire, so that an accident looks like a CA that drops
//! what has expired; how many entries go, and what is known of their certificates, tells the two apart (design.md §7).

use std::sync::Arc;
use std::time::Duration;

use ocspry_core::{ListPart, Revocation, RevokedSerials};
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::SerialNumber;

use crate::pace;

/// What is done with a list from which much has vanished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Guard {
    /// It is used, and an alarm is raised.
    #[default]
    Alarm,
    /// What it adds is used, what it removes stays revoked until the operator accepts it.
    Refuse,
}

impl Guard {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("alarm", Self::Alarm), ("refuse", Self::Refuse)];
}

/// Entries of the list before that are not in the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vanished {
    /// How many.
    pub count: usize,
    /// Of how many.
    pub of: usize,
    /// How many of them belong to certificates that have not expired, as far as that is known.
    pub unexpired: usize,
    /// They stay revoked until the operator accepts that they vanished.
    pub is_held: bool,
}

impl Vanished {
    /// CAs drop entries of expired certificates: that alone is no alarm.
    pub fn is_alarming(&self) -> bool {
        self.unexpired > 0 || (self.count * 2 > self.of && self.of >= ALARM_ENTRIES_MIN)
    }
}

/// From lists with fewer entries any number may vanish without an alarm: one lifted hold may be all there was.
const ALARM_ENTRIES_MIN: usize = 10;

/// Serials that are compared in one step.
const ROWS_AT_A_TIME: usize = 1 << 16;

/// How long the news may wait for that.
const PATIENCE: Duration = Duration::from_secs(1);

/// Lists take the place of others.
pub(crate) struct Change {
    /// What was in use.
    pub(crate) before: ListPart,
    /// What comes.
    pub(crate) after: After,
}

/// What takes the place of a complete list and its delta.
pub(crate) enum After {
    /// A complete list; the delta lies over it as well, or not.
    Complete {
        list: Arc<RevokedSerials>,
        is_delta_kept: bool,
    },
    /// Another delta over the same complete list, or the first.
    Delta(Arc<RevokedSerials>),
    /// Lists of other scopes, and what is held.
    Others(Vec<ListPart>),
}

impl Change {
    /// What vanishes, counted; nothing is held yet.
    pub(crate) fn measure(
        &self,
        is_unexpired: &(dyn Fn(&SerialNumber) -> bool + Sync),
    ) -> Vanished {
        let mut vanished = Vanished {
            count: 0,
            of: self.revoked_count_before(),
            unexpired: 0,
            is_held: false,
        };
        let mut walk = self.walk();
        let walked = pace::beside(self.walked_bytes(), PATIENCE, || {
            let mut is_over = true;
            for missing in walk.by_ref().take(ROWS_AT_A_TIME) {
                is_over = false;
                if let Some(serial) = missing {
                    vanished.count += 1;
                    vanished.unexpired += usize::from(is_unexpired(&serial));
                }
            }
            Ok(!is_over)
        });
        // No step fails.
        debug_assert!(walked.is_ok());
        vanished
    }

    /// What was revoked and is not any more, as it was revoked.
    pub(crate) fn vanished(&self) -> impl Iterator<Item = (SerialNumber, Revocation)> {
        let as_before = |serial: SerialNumber| Some((serial, self.before.lookup(&serial)?));
        self.walk().flatten().filter_map(as_before)
    }

    /// All that was revoked still is, holds as well.
    pub(crate) fn is_nothing_gone(&self) -> bool {
        self.walk_gone().flatten().next().is_none()
    }

    /// The same, one item for each that is looked at, None if nothing has changed for it.  What was on hold only is no news
    /// among lists of one scope: removeFromCRL ends a hold of the complete list, and in a list that does not name it one ends
    /// without a word (RFC 5280 §5.2.4, §5.3.1).  Where the scope itself goes, nobody ended it.
    fn walk(&self) -> Box<dyn Iterator<Item = Option<SerialNumber>> + Send + '_> {
        let is_news = |serial: &SerialNumber| match self.after {
            After::Complete { .. } | After::Delta(_) => !self.was_on_hold(serial),
            After::Others(_) => true,
        };
        Box::new(self.walk_gone().map(move |gone| gone.filter(is_news)))
    }

    fn walk_gone(&self) -> Box<dyn Iterator<Item = Option<SerialNumber>> + Send + '_> {
        match &self.after {
            After::Complete {
                list,
                is_delta_kept,
            } => Box::new(self.walk_complete(list, *is_delta_kept)),
            After::Delta(delta) => Box::new(self.walk_delta(delta)),
            After::Others(others) => {
                let is_gone =
                    |serial: &SerialNumber| !others.iter().any(|part| revokes(part, serial));
                let walk = self.walk_revoked();
                Box::new(walk.map(move |serial| Some(serial).filter(is_gone)))
            }
        }
    }

    fn walk_complete<'a>(
        &'a self,
        list: &'a RevokedSerials,
        is_delta_kept: bool,
    ) -> impl Iterator<Item = Option<SerialNumber>> + 'a {
        let ListPart { base, delta, .. } = &self.before;
        let by_delta = |serial: &SerialNumber| delta.as_ref()?.lookup(serial);
        let is_gone = move |serial: &SerialNumber| match by_delta(serial) {
            None => true,
            Some(Revocation::Revoked(_)) => !is_delta_kept,
            Some(Revocation::Removed) => false,
        };
        let of_list = base.compare(list);
        let of_list = of_list.map(move |missing| missing.filter(is_gone));
        let delta = delta.iter().filter(move |_| !is_delta_kept);
        let of_delta = delta.flat_map(|delta| delta.compare(list));
        let is_news = |serial: &SerialNumber| !is_revoked(base, serial);
        of_list.chain(of_delta.map(move |missing| missing.filter(is_news)))
    }

    fn walk_delta<'a>(
        &'a self,
        after: &'a RevokedSerials,
    ) -> impl Iterator<Item = Option<SerialNumber>> + 'a {
        let ListPart { base, delta, .. } = &self.before;
        let is_taken_back = |(serial, revocation): &(SerialNumber, Revocation)| match revocation {
            Revocation::Removed => revokes(&self.before, serial),
            Revocation::Revoked(_) => false,
        };
        let is_dropped = move |(serial, revocation): &(SerialNumber, Revocation)| match revocation {
            Revocation::Removed => false,
            Revocation::Revoked(_) => after.lookup(serial).is_none() && !is_revoked(base, serial),
        };
        let taken_back = after
            .iter()
            .map(move |entry| Some(entry).filter(is_taken_back));
        let before = delta.iter().flat_map(|delta| delta.iter());
        let dropped = before.map(move |entry| Some(entry).filter(is_dropped));
        let gone = taken_back.chain(dropped);
        gone.map(|entry| entry.map(|(serial, _)| serial))
    }

    /// Nothing that named it called it revoked for good.
    fn was_on_hold(&self, serial: &SerialNumber) -> bool {
        let ListPart { base, delta, .. } = &self.before;
        let said = [
            base.lookup(serial),
            delta.as_ref().and_then(|delta| delta.lookup(serial)),
        ];
        said.into_iter()
            .flatten()
            .all(|revocation| match revocation {
                Revocation::Revoked(info) => info.reason == Some(CrlReason::CertificateHold),
                Revocation::Removed => true,
            })
    }

    /// All that was revoked.
    fn walk_revoked(&self) -> impl Iterator<Item = SerialNumber> + '_ {
        let ListPart { base, delta, .. } = &self.before;
        let of_delta = delta.iter().flat_map(|delta| delta.iter());
        let is_named = |serial: &SerialNumber| {
            delta
                .as_ref()
                .is_some_and(|delta| delta.lookup(serial).is_some())
        };
        let of_base = base.iter().filter(move |(serial, _)| !is_named(serial));
        let revoked = of_base
            .chain(of_delta)
            .filter(|(_, revocation)| matches!(revocation, Revocation::Revoked(_)));
        revoked.map(|(serial, _)| serial)
    }

    fn walked_bytes(&self) -> u64 {
        let bytes = match &self.after {
            After::Complete { .. } | After::Others(_) => self.before.base.size_bytes(),
            After::Delta(delta) => delta.size_bytes(),
        };
        bytes as u64
    }

    fn revoked_count_before(&self) -> usize {
        let ListPart { base, delta, .. } = &self.before;
        let entries = delta.iter().flat_map(|delta| delta.iter());
        entries.fold(base.revoked_count(), |count, (serial, revocation)| {
            match (is_revoked(base, &serial), revocation) {
                (true, Revocation::Removed) => count - 1,
                (false, Revocation::Revoked(_)) => count + 1,
                (true, Revocation::Revoked(_)) | (false, Revocation::Removed) => count,
            }
        })
    }
}

fn revokes(part: &ListPart, serial: &SerialNumber) -> bool {
    matches!(part.lookup(serial), Some(Revocation::Revoked(_)))
}

fn is_revoked(serials: &RevokedSerials, serial: &SerialNumber) -> bool {
    matches!(serials.lookup(serial), Some(Revocation::Revoked(_)))
}
