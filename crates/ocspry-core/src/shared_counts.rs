//! Counts that several threads add to, and histograms of durations made of them.  From: `responder` (what each issuer's
//! clients were told), `signing_meter`, and the listener.  To: whoever asks (metrics).
//!
//! Each thread adds in a share of its own, on cache lines of its own, so that a count for an issuer costs a request some
//! nanoseconds and no wait.  With more threads than shares some have one together, which is still right, since they add
//! atomically.  Sums are made by whoever reads.

use std::array;
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Shares of a count: more than the workers of most machines, and 2 KiB at the most for a count of all that an issuer said.
const SHARES: usize = 16;

/// `PLACES` numbers that any thread may add to.
#[derive(Debug)]
pub struct SharedCounts<const PLACES: usize> {
    shares: Box<[Share<PLACES>]>,
}

#[derive(Debug)]
#[repr(align(128))]
struct Share<const PLACES: usize>([AtomicU64; PLACES]);

impl<const PLACES: usize> Default for SharedCounts<PLACES> {
    fn default() -> Self {
        let share = || Share(array::from_fn(|_| AtomicU64::new(0)));
        SharedCounts {
            shares: std::iter::repeat_with(share).take(SHARES).collect(),
        }
    }
}

impl<const PLACES: usize> SharedCounts<PLACES> {
    /// Adds at `place`; beyond the last one, nothing.
    pub fn add(&self, place: usize, more: u64) {
        let share = self.shares.get(SHARE.get());
        if let Some(count) = share.and_then(|share| share.0.get(place)) {
            count.fetch_add(more, Ordering::Relaxed);
        }
    }

    /// The sum at each place.
    pub fn sums(&self) -> [u64; PLACES] {
        array::from_fn(|place| {
            let of_share = |share: &Share<PLACES>| share.0[place].load(Ordering::Relaxed);
            self.shares.iter().map(of_share).sum()
        })
    }
}

thread_local! {
    /// The share of this thread: each new one takes the next.
    static SHARE: Cell<usize> = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Cell::new(NEXT.fetch_add(1, Ordering::Relaxed) % SHARES)
    };
}

/// How long something took, each time, in buckets.
#[derive(Debug, Default)]
pub struct Durations {
    /// One for each bound, one for what is longer, and the sum in nanoseconds.
    counts: SharedCounts<{ Durations::BOUNDS_US.len() + 2 }>,
}

impl Durations {
    /// The upper ends of the buckets, each counted in: from a cached answer (some microseconds) to a queue that is full (2 s).
    pub const BOUNDS_US: [u64; 17] = [
        10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000,
        500_000, 1_000_000, 2_500_000,
    ];

    /// It took this long.
    pub fn note(&self, elapsed: Duration) {
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        let bucket = Self::BOUNDS_US.partition_point(|bound| bound * 1_000 < nanoseconds);
        self.counts.add(bucket, 1);
        self.counts.add(Self::BOUNDS_US.len() + 1, nanoseconds);
    }

    /// How often it took up to each bound but more than the one before, the last: more than all; and the sum.
    pub fn read(&self) -> ([u64; Self::BOUNDS_US.len() + 1], Duration) {
        let sums = self.counts.sums();
        let sum = Duration::from_nanos(sums[Self::BOUNDS_US.len() + 1]);
        (array::from_fn(|bucket| sums[bucket]), sum)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn what_many_threads_add_is_summed_and_nothing_is_lost_where_two_have_one_share() {
        // So often that the two are at it at the same time, and are stopped in the middle of it.
        const TIMES: u64 = 2_000_000;
        let counts = SharedCounts::<2>::default();
        let both = Barrier::new(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    SHARE.set(0);
                    both.wait();
                    (0..TIMES).for_each(|_| counts.add(1, 2));
                });
            }
            for _ in 0..2 * SHARES {
                scope.spawn(|| counts.add(0, 3));
            }
        });
        assert_eq!(counts.sums(), [6 * SHARES as u64, 4 * TIMES]);
    }

    #[test]
    fn there_is_nothing_to_add_at_beyond_the_last_place() {
        let counts = SharedCounts::<2>::default();
        counts.add(2, 1);
        assert_eq!(counts.sums(), [0, 0]);
    }

    #[test]
    fn a_duration_falls_into_the_bucket_that_ends_with_it() {
        let durations = Durations::default();
        let us = Duration::from_micros;
        for elapsed in [
            us(0),
            us(10),
            us(10) + Duration::from_nanos(1),
            us(25),
            us(9_000_000),
        ] {
            durations.note(elapsed);
        }
        let (buckets, sum) = durations.read();
        assert_eq!(buckets[..3], [2, 2, 0]);
        assert_eq!(buckets[17], 1);
        assert_eq!(buckets.iter().sum::<u64>(), 5);
        assert_eq!(sum, us(9_000_045) + Duration::from_nanos(1));
    }
}
