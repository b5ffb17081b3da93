//! `ocspry ca renew`: a CA's certificate once more, for its own key or a new one.
//!
//! With its own key it stays the same CA: both certificates are its own.  With a new key it is another CA (what it issues is
//! signed by another key), which takes over the settings under a name of its own; the old one goes on revoking, and its
//! certificates are answered for as before.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::{Args, ValueHint};
use ocspry_ca::{
    CaKey, CertificateAuthority, CertificateRequest, Expiry, KeyAlgorithm, PublicKey, RootRequest,
    new_serial_number,
};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{Act, IssuerFacts, IssuerName, Ledger, Setting};
use ocspry_wire::Time;

use super::init::{refuse_taken, sign_reserved};
use super::own::refuse_same_key;
use super::{DAYS_MAX, days, show, write_recorded};
use crate::audit::AuditTrail;
use crate::ca_choice::{self, algorithm_from_text};
use crate::ca_keys::{self, KeyPlace, certificate_of};
use crate::cmd::cert::as_long_as;
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::refuse_one_file;
use crate::passphrases::{ParentPassphraseFlags, PassphraseFlags};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry ca renew issuing
  ocspry ca renew root --new-key p-384 --as root-2

With the same key it stays the same CA, and clients that have the old certificate take what it
issues. With a new key it is another CA under another name, with the settings of the old one; both
are answered for. Stop issuing by the old one when the new one is known to clients (ocspry ca
edit). It is valid as long as the old certificate was, unless told. A key whose CA is disabled, or
that has a certificate which is revoked or on hold, gets no other one: that needs a new key.

Exit codes: 0 it is renewed, 1 it is not, 2 wrong usage.";

/// What `ca renew` can be told.
#[derive(Debug, Args)]
pub(crate) struct RenewFlags {
    /// The CA: its name, or the serial number of its certificate
    #[arg(value_name = "CA")]
    ca: String,

    /// Make a new key: rsa-2048, rsa-3072, rsa-4096, p-256, p-384, p-521 or ed25519
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm_from_text, requires = "as_name")]
    new_key: Option<KeyAlgorithm>,

    /// Name of the CA with the new key
    #[arg(long = "as", id = "as_name", value_name = "NAME", requires = "new_key")]
    as_name: Option<String>,

    /// Write the new key there [default: keys/ beside the ledger]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "new_key")]
    key: Option<PathBuf>,

    /// Days that it is valid
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
    days: Option<u32>,

    /// Write the certificate there too, as PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Do not ask for a passphrase of the new key: it is not encrypted
    #[arg(long, requires = "new_key", conflicts_with_all = ["passphrase_file", "passphrase_fd"])]
    no_passphrase: bool,

    /// Print what was made as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    act: ActFlags,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    passphrase: PassphraseFlags,

    #[command(flatten)]
    parent_passphrase: ParentPassphraseFlags,
}

/// Renews it.
///
/// # Errors
/// What kept it from being renewed.
pub(super) fn run(flags: &RenewFlags, now: Time) -> Result<ExitCode> {
    refuse_one_file(flags.key.as_deref(), flags.out.as_deref())?;
    let mut ledger = flags.ledger.to_write()?;
    let old = ca_choice::ca(ledger.reader(), &flags.ca)?;
    if flags.new_key.is_none() {
        refuse_same_key(ledger.reader(), &old.name)?;
    }
    let act = flags.act.act(now);
    let audit = flags.act.audit(&flags.ledger, "ca renew", &act)?;
    let parent = Parent::of(&ledger, &old, flags, &audit, now)?;
    let (name, certificate) = match (flags.new_key, &flags.as_name) {
        (Some(algorithm), Some(name)) => {
            let name = IssuerName::new(name)?;
            let new = NewCa {
                name: &name,
                algorithm,
            };
            let certificate = flags.with_new_key(&mut ledger, &act, &old, &parent, &new, &audit)?;
            (name, certificate)
        }
        (_, _) => {
            let certificate = flags.with_same_key(&mut ledger, &act, &old, &parent, &audit)?;
            (old.name.clone(), certificate)
        }
    };
    if let Some(out) = &flags.out {
        write_recorded(out, &certificate, &name)?;
    }
    show::print_ca(ledger.reader(), &name, flags.json, now)?;
    Ok(ExitCode::SUCCESS)
}

/// Who signs the new certificate.
enum Parent {
    Itself,
    Above(IssuerFacts, Box<CertificateAuthority>),
}

