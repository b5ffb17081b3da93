//! What is measured, from the command line.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use ocspry_bench::flags;

/// What the command line says.
pub(crate) struct Options {
    /// How many issuers.
    pub(crate) issuers: usize,
    /// Entries of the list of each.
    pub(crate) issuer_entries: u64,
    /// How often what takes a moment is done.
    pub(crate) repeats: usize,
    /// How long the load goes on before the reloads.
    pub(crate) seconds: u64,
    /// Where everything is made.
    pub(crate) directory: PathBuf,
    /// The binary under test.
    pub(crate) ocspry: PathBuf,
    /// Where the raw results go.
    pub(crate) out: Option<PathBuf>,
}

impl Options {
    pub(crate) fn from_arguments() -> Result<Options> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            issuers: 200,
            issuer_entries: 1000,
            repeats: 20,
            seconds: 5,
            directory: root.join("target/many-issuers"),
            ocspry: root.join("../target/release/ocspry"),
            out: None,
        };
        flags::each(|flag, value| {
            match flag {
                "--issuers" => options.issuers = value.parse()?,
                "--issuer-entries" => options.issuer_entries = value.parse()?,
                "--repeats" => options.repeats = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--directory" => options.directory = std::path::absolute(value)?,
                "--ocspry" => options.ocspry = std::path::absolute(value)?,
                "--out" => options.out = Some(value.into()),
                _ => bail!(
                    "unknown flag {flag}: --issuers, --issuer-entries, --repeats, --seconds, --directory, --ocspry or --out"
                ),
            }
            Ok(())
        })?;
        ensure!(
            options.issuers > 1
                && options.issuer_entries > 0
                && options.repeats > 0
                && options.seconds > 0,
            "two issuers at least; all other counts begin at 1"
        );
        Ok(options)
    }
}
