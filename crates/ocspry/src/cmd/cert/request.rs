//! What a new certificate shall say, as flags.  From: the command line and the settings of the CA.  To: `sign`, `renew`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{
    AltName, CaConstraints, CaKey, Criticality, CustomProfile, Expiry, KeyAlgorithm, KeyUse,
    Passphrase, Profile, Purpose, RawExtension, SigningRequest,
};
use ocspry_ledger::{IssuerFacts, Setting};
use ocspry_signer::read_regular_file;
use ocspry_wire::Time;
use ocspry_wire::hex::from_hex;

use crate::ca_choice::algorithm_from_text;
use crate::config::parse_duration;
use crate::output::refuse_one_file;
use crate::passphrases::NewKeyPassphraseFlags;
use crate::time_text::time_from_text;

/// What the certificate is for.
#[derive(Debug, Args)]
#[command(next_help_heading = "What it is for")]
pub(super) struct ProfileFlags {
    /// server, client, code, email, ocsp, intermediate or custom [default: that of the CA, else server]
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,

    /// A responder's: short for --profile ocsp
    #[arg(long, conflicts_with = "profile")]
    ocsp: bool,

    /// keyUsage of a custom profile: digitalSignature, keyEncipherment, … (repeatable)
    #[arg(long, value_name = "USE", value_parser = KeyUse::named)]
    key_usage: Vec<KeyUse>,

    /// extKeyUsage of a custom profile: serverAuth, clientAuth, … or an OID (repeatable)
    #[arg(long, value_name = "PURPOSE", value_parser = Purpose::named)]
    purpose: Vec<Purpose>,

    /// How many CAs may follow below an intermediate
    #[arg(long, value_name = "COUNT")]
    path_length: Option<u8>,

    /// Another extension, as OID:HEX or OID:critical:HEX, the hex being its DER value (repeatable)
    #[arg(long, value_name = "OID:HEX", value_parser = extension_from_text)]
    pub(super) extension: Vec<RawExtension>,
}

impl ProfileFlags {
    /// The profile that is meant.
    ///
    /// # Errors
    /// There is none of that name, or what is told belongs to another one.
    pub(super) fn profile(&self, ca: &IssuerFacts) -> Result<Profile> {
        let name = match (&self.profile, self.ocsp) {
            (_, true) => "ocsp",
            (Some(name), false) => name,
            (None, false) => ca
                .settings
                .get(&Setting::Profile)
                .map_or("server", String::as_str),
        };
        let has_uses = !(self.key_usage.is_empty() && self.purpose.is_empty());
        match Profile::named(name)? {
            Profile::Custom(_) => Ok(Profile::Custom(CustomProfile {
                key_usage: self.key_usage.clone(),
                purposes: self.purpose.clone(),
            })),
            _ if has_uses => {
                bail!(
                    "--key-usage and --purpose belong to --profile custom; the profile {name} has its own"
                )
            }
            Profile::Intermediate(_) => Ok(Profile::Intermediate(CaConstraints {
                path_len: self.path_length,
                ..CaConstraints::default()
            })),
            _ if self.path_length.is_some() => {
                bail!("--path-length belongs to --profile intermediate, not to {name}")
            }
            profile => Ok(profile),
        }
    }
}

fn extension_from_text(text: &str) -> Result<RawExtension> {
    let (oid, rest) = text
        .split_once(':')
        .ok_or_else(|| anyhow!("write it as OID:HEX or OID:critical:HEX"))?;
    let (criticality, hex) = match rest.strip_prefix("critical:") {
        Some(hex) => (Criticality::Critical, hex),
        None => (Criticality::NotCritical, rest),
    };
    let value = from_hex(hex).ok_or_else(|| anyhow!("its value is not hex"))?;
    Ok(RawExtension::new(oid, criticality, &value)?)
}

/// When the certificate ends.
#[derive(Debug, Args)]
pub(super) struct ExpiryFlags {
    /// Days that it is valid [default: what the CA is set to, else as usual for its profile]
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    days: Option<u32>,

    /// When it ends: 2027-06-30 or 2027-06-30T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time_from_text, conflicts_with = "days")]
    expires: Option<Time>,
}

