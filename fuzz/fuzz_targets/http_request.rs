//! Requests in a stream of octets: they are the same however the stream is cut into pieces, and what is held of one that is
//! not whole is bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use ocspry_http::framing::{BodyPlace, Framing, Next};
use ocspry_http::head::{Broken, HEAD_BYTES_MAX};

const BODY_BYTES_MAX: usize = 200;

fuzz_target!(|input: (u8, &[u8])| {
    let (piece, stream) = input;
    let whole = requests(stream, stream.len().max(1));
    let pieces = requests(stream, usize::from(piece).max(1));
    // That something is no request may be seen later when its line comes in pieces.
    let is_later =
        matches!(whole.last(), Some(Found::Broken(_))) && pieces.len() + 1 == whole.len();
    let expected = &whole[..whole.len() - usize::from(is_later)];
    assert_eq!(pieces, expected, "in pieces of {piece}");
});

#[derive(Debug, PartialEq, Eq)]
enum Found {
    Request { target: Vec<u8>, body: Vec<u8> },
    Unread,
    BrokenBody,
    TooLong,
    Broken(Broken),
}

/// What is found in `stream`, up to the first that ends a connection.
fn requests(stream: &[u8], piece: usize) -> Vec<Found> {
    let mut framing = Framing::new(BODY_BYTES_MAX);
    let (mut octets, mut found) = (Vec::new(), Vec::new());
    for piece in stream.chunks(piece) {
        octets.extend_from_slice(piece);
        while !octets.is_empty() {
            let (head, body, end) = match framing.next(&mut octets) {
                Next::Part { held, .. } => {
                    assert!(held <= HEAD_BYTES_MAX + BODY_BYTES_MAX);
                    octets.truncate(held);
                    break;
                }
                Next::Broken(broken) => {
                    found.push(Found::Broken(broken));
                    return found;
                }
                Next::Request { head, body, end } => (head, body, end),
            };
            assert!(head.length <= end && end <= octets.len());
            found.push(match body {
                BodyPlace::Whole(place) => {
                    assert!(place.len() <= BODY_BYTES_MAX);
                    let target = octets[head.target].to_vec();
                    let body = octets[place].to_vec();
                    Found::Request { target, body }
                }
                BodyPlace::Unread => Found::Unread,
                BodyPlace::Broken => Found::BrokenBody,
                BodyPlace::TooLong => Found::TooLong,
            });
            if !matches!(found.last(), Some(Found::Request { .. })) {
                return found;
            }
            octets.drain(..end);
        }
    }
    found
}
