//! `ocspry serve`: from flags or a file to a running responder, and to its orderly end.
//!
//! From: `main` (or `demo`).  To: `control`, on a thread of its own; this one waits for the signal that ends it all.  The
//! order matters: whatever changes after it was read is seen, everything is checked before the port opens, and systemd
//! hears READY when answers can be had.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use arc_swap::ArcSwap;
use ocspry_core::{Clock, SystemClock};
use ocspry_http::{
    Admin, AdminError, AdminState, Limits, Listeners, Server, ServerOptions, StateKept,
};
use sd_notify::NotifyState;
use tracing::{info, warn};

use crate::aside::Aside;
use crate::assemble::{self, Assembly};
use crate::audit::{AUDIT, AuditStream};
use crate::clock_watch::{ClockWatch, Reading};
use crate::config::{Config, ConfigOrigin, Environment, PortSharing, ServeFlags, SocketChoice};
use crate::control::{self, Bell, Control};
use crate::control_command::CommandQueue;
use crate::control_socket::ControlSocket;
use crate::exchange_printer::ExchangePrinter;
use crate::file_stamp::FileStamps;
use crate::log_output::LogOutput;
use crate::request_log::RequestLog;
use crate::signals::EndProcessOnPanic;
use crate::watchdog::Watchdog;
use crate::{
    descriptors, inherited_sockets, issuer_report, process_usage, report, signals, summary,
};

/// Requests in flight get this long to finish when the program stops.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// Pages of the admin listener that are under way get this long, when all else has ended.
const ADMIN_DRAIN_TIME: Duration = Duration::from_millis(500);

/// A look at the files that is under way when the program stops gets this long to finish.
const LAST_LOOK_TIME: Duration = Duration::from_secs(2);

/// What was answered last gets this long to be printed.
const PRINT_TIME: Duration = Duration::from_secs(2);

/// What a missing state directory means.
const FORGOTTEN: &str = "the last good CRL and the newest thisUpdate are forgotten at a restart";

/// How to serve, beside what the configuration says.
pub(crate) struct Manner {
    /// Threads that answer; None: one for each processor.
    pub(crate) workers: Option<usize>,
    /// The bounds of the listener.
    pub(crate) limits: Limits,
    /// Who prints and counts the requests, if somebody does.
    pub(crate) printer: Option<ExchangePrinter>,
    /// Where the start is told.
    pub(crate) start: StartLines,
}

/// Where the start is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartLines {
    /// All of it on standard output.
    Summary,
    /// On standard output what `openssl ocsp` says there, the rest on standard error.
    Accept,
}

impl Manner {
    /// As `serve` does.
    pub(crate) const USUAL: Manner = Manner {
        workers: None,
        limits: Limits::DEFAULT,
        printer: None,
        start: StartLines::Summary,
    };
}

/// Serves until told to stop.
///
/// # Errors
/// One line for each thing that keeps it from starting.
pub(crate) fn run(flags: ServeFlags) -> Result<ExitCode> {
    serve(ConfigOrigin::from_flags(flags), |_| String::new())
}

/// Serves; `more` adds to the start-up summary, knowing the addresses.
pub(crate) fn serve(
    origin: ConfigOrigin,
    more: impl FnOnce(&[SocketAddr]) -> String,
) -> Result<ExitCode> {
    serve_in(origin, Manner::USUAL, more)
}

