//! The story of one request, told by its answers: every status, every refusal, every limit.

mod fixture;

use fixture::{Fixture, SERIAL_GOOD, SERIAL_ON_HOLD, SERIAL_REVOKED, answer, answer_at, noon};
use ocspry_core::{Answer, Limit, NoncePolicy, Outcome, Policy, Refusal, SignedStatus};
use ocspry_testkit::{
    Authority, KeyKind, Reply, RequestSpec, cert_id, extension, nonce_extension, sequence,
};
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus, HashAlgorithm, RevokedInfo};
use std::time::Duration;

#[test]
fn sta_01_cid_01_cid_02_cid_12_a_serial_that_is_not_on_the_list_is_good_under_every_hash_algorithm()
{
    let fixture = Fixture::new(KeyKind::P256);
    for hash in HashAlgorithm::ALL {
        let asked = cert_id(hash, &fixture.ca, SERIAL_GOOD);
        let (answer, outcome) = answer(&fixture, &RequestSpec::one(asked.clone()).der());
        let single = fixture.check(&answer).single();
        assert_eq!(single.status, CertStatus::Good);
        assert_eq!(
            single.cert_id, asked,
            "{hash:?}: the CertID must come back octet for octet"
        );
        assert_eq!(outcome, Outcome::Signed(SignedStatus::Good));
    }
}

#[test]
fn sta_02_sta_07_a_revoked_serial_keeps_its_time_its_reason_and_its_invalidity_date() {
    let fixture = Fixture::new(KeyKind::P256);
    let asked = cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_REVOKED);
    let (answer, outcome) = answer(&fixture, &RequestSpec::one(asked).der());
    let expected = RevokedInfo {
        revocation_time: noon().plus_seconds(-5_000),
        reason: Some(CrlReason::KeyCompromise),
        invalidity_date: Some(noon().plus_seconds(-90_000)),
    };
    assert_eq!(
        fixture.check(&answer).single().status,
        CertStatus::Revoked(expected)
    );
    assert_eq!(outcome, Outcome::Signed(SignedStatus::Revoked));
}

#[test]
fn sig_01_sig_02_sig_03_rsp_10_rsp_14_every_kind_of_key_signs_an_answer_that_verifies_delegated_and_as_the_issuer()
 {
    for kind in KeyKind::ALL {
        let fixture = Fixture::new(kind);
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
        let delegated = fixture.check(&answer(&fixture, &request.der()).0).signed();
        assert_eq!(
            delegated.certificates.len(),
            1,
            "{kind:?}: the delegate's certificate is enclosed"
        );

        let fixture = Fixture::issuer_signed(kind);
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
        let own = fixture.check(&answer(&fixture, &request.der()).0).signed();
        assert_eq!(
            own.certificates.len(),
            0,
            "{kind:?}: nothing is enclosed when the issuer signs"
        );
        assert_eq!(own.signature_algorithm, kind.signature_algorithm());
    }
}

#[test]
fn non_01_non_02_non_04_non_05_a_nonce_comes_back_as_it_was_and_none_is_added() {
    let fixture = Fixture::new(KeyKind::Ed25519);
    let plain = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
    assert_eq!(
        fixture
            .check(&answer(&fixture, &plain.der()).0)
            .signed()
            .nonce,
        None
    );
    for length in [1, 16, 23, 32, 33, 128] {
        let nonce: Vec<u8> = (0..length).map(|octet| octet as u8 | 0x80).collect();
        let request = plain.clone().with_extension(nonce_extension(&nonce));
        let (answer, _) = answer(&fixture, &request.der());
        assert!(matches!(&answer, Answer::Signed(response) if response.digest.is_none()));
        assert_eq!(fixture.check(&answer).signed().nonce, Some(nonce));
    }
}

#[test]
fn non_11_the_nonce_policy_is_obeyed() {
    let nonce = nonce_extension(&[7; 16]);
    let ignoring = Fixture::with_policy(Policy {
        validity: None,
        nonce: NoncePolicy::Ignore,
        ..Policy::DEFAULT
    });
    let plain = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &ignoring.ca, SERIAL_GOOD));
    let (reply, _) = answer(&ignoring, &plain.with_extension(nonce).der());
    assert_eq!(ignoring.check(&reply).signed().nonce, None);

    let requiring = Fixture::with_policy(Policy {
        validity: None,
        nonce: NoncePolicy::Required,
        ..Policy::DEFAULT
    });
    let plain = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &requiring.ca, SERIAL_GOOD));
    let (_, outcome) = answer(&requiring, &plain.der());
    assert_eq!(outcome, Outcome::Refused(Refusal::NonceMissing));
}

