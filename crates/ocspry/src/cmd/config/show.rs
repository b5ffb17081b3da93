//! `ocspry config show`: the configuration in force, as TOML that can be loaded again.
//!
//! From: `config::effective`.  To: standard output.  Behind each value stands where it comes from; a key that has no value is a
//! comment.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use ocspry_core::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::config::{Absent, ConfigOrigin, Environment, Origin, ServeFlags, Setting};
use crate::output::{print, print_json};
use crate::summary::Paint;

/// What `config show` can be told.
#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    #[command(flatten)]
    serve: ServeFlags,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Prints every key in force.
///
/// # Errors
/// None: what is wrong with the configuration is printed as `config check` does.
pub(super) fn run(flags: ShowFlags) -> Result<ExitCode> {
    let file = flags.serve.config.clone();
    let origin = ConfigOrigin::from_flags(flags.serve);
    let settings = match origin.settings(&Environment::of_process(), SystemClock.now()) {
        Ok(settings) => settings,
        Err(problems) => {
            let _ = writeln!(anstream::stderr(), "{}", problems.render());
            return Ok(ExitCode::FAILURE);
        }
    };
    if flags.json {
        print_json(&Value::Array(settings.iter().map(json_of).collect()));
    } else {
        print(&Page::new(file).text(&settings));
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines of TOML, each with a remark; remarks stand under one another.
struct Page {
    file: Option<PathBuf>,
    paint: Paint,
    lines: Vec<(String, String)>,
}

impl Page {
    fn new(file: Option<PathBuf>) -> Page {
        Page {
            file,
            paint: Paint::for_stdout(),
            lines: Vec::new(),
        }
    }

    fn text(mut self, settings: &[Setting]) -> String {
        let mut table = String::new();
        for setting in settings {
            let own = table_of(setting);
            if own != table {
                self.lines.push((String::new(), String::new()));
                self.lines.push((format!("[{own}]"), String::new()));
                table = own;
            }
            self.setting(setting);
        }
        let widths = self.lines.iter().map(|(line, _)| line.chars().count());
        let width = widths
            .filter(|width| *width <= WIDTH_MAX)
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for (line, remark) in &self.lines {
            if remark.is_empty() {
                let _ = writeln!(text, "{line}");
            } else {
                let remark = self.paint.dim(&format!("# {remark}"));
                let _ = writeln!(text, "{line:<width$}  {remark}");
            }
        }
        text
    }

    fn setting(&mut self, setting: &Setting) {
        let name = setting.key.last();
        let remark = self.remark(setting);
        match &setting.value {
            Some(_) if !setting.sources.is_empty() => {
                self.lines.push((format!("{name} = ["), remark));
                for source in &setting.sources {
                    let keys = source.iter().filter_map(|setting| {
                        let value = setting.value.as_ref()?;
                        Some(format!("{} = {value}", setting.key.last()))
                    });
                    let keys: Vec<String> = keys.collect();
                    let line = format!("  {{ {} }},", keys.join(", "));
                    self.lines.push((line, defaults_in(source)));
                }
                self.lines.push(("]".to_owned(), String::new()));
            }
            Some(value) if setting.is_written() => {
                self.lines.push((format!("{name} = {value}"), remark));
            }
            Some(value) => self.lines.push((format!("# {name} = {value}"), remark)),
            None => self.lines.push((format!("# {name} ="), remark)),
        }
    }

    /// Where it comes from.
    fn remark(&self, setting: &Setting) -> String {
        match &setting.origin {
            Origin::Default => match setting.key.default {
                Absent::Means(words) => format!("default: {words}"),
                Absent::Value(_) | Absent::Refused => "default".to_owned(),
            },
            Origin::Line(line) => match &self.file {
                Some(path) => format!("{}:{line}", path.display()),
                None => format!("line {line}"),
            },
            Origin::Variable(name) => name.clone(),
            Origin::Flag => flag_of(setting),
        }
    }
}

/// Remarks stand behind the longest line up to this; what is longer pushes its own aside.
const WIDTH_MAX: usize = 60;

/// The keys of a source that nobody wrote.
fn defaults_in(source: &[Setting]) -> String {
    let names: Vec<&str> = source
        .iter()
        .filter(|setting| setting.origin == Origin::Default)
        .map(|setting| setting.key.last())
        .collect();
    if names.is_empty() {
        return String::new();
    }
    format!("{}: default", names.join(", "))
}

fn flag_of(setting: &Setting) -> String {
    let flags: BTreeSet<&str> = setting.key.flags.iter().copied().collect();
    let flags: Vec<&str> = flags.into_iter().collect();
    format!("flag {}", flags.join(" or "))
}

/// Its table, with the issuer's name in quotes where TOML wants them.
fn table_of(setting: &Setting) -> String {
    let issuer = setting.issuer.as_deref().unwrap_or_default();
    let is_bare = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    let issuer = if issuer.chars().all(is_bare) {
        issuer.to_owned()
    } else {
        format!("\"{issuer}\"")
    };
    setting.key.table().replace('*', &issuer)
}

fn json_of(setting: &Setting) -> Value {
    let issuer = setting.issuer.as_deref().unwrap_or_default();
    let (origin, line, variable) = match &setting.origin {
        Origin::Default => ("default", None, None),
        Origin::Line(line) => ("file", Some(*line), None),
        Origin::Variable(name) => ("environment", None, Some(name.as_str())),
        Origin::Flag => ("flag", None, None),
    };
    json!({
        "key": setting.key.name.replace('*', issuer),
        "value": setting.value,
        "from": origin,
        "line": line,
        "variable": variable,
    })
}
