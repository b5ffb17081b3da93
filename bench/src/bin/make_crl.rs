//! Writes a CRL of any size into a directory, with the CA and the delegate that belong to it and some known answers.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin make_crl -- --directory DIR --entries 10000000 [--key p256|rsa]
//! [--seed N] [--number N] [--sequential | --shared-prefix OCTETS] [--pem]`
//!
//! The same seed makes the same entries; the times of the list, the CA's key and the signature are this run's.  In a directory
//! with a CA in it, that CA signs: so `--number 2` makes the next list of a CA, with 16 more entries and a hold fewer.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail, ensure};
use ocspry_bench::ca_files::{CaFiles, key_kind};
use ocspry_bench::list::{ListSpec, Shape};
use ocspry_bench::list_file::{self, Armour};
use ocspry_bench::question::{Question, known_answers};
use ocspry_testkit::{KeyKind, now};
use serde_json::json;

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let files = CaFiles::open(&options.directory, "Big list CA", options.key)?;
    let list = ListSpec::new(
        options.shape,
        options.seed,
        options.entries,
        options.number,
        now(),
    );
    let (armour, ending) = match options.pem {
        true => (Armour::Pem, "pem"),
        false => (Armour::Der, "der"),
    };
    let name = format!("crl-{}.{ending}", options.number);
    let bytes = list_file::write(&list, &files.ca, armour, &files.path(&name))?;
    let questions = Question::about(&list, &files.ca);
    let record = json!({
        "crl": name,
        "bytes": bytes,
        "entries": list.listed().count(),
        "number": list.number,
        "this_update": list.this_update.to_string(),
        "next_update": list.next_update.to_string(),
        "seed": list.seed,
        "shape": format!("{:?}", list.shape),
        "known_answers": known_answers(&list, &questions),
    });
    let text = serde_json::to_string_pretty(&record)? + "\n";
    print!("{text}");
    std::fs::write(files.path(&format!("crl-{}.json", options.number)), text)?;
    Ok(())
}

struct Options {
    directory: PathBuf,
    entries: u64,
    key: KeyKind,
    seed: u64,
    number: u64,
    shape: Shape,
    pem: bool,
}

impl Options {
    fn from_arguments() -> Result<Options> {
        let mut directory = None;
        let mut options = Options {
            directory: PathBuf::new(),
            entries: 1_000_000,
            key: KeyKind::P256,
            seed: 1,
            number: 1,
            shape: Shape::Random,
            pem: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(flag) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.with_context(|| format!("{flag} needs a value"))
            };
            match flag.as_str() {
                "--directory" => directory = Some(PathBuf::from(value()?)),
                "--entries" => options.entries = value()?.parse()?,
                "--key" => options.key = key_kind(&value()?)?,
                "--seed" => options.seed = value()?.parse()?,
                "--number" => options.number = value()?.parse()?,
                "--sequential" => options.shape = Shape::Sequential,
                "--shared-prefix" => options.shape = Shape::SharedPrefix(value()?.parse()?),
                "--pem" => options.pem = true,
                _ => bail!(
                    "unknown flag {flag}: --directory, --entries, --key, --seed, --number, --sequential, --shared-prefix or --pem"
                ),
            }
        }
        options.directory = directory.context("--directory DIR is needed")?;
        if let Shape::SharedPrefix(octets) = options.shape {
            ensure!(
                (1..=19).contains(&octets),
                "--shared-prefix takes 1 to 19 octets"
            );
        }
        ensure!(
            options.entries > 0 && options.number > 0,
            "--entries and --number begin at 1"
        );
        Ok(options)
    }
}
