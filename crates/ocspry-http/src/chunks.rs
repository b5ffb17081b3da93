//! A chunked body (RFC 9112 §7.1), put together where it lies.  From: `connection`, as its octets come.  To: `connection`,
//! the body in one piece, in front of what stands behind it.
//!
//! Each octet is looked at once, however slowly they come.  What a chunk's line says beside its size, and the lines behind the
//! last chunk, are passed over; their octets are bounded.  Each line ends with CR LF, and there is neither alone: where one
//! reader takes a LF for an end and another one does not, a request can hide behind it.

/// How far a chunked body is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    state: State,
    /// Where the body begins, and how many octets of it are there.
    start: usize,
    length: usize,
    /// Where the octets begin that were not looked at yet.
    next: usize,
    /// Octets that were no body.
    beside: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the line in front of a chunk; so many digits were there.
    Size { size: u64, digits: u8 },
    /// Behind blanks, where an extension may begin.
    Blank { size: u64 },
    /// In an extension, before the end of its line.
    Extension { size: u64 },
    /// Behind the CR of that line.
    SizeEnd { size: u64 },
    /// In a chunk.
    Data { left: u64 },
    /// Behind one: CR LF.
    DataEnd { is_cr_seen: bool },
    /// In a line behind the last chunk.
    Trailer { is_empty: bool },
    /// Behind the CR of one.
    TrailerEnd { is_empty: bool },
    /// The body is whole.
    Over,
}

/// What has come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More must come.
    Partial,
    /// The body is whole.
    Whole,
    /// No chunks, or too much beside them.
    Broken,
    /// The body is longer than it may be.
    TooLong,
}

impl Chunks {
    /// A body that begins at this place of the octets.
    pub(crate) fn new(start: usize) -> Chunks {
        Chunks {
            state: NEW_SIZE,
            start,
            length: 0,
            next: start,
            beside: 0,
        }
    }

    /// Where the body lies, once it is whole.
    pub(crate) fn body(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.length
    }

    /// Where the next request begins, once the body is whole.
    pub(crate) fn end(&self) -> usize {
        self.next
    }

    /// Moves what has come of the body together; `octets` are those of before, and more behind them.
    pub(crate) fn read(&mut self, octets: &mut [u8], length_max: usize) -> Progress {
        while self.next < octets.len() {
            if let State::Data { left } = self.state {
                let there = octets.len() - self.next;
                let taken = usize::try_from(left).map_or(there, |left| left.min(there));
                if self.length + taken > length_max {
                    return Progress::TooLong;
                }
                let body_end = self.start + self.length;
                octets.copy_within(self.next..self.next + taken, body_end);
                self.next += taken;
                self.length += taken;
                self.state = match left - taken as u64 {
                    0 => State::DataEnd { is_cr_seen: false },
                    left => State::Data { left },
                };
                continue;
            }
            let Some(state) = self.state.behind(octets[self.next]) else {
                return Progress::Broken;
            };
            self.next += 1;
            self.beside += 1;
            self.state = state;
            match state {
                State::Over => return Progress::Whole,
                State::Data { left } if left > (length_max - self.length) as u64 => {
                    return Progress::TooLong;
                }
                // A body in pieces of one octet has five beside each.
                _ if self.beside > BESIDE_MAX + 6 * self.length => return Progress::Broken,
                State::Size { .. }
                | State::Blank { .. }
                | State::Extension { .. }
                | State::SizeEnd { .. }
                | State::Data { .. }
                | State::DataEnd { .. }
                | State::Trailer { .. }
                | State::TrailerEnd { .. } => {}
            }
        }
        Progress::Partial
    }

    /// What was looked at and is no body is of no use any more: from now on the octets are those up to the place that is
    /// returned, which only the body makes grow, and what comes next behind them.
    pub(crate) fn forget_what_is_no_body(&mut self) -> usize {
        self.next = self.start + self.length;
        self.next
    }
}

impl State {
    /// The state behind one more octet, which is no body; None: it must not be there.
    fn behind(self, octet: u8) -> Option<State> {
        Some(match (self, octet) {
            (State::Size { size, digits }, _) if octet.is_ascii_hexdigit() => State::Size {
                // Sixteen digits are all that a u64 holds.
                size: size.checked_mul(16)? + u64::from((octet as char).to_digit(16)?),
                digits: digits.checked_add(1)?,
            },
            (State::Size { digits: 0, .. }, _) => return None,
            (State::Size { size, .. } | State::Blank { size }, b' ' | b'\t') => {
                State::Blank { size }
            }
            (State::Size { size, .. } | State::Blank { size }, b';') => State::Extension { size },
            (
                State::Size { size, .. } | State::Blank { size } | State::Extension { size },
                b'\r',
            ) => State::SizeEnd { size },
            (State::Extension { .. }, b'\n') => return None,
            (State::Extension { size }, _) => State::Extension { size },
            (State::SizeEnd { size: 0 }, b'\n') => State::Trailer { is_empty: true },
            (State::SizeEnd { size }, b'\n') => State::Data { left: size },
            (State::DataEnd { is_cr_seen: false }, b'\r') => State::DataEnd { is_cr_seen: true },
            (State::DataEnd { is_cr_seen: true }, b'\n') => NEW_SIZE,
            (State::Trailer { is_empty }, b'\r') => State::TrailerEnd { is_empty },
            (State::Trailer { .. }, b'\n') => return None,
            (State::Trailer { .. }, _) => State::Trailer { is_empty: false },
            (State::TrailerEnd { is_empty: true }, b'\n') => State::Over,
            (State::TrailerEnd { is_empty: false }, b'\n') => State::Trailer { is_empty: true },
            (
                State::Size { .. }
                | State::Blank { .. }
                | State::SizeEnd { .. }
                | State::DataEnd { .. }
                | State::TrailerEnd { .. },
                _,
            ) => return None,
            (State::Data { .. } | State::Over, _) => return None,
        })
    }
}

