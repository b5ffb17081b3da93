//! An overlay, followed.
//!
//! From: the file that the operator writes, by `overlay`.  To: `compose`.  It is the operator's own hand: a newer one counts
//! at once, whatever it takes back, and nothing of it is kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ocspry_core::{Overlay, Revocation, RevokedSerialsBuilder};
use ocspry_wire::Time;

use super::followed::{Followed, Look};
use crate::SourceError;
use crate::fingerprint::Fingerprint;
use crate::overlay::{OverlayEntry, OverlayLimits, read_overlay};
use crate::refresh::{Event, Report};

/// An overlay, as it was last read.
pub(crate) struct OverlayFeed {
    path: PathBuf,
    followed: Followed<Fingerprint>,
    known: Option<KnownOverlay>,
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
            followed: Followed::new(),
            known: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn carry_over(&mut self, old: &OverlayFeed) {
        self.followed.clone_from(&old.followed);
        self.known.clone_from(&old.known);
    }

    pub(crate) fn problem(&self) -> Option<(String, &SourceError)> {
        let problem = self.followed.problem()?;
        Some((self.path.display().to_string(), problem))
    }

    /// What it revokes; None while it was never read.
    pub(crate) fn overlays(&self) -> Option<Vec<Overlay>> {
        Some(self.known.as_ref()?.overlays.clone())
    }

    /// Reads it again if it changed.
    pub(crate) fn look(&mut self, now: Time) -> Option<Report> {
        let look = self.followed.look(
            Fingerprint::of(&self.path),
            |fingerprint| fingerprint.is_settled(now),
            || KnownOverlay::read(&self.path),
        );
        let (known, sentence) = match look {
            Look::Read(reading) => reading,
            Look::Unchanged | Look::Failed => return None,
        };
        let used = self.known.as_ref().map(|used| used.digest);
        if used == Some(known.digest) {
            return None;
        }
        self.known = Some(known);
        Some(Report {
            place: self.path.display().to_string(),
            event: Event::FactsInUse(sentence),
        })
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
