//! Which keys and certificates may answer for an issuer, and what is said of those that may not.

mod fixture;

use fixture::{KeySigner, authority, noon};
use ocspry_core::{
    CredentialError, CredentialKind, CredentialWarning, Issuer, NoncePolicy, OwnedCertificate,
    Policy, ResponderCredential, SignError, Signer, SigningSpeed,
};
use ocspry_testkit::{Authority, CertificateSpec, Credential, KeyKind, TestKey};
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
fn a_proper_delegate_is_taken_without_a_word() {
    let (ca, issuer) = ca();
    let warnings = offer(ca.issue_with_key(&spec(), KeyKind::P256), &issuer).expect("taken");
    assert_eq!(warnings, []);
}

#[test]
fn a_delegate_without_the_right_to_answer_is_refused() {
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
fn a_delegate_of_another_name_or_another_key_is_refused() {
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
fn an_expired_or_early_delegate_is_refused() {
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
fn a_key_that_does_not_fit_is_refused() {
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
fn the_first_signature_of_a_key_is_verified() {
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
        fn sign(&self, _: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
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
fn a_delegate_without_nocheck_is_taken_with_a_warning() {
    let (ca, issuer) = ca();
    let mut spec = spec();
    spec.ocsp_nocheck = false;
    let warnings = offer(ca.issue_with_key(&spec, KeyKind::P256), &issuer).expect("taken");
    assert!(
        matches!(warnings[..], [CredentialWarning::NoOcspNocheck { .. }]),
        "{warnings:?}"
    );
}

#[test]
fn the_issuers_own_certificate_offered_as_a_delegate_is_the_issuer() {
    let (ca, issuer) = ca();
    let key = TestKey::from_pkcs8_der(&ca.key.pkcs8_der(), KeyKind::P256);
    let certificate = OwnedCertificate::from_der(ca.certificate.clone()).expect("well-formed");
    let (credential, _) =
        ResponderCredential::delegated(certificate, Arc::new(KeySigner::new(key)), &issuer, noon())
            .expect("taken");
    assert_eq!(credential.kind(), CredentialKind::Issuer);
}
