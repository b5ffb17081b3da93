//! What the database holds, as values.  From: SQLite's rows.  To: `reader`, and `ledger` within its transactions.

use ocspry_core::Revocation;
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::{
    Act, CertificateFacts, CrlNumber, Fact, FactKind, IssuerNumber, Origin, Position, PublishedCrl,
    Standing,
};

/// Where the sequence stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) position: Position,
    pub(crate) is_restored: bool,
}

pub(crate) fn head(connection: &Connection) -> rusqlite::Result<Head> {
    connection
        .prepare_cached(include_str!("../sql/head.sql"))?
        .query_row([], |row| {
            let position = Position {
                identity: row.get(0)?,
                sequence: unsigned(row, 1)?,
                mark: row.get::<_, Option<[u8; 16]>>(3)?.unwrap_or_default(),
            };
            Ok(Head {
                position,
                is_restored: row.get(2)?,
            })
        })
}

/// The mark of the act that ends with this fact; None when none does.
pub(crate) fn mark_at(
    connection: &Connection,
    sequence: u64,
) -> rusqlite::Result<Option<[u8; 16]>> {
    let found = connection
        .prepare_cached(include_str!("../sql/act_mark.sql"))?
        .query_row(params![sequence.cast_signed()], |row| {
            Ok((unsigned(row, 0)?, row.get(1)?))
        })
        .optional()?;
    Ok(found
        .filter(|(last, _)| *last == sequence)
        .map(|(_, mark)| mark))
}

/// The last word on one serial.
pub(crate) fn standing_of(
    connection: &Connection,
    issuer: IssuerNumber,
    serial: &SerialNumber,
) -> rusqlite::Result<Option<Standing>> {
    connection
        .prepare_cached(include_str!("../sql/standing.sql"))?
        .query_row(params![issuer.0.cast_signed(), serial.minimal()], standing)
        .optional()
}

/// From when on the last release of one serial from a hold counts.
pub(crate) fn last_release(
    connection: &Connection,
    issuer: IssuerNumber,
    serial: &SerialNumber,
) -> rusqlite::Result<Option<Time>> {
    connection
        .prepare_cached(include_str!("../sql/last_release.sql"))?
        .query_row(params![issuer.0.cast_signed(), serial.minimal()], |row| {
            time(row, 0)
        })
        .optional()
}

/// What is known of one certificate; where a list named it as well, the certificate itself.
pub(crate) fn certificate_of(
    connection: &Connection,
    issuer: IssuerNumber,
    serial: &SerialNumber,
) -> rusqlite::Result<Option<CertificateFacts>> {
    connection
        .prepare_cached(include_str!("../sql/certificate.sql"))?
        .query_row(
            params![issuer.0.cast_signed(), serial.minimal()],
            certificate,
        )
        .optional()
}

pub(crate) fn is_reserved(
    connection: &Connection,
    issuer: IssuerNumber,
    serial: &SerialNumber,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(include_str!("../sql/is_reserved.sql"))?
        .query_row(params![issuer.0.cast_signed(), serial.minimal()], |row| {
            row.get(0)
        })
}

/// Is there a certificate of this serial number?  Without its row: of a million that are revoked none is read.
pub(crate) fn is_known(
    connection: &Connection,
    issuer: IssuerNumber,
    serial: &SerialNumber,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(include_str!("../sql/is_known.sql"))?
        .query_row(params![issuer.0.cast_signed(), serial.minimal()], |row| {
            row.get(0)
        })
}

/// The highest number that was handed out or passed over.
pub(crate) fn highest_crl_number(
    connection: &Connection,
    issuer: IssuerNumber,
) -> rusqlite::Result<Option<CrlNumber>> {
    connection
        .prepare_cached(include_str!("../sql/highest_crl_number.sql"))?
        .query_row(params![issuer.0.cast_signed()], |row| {
            optional_crl_number(row, 0)
        })
}

