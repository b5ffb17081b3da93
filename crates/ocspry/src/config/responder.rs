//! `responder`: who signs an issuer's answers.  From: `raw`.  To: `checked`, and `credentials`, which reads or makes the keys.

use std::path::{Path, PathBuf};

use ocspry_ledger::LedgerPlace;
use toml::Spanned;

use super::checked::Checker;
use super::diagnostics::Place;
use super::error::ConfigError;
use super::passphrase::PassphraseSource;
use super::raw::RawResponder;
use super::status::SourceConfig;

/// Who signs an issuer's answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResponderConfig {
    /// Files that the operator names.
    Files(ResponderFiles),
    /// A delegate whose key is made here, and whose certificate comes by the ledger.
    Managed(ManagedConfig),
}

/// The files of who signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ResponderFiles {
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

/// A responder that gets its certificates by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManagedConfig {
    /// The ledger that its certificates are in.
    pub(crate) ledger: LedgerPlace,
    /// The name of its CA there.
    pub(crate) ca: String,
    /// Where it asks for them.
    pub(crate) requests: PathBuf,
}

impl ResponderConfig {
    /// The files it is made from, where others write them.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        match self {
            ResponderConfig::Files(files) => files.paths(),
            ResponderConfig::Managed(_) => Vec::new(),
        }
    }
}

impl ResponderFiles {
    /// All of them.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        let (certificate, key, passphrase) = match self {
            ResponderFiles::Delegated {
                certificate,
                key,
                passphrase,
            } => (Some(certificate), key, passphrase),
            ResponderFiles::Issuer { key, passphrase } => (None, key, passphrase),
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
    /// `sources` are those of the same issuer, as far as they are right.
    pub(super) fn responder(
        &mut self,
        raw: Spanned<RawResponder>,
        sources: &[SourceConfig],
    ) -> Option<ResponderConfig> {
        let place = raw.span();
        let RawResponder {
            certificate,
            key,
            ca_key,
            passphrase_file,
            managed,
            held_passphrase,
        } = raw.into_inner();
        if let Some(managed) = managed.filter(|managed| *managed.get_ref()) {
            let others = [
                ("certificate", certificate.map(|value| value.span())),
                ("key", key.map(|value| value.span())),
                ("ca-key", ca_key.map(|value| value.span())),
                ("passphrase-file", passphrase_file.map(|value| value.span())),
            ];
            let other = |(other, place): (_, Option<Place>)| Some((other, place?));
            if let Some((other, place)) = others.into_iter().find_map(other) {
                let one = "managed";
                self.problem(place, ConfigError::Conflict { one, other });
                return None;
            }
            return self.managed(managed.span(), sources);
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
                Some(ResponderConfig::Files(ResponderFiles::Delegated {
                    certificate: certificate?,
                    key: key?,
                    passphrase,
                }))
            }
            (None, None, Some(ca_key)) => {
                let key = self.path("ca-key", ca_key)?;
                Some(ResponderConfig::Files(ResponderFiles::Issuer {
                    key,
                    passphrase,
                }))
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

    /// What is managed belongs to a CA of the ledger.
    fn managed(&mut self, place: Place, sources: &[SourceConfig]) -> Option<ResponderConfig> {
        let Some(ca) = sources.iter().find_map(SourceConfig::name_in_ledger) else {
            self.problem(place, ConfigError::ManagedWithoutLedger);
            return None;
        };
        // A ledger that is missing or wrong is complained about elsewhere.
        let ledger = self.ledger.clone()?;
        let Some(requests) = ledger.responder_requests else {
            let missing = ConfigError::MissingKey {
                table: "`ledger`".to_owned(),
                key: "responder-requests",
                example: "responder-requests = \"/var/lib/ocspry-requests\"",
            };
            self.problem(place, missing);
            return None;
        };
        Some(ResponderConfig::Managed(ManagedConfig {
            ledger: ledger.place,
            ca: ca.to_owned(),
            // Another user is told of it, in another directory.
            requests: std::path::absolute(&requests).unwrap_or(requests),
        }))
    }
}
