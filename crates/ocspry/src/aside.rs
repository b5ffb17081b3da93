//! Log lines that nobody waits for.  From: `signals` and the end of `serve`.  To: the log.
//!
//! A log that takes nothing (a full pipe, a stopped terminal) holds up whoever writes to it.  Neither a signal nor the
//! end of the process may hang on that: they hand their lines to a thread that may.

use std::io;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// Lines that wait while the log takes none; more are dropped.
const LINES_MAX: usize = 32;

/// How long the last line may take.
const LAST_LINE_TIME: Duration = Duration::from_millis(500);

/// Hands lines to the thread that writes them, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Aside {
    sender: SyncSender<Line>,
}

type Line = Box<dyn FnOnce() + Send>;

impl Aside {
    /// Starts the thread.
    ///
    /// # Errors
    /// The kernel gave none.
    pub(crate) fn start() -> io::Result<Aside> {
        let (sender, lines) = sync_channel::<Line>(LINES_MAX);
        thread::Builder::new()
            .name("ocspry-aside".to_owned())
            .spawn(move || lines.into_iter().for_each(|line| line()))?;
        Ok(Aside { sender })
    }

    /// Returns at once.
    pub(crate) fn say(&self, line: impl FnOnce() + Send + 'static) {
        // Full: the log takes nothing, and one line more would not be read either.
        let _ = self.sender.try_send(Box::new(line));
    }

    /// Returns when this and all before it was written, or after a moment: the process ends next.
    pub(crate) fn say_last(&self, line: impl FnOnce() + Send + 'static) {
        let (written, is_written) = sync_channel(1);
        self.say(move || {
            line();
            let _ = written.send(());
        });
        let _ = is_written.recv_timeout(LAST_LINE_TIME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_written_in_order_before_the_end() {
        let aside = Aside::start().unwrap();
        let (written, lines) = sync_channel(2);
        let first = written.clone();
        aside.say(move || first.send(1).unwrap());
        aside.say_last(move || written.send(2).unwrap());
        assert_eq!(lines.try_iter().collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_log_that_takes_nothing_holds_up_nobody() {
        let aside = Aside::start().unwrap();
        let (release, is_released) = sync_channel::<()>(0);
        aside.say(move || {
            let _ = is_released.recv();
        });
        for _ in 0..2 * LINES_MAX {
            aside.say(|| {});
        }
        aside.say_last(|| {});
        drop(release);
    }
}
