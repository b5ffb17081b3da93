//! Walks `vectors/`: every file decodes, or is refused, as its header says, and another implementation agrees unless
//! `differences.toml` tells why not.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ocspry_wire::der::{oid, read::whole, tag};
use ocspry_wire::ocsp::{
    CertId, CertStatus, CrlReason, OcspRequest, OcspResponse, ResponderId, ResponseStatus,
};
use ocspry_wire::ocsp::{ErrorStatus, RevokedInfo};
use ocspry_wire::x509::{
    Certificate, CertificateList, CrlError, IssuingDistributionPoint, SerialNumber, display_name,
};
use ocspry_wire::{DerError, Time};
use proptest::prelude::*;
use proptest::sample::Index;

#[test]
fn every_vector_is_read_as_its_header_says() {
    let known_rules = conformance_rules();
    let mut failures = Vec::new();
    for vector in vectors() {
        let (verdict, facts) = decode(&vector);
        if verdict != vector.header["expect"] {
            failures.push(format!(
                "{}: expected {}, got {verdict}",
                vector.name, vector.header["expect"]
            ));
        }
        for (name, expected) in &vector.header {
            match name.as_str() {
                "object" | "expect" | "checked-with" => {}
                "why" => assert!(!expected.is_empty(), "{}: why is empty", vector.name),
                "rules" => {
                    for rule in expected.split(' ') {
                        assert!(
                            known_rules.contains(&format!("| {rule} |")),
                            "{}: no rule {rule}",
                            vector.name
                        );
                    }
                }
                _ => match facts.get(name.as_str()) {
                    Some(found) if found == expected => {}
                    found => failures.push(format!(
                        "{}: {name} is {found:?}, expected {expected}",
                        vector.name
                    )),
                },
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_kind_of_object_has_its_vectors() {
    let mut counts = BTreeMap::new();
    for vector in vectors() {
        *counts
            .entry((vector.header["object"].clone(), vector.is_accepted()))
            .or_insert(0) += 1;
    }
    for (object, accepted_min, refused_min) in [
        ("request", 30, 30),
        ("crl", 25, 15),
        ("certificate", 4, 3),
        ("response", 10, 10),
    ] {
        assert!(
            counts[&(object.to_owned(), true)] >= accepted_min,
            "{object}: {counts:?}"
        );
        assert!(
            counts[&(object.to_owned(), false)] >= refused_min,
            "{object}: {counts:?}"
        );
    }
}

#[test]
fn openssl_agrees_or_the_difference_is_listed() {
    let mut listed = differences();
    for vector in vectors() {
        let theirs = match vector.header["checked-with"].as_str() {
            "openssl 3.0 accepts" => true,
            "openssl 3.0 refuses" => false,
            other => panic!("{}: checked-with: {other}", vector.name),
        };
        let difference = listed.remove(&vector.name);
        if theirs == vector.is_accepted() {
            assert_eq!(difference, None, "{}: no difference any more", vector.name);
        } else {
            let word = if theirs { "accepts" } else { "refuses" };
            assert_eq!(
                difference.as_deref(),
                Some(word),
                "{}: openssl {word} it; list why",
                vector.name
            );
        }
    }
    assert!(
        listed.is_empty(),
        "differences without a vector: {listed:?}"
    );
}

#[test]
fn openssl_still_reads_the_vectors_as_their_headers_say() {
    let openssl = std::env::var("OCSPRY_TEST_OPENSSL").unwrap_or_else(|_| "openssl".to_owned());
    let version = match Command::new(&openssl).arg("version").output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).into_owned(),
        Err(error) => {
            assert!(
                std::env::var_os("CI").is_none(),
                "install the package `openssl`: {error}"
            );
            eprintln!("skipped: install the package `openssl` ({error})");
            return;
        }
    };
    if !version.starts_with("OpenSSL 3.0.") {
        assert!(
            std::env::var_os("CI").is_none(),
            "the headers speak of openssl 3.0, this is {version}"
        );
        eprintln!("skipped: the headers speak of openssl 3.0, this is {version}");
        return;
    }
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("vectors-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("vector.der");
    for vector in vectors() {
        fs::write(&path, &vector.der).unwrap();
        let arguments: &[&str] = match vector.header["object"].as_str() {
            "request" => &["ocsp", "-req_text", "-reqin"],
            "response" => &["ocsp", "-noverify", "-resp_text", "-respin"],
            "crl" => &["crl", "-inform", "DER", "-noout", "-text", "-in"],
            "certificate" => &["x509", "-inform", "DER", "-noout", "-text", "-in"],
            other => panic!("{}: object: {other}", vector.name),
        };
        let output = Command::new(&openssl)
            .args(arguments)
            .arg(&path)
            .output()
            .unwrap();
        // An error response that was understood is reported as an error.
        let accepts = output.status.success()
            || String::from_utf8_lossy(&output.stdout).contains("Responder Error");
        let word = if accepts {
            "openssl 3.0 accepts"
        } else {
            "openssl 3.0 refuses"
        };
        assert_eq!(vector.header["checked-with"], word, "{}", vector.name);
    }
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn every_truncation_of_a_vector_is_refused() {
    for vector in vectors().into_iter().filter(Vector::is_accepted) {
        for length in 0..vector.der.len() {
            let cut = Vector {
                der: vector.der[..length].to_vec(),
                ..vector.clone()
            };
            assert_ne!(
                decode(&cut).0,
                "accepted",
                "{} cut to {length} octets",
                vector.name
            );
        }
    }
}

#[test]
fn a_cert_id_is_an_exact_slice_of_the_request() {
    for vector in vectors() {
        let Ok(request) = OcspRequest::from_der(&vector.der) else {
            continue;
        };
        let input = vector.der.as_ptr_range();
        let mut count = 0;
        for single in request.single_requests() {
            let slice = single.cert_id.der.as_ptr_range();
            assert!(
                input.start <= slice.start && slice.end <= input.end,
                "{}",
                vector.name
            );
            assert_eq!(
                CertId::from_der(single.cert_id.der),
                Ok(single.cert_id),
                "{}",
                vector.name
            );
            count += 1;
        }
        assert_eq!(count, request.single_request_count, "{}", vector.name);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_vectors_are_read_or_refused_and_never_panic(
        which in any::<Index>(),
        changes in proptest::collection::vec((any::<Index>(), any::<u8>()), 1..6),
        cut in any::<Index>(),
        inserted in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut vector = which.get(vectors_once()).clone();
        if !vector.der.is_empty() {
            let length = vector.der.len();
            for (index, octet) in changes {
                vector.der[index.index(length)] = octet;
            }
            let at = cut.index(length);
            vector.der.splice(at..at, inserted);
        }
        let _ = decode(&vector);
    }

    #[test]
    fn any_octets_are_read_or_refused_and_never_panic(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        for object in ["request", "response", "crl", "certificate"] {
            let header = BTreeMap::from([("object".to_owned(), object.to_owned())]);
            let _ = decode(&Vector { name: String::new(), header, der: octets.clone() });
        }
    }
}

/// One file.
#[derive(Clone)]
struct Vector {
    /// Path below `vectors/`, without the ending.
    name: String,
    header: BTreeMap<String, String>,
    der: Vec<u8>,
}

impl Vector {
    fn is_accepted(&self) -> bool {
        self.header["expect"] == "accepted"
    }
}

/// The verdict, in the word the header uses, and the facts that a header may name.
fn decode(vector: &Vector) -> (&'static str, BTreeMap<&'static str, String>) {
    match vector.header["object"].as_str() {
        "request" => match OcspRequest::from_der(&vector.der) {
            Ok(request) => ("accepted", request_facts(&request)),
            Err(_) => ("malformedRequest", BTreeMap::new()),
        },
        "response" => match OcspResponse::from_der(&vector.der) {
            Ok(response) => ("accepted", response_facts(&response)),
            Err(_) => ("refused", BTreeMap::new()),
        },
        "certificate" => match Certificate::from_der(&vector.der) {
            Ok(certificate) => ("accepted", certificate_facts(&certificate)),
            Err(_) => ("refused", BTreeMap::new()),
        },
        "crl" => match crl_facts(&vector.der) {
            Ok(facts) => ("accepted", facts),
            Err(error) => (crl_error_word(error), BTreeMap::new()),
        },
        other => panic!("{}: object: {other}", vector.name),
    }
}

fn request_facts(request: &OcspRequest<'_>) -> BTreeMap<&'static str, String> {
    let first = request.first.cert_id;
    BTreeMap::from([
        ("single-requests", request.single_request_count.to_string()),
        (
            "hash",
            first
                .hash_algorithm
                .map_or("none", |hash| hash.name())
                .to_owned(),
        ),
        ("serial", first.serial_number.to_string()),
        (
            "nonce",
            hex_or_none(request.nonce.map(|nonce| nonce.octets())),
        ),
        ("preferred", preferred(request)),
    ])
}

/// The names of the algorithms that a client prefers, best first.
fn preferred(request: &OcspRequest<'_>) -> String {
    let Some(list) = &request.preferred_signature_algorithms else {
        return "none".to_owned();
    };
    let names: Vec<&str> = list
        .iter()
        .map(|entry| {
            entry
                .signature_algorithm
                .map_or("unknown", |algorithm| algorithm.name())
        })
        .collect();
    names.join(" ")
}

fn response_facts(response: &OcspResponse<'_>) -> BTreeMap<&'static str, String> {
    let status = match response.status {
        ResponseStatus::Successful => "successful",
        ResponseStatus::Error(ErrorStatus::MalformedRequest) => "malformedRequest",
        ResponseStatus::Error(ErrorStatus::InternalError) => "internalError",
        ResponseStatus::Error(ErrorStatus::TryLater) => "tryLater",
        ResponseStatus::Error(ErrorStatus::SigRequired) => "sigRequired",
        ResponseStatus::Error(ErrorStatus::Unauthorized) => "unauthorized",
    };
    let mut facts = BTreeMap::from([("status", status.to_owned())]);
    if let Some(basic) = &response.basic {
        let first = &basic.responses[0];
        facts.extend([
            ("single-responses", basic.responses.len().to_string()),
            (
                "certificate",
                match first.cert_status {
                    CertStatus::Good => "good".to_owned(),
                    CertStatus::Unknown => "unknown".to_owned(),
                    CertStatus::Revoked(info) => format!("revoked {}", revoked_words(&info)),
                },
            ),
            ("next-update", time_or_none(first.next_update)),
            ("nonce", hex_or_none(basic.nonce)),
            ("certificates", basic.certificates.len().to_string()),
            (
                "responder",
                match basic.responder_id {
                    ResponderId::ByName(_) => "byName".to_owned(),
                    ResponderId::ByKeyHash(_) => "byKey".to_owned(),
                },
            ),
        ]);
        for certificate in &basic.certificates {
            let _ = Certificate::from_der(certificate);
        }
    }
    facts
}

fn certificate_facts(certificate: &Certificate<'_>) -> BTreeMap<&'static str, String> {
    let key_usage = certificate.key_usage.map(|usage| {
        let bits = [
            (usage.digital_signature, "digitalSignature"),
            (usage.key_cert_sign, "keyCertSign"),
            (usage.crl_sign, "cRLSign"),
        ];
        bits.into_iter()
            .filter_map(|(set, name)| set.then_some(name))
            .collect::<Vec<_>>()
            .join(" ")
    });
    let purposes = certificate.ext_key_usage.map(|_| {
        if certificate.has_ext_key_usage(oid::KP_OCSP_SIGNING) {
            "OCSPSigning"
        } else {
            "other"
        }
        .to_owned()
    });
    BTreeMap::from([
        ("serial", certificate.serial_number.to_string()),
        ("subject", display_name(certificate.subject)),
        ("issuer", display_name(certificate.issuer)),
        ("is-ca", certificate.is_ca.to_string()),
        ("key-usage", key_usage.unwrap_or("none".to_owned())),
        ("purposes", purposes.unwrap_or("none".to_owned())),
        ("ocsp-nocheck", certificate.has_ocsp_nocheck.to_string()),
        (
            "signature-algorithm",
            certificate
                .signature_algorithm
                .map_or("none", |known| known.name())
                .to_owned(),
        ),
        ("public-key", hex(certificate.public_key.der)),
    ])
}

fn crl_facts(der: &[u8]) -> Result<BTreeMap<&'static str, String>, CrlError> {
    let mut first = None;
    let mut last_issuer = "none".to_owned();
    let list = CertificateList::from_der(der, |entry| {
        let removed = if entry.remove_from_crl {
            " removeFromCRL"
        } else {
            ""
        };
        let revoked = revoked_words(&entry.revoked);
        let serial = SerialNumber::from_content(entry.serial_content).unwrap();
        first.get_or_insert(format!("{serial} {revoked}{removed}"));
        if let Some(issuer) = entry.certificate_issuer {
            last_issuer = display_name(issuer);
        }
    })?;
    let defects = list.defects;
    let tbs = list.header.tbs.start as usize..list.header.tbs.end as usize;
    let frame = whole(der, tag::SEQUENCE)?;
    assert!(
        frame.value.starts_with(&der[tbs.clone()]) && whole(&der[tbs], tag::SEQUENCE).is_ok(),
        "what is verified is what was signed"
    );
    // The Debug form has the fields' names: they are what the header lists.
    let found: Vec<String> = format!("{defects:?}")
        .trim_start_matches("CrlDefects { ")
        .trim_end_matches(" }")
        .split(", ")
        .filter(|field| !field.ends_with(": 0"))
        .map(|field| field.split(':').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        found.len(),
        defects.found().count(),
        "every defect has a name for logs"
    );
    let extensions = &list.extensions;
    Ok(BTreeMap::from([
        ("entries", list.entry_count.to_string()),
        ("entry", first.unwrap_or("none".to_owned())),
        ("certificate-issuer", last_issuer),
        ("this-update", list.header.this_update.to_string()),
        ("next-update", time_or_none(list.header.next_update)),
        ("crl-number", hex_or_none(extensions.crl_number.as_deref())),
        (
            "base-crl-number",
            hex_or_none(extensions.base_crl_number.as_deref()),
        ),
        (
            "authority-key-id",
            hex_or_none(extensions.authority_key_id.as_deref()),
        ),
        (
            "scope",
            extensions
                .issuing_distribution_point
                .as_ref()
                .map_or("none".to_owned(), scope_words),
        ),
        ("freshest-crl", words_or_none(&extensions.freshest_crl)),
        ("next-publish", time_or_none(extensions.next_publish)),
        (
            "expired-certs-on-crl",
            time_or_none(extensions.expired_certs_on_crl),
        ),
        (
            "defects",
            if found.is_empty() {
                "none".to_owned()
            } else {
                found.join(" ")
            },
        ),
    ]))
}

/// The fields that are there, by the standard's names; the URIs as they stand.
fn scope_words(scope: &IssuingDistributionPoint) -> String {
    let fields = [
        (scope.only_contains_user_certs, "onlyContainsUserCerts"),
        (scope.only_contains_ca_certs, "onlyContainsCACerts"),
        (scope.only_some_reasons.is_some(), "onlySomeReasons"),
        (scope.indirect_crl, "indirectCRL"),
        (
            scope.only_contains_attribute_certs,
            "onlyContainsAttributeCerts",
        ),
    ];
    let mut words = scope.uris.clone();
    let there = fields.into_iter().filter(|(is_there, _)| *is_there);
    words.extend(there.map(|(_, name)| name.to_owned()));
    words.join(" ")
}

fn words_or_none(words: &[String]) -> String {
    if words.is_empty() {
        "none".to_owned()
    } else {
        words.join(" ")
    }
}

fn crl_error_word(error: CrlError) -> &'static str {
    match error {
        CrlError::Der(DerError { .. }) => "notACrl",
        CrlError::AlgorithmMismatch => "algorithmMismatch",
        CrlError::UnknownCriticalExtension { .. } => "unknownCriticalExtension",
        CrlError::UnknownCriticalEntryExtension { .. } => "unknownCriticalEntryExtension",
        CrlError::SerialTooLong { .. } => "serialTooLong",
        CrlError::PieceTooBig { .. } => "pieceTooBig",
        CrlError::UnknownScope { .. } => "unknownScope",
        CrlError::ContradictoryScope { .. } => "contradictoryScope",
        CrlError::CertificateIssuerUnclear { .. } => "certificateIssuerUnclear",
        CrlError::NotIndirect { .. } => "notIndirect",
    }
}

fn revoked_words(info: &RevokedInfo) -> String {
    let mut words = info.revocation_time.to_string();
    if let Some(reason) = info.reason {
        words = format!("{words} {}", CrlReason::name(reason));
    }
    if let Some(date) = info.invalidity_date {
        words = format!("{words} invalid since {date}");
    }
    words
}

fn time_or_none(time: Option<Time>) -> String {
    time.map_or("none".to_owned(), |time| time.to_string())
}

fn hex_or_none(octets: Option<&[u8]>) -> String {
    octets.map_or("none".to_owned(), hex)
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// `vectors/**/*.txt`: header lines, an empty line, hex.
fn vectors() -> Vec<Vector> {
    let root = repository().join("vectors");
    let mut vectors = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "txt") {
                let name = path
                    .strip_prefix(&root)
                    .unwrap()
                    .with_extension("")
                    .to_str()
                    .unwrap()
                    .to_owned();
                vectors.push(parse_vector(name, &fs::read_to_string(&path).unwrap()));
            }
        }
    }
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    vectors
}

fn vectors_once() -> &'static [Vector] {
    static VECTORS: std::sync::OnceLock<Vec<Vector>> = std::sync::OnceLock::new();
    VECTORS.get_or_init(vectors)
}

fn parse_vector(name: String, text: &str) -> Vector {
    let (header, body) = text
        .split_once("\n\n")
        .unwrap_or_else(|| panic!("{name}: no empty line after the header"));
    let header = header.lines().map(|line| {
        let (key, value) = line
            .split_once(':')
            .unwrap_or_else(|| panic!("{name}: {line}"));
        (key.to_owned(), value.trim().to_owned())
    });
    let digits: Vec<u8> = body
        .bytes()
        .filter(|octet| !octet.is_ascii_whitespace())
        .collect();
    let der = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap());
    Vector {
        header: header.collect(),
        der: der.collect(),
        name,
    }
}

/// Vector name and what the other implementation does, from `differences.toml`; each entry must give a reason.
fn differences() -> BTreeMap<String, String> {
    let text = fs::read_to_string(repository().join("vectors/differences.toml")).unwrap();
    let mut differences = BTreeMap::new();
    for table in text.split("[[difference]]").skip(1) {
        let value = |key: &str| {
            let line = table
                .lines()
                .find_map(|line| line.strip_prefix(key)?.trim_start().strip_prefix('='));
            let line = line.unwrap_or_else(|| panic!("differences.toml: no {key} in {table}"));
            line.trim().trim_matches('"').to_owned()
        };
        assert_eq!(value("peer"), "openssl 3.0", "{table}");
        assert!(value("reason").len() > 20, "{table}");
        let former = differences.insert(value("vector"), value("theirs"));
        assert_eq!(former, None, "listed twice: {table}");
    }
    differences
}

fn conformance_rules() -> String {
    fs::read_to_string(repository().join("docs/conformance-rules.md")).unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
