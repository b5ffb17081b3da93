//! `ocspry ca import`: a CA that exists already, with its certificate and, where it shall sign here, its key.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{CaError, CaKey, CertificateAuthority, HttpUrl};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{
    Act, CrlNumber, ImportEntry, IssuerFacts, IssuerName, Ledger, Setting, issuer_identity,
};
use ocspry_signer::KeyError;
use ocspry_wire::Time;
use ocspry_wire::x509::display_name;

use super::init::refuse_taken;
use super::{http_url, show, urls_setting};
use crate::audit::AuditTrail;
use crate::ca_choice::{self, read_certificate};
use crate::ca_keys::{KeyPlace, certificate_of};
use crate::cmd::import::NumberedCrl;
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::say;
use crate::passphrases::PassphraseFlags;

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry ca import corporate --certificate ca.pem --key ca.key --crl last.crl
  ocspry ca import offline-root --certificate root.pem

The key stays where it is, and as it is: only its path is kept. Without one the CA is answered
for, and its certificates can be revoked, but it signs nothing here. A CA of the ledger that
signed the certificate becomes its parent, and it that of those whose certificates it signed. With the name of a CA that is there, a certificate that
was renewed elsewhere for the same key is added to it; it uses the newest that is valid. What it issued before: ocspry cert import,
ocspry index import.

Exit codes: 0 it is in the ledger, 1 it is not, 2 wrong usage.";

/// What `ca import` can be told.
#[derive(Debug, Args)]
pub(crate) struct ImportFlags {
    /// Name of the CA in the ledger and in URLs: letters, digits, `-`, `_`, `.`
    #[arg(value_name = "NAME")]
    name: String,

    /// Its certificate, PEM or DER
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    certificate: PathBuf,

    /// Its private key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,

    /// Where the status of what it issues is asked for (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    ocsp_url: Vec<HttpUrl>,

    /// Where its own certificate is (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    issuer_url: Vec<HttpUrl>,

    /// Where its CRL is (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    crl_url: Vec<HttpUrl>,

    /// A CRL that it published before: numbers go on above that of it (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    crl: Vec<PathBuf>,

