//! Builds and runs the fuzz targets of fuzz/.
//!
//! From: `cargo xtask fuzz`, `ci` (ten seconds each) and `nightly` (ten minutes each).  To: fuzz/, a workspace of its
//! own.  libFuzzer needs nothing but coverage counters in the code, which stable Rust can put there: no nightly
//! toolchain and no cargo-fuzz.  A machine without a C++ compiler gets one by `cargo xtask setup`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::step::{Steps, output_of, root, status_of};

/// Where the inputs that libFuzzer makes begin.
#[derive(Clone, Copy)]
pub(crate) enum Seed {
    /// The same each time: a change is not refused for what it has nothing to do with.
    Same,
    /// Another one each time: what hunts for new inputs.
    Chance,
}

/// How long a target runs when nothing is said.
pub(crate) const SECONDS_DEFAULT: u64 = 60;

/// Builds all targets and runs one of them for so many seconds.
///
/// # Errors
/// When there is no such target, it does not build, or it finds a crash: libFuzzer prints the path of the input.
pub(crate) fn run(steps: &mut Steps, target: &str, seconds: u64) -> Result<()> {
    let known = targets()?;
    if !known.iter().any(|name| name == target) {
        bail!(
            "`{target}` is no fuzz target; there are: {}",
            known.join(", ")
        );
    }
    let programs = build(steps)?;
    let statistics = run_one(steps, &programs, target, seconds, Seed::Chance)?;
    print_table(&[(target, statistics)]);
    Ok(())
}

/// Builds all targets, holds our decoder against another one on files, and runs each target for so many seconds.
///
/// # Errors
/// As [`run`], and when the decoders disagree.
pub(crate) fn run_each(steps: &mut Steps, seconds: u64, seed: Seed) -> Result<()> {
    let known = targets()?;
    let programs = build(steps)?;
    agree(steps, &programs)?;
    let mut table = Vec::new();
    for target in &known {
        let statistics = run_one(steps, &programs, target, seconds, seed)?;
        table.push((target.as_str(), statistics));
    }
    print_table(&table);
    Ok(())
}

/// Builds all targets and holds our decoder against another one: on every test vector and the whole corpus.
///
/// # Errors
/// When it does not build, or when the decoders disagree: what does not fit is printed with the path of the input.
pub(crate) fn agreement(steps: &mut Steps) -> Result<()> {
    let programs = build(steps)?;
    agree(steps, &programs)
}

/// Takes what runs have found into the corpus of the repository, as far as it leads where nothing there leads yet.
///
/// # Errors
/// When a target does not build, or one of the inputs crashes it.
pub(crate) fn merge(steps: &mut Steps) -> Result<()> {
    let programs = build(steps)?;
    let mut known = targets()?;
    known.retain(|target| target != DIFFERENTIAL);
    for target in known {
        steps.run(format!("corpus: {target}"), || {
            let seeds = root().join("fuzz/corpus").join(&target);
            make_folder(&seeds)?;
            let mut merge = Command::new(programs.join(&target));
            // Where an input leads counts, not how often: small enough to be read in a commit.
            merge.args(["-set_cover_merge=1", "-use_counters=0", "-verbosity=0"]);
            merge.args([&seeds, &found_folder(&target)?]);
            if DIFFERENTIAL_SEEDS.contains(&target.as_str()) {
                merge.arg(found_folder(DIFFERENTIAL)?);
            }
            status_of(&mut merge)
        })?;
    }
    Ok(())
}

