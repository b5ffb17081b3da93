//! The files of bench/results, the newest last.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// One file.
pub struct Run {
    /// Its name.
    pub name: String,
    /// What is in it.
    pub content: Value,
    /// When it was made, as RFC 3339 in UTC: what it says, else when it was committed.
    made: String,
}

impl Run {
    /// Its name, and the commit and the machine.
    pub fn told(&self) -> (String, String) {
        let first = self.content.get(0).unwrap_or(&self.content);
        let text = |field: &str| first[field].as_str().unwrap_or("unknown");
        let what = format!("{} on {}", text("commit"), text("machine"));
        (self.name.clone(), what)
    }
}

/// All of them.
pub struct Results {
    runs: Vec<Run>,
}

impl Results {
    /// Reads every JSON file of the directory.
    pub fn read(directory: &Path) -> Result<Results> {
        let mut runs = Vec::new();
        let entries =
            std::fs::read_dir(directory).with_context(|| directory.display().to_string())?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let content: Value =
                serde_json::from_str(&text).with_context(|| path.display().to_string())?;
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let made = match content["date"].as_str() {
                Some(date) => date.to_owned(),
                None => committed(&path),
            };
            runs.push(Run {
                name: name.into_owned(),
                content,
                made,
            });
        }
        Ok(Results::of(runs))
    }

    fn of(mut runs: Vec<Run>) -> Results {
        runs.sort_by(|a, b| (&a.made, &a.name).cmp(&(&b.made, &b.name)));
        Results { runs }
    }

    /// A run with such content, as if from a file.
    #[cfg(test)]
    pub fn only(content: Value) -> Run {
        Run {
            name: "test-peers.json".to_owned(),
            made: "2026-01-02T03:04:05Z".to_owned(),
            content,
        }
    }

    /// The newest that has such content.
    pub fn newest(&self, has: impl Fn(&Value) -> bool) -> Option<&Run> {
        self.runs.iter().rev().find(|run| has(&run.content))
    }
}

/// Later than all others where it is not committed yet.
fn committed(path: &Path) -> String {
    let said = Command::new("git")
        .env("TZ", "UTC")
        .args(["log", "-1", "--format=%ad"])
        .arg("--date=format-local:%Y-%m-%dT%H:%M:%SZ")
        .arg("--")
        .arg(path.file_name().unwrap_or_default())
        .current_dir(path.parent().unwrap_or(Path::new(".")))
        .output();
    let said = said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match said {
        Ok(date) if !date.is_empty() => date,
        Ok(_) | Err(_) => "9999".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_is_the_one_that_was_made_last_whatever_its_name() {
        let run = |name: &str, made: &str, content| Run {
            name: name.to_owned(),
            made: made.to_owned(),
            content,
        };
        let results = Results::of(vec![
            run("c.json", "2026-11-27T01:00:00Z", json!({ "a": 1 })),
            run(
                "a.json",
                "2026-11-27T03:00:00Z",
                json!({ "a": 2, "commit": "x" }),
            ),
            run("b.json", "2026-11-27T04:00:00Z", json!([{ "commit": "y" }])),
        ]);
        let newest = results.newest(|content| content["a"].is_number()).unwrap();
        assert_eq!(
            newest.told(),
            ("a.json".to_owned(), "x on unknown".to_owned())
        );
        let newest = results.newest(Value::is_array).unwrap();
        assert_eq!(newest.told().1, "y on unknown");
        assert!(results.newest(|content| content["b"].is_number()).is_none());
    }
}
