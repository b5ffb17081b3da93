//! `[ledger]`: where the book of the built-in CA is.  From: `raw`.  To: the commands of the CA, which need nothing else of a
//! configuration and often may not read the keys that `serve` signs with.

use std::path::Path;

use ocspry_ledger::LedgerPlace;
use toml::Spanned;

use super::checked::Checker;
use super::diagnostics::{ConfigText, Problem, Problems};
use super::error::ConfigError;
use super::raw::{self, RawLedger};

/// What a configuration file says about the ledger; None where it says nothing.
///
/// # Errors
/// The file cannot be read, is no configuration, or names a ledger that cannot be one.
pub(crate) fn ledger_of(path: &Path) -> Result<Option<LedgerPlace>, Problems> {
    let text = super::read_text(path)?;
    let base = path.parent().unwrap_or(Path::new(""));
    let place = raw::parse(&text).and_then(|raw| {
        raw.ledger
            .as_ref()
            .map(|ledger| place_of(ledger, base))
            .transpose()
    });
    place.map_err(|problem| Problems {
        text: Some(ConfigText {
            path: path.to_owned(),
            text,
        }),
        problems: vec![problem],
    })
}

fn place_of(ledger: &Spanned<RawLedger>, base: &Path) -> Result<LedgerPlace, Problem> {
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
        Ok(LedgerPlace::Sqlite(path)) => Ok(LedgerPlace::Sqlite(base.join(path))),
        Err(error) => Err(Problem::at(url.span(), error.into())),
    }
}

impl Checker<'_> {
    /// `serve` takes no status from it yet, but a file that the CA uses as well is not refused.
    pub(super) fn ledger(&mut self, ledger: Option<&Spanned<RawLedger>>) {
        let checked = ledger.map(|ledger| place_of(ledger, self.base)).transpose();
        if let Err(Problem { place, error }) = checked {
            self.problem(place, error);
        }
    }
}
