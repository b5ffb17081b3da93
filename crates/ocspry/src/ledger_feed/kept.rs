//! What the state directory knows of the ledger.  From: `beside`, after the tables are in use.  To: the next start, by
//! `following`.
//!
//! Once a second, and only what is new: a long list of revocations is written when it is put together anew, the
//! news over it each time.  Who stops the process the hard way loses a second of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ocspry_core::crypto::sha256;
use ocspry_core::{ListPart, Revocation, RevokedSerials, RevokedSerialsBuilder, SourceInfo};
use ocspry_ledger::{LedgerPlace, NotAPosition, Position};
use ocspry_source::{KeptLedger, SeenLedger, SourceError};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::RevokedInfo;
use ocspry_wire::x509::SerialNumber;
use tracing::{info, warn};

use super::beside::OfIssuer;
use crate::config::IssuerConfig;

/// What was kept for one issuer, until its ledger is read.
pub(super) struct Remembered {
    kept: KeptLedger,
    seen: Option<SeenLedger>,
    position: Option<Position>,
}

impl Remembered {
    pub(super) fn new(kept: KeptLedger) -> Remembered {
        Remembered {
            kept,
            seen: None,
            position: None,
        }
    }

    /// Reads what was kept.
    pub(super) fn read(&mut self) -> Result<(), SourceError> {
        self.seen = self.kept.read()?;
        let position = self.seen.as_ref().map(|seen| seen.position.parse());
        self.position =
            position
                .transpose()
                .map_err(|error: NotAPosition| SourceError::StateCorrupt {
                    path: self.kept.position_path(),
                    problem: error.to_string(),
                })?;
        Ok(())
    }

    /// How far the ledger was seen.
    pub(super) fn position(&self) -> Option<Position> {
        self.position
    }

    /// What was revoked when it was seen last.
    pub(super) fn revoked(&self) -> &[(SerialNumber, RevokedInfo)] {
        self.seen.as_ref().map_or(&[], |seen| &seen.revoked)
    }

    /// The same as a list, and since when it was so.
    pub(super) fn list(&self) -> Option<(RevokedSerials, Time)> {
        let seen = self.seen.as_ref()?;
        let mut revoked = RevokedSerialsBuilder::new();
        for (serial, info) in &seen.revoked {
            revoked.push(serial, Revocation::Revoked(*info));
        }
        Some((revoked.build(), seen.this_update))
    }

    /// It is of no use any more.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }
}

/// What is kept for one issuer from here on.
pub(super) struct Keeping {
    kept: KeptLedger,
    written: Written,
    /// The last try.
    tried: Option<Instant>,
    has_failed: bool,
}

/// What lies there.
#[derive(Default)]
struct Written {
    position: Option<Position>,
    base: Option<Arc<RevokedSerials>>,
    /// None: nothing was written yet.
    changes: Option<Option<Arc<RevokedSerials>>>,
}

impl Keeping {
    pub(super) fn new(kept: KeptLedger) -> Keeping {
        Keeping {
            kept,
            written: Written::default(),
            tried: None,
            has_failed: false,
        }
    }

    /// What lies there goes, and is written anew.
    pub(super) fn forget(&mut self) {
        self.written = Written::default();
        if let Err(error) = self.kept.remove() {
            warn!("{error}; the ledger is compared with it at the next start");
        }
    }

    /// Writes what is new.
    pub(super) fn keep(&mut self, position: Position, of_issuer: &OfIssuer) {
        let Some(this_update) = of_issuer.joint.ledger_this_update() else {
            return;
        };
        let rests = self.has_failed
            && self
                .tried
                .is_some_and(|tried| tried.elapsed() < WAIT_FAILED);
        if self.written.position == Some(position) || rests {
            return;
        }
        self.tried = Some(Instant::now());
        let issuer = of_issuer.joint.issuer().name();
        let written = self.write(position, &of_issuer.revoked, this_update);
        match (written, self.has_failed) {
            (Ok(()), true) => {
                self.has_failed = false;
                info!(
                    issuer,
                    "what is known of the ledger is kept in the state directory now"
                );
            }
            (Err(error), false) => {
                self.has_failed = true;
                warn!(
                    issuer,
                    "{error}; after a restart this may be missing, and an older ledger be taken"
                );
            }
            (Ok(()), false) | (Err(_), true) => {}
        }
    }

    /// The position last: it stands for all the rest.
    fn write(
        &mut self,
        position: Position,
        revoked: &ListPart,
        this_update: Time,
    ) -> Result<(), SourceError> {
        let written = &mut self.written;
        let is_base = |base: &Arc<RevokedSerials>| Arc::ptr_eq(base, &revoked.base);
        if !written.base.as_ref().is_some_and(is_base) {
            self.kept.keep_revoked(&revoked.base)?;
            written.base = Some(Arc::clone(&revoked.base));
        }
        let are_changes = |changes: &Option<Arc<RevokedSerials>>| {
            changes.as_ref().map(Arc::as_ptr) == revoked.delta.as_ref().map(Arc::as_ptr)
        };
        if !written.changes.as_ref().is_some_and(are_changes) {
            self.kept.keep_changes(revoked.delta.as_deref())?;
            written.changes = Some(revoked.delta.clone());
        }
        self.kept
            .keep_position(&position.to_string(), this_update)?;
        written.position = Some(position);
        Ok(())
    }
}

/// As `core::Issuer` has it, before there is one.
pub(super) fn identity_of(config: &IssuerConfig) -> String {
    to_hex(&ocspry_ledger::issuer_identity(&config.certificate.view()))
}

/// Where what is remembered came from.
pub(super) fn source_of(place: &LedgerPlace, name: &str) -> SourceInfo {
    let origin = format!("{place} ({name}), as it was seen before the restart");
    SourceInfo {
        digest: sha256(origin.as_bytes()),
        origin,
        crl_number: None,
        signature_algorithm: None,
    }
}

/// A full disk is not asked every second.
const WAIT_FAILED: Duration = Duration::from_secs(60);
