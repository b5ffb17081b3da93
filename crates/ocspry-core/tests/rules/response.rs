//! What an answer looks like, octet for octet, and who signed it (RFC 6960 §4.2.1, §4.2.2).

use std::sync::Arc;

use crate::encode::{Parts, single};
use crate::fixture::{Fixture, KeySigner, SERIAL_GOOD, SERIAL_ON_HOLD, SERIAL_REVOKED, echo, noon};
use crate::strict::{self, BasicOcspResponse, CertStatus, CrlReason, ResponderId};
use crate::{ask, ask_octets};
use aws_lc_rs::digest;
use der::Encode as _;
use ocspry_core::{CredentialWarning, Issuer, OwnedCertificate, ResponderCredential};
use ocspry_testkit::{
    Authority, CertificateSpec, KeyKind, RequestSpec, TestKey, cert_id, nonce_extension,
};
use ocspry_wire::ocsp::HashAlgorithm;
use ocspry_wire::x509::Certificate;

/// Each class of answer: good, revoked, on hold, unknown beside ours, several, with a nonce.
fn each_class(fixture: &Fixture) -> Vec<Vec<u8>> {
    let ours = |serial: &[u8]| cert_id(HashAlgorithm::Sha256, &fixture.ca, serial);
    let stranger = Authority::root("Somebody else", KeyKind::P256);
    let foreign = cert_id(HashAlgorithm::Sha1, &stranger, SERIAL_GOOD);
    let mut requests: Vec<Vec<u8>> = [SERIAL_GOOD, SERIAL_REVOKED, SERIAL_ON_HOLD, &[0, 0x80]]
        .iter()
        .map(|serial| Parts::one(&ours(serial)).der())
        .collect();
    let several = [ours(SERIAL_GOOD), foreign, ours(SERIAL_REVOKED)];
    let several = Parts {
        singles: several.iter().map(|asked| single(asked, &[])).collect(),
        ..Parts::default()
    };
    requests.push(several.der());
    let with_nonce = Parts {
        extensions: vec![nonce_extension(&[0, 0xff, 0x80])],
        ..several
    };
    requests.push(with_nonce.der());
    requests
        .iter()
        .map(|request| ask_octets(fixture, request))
        .collect()
}

/// By a delegate and by the CA itself, with each kind of key.
fn each_signer() -> impl Iterator<Item = (KeyKind, Fixture)> {
    KeyKind::ALL.into_iter().flat_map(|kind| {
        [Fixture::new(kind), Fixture::issuer_signed(kind)].map(|fixture| (kind, fixture))
    })
}

fn good(fixture: &Fixture) -> BasicOcspResponse {
    let asked = cert_id(HashAlgorithm::Sha512, &fixture.ca, SERIAL_GOOD);
    strict::read(&ask_octets(fixture, &RequestSpec::one(asked).der()))
}

#[test]
fn rsp_01_rsp_02_rsp_03_tim_01_every_answer_is_strict_der_to_another_reader() {
    for (_, fixture) in each_signer() {
        for octets in each_class(&fixture) {
            // It takes no version, no other type, and no time but YYYYMMDDHHMMSSZ.
            let basic = strict::read(&octets);
            assert_eq!(basic.signature.unused_bits(), 0);
            for single in &basic.tbs_response_data.responses {
                assert!(single.next_update.is_some());
            }
        }
    }
}

#[test]
fn rsp_04_rsp_05_the_responder_is_named_by_the_sha_1_of_its_key() {
    for (kind, fixture) in each_signer() {
        let basic = good(&fixture);
        let enclosed = basic.certs.map(|certs| certs[0].to_der().expect("DER"));
        let signer = enclosed.as_ref().unwrap_or(&fixture.ca.certificate);
        let signer = Certificate::from_der(signer).expect("a certificate");
        let expected = digest::digest(
            &digest::SHA1_FOR_LEGACY_USE_ONLY,
            signer.public_key.key_bits,
        );
        match &basic.tbs_response_data.responder_id {
            ResponderId::ByKey(hash) => assert_eq!(hash.as_bytes(), expected.as_ref(), "{kind:?}"),
            ResponderId::ByName(name) => panic!("{kind:?}: {name:?}"),
        }
    }
}

