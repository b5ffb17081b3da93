//! The part of the page that is about too much being asked.

use std::fmt::Write as _;

use ocspry_bench::spread::Spread;

use crate::format::{number, spread};
use crate::peers::Peers;
use crate::results::Run;
use crate::targets::{Bound, Target};

/// The parts whose key is not well, and what such a key does.
const SICK_KEYS: [(&str, &str); 2] = [
    ("slow_key", "a key that takes 200 ms for each signature"),
    ("hung_key", "a key that does not come back"),
];

/// One row of the table.
struct Row {
    part: &'static str,
    what: String,
    load: RowLoad,
}

/// What is asked in it beside what is cached.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowLoad {
    /// Nothing.
    Quiet,
    /// What is found here in a round.
    At(&'static str),
}

/// Writes it.
pub fn write(page: &mut String, peers: &Peers<'_>) {
    let clients = &peers.content["cached_clients"];
    let _ = write!(
        page,
        "\n## When signing is what is scarce\n\nBeside each of these loads come {} questions a second whose answers are cached, over {} connections; their \
         latency counts from when each was due, and none of them failed. All clients are one thread on core 1. Floods come at a rate of their own, whether they are answered or not, over \
         {} connections.\n",
        count(clients["rate"].as_f64()),
        count(clients["connections"].as_f64()),
        count(peers.of_setting("flood", "flood_connections")),
    );
    page.push_str(
        "\n| | Answered/s | Refused/s (`tryLater`) | p99 of refusals, ms | Cached: p50 µs | p99 µs | p99.9 µs | Failed |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in rows(peers) {
        row.write(page, peers);
    }
    after_the_table(page, peers);
}

fn rows(peers: &Peers<'_>) -> Vec<Row> {
    let setting = |part: &str, field: &str| count(peers.of_setting(part, field));
    let quiet = |part, what: &str| Row {
        part,
        what: format!("{what}, quiet"),
        load: RowLoad::Quiet,
    };
    let beside = |part, what: String| Row {
        part,
        what: format!("the same, {what}"),
        load: RowLoad::At(""),
    };
    let raw = peers.of_part("two_cores", "/raw_per_second");
    let sick_keys = SICK_KEYS.into_iter().flat_map(|(part, what)| {
        let nonces = format!("{} nonces a second", setting(part, "nonces_per_second"));
        let mut onset = beside(part, format!("{nonces} as it begins"));
        onset.load = RowLoad::At("/onset");
        let after = beside(part, format!("{nonces} after that"));
        [quiet(part, &format!("as a library: {what}")), onset, after]
    });
    let mut rows = vec![
        quiet("two_cores", "RSA-2048, two cores"),
        beside(
            "two_cores",
            format!(
                "{} connections ask with nonces as fast as they are answered; raw signing: {}/s",
                setting("two_cores", "fresh_connections"),
                spread(Spread::of(raw)),
            ),
        ),
        quiet("flood", "RSA-2048, one core"),
        beside(
            "flood",
            format!(
                "a flood of {} nonces a second; raw signing: {}/s",
                setting("flood", "flood_per_second"),
                setting("flood", "raw_per_second"),
            ),
        ),
        quiet("overload", "RSA-2048, one core"),
        beside("overload", overload(peers, "overload")),
        quiet("overload_p256", "P-256, one core"),
        beside("overload_p256", overload(peers, "overload_p256")),
        quiet(
            "serials",
            "RSA-2048, one core, what was issued is known and `never-issued = \"unauthorized\"`",
        ),
        beside(
            "serials",
            format!(
                "{} questions a second about serial numbers at random",
                setting("serials", "flood_per_second")
            ),
        ),
        Row {
            load: RowLoad::At("/fast"),
            ..beside(
                "serials",
                format!(
                    "{} connections ask about serial numbers at random as fast as they are answered",
                    setting("serials", "connections")
                ),
            )
        },
        quiet("idle", "P-256, one core"),
        beside(
            "idle",
            format!("{} idle connections", setting("idle", "connections")),
        ),
    ];
    rows.extend(sick_keys);
    rows
}

