//! A responder for one CA (or two), as a value, with a clock that stands still.

#![allow(
    dead_code,
    clippy::allow_attributes,
    reason = "each test binary uses its part"
)]

use bytes::BytesMut;
use ocspry_core::{
    Answer, Issuer, IssuerSet, NoncePolicy, Outcome, OwnedCertificate, Policy, Responder,
    ResponderCredential, SignError, Signer, SigningPool, SigningSpeed, SourceInfo, StatusTable,
    StatusTableBuilder, ValidityWindow,
};
use ocspry_testkit::{Authority, CertificateSpec, KeyKind, Reply, TestKey};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::{SerialNumber, SignatureAlgorithm};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};

/// A serial that is on no list.
pub(crate) const SERIAL_GOOD: &[u8] = &[0x10, 0x01];
/// A serial that every fixture's list revokes.
pub(crate) const SERIAL_REVOKED: &[u8] = &[0x20, 0x02];

/// What time it is in these tests.
pub(crate) fn noon() -> Time {
    Time::from_unix(1_800_000_000)
}

/// A responder and the CA it answers for.
pub(crate) struct Fixture {
    pub(crate) ca: Authority,
    pub(crate) other: Option<Authority>,
    pub(crate) responder: Responder,
}

impl Fixture {
    pub(crate) fn new(kind: KeyKind) -> Fixture {
        Self::build(kind, true, 86_400, 30 * 86_400, 90 * 86_400, echo())
    }

    pub(crate) fn issuer_signed(kind: KeyKind) -> Fixture {
        Self::build(kind, false, 86_400, 30 * 86_400, 90 * 86_400, echo())
    }

    pub(crate) fn with_policy(policy: Policy) -> Fixture {
        Self::build(
            KeyKind::P256,
            true,
            86_400,
            30 * 86_400,
            90 * 86_400,
            policy,
        )
    }

    /// All in seconds after noon.
    pub(crate) fn with_limits(list: i64, signer: i64, issuer: i64, policy: Policy) -> Fixture {
        Self::build(KeyKind::P256, true, list, signer, issuer, policy)
    }

    /// Its first signature is real, all others repeat it: nothing but our own code runs.
    pub(crate) fn with_stored_signature() -> Fixture {
        let (ca, issuer) = authority("Core Test CA", KeyKind::P256, 90 * 86_400, echo());
        let key = TestKey::from_pkcs8_der(&ca.key.pkcs8_der(), KeyKind::P256);
        let signer = StoredSignature {
            inner: KeySigner::new(key),
            stored: OnceLock::new(),
        };
        let (credential, _) =
            ResponderCredential::issuer(Arc::new(signer), &issuer, noon()).expect("it fits");
        issuer.set_credential(Some(Arc::new(credential)));
        issuer.set_table(Some(Arc::new(table(86_400))));
        Fixture {
            ca,
            other: None,
            responder: responder(vec![Arc::new(issuer)]),
        }
    }

    pub(crate) fn two_issuers() -> Fixture {
        let mut fixture = Self::new(KeyKind::P256);
        let (other, issuer) = authority("The other CA", KeyKind::P256, 90 * 86_400, echo());
        issuer.set_table(Some(Arc::new(table(86_400))));
        let first = Arc::clone(fixture.responder.issuers().iter().next().expect("one"));
        fixture.responder = responder(vec![first, Arc::new(issuer)]);
        fixture.other = Some(other);
        fixture
    }

    fn build(
        kind: KeyKind,
        delegated: bool,
        list: i64,
        signer: i64,
        ca: i64,
        policy: Policy,
    ) -> Fixture {
        let (ca, issuer) = authority("Core Test CA", kind, ca, policy);
        let now = noon().plus_seconds(-60);
        let (credential, warnings) = if delegated {
            let mut spec = CertificateSpec::responder("responder");
            (spec.not_before, spec.not_after) =
                (noon().plus_seconds(-86_400), noon().plus_seconds(signer));
            let delegate = ca.issue_with_key(&spec, kind);
            let certificate =
                OwnedCertificate::from_der(delegate.certificate).expect("well-formed");
            ResponderCredential::delegated(
                certificate,
                Arc::new(KeySigner::new(delegate.key)),
                &issuer,
                now,
            )
        } else {
            let key = TestKey::from_pkcs8_der(&ca.key.pkcs8_der(), kind);
            ResponderCredential::issuer(Arc::new(KeySigner::new(key)), &issuer, now)
        }
        .expect("a credential that fits");
        assert_eq!(warnings, []);
        issuer.set_credential(Some(Arc::new(credential)));
        issuer.set_table(Some(Arc::new(table(list))));
        Fixture {
            ca,
            other: None,
            responder: responder(vec![Arc::new(issuer)]),
        }
    }

