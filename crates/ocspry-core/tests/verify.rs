//! What a client believes, and each single reason not to: responses made by hand, one thing wrong at a time.

mod fixture;

use fixture::{Fixture, SERIAL_GOOD, SERIAL_ON_HOLD, SERIAL_REVOKED, answer, body, noon};
use ocspry_core::verify::{
    CERTIFICATES_MAX, MissingNextUpdate, MissingNonce, RESPONSE_OCTETS_MAX, VerifiedSingle,
};
use ocspry_core::{
    CredentialKind, OwnedCertificate, ResponseCheck, ResponseDefect, VerifiedResponse,
};
use ocspry_testkit::{
    Authority, CertificateSpec, Credential, KeyKind, RequestSpec, TestKey, cert_id, nonce_extension,
};
use ocspry_wire::Time;
use ocspry_wire::der::write::{push, push_nested};
use ocspry_wire::der::{oid, tag};
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus, HashAlgorithm};
use ocspry_wire::x509::{Certificate, SignatureAlgorithm};
use std::time::Duration;

#[test]
fn what_our_responder_signs_is_believed_by_delegate_and_by_issuer_with_every_kind_of_key() {
    for kind in KeyKind::ALL {
        for (fixture, signer) in [
            (Fixture::new(kind), CredentialKind::Delegated),
            (Fixture::issuer_signed(kind), CredentialKind::Issuer),
        ] {
            let asked = [SERIAL_GOOD, SERIAL_REVOKED, SERIAL_ON_HOLD]
                .map(|serial| cert_id(HashAlgorithm::Sha256, &fixture.ca, serial));
            let request = RequestSpec {
                cert_ids: asked.to_vec(),
                extensions: vec![nonce_extension(&[7; 32])],
            };
            let response = body(&answer(&fixture, &request.der()).0);
            let verified = ResponseCheck {
                nonce: Some(&[7; 32]),
                ..check(&certificate(&fixture.ca), &slices(&asked))
            }
            .run(&response)
            .expect("it is true");
            assert_eq!(verified.signer, signer, "{kind:?}");
            assert_eq!(verified.signature_algorithm, kind.signature_algorithm());
            assert!(verified.has_nonce);
            let reasons: Vec<_> = verified
                .singles
                .iter()
                .map(|single| match single.cert_status {
                    CertStatus::Good => None,
                    CertStatus::Revoked(info) => info.reason,
                    CertStatus::Unknown => panic!("nothing is unknown here"),
                })
                .collect();
            let expected = [
                None,
                Some(CrlReason::KeyCompromise),
                Some(CrlReason::CertificateHold),
            ];
            assert_eq!(reasons, expected, "in the order asked");
        }
    }
}

#[test]
fn a_hand_made_response_is_believed_when_nothing_is_wrong_with_it() {
    let site = Site::new();
    let verified = site.verdict(&Forged::good(&site)).expect("it is true");
    assert_eq!(verified.produced_at, noon());
    assert_eq!(
        verified.singles,
        [VerifiedSingle {
            cert_status: CertStatus::Good,
            this_update: noon(),
            next_update: Some(noon().plus_seconds(3_600)),
        }]
    );
}

#[test]
fn any_flipped_bit_of_a_signed_response_is_noticed() {
    let site = Site::new();
    let response = Forged::good(&site).der(&site);
    for place in 0..response.len() {
        for bit in 0..8 {
            let mut changed = response.clone();
            changed[place] ^= 1 << bit;
            let verdict = site.check(&[&site.asked]).run(&changed);
            assert!(verdict.is_err(), "octet {place}, bit {bit}: {verdict:?}");
        }
    }
}

#[test]
fn every_truncation_and_every_appended_octet_is_noticed() {
    let site = Site::new();
    let mut response = Forged::good(&site).der(&site);
    for length in 0..response.len() {
        let verdict = site.check(&[&site.asked]).run(&response[..length]);
        assert!(matches!(verdict, Err(ResponseDefect::NotDer(_))));
    }
    response.push(0);
    let verdict = site.check(&[&site.asked]).run(&response);
    assert!(matches!(verdict, Err(ResponseDefect::NotDer(_))));
}

