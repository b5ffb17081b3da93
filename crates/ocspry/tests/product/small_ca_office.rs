//! Where the tests of the small CA work: a directory with a ledger, `openssl` at hand.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ocspry_testkit::{Finished, Ocspry, Openssl, Run, run_bounded, wait_until};
use serde_json::Value;

use crate::site::OCSPRY;

/// A directory in which `ocspry` and `openssl` work on the same files.
pub(crate) struct Office {
    openssl: Openssl,
}

impl Office {
    /// None = no openssl: the test is to return.
    pub(crate) fn open() -> Option<Office> {
        Some(Office {
            openssl: Openssl::find()?,
        })
    }

    /// With a root that has no passphrase.
    pub(crate) fn with_root() -> Option<Office> {
        let office = Office::open()?;
        office.done("ca init root --no-passphrase --out root.pem");
        Some(office)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.openssl.path(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        let _ = self.openssl.write(name, content);
    }

    pub(crate) fn openssl(&self, line: &str) -> String {
        self.openssl.run(line)
    }

    /// `ocspry`, with the ledger of this directory; the words of the line are parted by blanks.
    pub(crate) fn command(&self, line: &str) -> Ocspry<'static> {
        Ocspry::new(OCSPRY)
            .directory(&self.file("."))
            .env("OCSPRY_LEDGER", "ledger.db")
            .args(line.split_whitespace())
    }

    /// It is done.
    pub(crate) fn done(&self, line: &str) -> Finished {
        let run = self.command(line).run();
        assert_eq!(run.code, Some(0), "{line}: {run:?}");
        run
    }

    /// It is done, and this is what it prints.
    pub(crate) fn json(&self, line: &str) -> Value {
        let run = self.done(&format!("{line} --json"));
        serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {run:?}"))
    }

    /// It is refused in one line that says this, and nothing is added to the ledger.
    pub(crate) fn refused(&self, line: &str, part: &str) {
        let before = self.certificates();
        let run = self.command(line).run();
        assert_eq!(run.code, Some(1), "{line}: {run:?}");
        let last = run.stderr.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("error: ") && last.contains(part),
            "{part:?}: {line}: {run:?}"
        );
        assert_eq!(self.certificates(), before, "{line}");
    }

    /// Every certificate that the ledger knows.
    pub(crate) fn certificates(&self) -> Value {
        let run = self.command("cert list --json").run();
        serde_json::from_str(&run.stdout).unwrap_or(Value::Null)
    }

    /// A line of shell in this directory, with `$OCSPRY` and its ledger.
    pub(crate) fn shell(&self, line: &str) -> Run {
        run_bounded(&mut self.sh(line))
    }

    fn sh(&self, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env("OCSPRY", OCSPRY)
            .env("OCSPRY_LEDGER", "ledger.db")
            .env("TERM", "dumb")
            .current_dir(self.file("."));
        command
    }

    /// `ocspry` at a terminal, where each question is answered by the next of these; what is on the screen then is its
    /// output.
    pub(crate) fn at_terminal(&self, line: &str, typed: &[&str]) -> Run {
        self.at_terminal_while(line, typed, || {})
    }

    /// The same; this happens while the last question waits for its answer.
    pub(crate) fn at_terminal_while(
        &self,
        line: &str,
        typed: &[&str],
        meanwhile: impl Fn(),
    ) -> Run {
        let line = format!("script -qec 'tty >tty.txt; exec \"$OCSPRY\" {line}' /dev/null");
        let mut child = self
            .sh(&line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut keys, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let screen = Arc::new(Mutex::new(Vec::new()));
        let drawn = Arc::clone(&screen);
        let reader = thread::spawn(move || {
            let mut octets = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut octets) {
                drawn.lock().unwrap().extend_from_slice(&octets[..count]);
            }
        });
        let text = || String::from_utf8_lossy(&screen.lock().unwrap()).into_owned();
        let mut seen = 0;
        for (index, answer) in typed.iter().enumerate() {
            let is_asked = || {
                let asked = text()[seen..].trim_end().to_owned();
                asked.ends_with(':') || asked.ends_with(']')
            };
            wait_until("a question", WAIT_MAX, is_asked);
            let is_secret = ["assphrase", "same again"]
                .iter()
                .any(|part| text()[seen..].contains(part));
            if is_secret {
                // The question stands there a moment before the echo is off.
                wait_until("no echo", WAIT_MAX, || {
                    self.shell("stty -a -F $(cat tty.txt)")
                        .stdout
                        .contains("-echo ")
                });
            }
            if index + 1 == typed.len() {
                meanwhile();
            }
            seen = text().len();
            writeln!(keys, "{answer}").unwrap();
        }
        let mut code = None;
        wait_until("its end", WAIT_MAX, || {
            code = child.try_wait().unwrap();
            code.is_some()
        });
        reader.join().unwrap();
        Run {
            code: code.and_then(|status| status.code()),
            stdout: text(),
            stderr: String::new(),
        }
    }

    /// A request with this subject and options, made by openssl with a new P-256 key.
    pub(crate) fn request(&self, name: &str, options: &str) {
        self.openssl(&format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj \
             /CN={name}.example.com {options}"
        ));
    }
}

const WAIT_MAX: Duration = Duration::from_secs(20);
