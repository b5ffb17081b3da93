//! A closed-loop load: so many kept connections, each with one request in flight, from one thread.

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
    fn judge(&mut self, connection: usize, request: &[u8], body: &[u8]) -> Result<(), String>;

    /// Is it enough, so long after the start?
    fn is_over(&self, elapsed: Duration) -> bool;
}

/// The same request every time; any body will do.
pub struct Same<'a> {
    /// The request.
    pub request: &'a [u8],
    /// How long.
    pub wanted: Duration,
}

impl Traffic for Same<'_> {
    fn ask(&mut self, _connection: usize, request: &mut Vec<u8>) {
        if request.is_empty() {
            request.extend_from_slice(self.request);
        }
    }

    fn judge(&mut self, _connection: usize, _request: &[u8], _body: &[u8]) -> Result<(), String> {
        Ok(())
    }

    fn is_over(&self, elapsed: Duration) -> bool {
        elapsed >= self.wanted
    }
}

/// A request whose last 16 octets are a nonce, another one every time.
pub struct Nonce<'a> {
    /// The request.
    pub request: &'a [u8],
    /// How long.
    pub wanted: Duration,
    /// Must the body hold the nonce that was sent?
    pub echoed: bool,
    /// The nonce sent last.
    pub counter: u64,
}

impl Traffic for Nonce<'_> {
    fn ask(&mut self, _connection: usize, request: &mut Vec<u8>) {
        self.counter += 1;
        request.clear();
        request.extend_from_slice(self.request);
        let end = request.len();
        request[end - 8..].copy_from_slice(&self.counter.to_be_bytes());
    }

    fn judge(&mut self, _connection: usize, request: &[u8], body: &[u8]) -> Result<(), String> {
        let nonce = &request[request.len() - 16..];
        if self.echoed && !body.windows(16).any(|window| window == nonce) {
            return Err("another request's nonce".to_owned());
        }
        Ok(())
    }

    fn is_over(&self, elapsed: Duration) -> bool {
        elapsed >= self.wanted
    }
}

/// What came of it.
pub struct Measured {
    requests: u64,
    failed: u64,
    first_failure: Option<String>,
    elapsed: Duration,
    cpu_us: u64,
    latencies_us: Vec<u32>,
}

impl Measured {
    /// Right answers in a second.
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// The server's CPU time.
    pub fn cpu_us_per_request(&self) -> f64 {
        self.cpu_us as f64 / self.requests as f64
    }

    /// Requests that were not answered, or wrongly.
    pub fn failed(&self) -> u64 {
        self.failed
    }

    /// This measurement, if nothing failed.
    pub fn without_failures(self) -> Result<Measured> {
        ensure!(
            self.failed == 0,
            "{} requests failed, the first one by: {}",
            self.failed,
            self.first_failure.unwrap_or_default()
        );
        Ok(self)
    }

    /// The latency that this share of the answers did not go beyond.
    pub fn percentile_us(&self, share: f64) -> u32 {
        let last = self.latencies_us.len() - 1;
        self.latencies_us[(last as f64 * share) as usize]
    }

    /// As it is kept.
    pub fn to_json(&self, load: &str, server: &str) -> Value {
        json!({
            "load": load,
            "server": server,
            "requests": self.requests,
            "failed": self.failed,
            "first_failure": self.first_failure,
            "requests_per_second": self.requests_per_second(),
            "cpu_us_per_request": self.cpu_us_per_request(),
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

/// A load that fails so often is given up.
const FAILURES_MAX: u64 = 100_000;

/// Runs one load.  A connection that is closed, a status that is not 200 and a wrong body are failures: counted, and the load
/// goes on.
pub fn run(server: &Server, traffic: &mut dyn Traffic, connections: usize) -> Result<Measured> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(connections);
    let mut all = Vec::with_capacity(connections);
    for index in 0..connections {
        all.push(Connection {
            index,
            stream: connect(&poll, server.port, index)?,
            request: Vec::new(),
            sent: None,
            received: Vec::new(),
        });
    }
    let mut measured = Measured {
        requests: 0,
        failed: 0,
        first_failure: None,
        elapsed: Duration::ZERO,
        cpu_us: 0,
        latencies_us: Vec::new(),
    };
    let cpu_before = server.cpu_us()?;
    let started = Instant::now();
    while !traffic.is_over(started.elapsed()) {
        poll.poll(&mut events, Some(Duration::from_secs(1)))?;
        for event in &events {
            let connection = &mut all[event.token().0];
            if let Err(why) = connection.turn(traffic, &mut measured) {
                measured.fail(format!("{}: {why}", server.name));
                ensure!(
                    measured.failed < FAILURES_MAX,
                    "{} is gone, or as good as: {why}",
                    server.name
                );
                connection.stream = connect(&poll, server.port, connection.index)?;
                connection.sent = None;
                connection.received.clear();
            }
        }
    }
    measured.elapsed = started.elapsed();
    measured.cpu_us = server.cpu_us()? - cpu_before;
    ensure!(
        measured.requests > 0,
        "{} answered nothing right: {:?}",
        server.name,
        measured.first_failure
    );
    measured.latencies_us.sort_unstable();
    Ok(measured)
}

impl Measured {
    fn fail(&mut self, why: String) {
        self.failed += 1;
        self.first_failure.get_or_insert(why);
    }
}

fn connect(poll: &Poll, port: u16, index: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(([127, 0, 0, 1], port).into())?;
    let interest = Interest::READABLE | Interest::WRITABLE;
    poll.registry()
        .register(&mut stream, Token(index), interest)?;
    Ok(stream)
}

struct Connection {
    index: usize,
    stream: TcpStream,
    request: Vec<u8>,
    sent: Option<Instant>,
    received: Vec<u8>,
}

impl Connection {
    /// Does what can be done now.
    ///
    /// # Errors
    /// When the connection is lost.
    fn turn(&mut self, traffic: &mut dyn Traffic, measured: &mut Measured) -> Result<()> {
        if self.sent.is_none() {
            return self.send(traffic);
        }
        while let Some(latency) = self.receive()? {
            match self.judge(traffic)? {
                Ok(()) => {
                    let latency = u32::try_from(latency.as_micros()).unwrap_or(u32::MAX);
                    measured.requests += 1;
                    measured.latencies_us.push(latency);
                }
                Err(why) => measured.fail(why),
            }
            self.send(traffic)?;
        }
        Ok(())
    }

    fn send(&mut self, traffic: &mut dyn Traffic) -> Result<()> {
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
        self.sent = Some(Instant::now());
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
        let body_length = content_length(&self.received[..head])?;
        if self.received.len() < head + 4 + body_length {
            return Ok(None);
        }
        let sent = self.sent.context("answered before it was asked")?;
        Ok(Some(sent.elapsed()))
    }

    fn judge(&self, traffic: &mut dyn Traffic) -> Result<Result<(), String>> {
        let head = self.head_length().context("complete")?;
        if !self.received.starts_with(b"HTTP/1.1 200") {
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

fn content_length(head: &[u8]) -> Result<usize> {
    let head = std::str::from_utf8(head)?;
    let value = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .context("no Content-Length")?;
    Ok(value.1.trim().parse()?)
}
