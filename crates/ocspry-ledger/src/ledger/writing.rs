//! One transaction that adds facts: all of them or none.
//!
//! It begins as a writer (`BEGIN IMMEDIATE`), so that what it reads stays true until it ends, also beside other processes.
//! Here is what the database is told; what may be recorded is decided in `ledger`, `import` and `reconcile`.

use std::path::Path;

use ocspry_core::Revocation;
use ocspry_wire::Time;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::SerialNumber;
use rusqlite::{Params, Transaction, TransactionBehavior, params};

use super::Recorded;
use crate::reader::rows;
use crate::sqlite::sqlite_error;
use crate::{
    Act, CrlNumber, CrlUse, IssuerName, IssuerNumber, LedgerError, Origin, PublishedCrl, Refusal,
    schema,
};

/// Facts on their way into the ledger.
pub(crate) struct Writing<'c> {
    transaction: Transaction<'c>,
    path: &'c Path,
    /// The last fact that was there before.
    before: u64,
    /// The first one of this act; after a gap where facts were lost.
    first: u64,
    /// The last one given.
    last: u64,
}

/// Whether a ledger that was restored may be written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restored {
    Refuse,
    /// The reconciliation may.
    Accept,
}

impl<'c> Writing<'c> {
    /// Waits for other writers.
    ///
    /// # Errors
    /// `Locked` after ten seconds; `FutureVersion`; `NotReconciled`; the database cannot be written.
    pub(crate) fn begin(
        connection: &'c mut rusqlite::Connection,
        path: &'c Path,
        restored: Restored,
    ) -> Result<Writing<'c>, LedgerError> {
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite_error(path))?;
        // Another process may have migrated or restored it since it was opened.
        schema::check_writable(&transaction, path)?;
        let head = rows::head(&transaction).map_err(sqlite_error(path))?;
        if head.is_restored && restored == Restored::Refuse {
            return Err(LedgerError::NotReconciled {
                path: path.to_owned(),
            });
        }
        let before = head.position.sequence;
        Ok(Writing {
            transaction,
            path,
            before,
            first: before + 1,
            last: before,
        })
    }

    pub(crate) fn refused(&self, refusal: Refusal) -> LedgerError {
        LedgerError::Refused {
            path: self.path.to_owned(),
            refusal: Box::new(refusal),
        }
    }

    /// Reads something in the transaction.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        read(&self.transaction).map_err(sqlite_error(self.path))
    }

    /// On the disk when it returns; without any fact, nothing is written.
    pub(crate) fn commit(self, act: &Act) -> Result<Recorded, LedgerError> {
        let recorded = Recorded {
            first: self.first,
            last: self.last,
        };
        if self.last == self.before {
            return Ok(recorded);
        }
        act.check().map_err(|refusal| self.refused(refusal))?;
        self.add(
            include_str!("../sql/insert_act.sql"),
            params![
                self.first.cast_signed(),
                self.last.cast_signed(),
                act.recorded.unix_seconds(),
                act.requested.unix_seconds(),
                act.actor,
                act.ticket
            ],
        )?;
        self.add(
            include_str!("../sql/move_head.sql"),
            params![self.last.cast_signed()],
        )?;
        self.transaction.commit().map_err(sqlite_error(self.path))?;
        Ok(recorded)
    }

    pub(crate) fn add_issuer(
        &mut self,
        name: &IssuerName,
        identity: &[u8; 32],
    ) -> Result<IssuerNumber, LedgerError> {
        let number = self.next();
        self.add(
            include_str!("../sql/insert_issuer.sql"),
            params![number, name.as_str(), identity],
        )?;
        Ok(IssuerNumber(number.cast_unsigned()))
    }

    pub(crate) fn add_issuer_certificate(
        &mut self,
        issuer: IssuerNumber,
        der: &[u8],
    ) -> Result<(), LedgerError> {
        let sequence = self.next();
        self.add(
            include_str!("../sql/insert_issuer_certificate.sql"),
            params![sequence, issuer.0.cast_signed(), der],
        )
    }

    pub(crate) fn add_setting(
        &mut self,
        issuer: IssuerNumber,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), LedgerError> {
        let sequence = self.next();
        self.add(
            include_str!("../sql/insert_setting.sql"),
            params![sequence, issuer.0.cast_signed(), name, value],
        )
    }

    pub(crate) fn add_reservation(
        &mut self,
        issuer: IssuerNumber,
        serial: &SerialNumber,
    ) -> Result<(), LedgerError> {
        let sequence = self.next();
        self.add(
            include_str!("../sql/insert_reservation.sql"),
            params![sequence, issuer.0.cast_signed(), serial.minimal()],
        )
    }

    pub(crate) fn add_certificate(
        &mut self,
        issuer: IssuerNumber,
        row: &CertificateRow<'_>,
    ) -> Result<(), LedgerError> {
        let sequence = self.next();
        let origin = match row.origin {
            Origin::Issued => 1,
            Origin::Imported => 2,
            Origin::Named => 3,
        };
        self.add(
            include_str!("../sql/insert_certificate.sql"),
            params![
                sequence,
                issuer.0.cast_signed(),
                row.serial_number.minimal(),
                origin,
                row.not_before.map(Time::unix_seconds),
                row.not_after.map(Time::unix_seconds),
                row.profile
            ],
        )?;
        if row.origin == Origin::Named {
            return Ok(());
        }
        self.add(
            include_str!("../sql/insert_certificate_text.sql"),
            params![sequence, row.subject, row.der],
        )
    }

    pub(crate) fn add_revocation(
        &mut self,
        issuer: IssuerNumber,
        serial: &SerialNumber,
        revocation: Revocation,
        released_at: Time,
    ) -> Result<(), LedgerError> {
        let sequence = self.next();
        let (is_released, effective, reason, invalid_since) = match revocation {
            Revocation::Revoked(info) => (
                false,
                info.revocation_time,
                info.reason.map(CrlReason::code),
                info.invalidity_date,
            ),
            Revocation::Removed => (true, released_at, None, None),
        };
        self.add(
            include_str!("../sql/insert_revocation.sql"),
            params![
                sequence,
                issuer.0.cast_signed(),
                serial.minimal(),
                is_released,
                effective.unix_seconds(),
                reason,
                invalid_since.map(Time::unix_seconds)
            ],
        )
    }

    pub(crate) fn add_crl_number(
        &mut self,
        issuer: IssuerNumber,
        number: &CrlNumber,
        used: CrlUse,
    ) -> Result<(), LedgerError> {
        let sequence = self.next();
        let code = match used {
            CrlUse::Full => 1,
            CrlUse::Delta => 2,
            CrlUse::PassedOver => 3,
        };
        self.add(
            include_str!("../sql/insert_crl_number.sql"),
            params![sequence, issuer.0.cast_signed(), number.octets(), code],
        )
    }

    pub(crate) fn add_crl(
        &mut self,
        issuer: IssuerNumber,
        crl: &PublishedCrl,
    ) -> Result<(), LedgerError> {
        let sequence = self.next();
        self.add(
            include_str!("../sql/insert_crl.sql"),
            params![
                sequence,
                issuer.0.cast_signed(),
                crl.number.octets(),
                crl.base_number.as_ref().map(CrlNumber::octets),
                crl.this_update.unix_seconds(),
                crl.next_update.unix_seconds(),
                crl.published.unix_seconds(),
                crl.covers.cast_signed(),
                crl.entry_count.cast_signed(),
                crl.sha256
            ],
        )
    }

    /// The first fact of this act, after those that were lost; also opens the ledger to writers again.
    pub(crate) fn add_reconciliation(&mut self, lost: u64) -> Result<(), LedgerError> {
        let kept = self.last;
        self.last = lost;
        self.first = lost + 1;
        let sequence = self.next();
        self.add(
            include_str!("../sql/insert_reconciliation.sql"),
            params![sequence, kept.cast_signed(), lost.cast_signed()],
        )?;
        self.add(include_str!("../sql/set_restored.sql"), params![false])
    }

    /// The sequence of the next fact.
    fn next(&mut self) -> i64 {
        self.last += 1;
        self.last.cast_signed()
    }

    fn add(&self, sql: &str, values: impl Params) -> Result<(), LedgerError> {
        let run = || self.transaction.prepare_cached(sql)?.execute(values);
        run().map(|_| ()).map_err(sqlite_error(self.path))
    }
}

/// What is recorded of a certificate.
pub(crate) struct CertificateRow<'a> {
    pub(crate) serial_number: &'a SerialNumber,
    pub(crate) origin: Origin,
    pub(crate) subject: &'a str,
    pub(crate) not_before: Option<Time>,
    pub(crate) not_after: Option<Time>,
    pub(crate) profile: Option<&'a str>,
    pub(crate) der: Option<&'a [u8]>,
}
