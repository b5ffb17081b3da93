//! Documents that are checked against the program: rustdoc, quoted files, links, example configurations, flags.
//!
//! A document that a program can prove wrong is proved wrong here and not by a reader.  From: `cargo xtask docs` and
//! `ci`.  To: rustdoc, the Markdown files, and the binary itself.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::step::{Steps, output_of, root, status_of};

/// Checks every document that can be checked.
///
/// # Errors
/// At the first step that finds something, after printing all that it found.
pub(crate) fn check(steps: &mut Steps) -> Result<()> {
    steps.run("rustdoc", || {
        status_of(
            Command::new("cargo")
                .args([
                    "doc",
                    "--workspace",
                    "--no-deps",
                    "--document-private-items",
                    "--quiet",
                ])
                .env("RUSTDOCFLAGS", "-D warnings"),
        )
    })?;
    steps.run("documents: quoted files, links, keys", check_documents)?;
    steps.run("documents: flags", check_flags)?;
    steps.run("documents: made from the table of keys", check_made)?;
    steps.run("examples", check_examples)
}

/// Writes the documents that are made from the table of keys.
///
/// # Errors
/// The program cannot be asked, or a document cannot be written.
pub(crate) fn write_made() -> Result<()> {
    for made in made_documents()? {
        fs::write(root().join(made.path), made.text)
            .with_context(|| format!("cannot write {}", made.path))?;
        println!("{}", made.path);
    }
    Ok(())
}

/// Compares the documents that are made from the table of keys with what it says now.
fn check_made() -> Result<()> {
    let mut wrong = Vec::new();
    for made in made_documents()? {
        // One that is not there is another one, too.
        let now = fs::read_to_string(root().join(made.path)).unwrap_or_default();
        if now != made.text {
            wrong.push(format!(
                "{}: is not what the table of keys says; `cargo xtask docs --write` makes it anew",
                made.path
            ));
        }
    }
    report(wrong, "documents do not fit the table of keys")
}

/// A document that is made from the table of keys, whole or in part.
struct Made {
    path: &'static str,
    text: String,
}

fn made_documents() -> Result<Vec<Made>> {
    let sample = output_of(ocspry().args(["config", "sample"]))?;
    let keys = output_of(ocspry().args(["config", "explain", "--json"]))?;
    let keys: Vec<Value> =
        serde_json::from_str(&keys).context("`ocspry config explain --json` is not JSON")?;
    let reference = fs::read_to_string(root().join(CONFIGURATION))
        .with_context(|| format!("cannot read {CONFIGURATION}"))?;
    let Some((before, after)) = reference
        .split_once(KEYS_BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(KEYS_END)?.1)))
    else {
        bail!("{CONFIGURATION}: has no `{KEYS_BEGIN}` with its `{KEYS_END}`");
    };
    let table = key_table(&keys);
    Ok(vec![
        Made {
            path: SAMPLE,
            text: sample,
        },
        Made {
            path: CONFIGURATION,
            text: format!("{before}{KEYS_BEGIN}\n{table}{KEYS_END}{after}"),
        },
    ])
}

