//! Commands of the CA that are killed at each of their writes, fsyncs and renames: no fact is lost or half there, no number
//! is used twice, and the command is run again and succeeds.
//!
//! `cargo test` kills fifty times and a few more, `cargo xtask kills` as often as it is told.  Each ledger lives on through some kills, so
//! that what they leave behind adds up.  A killed process is not a power cut: what it wrote the kernel has, synced or not.

mod boundary;
mod chain;
mod plan;
mod verb;

use std::num::NonZero;
use std::sync::Mutex;
use std::thread;

use self::boundary::{Boundary, Strace};
use self::chain::Chain;
use self::plan::Plan;
use self::verb::{Attempt, Verb};
use crate::ledger_site::LedgerSite;

#[test]
fn a_kill_at_each_kind_of_call_of_each_command_leaves_no_half_fact_and_no_number_is_used_twice() {
    kill(50);
}

#[test]
#[ignore = "run by cargo xtask kills"]
fn many_kills_hit_each_write_fsync_and_rename() {
    let count = std::env::var("OCSPRY_TEST_KILLS").unwrap_or_default();
    kill(count.parse().unwrap_or(5000));
}

/// Kills that often and each kind of call once at least, in as many ledgers at a time as there are processors, and prints where.
fn kill(count: usize) {
    let Some(strace) = Strace::find() else { return };
    let template = chain::template();
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let plan = Mutex::new(Plan::new(count));
    thread::scope(|scope| {
        let (strace, template, plan) = (&strace, &template, &plan);
        for verbs in Verb::ALL.chunks(Verb::ALL.len().div_ceil(workers)) {
            scope.spawn(move || {
                let mut chain = Chain::new(template);
                for verb in verbs {
                    learn(strace, &mut chain, *verb, plan);
                }
            });
        }
    });
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| work(&strace, &template, &plan));
        }
    });
    let plan = plan.into_inner().unwrap();
    println!("{plan}");
    plan.assert_all_hit();
}

/// Runs a command that is not killed, for its boundaries.
fn learn(strace: &Strace, chain: &mut Chain, verb: Verb, plan: &Mutex<Plan>) {
    let attempt = Attempt::begin(verb, chain);
    let line = attempt.line.clone();
    let _told = ToldOnPanic { what: &line, plan };
    let traced = strace.run(&chain.site, &attempt.line, None);
    attempt.check_done(chain, &traced.finished);
    plan.lock().unwrap().learn(verb, &traced.boundaries);
}

/// Kills until there is nothing left to kill.
fn work(strace: &Strace, template: &LedgerSite, plan: &Mutex<Plan>) {
    let mut chain = Chain::new(template);
    loop {
        let Some((verb, boundary)) = plan.lock().unwrap().next() else {
            break;
        };
        if chain.kills >= KILLS_OF_A_CHAIN {
            chain.end();
            chain = Chain::new(template);
        }
        kill_once(strace, &mut chain, verb, boundary, plan);
    }
    chain.end();
}

fn kill_once(
    strace: &Strace,
    chain: &mut Chain,
    verb: Verb,
    mut boundary: Boundary,
    plan: &Mutex<Plan>,
) {
    for _ in 0..TRIES {
        let mut attempt = Attempt::begin(verb, chain);
        let told = format!(
            "{}, killed at {boundary}, after {} kills",
            attempt.line, chain.kills
        );
        let _told = ToldOnPanic { what: &told, plan };
        let traced = strace.run(&chain.site, &attempt.line, Some(&boundary));
        if !traced.was_killed {
            // It had less to write than the run before.
            attempt.check_done(chain, &traced.finished);
            let mut plan = plan.lock().unwrap();
            plan.learn(verb, &traced.boundaries);
            boundary = plan.instead_of(verb, &boundary).unwrap();
            continue;
        }
        chain.kills += 1;
        attempt.check_killed(chain, &traced.finished);
        if let Some(line) = attempt.again(chain) {
            let again = strace.run(&chain.site, &line, None);
            attempt.check_done(chain, &again.finished);
            plan.lock().unwrap().learn_more(verb, &again.boundaries);
        }
        let mut plan = plan.lock().unwrap();
        let done = plan.hit(verb, boundary);
        if done.is_multiple_of(500) {
            println!("{done} kills\n{plan}");
        } else if done.is_multiple_of(100) {
            println!("{done} kills");
        }
        return;
    }
    panic!("{verb} does not come to {boundary}");
}

/// When a check fails, says what was going on, and lets the others end.
struct ToldOnPanic<'a> {
    what: &'a str,
    plan: &'a Mutex<Plan>,
}

impl Drop for ToldOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("ocspry {}", self.what);
            if let Ok(mut plan) = self.plan.lock() {
                plan.stop();
            }
        }
    }
}

/// Then another ledger begins: it has grown by some thousand certificates, and its checks get slow.
const KILLS_OF_A_CHAIN: usize = 24;
/// The random serial number of a certificate decides by a page or two how much there is to write.
const TRIES: usize = 4;
