//! The real binary as a child: started, waited for by its own line, listened to, signalled, and gone on drop.
//!
//! A test names the program by `env!("CARGO_BIN_EXE_ocspry")`.  Ready means the line `listening on http://…/` on
//! stdout; nothing here waits by the clock alone.

use crate::http::HttpClient;
use crate::namespace::Namespace;
use crate::wait::wait_for_some;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{BufRead as _, BufReader, PipeWriter, Read};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for the binary to listen or to end, on a machine that has more to do.
const START_WAIT_MAX: Duration = Duration::from_secs(120);
/// Start of the line that names an address.
const LISTENING: &str = "listening on http://";

/// A command line of the binary under test.
#[derive(Debug)]
pub struct Ocspry<'a> {
    program: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    directory: Option<PathBuf>,
    namespace: Option<&'a Namespace>,
    stderr: Option<PipeWriter>,
    socket: Option<TcpListener>,
}

impl<'a> Ocspry<'a> {
    /// The program at `program`, without the state directories and settings of the user who runs the tests.
    pub fn new(program: impl AsRef<Path>) -> Ocspry<'a> {
        Ocspry {
            program: program.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            namespace: None,
            stderr: None,
            socket: None,
        }
    }

    /// Hands it this socket, as systemd does: file descriptor 3, with LISTEN_FDS and LISTEN_PID.
    #[must_use]
    pub fn socket(mut self, socket: &TcpListener) -> Ocspry<'a> {
        self.socket = Some(socket.try_clone().expect("a socket can be shared"));
        self
    }

    /// One more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Ocspry<'a> {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// More arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Ocspry<'a> {
        self.arguments.extend(
            arguments
                .into_iter()
                .map(|argument| argument.as_ref().to_owned()),
        );
        self
    }

    /// An environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Ocspry<'a> {
        self.environment
            .push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// The working directory.
    #[must_use]
    pub fn directory(mut self, directory: &Path) -> Ocspry<'a> {
        self.directory = Some(directory.to_owned());
        self
    }

    /// Runs inside a network namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: &'a Namespace) -> Ocspry<'a> {
        self.namespace = Some(namespace);
        self
    }

    /// Logs into this pipe, whose other end the test holds, instead of one that is read here.
    #[must_use]
    pub fn stderr(mut self, pipe: PipeWriter) -> Ocspry<'a> {
        self.stderr = Some(pipe);
        self
    }

    /// Starts the binary and waits until it listens; panics with its output when it ends instead.
    pub fn start(self) -> OcspryProcess {
        let mut child = self.spawn();
        let outputs = Outputs::of(&mut child);
        let mut process = OcspryProcess {
            child,
            port: 0,
            outputs,
        };
        let line = process
            .outputs
            .stdout
            .wait_for(LISTENING, 0, START_WAIT_MAX)
            .unwrap_or_else(|| {
                let _ = process.child.kill();
                process.outputs.join();
                panic!(
                    "ocspry {:?} does not listen\n{}",
                    self.arguments, process.outputs
                )
            });
        process.port = port_of(&line);
        process
    }

    /// Runs the binary to its end; panics when it does not end in time.
    pub fn run(self) -> Finished {
        let mut child = self.spawn();
        let mut outputs = Outputs::of(&mut child);
        outputs
            .finish(&mut child, START_WAIT_MAX)
            .unwrap_or_else(|| {
                let _ = child.kill();
                let _ = child.wait();
                panic!("ocspry {:?} does not end\n{outputs}", self.arguments)
            })
    }

    fn spawn(&self) -> Child {
        let mut command = match (self.namespace, &self.socket) {
            (Some(namespace), _) => namespace.command(&self.program),
            (None, None) => Command::new(&self.program),
            (None, Some(_)) => {
                // A shell moves the socket, and knows the process id that the program will have.
                const HAND_OVER: &str = "LISTEN_FDS=1 LISTEN_PID=$$ exec \"$@\" 3<&0 0</dev/null";
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", HAND_OVER, "sh"]).arg(&self.program);
                shell
            }
        };
        command.args(&self.arguments);
        for name in [
            "STATE_DIRECTORY",
            "RUNTIME_DIRECTORY",
            "XDG_STATE_HOME",
            "HOME",
            "OCSPRY_LOG",
            "OCSPRY_LEDGER",
            "OCSPRY_AUDIT",
            "JOURNAL_STREAM",
            "CREDENTIALS_DIRECTORY",
            "NOTIFY_SOCKET",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
            "LISTEN_FDS",
            "LISTEN_PID",
        ] {
            command.env_remove(name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        command
            .stdin(match &self.socket {
                Some(socket) => {
                    let socket = socket.try_clone().expect("a socket can be shared");
                    OwnedFd::from(socket).into()
                }
                None => Stdio::null(),
            })
            .stdout(Stdio::piped())
            .stderr(match &self.stderr {
                Some(pipe) => pipe.try_clone().expect("a pipe can be shared").into(),
                None => Stdio::piped(),
            });
        command
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.program.display()))
    }
}

