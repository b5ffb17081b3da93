//! Signatures: what was made, what waits, and what was refused and why.  From: the pool and the workers.  To: `metrics`.

use std::fmt;

use ocspry_core::{Excess, SigningClass, TurnCounts};

use super::page::{Page, number};
use crate::server::ServerMeter;

pub(super) fn write(page: &mut Page<'_>, server: &ServerMeter) -> fmt::Result {
    let pool = server.responder().signing_counts();
    let signed = server.answers(|counts| counts.signed.get());
    let failed = server.answers(|counts| counts.signing_failed.get());
    let of_workers =
        |count: &dyn Fn(&TurnCounts) -> u64| -> u64 { server.signing_turns().map(count).sum() };
    let refused_by_workers: u64 = of_workers(&|turns| turns.refused.all().iter().flatten().sum());
    page.counter(
        "ocspry_signatures",
        "Signatures made, failed, or refused because more was asked for than can be signed",
        [
            ([("result", "signed")], signed + pool.signed),
            ([("result", "failed")], failed + pool.failed),
            (
                [("result", "refused")],
                refused_by_workers + pool.refused_total(),
            ),
        ],
    )?;
    let reasons = SigningClass::ALL
        .into_iter()
        .flat_map(|class| Excess::ALL.map(|excess| (class, excess)));
    page.counter(
        "ocspry_signatures_refused",
        "Signatures refused, by what they were for, where, and why",
        reasons.flat_map(|(class, excess)| {
            let labels = |signer| {
                [
                    ("signer", signer),
                    ("class", class.label()),
                    ("reason", excess.label()),
                ]
            };
            let by_workers = of_workers(&|turns| turns.refused.get(class, excess));
            let by_pool = pool.refused[class as usize][excess as usize];
            [(labels("worker"), by_workers), (labels("pool"), by_pool)]
        }),
    )?;
    page.gauge(
        "ocspry_signing_queue_length",
        "Signatures of slow keys that wait",
        [([], number(pool.waiting.iter().sum()))],
    )?;
    page.gauge(
        "ocspry_signing_queue_length_max",
        "Signatures that may wait now for the slow key that takes the fewest",
        [([], number(pool.waiting_max))],
    )?;
    page.gauge(
        "ocspry_signing_waiting",
        "Signatures of slow keys that wait, by what they are for",
        SigningClass::ALL.map(|class| {
            let labels = [("class", class.label())];
            (labels, number(pool.waiting[class as usize]))
        }),
    )?;
    page.gauge(
        "ocspry_signing_threads",
        "Threads for slow keys: with nothing to do, at work, or at one signature for too long",
        [
            ([("state", "idle")], number(pool.threads_idle)),
            (
                [("state", "busy")],
                number(
                    pool.threads
                        .saturating_sub(pool.threads_idle + pool.threads_stuck),
                ),
            ),
            ([("state", "stuck")], number(pool.threads_stuck)),
        ],
    )?;
    let workers: Vec<(String, &TurnCounts)> = server
        .signing_turns()
        .enumerate()
        .map(|(worker, turns)| (worker.to_string(), turns))
        .collect();
    page.gauge(
        "ocspry_worker_signing_queue_length",
        "Signatures of fast keys that wait on each worker",
        workers
            .iter()
            .map(|(worker, turns)| ([("worker", worker.as_str())], number(turns.waiting.get()))),
    )?;
    page.gauge(
        "ocspry_worker_signing_queue_length_max",
        "Signatures of fast keys that may wait on each worker; 0 as long as none has waited",
        workers.iter().map(|(worker, turns)| {
            (
                [("worker", worker.as_str())],
                number(turns.waiting_max.get()),
            )
        }),
    )?;
    page.counter(
        "ocspry_signatures_handed_over",
        "Signatures of fast keys that a worker with too much to do gave to a thread with nothing to do",
        [([], of_workers(&|turns| turns.handed_over.get()))],
    )?;
    page.counter(
        "ocspry_nonces_dropped",
        "Requests whose nonce was left out because there was no room for a signature of its own",
        [([], server.answers(|counts| counts.nonces_dropped.get()))],
    )
}
