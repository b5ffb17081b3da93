//! What the control socket asks for, carried out on the control thread.  From: `control_command`, through its queue.
//! To: the running parts, the audit line in the log, and the reply.

use std::collections::VecDeque;
use std::sync::Arc;

use ocspry_source::{CrlSigners, Event, Report, Served};
use ocspry_wire::hex::to_hex;
use serde_json::json;
use tracing::info;

use super::Control;
use crate::assemble::RunningIssuer;
use crate::audit::AUDIT;
use crate::audit::line::Entry;
use crate::cmd::state::{Lists, Plan};
use crate::control_command::{AcceptedList, ControlCommand, ControlReply, QueuedCommand, Verdict};
use crate::{log_capture, report};

impl Control {
    /// Carries out what waits.  True if everything was read again, so that no look is needed.
    pub(super) fn carry_out_commands(&mut self) -> bool {
        let mut is_reread = false;
        let mut waiting = VecDeque::new();
        loop {
            waiting.extend(self.commands.try_iter());
            let Some(queued) = waiting.pop_front() else {
                return is_reread;
            };
            is_reread |= queued.is_reload();
            let same = with_same(&queued, &mut waiting);
            let (mut answer, lines) = log_capture::lines_of(|| self.carry_out(&queued, &same));
            answer.lines.splice(..0, lines);
            for queued in std::iter::once(queued).chain(same) {
                self.reply(queued, answer.clone());
            }
        }
    }

    /// Carries out a command, and with it the reloads that were asked for together with it.
    fn carry_out(&mut self, queued: &QueuedCommand, same: &[QueuedCommand]) -> ControlReply {
        // What is read again makes nothing good that was not: it waits for no line.
        if let ControlCommand::Reload {} = queued.command {
            for QueuedCommand { command, peer, .. } in std::iter::once(queued).chain(same) {
                info!(
                    target: AUDIT,
                    event = "command-begun",
                    command = command.name(),
                    uid = peer.uid,
                    pid = peer.pid,
                );
            }
        } else if let Err(error) = self.must_tell_begun(queued) {
            return ControlReply::refused(format!("nothing was done: {error}"));
        }
        match &queued.command {
            ControlCommand::Reload {} => ControlReply {
                verdict: self.reload_and_tell(),
                lines: Vec::new(),
                accepted: Vec::new(),
            },
            ControlCommand::CrlAccept { issuer } => self.accept(issuer),
            ControlCommand::StateReset { issuer } => self.reset_state(issuer, queued.peer.uid),
        }
    }

    fn must_tell_begun(&self, queued: &QueuedCommand) -> Result<(), String> {
        let QueuedCommand { command, peer, .. } = queued;
        self.audit.must(Entry::new(
            self.clock.now(),
            "command-begun",
            [
                ("command", json!(command.name())),
                ("issuer", json!(command.issuer())),
                ("uid", json!(peer.uid)),
                ("pid", json!(peer.pid)),
            ],
        ))
    }

    /// Says what came of a command, to the log and to whoever asked.
    fn reply(&mut self, queued: QueuedCommand, answer: ControlReply) {
        let QueuedCommand {
            command,
            peer,
            reply,
        } = queued;
        info!(
            target: "audit",
            uid = peer.uid,
            pid = peer.pid,
            command = command.name(),
            issuer = command.issuer(),
            verdict = answer.verdict.name(),
            "asked for by the control socket"
        );
        info!(
            target: AUDIT,
            event = "command-done",
            command = command.name(),
            issuer = command.issuer(),
            uid = peer.uid,
            pid = peer.pid,
            verdict = answer.verdict.name(),
        );
        // Whoever has the reply may look at the pages next.
        self.publish(self.clock.now());
        // Nobody may be waiting any more.
        let _ = reply.send(answer);
    }

