//! What stands beside the CRLs: lists of what was issued, and overlays; each as it was last read.
//!
//! From: files that the CA's tools or the operator write, by `issued` and `overlay`.  To: `compose`.  What cannot be read
//! changes nothing: the last reading counts until it is too old, an overlay for ever.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::{
    CLOCK_BEHIND_SECONDS_MAX, IssuedSerials, IssuedSerialsBuilder, Overlay, OwnedCertificate,
    Revocation, RevokedSerials, RevokedSerialsBuilder, SourceInfo, ValidityWindow,
};
use ocspry_wire::Time;
use ocspry_wire::x509::SerialNumber;

use crate::SourceError;
use crate::fingerprint::Fingerprint;
use crate::issued::{IssuedFacts, IssuedKind, IssuedLimits, IssuedStamp, read_issued};
use crate::overlay::{OverlayEntry, OverlayLimits, read_overlay};
use crate::refresh::{Event, Report};

/// A list of what was issued, and how far it is to be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuedSource {
    /// A file of serials, an OpenSSL index, or a directory of certificates.
    pub path: PathBuf,
    /// Whose word it is.
    pub role: IssuedRole,
    /// How old it may get.
    pub max_age_seconds: i64,
    /// What is said of absent serials when it is older.
    pub lag: Lag,
}

/// Whose word a list of issued serials is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IssuedRole {
    /// A copy that is made now and then: it speaks of the time at which it was written.
    #[default]
    Export,
    /// The CA's own record: it speaks of the time at which it is read.
    Record,
}

impl IssuedRole {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("export", Self::Export), ("record", Self::Record)];
}

/// What is said of absent serials while it is not known what was issued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Lag {
    /// `tryLater`.
    #[default]
    TryLater,
    /// As if there were no list of what was issued.
    Good,
}

impl Lag {
    /// Each choice with its word.
    pub const WORDS: &'static [(&'static str, Self)] =
        &[("try-later", Self::TryLater), ("good", Self::Good)];
}

/// A list of what was issued, followed.
pub(crate) struct IssuedFeed {
    source: IssuedSource,
    seen: Option<IssuedStamp>,
    known: Option<Known>,
    problem: Option<SourceError>,
}

/// The last good reading.
#[derive(Clone)]
struct Known {
    unexpired: Arc<IssuedSerials>,
    others: Arc<IssuedSerials>,
    revoked: Arc<RevokedSerials>,
    facts: IssuedFacts,
    /// When it was last seen to be so.
    confirmed: Time,
}

impl IssuedFeed {
    pub(crate) fn new(source: IssuedSource) -> IssuedFeed {
        IssuedFeed {
            source,
            seen: None,
            known: None,
            problem: None,
        }
    }

    pub(crate) fn source(&self) -> &IssuedSource {
        &self.source
    }

    pub(crate) fn carry_over(&mut self, old: &IssuedFeed) {
        self.seen.clone_from(&old.seen);
        self.known.clone_from(&old.known);
        self.problem.clone_from(&old.problem);
    }

    pub(crate) fn problem(&self) -> Option<(String, &SourceError)> {
        let problem = self.problem.as_ref()?;
        Some((self.source.path.display().to_string(), problem))
    }

    /// Reads it again if it changed.
    pub(crate) fn look(&mut self, issuer: &OwnedCertificate, now: Time) -> Option<Report> {
        let stamp = match IssuedStamp::of(&self.source.path) {
            Ok(stamp) => stamp,
            Err(error) => {
                self.seen = None;
                self.problem = Some(error);
                return None;
            }
        };
        if self.seen == Some(stamp) {
            self.confirm(now);
            return None;
        }
        match Known::read(&self.source.path, issuer, now) {
            Ok(known) => {
                self.seen = stamp.is_settled(now).then_some(stamp);
                self.problem = None;
                let is_news = self
                    .known
                    .as_ref()
                    .is_none_or(|before| before.facts.digest != known.facts.digest);
                if is_news {
                    let sentence = known.sentence();
                    self.known = Some(known);
                    return Some(Report {
                        place: self.source.path.display().to_string(),
                        event: Event::FactsInUse(sentence),
                    });
                }
                self.confirm(now);
                if let Some(before) = &mut self.known {
                    before.facts = known.facts;
                }
            }
            Err(error) => {
                self.seen = stamp.is_settled(now).then_some(stamp);
                self.problem = Some(error);
            }
        }
        None
    }

    /// A list of serials is seen to be so once a minute at the most, so that answers made from it can be kept for that long.
    fn confirm(&mut self, now: Time) {
        if self.problem.is_none()
            && let Some(known) = &mut self.known
            && !(-CLOCK_BEHIND_SECONDS_MAX..CONFIRM_SECONDS)
                .contains(&now.seconds_since(known.confirmed))
        {
            known.confirmed = now;
        }
    }

    /// From when to when it holds.
    fn window(&self) -> Option<ValidityWindow> {
        let known = self.known.as_ref()?;
        let this_update = match self.source.role {
            IssuedRole::Export => known.facts.written,
            IssuedRole::Record => known.confirmed,
        };
        Some(ValidityWindow {
            this_update,
            next_update: this_update.plus_seconds(self.source.max_age_seconds),
        })
    }

    /// It was read, and is not too old.
    pub(crate) fn is_fresh(&self, now: Time) -> bool {
        self.window().is_some_and(|window| now < window.next_update)
    }

    pub(crate) fn lags_as_good(&self) -> bool {
        self.source.lag == Lag::Good
    }

