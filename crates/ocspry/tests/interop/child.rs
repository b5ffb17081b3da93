//! A program that is talked to line by line while it runs; killed on drop.  No wait for a line is without end.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Longest wait for a line: a Java program is compiled before it says its first.
const LINE_WAIT_MAX: Duration = Duration::from_secs(60);

/// The program.
#[derive(Debug)]
pub(crate) struct LineChild {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl LineChild {
    /// Starts it; its stderr is that of the test.
    pub(crate) fn start(command: &mut Command) -> LineChild {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        // Ends with the child's stdout.
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        LineChild {
            child,
            stdin,
            lines,
        }
    }

    /// Writes a line to its stdin.
    pub(crate) fn write(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// The next line of its stdout that holds `part`; panics when none comes.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(LINE_WAIT_MAX);
            let line = line.unwrap_or_else(|error| panic!("no line with {part:?}: {error}"));
            if line.contains(part) {
                return line;
            }
        }
    }
}

impl Drop for LineChild {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
