//! What may be: the one way from [`RawConfig`] to [`Config`].  From: `raw` or `flags`.  To: `assemble`.
//!
//! Values are bounded, addresses resolved, relative paths put under the file's own directory, and the CAs' certificates
//! read, since nothing can be told about an issuer without its name and key.  CRLs, keys and responder certificates are
//! left to `assemble`: one that cannot be loaded today makes its issuer answer `tryLater`, not the whole program stop.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ocspry_core::{CertificatesPolicy, OwnedCertificate, Policy, UnknownIssuerPolicy};
use ocspry_http::{EndpointPaths, TrustedPeers};
use ocspry_ledger::FollowPolicy;
use ocspry_source::{FreshestCrl, Guard, SourceLimits, Sources};
use ocspry_wire::Time;
use ocspry_wire::x509::SignatureAlgorithm;
use ocspry_wire::x509::certificate::display_name;
use toml::Spanned;

use super::diagnostics::{Place, Problem};
use super::duration::DurationBounds;
use super::error::{ConfigError, ConfigWarning, FileRole};
use super::ledger::LedgerConfig;
use super::listen::PortSharing;
use super::raw::{RawAudit, RawConfig, RawIssuer};
use super::request_log::RequestLogConfig;
use super::responder::ResponderConfig;
use super::status::SourceConfig;
use super::{Environment, STATE_VARIABLE};
use crate::certificate_file::CertificateFile;
use crate::file_stamp::FileStamps;
use crate::log_output::LogFormat;

/// A configuration that holds together.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where to listen; at least one.
    pub(crate) listen: Vec<SocketAddr>,
    /// Where the admin listener is, if there is one.
    pub(crate) admin: Option<SocketAddr>,
    /// Below which paths each issuer has an endpoint.
    pub(crate) endpoint_paths: EndpointPaths,
    /// Whether another instance may listen there too.
    pub(crate) port_sharing: PortSharing,
    /// Where to keep state.
    pub(crate) state: StateChoice,
    /// Time between two checks of the files, besides the watch.
    pub(crate) check_interval: Duration,
    /// How long clients are to wait for a signature.
    pub(crate) patience: Duration,
    /// Which proxies are believed when they say who asks.
    pub(crate) trusted: TrustedPeers,
    /// Log here instead of to standard error.
    pub(crate) log_file: Option<PathBuf>,
    /// How log lines look.
    pub(crate) log_format: LogFormat,
    /// Which requests are written down, and where.
    pub(crate) request_log: Option<RequestLogConfig>,
    /// Where what happens is written down for auditors.
    pub(crate) audit_file: Option<PathBuf>,
    /// Where the operator wants the control socket.
    pub(crate) control_socket: Option<PathBuf>,
    /// The ledger, if there is one.
    pub(crate) ledger: Option<LedgerConfig>,
    /// At least one, each another CA, in the order of the configuration.
    pub(crate) issuers: Vec<IssuerConfig>,
    /// Not refused, but worth saying.
    pub(crate) warnings: Vec<ConfigWarning>,
    /// The files that all this was read from, as they were just before: the configuration, then the CAs' certificates.
    pub(crate) structure: FileStamps,
    /// SHA-256 of the file that it stands in, in hex; None where it is flags.
    pub(crate) file_sha256: Option<String>,
}

/// Where state is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateChoice {
    /// Named by the operator: it must work.
    Named(PathBuf),
    /// Found in the environment: it should work.
    Default(PathBuf),
    /// Nowhere.
    Nowhere,
}

/// One issuer.
#[derive(Clone, Debug)]
pub(crate) struct IssuerConfig {
    /// Its name in the configuration, in logs and in paths.
    pub(crate) name: String,
    /// The file of its certificate.
    pub(crate) certificate_path: PathBuf,
    /// Its certificate.
    pub(crate) certificate: OwnedCertificate,
    /// The certificates behind it in the file, where answers enclose them.
    pub(crate) chain: Vec<OwnedCertificate>,
    /// What its answers enclose beside the certificates of signer and CA.
    pub(crate) enclosed: Vec<OwnedCertificate>,
    /// Other spellings of its name (DER), as they stand in certificates that it issued.
    pub(crate) other_names: Vec<Vec<u8>>,
    /// Where the status of its certificates comes from.
    pub(crate) sources: Vec<SourceConfig>,
    /// Where they are named.
    pub(crate) status_place: Place,
    /// Certificates whose keys may sign its CRLs besides its own.
    pub(crate) crl_issuers: Vec<OwnedCertificate>,
    /// What is done with a CRL from which much has vanished.
    pub(crate) guard: Guard,
    /// Whether the deltas that lists name are fetched.
    pub(crate) freshest_crl: FreshestCrl,
    /// Who signs its answers.
    pub(crate) responder: ResponderConfig,
    /// Where the responder is named.
    pub(crate) responder_place: Place,
    /// The operator's choices.
    pub(crate) policy: Policy,
}

