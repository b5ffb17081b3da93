//! Passphrases of CA keys: from a file, an open descriptor, a credential of systemd, or a person at a terminal; never from
//! an argument, which everybody on the machine can read.  From: the command line.  To: `ocspry_ca::CaKey`.

use std::collections::BTreeMap;
use std::env;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueHint};
use ocspry_ca::{CaError, CaKey, Passphrase};
use ocspry_signer::KeyError;
use zeroize::Zeroizing;

use crate::output::say;

/// Where the passphrase of the CA's key is.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Passphrase of the CA's key")]
pub(crate) struct PassphraseFlags {
    /// Its first line is the passphrase of the CA's key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "passphrase_fd")]
    passphrase_file: Option<PathBuf>,

    /// The same, from a file descriptor that is open
    #[arg(long, value_name = "NUMBER")]
    passphrase_fd: Option<u32>,
}

/// Where the passphrase of the parent's key is.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Passphrase of the parent's key")]
pub(crate) struct ParentPassphraseFlags {
    /// Its first line is the passphrase of the parent's key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "parent_passphrase_fd")]
    parent_passphrase_file: Option<PathBuf>,

    /// The same, from a file descriptor that is open
    #[arg(long, value_name = "NUMBER")]
    parent_passphrase_fd: Option<u32>,
}

/// Where the passphrase of a new key for somebody else is.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct NewKeyPassphraseFlags {
    /// Encrypt the new key: the first line of this file is its passphrase
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "key_passphrase_fd")]
    key_passphrase_file: Option<PathBuf>,

    /// The same, from a file descriptor that is open
    #[arg(long, value_name = "NUMBER")]
    key_passphrase_fd: Option<u32>,
}

/// Where a passphrase is, and which flags say so.
#[derive(Clone, Debug)]
pub(crate) struct PassphraseSource {
    file: Option<PathBuf>,
    descriptor: Option<u32>,
    flags: &'static str,
}

impl PassphraseFlags {
    pub(crate) fn source(&self) -> PassphraseSource {
        PassphraseSource {
            file: self.passphrase_file.clone(),
            descriptor: self.passphrase_fd,
            flags: "--passphrase-file or --passphrase-fd",
        }
    }
}

impl ParentPassphraseFlags {
    pub(crate) fn source(&self) -> PassphraseSource {
        PassphraseSource {
            file: self.parent_passphrase_file.clone(),
            descriptor: self.parent_passphrase_fd,
            flags: "--parent-passphrase-file or --parent-passphrase-fd",
        }
    }
}

impl NewKeyPassphraseFlags {
    pub(crate) fn source(&self) -> PassphraseSource {
        PassphraseSource {
            file: self.key_passphrase_file.clone(),
            descriptor: self.key_passphrase_fd,
            flags: "--key-passphrase-file or --key-passphrase-fd",
        }
    }
}

impl PassphraseSource {
    /// Opens the key of a CA; a person gets three tries.
    ///
    /// # Errors
    /// The key cannot be read, no passphrase can be had, or it is wrong.
    pub(crate) fn open_key(&self, path: &Path, ca: &str) -> Result<CaKey> {
        match CaKey::load(path, None) {
            Err(CaError::Key(KeyError::PassphraseMissing { path: _ })) => {}
            loaded => return Ok(warned(loaded?)),
        }
        if let Some(passphrase) = self.given(ca)? {
            return Ok(warned(CaKey::load(path, Some(&passphrase))?));
        }
        if !io::stdin().is_terminal() {
            bail!(
                "{}: the key of CA {ca} is encrypted: give {}, or a systemd credential {}",
                path.display(),
                self.flags,
                credential_name(ca)
            );
        }
        for tries_left in (0..TRIES).rev() {
            let passphrase = asked(&format!("Passphrase of CA {ca}: "))?;
            match CaKey::load(path, Some(&Passphrase::from_bytes(passphrase))) {
                Err(CaError::Key(KeyError::PassphraseWrong { path: _ })) if tries_left > 0 => {
                    let _ = writeln!(anstream::stderr(), "It does not open the key.");
                }
                Err(CaError::Key(KeyError::PassphraseWrong { path: _ })) => {}
                loaded => return Ok(warned(loaded?)),
            }
        }
        bail!(
            "{}: {TRIES} wrong passphrases for the key of CA {ca}; nothing was done",
            path.display()
        )
    }

