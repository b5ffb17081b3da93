//! The table against plain maps, and what each part promises.  In test builds, and in those for fuzzing, runs, pieces and steps are a few rows, so that
//! short lists meet every seam; `tests/status.rs` meets them at their real size.

use std::collections::BTreeMap;
use std::sync::Arc;

use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use proptest::prelude::*;

use super::*;

mod overlays;

fn serial(content: &[u8]) -> SerialNumber {
    SerialNumber::from_content(content).expect("1..=64 octets")
}

fn info(seconds: i64, reason: Option<CrlReason>) -> RevokedInfo {
    RevokedInfo {
        revocation_time: Time::from_unix(seconds),
        reason,
        invalidity_date: None,
    }
}

fn table(entries: &[(Vec<u8>, RevokedInfo)]) -> StatusTable {
    let mut builder = StatusTableBuilder::revoked_only();
    for (content, info) in entries {
        builder.revoked(&serial(content), *info);
    }
    built(builder)
}

fn built(builder: StatusTableBuilder) -> StatusTable {
    let window = ValidityWindow {
        this_update: Time::MIN,
        next_update: Time::MAX,
    };
    let source = SourceInfo {
        origin: String::new(),
        crl_number: None,
        digest: [0; 32],
        signature_algorithm: None,
    };
    builder.build(window, source)
}

proptest! {
    #[test]
    fn a_table_says_what_a_plain_map_says(
        entries in proptest::collection::vec(
            (proptest::collection::vec(0u8..4, 1..4), -5_000_000_000i64..5_000_000_000, 0u8..12, proptest::option::of(0i64..99)),
            0..60,
        ),
        asked in proptest::collection::vec(proptest::collection::vec(0u8..4, 1..4), 1..60),
    ) {
        let entries: Vec<(Vec<u8>, RevokedInfo)> = entries
            .into_iter()
            .map(|(content, seconds, reason, date)| {
                let mut info = info(seconds, CrlReason::from_code(reason));
                info.invalidity_date = date.map(Time::from_unix);
                (content, info)
            })
            .collect();
        let mut map: BTreeMap<i64, Vec<RevokedInfo>> = BTreeMap::new();
        for (content, info) in &entries {
            map.entry(number(content)).or_default().push(*info);
        }
        let table = table(&entries);
        prop_assert_eq!(table.entry_count(), map.len());
        prop_assert_eq!(table.duplicate_count(), entries.len() - map.len());
        for content in asked {
            match (table.lookup(&serial(&content)), map.get(&number(&content))) {
                (Lookup::Absent, None) => {}
                (Lookup::Revoked(found), Some(infos)) => {
                    let said = infos.iter().map(|info| Revocation::Revoked(*info));
                    let gravest = gravest(said.collect()).map(|info| info.revocation_time);
                    prop_assert_eq!(Some(found.revocation_time), gravest);
                    prop_assert!(infos.contains(&found));
                }
                (found @ (Lookup::Absent | Lookup::Issued | Lookup::Revoked(_)), expected) => prop_assert!(false, "{:?} but {:?}", found, expected),
            }
        }
    }
}

proptest! {
    #[test]
    fn a_table_revokes_all_of_another_when_no_serial_is_missing(
        ours in proptest::collection::vec(proptest::collection::vec(0u8..3, 1..3), 0..30),
        theirs in proptest::collection::vec(proptest::collection::vec(0u8..3, 1..3), 0..6),
    ) {
        let of = |serials: &[Vec<u8>]| {
            let entries: Vec<_> = serials.iter().map(|serial| (serial.clone(), info(1, None))).collect();
            table(&entries)
        };
        let has_all = theirs
            .iter()
            .all(|wanted| ours.iter().any(|serial| number(serial) == number(wanted)));
        prop_assert_eq!(of(&ours).revokes_all_of(&of(&theirs)), has_all);
    }
}

