//! A new list under a load that saturates the responder's core: what requests notice of it.
//!
//! The responder is on core 0, the load on core 1, every answer is compared with what the list says that its thisUpdate names.
//! From the rename to one second after every question was answered from the new list, latencies are those of a reload: the old
//! list's memory is given back in that time, too.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::list::ListSpec;
use ocspry_bench::list_file::{self, Armour};
use ocspry_bench::load::{self, Judged, Measured, Traffic};
use ocspry_bench::made_list::MadeList;
use ocspry_bench::question::{Question, RequestKind, Tally, Turns, ask_all};
use ocspry_bench::server::{self, Server};
use ocspry_testkit::{KeyKind, Reply};
use serde_json::{Value, json};

use crate::loading::{TABLE_SHARE, table_bytes};
use crate::made_of_size;
use crate::options::Options;

/// Connections, kept alive.
const CONNECTIONS: usize = 32;
/// The load goes on for so long after the new list is in all answers.
const SETTLING: Duration = Duration::from_secs(1);
/// A new list that is not in the answers by then is a failure.
const RELOAD_MAX: Duration = Duration::from_secs(600);
/// One answer in so many is kept, and its signature checked afterwards: checking all would take more than signing them.
const KEPT: u64 = 4096;

pub(crate) fn measure(options: &Options) -> Result<Value> {
    let made = made_of_size(options, KeyKind::P256, options.entries_max())?;
    let second = made.list.next(made.list.this_update.plus_seconds(600));
    let third = second.next(made.list.this_update.plus_seconds(1200));
    let renamed = [("crl-2.der", &second), ("crl-3.der", &third)].map(|(name, list)| {
        let path = made.files.path(name);
        list_file::write(list, &made.files.ca, Armour::Der, &path).map(|_| path)
    });
    let [second_path, third_path] = renamed;
    let steps = [
        Step {
            kind: RequestKind::CachedGet,
            before: made.list.clone(),
            after: second.clone(),
            file: second_path?,
        },
        Step {
            kind: RequestKind::FreshPost,
            before: second,
            after: third,
            file: third_path?,
        },
    ];
    let growth = Growth {
        file_bytes: made.bytes,
        table_bytes: table_bytes(options, &made)?,
    };
    // The core of whoever runs this program is left as it is.
    std::thread::scope(|scope| {
        let run = || -> Result<Value> {
            server::pin_this_thread(1)?;
            let arguments = made.files.serve_arguments(&made.path)?;
            let server = Server::ocspry(&options.ocspry, &arguments, &made.files.path("."))?;
            println!("\nreload of {} entries under load", made.list.entries);
            let found = steps
                .iter()
                .map(|step| step.run(options, &made, &server, &growth))
                .collect::<Result<Vec<_>>>()?;
            Ok(Value::Array(found))
        };
        scope
            .spawn(run)
            .join()
            .map_err(|_| anyhow::anyhow!("the load panicked"))?
    })
}

/// One reload: from which list to which, and what is asked meanwhile.
struct Step {
    kind: RequestKind,
    before: ListSpec,
    after: ListSpec,
    file: PathBuf,
}

impl Step {
    fn run(
        &self,
        options: &Options,
        made: &MadeList,
        server: &Server,
        growth: &Growth,
    ) -> Result<Value> {
        let ca = &made.files.ca;
        let questions = Question::about(&self.before, ca);
        let mut tally = Tally::default();
        ask_all(server.port, ca, &self.before, &questions, &mut tally)?;

        let lists = [self.before.clone(), self.after.clone()];
        let wanted = Duration::from_secs(options.seconds);
        let mut quiet = Asking::new(self.kind, &questions, &lists[..1], End::After(wanted));
        let quiet_measured = load::run(server, &mut quiet, CONNECTIONS)?;
        println!("  {} quiet   {quiet_measured}", self.kind.name());

        server.forget_peak()?;
        let before_kib = server.resident_kib()?;
        std::fs::rename(&self.file, &made.path).context("the new list into place")?;
        let mut busy = Asking::new(self.kind, &questions, &lists, End::Reloaded);
        let busy_measured = load::run(server, &mut busy, CONNECTIONS)?;
        println!("  {} reload  {busy_measured}", self.kind.name());
        let (peak_kib, after_kib) = (server.peak_kib()?, server.resident_kib()?);
        let all_s = busy.seen_in_all_after_s();
        ensure!(
            all_s.is_some(),
            "the new list is not in all answers after {RELOAD_MAX:?}"
        );

        ask_all(server.port, ca, &self.after, &questions, &mut tally)?;
        for body in quiet.kept.iter().chain(&busy.kept) {
            tally.asked += 1;
            if let Err(why) = Reply::try_check(body, ca) {
                tally.wrong.push(why);
            }
        }
        let p99_ratio = f64::from(busy_measured.percentile_us(0.99))
            / f64::from(quiet_measured.percentile_us(0.99));
        let failed = quiet_measured.failed() + busy_measured.failed();
        println!(
            "  {}: in the first answer after {:.2} s, in all after {:.2} s; p99 {p99_ratio:.2} x quiet; {failed} failed, {} of {} checked wholly wrong; {:.0} MiB before, {:.0} peak, {:.0} after",
            self.kind.name(),
            busy.first_seen_s.unwrap_or_default(),
            all_s.unwrap_or_default(),
            tally.wrong.len(),
            tally.asked,
            before_kib as f64 / 1024.0,
            peak_kib as f64 / 1024.0,
            after_kib as f64 / 1024.0,
        );
        let row = |load: &str, measured: &Measured| measured.to_json(load, server.name);
        Ok(json!({
            "load": self.kind.name(),
            "connections": CONNECTIONS,
            "entries": self.before.entries,
            "quiet": row("quiet", &quiet_measured),
            "reload": row("reload", &busy_measured),
            "first_seen_s": busy.first_seen_s,
            "seen_in_all_s": all_s,
            "p99_to_quiet": p99_ratio,
            "failed": failed,
            "checked_wholly": tally.to_json(),
            "resident_kib_before": before_kib,
            "resident_kib_peak": peak_kib,
            "resident_kib_after": after_kib,
            "growth": growth.to_json(peak_kib.saturating_sub(before_kib)),
        }))
    }
}

