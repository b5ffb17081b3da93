//! What a request may hold beside its CertIDs, and what is made of octets that are none (RFC 6960 §2.3, §4.1).

use crate::encode::{PRIVATE, Parts, algorithm, single};
use crate::fixture::{Fixture, SERIAL_GOOD, SERIAL_REVOKED, answer};
use crate::{ask, ask_octets, ask_one, assert_refused};
use ocspry_core::{Answer, Limit, Refusal};
use ocspry_testkit::{
    Authority, KeyKind, Mutator, Reply, cert_id, element, extension, nonce_extension, sequence,
};
use ocspry_wire::Time;
use ocspry_wire::der::{DerError, DerErrorKind, oid, tag};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm};

fn revoked_cert_id(fixture: &Fixture) -> Vec<u8> {
    cert_id(HashAlgorithm::Sha256, &fixture.ca, SERIAL_REVOKED)
}

fn assert_revoked(fixture: &Fixture, parts: &Parts, what: &str) {
    let status = ask_one(fixture, &parts.der()).status;
    assert!(
        matches!(status, CertStatus::Revoked(_)),
        "{what}: {status:?}"
    );
}

#[test]
fn req_01_a_requestor_name_changes_nothing() {
    let fixture = Fixture::new(KeyKind::P256);
    let names = [
        (
            "rfc822Name",
            element(tag::context_primitive(1), b"a@example.com"),
        ),
        (
            "dNSName",
            element(tag::context_primitive(2), b"a.example.com"),
        ),
        ("directoryName", element(tag::context(4), &fixture.ca.name)),
    ];
    let plain = Parts::one(&revoked_cert_id(&fixture));
    let expected = ask_octets(&fixture, &plain.der());
    for (what, requestor) in names {
        let parts = Parts {
            requestor,
            ..plain.clone()
        };
        assert_eq!(ask_octets(&fixture, &parts.der()), expected, "{what}");
    }
}

#[test]
fn req_02_a_signed_request_is_answered_whatever_its_signature_is_worth() {
    let fixture = Fixture::new(KeyKind::P256);
    let bits = element(tag::BIT_STRING, &[0, 1, 2, 3]);
    let certificates = element(tag::context(0), &sequence(&[&fixture.ca.certificate]));
    let algorithm = algorithm(oid::SHA256_WITH_RSA, true);
    for (what, signature) in [
        ("without certificates", sequence(&[&algorithm, &bits])),
        ("with one", sequence(&[&algorithm, &bits, &certificates])),
    ] {
        let parts = Parts {
            signature,
            ..Parts::one(&revoked_cert_id(&fixture))
        };
        assert_revoked(&fixture, &parts, what);
    }
    // A Signature that is none is no request.
    let parts = Parts {
        signature: sequence(&[&bits]),
        ..Parts::one(&revoked_cert_id(&fixture))
    };
    let malformed = ErrorStatus::MalformedRequest;
    assert_refused(&fixture, &parts.der(), malformed, "no algorithm");
}

#[test]
fn req_03_err_05_a_version_that_is_written_out_is_malformed() {
    let fixture = Fixture::new(KeyKind::P256);
    for version in [0, 1, 2, 127] {
        let parts = Parts {
            version: element(tag::context(0), &[tag::INTEGER, 1, version]),
            ..Parts::one(&revoked_cert_id(&fixture))
        };
        let what = format!("version {version}");
        assert_refused(&fixture, &parts.der(), ErrorStatus::MalformedRequest, &what);
    }
}

#[test]
fn req_08_ext_01_ext_02_ext_05_extensions_of_one_certificate_are_read() {
    let fixture = Fixture::new(KeyKind::P256);
    let asked = revoked_cert_id(&fixture);
    let locator = sequence(&[&fixture.ca.name, &sequence(&[])]);
    let with = |extension: Vec<u8>| Parts {
        singles: vec![single(&asked, &[&extension])],
        ..Parts::default()
    };
    let locator = with(extension(oid::OCSP_SERVICE_LOCATOR, false, &locator));
    assert_revoked(&fixture, &locator, "a service locator");
    let private = with(extension(PRIVATE, false, &[tag::NULL, 0]));
    assert_revoked(&fixture, &private, "a private extension");
    let malformed = ErrorStatus::MalformedRequest;
    let critical = with(extension(PRIVATE, true, &[tag::NULL, 0]));
    assert_refused(&fixture, &critical.der(), malformed, "a critical one");
    let no_locator = with(extension(oid::OCSP_SERVICE_LOCATOR, false, &[tag::NULL, 0]));
    assert_refused(
        &fixture,
        &no_locator.der(),
        malformed,
        "a locator that is none",
    );
}

