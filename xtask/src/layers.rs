//! The rules of docs/style.md and docs/dependencies.md that a program can check.
//!
//! Who may import whom (Cargo rules out cycles, this the rest), which outside crate a layer may name, and the words and
//! file names that a layer must not hold.  From: `cargo xtask layers`, `check` and `ci`.  To: one line for each place
//! that breaks a rule.  docs/style.md section 1, docs/dependencies.md section 1.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::rust_text::{code_only, has_word};
use crate::step::{output_of, root};

/// Checks manifests and sources against the tables below.
///
/// # Errors
/// When a rule is broken, after printing every place; or when the workspace cannot be read.
pub(crate) fn check() -> Result<()> {
    let mut broken = check_manifests(&metadata()?)?;
    let files = source_files(&root())?;
    for file in &files {
        let source = fs::read_to_string(root().join(file))
            .with_context(|| format!("cannot read {}", file.display()))?;
        broken.extend(check_source(&file.to_string_lossy(), &source));
    }
    if broken.is_empty() {
        println!(
            "{} crates and {} source files keep the rules",
            CRATES.len(),
            files.len()
        );
        return Ok(());
    }
    for line in &broken {
        eprintln!("{line}");
    }
    bail!(
        "{} places break the rules of docs/style.md section 1",
        broken.len()
    )
}

/// What one crate of the workspace may name.
struct CrateRule {
    name: &'static str,
    /// Crates of ours: lower layers only.
    ours: &'static [&'static str],
    /// Crates from the registry that the shipped code may use.
    outside: &'static [&'static str],
    /// More that only its tests may use.
    tests: &'static [&'static str],
}

/// The import table; a new line here is also a new line in docs/dependencies.md.
const CRATES: &[CrateRule] = &[
    CrateRule {
        name: "ocspry-wire",
        ours: &[],
        outside: &[],
        tests: &["proptest"],
    },
    CrateRule {
        name: "ocspry-core",
        ours: &["ocspry-wire"],
        outside: &[
            "arc-swap",
            "aws-lc-rs",
            "bytes",
            "quick_cache",
            "thiserror",
            "tokio",
        ],
        tests: &["allocation-counter", "der", "ocspry-testkit", "proptest"],
    },
    CrateRule {
        name: "ocspry-source",
        ours: &["ocspry-wire", "ocspry-core"],
        outside: &[
            "notify",
            "reqwest",
            "rustix",
            "serde",
            "serde_json",
            "thiserror",
            "thread-priority",
            "tokio",
        ],
        tests: &["ocspry-testkit", "proptest", "tempfile"],
    },
    CrateRule {
        name: "ocspry-ledger",
        ours: &["ocspry-wire", "ocspry-core"],
        outside: &["rusqlite", "rustix", "thiserror"],
        tests: &["ocspry-testkit", "tempfile"],
    },
    CrateRule {
        name: "ocspry-signer",
        ours: &["ocspry-wire", "ocspry-core"],
        outside: &["aws-lc-rs", "pkcs8", "rustix", "thiserror", "zeroize"],
        tests: &["ocspry-testkit", "tempfile"],
    },
    CrateRule {
        name: "ocspry-http",
        ours: &["ocspry-wire", "ocspry-core"],
        outside: &[
            "arc-swap",
            "base64",
            "bytes",
            "form_urlencoded",
            "http-body-util",
            "httparse",
            "hyper",
            "hyper-util",
            "ipnet",
            "maud",
            "prometheus-client",
            "serde_json",
            "socket2",
            "thiserror",
            "tokio",
            "tracing",
        ],
        tests: &["allocation-counter", "ocspry-testkit", "proptest"],
    },
    CrateRule {
        name: "ocspry-ca",
        ours: &["ocspry-wire", "ocspry-core", "ocspry-signer"],
        outside: &["aws-lc-rs", "der", "thiserror", "x509-cert", "zeroize"],
        tests: &["ocspry-testkit", "tempfile"],
    },
    CrateRule {
        name: "ocspry",
        ours: &[
            "ocspry-wire",
            "ocspry-core",
            "ocspry-source",
            "ocspry-ledger",
            "ocspry-signer",
            "ocspry-http",
            "ocspry-ca",
            "ocspry-ledger",
        ],
        outside: &[
            "annotate-snippets",
            "anstream",
            "anyhow",
            "arc-swap",
            "clap",
            "clap_complete",
            "clap_mangen",
            "indicatif",
            "ipnet",
            "listenfd",
            "rpassword",
            "rustix",
            "sd-notify",
            "serde",
            "serde_json",
            "strsim",
            "thiserror",
            "tokio",
            "toml",
            "tracing",
            "tracing-subscriber",
            "zeroize",
        ],
        tests: &["ocspry-testkit", "tempfile"],
    },
    CrateRule {
        name: "ocspry-testkit",
        ours: &["ocspry-wire"],
        outside: &["aws-lc-rs", "base64", "rcgen", "rustix", "tempfile"],
        tests: &[],
    },
    CrateRule {
        name: "xtask",
        ours: &[],
        outside: &["anyhow", "serde_json", "toml"],
        tests: &[],
    },
];

