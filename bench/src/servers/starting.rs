//! How a child is started and waited for: on core 0, leader of its process group, ended with this program whatever happens.
//!
//! From: a file for each rival.  To: a `Server` that has answered right.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::server::Server;

/// How long a server may take to its first right answer.
const START_MAX: Duration = Duration::from_secs(30);
/// How often it is asked until then.
const ASKED_AGAIN_AFTER: Duration = Duration::from_millis(5);
/// Another process may take a port that was free a moment ago.
const TRIES: usize = 4;

/// The program on core 0.  The kernel ends it when this program ends, also when that is killed.
pub fn on_core_0(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "TERM", "taskset", "-c", "0"])
        .arg(program)
        .stdin(Stdio::null())
        .process_group(0);
    command
}

/// Starts it; what it says goes to a file in the directory.
pub fn spawn_with_log(command: &mut Command, log: &Path) -> Result<Child> {
    let file = std::fs::File::create(log).with_context(|| log.display().to_string())?;
    command
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))
}

/// Starts one that must be told a port; again with another one if it does not come up.
///
/// # Errors
/// What it said last.
pub fn on_a_free_port(
    name: &'static str,
    log: &Path,
    command: impl Fn(u16) -> Result<Command>,
    answers: impl Fn(u16) -> Result<()>,
) -> Result<Server> {
    let mut last = None;
    for _ in 0..TRIES {
        let port = free_port()?;
        let child = spawn_with_log(&mut command(port)?, log)?;
        let mut server = Server::leading(name, port, child);
        match wait_until_it_answers(&mut server, &answers) {
            Ok(()) => return Ok(server),
            Err(error) => {
                // One that runs has its port: another one would change nothing.
                let runs = !server.has_ended();
                let said = std::fs::read_to_string(log).unwrap_or_default();
                let said: Vec<&str> = said.lines().rev().take(3).collect();
                last = Some(error.context(said.join(" | ")));
                if runs {
                    break;
                }
            }
        }
    }
    Err(last.context("no try")?)
}

/// Starts one that finds a port itself and says it in a line on its standard output.
pub fn says_its_port(
    name: &'static str,
    command: &mut Command,
    port_of: impl Fn(&str) -> Option<u16>,
    answers: impl Fn(u16) -> Result<()>,
) -> Result<Server> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let stdout = child.stdout.take().context("piped")?;
    let mut server = Server::leading(name, 0, child);
    let mut said = String::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if let Some(port) = port_of(&line) {
            server.port = port;
            wait_until_it_answers(&mut server, &answers)?;
            return Ok(server);
        }
        said += &line;
    }
    bail!("{name} does not say where it listens: {said}")
}

fn wait_until_it_answers(server: &mut Server, answers: &impl Fn(u16) -> Result<()>) -> Result<()> {
    let started = Instant::now();
    loop {
        let error = match answers(server.port) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if server.has_ended() {
            return Err(error.context(format!("{} has ended", server.name)));
        }
        if started.elapsed() > START_MAX {
            return Err(error.context(format!("{} does not answer right", server.name)));
        }
        std::thread::sleep(ASKED_AGAIN_AFTER);
    }
}

/// A port that nobody has now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
