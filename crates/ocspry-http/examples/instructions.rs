//! Does each operation of the hit path many times, so that its instructions can be counted one by one.
//!
//! From: `cargo xtask counts`, which runs this under callgrind.  To: a line for each call of [`measured`], its name and
//! how often it did the operation; callgrind writes what it counted between the beginning and the end of that call, and
//! nothing of the setting-up around it.  Each operation is called twice, for so many times and for twice as many: what is
//! the difference belongs to the operation, and to nothing that happens once.
//!
//! One operation more: a call of `count` in [`main`], and `cargo xtask counts --write`.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use ocspry_core::{
    Answer, Client, Effort, Endpoint, Issuer, IssuerSet, Lookup, NoncePolicy, OwnedCertificate,
    Policy, PoolLimits, Question, RecentAnswers, Responder, ResponderCredential, SignError, Signer,
    SigningPool, SigningSpeed, SourceInfo, StatusTable, StatusTableBuilder, ValidityWindow,
};
use ocspry_http::framing::{BodyPlace, Framing, Next};
use ocspry_http::get_path::{GetBuffers, GetPath, decode};
use ocspry_http::head;
use ocspry_testkit::{
    Authority, CertificateSpec, KeyKind, RequestSpec, TestKey, base64_path, cert_id,
    nonce_extension, percent_encoded,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, HashAlgorithm, OcspRequest, RevokedInfo};
use ocspry_wire::x509::{SerialNumber, SignatureAlgorithm};

fn main() {
    let site = Site::new();
    let plain = site.request(&serial(LISTED_COUNT), &[]);
    let revoked = site.request(&serial(0), &[]);
    let nonce = site.request(&serial(LISTED_COUNT), &[7; 32]);
    let nonce_revoked = site.request(&serial(0), &[7; 32]);

    count("decode: one CertID, SHA-1", || {
        black_box(OcspRequest::from_der(black_box(&plain))).expect("well-formed");
    });
    count("decode: the same with a nonce of 32 octets", || {
        black_box(OcspRequest::from_der(black_box(&nonce))).expect("well-formed");
    });

    let path = base64_path(&plain);
    let escaped = percent_encoded(&path);
    let mut buffers = GetBuffers::default();
    let mut read = |path: &str| {
        let found = decode(black_box(path.as_bytes()), &mut buffers);
        assert!(matches!(black_box(found), GetPath::Request(_)));
    };
    count("path of a GET: nothing escaped", || read(&path));
    count("path of a GET: escaped", || read(&escaped));

    let table = site.issuer.table().expect("it has one");
    // One after the other, all over the table.
    let mut turn = 0;
    let mut next = || {
        turn = (turn + 7_919) % LISTED_COUNT;
        turn
    };
    count("look up: one of 10 000 that are revoked", || {
        let found = table.lookup(black_box(&number(&serial(next()))));
        assert!(matches!(black_box(found), Lookup::Revoked(_)));
    });
    count("look up: none of them", || {
        let found = table.lookup(black_box(&number(&serial(LISTED_COUNT + next()))));
        assert!(matches!(black_box(found), Lookup::Absent));
    });

    let mut buffer = BytesMut::new();
    let keeps = RecentAnswers::default();
    let keeps_nothing = RecentAnswers::new(0, Arc::default());
    let mut ask = |request: &[u8], recent: &RecentAnswers, effort: Effort| {
        let request = black_box(request);
        let (everybody, nobody) = (Endpoint::All, Client::Trusted);
        let responder = &site.responder;
        let asked = responder.answer_at(everybody, nobody, request, site.now, recent, &mut buffer);
        let answered = at_once(asked);
        assert!(matches!(black_box(&answered.answer), Answer::Signed(_)));
        assert_eq!(answered.effort, effort);
    };
    count("answer with a nonce, good: all but the signature", || {
        ask(&nonce, &keeps, Effort::Signed);
    });
    count(
        "answer with a nonce, revoked: all but the signature",
        || {
            ask(&nonce_revoked, &keeps, Effort::Signed);
        },
    );
    for request in [&plain, &revoked] {
        ask(request, &keeps_nothing, Effort::Signed);
        ask(request, &keeps, Effort::Cached);
    }
    count("hit by the octets of the request", || {
        ask(&plain, &keeps, Effort::Cached);
    });
    count("hit by the CertID", || {
        ask(&plain, &keeps_nothing, Effort::Cached);
    });
    // As the listener does it: where the request ends, then the octets that stand for it.
    let mut framing = Framing::new(16_384);
    let mut get = format!("GET {path} HTTP/1.1\r\nHost: ocsp.example.test\r\n\r\n").into_bytes();
    let question = Question {
        endpoint: Endpoint::All,
        client: Client::Trusted,
        request: &plain,
        known_as: path.as_bytes(),
    };
    let made = site
        .responder
        .answer_anew(&question, site.now, &keeps, &mut buffer);
    assert_eq!(at_once(made).effort, Effort::Cached);
    count("hit of a GET: head, and octets of the path", || {
        let Next::Request { head, .. } = framing.next(black_box(&mut get)) else {
            unreachable!("it is whole");
        };
        let path = head::path_of(&get[head.target]).expect("it has one");
        let recent = site.responder.recent_answer(None, path, site.now, &keeps);
        assert!(black_box(&recent).is_some());
    });
    let mut post = format!(
        "POST / HTTP/1.1\r\nHost: ocsp.example.test\r\nContent-Type: application/ocsp-request\r\nContent-Length: {}\r\n\r\n",
        plain.len()
    )
    .into_bytes();
    post.extend_from_slice(&plain);
    count("hit of a POST: head, and octets of the request", || {
        let Next::Request {
            body: BodyPlace::Whole(place),
            ..
        } = framing.next(black_box(&mut post))
        else {
            unreachable!("it is whole");
        };
        let everybody = Some(Endpoint::All);
        let recent = site
            .responder
            .recent_answer(everybody, &post[place], site.now, &keeps);
        assert!(black_box(&recent).is_some());
    });
}

