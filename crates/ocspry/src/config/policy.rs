//! The keys of an issuer that are choices: text to [`Policy`].  From: `raw`.  To: `checked`.
//!
//! One table of words for each key: it reads the file, and it says what may stand there when something else does.

use std::path::PathBuf;
use std::time::Duration;

use ocspry_core::{
    AbsentPolicy, ArchiveCutoff, CERT_IDS_LIMIT, CertIdHashes, CertificatesPolicy,
    NeverIssuedPolicy, NonceOverBudget, NoncePolicy, OwnedCertificate, Policy, ResponderIdPolicy,
    SignatureHash, UnablePolicy, UnknownIssuerPolicy, crypto,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::HashAlgorithm;
use ocspry_wire::x509::certificate::display_name;
use toml::Spanned;

use super::checked::Checker;
use super::duration::DurationBounds;
use super::error::{ConfigError, ConfigWarning, FileRole};
use super::raw::RawIssuer;
use crate::certificate_file::CertificateFile;

impl Checker<'_> {
    /// The choices of one issuer; what was not typed is as [`Policy::DEFAULT`] has it.
    pub(super) fn policy(&mut self, name: &str, raw: &RawIssuer) -> Policy {
        let RawIssuer {
            certificate: _,
            also_named_in: _,
            status: _,
            crl_issuer: _,
            guard: _,
            freshest_crl: _,
            responder: _,
            validity,
            window_max,
            stale_until,
            nonce,
            unable,
            nonce_over_budget,
            unknown_issuer,
            absent,
            never_issued,
            responder_id,
            embedded_certificates,
            cert_ids_max,
            cert_id_hashes,
            archive_cutoff,
            signature_hash_min,
            certificate_position: _,
            enclosed: _,
        } = raw;
        let default = Policy::DEFAULT;
        let unable = self.choice(
            "unable",
            unable.as_ref(),
            UnablePolicy::WORDS,
            default.unable,
        );
        let as_unable = match unable {
            UnablePolicy::TryLater => NonceOverBudget::TryLater,
            UnablePolicy::Http503 => NonceOverBudget::Http503,
        };
        Policy {
            validity: validity
                .as_ref()
                .and_then(|text| self.duration("validity", text, VALIDITY_BOUNDS)),
            window_max: window_max
                .as_ref()
                .and_then(|text| self.duration("window-max", text, WINDOW_BOUNDS)),
            stale_until: stale_until
                .as_ref()
                .and_then(|text| self.stale_until(name, text)),
            nonce: self.choice("nonce", nonce.as_ref(), NoncePolicy::WORDS, default.nonce),
            unable,
            nonce_over_budget: self.choice(
                "nonce-over-budget",
                nonce_over_budget.as_ref(),
                NonceOverBudget::WORDS,
                as_unable,
            ),
            unknown_issuer: self.choice(
                "unknown-issuer",
                unknown_issuer.as_ref(),
                UnknownIssuerPolicy::WORDS,
                default.unknown_issuer,
            ),
            absent: self.choice(
                "absent",
                absent.as_ref(),
                AbsentPolicy::WORDS,
                default.absent,
            ),
            never_issued: self.choice(
                "never-issued",
                never_issued.as_ref(),
                NeverIssuedPolicy::WORDS,
                default.never_issued,
            ),
            responder_id: self.choice(
                "responder-id",
                responder_id.as_ref(),
                ResponderIdPolicy::WORDS,
                default.responder_id,
            ),
            certificates: self.choice(
                "embedded-certificates",
                embedded_certificates.as_ref(),
                CertificatesPolicy::WORDS,
                default.certificates,
            ),
            cert_ids_max: self.cert_ids_max(cert_ids_max.as_ref(), default.cert_ids_max),
            cert_id_hashes: self.cert_id_hashes(cert_id_hashes.as_ref(), default.cert_id_hashes),
            archive_cutoff: self.archive_cutoff(archive_cutoff.as_ref(), default.archive_cutoff),
            signature_hash_min: self.choice(
                "signature-hash-min",
                signature_hash_min.as_ref(),
                SignatureHash::WORDS,
                default.signature_hash_min,
            ),
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        value: Option<&Spanned<String>>,
        choices: &[(&'static str, T)],
        default: T,
    ) -> T {
        let Some(value) = value else { return default };
        let text = value.get_ref();
        if let Some((_, chosen)) = choices.iter().find(|(word, _)| word == text) {
            return *chosen;
        }
        let error = ConfigError::Choice {
            key,
            text: text.clone(),
            known: choices.iter().map(|(word, _)| *word).collect(),
        };
        self.problem(value.span(), error);
        default
    }

    /// Break-glass, for a few days at the most: whoever needs longer says so again.
    fn stale_until(&mut self, issuer: &str, text: &Spanned<String>) -> Option<Time> {
        let key = "stale-until";
        let Some(until) = parse_time(text.get_ref()) else {
            let text_again = text.get_ref().clone();
            let error = ConfigError::Time {
                key,
                text: text_again,
            };
            self.problem(text.span(), error);
            return None;
        };
        let latest = self.now.plus_seconds(STALE_UNTIL_SECONDS_MAX);
        if until > latest {
            self.problem(text.span(), ConfigError::TimeTooLate { key, latest });
            return None;
        }
        let issuer = issuer.to_owned();
        if until <= self.now {
            self.warning(ConfigWarning::StaleUntilPast { issuer, until });
            return None;
        }
        self.warning(ConfigWarning::StaleUntil { issuer, until });
        Some(until)
    }

    fn cert_ids_max(&mut self, value: Option<&Spanned<i64>>, default: usize) -> usize {
        let Some(value) = value else { return default };
        match usize::try_from(*value.get_ref()) {
            Ok(count @ 1..=CERT_IDS_LIMIT) => count,
            Ok(_) | Err(_) => {
                let error = ConfigError::Range {
                    key: "cert-ids-max",
                    min: 1,
                    max: CERT_IDS_LIMIT,
                };
                self.problem(value.span(), error);
                default
            }
        }
    }

    fn cert_id_hashes(
        &mut self,
        value: Option<&Spanned<Vec<Spanned<String>>>>,
        default: CertIdHashes,
    ) -> CertIdHashes {
        let Some(value) = value else { return default };
        if value.get_ref().is_empty() {
            let error = ConfigError::EmptyList {
                key: "cert-id-hashes",
            };
            self.problem(value.span(), error);
            return default;
        }
        let hashes: Vec<HashAlgorithm> = value
            .get_ref()
            .iter()
            .map(|word| {
                let any = HashAlgorithm::Sha1;
                self.choice("cert-id-hashes", Some(word), CertIdHashes::WORDS, any)
            })
            .collect();
        CertIdHashes::only(&hashes)
    }

    fn archive_cutoff(
        &mut self,
        value: Option<&Spanned<String>>,
        default: ArchiveCutoff,
    ) -> ArchiveCutoff {
        match value {
            Some(text)
                if text
                    .get_ref()
                    .starts_with(|first: char| first.is_ascii_digit()) =>
            {
                self.duration("archive-cutoff", text, ARCHIVE_BOUNDS)
                    .map_or(default, ArchiveCutoff::Retention)
            }
            value => self.choice("archive-cutoff", value, ARCHIVE_CUTOFF, default),
        }
    }

    /// The names by which the CA stands in these certificates of its own making.
    pub(super) fn other_names(
        &mut self,
        paths: Option<Spanned<Vec<Spanned<PathBuf>>>>,
        ca: Option<&OwnedCertificate>,
    ) -> Vec<Vec<u8>> {
        let mut names = Vec::new();
        for path in paths.map(Spanned::into_inner).unwrap_or_default() {
            let place = path.span();
            let Some(path) = self.path("also-named-in", path) else {
                continue;
            };
            self.follow(&path);
            let role = FileRole::IssuedCertificate;
            match (CertificateFile::read(&path), ca) {
                (Err(source), _) => {
                    self.problem(place, ConfigError::Certificate { role, source });
                }
                (Ok(file), Some(ca)) => {
                    let (view, ca) = (file.certificate.view(), ca.view());
                    let verified = crypto::verify(
                        view.signature_algorithm,
                        &ca.public_key,
                        view.tbs,
                        view.signature,
                    );
                    match verified {
                        // Texts without their string types.  A renamed CA is two issuers (CID-17).
                        Ok(()) if display_name(view.issuer) != display_name(ca.subject) => {
                            let (issuer, ca) =
                                (display_name(view.issuer), display_name(ca.subject));
                            self.problem(place, ConfigError::OtherName { path, issuer, ca });
                        }
                        Ok(()) => names.push(view.issuer.to_vec()),
                        Err(_) => {
                            let subject = display_name(view.subject);
                            self.problem(place, ConfigError::NotIssuedHere { path, subject });
                        }
                    }
                }
                // What is wrong with the CA's own certificate has been said.
                (Ok(_), None) => {}
            }
        }
        names
    }
}

/// How far ahead `stale-until` may be: a CA that is late for longer needs another answer than ours.
const STALE_UNTIL_SECONDS_MAX: i64 = 7 * 86_400;

/// RFC 3339 in UTC and whole seconds: `2026-12-01T12:00:00Z`.
pub(crate) fn parse_time(text: &str) -> Option<Time> {
    let is_shaped = text.len() == 20
        && text.char_indices().all(|(place, letter)| match place {
            4 | 7 => letter == '-',
            10 => letter == 'T',
            13 | 16 => letter == ':',
            19 => letter == 'Z',
            _ => letter.is_ascii_digit(),
        });
    let compact: String = text
        .chars()
        .filter(|letter| letter.is_ascii_digit() || *letter == 'Z')
        .collect();
    is_shaped.then(|| Time::from_generalized(compact.as_bytes()))?
}

/// Besides these, a duration.
pub(super) const ARCHIVE_CUTOFF: &[(&str, ArchiveCutoff)] = &[
    ("none", ArchiveCutoff::None),
    ("issuer", ArchiveCutoff::IssuerNotBefore),
];

/// Shorter answers would be over before a slow client has read them; ten years is longer than any list.
pub(super) const VALIDITY_BOUNDS: DurationBounds = DurationBounds {
    min: Duration::from_secs(60),
    max: Duration::from_secs(3650 * 86_400),
    min_text: "1m",
    max_text: "3650d",
};
/// Lists live for hours at the least: a shorter window would be over before the next list comes.
pub(super) const WINDOW_BOUNDS: DurationBounds = DurationBounds {
    min: Duration::from_secs(3_600),
    max: Duration::from_secs(3650 * 86_400),
    min_text: "1h",
    max_text: "3650d",
};
/// As long as archives are kept.
pub(super) const ARCHIVE_BOUNDS: DurationBounds = DurationBounds {
    min: Duration::from_secs(86_400),
    max: Duration::from_secs(36_500 * 86_400),
    min_text: "1d",
    max_text: "36500d",
};