/// One row for each key.
fn key_table(keys: &[Value]) -> String {
    let mut table = "| Key | Takes | Default | Meaning |\n|---|---|---|---|\n".to_owned();
    for key in keys {
        let cell = |name: &str| key[name].as_str().unwrap_or_default().replace('|', "\\|");
        let default = match key["default"].as_str() {
            Some(value) => format!("`{value}`"),
            None => cell("left_out"),
        };
        let row = [
            format!("`{}`", cell("key")),
            cell("takes"),
            default,
            cell("meaning"),
        ];
        table.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    table
}

/// Compares every quoted file with the file, and follows every link inside the repository.
fn check_documents() -> Result<()> {
    let root = root();
    let documents = markdown_files(&root)?;
    let mut wrong = Vec::new();
    for document in &documents {
        let text = fs::read_to_string(document)
            .with_context(|| format!("cannot read {}", document.display()))?;
        let name = document
            .strip_prefix(&root)
            .unwrap_or(document)
            .display()
            .to_string();
        let folder = document.parent().unwrap_or(&root);
        wrong.extend(
            stale_quotes(&text, &root)
                .into_iter()
                .map(|line| format!("{name}: {line}")),
        );
        wrong.extend(
            dead_links(&text, folder)
                .into_iter()
                .map(|line| format!("{name}: {line}")),
        );
    }
    wrong.extend(keys_without_entry(&root)?);
    report(wrong, "documents do not fit the tree")?;
    println!("{} documents fit the tree", documents.len());
    Ok(())
}

/// Every block that follows a line `<!-- file: PATH -->` and is not that file, word for word.
fn stale_quotes(text: &str, root: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    for (at, _) in text.match_indices(QUOTE_MARK) {
        let rest = &text[at + QUOTE_MARK.len()..];
        let Some((path, rest)) = rest.split_once(" -->\n") else {
            wrong.push(format!("a `{QUOTE_MARK}` without its end"));
            continue;
        };
        let block = rest
            .strip_prefix("```")
            .and_then(|rest| rest.split_once('\n'))
            .and_then(|(_, rest)| rest.split_once("\n```"))
            .map(|(block, _)| block);
        match (block, fs::read_to_string(root.join(path))) {
            (None, _) => wrong.push(format!("no code block follows the mark of {path}")),
            (_, Err(error)) => wrong.push(format!("{path}: {error}")),
            (Some(block), Ok(file)) if block == file.trim_end() => {}
            (Some(_), Ok(_)) => {
                wrong.push(format!("the block quoted from {path} is not that file"))
            }
        }
    }
    wrong
}

/// Every link to a file of the repository that is not there.
fn dead_links(text: &str, folder: &Path) -> Vec<String> {
    text.match_indices("](")
        .filter_map(|(at, mark)| text[at + mark.len()..].split_once(')'))
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.contains(' '))
        .filter(|target| !folder.join(target).exists())
        .map(|target| format!("links to {target}, which does not exist"))
        .collect()
}

/// Every key that config/raw.rs reads and that the reference does not name.
fn keys_without_entry(root: &Path) -> Result<Vec<String>> {
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let (source, reference) = (read(RAW_CONFIG)?, read(CONFIGURATION)?);
    let before = source.lines();
    let keys: Vec<String> = before
        .zip(source.lines().skip(1))
        .filter(|(before, _)| before.trim() != "#[serde(skip)]")
        .filter_map(|(_, line)| {
            line.trim()
                .strip_prefix("pub(super) ")?
                .split_once(": Option<")
        })
        .map(|(field, _)| field.replace('_', "-"))
        .collect();
    if keys.is_empty() {
        bail!("{RAW_CONFIG}: no key was found: its form has changed, and this check with it");
    }
    Ok(keys
        .into_iter()
        .filter(|key| {
            // Explained as a key, as the end of a dotted one, or as a table.
            let forms = [format!("`{key}`"), format!(".{key}`"), format!("`[{key}]`")];
            !forms.iter().any(|form| reference.contains(form))
        })
        .map(|key| format!("{CONFIGURATION}: has no entry for the key `{key}`"))
        .collect())
}

/// Compares the flags of `--help` with those that the documents explain.
fn check_flags() -> Result<()> {
    let root = root();
    let mut wrong = Vec::new();
    for (verb, document, heading) in FLAG_TABLES {
        let help = output_of(ocspry().args(verb.split(' ')).arg("--help"))?;
        let help = flags_in(&help);
        let text = fs::read_to_string(root.join(document))
            .with_context(|| format!("cannot read {document}"))?;
        let Some((_, section)) = text.split_once(heading) else {
            bail!("{document}: has no heading `{heading}`");
        };
        let table: String = section
            .lines()
            .skip_while(|line| !line.starts_with('|'))
            .take_while(|line| line.starts_with('|'))
            .map(first_cell)
            .collect();
        let table = flags_in(&table);
        for flag in help
            .difference(&table)
            .filter(|flag| !FLAGS_OF_EVERY_VERB.contains(&flag.as_str()))
        {
            wrong.push(format!(
                "{document}: the table lacks {flag} of `ocspry {verb}`"
            ));
        }
        for flag in table.difference(&help) {
            wrong.push(format!(
                "{document}: in the table, {flag} is no flag of `ocspry {verb}`"
            ));
        }
    }
    report(wrong, "flag tables do not fit --help")
}

