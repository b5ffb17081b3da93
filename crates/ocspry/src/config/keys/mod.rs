//! Every key of the configuration in one table: what it is called, takes, means, and is when it is left out.
//!
//! From: `table`.  To: `config explain`, the page ocspry.toml(5), the sample, docs/reference/configuration.md, `effective`
//! (defaults) and `layers` (names of variables).  A test compares the table with what serde reads in `raw`.

mod table;
#[cfg(test)]
mod tests;

use super::duration::DurationBounds;
use super::error::closest;

pub(crate) use table::KEYS;

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    /// Its tables and its name, with dots between them; `*` stands for the name of an issuer.
    pub(crate) name: &'static str,
    /// What it takes.
    pub(crate) takes: Takes,
    /// What holds when it is left out.
    pub(crate) default: Absent,
    /// What it means, in one line.
    pub(crate) meaning: &'static str,
    /// A line as it may stand in its table.
    pub(crate) example: &'static str,
    /// The flags of `serve` that say the same.
    pub(crate) flags: &'static [&'static str],
    /// When a change of it applies.
    pub(crate) applies: Applies,
}

/// What a key takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// A whole number between these.
    Number(usize, usize),
    /// `true` or `false`.
    YesOrNo,
    /// One of these words.
    Word(fn() -> Vec<&'static str>),
    /// Some of these words, in brackets.
    Words(fn() -> Vec<&'static str>),
    /// A span of time.
    Duration(DurationBounds),
    /// One of these words, or a span of time.
    WordOrDuration(fn() -> Vec<&'static str>, DurationBounds),
    /// A moment.
    Time,
    /// The path of a file.
    File,
    /// Paths of files, in brackets.
    Files,
    /// The path of a directory.
    Directory,
    /// An address with its port.
    Address,
    /// Addresses with their ports, in brackets.
    Addresses,
    /// Addresses and what they begin with, in brackets.
    Networks,
    /// Paths in URLs, in brackets.
    UrlPaths,
    /// A URL.
    Url,
    /// A name in the ledger.
    Name,
    /// One in so many.
    Share,
    /// A table in braces, whose keys follow.
    Table,
    /// Tables in braces, in brackets; their keys follow.
    Tables,
}

/// What holds when a key is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Absent {
    /// It must be there.
    Refused,
    /// This value, in TOML.
    Value(&'static str),
    /// No value can say it, but these words.
    Means(&'static str),
}

/// When a change of a key applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applies {
    /// With the next reload, which a changed file is by itself.
    Reload,
    /// With the next start.
    Restart,
}

impl Key {
    /// Its last part: what stands before the `=`.
    pub(crate) fn last(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or_default()
    }

    /// The table that it stands in: "", `listen`, `issuer.*`, `issuer.*.status`, ….
    pub(crate) fn table(&self) -> &'static str {
        self.name.rsplit_once('.').map_or("", |(table, _)| table)
    }

    /// As people read it: `issuer.NAME.validity`.
    pub(crate) fn shown(&self) -> String {
        self.name.replace('*', "NAME")
    }

    /// The variable of the environment that says the same; none for what stands in a list.
    pub(crate) fn variable(&self, issuer: &str) -> Option<String> {
        if self.name.starts_with(SOURCE) {
            return None;
        }
        let parts = self.name.split('.').map(|part| match part {
            "*" => as_variable(issuer),
            part => as_variable(part),
        });
        let parts: Vec<String> = parts.collect();
        Some(format!("{VARIABLES}{}", parts.join("__")))
    }
}

/// What the name of every variable that says a key begins with.
pub(super) const VARIABLES: &str = "OCSPRY__";

/// What the keys of a source are called, which stand in a list.
pub(crate) const SOURCE: &str = "issuer.*.status.";

/// Capitals, and a low line for what is neither letter nor digit.
fn as_variable(part: &str) -> String {
    let letters = part.chars().map(|letter| match letter {
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_uppercase(),
        _ => '_',
    });
    letters.collect()
}

impl Takes {
    /// In a few words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Takes::Number(_, _) => "number",
            Takes::YesOrNo => "true or false",
            Takes::Word(_) => "word",
            Takes::Words(_) => "list of words",
            Takes::Duration(_) => "duration",
            Takes::WordOrDuration(_, _) => "word or duration",
            Takes::Time => "time",
            Takes::File => "file",
            Takes::Files => "list of files",
            Takes::Directory => "directory",
            Takes::Address => "address:port",
            Takes::Addresses => "list of address:port",
            Takes::Networks => "list of addresses",
            Takes::UrlPaths => "list of URL paths",
            Takes::Url => "URL",
            Takes::Name => "name",
            Takes::Share => "share",
            Takes::Table => "table",
            Takes::Tables => "list of tables",
        }
    }

    /// Which values, and in which unit.
    pub(crate) fn allowed(self) -> Option<String> {
        match self {
            Takes::Number(min, max) if min == max => Some(min.to_string()),
            Takes::Number(min, max) => Some(format!("{min} to {max}")),
            Takes::Word(words) => Some(words().join(", ")),
            Takes::Words(words) => Some(format!("some of {}", words().join(", "))),
            Takes::Duration(bounds) => Some(span(bounds)),
            Takes::WordOrDuration(words, bounds) => {
                Some(format!("{}, or {}", words().join(", "), span(bounds)))
            }
            Takes::Share => Some("\"1/N\": one in N".to_owned()),
            Takes::Networks => Some("addresses, or ADDRESS/BITS".to_owned()),
            Takes::Time => Some("UTC in whole seconds, at most 7 days ahead".to_owned()),
            Takes::YesOrNo
            | Takes::File
            | Takes::Files
            | Takes::Directory
            | Takes::Address
            | Takes::Addresses
            | Takes::UrlPaths
            | Takes::Url
            | Takes::Name
            | Takes::Table
            | Takes::Tables => None,
        }
    }
}

