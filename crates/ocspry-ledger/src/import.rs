//! Certificates and revocations that a CA brings along: from the index of `openssl ca`, another CA's database, or files.
//!
//! What belongs to a CA that is there: some thousand at a time, each batch in one transaction.  CAs with all that is theirs:
//! in one transaction, all or nothing.  What is there already is passed over and counted, so that an import is run again and
//! goes on.  From: the commands that read those formats.  To: the ledger.

use ocspry_core::{OwnedCertificate, Revocation};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use rusqlite::Connection;

use crate::decision::{news_after, released_at};
use crate::ledger::{self, CertificateRow, Restored, Writing};
use crate::reader::{LedgerReader, rows};
use crate::{
    Act, CrlNumber, ImportEntry, IssuerName, IssuerNumber, Ledger, LedgerError, Origin, Refusal,
    Setting,
};

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
                batch.iter().try_for_each(|entry| {
                    add_entry(writing, act.recorded, issuer, entry, &mut after)
                })
            })?;
            imported = after;
            progress(&imported);
        }
    }

    /// Records what `record` adds in one transaction: all of it, or nothing where it fails.  Others wait until it ends.
    ///
    /// # Errors
    /// What `record` says; the database cannot be written.
    pub fn import_whole<T, E: From<LedgerError>>(
        &mut self,
        act: &Act,
        record: impl FnOnce(&mut WholeImport<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let writing = self.begin(Restored::Refuse)?;
        let mut whole = WholeImport {
            writing,
            now: act.recorded,
            imported: Imported::default(),
        };
        let value = record(&mut whole)?;
        whole.writing.commit(act)?;
        Ok(value)
    }
}

/// CAs, certificates and revocations on their way into the ledger, together.
pub struct WholeImport<'c> {
    writing: Writing<'c>,
    now: Time,
    imported: Imported,
}

impl WholeImport<'_> {
    /// Adds a CA.
    ///
    /// # Errors
    /// As for [`Ledger::add_issuer`].
    pub fn add_issuer(
        &mut self,
        name: &IssuerName,
        certificate: &OwnedCertificate,
    ) -> Result<IssuerNumber, LedgerError> {
        ledger::add_issuer(&mut self.writing, name, certificate, &[])
    }

    /// Adds another certificate of a CA.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn add_issuer_certificate(
        &mut self,
        issuer: IssuerNumber,
        certificate: &OwnedCertificate,
    ) -> Result<(), LedgerError> {
        self.writing
            .add_issuer_certificate(issuer, certificate.der())
    }

    /// Sets something of a CA.
    ///
    /// # Errors
    /// As for [`Ledger::set`].
    pub fn set(
        &mut self,
        issuer: IssuerNumber,
        setting: Setting,
        value: &str,
    ) -> Result<(), LedgerError> {
        ledger::add_setting(&mut self.writing, issuer, setting, Some(value))
    }

    /// Adds what is not there yet of one certificate.
    ///
    /// # Errors
    /// As for [`Ledger::import`].
    pub fn add(&mut self, issuer: IssuerNumber, entry: &ImportEntry) -> Result<(), LedgerError> {
        add_entry(
            &mut self.writing,
            self.now,
            issuer,
            entry,
            &mut self.imported,
        )
    }

    /// Passes over CRL numbers that others used.
    ///
    /// # Errors
    /// The database cannot be written.
    pub fn pass_over_crl_numbers(
        &mut self,
        issuer: IssuerNumber,
        up_to: &CrlNumber,
    ) -> Result<(), LedgerError> {
        ledger::pass_over(&mut self.writing, issuer, up_to)
    }

    /// What was added so far.
    pub fn imported(&self) -> Imported {
        self.imported
    }
}

/// Some 10 MB of certificates, and some 100 ms for which others wait.
const BATCH: usize = 4096;

