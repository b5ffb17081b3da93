//! The serials of one length, sorted and found.
//!
//! From: `sorting`.  To: `revoked` and `issued`, which read what a row says of its serial.
//!
//! What all serials of a group begin with, down to the bit, is kept once.  The bits behind it, 0 to 24 of them, choose a
//! bucket; an index says where each bucket begins.  What prefix and bucket tell in whole octets is not in the rows.  Rows
//! hold the rest of the serial and what is said of it side by side.  Where in its bucket a serial lies is guessed from the
//! bits that follow, as one opens a dictionary; a few rows there are read together.  So a look-up among random or
//! consecutive serials touches the index, which is small, and one place in the rows, whether it finds something or not.
//! Where the guess is wrong, because serials come in clusters, halving finds the place.

use std::cmp::Ordering;

use ocspry_wire::x509::SerialNumber;

use super::rows::{Rows, key_at};

/// How the rows of one group are made.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    /// Octets of each serial.
    pub(super) length: usize,
    /// The first octets, which all serials have in common; at least the last octet is never among them.
    prefix: Vec<u8>,
    /// The key behind the prefix of one of the serials: its first `shared_bits` are those of all.
    shared_key: u64,
    /// Bits behind the prefix that all serials have in common, 0 to 7.
    shared_bits: u32,
    /// Bits behind those that choose the bucket.
    index_bits: u32,
    /// Octets of a serial that are not in its row.
    stripped: usize,
    /// Octets of what is said of a serial, behind the rest of it.
    data_octets: usize,
}

impl Layout {
    /// For so many serials of one length, which all begin like `first` for so many bits.
    pub(super) fn new(
        first: &[u8],
        common_bits: usize,
        count: usize,
        data_octets: usize,
    ) -> Layout {
        let length = first.len();
        let prefix_octets = (common_bits / 8).min(length - 1);
        let left = 8 * (length - prefix_octets);
        let shared_bits = (common_bits - 8 * prefix_octets).min(7);
        let index_bits = index_bits(count).min((left - shared_bits) as u32);
        let shared_bits = shared_bits as u32;
        let told = ((shared_bits + index_bits) / 8) as usize;
        Layout {
            length,
            prefix: first[..prefix_octets].to_vec(),
            shared_key: key_at(first, prefix_octets),
            shared_bits,
            index_bits,
            stripped: (prefix_octets + told).min(length - 1),
            data_octets,
        }
    }

    /// The place of a serial's bucket; meaningless for one that does not begin like the others.
    #[inline]
    pub(super) fn bucket(&self, serial: &[u8]) -> usize {
        self.bucket_of(key_at(serial, self.prefix.len()))
    }

    #[inline]
    fn bucket_of(&self, key: u64) -> usize {
        match self.index_bits {
            0 => 0,
            bits => ((key << self.shared_bits) >> (64 - bits)) as usize,
        }
    }

    /// How far into its bucket of so many rows a serial lies, if they are spread evenly.
    #[inline]
    fn share_of(&self, rows: usize, key: u64) -> usize {
        let within = key << (self.shared_bits + self.index_bits);
        ((rows as u128 * u128::from(within)) >> 64) as usize
    }

    pub(super) fn bucket_count(&self) -> usize {
        1 << self.index_bits
    }

    /// How many octets of a serial are not in its row.
    #[inline]
    pub(super) fn stripped(&self) -> usize {
        self.stripped
    }

    /// Octets of a row.
    pub(super) fn width(&self) -> usize {
        self.length - self.stripped + self.data_octets
    }

    /// The octets behind the prefix that a bucket tells, before the rest of the row.
    fn told_by_bucket(&self, bucket: usize, octets: &mut [u8]) {
        let bits = self.shared_bits + self.index_bits;
        let shared = match self.shared_bits {
            0 => 0,
            shared_bits => self.shared_key >> (64 - shared_bits),
        };
        let told = shared << self.index_bits | bucket as u64;
        for (place, octet) in (1u32..).zip(octets) {
            *octet = (told >> (bits - 8 * place)) as u8;
        }
    }
}

/// So many that a bucket of random serials holds 32 to 64: then the index of ten million serials takes a megabyte, which a
/// cache holds, and the place within a bucket can be guessed to within a few rows, which lie side by side.
fn index_bits(count: usize) -> u32 {
    match u32::try_from(count) {
        Ok(count) => (count / BUCKET_ROWS).max(1).ilog2().min(INDEX_BITS_MAX),
        // The index counts in u32.
        Err(_) => 0,
    }
}

