//! The one CRL among the PEM blocks of a file, decoded as the file is read (RFC 7468).
//!
//! From: `der_file`, in pieces of any size.  To: `der_file`, as DER.  Text around the blocks and blocks of other kinds are passed
//! over; what stands inside the CRL's block is base64 and nothing else.  One line of 600 MB is as good as ten million
//! short ones: nothing of a line is kept but those that begin with a dash.

use std::fmt;

use ocspry_wire::der::tag;

/// A SEQUENCE with a length in the long form: no text begins so, and every signed CRL does.
pub(crate) fn is_der(start: &[u8]) -> bool {
    matches!(start, [tag::SEQUENCE, length, ..] if *length >= 0x80)
}

/// Takes a PEM file in pieces.
#[derive(Debug)]
pub(crate) struct Armour {
    line: usize,
    at: At,
    after_carriage_return: bool,
    block: Option<Block>,
    group: Group,
    list_count: usize,
    others: Labels,
}

/// Where in a line.
#[derive(Debug)]
enum At {
    Start,
    /// In a line that begins with a dash.
    Dashes(Vec<u8>),
    /// In a line that does not matter.
    Passed,
    /// In a line of the CRL's base64.
    Body,
    /// Behind it: only blanks may come.
    Blanks,
}

/// The block that began and did not end yet.
#[derive(Debug)]
struct Block {
    label: Vec<u8>,
    begin_line: usize,
    is_list: bool,
}

/// Why a file is not PEM with one CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArmourError {
    /// A line that cannot be where it is.
    Line {
        /// Counted from 1.
        line: usize,
        /// What is wrong there.
        problem: &'static str,
    },
    /// More than one CRL.
    Several,
    /// Blocks, but no CRL.
    NoList {
        /// Their labels, for people.
        found: String,
    },
    /// No block at all.
    NoBlock,
}

impl Armour {
    /// For a file from its first octet.
    pub(crate) fn new() -> Armour {
        Armour {
            line: 1,
            at: At::Start,
            after_carriage_return: false,
            block: None,
            group: Group::default(),
            list_count: 0,
            others: Labels::default(),
        }
    }

