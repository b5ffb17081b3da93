//! The last good copy of what was issued: a text in the state directory, and read again from there.
//!
//! From: a list of any kind, read once more for it, since no table has the ends of the certificates.  To: the next start,
//! which compares what it finds with it.  The first line says which list it is a copy of, by kind and digest; where that
//! knows when certificates end, the others are those of an OpenSSL index, else they are serials.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::path::Path;

use ocspry_core::OwnedCertificate;
use ocspry_wire::Time;
use ocspry_wire::hex::{from_hex, to_hex};
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};

use super::known::Known;
use crate::SourceError;
use crate::fingerprint::open_at_once;
use crate::held;
use crate::issued::{IssuedEntry, IssuedKind, IssuedLimits, read_issued};
use crate::load::Onlooker;
use crate::state::{StateStep, step};
use crate::text_file::{StatusFile, unreadable};

/// Writes what is at `source` into `target`, which is called `path`.
///
/// # Errors
/// `StateWrite`; or it cannot be read any more, or is another list than `digest` says.
pub(super) fn write(
    source: &Path,
    issuer: &OwnedCertificate,
    known: &Known,
    target: &mut File,
    path: &Path,
) -> Result<(), SourceError> {
    let mut target = BufWriter::new(target);
    let mut written = writeln!(
        target,
        "# {}{DIGEST}{}",
        known.facts.kind,
        to_hex(&known.facts.digest)
    );
    let facts = read_issued(source, issuer, &IssuedLimits::DEFAULT, |entry| {
        if written.is_ok() {
            written = write_entry(&mut target, &entry);
        }
    })?;
    let written = written.and_then(|()| target.flush());
    step(StateStep::Write, path, || written)?;
    if facts.digest == known.facts.digest {
        Ok(())
    } else {
        Err(SourceError::ListChanged {
            list: StatusFile::Issued,
            path: source.to_owned(),
        })
    }
}

fn write_entry(target: &mut impl Write, entry: &IssuedEntry) -> io::Result<()> {
    let serial = held::text(&entry.serial_number);
    let Some(not_after) = entry.not_after.map(generalized) else {
        return writeln!(target, "{serial}");
    };
    match &entry.revoked {
        None => writeln!(target, "V\t{not_after}\t\t{serial}\tunknown\t"),
        Some(info) => {
            let revocation = revocation(info);
            writeln!(target, "R\t{not_after}\t{revocation}\t{serial}\tunknown\t")
        }
    }
}

/// As `issued::index` reads it.
fn revocation(info: &RevokedInfo) -> String {
    let time = generalized(info.revocation_time);
    match (info.reason, info.invalidity_date.map(generalized)) {
        (None, _) => time,
        (Some(CrlReason::KeyCompromise), Some(date)) => format!("{time},keyTime,{date}"),
        (Some(CrlReason::CaCompromise), Some(date)) => format!("{time},CAkeyTime,{date}"),
        (Some(reason), _) => format!("{time},{}", reason.name()),
    }
}

fn generalized(time: Time) -> String {
    String::from_utf8_lossy(&time.to_generalized()).into_owned()
}

/// The copy at `path`, as of `written`.
///
/// # Errors
/// It is not there, or cannot be understood.
pub(super) fn read(
    path: &Path,
    issuer: &OwnedCertificate,
    written: Time,
    now: Time,
) -> Result<Known, SourceError> {
    let (kind, digest) =
        original(path).map_err(|source| unreadable(StatusFile::Issued, path, source))?;
    let mut known = Known::read(path, issuer, &LIMITS, now, Onlooker::NOBODY)?;
    known.facts.kind = kind;
    known.facts.digest = digest;
    known.facts.written = written;
    known.confirmed = written;
    Ok(known)
}

/// What is at `path` is a copy of that list.
pub(super) fn is_copy(path: &Path, known: &Known) -> bool {
    original(path).is_ok_and(|(_, digest)| digest == known.facts.digest)
}

/// Which list it is a copy of.
fn original(path: &Path) -> io::Result<(IssuedKind, [u8; 32])> {
    let mut line = String::new();
    BufReader::new(open_at_once(path)?.take(FIRST_LINE_BYTES_MAX)).read_line(&mut line)?;
    let kinds = [
        IssuedKind::Serials,
        IssuedKind::Index,
        IssuedKind::Certificates,
    ];
    let parse = || {
        let (kind, digest) = line.trim_end().strip_prefix("# ")?.split_once(DIGEST)?;
        let kind = kinds.into_iter().find(|known| kind == known.to_string())?;
        Some((kind, from_hex(digest)?.try_into().ok()?))
    };
    let odd = "its first line does not say which list it is a copy of";
    parse().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, odd))
}

const DIGEST: &str = " SHA-256 ";
const FIRST_LINE_BYTES_MAX: u64 = 256;

/// Some octets more for each certificate than an index of the same may have.
const LIMITS: IssuedLimits = IssuedLimits {
    bytes_max: 8 << 30,
    ..IssuedLimits::DEFAULT
};
