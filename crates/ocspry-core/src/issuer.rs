//! The CAs we answer for, and how a CertID finds its one (RFC 6960 §4.1.1).
//!
//! From: the configuration, at load.  To: `responder`, which asks [`IssuerSet::find`] once per CertID.
//! All hashes are computed once, here.  An [`Issuer`] also holds the slots in which control plane and data plane
//! meet: the status table and the credential in use, and the CRL that it has published, each swapped whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use bytes::Bytes;
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::{CertId, HashAlgorithm};

use crate::endpoint::EndpointNames;
use crate::issuer_counts::IssuerCounts;
use crate::produced::ProducedTimes;
use crate::responder::who_signs;
use crate::response::lifetime;
use crate::{
    OwnedCertificate, Policy, Refusal, ResponderCredential, StatusTable, UnknownIssuerPolicy,
    ValidityWindow, crypto,
};

/// Which issuer of an [`IssuerSet`]: an index that only the set can make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IssuerId(u32);

impl IssuerId {
    /// The position in [`IssuerSet::iter`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A CA we answer for.
pub struct Issuer {
    /// Tells this issuer from the one that a reload makes in its place.
    instance: u64,
    name: String,
    identity: String,
    certificate: OwnedCertificate,
    chain: Vec<OwnedCertificate>,
    enclosed: Vec<OwnedCertificate>,
    not_before: Time,
    not_after: Time,
    hashes: [IssuerHashes; HashAlgorithm::ALL.len()],
    policy: Policy,
    table: ArcSwapOption<StatusTable>,
    generation: AtomicU64,
    /// Seconds since 1970 of the latest time known to have passed, beside what lists and certificates say.
    time_passed: AtomicI64,
    /// Seconds since 1970 of the last producedAt; at most one store a second.
    produced_last: AtomicI64,
    /// In the operator's order.
    credentials: ArcSwap<Vec<Arc<ResponderCredential>>>,
    produced: Arc<ProducedTimes>,
    published: ArcSwapOption<PublishedCrl>,
    counts: Arc<IssuerCounts>,
}

/// The CRL that a CA has published, to be handed out as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedCrl {
    /// The DER.
    pub der: Bytes,
    /// Its SHA-256, which names it in caches.
    pub digest: [u8; 32],
    /// Its thisUpdate.
    pub this_update: Time,
    /// Its nextUpdate.
    pub next_update: Time,
}

impl PublishedCrl {
    /// Of its DER and what that says.
    pub fn new(der: Vec<u8>, this_update: Time, next_update: Time) -> PublishedCrl {
        PublishedCrl {
            digest: crypto::sha256(&der),
            der: Bytes::from(der),
            this_update,
            next_update,
        }
    }
}

/// Answers come from a list that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// When the list ended, or is about to end.
    pub since: Time,
    /// When answers end.
    pub until: Time,
}

/// No time was noted.
const NEVER: Time = Time::MIN;

/// What a CertID calls this issuer under one hash algorithm.
struct IssuerHashes {
    name: Vec<u8>,
    key: Vec<u8>,
    /// Of the same name in other spellings.
    other_names: Vec<Vec<u8>>,
}

impl IssuerHashes {
    /// Of its name in every spelling.
    fn names(&self) -> impl Iterator<Item = &[u8]> {
        let others = self.other_names.iter().map(Vec::as_slice);
        std::iter::once(self.name.as_slice()).chain(others)
    }
}

/// Why issuers do not make a set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuerError {
    /// Two issuers have one name and one key.
    #[error(
        "issuers {first} and {second} are the same CA (same name, same key): leave one of them out"
    )]
    Duplicate {
        /// The configured name of the one that came first.
        first: String,
        /// The configured name of the other.
        second: String,
    },
    /// Two issuers are to answer for CAs that nobody knows.
    #[error(
        "issuers {first} and {second} are both set to answer `unknown` for unknown issuers: leave it to one of them"
    )]
    TwoForUnknown {
        /// The configured name of the one that came first.
        first: String,
        /// The configured name of the other.
        second: String,
    },
}