/// Counts one operation, and says what the counts of callgrind are of.
fn count(name: &str, mut operation: impl FnMut()) {
    // What happens the first time only: buffers grow.
    operation();
    for times in [TIMES, 2 * TIMES] {
        println!("{times}\t{name}");
        measured(times, &mut operation);
    }
}

/// How often each is done, and then twice that.
const TIMES: u32 = 500;

/// What callgrind counts, by this name.
#[inline(never)]
fn measured(times: u32, operation: &mut dyn FnMut()) {
    for _ in 0..times {
        operation();
    }
}

/// A CA with a list of revoked certificates, and a responder whose signatures cost nothing.
struct Site {
    authority: Authority,
    issuer: Arc<Issuer>,
    responder: Responder,
    now: Time,
}

impl Site {
    fn new() -> Site {
        let now = Time::from_unix(1_800_000_000);
        let mut spec = CertificateSpec::authority("Counted CA");
        spec.not_before = now.plus_seconds(-86_400);
        spec.not_after = now.plus_seconds(90 * 86_400);
        let key = || TestKey::from_pkcs8_der(KEY, KeyKind::Ed25519);
        let authority = Authority::root_from(&spec, key());
        let certificate =
            OwnedCertificate::from_der(authority.certificate.clone()).expect("well-formed");
        let policy = Policy {
            nonce: NoncePolicy::Echo,
            ..Policy::DEFAULT
        };
        let issuer = Issuer::new("counted".to_owned(), certificate, policy);
        let signer = StoredSignature {
            key: key(),
            public_key_info: authority.key.public_key_info(),
            stored: OnceLock::new(),
        };
        let (credential, _) =
            ResponderCredential::issuer(Arc::new(signer), &issuer, now).expect("it fits");
        issuer.set_credential(Some(Arc::new(credential)));
        issuer.set_table(Some(Arc::new(table(now))));
        let issuer = Arc::new(issuer);
        let limits = PoolLimits {
            threads: 1,
            waiting_max: 8,
            patience: Duration::from_secs(1),
        };
        let pool = SigningPool::start(limits, || {}).expect("a thread");
        let issuers = IssuerSet::new(vec![Arc::clone(&issuer)]).expect("one");
        Site {
            authority,
            issuer,
            responder: Responder::new(issuers, pool),
            now,
        }
    }

    fn request(&self, serial: &[u8], nonce: &[u8]) -> Vec<u8> {
        let spec = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &self.authority, serial));
        match nonce {
            [] => spec.der(),
            octets => spec.with_extension(nonce_extension(octets)).der(),
        }
    }
}

/// The same key in every run, and one whose signatures of the same octets are the same: nothing here is left to chance, not
/// even how many slashes there are in the path of a GET.
const KEY: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20counted, and of no other use... ";

/// How many certificates are revoked.
const LISTED_COUNT: u32 = 10_000;

fn table(now: Time) -> StatusTable {
    let mut table = StatusTableBuilder::revoked_only();
    for listed in 0..LISTED_COUNT {
        let revoked = RevokedInfo {
            revocation_time: now.plus_seconds(-3_600 - i64::from(listed)),
            reason: Some(CrlReason::Superseded),
            invalidity_date: None,
        };
        table.revoked(&number(&serial(listed)), revoked);
    }
    let window = ValidityWindow {
        this_update: now.plus_seconds(-60),
        next_update: now.plus_seconds(86_400),
    };
    let source = SourceInfo {
        origin: "counted".to_owned(),
        crl_number: None,
        digest: [0; 32],
        signature_algorithm: None,
    };
    table.build(window, source)
}

/// 16 octets, all over their range, and the same in every run.
fn serial(of: u32) -> [u8; 16] {
    let spread = |round: u64| {
        let mixed = (u64::from(of) + round).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^ (mixed >> 29)
    };
    let mut octets = [0; 16];
    octets[..8].copy_from_slice(&spread(1).to_be_bytes());
    octets[8..].copy_from_slice(&spread(2).to_be_bytes());
    // Positive, and no octet more.
    octets[0] = (octets[0] & 0x3f) | 0x40;
    octets
}

fn number(octets: &[u8]) -> SerialNumber {
    SerialNumber::from_content(octets).expect("short")
}

/// Signs once, and repeats that signature for whatever it is asked to sign.
struct StoredSignature {
    key: TestKey,
    public_key_info: Vec<u8>,
    stored: OnceLock<Vec<u8>>,
}

impl Signer for StoredSignature {
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
        signature.extend_from_slice(self.stored.get_or_init(|| self.key.sign(message)));
        Ok(())
    }
}

/// The outcome of a future that waits for nothing.
fn at_once<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("nothing here waits"),
    }
}
