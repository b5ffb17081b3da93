//! Where one HTTP request ends and the next one begins (RFC 9112 §6).  From: `connection`, all octets that have come of the
//! request under way.  To: `connection`, the request, or how much of it is to be held until more comes.
//!
//! A request that is there in one piece, as nearly all are, is looked at once, where it lies.  Of one that comes slowly, the
//! head is read again when a line of it has ended, and the body only when it is whole: a client that sends single octets costs little
//! more than its packets do.

use std::ops::Range;

use crate::chunks::{Chunks, Progress};
use crate::counts::MethodKind;
use crate::head::{self, BodyLength, Broken, HEAD_BYTES_MAX, Head, Reading};

/// The requests of one connection.
#[derive(Clone, Debug)]
pub struct Framing {
    body_bytes_max: usize,
    wants: Wants,
}

/// What the request under way waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Wants {
    /// The end of its head; so many octets of it were seen.
    Head { seen: usize },
    /// So many octets, head included.
    Octets(usize),
    /// The end of a chunked body.
    Chunks(Chunks),
}

/// What stands at the front of the octets that have come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A part of a request: the first `held` octets are to be in front of what comes next.
    Part {
        /// How many octets.
        held: usize,
        /// The client waits for 100 before it sends the body (RFC 9110 §10.1.1).
        send_continue: bool,
    },
    /// A request.
    Request {
        /// What matters of its head.
        head: Head,
        /// Its body.
        body: BodyPlace,
        /// Where it ends; what stands behind an unread, broken or too long body is no request.
        end: usize,
    },
    /// No request, and none will follow.
    Broken(Broken),
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyPlace {
    /// There.
    Whole(Range<usize>),
    /// There is one, and it is not read: the request asks for nothing that has one, or is refused by its head.
    Unread,
    /// It is no body.
    Broken,
    /// It is longer than it may be.
    TooLong,
}

impl Framing {
    /// Of requests whose bodies have no more than so many octets.
    pub fn new(body_bytes_max: usize) -> Framing {
        Framing {
            body_bytes_max,
            wants: Wants::Head { seen: 0 },
        }
    }

    /// Looks at what has come; the chunks of a body are moved together where they lie.  Allocates nothing.
    pub fn next(&mut self, octets: &mut [u8]) -> Next {
        match self.wants {
            // Without the end of a line there is no end of a head.
            Wants::Head { seen }
                if seen > 0
                    && octets.len() < HEAD_BYTES_MAX
                    && !octets[seen..].contains(&b'\n') =>
            {
                return self.wait_for_head(octets);
            }
            Wants::Octets(length) if octets.len() < length => return part(octets.len()),
            Wants::Head { .. } | Wants::Octets(_) | Wants::Chunks(_) => {}
        }
        let head = match head::read(octets) {
            Reading::Whole(head) => head,
            Reading::Broken(broken) => return Next::Broken(broken),
            Reading::Partial => return self.wait_for_head(octets),
        };
        let wanted = std::mem::replace(&mut self.wants, Wants::Head { seen: 0 });
        let (body, end) = match head.body {
            BodyLength::None => (BodyPlace::Whole(head.length..head.length), head.length),
            BodyLength::Octets(_) | BodyLength::Chunked
                if head.method != MethodKind::Post || !head.has_valid_host() =>
            {
                (BodyPlace::Unread, head.length)
            }
            BodyLength::Octets(length) => match usize::try_from(length) {
                Ok(length) if length <= self.body_bytes_max => {
                    let end = head.length + length;
                    if octets.len() < end {
                        self.wants = Wants::Octets(end);
                        return Next::Part {
                            held: octets.len(),
                            send_continue: head.expects_continue,
                        };
                    }
                    (BodyPlace::Whole(head.length..end), end)
                }
                Ok(_) | Err(_) => (BodyPlace::TooLong, head.length),
            },
            BodyLength::Chunked => {
                let (mut chunks, is_new) = match wanted {
                    Wants::Chunks(chunks) => (chunks, false),
                    Wants::Head { .. } | Wants::Octets(_) => (Chunks::new(head.length), true),
                };
                match chunks.read(octets, self.body_bytes_max) {
                    Progress::Whole => (BodyPlace::Whole(chunks.body()), chunks.end()),
                    Progress::Broken => (BodyPlace::Broken, octets.len()),
                    Progress::TooLong => (BodyPlace::TooLong, octets.len()),
                    Progress::Partial => {
                        let held = chunks.forget_what_is_no_body();
                        self.wants = Wants::Chunks(chunks);
                        return Next::Part {
                            held,
                            send_continue: head.expects_continue && is_new,
                        };
                    }
                }
            }
        };
        Next::Request { head, body, end }
    }

