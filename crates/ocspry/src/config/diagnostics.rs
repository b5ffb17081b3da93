//! What is wrong with a configuration, as text.  From: `raw`, `flags`, `checked`, `assemble`.  To: people and programs.
//!
//! A problem of a file is shown with its line and a caret; one of the flags, or in a log, is one line.

use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use ocspry_core::crypto::sha256;
use ocspry_wire::hex::to_hex;

use super::error::ConfigError;

/// Octets of the file, or of the variables behind it, that a value takes; empty when it stands in neither.
pub(crate) type Place = Range<usize>;

/// One thing that is wrong, and where it stands.
#[derive(Debug)]
pub(crate) struct Problem {
    /// Where; empty when the configuration came from flags or is wrong as a whole.
    pub(crate) place: Place,
    /// What.
    pub(crate) error: ConfigError,
}

impl Problem {
    /// A problem at a place.
    pub(super) fn at(place: Place, error: ConfigError) -> Problem {
        Problem { place, error }
    }

    /// A problem of the whole.
    pub(super) fn anywhere(error: ConfigError) -> Problem {
        Problem {
            place: Place::default(),
            error,
        }
    }
}

/// Everything that is wrong with one configuration.
#[derive(Debug)]
pub(crate) struct Problems {
    /// What was read; `None` when nothing was, or only flags.
    pub(crate) text: Option<ConfigText>,
    /// At least one.
    pub(crate) problems: Vec<Problem>,
}

impl Problems {
    /// One problem that no text can be shown for.
    pub(super) fn without_text(error: ConfigError) -> Problems {
        Problems {
            text: None,
            problems: vec![Problem::anywhere(error)],
        }
    }

    /// The files that were not there.
    pub(crate) fn missing_files(&self) -> impl Iterator<Item = &Path> {
        self.problems
            .iter()
            .filter_map(|problem| problem.error.missing_file())
    }

    /// For a terminal or a file: carets where there is text, else one line each, all beginning with `error: `.
    pub(crate) fn render(&self) -> String {
        let parts: Vec<String> = self
            .problems
            .iter()
            .map(|problem| {
                let message = problem.error.to_string();
                let help = problem.error.help();
                match &self.text {
                    Some(text) => text.render(&problem.place, &message, help.as_deref()),
                    None => one_line("error: ", &message, help.as_deref()),
                }
            })
            .collect();
        parts.join(if self.text.is_some() { "\n\n" } else { "\n" })
    }

    /// For a log: one line for each problem, with file and line number.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.problems
            .iter()
            .map(|problem| {
                let place = self
                    .text
                    .as_ref()
                    .map_or_else(String::new, |text| text.locate(&problem.place));
                one_line(
                    &place,
                    &problem.error.to_string(),
                    problem.error.help().as_deref(),
                )
            })
            .collect()
    }
}

fn one_line(before: &str, message: &str, help: Option<&str>) -> String {
    match help {
        Some(help) => format!("{before}{message}: {help}"),
        None => format!("{before}{message}"),
    }
}

/// A configuration as it was read: the text of its file, and behind it a line `NAME=VALUE` for each variable of the
/// environment that says a key, so that one place tells where anything stands.
#[derive(Clone, Debug)]
pub(crate) struct ConfigText {
    /// The path of the file, as given; `None` where there are flags instead.
    path: Option<PathBuf>,
    /// All of it.
    text: String,
    /// Where the variables begin.
    variables_start: usize,
    /// Where each of them stands, in their order.
    variables: Vec<VariablePlace>,
}

/// Where a variable stands.
#[derive(Clone, Debug)]
pub(super) struct VariablePlace {
    /// Its name.
    pub(super) name: Place,
    /// Its value.
    pub(super) value: Place,
}

impl ConfigText {
    /// The text of a file, or none, and variables with their values.
    pub(super) fn new<'a>(
        path: Option<&Path>,
        file: String,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> ConfigText {
        let variables_start = file.len();
        let mut text = file;
        let mut places = Vec::new();
        for (name, value) in variables {
            let name_start = text.len();
            text.push_str(name);
            let value_start = text.len() + 1;
            let _ = writeln!(text, "={value}");
            places.push(VariablePlace {
                name: name_start..value_start - 1,
                value: value_start..value_start + value.len(),
            });
        }
        ConfigText {
            path: path.map(Path::to_owned),
            text,
            variables_start,
            variables: places,
        }
    }

