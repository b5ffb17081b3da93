//! docs/conformance.md: each rule with its status, made from what the tests said.
//!
//! From: the rules, the exceptions, the vectors and the results of a run.  To: the committed page, and the list of what
//! is wrong with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::exceptions::Exceptions;
use super::results::TestResult;
use super::rules::{Level, Rule, Rules, Section};
use super::vectors::{RUNNER, Vector};

/// The page.
pub(crate) const PAGE: &str = "docs/conformance.md";
/// The sections in which nothing that MUST or SHOULD be done may be open.
pub(crate) const SECTIONS_NOW: std::ops::RangeInclusive<u8> = 1..=12;

/// Each rule with what is known of it, in the rules' order.
#[derive(Debug)]
pub(crate) struct Standing<'a> {
    sections: Vec<(&'a Section, Vec<RuleStanding<'a>>)>,
}

/// One rule with its proof or its reason.
#[derive(Debug)]
pub(crate) struct RuleStanding<'a> {
    pub(crate) rule: &'a Rule,
    pub(crate) status: Status,
    /// Tests, as Markdown.
    tests: Vec<String>,
    /// Vectors by their folder.
    vectors: BTreeMap<String, Vec<String>>,
    note: Option<String>,
}

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// A test, or a vector that is a request, names it, and all that name it pass.
    Proved,
    /// Done otherwise, with a reason.
    Deviation(String),
    /// To be built with other work.
    Due(String),
    /// A choice not taken, with a reason.
    NotOffered(String),
    /// Nothing proves it, or what should does not pass.
    Open,
    /// Nothing to prove.
    Note,
}

impl Status {
    fn name(&self) -> &'static str {
        match self {
            Status::Proved => "proved",
            Status::Deviation(_) => "deviation",
            Status::Due(_) => "due",
            Status::NotOffered(_) => "not offered",
            Status::Open => "**open**",
            Status::Note => "note",
        }
    }

    fn reason(&self) -> Option<&str> {
        match self {
            Status::Deviation(reason) | Status::Due(reason) | Status::NotOffered(reason) => {
                Some(reason)
            }
            Status::Proved | Status::Open | Status::Note => None,
        }
    }
}

/// Puts together what is known; the second value is what is wrong with it, line by line.
pub(crate) fn standing<'a>(
    rules: &'a Rules,
    exceptions: &Exceptions,
    vectors: &[Vector],
    results: &[TestResult],
) -> (Standing<'a>, Vec<String>) {
    let mut wrong = Vec::new();
    let mut tests: BTreeMap<String, Vec<&TestResult>> = BTreeMap::new();
    for result in results {
        for id in rules.named_by(result.function()) {
            if rules.find(&id).is_none() {
                wrong.push(format!("{}: names {id}, which does not exist", result.path));
            }
            tests.entry(id).or_default().push(result);
        }
    }
    for vector in vectors {
        for id in &vector.rules {
            if rules.find(id).is_none() {
                wrong.push(format!(
                    "vectors/{}: names {id}, which does not exist",
                    vector.name
                ));
            }
        }
    }
    let vectors_hold = results
        .iter()
        .any(|result| result.function() == RUNNER && result.passed);
    let mut sections = Vec::new();
    for section in &rules.sections {
        let mut rows = Vec::new();
        for rule in &section.rules {
            let of_rule = tests.remove(&rule.id).unwrap_or_default();
            let of_vectors: Vec<&Vector> = vectors
                .iter()
                .filter(|vector| vector.rules.contains(&rule.id))
                .collect();
            let a_vector_proves = of_vectors.iter().any(|vector| vector.proves);
            let proved = (a_vector_proves || !of_rule.is_empty())
                && of_rule.iter().all(|result| result.passed)
                && (of_vectors.is_empty() || vectors_hold);
            let said = exceptions.of_rule(&rule.id);
            let (due, deviation, not_offered, note) = said.map_or((None, None, None, None), |s| {
                (
                    s.due.clone(),
                    s.deviation.clone(),
                    s.not_offered.clone(),
                    s.note.clone(),
                )
            });
            if proved && (due.is_some() || not_offered.is_some()) {
                wrong.push(format!(
                    "{}: is proved, and yet listed in conformance/exceptions.toml",
                    rule.id
                ));
            }
            let status = if rule.level == Level::Note {
                Status::Note
            } else if let Some(reason) = deviation {
                Status::Deviation(reason)
            } else if proved {
                Status::Proved
            } else if let Some(reason) = due {
                Status::Due(reason)
            } else if let Some(reason) = not_offered {
                Status::NotOffered(reason)
            } else if let Some(reason) = exceptions.of_section(section.number) {
                Status::Due(reason.to_owned())
            } else {
                Status::Open
            };
            rows.push(RuleStanding {
                rule,
                status,
                tests: of_rule.iter().map(|result| test_words(result)).collect(),
                vectors: by_folder(&of_vectors),
                note,
            });
        }
        sections.push((section, rows));
    }
    (Standing { sections }, wrong)
}

