//! Overlays: what revokes at once, and what must never be read as "nothing is revoked".

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use ocspry_source::{Oddity, OverlayEntry, OverlayFacts, OverlayLimits, SourceError, read_overlay};
use ocspry_wire::ocsp::CrlReason;
use tempfile::TempDir;

fn read(path: &Path) -> Result<(Vec<OverlayEntry>, OverlayFacts), SourceError> {
    let mut entries = Vec::new();
    let facts = read_overlay(path, &OverlayLimits::DEFAULT, |entry| entries.push(entry))?;
    Ok((entries, facts))
}

#[test]
fn lines_without_a_time_revoke_since_the_file_was_written() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("overlay.txt");
    fs::write(
        &path,
        "# the HSM is gone\r\n0A1B\r\n0A1C keyCompromise 2026-01-31T12:00:00Z\r\nall\r\n",
    )
    .unwrap();
    let file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000))
        .unwrap();

    let (entries, facts) = read(&path).unwrap();
    let [
        OverlayEntry::Serial(first, since_writing),
        OverlayEntry::Serial(second, since_then),
        OverlayEntry::All(all),
    ] = entries[..]
    else {
        panic!("{entries:?}");
    };
    assert_eq!(
        (first.to_string(), second.to_string()),
        ("0a1b".to_owned(), "0a1c".to_owned())
    );
    assert_eq!(since_writing.revocation_time.unix_seconds(), 1_700_000_000);
    assert_eq!(since_writing.reason, None);
    assert_eq!(
        since_then.revocation_time.to_string(),
        "2026-01-31T12:00:00Z"
    );
    assert_eq!(since_then.reason, Some(CrlReason::KeyCompromise));
    assert_eq!(all.revocation_time, since_writing.revocation_time);
    assert_eq!(all.reason, Some(CrlReason::CaCompromise));
    assert_eq!((facts.serials, facts.has_all), (2, true));
    assert_eq!(facts.written, since_writing.revocation_time);
}

#[test]
fn an_empty_overlay_revokes_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("overlay.txt");
    for content in ["", "\n", "# nothing now\n", "\u{feff}"] {
        fs::write(&path, content).unwrap();
        let (entries, facts) = read(&path).unwrap();
        assert!(entries.is_empty());
        assert_eq!((facts.serials, facts.has_all), (0, false));
    }
}

#[test]
fn an_overlay_that_is_missing_damaged_or_no_file_is_an_error_so_that_the_last_good_one_stays() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("overlay.txt");
    let expect = |expected: &str| {
        let error = read(&path).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("overlay {}: ", path.display())),
            "{error}"
        );
        assert!(error.contains(expected), "{error}");
    };
    expect("cannot be read: No such file or directory");
    for (content, expected) in [
        (
            &b"0A\n0B keycompromised\n"[..],
            "line 2: \"keycompromised\" is neither a reason",
        ),
        (b"0A\0\n", "line 1: \"0A\\x00\" is not a serial number"),
        (
            b"0A removeFromCRL\n",
            "line 1: removeFromCRL revokes nothing",
        ),
        (b"\xff\xfea\0l\0l\0", "line 1: "),
    ] {
        fs::write(&path, content).unwrap();
        expect(expected);
    }
    fs::write(&path, vec![b'a'; 1_000_000]).unwrap();
    expect("line 1: is longer than 65536 octets");
    fs::write(&path, vec![b'\n'; (64 << 20) + 1]).unwrap();
    expect("more than the limit of 67108864");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    expect("is a directory, not a file");
}

#[test]
fn an_overlay_emptied_while_it_is_read_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("overlay.txt");
    fs::write(&path, "01\n".repeat(100_000)).unwrap();
    let read = read_overlay(&path, &OverlayLimits::DEFAULT, |_| {
        fs::write(&path, "").unwrap()
    });
    let error = read.unwrap_err().to_string();
    assert!(error.contains("was changed while it was read"), "{error}");
}

#[test]
fn a_last_line_without_an_end_counts_and_is_told() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("overlay.txt");
    fs::write(&path, "01\n02").unwrap();
    let (entries, facts) = read(&path).unwrap();
    assert_eq!(entries.len(), 2);
    assert_eq!(facts.notes.count(Oddity::NoLastNewline), 1);
}
