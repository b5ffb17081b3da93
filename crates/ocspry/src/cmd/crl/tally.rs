//! What the entries of a list amount to.  From: `show`, entry by entry.  To: `show`, as counts.
//!
//! Entries go into the table that `serve` would make of them, to tell how much memory it takes; besides, only what was
//! asked for and a bounded number of names is kept.

use std::collections::BTreeMap;

use ocspry_core::{Revocation, RevokedSerialsBuilder};
use ocspry_source::Progress;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::{CrlEntry, SerialNumber};

use crate::load_bar::LoadBar;

/// Counts while a list is read.
pub(super) struct Tally {
    builder: RevokedSerialsBuilder,
    /// By the codes of RFC 5280 §5.3.1.
    reasons: [u64; REASON_COUNT],
    invalidity_dates: u64,
    /// Names (DER) that stand in entries, and how often.
    named: BTreeMap<Vec<u8>, u64>,
    unnamed: u64,
    findings: Vec<(SerialNumber, Vec<Finding>)>,
}

/// An entry of a serial that was asked for.
pub(super) struct Finding {
    pub(super) revoked: RevokedInfo,
    /// It says removeFromCRL.
    pub(super) is_removed: bool,
    /// Its Name (DER), if the entry or one before it gives one.
    pub(super) certificate_issuer: Option<Vec<u8>>,
}

/// All counted.
pub(super) struct Counts {
    reasons: [u64; REASON_COUNT],
    /// Entries with an invalidityDate.
    pub(super) invalidity_dates: u64,
    /// Entries that name a serial again; None where that may be another issuer's.
    pub(super) duplicates: Option<u64>,
    /// Octets of the table that `serve` would make.
    pub(super) table_bytes: u64,
    /// Entries about certificates of other issuers than the list's own.
    pub(super) others_entries: u64,
    /// Their issuers' Names (DER), as many as are kept, and how many entries each has.
    pub(super) others: Vec<(Vec<u8>, u64)>,
    /// Entries of those that are not kept.
    pub(super) others_unnamed: u64,
    /// What was asked for, in that order.
    pub(super) findings: Vec<(SerialNumber, Vec<Finding>)>,
}

impl Tally {
    /// Looks out for these serials.
    pub(super) fn new(asked: &[SerialNumber]) -> Tally {
        Tally {
            builder: RevokedSerialsBuilder::new(),
            reasons: [0; REASON_COUNT],
            invalidity_dates: 0,
            named: BTreeMap::new(),
            unnamed: 0,
            findings: asked.iter().map(|serial| (*serial, Vec::new())).collect(),
        }
    }

    /// One more entry.
    #[inline]
    pub(super) fn add(&mut self, entry: &CrlEntry<'_>) {
        let code = match (entry.remove_from_crl, entry.revoked.reason) {
            (true, _) => REMOVE_FROM_CRL,
            (false, reason) => reason.map_or(0, CrlReason::code),
        };
        self.reasons[usize::from(code)] += 1;
        self.invalidity_dates += u64::from(entry.revoked.invalidity_date.is_some());
        if let Some(name) = entry.certificate_issuer {
            self.count_issuer(name);
        }
        let revocation = match entry.remove_from_crl {
            true => Revocation::Removed,
            false => Revocation::Revoked(entry.revoked),
        };
        self.builder.push_content(entry.serial_content, revocation);
        for (serial, found) in &mut self.findings {
            if serial.content() == entry.serial_content && found.len() < FINDINGS_MAX {
                found.push(Finding {
                    revoked: entry.revoked,
                    is_removed: entry.remove_from_crl,
                    certificate_issuer: entry.certificate_issuer.map(<[u8]>::to_vec),
                });
            }
        }
    }

    fn count_issuer(&mut self, name: &[u8]) {
        if let Some(count) = self.named.get_mut(name) {
            *count += 1;
        } else if self.named.len() < ISSUERS_MAX {
            self.named.insert(name.to_vec(), 1);
        } else {
            self.unnamed += 1;
        }
    }

    /// All was added: a list of the issuer with this Name (DER).
    pub(super) fn counts(mut self, issuer: &[u8], bar: &mut LoadBar) -> Counts {
        // An indirect list may come back to its own issuer.
        self.named.remove(issuer);
        let mut others: Vec<(Vec<u8>, u64)> = self.named.into_iter().collect();
        others.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let others_entries = others.iter().map(|(_, count)| count).sum::<u64>() + self.unnamed;
        let mut sorting = self.builder.into_sorting();
        while !sorting.step() {
            bar.show(Progress::Sorting);
        }
        let table = sorting.finish();
        Counts {
            reasons: self.reasons,
            invalidity_dates: self.invalidity_dates,
            duplicates: (others_entries == 0).then_some(table.duplicate_count() as u64),
            table_bytes: table.size_bytes() as u64,
            others_entries,
            others,
            others_unnamed: self.unnamed,
            findings: self.findings,
        }
    }
}

impl Counts {
    /// The standard's words, and how many entries each has; none without entries.
    pub(super) fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        (0..).zip(self.reasons).filter_map(|(code, count)| {
            let name = match CrlReason::from_code(code) {
                Some(reason) => reason.name(),
                None if code == REMOVE_FROM_CRL => "removeFromCRL",
                None => "unspecified",
            };
            (count > 0).then_some((name, count))
        })
    }

    /// Entries that say removeFromCRL.
    pub(super) fn removed(&self) -> u64 {
        self.reasons[usize::from(REMOVE_FROM_CRL)]
    }
}

/// 0 to 10 (RFC 5280 §5.3.1).
const REASON_COUNT: usize = 11;
const REMOVE_FROM_CRL: u8 = 8;
/// Names of other issuers that are told apart.
const ISSUERS_MAX: usize = 1000;
/// Entries of one serial that are told.
const FINDINGS_MAX: usize = 100;
