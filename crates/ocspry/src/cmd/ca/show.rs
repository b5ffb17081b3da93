//! `ocspry ca show`: all that a ledger knows of one CA, or its certificate.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueHint};
use ocspry_ca::{PublicKey, certificate_to_pem};
use ocspry_core::OwnedCertificate;
use ocspry_core::crypto::sha256;
use ocspry_ledger::{IssuerFacts, IssuerName, LedgerReader, Setting};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::x509::display_name;
use serde_json::{Value, json};

use crate::ca_choice;
use crate::ca_keys::{self, certificate_of};
use crate::ledger_flags::LedgerFlags;
use crate::output::{print, print_json, write_certificate};
use crate::summary::Paint;
use crate::text_table::Rows;
use crate::time_text::utc_and_distance;

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry ca show root
  ocspry ca show root --out root.pem

Exit codes: 0 shown, 1 there is no such CA or the ledger cannot be read, 2 wrong usage.";

/// What `ca show` can be told.
#[derive(Debug, Args)]
pub(crate) struct ShowFlags {
    /// The CA: its name, or the serial number of its certificate
    #[arg(value_name = "CA")]
    ca: String,

    /// Print its certificate as PEM instead
    #[arg(long, conflicts_with = "json")]
    pem: bool,

    /// Write its certificate there, as PEM, instead
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with_all = ["json", "pem"])]
    out: Option<PathBuf>,

    /// Print it as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// Shows one.
///
/// # Errors
/// There is none of that name; the ledger cannot be read, or the file not be written.
pub(super) fn run(flags: &ShowFlags, now: Time) -> Result<ExitCode> {
    let reader = flags.ledger.to_read()?;
    let ca = ca_choice::ca(&reader, &flags.ca)?;
    let shown = Shown::of(&reader, &ca, now)?;
    let pem = || certificate_to_pem(shown.certificate.der());
    match (&flags.out, flags.pem, flags.json) {
        (Some(out), _, _) => write_certificate(out, pem()?.as_bytes())?,
        (None, true, _) => print(&pem()?),
        (None, false, true) => print_json(&shown.json()),
        (None, false, false) => print(&shown.text()),
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what the ledger knows of a CA, after it was made or changed.
///
/// # Errors
/// There is none of that name; the ledger cannot be read.
pub(super) fn print_ca(
    reader: &LedgerReader,
    name: &IssuerName,
    is_json: bool,
    now: Time,
) -> Result<()> {
    let ca = reader.issuer(name.as_str())?;
    let shown = Shown::of(reader, &ca, now)?;
    match is_json {
        true => print_json(&shown.json()),
        false => print(&shown.text()),
    }
    Ok(())
}

/// A CA, and what is said of it.
pub(super) struct Shown<'a> {
    ca: &'a IssuerFacts,
    certificate: &'a OwnedCertificate,
    key: Option<PathBuf>,
    crl_number: Option<String>,
    now: Time,
}

impl<'a> Shown<'a> {
    /// Reads what is not in the facts.
    ///
    /// # Errors
    /// The ledger cannot be read.
    pub(super) fn of(reader: &LedgerReader, ca: &'a IssuerFacts, now: Time) -> Result<Shown<'a>> {
        let crl_number = reader.highest_crl_number(ca.number)?;
        Ok(Shown {
            ca,
            certificate: certificate_of(ca, now)?,
            key: ca_keys::key_path(reader.path(), ca),
            crl_number: crl_number.map(|number| number.to_string()),
            now,
        })
    }

    pub(super) fn text(&self) -> String {
        let paint = Paint::for_stdout();
        let view = self.certificate.view();
        let subject = display_name(view.subject);
        let mut rows = Rows::default();
        rows.add("serial", view.serial_number.to_string());
        rows.add("valid from", utc_and_distance(view.not_before, self.now));
        rows.add("valid until", utc_and_distance(view.not_after, self.now));
        rows.add("SHA-256", fingerprint(self.certificate));
        let older = self.ca.certificates.len() - 1;
        if older > 0 {
            rows.add(
                "renewed",
                format!("{older} older certificates of the same key"),
            );
        }
        rows.add("key", self.key_text());
        let above = match view.issuer == view.subject {
            true => "none: a root",
            false => "not in this ledger",
        };
        rows.add("parent", self.setting(Setting::Parent).unwrap_or(above));
        let issues = match ca_keys::is_enabled(self.ca) {
            true => "yes",
            false => "no: disabled",
        };
        rows.add("issues", issues);
        for (name, setting) in [
            ("OCSP URL", Setting::OcspUrl),
            ("issuer URL", Setting::IssuerUrl),
            ("CRL URL", Setting::CrlUrl),
            ("profile", Setting::Profile),
            ("validity", Setting::Validity),
            ("new keys", Setting::KeyAlgorithm),
        ] {
            if let Some(value) = self.setting(setting) {
                rows.add(name, value);
            }
        }
        rows.add(
            "CRL number",
            self.crl_number.as_deref().unwrap_or("none yet"),
        );
        let name = paint.bold(self.ca.name.as_str());
        format!("CA {name} ({subject})\n{}", rows.text(&paint))
    }

    fn key_text(&self) -> String {
        let kind = self.key_kind().unwrap_or_else(|| "a key".to_owned());
        match &self.key {
            None => format!("{kind}, not at hand"),
            Some(path) if !path.exists() => {
                format!("{kind}, {} cannot be seen", path.display())
            }
            Some(path) => format!("{kind}, {}", path.display()),
        }
    }

    /// None for a key that is not issued with here.
    fn key_kind(&self) -> Option<String> {
        let key = PublicKey::from_der(self.certificate.view().public_key.der).ok()?;
        Some(key.kind().to_string())
    }

    fn setting(&self, setting: Setting) -> Option<&str> {
        self.ca.settings.get(&setting).map(String::as_str)
    }

    fn urls(&self, setting: Setting) -> Vec<&str> {
        self.setting(setting)
            .unwrap_or("")
            .split_whitespace()
            .collect()
    }

    pub(super) fn json(&self) -> Value {
        let view = self.certificate.view();
        let certificates = self.ca.certificates.iter().map(|certificate| {
            let view = certificate.view();
            json!({
                "serial": view.serial_number.to_string(),
                "not_before": view.not_before.to_string(),
                "not_after": view.not_after.to_string(),
                "sha256": fingerprint(certificate),
            })
        });
        json!({
            "name": self.ca.name.as_str(),
            "subject": display_name(view.subject),
            "serial": view.serial_number.to_string(),
            "not_before": view.not_before.to_string(),
            "not_after": view.not_after.to_string(),
            "certificates": certificates.collect::<Vec<_>>(),
            "key": self.key.as_ref().map(|path| path.display().to_string()),
            "key_kind": self.key_kind(),
            "parent": self.setting(Setting::Parent),
            "enabled": ca_keys::is_enabled(self.ca),
            "ocsp_urls": self.urls(Setting::OcspUrl),
            "issuer_urls": self.urls(Setting::IssuerUrl),
            "crl_urls": self.urls(Setting::CrlUrl),
            "profile": self.setting(Setting::Profile),
            "validity": self.setting(Setting::Validity),
            "key_algorithm": self.setting(Setting::KeyAlgorithm),
            "crl_number": self.crl_number,
        })
    }
}

/// SHA-256 of a certificate, in hex.
pub(super) fn fingerprint(certificate: &OwnedCertificate) -> String {
    to_hex(&sha256(certificate.der()))
}
