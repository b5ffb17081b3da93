//! What a CRL of any size says, entry by entry from a seed (RFC 5280 §5.1.2.6).
//!
//! Every entry is a function of the seed and its index: nothing is kept, so that a list of any size can be written, written
//! again with the next number, and asked about, without ever being in memory.  To: `list_file`, `question`.

use std::ops::Range;

use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, CrlReason, RevokedInfo};

/// Serial numbers that a list adds to the one before it.
pub const ADDED: u64 = 16;
/// Indexes from here on, counted from the last entry, are in no list.
pub const NEVER_LISTED: u64 = 1 << 20;

/// What the serial numbers look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// 20 random octets, the top bit clear, the first one not zero.
    Random,
    /// 1, 2, 3 and so on, each as short as DER wants it.
    Sequential,
    /// 20 octets, of which so many (1 to 19) are the same in as many serials as the others can tell apart: 19 makes groups of 256.
    SharedPrefix(usize),
}

/// One list of a CA.
#[derive(Clone, Debug)]
pub struct ListSpec {
    /// What the serial numbers look like.
    pub shape: Shape,
    /// The same seed makes the same entries.
    pub seed: u64,
    /// Entries of list number 1.
    pub entries: u64,
    /// cRLNumber.  Each number adds [`ADDED`] entries to the list before it and leaves out one more that was on hold.
    pub number: u64,
    /// thisUpdate.
    pub this_update: Time,
    /// nextUpdate.
    pub next_update: Time,
    released: Vec<u64>,
}

/// What is known of one index.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The serial number.
    pub serial: Serial,
    /// Since when, and why.
    pub revoked: RevokedInfo,
}

/// The content octets of a serial number.
#[derive(Clone, Copy, Debug)]
pub struct Serial {
    octets: [u8; 20],
    start: usize,
}

impl Serial {
    /// The octets.
    pub fn content(&self) -> &[u8] {
        &self.octets[self.start..]
    }
}

/// Revocations begin on 2016-01-01 and are spread over ten years.
const FIRST_REVOCATION: i64 = 1_451_606_400;
const REVOCATION_SECONDS: u64 = 10 * 365 * 86_400;

impl ListSpec {
    /// A list that was made at `this_update` and is good for a week.
    pub fn new(shape: Shape, seed: u64, entries: u64, number: u64, this_update: Time) -> ListSpec {
        let mut list = ListSpec {
            shape,
            seed,
            entries,
            number,
            this_update,
            next_update: this_update.plus_seconds(7 * 86_400),
            released: Vec::new(),
        };
        let count = usize::try_from(number.saturating_sub(1)).unwrap_or(0);
        list.released = list.holds().take(count).collect();
        list
    }

    /// The list after this one, as of `this_update`.
    pub fn next(&self, this_update: Time) -> ListSpec {
        ListSpec::new(
            self.shape,
            self.seed,
            self.entries,
            self.number + 1,
            this_update,
        )
    }

    /// What the index stands for, whether it is listed or not.
    pub fn entry(&self, index: u64) -> Entry {
        let word = self.random(index, 3);
        let reason =
            (word & 1 == 1).then(|| CrlReason::ALL[(word >> 1) as usize % CrlReason::ALL.len()]);
        let seconds = (word >> 8) % REVOCATION_SECONDS;
        Entry {
            serial: self.serial(index),
            revoked: RevokedInfo {
                revocation_time: Time::from_unix(FIRST_REVOCATION + seconds as i64),
                reason,
                invalidity_date: None,
            },
        }
    }

    /// What this list says of the index.
    pub fn status(&self, index: u64) -> CertStatus {
        if index < self.end() && !self.released.contains(&index) {
            CertStatus::Revoked(self.entry(index).revoked)
        } else {
            CertStatus::Good
        }
    }

