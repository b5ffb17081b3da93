//! Who begins when, and how many may wait: the pool without its threads, at times given by hand.

use super::*;
use crate::Client;

const LONGEST: Duration = Duration::from_secs(1);

/// A key with such signatures under way: when each began, and whether it is overdue.
fn lane(under_way: &[(Instant, bool)]) -> Lane {
    let under_way = under_way.iter().map(|&(began, is_overdue)| UnderWay {
        number: 0,
        asked: began,
        began,
        waiters: Waiters::One(Reply::new(oneshot::channel().0)),
        is_given_up: is_overdue,
        is_overdue,
    });
    Lane {
        line: WaitingLine::new(),
        under_way: under_way.collect(),
        pace: Arc::new(Pace::new(LONGEST)),
    }
}

#[test]
fn a_key_takes_the_last_idle_thread_only_if_it_has_none() {
    let now = Instant::now();
    assert!(lane(&[]).may_begin(false, LONGEST, now));
    assert!(!lane(&[(now, false)]).may_begin(false, LONGEST, now));
    assert!(lane(&[(now, false)]).may_begin(true, LONGEST, now));
}

#[test]
fn a_key_that_holds_two_threads_is_tried_again_after_its_longest_time_doubled_with_each() {
    let began = Instant::now();
    let hung = (began, true);
    let may =
        |lane: &Lane, seconds| lane.may_begin(true, LONGEST, began + Duration::from_secs(seconds));
    assert!(may(&lane(&[hung]), 0));
    let two = lane(&[hung, hung]);
    assert_eq!((may(&two, 3), may(&two, 4)), (false, true));
    let three = lane(&[hung, hung, hung]);
    assert_eq!((may(&three, 7), may(&three, 8)), (false, true));
}

#[test]
fn beside_two_that_hang_one_is_tried_at_a_time_and_the_next_when_that_has_ended() {
    let began = Instant::now();
    let later = began + Duration::from_secs(10);
    let hung = (began, true);
    let trial = lane(&[hung, hung, (later, false)]);
    assert!(!trial.may_begin(true, LONGEST, later));
    assert!(lane(&[hung, hung]).may_begin(true, LONGEST, later));
}

#[test]
fn the_room_in_front_of_a_key_is_what_it_signs_while_clients_wait() {
    for (each, expected) in [(5, 100), (10, 50), (50, 10), (250, 2)] {
        assert_eq!(room(each, &[ON_TIME], 1), expected, "{each} ms each");
    }
}

#[test]
fn the_room_shrinks_by_how_late_the_signature_under_way_is() {
    // What each takes, which is 10 ms, is no delay.
    for (age, expected) in [(0, 50), (10, 50), (20, 49), (110, 40), (410, 10), (490, 2)] {
        assert_eq!(room(10, &[(age, false)], 1), expected, "after {age} ms");
    }
    // Each thread counts with what is left of its own time.
    assert_eq!(room(10, &[(110, false), (410, false)], 1), 40 + 10);
}

#[test]
fn the_room_is_that_of_all_threads_but_the_one_that_is_kept_for_others() {
    for (under_way, idle, expected) in [
        (&[][..], 0, 50),
        (&[], 1, 50),
        (&[], 3, 100),
        (&[ON_TIME], 0, 50),
        (&[ON_TIME], 1, 50),
        (&[ON_TIME], 3, 150),
        (&[ON_TIME, ON_TIME], 0, 100),
        // One that hangs gets none of the idle ones.
        (&[(10_000, true)], 9, 2),
        (&[(10_000, true), ON_TIME], 9, 50),
    ] {
        let found = room(10, under_way, idle);
        assert_eq!(found, expected, "{under_way:?}, {idle} idle");
    }
}

