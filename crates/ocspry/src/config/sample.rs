//! A configuration with every key in it, for people to begin from.  From: `keys`.  To: `ocspry config sample`, and
//! examples/ocspry.sample.toml, which is that.
//!
//! What must be there is there; everything else is commented out, with what holds without it or else with an example.

use super::keys::{Absent, KEYS, Key, Takes};

/// Every key, each under what it means.
pub(crate) fn sample() -> String {
    let mut text = HEAD.to_owned();
    let mut table = "";
    // What one line shows is told above it.
    for shown in in_their_order().chunk_by(|one, other| line_of(one) == line_of(other)) {
        let first = shown[0];
        if table_of(first) != table {
            table = table_of(first);
            text.push('\n');
            text.push_str(heading(table));
        }
        text.push('\n');
        for about in shown.iter().copied().flat_map(about) {
            text.push_str(&format!("# {about}\n"));
        }
        let is_open = first.default == Absent::Refused && !OPTIONAL.contains(&first.table());
        let mark = if is_open { "" } else { "#" };
        text.push_str(&format!("{mark}{}\n", line_of(first)));
    }
    text
}

/// What stands in braces behind the key that has the braces.
fn in_their_order() -> Vec<&'static Key> {
    let outer = KEYS.iter().filter(|key| !is_inner(key));
    let with_inner = outer.flat_map(|outer| {
        let inner = KEYS.iter().filter(|key| key.table() == outer.name);
        std::iter::once(outer).chain(inner)
    });
    with_inner.collect()
}

/// Before all keys.
const HEAD: &str = "\
# Every key of ocspry's configuration.  Those that are commented out stand with what holds without them,
# or with an example.  `ocspry config explain KEY` says more, `ocspry config check FILE` what is wrong.
# Paths are relative to the folder of this file; a duration is a whole number and ms, s, m, h or d.
";

/// Which table it stands in: sources and responders are written in braces.
fn table_of(key: &Key) -> &'static str {
    match key.table() {
        table if table.starts_with(ISSUER) => ISSUER,
        table => table,
    }
}

const ISSUER: &str = "issuer.*";
const LEDGER: &str = "ledger";
const AUDIT: &str = "audit";
const REQUEST_LOG: &str = "request-log";

/// Tables that nobody needs to have.
pub(super) const OPTIONAL: &[&str] = &[LEDGER, AUDIT, REQUEST_LOG];

fn heading(table: &str) -> &'static str {
    match table {
        ISSUER => {
            "\n# One table for each CA; its name is yours, and stands in logs and in the URL of its endpoint.\n[issuer.intermediate]\n"
        }
        LEDGER => "\n# For sources of the kind `ledger`.\n#[ledger]\n",
        AUDIT => {
            "\n# For auditors: which lists and keys came into use, what was commanded and reloaded.\n#[audit]\n"
        }
        REQUEST_LOG => "\n# One request in so many, in a file of its own.\n#[request-log]\n",
        _ => "\n[listen]\n",
    }
}

/// It stands in braces.
fn is_inner(key: &Key) -> bool {
    table_of(key) != key.table()
}

fn line_of(key: &Key) -> String {
    match key.default {
        Absent::Value(value) if !is_inner(key) => format!("{} = {value}", key.last()),
        Absent::Value(_) | Absent::Means(_) | Absent::Refused => key.example.to_owned(),
    }
}

/// What it means, what it takes, what holds without it.
fn about(key: &Key) -> Vec<String> {
    let mut about = vec![if is_inner(key) {
        format!("{}: {}", key.last(), key.meaning)
    } else {
        key.meaning.to_owned()
    }];
    let allowed = match key.takes {
        Takes::Number(min, max) if min == max => None,
        // The head of the file says how a duration is written.
        takes => takes.allowed().map(|allowed| allowed.replace(DURATION, "")),
    };
    let default = match key.default {
        Absent::Value(value) if is_inner(key) => Some(format!("default {value}")),
        Absent::Means(words) if !is_inner(key) => Some(format!("default: {words}")),
        Absent::Value(_) | Absent::Means(_) | Absent::Refused => None,
    };
    let more: Vec<String> = allowed.into_iter().chain(default).collect();
    if !more.is_empty() {
        about.push(more.join("; "));
    }
    about
}

/// How a duration is written.
const DURATION: &str = "; a whole number and ms, s, m, h or d";