    /// The indexes that are listed, in the order of the list.
    pub fn listed(&self) -> impl Iterator<Item = u64> + '_ {
        (0..self.end()).filter(|index| !self.released.contains(index))
    }

    /// The indexes that this list adds to the one before it.
    pub fn added(&self) -> Range<u64> {
        let end = self.end();
        if self.number > 1 {
            end - ADDED..end
        } else {
            end..end
        }
    }

    /// The index that was on hold in the list before this one and is not in this one.
    pub fn released(&self) -> Option<u64> {
        self.released.last().copied()
    }

    /// Entries of list number 1 that are on hold.
    pub fn holds(&self) -> impl Iterator<Item = u64> + '_ {
        let on_hold =
            |index: &u64| self.entry(*index).revoked.reason == Some(CrlReason::CertificateHold);
        (0..self.entries).filter(on_hold)
    }

    fn end(&self) -> u64 {
        self.entries + ADDED * self.number.saturating_sub(1)
    }

    fn serial(&self, index: u64) -> Serial {
        let mut octets = [0; 20];
        match self.shape {
            Shape::Random => self.fill(index, &mut octets),
            Shape::Sequential => {
                octets[12..].copy_from_slice(&(index + 1).to_be_bytes());
                let leading = octets.iter().take_while(|&&octet| octet == 0).count();
                let start = leading - usize::from(octets[leading] & 0x80 != 0);
                return Serial { octets, start };
            }
            Shape::SharedPrefix(shared) => {
                let bits = 8 * (20 - shared) as u32;
                let (group, member) = if bits >= u64::BITS {
                    (0, index)
                } else {
                    (index >> bits, index & ((1 << bits) - 1))
                };
                self.fill(group, &mut octets);
                let member = u128::from(member).to_be_bytes();
                let own = (20 - shared).min(member.len());
                octets[20 - own..].copy_from_slice(&member[member.len() - own..]);
            }
        }
        Serial { octets, start: 0 }
    }

    fn fill(&self, index: u64, octets: &mut [u8; 20]) {
        for (lane, chunk) in octets.chunks_mut(8).enumerate() {
            let word = self.random(index, lane as u64).to_be_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
        octets[0] = 1 + octets[0] % 0x7f;
    }

    /// SplitMix64's last step over seed, index and lane: no state, so any entry can be made at any time.
    fn random(&self, index: u64, lane: u64) -> u64 {
        let mut word = self
            .seed
            .wrapping_add((4 * index + lane + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const SHAPES: [Shape; 4] = [
        Shape::Random,
        Shape::Sequential,
        Shape::SharedPrefix(19),
        Shape::SharedPrefix(4),
    ];

    fn list(shape: Shape, number: u64) -> ListSpec {
        ListSpec::new(shape, 7, 3000, number, Time::from_unix(1_800_000_000))
    }

    #[test]
    fn serials_are_positive_minimal_and_never_twice() {
        for shape in SHAPES {
            let list = list(shape, 1);
            let mut seen = BTreeSet::new();
            for index in list.listed().chain([list.entries + NEVER_LISTED]) {
                let serial = list.entry(index).serial;
                let content = serial.content();
                assert!(content[0] & 0x80 == 0, "{shape:?}: positive");
                let padded = content.len() > 1 && content[0] == 0 && content[1] & 0x80 == 0;
                assert!(!padded && !content.is_empty(), "{shape:?}: {content:02x?}");
                assert!(seen.insert(content.to_vec()), "{shape:?}: twice");
            }
        }
    }

    #[test]
    fn a_shared_prefix_of_19_octets_makes_groups_of_256() {
        let list = list(Shape::SharedPrefix(19), 1);
        let prefixes: BTreeSet<Vec<u8>> = list
            .listed()
            .map(|index| list.entry(index).serial.content()[..19].to_vec())
            .collect();
        assert_eq!(prefixes.len(), 3000usize.div_ceil(256));
    }

    #[test]
    fn about_half_of_the_entries_have_a_reason_and_every_reason_occurs() {
        let list = list(Shape::Random, 1);
        let reasons: Vec<CrlReason> = list
            .listed()
            .filter_map(|index| list.entry(index).revoked.reason)
            .collect();
        assert!((1350..1650).contains(&reasons.len()), "{}", reasons.len());
        for reason in CrlReason::ALL {
            assert!(reasons.contains(&reason), "{reason:?}");
        }
    }

    #[test]
    fn each_number_adds_sixteen_and_releases_one_hold() {
        let first = list(Shape::Random, 1);
        let second = first.next(first.this_update.plus_seconds(1));
        let third = second.next(first.this_update.plus_seconds(2));
        for (before, after) in [(&first, &second), (&second, &third)] {
            let before: BTreeSet<u64> = before.listed().collect();
            let listed: BTreeSet<u64> = after.listed().collect();
            let gone: Vec<u64> = before.difference(&listed).copied().collect();
            let new: Vec<u64> = listed.difference(&before).copied().collect();
            assert_eq!(gone, after.released().into_iter().collect::<Vec<_>>());
            assert_eq!(new, after.added().collect::<Vec<_>>());
            assert_eq!((gone.len(), new.len()), (1, 16));
            assert_eq!(after.status(gone[0]), CertStatus::Good);
        }
    }
}
