//! Who begins when: the pool without its threads, at times given by hand.

use super::*;

const LONGEST: Duration = Duration::from_secs(1);

/// A key with such signatures under way: when each began, and whether it is overdue.
fn lane(under_way: &[(Instant, bool)]) -> Lane {
    let under_way = under_way.iter().map(|&(began, is_overdue)| UnderWay {
        number: 0,
        began,
        waiters: Waiters::One(Reply::new(oneshot::channel().0)),
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
