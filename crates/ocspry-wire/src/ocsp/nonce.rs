//! The nonce extension's value (RFC 9654 §2.1).
//!
//! From: requestExtensions.  To: the answer, which echoes the octets.  Nonce ::= OCTET STRING (SIZE (1..128)), inside
//! the OCTET STRING that every extnValue is.

use crate::DerError;
use crate::der::{DerErrorKind, Reader, Tlv, tag};

/// Most octets of a nonce.
pub const NONCE_OCTETS_MAX: usize = 128;

/// A nonce of 1..=128 octets, as the octets inside its OCTET STRING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nonce<'a>(&'a [u8]);

impl<'a> Nonce<'a> {
    /// From the content of extnValue.
    ///
    /// # Errors
    /// When it is not one OCTET STRING (clients of RFC 2560's time wrote the octets bare), and when that has no octets
    /// or more than 128.
    pub fn from_der(extension_value: &'a [u8]) -> Result<Self, DerError> {
        Nonce::read(Reader::new(extension_value))
    }

    /// From extnValue.
    #[inline]
    pub(crate) fn from_extension(extension_value: Tlv<'a>) -> Result<Self, DerError> {
        Nonce::read(Reader::inside(extension_value))
    }

    #[inline]
    fn read(mut reader: Reader<'a>) -> Result<Self, DerError> {
        let octet_string = reader.read(tag::OCTET_STRING)?;
        reader.finish()?;
        match octet_string.value.len() {
            1..=NONCE_OCTETS_MAX => Ok(Nonce(octet_string.value)),
            _ => Err(octet_string.error(DerErrorKind::Value)),
        }
    }

    /// The octets.
    pub fn octets(self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::write::push;

    fn read(octets_count: usize) -> Result<usize, DerErrorKind> {
        let mut der = Vec::new();
        push(&mut der, tag::OCTET_STRING, &vec![0xa5; octets_count]);
        Nonce::from_der(&der)
            .map(|nonce| nonce.octets().len())
            .map_err(|error| error.kind)
    }

    #[test]
    fn a_nonce_has_1_to_128_octets() {
        for octets_count in [1, 15, 16, 32, 33, 127, 128] {
            assert_eq!(read(octets_count), Ok(octets_count));
        }
        for octets_count in [0, 129, 200, 1000] {
            assert_eq!(read(octets_count), Err(DerErrorKind::Value));
        }
    }

    #[test]
    fn bare_octets_are_not_a_nonce() {
        assert!(Nonce::from_der(&[0xa5; 16]).is_err());
        assert!(Nonce::from_der(&[]).is_err());
        assert!(Nonce::from_der(&[0x04, 0x01, 0xa5, 0x00]).is_err());
    }
}
