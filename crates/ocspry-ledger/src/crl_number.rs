//! cRLNumber (RFC 5280 §5.2.3): one growing sequence per CA, which full lists and deltas share.
//!
//! From: the ledger, which hands each out once, and lists of others that a CA brings along.  To: who signs a CRL.

use std::fmt;

use ocspry_wire::hex::to_hex;

/// Most octets (RFC 5280 §5.2.3).
const OCTETS: usize = 20;

/// A number from 0 to 2^159 − 1; the later list has the greater one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CrlNumber([u8; OCTETS]);

impl CrlNumber {
    /// From the content octets of an INTEGER, or any big-endian octets; None when it is negative or longer than 20 octets.
    pub fn from_content(octets: &[u8]) -> Option<CrlNumber> {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let significant = &octets[zeros..];
        let is_negative = zeros == 0 && octets.first().is_some_and(|octet| *octet >= 0x80);
        let start = OCTETS.checked_sub(significant.len())?;
        let mut number = [0; OCTETS];
        number[start..].copy_from_slice(significant);
        (!is_negative && number[0] < 0x80).then_some(CrlNumber(number))
    }

    /// All twenty octets, as they are stored.
    pub(crate) fn octets(&self) -> &[u8; OCTETS] {
        &self.0
    }

    /// The content octets of the INTEGER, as short as DER wants them.
    pub fn content(&self) -> &[u8] {
        let is_needless = |start: &usize| self.0[*start] == 0 && self.0[start + 1] < 0x80;
        &self.0[(0..OCTETS - 1).take_while(is_needless).count()..]
    }

    /// This many after it; None beyond twenty octets.
    pub fn plus(&self, count: u64) -> Option<CrlNumber> {
        let mut number = self.0;
        let mut carry = u128::from(count);
        for octet in number.iter_mut().rev() {
            carry += u128::from(*octet);
            *octet = (carry & 0xff) as u8;
            carry >>= 8;
        }
        (carry == 0 && number[0] < 0x80).then_some(CrlNumber(number))
    }

    /// As a counter; None when it is longer than one.
    pub fn to_u64(&self) -> Option<u64> {
        let (high, low) = self.0.split_at(OCTETS - 8);
        let low = <[u8; 8]>::try_from(low).ok()?;
        high.iter()
            .all(|octet| *octet == 0)
            .then(|| u64::from_be_bytes(low))
    }
}

impl From<u64> for CrlNumber {
    fn from(counter: u64) -> CrlNumber {
        let mut number = [0; OCTETS];
        number[OCTETS - 8..].copy_from_slice(&counter.to_be_bytes());
        CrlNumber(number)
    }
}

/// In decimal as people count, in hex when it is longer than a counter gets.
impl fmt::Display for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_u64() {
            Some(number) => write!(f, "{number}"),
            None => write!(f, "0x{}", to_hex(self.content())),
        }
    }
}

impl fmt::Debug for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CrlNumber({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_as_short_as_der_wants_it() {
        assert_eq!(CrlNumber::from(0).content(), [0]);
        assert_eq!(CrlNumber::from(127).content(), [127]);
        assert_eq!(CrlNumber::from(128).content(), [0, 128]);
        assert_eq!(CrlNumber::from(0x1_0000).content(), [1, 0, 0]);
    }

    #[test]
    fn a_number_of_twenty_octets_is_the_longest() {
        let last = CrlNumber::from_content(&[&[0x7f][..], &[0xff; 19]].concat()).unwrap();
        assert_eq!(last.content().len(), 20);
        assert_eq!(last.plus(1), None);
        assert_eq!(CrlNumber::from_content(&[0x80; 20]), None);
        assert_eq!(CrlNumber::from_content(&[1; 21]), None);
        assert_eq!(CrlNumber::from_content(&[0xff]), None);
        assert_eq!(
            CrlNumber::from_content(&[0, 0xff]),
            Some(CrlNumber::from(255))
        );
    }

    #[test]
    fn the_next_number_is_greater_also_where_octets_carry() {
        let number = CrlNumber::from(u64::MAX);
        let next = number.plus(1).unwrap();
        assert!(next > number);
        assert_eq!(next.to_string(), "0x010000000000000000");
        assert_eq!(number.to_string(), u64::MAX.to_string());
    }
}
