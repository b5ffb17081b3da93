//! Status from outside: CRL files, read, checked, kept and watched; issued lists and overlays, read (layer 2).
//!
//! Control plane only: no request ever waits for anything in here.  From: files that somebody else writes.
//! To: `core::Issuer`, whose status table is replaced whole.  START HERE: `refresh.rs`, the story of one look at a file.

pub mod crl;
pub mod crl_file;
pub mod error;
pub mod issued;
pub mod noted;
pub mod overlay;
pub mod refresh;
pub mod state;
pub mod text_file;
pub mod watch;

pub use crl::{CrlFacts, CrlFile, CrlNumber, CrlWarning, LoadedTable};
pub use crl_file::{Fingerprint, SourceLimits};
pub use error::SourceError;
pub use issued::{IssuedEntry, IssuedFacts, IssuedKind, IssuedLimits, IssuedStamp, read_issued};
pub use noted::{Note, Notes, Oddity, Place};
pub use overlay::{OverlayEntry, OverlayFacts, OverlayLimits, read_overlay};
pub use refresh::{RefreshReport, Refresher, Served, Swapped};
pub use state::StateDirectory;
pub use text_file::{LineError, LineProblem, StatusFile};
pub use watch::{FileWatch, WatchEvent};