/// `serial, sequence, released, effective, reason, invalid_since, not_after`
pub(crate) fn standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let effective = time(row, 3)?;
    let revocation = match row.get(2)? {
        true => Revocation::Removed,
        false => Revocation::Revoked(RevokedInfo {
            revocation_time: effective,
            reason: row.get::<_, Option<u8>>(4)?.and_then(CrlReason::from_code),
            invalidity_date: optional_time(row, 5)?,
        }),
    };
    Ok(Standing {
        serial_number: serial(row, 0)?,
        sequence: unsigned(row, 1)?,
        revocation,
        effective,
        not_after: optional_time(row, 6)?,
    })
}

/// As `certificates.sql` has them.
pub(crate) fn certificate(row: &Row<'_>) -> rusqlite::Result<CertificateFacts> {
    Ok(CertificateFacts {
        sequence: unsigned(row, 0)?,
        issuer: issuer(row, 1)?,
        serial_number: serial(row, 2)?,
        origin: match row.get(3)? {
            1 => Origin::Issued,
            2 => Origin::Imported,
            3 => Origin::Named,
            _ => return Err(impossible(3, "origin")),
        },
        subject: row.get::<_, Option<String>>(4)?.unwrap_or_default(),
        not_before: optional_time(row, 5)?,
        not_after: optional_time(row, 6)?,
        profile: row.get(7)?,
        der: row.get(8)?,
    })
}

/// As `last_crl.sql` has it.
pub(crate) fn crl(row: &Row<'_>) -> rusqlite::Result<PublishedCrl> {
    Ok(PublishedCrl {
        number: optional_crl_number(row, 0)?.ok_or_else(|| impossible(0, "CRL number"))?,
        base_number: optional_crl_number(row, 1)?,
        this_update: time(row, 2)?,
        next_update: time(row, 3)?,
        published: time(row, 4)?,
        covers: unsigned(row, 5)?,
        entry_count: unsigned(row, 6)?,
        sha256: row.get(7)?,
    })
}

/// As `facts.sql` has them.
pub(crate) fn fact(row: &Row<'_>) -> rusqlite::Result<Fact> {
    let serial_number = match row.get_ref(3)? {
        rusqlite::types::ValueRef::Null => None,
        _ => Some(serial(row, 3)?),
    };
    Ok(Fact {
        sequence: unsigned(row, 0)?,
        kind: FactKind::from_code(row.get(1)?).ok_or_else(|| impossible(1, "kind of fact"))?,
        issuer: row
            .get::<_, Option<i64>>(2)?
            .map(|number| IssuerNumber(number.cast_unsigned())),
        serial_number,
        effective: optional_time(row, 4)?,
        reason: row.get(5)?,
        invalid_since: optional_time(row, 6)?,
        detail: row.get(7)?,
        act: Act {
            actor: row.get(8)?,
            ticket: row.get(9)?,
            requested: time(row, 10)?,
            recorded: time(row, 11)?,
        },
        first_published: optional_time(row, 12)?,
        covers: row.get::<_, Option<i64>>(13)?.map(i64::cast_unsigned),
        ends_act: row.get(14)?,
    })
}

pub(crate) fn serial(row: &Row<'_>, column: usize) -> rusqlite::Result<SerialNumber> {
    let content = row.get_ref(column)?.as_blob()?;
    SerialNumber::from_content(content).ok_or_else(|| impossible(column, "serial number"))
}

pub(crate) fn issuer(row: &Row<'_>, column: usize) -> rusqlite::Result<IssuerNumber> {
    unsigned(row, column).map(IssuerNumber)
}

pub(crate) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, number))
}

pub(crate) fn optional_time(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Time>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Time::from_unix))
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Time> {
    row.get(column).map(Time::from_unix)
}

fn optional_crl_number(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<CrlNumber>> {
    match row.get::<_, Option<Vec<u8>>>(column)? {
        None => Ok(None),
        Some(octets) => CrlNumber::from_content(&octets)
            .map(Some)
            .ok_or_else(|| impossible(column, "CRL number")),
    }
}

/// A value that no version writes.
pub(crate) fn impossible(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, what.to_owned(), Type::Blob)
}
