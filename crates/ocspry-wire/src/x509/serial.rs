//! CertificateSerialNumber (RFC 5280 §4.1.2.2).
//!
//! From: CertIDs, certificates and CRL entries.  To: `core::status`, which compares whole serials.  Kept as the octets
//! of the INTEGER, not as a number: the answer's CertID repeats them, and 255 (`00 ff`) is not -1 (`ff`).

use core::fmt;
use core::hash::{Hash, Hasher};

use crate::der::read::is_minimal_integer;

/// Most content octets held (RFC 5280 allows 20; 21 and more exist and are carried gracefully).
pub const SERIAL_OCTETS_MAX: usize = 64;

/// The INTEGER's content octets as received (sign and leading zero kept), 1..=64, no allocation.
#[derive(Clone, Copy)]
pub struct SerialNumber {
    length: u8,
    octets: [u8; SERIAL_OCTETS_MAX],
}

impl SerialNumber {
    /// From content octets; None when empty or too long.  Any encoding is taken as it is (a CRL's non-minimal one too).
    #[inline]
    pub fn from_content(content: &[u8]) -> Option<SerialNumber> {
        if content.is_empty() || content.len() > SERIAL_OCTETS_MAX {
            return None;
        }
        let mut octets = [0; SERIAL_OCTETS_MAX];
        // Two lengths that CAs choose are copied without asking how long they are.
        match content.len() {
            16 => octets[..16].copy_from_slice(content),
            20 => octets[..20].copy_from_slice(content),
            length => octets[..length].copy_from_slice(content),
        }
        Some(SerialNumber {
            length: content.len() as u8,
            octets,
        })
    }

    /// The content octets.
    #[inline]
    pub fn content(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }

    /// Below zero?  Such serials exist (RFC 5280 §4.1.2.2 asks to handle them gracefully).
    pub fn is_negative(&self) -> bool {
        self.octets[0] >= 0x80
    }

    /// The content octets without needless leading ones.
    #[inline]
    pub fn minimal(&self) -> &[u8] {
        minimal(self.content())
    }

    /// Without needless leading octets (X.690 §8.3.2)?
    pub fn is_minimal(&self) -> bool {
        is_minimal_integer(self.content())
    }
}

/// An INTEGER's content octets without needless leading ones: two encodings of one INTEGER are one serial (X.690 §8.3.2).
#[inline]
pub fn minimal(mut content: &[u8]) -> &[u8] {
    while let [first, second, ..] = content
        && ((*first == 0x00 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0))
    {
        content = &content[1..];
    }
    content
}

impl PartialEq for SerialNumber {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.content() == other.content()
    }
}

impl Eq for SerialNumber {}

impl Hash for SerialNumber {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.content().hash(state);
    }
}

/// Lower-case hex of the content octets, as serials stand in logs: `00c3`.
impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for octet in self.content() {
            write!(f, "{octet:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serial(content: &[u8]) -> SerialNumber {
        SerialNumber::from_content(content).unwrap()
    }

    #[test]
    fn content_is_kept_octet_for_octet() {
        assert_eq!(serial(&[0x00, 0x80]).content(), [0x00, 0x80]);
        assert_eq!(serial(&[7; 64]).content(), [7; 64]);
        assert_eq!(SerialNumber::from_content(&[]), None);
        assert_eq!(SerialNumber::from_content(&[7; 65]), None);
    }

    #[test]
    fn a_negative_serial_is_not_the_positive_one_of_the_same_octets() {
        assert_ne!(serial(&[0xff]), serial(&[0x00, 0xff]));
        assert!(serial(&[0xff]).is_negative());
        assert!(!serial(&[0x00, 0xff]).is_negative());
    }

    #[test]
    fn a_prefix_is_another_serial() {
        assert_ne!(serial(&[1]), serial(&[1, 0]));
    }

    #[test]
    fn needless_leading_octets_show() {
        assert!(serial(&[0x00, 0x80]).is_minimal());
        assert!(!serial(&[0x00, 0x50]).is_minimal());
        assert!(!serial(&[0xff, 0x80]).is_minimal());
    }

    #[test]
    fn serials_print_as_lower_case_hex() {
        assert_eq!(serial(&[0x00, 0xC3, 0x0a]).to_string(), "00c30a");
        assert_eq!(format!("{:?}", serial(&[0xAB])), "SerialNumber(ab)");
    }
}
