//! Whose turn it is to sign on a worker.  From: `responder`, before it signs with a fast key.  To: the same, at once or some
//! turns later.
//!
//! A worker that signed whatever came would let a flood of nonces stand before every cached answer.  So it makes a few
//! signatures in each turn of its loop, some eighty microseconds of work, or, where a turn takes long, a part of its time, so
//! that a flood of something else leaves signatures theirs; who comes after them waits in a
//! `WaitingLine`, and between two turns everybody else is served.  While there are fewer, nothing waits and nothing is
//! measured.  The listener drives it: it waits until the turn is [exhausted](SigningTurns::exhausted), lets the rest of
//! the loop run, and [begins](SigningTurns::begin) the next one.

use std::cell::RefCell;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::counts::{Count, ExcessCounts};
use crate::pace::Pace;
use crate::waiting_line::{Asker, Excess, SigningClass, WaitingLine, room};

/// The turns of one worker.
pub struct SigningTurns {
    /// None: nobody drives them, and whoever asks signs.
    driven: Option<RefCell<Driven>>,
    counts: Arc<TurnCounts>,
}

struct Driven {
    /// Signatures that are left in this turn.
    left: usize,
    /// An answer was renewed in this turn, beside these.
    has_renewed: bool,
    line: WaitingLine<oneshot::Sender<()>>,
    /// How long there is from one signature to the next while somebody waits, all else included.
    pace: Pace,
    patience: Duration,
    /// When the last turn began, and how many signatures were given in it, if somebody was left waiting.
    last: Option<(Instant, usize)>,
    driver: Option<Waker>,
}

/// What a worker counts of its turns; one thread adds.
#[derive(Debug, Default)]
pub struct TurnCounts {
    /// Waiting now.
    pub waiting: Count,
    /// How many may wait now; none as long as nobody has waited.
    pub waiting_max: Count,
    /// Signatures that were given to the pool's threads, which had nothing to do.
    pub handed_over: Count,
    /// Refused, by class and reason.
    pub refused: ExcessCounts,
}

/// When to sign.
pub(crate) enum Turn {
    /// At once.
    Now,
    /// When this says so; it ends without a word when that takes too long.
    Later(oneshot::Receiver<()>),
}

impl SigningTurns {
    /// Whoever asks signs at once.
    pub(crate) fn unbounded() -> SigningTurns {
        SigningTurns {
            driven: None,
            counts: Arc::default(),
        }
    }

    /// A few in each turn; whoever waits does so for `patience` at the most, as far as can be foreseen.
    pub(crate) fn driven(patience: Duration, counts: Arc<TurnCounts>) -> SigningTurns {
        SigningTurns {
            driven: Some(RefCell::new(Driven {
                left: TURN_SIGNATURES,
                has_renewed: false,
                line: WaitingLine::new(),
                pace: Pace::new(FIRST_PACE),
                patience,
                last: None,
                driver: None,
            })),
            counts,
        }
    }

    /// What is counted.
    pub(crate) fn counts(&self) -> &TurnCounts {
        &self.counts
    }

    /// So many wait that another processor would help.
    pub(crate) fn is_long(&self) -> bool {
        self.driven
            .as_ref()
            .is_some_and(|driven| driven.borrow().line.len() >= TURN_SIGNATURES)
    }

    /// When may this be signed?
    ///
    /// # Errors
    /// Never: too many wait.
    pub(crate) fn ask(&self, asker: Asker) -> Result<Turn, Excess> {
        let Some(driven) = &self.driven else {
            return Ok(Turn::Now);
        };
        let mut driven = driven.borrow_mut();
        if driven.left > 0 && driven.line.is_empty() {
            driven.left -= 1;
            if driven.left == 0 {
                driven.wake();
            }
            return Ok(Turn::Now);
        }
        let admitted = match asker.class {
            // One beside the others of each turn: in a flood that lasts, all answers would be over one day.
            SigningClass::Renewal if !std::mem::replace(&mut driven.has_renewed, true) => {
                return Ok(Turn::Now);
            }
            // There is an answer: the next client may find the worker with less to do.
            SigningClass::Renewal => Err(Excess::QueueFull),
            SigningClass::Kept | SigningClass::Once => driven.line.admit(asker, driven.room()),
        };
        if let Err(excess) = admitted {
            self.counts.refused.add(asker.class, excess, 1);
            return Err(excess);
        }
        let (sender, receiver) = oneshot::channel();
        driven.line.push(asker, Instant::now(), sender);
        driven.wake();
        self.tell(&driven);
        Ok(Turn::Later(receiver))
    }

    /// Waits until a new turn is needed.
    pub async fn exhausted(&self) {
        poll_fn(|context| match &self.driven {
            None => Poll::Pending,
            Some(driven) => {
                let mut driven = driven.borrow_mut();
                if driven.left == 0 || !driven.line.is_empty() {
                    return Poll::Ready(());
                }
                driven.driver = Some(context.waker().clone());
                Poll::Pending
            }
        })
        .await;
    }