impl LedgerReader {
    /// What an import would add at `now`; nothing is changed.  An entry that stands twice among these counts twice.
    ///
    /// # Errors
    /// As for the import.
    pub fn preview_import(
        &self,
        now: Time,
        issuer: IssuerNumber,
        entries: impl IntoIterator<Item = ImportEntry>,
    ) -> Result<Imported, LedgerError> {
        let mut imported = Imported::default();
        let mut entries = entries.into_iter();
        loop {
            // A look for each entry would lock the file and let go of it for each.
            let moment = self.one_moment()?;
            let mut count = 0;
            for entry in entries.by_ref().take(BATCH) {
                count += 1;
                let judged = self.read(|db| judge(db, now, issuer, &entry))?;
                let news = judged.map_err(|refusal| LedgerError::Refused {
                    path: self.path().to_owned(),
                    refusal: Box::new(refusal),
                })?;
                imported.count(&news);
            }
            drop(moment);
            if count < BATCH {
                return Ok(imported);
            }
        }
    }
}

/// What is not there yet of one certificate.
struct EntryNews {
    is_certificate: bool,
    revoked: Option<RevokedInfo>,
}

impl Imported {
    fn count(&mut self, news: &EntryNews) {
        self.entries += 1;
        self.certificates += u64::from(news.is_certificate);
        self.revocations += u64::from(news.revoked.is_some());
    }
}

/// Adds what is not there yet of one certificate.
pub(crate) fn add_entry(
    writing: &mut Writing<'_>,
    now: Time,
    issuer: IssuerNumber,
    entry: &ImportEntry,
    imported: &mut Imported,
) -> Result<(), LedgerError> {
    let judged = writing.read(|db| judge(db, now, issuer, entry))?;
    let news = judged.map_err(|refusal| writing.refused(refusal))?;
    imported.count(&news);
    if news.is_certificate {
        writing.add_certificate(
            issuer,
            &CertificateRow {
                serial_number: &entry.serial_number,
                origin: Origin::Imported,
                subject: &entry.subject,
                not_before: entry.not_before,
                not_after: Some(entry.not_after),
                profile: entry.profile.as_deref(),
                der: entry.der.as_deref(),
            },
        )?;
    }
    match news.revoked {
        None => Ok(()),
        Some(info) => writing.add_revocation(
            issuer,
            &entry.serial_number,
            Revocation::Revoked(info),
            info.revocation_time,
        ),
    }
}

/// What of an entry is news, and whether it can be at all.
fn judge(
    db: &Connection,
    now: Time,
    issuer: IssuerNumber,
    entry: &ImportEntry,
) -> rusqlite::Result<Result<EntryNews, Refusal>> {
    let serial = entry.serial_number;
    if !entry.der.as_ref().is_none_or(|der| is_of(der, entry)) {
        return Ok(Err(Refusal::Certificate { serial }));
    }
    let known = rows::certificate_of(db, issuer, &serial)?;
    let known = known.filter(|known| known.origin != Origin::Named);
    if let Some(known) = &known {
        let is_other_der = matches!((&known.der, &entry.der), (Some(a), Some(b)) if a != b);
        if is_other_der || known.not_after != Some(entry.not_after) {
            return Ok(Err(Refusal::SerialConflict { serial }));
        }
    }
    let revoked = match entry.revoked {
        Some(told) => revoked_news(db, now, issuer, &serial, told)?,
        None => None,
    };
    Ok(Ok(EntryNews {
        is_certificate: known.is_none(),
        revoked,
    }))
}

/// What of a revocation is news.
fn revoked_news(
    db: &Connection,
    now: Time,
    issuer: IssuerNumber,
    serial: &SerialNumber,
    told: RevokedInfo,
) -> rusqlite::Result<Option<RevokedInfo>> {
    // A hold of before the release is the one that was released here, which the other did not know.
    if told.reason == Some(CrlReason::CertificateHold)
        && released_at(db, issuer, serial, now)?
            .is_some_and(|released| told.revocation_time <= released)
    {
        return Ok(None);
    }
    let standing = rows::standing_of(db, issuer, serial)?;
    Ok(news_after(standing.as_ref(), told))
}

/// Is it the certificate of that entry?
fn is_of(der: &[u8], entry: &ImportEntry) -> bool {
    OwnedCertificate::from_der(der.to_owned()).is_ok_and(|certificate| {
        let view = certificate.view();
        same_serial(&view.serial_number, &entry.serial_number) && view.not_after == entry.not_after
    })
}

fn same_serial(one: &SerialNumber, other: &SerialNumber) -> bool {
    one.minimal() == other.minimal()
}
