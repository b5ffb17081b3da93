//! A responder certificate once more, for the same key, before the old one ends (RFC 6960 §4.2.2.2).
//!
//! From: the certificate file that a responder reads.  To: that file, written whole or not at all, which a running `serve`
//! takes without a restart.  The private key is not needed for it, and not seen.  The old certificate is valid for the
//! other half of its life, so that what it signed stays so.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ocspry_ca::{
    CertificateRequest, Expiry, FileAccess, Pointers, Profile, PublicKey, certificate_to_pem,
    write_file_with,
};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{Act, IssuerFacts, Ledger, LedgerReader};
use ocspry_wire::Time;
use ocspry_wire::der::oid;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::Certificate;
use serde_json::{Value, json};
use std::time::Duration;

use crate::audit::AuditTrail;
use crate::ca_choice::{issued, read_certificate};
use crate::ca_keys;
use crate::cmd::ca::sign_reserved;
use crate::managed_responder::half_life;
use crate::output::refuse_key_file;
use crate::passphrases::PassphraseSource;
use crate::time_text::utc_and_distance;

/// What became of one responder certificate.
pub(super) struct Renewal {
    file: PathBuf,
    outcome: Outcome,
}

enum Outcome {
    Renewed { not_after: Time },
    NotDue { due: Time },
    Failed { error: String },
}

/// Renews it if half of its life is over.
pub(super) fn renew(
    ledger: &mut Ledger,
    file: &Path,
    act: &Act,
    passphrase: &PassphraseSource,
    audit: &AuditTrail,
) -> Renewal {
    let outcome =
        outcome(ledger, file, act, passphrase, audit).unwrap_or_else(|error| Outcome::Failed {
            error: format!("{error:#}"),
        });
    Renewal {
        file: file.to_owned(),
        outcome,
    }
}

fn outcome(
    ledger: &mut Ledger,
    file: &Path,
    act: &Act,
    passphrase: &PassphraseSource,
    audit: &AuditTrail,
) -> Result<Outcome> {
    let old = read_certificate(file)?;
    refuse_key_file(file)?;
    let view = old.view();
    let due = half_life(&view);
    if act.recorded < due {
        return Ok(Outcome::NotDue { due });
    }
    let cas = ledger.reader().issuers()?;
    let Some(ca) = cas.iter().find(|ca| issued(ca, &view)) else {
        bail!("no CA of this ledger signed it");
    };
    check_renewable(ledger, ca, &view)?;
    let authority = ca_keys::open_to_issue(ledger.reader(), ca, passphrase, audit, act.recorded)?;
    let key = PublicKey::from_der(view.public_key.der)?;
    let life_seconds = view.not_after.seconds_since(view.not_before);
    let life = Duration::from_secs(u64::try_from(life_seconds).unwrap_or(0));
    // A responder's certificate points nowhere: nobody asks for its own status.
    let request =
        CertificateRequest::renewing(&old, key, Expiry::AtMost(life), Pointers::default())?;
    let prepared = authority.prepare(&request, act.recorded)?;
    let mut not_after = view.not_after;
    // Nothing is signed, each minute once more, that cannot be put in its place.
    write_file_with(file, FileAccess::Published, |file| -> Result<()> {
        let certificate = sign_reserved(ledger, act, ca.number, &prepared)?;
        ledger.issue(act, ca.number, &certificate, Profile::OcspResponder.name())?;
        not_after = certificate.view().not_after;
        Ok(file.write_all(certificate_to_pem(certificate.der())?.as_bytes())?)
    })?;
    Ok(Outcome::Renewed { not_after })
}

/// Only what this CA made to answer for it, and only while it is trusted.
fn check_renewable(ledger: &Ledger, ca: &IssuerFacts, view: &Certificate<'_>) -> Result<()> {
    if !view.has_ext_key_usage(oid::KP_OCSP_SIGNING) {
        bail!("it is not a responder's: its extKeyUsage lacks OCSPSigning");
    }
    let serial = &view.serial_number;
    if ledger.reader().certificate(ca.number, serial)?.is_none() {
        bail!("the ledger does not know its serial {serial}: ocspry cert import brings it along");
    }
    if ledger.reader().revocation(ca.number, serial)?.is_some() {
        bail!("it is revoked; make another one, with another key");
    }
    refuse_compromised_key(ledger.reader(), ca, view.public_key.der)
}

/// It may have had another certificate before, of which it was told.
fn refuse_compromised_key(reader: &LedgerReader, ca: &IssuerFacts, key: &[u8]) -> Result<()> {
    for facts in reader.certificates_for(ca.number, Profile::OcspResponder.name(), 0)? {
        let Some(Ok(certificate)) = facts.der.map(OwnedCertificate::from_der) else {
            continue;
        };
        let serial = facts.serial_number;
        let revoked = reader.revocation(ca.number, &serial)?;
        let is_compromised =
            revoked.is_some_and(|info| info.reason == Some(CrlReason::KeyCompromise));
        if is_compromised && certificate.view().public_key.der == key {
            bail!(
                "its key had the certificate {serial}, which is revoked for keyCompromise; make another one, with another key"
            );
        }
    }
    Ok(())
}

impl Renewal {
    /// Why it was not renewed although it was due.
    pub(super) fn problem(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Failed { error } => Some(format!(
                "responder certificate {} was not renewed: {error}",
                self.file.display()
            )),
            Outcome::Renewed { not_after: _ } | Outcome::NotDue { due: _ } => None,
        }
    }

    /// For people.
    pub(super) fn text(&self, now: Time) -> String {
        let file = self.file.display();
        match &self.outcome {
            Outcome::Renewed { not_after } => {
                format!(
                    "responder {file}: renewed until {}",
                    utc_and_distance(*not_after, now)
                )
            }
            Outcome::NotDue { due } => {
                format!("responder {file}: due {}", utc_and_distance(*due, now))
            }
            Outcome::Failed { error: _ } => format!("responder {file}: not renewed"),
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let (outcome, time, why) = match &self.outcome {
            Outcome::Renewed { not_after } => ("renewed", Some(not_after), None),
            Outcome::NotDue { due } => ("not-due", Some(due), None),
            Outcome::Failed { error } => ("failed", None, Some(error)),
        };
        json!({
            "file": self.file.display().to_string(),
            "outcome": outcome,
            "time": time.map(ToString::to_string),
            "why": why,
        })
    }
}
