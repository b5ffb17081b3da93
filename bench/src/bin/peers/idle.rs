//! Ten thousand connections that are kept and idle, beside clients whose answers are cached (`beside`).
//!
//! Loopback is exempt from the bound for one address, so that all of them may come from there.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use ocspry_bench::idle::IdleConnections;
use ocspry_bench::peer_pki::PeerPki;
use ocspry_bench::server::Server;
use ocspry_bench::servers;
use ocspry_http::Limits;
use serde_json::{Value, json};

use crate::beside::cached_alone;
use crate::options::Options;
use crate::progress::Progress;

/// So many are idle: fewer than three quarters of those that are let in, which would be a crowd, in which silence is borne
/// for less long.
const IDLE: usize = 10_000;
/// How long the server may take to notice that all of them are gone.
const CLOSED_MAX: Duration = Duration::from_secs(30);
/// How often it is looked at until then.
const LOOKED_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Seconds that opening, asking and closing take, about.
pub const CONNECTIONS_S: f64 = 6.0;

/// They come, are idle while others ask, are asked again, and go.
pub fn idle(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    let server = &servers::ocspry_start(pki, &options.places)?;
    let files_before = server.open_files()?;
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        progress.says(&format!("round {round}: {IDLE} idle connections"));
        let quiet = cached_alone(server, pki, options.seconds)?;
        let memory_before_kib = server.resident_kib()?;
        let mut idle = IdleConnections::open(pki, server.port, IDLE)?;
        let memory_idle_kib = server.resident_kib()?;
        let beside = cached_alone(server, pki, options.seconds)?;
        let again = idle.ask_again(Limits::DEFAULT.idle)?;
        drop(idle);
        until_closed(server, files_before)?;
        rounds.push(json!({
            "usable": again.usable,
            "closed": again.closed,
            "failed": again.closed_early,
            "first_failure": (again.closed_early > 0).then_some("closed before its deadline"),
            "resident_kib_before": memory_before_kib,
            "resident_kib_idle": memory_idle_kib,
            "resident_kib_after": server.resident_kib()?,
            "quiet": quiet.to_json("cached", "ocspry"),
            "beside": beside.to_json("cached", "ocspry"),
        }));
    }
    Ok(json!({
        "connections": IDLE,
        "connections_max": Limits::DEFAULT.connections_max,
        "rounds": rounds,
    }))
}

/// The next round begins with none of them.
fn until_closed(server: &Server, files: usize) -> Result<()> {
    let started = Instant::now();
    while server.open_files()? > files {
        ensure!(
            started.elapsed() < CLOSED_MAX,
            "connections are open {CLOSED_MAX:?} after their clients went"
        );
        std::thread::sleep(LOOKED_AGAIN_AFTER);
    }
    Ok(())
}
