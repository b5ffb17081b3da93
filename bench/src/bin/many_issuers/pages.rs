//! How much the admin pages weigh, and how long they take to be written.

use std::net::TcpListener;
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::made_list::MadeList;
use ocspry_bench::server::Server;
use ocspry_bench::spread::Spread;
use ocspry_testkit::HttpClient;
use serde_json::{Map, Value, json};

use crate::options::Options;
use crate::{Place, ask_everything};

/// The first is what an answer of the admin listener costs at the least.
const PAGES: [&str; 5] = ["/healthz", "/", "/issuer/ca-000", "/status", "/metrics"];

pub(crate) fn measure(options: &Options, lists: &[MadeList]) -> Result<Value> {
    // Free a moment ago; that of the server is read from its output, and holds one address only.
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let admin = format!("admin = \"127.0.0.1:{port}\"");
    let place = Place::of(options, "pages", lists, &admin)?;
    let arguments = place.arguments();
    let server = Server::ocspry_everywhere(&options.ocspry, &arguments, &place.directory)?;
    ask_everything(server.port, lists)?;
    let mut found = Map::new();
    let mut least = None;
    for page in PAGES {
        let mut bytes = 0;
        let mut seconds = Vec::new();
        for _ in 0..options.repeats {
            let started = Instant::now();
            let response = HttpClient::connect(port)?.get(page)?;
            seconds.push(started.elapsed().as_secs_f64());
            ensure!(response.status == 200, "{page}: HTTP {}", response.status);
            bytes = response.body.len();
        }
        let ms = Spread::of(seconds.into_iter().map(|seconds| seconds * 1000.0));
        let ms = ms.context("a round at least")?;
        let floor = *least.get_or_insert(ms.median);
        println!(
            "{page}: {:.1} kB, {ms} ms, {:.1} x /healthz",
            bytes as f64 / 1000.0,
            ms.median / floor
        );
        let page_found = json!({
            "bytes": bytes,
            "ms": ms.to_json(),
            "to_healthz": ms.median / floor,
        });
        found.insert(page.to_owned(), page_found);
    }
    Ok(Value::Object(found))
}
