//! A network of its own for a test that needs a fixed port: documented lines run as written.
//!
//! A holder process keeps the namespace alive; other programs enter it.  As root a network namespace is enough; as
//! another user, or where root may not make one, a user namespace comes with it.  Where neither can be had, the test fails in CI and is skipped
//! elsewhere.

use crate::peer::{ChildGuard, Peer};
use crate::process::Outputs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest wait for a namespace to be there, or for the program that may not make one to end.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A namespace with nothing in it but a loopback that is up.
#[derive(Debug)]
pub struct Namespace {
    holder: ChildGuard,
    nsenter: PathBuf,
    own_user: bool,
}

impl Namespace {
    /// A new one; None where the machine refuses, said aloud.
    pub fn new() -> Option<Namespace> {
        let unshare = Peer::Unshare.find()?;
        let nsenter = Peer::Nsenter.find()?;
        let ip = Peer::Ip.find()?;
        // Root in a container may be refused the one and allowed the other.
        let ways = if rustix::process::geteuid().is_root() {
            &[false, true][..]
        } else {
            &[true]
        };
        let mut reasons = String::new();
        for own_user in ways.iter().copied() {
            match hold(&unshare, &ip, own_user) {
                Ok(holder) => {
                    return Some(Namespace {
                        holder,
                        nsenter,
                        own_user,
                    });
                }
                Err(reason) => reasons += &reason,
            }
        }
        let advice = "no network namespace here: run as root, or allow user namespaces";
        assert!(std::env::var_os("CI").is_none(), "{advice}\n{reasons}");
        eprintln!("skipped: {advice}\n{reasons}");
        None
    }

    /// A command that will run inside.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.nsenter);
        command
            .arg("--target")
            .arg(self.holder.0.id().to_string())
            .arg("--net");
        if self.own_user {
            command.args(["--user", "--preserve-credentials"]);
        }
        command.arg("--").arg(program);
        command
    }
}

/// Starts the process that keeps a namespace.
///
/// # Errors
/// When the machine refuses, with what was said.
fn hold(unshare: &Path, ip: &Path, own_user: bool) -> Result<ChildGuard, String> {
    let mut command = Command::new(unshare);
    command.arg("--net");
    if own_user {
        command.arg("--map-root-user");
    }
    // `cat` ends when the pipe to it closes, so that nothing stays behind a test that was killed.
    command
        .args([
            "sh",
            "-c",
            "\"$0\" link set lo up && echo ready && exec cat",
        ])
        .arg(ip);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut holder = ChildGuard(command.spawn().expect("unshare runs"));
    let mut outputs = Outputs::of(&mut holder.0);
    if outputs.wait_for_line("ready", WAIT_MAX).is_some() {
        return Ok(holder);
    }
    let finished = outputs.finish(&mut holder.0, WAIT_MAX);
    Err(finished.map_or_else(|| outputs.to_string(), |finished| finished.stderr))
}
