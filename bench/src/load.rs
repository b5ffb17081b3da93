//! Loads from one thread: so many connections, each with one request in flight.
//!
//! A stream of requests goes as fast as it is answered, or comes at a rate of its own; several can run side by side in the one
//! thread, so that none waits for the generator of another.  A connection is kept until the server closes it as it said it would:
//! then the next request has a new one, whose making counts.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use crate::server::Server;

/// What is sent, which answers are right, and how long it goes on.
pub trait Traffic {
    /// Writes the next request of a connection over the one before.
    fn ask(&mut self, connection: usize, request: &mut Vec<u8>);

    /// Looks at the body of an answer with status 200 to what this connection sent last.
    ///
    /// # Errors
    /// Why it is wrong.
    fn judge(&mut self, connection: usize, request: &[u8], body: &[u8]) -> Result<Judged, String>;

    /// Is it enough, so long after the start?
    fn is_over(&self, elapsed: Duration) -> bool;
}

/// What is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// The answer to the question.
    Answer,
    /// That there is too much to do: counted and timed apart.
    Refusal,
}

/// What came of it.
pub struct Measured {
    failed: u64,
    first_failure: Option<String>,
    unsent: u64,
    elapsed: Duration,
    drained: Duration,
    cpu_us: u64,
    client_idle: Duration,
    answers: Latencies,
    refusals: Latencies,
}

impl Measured {
    /// Right answers in a second, without refusals.
    pub fn requests_per_second(&self) -> f64 {
        self.requests() as f64 / self.elapsed.as_secs_f64()
    }

    /// Refusals in a second.
    pub fn refused_per_second(&self) -> f64 {
        self.refusals.len() as f64 / self.elapsed.as_secs_f64()
    }

    /// How long refusals took.
    pub fn refusals(&self) -> &Latencies {
        &self.refusals
    }

    /// The server's CPU time.
    pub fn cpu_us_per_request(&self) -> f64 {
        self.cpu_us as f64 / self.requests() as f64
    }

    /// Right answers.
    pub fn requests(&self) -> u64 {
        self.answers.len()
    }

    /// Requests that were not answered, or wrongly.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// Why the first of those failed.
    pub fn first_failure(&self) -> Option<&str> {
        self.first_failure.as_deref()
    }

    /// Questions of a rate for which no connection was free for a long time.
    pub fn unsent(&self) -> u64 {
        self.unsent
    }

    /// How long after the end the last answer came that was waited for.
    pub fn drained(&self) -> Duration {
        self.drained
    }

    /// How much of one core the server had.
    pub fn busy(&self) -> f64 {
        self.cpu_us as f64 / self.elapsed.as_micros() as f64
    }

    /// How much of the time this program had something to do: near 1 it was the limit itself.
    pub fn client_busy(&self) -> f64 {
        1.0 - self.client_idle.as_secs_f64() / self.elapsed.as_secs_f64()
    }

    /// This measurement, if nothing failed and all was sent.
    pub fn without_failures(self) -> Result<Measured> {
        ensure!(
            self.unsent == 0,
            "{} questions were never sent",
            self.unsent
        );
        ensure!(
            self.failed == 0,
            "{} requests failed, the first one by: {}",
            self.failed,
            self.first_failure.unwrap_or_default()
        );
        Ok(self)
    }

    /// The latency that this share of the answers did not go beyond; 0 without any.
    pub fn percentile_us(&self, share: f64) -> u32 {
        self.answers.percentile_us(share).unwrap_or(0)
    }

    /// As it is kept.
    pub fn to_json(&self, load: &str, server: &str) -> Value {
        json!({
            "load": load,
            "server": server,
            "requests": self.requests(),
            "failed": self.failed,
            "first_failure": self.first_failure,
            "unsent": self.unsent,
            "requests_per_second": self.requests_per_second(),
            "cpu_us_per_request": self.cpu_us_per_request(),
            "server_busy": self.busy(),
            "client_busy": self.client_busy(),
            "p50_us": self.percentile_us(0.5),
            "p90_us": self.percentile_us(0.9),
            "p99_us": self.percentile_us(0.99),
            "p999_us": self.percentile_us(0.999),
            "max_us": self.percentile_us(1.0),
        })
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>9.0} requests/s  {:>6.2} us CPU/request  p50 {:>5} us  p90 {:>5} us  p99 {:>5} us  p99.9 {:>5} us",
            self.requests_per_second(),
            self.cpu_us_per_request(),
            self.percentile_us(0.5),
            self.percentile_us(0.9),
            self.percentile_us(0.99),
            self.percentile_us(0.999),
        )
    }
}

