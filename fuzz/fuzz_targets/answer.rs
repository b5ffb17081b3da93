//! `Responder::answer`: whatever is asked, what goes back is one of the five error bodies, or a signed response that
//! answers exactly what was asked, verifies, and says of each certificate what the table says.

#![no_main]

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use ocspry_core::{
    Answer, Issuer, IssuerSet, NoncePolicy, Outcome, OwnedCertificate, Policy, RecentAnswers,
    Responder, ResponderCredential, SignError, Signer, SigningPool, SigningSpeed, SourceInfo,
    StatusTableBuilder, ValidityWindow, crypto,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{
    CertStatus, CrlReason, ErrorStatus, OcspRequest, OcspResponse, RevokedInfo,
};
use ocspry_wire::x509::{SerialNumber, SignatureAlgorithm};

fuzz_target!(|input: &[u8]| {
    let mut buffer = BytesMut::new();
    let (answer, outcome) =
        poll_once(FIXTURE.answer(input, NOW, &RecentAnswers::default(), &mut buffer));
    let request = OcspRequest::from_der(input);
    let signed = match answer {
        Answer::Error(status) => {
            assert!(matches!(outcome, Outcome::Refused(_)));
            assert_eq!(status == ErrorStatus::MalformedRequest, request.is_err());
            return;
        }
        Answer::Signed(signed) => signed,
    };
    assert!(matches!(outcome, Outcome::Signed(_)));
    let request = request.expect("only a request is answered");

    let response = OcspResponse::from_der(&signed.der).expect("an answer parses");
    let basic = response.basic.expect("a signed answer has a body");
    let asked: Vec<_> = request
        .single_requests()
        .map(|single| single.cert_id)
        .collect();
    let answered: Vec<_> = basic
        .responses
        .iter()
        .map(|single| single.cert_id)
        .collect();
    assert_eq!(asked, answered);
    assert_eq!(basic.nonce, request.nonce.map(|nonce| nonce.octets()));
    assert_eq!(signed.digest.is_none(), request.nonce.is_some());
    assert_eq!(basic.produced_at, NOW);

    for single in &basic.responses {
        assert!(
            single.this_update <= NOW
                && single
                    .next_update
                    .is_some_and(|next_update| next_update > NOW)
        );
        let is_revoked = revoked_serials()
            .iter()
            .any(|serial| *serial == single.cert_id.serial_number);
        match single.cert_status {
            CertStatus::Good => assert!(!is_revoked),
            CertStatus::Revoked(info) => assert!(is_revoked && info == REVOKED),
            // Of another issuer, or under a hash that is not known.
            CertStatus::Unknown => assert!(FIXTURE.issuers().find(&single.cert_id).is_none()),
        }
    }

    let certificate = FIXTURE
        .issuers()
        .iter()
        .next()
        .expect("there is one")
        .certificate()
        .clone();
    let verified = crypto::verify(
        SignatureAlgorithm::from_der(basic.signature_algorithm),
        &certificate.view().public_key,
        basic.tbs_response_data,
        basic.signature,
    );
    assert_eq!(verified, Ok(()));
});

/// One issuer that signs its own answers, with two serials revoked.
static FIXTURE: LazyLock<Responder> = LazyLock::new(|| {
    let certificate =
        OwnedCertificate::from_der(ISSUER_CERTIFICATE.to_vec()).expect("a certificate");
    let policy = Policy {
        validity: None,
        nonce: NoncePolicy::Echo,
        ..Policy::DEFAULT
    };
    let issuer = Arc::new(Issuer::new("fixed".to_owned(), certificate, policy));
    let pair = Ed25519KeyPair::from_pkcs8(ISSUER_KEY).expect("a key");
    let public_key_info = [ED25519_PUBLIC_KEY_INFO, pair.public_key().as_ref()].concat();
    let signer = Arc::new(FixedSigner {
        pair,
        public_key_info,
    });
    let (credential, _) = ResponderCredential::issuer(signer, &issuer, NOW).expect("the key fits");
    issuer.set_credential(Some(Arc::new(credential)));

    let mut table = StatusTableBuilder::revoked_only();
    for serial in revoked_serials() {
        table.revoked(&serial, REVOKED);
    }
    let window = ValidityWindow {
        this_update: NOW.plus_seconds(-3_600),
        next_update: NOW.plus_seconds(86_400),
    };
    let source = SourceInfo {
        origin: "fixed".to_owned(),
        crl_number: None,
        digest: [0; 32],
        signature_algorithm: None,
    };
    issuer.set_table(Some(Arc::new(table.build(window, source))));

    let pool = SigningPool::start(1, 1).expect("a thread starts");
    Responder::new(IssuerSet::new(vec![issuer]).expect("one issuer"), pool)
});

fn revoked_serials() -> [SerialNumber; 2] {
    [&[0x12, 0x34][..], &[0x00, 0x80]]
        .map(|content| SerialNumber::from_content(content).expect("a serial"))
}

struct FixedSigner {
    pair: Ed25519KeyPair,
    public_key_info: Vec<u8>,
}

impl Signer for FixedSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Ed25519
    }

    fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }

    fn speed(&self) -> SigningSpeed {
        SigningSpeed::Inline
    }

    fn sign(
        &self,
        _algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        signature.extend_from_slice(self.pair.sign(message).as_ref());
        Ok(())
    }
}

/// A fast key never waits, so the first poll is the last.
fn poll_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("answer() waits for nothing but slow keys"),
    }
}

/// 2030-01-01T00:00:00Z.
const NOW: Time = Time::from_unix(1_893_456_000);

const REVOKED: RevokedInfo = RevokedInfo {
    revocation_time: Time::from_unix(1_767_323_045),
    reason: Some(CrlReason::KeyCompromise),
    invalidity_date: None,
};

const ISSUER_CERTIFICATE: &[u8] = include_bytes!("../issuer/certificate.der");
const ISSUER_KEY: &[u8] = include_bytes!("../issuer/key.der");

/// What stands before the 32 octets of the key (RFC 8410 §4).
const ED25519_PUBLIC_KEY_INFO: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
