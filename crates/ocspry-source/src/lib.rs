//! Status from outside: CRL files and URLs, read, fetched, checked, kept and watched (layer 2).
//!
//! Control plane only: no request ever waits for anything in here.  From: files that somebody else writes, and servers.
//! To: `core::Issuer`, whose status table is replaced whole.  START HERE: `refresh.rs`, the story of one look at a file.

pub mod crl;
pub mod crl_file;
pub mod error;
pub mod fetch;
pub mod refresh;
pub mod state;
pub mod watch;

pub use crl::{CrlFacts, CrlFile, CrlNumber, CrlWarning, LoadedTable};
pub use crl_file::{Fingerprint, SourceLimits};
pub use error::SourceError;
pub use fetch::{
    CrlUrl, FetchLimits, FetchProblem, Fetched, Fetcher, Judged, SpoolFile, UrlFeed, Validators,
};
pub use refresh::{RefreshReport, Refresher, Served, Swapped};
pub use state::StateDirectory;
pub use watch::{FileWatch, WatchEvent};
