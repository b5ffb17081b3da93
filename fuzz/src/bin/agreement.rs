//! Holds our OCSP decoder and another one against each other on files: octets as they are, or a test vector's hex.
//!
//! From: the paths on the command line.  To: a table of how often they agreed and by which rules only they accepted.
//! Ends with 1 when something does not fit.  The same comparison as the target `differential`, on inputs that people
//! chose; `cargo xtask` runs it over every vector and the whole corpus.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

// The libraries are built with coverage counters: whoever links them needs libFuzzer's side of these.
use libfuzzer_sys as _;
use ocspry_fuzz::differential::{Agreement, Strictness, compare_request, compare_response};

fn main() -> ExitCode {
    let mut tally = Tally::default();
    for path in std::env::args().skip(1) {
        let octets = match fs::read(&path) {
            Ok(octets) => octets,
            Err(error) => {
                eprintln!("cannot read {path}: {error}");
                return ExitCode::FAILURE;
            }
        };
        let der = if path.ends_with(".txt") {
            vector(&octets)
        } else {
            octets
        };
        tally.add("request", &path, compare_request(&der));
        tally.add("response", &path, compare_response(&der));
    }
    tally.finish()
}

/// How often what came out.
#[derive(Default)]
struct Tally {
    agreements: BTreeMap<(&'static str, &'static str), usize>,
    rules: BTreeMap<Strictness, usize>,
    findings: usize,
}

impl Tally {
    fn add(&mut self, object: &'static str, path: &str, verdict: Result<Agreement, String>) {
        let word = match verdict {
            Ok(Agreement::BothAccept) => "both accept, and read the same",
            Ok(Agreement::BothRefuse) => "both refuse",
            Ok(Agreement::TheirsOnly(rules)) => {
                for rule in rules {
                    *self.rules.entry(rule).or_default() += 1;
                }
                "we refuse, by a named rule"
            }
            Ok(Agreement::OursOnly) => "we accept, and leave a part closed",
            Err(reason) => {
                println!("{path}, as a {object}: {reason}");
                self.findings += 1;
                return;
            }
        };
        *self.agreements.entry((object, word)).or_default() += 1;
    }

    fn finish(self) -> ExitCode {
        for ((object, word), count) in &self.agreements {
            println!("{count:>6}  {object}: {word}");
        }
        for (rule, count) in &self.rules {
            println!("{count:>6}  rule: {rule:?}");
        }
        let both_accept = |object| {
            self.agreements
                .contains_key(&(object, "both accept, and read the same"))
        };
        if self.findings > 0 || !both_accept("request") || !both_accept("response") {
            println!("{} findings, or nothing that both accept", self.findings);
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

/// The octets of a test vector: hex, behind a header that ends with an empty line.
fn vector(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let (_, hex) = text.split_once("\n\n").unwrap_or(("", &text));
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let octet = |pair: &[u8]| {
        let digits = std::str::from_utf8(pair).expect("hex digits are ASCII");
        u8::from_str_radix(digits, 16).expect("two hex digits are an octet")
    };
    digits.chunks_exact(2).map(octet).collect()
}
