//! The rows of `/metrics` that are about one issuer each.  From: the issuers themselves and what the control thread knows
//! of them.  To: `metrics`.
//!
//! Two hundred issuers must not make millions of series: no row here has more labels than the issuer and one or two
//! closed sets, and what has many words (method, outcome) is counted for all issuers together.

use std::collections::BTreeMap;
use std::fmt;

use ocspry_wire::x509::SignatureAlgorithm;

use super::page::{Page, number};
use crate::admin::{AdminState, IssuerReport, LedgerLook};

/// All of them.
pub(super) fn write(page: &mut Page<'_>, state: &AdminState) -> fmt::Result {
    counts(page, &state.issuers())?;
    states(page, state)
}

/// What happened, by issuer.
fn counts(page: &mut Page<'_>, issuers: &[IssuerReport]) -> fmt::Result {
    page.counter(
        "ocspry_issuer_requests",
        "Requests about certificates of an issuer, by what their clients were told",
        issuers.iter().flat_map(|report| {
            let issuer = report.issuer.name();
            let told = report.issuer.counts().told().into_iter();
            told.map(move |(told, count)| ([("issuer", issuer), ("answer", told.label())], count))
        }),
    )?;
    let signatures = || {
        issuers.iter().flat_map(|report| {
            let issuer = report.issuer.name();
            let signatures = report.issuer.counts().signatures();
            signatures.map(move |(algorithm, counts)| {
                let labels = [
                    ("issuer", issuer),
                    ("algorithm", algorithm_label(algorithm)),
                ];
                (labels, counts)
            })
        })
    };
    page.counter(
        "ocspry_issuer_signatures",
        "Signatures by an issuer's keys, with those by which a key was tried",
        signatures().flat_map(|([issuer, algorithm], counts)| {
            let [signed, failed] = counts.results();
            let row = move |result, count| ([issuer, algorithm, ("result", result)], count);
            [row("signed", signed), row("failed", failed)]
        }),
    )?;
    page.histogram(
        "ocspry_signature_duration_seconds",
        "How long a key took to sign, without the wait for its turn",
        signatures().map(|(labels, counts)| (labels, &counts.durations)),
    )
}

fn algorithm_label(algorithm: SignatureAlgorithm) -> &'static str {
    match algorithm {
        SignatureAlgorithm::RsaSha1 => "rsa-sha1",
        SignatureAlgorithm::RsaSha256 => "rsa-sha256",
        SignatureAlgorithm::RsaSha384 => "rsa-sha384",
        SignatureAlgorithm::RsaSha512 => "rsa-sha512",
        SignatureAlgorithm::EcdsaSha256 => "ecdsa-sha256",
        SignatureAlgorithm::EcdsaSha384 => "ecdsa-sha384",
        SignatureAlgorithm::EcdsaSha512 => "ecdsa-sha512",
        SignatureAlgorithm::Ed25519 => "ed25519",
    }
}

