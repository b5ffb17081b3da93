//! Signals become wishes.  From: the kernel.  To: `control` (SIGHUP) and `serve` (SIGTERM, SIGINT).
//!
//! The end does not go through the control thread, which may be busy with a long list: whoever has the port closes it.
//! Before there is a port, nothing is under way, and the process ends at once.  A second SIGTERM or SIGINT means now: it
//! does not wait for requests in flight.  What a signal asks for is done first and logged aside: a log that takes nothing
//! stops no signal.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::aside::Aside;
use crate::control::Bell;

/// The first SIGTERM or SIGINT, for whoever has the port.
pub(crate) struct StopRequest {
    is_awaited: Arc<AtomicBool>,
    received: Receiver<()>,
    asker: StopAsker,
}

/// Asks for the end as a signal does, from within.
#[derive(Clone, Debug)]
pub(crate) struct StopAsker(SyncSender<()>);

impl StopAsker {
    /// Returns at once; to ask twice is to ask once.
    pub(crate) fn ask(&self) {
        let _ = self.0.try_send(());
    }
}

impl StopRequest {
    /// From here on somebody will [`StopRequest::wait`]; before, the signal ends the process.
    pub(crate) fn will_be_awaited(&self) {
        self.is_awaited.store(true, Ordering::SeqCst);
    }

    /// For whoever knows from within when to end.
    pub(crate) fn asker(&self) -> StopAsker {
        self.asker.clone()
    }

    /// Returns when the signal has come.
    pub(crate) fn wait(&self) {
        let _ = self.received.recv();
    }
}

/// Starts the thread that receives SIGHUP, SIGTERM and SIGINT.  They are caught from the moment this returns.
///
/// # Errors
/// The kernel gave no thread or no signal handler.
pub(crate) fn receive(bell: Bell, aside: Aside) -> io::Result<StopRequest> {
    let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
    let (mut hangup, mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::hangup())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    // One is enough: the second does not wait.
    let (stop, received) = sync_channel(1);
    let is_awaited = Arc::new(AtomicBool::new(false));
    let request = StopRequest {
        is_awaited: Arc::clone(&is_awaited),
        received,
        asker: StopAsker(stop.clone()),
    };
    thread::Builder::new()
        .name("ocspry-signals".to_owned())
        .spawn(move || {
            let _end = EndProcessOnPanic;
            runtime.block_on(async move {
                let mut stopping = false;
                loop {
                    let (stops, name) = tokio::select! {
                        Some(()) = hangup.recv() => (false, "SIGHUP"),
                        Some(()) = terminate.recv() => (true, "SIGTERM"),
                        Some(()) = interrupt.recv() => (true, "SIGINT"),
                        else => return,
                    };
                    let received = move || info!("{name} received");
                    if !stops {
                        bell.ask_for_reload();
                        aside.say(received);
                    } else if stopping {
                        aside.say(received);
                        aside.say_last(|| warn!("second signal: requests in flight are cut"));
                        process::exit(1);
                    } else if is_awaited.load(Ordering::SeqCst) {
                        stopping = true;
                        // Handed over, not written: it comes before what is said of the end.
                        aside.say(received);
                        let _ = stop.try_send(());
                    } else {
                        aside.say(received);
                        aside.say_last(|| info!("stopped before the port was open"));
                        process::exit(0);
                    }
                }
            });
        })?;
    Ok(request)
}

/// On a thread that the program cannot do without: a program that no longer hears signals, or no longer sees its files
/// change, must not go on as if it did.
pub(crate) struct EndProcessOnPanic;

impl Drop for EndProcessOnPanic {
    fn drop(&mut self) {
        if thread::panicking() {
            process::exit(101);
        }
    }
}
