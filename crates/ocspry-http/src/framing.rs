//! Refuses a request that says twice how long its body is.  From: the socket, in `connection`.  To: hyper.
//!
//! Content-Length beside Transfer-Encoding, or either of them twice, is how one request is hidden in the body of another: a
//! proxy in front believes one line, the server behind it the other (RFC 9112 §6.3 and §11.2).  hyper goes by
//! Transfer-Encoding, takes two Content-Lengths that agree for one, and shows nobody the line that it dropped; the RFC allows
//! that, but no honest client sends either, so both are refused here (HTP-21).
//!
//! The octets are watched on their way in: heads line by line, bodies passed over by their length.  The colon of a second such
//! line becomes an octet that no header name may hold.  hyper then refuses the request itself, with 400 and in its turn, and
//! reads nothing of what stands behind it.  What a request means is still hyper's to decide: were the two ever out of step, the
//! worst that could follow is a request that is refused, or one that is handled as the RFC allows.

/// One connection's octets, as far as they were seen.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    /// How the head under way says that its body ends.
    body: Option<BodyEnd>,
}

/// Where in the stream the next octet stands.
#[derive(Clone, Copy, Debug)]
enum State {
    /// In a request line, or in an empty line in front of it.
    RequestLine { is_empty: bool },
    /// At the begin of a header line; so much of it may still become one of the two names.
    Name(Name),
    /// In a header line that is no matter to us.
    OtherLine,
    /// In the value of Content-Length.
    Length,
    /// In a body, or a chunk of one; so many octets are left.
    Body { left: u64, is_chunk: bool },
    /// Behind a chunk.
    ChunkEnd,
    /// In the line in front of a chunk.
    ChunkSize { size: u64, is_over: bool },
    /// In a line behind the last chunk.
    Trailer { is_empty: bool },
    /// A request was refused: what follows is no request.
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BodyEnd {
    AfterOctets(u64),
    AfterChunks,
}

impl Framing {
    /// Before the first octet.
    pub(crate) fn new() -> Framing {
        Framing {
            state: State::RequestLine { is_empty: true },
            body: None,
        }
    }

    /// Sees the next octets, which may be any part of the stream; spoils a line that must not be there.  Returns whether there
    /// was one: the client is refused, while it may still be sending.
    pub(crate) fn watch(&mut self, octets: &mut [u8]) -> bool {
        let mut at = 0;
        while at < octets.len() {
            at += self.step(&mut octets[at..]);
        }
        matches!(self.state, State::Refused)
    }

    /// Takes at least one octet; returns how many.
    fn step(&mut self, octets: &mut [u8]) -> usize {
        match self.state {
            State::RequestLine { is_empty } => {
                let line = Line::of(octets);
                let is_empty = is_empty && line.is_empty;
                self.state = if line.is_whole && !is_empty {
                    State::Name(Name::NEW)
                } else {
                    State::RequestLine { is_empty }
                };
                line.length
            }
            State::Name(name) => {
                self.name(name, &mut octets[0]);
                1
            }
            State::OtherLine => {
                let line = Line::of(octets);
                if line.is_whole {
                    self.state = State::Name(Name::NEW);
                }
                line.length
            }
            State::Length => {
                match (octets[0], &mut self.body) {
                    (b'\n', _) => self.state = State::Name(Name::NEW),
                    (digit @ b'0'..=b'9', Some(BodyEnd::AfterOctets(length))) => {
                        *length = length
                            .saturating_mul(10)
                            .saturating_add(u64::from(digit - b'0'));
                    }
                    // Anything else than digits is refused by hyper.
                    (_, _) => {}
                }
                1
            }
            State::Body { left, is_chunk } => {
                let taken = left.min(octets.len() as u64);
                self.state = match (left - taken, is_chunk) {
                    (0, false) => State::RequestLine { is_empty: true },
                    (0, true) => State::ChunkEnd,
                    (left, is_chunk) => State::Body { left, is_chunk },
                };
                taken as usize
            }
            State::ChunkEnd => {
                let line = Line::of(octets);
                if line.is_whole {
                    self.state = State::CHUNK_SIZE;
                }
                line.length
            }
            State::ChunkSize { size, is_over } => {
                let digit = (octets[0] as char).to_digit(16);
                self.state = match (octets[0], digit) {
                    (b'\n', _) if size == 0 => State::Trailer { is_empty: true },
                    (b'\n', _) => State::Body {
                        left: size,
                        is_chunk: true,
                    },
                    (_, Some(digit)) if !is_over => State::ChunkSize {
                        size: size.saturating_mul(16).saturating_add(u64::from(digit)),
                        is_over,
                    },
                    (_, _) => State::ChunkSize {
                        size,
                        is_over: true,
                    },
                };
                1
            }
            State::Trailer { is_empty } => {
                let line = Line::of(octets);
                let is_empty = is_empty && line.is_empty;
                self.state = match (line.is_whole, is_empty) {
                    (true, true) => State::RequestLine { is_empty: true },
                    (true, false) => State::Trailer { is_empty: true },
                    (false, is_empty) => State::Trailer { is_empty },
                };
                line.length
            }
            State::Refused => octets.len(),
        }
    }

    /// The next octet of what may be a header's name.
    fn name(&mut self, mut name: Name, octet: &mut u8) {
        self.state = match *octet {
            b'\n' if name.is_empty_line() => self.end_of_head(),
            b'\n' => State::Name(Name::NEW),
            b':' => {
                let (body, state) = match name.text() {
                    b"content-length" => (BodyEnd::AfterOctets(0), State::Length),
                    b"transfer-encoding" => (BodyEnd::AfterChunks, State::OtherLine),
                    _ => return self.state = State::OtherLine,
                };
                if self.body.replace(body).is_some() {
                    *octet = NOT_IN_A_NAME;
                    State::Refused
                } else {
                    state
                }
            }
            other if name.push(other) => State::Name(name),
            _ => State::OtherLine,
        };
    }

