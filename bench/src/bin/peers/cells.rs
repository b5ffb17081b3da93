//! Every server under every load, in turn, several rounds.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use ocspry_bench::asking::Asking;
use ocspry_bench::load::{self, Measured};
use ocspry_bench::peer_pki::{PeerPki, key_name};
use ocspry_bench::raw_signing;
use ocspry_bench::servers::{self, Rival, Started};
use ocspry_bench::spread::Spread;
use serde_json::{Value, json};

use crate::options::Options;
use crate::plan::{Cell, WARM_UP_S};
use crate::progress::Progress;

/// What was found so far.
#[derive(Default)]
pub struct Found {
    /// Who ran, with what it took.
    pub servers: Vec<Value>,
    /// Who did not, and why.
    pub absent: Vec<Value>,
    /// Each cell with its rounds.
    pub cells: Vec<Value>,
    /// The floor of signing, for each kind of key.
    pub raw_signing: Vec<Value>,
    /// What a client would have refused of ocspry's answers.
    pub wrong_of_ocspry: Vec<String>,
    lines: Vec<String>,
}

impl Found {
    /// For the terminal.
    pub fn table(&self) -> String {
        let mut text = String::new();
        for line in &self.lines {
            let _ = writeln!(text, "{line}");
        }
        for absent in &self.absent {
            let _ = writeln!(
                text,
                "not measured: {} ({})",
                absent["server"], absent["why"]
            );
        }
        text
    }
}

/// Starts all servers for one PKI, measures the cells, and ends them.
pub fn measure(
    pki: &PeerPki,
    options: &Options,
    cells: &[Cell],
    found: &mut Found,
    progress: &mut Progress,
) -> Result<()> {
    let key = key_name(pki.kind);
    progress.says(&format!("{key}: servers start"));
    let mut wanted: Vec<Rival> = cells.iter().map(|cell| cell.rival).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let (started, absent) = servers::start(pki, &options.places, &wanted)?;
    for one in absent {
        eprintln!("not measured: {} ({})", one.rival.name(), one.why);
        let server = one.rival.name();
        found
            .absent
            .push(json!({ "server": server, "key": key, "why": one.why }));
    }
    let mut rounds: Vec<Vec<Result<Measured>>> = cells.iter().map(|_| Vec::new()).collect();
    let mut raw = Vec::new();
    for round in 0..options.rounds {
        for (cell, results) in cells.iter().zip(&mut rounds) {
            let Some(one) = started.iter().find(|one| one.rival == cell.rival) else {
                continue;
            };
            progress.says(&format!("round {round}: {cell}"));
            results.push(once(pki, one, cell, options.seconds));
        }
        progress.says(&format!("round {round}: {key} raw signing"));
        raw.push(raw_signing::per_second(
            &pki.delegate.key,
            &[0],
            options.seconds,
        )?);
    }
    for (cell, results) in cells.iter().zip(rounds) {
        if !results.is_empty() {
            found.add_cell(cell, &results);
        }
    }
    found
        .raw_signing
        .push(json!({ "key": key, "cores": 1, "per_second": raw }));
    for one in &started {
        found.servers.push(json!({
            "server": one.rival.name(),
            "key": key,
            "version": one.version,
            "echoes_nonces": one.rival.nonce_answer() == ocspry_bench::asking::NonceAnswer::Echoed,
            "memory_kib_idle": one.idle_kib,
            "memory_kib_after_load": one.server.memory_kib()?,
        }));
    }
    // The loads did not spoil it.
    let ocspry = started.iter().find(|one| one.rival == Rival::Ocspry);
    pki.checked_answer(ocspry.context("always there")?.server.port)?;
    Ok(())
}

/// One load, with a little of it before that warms up.
fn once(pki: &PeerPki, one: &Started, cell: &Cell, wanted: Duration) -> Result<Measured> {
    let asking = |wanted| Asking::new(pki, cell.load, one.expected.clone(), wanted);
    let warm_up = Duration::from_secs_f64(WARM_UP_S);
    load::run(&one.server, &mut asking(warm_up), cell.connections)?;
    let mut traffic = asking(wanted);
    let measured = load::run(&one.server, &mut traffic, cell.connections)?;
    traffic.check_kept()?;
    Ok(measured)
}

impl Found {
    /// What a part that measures ocspry alone could not count, in any of its rounds.
    pub fn note_failures(&mut self, part: &str, value: &Value) {
        let rounds = value["rounds"].as_array().into_iter().flatten();
        let rounds = rounds.flat_map(|round| [round, &round["fast"], &round["onset"]]);
        for round in rounds.chain([&value["peak"], &value["first"]]) {
            if round["failed"].as_u64().is_some_and(|failed| failed > 0) {
                let (failed, first) = (&round["failed"], &round["first_failure"]);
                self.wrong_of_ocspry.push(format!(
                    "{part}: {failed} failed, the first one by: {first}"
                ));
            }
        }
    }

    fn add_cell(&mut self, cell: &Cell, results: &[Result<Measured>]) {
        let name = cell.rival.name();
        let rounds: Vec<Value> = results
            .iter()
            .map(|result| match result {
                Ok(measured) => measured.to_json(cell.load.name(), name),
                Err(error) => json!({ "error": format!("{error:#}") }),
            })
            .collect();
        let right: Vec<&Measured> = results.iter().flatten().collect();
        let of = |value: fn(&Measured) -> f64| Spread::of(right.iter().map(|one| value(one)));
        let rate = of(Measured::requests_per_second);
        let cpu = of(Measured::cpu_us_per_request);
        let failed: u64 = right.iter().map(|one| one.failed()).sum();
        let first_error = results.iter().find_map(|result| result.as_ref().err());
        let line = match (rate, cpu) {
            (Some(rate), Some(cpu)) => format!(
                "{:<48} {:>8.0}/s ({:.0}..{:.0})  {:>8.1} us CPU ({:.1}..{:.1})  {failed} failed",
                cell.to_string(),
                rate.median,
                rate.min,
                rate.max,
                cpu.median,
                cpu.min,
                cpu.max
            ),
            _ => format!("{:<48} not measured", cell.to_string()),
        };
        let line = match first_error {
            Some(error) => format!("{line}; {error:#}"),
            None => line,
        };
        if cell.rival == Rival::Ocspry && (failed > 0 || first_error.is_some()) {
            self.wrong_of_ocspry.push(line.clone());
        }
        self.lines.push(line);
        self.cells.push(json!({
            "key": key_name(cell.kind),
            "load": cell.load.name(),
            "connections": cell.connections,
            "server": name,
            "rounds": rounds,
        }));
    }
}
