//! Web servers that do what real ones should not: a listener, a thread for each connection, and what to say.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A server on a free port of 127.0.0.1; its threads end with the test process.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Peer {
    /// Reads the head of each request and lets `answer` say the rest; then the connection ends.
    pub(crate) fn start(answer: impl Fn(&str, &mut TcpStream) + Send + Sync + 'static) -> Peer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&requests), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, seen, answer) =
                    (stream.unwrap(), Arc::clone(&seen), Arc::clone(&answer));
                thread::spawn(move || {
                    if let Some(head) = read_head(&mut stream) {
                        seen.lock().unwrap().push(head.clone());
                        answer(&head, &mut stream);
                    }
                });
            }
        });
        Peer { address, requests }
    }

    /// Says the same to everybody.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Peer {
        let answer = answer.into();
        Peer::start(move |_, stream| say(stream, &answer))
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far, in lower case.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A whole answer with Content-Length.
pub(crate) fn ok(body: &[u8], headers: &str) -> Vec<u8> {
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// A client that hung up is none of the server's business.
pub(crate) fn say(stream: &mut TcpStream, octets: &[u8]) {
    let _ = stream.write_all(octets);
}

/// Says it again and again until the client has hung up.
pub(crate) fn say_for_ever(stream: &mut TcpStream, octets: &[u8]) {
    while stream.write_all(octets).is_ok() {}
}

/// Says one octet after the other, with a pause after each, until the client has hung up.
pub(crate) fn drip(stream: &mut TcpStream) {
    while !hung_up_within(stream, Duration::from_millis(5)) && stream.write_all(b"a").is_ok() {}
}

/// Says nothing until the client has hung up.
pub(crate) fn stall(stream: &mut TcpStream) {
    while !hung_up_within(stream, Duration::from_secs(60)) {}
}

fn hung_up_within(stream: &mut TcpStream, time: Duration) -> bool {
    stream.set_read_timeout(Some(time)).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => !matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ),
    }
}

fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut octet = [0];
        stream.read_exact(&mut octet).ok()?;
        head.push(octet[0]);
    }
    Some(String::from_utf8(head).unwrap().to_ascii_lowercase())
}
