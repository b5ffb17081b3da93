//! The old lines about certificates: `sign_cert`, `revoke_cert`, `list_certs`, `view_cert`, `dump_cert`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use ocspry_ca::Subject;
use ocspry_core::{Clock as _, SystemClock};
use ocspry_ledger::{CertificateFacts, IssuerFacts};
use ocspry_wire::Time;

use super::resolve::{self, Format};
use super::{Turn, Words};
use crate::ca_keys::certificate_of;
use crate::ledger_flags::LedgerFlags;
use crate::output::{print, say};

/// `sign_cert --csr FILE --subject /CN=…`.
#[derive(Debug, Args)]
pub(crate) struct SignCert {
    /// Subject, as /C=AT/CN=www.example.com
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,

    /// The commonName does not become an alternative name
    #[arg(long, conflicts_with = "cn_in_san")]
    cn_not_in_san: bool,

    /// The commonName becomes an alternative name
    #[arg(long)]
    cn_in_san: bool,

    /// Digest: decided by the CA's key here
    #[arg(long, value_name = "DIGEST")]
    algorithm: Option<String>,

    /// The CA [default: the first one that is enabled]
    #[arg(long, value_name = "SERIAL")]
    ca: Option<String>,

    /// Days that it is valid
    #[arg(long, value_name = "DAYS", alias = "expires")]
    days: Option<u32>,

    /// Certification request
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    csr: PathBuf,

    /// Alternative name (repeatable)
    #[arg(long, value_name = "DOMAIN", alias = "subject-alternative-name")]
    alt: Vec<String>,

    /// Whom to tell before it ends: `ocspry ca tick` lists what ends
    #[arg(long, value_name = "EMAIL")]
    watch: Vec<String>,

    /// Where it goes [default: standard output]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// keyUsage, as critical,digitalSignature
    #[arg(long, value_name = "VALUES")]
    key_usage: Option<String>,

    /// extKeyUsage, as serverAuth,clientAuth
    #[arg(long, value_name = "VALUES", alias = "extended-key-usage")]
    ext_key_usage: Option<String>,

    /// The passphrase of the CA's key is in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    profile: ProfileFlags,

    #[command(flatten)]
    ledger: LedgerFlags,
}

/// The profiles of django-ca.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct ProfileFlags {
    /// A TLS client
    #[arg(long)]
    client: bool,

    /// A TLS server that is a client, too
    #[arg(long)]
    server: bool,

    /// A TLS server
    #[arg(long)]
    webserver: bool,

    /// A person: logs in, signs and reads email, signs programs
    #[arg(long)]
    enduser: bool,

    /// A responder
    #[arg(long)]
    ocsp: bool,
}

/// What a profile is here.
struct ProfileWords {
    profile: &'static str,
    key_usage: &'static [&'static str],
    purposes: &'static [&'static str],
    /// Its commonName is an alternative name, too.
    is_cn_in_san: bool,
}

impl ProfileFlags {
    fn words(&self) -> ProfileWords {
        const NONE: &[&str] = &[];
        let (profile, key_usage, purposes, is_cn_in_san) = if self.client {
            ("client", NONE, NONE, false)
        } else if self.server {
            let usage: &[&str] = &["digitalSignature", "keyAgreement", "keyEncipherment"];
            ("custom", usage, &["clientAuth", "serverAuth"][..], true)
        } else if self.enduser {
            let usage: &[&str] = &["dataEncipherment", "digitalSignature", "keyEncipherment"];
            let purposes: &[&str] = &["clientAuth", "emailProtection", "codeSigning"];
            ("custom", usage, purposes, false)
        } else if self.ocsp {
            ("ocsp", NONE, NONE, false)
        } else {
            ("server", NONE, NONE, true)
        };
        ProfileWords {
            profile,
            key_usage,
            purposes,
            is_cn_in_san,
        }
    }
}

