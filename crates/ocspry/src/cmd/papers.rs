//! `ocspry man` and `ocspry completions`: what packages carry beside the program, from the table of flags that the parser
//! reads.
//!
//! From: `main`, which owns that table.  To: a directory of man pages, or a script on standard output.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Command, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

/// What `man` can be told.
#[derive(Debug, Args)]
pub(crate) struct ManFlags {
    /// Directory for the pages, made where there is none: `ocspry.1`, `ocspry-serve.1`, …
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) directory: PathBuf,
}

/// What `completions` can be told.
#[derive(Debug, Args)]
pub(crate) struct CompletionsFlags {
    /// The shell
    shell: Shell,
}

/// One page for the program and one for each verb that people are shown.
///
/// # Errors
/// The directory cannot be made, or a page cannot be written.
pub(crate) fn man(table: Command, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory)
        .with_context(|| format!("{} cannot be made", directory.display()))?;
    let mut table = table.disable_help_subcommand(true);
    table.build();
    write_pages(&table, directory)
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
