//! The status table beside plain maps: a table of parts, made by a script of pushes, says of every serial what the maps
//! say, and so does a walk through each part.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use ocspry_core::{
    Absence, IssuedSerials, IssuedSerialsBuilder, ListPart, Lookup, Overlay, Revocation,
    RevokedSerials, RevokedSerialsBuilder, SourceInfo, StatusParts, StatusTable, ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

fuzz_target!(|script: Script<'_>| {
    let lists: Vec<(List, Option<List>)> = script
        .lists
        .iter()
        .take(3)
        .map(|(base, delta)| (List::of(base), delta.as_ref().map(List::of)))
        .collect();
    let overlay = script.overlay.as_ref().map(List::of);
    let (issued, issued_map) = issued_of(&script.issued);
    for (base, delta) in &lists {
        base.holds();
        if let Some(delta) = delta {
            delta.holds();
            base.misses(delta);
            delta.misses(base);
        }
    }

    let mut overlays: Vec<Overlay> = Vec::new();
    overlays.extend(
        overlay
            .iter()
            .map(|list| Overlay::Serials(Arc::clone(&list.serials))),
    );
    overlays.extend(script.all.map(|seconds| Overlay::All(info(seconds.into()))));
    let table = StatusTable::new(StatusParts {
        lists: lists
            .iter()
            .map(|(base, delta)| ListPart {
                base: Arc::clone(&base.serials),
                delta: delta.as_ref().map(|delta| Arc::clone(&delta.serials)),
                this_update: None,
            })
            .collect(),
        issued: vec![Arc::new(issued)],
        overlays,
        absence: Absence::NeverIssued,
        window: ValidityWindow {
            this_update: Time::MIN,
            next_update: Time::MAX,
        },
        source: SourceInfo {
            origin: String::new(),
            crl_number: None,
            digest: [0; 32],
            signature_algorithm: None,
        },
        more_sources: Vec::new(),
    });
    assert!(table.revokes_all_of(&table));

    let mut asked: BTreeSet<Vec<u8>> = issued_map.clone();
    for (base, delta) in &lists {
        asked.extend(base.map.keys().cloned());
        asked.extend(delta.iter().flat_map(|delta| delta.map.keys().cloned()));
    }
    asked.extend(
        script
            .asked
            .iter()
            .filter_map(|asked| shortest(&asked.content())),
    );
    for content in asked {
        let mut overlaid: Vec<RevokedInfo> = Vec::new();
        overlaid.extend(overlay.as_ref().and_then(|list| list.revoked(&content)));
        overlaid.extend(script.all.map(|seconds| info(seconds.into())));
        let listed = lists.iter().filter_map(|(base, delta)| {
            match delta.as_ref().and_then(|delta| delta.map.get(&content)) {
                Some(Revocation::Revoked(info)) => Some(*info),
                Some(Revocation::Removed) => None,
                None => base.revoked(&content),
            }
        });
        let expected = match (gravest(overlaid), gravest(listed.collect())) {
            // An overlay moves no revocation to a later time.
            (Some(overlaid), Some(listed)) if !rank(&listed).0 => Some(RevokedInfo {
                revocation_time: overlaid.revocation_time.min(listed.revocation_time),
                ..listed
            }),
            (overlaid, listed) => overlaid.or(listed),
        };
        let serial = SerialNumber::from_content(&content).expect("1..=64 octets");
        match (table.lookup(&serial), expected) {
            (Lookup::Revoked(found), Some(expected)) => {
                assert_eq!(rank(&found), rank(&expected), "{serial}");
            }
            (Lookup::Issued, None) => assert!(issued_map.contains(&content), "{serial}"),
            (Lookup::Absent, None) => assert!(!issued_map.contains(&content), "{serial}"),
            (found, expected) => panic!("{serial}: {found:?} but {expected:?}"),
        }
    }
});

#[derive(Arbitrary, Debug)]
struct Script<'a> {
    lists: Vec<(Vec<Push<'a>>, Option<Vec<Push<'a>>>)>,
    overlay: Option<Vec<Push<'a>>>,
    all: Option<u32>,
    issued: Vec<Serials<'a>>,
    asked: Vec<Serial<'a>>,
}

#[derive(Arbitrary, Debug)]
struct Push<'a> {
    serials: Serials<'a>,
    seconds: i64,
    reason: u8,
    invalidity_date: Option<u8>,
}

/// One serial, or many at once, which an input of a few octets could not spell out.
#[derive(Arbitrary, Debug)]
enum Serials<'a> {
    One(Serial<'a>),
    /// So many with one beginning, and a number behind it in so many octets, each so far from the last.
    Run {
        beginning: Serial<'a>,
        first: u32,
        step: u32,
        count: u16,
        octets: u8,
    },
}

#[derive(Arbitrary, Debug)]
enum Serial<'a> {
    Octets(&'a [u8]),
    /// An octet again and again, and one behind them.
    Alike(u8, u8, u8),
}

impl Serial<'_> {
    fn content(&self) -> Vec<u8> {
        match self {
            Serial::Octets(octets) => octets.to_vec(),
            Serial::Alike(octet, times, last) => {
                let mut content = vec![*octet; usize::from(times % 64)];
                content.push(*last);
                content
            }
        }
    }
}