#[test]
fn rsp_06_the_largest_answer_has_right_lengths_everywhere() {
    let fixture = Fixture::new(KeyKind::Rsa2048);
    let cert_ids: Vec<Vec<u8>> = (0..16u8)
        .map(|index| {
            let serial = if index % 2 == 0 {
                SERIAL_REVOKED.to_vec()
            } else {
                vec![0x50 + index; 20]
            };
            cert_id(
                HashAlgorithm::ALL[usize::from(index) % 4],
                &fixture.ca,
                &serial,
            )
        })
        .collect();
    let request = RequestSpec {
        cert_ids: cert_ids.clone(),
        extensions: vec![nonce_extension(&[9; 128])],
    };
    let (answer, outcome) = answer(&fixture, &request.der());
    let reply = fixture.check(&answer).signed();
    let answered: Vec<Vec<u8>> = reply
        .singles
        .iter()
        .map(|single| single.cert_id.clone())
        .collect();
    assert_eq!(
        answered, cert_ids,
        "one SingleResponse for each CertID, in order"
    );
    for (index, single) in reply.singles.iter().enumerate() {
        assert_eq!(
            matches!(single.status, CertStatus::Revoked(_)),
            index % 2 == 0
        );
    }
    assert_eq!(outcome, Outcome::Signed(SignedStatus::Several));
}

#[test]
fn req_09_more_than_sixteen_cert_ids_are_unauthorized() {
    let fixture = Fixture::new(KeyKind::P256);
    let asked = cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD);
    let request = RequestSpec {
        cert_ids: vec![asked; 17],
        extensions: Vec::new(),
    };
    let (reply, outcome) = answer(&fixture, &request.der());
    assert!(matches!(reply, Answer::Error(ErrorStatus::Unauthorized)));
    assert_eq!(
        outcome,
        Outcome::Refused(Refusal::TooManyCertIds { count: 17 })
    );
}

#[test]
fn cid_11_cid_16_cid_17_err_11_sta_08_an_issuer_is_matched_by_name_and_key_under_the_named_hash_only()
 {
    let fixture = Fixture::new(KeyKind::P256);
    let same_name = Authority::root("Core Test CA", KeyKind::P256);
    let same_key_other_name = {
        let mut wrong = cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD);
        // The name hash begins behind SEQUENCE, AlgorithmIdentifier (11 octets) and its own header.
        wrong[2 + 11 + 2] ^= 1;
        wrong
    };
    let (sha1, sha256) = (HashAlgorithm::Sha1, HashAlgorithm::Sha256);
    for asked in [
        cert_id(HashAlgorithm::Sha1, &same_name, SERIAL_GOOD),
        same_key_other_name,
        misnamed(&fixture, sha1, sha256),
        misnamed(&fixture, sha256, sha1),
    ] {
        let (reply, outcome) = answer(&fixture, &RequestSpec::one(asked).der());
        assert!(matches!(reply, Answer::Error(ErrorStatus::Unauthorized)));
        assert_eq!(outcome, Outcome::Refused(Refusal::UnknownIssuer));
    }
}

/// A CertID with the values of one hash algorithm and the name of another.
fn misnamed(fixture: &Fixture, values: HashAlgorithm, name: HashAlgorithm) -> Vec<u8> {
    let values = cert_id(values, &fixture.ca, SERIAL_GOOD);
    let name = cert_id(name, &fixture.ca, SERIAL_GOOD);
    // Behind the header of the CertID: the AlgorithmIdentifier, its own header in front.
    let end = |cert_id: &[u8]| 4 + usize::from(cert_id[3]);
    sequence(&[&name[2..end(&name)], &values[end(&values)..]])
}

#[test]
fn sta_09_a_foreign_cert_id_beside_ours_is_unknown_for_minutes_only() {
    let fixture = Fixture::new(KeyKind::P256);
    let foreign = Authority::root("Somebody else", KeyKind::P256);
    let request = RequestSpec {
        cert_ids: vec![
            cert_id(HashAlgorithm::Sha1, &foreign, SERIAL_REVOKED),
            cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_REVOKED),
        ],
        extensions: Vec::new(),
    };
    let (answer, _) = answer(&fixture, &request.der());
    let reply = fixture.check(&answer).signed();
    assert_eq!(reply.singles[0].status, CertStatus::Unknown);
    assert!(matches!(reply.singles[1].status, CertStatus::Revoked(_)));
    assert_eq!(reply.singles[0].next_update, noon().plus_seconds(300));
    let Answer::Signed(response) = answer else {
        unreachable!("checked above")
    };
    assert_eq!(
        response.window.next_update,
        noon().plus_seconds(300),
        "the whole answer lives as long as its shortest line"
    );
}

