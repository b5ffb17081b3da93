//! The log of requests, one in so many: a JSON object a line, in a file of its own.  From: the workers, by
//! `ocspry_http::request_log_queue`.  To: the file.
//!
//! On a thread of its own: a disk that is slow or full holds up no client.  What finds no room, in the queue or on the disk,
//! is counted.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use ocspry_http::{ProgramCounts, RequestLogSender, RequestRecord, request_log_queue};
use serde_json::json;
use tracing::error;

use crate::config::RequestLogConfig;
use crate::log_file::LogFile;
use crate::signals::EndProcessOnPanic;

/// Records that wait to be written.
const WAITING_MAX: usize = 4096;

/// The thread at work.
pub(crate) struct RequestLog {
    has_ended: Receiver<()>,
}

impl RequestLog {
    /// Opens the file and starts the thread.
    ///
    /// # Errors
    /// The file cannot be opened; the kernel gave no thread.
    pub(crate) fn start(
        config: &RequestLogConfig,
        counts: &Arc<ProgramCounts>,
    ) -> Result<(RequestLogSender, RequestLog)> {
        let unwritten = Arc::clone(&counts.request_lines_unwritten);
        let file = LogFile::open(&config.file, Arc::clone(&unwritten))?;
        let (sender, records) =
            request_log_queue(WAITING_MAX, config.every, config.addresses, unwritten);
        let (at_work, has_ended) = sync_channel::<()>(0);
        thread::Builder::new()
            .name("ocspry-requests".to_owned())
            .spawn(move || {
                let _end = EndProcessOnPanic;
                records.into_iter().for_each(|record| write(&file, &record));
                drop(at_work);
            })
            .context("the thread that logs requests cannot be started")?;
        Ok((sender, RequestLog { has_ended }))
    }

    /// Waits until all is written, when the server has ended; `time` at the most.
    pub(crate) fn finish(&self, time: Duration) {
        let _ = self.has_ended.recv_timeout(time);
    }
}

fn write(file: &LogFile, record: &RequestRecord) {
    let RequestRecord {
        time,
        method,
        outcome,
        status,
        body_bytes,
        elapsed,
        peer,
    } = record;
    let mut line = json!({
        "time": time.to_string(),
        "method": method,
        "outcome": outcome,
        "status": status,
        "body_bytes": body_bytes,
        "elapsed_us": u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
    });
    if let Some(peer) = peer {
        line["peer"] = json!(peer.to_string());
    }
    let gap = |missing| format!("{}\n", json!({ "missing": missing }));
    if let Err(unwritten) = file.write(format!("{line}\n").as_bytes(), gap)
        && unwritten.is_first
    {
        let cause: io::Error = unwritten.cause;
        error!(
            "the request log {} cannot be written ({cause}): requests are answered, and not logged until it can",
            file.path().display()
        );
    }
}
