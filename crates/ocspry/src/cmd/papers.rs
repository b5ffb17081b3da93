//! `ocspry man` and `ocspry completions`: what packages carry beside the program, from the table of flags that the parser
//! reads.
//!
//! From: `main`, which owns that table, and the table of keys.  To: a directory of man pages, or a script on standard output.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::config::table_heading;
use crate::config::{Applies, KEYS};

/// What `man` can be told.
#[derive(Debug, Args)]
pub(crate) struct ManFlags {
    /// Directory for the pages, made where there is none: `ocspry.1`, `ocspry-serve.1`, …, `ocspry.toml.5`
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}

/// What `completions` can be told.
#[derive(Debug, Args)]
pub(crate) struct CompletionsFlags {
    /// The shell
    shell: Shell,
}

/// One page for the program, one for each verb that people are shown, and one for the configuration.
///
/// # Errors
/// The directory cannot be made, or a page cannot be written.
pub(crate) fn man(table: Command, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("{} cannot be made", directory.display()))?;
    let mut table = table.disable_help_subcommand(true);
    table.build();
    write_pages(&table, directory)?;
    let path = directory.join("ocspry.toml.5");
    fs::write(&path, keys_page()).with_context(|| format!("{} cannot be written", path.display()))
}

fn write_pages(command: &Command, directory: &Path) -> Result<()> {
    let page = Man::new(command.clone());
    let path = directory.join(page.get_filename());
    fs::write(&path, render(&page, command)?)
        .with_context(|| format!("{} cannot be written", path.display()))?;
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        write_pages(verb, directory)?;
    }
    Ok(())
}

/// As `Man::render` does, but the lines of the last section stay as they are: there are examples among them.
fn render(page: &Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut roff = Vec::new();
    page.render_title(&mut roff)?;
    page.render_name_section(&mut roff)?;
    page.render_synopsis_section(&mut roff)?;
    page.render_description_section(&mut roff)?;
    page.render_options_section(&mut roff)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut roff)?;
    }
    let notes = command
        .get_after_long_help()
        .or_else(|| command.get_after_help());
    if let Some(notes) = notes {
        let mut section = Roff::new();
        section.control("SH", ["NOTES"]).control("nf", []);
        for line in notes.to_string().lines() {
            section.text([roman(line)]);
        }
        section.control("fi", []).to_writer(&mut roff)?;
    }
    page.render_version_section(&mut roff)?;
    Ok(roff)
}

/// The page of the configuration: every key of every table.
fn keys_page() -> String {
    let mut page = Roff::new();
    page.control("TH", ["ocspry.toml", "5", "", VERSION, ""]);
    page.control("SH", ["NAME"]);
    page.text([roman("ocspry.toml - configuration of ocspry")]);
    page.control("SH", ["DESCRIPTION"]);
    for (place, paragraph) in KEYS_ABOUT.iter().enumerate() {
        if place > 0 {
            page.control("PP", []);
        }
        page.text([roman(*paragraph)]);
    }
    let mut table = None;
    for key in KEYS {
        if table != Some(key.table()) {
            let heading = table_heading(key.table());
            page.control("SH", [heading.as_str()]);
            table = Some(key.table());
        }
        page.control("TP", []);
        page.text([bold(key.last()), roman(format!(" ({})", key.takes.text()))]);
        page.text([roman(format!("{}.", key.meaning))]);
        if let Some(allowed) = key.takes.allowed() {
            page.text([roman(format!("Allowed: {allowed}."))]);
        }
        page.text([roman(format!("Default: {}.", key.default.text()))]);
        if !key.flags.is_empty() {
            page.text([roman(format!("Flag: {}.", key.flags.join(", ")))]);
        }
        if key.applies == Applies::Restart {
            page.text([roman("A change takes a restart.")]);
        }
        page.control("sp", []).control("nf", []);
        page.text([roman(key.example)]).control("fi", []);
    }
    page.control("SH", ["SEE ALSO"]);
    page.text([
        bold("ocspry"),
        roman("(1), "),
        bold("ocspry-serve"),
        roman("(1), "),
        bold("ocspry-config"),
        roman("(1)"),
    ]);
    page.to_roff()
}

/// How a configuration is written.
const KEYS_ABOUT: &[&str] = &[
    "TOML. ocspry config check says what is wrong with a file, ocspry config show what is in force, ocspry config explain KEY what \
     a key means, and ocspry config sample prints every key.",
    "A path is relative to the folder of the file. A duration is a whole number and a unit: 30s, 5m, 12h, 7d. Unknown keys are refused.",
    "Each key that stands in no list can be said by the environment too: OCSPRY__ and the names of its tables and its own in \
     capitals, with two low lines between them and one for every other sign, as OCSPRY__LISTEN__ADMIN=127.0.0.1:9560 or \
     OCSPRY__ISSUER__ROOT__VALIDITY=6h. Flags win over the environment, and the environment over the file.",
    "No secret stands in it or in the environment: keys name the files that secrets lie in.",
];

const VERSION: &str = concat!("ocspry ", env!("CARGO_PKG_VERSION"));

/// The script that a shell reads.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn completions(flags: &CompletionsFlags, mut table: Command) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(flags.shell, &mut table, "ocspry", &mut script);
    io::stdout()
        .write_all(&script)
        .context("standard output cannot be written")
}
