//! What the commands print for people and programs, and certificates that they write.  To: standard output, where nobody
//! may be reading, and files.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Result, bail};
use ocspry_ca::{FileAccess, write_file};
use serde_json::Value;

/// Prints a text.
pub(crate) fn print(text: &str) {
    let _ = write!(io::stdout(), "{text}");
}

/// Prints a value as JSON.
pub(crate) fn print_json(value: &Value) {
    let _ = writeln!(io::stdout(), "{value:#}");
}

/// Says something beside the output.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr(), "{text}");
}

/// Writes a certificate, PEM or DER, in place of one that is there.
///
/// # Errors
/// The file holds a private key, or cannot be written.
pub(crate) fn write_certificate(path: &Path, octets: &[u8]) -> Result<()> {
    refuse_key_file(path)?;
    Ok(write_file(path, octets, FileAccess::Public)?)
}

/// Before anything is made: a key and a certificate go to two files.
///
/// # Errors
/// Both have one path.
pub(crate) fn refuse_one_file(key: Option<&Path>, certificate: Option<&Path>) -> Result<()> {
    if key.is_some() && key == certificate {
        bail!("--key and --out name one file: the certificate needs a file of its own");
    }
    Ok(())
}

/// A certificate would take the place of the key beside it.
///
/// # Errors
/// The file holds a private key.
pub(crate) fn refuse_key_file(path: &Path) -> Result<()> {
    let holds_key = fs::read(path).is_ok_and(|content| {
        content
            .windows(PRIVATE_KEY.len())
            .any(|part| part == PRIVATE_KEY)
    });
    if holds_key {
        bail!(
            "{} holds a private key, which is never overwritten: the certificate needs a file of its own",
            path.display()
        );
    }
    Ok(())
}

/// In the first line of every private key in PEM.
const PRIVATE_KEY: &[u8] = b"PRIVATE KEY-----";
