//! One series of lists, complete ones or deltas of one scope: which is in use, and what keeps a worse one out.
//!
//! From: `slot`, with lists that `load` judged.  To: `slot`, as the list in use; to the state directory; and to the
//! operator, as reports.  The rules (design.md §3, §7):
//!
//! - A list that is older changes nothing and is refused (rule 3).  thisUpdate never goes back, nor does a number under
//!   one thisUpdate; the marks remember both across a restart.  A lower number under a newer thisUpdate is held until
//!   the list in use has run out, or the operator accepts it.  Of two lists that neither tells apart, the one that comes
//!   second must revoke all that the first does.
//! - A newer list takes over even when it has run out itself: the CA has spoken since, and a certificate that its newer
//!   list calls revoked must not be called good from the older one (rule 1).
//! - A list from the future waits and takes over when its time comes (rule 14); the list in use stays until then, and
//!   after a restart the last good copy serves.

use std::path::PathBuf;
use std::sync::Arc;

use ocspry_wire::Time;

use crate::SourceError;
use crate::copy::Original;
use crate::keeping::Keeping;
use crate::list::LoadedList;
use crate::load::{CrlSigners, ListLoad, SourceLimits};
use crate::refresh::{HeldBack, Hold};
use crate::state::{KeptSeries, Marks};

mod kept;

/// A series of lists of one scope and kind.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    series: Option<KeptSeries>,
    in_use: Option<Offer>,
    /// The newest list ever used, by what the state directory and the list in use say; None before the first.
    high_water: Option<Marks>,
    /// The newest that was used before the list in use.
    before: Option<Marks>,
    /// The list in use was from the future when what was used was forgotten: it is not remembered before its time.
    is_ahead: bool,
    /// The marks in the state directory; None before they are read, and when there are none.
    kept_marks: Option<Marks>,
    /// They were read, and are in `high_water`.
    marks_are_read: bool,
    /// The copy in the state directory has been overtaken: it is not read again.
    is_copy_over: bool,
    /// The list in use is not in the state directory yet.
    is_unkept: bool,
    keeping: Keeping,
    /// Nothing is written before [`Line::keep_now`].
    keeps_when_told: bool,
    /// The list from the future.
    waiting: Option<Offer>,
    /// The list that the operator wants in spite of its number, if it is still there.
    accepted: Option<[u8; 32]>,
    /// The list that is held for its number, if one is.
    held: Option<HeldList>,
}

/// A list that is held for its number: which, and where it lies.
#[derive(Clone, Debug)]
struct HeldList {
    digest: [u8; 32],
    place: String,
    this_update: Time,
}

/// A list, and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) list: Arc<LoadedList>,
    /// The file it was read from.
    pub(crate) path: PathBuf,
    /// What the operator calls that place.
    pub(crate) place: String,
}

impl Offer {
    fn original(&self) -> Original<'_> {
        Original {
            path: &self.path,
            der_bytes: self.list.facts.der_bytes,
            signature: &self.list.signature,
        }
    }
}

/// What decides when a list and the newest one used so far are of one thisUpdate and number.
#[derive(Clone, Copy)]
enum Tie<'a> {
    /// It was in use itself: the marks are behind it.
    WasInUse,
    /// Nothing that this list revokes may be missing; it must be the newest used so far.
    Compare(&'a LoadedList),
    /// Only the marks are known.
    Unknown,
}

/// Which copy of a list went into use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// What is in the configured place.
    Source,
    /// What was in the configured place and waited for its time to come.
    Waited,
    /// The last good copy of the state directory.
    LastGood,
}

/// A list went into use.
pub(crate) struct Swap {
    pub(crate) served: Served,
    /// That list.
    pub(crate) list: Arc<LoadedList>,
    /// The one that it took the place of.
    pub(crate) before: Option<Arc<LoadedList>>,
}

/// What became of a list that was offered.
pub(crate) enum Taken {
    /// It is in use now.
    Swapped(Swap),
    /// It is the one in use.
    InUse,
    /// It is from the future.
    Waits,
}

