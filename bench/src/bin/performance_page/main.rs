//! Writes docs/performance.md and its plots from the newest results of each kind in bench/results.
//!
//! `cargo run --release --manifest-path bench/Cargo.toml --bin performance_page -- [--results DIR] [--docs DIR]`

mod chart;
mod format;
mod page;
mod peers;
mod pressure;
mod results;
mod targets;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use ocspry_bench::flags;

use crate::peers::Peers;
use crate::results::Results;

fn main() -> Result<()> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut from = root.join("results");
    let mut docs = root.join("../docs");
    flags::each(|flag, value| {
        match flag {
            "--results" => from = value.into(),
            "--docs" => docs = value.into(),
            _ => anyhow::bail!("unknown flag {flag}: --results or --docs"),
        }
        Ok(())
    })?;
    let results = Results::read(&from)?;
    let run = results
        .newest(|content| content["kind"] == "peers")
        .with_context(|| {
            let from = from.display();
            format!(
                "{from}: no results of `cargo xtask bench`; it is the whole run that makes them"
            )
        })?;
    let peers = Peers::new(&run.content);
    let images = docs.join("images");
    std::fs::create_dir_all(&images)?;
    for (name, chart) in page::charts(&peers) {
        std::fs::write(images.join(name), chart.svg())?;
    }
    let targets = targets::all(&peers, run, &results);
    let page = docs.join("performance.md");
    std::fs::write(&page, page::write(&peers, run, &targets))
        .with_context(|| page.display().to_string())?;
    println!("{}: from {}", page.display(), run.name);
    Ok(())
}
