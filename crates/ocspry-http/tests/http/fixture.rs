//! A server with one CA that signs its own answers: serial 0x1001 is good, 0x1002 revoked.

use arc_swap::ArcSwap;
use ocspry_core::{
    Clock, Issuer, IssuerSet, NoncePolicy, OwnedCertificate, Policy, PoolLimits, Responder,
    ResponderCredential, SignError, Signer, SigningPool, SigningSpeed, SourceInfo, StatusTable,
    StatusTableBuilder, ValidityWindow,
};
use ocspry_http::{Admin, AdminState, IssuerReport, Limits, Listeners, Server};
use ocspry_testkit::{Authority, HttpClient, KeyKind, RequestSpec, cert_id, nonce_extension};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{HashAlgorithm, RevokedInfo};
use ocspry_wire::x509::{SerialNumber, SignatureAlgorithm};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

pub(crate) const GOOD: &[u8] = &[0x10, 0x01];
pub(crate) const REVOKED: &[u8] = &[0x10, 0x02];

/// Deadlines so long that no test meets them, looked at often.
pub(crate) const PATIENT: Limits = Limits {
    idle: Duration::from_secs(60),
    request: Duration::from_secs(60),
    answer: Duration::from_secs(60),
    write: Duration::from_secs(60),
    linger: Duration::from_secs(60),
    sweep: Duration::from_millis(10),
    ..Limits::DEFAULT
};

pub(crate) struct Fixture {
    pub(crate) server: Server,
    pub(crate) authority: Arc<Authority>,
    pub(crate) clock: Arc<FixedClock>,
    pub(crate) gate: Arc<Gate>,
    /// As in the program, the workers are not the last to hold it: dropping it waits for its signing threads.
    pub(crate) responder: Arc<ArcSwap<Responder>>,
}

impl Fixture {
    pub(crate) fn start(limits: Limits) -> Fixture {
        Fixture::start_with(limits, SigningSpeed::Inline, 2)
    }

    pub(crate) fn start_with(limits: Limits, speed: SigningSpeed, workers: usize) -> Fixture {
        Fixture::start_with_validity(limits, speed, workers, None)
    }

    /// Answers live as long as `validity` says, or as their list.
    pub(crate) fn start_with_validity(
        limits: Limits,
        speed: SigningSpeed,
        workers: usize,
        validity: Option<Duration>,
    ) -> Fixture {
        let authority = Arc::new(Authority::root("Test CA", KeyKind::Ed25519));
        let clock = Arc::new(FixedClock {
            unix_seconds: AtomicI64::new(ocspry_testkit::now().unix_seconds()),
            panics: AtomicBool::new(false),
        });
        let gate = Arc::new(Gate {
            state: Mutex::new(GateState {
                may_pass: usize::MAX,
                waiting: 0,
            }),
            changed: Condvar::new(),
        });
        let responder = Arc::new(ArcSwap::from_pointee(responder(
            &authority,
            clock.now(),
            speed,
            &gate,
            validity,
        )));
        let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()], workers).unwrap();
        let server = Server::start(
            listeners,
            Arc::clone(&responder),
            Arc::clone(&clock) as Arc<dyn Clock>,
            limits,
        )
        .unwrap();
        Fixture {
            server,
            authority,
            clock,
            gate,
            responder,
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.server.local_addresses()[0].port()
    }

    pub(crate) fn connect(&self) -> HttpClient {
        HttpClient::connect(self.port()).unwrap()
    }

    /// The page that Prometheus reads.
    pub(crate) fn metrics(&self) -> String {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let state = Arc::new(AdminState::new("1.2.3", clock, |_| String::new()));
        state.serving(self.server.meter());
        let admin = Admin::start("127.0.0.1:0".parse().unwrap(), state).unwrap();
        let mut client = HttpClient::connect(admin.local_address().port()).unwrap();
        let page = client.get("/metrics").unwrap().body;
        admin.stop(Duration::ZERO);
        String::from_utf8(page).unwrap()
    }

    /// What a reload puts in the place of the responder: the same issuer, anew.
    pub(crate) fn next_responder(&self, speed: SigningSpeed) -> Responder {
        responder(&self.authority, self.clock.now(), speed, &self.gate, None)
    }

    /// Another list comes into use.
    pub(crate) fn set_list(&self, revoked: &[&[u8]], window: ValidityWindow) {
        let responder = self.responder.load_full();
        let issuer = responder.issuers().iter().next().unwrap();
        issuer.set_table(Some(Arc::new(table(revoked, window))));
    }

    /// A request for `serial`, with a nonce if it has octets.
    pub(crate) fn request(&self, serial: &[u8], nonce: &[u8]) -> Vec<u8> {
        let spec = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &self.authority, serial));
        match nonce {
            [] => spec.der(),
            octets => spec.with_extension(nonce_extension(octets)).der(),
        }
    }
}

