//! `ocspry ca edit`: what a CA is set to.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{CaError, HttpUrl, KeyAlgorithm, Profile};
use ocspry_ledger::Setting;
use ocspry_wire::Time;

use super::{http_url, show, urls_setting};
use crate::ca_choice::{self, algorithm_from_text, algorithm_name};
use crate::ca_keys::KeyPlace;
use crate::config::parse_duration;
use crate::ledger_flags::{ActFlags, LedgerFlags};

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry ca edit issuing --ocsp-url http://ocsp.example.com/ocsp/issuing/
  ocspry ca edit issuing --profile client --validity 90d --key-algorithm p-384
  ocspry ca edit issuing --unset crl-url
  ocspry ca edit issuing --disable

A URL option replaces all URLs of its kind. What is set holds for what is signed from now on.

Exit codes: 0 it is set, 1 it is not, 2 wrong usage.";

/// What `ca edit` can be told.
#[derive(Debug, Args)]
pub(crate) struct EditFlags {
    /// The CA: its name, or the serial number of its certificate
    #[arg(value_name = "CA")]
    ca: String,

    /// Where the status of what it issues is asked for (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    ocsp_url: Vec<HttpUrl>,

    /// Where its own certificate is (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    issuer_url: Vec<HttpUrl>,

    /// Where its CRL is (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    crl_url: Vec<HttpUrl>,

    /// It issues certificates
    #[arg(long, conflicts_with = "disable")]
    enable: bool,

    /// It issues no certificates; it goes on revoking, and signing CRLs
    #[arg(long)]
    disable: bool,

    /// Profile of what it issues, where none is asked for
    #[arg(long, value_name = "PROFILE", value_parser = profile_name)]
    profile: Option<String>,

    /// How long what it issues is valid, where nothing is asked for: 90d, 12h
    #[arg(long, value_name = "SPAN", value_parser = span)]
    validity: Option<String>,

    /// Kind of key that it makes for others, where none is asked for
    #[arg(long, value_name = "ALGORITHM", value_parser = algorithm_from_text)]
    key_algorithm: Option<KeyAlgorithm>,

    /// Where its key is now
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,

    /// Take something back: ocsp-url, issuer-url, crl-url, profile, validity, key-algorithm or key (repeatable)
    #[arg(long, value_name = "WHAT", value_parser = can_be_unset)]
    unset: Vec<Setting>,

    /// Print what it is set to then as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    act: ActFlags,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Sets it.
///
/// # Errors
/// There is nothing to set, no such CA, or the ledger cannot be written.
pub(super) fn run(flags: &EditFlags, now: Time) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    let ca = ca_choice::ca(ledger.reader(), &flags.ca)?;
    let changes = flags.changes()?;
    let changes: Vec<(Setting, Option<&str>)> = changes
        .iter()
        .map(|(setting, value)| (*setting, value.as_deref()))
        .collect();
    if changes.is_empty() {
        bail!("nothing to set: see ocspry ca edit --help");
    }
    let act = flags.act.act(now);
    let audit = flags.act.audit(&flags.ledger, "ca edit", &act)?;
    if let Some(key) = &flags.key {
        super::import::check_key_is_there(key, &ca, &audit, now)?;
    }
    ledger.set(&act, ca.number, &changes)?;
    show::print_ca(ledger.reader(), &ca.name, flags.json, now)?;
    Ok(ExitCode::SUCCESS)
}

impl EditFlags {
    fn changes(&self) -> Result<Vec<(Setting, Option<String>)>> {
        let enabled = match (self.enable, self.disable) {
            (true, _) => Some("yes".to_owned()),
            (_, true) => Some("no".to_owned()),
            (false, false) => None,
        };
        let key = match &self.key {
            Some(path) => Some(KeyPlace::existing(path)?.setting),
            None => None,
        };
        let algorithm = self.key_algorithm.map(algorithm_name).map(str::to_owned);
        let set = [
            (Setting::OcspUrl, urls_setting(&self.ocsp_url)),
            (Setting::IssuerUrl, urls_setting(&self.issuer_url)),
            (Setting::CrlUrl, urls_setting(&self.crl_url)),
            (Setting::Enabled, enabled),
            (Setting::Profile, self.profile.clone()),
            (Setting::Validity, self.validity.clone()),
            (Setting::KeyAlgorithm, algorithm),
            (Setting::Key, key),
        ];
        let mut changes: Vec<(Setting, Option<String>)> = Vec::new();
        changes.extend(set.into_iter().filter(|(_, value)| value.is_some()));
        for setting in &self.unset {
            if changes.iter().any(|(other, _)| other == setting) {
                bail!("{} cannot be set and taken back at once", setting.name());
            }
            changes.push((*setting, None));
        }
        Ok(changes)
    }
}

fn profile_name(text: &str) -> Result<String, CaError> {
    Profile::named(text).map(|profile| profile.name().to_owned())
}

fn span(text: &str) -> Result<String> {
    match parse_duration(text) {
        Some(span) if !span.is_zero() => Ok(text.to_owned()),
        Some(_) | None => Err(anyhow!("write a whole number and a unit, as 90d or 12h")),
    }
}

fn can_be_unset(text: &str) -> Result<Setting> {
    let known = [
        Setting::OcspUrl,
        Setting::IssuerUrl,
        Setting::CrlUrl,
        Setting::Profile,
        Setting::Validity,
        Setting::KeyAlgorithm,
        Setting::Key,
    ];
    known
        .into_iter()
        .find(|setting| setting.name() == text)
        .ok_or_else(|| anyhow!("choose one of {}", known.map(Setting::name).join(", ")))
}
