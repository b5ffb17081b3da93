//! Builds and runs the fuzz targets of fuzz/.
//!
//! From: `cargo xtask fuzz`, `ci` (ten seconds each) and `nightly` (ten minutes each).  To: fuzz/, a workspace of its
//! own.  libFuzzer needs nothing but coverage counters in the code, which stable Rust can put there: no nightly
//! toolchain and no cargo-fuzz.  A machine without a C++ compiler gets one by `cargo xtask setup`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{Steps, output_of, root, status_of};

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
    run_one(steps, &programs, target, seconds)
}

/// Builds all targets and runs each for so many seconds.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_each(steps: &mut Steps, seconds: u64) -> Result<()> {
    let known = targets()?;
    let programs = build(steps)?;
    for target in &known {
        run_one(steps, &programs, target, seconds)?;
    }
    Ok(())
}

/// The names of the targets, sorted.
fn targets() -> Result<Vec<String>> {
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

fn run_one(steps: &mut Steps, programs: &Path, target: &str, seconds: u64) -> Result<()> {
    steps.run(format!("fuzz: {target}, {seconds} s"), || {
        let found = root().join("fuzz/target/corpus").join(target);
        let artifacts = root().join("fuzz/artifacts").join(target);
        for folder in [&found, &artifacts] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut program = Command::new(programs.join(target));
        // New inputs go into the first folder; the others are read only.
        program.arg(&found);
        let seeds = root().join("fuzz/corpus").join(target);
        if seeds.is_dir() {
            program.arg(&seeds);
        }
        program
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args([
                "-timeout=10",
                "-rss_limit_mb=2048",
                "-verbosity=0",
                "-print_final_stats=1",
            ]);
        status_of(&mut program)
    })
}

fn host_triple() -> Result<String> {
    let version = output_of(Command::new("rustc").arg("-vV"))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`rustc -vV` names no host")
}

/// What libFuzzer needs to see where an input led, and the checks of a debug build.
const COVERAGE_FLAGS: &str = "--cfg fuzzing -Cdebug-assertions -Ccodegen-units=1 \
     -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares";