#[test]
fn two_may_always_wait_and_512_at_the_most() {
    for age in [510, 10_000, 3_600_000] {
        assert_eq!(room(10, &[(age, false)], 0), 2, "after {age} ms");
    }
    assert_eq!(room(3_600_000, &[ON_TIME], 0), 2);
    for each in [0, 1] {
        let idle = 100;
        assert_eq!(room(each, &[ON_TIME], idle), 512, "{each} ms each");
    }
}

#[test]
fn a_key_that_hangs_closes_its_own_line_and_no_other_and_opens_it_with_its_next_signature() {
    let mut played = Played::new();
    let began = Instant::now();
    let [hung, well] = [1, 2].map(|id| (id, pace_of(10)));
    let after = |milliseconds| began + Duration::from_millis(milliseconds);
    played.ask(&hung, began).unwrap();
    let under_way = played.take(began);
    // It is a tenth of what clients wait late, and then a fifth.
    assert_eq!(played.ask_until_refused(&hung, after(60)), 45);
    assert_eq!(played.ask_until_refused(&hung, after(110)), 0);
    played.ask(&well, began).unwrap();
    let other = played.take(after(110));
    assert_eq!(played.ask_until_refused(&well, after(110)), 50);
    // What the metric says is of the key that takes the fewest.
    assert_eq!(played.waiting_max(after(110)), 40);
    assert_eq!(played.waiting_max(after(10_000)), 2);
    let refused = played.pool.counts_at(after(110)).refused;
    assert_eq!(
        refused[SigningClass::Once as usize][Excess::QueueFull as usize],
        3
    );
    // That it hung counts as twice what clients wait, an eighth of which is in the average: 8.75 + 125 ms.
    played.end(&other, after(120));
    played.end(&under_way, after(10_000));
    assert_eq!(played.waiting_max(after(10_000)), 3);
}

#[test]
fn what_a_signature_took_changes_how_many_may_wait() {
    // An average of 10 ms, of which the new one is an eighth.
    for (took, expected) in [(10, 50), (100, 23), (0, 57)] {
        let mut played = Played::new();
        let began = Instant::now();
        let key = (1, pace_of(10));
        for _ in 0..2 {
            played.ask(&key, began).unwrap();
        }
        let under_way = played.take(began);
        assert_eq!(played.waiting_max(began), 50);
        let ended = began + Duration::from_millis(took);
        played.end(&under_way, ended);
        assert_eq!(played.waiting_max(ended), expected, "{took} ms");
    }
}

#[test]
fn keys_that_wait_share_the_time_of_the_threads_where_they_are_more() {
    // Two threads; what each key signs alone is 50.
    for (keys, expected) in [(1, 50), (2, 50), (4, 25), (8, 12), (100, 2)] {
        let mut played = Played::new();
        let now = Instant::now();
        for key in 0..keys {
            played.ask(&(key, pace_of(10)), now).unwrap();
        }
        let newest = (0, pace_of(10));
        let let_in = 1 + played.ask_until_refused(&newest, now);
        assert_eq!(let_in, expected, "{keys} keys");
    }
}

#[test]
fn a_key_that_hangs_has_no_part_of_the_time_that_others_share() {
    let mut played = Played::new();
    let began = Instant::now();
    let later = began + Duration::from_secs(60);
    for key in 0..2 {
        played.ask(&(key, pace_of(10)), began).unwrap();
        played.take(began);
        played.ask(&(key, pace_of(10)), later).unwrap();
    }
    overdue_at(&played, later);
    for key in [8, 9] {
        played.ask(&(key, pace_of(10)), later).unwrap();
        let let_in = 1 + played.ask_until_refused(&(key, pace_of(10)), later);
        assert_eq!(let_in, 50, "{key}");
    }
}

