//! `cargo xtask counts`: how many instructions the hit path takes, beside the numbers that bench/instructions.toml keeps.
//!
//! A time says something of the machine and of what else it does; a count of instructions is the same in every run, so
//! that a change which makes the hit path longer is seen when it is made.  From: `ci` and the command line.  To:
//! `crates/ocspry-http/examples/instructions.rs` under callgrind.  docs/style.md section 6.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use self::base::{Base, Line};
use crate::step::{Steps, find_program, output_of, root, status_of};

mod base;

/// What is done with the numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// They are compared with the base.
    Compare,
    /// They become the base.
    Write,
}

/// Counts, and compares or writes.
///
/// # Errors
/// An operation takes more than its base allows or has none, a changed base gives no new reason, or nothing can be counted.
pub(crate) fn run(steps: &mut Steps, then: Then) -> Result<()> {
    steps.run("counts: build", build)?;
    steps.run("counts", || {
        let counted = count()?;
        match then {
            Then::Compare => compare(&counted),
            Then::Write => write(&counted),
        }
    })
}

/// Builds the program with the hit path optimised, in the folder of the tests: what is large and written in C is there
/// already, and is the same.
fn build() -> Result<()> {
    let mut cargo = Command::new("cargo");
    // Of the whole workspace, or other features would be chosen, and other artefacts made.
    cargo.args(["build", "--workspace", "--example", PROGRAM]);
    for name in OPTIMISED {
        for setting in [
            "opt-level=3",
            "debug-assertions=false",
            "overflow-checks=false",
        ] {
            cargo.arg("--config");
            cargo.arg(format!("profile.dev.package.{name}.{setting}"));
        }
    }
    for name in IN_ONE_PIECE {
        cargo.arg("--config");
        cargo.arg(format!("profile.dev.package.{name}.codegen-units=1"));
    }
    // Incremental compilation cuts a crate into pieces that do not know of each other.
    status_of(cargo.env("CARGO_INCREMENTAL", "0"))
}

/// What one operation takes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counted {
    operation: String,
    instructions: u64,
}

/// Runs the program under callgrind and reads what it wrote.
fn count() -> Result<Vec<Counted>> {
    ensure!(
        find_program("valgrind").is_some(),
        "valgrind is not on this machine; `cargo xtask setup` installs it"
    );
    let folder = root().join(FOLDER);
    // Files of an earlier run are not to be taken for this one's.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {FOLDER}"))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {FOLDER}"))?;
    let written = folder.join("callgrind");
    let output = output_of(
        Command::new("valgrind")
            .args(["--quiet", "--tool=callgrind", "--collect-atstart=no"])
            // Two spellings: callgrind keeps one setting for one pattern.
            .arg(format!("--toggle-collect={PROGRAM}::measured*"))
            .arg("--dump-after=*measured*")
            .arg(format!("--callgrind-out-file={}", written.display()))
            .arg(root().join("target/debug/examples").join(PROGRAM)),
    )?;
    let calls = output.lines().enumerate().map(|(number, line)| {
        let (times, operation) = line
            .split_once('\t')
            .with_context(|| format!("`{line}` is no line of {PROGRAM}.rs"))?;
        let file = PathBuf::from(format!("{}.{}", written.display(), number + 1));
        Ok((operation, times.parse()?, instructions_in(&file)?))
    });
    of_one_each(&calls.collect::<Result<Vec<_>>>()?)
}

/// The total in a file of callgrind's.
fn instructions_in(file: &Path) -> Result<u64> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
    total
        .and_then(|total| total.trim().parse().ok())
        .with_context(|| format!("{}: callgrind wrote no total", file.display()))
}

/// Two calls to each operation: the difference of their counts, by the difference of their times.
fn of_one_each(calls: &[(&str, u64, u64)]) -> Result<Vec<Counted>> {
    let (pairs, rest) = calls.as_chunks::<2>();
    ensure!(
        rest.is_empty() && !pairs.is_empty(),
        "{PROGRAM}.rs counts each operation twice, and made {} calls",
        calls.len()
    );
    let counted = pairs.iter().map(|[few, many]| {
        let (operation, few_times, few_instructions) = *few;
        let (same, many_times, many_instructions) = *many;
        ensure!(
            operation == same && many_times > few_times && many_instructions > few_instructions,
            "`{operation}` and `{same}` are not one operation done more and more often"
        );
        let times = many_times - few_times;
        Ok(Counted {
            operation: operation.to_owned(),
            instructions: (many_instructions - few_instructions + times / 2) / times,
        })
    });
    counted.collect()
}

