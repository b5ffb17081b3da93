//! Is a ledger whole: the file, and what the facts in it say together?  From: `ocspry ledger check`, `backup`.
//!
//! Nothing is repaired here.

use std::fmt;
use std::path::PathBuf;

use ocspry_core::OwnedCertificate;
use ocspry_wire::x509::SerialNumber;

use crate::place::LedgerPlace;
use crate::reader::{LedgerReader, rows};
use crate::{CertificateFacts, IssuerNumber, LedgerError};

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// The file.
    pub path: PathBuf,
    /// The last fact.
    pub sequence: u64,
    /// How many facts there are.
    pub facts: u64,
    /// Serials that were reserved, and nothing was issued under them: a signature that failed, or a crash.
    pub unissued: u64,
    /// What is wrong; of each kind at most a hundred are named.
    pub defects: Vec<Defect>,
}

/// Something that must not be.  Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// The file itself.
    File {
        /// What SQLite says.
        problem: String,
    },
    /// The acts do not follow one upon the other.
    Gap {
        /// The last fact before it.
        after: u64,
        /// The first one behind it.
        before: u64,
    },
    /// There are more or fewer facts than the acts say.
    FactCount {
        /// By the acts.
        of_acts: u64,
        /// That are there.
        there: u64,
    },
    /// The head is not where the last act ends.
    Head {
        /// By the head.
        head: u64,
        /// By the acts.
        of_acts: u64,
    },
    /// What is wrong with a certificate.
    Certificate {
        /// By whom.
        issuer: IssuerNumber,
        /// Which.
        serial_number: SerialNumber,
        /// What, as the end of the sentence.
        problem: &'static str,
    },
    /// What is wrong with a CRL number.
    CrlNumber {
        /// Of whom.
        issuer: IssuerNumber,
        /// What, as the end of the sentence.
        problem: &'static str,
    },
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Defect::File { problem } => write!(f, "the file: {problem}"),
            Defect::Gap { after, before } => {
                write!(f, "facts are missing between {after} and {before}")
            }
            Defect::FactCount { of_acts, there } => {
                write!(f, "{of_acts} facts were recorded, and {there} are there")
            }
            Defect::Head { head, of_acts } => {
                write!(
                    f,
                    "the sequence stands at {head}, and the last fact is {of_acts}"
                )
            }
            Defect::Certificate {
                issuer,
                serial_number,
                problem,
            } => write!(f, "serial {serial_number} of CA {}: {problem}", issuer.0),
            Defect::CrlNumber { issuer, problem } => {
                write!(f, "a CRL number of CA {}: {problem}", issuer.0)
            }
        }
    }
}

/// Looks at everything: some seconds for a million certificates.
///
/// # Errors
/// It cannot be opened or read at all; what can be read and is wrong is in the report.
pub fn check(place: &LedgerPlace) -> Result<CheckReport, LedgerError> {
    check_with(&LedgerReader::open(place)?)
}

pub(crate) fn check_with(reader: &LedgerReader) -> Result<CheckReport, LedgerError> {
    let mut defects = file_defects(reader)?;
    let head = reader.position()?.sequence;
    let facts = sequence_defects(reader, head, &mut defects)?;
    for (sql, problem) in SERIAL_CHECKS {
        let found = reader.all(sql, [], |row| {
            Ok((rows::issuer(row, 0)?, rows::serial(row, 1)?))
        })?;
        defects.extend(
            found
                .into_iter()
                .map(|(issuer, serial_number)| Defect::Certificate {
                    issuer,
                    serial_number,
                    problem,
                }),
        );
    }
    for (sql, problem) in CRL_CHECKS {
        let found = reader.all(sql, [], |row| rows::issuer(row, 0))?;
        defects.extend(
            found
                .into_iter()
                .map(|issuer| Defect::CrlNumber { issuer, problem }),
        );
    }
    certificate_defects(reader, &mut defects)?;
    Ok(CheckReport {
        path: reader.path().to_owned(),
        sequence: head,
        facts,
        unissued: count(reader, include_str!("sql/count_unissued.sql"))?,
        defects,
    })
}

