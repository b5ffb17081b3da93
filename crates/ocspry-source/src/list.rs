//! One list that was checked whole: its entries as a table, and what people and later lists are to know of it.
//!
//! From: `load`, which has read it and verified its signature (RFC 5280 §5, §6.3.3).  To: `line`, which decides whether it
//! is newer than what was used before, and `slot`, which lays a delta over its base.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use ocspry_core::{RevokedSerials, RevokedSerialsBuilder, SourceInfo, ValidityWindow};
use ocspry_wire::Time;
use ocspry_wire::hex::{from_hex, to_hex};
use ocspry_wire::x509::{CrlDefects, SignatureAlgorithm};

use crate::scope::Scope;

/// How long a list without nextUpdate counts, from the time its file was written.
pub const NO_NEXT_UPDATE_SECONDS: i64 = 24 * 60 * 60;

/// A list that passed every check but the one against the lists used before.
#[derive(Debug)]
pub struct LoadedList {
    /// What it says of serials.
    pub serials: Arc<RevokedSerials>,
    /// Which of the issuer's certificates it is about.
    pub scope: Scope,
    /// For a delta, the number of the list that it must be laid over at least (RFC 5280 §5.2.4).
    pub base_number: Option<CrlNumber>,
    /// The whole authorityKeyIdentifier: base and delta have it in common.
    pub authority_key_id: Option<Vec<u8>>,
    /// Where deltas over it are to be had (RFC 5280 §5.2.6).
    pub freshest_crl: Vec<String>,
    /// How many names of another kind it says are there too.
    pub freshest_crl_other_names: u64,
    /// When the CA means to publish the next list, if it says so.
    pub next_publish: Option<Time>,
    /// Facts for people.
    pub facts: CrlFacts,
    /// When its file was written, as it counts.
    pub(crate) written: Time,
    /// The signature: no two lists have one in common.
    pub(crate) signature: Vec<u8>,
    /// It has a nextUpdate of its own.
    pub(crate) has_next_update: bool,
    /// What it says of serials is not in memory any more.
    pub(crate) is_without_serials: bool,
}

impl LoadedList {
    /// It says what changed since its base.
    pub fn is_delta(&self) -> bool {
        self.base_number.is_some()
    }

    pub(crate) fn this_update(&self) -> Time {
        self.facts.window.this_update
    }

    pub(crate) fn next_update(&self) -> Time {
        self.facts.window.next_update
    }

    /// The later of two lists of one scope and kind is the greater.
    pub(crate) fn order(&self) -> (Time, Option<&CrlNumber>) {
        (self.this_update(), self.facts.crl_number.as_ref())
    }

    pub(crate) fn is_due(&self, now: Time) -> bool {
        self.this_update() <= now
    }

    pub(crate) fn digest(&self) -> [u8; 32] {
        self.facts.digest
    }

    /// It is what a newer one has overtaken already: what is left says which it was, and it is not to be used.
    pub(crate) fn let_go_of_serials(&mut self) {
        self.serials = Arc::new(RevokedSerialsBuilder::new().build());
        self.is_without_serials = true;
    }

    pub(crate) fn has_serials(&self) -> bool {
        !self.is_without_serials
    }

    /// Counts as written at `written`: a list without nextUpdate holds for 24 hours from there (design.md §4).
    pub(crate) fn count_from(&mut self, written: Time) {
        self.written = written;
        if !self.has_next_update {
            let begin = written.max(self.this_update());
            let until = begin.plus_seconds(NO_NEXT_UPDATE_SECONDS);
            self.facts.window.next_update = until;
            self.facts
                .warnings
                .retain(|warning| !matches!(warning, CrlWarning::NoNextUpdate { .. }));
            self.facts.warnings.push(CrlWarning::NoNextUpdate {
                counts_until: until,
            });
        }
    }

    /// For checks against the next list, and for people.
    pub(crate) fn source_info(&self, origin: String) -> SourceInfo {
        SourceInfo {
            origin,
            crl_number: self
                .facts
                .crl_number
                .as_ref()
                .map(|number| number.0.clone()),
            digest: self.facts.digest,
            signature_algorithm: self.facts.signature_algorithm,
        }
    }

    /// Every serial that `other` calls revoked is revoked here too; times and reasons are not compared.
    pub(crate) fn revokes_all_of(&self, other: &LoadedList) -> bool {
        other.serials.missing_from(&self.serials).next().is_none()
    }

    /// This delta may be laid over that complete list (RFC 5280 §5.2.4 (a) to (d)).  One scope they have already.  Where their
    /// numbers and times disagree, since a CA numbers deltas apart or began anew, the later list has the last word on what is
    /// not revoked any more.
    ///
    /// # Errors
    /// Why not; None when it is not worth a word, since the complete list knows all that the delta does.
    pub(crate) fn applies_to(&self, base: &LoadedList) -> Result<(), Option<DeltaGap>> {
        let (Some(needed), Some(number), Some(complete)) = (
            &self.base_number,
            &self.facts.crl_number,
            &base.facts.crl_number,
        ) else {
            return Err(Some(DeltaGap::NoNumber));
        };
        if self.authority_key_id != base.authority_key_id {
            return Err(Some(DeltaGap::OtherKey));
        }
        if complete < needed {
            return Err(Some(DeltaGap::BaseTooOld {
                needed: needed.clone(),
                complete: complete.clone(),
            }));
        }
        if number <= complete {
            return Err(None);
        }
        if self.takes_something_back() && self.this_update() < base.this_update() {
            return Err(None);
        }
        Ok(())
    }

