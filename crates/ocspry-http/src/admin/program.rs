//! What the program as a whole did, keeps and uses.  From: the control thread, whoever writes lines, and the kernel by way
//! of the program.  To: `metrics`, and by `snapshot` the pages.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use ocspry_core::SharedCounts;
use ocspry_wire::Time;

/// What the process uses, as far as the kernel tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessUsage {
    /// Time of processors, since the start.
    pub cpu: Option<Duration>,
    /// Memory, in octets.
    pub resident_bytes: Option<u64>,
    /// Open file descriptors.
    pub descriptors: Option<u64>,
    /// How many may be open.
    pub descriptors_max: Option<u64>,
}

/// How a reload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReloadResult {
    /// All was taken.
    Whole,
    /// Some issuers could not take their files.
    InPart,
    /// The configuration stays as it was.
    Refused,
}

impl ReloadResult {
    /// All of them; each stands at its own number.
    pub(crate) const ALL: [ReloadResult; 3] = [
        ReloadResult::Whole,
        ReloadResult::InPart,
        ReloadResult::Refused,
    ];

    /// As the verdict of `ocspry reload` has it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            ReloadResult::Whole => "ok",
            ReloadResult::InPart => "in-part",
            ReloadResult::Refused => "refused",
        }
    }
}

/// The last time that everything was read again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reload {
    pub(crate) time: Time,
    pub(crate) result: ReloadResult,
    /// Why it was refused, one sentence for each thing.
    pub(crate) reasons: Vec<String>,
}

impl Reload {
    /// Why the configuration in use is not the one that is there; None: it is.
    pub(crate) fn refused_because(&self) -> Option<String> {
        (self.result == ReloadResult::Refused).then(|| self.reasons.join("; "))
    }
}

/// Where the program keeps what survives a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateKept {
    /// The directory; None: nothing is kept.
    pub directory: Option<String>,
    /// Why there is none.
    pub problem: Option<String>,
}

/// What happened since the start.
#[derive(Debug, Default)]
pub struct ProgramCounts {
    /// Lines that the log file did not take.
    pub log_lines_unwritten: Arc<AtomicU64>,
    /// Lines that the audit file did not take.
    pub audit_lines_unwritten: Arc<AtomicU64>,
    /// Records of requests that the log of requests did not take.
    pub request_lines_unwritten: Arc<AtomicU64>,
    reloads: SharedCounts<{ ReloadResult::ALL.len() }>,
    clock_steps: SharedCounts<1>,
}

impl ProgramCounts {
    pub(crate) fn reloaded(&self, result: ReloadResult) {
        self.reloads.add(result as usize, 1);
    }

    pub(crate) fn clock_stepped(&self) {
        self.clock_steps.add(0, 1);
    }

    pub(crate) fn reloads(&self, result: ReloadResult) -> u64 {
        self.reloads.sums()[result as usize]
    }

    pub(crate) fn clock_steps(&self) -> u64 {
        self.clock_steps.sums()[0]
    }
}
