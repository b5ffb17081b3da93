//! `status = [...]`: where an issuer's facts come from.  From: `raw`.  To: `checked`.
//!
//! Each entry names one source by its kind; what else may stand beside it depends on the kind.

use std::path::PathBuf;
use std::time::Duration;

use ocspry_core::OwnedCertificate;
use ocspry_ledger::IssuerName;
use ocspry_source::fetch::CrlUrl;
use ocspry_source::{FreshestCrl, Guard, IssuedRole, IssuedSource, Lag, ListSource, StatusSource};
use toml::Spanned;

use super::checked::Checker;
use super::diagnostics::Place;
use super::duration::DurationBounds;
use super::error::{ConfigError, FileRole};
use super::raw::RawStatus;
use crate::certificate_file::CertificateFile;

/// One source, and where it is named.
#[derive(Clone, Debug)]
pub(crate) struct SourceConfig {
    /// Where it is named.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) source: StatusSource,
}

impl SourceConfig {
    /// The file or directory to be watched, if it is one.
    pub(crate) fn path(&self) -> Option<&PathBuf> {
        match &self.source {
            StatusSource::Lists(ListSource::File(path) | ListSource::Directory(path))
            | StatusSource::Overlay(path) => Some(path),
            StatusSource::Issued(issued) => Some(&issued.path),
            StatusSource::Lists(ListSource::Url(_)) | StatusSource::Ledger(_) => None,
        }
    }

    /// The URL it is fetched at, if it is.
    pub(crate) fn url(&self) -> Option<&CrlUrl> {
        match &self.source {
            StatusSource::Lists(ListSource::Url(url)) => Some(url),
            StatusSource::Lists(ListSource::File(_) | ListSource::Directory(_))
            | StatusSource::Issued(_)
            | StatusSource::Overlay(_)
            | StatusSource::Ledger(_) => None,
        }
    }

    /// As the operator named it.
    pub(crate) fn name(&self) -> String {
        match &self.source {
            StatusSource::Lists(ListSource::Url(url)) => url.to_string(),
            StatusSource::Ledger(name) => name.clone(),
            StatusSource::Lists(ListSource::File(_) | ListSource::Directory(_))
            | StatusSource::Issued(_)
            | StatusSource::Overlay(_) => self
                .path()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
        }
    }

    /// It is a CA of the ledger.
    pub(crate) fn is_ledger(&self) -> bool {
        matches!(self.source, StatusSource::Ledger(_))
    }

    /// The name of its CA in the ledger, if it is one of those.
    pub(crate) fn name_in_ledger(&self) -> Option<&str> {
        match &self.source {
            StatusSource::Ledger(name) => Some(name),
            StatusSource::Lists(_) | StatusSource::Issued(_) | StatusSource::Overlay(_) => None,
        }
    }

    /// The key that names it.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.source {
            StatusSource::Lists(ListSource::File(_)) => "crl",
            StatusSource::Lists(ListSource::Directory(_)) => "crl-dir",
            StatusSource::Lists(ListSource::Url(_)) => "crl-url",
            StatusSource::Issued(_) => "issued",
            StatusSource::Overlay(_) => "overlay",
            StatusSource::Ledger(_) => "ledger",
        }
    }
}

