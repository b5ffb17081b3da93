//! The OpenSSL command line, working in a directory of its own: makes keys and certificates as people do, and judges
//! those that are made here.

use crate::peer::{Peer, Run, run_bounded};
use std::path::PathBuf;
use std::process::Command;
use tempfile::TempDir;

/// The program and its directory, which is gone when this is dropped.
#[derive(Debug)]
pub struct Openssl {
    program: PathBuf,
    directory: TempDir,
}

impl Openssl {
    /// None = not here (said aloud, fatal in CI): the test is to return.
    pub fn find() -> Option<Openssl> {
        Some(Openssl {
            program: Peer::Openssl.find()?,
            directory: tempfile::tempdir().expect("a temporary directory"),
        })
    }

    /// Runs one command line, whose words are parted by blanks, and returns what it says; panics when it fails.
    pub fn run(&self, line: &str) -> String {
        let run = self.try_run(line);
        assert_eq!(
            run.code,
            Some(0),
            "openssl {line}\n{}{}",
            run.stdout,
            run.stderr
        );
        run.stdout + &run.stderr
    }

    /// As [`Openssl::run`], however it ends.
    pub fn try_run(&self, line: &str) -> Run {
        run_bounded(
            Command::new(&self.program)
                .args(line.split_whitespace())
                .current_dir(self.directory.path()),
        )
    }

    /// A file of its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What a file of its directory holds.
    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).expect("a file of this directory")
    }

    /// Writes a file of its directory, and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).expect("this directory can be written to");
        path
    }
}
