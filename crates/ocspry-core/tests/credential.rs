//! Which keys and certificates may answer for an issuer, and what is said of those that may not.

mod fixture;

use fixture::{KeySigner, authority, noon};
use ocspry_core::{
    CredentialError, CredentialKind, CredentialWarning, Issuer, NoncePolicy, OwnedCertificate,
    Policy, ResponderCredential, SignError, Signer, SigningSpeed,
};
use ocspry_testkit::{Authority, CertificateSpec, Credential, KeyKind, TestKey, extension};
use ocspry_wire::der::oid;
use ocspry_wire::x509::SignatureAlgorithm;
use std::sync::Arc;

fn ca() -> (Authority, Issuer) {
    authority(
        "CA",
        KeyKind::P256,
        90 * 86_400,
        Policy {
            validity: None,
            nonce: NoncePolicy::Echo,
            ..Policy::DEFAULT
        },
    )
}

fn spec() -> CertificateSpec {
    let mut spec = CertificateSpec::responder("responder");
    (spec.not_before, spec.not_after) = (noon().plus_seconds(-100), noon().plus_seconds(100));
    spec
}

fn offer(delegate: Credential, issuer: &Issuer) -> Result<Vec<CredentialWarning>, CredentialError> {
    let certificate = OwnedCertificate::from_der(delegate.certificate).expect("well-formed");
    let signer = Arc::new(KeySigner::new(delegate.key));
    ResponderCredential::delegated(certificate, signer, issuer, noon())
        .map(|(_, warnings)| warnings)
}

#[test]
fn sig_11_a_proper_delegate_is_taken_without_a_word() {
    let (ca, issuer) = ca();
    let warnings = offer(ca.issue_with_key(&spec(), KeyKind::P256), &issuer).expect("taken");
    assert_eq!(warnings, []);
}

#[test]
fn sig_06_a_delegate_without_the_right_to_answer_is_refused() {
    let (ca, issuer) = ca();
    let mut no_purpose = spec();
    no_purpose.ext_key_usage.clear();
    let refused =
        offer(ca.issue_with_key(&no_purpose, KeyKind::P256), &issuer).expect_err("refused");
    assert!(
        matches!(refused, CredentialError::NoOcspSigning { .. }),
        "{refused}"
    );

    let mut no_signatures = spec();
    no_signatures.key_usage = Some(0x20);
    let refused =
        offer(ca.issue_with_key(&no_signatures, KeyKind::P256), &issuer).expect_err("refused");
    assert!(
        matches!(refused, CredentialError::NoDigitalSignature { .. }),
        "{refused}"
    );

    let mut a_ca = spec();
    a_ca.is_ca = true;
    let refused = offer(ca.issue_with_key(&a_ca, KeyKind::P256), &issuer).expect_err("refused");
    assert!(
        matches!(refused, CredentialError::CaCertificate { .. }),
        "{refused}"
    );
}

#[test]
fn sig_07_a_delegate_of_another_name_or_another_key_is_refused() {
    let (_, issuer) = ca();
    let other_name = authority(
        "Other",
        KeyKind::P256,
        86_400,
        Policy {
            validity: None,
            nonce: NoncePolicy::Echo,
            ..Policy::DEFAULT
        },
    )
    .0;
    let refused =
        offer(other_name.issue_with_key(&spec(), KeyKind::P256), &issuer).expect_err("refused");
    assert!(
        matches!(refused, CredentialError::OtherIssuer { .. }),
        "{refused}"
    );

    let same_name = ca().0;
    let refused =
        offer(same_name.issue_with_key(&spec(), KeyKind::P256), &issuer).expect_err("refused");
    assert!(
        matches!(refused, CredentialError::OtherIssuerKey { .. }),
        "{refused}"
    );
}

#[test]
fn sig_05_an_expired_or_early_delegate_is_refused() {
    let (ca, issuer) = ca();
    let mut expired = spec();
    expired.not_after = noon().plus_seconds(-1);
    let refused = offer(ca.issue_with_key(&expired, KeyKind::P256), &issuer).expect_err("refused");
    assert!(
        matches!(refused, CredentialError::Expired { .. }),
        "{refused}"
    );
    let mut early = spec();
    early.not_before = noon().plus_seconds(1);
    let refused = offer(ca.issue_with_key(&early, KeyKind::P256), &issuer).expect_err("refused");
    assert!(
        matches!(refused, CredentialError::NotYetValid { .. }),
        "{refused}"
    );
}

#[test]
fn sig_08_a_key_that_does_not_fit_is_refused() {
    let (ca, issuer) = ca();
    let mut delegate = ca.issue_with_key(&spec(), KeyKind::P256);
    delegate.key = TestKey::generate(KeyKind::P256);
    let refused = offer(delegate, &issuer).expect_err("refused");
    assert!(
        matches!(refused, CredentialError::KeyMismatch { .. }),
        "{refused}"
    );
}

