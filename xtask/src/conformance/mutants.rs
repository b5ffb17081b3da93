//! Defects that must turn a test red: `conformance/mutants/*.toml`, one line of shipped code each.
//!
//! A test that passes proves little unless it also fails when the rule is broken.  Each entry breaks one rule in a copy
//! of the tree and runs the one test that is to notice.  From: `cargo xtask conformance --mutants` and `nightly`.  To:
//! cargo, in `target/mutants`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use toml::Value;

use super::results::TestResult;
use super::rules::Rules;
use super::vectors::{RUNNER, Vector};
use crate::setup;
use crate::step::{Steps, output_of, root};

/// One defect, and the test that is to notice.
#[derive(Clone, Debug)]
pub(crate) struct Mutant {
    /// The rule that it breaks.
    pub(crate) rule: String,
    file: String,
    find: String,
    replace: String,
    package: String,
    /// `lib`, `bin`, or `test:NAME`.
    target: String,
    test: String,
    /// With the defect the test never ends, instead of failing.
    hangs: bool,
    /// Where it is written, for complaints.
    written_in: String,
}

/// Every entry, in the order of files and of entries.
///
/// # Errors
/// A file that cannot be read, or an entry that lacks a key or has one too many.
pub(crate) fn read_all(root: &Path) -> Result<Vec<Mutant>> {
    let folder = root.join(FOLDER);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .with_context(|| format!("cannot list {FOLDER}"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()
        .with_context(|| format!("cannot list {FOLDER}"))?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    let mut mutants = Vec::new();
    for file in files {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text =
            fs::read_to_string(&file).with_context(|| format!("cannot read {FOLDER}/{name}"))?;
        mutants.extend(from_toml(&text, &name).with_context(|| format!("in {FOLDER}/{name}"))?);
    }
    Ok(mutants)
}

fn from_toml(text: &str, written_in: &str) -> Result<Vec<Mutant>> {
    let table: toml::Table = text.parse()?;
    let mut mutants = Vec::new();
    for (key, value) in &table {
        let entries = value
            .as_array()
            .filter(|_| key == "mutant")
            .with_context(|| format!("`{key}` is not [[mutant]]"))?;
        for entry in entries {
            mutants.push(Mutant::from_value(entry, written_in)?);
        }
    }
    Ok(mutants)
}

impl Mutant {
    fn from_value(entry: &Value, written_in: &str) -> Result<Mutant> {
        let entry = entry.as_table().context("a mutant is a table")?;
        let text = |key: &str| {
            entry
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
                .with_context(|| format!("a mutant without `{key}`"))
        };
        if let Some(unknown) = entry.keys().find(|key| !KEYS.contains(&key.as_str())) {
            bail!("`{unknown}` is no key of a mutant");
        }
        let hangs = match entry.get("hangs") {
            None => false,
            Some(value) => value.as_bool().context("`hangs` is true or false")?,
        };
        Ok(Mutant {
            rule: text("rule")?,
            file: text("file")?,
            find: text("find")?,
            replace: text("replace")?,
            package: text("package")?,
            target: text("target")?,
            test: text("test")?,
            hangs,
            written_in: format!("{FOLDER}/{written_in}"),
        })
    }

    /// What is wrong with the entry, without running anything.
    pub(crate) fn complaint(
        &self,
        root: &Path,
        rules: &Rules,
        vectors: &[Vector],
        results: &[TestResult],
    ) -> Option<String> {
        let says = |what: String| Some(format!("{}: {}: {what}", self.written_in, self.rule));
        if rules.find(&self.rule).is_none() {
            return says("no such rule".to_owned());
        }
        if let Err(error) = self.mutated(root) {
            return says(format!("{error:#}"));
        }
        let test = results.iter().find(|result| {
            result.package == self.package
                && result.target == self.target
                && result.path == self.test
        });
        let Some(test) = test else {
            return says(format!(
                "no test {} in {} of {} was run",
                self.test, self.target, self.package
            ));
        };
        if !test.passed {
            return says(format!("the test {} does not pass as it is", self.test));
        }
        let a_vector_proves = vectors
            .iter()
            .any(|vector| vector.proves && vector.rules.contains(&self.rule));
        let proves = rules.named_by(test.function()).contains(&self.rule)
            || (test.function() == RUNNER && a_vector_proves);
        if !proves {
            return says(format!("the test {} does not prove the rule", self.test));
        }
        None
    }

    /// The file with the defect in it.
    fn mutated(&self, root: &Path) -> Result<String> {
        let source = fs::read_to_string(root.join(&self.file))
            .with_context(|| format!("cannot read {}", self.file))?;
        if self.find == self.replace {
            bail!("`replace` is what `find` is");
        }
        match source.matches(&self.find).count() {
            1 => Ok(source.replacen(&self.find, &self.replace, 1)),
            count => bail!("`{}` occurs {count} times in {}", self.find, self.file),
        }
    }

    fn target_arguments(&self) -> Result<Vec<&str>> {
        match self.target.split_once(':') {
            None if self.target == "lib" => Ok(vec!["--lib"]),
            None if self.target == "bin" => Ok(vec!["--bins"]),
            Some(("test", name)) => Ok(vec!["--test", name]),
            _ => bail!("`{}` is none of lib, bin, test:NAME", self.target),
        }
    }
}

/// Runs each named test without its defect and then with it, in a copy of the tree.
///
/// # Errors
/// A test that fails without a defect, a defect that does not compile, or one that no test notices.
pub(crate) fn try_all(steps: &mut Steps, mutants: &[Mutant]) -> Result<()> {
    if mutants.is_empty() {
        bail!("no mutant to try");
    }
    let copy = root().join("target/mutants/tree");
    steps.run("mutants: copy of the tree", || copy_tree(&root(), &copy))?;
    // Neighbours share a target and a file, so that little is built between two of them.
    let mut order: Vec<&Mutant> = mutants.iter().collect();
    order.sort_by_key(|mutant| (&mutant.package, &mutant.target, &mutant.file));
    steps.run("mutants: the tests without defects", || {
        let mut groups: BTreeMap<(&str, &str), Vec<&Mutant>> = BTreeMap::new();
        for &mutant in &order {
            groups
                .entry((&mutant.package, &mutant.target))
                .or_default()
                .push(mutant);
        }
        for ((package, target), group) in groups {
            let tests: BTreeSet<&str> = group.iter().map(|mutant| &mutant.test[..]).collect();
            println!("{package} {target}: {} tests", tests.len());
            match run_tests(&copy, group[0], &tests)? {
                Verdict::Passed => {}
                other => bail!("{package} {target}: without a defect, {other:?}: {tests:?}"),
            }
        }
        Ok(())
    })?;
    let mut wrong = Vec::new();
    steps.run("mutants: the tests with them", || {
        for mutant in &order {
            let started = Instant::now();
            let path = copy.join(&mutant.file);
            let original =
                fs::read(&path).with_context(|| format!("cannot read {}", mutant.file))?;
            fs::write(&path, mutant.mutated(&copy)?)
                .with_context(|| format!("cannot write {}", path.display()))?;
            let verdict = run_tests(&copy, mutant, &BTreeSet::from([&mutant.test[..]]));
            fs::write(&path, original)
                .with_context(|| format!("cannot restore {}", path.display()))?;
            let verdict = verdict?;
            let word = verdict.word(mutant.hangs);
            println!(
                "{:<6}  {word:<10}  {:>4} s  {}  {}",
                mutant.rule,
                started.elapsed().as_secs(),
                mutant.file,
                mutant.test
            );
            if !verdict.is_noticed(mutant.hangs) {
                wrong.push(format!("{} ({}): {word}", mutant.rule, mutant.written_in));
            }
        }
        Ok(())
    })?;
    if wrong.is_empty() {
        println!("{} defects, each noticed", order.len());
        return Ok(());
    }
    bail!("{} of {}: {}", wrong.len(), order.len(), wrong.join("; "))
}

/// How a run of tests ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Each of them, by name.
    Passed,
    /// One of them, by name.
    Failed,
    /// Still running after [`RUN_MAX`].
    Hung,
    NotBuilt,
    NotFound,
    /// The run itself failed, without a word about the test: out of memory, a full disk, cargo.
    Broke,
}

impl Verdict {
    /// What the output says of these tests; an exit code alone says nothing about them.
    fn of_output(text: &str, tests: &BTreeSet<&str>, ended_well: bool) -> Verdict {
        let says = |test: &&str, word: &str| {
            let line = format!("test {test} ... {word}");
            text.lines().any(|said| said == line)
        };
        if tests.iter().any(|test| says(test, "FAILED")) {
            Verdict::Failed
        } else if !ended_well {
            Verdict::Broke
        } else if tests.iter().all(|test| says(test, "ok")) {
            Verdict::Passed
        } else {
            Verdict::NotFound
        }
    }

    /// Whether the test noticed the defect, which is to make it hang or not.
    fn is_noticed(self, hangs: bool) -> bool {
        match self {
            Verdict::Failed => true,
            Verdict::Hung => hangs,
            Verdict::Passed | Verdict::NotBuilt | Verdict::NotFound | Verdict::Broke => false,
        }
    }

    fn word(self, hangs: bool) -> &'static str {
        match self {
            Verdict::Failed => "red",
            Verdict::Hung if hangs => "red (hung)",
            Verdict::Hung => "HUNG",
            Verdict::Passed => "SURVIVED",
            Verdict::NotBuilt => "DOES NOT COMPILE",
            Verdict::NotFound => "NO SUCH TEST",
            Verdict::Broke => "RUN BROKE",
        }
    }
}