#[test]
fn a_response_beyond_the_bound_is_not_looked_at() {
    let site = Site::new();
    let octets_count = RESPONSE_OCTETS_MAX + 1;
    assert_eq!(
        site.check(&[&site.asked]).run(&vec![0x30; octets_count]),
        Err(ResponseDefect::TooLarge { octets_count })
    );
}

#[test]
fn an_error_status_is_no_answer() {
    let site = Site::new();
    for status in [ErrorStatus::TryLater, ErrorStatus::Unauthorized] {
        let verdict = site.check(&[&site.asked]).run(status.der());
        assert_eq!(verdict, Err(ResponseDefect::Unsigned(status)));
    }
}

#[test]
fn an_unknown_critical_extension_is_not_passed_over() {
    let site = Site::new();
    for (critical, in_single) in [(true, false), (true, true), (false, false), (false, true)] {
        let extension = extension(&[0x2a, 0x03], critical, &[5, 0]);
        let mut forged = Forged::good(&site);
        if in_single {
            forged.single_extensions = extension;
        } else {
            forged.extensions = extension;
        }
        let verdict = site.verdict(&forged);
        let is_refused = matches!(
            verdict,
            Err(ResponseDefect::UnknownCriticalExtension { .. })
        );
        assert_eq!(is_refused, critical, "{verdict:?}");
    }
}

#[test]
fn a_signer_that_the_responder_id_does_not_name_is_not_found() {
    let site = Site::new();
    let stranger = Authority::root("Stranger", KeyKind::P256);
    let mut by_key = Forged::good(&site);
    by_key.responder_id = by_key_hash(&stranger.certificate);
    let mut by_name = Forged::good(&site);
    by_name.responder_id = by_name_of(&stranger.certificate);
    let mut not_enclosed = Forged::good(&site);
    not_enclosed.certificates.clear();
    for forged in [by_key, by_name, not_enclosed] {
        let verdict = site.verdict(&forged);
        assert!(
            matches!(verdict, Err(ResponseDefect::SignerNotFound { .. })),
            "{verdict:?}"
        );
    }
}

#[test]
fn a_signer_may_be_named_by_name_or_by_key() {
    let site = Site::new();
    let mut forged = Forged::good(&site);
    forged.responder_id = by_name_of(&site.delegate.certificate);
    assert!(site.verdict(&forged).is_ok());
    forged.responder_id = by_key_hash(&site.delegate.certificate);
    assert!(site.verdict(&forged).is_ok());
}

#[test]
fn a_signature_by_another_key_than_the_named_one_is_bad() {
    let site = Site::new();
    let response = Forged::good(&site).signed_by(&TestKey::generate(KeyKind::P256));
    let verdict = site.check(&[&site.asked]).run(&response);
    assert!(
        matches!(verdict, Err(ResponseDefect::BadSignature { .. })),
        "{verdict:?}"
    );
    // Of the CA itself, too.
    let mut forged = Forged::good(&site);
    forged.responder_id = by_key_hash(&site.ca.certificate);
    let verdict = site.verdict(&forged);
    assert!(
        matches!(verdict, Err(ResponseDefect::BadSignature { .. })),
        "{verdict:?}"
    );
}

#[test]
fn a_signature_with_sha_1_is_too_weak() {
    let site = Site::new();
    let mut forged = Forged::good(&site);
    forged.algorithm = SignatureAlgorithm::RsaSha1;
    let algorithm = SignatureAlgorithm::RsaSha1;
    assert_eq!(
        site.verdict(&forged),
        Err(ResponseDefect::WeakSignature { algorithm })
    );
}

#[test]
fn a_delegate_of_another_ca_may_not_answer() {
    let site = Site::new();
    let stranger = Authority::root("Stranger", KeyKind::P256);
    let verdict = site.verdict_of_delegate(&stranger, &delegate_spec());
    assert!(
        matches!(verdict, Err(ResponseDefect::DelegateOfOther { .. })),
        "{verdict:?}"
    );
}

