//! How long each connection may take, without a timer per request.  From: `connection`, which says what it is doing.  To:
//! `connection` again, when its time is over.
//!
//! One list per worker.  A connection notes the tick at which its phase began; a sweep, a few times a second, walks the list, and
//! wakes those whose phase has lasted too long.  A phase does not begin anew when an octet arrives, so that a client that
//! sends one now and then gains nothing.  While nearly all places are taken, who only keeps a connection has less time.

use crate::Limits;
use crate::admission::Crowd;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first octet of its first request: it has just come, and is about to ask.
    New,
    /// The first octet of another request.
    Idle,
    /// The rest of the request.
    Request,
    /// Our answer.
    Answer,
    /// The client to take the answer.
    Write,
    /// The client to hear that it was refused.
    Linger,
}

/// What the connection's task must do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Go on.
    Continue,
    /// Finish what is begun, begin nothing.
    Drain,
    /// The time for this phase is over.
    Expired(Phase),
}

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct Deadlines {
    ticks_max: TicksMax,
    now: Rc<Cell<u64>>,
    watched: RefCell<Vec<Rc<Deadline>>>,
    is_draining: Cell<bool>,
}

impl Deadlines {
    /// Watches nobody yet.
    pub(crate) fn new(limits: &Limits) -> Deadlines {
        Deadlines {
            ticks_max: TicksMax::new(limits),
            now: Rc::new(Cell::new(0)),
            watched: RefCell::new(Vec::new()),
            is_draining: Cell::new(false),
        }
    }

    /// Watches a connection, in this phase from now on, until the guard is dropped.
    pub(crate) fn watch(self: &Rc<Self>, phase: Phase) -> Watched {
        let mut watched = self.watched.borrow_mut();
        let deadline = Rc::new(Deadline {
            index: Cell::new(watched.len()),
            phase: Cell::new(phase),
            since: Cell::new(self.now.get()),
            verdict: Cell::new(Verdict::Continue),
            now: Rc::clone(&self.now),
            waker: RefCell::new(None),
        });
        watched.push(Rc::clone(&deadline));
        Watched {
            deadlines: Rc::clone(self),
            deadline,
        }
    }

    /// One tick: ends each phase that has lasted too long.  Returns how many were ended only because of the crowd.
    pub(crate) fn sweep(&self, crowd: Crowd) -> u64 {
        let now = self.now.get() + 1;
        self.now.set(now);
        let mut made_room = 0;
        for deadline in self.watched.borrow().iter() {
            let phase = deadline.phase.get();
            let ticks_max = match phase {
                Phase::New if self.is_draining.get() => self.ticks_max.new_in_drain,
                phase => self.ticks_max.of(phase),
            };
            let crowded_ticks_max = match (crowd, phase) {
                (Crowd::Dense, Phase::New | Phase::Idle) => {
                    ticks_max.min(self.ticks_max.idle_when_crowded)
                }
                (
                    Crowd::Dense | Crowd::Sparse,
                    Phase::New
                    | Phase::Idle
                    | Phase::Request
                    | Phase::Answer
                    | Phase::Write
                    | Phase::Linger,
                ) => ticks_max,
            };
            let ticks = now - deadline.since.get();
            if ticks > crowded_ticks_max {
                // One that was told before has not been woken yet.
                let is_news = !matches!(deadline.verdict.get(), Verdict::Expired(_));
                made_room += u64::from(is_news && ticks <= ticks_max);
                deadline.tell(Verdict::Expired(phase));
            }
        }
        made_room
    }

    /// Asks every connection to finish.  One that has just come may still ask, if it does so soon.
    pub(crate) fn drain(&self) {
        self.is_draining.set(true);
        for deadline in self.watched.borrow().iter() {
            if deadline.verdict.get() == Verdict::Continue {
                if deadline.phase.get() == Phase::New {
                    deadline.since.set(self.now.get());
                }
                deadline.tell(Verdict::Drain);
            }
        }
    }

    /// [`Deadlines::drain`] was called.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.get()
    }

    /// How many are watched.
    pub(crate) fn count(&self) -> usize {
        self.watched.borrow().len()
    }

    fn forget(&self, deadline: &Deadline) {
        let mut watched = self.watched.borrow_mut();
        let index = deadline.index.get();
        watched.swap_remove(index);
        if let Some(moved) = watched.get(index) {
            moved.index.set(index);
        }
    }
}