/// Builds the target that the mutant names and runs these tests of it.
fn run_tests(copy: &Path, mutant: &Mutant, tests: &BTreeSet<&str>) -> Result<Verdict> {
    let cargo = || -> Result<Command> {
        let mut cargo = Command::new("cargo");
        cargo
            .args(["test", "--quiet", "--package", &mutant.package])
            .args(mutant.target_arguments()?)
            .current_dir(copy)
            .env("CARGO_TARGET_DIR", root().join("target/mutants/target"))
            .env("CI", "true")
            .env("OCSPRY_TEST_PYTHON", python())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some(vectors) = vectors()? {
            cargo.env("OCSPRY_TEST_VECTORS", vectors);
        }
        Ok(cargo)
    };
    let built = cargo()?
        .arg("--no-run")
        .status()
        .context("cannot start cargo")?;
    if !built.success() {
        return Ok(Verdict::NotBuilt);
    }
    let output = root().join("target/mutants/output.txt");
    let file =
        fs::File::create(&output).with_context(|| format!("cannot write {}", output.display()))?;
    let mut run = cargo()?
        .args(["--", "--exact", "--format", "pretty"])
        .args(tests)
        .stdout(file)
        .process_group(0)
        .spawn()
        .context("cannot start cargo")?;
    let started = Instant::now();
    let status = loop {
        if let Some(status) = run.try_wait().context("cannot wait for cargo")? {
            break status;
        }
        if started.elapsed() > RUN_MAX {
            end_group(&mut run)?;
            return Ok(Verdict::Hung);
        }
        std::thread::park_timeout(Duration::from_millis(50));
    };
    let text = fs::read(&output).with_context(|| format!("cannot read {}", output.display()))?;
    Ok(Verdict::of_output(
        &String::from_utf8_lossy(&text),
        tests,
        status.success(),
    ))
}