#[test]
fn whoever_waits_is_told_so_by_when_they_asked_and_a_thread_is_held_by_when_it_began() {
    let mut played = Played::new();
    let asked = Instant::now();
    let after = |milliseconds| asked + Duration::from_millis(milliseconds);
    let key = (1, pace_of(10));
    played.ask(&key, asked).unwrap();
    played.take(after(1000));
    // 2 × (500 + 10) ms.
    assert_eq!(overdue_at(&played, after(1019)), (0, 0));
    assert!(played.clients[0].try_recv().is_err());
    assert_eq!(overdue_at(&played, after(1020)), (1, 0));
    let told = played.clients[0].try_recv().unwrap();
    assert!(matches!(told, Err(SignError::Excess(Excess::Overdue))));
    // Nobody is told twice.
    assert_eq!(overdue_at(&played, after(2019)), (1, 0));
    assert_eq!(overdue_at(&played, after(2020)), (1, 1));
}

/// Looks as the watch does: how many were told so far that it takes too long, and how many threads are held.
fn overdue_at(played: &Played, now: Instant) -> (u64, u64) {
    let shared = &played.pool.shared;
    let found = watch::overdue(shared, &mut shared.lock(), now);
    found.tell(shared);
    let counts = played.pool.counts_at(now);
    let told = counts.refused[SigningClass::Once as usize][Excess::Overdue as usize];
    (told, counts.threads_stuck)
}

/// How many may wait for a key whose signatures take so many milliseconds each, while those are under way, beside so many idle threads.
fn room(each: u64, under_way: &[(u64, bool)], idle: usize) -> usize {
    let first = Instant::now();
    let now = first + Duration::from_hours(1);
    let began = |age| first + (Duration::from_hours(1) - Duration::from_millis(age));
    let under_way: Vec<_> = under_way
        .iter()
        .map(|&(age, is_overdue)| (began(age), is_overdue))
        .collect();
    let lane = Lane {
        pace: pace_of(each),
        ..lane(&under_way)
    };
    let shared = Shared::new(LIMITS, || {});
    let mut state = shared.lock();
    state.idle = idle;
    shared.room(&lane, &state, state.keys_waiting(), now)
}

fn pace_of(milliseconds: u64) -> Arc<Pace> {
    Arc::new(Pace::new(Duration::from_millis(milliseconds)))
}

/// A pool whose threads are played by the test, at times given by hand.
struct Played {
    pool: SigningPool,
    /// They have not hung up.
    clients: Vec<oneshot::Receiver<Result<SignedResponse, SignError>>>,
}

impl Played {
    fn new() -> Played {
        let shared = Arc::new(Shared::new(LIMITS, || {}));
        Played {
            pool: SigningPool { shared },
            clients: Vec::new(),
        }
    }

    fn ask(&mut self, (key, pace): &(u64, Arc<Pace>), now: Instant) -> Result<(), SignError> {
        let (sender, client) = oneshot::channel();
        self.clients.push(client);
        let job = Job {
            sign: Box::new(|| {}),
            waiters: Waiters::One(Reply::new(sender)),
        };
        let nonce = Asker {
            class: SigningClass::Once,
            client: Client::Trusted,
        };
        self.pool.submit_at(*key, pace, nonce, job, now)
    }

    /// How many were let in.
    fn ask_until_refused(&mut self, key: &(u64, Arc<Pace>), now: Instant) -> usize {
        let mut let_in = 0;
        while self.ask(key, now).is_ok() {
            let_in += 1;
        }
        let_in
    }

    fn take(&self, now: Instant) -> Taken {
        let taken = self.pool.shared.lock().take(&LIMITS, now);
        taken.expect("one may begin")
    }

    fn end(&self, taken: &Taken, now: Instant) {
        let mut state = self.pool.shared.lock();
        state.end(&LIMITS, taken.key, taken.number, now);
    }

    fn waiting_max(&self, now: Instant) -> u64 {
        self.pool.counts_at(now).waiting_max
    }
}

/// As the product has them: clients wait for half a second, and 512 of them at the most.
const LIMITS: PoolLimits = PoolLimits {
    threads: 2,
    waiting_max: 512,
    patience: Duration::from_millis(500),
};
/// A signature that has just begun.
const ON_TIME: (u64, bool) = (0, false);
