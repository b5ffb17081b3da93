//! What the servers are asked under load, and how every answer is judged before it counts.
//!
//! A body that is the same octets as one that was checked as a client does is right.  Any other is read, and must be about the
//! certificate, say what is true of it, still hold, and have the nonce that was sent; of those, the first and then one in
//! [`KEPT_ONE_IN`] are kept, and their signatures are checked when the load is over.  From: `PeerPki`.  To: `load`.

use std::time::Duration;

use anyhow::{Result, anyhow};
use ocspry_testkit::now;
use ocspry_wire::Time;
use ocspry_wire::ocsp::CertStatus;

use crate::load::{Judged, Traffic};
use crate::peer_pki::PeerPki;
use crate::question::{self, NONCE};

/// Of so many answers one is kept for the whole check.
pub const KEPT_ONE_IN: u64 = 256;
/// Kept answers of one load.
const KEPT_MAX: usize = 1000;
/// A server that sends so many different bodies signs each; until then a new one is checked wholly at once.
const BODIES_CHECKED_AT_ONCE: u64 = 16;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// The same GET again and again over kept connections.
    CachedGet,
    /// The same POST again and again over kept connections.
    CachedPost,
    /// A POST with a nonce of its own each time, over kept connections.
    NoncePost,
    /// The same, and each over a connection of its own.
    NoncePostOnce,
}

impl Load {
    /// All of them, in the order of the tables.
    pub const ALL: [Load; 4] = [
        Load::CachedGet,
        Load::CachedPost,
        Load::NoncePost,
        Load::NoncePostOnce,
    ];

    /// What results and `--only` call it.
    pub fn name(self) -> &'static str {
        match self {
            Load::CachedGet => "get",
            Load::CachedPost => "post",
            Load::NoncePost => "nonce",
            Load::NoncePostOnce => "nonce-once",
        }
    }

    fn has_nonce(self) -> bool {
        match self {
            Load::CachedGet | Load::CachedPost => false,
            Load::NoncePost | Load::NoncePostOnce => true,
        }
    }

    fn request(self, pki: &PeerPki) -> Vec<u8> {
        match self {
            Load::CachedGet => pki.get(),
            Load::CachedPost => pki.post(),
            Load::NoncePost => pki.post_with_nonce(),
            Load::NoncePostOnce => pki.post_with_nonce_and_close(),
        }
    }
}

/// What a server answers to a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NonceAnswer {
    /// The answer has it.
    Echoed,
    /// The answer does not: it was signed before.
    Ignored,
}

/// What a right body is.
#[derive(Clone, Debug)]
pub enum Expected {
    /// These octets, always, whatever they are: for servers that are no responders.
    Constant(Vec<u8>),
    /// An answer that a client accepts.
    Answer(NonceAnswer),
}

/// One load on one server.
pub struct Asking<'a> {
    pki: &'a PeerPki,
    load: Load,
    expected: Expected,
    until: Duration,
    model: Vec<u8>,
    cert_id: Vec<u8>,
    begun: Time,
    counter: u64,
    /// A body that was checked wholly.
    checked: Vec<u8>,
    /// Bodies that were not the same octets.
    others: u64,
    kept: Vec<Kept>,
    refusals: Refusals,
}

/// What a `tryLater` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    /// A failure.
    Fail,
    /// A right answer to too many questions: [`Judged::Refusal`].
    Count,
}

struct Kept {
    body: Vec<u8>,
    nonce: Option<[u8; NONCE]>,
}

impl<'a> Asking<'a> {
    /// Asks for so long.
    pub fn new(pki: &'a PeerPki, load: Load, expected: Expected, until: Duration) -> Asking<'a> {
        Asking {
            pki,
            load,
            expected,
            until,
            model: load.request(pki),
            cert_id: pki.cert_id(),
            begun: now(),
            counter: 0,
            checked: Vec::new(),
            others: 0,
            kept: Vec::new(),
            refusals: Refusals::Fail,
        }
    }

    /// The same, where a server may refuse.
    pub fn with_refusals(mut self, refusals: Refusals) -> Asking<'a> {
        self.refusals = refusals;
        self
    }

    /// Checks what was kept as a client does; tells how many those were.
    ///
    /// # Errors
    /// The first that a client refuses.
    pub fn check_kept(&self) -> Result<usize> {
        for kept in &self.kept {
            self.pki
                .check(&kept.body, kept.nonce.as_ref().map(<[u8; NONCE]>::as_slice))
                .map_err(|why| anyhow!("a client refuses an answer of this load: {why}"))?;
        }
        Ok(self.kept.len())
    }

    fn judge_answer(
        &mut self,
        nonce: Option<[u8; NONCE]>,
        body: &[u8],
    ) -> std::result::Result<Judged, String> {
        if nonce.is_none() && body == self.checked {
            return Ok(Judged::Answer);
        }
        if self.refusals == Refusals::Count && is_try_later(body) {
            return Ok(Judged::Refusal);
        }
        self.read(nonce.as_ref().map(<[u8; NONCE]>::as_slice), body)?;
        let place = self.others;
        self.others += 1;
        if nonce.is_none() && place < BODIES_CHECKED_AT_ONCE {
            self.pki.check(body, None)?;
            body.clone_into(&mut self.checked);
        } else if place.is_multiple_of(KEPT_ONE_IN) && self.kept.len() < KEPT_MAX {
            let body = body.to_vec();
            self.kept.push(Kept { body, nonce });
        }
        Ok(Judged::Answer)
    }