/// How long each took.
#[derive(Default)]
pub struct Latencies {
    us: Vec<u32>,
}

impl Latencies {
    fn add(&mut self, latency: Duration) {
        let us = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
        self.us.push(us);
    }

    fn len(&self) -> u64 {
        self.us.len() as u64
    }

    /// What this share of them did not go beyond; none of none.  They are sorted when the load is over.
    pub fn percentile_us(&self, share: f64) -> Option<u32> {
        let last = self.us.len().checked_sub(1)?;
        self.us.get((last as f64 * share) as usize).copied()
    }
}

/// A load that fails so often is given up.
const FAILURES_MAX: u64 = 100_000;
/// Requests of a rate that wait for a connection; what is beyond is never sent, and counted as that.
const WAITING_MAX: usize = 100_000;

/// How long a load waits at its end for answers that do not count any more.
const DRAIN_MAX: Duration = Duration::from_secs(10);

/// Requests over connections of their own.
pub struct Stream<'a> {
    /// What is asked.
    pub traffic: &'a mut dyn Traffic,
    /// How many connections.
    pub connections: usize,
    /// So many in a second, whatever the server does; None: the next one as soon as the last is answered.
    pub rate: Option<f64>,
}

/// Runs one load, as fast as it is answered.  A connection that is lost, a status that is not 200 and a wrong body are
/// failures: counted, and the load goes on.
pub fn run(server: &Server, traffic: &mut dyn Traffic, connections: usize) -> Result<Measured> {
    let stream = Stream {
        traffic,
        connections,
        rate: None,
    };
    let measured = run_side_by_side(server, &mut [stream])?.pop();
    measured.context("one stream, one measurement")
}

