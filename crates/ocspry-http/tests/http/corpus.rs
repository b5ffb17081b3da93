//! The requests of real clients in `vectors/http`: each is sent as it was captured, and once more about a certificate of ours.

use crate::fixture::{Fixture, PATIENT};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ocspry_testkit::{HttpClient, Reply, cert_id};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// A serial number of ours, as long as those in the captured requests.
const SERIAL: [u8; 16] = [0x42; 16];
/// The SHA-1 CertID of a serial number of 16 octets: its octets up to the name hash, and how long it is.
const CERT_ID_HEAD: [u8; 13] = [
    0x30, 0x49, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00,
];
const CERT_ID_LENGTH: usize = 2 + 0x49;

#[test]
fn get_01_get_02_get_03_get_05_get_06_get_14_captured_gets_are_answered_as_they_are_spelt() {
    let fixture = Fixture::start(PATIENT);
    for captured in read_all("get") {
        let prefix = captured.header["prefix"].as_str();
        let target = captured.target();
        let text = target
            .strip_prefix(prefix)
            .unwrap_or_else(|| panic!("{}: no {prefix} in {target}", captured.name));
        let spelling = Spelling::of(text);
        let der = STANDARD.decode(spelling.read(text)).unwrap();
        assert_eq!(spelling.write(&der), text, "{}", captured.name);

        check_unauthorized(&fixture, &captured, &captured.octets(&captured.head, &[]));
        let ours = format!("{prefix}{}", spelling.write(&about_ours(&fixture, &der)));
        let head = captured.head.replace(target, &ours);
        check_expected(&fixture, &captured, &captured.octets(&head, &[]));
    }
}

#[test]
fn htp_01_htp_05_htp_09_captured_posts_are_answered() {
    let fixture = Fixture::start(PATIENT);
    for captured in read_all("post") {
        check_unauthorized(
            &fixture,
            &captured,
            &captured.octets(&captured.head, &captured.body),
        );
        let ours = about_ours(&fixture, &captured.body);
        check_expected(&fixture, &captured, &captured.octets(&captured.head, &ours));
    }
}

/// As it was captured, about a certificate of nobody we know.
fn check_unauthorized(fixture: &Fixture, captured: &Captured, octets: &[u8]) {
    let body = exchange(fixture, captured, octets);
    assert_eq!(body, ErrorStatus::Unauthorized.der(), "{}", captured.name);
}

fn check_expected(fixture: &Fixture, captured: &Captured, octets: &[u8]) {
    let body = exchange(fixture, captured, octets);
    let single = Reply::check(&body, &fixture.authority).single();
    assert_eq!(captured.header["expect"], "good", "{}", captured.name);
    assert_eq!(single.status, CertStatus::Good, "{}", captured.name);
    assert!(single.cert_id.ends_with(&SERIAL), "{}", captured.name);
}

/// Sends it, and sees that the connection goes on or ends as the client wants.
fn exchange(fixture: &Fixture, captured: &Captured, octets: &[u8]) -> Vec<u8> {
    let mut client: HttpClient = fixture.connect();
    client.send(octets).unwrap();
    let response = client.receive(true).unwrap();
    assert_eq!(response.status, 200, "{}", captured.name);
    let content_type = response.header("content-type");
    assert_eq!(
        content_type,
        Some("application/ocsp-response"),
        "{}",
        captured.name
    );
    if captured.head.contains(" HTTP/1.0") || captured.head.contains("\nConnection: close") {
        assert!(client.is_closed().unwrap(), "{}", captured.name);
    } else {
        assert_eq!(client.get("/healthz").unwrap().status, 200);
    }
    response.body
}

/// The same request with a CertID of the fixture's CA.
fn about_ours(fixture: &Fixture, request: &[u8]) -> Vec<u8> {
    let ours = cert_id(HashAlgorithm::Sha1, &fixture.authority, &SERIAL);
    assert_eq!(ours.len(), CERT_ID_LENGTH);
    let start = request
        .windows(CERT_ID_HEAD.len())
        .position(|window| window == CERT_ID_HEAD)
        .expect("a SHA-1 CertID with a serial number of 16 octets");
    let mut request = request.to_vec();
    request[start..start + CERT_ID_LENGTH].copy_from_slice(&ours);
    request
}

/// How a client writes base64 in a path.
struct Spelling {
    /// `+`, `/` and `=`, as it writes them.
    written: [(char, &'static str); 3],
}

impl Spelling {
    fn of(text: &str) -> Spelling {
        let written = [
            ('+', ["%2B", "%2b", "+"]),
            ('/', ["%2F", "%2f", "/"]),
            ('=', ["%3D", "%3d", "="]),
        ]
        .map(|(character, ways)| {
            let used = ways.into_iter().find(|way| text.contains(way));
            // What does not occur is written like the others.
            let like_others = if text.contains('%') { ways[0] } else { ways[2] };
            (character, used.unwrap_or(like_others))
        });
        Spelling { written }
    }

    fn read(&self, text: &str) -> String {
        let replace = |text: String, (character, way): &(char, &str)| {
            text.replace(way, &character.to_string())
        };
        self.written.iter().fold(text.to_owned(), replace)
    }

    fn write(&self, der: &[u8]) -> String {
        let spell = |character: char| {
            let known = self.written.iter().find(|(known, _)| *known == character);
            known.map_or_else(|| character.to_string(), |(_, way)| (*way).to_owned())
        };
        STANDARD.encode(der).chars().map(spell).collect()
    }
}

/// One file of the corpus.
struct Captured {
    name: String,
    header: HashMap<String, String>,
    /// Request line and header lines, with LF between them.
    head: String,
    body: Vec<u8>,
}

impl Captured {
    fn read(path: &Path) -> Captured {
        let text = std::fs::read_to_string(path).unwrap();
        let mut parts = text.trim_end().splitn(3, "\n\n");
        let header = parts.next().unwrap().lines().map(|line| {
            let (name, value) = line.split_once(": ").unwrap();
            (name.to_owned(), value.to_owned())
        });
        let captured = Captured {
            name: path.display().to_string(),
            header: header.collect(),
            head: parts.next().unwrap().to_owned(),
            body: hex(parts.next().unwrap_or_default()),
        };
        for name in ["client", "version", "captured", "rules", "expect"] {
            let value = captured.header.get(name);
            assert!(value.is_some(), "{}: no {name}", captured.name);
        }
        captured
    }

    fn target(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn octets(&self, head: &str, body: &[u8]) -> Vec<u8> {
        let head = head.replace('\n', "\r\n");
        [head.as_bytes(), b"\r\n\r\n", body].concat()
    }
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|character| character.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4) | pair[1])
        .collect()
}

fn read_all(folder: &str) -> Vec<Captured> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../vectors/http")
        .join(folder);
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 5, "{files:?}");
    files.iter().map(|path| Captured::read(path)).collect()
}
