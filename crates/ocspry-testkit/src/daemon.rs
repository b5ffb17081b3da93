//! Peers that serve in the foreground: ready by a line or a connection, gone when dropped, on a port that nobody else
//! has.  From: tests.  To: `peer` names the program; `DaemonGuard` is for those that leave the foreground.

use crate::process::{Finished, Outputs};
use std::fmt;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A server as our child: killed and reaped on drop.  Only for one that has no children of its own.
#[derive(Debug)]
pub struct ForegroundPeer {
    child: Child,
    outputs: Outputs,
}

impl ForegroundPeer {
    /// Starts it with nothing on stdin.
    pub fn start(command: &mut Command) -> ForegroundPeer {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let outputs = Outputs::of(&mut child);
        ForegroundPeer { child, outputs }
    }

    /// Waits for a line on stdout that contains `part`; None when the server ends or the time is over first.
    pub fn wait_for_line(&self, part: &str, wait_max: Duration) -> Option<String> {
        self.outputs.wait_for_line(part, wait_max)
    }

    /// Kills it; all that it has written until then.
    pub fn stop(mut self) -> Finished {
        let _ = self.child.kill();
        self.outputs
            .finish(&mut self.child, STOP_WAIT_MAX)
            .unwrap_or_else(|| panic!("its pipes do not end:\n{}", self.outputs))
    }

    /// Has it ended by itself?
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl fmt::Display for ForegroundPeer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.outputs.fmt(formatter)
    }
}

impl Drop for ForegroundPeer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// Starts a server that cannot take port 0: `start` is given a port that was free a moment ago, and returns None when
/// somebody else has taken it since, to be asked again; panics after a few.
pub fn on_free_port<T>(transport: Transport, mut start: impl FnMut(u16) -> Option<T>) -> T {
    (0..TRIES_MAX)
        .find_map(|_| start(free_port(transport)))
        .unwrap_or_else(|| panic!("no {transport:?} port in {TRIES_MAX} tries"))
}

/// A port of 127.0.0.1 that nobody has now.
fn free_port(transport: Transport) -> u16 {
    let any = (Ipv4Addr::LOCALHOST, 0);
    let address = match transport {
        Transport::Tcp => TcpListener::bind(any).and_then(|socket| socket.local_addr()),
        Transport::Udp => UdpSocket::bind(any).and_then(|socket| socket.local_addr()),
    };
    address.expect("a free port").port()
}

const TRIES_MAX: usize = 5;
/// Longest wait for the pipes of a process that was killed to be read.
const STOP_WAIT_MAX: Duration = Duration::from_secs(30);
