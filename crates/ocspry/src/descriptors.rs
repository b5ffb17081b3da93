//! How many files may be open, and so how many connections.  From: `serve`, before it listens.  To: the limits of its
//! listener.
//!
//! Each connection is a file descriptor.  A shell and systemd give 1024 of them to begin with (the soft limit) and far more
//! to who asks (up to the hard limit), so we ask.  Where that is too few as well, fewer connections are let in: they would
//! take the descriptors with which lists are read, and wait in the kernel where they should be closed at once.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Raises the soft limit of open files as far as the hard limit lets us, if the connections need it; returns how many
/// connections may be open.
pub(crate) fn allow(connections_max: usize, workers: usize) -> usize {
    let needed = needed(connections_max, workers);
    let limit = getrlimit(Resource::Nofile);
    let in_force = if is_enough(limit.current, needed) {
        limit.current
    } else {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        }
    };
    let Some(files) = in_force.filter(|_| !is_enough(in_force, needed)) else {
        return connections_max;
    };
    let fitting = fitting(files, workers);
    warn!(
        "at most {files} files may be open, and {connections_max} connections need {needed}: no more than {fitting} connections \
         are let in; raise the limit (LimitNOFILE=, ulimit -n)"
    );
    fitting
}

/// None is no limit.
fn is_enough(limit: Option<u64>, needed: u64) -> bool {
    limit.is_none_or(|limit| limit >= needed)
}

/// Open files of a server with so many connections.
fn needed(connections: usize, workers: usize) -> u64 {
    connections as u64 + beside(workers)
}

/// Connections of a server that may have so many files open: a quarter of them at the least, so that some are served
/// however many workers there are.
fn fitting(files: u64, workers: usize) -> usize {
    let fitting = files.saturating_sub(beside(workers)).max(files / 4).max(1);
    usize::try_from(fitting).unwrap_or(usize::MAX)
}

/// Open files that are no connections of clients: listeners, log, watches, event queues, the files that are read, and the
/// admin listener's connections.
fn beside(workers: usize) -> u64 {
    96 + 8 * workers as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_few_files_may_be_open_connections_leave_room_for_the_others() {
        assert_eq!(fitting(1024, 2), 912);
        assert_eq!(needed(912, 2), 1024);
        // As many as half of it were not enough for the workers alone.
        assert_eq!(fitting(128, 64), 32);
        assert_eq!(fitting(0, 1), 1);
    }

    #[test]
    fn what_systemd_gives_is_enough_for_all_connections() {
        let needed = needed(ocspry_http::Limits::DEFAULT.connections_max, 256);
        assert!(!is_enough(Some(1024), needed), "the soft limit");
        assert!(is_enough(Some(524_288), needed), "the hard limit");
        assert!(is_enough(None, needed));
        // As examples/ocspry.service says.
        assert!(is_enough(Some(32_768), needed));
    }
}
