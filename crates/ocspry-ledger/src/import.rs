//! Certificates and revocations that a CA brings along: from the index of `openssl ca`, another CA's database, or files.
//!
//! Some thousand at a time, each batch in one transaction.  What is there already is passed over and counted, so that an
//! import that was cut off is run again and goes on.  From: the commands that read those formats.  To: the ledger.

use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_wire::x509::SerialNumber;

use crate::fact::minimal;
use crate::ledger::{CertificateRow, Writing, may_become};
use crate::reader::rows;
use crate::{Act, ImportEntry, IssuerNumber, Ledger, LedgerError, Origin, Refusal};

/// What an import did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Entries that were looked at.
    pub entries: u64,
    /// Certificates that were added.
    pub certificates: u64,
    /// Revocations that were added.
    pub revocations: u64,
}

impl Ledger {
    /// Adds what is not there yet; `progress` is told after every batch, when that is on the disk.
    ///
    /// # Errors
    /// `SerialConflict` or `Certificate` for an entry that cannot be; the batches before stay.  The database cannot be
    /// written.
    pub fn import(
        &mut self,
        act: &Act,
        issuer: IssuerNumber,
        entries: impl IntoIterator<Item = ImportEntry>,
        mut progress: impl FnMut(&Imported),
    ) -> Result<Imported, LedgerError> {
        let mut imported = Imported::default();
        let mut entries = entries.into_iter();
        loop {
            let batch: Vec<ImportEntry> = entries.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                return Ok(imported);
            }
            let mut after = imported;
            self.write(act, |writing| {
                batch
                    .iter()
                    .try_for_each(|entry| add_entry(writing, issuer, entry, &mut after))
            })?;
            imported = after;
            progress(&imported);
        }
    }
}

/// Some 10 MB of certificates, and some 100 ms for which others wait.
const BATCH: usize = 4096;

/// Adds what is not there yet of one certificate.
pub(crate) fn add_entry(
    writing: &mut Writing<'_>,
    issuer: IssuerNumber,
    entry: &ImportEntry,
    imported: &mut Imported,
) -> Result<(), LedgerError> {
    let serial = entry.serial_number;
    if !entry.der.as_ref().is_none_or(|der| is_of(der, entry)) {
        return Err(writing.refused(Refusal::Certificate { serial }));
    }
    imported.entries += 1;
    let known = writing.read(|db| rows::certificate_of(db, issuer, &serial))?;
    match known.filter(|known| known.origin != Origin::Named) {
        Some(known) => {
            let is_other_der = matches!((&known.der, &entry.der), (Some(a), Some(b)) if a != b);
            if is_other_der || known.not_after != Some(entry.not_after) {
                return Err(writing.refused(Refusal::SerialConflict { serial }));
            }
        }
        None => {
            imported.certificates += 1;
            writing.add_certificate(
                issuer,
                &CertificateRow {
                    serial_number: &serial,
                    origin: Origin::Imported,
                    subject: &entry.subject,
                    not_before: entry.not_before,
                    not_after: Some(entry.not_after),
                    profile: entry.profile.as_deref(),
                    der: entry.der.as_deref(),
                },
            )?;
        }
    }
    let Some(info) = entry.revoked else {
        return Ok(());
    };
    let standing = writing.read(|db| rows::standing_of(db, issuer, &serial))?;
    let is_news = match standing.map(|standing| standing.revocation) {
        None => true,
        Some(Revocation::Revoked(before)) => may_become(before.reason, info.reason),
        // Released here, which the other did not know.
        Some(Revocation::Removed) => false,
    };
    if is_news {
        imported.revocations += 1;
        let revocation = Revocation::Revoked(info);
        writing.add_revocation(issuer, &serial, revocation, info.revocation_time)?;
    }
    Ok(())
}

/// Is it the certificate of that entry?
fn is_of(der: &[u8], entry: &ImportEntry) -> bool {
    OwnedCertificate::from_der(der.to_owned()).is_ok_and(|certificate| {
        let view = certificate.view();
        same_serial(&view.serial_number, &entry.serial_number) && view.not_after == entry.not_after
    })
}

fn same_serial(one: &SerialNumber, other: &SerialNumber) -> bool {
    minimal(one) == minimal(other)
}