/// Words that one part of the tree must not hold.
struct WordRule {
    /// Where it applies: a path prefix.
    within: &'static str,
    /// What must not be named.
    words: &'static [&'static str],
    /// Files or folders in there to which it does not apply.
    except: &'static [&'static str],
    /// Whether the tests at the end of a file and in `tests` folders are bound by it too.
    tests_too: bool,
    /// The reason, as the line printed for a breach gives it.
    why: &'static str,
}

const WORDS: &[WordRule] = &[
    WordRule {
        within: "",
        words: &["unsafe"],
        except: &[],
        tests_too: true,
        why: "no module may use `unsafe` today; one that must is argued in its commit and listed here",
    },
    WordRule {
        within: "crates/",
        words: &["thread::sleep"],
        except: &[],
        tests_too: true,
        why: "nobody sleeps to wait for state: wait for a line, an event or a connection",
    },
    WordRule {
        within: "crates/",
        words: &["SystemTime::now"],
        except: &["crates/ocspry-core/src/clock.rs", "crates/ocspry-testkit/"],
        tests_too: true,
        why: "core/clock.rs is the only place that asks what time it is; take `now: Time`",
    },
    WordRule {
        within: "crates/ocspry-wire/",
        words: &[
            "std::fs",
            "std::io",
            "std::net",
            "std::time",
            "std::thread",
            "std::env",
        ],
        except: &[],
        tests_too: false,
        why: "wire is bytes and types: no I/O, no clock, no threads",
    },
    WordRule {
        within: "crates/ocspry-core/",
        words: &[
            "std::fs",
            "std::net",
            "std::path",
            "std::env",
            "std::process",
        ],
        except: &[],
        tests_too: false,
        why: "core has no files, sockets or paths",
    },
    WordRule {
        within: "crates/ocspry-core/",
        words: &["aws_lc_rs"],
        except: &["crates/ocspry-core/src/crypto.rs"],
        tests_too: false,
        why: "in core, only crypto.rs names the cryptographic library",
    },
    WordRule {
        within: "crates/ocspry-http/",
        words: &["std::fs", "std::path"],
        except: &[],
        tests_too: false,
        why: "the data plane reads memory only",
    },
    WordRule {
        within: "crates/ocspry/src/",
        words: &["toml"],
        except: &["crates/ocspry/src/config/"],
        tests_too: false,
        why: "only config/ reads TOML",
    },
];

/// Names that say nothing about what a module holds.
const FILE_NAMES_REFUSED: &[&str] = &["utils", "util", "helpers", "helper", "common", "misc"];

fn metadata() -> Result<Value> {
    let mut cargo = Command::new("cargo");
    cargo.args(["metadata", "--format-version", "1", "--no-deps"]);
    serde_json::from_str(&output_of(&mut cargo)?).context("cannot read cargo metadata")
}

fn check_manifests(metadata: &Value) -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for package in array(metadata, "packages") {
        let name = text(package, "name");
        let Some(rule) = CRATES.iter().find(|rule| rule.name == name) else {
            broken.push(format!(
                "{name}: has no line in the import table of xtask/src/layers.rs"
            ));
            continue;
        };
        for dependency in array(package, "dependencies") {
            broken.extend(check_dependency(rule, dependency));
        }
        let manifest = text(package, "manifest_path");
        let contents =
            fs::read_to_string(manifest).with_context(|| format!("cannot read {manifest}"))?;
        if !contents.contains("[lints]\nworkspace = true") {
            broken.push(format!(
                "{name}: Cargo.toml lacks `[lints] workspace = true`"
            ));
        }
    }
    Ok(broken)
}

fn check_dependency(rule: &CrateRule, dependency: &Value) -> Option<String> {
    let on = text(dependency, "name");
    let of_tests = dependency["kind"] == "dev";
    let allowed = rule.ours.contains(&on)
        || rule.outside.contains(&on)
        || (of_tests && rule.tests.contains(&on));
    if !allowed {
        let kind = if of_tests { "its tests may" } else { "it may" };
        return Some(format!(
            "{}: depends on {on}; {kind} not (docs/dependencies.md section 1)",
            rule.name
        ));
    }
    let features: Vec<&str> = array(dependency, "features")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    if on == "tokio" && !of_tests && features.contains(&"rt-multi-thread") {
        return Some(format!("{}: tokio's rt-multi-thread stays off", rule.name));
    }
    if on == "tokio" && !of_tests && rule.name == "ocspry-core" && features != ["sync"] {
        return Some(
            "ocspry-core: may use tokio's `sync` only: no runtime, sockets or timers".into(),
        );
    }
    None
}

