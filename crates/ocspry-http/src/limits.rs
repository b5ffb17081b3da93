//! Every bound of the OCSP listener, by name.  From: configuration.  To: all of this crate.
//!
//! A stranger on the network can reach each of these; the full case is stated with each and has a test.

use std::time::Duration;

/// The bounds of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Open connections over all workers.  One more is closed at once, and counted.  One that waits takes less than 2 kB, so
    /// that a site can keep one for each of its machines.
    pub connections_max: usize,
    /// Open connections from one IPv4 address or one IPv6 /64 network.  One more is closed at once, and counted.
    /// Loopback and trusted peers are exempt: the proxy in front of us brings everybody's connections.  A whole site may come
    /// from one address (NAT), and so may whoever wants to keep others out: it takes sixteen addresses
    /// to fill all places, where there are as many as by default.
    pub connections_per_address_max: usize,
    /// Octets of an OCSP request in a POST body.  More is refused with 413, before reading where Content-Length tells.
    pub request_bytes_max: usize,
    /// Octets of a request target, as sent.  More is refused with 414.  Must stay under the 8 KiB that a whole request head may take.
    pub target_bytes_max: usize,
    /// How long a connection may be silent: before its first octet, and between two requests.  Then it is closed.
    pub idle: Duration,
    /// The same while more than three quarters of `connections_max` are open: who only keeps a connection makes room for who
    /// asks.
    pub idle_when_crowded: Duration,
    /// How long a connection that had just come when the server stops may be silent from then on: its request is on the way,
    /// or it is not.
    pub new_in_drain: Duration,
    /// How long a request may take from its first octet to its last.  It does not grow with progress.
    pub request: Duration,
    /// How long an answer may take to make: more than the bounds of the signing queue ([`Limits::with_signatures_within`]).
    pub answer: Duration,
    /// How long a client may take to accept an answer.
    pub write: Duration,
    /// How long we go on reading, to throw away, what a client sends after it was refused: closing at once would make its
    /// kernel drop the refusal unread.
    pub linger: Duration,
    /// How often deadlines are looked at; each may be late by up to twice this.
    pub sweep: Duration,
}

impl Limits {
    /// The same with so many connections in all; one address has a quarter of few.
    pub fn with_connections_max(self, connections_max: usize) -> Limits {
        let quarter = (connections_max / 4).max(1);
        Limits {
            connections_max,
            connections_per_address_max: self.connections_per_address_max.min(quarter),
            ..self
        }
    }

    /// The same where whoever waits for a signature is told so after `longest` at the latest: a client hears that, and is
    /// not cut off.
    pub fn with_signatures_within(self, longest: Duration) -> Limits {
        Limits {
            answer: self.answer.max(longest + ANSWER_MARGIN),
            ..self
        }
    }

    /// The defaults.
    pub const DEFAULT: Limits = Limits {
        connections_max: 16_384,
        connections_per_address_max: 1_024,
        request_bytes_max: 16_384,
        target_bytes_max: 6_144,
        idle: Duration::from_secs(30),
        idle_when_crowded: Duration::from_secs(3),
        new_in_drain: Duration::from_secs(1),
        request: Duration::from_secs(10),
        answer: Duration::from_secs(10),
        write: Duration::from_secs(10),
        linger: Duration::from_secs(2),
        sweep: Duration::from_millis(250),
    };
}

/// For an answer, beside the longest wait for its signature.
const ANSWER_MARGIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_does_not_take_all_places_where_there_are_few() {
        let one_address = |connections_max| {
            let limits = Limits::DEFAULT.with_connections_max(connections_max);
            limits.connections_per_address_max
        };
        assert_eq!(one_address(16_384), 1024);
        assert_eq!(one_address(912), 228);
        assert_eq!(one_address(2), 1);
    }

    #[test]
    fn who_waits_for_a_signature_is_told_so_before_the_connection_ends() {
        let answer = |longest| {
            let limits = Limits::DEFAULT.with_signatures_within(Duration::from_secs(longest));
            limits.answer.as_secs()
        };
        assert_eq!((answer(3), answer(9), answer(30)), (10, 10, 31));
    }
}