/// `` `name` (ocspry-core) ``, and what happened when it did not pass.
fn test_words(result: &TestResult) -> String {
    let ending = if result.passed { "" } else { ": does not pass" };
    format!("`{}` ({}){ending}", result.function(), result.package)
}

fn by_folder(vectors: &[&Vector]) -> BTreeMap<String, Vec<String>> {
    let mut folders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for vector in vectors {
        let (folder, name) = vector.name.rsplit_once('/').unwrap_or(("", &vector.name));
        folders
            .entry(folder.to_owned())
            .or_default()
            .push(name.to_owned());
    }
    folders
}

impl<'a> Standing<'a> {
    /// The rules of the sections that are to be complete now.
    pub(crate) fn now(&self) -> impl Iterator<Item = &RuleStanding<'a>> {
        self.sections
            .iter()
            .filter(|(section, _)| SECTIONS_NOW.contains(&section.number))
            .flat_map(|(_, rows)| rows)
    }

    /// The whole page.
    pub(crate) fn markdown(&self) -> String {
        let mut page = HEAD.to_owned();
        page.push_str(SUMMARY_HEAD);
        for (section, rows) in &self.sections {
            for level in Level::PROVABLE {
                let of_level: Vec<_> = rows.iter().filter(|row| row.rule.level == level).collect();
                if of_level.is_empty() {
                    continue;
                }
                let count = |name: &str| {
                    let count = of_level
                        .iter()
                        .filter(|row| row.status.name() == name)
                        .count();
                    if count == 0 {
                        "–".to_owned()
                    } else {
                        count.to_string()
                    }
                };
                let _ = writeln!(
                    page,
                    "| {} {} | {} | {} | {} | {} | {} | {} | {} |",
                    section.number,
                    section.title,
                    level.name(),
                    of_level.len(),
                    count("proved"),
                    count("deviation"),
                    count("due"),
                    count("not offered"),
                    count("**open**"),
                );
            }
        }
        for (section, rows) in &self.sections {
            let _ = write!(
                page,
                "\n## {}. {}\n\n{TABLE_HEAD}",
                section.number, section.title
            );
            for row in rows {
                let _ = writeln!(
                    page,
                    "| {} | {} | {} | {} | {} | {} |",
                    row.rule.id,
                    row.rule.requirement,
                    row.rule.level_text,
                    row.rule.source,
                    row.status.name(),
                    row.proof_cell(),
                );
            }
        }
        page
    }
}

impl RuleStanding<'_> {
    /// Reason, note, tests and vectors, one under the other.
    fn proof_cell(&self) -> String {
        let mut parts = Vec::new();
        parts.extend(self.status.reason().map(str::to_owned));
        parts.extend(self.note.clone());
        let mut tests = self.tests.clone();
        tests.sort();
        tests.dedup();
        parts.extend(tests);
        for (folder, names) in &self.vectors {
            parts.push(format!("vectors/{folder}: {}", names.join(", ")));
        }
        if parts.is_empty() {
            return "–".to_owned();
        }
        parts.join("<br>")
    }
}

const HEAD: &str = "\
# Conformance: where each rule stands

