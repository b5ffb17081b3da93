//! The audit stream of `serve`: what the log says of lists, keys and commands, in a file of its own (ADR-0017).
//!
//! On a thread: a disk that is full or slow holds up no answer.  What it does not take is counted, and marked in it when it
//! takes lines again.  Only what an operator asks for that must be written down first waits for it, for a moment.  From:
//! `tracing` (target [`AUDIT`]) and `control`.  To: `file`.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ocspry_core::{Clock, SystemClock};
use ocspry_http::ProgramCounts;
use ocspry_wire::Time;
use serde_json::{Map, Value, json};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber, error, info};
use tracing_subscriber::layer::{Context, Layer};

use super::file::{AuditError, AuditFile};
use super::line::Entry;
use crate::signals::EndProcessOnPanic;

/// The target of events that are for the audit stream and not for the log.
pub(crate) const AUDIT: &str = "audit-stream";

/// Lines that wait; more are counted, and missing.  The start of a thousand issuers tells some lines of each at once.
const WAITING_MAX: usize = 16 << 10;

/// Lines that are written at once, with one sync: some hundred kilobytes.
const BATCH_MAX: usize = 512;

/// How long a command waits until it is written down.
const MUST_WAIT: Duration = Duration::from_secs(15);

/// The end of `serve` waits so long.
const END_WAIT: Duration = Duration::from_secs(2);

/// Lines before this one are missing.
pub(crate) const GAP: &str = "gap";

/// Hands lines to the thread that writes them; where no file is configured, nowhere.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditStream {
    sender: Option<SyncSender<Message>>,
    counts: Arc<ProgramCounts>,
    /// Lines that found no room in the queue, and are not marked yet.
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Tell(Entry),
    /// Somebody waits for it.
    Must(Entry, SyncSender<Result<(), String>>),
    /// All before it was written, or tried.
    End(SyncSender<()>),
}

impl AuditStream {
    /// Starts the thread, if there is a file.
    ///
    /// # Errors
    /// The kernel gave none.
    pub(crate) fn start(
        path: Option<&Path>,
        counts: &Arc<ProgramCounts>,
    ) -> io::Result<AuditStream> {
        let counts = Arc::clone(counts);
        let Some(path) = path else {
            return Ok(AuditStream {
                sender: None,
                counts,
                dropped: Arc::default(),
            });
        };
        let dropped = Arc::<AtomicU64>::default();
        let (sender, messages) = sync_channel(WAITING_MAX);
        let mut writer = Writer {
            file: AuditFile::at(path),
            counts: Arc::clone(&counts),
            dropped: Arc::clone(&dropped),
            missing: 0,
            since: None,
        };
        thread::Builder::new()
            .name("ocspry-audit".to_owned())
            .spawn(move || {
                let _end = EndProcessOnPanic;
                writer.run(&messages);
            })?;
        Ok(AuditStream {
            sender: Some(sender),
            counts,
            dropped,
        })
    }

    /// Hands every event of the target on.
    pub(crate) fn layer(&self) -> Option<AuditLayer> {
        self.sender.as_ref().map(|_| AuditLayer(self.clone()))
    }

