//! What the control socket asks for, carried out on the control thread.  From: `control_command`, through its queue.
//! To: the running parts, the audit line in the log, and the reply.

use ocspry_source::{RefreshReport, Served, Swapped};
use tracing::{error, info};

use super::Control;
use crate::assemble::RunningIssuer;
use crate::control_command::{AcceptedList, ControlCommand, ControlReply, QueuedCommand, Verdict};
use crate::summary::crl_number;
use crate::{log_capture, report};

impl Control {
    /// Carries out what waits.  True if everything was read again, so that no look is needed.
    pub(super) fn carry_out_commands(&mut self) -> bool {
        let mut is_reread = false;
        while let Ok(queued) = self.commands.try_recv() {
            is_reread |= matches!(queued.command, ControlCommand::Reload {});
            self.carry_out(queued);
        }
        is_reread
    }

    fn carry_out(&mut self, queued: QueuedCommand) {
        let QueuedCommand {
            command,
            peer,
            reply,
        } = queued;
        let (mut answer, lines) = log_capture::lines_of(|| match &command {
            ControlCommand::Reload {} => ControlReply {
                verdict: self.reload_and_tell(),
                lines: Vec::new(),
                accepted: Vec::new(),
            },
            ControlCommand::CrlAccept { issuer } => self.accept(issuer),
            ControlCommand::StateReset { issuer } => self.reset_state(issuer),
        });
        answer.lines.splice(..0, lines);
        info!(
            target: "audit",
            uid = peer.uid,
            pid = peer.pid,
            command = command.name(),
            issuer = command.issuer(),
            verdict = answer.verdict.name(),
            "asked for by the control socket"
        );
        // Whoever has the reply may look at the pages next.
        self.publish(self.clock.now());
        // Nobody may be waiting any more.
        let _ = reply.send(answer);
    }

    /// The operator takes the list that is held back for this issuer.
    fn accept(&mut self, issuer: &str) -> ControlReply {
        let now = self.clock.now();
        let Some(running) = self.named(issuer) else {
            return self.unknown_issuer(issuer);
        };
        let entries_before = running.issuer.table().map(|table| table.entry_count());
        let answer = match running.refresher.accept_held(now) {
            RefreshReport::Swapped(swapped) => {
                report::list_in_use(running, &swapped, entries_before, now);
                accepted(running, &swapped)
            }
            RefreshReport::Kept { error, repeated: _ } => {
                error!(issuer, "not accepted: {error}; the list in use stays");
                ControlReply {
                    verdict: Verdict::Refused,
                    lines: Vec::new(),
                    accepted: Vec::new(),
                }
            }
            RefreshReport::Unchanged
            | RefreshReport::Waiting {
                until: _,
                repeated: _,
            }
            | RefreshReport::Recovered
            | RefreshReport::StateKept
            | RefreshReport::Expired { next_update: _ } => {
                ControlReply::nothing(format!("nothing is held for issuer {issuer}"))
            }
        };
        self.tell_stages(now);
        answer
    }

    /// The operator lets an issuer's memory go.  Not on a running responder in this version.
    fn reset_state(&mut self, issuer: &str) -> ControlReply {
        if self.named(issuer).is_none() {
            return self.unknown_issuer(issuer);
        }
        ControlReply::refused(format!(
            "the state of issuer {issuer} cannot be reset while it is served, in this version: stop `ocspry serve` first"
        ))
    }

    fn named(&mut self, issuer: &str) -> Option<&mut RunningIssuer> {
        self.issuers
            .iter_mut()
            .find(|running| running.config.name == issuer)
    }

    fn unknown_issuer(&self, issuer: &str) -> ControlReply {
        let names: Vec<&str> = self
            .issuers
            .iter()
            .map(|running| running.config.name.as_str())
            .collect();
        ControlReply::refused(format!(
            "no issuer is named {issuer:?}: there is {}",
            names.join(", ")
        ))
    }
}

/// The reply to `crl accept` when a list came into use.
fn accepted(running: &RunningIssuer, swapped: &Swapped) -> ControlReply {
    let list = AcceptedList {
        path: running.config.crl.display().to_string(),
        crl_number: running
            .issuer
            .table()
            .and_then(|table| table.source().crl_number.as_deref().map(crl_number)),
        this_update: swapped.facts.window.this_update.to_string(),
        sha256: swapped
            .facts
            .digest
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect(),
    };
    match swapped.served {
        Served::File | Served::Waited => ControlReply {
            verdict: Verdict::Ok,
            lines: Vec::new(),
            accepted: vec![list],
        },
        // The file was replaced since, by a worse one.
        Served::LastGood => ControlReply {
            verdict: Verdict::Refused,
            lines: Vec::new(),
            accepted: Vec::new(),
        },
    }
}
