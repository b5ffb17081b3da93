//! bench/instructions.toml: what each operation takes, and why it takes that.
//!
//! A line for each operation, with the reason for its last change in it, so that a number does not grow unseen.  From:
//! git and the file.  To: `counts`.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

use super::BASE;
use crate::step::{output_of, root};

/// The file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Base {
    rust: String,
    lines: Vec<Line>,
}

/// One operation in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// As the program names it.
    pub(super) operation: String,
    /// What it takes.
    pub(super) instructions: u64,
    /// Why the number is another than before.
    pub(super) reason: String,
}

impl Base {
    pub(super) fn new(rust: String, lines: Vec<Line>) -> Base {
        Base { rust, lines }
    }

    /// Which compiler made what was counted.
    pub(super) fn rust(&self) -> &str {
        &self.rust
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub(super) fn line(&self, operation: &str) -> Option<&Line> {
        self.lines.iter().find(|line| line.operation == operation)
    }

    /// # Errors
    /// It is not there, or a line lacks its number or its reason.
    pub(super) fn read() -> Result<Base> {
        let text = fs::read_to_string(root().join(BASE)).with_context(|| {
            format!("cannot read {BASE}; `cargo xtask counts --write` makes it")
        })?;
        Base::from_toml(&text).with_context(|| format!("in {BASE}"))
    }

    fn from_toml(text: &str) -> Result<Base> {
        let table: Table = text.parse()?;
        let rust = table.get("rust").and_then(Value::as_str);
        let operations = table.get("operations").and_then(Value::as_table);
        let lines = operations.context("no [operations]")?.iter();
        let lines = lines.map(|(operation, line)| {
            let instructions = line.get("instructions").and_then(Value::as_integer);
            let reason = line.get("reason").and_then(Value::as_str);
            match (instructions.and_then(|it| u64::try_from(it).ok()), reason) {
                (Some(instructions), Some(reason)) if !reason.trim().is_empty() => Ok(Line {
                    operation: operation.clone(),
                    instructions,
                    reason: reason.to_owned(),
                }),
                _ => bail!("{operation}: wants `instructions`, a number, and `reason`, a text"),
            }
        });
        Ok(Base {
            rust: rust.context("no `rust`")?.to_owned(),
            lines: lines.collect::<Result<_>>()?,
        })
    }

    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self) -> Result<()> {
        fs::write(root().join(BASE), self.to_toml()).with_context(|| format!("cannot write {BASE}"))
    }

    fn to_toml(&self) -> String {
        let quoted = |text: &str| Value::String(text.to_owned()).to_string();
        let mut text = format!("{HEAD}rust = {}\n\n[operations]\n", quoted(&self.rust));
        for line in &self.lines {
            text.push_str(&format!(
                "{} = {{ instructions = {}, reason = {} }}\n",
                quoted(&line.operation),
                line.instructions,
                quoted(&line.reason)
            ));
        }
        text
    }

    /// Shows that whoever changed a number last gave a reason of his own.
    ///
    /// # Errors
    /// A number is another than before, and its reason is the same.
    pub(super) fn check_reasons(&self) -> Result<()> {
        let Some(before) = self.before()? else {
            println!("git knows no {BASE} from before: reasons are not compared");
            return Ok(());
        };
        let silent = self.changed_without_reason(&before);
        if silent.is_empty() {
            return Ok(());
        }
        bail!(
            "{BASE}: the number changed and the reason did not, of: {}; say in the line why",
            silent.join("; ")
        )
    }

    fn changed_without_reason(&self, before: &Base) -> Vec<&str> {
        let changed = self.lines.iter().filter(|line| {
            before.line(&line.operation).is_some_and(|before| {
                before.instructions != line.instructions && before.reason == line.reason
            })
        });
        changed.map(|line| line.operation.as_str()).collect()
    }

    /// The file as it was before it was changed last, be that in the work tree or in a commit.  None: it is new, or this is
    /// no whole repository.
    fn before(&self) -> Result<Option<Base>> {
        let git = |arguments: &[&str]| output_of(Command::new("git").args(arguments));
        let Ok(commits) = git(&["log", "-2", "--format=%H", "--", BASE]) else {
            return Ok(None);
        };
        for commit in commits.lines() {
            let Ok(text) = git(&["show", &format!("{commit}:{BASE}")]) else {
                continue;
            };
            let then = Base::from_toml(&text).with_context(|| format!("in {BASE} of {commit}"))?;
            if then != *self {
                return Ok(Some(then));
            }
        }
        Ok(None)
    }
}

const HEAD: &str = "\
# Instructions that each operation of the hit path takes, as `cargo xtask counts` counts them: more than 5 % above its
# number fails.  A number changes only with its reason, which says what it was changed for, in the same commit.
# `cargo xtask counts --write` makes this file anew and keeps the reasons.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn base(lines: &[(&str, u64, &str)]) -> Base {
        let lines = lines.iter().map(|(operation, instructions, reason)| Line {
            operation: (*operation).to_owned(),
            instructions: *instructions,
            reason: (*reason).to_owned(),
        });
        Base::new("rustc 1.95.0".to_owned(), lines.collect())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let base = base(&[
            ("decode: \"one\"", 556, "as first counted"),
            ("hit", 1_052, "x"),
        ]);
        let text = base.to_toml();
        let read = Base::from_toml(&text).unwrap();
        assert_eq!(read.lines().len(), 2);
        for line in base.lines() {
            assert_eq!(read.line(&line.operation), Some(line), "{text}");
        }
        assert_eq!(read.rust(), base.rust());
    }

    #[test]
    fn a_line_without_a_reason_is_refused() {
        for line in [
            "hit = { instructions = 5 }",
            "hit = { instructions = 5, reason = \" \" }",
            "hit = { instructions = -5, reason = \"x\" }",
            "hit = { reason = \"x\" }",
            "hit = 5",
        ] {
            let text = format!("rust = \"1\"\n[operations]\n{line}\n");
            let error = Base::from_toml(&text).unwrap_err().to_string();
            assert!(error.contains("hit"), "{error}");
        }
    }

    #[test]
    fn a_number_changes_only_with_its_reason() {
        let before = base(&[("hit", 1_000, "first"), ("decode", 500, "first")]);
        let silent = base(&[("hit", 1_001, "first"), ("decode", 500, "first")]);
        assert_eq!(silent.changed_without_reason(&before), ["hit"]);
        let said = base(&[("hit", 1_001, "counts more"), ("decode", 500, "first")]);
        assert!(said.changed_without_reason(&before).is_empty());
        let new = base(&[("other", 1, "first")]);
        assert!(new.changed_without_reason(&before).is_empty());
    }
}
