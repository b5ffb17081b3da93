//! What this process uses, as the kernel tells.  From: /proc and two system calls.  To: `/metrics`, when somebody asks.

use std::fs;
use std::time::Duration;

use ocspry_http::ProcessUsage;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

/// Now; what this kernel does not tell is left out.
pub(crate) fn now() -> ProcessUsage {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(cpu.tv_sec).ok();
    let nanoseconds = u32::try_from(cpu.tv_nsec).ok();
    let status = fs::read_to_string("/proc/self/status").ok();
    // The directory that is being read is one of them.
    let descriptors = fs::read_dir("/proc/self/fd").map(|files| files.count().saturating_sub(1));
    ProcessUsage {
        cpu: seconds
            .zip(nanoseconds)
            .map(|(seconds, nanoseconds)| Duration::new(seconds, nanoseconds)),
        resident_bytes: status.as_deref().and_then(resident_bytes),
        descriptors: descriptors.ok().map(|count| count as u64),
        descriptors_max: getrlimit(Resource::Nofile).current,
    }
}

/// `VmRSS:     5148 kB`
fn resident_bytes(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_memory_in_kibibytes() {
        let status = "Name:\tocspry\nVmHWM:\t    6000 kB\nVmRSS:\t    5148 kB\n";
        assert_eq!(resident_bytes(status), Some(5148 * 1024));
        assert_eq!(resident_bytes("VmRSS:\tmuch\n"), None);
    }
}