const BUCKET_ROWS: u32 = if cfg!(any(test, fuzzing)) { 4 } else { 32 };
/// 64 MiB of index.
const INDEX_BITS_MAX: u32 = 24;
/// Up to so many rows are looked at together.
const FEW: usize = if cfg!(any(test, fuzzing)) { 3 } else { 12 };

/// What a few rows tell of the place of a serial.
enum Seen<'a> {
    /// It is one of them, and this is said of it.
    Here(&'a [u8]),
    /// Not among them, and it would have to be.
    Nowhere,
    /// If anywhere, before the first.
    Before,
    /// If anywhere, behind the last.
    Behind,
}

/// All serials of one length.
#[derive(Debug)]
pub(super) struct Group {
    layout: Layout,
    rows: Rows,
    /// Where each bucket begins, and where the last one ends; empty with one bucket only.
    index: Vec<u32>,
}

impl Group {
    /// Of sorted rows and the begins of all buckets.
    pub(super) fn new(layout: Layout, rows: Rows, index: Vec<u32>) -> Group {
        Group {
            layout,
            rows,
            index,
        }
    }

    pub(super) fn length(&self) -> usize {
        self.layout.length
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// What is said of a serial of this group's length.
    #[inline]
    pub(super) fn find(&self, serial: &[u8]) -> Option<&[u8]> {
        let layout = &self.layout;
        let (prefix, behind) = serial.split_at(layout.prefix.len());
        if prefix != layout.prefix {
            return None;
        }
        let key = key_at(behind, 0);
        if (key ^ layout.shared_key).leading_zeros() < layout.shared_bits {
            return None;
        }
        let (mut low, mut high) = self.range(layout.bucket_of(key));
        let rest = &serial[layout.stripped..];
        let guess = low + layout.share_of(high - low, key);
        let mut from = guess.saturating_sub(FEW / 2).max(low);
        let mut to = high.min(from + FEW);
        loop {
            match self.look_between(from, to, rest) {
                Seen::Here(data) => return Some(data),
                Seen::Nowhere => return None,
                Seen::Before => high = from,
                Seen::Behind => low = to,
            }
            while high - low > FEW {
                let middle = low + (high - low) / 2;
                let (found, data) = self.rows.row(middle).split_at(rest.len());
                match found.cmp(rest) {
                    Ordering::Less => low = middle + 1,
                    Ordering::Greater => high = middle,
                    Ordering::Equal => return Some(data),
                }
            }
            if low == high {
                return None;
            }
            (from, to) = (low, high);
        }
    }

    /// A few rows at once: the memory that they lie in is fetched side by side, where halving waits for each in turn.
    #[inline]
    fn look_between(&self, from: usize, to: usize, rest: &[u8]) -> Seen<'_> {
        let rest_key = key_at(rest, 0);
        let row = |position| self.rows.row(position).split_at(rest.len());
        let less = (from..to)
            .filter(|position| key_at(row(*position).0, 0) < rest_key)
            .count();
        for position in from + less..to {
            let (found, data) = row(position);
            let order = key_at(found, 0)
                .cmp(&rest_key)
                .then_with(|| found.cmp(rest));
            match order {
                Ordering::Less => {}
                Ordering::Equal => return Seen::Here(data),
                Ordering::Greater if position == from => return Seen::Before,
                Ordering::Greater => return Seen::Nowhere,
            }
        }
        Seen::Behind
    }

    #[inline]
    fn range(&self, bucket: usize) -> (usize, usize) {
        match self.index.get(bucket..bucket + 2) {
            Some(ends) => (ends[0] as usize, ends[1] as usize),
            None => (0, self.rows.len()),
        }
    }

    /// Every serial, ascending, with what is said of it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (SerialNumber, &[u8])> {
        let layout = &self.layout;
        let buckets = layout.bucket_count();
        let mut octets = vec![0; layout.length];
        octets[..layout.prefix.len()].copy_from_slice(&layout.prefix);
        let mut bucket = None;
        let mut end = 0;
        (0..self.rows.len()).filter_map(move |position| {
            while position >= end {
                let next = bucket.map_or(0, |bucket| bucket + 1);
                debug_assert!(next < buckets);
                end = self.range(next).1;
                layout.told_by_bucket(next, &mut octets[layout.prefix.len()..layout.stripped]);
                bucket = Some(next);
            }
            let rest = &mut octets[layout.stripped..];
            let (found, data) = self.rows.row(position).split_at(rest.len());
            rest.copy_from_slice(found);
            Some((SerialNumber::from_content(&octets)?, data))
        })
    }

    /// Octets of memory.
    pub(super) fn size_bytes(&self) -> usize {
        size_of::<Group>()
            + self.layout.prefix.capacity()
            + self.rows.size_bytes()
            + self.index.capacity() * size_of::<u32>()
    }
}
