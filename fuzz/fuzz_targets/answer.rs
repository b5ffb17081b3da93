//! `Responder::answer` with a memory: a script swaps tables, signers and clocks and asks in between, and a model made of
//! plain maps says what must come back.
//!
//! Whatever happened before: never good for a revoked serial, never past its end, exactly the CertIDs and the nonce
//! asked, one of the five error bodies where nothing may be promised, and no new signature where a kept answer holds.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use ocspry_core::verify::{MissingNextUpdate, MissingNonce};
use ocspry_core::{
    Answer, CredentialKind, Issuer, IssuerSet, NoncePolicy, Outcome, OwnedCertificate, Policy,
    RecentAnswers, Responder, ResponderCredential, ResponseCheck, SignedResponse, SigningPool,
    SourceInfo, StatusTableBuilder, ValidityWindow, crypto,
};
use ocspry_fuzz::ask;
use ocspry_fuzz::pki::{
    CertificateSpec, FixedSigner, Key, NOW, SignerBooks, issuer_certificate, name,
};
use ocspry_fuzz::poll_once;
use ocspry_wire::Time;
use ocspry_wire::ocsp::{
    CERT_IDS_MAX, CertStatus, CrlReason, ErrorStatus, HashAlgorithm, OcspRequest, RevokedInfo,
};
use ocspry_wire::x509::SerialNumber;

fuzz_target!(|script: Script| {
    let mut world = World::new(&script.policies);
    for step in script.steps.into_iter().take(STEPS_MAX) {
        world.take(step);
    }
});

const STEPS_MAX: usize = 64;

