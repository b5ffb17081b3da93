//! A writer that is killed at any moment: what it said is recorded is there, whole, and no number is given out twice.
//!
//! The writer is this test program, started again; it says each thing on its stdout when the ledger says that it is recorded.
//! It is killed while it goes on, after a number of lines drawn at random.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ocspry_core::Revocation;
use ocspry_ledger::{CrlUse, FactKind, Ledger, LedgerPlace, LedgerReader, PublishedCrl, check};
use ocspry_wire::hex::from_hex;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::SerialNumber;

use crate::fixture::{NOW, Scene, act, certificate, entry, revoked, serial};

const KILLS: u64 = 24;

#[test]
fn a_writer_that_is_killed_leaves_whole_facts_and_no_number_is_used_twice() {
    let scene = Scene::new();
    let Scene {
        place,
        ledger,
        issuer,
        directory,
    } = scene;
    drop(ledger);
    let path = directory.path().join("ledger.db");
    let seed = RandomState::new().hash_one(0);
    println!("seed {seed}");
    let mut given_out = HashSet::new();
    let mut lines = Vec::new();
    for round in 0..KILLS {
        let drawn = seed.rotate_left(round as u32 * 7) ^ round;
        let moment = KillMoment {
            line_count: 1 + drawn % 9,
            after: Duration::from_micros(drawn / 9 % 8000),
        };
        let said = said_before_kill(&path, round, &moment);
        // After each kill: what was said is there, and nothing contradicts it.
        for line in &said {
            let (what, number) = line.split_once(' ').unwrap();
            match what {
                "reserved" | "number" => assert!(given_out.insert(line.clone()), "{line} twice"),
                "issued" | "revoked" | "batch" | "published" => {}
                _ => panic!("{line}: {number}"),
            }
        }
        let report = check(&place).unwrap();
        assert_eq!(report.defects, [], "seed {seed}, round {round}");
        lines.extend(said);
    }
    let reader = LedgerReader::open(&place).unwrap();
    for line in &lines {
        let (what, of) = line.split_once(' ').unwrap();
        let serial = || SerialNumber::from_content(&from_hex(of).unwrap()).unwrap();
        let is_there = match what {
            "reserved" => reader
                .history(issuer, &serial())
                .unwrap()
                .first()
                .is_some_and(|fact| fact.kind == FactKind::SerialReserved),
            "issued" => reader
                .certificate(issuer, &serial())
                .unwrap()
                .is_some_and(|facts| facts.der.is_some()),
            "revoked" => matches!(
                reader.standing(issuer, &serial()).unwrap(),
                Some(standing) if matches!(standing.revocation, Revocation::Revoked(_))
            ),
            _ => true,
        };
        assert!(is_there, "seed {seed}: {line}");
    }
    assert!(lines.len() as u64 >= KILLS, "{} lines", lines.len());
    // A batch is there whole or not at all.
    let batches = reader.facts(0, 1_000_000).unwrap();
    let imported = batches
        .iter()
        .filter(|fact| fact.kind == FactKind::Imported)
        .count();
    assert_eq!(imported % BATCH as usize, 0);
}

/// After some lines, and a time as long as a few writes take.
struct KillMoment {
    line_count: u64,
    after: Duration,
}

/// The lines of a writer that is killed, those too that it said until it was dead.
fn said_before_kill(path: &Path, round: u64, moment: &KillMoment) -> Vec<String> {
    let mut writer = Command::new("/proc/self/exe")
        .args([
            "kills::writes_until_it_is_killed",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .env("OCSPRY_TEST_LEDGER", path)
        .env("OCSPRY_TEST_ROUND", round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut said = Vec::new();
    for line in BufReader::new(writer.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(line) = line.strip_prefix(MARK) {
            said.push(line.to_owned());
        }
        if said.len() as u64 == moment.line_count {
            std::thread::park_timeout(moment.after);
            writer.kill().unwrap();
        }
    }
    let ended = writer.wait().unwrap();
    assert_eq!(ended.signal(), Some(9), "it fails by itself: {said:?}");
    said
}

const MARK: &str = "recorded: ";
const BATCH: u64 = 50;

#[test]
#[ignore = "run by the test above, which kills it"]
fn writes_until_it_is_killed() {
    let (Ok(path), Ok(round)) = (
        std::env::var("OCSPRY_TEST_LEDGER"),
        std::env::var("OCSPRY_TEST_ROUND"),
    ) else {
        return;
    };
    let place = LedgerPlace::Sqlite(path.into());
    let mut ledger = Ledger::open(&place).unwrap();
    let issuer = ledger.reader().issuer("root").unwrap().number;
    let first = (1 + round.parse::<u64>().unwrap()) << 32;
    // More than any test waits for: one that is not killed ends all the same.
    for number in first..first + 1000 {
        let of = serial(number);
        ledger.reserve_serial(&act(), issuer, &of).unwrap();
        println!("{MARK}reserved {of}");
        ledger
            .issue(&act(), issuer, &certificate(number), "server")
            .unwrap();
        println!("{MARK}issued {of}");
        let covers = ledger
            .revoke(&act(), issuer, &of, revoked(CrlReason::Superseded))
            .unwrap()
            .last;
        println!("{MARK}revoked {of}");
        let crl_number = ledger
            .reserve_crl_number(&act(), issuer, CrlUse::Full)
            .unwrap();
        println!("{MARK}number {crl_number}");
        let crl = PublishedCrl {
            number: crl_number,
            base_number: None,
            this_update: NOW,
            next_update: NOW.plus_seconds(86_400),
            published: NOW,
            covers,
            entry_count: 1,
            sha256: [1; 32],
        };
        ledger.publish_crl(&act(), issuer, &crl).unwrap();
        println!("{MARK}published {crl_number}");
        let start = (number << 16) | 1 << 60;
        let batch = (start..start + BATCH).map(|number| entry(number, None));
        ledger.import(&act(), issuer, batch, |_| {}).unwrap();
        println!("{MARK}batch {of}");
    }
}
