//! `ocspry ca init`: a new CA with its key, a root or an intermediate.
//!
//! The key is on the disk before anything is signed with it; the serial number of an intermediate is in the ledger before
//! its parent signs, and certificate and CA get there together.  Whatever is cut off in between leaves at most a key file
//! that no CA names.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{
    CaConstraints, CaKey, CertificateAuthority, CertificateRequest, Expiry, HttpUrl, KeyAlgorithm,
    NameConstraints, NameSubtree, PreparedCertificate, Profile, RootRequest, Subject,
    new_serial_number,
};
use ocspry_core::OwnedCertificate;
use ocspry_ledger::{Act, IssuerFacts, IssuerName, IssuerNumber, Ledger, Setting};
use ocspry_wire::Time;

use super::{DAYS_MAX, days, http_url, show, urls_setting, write_recorded};
use crate::audit::AuditTrail;
use crate::ca_choice::{self, algorithm_from_text};
use crate::ca_keys::{self, KeyPlace};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::refuse_one_file;
use crate::passphrases::{ParentPassphraseFlags, PassphraseFlags};

/// How it is used, and what it leaves.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry ca init root --ledger /var/lib/ocspry/ledger.db --path-length 1 \\
      --subject '/O=Example/CN=Example Root'
  ocspry ca init issuing --parent root --ocsp-url http://ocsp.example.com/ocsp/issuing/ \\
      --crl-url http://ocsp.example.com/crl/issuing.crl \\
      --issuer-url http://ocsp.example.com/ca/issuing.cer

The ledger is made where there is none. The key is written beside it, in keys/ (0700), for its
owner only (0600); without a passphrase it is not encrypted, and that is said. On a terminal a
passphrase is asked for; a systemd credential NAME.passphrase is used where there is one.

Exit codes: 0 it is made, 1 it is not, 2 wrong usage.";

/// What `ca init` can be told.
#[derive(Debug, Args)]
pub(crate) struct InitFlags {
    /// Name of the CA in the ledger and in URLs: letters, digits, `-`, `_`, `.`
    #[arg(value_name = "NAME")]
    name: String,

    /// CA of the ledger that signs the new one [default: none, it signs itself]
    #[arg(long, value_name = "CA")]
    parent: Option<String>,

    /// Subject, as /O=Example/CN=Example Root or CN=Example Root,O=Example [default: CN=NAME]
    #[arg(long, value_name = "NAME", value_parser = Subject::parse)]
    subject: Option<Subject>,

    /// Kind of key: rsa-2048, rsa-3072, rsa-4096, p-256, p-384, p-521 or ed25519
    #[arg(long, value_name = "ALGORITHM", default_value = "p-256", value_parser = algorithm_from_text)]
    algorithm: KeyAlgorithm,

    /// How many CAs may follow below it [default: no limit of its own]
    #[arg(long, value_name = "COUNT")]
    path_length: Option<u8>,

    /// Days that it is valid [default: 3650; below another CA 1825, or as long as that one]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
    days: Option<u32>,

    /// Names below it must lie in one of these: DNS:example.com, IP:192.0.2.0/24, email:example.com (repeatable)
    #[arg(long, value_name = "SUBTREE", value_parser = NameSubtree::parse)]
    permit: Vec<NameSubtree>,

    /// Names below it must lie in none of these, nor be a wildcard for one that does (repeatable)
    #[arg(long, value_name = "SUBTREE", value_parser = NameSubtree::parse)]
    exclude: Vec<NameSubtree>,

    /// Where the status of what it issues is asked for (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    ocsp_url: Vec<HttpUrl>,

    /// Where its own certificate is (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    issuer_url: Vec<HttpUrl>,

    /// Where its CRL is (repeatable)
    #[arg(long, value_name = "URL", value_parser = http_url)]
    crl_url: Vec<HttpUrl>,

    /// Write the key there [default: keys/ beside the ledger]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,

    /// Write the certificate there too, as PEM
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    out: Option<PathBuf>,

