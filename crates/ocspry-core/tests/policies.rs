//! What an operator may choose, seen from the client: each choice, its default, and its traps.

mod fixture;

use fixture::{
    Fixture, SERIAL_GOOD, SERIAL_ON_HOLD, SERIAL_REVOKED, answer, answer_at, authority, body, noon,
};
use ocspry_core::{
    Absence, AbsentPolicy, Answer, ArchiveCutoff, CertIdHashes, CertificatesPolicy,
    CredentialError, IssuerError, IssuerSet, Limit, NeverIssuedPolicy, Outcome, OwnedCertificate,
    Policy, Refusal, ResponderCredential, ResponderIdPolicy, SignatureHash, SignedResponse,
    UnablePolicy, UnknownIssuerPolicy,
};
use ocspry_testkit::{
    Authority, CertificateSpec, KeyKind, Reply, RequestSpec, TestKey, cert_id, nonce_extension,
    preferring,
};
use ocspry_wire::Time;
use ocspry_wire::der::{oid, tag, write};
use ocspry_wire::ocsp::{
    CertStatus, CrlReason, ErrorStatus, HashAlgorithm, OcspResponse, ResponderId,
};
use ocspry_wire::x509::{Certificate, SignatureAlgorithm};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

const DAY: u64 = 86_400;

/// Content octets of 1.3.6.1.5.5.7.48.1.6, archiveCutoff.
const ARCHIVE_CUTOFF: &[u8] = oid::OCSP_ARCHIVE_CUTOFF;

fn ask(fixture: &Fixture, serial: &[u8]) -> (Answer, Outcome) {
    answer(fixture, &request(fixture, serial))
}

fn request(fixture: &Fixture, serial: &[u8]) -> Vec<u8> {
    RequestSpec::one(cert_id(HashAlgorithm::Sha256, &fixture.ca, serial)).der()
}

fn status(fixture: &Fixture, serial: &[u8]) -> CertStatus {
    fixture.check(&ask(fixture, serial).0).single().status
}

fn signed(answer: Answer) -> SignedResponse {
    match answer {
        Answer::Signed(response) => response,
        Answer::Error(status) => panic!("{status:?}"),
        Answer::Unavailable => panic!("unavailable"),
    }
}

fn refusal(outcome: Outcome) -> Refusal {
    match outcome {
        Outcome::Refused(refusal) => refusal,
        Outcome::Signed(status) => panic!("signed: {status:?}"),
    }
}

/// Is this run of octets in the answer?
fn holds(answer: &Answer, octets: &[u8]) -> bool {
    body(answer)
        .windows(octets.len())
        .any(|window| window == octets)
}

#[test]
fn sta_01_a_serial_that_is_not_on_the_list_is_good_or_unknown_as_the_operator_says() {
    assert_eq!(
        status(&Fixture::new(KeyKind::P256), SERIAL_GOOD),
        CertStatus::Good
    );
    let fixture = Fixture::with_policy(Policy {
        absent: AbsentPolicy::Unknown,
        ..Policy::DEFAULT
    });
    assert_eq!(status(&fixture, SERIAL_GOOD), CertStatus::Unknown);
    assert!(matches!(
        status(&fixture, SERIAL_REVOKED),
        CertStatus::Revoked(_)
    ));
}

#[test]
fn sta_13_a_serial_that_was_never_issued_is_unknown_and_one_that_was_is_good() {
    let fixture = Fixture::that_knows_what_was_issued(Policy::DEFAULT);
    assert_eq!(status(&fixture, SERIAL_GOOD), CertStatus::Good);
    assert_eq!(status(&fixture, &[0x55]), CertStatus::Unknown);
}

