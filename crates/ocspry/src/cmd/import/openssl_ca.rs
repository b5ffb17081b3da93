//! `ocspry import openssl-ca DIR`: a CA that `openssl ca` kept, with all that it issued and revoked.
//!
//! All of it is read and judged before anything is recorded.  Each step passes over what is there already, so that an import
//! that was cut off is run again.  The key stays where it is.  CRL numbers go on above those that openssl used; serials
//! are drawn at random here, so that `serial` is only looked at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueHint};
use ocspry_ca::CertificateAuthority;
use ocspry_core::{Clock as _, OwnedCertificate, SystemClock, crypto};
use ocspry_ledger::{
    Act, CrlNumber, ImportEntry, IssuerFacts, IssuerName, IssuerNumber, Ledger, LedgerError,
    LedgerReader, Setting, issuer_identity,
};
use ocspry_wire::x509::{SerialNumber, display_name};
use serde_json::json;

use crate::ca_choice::read_certificate;
use crate::ca_keys::KeyPlace;
use crate::cmd::index::{CountedImport, IndexFile};
use crate::ledger_flags::{ActFlags, LedgerFlags};
use crate::output::{print, print_json};
use crate::passphrases::PassphraseFlags;

/// How it is used.
pub(super) const AFTER_HELP: &str = "\
Examples:
  ocspry import openssl-ca demoCA --name corporate --dry-run
  ocspry import openssl-ca demoCA --name corporate

Taken are cacert.pem, private/cakey.pem (which stays where it is), index.txt, crlnumber and newcerts; other
places are named by flags.  It can be run again until the last use of openssl ca: what is there is passed over.";

/// What `import openssl-ca` can be told.
#[derive(Debug, Args)]
pub(crate) struct OpensslCaFlags {
    /// The directory (`dir` in openssl.cnf)
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    directory: PathBuf,

    /// Name that the CA gets here
    #[arg(long, value_name = "NAME")]
    name: String,

    /// Its certificate [default: DIR/cacert.pem]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    certificate: Option<PathBuf>,

    /// Its key [default: DIR/private/cakey.pem, if it is there]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    key: Option<PathBuf>,

    /// Only say what would be recorded
    #[arg(long)]
    dry_run: bool,

    /// Say it as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    ledger: LedgerFlags,

    #[command(flatten)]
    passphrase: PassphraseFlags,

    #[command(flatten)]
    act: ActFlags,
}

/// Imports a CA.
///
/// # Errors
/// Something of it cannot be read, certificate and key differ, or it contradicts the ledger.
pub(super) fn run(flags: &OpensslCaFlags) -> Result<ExitCode> {
    let found = Found::read(flags)?;
    let counts = if flags.dry_run {
        found.preview(flags)?
    } else {
        let mut ledger = flags.ledger.to_write_or_make()?;
        found.check(ledger.reader())?;
        found.record(&mut ledger, &flags.act.act(SystemClock.now()))?
    };
    counts.say(flags, &found);
    Ok(ExitCode::SUCCESS)
}

/// What is in the directory.
struct Found {
    name: IssuerName,
    certificate: OwnedCertificate,
    key: Option<KeyPlace>,
    index: IndexFile,
    /// The last CRL number that may have been used.
    crl_number: Option<CrlNumber>,
    newcerts: Newcerts,
}

/// What was recorded, or would be.
struct Counts {
    index: CountedImport,
    /// Certificates of `newcerts` that the index does not have.
    beside: u64,
}

impl Found {
    fn read(flags: &OpensslCaFlags) -> Result<Found> {
        let directory = &flags.directory;
        let certificate_path = flags
            .certificate
            .clone()
            .unwrap_or_else(|| directory.join("cacert.pem"));
        let certificate = read_certificate(&certificate_path)?;
        let name = IssuerName::new(&flags.name)?;
        let key_path = flags.key.clone().or_else(|| {
            let usual = directory.join("private/cakey.pem");
            usual.exists().then_some(usual)
        });
        let key = match key_path {
            None => None,
            Some(path) => {
                let key = flags.passphrase.source().open_key(&path, name.as_str())?;
                CertificateAuthority::new(certificate.clone(), key)
                    .with_context(|| format!("{}", path.display()))?;
                Some(KeyPlace::existing(&path)?)
            }
        };
        let newcerts = Newcerts {
            directory: directory.join("newcerts"),
        };
        newcerts.each(&certificate, |_| Ok(()))?;
        Ok(Found {
            name,
            key,
            index: IndexFile {
                path: directory.join("index.txt"),
                certificates: newcerts
                    .directory
                    .is_dir()
                    .then(|| newcerts.directory.clone()),
            },
            crl_number: crl_number(&directory.join("crlnumber"))?,
            newcerts,
            certificate,
        })
    }

    /// The CA, where the ledger has it.
    fn known(&self, reader: &LedgerReader) -> Result<Option<IssuerFacts>> {
        let identity = issuer_identity(&self.certificate.view());
        let cas = reader.issuers()?;
        Ok(cas
            .into_iter()
            .find(|ca| ca.name == self.name && ca.identity == identity))
    }

    /// Whether all of it can be recorded.
    fn check(&self, reader: &LedgerReader) -> Result<Counts> {
        let index = match self.known(reader)? {
            Some(ca) => self.index.preview(reader, ca.number)?,
            None => self.index.count()?,
        };
        Ok(Counts { index, beside: 0 })
    }

