//! Where log lines go, and how they look: text or JSON, to standard error or a file.  From: `tracing`.  To: the operator.
//!
//! The level comes from `OCSPRY_LOG` (`warn`, `debug`, `ocspry_http=trace`, …), `info` without it.  Where standard error is
//! the journal, each line begins with its priority (sd-daemon(3)).

use std::env;
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Result, anyhow};
use ocspry_http::ProgramCounts;
use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, fmt as lines, registry};

use crate::audit::AUDIT;
use crate::audit::stream::AuditLayer;
use crate::load_bar;
use crate::log_capture::CaptureLayer;
use crate::log_file::{LogFile, Unwritten};

/// Names the level of the log, for all or by part.
const LEVEL_VARIABLE: &str = "OCSPRY_LOG";

/// systemd names there the device and inode of the journal's socket.
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object each.
    Json,
}

impl LogFormat {
    /// As they are typed.
    pub(crate) const WORDS: &'static [(&'static str, LogFormat)] =
        &[("text", LogFormat::Text), ("json", LogFormat::Json)];
}

/// The one place that log lines are written to.
#[derive(Debug)]
pub(crate) struct LogOutput {
    /// None: standard error.
    file: Option<LogFile>,
    format: LogFormat,
}

impl LogOutput {
    /// Opens the place and makes it the process's log.
    ///
    /// # Errors
    /// The file cannot be opened, `OCSPRY_LOG` cannot be understood, or there is a log already.
    pub(crate) fn install(
        path: Option<&Path>,
        format: LogFormat,
        counts: &Arc<ProgramCounts>,
        audit: Option<AuditLayer>,
    ) -> Result<Arc<LogOutput>> {
        let file = path
            .map(|path| LogFile::open(path, Arc::clone(&counts.log_lines_unwritten)))
            .transpose()?;
        let output = Arc::new(LogOutput { file, format });
        let level = env::var(LEVEL_VARIABLE)
            .ok()
            .filter(|level| !level.is_empty());
        let level = level.as_deref().unwrap_or("info");
        let filter = EnvFilter::builder().parse(level).map_err(|_| {
            anyhow!("{LEVEL_VARIABLE}={level} is not a log level: give error, warn, info, debug or trace")
        })?;
        let is_journal = path.is_none() && is_journal(env::var_os(JOURNAL_VARIABLE).as_deref());
        let layer = lines::layer()
            .with_target(false)
            .with_ansi(path.is_none() && io::stderr().is_terminal())
            // A line that cannot be written is lost: saying so on a closed standard error would be a panic.
            .log_internal_errors(false)
            .with_writer(SharedOutput(Arc::clone(&output)));
        let layer = match format {
            // The journal has a time of its own.
            LogFormat::Text if is_journal => layer
                .without_time()
                .map_event_format(|inner| Prefixed { is_journal, inner })
                .boxed(),
            LogFormat::Text => layer.boxed(),
            LogFormat::Json => layer
                .json()
                .flatten_event(true)
                .with_current_span(false)
                .map_event_format(|inner| Prefixed { is_journal, inner })
                .boxed(),
        };
        let is_for_audit = |event: &Metadata<'_>| event.target() == AUDIT;
        // With levels of their own, so that no debug line costs anything because of them.
        let for_log =
            filter_fn(move |event| !is_for_audit(event)).with_max_level_hint(LevelFilter::TRACE);
        let for_audit = filter_fn(is_for_audit).with_max_level_hint(LevelFilter::INFO);
        registry()
            .with(layer.with_filter(filter.and(for_log.clone())))
            .with(CaptureLayer.with_filter(for_log.and(LevelFilter::INFO)))
            .with(audit.map(|audit| audit.with_filter(for_audit)))
            .try_init()
            .map_err(|error| anyhow!("the log cannot be set up: {error}"))?;
        Ok(output)
    }

    /// Opens the file anew.
    ///
    /// # Errors
    /// The file cannot be opened; lines go on into the old one.
    pub(crate) fn reopen(&self) -> Result<()> {
        self.file.as_ref().map_or(Ok(()), LogFile::reopen)
    }

