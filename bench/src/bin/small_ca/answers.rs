//! From the end of `cert revoke` to the first answer that says so, with the old answer in the cache and asked for just before;
//! on a quiet machine, and while certificates are issued beside it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::spread::Spread;
use ocspry_testkit::HttpClient;
use serde_json::{Value, json};

use crate::office::{CA, Office, is_revoked};
use crate::options::Options;

/// Certificates of the CA before anything is revoked.
const CERTIFICATES: u64 = 100_000;
/// So many are issued in a second, if the machine can.
const ISSUED_PER_SECOND: u64 = 50;
/// Other answers that are asked for between two revocations: those that the cache should keep.
const HOT: u64 = 64;
/// An answer that is not there by then is a failure.
const ANSWER_MAX: Duration = Duration::from_secs(10);

pub(crate) fn measure(options: &Options) -> Result<Value> {
    let office = Office::open(options, "answers")?;
    office.import(CERTIFICATES)?;
    make_request(&office)?;
    let served = office.serve()?;
    println!("\nfrom the end of `cert revoke` to its answer, {CERTIFICATES} certificates");
    let count = options.repeats as u64;
    let quiet = revoke_each(&office, served.server.port, HOT..HOT + count)?;
    tell("quiet", &quiet);

    let hits = || served.metric("ocspry_response_cache_hits_total");
    let misses = || served.metric("ocspry_response_cache_misses_total");
    let (hits_before, misses_before) = (hits()?, misses()?);
    let stop = AtomicBool::new(false);
    let issued = AtomicU64::new(0);
    let started = Instant::now();
    let (busy, elapsed) = std::thread::scope(|scope| {
        let issuing = scope.spawn(|| issue(&office, &stop, &issued));
        let busy = revoke_each(&office, served.server.port, HOT + count..HOT + 2 * count);
        let elapsed = started.elapsed();
        stop.store(true, Ordering::Relaxed);
        let issuing = issuing.join();
        issuing.map_err(|_| anyhow::anyhow!("issuing panicked"))??;
        anyhow::Ok((busy?, elapsed))
    })?;
    let issued_per_second = issued.load(Ordering::Relaxed) as f64 / elapsed.as_secs_f64();
    let (hits, misses) = (hits()? - hits_before, misses()? - misses_before);
    let hit_rate = hits as f64 / (hits + misses) as f64;
    tell("while issuing", &busy);
    println!(
        "  {issued_per_second:.1} issued a second meanwhile; {hits} hits of the cache, {misses} misses: {:.2} %",
        hit_rate * 100.0
    );
    Ok(json!({
        "certificates": CERTIFICATES,
        "quiet": to_json(&quiet),
        "while_issuing": to_json(&busy),
        "issued_per_second": issued_per_second,
        "cache_hit_rate": hit_rate,
    }))
}

/// Milliseconds for each.
fn revoke_each(office: &Office, port: u16, numbers: std::ops::Range<u64>) -> Result<Vec<f64>> {
    let mut client = HttpClient::connect(port)?;
    let hot = (0..HOT)
        .map(|number| office.path_of_get(&office.serial_hex(number)))
        .collect::<Result<Vec<_>>>()?;
    let mut took = Vec::new();
    for number in numbers {
        let serial = office.serial_hex(number);
        let path = office.path_of_get(&serial)?;
        for path in hot.iter().chain([&path, &path]) {
            ensure!(!is_revoked(&mut client, path)?, "revoked too early");
        }
        office.run(&["cert", "revoke", &serial, "--yes", "--json"])?;
        let returned = Instant::now();
        while !is_revoked(&mut client, &path)? {
            ensure!(returned.elapsed() < ANSWER_MAX, "{serial} is never revoked");
        }
        took.push(returned.elapsed().as_secs_f64() * 1000.0);
    }
    Ok(took)
}

/// Signs a certificate every fiftieth of a second until it is told to stop.
fn issue(office: &Office, stop: &AtomicBool, issued: &AtomicU64) -> Result<()> {
    let started = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        sign(office)?;
        let number = issued.fetch_add(1, Ordering::Relaxed) + 1;
        let due = Duration::from_secs(1) * u32::try_from(number)? / ISSUED_PER_SECOND as u32;
        std::thread::sleep(due.saturating_sub(started.elapsed()));
    }
    Ok(())
}

/// A request for a certificate: `www.csr`.
pub(crate) fn make_request(office: &Office) -> Result<()> {
    let line = "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout www.key -out www.csr -subj /CN=www.example.com";
    let arguments: Vec<&str> = line.split(' ').collect();
    let ended = office.command("openssl", &arguments).output();
    let output = ended.context("this needs openssl")?;
    ensure!(output.status.success(), "openssl {line}");
    Ok(())
}

/// Signs it.
pub(crate) fn sign(office: &Office) -> Result<()> {
    let arguments = [
        "cert",
        "sign",
        CA,
        "--csr=www.csr",
        "--subject=/CN=www.example.com",
        "--alt=www.example.com",
        "--json",
    ];
    office.run(&arguments).map(drop)
}

fn tell(name: &str, took: &[f64]) {
    let spread = Spread::of(took.iter().copied());
    if let Some(spread) = spread {
        println!(
            "  {name:>13}: p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms, of {}",
            spread.median,
            percentile(took, 0.99),
            spread.max,
            took.len()
        );
    }
}

fn to_json(took: &[f64]) -> Value {
    json!({
        "p50_ms": percentile(took, 0.5),
        "p90_ms": percentile(took, 0.9),
        "p99_ms": percentile(took, 0.99),
        "max_ms": percentile(took, 1.0),
        "revocations": took.len(),
    })
}

fn percentile(took: &[f64], share: f64) -> f64 {
    let mut sorted = took.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).ceil() as usize]
}
