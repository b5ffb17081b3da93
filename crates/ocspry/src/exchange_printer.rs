//! Prints requests with their answers, and counts them.  From: the workers, by `ocspry_http::exchange`.  To: a file or
//! standard output, and to `serve`, which ends when enough were answered.
//!
//! On a thread of its own: an output that takes nothing holds up no client.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use ocspry_http::{Exchange, ExchangeReceiver, ExchangeSender, exchange_queue};
use tracing::warn;

use crate::ocsp_text;
use crate::signals::StopAsker;

/// What to print, where, and for how long.
pub(crate) struct ExchangePrinter {
    /// Where.
    pub(crate) out: Box<dyn Write + Send>,
    /// `-req_text`.
    pub(crate) prints_requests: bool,
    /// `-resp_text`.
    pub(crate) prints_responses: bool,
    /// The end is asked for after so many.
    pub(crate) requests_max: Option<u64>,
}

/// Exchanges that wait to be printed; more are counted, and not printed.
const WAITING_MAX: usize = 1024;

/// The thread at work.
pub(crate) struct Printing {
    has_ended: Receiver<()>,
}

impl Printing {
    /// Waits until all is printed, when the server has ended; `time` at the most.
    pub(crate) fn finish(&self, time: Duration) {
        let _ = self.has_ended.recv_timeout(time);
    }
}

impl ExchangePrinter {
    /// Starts the thread.
    ///
    /// # Errors
    /// The kernel gave none.
    pub(crate) fn start(self, stop: StopAsker) -> io::Result<(ExchangeSender, Printing)> {
        let (sender, receiver) = exchange_queue(WAITING_MAX);
        let (at_work, has_ended) = sync_channel::<()>(0);
        thread::Builder::new()
            .name("ocspry-printer".to_owned())
            .spawn(move || {
                self.run(&receiver, &stop);
                drop(at_work);
            })?;
        Ok((sender, Printing { has_ended }))
    }

    fn run(mut self, receiver: &ExchangeReceiver, stop: &StopAsker) {
        let mut answered = 0;
        let mut is_printing = true;
        while let Some(exchange) = receiver.next() {
            let lost = receiver.take_lost();
            if lost > 0 {
                warn!("{lost} requests were answered and not printed: the output is too slow");
            }
            if is_printing && let Err(error) = self.print(&exchange) {
                warn!("requests are not printed any more: {error}");
                is_printing = false;
            }
            answered += 1 + lost;
            if self.requests_max.is_some_and(|max| answered >= max) {
                stop.ask();
            }
        }
    }

    fn print(&mut self, exchange: &Exchange) -> io::Result<()> {
        let text = ocsp_text::exchange(exchange, self.prints_requests, self.prints_responses);
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}
