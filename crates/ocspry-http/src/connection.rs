//! One connection from accept to close.  From: `server`.  To: `ocsp`, once per request.
//!
//! hyper parses HTTP/1.1 (RFC 9112) and keeps the order of pipelined requests; what it leaves to us is here (and in `framing`): how long each
//! phase may take, how a refused client gets to read its refusal, how a panic ends one connection only, and how a
//! connection ends when the server stops.

use crate::admission::Permit;
use crate::counts::{MethodKind, RequestOutcome};
use crate::deadlines::{Deadline, Phase, Verdict, Watched};
use crate::framing::Framing;
use crate::ocsp;
use crate::server::Worker;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Serves `stream` until either side closes it, a deadline passes or the server stops.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    worker: Rc<Worker>,
    permit: Permit,
    watched: Watched,
) {
    // Answers are written whole: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let deadline = Rc::clone(watched.deadline());

    let io = Io {
        stream,
        deadline: Rc::clone(&deadline),
        framing: Framing::new(),
        closing: Closing::Open,
    };
    let service = service_fn({
        let worker = Rc::clone(&worker);
        let deadline = Rc::clone(&deadline);
        move |http_request| {
            ocsp::respond(http_request, peer, Rc::clone(&worker), Rc::clone(&deadline))
        }
    });
    let mut http = worker.http().serve_connection(TokioIo::new(io), service);

    let mut is_draining = false;
    let end = std::future::poll_fn(|context| {
        deadline.register(context);
        if let Verdict::Expired(phase) = deadline.verdict() {
            return Poll::Ready(End::Expired(phase));
        }
        // Before an answer that is ready by now is written: it says `connection: close`.
        if !is_draining
            && deadline.verdict() == Verdict::Drain
            && !matches!(deadline.phase(), Phase::New | Phase::Idle)
        {
            is_draining = true;
            Pin::new(&mut http).graceful_shutdown();
        }
        loop {
            match catch_unwind(AssertUnwindSafe(|| Pin::new(&mut http).poll(context))) {
                Err(_) => return Poll::Ready(End::Panicked),
                Ok(Poll::Ready(Ok(()))) => return Poll::Ready(End::Closed),
                Ok(Poll::Ready(Err(error))) => return Poll::Ready(End::Failed(error)),
                Ok(Poll::Pending) if deadline.verdict() != Verdict::Drain => return Poll::Pending,
                // Its first request may be on the way: the deadline ends the wait for that.
                Ok(Poll::Pending) if deadline.phase() == Phase::New => return Poll::Pending,
                // What was under way when the drain began is finished, with `connection: close`.
                Ok(Poll::Pending) if !is_draining => {
                    is_draining = true;
                    Pin::new(&mut http).graceful_shutdown();
                }
                Ok(Poll::Pending) if deadline.phase() == Phase::Idle => {
                    return Poll::Ready(End::Closed);
                }
                Ok(Poll::Pending) => return Poll::Pending,
            }
        }
    })
    .await;

    match end {
        End::Closed => {}
        End::Failed(error) => {
            tracing::debug!(%error, "connection failed");
            // hyper has refused it with 400, 414 or 431.
            if error.is_parse() {
                let counts = worker.counts();
                counts.request_answered(MethodKind::Other, RequestOutcome::MalformedHttp);
            }
        }
        End::Expired(phase) => {
            tracing::debug!(?phase, "connection took too long");
            let is_of_drain = phase == Phase::New && worker.is_draining();
            if phase != Phase::Linger && !is_of_drain {
                worker.counts().connections_expired.add(1);
            }
            if phase == Phase::Request {
                let stream = http.into_parts().io.into_inner().stream;
                let _ = stream.try_write(REQUEST_TIMEOUT);
            }
        }
        End::Panicked => {
            tracing::debug!("connection dropped: a panic in its request");
            worker.counts().panics.add(1);
        }
    }
    drop((permit, watched));
}

/// Said in place of an answer when a request takes too long to arrive (RFC 9110 §15.5.9).
const REQUEST_TIMEOUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

/// hyper, as every connection uses it.
pub(crate) fn http() -> http1::Builder {
    let mut http = http1::Builder::new();
    // `pipeline_flush` stays off: with it an answer waits in the buffer for as long as anything unread is left behind its
    // request, be it half of the next one or the CRLF that old clients send after a body.
    http.header_read_timeout(None)
        .auto_date_header(false)
        // A client may say that it has no more requests before it has read our answer.
        .half_close(true)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(READ_BUFFER_BYTES_MAX);
    http
}

/// Octets of a request line and its headers; more is refused with 431.
pub(crate) const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Octets that are read ahead.
const READ_BUFFER_BYTES_MAX: usize = 16 * 1024;

/// How a connection ended.
enum End {
    Closed,
    Failed(hyper::Error),
    Expired(Phase),
    Panicked,
}

/// The socket, telling its [`Deadline`] what passes.
struct Io {
    stream: TcpStream,
    deadline: Rc<Deadline>,
    framing: Framing,
    closing: Closing,
}

/// How far the close has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// Not begun.
    Open,
    /// Our side is closed; what may still wait to be read decides whether we linger.
    Sent,
    /// The client is still sending: closing now would reset the connection, and it might never read what we said.
    Lingering {
        /// Octets thrown away.
        discarded: usize,
    },
}

/// Octets that are thrown away at most, before a client that does not stop sending is cut off.
const LINGER_BYTES_MAX: usize = 8 * 1024 * 1024;

impl AsyncRead for Io {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        if buffer.filled().len() > before
            && matches!(self.deadline.phase(), Phase::New | Phase::Idle)
        {
            self.deadline.enter(Phase::Request);
        }
        if self.framing.watch(&mut buffer.filled_mut()[before..]) {
            self.deadline.linger_at_close();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        if self.deadline.phase() == Phase::Write {
            self.deadline.enter(Phase::Idle);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closing == Closing::Open {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.closing = if self.deadline.lingers() {
                Closing::Lingering { discarded: 0 }
            } else {
                Closing::Sent
            };
            self.deadline.enter(Phase::Linger);
        }
        let mut scratch = [0_u8; 4096];
        loop {
            let mut buffer = ReadBuf::new(&mut scratch);
            match (
                Pin::new(&mut self.stream).poll_read(context, &mut buffer),
                self.closing,
            ) {
                (Poll::Pending, Closing::Lingering { .. }) => return Poll::Pending,
                // Nothing waits: the client is not in the middle of anything.
                (Poll::Pending, Closing::Open | Closing::Sent) => return Poll::Ready(Ok(())),
                (Poll::Ready(Err(_)), _) => return Poll::Ready(Ok(())),
                (Poll::Ready(Ok(())), closing) => {
                    let discarded = match closing {
                        Closing::Lingering { discarded } => discarded,
                        Closing::Open | Closing::Sent => 0,
                    } + buffer.filled().len();
                    if buffer.filled().is_empty() || discarded > LINGER_BYTES_MAX {
                        return Poll::Ready(Ok(()));
                    }
                    self.closing = Closing::Lingering { discarded };
                }
            }
        }
    }
}
