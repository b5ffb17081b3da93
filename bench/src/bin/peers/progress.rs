//! One line that says how far it is; only on a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Instant;

/// The line.
pub struct Progress {
    started: Instant,
    seconds: f64,
    on_terminal: bool,
}

impl Progress {
    /// So long it may take.
    pub fn new(seconds: f64) -> Progress {
        Progress {
            started: Instant::now(),
            seconds,
            on_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// What happens now.
    pub fn says(&self, what: &str) {
        if self.on_terminal {
            let elapsed = self.started.elapsed().as_secs();
            eprint!("\r\x1b[K{elapsed} s of about {:.0}: {what}", self.seconds);
            let _ = std::io::stderr().flush();
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.on_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