    fn preview(&self, flags: &OpensslCaFlags) -> Result<Counts> {
        match LedgerReader::open(&flags.ledger.place()?) {
            Ok(reader) => self.check(&reader),
            // It would be made.
            Err(LedgerError::Missing { .. } | LedgerError::Unfinished { .. }) => Ok(Counts {
                index: self.index.count()?,
                beside: 0,
            }),
            Err(error) => Err(error.into()),
        }
    }

    fn record(&self, ledger: &mut Ledger, act: &Act) -> Result<Counts> {
        let issuer = match self.known(ledger.reader())? {
            Some(ca) => ca.number,
            None => {
                let key = self.key.as_ref();
                let settings: Vec<(Setting, &str)> = key
                    .map(|place| (Setting::Key, place.setting.as_str()))
                    .into_iter()
                    .collect();
                ledger.add_issuer(act, &self.name, &self.certificate, &settings)?
            }
        };
        let index = self.index.import(ledger, issuer, act)?;
        let beside = self.record_beside(ledger, issuer, act)?;
        if let Some(number) = self.crl_number {
            ledger.pass_over_crl_numbers(act, issuer, number)?;
        }
        Ok(Counts { index, beside })
    }

    /// `openssl ca` writes the certificate first and lists it then: one that was cut off there was issued all the same.
    fn record_beside(&self, ledger: &mut Ledger, issuer: IssuerNumber, act: &Act) -> Result<u64> {
        let mut beside = 0;
        self.newcerts.each(&self.certificate, |entry| {
            let known = ledger.reader().certificate(issuer, &entry.serial_number)?;
            if known.is_none() {
                beside += ledger.import(act, issuer, [entry], |_| {})?.certificates;
            }
            Ok(())
        })?;
        Ok(beside)
    }
}

impl Counts {
    fn say(&self, flags: &OpensslCaFlags, found: &Found) {
        let path = &found.index.path;
        let number = found.crl_number.map(|number| number.to_string());
        if flags.json {
            let mut value = self.index.json(path, flags.dry_run);
            value["ca"] = json!(found.name.as_str());
            value["key"] = json!(found.key.as_ref().map(|key| key.path.display().to_string()));
            value["beside_index"] = json!(self.beside);
            value["crl_number"] = json!(number);
            print_json(&value);
            return;
        }
        let subject = display_name(found.certificate.view().subject);
        print(&format!("CA {} ({subject})\n", found.name));
        print(&format!("{}\n", self.index.text(path, flags.dry_run)));
        if self.beside > 0 {
            print(&format!(
                "{} certificates stood in newcerts only, and were added\n",
                self.beside
            ));
        }
        if let Some(number) = number {
            print(&format!("CRL numbers go on after {number}\n"));
        }
        let key = match &found.key {
            Some(key) => format!("its key stays at {}", key.path.display()),
            None => "its key was not found: it signs nothing here until ocspry ca edit names it"
                .to_owned(),
        };
        print(&format!("{key}\n"));
    }
}

/// The number before the next one, which stands in the file in hex; None: no file, or none was used.
fn crl_number(path: &Path) -> Result<Option<CrlNumber>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(error).with_context(|| format!("{} cannot be read", path.display()));
        }
    };
    let next = SerialNumber::from_hex(text.trim().as_bytes()).ok();
    let Some(next) = next.filter(|next| !next.is_negative()) else {
        bail!("{}: is no number in hex", path.display());
    };
    let Some(next) = CrlNumber::from_content(next.content()) else {
        bail!("{}: is longer than a CRL number gets", path.display());
    };
    Ok(before(&next))
}

fn before(number: &CrlNumber) -> Option<CrlNumber> {
    let mut octets = number.content().to_vec();
    for octet in octets.iter_mut().rev() {
        let (less, borrows) = octet.overflowing_sub(1);
        *octet = less;
        if !borrows {
            return CrlNumber::from_content(&octets);
        }
    }
    None
}

/// `newcerts`, read one file after the other: there may be many.
struct Newcerts {
    directory: PathBuf,
}

impl Newcerts {
    /// Hands out the certificates that this CA signed.
    ///
    /// # Errors
    /// The directory or a file of it cannot be read; or what `take` says.
    fn each(
        &self,
        ca: &OwnedCertificate,
        mut take: impl FnMut(ImportEntry) -> Result<()>,
    ) -> Result<()> {
        if !self.directory.is_dir() {
            return Ok(());
        }
        let unreadable = || format!("the directory {} cannot be read", self.directory.display());
        for entry in fs::read_dir(&self.directory).with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            if path.extension().is_none_or(|ending| ending != "pem") {
                continue;
            }
            let certificate = read_certificate(&path)?;
            if crypto::is_signed_by(&certificate.view(), &ca.view()) {
                take(ImportEntry::of(&certificate, None))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_before_the_next_one_is_the_last_that_may_have_been_used() {
        let number = |counter: u64| CrlNumber::from(counter);
        assert_eq!(before(&number(0x1000)), Some(number(0x0fff)));
        assert_eq!(before(&number(1)), Some(number(0)));
        assert_eq!(before(&number(0)), None);
    }
}
