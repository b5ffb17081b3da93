//! A file or directory that is read again when it changes.  From: the stamps and readers of `issued` and `overlay`.  To:
//! the two feeds, which know what a new reading means.

use crate::SourceError;

/// What was seen in a place, and what is wrong there; `Stamp` tells one version from another.
#[derive(Clone, Debug)]
pub(super) struct Followed<Stamp> {
    seen: Option<Stamp>,
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

impl<Stamp: PartialEq> Followed<Stamp> {
    pub(super) fn new() -> Followed<Stamp> {
        Followed {
            seen: None,
            problem: None,
        }
    }

    /// Reads it if it is another version than was seen.  One that may still change without looking different is read again
    /// at the next look.
    pub(super) fn look<Reading>(
        &mut self,
        stamp: Result<Stamp, SourceError>,
        is_settled: impl Fn(&Stamp) -> bool,
        read: impl FnOnce() -> Result<Reading, SourceError>,
    ) -> Look<Reading> {
        let stamp = match stamp {
            Ok(stamp) => stamp,
            Err(error) => {
                self.seen = None;
                self.problem = Some(error);
                return Look::Failed;
            }
        };
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

    pub(super) fn problem(&self) -> Option<&SourceError> {
        self.problem.as_ref()
    }
}
