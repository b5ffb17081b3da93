//! A web server for one CRL, as a CA has it: an ETag, 304 to who has the list already, and an end whenever a test wants.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;

/// On a free port of 127.0.0.1.  Dropped, it is gone: whoever connects is refused.
pub(crate) struct ListServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    list: Mutex<Served>,
    changed: Condvar,
}

#[derive(Default)]
struct Served {
    /// None: clients wait.
    list: Option<Vec<u8>>,
    version: usize,
    statuses: Vec<u16>,
}

impl ListServer {
    /// Lets its clients wait until there is a list.
    pub(crate) fn start() -> ListServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (shared, is_over) = (
            Arc::new(Shared::default()),
            Arc::new(AtomicBool::new(false)),
        );
        let (served, ends) = (Arc::clone(&shared), Arc::clone(&is_over));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if ends.load(Ordering::SeqCst) {
                    break;
                }
                // A client that hung up is none of the server's business.
                let _ = stream.and_then(|stream| served.answer(stream));
            }
        });
        ListServer {
            address,
            shared,
            is_over,
            thread: Some(thread),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/ca.crl", self.address)
    }

    /// From here on this is the list.
    pub(crate) fn publish(&self, list: Vec<u8>) {
        let mut served = self.shared.lock();
        served.list = Some(list);
        served.version += 1;
        self.shared.changed.notify_all();
    }

    /// What it answered so far.
    pub(crate) fn statuses(&self) -> Vec<u16> {
        self.shared.lock().statuses.clone()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Served> {
        self.list.lock().unwrap()
    }

    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            stream.read_exact(&mut octet)?;
            head.push(octet[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let mut served = self
            .changed
            .wait_while(self.lock(), |served| served.list.is_none())
            .unwrap();
        let tag = format!("\"{}\"", served.version);
        let has_it = head.lines().any(|line| {
            line.to_ascii_lowercase().starts_with("if-none-match:") && line.contains(&tag)
        });
        let (status, body) = if has_it {
            (304, Vec::new())
        } else {
            (200, served.list.clone().unwrap())
        };
        served.statuses.push(status);
        drop(served);
        let length = body.len();
        let head = format!(
            "HTTP/1.1 {status} X\r\nETag: {tag}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(&body)
    }
}

impl Drop for ListServer {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::SeqCst);
        // Whoever still waits gets something, so that the thread comes to its end.
        self.publish(Vec::new());
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
