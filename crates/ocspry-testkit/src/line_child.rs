//! A program that is talked to line by line while it runs; killed on drop.  No wait for a line is without end.
//!
//! Both its pipes are read here: what it says on stderr is told when it is silent, and nowhere else.  From: tests.  To:
//! `process`, which reads pipes.

use crate::process::Outputs;
use std::io::Write as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

/// Longest wait for a line: a Java program is compiled before it says its first.
const LINE_WAIT_MAX: Duration = Duration::from_secs(60);

/// The program.
#[derive(Debug)]
pub struct LineChild {
    child: Child,
    stdin: ChildStdin,
    outputs: Outputs,
    /// Lines of its stdout that were asked for, or passed over.
    seen: usize,
}

impl LineChild {
    /// Starts it.
    pub fn start(command: &mut Command) -> LineChild {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdin = child.stdin.take().expect("stdin is piped");
        let outputs = Outputs::of(&mut child);
        LineChild {
            child,
            stdin,
            outputs,
            seen: 0,
        }
    }

    /// Writes a line to its stdin; panics with what it said when it does not read any more.
    pub fn write(&mut self, line: &str) {
        if let Err(error) = writeln!(self.stdin, "{line}") {
            panic!("cannot write {line:?}: {error}\n{}", self.outputs);
        }
    }

    /// The next line of its stdout that holds `part`; panics with what it said when none comes.
    pub fn line_with(&mut self, part: &str) -> String {
        let found = self.outputs.next_line(part, self.seen, LINE_WAIT_MAX);
        let (line, seen) =
            found.unwrap_or_else(|| panic!("no line with {part:?}\n{}", self.outputs));
        self.seen = seen;
        line
    }
}

impl Drop for LineChild {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
