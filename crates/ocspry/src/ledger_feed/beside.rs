//! What waits for a disk: the state directory, and the CRLs that are published.  From: what is known of the ledger, once a
//! second.  To: files, and the issuers that hand out their CRLs.

use std::collections::BTreeMap;
use std::sync::Arc;

use ocspry_core::ListPart;
use ocspry_ledger::Position;
use ocspry_source::{Joint, KeptLedger};

use super::kept::Keeping;
use super::published::PublishedCrls;
use crate::config::LedgerConfig;

/// Does it.
pub(super) struct Beside {
    /// By the name of the CA.
    kept: BTreeMap<String, Keeping>,
    published: PublishedCrls,
}

/// What is known of the ledger at one moment.
pub(super) struct Snapshot {
    /// How far it was read.
    pub(super) position: Option<Position>,
    /// Of each issuer whose CA was read.
    pub(super) issuers: Vec<OfIssuer>,
}

/// Of one issuer.
pub(super) struct OfIssuer {
    /// The name of its CA.
    pub(super) name: String,
    pub(super) joint: Arc<Joint>,
    /// What is revoked.
    pub(super) revoked: ListPart,
    /// The operator let go what is kept.
    pub(super) is_forgotten: bool,
}

impl Beside {
    pub(super) fn new(config: &LedgerConfig, kept: &BTreeMap<String, KeptLedger>) -> Beside {
        let kept = kept.iter();
        let keeping =
            |(name, kept): (&String, &KeptLedger)| (name.clone(), Keeping::new(kept.clone()));
        Beside {
            kept: kept.map(keeping).collect(),
            published: PublishedCrls::new(config.clone()),
        }
    }

    pub(super) fn work(&mut self, snapshot: &Snapshot) {
        let Some(position) = snapshot.position else {
            return;
        };
        for of_issuer in &snapshot.issuers {
            if let Some(kept) = self.kept.get_mut(&of_issuer.name)
                && !of_issuer.is_forgotten
            {
                kept.keep(position, of_issuer);
            }
            self.published
                .look(position, &of_issuer.name, of_issuer.joint.issuer());
        }
    }

    /// What is kept of an issuer's ledger goes.
    pub(super) fn forget(&mut self, name: &str) {
        if let Some(kept) = self.kept.get_mut(name) {
            kept.forget();
        }
    }
}
