//! Runs the conversations in `tests/scripts/*.http`: what is sent, octet by octet, and what must come back.
//!
//! ```text
//! --- HTP-06 a title                     a new connection
//! send GET {path} HTTP/1.0\r\n\r\n       octets, with \r \n \t \xHH and the names below
//! send-slowly 7 …                        the same, in pieces of 7 octets
//! half-close                             nothing more will be sent
//! expect 200                             the next response; `expect-head 200` after HEAD
//! header cache-control == no-store       also: contains TEXT, absent
//! body good                              good, revoked, malformed, unauthorized, empty, or text in quotes
//! closed                                 the server closes, and sends nothing more
//! ```
//! Names: `{der}` `{length}` the request for the good certificate; `{path}` `{escaped}` it in a GET path; `{revoked-path}`; `{nonce-path}`; `{chunked}` it
//! in chunks of 25 octets; `{etag}` of the last response that had one; `{last-modified}`; `{a*300}` 300 times `a`.

use crate::fixture::{Fixture, GOOD, PATIENT, REVOKED};
use ocspry_testkit::{HttpClient, HttpResponse, Reply, base64_path, percent_encoded};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus};
use std::path::Path;

#[test]
fn every_conversation_goes_as_written() {
    let fixture = Fixture::start(PATIENT);
    let mut files: Vec<_> =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scripts"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let mut conversation: Option<Conversation<'_>> = None;
        for (index, line) in text.lines().enumerate() {
            let place = format!("{}:{}: {line}", file.display(), index + 1);
            match line.split_once(' ').unwrap_or((line, "")) {
                ("" | "#", _) => {}
                ("---", _) => conversation = Some(Conversation::begin(&fixture)),
                (verb, rest) => {
                    conversation
                        .as_mut()
                        .unwrap_or_else(|| panic!("{place}: no conversation"))
                        .step(verb, rest, &place);
                }
            }
        }
    }
    assert_eq!(fixture.server.counts().panics_total, 0);
}

struct Conversation<'a> {
    fixture: &'a Fixture,
    client: HttpClient,
    last: Option<HttpResponse>,
    etag: String,
    last_modified: String,
}

impl Conversation<'_> {
    fn begin(fixture: &Fixture) -> Conversation<'_> {
        Conversation {
            fixture,
            client: fixture.connect(),
            last: None,
            etag: String::new(),
            last_modified: String::new(),
        }
    }

    fn step(&mut self, verb: &str, rest: &str, place: &str) {
        match verb {
            // A server that refuses early may close while we still send.
            "send" => drop(self.client.send(&self.octets(rest, place))),
            "send-slowly" => {
                let (piece, rest) = rest.split_once(' ').unwrap();
                for piece in self.octets(rest, place).chunks(piece.parse().unwrap()) {
                    self.client.send(piece).unwrap();
                }
            }
            "half-close" => self.client.finish_sending().unwrap(),
            "expect" => self.expect(rest, true, place),
            "expect-head" => self.expect(rest, false, place),
            "header" => self.header(rest, place),
            "body" => self.body(rest, place),
            "closed" => assert!(
                self.client.is_closed().unwrap_or(true),
                "{place}: still open, or more to read"
            ),
            _ => panic!("{place}: no such verb"),
        }
    }

    fn expect(&mut self, status: &str, has_body: bool, place: &str) {
        let response = self
            .client
            .receive(has_body)
            .unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(response.status.to_string(), status, "{place}: {response:?}");
        if let Some(etag) = response.header("etag") {
            self.etag = etag.to_owned();
        }
        if let Some(last_modified) = response.header("last-modified") {
            self.last_modified = last_modified.to_owned();
        }
        self.last = Some(response);
    }

    fn header(&self, rest: &str, place: &str) {
        let response = self.last.as_ref().unwrap();
        let mut words = rest.splitn(3, ' ');
        let name = words.next().unwrap();
        let value = response.header(name);
        match (words.next(), words.next()) {
            (Some("absent"), None) => assert_eq!(value, None, "{place}"),
            (Some("=="), Some(expected)) => {
                let expected = String::from_utf8(self.octets(expected, place)).unwrap();
                assert_eq!(value, Some(expected.as_str()), "{place}: {response:?}");
            }
            (Some("contains"), Some(part)) => assert!(
                value.is_some_and(|value| value.contains(part)),
                "{place}: {value:?}"
            ),
            _ => panic!("{place}: no such test"),
        }
    }

    fn body(&self, expected: &str, place: &str) {
        let body = &self.last.as_ref().unwrap().body;
        if expected == "empty" {
            assert!(body.is_empty(), "{place}: {body:?}");
        } else if let Some(text) = expected
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
        {
            assert!(
                String::from_utf8_lossy(body).contains(text),
                "{place}: {}",
                String::from_utf8_lossy(body)
            );
        } else {
            let seen = match Reply::check(body, &self.fixture.authority) {
                Reply::Error(ErrorStatus::MalformedRequest) => "malformed",
                Reply::Error(ErrorStatus::Unauthorized) => "unauthorized",
                Reply::Error(other) => panic!("{place}: {other:?}"),
                signed => match signed.single().status {
                    CertStatus::Good => "good",
                    CertStatus::Revoked(_) => "revoked",
                    CertStatus::Unknown => "unknown",
                },
            };
            assert_eq!(seen, expected, "{place}");
        }
    }

    fn octets(&self, text: &str, place: &str) -> Vec<u8> {
        let mut octets = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&octet, after)) = rest.split_first() {
            rest = after;
            match octet {
                b'\\' => match after {
                    [b'r', after @ ..] => (octets.push(b'\r'), rest = after).1,
                    [b'n', after @ ..] => (octets.push(b'\n'), rest = after).1,
                    [b't', after @ ..] => (octets.push(b'\t'), rest = after).1,
                    [b'x', high, low, after @ ..] => {
                        let digits = [*high, *low];
                        octets.push(
                            u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap(),
                        );
                        rest = after;
                    }
                    _ => panic!("{place}: no such escape"),
                },
                b'{' => {
                    let end = after.iter().position(|&octet| octet == b'}').unwrap();
                    octets.extend(self.named(std::str::from_utf8(&after[..end]).unwrap(), place));
                    rest = &after[end + 1..];
                }
                _ => octets.push(octet),
            }
        }
        octets
    }

    fn named(&self, name: &str, place: &str) -> Vec<u8> {
        let good = || self.fixture.request(GOOD, &[]);
        match name {
            "der" => good(),
            "length" => good().len().to_string().into_bytes(),
            "path" => base64_path(&good()).into_bytes(),
            "base64" => base64_path(&good()).as_bytes()[1..].to_vec(),
            "escaped" => percent_encoded(&base64_path(&good())).into_bytes(),
            "revoked-path" => base64_path(&self.fixture.request(REVOKED, &[])).into_bytes(),
            "nonce-path" => base64_path(&self.fixture.request(GOOD, &[7; 16])).into_bytes(),
            "chunked" => {
                let mut octets = Vec::new();
                for chunk in good().chunks(25) {
                    octets.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
                    octets.extend(chunk);
                    octets.extend(b"\r\n");
                }
                octets.extend(b"0\r\n\r\n");
                octets
            }
            "etag" => self.etag.clone().into_bytes(),
            "last-modified" => self.last_modified.clone().into_bytes(),
            _ => match name.split_once('*') {
                Some((text, count)) => self.octets(text, place).repeat(count.parse().unwrap()),
                None => panic!("{place}: no such name"),
            },
        }
    }
}
