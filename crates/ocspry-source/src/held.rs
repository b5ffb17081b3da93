//! What the guard holds back, as files: one serial a line, revoked ones in the format of an overlay.
//!
//! From: `slot`, when much has vanished from a list, and `beside`, when a list of what was issued takes much back.  To: the
//! state directory, and from there after a restart.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use ocspry_core::{
    IssuedSerials, IssuedSerialsBuilder, Revocation, RevokedSerials, RevokedSerialsBuilder,
};
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

use crate::SourceError;
use crate::issued::read_issued_lines;
use crate::load::Onlooker;
use crate::overlay::{OverlayEntry, OverlayLimits, read_overlay};
use crate::state::{self, KeptSeries};
use crate::text_file::{self, StatusFile};

/// What was held; None when nothing was.
///
/// # Errors
/// The file is there and cannot be understood.
pub(crate) fn read(series: &KeptSeries) -> Result<Option<Arc<RevokedSerials>>, SourceError> {
    let mut held = RevokedSerialsBuilder::new();
    let is_there = each_revoked(&series.folder().join(HELD), |serial, info| {
        held.push(&serial, Revocation::Revoked(info));
    })?;
    Ok(is_there.then(|| Arc::new(held.build())))
}

/// Something was held of lists, and is written down.
pub(crate) fn is_there(series: &KeptSeries) -> bool {
    series.folder().join(HELD).exists()
}

/// Reads a file of revoked serials; false when there is none.
///
/// # Errors
/// It is there and cannot be understood.
pub(crate) fn each_revoked(
    path: &Path,
    mut each: impl FnMut(SerialNumber, RevokedInfo),
) -> Result<bool, SourceError> {
    if !path.exists() {
        return Ok(false);
    }
    read_overlay(path, &LIMITS, |entry| match entry {
        OverlayEntry::All(_) => {}
        OverlayEntry::Serial(serial, info) => each(serial, info),
    })?;
    Ok(true)
}

/// Writes it; without anything held, removes it.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn write(series: &KeptSeries, held: Option<&RevokedSerials>) -> Result<(), SourceError> {
    let Some(held) = held else {
        return state::remove(&series.folder().join(HELD));
    };
    series.write_beside(HELD, |file| write_revoked(file, held))
}

/// Writes a file of revoked serials.
///
/// # Errors
/// What the system says.
pub(crate) fn write_revoked(file: &mut File, revoked: &RevokedSerials) -> io::Result<()> {
    let mut file = BufWriter::new(file);
    for (serial, revocation) in revoked.iter() {
        if let Revocation::Revoked(info) = revocation {
            let time = info.revocation_time.to_generalized();
            let reason = info.reason.map_or("", CrlReason::name);
            writeln!(
                file,
                "{} {} {reason}",
                text(&serial),
                String::from_utf8_lossy(&time)
            )?;
        }
    }
    file.flush()
}

/// What was named and still counts as issued; None when nothing was held.
///
/// # Errors
/// The file is there and cannot be understood.
pub(crate) fn read_issued(series: &KeptSeries) -> Result<Option<Arc<IssuedSerials>>, SourceError> {
    let mut held = IssuedSerialsBuilder::new();
    let is_there = each_serial(&series.folder().join(HELD_ISSUED), |serial| {
        held.push(&serial);
    })?;
    Ok(is_there.then(|| Arc::new(held.build())))
}

/// Reads a file of serials; false when there is none.
///
/// # Errors
/// It is there and cannot be understood.
pub(crate) fn each_serial(
    path: &Path,
    mut each: impl FnMut(SerialNumber),
) -> Result<bool, SourceError> {
    if !path.exists() {
        return Ok(false);
    }
    text_file::read(
        StatusFile::Issued,
        path,
        LIMITS.bytes_max,
        Onlooker::NOBODY,
        |reader, _| {
            read_issued_lines(reader, LIMITS.line_bytes_max, |entry| {
                each(entry.serial_number);
            })
        },
    )?;
    Ok(true)
}

/// Writes it; without anything held, removes it.
///
/// # Errors
/// The state directory cannot be written.
pub(crate) fn write_issued(
    series: &KeptSeries,
    held: Option<&IssuedSerials>,
) -> Result<(), SourceError> {
    let Some(held) = held else {
        return state::remove(&series.folder().join(HELD_ISSUED));
    };
    series.write_beside(HELD_ISSUED, |file| {
        let mut file = BufWriter::new(file);
        for serial in held.iter() {
            writeln!(file, "{}", text(&serial))?;
        }
        file.flush()
    })
}

/// As a line of a list has it: hex digits of the magnitude, after a minus sign where there is one.
pub(crate) fn text(serial: &SerialNumber) -> String {
    if !serial.is_negative() {
        return to_hex(serial.content());
    }
    // Two's complement: all bits turned, and one added.
    let mut magnitude: Vec<u8> = serial.content().iter().map(|octet| !octet).collect();
    for octet in magnitude.iter_mut().rev() {
        let (sum, has_carry) = octet.overflowing_add(1);
        *octet = sum;
        if !has_carry {
            break;
        }
    }
    format!("-{}", to_hex(&magnitude))
}

/// Such a file.
pub(crate) fn is_of_guard(path: &Path) -> bool {
    let name = path.file_name();
    name.is_some_and(|name| name == HELD || name == HELD_ISSUED)
}

pub(crate) const HELD: &str = "held-removals.txt";
const HELD_ISSUED: &str = "held-issued.txt";

/// As much as a list may hold.
const LIMITS: OverlayLimits = OverlayLimits {
    bytes_max: 8 << 30,
    ..OverlayLimits::DEFAULT
};
