//! One connection from accept to close.  From: `server`.  To: `ocsp`, once per request, in the order in which they came.
//!
//! `head` and `chunks` say where a request ends (RFC 9112); what is here is when to read, when to write, and when to stop.  A
//! connection that waits for a client holds no buffer, but what has come of a request that is not whole: octets are read into
//! a buffer that the connections of a worker lend each other, a whole request is answered where it lies, and an answer is
//! written in one piece.  Nobody is served ahead of the others for long: tokio makes a connection wait its turn after 128 reads and
//! writes in a row.

use crate::admission::Permit;
use crate::chunks::{Chunks, Progress};
use crate::counts::{HttpRefusal, MethodKind, RequestOutcome};
use crate::deadlines::{Deadline, Phase, Verdict, Watched};
use crate::head::{self, BodyLength, Broken, Head, Reading};
use crate::headers::{self, Status};
use crate::ocsp::{self, Body, HttpRequest};
use crate::scratch::Scratch;
use crate::server::Worker;
use socket2::SockRef;
use std::io;
use std::net::{IpAddr, Shutdown};
use std::ops::Range;
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
    // Answers are written whole: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let deadline = Rc::clone(watched.deadline());
    let mut connection = Connection {
        stream,
        peer,
        worker: Rc::clone(&worker),
        deadline: Rc::clone(&deadline),
        held: Vec::new(),
        wants: Wants::Head { seen: 0 },
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
                let _ = connection.stream.try_write(REQUEST_TIMEOUT);
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
/// Said to a client that waits for it before it sends a body (RFC 9110 §10.1.1).
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Octets that are read at once.
const READ_BYTES: usize = 16 * 1024;
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
    /// What has come of a request that is not whole.
    held: Vec<u8>,
    wants: Wants,
}

/// What the request under way waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wants {
    /// The end of its head; so many octets of it were seen.
    Head { seen: usize },
    /// So many octets, head included.
    Octets(usize),
    /// The end of a chunked body.
    Chunks(Chunks),
}

/// Whether a connection goes on.
enum GoesOn {
    Yes,
    No,
    /// It ends, and the client may still be sending.
    WhenClientStops,
}

/// What stands at the front of the octets that have come.
enum Next {
    /// A part of a request, of which so many octets are to be held.
    Part { held: usize, send_continue: bool },
    /// A request.
    Request {
        head: Head,
        body: BodyPlace,
        /// Where it ends.
        end: usize,
    },
    /// No request, and none will follow.
    Broken(Broken),
}

/// The body of a request.
enum BodyPlace {
    Whole(Range<usize>),
    /// There is one, and it is not read.
    Unread,
    Refused(HttpRefusal),
}

impl Connection {
    /// Answers one request after the other, until there is to be no more.
    async fn answer_requests(&mut self) -> io::Result<()> {
        loop {
            let (mut scratch, count) = self.read().await?;
            if count == 0 {
                return self.answer_torn_request(&mut scratch).await;
            }
            if matches!(self.deadline.phase(), Phase::New | Phase::Idle) {
                self.deadline.enter(Phase::Request);
            }
            let goes_on = self.answer_what_came(&mut scratch).await?;
            self.worker.give_back(scratch);
            match goes_on {
                GoesOn::Yes => {}
                GoesOn::No => return Ok(()),
                GoesOn::WhenClientStops => return self.linger().await,
            }
        }
    }

    /// Answers as many requests as are there, and holds what is left.
    async fn answer_what_came(&mut self, scratch: &mut Scratch) -> io::Result<GoesOn> {
        let Scratch { input, buffers } = scratch;
        let mut octets = input.filled_mut();
        while !octets.is_empty() {
            let (head, body, end) = match self.next(octets) {
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
                    BodyPlace::Refused(refusal) => Body::Refused(refusal),
                },
                peer: self.peer,
            };
            let response = ocsp::respond(&request, &self.worker, &self.deadline, buffers).await;
            self.deadline.enter(Phase::Write);
            write(&mut self.stream, &buffers.output).await?;
            if !response.tail.is_empty() {
                write(&mut self.stream, &response.tail).await?;
            }
            let is_more_there = !behind.is_empty();
            match (response.keep_alive, is_more_there) {
                (true, true) => self.deadline.enter(Phase::Request),
                (true, false) => self.deadline.enter(Phase::Idle),
                (false, false) if !request.leaves_body_unread() => return Ok(GoesOn::No),
                (false, _) => return Ok(GoesOn::WhenClientStops),
            }
            octets = behind;
        }
        Ok(GoesOn::Yes)
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

