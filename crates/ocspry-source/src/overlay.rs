//! An overlay: a file of serials, or the word `all`, that revokes at once, whatever every other source says.
//!
//! For the day on which the CA cannot sign a list any more: it is gone, its HSM is, or nobody may touch it now.  Written by
//! hand, so a word that is not understood is an error; whoever gets it keeps the overlay that is in use.  From: a file that an
//! operator writes (docs/reference/issued-and-overlay.md).  To: a status table, laid over the others.

use std::io::BufRead;
use std::path::Path;

use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::openssl_index::reason_named;
use ocspry_wire::x509::SerialNumber;

use crate::SourceError;
use crate::fingerprint::Fingerprint;
use crate::issued::serials;
use crate::load::Onlooker;
use crate::noted::{Notes, Oddity};
use crate::text_file::{self, LineError, LineProblem, Lines, StatusFile, shown, without_comment};

/// Reads the overlay at `path` and gives its entries to `each`; a serial may come several times.
///
/// A file without a line is an overlay that revokes nothing; who reads one that was written a moment ago cannot know whether
/// that is all of it.
///
/// # Errors
/// When it is not there, or anything of it cannot be read or understood, or it changes while it is read.  What `each` was
/// given until then is to be thrown away.
pub fn read_overlay(
    path: &Path,
    limits: &OverlayLimits,
    each: impl FnMut(OverlayEntry),
) -> Result<OverlayFacts, SourceError> {
    let list = StatusFile::Overlay;
    let read = text_file::read(
        list,
        path,
        limits.bytes_max,
        Onlooker::NOBODY,
        |reader, written| read_overlay_lines(reader, written, limits.line_bytes_max, each),
    )?;
    let OverlayLines {
        serials,
        has_all,
        notes,
    } = read.parsed;
    Ok(OverlayFacts {
        written: read.fingerprint.written(),
        fingerprint: read.fingerprint,
        serials,
        has_all,
        notes,
        digest: read.digest,
    })
}

/// Reads the lines of an overlay that was written at `written`.
///
/// # Errors
/// What the reader says, and the first line that is too long or not understood.
pub fn read_overlay_lines(
    reader: impl BufRead,
    written: Time,
    line_bytes_max: usize,
    mut each: impl FnMut(OverlayEntry),
) -> Result<OverlayLines, LineError> {
    let mut found = OverlayLines::default();
    let mut lines = Lines::new(reader, line_bytes_max);
    while let Some(line) = lines.next()? {
        let entry = parse(line, written).map_err(|problem| lines.error(problem))?;
        let Some(entry) = entry else { continue };
        match &entry {
            OverlayEntry::All(_) => found.has_all = true,
            OverlayEntry::Serial(serial, _) => {
                found.serials += 1;
                serials::note_odd(serial, &mut found.notes, lines.number());
            }
        }
        each(entry);
    }
    if !lines.has_last_newline() {
        found.notes.add_line(Oddity::NoLastNewline, lines.number());
    }
    Ok(found)
}

/// What is revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OverlayEntry {
    /// Every certificate of the issuer.
    All(RevokedInfo),
    /// One certificate.
    Serial(SerialNumber, RevokedInfo),
}

/// What was found in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverlayFacts {
    /// When the file was written, which is when its lines without a time revoke; a time that was set ahead does not count.
    pub written: Time,
    /// What was there before the first octet was read: another one later means that it has changed since.
    pub fingerprint: Fingerprint,
    /// How many lines name a serial.
    pub serials: u64,
    /// Whether a line says `all`.
    pub has_all: bool,
    /// What was tolerated.
    pub notes: Notes,
    /// SHA-256 of the content.
    pub digest: [u8; 32],
}

/// What was found in lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OverlayLines {
    /// As in [`OverlayFacts`].
    pub serials: u64,
    /// As in [`OverlayFacts`].
    pub has_all: bool,
    /// As in [`OverlayFacts`].
    pub notes: Notes,
}

