//! A server under test: started on core 0, asked for its CPU time and memory through /proc, gone on drop.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result};
use rustix::thread::CpuSet;

/// A server under test.
pub struct Server {
    /// What tables call it.
    pub name: &'static str,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    /// The process whose CPU time counts.
    pub pid: u32,
    child: Option<Child>,
}

impl Server {
    /// ocspry on core 0.
    pub fn ocspry(binary: &Path, arguments: &[String], directory: &Path) -> Result<Server> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", "0"]).arg(binary);
        Server::start(pinned, arguments, directory)
    }

    /// ocspry on all cores.
    pub fn ocspry_everywhere(
        binary: &Path,
        arguments: &[String],
        directory: &Path,
    ) -> Result<Server> {
        Server::start(Command::new(binary), arguments, directory)
    }

    /// Its first summary line that names an address gives the port.
    fn start(mut command: Command, arguments: &[String], directory: &Path) -> Result<Server> {
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
        })
    }

    /// A process that somebody else ends.
    pub fn foreign(name: &'static str, port: u16, pid: u32) -> Server {
        Server {
            name,
            port,
            pid,
            child: None,
        }
    }

    /// User and system time since it started, in microseconds.
    pub fn cpu_us(&self) -> Result<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        // Behind the name in parentheses: state is field 3, utime 14, stime 15.
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .context("fields")?
            .split_ascii_whitespace()
            .collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(ticks * 1_000_000 / rustix::param::clock_ticks_per_second())
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
