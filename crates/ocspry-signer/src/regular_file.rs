//! Reads a small file that the operator named, and nothing else than a file.  From: a path.  To: `file.rs`,
//! `passphrase.rs`, and whoever reads certificates and configurations.
//!
//! The thread that reads must come back: opening a pipe waits until somebody writes to it, and a device may never end.
//! Links are followed, since renewal tools and Kubernetes put links in the place of files.

use rustix::fs::OFlags;
use rustix::io::Errno;
use std::fs::{FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// One reading of a file.
pub struct RegularFile {
    /// Its first octets, wiped when dropped.
    pub content: Zeroizing<Vec<u8>>,
    /// Its permission bits.
    pub mode: u32,
}

/// Reads a regular file, at most `octets_max` octets of it: to tell a file that is too large, ask for one octet more
/// than you take.  Never waits.
///
/// # Errors
/// The file cannot be opened or read; the path leads to a directory, a pipe, a socket or a device.
pub fn read_regular_file(path: &Path, octets_max: u64) -> io::Result<RegularFile> {
    read(path, octets_max, OFlags::empty())
}

/// The same, for a file that somebody else put into a directory of theirs: a link could lead to what only we may read.
///
/// # Errors
/// As [`read_regular_file`]; the path is a link.
pub fn read_regular_file_of_others(path: &Path, octets_max: u64) -> io::Result<RegularFile> {
    read(path, octets_max, OFlags::NOFOLLOW).map_err(|error| {
        match error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) {
            true => io::Error::other("it is a link, not a file"),
            false => error,
        }
    })
}

fn read(path: &Path, octets_max: u64, more: OFlags) -> io::Result<RegularFile> {
    // O_NONBLOCK: opening a pipe returns at once, so that we can see that it is one.  It changes nothing for files.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | more;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other(format!(
            "it is {}, not a file",
            kind(metadata.file_type())
        )));
    }
    // Room for all of it and the end: a buffer that grows leaves copies behind that nobody wipes.
    let room = metadata.len().min(octets_max) as usize + ROOM_BEHIND;
    let mut content = Zeroizing::new(Vec::with_capacity(room));
    file.take(octets_max).read_to_end(&mut content)?;
    Ok(RegularFile {
        content,
        mode: metadata.permissions().mode() & 0o7777,
    })
}

/// Spare octets of the buffer: room for the read that finds the end, and for a file that grows a little meanwhile.
const ROOM_BEHIND: usize = 4096;

fn kind(file_type: FileType) -> &'static str {
    if file_type.is_dir() {
        "a directory"
    } else if file_type.is_fifo() {
        "a pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    #[test]
    fn a_pipe_a_directory_and_a_device_are_refused_at_once_also_behind_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        for (path, expected) in [
            (pipe.as_path(), "it is a pipe, not a file"),
            (link.as_path(), "it is a pipe, not a file"),
            (directory.path(), "it is a directory, not a file"),
            (Path::new("/dev/null"), "it is a device, not a file"),
        ] {
            let error = read_regular_file(path, 10).err().unwrap();
            assert_eq!(error.to_string(), expected, "{}", path.display());
        }
    }

    #[test]
    fn a_link_in_a_directory_of_others_is_refused_and_a_file_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, b"0123456789").unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let read = |path| read_regular_file_of_others(path, 4);
        assert_eq!(*read(&file).unwrap().content, b"0123");
        let error = read(&link).err().unwrap();
        assert_eq!(error.to_string(), "it is a link, not a file");
    }

    #[test]
    fn a_file_is_read_through_a_link_and_up_to_the_bound() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, b"0123456789").unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let read = |octets_max| read_regular_file(&link, octets_max).unwrap();
        assert_eq!(*read(4).content, b"0123");
        assert_eq!(*read(10).content, b"0123456789");
        assert_eq!(*read(11).content, b"0123456789");
    }
}