#[test]
fn a_delegate_of_a_ca_with_the_same_name_and_another_key_may_not_answer() {
    let site = Site::new();
    let twin = Authority::root("Verified CA", KeyKind::P256);
    let verdict = site.verdict_of_delegate(&twin, &delegate_spec());
    assert!(
        matches!(verdict, Err(ResponseDefect::DelegateOfOtherKey { .. })),
        "{verdict:?}"
    );
}

#[test]
fn a_certificate_without_ocsp_signing_may_not_answer() {
    let site = Site::new();
    let verdict = site.verdict_of_delegate(&site.ca, &CertificateSpec::server("www.example.com"));
    assert!(
        matches!(verdict, Err(ResponseDefect::NoOcspSigning { .. })),
        "{verdict:?}"
    );
}

#[test]
fn a_delegate_whose_key_usage_forbids_signatures_may_not_answer() {
    let site = Site::new();
    let mut spec = delegate_spec();
    spec.key_usage = Some(0x20);
    let verdict = site.verdict_of_delegate(&site.ca, &spec);
    assert!(
        matches!(verdict, Err(ResponseDefect::NoDigitalSignature { .. })),
        "{verdict:?}"
    );
    spec.key_usage = None;
    assert!(site.verdict_of_delegate(&site.ca, &spec).is_ok());
}

#[test]
fn a_delegate_may_answer_from_its_first_to_its_last_second_give_or_take_the_tolerance() {
    let site = Site::new();
    let mut spec = delegate_spec();
    (spec.not_before, spec.not_after) = (noon().plus_seconds(TOLERANCE), Time::MAX);
    assert!(site.verdict_of_delegate(&site.ca, &spec).is_ok());
    spec.not_before = noon().plus_seconds(TOLERANCE + 1);
    let verdict = site.verdict_of_delegate(&site.ca, &spec);
    assert!(
        matches!(verdict, Err(ResponseDefect::SignerNotYetValid { .. })),
        "{verdict:?}"
    );
    spec.not_before = Time::from_unix(0);
    spec.not_after = noon().plus_seconds(-TOLERANCE);
    assert!(site.verdict_of_delegate(&site.ca, &spec).is_ok());
    spec.not_after = noon().plus_seconds(-TOLERANCE - 1);
    let verdict = site.verdict_of_delegate(&site.ca, &spec);
    assert!(
        matches!(verdict, Err(ResponseDefect::SignerExpired { .. })),
        "{verdict:?}"
    );
}

#[test]
fn a_delegate_certified_again_may_answer_though_its_old_certificate_came_along_first() {
    let site = Site::new();
    let mut spec = delegate_spec();
    spec.not_after = noon().plus_seconds(-86_400);
    let info = site.delegate.key.public_key_info();
    let mut forged = Forged::good(&site);
    forged.certificates.insert(0, site.ca.issue(&spec, &info));
    assert!(site.verdict(&forged).is_ok());
}

#[test]
fn more_certificates_than_the_bound_are_not_tried() {
    let site = Site::new();
    let mut forged = Forged::good(&site);
    forged.certificates = vec![site.delegate.certificate.clone(); CERTIFICATES_MAX];
    assert!(site.verdict(&forged).is_ok());
    forged.certificates.push(vec![0x30, 0x00]);
    let count = CERTIFICATES_MAX + 1;
    assert_eq!(
        site.verdict(&forged),
        Err(ResponseDefect::TooManyCertificates { count })
    );
}

#[test]
fn what_was_not_asked_and_what_was_not_answered_are_noticed() {
    let site = Site::new();
    let other = cert_id(HashAlgorithm::Sha1, &site.ca, SERIAL_REVOKED);
    let response = Forged::good(&site).der(&site);
    let verdict = site.check(&[&other]).run(&response);
    assert!(
        matches!(verdict, Err(ResponseDefect::NotAsked { .. })),
        "{verdict:?}"
    );
    let verdict = site.check(&[&site.asked, &other]).run(&response);
    assert_eq!(verdict, Err(ResponseDefect::NotAnswered { place: 1 }));
    // The same certificate under another hash is another question.
    let sha256 = cert_id(HashAlgorithm::Sha256, &site.ca, SERIAL_GOOD);
    let verdict = site.check(&[&sha256]).run(&response);
    assert!(
        matches!(verdict, Err(ResponseDefect::NotAsked { .. })),
        "{verdict:?}"
    );
}