#[test]
fn never_issued_as_unauthorized_costs_no_signature() {
    let fixture = Fixture::that_knows_what_was_issued(Policy {
        never_issued: NeverIssuedPolicy::Unauthorized,
        ..Policy::DEFAULT
    });
    for octet in 0..50 {
        let (answer, outcome) = ask(&fixture, &[0x55, octet]);
        assert!(matches!(answer, Answer::Error(ErrorStatus::Unauthorized)));
        assert_eq!(refusal(outcome), Refusal::NeverIssued);
    }
    assert_eq!(fixture.signatures(), 0);
    // One such serial among others spoils the request: no silent subset.
    let both = RequestSpec::of(vec![
        cert_id(HashAlgorithm::Sha256, &fixture.ca, SERIAL_GOOD),
        cert_id(HashAlgorithm::Sha256, &fixture.ca, &[0x55]),
    ]);
    let (_, outcome) = answer(&fixture, &both.der());
    assert_eq!(refusal(outcome), Refusal::NeverIssued);
}

#[test]
fn while_a_part_is_missing_nothing_but_revoked_is_said() {
    let fixture = Fixture::with_absence(Absence::Unproven);
    for absent_or_issued in [&[0x55], SERIAL_GOOD] {
        let (answer, outcome) = ask(&fixture, absent_or_issued);
        assert!(matches!(answer, Answer::Error(ErrorStatus::TryLater)));
        assert_eq!(refusal(outcome), Refusal::AbsenceUnproven);
    }
    assert_eq!(fixture.signatures(), 0);
    assert!(matches!(
        status(&fixture, SERIAL_REVOKED),
        CertStatus::Revoked(_)
    ));
    // One certificate of which nothing can be said spoils the request: no silent subset.
    let both = RequestSpec::of(vec![
        cert_id(HashAlgorithm::Sha256, &fixture.ca, SERIAL_REVOKED),
        cert_id(HashAlgorithm::Sha256, &fixture.ca, &[0x55]),
    ]);
    let (_, outcome) = answer(&fixture, &both.der());
    assert_eq!(refusal(outcome), Refusal::AbsenceUnproven);
}

#[test]
fn while_the_list_of_issued_ones_is_too_old_those_on_it_are_good_and_of_others_nothing_is_said() {
    let fixture = Fixture::with_absence(Absence::PerhapsIssued);
    assert_eq!(status(&fixture, SERIAL_GOOD), CertStatus::Good);
    let (answer, outcome) = ask(&fixture, &[0x55]);
    assert!(matches!(answer, Answer::Error(ErrorStatus::TryLater)));
    assert_eq!(refusal(outcome), Refusal::AbsenceUnproven);
}

#[test]
fn ext_11_never_issued_as_revoked_is_the_whole_extended_definition_or_nothing() {
    let fixture = Fixture::that_knows_what_was_issued(Policy {
        never_issued: NeverIssuedPolicy::Revoked,
        archive_cutoff: ArchiveCutoff::IssuerNotBefore,
        ..Policy::DEFAULT
    });
    let mut extended = Vec::new();
    write::push_nested(&mut extended, tag::SEQUENCE, |out| {
        write::push(out, tag::OID, oid::OCSP_EXTENDED_REVOKE);
        write::push(out, tag::OCTET_STRING, &[0x05, 0x00]);
    });
    for extensions in [vec![], vec![nonce_extension(&[7; 16])]] {
        let mut spec = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &fixture.ca, &[0x55]));
        for extension in extensions {
            spec = spec.with_extension(extension);
        }
        let (answer, _) = answer(&fixture, &spec.der());
        let CertStatus::Revoked(info) = fixture.check(&answer).single().status else {
            panic!("not revoked")
        };
        assert_eq!(info.revocation_time, Time::from_unix(0));
        assert_eq!(info.reason, Some(CrlReason::CertificateHold));
        assert_eq!(info.invalidity_date, None);
        assert!(holds(&answer, &extended));
        assert!(!holds(&answer, ARCHIVE_CUTOFF));
        let response = signed(answer);
        assert_eq!(response.limit, Limit::Provisional);
        assert!(response.max_age_max <= Duration::from_secs(60));
    }
    // An issued one is answered in the plain way.
    let (answer, _) = ask(&fixture, SERIAL_GOOD);
    assert!(!holds(&answer, &extended));
    assert!(holds(&answer, ARCHIVE_CUTOFF));
}