    /// What was issued.
    pub(crate) fn issued(&self) -> impl Iterator<Item = Arc<IssuedSerials>> {
        let known = self.known.iter();
        known
            .flat_map(|known| [&known.unexpired, &known.others])
            .filter(|serials| !serials.is_empty())
            .map(Arc::clone)
    }

    /// What an index says of revocations.
    pub(crate) fn index(&self) -> Option<(Arc<RevokedSerials>, ValidityWindow, SourceInfo)> {
        let known = self
            .known
            .as_ref()
            .filter(|known| known.facts.kind == IssuedKind::Index)?;
        let source = SourceInfo {
            origin: self.source.path.display().to_string(),
            crl_number: None,
            digest: known.facts.digest,
            signature_algorithm: None,
        };
        Some((Arc::clone(&known.revoked), self.window()?, source))
    }

    /// A certificate with this serial is known not to have expired.
    pub(crate) fn is_unexpired(&self, serial: &SerialNumber) -> bool {
        self.known
            .as_ref()
            .is_some_and(|known| known.unexpired.contains(serial))
    }

    /// When it gets too old.
    pub(crate) fn next_wake(&self) -> Option<Time> {
        Some(self.window()?.next_update)
    }
}

impl Known {
    fn read(path: &Path, issuer: &OwnedCertificate, now: Time) -> Result<Known, SourceError> {
        let (mut unexpired, mut others) =
            (IssuedSerialsBuilder::new(), IssuedSerialsBuilder::new());
        let mut revoked = RevokedSerialsBuilder::new();
        let facts = read_issued(path, issuer, &IssuedLimits::DEFAULT, |entry| {
            let is_unexpired = entry.not_after.is_some_and(|not_after| not_after >= now);
            let serials = if is_unexpired {
                &mut unexpired
            } else {
                &mut others
            };
            serials.push(&entry.serial_number);
            if let Some(info) = entry.revoked {
                revoked.push(&entry.serial_number, Revocation::Revoked(info));
            }
        })?;
        Ok(Known {
            unexpired: Arc::new(unexpired.build()),
            others: Arc::new(others.build()),
            revoked: Arc::new(revoked.build()),
            facts,
            confirmed: now,
        })
    }

    fn sentence(&self) -> String {
        let facts = &self.facts;
        let mut sentence = format!("{} in use: {} issued", facts.kind, facts.issued);
        if facts.kind == IssuedKind::Index {
            sentence.push_str(&format!(", {} of them revoked", facts.revoked));
        }
        for note in facts.notes.found() {
            sentence.push_str(&format!("; tolerated: {note}"));
        }
        sentence
    }
}

/// How often a record that did not change is said to be of now.
const CONFIRM_SECONDS: i64 = 60;

/// An overlay, followed.
pub(crate) struct OverlayFeed {
    path: PathBuf,
    seen: Option<Fingerprint>,
    known: Option<KnownOverlay>,
    problem: Option<SourceError>,
}

#[derive(Clone)]
struct KnownOverlay {
    overlays: Vec<Overlay>,
    digest: [u8; 32],
}

impl OverlayFeed {
    pub(crate) fn new(path: PathBuf) -> OverlayFeed {
        OverlayFeed {
            path,
            seen: None,
            known: None,
            problem: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn carry_over(&mut self, old: &OverlayFeed) {
        self.seen = old.seen;
        self.known.clone_from(&old.known);
        self.problem.clone_from(&old.problem);
    }

    pub(crate) fn problem(&self) -> Option<(String, &SourceError)> {
        let problem = self.problem.as_ref()?;
        Some((self.path.display().to_string(), problem))
    }

    /// What it revokes; None while it was never read.
    pub(crate) fn overlays(&self) -> Option<Vec<Overlay>> {
        Some(self.known.as_ref()?.overlays.clone())
    }

    /// Reads it again if it changed.
    pub(crate) fn look(&mut self, now: Time) -> Option<Report> {
        let fingerprint = match Fingerprint::of(&self.path) {
            Ok(fingerprint) => fingerprint,
            Err(error) => {
                self.seen = None;
                self.problem = Some(error);
                return None;
            }
        };
        if self.seen == Some(fingerprint) {
            return None;
        }
        self.seen = fingerprint.is_settled(now).then_some(fingerprint);
        match KnownOverlay::read(&self.path) {
            Ok((known, sentence)) => {
                self.problem = None;
                if self
                    .known
                    .as_ref()
                    .is_some_and(|before| before.digest == known.digest)
                {
                    return None;
                }
                self.known = Some(known);
                Some(Report {
                    place: self.path.display().to_string(),
                    event: Event::FactsInUse(sentence),
                })
            }
            Err(error) => {
                self.problem = Some(error);
                None
            }
        }
    }
}

impl KnownOverlay {
    fn read(path: &Path) -> Result<(KnownOverlay, String), SourceError> {
        let mut overlays = Vec::new();
        let mut serials = RevokedSerialsBuilder::new();
        let facts = read_overlay(path, &OverlayLimits::DEFAULT, |entry| match entry {
            OverlayEntry::All(info) => overlays.push(Overlay::All(info)),
            OverlayEntry::Serial(serial, info) => serials.push(&serial, Revocation::Revoked(info)),
        })?;
        let sentence = if facts.has_all {
            "overlay in use: every certificate is revoked".to_owned()
        } else {
            format!("overlay in use: {} revoked", facts.serials)
        };
        if facts.serials > 0 {
            // What is said of one certificate goes before what is said of all.
            overlays.insert(0, Overlay::Serials(Arc::new(serials.build())));
        }
        let digest = facts.digest;
        Ok((KnownOverlay { overlays, digest }, sentence))
    }
}
