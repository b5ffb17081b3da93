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

use super::line::{Entry, Link, NoLine, ReadLine};
use super::told::Told;

/// How long another process is waited for.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// Between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(5);

/// Of an octet string at the end of the file, at least one line is in here.
const LINE_BYTES_MAX: u64 = 1 << 20;

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
            (Rest::Torn { octets }, is_begun) => {
                writing.prefix = "\n";
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
        self.append(vec![Entry::new(now, BEGUN, [("after", after)])])
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
    /// A line that was cut off.
    Torn {
        octets: usize,
    },
}

impl End {
    fn of(file: &File, path: &Path) -> Result<End, AuditError> {
        let io = |source| AuditError::Io {
            path: path.to_owned(),
            source,
        };
        let length = file.metadata().map_err(io)?.len();
        let start = length.saturating_sub(2 * LINE_BYTES_MAX);
        let mut octets = vec![0; usize::try_from(length - start).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut octets, start).map_err(io)?;
        let end_of_lines = octets.iter().rposition(|octet| *octet == b'\n');
        let (lines, rest) = octets.split_at(end_of_lines.map_or(0, |at| at + 1));
        if let Ok(last) = ReadLine::parse(rest) {
            return Ok(End {
                length,
                last: Some(last),
                rest: Rest::LineWithoutEnd,
            });
        }
        let rest = match rest.len() {
            0 => Rest::Nothing,
            octets => Rest::Torn { octets },
        };
        let mut pieces = lines.rsplit(|octet| *octet == b'\n').skip(1);
        let last = match pieces.next().map(ReadLine::parse) {
            None => None,
            Some(Ok(line)) => Some(line),
            Some(Err(source)) => {
                let path = path.to_owned();
                return Err(AuditError::Damaged { path, source });
            }
        };
        Ok(End { length, last, rest })
    }
}

/// The file that was at this path before, with its last line: it is named as this one with an ending, as logrotate names
/// it, and goes furthest.
fn predecessor(path: &Path) -> Result<Option<(PathBuf, ReadLine)>, AuditError> {
    let io = |source| AuditError::Io {
        path: path.to_owned(),
        source,
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut found: Option<(PathBuf, ReadLine)> = None;
    for entry in fs::read_dir(directory).map_err(io)? {
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
