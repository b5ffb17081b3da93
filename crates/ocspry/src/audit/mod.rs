//! The audit stream: who did what, when, on whose request, in lines that cannot be changed unseen (ADR-0017).
//!
//! `line` is one of them, `file` where they go, `trail` what the commands of the CA write, made from the ledger (`told`),
//! `stream` what `serve` writes, `verify` the check.  From: the commands, `control`, `report`.  To: auditors.

pub(crate) mod file;
pub(crate) mod line;
pub(crate) mod stream;
mod told;
pub(crate) mod trail;
pub(crate) mod verify;

pub(crate) use stream::{AUDIT, AuditStream};
pub(crate) use trail::AuditTrail;
