//! `ocspry cert sign`: a certificate, for a request that somebody sent or for a key that is made here.
//!
//! Its serial number is in the ledger before it is signed, and it is in the ledger before it leaves.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{
    AltName, CertificateRequest, Expiry, Profile, SigningRequest, Subject, certificate_to_pem,
};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{IssuerFacts, Ledger};
use ocspry_wire::Time;
use serde_json::json;

use super::request::{CertifiedKey, ExpiryFlags, KeyFlags, ProfileFlags, alt_name};
use super::told::{self, State};
use crate::ca_choice;
use crate::ca_keys;
use crate::cmd::ca::{refuse_key_taken_back, sign_reserved};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print, print_json, say, write_certificate};
use crate::passphrases::PassphraseFlags;
use crate::time_text::utc_and_distance;

/// How it is used, and what is taken from a request.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry cert sign issuing --csr www.csr --alt www.example.com --out www.pem
  ocspry cert sign issuing --csr www.csr --take-subject --take-names --days 90 --out www.pem
  ocspry cert sign issuing --csr ocsp.csr --ocsp --subject /CN=ocsp.example.com --out ocsp.pem
  ocspry cert sign issuing --new-key --key alice.key --profile client --subject /CN=Alice

Of a request only the key is taken, after its signature was checked; subject and names when told
so; what it says of itself (CA rights, key usage, purposes) never: the profile decides that. A
request for the rights of a CA is refused, but with --profile intermediate. A server's commonName
becomes an alternative name where none is given. No certificate outlives its CA. Without --out the
certificate is printed.

Exit codes: 0 signed and in the ledger, 1 not signed, 2 wrong usage.";

/// What `cert sign` can be told.
#[derive(Debug, Args)]
pub(crate) struct SignFlags {
    /// The CA: its name, or the serial number of its certificate
    #[arg(value_name = "CA")]
    ca: String,

    /// Subject, as /O=Example/CN=www.example.com or CN=www.example.com,O=Example
    #[arg(long, value_name = "NAME", value_parser = Subject::parse, conflicts_with = "take_subject")]
    subject: Option<Subject>,

    /// Alternative name: www.example.com, 192.0.2.1, a@example.com, URI:…, UPN:… (repeatable)
    #[arg(long, value_name = "NAME", value_parser = alt_name)]
    alt: Vec<AltName>,

    /// Take the subject from the request
    #[arg(long, requires = "csr")]
    take_subject: bool,

    /// Take the alternative names from the request, besides those given
    #[arg(long, requires = "csr")]
    take_names: bool,

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
    profile: ProfileFlags,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    passphrase: PassphraseFlags,
}

