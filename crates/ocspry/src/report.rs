//! What happened to lists and keys, as log lines.  From: `assemble`, `control`.  To: the operator's log.
//!
//! error: an issuer cannot answer, or soon will not; warn: it answers, degraded; info: its state changed.

use ocspry_core::Stale;
use ocspry_source::{Served, SourceError, Swapped};
use ocspry_wire::Time;
use ocspry_wire::x509::certificate::display_name;
use tracing::{error, info, warn};

use crate::assemble::{FirstLook, ListLook, PairLook, RunningIssuer};
use crate::credential_files::{PairError, PairWarning};
use crate::summary::crl_number;
use crate::time_text::{utc, utc_and_distance};

/// The first look at an issuer's files.
pub(crate) fn first_look(running: &RunningIssuer, look: &FirstLook, now: Time) {
    let issuer = running.config.name.as_str();
    match &look.list {
        ListLook::InUse(swapped) => list_in_use(running, swapped, None, now),
        ListLook::Carried => {}
        ListLook::Waiting { until } => list_waiting(running, *until, now),
        ListLook::Refused(error) if running.issuer.table().is_some() => {
            error!(issuer, "{error}; the list in use stays");
        }
        ListLook::Refused(error) => error!(issuer, "{error}; answers are tryLater"),
    }
    match &look.pair {
        PairLook::InUse(warnings) => pair_in_use(running, warnings, now),
        PairLook::Refused(error) => pair_refused(running, error, 1, now),
    }
}

/// A list was swapped in; `entries_before` counts those of the one before it.
pub(crate) fn list_in_use(
    running: &RunningIssuer,
    swapped: &Swapped,
    entries_before: Option<usize>,
    now: Time,
) {
    let issuer = running.config.name.as_str();
    let path = running.config.crl.display();
    let facts = &swapped.facts;
    let table = running.issuer.table();
    let number = table
        .as_ref()
        .and_then(|table| table.source().crl_number.as_deref());
    let number = number
        .map(|number| format!(" {}", crl_number(number)))
        .unwrap_or_default();
    let before = entries_before
        .map(|before| format!(" (before: {before})"))
        .unwrap_or_default();
    let copy = match swapped.served {
        Served::File => "",
        Served::Waited => ", which waited for its time,",
        Served::LastGood => ", the last good copy,",
    };
    info!(
        issuer,
        %path,
        "CRL{number}{copy} in use: {} revoked{before}, thisUpdate {}, nextUpdate {}",
        facts.entry_count,
        utc(facts.window.this_update),
        utc_and_distance(facts.window.next_update, now),
    );
    if let Some(refused) = &swapped.refused {
        error!(issuer, "{refused}; the last good copy is in use");
    }
    if let Some(until) = swapped.waiting_until {
        list_waiting(running, until, now);
    }
    if swapped.is_expired {
        list_expired(running, facts.window.next_update, now);
    }
    for warning in &facts.warnings {
        warn!(issuer, %path, "{warning}");
    }
    for (defect, count) in facts.defects.found() {
        warn!(issuer, %path, "tolerated in the CRL: {defect} ({count})");
    }
    if let Some(state_error) = &swapped.state_error {
        list_not_kept(issuer, state_error);
    }
}

/// The state directory could not take the list in use.
pub(crate) fn list_not_kept(issuer: &str, error: &SourceError) {
    warn!(issuer, "{error}; after a restart this list may be missing");
}

/// The list in use is over.
pub(crate) fn list_expired(running: &RunningIssuer, next_update: Time, now: Time) {
    let then = running.issuer.stale(now).map_or_else(
        || "answers are tryLater until a newer one comes".to_owned(),
        goes_on,
    );
    error!(
        issuer = running.config.name.as_str(),
        path = %running.config.crl.display(),
        "the CRL expired on {}; {then}",
        utc_and_distance(next_update, now),
    );
}

/// What `stale-until` means for answers.
pub(crate) fn goes_on(stale: Stale) -> String {
    format!(
        "answers go on from it until {} by stale-until",
        utc(stale.until)
    )
}

/// The file's list begins later.
pub(crate) fn list_waiting(running: &RunningIssuer, until: Time, now: Time) {
    let stays = if running.issuer.table().is_some() {
        "the list in use stays"
    } else {
        "answers are tryLater"
    };
    warn!(
        issuer = running.config.name.as_str(),
        path = %running.config.crl.display(),
        "the CRL is from the future and takes over on {}; until then {stays}",
        utc_and_distance(until, now),
    );
}

/// A pair was swapped in.
pub(crate) fn pair_in_use(running: &RunningIssuer, warnings: &[PairWarning], now: Time) {
    let issuer = running.config.name.as_str();
    if let Some(credential) = running.issuer.credential() {
        info!(
            issuer,
            "signer in use: {}, {}, notAfter {}",
            display_name(credential.certificate().view().subject),
            credential.algorithm().name(),
            utc_and_distance(credential.not_after(), now),
        );
    }
    for warning in warnings {
        warn!(issuer, "{warning}");
    }
}

/// Changed files do not make a pair.  Right after a change that is how renewals look; later it is worth a warning, once.
pub(crate) fn pair_refused(running: &RunningIssuer, error: &PairError, attempts: u32, now: Time) {
    let issuer = running.config.name.as_str();
    let in_use = running
        .issuer
        .credential()
        .filter(|credential| credential.not_after() >= now);
    match (in_use, attempts) {
        (Some(_), 1) => info!(
            issuer,
            "{error}; the signer in use goes on until certificate and key fit"
        ),
        (Some(credential), 2) => warn!(
            issuer,
            "{error}; still so, and the signer in use ends on {}",
            utc_and_distance(credential.not_after(), now),
        ),
        (None, 1) => error!(issuer, "{error}; answers are tryLater"),
        (Some(_) | None, _) => {}
    }
}
