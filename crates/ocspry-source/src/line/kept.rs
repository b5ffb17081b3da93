//! What the state directory remembers of a series: read at the start, written when a list comes into use.
//!
//! From: `line`, after a swap, and `slot`.  To: the last good copy and the marks beside it (ADR-0005); what cannot be written
//! is tried again, and reported once.

use ocspry_wire::Time;

use super::{Line, Offer};
use crate::SourceError;
use crate::fetched::FetchedVersion;
use crate::state::{self, KeptSeries, Marks};

impl Line {
    /// In a new configuration: what the state directory holds is looked at again.
    pub(crate) fn begin_anew(&mut self, keeps_when_told: bool) {
        self.keeps_when_told = keeps_when_told;
        self.marks_are_read = false;
        self.kept_marks = None;
        self.keeping.begin();
    }

    /// The marks were read, or there are none: lists may be used.
    pub(crate) fn is_readable(&self) -> bool {
        self.marks_are_read
    }

    /// Reads what the state directory remembers, once.
    ///
    /// # Errors
    /// Nothing is in use, and the marks cannot be read: nothing may be used then.
    pub(crate) fn read_marks(&mut self) -> Result<Option<SourceError>, SourceError> {
        if self.marks_are_read {
            return Ok(None);
        }
        let mut problem = None;
        if let Some(series) = &self.series {
            match (series.marks(), &self.in_use) {
                (Ok(marks), _) => self.kept_marks = marks,
                (Err(error), None) => return Err(error),
                // The list in use says what damaged marks said, and they are written anew.
                (
                    Err(SourceError::StateCorrupt {
                        path,
                        problem: what,
                    }),
                    Some(_),
                ) => {
                    problem = Some(SourceError::StateReplaced {
                        path,
                        problem: what,
                    });
                }
                // Writing them meets the same obstacle, and reports it.
                (Err(_), Some(_)) => {}
            }
        }
        self.marks_are_read = true;
        if let Some(marks) = self.kept_marks.clone() {
            self.raise(marks);
        }
        if let Some(offer) = self.in_use.clone().filter(|_| !self.is_ahead) {
            self.is_unkept |= self.series.as_ref().is_some_and(|series| {
                !series.holds(offer.original())
                    || self.kept_marks.as_ref().map(|marks| marks.digest)
                        != Some(offer.list.digest())
            });
            self.mark(&offer);
        }
        Ok(problem)
    }

    /// Writes what came into use to the state directory, if that is not done: at once, and after a failure again and
    /// again.  What is to be reported of that.
    pub(crate) fn keep(&mut self, now: Time) -> Option<Result<(), SourceError>> {
        if !self.is_unkept || self.keeps_when_told || !self.keeping.is_time(now) {
            return None;
        }
        let series = self.series.clone()?;
        let kept = match self.in_use.clone() {
            Some(offer) => self.keep_list(&series, &offer),
            None => self.keep_what_was(&series),
        };
        self.is_unkept = kept.is_err();
        self.keeping.tried(kept, now)
    }

    fn keep_list(&mut self, series: &KeptSeries, offer: &Offer) -> Result<(), SourceError> {
        let marks = self.marks_in_use(offer);
        let kept = series.keep(offer.original(), &marks);
        if kept.is_ok() {
            self.kept_marks = Some(marks);
        } else {
            self.keep_marks_at_least(series, marks);
        }
        kept
    }

    /// Nothing is in use: the marks alone, or that there are none.
    fn keep_what_was(&mut self, series: &KeptSeries) -> Result<(), SourceError> {
        match (&self.high_water, &self.kept_marks) {
            (Some(marks), _) => series.keep_marks(marks)?,
            (None, Some(kept)) => {
                series.forget(kept)?;
                FetchedVersion::remove(series)?;
            }
            (None, None) => {}
        }
        self.kept_marks.clone_from(&self.high_water);
        Ok(())
    }

    /// The marks alone stop a rollback after a restart; a failure was reported as that of the list.
    fn keep_marks_at_least(&mut self, series: &KeptSeries, marks: Marks) {
        if self.kept_marks.as_ref().map(|kept| kept.digest) != Some(marks.digest)
            && series.keep_marks(&marks).is_ok()
        {
            self.kept_marks = Some(marks);
        }
    }

    /// When to try to keep it, or to try again.
    pub(crate) fn next_keep(&self, now: Time) -> Option<Time> {
        let keeps = self.is_unkept && !self.keeps_when_told;
        keeps.then(|| self.keeping.next_try(now))
    }

    /// The state directory knows all that it is to know.
    pub(crate) fn is_kept(&self) -> bool {
        !self.is_unkept
    }

    /// Nothing is to be written yet.
    pub(crate) fn keeps_when_told(&self) -> bool {
        self.keeps_when_told
    }

    /// From here on [`Line::keep`] writes.
    pub(crate) fn keep_now(&mut self) {
        self.keeps_when_told = false;
    }

    /// The last good copy goes, and which version it is; the marks stay.
    ///
    /// # Errors
    /// `StateWrite`.
    pub(crate) fn remove_copy(&self) -> Result<(), SourceError> {
        let Some(series) = &self.series else {
            return Ok(());
        };
        state::remove(&series.list_path())?;
        FetchedVersion::remove(series)
    }
}
