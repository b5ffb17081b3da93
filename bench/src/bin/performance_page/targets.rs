//! The targets of docs/design.md section 8, and the bounds of overload, each with what was measured.

use ocspry_bench::spread::Spread;
use serde_json::Value;

use crate::format;
use crate::peers::{Peers, Place, numbers};
use crate::pressure;
use crate::results::{Results, Run};

/// What is wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
}

/// One of them.
pub struct Target {
    /// Of what.
    pub what: String,
    /// What is wanted.
    pub bound: Bound,
    /// Behind the figures.
    pub unit: &'static str,
    /// What was measured.
    pub found: Option<Spread>,
    /// In which run: its file, and what was measured on what.
    pub run: Option<(String, String)>,
}

impl Target {
    /// One that was measured in this run, if it was.
    pub fn of_run(
        what: &str,
        bound: Bound,
        unit: &'static str,
        found: Option<Spread>,
        run: &Run,
    ) -> Target {
        Target {
            what: what.to_owned(),
            bound,
            unit,
            found,
            run: Some(run.told()),
        }
    }

    /// The bound in words.
    pub fn wanted(&self) -> String {
        let (sign, value) = match self.bound {
            Bound::AtLeast(value) => ("≥", value),
            Bound::AtMost(value) => ("≤", value),
        };
        format!("{sign} {value} {}", self.unit)
    }

    /// What was measured, in words.
    pub fn measured(&self) -> String {
        match self.found {
            None => "–".to_owned(),
            found => format!("{} {}", format::spread(found), self.unit),
        }
    }

    /// Met, or missed by how much.
    pub fn verdict(&self) -> String {
        let Some(found) = self.found else {
            return "not measured".to_owned();
        };
        let off = match self.bound {
            Bound::AtLeast(value) => 1.0 - found.median / value,
            Bound::AtMost(0.0) => found.median,
            Bound::AtMost(value) => found.median / value - 1.0,
        };
        if off <= 0.0 {
            "met".to_owned()
        } else if self.bound == Bound::AtMost(0.0) {
            "**missed**".to_owned()
        } else if off > 1.0 {
            format!("**missed**: {:.1} times as much", off + 1.0)
        } else {
            format!("**missed** by {:.0} %", (off * 100.0).round().max(1.0))
        }
    }
}

/// All of them.
pub fn all(peers: &Peers<'_>, run: &Run, results: &Results) -> Vec<Target> {
    let mut targets = of_peers(peers, run);
    targets.extend(pressure::targets(peers, run));
    targets.extend(of_lists(results));
    targets
}

fn at(load: &str) -> Place<'_> {
    Place {
        key: "P-256",
        load,
        connections: 32,
    }
}

const RATE: &str = "requests_per_second";
const CPU: &str = "cpu_us_per_request";

