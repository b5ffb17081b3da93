//! The certificate ledger: what a CA has issued and revoked, as facts that are added and never changed (design.md §7).
//!
//! Layer 2, beside the sources from outside.  START HERE: `ledger.rs`, what is recorded and when; `decision.rs` what a certificate
//! is revoked as after more was said of it; `reader.rs` reads it back;
//! `follow.rs` makes status tables of it for a running server.  `sqlite.rs` and `schema.rs` are how it lies on a disk;
//! `backup.rs`, `check.rs`, `reconcile.rs` and `import.rs` are the operator's tools; `django_ca.rs` reads another CA's database.  SQL is in `sql/` and `migrations/`.

mod backup;
mod check;
mod crl_number;
mod decision;
mod django_ca;
mod error;
mod fact;
mod follow;
mod import;
mod ledger;
mod place;
mod position;
mod reader;
mod reconcile;
mod schema;
mod sqlite;

pub use backup::{backup, restore};
pub use check::{CheckReport, Defect, check};
pub use crl_number::CrlNumber;
pub use decision::revocation_news;
pub use django_ca::{DjangoAuthority, DjangoCaDatabase, DjangoCaError, DjangoCertificate};
pub use error::{LedgerError, Refusal};
pub use fact::{
    Act, CertificateFacts, CrlUse, Fact, FactKind, ImportEntry, IssuerFacts, IssuerName,
    IssuerNumber, Origin, PublishedCrl, Setting, Standing, issuer_identity,
};
pub use follow::{FollowPolicy, FollowedTable, LedgerFollower};
pub use import::{Imported, WholeImport};
pub use ledger::{Ledger, Recorded, RevokedMany};
pub use place::LedgerPlace;
pub use position::{NotAPosition, Position};
pub use reader::{CertificatePage, Continuation, LedgerReader, Moment};
pub use reconcile::{IssuerEvidence, Reconciled, SeenRevocation};
pub use schema::{Migrated, migrate};