impl Serials<'_> {
    fn contents(&self) -> Vec<Vec<u8>> {
        match self {
            Serials::One(serial) => vec![serial.content()],
            Serials::Run {
                beginning,
                first,
                step,
                count,
                octets,
            } => (0..u32::from(count % 2_048))
                .map(|place| {
                    let number = first.wrapping_add(step.wrapping_mul(place)).to_be_bytes();
                    let octets = usize::from(octets % 4) + 1;
                    [&beginning.content()[..], &number[4 - octets..]].concat()
                })
                .collect(),
        }
    }
}

/// A part of the table, and what a plain map makes of the same pushes.
struct List {
    serials: Arc<RevokedSerials>,
    map: BTreeMap<Vec<u8>, Revocation>,
    pushed: usize,
}

impl List {
    fn of(pushes: &Vec<Push<'_>>) -> List {
        let mut builder = RevokedSerialsBuilder::new();
        let mut map: BTreeMap<Vec<u8>, Revocation> = BTreeMap::new();
        let mut pushed = 0;
        for push in pushes {
            // 8 is removeFromCRL.
            let said = match push.reason % 12 {
                8 => Revocation::Removed,
                code => Revocation::Revoked(RevokedInfo {
                    revocation_time: Time::from_unix(push.seconds),
                    reason: CrlReason::from_code(code),
                    invalidity_date: push.invalidity_date.map(|day| Time::from_unix(day.into())),
                }),
            };
            for content in push.serials.contents() {
                let Some(key) = shortest(&content) else {
                    continue;
                };
                pushed += 1;
                builder.push(&SerialNumber::from_content(&content).expect("short"), said);
                let known = map.get(&key).copied();
                map.insert(key, known.map_or(said, |known| better(known, said)));
            }
        }
        let mut sorting = builder.into_sorting();
        while !sorting.step() {}
        List {
            serials: Arc::new(sorting.finish()),
            map,
            pushed,
        }
    }

    fn revoked(&self, content: &[u8]) -> Option<RevokedInfo> {
        match self.map.get(content)? {
            Revocation::Revoked(info) => Some(*info),
            Revocation::Removed => None,
        }
    }

    /// Counts and a walk agree with the map.
    fn holds(&self) {
        assert_eq!(self.serials.len(), self.map.len());
        assert_eq!(self.serials.duplicate_count(), self.pushed - self.map.len());
        let mut last: Option<SerialNumber> = None;
        let mut walked = 0;
        for (serial, said) in self.serials.iter() {
            let expected = &self.map[serial.content()];
            match (&said, expected) {
                (Revocation::Revoked(said), Revocation::Revoked(expected)) => {
                    assert_eq!(rank(said), rank(expected), "{serial}");
                }
                (said, expected) => assert_eq!(said, expected, "{serial}"),
            }
            assert_eq!(self.serials.lookup(&serial), Some(said));
            if let Some(last) = last
                && last.content().len() == serial.content().len()
            {
                assert!(last.content() < serial.content());
            }
            last = Some(serial);
            walked += 1;
        }
        assert_eq!(walked, self.map.len());
    }

    /// What is revoked here and not there.
    fn misses(&self, newer: &List) {
        let expected: BTreeSet<Vec<u8>> = self
            .map
            .keys()
            .filter(|serial| self.revoked(serial).is_some() && newer.revoked(serial).is_none())
            .cloned()
            .collect();
        let missing = self.serials.missing_from(&newer.serials);
        let found: Vec<Vec<u8>> = missing.map(|serial| serial.content().to_vec()).collect();
        assert_eq!(found.len(), expected.len());
        assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected);
    }
}

fn issued_of(pushes: &[Serials<'_>]) -> (IssuedSerials, BTreeSet<Vec<u8>>) {
    let mut builder = IssuedSerialsBuilder::new();
    let mut map = BTreeSet::new();
    for content in pushes.iter().flat_map(Serials::contents) {
        let Some(key) = shortest(&content) else {
            continue;
        };
        builder.push(&SerialNumber::from_content(&content).expect("short"));
        map.insert(key);
    }
    let issued = builder.build();
    assert_eq!(issued.len(), map.len());
    for serial in issued.iter() {
        assert!(map.contains(serial.content()) && issued.contains(&serial));
    }
    (issued, map)
}

/// The octets of the same number without needless ones; None: no serial at all.
fn shortest(content: &[u8]) -> Option<Vec<u8>> {
    SerialNumber::from_content(content)?;
    let mut content = content.to_vec();
    while content.len() > 1
        && ((content[0] == 0 && content[1] < 0x80) || (content[0] == 0xff && content[1] >= 0x80))
    {
        content.remove(0);
    }
    Some(content)
}

/// Revoked before removed, for good before on hold, then the earlier.
fn better(one: Revocation, other: Revocation) -> Revocation {
    match (one, other) {
        (Revocation::Removed, other) => other,
        (one, Revocation::Removed) => one,
        (Revocation::Revoked(left), Revocation::Revoked(right)) => {
            if rank(&right) < rank(&left) {
                other
            } else {
                one
            }
        }
    }
}

/// For good before on hold, then the earlier.
fn gravest(infos: Vec<RevokedInfo>) -> Option<RevokedInfo> {
    infos.into_iter().min_by_key(rank)
}

fn rank(info: &RevokedInfo) -> (bool, Time) {
    let is_hold = info.reason == Some(CrlReason::CertificateHold);
    (is_hold, info.revocation_time)
}

fn info(seconds: i64) -> RevokedInfo {
    RevokedInfo {
        revocation_time: Time::from_unix(seconds),
        reason: None,
        invalidity_date: None,
    }
}
