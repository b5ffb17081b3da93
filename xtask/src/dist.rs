//! Builds the binary as it ships and checks its size.
//!
//! From: `cargo xtask dist` and `nightly`.  To: `target/dist/`: `ocspry`, stripped, and `ocspry.debug`, its line tables
//! for backtraces.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{Steps, command, root, status_of};

/// Builds with the `dist` profile, splits the debug data off, and refuses a binary over the limit.
///
/// # Errors
/// When the build or binutils' `objcopy` fails, or the stripped binary is over 20 MiB (docs/design.md section 8).
pub(crate) fn build(steps: &mut Steps) -> Result<()> {
    let folder = root().join("target/dist");
    let binary = folder.join("ocspry");
    steps.run("build: profile dist", || {
        command(
            "cargo",
            &[
                "build",
                "--locked",
                "--profile",
                "dist",
                "--package",
                "ocspry",
            ],
        )
    })?;
    steps.run("split debug data", || {
        let debug = folder.join("ocspry.debug");
        status_of(
            Command::new("objcopy")
                .arg("--only-keep-debug")
                .arg(&binary)
                .arg(&debug),
        )?;
        status_of(Command::new("objcopy").args(["--strip-all"]).arg(&binary))?;
        status_of(
            Command::new("objcopy")
                .current_dir(&folder)
                .args(["--add-gnu-debuglink=ocspry.debug", "ocspry"]),
        )
    })?;
    steps.run("size", || check_size(&binary))
}

fn check_size(binary: &Path) -> Result<()> {
    let bytes = std::fs::metadata(binary)
        .with_context(|| format!("cannot read {}", binary.display()))?
        .len();
    println!(
        "{}: {bytes} bytes ({:.1} MiB)",
        binary.display(),
        bytes as f64 / MIB as f64
    );
    if bytes > BINARY_BYTES_MAX {
        bail!(
            "the binary is over the limit of {} MiB",
            BINARY_BYTES_MAX / MIB
        );
    }
    Ok(())
}

const MIB: u64 = 1024 * 1024;
const BINARY_BYTES_MAX: u64 = 20 * MIB;