/// How each stands now.
fn states(page: &mut Page<'_>, state: &AdminState) -> fmt::Result {
    let now = state.now();
    let issuers = state.issuers();
    let mut each = |name: &str, help: &str, value: &dyn Fn(&IssuerReport) -> Option<i64>| {
        let rows = issuers.iter().filter_map(|report| {
            let labels = [("issuer", report.issuer.name())];
            value(report).map(|value| (labels, value))
        });
        page.gauge(name, help, rows)
    };
    each(
        "ocspry_issuer_can_answer",
        "1 if a request about this issuer would get a signed answer now, else 0",
        &|report| Some(i64::from(report.issuer.can_answer(now).is_ok())),
    )?;
    each(
        "ocspry_source_seconds_until_stale",
        "Seconds until answers from the list in use end, by its nextUpdate or by window-max; negative once they have",
        &|report| {
            let window = report.issuer.table()?.window();
            let end = report.issuer.policy().source_end(window);
            Some(end.seconds_since(now))
        },
    )?;
    each(
        "ocspry_source_next_update_timestamp_seconds",
        "When answers from the list in use end, in seconds since 1970",
        &|report| {
            let window = report.issuer.table()?.window();
            Some(report.issuer.policy().source_end(window).unix_seconds())
        },
    )?;
    each(
        "ocspry_source_ending",
        "1 while less than a fifth of the time of the list in use is left, or none, else 0",
        &|report| Some(i64::from(report.issuer.source_is_ending(now)?)),
    )?;
    each(
        "ocspry_source_stale",
        "1 while answers come from a list that is over, because of stale-until, else 0",
        &|report| Some(i64::from(report.issuer.stale(now).is_some())),
    )?;
    each(
        "ocspry_source_this_update_timestamp_seconds",
        "The thisUpdate of the list in use, in seconds since 1970",
        &|report| {
            let table = report.issuer.table()?;
            Some(table.window().this_update.unix_seconds())
        },
    )?;
    each(
        "ocspry_source_entries",
        "Entries of the list in use",
        &|report| Some(number(report.issuer.table()?.entry_count() as u64)),
    )?;
    each(
        "ocspry_source_failing",
        "1 while the newest list cannot be used or kept (/status says why), else 0",
        &|report| Some(i64::from(report.source_problem.is_some())),
    )?;
    each(
        "ocspry_source_failing_since_timestamp_seconds",
        "Since when the newest list cannot be used or kept, in seconds since 1970",
        &|report| Some(report.source_problem.as_ref()?.since.unix_seconds()),
    )?;
    each(
        "ocspry_source_last_success_timestamp_seconds",
        "When the sources were last looked at and nothing was wrong, in seconds since 1970",
        &|report| Some(report.source_success?.unix_seconds()),
    )?;
    each(
        "ocspry_signer_seconds_until_expiry",
        "Seconds until the notAfter of the signer's certificate; negative once it is over",
        &|report| {
            let credential = report.issuer.credential()?;
            Some(credential.not_after().seconds_since(now))
        },
    )?;
    each(
        "ocspry_signer_ending",
        "1 while less than a fifth of the time of the signer's certificate is left, or none, else 0",
        &|report| Some(i64::from(report.issuer.signer_is_ending(now)?)),
    )?;
    each(
        "ocspry_signer_failing",
        "1 while the newest certificate and key cannot be used (/status says why), else 0",
        &|report| Some(i64::from(report.signer_problem.is_some())),
    )?;
    each(
        "ocspry_absence_unproven",
        "1 while certificates that no list names get tryLater (/status says why), else 0",
        &|report| Some(i64::from(report.unproven.is_some())),
    )?;
    each(
        "ocspry_crl_held",
        "1 while the guard holds something until ocspry crl accept, else 0",
        &|report| Some(i64::from(!report.holds.is_empty())),
    )?;
    page.gauge(
        "ocspry_source_problems",
        "How much was wrong with a source at the last look",
        issuers.iter().flat_map(|report| {
            report.sources.iter().map(|source| {
                let labels = [
                    ("issuer", report.issuer.name()),
                    ("source", source.name.as_str()),
                ];
                (labels, number(source.problem_count as u64))
            })
        }),
    )?;
    page.gauge(
        "ocspry_crl_fetch_last_success_timestamp_seconds",
        "When the URL last had a CRL, or said that it is still the same, in seconds since 1970",
        issuers.iter().flat_map(|report| {
            report.sources.iter().filter_map(|source| {
                let labels = [
                    ("issuer", report.issuer.name()),
                    ("source", source.name.as_str()),
                ];
                Some((labels, source.last_fetch?.unix_seconds()))
            })
        }),
    )?;
    let mut of_ledger = |name: &str, help: &str, value: &dyn Fn(LedgerLook) -> i64| {
        let rows = issuers.iter().filter_map(|report| {
            let mut meters = report
                .sources
                .iter()
                .filter_map(|source| source.ledger.as_ref());
            let look = meters.next()?.last_look()?;
            Some(([("issuer", report.issuer.name())], value(look)))
        });
        page.gauge(name, help, rows)
    };
    of_ledger(
        "ocspry_ledger_sequence",
        "The last fact of the ledger that was seen",
        &|look| number(look.sequence),
    )?;
    of_ledger(
        "ocspry_ledger_last_look_timestamp_seconds",
        "When the ledger was read last, in seconds since 1970",
        &|look| look.time.unix_seconds(),
    )?;
    page.counter(
        "ocspry_crl_vanished_entries",
        "Entries that one complete CRL had and the next had not",
        issuers
            .iter()
            .map(|report| ([("issuer", report.issuer.name())], report.vanished_count)),
    )?;
    page.gauge(
        "ocspry_crl_defects",
        "What is tolerated in the CRLs in use, by name",
        issuers.iter().flat_map(|report| {
            let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
            for (defect, count) in report.lists.iter().flat_map(|list| &list.defects) {
                *counts.entry(defect).or_default() += count;
            }
            counts.into_iter().map(|(defect, count)| {
                let labels = [("issuer", report.issuer.name()), ("defect", defect)];
                (labels, number(count))
            })
        }),
    )
}
