//! What a CA has issued: a list of serials, the index of `openssl ca`, or a directory of certificates.
//!
//! A CRL says what is revoked, and of everything else nothing; beside such a list, a serial that is on neither was never
//! issued (docs/design.md §2).  Hence the care: what is missing here is answered as never issued, so a list is read whole or
//! not at all.  From: a file or directory that the CA's own tools write.  To: a status table, one [`IssuedEntry`] at a time;
//! nothing is collected here.  Its formats, for people: docs/reference/issued-and-overlay.md.

mod directory;
pub(crate) mod index;
pub(crate) mod serials;
mod stamp;

pub use stamp::{DirectoryStamp, IssuedStamp};

use std::fmt;
use std::io::BufRead;
use std::path::Path;

use ocspry_core::OwnedCertificate;
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;

use crate::SourceError;
use crate::load::Onlooker;
use crate::noted::{Notes, Oddity};
use crate::text_file::{self, LineError, LineProblem, Lines, StatusFile, without_comment};

/// A serial number as people and programs write it, in hex: `0A1B`, `0a:1b`, `0x0A1B`, `serial=0A1B`, `-01`.
///
/// # Errors
/// It is none, or too long to be one.
pub fn serial_from_text(text: &str) -> Result<SerialNumber, LineProblem> {
    serials::from_text(text.trim().as_bytes())
}

/// Reads what is at `path`, and gives every certificate that `issuer` has issued to `each`.
///
/// A directory is one of certificates.  A file is an OpenSSL index when its first line that is neither blank nor a comment
/// has a tab in it, else a list of serials; a line that is not as all the others must be is an error.  The same serial
/// may come several times, with several revocations.
///
/// # Errors
/// When anything of it cannot be read or understood, when it changes while it is read, and when nothing is in it (which
/// would make every certificate one that was never issued).  What `each` was given until then is to be thrown away.
pub fn read_issued(
    path: &Path,
    issuer: &OwnedCertificate,
    limits: &IssuedLimits,
    each: impl FnMut(IssuedEntry),
) -> Result<IssuedFacts, SourceError> {
    read_issued_watched(path, issuer, limits, Onlooker::NOBODY, each)
}

/// The same; somebody looks on, who is told how far the reading of a file is.
///
/// # Errors
/// As for [`read_issued`].
pub(crate) fn read_issued_watched(
    path: &Path,
    issuer: &OwnedCertificate,
    limits: &IssuedLimits,
    onlooker: Onlooker<'_>,
    each: impl FnMut(IssuedEntry),
) -> Result<IssuedFacts, SourceError> {
    let metadata = std::fs::metadata(path)
        .map_err(|source| text_file::unreadable(StatusFile::Issued, path, source))?;
    if metadata.is_dir() {
        return directory::read(path, issuer, limits, onlooker, each);
    }
    let read = text_file::read(
        StatusFile::Issued,
        path,
        limits.bytes_max,
        onlooker,
        |reader, _| read_issued_lines(reader, limits.line_bytes_max, each),
    )?;
    let IssuedLines {
        kind,
        issued,
        revoked,
        expired,
        notes,
    } = read.parsed;
    let Some(kind) = kind else {
        return Err(SourceError::NothingIssued {
            path: path.to_owned(),
        });
    };
    Ok(IssuedFacts {
        kind,
        written: read.fingerprint.written(),
        stamp: IssuedStamp::File(read.fingerprint),
        issued,
        revoked,
        expired,
        notes,
        digest: read.digest,
    })
}

