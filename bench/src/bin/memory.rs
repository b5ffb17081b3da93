//! Measures what `serve` takes of memory for each thing that it holds, beside the formula of docs/reference/memory.md.
//!
//! `cargo build --release --package ocspry`, then
//! `cargo run --release --manifest-path bench/Cargo.toml --bin memory -- [--ocspry PATH] [--directory DIR] [--out FILE]`
//!
//! Each point is a server of its own, started for it: what an allocator keeps of earlier work would be measured otherwise.
//! A term is the slope of a line through its points, so that what is there once does not count; the base is what is left
//! without anything.  What is measured is the process's own (RssAnon; of the peak, all that is resident); what the kernel holds for a socket is not in it.  A term that is
//! more than a fifth off its formula fails: then [`FORMULA`] and the document change, or the program does.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use ocspry_bench::list_file::{self, Armour};
use ocspry_bench::made_list::{self, MadeList};
use ocspry_bench::server::Server;
use ocspry_bench::{flags, server};
use ocspry_testkit::{HttpClient, KeyKind, RequestSpec, cert_id, now};
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::HashAlgorithm;
use serde_json::json;

/// An answer that is measured, in octets.
const ANSWER_SIZE: f64 = 696.0;

/// What docs/reference/memory.md says, in octets.
const FORMULA: [(Term, f64); 10] = [
    (Term::Base, 1_400_000.0),
    (Term::Issuer, 48_000.0),
    (Term::Revoked, 28.0),
    (Term::Loading, 31.0),
    (Term::Reloading, 59.0),
    (Term::Issued, 20.0),
    (Term::Answer, ANSWER_SIZE + 540.0),
    (Term::Silent, 1_800.0),
    (Term::Kept, 1_800.0),
    (Term::UnderWay, 18_300.0),
];

/// What memory is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Term {
    /// The process, with one issuer that has one revoked certificate.
    Base,
    /// One more issuer, with a list of one revoked certificate and a delegate.
    Issuer,
    /// One more revoked certificate in a CRL.
    Revoked,
    /// The same, at the peak of the first load of its list.
    Loading,
    /// The same, at the peak of the load of the next list, while this one is in use.
    Reloading,
    /// One more serial number in an issued list.
    Issued,
    /// One more answer that is kept.
    Answer,
    /// One more connection that has said nothing.
    Silent,
    /// One more connection that has been answered and is kept.
    Kept,
    /// One more connection with a request of 16 KiB of which the last octet is missing.
    UnderWay,
}

impl Term {
    fn name(self) -> &'static str {
        match self {
            Term::Base => "base",
            Term::Issuer => "issuer",
            Term::Revoked => "revoked certificate",
            Term::Loading => "revoked certificate, while its list loads",
            Term::Reloading => "revoked certificate, while the next list loads",
            Term::Issued => "issued serial number",
            Term::Answer => "kept answer",
            Term::Silent => "connection that has said nothing",
            Term::Kept => "connection that is kept",
            Term::UnderWay => "connection with a request under way",
        }
    }
}

fn main() -> Result<()> {
    let options = Options::from_arguments()?;
    server::allow_many_files()?;
    let site = Site::new(options)?;
    let mut measured = site.issuers()?;
    measured.extend(site.revoked()?);
    measured.push(site.issued()?);
    measured.push(site.answers()?);
    for (term, begin) in [
        (Term::Silent, silent as Begin),
        (Term::Kept, kept),
        (Term::UnderWay, under_way),
    ] {
        measured.push(site.connections(term, begin)?);
    }

    println!(
        "{:>12}  {:>12}  {:>8}  octets of one",
        "measured", "formula", "ratio"
    );
    let mut off = Vec::new();
    let mut rows = Vec::new();
    for (term, octets) in measured {
        let (_, formula) = FORMULA
            .into_iter()
            .find(|(of, _)| *of == term)
            .context("a term")?;
        let ratio = octets / formula;
        println!(
            "{octets:>12.1}  {formula:>12.1}  {ratio:>8.2}  {}",
            term.name()
        );
        if !(0.8..=1.2).contains(&ratio) {
            off.push(term.name());
        }
        rows.push(json!({ "term": term.name(), "octets": octets, "formula": formula }));
    }
    if let Some(out) = &site.options.out {
        let report = json!({
            "machine": server::machine(),
            "load_average": server::load_average(),
            "commit": server::commit(),
            "terms": rows,
        });
        std::fs::write(out, serde_json::to_string_pretty(&report)? + "\n")
            .with_context(|| out.display().to_string())?;
    }
    ensure!(
        off.is_empty(),
        "more than a fifth off the formula: {}",
        off.join(", ")
    );
    Ok(())
}

/// A number of things, and the octets that were resident with them.
type Point = (f64, f64);

