//! OCSP requests that others made (pyca's vectors): each gets a deliberate answer.
//!
//! They ask about CAs that are none of ours, so that a request that is right gets `unauthorized` (RFC 9919 §3.2.3).

mod fixture;

use fixture::{Fixture, answer};
use ocspry_core::Answer;
use ocspry_testkit::{KeyKind, cryptography_vectors};
use ocspry_wire::ocsp::ErrorStatus;

/// The request, and what it gets.
const ANSWERS: &[(&str, ErrorStatus)] = &[
    ("ocsp-army.inapplicable-req.der", ErrorStatus::Unauthorized),
    ("ocsp-army.revoked-req.der", ErrorStatus::Unauthorized),
    ("ocsp-army.valid-req.der", ErrorStatus::Unauthorized),
    ("req-acceptable-responses.der", ErrorStatus::Unauthorized),
    ("req-duplicate-ext.der", ErrorStatus::MalformedRequest),
    ("req-ext-nonce.der", ErrorStatus::Unauthorized),
    ("req-ext-unknown-oid.der", ErrorStatus::Unauthorized),
    ("req-invalid-hash-alg.der", ErrorStatus::Unauthorized),
    ("req-invalid-version.der", ErrorStatus::MalformedRequest),
    ("req-multi-sha1.der", ErrorStatus::Unauthorized),
    ("req-sha1.der", ErrorStatus::Unauthorized),
];

#[test]
fn vec_05_every_request_of_pyca_gets_the_answer_that_is_meant_for_it() {
    let Some(folder) = cryptography_vectors() else {
        return;
    };
    let folder = folder.join("x509/ocsp");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".der") && name.contains("req"))
        .collect();
    names.sort_unstable();
    let known: Vec<&str> = ANSWERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, known);
    let fixture = Fixture::new(KeyKind::P256);
    for (name, expected) in ANSWERS {
        let request = std::fs::read(folder.join(name)).unwrap();
        let (answer, outcome) = answer(&fixture, &request);
        assert!(
            matches!(answer, Answer::Error(status) if status == *expected),
            "{name}: {answer:?} {outcome:?}"
        );
    }
}
