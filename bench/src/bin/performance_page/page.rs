//! The page: targets first, then each load with everybody, then how it was measured.

use std::fmt::Write as _;

use ocspry_bench::spread::Spread;
use serde_json::Value;

use crate::chart::{Chart, Row};
use crate::format::{number, spread};
use crate::peers::{Peers, Place, numbers};
use crate::pressure;
use crate::results::Run;
use crate::targets::Target;

/// The loads that everybody is measured under: name in the results, heading, what it is.
const LOADS: [(&str, &str, &str); 4] = [
    (
        "get",
        "The same question again and again: GET",
        "32 connections that are kept. ocspry answers from its cache, nginx from its configuration, a file or its cache; \
         the two in Python sign each answer anew.",
    ),
    (
        "post",
        "The same question again and again: POST",
        "nginx serves no file for a POST; cfssl hands out what was signed before.",
    ),
    (
        "nonce",
        "A nonce of its own in every question",
        "POST over 32 connections that are kept. Who echoes the nonce must sign every answer; cfssl and the floor ignore it, and \
         send what they have.",
    ),
    (
        "nonce-once",
        "A nonce of its own, and one connection for each question",
        "32 at once. A latency counts from the making of the connection.",
    ),
];

/// The plots: file name and content.
pub fn charts(peers: &Peers<'_>) -> Vec<(&'static str, Chart)> {
    let rate = |load, title: &str| answers_per_cpu_second(peers, usual(load), title);
    vec![
        (
            "performance-get.svg",
            rate(
                "get",
                "Cached GET: answers for a second of the server's CPU",
            ),
        ),
        (
            "performance-nonce.svg",
            rate(
                "nonce",
                "Questions with a nonce: answers for a second of the server's CPU",
            ),
        ),
        (
            "performance-nonce-once.svg",
            rate(
                "nonce-once",
                "Nonce, one connection for each question: answers for a second of CPU",
            ),
        ),
        (
            "performance-latency-get.svg",
            latencies(
                peers,
                usual("get"),
                "Cached GET, 32 connections: p50, p99 and p99.9 in µs",
            ),
        ),
        (
            "performance-latency-nonce.svg",
            latencies(
                peers,
                usual("nonce"),
                "Nonce, 32 connections: p50, p99 and p99.9 in µs",
            ),
        ),
    ]
}

fn usual(load: &str) -> Place<'_> {
    Place {
        key: "P-256",
        load,
        connections: 32,
    }
}

fn answers_per_cpu_second(peers: &Peers<'_>, place: Place<'_>, title: &str) -> Chart {
    chart(peers, place, title, |server| {
        let cpu = peers.spread(place, server, "cpu_us_per_request")?;
        let marks = vec![1e6 / cpu.max, 1e6 / cpu.median, 1e6 / cpu.min];
        Some((marks, 1e6 / cpu.median))
    })
}

fn latencies(peers: &Peers<'_>, place: Place<'_>, title: &str) -> Chart {
    chart(peers, place, title, |server| {
        let median = |field| Some(peers.spread(place, server, field)?.median);
        let marks = vec![median("p50_us")?, median("p99_us")?, median("p999_us")?];
        Some((marks, median("p99_us")?))
    })
}

fn chart(
    peers: &Peers<'_>,
    place: Place<'_>,
    title: &str,
    of: impl Fn(&str) -> Option<(Vec<f64>, f64)>,
) -> Chart {
    let rows = peers.servers(place).into_iter().filter_map(|server| {
        let (marks, main) = of(server)?;
        Some(Row {
            name: server.to_owned(),
            is_ours: server == "ocspry",
            marks,
            main,
        })
    });
    Chart {
        title: title.to_owned(),
        rows: rows.collect(),
    }
}

/// The text.
pub fn write(peers: &Peers<'_>, run: &Run, targets: &[Target]) -> String {
    let mut page = String::new();
    head(&mut page, peers, run);
    target_table(&mut page, targets);
    for (load, heading, what) in LOADS {
        let _ = write!(page, "\n## {heading}\n\n{what}\n\n");
        image(&mut page, load);
        load_table(&mut page, peers, usual(load));
    }
    connections(&mut page, peers);
    keys(&mut page, peers);
    pressure::write(&mut page, peers);
    memory(&mut page, peers);
    how(&mut page, peers);
    page
}

