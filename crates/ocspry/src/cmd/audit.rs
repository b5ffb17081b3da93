//! `ocspry audit`: whether an audit stream is what was written.  From: the command line.  To: `audit::verify`, and its verdict
//! for people and programs.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};

use crate::audit::verify::{Verdict, verify};
use crate::output::{print, print_json};

/// Work with audit streams.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Check that audit files are whole, and lead on from each other
    #[command(after_help = AFTER_HELP)]
    Verify(VerifyFlags),
}

/// How it is used.
const AFTER_HELP: &str = "\
Examples:
  ocspry audit verify /var/log/ocspry/audit.jsonl
  ocspry audit verify /var/log/ocspry/audit.jsonl*

Give the rotated files too, in any order: each has to lead on from the one before. A line that a kill
or a power cut has cut off is told as that, and is no break. Lines that are cut off at the end, and a
stream that was written anew from its first line, cannot be told: keep the last sequence and hash
elsewhere (--json prints them).

Exit codes: 0 whole, 1 a break or a file that cannot be read, 2 wrong usage.";

/// What `audit verify` can be told.
#[derive(Debug, Args)]
pub(crate) struct VerifyFlags {
    /// Audit files
    #[arg(value_name = "FILE", required = true, value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,

    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

/// Runs a verb.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn run(command: &AuditCommand) -> Result<ExitCode> {
    let AuditCommand::Verify(flags) = command;
    let verdicts = verify(&flags.files)?;
    let is_whole = verdicts.iter().all(Verdict::is_whole);
    if flags.json {
        let files: Vec<Value> = verdicts.iter().map(as_json).collect();
        print_json(&json!({ "whole": is_whole, "files": files }));
    } else {
        let mut text: String = verdicts.iter().map(as_text).collect();
        text += match is_whole {
            true => "whole: each line leads on from the one before\n",
            false => "NOT whole: it was changed, or is damaged\n",
        };
        print(&text);
    }
    Ok(match is_whole {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn as_text(verdict: &Verdict) -> String {
    let path = verdict.path.display();
    let mut text = match &verdict.ends {
        None => format!("{path}: no whole line\n"),
        Some((first, last)) => format!(
            "{path}: {} lines, {} to {}, from {} to {}\n",
            verdict.lines, first.sequence, last.sequence, first.time, last.time
        ),
    };
    for cut_off in &verdict.torn {
        text += &format!(
            "{path}:{cut_off}: cut off by a kill or a power cut, and marked as that by the next line\n"
        );
    }
    if let Some(octets) = verdict.torn_end {
        text += &format!(
            "{path}: torn end: the last {octets} octets are a line that was cut off by a kill or a power cut; the next line will mark it\n"
        );
    }
    if verdict.missing > 0 {
        text += &format!(
            "{path}: {} lines are missing, since the file could not be written: marked where they are\n",
            verdict.missing
        );
    }
    for broken in &verdict.breaks {
        text += &format!("{path}:{}: {}\n", broken.line, broken.cause);
    }
    if verdict.more_breaks > 0 {
        text += &format!("{path}: and {} more breaks\n", verdict.more_breaks);
    }
    text
}

fn as_json(verdict: &Verdict) -> Value {
    let end = |is_first: bool| {
        verdict.ends.as_ref().map(|(first, last)| {
            let line = if is_first { first } else { last };
            json!({ "sequence": line.sequence, "time": line.time, "hash": line.hash })
        })
    };
    let breaks: Vec<Value> = verdict
        .breaks
        .iter()
        .map(|broken| json!({ "line": broken.line, "cause": broken.cause.to_string() }))
        .collect();
    json!({
        "file": verdict.path.display().to_string(),
        "whole": verdict.is_whole(),
        "lines": verdict.lines,
        "first": end(true),
        "last": end(false),
        "torn": verdict.torn,
        "torn_end_octets": verdict.torn_end,
        "missing": verdict.missing,
        "breaks": breaks,
        "more_breaks": verdict.more_breaks,
    })
}
