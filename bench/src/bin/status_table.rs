//! Measures the status table alone: what one entry costs to push, to build, to look up and to keep.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin status_table -- [--counts 1000000,10000000] [--kinds random,…] [--out FILE]`
//!
//! A look-up is timed as a client waits for it: which serial is asked next depends on what the last one found, so that a
//! core cannot look for several at once (where nothing is found, it may guess so and run ahead).  `side_by_side` is without
//! that wait.  Warm means that the table was in use; at 10 million entries it is larger than any
//! cache.  Times are those that processors spent here, on all threads, whatever else the machine does.  Cold means that everything was driven out of the caches before each look-up: the median, by the clock.  Every answer is checked.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ocspry_bench::{flags, server};
use ocspry_core::{IssuedSerialsBuilder, Revocation, RevokedSerials, RevokedSerialsBuilder};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use serde_json::{Value, json};

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    let mut results = Vec::new();
    println!("{}", memory_reads());
    for count in &options.counts {
        for kind in &options.kinds {
            let result = match kind {
                Kind::Issued => measure_issued(*count)?,
                Kind::Random | Kind::Sequential | Kind::Shared19 | Kind::Stranger => {
                    measure_revoked(*kind, *count)?
                }
            };
            println!("{result}");
            results.push(result);
        }
    }
    let report = json!({
        "machine": server::machine(),
        "memory_read_ns": memory_reads(),
        "commit": server::commit(),
        "results": results,
    });
    if let Some(out) = &options.out {
        std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| format!("cannot write {out}"))?;
    }
    Ok(())
}

/// What the serials are like; all have 20 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Random, the top bit clear.
    Random,
    /// One after the other.
    Sequential,
    /// 256 share their first 19 octets, and so on.
    Shared19,
    /// One after the other, and one far away.
    Stranger,
    /// As `Random`, but only issued.
    Issued,
}

impl Kind {
    const ALL: [(&'static str, Kind); 5] = [
        ("random", Kind::Random),
        ("sequential", Kind::Sequential),
        ("shared-19", Kind::Shared19),
        ("stranger", Kind::Stranger),
        ("issued", Kind::Issued),
    ];

    fn word(self) -> &'static str {
        Kind::ALL
            .iter()
            .find(|(_, kind)| *kind == self)
            .map_or("?", |(word, _)| word)
    }

    /// The serial of an entry; those from the list's length on are not on it.
    fn serial(self, number: u64) -> SerialNumber {
        let mut octets = [0x5a; 20];
        match self {
            Kind::Random | Kind::Issued => random(number, &mut octets),
            Kind::Shared19 => {
                random(number >> 8, &mut octets[..19]);
                octets[19] = number as u8;
            }
            Kind::Stranger if number == 0 => octets = [0x12; 20],
            Kind::Stranger | Kind::Sequential => {
                octets[12..].copy_from_slice(&number.to_be_bytes());
            }
        }
        serial(&octets)
    }
}

/// Octets that look random and are the same in every run; the first one is neither 0 nor negative.
fn random(number: u64, octets: &mut [u8]) {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for chunk in octets.chunks_mut(8) {
        // SplitMix64: a counter whose bits are mixed.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        chunk.copy_from_slice(&mixed.to_be_bytes()[..chunk.len()]);
        state ^= mixed;
    }
    octets[0] = (octets[0] & 0x7f).max(1);
}

fn serial(octets: &[u8]) -> SerialNumber {
    SerialNumber::from_content(octets).expect("20 octets")
}

fn said_of(number: u64) -> RevokedInfo {
    RevokedInfo {
        revocation_time: Time::from_unix(1_600_000_000 + number as i64),
        reason: number.is_multiple_of(2).then_some(CrlReason::KeyCompromise),
        invalidity_date: None,
    }
}

fn measure_revoked(kind: Kind, count: u64) -> Result<Value> {
    let before_kib = begin_peak()?;
    let mut builder = RevokedSerialsBuilder::new();
    let push = in_batches(kind, count, |number, serial| {
        builder.push(serial, Revocation::Revoked(said_of(number)));
    });
    let started = cpu_time();
    let mut sorting = builder.into_sorting();
    let longest_step = longest_step(|| sorting.step());
    let list = sorting.finish();
    let build = cpu_time() - started;
    let peak_bytes = (peak_kib()? - before_kib) * 1024;
    ensure!(list.len() as u64 == count, "{} entries", list.len());

    let find = |serial: &SerialNumber| match list.lookup(serial) {
        Some(Revocation::Revoked(info)) => {
            Some(info.revocation_time.unix_seconds() - 1_600_000_000)
        }
        Some(Revocation::Removed) | None => None,
    };
    let looked_up = look_up(kind, count, &find)?;
    let started = cpu_time();
    ensure!(
        list.missing_from(&list).next().is_none(),
        "it misses itself"
    );
    let walk = cpu_time() - started;
    let size_bytes = list.size_bytes();
    drop::<RevokedSerials>(list);
    Ok(report(
        kind,
        count,
        push,
        build,
        longest_step,
        size_bytes,
        peak_bytes,
        looked_up,
        Some(walk),
    ))
}

