//! Measures the small CA and its ledger: from a revocation to its answer, signing and revoking, and a million certificates.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin small_ca -- [--parts answers,rates,mass] [--certificates N]
//! [--serials random|ascending] [--repeats N] [--batch N] [--directory DIR] [--ocspry PATH] [--out FILE]`
//!
//! Everything is done by the command line, as people do it.  Rates are beside `openssl x509 -req` for the same requests in the
//! same run; the ledger is on the disk of `--directory`, which is made anew.

mod answers;
mod mass;
mod office;
mod options;
mod rates;

use anyhow::Result;
use ocspry_bench::report::Report;

use crate::options::{Options, Part};

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let mut report = Report::begin(&options.ocspry)?;
    for part in &options.parts {
        let (name, found) = match part {
            Part::Answers => ("answers", answers::measure(&options)?),
            Part::Rates => ("rates", rates::measure(&options)?),
            Part::Mass => ("mass", mass::measure(&options)?),
        };
        report.add(name, found);
    }
    report.end(options.out.as_deref())
}
