//! What can be wrong with a configuration, and what is only worth saying.
//!
//! Each variant carries the facts; its message names what and where, [`ConfigError::help`] what to do.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ocspry_core::IssuerError;
use ocspry_ledger::LedgerError;
use ocspry_source::fetch::CrlUrlError;
use ocspry_wire::Time;

use crate::certificate_file::CertificateFileError;
use crate::time_text::utc;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    ConfigUnreadable { path: PathBuf, source: io::Error },
    /// The file is not text.
    #[error("{} is not UTF-8 text (octet {offset})", path.display())]
    NotUtf8 { path: PathBuf, offset: usize },
    /// Not TOML.
    #[error("{message}")]
    Toml { message: String },
    /// Another format.
    #[error("version {found} of the configuration is not known to this program")]
    Version { found: i64 },
    /// A key nobody reads.
    #[error("unknown key `{key}`")]
    UnknownKey {
        key: String,
        known: Vec<String>,
        suggestion: Option<String>,
    },
    /// A variable of the environment that says no key.
    #[error("unknown variable `{name}`")]
    UnknownVariable {
        name: String,
        suggestion: Option<String>,
    },
    /// A variable of the environment that says a key of two issuers.
    #[error("`{name}` is a key of issuer `{one}` and of issuer `{other}`")]
    TwoIssuersMeant {
        name: String,
        one: String,
        other: String,
    },
    /// A variable of the environment that is no text.
    #[error("the environment variable `{name}` is not UTF-8 text")]
    VariableNotUtf8 { name: String },
    /// A value of another type.
    #[error("this key takes {expected}, not {found}")]
    WrongType { found: String, expected: String },
    /// A key that must be there.
    #[error("{table} has no `{key}`")]
    MissingKey {
        table: String,
        key: &'static str,
        example: &'static str,
    },
    /// Two keys that exclude each other.
    #[error("`{one}` and `{other}` cannot both be given")]
    Conflict {
        one: &'static str,
        other: &'static str,
    },
    /// An empty path.
    #[error("the path of `{key}` is empty")]
    EmptyPath { key: &'static str },
    /// Nothing that says what is revoked.
    #[error("`status` names no source that says which certificates are revoked")]
    NoSource { has_overlay: bool },
    /// A source that names nothing.
    #[error(
        "this source has none of `crl`, `crl-dir`, `crl-url`, `issued`, `overlay` and `ledger`"
    )]
    SourceWithoutKind,
    /// Two sources in one.
    #[error("this source has both `{one}` and `{other}`")]
    TwoKinds {
        one: &'static str,
        other: &'static str,
    },
    /// A key that another kind of source has.
    #[error("`{key}` belongs beside `{owner}`, not beside `{kind}`")]
    KeyOfAnotherKind {
        key: &'static str,
        owner: &'static str,
        kind: &'static str,
    },
    /// A CA of the ledger, and no ledger.
    #[error("this source is a CA of the ledger, and there is no `[ledger]`")]
    NoLedger,
    /// An issuer is one CA.
    #[error("an issuer is one CA of the ledger, and this is its second")]
    TwoLedgers,
    /// A managed responder of a CA that is in no ledger.
    #[error("`managed` needs a CA of the ledger, and `status` names none")]
    ManagedWithoutLedger,
    /// No CA of a ledger is named so.
    #[error("`{name}` cannot be the name of a CA in a ledger")]
    LedgerName { name: String },
    /// A URL where a path belongs.
    #[error("`{key}` is the path of a file, and `{text}` is a URL")]
    UrlAsPath { key: &'static str, text: String },
    /// A URL that cannot be fetched.
    #[error(transparent)]
    CrlUrl(CrlUrlError),
    /// Not a span of time.
    #[error("`{text}` is not a duration")]
    Duration { text: String },
    /// Not a moment.
    #[error("`{text}` is not a time that `{key}` takes")]
    Time { key: &'static str, text: String },
    /// A moment too far ahead.
    #[error("`{key}` may be at most 7 days ahead")]
    TimeTooLate { key: &'static str, latest: Time },
    /// Not the place of a ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A span of time out of bounds.
    #[error("`{key}` must be between {min} and {max}")]
    DurationRange {
        key: &'static str,
        min: &'static str,
        max: &'static str,
    },
    /// None of the words that a key takes.
    #[error("`{key}` cannot be `{text}`")]
    Choice {
        key: &'static str,
        text: String,
        known: Vec<&'static str>,
    },
    /// No share of the requests.
    #[error("`sample` cannot be `{text}`")]
    Sample { text: String },
    /// A number out of bounds.
    #[error("`{key}` must be between {min} and {max}")]
    Range {
        key: &'static str,
        min: usize,
        max: usize,
    },
    /// A list that names nothing.
    #[error("`{key}` lists nothing")]
    EmptyList { key: &'static str },
    /// A certificate that the CA did not sign.
    #[error("the certificate {subject} in {} was not signed by this CA's key", path.display())]
    NotIssuedHere { path: PathBuf, subject: String },
    /// A certificate that the CA signed under another name.
    #[error("the certificate in {} names its issuer {issuer}, not {ca}", path.display())]
    OtherName {
        path: PathBuf,
        issuer: String,
        ca: String,
    },
    /// Two issuers that would answer for CAs that nobody knows.
    #[error("`unknown-issuer` is `unknown` here and in issuer `{other}`")]
    TwoForUnknown { other: String },
    /// Not an address.
    #[error("`{text}` is not an address with a port")]
    Address {
        text: String,
        suggestion: Option<String>,
    },
    /// A host name that leads nowhere.
    #[error("the host of `{text}` cannot be resolved: {source}")]
    HostUnresolved { text: String, source: io::Error },
    /// The same address twice.
    #[error("`{text}` is listed twice")]
    DoubledAddress { text: String },
    /// All addresses of a port, and one of them.
    #[error("`{text}` and `{other}` take the same port of the same address")]
    AddressesOverlap { text: String, other: SocketAddr },
    /// The admin listener where OCSP is.
    #[error("`{text}` is an address of `ocsp`, and cannot be that of `admin` too")]
    AdminOnOcsp { text: String },
    /// An admin listener for more than this machine that nobody asked for.
    #[error(
        "`admin` is {address}, which others can reach: it is plain HTTP without a password, and shows names, paths and state of all issuers"
    )]
    AdminExposed { address: SocketAddr },
    /// Two kinds of lines in one file.
    #[error("`{key}` and `{other}` are one file, {}", path.display())]
    OneFile {
        key: &'static str,
        other: &'static str,
        path: PathBuf,
    },
    /// No address of a proxy.
    #[error("`{text}` is neither an address nor a network")]
    Trusted { text: String },
    /// A base path of endpoints that is none.
    #[error("`{text}` is not a path below which issuers can have endpoints")]
    EndpointPath { text: String },
    /// Two base paths of endpoints, one within the other.
    #[error("the endpoints below `{text}` overlap those below `{other}`")]
    EndpointPathsOverlap { text: String, other: String },
    /// An empty list of addresses.
    #[error("`ocsp` lists no address")]
    NoAddress,
    /// No `[issuer.NAME]`.
    #[error("no issuer is configured")]
    NoIssuer,
    /// An issuer's name that cannot stand in a URL.
    #[error("`{name}` cannot be an issuer's name")]
    IssuerName { name: String },
    /// Two issuers of one name and key.
    #[error("issuer `{name}` is the same CA as issuer `{other}`: {subject}")]
    SameIssuer {
        name: String,
        other: String,
        subject: String,
    },
    /// Issuers that core refuses.
    #[error(transparent)]
    Issuers(#[from] IssuerError),
    /// A certificate file that cannot be used.
    #[error("{role} {source}")]
    Certificate {
        role: FileRole,
        source: CertificateFileError,
    },
    /// Two flags name the same CA.
    #[error("{} and {} are the same CA: {subject}", first.display(), second.display())]
    DoubledCa {
        first: PathBuf,
        second: PathBuf,
        subject: String,
    },
    /// A file that belongs to none of the others.
    #[error("{role} {} belongs to none of {candidates}: {why}", path.display())]
    Unmatched {
        role: FileRole,
        path: PathBuf,
        candidates: String,
        why: String,
    },
    /// Two files for one place.
    #[error("{role}s {} and {} are both for {owner}", first.display(), second.display())]
    Doubled {
        role: FileRole,
        first: PathBuf,
        second: PathBuf,
        owner: String,
    },
    /// A CA without a file that it needs.
    #[error("no {role} for {owner}")]
    Lacking { role: FileRole, owner: String },
    /// A CA that could sign in two ways.
    #[error("both a CA key ({}) and a responder certificate ({}) for {owner}", ca_key.display(), certificate.display())]
    TwoSigners {
        ca_key: PathBuf,
        certificate: PathBuf,
        owner: String,
    },
}

impl ConfigError {
    /// The file that was not there, if that is what is wrong.
    pub(crate) fn missing_file(&self) -> Option<&Path> {
        let ConfigError::Certificate {
            role: _,
            source: CertificateFileError::Unreadable { path, source },
        } = self
        else {
            return None;
        };
        (source.kind() == io::ErrorKind::NotFound).then_some(path.as_path())
    }

    /// What to do about it.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            ConfigError::ConfigUnreadable { path: _, source: _ } => {
                Some("check the path and its permissions".to_owned())
            }
            ConfigError::NotUtf8 { path: _, offset: _ } => Some("save the file as UTF-8".to_owned()),
            ConfigError::Toml { message } if message == "duplicate key" => {
                Some("each key stands once in its table, and each issuer has a name of its own".to_owned())
            }
            ConfigError::Toml { message: _ }
            | ConfigError::WrongType { found: _, expected: _ }
            | ConfigError::SameIssuer { name: _, other: _, subject: _ }
            | ConfigError::Issuers(_)
            | ConfigError::DoubledAddress { text: _ } => None,
            ConfigError::Version { found: _ } => Some("write `version = 1`".to_owned()),
            ConfigError::UnknownKey { key: _, known, suggestion } => suggestion
                .clone()
                .or_else(|| Some(format!("known here: {}", known.join(", ")))),
            ConfigError::UnknownVariable { name: _, suggestion } => Some(match suggestion {
                Some(name) => format!("did you mean `{name}`?"),
                None => "it is OCSPRY__ and a key in capitals, `__` between tables: `ocspry config explain` lists them".to_owned(),
            }),
            ConfigError::TwoIssuersMeant { name: _, one: _, other: _ } => {
                Some("give one of them another name, or write the key in the file".to_owned())
            }
            ConfigError::VariableNotUtf8 { name: _ } => Some("give the value in UTF-8, or in the file".to_owned()),
            ConfigError::MissingKey { table: _, key: _, example } => Some(format!("add `{example}`")),
            ConfigError::Conflict { one: "managed", other: _ } => Some(
                "`serve` makes the key of a managed responder itself, and `ocspry ca tick` signs its certificate: keep one of them".to_owned(),
            ),
            ConfigError::Conflict { one: _, other: _ } => Some(
                "a delegate signs with `certificate` and `key`, the CA itself with `ca-key`".to_owned(),
            ),
            ConfigError::EmptyPath { key: _ } => Some("give the path of a file".to_owned()),
            ConfigError::NoSource { has_overlay: true } => Some(
                "an overlay only adds to what the CA says: name the CA's list too, as `{ crl = \"FILE\" }`".to_owned(),
            ),
            ConfigError::NoSource { has_overlay: false } | ConfigError::SourceWithoutKind => {
                Some("write `status = [{ crl = \"FILE\" }]`".to_owned())
            }
            ConfigError::TwoKinds { one: _, other: _ } => {
                Some("give each its own braces: `status = [{ … }, { … }]`".to_owned())
            }
            ConfigError::KeyOfAnotherKind { key, owner: _, kind } => Some(
                match (*key, *kind) {
                    ("max-age", "crl" | "crl-dir" | "crl-url") => {
                        "remove it; a CRL is as fresh as its own nextUpdate says"
                    }
                    (_, _) => "remove it",
                }
                .to_owned(),
            ),
            ConfigError::NoLedger => {
                Some("add `[ledger]` with `url = \"sqlite:/var/lib/ocspry/ledger.db\"`".to_owned())
            }
            ConfigError::ManagedWithoutLedger => {
                Some("write `status = [{ ledger = \"NAME\" }]`, or give `certificate` and `key`".to_owned())
            }
            ConfigError::TwoLedgers => Some("give the other CA an `[issuer.NAME]` of its own".to_owned()),
            ConfigError::LedgerName { name: _ } => Some("it is 1 to 64 letters, digits, `-`, `_` or `.`".to_owned()),
            ConfigError::UrlAsPath { key: _, text } => Some(format!("write `crl-url = \"{text}\"`")),
            ConfigError::CrlUrl(CrlUrlError::NotAUrl { text, problem: _ }) => {
                // "//" is in every URL that somebody mistyped.
                (!text.contains("//")).then(|| format!("for a file, write `crl = \"{text}\"`"))
            }
            ConfigError::CrlUrl(_) => None,
            ConfigError::Duration { text: _ } => {
                Some("write a whole number and a unit: 30s, 5m, 12h or 7d".to_owned())
            }
            ConfigError::Time { key: _, text: _ } => {
                Some("write it in UTC and whole seconds, as \"2026-12-01T12:00:00Z\"".to_owned())
            }
            ConfigError::TimeTooLate { key: _, latest } => {
                Some(format!("the latest that is allowed now is \"{latest}\""))
            }
            ConfigError::DurationRange { key: _, min: _, max: _ } | ConfigError::Ledger(_) => None,
            ConfigError::Choice { key: _, text, known } => {
                Some(match closest(text, known.iter().copied()) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None => format!("it is {}", one_of(known)),
                })
            }
            ConfigError::Sample { text: _ } => {
                Some("write one request in so many, as \"1/1000\"; \"1/1\" is all of them".to_owned())
            }
            ConfigError::Range { key: _, min: _, max: _ } => None,
            ConfigError::EmptyList { key: _ } => {
                Some("name at least one, or leave the key out".to_owned())
            }
            ConfigError::NotIssuedHere { path: _, subject: _ } => Some(
                "name certificates that this CA issued and that spell its name in another way".to_owned(),
            ),
            ConfigError::OtherName { path: _, issuer: _, ca: _ } => Some(
                "only another spelling of the same name belongs here; a CA of another name is an issuer of its own"
                    .to_owned(),
            ),
            ConfigError::TwoForUnknown { other: _ } => Some("leave it to one of them".to_owned()),
            ConfigError::Address { text: _, suggestion } => Some(match suggestion {
                Some(suggestion) => format!("write `{suggestion}`"),
                None => "write it like `127.0.0.1:8888` or `[::]:80`".to_owned(),
            }),
            ConfigError::HostUnresolved { text: _, source: _ } => {
                Some("give a numeric address such as 127.0.0.1 or ::".to_owned())
            }
            ConfigError::AddressesOverlap { text: _, other: _ } => {
                Some("keep the one that stands for all addresses, or those that are meant".to_owned())
            }
            ConfigError::AdminOnOcsp { text: _ } => {
                Some("give the admin listener another port, as `127.0.0.1:9560`".to_owned())
            }
            ConfigError::AdminExposed { address: _ } => Some(
                "give it an address of this machine, as `127.0.0.1:9560`; or, where a firewall decides who reaches it, write `admin-exposed = true` under `[listen]` (--admin-exposed)".to_owned(),
            ),
            ConfigError::OneFile { key: _, other: _, path: _ } => {
                Some("give each a file of its own".to_owned())
            }
            ConfigError::Trusted { text: _ } => Some(
                "write an address, or a network like `10.0.0.0/8` or `2001:db8::/64`".to_owned(),
            ),
            ConfigError::EndpointPath { text: _ } => Some(
                "write it like `/ocsp/`: slashes, letters, digits, `-`, `_`, `.` and `~`".to_owned(),
            ),
            ConfigError::EndpointPathsOverlap { text: _, other: _ } => {
                Some("keep one of them, or paths of which none begins with the other".to_owned())
            }
            ConfigError::NoAddress => Some("write `ocsp = [\"127.0.0.1:8888\"]`, or leave the key out".to_owned()),
            ConfigError::NoIssuer => Some(
                "add `[issuer.NAME]` with `certificate`, `status` and `responder`".to_owned(),
            ),
            ConfigError::IssuerName { name: _ } => {
                Some("use 1 to 64 letters, digits, `-`, `_` or `.`, beginning with a letter or digit".to_owned())
            }
            ConfigError::Certificate { role: _, source } => source.help().map(str::to_owned),
            ConfigError::DoubledCa { first: _, second: _, subject: _ } => Some("give each CA once".to_owned()),
            ConfigError::Unmatched { role, path: _, candidates: _, why: _ } => Some(
                match role {
                    FileRole::Crl => "give the CA's certificate with --ca, or leave the CRL out",
                    FileRole::ResponderCertificate => {
                        "give the certificate of the CA that issued it with --ca, or leave it out"
                    }
                    FileRole::ResponderKey => "give its certificate with --ocsp-cert, or leave the key out",
                    FileRole::CaKey => "give the CA's certificate with --ca, or leave the key out",
                    FileRole::CaCertificate
                    | FileRole::IssuedCertificate
                    | FileRole::CrlIssuer
                    | FileRole::OtherCertificate
                    | FileRole::PassphraseFile => "leave it out",
                }
                .to_owned(),
            ),
            ConfigError::Doubled { role: _, first: _, second: _, owner: _ } => Some("keep one of them".to_owned()),
            ConfigError::Lacking { role, owner: _ } => Some(
                match role {
                    FileRole::Crl => "add its list with --crl FILE",
                    FileRole::ResponderCertificate => {
                        "add --ocsp-cert and --ocsp-key (a delegate of this CA), or --ca-key (the CA signs itself)"
                    }
                    FileRole::ResponderKey => "add --ocsp-key FILE",
                    FileRole::CaKey => "add --ca-key FILE",
                    FileRole::CaCertificate
                    | FileRole::IssuedCertificate
                    | FileRole::CrlIssuer
                    | FileRole::OtherCertificate => "add --ca FILE",
                    FileRole::PassphraseFile => "add --ocsp-key-passphrase-file FILE",
                }
                .to_owned(),
            ),
            ConfigError::TwoSigners { ca_key: _, certificate: _, owner: _ } => Some(
                "keep --ocsp-cert with --ocsp-key (better: the CA's key can stay elsewhere), or --ca-key".to_owned(),
            ),
        }
    }
}