    fn takes_something_back(&self) -> bool {
        self.serials.revoked_count() < self.serials.len()
    }
}

/// Why a delta cannot be laid over the complete list in use.  Displays as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeltaGap {
    /// There is no complete list.
    NoBase,
    /// One of the two has no cRLNumber.
    NoNumber,
    /// Their authorityKeyIdentifiers differ.
    OtherKey,
    /// The complete list lacks what lies between.
    BaseTooOld {
        /// BaseCRLNumber of the delta.
        needed: CrlNumber,
        /// cRLNumber of the complete list.
        complete: CrlNumber,
    },
}

impl fmt::Display for DeltaGap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DeltaGap::NoBase => f.write_str("no complete CRL of its scope is in use"),
            DeltaGap::NoNumber => f.write_str("it or the complete CRL in use has no cRLNumber"),
            DeltaGap::OtherKey => {
                f.write_str("its authorityKeyIdentifier is not that of the complete CRL in use")
            }
            DeltaGap::BaseTooOld { needed, complete } => write!(
                f,
                "it builds on number {needed}, and the complete CRL in use has number {complete}"
            ),
        }
    }
}

/// What is worth telling people about a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFacts {
    /// thisUpdate and nextUpdate as used.
    pub window: ValidityWindow,
    /// cRLNumber, if there is one.
    pub crl_number: Option<CrlNumber>,
    /// SHA-256 of the tbsCertList, the part that is signed.
    pub digest: [u8; 32],
    /// How it is signed.
    pub signature_algorithm: Option<SignatureAlgorithm>,
    /// Revoked serials.
    pub entry_count: usize,
    /// Entries of other certificate issuers, in an indirect list.
    pub foreign_count: u64,
    /// Octets of the table in memory.
    pub size_bytes: usize,
    /// Octets of the list as DER.
    pub der_bytes: u64,
    /// What was tolerated in the entries.
    pub defects: CrlDefects,
    /// What else was tolerated.
    pub warnings: Vec<CrlWarning>,
}

/// Accepted, but worth a line in the log.  Displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlWarning {
    /// Signed with SHA-1.
    Sha1Signature,
    /// Without nextUpdate (RFC 5280 §5.1.2.5 demands one).
    NoNextUpdate {
        /// 24 hours after the file was written.
        counts_until: Time,
    },
}

impl fmt::Display for CrlWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CrlWarning::Sha1Signature => {
                f.write_str("the CRL is signed with SHA-1; ask the CA for SHA-256")
            }
            CrlWarning::NoNextUpdate { counts_until } => {
                write!(
                    f,
                    "the CRL has no nextUpdate; it counts until {counts_until}"
                )
            }
        }
    }
}

/// cRLNumber (RFC 5280 §5.2.3): big-endian, without leading zeros.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlNumber(Vec<u8>);

impl CrlNumber {
    /// From big-endian octets.
    pub fn from_content(octets: &[u8]) -> CrlNumber {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        CrlNumber(octets[zeros..].to_vec())
    }

    /// From hex digits as [`CrlNumber::to_hex`] writes them.
    pub fn from_hex(digits: &str) -> Option<CrlNumber> {
        let octets = from_hex(digits)?;
        Some(CrlNumber::from_content(&octets))
    }

    /// Big-endian octets; none for zero.
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// As hex digits, two for each octet.
    pub fn to_hex(&self) -> String {
        if self.0.is_empty() {
            "00".to_owned()
        } else {
            to_hex(&self.0)
        }
    }
}

impl Ord for CrlNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0
            .len()
            .cmp(&other.0.len())
            .then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for CrlNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// In decimal as people count, in hex when it is longer than a counter gets.
impl fmt::Display for CrlNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= 8 {
            let value = self
                .0
                .iter()
                .fold(0, |value: u64, octet| value << 8 | u64::from(*octet));
            return write!(f, "{value}");
        }
        write!(f, "0x{}", to_hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers() {
        let number = |octets: &[u8]| CrlNumber::from_content(octets);
        let ascending = [
            &[][..],
            &[1],
            &[0x7f],
            &[0x80],
            &[0xff],
            &[1, 0],
            &[1, 0xff],
            &[2, 0],
            &[1, 0, 0],
        ];
        for (index, lower) in ascending.iter().enumerate() {
            for higher in &ascending[index + 1..] {
                assert!(number(lower) < number(higher), "{lower:?} {higher:?}");
            }
        }
        assert_eq!(number(&[0, 0, 1]), number(&[1]));
    }

    #[test]
    fn numbers_are_shown_in_decimal_and_kept_in_hex() {
        for (octets, shown, kept) in [
            (vec![], "0".to_owned(), "00".to_owned()),
            (vec![0x10, 0x00], "4096".to_owned(), "1000".to_owned()),
            (
                vec![0xff; 20],
                format!("0x{}", "ff".repeat(20)),
                "ff".repeat(20),
            ),
        ] {
            let number = CrlNumber::from_content(&octets);
            assert_eq!((number.to_string(), number.to_hex()), (shown, kept.clone()));
            assert_eq!(CrlNumber::from_hex(&kept), Some(number));
        }
        for bad in ["1", "0x10", "zz", "+1"] {
            assert_eq!(CrlNumber::from_hex(bad), None, "{bad}");
        }
    }
}
