//! Very many connections that are kept and have nothing to say: opened, each asked once, and later asked once more.
//!
//! From: `PeerPki`.  To: a server that has something else to do meanwhile.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, ensure};
use ocspry_testkit::HttpClient;

use crate::peer_pki::PeerPki;

/// Such connections.
pub struct IdleConnections<'a> {
    pki: &'a PeerPki,
    path: String,
    /// A body that was checked as a client does.
    checked: Vec<u8>,
    all: Vec<Kept>,
}

struct Kept {
    client: HttpClient,
    used: Instant,
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Again {
    /// Asked again, and answered right.
    pub usable: usize,
    /// Closed by the server after they were silent for as long as it says.
    pub closed: usize,
    /// Closed before that.
    pub closed_early: usize,
}

impl<'a> IdleConnections<'a> {
    /// Opens so many, and asks once over each.
    ///
    /// # Errors
    /// One is refused, or answered wrongly.
    pub fn open(pki: &'a PeerPki, port: u16, count: usize) -> Result<IdleConnections<'a>> {
        let mut idle = IdleConnections {
            pki,
            path: pki.path_of_get(),
            checked: pki.checked_get(port)?,
            all: Vec::with_capacity(count),
        };
        for number in 0..count {
            let mut client = HttpClient::connect(port)?;
            idle.ask(&mut client)
                .with_context(|| format!("idle connection {number}"))?;
            let used = Instant::now();
            idle.all.push(Kept { client, used });
        }
        Ok(idle)
    }

    /// Asks over each once more.  The server closes what was silent for `deadline`.
    ///
    /// # Errors
    /// A wrong answer.
    pub fn ask_again(&mut self, deadline: Duration) -> Result<Again> {
        let mut again = Again::default();
        for mut kept in std::mem::take(&mut self.all) {
            match self.ask(&mut kept.client) {
                Ok(()) => {
                    again.usable += 1;
                    kept.used = Instant::now();
                    self.all.push(kept);
                }
                Err(why) if !is_closed(&why) => return Err(why),
                Err(_) if kept.used.elapsed() < deadline => again.closed_early += 1,
                Err(_) => again.closed += 1,
            }
        }
        Ok(again)
    }

    fn ask(&self, client: &mut HttpClient) -> Result<()> {
        let response = client.get(&self.path)?;
        ensure!(response.status == 200, "HTTP {}", response.status);
        if response.body == self.checked {
            return Ok(());
        }
        let right = self.pki.check(&response.body, None);
        right.map_err(|why| anyhow!("a client refuses the answer: {why}"))
    }
}

fn is_closed(why: &anyhow::Error) -> bool {
    let kind = why
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    matches!(
        kind,
        Some(ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use ocspry_testkit::{KeyKind, Lie, crafted_response};
    use ocspry_wire::ocsp::CertStatus;

    use super::*;

    #[test]
    fn what_was_closed_is_told_from_what_can_be_used() {
        let directory = tempfile::tempdir().unwrap();
        let pki = PeerPki::make(directory.path(), KeyKind::P256).unwrap();
        let good = Lie::Status(CertStatus::Good);
        let body = crafted_response(&pki.ca, &pki.delegate, &[pki.cert_id()], None, &good);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        let answer = [head.into_bytes(), body].concat();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // The first two connections are answered once (one is to learn the answer), the third for as long as it asks.
        let server = std::thread::spawn(move || {
            for answers in [1, 1, usize::MAX] {
                let (mut stream, _) = listener.accept().unwrap();
                for _ in 0..answers {
                    if stream.read(&mut [0; 4096]).unwrap() == 0 {
                        break;
                    }
                    stream.write_all(&answer).unwrap();
                }
            }
        });
        let mut idle = IdleConnections::open(&pki, port, 1).unwrap();
        let early = idle.ask_again(Duration::from_secs(3600)).unwrap();
        assert_eq!((early.usable, early.closed_early), (0, 1));
        let mut client = HttpClient::connect(port).unwrap();
        idle.ask(&mut client).unwrap();
        let used = Instant::now();
        idle.all.push(Kept { client, used });
        let again = idle.ask_again(Duration::ZERO).unwrap();
        assert_eq!((again.usable, again.closed), (1, 0));
        drop(idle);
        server.join().unwrap();
    }
}