/// How much memory a reload may take beside the table in use.
struct Growth {
    file_bytes: u64,
    /// None where `ocspry crl check` does not say it.
    table_bytes: Option<u64>,
}

impl Growth {
    fn to_json(&self, grown_kib: u64) -> Value {
        let grown = grown_kib as f64 * 1024.0;
        let file = self.file_bytes as f64;
        let allowed = self
            .table_bytes
            .map(|table| file + TABLE_SHARE * table as f64);
        println!(
            "    it grew by {:.2} x the file{}",
            grown / file,
            allowed.map_or(String::new(), |allowed| format!(
                ", {:.2} x what it may",
                grown / allowed
            ))
        );
        json!({
            "file_bytes": self.file_bytes,
            "table_bytes": self.table_bytes,
            "to_file": grown / file,
            "to_allowed": allowed.map(|allowed| grown / allowed),
        })
    }
}

/// When a load is over.
#[derive(Clone, Copy, Debug)]
enum End {
    After(Duration),
    Reloaded,
}

/// Asks all questions in turn on every connection, and knows the answers.
struct Asking<'a> {
    questions: &'a [Question],
    turns: Turns,
    /// The one in use, and the one that replaces it.
    lists: &'a [ListSpec],
    end: End,
    started: Instant,
    /// For each connection and question, the newest list that an answer came from: from there, no way leads back.
    newest: Vec<Vec<usize>>,
    /// For each question, when it was first answered from the new list.
    seen_s: Vec<Option<f64>>,
    first_seen_s: Option<f64>,
    judged: u64,
    kept: Vec<Vec<u8>>,
}

impl<'a> Asking<'a> {
    fn new(
        kind: RequestKind,
        questions: &'a [Question],
        lists: &'a [ListSpec],
        end: End,
    ) -> Asking<'a> {
        Asking {
            questions,
            turns: Turns::new(kind, questions, 0..CONNECTIONS),
            lists,
            end,
            started: Instant::now(),
            newest: vec![vec![0; questions.len()]; CONNECTIONS],
            seen_s: vec![None; questions.len()],
            first_seen_s: None,
            judged: 0,
            kept: Vec::new(),
        }
    }

    /// When the last of the questions was answered from the new list.
    fn seen_in_all_after_s(&self) -> Option<f64> {
        // A question without an answer from it makes the whole None.
        self.seen_s
            .iter()
            .try_fold(0.0_f64, |last, seen| seen.map(|seen| last.max(seen)))
    }
}

impl Traffic for Asking<'_> {
    fn ask(&mut self, connection: usize, request: &mut Vec<u8>) {
        self.turns.ask(connection, request);
    }

    fn judge(&mut self, connection: usize, request: &[u8], body: &[u8]) -> Result<Judged, String> {
        let (question, nonce) = self.turns.asked(connection, request);
        let position = self.questions[question].judge(body, nonce, self.lists)?;
        let newest = &mut self.newest[connection][question];
        if position < *newest {
            return Err("an answer from the old list after one from the new".to_owned());
        }
        *newest = position;
        if position == 1 && self.seen_s[question].is_none() {
            let seen_s = self.started.elapsed().as_secs_f64();
            self.seen_s[question] = Some(seen_s);
            self.first_seen_s.get_or_insert(seen_s);
        }
        if self.judged.is_multiple_of(KEPT) {
            self.kept.push(body.to_vec());
        }
        self.judged += 1;
        Ok(Judged::Answer)
    }

    fn is_over(&self, elapsed: Duration) -> bool {
        match self.end {
            End::After(wanted) => elapsed >= wanted,
            End::Reloaded => {
                let settled = self.seen_in_all_after_s().is_some_and(|seen_s| {
                    self.started.elapsed().as_secs_f64() >= seen_s + SETTLING.as_secs_f64()
                });
                settled || elapsed >= RELOAD_MAX
            }
        }
    }
}