Made by `cargo xtask conformance` from the results of the tests; do not edit. `cargo xtask ci` compares it with its own run and
fails on a difference, and on a MUST or SHOULD of sections 1 to 12 that is open. The rules: [conformance-rules.md](conformance-rules.md).
A rule is *proved* when a test or a vector that is a request names it, and all that name it pass; *deviation*, *due* and *not offered* stand, with the reason,
in `conformance/exceptions.toml`. For each proved MUST of sections 1 to 12, `conformance/mutants/` holds a defect in the shipped
code that turns its test red; `cargo xtask conformance --mutants` shows it.

";
const SUMMARY_HEAD: &str = "\
| Section | Level | Rules | Proved | Deviation | Due | Not offered | Open |
| --- | --- | --- | --- | --- | --- | --- | --- |
";
const TABLE_HEAD: &str = "\
| ID | Requirement | Level | Source | Status | Proof or reason |
| --- | --- | --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = "\
## 1. Requests

| ID | R | L | S | T |
| --- | --- | --- | --- | --- |
| REQ-01 | one | MUST | s | t |
| REQ-02 | two | MUST | s | t |
| REQ-03 | three | MAY | s | t |

## 13. Later

| ID | R | L | S | T |
| --- | --- | --- | --- | --- |
| CRL-01 | one | MUST | s | t |
";

    fn result(path: &str, passed: bool) -> TestResult {
        TestResult {
            package: "ocspry-core".to_owned(),
            target: "lib".to_owned(),
            path: path.to_owned(),
            passed,
        }
    }

    fn vector(name: &str, rule: &str) -> Vector {
        Vector {
            name: name.to_owned(),
            rules: vec![rule.to_owned()],
            proves: true,
        }
    }

    /// The statuses of the four rules, and how many things are wrong.
    fn statuses(
        exceptions: &str,
        vectors: &[Vector],
        results: &[TestResult],
    ) -> (Vec<&'static str>, usize) {
        let rules = Rules::from_markdown(RULES).unwrap();
        let exceptions = Exceptions::from_toml(exceptions, &rules).unwrap();
        let (standing, wrong) = standing(&rules, &exceptions, vectors, results);
        let names = standing
            .sections
            .iter()
            .flat_map(|(_, rows)| rows)
            .map(|row| row.status.name())
            .collect();
        (names, wrong.len())
    }

    #[test]
    fn a_rule_is_proved_by_what_names_it_and_passes_and_by_nothing_else() {
        let later = "[section-13]\ndue = \"with the lists\"\n";
        let runner = |passed| result(RUNNER, passed);
        let passing = [result("a::req_01_x", true), runner(true)];
        let shown = [vector("rfc/1/a", "REQ-02")];
        assert_eq!(
            statuses(later, &shown, &passing),
            (vec!["proved", "proved", "**open**", "due"], 0)
        );
        let read_only = [Vector {
            proves: false,
            ..vector("rfc/1/a", "REQ-02")
        }];
        assert_eq!(statuses(later, &read_only, &passing).0[1], "**open**");
        let failing = [
            result("a::req_01_x", true),
            result("b::y_req_01", false),
            runner(false),
        ];
        assert_eq!(
            statuses(later, &shown, &failing),
            (vec!["**open**", "**open**", "**open**", "due"], 0)
        );
    }

    #[test]
    fn an_unknown_rule_and_an_exception_for_a_proved_one_are_wrong() {
        let passing = [result("req_01_x", true), result("req_77_x", true)];
        let unknown = [vector("rfc/1/a", "REQ-78")];
        let (_, wrong) = statuses("[REQ-01]\ndue = \"some time\"\n", &unknown, &passing);
        assert_eq!(wrong, 3);
        let (names, wrong) = statuses(
            "[REQ-01]\ndeviation = \"in part\"\n[REQ-03]\nnot-offered = \"nobody asked\"\n",
            &[],
            &passing[..1],
        );
        assert_eq!(names[..3], ["deviation", "**open**", "not offered"]);
        assert_eq!(wrong, 0);
    }
}
