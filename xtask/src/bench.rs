//! The measurements of bench/, a workspace of its own: who is measured is installed, built and run, and the page is written.
//!
//! From: the command line.  To: bench/results/ and docs/performance.md.

use std::process::Command;

use anyhow::Result;

use crate::step::{Steps, root, status_of};
use crate::{dist, setup};

/// Measures with these flags, and writes the page if that was the whole run.
///
/// # Errors
/// When something cannot be installed or built, or when ocspry answers wrongly.
pub(crate) fn run(steps: &mut Steps, flags: &[&str]) -> Result<()> {
    steps.run("bench: setup", setup::install_rivals)?;
    // As it ships, since the others are as their distributions ship them.
    dist::build(steps)?;
    steps.run("bench: build", || cargo(&["build", "--release"]))?;
    steps.run("bench", || {
        cargo(&[&["run", "--release", "--quiet", "--"], flags].concat())
    })?;
    if is_whole(flags) {
        write_page(steps)?;
    }
    Ok(())
}

/// Writes docs/performance.md and its plots from the results that are there.
///
/// # Errors
/// When the results cannot be read.
pub(crate) fn write_page(steps: &mut Steps) -> Result<()> {
    steps.run("bench: page", || {
        cargo(&["run", "--release", "--quiet", "--bin", "performance_page"])
    })
}

/// Whether a run with these flags keeps its results: a part of it is not what the page is about.
fn is_whole(flags: &[&str]) -> bool {
    !flags.contains(&"--quick") && !flags.contains(&"--only")
}

fn cargo(arguments: &[&str]) -> Result<()> {
    let folder = root().join("bench");
    status_of(Command::new("cargo").args(arguments).current_dir(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_run_leaves_the_page_alone() {
        assert!(is_whole(&[]));
        assert!(is_whole(&["--rounds", "3"]));
        assert!(!is_whole(&["--quick"]));
        assert!(!is_whole(&["--only", "nonce"]));
    }
}
