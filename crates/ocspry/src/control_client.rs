//! How a verb tells a running `serve` what to do.  From: `cmd/`.  To: the control socket, and the reply as text or JSON.
//!
//! Nothing here waits without an end: connecting never blocks, and the reply has a deadline.

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{Args, ValueHint};
use rustix::io::Errno;
use thiserror::Error;

use crate::config::{Environment, sockets_of, usual_sockets};
use crate::control_command::{ControlCommand, ControlReply, REPLY_BYTES_MAX, Verdict};
use crate::control_socket::connect;
use crate::log_capture::{LineLevel, LogLine};

/// How a verb finds the running `serve`.
#[derive(Clone, Debug, Args)]
pub(crate) struct ControlFlags {
    /// Control socket of the running `serve`
    /// [default: $RUNTIME_DIRECTORY/control.sock, /run/ocspry/control.sock, the state directory's control.sock]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, conflicts_with = "config")]
    control_socket: Option<PathBuf>,

    /// Configuration file of the running `serve`, to find its control socket by
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<PathBuf>,

    /// Seconds to wait for the verdict
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,

    /// Print the reply as JSON
    #[arg(long)]
    json: bool,
}

/// Why there is no reply.
#[derive(Debug, Error)]
pub(crate) enum ControlError {
    /// Nobody listens at any of these.
    #[error("no running `ocspry serve` is reached: {}; is it running? its log names its control socket: give that with --control-socket PATH", tried.join("; "))]
    NotThere { tried: Vec<String> },
    /// There is no place to look at.
    #[error(
        "no control socket is known: give --control-socket PATH, or -c FILE with `control-socket` or `state-dir` in it"
    )]
    NowhereToLook,
    /// The socket is another user's.
    #[error(
        "the control socket {path} is not for this user (uid {uid}){owner}: run this as that user or as root"
    )]
    NotAllowed {
        path: PathBuf,
        uid: u32,
        owner: String,
    },
    /// It is there and takes no connection.
    #[error(
        "the control socket {path} takes no connection now: `ocspry serve` is stopped or busy; ask again later"
    )]
    NotAccepting { path: PathBuf },
    /// No reply in time.
    #[error(
        "no reply from {path} within {seconds} s: what was asked for may still be done, and its log will say so; --timeout SECONDS waits longer"
    )]
    Timeout { path: PathBuf, seconds: u64 },
    /// The connection ended without a whole reply.
    #[error("{path} ended the connection without a reply: did `ocspry serve` stop?")]
    CutOff { path: PathBuf },
    /// Not ours, or of a later version.
    #[error(
        "the reply of {path} cannot be understood ({source}): is that the control socket of another program or version?"
    )]
    NotUnderstood {
        path: PathBuf,
        source: serde_json::Error,
    },
    /// The system refused.
    #[error("the control socket {path} cannot be used: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Asks, prints the reply, and tells by the exit code whether it was done.
///
/// # Errors
/// There is no reply, and why.
pub(crate) fn run(flags: &ControlFlags, command: &ControlCommand) -> Result<ExitCode> {
    let environment = Environment::of_process();
    let sockets = match (&flags.control_socket, &flags.config) {
        (Some(path), _) => vec![path.clone()],
        (None, Some(config)) => sockets_of(config, &environment)?,
        (None, None) => usual_sockets(&environment),
    };
    let reply = ask(&sockets, command, Duration::from_secs(flags.timeout))?;
    print(&reply, flags.json);
    Ok(match reply.verdict {
        Verdict::Ok => ExitCode::SUCCESS,
        Verdict::InPart | Verdict::Nothing | Verdict::Refused | Verdict::Busy => ExitCode::FAILURE,
    })
}

/// Asks whoever listens at the first of these sockets.
fn ask(
    sockets: &[PathBuf],
    command: &ControlCommand,
    wait_max: Duration,
) -> Result<ControlReply, ControlError> {
    let (path, mut stream) = reach(sockets)?;
    let at_path = |source| ControlError::Io {
        path: path.to_owned(),
        source,
    };
    let timeout = || ControlError::Timeout {
        path: path.to_owned(),
        seconds: wait_max.as_secs(),
    };
    let cut_off = || ControlError::CutOff {
        path: path.to_owned(),
    };
    let deadline = Instant::now() + wait_max;
    let mut line = serde_json::to_vec(command).map_err(|error| at_path(error.into()))?;
    line.push(b'\n');
    stream.set_nonblocking(false).map_err(at_path)?;
    stream.set_write_timeout(Some(wait_max)).map_err(at_path)?;
    // Whoever is not let in is told so, and may find the connection closed before: the reply counts.
    let written = stream.write_all(&line);
    let mut reply = Vec::new();
    let mut part = [0; 16 << 10];
    let end = loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(timeout());
        }
        stream.set_read_timeout(Some(left)).map_err(at_path)?;
        let length = match stream.read(&mut part) {
            Ok(length) => length,
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => continue,
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Err(timeout()),
                io::ErrorKind::ConnectionReset => return Err(cut_off()),
                _ => return Err(at_path(error)),
            },
        };
        let end = part[..length].iter().position(|octet| *octet == b'\n');
        reply.extend_from_slice(&part[..length]);
        if let Some(end) = end {
            break reply.len() - length + end;
        }
        if length == 0 || reply.len() > REPLY_BYTES_MAX {
            return Err(match written {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => timeout(),
                Ok(()) | Err(_) => cut_off(),
            });
        }
    };
    serde_json::from_slice(&reply[..end]).map_err(|source| ControlError::NotUnderstood {
        path: path.to_owned(),
        source,
    })
}