const NEW_SIZE: State = State::Size { size: 0, digits: 0 };

/// Octets that may stand beside the body: sizes, what is said behind them, and lines behind the last chunk.
const BESIDE_MAX: usize = 4 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// The body of `stream`, which comes in pieces of `piece` octets behind two others, and what stands behind it.
    fn read(stream: &[u8], piece: usize, length_max: usize) -> Result<(Vec<u8>, usize), Progress> {
        let mut octets = b"xx".to_vec();
        let mut chunks = Chunks::new(2);
        let mut left = stream.len();
        for piece in stream.chunks(piece) {
            octets.extend(piece);
            left -= piece.len();
            match chunks.read(&mut octets, length_max) {
                Progress::Partial => octets.truncate(chunks.forget_what_is_no_body()),
                Progress::Whole => {
                    return Ok((
                        octets[chunks.body()].to_vec(),
                        octets.len() - chunks.end() + left,
                    ));
                }
                other => return Err(other),
            }
            assert!(octets.len() <= 2 + length_max);
        }
        Err(Progress::Partial)
    }

    fn check(stream: &str, expected: Result<(&str, usize), Progress>) {
        for piece in [1, 2, 3, 7, 4096] {
            let found = read(stream.as_bytes(), piece, 10);
            let expected = expected.map(|(body, behind)| (body.as_bytes().to_vec(), behind));
            assert_eq!(found, expected, "{stream:?} in pieces of {piece}");
        }
    }

    #[test]
    fn htp_10_chunks_are_one_body_however_they_come() {
        check("0\r\n\r\n", Ok(("", 0)));
        check("5\r\nabcde\r\n0\r\n\r\nGET", Ok(("abcde", 3)));
        check(
            "2;a=\"b\"\r\nab\r\n003 \r\ncde\r\n0;x\r\nA: b\r\nC: d\r\n\r\n",
            Ok(("abcde", 0)),
        );
        check("a\r\nabcdefghij\r\n0\t;x\r\n\r\n", Ok(("abcdefghij", 0)));
    }

    #[test]
    fn htp_10_what_is_no_chunk_is_refused() {
        for stream in [
            "xyz\r\n",
            "\r\n",
            "-1\r\na",
            "1\r\nabc",
            "1x\r\na",
            "10000000000000000\r\n",
        ] {
            check(stream, Err(Progress::Broken));
        }
        for stream in ["", "5\r\nabc", "5\r\nabcde\r\n0\r\n", "5"] {
            check(stream, Err(Progress::Partial));
        }
    }

    #[test]
    fn htp_21_a_line_of_chunks_ends_with_cr_lf_and_has_neither_alone() {
        for stream in [
            "5\nabcde",
            "5;\nabcde",
            "5;a\nabcde",
            "5\rabcde",
            "5;a\rb\r\nabcde",
            "5 anything\r\nabcde",
            "5\r\nabcde\n0\r\n\r\n",
            "5\r\nabcde\r\r\n0\r\n\r\n",
            "0\r\n\n",
            "0\r\n\r\r\n",
            "0\r\nA: b\n\r\n",
        ] {
            check(stream, Err(Progress::Broken));
        }
    }

    #[test]
    fn htp_10_a_body_that_is_too_long_is_told_by_its_size() {
        check("b\r\n", Err(Progress::TooLong));
        check("5\r\nabcde\r\n6\r\n", Err(Progress::TooLong));
        check("ffffffffffffffff\r\n", Err(Progress::TooLong));
    }

    #[test]
    fn what_stands_beside_the_body_is_bounded() {
        let extension = format!("1;{}", "x".repeat(BESIDE_MAX + 6));
        assert_eq!(read(extension.as_bytes(), 4096, 10), Err(Progress::Broken));
        let trailers = format!("0\r\n{}", "A: b\r\n".repeat(BESIDE_MAX / 6 + 1));
        assert_eq!(read(trailers.as_bytes(), 4096, 10), Err(Progress::Broken));
        let pieces = format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(16_384));
        let (body, _) = read(pieces.as_bytes(), 4096, 16_384).unwrap();
        assert_eq!(body.len(), 16_384);
    }
}
