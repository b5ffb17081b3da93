//! One connection from accept to close.  From: `server`.  To: `ocsp`, once per request, in the order in which they came.
//!
//! `framing` says where a request ends (RFC 9112); what is here is when to read, when to write, and when to stop.  A
//! connection that waits for a request holds no buffer, but what has come of one that is not whole: octets are read into
//! a buffer that the connections of a worker lend each other, a whole request is answered where it lies, and an answer is
//! written in one piece.  Nobody is served ahead of the others for long: tokio makes a connection wait its turn after 128 reads and
//! writes in a row.

use crate::admission::Permit;
use crate::counts::{HttpRefusal, MethodKind, RequestOutcome};
use crate::deadlines::{Deadline, Phase, Verdict, Watched};
use crate::framing::{BodyPlace, Framing, Next};
use crate::head::Broken;
use crate::headers::{self, Status};
use crate::ocsp::{self, Body, HttpRequest, HttpResponse};
use crate::scratch::{Buffers, Scratch};
use crate::server::Worker;
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Poll, ready};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

/// Serves `stream` until either side closes it, a deadline passes or the server stops.
pub(crate) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    worker: Rc<Worker>,
    permit: Permit,
    watched: Watched,
) {
    let deadline = Rc::clone(watched.deadline());
    let mut connection = Connection {
        stream,
        peer,
        worker: Rc::clone(&worker),
        deadline: Rc::clone(&deadline),
        framing: Framing::new(worker.limits().request_bytes_max),
        held: Vec::new(),
    };
    let end = {
        let mut requests = pin!(connection.answer_requests());
        std::future::poll_fn(|context| {
            deadline.register(context);
            if let Verdict::Expired(phase) = deadline.verdict() {
                return Poll::Ready(End::Expired(phase));
            }
            match catch_unwind(AssertUnwindSafe(|| requests.as_mut().poll(context))) {
                Err(_) => Poll::Ready(End::Panicked),
                Ok(Poll::Ready(Ok(()))) => Poll::Ready(End::Closed),
                Ok(Poll::Ready(Err(error))) => Poll::Ready(End::Failed(error)),
                // The server stops, and nothing is under way.  Who has just come may still ask, until a deadline ends the
                // wait for that.
                Ok(Poll::Pending)
                    if deadline.verdict() == Verdict::Drain && deadline.phase() == Phase::Idle =>
                {
                    Poll::Ready(End::Closed)
                }
                Ok(Poll::Pending) => Poll::Pending,
            }
        })
        .await
    };

    match end {
        End::Closed => {}
        End::Failed(error) => tracing::debug!(%error, "connection failed"),
        End::Expired(phase) => {
            tracing::debug!(?phase, "connection took too long");
            let is_of_drain = phase == Phase::New && worker.is_draining();
            if phase != Phase::Linger && !is_of_drain {
                worker.counts().connections_expired.add(1);
            }
            if phase == Phase::Request {
                let mut refusal = Vec::new();
                headers::write_refusal(&mut refusal, Status::RequestTimeout);
                let _ = connection.stream.try_write(&refusal);
            }
        }
        End::Panicked => {
            tracing::debug!("connection dropped: a panic in its request");
            worker.counts().panics.add(1);
        }
    }
    drop((permit, watched));
}

/// Said to a client that waits for it before it sends a body (RFC 9110 §10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Octets that are read at once: a request and its head have some hundred, and whoever waits for a signature keeps the buffer.
const READ_BYTES: usize = 4 * 1024;
/// Octets that are thrown away at most, before a client that does not stop sending is cut off.
const LINGER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How a connection ended.
enum End {
    Closed,
    Failed(io::Error),
    Expired(Phase),
    Panicked,
}

struct Connection {
    stream: TcpStream,
    peer: IpAddr,
    worker: Rc<Worker>,
    deadline: Rc<Deadline>,
    framing: Framing,
    /// What has come of a request that is not whole.
    held: Vec<u8>,
}

/// Whether a connection goes on.
enum GoesOn {
    Yes,
    No,
    /// It ends, and the client may still be sending.
    WhenClientStops,
}

impl Connection {
    /// Answers one request after the other, until there is to be no more.
    async fn answer_requests(&mut self) -> io::Result<()> {
        loop {
            let (mut scratch, count) = self.read().await?;
            if count == 0 {
                let end = self.answer_torn_request(&mut scratch).await;
                self.worker.give_back(scratch);
                return end;
            }
            // Old clients send an empty line behind a body: nothing has begun.
            let goes_on = match is_empty_lines(scratch.input.filled_mut()) {
                true => Ok(GoesOn::Yes),
                false => self.answer_what_came(&mut scratch).await,
            };
            self.worker.give_back(scratch);
            match goes_on? {
                GoesOn::Yes => {}
                GoesOn::No if self.has_more_come().await? => return self.linger().await,
                GoesOn::No => return Ok(()),
                GoesOn::WhenClientStops => return self.linger().await,
            }
        }
    }