fn overload(peers: &Peers<'_>, part: &str) -> String {
    let setting = |field: &str| count(peers.of_setting(part, field));
    format!(
        "{} nonces a second for {} s: {} times what is signed at best",
        setting("overload_per_second"),
        setting("overload_seconds"),
        peers
            .of_setting(part, "overload_times")
            .map_or_else(|| "–".to_owned(), |times| times.to_string()),
    )
}

impl Row {
    fn write(&self, page: &mut String, peers: &Peers<'_>) {
        let of = |pointer: &str| peers.of_part(self.part, pointer);
        let (cached, [answered, refused, refusals, failed]) = match self.load {
            RowLoad::Quiet => ("/quiet".to_owned(), Default::default()),
            RowLoad::At(at) => (
                format!("{at}/beside"),
                [
                    spread(Spread::of(of(&format!("{at}/answered_per_second")))),
                    spread(Spread::of(of(&format!("{at}/refused_per_second")))),
                    spread(in_units(of(&format!("{at}/refusal_p99_us")), 1e3)),
                    count(
                        of(&format!("{at}/failed"))
                            .into_iter()
                            .reduce(|sum, one| sum + one),
                    ),
                ],
            ),
        };
        let cached = |field: &str| spread(Spread::of(of(&format!("{cached}/{field}"))));
        let _ = writeln!(
            page,
            "| {} | {answered} | {refused} | {refusals} | {} | {} | {} | {failed} |",
            self.what,
            cached("p50_us"),
            cached("p99_us"),
            cached("p999_us"),
        );
    }
}

fn after_the_table(page: &mut String, peers: &Peers<'_>) {
    let of =
        |part: &str, pointer: &str, unit: f64| spread(in_units(peers.of_part(part, pointer), unit));
    let peak = |part| count(peers.peak(part));
    let first = |pointer: &str, unit: f64| {
        let first = peers.of_part("idle", pointer).first().copied();
        spread(in_units(first, unit))
    };
    let _ = write!(
        page,
        "\nOn two cores the clients run on the same two. A refusal is timed at the client, as every answer: from when its question was due to its last octet. In that is what one thread \
         with all these connections adds, which the latencies of the cached answers in the same row show.\n\n\
         Before the floods {} MiB are resident, after them {} MiB; a fresh answer comes {} ms after the end of a flood, and {} ms (P-256: {} ms) after that of an overload. \
         Signed at best are {}/s with RSA-2048 and {}/s with P-256: {} connections ask for that as fast as they are answered, beside the same cached clients. \
         What is refused is read and answered on the core that signs, which costs it signatures; and P-256 signs so fast that one thread cannot ask five times as much.\n\n\
         Where serial numbers are asked about as fast as they are answered, neither core has time left, and who asks for what is cached waits behind the others.\n\n\
         `ocspry serve` lets in {} connections at most. \
         {} MiB are resident before they come for the first time, {} MiB while they are idle: {} octets for each, without what the kernel keeps. Each was answered before and, if it is among the {} usable ones, after; none is closed before its deadline.\n\n\
         A key that is slow or hangs cannot be had of `ocspry serve` before it uses devices: it is measured with its listener and its responder as a library, in a process of bench's own, with a P-256 key that waits before it signs. \
         In the first moments nobody knows, and as many questions are let in as the key would sign in time if it were well; they are told after a second or so that they wait in vain, which is in the p99 *as it begins*. From then on what is too much is refused at once. \
         When the key is well again and its calls come back, a fresh answer comes after {} ms (slow) and {} ms (hung).\n",
        of("flood", "/resident_kib_before", 1024.0),
        of("flood", "/resident_kib_after", 1024.0),
        of("flood", "/recovered_ms", 1.0),
        of("overload", "/recovered_ms", 1.0),
        of("overload_p256", "/recovered_ms", 1.0),
        peak("overload"),
        peak("overload_p256"),
        count(peers.of_setting("overload", "fresh_connections")),
        count(peers.of_setting("idle", "connections_max")),
        first("/resident_kib_before", 1024.0),
        first("/resident_kib_idle", 1024.0),
        count(octets_of_a_connection(peers)),
        of("idle", "/usable", 1.0),
        of("slow_key", "/recovered_ms", 1.0),
        of("hung_key", "/recovered_ms", 1.0),
    );
}

