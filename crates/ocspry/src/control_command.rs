//! What a running `serve` can be told, and what it says back: the words of the control socket.
//!
//! From: `control_socket`, which reads one line.  To: `control`, through a bounded queue, and back as one line; the other
//! side is `control_client`.  Both lines are JSON objects, such as `{"command":"reload"}` and
//! `{"verdict":"ok","lines":[…]}`.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::control::Bell;
use crate::log_capture::LogLine;

/// Most octets of one command, its line end included.
pub(crate) const COMMAND_BYTES_MAX: usize = 64 << 10;

/// Most octets of one reply: the captured log lines are bounded well below.
pub(crate) const REPLY_BYTES_MAX: usize = 4 << 20;

/// Commands that wait for the control thread; one more is refused.
const COMMANDS_MAX: usize = 8;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", deny_unknown_fields)]
pub(crate) enum ControlCommand {
    /// Read everything again, as SIGHUP does.
    #[serde(rename = "reload")]
    Reload {},
    /// Use the list that is held back for this issuer.
    #[serde(rename = "crl accept")]
    CrlAccept { issuer: String },
    /// Forget which list of this issuer was the newest.
    #[serde(rename = "state reset")]
    StateReset { issuer: String },
}

impl ControlCommand {
    /// As it stands on the line.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            ControlCommand::Reload {} => "reload",
            ControlCommand::CrlAccept { issuer: _ } => "crl accept",
            ControlCommand::StateReset { issuer: _ } => "state reset",
        }
    }

    /// The issuer it is about, as the command names it.
    pub(crate) fn issuer(&self) -> Option<&str> {
        match self {
            ControlCommand::Reload {} => None,
            ControlCommand::CrlAccept { issuer } | ControlCommand::StateReset { issuer } => {
                Some(issuer)
            }
        }
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// Done.
    Ok,
    /// Done but for some issuers, whose files could not be taken.
    InPart,
    /// There was nothing to do it to.
    Nothing,
    /// Not done; everything is as it was.
    Refused,
    /// Not done, since too much is asked at once.
    Busy,
}

impl Verdict {
    /// As it stands on the line and in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::InPart => "in-part",
            Verdict::Nothing => "nothing",
            Verdict::Refused => "refused",
            Verdict::Busy => "busy",
        }
    }
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ControlReply {
    /// What became of it.
    pub(crate) verdict: Verdict,
    /// What was logged while it was carried out, or why it was not.
    pub(crate) lines: Vec<LogLine>,
    /// For `crl accept`: the lists that are in use now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accepted: Vec<AcceptedList>,
}

impl ControlReply {
    /// Not done, for one reason.
    pub(crate) fn refused(reason: impl Into<String>) -> ControlReply {
        ControlReply::one_line(Verdict::Refused, LogLine::error(reason))
    }

    /// Not done now; it may be later.
    pub(crate) fn busy(reason: impl Into<String>) -> ControlReply {
        ControlReply::one_line(Verdict::Busy, LogLine::error(reason))
    }

    /// There was nothing to do.
    pub(crate) fn nothing(reason: impl Into<String>) -> ControlReply {
        ControlReply::one_line(Verdict::Nothing, LogLine::info(reason))
    }

    fn one_line(verdict: Verdict, line: LogLine) -> ControlReply {
        ControlReply {
            verdict,
            lines: vec![line],
            accepted: Vec::new(),
        }
    }
}

/// A list that was held and is in use now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AcceptedList {
    /// Where it came from.
    pub(crate) path: String,
    /// Its cRLNumber.
    pub(crate) crl_number: Option<String>,
    /// Its thisUpdate.
    pub(crate) this_update: String,
    /// SHA-256 of its tbsCertList, in hex.
    pub(crate) sha256: String,
}

/// Who asks, by what the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlPeer {
    /// User.
    pub(crate) uid: u32,
    /// Process; unknown if it lives in another PID namespace.
    pub(crate) pid: Option<i32>,
}

/// A command on its way to the control thread.
#[derive(Debug)]
pub(crate) struct QueuedCommand {
    /// What to do.
    pub(crate) command: ControlCommand,
    /// Who asks.
    pub(crate) peer: ControlPeer,
    /// Where the answer goes; the other end may be gone.
    pub(crate) reply: oneshot::Sender<ControlReply>,
}