impl IssuerConfig {
    /// An issuer made from the one is as good as one made from the other; where they stand in the file does not matter.
    pub(crate) fn makes_the_same_as(&self, other: &IssuerConfig) -> bool {
        let IssuerConfig {
            name,
            certificate_path: _,
            certificate,
            chain,
            enclosed,
            other_names,
            sources: _,
            status_place: _,
            crl_issuers: _,
            guard: _,
            freshest_crl: _,
            responder,
            responder_place: _,
            policy,
        } = self;
        *name == other.name
            && *certificate == other.certificate
            && *chain == other.chain
            && *enclosed == other.enclosed
            && *other_names == other.other_names
            && self.status_sources() == other.status_sources()
            && *responder == other.responder
            && *policy == other.policy
    }
}

impl IssuerConfig {
    /// Where the status of its certificates comes from, whole.
    pub(crate) fn status_sources(&self) -> Sources {
        Sources {
            sources: self
                .sources
                .iter()
                .map(|source| source.source.clone())
                .collect(),
            crl_issuers: self.crl_issuers.clone(),
            guard: self.guard,
            freshest_crl: self.freshest_crl,
            limits: SourceLimits::DEFAULT,
        }
    }

    /// Those of its sources that are fetched.
    pub(crate) fn url_names(&self) -> String {
        let urls = self.sources.iter().filter_map(SourceConfig::url);
        let names: Vec<String> = urls.map(ToString::to_string).collect();
        names.join(", ")
    }

    /// The name of its CA in the ledger, if it is fed from there.
    pub(crate) fn name_in_ledger(&self) -> Option<&str> {
        self.sources.iter().find_map(SourceConfig::name_in_ledger)
    }

    /// The sources as the operator named them.
    pub(crate) fn source_names(&self) -> String {
        let names: Vec<String> = self.sources.iter().map(SourceConfig::name).collect();
        names.join(", ")
    }
}

/// Checks the files every five minutes, besides the watch.
const DEFAULT_CHECK_INTERVAL: Duration = Duration::from_secs(300);

