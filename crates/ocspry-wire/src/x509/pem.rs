//! PEM armour (RFC 7468), tolerant of text around and between the blocks, strict inside them.
//!
//! From: certificate, key and CRL files as people have them: with a byte order mark, CRLF line ends, a dump of the
//! certificate above it.  To: whoever reads DER.  What stands between BEGIN and END is base64 and nothing else.

use core::fmt;

/// One block.
#[derive(Clone, PartialEq, Eq)]
pub struct PemBlock {
    /// The label between `BEGIN ` and the dashes.
    pub label: String,
    /// The decoded body.
    pub der: Vec<u8>,
    /// True when the body has RFC 1421 headers such as `Proc-Type: 4,ENCRYPTED` (then `der` is ciphertext).
    pub encrypted_headers: bool,
}

/// Why a text is not PEM; lines count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PemError {
    /// BEGIN without its END.
    NoEnd {
        /// The line with BEGIN.
        line: usize,
    },
    /// A BEGIN line that does not end in dashes, END with another label than BEGIN, or a line inside the block that is
    /// not base64.
    Body {
        /// The line at fault.
        line: usize,
    },
}

/// Does this look like PEM (a line starts with `-----BEGIN `)?
pub fn is_pem(input: &[u8]) -> bool {
    // DER starts with a SEQUENCE and may hold any octets, so the first one decides before the search does.
    input.first() != Some(&DER_SEQUENCE) && Lines::new(input).any(|line| line.starts_with(BEGIN))
}

/// All blocks in order, for a file known to be small; [`Blocks`] holds one at a time.
///
/// # Errors
/// The first block that is cut off or damaged.
pub fn blocks(input: &[u8]) -> Result<Vec<PemBlock>, PemError> {
    Blocks::new(input).collect()
}

/// The blocks one after the other, each decoded when it is asked for; ends after the first error.
pub struct Blocks<'a> {
    lines: Lines<'a>,
}

impl<'a> Blocks<'a> {
    /// Nothing is read yet.
    pub fn new(input: &'a [u8]) -> Blocks<'a> {
        Blocks {
            lines: Lines::new(input),
        }
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<PemBlock, PemError>;

    fn next(&mut self) -> Option<Self::Item> {
        let lines = &mut self.lines;
        let begin = lines.find_map(|line| line.strip_prefix(BEGIN))?;
        let block = match begin.strip_suffix(DASHES) {
            Some(label) => read_block(label, lines),
            None => Err(PemError::Body { line: lines.number }),
        };
        if block.is_err() {
            lines.rest = None;
        }
        Some(block)
    }
}

/// The lines after BEGIN up to and including END.
fn read_block(label: &[u8], lines: &mut Lines<'_>) -> Result<PemBlock, PemError> {
    let begin_line = lines.number;
    let mut base64 = Base64 {
        pending: 0,
        pending_count: 0,
        padding_count: 0,
        out: Vec::with_capacity(lines.octets_until_end() / 4 * 3 + 3),
    };
    let mut encrypted_headers = false;
    let mut in_headers = false;
    let mut is_first = true;
    while let Some(line) = lines.next() {
        let body_error = PemError::Body { line: lines.number };
        if let Some(end) = line.strip_prefix(END) {
            if end.strip_suffix(DASHES) != Some(label) || in_headers {
                return Err(body_error);
            }
            return Ok(PemBlock {
                label: String::from_utf8_lossy(label).into_owned(),
                der: base64.finish().ok_or(body_error)?,
                encrypted_headers,
            });
        }
        // RFC 1421 headers: `Name: value` lines, continued by lines that start with a blank, up to an empty line.
        if is_first && line.contains(&b':') {
            (encrypted_headers, in_headers) = (true, true);
        } else if in_headers {
            in_headers = !line.is_empty();
        } else {
            base64.push_line(line).ok_or(body_error)?;
        }
        is_first = false;
    }
    Err(PemError::NoEnd { line: begin_line })
}

/// Base64 (RFC 4648 §4), padded, whose groups may span lines.
struct Base64 {
    pending: u32,
    pending_count: u8,
    padding_count: u8,
    /// Has room for the whole block from the start: a vector that grows leaves copies of a key behind.
    out: Vec<u8>,
}

impl Base64 {
    fn push_line(&mut self, mut line: &[u8]) -> Option<()> {
        while let ([a, b, c, d, rest @ ..], 0, 0) = (line, self.pending_count, self.padding_count) {
            let sextets = [a, b, c, d].map(|octet| SEXTETS[usize::from(*octet)]);
            if sextets.iter().any(|sextet| *sextet > 63) {
                break;
            }
            let group = sextets
                .iter()
                .fold(0, |group, sextet| group << 6 | u32::from(*sextet));
            self.out.extend_from_slice(&group.to_be_bytes()[1..]);
            line = rest;
        }
        line.iter().try_for_each(|octet| self.push(*octet))
    }

    fn push(&mut self, octet: u8) -> Option<()> {
        if octet == b'=' {
            self.padding_count += 1;
            return (self.pending_count + self.padding_count <= 4 && self.pending_count >= 2)
                .then_some(());
        }
        let sextet = SEXTETS[usize::from(octet)];
        if sextet > 63 || self.padding_count > 0 {
            return None;
        }
        self.pending = self.pending << 6 | u32::from(sextet);
        self.pending_count += 1;
        if self.pending_count == 4 {
            self.out.extend_from_slice(&self.pending.to_be_bytes()[1..]);
            (self.pending, self.pending_count) = (0, 0);
        }
        Some(())
    }

    /// The last group must be whole or padded, and the bits that padding leaves over must be zero.
    fn finish(mut self) -> Option<Vec<u8>> {
        match (self.pending_count, self.padding_count) {
            (0, 0) => {}
            (2, 2) if self.pending & 0xf == 0 => self.out.push((self.pending >> 4) as u8),
            (3, 1) if self.pending & 0x3 == 0 => self
                .out
                .extend_from_slice(&((self.pending >> 2) as u16).to_be_bytes()),
            _ => return None,
        }
        Some(core::mem::take(&mut self.out))
    }
}

/// Half a key is not left in memory either.
impl Drop for Base64 {
    fn drop(&mut self) {
        self.out.fill(0);
        core::hint::black_box(&self.out);
    }
}

/// Lines without their ends (LF, CRLF or CR), trailing blanks, and the byte order mark of the first.
#[derive(Clone)]
struct Lines<'a> {
    rest: Option<&'a [u8]>,
    number: usize,
}

impl<'a> Lines<'a> {
    fn new(input: &'a [u8]) -> Self {
        Lines {
            rest: Some(input.strip_prefix(BYTE_ORDER_MARK).unwrap_or(input)),
            number: 0,
        }
    }

