//! Which vector names which rule: the `rules:` line in the header of each file of vectors/.
//!
//! From: vectors/.  To: `page`.  Whether a vector of octets (`.txt`) holds is the result of one test, [`RUNNER`]: it reads
//! all of them.  Only a request proves something about the responder: the others show how an answer, a list or a
//! certificate is read.  What a client said over HTTP (`.http`) proves nothing by itself either: the tests that send it name the rules.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The test that decodes every vector and compares it with its header.
pub(crate) const RUNNER: &str = "every_vector_is_read_as_its_header_says";

/// One vector that names rules.
#[derive(Debug)]
pub(crate) struct Vector {
    /// Its path below vectors/, without the ending.
    pub(crate) name: String,
    /// The rules it shows.
    pub(crate) rules: Vec<String>,
    /// Whether it is a request.
    pub(crate) proves: bool,
}

/// Every vector with a `rules:` line, sorted by name.
///
/// # Errors
/// A file or folder that cannot be read.
pub(crate) fn read_all(root: &Path) -> Result<Vec<Vector>> {
    let top = root.join("vectors");
    let mut folders = vec![top.clone()];
    let mut vectors = Vec::new();
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot list {}", folder.display()))?
                .path();
            if path.is_dir() {
                folders.push(path);
            } else if path
                .extension()
                .is_some_and(|extension| extension == "txt" || extension == "http")
            {
                let text = fs::read_to_string(&path)
                    .with_context(|| format!("cannot read {}", path.display()))?;
                let name = path
                    .strip_prefix(&top)
                    .context("a vector lies elsewhere")?
                    .with_extension("")
                    .to_string_lossy()
                    .into_owned();
                let rules = rules_line(&text);
                if !rules.is_empty() {
                    let proves = header(&text, "object") == Some("request");
                    vectors.push(Vector {
                        name,
                        rules,
                        proves,
                    });
                }
            }
        }
    }
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(vectors)
}

fn rules_line(text: &str) -> Vec<String> {
    header(text, "rules")
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

/// The value of a header line; the header ends with the first empty line.
fn header<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .take_while(|line| !line.is_empty())
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vectors_rules_stand_in_its_header_only() {
        assert_eq!(
            rules_line("why: x\nrules: REQ-01 ERR-02\n\nrules: NON-01\n"),
            ["REQ-01", "ERR-02"]
        );
        assert_eq!(
            rules_line("why: x\n\nrules: NON-01\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_a_client_said_over_http_is_read_too_and_proves_nothing_by_itself() {
        let vectors = read_all(&crate::step::root()).unwrap();
        let curl = vectors.iter().find(|vector| vector.name == "http/get/curl");
        let curl = curl.expect("vectors/http/get/curl.http names rules");
        assert!(curl.rules.contains(&"GET-02".to_owned()) && !curl.proves);
    }
}