/// Serves in this manner.
pub(crate) fn serve_in(
    origin: ConfigOrigin,
    manner: Manner,
    more: impl FnOnce(&[SocketAddr]) -> String,
) -> Result<ExitCode> {
    let Manner {
        workers,
        limits,
        printer,
        start,
    } = manner;
    let inherited = inherited_sockets::take()?;
    let (bell, calls) = Bell::new();
    let aside = Aside::start().context("the thread for log lines cannot be started")?;
    let stop =
        signals::receive(bell.clone(), aside.clone()).context("signals cannot be received")?;
    let environment = Environment::of_process();
    let config = match origin.load(&environment, SystemClock.now()) {
        Ok(config) => config,
        Err(problems) => {
            // Nobody may be reading.
            let _ = writeln!(anstream::stderr(), "{}", problems.render());
            return Ok(ExitCode::FAILURE);
        }
    };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // Before the lists are read, which may take a while: it says that the program lives, and is not ready.
    let admin_state = AdminState::new(
        env!("CARGO_PKG_VERSION"),
        Arc::clone(&clock),
        summary::crl_number,
    );
    let admin_state = Arc::new(admin_state.with_usage(process_usage::now));
    let audit = AuditStream::start(config.audit_file.as_deref(), admin_state.counts())
        .context("the thread that writes the audit file cannot be started")?;
    let log = LogOutput::install(
        config.log_file.as_deref(),
        config.log_format,
        admin_state.counts(),
        audit.layer(),
    )?;
    info!(
        target: AUDIT,
        event = "started",
        version = env!("CARGO_PKG_VERSION"),
        pid = std::process::id(),
        configuration_sha256 = config.file_sha256.as_deref(),
    );
    let admin = start_admin(config.admin, &admin_state)?;
    let (state, state_error) = assemble::open_state(&config.state)?;
    admin_state.keeps(StateKept {
        directory: state
            .as_ref()
            .map(|state| state.path().display().to_string()),
        problem: state_error.as_ref().map(ToString::to_string),
    });
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let pool = assemble::start_signing_pool(processors, config.patience)
        .context("the signing threads cannot be started")?;
    // Lists and keys are watched before they are read; what was read above is compared at the first look.
    let watch = control::watch(&config, &bell);
    let downloads = assemble::start_downloads(&config, state.as_deref(), &bell, &clock)
        .context("the thread for downloads cannot be started")?;
    let now = clock.now();
    let Assembly {
        responder,
        mut issuers,
        first_looks,
        ledger,
    } = assemble::assemble(&config, state.as_ref(), downloads.as_ref(), &pool, now)?;
    if !issuers
        .iter()
        .zip(&first_looks)
        .any(|(running, look)| running.can_answer() || look.causes(running).is_empty())
    {
        // A warning may well name the cause.
        for warning in &config.warnings {
            warn!("{warning}");
        }
        let mut lines = String::new();
        for (running, look) in issuers.iter().zip(&first_looks) {
            for (_, cause) in look.causes(running) {
                let _ = writeln!(lines, "error: issuer {}: {cause}", running.config.name);
            }
        }
        bail!("{}", lines.trim_end());
    }
    let workers = workers.unwrap_or(processors);
    let connections_max = descriptors::allow(limits.connections_max, workers);
    let limits = limits
        .with_connections_max(connections_max)
        .with_signatures_within(responder.longest());
    let listeners = match (inherited, config.port_sharing) {
        (Some(sockets), _) => Listeners::inherit(sockets, workers)
            .context("the sockets of LISTEN_FDS cannot be used")?,
        (None, PortSharing::Beside) => Listeners::bind_beside(&config.listen, workers)?,
        (None, PortSharing::Alone) => Listeners::bind(&config.listen, workers)?,
    };
    let responder = Arc::new(ArcSwap::from_pointee(responder));
    stop.will_be_awaited();
    let (queue, commands) = CommandQueue::new(bell.clone());
    // From here on a signal does not end the process by itself, so that the file goes at the end.
    let state_path = state.as_ref().map(|state| state.path());
    let control_socket = open_control_socket(&config, &environment, state_path, queue)?;
    let printing = printer
        .map(|printer| printer.start(stop.asker()))
        .transpose()
        .context("the thread that prints requests cannot be started")?;
    let (exchanges, printing) = printing.unzip();
    let requests = config
        .request_log
        .as_ref()
        .map(|log| RequestLog::start(log, admin_state.counts()))
        .transpose()?;
    let (request_log, requests) = requests.unzip();
    let server = Server::start(
        listeners,
        Arc::clone(&responder),
        Arc::clone(&clock),
        ServerOptions {
            limits,
            exchanges,
            request_log,
            endpoint_paths: config.endpoint_paths.clone(),
            trusted: config.trusted.clone(),
        },
    )?;
    admin_state.publish(issuer_report::take(&mut issuers, now));
    admin_state.serving(server.meter());
    let addresses = server.local_addresses().to_vec();
    for warning in &config.warnings {
        warn!("{warning}");
    }
    match (&state, state_error) {
        (Some(_), _) => {}
        (None, Some(error)) => warn!("no state directory: {error}; {FORGOTTEN}"),
        (None, None) => warn!("no state directory: give --state-dir DIR; {FORGOTTEN}"),
    }
    // They end here: what they found would stay in memory beside what takes its place.
    for (running, look) in issuers.iter().zip(first_looks) {
        report::first_look(running, &look, now);
    }
    info!(
        "serving {} issuer(s) on {}",
        issuers.len(),
        control::join(&addresses)
    );
    let text = start_text(
        &summary::text(&issuers, state_path, now),
        &addresses,
        admin.as_ref().map(Admin::local_address),
        &more(&addresses),
    );
    // Nobody may be reading: that is no reason not to serve.
    let _ = match start {
        StartLines::Summary => io::stdout().lock().write_all(text.as_bytes()),
        StartLines::Accept => io::stderr()
            .lock()
            .write_all(text.as_bytes())
            .and_then(|()| {
                io::stdout()
                    .lock()
                    .write_all(accept_lines(&addresses).as_bytes())
            }),
    };
    notify(&[NotifyState::Ready]);
    let watchdog = Watchdog::start(server.meter())
        .context("the thread that feeds the watchdog cannot be started")?;

    let structure = config.structure.clone();
    let last_call = bell.clone();
    let (at_work, has_ended) = sync_channel::<()>(0);
    let clock_watch = ClockWatch::new(Reading::take(clock.as_ref()));
    if let Some(ledger) = &ledger {
        ledger
            .start(Arc::clone(&clock), bell.clone())
            .context("the thread that follows the ledger cannot be started")?;
    }
    let mut control = Control {
        ledger,
        origin,
        environment,
        config_at_start: config.clone(),
        config,
        clock,
        log,
        audit: audit.clone(),
        state,
        downloads,
        responder,
        issuers,
        bell,
        commands,
        watch,
        structure,
        refused: FileStamps::default(),
        retired: Vec::new(),
        admin: Arc::clone(&admin_state),
        clock_watch,
        looked: Instant::now(),
    };
    thread::Builder::new()
        .name("ocspry-control".to_owned())
        .spawn(move || {
            let _end = EndProcessOnPanic;
            control.run(&calls);
            drop(at_work);
        })
        .context("the control thread cannot be started")?;
    stop.wait();

    admin_state.stopping();
    // From here on systemd counts the time until the end, and workers end one by one.
    drop(watchdog);
    drop(control_socket);
    // Nothing that is said may hold up the end.
    aside.say(|| {
        notify(&[NotifyState::Stopping]);
        info!(
            "stopping: requests in flight have {} s",
            DRAIN_TIME.as_secs()
        );
    });
    let drained = server.drain(DRAIN_TIME);
    // A list that was answered from is written to the state directory a moment after; a control thread that hangs on a
    // file does not hold up the end.
    last_call.ask_for_end();
    if has_ended.recv_timeout(LAST_LOOK_TIME) == Err(RecvTimeoutError::Timeout) {
        aside.say(|| {
            warn!(
                "stopped in the middle of a look at the files: a list that just came into use may not have been kept"
            );
        });
    }
    if let Some(admin) = admin {
        admin.stop(ADMIN_DRAIN_TIME);
    }
    if let Some(printing) = printing {
        printing.finish(PRINT_TIME);
    }
    if let Some(requests) = requests {
        requests.finish(PRINT_TIME);
    }
    info!(target: AUDIT, event = "stopped");
    audit.finish();
    aside.say_last(move || match drained.connections_cut {
        0 => info!("stopped"),
        cut => warn!("stopped: {cut} connections were still busy and were cut"),
    });
    Ok(ExitCode::SUCCESS)
}

