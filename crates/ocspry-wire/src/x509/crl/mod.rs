//! CertificateList (RFC 5280 §5), read in slices of any size, without a vector of entries.
//!
//! From: `ocspry-source`, which has a file, a download or the octets themselves.  To: a callback per entry, which fills
//! a status table, and [`CertificateList`], which says what those entries are worth.  `parser.rs` is the story of one
//! list; `entry.rs`, `extensions.rs` and `scope.rs` read its parts.  Number, scope, critical extensions and signature
//! stand behind the entries: nothing that came from an entry counts before [`CrlParser::finish`] has given the list and
//! the signature over [`CrlHeader::tbs`] has been checked.  Defects that real CAs emit and that change no meaning are
//! taken and counted by name, never in silence.

mod defects;
mod entry;
mod error;
mod extensions;
mod parser;
mod scope;
#[cfg(test)]
mod tests;

pub use defects::CrlDefects;
pub use entry::CrlEntry;
pub use error::CrlError;
pub use extensions::{CRL_NUMBER_OCTETS_MAX, CrlExtensions};
pub use parser::CrlParser;
pub use scope::{IssuingDistributionPoint, ReasonFlags};

use core::ops::Range;

use super::SignatureAlgorithm;
use crate::der::{DerErrorKind, Tlv, tag};
use crate::{DerError, Time};

/// What stands before the entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlHeader {
    /// Octets of the whole DER, its own tag and length included, as announced: nothing of it need be there yet.
    pub der_bytes: u64,
    /// Where the exact tbsCertList, its own tag and length included, lies from the list's first octet: what the
    /// signature covers.
    pub tbs: Range<u64>,
    /// As named inside the tbsCertList; None: an algorithm not known here.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// The issuer's Name, whole SEQUENCE.
    pub issuer: Vec<u8>,
    /// When the list was made.
    pub this_update: Time,
    /// When the next one is due; None in lists that break RFC 5280 §5.1.2.5.
    pub next_update: Option<Time>,
}

/// A CRL that was read to its end: everything but its entries, which went to the callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateList {
    /// What stands before the entries.
    pub header: CrlHeader,
    /// What stands behind them.
    pub extensions: CrlExtensions,
    /// The signature's octets.
    pub signature: Vec<u8>,
    /// How many entries there were, those that say removeFromCRL included.
    pub entry_count: u64,
    /// What was tolerated.
    pub defects: CrlDefects,
}

impl CertificateList {
    /// Reads a list that lies in one slice; calls `each` with every entry.
    ///
    /// # Errors
    /// Those of [`CrlParser::push`] and [`CrlParser::finish`].  Entries have been handed out by then.
    pub fn from_der(
        input: &[u8],
        each: impl FnMut(CrlEntry<'_>),
    ) -> Result<CertificateList, CrlError> {
        let mut parser = CrlParser::new();
        parser.push(input, each)?;
        parser.finish()
    }
}

/// Time ::= CHOICE { UTCTime, GeneralizedTime }, UTCTime through 2049 (RFC 5280 §5.1.2.4).
#[inline]
fn read_time(choice: Tlv<'_>, defects: &mut CrlDefects) -> Result<Time, DerError> {
    if choice.tag == tag::UTC_TIME
        && let Some(time) = Time::from_utc_time(choice.value)
    {
        return Ok(time);
    }
    read_rare_time(choice, defects)
}

/// The spellings that few entries have.
#[inline(never)]
fn read_rare_time(choice: Tlv<'_>, defects: &mut CrlDefects) -> Result<Time, DerError> {
    if choice.tag == tag::GENERALIZED_TIME {
        let time = Time::from_generalized_tlv(choice)?;
        defects.early_generalized_times += u64::from(time < FIRST_GENERALIZED_TIME);
        return Ok(time);
    }
    if choice.tag != tag::UTC_TIME {
        return Err(choice.error(DerErrorKind::UnexpectedTag));
    }
    let time = Time::from_odd_utc_time(choice.value).ok_or(choice.error(DerErrorKind::Value))?;
    defects.odd_utc_times += 1;
    Ok(time)
}

/// 2050-01-01T00:00:00Z.
const FIRST_GENERALIZED_TIME: Time = Time::from_unix(2_524_608_000);