/// The interpreter with the clients in it, which `cargo xtask setup` made for this tree and not for the copy.
fn python() -> PathBuf {
    std::env::var_os("OCSPRY_TEST_PYTHON").map_or_else(
        || setup::python_environment().join("bin/python3"),
        PathBuf::from,
    )
}

/// Ends cargo and the test binary, which share a process group.
fn end_group(run: &mut std::process::Child) -> Result<()> {
    // The shell's own `kill`: the program of that name is not everywhere.
    let line = format!("kill -s KILL -- -{}", run.id());
    let ended = Command::new("sh").args(["-c", &line]).status();
    if !ended.context("cannot start sh")?.success() {
        bail!("cannot end a hanging test: `{line}` failed");
    }
    run.wait().context("cannot wait for cargo")?;
    Ok(())
}

/// Where a test finds pyca's vectors: they lie beside the tree, not in it.
fn vectors() -> Result<Option<PathBuf>> {
    if let Some(named) = std::env::var_os("OCSPRY_TEST_VECTORS") {
        return Ok(Some(named.into()));
    }
    let versions = setup::python_environment().join("lib");
    if !versions.is_dir() {
        return Ok(None);
    }
    let failed = || format!("cannot list {}", versions.display());
    for version in fs::read_dir(&versions).with_context(failed)? {
        let version = version.with_context(failed)?.path();
        let folder = version.join("site-packages/cryptography_vectors");
        if folder.is_dir() {
            return Ok(Some(folder));
        }
    }
    Ok(None)
}

/// Makes the copy what the tree is; files that are the same keep their times, so that they are not built again.
fn copy_tree(root: &Path, copy: &Path) -> Result<()> {
    let listed = output_of(Command::new("git").args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]))?;
    let wanted: BTreeSet<&str> = listed
        .split('\0')
        .filter(|name| !name.is_empty() && root.join(name).is_file())
        .collect();
    for name in &wanted {
        let content = fs::read(root.join(name)).with_context(|| format!("cannot read {name}"))?;
        let path = copy.join(name);
        if fs::read(&path).is_ok_and(|present| present == content) {
            continue;
        }
        let folder = path.parent().unwrap_or(copy);
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        // With its mode: some of them are programs.
        fs::copy(root.join(name), &path)
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    remove_others(copy, copy, &wanted)
}

