//! A responder that gets its certificates by itself: `serve` makes the key and asks, `ocspry ca tick` signs, and the ledger
//! brings the certificate (design.md §7; RFC 6960 §4.2.2.2).
//!
//! From: `credentials`, which asks for a look on the control thread.  To: the issuer's credential slot.  START HERE:
//! [`ManagedResponder::attend`].  When half of a certificate's life is over, a new key is made, since stolen ones should age;
//! the pair in use goes on until the new one has proved itself, and stays behind it until its own answers have ended, so that
//! those that are cached go on too.

mod folder;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use ocspry_ca::{CaKey, KeyAlgorithm, Profile, PublicKey};
use ocspry_core::{Issuer, Lookup, OwnedCertificate, ResponderCredential, Signer};
use ocspry_ledger::{LedgerError, LedgerPlace, LedgerReader};
use ocspry_signer::FileSigner;
use ocspry_source::{Joint, StateDirectory};
use ocspry_wire::Time;
use ocspry_wire::x509::Certificate;

use crate::config::ManagedConfig;
use crate::credential_files::{CredentialReport, PairError, PairWarning, Refused};
use crate::file_stamp::FileStamps;
use crate::metered_signer::MeteredSigner;
use folder::{Folder, Kept, Pair, Places};

pub(crate) use folder::FolderError;

/// Looks after the pair of one issuer.
pub(crate) struct ManagedResponder {
    config: ManagedConfig,
    issuer: Arc<Issuer>,
    joint: Arc<Joint>,
    /// None: there is no state directory.
    places: Option<Places>,
    stamps: FileStamps,
    /// The certificate of the pair in use, as it lies in the folder, whether it is good or not.
    in_use: Option<OwnedCertificate>,
    /// In the issuer's slot: the pair in use, then the one before it.
    credentials: Vec<Arc<ResponderCredential>>,
    /// What waits for its certificate.
    next: Option<Next>,
    refused: Option<Refused>,
    /// What is awaited, as last told.
    told: Option<Awaited>,
}

/// A key that waits for its certificate.
struct Next {
    key: PublicKey,
    awaited: Awaited,
    /// The ledger was looked through up to this fact.
    searched: u64,
    /// The certificate of that key that ends last.
    found: Option<OwnedCertificate>,
}

/// What a managed responder waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// There is nowhere to keep a key.
    StateDirectory,
    /// The CA is to sign.
    Certificate {
        /// The request.
        request: PathBuf,
        why: Why,
    },
}

/// Why a certificate is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// There is none.
    First,
    /// Half of the life of the one in use is over.
    HalfLife,
    /// The one in use is revoked.
    Revoked,
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (request, why) = match self {
            Awaited::StateDirectory => {
                return f.write_str(
                    "a managed responder keeps its key in the state directory, and there is none: give --state-dir DIR",
                );
            }
            Awaited::Certificate { request, why } => (request, why),
        };
        let directory = request.parent().unwrap_or(request);
        f.write_str(match why {
            Why::First => "the responder's key has no certificate yet",
            Why::HalfLife => "half of the life of the signer's certificate is over, and a new key waits for the next one",
            Why::Revoked => "the signer's certificate is revoked, and a new key waits for another one",
        })?;
        write!(
            f,
            ": as the CA's user, run `ocspry ca tick --responder-requests {}` (the request is {})",
            directory.display(),
            request.display()
        )
    }
}

impl ManagedResponder {
    /// For one issuer, which `joint` feeds; nothing is read or made yet.
    pub(crate) fn new(
        config: ManagedConfig,
        issuer: Arc<Issuer>,
        joint: Arc<Joint>,
        state: Option<&StateDirectory>,
    ) -> ManagedResponder {
        let places = state.map(|state| {
            let folder = state.responder_folder(issuer.identity());
            Places::new(folder, &config.requests, &config.ca)
        });
        ManagedResponder {
            config,
            issuer,
            joint,
            places,
            stamps: FileStamps::default(),
            in_use: None,
            credentials: Vec::new(),
            next: None,
            refused: None,
            told: None,
        }
    }

