//! The floor: a loop over epoll that reads whole HTTP requests and answers the same octets to each, and does nothing else.
//!
//! It is this program once more, as a child on core 0.

use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use super::{Rival, Started, starting};
use crate::asking::Expected;
use crate::peer_pki::PeerPki;

/// The first argument of the child.
pub const VERB: &str = "epoll-floor";

/// Connections at once; what comes beyond is closed.
const CONNECTIONS_MAX: usize = 4096;
/// Octets of a request; a longer one ends its connection.
const REQUEST_MAX: usize = 16_384;

pub(super) fn start(pki: &PeerPki, answer: &[u8]) -> Result<Started> {
    let rival = Rival::EpollFloor;
    let file = pki.path("floor.der");
    std::fs::write(&file, answer)?;
    let mut command = starting::on_core_0(std::env::current_exe()?);
    command.arg(VERB).arg(&file);
    let port_of = |line: &str| line.trim().parse().ok();
    let server = starting::says_its_port(rival.name(), &mut command, port_of, |port| {
        pki.checked_answer(port).map(drop)
    })
    .context("the floor")?;
    let idle_kib = server.memory_kib()?;
    Ok(Started {
        rival,
        server,
        expected: Expected::Constant(answer.to_vec()),
        version: "this program".to_owned(),
        idle_kib,
        behind: Vec::new(),
    })
}

/// The child: says its port, and answers what the file holds until it is ended.
pub fn serve(answer: &Path) -> Result<()> {
    let body = std::fs::read(answer).with_context(|| answer.display().to_string())?;
    let whole = |more: &str| {
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/ocsp-response\r\n{more}Content-Length: {}\r\n\r\n",
            body.len()
        );
        [head.into_bytes(), body.clone()].concat()
    };
    let (kept, last) = (whole(""), whole("Connection: close\r\n"));
    let mut listener = TcpListener::bind(([127, 0, 0, 1], 0).into())?;
    println!("{}", listener.local_addr()?.port());
    let mut poll = Poll::new()?;
    let of_listener = Token(CONNECTIONS_MAX);
    poll.registry()
        .register(&mut listener, of_listener, Interest::READABLE)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    connections.resize_with(CONNECTIONS_MAX, || None);
    let mut free: Vec<usize> = (0..CONNECTIONS_MAX).rev().collect();
    let mut events = Events::with_capacity(1024);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == of_listener {
                while let Ok((mut stream, _)) = listener.accept() {
                    let Some(index) = free.pop() else { continue };
                    poll.registry()
                        .register(&mut stream, Token(index), Interest::READABLE)?;
                    connections[index] = Some(Connection {
                        stream,
                        received: Vec::new(),
                    });
                }
                continue;
            }
            let index = event.token().0;
            let Some(connection) = &mut connections[index] else {
                continue;
            };
            if !connection.turn(&kept, &last) {
                connections[index] = None;
                free.push(index);
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Answers all that is there; whether the connection goes on.
    fn turn(&mut self, kept: &[u8], last: &[u8]) -> bool {
        let mut buffer = [0; 4096];
        loop {
            let is_all = match self.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(length) => {
                    self.received.extend_from_slice(&buffer[..length]);
                    // What comes later is told by the next wait: no read in vain.
                    length < buffer.len()
                }
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            };
            while let Some((length, closes)) = whole_request(&self.received) {
                self.received.drain(..length);
                let answer = if closes { last } else { kept };
                if !matches!(self.stream.write(answer), Ok(written) if written == answer.len())
                    || closes
                {
                    return false;
                }
            }
            if self.received.len() > REQUEST_MAX {
                return false;
            }
            if is_all {
                return true;
            }
        }
    }
}

/// How long the first request is, if all of it is there, and whether it is the last of its connection.
fn whole_request(received: &[u8]) -> Option<(usize, bool)> {
    let head = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")?;
    let mut length = head + 4;
    let mut closes = false;
    for line in received[..head].split(|&octet| octet == b'\n').skip(1) {
        if let Some(value) = value_of(line, b"content-length:") {
            let value = std::str::from_utf8(value).ok()?;
            length += value.trim().parse::<usize>().ok()?;
        } else if let Some(value) = value_of(line, b"connection:") {
            closes = value.trim_ascii().eq_ignore_ascii_case(b"close");
        }
    }
    (received.len() >= length).then_some((length, closes))
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    found.eq_ignore_ascii_case(name).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_with_its_body() {
        let get = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(whole_request(get), Some((get.len(), false)));
        assert_eq!(whole_request(&get[..get.len() - 1]), None);
        let post = b"POST / HTTP/1.1\r\nCONNECTION: Close\r\nContent-Length: 3\r\n\r\nabcGET";
        assert_eq!(whole_request(post), Some((post.len() - 3, true)));
        assert_eq!(whole_request(&post[..post.len() - 4]), None);
    }
}
