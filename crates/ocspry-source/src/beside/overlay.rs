//! An overlay, followed.
//!
//! From: the file that the operator writes, by `overlay`.  To: `compose`.  It is the operator's own hand: what it takes back
//! counts without anybody's consent, and nothing of it is kept.  But an editor or a shell may be at work: what a reading
//! takes back counts once the file has stayed as it is for a while, of an empty one for a while more.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::{Overlay, Revocation, RevokedSerials, RevokedSerialsBuilder, graver};
use ocspry_wire::Time;
use ocspry_wire::ocsp::RevokedInfo;

use super::followed::{Followed, Look, SETTLED_SECONDS};
use crate::SourceError;
use crate::fingerprint::Fingerprint;
use crate::overlay::{OverlayEntry, OverlayFacts, OverlayLimits, read_overlay};
use crate::refresh::{Event, Report};

/// An overlay, as it was last read.
pub(crate) struct OverlayFeed {
    path: PathBuf,
    followed: Followed<Fingerprint>,
    known: Option<KnownOverlay>,
    /// When what is there may take back what is in use; until then it is laid over that.
    settles_at: Option<Time>,
}

#[derive(Clone)]
struct KnownOverlay {
    serials: Option<Arc<RevokedSerials>>,
    all: Option<RevokedInfo>,
    /// Of the file that was read last.
    digest: [u8; 32],
}

impl OverlayFeed {
    pub(crate) fn new(path: PathBuf) -> OverlayFeed {
        OverlayFeed {
            path,
            followed: Followed::new(),
            known: None,
            settles_at: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn carry_over(&mut self, old: &OverlayFeed) {
        self.followed.clone_from(&old.followed);
        self.known.clone_from(&old.known);
        self.settles_at = old.settles_at;
    }

    pub(crate) fn problem(&self) -> Option<(String, &SourceError)> {
        let problem = self.followed.problem()?;
        Some((self.path.display().to_string(), problem))
    }

    /// What it revokes; None while it was never read.
    pub(crate) fn overlays(&self) -> Option<Vec<Overlay>> {
        let known = self.known.as_ref()?;
        let serials = known.serials.clone().map(Overlay::Serials);
        // What is said of one certificate goes before what is said of all.
        Some(
            serials
                .into_iter()
                .chain(known.all.map(Overlay::All))
                .collect(),
        )
    }

    /// Reads it again if it changed.
    pub(crate) fn look(&mut self, now: Time) -> Option<Report> {
        let look = self.followed.look(
            Fingerprint::of(&self.path),
            |fingerprint| fingerprint.is_settled(now),
            now,
            || KnownOverlay::read(&self.path),
        );
        let (known, facts) = match look {
            Look::Read(reading) => reading,
            Look::Unchanged | Look::Failed => return None,
        };
        let event = self.judge(known, &facts, now)?;
        Some(Report {
            place: self.path.display().to_string(),
            event,
        })
    }

    fn judge(&mut self, known: KnownOverlay, facts: &OverlayFacts, now: Time) -> Option<Event> {
        let was_settling = self.settles_at.take().is_some();
        let Some(used) = &self.known else {
            self.known = Some(known);
            return Some(Event::FactsInUse(sentence(facts)));
        };
        let is_same = used.digest == known.digest;
        if is_same && !was_settling {
            return None;
        }
        let is_emptied = known.is_empty() && !used.is_empty();
        if !known.revokes_all_of(used) {
            let seconds = match is_emptied {
                true => SETTLED_SECONDS + EMPTY_SECONDS,
                false => SETTLED_SECONDS,
            };
            self.settles_at = self.followed.settles_at(facts.written, seconds, now);
        }
        let Some(settles_at) = self.settles_at else {
            self.known = Some(known);
            return Some(match is_emptied {
                true => Event::OverlayEmptied,
                false => Event::FactsInUse(sentence(facts)),
            });
        };
        self.followed.forget_seen();
        if !is_same {
            self.known = Some(known.laid_over(used));
        }
        (!was_settling).then_some(Event::Settling { until: settles_at })
    }

    /// When to look again, so that what is taken back counts.
    pub(crate) fn settles_at(&self) -> Option<Time> {
        self.settles_at
    }
}

/// How much longer an empty overlay is given: a shell empties a file before the command that fills it begins.
const EMPTY_SECONDS: i64 = 5;

impl KnownOverlay {
    fn read(path: &Path) -> Result<(KnownOverlay, OverlayFacts), SourceError> {
        let mut all = None;
        let mut serials = RevokedSerialsBuilder::new();
        let facts = read_overlay(path, &OverlayLimits::DEFAULT, |entry| match entry {
            OverlayEntry::All(info) => all = Some(all.map_or(info, |said| graver(said, info))),
            OverlayEntry::Serial(serial, info) => serials.push(&serial, Revocation::Revoked(info)),
        })?;
        let known = KnownOverlay {
            serials: (facts.serials > 0).then(|| Arc::new(serials.build())),
            all,
            digest: facts.digest,
        };
        Ok((known, facts))
    }

    fn is_empty(&self) -> bool {
        self.serials.is_none() && self.all.is_none()
    }

    /// Nothing that the other one revokes is revoked no more.
    fn revokes_all_of(&self, other: &KnownOverlay) -> bool {
        let has_serials = || match (&self.serials, &other.serials) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(ours), Some(theirs)) => theirs.missing_from(ours).next().is_none(),
        };
        self.all.is_some() || (other.all.is_none() && has_serials())
    }

    /// What both revoke.
    fn laid_over(self, other: &KnownOverlay) -> KnownOverlay {
        let serials = match (self.serials, &other.serials) {
            (Some(ours), Some(theirs)) => {
                let mut both = RevokedSerialsBuilder::new();
                for (serial, revocation) in ours.iter().chain(theirs.iter()) {
                    both.push(&serial, revocation);
                }
                Some(Arc::new(both.build()))
            }
            (ours, theirs) => ours.or_else(|| theirs.clone()),
        };
        KnownOverlay {
            serials,
            all: self.all.into_iter().chain(other.all).reduce(graver),
            digest: self.digest,
        }
    }
}

fn sentence(facts: &OverlayFacts) -> String {
    match facts.has_all {
        true => "overlay in use: every certificate is revoked".to_owned(),
        false => format!("overlay in use: {} revoked", facts.serials),
    }
}
