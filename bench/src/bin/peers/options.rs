//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use ocspry_bench::servers::Places;
use ocspry_bench::{flags, server};
use ocspry_testkit::now;

/// What was asked for.
pub struct Options {
    /// How long each load runs, each time.
    pub seconds: Duration,
    /// How often.
    pub rounds: usize,
    /// Words; a cell or part whose name has one of them is measured.  None: all.
    pub only: Vec<String>,
    /// Where things are.
    pub places: Places,
    /// Where the results go.
    pub out: PathBuf,
}

impl Options {
    /// From the arguments of this program.
    pub fn from_arguments() -> Result<Options> {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let day: String = now().to_string().chars().take(10).collect();
        let mut quick = false;
        let mut out = None;
        let mut options = Options {
            seconds: Duration::from_secs(2),
            rounds: 5,
            only: Vec::new(),
            places: Places {
                ocspry: root.join("../target/shipped/ocspry"),
                rivals: root.join("rivals"),
                python: root.join("target/python/bin/python3"),
            },
            out: PathBuf::new(),
        };
        let mut given: Vec<(String, String)> = Vec::new();
        flags::each_or_switch(&["--quick"], |flag, value| {
            given.push((flag.to_owned(), value));
            Ok(())
        })?;
        if given.iter().any(|(flag, _)| flag == "--quick") {
            quick = true;
            options.seconds = Duration::from_millis(300);
            options.rounds = 1;
        }
        for (flag, value) in given {
            match flag.as_str() {
                "--quick" => {}
                "--only" => options.only = value.split(',').map(str::to_owned).collect(),
                "--seconds" => options.seconds = Duration::try_from_secs_f64(value.parse()?)?,
                "--rounds" => options.rounds = value.parse()?,
                "--ocspry" => options.places.ocspry = value.into(),
                "--python" => options.places.python = value.into(),
                "--out" => out = Some(value.into()),
                _ => anyhow::bail!(
                    "unknown flag {flag}: --quick, --only, --seconds, --rounds, --ocspry, --python or --out"
                ),
            }
        }
        ensure!(
            options.rounds > 0 && !options.seconds.is_zero(),
            "--rounds and --seconds must be more than nothing"
        );
        // What is not the whole run is no result to keep.
        let partial = quick || !options.only.is_empty();
        options.out = out.unwrap_or_else(|| {
            if partial {
                root.join("target/peers-partial.json")
            } else {
                root.join(format!("results/{day}-{}-peers.json", server::commit()))
            }
        });
        Ok(options)
    }
}
