//! Serial numbers as people and programs write them: hex, and nothing but hex (RFC 5280 §4.1.2.2).
//!
//! From: command lines, lines of text lists, the fourth field of an OpenSSL index.  To: the octets of the INTEGER, as a
//! CertID has them.  A number such as `1234` may be meant as decimal; it is read as hex all the same, always, because a
//! guess that is right for most lines is wrong for some.

use core::fmt;

use super::SerialNumber;
use super::serial::SERIAL_OCTETS_MAX;

/// Why a text is no serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SerialTextError {
    /// Not hex.
    NotHex,
    /// More octets than a serial number has here.
    TooLong,
}

impl fmt::Display for SerialTextError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SerialTextError::NotHex => "this is not a serial number in hex",
            SerialTextError::TooLong => "this is too long for a serial number",
        })
    }
}

impl core::error::Error for SerialTextError {}

impl SerialNumber {
    /// From what people write: `0A1B`, `0a:1b`, `0x0A1B`, `serial=0A1B`, `-01`, without blanks around it.
    ///
    /// # Errors
    /// When it is not hex, or too long.
    pub fn from_text(text: &[u8]) -> Result<SerialNumber, SerialTextError> {
        let bare = match text.split_at_checked(SERIAL_PREFIX.len()) {
            Some((prefix, rest)) if prefix.eq_ignore_ascii_case(SERIAL_PREFIX) => rest,
            _ => text,
        };
        let (is_negative, bare) = signed(bare.trim_ascii());
        let digits = match bare {
            [b'0', b'x' | b'X', digits @ ..] => digits,
            digits => digits,
        };
        let mut magnitude = Magnitude::default();
        if digits.contains(&b':') {
            // Two digits to each octet: anything else could be read in two ways.
            for pair in digits.split(|octet| *octet == b':') {
                if pair.len() != 2 {
                    return Err(SerialTextError::NotHex);
                }
                magnitude.push_digits(pair)?;
            }
        } else {
            magnitude.push_digits(digits)?;
        }
        magnitude.into_serial(is_negative)
    }

    /// From hex digits alone, perhaps after a minus sign: as a field of an OpenSSL index has it.
    ///
    /// # Errors
    /// When it is not hex, or too long.
    pub fn from_hex(text: &[u8]) -> Result<SerialNumber, SerialTextError> {
        let (is_negative, digits) = signed(text);
        let mut magnitude = Magnitude::default();
        magnitude.push_digits(digits)?;
        magnitude.into_serial(is_negative)
    }

    /// Appends it as OpenSSL writes it into its index: upper-case hex, two digits to an octet, no sign octet, a minus sign
    /// before a negative number.
    pub fn push_hex(&self, out: &mut Vec<u8>) {
        let mut octets = [0; SERIAL_OCTETS_MAX];
        let octets = &mut octets[..self.content().len()];
        octets.copy_from_slice(self.content());
        if self.is_negative() {
            out.push(b'-');
            negate(octets);
        }
        let needless = octets[..octets.len() - 1]
            .iter()
            .take_while(|octet| **octet == 0)
            .count();
        for octet in &octets[needless..] {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            out.push(DIGITS[usize::from(octet >> 4)]);
            out.push(DIGITS[usize::from(octet & 0xf)]);
        }
    }
}

fn signed(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        text => (false, text),
    }
}

/// Two's complement.
fn negate(octets: &mut [u8]) {
    let mut carry = true;
    for octet in octets.iter_mut().rev() {
        (*octet, carry) = (!*octet).overflowing_add(u8::from(carry));
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
    fn push_digits(&mut self, digits: &[u8]) -> Result<(), SerialTextError> {
        // First what it is, then whether there is room for it: a long line of prose is not a long serial number.
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(SerialTextError::NotHex);
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
                return Err(SerialTextError::TooLong);
            };
            *free = value;
            self.nibble_count += 1;
        }
        Ok(())
    }

    /// The shortest content octets of the INTEGER (X.690 §8.3).
    fn into_serial(self, is_negative: bool) -> Result<SerialNumber, SerialTextError> {
        if self.digit_count == 0 {
            return Err(SerialTextError::NotHex);
        }
        // A sign octet, then the number, right-aligned.
        let mut octets = [0_u8; 1 + SERIAL_OCTETS_MAX];
        let nibbles = self.nibbles[..self.nibble_count].rchunks(2);
        for (octet, pair) in octets.iter_mut().rev().zip(nibbles) {
            *octet = pair.iter().fold(0, |octet, nibble| octet << 4 | nibble);
        }
        if is_negative {
            negate(&mut octets);
        }
        let needless = octets
            .windows(2)
            .take_while(|pair| matches!(pair, [0, 0..=0x7f] | [0xff, 0x80..=0xff]))
            .count();
        SerialNumber::from_content(&octets[needless..]).ok_or(SerialTextError::TooLong)
    }
}

/// As `openssl x509 -serial` prints before the number.
const SERIAL_PREFIX: &[u8] = b"serial=";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_serial_number_is_written_as_openssl_writes_it() {
        for (content, written) in [
            (&[0][..], "00"),
            (&[1], "01"),
            (&[0x00, 0x80], "80"),
            (&[0x0a, 0xbc], "0ABC"),
            (&[0xff], "-01"),
            (&[0x80], "-80"),
            (&[0xff, 0x7f], "-81"),
        ] {
            let serial = SerialNumber::from_content(content).unwrap();
            let mut out = Vec::new();
            serial.push_hex(&mut out);
            assert_eq!(String::from_utf8(out).unwrap(), written);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(content in proptest::collection::vec(any::<u8>(), 1..=SERIAL_OCTETS_MAX)) {
            let serial = SerialNumber::from_content(&content).unwrap();
            if serial.is_minimal() {
                let mut out = Vec::new();
                serial.push_hex(&mut out);
                prop_assert_eq!(SerialNumber::from_hex(&out), Ok(serial));
                prop_assert_eq!(SerialNumber::from_text(&out), Ok(serial));
            }
        }
    }
}