fn number(content: &[u8]) -> i64 {
    content
        .iter()
        .fold(0, |number, octet| number << 8 | i64::from(*octet))
}

#[test]
fn cid_06_a_negative_serial_is_not_the_positive_one_with_the_same_octets() {
    let table = table(&[
        (vec![0xff], info(1, None)),
        (vec![0x00, 0x80], info(2, None)),
    ]);
    assert_eq!(
        table.lookup(&serial(&[0xff])),
        Lookup::Revoked(info(1, None))
    );
    assert_eq!(table.lookup(&serial(&[0x00, 0xff])), Lookup::Absent);
    assert_eq!(
        table.lookup(&serial(&[0x00, 0x80])),
        Lookup::Revoked(info(2, None))
    );
    assert_eq!(table.lookup(&serial(&[0x80])), Lookup::Absent);
}

#[test]
fn cid_05_near_misses_of_a_revoked_serial_are_absent() {
    let revoked = [0x11, 0x22, 0x33, 0x44];
    let table = table(&[(revoked.to_vec(), info(1, None))]);
    let near: [&[u8]; 6] = [
        &[0x11, 0x22, 0x33, 0x43],
        &[0x11, 0x22, 0x33, 0x45],
        &[0x11, 0x22, 0x33],
        &[0x22, 0x33, 0x44],
        &[0x11, 0x22, 0x33, 0x44, 0x00],
        &[0x01, 0x11, 0x22, 0x33, 0x44],
    ];
    for content in near {
        assert_eq!(
            table.lookup(&serial(content)),
            Lookup::Absent,
            "{content:02x?}"
        );
    }
}

#[test]
fn a_needless_leading_octet_on_the_list_does_not_hide_a_serial() {
    let table = table(&[(vec![0x00, 0x00, 0x50, 0x00], info(1, None))]);
    assert_eq!(
        table.lookup(&serial(&[0x50, 0x00])),
        Lookup::Revoked(info(1, None))
    );
}

#[test]
fn a_table_that_knows_what_was_issued_tells_revoked_from_issued_from_never_issued() {
    let mut builder = StatusTableBuilder::issued();
    builder.issued_serial(&serial(&[5]));
    builder.issued_serial(&serial(&[6]));
    builder.revoked(&serial(&[6]), info(9, None));
    builder.revoked(&serial(&[6]), info(8, None));
    builder.issued_serial(&serial(&[6]));
    let table = built(builder);
    assert_eq!(table.absence(), Absence::NeverIssued);
    assert_eq!(table.lookup(&serial(&[5])), Lookup::Issued);
    assert_eq!(table.lookup(&serial(&[6])), Lookup::Revoked(info(8, None)));
    assert_eq!(table.lookup(&serial(&[7])), Lookup::Absent);
    assert_eq!((table.entry_count(), table.duplicate_count()), (1, 1));
}

#[test]
fn an_issued_serial_of_another_table_need_not_be_revoked_here() {
    let mut issued = StatusTableBuilder::issued();
    issued.issued_serial(&serial(&[5]));
    let issued = built(issued);
    let revoked = table(&[(vec![5], info(1, None))]);
    assert!(table(&[]).revokes_all_of(&issued));
    assert!(!issued.revokes_all_of(&revoked));
}

#[test]
fn a_serial_on_hold_keeps_its_reason() {
    let hold = info(7, Some(CrlReason::CertificateHold));
    let table = table(&[(vec![5], hold)]);
    assert_eq!(table.lookup(&serial(&[5])), Lookup::Revoked(hold));
}

/// A serial in its shortest encoding, the map's key.
fn shortest(content: &[u8]) -> Vec<u8> {
    minimal(content).to_vec()
}