    /// Octets from here to the next END line, or to the end of the input.
    fn octets_until_end(&self) -> usize {
        let left = |lines: &Lines<'_>| lines.rest.map_or(0, <[u8]>::len);
        let mut ahead = self.clone();
        let _ = ahead.find(|line| line.starts_with(END));
        left(self) - left(&ahead)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        self.number += 1;
        let end = rest.iter().position(|octet| matches!(octet, b'\n' | b'\r'));
        let line = &rest[..end.unwrap_or(rest.len())];
        self.rest = end.map(|end| match &rest[end..] {
            [b'\r', b'\n', after @ ..] | [_, after @ ..] => after,
            [] => &[],
        });
        Some(line.trim_ascii_end())
    }
}

/// The label and the sizes; never the content, which may be a key.
impl fmt::Debug for PemBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PemBlock")
            .field("label", &self.label)
            .field("der_octets_count", &self.der.len())
            .field("encrypted_headers", &self.encrypted_headers)
            .finish()
    }
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PemError::NoEnd { line } => write!(
                f,
                "line {line}: this PEM block has no END line; the file is cut off"
            ),
            PemError::Body { line } => write!(
                f,
                "line {line}: not a line of this PEM block; the file is damaged"
            ),
        }
    }
}

impl core::error::Error for PemError {}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const DER_SEQUENCE: u8 = 0x30;