    /// The passphrase for a key of a CA that is to be made; None: a person wants none, or nobody can be asked.
    ///
    /// # Errors
    /// What is named cannot be read; three times two different ones were typed.
    pub(crate) fn for_new_ca(&self, ca: &str) -> Result<Option<Passphrase>> {
        if let Some(passphrase) = self.given(ca)? {
            return Ok(Some(passphrase));
        }
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        for _ in 0..TRIES {
            let first = asked(&format!("New passphrase for CA {ca} (empty: none): "))?;
            if first.is_empty() {
                return Ok(None);
            }
            if *first == *asked("The same again: ")? {
                return Ok(Some(Passphrase::from_bytes(first)));
            }
            let _ = writeln!(anstream::stderr(), "These are two different ones.");
        }
        bail!("no passphrase was typed twice the same; nothing was done")
    }

    /// The passphrase that flags name; None: no flag does.
    ///
    /// # Errors
    /// What is named cannot be read.
    pub(crate) fn by_flags(&self) -> Result<Option<Passphrase>> {
        match (&self.file, self.descriptor) {
            (Some(path), _) => Ok(Some(Passphrase::from_file(path)?)),
            (None, Some(descriptor)) => from_descriptor(descriptor, self.flags)
                .map(Some)
                .with_context(|| format!("no passphrase from file descriptor {descriptor}")),
            (None, None) => Ok(None),
        }
    }

    /// By flags, or as a credential of systemd.
    fn given(&self, ca: &str) -> Result<Option<Passphrase>> {
        if let Some(passphrase) = self.by_flags()? {
            return Ok(Some(passphrase));
        }
        let credential = env::var_os("CREDENTIALS_DIRECTORY")
            .map(|directory| Path::new(&directory).join(credential_name(ca)))
            .filter(|path| path.exists());
        match credential {
            Some(path) => Ok(Some(Passphrase::from_file(&path)?)),
            None => Ok(None),
        }
    }
}

/// Says what is worth saying of the file of a key.
fn warned(key: CaKey) -> CaKey {
    for warning in key.signer().warnings() {
        say(&format!("warning: {warning}"));
    }
    key
}

/// As in `LoadCredentialEncrypted=root.passphrase:…`.
fn credential_name(ca: &str) -> String {
    format!("{ca}.passphrase")
}

/// Without an echo.
fn asked(question: &str) -> Result<Zeroizing<Vec<u8>>> {
    rpassword::prompt_password(question)
        .map(|typed| Zeroizing::new(typed.into_bytes()))
        .map_err(|error| anyhow!("the passphrase cannot be read from the terminal: {error}"))
}

/// The first line of what comes from there: read once and kept, since a pipe gives it once, and several CAs may need it.
/// Where other flags name the same pipe, they get the line after it.
fn from_descriptor(descriptor: u32, flags: &'static str) -> Result<Passphrase> {
    let mut read = READ.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(passphrase) = read.get(&(descriptor, flags)) {
        return Ok(passphrase.clone());
    }
    // Another opening of what is open: a pipe, a file or a terminal.
    let file = File::open(format!("/proc/self/fd/{descriptor}"))?;
    let passphrase = Passphrase::from_line(file)?;
    let passphrase = passphrase.ok_or_else(|| anyhow!("its first line is empty"))?;
    read.insert((descriptor, flags), passphrase.clone());
    Ok(passphrase)
}

/// What came from descriptors, and for which flags, until the process ends.
static READ: Mutex<BTreeMap<(u32, &str), Passphrase>> = Mutex::new(BTreeMap::new());

/// How often a person may mistype it.
const TRIES: usize = 3;