/// Of the first round: in later ones the process has the memory already.
fn octets_of_a_connection(peers: &Peers<'_>) -> Option<f64> {
    let first = |pointer: &str| peers.of_part("idle", pointer).first().copied();
    let grown_kib = first("/resident_kib_idle")? - first("/resident_kib_before")?;
    Some(grown_kib * 1024.0 / peers.of_setting("idle", "connections")?)
}

/// The bounds, each with what was measured.
pub fn targets(peers: &Peers<'_>, run: &Run) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut add = |what: &str, bound: Bound, unit: &'static str, found: Option<Spread>| {
        targets.push(Target::of_run(what, bound, unit, found, run));
    };
    add(
        "fresh RSA-2048 answers on two cores, the clients on the same two: share of raw signing on both",
        Bound::AtLeast(90.0),
        "%",
        share_of_raw(peers, "two_cores"),
    );
    add(
        "beside it, p99 of cached answers to quiet",
        Bound::AtMost(2.0),
        "×",
        p99_to_quiet(peers, "two_cores"),
    );
    add(
        "nonce flood at ten times the signing capacity, RSA-2048, one core: p99 of cached answers to quiet",
        Bound::AtMost(2.0),
        "×",
        p99_to_quiet(peers, "flood"),
    );
    add(
        "memory resident after the last flood less that after the first",
        Bound::AtMost(1.0),
        "MiB",
        growth_from_round_to_round(peers, "flood"),
    );
    for (part, what) in [
        ("overload", "RSA-2048, one core: five times"),
        ("overload_p256", "P-256, one core: one and a half times"),
    ] {
        add(
            &format!(
                "overload, {what} as many nonces as are signed at best, for a minute: signed, to that"
            ),
            Bound::AtLeast(95.0),
            "%",
            goodput(peers, part),
        );
        add(
            "the same: p99 of cached answers to quiet",
            Bound::AtMost(2.0),
            "×",
            p99_to_quiet(peers, part),
        );
        add(
            "the same: p99 of refusals, at the client",
            Bound::AtMost(10.0),
            "ms",
            refusals_ms(peers, part),
        );
        add(
            "the same: memory resident after the minute less that before it",
            Bound::AtMost(1.0),
            "MiB",
            growth_in_a_round(peers, part),
        );
        add(
            "the same: from its end to the first fresh answer",
            Bound::AtMost(1.0),
            "s",
            recovery_s(peers, part),
        );
    }
    add(
        "flood of serial numbers that were never issued, `never-issued = \"unauthorized\"`, ten times the signing capacity: signatures",
        Bound::AtMost(0.0),
        "",
        Spread::of(peers.of_part("serials", "/signatures")),
    );
    add(
        "the same: p99 of cached answers to quiet",
        Bound::AtMost(2.0),
        "×",
        p99_to_quiet(peers, "serials"),
    );
    add(
        "the same: memory resident after the last flood less that after the first",
        Bound::AtMost(1.0),
        "MiB",
        growth_from_round_to_round(peers, "serials"),
    );
    add(
        "ten thousand idle connections: p99 of cached answers to quiet",
        Bound::AtMost(2.0),
        "×",
        p99_to_quiet(peers, "idle"),
    );
    add(
        "the same: idle connections that are usable afterwards",
        Bound::AtLeast(10_000.0),
        "",
        Spread::of(peers.of_part("idle", "/usable")),
    );
    add(
        "the same: memory resident with the last ten thousand less that with the first",
        Bound::AtMost(1.0),
        "MiB",
        growth_of(peers, "idle", "/resident_kib_idle"),
    );
    for (part, what) in SICK_KEYS {
        add(
            &format!(
                "listener and responder as a library, {what}, nonces beside: p99 of cached answers to quiet, as it begins"
            ),
            Bound::AtMost(2.0),
            "×",
            p99_to_quiet_at(peers, part, "/onset/beside"),
        );
        add(
            "the same, after that",
            Bound::AtMost(2.0),
            "×",
            p99_to_quiet(peers, part),
        );
        add(
            "the same: p99 of refusals after that, at the client",
            Bound::AtMost(10.0),
            "ms",
            refusals_ms(peers, part),
        );
        add(
            "the same: memory resident after the last round less that after the first",
            Bound::AtMost(1.0),
            "MiB",
            growth_from_round_to_round(peers, part),
        );
        add(
            "the same: from when the key is well to the first fresh answer",
            Bound::AtMost(1.0),
            "s",
            recovery_s(peers, part),
        );
    }
    targets
}

