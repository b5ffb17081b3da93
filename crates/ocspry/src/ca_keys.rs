//! Where the keys of the built-in CAs are, and how a CA is opened to sign.
//!
//! Beside the ledger in a directory `keys`, unless `--key` said otherwise; the ledger keeps the path, relative to its own
//! directory where the key lies below it, so that both can be moved together.  From: the ledger.  To: `cmd::ca`, `cmd::cert`
//! and all that signs.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use ocspry_ca::{CaKey, CertificateAuthority, Passphrase};
use ocspry_core::OwnedCertificate;
use ocspry_core::crypto::sha256;
use ocspry_ledger::{IssuerFacts, IssuerName, LedgerReader, Setting};
use ocspry_wire::Time;
use ocspry_wire::hex::to_hex;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::SerialNumber;

use crate::audit::AuditTrail;
use crate::ca_choice::issued;
use crate::output::say;
use crate::passphrases::PassphraseSource;

/// Where a key is, and how the ledger says so.
pub(crate) struct KeyPlace {
    pub(crate) path: PathBuf,
    pub(crate) setting: String,
}

impl KeyPlace {
    /// A place for a new key: at `given`, or beside the ledger under a name that no other key has.
    ///
    /// # Errors
    /// There is a file already, or the directory cannot be made.
    pub(crate) fn for_new(
        ledger: &Path,
        name: &str,
        key: &CaKey,
        given: Option<&Path>,
    ) -> Result<KeyPlace> {
        if let Some(path) = given {
            if fs::symlink_metadata(path).is_ok() {
                bail!(
                    "{} is there already, and a key is never overwritten: name another path",
                    path.display()
                );
            }
            return KeyPlace::existing(path);
        }
        let keys = directory_of(ledger).join(KEYS);
        match DirBuilder::new().mode(0o700).create(&keys) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error)
                    .with_context(|| format!("the directory {} cannot be made", keys.display()));
            }
            Ok(()) | Err(_) => {}
        }
        // A run that was cut off may have left a key; another one gets another name.
        let mark = to_hex(&sha256(key.public_key_info())[..4]);
        let file = format!("{name}-{mark}.key");
        Ok(KeyPlace {
            path: keys.join(&file),
            setting: format!("{KEYS}/{file}"),
        })
    }

    /// A key that lies where the operator wants it.
    ///
    /// # Errors
    /// The path cannot be made absolute, or is not UTF-8.
    pub(crate) fn existing(path: &Path) -> Result<KeyPlace> {
        let path = std::path::absolute(path)
            .with_context(|| format!("{} cannot be found", path.display()))?;
        let setting = path
            .to_str()
            .ok_or_else(|| anyhow!("{}: a path of a key must be UTF-8", path.display()))?
            .to_owned();
        Ok(KeyPlace { path, setting })
    }

    /// A key that lies where the operator wants it, opened once to see that it is the CA's.
    ///
    /// # Errors
    /// As [`KeyPlace::existing`]; it cannot be opened, or is another one's; that cannot be written down.
    pub(crate) fn checked(
        path: &Path,
        certificate: &OwnedCertificate,
        passphrase: &PassphraseSource,
        ca: &IssuerName,
        audit: &AuditTrail,
    ) -> Result<KeyPlace> {
        audit.key_opens(ca.as_str(), path)?;
        let key = passphrase.open_key(path, ca.as_str())?;
        CertificateAuthority::new(certificate.clone(), key)
            .with_context(|| format!("{}", path.display()))?;
        KeyPlace::existing(path)
    }

    /// Writes a new key there, for its owner only.
    ///
    /// # Errors
    /// It cannot be encrypted or written.
    pub(crate) fn write(&self, key: &CaKey, passphrase: Option<&Passphrase>) -> Result<()> {
        Ok(key.write_pem(&self.path, passphrase)?)
    }

    /// For whoever made it without a passphrase.
    pub(crate) fn warn_not_encrypted(&self) {
        say(&format!(
            "warning: the key {} is not encrypted: whoever reads it can issue as this CA",
            self.path.display()
        ));
    }
}

/// Where the key of a CA is; None: it is not at hand.
pub(crate) fn key_path(ledger: &Path, ca: &IssuerFacts) -> Option<PathBuf> {
    let path = Path::new(ca.settings.get(&Setting::Key)?);
    Some(directory_of(ledger).join(path))
}

