//! A directory with a ledger of its own, and what people do in it: the ledger is named by `OCSPRY_LEDGER`.

use std::path::{Path, PathBuf};

use ocspry_testkit::{Finished, Ocspry, Peer, Run, run_bounded};
use serde_json::Value;
use tempfile::TempDir;

use crate::site::OCSPRY;

/// A directory; ledger.db in it once there is a CA.
pub(crate) struct LedgerSite {
    directory: TempDir,
}

impl LedgerSite {
    /// Without a ledger yet.
    pub(crate) fn empty() -> LedgerSite {
        let directory = tempfile::Builder::new()
            .prefix("ocspry-ledger-")
            .tempdir()
            .unwrap();
        LedgerSite { directory }
    }

    /// With a CA named root, whose certificate is root.pem and whose key is root.key.
    pub(crate) fn with_root() -> LedgerSite {
        let site = LedgerSite::empty();
        site.done("ca init root --subject /CN=Root --no-passphrase --key root.key --out root.pem");
        site
    }

    /// With the files of another one, which nobody may have open.
    pub(crate) fn copy_of(other: &LedgerSite) -> LedgerSite {
        let site = LedgerSite::empty();
        copy_files(other.directory.path(), site.directory.path());
        site
    }

    /// A file of it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// What is in a file.
    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.file(name)).unwrap()
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.file(name), content).unwrap();
    }

    /// `ocspry`, here.
    pub(crate) fn ocspry(&self) -> Ocspry<'static> {
        self.beneath(Path::new(OCSPRY))
    }

    /// A program that runs `ocspry`, here.
    pub(crate) fn beneath(&self, program: &Path) -> Ocspry<'static> {
        Ocspry::new(program)
            .directory(self.directory.path())
            .env("OCSPRY_LEDGER", self.file("ledger.db"))
    }

    /// Runs a line of arguments that have no blanks in them.
    pub(crate) fn run(&self, line: &str) -> Finished {
        self.ocspry().args(line.split_whitespace()).run()
    }

    /// Runs a line of the shell, in which `$OCSPRY` is the program.
    pub(crate) fn shell(&self, line: &str) -> Finished {
        Ocspry::new("/bin/sh")
            .args(["-c", line])
            .directory(self.directory.path())
            .env("OCSPRY_LEDGER", self.file("ledger.db"))
            .env("OCSPRY", OCSPRY)
            .run()
    }

    /// Runs a line that must do what it says.
    pub(crate) fn done(&self, line: &str) -> Finished {
        let finished = self.run(line);
        assert_eq!(finished.code, Some(0), "ocspry {line}: {finished:?}");
        finished
    }

    /// Runs a line that must say what it did as JSON.
    pub(crate) fn json(&self, line: &str) -> Value {
        let finished = self.done(line);
        serde_json::from_str(&finished.stdout)
            .unwrap_or_else(|error| panic!("ocspry {line}: {error}: {finished:?}"))
    }

    /// Runs a line that must be refused; gives what it says.
    pub(crate) fn refused(&self, line: &str) -> String {
        let finished = self.run(line);
        assert_eq!(finished.code, Some(1), "ocspry {line}: {finished:?}");
        finished.stderr
    }

    /// Runs the openssl command line; None = not installed.
    pub(crate) fn openssl(&self, line: &str) -> Option<Run> {
        Some(run_bounded(
            Peer::Openssl
                .command()?
                .args(line.split_whitespace())
                .current_dir(self.directory.path()),
        ))
    }

    /// Runs the openssl command line, which must succeed; None = not installed.
    pub(crate) fn openssl_done(&self, line: &str) -> Option<String> {
        let run = self.openssl(line)?;
        assert_eq!(run.code, Some(0), "openssl {line}: {run:?}");
        Some(run.stdout)
    }
}

fn copy_files(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy_files(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
