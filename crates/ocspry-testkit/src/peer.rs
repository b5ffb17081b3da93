//! Real peers: which program, from which package, and how it is run and stopped.
//!
//! Found by `OCSPRY_TEST_<NAME>` (a path), else on PATH, else in the folders where packages hide it.  Missing: fails when
//! `CI` is set, elsewhere says which package to install and skips.  xtask's setup.rs installs all of them.

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
    /// GnuTLS's TLS client.
    GnutlsCli,
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
    /// Runs Java source files.
    Java,
    /// Makes NSS certificate databases.
    Certutil,
    /// NSS's OCSP client.
    Ocspclnt,
    /// strongSwan's PKI tool.
    StrongswanPki,
    /// Python with the packages of requirements.txt beside the tests: pyca/cryptography, pkilint and django-ca.
    Python,
    /// Apache httpd.
    Apache,
    /// FreeRADIUS.
    Freeradius,
    /// wpa_supplicant's EAP client.
    EapolTest,
    /// Joins a pipe and a socket.
    Socat,
    /// Runs a program as another user.
    Setpriv,
    /// Sees and disturbs system calls.
    Strace,
    /// A browser.
    Chromium,
    /// Drives it by the WebDriver protocol.
    Chromedriver,
    /// axe-core: no program but a script that checks pages in a browser.
    AxeCore,
    /// Says whether systemd takes a unit.
    SystemdAnalyze,
}

/// Where a peer is and how one gets it.
struct Source {
    program: &'static str,
    /// The Debian package.
    package: &'static str,
    /// The environment variable that holds its path.
    variable: &'static str,
}

impl Peer {
    /// Its path; None = not here, said aloud, and the test is to return.
    pub fn find(self) -> Option<PathBuf> {
        let Source {
            program,
            package,
            variable,
        } = self.source();
        let found = std::env::var_os(variable)
            .map(PathBuf::from)
            .or_else(|| self.installed());
        if found.is_none() {
            let advice = match self {
                Peer::Python | Peer::AxeCore => "run `cargo xtask setup`".to_owned(),
                _ => format!("install the Debian package {package}"),
            };
            let advice = format!("{program} not found: {advice}, or set {variable} to its path");
            assert!(std::env::var_os("CI").is_none(), "{advice}");
            eprintln!("skipped: {advice}");
        }
        found
    }

    /// A command of this peer; None as for [`Peer::find`].
    pub fn command(self) -> Option<Command> {
        self.find().map(Command::new)
    }

    /// What it says of its version with these arguments: the first line of its output; None as for [`Peer::find`].
    pub fn version(self, arguments: &[&str]) -> Option<String> {
        let run = run_bounded(self.command()?.args(arguments));
        let said = run.stdout + &run.stderr;
        Some(said.lines().next().unwrap_or_default().trim().to_owned())
    }

    fn installed(self) -> Option<PathBuf> {
        let program = self.source().program;
        if self == Peer::Python {
            // Not on PATH: only the environment that `cargo xtask setup` makes has the packages.
            return Some(Path::new(PYTHON_ENVIRONMENT).join("bin").join(program))
                .filter(|candidate| candidate.is_file());
        }
        if self == Peer::AxeCore {
            return Some(Path::new(NODE_MODULES).join("axe-core").join(program))
                .filter(|candidate| candidate.is_file());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        // Debian keeps daemons in sbin, which is not on everybody's PATH.
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .map(|directory| directory.join(program))
            .find(|candidate| candidate.is_file())
    }

    fn source(self) -> Source {
        let (program, package, variable) = match self {
            Peer::Openssl => ("openssl", "openssl", "OCSPRY_TEST_OPENSSL"),
            Peer::Ocsptool => ("ocsptool", "gnutls-bin", "OCSPRY_TEST_OCSPTOOL"),
            Peer::GnutlsCli => ("gnutls-cli", "gnutls-bin", "OCSPRY_TEST_GNUTLS_CLI"),
            Peer::Curl => ("curl", "curl", "OCSPRY_TEST_CURL"),
            Peer::Nginx => ("nginx", "nginx-light", "OCSPRY_TEST_NGINX"),
            Peer::Varnish => ("varnishd", "varnish", "OCSPRY_TEST_VARNISH"),
            Peer::Promtool => ("promtool", "prometheus", "OCSPRY_TEST_PROMTOOL"),
            Peer::Unshare => ("unshare", "util-linux", "OCSPRY_TEST_UNSHARE"),
            Peer::Nsenter => ("nsenter", "util-linux", "OCSPRY_TEST_NSENTER"),
            Peer::Ip => ("ip", "iproute2", "OCSPRY_TEST_IP"),
            Peer::Java => ("java", "default-jre-headless", "OCSPRY_TEST_JAVA"),
            Peer::Certutil => ("certutil", "libnss3-tools", "OCSPRY_TEST_CERTUTIL"),
            Peer::Ocspclnt => ("ocspclnt", "libnss3-tools", "OCSPRY_TEST_OCSPCLNT"),
            Peer::StrongswanPki => ("pki", "strongswan-pki", "OCSPRY_TEST_STRONGSWAN_PKI"),
            Peer::Python => ("python3", "python3-venv", "OCSPRY_TEST_PYTHON"),
            Peer::Haproxy => ("haproxy", "haproxy", "OCSPRY_TEST_HAPROXY"),
            Peer::Apache => ("apache2", "apache2-bin", "OCSPRY_TEST_APACHE"),
            Peer::Freeradius => ("freeradius", "freeradius", "OCSPRY_TEST_FREERADIUS"),
            Peer::EapolTest => ("eapol_test", "eapoltest", "OCSPRY_TEST_EAPOL_TEST"),
            Peer::Socat => ("socat", "socat", "OCSPRY_TEST_SOCAT"),
            Peer::Setpriv => ("setpriv", "util-linux", "OCSPRY_TEST_SETPRIV"),
            Peer::Strace => ("strace", "strace", "OCSPRY_TEST_STRACE"),
            Peer::Chromium => ("chromium", "chromium", "OCSPRY_TEST_CHROMIUM"),
            Peer::Chromedriver => (
                "chromedriver",
                "chromium-driver",
                "OCSPRY_TEST_CHROMEDRIVER",
            ),
            Peer::AxeCore => ("axe.min.js", "axe-core", "OCSPRY_TEST_AXE_CORE"),
            Peer::SystemdAnalyze => ("systemd-analyze", "systemd", "OCSPRY_TEST_SYSTEMD_ANALYZE"),
        };
        Source {
            program,
            package,
            variable,
        }
    }
}

/// Made by `cargo xtask setup`.
pub(crate) const PYTHON_ENVIRONMENT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/xtask/python");

/// Made by `cargo xtask setup`, too.
const NODE_MODULES: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/xtask/npm/node_modules"
);

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
