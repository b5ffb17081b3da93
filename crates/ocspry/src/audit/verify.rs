//! Whether audit files are what was written: each line whole, and each leads on from the one before, also from file to file.
//!
//! A line that was cut off by a kill or a power cut is told as that: the last octets of a file, or what the next writer
//! marked, where they can be the beginning of the line that belongs there.  Everything else that does not lead on is a break.  It says nothing of lines cut off at the end, nor of a stream
//! that somebody wrote anew from its first line (ADR-0017).  From: `ocspry audit verify`.  To: its output.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::mem;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::file::{BEGUN, TORN};
use super::line::{Link, NoLine, ReadLine, may_be_cut_off};

/// Breaks that are told of one file.
const BREAKS_MAX: usize = 20;

/// What a file holds.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) path: PathBuf,
    pub(crate) lines: u64,
    /// The first whole line, and the last.
    pub(crate) ends: Option<(ReadLine, ReadLine)>,
    /// Lines that were cut off and marked, by number.
    pub(crate) torn: Vec<u64>,
    /// Octets behind the last line.
    pub(crate) torn_end: Option<u64>,
    /// Lines that are missing because the file could not be written, as its marks say.
    pub(crate) missing: u64,
    pub(crate) breaks: Vec<Break>,
    /// More breaks than are told.
    pub(crate) more_breaks: u64,
}

/// Where a file does not lead on, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Break {
    /// Counted from 1.
    pub(crate) line: u64,
    pub(crate) cause: Cause,
}

/// What is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Cause {
    #[error("{0}")]
    Line(NoLine),
    #[error(
        "its sequence is {found} and not {expected}: lines were removed, added or moved before it"
    )]
    Sequence { expected: u64, found: u64 },
    #[error("it leads on from another line than the one before it: that one was replaced")]
    Previous,
    #[error(
        "it is the first line and does not say which file it follows: lines before it were removed"
    )]
    NoBeginning,
    #[error("it says that {marked} octets before it were cut off, and there are {found}")]
    Torn { marked: u64, found: u64 },
    #[error(
        "it follows a file that is not the one before: one is missing between them, or was changed"
    )]
    OtherFile,
}

impl Verdict {
    /// Nothing was changed, as far as hashes tell.  A file without any line was emptied: it is made with its first one.
    pub(crate) fn is_whole(&self) -> bool {
        self.breaks.is_empty() && (self.ends.is_some() || self.torn_end.is_some())
    }
}

/// Reads them in the order of their first lines.
///
/// # Errors
/// One cannot be read.
pub(crate) fn verify(paths: &[PathBuf]) -> Result<Vec<Verdict>> {
    let mut verdicts = paths
        .iter()
        .map(|path| Reading::of(path))
        .collect::<Result<Vec<_>>>()?;
    let first = |verdict: &Verdict| verdict.ends.as_ref().map(|(first, _)| first.sequence);
    verdicts.sort_by_key(first);
    // Several streams may be given at once; of each only the oldest file need not follow another one.
    let mut is_followed = vec![false; verdicts.len()];
    for at in 1..verdicts.len() {
        let (before, rest) = verdicts.split_at_mut(at);
        let Some(verdict) = rest.first_mut() else {
            continue;
        };
        let Some((first, _)) = &verdict.ends else {
            continue;
        };
        let leads_on = |before: &Verdict| {
            let last = before.ends.as_ref().map(|(_, last)| last);
            last.is_some_and(|last| {
                first.previous == last.hash && first.sequence == last.sequence + 1
            })
        };
        let found = before
            .iter()
            .zip(&mut is_followed)
            .find(|(before, is_followed)| !**is_followed && leads_on(before));
        match found {
            Some((_, is_followed)) => *is_followed = true,
            None if first.sequence == 1 => {}
            None => verdict.breaks.insert(
                0,
                Break {
                    line: 1,
                    cause: Cause::OtherFile,
                },
            ),
        }
    }
    Ok(verdicts)
}

