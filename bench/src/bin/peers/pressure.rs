//! ocspry alone, where signing is what is scarce: both cores full of it, and more asked than can be signed.
//!
//! What is measured beside it are clients whose answers are cached (`beside`).

use std::time::Duration;

use anyhow::{Result, bail};
use ocspry_bench::peer_pki::{PeerPki, key_name};
use ocspry_bench::raw_signing;
use ocspry_bench::server;
use ocspry_bench::servers;
use ocspry_testkit::KeyKind;
use serde_json::{Value, json};

use crate::beside::{Nonces, cached_alone, cached_beside_nonces, watched};
use crate::options::Options;
use crate::progress::Progress;

/// Connections that ask for fresh answers as fast as they get them: they just take all that can be signed.
pub const FRESH_CONNECTIONS: usize = 64;
/// Connections of a flood: twice as many as signatures of a slow key may wait, so that the rest is refused.
const FLOOD_CONNECTIONS: usize = 1024;
/// The flood is so many times what can be signed.
pub const FLOOD_TIMES: f64 = 10.0;
/// So many loads follow each other without a pause: by default a minute.
const OVERLOAD_LOADS: u32 = 30;

/// How much more is asked of a key than can be signed.
struct Overload {
    /// So many times what ocspry signs with it at its best.
    times: f64,
    /// Twice as many as signatures may wait.
    connections: usize,
}

impl Overload {
    fn of(kind: KeyKind) -> Result<Overload> {
        match kind {
            KeyKind::Rsa2048 => Ok(Overload {
                times: 5.0,
                connections: FLOOD_CONNECTIONS,
            }),
            // One thread cannot ask five times as much, and what is refused takes a third of the time that a signature takes.
            KeyKind::P256 => Ok(Overload {
                times: 1.5,
                connections: 2048,
            }),
            KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 => bail!("no overload of {kind:?}"),
        }
    }
}

/// Fresh answers on both cores, beside raw signing on both and beside cached answers.
pub fn two_cores(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    server::unpin_this_thread()?;
    let server = servers::ocspry_on_both_cores(pki, &options.places)?;
    let fresh = Nonces {
        connections: FRESH_CONNECTIONS,
        rate: None,
        wanted: options.seconds,
    };
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        progress.says(&format!("round {round}: RSA-2048 on two cores"));
        let raw = raw_signing::per_second(&pki.delegate.key, &[0, 1], options.seconds)?;
        let quiet = cached_alone(&server, pki, options.seconds)?;
        let beside = cached_beside_nonces(&server, pki, &fresh)?;
        let mut round = beside.to_json(&quiet);
        round["raw_per_second"] = json!(raw);
        rounds.push(round);
    }
    server::pin_this_thread(1)?;
    Ok(json!({ "fresh_connections": FRESH_CONNECTIONS, "rounds": rounds }))
}

/// Many times more nonces than one core can sign, beside cached answers.
pub fn flood(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    let server = servers::ocspry_start(pki, &options.places)?;
    progress.says("what one core signs");
    let raw = raw_signing::per_second(&pki.delegate.key, &[0], options.seconds)?;
    let rate = raw * FLOOD_TIMES;
    let flood = Nonces {
        connections: FLOOD_CONNECTIONS,
        rate: Some(rate),
        wanted: options.seconds,
    };
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        progress.says(&format!(
            "round {round}: flood of {rate:.0} nonces a second"
        ));
        let quiet = cached_alone(&server, pki, options.seconds)?;
        rounds.push(watched(&server, pki, &flood, &quiet)?);
    }
    Ok(json!({
        "raw_per_second": raw,
        "flood_per_second": rate,
        "flood_connections": FLOOD_CONNECTIONS,
        "rounds": rounds,
    }))
}

/// Some times what one core can sign, for a minute, beside cached answers; and before it, what it signs at its best.
pub fn overload(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    let Overload { times, connections } = Overload::of(pki.kind)?;
    let server = servers::ocspry_start(pki, &options.places)?;
    let key = key_name(pki.kind);
    progress.says(&format!("{key}: quiet, and as much as can be signed"));
    let all_rounds = all_rounds(options);
    let quiet = cached_alone(&server, pki, all_rounds)?;
    let saturating = Nonces {
        connections: FRESH_CONNECTIONS,
        rate: None,
        wanted: all_rounds,
    };
    let peak = cached_beside_nonces(&server, pki, &saturating)?;
    let rate = peak.other.requests_per_second() * times;
    progress.says(&format!("{key}: overload of {rate:.0} nonces a second"));
    let overload = |wanted| Nonces {
        connections,
        rate: Some(rate),
        wanted,
    };
    // Its connections and their buffers are there once: what is more after the minute has grown in it.
    let first = watched(&server, pki, &overload(options.seconds), &quiet)?;
    let round = watched(&server, pki, &overload(overload_time(options)), &quiet)?;
    Ok(json!({
        "overload_times": times,
        "overload_per_second": rate,
        "overload_connections": connections,
        "fresh_connections": FRESH_CONNECTIONS,
        "overload_seconds": overload_time(options).as_secs_f64(),
        "peak": peak.to_json(&quiet),
        "first": first,
        "rounds": [round],
    }))
}

/// As long as the rounds of other parts together: it is measured once.
fn all_rounds(options: &Options) -> Duration {
    options.seconds * u32::try_from(options.rounds).unwrap_or(u32::MAX)
}

fn overload_time(options: &Options) -> Duration {
    options.seconds * OVERLOAD_LOADS
}

/// How long [`overload`] takes.
pub fn overload_seconds(options: &Options) -> f64 {
    let loads = options.seconds + all_rounds(options) * 2 + overload_time(options);
    loads.as_secs_f64()
}