    /// Decodes what comes next into `out`.
    ///
    /// # Errors
    /// `Line`, and `Several` with the beginning of a second CRL.
    pub(crate) fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), ArmourError> {
        while let [octet, rest @ ..] = input {
            if matches!(self.at, At::Start | At::Body) && self.is_in_list() {
                let taken = self.group.push_whole(input, out);
                if taken > 0 {
                    self.at = At::Body;
                    self.after_carriage_return = false;
                    input = &input[taken..];
                    continue;
                }
            }
            self.push_octet(*octet, out)?;
            input = rest;
        }
        Ok(())
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// The file did not hold exactly one whole CRL.
    pub(crate) fn finish(mut self, out: &mut Vec<u8>) -> Result<(), ArmourError> {
        self.end_line(out)?;
        if let Some(block) = self.block {
            return Err(ArmourError::Line {
                line: block.begin_line,
                problem: "the PEM block that begins here has no end",
            });
        }
        match (self.list_count, self.others.count) {
            (0, 0) => Err(ArmourError::NoBlock),
            (0, _) => Err(ArmourError::NoList {
                found: self.others.to_string(),
            }),
            (1, _) => Ok(()),
            (_, _) => Err(ArmourError::Several),
        }
    }

    fn is_in_list(&self) -> bool {
        self.block.as_ref().is_some_and(|block| block.is_list)
    }

    fn push_octet(&mut self, octet: u8, out: &mut Vec<u8>) -> Result<(), ArmourError> {
        let follows_carriage_return = std::mem::replace(&mut self.after_carriage_return, false);
        if octet == b'\n' && follows_carriage_return {
            return Ok(());
        }
        if matches!(octet, b'\n' | b'\r') {
            self.end_line(out)?;
            self.line += 1;
            self.after_carriage_return = octet == b'\r';
            return Ok(());
        }
        let is_in_list = self.is_in_list();
        if self.line == 1 && matches!(self.at, At::Start) && BYTE_ORDER_MARK.contains(&octet) {
            return Ok(());
        }
        match &mut self.at {
            At::Start if octet == b'-' => self.at = At::Dashes(vec![octet]),
            At::Dashes(line) if line.len() < DASHES_LINE_MAX => line.push(octet),
            At::Start if !is_in_list => self.at = At::Passed,
            At::Passed => {}
            At::Blanks if octet.is_ascii_whitespace() => {}
            At::Start | At::Body if octet.is_ascii_whitespace() => self.at = At::Blanks,
            At::Start | At::Body => {
                self.at = At::Body;
                self.group.push(octet, out).ok_or(self.not_base64())?;
            }
            At::Dashes(_) if !is_in_list => self.at = At::Passed,
            At::Dashes(_) | At::Blanks => return Err(self.not_base64()),
        }
        Ok(())
    }

    fn end_line(&mut self, out: &mut Vec<u8>) -> Result<(), ArmourError> {
        let At::Dashes(line) = std::mem::replace(&mut self.at, At::Start) else {
            return Ok(());
        };
        let line = line.trim_ascii_end();
        match (line.strip_prefix(BEGIN), &self.block) {
            (Some(begin), None) => self.begin(begin),
            (_, Some(_)) => self.end(line, out),
            (None, None) => Ok(()),
        }
    }

    fn begin(&mut self, begin: &[u8]) -> Result<(), ArmourError> {
        let label = begin.strip_suffix(DASHES).ok_or(self.not_base64())?;
        let is_list = LABELS.contains(&label);
        if is_list {
            self.list_count += 1;
            if self.list_count > 1 {
                return Err(ArmourError::Several);
            }
        } else {
            self.others.add(&String::from_utf8_lossy(label));
        }
        self.block = Some(Block {
            label: label.to_owned(),
            begin_line: self.line,
            is_list,
        });
        Ok(())
    }

    fn end(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<(), ArmourError> {
        let label = line
            .strip_prefix(END)
            .and_then(|line| line.strip_suffix(DASHES));
        let is_end = self
            .block
            .as_ref()
            .is_some_and(|block| label == Some(&block.label));
        let is_list = self.is_in_list();
        if !is_end {
            // A dash is no base64; in a block of another kind it may be anything.
            return if is_list || label.is_some() {
                Err(self.not_base64())
            } else {
                Ok(())
            };
        }
        if is_list {
            std::mem::take(&mut self.group)
                .finish(out)
                .ok_or(self.not_base64())?;
        }
        self.block = None;
        Ok(())
    }

    fn not_base64(&self) -> ArmourError {
        ArmourError::Line {
            line: self.line,
            problem: "not the base64 of a PEM block",
        }
    }
}

/// A group of four base64 digits (RFC 4648 §4) that may span lines.
#[derive(Debug, Default)]
struct Group {
    bits: u32,
    digit_count: u8,
    padding_count: u8,
}

impl Group {
    /// As many whole groups as stand at the front; how many octets they are.
    fn push_whole(&mut self, input: &[u8], out: &mut Vec<u8>) -> usize {
        if self.digit_count > 0 || self.padding_count > 0 {
            return 0;
        }
        let mut taken = 0;
        for digits in input.as_chunks::<4>().0 {
            let [a, b, c, d] = digits.map(|digit| DIGITS[usize::from(digit)]);
            if (a | b | c | d) & NO_DIGIT != 0 {
                break;
            }
            let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
            taken += 4;
        }
        taken
    }

    fn push(&mut self, octet: u8, out: &mut Vec<u8>) -> Option<()> {
        if octet == b'=' {
            self.padding_count += 1;
            return (self.digit_count + self.padding_count <= 4 && self.digit_count >= 2)
                .then_some(());
        }
        let digit = DIGITS[usize::from(octet)];
        if digit == NO_DIGIT || self.padding_count > 0 {
            return None;
        }
        self.bits = self.bits << 6 | u32::from(digit);
        self.digit_count += 1;
        if self.digit_count == 4 {
            out.extend_from_slice(&self.bits.to_be_bytes()[1..]);
            *self = Group::default();
        }
        Some(())
    }

    /// The last group is whole or padded, and the bits that padding leaves over are zero.
    fn finish(self, out: &mut Vec<u8>) -> Option<()> {
        match (self.digit_count, self.padding_count) {
            (0, 0) => {}
            (2, 2) if self.bits & 0xf == 0 => {
                out.extend_from_slice(&(self.bits >> 4).to_be_bytes()[3..])
            }
            (3, 1) if self.bits & 0x3 == 0 => {
                out.extend_from_slice(&(self.bits >> 2).to_be_bytes()[2..])
            }
            _ => return None,
        }
        Some(())
    }
}

/// The labels of blocks that are no CRLs, for people: the first few, and not more of each than a line can bear.
#[derive(Debug, Default)]
struct Labels {
    shown: Vec<String>,
    count: usize,
}

impl Labels {
    fn add(&mut self, label: &str) {
        self.count += 1;
        if self.shown.len() < LABELS_SHOWN_MAX {
            let mut escaped = label.escape_debug();
            let mut shown: String = escaped.by_ref().take(LABEL_CHARACTERS_MAX).collect();
            if escaped.next().is_some() {
                shown.push('…');
            }
            self.shown.push(format!("\"{shown}\""));
        }
    }
}

impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown.join(", "))?;
        match self.count - self.shown.len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";