    /// Reads an answer as a careful client does.
    pub(crate) fn check(&self, answer: &Answer) -> Reply {
        Reply::check(&body(answer), &self.ca)
    }
}

fn echo() -> Policy {
    Policy {
        validity: None,
        nonce: NoncePolicy::Echo,
    }
}

fn responder(issuers: Vec<Arc<Issuer>>) -> Responder {
    let pool = SigningPool::start(1, 8).expect("a thread");
    Responder::new(IssuerSet::new(issuers).expect("distinct issuers"), pool)
}

/// A CA valid from a day before noon until `ends` seconds after it.
pub(crate) fn authority(
    name: &str,
    kind: KeyKind,
    ends: i64,
    policy: Policy,
) -> (Authority, Issuer) {
    let mut spec = CertificateSpec::authority(name);
    (spec.not_before, spec.not_after) = (noon().plus_seconds(-86_400), noon().plus_seconds(ends));
    let ca = Authority::root_from(&spec, TestKey::generate(kind));
    let certificate = OwnedCertificate::from_der(ca.certificate.clone()).expect("well-formed");
    let issuer = Issuer::new(name.to_owned(), certificate, policy);
    (ca, issuer)
}

fn table(ends: i64) -> StatusTable {
    let mut builder = StatusTableBuilder::revoked_only();
    let serial = SerialNumber::from_content(SERIAL_REVOKED).expect("short");
    builder.revoked(
        &serial,
        RevokedInfo {
            revocation_time: noon().plus_seconds(-5_000),
            reason: Some(CrlReason::KeyCompromise),
            invalidity_date: Some(noon().plus_seconds(-90_000)),
        },
    );
    let window = ValidityWindow {
        this_update: noon().plus_seconds(-60),
        next_update: noon().plus_seconds(ends),
    };
    let source = SourceInfo {
        origin: "test".to_owned(),
        crl_number: None,
        digest: [0; 32],
    };
    builder.build(window, source)
}

/// A test key as a signer; RSA and the big curves go through the pool, as in production.
pub(crate) struct KeySigner {
    key: TestKey,
    public_key_info: Vec<u8>,
}

impl KeySigner {
    pub(crate) fn new(key: TestKey) -> KeySigner {
        KeySigner {
            public_key_info: key.public_key_info(),
            key,
        }
    }
}

impl Signer for KeySigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.kind().signature_algorithm()
    }
    fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }
    fn speed(&self) -> SigningSpeed {
        match self.key.kind() {
            KeyKind::P256 | KeyKind::Ed25519 => SigningSpeed::Inline,
            KeyKind::Rsa2048 | KeyKind::P384 | KeyKind::P521 => SigningSpeed::Queued,
        }
    }
    fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
        signature.extend_from_slice(&self.key.sign(message));
        Ok(())
    }
}

/// Signs once.
struct StoredSignature {
    inner: KeySigner,
    stored: OnceLock<Vec<u8>>,
}

impl Signer for StoredSignature {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.inner.algorithm()
    }
    fn public_key_info(&self) -> &[u8] {
        self.inner.public_key_info()
    }
    fn speed(&self) -> SigningSpeed {
        SigningSpeed::Inline
    }
    fn sign(&self, message: &[u8], signature: &mut Vec<u8>) -> Result<(), SignError> {
        signature.extend_from_slice(self.stored.get_or_init(|| self.inner.key.sign(message)));
        Ok(())
    }
}

pub(crate) fn answer(fixture: &Fixture, request: &[u8]) -> (Answer, Outcome) {
    answer_at(fixture, request, noon())
}

pub(crate) fn answer_at(fixture: &Fixture, request: &[u8], now: Time) -> (Answer, Outcome) {
    let mut buffer = BytesMut::new();
    wait(fixture.responder.answer(request, now, &mut buffer))
}

pub(crate) fn body(answer: &Answer) -> Vec<u8> {
    match answer {
        Answer::Signed(response) => response.der.to_vec(),
        Answer::Error(status) => status.der().to_vec(),
    }
}

/// Runs a future on this thread until it is done.
pub(crate) fn wait<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