impl Parent {
    fn of(
        ledger: &Ledger,
        ca: &IssuerFacts,
        flags: &RenewFlags,
        audit: &AuditTrail,
        now: Time,
    ) -> Result<Parent> {
        let view = certificate_of(ca, now)?.view();
        if view.issuer == view.subject {
            return Ok(Parent::Itself);
        }
        let reader = ledger.reader();
        let name = ca.settings.get(&Setting::Parent).ok_or_else(|| {
            anyhow!(
                "the CA above {} is not in this ledger: have it sign a new certificate, and bring that along",
                ca.name
            )
        })?;
        let above = ca_choice::ca(reader, name)?;
        let passphrase = flags.parent_passphrase.source();
        let authority = ca_keys::open_to_issue(reader, &above, &passphrase, audit, now)?;
        Ok(Parent::Above(above, Box::new(authority)))
    }
}

/// The CA that a new key makes.
struct NewCa<'a> {
    name: &'a IssuerName,
    algorithm: KeyAlgorithm,
}

impl RenewFlags {
    fn expiry(&self, old: &OwnedCertificate) -> Expiry {
        self.days
            .map_or_else(|| as_long_as(old), |count| Expiry::After(days(count)))
    }

    fn with_same_key(
        &self,
        ledger: &mut Ledger,
        act: &Act,
        ca: &IssuerFacts,
        parent: &Parent,
        audit: &AuditTrail,
    ) -> Result<OwnedCertificate> {
        let name = ca.name.as_str();
        let old = certificate_of(ca, act.recorded)?;
        match parent {
            Parent::Itself => {
                let path = ledger.reader().path();
                let own = ca_keys::open(path, ca, &self.passphrase.source(), audit, act.recorded)?;
                // Somebody may have taken a while to type it.
                refuse_same_key(ledger.reader(), &ca.name)?;
                let certificate = self.sign_root(old, own.key(), act.recorded)?;
                ledger.renew_root(act, name, &certificate)?;
                Ok(certificate)
            }
            Parent::Above(above, authority) => {
                refuse_same_key(ledger.reader(), &ca.name)?;
                let public_key = PublicKey::from_der(old.view().public_key.der)?;
                let request = self.request(old, public_key, above)?;
                let prepared = authority.prepare(&request, act.recorded)?;
                let certificate = sign_reserved(ledger, act, above.number, &prepared)?;
                ledger.issue_issuer_certificate(act, above.number, &certificate, name)?;
                Ok(certificate)
            }
        }
    }

    fn with_new_key(
        &self,
        ledger: &mut Ledger,
        act: &Act,
        old: &IssuerFacts,
        parent: &Parent,
        new: &NewCa<'_>,
        audit: &AuditTrail,
    ) -> Result<OwnedCertificate> {
        refuse_taken(ledger, new.name)?;
        let passphrase = match self.no_passphrase {
            true => None,
            false => self.passphrase.source().for_new_ca(new.name.as_str())?,
        };
        let key = CaKey::generate(new.algorithm)?;
        let path = ledger.reader().path().to_owned();
        let place = KeyPlace::for_new(&path, new.name.as_str(), &key, self.key.as_deref())?;
        let mut settings = old.settings.clone();
        // The old one may be disabled because of its key.
        settings.remove(&Setting::Enabled);
        settings.insert(Setting::Key, place.setting.clone());
        let settings: Vec<(Setting, &str)> = settings
            .iter()
            .map(|(setting, value)| (*setting, value.as_str()))
            .collect();
        let old = certificate_of(old, act.recorded)?;
        audit.key_opens(new.name.as_str(), &place.path)?;
        place.write(&key, passphrase.as_ref())?;
        if passphrase.is_none() {
            place.warn_not_encrypted();
        }
        match parent {
            Parent::Itself => {
                let certificate = self.sign_root(old, &key, act.recorded)?;
                ledger.add_issuer(act, new.name, &certificate, &settings)?;
                Ok(certificate)
            }
            Parent::Above(above, authority) => {
                let prepared = authority.prepare(
                    &self.request(old, key.public_key().clone(), above)?,
                    act.recorded,
                )?;
                let certificate = sign_reserved(ledger, act, above.number, &prepared)?;
                ledger.issue_issuer(act, above.number, &certificate, new.name, &settings)?;
                Ok(certificate)
            }
        }
    }

    fn sign_root(
        &self,
        old: &OwnedCertificate,
        key: &CaKey,
        now: Time,
    ) -> Result<OwnedCertificate> {
        let request = RootRequest::renewing(old, key.public_key(), self.expiry(old))?;
        let prepared = CertificateAuthority::prepare_root(key, &request, now)?;
        Ok(prepared.sign(new_serial_number()?)?)
    }

    fn request(
        &self,
        old: &OwnedCertificate,
        public_key: PublicKey,
        above: &IssuerFacts,
    ) -> Result<CertificateRequest> {
        let pointers = ca_choice::pointers(above)?;
        let request = CertificateRequest::renewing(old, public_key, self.expiry(old), pointers)?;
        Ok(request)
    }
}
