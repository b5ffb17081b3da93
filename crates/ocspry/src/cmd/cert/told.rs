//! What is said of one certificate, for people and as JSON.  From: the ledger.  To: `list`, `show`, `sign`.

use anyhow::Result;
use ocspry_ledger::{CertificateFacts, LedgerReader, Origin};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CrlReason, RevokedInfo};
use serde_json::{Value, json};

/// What a certificate is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Valid,
    Expired,
    Revoked(RevokedInfo),
}

impl State {
    /// Of a certificate of the ledger; a revoked one stays revoked when it expires.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(crate) fn of(
        reader: &LedgerReader,
        certificate: &CertificateFacts,
        now: Time,
    ) -> Result<State> {
        let revoked = reader.revocation(certificate.issuer, &certificate.serial_number)?;
        Ok(match revoked {
            Some(info) => State::Revoked(info),
            None if is_expired(certificate, now) => State::Expired,
            None => State::Valid,
        })
    }

    /// One word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            State::Valid => "valid",
            State::Expired => "expired",
            State::Revoked(RevokedInfo {
                reason: Some(CrlReason::CertificateHold),
                ..
            }) => "on hold",
            State::Revoked(_) => "revoked",
        }
    }
}

/// Is its validity over?
pub(crate) fn is_expired(certificate: &CertificateFacts, now: Time) -> bool {
    certificate.not_after.is_some_and(|end| end < now)
}

/// As programs read it.
pub(crate) fn json(ca: &str, certificate: &CertificateFacts, state: &State) -> Value {
    let revoked = match state {
        State::Revoked(info) => Some(*info),
        State::Valid | State::Expired => None,
    };
    json!({
        "ca": ca,
        "serial": certificate.serial_number.to_string(),
        "subject": certificate.subject,
        "not_before": certificate.not_before.map(|time| time.to_string()),
        "not_after": certificate.not_after.map(|time| time.to_string()),
        "profile": certificate.profile,
        "origin": origin_word(certificate.origin),
        "state": state.word(),
        "revoked_at": revoked.map(|info| info.revocation_time.to_string()),
        "reason": revoked.map(|info| reason_word(info.reason)),
        "invalidity_date": revoked
            .and_then(|info| info.invalidity_date)
            .map(|time| time.to_string()),
    })
}

/// The standard's word.
pub(crate) fn reason_word(reason: Option<CrlReason>) -> &'static str {
    reason.map_or("unspecified", CrlReason::name)
}

/// Where it came from.
pub(crate) fn origin_word(origin: Origin) -> &'static str {
    match origin {
        Origin::Issued => "issued",
        Origin::Imported => "imported",
        Origin::Named => "named",
    }
}