#[test]
fn ext_03_ext_04_acceptable_responses_get_basic_whatever_they_list() {
    let fixture = Fixture::new(KeyKind::P256);
    let basic = element(tag::OID, oid::OCSP_BASIC);
    let private = element(tag::OID, PRIVATE);
    for (what, list) in [
        ("basic", sequence(&[&basic])),
        ("basic second", sequence(&[&private, &basic])),
        // There is no other kind to answer with; the client may throw it away.
        ("a private kind only", sequence(&[&private])),
    ] {
        let parts = Parts {
            extensions: vec![extension(oid::OCSP_RESPONSE, false, &list)],
            ..Parts::one(&revoked_cert_id(&fixture))
        };
        assert_revoked(&fixture, &parts, what);
    }
}

#[test]
fn req_07_req_09_what_is_too_much_is_refused_whole() {
    let fixture = Fixture::new(KeyKind::P256);
    for (count, is_answered) in [(16_u8, true), (17, false), (20, false), (100, false)] {
        let singles = (0..count)
            .map(|index| {
                single(
                    &cert_id(HashAlgorithm::Sha1, &fixture.ca, &[0x50, index]),
                    &[],
                )
            })
            .collect();
        let parts = Parts {
            singles,
            ..Parts::default()
        };
        match ask(&fixture, &parts.der()) {
            Reply::Signed(signed) => assert_eq!(signed.singles.len(), usize::from(count)),
            Reply::Error(status) => {
                assert_eq!(status, ErrorStatus::Unauthorized);
                assert!(!is_answered, "{count}");
            }
        }
    }
    let malformed = ErrorStatus::MalformedRequest;
    let long = Parts::one(&cert_id(HashAlgorithm::Sha1, &fixture.ca, &[0x41; 65]));
    assert_refused(&fixture, &long.der(), malformed, "a serial of 65 octets");
    let many = Parts {
        extensions: (0..33)
            .map(|last| extension(&[0x2a, last], false, &[5, 0]))
            .collect(),
        ..Parts::one(&revoked_cert_id(&fixture))
    };
    assert_refused(&fixture, &many.der(), malformed, "33 extensions");
}