    /// Returns at once.
    fn tell(&self, entry: Entry) {
        let Some(sender) = &self.sender else {
            return;
        };
        if sender.try_send(Message::Tell(entry)).is_err() {
            self.counts
                .audit_lines_unwritten
                .fetch_add(1, Ordering::Relaxed);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns when it is on the disk; at once where there is no file.
    ///
    /// # Errors
    /// It is not: what it is about may not be done.
    pub(crate) fn must(&self, entry: Entry) -> Result<(), String> {
        let Some(sender) = &self.sender else {
            return Ok(());
        };
        let too_slow = || "the audit file takes nothing".to_owned();
        let (done, is_done) = sync_channel(1);
        sender
            .try_send(Message::Must(entry, done))
            .map_err(|_| too_slow())?;
        is_done
            .recv_timeout(MUST_WAIT)
            .unwrap_or_else(|_| Err(too_slow()))
    }

    /// Returns when all was written, or after a moment.
    pub(crate) fn finish(&self) {
        let (done, is_done) = sync_channel(1);
        if let Some(sender) = &self.sender
            && sender.try_send(Message::End(done)).is_ok()
        {
            let _ = is_done.recv_timeout(END_WAIT);
        }
    }
}

/// Writes what comes.
struct Writer {
    file: AuditFile,
    counts: Arc<ProgramCounts>,
    dropped: Arc<AtomicU64>,
    /// Lines that the file did not take.
    missing: u64,
    /// When the first of them was.
    since: Option<Time>,
}

impl Writer {
    fn run(&mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            // What came meanwhile is written with it: a sync for each would be slower than what they tell of.
            let mut told = Vec::new();
            let mut next = Some(message);
            while let Some(Message::Tell(entry)) = next {
                told.push(entry);
                next = match told.len() {
                    BATCH_MAX => None,
                    _ => messages.try_recv().ok(),
                };
            }
            self.tell(told);
            match next {
                Some(Message::Must(entry, done)) => {
                    let written = self.write(vec![entry]).map_err(|error| error.to_string());
                    // Nobody may be waiting any more.
                    let _ = done.send(written);
                }
                Some(Message::End(done)) => {
                    let _ = done.send(());
                }
                Some(Message::Tell(_)) | None => {}
            }
        }
    }

    fn tell(&mut self, told: Vec<Entry>) {
        let Some(since) = told.first().map(|first| first.time) else {
            return;
        };
        let count = told.len() as u64;
        if let Err(error) = self.write(told) {
            self.miss(count, since, &error);
        }
    }

    fn write(&mut self, mut entries: Vec<Entry>) -> Result<(), AuditError> {
        self.missing += self.dropped.swap(0, Ordering::Relaxed);
        let now = SystemClock.now();
        let mut writing = self.file.lock(now)?;
        if self.missing > 0 {
            let since = self.since.map(|since| since.to_string());
            let missing = [("missing", json!(self.missing)), ("since", json!(since))];
            entries.insert(0, Entry::new(now, GAP, missing));
        }
        writing.append(entries)?;
        if self.missing > 0 {
            info!(
                "the audit file {} takes lines again; {} are missing in it, and marked",
                self.file.path().display(),
                self.missing
            );
            (self.missing, self.since) = (0, None);
        }
        Ok(())
    }

    fn miss(&mut self, count: u64, since: Time, error: &AuditError) {
        let unwritten = &self.counts.audit_lines_unwritten;
        unwritten.fetch_add(count, Ordering::Relaxed);
        self.missing += count;
        if self.since.is_none() {
            self.since = Some(since);
            error!(
                "{error}; answers go on, and until it can be written nothing is accepted or reset by the control socket"
            );
        }
    }
}

/// Hands events on.
#[derive(Debug)]
pub(crate) struct AuditLayer(AuditStream);

impl<S: Subscriber> Layer<S> for AuditLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields(Map::new());
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let Some(Value::String(event)) = fields.remove("event") else {
            return;
        };
        self.0.tell(Entry {
            time: SystemClock.now(),
            event,
            fields,
        });
    }
}

struct Fields(Map<String, Value>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name().to_owned(), json!(format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::verify::verify;

    #[test]
    fn what_the_start_of_a_thousand_issuers_tells_at_once_is_all_written_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("audit.jsonl");
        let counts = Arc::<ProgramCounts>::default();
        let stream = AuditStream::start(Some(&path), &counts).unwrap();
        let entry = |number: u64| {
            let fields = [("number", json!(number))];
            Entry::new(SystemClock.now(), "list-in-use", fields)
        };
        for number in 0..5_000 {
            stream.tell(entry(number));
        }
        stream.must(entry(5_000)).unwrap();
        assert_eq!(counts.audit_lines_unwritten.load(Ordering::Relaxed), 0);
        let verdict = verify(std::slice::from_ref(&path)).unwrap().remove(0);
        assert!(verdict.is_whole(), "{verdict:?}");
        let text = std::fs::read_to_string(path).unwrap();
        let numbers: Vec<Option<u64>> = text
            .lines()
            .skip(1)
            .map(|line| serde_json::from_str::<Value>(line).unwrap()["number"].as_u64())
            .collect();
        assert_eq!(numbers, (0..=5_000).map(Some).collect::<Vec<_>>());
    }
}