    /// The files, as last looked at, are of no use.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// What is wrong or awaited, as last looked at.
    pub(crate) fn problem(&self) -> Option<String> {
        let refused = self.refused.as_ref().map(|refused| refused.message.clone());
        refused.or_else(|| Some(self.awaited()?.to_string()))
    }

    /// What is awaited.
    pub(crate) fn awaited(&self) -> Option<Awaited> {
        match (&self.places, &self.next) {
            (None, _) => Some(Awaited::StateDirectory),
            (Some(_), Some(next)) => Some(next.awaited.clone()),
            (Some(_), None) => None,
        }
    }

    /// A certificate may come at any moment.
    pub(crate) fn is_awaiting(&self) -> bool {
        self.next.is_some()
    }

    /// The ledger has more than was looked through.
    pub(crate) fn has_news(&self) -> bool {
        let seen = self.joint.ledger_seen();
        let next = self.next.as_ref();
        next.zip(seen)
            .is_some_and(|(next, seen)| seen.sequence > next.searched)
    }

    /// When there is something to do.
    pub(crate) fn next_wake(&self, now: Time) -> Option<Time> {
        let in_use = self.in_use.as_ref().filter(|_| self.next.is_none());
        let due = in_use.and_then(|in_use| renewal_due(in_use, self.issuer.not_after()));
        let end = self.before_ends().map(|end| end.plus_seconds(1));
        let wake = due.into_iter().chain(end).min()?;
        // What was refused is tried again with all else.
        (!self.is_refused()).then(|| wake.max(now.plus_seconds(1)))
    }

    /// Makes the next look read the files in any case.
    pub(crate) fn forget_stamps(&mut self) {
        self.stamps = FileStamps::default();
    }

    /// Looks at files, clock and ledger, and does what is to be done.
    pub(crate) fn refresh(&mut self, now: Time) -> CredentialReport {
        let Some(places) = self.places.clone() else {
            return self.tell_awaited(CredentialReport::Unchanged);
        };
        let is_news = places.stamps() != self.stamps
            || self.is_refused()
            || self.told != self.awaited()
            || self.has_news()
            || self.next.is_none() && self.why_renew(now).is_some()
            || self.before_ends().is_some_and(|end| now > end);
        if !is_news {
            return CredentialReport::Unchanged;
        }
        let certificate = |issuer: &Issuer| {
            let credential = issuer.credential();
            credential.map(|credential| credential.certificate().clone())
        };
        let before = certificate(&self.issuer);
        let mut warnings = Vec::new();
        let attended = self.attend(&places, &mut warnings, now);
        let is_swapped = certificate(&self.issuer) != before;
        let report = match attended {
            Ok(()) => {
                self.stamps = places.stamps();
                match self.refused.take() {
                    Some(_) => CredentialReport::Recovered,
                    None => CredentialReport::Unchanged,
                }
            }
            Err(error) => {
                let attempts = Refused::note(&mut self.refused, error.to_string());
                CredentialReport::Refused { error, attempts }
            }
        };
        match (is_swapped, &report) {
            // What else there is to tell is told at the next look.
            (true, _) => CredentialReport::Swapped { warnings },
            (false, CredentialReport::Refused { .. }) => report,
            (false, _) => self.tell_awaited(report),
        }
    }

    /// Whatever was cut off goes on: all that counts is on disk, and each step leaves it whole.
    fn attend(
        &mut self,
        places: &Places,
        warnings: &mut Vec<PairWarning>,
        now: Time,
    ) -> Result<(), PairError> {
        let folder = Folder::open(places)?;
        let mut used = self.use_pairs(&folder, warnings, now);
        let mut key = folder.next()?;
        if key.as_ref().is_some_and(|key| self.is_in_use(key)) {
            folder.forget_next()?;
            key = None;
        }
        if let Some(waiting) = &key
            && let Some(certificate) = self.certificate_for(waiting, places, now)
        {
            self.prove(&certificate, folder.next_signer()?, now)?;
            folder.put_in_use(waiting, &certificate)?;
            used = self.use_pairs(&folder, warnings, now);
            key = None;
        }
        match used {
            // Nothing is made in the place of what cannot be read; what has expired is renewed.
            Err(PairError::Managed { .. }) => return used,
            Err(_) if key.is_none() && self.why_renew(now).is_none() => return used,
            Ok(()) | Err(_) => {}
        }
        if key.is_none() && self.why_renew(now).is_some() {
            key = Some(folder.make_next(self.algorithm()?)?);
        }
        match key {
            Some(key) => {
                self.await_for(key.public_key(), places, now);
                folder.ask(&key)?;
            }
            None => {
                self.next = None;
                folder.ask_nothing()?;
            }
        }
        Ok(())
    }

