//! The file of an audit stream, which several processes append to (ADR-0017).
//!
//! Whoever writes locks it (flock), reads its last line, and writes whole lines that lead on from it.  A line that was cut
//! off, by a kill or a power cut, is marked by the next writer.  After a rotation the first line of the new file leads on
//! from the last one of the renamed file.  From: `trail` and `stream`.  To: the disk, on which all is when a function returns.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use ocspry_wire::Time;
use serde_json::{Value, json};

use super::line::{Entry, Link, NoLine, ReadLine, may_be_cut_off};
use super::told::Told;

/// How long another process is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// How much of the end of a file is read: nearly always its last line is in there, and else in the second.
const TAILS: [u64; 2] = [32 << 10, 4 << 20];

/// For those who write and those who audit.
const MODE: u32 = 0o640;

/// Why an audit file cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    #[error("the audit file {} cannot be written: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the audit file {} is locked by another process", path.display())]
    Locked { path: PathBuf },
    #[error(
        "the last line of the audit file {} is damaged ({source}): look at it with `ocspry audit verify`, and move it away to begin a new one",
        path.display()
    )]
    Damaged { path: PathBuf, source: NoLine },
}

/// Where an audit stream is.
#[derive(Clone, Debug)]
pub(crate) struct AuditFile {
    path: PathBuf,
}

/// The file, locked, with what its last line says.
#[derive(Debug)]
pub(crate) struct Writing {
    path: PathBuf,
    file: File,
    link: Link,
    /// The last line, where there is one.
    last: Option<ReadLine>,
    length: u64,
    /// What has to be written before the next line.
    prefix: &'static str,
}

