//! Where log lines go: standard error, or a file that is opened again on SIGHUP.  From: `tracing`.  To: the operator.
//!
//! The level comes from `OCSPRY_LOG` (`warn`, `debug`, `ocspry_http=trace`, …), `info` without it.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use arc_swap::ArcSwap;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt, registry};

use crate::load_bar;
use crate::log_capture::CaptureLayer;

/// Names the level of the log, for all or by part.
const LEVEL_VARIABLE: &str = "OCSPRY_LOG";

/// The one place that log lines are written to.
#[derive(Debug)]
pub(crate) enum LogOutput {
    /// Standard error.
    StandardError,
    /// A file, appended to; swapped when it is opened again.  No lock: a panic while a line is written is a line too.
    File { path: PathBuf, file: ArcSwap<File> },
}

impl LogOutput {
    /// Opens the place and makes it the process's log.
    ///
    /// # Errors
    /// The file cannot be opened, `OCSPRY_LOG` cannot be understood, or there is a log already.
    pub(crate) fn install(path: Option<&Path>) -> Result<Arc<LogOutput>> {
        let output = Arc::new(match path {
            Some(path) => LogOutput::File {
                path: path.to_owned(),
                file: ArcSwap::from_pointee(open(path)?),
            },
            None => LogOutput::StandardError,
        });
        let level = env::var(LEVEL_VARIABLE)
            .ok()
            .filter(|level| !level.is_empty());
        let level = level.as_deref().unwrap_or("info");
        let filter = EnvFilter::builder().parse(level).map_err(|_| {
            anyhow!("{LEVEL_VARIABLE}={level} is not a log level: give error, warn, info, debug or trace")
        })?;
        let lines = fmt::layer()
            .with_target(false)
            .with_ansi(path.is_none() && io::stderr().is_terminal())
            // A line that cannot be written is lost: saying so on a closed standard error would be a panic.
            .log_internal_errors(false)
            .with_writer(SharedOutput(Arc::clone(&output)))
            .with_filter(filter);
        registry()
            .with(lines)
            // With a filter of its own, so that no debug line costs anything because of it.
            .with(CaptureLayer.with_filter(LevelFilter::INFO))
            .try_init()
            .map_err(|error| anyhow!("the log cannot be set up: {error}"))?;
        Ok(output)
    }

    /// Opens the file anew, so that a rotated log is let go.
    ///
    /// # Errors
    /// The file cannot be opened; lines go on into the old one.
    pub(crate) fn reopen(&self) -> Result<()> {
        match self {
            LogOutput::StandardError => Ok(()),
            LogOutput::File { path, file } => {
                file.store(Arc::new(open(path)?));
                Ok(())
            }
        }
    }

    /// The file, where there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            LogOutput::StandardError => None,
            LogOutput::File { path, file: _ } => Some(path),
        }
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new().create(true).append(true).open(path).map_err(|error| {
        anyhow!(
            "the log file {} cannot be opened: {error}: check that its directory exists and may be written",
            path.display()
        )
    })
}

/// Writes one event, in one piece: lines of several threads do not mix.
pub(crate) enum LogWriter {
    /// To standard error.
    StandardError(io::Stderr),
    /// To the file, or to standard error while the file takes nothing (a full disk).
    File(Arc<File>),
}

impl Write for LogWriter {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            LogWriter::StandardError(stream) => load_bar::aside(|| stream.write(buffer)),
            LogWriter::File(file) => file
                .as_ref()
                .write(buffer)
                .or_else(|_| load_bar::aside(|| io::stderr().write(buffer))),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            LogWriter::StandardError(stream) => stream.flush(),
            LogWriter::File(file) => file.as_ref().flush(),
        }
    }
}

/// The output as `tracing` wants it.
struct SharedOutput(Arc<LogOutput>);

impl<'a> MakeWriter<'a> for SharedOutput {
    type Writer = LogWriter;

    fn make_writer(&'a self) -> LogWriter {
        match self.0.as_ref() {
            LogOutput::StandardError => LogWriter::StandardError(io::stderr()),
            LogOutput::File { path: _, file } => LogWriter::File(file.load_full()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_the_file_does_not_take_is_no_error_and_holds_up_nobody() {
        let path = PathBuf::from("/dev/full");
        let file = ArcSwap::from_pointee(open(&path).unwrap());
        let output = SharedOutput(Arc::new(LogOutput::File { path, file }));
        // As when a panic is reported in the middle of a line.
        let mut first = output.make_writer();
        let mut second = output.make_writer();
        second.write_all(b"to standard error instead\n").unwrap();
        first.write_all(b"to standard error instead\n").unwrap();
    }

    #[test]
    fn a_rotated_log_file_is_let_go_when_it_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ocspry.log");
        let file = ArcSwap::from_pointee(open(&path).unwrap());
        let output = SharedOutput(Arc::new(LogOutput::File {
            path: path.clone(),
            file,
        }));
        output.make_writer().write_all(b"first\n").unwrap();
        let rotated = directory.path().join("ocspry.log.1");
        std::fs::rename(&path, &rotated).unwrap();
        output.make_writer().write_all(b"second\n").unwrap();
        output.0.reopen().unwrap();
        output.make_writer().write_all(b"third\n").unwrap();
        assert_eq!(std::fs::read_to_string(rotated).unwrap(), "first\nsecond\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "third\n");
    }
}
