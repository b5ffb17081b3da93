//! What happened to lists and keys, as log lines.  From: `assemble`, `control`.  To: the operator's log.
//!
//! error: an issuer cannot answer, or soon will not; warn: it answers, degraded; info: its state changed.

use ocspry_core::Stale;
use ocspry_core::crypto::sha256;
use ocspry_source::{
    Ended, Event, LeftBy, ListInUse, NamedDeltas, Report, Served, TakenBack, Vanished,
};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::x509::certificate::display_name;
use tracing::{error, info, warn};

use crate::assemble::{FirstLook, PairLook, RunningIssuer};
use crate::audit::AUDIT;
use crate::credential_files::{PairError, PairWarning};
use crate::managed_responder::Awaited;
use crate::time_text::{utc, utc_and_distance};

/// The first look at an issuer's files.
pub(crate) fn first_look(running: &RunningIssuer, look: &FirstLook, now: Time) {
    sources(running, &look.reports, now);
    match &look.pair {
        PairLook::InUse(warnings) => pair_in_use(running, warnings, now),
        PairLook::Refused(error) => pair_refused(running, error, 1, now),
        PairLook::Awaited(awaited) => pair_awaited(running, awaited, now),
    }
}

/// What a look at an issuer's sources led to.
pub(crate) fn sources(running: &RunningIssuer, reports: &[Report], now: Time) {
    let issuer = running.config.name.as_str();
    let is_answering = running.issuer.table().is_some();
    let stays = if is_answering {
        "what is in use stays"
    } else {
        "answers are tryLater"
    };
    for Report { place, event } in reports {
        match event {
            Event::ListInUse(list) => list_in_use(issuer, place, list, now),
            Event::ScopeLeft {
                scope,
                left_by,
                vanished,
            } => {
                let why = match left_by {
                    LeftBy::Place => "its place has one of another scope now",
                    LeftBy::Operator => "no configured source has it",
                    LeftBy::Key => {
                        "it has ended, and another key of the same name signed a newer one"
                    }
                };
                info!(
                    issuer,
                    path = place,
                    "the CRL of {scope} is not in use any more: {why}"
                );
                let scope = scope.to_string();
                info!(target: AUDIT, event = "list-left", issuer, path = place, scope, why);
                if vanished.count > 0 {
                    entries_vanished(issuer, place, "in no CRL any more", *vanished);
                }
            }
            Event::FactsInUse(sentence) => {
                info!(issuer, path = place, "{sentence}");
                let what = sentence.as_str();
                info!(target: AUDIT, event = "facts-in-use", issuer, path = place, what);
            }
            Event::Settling { until } => info!(
                issuer,
                path = place,
                "the file was changed just now: what it adds counts at once, what it takes back from {until} on, if it stays as it is"
            ),
            Event::OverlayEmptied => {
                let what = "the overlay is empty: it revokes nothing any more";
                warn!(issuer, path = place, "{what}");
                info!(target: AUDIT, event = "facts-in-use", issuer, path = place, what);
            }
            Event::TakenBack(taken_back) => facts_taken_back(issuer, place, *taken_back),
            Event::NotCompared(error) => error!(
                issuer,
                path = place,
                "what is in use cannot be compared with the list before it ({error}): make sure that it is the newest"
            ),
            Event::Waiting { until } => warn!(
                issuer,
                path = place,
                "the CRL is from the future and takes over on {}; until then {stays}",
                utc_and_distance(*until, now),
            ),
            Event::Refused(error) => error!(issuer, "{error}; {stays}"),
            Event::NewsMissing(error) => warn!(
                issuer,
                "{error}; answers go on, without what that delta CRL would add"
            ),
            Event::Named(named) => named_deltas(issuer, place, named),
            Event::Recovered => info!(
                issuer,
                path = place,
                "nothing is wrong here any more: fine again"
            ),
            Event::Gap(gap) => warn!(
                issuer,
                path = place,
                "the delta CRL is not used yet: {gap}; a newer complete CRL is needed"
            ),
            Event::NotKept(error) => {
                warn!(issuer, "{error}; after a restart this may be missing")
            }
            Event::Kept => info!(
                issuer,
                path = place,
                "what is in use here is kept in the state directory now"
            ),
            Event::Unproven(unproven) => error!(
                issuer,
                "certificates that no list names get tryLater: {unproven}"
            ),
            Event::Proven => info!(
                issuer,
                "certificates that no list names are answered for again"
            ),
            Event::Expired {
                next_update,
                ended: Ended::Ledger,
            } => error!(
                issuer,
                "what the ledger said expired on {}, since it was not read; answers are tryLater until it can be read",
                utc_and_distance(*next_update, now),
            ),
            Event::Expired {
                next_update,
                ended: Ended::List,
            } => {
                let then = running.issuer.stale(now).map_or_else(
                    || "answers are tryLater until a newer one comes".to_owned(),
                    goes_on,
                );
                error!(
                    issuer,
                    path = place,
                    "the CRL expired on {}; {then}",
                    utc_and_distance(*next_update, now),
                );
            }
        }
    }
}

