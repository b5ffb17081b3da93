//! ocspry alone, asked about serial numbers that nobody asked about before and that were never issued.
//!
//! No cache helps, and what is signed about each would be lost.  It knows what was issued, and says `unauthorized` of what was
//! not, which it need not sign.  What is measured beside it are clients whose answers are cached (`beside`).

use anyhow::Result;
use ocspry_bench::load::Stream;
use ocspry_bench::peer_pki::PeerPki;
use ocspry_bench::random_serials::RandomSerials;
use ocspry_bench::server::Server;
use ocspry_bench::{metrics, raw_signing, servers};
use serde_json::{Value, json};

use crate::beside::{Beside, cached_alone, cached_beside};
use crate::options::Options;
use crate::pressure::{FLOOD_TIMES, FRESH_CONNECTIONS};
use crate::progress::Progress;

/// All that were made, whatever became of them.
const SIGNATURES: &str = "ocspry_signatures_total";

/// As many as would be ten times what one core can sign; and once more as fast as they are answered.
pub fn serials(pki: &PeerPki, options: &Options, progress: &mut Progress) -> Result<Value> {
    let (server, admin_port) = servers::ocspry_that_knows_what_was_issued(pki, &options.places)?;
    progress.says("what one core signs");
    let raw = raw_signing::per_second(&pki.delegate.key, &[0], options.seconds)?;
    let rate = raw * FLOOD_TIMES;
    let flood = Flood {
        server: &server,
        pki,
        options,
    };
    let mut rounds = Vec::new();
    for round in 0..options.rounds {
        progress.says(&format!("round {round}: {rate:.0} serial numbers a second"));
        let quiet = cached_alone(&server, pki, options.seconds)?;
        let memory_before_kib = server.resident_kib()?;
        let signatures_before = metrics::total(admin_port, SIGNATURES)?;
        let number = u32::try_from(round)? * 2;
        let paced = flood.run(number, Some(rate))?;
        let fast = flood.run(number + 1, None)?;
        let mut round = paced.to_json(&quiet);
        round["signatures"] = json!(metrics::total(admin_port, SIGNATURES)? - signatures_before);
        round["fast"] = fast.to_json(&quiet);
        round["resident_kib_before"] = json!(memory_before_kib);
        round["resident_kib_after"] = json!(server.resident_kib()?);
        rounds.push(round);
    }
    Ok(json!({
        "raw_per_second": raw,
        "flood_per_second": rate,
        "connections": FRESH_CONNECTIONS,
        "rounds": rounds,
    }))
}

/// What all of its loads have in common.
struct Flood<'a> {
    server: &'a Server,
    pki: &'a PeerPki,
    options: &'a Options,
}

impl Flood<'_> {
    fn run(&self, number: u32, rate: Option<f64>) -> Result<Beside> {
        let wanted = self.options.seconds;
        let mut serials = RandomSerials::new(self.pki, number, wanted);
        let stream = Stream {
            traffic: &mut serials,
            connections: FRESH_CONNECTIONS,
            rate,
        };
        cached_beside(self.server, self.pki, stream, wanted)
    }
}