    /// What stands in the file.
    pub(super) fn file(&self) -> &str {
        &self.text[..self.variables_start]
    }

    /// What tells it from another one; None where there is no file.
    pub(super) fn file_sha256(&self) -> Option<String> {
        let sha256 = || to_hex(&sha256(self.file().as_bytes()));
        self.path.as_ref().map(|_| sha256())
    }

    /// Everything.
    pub(super) fn whole(&self) -> &str {
        &self.text
    }

    /// Where the variables stand.
    pub(super) fn variables(&self) -> &[VariablePlace] {
        &self.variables
    }

    /// The file, or the environment where the place is there: its name, its text, and where its text begins.
    fn part(&self, place: &Place) -> (String, &str, usize) {
        if place.start < self.variables_start || self.variables.is_empty() {
            let path = self.path.as_deref().unwrap_or(Path::new("flags"));
            (path.display().to_string(), self.file(), 0)
        } else {
            let text = &self.text[self.variables_start..];
            ("environment".to_owned(), text, self.variables_start)
        }
    }

    /// The message above the line it is about, with a caret under the place.
    pub(crate) fn render(&self, place: &Place, message: &str, help: Option<&str>) -> String {
        if place.is_empty() {
            let path = self.path.as_ref();
            let path = path.map_or_else(String::new, |path| format!("{}: ", path.display()));
            return one_line("error: ", &format!("{path}{message}"), help);
        }
        if may_hold_secret(self.line(place.start)) {
            return one_line("error: ", &format!("{}{message}", self.locate(place)), help);
        }
        // A value over several lines (an inline table cannot, an array can) is shown by its first line.
        let first_line = self.text[place.clone()]
            .find('\n')
            .map_or(place.end, |length| place.start + length);
        let (name, text, start) = self.part(place);
        let span = place.start - start..first_line.max(place.start + 1) - start;
        let mut group = Level::ERROR.primary_title(message).element(
            Snippet::source(text)
                .path(name)
                .annotation(AnnotationKind::Primary.span(span)),
        );
        if let Some(help) = help {
            group = group.element(Level::HELP.message(help));
        }
        Renderer::styled()
            .decor_style(DecorStyle::Ascii)
            .render(&[group])
    }

    /// The line that something stands in.
    fn line(&self, place: usize) -> &str {
        let start = self.text[..place].rfind('\n').map_or(0, |end| end + 1);
        let rest = &self.text[start..];
        &rest[..rest.find('\n').unwrap_or(rest.len())]
    }

    /// `FILE:LINE: `, `environment variable NAME: `, or `FILE: ` for the whole.
    pub(crate) fn locate(&self, place: &Place) -> String {
        if let Some(name) = self.variable(place) {
            return format!("environment variable {name}: ");
        }
        let Some(path) = &self.path else {
            return String::new();
        };
        let path = path.display();
        match self.line_and_column(place) {
            Some((line, _)) => format!("{path}:{line}: "),
            None => format!("{path}: "),
        }
    }

    /// The variable that something stands in.
    pub(crate) fn variable(&self, place: &Place) -> Option<&str> {
        let is_here = |variable: &&VariablePlace| {
            (variable.name.start..=variable.value.end).contains(&place.start)
        };
        let found = self.variables.iter().find(is_here)?;
        (!place.is_empty()).then(|| &self.text[found.name.clone()])
    }

    /// Line and column of a place in the file, both counted from 1, the column in characters.
    pub(crate) fn line_and_column(&self, place: &Place) -> Option<(usize, usize)> {
        if place.is_empty() || place.start >= self.variables_start {
            return None;
        }
        let before = self.text.get(..place.start)?;
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((
            before.matches('\n').count() + 1,
            before[line_start..].chars().count() + 1,
        ))
    }
}

/// Is there what may be a secret, though none belongs into a configuration?  Terminals and journals remember what they show.
fn may_hold_secret(line: &str) -> bool {
    let line = line.to_lowercase().replace('_', "-");
    let mut passphrases = line.match_indices("passphrase");
    let mut urls = line.match_indices("://");
    ["password", "passwd", "secret", "token"]
        .iter()
        .any(|word| line.contains(word))
        || passphrases.any(|(at, word)| !line[at + word.len()..].starts_with("-file"))
        || urls.any(|(at, sign)| {
            let mut parts = line[at + sign.len()..].split(['/', '"', '\'', ' ']);
            parts.next().is_some_and(|host| host.contains('@'))
        })
}