impl Checker<'_> {
    /// At least one source, and one among them that says what is revoked.
    pub(super) fn status(
        &mut self,
        status: Spanned<Vec<Spanned<RawStatus>>>,
    ) -> Option<Vec<SourceConfig>> {
        let place = status.span();
        let raw = status.into_inner();
        let count = raw.len();
        let sources: Vec<SourceConfig> = raw
            .into_iter()
            .filter_map(|source| self.source(source))
            .collect();
        let mut of_ledger = sources.iter().filter(|source| source.is_ledger());
        if let (Some(_), Some(second)) = (of_ledger.next(), of_ledger.next()) {
            self.problem(second.place.clone(), ConfigError::TwoLedgers);
        }
        let says_what_is_revoked = sources
            .iter()
            .any(|source| !matches!(source.source, StatusSource::Overlay(_)));
        if sources.len() == count && !says_what_is_revoked {
            let has_overlay = count > 0;
            self.problem(place, ConfigError::NoSource { has_overlay });
        }
        // Where one is wrong, that is said, and there is no issuer.
        (sources.len() == count && says_what_is_revoked).then_some(sources)
    }

    fn source(&mut self, raw: Spanned<RawStatus>) -> Option<SourceConfig> {
        let place = raw.span();
        let RawStatus {
            crl,
            crl_dir,
            crl_url,
            issued,
            overlay,
            ledger,
            allow_private_redirects,
            role,
            max_age,
            lag,
        } = raw.into_inner();
        let kinds = [
            ("crl", crl.is_some()),
            ("crl-dir", crl_dir.is_some()),
            ("crl-url", crl_url.is_some()),
            ("issued", issued.is_some()),
            ("overlay", overlay.is_some()),
            ("ledger", ledger.is_some()),
        ];
        let mut named = kinds
            .iter()
            .filter(|(_, is_named)| *is_named)
            .map(|(kind, _)| *kind);
        let Some(kind) = named.next() else {
            self.problem(place, ConfigError::SourceWithoutKind);
            return None;
        };
        if let Some(other) = named.next() {
            self.problem(place, ConfigError::TwoKinds { one: kind, other });
            return None;
        }
        let mut only_beside = |owner: &'static str, key: &'static str, span: Option<Place>| {
            if let Some(span) = span.filter(|_| kind != owner) {
                self.problem(span, ConfigError::KeyOfAnotherKind { key, owner, kind });
            }
        };
        only_beside(
            "crl-url",
            "allow-private-redirects",
            allow_private_redirects.as_ref().map(Spanned::span),
        );
        only_beside("issued", "role", role.as_ref().map(Spanned::span));
        only_beside("issued", "max-age", max_age.as_ref().map(Spanned::span));
        only_beside("issued", "lag", lag.as_ref().map(Spanned::span));

        let source = if let Some(path) = crl {
            StatusSource::Lists(ListSource::File(self.list_path("crl", path)?))
        } else if let Some(path) = crl_dir {
            StatusSource::Lists(ListSource::Directory(self.list_path("crl-dir", path)?))
        } else if let Some(text) = crl_url {
            let allows_private = allow_private_redirects.is_some_and(Spanned::into_inner);
            StatusSource::Lists(ListSource::Url(self.url(&text, allows_private)?))
        } else if let Some(path) = issued {
            let max_age = max_age.and_then(|text| self.duration("max-age", &text, MAX_AGE_BOUNDS));
            let max_age = max_age.unwrap_or(MAX_AGE_DEFAULT).as_secs();
            StatusSource::Issued(IssuedSource {
                path: self.path("issued", path)?,
                role: self.choice(
                    "role",
                    role.as_ref(),
                    IssuedRole::WORDS,
                    IssuedRole::default(),
                ),
                max_age_seconds: i64::try_from(max_age).unwrap_or(i64::MAX),
                lag: self.choice("lag", lag.as_ref(), Lag::WORDS, Lag::default()),
            })
        } else if let Some(path) = overlay {
            StatusSource::Overlay(self.path("overlay", path)?)
        } else {
            StatusSource::Ledger(self.name_in_ledger(ledger?)?)
        };
        Some(SourceConfig { place, source })
    }

    /// A file or directory of lists, and not the URL that the list is published at.
    fn list_path(&mut self, key: &'static str, path: Spanned<PathBuf>) -> Option<PathBuf> {
        let text = path.get_ref().to_string_lossy();
        if ["http://", "https://"]
            .iter()
            .any(|scheme| text.starts_with(scheme))
        {
            let text = text.into_owned();
            self.problem(path.span(), ConfigError::UrlAsPath { key, text });
            return None;
        }
        self.path(key, path)
    }

    /// A CA of the ledger, which `[ledger]` has to name.
    fn name_in_ledger(&mut self, name: Spanned<String>) -> Option<String> {
        let place = name.span();
        let name = name.into_inner();
        if IssuerName::new(&name).is_err() {
            self.problem(place, ConfigError::LedgerName { name });
            return None;
        }
        if !self.has_ledger {
            self.problem(place, ConfigError::NoLedger);
            return None;
        }
        Some(name)
    }

    fn url(&mut self, text: &Spanned<String>, allows_private: bool) -> Option<CrlUrl> {
        match CrlUrl::parse(text.get_ref()) {
            Ok(url) if allows_private => Some(url.allowing_private()),
            Ok(url) => Some(url),
            Err(error) => {
                self.problem(text.span(), ConfigError::CrlUrl(error));
                None
            }
        }
    }

    /// The certificates whose keys may sign the issuer's lists besides its own.
    pub(super) fn crl_issuers(
        &mut self,
        paths: Option<Spanned<Vec<Spanned<PathBuf>>>>,
    ) -> Vec<OwnedCertificate> {
        let mut certificates = Vec::new();
        let Some(paths) = paths else {
            return certificates;
        };
        if paths.get_ref().is_empty() {
            self.problem(paths.span(), ConfigError::EmptyList { key: "crl-issuer" });
        }
        for path in paths.into_inner() {
            let place = path.span();
            let Some(path) = self.path("crl-issuer", path) else {
                continue;
            };
            self.follow(&path);
            match CertificateFile::read(&path) {
                Ok(file) => certificates.push(file.certificate),
                Err(source) => self.problem(
                    place,
                    ConfigError::Certificate {
                        role: FileRole::CrlIssuer,
                        source,
                    },
                ),
            }
        }
        certificates
    }

    /// What is done with a list from which much has vanished.
    pub(super) fn guard(&mut self, guard: Option<&Spanned<String>>) -> Guard {
        self.choice("guard", guard, Guard::WORDS, Guard::default())
    }

    /// Whether the deltas that lists name are fetched.
    pub(super) fn freshest_crl(&mut self, choice: Option<&Spanned<String>>) -> FreshestCrl {
        let default = FreshestCrl::default();
        self.choice("freshest-crl", choice, FreshestCrl::WORDS, default)
    }
}

/// A list of what was issued is as old as a day's export.
const MAX_AGE_DEFAULT: Duration = Duration::from_secs(86_400);

pub(super) const MAX_AGE_BOUNDS: DurationBounds = DurationBounds {
    min: Duration::from_secs(60),
    max: Duration::from_secs(366 * 86_400),
    min_text: "1m",
    max_text: "366d",
};
