//! A child that runs to its end, and what it took: wall time, CPU time, memory.
//!
//! The kernel counts into a child's peak what its parent had resident when it was started: this program stays small.

use std::io::Read as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use wait4::Wait4 as _;

/// What it took.
#[derive(Clone, Debug)]
pub struct Cost {
    /// From start to end.
    pub wall_s: f64,
    /// In user and in kernel mode, all threads.
    pub cpu_s: f64,
    /// Most memory resident at once.
    pub peak_kib: u64,
}

/// A child that has ended.
#[derive(Debug)]
pub struct Ended {
    /// What it took.
    pub cost: Cost,
    /// Whether it ended with 0.
    pub success: bool,
    /// What it said on stdout.
    pub stdout: String,
}

impl Cost {
    /// As it is kept.
    pub fn to_json(&self) -> Value {
        json!({ "wall_s": self.wall_s, "cpu_s": self.cpu_s, "peak_kib": self.peak_kib })
    }
}

/// Runs it; stderr is passed on.
pub fn run(command: &mut Command) -> Result<Ended> {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let mut stdout = String::new();
    let mut pipe = child.stdout.take().context("piped")?;
    pipe.read_to_string(&mut stdout)?;
    let ended = child.wait4()?;
    let wall_s = started.elapsed().as_secs_f64();
    let usage = ended.rusage;
    Ok(Ended {
        cost: Cost {
            wall_s,
            cpu_s: (usage.utime + usage.stime).as_secs_f64(),
            peak_kib: usage.maxrss / 1024,
        },
        success: ended.status.success(),
        stdout,
    })
}
