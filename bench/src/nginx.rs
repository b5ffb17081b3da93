//! The peer: nginx answering from memory with `return`, as many octets, and from a file, the very same ones, on the same
//! core.
//!
//! An nginx string cannot hold the NUL octets of an OCSP answer, so the body is text of the same length.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::server::Server;

/// What tables call it where it answers by `return`.
pub const RETURNING: &str = "nginx return";
/// What tables call it where it serves a file.
pub const SERVING: &str = "nginx file";

/// nginx, one worker.
pub struct Nginx {
    /// Where it answers by `return`.
    pub returning: Server,
    /// Where it serves a file.
    pub serving: Server,
    pid_file: PathBuf,
}

impl Nginx {
    /// Starts it on core 0.
    pub fn start(directory: &Path, body: &[u8]) -> Result<Nginx> {
        let free_port =
            || -> Result<u16> { Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port()) };
        let (port, file_port) = (free_port()?, free_port()?);
        std::fs::write(directory.join("answer.der"), body)?;
        let pid_file = directory.join("nginx.pid");
        let temp = |name: &str| format!("{name}_temp_path {}/{name};", directory.display());
        let configuration = format!(
            "user root; daemon on; worker_processes 1; pid {pid}; error_log {dir}/error.log;\n\
             events {{ worker_connections 1024; }}\n\
             http {{ access_log off; keepalive_requests 1000000000; default_type application/ocsp-response;\n\
             sendfile on; open_file_cache max=10; {} {} {} {} {}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"{}\"; }} }}\n\
             server {{ listen 127.0.0.1:{file_port}; root {dir}; location / {{ try_files /answer.der =404; }} }} }}\n",
            temp("client_body"),
            temp("proxy"),
            temp("fastcgi"),
            temp("uwsgi"),
            temp("scgi"),
            "x".repeat(body.len()),
            pid = pid_file.display(),
            dir = directory.display(),
        );
        let file = directory.join("nginx.conf");
        std::fs::write(&file, configuration)?;
        let status = Command::new("taskset")
            .args(["-c", "0", "nginx", "-e"])
            .arg(directory.join("error.log"))
            .arg("-c")
            .arg(&file)
            .status()
            .context("nginx (Debian package nginx-light)")?;
        ensure!(
            status.success(),
            "nginx did not start: see {}",
            directory.join("error.log").display()
        );
        let worker = first_child(&pid_file)?;
        TcpStream::connect(("127.0.0.1", port))?;
        Ok(Nginx {
            returning: Server::foreign(RETURNING, port, worker),
            serving: Server::foreign(SERVING, file_port, worker),
            pid_file,
        })
    }
}

/// The worker: the only child of the master named in the pid file.
fn first_child(pid_file: &Path) -> Result<u32> {
    let started = Instant::now();
    loop {
        if let Ok(master) = std::fs::read_to_string(pid_file) {
            let master = master.trim();
            let children =
                std::fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
            if let Some(child) = children.split_ascii_whitespace().next() {
                return Ok(child.parse()?);
            }
        }
        ensure!(
            started.elapsed() < Duration::from_secs(5),
            "nginx has no worker"
        );
        std::thread::yield_now();
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Ok(pid) = std::fs::read_to_string(&self.pid_file) {
            let _ = Command::new("kill").arg(pid.trim()).status();
        }
    }
}