fn measure_issued(count: u64) -> Result<Value> {
    let kind = Kind::Issued;
    let before_kib = begin_peak()?;
    let mut builder = IssuedSerialsBuilder::new();
    let push = in_batches(kind, count, |_, serial| builder.push(serial));
    let started = cpu_time();
    let mut sorting = builder.into_sorting();
    let longest_step = longest_step(|| sorting.step());
    let issued = sorting.finish();
    let build = cpu_time() - started;
    let peak_bytes = (peak_kib()? - before_kib) * 1024;
    ensure!(issued.len() as u64 == count, "{} serials", issued.len());
    // It says yes or no; which one of them it was is not known.
    let find = |serial: &SerialNumber| issued.contains(serial).then_some(0);
    let looked_up = look_up(kind, count, &find)?;
    Ok(report(
        kind,
        count,
        push,
        build,
        longest_step,
        issued.size_bytes(),
        peak_bytes,
        looked_up,
        None,
    ))
}

/// Sorts to the end; the time of the longest step.
fn longest_step(mut step: impl FnMut() -> bool) -> Duration {
    let mut longest = Duration::ZERO;
    let mut is_done = false;
    while !is_done {
        let started = cpu_time();
        is_done = step();
        longest = longest.max(cpu_time() - started);
    }
    longest
}

#[expect(clippy::too_many_arguments, reason = "one row of figures")]
fn report(
    kind: Kind,
    count: u64,
    push: Duration,
    build: Duration,
    longest_step: Duration,
    size_bytes: usize,
    peak_bytes: u64,
    looked_up: Value,
    walk: Option<Duration>,
) -> Value {
    let each = |all: Duration| (all.as_nanos() as f64 / count as f64 * 10.0).round() / 10.0;
    json!({
        "kind": kind.word(),
        "count": count,
        "push_ns": each(push),
        "build_ns": each(build),
        "longest_step_ms": longest_step.as_secs_f64() * 1e3,
        "octets_per_entry": size_bytes as f64 / count as f64,
        "peak_to_size": peak_bytes as f64 / size_bytes as f64,
        "lookup_ns": looked_up,
        "compare_with_itself_ns": walk.map(each),
    })
}

/// The time that so many pushes take, without the time that it takes to make up serials.
fn in_batches(kind: Kind, count: u64, mut push: impl FnMut(u64, &SerialNumber)) -> Duration {
    let mut elapsed = Duration::ZERO;
    let mut batch = Vec::with_capacity(BATCH as usize);
    let mut first = 0;
    while first < count {
        batch.clear();
        batch.extend((first..count.min(first + BATCH)).map(|number| kind.serial(number)));
        let started = cpu_time();
        for (number, serial) in (first..).zip(&batch) {
            push(number, serial);
        }
        elapsed += cpu_time() - started;
        first += BATCH;
    }
    elapsed
}

