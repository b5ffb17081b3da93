//! How long a list takes to load, beside hashing its file: `openssl dgst -sha256`, `ocspry crl check` and the start of
//! `ocspry serve` in turn, `openssl crl` once for each size.
//!
//! None is pinned to a core: whoever loads a list waits for the wall clock, and CPU time says what it cost.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::child::{self, Cost, Ended};
use ocspry_bench::made_list::MadeList;
use ocspry_bench::question::{Question, Tally, ask_all};
use ocspry_bench::server::Server;
use ocspry_bench::spread::Spread;
use ocspry_testkit::KeyKind;
use serde_json::{Value, json};

use crate::made_of_size;
use crate::options::Options;

/// In the JSON of `ocspry crl check --json`: octets of the finished table.
const TABLE_BYTES: &str = "table_bytes";
/// The peak may be the file and so many times the table, and, where another table is in use, that one.
pub(crate) const TABLE_SHARE: f64 = 1.2;

pub(crate) fn measure(options: &Options) -> Result<Value> {
    let verb = CheckVerb::of(options);
    if verb == CheckVerb::Missing {
        println!("ocspry has no `crl check`: only the start of `ocspry serve` is measured");
    }
    let mut found = Vec::new();
    for &entries in &options.entries {
        for (position, &key) in options.keys.iter().enumerate() {
            let made = made_of_size(options, key, entries)?;
            found.push(one_list(options, verb, &made, position == 0)?);
        }
    }
    Ok(Value::Array(found))
}

fn one_list(
    options: &Options,
    verb: CheckVerb,
    made: &MadeList,
    with_openssl_crl: bool,
) -> Result<Value> {
    let mut hashing = Vec::new();
    let mut checking = Vec::new();
    let mut starting = Vec::new();
    let mut table_bytes = None;
    for _ in 0..options.rounds {
        hashing.push(hash(made)?);
        if verb != CheckVerb::Missing {
            let ended = verb.run(options, made)?;
            table_bytes = table_bytes.or(table_bytes_of(&ended.stdout));
            checking.push(ended.cost);
        }
        starting.push(start(options, made)?);
    }
    if verb == CheckVerb::WithJson && table_bytes.is_none() {
        println!("`ocspry crl check --json` has no field {TABLE_BYTES}: memory is not judged");
    }
    let openssl_crl = with_openssl_crl
        .then(|| parse_by_openssl(made))
        .transpose()?;

    let title = format!(
        "{} entries, {}",
        made.list.entries,
        key_name(made.files.ca.key.kind())
    );
    let megabytes = made.bytes as f64 / 1e6;
    println!("\n{title}: {megabytes:.1} MB");
    let mut rows = serde_json::Map::new();
    for (name, costs) in [
        ("openssl_dgst", &hashing),
        ("crl_check", &checking),
        ("serve_first_answer", &starting),
        ("openssl_crl", &openssl_crl.into_iter().collect()),
    ] {
        if let Some(row) = row(name, costs, &hashing) {
            rows.insert(name.to_owned(), row);
        }
    }
    let memory = memory(made, table_bytes, &checking);
    if let Some(memory) = &memory {
        println!(
            "  peak of crl_check to file + {TABLE_SHARE} x table: {}",
            memory["ratio"]
        );
    }
    Ok(json!({
        "entries": made.list.entries,
        "key": key_name(made.files.ca.key.kind()),
        "file_bytes": made.bytes,
        "table_bytes": table_bytes,
        "memory": memory,
        "commands": rows,
    }))
}

fn key_name(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Rsa2048 => "RSA-2048",
        _ => "P-256",
    }
}

/// Prints a line of the table and gives what is kept of it; ratios are those of medians.
fn row(name: &str, costs: &[Cost], hashing: &[Cost]) -> Option<Value> {
    let wall = Spread::of(costs.iter().map(|cost| cost.wall_s))?;
    let cpu = Spread::of(costs.iter().map(|cost| cost.cpu_s))?;
    let peak = Spread::of(costs.iter().map(|cost| cost.peak_kib as f64))?;
    let wall_ratio = wall.median / Spread::of(hashing.iter().map(|cost| cost.wall_s))?.median;
    let cpu_ratio = cpu.median / Spread::of(hashing.iter().map(|cost| cost.cpu_s))?.median;
    println!(
        "  {name:<20} wall {wall} s  CPU {cpu} s  to dgst {wall_ratio:>6.2} x wall {cpu_ratio:>6.2} x CPU  peak {:>7.1} MiB",
        peak.max / 1024.0
    );
    Some(json!({
        "wall_s": wall.to_json(),
        "cpu_s": cpu.to_json(),
        "peak_kib": peak.to_json(),
        "wall_to_dgst": wall_ratio,
        "cpu_to_dgst": cpu_ratio,
        "rounds": costs.iter().map(Cost::to_json).collect::<Vec<_>>(),
    }))
}