/// The first cell of a table's row, and a space.
fn first_cell(row: &str) -> String {
    let cell = row
        .trim_start_matches('|')
        .split('|')
        .next()
        .unwrap_or_default();
    format!("{cell} ")
}

/// Every `--flag` that begins a word, sorted.
fn flags_in(text: &str) -> BTreeSet<String> {
    text.split(|character: char| character.is_whitespace() || "`,[]()".contains(character))
        .filter(|word| word.starts_with("--") && !word.ends_with('-'))
        .map(str::to_owned)
        .collect()
}

/// Runs `config check` on each example, beside the files that `demo` makes, whose names the examples use.
fn check_examples() -> Result<()> {
    let folder = root().join("target/xtask/examples");
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    make_demo_files(&folder)?;
    let examples = fs::read_dir(root().join("examples")).context("cannot list examples")?;
    for entry in examples {
        let path = entry.context("cannot list examples")?.path();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let copy = folder.join(path.file_name().unwrap_or_default());
        fs::copy(&path, &copy).with_context(|| format!("cannot copy {}", path.display()))?;
        println!("{}", path.display());
        status_of(ocspry().args(["config", "check", "--config"]).arg(&copy))?;
    }
    Ok(())
}

/// Starts `ocspry demo`, which writes its files before it listens, and ends it once it does.
fn make_demo_files(folder: &Path) -> Result<()> {
    let mut demo = ocspry()
        .args(["demo", "--port", "0", "--dir"])
        .arg(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `ocspry demo`")?;
    let stdout = demo
        .stdout
        .take()
        .context("the pipe of `ocspry demo` is gone")?;
    let listening = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .any(|line| line.starts_with("listening on "));
    demo.kill().context("cannot end `ocspry demo`")?;
    let status = demo.wait().context("cannot wait for `ocspry demo`")?;
    if !listening {
        bail!("`ocspry demo` ended with {status} and never said that it listens");
    }
    Ok(())
}

/// The program, built first when it is out of date; cargo becomes it, so ending the one ends the other.
fn ocspry() -> Command {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["run", "--quiet", "--package", "ocspry", "--"])
        .current_dir(root());
    cargo
}

/// The Markdown files of the root and of docs/, sorted.
fn markdown_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_path_buf(), false), (root.join("docs"), true)];
    while let Some((folder, with_folders)) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot list {}", folder.display()))?
                .path();
            if path.is_dir() {
                if with_folders {
                    folders.push((path, true));
                }
            } else if path.extension().is_some_and(|extension| extension == "md") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Prints what is wrong and fails, or does nothing.
fn report(wrong: Vec<String>, what: &str) -> Result<()> {
    if wrong.is_empty() {
        return Ok(());
    }
    for line in &wrong {
        eprintln!("{line}");
    }
    bail!("{what}: {} places", wrong.len())
}