#[test]
fn two_answers_about_one_certificate_must_agree() {
    let site = Site::new();
    let mut forged = Forged::good(&site);
    forged.statuses = vec![GOOD, GOOD];
    assert!(site.verdict(&forged).is_ok());
    forged.statuses = vec![GOOD, UNKNOWN];
    assert!(matches!(
        site.verdict(&forged),
        Err(ResponseDefect::Contradiction { .. })
    ));
}

#[test]
fn a_nonce_must_be_the_one_sent_and_may_be_missing_where_the_client_allows_it() {
    let site = Site::new();
    let mut nonce = Vec::new();
    push(&mut nonce, tag::OCTET_STRING, &[7; 16]);
    let mut with_nonce = Forged::good(&site);
    with_nonce.extensions = extension(oid::OCSP_NONCE, false, &nonce);
    let without = Forged::good(&site);
    let verdict = |forged: &Forged, sent: Option<&[u8]>, missing_nonce| {
        ResponseCheck {
            nonce: sent,
            missing_nonce,
            ..site.check(&[&site.asked])
        }
        .run(&forged.der(&site))
        .map(|verified| verified.has_nonce)
    };
    let (accepted, refused) = (MissingNonce::Accepted, MissingNonce::Refused);
    assert_eq!(verdict(&with_nonce, Some(&[7; 16]), refused), Ok(true));
    assert_eq!(verdict(&without, Some(&[7; 16]), accepted), Ok(false));
    assert_eq!(
        verdict(&without, Some(&[7; 16]), refused),
        Err(ResponseDefect::NonceMissing)
    );
    assert_eq!(
        verdict(&with_nonce, Some(&[8; 16]), accepted),
        Err(ResponseDefect::OtherNonce)
    );
    assert_eq!(
        verdict(&with_nonce, None, accepted),
        Err(ResponseDefect::NonceNotSent)
    );
}

#[test]
fn a_window_counts_to_the_second_give_or_take_the_tolerance() {
    let site = Site::new();
    let forged = Forged::good(&site);
    let at = |seconds: i64| {
        ResponseCheck {
            now: noon().plus_seconds(seconds),
            ..site.check(&[&site.asked])
        }
        .run(&forged.der(&site))
    };
    assert!(at(-TOLERANCE).is_ok());
    assert!(at(3_600 + TOLERANCE).is_ok());
    assert!(matches!(
        at(-TOLERANCE - 1),
        Err(ResponseDefect::ProducedLater { .. })
    ));
    assert!(matches!(
        at(3_600 + TOLERANCE + 1),
        Err(ResponseDefect::TooOld { .. })
    ));
}

#[test]
fn a_window_that_has_not_begun_or_is_reversed_is_noticed() {
    let site = Site::new();
    let mut forged = Forged::good(&site);
    forged.this_update = noon().plus_seconds(TOLERANCE + 1);
    assert!(matches!(
        site.verdict(&forged),
        Err(ResponseDefect::TooEarly { .. })
    ));
    forged.this_update = noon();
    forged.next_update = Some(noon().plus_seconds(-1));
    assert!(matches!(
        site.verdict(&forged),
        Err(ResponseDefect::WindowReversed { .. })
    ));
}

#[test]
fn without_next_update_it_is_up_to_the_client_how_old_is_too_old() {
    let site = Site::new();
    let mut forged = Forged::good(&site);
    forged.next_update = None;
    assert!(matches!(
        site.verdict(&forged),
        Err(ResponseDefect::NoNextUpdate { .. })
    ));
    let after = |seconds: i64| {
        ResponseCheck {
            missing_next_update: MissingNextUpdate::AgeMax(Duration::from_secs(600)),
            now: noon().plus_seconds(seconds),
            ..site.check(&[&site.asked])
        }
        .run(&forged.der(&site))
    };
    assert!(after(600 + TOLERANCE).is_ok());
    assert!(matches!(
        after(601 + TOLERANCE),
        Err(ResponseDefect::TooOld { .. })
    ));
}