impl Issuer {
    /// Hashes name and key under every algorithm a CertID may use.
    pub fn new(name: String, certificate: OwnedCertificate, policy: Policy) -> Issuer {
        let view = certificate.view();
        let hashes = HashAlgorithm::ALL.map(|algorithm| IssuerHashes {
            name: crypto::digest(algorithm, view.subject).as_ref().to_vec(),
            key: crypto::digest(algorithm, view.public_key.key_bits)
                .as_ref()
                .to_vec(),
            other_names: Vec::new(),
        });
        static NEXT_INSTANCE: AtomicU64 = AtomicU64::new(0);
        let identity = crypto::sha256(&[view.subject, view.public_key.key_bits].concat());
        Issuer {
            instance: NEXT_INSTANCE.fetch_add(1, Ordering::Relaxed),
            name,
            identity: to_hex(&identity),
            not_before: view.not_before,
            not_after: view.not_after,
            hashes,
            policy,
            table: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            time_passed: AtomicI64::new(NEVER.unix_seconds()),
            produced_last: AtomicI64::new(NEVER.unix_seconds()),
            credentials: ArcSwap::default(),
            produced: ProducedTimes::new(),
            published: ArcSwapOption::empty(),
            counts: Arc::default(),
            certificate,
            chain: Vec::new(),
            enclosed: Vec::new(),
        }
    }

    /// Takes CertIDs, too, whose name hash is that of `name` (DER): the same name in another spelling, as it stands in
    /// certificates that the CA issued.  The hash is over the name in the certificate asked about (RFC 6960 §4.1.1), and
    /// CAs have written their own in two string types.
    pub fn also_named(mut self, name: &[u8]) -> Issuer {
        for algorithm in HashAlgorithm::ALL {
            let hash = crypto::digest(algorithm, name).as_ref().to_vec();
            let hashes = &mut self.hashes[algorithm as usize];
            if hash != hashes.name && !hashes.other_names.contains(&hash) {
                hashes.other_names.push(hash);
            }
        }
        self
    }

    /// With the certificates above its own, for [`crate::CertificatesPolicy::Chain`].
    pub fn with_chain(mut self, chain: Vec<OwnedCertificate>) -> Issuer {
        self.chain = chain;
        self
    }

    /// Its answers enclose these, too, behind those that [`crate::CertificatesPolicy`] names, unless that names none.
    pub fn also_enclosing(mut self, certificates: Vec<OwnedCertificate>) -> Issuer {
        self.enclosed = certificates;
        self
    }

    /// Takes the place of an issuer of the same CA, and knows when that one answered.
    pub fn continue_from(&mut self, before: &Issuer) {
        self.produced = Arc::clone(&before.produced);
        self.counts = Arc::clone(&before.counts);
        self.set_published_crl(before.published_crl());
        self.note_time_passed(before.time_passed());
    }

    /// No other issuer of this process has this number, also not one of the same CA.
    pub(crate) fn instance(&self) -> u64 {
        self.instance
    }

    /// The configured name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its certificate.
    pub fn certificate(&self) -> &OwnedCertificate {
        &self.certificate
    }

    /// The certificate's first second.
    pub fn not_before(&self) -> Time {
        self.not_before
    }

    /// The certificate's last second.
    pub fn not_after(&self) -> Time {
        self.not_after
    }

    /// The certificates above its own, as far as they were given.
    pub(crate) fn chain(&self) -> &[OwnedCertificate] {
        &self.chain
    }

    /// What its answers enclose beside the certificates of signer and CA.
    pub(crate) fn enclosed(&self) -> &[OwnedCertificate] {
        &self.enclosed
    }

    /// The operator's choices.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// SHA-256 over name and key in hex: the same across restarts, and for every certificate of this name and key.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// The table in use, to keep.
    pub fn table(&self) -> Option<Arc<StatusTable>> {
        self.table.load_full()
    }