fn of_peers(peers: &Peers<'_>, run: &Run) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut add = |what: &str, bound: Bound, unit: &'static str, found: Option<Spread>| {
        targets.push(Target::of_run(what, bound, unit, found, run));
    };
    let to = |load, other, field| peers.ratio(at(load), "ocspry", other, field);
    let rate_return = |load| to(load, "nginx return", RATE);
    add(
        "cached GET, one core, keep-alive: requests/s to nginx `return`",
        Bound::AtLeast(1.0),
        "×",
        rate_return("get"),
    );
    add(
        "cached POST, the same",
        Bound::AtLeast(1.0),
        "×",
        rate_return("post"),
    );
    add(
        "cached GET: requests/s to nginx serving a file",
        Bound::AtLeast(1.8),
        "×",
        to("get", "nginx file", RATE),
    );
    add(
        "cached GET: CPU per request to the epoll floor (then: ≤ 1.1)",
        Bound::AtMost(1.25),
        "×",
        to("get", "epoll floor", CPU),
    );
    add(
        "cached POST, the same",
        Bound::AtMost(1.25),
        "×",
        to("post", "epoll floor", CPU),
    );
    add(
        "fresh answers with a nonce, P-256, one core: share of 1 / (1/raw signing + 1/cached POST)",
        Bound::AtLeast(90.0),
        "%",
        share_of_ideal(peers),
    );
    // More answers in a CPU-second is less CPU for each.
    let answers = |other| inverse(to("nonce", other, CPU));
    add(
        "answers to nonces per CPU-second to the threaded Python responder",
        Bound::AtLeast(30.0),
        "×",
        answers("pyca"),
    );
    add(
        "the same to django-ca's view",
        Bound::AtLeast(60.0),
        "×",
        answers("django-ca"),
    );
    add(
        "the same to `cfssl ocspserve`, which signs nothing and ignores the nonce",
        Bound::AtLeast(3.0),
        "×",
        answers("cfssl ocspserve"),
    );
    add(
        "one connection per request, fresh signature: CPU to `openssl ocsp`",
        Bound::AtMost(0.6),
        "×",
        to("nonce-once", "openssl ocsp", CPU),
    );
    add(
        "the same: CPU to the epoll floor",
        Bound::AtMost(1.6),
        "×",
        to("nonce-once", "epoll floor", CPU),
    );
    let start = &peers.content["start"];
    add(
        "start to the first right answer, small CRL",
        Bound::AtMost(50.0),
        "ms",
        Spread::of(numbers(&start["milliseconds"])),
    );
    let mebibytes = |value: &Value, unit: f64| Spread::of(value.as_f64().map(|value| value / unit));
    add(
        "memory resident, idle, small CRL",
        Bound::AtMost(16.0),
        "MiB",
        mebibytes(&start["resident_kib_idle"], 1024.0),
    );
    add(
        "the binary, stripped as it ships",
        Bound::AtMost(20.0),
        "MiB",
        mebibytes(&peers.content["binary_bytes_stripped"], 1_048_576.0),
    );
    targets
}

fn inverse(spread: Option<Spread>) -> Option<Spread> {
    spread.map(|one| Spread {
        median: 1.0 / one.median,
        min: 1.0 / one.max,
        max: 1.0 / one.min,
    })
}

/// What could be at best: a signature and a cached answer, one after the other on the core.
fn share_of_ideal(peers: &Peers<'_>) -> Option<Spread> {
    let fresh = peers.rounds(at("nonce"), "ocspry", RATE);
    let cached = peers.rounds(at("post"), "ocspry", RATE);
    let raw = peers.raw_signing("P-256");
    let rounds = fresh.into_iter().zip(cached).zip(raw);
    Spread::of(rounds.filter_map(|((fresh, cached), raw)| {
        let ideal = 1.0 / (1.0 / raw + 1.0 / cached?);
        Some(100.0 * fresh? / ideal)
    }))
}