/// The greatest peak of `crl check` over what it may be.
fn memory(made: &MadeList, table_bytes: Option<u64>, checking: &[Cost]) -> Option<Value> {
    let table = table_bytes?;
    let peak = checking.iter().map(|cost| cost.peak_kib * 1024).max()?;
    let allowed = made.bytes as f64 + TABLE_SHARE * table as f64;
    Some(json!({
        "peak_bytes": peak,
        "allowed_bytes": allowed,
        "ratio": peak as f64 / allowed,
        "table_bytes_per_entry": table as f64 / made.list.entries as f64,
    }))
}

fn hash(made: &MadeList) -> Result<Cost> {
    let ended = child::run(
        Command::new("openssl")
            .args(["dgst", "-sha256"])
            .arg(&made.path),
    )?;
    ensure!(ended.success, "openssl dgst failed");
    Ok(ended.cost)
}

fn parse_by_openssl(made: &MadeList) -> Result<Cost> {
    let ended = child::run(
        Command::new("openssl")
            .args(["crl", "-inform", "DER", "-noout", "-in"])
            .arg(&made.path),
    )?;
    ensure!(ended.success, "openssl crl failed");
    Ok(ended.cost)
}

/// What `ocspry crl check` can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CheckVerb {
    Missing,
    TextOnly,
    WithJson,
}

impl CheckVerb {
    fn of(options: &Options) -> CheckVerb {
        let help = Command::new(&options.ocspry)
            .args(["crl", "check", "--help"])
            .stderr(Stdio::null())
            .output();
        match help {
            Ok(help) if help.status.success() => {
                if String::from_utf8_lossy(&help.stdout).contains("--json") {
                    CheckVerb::WithJson
                } else {
                    CheckVerb::TextOnly
                }
            }
            _ => CheckVerb::Missing,
        }
    }

    fn run(self, options: &Options, made: &MadeList) -> Result<Ended> {
        let mut command = Command::new(&options.ocspry);
        command
            .args(["crl", "check"])
            .arg(&made.path)
            .arg("--ca")
            .arg(made.files.path("ca.pem"));
        if self == CheckVerb::WithJson {
            command.arg("--json");
        }
        let ended = child::run(&mut command)?;
        ensure!(
            ended.success,
            "ocspry would not accept it: {}",
            ended.stdout
        );
        Ok(ended)
    }
}

/// Octets of the list's table, where `ocspry crl check --json` says it.
pub(crate) fn table_bytes(options: &Options, made: &MadeList) -> Result<Option<u64>> {
    match CheckVerb::of(options) {
        CheckVerb::Missing | CheckVerb::TextOnly => Ok(None),
        verb => Ok(table_bytes_of(&verb.run(options, made)?.stdout)),
    }
}

fn table_bytes_of(stdout: &str) -> Option<u64> {
    let value: Value = serde_json::from_str(stdout).ok()?;
    value.get(TABLE_BYTES)?.as_u64()
}

/// From `exec` of `ocspry serve` to the first answer that a client accepts; then all other answers must be right, too.
fn start(options: &Options, made: &MadeList) -> Result<Cost> {
    let arguments = made.files.serve_arguments(&made.path)?;
    let questions = Question::about(&made.list, &made.files.ca);
    let (first, others) = questions.split_first().context("questions")?;
    let mut tally = Tally::default();
    let started = Instant::now();
    let server = Server::ocspry_everywhere(&options.ocspry, &arguments, &made.files.path("."))?;
    let mut ask = |questions: &[Question]| {
        ask_all(
            server.port,
            &made.files.ca,
            &made.list,
            questions,
            &mut tally,
        )
    };
    ask(std::slice::from_ref(first))?;
    let cost = Cost {
        wall_s: started.elapsed().as_secs_f64(),
        cpu_s: server.cpu_us()? as f64 / 1e6,
        peak_kib: server.peak_kib()?,
    };
    ask(others)?;
    ensure!(tally.wrong.is_empty(), "wrong answers: {:?}", tally.wrong);
    Ok(cost)
}