/// Bounds on what is read (docs/reference/limits.md).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverlayLimits {
    /// Most octets of an overlay.
    pub bytes_max: u64,
    /// Most octets of one of its lines.
    pub line_bytes_max: usize,
}

impl OverlayLimits {
    /// 64 MiB: a million serials with reason and time.  Who has more to revoke says `all`.
    pub const DEFAULT: OverlayLimits = OverlayLimits {
        bytes_max: 64 << 20,
        line_bytes_max: 64 * 1024,
    };
}

/// `SERIAL [REASON] [TIME]` or `all [REASON] [TIME]`, reason and time in any order; None for a line without content.
fn parse(line: &[u8], written: Time) -> Result<Option<OverlayEntry>, LineProblem> {
    let mut words = without_comment(line)
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let Some(first) = words.next() else {
        return Ok(None);
    };
    let serial = match first {
        all if all.eq_ignore_ascii_case(b"all") => None,
        serial => Some(serials::from_text(serial)?),
    };
    let mut reason = None;
    let mut time = None;
    for word in words {
        if let Some(known) = word_as_reason(word)? {
            once(&mut reason, known, "reason")?;
        } else if let Some(known) = word_as_time(word) {
            once(&mut time, known, "time")?;
        } else {
            return Err(LineProblem::Word {
                content: shown(word),
            });
        }
    }
    let info = |reason_default| RevokedInfo {
        revocation_time: time.unwrap_or(written),
        reason: reason.unwrap_or(reason_default),
        invalidity_date: None,
    };
    Ok(Some(match serial {
        Some(serial) => OverlayEntry::Serial(serial, info(None)),
        // RFC 6960 §2.7: all certificates of a CA are called revoked when its key is known to be compromised.
        None => OverlayEntry::All(info(Some(CrlReason::CaCompromise))),
    }))
}

/// Some(None): `unspecified`, which is written down as no reason (RFC 5280 §5.3.1).
fn word_as_reason(word: &[u8]) -> Result<Option<Option<CrlReason>>, LineProblem> {
    if word.eq_ignore_ascii_case(b"unspecified") {
        return Ok(Some(None));
    }
    if word.eq_ignore_ascii_case(b"removeFromCRL") {
        return Err(LineProblem::RemoveFromCrl);
    }
    Ok(reason_named(word).map(Some))
}

/// `YYYYMMDDHHMMSSZ` or RFC 3339 in whole seconds.
fn word_as_time(word: &[u8]) -> Option<Time> {
    Time::from_generalized(word).or_else(|| rfc_3339(word))
}

/// `2026-01-31T12:00:00Z`, or with an offset as `+01:00` (RFC 3339 §5.6); `date -Is` prints it.
fn rfc_3339(text: &[u8]) -> Option<Time> {
    let (local, offset) = text.split_at_checked(19)?;
    let mut digits = [b'Z'; 15];
    let mut free = digits.iter_mut();
    for (at, octet) in local.iter().enumerate() {
        let is_right = match at {
            4 | 7 => *octet == b'-',
            10 => octet.eq_ignore_ascii_case(&b'T'),
            13 | 16 => *octet == b':',
            _ => {
                *free.next()? = *octet;
                true
            }
        };
        if !is_right {
            return None;
        }
    }
    let local = Time::from_generalized(&digits)?;
    match offset {
        b"Z" | b"z" => Some(local),
        [sign @ (b'+' | b'-'), hours @ .., b':', tens, ones] => {
            let hours = number(hours.try_into().ok()?, 23)?;
            let minutes = number([*tens, *ones], 59)?;
            let seconds = hours * 3600 + minutes * 60;
            Some(local.plus_seconds(if *sign == b'+' { -seconds } else { seconds }))
        }
        _ => None,
    }
}

fn number(digits: [u8; 2], max: i64) -> Option<i64> {
    let [tens, ones] = digits.map(|digit| char::from(digit).to_digit(10));
    let value = i64::from(tens? * 10 + ones?);
    (value <= max).then_some(value)
}