impl Line {
    pub(crate) fn new(series: Option<KeptSeries>, keeps_when_told: bool) -> Line {
        Line {
            series,
            in_use: None,
            high_water: None,
            before: None,
            is_ahead: false,
            kept_marks: None,
            marks_are_read: false,
            is_copy_over: false,
            is_unkept: false,
            keeping: Keeping::default(),
            keeps_when_told,
            waiting: None,
            accepted: None,
            held: None,
        }
    }

    /// One in which nothing is in use, and which remembers what was.
    pub(crate) fn without_lists(&self) -> Line {
        let mut line = Line::new(self.series.clone(), self.keeps_when_told);
        line.high_water.clone_from(&self.high_water);
        line
    }

    /// The list in use.
    pub(crate) fn in_use(&self) -> Option<&Arc<LoadedList>> {
        self.in_use.as_ref().map(|offer| &offer.list)
    }

    /// Where it came from.
    pub(crate) fn place(&self) -> Option<&str> {
        self.in_use.as_ref().map(|offer| offer.place.as_str())
    }

    /// Another place has the lists of its series now.
    pub(crate) fn move_to(&mut self, place: &str) {
        if let Some(offer) = &mut self.in_use {
            place.clone_into(&mut offer.place);
        }
    }

    /// It is the last good copy.
    pub(crate) fn is_last_good(&self) -> bool {
        let copy = self.series.as_ref().map(KeptSeries::list_path);
        self.in_use.as_ref().map(|offer| &offer.path) == copy.as_ref()
    }

    /// Where the newest list ever used came from.
    pub(crate) fn marked_place(&self) -> Option<&str> {
        self.high_water.as_ref().map(|marks| marks.source.as_str())
    }

    /// When a list from the future begins, and where it lies.
    pub(crate) fn waiting(&self) -> Option<(Time, &str)> {
        let waiting = self.waiting.as_ref()?;
        Some((waiting.list.this_update(), &waiting.place))
    }

    /// The list from the future, if its time has come.
    pub(crate) fn take_waiting(&mut self, now: Time) -> Option<Offer> {
        self.waiting.take_if(|waiting| waiting.list.is_due(now))
    }

    /// Nothing waits any more: the operator put something else in its place.
    fn drop_waiting(&mut self, place: &str) {
        self.drop_waiting_if(|waiting| waiting == place);
    }

    /// Nothing waits any more where that is so of its place.  Whether something did.
    pub(crate) fn drop_waiting_if(&mut self, is_so: impl Fn(&str) -> bool) -> bool {
        let dropped = self.waiting.take_if(|waiting| is_so(&waiting.place));
        dropped.is_some()
    }

    /// thisUpdate of the newest list ever used.
    pub(crate) fn marked_this_update(&self) -> Option<Time> {
        self.high_water.as_ref().map(|marks| marks.this_update)
    }

    /// nextUpdate of that list, as used.
    pub(crate) fn marked_next_update(&self) -> Option<Time> {
        self.high_water.as_ref().map(|marks| marks.next_update)
    }

    /// As of when the list in use is known: later than its thisUpdate, if it took over from what was.
    pub(crate) fn this_update(&self) -> Option<Time> {
        let offer = self.in_use.as_ref()?;
        Some(self.marks_in_use(offer).this_update)
    }

    /// The list that came into use says all that was known then, and one from before that is older than it.
    pub(crate) fn raise_to(&mut self, this_update: Time) {
        if let Some(marks) = &mut self.high_water
            && marks.this_update < this_update
        {
            marks.this_update = this_update;
            self.is_unkept = self.series.is_some();
        }
    }

    /// Forgets which lists were used; what is in use stays until another list comes, and is written to the state directory
    /// again.  One from the future only once its time has come: its marks would keep out all that come before.
    pub(crate) fn forget_used(&mut self, now: Time) {
        self.high_water = None;
        self.kept_marks = None;
        self.is_ahead = self.in_use().is_some_and(|list| !list.is_due(now));
        self.is_unkept = self.series.is_some() && self.in_use.is_some() && !self.is_ahead;
        self.keeping.begin();
    }

    /// A list that was from the future when what was used was forgotten is remembered once its time has come.
    pub(crate) fn remember_due(&mut self, now: Time) {
        if self.is_ahead
            && let Some(offer) = self.in_use.clone()
            && offer.list.is_due(now)
        {
            self.is_ahead = false;
            self.is_unkept = self.series.is_some();
            self.mark(&offer);
        }
    }

