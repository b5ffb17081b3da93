//! Serial numbers as people and programs write them: hex, and nothing but hex (RFC 5280 §4.1.2.2).
//!
//! From: a line of a text list, of an overlay, or the fourth field of an OpenSSL index.  To: the octets of the INTEGER, as
//! a CertID has them.  A number such as `1234` may be meant as decimal; it is read as hex all the same, always, because a
//! guess that is right for most lines is wrong for some.

use ocspry_wire::x509::SerialNumber;
use ocspry_wire::x509::serial::SERIAL_OCTETS_MAX;

use crate::noted::{Notes, Oddity};
use crate::text_file::{LineProblem, shown};

/// From a line of a text list: `0A1B`, `0a:1b`, `0x0A1B`, `serial=0A1B`, `-01`; blanks around it are gone already.
pub(crate) fn from_text(text: &[u8]) -> Result<SerialNumber, LineProblem> {
    if text.starts_with(b"-----BEGIN ") {
        return Err(LineProblem::Pem);
    }
    let bare = match text.split_at_checked(SERIAL_PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(SERIAL_PREFIX) => rest,
        _ => text,
    };
    let (is_negative, bare) = signed(bare.trim_ascii());
    let digits = match bare {
        [b'0', b'x' | b'X', digits @ ..] => digits,
        digits => digits,
    };
    let magnitude = if digits.contains(&b':') {
        // Two digits to each octet: anything else could be read in two ways.
        let mut magnitude = Magnitude::default();
        for pair in digits.split(|octet| *octet == b':') {
            if pair.len() != 2 {
                return Err(not_a_serial(text));
            }
            magnitude.push_digits(pair, text)?;
        }
        magnitude
    } else {
        Magnitude::of(digits, text)?
    };
    magnitude.into_serial(is_negative, text)
}

/// From a field of an OpenSSL index: hex digits, perhaps after a minus sign.
pub(super) fn from_index(text: &[u8]) -> Result<SerialNumber, LineProblem> {
    let (is_negative, digits) = signed(text);
    Magnitude::of(digits, text)?.into_serial(is_negative, text)
}

/// What RFC 5280 §4.1.2.2 does not allow, but CAs have issued.
pub(crate) fn note_odd(serial: &SerialNumber, notes: &mut Notes, line: u64) {
    match serial.content() {
        [0] => notes.add_line(Oddity::ZeroSerial, line),
        [0x80..=0xff, ..] => notes.add_line(Oddity::NegativeSerial, line),
        _ => {}
    }
    if serial.content().len() > RFC_OCTETS_MAX {
        notes.add_line(Oddity::LongSerial, line);
    }
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        text => (false, text),
    }
}

fn not_a_serial(text: &[u8]) -> LineProblem {
    LineProblem::NotASerial {
        content: shown(text),
    }
}

/// Hex digits that were read, the last ones at the end; leading zeros are not kept.
struct Magnitude {
    /// One octet more than a serial number has, for the sign.
    nibbles: [u8; 2 * SERIAL_OCTETS_MAX],
    nibble_count: usize,
    digit_count: usize,
}

impl Default for Magnitude {
    fn default() -> Self {
        Magnitude {
            nibbles: [0; 2 * SERIAL_OCTETS_MAX],
            nibble_count: 0,
            digit_count: 0,
        }
    }
}

impl Magnitude {
    /// `text` is what the digits stand in, for the message.
    fn of(digits: &[u8], text: &[u8]) -> Result<Magnitude, LineProblem> {
        let mut magnitude = Magnitude::default();
        magnitude.push_digits(digits, text)?;
        Ok(magnitude)
    }

