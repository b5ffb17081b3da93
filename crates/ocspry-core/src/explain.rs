//! What an answer about one serial number would say, and why: for the operator who asks (design.md §7, Explain).
//!
//! From: the admin listener, on its own thread.  To: a page.  The table is asked by the same look-up as for a request, and
//! policy and lifetime are the same functions in the order of `responder`; nothing is signed, kept or counted.  A test holds
//! it against the answers themselves.

use std::sync::Arc;

use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, RevokedInfo};
use ocspry_wire::x509::SerialNumber;

use crate::policy::{PROVISIONAL_SECONDS_MAX, is_provisional};
use crate::responder::who_signs;
use crate::response::lifetime;
use crate::{
    Issuer, Limit, Overlay, Refusal, Revocation, RevokedSerials, StatusTable, ValidityWindow,
};

/// What is known of one serial number, and what an answer about it would say.
#[derive(Debug)]
pub struct Explanation {
    /// The parts of the table that name it, in the order in which they are asked.
    pub named_by: Vec<NamedBy>,
    /// What a request without wishes of its own would get.
    pub said: Result<Said, Refusal>,
}

/// A part of the table that names the serial.
#[derive(Clone, Debug)]
pub enum NamedBy {
    /// An overlay: what it says goes before what the lists say.
    Overlay(RevokedInfo),
    /// A list of what is revoked, or a delta, which is asked before the list that it lies over.
    List {
        /// Which: the part itself.
        serials: Arc<RevokedSerials>,
        /// What it says.
        revocation: Revocation,
    },
    /// A list of what was issued.
    Issued,
}

/// What a signed answer would say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    /// good, revoked or unknown.
    pub cert_status: CertStatus,
    /// thisUpdate and nextUpdate.
    pub window: ValidityWindow,
    /// What set nextUpdate.
    pub limit: Limit,
}

impl Issuer {
    /// What an answer about `serial` would say at `now`, and who says so.
    pub fn explain(&self, serial: &SerialNumber, now: Time) -> Explanation {
        let table = self.table();
        let table = table.as_deref();
        Explanation {
            named_by: table
                .map(|table| named_by(table, serial))
                .unwrap_or_default(),
            said: said(self, table, serial, now),
        }
    }
}

fn said(
    issuer: &Issuer,
    table: Option<&StatusTable>,
    serial: &SerialNumber,
    now: Time,
) -> Result<Said, Refusal> {
    issuer.refuse_if_over(now)?;
    let table = table.ok_or(Refusal::SourceMissing)?;
    let credentials = issuer.credentials_guard();
    let (credential, _) = who_signs(&credentials, None, table.source().signature_algorithm, now)
        .ok_or(Refusal::SignerMissing)?;
    let lifetime = lifetime(table.window(), issuer, credential, now)?;
    let known = table.known(serial);
    let verdict = issuer.policy().verdict(known.lookup, table.absence())?;
    let mut lifetime = lifetime.known_since(known.window.this_update);
    if is_provisional(verdict.cert_status) {
        lifetime = lifetime.at_most(PROVISIONAL_SECONDS_MAX);
    }
    Ok(Said {
        cert_status: verdict.cert_status,
        window: lifetime.window,
        limit: lifetime.limit,
    })
}

fn named_by(table: &StatusTable, serial: &SerialNumber) -> Vec<NamedBy> {
    let overlaid = table.overlays().iter().filter_map(|overlay| match overlay {
        Overlay::All(info) => Some(NamedBy::Overlay(*info)),
        Overlay::Serials(serials) => match serials.lookup(serial)? {
            Revocation::Revoked(info) => Some(NamedBy::Overlay(info)),
            Revocation::Removed => None,
        },
    });
    let parts = table
        .lists()
        .iter()
        .flat_map(|part| part.delta.iter().chain([&part.base]));
    let listed = parts.filter_map(|serials| {
        Some(NamedBy::List {
            serials: Arc::clone(serials),
            revocation: serials.lookup(serial)?,
        })
    });
    let issued = table.issued().iter().filter(|part| part.contains(serial));
    overlaid
        .chain(listed)
        .chain(issued.map(|_| NamedBy::Issued))
        .collect()
}