#[test]
fn sta_08_sta_10_an_unknown_issuer_is_unauthorized_or_a_signed_unknown() {
    let stranger = Authority::root("Nobody's CA", KeyKind::P256);
    let asked = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &stranger, SERIAL_REVOKED)).der();
    let (refused, outcome) = answer(&Fixture::new(KeyKind::P256), &asked);
    assert!(matches!(refused, Answer::Error(ErrorStatus::Unauthorized)));
    assert_eq!(refusal(outcome), Refusal::UnknownIssuer);

    let fixture = Fixture::with_policy(Policy {
        unknown_issuer: UnknownIssuerPolicy::Unknown,
        ..Policy::DEFAULT
    });
    let (answered, _) = answer(&fixture, &asked);
    assert_eq!(
        fixture.check(&answered).single().status,
        CertStatus::Unknown
    );
    assert_eq!(signed(answered).limit, Limit::Provisional);
    // Wrong name and wrong key alone are unknown issuers as well.
    let ours = cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_REVOKED);
    let theirs = cert_id(HashAlgorithm::Sha1, &stranger, SERIAL_REVOKED);
    for hash_start in [15, 37] {
        let mut mixed = ours.clone();
        mixed[hash_start..hash_start + 20].copy_from_slice(&theirs[hash_start..hash_start + 20]);
        assert!(mixed != ours && mixed != theirs);
        let (answered, _) = answer(&fixture, &RequestSpec::one(mixed).der());
        assert_eq!(
            fixture.check(&answered).single().status,
            CertStatus::Unknown
        );
    }
}

#[test]
fn only_one_issuer_may_answer_for_unknown_ones() {
    let policy = || Policy {
        unknown_issuer: UnknownIssuerPolicy::Unknown,
        ..Policy::DEFAULT
    };
    let issuer = |name| Arc::new(authority(name, KeyKind::P256, 90 * 86_400, policy()).1);
    let error = IssuerSet::new(vec![issuer("one"), issuer("two")]).err();
    assert_eq!(
        error,
        Some(IssuerError::TwoForUnknown {
            first: "one".to_owned(),
            second: "two".to_owned()
        })
    );
}

#[test]
fn err_09_unable_is_try_later_or_left_to_http() {
    for (unable, is_503) in [
        (UnablePolicy::TryLater, false),
        (UnablePolicy::Http503, true),
    ] {
        let fixture = Fixture::with_policy(Policy {
            unable,
            ..Policy::DEFAULT
        });
        let asked = request(&fixture, SERIAL_GOOD);
        let (late, _) = answer_at(&fixture, &asked, noon().plus_seconds(2 * 86_400));
        assert_eq!(matches!(late, Answer::Unavailable), is_503);
        fixture.issuer().set_credential(None);
        let (unsigned, outcome) = answer(&fixture, &asked);
        assert_eq!(matches!(unsigned, Answer::Unavailable), is_503);
        assert_eq!(refusal(outcome), Refusal::SignerMissing);
        // What the client did wrong stays OCSP's to say.
        let (malformed, _) = answer(&fixture, &[0x30, 0x00]);
        assert!(matches!(
            malformed,
            Answer::Error(ErrorStatus::MalformedRequest)
        ));
    }
}

#[test]
fn rsp_04_rsp_05_rsp_11_the_signer_is_named_by_key_or_by_name() {
    for (responder_id, by_key) in [
        (ResponderIdPolicy::ByKey, true),
        (ResponderIdPolicy::ByName, false),
    ] {
        let fixture = Fixture::with_policy(Policy {
            responder_id,
            ..Policy::DEFAULT
        });
        let (answer, _) = ask(&fixture, SERIAL_GOOD);
        fixture.check(&answer);
        let der = body(&answer);
        let basic = OcspResponse::from_der(&der).unwrap().basic.unwrap();
        let is_by_key = matches!(basic.responder_id, ResponderId::ByKeyHash(_));
        assert_eq!(is_by_key, by_key);
    }
}