    /// A new turn: those that have waited longest sign in it.
    pub fn begin(&self) {
        self.begin_at(Instant::now);
    }

    fn begin_at(&self, clock: impl FnOnce() -> Instant) {
        let Some(driven) = &self.driven else {
            return;
        };
        let mut driven = driven.borrow_mut();
        driven.left = TURN_SIGNATURES;
        driven.has_renewed = false;
        if driven.line.is_empty() {
            driven.last = None;
            return;
        }
        let now = clock();
        let longest = driven.patience * 2;
        if let Some((began, given)) = driven.last {
            let elapsed =
                now.saturating_duration_since(began).as_nanos() / SIGNATURE_EVERY.as_nanos();
            driven.left = usize::try_from(elapsed).map_or(TURN_SIGNATURES_MAX, |left| {
                left.clamp(TURN_SIGNATURES, TURN_SIGNATURES_MAX)
            });
            let given = u32::try_from(given.max(1)).unwrap_or(u32::MAX);
            // That the machine stood still once says little of what a signature takes when it does not.
            let each = now.saturating_duration_since(began) / given;
            driven.pace.note(each.min(longest));
        }
        let quota = driven.left;
        while let Some((class, _)) = driven.line.pop_overdue(longest, now) {
            self.counts.refused.add(class, Excess::Overdue, 1);
        }
        while driven.left > 0
            && let Some((_, waiting)) = driven.line.pop()
        {
            // Whoever hung up needs none.
            if waiting.item.send(()).is_ok() {
                driven.left -= 1;
            }
        }
        let given = quota - driven.left;
        driven.last = (!driven.line.is_empty()).then_some((now, given));
        self.tell(&driven);
    }

    fn tell(&self, driven: &Driven) {
        self.counts.waiting.set(driven.line.len() as u64);
        self.counts.waiting_max.set(driven.room() as u64);
    }
}

impl Driven {
    fn room(&self) -> usize {
        // More than one turn takes: who is left waiting is what the pace is measured by.
        room(self.patience, self.pace.average(), WAITING_MAX).max(WAITING_MIN)
    }

    fn wake(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }
}