impl SignCert {
    pub(super) fn turn(&self) -> Result<Turn> {
        resolve::check_digest(self.algorithm.as_deref())?;
        if !self.watch.is_empty() {
            say("note: --watch sends no mail here: `ocspry ca tick` lists what ends soon");
        }
        let ca = resolve::ca(&self.ledger.to_read()?, self.ca.as_deref())?;
        let mut words = Words::new(["cert", "sign"], &self.ledger)?;
        words.option("csr", &self.csr);
        words.options("out", self.out.iter());
        words.options("passphrase-file", self.passphrase_file.iter());
        words.options("days", self.days(&ca)?.map(|days| days.to_string()));

        let profile = self.profile.words();
        let is_custom = self.key_usage.is_some() || self.ext_key_usage.is_some();
        words.option(
            "profile",
            if is_custom { "custom" } else { profile.profile },
        );
        match &self.key_usage {
            Some(text) => words.options("key-usage", values(text)),
            None => words.options("key-usage", profile.key_usage.iter().copied()),
        }
        match &self.ext_key_usage {
            Some(text) => words.options("purpose", values(text)),
            None => words.options("purpose", profile.purposes.iter().copied()),
        }
        self.say_names(&mut words, profile.is_cn_in_san)?;
        words.value(ca.name.as_str());
        Ok(words.turn())
    }

    fn say_names(&self, words: &mut Words, is_cn_in_san: bool) -> Result<()> {
        let given = self.subject.clone().unwrap_or_default();
        let common_name = match given.as_str() {
            "" => None,
            text => Subject::parse(text)?.common_name(),
        };
        let (subject, name) = match (common_name, self.alt.first()) {
            (Some(name), _) => (given, name),
            (None, Some(alt)) => (format!("{given}/CN={alt}"), alt.clone()),
            (None, None) => {
                bail!("give at least a CN in --subject, or one or more --alt")
            }
        };
        words.option("subject", subject);
        let is_cn_in_san = (is_cn_in_san || self.cn_in_san) && !self.cn_not_in_san;
        if is_cn_in_san && !self.alt.contains(&name) {
            words.option("alt", name);
        }
        words.options("alt", &self.alt);
        Ok(())
    }

    /// As long as django-ca has them, but never beyond the CA.
    fn days(&self, ca: &IssuerFacts) -> Result<Option<u32>> {
        if self.days.is_some() {
            return Ok(self.days);
        }
        let now = SystemClock.now();
        let left_seconds = certificate_of(ca, now)?.view().not_after.seconds_since(now);
        Ok((left_seconds > i64::from(USUAL_DAYS) * 86_400).then_some(USUAL_DAYS))
    }
}

/// CA_DEFAULT_EXPIRES of django-ca 1.2.1.
const USUAL_DAYS: u32 = 720;

/// `critical,keyCertSign`: the names; what is critical, a profile decides here.
fn values(text: &str) -> Vec<String> {
    text.split(',')
        .map(str::trim)
        .filter(|value| !value.is_empty() && *value != "critical")
        .map(str::to_owned)
        .collect()
}

/// `revoke_cert [--reason REASON] SERIAL [REASON]`.
#[derive(Debug, Args)]
pub(crate) struct RevokeCert {
    /// The certificate
    #[arg(value_name = "SERIAL")]
    certificate: String,

    /// Why
    #[arg(value_name = "REASON", conflicts_with = "reason")]
    why: Option<String>,

    /// Why
    #[arg(long, value_name = "REASON")]
    reason: Option<String>,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl RevokeCert {
    pub(super) fn turn(&self) -> Result<Turn> {
        let reader = self.ledger.to_read()?;
        let now = SystemClock.now();
        let (ca, facts) = resolve::certificate(&reader, &self.certificate, now)?;
        let mut words = Words::new(["cert", "revoke"], &self.ledger)?;
        words.option("ca", ca.name.as_str());
        words.options("reason", self.reason.iter().chain(&self.why));
        // Old lines never asked.
        words.flag("yes");
        words.value(resolve::colons(&facts.serial_number));
        Ok(words.turn())
    }
}

/// `list_certs`.
#[derive(Debug, Args)]
pub(crate) struct ListCerts {
    /// Only those of this CA
    #[arg(long, value_name = "SERIAL")]
    ca: Option<String>,

