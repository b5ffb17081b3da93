//! What a certificate is revoked as, after more was said of it.  From: what is known and what is told, in whatever order.
//! To: `ledger`, `import`, `reconcile`, which record it; `follow`, which misses it; commands that say beforehand what is new.

use ocspry_core::Revocation;
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use ocspry_wire::x509::SerialNumber;
use rusqlite::Connection;

use crate::reader::rows;
use crate::{IssuerNumber, Standing};

/// A hold may end in a revocation, and any reason turn out to be a compromised key.
pub(crate) fn may_become(before: Option<CrlReason>, after: Option<CrlReason>) -> bool {
    let is_hold = before == Some(CrlReason::CertificateHold);
    let is_news = before != Some(CrlReason::KeyCompromise);
    (is_hold && after != Some(CrlReason::CertificateHold))
        || (is_news && after == Some(CrlReason::KeyCompromise))
}

/// What is to be recorded of a certificate that is told to be revoked; None: it is known.
///
/// The graver reason stays.  revocationDate only moves back (CA/B BR 7.2.2), and that of a certificate that was on hold is
/// the date of the hold (X.509, reasonCode): what was signed after a revocation does not become older than it.  A graver
/// reason says anew since when the key is not safe (invalidityDate) and forgets it not; by the same reason that moves back.
pub fn revocation_news(before: Option<&RevokedInfo>, told: RevokedInfo) -> Option<RevokedInfo> {
    let Some(before) = before else {
        return Some(told);
    };
    let (reason, invalidity_date) = if may_become(before.reason, told.reason) {
        (told.reason, told.invalidity_date.or(before.invalidity_date))
    } else if before.reason == told.reason {
        let dates = [before.invalidity_date, told.invalidity_date];
        (before.reason, dates.into_iter().flatten().min())
    } else {
        (before.reason, before.invalidity_date)
    };
    let after = RevokedInfo {
        revocation_time: before.revocation_time.min(told.revocation_time),
        reason,
        invalidity_date,
    };
    (after != *before).then_some(after)
}

/// The same, after the last word on it; a hold that was released is over.
pub(crate) fn news_after(standing: Option<&Standing>, told: RevokedInfo) -> Option<RevokedInfo> {
    match standing.map(|standing| &standing.revocation) {
        Some(Revocation::Revoked(before)) => revocation_news(Some(before), told),
        Some(Revocation::Removed) | None => Some(told),
    }
}

/// When the hold of a certificate was released last; None: never, or by a clock that was ahead of `now`, which says nothing
/// about what came after it.
pub(crate) fn released_at(
    connection: &Connection,
    issuer: IssuerNumber,
    serial: &SerialNumber,
    now: Time,
) -> rusqlite::Result<Option<Time>> {
    let released = rows::last_release(connection, issuer, serial)?;
    Ok(released.filter(|released| *released <= now))
}
