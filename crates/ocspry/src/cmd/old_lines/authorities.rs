//! The old lines about CAs: `init_ca`, `list_cas`, `edit_ca`, `view_ca`, `dump_ca`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{ArgAction, Args, ValueHint};
use ocspry_core::{Clock as _, SystemClock};

use super::resolve::{self, Format};
use super::{Turn, Words};
use crate::ca_choice::plain_name;
use crate::ca_keys::{certificate_of, is_enabled};
use crate::ledger_flags::LedgerFlags;
use crate::output::print;

/// Where clients of what a CA issues find status and issuer.
#[derive(Debug, Args)]
struct UrlFlags {
    /// Where the CA's certificate is
    #[arg(long, value_name = "URL", alias = "sign-ca-issuer")]
    issuer_url: Option<String>,

    /// The CA's home page: not put into certificates
    #[arg(long, value_name = "URL", alias = "sign-issuer-alternative-name")]
    issuer_alt_name: Option<String>,

    /// Where its CRL is (repeatable)
    #[arg(long, value_name = "URL", alias = "sign-crl-full-url")]
    crl_url: Vec<String>,

    /// Where its responder is
    #[arg(long, value_name = "URL", alias = "sign-ocsp-responder")]
    ocsp_url: Option<String>,
}

impl UrlFlags {
    fn say(&self, words: &mut Words) -> Result<()> {
        if self.issuer_alt_name.is_some() {
            bail!("--issuer-alt-name has no counterpart: no client looks at it; leave it out");
        }
        words.options("issuer-url", &self.issuer_url);
        words.options("crl-url", &self.crl_url);
        words.options("ocsp-url", &self.ocsp_url);
        Ok(())
    }
}

/// `init_ca NAME SUBJECT`.
#[derive(Debug, Args)]
pub(crate) struct InitCa {
    /// Name of the CA
    #[arg(value_name = "NAME")]
    name: String,

    /// Subject, as /C=AT/CN=Example
    #[arg(value_name = "SUBJECT")]
    subject: Option<String>,

    /// Digest: decided by the key here
    #[arg(long, value_name = "DIGEST")]
    algorithm: Option<String>,

    /// RSA; EC and Ed25519 as newer releases have them
    #[arg(long, value_name = "TYPE", default_value = "RSA", ignore_case = true, value_parser = ["RSA", "EC", "ECC", "Ed25519"])]
    key_type: String,

    /// Bits of an RSA key
    #[arg(long, value_name = "BITS", default_value = "4096", value_parser = ["2048", "3072", "4096"])]
    key_size: String,

    /// Days that it is valid
    #[arg(long, value_name = "DAYS", default_value = "3650")]
    expires: u32,

    /// The CA above it
    #[arg(long, value_name = "SERIAL")]
    parent: Option<String>,

    /// Refused: a passphrase is never an argument
    #[arg(long, value_name = "PASSWORD", num_args = 0..=1, hide = true)]
    password: Option<Option<String>>,

    /// The passphrase of its key is in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,

    /// How many CAs may follow below it
    #[arg(long, value_name = "COUNT", default_value = "0", alias = "path-length")]
    pathlen: u8,

    /// Any number of CAs may follow below it
    #[arg(long, alias = "no-path-length", conflicts_with = "pathlen")]
    no_pathlen: bool,