/// Value of each octet as a base64 digit; 255: none.
const SEXTETS: [u8; 256] = {
    let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut sextets = [255; 256];
    let mut value = 0;
    while value < digits.len() {
        sextets[digits[value] as usize] = value as u8;
        value += 1;
    }
    sextets
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(text: &str) -> PemBlock {
        let blocks = blocks(text.as_bytes()).unwrap();
        let [block] = &blocks[..] else {
            panic!("{blocks:?}")
        };
        block.clone()
    }

    fn body(text: &str) -> Result<Vec<u8>, PemError> {
        let text = format!("-----BEGIN X-----\n{text}\n-----END X-----\n");
        blocks(text.as_bytes()).map(|blocks| blocks[0].der.clone())
    }

    #[test]
    fn a_block_is_found_between_any_text() {
        let text = "\u{feff}Certificate:\n  Data: = not base64\n-----BEGIN X509 CRL-----\nAQID\n-----END X509 CRL-----\ntrailing junk \0\u{ff}\n";
        let block = one(text);
        assert_eq!(
            (
                block.label.as_str(),
                &block.der[..],
                block.encrypted_headers
            ),
            ("X509 CRL", &[1, 2, 3][..], false)
        );
        assert!(is_pem(text.as_bytes()));
    }

    #[test]
    fn a_byte_order_mark_may_stand_right_before_begin() {
        let text = "\u{feff}-----BEGIN X-----\nAQID\n-----END X-----";
        assert!(is_pem(text.as_bytes()));
        assert_eq!(one(text).der, [1, 2, 3]);
    }

    #[test]
    fn all_line_ends_and_trailing_blanks_are_taken() {
        for end in ["\n", "\r\n", "\r", " \t\r\n"] {
            let text = [
                "-----BEGIN X-----",
                "AQ",
                "ID",
                "BA==",
                "-----END X-----",
                "",
            ]
            .join(end);
            assert_eq!(one(&text).der, [1, 2, 3, 4], "{end:?}");
        }
    }

    #[test]
    fn several_blocks_keep_their_order() {
        let text = "-----BEGIN A-----\nAQ==\n-----END A-----\nbetween\n-----BEGIN B-----\nAg==\n-----END B-----";
        let found: Vec<_> = blocks(text.as_bytes())
            .unwrap()
            .into_iter()
            .map(|block| (block.label, block.der))
            .collect();
        assert_eq!(
            found,
            [("A".to_owned(), vec![1]), ("B".to_owned(), vec![2])]
        );
    }

    #[test]
    fn old_headers_are_skipped_and_reported() {
        let text = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAQID\n-----END RSA PRIVATE KEY-----\n";
        let block = one(text);
        assert!(block.encrypted_headers);
        assert_eq!(block.der, [1, 2, 3]);
    }

    #[test]
    fn base64_inside_a_block_is_strict() {
        for good in ["AQID", "AQIDBA==", "AQIDBAU=", "AQ\n==", "A\nQ\n\nI\nD", ""] {
            assert!(body(good).is_ok(), "{good:?}");
        }
        for bad in [
            "AQI",
            "AQIDBA",
            "AQIDBA=",
            "AQIDBA===",
            "A===",
            "====",
            "=",
            "AR==",
            "AQJ=",
            "AQ==AQ==",
            "AQ-_",
            "AQ ID",
            " AQID",
            "AQI*",
        ] {
            assert!(matches!(body(bad), Err(PemError::Body { .. })), "{bad:?}");
        }
    }

    #[test]
    fn a_damaged_block_is_reported_by_line() {
        let error = |text: &str| blocks(text.as_bytes()).unwrap_err();
        assert_eq!(
            error("x\n-----BEGIN A-----\nAQID\n"),
            PemError::NoEnd { line: 2 }
        );
        assert_eq!(
            error("-----BEGIN A-----\r\nAQID\r\n-----END B-----\r\n"),
            PemError::Body { line: 3 }
        );
        assert_eq!(
            error("-----BEGIN A-----\nAQID\n-----BEGIN A-----\n"),
            PemError::Body { line: 3 }
        );
        assert_eq!(
            error("-----BEGIN A\nAQID\n-----END A-----\n"),
            PemError::Body { line: 1 }
        );
    }

    #[test]
    fn blocks_are_decoded_one_at_a_time_and_end_with_the_first_error() {
        let text = b"-----BEGIN A-----\nAQ==\n-----END A-----\n-----BEGIN B-----\n*\n-----END B-----\n-----BEGIN C-----\n-----END C-----\n";
        let mut blocks = Blocks::new(text);
        assert_eq!(blocks.next().unwrap().unwrap().label, "A");
        assert_eq!(blocks.next(), Some(Err(PemError::Body { line: 5 })));
        assert_eq!(blocks.next(), None);
    }

    #[test]
    fn the_room_for_a_block_is_taken_once_and_is_bounded_by_its_end() {
        let body = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2\n".repeat(99);
        let after = "-----BEGIN B-----\n-----END B-----\n".repeat(9999);
        let text = format!("-----BEGIN A-----\n{body}-----END A-----\n{after}");
        let mut lines = Lines::new(text.as_bytes());
        lines.next();
        let room = lines.octets_until_end();
        assert_eq!(room, body.len() + "-----END A-----\n".len());
        let block = Blocks::new(text.as_bytes()).next().unwrap().unwrap();
        assert_eq!(block.der.len(), 99 * 48);
        assert_eq!(
            block.der.capacity(),
            Vec::<u8>::with_capacity(room / 4 * 3 + 3).capacity()
        );
    }

    #[test]
    fn der_is_not_taken_for_pem() {
        assert!(!is_pem(b"\x30\x0c\n-----BEGIN "));
        assert!(!is_pem(b""));
        assert!(!is_pem(b"text -----BEGIN X-----"));
    }

    #[test]
    fn a_block_never_shows_its_content() {
        assert!(
            !format!("{:?}", one("-----BEGIN X-----\nAQID\n-----END X-----")).contains("1, 2, 3")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = (blocks(&input), is_pem(&input));
        }

        #[test]
        fn any_content_comes_back_at_any_line_length(der in proptest::collection::vec(any::<u8>(), 0..100), width in 1_usize..70) {
            let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let mut encoded = String::new();
            for group in der.chunks(3) {
                let bits = group.iter().fold(0_u32, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
                for index in 0..4 {
                    let digit = char::from(digits[(bits >> (18 - 6 * index) & 63) as usize]);
                    encoded.push(if index <= group.len() { digit } else { '=' });
                }
            }
            let lines: Vec<_> = encoded.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            prop_assert_eq!(body(&lines.join("\n")), Ok(der));
        }
    }
}
