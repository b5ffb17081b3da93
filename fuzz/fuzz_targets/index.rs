//! The readers of lines: any octets are a list of serials, an index or an overlay, or an error that names one of its lines.

#![no_main]

use std::fmt::Write as _;
use std::io::BufReader;

use libfuzzer_sys::fuzz_target;
use ocspry_source::issued::{IssuedLines, read_issued_lines};
use ocspry_source::overlay::{OverlayLines, read_overlay_lines};
use ocspry_source::{IssuedEntry, IssuedKind, LineError, OverlayEntry};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::openssl_index::IndexLine;
use ocspry_wire::x509::SerialNumber;

/// Short, so that lines beyond it are met.
const LINE_BYTES_MAX: usize = 300;

fuzz_target!(|input: &[u8]| {
    issued(input);
    overlay(input);
    lines(input);
});

/// A line that is read and written again says the same.
fn lines(input: &[u8]) {
    for line in input.split(|octet| *octet == b'\n') {
        let Ok(read) = IndexLine::parse(line) else {
            continue;
        };
        let mut written = Vec::new();
        read.push(&mut written);
        assert_eq!(written.pop(), Some(b'\n'));
        assert_eq!(IndexLine::parse(&written), Ok(read));
    }
}

fn issued(input: &[u8]) {
    let whole = read_issued(input, input.len());
    assert_eq!(
        whole,
        read_issued(input, 1),
        "the pieces it comes in do not matter"
    );
    let (entries, lines) = match whole {
        Ok(found) => found,
        Err(error) => return assert_names_a_line(&error, input),
    };
    assert_eq!(lines.issued, entries.len() as u64);
    let revoked = entries.iter().filter(|entry| entry.revoked.is_some());
    assert_eq!(lines.revoked, revoked.count() as u64);
    assert!(lines.revoked + lines.expired <= lines.issued);
    assert_eq!(lines.kind.is_none(), entries.is_empty());

    let mut index = String::new();
    for entry in &entries {
        assert!(entry.serial_number.is_minimal());
        let is_index = lines.kind == Some(IssuedKind::Index);
        assert_eq!(entry.not_after.is_some(), is_index);
        write_index_line(&mut index, entry);
    }
    let (again, _) = read_issued(index.as_bytes(), 64).unwrap();
    assert_eq!(again.len(), entries.len());
    for (again, entry) in again.iter().zip(&entries) {
        assert_eq!(again.serial_number, entry.serial_number);
        assert_eq!(again.revoked, entry.revoked);
        assert_eq!(again.not_after, entry.not_after.or(Some(Time::MAX)));
    }
}

fn overlay(input: &[u8]) {
    let whole = read_overlay(input, input.len());
    assert_eq!(
        whole,
        read_overlay(input, 1),
        "the pieces it comes in do not matter"
    );
    let (entries, lines) = match whole {
        Ok(found) => found,
        Err(error) => return assert_names_a_line(&error, input),
    };
    let mut text = String::new();
    let mut serials_count = 0;
    for entry in &entries {
        let info = match entry {
            OverlayEntry::All(info) => {
                text.push_str("all");
                info
            }
            OverlayEntry::Serial(serial, info) => {
                assert!(serial.is_minimal());
                serials_count += 1;
                text.push_str(&signed_hex(serial));
                info
            }
        };
        assert_eq!(info.invalidity_date, None);
        let reason = info.reason.map_or("unspecified", CrlReason::name);
        let _ = writeln!(text, " {} {reason}", info.revocation_time);
    }
    assert_eq!(lines.serials, serials_count);
    assert_eq!(lines.has_all, entries.len() as u64 > serials_count);
    let (again, _) = read_overlay(text.as_bytes(), 64).unwrap();
    assert_eq!(again, entries);
}

/// Through a buffer of so many octets; errors as text.
fn read_issued(
    input: &[u8],
    buffer_bytes: usize,
) -> Result<(Vec<IssuedEntry>, IssuedLines), String> {
    let mut entries = Vec::new();
    let reader = BufReader::with_capacity(buffer_bytes.max(1), input);
    let lines =
        read_issued_lines(reader, LINE_BYTES_MAX, |entry| entries.push(entry)).map_err(told)?;
    Ok((entries, lines))
}

fn read_overlay(
    input: &[u8],
    buffer_bytes: usize,
) -> Result<(Vec<OverlayEntry>, OverlayLines), String> {
    let mut entries = Vec::new();
    let reader = BufReader::with_capacity(buffer_bytes.max(1), input);
    let written = Time::from_unix(1_700_000_000);
    let lines = read_overlay_lines(reader, written, LINE_BYTES_MAX, |entry| entries.push(entry))
        .map_err(told)?;
    Ok((entries, lines))
}

fn told(error: LineError) -> String {
    let LineError::Line { line, .. } = &error else {
        panic!("a slice can be read: {error}");
    };
    assert!(*line > 0);
    let message = error.to_string();
    assert!(message.len() < 500 && !message.contains(char::is_control));
    message
}

fn assert_names_a_line(message: &str, input: &[u8]) {
    let (number, _) = message["line ".len()..].split_once(':').unwrap();
    let lines_count = input.split(|octet| *octet == b'\n').count();
    assert!((1..=lines_count).contains(&number.parse().unwrap()));
}

fn write_index_line(index: &mut String, entry: &IssuedEntry) {
    let not_after = generalized(entry.not_after.unwrap_or(Time::MAX));
    let serial = signed_hex(&entry.serial_number);
    let (status, revocation) = match &entry.revoked {
        None => ('V', String::new()),
        Some(info) => ('R', revocation(info)),
    };
    let _ = writeln!(
        index,
        "{status}\t{not_after}\t{revocation}\t{serial}\tunknown\t/CN=a"
    );
}

fn revocation(info: &RevokedInfo) -> String {
    let time = generalized(info.revocation_time);
    match (info.reason, info.invalidity_date) {
        (None, None) => time,
        (Some(reason), None) => format!("{time},{}", reason.name()),
        (Some(CrlReason::KeyCompromise), Some(since)) => {
            format!("{time},keyTime,{}", generalized(since))
        }
        (Some(CrlReason::CaCompromise), Some(since)) => {
            format!("{time},CAkeyTime,{}", generalized(since))
        }
        other => panic!("no index says so: {other:?}"),
    }
}

fn generalized(time: Time) -> String {
    String::from_utf8_lossy(&time.to_generalized()).into_owned()
}

/// As OpenSSL writes numbers: the magnitude, after a minus sign if need be.
fn signed_hex(serial: &SerialNumber) -> String {
    if !serial.is_negative() {
        return serial.to_string();
    }
    let mut octets = serial.content().to_vec();
    let mut carry = true;
    for octet in octets.iter_mut().rev() {
        (*octet, carry) = (!*octet).overflowing_add(u8::from(carry));
    }
    let hex: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
    format!("-{hex}")
}
