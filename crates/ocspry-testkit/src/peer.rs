//! Real peers: which program, from which package, and how it is run and stopped.
//!
//! Found by `OCSPRY_TEST_<NAME>` (a path), else on PATH.  Missing: fails when `CI` is set, elsewhere says which
//! package to install and skips.

use crate::process::{Finished, Outputs};
use crate::wait::wait_for_some;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A program that tests talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// The OpenSSL command line.
    Openssl,
    /// GnuTLS's OCSP client.
    Ocsptool,
    /// curl.
    Curl,
    /// nginx.
    Nginx,
    /// HAProxy.
    Haproxy,
    /// Varnish.
    Varnish,
    /// Prometheus's own check of metrics.
    Promtool,
    /// Makes network namespaces.
    Unshare,
    /// Enters network namespaces.
    Nsenter,
    /// Brings the loopback of a namespace up.
    Ip,
}

impl Peer {
    /// Its path; None = not here, said aloud, and the test is to return.
    pub fn find(self) -> Option<PathBuf> {
        let found = std::env::var_os(self.variable())
            .map(PathBuf::from)
            .or_else(|| self.on_path());
        if found.is_none() {
            let advice = format!(
                "{} not found: install the Debian package {}, or set {} to its path",
                self.program(),
                self.package(),
                self.variable()
            );
            assert!(std::env::var_os("CI").is_none(), "{advice}");
            eprintln!("skipped: {advice}");
        }
        found
    }

    /// A command of this peer; None as for [`Peer::find`].
    pub fn command(self) -> Option<Command> {
        self.find().map(Command::new)
    }

    fn on_path(self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian keeps daemons in sbin, which is not on everybody's PATH.
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .map(|directory| directory.join(self.program()))
            .find(|candidate| candidate.is_file())
    }

    fn program(self) -> &'static str {
        match self {
            Peer::Openssl => "openssl",
            Peer::Ocsptool => "ocsptool",
            Peer::Curl => "curl",
            Peer::Nginx => "nginx",
            Peer::Haproxy => "haproxy",
            Peer::Varnish => "varnishd",
            Peer::Promtool => "promtool",
            Peer::Unshare => "unshare",
            Peer::Nsenter => "nsenter",
            Peer::Ip => "ip",
        }
    }

    fn package(self) -> &'static str {
        match self {
            Peer::Openssl => "openssl",
            Peer::Ocsptool => "gnutls-bin",
            Peer::Curl => "curl",
            Peer::Nginx => "nginx-light",
            Peer::Haproxy => "haproxy",
            Peer::Varnish => "varnish",
            Peer::Promtool => "prometheus",
            Peer::Unshare | Peer::Nsenter => "util-linux",
            Peer::Ip => "iproute2",
        }
    }

    fn variable(self) -> &'static str {
        match self {
            Peer::Openssl => "OCSPRY_TEST_OPENSSL",
            Peer::Ocsptool => "OCSPRY_TEST_OCSPTOOL",
            Peer::Curl => "OCSPRY_TEST_CURL",
            Peer::Nginx => "OCSPRY_TEST_NGINX",
            Peer::Haproxy => "OCSPRY_TEST_HAPROXY",
            Peer::Varnish => "OCSPRY_TEST_VARNISH",
            Peer::Promtool => "OCSPRY_TEST_PROMTOOL",
            Peer::Unshare => "OCSPRY_TEST_UNSHARE",
            Peer::Nsenter => "OCSPRY_TEST_NSENTER",
            Peer::Ip => "OCSPRY_TEST_IP",
        }
    }
}

/// How a peer ended, and what it said.
pub type Run = Finished;

/// Longest run of a peer; key generation on a busy machine is the slowest of them.
const RUN_WAIT_MAX: Duration = Duration::from_secs(60);
/// Longest wait for a daemon to go, after SIGTERM and again after SIGKILL.
const DAEMON_WAIT_MAX: Duration = Duration::from_secs(5);

/// Runs a peer to its end with nothing on stdin; panics with its name and what it said when it takes longer than a
/// minute.  It and its own children are killed then.
pub fn run_bounded(command: &mut Command) -> Run {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let group = Pid::from_child(&child);
    let mut outputs = Outputs::of(&mut child);
    if let Some(finished) = outputs.finish(&mut child, RUN_WAIT_MAX) {
        return finished;
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
    panic!("{command:?} runs longer than {RUN_WAIT_MAX:?}\n{outputs}")
}

/// A daemon that writes a pid file: ended and gone when this is dropped.
#[derive(Debug)]
pub struct DaemonGuard {
    pid_file: PathBuf,
}

impl DaemonGuard {
    /// The daemon whose pid is in `pid_file`.
    pub fn new(pid_file: &Path) -> DaemonGuard {
        DaemonGuard {
            pid_file: pid_file.to_owned(),
        }
    }
}

impl Drop for DaemonGuard {
    fn drop(&mut self) {
        let pid = std::fs::read_to_string(&self.pid_file).ok();
        let pid = pid
            .and_then(|text| text.trim().parse().ok())
            .and_then(Pid::from_raw);
        let Some(pid) = pid else { return };
        for signal in [Signal::TERM, Signal::KILL] {
            let _ = kill_process(pid, signal);
            if wait_for_some(DAEMON_WAIT_MAX, || has_ended(pid).then_some(())).is_some() {
                return;
            }
        }
    }
}

/// Gone, or dead and only not yet collected by its parent.
fn has_ended(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // `PID (NAME) STATE …`, where NAME may hold anything.
    stat.map_or(true, |stat| {
        stat.rsplit_once(") ")
            .is_none_or(|(_, rest)| rest.starts_with('Z'))
    })
}

/// A child that is killed and reaped on drop.
#[derive(Debug)]
pub(crate) struct ChildGuard(pub(crate) Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
