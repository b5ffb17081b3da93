//! Text files that somebody else writes, read once, line by line: lists of issued serials, OpenSSL's index, overlays.
//!
//! A list of issued certificates that is read by half turns the other half into certificates that never were.  So a file
//! is read from its first octet to its last without growing with it, and where anything is wrong (a line that is not
//! understood, an end that comes too early, a file changed under the reader) there is an error and no list.
//! From: files of any size and content.  To: `issued` and `overlay`, which know what a line means.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use ocspry_core::crypto::Sha256;
use ocspry_wire::Time;

use crate::SourceError;
use crate::fingerprint::{Fingerprint, open_at_once, other_than_a_file};
use crate::load::{Onlooker, Progress};

/// What a file is for, in the words of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusFile {
    /// What a CA has issued.
    Issued,
    /// What is revoked at once.
    Overlay,
}

impl fmt::Display for StatusFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StatusFile::Issued => "issued list",
            StatusFile::Overlay => "overlay",
        })
    }
}

/// What a file was when it was read.
pub(crate) struct FileRead<T> {
    /// What was made of its lines.
    pub(crate) parsed: T,
    /// Taken before the first octet, so that a later change shows.
    pub(crate) fingerprint: Fingerprint,
    /// SHA-256 of all octets.
    pub(crate) digest: [u8; 32],
}

/// Reads the file at `path` through `parse`, to which its time of writing is told.
///
/// A file that was replaced by rename while it was read is the old one, whole; one that was written into is refused.
///
/// # Errors
/// `ListUnreadable`, `ListNotAFile`, `ListTooLarge`, `ListChanged`, and `ListLine` for what `parse` says.
pub(crate) fn read<T>(
    list: StatusFile,
    path: &Path,
    bytes_max: u64,
    onlooker: Onlooker<'_>,
    parse: impl FnOnce(&mut BufReader<Measured<'_>>, Time) -> Result<T, LineError>,
) -> Result<FileRead<T>, SourceError> {
    let unreadable = |source| unreadable(list, path, source);
    let file = open_at_once(path).map_err(unreadable)?;
    let before = file.metadata().map_err(unreadable)?;
    if let Some(found) = other_than_a_file(&before) {
        return Err(SourceError::ListNotAFile {
            list,
            path: path.to_owned(),
            found,
        });
    }
    let too_large = |bytes| SourceError::ListTooLarge {
        list,
        path: path.to_owned(),
        bytes,
        bytes_max,
    };
    if before.len() > bytes_max {
        return Err(too_large(before.len()));
    }
    let fingerprint = Fingerprint::from(&before);
    let measured = Measured {
        file: file.take(bytes_max + 1),
        hash: Sha256::new(),
        bytes: 0,
        bytes_expected: before.len(),
        onlooker,
    };
    let mut reader = BufReader::with_capacity(BUFFER_BYTES, measured);
    let parsed = parse(&mut reader, fingerprint.written());
    let measured = reader.into_inner();
    let after = measured.file.get_ref().metadata().map_err(unreadable)?;
    if measured.bytes > bytes_max {
        return Err(too_large(measured.bytes));
    }
    // Another length or time of the same file: somebody wrote into it, and what was read may be of two versions.
    let is_whole = |parsed: &Result<T, _>| parsed.is_err() || measured.bytes == before.len();
    if after.len() != before.len()
        || after.modified().ok() != before.modified().ok()
        || !is_whole(&parsed)
    {
        return Err(SourceError::ListChanged {
            list,
            path: path.to_owned(),
        });
    }
    match parsed {
        Ok(parsed) => Ok(FileRead {
            parsed,
            fingerprint,
            digest: measured.hash.finish(),
        }),
        Err(LineError::Io(source)) => Err(unreadable(source)),
        Err(LineError::Line { line, problem }) => Err(SourceError::ListLine {
            list,
            path: path.to_owned(),
            line,
            problem,
        }),
    }
}

/// An onlooker ended the reading.
pub(crate) fn ended(list: StatusFile, path: &Path) -> SourceError {
    unreadable(list, path, ENDED.into())
}

/// Not `Interrupted`, after which a reader tries again.
const ENDED: io::ErrorKind = io::ErrorKind::TimedOut;

/// What the system said of a file.
pub(crate) fn unreadable(list: StatusFile, path: &Path, source: io::Error) -> SourceError {
    SourceError::ListUnreadable {
        list,
        path: path.to_owned(),
        source: Arc::new(source),
    }
}

/// Counts and hashes what goes by.
pub(crate) struct Measured<'a> {
    file: io::Take<File>,
    hash: Sha256,
    bytes: u64,
    bytes_expected: u64,
    onlooker: Onlooker<'a>,
}

