//! A file or directory that is read again when it changes.  From: the stamps and readers of `issued` and `overlay`.  To:
//! the two feeds, which know what a new reading means.
//!
//! A file that is rewritten in place is empty at first, then half there, and looks whole each time: what a reading adds
//! counts at once, what it takes back counts once the file has stayed as it is for a while.

use ocspry_wire::Time;

use crate::SourceError;

/// What was seen in a place, and what is wrong there; `Stamp` tells one version from another.
#[derive(Clone, Debug)]
pub(super) struct Followed<Stamp> {
    seen: Option<Stamp>,
    /// The version that was there last, and since when.
    there: Option<(Stamp, Time)>,
    problem: Option<SourceError>,
}

/// What a look led to.
pub(super) enum Look<Reading> {
    /// It is what was judged before.
    Unchanged,
    /// It cannot be read, or is of no use.
    Failed,
    /// It was read.
    Read(Reading),
}

impl<Stamp: Clone + PartialEq> Followed<Stamp> {
    pub(super) fn new() -> Followed<Stamp> {
        Followed {
            seen: None,
            there: None,
            problem: None,
        }
    }

    /// Reads it if it is another version than was seen.  One that may still change without looking different is read again
    /// at the next look.
    pub(super) fn look<Reading>(
        &mut self,
        stamp: Result<Stamp, SourceError>,
        is_settled: impl Fn(&Stamp) -> bool,
        now: Time,
        read: impl FnOnce() -> Result<Reading, SourceError>,
    ) -> Look<Reading> {
        let stamp = match stamp {
            Ok(stamp) => stamp,
            Err(error) => {
                self.seen = None;
                self.there = None;
                self.problem = Some(error);
                return Look::Failed;
            }
        };
        if self.there.as_ref().is_none_or(|(there, _)| *there != stamp) {
            self.there = Some((stamp.clone(), now));
        }
        if self.seen.as_ref() == Some(&stamp) {
            return Look::Unchanged;
        }
        self.seen = Some(stamp).filter(is_settled);
        match read() {
            Ok(reading) => {
                self.problem = None;
                Look::Read(reading)
            }
            Err(error) => {
                self.problem = Some(error);
                Look::Failed
            }
        }
    }

    /// What was read is of no use; it is not looked at again before it changes.
    pub(super) fn refuse(&mut self, problem: SourceError) {
        self.problem = Some(problem);
    }

    /// It is read at the next look, changed or not.
    pub(super) fn forget_seen(&mut self) {
        self.seen = None;
    }

    /// When what was read last will have stayed as it is for so many seconds; None: it has.  One that was written long ago,
    /// and moved here, has.
    pub(super) fn settles_at(&self, written: Time, seconds: i64, now: Time) -> Option<Time> {
        let seen = self.there.as_ref().map_or(now, |(_, since)| *since);
        let since = seen.min(written);
        let is_new = (0..seconds).contains(&now.seconds_since(since));
        is_new.then(|| since.plus_seconds(seconds))
    }

    pub(super) fn problem(&self) -> Option<&SourceError> {
        self.problem.as_ref()
    }
}

/// How long a file is to stay as it is before what it takes back counts.
pub(super) const SETTLED_SECONDS: i64 = 2;