#[test]
fn sig_02_rsp_14_none_the_signers_or_the_whole_chain_is_enclosed() {
    let root = Authority::root("Root", KeyKind::P256);
    let middle = root.intermediate("Middle", KeyKind::P256);
    let ca = middle.intermediate("Issuing", KeyKind::P256);
    let delegate = ca.responder(KeyKind::P256);
    for (certificates, expected) in [
        (CertificatesPolicy::None, vec![]),
        (CertificatesPolicy::Signer, vec![&delegate.certificate]),
        (
            CertificatesPolicy::Chain,
            vec![&delegate.certificate, &ca.certificate, &middle.certificate],
        ),
    ] {
        let policy = Policy {
            certificates,
            ..Policy::DEFAULT
        };
        let own = |der: &Vec<u8>| OwnedCertificate::from_der(der.clone()).unwrap();
        let issuer = ocspry_core::Issuer::new("chain".to_owned(), own(&ca.certificate), policy)
            .with_chain(vec![own(&middle.certificate), own(&root.certificate)]);
        let key = TestKey::from_pkcs8_der(&delegate.key.pkcs8_der(), KeyKind::P256);
        let (credential, _) = ResponderCredential::delegated(
            own(&delegate.certificate),
            Arc::new(fixture::KeySigner::new(key)),
            &issuer,
            ocspry_testkit::now(),
        )
        .unwrap();
        issuer.set_credential(Some(Arc::new(credential)));
        issuer.set_table(Some(Arc::new(fixture::table_around(ocspry_testkit::now()))));
        let responder = fixture::responder(vec![Arc::new(issuer)]);
        let asked = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &ca, SERIAL_GOOD)).der();
        let answer = fixture::answer_of(&responder, &asked, ocspry_testkit::now());
        let der = body(&answer);
        let basic = OcspResponse::from_der(&der).unwrap().basic.unwrap();
        assert_eq!(basic.certificates, expected);
    }
}

#[test]
fn req_09_more_cert_ids_than_the_cap_are_refused_and_as_many_are_all_answered() {
    for (cap, asked) in [
        (16, 16),
        (16, 17),
        (1, 1),
        (1, 2),
        (40, 40),
        (40, 41),
        (128, 129),
    ] {
        let fixture = Fixture::with_policy(Policy {
            cert_ids_max: cap,
            ..Policy::DEFAULT
        });
        let ids = (0..asked)
            .map(|octet| cert_id(HashAlgorithm::Sha1, &fixture.ca, &[1, octet as u8]))
            .collect();
        let (answer, outcome) = answer(&fixture, &RequestSpec::of(ids).der());
        if asked <= cap {
            assert_eq!(fixture.check(&answer).signed().singles.len(), asked);
        } else {
            assert!(matches!(answer, Answer::Error(ErrorStatus::Unauthorized)));
            assert_eq!(refusal(outcome), Refusal::TooManyCertIds { count: asked });
        }
    }
}

#[test]
fn cid_01_cid_02_every_hash_is_understood_and_one_that_is_not_allowed_names_nobody() {
    for allowed in HashAlgorithm::ALL {
        let fixture = Fixture::with_policy(Policy {
            cert_id_hashes: CertIdHashes::only(&[allowed]),
            ..Policy::DEFAULT
        });
        for hash in HashAlgorithm::ALL {
            let asked = RequestSpec::one(cert_id(hash, &fixture.ca, SERIAL_GOOD)).der();
            let (answer, outcome) = answer(&fixture, &asked);
            if hash == allowed {
                assert_eq!(fixture.check(&answer).single().status, CertStatus::Good);
            } else {
                assert_eq!(refusal(outcome), Refusal::UnknownIssuer);
            }
        }
    }
}

