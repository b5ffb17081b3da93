//! Signals become events.  From: the kernel.  To: `control`.
//!
//! A second SIGTERM or SIGINT means now: it does not wait for requests in flight.

use std::io;
use std::process;
use std::sync::mpsc::SyncSender;
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::control::Event;

/// Starts the thread that receives SIGHUP, SIGTERM and SIGINT.  They are caught from the moment this returns.
///
/// # Errors
/// The kernel gave no thread or no signal handler.
pub(crate) fn forward(events: SyncSender<Event>) -> io::Result<()> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut hangup, mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::hangup())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    thread::Builder::new()
        .name("ocspry-signals".to_owned())
        .spawn(move || {
            let _end = EndProcessOnPanic;
            runtime.block_on(async move {
                let mut stopping = false;
                loop {
                    let (event, name) = tokio::select! {
                        Some(()) = hangup.recv() => (Event::Reload, "SIGHUP"),
                        Some(()) = terminate.recv() => (Event::Stop, "SIGTERM"),
                        Some(()) = interrupt.recv() => (Event::Stop, "SIGINT"),
                        else => return,
                    };
                    info!("{name} received");
                    if matches!(event, Event::Stop) {
                        if stopping {
                            warn!("second signal: requests in flight are cut");
                            process::exit(1);
                        }
                        stopping = true;
                    }
                    // The kernel folds repeated signals into one, so waiting for room here cannot pile up anything; and
                    // when nobody listens any more, the program is at its end.
                    if events.send(event).is_err() && !stopping {
                        return;
                    }
                }
            });
        })?;
    Ok(())
}

/// A program that no longer hears signals must not go on as if it did.
struct EndProcessOnPanic;

impl Drop for EndProcessOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            process::exit(101);
        }
    }
}