/// What one more takes: the slope of the line that is nearest to all points.
fn slope(points: &[Point]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&Point) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let above: f64 = points
        .iter()
        .map(|(x, y)| (x - mean_x) * (y - mean_y))
        .sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    above / below
}

/// Where lists and servers live.
struct Site {
    options: Options,
    small: MadeList,
}

impl Site {
    fn new(options: Options) -> Result<Site> {
        let small = MadeList::make(&options.directory, "small", KeyKind::P256, 1)?;
        Ok(Site { options, small })
    }

    /// A server with these lists, and this in the place of the first one's sources if it is something.
    fn serve(&self, lists: &[MadeList], beside: &str) -> Result<Server> {
        let directory = self.options.directory.join("server");
        if directory.exists() {
            std::fs::remove_dir_all(&directory)?;
        }
        std::fs::create_dir_all(&directory)?;
        let text = made_list::configuration(lists, &directory, "");
        let text = text.replacen(" }]\n", &format!(" }}{beside}]\n"), 1);
        std::fs::write(directory.join("ocspry.toml"), text)?;
        let arguments = ["serve", "-c", "ocspry.toml"].map(str::to_owned);
        Server::ocspry_everywhere(&self.options.ocspry, &arguments, &directory)
    }

    fn small(&self) -> Result<Server> {
        let list = MadeList::make(&self.options.directory, "small", KeyKind::P256, 1)?;
        self.serve(&[list], "")
    }

    fn issuers(&self) -> Result<Vec<(Term, f64)>> {
        let mut points = Vec::new();
        for count in [1, 50, 200] {
            let lists = MadeList::make_many(&self.options.directory, count, 1)?;
            let server = self.serve(&lists, "")?;
            points.push((count as f64, resident(&server)?));
        }
        let base = points.first().context("a point")?.1;
        Ok(vec![(Term::Base, base), (Term::Issuer, slope(&points))])
    }

    fn revoked(&self) -> Result<Vec<(Term, f64)>> {
        let (mut after, mut peak, mut next_peak) = (Vec::new(), Vec::new(), Vec::new());
        for count in [100_000, 400_000, 1_000_000] {
            let name = format!("revoked-{count}");
            let list = MadeList::make(&self.options.directory, &name, KeyKind::P256, count)?;
            let next = list.list.next(now());
            let written = list.files.path("next.der");
            list_file::write(&next, &list.files.ca, Armour::Der, &written)?;
            let place = list.path.clone();
            let server = self.serve(&[list], "")?;
            let entries = count as f64;
            let peak_now = || Ok::<_, anyhow::Error>(server.peak_kib()? as f64 * 1024.0);
            after.push((entries, resident(&server)?));
            peak.push((entries, peak_now()?));
            server.forget_peak()?;
            std::fs::rename(&written, &place)?;
            self.wait_for_log("CRL 2 in use")?;
            next_peak.push((entries, peak_now()?));
        }
        Ok(vec![
            (Term::Revoked, slope(&after)),
            (Term::Loading, slope(&peak)),
            (Term::Reloading, slope(&next_peak)),
        ])
    }

