//! The index of `openssl ca` (`index.txt`), read for an import and written for a dump.  From: a file of OpenSSL's, or what
//! the caller's book says.  To: the caller, or a file that `openssl ocsp -index` and `openssl ca` take for their own.
//!
//! Line by line: an index may have millions.  What a line looks like: `ocspry_wire::openssl_index`.

use crate::file::write_file_with;
use crate::{CaError, FileAccess};
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::openssl_index::{IndexError, IndexLine, IndexStatus, push_subject};
use ocspry_wire::x509::SerialNumber;
use std::io::{BufRead, Read, Write as _};
use std::path::Path;

/// Most octets of a line; one with every attribute at its bound has some thousands.
const LINE_OCTETS_MAX: usize = 64 * 1024;

/// Reads an index; lines that begin with `#` are passed over, as OpenSSL does.
pub struct IndexReader<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
}

/// One certificate of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry<'a> {
    /// The line it stands in, counted from 1.
    pub number: u64,
    /// Its serial number.
    pub serial_number: SerialNumber,
    /// All that the line says.
    pub line: IndexLine<'a>,
}

impl<R: BufRead> IndexReader<R> {
    /// Nothing is read yet.
    pub fn new(reader: R) -> IndexReader<R> {
        IndexReader {
            reader,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next certificate; None after the last.
    ///
    /// # Errors
    /// When the file cannot be read, or a line is none that OpenSSL would have written.
    pub fn next_entry(&mut self) -> Result<Option<IndexEntry<'_>>, CaError> {
        loop {
            self.line.clear();
            self.number += 1;
            (&mut self.reader)
                .take(LINE_OCTETS_MAX as u64 + 1)
                .read_until(b'\n', &mut self.line)
                .map_err(|source| CaError::IndexUnreadable { source })?;
            if self.line.is_empty() {
                return Ok(None);
            }
            if self.line.first() != Some(&b'#') {
                break;
            }
        }
        let number = self.number;
        let at_line = |problem| CaError::IndexLine {
            line: number,
            problem,
        };
        let text = match self.line.strip_suffix(b"\n") {
            Some(text) => text,
            None if self.line.len() > LINE_OCTETS_MAX => {
                return Err(at_line(IndexProblem::TooLong));
            }
            None => &self.line,
        };
        let line = IndexLine::parse(text).map_err(|error| at_line(IndexProblem::from(error)))?;
        let serial_number = SerialNumber::from_hex(line.serial).map_err(|_| {
            at_line(IndexProblem::Serial {
                content: shown(line.serial),
            })
        })?;
        Ok(Some(IndexEntry {
            number,
            serial_number,
            line,
        }))
    }
}

/// One certificate, for an index to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexRow<'a> {
    /// Its serial number.
    pub serial_number: SerialNumber,
    /// When it expires: from then on it is E, unless it is revoked.
    pub not_after: Time,
    /// When and why it was revoked, if it is.
    pub revoked: Option<RevokedInfo>,
    /// Whose it is.
    pub subject: IndexSubject<'a>,
}

/// A subject for a line of an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexSubject<'a> {
    /// A DER Name.
    Name(&'a [u8]),
    /// What an index had there: of a certificate that was never seen.
    Text(&'a [u8]),
}

impl IndexRow<'_> {
    /// Appends its line.
    ///
    /// # Errors
    /// When the subject is no Name.
    pub fn push(&self, out: &mut Vec<u8>, now: Time) -> Result<(), CaError> {
        let mut serial = Vec::new();
        self.serial_number.push_hex(&mut serial);
        let mut name = Vec::new();
        let subject = match self.subject {
            IndexSubject::Text(text) => text,
            IndexSubject::Name(der) => {
                push_subject(&mut name, der).map_err(|source| CaError::IndexSubject {
                    serial: self.serial_number.to_string(),
                    source,
                })?;
                &name
            }
        };
        IndexLine {
            status: match self.revoked {
                Some(info) => IndexStatus::Revoked(info.into()),
                None if self.not_after < now => IndexStatus::Expired,
                None => IndexStatus::Valid,
            },
            not_after: self.not_after,
            serial: &serial,
            file_name: b"unknown",
            subject,
        }
        .push(out);
        Ok(())
    }
}

/// Writes an index whole or not at all; replaces what is there.
///
/// # Errors
/// As [`crate::write_file`], and when the subject of a row is no Name.
pub fn write_index<'a>(
    path: &Path,
    rows: impl IntoIterator<Item = IndexRow<'a>>,
    now: Time,
) -> Result<(), CaError> {
    write_file_with(path, FileAccess::Public, |file| {
        let mut line = Vec::new();
        for row in rows {
            line.clear();
            row.push(&mut line, now)?;
            file.write_all(&line).map_err(|source| CaError::Write {
                path: path.to_owned(),
                source,
            })?;
        }
        Ok(())
    })
}

/// What is wrong with a line of an index.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IndexProblem {
    /// More octets than are read of one line.
    #[error("is longer than {LINE_OCTETS_MAX} octets; is it an index?")]
    TooLong,
    /// A NUL octet, which no text has.
    #[error("holds a NUL octet; is it an index?")]
    Nul,
    /// Not the fields of OpenSSL's index.
    #[error(
        "has {found} fields where an index has 6, parted by tabs; was the file copied completely?"
    )]
    FieldCount {
        /// How many it has.
        found: usize,
    },
    /// Neither V nor R nor E.
    #[error("{content} is no status (V, R or E)")]
    Status {
        /// What stands there.
        content: String,
    },
    /// A time that is not one.
    #[error("{content} is not a time (YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ)")]
    Time {
        /// What stands there.
        content: String,
    },
    /// Revoked, but not since when.
    #[error("is revoked (R) without a revocation date")]
    NoRevocationTime,
    /// Not revoked, but since when.
    #[error("has the revocation date {content}, but its status is not R")]
    NotRevoked {
        /// What stands there.
        content: String,
    },
    /// A serial number that is none.
    #[error("{content} is not a serial number in hex")]
    Serial {
        /// What stands there.
        content: String,
    },
}

impl From<IndexError<'_>> for IndexProblem {
    fn from(error: IndexError<'_>) -> IndexProblem {
        match error {
            IndexError::Nul => IndexProblem::Nul,
            IndexError::FieldCount { found } => IndexProblem::FieldCount { found },
            IndexError::Status(field) => IndexProblem::Status {
                content: shown(field),
            },
            IndexError::Time(field) => IndexProblem::Time {
                content: shown(field),
            },
            IndexError::NoRevocationTime => IndexProblem::NoRevocationTime,
            IndexError::NotRevoked(field) => IndexProblem::NotRevoked {
                content: shown(field),
            },
        }
    }
}

/// What stands in a line, for people: quoted, without control characters, and not more than a message can bear.
fn shown(content: &[u8]) -> String {
    const SHOWN_OCTETS_MAX: usize = 60;
    let text = &content[..content.len().min(SHOWN_OCTETS_MAX)];
    format!("\"{}\"", text.escape_ascii())
}