    /// The operator takes what the guard holds back for this issuer.
    fn accept(&mut self, issuer: &str) -> ControlReply {
        let now = self.clock.now();
        let Some(running) = self.named(issuer) else {
            return self.unknown_issuer(issuer);
        };
        // What was held may be gone by now.
        let reports = running.refresher.refresh(now);
        report::sources(running, &reports, now);
        if !running.refresher.is_holding() {
            return ControlReply::nothing(format!("nothing is held for issuer {issuer}"));
        }
        let reports = running.refresher.accept_held(now);
        report::sources(running, &reports, now);
        let still_holds = running.refresher.is_holding();
        let accepted = reports.iter().filter_map(accepted).collect();
        self.tell_stages(now);
        ControlReply {
            verdict: if still_holds {
                Verdict::Refused
            } else {
                Verdict::Ok
            },
            lines: Vec::new(),
            accepted,
        }
    }

    /// The operator lets go what is remembered of an issuer, on disk and in memory.
    fn reset_state(&mut self, issuer: &str, uid: u32) -> ControlReply {
        let now = self.clock.now();
        let state = self.state.clone();
        let Some(running) = self.named(issuer) else {
            return self.unknown_issuer(issuer);
        };
        let certificate = running.issuer.certificate().clone();
        let on_disk = state.map_or(Ok(()), |state| {
            // Of the lists in use nothing is asked: they are written again.
            let signers = Arc::new(CrlSigners::new(certificate, Vec::new()));
            Plan::of(&state, issuer.to_owned(), &signers, Lists::Forget, now)
                .and_then(|plan| plan.carry_out(&state, uid, now))
                .map(|_| ())
        });
        if let Err(error) = on_disk {
            return ControlReply::refused(format!("{error:#}"));
        }
        running.issuer.forget_time_passed();
        running.refresher.forget_used(now);
        let config = running.config.clone();
        if let Some(ledger) = &self.ledger {
            ledger.forget(&config);
        }
        let Some(running) = self.named(issuer) else {
            return self.unknown_issuer(issuer);
        };
        let identity = running.issuer.identity().to_owned();
        info!(
            issuer,
            "what was used and answered is forgotten; the sources are looked at anew"
        );
        let reports = running.refresher.refresh(now);
        report::sources(running, &reports, now);
        self.clock_watch.forget(&identity);
        self.tell_stages(now);
        ControlReply {
            verdict: Verdict::Ok,
            lines: Vec::new(),
            accepted: Vec::new(),
        }
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

/// A list that was held and came into use; the last good copy is none.
fn accepted(report: &Report) -> Option<AcceptedList> {
    let Event::ListInUse(in_use) = &report.event else {
        return None;
    };
    let facts = &in_use.list.facts;
    match in_use.served {
        Served::Source | Served::Waited => Some(AcceptedList {
            path: report.place.clone(),
            crl_number: facts.crl_number.as_ref().map(ToString::to_string),
            this_update: facts.window.this_update.to_string(),
            sha256: to_hex(&facts.digest),
        }),
        Served::LastGood => None,
    }
}

/// Whoever asked for a reload before this one began has got it.
fn with_same(done: &QueuedCommand, waiting: &mut VecDeque<QueuedCommand>) -> Vec<QueuedCommand> {
    let mut same = Vec::new();
    while done.is_reload() && waiting.front().is_some_and(QueuedCommand::is_reload) {
        same.extend(waiting.pop_front());
    }
    same
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;
    use crate::control_command::ControlPeer;

    fn queued(command: ControlCommand) -> QueuedCommand {
        QueuedCommand {
            command,
            peer: ControlPeer { uid: 0, pid: None },
            reply: oneshot::channel().0,
        }
    }

    #[test]
    fn reloads_that_were_asked_for_together_are_one_and_what_stands_between_keeps_its_place() {
        let reload = || queued(ControlCommand::Reload {});
        let issuer = "site".to_owned();
        let accept = queued(ControlCommand::CrlAccept { issuer });
        let mut waiting = VecDeque::from([reload(), reload(), accept, reload()]);
        assert_eq!(with_same(&reload(), &mut waiting).len(), 2);
        let accept = waiting.pop_front().unwrap();
        assert!(!accept.is_reload());
        assert_eq!(with_same(&accept, &mut waiting).len(), 0);
        assert_eq!(waiting.len(), 1);
    }
}