impl AuditFile {
    /// At this path; nothing is opened.
    pub(crate) fn at(path: &Path) -> AuditFile {
        AuditFile {
            path: path.to_owned(),
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Locks it, makes it where there is none, and finds its end; a new file has its first line when this returns.
    ///
    /// # Errors
    /// It cannot be opened, locked, read or written; its last line is damaged.
    pub(crate) fn lock(&self, now: Time) -> Result<Writing, AuditError> {
        let path = self.path.as_path();
        let io = |source| AuditError::Io {
            path: path.to_owned(),
            source,
        };
        let file = loop {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .mode(MODE)
                .open(path)
                .map_err(io)?;
            lock(&file, path, File::try_lock)?;
            // Renamed while it was waited for: what is there now counts.
            let locked = file.metadata().map_err(io)?;
            match fs::metadata(path) {
                Ok(found) if (found.dev(), found.ino()) == (locked.dev(), locked.ino()) => {
                    break file;
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(io(error)),
            }
        };
        let end = End::of(&file, path)?;
        let mut writing = Writing {
            path: path.to_owned(),
            file,
            link: end.last.as_ref().map_or_else(Link::none, ReadLine::link),
            last: end.last,
            length: end.length,
            prefix: "",
        };
        match (end.rest, writing.last.is_some()) {
            (Rest::Nothing, true) => {}
            (Rest::Nothing, false) => writing.begin(now)?,
            (Rest::LineWithoutEnd, _) => writing.prefix = "\n",
            (Rest::Torn { octets, has_end }, is_begun) => {
                writing.prefix = if has_end { "" } else { "\n" };
                if !is_begun {
                    writing.begin(now)?;
                }
                writing.append(vec![Entry::new(now, TORN, [("octets", json!(octets))])])?;
            }
        }
        Ok(writing)
    }
}

impl Writing {
    /// How much of a ledger is told.
    pub(crate) fn told(&self) -> Told {
        let last = self.last.as_ref();
        last.map_or_else(Told::default, |line| Told::of(&line.fields))
    }

    /// The first line of a file: which one it follows.
    fn begin(&mut self, now: Time) -> Result<(), AuditError> {
        let mut after = Value::Null;
        if let Some((path, line)) = predecessor(&self.path)? {
            let name = path.file_name().unwrap_or_default();
            after = json!(name.to_string_lossy());
            self.link = line.link();
            self.last = Some(line);
        }
        self.append(vec![Entry::new(now, BEGUN, [("after", after)])])?;
        // The name is on the disk too, not the lines alone.
        let synced =
            File::open(directory_of(&self.path)).and_then(|directory| directory.sync_all());
        synced.map_err(|source| AuditError::Io {
            path: self.path.clone(),
            source,
        })
    }

    /// Appends lines; all of them are on the disk when it returns, or none is there.
    ///
    /// # Errors
    /// They cannot be written.
    pub(crate) fn append(&mut self, mut entries: Vec<Entry>) -> Result<(), AuditError> {
        let told = self.told();
        for entry in &mut entries {
            told.carry(&mut entry.fields);
        }
        let mut link = self.link.clone();
        let mut lines = self.prefix.to_owned();
        let mut start = lines.len();
        for entry in &entries {
            start = lines.len();
            lines += &link.write(entry);
        }
        let last = lines[start..].trim_end().as_bytes();
        let last = ReadLine::parse(last).map_err(|source| AuditError::Damaged {
            path: self.path.clone(),
            source,
        });
        let written = self
            .file
            .write_all(lines.as_bytes())
            .and_then(|()| self.file.sync_data());
        if let Err(source) = written {
            // What is there in part goes; where it stays, the next writer marks it.
            let _ = self.file.set_len(self.length);
            let path = self.path.clone();
            return Err(AuditError::Io { path, source });
        }
        if !entries.is_empty() {
            self.last = Some(last?);
            self.link = link;
        }
        self.prefix = "";
        self.length += lines.len() as u64;
        Ok(())
    }
}

/// What a file ends with.
struct End {
    length: u64,
    last: Option<ReadLine>,
    rest: Rest,
}

/// What stands behind the last line.
enum Rest {
    Nothing,
    /// It is the last line, and only its end is missing.
    LineWithoutEnd,
    /// A line that was cut off, and perhaps the one that should have marked it.
    Torn {
        octets: usize,
        has_end: bool,
    },
}

impl End {
    fn of(file: &File, path: &Path) -> Result<End, AuditError> {
        let io = |source| AuditError::Io {
            path: path.to_owned(),
            source,
        };
        let damaged = |source| AuditError::Damaged {
            path: path.to_owned(),
            source,
        };
        let length = file.metadata().map_err(io)?.len();
        for tail in TAILS {
            let start = length.saturating_sub(tail);
            let mut octets = vec![0; usize::try_from(length - start).unwrap_or(usize::MAX)];
            file.read_exact_at(&mut octets, start).map_err(io)?;
            let read = read_end(&octets, start == 0).map_err(damaged)?;
            if let Some((last, rest)) = read {
                return Ok(End { length, last, rest });
            }
        }
        Err(damaged(NoLine::Form))
    }
}

/// The last line in the end of a file, and what stands behind it; None: it begins before.
fn read_end(octets: &[u8], is_all: bool) -> Result<Option<(Option<ReadLine>, Rest)>, NoLine> {
    let start_of_last = |octets: &[u8]| {
        let end_before = octets.iter().rposition(|octet| *octet == b'\n');
        end_before.map_or(0, |end| end + 1)
    };
    let mut cut_off_at = start_of_last(octets);
    if let Ok(last) = ReadLine::parse(&octets[cut_off_at..]) {
        return Ok(Some((Some(last), Rest::LineWithoutEnd)));
    }
    let has_end = cut_off_at == octets.len();
    let mut pieces = Vec::new();
    let last = loop {
        let Some(lines) = octets[..cut_off_at].strip_suffix(b"\n") else {
            break None;
        };
        let start = start_of_last(lines);
        if start == 0 && !is_all {
            return Ok(None);
        }
        match ReadLine::parse(&lines[start..]) {
            Ok(line) => break Some(line),
            Err(NoLine::Changed) => return Err(NoLine::Changed),
            // Whoever was to mark it was cut off as well.
            Err(NoLine::Form) => {
                pieces.push(&lines[start..]);
                cut_off_at = start;
            }
        }
    };
    if last.is_none() && !is_all {
        return Ok(None);
    }
    let next = last.as_ref().map(|last| last.sequence + 1);
    if pieces.iter().any(|piece| !may_be_cut_off(piece, next)) {
        return Err(NoLine::Form);
    }
    let rest = match octets.len() - cut_off_at {
        0 => Rest::Nothing,
        octets => Rest::Torn {
            octets: octets - usize::from(has_end),
            has_end,
        },
    };
    Ok(Some((last, rest)))
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// The file that was at this path before, with its last line: it is named as this one with an ending, as logrotate names
/// it, and goes furthest.
fn predecessor(path: &Path) -> Result<Option<(PathBuf, ReadLine)>, AuditError> {
    let io = |source| AuditError::Io {
        path: path.to_owned(),
        source,
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut found: Option<(PathBuf, ReadLine)> = None;
    for entry in fs::read_dir(directory_of(path)).map_err(io)? {
        let entry = entry.map_err(io)?;
        let other = entry.file_name();
        let ending = other
            .to_string_lossy()
            .strip_prefix(&*name)
            .map(str::to_owned);
        if !ending.is_some_and(|ending| ending.starts_with(['.', '-'])) {
            continue;
        }
        if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        // One that is no audit file, or is compressed, is none that was written last.
        let Ok(file) = File::open(entry.path()) else {
            continue;
        };
        // Whoever had it open may just be writing its last line.
        lock(&file, &entry.path(), File::try_lock_shared)?;
        if let Ok(End {
            last: Some(last), ..
        }) = End::of(&file, &entry.path())
            && found
                .as_ref()
                .is_none_or(|(_, line)| line.sequence < last.sequence)
        {
            found = Some((entry.path(), last));
        }
    }
    Ok(found)
}

/// Waits for whoever has it, but not for ever.
fn lock(
    file: &File,
    path: &Path,
    try_lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<(), AuditError> {
    let began = Instant::now();
    loop {
        match try_lock(file) {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if began.elapsed() < LOCK_WAIT => {
                thread::park_timeout(LOCK_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                let path = path.to_owned();
                return Err(AuditError::Locked { path });
            }
            Err(TryLockError::Error(source)) => {
                let path = path.to_owned();
                return Err(AuditError::Io { path, source });
            }
        }
    }
}

/// The first line of a file.
pub(crate) const BEGUN: &str = "file-begun";

/// The line before this one was cut off.
pub(crate) const TORN: &str = "torn-end";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::verify::verify;

    const NOW: Time = Time::from_unix(1_800_000_000);

    #[test]
    fn a_last_line_of_any_length_is_found_and_gone_on_from() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let file = AuditFile::at(&path);
        for octets in [1, 40 << 10, 1 << 20, 1] {
            let ticket = json!("x".repeat(octets));
            let entry = Entry::new(NOW, "issued", [("ticket", ticket)]);
            file.lock(NOW).unwrap().append(vec![entry]).unwrap();
        }
        let verdict = verify(std::slice::from_ref(&path)).unwrap().remove(0);
        assert!(verdict.is_whole(), "{verdict:?}");
        assert_eq!(verdict.lines, 5);
    }

    #[test]
    fn zeros_that_a_power_cut_left_are_marked_and_a_line_of_another_kind_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let file = AuditFile::at(&path);
        drop(file.lock(NOW).unwrap());
        let whole = fs::read(&path).unwrap();
        for rest in [&[0; 300][..], b"{\"sequence\":2,\"ti\0\0\0"] {
            fs::write(&path, [&whole, rest].concat()).unwrap();
            drop(file.lock(NOW).unwrap());
            let verdict = verify(std::slice::from_ref(&path)).unwrap().remove(0);
            assert!(verdict.is_whole(), "{verdict:?}");
            assert_eq!(verdict.torn, [2]);
        }
        fs::write(&path, [&whole, &b"by hand\n"[..]].concat()).unwrap();
        assert!(matches!(file.lock(NOW), Err(AuditError::Damaged { .. })));
    }
}