#[test]
fn cid_14_a_certid_over_another_spelling_of_the_name_finds_its_issuer() {
    // The CA writes its own name as UTF8String; a certificate that it issued spells it as PrintableString.
    let fixture = Fixture::new(KeyKind::P256);
    let printable = {
        let mut name = Vec::new();
        write::push_nested(&mut name, tag::SEQUENCE, |out| {
            write::push_nested(out, 0x31, |out| {
                write::push_nested(out, tag::SEQUENCE, |out| {
                    write::push(out, tag::OID, &[0x55, 0x04, 0x03]);
                    write::push(out, 0x13, b"Core Test CA");
                });
            });
        });
        name
    };
    let view = Certificate::from_der(&fixture.ca.certificate).unwrap();
    assert_ne!(view.subject, printable);
    for hash in HashAlgorithm::ALL {
        let usual = cert_id(hash, &fixture.ca, SERIAL_REVOKED);
        let digest = |octets: &[u8]| ocspry_core::crypto::digest(hash, octets).as_ref().to_vec();
        let mut spelled = usual.clone();
        let (own, other) = (digest(view.subject), digest(&printable));
        let place = usual
            .windows(own.len())
            .position(|window| window == own)
            .unwrap();
        spelled[place..place + other.len()].copy_from_slice(&other);
        let asked = RequestSpec::one(spelled.clone()).der();
        assert_eq!(refusal(answer(&fixture, &asked).1), Refusal::UnknownIssuer);

        let named = fixture.with_other_name(&printable);
        for id in [usual, spelled] {
            let (answer, _) = answer(&named, &RequestSpec::one(id.clone()).der());
            let single = Reply::check(&body(&answer), &fixture.ca).single();
            assert_eq!(single.cert_id, id);
            assert!(matches!(single.status, CertStatus::Revoked(_)));
        }
    }
}

#[test]
fn ext_08_ext_10_archive_cutoff_is_told_for_what_is_known() {
    let cutoff = |answer: &Answer| {
        let der = body(answer);
        let place = der
            .windows(ARCHIVE_CUTOFF.len())
            .position(|window| window == ARCHIVE_CUTOFF)?;
        // OCTET STRING and GeneralizedTime headers stand in between.
        let text = &der[place + ARCHIVE_CUTOFF.len() + 4..][..15];
        Some(String::from_utf8(text.to_vec()).unwrap())
    };
    let text = |time: Time| Some(String::from_utf8(time.to_generalized().to_vec()).unwrap());
    for (archive_cutoff, expected) in [
        (ArchiveCutoff::None, None),
        (
            ArchiveCutoff::Retention(Duration::from_secs(30 * DAY)),
            text(noon().plus_seconds(-30 * 86_400)),
        ),
        (
            ArchiveCutoff::IssuerNotBefore,
            text(noon().plus_seconds(-86_400)),
        ),
    ] {
        let fixture = Fixture::with_policy(Policy {
            archive_cutoff,
            ..Policy::DEFAULT
        });
        // SERIAL_REVOKED carries an invalidity date besides.
        for serial in [SERIAL_GOOD, SERIAL_REVOKED, SERIAL_ON_HOLD] {
            let (answer, _) = ask(&fixture, serial);
            fixture.check(&answer);
            assert_eq!(cutoff(&answer), expected);
        }
        let both = RequestSpec::of(vec![
            cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD),
            cert_id(
                HashAlgorithm::Sha1,
                &Authority::root("Nobody's", KeyKind::P256),
                SERIAL_GOOD,
            ),
        ]);
        let (answer, _) = answer(&fixture, &both.der());
        let count = body(&answer)
            .windows(ARCHIVE_CUTOFF.len())
            .filter(|window| *window == ARCHIVE_CUTOFF)
            .count();
        assert_eq!(count, usize::from(expected.is_some()));
    }
}

#[test]
fn tim_10_the_window_is_capped_with_both_ends_counted() {
    let fixture = Fixture::with_limits(
        30 * 86_400,
        60 * 86_400,
        90 * 86_400,
        Policy {
            window_max: Some(Duration::from_secs(7 * DAY)),
            ..Policy::DEFAULT
        },
    );
    let response = signed(ask(&fixture, SERIAL_GOOD).0);
    let window = response.window;
    assert_eq!(
        window.next_update.seconds_since(window.this_update),
        7 * 86_400 - 1
    );
    assert_eq!(response.limit, Limit::Window);
    // The list is older than that: nothing may be said any more, although it goes on.
    let asked = request(&fixture, SERIAL_GOOD);
    let (_, outcome) = answer_at(&fixture, &asked, noon().plus_seconds(8 * 86_400));
    assert!(matches!(
        refusal(outcome),
        Refusal::WindowOver {
            limit: Limit::Window,
            ..
        }
    ));
}

