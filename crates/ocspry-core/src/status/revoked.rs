//! The serials of one list and what it says of each.
//!
//! From: a loader, entry by entry.  To: `table`, as a list, a delta over one, or an overlay.
//!
//! Behind the rest of a serial stand four octets of time (seconds since 1970) and one of reason.  What does not fit them
//! (an invalidity date, a time outside 1970..2106) is in a side list, and the four octets say where.

use std::cmp::Ordering;

use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

use super::group::Group;
use super::minimal;
use super::sorting::{Collected, Sorting};

/// The serials of one list and what it says of each: exact, immutable, compact.
#[derive(Debug)]
pub struct RevokedSerials {
    groups: Vec<Group>,
    aside: Aside,
    removed_count: usize,
    duplicate_count: usize,
}

/// What a list says of a serial that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// It is revoked, or on hold.
    Revoked(RevokedInfo),
    /// A delta's removeFromCRL: its base may call it revoked, and that is over (RFC 5280 §5.3.1).
    Removed,
}

impl RevokedSerials {
    /// What the list says of a serial; whole serials are compared, sign and length included (CONFORMANCE CID-03, CID-06).
    #[inline]
    pub fn lookup(&self, serial: &SerialNumber) -> Option<Revocation> {
        self.find(minimal(serial.content()))
    }

    /// The same, of content octets without needless ones.
    #[inline]
    pub(super) fn find(&self, serial: &[u8]) -> Option<Revocation> {
        self.groups
            .iter()
            .find(|group| group.length() == serial.len())?
            .find(serial)
            .map(|data| self.aside.read(data))
    }

    /// How many serials it names, each counted once; removed ones count too.
    pub fn len(&self) -> usize {
        self.groups.iter().map(Group::len).sum()
    }

    /// Does it name none?
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// How many serials it calls revoked.
    pub fn revoked_count(&self) -> usize {
        self.len() - self.removed_count
    }

    /// How many entries named a serial that another entry named as well.
    pub fn duplicate_count(&self) -> usize {
        self.duplicate_count
    }

    /// Octets it takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<RevokedSerials>()
            + self.groups.iter().map(Group::size_bytes).sum::<usize>()
            + self.aside.size_bytes()
    }

    /// Every serial, in its shortest encoding, and what is said of it: ascending among those of one length.
    pub fn iter(&self) -> impl Iterator<Item = (SerialNumber, Revocation)> {
        self.groups.iter().flat_map(|group| self.entries(group))
    }

    /// The serials that are revoked here and not revoked in `newer`, which may call them removed or not name them.  Both
    /// are walked through once, side by side.
    pub fn missing_from<'a>(
        &'a self,
        newer: &'a RevokedSerials,
    ) -> impl Iterator<Item = SerialNumber> + 'a {
        self.compare(newer).flatten()
    }

    /// The same, one item for each serial that is revoked here, None if it still is: a walk of any length can be
    /// interrupted.
    pub fn compare<'a>(
        &'a self,
        newer: &'a RevokedSerials,
    ) -> impl Iterator<Item = Option<SerialNumber>> + 'a {
        self.groups.iter().flat_map(move |ours| {
            let theirs = newer
                .groups
                .iter()
                .find(|theirs| theirs.length() == ours.length());
            let mut theirs = theirs
                .into_iter()
                .flat_map(|theirs| newer.revoked(theirs))
                .peekable();
            self.revoked(ours).map(move |serial| {
                let content = serial.content();
                while theirs.next_if(|other| other.content() < content).is_some() {}
                (theirs.peek() != Some(&serial)).then_some(serial)
            })
        })
    }

    fn entries<'a>(
        &'a self,
        group: &'a Group,
    ) -> impl Iterator<Item = (SerialNumber, Revocation)> + 'a {
        group
            .iter()
            .map(|(serial, data)| (serial, self.aside.read(data)))
    }

    fn revoked<'a>(&'a self, group: &'a Group) -> impl Iterator<Item = SerialNumber> + 'a {
        group
            .iter()
            .filter(|(_, data)| !is_removed(data))
            .map(|(serial, _)| serial)
    }
}

/// What does not fit the five octets of a row.
#[derive(Debug, Default)]
struct Aside {
    /// Pieces of [`ASIDE_PIECE`], so that nothing is copied when it grows.
    pieces: Vec<Vec<RevokedInfo>>,
}

impl Aside {
    /// What the octets behind a serial say.
    #[inline]
    fn read(&self, data: &[u8]) -> Revocation {
        let Some((number, [reason])) = data.split_first_chunk::<4>() else {
            unreachable!("a row holds four octets of time and one of reason");
        };
        let number = u32::from_le_bytes(*number);
        match *reason {
            REMOVED => Revocation::Removed,
            ASIDE => Revocation::Revoked(self.get(number as usize)),
            code => Revocation::Revoked(RevokedInfo {
                revocation_time: Time::from_unix(i64::from(number)),
                reason: CrlReason::from_code(code),
                invalidity_date: None,
            }),
        }
    }

    fn get(&self, number: usize) -> RevokedInfo {
        self.pieces[number / ASIDE_PIECE][number % ASIDE_PIECE]
    }