fn head(page: &mut String, peers: &Peers<'_>, run: &Run) {
    let text = |field: &str| peers.content[field].as_str().unwrap_or("unknown");
    let _ = write!(
        page,
        "# Performance\n\n\
         <!-- Written by `cargo xtask bench`; edit bench/src/bin/performance_page instead. -->\n\n\
         ocspry beside other servers, all in one run on one machine: {machine}, {cores} cores, commit {commit}, {date}, load average \
         before it {load}. The server under test has core 0, the load core 1; the load \
         never sleeps but where it shares the server's cores, since waking a client would cost the server an interrupt for each answer. \
         ocspry is the binary that ships (`cargo xtask dist`). Each figure is the median of {rounds} rounds of {seconds} s, \
         in which everybody has a turn, with the least and the greatest behind it; a ratio is taken in each round, so that what disturbs the \
         machine disturbs both. The two overloads of a minute are one round each. An answer counts if it is whole and the right one for its \
         question; of those with a nonce, one in 256 has its signature verified as well. `cargo xtask bench` does all of [1] again, on any Linux machine with \
         two cores, in some twenty minutes once all is built; the raw results are in [bench/results](../bench/results/{name}).\n\n\
         What is compared with *quiet* is compared with a core that sleeps between two requests: waking it takes up to milliseconds in a virtual machine, \
         so that the p99 can be lower beside a flood, which keeps it awake. The tables have both figures.\n\n\
         In the plots, the axis goes by powers of ten. A dot is the median and its line goes from the least to the greatest; of latencies the dot is the \
         p99, and the line goes from p50 to p99.9.\n",
        machine = text("machine"),
        cores = peers.content["cores"],
        commit = text("commit"),
        date = text("date"),
        load = text("load_average_before"),
        rounds = peers.content["rounds"],
        seconds = peers.content["seconds"],
        name = run.name,
    );
}

fn target_table(page: &mut String, targets: &[Target]) {
    let met = targets.iter().filter(|one| one.verdict() == "met").count();
    let _ = write!(
        page,
        "\n## Targets\n\nThose of [the design](design.md), section 8, and of overload: {met} of {} met.\n\n\
         | What | Target | Measured | |\n|---|---|---|---|\n",
        targets.len()
    );
    let mut runs: Vec<&(String, String)> = Vec::new();
    for target in targets {
        let note = target.run.as_ref().map_or_else(String::new, |run| {
            let place = runs.iter().position(|known| *known == run);
            let place = place.unwrap_or_else(|| {
                runs.push(run);
                runs.len() - 1
            });
            format!(" [{}]", place + 1)
        });
        let _ = writeln!(
            page,
            "| {} | {} | {}{note} | {} |",
            target.what,
            target.wanted().trim_end(),
            target.measured().trim_end(),
            target.verdict()
        );
    }
    let runs = runs.iter().enumerate();
    let runs: Vec<String> = runs
        .map(|(place, (run, what))| {
            format!("[{}] [{run}](../bench/results/{run}), {what}", place + 1)
        })
        .collect();
    let _ = write!(
        page,
        "\nFrom {}. The others are described in [bench/README.md](../bench/README.md). How fast requests are read and answers are \
         written is bounded by tests; signing ahead of time is to come.\n",
        runs.join("; ")
    );
}

fn image(page: &mut String, load: &str) {
    let plots: &[(&str, &str)] = match load {
        "get" => &[
            ("get", "Answers for a second of CPU, cached GET"),
            ("latency-get", "Latencies, cached GET"),
        ],
        "nonce" => &[
            ("nonce", "Answers for a second of CPU, with a nonce"),
            ("latency-nonce", "Latencies, with a nonce"),
        ],
        "nonce-once" => &[(
            "nonce-once",
            "Answers for a second of CPU, one connection each",
        )],
        _ => &[],
    };
    for (name, what) in plots {
        let _ = writeln!(page, "![{what}](images/performance-{name}.svg)\n");
    }
}

fn load_table(page: &mut String, peers: &Peers<'_>, place: Place<'_>) {
    let servers = peers.servers(place);
    if servers.is_empty() {
        page.push_str("Not measured in this run.\n");
        return;
    }
    page.push_str(
        "| Server | Requests/s | ocspry to it | CPU µs/request | ocspry to it | Core busy | p50 µs | p99 µs | p99.9 µs | Failed |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for server in servers {
        let of = |field| peers.spread(place, server, field);
        let to = |field| match server {
            "ocspry" => "".to_owned(),
            _ => ratio(peers.ratio(place, "ocspry", server, field)),
        };
        let median = |field| of(field).map_or_else(|| "–".to_owned(), |one| number(one.median));
        let busy = of("server_busy").map_or_else(
            || "–".to_owned(),
            |one| format!("{:.0} %", 100.0 * one.median),
        );
        let _ = writeln!(
            page,
            "| {server} | {} | {} | {} | {} | {busy} | {} | {} | {} | {} |",
            spread(of("requests_per_second")),
            to("requests_per_second"),
            spread(of("cpu_us_per_request")),
            to("cpu_us_per_request"),
            median("p50_us"),
            median("p99_us"),
            median("p999_us"),
            peers.failed(place, server)
        );
    }
}

