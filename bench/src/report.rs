//! What a run found, part by part, with what it was found on: printed, and kept as a file.

use std::path::Path;

use anyhow::{Context as _, Result};
use ocspry_testkit::now;
use serde_json::{Map, Value, json};

use crate::server;

/// The raw results of one run.
pub struct Report {
    found: Map<String, Value>,
}

impl Report {
    /// Begins with the date, the machine, the commit and what else the machine has to do.
    ///
    /// # Errors
    /// The binary under test is not there.
    pub fn begin(ocspry: &Path) -> Result<Report> {
        ocspry.metadata().with_context(|| {
            let path = ocspry.display();
            format!("{path}: build it first: cargo build --release --package ocspry")
        })?;
        let mut report = Report { found: Map::new() };
        report.add("date", json!(now().to_string()));
        report.add("machine", json!(server::machine()));
        report.add("commit", json!(server::commit()));
        report.add("load_average_before", json!(server::load_average()));
        Ok(report)
    }

    /// What a part found.
    pub fn add(&mut self, part: &str, found: Value) {
        self.found.insert(part.to_owned(), found);
    }

    /// Prints all of it, and writes it to a file if there is to be one.
    pub fn end(self, out: Option<&Path>) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.found)?;
        println!("{text}");
        if let Some(out) = out {
            std::fs::write(out, text + "\n")?;
        }
        Ok(())
    }
}
