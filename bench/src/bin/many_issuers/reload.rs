//! Reloads of many issuers under a load that saturates the responder's core: how long they take, and what requests notice.
//!
//! `serve` is on core 0, the load on core 1.  One reload finds nothing new, the next removes an issuer, the one after it brings
//! that back.  Every answer is compared with what the list of its issuer says, of those that stay.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use ocspry_bench::child;
use ocspry_bench::load::{self, Judged, Measured, Traffic};
use ocspry_bench::made_list::{self, MadeList};
use ocspry_bench::question::{Question, RequestKind, Turns};
use ocspry_bench::server::{self, Server};
use ocspry_bench::spread::Spread;
use serde_json::{Value, json};

use crate::options::Options;
use crate::{Place, ask_everything, questions, tail};

/// Connections, kept alive.
const CONNECTIONS: usize = 32;

pub(crate) fn measure(options: &Options, lists: &[MadeList]) -> Result<Value> {
    let place = Place::of(options, "reload", lists, "")?;
    // The core of whoever runs this program is left as it is.
    std::thread::scope(|scope| {
        let run = || -> Result<Value> {
            server::pin_this_thread(1)?;
            let arguments = place.arguments();
            let server = Server::ocspry(&options.ocspry, &arguments, &place.directory)?;
            let tally = ask_everything(server.port, lists)?;
            ensure!(tally.wrong.is_empty(), "{:?}", tally.wrong.first());
            let loads = [RequestKind::CachedGet, RequestKind::FreshPost]
                .map(|kind| under_load(options, lists, &place, &server, kind));
            let loads = loads.into_iter().collect::<Result<Vec<_>>>()?;
            Ok(Value::Array(loads))
        };
        scope
            .spawn(run)
            .join()
            .map_err(|_| anyhow::anyhow!("the load panicked"))?
    })
}

fn under_load(
    options: &Options,
    lists: &[MadeList],
    place: &Place,
    server: &Server,
    kind: RequestKind,
) -> Result<Value> {
    let (going, staying) = lists.split_last().context("an issuer")?;
    let never = AtomicBool::new(false);
    let wanted = Duration::from_secs(options.seconds);
    let mut quiet = Asking::new(kind, staying, &never, wanted);
    let quiet = load::run(server, &mut quiet, CONNECTIONS)?;
    println!("  {} quiet    {quiet}", kind.name());

    let reloaded = AtomicBool::new(false);
    let mut asking = Asking::new(kind, staying, &reloaded, Duration::from_secs(600));
    let (busy, times) = std::thread::scope(|scope| -> Result<(Measured, Vec<f64>)> {
        let reloads = scope.spawn(|| {
            let times = reload_often(options, staying, going, place);
            reloaded.store(true, Ordering::SeqCst);
            times
        });
        let busy = load::run(server, &mut asking, CONNECTIONS);
        let times = reloads
            .join()
            .map_err(|_| anyhow::anyhow!("the reloads panicked"))??;
        Ok((busy?, times))
    })?;
    println!("  {} reloads  {busy}", kind.name());
    let reload_s = Spread::of(times).context("a reload")?;
    let p99_ratio = f64::from(busy.percentile_us(0.99)) / f64::from(quiet.percentile_us(0.99));
    let failed = quiet.failed() + busy.failed();
    println!(
        "  {}: {} reloads of {} issuers took {reload_s} s each; p99 {p99_ratio:.2} x quiet; {failed} failed",
        kind.name(),
        3 * options.repeats,
        lists.len(),
    );
    Ok(json!({
        "load": kind.name(),
        "connections": CONNECTIONS,
        "reloads": 3 * options.repeats,
        "reload_s": reload_s.to_json(),
        "quiet": quiet.to_json("quiet", server.name),
        "reloading": busy.to_json("reloading", server.name),
        "p99_to_quiet": p99_ratio,
        "failed": failed,
    }))
}

/// Seconds of each reload, from the command to its verdict.
fn reload_often(
    options: &Options,
    staying: &[MadeList],
    going: &MadeList,
    place: &Place,
) -> Result<Vec<f64>> {
    let configuration =
        |lists: &[&MadeList]| made_list::configuration(lists.iter().copied(), &place.directory, "");
    let without: Vec<&MadeList> = staying.iter().collect();
    let whole: Vec<&MadeList> = staying.iter().chain([going]).collect();
    let (without, whole) = (configuration(&without), configuration(&whole));
    let mut times = Vec::new();
    for _ in 0..options.repeats {
        for text in [&whole, &without, &whole] {
            place.write(text)?;
            let mut command = Command::new(&options.ocspry);
            command
                .args(["reload", "--control-socket"])
                .arg(place.socket());
            let started = Instant::now();
            let ended = child::run(&mut command)?;
            times.push(started.elapsed().as_secs_f64());
            let log = || tail(&place.directory.join("serve.log"));
            ensure!(ended.success, "reload: {}; {}", ended.stdout, log());
        }
    }
    Ok(times)
}

/// Asks all issuers all questions in turn on every connection, and knows the answers.
struct Asking<'a> {
    lists: &'a [MadeList],
    /// Each with the number of its list.
    questions: Vec<(usize, Question)>,
    turns: Turns,
    is_over: &'a AtomicBool,
    longest: Duration,
}

impl<'a> Asking<'a> {
    fn new(
        kind: RequestKind,
        lists: &'a [MadeList],
        is_over: &'a AtomicBool,
        longest: Duration,
    ) -> Asking<'a> {
        let of_list = |(number, made)| questions(made).into_iter().map(move |one| (number, one));
        let questions: Vec<(usize, Question)> =
            lists.iter().enumerate().flat_map(of_list).collect();
        // Far from each other, so that they do not ask about the same issuer all the time.
        let before = |connection| connection * questions.len() / CONNECTIONS;
        let each = questions.iter().map(|(_, question)| question);
        Asking {
            lists,
            turns: Turns::new(kind, each, (0..CONNECTIONS).map(before)),
            questions,
            is_over,
            longest,
        }
    }
}

impl Traffic for Asking<'_> {
    fn ask(&mut self, connection: usize, request: &mut Vec<u8>) {
        self.turns.ask(connection, request);
    }

    fn judge(&mut self, connection: usize, request: &[u8], body: &[u8]) -> Result<Judged, String> {
        let (place, nonce) = self.turns.asked(connection, request);
        let (number, question) = &self.questions[place];
        let list = std::slice::from_ref(&self.lists[*number].list);
        question.judge(body, nonce, list).map(|_| Judged::Answer)
    }

    fn is_over(&self, elapsed: Duration) -> bool {
        self.is_over.load(Ordering::SeqCst) || elapsed >= self.longest
    }
}
