//! What is measured, from the command line.

use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use ocspry_bench::flags;

/// What the command line says.
pub(crate) struct Options {
    /// What is measured.
    pub(crate) parts: Vec<Part>,
    /// Certificates of the CA of the part `mass`.
    pub(crate) certificates: u64,
    /// In which order their serial numbers come.
    pub(crate) serials: Serials,
    /// How often what takes a moment is done.
    pub(crate) repeats: usize,
    /// Serial numbers in the file of a revocation of many.
    pub(crate) batch: u64,
    /// Where the ledgers are made.
    pub(crate) directory: PathBuf,
    /// The binary under test.
    pub(crate) ocspry: PathBuf,
    /// Where the raw results go.
    pub(crate) out: Option<PathBuf>,
}

/// The order of serial numbers, in which they are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Serials {
    /// None, as a CA draws them.
    Random,
    /// Each above the one before, as `openssl ca` counts them.
    Ascending,
}

/// A part of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// From the end of `cert revoke` to the first answer that says so.
    Answers,
    /// Certificates signed and revoked in a second.
    Rates,
    /// Many certificates: index in and out, start of `serve`, revocation of all.
    Mass,
}

impl Options {
    pub(crate) fn from_arguments() -> Result<Options> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            parts: vec![Part::Answers, Part::Rates, Part::Mass],
            certificates: 1_000_000,
            serials: Serials::Random,
            repeats: 300,
            batch: 10_000,
            directory: root.join("target/small-ca"),
            ocspry: root.join("../target/release/ocspry"),
            out: None,
        };
        flags::each(|flag, value| {
            match flag {
                "--parts" => {
                    options.parts = value
                        .split(',')
                        .map(|word| part(word.trim()))
                        .collect::<Result<_>>()?;
                }
                "--certificates" => options.certificates = value.parse()?,
                "--serials" => options.serials = serials(&value)?,
                "--repeats" => options.repeats = value.parse()?,
                "--batch" => options.batch = value.parse()?,
                "--directory" => options.directory = std::path::absolute(value)?,
                "--ocspry" => options.ocspry = std::path::absolute(value)?,
                "--out" => options.out = Some(value.into()),
                _ => bail!(
                    "unknown flag {flag}: --parts, --certificates, --serials, --repeats, --batch, --directory, --ocspry or --out"
                ),
            }
            Ok(())
        })?;
        ensure!(
            options.certificates > 0 && options.repeats > 0 && options.batch > 0,
            "all counts begin at 1"
        );
        Ok(options)
    }
}

fn serials(word: &str) -> Result<Serials> {
    match word {
        "random" => Ok(Serials::Random),
        "ascending" => Ok(Serials::Ascending),
        _ => bail!("{word}: random or ascending"),
    }
}

fn part(word: &str) -> Result<Part> {
    match word {
        "answers" => Ok(Part::Answers),
        "rates" => Ok(Part::Rates),
        "mass" => Ok(Part::Mass),
        _ => bail!("{word}: answers, rates or mass"),
    }
}