    /// The table in use, for a look-up: cheaper than [`Issuer::table`], and not to be held across a wait.
    pub(crate) fn table_guard(&self) -> Guard<Option<Arc<StatusTable>>> {
        self.table.load()
    }

    /// Swaps in a table; the old one goes back to the caller, to be freed off the hot path.
    pub fn set_table(&self, table: Option<Arc<StatusTable>>) -> Option<Arc<StatusTable>> {
        let old = self.table.swap(table);
        // After the swap: whoever reads the new number reads the new table.
        self.generation.fetch_add(1, Ordering::AcqRel);
        old
    }

    /// Grows by one with each table; to be read before the table it is to speak for.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Cached answers are looked up again before they are handed out, as with a new table: time did something odd.
    pub fn check_cached_again(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// This time has passed: answers were made then.  A clock that is more than [`CLOCK_BEHIND_SECONDS_MAX`] behind it
    /// stops answers (DESIGN rule 14).  An earlier time than the one known changes nothing.
    ///
    /// [`CLOCK_BEHIND_SECONDS_MAX`]: crate::CLOCK_BEHIND_SECONDS_MAX
    pub fn note_time_passed(&self, time: Time) {
        self.time_passed
            .fetch_max(time.unix_seconds(), Ordering::Relaxed);
    }

    /// What was noted was wrong: the clock was ahead then, and the operator says so.
    pub fn forget_time_passed(&self) {
        let never = NEVER.unix_seconds();
        self.time_passed.store(never, Ordering::Relaxed);
        self.produced_last.store(never, Ordering::Relaxed);
    }

    /// The latest time that was noted; [`Time::MIN`] if none was.
    pub fn time_passed(&self) -> Time {
        Time::from_unix(self.time_passed.load(Ordering::Relaxed))
    }

    /// An answer is about to be signed with this producedAt.
    pub(crate) fn note_produced(&self, produced_at: Time) {
        let seconds = produced_at.unix_seconds();
        // Not the greatest: what a clock said that was ahead for a while must not hide what comes after.
        if self.produced_last.load(Ordering::Relaxed) != seconds {
            self.produced_last.store(seconds, Ordering::Relaxed);
        }
    }

    /// producedAt of the answer that was made last, give or take what several workers do at once.
    pub fn produced_last(&self) -> Option<Time> {
        let last = Time::from_unix(self.produced_last.load(Ordering::Relaxed));
        (last > NEVER).then_some(last)
    }

    /// Since when and until when the list in use is over and answers go on all the same (`Policy::stale_until`); None
    /// while that is not so.
    pub fn stale(&self, now: Time) -> Option<Stale> {
        let table = self.table_guard();
        let window = table.as_ref()?.window();
        let until = self.policy.stale_until(window, now)?;
        Some(Stale {
            since: self.policy.source_end(window),
            until,
        })
    }

    /// Whether less than a fifth of the time of its list is left, or none; None without a list.
    pub fn source_is_ending(&self, now: Time) -> Option<bool> {
        let table = self.table_guard();
        let mut window = table.as_ref()?.window();
        window.next_update = self.policy.source_end(window);
        Some(now >= window.last_fifth())
    }

    /// Whether less than a fifth of the time of its signer's certificate is left, or none; None without a signer.
    pub fn signer_is_ending(&self, now: Time) -> Option<bool> {
        let credential = self.credential()?;
        let window = ValidityWindow {
            this_update: credential.not_before(),
            next_update: credential.not_after(),
        };
        Some(now >= window.last_fifth())
    }

    /// The credential in use: of several, the first.
    pub fn credential(&self) -> Option<Arc<ResponderCredential>> {
        self.credentials.load().first().cloned()
    }

    /// All credentials in use, for one request; not to be held across a wait.
    pub(crate) fn credentials_guard(&self) -> Guard<Arc<Vec<Arc<ResponderCredential>>>> {
        self.credentials.load()
    }

    /// Is the credential with this id in use?
    pub(crate) fn is_signed_by(&self, credential: u64) -> bool {
        let credentials = self.credentials.load();
        credentials.iter().any(|current| current.id() == credential)
    }

    /// Swaps in a credential.
    pub fn set_credential(&self, credential: Option<Arc<ResponderCredential>>) {
        self.set_credentials(credential.into_iter().collect());
    }

    /// Swaps in several, in the operator's order: who prefers nothing gets the first (RFC 6960 §4.4.7.2).
    pub fn set_credentials(&self, credentials: Vec<Arc<ResponderCredential>>) {
        self.credentials.store(Arc::new(credentials));
    }

    /// The CRL that it has published, where that is known here.
    pub fn published_crl(&self) -> Option<Arc<PublishedCrl>> {
        self.published.load_full()
    }

    /// Swaps in a newer one.
    pub fn set_published_crl(&self, crl: Option<Arc<PublishedCrl>>) {
        self.published.store(crl);
    }

    /// When answers about its certificates were made.
    pub(crate) fn produced(&self) -> &ProducedTimes {
        &self.produced
    }

    /// What its clients were told, and how its keys signed.
    pub fn counts(&self) -> &Arc<IssuerCounts> {
        &self.counts
    }

    /// Would a request about one of its certificates be answered at `now`?  By the rules that the request would meet.
    ///
    /// # Errors
    /// What would be said instead.
    pub fn can_answer(&self, now: Time) -> Result<(), Refusal> {
        self.refuse_if_over(now)?;
        let table = self.table_guard();
        let table = table.as_ref().ok_or(Refusal::SourceMissing)?;
        let credentials = self.credentials_guard();
        let (credential, _) =
            who_signs(&credentials, None, table.source().signature_algorithm, now)
                .ok_or(Refusal::SignerMissing)?;
        lifetime(table.window(), self, credential, now).map(|_| ())
    }

    /// # Errors
    /// Its certificate has ended: then nobody answers for it, whatever its lists say.
    pub(crate) fn refuse_if_over(&self, now: Time) -> Result<(), Refusal> {
        match now > self.not_after {
            true => Err(Refusal::IssuerExpired {
                not_after: self.not_after,
            }),
            false => Ok(()),
        }
    }

    /// Could one CertID name both?
    fn shares_a_name_with(&self, other: &Issuer) -> bool {
        let (ours, theirs) = (&self.hashes[0], &other.hashes[0]);
        ours.key == theirs.key && ours.names().any(|name| theirs.names().any(|it| it == name))
    }

    /// Name hash AND key hash, under the CertID's own algorithm (DESIGN rule 5).
    fn matches(&self, algorithm: HashAlgorithm, cert_id: &CertId<'_>) -> bool {
        let hashes = &self.hashes[algorithm as usize];
        hashes.key == cert_id.issuer_key_hash
            && hashes.names().any(|name| name == cert_id.issuer_name_hash)
    }
}

/// All issuers of one configuration.
pub struct IssuerSet {
    issuers: Vec<Arc<Issuer>>,
    /// Per hash algorithm: the first octets of each key hash, sorted, with the issuer they lead to.
    by_key_hash: [Vec<(u64, IssuerId)>; HashAlgorithm::ALL.len()],
    /// By instance, sorted: a cached answer finds its issuer by it after a reload.
    by_instance: Vec<(u64, IssuerId)>,
    /// Who signs `unknown` for CAs that are none of ours.
    for_unknown: Option<IssuerId>,
    names: EndpointNames,
}

impl IssuerSet {
    /// Indexes the issuers by key hash.
    ///
    /// # Errors
    /// Two issuers with one name (in any spelling) and one key: no CertID could tell them apart.  Two that answer for unknown
    /// issuers.
    pub fn new(issuers: Vec<Arc<Issuer>>) -> Result<IssuerSet, IssuerError> {
        for (index, second) in issuers.iter().enumerate() {
            if let Some(first) = issuers[..index]
                .iter()
                .find(|first| first.shares_a_name_with(second))
            {
                return Err(IssuerError::Duplicate {
                    first: first.name.clone(),
                    second: second.name.clone(),
                });
            }
        }
        let by_key_hash = HashAlgorithm::ALL.map(|algorithm| {
            let mut index: Vec<(u64, IssuerId)> = (0u32..)
                .zip(&issuers)
                .filter(|(_, issuer)| issuer.policy.cert_id_hashes.allows(algorithm))
                .map(|(id, issuer)| {
                    (
                        leading_octets(&issuer.hashes[algorithm as usize].key),
                        IssuerId(id),
                    )
                })
                .collect();
            index.sort_unstable_by_key(|(leading, _)| *leading);
            index
        });
        let mut for_unknown = (0u32..)
            .zip(&issuers)
            .filter(|(_, issuer)| issuer.policy.unknown_issuer == UnknownIssuerPolicy::Unknown);
        let first = for_unknown.next();
        if let (Some((_, first)), Some((_, second))) = (first, for_unknown.next()) {
            return Err(IssuerError::TwoForUnknown {
                first: first.name.clone(),
                second: second.name.clone(),
            });
        }
        let for_unknown = first.map(|(id, _)| IssuerId(id));
        let ids = (0u32..).map(IssuerId);
        let instances = issuers.iter().map(|issuer| issuer.instance);
        let mut by_instance: Vec<(u64, IssuerId)> = instances.zip(ids.clone()).collect();
        by_instance.sort_unstable_by_key(|(instance, _)| *instance);
        Ok(IssuerSet {
            names: EndpointNames::of(ids.zip(&issuers)),
            by_instance,
            issuers,
            by_key_hash,
            for_unknown,
        })
    }

