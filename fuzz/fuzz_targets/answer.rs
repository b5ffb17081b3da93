//! `Responder::answer` with a memory: a script chooses policies, swaps tables, signers and clocks and asks in between, and
//! a model made of plain maps says what must come back.
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
    AbsentPolicy, Answer, ArchiveCutoff, CERT_IDS_LIMIT, CertIdHashes, CertificatesPolicy, Issuer,
    IssuerSet, Limit, NeverIssuedPolicy, NonceOverBudget, NoncePolicy, Outcome, OwnedCertificate,
    Policy, PoolLimits, RecentAnswers, Responder, ResponderCredential, ResponderIdPolicy,
    ResponseCheck, ResponseDefect, SignatureHash, SignedResponse, SigningPool, SourceInfo,
    StatusTableBuilder, UnablePolicy, UnknownIssuerPolicy, ValidityWindow, crypto,
};
use ocspry_fuzz::ask;
use ocspry_fuzz::pki::{
    CertificateSpec, FixedSigner, Key, NOW, SignerBooks, issuer_certificate, name,
};
use ocspry_fuzz::poll_once;
use ocspry_wire::Time;
use ocspry_wire::der::oid;
use ocspry_wire::ocsp::{
    CertId, CertStatus, CrlReason, ErrorStatus, HashAlgorithm, OcspRequest, OcspResponse,
    ResponderId, RevokedInfo,
};
use ocspry_wire::x509::{SerialNumber, SignatureAlgorithm};

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

/// The operator's choices for one issuer, by number.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct PolicyChoice {
    /// Seconds; 0 = none.
    validity: u16,
    /// Seconds; 0 = none.
    window_max: u32,
    nonce: u8,
    http_503: bool,
    answers_for_unknown: bool,
    absent_is_unknown: bool,
    never_issued: u8,
    by_name: bool,
    certificates: u8,
    few_cert_ids: bool,
    /// By bit.
    hashes_refused: u8,
    archive_cutoff: u8,
    strong_hash: bool,
}