/// The names of the targets, sorted.
pub(crate) fn targets() -> Result<Vec<String>> {
    let folder = root().join("fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
    {
        let path = entry
            .with_context(|| format!("cannot list {}", folder.display()))?
            .path();
        if path.extension().is_some_and(|extension| extension == "rs")
            && let Some(stem) = path.file_stem()
        {
            names.push(stem.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Builds every target; returns the folder of the programs.
fn build(steps: &mut Steps) -> Result<PathBuf> {
    let host = host_triple()?;
    steps.run("fuzz: build", || {
        status_of(
            Command::new("cargo")
                .args([
                    "build",
                    "--locked",
                    "--release",
                    "--bins",
                    "--manifest-path",
                    "fuzz/Cargo.toml",
                ])
                // With a target named, build scripts and macros are left without counters.
                .args(["--target-dir", "fuzz/target", "--target", &host])
                .env("RUSTFLAGS", COVERAGE_FLAGS),
        )
    })?;
    Ok(root().join("fuzz/target").join(host).join("release"))
}

/// The comparison of `fuzz/src/bin/agreement.rs`, on inputs that people and fuzzers chose.
fn agree(steps: &mut Steps, programs: &Path) -> Result<()> {
    steps.run("fuzz: the decoders agree on files", || {
        let mut paths = files_below(&root().join("vectors"))?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
        paths.extend(files_below(&root().join("fuzz/corpus"))?);
        status_of(Command::new(programs.join("agreement")).args(paths))
    })
}

/// What libFuzzer says at the end of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Statistics {
    executions: u64,
    executions_per_second: u64,
}

impl Statistics {
    /// Takes a line of libFuzzer's into account.
    fn read(&mut self, line: &str) {
        let value = |name| {
            let value = line.strip_prefix(name)?.trim();
            value.parse().ok()
        };
        if let Some(count) = value("stat::number_of_executed_units:") {
            self.executions = count;
        }
        if let Some(count) = value("stat::average_exec_per_sec:") {
            self.executions_per_second = count;
        }
    }
}

fn run_one(
    steps: &mut Steps,
    programs: &Path,
    target: &str,
    seconds: u64,
    seed: Seed,
) -> Result<Statistics> {
    let mut statistics = Statistics::default();
    steps.run(format!("fuzz: {target}, {seconds} s"), || {
        let artifacts = root().join("fuzz/artifacts").join(target);
        make_folder(&artifacts)?;
        let mut program = Command::new(programs.join(target));
        // New inputs go into the first folder; the others are read only.
        program.arg(found_folder(target)?);
        let seeds = match target {
            DIFFERENTIAL => &DIFFERENTIAL_SEEDS[..],
            own => &[own],
        };
        for folder in seeds {
            let folder = root().join("fuzz/corpus").join(folder);
            if folder.is_dir() {
                program.arg(folder);
            }
        }
        program
            .arg(match seed {
                Seed::Same => "-seed=1",
                Seed::Chance => "-seed=0",
            })
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args([
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-verbosity=0",
                "-print_final_stats=1",
            ]);
        let mut child = program
            .current_dir(root())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start the target {target}"))?;
        let stderr = child.stderr.take().context("it was asked for")?;
        for line in BufReader::new(stderr).split(b'\n') {
            let line = line.with_context(|| format!("cannot read what {target} says"))?;
            let line = String::from_utf8_lossy(&line);
            statistics.read(&line);
            // Not the dictionary that it recommends, nor what stands in the table.
            if !line.starts_with(['"', '#']) && !line.starts_with("stat::") {
                eprintln!("{line}");
            }
        }
        let status = child
            .wait()
            .with_context(|| format!("cannot wait for the target {target}"))?;
        if !status.success() {
            bail!("the target {target} ended with {status}");
        }
        Ok(())
    })?;
    Ok(statistics)
}

fn print_table(table: &[(&str, Statistics)]) {
    println!();
    println!("{:>12}  {:>12}  target", "executions", "per second");
    for (target, statistics) in table {
        println!(
            "{:>12}  {:>12}  {target}",
            statistics.executions, statistics.executions_per_second
        );
    }
    let executions: u64 = table.iter().map(|(_, of_one)| of_one.executions).sum();
    println!("{executions:>12}  {:>12}  in all", "");
}

/// Where a target's runs put what they find.
fn found_folder(target: &str) -> Result<PathBuf> {
    let found = root().join("fuzz/target/corpus").join(target);
    make_folder(&found)?;
    Ok(found)
}

fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

/// Every file below a folder, sorted.
pub(crate) fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = || format!("cannot list {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(failed)? {
            let path = entry.with_context(failed)?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The triple of this machine, as cargo names its folders.
pub(crate) fn host_triple() -> Result<String> {
    let version = output_of(Command::new("rustc").arg("-vV"))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`rustc -vV` names no host")
}

/// The target that holds two decoders against each other, and whose corpus it uses.
const DIFFERENTIAL: &str = "differential";
const DIFFERENTIAL_SEEDS: [&str; 2] = ["request", "response"];
/// What libFuzzer needs to see where an input led, and the checks of a debug build.
const COVERAGE_FLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 \
     -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_at_the_end_becomes_a_row() {
        let mut statistics = Statistics::default();
        for line in [
            "Done 1000 runs in 3 second(s)",
            "stat::number_of_executed_units: 235733",
            "stat::average_exec_per_sec:     3864",
            "stat::peak_rss_mb:              32",
        ] {
            statistics.read(line);
        }
        let expected = Statistics {
            executions: 235_733,
            executions_per_second: 3_864,
        };
        assert_eq!(statistics, expected);
    }
}
