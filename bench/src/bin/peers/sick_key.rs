//! ocspry's listener and responder as a library (`servers::library`), with a key that is slow or does not come back.
//!
//! `serve` has no such key yet.  What is measured beside it are clients whose answers are cached (`beside`), and how soon fresh
//! answers come again once the key is well.

use std::time::Duration;

use anyhow::Result;
use ocspry_bench::peer_pki::PeerPki;
use ocspry_bench::servers::library::{KeyHealth, Library, SLOW};
use serde_json::{Value, json};

use crate::beside::{Nonces, cached_alone, cached_beside_nonces, until_a_fresh_answer};
use crate::options::Options;
use crate::progress::Progress;

/// Nonces a second, many times what such a key signs.
const NONCES_RATE: f64 = 1000.0;
/// Connections that they come over: twice as many as may wait for any key.
const NONCES_CONNECTIONS: usize = 1024;
/// A key that was well for so long is known to be fast.
const WELL: Duration = Duration::from_millis(200);
/// The least time that shows how it begins: whoever was let in is told after a second.
const ONSET_MIN: Duration = Duration::from_millis(1500);

/// A key that takes its time.
pub fn slow_key(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    sick_key(KeyHealth::Slow, pki, options, progress)
}

/// A key that does not come back.
pub fn hung_key(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    sick_key(KeyHealth::Hung, pki, options, progress)
}

fn sick_key(
    health: KeyHealth,
    pki: &PeerPki,
    options: &Options,
    progress: &mut Progress,
) -> Result<Value> {
    let mut library = Library::start(pki)?;
    let nonces = |wanted| Nonces {
        connections: NONCES_CONNECTIONS,
        rate: Some(NONCES_RATE),
        wanted,
    };
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        progress.says(&format!("round {round}: {health:?} key"));
        let quiet = cached_alone(&library.server, pki, options.seconds)?;
        let memory_before_kib = library.server.resident_kib()?;
        let well = cached_beside_nonces(&library.server, pki, &nonces(WELL))?;
        well.other.without_failures()?;
        // At first nobody knows, and as many wait as the key would sign if it were well.
        library.key_becomes(health)?;
        let onset = nonces(options.seconds.max(ONSET_MIN));
        let onset = cached_beside_nonces(&library.server, pki, &onset)?;
        let beside = cached_beside_nonces(&library.server, pki, &nonces(options.seconds))?;
        library.key_becomes(KeyHealth::Well)?;
        let recovered = until_a_fresh_answer(&library.server, pki)?;
        let mut round = beside.to_json(&quiet);
        round["onset"] = onset.to_json(&quiet);
        round["recovered_ms"] = json!(recovered.as_secs_f64() * 1e3);
        round["resident_kib_before"] = json!(memory_before_kib);
        round["resident_kib_after"] = json!(library.server.resident_kib()?);
        rounds.push(round);
    }
    Ok(json!({
        "slow_ms": SLOW.as_millis(),
        "nonces_per_second": NONCES_RATE,
        "nonces_connections": NONCES_CONNECTIONS,
        "rounds": rounds,
    }))
}
