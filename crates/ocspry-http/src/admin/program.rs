//! What the program as a whole did and uses.  From: the control thread, and the kernel by way of the program.  To: `metrics`.

use std::time::Duration;

use ocspry_core::SharedCounts;

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

/// What happened since the start.
#[derive(Debug, Default)]
pub(crate) struct ProgramCounts {
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
