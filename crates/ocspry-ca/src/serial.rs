//! New serial numbers (RFC 5280 §4.1.2.2, CA/B BR 7.1).  To: whoever keeps the book of what was issued, before anything
//! is signed under one.

use crate::CaError;
use aws_lc_rs::rand;
use ocspry_wire::x509::SerialNumber;

/// 16 random octets: positive, and of the same length always, because the top two bits are 01.
///
/// # Errors
/// When the operating system gives no random octets.
pub fn new_serial_number() -> Result<SerialNumber, CaError> {
    let mut octets = [0; 16];
    rand::fill(&mut octets).map_err(|_| CaError::Random)?;
    octets[0] = octets[0] & 0x3f | 0x40;
    SerialNumber::from_content(&octets).ok_or(CaError::Random)
}