    /// The file, where there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(LogFile::path)
    }

    /// How its lines look.
    pub(crate) fn format(&self) -> LogFormat {
        self.format
    }

    /// Writes a line to the file, or to standard error while the file takes nothing (a full disk).
    fn write(&self, line: &[u8]) -> io::Result<()> {
        let Some(file) = &self.file else {
            return to_standard_error(line);
        };
        let gap = |missing| {
            self.own_line(&format!(
                "{missing} lines are missing here: the file could not be written"
            ))
        };
        match file.write(line, gap) {
            Ok(()) => Ok(()),
            Err(Unwritten { cause, is_first }) => {
                if is_first {
                    let path = file.path().display();
                    let said = self.own_line(&format!(
                        "the log file {path} cannot be written ({cause}): lines go to standard error until it can"
                    ));
                    to_standard_error(said.as_bytes())?;
                }
                to_standard_error(line)
            }
        }
    }

    /// A line about the log itself, which cannot go through it.
    fn own_line(&self, message: &str) -> String {
        let mut time = String::new();
        // A String takes whatever is written.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        match self.format {
            LogFormat::Text => format!("{time}  WARN {message}\n"),
            LogFormat::Json => {
                let line = json!({"timestamp": time, "level": "WARN", "message": message});
                format!("{line}\n")
            }
        }
    }
}

fn to_standard_error(line: &[u8]) -> io::Result<()> {
    load_bar::aside(|| io::stderr().write_all(line))
}

/// Whether standard error is the socket that the variable names, as `device:inode`; a redirected one is not.
fn is_journal(variable: Option<&OsStr>) -> bool {
    let named = variable.and_then(OsStr::to_str);
    named.is_some_and(|named| {
        rustix::fs::fstat(io::stderr())
            .is_ok_and(|found| format!("{}:{}", found.st_dev, found.st_ino) == named)
    })
}

/// A line of the inner format; for the journal with its priority before it: `<3>` is an error (sd-daemon(3)).
struct Prefixed<F> {
    is_journal: bool,
    inner: F,
}

impl<S, N, F> FormatEvent<S, N> for Prefixed<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.is_journal {
            write!(writer, "<{}>", priority(*event.metadata().level()))?;
        }
        self.inner.format_event(context, writer, event)
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        // `Level` is not an enum.
        _ => 7,
    }
}

/// Writes one event, in one piece: lines of several threads do not mix.
pub(crate) struct LogWriter<'a>(&'a LogOutput);

impl Write for LogWriter<'_> {
    /// A whole line, which is how `tracing` writes.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.write(line).map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The output as `tracing` wants it.
struct SharedOutput(Arc<LogOutput>);

impl<'a> MakeWriter<'a> for SharedOutput {
    type Writer = LogWriter<'a>;

    fn make_writer(&'a self) -> LogWriter<'a> {
        LogWriter(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_the_file_does_not_take_is_no_error_and_holds_up_nobody() {
        let file = LogFile::open(Path::new("/dev/full"), Arc::default()).unwrap();
        let output = SharedOutput(Arc::new(LogOutput {
            file: Some(file),
            format: LogFormat::Text,
        }));
        // As when a panic is reported in the middle of a line.
        let mut first = output.make_writer();
        let mut second = output.make_writer();
        second.write_all(b"to standard error instead\n").unwrap();
        first.write_all(b"to standard error instead\n").unwrap();
    }

    #[test]
    fn standard_error_is_the_journal_only_where_the_variable_names_that_very_socket() {
        let found = rustix::fs::fstat(io::stderr()).unwrap();
        let named = format!("{}:{}", found.st_dev, found.st_ino);
        assert!(is_journal(Some(OsStr::new(&named))));
        let other = format!("{}:{}", found.st_dev, found.st_ino + 1);
        assert!(!is_journal(Some(OsStr::new(&other))));
        assert!(!is_journal(None));
    }
}