    /// Puts the pairs of the folder into the issuer's slot, as far as they are good; those that are there stay the same, and
    /// so does what they signed.
    fn use_pairs(
        &mut self,
        folder: &Folder<'_>,
        warnings: &mut Vec<PairWarning>,
        now: Time,
    ) -> Result<(), PairError> {
        let in_use = folder.pair(Kept::InUse);
        if let Ok(pair) = &in_use {
            self.in_use = pair.as_ref().map(|pair| pair.certificate.clone());
        }
        let mut before = folder.pair(Kept::Before)?;
        if before.as_ref().is_some_and(|pair| self.is_over(pair, now)) {
            folder.forget_before()?;
            before = None;
        }
        let in_use = in_use
            .map_err(PairError::from)
            .and_then(|pair| self.credential_of(pair, warnings, now));
        let before = self.credential_of(before, &mut Vec::new(), now);
        let credentials = [in_use.as_ref().ok(), before.as_ref().ok()];
        let credentials: Vec<_> = credentials
            .into_iter()
            .flatten()
            .flatten()
            .cloned()
            .collect();
        let is_same = credentials
            .iter()
            .map(Arc::as_ptr)
            .eq(self.credentials.iter().map(Arc::as_ptr));
        // What signs is replaced by what is good; only where nothing signs yet, by the pair before it.
        if !is_same && (matches!(in_use, Ok(Some(_))) || self.credentials.is_empty()) {
            self.issuer.set_credentials(credentials.clone());
            self.credentials = credentials;
        }
        in_use.and(before).map(|_| ())
    }

    fn credential_of(
        &self,
        pair: Option<Pair>,
        warnings: &mut Vec<PairWarning>,
        now: Time,
    ) -> Result<Option<Arc<ResponderCredential>>, PairError> {
        let Some(pair) = pair else {
            return Ok(None);
        };
        let is_same = |known: &&Arc<ResponderCredential>| *known.certificate() == pair.certificate;
        if let Some(known) = self.credentials.iter().find(is_same) {
            return Ok(Some(Arc::clone(known)));
        }
        warnings.extend(pair.signer.warnings().iter().cloned().map(PairWarning::Key));
        let signer: Arc<dyn Signer> =
            Arc::new(MeteredSigner::new(pair.signer, self.issuer.counts()));
        let credential =
            ResponderCredential::delegated(pair.certificate, signer, &self.issuer, now);
        let (credential, more) = credential.map_err(|source| PairError::Credential {
            path: pair.path,
            source,
        })?;
        warnings.extend(more.into_iter().map(PairWarning::Credential));
        Ok(Some(Arc::new(credential)))
    }

    /// Before it takes the place of one that works: a client would take it.
    fn prove(
        &self,
        certificate: &OwnedCertificate,
        signer: FileSigner,
        now: Time,
    ) -> Result<(), PairError> {
        let signer: Arc<dyn Signer> = Arc::new(signer);
        let proved = ResponderCredential::delegated(certificate.clone(), signer, &self.issuer, now);
        let LedgerPlace::Sqlite(path) = &self.config.ledger;
        proved.map(|_| ()).map_err(|source| PairError::Credential {
            path: path.clone(),
            source,
        })
    }

    /// The certificate of a key that the ledger has; of several that are not revoked, the one that ends last.  A ledger that
    /// cannot be read is told of elsewhere.
    fn certificate_for(
        &mut self,
        key: &CaKey,
        places: &Places,
        now: Time,
    ) -> Option<OwnedCertificate> {
        self.await_for(key.public_key(), places, now);
        let seen = self.joint.ledger_seen()?.sequence;
        let next = self.next.as_mut()?;
        if seen > next.searched {
            let (certificates, sequence) = look_into(&self.config, next.searched).ok()?;
            next.searched = seen.max(sequence);
            next.found = certificates
                .into_iter()
                .chain(next.found.take())
                .filter(|certificate| certificate.view().public_key.der == key.public_key_info())
                .max_by_key(|certificate| certificate.view().not_after);
        }
        let found = next.found.clone()?;
        (!self.is_revoked(&found)).then_some(found)
    }