/// Opens the control socket, if there is to be one.  One that was found in the environment and cannot be made is a
/// warning, not an end.
fn open_control_socket(
    config: &Config,
    environment: &Environment,
    state: Option<&Path>,
    queue: CommandQueue,
) -> Result<Option<ControlSocket>> {
    let bound = match SocketChoice::of(config, environment, state) {
        SocketChoice::Named(path) => ControlSocket::bind(&path)?,
        SocketChoice::Default(path) => match ControlSocket::bind(&path) {
            Ok(bound) => bound,
            Err(error) => {
                warn!(
                    "no control socket: {error}; `ocspry reload` does not reach this process, SIGHUP does"
                );
                return Ok(None);
            }
        },
        SocketChoice::Nowhere => return Ok(None),
    };
    let (socket, listener) = bound;
    ControlSocket::serve(listener, queue).context("the control socket cannot be served")?;
    info!("control socket at {}", socket.path().display());
    Ok(Some(socket))
}

/// Starts the admin listener, if there is to be one.
fn start_admin(
    address: Option<SocketAddr>,
    state: &Arc<AdminState>,
) -> Result<Option<Admin>, AdminError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let admin = Admin::start(address, Arc::clone(state))?;
    info!("admin listener at http://{}/", admin.local_address());
    Ok(Some(admin))
}

/// As `openssl ocsp` says it, for programs that wait for the line.
fn accept_lines(addresses: &[SocketAddr]) -> String {
    let process = std::process::id();
    addresses
        .iter()
        .map(|address| format!("ACCEPT {address} PID={process}\n"))
        .collect()
}

fn start_text(
    summary: &str,
    addresses: &[SocketAddr],
    admin: Option<SocketAddr>,
    more: &str,
) -> String {
    let mut text = format!("ocspry {}\n\n{summary}\n", env!("CARGO_PKG_VERSION"));
    for address in addresses {
        let _ = writeln!(text, "listening on http://{address}/");
    }
    if let Some(admin) = admin {
        let _ = writeln!(text, "admin listener at http://{admin}/");
    }
    text.push_str(more);
    text
}

/// Tells systemd, where there is one.
pub(crate) fn notify(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("the service manager cannot be told about a change of state: {error}");
    }
}
