//! `[ledger]`: where the certificate ledger is.  From: `raw`.  To: `checked`, and the commands of the CA, which need nothing
//! else of a configuration and often may not read the keys that `serve` signs with.

use std::path::{Path, PathBuf};

use ocspry_ledger::LedgerPlace;
use toml::Spanned;

use super::checked::Checker;
use super::diagnostics::{Problem, Problems};
use super::error::ConfigError;
use super::raw::RawLedger;
use super::{ConfigOrigin, Environment, Reading};

/// The ledger that issuers are fed from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LedgerConfig {
    /// Where it is.
    pub(crate) place: LedgerPlace,
    /// Where its CAs put their CRLs, each as `NAME.crl`.
    pub(crate) published: PathBuf,
    /// Where managed responders put their requests, each as `NAME.csr`.
    pub(crate) responder_requests: Option<PathBuf>,
}

/// What a configuration file says about the ledger, or the environment over it; None where they say nothing.
///
/// # Errors
/// The file cannot be read, is no configuration, or names a ledger that cannot be one; or the environment says no key.
pub(crate) fn ledger_of(
    path: &Path,
    environment: &Environment,
) -> Result<Option<LedgerPlace>, Problems> {
    let origin = ConfigOrigin::of_file(path);
    let Reading { text, read } = origin.read(environment)?;
    let place = read.and_then(|typed| {
        let ledger = typed.raw.ledger.as_ref();
        let place = ledger.map(|ledger| file_of(ledger, origin.base()).map(LedgerPlace::Sqlite));
        place.transpose().map_err(|problem| vec![problem])
    });
    place.map_err(|problems| Problems { text, problems })
}

/// Nothing is opened: a ledger that is not there today is no mistake in the configuration.
fn file_of(ledger: &Spanned<RawLedger>, base: &Path) -> Result<PathBuf, Problem> {
    let Some(url) = &ledger.get_ref().url else {
        let missing = ConfigError::MissingKey {
            table: "`ledger`".to_owned(),
            key: "url",
            example: "url = \"sqlite:/var/lib/ocspry/ledger.db\"",
        };
        return Err(Problem::at(ledger.span(), missing));
    };
    match LedgerPlace::from_text(url.get_ref()) {
        Ok(LedgerPlace::Sqlite(path)) if path.as_os_str().is_empty() => Err(Problem::at(
            url.span(),
            ConfigError::EmptyPath { key: "url" },
        )),
        Ok(LedgerPlace::Sqlite(path)) => Ok(base.join(path)),
        Err(error) => Err(Problem::at(url.span(), error.into())),
    }
}

impl Checker<'_> {
    pub(super) fn ledger(&mut self, raw: Spanned<RawLedger>) -> Option<LedgerConfig> {
        let path = match file_of(&raw, self.base) {
            Ok(path) => path,
            Err(Problem { place, error }) => {
                self.problem(place, error);
                return None;
            }
        };
        let RawLedger {
            url: _,
            published,
            responder_requests,
        } = raw.into_inner();
        let published = match published {
            Some(published) => self.path("published", published)?,
            None => published_beside(&path),
        };
        let responder_requests = match responder_requests {
            Some(requests) => Some(self.path("responder-requests", requests)?),
            None => None,
        };
        Some(LedgerConfig {
            place: LedgerPlace::Sqlite(path),
            published,
            responder_requests,
        })
    }
}

/// Where the CAs of a ledger put their CRLs, unless told otherwise.
pub(crate) fn published_beside(ledger: &Path) -> PathBuf {
    ledger.with_file_name("published")
}