fn responder(
    authority: &Arc<Authority>,
    now: Time,
    speed: SigningSpeed,
    gate: &Arc<Gate>,
    validity: Option<Duration>,
) -> Responder {
    let certificate = OwnedCertificate::from_der(authority.certificate.clone()).unwrap();
    let issuer = Issuer::new(
        "test".to_owned(),
        certificate,
        Policy {
            validity,
            nonce: NoncePolicy::Echo,
            ..Policy::DEFAULT
        },
    );
    let signer: Arc<dyn Signer> = Arc::new(GatedSigner {
        authority: Arc::clone(authority),
        public_key_info: authority.key.public_key_info(),
        speed,
        gate: Arc::clone(gate),
    });
    let (credential, _) = ResponderCredential::issuer(signer, &issuer, now).unwrap();
    issuer.set_credential(Some(Arc::new(credential)));
    let window = ValidityWindow {
        this_update: now.plus_seconds(-60),
        next_update: now.plus_seconds(86_400),
    };
    issuer.set_table(Some(Arc::new(table(&[REVOKED], window))));
    Responder::new(
        IssuerSet::new(vec![Arc::new(issuer)]).unwrap(),
        SigningPool::start(
            PoolLimits {
                threads: 2,
                waiting_max: 64,
                patience: Duration::from_secs(600),
            },
            || {},
        )
        .unwrap(),
    )
}

/// A list that revokes these.
fn table(revoked: &[&[u8]], window: ValidityWindow) -> StatusTable {
    let mut table = StatusTableBuilder::revoked_only();
    for serial in revoked {
        table.revoked(
            &SerialNumber::from_content(serial).unwrap(),
            RevokedInfo {
                revocation_time: window.this_update.plus_seconds(-3_600),
                reason: None,
                invalidity_date: None,
            },
        );
    }
    let source = SourceInfo {
        origin: "test.crl".to_owned(),
        crl_number: None,
        digest: [0; 32],
        signature_algorithm: None,
    };
    table.build(window, source)
}

/// The same second until it is told to go on; panics when told to.
pub(crate) struct FixedClock {
    unix_seconds: AtomicI64,
    pub(crate) panics: AtomicBool,
}

impl FixedClock {
    pub(crate) fn go_on(&self, seconds: i64) {
        self.unix_seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for FixedClock {
    fn now(&self) -> Time {
        assert!(
            !self.panics.swap(false, Ordering::SeqCst),
            "the clock was told to panic"
        );
        Time::from_unix(self.unix_seconds.load(Ordering::SeqCst))
    }
}

/// Signs while the gate is open; waits while it is closed.
struct GatedSigner {
    authority: Arc<Authority>,
    public_key_info: Vec<u8>,
    speed: SigningSpeed,
    gate: Arc<Gate>,
}

impl Signer for GatedSigner {
    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::Ed25519
    }

    fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }

    fn speed(&self) -> SigningSpeed {
        self.speed
    }

    fn sign(
        &self,
        _algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        self.gate.pass();
        signature.extend_from_slice(&self.authority.key.sign(message));
        Ok(())
    }
}

pub(crate) struct Gate {
    state: Mutex<GateState>,
    changed: Condvar,
}

struct GateState {
    /// Signatures before it closes; `usize::MAX`: it does not.
    may_pass: usize,
    waiting: usize,
}

impl Gate {
    pub(crate) fn close(&self) {
        self.state.lock().unwrap().may_pass = 0;
    }

    pub(crate) fn open(&self) {
        self.let_pass(usize::MAX);
    }

    /// Opens for so many signatures, and closes behind them.
    pub(crate) fn let_pass(&self, count: usize) {
        self.state.lock().unwrap().may_pass = count;
        self.changed.notify_all();
    }

    /// How many signatures wait for it to open; none as long as one more may pass.
    pub(crate) fn waiting(&self) -> usize {
        let state = self.state.lock().unwrap();
        match state.may_pass {
            0 => state.waiting,
            _ => 0,
        }
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        state = self
            .changed
            .wait_while(state, |state| state.may_pass == 0)
            .unwrap();
        state.waiting -= 1;
        if state.may_pass != usize::MAX {
            state.may_pass -= 1;
        }
    }
}

/// What the control thread says of an issuer that is fine.
pub(crate) fn nothing_wrong(issuer: &Arc<Issuer>) -> IssuerReport {
    IssuerReport {
        issuer: Arc::clone(issuer),
        source_path: "test.crl".to_owned(),
        source_problem: None,
        source_success: None,
        signer_problem: None,
        state_problem: None,
        sources: Vec::new(),
        lists: Vec::new(),
        unproven: None,
        holds: Vec::new(),
        vanished_count: 0,
    }
}
