//! A list of what was issued, as it was read: three tables and the facts about them.
//!
//! From: `issued`, entry by entry.  To: `compose`, and to the next reading, which is compared with it.

use std::path::Path;
use std::sync::Arc;

use ocspry_core::{
    IssuedSerials, IssuedSerialsBuilder, OwnedCertificate, Revocation, RevokedSerials,
    RevokedSerialsBuilder,
};
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

use crate::SourceError;
use crate::issued::{IssuedFacts, IssuedKind, IssuedLimits, read_issued_shown};
use crate::load::Progress;

/// One reading.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) unexpired: Arc<IssuedSerials>,
    /// Of certificates that have expired, and of those of which that is not known.
    pub(super) others: Arc<IssuedSerials>,
    pub(super) revoked: Arc<RevokedSerials>,
    pub(super) facts: IssuedFacts,
    /// When it was last seen to be so.
    pub(super) confirmed: Time,
    /// When it was told which certificates have expired.
    pub(super) read_at: Time,
}

/// Whether a certificate has expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Age {
    Unexpired,
    Expired,
    /// Only its serial number is known.
    Unknown,
}

impl Known {
    /// `show` is told how far it is.
    pub(super) fn read(
        path: &Path,
        issuer: &OwnedCertificate,
        limits: &IssuedLimits,
        now: Time,
        show: &dyn Fn(Progress),
    ) -> Result<Known, SourceError> {
        let (mut unexpired, mut others) =
            (IssuedSerialsBuilder::new(), IssuedSerialsBuilder::new());
        let mut revoked = RevokedSerialsBuilder::new();
        let facts = read_issued_shown(path, issuer, limits, show, |entry| {
            let is_unexpired = entry.not_after.is_some_and(|not_after| not_after >= now);
            let serials = if is_unexpired {
                &mut unexpired
            } else {
                &mut others
            };
            serials.push(&entry.serial_number);
            if let Some(info) = entry.revoked {
                revoked.push(&entry.serial_number, Revocation::Revoked(info));
            }
        })?;
        show(Progress::Sorting);
        let known = Known {
            unexpired: Arc::new(unexpired.build()),
            others: Arc::new(others.build()),
            revoked: Arc::new(revoked.build()),
            facts,
            confirmed: now,
            read_at: now,
        };
        show(Progress::Done);
        Ok(known)
    }

    /// Every serial that it names, once.
    pub(super) fn serials(&self) -> impl Iterator<Item = SerialNumber> {
        let others = self.others.iter();
        let others = others.filter(|serial| !self.unexpired.contains(serial));
        self.unexpired.iter().chain(others)
    }

    pub(super) fn names(&self, serial: &SerialNumber) -> bool {
        self.unexpired.contains(serial) || self.others.contains(serial)
    }

    pub(super) fn revokes(&self, serial: &SerialNumber) -> bool {
        matches!(self.revoked.lookup(serial), Some(Revocation::Revoked(_)))
    }

    /// Of a certificate that it names.
    pub(super) fn age(&self, serial: &SerialNumber) -> Age {
        match self.facts.kind {
            IssuedKind::Serials => Age::Unknown,
            IssuedKind::Index | IssuedKind::Certificates if self.unexpired.contains(serial) => {
                Age::Unexpired
            }
            IssuedKind::Index | IssuedKind::Certificates => Age::Expired,
        }
    }

    /// For the operator.
    pub(super) fn sentence(&self) -> String {
        let facts = &self.facts;
        let mut sentence = format!("{} in use: {} issued", facts.kind, facts.issued);
        if facts.kind == IssuedKind::Index {
            sentence.push_str(&format!(", {} of them revoked", facts.revoked));
        }
        for note in facts.notes.found() {
            sentence.push_str(&format!("; tolerated: {note}"));
        }
        sentence
    }
}