/// Signs one.
///
/// # Errors
/// What kept it from being signed.
pub(super) fn run(flags: &SignFlags, now: Time) -> Result<ExitCode> {
    let mut ledger = flags.ledger.to_write()?;
    let ca = ca_choice::ca(ledger.reader(), &flags.ca)?;
    let profile = flags.profile.profile(&ca)?;
    let Some(certified) = flags.key.certified(&ca, flags.out.as_deref())? else {
        bail!("whose key? give --csr FILE, or --new-key with --key FILE");
    };
    if let CertifiedKey::Request(request) = &certified {
        refuse_ca_rights(request, &profile)?;
    }
    let request = flags.request(&ca, &certified, profile)?;
    let profile_name = request.profile.name();
    let act = flags.act.act(now);
    let audit = flags.act.audit(&flags.ledger, "cert sign", &act)?;
    let authority = ca_keys::open_to_issue(
        ledger.reader(),
        &ca,
        &flags.passphrase.source(),
        &audit,
        now,
    )?;
    refuse_key_taken_back(ledger.reader(), request.public_key.der())?;
    let prepared = authority.prepare(&request, now)?;
    if let CertifiedKey::New(new) = &certified {
        new.write()?;
    }
    let certificate = sign_reserved(&mut ledger, &act, ca.number, &prepared)?;
    ledger.issue(&act, ca.number, &certificate, profile_name)?;
    hand_out(
        &ledger,
        &ca,
        &certificate,
        flags.out.as_deref(),
        flags.json,
        now,
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Writes or prints a certificate that is in the ledger.
///
/// # Errors
/// The file cannot be written; the ledger cannot be read.
pub(super) fn hand_out(
    ledger: &Ledger,
    ca: &IssuerFacts,
    certificate: &OwnedCertificate,
    out: Option<&Path>,
    is_json: bool,
    now: Time,
) -> Result<()> {
    let view = certificate.view();
    let serial = view.serial_number;
    let pem = certificate_to_pem(certificate.der())?;
    if let Some(out) = out {
        write_certificate(out, pem.as_bytes()).with_context(|| {
            format!("serial {serial} is signed and in the ledger; print it with: ocspry cert show {serial} --pem")
        })?;
    }
    if is_json {
        let reader = ledger.reader();
        if let Some(known) = reader.certificate(ca.number, &serial)? {
            let mut value = told::json(ca.name.as_str(), &known, &State::of(reader, &known, now)?);
            value["pem"] = json!(pem);
            print_json(&value);
        }
        return Ok(());
    }
    if out.is_none() {
        print(&pem);
    }
    let until = utc_and_distance(view.not_after, now);
    say(&format!(
        "CA {} signed serial {serial}, valid until {until}",
        ca.name
    ));
    Ok(())
}

/// Who asks for these rights has another certificate in mind than the one it would get.
fn refuse_ca_rights(request: &SigningRequest, profile: &Profile) -> Result<()> {
    let asked = request.not_granted();
    if matches!(profile, Profile::Intermediate(_)) {
        return Ok(());
    }
    match asked.iter().find(|asked| asked.is_for_a_ca()) {
        Some(asked) => bail!(
            "the request asks for {asked}, and a certificate of the profile {} does not give that: \
             have the request made without it, or sign it with --profile intermediate",
            profile.name()
        ),
        None => {
            for asked in asked {
                say(&format!(
                    "note: the request asks for {asked}; the profile decides that"
                ));
            }
            Ok(())
        }
    }
}

impl SignFlags {
    fn request(
        &self,
        ca: &IssuerFacts,
        certified: &CertifiedKey,
        profile: Profile,
    ) -> Result<CertificateRequest> {
        let mut alt_names = self.alt.clone();
        let mut subject = self.subject.clone();
        let public_key = match certified {
            CertifiedKey::New(new) => new.key.public_key().clone(),
            CertifiedKey::Request(request) => {
                if self.take_subject {
                    subject = Some(request.subject()?);
                }
                if self.take_names {
                    let more = request.alt_names()?;
                    alt_names.extend(more.into_iter().filter(|name| !self.alt.contains(name)));
                }
                request.public_key().clone()
            }
        };
        let subject = subject.unwrap_or_else(Subject::empty);
        if subject.is_empty() && alt_names.is_empty() {
            bail!(
                "whose certificate? give --subject or --alt, or --take-subject or --take-names with a request"
            );
        }
        if profile == Profile::Server && alt_names.is_empty() {
            let name = subject.common_name().and_then(|name| host_name(&name));
            alt_names.extend(name);
        }
        let usual = Expiry::AtMost(profile.usual_lifetime());
        Ok(CertificateRequest {
            expiry: self.expiry.expiry(ca, usual)?,
            subject,
            alt_names,
            public_key,
            profile,
            pointers: ca_choice::pointers(ca)?,
            extensions: self.profile.extension.clone(),
            key_identifier: None,
        })
    }
}

/// What a client of a server looks for: its DNS name or address.
fn host_name(common_name: &str) -> Option<AltName> {
    match common_name.parse() {
        Ok(address) => Some(AltName::ip(address)),
        Err(_) => AltName::dns(common_name).ok(),
    }
}