impl Read for Measured<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !(self.onlooker.goes_on)() {
            return Err(ENDED.into());
        }
        let count = self.file.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        (self.onlooker.show)(Progress::Reading {
            read: self.bytes,
            of: self.bytes_expected,
        });
        Ok(count)
    }
}

/// Why the lines of a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// They cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// One of them is not what it should be.
    #[error("line {line}: {problem}")]
    Line {
        /// Counted from 1.
        line: u64,
        /// What is wrong there.
        problem: LineProblem,
    },
}

/// What is wrong with a line; what it holds is escaped and shortened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineProblem {
    /// More octets than are read of one line.
    #[error("is longer than {bytes_max} octets; is it a text file?")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// A NUL octet, which no text has.
    #[error("holds a NUL octet; is it a text file?")]
    Nul,
    /// A certificate or the like, where serials should be.
    #[error(
        "is the beginning of a PEM block, not a serial number; to read certificates, name the directory that holds them"
    )]
    Pem,
    /// Not hex.
    #[error(
        "{content} is not a serial number in hex; write one to a line, as `openssl x509 -noout -serial` prints it"
    )]
    NotASerial {
        /// What stands there.
        content: String,
    },
    /// A serial number longer than any that is carried.
    #[error("the serial number {content} is too long to be one")]
    SerialTooLong {
        /// What stands there.
        content: String,
    },
    /// Not the fields of OpenSSL's index.
    #[error(
        "has {found} fields where an OpenSSL index has 6, parted by tabs; was the file copied completely?"
    )]
    FieldCount {
        /// How many it has (a line with many more is not counted to its end).
        found: usize,
    },
    /// Neither V nor R nor E.
    #[error("{content} is no status of an OpenSSL index (V, R or E)")]
    Status {
        /// What stands there.
        content: String,
    },
    /// A time that is not one.
    #[error("{content} is not a time; an OpenSSL index has YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ")]
    IndexTime {
        /// What stands there.
        content: String,
    },
    /// Revoked, but not since when.
    #[error("is revoked (R) without a revocation date")]
    NoRevocationTime,
    /// Not revoked, but since when.
    #[error(
        "has the revocation date {content}, but its status is not R; correct the one or the other"
    )]
    NotRevoked {
        /// What stands there.
        content: String,
    },
    /// After the serial number, something that is neither reason nor time.
    #[error(
        "{content} is neither a reason of RFC 5280 (such as keyCompromise) nor a time (YYYYMMDDHHMMSSZ, or as \
         2026-01-31T12:00:00Z)"
    )]
    Word {
        /// What stands there.
        content: String,
    },
    /// removeFromCRL, in a file that can only revoke.
    #[error("removeFromCRL revokes nothing; to take a revocation back, remove the line")]
    RemoveFromCrl,
    /// Two reasons, or two times.
    #[error("has more than one {what}")]
    Twice {
        /// What there is too much of.
        what: &'static str,
    },
}

/// What stands in a line, for people: quoted, without control characters, and not more than a message can bear.
pub(crate) fn shown(content: &[u8]) -> String {
    let text = &content[..content.len().min(SHOWN_BYTES_MAX)];
    let more = if text.len() < content.len() {
        "…"
    } else {
        ""
    };
    format!("\"{}{more}\"", text.escape_ascii())
}