/// What a plain map keeps of several entries for one serial.
fn better(one: Revocation, other: Revocation) -> Revocation {
    match (one, other) {
        (Revocation::Removed, other) => other,
        (one, Revocation::Removed) => one,
        (Revocation::Revoked(one), Revocation::Revoked(other)) => {
            let is_hold = |info: &RevokedInfo| info.reason == Some(CrlReason::CertificateHold);
            let rank = |info: &RevokedInfo| (is_hold(info), info.revocation_time);
            Revocation::Revoked(if rank(&other) < rank(&one) {
                other
            } else {
                one
            })
        }
    }
}

type Entries = Vec<(Vec<u8>, Revocation)>;

/// Lists as CAs make them and as they do not: lengths mixed, negative ones, needless octets, long common prefixes, runs.
fn contents() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 1..4),
        proptest::collection::vec(0u8..3, 1..6),
        proptest::collection::vec(
            prop_oneof![Just(0u8), Just(0xff), Just(0x7f), Just(0x80)],
            1..12
        ),
        // The same nineteen octets first.
        any::<u8>().prop_map(|last| [&[0x5a; 19][..], &[last]].concat()),
        any::<u16>().prop_map(|last| [&[0x5a; 19][..], &last.to_be_bytes()].concat()),
        // Random, with the top bit clear.
        any::<[u8; 20]>().prop_map(|mut octets| {
            octets[0] &= 0x7f;
            octets.to_vec()
        }),
        // Consecutive.
        (0u32..200).prop_map(|number| [&[1, 2, 3][..], &number.to_be_bytes()].concat()),
        proptest::collection::vec(any::<u8>(), 60..=64),
    ]
}

fn revocations() -> impl Strategy<Value = Revocation> {
    let infos = (
        prop_oneof![0i64..9, -5_000_000_000i64..5_000_000_000],
        0u8..12,
        proptest::option::weighted(0.1, 0i64..99),
    );
    prop_oneof![
        9 => infos.prop_map(|(seconds, reason, date)| Revocation::Revoked(RevokedInfo {
            revocation_time: Time::from_unix(seconds),
            reason: CrlReason::from_code(reason),
            invalidity_date: date.map(Time::from_unix),
        })),
        1 => Just(Revocation::Removed),
    ]
}

fn entries(most: usize) -> impl Strategy<Value = Entries> {
    proptest::collection::vec((contents(), revocations()), 0..most)
}

fn serials_of(entries: &Entries) -> Arc<RevokedSerials> {
    let mut builder = RevokedSerialsBuilder::new();
    for (content, revocation) in entries {
        builder.push(&serial(content), *revocation);
    }
    Arc::new(builder.build())
}

fn map_of(entries: &Entries) -> BTreeMap<Vec<u8>, Revocation> {
    let mut map = BTreeMap::new();
    for (content, revocation) in entries {
        map.entry(shortest(content))
            .and_modify(|known| *known = better(*known, *revocation))
            .or_insert(*revocation);
    }
    map
}

/// Those that differ in one octet, and those that are one octet longer or shorter.
fn neighbours(content: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![[content, &[0]].concat(), [&[1], content].concat()];
    for place in 0..content.len() {
        for change in [1, 0x80] {
            let mut other = content.to_vec();
            other[place] ^= change;
            found.push(other);
        }
    }
    found.extend(content.split_last().map(|(_, rest)| rest.to_vec()));
    found.retain(|other| SerialNumber::from_content(other).is_some());
    found
}

