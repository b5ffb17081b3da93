//! Measures the small CA and its ledger: from a revocation to its answer, signing and revoking, and a million certificates.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin small_ca -- [--parts answers,rates,mass] [--certificates N]
//! [--repeats N] [--batch N] [--directory DIR] [--ocspry PATH] [--out FILE]`
//!
//! Everything is done by the command line, as people do it.  Rates are beside `openssl x509 -req` for the same requests in the
//! same run; the ledger is on the disk of `--directory`, which is made anew.

mod answers;
mod mass;
mod office;
mod options;
mod rates;

use anyhow::{Context as _, Result};
use ocspry_bench::server;
use serde_json::{Map, json};

use crate::options::{Options, Part};

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    options.ocspry.metadata().with_context(|| {
        let path = options.ocspry.display();
        format!("{path}: build it first: cargo build --release --package ocspry")
    })?;
    let mut report = Map::new();
    report.insert("machine".to_owned(), json!(server::machine()));
    report.insert("commit".to_owned(), json!(server::commit()));
    report.insert(
        "load_average_before".to_owned(),
        json!(server::load_average()),
    );
    for part in &options.parts {
        let (name, found) = match part {
            Part::Answers => ("answers", answers::measure(&options)?),
            Part::Rates => ("rates", rates::measure(&options)?),
            Part::Mass => ("mass", mass::measure(&options)?),
        };
        report.insert(name.to_owned(), found);
    }
    let text = serde_json::to_string_pretty(&report)?;
    println!("{text}");
    if let Some(out) = &options.out {
        std::fs::write(out, text + "\n")?;
    }
    Ok(())
}