    /// All but the signature.
    fn read(&self, nonce: Option<&[u8]>, body: &[u8]) -> std::result::Result<(), String> {
        let basic = question::signed_of_one(body)?;
        let single = &basic.responses[0];
        if single.cert_id.der != self.cert_id {
            Err("another certificate's answer".to_owned())
        } else if single.cert_status != CertStatus::Good {
            Err(format!("{:?}", single.cert_status))
        } else if single.next_update.is_none_or(|until| until <= self.begun) {
            Err(format!("nextUpdate {:?}", single.next_update))
        } else if nonce.is_some() && basic.nonce != nonce {
            Err("another request's nonce".to_owned())
        } else {
            Ok(())
        }
    }
}

/// The body of `tryLater` (RFC 6960 §4.2.1).
fn is_try_later(body: &[u8]) -> bool {
    body == [0x30, 0x03, 0x0a, 0x01, 0x03]
}

impl Traffic for Asking<'_> {
    fn ask(&mut self, _connection: usize, request: &mut Vec<u8>) {
        if request.is_empty() {
            request.extend_from_slice(&self.model);
        }
        if self.load.has_nonce() {
            self.counter += 1;
            let end = request.len();
            request[end - 8..].copy_from_slice(&self.counter.to_be_bytes());
        }
    }

    fn judge(
        &mut self,
        _connection: usize,
        request: &[u8],
        body: &[u8],
    ) -> std::result::Result<Judged, String> {
        match &self.expected {
            Expected::Constant(octets) if body == octets => Ok(Judged::Answer),
            Expected::Constant(_) => Err("not the octets that it was given".to_owned()),
            Expected::Answer(answer) => {
                let echoed = self.load.has_nonce() && *answer == NonceAnswer::Echoed;
                let nonce = if echoed {
                    request.last_chunk::<NONCE>().copied()
                } else {
                    None
                };
                self.judge_answer(nonce, body)
            }
        }
    }

    fn is_over(&self, elapsed: Duration) -> bool {
        elapsed >= self.until
    }
}

#[cfg(test)]
mod tests {
    use ocspry_testkit::{KeyKind, Lie, crafted_response};
    use ocspry_wire::ocsp::ErrorStatus;

    use super::*;

    /// The PKI lives as long as its directory.
    fn pki() -> (tempfile::TempDir, PeerPki) {
        let directory = tempfile::tempdir().unwrap();
        let pki = PeerPki::make(directory.path(), KeyKind::P256).unwrap();
        (directory, pki)
    }

    fn answer(pki: &PeerPki, nonce: Option<&[u8]>, lie: &Lie) -> Vec<u8> {
        crafted_response(&pki.ca, &pki.delegate, &[pki.cert_id()], nonce, lie)
    }

    const GOOD: Lie = Lie::Status(CertStatus::Good);

    fn asking(pki: &PeerPki, load: Load, answer: NonceAnswer) -> Asking<'_> {
        Asking::new(pki, load, Expected::Answer(answer), Duration::from_secs(1))
    }

    #[test]
    fn every_request_has_another_nonce_and_only_its_own_answer_is_right() {
        let (_directory, pki) = pki();
        let mut asking = asking(&pki, Load::NoncePost, NonceAnswer::Echoed);
        let mut requests = [Vec::new(), Vec::new()];
        for request in &mut requests {
            asking.ask(0, request);
        }
        let [first, second] = requests;
        assert_ne!(first, second);
        let body = answer(&pki, Some(first.last_chunk::<NONCE>().unwrap()), &GOOD);
        assert_eq!(asking.judge(0, &first, &body), Ok(Judged::Answer));
        assert!(asking.judge(0, &second, &body).is_err());
        assert!(asking.judge(0, &first, &answer(&pki, None, &GOOD)).is_err());
        assert_eq!(asking.check_kept().unwrap(), 1);
    }

    #[test]
    fn a_body_that_a_client_refuses_is_wrong_also_when_it_comes_late() {
        let (_directory, pki) = pki();
        let mut asking = asking(&pki, Load::CachedGet, NonceAnswer::Echoed);
        let right = answer(&pki, None, &GOOD);
        let mut spoiled = right.clone();
        let middle = right.len() - pki.delegate.certificate.len() - 20;
        spoiled[middle] ^= 1;
        let unknown = answer(&pki, None, &Lie::Status(CertStatus::Unknown));
        let later = answer(&pki, None, &Lie::ErrorStatus(ErrorStatus::TryLater));
        for _ in 0..3 {
            assert_eq!(asking.judge(0, &[], &right), Ok(Judged::Answer));
            for wrong in [&spoiled, &unknown, &later] {
                assert!(asking.judge(0, &[], wrong).is_err());
            }
        }
    }

    #[test]
    fn a_refusal_counts_only_where_it_may() {
        let (_directory, pki) = pki();
        let later = answer(&pki, None, &Lie::ErrorStatus(ErrorStatus::TryLater));
        let mut flood =
            asking(&pki, Load::NoncePost, NonceAnswer::Echoed).with_refusals(Refusals::Count);
        let mut request = Vec::new();
        flood.ask(0, &mut request);
        assert_eq!(flood.judge(0, &request, &later), Ok(Judged::Refusal));
    }

    #[test]
    fn a_server_that_is_no_responder_must_give_back_its_octets() {
        let (_directory, pki) = pki();
        let expected = Expected::Constant(b"xxxx".to_vec());
        let mut asking = Asking::new(&pki, Load::CachedPost, expected, Duration::from_secs(1));
        assert_eq!(asking.judge(0, &[], b"xxxx"), Ok(Judged::Answer));
        assert!(asking.judge(0, &[], b"xxxy").is_err());
    }
}