fn ratio(found: Option<Spread>) -> String {
    match found {
        None => "–".to_owned(),
        found => format!("{} ×", spread(found)),
    }
}

fn connections(page: &mut String, peers: &Peers<'_>) {
    page.push_str(
        "\n## One connection, and very many\n\nP-256; medians of requests/s, and p99 in µs behind it.\n\n\
         | Load | Server | 1 connection | 32 | 256 |\n|---|---|---|---|---|\n",
    );
    for (load, _, _) in LOADS {
        let one = Place {
            connections: 1,
            ..usual(load)
        };
        for server in peers.servers(one) {
            let cell = |connections| {
                let place = Place { connections, ..one };
                let median = |field| Some(peers.spread(place, server, field)?.median);
                match (median("requests_per_second"), median("p99_us")) {
                    (Some(rate), Some(p99)) => format!("{}; {}", number(rate), number(p99)),
                    _ => "–".to_owned(),
                }
            };
            let (one, usual, many) = (cell(1), cell(32), cell(256));
            let _ = writeln!(page, "| {load} | {server} | {one} | {usual} | {many} |");
        }
    }
}

fn keys(page: &mut String, peers: &Peers<'_>) {
    page.push_str(
        "\n## Keys\n\n32 connections, one core; requests/s, and CPU µs for each behind it. Raw signing is the library alone, in a loop on one \
         core.\n\n| Load | Server | P-256 | RSA-2048 | Ed25519 |\n|---|---|---|---|---|\n",
    );
    const KEYS: [&str; 3] = ["P-256", "RSA-2048", "Ed25519"];
    let raw = KEYS.map(|key| spread(Spread::of(peers.raw_signing(key))));
    let _ = writeln!(page, "| raw signing | aws-lc-rs | {} |", raw.join(" | "));
    for (load, _, _) in LOADS {
        let place = |key| Place {
            key,
            load,
            connections: 32,
        };
        let mut servers = Vec::new();
        for server in [peers.servers(place(KEYS[1])), peers.servers(place(KEYS[2]))].concat() {
            if !servers.contains(&server) {
                servers.push(server);
            }
        }
        for server in servers {
            let cells = KEYS.map(|key| {
                let median = |field| Some(peers.spread(place(key), server, field)?.median);
                match (median("requests_per_second"), median("cpu_us_per_request")) {
                    (Some(rate), Some(cpu)) => format!("{}; {}", number(rate), number(cpu)),
                    _ => "–".to_owned(),
                }
            });
            let _ = writeln!(page, "| {load} | {server} | {} |", cells.join(" | "));
        }
    }
}

fn memory(page: &mut String, peers: &Peers<'_>) {
    page.push_str(
        "\n## Memory\n\nMiB of all processes of a server, P-256; what several of them share is divided among these.\n\n\
         | Server | Idle | After the loads | Nonces | Version |\n|---|---|---|---|---|\n",
    );
    let servers = peers.content["servers"].as_array().into_iter().flatten();
    for server in servers.filter(|server| server["key"] == "P-256") {
        let mebibytes = |field: &str| {
            let value = server[field].as_f64();
            value.map_or_else(|| "–".to_owned(), |kib| number(kib / 1024.0))
        };
        let nonces = match server["echoes_nonces"].as_bool() {
            Some(true) => "echoed",
            Some(false) => "ignored",
            None => "–",
        };
        let text = |field: &str| server[field].as_str().unwrap_or("–");
        let _ = writeln!(
            page,
            "| {} | {} | {} | {nonces} | {} |",
            text("server"),
            mebibytes("memory_kib_idle"),
            mebibytes("memory_kib_after_load"),
            text("version")
        );
    }
    let starts = numbers(&peers.content["start"]["milliseconds"]);
    let _ = write!(
        page,
        "\nThe three of nginx are one: one worker listens in three places. ocspry is started {} times for the time to its first answer.\n",
        starts.len()
    );
}

fn how(page: &mut String, peers: &Peers<'_>) {
    page.push_str(HOW);
    let absent = peers.content["absent"].as_array().into_iter().flatten();
    for one in absent {
        let text = |field: &str| one[field].as_str().unwrap_or("–");
        let why: String = text("why").chars().take(200).collect();
        let _ = writeln!(
            page,
            "- not in this run: {} with {}: {why}",
            text("server"),
            text("key")
        );
    }
    let errors = peers.content["cells"].as_array().into_iter().flatten();
    for cell in errors {
        let rounds = cell["rounds"].as_array().into_iter().flatten();
        let error = rounds.filter_map(|round| round["error"].as_str()).next();
        if let (Some(error), Value::String(server)) = (error, &cell["server"]) {
            let why: String = error.chars().take(200).collect();
            let (load, connections) = (&cell["load"], &cell["connections"]);
            let _ = writeln!(
                page,
                "- {server}, {load} over {connections} connections: {why}"
            );
        }
    }
}

