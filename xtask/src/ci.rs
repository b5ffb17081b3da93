//! The verbs that are lists of other checks, or one long test: `check`, `test`, `kills`, `ci`, `nightly`.
//!
//! `ci` is what a change must pass, cheapest first, so that a slip costs seconds and not minutes; `nightly` is what is
//! run before a milestone is closed.  From: the command line and `.ci/run`.  To: cargo and the other modules here.
//! docs/style.md section 6.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::step::{Steps, command, output_of, root, status_of};
use crate::{conformance, counts, coverage, deny, dist, docs, fuzz, interop, layers, setup};

/// What is worth running before every commit.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn check(steps: &mut Steps) -> Result<()> {
    lint(steps)?;
    deny::check_if_installed(steps)
}

/// Every test of the workspace.
///
/// # Errors
/// When one fails; those that use a peer fail without it when `CI` is set, else they say so and are skipped.
pub(crate) fn test(steps: &mut Steps) -> Result<()> {
    for targets in TEST_TARGETS {
        steps.run(format!("test: {targets}"), || {
            command("cargo", &["test", "--workspace", targets])
        })?;
    }
    Ok(())
}

/// Kills commands of the CA that often, at each of their writes, fsyncs and renames in turn, and prints which were hit.
///
/// # Errors
/// When something was lost, or a boundary cannot be hit; without strace.
pub(crate) fn kills(steps: &mut Steps, count: u32) -> Result<()> {
    steps.run(format!("kills: {count}"), || {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["test", "--package", "ocspry", "--test", "product"])
            .args(["kills::many", "--", "--ignored", "--nocapture"])
            .env("OCSPRY_TEST_KILLS", count.to_string())
            .env("CI", "true");
        // What a killed process wrote is in the kernel, whether there is a disk below or not.
        if Path::new(MEMORY).is_dir() {
            cargo.env("TMPDIR", MEMORY);
        }
        status_of(&mut cargo)
    })
}

/// Everything that a change must pass.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn ci(steps: &mut Steps) -> Result<()> {
    steps.run("setup", setup::install_missing)?;
    steps.run("lock file", || {
        command("cargo", &["fetch", "--quiet", "--locked"])
            .context("Cargo.lock does not fit the manifests, or the registry cannot be reached")
    })?;
    lint(steps)?;
    deny::install_and_check(steps)?;
    // With `CI` set, a test whose peer is missing fails: this step holds all that `interop` runs.
    steps.run("test: --doc", || {
        status_of(
            Command::new("cargo")
                .args(["test", "--workspace", "--doc"])
                .env("CI", "true"),
        )
    })?;
    let recording = interop::Recording::begin()?;
    steps.run("test: --all-targets", || {
        conformance::run_all_tests(Some(&recording))
    })?;
    conformance::check(steps, Some(&conformance::kept_output()))?;
    steps.run("interop: matrix", || interop::check(&recording))?;
    docs::check(steps)?;
    counts::run(steps, counts::Then::Compare)?;
    fuzz::run_each(steps, FUZZ_SECONDS_CI, fuzz::Seed::Same)
}

/// What is run before a milestone is closed.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn nightly(steps: &mut Steps) -> Result<()> {
    ci(steps)?;
    steps.run("oldest Rust", build_with_oldest_rust)?;
    steps.run("bench: check", || {
        command(
            "cargo",
            &["check", "--locked", "--manifest-path", "bench/Cargo.toml"],
        )
    })?;
    steps.run("test: release profile", || {
        // As in `ci`: a test whose peer is missing fails.
        status_of(
            Command::new("cargo")
                .args(["test", "--workspace", "--release"])
                .env("CI", "true"),
        )
    })?;
    kills(steps, KILLS_DEFAULT)?;
    conformance::try_mutants(steps, &[])?;
    fuzz::run_each(steps, FUZZ_SECONDS_NIGHTLY, fuzz::Seed::Chance)?;
    coverage::measure(steps)?;
    dist::build(steps)
}

/// Formatting, lints, layers.
fn lint(steps: &mut Steps) -> Result<()> {
    steps.run("fmt", || {
        command("cargo", &["fmt", "--all", "--check"])?;
        for workspace in ["fuzz/Cargo.toml", "bench/Cargo.toml"] {
            command("cargo", &["fmt", "--check", "--manifest-path", workspace])?;
        }
        Ok(())
    })?;
    steps.run("clippy", || {
        command(
            "cargo",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        )
    })?;
    steps.run("layers", layers::check)
}

/// Checks the workspace with the Rust version that the root manifest promises.
fn build_with_oldest_rust() -> Result<()> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml"))
        .context("cannot read the root Cargo.toml")?;
    let oldest = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
        .context("the root Cargo.toml names no rust-version")?;
    let in_use = output_of(Command::new("rustc").arg("--version"))?;
    if in_use.starts_with(&format!("rustc {oldest}.")) {
        println!("rust-version is {oldest}, which the steps before this one ran with");
        return Ok(());
    }
    let toolchain = format!("{oldest}.0");
    status_of(
        Command::new("rustup")
            .args([
                "run",
                &toolchain,
                "cargo",
                "check",
                "--workspace",
                "--all-targets",
            ])
            .env("CARGO_TARGET_DIR", root().join("target/oldest-rust")),
    )
    .with_context(|| format!("needs the toolchain: rustup toolchain install {toolchain}"))
}

/// All that `cargo test` runs, examples in documentation first: the last summary in the log is then that of real tests.
const TEST_TARGETS: [&str; 2] = ["--doc", "--all-targets"];
/// Some rounds over every boundary of every command.
pub(crate) const KILLS_DEFAULT: u32 = 5000;
/// Where a file system in memory usually is.
const MEMORY: &str = "/dev/shm";
const FUZZ_SECONDS_CI: u64 = 10;
const FUZZ_SECONDS_NIGHTLY: u64 = 600;
