//! One step of a verb: it is named, timed, and the first one that fails stops the verb.
//!
//! Every verb is a list of steps, so that whoever reads the output sees what ran, in which order, and what each part
//! cost.  From: the verb modules.  To: the terminal and the CI log.

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// The steps of one verb, in the order in which they ran.
#[derive(Debug)]
pub(crate) struct Steps {
    started: Instant,
    done: Vec<(String, Duration)>,
}

impl Steps {
    /// Starts the clock.
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            done: Vec::new(),
        }
    }

    /// Runs one step and prints its name before and its elapsed time after.
    ///
    /// # Errors
    /// What the step failed with, behind a line that names the step and its time.
    pub(crate) fn run(
        &mut self,
        name: impl Into<String>,
        step: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let name = name.into();
        println!("==> {name}");
        let started = Instant::now();
        let result = step();
        let elapsed = started.elapsed();
        match result {
            Ok(()) => {
                println!("<== {name}: {}", Seconds(elapsed));
                self.done.push((name, elapsed));
                Ok(())
            }
            Err(error) => {
                Err(error.context(format!("step `{name}` failed after {}", Seconds(elapsed))))
            }
        }
    }

    /// Prints the table of all steps and the total.
    pub(crate) fn finish(self) {
        println!();
        for (name, elapsed) in &self.done {
            println!("{:>9}  {name}", Seconds(*elapsed).to_string());
        }
        println!("{:>9}  in all", Seconds(self.started.elapsed()).to_string());
    }
}

/// Runs a command in the project's root with the terminal's own output.
///
/// # Errors
/// When it cannot be started, or when it exits with anything but 0.
pub(crate) fn command<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> Result<()> {
    status_of(Command::new(program).args(arguments))
}

/// Runs a prepared command in the project's root, unless it names another directory.
///
/// # Errors
/// As [`command`].
pub(crate) fn status_of(command: &mut Command) -> Result<()> {
    if command.get_current_dir().is_none() {
        command.current_dir(root());
    }
    let line = Line(command).to_string();
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// As [`status_of`], and what it prints, on both streams and in their order, is kept in a file as well.
///
/// # Errors
/// As [`command`], or when the file cannot be written.
pub(crate) fn kept_output_of(command: &mut Command, file: &Path) -> Result<()> {
    if command.get_current_dir().is_none() {
        command.current_dir(root());
    }
    let line = Line(command).to_string();
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut kept =
        fs::File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let (mut reader, writer) = std::io::pipe().context("no pipe")?;
    let other = writer.try_clone().context("no pipe")?;
    let child = command
        .stdin(Stdio::null())
        .stdout(writer)
        .stderr(other)
        .spawn();
    let mut child = child.with_context(|| format!("cannot start `{line}`"))?;
    // The pipe ends when nobody holds its other end any more: neither may this.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut buffer = [0; 8192];
    loop {
        let count = reader
            .read(&mut buffer)
            .with_context(|| format!("cannot read what `{line}` prints"))?;
        if count == 0 {
            break;
        }
        kept.write_all(&buffer[..count])
            .with_context(|| format!("cannot write {}", file.display()))?;
        let mut terminal = std::io::stdout().lock();
        terminal
            .write_all(&buffer[..count])
            .and_then(|()| terminal.flush())
            .context("cannot print")?;
    }
    let status = child
        .wait()
        .with_context(|| format!("cannot wait for `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// What a command prints on its standard output.
///
/// # Errors
/// As [`command`]; its standard error goes to the terminal.
pub(crate) fn output_of(command: &mut Command) -> Result<String> {
    if command.get_current_dir().is_none() {
        command.current_dir(root());
    }
    let line = Line(command).to_string();
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no UTF-8"))
}

/// The folder that holds the workspace's `Cargo.toml`.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask is a folder of the workspace")
        .to_path_buf()
}

/// Where a program lies: PATH first, then the folders that a plain user's PATH leaves out.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// A command as one would type it.
struct Line<'a>(&'a Command);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.get_program().to_string_lossy())?;
        for argument in self.0.get_args() {
            write!(f, " {}", argument.to_string_lossy())?;
        }
        Ok(())
    }
}

/// A duration as seconds with one decimal.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.0.as_secs_f64())
    }
}