/// A connection's entry in the list; leaves it on drop.
#[derive(Debug)]
pub(crate) struct Watched {
    deadlines: Rc<Deadlines>,
    deadline: Rc<Deadline>,
}

impl Watched {
    /// What the parts of the connection share.
    pub(crate) fn deadline(&self) -> &Rc<Deadline> {
        &self.deadline
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.deadlines.forget(&self.deadline);
    }
}

/// What one connection is doing, and since when.
#[derive(Debug)]
pub(crate) struct Deadline {
    index: Cell<usize>,
    phase: Cell<Phase>,
    since: Cell<u64>,
    verdict: Cell<Verdict>,
    now: Rc<Cell<u64>>,
    waker: RefCell<Option<Waker>>,
}

impl Deadline {
    /// Begins a phase.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.now.get());
    }

    /// The phase it is in.
    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// What its task must do.
    pub(crate) fn verdict(&self) -> Verdict {
        self.verdict.get()
    }

    /// Whom to wake for a new verdict.
    pub(crate) fn register(&self, context: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        match waker.as_mut() {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waker = Some(context.waker().clone()),
        }
    }

    fn tell(&self, verdict: Verdict) {
        self.verdict.set(verdict);
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }
}

/// The durations of [`Limits`], in ticks.
#[derive(Clone, Copy, Debug)]
struct TicksMax {
    new_in_drain: u64,
    idle: u64,
    idle_when_crowded: u64,
    request: u64,
    answer: u64,
    write: u64,
    linger: u64,
}

impl TicksMax {
    fn new(limits: &Limits) -> TicksMax {
        // The tick under way when a phase begins does not count, so no phase is cut short.
        let ticks = |duration: Duration| {
            u64::try_from(duration.as_nanos().div_ceil(limits.sweep.as_nanos().max(1)))
                .unwrap_or(u64::MAX)
        };
        TicksMax {
            new_in_drain: ticks(limits.new_in_drain),
            idle: ticks(limits.idle),
            idle_when_crowded: ticks(limits.idle_when_crowded),
            request: ticks(limits.request),
            answer: ticks(limits.answer),
            write: ticks(limits.write),
            linger: ticks(limits.linger),
        }
    }