    /// The list in use is of no use any more; what was used is remembered.
    pub(crate) fn retire(&mut self) {
        self.in_use = None;
        self.is_ahead = false;
        self.is_unkept = false;
    }

    /// Neither that list nor its copy is of use, whatever comes: what took over from it knows all that it does.
    pub(crate) fn pass_over_copy(&mut self) {
        self.is_copy_over = true;
    }

    /// The list in use goes as one that never was used, from the state directory as well.
    pub(crate) fn forget(&mut self) {
        self.retire();
        self.high_water = None;
        self.is_unkept = self.series.is_some();
        self.keeping.begin();
    }

    /// The list in use is from the future, and goes.  What was used before it is remembered; if that is from the future too,
    /// no more is known of what came before than that it is no later than now.
    pub(crate) fn take_back(&mut self, now: Time) {
        self.in_use = None;
        self.high_water = self
            .before
            .take()
            .map(|marks| match marks.this_update > now {
                true => marks.known_only_until(now),
                false => marks,
            });
        self.is_unkept = self.series.is_some() && self.high_water.is_some();
    }

    /// The list that is held for its number, if one is.
    pub(crate) fn hold(&self) -> Option<Hold> {
        let held = self.held.as_ref()?;
        Some(Hold {
            place: held.place.clone(),
            what: HeldBack::LowerNumber {
                this_update: held.this_update,
            },
        })
    }

    /// The list that is held may be used when it is offered again, before [`Line::end_acceptance`].
    pub(crate) fn accept_held(&mut self) -> bool {
        self.accepted = self.held.take().map(|held| held.digest);
        self.accepted.is_some()
    }

    /// What was accepted and is not in use was not there any more: it would be held if it came again.
    pub(crate) fn end_acceptance(&mut self) {
        self.accepted = None;
    }

    /// Nothing is held any more whose place has something else, or nothing.
    pub(crate) fn drop_held_unless(&mut self, is_there: impl Fn(&str) -> bool) {
        self.held.take_if(|held| !is_there(&held.place));
    }

    /// Takes a list, if it is better than the one in use; [`Line::read_marks`] and [`Line::start`] came before.
    ///
    /// # Errors
    /// It is older than one used before, or held.
    pub(crate) fn offer(&mut self, mut offer: Offer, now: Time) -> Result<Taken, SourceError> {
        if let Some(in_use) = self.in_use()
            && in_use.digest() == offer.list.digest()
            && in_use.next_update() == offer.list.next_update()
        {
            // The table holds that one: of a big list there is no second one in memory.
            offer.list = Arc::clone(in_use);
            if self.place() == Some(&offer.place) {
                // Downloads come in a file of their own each time.
                self.in_use = Some(offer.clone());
            }
            if !self.is_ahead {
                self.drop_waiting(&offer.place);
                // What was used may have been forgotten since.
                self.mark(&offer);
                return Ok(Taken::InUse);
            }
        }
        if !offer.list.is_due(now) {
            // Of several, the one that begins first; the others are read again when it has begun.
            let is_first = self.waiting.as_ref().is_none_or(|waiting| {
                waiting.place == offer.place || offer.list.order() < waiting.list.order()
            });
            if is_first {
                self.waiting = Some(offer);
            }
            return Ok(Taken::Waits);
        }
        let tie = self
            .in_use()
            .map_or(Tie::Unknown, |list| Tie::Compare(list));
        let order = self.check_order(&offer, tie, now);
        self.note_held(&offer, order.as_ref().err());
        order?;
        self.drop_waiting(&offer.place);
        Ok(Taken::Swapped(self.swap(offer, Served::Source)))
    }

    /// A list that waited, and whose time has come.
    ///
    /// # Errors
    /// It is held, or was overtaken.
    pub(crate) fn take_due(&mut self, offer: Offer, now: Time) -> Result<Swap, SourceError> {
        let tie = self
            .in_use()
            .map_or(Tie::Unknown, |list| Tie::Compare(list));
        self.check_order(&offer, tie, now)?;
        Ok(self.swap(offer, Served::Waited))
    }