/// Signatures in one turn: some eighty microseconds, which a cached answer that comes meanwhile may have to wait.
pub(crate) const TURN_SIGNATURES: usize = 4;
/// In a turn that took long, one for each such span: a sixteenth of the time, with keys that sign in 25 µs (P-256, Ed25519), a
/// fifth with those that take 85 (P-384).  A turn is long when
/// more is asked than can be read beside the signatures: these give way, or all that is read would wait the longer.
const SIGNATURE_EVERY: Duration = Duration::from_micros(400);
/// However long a turn took.
const TURN_SIGNATURES_MAX: usize = 64;
/// Least that may wait on one worker, however slow it is.
const WAITING_MIN: usize = 2 * TURN_SIGNATURES;
/// Most that wait on one worker, however fast it is.
const WAITING_MAX: usize = 1024;
/// What is assumed until it is known.
const FIRST_PACE: Duration = Duration::from_micros(200);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Client, Network};
    use std::pin::pin;
    use std::task::Context;

    const NONCE: Asker = Asker {
        class: SigningClass::Once,
        client: Client::Of(Network::V4([192, 0, 2, 1])),
    };

    fn turns(patience: Duration) -> SigningTurns {
        SigningTurns::driven(patience, Arc::default())
    }

    fn wait(turns: &SigningTurns, asker: Asker) -> oneshot::Receiver<()> {
        match turns.ask(asker) {
            Ok(Turn::Later(waiting)) => waiting,
            Ok(Turn::Now) => panic!("it need not wait"),
            Err(excess) => panic!("{excess:?}"),
        }
    }

    fn is_exhausted(turns: &SigningTurns) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        pin!(turns.exhausted())
            .as_mut()
            .poll(&mut context)
            .is_ready()
    }

    #[test]
    fn a_few_sign_in_one_turn_and_the_others_in_the_next_ones_in_their_order() {
        let turns = turns(Duration::from_secs(1));
        for _ in 0..TURN_SIGNATURES {
            assert!(!is_exhausted(&turns));
            assert!(matches!(turns.ask(NONCE), Ok(Turn::Now)));
        }
        let mut waiting: Vec<_> = (0..6).map(|_| wait(&turns, NONCE)).collect();
        for expected in [4, 6] {
            assert!(is_exhausted(&turns));
            turns.begin();
            // Those that were served are the first ones.
            let first = |waiting: &mut Vec<oneshot::Receiver<()>>| {
                waiting
                    .first_mut()
                    .is_some_and(|one| one.try_recv().is_ok())
            };
            while first(&mut waiting) {
                waiting.remove(0);
            }
            assert_eq!(6 - waiting.len(), expected);
        }
        assert_eq!(turns.counts().waiting.get(), 0);
    }

    #[test]
    fn in_a_long_turn_the_others_come_first_and_some_sign_all_the_same() {
        for (microseconds, expected) in [(100, 4), (1_600, 4), (4_000, 10), (10_000_000, 64)] {
            let turns = turns(Duration::from_secs(100));
            while matches!(turns.ask(NONCE), Ok(Turn::Now)) {}
            let waiting: Vec<_> = (0..200).map(|_| wait(&turns, NONCE)).collect();
            let began = Instant::now();
            turns.begin_at(|| began);
            let served = || turns.counts().waiting.get();
            let before = served();
            turns.begin_at(|| began + Duration::from_micros(microseconds));
            assert_eq!(before - served(), expected, "{microseconds} µs");
            drop(waiting);
        }
    }

    #[test]
    fn an_answer_for_everybody_goes_before_those_for_one_client_each() {
        let turns = turns(Duration::from_secs(1));
        while matches!(turns.ask(NONCE), Ok(Turn::Now)) {}
        let _nonces: Vec<_> = (0..20).map(|_| wait(&turns, NONCE)).collect();
        let mut kept = wait(
            &turns,
            Asker {
                class: SigningClass::Kept,
                ..NONCE
            },
        );
        turns.begin();
        assert!(kept.try_recv().is_ok());
    }

    #[test]
    fn those_that_left_take_nobodys_turn() {
        let turns = turns(Duration::from_secs(1));
        while matches!(turns.ask(NONCE), Ok(Turn::Now)) {}
        let gone: Vec<_> = (0..20).map(|_| wait(&turns, NONCE)).collect();
        let mut here = wait(&turns, NONCE);
        drop(gone);
        turns.begin();
        assert!(here.try_recv().is_ok());
    }

    #[test]
    fn a_renewal_never_waits_and_one_is_made_in_each_turn_of_a_flood() {
        let turns = turns(Duration::from_secs(1));
        while matches!(turns.ask(NONCE), Ok(Turn::Now)) {}
        let _nonces: Vec<_> = (0..20).map(|_| wait(&turns, NONCE)).collect();
        let renewal = Asker {
            class: SigningClass::Renewal,
            ..NONCE
        };
        for _ in 0..3 {
            assert!(matches!(turns.ask(renewal), Ok(Turn::Now)));
            assert!(matches!(turns.ask(renewal), Err(Excess::QueueFull)));
            turns.begin();
        }
    }

    #[test]
    fn a_machine_that_stood_still_once_lets_as_many_wait_as_before_soon_after() {
        let turns = turns(Duration::from_millis(100));
        while matches!(turns.ask(NONCE), Ok(Turn::Now)) {}
        let asleep: Vec<_> = (0..10).map(|_| wait(&turns, NONCE)).collect();
        let mut now = Instant::now();
        turns.begin_at(|| now - Duration::from_secs(10));
        turns.begin_at(|| now);
        drop(asleep);
        assert!(turns.counts().waiting_max.get() < 16);
        let mut waiting = Vec::new();
        for _ in 0..200 {
            let come = (0..20).map(|_| turns.ask(NONCE));
            waiting.extend(come.filter_map(Result::ok));
            now += Duration::from_micros(100);
            turns.begin_at(|| now);
        }
        assert!(turns.counts().waiting_max.get() > 400);
    }

    #[test]
    fn what_is_too_much_is_refused_at_once_and_counted() {
        // 5 ms at 200 µs a signature.
        let turns = turns(Duration::from_millis(5));
        while matches!(turns.ask(NONCE), Ok(Turn::Now)) {}
        let trusted = Asker {
            client: Client::Trusted,
            ..NONCE
        };
        let mut waiting = 1;
        let mut kept = Vec::new();
        while let Ok(Turn::Later(one)) = turns.ask(trusted) {
            kept.push(one);
            waiting += 1;
        }
        assert_eq!(waiting, 25);
        let refused = &turns.counts().refused;
        assert_eq!(refused.get(SigningClass::Once, Excess::QueueFull), 1);
        assert_eq!(turns.counts().waiting.get(), 25);
    }

    #[test]
    fn what_a_signature_took_with_all_between_two_changes_how_many_may_wait() {
        // An average of 200 µs, of which the new one is an eighth, and 100 s divided by that; 1024 at the most.
        for (each, expected) in [
            (Duration::from_micros(200), 1024),
            (Duration::from_secs(2), 399),
            (Duration::from_secs(4), 199),
        ] {
            let turns = turns(Duration::from_secs(100));
            while matches!(turns.ask(NONCE), Ok(Turn::Now)) {}
            let _waiting: Vec<_> = (0..200).map(|_| wait(&turns, NONCE)).collect();
            let waiting_max = || turns.counts().waiting_max.get();
            let began = Instant::now();
            turns.begin_at(|| began);
            assert_eq!(waiting_max(), 1024);
            turns.begin_at(|| began + each * 4);
            assert_eq!(waiting_max(), expected, "{each:?}");
        }
    }

    #[test]
    fn nobody_waits_where_nobody_drives() {
        let turns = SigningTurns::unbounded();
        for _ in 0..100 {
            assert!(matches!(turns.ask(NONCE), Ok(Turn::Now)));
        }
        assert!(!is_exhausted(&turns));
    }
}
