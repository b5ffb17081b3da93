//! Clients that ask all the time, while something is done to the responder; every answer is checked.

use crate::site::{GOOD, REVOKED, Site};
use ocspry_testkit::{
    Authority, HttpClient, Reply, RequestSpec, cert_id, nonce_extension, wait_until,
};
use ocspry_wire::ocsp::{CertStatus, HashAlgorithm};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Clients that open a connection for each request, and as many that keep one.
const CLIENTS_OF_A_KIND: u8 = 2;
/// Longest wait for answers, on a machine that has more to do.
const WAIT_MAX: Duration = Duration::from_secs(90);

/// How far the clients are.
pub(crate) struct Load {
    answers: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    /// Waits until so many more answers have come.
    pub(crate) fn wait_for_more(&self, count: usize) {
        let enough = self.answers.load(Ordering::SeqCst) + count;
        wait_until("clients are answered", WAIT_MAX, || {
            self.answers.load(Ordering::SeqCst) >= enough || self.is_over.load(Ordering::SeqCst)
        });
    }
}

/// Lets clients ask at `port` while `act` is under way; panics with what any of them met that was not the right answer.
pub(crate) fn under_load<T>(site: &Site, port: u16, act: impl FnOnce(&Load) -> T) -> T {
    under_load_of(&[&site.ca], port, act)
}

/// As [`under_load`], about certificates of each of these CAs in turn.
pub(crate) fn under_load_of<T>(cas: &[&Authority], port: u16, act: impl FnOnce(&Load) -> T) -> T {
    let load = Load {
        answers: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    };
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2 * CLIENTS_OF_A_KIND)
            .map(|number| {
                let client = Client {
                    cas,
                    port,
                    keeps: number % 2 == 0,
                    kept: None,
                };
                scope.spawn(|| client.ask_until_over(&load))
            })
            .collect();
        let over = Over(&load.is_over);
        let result = act(&load);
        drop(over);
        for client in clients {
            let met = client.join().expect("a client does not panic");
            assert_eq!(
                met,
                Ok(()),
                "after {} answers",
                load.answers.load(Ordering::SeqCst)
            );
        }
        result
    })
}

/// The clients end with what they were asked for, also if that panics.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

struct Client<'a> {
    cas: &'a [&'a Authority],
    port: u16,
    keeps: bool,
    kept: Option<HttpClient>,
}

impl Client<'_> {
    fn ask_until_over(mut self, load: &Load) -> Result<(), String> {
        let mut round: u8 = 0;
        while !load.is_over.load(Ordering::SeqCst) {
            round = round.wrapping_add(1);
            let ca = self.cas[usize::from(round / 2) % self.cas.len()];
            let (serial, is_good) = match round % 2 {
                0 => (GOOD, true),
                _ => (REVOKED, false),
            };
            let spec = RequestSpec::one(cert_id(HashAlgorithm::Sha256, ca, serial));
            let request = match round % 3 {
                0 => spec.with_extension(nonce_extension(&[round; 16])).der(),
                _ => spec.der(),
            };
            let answer = self.ask(&request).inspect_err(|_| {
                // Nobody needs to wait any more.
                load.is_over.store(true, Ordering::SeqCst);
            })?;
            let status = Reply::check(&answer, ca).single().status;
            match status {
                CertStatus::Good if is_good => {}
                CertStatus::Revoked(_) if !is_good => {}
                status => return Err(format!("wrong: {status:?}")),
            }
            load.answers.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    /// On a new connection nothing may fail; one that was kept may have been closed meanwhile, and is made anew (RFC 9112
    /// section 9.3.1).
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        if let Some(mut client) = self.kept.take()
            && let Ok(response) = client.post(request)
        {
            if response.header("connection") != Some("close") {
                self.kept = Some(client);
            }
            return Ok(response.body);
        }
        let mut client =
            HttpClient::connect(self.port).map_err(|error| format!("connect: {error}"))?;
        let response = client
            .post(request)
            .map_err(|error| format!("no answer on a new connection: {error}"))?;
        if response.status != 200 {
            return Err(format!("HTTP {}", response.status));
        }
        if self.keeps && response.header("connection") != Some("close") {
            self.kept = Some(client);
        }
        Ok(response.body)
    }
}