#[test]
fn err_01_err_03_err_06_err_08_req_04_req_05_what_is_no_request_gets_five_octets() {
    let fixture = Fixture::new(KeyKind::P256);
    let request = Parts::one(&revoked_cert_id(&fixture)).der();
    let response = ask_octets(&fixture, &request);
    let nested = (0..3000).fold(Vec::new(), |inner, _| element(tag::SEQUENCE, &inner));
    let nested_parameters = (0..3000).fold(vec![tag::NULL, 0], |inner, _| sequence(&[&inner]));
    let in_hash_algorithm = sequence(&[&element(tag::OID, PRIVATE), &nested_parameters]);
    let deep = crate::encode::cert_id(&in_hash_algorithm, &[1; 20], &[2; 20], &[1]);
    let indefinite = [&[0x30, 0x80], &request[2..], &[0, 0]].concat();
    let cases = [
        ("nothing", Vec::new()),
        ("text", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a response", response),
        ("a certificate", fixture.ca.certificate.clone()),
        ("an indefinite length and no more", vec![0x30, 0x80]),
        ("an absurd length", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("an empty list", Parts::default().der()),
        ("3000 SEQUENCEs", nested),
        (
            "3000 in the middle of a request",
            [&deep[..], b"x"].concat(),
        ),
        ("a trailing CRLF", [&request[..], b"\r\n"].concat()),
        ("a trailing NUL", [&request[..], &[0]].concat()),
        ("an indefinite length", indefinite),
    ];
    for (what, octets) in cases {
        assert_eq!(
            ask_octets(&fixture, &octets),
            [0x30, 0x03, 0x0a, 0x01, 0x01],
            "{what}"
        );
    }
    // Parameters of any depth are no recursion: nobody knows this algorithm.
    assert_eq!(
        ask_octets(&fixture, &Parts::one(&deep).der()),
        [0x30, 0x03, 0x0a, 0x01, 0x06]
    );
}

#[test]
fn err_02_a_request_cut_anywhere_is_malformed() {
    let fixture = Fixture::new(KeyKind::P256);
    let request = Parts {
        requestor: element(tag::context(4), &fixture.ca.name),
        extensions: vec![nonce_extension(&[7; 32])],
        signature: sequence(&[
            &algorithm(oid::ECDSA_WITH_SHA256, false),
            &element(tag::BIT_STRING, &[0, 9, 9]),
        ]),
        ..Parts::one(&revoked_cert_id(&fixture))
    }
    .der();
    assert!(matches!(answer(&fixture, &request).0, Answer::Signed(_)));
    for length in 0..request.len() {
        let what = format!("{length} octets of {}", request.len());
        assert_refused(
            &fixture,
            &request[..length],
            ErrorStatus::MalformedRequest,
            &what,
        );
    }
}

#[test]
fn err_07_no_mutation_of_a_request_gets_anything_but_an_answer_or_an_error() {
    let fixture = Fixture::new(KeyKind::P256);
    let asked = cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD);
    let request = Parts {
        extensions: vec![nonce_extension(&[7; 32])],
        ..Parts::one(&asked)
    }
    .der();
    let mut mutator = Mutator::seeded(0x0c59);
    for round in 0..250 {
        let mutated = mutator.mutate(&request);
        // Checked as a client would: structure, signer, signature.
        let reply = ask(&fixture, &mutated);
        if let Reply::Signed(signed) = reply {
            for single in signed.singles {
                let is_echoed = mutated
                    .windows(single.cert_id.len())
                    .any(|window| window == single.cert_id);
                assert!(is_echoed, "seed 0x0c59, round {round}: {mutated:02x?}");
            }
        }
    }
    assert_eq!(ask_one(&fixture, &request).status, CertStatus::Good);
}

/// One of each.
fn refusals() -> Vec<(Refusal, ErrorStatus)> {
    let at = Time::from_unix(0);
    let malformed = DerError {
        offset: 0,
        kind: DerErrorKind::Value,
    };
    let limit = Limit::Source;
    vec![
        (Refusal::Malformed(malformed), ErrorStatus::MalformedRequest),
        (Refusal::UnknownIssuer, ErrorStatus::Unauthorized),
        (
            Refusal::TooManyCertIds { count: 17 },
            ErrorStatus::Unauthorized,
        ),
        (Refusal::SeveralIssuers, ErrorStatus::Unauthorized),
        (Refusal::NeverIssued, ErrorStatus::Unauthorized),
        (Refusal::NonceMissing, ErrorStatus::Unauthorized),
        (
            Refusal::IssuerExpired { not_after: at },
            ErrorStatus::Unauthorized,
        ),
        (Refusal::SourceMissing, ErrorStatus::TryLater),
        (Refusal::AbsenceUnproven, ErrorStatus::TryLater),
        (Refusal::SignerMissing, ErrorStatus::TryLater),
        (Refusal::WindowNotBegun { limit, at }, ErrorStatus::TryLater),
        (Refusal::ProducedLater { at }, ErrorStatus::TryLater),
        (Refusal::WindowOver { limit, at }, ErrorStatus::TryLater),
        (Refusal::SigningQueueFull, ErrorStatus::TryLater),
        (Refusal::Overtaken, ErrorStatus::TryLater),
        (
            Refusal::SigningFailed {
                reason: "token gone".to_owned(),
            },
            ErrorStatus::TryLater,
        ),
    ]
}

#[test]
fn err_09_err_10_err_11_err_12_each_refusal_has_its_status_and_none_is_sig_required() {
    for (refusal, expected) in refusals() {
        let status = refusal.error_status();
        assert_eq!(status, expected, "{refusal:?}");
        // Nothing here is inconsistent, nobody is asked to sign, and 4 is not used.
        assert!(matches!(status.der()[4], 1 | 3 | 6), "{refusal:?}");
    }
}

#[test]
fn err_11_sta_08_nobody_elses_certificate_gets_a_verdict() {
    let fixture = Fixture::new(KeyKind::P256);
    let stranger = Authority::root("Somebody else", KeyKind::P256);
    for serial in [SERIAL_GOOD, SERIAL_REVOKED] {
        for hash in HashAlgorithm::ALL {
            let request = Parts::one(&cert_id(hash, &stranger, serial)).der();
            assert_refused(&fixture, &request, ErrorStatus::Unauthorized, "a stranger");
        }
    }
}

#[test]
fn req_06_each_issuer_is_found_by_its_cert_id_alone() {
    let fixture = Fixture::two_issuers();
    let other = fixture.other.as_ref().expect("made with two");
    assert_revoked(
        &fixture,
        &Parts::one(&revoked_cert_id(&fixture)),
        "the first",
    );
    // The second has no signer here: it is known, and temporarily unable.
    let request = Parts::one(&cert_id(HashAlgorithm::Sha256, other, SERIAL_REVOKED)).der();
    assert_refused(&fixture, &request, ErrorStatus::TryLater, "the second");
}