#[test]
fn sta_06_a_certificate_on_hold_is_revoked_for_minutes_only_and_kept_by_caches_for_one() {
    let fixture = Fixture::new(KeyKind::P256);
    let asked = cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_ON_HOLD);
    let (answer, outcome) = answer(&fixture, &RequestSpec::one(asked).der());
    assert_eq!(outcome, Outcome::Signed(SignedStatus::Revoked));
    let single = fixture.check(&answer).single();
    assert!(
        matches!(single.status, CertStatus::Revoked(info) if info.reason == Some(CrlReason::CertificateHold))
    );
    assert_eq!(single.next_update, noon().plus_seconds(300));
    let Answer::Signed(response) = answer else {
        unreachable!("checked above")
    };
    assert_eq!(response.max_age_max, Duration::from_secs(60));
}

#[test]
fn sta_09_two_of_our_issuers_in_one_request_are_unauthorized() {
    let fixture = Fixture::two_issuers();
    let other = fixture.other.as_ref().expect("made with two");
    let request = RequestSpec {
        cert_ids: vec![
            cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD),
            cert_id(HashAlgorithm::Sha256, other, SERIAL_GOOD),
        ],
        extensions: Vec::new(),
    };
    let (_, outcome) = answer(&fixture, &request.der());
    assert_eq!(outcome, Outcome::Refused(Refusal::SeveralIssuers));
}

#[test]
fn ext_01_ext_02_an_unknown_critical_extension_is_malformed_and_a_non_critical_one_is_ignored() {
    let fixture = Fixture::new(KeyKind::P256);
    let plain = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
    let private: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x01];
    let (ignored, _) = answer(
        &fixture,
        &plain
            .clone()
            .with_extension(extension(private, false, &[5, 0]))
            .der(),
    );
    assert!(matches!(ignored, Answer::Signed(_)));
    let (refused, _) = answer(
        &fixture,
        &plain
            .with_extension(extension(private, true, &[5, 0]))
            .der(),
    );
    assert!(matches!(
        refused,
        Answer::Error(ErrorStatus::MalformedRequest)
    ));
}

#[test]
fn tim_02_tim_03_tim_04_tim_05_tim_06_tim_08_this_update_is_the_lists_and_produced_at_is_now() {
    let fixture = Fixture::new(KeyKind::P256);
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
    let reply = fixture.check(&answer(&fixture, &request.der()).0).signed();
    assert_eq!(reply.produced_at, noon());
    assert_eq!(reply.singles[0].this_update, noon().plus_seconds(-60));
    assert_eq!(reply.singles[0].next_update, noon().plus_seconds(86_400));
}

