//! What is wrong with a configuration, as text.  From: `raw`, `flags`, `checked`, `assemble`.  To: people and programs.
//!
//! A problem of a file is shown with its line and a caret; one of the flags, or in a log, is one line.

use std::ops::Range;
use std::path::{Path, PathBuf};

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::error::ConfigError;

/// Octets of the file that a value takes; empty when it stands in no file.
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
    /// The file; `None` when there is none or it could not be read.
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

/// A configuration file as it was read.
#[derive(Clone, Debug)]
pub(crate) struct ConfigText {
    /// Its path, as given.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
}

impl ConfigText {
    /// The message above the line it is about, with a caret under the place.
    pub(crate) fn render(&self, place: &Place, message: &str, help: Option<&str>) -> String {
        let path = self.path.display().to_string();
        if place.is_empty() {
            return one_line("error: ", &format!("{path}: {message}"), help);
        }
        // A value over several lines (an inline table cannot, an array can) is shown by its first line.
        let first_line = self.text[place.clone()]
            .find('\n')
            .map_or(place.end, |length| place.start + length);
        let mut group = Level::ERROR.primary_title(message).element(
            Snippet::source(self.text.as_str()).path(path).annotation(
                AnnotationKind::Primary.span(place.start..first_line.max(place.start + 1)),
            ),
        );
        if let Some(help) = help {
            group = group.element(Level::HELP.message(help));
        }
        Renderer::styled()
            .decor_style(DecorStyle::Ascii)
            .render(&[group])
    }

    /// `FILE:LINE: `, or `FILE: ` for the whole.
    pub(crate) fn locate(&self, place: &Place) -> String {
        let path = self.path.display();
        match self.line_and_column(place) {
            Some((line, _)) => format!("{path}:{line}: "),
            None => format!("{path}: "),
        }
    }

    /// Line and column of a place, both counted from 1, the column in characters.
    pub(crate) fn line_and_column(&self, place: &Place) -> Option<(usize, usize)> {
        if place.is_empty() {
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
