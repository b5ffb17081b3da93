//! How long `config check` takes: with its files on the disk, where the kernel lets go of what it has in memory, and in memory.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::child::{self, Ended};
use ocspry_bench::made_list::MadeList;
use ocspry_bench::spread::Spread;
use serde_json::{Value, json};

use crate::Place;
use crate::options::Options;

pub(crate) fn measure(options: &Options, lists: &[MadeList]) -> Result<Value> {
    let place = Place::of(options, "check", lists, "")?;
    let check = || -> Result<Ended> {
        let mut command = Command::new(&options.ocspry);
        command.args(["config", "check"]).arg(&place.configuration);
        let ended = child::run(command.current_dir(&place.directory))?;
        ensure!(ended.success, "config check: {}", ended.stdout);
        Ok(ended)
    };
    let read = || -> Result<Ended> {
        let names = ["ca.pem", "crl.der", "ocsp.pem", "ocsp.key"];
        let files = lists
            .iter()
            .flat_map(|made| names.map(|name| made.files.path(name)));
        child::run(Command::new("cksum").args(files))
    };
    // Only root may; without it there is no cold start to be had.
    let cold = match drop_caches() {
        Ok(()) => Some(check()?.cost),
        Err(error) => {
            eprintln!("no cold start: {error:#}");
            None
        }
    };
    let mut walls = (Vec::new(), Vec::new());
    let mut cpu = Vec::new();
    for _ in 0..options.repeats {
        let ended = check()?.cost;
        walls.0.push(ended.wall_s);
        cpu.push(ended.cpu_s);
        walls.1.push(read()?.cost.wall_s);
    }
    let [checked, plain, cpu] =
        [walls.0, walls.1, cpu].map(|values| Spread::of(values).context("a round at least"));
    let (checked, plain, cpu) = (checked?, plain?, cpu?);
    println!(
        "config check of {} issuers: {}{checked} s in memory, {cpu} s CPU; {:.1} x cksum of its files",
        lists.len(),
        cold.as_ref()
            .map_or(String::new(), |cold| format!("{:.3} s cold; ", cold.wall_s)),
        checked.median / plain.median,
    );
    Ok(json!({
        "cold": cold.map(|cold| cold.to_json()),
        "wall_s": checked.to_json(),
        "cpu_s": cpu.to_json(),
        "cksum_s": plain.to_json(),
        "to_cksum": checked.median / plain.median,
    }))
}

fn drop_caches() -> Result<()> {
    let written = Command::new("sync").status()?;
    ensure!(written.success(), "sync");
    std::fs::write("/proc/sys/vm/drop_caches", "3").context("/proc/sys/vm/drop_caches")
}
