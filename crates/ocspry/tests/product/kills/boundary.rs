//! The moments at which a command is killed: each call of it that changes a file or prints something.
//!
//! `strace` lists them, and kills at one of them.  SIGKILL is there when the call begins, and the call does nothing then: the
//! moment after a call is that before the next one.  What the command says on standard error is no moment of its own.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

use ocspry_testkit::{Finished, Peer, run_bounded};

use crate::ledger_site::LedgerSite;
use crate::site::OCSPRY;

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    /// To where the file or pipe stands: certificates, keys, lists, standard output.
    Write,
    /// To a place of the file: the database.
    WriteAt,
    Sync,
    Rename,
    Link,
    Unlink,
    Truncate,
}

const KINDS: [(Kind, &str, &[&str]); 7] = [
    (Kind::Write, "write", &["write", "writev"]),
    (
        Kind::WriteAt,
        "pwrite",
        &["pwrite64", "pwritev", "pwritev2"],
    ),
    (Kind::Sync, "fsync", &["fsync", "fdatasync"]),
    (Kind::Rename, "rename", &["rename", "renameat", "renameat2"]),
    (Kind::Link, "link", &["link", "linkat"]),
    (Kind::Unlink, "unlink", &["unlink", "unlinkat"]),
    (Kind::Truncate, "ftruncate", &["ftruncate"]),
];

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = KINDS.iter().find(|(kind, _, _)| kind == self);
        f.pad(known.map_or("", |(_, name, _)| name))
    }
}

/// The beginning of one call.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Boundary {
    pub(super) kind: Kind,
    /// As the system names it.
    call: String,
    /// The how manieth of its name in its process, from 1 on.
    number: usize,
}

impl fmt::Display for Boundary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.call, self.number)
    }
}

/// A command that ran, to its end or until it was killed.
pub(super) struct Traced {
    pub(super) finished: Finished,
    pub(super) was_killed: bool,
    /// Those that it came to; the last one of them is where it was killed.
    pub(super) boundaries: Vec<Boundary>,
}

/// The program `strace`, which is permitted to trace.
pub(super) struct Strace {
    program: PathBuf,
}

impl Strace {
    /// None = no `strace`, or it may not trace (said aloud, fatal in CI): the test is to return.
    pub(super) fn find() -> Option<Strace> {
        let program = Peer::Strace.find()?;
        let run = run_bounded(Command::new(&program).args(["-qq", "-o", "/dev/null", "true"]));
        if run.code == Some(0) {
            return Some(Strace { program });
        }
        let advice = "strace may trace nothing here: permit ptrace (CAP_SYS_PTRACE in a container)";
        assert!(std::env::var_os("CI").is_none(), "{advice}: {run:?}");
        eprintln!("skipped: {advice}: {run:?}");
        None
    }

    /// Runs a line of `ocspry`, and kills it at a boundary, if it comes there.
    pub(super) fn run(&self, site: &LedgerSite, line: &str, kill: Option<&Boundary>) -> Traced {
        let calls: Vec<&str> = KINDS
            .iter()
            .flat_map(|(_, _, calls)| *calls)
            .copied()
            .collect();
        let trace = site.file("strace.txt");
        let mut strace = site
            .beneath(&self.program)
            .args(["-f", "-qq", "-s", "0", "-e", "signal=kill", "-o"])
            .arg(&trace)
            .args(["-e", &format!("trace={}", calls.join(","))]);
        strace = match kill {
            // It stops at these calls only, which is faster; and then it cannot kill.
            None => strace.arg("--seccomp-bpf"),
            Some(at) => {
                let inject = format!("inject={}:signal=KILL:when={}", at.call, at.number);
                strace.args(["-e", &inject])
            }
        };
        let finished = strace.arg(OCSPRY).args(line.split_whitespace()).run();
        let text = std::fs::read_to_string(&trace).unwrap();
        let was_killed = text.ends_with("+++ killed by SIGKILL +++\n");
        let traced = Traced {
            boundaries: boundaries(&text),
            was_killed,
            finished,
        };
        if was_killed {
            // It is in the middle of the call: without a result.
            assert_eq!(traced.boundaries.last(), kill, "ocspry {line}: {text}");
        }
        traced
    }
}

/// From lines `PID CALL(ARGUMENTS) = RESULT`, of the process's first thread.
fn boundaries(trace: &str) -> Vec<Boundary> {
    let first = trace.split_whitespace().next().unwrap_or_default();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut found = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else {
            continue;
        };
        let known = KINDS.iter().find(|(_, _, calls)| calls.contains(&call));
        let (Some((kind, _, _)), true) = (known, thread == first) else {
            continue;
        };
        let number = counts.entry(call).or_default();
        *number += 1;
        if call != "write" || !arguments.starts_with("2, ") {
            found.push(Boundary {
                kind: *kind,
                call: call.to_owned(),
                number: *number,
            });
        }
    }
    found
}
