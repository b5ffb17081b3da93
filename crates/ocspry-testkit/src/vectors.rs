//! Test material that others made: pyca's `cryptography_vectors`, with NIST's PKITS in it.
//!
//! Too large to keep here.  `cargo xtask setup` installs it as a Python package beside those that tests run.  From: the
//! folder that `OCSPRY_TEST_VECTORS` names, else that package.  To: the tests of each crate that reads such files.

use crate::peer::PYTHON_ENVIRONMENT;
use std::path::{Path, PathBuf};

/// The folder of the package `cryptography_vectors`, which holds `x509/`; None = not here, said aloud, and the test is to
/// return.  Panics instead when `CI` is set.
pub fn cryptography_vectors() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let found = named
        .or_else(installed)
        .filter(|folder| folder.join("x509").is_dir());
    if found.is_none() {
        let advice = format!(
            "the test vectors of pyca/cryptography not found: run `cargo xtask setup`, or set {VARIABLE} to the folder of \
             the Python package cryptography_vectors"
        );
        assert!(std::env::var_os("CI").is_none(), "{advice}");
        eprintln!("skipped: {advice}");
    }
    found
}

/// Below lib/python3.N, whatever N is.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir(Path::new(PYTHON_ENVIRONMENT).join("lib")).ok()?;
    versions
        .filter_map(|version| {
            Some(
                version
                    .ok()?
                    .path()
                    .join("site-packages/cryptography_vectors"),
            )
        })
        .find(|folder| folder.is_dir())
}

const VARIABLE: &str = "OCSPRY_TEST_VECTORS";