/// `a`, `b` or `c`.
fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        Some((last, _)) => last.clone(),
        None => String::new(),
    }
}

/// What a file is for, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileRole {
    /// `certificate` of an issuer, `--ca`.
    CaCertificate,
    /// `also-named-in`.
    IssuedCertificate,
    /// `crl-issuer`.
    CrlIssuer,
    /// `-rother` of `ocspry ocsp`.
    OtherCertificate,
    /// `crl`, `--crl`.
    Crl,
    /// `certificate` of a responder, `--ocsp-cert`.
    ResponderCertificate,
    /// `key` of a responder, `--ocsp-key`.
    ResponderKey,
    /// `ca-key`, `--ca-key`.
    CaKey,
    /// `passphrase-file`, `--ocsp-key-passphrase-file`.
    PassphraseFile,
}

impl fmt::Display for FileRole {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            FileRole::CaCertificate => "CA certificate",
            FileRole::IssuedCertificate => "certificate",
            FileRole::CrlIssuer => "CRL issuer certificate",
            FileRole::OtherCertificate => "certificate",
            FileRole::Crl => "CRL",
            FileRole::ResponderCertificate => "responder certificate",
            FileRole::ResponderKey => "responder key",
            FileRole::CaKey => "CA key",
            FileRole::PassphraseFile => "passphrase file",
        })
    }
}

