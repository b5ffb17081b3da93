//! Rules that no test proves, each with a reason: `conformance/exceptions.toml`.
//!
//! From: that file.  To: `page`, which prints the reason where the proof would stand.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use toml::Value;

use super::rules::Rules;

/// The file.
pub(crate) const EXCEPTIONS: &str = "conformance/exceptions.toml";

/// Why a rule, or a whole section, is not proved.
#[derive(Debug)]
pub(crate) struct Exceptions {
    rules: BTreeMap<String, Exception>,
    due_by_section: BTreeMap<u8, String>,
}

/// What is said of one rule.
#[derive(Debug, Default)]
pub(crate) struct Exception {
    /// Built and proved later: with what.
    pub(crate) due: Option<String>,
    /// Done otherwise on purpose: why.  Tests may show what is done instead.
    pub(crate) deviation: Option<String>,
    /// A choice that is not taken: why.
    pub(crate) not_offered: Option<String>,
    /// Worth knowing, whatever the status.
    pub(crate) note: Option<String>,
}

impl Exceptions {
    /// Reads the file; every rule in it must exist.
    ///
    /// # Errors
    /// It is no TOML of the expected form, or names a rule that does not exist.
    pub(crate) fn from_toml(text: &str, rules: &Rules) -> Result<Exceptions> {
        let mut exceptions = Exceptions {
            rules: BTreeMap::new(),
            due_by_section: BTreeMap::new(),
        };
        for (key, value) in text.parse::<toml::Table>()? {
            if let Some(number) = key.strip_prefix("section-") {
                let number = number
                    .parse()
                    .with_context(|| format!("`{key}` names no section"))?;
                let said = Exception::from_value(&key, &value)?;
                let due = said
                    .due
                    .with_context(|| format!("`{key}`: a section may only be due"))?;
                exceptions.due_by_section.insert(number, due);
            } else if rules.find(&key).is_some() {
                let said = Exception::from_value(&key, &value)?;
                exceptions.rules.insert(key, said);
            } else {
                bail!("`{key}` is no rule of docs/conformance-rules.md");
            }
        }
        Ok(exceptions)
    }

    pub(crate) fn of_rule(&self, id: &str) -> Option<&Exception> {
        self.rules.get(id)
    }

    /// When a section's unproved rules are due.
    pub(crate) fn of_section(&self, number: u8) -> Option<&str> {
        self.due_by_section.get(&number).map(String::as_str)
    }
}

impl Exception {
    fn from_value(key: &str, value: &Value) -> Result<Exception> {
        let table = value
            .as_table()
            .with_context(|| format!("`{key}` is no table"))?;
        let mut said = Exception::default();
        for (word, reason) in table {
            let reason = reason
                .as_str()
                .filter(|reason| reason.len() > 5)
                .with_context(|| format!("`{key}`: `{word}` gives no reason"))?;
            let place = match word.as_str() {
                "due" => &mut said.due,
                "deviation" => &mut said.deviation,
                "not-offered" => &mut said.not_offered,
                "note" => &mut said.note,
                other => {
                    bail!("`{key}`: `{other}` is none of due, deviation, not-offered, note")
                }
            };
            *place = Some(reason.to_owned());
        }
        let reasons = [&said.due, &said.deviation, &said.not_offered];
        if reasons.into_iter().flatten().count() > 1 {
            bail!("`{key}`: one of due, deviation and not-offered, not two");
        }
        Ok(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let page = "## 1. A\n\n| ID | R | L | S | T |\n| --- | --- | --- | --- | --- |\n| REQ-01 | a | MUST | b | c |\n";
        Rules::from_markdown(page).unwrap()
    }

    #[test]
    fn a_reason_is_read_and_an_unknown_rule_or_word_is_refused() {
        let read = |text: &str| Exceptions::from_toml(text, &rules());
        let found =
            read("[REQ-01]\ndeviation = \"because of it\"\n[section-2]\ndue = \"with the rest\"\n")
                .unwrap();
        let said = found.of_rule("REQ-01").unwrap();
        assert_eq!(said.deviation.as_deref(), Some("because of it"));
        assert_eq!(found.of_section(2), Some("with the rest"));
        for wrong in [
            "[REQ-02]\ndue = \"some time\"\n",
            "[REQ-01]\nlater = \"some time\"\n",
            "[REQ-01]\ndue = \"\"\n",
            "[REQ-01]\ndue = \"some time\"\ndeviation = \"because\"\n",
            "[section-x]\ndue = \"some time\"\n",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
