//! `responder`: who signs an issuer's answers.  From: `raw`.  To: `checked`, and `credentials`, which reads or makes the keys.

use std::path::{Path, PathBuf};

use toml::Spanned;

use super::checked::Checker;
use super::error::ConfigError;
use super::passphrase::PassphraseSource;
use super::raw::RawResponder;

/// Who signs an issuer's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResponderConfig {
    /// A delegate (or the issuer's own certificate, given like one).
    Delegated {
        certificate: PathBuf,
        key: PathBuf,
        passphrase: Option<PassphraseSource>,
    },
    /// The CA itself.
    Issuer {
        key: PathBuf,
        passphrase: Option<PassphraseSource>,
    },
}

impl ResponderConfig {
    /// The files it is made from.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let (certificate, key, passphrase) = match self {
            ResponderConfig::Delegated {
                certificate,
                key,
                passphrase,
            } => (Some(certificate), key, passphrase),
            ResponderConfig::Issuer { key, passphrase } => (None, key, passphrase),
        };
        let passphrase = passphrase.as_ref().and_then(PassphraseSource::path);
        certificate
            .into_iter()
            .chain([key])
            .map(PathBuf::as_path)
            .chain(passphrase)
            .collect()
    }
}

impl Checker<'_> {
    pub(super) fn responder(&mut self, raw: Spanned<RawResponder>) -> Option<ResponderConfig> {
        let place = raw.span();
        let RawResponder {
            certificate,
            key,
            ca_key,
            passphrase_file,
            managed,
            held_passphrase,
        } = raw.into_inner();
        if managed.is_some() {
            self.not_available("managed", managed.as_ref());
            return None;
        }
        let passphrase = passphrase_file
            .and_then(|path| self.path("passphrase-file", path))
            .map(PassphraseSource::File)
            .or(held_passphrase.map(PassphraseSource::Held));
        let missing = |key, example| ConfigError::MissingKey {
            table: "`responder`".to_owned(),
            key,
            example,
        };
        match (certificate, key, ca_key) {
            (Some(certificate), Some(key), None) => {
                let certificate = self.path("certificate", certificate);
                let key = self.path("key", key);
                Some(ResponderConfig::Delegated {
                    certificate: certificate?,
                    key: key?,
                    passphrase,
                })
            }
            (None, None, Some(ca_key)) => {
                let key = self.path("ca-key", ca_key)?;
                Some(ResponderConfig::Issuer { key, passphrase })
            }
            (Some(_), _, Some(ca_key)) => {
                self.problem(
                    ca_key.span(),
                    ConfigError::Conflict {
                        one: "certificate",
                        other: "ca-key",
                    },
                );
                None
            }
            (None, Some(_), Some(ca_key)) => {
                self.problem(
                    ca_key.span(),
                    ConfigError::Conflict {
                        one: "key",
                        other: "ca-key",
                    },
                );
                None
            }
            (Some(_), None, None) => {
                self.problem(place, missing("key", "key = \"ocsp.key\""));
                None
            }
            (None, _, None) => {
                self.problem(place, missing("certificate", "certificate = \"ocsp.pem\""));
                None
            }
        }
    }
}
