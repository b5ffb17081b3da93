//! The old lines about lists: `dump_crl`, `dump_ocsp_index`.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueHint};

use super::resolve::{self, Format};
use super::{Turn, Words};
use crate::ledger_flags::LedgerFlags;

/// `dump_crl [FILE]`.
#[derive(Debug, Args)]
pub(crate) struct DumpCrl {
    /// Where it goes; `-` is standard output
    #[arg(value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    path: String,

    /// Seconds until the next one is due
    #[arg(short, long, value_name = "SECONDS", default_value = "86400")]
    expires: u32,

    /// Digest: decided by the CA's key here
    #[arg(long, value_name = "DIGEST", alias = "algorithm")]
    digest: Option<String>,

    /// How it is written
    #[arg(short, long, value_enum, ignore_case = true, default_value = "PEM")]
    format: Format,

    /// The CA [default: the first one that is enabled]
    #[arg(long, value_name = "SERIAL")]
    ca: Option<String>,

    /// The passphrase of the CA's key is in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl DumpCrl {
    pub(super) fn turn(&self) -> Result<Turn> {
        resolve::check_digest(self.digest.as_deref())?;
        let ca = resolve::ca(&self.ledger.to_read()?, self.ca.as_deref())?;
        let mut words = Words::new(["crl", "dump"], &self.ledger)?;
        words.option("lifetime", format!("{}s", self.expires));
        words.option("form", self.format.form());
        words.options("passphrase-file", self.passphrase_file.iter());
        if self.path != "-" {
            words.option("out", &self.path);
        }
        words.value(ca.name.as_str());
        Ok(words.turn())
    }
}

/// `dump_ocsp_index [FILE]`.
#[derive(Debug, Args)]
pub(crate) struct DumpOcspIndex {
    /// Where it goes; `-` is standard output
    #[arg(value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    path: String,

    /// The CA [default: the first one that is enabled]
    #[arg(long, value_name = "SERIAL")]
    ca: Option<String>,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl DumpOcspIndex {
    pub(super) fn turn(&self) -> Result<Turn> {
        let ca = resolve::ca(&self.ledger.to_read()?, self.ca.as_deref())?;
        let mut words = Words::new(["index", "dump"], &self.ledger)?;
        words.value(ca.name.as_str());
        words.value(&self.path);
        Ok(words.turn())
    }
}