#[test]
fn tim_05_tim_06_tim_07_tim_09_next_update_is_the_earliest_of_all_limits_and_the_end_is_try_later()
{
    struct Case {
        name: &'static str,
        list_ends: i64,
        signer_ends: i64,
        issuer_ends: i64,
        validity: Option<u64>,
        asked_at: i64,
        expected: Result<i64, Refusal>,
    }
    let over = |limit, at| {
        Err(Refusal::WindowOver {
            limit,
            at: noon().plus_seconds(at),
        })
    };
    let cases = [
        Case {
            name: "the list",
            list_ends: 3_600,
            signer_ends: 9_000,
            issuer_ends: 9_000,
            validity: None,
            asked_at: 0,
            expected: Ok(3_600),
        },
        Case {
            name: "the signer",
            list_ends: 9_000,
            signer_ends: 3_600,
            issuer_ends: 9_000,
            validity: None,
            asked_at: 0,
            expected: Ok(3_600),
        },
        Case {
            name: "the issuer",
            list_ends: 9_000,
            signer_ends: 9_000,
            issuer_ends: 3_600,
            validity: None,
            asked_at: 0,
            expected: Ok(3_600),
        },
        Case {
            name: "validity counts from producedAt",
            list_ends: 90_000,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: Some(3_600),
            asked_at: 500,
            expected: Ok(4_100),
        },
        Case {
            name: "validity does not stretch a list",
            list_ends: 600,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: Some(3_600),
            asked_at: 0,
            expected: Ok(600),
        },
        Case {
            name: "a short validity still answers",
            list_ends: 90_000,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: Some(30),
            asked_at: 0,
            expected: Ok(30),
        },
        Case {
            name: "inside the margin of the list",
            list_ends: 86_400,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: None,
            asked_at: 86_341,
            expected: over(Limit::Source, 86_400),
        },
        Case {
            name: "just before the margin",
            list_ends: 86_400,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: None,
            asked_at: 86_339,
            expected: Ok(86_400),
        },
        Case {
            name: "one percent of a short window",
            list_ends: 940,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: None,
            asked_at: 929,
            expected: Ok(940),
        },
        Case {
            name: "at nextUpdate it is over",
            list_ends: 10,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: None,
            asked_at: 10,
            expected: over(Limit::Source, 10),
        },
        Case {
            name: "the signer has expired",
            list_ends: 90_000,
            signer_ends: 100,
            issuer_ends: 90_000,
            validity: None,
            asked_at: 200,
            expected: over(Limit::Signer, 100),
        },
        Case {
            name: "the issuer has expired",
            list_ends: 90_000,
            signer_ends: 90_000,
            issuer_ends: 100,
            validity: None,
            asked_at: 200,
            expected: Err(Refusal::IssuerExpired {
                not_after: noon().plus_seconds(100),
            }),
        },
        Case {
            name: "the clock is a little behind the list",
            list_ends: 9_000,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: None,
            asked_at: -360,
            expected: Ok(9_000),
        },
        Case {
            name: "the clock is far behind the list",
            list_ends: 9_000,
            signer_ends: 90_000,
            issuer_ends: 90_000,
            validity: None,
            asked_at: -361,
            expected: Err(Refusal::WindowNotBegun {
                limit: Limit::Source,
                at: noon().plus_seconds(-60),
            }),
        },
    ];
    for case in cases {
        let fixture = Fixture::with_limits(
            case.list_ends,
            case.signer_ends,
            case.issuer_ends,
            Policy {
                validity: case.validity.map(Duration::from_secs),
                nonce: NoncePolicy::Echo,
                ..Policy::DEFAULT
            },
        );
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
        let (answer, outcome) =
            answer_at(&fixture, &request.der(), noon().plus_seconds(case.asked_at));
        let got = match outcome {
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::Signed(_) => Ok(fixture
                .check(&answer)
                .single()
                .next_update
                .seconds_since(noon())),
        };
        assert_eq!(got, case.expected, "{}", case.name);
    }
}

#[test]
fn tim_08_a_clock_a_little_behind_makes_answers_at_the_latest_time_known_to_have_passed() {
    let fixture = Fixture::new(KeyKind::P256);
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD)).der();
    let (answer, _) = answer_at(&fixture, &request, noon().plus_seconds(-200));
    let reply = fixture.check(&answer).signed();
    assert_eq!(reply.produced_at, noon().plus_seconds(-60));
    assert_eq!(reply.produced_at, reply.singles[0].this_update);
}

#[test]
fn err_09_without_a_table_or_a_signer_the_answer_is_try_later() {
    let fixture = Fixture::new(KeyKind::P256);
    let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD)).der();
    let issuer = fixture
        .responder
        .issuers()
        .iter()
        .next()
        .expect("one issuer");
    let credential = issuer.credential();
    issuer.set_credential(None);
    assert_eq!(
        answer(&fixture, &request).1,
        Outcome::Refused(Refusal::SignerMissing)
    );
    issuer.set_credential(credential);
    let table = issuer.set_table(None);
    assert!(matches!(
        answer(&fixture, &request).0,
        Answer::Error(ErrorStatus::TryLater)
    ));
    assert_eq!(
        answer(&fixture, &request).1,
        Outcome::Refused(Refusal::SourceMissing)
    );
    issuer.set_table(table);
    assert!(matches!(
        Reply::check(&fixture::body(&answer(&fixture, &request).0), &fixture.ca),
        Reply::Signed(_)
    ));
}

#[test]
fn err_01_err_02_octets_that_are_no_request_are_malformed() {
    let fixture = Fixture::new(KeyKind::P256);
    let whole = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD)).der();
    for length in 0..whole.len() {
        let (reply, _) = answer(&fixture, &whole[..length]);
        assert!(
            matches!(reply, Answer::Error(ErrorStatus::MalformedRequest)),
            "cut at {length}"
        );
    }
    let (reply, _) = answer(&fixture, &[whole.as_slice(), &[0]].concat());
    assert!(
        matches!(reply, Answer::Error(ErrorStatus::MalformedRequest)),
        "trailing octet"
    );
}