    /// The issuer that a CertID names; None when it is none of ours or the hash algorithm is not known here.
    pub fn find(&self, cert_id: &CertId<'_>) -> Option<IssuerId> {
        let algorithm = cert_id.hash_algorithm?;
        let index = &self.by_key_hash[algorithm as usize];
        let leading = leading_octets(cert_id.issuer_key_hash);
        let start = index.partition_point(|(other, _)| *other < leading);
        index[start..]
            .iter()
            .take_while(|(other, _)| *other == leading)
            .map(|(_, id)| *id)
            .find(|id| self.issuers[id.index()].matches(algorithm, cert_id))
    }

    /// The issuer that a URL names, by the configured name or the serial number of its certificate.
    pub(crate) fn named(&self, name: &[u8]) -> Option<IssuerId> {
        self.names.find(name)
    }

    /// The issuer that signs `unknown` for CAs that are none of ours, if one does.
    pub(crate) fn for_unknown(&self) -> Option<IssuerId> {
        self.for_unknown
    }

    /// The issuer behind an id of this set.
    pub fn issuer(&self, id: IssuerId) -> &Arc<Issuer> {
        &self.issuers[id.index()]
    }

    /// Where this instance stands, if it is one of these; in another set it stood at `before`.
    pub(crate) fn find_instance(&self, instance: u64, before: IssuerId) -> Option<IssuerId> {
        let is_it = |issuer: &Arc<Issuer>| issuer.instance == instance;
        if self.issuers.get(before.index()).is_some_and(is_it) {
            return Some(before);
        }
        let found = self
            .by_instance
            .binary_search_by_key(&instance, |(instance, _)| *instance);
        Some(self.by_instance[found.ok()?].1)
    }

    /// In the order of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Issuer>> {
        self.issuers.iter()
    }
}

/// The first eight octets as a number; shorter input counts as if zeros followed.
fn leading_octets(hash: &[u8]) -> u64 {
    let mut octets = [0; 8];
    let length = hash.len().min(8);
    octets[..length].copy_from_slice(&hash[..length]);
    u64::from_be_bytes(octets)
}
