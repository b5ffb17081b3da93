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
    /// The rest of a body of so many octets.
    Octets(Head, usize),
    /// The end of a chunked body.
    Chunks(Head, Chunks),
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
            wants: NOTHING,
        }
    }

    /// Looks at what has come; the chunks of a body are moved together where they lie.  Allocates nothing.
    pub fn next(&mut self, octets: &mut [u8]) -> Next {
        match std::mem::replace(&mut self.wants, NOTHING) {
            // Without the end of a line there is no end of a head.
            Wants::Head { seen }
                if seen > 0
                    && octets.len() < HEAD_BYTES_MAX
                    && !octets[seen..].contains(&b'\n') =>
            {
                self.wait_for_head(octets)
            }
            Wants::Head { .. } => match head::read(octets) {
                Reading::Whole(head) => self.begin_body(head, octets),
                Reading::Broken(broken) => Next::Broken(broken),
                Reading::Partial => self.wait_for_head(octets),
            },
            Wants::Octets(head, length) => self.read_octets(head, length, octets, false),
            Wants::Chunks(head, chunks) => self.read_chunks(head, chunks, octets, false),
        }
    }

    /// The head is whole.
    fn begin_body(&mut self, head: Head, octets: &mut [u8]) -> Next {
        let place = match head.body {
            BodyLength::None => BodyPlace::Whole(head.length..head.length),
            BodyLength::Octets(_) | BodyLength::Chunked
                if head.method != MethodKind::Post || !head.has_valid_host() =>
            {
                BodyPlace::Unread
            }
            BodyLength::Octets(length) => match usize::try_from(length) {
                Ok(length) if length <= self.body_bytes_max => {
                    return self.read_octets(head, length, octets, true);
                }
                Ok(_) | Err(_) => BodyPlace::TooLong,
            },
            BodyLength::Chunked => {
                let chunks = Chunks::new(head.length);
                return self.read_chunks(head, chunks, octets, true);
            }
        };
        let end = head.length;
        Next::Request {
            head,
            body: place,
            end,
        }
    }

    fn read_octets(&mut self, head: Head, length: usize, octets: &[u8], is_new: bool) -> Next {
        let end = head.length + length;
        if octets.len() < end {
            let send_continue = is_new && head.expects_continue;
            self.wants = Wants::Octets(head, length);
            return Next::Part {
                held: octets.len(),
                send_continue,
            };
        }
        let body = BodyPlace::Whole(head.length..end);
        Next::Request { head, body, end }
    }

    fn read_chunks(
        &mut self,
        head: Head,
        mut chunks: Chunks,
        octets: &mut [u8],
        is_new: bool,
    ) -> Next {
        let (body, end) = match chunks.read(octets, self.body_bytes_max) {
            Progress::Whole => (BodyPlace::Whole(chunks.body()), chunks.end()),
            Progress::Broken => (BodyPlace::Broken, octets.len()),
            Progress::TooLong => (BodyPlace::TooLong, octets.len()),
            Progress::Partial => {
                let held = chunks.forget_what_is_no_body();
                let send_continue = is_new && head.expects_continue;
                self.wants = Wants::Chunks(head, chunks);
                return Next::Part {
                    held,
                    send_continue,
                };
            }
        };
        Next::Request { head, body, end }
    }

    /// The client sends no more: the head of the request under way, if its body was awaited.
    pub(crate) fn torn(&self) -> Option<Head> {
        match &self.wants {
            Wants::Octets(head, _) | Wants::Chunks(head, _) => Some(head.clone()),
            Wants::Head { .. } => None,
        }
    }

    fn wait_for_head(&mut self, octets: &[u8]) -> Next {
        self.wants = Wants::Head { seen: octets.len() };
        Next::Part {
            held: octets.len(),
            send_continue: false,
        }
    }
}

/// No request has begun.
const NOTHING: Wants = Wants::Head { seen: 0 };

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