/// What is not refused, but worth saying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ConfigWarning {
    /// A file with several certificates.
    MoreCertificates {
        path: PathBuf,
        used: String,
        ignored_count: usize,
    },
    /// A CA that is none by its own certificate.
    NotACa { path: PathBuf, subject: String },
    /// A CA certificate that clients may refuse.
    Sha1Signed { path: PathBuf, subject: String },
    /// A CA that the responder certificate may not answer for.
    NotItsResponder {
        path: PathBuf,
        subject: String,
        responder: PathBuf,
    },
    /// A file that is to be made in a directory that is not there.
    NoDirectory {
        key: &'static str,
        directory: PathBuf,
    },
    /// An issuer that goes on when its list is over.
    StaleUntil { issuer: String, until: Time },
    /// A `stale-until` that has passed.
    StaleUntilPast { issuer: String, until: Time },
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigWarning::MoreCertificates {
                path,
                used,
                ignored_count,
            } => write!(
                formatter,
                "{}: only the first certificate ({used}) is used, {ignored_count} more ignored: give each CA in a file of its own",
                path.display()
            ),
            ConfigWarning::NotItsResponder {
                path,
                subject,
                responder,
            } => write!(
                formatter,
                "{}: {subject} did not issue the responder certificate {}, so nothing is answered for it: clients would refuse that",
                path.display(),
                responder.display()
            ),
            ConfigWarning::NotACa { path, subject } => write!(
                formatter,
                "{}: {subject} is not marked as a CA (basicConstraints cA): clients may refuse what it issued; was another certificate meant?",
                path.display()
            ),
            ConfigWarning::NoDirectory { key, directory } => write!(
                formatter,
                "{key}: the directory {} is not there: make it before `serve` starts, which makes none",
                directory.display()
            ),
            ConfigWarning::StaleUntil { issuer, until } => write!(
                formatter,
                "issuer {issuer}: stale-until is set: when its list is over, answers go on from it until {}, and say nothing of what was revoked since; remove the key when the CA's list is back",
                utc(*until)
            ),
            ConfigWarning::StaleUntilPast { issuer, until } => write!(
                formatter,
                "issuer {issuer}: stale-until was {} and has no effect any more: remove the key",
                utc(*until)
            ),
            ConfigWarning::Sha1Signed { path, subject } => write!(
                formatter,
                "{}: the CA certificate {subject} is signed with SHA-1: many clients refuse it and all it issued; have it issued again",
                path.display()
            ),
        }
    }
}

/// The known name nearest to what was typed, if it is near enough to be meant.
pub(super) fn closest<'a>(
    typed: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let folded = typed.to_lowercase().replace('_', "-");
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, name), name))
        .filter(|(distance, name)| *distance <= (name.len().max(folded.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}