/// The same infos but for those that nothing tells apart.
fn same(found: Option<Revocation>, expected: Option<Revocation>, entries: &Entries) -> bool {
    match (found, expected) {
        (Some(Revocation::Revoked(found)), Some(Revocation::Revoked(expected))) => {
            found.revocation_time == expected.revocation_time
                && (found.reason == Some(CrlReason::CertificateHold))
                    == (expected.reason == Some(CrlReason::CertificateHold))
                && entries
                    .iter()
                    .any(|(_, of_list)| *of_list == Revocation::Revoked(found))
        }
        (found, expected) => found == expected,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_list_of_any_serials_says_what_a_plain_map_says(entries in entries(120), asked in entries(10)) {
        let list = serials_of(&entries);
        let map = map_of(&entries);
        prop_assert_eq!(list.len(), map.len());
        prop_assert_eq!(list.duplicate_count(), entries.len() - map.len());
        let revoked = map.values().filter(|said| **said != Revocation::Removed).count();
        prop_assert_eq!(list.revoked_count(), revoked);
        for (place, (content, _)) in entries.iter().chain(&asked).enumerate() {
            // The neighbours of a few are enough for one list.
            let near = if place % 8 == 0 { neighbours(content) } else { Vec::new() };
            for content in [near, vec![content.clone()]].concat() {
                let found = list.lookup(&serial(&content));
                let expected = map.get(&shortest(&content)).copied();
                prop_assert!(same(found, expected, &entries), "{:02x?}: {:?} but {:?}", content, found, expected);
            }
        }
        let walked: Vec<_> = list.iter().collect();
        prop_assert_eq!(walked.len(), map.len());
        for (serial, said) in &walked {
            prop_assert_eq!(list.lookup(serial), Some(*said));
        }
        for pair in walked.windows(2) {
            let (one, other) = (pair[0].0.content().to_vec(), pair[1].0.content().to_vec());
            prop_assert!(one.len() != other.len() || one < other, "{:02x?} before {:02x?}", one, other);
        }
    }

    #[test]
    fn what_is_missing_from_a_newer_list_is_what_plain_maps_say(ours in entries(60), theirs in entries(60)) {
        // Half of the older list is in the newer one.
        let theirs: Entries = ours.iter().step_by(2).cloned().chain(theirs).collect();
        let (older, newer) = (serials_of(&ours), serials_of(&theirs));
        let is_revoked = |said: &Revocation| *said != Revocation::Removed;
        let of_newer = map_of(&theirs);
        let mut expected: Vec<Vec<u8>> = map_of(&ours)
            .into_iter()
            .filter(|(serial, said)| is_revoked(said) && !of_newer.get(serial).is_some_and(is_revoked))
            .map(|(serial, _)| serial)
            .collect();
        expected.sort();
        let mut found: Vec<Vec<u8>> = older
            .missing_from(&newer)
            .map(|serial| serial.content().to_vec())
            .collect();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn issued_serials_are_those_of_a_plain_set(
        pushed in proptest::collection::vec(contents(), 0..120),
        asked in proptest::collection::vec(contents(), 0..10),
    ) {
        let issued = issued_of(&pushed);
        let set: std::collections::BTreeSet<Vec<u8>> = pushed.iter().map(|content| shortest(content)).collect();
        prop_assert_eq!(issued.len(), set.len());
        prop_assert_eq!(issued.is_empty(), set.is_empty());
        prop_assert_eq!(issued.duplicate_count(), pushed.len() - set.len());
        prop_assert_eq!(issued.iter().count(), set.len());
        for (place, content) in pushed.iter().chain(&asked).enumerate() {
            let near = if place % 8 == 0 { neighbours(content) } else { Vec::new() };
            for content in [near, vec![content.clone()]].concat() {
                prop_assert_eq!(issued.contains(&serial(&content)), set.contains(&shortest(&content)), "{:02x?}", content);
            }
        }
    }

    #[test]
    fn a_table_of_parts_says_what_plain_maps_say(
        lists in proptest::collection::vec((few_entries(), proptest::option::of(few_entries())), 0..3),
        issued in proptest::collection::vec(proptest::collection::vec(few_contents(), 0..8), 0..3),
        overlays in proptest::collection::vec(few_entries(), 0..2),
        all in proptest::option::weighted(0.1, 0i64..99),
    ) {
        let mut overlay_parts: Vec<Overlay> = overlays.iter().map(|part| Overlay::Serials(serials_of(part))).collect();
        overlay_parts.extend(all.map(|seconds| Overlay::All(info(seconds, None))));
        let table = of_parts(
            lists
                .iter()
                .map(|(base, delta)| ListPart { base: serials_of(base), delta: delta.as_ref().map(serials_of), this_update: None })
                .collect(),
            issued.iter().map(|part| Arc::new(issued_of(part))).collect(),
            overlay_parts,
        );
        let maps: Vec<_> = lists.iter().map(|(base, delta)| (map_of(base), delta.as_ref().map(map_of))).collect();
        for content in few_contents_all() {
            let said_by = |map: &BTreeMap<Vec<u8>, Revocation>| map.get(&content).copied();
            let mut overlaid: Vec<Revocation> = overlays.iter().filter_map(|part| said_by(&map_of(part))).collect();
            overlaid.extend(all.map(|seconds| Revocation::Revoked(info(seconds, None))));
            let listed = maps.iter().filter_map(|(base, delta)| {
                delta.as_ref().and_then(said_by).or_else(|| said_by(base))
            });
            let said = match (gravest(overlaid), gravest(listed.collect())) {
                (Some(overlaid), Some(listed)) if listed.reason != Some(CrlReason::CertificateHold) => {
                    let for_good = [listed, overlaid].into_iter().find(|info| info.reason != Some(CrlReason::CertificateHold));
                    let revocation_time = overlaid.revocation_time.min(listed.revocation_time);
                    for_good.map(|info| RevokedInfo { revocation_time, ..info })
                }
                (overlaid, listed) => overlaid.or(listed),
            };
            let is_issued = issued.iter().flatten().any(|other| shortest(other) == content);
            let found = table.lookup(&serial(&content));
            match (said, is_issued) {
                (Some(expected), _) => {
                    let Lookup::Revoked(found) = found else {
                        return Err(TestCaseError::fail(format!("{content:02x?}: {found:?}")));
                    };
                    prop_assert_eq!(found.revocation_time, expected.revocation_time);
                    let is_hold = |info: RevokedInfo| info.reason == Some(CrlReason::CertificateHold);
                    prop_assert_eq!(is_hold(found), is_hold(expected));
                }
                (None, true) => prop_assert_eq!(found, Lookup::Issued),
                (None, false) => prop_assert_eq!(found, Lookup::Absent),
            }
        }
    }

    #[test]
    fn a_table_of_parts_revokes_all_of_another_when_each_of_its_serials_is_revoked(
        ours in (few_entries(), proptest::option::of(few_entries()), few_entries()),
        theirs in (few_entries(), proptest::option::of(few_entries()), few_entries()),
    ) {
        let table = |(base, delta, overlay): &(Entries, Option<Entries>, Entries)| of_parts(
            vec![ListPart { base: serials_of(base), delta: delta.as_ref().map(serials_of), this_update: None }],
            Vec::new(),
            vec![Overlay::Serials(serials_of(overlay))],
        );
        let (ours, theirs) = (table(&ours), table(&theirs));
        let is_revoked = |table: &StatusTable, content: &[u8]| matches!(table.lookup(&serial(content)), Lookup::Revoked(_));
        let expected = few_contents_all().iter().all(|content| is_revoked(&ours, content) || !is_revoked(&theirs, content));
        prop_assert_eq!(ours.revokes_all_of(&theirs), expected);
    }
}

fn issued_of(contents: &[Vec<u8>]) -> IssuedSerials {
    let mut builder = IssuedSerialsBuilder::new();
    for content in contents {
        builder.push(&serial(content));
    }
    builder.build()
}

/// So few serials that several parts name the same ones.
fn few_contents() -> impl Strategy<Value = Vec<u8>> {
    (0u8..6).prop_map(|number| vec![number])
}

fn few_contents_all() -> Vec<Vec<u8>> {
    (0..8).map(|number| vec![number]).collect()
}

fn few_entries() -> impl Strategy<Value = Entries> {
    proptest::collection::vec((few_contents(), revocations()), 0..6)
}

/// For good before on hold, then the earliest.
fn gravest(said: Vec<Revocation>) -> Option<RevokedInfo> {
    let infos = said.into_iter().filter_map(|said| match said {
        Revocation::Revoked(info) => Some(info),
        Revocation::Removed => None,
    });
    infos.min_by_key(|info| {
        (
            info.reason == Some(CrlReason::CertificateHold),
            info.revocation_time,
        )
    })
}

fn of_parts(
    lists: Vec<ListPart>,
    issued: Vec<Arc<IssuedSerials>>,
    overlays: Vec<Overlay>,
) -> StatusTable {
    let whole = table(&[]);
    StatusTable::new(StatusParts {
        lists,
        issued,
        overlays,
        absence: Absence::NotRevoked,
        window: whole.window(),
        source: whole.source().clone(),
        more_sources: Vec::new(),
    })
}

fn list(entries: &[(&[u8], Revocation)]) -> Arc<RevokedSerials> {
    let entries: Entries = entries
        .iter()
        .map(|(content, said)| (content.to_vec(), *said))
        .collect();
    serials_of(&entries)
}

#[test]
fn the_first_and_the_last_serial_of_every_bucket_are_found() {
    // Sixteen bits, every value of which is a bucket's edge at some size of the list.
    for count in [1u32, 2, 7, 8, 16, 31, 64, 255, 256, 257, 1_000, 4_096] {
        let step = 65_536 / count;
        let mut builder = RevokedSerialsBuilder::new();
        for number in 0..count {
            let [_, _, high, low] = (number * step).to_be_bytes();
            builder.push(
                &serial(&[0x11, high, low]),
                Revocation::Revoked(info(i64::from(number), None)),
            );
        }
        let list = builder.build();
        for number in 0..65_536u32 {
            let [_, _, high, low] = number.to_be_bytes();
            let found = list.lookup(&serial(&[0x11, high, low]));
            let expected = (number % step == 0 && number / step < count)
                .then(|| Revocation::Revoked(info(i64::from(number / step), None)));
            assert_eq!(found, expected, "{number} of {count}");
        }
        assert_eq!(list.lookup(&serial(&[0x12, 0, 0])), None);
    }
}

#[test]
fn sorting_in_steps_gives_the_same_list_and_may_move_between_threads() {
    let mut builder = RevokedSerialsBuilder::new();
    for number in (0..2_000u32).rev() {
        let [_, _, high, low] = number.wrapping_mul(40_503).to_be_bytes();
        builder.push(
            &serial(&[0x40, high, low, 1]),
            Revocation::Revoked(info(i64::from(number), None)),
        );
    }
    let at_once = {
        let mut builder = RevokedSerialsBuilder::new();
        for number in 0..2_000u32 {
            let [_, _, high, low] = number.wrapping_mul(40_503).to_be_bytes();
            builder.push(
                &serial(&[0x40, high, low, 1]),
                Revocation::Revoked(info(i64::from(number), None)),
            );
        }
        builder.build()
    };
    let mut sorting = builder.into_sorting();
    let mut steps = 0;
    while !sorting.step() {
        steps += 1;
        sorting = std::thread::spawn(move || sorting).join().unwrap();
    }
    assert!(steps > 10, "{steps} steps");
    let in_steps = sorting.finish();
    assert!(in_steps.iter().eq(at_once.iter()));
    assert_eq!(in_steps.len() + in_steps.duplicate_count(), 2_000);
}

#[test]
fn one_serial_over_and_over_is_one_entry_with_the_earliest_time() {
    let mut builder = RevokedSerialsBuilder::new();
    for number in 0..500 {
        let seconds = if number == 321 { 5 } else { 1_000 + number };
        builder.push(&serial(&[7; 20]), Revocation::Revoked(info(seconds, None)));
    }
    let list = builder.build();
    assert_eq!((list.len(), list.duplicate_count()), (1, 499));
    assert_eq!(
        list.lookup(&serial(&[7; 20])),
        Some(Revocation::Revoked(info(5, None)))
    );
}

#[test]
fn one_serial_that_is_on_hold_and_then_revoked_for_good_in_one_list_is_revoked_for_good() {
    let hold = Revocation::Revoked(info(1, Some(CrlReason::CertificateHold)));
    let for_good = Revocation::Revoked(info(9, Some(CrlReason::KeyCompromise)));
    for entries in [
        [(&[5][..], hold), (&[5][..], for_good)],
        [(&[5][..], for_good), (&[5][..], hold)],
    ] {
        assert_eq!(list(&entries).lookup(&serial(&[5])), Some(for_good));
    }
}

#[test]
fn revoked_wins_over_removed_in_one_list_whatever_comes_first() {
    let revoked = Revocation::Revoked(info(9, None));
    for entries in [
        [(&[5][..], revoked), (&[5][..], Revocation::Removed)],
        [(&[5][..], Revocation::Removed), (&[5][..], revoked)],
    ] {
        assert_eq!(list(&entries).lookup(&serial(&[5])), Some(revoked));
    }
}

#[test]
fn what_a_delta_removes_is_not_revoked_and_what_it_does_not_name_is_as_in_the_base() {
    let old = Revocation::Revoked(info(1, Some(CrlReason::CertificateHold)));
    let new = Revocation::Revoked(info(2, Some(CrlReason::KeyCompromise)));
    let part = ListPart {
        base: list(&[(&[1], old), (&[2], old), (&[3], old)]),
        delta: Some(list(&[
            (&[2], Revocation::Removed),
            (&[3], new),
            (&[4], new),
        ])),
        this_update: None,
    };
    let table = of_parts(
        vec![part],
        vec![Arc::new(issued_of(&[vec![2]]))],
        Vec::new(),
    );
    let hold = Lookup::Revoked(info(1, Some(CrlReason::CertificateHold)));
    let compromised = Lookup::Revoked(info(2, Some(CrlReason::KeyCompromise)));
    assert_eq!(table.lookup(&serial(&[1])), hold);
    assert_eq!(table.lookup(&serial(&[2])), Lookup::Issued);
    assert_eq!(table.lookup(&serial(&[3])), compromised);
    assert_eq!(table.lookup(&serial(&[4])), compromised);
    assert_eq!(table.lookup(&serial(&[5])), Lookup::Absent);
}

#[test]
fn a_delta_removes_nothing_from_another_list() {
    let revoked = Revocation::Revoked(info(1, None));
    let released = ListPart {
        base: list(&[(&[1], revoked)]),
        delta: Some(list(&[(&[1], Revocation::Removed)])),
        this_update: None,
    };
    let other = ListPart {
        base: list(&[(&[1], revoked)]),
        delta: None,
        this_update: None,
    };
    let table = of_parts(vec![released, other], Vec::new(), Vec::new());
    assert_eq!(table.lookup(&serial(&[1])), Lookup::Revoked(info(1, None)));
}

#[test]
fn entries_of_one_odd_time_take_no_more_memory_than_others() {
    let built = |seconds: i64| {
        let mut builder = RevokedSerialsBuilder::new();
        for _ in 0..100_000 {
            builder.push(&serial(&[1]), Revocation::Revoked(info(seconds, None)));
        }
        (builder.size_bytes(), builder.build())
    };
    let before_1970 = built(-1);
    assert_eq!(
        before_1970.1.lookup(&serial(&[1])),
        Some(Revocation::Revoked(info(-1, None)))
    );
    let more = before_1970.0 - built(1).0;
    assert!(more < 1000, "{more}");
}

#[test]
fn a_small_list_takes_little_memory_and_an_empty_one_next_to_nothing() {
    assert!(list(&[]).size_bytes() < 200);
    let few = list(&[
        (&[1; 20], Revocation::Removed),
        (&[2; 20], Revocation::Removed),
    ]);
    assert!(few.size_bytes() < 600, "{}", few.size_bytes());
}
