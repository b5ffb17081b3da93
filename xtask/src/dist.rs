//! Builds the binary as it ships and checks its size.
//!
//! From: `cargo xtask dist` and `nightly`.  To: `target/shipped/`: `ocspry`, stripped, and `ocspry.debug`, its line tables
//! for backtraces.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::step::{Steps, command, root, status_of};

/// Builds with the `dist` profile, splits the debug data off, and refuses a binary over the limit.
///
/// # Errors
/// When the build or binutils' `objcopy` fails, or the stripped binary is over 20 MiB (docs/design.md section 8).
pub(crate) fn build(steps: &mut Steps) -> Result<()> {
    let built = root().join("target/dist/ocspry");
    // What cargo built stays as it is, so that a second run finds its debug data again.
    let folder = root().join("target/shipped");
    let (binary, debug) = (folder.join("ocspry"), folder.join("ocspry.debug"));
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
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        status_of(
            Command::new("objcopy")
                .arg("--only-keep-debug")
                .arg(&built)
                .arg(&debug),
        )?;
        let mut link = OsString::from("--add-gnu-debuglink=");
        link.push(&debug);
        status_of(
            Command::new("objcopy")
                .arg("--strip-all")
                .arg(link)
                .arg(&built)
                .arg(&binary),
        )
    })?;
    steps.run("size", || check_size(&binary))
}

fn check_size(binary: &Path) -> Result<()> {
    let bytes = fs::metadata(binary)
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