/// How the binary ended, and what it said.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code; None after a signal.
    pub code: Option<i32>,
    /// All of stdout.
    pub stdout: String,
    /// All of stderr.
    pub stderr: String,
}

/// Signals a test sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TerminationSignal {
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
    /// SIGHUP: read everything again.
    Reload,
}

/// A place in the log: what was there when it was taken does not count.
#[derive(Clone, Copy, Debug)]
pub struct LogMark(usize);

/// The binary, listening.
#[derive(Debug)]
pub struct OcspryProcess {
    child: Child,
    port: u16,
    outputs: Outputs,
}

impl OcspryProcess {
    /// The port of the first address it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `http://127.0.0.1:PORT/`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// A new connection to it.
    pub fn connect(&self) -> HttpClient {
        HttpClient::connect(self.port).expect("ocspry accepts connections")
    }

    /// All of stdout so far.
    pub fn stdout(&self) -> String {
        self.outputs.stdout.text()
    }

    /// All of stderr (the log) so far.
    pub fn log(&self) -> String {
        self.outputs.stderr.text()
    }

    /// Waits for a log line that contains `part` and returns it; panics with the whole log when none comes.
    pub fn wait_for_log(&self, part: &str, wait_max: Duration) -> String {
        self.wait_for_log_after(LogMark(0), part, wait_max)
    }

    /// The end of the log as it is now.
    pub fn log_mark(&self) -> LogMark {
        LogMark(self.outputs.stderr.count())
    }

    /// As [`OcspryProcess::wait_for_log`], for a line that came after `mark` was taken.
    pub fn wait_for_log_after(&self, mark: LogMark, part: &str, wait_max: Duration) -> String {
        self.outputs
            .stderr
            .wait_for(part, mark.0, wait_max)
            .unwrap_or_else(|| {
                panic!(
                    "no log line with {part:?} after line {} of:\n{}",
                    mark.0,
                    self.log()
                )
            })
    }

    /// Waits for a line on stdout that contains `part`.
    pub fn wait_for_stdout(&self, part: &str, wait_max: Duration) -> String {
        self.outputs
            .stdout
            .wait_for(part, 0, wait_max)
            .unwrap_or_else(|| panic!("no line with {part:?} on stdout:\n{}", self.stdout()))
    }

    /// How many log lines contain `part` so far.
    pub fn log_count(&self, part: &str) -> usize {
        self.log()
            .lines()
            .filter(|line| line.contains(part))
            .count()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: TerminationSignal) {
        let signal = match signal {
            TerminationSignal::Terminate => rustix::process::Signal::TERM,
            TerminationSignal::Interrupt => rustix::process::Signal::INT,
            TerminationSignal::Reload => rustix::process::Signal::HUP,
        };
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).expect("the child runs");
    }

    /// Waits for the end; panics when it does not come within `wait_max`.
    pub fn finish(mut self, wait_max: Duration) -> Finished {
        self.outputs
            .finish(&mut self.child, wait_max)
            .unwrap_or_else(|| panic!("still running after {wait_max:?}:\n{}", self.log()))
    }

    /// SIGTERM, then the end.
    pub fn stop(self) -> Finished {
        self.signal(TerminationSignal::Terminate);
        self.finish(Duration::from_secs(15))
    }
}

impl Drop for OcspryProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both pipes, read by one thread each.
#[derive(Debug)]
pub(crate) struct Outputs {
    stdout: Arc<Lines>,
    stderr: Arc<Lines>,
    readers: Vec<JoinHandle<()>>,
}