#[test]
fn times_at_the_end_of_the_calendar_do_no_harm() {
    let site = Site::new();
    let mut forged = Forged::good(&site);
    (forged.this_update, forged.next_update) = (Time::MIN, Some(Time::MAX));
    let verdict = ResponseCheck {
        tolerance: Duration::MAX,
        missing_next_update: MissingNextUpdate::AgeMax(Duration::MAX),
        ..site.check(&[&site.asked])
    }
    .run(&forged.der(&site));
    assert!(verdict.is_ok());
}

#[test]
fn a_defect_reads_as_a_sentence_with_its_facts() {
    let site = Site::new();
    let verdict = site.verdict_of_delegate(&site.ca, &CertificateSpec::server("www.example.com"));
    assert_eq!(
        verdict.expect_err("no OCSPSigning").to_string(),
        "the signer CN=www.example.com lacks the extended key usage OCSPSigning"
    );
}

/// A CA, its delegate, and one CertID that was asked about.
struct Site {
    ca: Authority,
    issuer: OwnedCertificate,
    delegate: Credential,
    asked: Vec<u8>,
}

impl Site {
    fn new() -> Site {
        let ca = Authority::root("Verified CA", KeyKind::P256);
        Site {
            issuer: certificate(&ca),
            delegate: ca.issue_with_key(&delegate_spec(), KeyKind::P256),
            asked: cert_id(HashAlgorithm::Sha1, &ca, SERIAL_GOOD),
            ca,
        }
    }

    fn check<'a>(&'a self, cert_ids: &'a [&'a [u8]]) -> ResponseCheck<'a> {
        check(&self.issuer, cert_ids)
    }

    fn verdict(&self, forged: &Forged) -> Result<VerifiedResponse, ResponseDefect> {
        self.check(&[&self.asked]).run(&forged.der(self))
    }

    /// On a response that a delegate of `authority` signed.
    fn verdict_of_delegate(
        &self,
        authority: &Authority,
        spec: &CertificateSpec,
    ) -> Result<VerifiedResponse, ResponseDefect> {
        let delegate = authority.issue_with_key(spec, KeyKind::P256);
        let mut forged = Forged::good(self);
        forged.responder_id = by_key_hash(&delegate.certificate);
        forged.certificates = vec![delegate.certificate];
        self.check(&[&self.asked])
            .run(&forged.signed_by(&delegate.key))
    }
}

/// A delegate as it should be, whatever time it is.
fn delegate_spec() -> CertificateSpec {
    let mut spec = CertificateSpec::responder("delegate");
    (spec.not_before, spec.not_after) = (Time::from_unix(0), Time::MAX);
    spec
}

/// A client that insists on everything, one minute of tolerance, at noon.
fn check<'a>(issuer: &'a OwnedCertificate, cert_ids: &'a [&'a [u8]]) -> ResponseCheck<'a> {
    ResponseCheck {
        cert_ids,
        nonce: None,
        missing_nonce: MissingNonce::Refused,
        missing_next_update: MissingNextUpdate::Refused,
        issuer,
        now: noon(),
        tolerance: Duration::from_secs(TOLERANCE.unsigned_abs()),
    }
}

const TOLERANCE: i64 = 60;

fn certificate(authority: &Authority) -> OwnedCertificate {
    OwnedCertificate::from_der(authority.certificate.clone()).expect("well-formed")
}

fn slices(octets: &[Vec<u8>]) -> Vec<&[u8]> {
    octets.iter().map(Vec::as_slice).collect()
}