/// The certificate of a CA that it uses at `now`: of those that are valid then that of the latest notBefore, whenever it was
/// brought along, and of several the last one that it got.  Where none is valid, the one that has ended.
///
/// # Errors
/// It has none, which no ledger lets happen.
pub(crate) fn certificate_of(ca: &IssuerFacts, now: Time) -> Result<&OwnedCertificate> {
    ca.certificates
        .iter()
        .max_by_key(|certificate| {
            let view = certificate.view();
            let has_begun = view.not_before <= now;
            (
                has_begun && now < view.not_after,
                has_begun,
                view.not_before,
            )
        })
        .ok_or_else(|| anyhow!("CA {} has no certificate", ca.name))
}

/// Opens a CA to sign CRLs and certificates.
///
/// # Errors
/// Its key is not at hand, cannot be opened, or is another one's; that it is opened cannot be written down.
pub(crate) fn open(
    ledger: &Path,
    ca: &IssuerFacts,
    passphrase: &PassphraseSource,
    audit: &AuditTrail,
    now: Time,
) -> Result<CertificateAuthority> {
    let name = ca.name.as_str();
    let Some(path) = key_path(ledger, ca) else {
        bail!(
            "the key of CA {name} is not at hand, so that it cannot sign; name it: ocspry ca edit {name} --key FILE"
        );
    };
    audit.key_opens(name, &path)?;
    let key = passphrase.open_key(&path, name)?;
    Ok(CertificateAuthority::new(
        certificate_of(ca, now)?.clone(),
        key,
    )?)
}

/// Opens a CA to issue certificates.
///
/// # Errors
/// As [`open`]; it is disabled; CAs of the ledger revoked all its certificates or put them on hold, or one because of its key.
pub(crate) fn open_to_issue(
    reader: &LedgerReader,
    ca: &IssuerFacts,
    passphrase: &PassphraseSource,
    audit: &AuditTrail,
    now: Time,
) -> Result<CertificateAuthority> {
    if !is_enabled(ca) {
        let name = &ca.name;
        bail!(
            "CA {name} is disabled and issues nothing; to change that: ocspry ca edit {name} --enable"
        );
    }
    refuse_revoked(reader, ca, now)?;
    let authority = open(reader.path(), ca, passphrase, audit, now)?;
    // Somebody may have taken a while to type its passphrase.
    refuse_revoked(reader, ca, now)?;
    Ok(authority)
}

/// Nobody takes what a CA issues without a certificate that holds; and where the ledger is an older copy, nothing else may say
/// that its key is in other hands.
fn refuse_revoked(reader: &LedgerReader, ca: &IssuerFacts, now: Time) -> Result<()> {
    let mut revoked = None;
    let mut holds = false;
    let cas = reader.issuers()?;
    for certificate in &ca.certificates {
        let view = certificate.view();
        if view.not_after <= now {
            continue;
        }
        let serial = view.serial_number;
        let mut found = None;
        for above in cas.iter().filter(|above| issued(above, &view)) {
            let Some(info) = reader.revocation(above.number, &serial)? else {
                continue;
            };
            match info.reason {
                Some(CrlReason::KeyCompromise | CrlReason::CaCompromise) => {
                    return Err(revoked_by(ca, &serial, above));
                }
                // A root says nothing about itself but that its key is not safe.
                Some(_) | None if above.number == ca.number => {}
                Some(_) | None => found = Some(revoked_by(ca, &serial, above)),
            }
        }
        holds |= found.is_none();
        revoked = found.or(revoked);
    }
    match revoked {
        Some(error) if !holds => Err(error),
        Some(_) | None => Ok(()),
    }
}

fn revoked_by(ca: &IssuerFacts, serial: &SerialNumber, above: &IssuerFacts) -> anyhow::Error {
    anyhow!(
        "CA {} issues nothing: its certificate, serial {serial}, is revoked or on hold by {}",
        ca.name,
        above.name
    )
}

/// Does it issue?
pub(crate) fn is_enabled(ca: &IssuerFacts) -> bool {
    ca.settings
        .get(&Setting::Enabled)
        .is_none_or(|value| value != "no")
}

fn directory_of(ledger: &Path) -> &Path {
    match ledger.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    }
}

/// Beside the ledger.
const KEYS: &str = "keys";