fn signed_with(fixture: &Fixture, preferred: Option<&[&[u8]]>) -> SignatureAlgorithm {
    let mut spec = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &fixture.ca, SERIAL_GOOD));
    if let Some(preferred) = preferred {
        spec = spec.with_extension(preferring(preferred));
    }
    let (answer, _) = answer(fixture, &spec.der());
    fixture.check(&answer).signed().signature_algorithm
}

const SHA1_RSA: &[u8] = SignatureAlgorithm::RsaSha1.der();
const SHA256_RSA: &[u8] = SignatureAlgorithm::RsaSha256.der();
const SHA384_RSA: &[u8] = SignatureAlgorithm::RsaSha384.der();
const SHA512_RSA: &[u8] = SignatureAlgorithm::RsaSha512.der();
const PRIVATE: &[u8] = &[0x30, 0x04, 0x06, 0x02, 0x2a, 0x03];

#[test]
fn alg_03_alg_04_alg_05_alg_09_a_preference_is_followed_as_far_as_key_and_operator_allow() {
    use SignatureAlgorithm::{EcdsaSha256, RsaSha256, RsaSha384, RsaSha512};
    let rsa = Fixture::with_key(KeyKind::Rsa2048, Policy::DEFAULT, None);
    assert_eq!(signed_with(&rsa, None), RsaSha256);
    assert_eq!(signed_with(&rsa, Some(&[])), RsaSha256);
    assert_eq!(signed_with(&rsa, Some(&[PRIVATE])), RsaSha256);
    assert_eq!(signed_with(&rsa, Some(&[SHA1_RSA])), RsaSha256);
    assert_eq!(signed_with(&rsa, Some(&[SHA384_RSA])), RsaSha384);
    assert_eq!(
        signed_with(&rsa, Some(&[PRIVATE, SHA1_RSA, SHA512_RSA, SHA384_RSA])),
        RsaSha512
    );
    assert_eq!(
        signed_with(&rsa, Some(&[EcdsaSha256.der(), SHA256_RSA])),
        RsaSha256
    );
    let ecdsa = Fixture::with_key(KeyKind::P256, Policy::DEFAULT, None);
    assert_eq!(
        signed_with(&ecdsa, Some(&[SHA512_RSA, SHA256_RSA])),
        EcdsaSha256
    );
}

#[test]
fn alg_03_a_preference_never_goes_below_the_operators_floor() {
    use SignatureAlgorithm::{RsaSha384, RsaSha512};
    let policy = Policy {
        signature_hash_min: SignatureHash::Sha384,
        ..Policy::DEFAULT
    };
    let rsa = Fixture::with_key(KeyKind::Rsa2048, policy.clone(), None);
    assert_eq!(signed_with(&rsa, None), RsaSha384);
    assert_eq!(signed_with(&rsa, Some(&[SHA256_RSA])), RsaSha384);
    assert_eq!(
        signed_with(&rsa, Some(&[SHA256_RSA, SHA512_RSA])),
        RsaSha512
    );
    // A key that cannot do it does not serve at all.
    let (ca, issuer) = authority("Floor", KeyKind::P256, 90 * 86_400, policy);
    let mut spec = CertificateSpec::responder("weak");
    spec.not_before = noon().plus_seconds(-86_400);
    spec.not_after = noon().plus_seconds(86_400);
    let delegate = ca.issue_with_key(&spec, KeyKind::P256);
    let error = ResponderCredential::delegated(
        OwnedCertificate::from_der(delegate.certificate).unwrap(),
        Arc::new(fixture::KeySigner::new(delegate.key)),
        &issuer,
        noon(),
    )
    .err();
    assert!(matches!(error, Some(CredentialError::WeakHash { .. })));
}

