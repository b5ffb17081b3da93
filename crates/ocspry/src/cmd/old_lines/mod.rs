//! The command lines of django-ca, for people who have them in scripts: `ocspry` in place of `manage.py`, and they run.
//!
//! Flags are those of django-ca 1.2.1, with the names of newer releases beside them.  Most verbs are said in the words of
//! the verbs that `ocspry` has ([`Turn::Instead`]), which then do all the work; what is printed for programs keeps its
//! form.  From: `main`.  To: the same, with another line, or the ledger (read only).

mod authorities;
mod certificates;
mod lists;
mod resolve;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use crate::ledger_flags::LedgerFlags;

/// The verbs of django-ca.
#[derive(Debug, Subcommand)]
pub(crate) enum OldLine {
    /// As `ca init`
    #[command(name = "init_ca", hide = true)]
    InitCa(Box<authorities::InitCa>),
    /// As `ca list`, one line each: `SERIAL - name`
    #[command(name = "list_cas", hide = true)]
    ListCas(authorities::ListCas),
    /// As `ca edit`
    #[command(name = "edit_ca", hide = true)]
    EditCa(authorities::EditCa),
    /// As `ca show`
    #[command(name = "view_ca", hide = true)]
    ViewCa(authorities::ViewCa),
    /// As `ca show --out`
    #[command(name = "dump_ca", hide = true)]
    DumpCa(authorities::DumpCa),
    /// As `cert sign`
    #[command(name = "sign_cert", hide = true)]
    SignCert(Box<certificates::SignCert>),
    /// As `cert revoke`
    #[command(name = "revoke_cert", hide = true)]
    RevokeCert(certificates::RevokeCert),
    /// As `cert list`, one line each: `SERIAL - name (expires: DATE)`
    #[command(name = "list_certs", hide = true)]
    ListCerts(certificates::ListCerts),
    /// As `cert show`
    #[command(name = "view_cert", hide = true)]
    ViewCert(certificates::ViewCert),
    /// As `cert show --out`
    #[command(name = "dump_cert", hide = true)]
    DumpCert(certificates::DumpCert),
    /// As `crl dump`
    #[command(name = "dump_crl", hide = true)]
    DumpCrl(lists::DumpCrl),
    /// As `index dump`
    #[command(name = "dump_ocsp_index", hide = true)]
    DumpOcspIndex(lists::DumpOcspIndex),
}

/// What is to be done for an old line.
pub(crate) enum Turn {
    /// It is done.
    Done(ExitCode),
    /// These words, the first of them the program; and then these octets are printed.
    Instead(Vec<OsString>, Vec<u8>),
}

/// Does it, or says what to do instead.
///
/// # Errors
/// A CA or certificate cannot be found; a flag has no counterpart; the ledger cannot be read.
pub(crate) fn run(line: &OldLine) -> Result<Turn> {
    match line {
        OldLine::InitCa(flags) => flags.turn(),
        OldLine::ListCas(flags) => flags.turn(),
        OldLine::EditCa(flags) => flags.turn(),
        OldLine::ViewCa(flags) => flags.turn(),
        OldLine::DumpCa(flags) => flags.turn(),
        OldLine::SignCert(flags) => flags.turn(),
        OldLine::RevokeCert(flags) => flags.turn(),
        OldLine::ListCerts(flags) => flags.turn(),
        OldLine::ViewCert(flags) => flags.turn(),
        OldLine::DumpCert(flags) => flags.turn(),
        OldLine::DumpCrl(flags) => flags.turn(),
        OldLine::DumpOcspIndex(flags) => flags.turn(),
    }
}

/// A line in the new words.
struct Words {
    words: Vec<OsString>,
    behind: Vec<OsString>,
}

impl Words {
    /// `ocspry VERB… --ledger=…`.
    fn new(verbs: [&str; 2], ledger: &LedgerFlags) -> Result<Words> {
        let mut words: Vec<OsString> = vec!["ocspry".into()];
        words.extend(verbs.map(OsString::from));
        words.push(format!("--ledger={}", ledger.place()?).into());
        Ok(Words {
            words,
            behind: Vec::new(),
        })
    }

    /// `--name`.
    fn flag(&mut self, name: &str) {
        self.words.push(format!("--{name}").into());
    }

    /// `--name=value`, which may begin with anything.
    fn option(&mut self, name: &str, value: impl Into<OsString>) {
        let mut word = OsString::from(format!("--{name}="));
        word.push(value.into());
        self.words.push(word);
    }

    /// As [`Words::option`], for each.
    fn options<T: Into<OsString>>(&mut self, name: &str, values: impl IntoIterator<Item = T>) {
        for value in values {
            self.option(name, value);
        }
    }

    /// What stands without a flag.
    fn value(&mut self, value: impl Into<OsString>) {
        self.behind.push(value.into());
    }

    fn turn(self) -> Turn {
        self.turn_then(Vec::new())
    }

    /// With something to print behind what they print.
    fn turn_then(mut self, then: Vec<u8>) -> Turn {
        self.words.push("--".into());
        self.words.append(&mut self.behind);
        Turn::Instead(self.words, then)
    }
}