/// Runs several loads until the first of them is over.  The server's CPU time is that for all of them.
pub fn run_side_by_side(server: &Server, streams: &mut [Stream<'_>]) -> Result<Vec<Measured>> {
    let mut poll = Poll::new()?;
    let total = streams.iter().map(|stream| stream.connections).sum();
    let mut events = Events::with_capacity(total);
    let mut all = Vec::with_capacity(total);
    let mut lanes = Vec::with_capacity(streams.len());
    for (lane, stream) in streams.iter().enumerate() {
        for connection in 0..stream.connections {
            let index = all.len();
            all.push(Connection {
                lane,
                index: connection,
                stream: connect(&poll, server.port, index)?,
                connecting_since: None,
                request: Vec::new(),
                sent: None,
                is_free: false,
                closes: false,
                received: Vec::new(),
            });
        }
        lanes.push(Lane::new(stream.rate));
    }
    // Requests of a rate come between the events.  Where nobody else wants its core the thread never sleeps: to wake it would
    // cost the server an interrupt for each answer.
    let pause = Duration::from_millis(if server.has_all_cores { 1 } else { 0 });
    let cpu_before = server.cpu_us()?;
    let mut client_idle = Duration::ZERO;
    let started = Instant::now();
    loop {
        let elapsed = started.elapsed();
        if streams.iter().any(|stream| stream.traffic.is_over(elapsed)) {
            break;
        }
        let asked_for_events = Instant::now();
        wait(&mut poll, &mut events, pause)?;
        if events.is_empty() || server.has_all_cores {
            client_idle += asked_for_events.elapsed();
        }
        for event in &events {
            let index = event.token().0;
            let connection = &mut all[index];
            let lane = &mut lanes[connection.lane];
            let traffic = &mut *streams[connection.lane].traffic;
            match connection.turn(traffic, lane, index) {
                Ok(Next::Waits) => {}
                Ok(Next::Closed) => connection.renew(&poll, server.port, index)?,
                Err(why) => {
                    lane.fail(format!("{}: {why}", server.name))?;
                    connection.renew(&poll, server.port, index)?;
                }
            }
        }
        let elapsed = started.elapsed();
        for (lane, stream) in lanes.iter_mut().zip(streams.iter_mut()) {
            let lost = lane.send_what_is_due(started, elapsed, &mut all, stream.traffic)?;
            for index in lost {
                all[index].renew(&poll, server.port, index)?;
            }
        }
    }
    let elapsed = started.elapsed();
    let cpu_us = server.cpu_us()? - cpu_before;
    drain(&mut poll, &mut all, streams)?;
    let drained = started.elapsed() - elapsed;
    for connection in all
        .iter()
        .filter(|one| one.is_expecting() && one.sent.is_some())
    {
        lanes[connection.lane].fail(format!("no answer {DRAIN_MAX:?} after the load"))?;
    }
    let ended = lanes.into_iter().map(|mut lane| {
        lane.measured.elapsed = elapsed;
        lane.measured.drained = drained;
        lane.measured.cpu_us = cpu_us;
        lane.measured.client_idle = client_idle;
        lane.end(server)
    });
    ended.collect()
}

/// Waits for events; a process that was stopped and goes on has none.
fn wait(poll: &mut Poll, events: &mut Events, pause: Duration) -> Result<()> {
    match poll.poll(events, Some(pause)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        result => Ok(result?),
    }
}

/// Lets every connection get the answer that it waits for, or ask once and get one if it has not yet: a load leaves nothing to do
/// behind, and there are servers that take it badly when a client leaves without a question.  Nothing of it counts.
fn drain(poll: &mut Poll, all: &mut [Connection], streams: &mut [Stream<'_>]) -> Result<()> {
    let started = Instant::now();
    let mut events = Events::with_capacity(all.len());
    while all.iter().any(Connection::is_expecting) && started.elapsed() < DRAIN_MAX {
        wait(poll, &mut events, Duration::from_millis(100))?;
        for event in &events {
            let connection = &mut all[event.token().0];
            let traffic = &mut *streams[connection.lane].traffic;
            if connection.is_expecting() && !matches!(connection.last_turn(traffic), Ok(false)) {
                connection.closes = true;
            }
        }
    }
    Ok(())
}

/// One stream under way: what is due, who is free, what came of it.
struct Lane {
    rate: Option<f64>,
    begun: u64,
    waiting: VecDeque<Instant>,
    /// Connections that have nothing to do; the one that was used least recently first, so that none is idle for so long that
    /// the server closes it.
    free: VecDeque<usize>,
    measured: Measured,
}

impl Lane {
    fn new(rate: Option<f64>) -> Lane {
        Lane {
            rate,
            begun: 0,
            waiting: VecDeque::new(),
            free: VecDeque::new(),
            measured: Measured {
                failed: 0,
                first_failure: None,
                unsent: 0,
                elapsed: Duration::ZERO,
                drained: Duration::ZERO,
                cpu_us: 0,
                client_idle: Duration::ZERO,
                answers: Latencies::default(),
                refusals: Latencies::default(),
            },
        }
    }

    fn fail(&mut self, why: String) -> Result<()> {
        self.measured.failed += 1;
        ensure!(
            self.measured.failed < FAILURES_MAX,
            "gone, or as good as: {why}"
        );
        self.measured.first_failure.get_or_insert(why);
        Ok(())
    }

    /// Sends what a rate asks for by now, as long as connections are free; gives back those that were lost by it.  What finds
    /// none waits, and its latency counts from when it was due.
    fn send_what_is_due(
        &mut self,
        started: Instant,
        elapsed: Duration,
        all: &mut [Connection],
        traffic: &mut dyn Traffic,
    ) -> Result<Vec<usize>> {
        let mut lost = Vec::new();
        let Some(rate) = self.rate else {
            return Ok(lost);
        };
        let due = (elapsed.as_secs_f64() * rate) as u64;
        while self.begun < due {
            self.begun += 1;
            if self.waiting.len() == WAITING_MAX {
                self.measured.unsent += 1;
            } else {
                let since = Duration::from_secs_f64(self.begun as f64 / rate);
                self.waiting.push_back(started + since);
            }
        }
        while !self.waiting.is_empty()
            && let Some(index) = self.free.pop_front()
        {
            let Some(since) = self.waiting.pop_front() else {
                break;
            };
            all[index].is_free = false;
            if let Err(why) = all[index].send(traffic, since) {
                self.fail(why.to_string())?;
                lost.push(index);
            }
        }
        Ok(lost)
    }

    fn end(self, server: &Server) -> Result<Measured> {
        let mut measured = self.measured;
        ensure!(
            measured.answers.len() + measured.refusals.len() > 0,
            "{} answered nothing right: {:?}",
            server.name,
            measured.first_failure
        );
        measured.answers.us.sort_unstable();
        measured.refusals.us.sort_unstable();
        Ok(measured)
    }
}

fn connect(poll: &Poll, port: u16, index: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(([127, 0, 0, 1], port).into())?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(&mut stream, Token(index), interest)?;
    Ok(stream)
}

/// What becomes of a connection.
enum Next {
    /// It is used on when there is something to read or to write.
    Waits,
    /// The server closed it, as it said.
    Closed,
}

struct Connection {
    lane: usize,
    /// Which one of its stream.
    index: usize,
    stream: TcpStream,
    /// Made in place of one that was closed: the next latency counts from here.
    connecting_since: Option<Instant>,
    request: Vec<u8>,
    sent: Option<Instant>,
    /// It is among those of its stream that have nothing to do.
    is_free: bool,
    /// The server closes it, and said so.
    closes: bool,
    received: Vec<u8>,
}

impl Connection {
    /// Does what can be done now.
    ///
    /// # Errors
    /// When the connection is lost.
    fn turn(&mut self, traffic: &mut dyn Traffic, lane: &mut Lane, index: usize) -> Result<Next> {
        if self.closes {
            return self.see_the_end();
        }
        if self.sent.is_none() {
            self.go_on(traffic, lane, index)?;
            return Ok(Next::Waits);
        }
        while let Some(latency) = self.receive()? {
            match self.judge(traffic)? {
                Ok(Judged::Answer) => lane.measured.answers.add(latency),
                Ok(Judged::Refusal) => lane.measured.refusals.add(latency),
                Err(why) => lane.fail(why)?,
            }
            if self.closes {
                return self.see_the_end();
            }
            self.sent = None;
            self.go_on(traffic, lane, index)?;
        }
        Ok(Next::Waits)
    }

    /// Whether the server owes an answer, or was not asked anything.
    fn is_expecting(&self) -> bool {
        !self.closes && !self.is_free
    }

    /// After the load: whether the last answer is there.
    fn last_turn(&mut self, traffic: &mut dyn Traffic) -> Result<bool> {
        if self.sent.is_none() {
            self.send(traffic, Instant::now())?;
        }
        Ok(self.receive()?.is_some())
    }

    /// Another one in its place.
    fn renew(&mut self, poll: &Poll, port: u16, index: usize) -> Result<()> {
        self.connecting_since = self.closes.then(Instant::now);
        self.stream = connect(poll, port, index)?;
        self.sent = None;
        self.closes = false;
        self.received.clear();
        Ok(())
    }

    /// Sends the next request, or is free for one of a rate.
    fn go_on(&mut self, traffic: &mut dyn Traffic, lane: &mut Lane, index: usize) -> Result<()> {
        if lane.rate.is_none() {
            let since = self.connecting_since.unwrap_or_else(Instant::now);
            return self.send(traffic, since);
        }
        if !self.is_free {
            self.is_free = true;
            lane.free.push_back(index);
        }
        Ok(())
    }

    fn send(&mut self, traffic: &mut dyn Traffic, since: Instant) -> Result<()> {
        traffic.ask(self.index, &mut self.request);
        match self.stream.write(&self.request) {
            Ok(length) => ensure!(
                length == self.request.len(),
                "a request of {length} octets did not fit"
            ),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::NotConnected
                ) =>
            {
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        }
        self.sent = Some(since);
        self.connecting_since = None;
        self.received.clear();
        Ok(())
    }

    /// The latency of a complete answer, if it is complete.
    fn receive(&mut self) -> Result<Option<Duration>> {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => anyhow::bail!("a closed connection"),
            Ok(length) => self.received.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let Some(head) = self.head_length() else {
            return Ok(None);
        };
        let said = Head::read(&self.received[..head])?;
        if self.received.len() < head + 4 + said.content_length {
            return Ok(None);
        }
        self.closes = said.closes;
        let sent = self.sent.context("answered before it was asked")?;
        Ok(Some(sent.elapsed()))
    }

    fn see_the_end(&mut self) -> Result<Next> {
        match self.stream.read(&mut [0; 64]) {
            Ok(0) => Ok(Next::Closed),
            Ok(_) => anyhow::bail!("octets behind an answer"),
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock => Ok(Next::Waits),
                ErrorKind::ConnectionReset => Ok(Next::Closed),
                _ => Err(error.into()),
            },
        }
    }

    fn judge(&self, traffic: &mut dyn Traffic) -> Result<Result<Judged, String>> {
        let head = self.head_length().context("complete")?;
        // A server without keep-alive answers as HTTP/1.0.
        if !matches!(
            self.received.get(..12),
            Some(b"HTTP/1.1 200" | b"HTTP/1.0 200")
        ) {
            let line = self.received.split(|&octet| octet == b'\r').next();
            let line = String::from_utf8_lossy(line.unwrap_or_default()).into_owned();
            return Ok(Err(line));
        }
        Ok(traffic.judge(self.index, &self.request, &self.received[head + 4..]))
    }

    fn head_length(&self) -> Option<usize> {
        self.received
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
    }
}

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    content_length: usize,
    closes: bool,
}