    /// Nothing is in use: the last good copy is considered, unless the best list offered is that very list.
    ///
    /// # Errors
    /// There is a copy, and it is of no use.
    pub(crate) fn start(
        &mut self,
        best: Option<&Offer>,
        signers: &Arc<CrlSigners>,
        limits: &SourceLimits,
        now: Time,
    ) -> Result<Option<Swap>, SourceError> {
        let Some(series) = self.series.clone().filter(|_| !self.is_copy_over) else {
            return Ok(None);
        };
        if let Some(best) = best
            && best.list.is_due(now)
            && series.holds(best.original())
        {
            // What is said of it is said of the copy: it will be judged in its place as well.
            let copy = Offer {
                path: series.list_path(),
                ..best.clone()
            };
            self.check_order(&copy, Tie::WasInUse, now)?;
            return Ok(Some(self.swap(best.clone(), Served::Source)));
        }
        let path = series.list_path();
        if !path.exists() {
            return Ok(None);
        }
        let load = ListLoad::open(&path, signers, limits)?;
        let is_post_dated =
            load.fingerprint().modified() > now || load.fingerprint().is_post_dated();
        let mut list = load.run(now)?;
        self.settle_written(&mut list, true, is_post_dated);
        let place = self.marked_place().map(ToOwned::to_owned);
        let copy = Offer {
            list: Arc::new(list),
            place: place.unwrap_or_else(|| path.display().to_string()),
            path: path.clone(),
        };
        self.check_order(&copy, Tie::WasInUse, now)?;
        self.raise(marks_of(&copy));
        if !copy.list.is_due(now) {
            return Err(SourceError::FromTheFuture {
                path,
                this_update: copy.list.this_update(),
                now,
                state_folder: series.folder().to_owned(),
            });
        }
        Ok(Some(self.swap(copy, Served::LastGood)))
    }

    /// From when a list without nextUpdate counts: one that is known does not count anew because the time of its file was
    /// set ahead, or because it was copied.
    pub(crate) fn settle_written(&self, list: &mut LoadedList, is_copy: bool, is_post_dated: bool) {
        if let Some(marks) = self
            .high_water
            .as_ref()
            .filter(|marks| (is_copy || is_post_dated) && marks.digest == list.digest())
        {
            list.count_from(marks.written.min(list.written));
        }
    }

    /// Against the newest list used so far.
    fn check_order(&self, offer: &Offer, tie: Tie<'_>, now: Time) -> Result<(), SourceError> {
        let Some(high_water) = &self.high_water else {
            return Ok(());
        };
        let facts = &offer.list.facts;
        let this_update = offer.list.this_update();
        let path = || offer.path.clone();
        let state_folder = || {
            self.series
                .as_ref()
                .map(|series| series.folder().to_owned())
        };
        if facts.digest == high_water.digest {
            return Ok(());
        }
        if this_update < high_water.this_update {
            return Err(SourceError::Older {
                path: path(),
                this_update,
                in_use: high_water.this_update,
                state_folder: state_folder(),
            });
        }
        if marks_of(offer).is_tied_with(high_water) {
            let is_enough = match tie {
                Tie::WasInUse => true,
                Tie::Compare(used) => {
                    used.digest() == high_water.digest && offer.list.revokes_all_of(used)
                }
                Tie::Unknown => false,
            };
            return if is_enough {
                Ok(())
            } else {
                Err(SourceError::SameOrder {
                    path: path(),
                    digest: facts.digest,
                    in_use: high_water.digest,
                    state_folder: state_folder(),
                })
            };
        }
        let (Some(number), Some(in_use)) = (&facts.crl_number, &high_water.crl_number) else {
            return Ok(());
        };
        let is_newer = this_update > high_water.this_update;
        let has_run_out = now >= high_water.next_update;
        let is_accepted = self.accepted == Some(facts.digest);
        if number >= in_use || (is_newer && (has_run_out || is_accepted)) {
            return Ok(());
        }
        Err(SourceError::LowerNumber {
            path: path(),
            this_update,
            number: number.clone(),
            in_use: in_use.clone(),
            held_until: is_newer.then_some(high_water.next_update),
        })
    }

