//! Many issuers with a small list each, and one with a big one: every answer right, and the memory it takes.

use std::time::Instant;

use anyhow::Result;
use ocspry_bench::made_list::{self, MadeList};
use ocspry_bench::question::{Question, Tally, ask_all};
use ocspry_bench::server::Server;
use ocspry_testkit::KeyKind;
use serde_json::{Value, json};

use crate::made_of_size;
use crate::options::Options;

pub(crate) fn measure(options: &Options) -> Result<Value> {
    let big = made_of_size(options, KeyKind::P256, options.entries_max())?;
    eprintln!(
        "making {} lists of {} entries",
        options.issuers, options.issuer_entries
    );
    let small = MadeList::make_many(&options.directory, options.issuers, options.issuer_entries)?;
    println!("\nissuers x entries");
    Ok(json!([serve(options, &small)?, serve(options, &[big])?]))
}

fn serve(options: &Options, lists: &[MadeList]) -> Result<Value> {
    let directory = options.directory.join("totals");
    std::fs::create_dir_all(&directory)?;
    let state = directory.join("state");
    if state.exists() {
        std::fs::remove_dir_all(&state)?;
    }
    let configuration = directory.join("ocspry.toml");
    std::fs::write(
        &configuration,
        made_list::configuration(lists, &directory, ""),
    )?;
    let arguments = vec![
        "serve".to_owned(),
        format!("--config={}", configuration.display()),
    ];
    let started = Instant::now();
    let server = Server::ocspry_everywhere(&options.ocspry, &arguments, &directory)?;
    let listening_s = started.elapsed().as_secs_f64();
    let start_kib = server.resident_kib()?;
    let mut tally = Tally::default();
    for made in lists {
        let questions = Question::about(&made.list, &made.files.ca);
        ask_all(
            server.port,
            &made.files.ca,
            &made.list,
            &questions,
            &mut tally,
        )?;
    }
    let (resident_kib, peak_kib) = (server.resident_kib()?, server.peak_kib()?);
    let entries: u64 = lists.iter().map(|made| made.list.entries).sum();
    let bytes: u64 = lists.iter().map(|made| made.bytes).sum();
    println!(
        "  {:>4} x {:>9}: {} answers, {} wrong; listening after {listening_s:.2} s; resident {:.1} MiB ({:.1} octets an entry), peak {:.1} MiB, lists {:.1} MB",
        lists.len(),
        entries / lists.len() as u64,
        tally.asked,
        tally.wrong.len(),
        resident_kib as f64 / 1024.0,
        resident_kib as f64 * 1024.0 / entries as f64,
        peak_kib as f64 / 1024.0,
        bytes as f64 / 1e6,
    );
    for why in tally.wrong.iter().take(5) {
        println!("    wrong: {why}");
    }
    Ok(json!({
        "issuers": lists.len(),
        "entries": entries,
        "file_bytes": bytes,
        "listening_s": listening_s,
        "resident_kib_at_start": start_kib,
        "resident_kib": resident_kib,
        "peak_kib": peak_kib,
        "answers": tally.to_json(),
    }))
}