/// Where the keys of the configuration are read.
const RAW_CONFIG: &str = "crates/ocspry/src/config/raw.rs";
/// Where they are explained.
const CONFIGURATION: &str = "docs/reference/configuration.md";
/// Between these stands its table of keys.
const KEYS_BEGIN: &str = "<!-- keys -->";
const KEYS_END: &str = "<!-- /keys -->";
/// Every key, for people to begin from.
const SAMPLE: &str = "examples/ocspry.sample.toml";
/// Where the verbs on a running `serve` are explained.
const CONTROL: &str = "docs/reference/control.md";
const CRL: &str = "docs/reference/crl.md";
const CA: &str = "docs/reference/ca.md";
const CERT: &str = "docs/reference/cert.md";
/// Which verb's flags are explained by the first table under which heading of which document.
const FLAG_TABLES: &[(&str, &str, &str)] = &[
    ("serve", CONFIGURATION, "\n## Flags of `serve`\n"),
    ("serve", "README.md", "\n## A CRL file\n"),
    ("demo", "README.md", "\n## The demo\n"),
    ("reload", CONTROL, "\n## Flags\n"),
    ("crl accept", CONTROL, "\n## Flags\n"),
    ("crl show", CRL, "\n## `ocspry crl show FILE`\n"),
    ("crl check", CRL, "\n## `ocspry crl check FILE --ca CA`\n"),
    ("ca init", CA, "\n## `ocspry ca init NAME`\n"),
    ("ca list", CA, "\n## `ocspry ca list`\n"),
    ("ca show", CA, "\n## `ocspry ca show CA`\n"),
    ("ca edit", CA, "\n## `ocspry ca edit CA`\n"),
    ("ca import", CA, "\n## `ocspry ca import NAME`\n"),
    ("ca renew", CA, "\n## `ocspry ca renew CA`\n"),
    ("ca compromise", CA, "\n## `ocspry ca compromise CA`\n"),
    ("cert sign", CERT, "\n## `ocspry cert sign CA`\n"),
    (
        "cert revoke",
        CERT,
        "\n## `ocspry cert revoke SERIAL|FILE…`\n",
    ),
    ("cert list", CERT, "\n## `ocspry cert list`\n"),
    ("cert show", CERT, "\n## `ocspry cert show SERIAL|FILE`\n"),
    ("cert renew", CERT, "\n## `ocspry cert renew SERIAL|FILE`\n"),
    ("cert import", CERT, "\n## `ocspry cert import CA FILE…`\n"),
    ("crl dump", LEDGER, "\n## `ocspry crl dump CA`\n"),
    (
        "index dump",
        LEDGER,
        "\n## `ocspry index dump [CA]... FILE`\n",
    ),
    (
        "index import",
        LEDGER,
        "\n## `ocspry index import CA FILE`\n",
    ),
    (
        "import openssl-ca",
        LEDGER,
        "\n## `ocspry import openssl-ca DIR`\n",
    ),
    ("ca tick", LEDGER, "\n## `ocspry ca tick`\n"),
    ("ledger backup", LEDGER, "\n## `ocspry ledger backup`\n"),
    ("ledger restore", LEDGER, "\n## `ocspry ledger restore`\n"),
    (
        "ledger reconcile",
        LEDGER,
        "\n## `ocspry ledger reconcile`\n",
    ),
    ("ledger check", LEDGER, "\n## `ocspry ledger check`\n"),
    ("ledger migrate", LEDGER, "\n## `ocspry ledger migrate`\n"),
    (
        "audit verify",
        "docs/reference/audit.md",
        "\n## `ocspry audit verify FILE…`\n",
    ),
];
/// Lists of a CA, its timer, and the safety of its ledger.
const LEDGER: &str = "docs/reference/ledger.md";
/// What clap gives to every verb.
const FLAGS_OF_EVERY_VERB: &[&str] = &["--help", "--version"];
/// Stands on the line before a block that quotes a whole file.
const QUOTE_MARK: &str = "<!-- file: ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_that_is_not_the_file_it_quotes_is_named() {
        let root = root();
        let file = fs::read_to_string(root.join("clippy.toml")).unwrap();
        let quote =
            |block: &str| format!("Text.\n\n<!-- file: clippy.toml -->\n```toml\n{block}```\n");
        assert_eq!(stale_quotes(&quote(&file), &root), Vec::<String>::new());
        assert_eq!(stale_quotes(&quote("other = 1\n"), &root).len(), 1);
        assert_eq!(
            stale_quotes("<!-- file: clippy.toml -->\nNo block.\n", &root).len(),
            1
        );
    }

    #[test]
    fn a_link_to_nothing_is_named_and_one_to_elsewhere_is_not_followed() {
        let text = "[a](Cargo.toml) [b](nowhere.md#part) [c](https://example.com/) [d](#part)";
        assert_eq!(
            dead_links(text, &root()),
            ["links to nowhere.md, which does not exist"]
        );
    }

    #[test]
    fn a_key_is_a_row_with_its_default_as_code_or_in_words() {
        let key = |default: Option<&str>, left_out: &str| {
            serde_json::json!({
                "key": "listen.admin", "takes": "address:port", "default": default,
                "left_out": left_out, "meaning": "a | b",
            })
        };
        let table = key_table(&[key(Some("\"x\""), "\"x\""), key(None, "off")]);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| `listen.admin` | address:port | `\"x\"` | a \\| b |",
                "| `listen.admin` | address:port | off | a \\| b |"
            ]
        );
    }

    #[test]
    fn flags_are_found_as_words() {
        let found = flags_in("  -c, --config <FILE>  as `--port`, [--host] -- a--b");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["--config", "--host", "--port"]
        );
    }
}