    fn of(&self, phase: Phase) -> u64 {
        match phase {
            Phase::New | Phase::Idle => self.idle,
            Phase::Request => self.request,
            Phase::Answer => self.answer,
            Phase::Write => self.write,
            Phase::Linger => self.linger,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deadlines() -> Rc<Deadlines> {
        Rc::new(Deadlines::new(&Limits {
            idle: Duration::from_millis(40),
            request: Duration::from_millis(20),
            sweep: Duration::from_millis(10),
            ..Limits::DEFAULT
        }))
    }

    fn sweeps_until_expiry(deadlines: &Deadlines, watched: &Watched) -> usize {
        let mut sweeps = 0;
        while watched.deadline().verdict() == Verdict::Continue {
            deadlines.sweep(Crowd::Sparse);
            sweeps += 1;
        }
        sweeps
    }

    #[test]
    fn a_phase_is_never_cut_short_and_ends_within_two_sweeps_of_its_time() {
        let deadlines = deadlines();
        let watched = deadlines.watch(Phase::Idle);
        assert_eq!(sweeps_until_expiry(&deadlines, &watched), 5);
        assert_eq!(watched.deadline().verdict(), Verdict::Expired(Phase::Idle));

        let watched = deadlines.watch(Phase::Idle);
        deadlines.sweep(Crowd::Sparse);
        watched.deadline().enter(Phase::Request);
        assert_eq!(sweeps_until_expiry(&deadlines, &watched), 3);
        assert_eq!(
            watched.deadline().verdict(),
            Verdict::Expired(Phase::Request)
        );
    }

    #[test]
    fn a_new_phase_has_its_own_time() {
        let deadlines = deadlines();
        let watched = deadlines.watch(Phase::Idle);
        for _ in 0..50 {
            deadlines.sweep(Crowd::Sparse);
            watched.deadline().enter(Phase::Request);
            deadlines.sweep(Crowd::Sparse);
            watched.deadline().enter(Phase::Idle);
        }
        assert_eq!(watched.deadline().verdict(), Verdict::Continue);
    }

    #[test]
    fn in_a_crowd_who_only_keeps_a_connection_has_less_time_and_nobody_else() {
        let deadlines = Rc::new(Deadlines::new(&Limits {
            idle: Duration::from_secs(30),
            idle_when_crowded: Duration::from_secs(3),
            request: Duration::from_secs(10),
            sweep: Duration::from_secs(1),
            ..Limits::DEFAULT
        }));
        let phases = [Phase::New, Phase::Idle, Phase::Request, Phase::Answer];
        let watched = phases.map(|phase| deadlines.watch(phase));
        let verdicts = || watched.each_ref().map(|it| it.deadline().verdict());
        for _ in 0..3 {
            assert_eq!(deadlines.sweep(Crowd::Dense), 0);
        }
        assert_eq!(verdicts(), [Verdict::Continue; 4]);
        // One more sweep in the crowd, or many without.
        assert_eq!(deadlines.sweep(Crowd::Sparse), 0);
        assert_eq!(verdicts(), [Verdict::Continue; 4]);
        assert_eq!(deadlines.sweep(Crowd::Dense), 2);
        let expected = [
            Verdict::Expired(Phase::New),
            Verdict::Expired(Phase::Idle),
            Verdict::Continue,
            Verdict::Continue,
        ];
        assert_eq!(verdicts(), expected);
        // Each is counted once, however long its task takes to hear of it.
        assert_eq!(deadlines.sweep(Crowd::Dense), 0);
    }

    #[test]
    fn a_crowd_gives_nobody_more_time() {
        let deadlines = Rc::new(Deadlines::new(&Limits {
            idle: Duration::from_secs(1),
            idle_when_crowded: Duration::from_secs(3),
            sweep: Duration::from_secs(1),
            ..Limits::DEFAULT
        }));
        let watched = deadlines.watch(Phase::Idle);
        assert_eq!(deadlines.sweep(Crowd::Dense), 0);
        assert_eq!(deadlines.sweep(Crowd::Dense), 0);
        assert_eq!(watched.deadline().verdict(), Verdict::Expired(Phase::Idle));
    }

    #[test]
    fn connections_leave_the_list_in_any_order() {
        let deadlines = deadlines();
        let mut watched: Vec<Watched> = (0..10).map(|_| deadlines.watch(Phase::Idle)).collect();
        for index in [0, 8, 3, 3, 0] {
            drop(watched.swap_remove(index));
        }
        assert_eq!(deadlines.count(), 5);
        deadlines.drain();
        assert!(
            watched
                .iter()
                .all(|watched| watched.deadline().verdict() == Verdict::Drain)
        );
        watched.clear();
        assert_eq!(deadlines.count(), 0);
    }

    #[test]
    fn a_connection_that_has_just_come_when_a_drain_begins_may_ask_for_a_second() {
        let deadlines = Rc::new(Deadlines::new(&Limits {
            idle: Duration::from_secs(60),
            sweep: Duration::from_millis(100),
            ..Limits::DEFAULT
        }));
        let watched = deadlines.watch(Phase::New);
        for _ in 0..100 {
            deadlines.sweep(Crowd::Sparse);
        }
        deadlines.drain();
        let mut sweeps = 0;
        while watched.deadline().verdict() == Verdict::Drain {
            deadlines.sweep(Crowd::Sparse);
            sweeps += 1;
        }
        assert_eq!(sweeps, 11);
        assert_eq!(watched.deadline().verdict(), Verdict::Expired(Phase::New));
    }

    #[test]
    fn a_connection_that_was_asked_to_finish_still_has_its_deadline() {
        let deadlines = deadlines();
        let watched = deadlines.watch(Phase::Idle);
        deadlines.drain();
        for _ in 0..5 {
            deadlines.sweep(Crowd::Sparse);
        }
        assert_eq!(watched.deadline().verdict(), Verdict::Expired(Phase::Idle));
    }
}