/// The first socket where somebody listens.
fn reach(sockets: &[PathBuf]) -> Result<(&Path, UnixStream), ControlError> {
    let mut tried = Vec::new();
    for path in sockets {
        let error = match connect(path) {
            Ok(socket) => return Ok((path, UnixStream::from(socket))),
            Err(error) => error,
        };
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT) => tried.push(format!("{} is not there", path.display())),
            Some(Errno::CONNREFUSED) => {
                tried.push(format!("{} is there, but nobody listens", path.display()))
            }
            Some(Errno::ACCESS | Errno::PERM) => {
                return Err(ControlError::NotAllowed {
                    path: path.clone(),
                    uid: rustix::process::geteuid().as_raw(),
                    owner: owner_of(path),
                });
            }
            Some(Errno::AGAIN) => {
                return Err(ControlError::NotAccepting { path: path.clone() });
            }
            Some(_) | None => {
                return Err(ControlError::Io {
                    path: path.clone(),
                    source: error,
                });
            }
        }
    }
    Err(if tried.is_empty() {
        ControlError::NowhereToLook
    } else {
        ControlError::NotThere { tried }
    })
}

/// `, it belongs to uid 998`: of the socket, or of the nearest directory that can be seen.
fn owner_of(path: &Path) -> String {
    path.ancestors()
        .find_map(|path| path.symlink_metadata().ok())
        .map(|metadata| format!(", it belongs to uid {}", metadata.uid()))
        .unwrap_or_default()
}

/// Nobody may be reading: the exit code tells the verdict too.
fn print(reply: &ControlReply, as_json: bool) {
    if as_json {
        let text = serde_json::to_string_pretty(reply).unwrap_or_default();
        let _ = writeln!(io::stdout(), "{text}");
        return;
    }
    for line in &reply.lines {
        let text = text_of(line);
        let _ = match line.level {
            LineLevel::Error => writeln!(anstream::stderr(), "error: {text}"),
            LineLevel::Warn => writeln!(anstream::stderr(), "warning: {text}"),
            LineLevel::Info => writeln!(io::stdout(), "{text}"),
        };
    }
    for list in &reply.accepted {
        let number = list
            .crl_number
            .as_ref()
            .map(|number| format!(" {number}"))
            .unwrap_or_default();
        let _ = writeln!(
            io::stdout(),
            "accepted: CRL{number} of {}, thisUpdate {}, SHA-256 {}",
            list.path,
            list.this_update,
            list.sha256
        );
    }
}

/// `issuer NAME: MESSAGE (PATH)`; what the message says itself is not said again.
fn text_of(line: &LogLine) -> String {
    let mut text = String::new();
    if let Some(issuer) = &line.issuer {
        let _ = write!(text, "issuer {issuer}: ");
    }
    text += &line.message;
    if let Some(path) = line.path.as_ref().filter(|path| !text.contains(*path)) {
        let _ = write!(text, " ({path})");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    /// A server that reads one line and answers with this.
    fn answering(answer: &'static [u8]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut line = String::new();
            BufReader::new(&stream).read_line(&mut line).unwrap();
            (&stream).write_all(answer).unwrap();
        });
        (directory, path)
    }

    fn ask_one(path: &Path, wait_max: Duration) -> Result<ControlReply, ControlError> {
        ask(&[path.to_owned()], &ControlCommand::Reload {}, wait_max)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn every_place_that_was_tried_is_named_and_the_first_that_listens_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let (absent, dead) = (
            directory.path().join("absent"),
            directory.path().join("dead"),
        );
        drop(UnixListener::bind(&dead).unwrap());
        let sockets = [absent, dead];
        let error = ask(&sockets, &ControlCommand::Reload {}, LONG).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("/absent is not there"), "{error}");
        assert!(
            error.contains("/dead is there, but nobody listens"),
            "{error}"
        );
        let (_directory, path) = answering(b"{\"verdict\":\"ok\",\"lines\":[]}\n");
        let sockets = [&sockets[..], &[path]].concat();
        let reply = ask(&sockets, &ControlCommand::Reload {}, LONG).unwrap();
        assert_eq!(reply.verdict, Verdict::Ok);
        let error = ask(&[], &ControlCommand::Reload {}, LONG).unwrap_err();
        assert!(matches!(error, ControlError::NowhereToLook));
    }

    #[test]
    fn a_reply_that_is_cut_off_or_foreign_is_an_error() {
        for answer in [&b""[..], b"{\"verdict\":\"ok\""] {
            let (_directory, path) = answering(answer);
            let error = ask_one(&path, LONG).unwrap_err();
            assert!(matches!(error, ControlError::CutOff { .. }), "{error}");
        }
        for answer in [&b"hello\n"[..], b"{\"verdict\":\"maybe\",\"lines\":[]}\n"] {
            let (_directory, path) = answering(answer);
            let error = ask_one(&path, LONG).unwrap_err();
            assert!(
                matches!(error, ControlError::NotUnderstood { .. }),
                "{error}"
            );
        }
    }

    #[test]
    fn a_serve_that_does_not_answer_is_not_waited_for_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        // Nobody accepts: the kernel connects all the same.
        let _listener = UnixListener::bind(&path).unwrap();
        let error = ask_one(&path, Duration::from_millis(1)).unwrap_err();
        assert!(matches!(error, ControlError::Timeout { .. }), "{error}");
    }
}
