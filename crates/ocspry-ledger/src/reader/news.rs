//! What was recorded between two facts, page by page, as a status table needs it.  To: `follow`.

use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;
use rusqlite::{Row, params};

use super::{LedgerReader, PAGE, rows};
use crate::{IssuerNumber, LedgerError, Standing};

/// A certificate as a status table needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IssuedRow {
    pub(crate) sequence: u64,
    pub(crate) issuer: IssuerNumber,
    pub(crate) serial_number: SerialNumber,
    pub(crate) not_after: Option<Time>,
}

impl LedgerReader {
    /// The certificates after one fact and up to another, in their order.
    pub(crate) fn each_issued(
        &self,
        after: u64,
        up_to: u64,
        mut each: impl FnMut(&IssuedRow),
    ) -> Result<(), LedgerError> {
        self.each_page(
            include_str!("../sql/issued_serials.sql"),
            (after, up_to),
            |row| {
                Ok(IssuedRow {
                    sequence: rows::unsigned(row, 0)?,
                    issuer: rows::issuer(row, 1)?,
                    serial_number: rows::serial(row, 2)?,
                    not_after: rows::optional_time(row, 3)?,
                })
            },
            |row| row.sequence,
            &mut each,
        )
    }

    /// The revocations and releases after one fact and up to another, in their order.
    pub(crate) fn each_revocation(
        &self,
        after: u64,
        up_to: u64,
        mut each: impl FnMut(&(IssuerNumber, Standing)),
    ) -> Result<(), LedgerError> {
        self.each_page(
            include_str!("../sql/revocations.sql"),
            (after, up_to),
            |row| Ok((rows::issuer(row, 7)?, rows::standing(row)?)),
            |(_, standing)| standing.sequence,
            &mut each,
        )
    }

    fn each_page<T>(
        &self,
        sql: &str,
        (mut after, up_to): (u64, u64),
        value: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        sequence: impl Fn(&T) -> u64,
        each: &mut impl FnMut(&T),
    ) -> Result<(), LedgerError> {
        loop {
            let bounds = params![after.cast_signed(), up_to.cast_signed(), PAGE];
            let page = self.all(sql, bounds, &value)?;
            page.iter().for_each(&mut *each);
            match page.last() {
                Some(last) if page.len() == PAGE as usize => after = sequence(last),
                Some(_) | None => return Ok(()),
            }
        }
    }
}