/// Nanoseconds of a look-up, found and not found, warm and cold.
fn look_up(kind: Kind, count: u64, find: &dyn Fn(&SerialNumber) -> Option<i64>) -> Result<Value> {
    let numbers = |from: u64| {
        (0..WARM_LOOKUPS)
            .map(move |place| from + (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11) % count)
    };
    let hits: Vec<(u64, SerialNumber)> = numbers(0)
        .map(|number| (number, kind.serial(number)))
        .collect();
    let misses: Vec<(u64, SerialNumber)> = numbers(count + 256)
        .map(|number| (number, kind.serial(number)))
        .collect();
    for (number, serial) in &hits {
        let found = find(serial);
        ensure!(
            found == Some(*number as i64) || (kind == Kind::Issued && found.is_some()),
            "{serial}: {found:?}"
        );
    }
    for (_, serial) in &misses {
        ensure!(find(serial).is_none(), "{serial} is not in it");
    }
    let warm = |asked: &[(u64, SerialNumber)]| {
        let mut best = f64::MAX;
        for _ in 0..3 {
            let started = cpu_time();
            // Always 0, which nobody can know before the answer is there.
            let mut offset = 0;
            for place in 0..asked.len() {
                let found = find(&asked[place + offset].1);
                offset = (found.unwrap_or(0) >> 62) as usize & 2;
            }
            black_box(offset);
            best = best.min((cpu_time() - started).as_nanos() as f64 / asked.len() as f64);
        }
        best.round()
    };
    let side_by_side = |asked: &[(u64, SerialNumber)]| {
        let started = cpu_time();
        for (_, serial) in asked {
            black_box(find(serial));
        }
        ((cpu_time() - started).as_nanos() as f64 / asked.len() as f64).round()
    };
    let mut wipe = vec![1u8; WIPE_BYTES];
    let mut cold = |asked: &[(u64, SerialNumber)]| {
        let mut elapsed: Vec<u64> = Vec::new();
        for place in 0..COLD_LOOKUPS {
            for octet in wipe.iter_mut().step_by(64) {
                *octet = octet.wrapping_add(1);
            }
            let serial = asked[place * 31].1;
            let started = Instant::now();
            black_box(find(black_box(&serial)));
            elapsed.push(started.elapsed().as_nanos() as u64);
        }
        elapsed.sort_unstable();
        elapsed[elapsed.len() / 2]
    };
    Ok(json!({
        "hit_warm": warm(&hits),
        "miss_warm": warm(&misses),
        "hit_warm_side_by_side": side_by_side(&hits),
        "miss_warm_side_by_side": side_by_side(&misses),
        "hit_cold_median": cold(&hits),
        "miss_cold_median": cold(&misses),
    }))
}

/// The floor: what one read of a place in so many MiB takes, when it is known only after the last read where that is.
fn memory_reads() -> Value {
    let places = 1usize << 25;
    // Written to, so that the system gives each page memory of its own.
    let mut buffer = vec![1u64; places];
    black_box(&mut buffer).fill(0);
    let read = |mib: usize| {
        let mask = (mib << 17) - 1;
        let mut place = 0;
        let started = cpu_time();
        for number in 0..WARM_LOOKUPS {
            // The buffer holds zeros, which nobody can know before they are read.
            let next = (number ^ buffer[place]).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
            place = next as usize & mask;
        }
        black_box(place);
        ((cpu_time() - started).as_nanos() as f64 / WARM_LOOKUPS as f64).round()
    };
    json!({ "8_mib": read(8), "256_mib": read(256) })
}

/// What processors have spent on all threads of this program: long lists are sorted on two.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// What is resident now; from here on the peak is counted.
fn begin_peak() -> Result<u64> {
    std::fs::write("/proc/self/clear_refs", "5").context("cannot reset the peak")?;
    status_kib("VmRSS:")
}

fn peak_kib() -> Result<u64> {
    status_kib("VmHWM:")
}

fn status_kib(field: &str) -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let value = line.and_then(|line| line.split_whitespace().next());
    value
        .with_context(|| format!("no {field} in /proc/self/status"))?
        .parse()
        .context("no number")
}

struct Options {
    counts: Vec<u64>,
    kinds: Vec<Kind>,
    out: Option<String>,
}

impl Options {
    fn from_arguments() -> Result<Options> {
        let mut options = Options {
            counts: vec![1_000_000, 10_000_000],
            kinds: Kind::ALL.iter().map(|(_, kind)| *kind).collect(),
            out: None,
        };
        flags::each(|flag, value| {
            match flag {
                "--counts" => {
                    let counts = value.split(',').map(str::parse);
                    options.counts = counts.collect::<Result<_, _>>()?;
                }
                "--kinds" => {
                    let kinds = value.split(',').map(|word| {
                        let known = Kind::ALL.iter().find(|(known, _)| *known == word);
                        known
                            .map(|(_, kind)| *kind)
                            .with_context(|| format!("no kind {word}"))
                    });
                    options.kinds = kinds.collect::<Result<_>>()?;
                }
                "--out" => options.out = Some(value),
                _ => bail!("unknown flag {flag}: --counts, --kinds or --out"),
            }
            Ok(())
        })?;
        ensure!(
            options.counts.iter().all(|count| *count > 0),
            "counts begin at 1"
        );
        Ok(options)
    }
}

const BATCH: u64 = 4_096;
const WARM_LOOKUPS: u64 = 1 << 20;
const COLD_LOOKUPS: usize = 200;
/// More than any cache holds.
const WIPE_BYTES: usize = 96 << 20;