fn once<T>(place: &mut Option<T>, value: T, what: &'static str) -> Result<(), LineProblem> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(LineProblem::Twice { what }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = "2026-06-01T00:00:00Z";

    fn read(line: &str) -> Result<String, LineProblem> {
        let written = Time::from_generalized(b"20260601000000Z").unwrap();
        let entry = parse(line.as_bytes(), written)?;
        let (what, info) = match entry {
            None => return Ok("nothing".to_owned()),
            Some(OverlayEntry::All(info)) => ("all".to_owned(), info),
            Some(OverlayEntry::Serial(serial, info)) => (serial.to_string(), info),
        };
        let reason = info.reason.map_or("-", CrlReason::name);
        Ok(format!("{what} {reason} {}", info.revocation_time))
    }

    #[test]
    fn a_bare_serial_is_revoked_without_a_reason_since_the_file_was_written() {
        for line in [
            "0A1B",
            "  0x0a1b\t",
            "0a:1b # ticket 7",
            "serial=0A1B unspecified",
        ] {
            assert_eq!(read(line).unwrap(), format!("0a1b - {WRITTEN}"), "{line}");
        }
    }

    #[test]
    fn the_word_all_is_a_compromise_of_the_ca_unless_it_says_otherwise() {
        for (line, expected) in [
            ("all", format!("all cACompromise {WRITTEN}")),
            (
                "ALL # the HSM was stolen",
                format!("all cACompromise {WRITTEN}"),
            ),
            (
                "all cessationOfOperation",
                format!("all cessationOfOperation {WRITTEN}"),
            ),
            ("all unspecified", format!("all - {WRITTEN}")),
            (
                "all 20260101000000Z",
                "all cACompromise 2026-01-01T00:00:00Z".to_owned(),
            ),
        ] {
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn reason_and_time_come_in_any_order_and_spelling() {
        let expected = "01 keyCompromise 2026-01-31T12:00:00Z";
        for line in [
            "01 keyCompromise 20260131120000Z",
            "01 2026-01-31T12:00:00Z KEYCOMPROMISE",
            "01\t2026-01-31t12:00:00z\tkeycompromise",
            "01 keyCompromise 2026-01-31T13:30:00+01:30",
            "01 keyCompromise 2026-01-30T23:00:00-13:00",
        ] {
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
        for reason in [
            "cACompromise",
            "affiliationChanged",
            "superseded",
            "cessationOfOperation",
            "certificateHold",
            "privilegeWithdrawn",
            "aACompromise",
        ] {
            assert_eq!(
                read(&format!("01 {reason}")).unwrap(),
                format!("01 {reason} {WRITTEN}")
            );
        }
    }

    #[test]
    fn blank_lines_and_comments_revoke_nothing() {
        for line in ["", "   ", "\t", "# all", "  #01"] {
            assert_eq!(read(line).unwrap(), "nothing", "{line}");
        }
    }

    #[test]
    fn a_word_that_is_not_understood_is_an_error_and_never_ignored() {
        for (line, expected) in [
            ("everything", "\"everything\" is not a serial number"),
            ("0A 1B", "\"1B\" is neither a reason"),
            (
                "01 keyCompromised",
                "\"keyCompromised\" is neither a reason",
            ),
            ("01 yesterday", "\"yesterday\" is neither a reason"),
            ("01 2026-01-31", "is neither a reason"),
            ("01 2026-02-30T12:00:00Z", "is neither a reason"),
            ("01 2026-01-31T12:00:00", "is neither a reason"),
            ("01 2026-01-31T12:00:00.5Z", "is neither a reason"),
            ("01 2026-01-31T12:00:00+24:00", "is neither a reason"),
            ("01 2026-01-31T12:00:00+1:00", "is neither a reason"),
            ("01 260131120000Z", "is neither a reason"),
            ("01 removeFromCRL", "revokes nothing"),
            ("01 superseded keyCompromise", "more than one reason"),
            ("01 20260131120000Z 20260131120000Z", "more than one time"),
            ("all all", "\"all\" is neither a reason"),
        ] {
            let problem = read(line).expect_err(line).to_string();
            assert!(problem.contains(expected), "{line}: {problem}");
        }
    }
}
