//! Rules of docs/conformance-rules.md, sections 1 to 9, asked of a responder whose clock stands still.
//!
//! Each test carries the IDs of the rules that it proves; docs/conformance.md is made from their results.  `encode`
//! builds requests that no client would send, `strict` reads answers with another DER implementation.

mod cert_id;
mod encode;
#[path = "../fixture/mod.rs"]
mod fixture;
mod nonce;
mod request;
mod response;
mod status;
mod strict;
mod times;

use fixture::{Fixture, answer, body};
use ocspry_testkit::{Reply, SingleReply};
use ocspry_wire::ocsp::ErrorStatus;

/// What a careful client makes of the answer to these octets.
fn ask(fixture: &Fixture, request: &[u8]) -> Reply {
    fixture.check(&answer(fixture, request).0)
}

/// The one line of a signed answer.
fn ask_one(fixture: &Fixture, request: &[u8]) -> SingleReply {
    ask(fixture, request).single()
}

/// The octets of the answer.
fn ask_octets(fixture: &Fixture, request: &[u8]) -> Vec<u8> {
    body(&answer(fixture, request).0)
}

/// The answer is this error, and nothing else.
fn assert_refused(fixture: &Fixture, request: &[u8], status: ErrorStatus, what: &str) {
    assert_eq!(ask(fixture, request), Reply::Error(status), "{what}");
}