/// The lines of a file, one at a time.
pub(crate) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
    number: u64,
    line_bytes_max: usize,
    has_last_newline: bool,
}

impl<R: BufRead> Lines<R> {
    /// Nothing is read yet.
    pub(crate) fn new(reader: R, line_bytes_max: usize) -> Lines<R> {
        Lines {
            reader,
            line: Vec::new(),
            number: 0,
            line_bytes_max,
            has_last_newline: true,
        }
    }

    /// The next line without its end (LF or CRLF), the first one without a byte order mark.
    ///
    /// # Errors
    /// What the reader says, and `TooLong`.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, LineError> {
        self.line.clear();
        // Room for CR LF.
        let bytes_max = self.line_bytes_max as u64 + 2;
        let count = self
            .reader
            .by_ref()
            .take(bytes_max)
            .read_until(b'\n', &mut self.line)?;
        if count == 0 {
            return Ok(None);
        }
        self.number += 1;
        let mut line = &self.line[..];
        self.has_last_newline = line.ends_with(b"\n");
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.line_bytes_max {
            return Err(self.error(LineProblem::TooLong {
                bytes_max: self.line_bytes_max,
            }));
        }
        if self.number == 1 {
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        }
        Ok(Some(line))
    }

    /// The number of the line that was read last, counted from 1.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// False when the last line had no end: it may have been cut.
    pub(crate) fn has_last_newline(&self) -> bool {
        self.has_last_newline
    }

    /// A problem with the line that was read last.
    pub(crate) fn error(&self, problem: LineProblem) -> LineError {
        LineError::Line {
            line: self.number,
            problem,
        }
    }
}

/// A line of serials without its comment and without blanks around; empty when nothing is left.
pub(crate) fn without_comment(line: &[u8]) -> &[u8] {
    let end = line.iter().position(|octet| *octet == b'#');
    line[..end.unwrap_or(line.len())].trim_ascii()
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BUFFER_BYTES: usize = 64 * 1024;
const SHOWN_BYTES_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8], line_bytes_max: usize) -> Result<Vec<Vec<u8>>, LineError> {
        // A reader of three octets at a time: lines span its pieces.
        let mut lines = Lines::new(BufReader::with_capacity(3, text), line_bytes_max);
        let mut all = Vec::new();
        while let Some(line) = lines.next()? {
            all.push(line.to_vec());
        }
        Ok(all)
    }

    #[test]
    fn lines_end_in_lf_or_crlf_or_with_the_file_and_a_byte_order_mark_is_none_of_them() {
        let expected = [&b"one"[..], b"", b"three"];
        for text in [
            &b"one\n\nthree\n"[..],
            b"one\r\n\r\nthree\r\n",
            b"one\n\nthree",
            b"\xef\xbb\xbfone\n\r\nthree",
        ] {
            assert_eq!(lines(text, 8).unwrap(), expected, "{}", text.escape_ascii());
        }
        assert!(lines(b"", 5).unwrap().is_empty());
    }

    #[test]
    fn a_line_beyond_the_limit_is_named_and_not_read() {
        for text in [&b"fits5\n123456\n"[..], b"fits5\r\n123456", b"\n123456789"] {
            let error = lines(text, 5).unwrap_err().to_string();
            assert_eq!(error, "line 2: is longer than 5 octets; is it a text file?");
        }
        let endless = io::repeat(b'0').take(u64::MAX);
        let mut lines = Lines::new(BufReader::new(endless), 64 * 1024);
        assert!(lines.next().is_err());
        assert!(lines.line.capacity() < 256 * 1024);
    }

    #[test]
    fn what_a_message_shows_is_short_and_has_no_control_characters() {
        assert_eq!(shown(b"\x1b[2J\n\xff"), r#""\x1b[2J\n\xff""#);
        let long = shown(&[b'a'; 1000]);
        assert_eq!(long, format!("\"{}…\"", "a".repeat(40)));
    }
}
