//! Measures ocspry beside its peers and floors, in turn and repeatedly in one run, and keeps the raw results.
//!
//! The server under test runs on core 0, this program and its load on core 1, but for one part that says otherwise.  Figures
//! alone say little about a machine, so docs/performance.md gives ratios of the same run.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml -- [--quick] [--only WORDS] [--seconds N] [--rounds N]
//! [--ocspry PATH] [--python PATH] [--out FILE]`

mod beside;
mod cells;
mod idle;
mod options;
mod plan;
mod pressure;
mod progress;
mod serials;
mod sick_key;

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::peer_pki::{self, KEY_KINDS, PeerPki};
use ocspry_bench::server;
use ocspry_bench::servers::{self, epoll_floor, library};
use ocspry_testkit::now;
use serde_json::{Value, json};

use crate::cells::Found;
use crate::options::Options;
use crate::plan::{Part, Plan};
use crate::progress::Progress;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [verb, file] = arguments.as_slice()
        && verb == epoll_floor::VERB
    {
        return epoll_floor::serve(Path::new(file));
    }
    if let [verb, directory] = arguments.as_slice()
        && verb == library::VERB
    {
        return library::serve(Path::new(directory));
    }
    let options = Options::from_arguments()?;
    let plan = Plan::new(&options);
    print!("{plan}");
    // Before this thread has one only.
    let cores = std::thread::available_parallelism()?.get();
    server::pin_this_thread(1)?;
    // Also for the servers, which inherit it: the flood has more connections than many a shell lets a program have.
    server::allow_many_files()?;
    let load_average_before = server::load_average();
    let binary_bytes = std::fs::metadata(&options.places.ocspry)
        .with_context(|| {
            let path = options.places.ocspry.display();
            format!("{path}: build it first: cargo xtask dist")
        })?
        .len();
    let directory = tempfile::tempdir()?;
    let mut progress = Progress::new(plan.seconds());
    let mut found = Found::default();
    for kind in KEY_KINDS {
        let cells = plan.cells_of(kind);
        if !cells.is_empty() {
            let place = directory.path().join(peer_pki::key_name(kind));
            let pki = PeerPki::make(&place, kind)?;
            cells::measure(&pki, &options, &cells, &mut found, &mut progress)?;
        }
    }
    let mut report = json!({
        "kind": "peers",
        "date": now().to_string(),
        "machine": server::machine(),
        "cores": cores,
        "commit": server::commit(),
        "load_average_before": load_average_before,
        "seconds": options.seconds.as_secs_f64(),
        "rounds": options.rounds,
        "binary_bytes": binary_bytes,
        "binary_bytes_stripped": stripped_bytes(&options.places.ocspry, directory.path()),
        "servers": found.servers,
        "absent": found.absent,
        "cells": found.cells,
        "raw_signing": found.raw_signing,
        "cached_clients": beside::cached_clients(),
    });
    for part in &plan.parts {
        let pki = PeerPki::make(&directory.path().join(part.name()), part.key())?;
        let measure = match part {
            Part::Start => starts,
            Part::TwoCores => pressure::two_cores,
            Part::Flood => pressure::flood,
            Part::Overload | Part::OverloadP256 => pressure::overload,
            Part::Serials => serials::serials,
            Part::Idle => idle::idle,
            Part::SlowKey => sick_key::slow_key,
            Part::HungKey => sick_key::hung_key,
        };
        let value = measure(&pki, &options, &mut progress)?;
        found.note_failures(part.name(), &value);
        report[part.name()] = value;
    }
    progress.end();
    if let Some(folder) = options.out.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&options.out, serde_json::to_string_pretty(&report)? + "\n")
        .with_context(|| options.out.display().to_string())?;
    print!("{}", found.table());
    println!("raw results: {}", options.out.display());
    ensure!(
        found.wrong_of_ocspry.is_empty(),
        "ocspry answered wrongly or not at all: {}",
        found.wrong_of_ocspry.join("; ")
    );
    Ok(())
}

/// The binary without what is for debuggers only, as it ships; none without `strip`.
fn stripped_bytes(binary: &Path, directory: &Path) -> Option<u64> {
    let stripped = directory.join("stripped");
    let status = Command::new("strip")
        .arg("-o")
        .arg(&stripped)
        .arg(binary)
        .status();
    status.ok().filter(std::process::ExitStatus::success)?;
    Some(std::fs::metadata(stripped).ok()?.len())
}

/// Starts of ocspry up to the first answer that a client accepts, and what it takes then.
fn starts(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    let mut milliseconds = Vec::new();
    for round in 0..options.rounds * 4 {
        progress.says(&format!("start {round}"));
        milliseconds.push(servers::ocspry_start_ms(pki, &options.places)?);
    }
    let server = servers::ocspry_start(pki, &options.places)?;
    Ok(json!({ "milliseconds": milliseconds, "resident_kib_idle": server.resident_kib()? }))
}