/// Reads the lines of a list of serials or of an OpenSSL index; which of them it is, the first line with content says.
///
/// # Errors
/// What the reader says, and the first line that is too long or not understood.
pub fn read_issued_lines(
    reader: impl BufRead,
    line_bytes_max: usize,
    mut each: impl FnMut(IssuedEntry),
) -> Result<IssuedLines, LineError> {
    let mut found = IssuedLines::default();
    let mut lines = Lines::new(reader, line_bytes_max);
    while let Some(line) = lines.next()? {
        let bare = without_comment(line);
        if bare.is_empty() {
            continue;
        }
        let kind = *found.kind.get_or_insert(if bare.contains(&b'\t') {
            IssuedKind::Index
        } else {
            IssuedKind::Serials
        });
        let (entry, is_expired, oddity) = match kind {
            IssuedKind::Index => {
                let line = index::parse(line).map_err(|problem| lines.error(problem))?;
                (line.entry, line.is_expired, line.oddity)
            }
            IssuedKind::Serials | IssuedKind::Certificates => {
                let serial = serials::from_text(bare).map_err(|problem| lines.error(problem))?;
                (IssuedEntry::issued(serial, None), false, None)
            }
        };
        if let Some(oddity) = oddity {
            found.notes.add_line(oddity, lines.number());
        }
        serials::note_odd(&entry.serial_number, &mut found.notes, lines.number());
        found.issued += 1;
        found.revoked += u64::from(entry.revoked.is_some());
        found.expired += u64::from(is_expired);
        each(entry);
    }
    if !lines.has_last_newline() {
        found.notes.add_line(Oddity::NoLastNewline, lines.number());
    }
    Ok(found)
}

/// One certificate that was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedEntry {
    /// Its serial number.
    pub serial_number: SerialNumber,
    /// The last second of its validity; None where only serials are listed.
    pub not_after: Option<Time>,
    /// When and why it was revoked; only an index can say so.
    pub revoked: Option<RevokedInfo>,
}

impl IssuedEntry {
    fn issued(serial_number: SerialNumber, not_after: Option<Time>) -> IssuedEntry {
        IssuedEntry {
            serial_number,
            not_after,
            revoked: None,
        }
    }
}

/// What kind of list it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IssuedKind {
    /// Serials, one to a line.
    Serials,
    /// The index of `openssl ca`.
    Index,
    /// A directory of certificates.
    Certificates,
}

impl fmt::Display for IssuedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            IssuedKind::Serials => "list of serials",
            IssuedKind::Index => "OpenSSL index",
            IssuedKind::Certificates => "directory of certificates",
        })
    }
}

/// What was found at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedFacts {
    /// Serials, index or certificates.
    pub kind: IssuedKind,
    /// When the file was written; of a directory, the newest file that holds a certificate of this CA.  A time that was set
    /// ahead does not count.
    pub written: Time,
    /// What was there before the first octet was read: another one later means that it has changed since.
    pub stamp: IssuedStamp,
    /// How many were issued, those below among them; a serial that is named twice counts twice.
    pub issued: u64,
    /// How many of them are revoked.
    pub revoked: u64,
    /// How many of them an index calls expired (status E).
    pub expired: u64,
    /// What was tolerated or passed over.
    pub notes: Notes,
    /// SHA-256 of the content; of a directory, the digest of its stamp.
    pub digest: [u8; 32],
}

/// What was found in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuedLines {
    /// None: there was no line with content.
    pub kind: Option<IssuedKind>,
    /// As in [`IssuedFacts`].
    pub issued: u64,
    /// As in [`IssuedFacts`].
    pub revoked: u64,
    /// As in [`IssuedFacts`].
    pub expired: u64,
    /// As in [`IssuedFacts`].
    pub notes: Notes,
}

/// Bounds on what is read (docs/reference/limits.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssuedLimits {
    /// Most octets of a list of serials or an index.
    pub bytes_max: u64,
    /// Most octets of one of its lines.
    pub line_bytes_max: usize,
    /// Most files in a directory, those that are passed over among them.
    pub files_max: u64,
    /// Most octets of a file in it; a larger one is passed over.
    pub certificate_file_bytes_max: u64,
}

impl IssuedLimits {
    /// 1 GiB: 25 million serials, or some 8 million lines of an index.  A million files, since each is opened and its
    /// signature checked at every reading; who has more writes a list.
    pub const DEFAULT: IssuedLimits = IssuedLimits {
        bytes_max: 1 << 30,
        line_bytes_max: 64 * 1024,
        files_max: 1_000_000,
        certificate_file_bytes_max: 16 << 20,
    };
}
