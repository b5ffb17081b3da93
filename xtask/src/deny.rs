//! Runs cargo-deny over deny.toml: bans and floors, licences, sources.
//!
//! From: `check`, `deny`, `ci`.  To: cargo-deny.  `ci` builds it when it is missing, which takes about two minutes once
//! per machine; `check` only uses what is there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{Steps, find_program, status_of};

/// Checks when cargo-deny is installed, else says how to get it.
///
/// # Errors
/// When the check finds something.
pub(crate) fn check_if_installed(steps: &mut Steps) -> Result<()> {
    if program().is_none() {
        println!(
            "--- deny: cargo-deny is not installed; `cargo xtask deny` installs it and runs it"
        );
        return Ok(());
    }
    check(steps)
}

/// Installs cargo-deny when it is missing, then checks.
///
/// # Errors
/// When it cannot be built, or when the check finds something.
pub(crate) fn install_and_check(steps: &mut Steps) -> Result<()> {
    if program().is_none() {
        steps.run(format!("install cargo-deny {VERSION}"), || {
            status_of(Command::new("cargo").args([
                "install",
                "cargo-deny",
                "--locked",
                "--quiet",
                "--version",
                VERSION,
            ]))
        })?;
    }
    check(steps)
}

fn check(steps: &mut Steps) -> Result<()> {
    steps.run("deny", || {
        let Some(program) = program() else {
            bail!(
                "cargo-deny was installed, but not where it is looked for: add that folder to PATH"
            );
        };
        status_of(Command::new(program).args(["check", "bans", "licenses", "sources"]))
    })
}

/// Where cargo-deny lies: PATH, then the folder that `cargo install` writes to.
fn program() -> Option<PathBuf> {
    find_program("cargo-deny").or_else(|| {
        let home = std::env::var_os("CARGO_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| Path::new(&home).join(".cargo")))?;
        Some(home.join("bin/cargo-deny")).filter(|candidate| candidate.is_file())
    })
}

const VERSION: &str = "0.20.2";
