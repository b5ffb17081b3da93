//! Status from outside: CRLs, lists of what was issued, overlays; read, checked, kept and watched (layer 2).
//!
//! Control plane only: no request ever waits for anything in here.  From: files and URLs that somebody else writes.
//! To: `core::Issuer`, whose status table is replaced whole.  START HERE: `refresh.rs`, the story of one look.

mod armour;
mod beside;
mod compose;
mod copy;
mod der_file;
mod explain;
mod feed;
mod fetched;
mod freshest;
mod guard;
mod held;
mod joint;
mod keeping;
mod line;
mod pace;
mod scope;
mod slot;

pub mod error;
pub mod fetch;
pub mod fingerprint;
pub mod issued;
pub mod list;
pub mod load;
pub mod noted;
pub mod overlay;
pub mod reading;
pub mod refresh;
pub mod state;
pub mod text_file;
pub mod watch;

pub use beside::{IssuedRole, IssuedSource, Lag, TakenBack};
pub use compose::Unproven;
pub use error::SourceError;
pub use feed::ListSource;
pub use fetch::{
    CrlUrl, FetchLimits, FetchProblem, Fetched, Fetcher, Judged, SpoolFile, UrlFeed, Validators,
};
pub use fingerprint::Fingerprint;
pub use freshest::{FreshestCrl, NamedDeltas};
pub use guard::{Guard, Vanished};
pub use issued::{
    IssuedEntry, IssuedFacts, IssuedKind, IssuedLimits, IssuedStamp, read_issued, serial_from_text,
};
pub use joint::{Joint, LedgerSeen};
pub use line::Served;
pub use list::{CrlFacts, CrlNumber, CrlWarning, DeltaGap, LoadedList};
pub use load::{CrlSigners, ListLoad, Progress, SourceLimits};
pub use noted::{Note, Notes, Oddity, Place};
pub use overlay::{OverlayEntry, OverlayFacts, OverlayLimits, read_overlay};
pub use reading::{ListReader, UnverifiedList, crl_issuer};
pub use refresh::{
    Downloads, Ended, Event, Fetch, HeldBack, Hold, LeftBy, Problem, Refresher, Report, ShowLoad,
    Sources, StatusSource,
};
pub use scope::Scope;
pub use slot::{ListInUse, UsedList};
pub use state::{KeptLedger, SeenLedger, StateDirectory};
pub use text_file::{LineError, LineProblem, StatusFile};
pub use watch::{FileWatch, WatchEvent};
