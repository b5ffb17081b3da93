//! The control socket: a Unix socket by which the operator tells a running `serve` what to do (design.md §7).
//!
//! From: `serve`, which binds it before the port is served.  To: `control`, through the queue of `control_command`.
//!
//! Who may: the file has mode 0600 from the moment it exists, and the kernel's word for the peer must be root or the user
//! that `serve` runs as.  One line in, one line out, then the connection ends.  A thread of its own, few connections, a
//! deadline for each step: a client that is silent, endless or gone holds up nobody, and answers are given elsewhere.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tracing::warn;

use crate::audit::AUDIT;
use crate::control_command::{
    COMMAND_BYTES_MAX, CommandQueue, ControlCommand, ControlPeer, ControlReply, STOPPING,
};
use crate::signals::EndProcessOnPanic;

/// What the bounds of the socket are.
const LIMITS: ControlLimits = ControlLimits {
    connections_max: 8,
    read_time: Duration::from_secs(10),
    work_time: Duration::from_secs(3600),
    write_time: Duration::from_secs(10),
};

/// Bounds of the control socket.
#[derive(Clone, Copy, Debug)]
struct ControlLimits {
    /// Connections at once; one more is told so and closed.
    connections_max: usize,
    /// From the accept to the end of the command's line.
    read_time: Duration,
    /// How long the control thread may work on a command.
    work_time: Duration,
    /// Until the client has taken the reply.
    write_time: Duration,
}

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: i32 = 16;

/// How long nothing is accepted after that failed: descriptors may come free.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Refused users are a line in the log once in this time.
const REFUSED_LINE_INTERVAL: Duration = Duration::from_secs(60);

/// Rounds of finding something in the way that is gone a moment later.
const TRIES_MAX: usize = 8;

/// Why there is no control socket.
#[derive(Debug, Error)]
pub(crate) enum ControlSocketError {
    /// Its path does not fit into an address.
    #[error(
        "the control socket {path} has too long a path: at most about 90 octets, give a shorter one (`control-socket`)"
    )]
    TooLong { path: PathBuf },
    /// Somebody answers there.
    #[error(
        "the control socket {path} is in use by a running process: give each `ocspry serve` its own (`control-socket`)"
    )]
    InUse { path: PathBuf },
    /// The file is not ours to replace.
    #[error(
        "the control socket {path} cannot be made: a file is there that is no socket: remove it, or give another path (`control-socket`)"
    )]
    NoSocket { path: PathBuf },
    /// The system refused.
    #[error(
        "the control socket {path} cannot be made: {source}: check that its directory exists and that this user may write there"
    )]
    Io { path: PathBuf, source: io::Error },
}

