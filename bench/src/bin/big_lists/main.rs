//! Measures big CRLs: loading them, reloading one under load, and one big list beside many small ones.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin big_lists -- [--entries 1000000,10000000] [--keys p256,rsa]
//! [--rounds N] [--seconds N] [--parts loading,totals,reload] [--issuers N] [--issuer-entries N] [--directory DIR]
//! [--ocspry PATH] [--out FILE]`
//!
//! Lists are made from a seed into `--directory` (gigabytes), and stay there.  Times say little about a machine,
//! so each has a ratio: loading to `openssl dgst -sha256` of the same file in the same round, latencies during a reload to
//! those of a quiet server just before.

mod loading;
mod options;
mod reload;
mod totals;

use std::path::PathBuf;

use anyhow::Result;
use ocspry_bench::ca_files::CaFiles;
use ocspry_bench::list::{ListSpec, Shape};
use ocspry_bench::list_file::{self, Armour};
use ocspry_bench::report::Report;
use ocspry_testkit::{KeyKind, now};

use crate::options::{Options, Part};

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let mut report = Report::begin(&options.ocspry)?;
    for part in &options.parts {
        let (name, found) = match part {
            Part::Loading => ("loading", loading::measure(&options)?),
            Part::Totals => ("totals", totals::measure(&options)?),
            Part::Reload => ("reload", reload::measure(&options)?),
        };
        report.add(name, found);
    }
    report.end(options.out.as_deref())
}

/// A list on the disk, number 1 of its CA.
struct MadeList {
    files: CaFiles,
    list: ListSpec,
    path: PathBuf,
    bytes: u64,
}

/// Entries of every list come from this seed.
const SEED: u64 = 20_260_901;
/// A list is so old when it is made: the next ones are younger, and not of the future.
const AGE: i64 = 3600;

impl MadeList {
    fn make(options: &Options, name: &str, key: KeyKind, entries: u64) -> Result<MadeList> {
        let files = CaFiles::open(&options.directory.join(name), &format!("CA {name}"), key)?;
        let list = ListSpec::new(Shape::Random, SEED, entries, 1, now().plus_seconds(-AGE));
        let path = files.path("crl.der");
        let bytes = list_file::write(&list, &files.ca, Armour::Der, &path)?;
        Ok(MadeList {
            files,
            list,
            path,
            bytes,
        })
    }

    /// One of the lists that are loaded.
    fn of_size(options: &Options, key: KeyKind, entries: u64) -> Result<MadeList> {
        let word = match key {
            KeyKind::Rsa2048 => "rsa",
            _ => "p256",
        };
        eprintln!("making a list of {entries} entries, {word}");
        MadeList::make(options, &format!("{word}-{entries}"), key, entries)
    }
}