/// A response in parts, to be changed before it is signed.
struct Forged {
    responder_id: Vec<u8>,
    cert_id: Vec<u8>,
    /// One SingleResponse for each.
    statuses: Vec<[u8; 2]>,
    this_update: Time,
    next_update: Option<Time>,
    single_extensions: Vec<u8>,
    extensions: Vec<u8>,
    algorithm: SignatureAlgorithm,
    certificates: Vec<Vec<u8>>,
}

const GOOD: [u8; 2] = [tag::context_primitive(0), 0];
const UNKNOWN: [u8; 2] = [tag::context_primitive(2), 0];

impl Forged {
    fn good(site: &Site) -> Forged {
        Forged {
            responder_id: by_key_hash(&site.delegate.certificate),
            cert_id: site.asked.clone(),
            statuses: vec![GOOD],
            this_update: noon(),
            next_update: Some(noon().plus_seconds(3_600)),
            single_extensions: Vec::new(),
            extensions: Vec::new(),
            algorithm: SignatureAlgorithm::EcdsaSha256,
            certificates: vec![site.delegate.certificate.clone()],
        }
    }

    fn der(&self, site: &Site) -> Vec<u8> {
        self.signed_by(&site.delegate.key)
    }

    fn signed_by(&self, key: &TestKey) -> Vec<u8> {
        let mut data = Vec::new();
        push_nested(&mut data, tag::SEQUENCE, |out| {
            out.extend_from_slice(&self.responder_id);
            push_time(out, noon());
            push_nested(out, tag::SEQUENCE, |out| {
                for status in &self.statuses {
                    self.push_single(out, *status);
                }
            });
            push_extensions(out, &self.extensions);
        });
        let signature = [&[0][..], &key.sign(&data)].concat();
        let mut basic = Vec::new();
        push_nested(&mut basic, tag::SEQUENCE, |out| {
            out.extend_from_slice(&data);
            out.extend_from_slice(self.algorithm.der());
            push(out, tag::BIT_STRING, &signature);
            if !self.certificates.is_empty() {
                push_nested(out, tag::context(0), |out| {
                    push(out, tag::SEQUENCE, &self.certificates.concat());
                });
            }
        });
        let mut response = Vec::new();
        push_nested(&mut response, tag::SEQUENCE, |out| {
            push(out, tag::ENUMERATED, &[0]);
            push_nested(out, tag::context(0), |out| {
                push_nested(out, tag::SEQUENCE, |out| {
                    push(out, tag::OID, oid::OCSP_BASIC);
                    push(out, tag::OCTET_STRING, &basic);
                });
            });
        });
        response
    }

    fn push_single(&self, out: &mut Vec<u8>, status: [u8; 2]) {
        push_nested(out, tag::SEQUENCE, |out| {
            out.extend_from_slice(&self.cert_id);
            out.extend_from_slice(&status);
            push_time(out, self.this_update);
            if let Some(next_update) = self.next_update {
                push_nested(out, tag::context(0), |out| push_time(out, next_update));
            }
            push_extensions(out, &self.single_extensions);
        });
    }
}

fn push_time(out: &mut Vec<u8>, time: Time) {
    push(out, tag::GENERALIZED_TIME, &time.to_generalized());
}

fn push_extensions(out: &mut Vec<u8>, extensions: &[u8]) {
    if !extensions.is_empty() {
        push_nested(out, tag::context(1), |out| {
            push(out, tag::SEQUENCE, extensions);
        });
    }
}

fn extension(identifier: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    ocspry_testkit::extension(identifier, critical, value)
}

fn by_key_hash(certificate: &[u8]) -> Vec<u8> {
    let view = Certificate::from_der(certificate).expect("well-formed");
    let hash = ocspry_core::crypto::digest(HashAlgorithm::Sha1, view.public_key.key_bits);
    let mut der = Vec::new();
    push_nested(&mut der, tag::context(2), |out| {
        push(out, tag::OCTET_STRING, hash.as_ref());
    });
    der
}

fn by_name_of(certificate: &[u8]) -> Vec<u8> {
    let view = Certificate::from_der(certificate).expect("well-formed");
    let mut der = Vec::new();
    push(&mut der, tag::context(1), view.subject);
    der
}
