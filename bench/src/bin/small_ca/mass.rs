//! A CA with very many certificates: index in and out, the start and the memory of `serve`, and the day on which all of them
//! are revoked.

use std::time::Instant;

use anyhow::{Result, ensure};
use ocspry_testkit::HttpClient;
use serde_json::{Value, json};

use crate::office::{CA, Office, is_revoked};
use crate::options::Options;

/// So many answers, spread over all certificates, are asked for.
const ASKED: u64 = 1000;

pub(crate) fn measure(options: &Options) -> Result<Value> {
    let office = Office::open(options, "mass")?;
    let count = options.certificates;
    println!(
        "\n{count} certificates, serial numbers {:?}",
        options.serials
    );
    let empty_kib = {
        let served = office.serve()?;
        served.server.resident_kib()?
    };
    let before_bytes = office.ledger_bytes()?;
    let import = office.import(count)?;
    let fact_bytes = (office.ledger_bytes()? - before_bytes) as f64 / count as f64;
    println!(
        "  index import: {:.1} s, {:.0} MiB at its peak; {fact_bytes:.1} octets of the ledger for each",
        import.cost.wall_s,
        import.cost.peak_kib as f64 / 1024.0
    );
    let dump = office.run(&["index", "dump", CA, "dumped.txt", "--json"])?;
    println!(
        "  index dump: {:.1} s, {:.0} MiB at its peak",
        dump.cost.wall_s,
        dump.cost.peak_kib as f64 / 1024.0
    );
    ensure!(
        std::fs::metadata(office.path("dumped.txt"))?.len()
            >= std::fs::metadata(office.path("index.txt"))?.len(),
        "the index came out shorter than it went in"
    );

    let started = Instant::now();
    let served = office.serve()?;
    let mut client = HttpClient::connect(served.server.port)?;
    let paths = (0..ASKED.min(count))
        .map(|part| office.path_of_get(&office.serial_hex(part * count / ASKED.min(count))))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!is_revoked(&mut client, &paths[0])?, "revoked too early");
    let load_s = started.elapsed().as_secs_f64();
    for path in &paths {
        ensure!(!is_revoked(&mut client, path)?, "revoked too early");
    }
    let resident_kib = served.server.resident_kib()?;
    let serial_bytes = resident_kib.saturating_sub(empty_kib) as f64 * 1024.0 / count as f64;
    let load_peak_kib = served.server.peak_kib()?;
    println!(
        "  start of serve to its first answer: {load_s:.2} s; resident {:.1} MiB, peak {:.1} MiB, {:.1} without certificates: {serial_bytes:.1} octets for each",
        resident_kib as f64 / 1024.0,
        load_peak_kib as f64 / 1024.0,
        empty_kib as f64 / 1024.0,
    );

    let started = Instant::now();
    let revoke = office.run(&[
        "cert",
        "revoke",
        "--ca",
        CA,
        "--all",
        "--reason",
        "keyCompromise",
        "--yes",
        "--json",
    ])?;
    let durable_s = started.elapsed().as_secs_f64();
    // The other one was closed meanwhile: it was idle for too long.
    let mut client = HttpClient::connect(served.server.port)?;
    for path in &paths {
        while !is_revoked(&mut client, path)? {}
    }
    let answered_s = started.elapsed().as_secs_f64();
    let crl = office.run(&["crl", "dump", CA, "--out=all.crl", "--form=der", "--json"])?;
    let published_s = started.elapsed().as_secs_f64();
    let (after_kib, peak_kib) = (served.server.resident_kib()?, served.server.peak_kib()?);
    println!(
        "  all revoked: durable after {durable_s:.1} s, answered after {answered_s:.1} s, in a CRL of {:.1} MB after {published_s:.1} s; serve then {:.1} MiB, peak {:.1} MiB",
        std::fs::metadata(office.path("all.crl"))?.len() as f64 / 1e6,
        after_kib as f64 / 1024.0,
        peak_kib as f64 / 1024.0,
    );
    Ok(json!({
        "certificates": count,
        "serials": format!("{:?}", options.serials),
        "index_import": import.cost.to_json(),
        "index_dump": dump.cost.to_json(),
        "ledger_bytes_per_certificate": fact_bytes,
        "serve_load_s": load_s,
        "serve_resident_kib_empty": empty_kib,
        "serve_resident_kib": resident_kib,
        "serve_load_peak_kib": load_peak_kib,
        "resident_bytes_per_serial": serial_bytes,
        "revoke_all": revoke.cost.to_json(),
        "revoked_durable_s": durable_s,
        "revoked_answered_s": answered_s,
        "crl_dump": crl.cost.to_json(),
        "revoked_in_crl_s": published_s,
        "serve_resident_kib_after": after_kib,
        "serve_peak_kib_after": peak_kib,
    }))
}