    /// Do not ask for a passphrase: the key is not encrypted
    #[arg(long, conflicts_with_all = ["passphrase_file", "passphrase_fd"])]
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

/// Makes a CA.
///
/// # Errors
/// What kept it from being made.
pub(super) fn run(flags: &InitFlags, now: Time) -> Result<ExitCode> {
    refuse_one_file(flags.key.as_deref(), flags.out.as_deref())?;
    let name = IssuerName::new(&flags.name)?;
    let mut ledger = flags.ledger.to_write_or_make()?;
    let path = ledger.reader().path().to_owned();
    refuse_taken(&ledger, &name)?;
    let act = flags.act.act(now);
    let audit = flags.act.audit(&flags.ledger, "ca init", &act)?;
    let parent = match &flags.parent {
        Some(parent) => Some(Parent::open(&ledger, parent, flags, &audit, now)?),
        None => None,
    };
    let passphrase = match flags.no_passphrase {
        true => None,
        false => flags.passphrase.source().for_new_ca(name.as_str())?,
    };
    let key = CaKey::generate(flags.algorithm)?;
    let prepared = match &parent {
        Some(parent) => parent.authority.prepare(&flags.below(parent, &key)?, now)?,
        None => CertificateAuthority::prepare_root(&key, &flags.root()?, now)?,
    };
    let place = KeyPlace::for_new(&path, name.as_str(), &key, flags.key.as_deref())?;
    audit.key_opens(name.as_str(), &place.path)?;
    place.write(&key, passphrase.as_ref())?;
    let settings = flags.settings(&place, parent.as_ref());
    let settings: Vec<(Setting, &str)> = settings
        .iter()
        .map(|(setting, value)| (*setting, value.as_str()))
        .collect();
    let certificate = match &parent {
        Some(parent) => {
            let certificate = sign_reserved(&mut ledger, &act, parent.ca.number, &prepared)?;
            ledger.issue_issuer(&act, parent.ca.number, &certificate, &name, &settings)?;
            certificate
        }
        None => {
            let certificate = prepared.sign(new_serial_number()?)?;
            ledger.add_issuer(&act, &name, &certificate, &settings)?;
            certificate
        }
    };
    if passphrase.is_none() {
        place.warn_not_encrypted();
    }
    if let Some(out) = &flags.out {
        write_recorded(out, &certificate, &name)?;
    }
    show::print_ca(ledger.reader(), &name, flags.json, now)?;
    Ok(ExitCode::SUCCESS)
}

/// Reserves a serial number, signs under it, and gives back what is to be recorded before it leaves.
///
/// # Errors
/// The ledger cannot be written, or the key does not sign.
pub(crate) fn sign_reserved(
    ledger: &mut Ledger,
    act: &Act,
    issuer: IssuerNumber,
    prepared: &PreparedCertificate<'_>,
) -> Result<OwnedCertificate> {
    let serial = new_serial_number()?;
    ledger.reserve_serial(act, issuer, &serial)?;
    Ok(prepared.sign(serial)?)
}

/// Before a key is made in vain.
pub(super) fn refuse_taken(ledger: &Ledger, name: &IssuerName) -> Result<()> {
    let is_taken = |ca: &IssuerFacts| ca.name == *name;
    if ledger.reader().issuers()?.iter().any(is_taken) {
        bail!(
            "ledger {}: has a CA {name} already; choose another name, or renew it: ocspry ca renew {name}",
            ledger.reader().path().display()
        );
    }
    Ok(())
}

/// The CA above the new one.
struct Parent {
    ca: IssuerFacts,
    authority: CertificateAuthority,
}

impl Parent {
    fn open(
        ledger: &Ledger,
        name: &str,
        flags: &InitFlags,
        audit: &AuditTrail,
        now: Time,
    ) -> Result<Parent> {
        let reader = ledger.reader();
        let ca = ca_choice::ca(reader, name)?;
        let passphrase = flags.parent_passphrase.source();
        let authority = ca_keys::open_to_issue(reader, &ca, &passphrase, audit, now)?;
        Ok(Parent { ca, authority })
    }
}

impl InitFlags {
    fn subject(&self) -> Result<Subject> {
        match &self.subject {
            Some(subject) => Ok(subject.clone()),
            None => Ok(Subject::new(&self.name, None)?),
        }
    }

    fn constraints(&self) -> CaConstraints {
        CaConstraints {
            path_len: self.path_length,
            names: NameConstraints {
                permitted: self.permit.clone(),
                excluded: self.exclude.clone(),
            },
        }
    }

    fn root(&self) -> Result<RootRequest> {
        let usual = RootRequest::usual(self.subject()?);
        Ok(RootRequest {
            constraints: self.constraints(),
            expiry: self
                .days
                .map_or(usual.expiry, |count| Expiry::After(days(count))),
            ..usual
        })
    }

    fn below(&self, parent: &Parent, key: &CaKey) -> Result<CertificateRequest> {
        let profile = Profile::Intermediate(self.constraints());
        let usual = CertificateRequest::usual(self.subject()?, key.public_key().clone(), profile);
        Ok(CertificateRequest {
            expiry: self
                .days
                .map_or(usual.expiry, |count| Expiry::After(days(count))),
            pointers: ca_choice::pointers(&parent.ca)?,
            ..usual
        })
    }

    fn settings(&self, place: &KeyPlace, parent: Option<&Parent>) -> Vec<(Setting, String)> {
        let parent = parent.map(|parent| parent.ca.name.to_string());
        [
            (Setting::Key, Some(place.setting.clone())),
            (Setting::Parent, parent),
            (Setting::OcspUrl, urls_setting(&self.ocsp_url)),
            (Setting::IssuerUrl, urls_setting(&self.issuer_url)),
            (Setting::CrlUrl, urls_setting(&self.crl_url)),
        ]
        .into_iter()
        .filter_map(|(setting, value)| Some((setting, value?)))
        .collect()
    }
}
