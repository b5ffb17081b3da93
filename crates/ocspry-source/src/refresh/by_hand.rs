//! What the operator's hand did, and what waits for it: overlays, and what the guard holds until `crl accept`.
//!
//! From: the feeds and slots, as last looked at.  To: whoever shows the state of an issuer (design.md §7).

use std::fmt;

use ocspry_core::Overlay;
use ocspry_wire::Time;

use super::Refresher;

/// Something that the guard holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    /// The file or URL that it is about.
    pub place: String,
    /// What.
    pub what: HeldBack,
}

/// What is held of a place.  Displays as half a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldBack {
    /// Serials that its list does not revoke any more: they stay revoked.
    Removals {
        /// How many.
        count: usize,
    },
    /// A newer list whose number went back: it is not used.
    LowerNumber {
        /// Of that list.
        this_update: Time,
    },
    /// What a list of what was issued said before, and says no more: it counts on.
    TakenBack {
        /// Certificates that were named.
        certificates: usize,
        /// Revocations.
        revocations: usize,
    },
}

impl fmt::Display for HeldBack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeldBack::Removals { count } => {
                write!(f, "{count} that it does not revoke any more stay revoked")
            }
            HeldBack::LowerNumber { this_update } => {
                write!(f, "its list of {this_update} has a lower number")
            }
            HeldBack::TakenBack {
                certificates,
                revocations,
            } => write!(
                f,
                "{certificates} certificates and {revocations} revocations that it does not name any more count on"
            ),
        }
    }
}

impl Refresher {
    /// All that the guard holds.
    pub fn holds(&self) -> impl Iterator<Item = Hold> {
        let of_lists = self.slots.values().flat_map(|slot| slot.holds());
        let of_issued = self.issued.iter().filter_map(|(_, feed)| feed.hold());
        of_lists.chain(of_issued)
    }

    /// Something is held for `crl accept`.
    pub fn is_holding(&self) -> bool {
        self.holds().next().is_some()
    }

    /// What each overlay revokes, with the number of its source; without those that were never read.
    pub fn overlays(&self) -> impl Iterator<Item = (usize, Vec<Overlay>)> {
        let overlays = self.overlays.iter();
        overlays.filter_map(|(source, feed)| Some((*source, feed.overlays()?)))
    }
}