fn share_of_raw(peers: &Peers<'_>, part: &str) -> Option<Spread> {
    let signed = peers.of_part(part, "/answered_per_second");
    let raw = peers.of_part(part, "/raw_per_second");
    let rounds = signed.into_iter().zip(raw);
    Spread::of(rounds.map(|(signed, raw)| 100.0 * signed / raw))
}

fn p99_to_quiet(peers: &Peers<'_>, part: &str) -> Option<Spread> {
    p99_to_quiet_at(peers, part, "/beside")
}

/// The same, where the latencies beside a load are in such a place of a round.
fn p99_to_quiet_at(peers: &Peers<'_>, part: &str, at: &str) -> Option<Spread> {
    let beside = peers.of_part(part, &format!("{at}/p99_us"));
    let quiet = peers.of_part(part, "/quiet/p99_us");
    let rounds = beside.into_iter().zip(quiet);
    Spread::of(rounds.map(|(beside, quiet)| beside / quiet))
}

/// Of what is signed at best, in percent.
fn goodput(peers: &Peers<'_>, part: &str) -> Option<Spread> {
    let peak = peers.peak(part)?;
    let signed = peers.of_part(part, "/answered_per_second");
    Spread::of(signed.into_iter().map(|signed| 100.0 * signed / peak))
}

fn refusals_ms(peers: &Peers<'_>, part: &str) -> Option<Spread> {
    in_units(peers.of_part(part, "/refusal_p99_us"), 1e3)
}

fn recovery_s(peers: &Peers<'_>, part: &str) -> Option<Spread> {
    in_units(peers.of_part(part, "/recovered_ms"), 1e3)
}

/// In MiB, from after the first round until after the last.
fn growth_from_round_to_round(peers: &Peers<'_>, part: &str) -> Option<Spread> {
    growth_of(peers, part, "/resident_kib_after")
}

/// The same, of what is resident at such a moment of each round.
fn growth_of(peers: &Peers<'_>, part: &str, pointer: &str) -> Option<Spread> {
    let resident = peers.of_part(part, pointer);
    in_units([resident.last()? - resident.first()?], 1024.0)
}

/// In MiB, from before a round until after it.
fn growth_in_a_round(peers: &Peers<'_>, part: &str) -> Option<Spread> {
    let before = peers.of_part(part, "/resident_kib_before");
    let after = peers.of_part(part, "/resident_kib_after");
    let rounds = before.into_iter().zip(after);
    in_units(rounds.map(|(before, after)| after - before), 1024.0)
}

/// In a unit that is so many times as large.
fn in_units(values: impl IntoIterator<Item = f64>, unit: f64) -> Option<Spread> {
    Spread::of(values.into_iter().map(|value| value / unit))
}

/// A whole number as such.
fn count(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value < 1000.0 => format!("{value:.0}"),
        Some(value) => number(value),
    }
}