    /// Also those that have ended
    #[arg(long)]
    expired: bool,

    /// Also those that are revoked
    #[arg(long)]
    revoked: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl ListCerts {
    pub(super) fn turn(&self) -> Result<Turn> {
        let reader = self.ledger.to_read()?;
        let now = SystemClock.now();
        let ca = match &self.ca {
            Some(text) => Some(resolve::ca(&reader, Some(text))?),
            None => None,
        };
        for page in reader.pages(ca.map(|ca| ca.number)) {
            for facts in &page? {
                let is_expired = facts.not_after.is_some_and(|end| end < now);
                let is_revoked = reader
                    .revocation(facts.issuer, &facts.serial_number)?
                    .is_some();
                if (is_revoked && !self.revoked) || (is_expired && !self.expired) {
                    continue;
                }
                let name = resolve::name_of(facts).unwrap_or_else(|| facts.subject.clone());
                let serial = resolve::colons(&facts.serial_number);
                let info = info(facts, is_revoked, is_expired);
                print(&format!("{serial} - {name} ({info})\n"));
            }
        }
        Ok(Turn::Done(ExitCode::SUCCESS))
    }
}

/// `revoked`, `expires: 2027-11-01`, `expired: 2025-11-01`.
fn info(facts: &CertificateFacts, is_revoked: bool, is_expired: bool) -> String {
    let date = |time: Time| {
        let (year, month, day, ..) = time.civil();
        format!("{year:04}-{month:02}-{day:02}")
    };
    match (is_revoked, is_expired) {
        (true, _) => "revoked".to_owned(),
        (false, true) => format!("expired: {}", facts.not_after.map(date).unwrap_or_default()),
        (false, false) => format!("expires: {}", facts.not_after.map(date).unwrap_or_default()),
    }
}

/// `view_cert SERIAL`.
#[derive(Debug, Args)]
pub(crate) struct ViewCert {
    /// The certificate
    #[arg(value_name = "SERIAL")]
    certificate: String,

    /// Without the certificate itself
    #[arg(short, long)]
    no_pem: bool,

    /// All extensions: all that is told is told in any case
    #[arg(short, long)]
    extensions: bool,

    /// How the certificate is printed
    #[arg(short, long, value_enum, ignore_case = true, default_value = "PEM")]
    format: Format,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl ViewCert {
    pub(super) fn turn(&self) -> Result<Turn> {
        let reader = self.ledger.to_read()?;
        let (ca, facts) = resolve::certificate(&reader, &self.certificate, SystemClock.now())?;
        let mut words = Words::new(["cert", "show"], &self.ledger)?;
        words.option("ca", ca.name.as_str());
        words.value(resolve::colons(&facts.serial_number));
        Ok(match &facts.der {
            Some(der) if !self.no_pem => words.turn_then(self.format.octets(der)?),
            Some(_) | None => words.turn(),
        })
    }
}

/// `dump_cert SERIAL [FILE]`.
#[derive(Debug, Args)]
pub(crate) struct DumpCert {
    /// The certificate
    #[arg(value_name = "SERIAL")]
    certificate: String,

    /// Where it goes; `-` is standard output
    #[arg(value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    path: String,

    /// How it is written
    #[arg(short, long, value_enum, ignore_case = true, default_value = "PEM")]
    format: Format,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl DumpCert {
    pub(super) fn turn(&self) -> Result<Turn> {
        let reader = self.ledger.to_read()?;
        let (_, facts) = resolve::certificate(&reader, &self.certificate, SystemClock.now())?;
        let Some(der) = &facts.der else {
            bail!(
                "the ledger knows serial {}, but not its certificate",
                facts.serial_number
            );
        };
        resolve::write_certificate(der, self.format, &self.path)?;
        Ok(Turn::Done(ExitCode::SUCCESS))
    }
}