    /// The number under which it is found again; that of the last one, if it is the same: before a signature is checked, a
    /// list of one odd time takes no memory for each of its entries.
    fn add(&mut self, info: RevokedInfo) -> usize {
        let number = match self.pieces.last() {
            None => 0,
            Some(last) => (self.pieces.len() - 1) * ASIDE_PIECE + last.len(),
        };
        if self.pieces.last().and_then(|piece| piece.last()) == Some(&info) {
            return number - 1;
        }
        if number % ASIDE_PIECE == 0 {
            self.pieces.push(match number {
                0 => Vec::new(),
                _ => Vec::with_capacity(ASIDE_PIECE),
            });
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(info);
        }
        number
    }

    /// Revoked before removed, for good before on hold, then the earliest revocation: as between lists.
    fn rank(&self, left: &[u8], right: &[u8]) -> Ordering {
        let rank = |data| match self.read(data) {
            Revocation::Revoked(info) => (
                false,
                info.reason == Some(CrlReason::CertificateHold),
                info.revocation_time,
            ),
            Revocation::Removed => (true, true, Time::MAX),
        };
        rank(left).cmp(&rank(right))
    }

    fn size_bytes(&self) -> usize {
        self.pieces
            .iter()
            .map(|piece| piece.capacity() * size_of::<RevokedInfo>())
            .sum::<usize>()
            + self.pieces.capacity() * size_of::<Vec<RevokedInfo>>()
    }
}

/// What the octets behind a serial say, as far as that can be told by the last one.
fn is_removed(data: &[u8]) -> bool {
    data.last() == Some(&REMOVED)
}

/// In the octet of the reason: look aside.
const ASIDE: u8 = 0xff;
/// In the octet of the reason: removeFromCRL, by its code in RFC 5280 §5.3.1.
const REMOVED: u8 = 8;
const DATA_OCTETS: usize = 5;
const ASIDE_PIECE: usize = 4096;

/// Collects the entries of a list in any order.
#[derive(Debug)]
pub struct RevokedSerialsBuilder {
    collected: Collected,
    aside: Aside,
    has_removed: bool,
}

impl RevokedSerialsBuilder {
    /// With nothing in it.
    pub fn new() -> RevokedSerialsBuilder {
        RevokedSerialsBuilder {
            collected: Collected::new(DATA_OCTETS),
            aside: Aside::default(),
            has_removed: false,
        }
    }

    /// One entry.  Of several for one serial, revoked wins over removed, for good over on hold, then the earliest
    /// revocation.
    #[inline]
    pub fn push(&mut self, serial: &SerialNumber, revocation: Revocation) {
        self.push_content(serial.content(), revocation);
    }

    /// The same, of a serial number's content octets, which a list of millions gives without making values of them.
    #[inline]
    pub fn push_content(&mut self, content: &[u8], revocation: Revocation) {
        let (number, reason) = match revocation {
            Revocation::Revoked(info) => {
                let seconds = u32::try_from(info.revocation_time.unix_seconds());
                match (seconds, info.invalidity_date) {
                    (Ok(seconds), None) => (seconds, info.reason.map_or(0, CrlReason::code)),
                    (Ok(_), Some(_)) | (Err(_), _) => (self.add_aside(info), ASIDE),
                }
            }
            Revocation::Removed => {
                self.has_removed = true;
                (0, REMOVED)
            }
        };
        let [a, b, c, d] = number.to_le_bytes();
        self.collected.push(content, &[a, b, c, d, reason]);
    }

    #[cold]
    fn add_aside(&mut self, info: RevokedInfo) -> u32 {
        u32::try_from(self.aside.add(info)).expect("memory ends before four billion of them")
    }

    /// Octets of memory so far.
    pub fn size_bytes(&self) -> usize {
        self.collected.size_bytes() + self.aside.size_bytes()
    }

    /// Sorts all at once.
    pub fn build(self) -> RevokedSerials {
        self.into_sorting().finish()
    }

    /// Sorts in steps, for a loader that may have to stop between them.
    pub fn into_sorting(self) -> TableSorting {
        TableSorting {
            sorting: self.collected.into_sorting(),
            aside: self.aside,
            has_removed: self.has_removed,
        }
    }
}

impl Default for RevokedSerialsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// A list on its way to [`RevokedSerials`].
#[derive(Debug)]
pub struct TableSorting {
    sorting: Sorting,
    aside: Aside,
    has_removed: bool,
}

impl TableSorting {
    /// Some milliseconds of work; true when all is done.
    pub fn step(&mut self) -> bool {
        self.sorting
            .step(&|left, right| self.aside.rank(left, right))
    }

    /// Does what is left to do, in one go.
    pub fn finish(self) -> RevokedSerials {
        let TableSorting {
            sorting,
            mut aside,
            has_removed,
        } = self;
        let (groups, duplicate_count) = sorting.finish(&|left, right| aside.rank(left, right));
        if let [only] = &mut aside.pieces[..] {
            only.shrink_to_fit();
        }
        aside.pieces.shrink_to_fit();
        // Only a delta has any, and is short.
        let removed_count = match has_removed {
            true => groups
                .iter()
                .flat_map(Group::iter)
                .filter(|(_, data)| is_removed(data))
                .count(),
            false => 0,
        };
        RevokedSerials {
            groups,
            aside,
            removed_count,
            duplicate_count,
        }
    }
}
