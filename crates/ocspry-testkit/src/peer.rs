//! Real peers: which program, from which package, and how it is run and stopped.
//!
//! Found by `OCSPRY_TEST_<NAME>` (a path), else on PATH.  Missing: fails when `CI` is set, elsewhere says which
//! package to install and skips.

use crate::process::Finished;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

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
            Peer::Unshare => "OCSPRY_TEST_UNSHARE",
            Peer::Nsenter => "OCSPRY_TEST_NSENTER",
            Peer::Ip => "OCSPRY_TEST_IP",
        }
    }
}

/// How a peer ended, and what it said.
pub type Run = Finished;

/// Runs a peer to its end with nothing on stdin.  Every client used here has its own time-out or gets one by its flags.
pub fn run_bounded(command: &mut Command) -> Run {
    let output = command
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
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
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
    }
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
