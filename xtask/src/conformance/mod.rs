//! `cargo xtask conformance`: the page that says which rule of the protocol is proved by which test.
//!
//! The page is made from the *results* of tests, and each proof is itself tried: a defect in the shipped code must turn
//! it red.  From: the command line, `ci` and `nightly`.  To: docs/conformance.md.  docs/style.md section 5.

mod exceptions;
mod mutants;
mod page;
mod results;
mod rules;
mod vectors;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use self::exceptions::{EXCEPTIONS, Exceptions};
use self::mutants::Mutant;
use self::page::{PAGE, Status};
use self::results::TestResult;
use self::rules::{Level, RULES_PAGE, Rules};
use self::vectors::Vector;
use crate::step::{Steps, root};

pub(crate) use self::results::{kept_output, run_all_tests};

/// Writes the page, from this saved output of a test run or from a new run.
///
/// # Errors
/// The run cannot be read, or the page that comes out of it is one that [`check`] would refuse.
pub(crate) fn write(steps: &mut Steps, results: Option<&Path>) -> Result<()> {
    let mut failed = None;
    if results.is_none() {
        // A failing test is a line of the page, and after that an error.
        steps.run("test: all targets", || {
            failed = run_all_tests(None).err();
            Ok(())
        })?;
    }
    steps.run("conformance", || {
        let kept = kept_output();
        let inputs = Inputs::read(results.unwrap_or(&kept))?;
        let (markdown, wrong) = inputs.judge();
        fs::write(root().join(PAGE), markdown).with_context(|| format!("cannot write {PAGE}"))?;
        println!("{PAGE} is written");
        report(wrong)
    })?;
    failed.map_or(Ok(()), Err)
}

/// Compares the committed page with what a run says, which by default is the last one that was kept.
///
/// # Errors
/// The page is not what comes out, a MUST or SHOULD of sections 1 to 12 is open, a proved MUST has no mutant, or something names a rule, a
/// test or a line of code that does not exist.
pub(crate) fn check(steps: &mut Steps, results: Option<&Path>) -> Result<()> {
    if results.is_none() && !kept_output().is_file() {
        steps.run("test: all targets", || run_all_tests(None))?;
    }
    steps.run("conformance", || {
        let kept = kept_output();
        let inputs = Inputs::read(results.unwrap_or(&kept))?;
        let (markdown, mut wrong) = inputs.judge();
        let committed = fs::read_to_string(root().join(PAGE)).unwrap_or_default();
        if committed != markdown {
            wrong.push(difference(&committed, &markdown));
        }
        report(wrong)
    })
}

/// Shows that each mutant turns its test red; with rules, only theirs.
///
/// # Errors
/// One survives, does not compile, or does not fit the source.
pub(crate) fn try_mutants(steps: &mut Steps, rules_wanted: &[&str]) -> Result<()> {
    let rules = read_rules()?;
    if let Some(unknown) = rules_wanted.iter().find(|id| rules.find(id).is_none()) {
        bail!("`{unknown}` is no rule of {RULES_PAGE}");
    }
    let mut all = mutants::read_all(&root())?;
    if !rules_wanted.is_empty() {
        all.retain(|mutant| rules_wanted.contains(&mutant.rule.as_str()));
    }
    mutants::try_all(steps, &all)
}

/// All that the page is made from.
struct Inputs {
    rules: Rules,
    exceptions: Exceptions,
    vectors: Vec<Vector>,
    results: Vec<TestResult>,
    mutants: Vec<Mutant>,
}

impl Inputs {
    fn read(results_file: &Path) -> Result<Inputs> {
        let root = root();
        let rules = read_rules()?;
        let exceptions = fs::read_to_string(root.join(EXCEPTIONS))
            .with_context(|| format!("cannot read {EXCEPTIONS}"))?;
        Ok(Inputs {
            exceptions: Exceptions::from_toml(&exceptions, &rules)
                .with_context(|| format!("in {EXCEPTIONS}"))?,
            vectors: vectors::read_all(&root)?,
            results: results::read(results_file)?,
            mutants: mutants::read_all(&root)?,
            rules,
        })
    }

    /// The page, and all that is wrong.
    fn judge(&self) -> (String, Vec<String>) {
        let (standing, mut wrong) =
            page::standing(&self.rules, &self.exceptions, &self.vectors, &self.results);
        let with_mutant: BTreeSet<&str> =
            self.mutants.iter().map(|mutant| &mutant.rule[..]).collect();
        for row in standing.now() {
            let (id, level) = (&row.rule.id, row.rule.level);
            if row.status == Status::Open && level != Level::May {
                let level = level.name();
                wrong.push(format!(
                    "{id}: a {level} without a proof and without a reason"
                ));
            }
            let is_proved_must = row.status == Status::Proved && level == Level::Must;
            if is_proved_must && !with_mutant.contains(&id[..]) {
                wrong.push(format!(
                    "{id}: proved, but no mutant shows that its test bites"
                ));
            }
        }
        for mutant in &self.mutants {
            wrong.extend(mutant.complaint(&root(), &self.rules, &self.vectors, &self.results));
        }
        (standing.markdown(), wrong)
    }
}

fn read_rules() -> Result<Rules> {
    let text = fs::read_to_string(root().join(RULES_PAGE))
        .with_context(|| format!("cannot read {RULES_PAGE}"))?;
    Rules::from_markdown(&text).with_context(|| format!("in {RULES_PAGE}"))
}

/// The first line that is not the same, as a sentence.
fn difference(committed: &str, made: &str) -> String {
    let at = committed
        .lines()
        .zip(made.lines())
        .position(|(a, b)| a != b)
        .unwrap_or(committed.lines().count().min(made.lines().count()));
    let line = |text: &str| text.lines().nth(at).unwrap_or("(the end)").to_owned();
    format!(
        "{PAGE} is not what this run says; `cargo xtask conformance` writes it anew. Line {}:\n  is:    {}\n  would: {}",
        at + 1,
        line(committed),
        line(made)
    )
}

fn report(wrong: Vec<String>) -> Result<()> {
    if wrong.is_empty() {
        println!("every rule stands where {PAGE} says");
        return Ok(());
    }
    for line in &wrong {
        eprintln!("{line}");
    }
    bail!("conformance: {} things are wrong", wrong.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_by_its_first_line() {
        let told = difference("a\nb\nc\n", "a\nB\nc\n");
        assert!(told.contains("Line 2:\n  is:    b\n  would: B"), "{told}");
        assert!(difference("a\n", "a\nb\n").contains("is:    (the end)"));
    }
}