/// A socket file of ours; removed when this is dropped, if it still is ours.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl ControlSocket {
    /// Binds the path, and listens there.  What a dead process left behind is replaced.
    ///
    /// # Errors
    /// A living process has it, it is something else, or the system refuses.
    pub(crate) fn bind(
        path: &Path,
    ) -> Result<(ControlSocket, StdUnixListener), ControlSocketError> {
        let at_path = |source| ControlSocketError::Io {
            path: path.to_owned(),
            source,
        };
        if SocketAddrUnix::new(path).is_err() {
            return Err(ControlSocketError::TooLong {
                path: path.to_owned(),
            });
        }
        // Under another name first: a socket that is not listened at looks like that of a dead process.
        let new = Beside::new(path, "new");
        let listener = new
            .listen()
            .map_err(|error| match Errno::from_io_error(&error) {
                Some(Errno::NAMETOOLONG) => ControlSocketError::TooLong {
                    path: path.to_owned(),
                },
                Some(_) | None => at_path(error),
            })?;
        let metadata = fs::symlink_metadata(&new.path).map_err(at_path)?;
        for _ in 0..TRIES_MAX {
            // A link never replaces what is there.
            match fs::hard_link(&new.path, path) {
                Ok(()) => {
                    let socket = ControlSocket {
                        path: path.to_owned(),
                        identity: (metadata.dev(), metadata.ino()),
                    };
                    return Ok((socket, listener));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(at_path(error)),
            }
            match Occupant::of(path).map_err(at_path)? {
                Occupant::Nobody => {}
                Occupant::Living => {
                    return Err(ControlSocketError::InUse {
                        path: path.to_owned(),
                    });
                }
                Occupant::Other => {
                    return Err(ControlSocketError::NoSocket {
                        path: path.to_owned(),
                    });
                }
                Occupant::Dead => remove_dead(path).map_err(at_path)?,
            }
        }
        Err(at_path(io::ErrorKind::AlreadyExists.into()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Starts the thread that accepts connections; it ends with the process.
    ///
    /// # Errors
    /// The kernel gave no thread or no event queue.
    pub(crate) fn serve(listener: StdUnixListener, queue: CommandQueue) -> io::Result<()> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            UnixListener::from_std(listener)?
        };
        thread::Builder::new()
            .name("ocspry-socket".to_owned())
            .spawn(move || {
                let _end = EndProcessOnPanic;
                runtime.block_on(accept(&listener, &queue, LIMITS));
            })?;
        Ok(())
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == self.identity);
        if is_ours {
            // Left behind, it is that of a dead process.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A name in the same directory, free for this process alone; removed when this is dropped.
struct Beside {
    path: PathBuf,
}

impl Beside {
    fn new(path: &Path, what: &str) -> Beside {
        let path = path.with_file_name(format!(".ocspry-{}.{what}", process::id()));
        // Of a process that had this number before.
        let _ = fs::remove_file(&path);
        Beside { path }
    }

    fn listen(&self) -> io::Result<StdUnixListener> {
        let address = SocketAddrUnix::new(&self.path)?;
        let socket: OwnedFd = rustix::net::socket_with(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            None,
        )?;
        // Linux gives the file the mode of the socket: there is no moment in which it has another one.
        rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
        rustix::net::bind(&socket, &address)?;
        rustix::net::listen(&socket, BACKLOG)?;
        Ok(StdUnixListener::from(socket))
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Who has a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occupant {
    /// It is free.
    Nobody,
    /// A socket at which somebody listens.
    Living,
    /// A socket at which nobody listens.
    Dead,
    /// No socket.
    Other,
}

impl Occupant {
    /// Asks by connecting, which waits for nothing.
    fn of(path: &Path) -> io::Result<Occupant> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if metadata.file_type().is_socket() => {}
            Ok(_) => return Ok(Occupant::Other),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Occupant::Nobody),
            Err(error) => return Err(error),
        }
        match connect(path) {
            Ok(_) => Ok(Occupant::Living),
            Err(error) => match Errno::from_io_error(&error) {
                // Its queue is full.
                Some(Errno::AGAIN) => Ok(Occupant::Living),
                Some(Errno::CONNREFUSED) => Ok(Occupant::Dead),
                Some(Errno::NOENT) => Ok(Occupant::Nobody),
                Some(_) | None => Err(error),
            },
        }
    }
}

/// A connection that never blocks; it is made at once or not at all.
///
/// # Errors
/// `EAGAIN` when the other side's queue is full, `ECONNREFUSED` when nobody listens, and as connect(2).
pub(crate) fn connect(path: &Path) -> io::Result<OwnedFd> {
    let address = SocketAddrUnix::new(path)?;
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?;
    rustix::net::connect(&socket, &address)?;
    Ok(socket)
}

/// Takes away what a dead process left.  If somebody else was faster and lives there by now, it is put back.
fn remove_dead(path: &Path) -> io::Result<()> {
    let old = Beside::new(path, "old");
    match fs::rename(path, &old.path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    }
    match Occupant::of(&old.path)? {
        Occupant::Dead | Occupant::Nobody => Ok(()),
        Occupant::Living | Occupant::Other => fs::hard_link(&old.path, path),
    }
}

async fn accept(listener: &UnixListener, queue: &CommandQueue, limits: ControlLimits) {
    let own_uid = rustix::process::geteuid().as_raw();
    let permits = Arc::new(Semaphore::new(limits.connections_max));
    let mut refused = RefusedUsers { last_line: None };
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!("the control socket cannot accept: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let peer = match peer_of(&stream) {
            Ok(peer) if may_command(peer.uid, own_uid) => peer,
            Ok(peer) => {
                refused.tell(peer);
                let reason = format!(
                    "uid {} may not use this socket: only uid {own_uid} and root may",
                    peer.uid
                );
                say_at_once(&stream, &ControlReply::refused(reason));
                continue;
            }
            // Gone already.
            Err(_) => continue,
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else {
            let reason = format!(
                "{} connections are open already: ask again later",
                limits.connections_max
            );
            say_at_once(&stream, &ControlReply::busy(reason));
            continue;
        };
        let queue = queue.clone();
        // Nobody waits for the task: it ends by its own deadlines.
        drop(tokio::spawn(async move {
            exchange(stream, peer, &queue, limits).await;
            drop(permit);
        }));
    }
}

/// The kernel's word, taken when the peer connected.
fn peer_of(stream: &UnixStream) -> io::Result<ControlPeer> {
    let credentials = stream.peer_cred()?;
    Ok(ControlPeer {
        uid: credentials.uid(),
        // 0: in another PID namespace.
        pid: credentials.pid().filter(|pid| *pid > 0),
    })
}

fn may_command(uid: u32, own_uid: u32) -> bool {
    uid == own_uid || uid == 0
}

/// Users that may not command, seldom said.
struct RefusedUsers {
    last_line: Option<Instant>,
}

impl RefusedUsers {
    fn tell(&mut self, peer: ControlPeer) {
        if self
            .last_line
            .is_some_and(|last| last.elapsed() < REFUSED_LINE_INTERVAL)
        {
            return;
        }
        self.last_line = Some(Instant::now());
        warn!(
            target: "audit",
            uid = peer.uid,
            pid = peer.pid,
            "refused at the control socket; more of these are not said for a minute"
        );
        warn!(target: AUDIT, event = "user-refused", uid = peer.uid, pid = peer.pid);
    }
}

/// For who is not let in: into the socket's empty buffer, or not at all.
fn say_at_once(stream: &UnixStream, reply: &ControlReply) {
    let _ = stream.try_write(&line_of(reply));
}

/// One command and its reply.
async fn exchange(
    stream: UnixStream,
    peer: ControlPeer,
    queue: &CommandQueue,
    limits: ControlLimits,
) {
    let reply = match timeout(limits.read_time, read_line(&stream)).await {
        Err(_) => ControlReply::refused(format!(
            "no whole command came within {} s",
            limits.read_time.as_secs()
        )),
        Ok(Ok(Line::Whole(line))) => match serde_json::from_slice::<ControlCommand>(&line) {
            Ok(command) => carried_out(command, peer, queue, limits).await,
            Err(error) => ControlReply::refused(format!("this is no command: {error}")),
        },
        Ok(Ok(Line::TooLong)) => ControlReply::refused(format!(
            "this is no command: it is longer than {COMMAND_BYTES_MAX} octets"
        )),
        // Nothing was asked, or nobody is left to hear.
        Ok(Ok(Line::CutOff) | Err(_)) => return,
    };
    let _ = timeout(limits.write_time, write_all(&stream, &line_of(&reply))).await;
}

async fn carried_out(
    command: ControlCommand,
    peer: ControlPeer,
    queue: &CommandQueue,
    limits: ControlLimits,
) -> ControlReply {
    let answer = match queue.put(command, peer) {
        Ok(answer) => answer,
        Err(reply) => return reply,
    };
    match timeout(limits.work_time, answer).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => ControlReply::refused(STOPPING),
        Err(_) => ControlReply::busy("it is still being done: the log will say what became of it"),
    }
}

/// What came.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// The bound is reached and no end is there.
    TooLong,
    /// The client has finished without one.
    CutOff,
}

