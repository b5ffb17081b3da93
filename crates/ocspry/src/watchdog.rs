//! The watchdog of the service manager, fed by the data plane.  From: `serve`, once it answers.  To: systemd, which ends and
//! starts again a process that it does not hear from (`WatchdogSec=`).
//!
//! Each worker counts the turns of its loop, four a second, whatever it has to do.  A word goes to systemd only when all of
//! them have come round since the last one: a worker that hangs in a key or in an endless loop is noticed, though every
//! other thread of the process is well.  Workers make no system call for it.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use ocspry_http::ServerMeter;
use sd_notify::NotifyState;

use crate::cmd::serve::notify;

/// Feeds the watchdog until it is dropped.
pub(crate) struct Watchdog {
    _until_dropped: SyncSender<()>,
}

impl Watchdog {
    /// Starts, if systemd waits for words.
    ///
    /// # Errors
    /// The kernel gave no thread.
    pub(crate) fn start(meter: ServerMeter) -> io::Result<Option<Watchdog>> {
        let Some(patience) = sd_notify::watchdog_enabled() else {
            return Ok(None);
        };
        let (until_dropped, dropped) = sync_channel(0);
        thread::Builder::new()
            .name("ocspry-watchdog".to_owned())
            .spawn(move || feed(&meter, patience / WORDS_PER_PATIENCE, &dropped))?;
        Ok(Some(Watchdog {
            _until_dropped: until_dropped,
        }))
    }
}

/// Some, so that one that comes late, or a turn that takes long, does no harm.
const WORDS_PER_PATIENCE: u32 = 4;

fn feed(meter: &ServerMeter, interval: Duration, dropped: &Receiver<()>) {
    let mut heartbeat = Heartbeat::new(meter.turns());
    while dropped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
        if heartbeat.has_come_round(meter.turns()) {
            notify(&[NotifyState::Watchdog]);
        }
    }
}

/// How many turns each worker had made when all of them were last seen to turn.
struct Heartbeat {
    seen: Vec<u64>,
}

impl Heartbeat {
    fn new(turns: Vec<u64>) -> Heartbeat {
        Heartbeat { seen: turns }
    }

    /// Whether every worker has turned since this was last so.
    fn has_come_round(&mut self, turns: Vec<u64>) -> bool {
        let turned = turns.iter().zip(&self.seen).all(|(now, then)| now != then);
        if turned {
            self.seen = turns;
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_worker_that_hangs_is_enough_and_each_must_turn_after_the_last_word() {
        let mut heartbeat = Heartbeat::new(vec![0, 0]);
        assert!(!heartbeat.has_come_round(vec![0, 0]));
        assert!(!heartbeat.has_come_round(vec![5, 0]));
        // The turn of the first is no news when the second turns at last.
        assert!(heartbeat.has_come_round(vec![5, 1]));
        assert!(!heartbeat.has_come_round(vec![5, 2]));
        assert!(heartbeat.has_come_round(vec![6, 2]));
        for turns in 7..100 {
            assert!(!heartbeat.has_come_round(vec![turns, 2]));
        }
    }
}