/// RFC 7468 §7 (`X509 CRL`), and a spelling that is met beside it.
const LABELS: [&[u8]; 2] = [b"X509 CRL", b"CRL"];

/// No line that begins or ends a block is longer.
const DASHES_LINE_MAX: usize = 1024;
const LABELS_SHOWN_MAX: usize = 3;
const LABEL_CHARACTERS_MAX: usize = 64;

/// In [`DIGITS`]: not one.
const NO_DIGIT: u8 = 0x80;

/// Base64 (RFC 4648 §4): octet to value.
const DIGITS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < alphabet.len() {
        digits[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "a note\r\n-----BEGIN X509 CRL-----\r\nMAEB\r\nAgMEBQ==\r\n-----END X509 CRL-----\n- after\n";

    fn decode(text: &[u8], piece: usize) -> Result<Vec<u8>, ArmourError> {
        let (mut armour, mut out) = (Armour::new(), Vec::new());
        for piece in text.chunks(piece) {
            armour.push(piece, &mut out)?;
        }
        armour.finish(&mut out).map(|()| out)
    }

    #[test]
    fn pieces_of_any_size_give_the_same_octets() {
        for piece in 1..=TEXT.len() {
            assert_eq!(
                decode(TEXT.as_bytes(), piece).unwrap(),
                [0x30, 1, 1, 2, 3, 4, 5],
                "{piece}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_wherever_the_pieces_end() {
        let cases: [(&str, ArmourError); 8] = [
            ("no block\n", ArmourError::NoBlock),
            (
                "-----BEGIN CERTIFICATE-----\nMAE=\n-----END CERTIFICATE-----\n",
                ArmourError::NoList {
                    found: "\"CERTIFICATE\"".to_owned(),
                },
            ),
            (
                "x\n-----BEGIN X509 CRL-----\nMAEB\n",
                ArmourError::Line {
                    line: 2,
                    problem: "the PEM block that begins here has no end",
                },
            ),
            (
                "-----BEGIN X509 CRL-----\nMA!B\n-----END X509 CRL-----\n",
                ArmourError::Line {
                    line: 2,
                    problem: "not the base64 of a PEM block",
                },
            ),
            (
                "-----BEGIN X509 CRL-----\nMAE\n-----END X509 CRL-----\n",
                ArmourError::Line {
                    line: 3,
                    problem: "not the base64 of a PEM block",
                },
            ),
            (
                "-----BEGIN X509 CRL-----\nMA EB\n-----END X509 CRL-----\n",
                ArmourError::Line {
                    line: 2,
                    problem: "not the base64 of a PEM block",
                },
            ),
            (
                "-----BEGIN X509 CRL-----\rMAEB\r-----END CRL-----\r",
                ArmourError::Line {
                    line: 3,
                    problem: "not the base64 of a PEM block",
                },
            ),
            (
                "-----BEGIN CRL-----\nMAEB\n-----END CRL-----\n-----BEGIN CRL-----\nMAEB\n-----END CRL-----\n",
                ArmourError::Several,
            ),
        ];
        for (text, expected) in cases {
            for piece in [1, 2, 3, 5, 1000] {
                assert_eq!(
                    decode(text.as_bytes(), piece),
                    Err(expected.clone()),
                    "{text} in pieces of {piece}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn any_content_comes_back_at_any_line_length_in_any_pieces(
            content in proptest::collection::vec(any::<u8>(), 0..200), width in 1_usize..90, piece in 1_usize..50,
        ) {
            let armoured = ocspry_testkit::pem("X509 CRL", &content);
            let digits: String = armoured.lines().filter(|line| !line.starts_with('-')).collect();
            let lines: Vec<&str> = digits.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap()).collect();
            let text = format!("-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n", lines.join("\n"));
            prop_assert_eq!(decode(text.as_bytes(), piece), Ok(content));
        }

        #[test]
        fn any_octets_are_taken_or_refused(input in proptest::collection::vec(any::<u8>(), 0..300), piece in 1_usize..50) {
            let _ = decode(&input, piece);
        }
    }
}
