//! `ocspry import openssl-ca DIR`: a CA that `openssl ca` kept, with all that it issued and revoked.
//!
//! All of it is recorded together, or nothing.  What is there already is passed over, so that an import is run again.  CRL
//! numbers go on above those that openssl used; serials are drawn at random here, so that `serial` is only looked at.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueHint};
use ocspry_core::{Clock as _, OwnedCertificate, SystemClock, crypto};
use ocspry_ledger::{
    Act, CrlNumber, ImportEntry, IssuerName, IssuerNumber, Ledger, LedgerReader, WholeImport,
};
use ocspry_wire::x509::SerialNumber;
use serde_json::json;

use super::brought_ca::BroughtCa;
use crate::audit::AuditTrail;
use crate::ca_choice::read_certificate;
use crate::ca_keys::KeyPlace;
use crate::cmd::index::{CertificateFiles, CountedImport, IndexFile};
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
    let act = flags.act.act(SystemClock.now());
    let audit = match flags.dry_run {
        // It changes nothing: of it the keys that it opens are written down, and no more.
        true => flags
            .act
            .audit_when_due(&flags.ledger, "import openssl-ca", &act)?,
        false => flags.act.audit(&flags.ledger, "import openssl-ca", &act)?,
    };
    let found = Found::read(flags, &audit)?;
    let counts = if flags.dry_run {
        found.preview(flags.ledger.to_read_if_there()?.as_ref())?
    } else {
        let mut ledger = flags.ledger.to_write_or_make()?;
        found.record(&mut ledger, &act)?
    };
    counts.say(flags, &found);
    Ok(ExitCode::SUCCESS)
}

/// What is in the directory.
struct Found {
    ca: BroughtCa,
    index: IndexFile,
    newcerts: Newcerts,
}

/// What was recorded, or would be.
struct Counts {
    index: CountedImport,
    /// Certificates of `newcerts` that the index does not have.
    beside: u64,
}

impl Found {
    fn read(flags: &OpensslCaFlags, audit: &AuditTrail) -> Result<Found> {
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
            Some(path) => Some(KeyPlace::checked(
                &path,
                &certificate,
                &flags.passphrase.source(),
                &name,
                audit,
            )?),
        };
        let newcerts = Newcerts {
            directory: directory.join("newcerts"),
        };
        newcerts.each(&certificate, |_| Ok(()))?;
        Ok(Found {
            index: IndexFile {
                path: directory.join("index.txt"),
                certificates: newcerts.directory.is_dir().then(|| CertificateFiles {
                    directory: newcerts.directory.clone(),
                    ca: certificate.clone(),
                }),
            },
            newcerts,
            ca: BroughtCa {
                name,
                certificate,
                older: Vec::new(),
                settings: Vec::new(),
                key,
                crl_number: crl_number(&directory.join("crlnumber"))?,
            },
        })
    }

    fn preview(&self, reader: Option<&LedgerReader>) -> Result<Counts> {
        let known = match reader {
            Some(reader) => self.ca.known(reader)?.map(|ca| (reader, ca)),
            None => None,
        };
        let index = match known {
            Some((reader, ca)) => self.index.preview(reader, ca.number, SystemClock.now())?,
            None => self.index.count()?,
        };
        Ok(Counts { index, beside: 0 })
    }

    fn record(&self, ledger: &mut Ledger, act: &Act) -> Result<Counts> {
        let known = self.ca.known(ledger.reader())?;
        ledger.import_whole(act, |whole| {
            let issuer = self.ca.record(whole, known.as_ref())?;
            let index = self.index.record(whole, issuer)?;
            let beside = self.record_beside(whole, issuer)?;
            self.ca.record_crl_number(whole, issuer)?;
            Ok(Counts { index, beside })
        })
    }

    /// `openssl ca` writes the certificate first and lists it then: one that was cut off there was issued all the same.
    fn record_beside(&self, whole: &mut WholeImport<'_>, issuer: IssuerNumber) -> Result<u64> {
        let before = whole.imported().certificates;
        self.newcerts
            .each(&self.ca.certificate, |entry| Ok(whole.add(issuer, &entry)?))?;
        Ok(whole.imported().certificates - before)
    }
}

impl Counts {
    fn say(&self, flags: &OpensslCaFlags, found: &Found) {
        let (path, ca) = (&found.index.path, &found.ca);
        if flags.json {
            let mut value = self.index.json(path, flags.dry_run);
            value["ca"] = json!(ca.name.as_str());
            value["key"] = json!(ca.key_path());
            value["beside_index"] = json!(self.beside);
            value["crl_number"] = json!(ca.crl_number.map(|number| number.to_string()));
            print_json(&value);
            return;
        }
        print(&format!("{}\n", ca.title()));
        print(&format!("{}\n", self.index.text(path, flags.dry_run)));
        if self.beside > 0 {
            print(&format!(
                "{} certificates stood in newcerts only, and were added\n",
                self.beside
            ));
        }
        print(&ca.rest());
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
