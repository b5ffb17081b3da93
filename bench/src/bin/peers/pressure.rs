//! ocspry alone with RSA-2048, where signing is what is scarce: both cores full of it, and more asked than can be signed.
//!
//! What is measured beside it are clients whose answers are cached: they come at a rate of their own, and a latency counts from
//! when its question came.  All clients are in one thread, so that none waits for the generator of others.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::asking::{Asking, Expected, Load, NonceAnswer, Refusals};
use ocspry_bench::load::{Measured, Stream, run_side_by_side};
use ocspry_bench::peer_pki::PeerPki;
use ocspry_bench::raw_signing;
use ocspry_bench::server::{self, Server};
use ocspry_bench::servers;
use serde_json::{Value, json};

use crate::options::Options;
use crate::plan::CONNECTIONS_USUAL;
use crate::progress::Progress;

/// Cached questions a second.
const CACHED_RATE: f64 = 2000.0;
/// Connections that ask for fresh answers on both cores.
const FRESH_CONNECTIONS: usize = 64;
/// Connections of the flood: twice as many as signatures may wait, so that the rest is refused.
const FLOOD_CONNECTIONS: usize = 1024;
/// The flood is so many times what can be signed.
const FLOOD_TIMES: f64 = 10.0;
/// When there is no answer by then, it has not recovered.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

const ANSWER: Expected = Expected::Answer(NonceAnswer::Echoed);

/// Fresh answers on both cores, beside raw signing on both and beside cached answers.
pub fn two_cores(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    server::unpin_this_thread()?;
    let server = servers::ocspry_on_both_cores(pki, &options.places)?;
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        progress.says(&format!("round {round}: RSA-2048 on two cores"));
        let raw = raw_signing::per_second(&pki.delegate.key, &[0, 1], options.seconds)?;
        let quiet = cached_alone(&server, pki, options.seconds)?;
        let mut fresh = Asking::new(pki, Load::NoncePost, ANSWER, options.seconds)
            .with_refusals(Refusals::Count);
        let both = beside_cached(&server, pki, &mut fresh, FRESH_CONNECTIONS, None, options)?;
        rounds.push(json!({
            "raw_per_second": raw,
            "signed_per_second": both.signed_per_second,
            "refused": fresh.refused(),
            "quiet": quiet.to_json("cached", "ocspry"),
            "beside": both.cached.to_json("cached", "ocspry"),
        }));
    }
    server::pin_this_thread(1)?;
    Ok(json!({
        "cached_rate": CACHED_RATE,
        "cached_connections": CONNECTIONS_USUAL,
        "fresh_connections": FRESH_CONNECTIONS,
        "rounds": rounds,
    }))
}

/// Many times more nonces than one core can sign, beside cached answers.
pub fn flood(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    let server = servers::ocspry_start(pki, &options.places)?;
    progress.says("what one core signs");
    let raw = raw_signing::per_second(&pki.delegate.key, &[0], options.seconds)?;
    let rate = raw * FLOOD_TIMES;
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        progress.says(&format!(
            "round {round}: flood of {rate:.0} nonces a second"
        ));
        let quiet = cached_alone(&server, pki, options.seconds)?;
        let memory_before_kib = server.resident_kib()?;
        let mut flood = Asking::new(pki, Load::NoncePost, ANSWER, options.seconds)
            .with_refusals(Refusals::Count);
        let both = beside_cached(
            &server,
            pki,
            &mut flood,
            FLOOD_CONNECTIONS,
            Some(rate),
            options,
        )?;
        // What waited for a signature at the end is answered first.
        let recovered = both.other.drained() + until_a_fresh_answer(&server, pki)?;
        rounds.push(json!({
            "signed_per_second": both.signed_per_second,
            "refused_per_second": flood.refused() as f64 / options.seconds.as_secs_f64(),
            "flood_failed": both.other.failed(),
            "quiet": quiet.to_json("cached", "ocspry"),
            "beside": both.cached.to_json("cached", "ocspry"),
            "resident_kib_before": memory_before_kib,
            "resident_kib_after": server.resident_kib()?,
            "recovered_ms": recovered.as_secs_f64() * 1e3,
        }));
    }
    Ok(json!({
        "raw_per_second": raw,
        "flood_per_second": rate,
        "flood_connections": FLOOD_CONNECTIONS,
        "cached_rate": CACHED_RATE,
        "cached_connections": CONNECTIONS_USUAL,
        "rounds": rounds,
    }))
}

fn cached_alone(server: &Server, pki: &PeerPki, wanted: Duration) -> Result<Measured> {
    let mut cached = Asking::new(pki, Load::CachedGet, ANSWER, wanted);
    let stream = Stream {
        traffic: &mut cached,
        connections: CONNECTIONS_USUAL,
        rate: Some(CACHED_RATE),
    };
    let measured = run_side_by_side(server, &mut [stream])?.pop();
    measured.context("one stream")?.without_failures()
}

struct Both {
    cached: Measured,
    other: Measured,
    signed_per_second: f64,
}

/// Cached answers beside fresh ones; of the cached ones none may fail.
fn beside_cached(
    server: &Server,
    pki: &PeerPki,
    fresh: &mut Asking<'_>,
    connections: usize,
    rate: Option<f64>,
    options: &Options,
) -> Result<Both> {
    let mut cached = Asking::new(pki, Load::CachedGet, ANSWER, options.seconds);
    let mut streams = [
        Stream {
            traffic: &mut cached,
            connections: CONNECTIONS_USUAL,
            rate: Some(CACHED_RATE),
        },
        Stream {
            traffic: &mut *fresh,
            connections,
            rate,
        },
    ];
    let mut measured = run_side_by_side(server, &mut streams)?.into_iter();
    let cached = measured.next().context("two streams")?.without_failures()?;
    let other = measured.next().context("two streams")?;
    fresh.check_kept()?;
    let refused = fresh.refused() as f64 / options.seconds.as_secs_f64();
    Ok(Both {
        signed_per_second: other.requests_per_second() - refused,
        cached,
        other,
    })
}

/// How long it takes until a question with a nonce is answered and not refused.
fn until_a_fresh_answer(server: &Server, pki: &PeerPki) -> Result<Duration> {
    let started = Instant::now();
    while pki.checked_answer_with_nonce(server.port).is_err() {
        ensure!(
            started.elapsed() < RECOVERY_MAX,
            "no fresh answer {RECOVERY_MAX:?} after the flood"
        );
    }
    Ok(started.elapsed())
}