const SERIAL_CHECKS: [(&str, &str); 3] = [
    (
        include_str!("sql/check_revoked_without_issued.sql"),
        "is revoked and was never issued",
    ),
    (
        include_str!("sql/check_issued_without_reservation.sql"),
        "was signed before its serial was reserved",
    ),
    (
        include_str!("sql/check_released_without_hold.sql"),
        "was released and was not on hold",
    ),
];

const CRL_CHECKS: [(&str, &str); 2] = [
    (
        include_str!("sql/check_crl_numbers.sql"),
        "is not above those before it",
    ),
    (
        include_str!("sql/check_crls.sql"),
        "was published before it was reserved",
    ),
];

fn file_defects(reader: &LedgerReader) -> Result<Vec<Defect>, LedgerError> {
    let lines = reader.all("PRAGMA integrity_check(20)", [], |row| {
        row.get::<_, String>(0)
    })?;
    let broken_references = reader.all("PRAGMA foreign_key_check", [], |row| {
        row.get::<_, String>(0)
    })?;
    let of_lines = lines.into_iter().filter(|line| line != "ok");
    let of_references = broken_references
        .into_iter()
        .map(|table| format!("a row of {table} refers to one that is not there"));
    Ok(of_lines
        .chain(of_references)
        .take(DEFECTS_MAX)
        .map(|problem| Defect::File { problem })
        .collect())
}

/// Every sequence up to the head has its fact; gives how many there are.
fn sequence_defects(
    reader: &LedgerReader,
    head: u64,
    defects: &mut Vec<Defect>,
) -> Result<u64, LedgerError> {
    let acts = reader.all(include_str!("sql/check_acts.sql"), [], |row| {
        Ok((
            rows::unsigned(row, 0)?,
            rows::unsigned(row, 1)?,
            row.get::<_, bool>(2)?,
        ))
    })?;
    let (mut end, mut of_acts) = (0, 0);
    for (first, last, is_reconciled) in acts {
        if first != end + 1 && !(is_reconciled && first > end) && defects.len() < DEFECTS_MAX {
            defects.push(Defect::Gap {
                after: end,
                before: first,
            });
        }
        of_acts += last + 1 - first;
        end = last;
    }
    if head != end {
        defects.push(Defect::Head { head, of_acts: end });
    }
    let there = count(reader, include_str!("sql/count_facts.sql"))?;
    if there != of_acts {
        defects.push(Defect::FactCount { of_acts, there });
    }
    Ok(there)
}

/// Each certificate says what is recorded beside it.
fn certificate_defects(
    reader: &LedgerReader,
    defects: &mut Vec<Defect>,
) -> Result<(), LedgerError> {
    for certificates in reader.pages(None) {
        let certificates = certificates?;
        let wrong = certificates.iter().filter(|facts| !is_as_recorded(facts));
        defects.extend(wrong.take(DEFECTS_MAX).map(|facts| Defect::Certificate {
            issuer: facts.issuer,
            serial_number: facts.serial_number,
            problem: "is recorded otherwise than it says itself",
        }));
        if defects.len() >= DEFECTS_MAX {
            break;
        }
    }
    Ok(())
}

fn is_as_recorded(facts: &CertificateFacts) -> bool {
    let Some(der) = &facts.der else { return true };
    OwnedCertificate::from_der(der.clone()).is_ok_and(|certificate| {
        let view = certificate.view();
        view.serial_number.minimal() == facts.serial_number.minimal()
            && Some(view.not_after) == facts.not_after
            && facts.not_before.is_none_or(|time| time == view.not_before)
    })
}

fn count(reader: &LedgerReader, sql: &str) -> Result<u64, LedgerError> {
    reader.read(|db| db.query_row(sql, [], |row| rows::unsigned(row, 0)))
}

const DEFECTS_MAX: usize = 100;
