//! A server under test: started on core 0, asked for its CPU time and memory through /proc, gone on drop.
//!
//! Where a server is several processes, all of them count.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process_group, setrlimit};
use rustix::thread::CpuSet;

use crate::process_tree;

/// A server under test.
pub struct Server {
    /// What tables call it.
    pub name: &'static str,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// The process whose CPU time counts.
    pub pid: u32,
    child: Option<Child>,
    /// It runs on the cores of the load, too.
    pub has_all_cores: bool,
    /// The child leads a process group, which goes with it.
    leads_group: bool,
}

impl Server {
    /// ocspry on core 0.
    pub fn ocspry(binary: &Path, arguments: &[String], directory: &Path) -> Result<Server> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", "0"]).arg(binary);
        Server::start(pinned, arguments, directory, false)
    }

    /// ocspry on all cores.
    pub fn ocspry_everywhere(
        binary: &Path,
        arguments: &[String],
        directory: &Path,
    ) -> Result<Server> {
        Server::start(Command::new(binary), arguments, directory, true)
    }

    /// Its first summary line that names an address gives the port.
    fn start(
        mut command: Command,
        arguments: &[String],
        directory: &Path,
        has_all_cores: bool,
    ) -> Result<Server> {
        let mut child = command
            .args(arguments)
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?);
        let mut line = String::new();
        let port = loop {
            line.clear();
            if lines.read_line(&mut line)? == 0 {
                let mut error = String::new();
                child
                    .stderr
                    .take()
                    .context("piped")?
                    .read_to_string(&mut error)?;
                anyhow::bail!("ocspry does not listen: {error}");
            }
            if let Some(address) = line.trim().strip_prefix("listening on http://") {
                break address
                    .trim_end_matches('/')
                    .rsplit(':')
                    .next()
                    .context("a port")?
                    .parse()?;
            }
        };
        // taskset becomes the program it starts, so the child's pid is the server's.
        Ok(Server {
            name: "ocspry",
            port,
            pid: child.id(),
            child: Some(child),
            has_all_cores,
            leads_group: false,
        })
    }

    /// Whether a child of this program is no more.
    pub fn has_ended(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| !matches!(child.try_wait(), Ok(None)))
    }

    /// Where it is told something, if that is a pipe; once.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.as_mut()?.stdin.take()
    }

    /// Another place where the processes of a server listen that somebody else ends.
    pub fn also_at(&self, name: &'static str, port: u16) -> Server {
        Server {
            name,
            port,
            pid: self.pid,
            child: None,
            has_all_cores: self.has_all_cores,
            leads_group: false,
        }
    }

    /// A child that leads a process group of its own.
    pub fn leading(name: &'static str, port: u16, child: Child) -> Server {
        Server {
            name,
            port,
            pid: child.id(),
            child: Some(child),
            has_all_cores: false,
            leads_group: true,
        }
    }

    /// User and system time of all its processes since they started, in microseconds.
    pub fn cpu_us(&self) -> Result<u64> {
        process_tree::cpu_us(self.pid)
    }

    /// Memory of all its processes; what several of them share is divided among these.
    pub fn memory_kib(&self) -> Result<u64> {
        process_tree::memory_kib(self.pid)
    }

    /// Files that it has open, connections among them.
    pub fn open_files(&self) -> Result<usize> {
        let files = format!("/proc/{}/fd", self.pid);
        Ok(std::fs::read_dir(&files).context(files)?.count())
    }

    /// Resident memory.
    pub fn resident_kib(&self) -> Result<u64> {
        self.status_kib("VmRSS:")
    }

    /// Most resident memory since it started, or since [`Server::forget_peak`].
    pub fn peak_kib(&self) -> Result<u64> {
        self.status_kib("VmHWM:")
    }

    /// Lets the peak begin again at what is resident now.
    pub fn forget_peak(&self) -> Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5").context("clear_refs")
    }

    fn status_kib(&self, name: &'static str) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status
            .lines()
            .find(|line| line.starts_with(name))
            .context(name)?;
        Ok(line
            .split_ascii_whitespace()
            .nth(1)
            .context("a number")?
            .parse()?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            if self.leads_group {
                let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Keeps this thread on one core.
pub fn pin_this_thread(core: usize) -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(core);
    rustix::thread::sched_setaffinity(None, &cores).context("this run needs two cores")
}

/// Lets this program, and what it starts, have as many files open as the system grants.
pub fn allow_many_files() -> Result<()> {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        maximum: limits.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("the limit of open files")
}

/// Lets this thread run on both cores again.
pub fn unpin_this_thread() -> Result<()> {
    let mut cores = CpuSet::new();
    cores.set(0);
    cores.set(1);
    rustix::thread::sched_setaffinity(None, &cores).context("this run needs two cores")
}

/// The processor's name and the kernel.
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name\t: "))
        .unwrap_or("unknown");
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{model}, Linux {}", kernel.trim())
}

/// The commit under test, with `-dirty` when the tree has changes.
pub fn commit() -> String {
    let output = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}

/// What else the machine had to do: one, five and fifteen minutes.
pub fn load_average() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let numbers: Vec<&str> = text.split_ascii_whitespace().take(3).collect();
    numbers.join(" ")
}