/// What stands behind the line is not looked at.
async fn read_line(stream: &UnixStream) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut part = [0; 4096];
    loop {
        stream.readable().await?;
        let length = match stream.try_read(&mut part) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        };
        let part = &part[..length];
        let end = part.iter().position(|octet| *octet == b'\n');
        line.extend_from_slice(&part[..end.unwrap_or(length)]);
        if line.len() >= COMMAND_BYTES_MAX {
            return Ok(Line::TooLong);
        }
        if end.is_some() {
            return Ok(Line::Whole(line));
        }
        if length == 0 {
            return Ok(Line::CutOff);
        }
    }
}

async fn write_all(stream: &UnixStream, mut octets: &[u8]) -> io::Result<()> {
    while !octets.is_empty() {
        stream.writable().await?;
        match stream.try_write(octets) {
            Ok(length) => octets = &octets[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn line_of(reply: &ControlReply) -> Vec<u8> {
    let mut line = serde_json::to_vec(reply).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn bind(path: &Path) -> Result<(ControlSocket, StdUnixListener), ControlSocketError> {
        ControlSocket::bind(path)
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_goes_with_its_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let (socket, _listener) = bind(&path).unwrap();
        let metadata = fs::symlink_metadata(&path).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(names(directory.path()), ["control.sock"]);
        assert_eq!(Occupant::of(&path).unwrap(), Occupant::Living);
        drop(socket);
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn what_a_dead_process_left_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        // Bound and closed: the file stays.
        drop(StdUnixListener::bind(&path).unwrap());
        assert_eq!(Occupant::of(&path).unwrap(), Occupant::Dead);
        let (first, _listener) = bind(&path).unwrap();
        let error = bind(&path).unwrap_err();
        assert!(
            matches!(&error, ControlSocketError::InUse { path: named } if *named == path),
            "{error}"
        );
        assert_eq!(names(directory.path()), ["control.sock"]);
        assert_eq!(Occupant::of(&path).unwrap(), Occupant::Living);
        drop(first);
    }

    #[test]
    fn a_living_socket_whose_queue_is_full_counts_as_living() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let (_socket, _listener) = bind(&path).unwrap();
        let mut connections = Vec::new();
        let refused = loop {
            match connect(&path) {
                Ok(connection) => connections.push(connection),
                Err(error) => break error,
            }
            assert!(connections.len() < 100);
        };
        assert_eq!(Errno::from_io_error(&refused), Some(Errno::AGAIN));
        assert_eq!(Occupant::of(&path).unwrap(), Occupant::Living);
    }

    #[test]
    fn a_file_that_is_no_socket_stays_and_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        fs::write(&path, "precious").unwrap();
        let error = bind(&path).unwrap_err().to_string();
        assert!(
            error.contains("control.sock") && error.contains("no socket"),
            "{error}"
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert!(matches!(
            bind(&path),
            Err(ControlSocketError::NoSocket { .. })
        ));
    }

    #[test]
    fn a_socket_that_somebody_put_in_place_of_ours_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("control.sock");
        let (socket, _listener) = bind(&path).unwrap();
        // Both are there at once, so that no inode is used again.
        let other = directory.path().join("other.sock");
        let _other = StdUnixListener::bind(&other).unwrap();
        fs::rename(&other, &path).unwrap();
        drop(socket);
        assert_eq!(names(directory.path()), ["control.sock"]);
    }

    #[test]
    fn a_path_that_is_too_long_or_nowhere_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let error = bind(&directory.path().join("a".repeat(120))).unwrap_err();
        // The name beside it may fit where the name itself does not: nobody could connect to that.
        assert!(
            matches!(error, ControlSocketError::TooLong { .. }),
            "{error}"
        );
        let absent = directory.path().join("absent/control.sock");
        let error = bind(&absent).unwrap_err().to_string();
        assert!(error.contains("absent/control.sock"), "{error}");
    }

    #[test]
    fn only_the_own_user_and_root_may_command() {
        assert!(may_command(0, 998));
        assert!(may_command(998, 998));
        assert!(!may_command(1000, 998));
        assert!(!may_command(1000, 0));
    }
}