/// Checks everything that was typed; relative paths are relative to `base`; `now` is when it was read.
///
/// # Errors
/// All problems that were found, in the order of the checks.
pub(super) fn check(
    raw: RawConfig,
    base: &Path,
    environment: &Environment,
    now: Time,
) -> Result<Config, Vec<Problem>> {
    let mut checker = Checker {
        base,
        now,
        problems: Vec::new(),
        warnings: Vec::new(),
        structure: FileStamps::default(),
        has_ledger: raw.ledger.is_some(),
        ledger: None,
    };
    if raw.version.is_none() {
        checker.problem(
            Place::default(),
            ConfigError::MissingKey {
                table: "the file".to_owned(),
                key: "version",
                example: "version = 1",
            },
        );
    }
    checker.ledger = raw.ledger.and_then(|ledger| checker.ledger(ledger));
    let listen = checker.listen(raw.listen);
    let state = match raw.state_dir {
        Some(path) => checker
            .path("state-dir", path)
            .map_or(StateChoice::Nowhere, StateChoice::Named),
        None => default_state(environment),
    };
    let check_interval = raw
        .check_interval
        .and_then(|text| checker.duration("check-interval", &text, CHECK_INTERVAL_BOUNDS));
    let place_of = |path: Option<&Spanned<PathBuf>>| path.map_or(Place::default(), Spanned::span);
    let log_place = place_of(raw.log_file.as_ref());
    let audit_file = raw
        .audit
        .as_ref()
        .and_then(|raw| raw.get_ref().file.as_ref());
    let audit_place = place_of(audit_file);
    let requests_file = raw
        .request_log
        .as_ref()
        .and_then(|raw| raw.get_ref().file.as_ref());
    let requests_place = place_of(requests_file);
    let log_file = raw.log_file.and_then(|path| checker.path("log-file", path));
    let log_format = checker.choice(
        "log-format",
        raw.log_format.as_ref(),
        LogFormat::WORDS,
        LogFormat::default(),
    );
    let request_log = raw.request_log.and_then(|log| checker.request_log(log));
    let audit_file = raw.audit.and_then(|audit| checker.audit(audit));
    let control_socket = raw
        .control_socket
        .and_then(|path| checker.path("control-socket", path));
    let requests_path = request_log.as_ref().map(|log| log.file.as_path());
    let made = [
        ("log-file", log_place, log_file.as_deref()),
        ("audit.file", audit_place, audit_file.as_deref()),
        ("request-log.file", requests_place, requests_path),
    ];
    checker.refuse_one_file_for_two(&made);
    let made = made.iter().map(|(key, _, path)| (*key, *path));
    for (key, path) in made.chain([("control-socket", control_socket.as_deref())]) {
        checker.warn_without_directory(key, path);
    }
    let mut raw_issuers: Vec<(Spanned<String>, Spanned<RawIssuer>)> =
        raw.issuer.into_iter().collect();
    raw_issuers.sort_by_key(|(name, _)| name.span().start);
    if raw_issuers.is_empty() {
        checker.problem(Place::default(), ConfigError::NoIssuer);
    }
    let issuers: Vec<(Place, IssuerConfig)> = raw_issuers
        .into_iter()
        .filter_map(|(name, issuer)| {
            let place = name.span();
            checker.issuer(name, issuer).map(|issuer| (place, issuer))
        })
        .collect();
    checker.refuse_same_issuers(&issuers);
    checker.refuse_two_for_unknown(&issuers);
    if !checker.problems.is_empty() {
        return Err(checker.problems);
    }
    Ok(Config {
        listen: listen.ocsp,
        admin: listen.admin,
        endpoint_paths: listen.endpoint_paths,
        port_sharing: listen.port_sharing,
        trusted: listen.trusted,
        patience: listen.patience,
        state,
        check_interval: check_interval.unwrap_or(DEFAULT_CHECK_INTERVAL),
        log_file,
        log_format,
        request_log,
        audit_file,
        control_socket,
        ledger: checker.ledger,
        issuers: issuers.into_iter().map(|(_, issuer)| issuer).collect(),
        warnings: checker.warnings,
        structure: checker.structure,
        file_sha256: None,
    })
}

/// Where a `serve` of this environment keeps state, if nothing else says so.
pub(crate) fn usual_state(environment: &Environment) -> StateChoice {
    let named = environment.text(STATE_VARIABLE).map(PathBuf::from);
    named.map_or_else(|| default_state(environment), StateChoice::Named)
}

/// `$STATE_DIRECTORY`, else `$XDG_STATE_HOME/ocspry`, else `$HOME/.local/state/ocspry`.
pub(super) fn default_state(environment: &Environment) -> StateChoice {
    // The XDG base directory specification: a relative path is to be ignored.
    let absolute = |path: &OsStr| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let by_systemd = environment
        .state_directory
        .as_deref()
        .and_then(|paths| paths.as_bytes().split(|octet| *octet == b':').next())
        .and_then(|path| absolute(OsStr::from_bytes(path)));
    let by_xdg = || {
        environment
            .xdg_state_home
            .as_deref()
            .and_then(absolute)
            .map(|path| path.join("ocspry"))
    };
    let by_home = || {
        environment
            .home
            .as_deref()
            .and_then(absolute)
            .map(|path| path.join(".local/state/ocspry"))
    };
    by_systemd
        .or_else(by_xdg)
        .or_else(by_home)
        .map_or(StateChoice::Nowhere, StateChoice::Default)
}

/// Collects what is wrong while the values are taken over one by one.
pub(super) struct Checker<'a> {
    pub(super) base: &'a Path,
    pub(super) now: Time,
    problems: Vec<Problem>,
    warnings: Vec<ConfigWarning>,
    structure: FileStamps,
    /// `[ledger]` is there, though perhaps wrong.
    pub(super) has_ledger: bool,
    /// The same, if it is right.
    pub(super) ledger: Option<LedgerConfig>,
}

