//! What the tests of the workspace said: run now, or read from the saved output of a run.
//!
//! The proof of a rule is that a test which names it passed, not that somebody wrote one.  From: `cargo test`, whose
//! output is shown and kept.  To: `page` and `mutants`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::interop::Recording;
use crate::step::{kept_output_of, output_of, root};

/// Where the output of the last whole run is kept.
pub(crate) fn kept_output() -> PathBuf {
    root().join("target/xtask/test-output.txt")
}

/// Runs every test with every peer there, and keeps the output; and what the clients of the matrix did, if that is wanted.
///
/// # Errors
/// Cargo cannot be started, or a test failed; the output is there in that case too.
pub(crate) fn run_all_tests(recording: Option<&Recording>) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--workspace", "--all-targets", "--no-fail-fast"])
        .env("CI", "true");
    if let Some(recording) = recording {
        recording.of(&mut cargo);
    }
    kept_output_of(&mut cargo, &kept_output())
}

/// One test and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestResult {
    /// `ocspry-wire`.
    pub(crate) package: String,
    /// `lib`, `bin`, or `test:vectors`.
    pub(crate) target: String,
    /// With its modules, as `cargo test` prints it.
    pub(crate) path: String,
    pub(crate) passed: bool,
}

impl TestResult {
    /// The function's own name, without modules.
    pub(crate) fn function(&self) -> &str {
        self.path.rsplit("::").next().unwrap_or(&self.path)
    }
}

/// Reads the output of a run.
///
/// # Errors
/// It cannot be read, or speaks of a test binary that this workspace does not have.
pub(crate) fn read(file: &Path) -> Result<Vec<TestResult>> {
    let text = fs::read_to_string(file)
        .with_context(|| format!("cannot read the output of the tests, {}", file.display()))?;
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version", "1", "--no-deps"]);
    let metadata =
        serde_json::from_str(&output_of(&mut cargo)?).context("cannot read cargo metadata")?;
    let results = from_output(&text, &metadata)?;
    if results.is_empty() {
        bail!("{} holds no result of any test", file.display());
    }
    Ok(results)
}

fn from_output(text: &str, metadata: &Value) -> Result<Vec<TestResult>> {
    let mut binary = None;
    let mut results = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some(running) = trimmed.strip_prefix("Running ")
            && let Some((source, file)) = running.split_once(" (")
        {
            binary = binary_of(source, file, metadata)?;
        } else if trimmed.starts_with("Doc-tests ") {
            binary = None;
        } else if let Some((path, passed)) = result_line(line)
            && let Some((package, target)) = &binary
        {
            results.push(TestResult {
                package: package.clone(),
                target: target.clone(),
                path,
                passed,
            });
        }
    }
    Ok(results)
}

/// `test a::b ... ok`: the path, and whether it passed; what was ignored did not.
fn result_line(line: &str) -> Option<(String, bool)> {
    let (name, ending) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let passed = match ending.split([',', ' ']).next() {
        Some("ok") => true,
        Some("FAILED" | "ignored") => false,
        _ => return None,
    };
    let path = name.split(" - ").next().unwrap_or(name);
    Some((path.to_owned(), passed))
}

/// Package and target of a line `Running tests/vectors.rs (target/debug/deps/vectors-0123)`; None for what has no tests
/// of ours, such as an example.
fn binary_of(source: &str, file: &str, metadata: &Value) -> Result<Option<(String, String)>> {
    let source = source.trim_start_matches("unittests ").trim();
    let stem = Path::new(file.trim_end_matches(')'))
        .file_name()
        .and_then(|name| name.to_str())
        .and_then(|name| name.rsplit_once('-'))
        .map(|(stem, _hash)| stem)
        .with_context(|| format!("no test binary in `{file}`"))?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata lists no packages")?;
    let mut found = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        for target in package["targets"].as_array().into_iter().flatten() {
            let target_name = target["name"].as_str().unwrap_or_default();
            let target_source = target["src_path"].as_str().unwrap_or_default();
            if target_name.replace('-', "_") != stem.replace('-', "_")
                || !Path::new(target_source).ends_with(source)
            {
                continue;
            }
            let word = match target["kind"][0].as_str() {
                Some("lib") => "lib".to_owned(),
                Some("bin") => "bin".to_owned(),
                Some("test") => format!("test:{target_name}"),
                _ => return Ok(None),
            };
            found.push((name.to_owned(), word));
        }
    }
    match found.len() {
        1 => Ok(found.pop()),
        0 => bail!("no target of this workspace fits `{source} ({file}`"),
        _ => bail!("several targets fit `{source} ({file}`: give one of them another name"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_read_with_the_package_and_target_they_come_from() {
        let metadata = json!({ "packages": [
            { "name": "a-lib", "targets": [
                { "name": "a_lib", "kind": ["lib"], "src_path": "/x/a-lib/src/lib.rs" },
                { "name": "whole", "kind": ["test"], "src_path": "/x/a-lib/tests/whole.rs" },
            ] },
            { "name": "prog", "targets": [
                { "name": "prog", "kind": ["bin"], "src_path": "/x/prog/src/main.rs" },
            ] },
        ]});
        let output = "\
warning: a line of cargo
     Running unittests src/lib.rs (target/debug/deps/a_lib-0123abcd)
running 2 tests
test der::a ... ok
test der::b - should panic ... ok
     Running tests/whole.rs (target/debug/deps/whole-0123abcd)
test c ... FAILED
test d ... ignored, for a reason
     Running unittests src/main.rs (target/debug/deps/prog-0123abcd)
test e ... ok
   Doc-tests a_lib
test src/lib.rs - f (line 3) ... ok
";
        let found: Vec<_> = from_output(output, &metadata)
            .unwrap()
            .into_iter()
            .map(|r| format!("{} {} {} {}", r.package, r.target, r.path, r.passed))
            .collect();
        assert_eq!(
            found,
            [
                "a-lib lib der::a true",
                "a-lib lib der::b true",
                "a-lib test:whole c false",
                "a-lib test:whole d false",
                "prog bin e true",
            ]
        );
    }

    #[test]
    fn a_binary_that_is_not_of_this_workspace_is_an_error() {
        let metadata = json!({ "packages": [] });
        let output = "     Running tests/gone.rs (target/debug/deps/gone-0123)\n";
        assert!(from_output(output, &metadata).is_err());
    }
}