    /// Answers as many requests as are there, and holds what is left.
    async fn answer_what_came(&mut self, scratch: &mut Scratch) -> io::Result<GoesOn> {
        if matches!(self.deadline.phase(), Phase::New | Phase::Idle) {
            self.deadline.enter(Phase::Request);
        }
        let Scratch { input, buffers } = scratch;
        let mut octets = input.filled_mut();
        while !octets.is_empty() {
            let (head, body, end) = match self.framing.next(octets) {
                Next::Request { head, body, end } => (head, body, end),
                Next::Part {
                    held,
                    send_continue,
                } => {
                    self.held = octets[..held].to_vec();
                    if send_continue {
                        write(&mut self.stream, CONTINUE).await?;
                    }
                    return Ok(GoesOn::Yes);
                }
                Next::Broken(broken) => {
                    self.refuse(broken, &mut buffers.output).await?;
                    return Ok(GoesOn::WhenClientStops);
                }
            };
            let (request, behind) = octets.split_at_mut(end);
            let request = HttpRequest {
                head: &head,
                octets: &request[..head.length],
                body: match body {
                    BodyPlace::Whole(place) => Body::Whole(&request[place]),
                    BodyPlace::Unread => Body::Unread,
                    BodyPlace::Broken => Body::Refused(HttpRefusal::BrokenBody),
                    BodyPlace::TooLong => Body::Refused(HttpRefusal::BodyTooLarge),
                },
                peer: self.peer,
            };
            let response = self.answer(&request, buffers).await?;
            let is_more_there = !is_empty_lines(behind);
            match (response.keep_alive, is_more_there) {
                (true, true) => self.deadline.enter(Phase::Request),
                (true, false) => self.deadline.enter(Phase::Idle),
                (false, false) if !request.leaves_body_unread() => return Ok(GoesOn::No),
                (false, _) => return Ok(GoesOn::WhenClientStops),
            }
            if !is_more_there {
                break;
            }
            octets = behind;
        }
        Ok(GoesOn::Yes)
    }

    /// Answers one request, and writes the answer.
    async fn answer(
        &mut self,
        request: &HttpRequest<'_>,
        buffers: &mut Buffers,
    ) -> io::Result<HttpResponse> {
        let response = ocsp::respond(request, &self.worker, &self.deadline, buffers).await;
        self.deadline.enter(Phase::Write);
        write(&mut self.stream, &buffers.output).await?;
        for part in response.tail.chunks(TAIL_PART) {
            self.deadline.enter(Phase::Write);
            write(&mut self.stream, part).await?;
        }
        Ok(response)
    }

    /// Waits until octets come; they stand behind those that were held, in a buffer that is lent.  0: the client sends
    /// no more.
    async fn read(&mut self) -> io::Result<(Box<Scratch>, usize)> {
        std::future::poll_fn(|context| {
            let mut scratch = self.worker.lend();
            let room = scratch.input.room_behind(self.held.len(), READ_BYTES);
            let mut buffer = ReadBuf::new(room);
            let polled = Pin::new(&mut self.stream).poll_read(context, &mut buffer);
            let count = buffer.filled().len();
            match polled {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.worker.give_back(scratch);
                    return Poll::Pending;
                }
            }
            scratch.input.put_in_front(&self.held, count);
            // Not only cleared: an idle connection holds nothing.
            self.held = Vec::new();
            Poll::Ready(Ok((scratch, count)))
        })
        .await
    }

    /// The client sends no more; what has come of a request is not all of it.
    async fn answer_torn_request(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        let Scratch { input, buffers } = scratch;
        let octets: &[u8] = input.filled_mut();
        let Some(head) = self.framing.torn() else {
            return Ok(());
        };
        let request = HttpRequest {
            head: &head,
            octets: &octets[..head.length],
            body: Body::Refused(HttpRefusal::BrokenBody),
            peer: self.peer,
        };
        self.answer(&request, buffers).await.map(drop)
    }

    /// Has the client sent something behind its last request?  Closing would make its kernel drop our answer then.
    async fn has_more_come(&mut self) -> io::Result<bool> {
        std::future::poll_fn(|context| {
            let mut octet = [0];
            let mut buffer = ReadBuf::new(&mut octet);
            Poll::Ready(
                match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                    Poll::Pending => Ok(false),
                    Poll::Ready(Ok(())) => Ok(!buffer.filled().is_empty()),
                    Poll::Ready(Err(error)) => Err(error),
                },
            )
        })
        .await
    }

    /// Says that this is no HTTP/1.1, so far as it can be said.
    async fn refuse(&mut self, broken: Broken, output: &mut Vec<u8>) -> io::Result<()> {
        let counts = self.worker.counts();
        counts.request_answered(MethodKind::Other, RequestOutcome::MalformedHttp);
        output.clear();
        match broken {
            Broken::Malformed => headers::write_refusal(output, Status::BadRequest),
            Broken::TooLarge => headers::write_refusal(output, Status::HeadTooLarge),
            // It would not understand.
            Broken::Http2 => {}
        }
        self.deadline.enter(Phase::Write);
        write(&mut self.stream, output).await
    }

    /// The client was refused, or was told that this was the last answer, while it may still be sending: closing now would
    /// reset the connection, and it might never read what we said.  So all that comes is thrown away, until it stops or a deadline
    /// passes.
    async fn linger(&mut self) -> io::Result<()> {
        self.deadline.enter(Phase::Linger);
        SockRef::from(&self.stream).shutdown(Shutdown::Write)?;
        let mut discarded = 0;
        while discarded <= LINGER_BYTES_MAX {
            let (scratch, count) = self.read().await?;
            self.worker.give_back(scratch);
            if count == 0 {
                break;
            }
            discarded += count;
        }
        Ok(())
    }
}

/// What a client has the time of one write for: a CRL may be large, and its line slow.
const TAIL_PART: usize = 256 * 1024;

/// Nothing but CR and LF, as some clients send behind a body (RFC 9112 §2.2).
fn is_empty_lines(octets: &[u8]) -> bool {
    octets.iter().all(|octet| matches!(octet, b'\r' | b'\n'))
}

/// Writes all of it: at once, but where the client does not take it.
async fn write(stream: &mut TcpStream, octets: &[u8]) -> io::Result<()> {
    let mut written = 0;
    std::future::poll_fn(|context| {
        while written < octets.len() {
            match ready!(Pin::new(&mut *stream).poll_write(context, &octets[written..]))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => written += count,
            }
        }
        Poll::Ready(Ok(()))
    })
    .await
}