/// One file on its way to a verdict.
struct Reading {
    verdict: Verdict,
    /// What the next line has to lead on from; None: the first line says.
    link: Option<Link>,
    /// Lines that may have been cut off, and what is wrong with each: the second one would have marked the first.
    pieces: Vec<(u64, NoLine)>,
    /// Octets of them, with the ends between them.
    piece_octets: u64,
}

impl Reading {
    fn of(path: &Path) -> Result<Verdict> {
        let named = || format!("{} cannot be read", path.display());
        let mut file = BufReader::new(File::open(path).with_context(named)?);
        let mut reading = Reading {
            verdict: Verdict {
                path: path.to_owned(),
                lines: 0,
                ends: None,
                torn: Vec::new(),
                torn_end: None,
                missing: 0,
                breaks: Vec::new(),
                more_breaks: 0,
            },
            link: None,
            pieces: Vec::new(),
            piece_octets: 0,
        };
        let mut octets = Vec::new();
        let mut number = 0;
        loop {
            octets.clear();
            if file.read_until(b'\n', &mut octets).with_context(named)? == 0 {
                break;
            }
            number += 1;
            octets.pop_if(|octet| *octet == b'\n');
            match ReadLine::parse(&octets) {
                Ok(line) => reading.take(number, line),
                Err(cause) => reading.take_piece(number, &octets, cause),
            }
        }
        if !reading.pieces.is_empty() {
            reading.verdict.torn_end = Some(reading.piece_octets);
        }
        Ok(reading.verdict)
    }

    /// A whole line that says something else was not cut off, and neither was what is no beginning of the next one.
    fn take_piece(&mut self, number: u64, octets: &[u8], cause: NoLine) {
        let next = self.link.as_ref().map(|link| link.sequence + 1);
        if cause == NoLine::Changed || !may_be_cut_off(octets, next) {
            self.give_up_pieces();
            self.breaks(number, Cause::Line(cause));
            return;
        }
        let end_between = u64::from(!self.pieces.is_empty());
        self.piece_octets += end_between + octets.len() as u64;
        self.pieces.push((number, cause));
    }

    fn take(&mut self, number: u64, line: ReadLine) {
        match (&self.link, line.event.as_str()) {
            (None, BEGUN) => {}
            (None, _) => self.breaks(number, Cause::NoBeginning),
            (Some(link), _) if line.sequence != link.sequence + 1 => {
                let (expected, found) = (link.sequence + 1, line.sequence);
                self.breaks(number, Cause::Sequence { expected, found });
            }
            (Some(link), _) if line.previous != link.hash => self.breaks(number, Cause::Previous),
            (Some(_), _) => {}
        }
        match line.event.as_str() {
            TORN => self.take_mark(number, &line),
            // The mark is the next line.
            BEGUN => {}
            _ => self.give_up_pieces(),
        }
        if line.event == super::stream::GAP {
            let missing = line
                .fields
                .get("missing")
                .and_then(serde_json::Value::as_u64);
            self.verdict.missing += missing.unwrap_or(0);
        }
        self.verdict.lines += 1;
        self.link = Some(line.link());
        match &mut self.verdict.ends {
            Some((_, last)) => *last = line,
            None => self.verdict.ends = Some((line.clone(), line)),
        }
    }

    fn take_mark(&mut self, number: u64, mark: &ReadLine) {
        let marked = mark
            .fields
            .get("octets")
            .and_then(serde_json::Value::as_u64);
        let (marked, found) = (marked.unwrap_or(0), self.piece_octets);
        let lines = self.pieces.drain(..).map(|(line, _)| line);
        match marked == found && found > 0 {
            true => self.verdict.torn.extend(lines),
            false => {
                drop(lines);
                self.breaks(number, Cause::Torn { marked, found });
            }
        }
        self.piece_octets = 0;
    }

    /// They were not marked as cut off.
    fn give_up_pieces(&mut self) {
        self.piece_octets = 0;
        for (line, cause) in mem::take(&mut self.pieces) {
            self.breaks(line, Cause::Line(cause));
        }
    }

    fn breaks(&mut self, line: u64, cause: Cause) {
        if self.verdict.breaks.len() < BREAKS_MAX {
            self.verdict.breaks.push(Break { line, cause });
        } else {
            self.verdict.more_breaks += 1;
        }
    }
}