    #[command(flatten)]
    urls: UrlFlags,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl InitCa {
    pub(super) fn turn(&self) -> Result<Turn> {
        resolve::check_digest(self.algorithm.as_deref())?;
        let mut words = Words::new(["ca", "init"], &self.ledger)?;
        match &self.password {
            Some(Some(given)) if !given.is_empty() => bail!(
                "a passphrase on the command line can be read by everybody on the machine: put it into a file and give \
                 --passphrase-file FILE, or give --password= to be asked"
            ),
            Some(_) => {}
            None if self.passphrase_file.is_some() => {}
            None => words.flag("no-passphrase"),
        }
        words.options("passphrase-file", self.passphrase_file.iter());
        words.option("subject", subject(self.subject.as_deref(), &self.name));
        let algorithm = match self.key_type.to_ascii_uppercase().as_str() {
            "RSA" => format!("rsa-{}", self.key_size),
            "ED25519" => "ed25519".to_owned(),
            _ => "p-256".to_owned(),
        };
        words.option("algorithm", algorithm);
        words.option("days", self.expires.to_string());
        if !self.no_pathlen {
            words.option("path-length", self.pathlen.to_string());
        }
        if let Some(parent) = &self.parent {
            let parent = resolve::ca(&self.ledger.to_read()?, Some(parent))?;
            words.option("parent", parent.name.as_str());
        }
        self.urls.say(&mut words)?;
        words.value(plain_name(&self.name));
        Ok(words.turn())
    }
}

/// With the name as commonName where none is given.
fn subject(given: Option<&str>, name: &str) -> String {
    let given = given.unwrap_or_default();
    match given.contains("CN=") {
        true => given.to_owned(),
        // A slash would begin the next attribute.
        false => format!("{given}/CN={}", name.replace('/', "\\/")),
    }
}

/// `list_cas`.
#[derive(Debug, Args)]
pub(crate) struct ListCas {
    #[command(flatten)]
    ledger: LedgerFlags,
}

impl ListCas {
    pub(super) fn turn(&self) -> Result<Turn> {
        for ca in self.ledger.to_read()?.issuers()? {
            let serial =
                resolve::colons(&certificate_of(&ca, SystemClock.now())?.view().serial_number);
            let state = if is_enabled(&ca) { "" } else { " (disabled)" };
            print(&format!("{serial} - {}{state}\n", ca.name));
        }
        Ok(Turn::Done(ExitCode::SUCCESS))
    }
}

/// `edit_ca SERIAL`.
#[derive(Debug, Args)]
pub(crate) struct EditCa {
    /// The CA
    #[arg(value_name = "SERIAL")]
    ca: String,

    #[command(flatten)]
    urls: UrlFlags,

    /// Let it issue
    #[arg(long, action = ArgAction::SetTrue, conflicts_with = "disable")]
    enable: bool,

    /// Do not let it issue
    #[arg(long, action = ArgAction::SetTrue)]
    disable: bool,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl EditCa {
    pub(super) fn turn(&self) -> Result<Turn> {
        let mut words = Words::new(["ca", "edit"], &self.ledger)?;
        self.urls.say(&mut words)?;
        if self.enable {
            words.flag("enable");
        }
        if self.disable {
            words.flag("disable");
        }
        let ca = resolve::ca(&self.ledger.to_read()?, Some(&self.ca))?;
        words.value(ca.name.as_str());
        Ok(words.turn())
    }
}

/// `view_ca SERIAL`.
#[derive(Debug, Args)]
pub(crate) struct ViewCa {
    /// The CA
    #[arg(value_name = "SERIAL")]
    ca: String,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl ViewCa {
    pub(super) fn turn(&self) -> Result<Turn> {
        let mut words = Words::new(["ca", "show"], &self.ledger)?;
        let ca = resolve::ca(&self.ledger.to_read()?, Some(&self.ca))?;
        words.value(ca.name.as_str());
        Ok(words.turn())
    }
}

/// `dump_ca SERIAL [FILE]`.
#[derive(Debug, Args)]
pub(crate) struct DumpCa {
    /// The CA
    #[arg(value_name = "SERIAL")]
    ca: String,

    /// Where its certificate goes; `-` is standard output
    #[arg(value_name = "FILE", default_value = "-", value_hint = ValueHint::FilePath)]
    path: String,

    /// How it is written
    #[arg(short, long, value_enum, ignore_case = true, default_value = "PEM")]
    format: Format,

    #[command(flatten)]
    ledger: LedgerFlags,
}

impl DumpCa {
    pub(super) fn turn(&self) -> Result<Turn> {
        let ca = resolve::ca(&self.ledger.to_read()?, Some(&self.ca))?;
        resolve::write_certificate(
            certificate_of(&ca, SystemClock.now())?.der(),
            self.format,
            &self.path,
        )?;
        Ok(Turn::Done(ExitCode::SUCCESS))
    }
}
