//! How much of the OCSP decoder the fuzz corpus of the repository reaches, line by line.
//!
//! From: `cargo xtask coverage`, and `nightly`.  To: the terminal, and a failure below [`LINES_PERCENT_MIN`].  The corpus
//! is replayed by targets that rustc has built with counters; the tools that read these come with the LLVM of rustc's own
//! version, from Debian's package `llvm-<major>`.  Unit tests are not part of a target, so they count on neither side.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::fuzz::{files_below, host_triple};
use crate::setup;
use crate::step::{Steps, find_program, output_of, root, status_of};

/// Replays the corpus and prints a row for each file of the decoder.
///
/// # Errors
/// When LLVM's tools are missing and cannot be installed, when a target does not build or crashes, and when less than
/// [`LINES_PERCENT_MIN`] of the decoder's lines are reached.
pub(crate) fn measure(steps: &mut Steps) -> Result<()> {
    let tools = Tools::find_or_install(steps)?;
    let programs = build(steps)?;
    let profile = replay(steps, &tools, &programs)?;
    steps.run("coverage: the decoder's lines", || {
        report(&tools, &programs, &profile)
    })
}

/// llvm-profdata and llvm-cov, of the version that rustc's counters are for.
struct Tools {
    profdata: String,
    cov: String,
}

impl Tools {
    fn find_or_install(steps: &mut Steps) -> Result<Tools> {
        let version = output_of(Command::new("rustc").arg("-vV"))?;
        let major = version
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: ")?.split('.').next())
            .context("`rustc -vV` names no LLVM version")?;
        let tools = Tools {
            profdata: format!("llvm-profdata-{major}"),
            cov: format!("llvm-cov-{major}"),
        };
        if find_program(&tools.profdata).is_none() || find_program(&tools.cov).is_none() {
            let package = format!("llvm-{major}");
            steps.run(format!("coverage: install {package}"), || {
                setup::install(&[&package])
            })?;
        }
        Ok(tools)
    }
}

/// Builds the targets that are little more than the decoder; returns the folder of the programs.
fn build(steps: &mut Steps) -> Result<PathBuf> {
    let host = host_triple()?;
    let folder = root().join("fuzz/target/coverage");
    steps.run("coverage: build", || {
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "--locked", "--release"]);
        for target in TARGETS {
            cargo.args(["--bin", target]);
        }
        cargo
            .args(["--manifest-path", "fuzz/Cargo.toml", "--target", &host])
            .arg("--target-dir")
            .arg(&folder)
            .env("RUSTFLAGS", "--cfg fuzzing -Cinstrument-coverage");
        status_of(&mut cargo)
    })?;
    Ok(folder.join(host).join("release"))
}

/// Runs every input once; returns the merged profile.
fn replay(steps: &mut Steps, tools: &Tools, programs: &std::path::Path) -> Result<PathBuf> {
    let folder = root().join("fuzz/target/coverage/profiles");
    let merged = folder.join("merged.profdata");
    steps.run("coverage: replay", || {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut merge = Command::new(&tools.profdata);
        merge.args(["merge", "-sparse", "-o"]).arg(&merged);
        for target in TARGETS {
            let profile = folder.join(format!("{target}.profraw"));
            let log = folder.join(format!("{target}.log"));
            let log = fs::File::create(&log)
                .with_context(|| format!("cannot write {}", log.display()))?;
            // Given as files, not as a folder: libFuzzer then wants no counters of its own.
            status_of(
                Command::new(programs.join(target))
                    .args(files_below(&root().join("fuzz/corpus").join(target))?)
                    .env("LLVM_PROFILE_FILE", &profile)
                    .stderr(log),
            )?;
            merge.arg(profile);
        }
        status_of(&mut merge)
    })?;
    Ok(merged)
}

fn report(tools: &Tools, programs: &std::path::Path, profile: &std::path::Path) -> Result<()> {
    let mut export = Command::new(&tools.cov);
    export.args(["export", "-summary-only"]);
    export.arg(format!("-instr-profile={}", profile.display()));
    for (place, target) in TARGETS.iter().enumerate() {
        if place > 0 {
            export.arg("-object");
        }
        export.arg(programs.join(target));
    }
    export.arg("-sources");
    export.args(FILES.map(|file| root().join(file)));
    let summary: Value = serde_json::from_str(&output_of(&mut export)?)
        .context("llvm-cov printed something other than JSON")?;

    let mut total = Lines::default();
    println!("{:>8}  {:>8}  {:>9}  file", "lines", "reached", "");
    for file in FILES {
        let lines = Lines::of(&summary, file)?;
        println!("{lines}  {file}");
        total.count += lines.count;
        total.reached += lines.reached;
    }
    println!("{total}  in all");
    if total.percent() < LINES_PERCENT_MIN {
        bail!(
            "the corpus reaches {:.1} % of the decoder's lines; at least {LINES_PERCENT_MIN} % are wanted: run the targets and `cargo xtask corpus`",
            total.percent()
        );
    }
    Ok(())
}

/// Lines with code, and how many of them ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Lines {
    count: u64,
    reached: u64,
}

impl Lines {
    /// From llvm-cov's summary.
    fn of(summary: &Value, file: &str) -> Result<Lines> {
        let files = summary["data"][0]["files"]
            .as_array()
            .context("llvm-cov names no files")?;
        let lines = files
            .iter()
            .find(|entry| {
                let name = entry["filename"].as_str();
                name.is_some_and(|name| name.ends_with(file))
            })
            .with_context(|| format!("llvm-cov knows no {file}"))?;
        let number = |name: &str| {
            let number = lines["summary"]["lines"][name].as_u64();
            number.with_context(|| format!("llvm-cov gives no {name} of {file}"))
        };
        Ok(Lines {
            count: number("count")?,
            reached: number("covered")?,
        })
    }

    fn percent(self) -> f64 {
        100.0 * self.reached as f64 / self.count.max(1) as f64
    }
}

impl std::fmt::Display for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let percent = format!("{:.1} %", self.percent());
        write!(f, "{:>8}  {:>8}  {percent:>9}", self.count, self.reached)
    }
}

/// What the corpus must reach of the decoder's lines, all files together.
const LINES_PERCENT_MIN: f64 = 95.0;

/// The targets that are little more than the decoder.
const TARGETS: [&str; 3] = ["request", "response", "get_path"];

/// The decoder: what the octets of a stranger meet first.
const FILES: [&str; 9] = [
    "crates/ocspry-http/src/get_path.rs",
    "crates/ocspry-wire/src/der/read.rs",
    "crates/ocspry-wire/src/ocsp/cert_id.rs",
    "crates/ocspry-wire/src/ocsp/nonce.rs",
    "crates/ocspry-wire/src/ocsp/preferred.rs",
    "crates/ocspry-wire/src/ocsp/request.rs",
    "crates/ocspry-wire/src/ocsp/response.rs",
    "crates/ocspry-wire/src/ocsp/status.rs",
    "crates/ocspry-wire/src/x509/extension.rs",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_llvm_cov_becomes_a_row() {
        let summary = serde_json::json!({ "data": [{ "files": [{
            "filename": "/somewhere/crates/a/src/b.rs",
            "summary": { "lines": { "count": 200, "covered": 191, "percent": 95.5 } },
        }] }] });
        let lines = Lines::of(&summary, "crates/a/src/b.rs").expect("it is there");
        assert_eq!(lines.to_string(), "     200       191     95.5 %");
        assert!(Lines::of(&summary, "crates/a/src/c.rs").is_err());
    }
}