const HOW: &str = "
## Who is measured, and how

All answer for the same CA, delegate and certificate; the CRL has a thousand entries. All have core 0 and as many workers as that is, one.

- **ocspry**: `ocspry serve` with files and a port, nothing else set.
- **epoll floor**: a loop in Rust that reads whole requests and writes the same octets to each, in one write; it looks at nothing. What is above it is what a server does.
- **nginx**: `worker_processes 1`, no access log, connections kept for ever. `return` answers text of the same length as the answer, since its configuration cannot hold it; `file` has `sendfile` and `open_file_cache`; `proxy_cache` keeps the answers of the responder in Python, by method, path and body, with `proxy_cache_lock`.
- **cfssl ocspserve**: hands out answers by serial number from a file; it got those that ocspry signed. It signs nothing, and takes no notice of a nonce. Logs errors only. Debian's version refuses every GET, since it takes the slash before the base64 for a part of it: it is only asked by POST.
- **openssl ocsp**: one process over an index, without `-multi`; no keep-alive, so it is only asked with a connection for each question. It spins for ever when a client closes without a question, so the load never does.
- **pyca**: [a responder of a hundred lines](../bench/rivals/pyca_responder.py) with `http.server`'s threads and pyca/cryptography: the list in memory, every answer signed.
- **django-ca**: its OCSP view over SQLite with connections to the database kept, with no middleware but the one that says how long an answer is; gunicorn with one worker of one thread that keeps connections.
- Boulder's responder is left out: it needs Redis and a database beside it, and answers from there.

A body that has the same octets as one that was checked as a client does (signature, signer, CertID, status, times) is right. Any other is read whole, and must be about the certificate, say that it is good, hold, and have the nonce that was sent; the first of those and then one in 256 are kept, and a client's whole check of them comes when the load is over. A wrong answer, another status than 200 and a lost connection do not count as requests; they are in the column *Failed*. `nginx return` and the floor must give back the octets that they were given.

*Core busy* is the CPU time of the server over the time that passed: far below 100 %, the load was the limit or the server waited, and CPU for each request says more than requests/s. CPU times are the kernel's, of all processes of a server.
";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::results::Results;
    use crate::targets;

    fn run() -> Run {
        let round = |rate: f64| {
            json!({ "requests_per_second": rate, "cpu_us_per_request": 1e6 / rate, "server_busy": 1.0,
                    "p50_us": 10, "p99_us": 20, "p999_us": 30, "failed": 0 })
        };
        let cell = |load: &str, connections: u64, server: &str, rate: f64| {
            json!({ "key": "P-256", "load": load, "connections": connections, "server": server,
                    "rounds": [round(rate), round(rate * 1.1)] })
        };
        Results::only(json!({
            "kind": "peers", "date": "2026-01-02T03:04:05Z", "commit": "abc", "machine": "M", "cores": 2,
            "rounds": 2, "seconds": 2.0, "binary_bytes_stripped": 30_000_000,
            "cells": [
                cell("get", 32, "ocspry", 1000.0),
                cell("get", 1, "ocspry", 900.0),
                cell("get", 32, "nginx return", 800.0),
                { "key": "P-256", "load": "nonce", "connections": 32, "server": "pyca", "rounds": [{ "error": "gone" }] },
            ],
            "absent": [{ "server": "django-ca", "key": "P-256", "why": "no package" }],
        }))
    }

    #[test]
    fn every_target_has_its_row_whether_it_was_measured_or_not() {
        let run = run();
        let peers = Peers::new(&run.content);
        let results = Results::read(std::path::Path::new("results")).unwrap();
        let targets = targets::all(&peers, &run, &results);
        let page = write(&peers, &run, &targets);
        for target in &targets {
            assert!(page.contains(&target.what), "{}", target.what);
        }
        assert!(page.contains("| ≥ 1 × | 1.25 × [1] | met |"), "{page}");
        assert!(page.contains("| ≤ 20 MiB | 28.6 MiB [1] | **missed** by 43 % |"));
        assert!(page.contains("| ≥ 30 × | – [1] | not measured |"));
    }

    #[test]
    fn who_was_not_measured_is_said_with_the_reason() {
        let run = run();
        let peers = Peers::new(&run.content);
        let page = write(&peers, &run, &[]);
        assert!(page.contains("- not in this run: django-ca with P-256: no package"));
        assert!(page.contains("gone"));
        assert!(
            page.contains("| get | ocspry | 990; 20.0 | 1,100; 20.0 | – |"),
            "{page}"
        );
    }
}
