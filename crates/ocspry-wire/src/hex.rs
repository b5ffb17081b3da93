//! Octets as hex digits: digests, key identifiers and numbers, as people and files hold them.
//!
//! From: whoever shows or keeps octets.  To: text, and back.  Serial numbers write themselves (`x509::SerialNumber`).

use core::fmt::Write as _;

/// Two lower-case digits for each octet.
pub fn to_hex(octets: &[u8]) -> String {
    let mut digits = String::with_capacity(octets.len() * 2);
    for octet in octets {
        write!(digits, "{octet:02x}").expect("writing to a String does not fail");
    }
    digits
}

/// The octets; None where the digits are not in pairs, or something else stands among them.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| (digit as char).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    pairs
        .map(|pair| match *pair {
            [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_two_to_an_octet_and_nothing_else_is_read() {
        for (octets, digits) in [(&[][..], ""), (&[0x00, 0x0a, 0xc3, 0xff], "000ac3ff")] {
            assert_eq!(to_hex(octets), digits);
            assert_eq!(from_hex(digits).as_deref(), Some(octets));
            assert_eq!(from_hex(&digits.to_uppercase()).as_deref(), Some(octets));
        }
        for digits in ["0", "abc", "0g", "+1", " 1", "0x", "é"] {
            assert_eq!(from_hex(digits), None, "{digits}");
        }
    }
}
