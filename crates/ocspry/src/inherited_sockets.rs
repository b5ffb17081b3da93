//! Sockets that whoever started us holds open, as systemd does for a `.socket` unit.  From: LISTEN_FDS and LISTEN_PID.  To:
//! `serve`, in place of those it would bind.  They stay open over a restart: connections wait on them for the next process.

use std::net::TcpListener;

use anyhow::{Result, bail};
use listenfd::ListenFd;

/// Takes them, once; None when there are none.
///
/// # Errors
/// One of them is no listening TCP socket.
pub(crate) fn take() -> Result<Option<Vec<TcpListener>>> {
    let mut inherited = ListenFd::from_env();
    let mut sockets = Vec::new();
    for index in 0..inherited.len() {
        match inherited.take_tcp_listener(index) {
            Ok(Some(socket)) => sockets.push(socket),
            Ok(None) => {}
            Err(error) => bail!(
                "socket {index} of LISTEN_FDS cannot be used: {error}; `ListenStream=` with a port makes one that can"
            ),
        }
    }
    Ok((!sockets.is_empty()).then_some(sockets))
}
