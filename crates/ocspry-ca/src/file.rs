//! Writes keys, certificates and CRLs: whole or not at all, as PEM or DER.  From: `key.rs` and callers.  To: disk.
//!
//! Whoever watches the file (a running `ocspry serve` does) sees the old content or the new one, never half of it, also
//! after a power cut.

use crate::CaError;
use aws_lc_rs::rand;
use der::pem::{self, LineEnding};
use ocspry_wire::hex::to_hex;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAccess {
    /// Its owner only (mode 0600).
    Private,
    /// Everybody (mode 0644, less the umask).
    Public,
    /// Everybody (mode 0644, whatever the umask): it is made to be read by others.
    Published,
}

impl FileAccess {
    fn mode(self) -> u32 {
        match self {
            FileAccess::Private => 0o600,
            FileAccess::Public | FileAccess::Published => 0o644,
        }
    }
}

/// Writes a file whole or not at all; replaces what is there.
///
/// The content goes to a new file in the same directory, which is flushed to disk and renamed; then the directory is
/// flushed.  A run that was killed in between leaves that new file; the next one removes it.
///
/// # Errors
/// When one of these steps fails; the file that was there stays, unless only the last step failed.
pub fn write_file(path: &Path, content: &[u8], access: FileAccess) -> Result<(), CaError> {
    write_file_with(path, access, |file| {
        file.write_all(content).map_err(|source| CaError::Write {
            path: path.to_owned(),
            source,
        })
    })
}

/// As [`write_file`], with a content that is made when the file is open, piece by piece: where none can be written, none is
/// made.
///
/// # Errors
/// As [`write_file`], and what the content cannot be made for.
pub fn write_file_with<E: From<CaError>>(
    path: &Path,
    access: FileAccess,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let error = |source| CaError::Write {
        path: path.to_owned(),
        source,
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    let Some(file_name) = path.file_name() else {
        let source = io::Error::new(io::ErrorKind::InvalidInput, "the path names no file");
        return Err(error(source).into());
    };
    remove_leftovers(directory, file_name);
    let (temporary, file) = create(directory, file_name, access, error)?;
    let written = (|| -> Result<(), E> {
        if access == FileAccess::Published {
            file.set_permissions(Permissions::from_mode(access.mode()))
                .map_err(error)?;
        }
        let mut file = BufWriter::new(file);
        content(&mut file)?;
        let file = file
            .into_inner()
            .map_err(|failed| error(failed.into_error()))?;
        file.sync_all().map_err(error)?;
        Ok(fs::rename(&temporary, path).map_err(error)?)
    })();
    if written.is_err() {
        // It may not exist; the error to report is the first one.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(synced.map_err(error)?)
}

/// `.NAME.RANDOM.tmp`: nobody who may write to the directory can have put a file of their own there before.
fn temporary_path(directory: &Path, file_name: &OsStr) -> Result<PathBuf, CaError> {
    let mut random = [0; RANDOM_OCTETS];
    rand::fill(&mut random).map_err(|_| CaError::Random)?;
    let mut name = OsString::from(".");
    name.push(file_name);
    name.push(format!(".{}.tmp", to_hex(&random)));
    Ok(directory.join(name))
}

fn is_temporary(name: &OsStr, file_name: &OsStr) -> bool {
    let random = name
        .as_encoded_bytes()
        .strip_prefix(b".")
        .and_then(|name| name.strip_prefix(file_name.as_encoded_bytes()))
        .and_then(|name| name.strip_prefix(b"."))
        .and_then(|name| name.strip_suffix(b".tmp"));
    random.is_some_and(|random| {
        random.len() == 2 * RANDOM_OCTETS && random.iter().all(u8::is_ascii_hexdigit)
    })
}

/// Removes what runs that were killed left of this file.  Whoever still writes to such a one has it locked; what cannot be
/// removed stays.
fn remove_leftovers(directory: &Path, file_name: &OsStr) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_temporary(&entry.file_name(), file_name) {
            let Ok(file) = File::open(entry.path()) else {
                continue;
            };
            // Held until it is removed: `create` sees that it is.
            if file.try_lock().is_ok() {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Makes the new file, locked for as long as it is open.
fn create(
    directory: &Path,
    file_name: &OsStr,
    access: FileAccess,
    error: impl Fn(io::Error) -> CaError,
) -> Result<(PathBuf, File), CaError> {
    loop {
        let path = temporary_path(directory, file_name)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(access.mode())
            .open(&path)
            .map_err(&error)?;
        // Before it was locked, another run may have taken it for a leftover.  Where nothing can be locked, none does.
        let is_locked = file.lock().is_ok();
        if !is_locked || file.metadata().map_err(&error)?.nlink() > 0 {
            return Ok((path, file));
        }
    }
}

const RANDOM_OCTETS: usize = 8;

/// PEM around a DER certificate (RFC 7468 §5).
///
/// # Errors
/// When the certificate is too long for PEM (256 MiB).
pub fn certificate_to_pem(der: &[u8]) -> Result<String, CaError> {
    to_pem("CERTIFICATE", der)
}

/// PEM around a DER CRL (RFC 7468 §6).
///
/// # Errors
/// When the CRL is too long for PEM (256 MiB).
pub fn crl_to_pem(der: &[u8]) -> Result<String, CaError> {
    to_pem("X509 CRL", der)
}

/// PEM around any DER.
pub(crate) fn to_pem(label: &'static str, der: &[u8]) -> Result<String, CaError> {
    pem::encode_string(label, LineEnding::LF, der).map_err(|error| CaError::Encode {
        what: label,
        source: error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_private_file_is_for_its_owner_only_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.key");
        write_file(&path, b"first", FileAccess::Private).unwrap();
        write_file(&path, b"second", FileAccess::Private).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_private_file_that_replaces_an_open_one_is_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.key");
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_file(&path, b"new", FileAccess::Private).unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_write_that_fails_leaves_the_old_file_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("taken");
        fs::create_dir_all(path.join("child")).unwrap();
        // Renaming a file over a directory fails after the temporary file was written.
        let error = write_file(&path, b"new", FileAccess::Public).unwrap_err();
        assert!(
            error.to_string().contains("taken: cannot write the file"),
            "{error}"
        );
        assert!(path.join("child").is_dir());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_run_left_is_removed_by_the_next_one_and_what_somebody_writes_stays() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| directory.path().join(name);
        for name in [
            ".a.crl.0123456789abcdef.tmp",
            ".a.crl.fedcba9876543210.tmp",
            ".b.crl.0123456789abcdef.tmp",
            ".a.crl.mine.tmp",
        ] {
            fs::write(file(name), b"half").unwrap();
        }
        let written = File::open(file(".a.crl.fedcba9876543210.tmp")).unwrap();
        written.lock().unwrap();
        write_file(&file("a.crl"), b"whole", FileAccess::Public).unwrap();
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                ".a.crl.fedcba9876543210.tmp",
                ".a.crl.mine.tmp",
                ".b.crl.0123456789abcdef.tmp",
                "a.crl"
            ]
        );
    }

    #[test]
    fn a_path_without_a_file_name_is_refused() {
        for path in ["/", ".."] {
            let error = write_file(Path::new(path), b"", FileAccess::Public).unwrap_err();
            assert!(matches!(error, CaError::Write { .. }), "{error}");
        }
    }
}
