//! `ocspry config explain`: what a key means, from the table of all keys.  From: `config::keys`.  To: standard output.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::config::{Absent, Applies, KEYS, Key, SOURCE, find_keys};
use crate::output::{print, print_json};
use crate::summary::Paint;
use crate::text_table::Rows;

/// What `config explain` can be told.
#[derive(Debug, Args)]
pub(crate) struct ExplainFlags {
    /// A key, as `listen.admin` or `issuer.NAME.validity`; the end of one, as `validity`; or a table, as `listen`
    #[arg(value_name = "KEY")]
    key: Option<String>,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Prints one key, or all.
///
/// # Errors
/// There is no such key.
pub(super) fn run(flags: &ExplainFlags) -> Result<ExitCode> {
    let keys = match &flags.key {
        None => KEYS.iter().collect(),
        Some(typed) => match find_keys(typed) {
            Ok(keys) => keys,
            Err(Some(near)) => bail!("there is no key `{typed}`: did you mean `{near}`?"),
            Err(None) => bail!("there is no key `{typed}`: `ocspry config explain` lists them all"),
        },
    };
    let paint = Paint::for_stdout();
    if flags.json {
        print_json(&Value::Array(keys.into_iter().map(json_of).collect()));
    } else if flags.key.is_none() {
        print(&list(&keys, &paint));
    } else {
        let pages: Vec<String> = keys.iter().map(|key| page(key, &paint)).collect();
        print(&pages.join("\n"));
    }
    Ok(ExitCode::SUCCESS)
}

/// All of them, table by table.
fn list(keys: &[&Key], paint: &Paint) -> String {
    let mut text = String::new();
    for of_table in keys.chunk_by(|one, other| one.table() == other.table()) {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&paint.bold(&table_heading(of_table[0].table())));
        text.push('\n');
        let mut rows = Rows::default();
        for key in of_table {
            rows.add(format!("{:<25}", key.last()), key.meaning);
        }
        text.push_str(&rows.text(paint));
    }
    text.push_str("\n`ocspry config explain KEY` says more of one.\n");
    text
}

/// What stands above the keys of a table.
pub(in crate::cmd) fn table_heading(table: &str) -> String {
    match table {
        "" => "At the top of the file".to_owned(),
        table if format!("{table}.") == SOURCE => "In each source of status = [{ … }]".to_owned(),
        "issuer.*.responder" => "In responder = { … }".to_owned(),
        table => format!("[{}]", table.replace('*', "NAME")),
    }
}

/// All that is known of one.
fn page(key: &Key, paint: &Paint) -> String {
    let mut rows = Rows::default();
    rows.add("takes", key.takes.text());
    if let Some(allowed) = key.takes.allowed() {
        rows.add("allowed", allowed);
    }
    rows.add("default", key.default.text());
    if !key.flags.is_empty() {
        rows.add("flag", key.flags.join(", "));
    }
    if let Some(variable) = key.variable("NAME") {
        rows.add("variable", variable);
    }
    rows.add("applies", applies(key));
    rows.add("example", key.example);
    let name = paint.bold(&key.shown());
    format!("{name}: {}\n\n{}", key.meaning, rows.text(paint))
}

fn applies(key: &Key) -> &'static str {
    match key.applies {
        Applies::Reload => "on reload",
        Applies::Restart => "after a restart",
    }
}

fn json_of(key: &Key) -> Value {
    json!({
        "key": key.shown(),
        "meaning": key.meaning,
        "takes": key.takes.text(),
        "allowed": key.takes.allowed(),
        "default": match key.default {
            Absent::Value(value) => Some(value),
            Absent::Refused | Absent::Means(_) => None,
        },
        "left_out": key.default.text(),
        "flags": key.flags,
        "variable": key.variable("NAME"),
        "applies": applies(key),
        "example": key.example,
    })
}
