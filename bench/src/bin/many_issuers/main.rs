//! Measures many issuers in one process: reloads under load, memory for each, the admin pages, and `config check`.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin many_issuers -- [--issuers N] [--issuer-entries N] [--repeats N]
//! [--seconds N] [--directory DIR] [--ocspry PATH] [--out FILE]`
//!
//! Latencies during reloads are beside those of the same server just before; pages beside `/healthz`, the least there is;
//! `config check` beside a process that reads the same files.

mod checking;
mod options;
mod pages;
mod reload;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use ocspry_bench::made_list::{self, MadeList};
use ocspry_bench::question::{Question, Tally, ask_all};
use ocspry_bench::report::Report;
use ocspry_bench::server::Server;
use serde_json::{Value, json};

use crate::options::Options;

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let mut report = Report::begin(&options.ocspry)?;
    let (count, entries) = (options.issuers, options.issuer_entries);
    eprintln!("making {count} lists of {entries} entries");
    let lists = MadeList::make_many(&options.directory, count, entries)?;
    report.add("issuers", json!(count));
    report.add("entries_of_each", json!(entries));
    report.add("check", checking::measure(&options, &lists)?);
    report.add("memory", memory(&options, &lists)?);
    report.add("pages", pages::measure(&options, &lists)?);
    report.add("reload", reload::measure(&options, &lists)?);
    report.end(options.out.as_deref())
}

/// A folder with a configuration in it, and a state directory that begins empty.
struct Place {
    directory: PathBuf,
    configuration: PathBuf,
}

impl Place {
    fn of<'a>(
        options: &Options,
        name: &str,
        lists: impl IntoIterator<Item = &'a MadeList>,
        admin: &str,
    ) -> Result<Place> {
        let directory = options.directory.join(name);
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let configuration = directory.join("ocspry.toml");
        let place = Place {
            directory,
            configuration,
        };
        place.write(&made_list::configuration(lists, &place.directory, admin))?;
        Ok(place)
    }

    /// Another configuration takes the place of the one before, whole.
    fn write(&self, text: &str) -> Result<()> {
        let new = self.directory.join("ocspry.toml.new");
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &self.configuration).context("the configuration into place")
    }

    fn arguments(&self) -> Vec<String> {
        let configuration = format!("--config={}", self.configuration.display());
        vec!["serve".to_owned(), configuration]
    }

    fn socket(&self) -> PathBuf {
        self.directory.join("state/control.sock")
    }
}

/// What one issuer is asked about.
fn questions(made: &MadeList) -> Vec<Question> {
    Question::about(&made.list, &made.files.ca)
}

/// Asks every issuer everything, and checks the answers as a client does.
fn ask_everything(port: u16, lists: &[MadeList]) -> Result<Tally> {
    let mut tally = Tally::default();
    for made in lists {
        let (ca, list) = (&made.files.ca, &made.list);
        ask_all(port, ca, list, &questions(made), &mut tally)?;
    }
    Ok(tally)
}

/// Resident memory with one issuer and with all, before and after each of them has answered.
fn memory(options: &Options, lists: &[MadeList]) -> Result<Value> {
    let measure = |lists: &[MadeList]| -> Result<(u64, u64, Tally)> {
        let place = Place::of(options, "memory", lists, "")?;
        let arguments = place.arguments();
        let server = Server::ocspry_everywhere(&options.ocspry, &arguments, &place.directory)?;
        let start_kib = server.resident_kib()?;
        let tally = ask_everything(server.port, lists)?;
        Ok((start_kib, server.resident_kib()?, tally))
    };
    let (one_start, one_asked, _) = measure(&lists[..1])?;
    let (all_start, all_asked, tally) = measure(lists)?;
    let more = (lists.len().max(2) - 1) as f64;
    let each = |one: u64, all: u64| (all as f64 - one as f64) / more;
    let (idle, asked) = (each(one_start, all_start), each(one_asked, all_asked));
    println!(
        "memory: {:.1} MiB with 1 issuer, {:.1} MiB with {}: {idle:.1} KiB for each; {asked:.1} KiB once it has answered {} questions; {} answers, {} wrong",
        one_start as f64 / 1024.0,
        all_start as f64 / 1024.0,
        lists.len(),
        tally.asked as usize / lists.len(),
        tally.asked,
        tally.wrong.len(),
    );
    Ok(json!({
        "one_kib": one_start,
        "all_kib": all_start,
        "each_kib": idle,
        "each_kib_when_asked": asked,
        "answers": tally.to_json(),
    }))
}

/// Text of a file that a child has written, for an error.
fn tail(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.join("; ")
}