    /// The client sends no more: the head of the request that these octets are a part of, if its body was awaited.
    pub(crate) fn torn(&self, octets: &[u8]) -> Option<Head> {
        match (&self.wants, head::read(octets)) {
            (Wants::Octets(_) | Wants::Chunks(_), Reading::Whole(head)) => Some(head),
            (Wants::Octets(_) | Wants::Chunks(_) | Wants::Head { .. }, _) => None,
        }
    }

    fn wait_for_head(&mut self, octets: &[u8]) -> Next {
        self.wants = Wants::Head { seen: octets.len() };
        part(octets.len())
    }
}

fn part(held: usize) -> Next {
    Next::Part {
        held,
        send_continue: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bodies of the requests in `stream`, which comes in pieces; None for what is no request.
    fn bodies(stream: &[u8], piece: usize) -> Vec<Option<Vec<u8>>> {
        let mut framing = Framing::new(100);
        let (mut octets, mut found) = (Vec::new(), Vec::new());
        for piece in stream.chunks(piece) {
            octets.extend_from_slice(piece);
            while !octets.is_empty() {
                match framing.next(&mut octets) {
                    Next::Part { held, .. } => {
                        octets.truncate(held);
                        break;
                    }
                    Next::Request {
                        body: BodyPlace::Whole(place),
                        end,
                        ..
                    } => {
                        found.push(Some(octets[place].to_vec()));
                        octets.drain(..end);
                    }
                    Next::Request { .. } | Next::Broken(_) => {
                        found.push(None);
                        return found;
                    }
                }
            }
        }
        found
    }

    #[test]
    fn htp_08_htp_10_requests_in_a_row_are_told_apart_whatever_their_bodies_hold() {
        let evil = "Content-Length: 1\r\nContent-Length: 1\r\n\r\n";
        let post = format!(
            "POST / HTTP/1.1\r\nContent-Length: {}\r\nHost: a\r\n\r\n{evil}",
            evil.len()
        );
        let get = "GET /a:b HTTP/1.1\r\nHost: a\r\nConnection:\r\nTE: trailers\r\n\r\n";
        let chunked = format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:X};x=Content-Length: 1\r\n{evil}\r\n5\r\nabcde\r\n0\r\nContent-Length: 1\r\n\r\n",
            evil.len()
        );
        let empty = "POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
        let stream = [
            &post, get, &chunked, "\r\n\n", empty, &post, &chunked, get, &post,
        ]
        .concat();
        let body = |text: &str| Some(text.as_bytes().to_vec());
        let with_more = format!("{evil}abcde");
        let expected = [evil, "", &with_more, "", evil, &with_more, "", evil].map(body);
        for piece in [1, 2, 3, 7, 16, 4096] {
            assert_eq!(
                bodies(stream.as_bytes(), piece),
                expected,
                "in pieces of {piece}"
            );
        }
    }

    #[test]
    fn htp_21_behind_a_request_that_says_twice_how_long_it_is_nothing_is_read() {
        let double = "POST / HTTP/1.1\nHost: a\nContent-Length: 3\nContent-Length: 3\n\nabcGET / HTTP/1.1\nHost: a\n\n";
        for before in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n\r\n",
        ] {
            for piece in [1, 3, 4096] {
                let found = bodies(format!("{before}{double}").as_bytes(), piece);
                assert_eq!(found, [Some(Vec::new()), None], "in pieces of {piece}");
            }
        }
    }

    #[test]
    fn octets_of_any_kind_allocate_nothing() {
        let mut noise: Vec<u8> = (0..40_000_u32)
            .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let mut framing = Framing::new(100);
        let allocations = allocation_counter::measure(|| {
            assert!(matches!(framing.next(&mut noise), Next::Broken(_)));
        });
        assert_eq!(allocations.count_total, 0);
    }
}