    fn push_digits(&mut self, digits: &[u8], text: &[u8]) -> Result<(), LineProblem> {
        // First what it is, then whether there is room for it: a long line of prose is not a long serial number.
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(not_a_serial(text));
        }
        self.digit_count += digits.len();
        for digit in digits {
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                _ => (digit | 0x20) - b'a' + 10,
            };
            if self.nibble_count == 0 && value == 0 {
                continue;
            }
            let Some(free) = self.nibbles.get_mut(self.nibble_count) else {
                return Err(too_long(text));
            };
            *free = value;
            self.nibble_count += 1;
        }
        Ok(())
    }

    /// The shortest content octets of the INTEGER (X.690 §8.3).
    fn into_serial(self, is_negative: bool, text: &[u8]) -> Result<SerialNumber, LineProblem> {
        if self.digit_count == 0 {
            return Err(not_a_serial(text));
        }
        // A sign octet, then the number, right-aligned.
        let mut octets = [0_u8; 1 + SERIAL_OCTETS_MAX];
        let nibbles = self.nibbles[..self.nibble_count].rchunks(2);
        for (octet, pair) in octets.iter_mut().rev().zip(nibbles) {
            *octet = pair.iter().fold(0, |octet, nibble| octet << 4 | nibble);
        }
        if is_negative {
            let mut carry = true;
            for octet in octets.iter_mut().rev() {
                (*octet, carry) = (!*octet).overflowing_add(u8::from(carry));
            }
        }
        let needless = octets
            .windows(2)
            .take_while(|pair| matches!(pair, [0, 0..=0x7f] | [0xff, 0x80..=0xff]))
            .count();
        SerialNumber::from_content(&octets[needless..]).ok_or(too_long(text))
    }
}

fn too_long(text: &[u8]) -> LineProblem {
    LineProblem::SerialTooLong {
        content: shown(text),
    }
}

/// As `openssl x509 -serial` prints before the number.
const SERIAL_PREFIX: &[u8] = b"serial=";
/// RFC 5280 §4.1.2.2.
const RFC_OCTETS_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, LineProblem> {
        from_text(text.as_bytes()).map(|serial| serial.to_string())
    }

    #[test]
    fn every_spelling_of_a_serial_number_is_the_same_one() {
        for text in [
            "0A1B2C",
            "0a1b2c",
            "A1B2C",
            "0x0a1b2c",
            "0X0A1B2C",
            "0a:1B:2c",
            "serial=0A1B2C",
            "Serial= 0A1B2C",
            "00000a1b2c",
            "0x00:0A:1B:2C",
        ] {
            assert_eq!(read(text).as_deref(), Ok("0a1b2c"), "{text}");
        }
    }

    #[test]
    fn a_serial_number_is_the_shortest_positive_integer() {
        for (text, octets) in [
            ("0", "00"),
            ("00", "00"),
            ("7f", "7f"),
            ("80", "0080"),
            ("ff", "00ff"),
            ("0ff", "00ff"),
            ("100", "0100"),
            ("8000", "008000"),
            ("-0", "00"),
            ("-1", "ff"),
            ("-01", "ff"),
            ("-7f", "81"),
            ("-80", "80"),
            ("-81", "ff7f"),
            ("-ff", "ff01"),
            ("-100", "ff00"),
            ("-8000", "8000"),
            ("-0x80", "80"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(octets), "{text}");
        }
    }

    #[test]
    fn digits_are_hex_also_where_they_look_decimal() {
        assert_eq!(read("10").as_deref(), Ok("10"));
        assert_eq!(read("1234").as_deref(), Ok("1234"));
    }

    #[test]
    fn a_number_too_long_for_a_serial_is_refused_and_one_that_just_fits_is_taken() {
        assert_eq!(read(&"7f".repeat(64)).unwrap(), "7f".repeat(64));
        assert_eq!(read(&format!("{}{}", "0".repeat(500), "12")).unwrap(), "12");
        assert_eq!(
            read(&format!("-80{}", "00".repeat(63))).unwrap(),
            format!("80{}", "00".repeat(63))
        );
        for text in [
            "ff".repeat(64),
            "7f".repeat(65),
            format!("-80{}01", "00".repeat(62)),
        ] {
            assert!(
                matches!(read(&text), Err(LineProblem::SerialTooLong { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_hex_is_no_serial_number() {
        for text in [
            "", "-", "0x", "serial=", "0A1G", "0A 1B", "0A::1B", ":0A", "0A:", "1:02", "0A:1B2C",
            "--01", "+01", "0x-1", "all", "0A\0", "1.5", "١",
        ] {
            assert!(
                matches!(read(text), Err(LineProblem::NotASerial { .. })),
                "{text}"
            );
        }
        assert_eq!(read("-----BEGIN CERTIFICATE-----"), Err(LineProblem::Pem));
    }
}
