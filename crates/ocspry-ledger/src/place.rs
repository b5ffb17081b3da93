//! Where a ledger is.  From: `--ledger`, `OCSPRY_LEDGER`, or the configuration.  To: whoever opens it.

use std::fmt;
use std::path::PathBuf;

use crate::LedgerError;

/// Where a ledger is, and in what kind of database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerPlace {
    /// A SQLite file.
    Sqlite(PathBuf),
}

impl LedgerPlace {
    /// From text: `sqlite:/path/to/ledger.db`, or the path alone.
    ///
    /// # Errors
    /// `UnknownPlace` for another kind of database.
    pub fn from_text(text: &str) -> Result<LedgerPlace, LedgerError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(LedgerPlace::Sqlite(PathBuf::from(path)));
        }
        match text.split_once("://") {
            // A password may stand behind the scheme.
            Some((scheme, _)) => Err(LedgerError::UnknownPlace {
                url: format!("{scheme}://"),
            }),
            None => Ok(LedgerPlace::Sqlite(PathBuf::from(text))),
        }
    }
}

impl fmt::Display for LedgerPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LedgerPlace::Sqlite(path) = self;
        write!(f, "sqlite:{}", path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_a_url_and_another_kind_of_database_is_refused_without_its_password() {
        for text in ["/a/b.db", "sqlite:/a/b.db", "sqlite:///a/b.db"] {
            let place = LedgerPlace::from_text(text).unwrap();
            assert_eq!(
                place,
                LedgerPlace::Sqlite(PathBuf::from("/a/b.db")),
                "{text}"
            );
        }
        let error = LedgerPlace::from_text("postgres://user:secret@host/db").unwrap_err();
        assert!(error.to_string().contains("postgres://"));
        assert!(!error.to_string().contains("secret"));
    }
}
