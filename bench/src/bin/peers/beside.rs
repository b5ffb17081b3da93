//! Clients whose answers are cached, beside a load that asks for what is scarce.
//!
//! They come at a rate of their own, whether they are answered or not, and a latency counts from when its question came.  All
//! clients are in one thread, so that none waits for the generator of others.  From: the parts that measure ocspry alone.
//! To: their rounds, as they are kept.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::asking::{Asking, Expected, Load, NonceAnswer, Refusals};
use ocspry_bench::load::{Measured, Stream, run_side_by_side};
use ocspry_bench::peer_pki::PeerPki;
use ocspry_bench::server::Server;
use serde_json::{Value, json};

use crate::plan::CONNECTIONS_USUAL;

/// Cached questions a second.
const CACHED_RATE: f64 = 2000.0;
/// When there is no answer by then, it has not recovered.
const RECOVERY_MAX: Duration = Duration::from_secs(10);
/// Who asks while the server recovers, asks again after so long.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(1);

const ANSWER: Expected = Expected::Answer(NonceAnswer::Echoed);

/// A load of questions with a nonce each, beside the cached ones.
pub struct Nonces {
    /// Over so many connections.
    pub connections: usize,
    /// So many in a second; None: each connection asks again once it is answered.
    pub rate: Option<f64>,
    /// For so long.
    pub wanted: Duration,
}

/// What was measured side by side.
pub struct Beside {
    /// Of the clients whose answers are cached.
    pub cached: Measured,
    /// Of the others.
    pub other: Measured,
}

/// What is the same in all parts, as it is kept.
pub fn cached_clients() -> Value {
    json!({ "rate": CACHED_RATE, "connections": CONNECTIONS_USUAL })
}

/// Only the clients whose answers are cached.
pub fn cached_alone(server: &Server, pki: &PeerPki, wanted: Duration) -> Result<Measured> {
    let mut cached = Asking::new(pki, Load::CachedGet, ANSWER, wanted);
    let stream = Stream {
        traffic: &mut cached,
        connections: CONNECTIONS_USUAL,
        rate: Some(CACHED_RATE),
    };
    let measured = run_side_by_side(server, &mut [stream])?.pop();
    measured.context("one stream")?.without_failures()
}

/// They beside another load; of theirs none may fail.
pub fn cached_beside(
    server: &Server,
    pki: &PeerPki,
    other: Stream<'_>,
    wanted: Duration,
) -> Result<Beside> {
    let mut cached = Asking::new(pki, Load::CachedGet, ANSWER, wanted);
    let mut streams = [
        Stream {
            traffic: &mut cached,
            connections: CONNECTIONS_USUAL,
            rate: Some(CACHED_RATE),
        },
        Stream {
            traffic: &mut *other.traffic,
            connections: other.connections,
            rate: other.rate,
        },
    ];
    let mut measured = run_side_by_side(server, &mut streams)?.into_iter();
    let cached = measured.next().context("two streams")?.without_failures()?;
    let other = measured.next().context("two streams")?;
    Ok(Beside { cached, other })
}

/// They beside nonces, of which those that are too many may be refused.
pub fn cached_beside_nonces(server: &Server, pki: &PeerPki, nonces: &Nonces) -> Result<Beside> {
    Ok(beside_nonces_then(server, pki, nonces, || Ok(()))?.0)
}

/// The same, and what comes right behind it: some of the answers are checked as a client does only then, which takes a while.
fn beside_nonces_then<T>(
    server: &Server,
    pki: &PeerPki,
    nonces: &Nonces,
    then: impl FnOnce() -> Result<T>,
) -> Result<(Beside, T)> {
    let mut asking =
        Asking::new(pki, Load::NoncePost, ANSWER, nonces.wanted).with_refusals(Refusals::Count);
    let stream = Stream {
        traffic: &mut asking,
        connections: nonces.connections,
        rate: nonces.rate,
    };
    let beside = cached_beside(server, pki, stream, nonces.wanted)?;
    let behind = then()?;
    asking.check_kept()?;
    Ok((beside, behind))
}

/// The same, with the server's memory before and after it, and when it gives fresh answers again.
pub fn watched(server: &Server, pki: &PeerPki, nonces: &Nonces, quiet: &Measured) -> Result<Value> {
    let memory_before_kib = server.resident_kib()?;
    let (beside, until_fresh) =
        beside_nonces_then(server, pki, nonces, || until_a_fresh_answer(server, pki))?;
    // What waited for a signature at the end is answered first.
    let recovered = beside.other.drained() + until_fresh;
    let mut round = beside.to_json(quiet);
    round["resident_kib_before"] = json!(memory_before_kib);
    round["resident_kib_after"] = json!(server.resident_kib()?);
    round["recovered_ms"] = json!(recovered.as_secs_f64() * 1e3);
    Ok(round)
}

impl Beside {
    /// As a round is kept.
    pub fn to_json(&self, quiet: &Measured) -> Value {
        let refusals_us = |share| self.other.refusals().percentile_us(share);
        json!({
            "answered_per_second": self.other.requests_per_second(),
            "refused_per_second": self.other.refused_per_second(),
            "refusal_p50_us": refusals_us(0.5),
            "refusal_p99_us": refusals_us(0.99),
            "refusal_max_us": refusals_us(1.0),
            "failed": self.other.failed(),
            "first_failure": self.other.first_failure(),
            "unsent": self.other.unsent(),
            "server_busy": self.other.busy(),
            "client_busy": self.other.client_busy(),
            "quiet": quiet.to_json("cached", "ocspry"),
            "beside": self.cached.to_json("cached", "ocspry"),
        })
    }
}

/// How long it takes until a question with a nonce is answered and not refused.
pub fn until_a_fresh_answer(server: &Server, pki: &PeerPki) -> Result<Duration> {
    let started = Instant::now();
    while let Err(why) = pki.checked_answer_with_nonce(server.port) {
        ensure!(
            started.elapsed() < RECOVERY_MAX,
            "no fresh answer {RECOVERY_MAX:?} after the load: {why:#}"
        );
        std::thread::sleep(ASKED_AGAIN_AFTER);
    }
    Ok(started.elapsed())
}