impl ExpiryFlags {
    /// What was asked for; None: nothing.
    pub(super) fn asked(&self) -> Option<Expiry> {
        match (self.days, self.expires) {
            (Some(days), _) => Some(Expiry::After(Duration::from_secs(u64::from(days) * 86_400))),
            (None, Some(time)) => Some(Expiry::At(time)),
            (None, None) => None,
        }
    }

    /// What was asked for, else what the CA is set to, else `usual`.
    ///
    /// # Errors
    /// What the CA is set to is no span of time.
    pub(super) fn expiry(&self, ca: &IssuerFacts, usual: Expiry) -> Result<Expiry> {
        match (self.asked(), ca.settings.get(&Setting::Validity)) {
            (Some(asked), _) => Ok(asked),
            (None, Some(text)) => Ok(Expiry::AtMost(parse_duration(text).ok_or_else(|| {
                anyhow!(
                    "CA {}: its validity {text:?} is no span of time as 90d",
                    ca.name
                )
            })?)),
            (None, None) => Ok(usual),
        }
    }
}

/// Whose key is certified.
#[derive(Debug, Args)]
#[command(next_help_heading = "Key")]
pub(super) struct KeyFlags {
    /// Certification request (PKCS#10), PEM or DER; its key is taken, and nothing else unless told
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "new_key")]
    csr: Option<PathBuf>,

    /// Make a key: rsa-2048, rsa-3072, rsa-4096, p-256, p-384, p-521 or ed25519 [default: that of the CA, else p-256]
    #[arg(long, value_name = "ALGORITHM", num_args = 0..=1, value_parser = algorithm_from_text)]
    new_key: Option<Option<KeyAlgorithm>>,

    /// Write the new key there, for its owner only (0600)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "new_key")]
    key: Option<PathBuf>,

    #[command(flatten)]
    passphrase: NewKeyPassphraseFlags,
}

/// The key to certify, and where it came from.
pub(super) enum CertifiedKey {
    /// Of a request, whose signature was checked.
    Request(Box<SigningRequest>),
    /// Made here; not written yet.
    New(Box<NewKey>),
}

/// A key that was made here.
pub(super) struct NewKey {
    pub(super) key: CaKey,
    path: PathBuf,
    passphrase: Option<Passphrase>,
}

impl KeyFlags {
    /// Reads the request, or makes a key; None: neither is asked for.
    ///
    /// # Errors
    /// The request is none, or its signature is wrong; there is a key file already, or it is where the certificate goes.
    pub(super) fn certified(
        &self,
        ca: &IssuerFacts,
        out: Option<&Path>,
    ) -> Result<Option<CertifiedKey>> {
        refuse_one_file(self.key.as_deref(), out)?;
        if let Some(path) = &self.csr {
            let request = read_request(path)?;
            return Ok(Some(CertifiedKey::Request(Box::new(request))));
        }
        let Some(asked) = &self.new_key else {
            return Ok(None);
        };
        let path = self
            .key
            .clone()
            .ok_or_else(|| anyhow!("--new-key needs --key FILE, where the key is written"))?;
        if fs::symlink_metadata(&path).is_ok() {
            bail!(
                "{} is there already, and a key is never overwritten: name another path",
                path.display()
            );
        }
        let algorithm = match (asked, ca.settings.get(&Setting::KeyAlgorithm)) {
            (Some(algorithm), _) => *algorithm,
            (None, Some(text)) => algorithm_from_text(text)?,
            (None, None) => KeyAlgorithm::default(),
        };
        Ok(Some(CertifiedKey::New(Box::new(NewKey {
            passphrase: self.passphrase.source().by_flags()?,
            key: CaKey::generate(algorithm)?,
            path,
        }))))
    }
}

impl NewKey {
    /// Writes the key: before anything is signed for it.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn write(&self) -> Result<()> {
        Ok(self.key.write_pem(&self.path, self.passphrase.as_ref())?)
    }
}

fn read_request(path: &Path) -> Result<SigningRequest> {
    let file = read_regular_file(path, OCTETS_READ)
        .with_context(|| format!("the request {} cannot be read", path.display()))?;
    SigningRequest::read(&file.content).with_context(|| format!("{}", path.display()))
}

/// More than any request has: what is longer is refused by its reader.
const OCTETS_READ: u64 = 1 << 20;

/// Reads one name of an option.
pub(super) fn alt_name(text: &str) -> Result<AltName, ocspry_ca::CaError> {
    AltName::parse(text)
}
