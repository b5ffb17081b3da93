//! What is logged while a piece of work is done, for whoever asked for that work.  From: `tracing`.  To: `control`, which
//! answers the control socket with it.
//!
//! The operator who types `ocspry reload` reads the very lines that the log gets, and no function has to return its
//! sentences beside logging them.  Only lines of the working thread count, at `info` and above, whatever `OCSPRY_LOG` says.

use std::cell::RefCell;
use std::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines that are kept; more are counted.
const LINES_MAX: usize = 500;

/// Octets of a line that are kept.
const LINE_BYTES_MAX: usize = 4 << 10;

/// One line, without its time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogLine {
    /// How bad it is.
    pub(crate) level: LineLevel,
    /// The issuer it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) issuer: Option<String>,
    /// The file it is about, where the message does not name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) path: Option<String>,
    /// What is said.
    pub(crate) message: String,
}

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LineLevel {
    /// Someone must act.
    Error,
    /// It answers, degraded.
    Warn,
    /// Something changed.
    Info,
}

impl LogLine {
    /// A line that is in no log.
    pub(crate) fn error(message: impl Into<String>) -> LogLine {
        LogLine::of(LineLevel::Error, message)
    }

    /// A line that is in no log.
    pub(crate) fn info(message: impl Into<String>) -> LogLine {
        LogLine::of(LineLevel::Info, message)
    }

    fn of(level: LineLevel, message: impl Into<String>) -> LogLine {
        LogLine {
            level,
            issuer: None,
            path: None,
            message: message.into(),
        }
    }
}

thread_local! {
    /// What was logged so far, where somebody wants it.
    static CAPTURED: RefCell<Option<Captured>> = const { RefCell::new(None) };
}

#[derive(Debug, Default)]
struct Captured {
    lines: Vec<LogLine>,
    dropped_count: usize,
}

/// Does the work; with what this thread logged meanwhile.
pub(crate) fn lines_of<T>(work: impl FnOnce() -> T) -> (T, Vec<LogLine>) {
    CAPTURED.set(Some(Captured::default()));
    let done = work();
    let mut captured = CAPTURED.take().unwrap_or_default();
    if captured.dropped_count > 0 {
        let more = format!("{} more lines are in the log", captured.dropped_count);
        captured.lines.push(LogLine::info(more));
    }
    (done, captured.lines)
}

/// Sees every event of the process, and keeps those of a thread inside [`lines_of`].
#[derive(Debug)]
pub(crate) struct CaptureLayer;

impl<S: Subscriber> Layer<S> for CaptureLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let level = match *event.metadata().level() {
            Level::ERROR => LineLevel::Error,
            Level::WARN => LineLevel::Warn,
            Level::INFO => LineLevel::Info,
            // `Level` is not an enum.
            _ => return,
        };
        CAPTURED.with_borrow_mut(|captured| {
            let Some(captured) = captured else {
                return;
            };
            if captured.lines.len() >= LINES_MAX {
                captured.dropped_count += 1;
                return;
            }
            let mut line = LogLine::of(level, String::new());
            event.record(&mut Fields(&mut line));
            captured.lines.push(line);
        });
    }
}

/// Takes the fields of an event that a line has.
struct Fields<'a>(&'a mut LogLine);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        let _ = write!(text, "{value:?}");
        text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
        match field.name() {
            "message" => self.0.message = text,
            "issuer" => self.0.issuer = Some(text),
            "path" => self.0.path = Some(text),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::{debug, error, info, warn};
    use tracing_subscriber::layer::SubscriberExt as _;
    use tracing_subscriber::registry;

    use super::*;

    fn capture(work: impl FnOnce()) -> Vec<LogLine> {
        let subscriber = registry().with(CaptureLayer);
        tracing::subscriber::with_default(subscriber, || {
            warn!("before");
            let ((), lines) = lines_of(work);
            warn!("after");
            lines
        })
    }

    #[test]
    fn lines_of_the_work_are_kept_with_their_issuer_and_file() {
        let lines = capture(|| {
            let path = std::path::Path::new("a b.pem");
            info!(issuer = "site", path = %path.display(), "list {} in use", 7);
            error!("it is {}", "bad");
            debug!("a request");
        });
        assert_eq!(
            lines,
            [
                LogLine {
                    level: LineLevel::Info,
                    issuer: Some("site".to_owned()),
                    path: Some("a b.pem".to_owned()),
                    message: "list 7 in use".to_owned(),
                },
                LogLine::error("it is bad"),
            ]
        );
    }

    #[test]
    fn lines_without_end_are_counted_and_long_ones_cut() {
        let lines = capture(|| {
            for _ in 0..LINES_MAX + 3 {
                info!("{}", "ü".repeat(LINE_BYTES_MAX));
            }
        });
        assert_eq!(lines.len(), LINES_MAX + 1);
        assert_eq!(lines[0].message.len(), LINE_BYTES_MAX);
        assert_eq!(lines[LINES_MAX].message, "3 more lines are in the log");
    }
}