/// Every line of complaint about one source file; `file` is its path from the root.
fn check_source(file: &str, source: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for part in Path::new(file).with_extension("").iter() {
        if let Some(name) = FILE_NAMES_REFUSED.iter().find(|name| part == **name) {
            broken.push(format!(
                "{file}: a module is named for what it holds, not `{name}`"
            ));
        }
    }
    if !source.trim_start().starts_with("//!") {
        broken.push(format!(
            "{file}: does not start with `//!`: what, why, from, to"
        ));
    }
    let code = code_only(source);
    let shipped = shipped_part(file, &code);
    for rule in WORDS {
        if !file.starts_with(rule.within) || rule.except.iter().any(|e| file.starts_with(e)) {
            continue;
        }
        let judged = if rule.tests_too { &code } else { shipped };
        for word in rule.words {
            if names(judged, word) {
                broken.push(format!("{file}: names `{word}`: {}", rule.why));
            }
        }
    }
    broken
}

/// The code without the tests at its end; nothing when the whole file is a test.
fn shipped_part<'a>(file: &str, code: &'a str) -> &'a str {
    if file.contains("/tests/") || file.ends_with("/tests.rs") {
        return "";
    }
    let end = code.find("#[cfg(test)]\nmod tests").unwrap_or(code.len());
    &code[..end]
}

/// Whether the code names this path; `use std::{fs, io}` names `std::fs`.
fn names(code: &str, word: &str) -> bool {
    if has_word(code, word) {
        return true;
    }
    let Some(module) = word.strip_prefix("std::") else {
        return false;
    };
    code.match_indices("std::{").any(|(at, _)| {
        let group = &code[at..];
        let end = group.find(';').unwrap_or(group.len());
        has_word(&group[..end], module)
    })
}

/// Every Rust file of ours, as a path from the root, sorted.
fn source_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders: Vec<PathBuf> = SOURCE_FOLDERS
        .iter()
        .map(|folder| root.join(folder))
        .filter(|f| f.is_dir())
        .collect();
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("cannot list {}", folder.display()))?
                .path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let from_root = path
                    .strip_prefix(root)
                    .context("a source file lies elsewhere")?;
                files.push(from_root.to_path_buf());
            }
        }
    }
    files.sort();
    Ok(files)
}

const SOURCE_FOLDERS: &[&str] = &["crates", "xtask", "fuzz", "bench"];

fn array<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_crate_that_imports_sideways_or_upwards_is_named() {
        let package = json!({ "packages": [{
            "name": "ocspry-source",
            "manifest_path": concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"),
            "dependencies": [
                { "name": "ocspry-core", "kind": null, "features": [] },
                { "name": "ocspry-signer", "kind": null, "features": [] },
                { "name": "ocspry-http", "kind": null, "features": [] },
                { "name": "tempfile", "kind": "dev", "features": [] },
                { "name": "tempfile", "kind": null, "features": [] },
            ],
        }]});
        let broken = check_manifests(&package).unwrap();
        assert_eq!(broken.len(), 3, "{broken:?}");
        assert!(broken[0].contains("ocspry-signer"));
        assert!(broken[1].contains("ocspry-http"));
        assert!(broken[2].contains("tempfile"));
    }

    #[test]
    fn core_may_use_no_more_of_tokio_than_its_locks() {
        let core = CRATES
            .iter()
            .find(|rule| rule.name == "ocspry-core")
            .unwrap();
        let tokio =
            |features: &[&str]| json!({ "name": "tokio", "kind": null, "features": features });
        assert_eq!(check_dependency(core, &tokio(&["sync"])), None);
        assert!(check_dependency(core, &tokio(&["sync", "rt"])).is_some());
    }

    #[test]
    fn a_module_without_its_first_lines_or_with_an_empty_name_is_named() {
        assert_eq!(
            check_source("crates/ocspry/src/utils.rs", "fn a() {}").len(),
            2
        );
        assert_eq!(
            check_source("crates/ocspry/src/crl.rs", "//! CRLs.\n").len(),
            0
        );
    }

    #[test]
    fn each_word_rule_bites_in_its_place_and_nowhere_else() {
        let cases = [
            ("crates/ocspry-http/src/a.rs", "unsafe { }", true),
            ("crates/ocspry/tests/a.rs", "std::thread::sleep(wait)", true),
            ("crates/ocspry-source/src/a.rs", "SystemTime::now()", true),
            (
                "crates/ocspry-core/src/clock.rs",
                "SystemTime::now()",
                false,
            ),
            ("crates/ocspry-wire/src/a.rs", "use std::{fs, mem};", true),
            ("crates/ocspry-wire/src/a.rs", "use std::{mem};", false),
            (
                "crates/ocspry-wire/src/a.rs",
                "#[cfg(test)]\nmod tests { use std::fs; }",
                false,
            ),
            ("crates/ocspry-source/src/a.rs", "use std::fs;", false),
            (
                "crates/ocspry-core/src/a.rs",
                "use aws_lc_rs::digest;",
                true,
            ),
            (
                "crates/ocspry-core/src/crypto.rs",
                "use aws_lc_rs::digest;",
                false,
            ),
            ("crates/ocspry/src/assemble.rs", "toml::from_str(a)", true),
            (
                "crates/ocspry/src/config/raw.rs",
                "toml::from_str(a)",
                false,
            ),
        ];
        for (file, code, breaks) in cases {
            let broken = check_source(file, &format!("//! Some module.\n{code}\n"));
            assert_eq!(!broken.is_empty(), breaks, "{file}: {code}: {broken:?}");
        }
    }
}