/// What the other programs of bench/ measure, from the newest that each has left.
fn of_lists(results: &Results) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut add = |what: String, bound, unit, found: Option<f64>, run: Option<&Run>| {
        targets.push(Target {
            what,
            bound,
            unit,
            found: Spread::of(found),
            run: run.map(Run::told),
        });
    };
    const BIG: u64 = 10_000_000;
    let big = |part: &Value, key: &str| {
        let all = part.as_array().into_iter().flatten().cloned();
        let mut found = all.filter(|one| one["entries"] == BIG && one["key"] == key);
        found.next().unwrap_or(Value::Null)
    };
    let run = results.newest(|content| content["loading"].is_array());
    for key in ["P-256", "RSA-2048"] {
        let one = run.map_or(Value::Null, |run| big(&run.content["loading"], key));
        let number = |pointer: &str| one.pointer(pointer).and_then(Value::as_f64);
        add(
            format!(
                "start of `serve` with a CRL of ten million entries, CA with {key}, to the first answer: time to `openssl dgst -sha256` of the file (then: ≤ 2)"
            ),
            Bound::AtMost(3.0),
            "×",
            number("/commands/serve_first_answer/wall_to_dgst"),
            run,
        );
        add(
            "the same: peak memory of `crl check` to file + 1.2 × table".to_owned(),
            Bound::AtMost(1.0),
            "×",
            number("/memory/ratio"),
            run,
        );
    }
    let one = run.map_or(Value::Null, |run| big(&run.content["loading"], "P-256"));
    add(
        "the finished table, for each revoked serial number".to_owned(),
        Bound::AtMost(26.0),
        "octets",
        one["memory"]["table_bytes_per_entry"].as_f64(),
        run,
    );
    let run = results.newest(|content| content["mass"].is_object());
    add(
        "memory for each issued serial number".to_owned(),
        Bound::AtMost(20.0),
        "octets",
        run.and_then(|run| run.content["mass"]["resident_bytes_per_serial"].as_f64()),
        run,
    );
    let run = results.newest(|content| content[0]["results"][0]["lookup_ns"].is_object());
    let lookup = |field: &str| run.and_then(|run| slowest_lookup(&run.content, field));
    add(
        "look-up in a table of ten million, random serial numbers, warm".to_owned(),
        Bound::AtMost(160.0),
        "ns",
        lookup("hit_warm"),
        run,
    );
    add(
        "the same, cold".to_owned(),
        Bound::AtMost(2500.0),
        "ns",
        lookup("hit_cold_median"),
        run,
    );
    let run = results.newest(|content| {
        content["reload"][0]["p99_to_quiet"].is_number() && content["reload"][0]["entries"] == BIG
    });
    let reloads = run.and_then(|run| run.content["reload"].as_array());
    for one in reloads.into_iter().flatten() {
        let load = one["load"].as_str().unwrap_or_default();
        add(
            format!("reload of a list of ten million under load, {load}: p99 to quiet"),
            Bound::AtMost(2.0),
            "×",
            one["p99_to_quiet"].as_f64(),
            run,
        );
        add(
            "the same: failed requests".to_owned(),
            Bound::AtMost(0.0),
            "",
            one["failed"].as_f64(),
            run,
        );
    }
    let run = results.newest(|content| content["answers"]["quiet"].is_object());
    for (field, when) in [
        ("quiet", "quiet"),
        ("while_issuing", "while certificates are issued"),
    ] {
        add(
            format!("revocation in the ledger to its answer, same host, {when}: p99"),
            Bound::AtMost(50.0),
            "ms",
            run.and_then(|run| run.content["answers"][field]["p99_ms"].as_f64()),
            run,
        );
    }
    targets
}

/// Of random serial numbers, in a table of ten million.
fn slowest_lookup(content: &Value, field: &str) -> Option<f64> {
    let tables = content.as_array().into_iter().flatten();
    let tables = tables.flat_map(|one| one["results"].as_array().into_iter().flatten());
    let random = tables.filter(|one| one["kind"] == "random" && one["count"] == 10_000_000);
    random
        .filter_map(|one| one["lookup_ns"][field].as_f64())
        .reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(bound: Bound, median: Option<f64>) -> Target {
        Target {
            what: String::new(),
            bound,
            unit: "×",
            found: Spread::of(median),
            run: None,
        }
    }

    #[test]
    fn a_target_is_met_at_its_bound_and_missed_by_what_lacks() {
        let verdict = |bound, median| target(bound, median).verdict();
        assert_eq!(verdict(Bound::AtLeast(1.8), Some(1.8)), "met");
        assert_eq!(
            verdict(Bound::AtLeast(1.8), Some(1.44)),
            "**missed** by 20 %"
        );
        assert_eq!(verdict(Bound::AtMost(2.0), Some(1.9)), "met");
        assert_eq!(verdict(Bound::AtMost(2.0), Some(3.0)), "**missed** by 50 %");
        assert_eq!(
            verdict(Bound::AtMost(2.0), Some(5.0)),
            "**missed**: 2.5 times as much"
        );
        assert_eq!(verdict(Bound::AtMost(0.0), Some(0.0)), "met");
        assert_eq!(verdict(Bound::AtMost(2.0), None), "not measured");
        // A miss is never rounded to nothing.
        assert_eq!(
            verdict(Bound::AtMost(2.0), Some(2.0001)),
            "**missed** by 1 %"
        );
    }

    #[test]
    fn more_answers_for_a_second_of_cpu_is_less_cpu_for_each() {
        let spread = inverse(Spread::of([0.1, 0.2, 0.5])).unwrap();
        assert_eq!((spread.median, spread.min, spread.max), (5.0, 2.0, 10.0));
    }
}