    /// Takes note of what is awaited.
    fn await_for(&mut self, key: &PublicKey, places: &Places, now: Time) {
        let awaited = Awaited::Certificate {
            request: places.request().to_owned(),
            why: self.why_renew(now).unwrap_or(Why::HalfLife),
        };
        match &mut self.next {
            Some(next) if next.key == *key => next.awaited = awaited,
            Some(_) | None => {
                self.next = Some(Next {
                    key: key.clone(),
                    awaited,
                    searched: 0,
                    found: None,
                });
            }
        }
    }

    /// What is awaited is told once, and takes the place of `otherwise`.
    fn tell_awaited(&mut self, otherwise: CredentialReport) -> CredentialReport {
        let awaited = self.awaited();
        if self.told == awaited {
            return otherwise;
        }
        self.told.clone_from(&awaited);
        awaited.map_or(otherwise, CredentialReport::Awaits)
    }

    /// Why another certificate is wanted; None: none is.
    fn why_renew(&self, now: Time) -> Option<Why> {
        let Some(certificate) = &self.in_use else {
            return Some(Why::First);
        };
        if self.is_revoked(certificate) {
            return Some(Why::Revoked);
        }
        let due = renewal_due(certificate, self.issuer.not_after())?;
        (now >= due).then_some(Why::HalfLife)
    }

    /// When the answers of the pair before have ended.
    fn before_ends(&self) -> Option<Time> {
        let before = self.credentials.get(1)?;
        Some(before.not_after())
    }

    fn algorithm(&self) -> Result<KeyAlgorithm, FolderError> {
        let ca = PublicKey::from_der(self.issuer.certificate().view().public_key.der)?;
        Ok(KeyAlgorithm::of_responder(&ca))
    }

    fn is_in_use(&self, key: &CaKey) -> bool {
        let in_use = self.in_use.as_ref();
        in_use.is_some_and(|in_use| in_use.view().public_key.der == key.public_key_info())
    }

    /// Its answers have ended, or are worth nothing.
    fn is_over(&self, pair: &Pair, now: Time) -> bool {
        now > pair.certificate.view().not_after || self.is_revoked(&pair.certificate)
    }

    /// By the CA itself, as far as the ledger is known.
    fn is_revoked(&self, certificate: &OwnedCertificate) -> bool {
        let serial = certificate.view().serial_number;
        let table = self.issuer.table();
        table.is_some_and(|table| matches!(table.lookup(&serial), Lookup::Revoked(_)))
    }
}

/// When half of a certificate's life is over; None: it ends with its CA, and no other would end later.
pub(crate) fn renewal_due(certificate: &OwnedCertificate, ca_not_after: Time) -> Option<Time> {
    let view = certificate.view();
    (view.not_after < ca_not_after).then(|| half_life(&view))
}

/// When half of a certificate's life is over.
pub(crate) fn half_life(certificate: &Certificate<'_>) -> Time {
    let life_seconds = certificate.not_after.seconds_since(certificate.not_before);
    certificate.not_before.plus_seconds(life_seconds / 2)
}

/// The certificates for responders that were recorded after some fact, and the last fact that there is.
fn look_into(
    config: &ManagedConfig,
    after: u64,
) -> Result<(Vec<OwnedCertificate>, u64), LedgerError> {
    let reader = LedgerReader::open(&config.ledger)?;
    let sequence = reader.position()?.sequence;
    let ca = reader.issuer(&config.ca)?.number;
    let found = reader.certificates_for(ca, Profile::OcspResponder.name(), after)?;
    let certificates = found.into_iter().filter_map(|facts| facts.der);
    let certificates = certificates.filter_map(|der| OwnedCertificate::from_der(der).ok());
    Ok((certificates.collect(), sequence))
}
