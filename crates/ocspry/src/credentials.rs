//! Where the credential of an issuer comes from: files that others write, or what is managed here.  From: `assemble`.  To:
//! `control`, which looks at both in the same way.

use std::sync::Arc;

use ocspry_core::Issuer;
use ocspry_source::{Joint, StateDirectory};
use ocspry_wire::Time;

use crate::config::ResponderConfig;
use crate::credential_files::{CredentialFiles, CredentialReport};
use crate::managed_responder::{Awaited, ManagedResponder};

/// Keeps the credential of one issuer up to date.
pub(crate) enum Credentials {
    /// Files that the operator names.
    Files(CredentialFiles),
    /// A key that is made here.
    Managed(Box<ManagedResponder>),
}

impl Credentials {
    /// For one issuer, which `joint` feeds; nothing is read yet.
    pub(crate) fn new(
        config: &ResponderConfig,
        issuer: &Arc<Issuer>,
        joint: &Arc<Joint>,
        state: Option<&StateDirectory>,
    ) -> Credentials {
        let issuer = Arc::clone(issuer);
        match config {
            ResponderConfig::Files(files) => {
                Credentials::Files(CredentialFiles::new(files.clone(), issuer))
            }
            ResponderConfig::Managed(managed) => Credentials::Managed(Box::new(
                ManagedResponder::new(managed.clone(), issuer, Arc::clone(joint), state),
            )),
        }
    }

    /// Looks for something new.
    pub(crate) fn refresh(&mut self, now: Time) -> CredentialReport {
        match self {
            Credentials::Files(files) => files.refresh(now),
            Credentials::Managed(managed) => managed.refresh(now),
        }
    }

    /// Makes the next look read the files in any case.
    pub(crate) fn forget_stamps(&mut self) {
        match self {
            Credentials::Files(files) => files.forget_stamps(),
            Credentials::Managed(managed) => managed.forget_stamps(),
        }
    }

    /// What there is, as last looked at, makes no credential.
    pub(crate) fn is_refused(&self) -> bool {
        match self {
            Credentials::Files(files) => files.is_refused(),
            Credentials::Managed(managed) => managed.is_refused(),
        }
    }

    /// What is wrong or awaited, as last looked at.
    pub(crate) fn problem(&self) -> Option<String> {
        match self {
            Credentials::Files(files) => files.problem().map(str::to_owned),
            Credentials::Managed(managed) => managed.problem(),
        }
    }

    /// What a managed responder waits for.
    pub(crate) fn awaited(&self) -> Option<Awaited> {
        match self {
            Credentials::Files(_) => None,
            Credentials::Managed(managed) => managed.awaited(),
        }
    }

    /// A certificate may come at any moment.
    pub(crate) fn is_awaiting(&self) -> bool {
        match self {
            Credentials::Files(_) => false,
            Credentials::Managed(managed) => managed.is_awaiting(),
        }
    }

    /// It may have come.
    pub(crate) fn has_news(&self) -> bool {
        match self {
            Credentials::Files(_) => false,
            Credentials::Managed(managed) => managed.has_news(),
        }
    }

    /// When there is something to do.
    pub(crate) fn next_wake(&self, now: Time) -> Option<Time> {
        match self {
            Credentials::Files(_) => None,
            Credentials::Managed(managed) => managed.next_wake(now),
        }
    }
}
