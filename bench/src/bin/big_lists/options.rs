//! What is measured, from the command line.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use ocspry_bench::ca_files::key_kind;
use ocspry_bench::flags;
use ocspry_testkit::KeyKind;

/// What the command line says.
pub(crate) struct Options {
    /// Sizes of the lists that are loaded; the greatest is used for the other parts.
    pub(crate) entries: Vec<u64>,
    /// Keys that sign the lists that are loaded.
    pub(crate) keys: Vec<KeyKind>,
    /// Rounds of loading.
    pub(crate) rounds: usize,
    /// How long a quiet server is measured.
    pub(crate) seconds: u64,
    /// What is measured.
    pub(crate) parts: Vec<Part>,
    /// Issuers with a small list each.
    pub(crate) issuers: usize,
    /// Entries of each of those lists.
    pub(crate) issuer_entries: u64,
    /// Where lists are made.
    pub(crate) directory: PathBuf,
    /// The binary under test.
    pub(crate) ocspry: PathBuf,
    /// Where the raw results go.
    pub(crate) out: Option<PathBuf>,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Loading, beside hashing.
    Loading,
    /// Many small lists, and a big one.
    Totals,
    /// A new list under load.
    Reload,
}

impl Options {
    pub(crate) fn from_arguments() -> Result<Options> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            entries: vec![1_000_000, 10_000_000],
            keys: vec![KeyKind::P256, KeyKind::Rsa2048],
            rounds: 5,
            seconds: 10,
            parts: vec![Part::Loading, Part::Totals, Part::Reload],
            issuers: 100,
            issuer_entries: 10_000,
            directory: root.join("target/big-lists"),
            ocspry: root.join("../target/release/ocspry"),
            out: None,
        };
        flags::each(|flag, value| {
            match flag {
                "--entries" => options.entries = listed(&value, |word| Ok(word.parse()?))?,
                "--keys" => options.keys = listed(&value, key_kind)?,
                "--rounds" => options.rounds = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--parts" => options.parts = listed(&value, part)?,
                "--issuers" => options.issuers = value.parse()?,
                "--issuer-entries" => options.issuer_entries = value.parse()?,
                "--directory" => options.directory = std::path::absolute(value)?,
                "--ocspry" => options.ocspry = std::path::absolute(value)?,
                "--out" => options.out = Some(value.into()),
                _ => bail!(
                    "unknown flag {flag}: --entries, --keys, --rounds, --seconds, --parts, --issuers, --issuer-entries, --directory, --ocspry or --out"
                ),
            }
            Ok(())
        })?;
        let counts = [options.issuer_entries, options.seconds];
        ensure!(
            options.rounds > 0
                && options.issuers > 0
                && options
                    .entries
                    .iter()
                    .chain(&counts)
                    .all(|&count| count > 0),
            "all counts begin at 1"
        );
        Ok(options)
    }

    /// Entries of the list that is reloaded, and of the one that is served alone.
    pub(crate) fn entries_max(&self) -> u64 {
        self.entries.iter().copied().max().unwrap_or(1)
    }
}

fn listed<T>(value: &str, read: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    value.split(',').map(|word| read(word.trim())).collect()
}

fn part(word: &str) -> Result<Part> {
    match word {
        "loading" => Ok(Part::Loading),
        "totals" => Ok(Part::Totals),
        "reload" => Ok(Part::Reload),
        _ => bail!("{word}: loading, totals or reload"),
    }
}
