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
use ocspry_http::LineCounts;
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

/// Lines that wait; more are counted, and missing.
const WAITING_MAX: usize = 1024;

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
    counts: Arc<LineCounts>,
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
    pub(crate) fn start(path: Option<&Path>, counts: &Arc<LineCounts>) -> io::Result<AuditStream> {
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
            self.counts.audit_unwritten.fetch_add(1, Ordering::Relaxed);
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
    counts: Arc<LineCounts>,
    dropped: Arc<AtomicU64>,
    /// Lines that the file did not take.
    missing: u64,
    /// When the first of them was.
    since: Option<Time>,
}

impl Writer {
    fn run(&mut self, messages: &Receiver<Message>) {
        for message in messages {
            match message {
                Message::Tell(entry) => {
                    let time = entry.time;
                    if let Err(error) = self.write(entry) {
                        self.miss(time, &error);
                    }
                }
                Message::Must(entry, done) => {
                    let written = self.write(entry).map_err(|error| error.to_string());
                    // Nobody may be waiting any more.
                    let _ = done.send(written);
                }
                Message::End(done) => {
                    let _ = done.send(());
                }
            }
        }
    }

    fn write(&mut self, entry: Entry) -> Result<(), AuditError> {
        self.missing += self.dropped.swap(0, Ordering::Relaxed);
        let mut writing = self.file.lock(entry.time)?;
        let mut entries = Vec::new();
        if self.missing > 0 {
            let since = self.since.map(|since| since.to_string());
            entries.push(Entry::new(
                entry.time,
                GAP,
                [("missing", json!(self.missing)), ("since", json!(since))],
            ));
        }
        entries.push(entry);
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

    fn miss(&mut self, time: Time, error: &AuditError) {
        self.counts.audit_unwritten.fetch_add(1, Ordering::Relaxed);
        self.missing += 1;
        if self.since.is_none() {
            self.since = Some(time);
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

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), json!(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0
            .insert(field.name().to_owned(), json!(format!("{value:?}")));
    }
}
