//! The parts of one CA's table, and how news is laid over them without a copy of what is there.
//!
//! Revocations: a sorted base, and over it a delta of all that has changed since; a long delta is merged into a new base.
//! Issued serials: sorted parts, each more than four times as long as the next one, so that there are few of them and each
//! serial is moved seldom.  From: `follow`.  To: `core::StatusTable`, which shares them.

use std::collections::HashMap;
use std::sync::Arc;

use ocspry_core::{
    IssuedSerials, IssuedSerialsBuilder, ListPart, Revocation, RevokedSerials,
    RevokedSerialsBuilder,
};
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;

use crate::Standing;

/// All that is known of one CA's certificates; serials in their shortest encoding, as a ledger has them.
#[derive(Debug)]
pub(crate) struct TableParts {
    /// The longest first.
    issued: Vec<Arc<IssuedSerials>>,
    base: Arc<RevokedSerials>,
    /// What has changed since the base.
    changes: HashMap<SerialNumber, Revocation>,
    delta: Option<Arc<RevokedSerials>>,
}

/// What was recorded since the last look, of one CA.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) issued: Vec<SerialNumber>,
    /// In their order: of several about one serial, the last counts.
    pub(crate) changed: Vec<(SerialNumber, Revocation)>,
}

impl TableParts {
    pub(crate) fn empty() -> TableParts {
        Loading::new().finish()
    }

    /// Of which nothing else is known.
    pub(crate) fn of_revoked(revoked: &[(SerialNumber, RevokedInfo)]) -> TableParts {
        let mut loading = Loading::new();
        for (serial, info) in revoked {
            loading.revoked.push(serial, Revocation::Revoked(*info));
        }
        loading.finish()
    }

    /// Lays news over it.
    pub(crate) fn add(&mut self, news: &News) {
        if !news.issued.is_empty() {
            let mut builder = IssuedSerialsBuilder::new();
            news.issued.iter().for_each(|serial| builder.push(serial));
            self.add_issued(builder.build());
        }
        if news.changed.is_empty() {
            return;
        }
        self.changes.extend(news.changed.iter().copied());
        if self.changes.len() > CHANGES_MAX {
            self.base = Arc::new(self.merged());
            self.changes.clear();
            self.delta = None;
            return;
        }
        let mut builder = RevokedSerialsBuilder::new();
        for (serial, revocation) in &self.changes {
            builder.push(serial, *revocation);
        }
        self.delta = Some(Arc::new(builder.build()));
    }

    fn add_issued(&mut self, mut last: IssuedSerials) {
        while let Some(longer) = self
            .issued
            .pop_if(|longer| longer.len() <= ISSUED_FACTOR * last.len())
        {
            let mut builder = IssuedSerialsBuilder::new();
            for serial in longer.iter().chain(last.iter()) {
                builder.push(&serial);
            }
            last = builder.build();
        }
        self.issued.push(Arc::new(last));
    }

    /// Base and changes as one list.
    fn merged(&self) -> RevokedSerials {
        let mut builder = RevokedSerialsBuilder::new();
        for (serial, info) in self.revoked() {
            builder.push(&serial, Revocation::Revoked(info));
        }
        builder.build()
    }

    /// Every serial that is revoked.
    pub(crate) fn revoked(&self) -> impl Iterator<Item = (SerialNumber, RevokedInfo)> {
        let of_base = self
            .base
            .iter()
            .filter(|(serial, _)| !self.changes.contains_key(serial));
        let of_changes = self
            .changes
            .iter()
            .map(|(serial, revocation)| (*serial, *revocation));
        of_base
            .chain(of_changes)
            .filter_map(|(serial, revocation)| match revocation {
                Revocation::Revoked(info) => Some((serial, info)),
                Revocation::Removed => None,
            })
    }

    pub(crate) fn list(&self) -> ListPart {
        ListPart {
            base: Arc::clone(&self.base),
            delta: self.delta.clone(),
            this_update: None,
        }
    }

    pub(crate) fn issued(&self) -> &[Arc<IssuedSerials>] {
        &self.issued
    }
}

/// A table on its way: certificates and revocations in any order, of each serial one last word.
#[derive(Debug)]
pub(crate) struct Loading {
    issued: IssuedSerialsBuilder,
    revoked: RevokedSerialsBuilder,
}

impl Loading {
    pub(crate) fn new() -> Loading {
        Loading {
            issued: IssuedSerialsBuilder::new(),
            revoked: RevokedSerialsBuilder::new(),
        }
    }

    pub(crate) fn issued(&mut self, serial: &SerialNumber) {
        self.issued.push(serial);
    }

    pub(crate) fn standing(&mut self, standing: &Standing) {
        if let Revocation::Revoked(_) = standing.revocation {
            self.revoked
                .push(&standing.serial_number, standing.revocation);
        }
    }

    pub(crate) fn finish(self) -> TableParts {
        let issued = self.issued.build();
        TableParts {
            issued: match issued.is_empty() {
                true => Vec::new(),
                false => vec![Arc::new(issued)],
            },
            base: Arc::new(self.revoked.build()),
            changes: HashMap::new(),
            delta: None,
        }
    }
}

/// Sorted anew at each revocation: some milliseconds.
const CHANGES_MAX: usize = 16_384;
const ISSUED_FACTOR: usize = 4;

#[cfg(test)]
mod tests {
    use ocspry_wire::Time;
    use ocspry_wire::ocsp::CrlReason;

    use super::*;

    fn serial(number: u32) -> SerialNumber {
        let octets = [&[1][..], &number.to_be_bytes()].concat();
        SerialNumber::from_content(&octets).unwrap()
    }

    fn revoked(second: i64) -> Revocation {
        Revocation::Revoked(RevokedInfo {
            revocation_time: Time::from_unix(second),
            reason: Some(CrlReason::Superseded),
            invalidity_date: None,
        })
    }

    fn is_revoked(parts: &TableParts, serial: &SerialNumber) -> bool {
        matches!(parts.list().lookup(serial), Some(Revocation::Revoked(_)))
    }

    #[test]
    fn single_certificates_make_few_parts_and_each_is_found() {
        let mut parts = TableParts::empty();
        for number in 0..2000 {
            parts.add(&News {
                issued: vec![serial(number)],
                changed: Vec::new(),
            });
        }
        assert!(parts.issued().len() <= 7, "{} parts", parts.issued().len());
        for number in 0..2000 {
            let is_there = parts
                .issued()
                .iter()
                .any(|part| part.contains(&serial(number)));
            assert!(is_there, "{number}");
        }
    }

    #[test]
    fn a_delta_that_gets_long_becomes_part_of_the_base_and_says_the_same() {
        let mut parts = TableParts::empty();
        let mut change = |changed| {
            parts.add(&News {
                issued: Vec::new(),
                changed,
            });
            parts.list().delta.is_some()
        };
        assert!(change(vec![
            (serial(0), revoked(5)),
            (serial(1), revoked(6))
        ]));
        let many = (2..20_000).map(|number| (serial(number), revoked(7)));
        assert!(!change(many.collect()));
        assert!(change(vec![(serial(1), Revocation::Removed)]));
        assert!(is_revoked(&parts, &serial(0)));
        assert!(!is_revoked(&parts, &serial(1)));
        assert!(is_revoked(&parts, &serial(19_999)));
        assert_eq!(parts.revoked().count(), 19_999);
    }
}