#[test]
fn alg_08_who_prefers_nothing_gets_the_algorithm_of_the_list_if_the_key_can_do_it() {
    use SignatureAlgorithm::{EcdsaSha256, RsaSha1, RsaSha256, RsaSha512};
    let with = |kind, source| Fixture::with_key(kind, Policy::DEFAULT, Some(source));
    let rsa = with(KeyKind::Rsa2048, RsaSha512);
    assert_eq!(signed_with(&rsa, None), RsaSha512);
    assert_eq!(signed_with(&rsa, Some(&[SHA256_RSA])), RsaSha256);
    assert_eq!(
        signed_with(&with(KeyKind::Rsa2048, RsaSha1), None),
        RsaSha256
    );
    assert_eq!(
        signed_with(&with(KeyKind::P256, RsaSha512), None),
        EcdsaSha256
    );
}

#[test]
fn alg_11_an_answer_that_one_client_preferred_is_not_what_the_next_one_gets() {
    let fixture = Fixture::with_key(KeyKind::Rsa2048, Policy::DEFAULT, None);
    for _ in 0..2 {
        assert_eq!(
            signed_with(&fixture, Some(&[SHA512_RSA])),
            SignatureAlgorithm::RsaSha512
        );
        assert_eq!(signed_with(&fixture, None), SignatureAlgorithm::RsaSha256);
        assert_eq!(
            signed_with(&fixture, Some(&[SHA384_RSA])),
            SignatureAlgorithm::RsaSha384
        );
    }
}

#[test]
fn alg_04_of_several_signers_the_one_that_the_client_prefers_signs_and_else_the_first() {
    use SignatureAlgorithm::{EcdsaSha256, RsaSha256, RsaSha512};
    let fixture = Fixture::with_key(KeyKind::P256, Policy::DEFAULT, None);
    let mut spec = CertificateSpec::responder("second");
    spec.not_before = noon().plus_seconds(-86_400);
    spec.not_after = noon().plus_seconds(30 * 86_400);
    let delegate = fixture.ca.issue_with_key(&spec, KeyKind::Rsa2048);
    let (second, _) = ResponderCredential::delegated(
        OwnedCertificate::from_der(delegate.certificate.clone()).unwrap(),
        Arc::new(fixture::KeySigner::new(delegate.key)),
        fixture.issuer(),
        noon(),
    )
    .unwrap();
    let first = fixture.issuer().credential().unwrap();
    fixture
        .issuer()
        .set_credentials(vec![first, Arc::new(second)]);
    for _ in 0..2 {
        assert_eq!(signed_with(&fixture, None), EcdsaSha256);
        assert_eq!(signed_with(&fixture, Some(&[SHA256_RSA])), RsaSha256);
        assert_eq!(signed_with(&fixture, Some(&[SHA512_RSA])), RsaSha512);
        assert_eq!(signed_with(&fixture, Some(&[PRIVATE])), EcdsaSha256);
    }
}

#[test]
fn a_signer_that_has_run_out_gives_way_to_the_next() {
    let fixture = Fixture::with_key(KeyKind::P256, Policy::DEFAULT, None);
    let first = fixture.issuer().credential().unwrap();
    let mut spec = CertificateSpec::responder("second");
    spec.not_before = noon().plus_seconds(-86_400);
    spec.not_after = noon().plus_seconds(3_600);
    let delegate = fixture.ca.issue_with_key(&spec, KeyKind::Ed25519);
    let (short, _) = ResponderCredential::delegated(
        OwnedCertificate::from_der(delegate.certificate).unwrap(),
        Arc::new(fixture::KeySigner::new(delegate.key)),
        fixture.issuer(),
        noon(),
    )
    .unwrap();
    let issuer = fixture.issuer();
    issuer.set_credentials(vec![Arc::new(short), first]);
    let asked = request(&fixture, SERIAL_GOOD);
    for (seconds, algorithm) in [
        (0, SignatureAlgorithm::Ed25519),
        (3_601, SignatureAlgorithm::EcdsaSha256),
    ] {
        let (answer, _) = answer_at(&fixture, &asked, noon().plus_seconds(seconds));
        let signed = fixture.check(&answer).signed();
        assert_eq!(signed.signature_algorithm, algorithm);
        let now = noon().plus_seconds(seconds);
        assert_eq!(issuer.can_answer(now), Ok(()), "what health says");
    }
}

