//! The loops that accept connections, one for each socket of a worker, and how they end.  From: `server`.  To: its workers,
//! which serve each connection.
//!
//! What the kernel has accepted for us when the server stops is served: whoever came in time gets an answer (ADR-0018).

use crate::deadlines::Phase;
use crate::listener::{BACKLOG, PortHolder, turn_away_newcomers};
use crate::server::Worker;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Accepts until the server stops; then serves what the kernel has accepted for us, and closes the socket.
pub(crate) async fn accept_loop(
    listener: TcpListener,
    worker: Rc<Worker>,
    mut stop: watch::Receiver<Option<Instant>>,
) {
    let _accepting = worker.begin_accepting();
    let mut last_warning: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            // First: who came after the others were told to end would not hear of it.
            biased;
            _ = stop.changed() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => worker.serve(stream, peer, Phase::New),
            // The client left before we came.
            Err(error) if is_of_one_connection(&error) => worker.counts().accept_errors.add(1),
            Err(error) => {
                worker.counts().accept_errors.add(1);
                if last_warning.is_none_or(|last| last.elapsed() >= ACCEPT_WARNING_INTERVAL) {
                    last_warning = Some(Instant::now());
                    tracing::warn!(%error, "cannot accept connections; if files ran out, raise LimitNOFILE (ulimit -n)");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    match worker.holder() {
        // What waits there is for the one that comes next.
        PortHolder::Parent => return,
        PortHolder::Alone => {}
        PortHolder::Beside => finish_handshakes(&listener, &worker).await,
    }
    let Ok(listener) = listener.into_std() else {
        return;
    };
    // No more than can have waited: connections that keep arriving do not hold up the end.
    for _ in 0..BACKLOG {
        let Ok((stream, peer)) = listener.accept() else {
            break;
        };
        if stream.set_nonblocking(true).is_err() {
            continue;
        }
        let has_sent = stream.peek(&mut [0]).is_ok_and(|octets| octets > 0);
        let phase = if has_sent { Phase::Request } else { Phase::New };
        if let Ok(stream) = TcpStream::from_std(stream) {
            worker.serve(stream, peer, phase);
        }
    }
    worker.drain();
}

/// Lets in who is connecting already, and nobody else: the port stays open beside us.
async fn finish_handshakes(listener: &TcpListener, worker: &Rc<Worker>) {
    if let Err(error) = turn_away_newcomers(listener) {
        tracing::warn!(%error, "clients that connect at this moment may be reset");
        return;
    }
    let mut time = std::pin::pin!(tokio::time::sleep(HANDSHAKE_TIME));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => worker.serve(stream, peer, Phase::New),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            () = &mut time => return,
        }
    }
}

/// How long a client may take to finish connecting: a round trip around the world.
const HANDSHAKE_TIME: Duration = Duration::from_millis(300);

/// How long accepting rests after an error that the next attempt would meet again (no file descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often at most such an error is logged.
const ACCEPT_WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Errors of accept(2) that say something of one connection, not of us.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
            | io::ErrorKind::TimedOut
    )
}
