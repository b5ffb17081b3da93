//! What we know of one issuer's serials at one moment: [`StatusTable`], exact, compact, immutable.
//!
//! From: a status source, through the builders.  To: `responder`, by [`StatusTable::lookup`], a function call on memory.
//! A table is replaced whole, never edited; its parts are shared, so that a small delta lies over a big list without a
//! copy of it.
//!
//! `table` puts the parts together and asks them in the right order; `revoked` and `issued` say what a part holds;
//! `group` is how the serials of one length lie in memory and are found, `rows` the memory itself, `sorting` how it
//! comes into order without a second copy: divided among runs of `blocks`, each sorted by itself (`run`).

mod blocks;
mod group;
mod issued;
mod revoked;
mod rows;
mod run;
mod sorting;
mod table;
#[cfg(test)]
mod tests;

pub use issued::{IssuedSerials, IssuedSerialsBuilder, IssuedSorting};
pub use revoked::{Revocation, RevokedSerials, RevokedSerialsBuilder, TableSorting};
pub use table::{Known, ListPart, Overlay, StatusParts, StatusTable, StatusTableBuilder, graver};

use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SignatureAlgorithm;
use ocspry_wire::x509::serial::minimal;

/// From when to when something is known (RFC 6960 §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidityWindow {
    /// The time at which it was known.
    pub this_update: Time,
    /// The time at which newer information will be there.
    pub next_update: Time,
}

/// Where a table came from, for people and for checks against the next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceInfo {
    /// Path or URL.
    pub origin: String,
    /// cRLNumber, big-endian without leading zeros.
    pub crl_number: Option<Vec<u8>>,
    /// SHA-256 of the tbsCertList.
    pub digest: [u8; 32],
    /// How the list is signed: answers are signed likewise if the key can (RFC 6960 §4.4.7.2.1); None: not known here.
    pub signature_algorithm: Option<SignatureAlgorithm>,
}

/// What a table says of one serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It is revoked.
    Revoked(RevokedInfo),
    /// It was issued, and no part says that it is revoked.
    Issued,
    /// It is not in the table; [`StatusTable::absence`] says what that means.
    Absent,
}

/// What it means that a table does not name a serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// It is not revoked; whether it was ever issued, a list of the revoked ones does not tell.
    NotRevoked,
    /// It was never issued.
    NeverIssued,
    /// It may have been issued since: what tells the issued ones is too old.  Those that it names are as good as ever.
    PerhapsIssued,
    /// Something that tells what is revoked is missing: only `revoked` may be said, of serials that were issued too.
    Unproven,
}
