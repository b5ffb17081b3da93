//! CRLs by URL: fetched on time, within bounds, from nowhere that a stranger chose.
//!
//! From: http and https servers.  To: a spool file and a call of `wake`; the control thread takes the file, has it loaded
//! and judged like any other list, and says what came of it.  The story of one list:
//!
//! 1. `worker`: it is time (or somebody asked); at most so many downloads at once.
//! 2. `client`: ask by ETag and Last-Modified, follow redirects (`url`), connect to permitted addresses only (`address`),
//!    write the body into a file (`spool`), all within [`FetchLimits`].
//! 3. The control thread takes the [`Fetched`] outcome and gives its verdict, [`Judged`].
//! 4. `schedule`: when next, by what the list says about its successor, or by how often it has failed.
//!
//! Nothing here is trusted: a list counts by its signature, and is never older than the one in use.  A server can withhold
//! news, no more; when it does, that shows as a problem at once, and as a list that runs out.

mod address;
mod client;
mod problem;
mod schedule;
mod spool;
mod url;
mod validators;
mod worker;

use std::time::Duration;

use ocspry_wire::Time;

use crate::SourceError;

pub use address::RefusedAddress;
pub use problem::FetchProblem;
pub use spool::SpoolFile;
pub use url::{CrlUrl, CrlUrlError};
pub use validators::Validators;
pub use worker::{Fetcher, UrlFeed};

/// Bounds on fetching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchLimits {
    /// Most octets of one list; the download ends with an error as soon as there are more, announced or not.
    pub bytes_max: u64,
    /// Longest until a connection stands, with the host's name resolved and TLS agreed on.
    pub connect_timeout: Duration,
    /// Longest without an octet of the list; the head of an answer has this long as a whole.
    pub silence_timeout: Duration,
    /// Longest for a whole download, all redirects included, however it progresses.
    pub total_timeout: Duration,
    /// Most redirects of one download.
    pub redirects_max: usize,
    /// Most downloads at a time; more wait for their turn.
    pub at_once_max: usize,
    /// The wait after the first failure.
    pub retry_min: Duration,
    /// The longest wait after a failure, or for a list that is overdue.
    pub retry_max: Duration,
    /// The longest wait between two looks at a list.
    pub check_max: Duration,
}

impl FetchLimits {
    /// 1 GiB, 10 s, 30 s, 10 min, 3 redirects, 4 at once, 30 s to 1 h, 4 h.
    pub const DEFAULT: FetchLimits = FetchLimits {
        bytes_max: 1 << 30,
        connect_timeout: Duration::from_secs(10),
        silence_timeout: Duration::from_secs(30),
        total_timeout: Duration::from_secs(600),
        redirects_max: 3,
        at_once_max: 4,
        retry_min: Duration::from_secs(30),
        retry_max: Duration::from_secs(3600),
        check_max: Duration::from_secs(4 * 3600),
    };
}

/// What came of one look at a URL.
#[derive(Debug)]
pub enum Fetched {
    /// The server still has the list of the validators.  The feed waits for [`UrlFeed::judged`].
    NotModified {
        /// When it said so.
        at: Time,
    },
    /// A list, whole; perhaps the same as before.  The feed waits for [`UrlFeed::judged`].
    New {
        /// Its octets.
        file: SpoolFile,
        /// To be kept with the list, if it is used.
        validators: Validators,
        /// When the last octet came.
        at: Time,
    },
    /// No list.  The feed goes on by itself.
    Failed {
        /// Why not; `SourceError::Fetch`.
        error: SourceError,
        /// How long until the next try.
        next_try_in: Duration,
        /// When that was.
        at: Time,
    },
}

/// What the list at the URL was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The list there is in use, from now on or as before.  If not, the next request is for the whole list again.
    pub used: bool,
    /// The nextUpdate of the list in use; without one, the whole list is asked for each time.
    pub next_update: Option<Time>,
    /// The time of its Next CRL Publish extension (1.3.6.1.4.1.311.21.4).
    pub next_publish: Option<Time>,
    /// The clock's word.
    pub now: Time,
}