impl Outputs {
    /// Follows the pipes that the child has; one that goes elsewhere is empty here.
    pub(crate) fn of(child: &mut Child) -> Outputs {
        let stdout = Arc::new(Lines::default());
        let stderr = Arc::new(Lines::default());
        let mut readers = Vec::new();
        match child.stdout.take() {
            Some(pipe) => readers.push(Lines::follow(&stdout, pipe)),
            None => stdout.end(),
        }
        match child.stderr.take() {
            Some(pipe) => readers.push(Lines::follow(&stderr, pipe)),
            None => stderr.end(),
        }
        Outputs {
            stdout,
            stderr,
            readers,
        }
    }

    /// Waits for a line on stdout that contains `part`.
    pub(crate) fn wait_for_line(&self, part: &str, wait_max: Duration) -> Option<String> {
        self.stdout.wait_for(part, 0, wait_max)
    }

    /// As [`Outputs::wait_for_line`], not counting the first `seen` lines; with how many lines there are up to it.
    pub(crate) fn next_line(
        &self,
        part: &str,
        seen: usize,
        wait_max: Duration,
    ) -> Option<(String, usize)> {
        self.stdout.next(part, seen, wait_max)
    }

    /// Reads both pipes to their end and collects the child; None when that takes longer than `wait_max`.
    pub(crate) fn finish(&mut self, child: &mut Child, wait_max: Duration) -> Option<Finished> {
        let deadline = Instant::now() + wait_max;
        if !(self.stdout.wait_for_end(deadline) && self.stderr.wait_for_end(deadline)) {
            return None;
        }
        // A process may close its pipes and run on.
        let left = deadline.saturating_duration_since(Instant::now());
        let status = wait_for_some(left, || child.try_wait().expect("the child is ours"))?;
        self.join();
        Some(Finished {
            code: status.code(),
            stdout: self.stdout.text(),
            stderr: self.stderr.text(),
        })
    }

    fn join(&mut self) {
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
    }
}

impl fmt::Display for Outputs {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "stdout:\n{}\nstderr:\n{}",
            self.stdout.text(),
            self.stderr.text()
        )
    }
}

/// The lines of one pipe so far.
#[derive(Debug, Default)]
struct Lines {
    state: Mutex<LinesState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LinesState {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    fn follow(lines: &Arc<Lines>, pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let lines = Arc::clone(lines);
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n') {
                let Ok(line) = line else { break };
                let line = String::from_utf8_lossy(&line).into_owned();
                lines
                    .state
                    .lock()
                    .expect("no panic under this lock")
                    .lines
                    .push(line);
                lines.changed.notify_all();
            }
            lines.end();
        })
    }

    fn end(&self) {
        self.state.lock().expect("no panic under this lock").ended = true;
        self.changed.notify_all();
    }

    fn count(&self) -> usize {
        let state = self.state.lock().expect("no panic under this lock");
        state.lines.len()
    }

    /// The first line with `part` in it, not counting the first `seen` lines.
    fn wait_for(&self, part: &str, seen: usize, wait_max: Duration) -> Option<String> {
        self.next(part, seen, wait_max).map(|(line, _)| line)
    }

    /// The same with how many lines there are up to it.
    fn next(&self, part: &str, mut seen: usize, wait_max: Duration) -> Option<(String, usize)> {
        let deadline = Instant::now() + wait_max;
        let mut state = self.state.lock().expect("no panic under this lock");
        loop {
            while let Some(line) = state.lines.get(seen) {
                seen += 1;
                if line.contains(part) {
                    return Some((line.clone(), seen));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .expect("no panic under this lock")
                .0;
        }
    }

    fn wait_for_end(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock().expect("no panic under this lock");
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .expect("no panic under this lock")
                .0;
        }
        true
    }

    fn text(&self) -> String {
        let state = self.state.lock().expect("no panic under this lock");
        let mut text = state.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        text
    }
}

/// The port in `listening on http://ADDR:PORT/`.
fn port_of(line: &str) -> u16 {
    let address = line
        .split(LISTENING)
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    address
        .and_then(|address| address.rsplit(':').next())
        .and_then(|port| port.parse().ok())
        .unwrap_or_else(|| panic!("no port in {line:?}"))
}
