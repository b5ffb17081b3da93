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

use anyhow::Result;
use ocspry_bench::made_list::MadeList;
use ocspry_bench::report::Report;
use ocspry_testkit::KeyKind;

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

/// One of the lists that are loaded.
fn made_of_size(options: &Options, key: KeyKind, entries: u64) -> Result<MadeList> {
    let word = match key {
        KeyKind::Rsa2048 => "rsa",
        _ => "p256",
    };
    eprintln!("making a list of {entries} entries, {word}");
    MadeList::make(
        &options.directory,
        &format!("{word}-{entries}"),
        key,
        entries,
    )
}
