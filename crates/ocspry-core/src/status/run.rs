//! One run of rows, sorted in a core's own cache.
//!
//! From: `sorting`, which makes runs short enough.  To: `sorting`, as narrow rows in order, each serial once.

use std::cmp::Ordering;

use super::blocks::{Blocks, Run};
use super::group::Layout;
use super::rows::{copy_row, key_at};
use super::sorting::{Rank, shared_octets};

/// A run that is being sorted, and memory that one run after the other uses.
#[derive(Debug, Default)]
pub(super) struct RunSorting {
    /// Octets that all serials begin with.
    common: usize,
    width: usize,
    /// The rows as they were pushed.
    wide: Vec<u8>,
    /// The rows as they go out.
    pub(super) narrow: Vec<u8>,
    /// Each bucket of the index that a serial is in, and the first of its rows that go out.
    pub(super) begins: Vec<(usize, usize)>,
    unsorted: Vec<Key>,
    sorted: Vec<Key>,
    heads: Vec<u32>,
}

/// The first 48 bits of a serial behind what it shares with its neighbours, and the number of its row.
type Key = u64;

/// A run has no more rows than fit the bits of [`ROW_NUMBER`].
#[inline]
fn key_of(bits: u64, number: usize) -> Key {
    bits & !ROW_NUMBER | number as u64
}

/// The number of the row in a key.
#[inline]
fn number_of(key: Key) -> usize {
    (key & ROW_NUMBER) as usize
}

impl RunSorting {
    /// Takes the rows of a run, whose serials have so many octets in common.
    pub(super) fn begin(&mut self, blocks: &mut Blocks, run: &Run, common: usize) {
        self.common = common;
        self.width = blocks.width();
        self.wide.clear();
        blocks.take_all(run, &mut self.wide);
    }

    /// Puts them in order into `narrow`: first every key to those that begin like it, then the few there among themselves.
    pub(super) fn sort(&mut self, layout: &Layout, rank: Rank<'_>) {
        let length = layout.length;
        let (wide, width) = (&self.wide[..], self.width);
        let count = wide.len() / width;
        let row = |number: usize| &wide[number * width..][..width];
        let row_of = |key: Key| row(number_of(key));
        let compare = |left: &Key, right: &Key| {
            let bits = (left & !ROW_NUMBER).cmp(&(right & !ROW_NUMBER));
            bits.then_with(|| {
                let (left, left_data) = row_of(*left).split_at(length);
                let (right, right_data) = row_of(*right).split_at(length);
                left.cmp(right).then_with(|| rank(left_data, right_data))
            })
        };
        let bits = |number: usize| key_at(&row(number)[..length], self.common);
        let first_bits = bits(0);
        let differing = (1..count).fold(0, |differing, number| {
            differing | (bits(number) ^ first_bits)
        });
        let skip = differing.leading_zeros().min(63);
        self.unsorted.clear();
        self.unsorted
            .extend((0..count).map(|number| key_of(bits(number) << skip, number)));

        // Every key to the others with the same bits, then order among those few.
        let bucket_bits = (count.ilog2().max(2) - 1).min(64 - skip).min(KEY_BITS);
        let bucket = |key: Key| (key >> (64 - bucket_bits)) as usize;
        self.heads.clear();
        self.heads.resize(1 << bucket_bits, 0);
        for key in &self.unsorted {
            self.heads[bucket(*key)] += 1;
        }
        let mut begin = 0;
        for head in &mut self.heads {
            let few = *head;
            *head = begin;
            begin += few;
        }
        self.sorted.resize(count, 0);
        for key in &self.unsorted {
            let head = &mut self.heads[bucket(*key)];
            self.sorted[*head as usize] = *key;
            *head += 1;
        }
        let mut begin = 0;
        for end in &self.heads {
            let few = &mut self.sorted[begin..*end as usize];
            begin = *end as usize;
            match few.len() {
                0 | 1 => {}
                2..=FEW => insertion_sort(few, compare),
                _ => {
                    // Serials that are alike for long are compared behind that.
                    let first = &row_of(few[0])[..length];
                    let common = few.iter().fold(first.len(), |common, key| {
                        shared_octets(&first[..common], row_of(*key))
                    });
                    for key in few.iter_mut() {
                        *key = key_of(key_at(&row_of(*key)[..length], common), number_of(*key));
                    }
                    few.sort_unstable_by(compare);
                }
            }
        }

        let width_out = layout.width();
        self.narrow.clear();
        self.narrow.resize(count * width_out, 0);
        self.begins.clear();
        let mut out = 0;
        let mut last: (u64, &[u8]) = (0, &[]);
        let mut last_bucket = None;
        for key in &self.sorted {
            let row = row_of(*key);
            // Of the same serial, the bits in the keys are the same.
            let this = (key & !ROW_NUMBER, &row[..length]);
            if this == last {
                continue;
            }
            last = this;
            let (_, serial) = this;
            let place = out * width_out..(out + 1) * width_out;
            copy_row(&row[layout.stripped()..], &mut self.narrow[place]);
            let bucket = layout.bucket(serial);
            if last_bucket != Some(bucket) {
                self.begins.push((bucket, out));
                last_bucket = Some(bucket);
            }
            out += 1;
        }
        self.narrow.truncate(out * width_out);
        if layout.bucket_count() == 1 {
            // Then there is no index.
            self.begins.clear();
        }
    }
}

#[inline]
fn insertion_sort(few: &mut [Key], compare: impl Fn(&Key, &Key) -> Ordering) {
    for unsorted in 1..few.len() {
        let key = few[unsorted];
        let mut place = unsorted;
        while place > 0 && compare(&key, &few[place - 1]) == Ordering::Less {
            few[place] = few[place - 1];
            place -= 1;
        }
        few[place] = key;
    }
}

/// In a key: the number of the row.
const ROW_NUMBER: u64 = 0xffff;
/// Bits of a serial in a key.
const KEY_BITS: u32 = 64 - ROW_NUMBER.count_ones();
/// Up to so many keys are sorted by inserting one after the other.
const FEW: usize = 16;
