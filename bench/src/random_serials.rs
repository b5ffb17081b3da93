//! Questions about serial numbers at random, each never asked before: what somebody asks who wants a cache to be of no use.
//!
//! Where it is known what was issued, and nothing is signed about what was not, the right answer is `unauthorized`.  From:
//! `PeerPki`.  To: `load`.

use std::time::Duration;

use crate::load::{Judged, Traffic};
use crate::peer_pki::PeerPki;

/// Octets of the serial number that are at random, the last ones of a request.
const RANDOM: usize = 12;
/// The body of `unauthorized` (RFC 6960 §4.2.1).
const UNAUTHORIZED: [u8; 5] = [0x30, 0x03, 0x0a, 0x01, 0x06];

/// Such a load.
pub struct RandomSerials {
    until: Duration,
    model: Vec<u8>,
    /// The next one is made of it, and no two of them are the same.
    next: u64,
}

impl RandomSerials {
    /// Asks for so long.  Loads with another number have other serial numbers.
    pub fn new(pki: &PeerPki, number: u32, until: Duration) -> RandomSerials {
        RandomSerials {
            until,
            model: pki.post(),
            next: u64::from(number) << 32,
        }
    }
}

impl Traffic for RandomSerials {
    fn ask(&mut self, _connection: usize, request: &mut Vec<u8>) {
        if request.is_empty() {
            request.extend_from_slice(&self.model);
        }
        let [first, second] = [self.next, !self.next].map(mixed);
        self.next += 1;
        let random = [first.to_be_bytes(), second.to_be_bytes()].concat();
        let end = request.len();
        request[end - RANDOM..].copy_from_slice(&random[..RANDOM]);
    }

    fn judge(
        &mut self,
        _connection: usize,
        _request: &[u8],
        body: &[u8],
    ) -> Result<Judged, String> {
        if body == UNAUTHORIZED {
            Ok(Judged::Answer)
        } else {
            Err("not `unauthorized`".to_owned())
        }
    }

    fn is_over(&self, elapsed: Duration) -> bool {
        elapsed >= self.until
    }
}

/// Each number is another one, at random to look at (the last step of SplitMix64).
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use ocspry_testkit::KeyKind;
    use ocspry_wire::ocsp::OcspRequest;

    use super::*;

    #[test]
    fn every_request_can_be_read_and_asks_for_a_serial_number_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let pki = PeerPki::make(directory.path(), KeyKind::P256).unwrap();
        let mut serials = HashSet::new();
        for number in 0..2 {
            let mut load = RandomSerials::new(&pki, number, Duration::from_secs(1));
            let mut request = Vec::new();
            for _ in 0..1000 {
                load.ask(0, &mut request);
                let body =
                    &request[request.windows(4).position(|at| at == b"\r\n\r\n").unwrap() + 4..];
                let read = OcspRequest::from_der(body).unwrap();
                assert!(serials.insert(read.first.cert_id.der.to_vec()));
            }
        }
    }

    #[test]
    fn only_unauthorized_is_right() {
        let directory = tempfile::tempdir().unwrap();
        let pki = PeerPki::make(directory.path(), KeyKind::P256).unwrap();
        let mut load = RandomSerials::new(&pki, 0, Duration::from_secs(1));
        assert_eq!(load.judge(0, &[], &UNAUTHORIZED), Ok(Judged::Answer));
        let later = [0x30, 0x03, 0x0a, 0x01, 0x03];
        assert!(load.judge(0, &[], &later).is_err());
    }
}