    fn note_held(&mut self, offer: &Offer, refusal: Option<&SourceError>) {
        match refusal {
            Some(SourceError::LowerNumber {
                held_until: Some(_),
                ..
            }) => {
                let this_update = offer.list.this_update();
                // Of several, the newest: nobody is asked about one that it would overtake.
                let is_newest = self.held.as_ref().is_none_or(|held| {
                    held.place == offer.place || held.this_update <= this_update
                });
                if is_newest {
                    self.held = Some(HeldList {
                        digest: offer.list.digest(),
                        place: offer.place.clone(),
                        this_update,
                    });
                }
            }
            Some(_) => {}
            None => {
                let this_update = offer.list.facts.window.this_update;
                self.held
                    .take_if(|held| held.place == offer.place || held.this_update <= this_update);
            }
        }
    }

    fn swap(&mut self, offer: Offer, served: Served) -> Swap {
        let in_use = self.in_use.as_ref();
        let before = in_use.map(|in_use| self.marks_in_use(in_use));
        let before = before.or_else(|| self.high_water.clone());
        self.raise(marks_of(&offer));
        let marks = self.marks_in_use(&offer);
        let is_kept = self.kept_marks.as_ref() == Some(&marks)
            && self
                .series
                .as_ref()
                .is_some_and(|series| series.holds(offer.original()));
        self.is_unkept = self.series.is_some() && !is_kept;
        self.keeping.begin();
        self.accepted = None;
        self.before = before;
        (self.is_ahead, self.is_copy_over) = (false, false);
        let list = Arc::clone(&offer.list);
        let before = self.in_use.replace(offer);
        Swap {
            served,
            list,
            before: before.map(|before| before.list),
        }
    }

    fn marks_in_use(&self, offer: &Offer) -> Marks {
        let mut marks = self
            .high_water
            .clone()
            .filter(|marks| marks.digest == offer.list.digest())
            .unwrap_or_else(|| marks_of(offer));
        marks.source.clone_from(&offer.place);
        marks
    }

    fn raise(&mut self, marks: Marks) {
        if self
            .high_water
            .as_ref()
            .is_none_or(|high_water| !high_water.is_newer_than(&marks))
        {
            self.high_water = Some(marks);
        }
    }

    /// That list is in use, and what is known of it otherwise stays.
    fn mark(&mut self, offer: &Offer) {
        let high_water = self.high_water.as_ref();
        if high_water.is_none_or(|marks| marks.digest != offer.list.digest()) {
            self.raise(marks_of(offer));
        }
    }
}

/// What is remembered of a list.
fn marks_of(offer: &Offer) -> Marks {
    let facts = &offer.list.facts;
    Marks {
        this_update: facts.window.this_update,
        next_update: facts.window.next_update,
        crl_number: facts.crl_number.clone(),
        digest: facts.digest,
        written: offer.list.written,
        source: offer.place.clone(),
    }
}

#[cfg(test)]
mod tests {
    use ocspry_core::OwnedCertificate;
    use ocspry_testkit::{Authority, CrlSpec, KeyKind, now};

    use super::*;
    use crate::load::ListLoad;

    #[test]
    fn a_list_that_is_read_once_more_is_in_memory_once() {
        let ca = Authority::root("Line CA", KeyKind::P256);
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("crl.pem");
        std::fs::write(&path, ca.crl(&CrlSpec::new(7))).unwrap();
        let certificate = OwnedCertificate::from_der(ca.certificate).unwrap();
        let signers = Arc::new(CrlSigners::new(certificate, Vec::new()));
        let now = now();
        let offer = || {
            let load = ListLoad::open(&path, &signers, &SourceLimits::DEFAULT).unwrap();
            Offer {
                list: Arc::new(load.run(now).unwrap()),
                path: path.clone(),
                place: path.display().to_string(),
            }
        };
        let mut line = Line::new(None, false);
        line.read_marks().unwrap();
        let first = offer();
        assert!(matches!(
            line.offer(first.clone(), now),
            Ok(Taken::Swapped(_))
        ));
        assert!(matches!(line.offer(offer(), now), Ok(Taken::InUse)));
        assert!(Arc::ptr_eq(line.in_use().unwrap(), &first.list));
    }
}