/// Prints the numbers beside the base.
fn compare(counted: &[Counted]) -> Result<()> {
    let base = Base::read()?;
    base.check_reasons()?;
    println!("{:>9}  {:>9}  {:>7}  operation", "base", "now", "change");
    let mut wrong = Vec::new();
    for Counted {
        operation,
        instructions,
    } in counted
    {
        let Some(line) = base.line(operation) else {
            println!("{:>9}  {instructions:>9}  {:>7}  {operation}", "none", "");
            wrong.push(format!("{operation}: {instructions} instructions, and {BASE} has no line for it; `cargo xtask counts --write` makes one"));
            continue;
        };
        let percent = percent_over(line.instructions, *instructions);
        println!(
            "{:>9}  {instructions:>9}  {percent:>+6.1}%  {operation}",
            line.instructions
        );
        if percent > PERCENT_MAX {
            wrong.push(format!(
                "{operation}: {instructions} instructions, {percent:.1} % more than the {} of {BASE}; make it cheaper, or \
                 write the number and why it is worth that into its line, in the same commit",
                line.instructions
            ));
        } else if percent < -PERCENT_MAX {
            // Not wrong, but what is lost of it later would not be seen.
            println!("           lower its number in {BASE}: `cargo xtask counts --write`");
        }
    }
    for line in base.lines() {
        if !counted.iter().any(|one| one.operation == line.operation) {
            wrong.push(format!(
                "{}: is in {BASE}, and {PROGRAM}.rs does not count it; remove the line",
                line.operation
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(());
    }
    for line in &wrong {
        eprintln!("{line}");
    }
    let compilers = match rust_version()? {
        in_use if in_use == base.rust() => String::new(),
        in_use => format!(" (counted with {in_use}; the base is of {})", base.rust()),
    };
    bail!("{} counts do not fit {BASE}{compilers}", wrong.len())
}

/// The numbers become the base; reasons stay, for who runs this to change.
fn write(counted: &[Counted]) -> Result<()> {
    let before = Base::read().ok();
    let lines = counted.iter().map(|one| {
        let before = before.as_ref().and_then(|base| base.line(&one.operation));
        Line {
            operation: one.operation.clone(),
            instructions: one.instructions,
            reason: match before {
                Some(line) => line.reason.clone(),
                None => "as first counted".to_owned(),
            },
        }
    });
    let base = Base::new(rust_version()?, lines.collect());
    for line in base.lines() {
        let before = before.as_ref().and_then(|base| base.line(&line.operation));
        match before {
            Some(before) if before.instructions == line.instructions => {}
            Some(before) => println!(
                "{} -> {}  {}: now say why in its line",
                before.instructions, line.instructions, line.operation
            ),
            None => println!("{}  {}: is new", line.instructions, line.operation),
        }
    }
    base.write()
}

/// How much more `now` is than `base`.
#[expect(
    clippy::cast_precision_loss,
    reason = "instructions of one request are far from 2^52"
)]
fn percent_over(base: u64, now: u64) -> f64 {
    100.0 * (now as f64 - base as f64) / (base as f64).max(1.0)
}

/// As `rustc` names itself, without commit and date.
fn rust_version() -> Result<String> {
    let version = output_of(Command::new("rustc").arg("--version"))?;
    Ok(version.split(" (").next().unwrap_or_default().to_owned())
}

/// The example that does the operations.
const PROGRAM: &str = "instructions";
/// Where callgrind writes.
const FOLDER: &str = "target/xtask/counts";
/// Where the base is kept.
const BASE: &str = "bench/instructions.toml";
/// More than the base by more than this is refused.
const PERCENT_MAX: f64 = 5.0;
/// What a request passes through, and what is compiled into that.
const OPTIMISED: [&str; 10] = [
    "ocspry-wire",
    "ocspry-core",
    "ocspry-http",
    "arc-swap",
    "base64",
    "bytes",
    "equivalent",
    "hashbrown",
    "httparse",
    "quick_cache",
];
/// Those of which it must not depend on other code in them what is inlined where.
const IN_ONE_PIECE: [&str; 2] = ["ocspry-wire", "ocspry-core"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_once_belongs_to_no_operation() {
        let calls = [
            ("decode", 500, 1_012 + 500 * 7),
            ("decode", 1_000, 1_012 + 1_000 * 7),
        ];
        let expected = Counted {
            operation: "decode".to_owned(),
            instructions: 7,
        };
        assert_eq!(of_one_each(&calls).unwrap(), [expected]);
    }

    #[test]
    fn calls_that_are_no_pairs_are_refused() {
        assert!(of_one_each(&[]).is_err());
        assert!(of_one_each(&[("decode", 500, 1_000)]).is_err());
        assert!(of_one_each(&[("decode", 500, 1_000), ("look up", 1_000, 2_000)]).is_err());
        assert!(of_one_each(&[("decode", 500, 1_000), ("decode", 500, 2_000)]).is_err());
    }

    #[test]
    fn five_percent_more_is_allowed_and_a_little_more_is_not() {
        assert!(percent_over(1_000, 1_050) <= PERCENT_MAX);
        assert!(percent_over(1_000, 1_051) > PERCENT_MAX);
        assert!(percent_over(1_000, 949) < -PERCENT_MAX);
    }
}