/// Removes what an earlier copy had and this one has not.
fn remove_others(folder: &Path, copy: &Path, wanted: &BTreeSet<&str>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("cannot list {}", folder.display()))?
            .path();
        if path.is_dir() {
            remove_others(&path, copy, wanted)?;
        } else {
            let name = path.strip_prefix(copy).unwrap_or(&path).to_string_lossy();
            if !wanted.contains(&*name) {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
        }
    }
    Ok(())
}

/// Where the entries are.
const FOLDER: &str = "conformance/mutants";
const KEYS: &[&str] = &[
    "rule", "file", "find", "replace", "package", "target", "test", "hangs",
];
/// How long one test may run with a defect.
const RUN_MAX: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: &str = "\
[[mutant]]
rule = \"REQ-01\"
file = \"clippy.toml\"
find = \"FIND\"
replace = \"x\"
package = \"ocspry-core\"
target = \"test:answer\"
test = \"a::req_01_x\"
";

    fn complaint(entry: &str, test: &str) -> Option<String> {
        complaint_beside(entry, test, true, &[])
    }

    fn complaint_beside(
        entry: &str,
        test: &str,
        passed: bool,
        vectors: &[Vector],
    ) -> Option<String> {
        let page = "## 1. A\n\n| ID | R | L | S | T |\n| --- | --- | --- | --- | --- |\n| REQ-01 | a | MUST | b | c |\n";
        let rules = Rules::from_markdown(page).unwrap();
        let results = [TestResult {
            package: "ocspry-core".to_owned(),
            target: "test:answer".to_owned(),
            path: test.to_owned(),
            passed,
        }];
        let mutant = &from_toml(entry, "a.toml").unwrap()[0];
        mutant.complaint(&root(), &rules, vectors, &results)
    }

    #[test]
    fn an_entry_that_fits_neither_source_nor_tests_is_named() {
        let line = fs::read_to_string(root().join("clippy.toml")).unwrap();
        let line = line.lines().next().unwrap();
        let good = ENTRY.replace("FIND", line);
        assert_eq!(complaint(&good, "a::req_01_x"), None);
        for (entry, test, what) in [
            (ENTRY, "a::req_01_x", "occurs 0 times"),
            (&good[..], "a::req_01_y", "was run"),
            (
                &good.replace("REQ-01", "REQ-09"),
                "a::req_01_x",
                "no such rule",
            ),
            (
                &good.replace("a::req_01_x", "a::x"),
                "a::x",
                "does not prove",
            ),
        ] {
            let said = complaint(entry, test).unwrap_or_default();
            assert!(said.contains(what), "{what}: {said}");
        }
    }

    #[test]
    fn an_entry_that_lacks_a_key_or_has_one_too_many_is_refused() {
        assert!(from_toml(&ENTRY.replace("find =", "seek ="), "a").is_err());
        assert!(from_toml(&format!("{ENTRY}more = \"x\"\n"), "a").is_err());
        assert!(from_toml(&ENTRY.replace("[[mutant]]", "[[mutants]]"), "a").is_err());
    }

    #[test]
    fn the_runner_proves_a_rule_only_by_a_request_and_a_test_that_fails_proves_none() {
        let line = fs::read_to_string(root().join("clippy.toml")).unwrap();
        let line = line.lines().next().unwrap();
        let entry = ENTRY.replace("FIND", line).replace("a::req_01_x", RUNNER);
        let said = |proves, passed| {
            let vector = Vector {
                name: "rfc/1/a".to_owned(),
                rules: vec!["REQ-01".to_owned()],
                proves,
            };
            complaint_beside(&entry, RUNNER, passed, &[vector]).unwrap_or_default()
        };
        assert_eq!(said(true, true), "");
        assert!(said(false, true).contains("does not prove"));
        assert!(said(true, false).contains("does not pass"));
    }

    #[test]
    fn only_a_line_that_names_the_test_makes_it_red() {
        let tests = BTreeSet::from(["a::req_01_x"]);
        let of = |text: &str, ended_well| Verdict::of_output(text, &tests, ended_well);
        assert_eq!(of("test a::req_01_x ... FAILED\n", false), Verdict::Failed);
        assert_eq!(of("test a::req_01_x ... ok\n", true), Verdict::Passed);
        assert_eq!(of("test b::req_01_x ... FAILED\n", false), Verdict::Broke);
        assert_eq!(of("error: no space left\n", false), Verdict::Broke);
        assert_eq!(of("test a::req_01_x ... ok\n", false), Verdict::Broke);
        assert_eq!(of("running 0 tests\n", true), Verdict::NotFound);
        assert!(Verdict::Hung.is_noticed(true) && !Verdict::Hung.is_noticed(false));
        assert!(!Verdict::Broke.is_noticed(true));
    }
}