    /// Waits until the server has said this.
    fn wait_for_log(&self, part: &str) -> Result<()> {
        let log = self.options.directory.join("server/serve.log");
        let started = Instant::now();
        while !std::fs::read_to_string(&log)?.contains(part) {
            ensure!(
                started.elapsed() < LOAD_WAIT_MAX,
                "`{part}` is not in {}",
                log.display()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn issued(&self) -> Result<(Term, f64)> {
        let mut points = Vec::new();
        for count in [100_000_u64, 400_000, 1_000_000] {
            let file = self.options.directory.join("issued.txt");
            let mut text = String::new();
            for number in 0..count {
                text += &to_hex(&serial(number));
                text.push('\n');
            }
            std::fs::write(&file, text)?;
            let list = MadeList::make(&self.options.directory, "small", KeyKind::P256, 1)?;
            let beside = format!(", {{ issued = \"{}\" }}", file.display());
            let server = self.serve(&[list], &beside)?;
            points.push((count as f64, resident(&server)?));
        }
        Ok((Term::Issued, slope(&points)))
    }

    fn answers(&self) -> Result<(Term, f64)> {
        let mut points = Vec::new();
        for count in [10_000_u64, 20_000, 40_000] {
            let server = self.small()?;
            let mut client = HttpClient::connect(server.port)?;
            for number in 0..count {
                let cert_id = cert_id(HashAlgorithm::Sha1, &self.small.files.ca, &serial(number));
                let response = client.post(&RequestSpec::one(cert_id).der())?;
                ensure!(response.status == 200, "HTTP {}", response.status);
                if number == 0 && count == 10_000 {
                    println!("an answer has {} octets", response.body.len());
                }
            }
            points.push((count as f64, resident(&server)?));
        }
        Ok((Term::Answer, slope(&points)))
    }

    /// `begin` brings each connection to where it is to stay.
    fn connections(&self, term: Term, begin: Begin) -> Result<(Term, f64)> {
        let mut points = Vec::new();
        // Beyond three quarters of the connections, silent ones are closed early.
        for count in [500, 1_500, 3_000] {
            let server = self.small()?;
            let mut open = Vec::new();
            for _ in 0..count {
                let mut stream = TcpStream::connect(("127.0.0.1", server.port))?;
                begin(&mut stream)?;
                open.push(stream);
            }
            // Answered: the workers have taken what came before.
            for _ in 0..20 {
                kept(&mut TcpStream::connect(("127.0.0.1", server.port))?)?;
            }
            points.push((f64::from(count), resident(&server)?));
            drop(open);
        }
        Ok((term, slope(&points)))
    }
}

/// What a connection has behind it when it is counted.
type Begin = fn(&mut TcpStream) -> Result<()>;

fn silent(_stream: &mut TcpStream) -> Result<()> {
    Ok(())
}

fn kept(stream: &mut TcpStream) -> Result<()> {
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")?;
    let mut answer = [0; 15];
    stream.read_exact(&mut answer)?;
    ensure!(&answer == b"HTTP/1.1 200 OK", "not what /healthz says");
    Ok(())
}

fn under_way(stream: &mut TcpStream) -> Result<()> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {REQUEST_OCTETS}\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    Ok(stream.write_all(&vec![0; REQUEST_OCTETS - 1])?)
}

/// Longest wait for a list to be in use.
const LOAD_WAIT_MAX: Duration = Duration::from_secs(300);
/// As large as a request may be.
const REQUEST_OCTETS: usize = 16_384;

/// What the process has for itself: the pages of its program are the kernel's to take back, and are not in it.
fn resident(server: &Server) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid))?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.split_ascii_whitespace().next());
    let kib: f64 = kib.context("RssAnon")?.parse()?;
    Ok(kib * 1024.0)
}

/// 20 octets, all over their range.
fn serial(number: u64) -> [u8; 20] {
    let spread = |round: u64| {
        let mixed = (number + round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    };
    let mut octets = [0; 20];
    octets[..8].copy_from_slice(&spread(1).to_be_bytes());
    octets[8..16].copy_from_slice(&spread(2).to_be_bytes());
    octets[16..].copy_from_slice(&spread(3).to_be_bytes()[..4]);
    octets[0] = (octets[0] & 0x3f) | 0x40;
    octets
}

struct Options {
    ocspry: PathBuf,
    directory: PathBuf,
    out: Option<PathBuf>,
}

impl Options {
    fn from_arguments() -> Result<Options> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut options = Options {
            ocspry: root.join("../target/release/ocspry"),
            directory: root.join("target/memory"),
            out: None,
        };
        flags::each(|flag, value| {
            match flag {
                "--ocspry" => options.ocspry = value.into(),
                "--directory" => options.directory = value.into(),
                "--out" => options.out = Some(value.into()),
                _ => bail!("unknown flag {flag}: --ocspry, --directory or --out"),
            }
            Ok(())
        })?;
        // Servers run in directories of their own.
        options.ocspry = std::path::absolute(&options.ocspry)?;
        options.directory = std::path::absolute(&options.directory)?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first number of the second column, in octets, of the row that begins so.
    fn documented(row: &str) -> f64 {
        let document = include_str!("../../../docs/reference/memory.md");
        let row = document
            .lines()
            .find_map(|line| line.strip_prefix("| ")?.strip_prefix(row));
        let cell = row.unwrap().split('|').nth(1).unwrap();
        let cell = cell.trim().trim_start_matches("its size + ");
        let mut words = cell.split_whitespace();
        let number: f64 = words.next().unwrap().parse().unwrap();
        let unit = match words.next() {
            Some("MB") => 1e6,
            Some("kB") => 1e3,
            _ => 1.0,
        };
        number * unit
    }

    #[test]
    fn the_formula_is_what_the_document_says() {
        for (term, octets) in FORMULA {
            let says = match term {
                Term::Base => documented("process, with two workers"),
                Term::Issuer => documented("issuer "),
                Term::Revoked => documented("revoked certificate "),
                Term::Loading => documented("first load of a CRL "),
                Term::Reloading => {
                    documented("revoked certificate ") + documented("first load of a CRL ")
                }
                Term::Issued => documented("issued serial number "),
                Term::Answer => documented("answer that is kept ") + ANSWER_SIZE,
                Term::Silent | Term::Kept => documented("connection that has said nothing"),
                Term::UnderWay => documented("connection with the largest request"),
            };
            assert!((octets - says).abs() < 0.5, "{}: {says}", term.name());
        }
    }
}
