//! Serial numbers in text files: hex, and nothing but hex (RFC 5280 §4.1.2.2).
//!
//! From: a line of a text list, of an overlay, or the fourth field of an OpenSSL index.  To: the octets of the INTEGER, as
//! a CertID has them; `ocspry-wire` reads the digits, and here a file's line is told what is wrong with it.

use ocspry_wire::x509::{SerialNumber, SerialTextError};

use crate::noted::{Notes, Oddity};
use crate::text_file::{LineProblem, shown};

/// From a line of a text list, as [`SerialNumber::from_text`]; blanks around it are gone already.
pub(crate) fn from_text(text: &[u8]) -> Result<SerialNumber, LineProblem> {
    if text.starts_with(b"-----BEGIN ") {
        return Err(LineProblem::Pem);
    }
    SerialNumber::from_text(text).map_err(|error| problem(error, text))
}

/// From a field of an OpenSSL index, as [`SerialNumber::from_hex`].
pub(super) fn from_index(text: &[u8]) -> Result<SerialNumber, LineProblem> {
    SerialNumber::from_hex(text).map_err(|error| problem(error, text))
}

fn problem(error: SerialTextError, text: &[u8]) -> LineProblem {
    let content = shown(text);
    match error {
        SerialTextError::NotHex => LineProblem::NotASerial { content },
        SerialTextError::TooLong => LineProblem::SerialTooLong { content },
    }
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