    fn end_of_head(&mut self) -> State {
        match self.body.take() {
            None | Some(BodyEnd::AfterOctets(0)) => State::RequestLine { is_empty: true },
            Some(BodyEnd::AfterOctets(left)) => State::Body {
                left,
                is_chunk: false,
            },
            Some(BodyEnd::AfterChunks) => State::CHUNK_SIZE,
        }
    }
}

impl State {
    const CHUNK_SIZE: State = State::ChunkSize {
        size: 0,
        is_over: false,
    };
}

/// What a colon is replaced by.
const NOT_IN_A_NAME: u8 = 0;

/// The rest of a line, as far as it is there.
struct Line {
    /// Octets, with the LF.
    length: usize,
    /// The LF is there.  (hyper too takes a LF without CR.)
    is_whole: bool,
    /// Nothing else is, but for CR.
    is_empty: bool,
}

impl Line {
    fn of(octets: &[u8]) -> Line {
        let end = octets.iter().position(|&octet| octet == b'\n');
        let text = &octets[..end.unwrap_or(octets.len())];
        Line {
            length: end.map_or(octets.len(), |end| end + 1),
            is_whole: end.is_some(),
            is_empty: matches!(text, [] | [b'\r']),
        }
    }
}

/// The begin of a header line, in lower case.
#[derive(Clone, Copy, Debug)]
struct Name {
    octets: [u8; Name::LENGTH_MAX],
    length: usize,
}

impl Name {
    /// Of `transfer-encoding`.
    const LENGTH_MAX: usize = 17;
    const NEW: Name = Name {
        octets: [0; Name::LENGTH_MAX],
        length: 0,
    };

    /// Takes one more octet, unless the name can be neither of the two any more.
    fn push(&mut self, octet: u8) -> bool {
        let octet = octet.to_ascii_lowercase();
        if self.length == Name::LENGTH_MAX || (self.length == 0 && !b"ct\r".contains(&octet)) {
            return false;
        }
        self.octets[self.length] = octet;
        self.length += 1;
        true
    }

    fn text(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    fn is_empty_line(&self) -> bool {
        matches!(self.text(), [] | [b'\r'])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of `stream` when it comes in pieces of `piece` octets.
    fn watched(stream: &[u8], piece: usize) -> Vec<u8> {
        let mut framing = Framing::new();
        let mut stream = stream.to_vec();
        for piece in stream.chunks_mut(piece) {
            framing.watch(piece);
        }
        stream
    }

    fn check(stream: &str, expected: &str) {
        for piece in [1, 2, 3, 7, 16, 4096] {
            let seen = watched(stream.as_bytes(), piece);
            assert_eq!(
                String::from_utf8_lossy(&seen),
                expected,
                "in pieces of {piece}"
            );
        }
    }

    fn passes(stream: &str) {
        check(stream, stream);
    }

    #[test]
    fn htp_21_the_second_line_about_the_length_of_a_body_is_spoilt() {
        for (first, second) in [
            ("Content-Length: 5", "Transfer-Encoding: chunked"),
            ("Transfer-Encoding: chunked", "Content-Length: 5"),
            ("Content-Length: 5", "Content-Length: 5"),
            ("content-length:5", "CONTENT-LENGTH:6"),
            ("Transfer-Encoding: gzip", "transfer-encoding: chunked"),
        ] {
            let (name, value) = second.split_once(':').unwrap();
            for end in ["\r\n", "\n"] {
                let lines = |second: &str| {
                    ["POST / HTTP/1.1", first, "Host: a", second, "X: y", ""].join(end) + end
                };
                check(&lines(second), &lines(&format!("{name}\0{value}")));
            }
        }
    }

    #[test]
    fn htp_08_htp_10_requests_in_a_row_pass_whatever_their_bodies_hold() {
        let evil = "Content-Length: 1\r\nContent-Length: 1\r\n";
        let post = format!(
            "POST / HTTP/1.1\r\nContent-Length: {}\r\nHost: a\r\n\r\n{evil}",
            evil.len()
        );
        let get = "GET /a:b HTTP/1.1\r\nHost: a\r\nConnection:\r\nTE: trailers\r\n\r\n";
        let chunked = format!(
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{:X};x=Content-Length: 1\r\n{evil}\r\n5\r\nabcde\r\n0\r\n{evil}\r\n",
            evil.len()
        );
        let empty = "POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n";
        passes(
            &[
                &post, get, &chunked, "\r\n\n", empty, &post, &chunked, get, &post,
            ]
            .concat(),
        );
    }

    #[test]
    fn htp_21_a_request_behind_others_is_found() {
        for before in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ] {
            check(
                &format!("{before}POST / HTTP/1.1\nContent-Length: 3\nContent-Length: 3\n\nabc"),
                &format!("{before}POST / HTTP/1.1\nContent-Length: 3\nContent-Length\0 3\n\nabc"),
            );
        }
    }

    #[test]
    fn names_that_only_begin_like_the_two_pass() {
        passes(
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length-Of-Mine: 4\r\nContent-Type: a/b\r\nTransfer-Encodings: x\r\nX-Content-Length: 5\r\n\r\nabc",
        );
    }

    #[test]
    fn octets_of_any_kind_pass_and_allocate_nothing() {
        let mut noise: Vec<u8> = (0..40_000_u32)
            .map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let before = noise.clone();
        let mut framing = Framing::new();
        let allocations = allocation_counter::measure(|| assert!(!framing.watch(&mut noise)));
        assert_eq!((noise, allocations.count_total), (before, 0));
    }
}