#[test]
fn rsp_06_rsp_07_rsp_08_rsp_09_what_was_asked_is_answered_once_each_and_nothing_else() {
    let fixture = Fixture::new(KeyKind::P256);
    let asked: Vec<Vec<u8>> = [
        (HashAlgorithm::Sha1, SERIAL_REVOKED),
        (HashAlgorithm::Sha256, SERIAL_REVOKED),
        (HashAlgorithm::Sha1, SERIAL_GOOD),
        (HashAlgorithm::Sha256, SERIAL_GOOD),
        (HashAlgorithm::Sha256, SERIAL_GOOD),
        (HashAlgorithm::Sha384, SERIAL_ON_HOLD),
    ]
    .map(|(hash, serial)| cert_id(hash, &fixture.ca, serial))
    .to_vec();
    for count in 1..=asked.len() {
        let request = RequestSpec {
            cert_ids: asked[..count].to_vec(),
            extensions: Vec::new(),
        };
        let reply = ask(&fixture, &request.der()).signed();
        let answered: Vec<_> = reply
            .singles
            .iter()
            .map(|line| line.cert_id.clone())
            .collect();
        assert_eq!(answered, asked[..count]);
        if count == asked.len() {
            assert_eq!(reply.singles[0].status, reply.singles[1].status);
            assert_eq!(reply.singles[2].status, reply.singles[3].status);
            assert_ne!(reply.singles[1].status, reply.singles[2].status);
        }
    }
}

#[test]
fn rsp_10_rsp_14_sig_02_the_delegate_alone_is_enclosed_and_nothing_when_the_ca_signs() {
    let basic = good(&Fixture::new(KeyKind::P256));
    assert_eq!(basic.certs.map(|certs| certs.len()), Some(1));
    let basic = good(&Fixture::issuer_signed(KeyKind::P256));
    assert!(basic.certs.is_none(), "absent, not empty");
}

#[test]
fn alg_01_each_key_names_its_algorithm_as_the_standards_write_it() {
    for (kind, fixture) in each_signer() {
        let basic = good(&fixture);
        let algorithm = basic.signature_algorithm;
        let (identifier, has_null) = match kind {
            KeyKind::Rsa2048 => ("1.2.840.113549.1.1.11", true),
            KeyKind::P256 => ("1.2.840.10045.4.3.2", false),
            KeyKind::P384 => ("1.2.840.10045.4.3.3", false),
            KeyKind::P521 => ("1.2.840.10045.4.3.4", false),
            KeyKind::Ed25519 => ("1.3.101.112", false),
        };
        assert_eq!(algorithm.algorithm.to_string(), identifier, "{kind:?}");
        assert_eq!(algorithm.parameters.is_some(), has_null, "{kind:?}");
        if let Some(parameters) = algorithm.parameters {
            assert!(parameters.is_null(), "{kind:?}");
        }
    }
}

#[test]
fn sta_03_ext_06_a_reason_stands_in_the_status_and_in_no_extension() {
    let fixture = Fixture::new(KeyKind::P256);
    for (serial, expected) in [
        (SERIAL_REVOKED, CrlReason::KeyCompromise),
        (SERIAL_ON_HOLD, CrlReason::CertificateHold),
    ] {
        let asked = cert_id(HashAlgorithm::Sha1, &fixture.ca, serial);
        let basic = strict::read(&ask_octets(&fixture, &RequestSpec::one(asked).der()));
        match &basic.tbs_response_data.responses[0].cert_status {
            CertStatus::Revoked(info) => assert_eq!(info.revocation_reason, Some(expected)),
            other => panic!("{other:?}"),
        }
        for extension in basic.extensions() {
            assert_eq!(extension.extn_id.to_string(), "2.5.29.24", "invalidityDate");
        }
    }
}

#[test]
fn ext_09_no_extension_of_any_answer_is_critical() {
    let mut count = 0;
    for (_, fixture) in each_signer() {
        for octets in each_class(&fixture) {
            for extension in strict::read(&octets).extensions() {
                assert!(!extension.critical, "{extension:?}");
                count += 1;
            }
        }
    }
    assert!(count > 0);
}

#[test]
fn sig_04_a_ca_that_may_not_sign_data_answers_with_a_warning() {
    let mut spec = CertificateSpec::authority("CA without digitalSignature");
    spec.key_usage = Some(0x06);
    spec.not_before = noon().plus_seconds(-100);
    let ca = Authority::root_from(&spec, TestKey::generate(KeyKind::P256));
    let certificate = OwnedCertificate::from_der(ca.certificate.clone()).expect("well-formed");
    let issuer = Issuer::new("ca".to_owned(), certificate, echo());
    let key = TestKey::from_pkcs8_der(&ca.key.pkcs8_der(), KeyKind::P256);
    let (_, warnings) =
        ResponderCredential::issuer(Arc::new(KeySigner::new(key)), &issuer, noon()).expect("taken");
    assert!(
        matches!(
            warnings[..],
            [CredentialWarning::IssuerWithoutDigitalSignature { .. }]
        ),
        "{warnings:?}"
    );
}

#[test]
fn rsp_13_answers_of_every_key_fit_into_5500_base64_characters() {
    for (kind, fixture) in each_signer() {
        let asked = cert_id(HashAlgorithm::Sha512, &fixture.ca, SERIAL_REVOKED);
        let octets = ask_octets(&fixture, &RequestSpec::one(asked).der());
        assert!(octets.len() <= 4125, "{kind:?}: {}", octets.len());
    }
}
