//! The status table with runs, pieces and steps of their real size: lists long enough to be divided before they are
//! sorted, against what was put into them.

use ocspry_core::{IssuedSerialsBuilder, Revocation, RevokedSerials, RevokedSerialsBuilder};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

/// Enough to be divided once, with random serials; a list that is alike up to the end is divided several times.
const COUNT: u64 = 200_000;

#[test]
fn a_long_list_of_random_serials_is_exact_and_compact() {
    let list = exact(|number| random(number, 20));
    let octets = list.size_bytes() as f64 / list.len() as f64;
    assert!(octets <= 26.0, "{octets} octets an entry");
}

#[test]
fn a_long_list_of_consecutive_serials_is_exact_and_takes_a_few_octets_an_entry() {
    let list = exact(|number| [&[0x7a; 12][..], &number.to_be_bytes()].concat());
    let octets = list.size_bytes() as f64 / list.len() as f64;
    assert!(octets <= 8.0, "{octets} octets an entry");
}

#[test]
fn a_long_list_of_serials_that_share_nineteen_octets_is_exact() {
    exact(|number| {
        let mut serial = random(number >> 8, 19);
        serial.push(number as u8);
        serial
    });
}

#[test]
fn a_long_list_with_one_stranger_among_consecutive_serials_is_exact() {
    exact(|number| match number {
        77 => vec![0x7f; 20],
        _ => [&[0x01; 12][..], &number.to_be_bytes()].concat(),
    });
}

#[test]
fn a_long_list_that_names_every_serial_twice_counts_each_once() {
    let mut builder = RevokedSerialsBuilder::new();
    for number in (0..COUNT / 2).chain((0..COUNT / 2).rev()) {
        builder.push(&serial(&random(number, 16)), said_of(number));
    }
    let list = builder.build();
    assert_eq!(list.len() as u64, COUNT / 2);
    assert_eq!(list.duplicate_count() as u64, COUNT / 2);
}

#[test]
fn a_long_list_of_issued_serials_takes_at_most_twenty_octets_a_serial() {
    let mut builder = IssuedSerialsBuilder::new();
    for number in 0..COUNT {
        builder.push(&serial(&random(number, 20)));
    }
    let issued = builder.build();
    assert_eq!(issued.len() as u64, COUNT);
    let octets = issued.size_bytes() as f64 / issued.len() as f64;
    assert!(octets <= 20.0, "{octets} octets a serial");
    for number in 0..COUNT {
        assert!(issued.contains(&serial(&random(number, 20))));
        assert!(!issued.contains(&serial(&random(COUNT + number, 20))));
    }
}

/// Builds the list, asks for everything in it and for as much that is not, and walks through it.
fn exact(content: impl Fn(u64) -> Vec<u8>) -> RevokedSerials {
    let mut builder = RevokedSerialsBuilder::new();
    for number in 0..COUNT {
        builder.push(&serial(&content(number)), said_of(number));
    }
    let list = builder.build();
    assert_eq!(list.len() as u64, COUNT);
    assert_eq!(list.duplicate_count(), 0);
    for number in 0..COUNT {
        let found = list.lookup(&serial(&content(number)));
        assert_eq!(found, Some(said_of(number)), "entry {number}");
        let found = list.lookup(&serial(&content(COUNT + 1_000 + number)));
        assert_eq!(found, None, "no entry: {number}");
    }
    let walked: Vec<SerialNumber> = list.iter().map(|(serial, _)| serial).collect();
    assert_eq!(walked.len() as u64, COUNT);
    let ascends = |pair: &[SerialNumber]| {
        pair[0].content().len() != pair[1].content().len() || pair[0].content() < pair[1].content()
    };
    assert!(walked.windows(2).all(ascends));
    list
}

/// What the list says of its entry of this number: every thousandth does not fit a row.
fn said_of(number: u64) -> Revocation {
    Revocation::Revoked(RevokedInfo {
        revocation_time: Time::from_unix(1_700_000_000 + number as i64),
        reason: CrlReason::from_code((number % 11) as u8),
        invalidity_date: number
            .is_multiple_of(1_000)
            .then(|| Time::from_unix(number as i64)),
    })
}

/// Octets that look random and are the same in every run; the first one is neither 0 nor negative.
fn random(number: u64, length: usize) -> Vec<u8> {
    let mut state = number;
    let mut octets: Vec<u8> = Vec::with_capacity(length + 8);
    while octets.len() < length {
        // SplitMix64: a counter whose bits are mixed.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        octets.extend((mixed ^ (mixed >> 31)).to_be_bytes());
        state = mixed ^ number;
    }
    octets.truncate(length);
    octets[0] = (octets[0] & 0x7f).max(1);
    octets
}

fn serial(content: &[u8]) -> SerialNumber {
    SerialNumber::from_content(content).expect("1..=64 octets")
}
