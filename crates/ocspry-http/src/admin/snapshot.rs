//! Everything that a page says of the issuers, as of one moment.  From: [`AdminState`].  To: `status` and `dashboard`, which
//! for this reason cannot tell two numbers for one thing.

use std::sync::Arc;
use std::time::Duration;

use ocspry_core::{
    CredentialKind, Refusal, ResponderCredential, Stale, StatusTable, ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::x509::certificate::display_name;

use super::program::Reload;
use super::request_history::Requests;
use super::state::NotReady;
use super::{AdminState, IssuerReport, StateKept};

/// The program at one moment.
pub(crate) struct Snapshot {
    pub(crate) version: &'static str,
    pub(crate) now: Time,
    pub(crate) started_at: Time,
    pub(crate) uptime: Duration,
    pub(crate) readiness: Result<(), NotReady>,
    /// None while that is not known yet.
    pub(crate) state_kept: Option<StateKept>,
    /// None before the first one.
    pub(crate) last_reload: Option<Arc<Reload>>,
    /// To the OCSP listener.
    pub(crate) requests: Requests,
    /// In the order of the configuration.
    pub(crate) issuers: Vec<IssuerSnapshot>,
}

/// An issuer at that moment.
pub(crate) struct IssuerSnapshot {
    reports: Arc<Vec<IssuerReport>>,
    index: usize,
    crl_number: fn(&[u8]) -> String,
    pub(crate) now: Time,
    pub(crate) generation: u64,
    pub(crate) can_answer: Result<(), Refusal>,
    pub(crate) stale: Option<Stale>,
    /// About its certificates.
    pub(crate) requests: Requests,
    table: Option<Arc<StatusTable>>,
    credential: Option<Arc<ResponderCredential>>,
}

/// What answers come from.
pub(crate) struct ListSeen<'a> {
    pub(crate) read_from: &'a str,
    pub(crate) number: Option<String>,
    pub(crate) entry_count: usize,
    pub(crate) window: ValidityWindow,
    /// By window-max, if that ends answers before the list does.
    pub(crate) seconds_left: i64,
    /// Less than a fifth of that time is left.
    pub(crate) is_ending: bool,
}

/// Who signs them.
pub(crate) struct SignerSeen {
    pub(crate) kind: &'static str,
    pub(crate) subject: String,
    pub(crate) algorithm: &'static str,
    pub(crate) not_before: Time,
    pub(crate) not_after: Time,
    pub(crate) seconds_left: i64,
    /// Less than a fifth of its life is left.
    pub(crate) is_ending: bool,
}

impl Snapshot {
    /// Now.
    pub(crate) fn take(state: &AdminState) -> Snapshot {
        let now = state.now();
        let reports = state.issuers();
        let (requests, of_issuers) = state.requests(&reports);
        let issuers = of_issuers.into_iter().enumerate().map(|(index, requests)| {
            let issuer = &reports[index].issuer;
            IssuerSnapshot {
                reports: Arc::clone(&reports),
                index,
                crl_number: state.crl_number,
                now,
                // Before the table, as whoever looks serials up does.
                generation: issuer.generation(),
                can_answer: issuer.can_answer(now),
                stale: issuer.stale(now),
                requests,
                table: issuer.table(),
                credential: issuer.credential(),
            }
        });
        Snapshot {
            version: state.version,
            now,
            started_at: state.started_at,
            uptime: state.uptime(),
            readiness: state.readiness(&reports, now),
            state_kept: state.state_kept().cloned(),
            last_reload: state.last_reload(),
            issuers: issuers.collect(),
            requests,
        }
    }
}

impl IssuerSnapshot {
    /// What the control thread knows of it.
    pub(crate) fn report(&self) -> &IssuerReport {
        &self.reports[self.index]
    }

    /// The configured name.
    pub(crate) fn name(&self) -> &str {
        self.report().issuer.name()
    }

    /// The list in use, or all of them as one.
    pub(crate) fn list(&self) -> Option<ListSeen<'_>> {
        let table = self.table.as_deref()?;
        let window = table.window();
        let source = table.source();
        let in_use = ValidityWindow {
            next_update: self.report().issuer.policy().source_end(window),
            ..window
        };
        Some(ListSeen {
            read_from: &source.origin,
            number: source.crl_number.as_deref().map(self.crl_number),
            entry_count: table.entry_count(),
            window,
            seconds_left: in_use.next_update.seconds_since(self.now),
            is_ending: self.now >= in_use.last_fifth(),
        })
    }

    /// Who signs; of several, the first.
    pub(crate) fn signer(&self) -> Option<SignerSeen> {
        let credential = self.credential.as_deref()?;
        let life = ValidityWindow {
            this_update: credential.not_before(),
            next_update: credential.not_after(),
        };
        Some(SignerSeen {
            kind: match credential.kind() {
                CredentialKind::Issuer => "issuer",
                CredentialKind::Delegated => "delegated",
            },
            subject: display_name(credential.certificate().view().subject),
            algorithm: credential.algorithm().name(),
            not_before: credential.not_before(),
            not_after: credential.not_after(),
            seconds_left: credential.not_after().seconds_since(self.now),
            is_ending: self.now >= life.last_fifth(),
        })
    }
}