/// What happens, in order.
#[derive(Arbitrary, Debug)]
struct Script {
    policies: [PolicyChoice; 2],
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
struct PolicyChoice {
    /// Seconds; 0 = none.
    validity: u16,
    nonce: NonceChoice,
}

#[derive(Arbitrary, Debug)]
enum NonceChoice {
    Echo,
    Ignore,
    Required,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// A new table for an issuer.
    Table(Which, TableChoice),
    /// An issuer's table is taken away.
    NoTable(Which),
    /// Another signer for an issuer.
    Signer(Which, SignerChoice),
    /// An issuer's signer is taken away.
    NoSigner(Which),
    /// All keys fail, or work again.
    Keys { fail: bool },
    /// Time passes, or the clock is set back.
    Clock { seconds: i32 },
    /// A few seconds pass.
    Tick(u8),
    /// A new configuration with the same issuers.
    Reload,
    /// A client asks.
    Ask(Which, Question),
    /// A client sends octets.
    AskRaw(Which, Vec<u8>),
}

/// One of two issuers, or of two workers.
#[derive(Arbitrary, Clone, Copy, Debug)]
enum Which {
    First,
    Second,
}

#[derive(Arbitrary, Debug)]
struct TableChoice {
    /// Of the serials below, by bit.
    revoked: u8,
    on_hold: u8,
    /// Seconds from now back to thisUpdate.
    age: i16,
    /// Seconds from thisUpdate to nextUpdate.
    length: i32,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum SignerChoice {
    Issuer,
    Delegate,
    /// Its certificate ends in a day.
    Ending,
    /// Its certificate begins in an hour.
    Beginning,
}

#[derive(Arbitrary, Debug)]
struct Question {
    certificates: Vec<CertificateChoice>,
    /// How many octets of nonce; 0 = none.
    nonce: u8,
    /// Another extension, which changes nothing but the octets of the request.
    has_extension: bool,
}

#[derive(Arbitrary, Debug)]
struct CertificateChoice {
    issuer: IssuerChoice,
    hash: HashChoice,
    has_null: bool,
    serial: u8,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum IssuerChoice {
    First,
    Second,
    Stranger,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum HashChoice {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// The responder, and what the model knows of it.
struct World {
    issuers: [Arc<Issuer>; 2],
    responder: Responder,
    recent: [RecentAnswers; 2],
    buffer: BytesMut,
    now: Time,
    model: Model,
}

/// What a simple responder would know.
struct Model {
    issuers: [ModelIssuer; 2],
    keys_fail: bool,
    /// Grows with each reload.
    configuration: u64,
    /// By CertID.
    shared: BTreeMap<Vec<u8>, Kept>,
    /// By request, for each worker.
    recent: [BTreeMap<Vec<u8>, Kept>; 2],
}

struct ModelIssuer {
    certificate: OwnedCertificate,
    not_before: Time,
    not_after: Time,
    validity: Option<i64>,
    nonce: NoncePolicy,
    table: Option<ModelTable>,
    /// Grows with each table.
    generation: u64,
    signer: Option<usize>,
}

struct ModelTable {
    revoked: BTreeMap<Vec<u8>, RevokedInfo>,
    window: ValidityWindow,
}

/// An answer that may be given again, and why it was true.
#[derive(Clone)]
struct Kept {
    der: Vec<u8>,
    configuration: u64,
    issuer: usize,
    generation: u64,
    source: ValidityWindow,
    signer: usize,
    serial: Vec<u8>,
    status: CertStatus,
    life: Life,
}

/// When an answer was made and how long it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    produced_at: Time,
    next_update: Time,
    send_before: Time,
    renew_at: Time,
}

/// What may be done with what was kept.
#[derive(PartialEq, Eq)]
enum Standing {
    Current,
    Due,
    Over,
}

/// What must come back.
enum Expected {
    Error(ErrorStatus),
    /// These octets again, without a signature.
    Again(Kept),
    New(Expectation),
}

/// A new answer.
struct Expectation {
    issuer: usize,
    signer: usize,
    statuses: Vec<CertStatus>,
    /// For each, and for the whole.
    lives: Vec<Life>,
    life: Life,
    this_update: Time,
    nonce: Option<Vec<u8>>,
    is_provisional: bool,
    keep: Option<Kept>,
}

impl World {
    fn new(policies: &[PolicyChoice; 2]) -> World {
        PKI.books.fails.store(false, Ordering::Relaxed);
        let issuers = [0, 1].map(|index| {
            let choice = &policies[index];
            let policy = Policy {
                validity: (choice.validity > 0)
                    .then(|| Duration::from_secs(u64::from(choice.validity))),
                nonce: choice.nonce.policy(),
            };
            let certificate = PKI.issuers[index].certificate.clone();
            Arc::new(Issuer::new(index.to_string(), certificate, policy))
        });
        let model = Model {
            issuers: [0, 1].map(|index| {
                let certificate = PKI.issuers[index].certificate.clone();
                let view = certificate.view();
                ModelIssuer {
                    not_before: view.not_before,
                    not_after: view.not_after,
                    validity: (policies[index].validity > 0)
                        .then(|| i64::from(policies[index].validity)),
                    nonce: policies[index].nonce.policy(),
                    table: None,
                    generation: 0,
                    signer: None,
                    certificate: certificate.clone(),
                }
            }),
            keys_fail: false,
            configuration: 0,
            shared: BTreeMap::new(),
            recent: Default::default(),
        };
        World {
            responder: responder(&issuers),
            issuers,
            recent: Default::default(),
            buffer: BytesMut::new(),
            now: NOW,
            model,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Table(which, choice) => self.swap_table(which as usize, Some(choice)),
            Step::NoTable(which) => self.swap_table(which as usize, None),
            Step::Signer(which, choice) => self.swap_signer(which as usize, Some(choice as usize)),
            Step::NoSigner(which) => self.swap_signer(which as usize, None),
            Step::Keys { fail } => {
                PKI.books.fails.store(fail, Ordering::Relaxed);
                self.model.keys_fail = fail;
            }
            Step::Clock { seconds } => {
                self.now = self.now.plus_seconds(i64::from(seconds) % CLOCK_STEP_MAX);
            }
            Step::Tick(seconds) => self.now = self.now.plus_seconds(i64::from(seconds)),
            Step::Reload => {
                self.responder = responder(&self.issuers);
                self.model.configuration += 1;
                self.model.shared.clear();
            }
            Step::Ask(worker, question) => self.ask(worker as usize, &question.request()),
            Step::AskRaw(worker, request) => self.ask(worker as usize, &request),
        }
    }

    fn swap_table(&mut self, index: usize, choice: Option<TableChoice>) {
        let model = &mut self.model.issuers[index];
        model.generation += 1;
        model.table = choice.map(|choice| choice.model(self.now));
        let table = model.table.as_ref().map(|table| {
            let mut builder = StatusTableBuilder::revoked_only();
            for (serial, info) in &table.revoked {
                let serial = SerialNumber::from_content(serial).expect("short");
                builder.revoked(&serial, *info);
            }
            let source = SourceInfo {
                origin: String::new(),
                crl_number: None,
                digest: [0; 32],
            };
            Arc::new(builder.build(table.window, source))
        });
        self.issuers[index].set_table(table);
    }

    fn swap_signer(&mut self, index: usize, signer: Option<usize>) {
        self.model.issuers[index].signer = signer;
        let credential = signer.map(|signer| Arc::clone(&PKI.issuers[index].credentials[signer]));
        self.issuers[index].set_credential(credential);
    }

    fn ask(&mut self, worker: usize, request: &[u8]) {
        let expected = self.model.expected(worker, request, self.now);
        let before = PKI.books.signatures_count.load(Ordering::Relaxed);
        let (answer, outcome) = poll_once(self.responder.answer(
            request,
            self.now,
            &self.recent[worker],
            &mut self.buffer,
        ));
        let signatures = PKI.books.signatures_count.load(Ordering::Relaxed) - before;
        match (answer, expected) {
            (Answer::Error(status), Expected::Error(expected)) => {
                assert_eq!(status, expected, "{outcome:?}");
                assert!(matches!(outcome, Outcome::Refused(_)));
                assert_eq!(signatures, 0);
            }
            (Answer::Signed(signed), Expected::Again(kept)) => {
                assert!(matches!(outcome, Outcome::Signed(_)));
                assert_eq!(signatures, 0, "a kept answer holds");
                assert_eq!(signed.der, kept.der);
                assert!(self.now < kept.life.send_before);
                self.model.remember(worker, request, kept);
            }
            (Answer::Signed(signed), Expected::New(expectation)) => {
                assert!(matches!(outcome, Outcome::Signed(_)));
                assert_eq!(signatures, 1, "no kept answer holds");
                self.check(request, &signed, &expectation);
                if let Some(mut kept) = expectation.keep {
                    kept.der = signed.der.to_vec();
                    let request_read = OcspRequest::from_der(request).expect("it was answered");
                    let cert_id = request_read.first.cert_id.der.to_vec();
                    self.model.shared.insert(cert_id, kept.clone());
                    self.model.remember(worker, request, kept);
                }
            }
            (Answer::Error(status), Expected::Again(_) | Expected::New(_)) => {
                panic!("{status:?} where an answer could be promised: {outcome:?}")
            }
            (Answer::Signed(_), Expected::Error(status)) => {
                panic!("an answer where {status:?} was due: {outcome:?}")
            }
        }
    }

    /// Does a new answer say what the model says, to a client who checks it?
    fn check(&self, request: &[u8], signed: &SignedResponse, expected: &Expectation) {
        let request = OcspRequest::from_der(request).expect("it was answered");
        let asked: Vec<&[u8]> = request
            .single_requests()
            .map(|single| single.cert_id.der)
            .collect();
        let verified = ResponseCheck {
            cert_ids: &asked,
            nonce: expected.nonce.as_deref(),
            missing_nonce: MissingNonce::Refused,
            missing_next_update: MissingNextUpdate::Refused,
            issuer: &self.model.issuers[expected.issuer].certificate,
            now: self.now,
            // A clock that was set back a little: the answer is made at the latest time known to have passed.
            tolerance: Duration::from_secs(300),
        }
        .run(&signed.der)
        .expect("a client would refuse it");
        assert_eq!(verified.singles.len(), expected.statuses.len());
        for ((single, status), life) in verified
            .singles
            .iter()
            .zip(&expected.statuses)
            .zip(&expected.lives)
        {
            assert_eq!(single.cert_status, *status);
            assert_eq!(single.this_update, expected.this_update);
            assert_eq!(single.next_update, Some(life.next_update));
        }
        assert_eq!(verified.produced_at, expected.life.produced_at);
        assert_eq!(verified.has_nonce, expected.nonce.is_some());
        let kind = match expected.signer {
            0 => CredentialKind::Issuer,
            _ => CredentialKind::Delegated,
        };
        assert_eq!(verified.signer, kind);

        assert_eq!(signed.produced_at, expected.life.produced_at);
        assert_eq!(signed.window.this_update, expected.this_update);
        assert_eq!(signed.window.next_update, expected.life.next_update);
        assert_eq!(signed.send_before, expected.life.send_before);
        assert!(self.now < signed.send_before);
        let digest = expected
            .nonce
            .is_none()
            .then(|| crypto::sha256(&signed.der));
        assert_eq!(signed.digest, digest);
        let max_age = if expected.is_provisional { 60 } else { 3_600 };
        assert_eq!(signed.max_age_max, Duration::from_secs(max_age));
    }
}

impl Model {
    /// What must come back, by the rules and nothing else.
    fn expected(&self, worker: usize, octets: &[u8], now: Time) -> Expected {
        if let Some(kept) = self.recent[worker].get(octets)
            && self.standing(kept, now) == Standing::Current
        {
            return Expected::Again(kept.clone());
        }
        let Ok(request) = OcspRequest::from_der(octets) else {
            return Expected::Error(ErrorStatus::MalformedRequest);
        };
        let asked: Vec<_> = request
            .single_requests()
            .map(|single| single.cert_id)
            .collect();
        let of_ours: Vec<Option<usize>> = asked.iter().map(issuer_of).collect();
        let issuers: BTreeSet<usize> = of_ours.iter().copied().flatten().collect();
        if asked.len() > CERT_IDS_MAX || issuers.len() != 1 {
            return Expected::Error(ErrorStatus::Unauthorized);
        }
        let index = *issuers.first().expect("one");
        let issuer = &self.issuers[index];
        let nonce = match issuer.nonce {
            NoncePolicy::Ignore => None,
            NoncePolicy::Echo | NoncePolicy::Required => {
                request.nonce.map(|nonce| nonce.octets().to_vec())
            }
        };
        if now > issuer.not_after || (issuer.nonce == NoncePolicy::Required && nonce.is_none()) {
            return Expected::Error(ErrorStatus::Unauthorized);
        }

        let is_kept = nonce.is_none() && asked.len() == 1;
        let mut due = None;
        if is_kept && let Some(kept) = self.shared.get(asked[0].der) {
            match self.standing(kept, now) {
                Standing::Current => return Expected::Again(kept.clone()),
                Standing::Due => due = Some(kept.clone()),
                Standing::Over => {}
            }
        }
        let (Some(table), Some(signer)) = (&issuer.table, issuer.signer) else {
            return Expected::Error(ErrorStatus::TryLater);
        };
        let Some(life) = self.life(index, table, signer, now) else {
            return Expected::Error(ErrorStatus::TryLater);
        };
        if self.keys_fail {
            return match due {
                Some(kept) => Expected::Again(kept),
                None => Expected::Error(ErrorStatus::TryLater),
            };
        }

        let status = |(cert_id, of_ours): (&ocspry_wire::ocsp::CertId<'_>, &Option<usize>)| {
            if of_ours.is_none() {
                return CertStatus::Unknown;
            }
            match table.revoked.get(cert_id.serial_number.content()) {
                Some(info) => CertStatus::Revoked(*info),
                None => CertStatus::Good,
            }
        };
        let statuses: Vec<CertStatus> = asked.iter().zip(&of_ours).map(status).collect();
        let shorter = life.at_most_five_minutes();
        let lives: Vec<Life> = statuses
            .iter()
            .map(|status| {
                if is_provisional(*status) {
                    shorter
                } else {
                    life
                }
            })
            .collect();
        let is_provisional = statuses.iter().any(|status| is_provisional(*status));
        let life = if is_provisional { shorter } else { life };
        let keep = is_kept.then(|| Kept {
            der: Vec::new(),
            configuration: self.configuration,
            issuer: index,
            generation: issuer.generation,
            source: table.window,
            signer,
            serial: asked[0].serial_number.content().to_vec(),
            status: statuses[0],
            life,
        });
        Expected::New(Expectation {
            issuer: index,
            signer,
            statuses,
            lives,
            life,
            this_update: table.window.this_update,
            nonce,
            is_provisional,
            keep,
        })
    }

    /// nextUpdate is the least of validity, table, signer and issuer; nothing is promised within a margin of it, nor by
    /// a clock that is more than five minutes behind.
    fn life(&self, index: usize, table: &ModelTable, signer: usize, now: Time) -> Option<Life> {
        let issuer = &self.issuers[index];
        let signer = PKI.issuers[index].credentials[signer].certificate().view();
        let begin = table
            .window
            .this_update
            .max(signer.not_before)
            .max(issuer.not_before);
        if begin.seconds_since(now) > 300 {
            return None;
        }
        let produced_at = now.max(begin);
        let by_certificates = signer.not_after.min(issuer.not_after);
        let by_others = table.window.next_update.min(by_certificates);
        let by_validity = issuer
            .validity
            .map(|validity| (produced_at.plus_seconds(validity), validity));
        let (next_update, validity) = match by_validity {
            Some((end, validity)) if end < table.window.next_update && end <= by_certificates => {
                (end, Some(validity))
            }
            Some(_) | None => (by_others, None),
        };
        let length = next_update.seconds_since(table.window.this_update);
        let mut margin = (length / 100).clamp(0, 60);
        if let Some(validity) = issuer.validity {
            margin = margin.min(validity / 100);
        }
        let send_before = next_update.plus_seconds(-margin);
        if produced_at >= send_before {
            return None;
        }
        let renew_at = match validity {
            Some(validity) => produced_at.plus_seconds(validity / 2).min(send_before),
            None => send_before,
        };
        Some(Life {
            produced_at,
            next_update,
            send_before,
            renew_at,
        })
    }

    fn standing(&self, kept: &Kept, now: Time) -> Standing {
        let issuer = &self.issuers[kept.issuer];
        let says_the_same = || {
            let Some(table) = &issuer.table else {
                return false;
            };
            let status = match table.revoked.get(&kept.serial) {
                Some(info) => CertStatus::Revoked(*info),
                None => CertStatus::Good,
            };
            table.window == kept.source && status == kept.status && !is_provisional(status)
        };
        let holds = kept.configuration == self.configuration
            && issuer.signer == Some(kept.signer)
            && (kept.generation == issuer.generation || says_the_same());
        if !holds || now < kept.life.produced_at.plus_seconds(-300) || now >= kept.life.send_before
        {
            Standing::Over
        } else if now < kept.life.renew_at {
            Standing::Current
        } else {
            Standing::Due
        }
    }

    fn remember(&mut self, worker: usize, request: &[u8], kept: Kept) {
        self.recent[worker].insert(request.to_vec(), kept);
    }
}

impl Life {
    fn at_most_five_minutes(self) -> Life {
        let next_update = self.produced_at.plus_seconds(300);
        if self.next_update <= next_update {
            return self;
        }
        Life {
            produced_at: self.produced_at,
            next_update,
            send_before: self.send_before.min(next_update.plus_seconds(-3)),
            renew_at: self.renew_at.min(self.produced_at.plus_seconds(150)),
        }
    }
}

impl NonceChoice {
    fn policy(&self) -> NoncePolicy {
        match self {
            NonceChoice::Echo => NoncePolicy::Echo,
            NonceChoice::Ignore => NoncePolicy::Ignore,
            NonceChoice::Required => NoncePolicy::Required,
        }
    }
}

impl TableChoice {
    fn model(&self, now: Time) -> ModelTable {
        let this_update = now.plus_seconds(-i64::from(self.age));
        let mut revoked = BTreeMap::new();
        for (bit, serial) in SERIALS.iter().enumerate() {
            let is_set = |bits: u8| bits >> bit & 1 == 1;
            let reason = match (is_set(self.revoked), is_set(self.on_hold)) {
                (false, false) => continue,
                (true, _) => REASONS[bit % REASONS.len()],
                (false, true) => Some(CrlReason::CertificateHold),
            };
            let info = RevokedInfo {
                // One second more or less each, and beyond what the compact form holds, too.
                revocation_time: this_update.plus_seconds(-(1_i64 << (bit * 5))),
                reason,
                invalidity_date: (bit % 3 == 0).then_some(this_update),
            };
            revoked.insert(serial.to_vec(), info);
        }
        ModelTable {
            revoked,
            window: ValidityWindow {
                this_update,
                next_update: this_update.plus_seconds(i64::from(self.length) % TABLE_LENGTH_MAX),
            },
        }
    }
}

impl Question {
    fn request(&self) -> Vec<u8> {
        let cert_ids: Vec<Vec<u8>> = self
            .certificates
            .iter()
            .take(CERT_IDS_MAX + 1)
            .map(|choice| {
                ask::cert_id(
                    match choice.issuer {
                        IssuerChoice::First => &PKI.issuers[0].certificate,
                        IssuerChoice::Second => &PKI.issuers[1].certificate,
                        IssuerChoice::Stranger => &PKI.stranger,
                    },
                    match choice.hash {
                        HashChoice::Sha1 => HashAlgorithm::Sha1,
                        HashChoice::Sha256 => HashAlgorithm::Sha256,
                        HashChoice::Sha384 => HashAlgorithm::Sha384,
                        HashChoice::Sha512 => HashAlgorithm::Sha512,
                    },
                    choice.has_null,
                    SERIALS[usize::from(choice.serial) % SERIALS.len()],
                )
            })
            .collect();
        let mut extensions = Vec::new();
        if self.nonce > 0 {
            let octets: Vec<u8> = (0..self.nonce).collect();
            extensions.push(ask::nonce_extension(&octets));
        }
        if self.has_extension {
            extensions.push(ask::extension(&[0x2a, 0x03], &[5, 0]));
        }
        ask::request(&cert_ids, &extensions)
    }
}

/// Which of the two issuers a CertID names: both hashes, under its own algorithm.
fn issuer_of(cert_id: &ocspry_wire::ocsp::CertId<'_>) -> Option<usize> {
    let hash = cert_id.hash_algorithm?;
    PKI.issuers.iter().position(|issuer| {
        let (name_hash, key_hash) = &issuer.hashes[hash as usize];
        name_hash == cert_id.issuer_name_hash && key_hash == cert_id.issuer_key_hash
    })
}

fn is_provisional(status: CertStatus) -> bool {
    match status {
        CertStatus::Good => false,
        CertStatus::Unknown => true,
        CertStatus::Revoked(info) => info.reason == Some(CrlReason::CertificateHold),
    }
}

fn responder(issuers: &[Arc<Issuer>; 2]) -> Responder {
    let set = IssuerSet::new(issuers.to_vec()).expect("two issuers");
    Responder::new(set, Arc::clone(&PKI.pool))
}

/// What does not change from script to script.
struct Pki {
    issuers: [PkiIssuer; 2],
    stranger: OwnedCertificate,
    books: Arc<SignerBooks>,
    pool: Arc<SigningPool>,
}

struct PkiIssuer {
    certificate: OwnedCertificate,
    /// Name hash and key hash under each algorithm.
    hashes: [(Vec<u8>, Vec<u8>); 4],
    /// As [`SignerChoice`] counts them.
    credentials: [Arc<ResponderCredential>; 4],
}

static PKI: LazyLock<Pki> = LazyLock::new(|| {
    let books = Arc::new(SignerBooks::default());
    // The first ends in 2126, the second in ten days.
    let second = CertificateSpec {
        subject: "The second CA",
        issuer: &name("The second CA"),
        not_before: NOW.plus_seconds(-86_400),
        not_after: NOW.plus_seconds(10 * 86_400),
        ocsp_signing: false,
    };
    let second = second.certify(&Key::from_seed(2), &Key::from_seed(2));
    let stranger = CertificateSpec {
        subject: "A stranger",
        issuer: &name("A stranger"),
        not_before: NOW,
        not_after: Time::MAX,
        ocsp_signing: false,
    };
    Pki {
        issuers: [
            PkiIssuer::new(issuer_certificate(), Key::of_the_issuer, 0x10, &books),
            PkiIssuer::new(second, || Key::from_seed(2), 0x20, &books),
        ],
        stranger: stranger.certify(&Key::from_seed(3), &Key::from_seed(3)),
        books,
        pool: SigningPool::start(1, 1).expect("a thread starts"),
    }
});

impl PkiIssuer {
    fn new(
        certificate: OwnedCertificate,
        key: impl Fn() -> Key,
        seed: u8,
        books: &Arc<SignerBooks>,
    ) -> PkiIssuer {
        // The one that credentials are checked against; the scripts make their own.
        let issuer = Issuer::new(
            String::new(),
            certificate.clone(),
            Policy {
                validity: None,
                nonce: NoncePolicy::Echo,
            },
        );
        let delegate = |seed: u8, begins: i64, ends: i64| {
            let spec = CertificateSpec {
                subject: "A delegate",
                issuer: certificate.view().subject,
                not_before: NOW.plus_seconds(begins),
                not_after: NOW.plus_seconds(ends),
                ocsp_signing: true,
            };
            let delegate = spec.certify(&Key::from_seed(seed), &key());
            let signer = FixedSigner::new(Key::from_seed(seed), books);
            let now = NOW.plus_seconds(begins);
            ResponderCredential::delegated(delegate, signer, &issuer, now).expect("it may answer")
        };
        let own =
            ResponderCredential::issuer(FixedSigner::new(key(), books), &issuer, NOW).expect("own");
        let credentials = [
            own,
            delegate(seed, -86_400, 86_400 * 365),
            delegate(seed + 1, -86_400, 86_400),
            delegate(seed + 2, 3_600, 86_400 * 365),
        ]
        .map(|(credential, _)| Arc::new(credential));
        let view = certificate.view();
        let hash = |hash, octets| crypto::digest(hash, octets).as_ref().to_vec();
        PkiIssuer {
            hashes: HashAlgorithm::ALL.map(|algorithm| {
                (
                    hash(algorithm, view.subject),
                    hash(algorithm, view.public_key.key_bits),
                )
            }),
            credentials,
            certificate: certificate.clone(),
        }
    }
}

/// Short, positive with a leading zero, negative, 20 octets, zero, and near misses.
const SERIALS: [&[u8]; 8] = [
    &[0x12, 0x34],
    &[0x00, 0x80],
    &[0x80],
    &[0x7f; 20],
    &[0x00],
    &[0x12, 0x35],
    &[0x12],
    &[0x7f; 21],
];

const REASONS: [Option<CrlReason>; 4] = [
    Some(CrlReason::KeyCompromise),
    None,
    Some(CrlReason::Superseded),
    Some(CrlReason::PrivilegeWithdrawn),
];

/// Forty days.
const CLOCK_STEP_MAX: i64 = 40 * 86_400;
/// Sixty days.
const TABLE_LENGTH_MAX: i64 = 60 * 86_400;