impl Head {
    fn read(head: &[u8]) -> Result<Head> {
        let head = std::str::from_utf8(head)?;
        let mut content_length = None;
        let mut closes = head.starts_with("HTTP/1.0");
        for line in head.lines().skip(1) {
            let Some((name, value)) = line.split_once(':') else {
                continue;
            };
            if name.eq_ignore_ascii_case("content-length") {
                content_length = Some(value.trim().parse()?);
            } else if name.eq_ignore_ascii_case("connection") {
                closes = value.trim().eq_ignore_ascii_case("close");
            }
        }
        Ok(Head {
            content_length: content_length.context("no Content-Length")?,
            closes,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        Head::read(text.as_bytes()).unwrap()
    }

    #[test]
    fn a_connection_ends_where_the_answer_says_so_or_is_of_http_1_0() {
        assert!(!head("HTTP/1.1 200 OK\r\nContent-Length: 5").closes);
        assert!(head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nconnection: Close").closes);
        assert!(head("HTTP/1.0 200 OK\r\ncontent-length:5").closes);
        assert!(!head("HTTP/1.0 200 OK\r\ncontent-length:5\r\nConnection: keep-alive").closes);
        assert_eq!(
            head("HTTP/1.0 200 OK\r\ncontent-length: 5").content_length,
            5
        );
        assert!(Head::read(b"HTTP/1.1 200 OK").is_err());
    }

    #[test]
    fn a_percentile_is_what_the_share_did_not_go_beyond_and_none_of_none() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile_us(0.99), None);
        for us in 1..=101 {
            latencies.add(Duration::from_micros(us));
        }
        assert_eq!(latencies.percentile_us(0.5), Some(51));
        assert_eq!(latencies.percentile_us(0.99), Some(100));
        assert_eq!(latencies.percentile_us(1.0), Some(101));
    }

    #[test]
    fn what_a_rate_asks_for_is_counted_by_the_time_and_waits_for_a_free_connection() {
        struct Nothing;
        impl Traffic for Nothing {
            fn ask(&mut self, _: usize, _: &mut Vec<u8>) {}
            fn judge(&mut self, _: usize, _: &[u8], _: &[u8]) -> Result<Judged, String> {
                Ok(Judged::Answer)
            }
            fn is_over(&self, _: Duration) -> bool {
                false
            }
        }
        let mut lane = Lane::new(Some(1000.0));
        let started = Instant::now();
        for (milliseconds, expected) in [(0, 0), (10, 10), (10, 10), (25, 25)] {
            let elapsed = Duration::from_millis(milliseconds);
            lane.send_what_is_due(started, elapsed, &mut [], &mut Nothing)
                .unwrap();
            assert_eq!(lane.waiting.len(), expected, "{milliseconds}");
        }
        // Whenever it is looked at: a latency counts from when its question was due.
        assert_eq!(lane.waiting[0], started + Duration::from_millis(1));
        assert_eq!(lane.waiting[24], started + Duration::from_millis(25));
    }
}