#[test]
fn sig_01_the_first_signature_of_a_key_is_verified() {
    /// Claims the right key and signs nonsense, as a broken token would.
    struct Nonsense(Vec<u8>);
    impl Signer for Nonsense {
        fn algorithm(&self) -> SignatureAlgorithm {
            SignatureAlgorithm::EcdsaSha256
        }
        fn public_key_info(&self) -> &[u8] {
            &self.0
        }
        fn speed(&self) -> SigningSpeed {
            SigningSpeed::Inline
        }
        fn sign(
            &self,
            _: SignatureAlgorithm,
            _: &[u8],
            signature: &mut Vec<u8>,
        ) -> Result<(), SignError> {
            signature.extend_from_slice(&[0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01]);
            Ok(())
        }
    }
    let (ca, issuer) = ca();
    let delegate = ca.issue_with_key(&spec(), KeyKind::P256);
    let certificate = OwnedCertificate::from_der(delegate.certificate).expect("well-formed");
    let signer = Arc::new(Nonsense(delegate.key.public_key_info()));
    let refused = ResponderCredential::delegated(certificate, signer, &issuer, noon())
        .map(|_| ())
        .expect_err("refused");
    assert!(
        matches!(refused, CredentialError::FirstSignature { .. }),
        "{refused}"
    );
}

#[test]
fn sig_11_a_delegate_without_nocheck_is_taken_with_a_warning() {
    let (ca, issuer) = ca();
    let mut spec = spec();
    spec.ocsp_nocheck = false;
    let warnings = offer(ca.issue_with_key(&spec, KeyKind::P256), &issuer).expect("taken");
    assert!(
        matches!(warnings[..], [CredentialWarning::NoOcspNocheck { .. }]),
        "{warnings:?}"
    );
}

/// Asks for a delegate with one thing changed, and expects this one warning.
fn assert_warned(change: impl Fn(&mut CertificateSpec), expected: &str) {
    let (ca, issuer) = ca();
    let mut spec = spec();
    change(&mut spec);
    let warnings = offer(ca.issue_with_key(&spec, KeyKind::P256), &issuer).expect("taken");
    let [warning] = &warnings[..] else {
        panic!("{expected}: {warnings:?}");
    };
    let sentence = warning.to_string();
    assert!(sentence.contains(expected), "{expected}: {sentence}");
    assert!(sentence.contains("responder"), "names it: {sentence}");
}

#[test]
fn sig_11_each_oddity_of_a_delegates_profile_is_told_once_with_what_to_do() {
    const CLIENT_AUTH: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];
    /// AuthorityInfoAccess with id-ad-ocsp and a URI.
    const OCSP_URL: &[u8] = b"\x30\x10\x30\x0e\x06\x08\x2b\x06\x01\x05\x05\x07\x30\x01\x86\x02a:";
    let not_null = extension(oid::OCSP_NOCHECK, false, &[0x04, 0x00]);
    let not_critical = extension(oid::KEY_USAGE, false, &[0x03, 0x02, 0x07, 0x80]);
    let access = extension(oid::AUTHORITY_INFO_ACCESS, false, OCSP_URL);
    let points = extension(oid::CRL_DISTRIBUTION_POINTS, false, &[0x30, 0x00]);
    assert_warned(
        |spec| {
            spec.ocsp_nocheck = false;
            spec.more_extensions = vec![not_null.clone()];
        },
        "not NULL",
    );
    assert_warned(
        |spec| spec.ext_key_usage.push(CLIENT_AUTH),
        "beside OCSPSigning",
    );
    assert_warned(|spec| spec.key_usage = None, "no critical key usage");
    assert_warned(
        |spec| {
            spec.key_usage = None;
            spec.more_extensions = vec![not_critical.clone()];
        },
        "no critical key usage",
    );
    assert_warned(|spec| spec.key_usage = Some(0xa0), "more key usages");
    assert_warned(
        |spec| spec.dns_name = Some("ocsp.example".to_owned()),
        "subjectAltName",
    );
    assert_warned(
        |spec| spec.more_extensions = vec![points.clone()],
        "CRL distribution points",
    );
    assert_warned(
        |spec| spec.more_extensions = vec![access.clone()],
        "its own status",
    );
    assert_warned(
        |spec| spec.authority_key_id = false,
        "authorityKeyIdentifier",
    );
}

#[test]
fn rsp_13_a_signer_whose_answers_are_too_large_for_small_fields_is_told() {
    let large = |octets: usize| {
        let (ca, issuer) = ca();
        let mut spec = spec();
        spec.subject = "x".repeat(octets);
        offer(ca.issue_with_key(&spec, KeyKind::P256), &issuer).expect("taken")
    };
    assert_eq!(large(2_000), []);
    let warnings = large(4_000);
    let [CredentialWarning::LargeAnswer { octets, .. }] = warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!((4_600..5_000).contains(&octets), "{octets}");
}

#[test]
fn sig_03_the_issuers_own_certificate_offered_as_a_delegate_is_the_issuer() {
    let (ca, issuer) = ca();
    let key = TestKey::from_pkcs8_der(&ca.key.pkcs8_der(), KeyKind::P256);
    let certificate = OwnedCertificate::from_der(ca.certificate.clone()).expect("well-formed");
    let (credential, _) =
        ResponderCredential::delegated(certificate, Arc::new(KeySigner::new(key)), &issuer, noon())
            .expect("taken");
    assert_eq!(credential.kind(), CredentialKind::Issuer);
}
