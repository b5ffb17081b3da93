//! The ledger as its users see it.  `battery` is written against the seam, and every kind of database must pass it; the rest
//! is about the files of SQLite, about those who follow, about restored copies, and about writers that are killed.

#![expect(
    clippy::unwrap_used,
    reason = "a failed expectation panics, in what tests share too"
)]

mod battery;
mod copies;
mod decisions;
mod files;
mod fixture;
mod following;
mod kills;
