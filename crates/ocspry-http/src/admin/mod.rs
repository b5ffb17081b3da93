//! The admin listener: what operators and their monitoring ask, on an address of its own (design.md §7, Admin).
//!
//! From: TCP.  To: `pages`, which make the dashboard, `/metrics`, `/healthz`, `/readyz` and `/status` from [`AdminState`].  It is control
//! plane: one thread with a runtime of its own, so that nothing here slows a worker, and plain reading, so that nothing
//! here changes one.  A connection carries one request and has one deadline for all of it; whatever a client does or does
//! not do, it is gone then.

mod dashboard;
mod pages;
mod problem_log;
mod program;
mod request_history;
mod snapshot;
mod state;
mod status;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, interval_at, sleep, timeout};

use crate::{ListenError, Listeners};

pub use program::{ProcessUsage, ProgramCounts, ReloadResult, StateKept};
pub use state::{
    AdminState, HoldReport, IssuerReport, LedgerLook, LedgerMeter, ListReport, NamedDeltaReport,
    OverlayReport, Problem, SourceReport,
};

/// Open connections; one more is closed at once.
const CONNECTIONS_MAX: usize = 32;
/// How long a connection may take from accept to close.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// A minute of the request history.
const MINUTE: Duration = Duration::from_secs(60);
/// How often it is looked whether something is wrong, beside each time that files were looked at.
const PROBLEM_INTERVAL: Duration = Duration::from_secs(2);
/// How long accepting rests after an error (no file descriptors, no memory).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The running admin listener.  Dropped without [`Admin::stop`], it stops at once.
pub struct Admin {
    address: SocketAddr,
    stop: watch::Sender<Duration>,
    thread: JoinHandle<()>,
}

/// Why the admin listener does not start.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Its address cannot be had.
    #[error("admin listener (--admin, listen.admin): {0}")]
    Listen(#[from] ListenError),
    /// The kernel gave no thread or no event queue.
    #[error("the thread of the admin listener cannot be started: {0}")]
    Thread(#[from] io::Error),
}

impl Admin {
    /// Listens on `address` (port 0 takes a free one) and answers from `state`.
    ///
    /// # Errors
    /// [`AdminError`]; nothing is left behind then.
    pub fn start(address: SocketAddr, state: Arc<AdminState>) -> Result<Admin, AdminError> {
        let (addresses, workers) = Listeners::bind(&[address], 1)?.into_parts();
        let address = addresses.first().copied().unwrap_or(address);
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let listeners = {
            let _context = runtime.enter();
            let sockets = workers.into_iter().flatten();
            sockets
                .map(TcpListener::from_std)
                .collect::<io::Result<Vec<_>>>()?
        };
        let (stop, stopped) = watch::channel(Duration::ZERO);
        let thread = std::thread::Builder::new()
            .name("ocspry-admin".to_owned())
            .spawn(move || {
                // Panics of pages end in `serve`; one that comes here would leave a program that nobody can look into.
                let served = catch_unwind(AssertUnwindSafe(|| {
                    for listener in listeners {
                        runtime.block_on(serve(listener, &state, stopped.clone()));
                    }
                }));
                if served.is_err() {
                    tracing::error!("the admin listener panicked: the process stops");
                    std::process::abort()
                }
            })?;
        Ok(Admin {
            address,
            stop,
            thread,
        })
    }

    /// Where it listens, with the real port.
    pub fn local_address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the listener, lets what is under way finish within `time`, and joins the thread.
    pub fn stop(self, time: Duration) {
        self.stop.send_replace(time);
        // Who panicked has nothing left to wait for.
        let _ = self.thread.join();
    }
}

async fn serve(
    listener: TcpListener,
    state: &Arc<AdminState>,
    mut stop: watch::Receiver<Duration>,
) {
    let mut connections = JoinSet::new();
    let mut minutes = interval_at(Instant::now() + MINUTE, MINUTE);
    let mut problems = interval(PROBLEM_INTERVAL);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if connections.len() < CONNECTIONS_MAX => {
                    connections.spawn(answer(stream, Arc::clone(state)));
                }
                Ok((_over_the_cap, _)) => {}
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            // A panic ended no more than its connection, and was logged where it happened.
            Some(_) = connections.join_next() => {}
            _ = minutes.tick() => state.end_minute(),
            _ = problems.tick() => state.note_problems(),
            _ = stop.changed() => break,
        }
    }
    drop(listener);
    let time = *stop.borrow();
    let finish = async { while connections.join_next().await.is_some() {} };
    // Who is still busy then is cut.
    let _ = timeout(time, finish).await;
}

/// One connection, one request.
async fn answer(stream: TcpStream, state: Arc<AdminState>) {
    let service = service_fn(move |http_request| {
        let state = Arc::clone(&state);
        async move { Ok::<_, Infallible>(pages::respond(http_request, &state).await) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .header_read_timeout(None)
        .auto_date_header(false)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    // Cut or failed: the client knows, and nobody else needs to.
    let _ = timeout(CONNECTION_TIME, connection).await;
}
