//! The request in a GET target: what is found is the longest suffix that decodes to one SEQUENCE, as a slow and simple
//! reading of the same rule finds it.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use ocspry_http::get_path::{GetBuffers, GetPath, decode};

fuzz_target!(|path: &[u8]| {
    let mut fresh = GetBuffers::default();
    let found = decode(path, &mut fresh);
    match (&found, by_the_rule(path)) {
        (GetPath::Request(der), Reading::Request(expected)) => {
            assert_eq!(*der, expected);
            assert_eq!(sequence_length(der), Some(der.len()));
        }
        (GetPath::Malformed, Reading::Malformed) | (GetPath::NotOcsp, Reading::NotOcsp) => {}
        (found, expected) => panic!("found {found:02x?}, expected {expected:02x?}"),
    }
    // What an earlier request left behind changes nothing.
    USED.with_borrow_mut(|used| assert_eq!(decode(path, used), found));
});

thread_local! {
    static USED: RefCell<GetBuffers> = RefCell::default();
}

#[derive(Debug)]
enum Reading {
    Request(Vec<u8>),
    Malformed,
    NotOcsp,
}

/// Tries every suffix that starts behind a slash, the longest first, and decodes each from its first bit to its last.
fn by_the_rule(path: &[u8]) -> Reading {
    let text = unescaped(path);
    let behind_a_slash = (0..=text.len()).filter(|&start| start == 0 || text[start - 1] == b'/');
    // A slash in front of everything begins no segment of base64: what counts starts behind it.
    let starts: Vec<usize> = behind_a_slash
        .filter(|&start| start != 0 || text.first() != Some(&b'/'))
        .collect();
    for &start in &starts {
        if let Some(der) = base64(without_padding(&text[start..]))
            && sequence_length(&der) == Some(der.len())
        {
            return Reading::Request(der);
        }
    }
    let begins_like_one = |&start: &usize| {
        let suffix = without_padding(&text[start..]);
        suffix.len() >= 2 && base64(&suffix[..2]).is_some_and(|der| der == [0x30])
    };
    if starts.iter().any(begins_like_one) {
        Reading::Malformed
    } else {
        Reading::NotOcsp
    }
}

fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut place = 0;
    while place < path.len() {
        let escaped = path
            .get(place + 1..place + 3)
            .filter(|digits| path[place] == b'%' && digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        text.push(escaped.unwrap_or(path[place]));
        place += if escaped.is_some() { 3 } else { 1 };
    }
    text
}

fn without_padding(text: &[u8]) -> &[u8] {
    let once = text.strip_suffix(b"=").unwrap_or(text);
    once.strip_suffix(b"=").unwrap_or(once)
}

/// Bit by bit, in either alphabet or both; bits that fill no octet are dropped.  None: a character of neither, or one
/// too many.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = Vec::new();
    for character in text {
        let standard = match character {
            b'-' => b'+',
            b'_' => b'/',
            other => *other,
        };
        let value = ALPHABET.iter().position(|other| *other == standard)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    if text.len() % 4 == 1 {
        return None;
    }
    let octet = |bits: &[bool]| {
        bits.iter()
            .fold(0, |octet, bit| octet << 1 | u8::from(*bit))
    };
    Some(bits.chunks_exact(8).map(octet).collect())
}

/// How long the SEQUENCE at the start of `der` says that it is, in at most two length octets.
fn sequence_length(der: &[u8]) -> Option<usize> {
    match *der {
        [0x30, length @ 0..=0x7f, ..] => Some(2 + usize::from(length)),
        [0x30, 0x81, length, ..] => Some(3 + usize::from(length)),
        [0x30, 0x82, high, low, ..] => Some(4 + usize::from(high) * 256 + usize::from(low)),
        _ => None,
    }
}