    /// Looks at what has come.  Allocates nothing.
    fn next(&mut self, octets: &mut [u8]) -> Next {
        let part = |held| Next::Part {
            held,
            send_continue: false,
        };
        match self.wants {
            // Without the end of a line there is no end of a head.
            Wants::Head { seen }
                if seen > 0
                    && octets.len() < head::HEAD_BYTES_MAX
                    && !octets[seen..].contains(&b'\n') =>
            {
                self.wants = Wants::Head { seen: octets.len() };
                return part(octets.len());
            }
            Wants::Octets(length) if octets.len() < length => return part(octets.len()),
            Wants::Head { .. } | Wants::Octets(_) | Wants::Chunks(_) => {}
        }
        let head = match head::read(octets) {
            Reading::Whole(head) => head,
            Reading::Broken(broken) => return Next::Broken(broken),
            Reading::Partial => {
                self.wants = Wants::Head { seen: octets.len() };
                return part(octets.len());
            }
        };
        let body_bytes_max = self.worker.limits().request_bytes_max;
        let is_first_look = matches!(self.wants, Wants::Head { .. });
        let (body, end) = match head.body {
            BodyLength::None => (BodyPlace::Whole(head.length..head.length), head.length),
            _ if head.method != MethodKind::Post || !ocsp::has_valid_host(&head) => {
                (BodyPlace::Unread, head.length)
            }
            BodyLength::Octets(length) => match usize::try_from(length) {
                Ok(length) if length <= body_bytes_max => {
                    let end = head.length + length;
                    if octets.len() < end {
                        self.wants = Wants::Octets(end);
                        return Next::Part {
                            held: octets.len(),
                            send_continue: head.expects_continue && is_first_look,
                        };
                    }
                    (BodyPlace::Whole(head.length..end), end)
                }
                Ok(_) | Err(_) => (BodyPlace::Refused(HttpRefusal::BodyTooLarge), head.length),
            },
            BodyLength::Chunked => {
                let mut chunks = match std::mem::replace(&mut self.wants, Wants::Head { seen: 0 }) {
                    Wants::Chunks(chunks) => chunks,
                    Wants::Head { .. } | Wants::Octets(_) => Chunks::new(head.length),
                };
                match chunks.read(octets, body_bytes_max) {
                    Progress::Whole => (BodyPlace::Whole(chunks.body()), chunks.end()),
                    Progress::Partial => {
                        let held = chunks.forget_what_is_no_body();
                        let is_body_awaited = octets.len() == head.length;
                        self.wants = Wants::Chunks(chunks);
                        return Next::Part {
                            held,
                            send_continue: head.expects_continue
                                && is_first_look
                                && is_body_awaited,
                        };
                    }
                    Progress::Broken => (BodyPlace::Refused(HttpRefusal::BrokenBody), octets.len()),
                    Progress::TooLong => {
                        (BodyPlace::Refused(HttpRefusal::BodyTooLarge), octets.len())
                    }
                }
            }
        };
        self.wants = Wants::Head { seen: 0 };
        Next::Request { head, body, end }
    }

    /// The client sends no more; what has come of a request is not all of it.
    async fn answer_torn_request(&mut self, scratch: &mut Scratch) -> io::Result<()> {
        let Scratch { input, buffers } = scratch;
        let octets: &[u8] = input.filled_mut();
        let (Wants::Octets(_) | Wants::Chunks(_), Reading::Whole(head)) =
            (&self.wants, head::read(octets))
        else {
            return Ok(());
        };
        let request = HttpRequest {
            head: &head,
            octets: &octets[..head.length],
            body: Body::Refused(HttpRefusal::BrokenBody),
            peer: self.peer,
        };
        ocsp::respond(&request, &self.worker, &self.deadline, buffers).await;
        self.deadline.enter(Phase::Write);
        write(&mut self.stream, &buffers.output).await
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