impl Checker<'_> {
    pub(super) fn problem(&mut self, place: Place, error: ConfigError) {
        self.problems.push(Problem::at(place, error));
    }

    pub(super) fn warning(&mut self, warning: ConfigWarning) {
        self.warnings.push(warning);
    }

    /// A change of this file is a reload.
    pub(super) fn follow(&mut self, path: &Path) {
        self.structure.add(path);
    }

    pub(super) fn path(&mut self, key: &'static str, path: Spanned<PathBuf>) -> Option<PathBuf> {
        let place = path.span();
        let path = path.into_inner();
        if path.as_os_str().is_empty() {
            self.problem(place, ConfigError::EmptyPath { key });
            return None;
        }
        Some(self.base.join(path))
    }

    /// Lines of another kind in between would be damage.
    fn refuse_one_file_for_two(&mut self, made: &[(&'static str, Place, Option<&Path>)]) {
        for (position, (key, place, path)) in made.iter().enumerate() {
            let same = |(_, _, before): &&(_, Place, Option<&Path>)| before == path;
            let before = made[..position].iter().find(same);
            if let (Some(path), Some((other, _, _))) = (path, before) {
                let path = path.to_path_buf();
                self.problem(place.clone(), ConfigError::OneFile { key, other, path });
            }
        }
    }

    /// What is written is made where there is none, but not the directory that it is in.
    fn warn_without_directory(&mut self, key: &'static str, path: Option<&Path>) {
        let directory = match path.and_then(Path::parent) {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            Some(_) | None => return,
        };
        if !directory.is_dir() {
            let directory = directory.to_owned();
            self.warning(ConfigWarning::NoDirectory { key, directory });
        }
    }

    fn audit(&mut self, raw: Spanned<RawAudit>) -> Option<PathBuf> {
        let place = raw.span();
        let RawAudit { file } = raw.into_inner();
        let example = "file = \"/var/log/ocspry/audit.jsonl\"";
        self.file_of("`audit`", place, file, example)
    }

    /// The `file` of a table that is nothing without one.
    pub(super) fn file_of(
        &mut self,
        table: &str,
        place: Place,
        file: Option<Spanned<PathBuf>>,
        example: &'static str,
    ) -> Option<PathBuf> {
        let key = "file";
        let Some(file) = file else {
            let table = table.to_owned();
            let missing = ConfigError::MissingKey {
                table,
                key,
                example,
            };
            self.problem(place, missing);
            return None;
        };
        self.path(key, file)
    }

    fn issuer(&mut self, name: Spanned<String>, raw: Spanned<RawIssuer>) -> Option<IssuerConfig> {
        let place = name.span();
        let name = name.into_inner();
        if !is_issuer_name(&name) {
            self.problem(
                place.clone(),
                ConfigError::IssuerName { name: name.clone() },
            );
        }
        let raw = raw.into_inner();
        let policy = self.policy(&name, &raw);
        let RawIssuer {
            certificate,
            also_named_in,
            status,
            crl_issuer,
            guard,
            freshest_crl,
            responder,
            validity: _,
            window_max: _,
            stale_until: _,
            nonce: _,
            unable: _,
            nonce_over_budget: _,
            unknown_issuer: _,
            absent: _,
            never_issued: _,
            responder_id: _,
            embedded_certificates: _,
            cert_ids_max: _,
            cert_id_hashes: _,
            archive_cutoff: _,
            signature_hash_min: _,
            certificate_position,
            enclosed,
        } = raw;
        let missing = |key, example| ConfigError::MissingKey {
            table: format!("issuer `{name}`"),
            key,
            example,
        };

        let certificate = match certificate {
            Some(path) => {
                let place = path.span();
                self.path("certificate", path).and_then(|path| {
                    let certificates = policy.certificates;
                    self.ca_certificate(place, path, certificate_position, certificates)
                })
            }
            None => {
                self.problem(
                    place.clone(),
                    missing("certificate", "certificate = \"ca.pem\""),
                );
                None
            }
        };
        let status_place = status.as_ref().map_or(place.clone(), Spanned::span);
        let sources = match status {
            Some(status) => self.status(status),
            None => {
                self.problem(
                    place.clone(),
                    missing("status", "status = [{ crl = \"crl.pem\" }]"),
                );
                None
            }
        };
        let responder = match responder {
            Some(responder) => {
                let place = responder.span();
                let sources = sources.as_deref().unwrap_or_default();
                self.responder(responder, sources)
                    .map(|responder| (place, responder))
            }
            None => {
                self.problem(
                    place,
                    missing(
                        "responder",
                        "responder = { certificate = \"ocsp.pem\", key = \"ocsp.key\" }",
                    ),
                );
                None
            }
        };
        let ca = certificate.as_ref().map(|(_, file)| &file.certificate);
        let other_names = self.other_names(also_named_in, ca);
        let crl_issuers = self.crl_issuers(crl_issuer);
        let guard = self.guard(guard.as_ref());
        let freshest_crl = self.freshest_crl(freshest_crl.as_ref());
        let (certificate_path, file) = certificate?;
        let sources = sources?;
        let policy = with_ledger_default(policy, &sources);
        let (responder_place, responder) = responder?;
        Some(IssuerConfig {
            name,
            certificate_path,
            certificate: file.certificate,
            chain: file.others,
            enclosed,
            other_names,
            sources,
            status_place,
            crl_issuers,
            guard,
            freshest_crl,
            responder,
            responder_place,
            policy,
        })
    }

    fn ca_certificate(
        &mut self,
        place: Place,
        path: PathBuf,
        position: Option<usize>,
        certificates: CertificatesPolicy,
    ) -> Option<(PathBuf, CertificateFile)> {
        self.follow(&path);
        match CertificateFile::read(&path) {
            Ok(mut file) => {
                if let Some(position) = position {
                    file = file.only(position);
                }
                let view = file.certificate.view();
                let subject = || display_name(view.subject);
                if !view.is_ca {
                    self.warnings.push(ConfigWarning::NotACa {
                        path: path.clone(),
                        subject: subject(),
                    });
                }
                // Nobody checks the signature of a root: it is trusted because it is there.
                if view.signature_algorithm == Some(SignatureAlgorithm::RsaSha1)
                    && view.issuer != view.subject
                {
                    self.warnings.push(ConfigWarning::Sha1Signed {
                        path: path.clone(),
                        subject: subject(),
                    });
                }
                if certificates != CertificatesPolicy::Chain && !file.others.is_empty() {
                    self.warnings.push(ConfigWarning::MoreCertificates {
                        path: path.clone(),
                        used: subject(),
                        ignored_count: file.others.len(),
                    });
                    file.others.clear();
                }
                Some((path, file))
            }
            Err(source) => {
                self.problem(
                    place,
                    ConfigError::Certificate {
                        role: FileRole::CaCertificate,
                        source,
                    },
                );
                None
            }
        }
    }

    /// Only one can sign for CAs that nobody knows.
    fn refuse_two_for_unknown(&mut self, issuers: &[(Place, IssuerConfig)]) {
        let mut answering = issuers
            .iter()
            .filter(|(_, issuer)| issuer.policy.unknown_issuer == UnknownIssuerPolicy::Unknown);
        let first = answering.next();
        if let (Some((_, first)), Some((place, _))) = (first, answering.next()) {
            let other = first.name.clone();
            self.problem(place.clone(), ConfigError::TwoForUnknown { other });
        }
    }

    /// Two issuers with one name and one key could not be told apart by any request.
    fn refuse_same_issuers(&mut self, issuers: &[(Place, IssuerConfig)]) {
        let mut seen: HashMap<(&[u8], &[u8]), &str> = HashMap::new();
        for (place, issuer) in issuers {
            let view = issuer.certificate.view();
            let names = issuer.other_names.iter().map(Vec::as_slice);
            let names = std::iter::once(view.subject).chain(names);
            let other = names
                .filter_map(|name| seen.insert((name, view.public_key.key_bits), &issuer.name))
                .find(|other| *other != issuer.name);
            if let Some(other) = other {
                self.problems.push(Problem::at(
                    place.clone(),
                    ConfigError::SameIssuer {
                        name: issuer.name.clone(),
                        other: other.to_owned(),
                        subject: display_name(view.subject),
                    },
                ));
            }
        }
    }
}

/// What a ledger says has no end of its own: the answers have one (design.md §3, rule 2).
fn with_ledger_default(policy: Policy, sources: &[SourceConfig]) -> Policy {
    let is_fed = sources.iter().any(SourceConfig::is_ledger);
    let default = is_fed.then_some(FollowPolicy::DEFAULT.validity);
    Policy {
        validity: policy.validity.or(default),
        ..policy
    }
}

/// The name stands in URLs, file names and logs.
fn is_issuer_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter))
}

/// Files are looked at no more than once a second, and at least once a day.
pub(super) const CHECK_INTERVAL_BOUNDS: DurationBounds = DurationBounds {
    min: Duration::from_secs(1),
    max: Duration::from_secs(86_400),
    min_text: "1s",
    max_text: "1d",
};
