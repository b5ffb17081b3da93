//! A closed-loop load: so many kept connections, each with one request in flight, from one thread.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use serde_json::{Value, json};

use crate::server::Server;

/// What is sent.
pub enum Load<'a> {
    /// The same request every time.
    Same(&'a [u8]),
    /// A request whose last 16 octets are a nonce, another one every time.
    Nonce(&'a [u8]),
}

/// What came of it.
pub struct Measured {
    requests: u64,
    elapsed: Duration,
    cpu_us: u64,
    latencies_us: Vec<u32>,
}

impl Measured {
    pub fn requests_per_second(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    pub fn cpu_us_per_request(&self) -> f64 {
        self.cpu_us as f64 / self.requests as f64
    }

    fn percentile_us(&self, share: f64) -> u32 {
        let last = self.latencies_us.len() - 1;
        self.latencies_us[(last as f64 * share) as usize]
    }

    pub fn to_json(&self, load: &str, server: &str) -> Value {
        json!({
            "load": load,
            "server": server,
            "requests": self.requests,
            "requests_per_second": self.requests_per_second(),
            "cpu_us_per_request": self.cpu_us_per_request(),
            "p50_us": self.percentile_us(0.5),
            "p99_us": self.percentile_us(0.99),
            "p999_us": self.percentile_us(0.999),
        })
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{:>9.0} requests/s  {:>6.2} us CPU/request  p50 {:>5} us  p99 {:>5} us  p99.9 {:>5} us",
            self.requests_per_second(),
            self.cpu_us_per_request(),
            self.percentile_us(0.5),
            self.percentile_us(0.99),
            self.percentile_us(0.999),
        )
    }
}

/// Runs one load.  Every answer must be HTTP 200 with a body; for a nonce load the body must hold the nonce sent.
pub fn run(server: &Server, load: &Load<'_>, connections: usize, seconds: u64) -> Result<Measured> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(connections);
    let address = ([127, 0, 0, 1], server.port).into();
    let mut all = Vec::with_capacity(connections);
    for index in 0..connections {
        let mut stream = TcpStream::connect(address)?;
        poll.registry().register(
            &mut stream,
            Token(index),
            Interest::READABLE | Interest::WRITABLE,
        )?;
        all.push(Connection {
            stream,
            request: Vec::new(),
            sent: None,
            received: Vec::new(),
        });
    }
    let mut counter = 0u64;
    let mut latencies_us = Vec::new();
    let cpu_before = server.cpu_us()?;
    let started = Instant::now();
    let mut requests = 0u64;
    while started.elapsed().as_secs() < seconds {
        poll.poll(&mut events, Some(Duration::from_secs(1)))?;
        for event in &events {
            let connection = &mut all[event.token().0];
            if connection.sent.is_none() {
                connection.send(load, &mut counter)?;
                continue;
            }
            while let Some(latency) = connection.receive(load, server.name)? {
                requests += 1;
                latencies_us.push(u32::try_from(latency.as_micros()).unwrap_or(u32::MAX));
                connection.send(load, &mut counter)?;
            }
        }
    }
    let elapsed = started.elapsed();
    let cpu_us = server.cpu_us()? - cpu_before;
    ensure!(requests > 0, "{} answered nothing", server.name);
    latencies_us.sort_unstable();
    Ok(Measured {
        requests,
        elapsed,
        cpu_us,
        latencies_us,
    })
}

struct Connection {
    stream: TcpStream,
    request: Vec<u8>,
    sent: Option<Instant>,
    received: Vec<u8>,
}

impl Connection {
    fn send(&mut self, load: &Load<'_>, counter: &mut u64) -> Result<()> {
        match load {
            Load::Same(request) => {
                if self.request.is_empty() {
                    self.request = request.to_vec();
                }
            }
            Load::Nonce(request) => {
                *counter += 1;
                self.request.clear();
                self.request.extend_from_slice(request);
                let end = self.request.len();
                self.request[end - 8..].copy_from_slice(&counter.to_be_bytes());
            }
        }
        match self.stream.write(&self.request) {
            Ok(length) => ensure!(
                length == self.request.len(),
                "a request of {length} octets did not fit"
            ),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        self.sent = Some(Instant::now());
        self.received.clear();
        Ok(())
    }

    /// The latency of a complete answer, if it is complete.
    fn receive(&mut self, load: &Load<'_>, server: &str) -> Result<Option<Duration>> {
        let mut buffer = [0; 16_384];
        match self.stream.read(&mut buffer) {
            Ok(0) => bail!("{server} closed a connection"),
            Ok(length) => self.received.extend_from_slice(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let Some(head) = self
            .received
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
        else {
            return Ok(None);
        };
        let body_length = content_length(&self.received[..head])?;
        let body = &self.received[head + 4..];
        if body.len() < body_length {
            return Ok(None);
        }
        ensure!(
            self.received.starts_with(b"HTTP/1.1 200"),
            "{server}: not 200"
        );
        if let Load::Nonce(_) = load
            && server == "ocspry"
        {
            let nonce = &self.request[self.request.len() - 16..];
            ensure!(
                body.windows(16).any(|window| window == nonce),
                "another request's nonce"
            );
        }
        let sent = self.sent.context("answered before it was asked")?;
        Ok(Some(sent.elapsed()))
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