fn list_in_use(issuer: &str, place: &str, in_use: &ListInUse, now: Time) {
    let facts = &in_use.list.facts;
    let kind = if in_use.list.is_delta() {
        "delta CRL"
    } else {
        "CRL"
    };
    let number = facts
        .crl_number
        .as_ref()
        .map(|number| format!(" {number}"))
        .unwrap_or_default();
    let before = in_use
        .entries_before
        .map(|before| format!(" (before: {before})"))
        .unwrap_or_default();
    let copy = match in_use.served {
        Served::Source => "",
        Served::Waited => ", which waited for its time,",
        Served::LastGood => ", the last good copy,",
    };
    let scope = &in_use.list.scope;
    info!(
        issuer,
        path = place,
        scope = (!scope.is_unlimited()).then(|| display(scope)),
        "{kind}{number}{copy} in use: {} revoked{before}, thisUpdate {}, nextUpdate {}",
        facts.entry_count,
        utc(facts.window.this_update),
        utc_and_distance(facts.window.next_update, now),
    );
    info!(
        target: AUDIT,
        event = "list-in-use",
        issuer,
        path = place,
        kind,
        crl_number = facts.crl_number.as_ref().map(display),
        this_update = %facts.window.this_update,
        next_update = %facts.window.next_update,
        entries = facts.entry_count as u64,
        sha256 = to_hex(&facts.digest),
        is_last_good_copy = in_use.served == Served::LastGood,
    );
    for warning in &facts.warnings {
        warn!(issuer, path = place, "{warning}");
    }
    for (defect, count) in facts.defects.found() {
        // The CA's habits, which the operator cannot change, and which change no answer.
        info!(
            issuer,
            path = place,
            "tolerated in the {kind}: {defect} ({count})"
        );
    }
    if let Some(vanished) = in_use.vanished.filter(|vanished| vanished.count > 0) {
        let are = if in_use.list.is_delta() {
            "taken back by the delta CRL"
        } else {
            "not in the new CRL any more"
        };
        entries_vanished(issuer, place, are, vanished);
    }
}

/// Where the deltas of a list are fetched, by its own word.
fn named_deltas(issuer: &str, place: &str, named: &NamedDeltas) {
    let NamedDeltas {
        urls,
        unusable,
        beyond_count,
        other_count,
    } = named;
    let urls: Vec<String> = urls.iter().map(ToString::to_string).collect();
    let urls = if urls.is_empty() {
        "nowhere".to_owned()
    } else {
        urls.join(", ")
    };
    let passed_over = match other_count + *beyond_count as u64 {
        0 => String::new(),
        count => format!("; {count} more of its names are passed over"),
    };
    info!(
        issuer,
        path = place,
        "deltas are fetched from {urls}, as the CRL says (freshestCRL){passed_over}"
    );
    for problem in unusable {
        warn!(
            issuer,
            path = place,
            "freshestCRL in the CRL: {problem}; tell the CA"
        );
    }
}

/// What `stale-until` means for answers.
pub(crate) fn goes_on(stale: Stale) -> String {
    format!(
        "answers go on from it until {} by stale-until",
        utc(stale.until)
    )
}

/// CAs drop entries of expired certificates; more than that may be an accident, or worse.
fn entries_vanished(issuer: &str, place: &str, are: &str, vanished: Vanished) {
    let Vanished {
        count,
        of,
        unexpired,
        is_held,
    } = vanished;
    info!(
        target: AUDIT,
        event = "entries-vanished",
        issuer,
        path = place,
        count = count as u64,
        of = of as u64,
        unexpired = unexpired as u64,
        is_held,
    );
    let unexpired = match unexpired {
        0 => String::new(),
        count => format!(", {count} of them of certificates that have not expired"),
    };
    if is_held {
        error!(
            issuer,
            path = place,
            "{count} of {of} entries are {are}{unexpired}: they stay revoked until \
             `ocspry crl accept {issuer}`"
        );
    } else if vanished.is_alarming() {
        error!(
            issuer,
            path = place,
            "{count} of {of} entries are {are}{unexpired}: they are not revoked from now on; ask \
             the CA whether that is meant"
        );
    } else {
        info!(issuer, path = place, "{count} of {of} entries are {are}");
    }
}

/// A CA's list of what it issued only grows, but for expired certificates that some leave out.
fn facts_taken_back(issuer: &str, place: &str, taken_back: TakenBack) {
    let (what, is_held) = (taken_back.to_string(), taken_back.is_held);
    info!(target: AUDIT, event = "facts-taken-back", issuer, path = place, what, is_held);
    if taken_back.is_held {
        error!(
            issuer,
            path = place,
            "{taken_back}: what was said of them counts until `ocspry crl accept {issuer}`"
        );
    } else if taken_back.is_alarming() {
        error!(
            issuer,
            path = place,
            "{taken_back}: what is there now counts; make sure that it is the newest, and whole"
        );
    } else {
        info!(issuer, path = place, "{taken_back}");
    }
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
        info!(
            target: AUDIT,
            event = "responder-key-loaded",
            issuer,
            subject = display_name(credential.certificate().view().subject),
            certificate_sha256 = to_hex(&sha256(credential.certificate().der())),
            algorithm = credential.algorithm().name(),
            is_ca_key = credential.certificate() == running.issuer.certificate(),
            not_after = %credential.not_after(),
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

/// A managed responder waits: for its first certificate in vain, for the next ones as it should.
pub(crate) fn pair_awaited(running: &RunningIssuer, awaited: &Awaited, now: Time) {
    let issuer = running.config.name.as_str();
    match running.can_answer_at(now) {
        true => info!(issuer, "{awaited}; the signer in use goes on"),
        false => error!(issuer, "{awaited}; until then answers are tryLater"),
    }
}