#[test]
fn alg_01_the_algorithm_identifier_has_the_parameters_of_its_standard() {
    // RFC 4055 §5: NULL.  RFC 5758 §3.2 and RFC 8410 §3: none.
    for (kind, expected) in [
        (
            KeyKind::Rsa2048,
            &b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00"[..],
        ),
        (
            KeyKind::P256,
            b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
        ),
        (
            KeyKind::P384,
            b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x03",
        ),
        (
            KeyKind::P521,
            b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x04",
        ),
        (KeyKind::Ed25519, b"\x30\x05\x06\x03\x2b\x65\x70"),
    ] {
        let fixture = Fixture::new(kind);
        let der = body(&ask(&fixture, SERIAL_GOOD).0);
        let basic = OcspResponse::from_der(&der).unwrap().basic.unwrap();
        assert_eq!(basic.signature_algorithm, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// DESIGN rule 2, for any windows and any clock: nextUpdate is the least of all limits, and the limit that is named is
    /// one that sets it.
    #[test]
    fn next_update_is_the_least_of_its_limits_and_nothing_is_said_past_it(
        list in -3_000i64..2_000_000,
        signer in 1_000i64..2_000_000,
        issuer in 1_000i64..2_000_000,
        validity in proptest::option::of(60u64..1_000_000),
        window_max in proptest::option::of(3_600u64..1_000_000),
        clock in -600i64..2_100_000,
        hold in any::<bool>(),
    ) {
        let fixture = Fixture::with_limits(list.max(-59), signer, issuer, Policy {
            validity: validity.map(Duration::from_secs),
            window_max: window_max.map(Duration::from_secs),
            ..Policy::DEFAULT
        });
        let now = noon().plus_seconds(clock);
        let serial = if hold { SERIAL_ON_HOLD } else { SERIAL_GOOD };
        let asked = request(&fixture, serial);
        // An earlier answer may be in the cache; it must not be served past its end either.
        answer_at(&fixture, &asked, noon());
        let (answer, outcome) = answer_at(&fixture, &asked, now);
        let this_update = noon().plus_seconds(-60);
        let Answer::Signed(response) = answer else {
            let refused = refusal(outcome);
            prop_assert!(matches!(refused, Refusal::WindowOver { .. } | Refusal::WindowNotBegun { .. } | Refusal::IssuerExpired { .. }), "{:?}", refused);
            return Ok(());
        };
        let produced_at = response.produced_at;
        let seconds = |bound: u64| i64::try_from(bound).unwrap();
        let limits = [
            (Limit::Source, Some(noon().plus_seconds(list.max(-59)))),
            (Limit::Signer, Some(noon().plus_seconds(signer))),
            (Limit::Issuer, Some(noon().plus_seconds(issuer))),
            (Limit::Validity, validity.map(|validity| produced_at.plus_seconds(seconds(validity)))),
            (Limit::Window, window_max.map(|cap| this_update.plus_seconds(seconds(cap) - 1))),
            (Limit::Provisional, hold.then(|| produced_at.plus_seconds(300))),
        ];
        let least = limits.iter().filter_map(|(_, end)| *end).min().unwrap();
        prop_assert_eq!(response.window.next_update, least);
        prop_assert_eq!(response.window.this_update, this_update);
        prop_assert!(limits.contains(&(response.limit, Some(least))), "{:?}", response.limit);
        // Never past its end, nor in the margin before it, nor before its beginning.
        prop_assert!(now < response.send_before && response.send_before <= least);
        prop_assert!(this_update <= produced_at && produced_at < least);
        prop_assert!(now >= produced_at.plus_seconds(-300));
    }
}
