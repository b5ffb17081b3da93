//! Serials known to be issued.
//!
//! From: a loader, serial by serial.  To: `table`, where a serial that no such list names was never issued.

use ocspry_wire::x509::SerialNumber;
use std::cmp::Ordering;

use super::group::Group;
use super::minimal;
use super::sorting::{Collected, Sorting};

/// Serials known to be issued: no time, no reason.  Exact, immutable, compact.
#[derive(Debug)]
pub struct IssuedSerials {
    groups: Vec<Group>,
    duplicate_count: usize,
}

impl IssuedSerials {
    /// Is it one of them?  Whole serials are compared, sign and length included.
    #[inline]
    pub fn contains(&self, serial: &SerialNumber) -> bool {
        self.has(minimal(serial.content()))
    }

    /// The same, of content octets without needless ones.
    #[inline]
    pub(super) fn has(&self, serial: &[u8]) -> bool {
        self.groups
            .iter()
            .find(|group| group.length() == serial.len())
            .is_some_and(|group| group.find(serial).is_some())
    }

    /// How many there are, each counted once.
    pub fn len(&self) -> usize {
        self.groups.iter().map(Group::len).sum()
    }

    /// Are there none?
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// How many were named again.
    pub fn duplicate_count(&self) -> usize {
        self.duplicate_count
    }

    /// Octets it takes in memory.
    pub fn size_bytes(&self) -> usize {
        size_of::<IssuedSerials>() + self.groups.iter().map(Group::size_bytes).sum::<usize>()
    }

    /// Every serial, in its shortest encoding: ascending among those of one length.
    pub fn iter(&self) -> impl Iterator<Item = SerialNumber> {
        self.groups
            .iter()
            .flat_map(Group::iter)
            .map(|(serial, _)| serial)
    }
}

/// Collects issued serials in any order.
#[derive(Debug)]
pub struct IssuedSerialsBuilder {
    collected: Collected,
}

impl IssuedSerialsBuilder {
    /// With nothing in it.
    pub fn new() -> IssuedSerialsBuilder {
        IssuedSerialsBuilder {
            collected: Collected::new(0),
        }
    }

    /// One serial.
    #[inline]
    pub fn push(&mut self, serial: &SerialNumber) {
        self.collected.push(serial.content(), &[]);
    }

    /// Octets of memory so far.
    pub fn size_bytes(&self) -> usize {
        self.collected.size_bytes()
    }

    /// Sorts all at once.
    pub fn build(self) -> IssuedSerials {
        self.into_sorting().finish()
    }

    /// Sorts in steps, for a loader that may have to stop between them.
    pub fn into_sorting(self) -> IssuedSorting {
        IssuedSorting {
            sorting: self.collected.into_sorting(),
        }
    }
}

impl Default for IssuedSerialsBuilder {
    fn default() -> Self {
        Self::new()
    }
}

/// A list on its way to [`IssuedSerials`].
#[derive(Debug)]
pub struct IssuedSorting {
    sorting: Sorting,
}

impl IssuedSorting {
    /// Some milliseconds of work; true when all is done.
    pub fn step(&mut self) -> bool {
        self.sorting.step(&ALL_EQUAL)
    }

    /// Does what is left to do, in one go.
    pub fn finish(self) -> IssuedSerials {
        let (groups, duplicate_count) = self.sorting.finish(&ALL_EQUAL);
        IssuedSerials {
            groups,
            duplicate_count,
        }
    }
}

/// Nothing is said of a serial, so nothing differs.
const ALL_EQUAL: fn(&[u8], &[u8]) -> Ordering = |_, _| Ordering::Equal;
