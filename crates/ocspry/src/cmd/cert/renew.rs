//! `ocspry cert renew`: what a certificate says, once more, for its own key or another.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use clap::{Arg, Args, ValueHint};
use ocspry_ca::{CertificateRequest, Expiry, PublicKey};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{CertificateFacts, LedgerReader};
use ocspry_wire::Time;

use super::request::{CertifiedKey, ExpiryFlags, KeyFlags};
use super::sign::hand_out;
use super::told::State;
use crate::ca_choice::{self, Chooser};
use crate::ca_keys;
use crate::cmd::ca::{refuse_key_taken_back, sign_reserved};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::passphrases::PassphraseFlags;

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry cert renew ./www.pem --out www.pem
  ocspry cert renew 4F3A… --csr www.csr --out www.pem

Subject, names, uses and extensions stay; the serial number, the validity and the addresses of the
CA are new. It is valid as long as the old one was, unless told. The old certificate stays valid.
One that is revoked is not renewed: sign a new one.

Exit codes: 0 signed and in the ledger, 1 not signed, 2 wrong usage.";

/// What `cert renew` can be told.
#[derive(Debug, Args)]
pub(crate) struct RenewFlags {
    /// The certificate: its serial number, or a file that holds it
    #[arg(value_name = "SERIAL|FILE")]
    certificate: String,

    /// CA that issued it, where several have that serial number
    #[arg(long, value_name = "CA")]
    ca: Option<String>,

    #[command(flatten)]
    expiry: ExpiryFlags,

    /// Write the certificate there, as PEM [default: print it]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Print what was signed as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    act: ActFlags,

    #[command(flatten)]
    key: KeyFlags,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Unlike a new one, which is valid as long as its CA is set to.
pub(super) fn days_help(days: Arg) -> Arg {
    days.help(
        "Days that it is valid [default: as long as the old one was, and no longer than its CA]",
    )
}

/// Renews one.
///
/// # Errors
/// What kept it from being signed.
pub(super) fn run(flags: &RenewFlags, now: Time) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    let chooser = Chooser::new(ledger.reader(), flags.ca.as_deref())?;
    let chosen = chooser.certificate(&flags.certificate)?;
    let serial = chosen.certificate.serial_number;
    refuse_revoked(ledger.reader(), &chosen.certificate, now)?;
    let der = chosen.certificate.der.clone().ok_or_else(|| {
        anyhow!("serial {serial} was brought along without its certificate, and the ledger takes none later: it is not renewed; sign a new one")
    })?;
    let old = OwnedCertificate::from_der(der)
        .map_err(|_| anyhow!("the certificate of serial {serial} cannot be read"))?;
    let is_ca = ledger
        .reader()
        .issuers()?
        .iter()
        .any(|ca| ca.certificates.contains(&old));
    if is_ca {
        bail!("serial {serial} is a CA of this ledger; renew it with: ocspry ca renew");
    }
    let certified = flags.key.certified(&chosen.ca, flags.out.as_deref())?;
    let public_key = match &certified {
        None => PublicKey::from_der(old.view().public_key.der)?,
        Some(CertifiedKey::Request(request)) => request.public_key().clone(),
        Some(CertifiedKey::New(new)) => new.key.public_key().clone(),
    };
    let expiry = flags.expiry.asked().unwrap_or(as_long_as(&old));
    let pointers = ca_choice::pointers(&chosen.ca)?;
    let request = CertificateRequest::renewing(&old, public_key, expiry, pointers)?;
    let profile = chosen.certificate.profile.as_deref();
    let profile = profile.unwrap_or(request.profile.name()).to_owned();
    let act = flags.act.act(now);
    let audit = flags.act.audit(&flags.ledger, "cert renew", &act)?;
    let passphrase = flags.passphrase.source();
    let authority = ca_keys::open_to_issue(ledger.reader(), &chosen.ca, &passphrase, &audit, now)?;
    // Somebody may have taken a while to type its passphrase.
    refuse_revoked(ledger.reader(), &chosen.certificate, now)?;
    refuse_key_taken_back(ledger.reader(), request.public_key.der())?;
    let prepared = authority.prepare(&request, now)?;
    if let Some(CertifiedKey::New(new)) = &certified {
        new.write()?;
    }
    let ca = &chosen.ca;
    let certificate = sign_reserved(&mut ledger, &act, ca.number, &prepared)?;
    ledger.issue(&act, ca.number, &certificate, &profile)?;
    hand_out(
        &ledger,
        ca,
        &certificate,
        flags.out.as_deref(),
        flags.json,
        now,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// A certificate that was taken back is not signed once more.
fn refuse_revoked(reader: &LedgerReader, certificate: &CertificateFacts, now: Time) -> Result<()> {
    let serial = certificate.serial_number;
    match State::of(reader, certificate, now)? {
        State::Revoked(_) => {
            bail!("serial {serial} is revoked or on hold: it is not renewed; sign a new one")
        }
        State::Valid | State::Expired => Ok(()),
    }
}

/// As long as the old one was valid, or as long as the CA.
pub(crate) fn as_long_as(old: &OwnedCertificate) -> Expiry {
    let view = old.view();
    let seconds = view.not_after.seconds_since(view.not_before) - ocspry_ca::BACKDATED_SECONDS;
    let seconds = u64::try_from(seconds).unwrap_or(0).max(DAY_SECONDS);
    Expiry::AtMost(Duration::from_secs(seconds))
}

/// No certificate is renewed for less.
const DAY_SECONDS: u64 = 86_400;
