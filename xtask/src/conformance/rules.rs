//! The rules themselves, as the tables of docs/conformance-rules.md list them.
//!
//! Rules are written once, for people; this reads their tables so that nothing else need repeat them.  From: that page.
//! To: `page`, which gives each rule a status, and everything that names a rule and may have misspelt it.

use anyhow::{Context, Result, bail};

/// The page that lists the rules.
pub(crate) const RULES_PAGE: &str = "docs/conformance-rules.md";

/// Every rule, in the page's order.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) sections: Vec<Section>,
}

/// One section of the checklist.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) number: u8,
    pub(crate) title: String,
    pub(crate) rules: Vec<Rule>,
}

/// One row of a table.
#[derive(Debug)]
pub(crate) struct Rule {
    /// `REQ-01`.
    pub(crate) id: String,
    /// What is required.
    pub(crate) requirement: String,
    /// The level as written, with whatever qualifies it.
    pub(crate) level_text: String,
    pub(crate) level: Level,
    pub(crate) source: String,
}

/// How binding a rule is: the first word of its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Must,
    Should,
    May,
    /// Nothing to prove.
    Note,
}

impl Level {
    pub(crate) const PROVABLE: [Level; 3] = [Level::Must, Level::Should, Level::May];

    fn of(text: &str) -> Result<Level> {
        match text.split(' ').next() {
            Some("MUST") => Ok(Level::Must),
            Some("SHOULD") => Ok(Level::Should),
            Some("MAY") => Ok(Level::May),
            Some("note") => Ok(Level::Note),
            _ => bail!("`{text}` is no level"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Must => "MUST",
            Level::Should => "SHOULD",
            Level::May => "MAY",
            Level::Note => "note",
        }
    }
}

impl Rules {
    /// Reads the tables of the sections that hold rules.
    ///
    /// # Errors
    /// A row of such a table that is no rule, or a rule that is listed twice.
    pub(crate) fn from_markdown(text: &str) -> Result<Rules> {
        let mut sections: Vec<Section> = Vec::new();
        let mut in_table = false;
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                let (number, title) = heading
                    .split_once(". ")
                    .with_context(|| format!("no number in the heading `{heading}`"))?;
                let number = number
                    .parse()
                    .with_context(|| format!("no number in the heading `{heading}`"))?;
                sections.push(Section {
                    number,
                    title: title.to_owned(),
                    rules: Vec::new(),
                });
                in_table = false;
            } else if line.starts_with("| ID |") {
                in_table = true;
            } else if !line.starts_with('|') {
                in_table = false;
            } else if in_table && !line.starts_with("| ---") {
                let rule = Rule::from_row(line).with_context(|| format!("in the row `{line}`"))?;
                let section = sections.last_mut().context("a table before any heading")?;
                section.rules.push(rule);
            }
        }
        sections.retain(|section| !section.rules.is_empty());
        let rules = Rules { sections };
        let mut ids: Vec<&str> = rules.iter().map(|rule| rule.id.as_str()).collect();
        ids.sort_unstable();
        if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!("{} is listed twice", twice[0]);
        }
        Ok(rules)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.sections.iter().flat_map(|section| &section.rules)
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Rule> {
        self.iter().find(|rule| rule.id == id)
    }

    /// Every rule that a function's name carries, as `req_01` between underscores, whether it exists or not.
    pub(crate) fn named_by(&self, function: &str) -> Vec<String> {
        let words: Vec<&str> = function.split('_').collect();
        words
            .windows(2)
            .filter(|pair| pair[1].len() == 2 && pair[1].bytes().all(|b| b.is_ascii_digit()))
            .map(|pair| format!("{}-{}", pair[0].to_uppercase(), pair[1]))
            .filter(|id| {
                self.iter()
                    .any(|rule| rule.id[..4] == id[..id.len().min(4)])
            })
            .collect()
    }
}

impl Rule {
    fn from_row(row: &str) -> Result<Rule> {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [id, requirement, level, source, _test] = cells[..] else {
            bail!("{} cells instead of five", cells.len());
        };
        if id.len() != 6 || id.as_bytes()[3] != b'-' {
            bail!("`{id}` is no rule's ID");
        }
        Ok(Rule {
            id: id.to_owned(),
            requirement: requirement.to_owned(),
            level_text: level.to_owned(),
            level: Level::of(level)?,
            source: source.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# T\n\n## 0. Points\n\n1. text\n\n## 1. Requests\n\n| ID | Requirement | Level | Source | Black-box test |\n\
        | --- | --- | --- | --- | --- |\n| REQ-01 | a | MUST | b | c |\n| ERR-02 | a | SHOULD (MUST in x) | b | c |\n\n\
        ## 2. Other\n\n| Topic | x |\n| --- | --- |\n| y | z |\n";

    #[test]
    fn rules_are_read_from_tables_with_an_id_and_from_no_others() {
        let rules = Rules::from_markdown(PAGE).unwrap();
        assert_eq!(rules.sections.len(), 1);
        assert_eq!(rules.sections[0].number, 1);
        let levels: Vec<_> = rules
            .iter()
            .map(|rule| (&rule.id[..], rule.level))
            .collect();
        assert_eq!(levels, [("REQ-01", Level::Must), ("ERR-02", Level::Should)]);
    }

    #[test]
    fn a_rule_listed_twice_or_without_a_level_is_refused() {
        let twice = PAGE.replace("ERR-02", "REQ-01");
        assert!(Rules::from_markdown(&twice).is_err());
        let without = PAGE.replace("| MUST |", "| PERHAPS |");
        assert!(Rules::from_markdown(&without).is_err());
    }

    #[test]
    fn the_rules_in_a_functions_name_are_found_and_those_that_do_not_exist_too() {
        let rules = Rules::from_markdown(PAGE).unwrap();
        assert_eq!(
            rules.named_by("req_01_err_99_a_sentence_with_abc_12_and_req_123"),
            ["REQ-01", "ERR-99"]
        );
        assert_eq!(rules.named_by("reads_int_64"), Vec::<String>::new());
    }
}