    /// Print what is in the ledger then as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    act: ActFlags,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Imports it.
///
/// # Errors
/// Certificate and key are not those of one CA; the ledger cannot be written.
pub(super) fn run(flags: &ImportFlags, now: Time) -> Result<ExitCode> {
    let name = IssuerName::new(&flags.name)?;
    let certificate = read_certificate(&flags.certificate)?;
    if !certificate.view().is_ca {
        bail!(
            "{}: the certificate of {} is not a CA certificate (basicConstraints); name that of the CA",
            flags.certificate.display(),
            display_name(certificate.view().subject)
        );
    }
    let crl_number = flags.last_crl_number(&certificate)?;
    let act = flags.act.act(now);
    let audit = flags.act.audit(&flags.ledger, "ca import", &act)?;
    let mut settings = Vec::new();
    if let Some(path) = &flags.key {
        let passphrase = flags.passphrase.source();
        let place = KeyPlace::checked(path, &certificate, &passphrase, &name, &audit)?;
        settings.push((Setting::Key, place.setting));
    }
    let mut ledger = flags.ledger.to_write_or_make()?;
    let cas = ledger.reader().issuers()?;
    let identity = issuer_identity(&certificate.view());
    let known = cas
        .iter()
        .find(|ca| ca.name == name && ca.identity == identity);
    if known.is_none() {
        refuse_taken(&ledger, &name)?;
    }
    let is_root = certificate.view().issuer == certificate.view().subject;
    let parent = cas
        .iter()
        .find(|ca| !is_root && ca_choice::issued(ca, &certificate.view()));
    if let Some(parent) = parent {
        // First: a CA below another one without its certificate would be answered `unknown`.
        let entry = ImportEntry::of(&certificate, Some("intermediate"));
        ledger.import(&act, parent.number, [entry], |_| {})?;
        settings.push((Setting::Parent, parent.name.to_string()));
    }
    for (setting, urls) in [
        (Setting::OcspUrl, &flags.ocsp_url),
        (Setting::IssuerUrl, &flags.issuer_url),
        (Setting::CrlUrl, &flags.crl_url),
    ] {
        settings.extend(urls_setting(urls).map(|value| (setting, value)));
    }
    let settings: Vec<(Setting, &str)> = settings
        .iter()
        .map(|(setting, value)| (*setting, value.as_str()))
        .collect();
    match known {
        Some(ca) => add_renewed(&mut ledger, &act, ca, &certificate, &settings)?,
        None => {
            ledger.add_issuer(&act, &name, &certificate, &settings)?;
        }
    }
    let ca = ledger.reader().issuer(name.as_str())?;
    adopt(&mut ledger, &act, &ca, &cas)?;
    if let Some(number) = crl_number {
        ledger.pass_over_crl_numbers(&act, ca.number, number)?;
    }
    if known.is_none() && flags.key.is_none() {
        say(&format!(
            "note: CA {name} signs nothing here, since its key was not named"
        ));
    } else if ledger.reader().highest_crl_number(ca.number)?.is_none() {
        say(&format!(
            "note: the CRL numbers of CA {name} begin with 1 here; where it has published CRLs before, name the last one \
             before the next is made: ocspry ca import {name} --certificate {} --crl FILE",
            flags.certificate.display()
        ));
    }
    show::print_ca(ledger.reader(), &name, flags.json, now)?;
    Ok(ExitCode::SUCCESS)
}

impl ImportFlags {
    /// The highest number of the lists that were named; None: none was.
    fn last_crl_number(&self, certificate: &OwnedCertificate) -> Result<Option<CrlNumber>> {
        let mut highest = None;
        for file in &self.crl {
            let crl = NumberedCrl::read(file)?;
            if !crl.is_signed_by(certificate) {
                bail!("{}: this CA did not sign it", file.display());
            }
            highest = highest.max(Some(crl.number()));
        }
        Ok(highest)
    }
}

/// CAs that came before the one above them: that knows their certificates, as if it had come first.
fn adopt(ledger: &mut Ledger, act: &Act, ca: &IssuerFacts, others: &[IssuerFacts]) -> Result<()> {
    for other in others.iter().filter(|other| other.number != ca.number) {
        let below: Vec<ImportEntry> = other
            .certificates
            .iter()
            .filter(|certificate| ca_choice::issued(ca, &certificate.view()))
            .map(|certificate| ImportEntry::of(certificate, Some("intermediate")))
            .collect();
        if below.is_empty() {
            continue;
        }
        ledger.import(act, ca.number, below, |_| {})?;
        if !other.settings.contains_key(&Setting::Parent) {
            let parent = [(Setting::Parent, Some(ca.name.as_str()))];
            ledger.set(act, other.number, &parent)?;
        }
    }
    Ok(())
}

/// A new certificate of a CA that is there: renewed elsewhere, with its own key.
fn add_renewed(
    ledger: &mut Ledger,
    act: &Act,
    ca: &IssuerFacts,
    certificate: &OwnedCertificate,
    settings: &[(Setting, &str)],
) -> Result<()> {
    if !ca.certificates.contains(certificate) {
        ledger.add_issuer_certificate(act, ca.name.as_str(), certificate)?;
    }
    let changes: Vec<(Setting, Option<&str>)> = settings
        .iter()
        .map(|(setting, value)| (*setting, Some(*value)))
        .collect();
    ledger.set(act, ca.number, &changes)?;
    Ok(())
}

/// Is there a key, and as far as can be seen without a passphrase, that of the certificate?
///
/// # Errors
/// There is none, or another one; that it is opened cannot be written down.
pub(super) fn check_key_is_there(
    path: &Path,
    ca: &IssuerFacts,
    audit: &AuditTrail,
    now: Time,
) -> Result<()> {
    audit.key_opens(ca.name.as_str(), path)?;
    match CaKey::load(path, None) {
        Ok(key) => {
            CertificateAuthority::new(certificate_of(ca, now)?.clone(), key)
                .with_context(|| format!("{}", path.display()))?;
            Ok(())
        }
        Err(CaError::Key(KeyError::PassphraseMissing { path: _ })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