#[derive(Arbitrary, Debug)]
enum Step {
    /// A new table for an issuer.
    Table(Which, TableChoice),
    /// An issuer's table is taken away.
    NoTable(Which),
    /// Other signers for an issuer, in this order; the second may be the first, which is then the only one.
    Signers(Which, SignerChoice, SignerChoice),
    /// An issuer's signers are taken away.
    NoSigner(Which),
    /// All keys fail, or work again.
    Keys { fail: bool },
    /// Time passes, or the clock is set back.
    Clock { seconds: i32 },
    /// A few seconds pass.
    Tick(u8),
    /// The clock moves to a moment at which something kept changes, or one second beside it.
    Edge { kept: u8, moment: u8, beside: u8 },
    /// A new configuration with the same issuers, in the other order.
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
    /// Where the source knows what was issued: which of the serials, by bit.
    issued: Option<u8>,
    /// How the list is signed.
    signed_with: Option<AlgorithmChoice>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum AlgorithmChoice {
    Ed25519,
    EcdsaSha256,
    RsaSha256,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum SignerChoice {
    Issuer,
    Delegate,
    /// Its certificate ends in a day.
    Ending,
    /// Its certificate begins in an hour.
    Beginning,
    /// Its key is one on P-256.
    P256,
}

#[derive(Arbitrary, Debug)]
struct Question {
    certificates: Vec<CertificateChoice>,
    /// How many octets of nonce; 0 = none.
    nonce: u8,
    /// How the client would like the answer signed.
    preferred: Option<[Option<AlgorithmChoice>; 2]>,
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
    /// By CertID and algorithm.
    shared: BTreeMap<(Vec<u8>, &'static str), Kept>,
    /// By request, for each worker.
    recent: [BTreeMap<Vec<u8>, Kept>; 2],
}

struct ModelIssuer {
    certificate: OwnedCertificate,
    not_before: Time,
    not_after: Time,
    policy: Policy,
    table: Option<ModelTable>,
    /// Grows with each table.
    generation: u64,
    /// In the operator's order, by their place among the issuer's credentials.
    signers: Vec<usize>,
}

struct ModelTable {
    revoked: BTreeMap<Vec<u8>, RevokedInfo>,
    /// None: a list of revoked serials does not tell.
    issued: Option<BTreeSet<Vec<u8>>>,
    window: ValidityWindow,
    signed_with: Option<SignatureAlgorithm>,
}

/// What is said of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Plain(CertStatus),
    /// Revoked since 1970, because it was never issued.
    Extended,
}

/// An answer that may be given again, and why it was true.
#[derive(Clone)]
struct Kept {
    der: Vec<u8>,
    /// Of an answer about a CA that was none of ours: that CA may be the one that a reload brought.
    configuration: Option<u64>,
    issuer: usize,
    generation: u64,
    source: ValidityWindow,
    signer: usize,
    serial: Vec<u8>,
    verdict: Verdict,
    life: Life,
}

/// When an answer was made and how long it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Life {
    produced_at: Time,
    next_update: Time,
    limit: Limit,
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
    /// HTTP 503.
    Unavailable,
    /// These octets again, without a signature.
    Again(Kept),
    New(Expectation),
}

/// A new answer.
struct Expectation {
    issuer: usize,
    signer: usize,
    algorithm: SignatureAlgorithm,
    verdicts: Vec<Verdict>,
    /// For each, and for the whole.
    lives: Vec<Life>,
    life: Life,
    this_update: Time,
    nonce: Option<Vec<u8>>,
    is_provisional: bool,
    keep: Option<Kept>,
}

impl World {
    fn new(choices: &[PolicyChoice; 2]) -> World {
        PKI.books.fails.store(false, Ordering::Relaxed);
        let mut policies = choices.map(|choice| choice.policy());
        if policies[0].unknown_issuer == UnknownIssuerPolicy::Unknown {
            // One at the most.
            policies[1].unknown_issuer = UnknownIssuerPolicy::Unauthorized;
        }
        let issuers = [0, 1].map(|index: usize| {
            let certificate = PKI.issuers[index].certificate.clone();
            let policy = policies[index].clone();
            Arc::new(Issuer::new(index.to_string(), certificate, policy))
        });
        let model = Model {
            issuers: [0, 1].map(|index: usize| {
                let certificate = PKI.issuers[index].certificate.clone();
                let view = certificate.view();
                ModelIssuer {
                    not_before: view.not_before,
                    not_after: view.not_after,
                    policy: policies[index].clone(),
                    table: None,
                    generation: 0,
                    signers: Vec::new(),
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
            Step::Signers(which, first, second) => {
                let mut signers = vec![first as usize, second as usize];
                signers.dedup();
                self.swap_signers(which as usize, signers);
            }
            Step::NoSigner(which) => self.swap_signers(which as usize, Vec::new()),
            Step::Keys { fail } => {
                PKI.books.fails.store(fail, Ordering::Relaxed);
                self.model.keys_fail = fail;
            }
            Step::Clock { seconds } => {
                self.now = self.now.plus_seconds(i64::from(seconds) % CLOCK_STEP_MAX);
            }
            Step::Tick(seconds) => self.now = self.now.plus_seconds(i64::from(seconds)),
            Step::Edge {
                kept,
                moment,
                beside,
            } => {
                let kept = usize::from(kept) % self.model.shared.len().max(1);
                if let Some(kept) = self.model.shared.values().nth(kept) {
                    let life = kept.life;
                    let moment = match moment % 4 {
                        0 => life.send_before,
                        1 => life.renew_at,
                        2 => life.next_update,
                        _ => life.produced_at.plus_seconds(-300),
                    };
                    self.now = moment.plus_seconds(i64::from(beside % 3) - 1);
                }
            }
            Step::Reload => {
                self.model.configuration += 1;
                let mut issuers = self.issuers.to_vec();
                // What is kept finds its issuer wherever that stands.
                if self.model.configuration % 2 == 1 {
                    issuers.reverse();
                }
                let issuers = IssuerSet::new(issuers).expect("two issuers");
                self.responder = self.responder.with_issuers(issuers);
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
            let serial = |content| SerialNumber::from_content(content).expect("short");
            let mut builder = match &table.issued {
                None => StatusTableBuilder::revoked_only(),
                Some(_) => StatusTableBuilder::issued(),
            };
            for (content, info) in &table.revoked {
                builder.revoked(&serial(content), *info);
            }
            for content in table.issued.iter().flatten() {
                builder.issued_serial(&serial(content));
            }
            let source = SourceInfo {
                origin: String::new(),
                crl_number: None,
                digest: [0; 32],
                signature_algorithm: table.signed_with,
            };
            Arc::new(builder.build(table.window, source))
        });
        self.issuers[index].set_table(table);
    }

    fn swap_signers(&mut self, index: usize, mut signers: Vec<usize>) {
        let policy = &self.model.issuers[index].policy;
        let credentials = PKI.issuers[index].credentials(policy);
        // Where the operator wants more than SHA-256, some cannot be had.
        signers.retain(|signer| {
            policy
                .signature_hash_min
                .admits(credentials[*signer].algorithm())
        });
        let in_order = signers
            .iter()
            .map(|signer| Arc::clone(&credentials[*signer]));
        self.issuers[index].set_credentials(in_order.collect());
        self.model.issuers[index].signers = signers;
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
            (Answer::Unavailable, Expected::Unavailable) => {
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
                    let key = (cert_id, expectation.algorithm.name());
                    self.model.shared.insert(key, kept.clone());
                    self.model.remember(worker, request, kept);
                }
            }
            (answer, Expected::Again(_) | Expected::New(_)) => {
                panic!("{answer:?} where an answer could be promised: {outcome:?}")
            }
            (answer, Expected::Error(status)) => {
                panic!("{answer:?} where {status:?} was due: {outcome:?}")
            }
            (answer, Expected::Unavailable) => {
                panic!("{answer:?} where HTTP should have said that nothing can: {outcome:?}")
            }
        }
    }

    /// Does a new answer say what the model says, read directly and by a client who checks it?
    fn check(&self, request: &[u8], signed: &SignedResponse, expected: &Expectation) {
        let issuer = &self.model.issuers[expected.issuer];
        let signer = &PKI.issuers[expected.issuer].credentials(&issuer.policy)[expected.signer];
        let request = OcspRequest::from_der(request).expect("it was answered");
        let asked: Vec<&[u8]> = request
            .single_requests()
            .map(|single| single.cert_id.der)
            .collect();

        let response = OcspResponse::from_der(&signed.der).expect("an answer parses");
        let basic = response.basic.expect("a signed answer has a body");
        let answered: Vec<&[u8]> = basic.responses.iter().map(|s| s.cert_id.der).collect();
        assert_eq!(asked, answered, "octet for octet, in order");
        for ((single, verdict), life) in basic
            .responses
            .iter()
            .zip(&expected.verdicts)
            .zip(&expected.lives)
        {
            assert_eq!(single.cert_status, verdict.cert_status());
            assert_eq!(single.this_update, expected.this_update);
            assert_eq!(single.next_update, Some(life.next_update));
        }
        assert_eq!(basic.produced_at, expected.life.produced_at);
        assert_eq!(basic.nonce, expected.nonce.as_deref());
        let certificate = signer.certificate().view();
        match (basic.responder_id, issuer.policy.responder_id) {
            (ResponderId::ByKeyHash(hash), ResponderIdPolicy::ByKey) => {
                let key = certificate.public_key.key_bits;
                assert_eq!(hash, crypto::digest(HashAlgorithm::Sha1, key).as_ref());
            }
            (ResponderId::ByName(name), ResponderIdPolicy::ByName) => {
                assert_eq!(name, certificate.subject);
            }
            (named, policy) => panic!("{named:?}, but {policy:?}"),
        }
        assert_eq!(basic.signature_algorithm, expected.algorithm.der());
        let verified = crypto::verify(
            Some(expected.algorithm),
            &certificate.public_key,
            basic.tbs_response_data,
            basic.signature,
        );
        assert_eq!(verified, Ok(()));
        let is_delegate = expected.signer != SignerChoice::Issuer as usize;
        let encloses = match issuer.policy.certificates {
            CertificatesPolicy::None => 0,
            // The issuers are roots, which are left out.
            CertificatesPolicy::Signer | CertificatesPolicy::Chain => usize::from(is_delegate),
        };
        assert_eq!(basic.certificates.len(), encloses);
        if expected.nonce.is_none() {
            // A nonce could hold anything.
            let holds = |identifier: &[u8]| {
                let windows = basic.tbs_response_data.windows(identifier.len());
                windows.filter(|window| *window == identifier).count()
            };
            let is_extended = expected.verdicts.contains(&Verdict::Extended);
            assert_eq!(holds(oid::OCSP_EXTENDED_REVOKE), usize::from(is_extended));
            let is_known = |verdict: &&Verdict| {
                !matches!(
                    verdict,
                    Verdict::Extended | Verdict::Plain(CertStatus::Unknown)
                )
            };
            let cutoffs = match issuer.policy.archive_cutoff {
                ArchiveCutoff::None => 0,
                ArchiveCutoff::Retention(_) | ArchiveCutoff::IssuerNotBefore => {
                    expected.verdicts.iter().filter(is_known).count()
                }
            };
            assert_eq!(holds(oid::OCSP_ARCHIVE_CUTOFF), cutoffs);
        }

        let by_a_client = ResponseCheck {
            cert_ids: &asked,
            nonce: expected.nonce.as_deref(),
            missing_nonce: MissingNonce::Refused,
            missing_next_update: MissingNextUpdate::Refused,
            issuer: &issuer.certificate,
            now: self.now,
            // A clock that was set back a little: the answer is made at the latest time known to have passed.
            tolerance: Duration::from_secs(300),
        }
        .run(&signed.der);
        match by_a_client {
            Ok(verified) => {
                assert_eq!(verified.signer, signer.kind());
                let statuses = verified.singles.iter().map(|single| single.cert_status);
                assert!(statuses.eq(expected.verdicts.iter().map(|v| v.cert_status())));
            }
            // Who leaves out the delegate's certificate expects the client to have it.
            Err(ResponseDefect::SignerNotFound { .. }) => {
                assert!(is_delegate && encloses == 0);
            }
            Err(defect) => panic!("a client would refuse it: {defect}"),
        }

        assert_eq!(signed.produced_at, expected.life.produced_at);
        assert_eq!(signed.window.this_update, expected.this_update);
        assert_eq!(signed.window.next_update, expected.life.next_update);
        assert_eq!(signed.limit, expected.life.limit);
        assert_eq!(signed.send_before, expected.life.send_before);
        assert_eq!(signed.unable, issuer.policy.unable);
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
        let of_ours: Vec<Option<usize>> = asked.iter().map(|asked| self.issuer_of(asked)).collect();
        let mut issuers: BTreeSet<usize> = of_ours.iter().copied().flatten().collect();
        if issuers.is_empty() {
            issuers.extend((0..2).filter(|index| {
                self.issuers[*index].policy.unknown_issuer == UnknownIssuerPolicy::Unknown
            }));
        }
        if asked.len() > CERT_IDS_LIMIT || issuers.len() != 1 {
            return Expected::Error(ErrorStatus::Unauthorized);
        }
        let index = *issuers.first().expect("one");
        let issuer = &self.issuers[index];
        let policy = &issuer.policy;
        let nonce = match policy.nonce {
            NoncePolicy::Ignore => None,
            NoncePolicy::Echo | NoncePolicy::Required => {
                request.nonce.map(|nonce| nonce.octets().to_vec())
            }
        };
        let lacks_nonce = policy.nonce == NoncePolicy::Required && nonce.is_none();
        if asked.len() > policy.cert_ids_max || now > issuer.not_after || lacks_nonce {
            return Expected::Error(ErrorStatus::Unauthorized);
        }

        let unable = match policy.unable {
            UnablePolicy::TryLater => Expected::Error(ErrorStatus::TryLater),
            UnablePolicy::Http503 => Expected::Unavailable,
        };
        let Some(table) = &issuer.table else {
            return unable;
        };
        let Some((signer, algorithm)) = issuer.who_signs(index, &request, table, now) else {
            return unable;
        };
        let is_kept = nonce.is_none() && asked.len() == 1;
        let mut due = None;
        let key = (asked[0].der.to_vec(), algorithm.name());
        if is_kept && let Some(kept) = self.shared.get(&key) {
            match self.standing(kept, now) {
                Standing::Current => return Expected::Again(kept.clone()),
                Standing::Due => due = Some(kept.clone()),
                Standing::Over => {}
            }
        }
        let Some(life) = issuer.life(index, table, signer, now) else {
            return unable;
        };
        let mut verdicts = Vec::new();
        for (cert_id, of_ours) in asked.iter().zip(&of_ours) {
            let verdict = match of_ours {
                None => Some(Verdict::Plain(CertStatus::Unknown)),
                Some(_) => issuer.verdict(table, cert_id.serial_number.content()),
            };
            let Some(verdict) = verdict else {
                return Expected::Error(ErrorStatus::Unauthorized);
            };
            verdicts.push(verdict);
        }
        if self.keys_fail {
            return match due {
                Some(kept) => Expected::Again(kept),
                None => unable,
            };
        }

        let shorter = life.at_most_five_minutes();
        let lives: Vec<Life> = verdicts
            .iter()
            .map(|verdict| match verdict.is_provisional() {
                true => shorter,
                false => life,
            })
            .collect();
        let is_provisional = verdicts.iter().any(|verdict| verdict.is_provisional());
        let life = if is_provisional { shorter } else { life };
        let keep = is_kept.then(|| Kept {
            der: Vec::new(),
            configuration: of_ours[0].is_none().then_some(self.configuration),
            issuer: index,
            generation: issuer.generation,
            source: table.window,
            signer,
            serial: asked[0].serial_number.content().to_vec(),
            verdict: verdicts[0],
            life,
        });
        Expected::New(Expectation {
            issuer: index,
            signer,
            algorithm,
            verdicts,
            lives,
            life,
            this_update: table.window.this_update,
            nonce,
            is_provisional,
            keep,
        })
    }

    /// Which of the two issuers a CertID names: both hashes, under its own algorithm, if that one is allowed.
    fn issuer_of(&self, cert_id: &CertId<'_>) -> Option<usize> {
        let hash = cert_id.hash_algorithm?;
        (0..2).find(|index| {
            let (name_hash, key_hash) = &PKI.issuers[*index].hashes[hash as usize];
            name_hash == cert_id.issuer_name_hash
                && key_hash == cert_id.issuer_key_hash
                && self.issuers[*index].policy.cert_id_hashes.allows(hash)
        })
    }

    fn standing(&self, kept: &Kept, now: Time) -> Standing {
        let issuer = &self.issuers[kept.issuer];
        let says_the_same = || {
            issuer.table.as_ref().is_some_and(|table| {
                table.window == kept.source
                    && issuer.verdict(table, &kept.serial) == Some(kept.verdict)
                    && !kept.verdict.is_provisional()
            })
        };
        let holds = kept
            .configuration
            .is_none_or(|configuration| configuration == self.configuration)
            && issuer.signers.contains(&kept.signer)
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

    /// A worker remembers an answer by the octets of the request, unless a nonce makes these octets nobody else's.
    fn remember(&mut self, worker: usize, request: &[u8], kept: Kept) {
        let has_nonce = OcspRequest::from_der(request).is_ok_and(|request| request.nonce.is_some());
        if !has_nonce {
            self.recent[worker].insert(request.to_vec(), kept);
        }
    }
}

impl ModelIssuer {
    /// What is said of a serial; None: nothing.
    fn verdict(&self, table: &ModelTable, serial: &[u8]) -> Option<Verdict> {
        if let Some(info) = table.revoked.get(serial) {
            return Some(Verdict::Plain(CertStatus::Revoked(*info)));
        }
        let is_issued = table.issued.as_ref().map(|issued| issued.contains(serial));
        match is_issued {
            Some(true) => Some(Verdict::Plain(CertStatus::Good)),
            None => Some(Verdict::Plain(match self.policy.absent {
                AbsentPolicy::Good => CertStatus::Good,
                AbsentPolicy::Unknown => CertStatus::Unknown,
            })),
            Some(false) => match self.policy.never_issued {
                NeverIssuedPolicy::Unknown => Some(Verdict::Plain(CertStatus::Unknown)),
                NeverIssuedPolicy::Revoked => Some(Verdict::Extended),
                NeverIssuedPolicy::Unauthorized => None,
            },
        }
    }

    /// Of the signers that have not run out, or of all if all have: the client's best that one of them has; else the
    /// first, as the list is signed if it can.
    fn who_signs(
        &self,
        index: usize,
        request: &OcspRequest<'_>,
        table: &ModelTable,
        now: Time,
    ) -> Option<(usize, SignatureAlgorithm)> {
        let credentials = PKI.issuers[index].credentials(&self.policy);
        let mut signers = self.signers.clone();
        signers.retain(|signer| now <= credentials[*signer].not_after());
        let first = *signers.first().or(self.signers.first())?;
        if let Some(preferred) = &request.preferred_signature_algorithms {
            for entry in preferred.iter().take(16) {
                let fits = |signer: &&usize| {
                    let credential = &credentials[**signer];
                    let key = credential.certificate().view().public_key;
                    entry.signature_algorithm == Some(credential.algorithm())
                        && entry.admits_key(key.algorithm, key.curve)
                };
                if let Some(signer) = signers.iter().find(fits) {
                    return Some((*signer, credentials[*signer].algorithm()));
                }
            }
        }
        // Each signer here has one algorithm, so that the list's is its own or none.
        let own = credentials[first].algorithm();
        let as_the_list = table.signed_with.filter(|algorithm| *algorithm == own);
        Some((first, as_the_list.unwrap_or(own)))
    }

    /// nextUpdate is the least of table, validity, window, signer and issuer; nothing is promised within a margin of it,
    /// nor by a clock that is more than five minutes behind.
    fn life(&self, index: usize, table: &ModelTable, signer: usize, now: Time) -> Option<Life> {
        let signer = PKI.issuers[index].credentials(&self.policy)[signer]
            .certificate()
            .view();
        let this_update = table.window.this_update;
        let begin = this_update.max(signer.not_before).max(self.not_before);
        if begin.seconds_since(now) > 300 {
            return None;
        }
        let produced_at = now.max(begin);
        let seconds = |bound: Duration| i64::try_from(bound.as_secs()).expect("a short time");
        let validity = self.policy.validity.map(seconds);
        let mut ends = vec![(table.window.next_update, Limit::Source)];
        ends.extend(validity.map(|validity| (produced_at.plus_seconds(validity), Limit::Validity)));
        ends.extend(self.policy.window_max.map(|window_max| {
            let end = this_update.plus_seconds(seconds(window_max) - 1);
            (end, Limit::Window)
        }));
        ends.push((signer.not_after, Limit::Signer));
        ends.push((self.not_after, Limit::Issuer));
        // Of equal ends the first.
        let (next_update, limit) = ends.into_iter().min_by_key(|(end, _)| *end)?;
        let length = next_update.seconds_since(this_update);
        let mut margin = (length / 100).clamp(0, 60);
        if let Some(validity) = validity {
            margin = margin.min(validity / 100);
        }
        let send_before = next_update.plus_seconds(-margin);
        if produced_at >= send_before {
            return None;
        }
        let renew_at = match (limit, validity) {
            (Limit::Validity, Some(validity)) => {
                send_before.min(produced_at.plus_seconds(validity / 2))
            }
            (_, _) => send_before,
        };
        Some(Life {
            produced_at,
            next_update,
            limit,
            send_before,
            renew_at,
        })
    }
}

impl Verdict {
    fn cert_status(self) -> CertStatus {
        match self {
            Verdict::Plain(status) => status,
            Verdict::Extended => CertStatus::Revoked(RevokedInfo {
                revocation_time: Time::from_unix(0),
                reason: Some(CrlReason::CertificateHold),
                invalidity_date: None,
            }),
        }
    }

    fn is_provisional(self) -> bool {
        match self.cert_status() {
            CertStatus::Good => false,
            CertStatus::Unknown => true,
            CertStatus::Revoked(info) => info.reason == Some(CrlReason::CertificateHold),
        }
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
            limit: Limit::Provisional,
            send_before: self.send_before.min(next_update.plus_seconds(-3)),
            renew_at: self.renew_at.min(self.produced_at.plus_seconds(150)),
        }
    }
}

impl PolicyChoice {
    fn policy(self) -> Policy {
        let seconds = |seconds: u32| (seconds > 0).then(|| Duration::from_secs(seconds.into()));
        let allowed: Vec<HashAlgorithm> = HashAlgorithm::ALL
            .into_iter()
            .filter(|hash| self.hashes_refused >> *hash as usize & 1 == 0)
            .collect();
        Policy {
            validity: seconds(self.validity.into()),
            window_max: seconds(self.window_max),
            stale_until: None,
            nonce: match self.nonce % 3 {
                0 => NoncePolicy::Echo,
                1 => NoncePolicy::Ignore,
                _ => NoncePolicy::Required,
            },
            unable: match self.http_503 {
                false => UnablePolicy::TryLater,
                true => UnablePolicy::Http503,
            },
            nonce_over_budget: NonceOverBudget::TryLater,
            unknown_issuer: match self.answers_for_unknown {
                false => UnknownIssuerPolicy::Unauthorized,
                true => UnknownIssuerPolicy::Unknown,
            },
            absent: match self.absent_is_unknown {
                false => AbsentPolicy::Good,
                true => AbsentPolicy::Unknown,
            },
            never_issued: match self.never_issued % 3 {
                0 => NeverIssuedPolicy::Unknown,
                1 => NeverIssuedPolicy::Unauthorized,
                _ => NeverIssuedPolicy::Revoked,
            },
            responder_id: match self.by_name {
                false => ResponderIdPolicy::ByKey,
                true => ResponderIdPolicy::ByName,
            },
            certificates: match self.certificates % 3 {
                0 => CertificatesPolicy::Signer,
                1 => CertificatesPolicy::None,
                _ => CertificatesPolicy::Chain,
            },
            cert_ids_max: if self.few_cert_ids { 2 } else { 16 },
            cert_id_hashes: CertIdHashes::only(&allowed),
            archive_cutoff: match self.archive_cutoff % 3 {
                0 => ArchiveCutoff::None,
                1 => ArchiveCutoff::Retention(Duration::from_secs(86_400 * 365)),
                _ => ArchiveCutoff::IssuerNotBefore,
            },
            signature_hash_min: match self.strong_hash {
                false => SignatureHash::Sha256,
                true => SignatureHash::Sha384,
            },
        }
    }
}

impl AlgorithmChoice {
    fn algorithm(self) -> SignatureAlgorithm {
        match self {
            AlgorithmChoice::Ed25519 => SignatureAlgorithm::Ed25519,
            AlgorithmChoice::EcdsaSha256 => SignatureAlgorithm::EcdsaSha256,
            AlgorithmChoice::RsaSha256 => SignatureAlgorithm::RsaSha256,
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
        let is_issued = |issued: u8| {
            let by_bit = SERIALS.iter().enumerate();
            let chosen = by_bit.filter(move |(bit, _)| issued >> bit & 1 == 1);
            chosen.map(|(_, serial)| serial.to_vec()).collect()
        };
        ModelTable {
            revoked,
            issued: self.issued.map(is_issued),
            signed_with: self.signed_with.map(AlgorithmChoice::algorithm),
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
            .take(18)
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
        if let Some(preferred) = self.preferred {
            // An algorithm of nobody's.
            let unknown = [0x30, 0x04, 0x06, 0x02, 0x2a, 0x03];
            let identifiers = preferred.map(|choice| match choice {
                Some(choice) => choice.algorithm().der().to_vec(),
                None => unknown.to_vec(),
            });
            extensions.push(ask::preferred_extension(&[
                &identifiers[0],
                &identifiers[1],
            ]));
        }
        if self.has_extension {
            extensions.push(ask::extension(&[0x2a, 0x03], &[5, 0]));
        }
        ask::request(&cert_ids, &extensions)
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
    /// For each way to name the signer and to enclose certificates, as [`SignerChoice`] counts them.
    credentials: Vec<(ResponderIdPolicy, CertificatesPolicy, Credentials)>,
}

type Credentials = [Arc<ResponderCredential>; 5];

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
    let limits = PoolLimits {
        threads: 1,
        waiting_max: 1,
        patience: Duration::from_secs(600),
    };
    Pki {
        issuers: [
            PkiIssuer::new(issuer_certificate(), Key::of_the_issuer, 0x10, &books),
            PkiIssuer::new(second, || Key::from_seed(2), 0x20, &books),
        ],
        stranger: stranger.certify(&Key::from_seed(3), &Key::from_seed(3)),
        books,
        pool: SigningPool::start(limits, || {}).expect("a thread starts"),
    }
});

impl PkiIssuer {
    fn new(
        certificate: OwnedCertificate,
        key: impl Fn() -> Key,
        seed: u8,
        books: &Arc<SignerBooks>,
    ) -> PkiIssuer {
        let mut credentials = Vec::new();
        for responder_id in [ResponderIdPolicy::ByKey, ResponderIdPolicy::ByName] {
            for certificates in [
                CertificatesPolicy::None,
                CertificatesPolicy::Signer,
                CertificatesPolicy::Chain,
            ] {
                let policy = Policy {
                    responder_id,
                    certificates,
                    ..Policy::DEFAULT
                };
                // The one that credentials are made for; each script makes its own with the same policy.
                let issuer = Issuer::new(String::new(), certificate.clone(), policy);
                let made = Self::credentials_for(&issuer, &key, seed, books);
                credentials.push((responder_id, certificates, made));
            }
        }
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

    fn credentials_for(
        issuer: &Issuer,
        key: impl Fn() -> Key,
        seed: u8,
        books: &Arc<SignerBooks>,
    ) -> Credentials {
        let delegate = |delegate_key: fn(u8) -> Key, seed: u8, begins: i64, ends: i64| {
            let spec = CertificateSpec {
                subject: "A delegate",
                issuer: issuer.certificate().view().subject,
                not_before: NOW.plus_seconds(begins),
                not_after: NOW.plus_seconds(ends),
                ocsp_signing: true,
            };
            let certificate = spec.certify(&delegate_key(seed), &key());
            let signer = FixedSigner::new(delegate_key(seed), books);
            let now = NOW.plus_seconds(begins);
            ResponderCredential::delegated(certificate, signer, issuer, now).expect("it may answer")
        };
        let own = FixedSigner::new(key(), books);
        let own = ResponderCredential::issuer(own, issuer, NOW).expect("the key fits");
        let (day, year) = (86_400, 86_400 * 365);
        [
            own,
            delegate(Key::from_seed, seed, -day, year),
            delegate(Key::from_seed, seed + 1, -day, day),
            delegate(Key::from_seed, seed + 2, 3_600, year),
            delegate(|_| Key::p256(), seed, -day, year),
        ]
        .map(|(credential, _)| Arc::new(credential))
    }

    /// Those that were made for such a policy.
    fn credentials(&self, policy: &Policy) -> &Credentials {
        let chosen = (policy.responder_id, policy.certificates);
        let made = self
            .credentials
            .iter()
            .find(|made| (made.0, made.1) == chosen);
        &made.expect("all were made").2
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