impl QueuedCommand {
    /// It asks for all to be read again.
    pub(crate) fn is_reload(&self) -> bool {
        matches!(self.command, ControlCommand::Reload {})
    }
}

/// The side of the queue where commands are put in.
#[derive(Clone, Debug)]
pub(crate) struct CommandQueue {
    sender: SyncSender<QueuedCommand>,
    bell: Bell,
}

impl CommandQueue {
    /// A queue whose other end is read by whoever hears this bell.
    pub(crate) fn new(bell: Bell) -> (CommandQueue, Receiver<QueuedCommand>) {
        let (sender, receiver) = sync_channel(COMMANDS_MAX);
        (CommandQueue { sender, bell }, receiver)
    }

    /// Hands a command over and calls the control thread; never waits.
    ///
    /// # Errors
    /// The reply to give instead: too many commands wait, or the program ends.
    pub(crate) fn put(
        &self,
        command: ControlCommand,
        peer: ControlPeer,
    ) -> Result<oneshot::Receiver<ControlReply>, ControlReply> {
        let (reply, answer) = oneshot::channel();
        let queued = QueuedCommand {
            command,
            peer,
            reply,
        };
        self.sender.try_send(queued).map_err(|error| match error {
            TrySendError::Full(_) => ControlReply::busy(format!(
                "{COMMANDS_MAX} commands wait already: ask again later"
            )),
            TrySendError::Disconnected(_) => ControlReply::refused(STOPPING),
        })?;
        self.bell.ask_for_look();
        Ok(answer)
    }
}

/// Why nothing is done any more.
pub(crate) const STOPPING: &str = "ocspry is stopping";

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: ControlPeer = ControlPeer {
        uid: 0,
        pid: Some(1),
    };

    fn read(line: &str) -> Result<ControlCommand, String> {
        serde_json::from_str(line).map_err(|error| error.to_string())
    }

    #[test]
    fn a_command_is_read_as_it_is_written_and_by_its_name() {
        let issuer = || "site".to_owned();
        for command in [
            ControlCommand::Reload {},
            ControlCommand::CrlAccept { issuer: issuer() },
            ControlCommand::StateReset { issuer: issuer() },
        ] {
            let line = serde_json::to_string(&command).unwrap();
            assert!(
                line.contains(&format!("\"command\":\"{}\"", command.name())),
                "{line}"
            );
            assert_eq!(read(&line), Ok(command));
        }
        assert_eq!(
            read("{\"command\":\"reload\"}"),
            Ok(ControlCommand::Reload {})
        );
    }

    #[test]
    fn what_is_no_command_is_refused_whole() {
        for line in [
            "",
            "reload",
            "{}",
            "[]",
            "{\"command\":\"stop\"}",
            "{\"command\":\"crl accept\"}",
            "{\"command\":\"crl accept\",\"issuer\":1}",
            "{\"command\":\"reload\",\"issuer\":\"site\"}",
            "{\"command\":\"crl accept\",\"issuer\":\"site\",\"force\":true}",
            "{\"command\":\"reload\"} {\"command\":\"reload\"}",
        ] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_verdict_in_the_log_is_the_word_of_the_reply() {
        for verdict in [
            Verdict::Ok,
            Verdict::InPart,
            Verdict::Nothing,
            Verdict::Refused,
            Verdict::Busy,
        ] {
            let word = serde_json::to_value(verdict).unwrap();
            assert_eq!(word, verdict.name());
        }
    }

    #[test]
    fn a_full_queue_refuses_at_once_and_an_ended_one_says_why() {
        let (bell, calls) = Bell::new();
        let (queue, commands) = CommandQueue::new(bell);
        for _ in 0..COMMANDS_MAX {
            assert!(queue.put(ControlCommand::Reload {}, PEER).is_ok());
        }
        assert_eq!(calls.try_iter().count(), 1, "any number of calls are one");
        let refused = queue.put(ControlCommand::Reload {}, PEER).unwrap_err();
        assert_eq!(refused.verdict, Verdict::Busy);
        drop(commands);
        let refused = queue.put(ControlCommand::Reload {}, PEER).unwrap_err();
        assert_eq!(refused, ControlReply::refused(STOPPING));
    }
}