fn span(bounds: DurationBounds) -> String {
    let DurationBounds {
        min_text, max_text, ..
    } = bounds;
    format!("{min_text} to {max_text}; a whole number and ms, s, m, h or d")
}

impl Absent {
    /// For tables: a value in TOML, or what holds.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Absent::Refused => "required",
            Absent::Value(text) | Absent::Means(text) => text,
        }
    }
}

/// The words of a table that the checks read by.
fn words<T>(table: &'static [(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}

/// The keys that somebody means: by the whole name, with `NAME` or the name of an issuer for `*`; by the end of it; or all
/// of a table.
///
/// # Errors
/// There is none; the nearest name, if one is near.
pub(crate) fn find(typed: &str) -> Result<Vec<&'static Key>, Option<String>> {
    let typed = typed.trim_matches(['[', ']']);
    let mut parts: Vec<&str> = typed.split('.').collect();
    if let ["issuer", name, ..] = parts.as_mut_slice() {
        *name = "*";
    }
    let typed_name = parts.join(".");
    let whole: Vec<&Key> = KEYS.iter().filter(|key| key.name == typed_name).collect();
    if !whole.is_empty() {
        return Ok(whole);
    }
    let table = match typed_name.as_str() {
        "issuer" => "issuer.*",
        name => name,
    };
    let end = format!(".{typed_name}");
    let of_table = |key: &&Key| !table.is_empty() && key.table() == table;
    let by_table: Vec<&Key> = KEYS.iter().filter(of_table).collect();
    if !by_table.is_empty() {
        return Ok(by_table);
    }
    let by_end: Vec<&Key> = KEYS.iter().filter(|key| key.name.ends_with(&end)).collect();
    if !by_end.is_empty() {
        return Ok(by_end);
    }
    let names = KEYS.iter().map(|key| key.name);
    let ends = KEYS.iter().map(Key::last);
    Err(closest(&typed_name, names)
        .or_else(|| closest(&typed_name, ends))
        .map(|name| name.replace('*', "NAME")))
}
