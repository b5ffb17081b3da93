//! The server side of `openssl ocsp`, as flags: another short way to write a configuration.  From: `cmd::ocsp`.  To:
//! `checked`, as a [`RawConfig`] like that of a file.
//!
//! Flags are spelled as OpenSSL spells them (apps/ocsp.c): one dash or two, the value behind a space or `=`.  What a
//! client can see of the answers is as its responder has it: named by subject, `unknown` for CAs and serials that nobody
//! knows, the list read when it changes.  What a client can see and differs is told in docs/reference/openssl-ocsp.md.

use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::net::UdpSocket;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ocspry_core::{CERT_IDS_LIMIT, OwnedCertificate, crypto};
use ocspry_signer::Passphrase;
use ocspry_wire::x509::certificate::display_name;
use toml::Spanned;

use super::diagnostics::Problem;
use super::error::{ConfigError, ConfigWarning, FileRole, closest};
use super::flags::{flagged, issuer_name};
use super::openssl_flag_error::OpensslFlagError;
use super::passphrase::PassphraseSource;
use super::raw::{self, RawConfig, RawIssuer, RawListen, RawResponder, RawStatus};
use crate::certificate_file::CertificateFile;

/// What `ocspry ocsp` was told.
#[derive(Clone, Debug)]
pub(crate) struct OpensslFlags {
    /// `-index`: what was issued, and what of it is revoked.
    pub(crate) index: PathBuf,
    /// `-port`: 0 takes a free one.
    pub(crate) port: u16,
    /// `-CA`: one CA or several, which share the index.
    pub(crate) ca: PathBuf,
    /// `-rsigner`.
    pub(crate) signer: PathBuf,
    /// `-rkey`; without it, the key stands in the file of `-rsigner`.
    pub(crate) key: PathBuf,
    /// `-rother`: more certificates for the answers to enclose.
    pub(crate) other: Option<PathBuf>,
    /// `-passin`.
    pub(crate) passphrase: Option<PassphraseSource>,
    /// `-ndays` and `-nmin` together.
    pub(crate) validity: Option<Duration>,
    /// `-rmd`: the word for the weakest hash to sign with.
    pub(crate) hash: Option<&'static str>,
    /// `-resp_no_certs`.
    pub(crate) encloses: Encloses,
    /// `-resp_key_id`.
    pub(crate) named_by: NamedBy,
    /// `-nrequest`: ends after so many requests.
    pub(crate) requests_max: Option<u64>,
    /// `-timeout`: how long a client may take.
    pub(crate) timeout: Option<Duration>,
    /// `-multi`: how many threads answer.
    pub(crate) workers: Option<usize>,
    /// `-text`, `-req_text`.
    pub(crate) prints_requests: bool,
    /// `-text`, `-resp_text`.
    pub(crate) prints_responses: bool,
    /// `-out`.
    pub(crate) out: Option<PathBuf>,
}

/// What answers enclose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encloses {
    /// The signer's certificate, and those of `-rother`.
    Certificates,
    /// None.
    Nothing,
}

/// How answers name their signer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NamedBy {
    /// By its subject.
    Name,
    /// By its key's hash.
    KeyHash,
}

impl OpensslFlags {
    /// Reads the words behind `ocsp`; of a flag that stands there twice the last counts, as with OpenSSL.
    ///
    /// # Errors
    /// [`OpensslFlagError`], for the first word that is wrong.
    pub(crate) fn parse(arguments: &[OsString]) -> Result<OpensslFlags, OpensslFlagError> {
        let mut words = Words::of(arguments);
        let (mut index, mut port, mut ca, mut signer, mut key) = (None, None, None, None, None);
        let (mut other, mut passphrase, mut out) = (None, None, None);
        let (mut days, mut minutes, mut hash) = (None, None, None);
        let (mut requests_max, mut timeout, mut workers) = (None, None, None);
        let (mut encloses, mut named_by) = (Encloses::Certificates, NamedBy::Name);
        let (mut prints_requests, mut prints_responses) = (false, false);
        while let Some(flag) = words.next_flag()? {
            match flag.as_str() {
                "index" => index = Some(words.path()?),
                "port" => port = Some(words.number("port", 0, u64::from(u16::MAX))?),
                "CA" => ca = Some(words.path()?),
                "rsigner" => signer = Some(words.path()?),
                "rkey" => key = Some(words.path()?),
                "rother" => other = Some(words.path()?),
                "passin" => passphrase = Some(words.value()?),
                "ndays" => days = Some(words.number("ndays", 0, DAYS_MAX)?),
                "nmin" => minutes = Some(words.number("nmin", 0, DAYS_MAX * 1440)?),
                "rmd" => hash = Some(words.hash()?),
                "rsigopt" => words.signature_option()?,
                "nrequest" => requests_max = Some(words.number("nrequest", 1, u64::MAX)?),
                "timeout" => timeout = Some(words.number("timeout", 1, TIMEOUT_SECONDS_MAX)?),
                "multi" => workers = Some(words.number("multi", 1, WORKERS_MAX)?),
                "out" => out = Some(words.path()?),
                switch => {
                    match switch {
                        "resp_no_certs" => encloses = Encloses::Nothing,
                        "resp_key_id" => named_by = NamedBy::KeyHash,
                        "text" => (prints_requests, prints_responses) = (true, true),
                        "req_text" => prints_requests = true,
                        "resp_text" => prints_responses = true,
                        // We go on in any case.
                        "ignore_err" => {}
                        "h" | "help" => return Err(OpensslFlagError::Help),
                        _ => return Err(not_ours(flag, arguments)),
                    }
                    words.nothing()?;
                }
            }
        }
        let missing = |flag| OpensslFlagError::Missing { flag };
        let signer = signer.ok_or_else(|| missing("rsigner"))?;
        let seconds = match (days, minutes) {
            (None, None) => None,
            (days, minutes) => Some(days.unwrap_or(0) * 86_400 + minutes.unwrap_or(0) * 60),
        };
        if seconds == Some(0) {
            return Err(OpensslFlagError::Number {
                flag: "nmin",
                text: "0".to_owned(),
                min: 1,
                max: DAYS_MAX * 1440,
            });
        }
        Ok(OpensslFlags {
            index: index.ok_or_else(|| missing("index"))?,
            port: u16::try_from(port.ok_or_else(|| missing("port"))?).unwrap_or(u16::MAX),
            ca: ca.ok_or_else(|| missing("CA"))?,
            key: key.unwrap_or_else(|| signer.clone()),
            signer,
            other,
            // Read last: a line that is refused anyhow takes nothing from a terminal.
            passphrase: passphrase
                .map(|source| read_passphrase(&source))
                .transpose()?,
            validity: seconds.map(Duration::from_secs),
            hash,
            encloses,
            named_by,
            requests_max,
            timeout: timeout.map(Duration::from_secs),
            workers: workers.and_then(|count| usize::try_from(count).ok()),
            prints_requests,
            prints_responses,
            out,
        })
    }

    /// Writes the same configuration as a file would, one issuer for each CA that the signer may answer for, and says
    /// which were left out.
    ///
    /// # Errors
    /// A certificate that cannot be read.
    pub(super) fn to_raw(&self) -> Result<(RawConfig, Vec<ConfigWarning>), Vec<Problem>> {
        let read = |role, path: &PathBuf| {
            CertificateFile::read(path)
                .map(|file| file.into_all().collect::<Vec<_>>())
                .map_err(|source| {
                    vec![Problem::anywhere(ConfigError::Certificate { role, source })]
                })
        };
        let cas = read(FileRole::CaCertificate, &self.ca)?;
        let signer = read(FileRole::ResponderCertificate, &self.signer)?;
        let enclosed = match &self.other {
            Some(path) => read(FileRole::OtherCertificate, path)?,
            None => Vec::new(),
        };
        let (answered, left_out) = self.answered(&cas, &signer[0]);
        let (passphrase_file, held_passphrase) = match self.passphrase.clone() {
            None => (None, None),
            Some(PassphraseSource::File(path)) => (Some(path), None),
            Some(PassphraseSource::Held(passphrase)) => (None, Some(passphrase)),
        };
        let validity = self.validity.unwrap_or(VALIDITY_DEFAULT);
        // Long enough that `validity` ends the answers, not the list.
        let max_age = (validity + MAX_AGE_BEYOND).min(MAX_AGE_MAX);
        let seconds = |time: Duration| flagged(format!("{}s", time.as_secs()));
        let mut issuer = BTreeMap::new();
        for (count, position) in answered.into_iter().enumerate() {
            let name = issuer_name(&self.ca, |name| issuer.contains_key(name));
            let raw = RawIssuer {
                certificate: Some(flagged(self.ca.clone())),
                certificate_position: Some(position),
                status: Some(flagged(vec![flagged(RawStatus {
                    issued: Some(flagged(self.index.clone())),
                    role: Some(flagged("record".to_owned())),
                    max_age: Some(seconds(max_age)),
                    ..RawStatus::default()
                })])),
                responder: Some(flagged(RawResponder {
                    certificate: Some(flagged(self.signer.clone())),
                    key: Some(flagged(self.key.clone())),
                    passphrase_file: passphrase_file.clone().map(flagged),
                    held_passphrase: held_passphrase.clone(),
                    ..RawResponder::default()
                })),
                validity: Some(seconds(validity)),
                // One of them speaks for CAs that nobody knows.
                unknown_issuer: (count == 0).then(|| flagged("unknown".to_owned())),
                responder_id: Some(flagged(
                    match self.named_by {
                        NamedBy::Name => "by-name",
                        NamedBy::KeyHash => "by-key",
                    }
                    .to_owned(),
                )),
                embedded_certificates: Some(flagged(
                    match self.encloses {
                        Encloses::Certificates => "signer",
                        Encloses::Nothing => "none",
                    }
                    .to_owned(),
                )),
                cert_ids_max: i64::try_from(CERT_IDS_LIMIT).ok().map(flagged),
                signature_hash_min: self.hash.map(|word| flagged(word.to_owned())),
                enclosed: enclosed.clone(),
                ..RawIssuer::default()
            };
            // The empty place keeps the order of the file where issuers are sorted by place.
            issuer.insert(Spanned::new(count..count, name), flagged(raw));
        }
        let raw = RawConfig {
            version: Some(flagged(raw::VERSION)),
            listen: Some(flagged(RawListen {
                ocsp: Some(flagged(vec![flagged(format!(
                    "{}:{}",
                    any_host(),
                    self.port
                ))])),
                ..RawListen::default()
            })),
            issuer,
            ..RawConfig::default()
        };
        Ok((raw, left_out))
    }

    /// The files whose change is a reload, beside those that are followed anyhow.
    pub(super) fn structure(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.ca].into_iter().chain(&self.other)
    }

    /// The CAs that the signer may answer for, by their position; if there is none all of them, since then the reasons
    /// are told when its certificate is loaded.
    fn answered(
        &self,
        cas: &[OwnedCertificate],
        signer: &OwnedCertificate,
    ) -> (Vec<usize>, Vec<ConfigWarning>) {
        let is_first = |position: &usize| {
            let view = cas[*position].view();
            !cas[..*position].iter().any(|before| {
                let before = before.view();
                before.subject == view.subject
                    && before.public_key.key_bits == view.public_key.key_bits
            })
        };
        let distinct: Vec<usize> = (0..cas.len()).filter(is_first).collect();
        let (answered, left_out): (Vec<usize>, Vec<usize>) = distinct
            .iter()
            .partition(|position| may_answer_for(signer, &cas[**position]));
        if answered.is_empty() {
            return (distinct, Vec::new());
        }
        let warning = |position: usize| ConfigWarning::NotItsResponder {
            path: self.ca.clone(),
            subject: display_name(cas[position].view().subject),
            responder: self.signer.clone(),
        };
        (answered, left_out.into_iter().map(warning).collect())
    }
}

/// Is it the CA itself, or did the CA's key sign it?
fn may_answer_for(signer: &OwnedCertificate, ca: &OwnedCertificate) -> bool {
    let (signer, ca) = (signer.view(), ca.view());
    let is_itself =
        signer.subject == ca.subject && signer.public_key.key_bits == ca.public_key.key_bits;
    is_itself || crypto::is_signed_by(&signer, &ca)
}

/// Every address of this machine; IPv4 alone where the kernel has no IPv6.
fn any_host() -> &'static str {
    if UdpSocket::bind("[::]:0").is_ok() {
        "[::]"
    } else {
        "0.0.0.0"
    }
}

/// By the words of openssl-passphrase-options(1).
fn read_passphrase(source: &OsStr) -> Result<PassphraseSource, OpensslFlagError> {
    let octets = source.as_bytes();
    let behind = |prefix: &str| {
        octets
            .strip_prefix(prefix.as_bytes())
            .map(OsStr::from_bytes)
    };
    if behind("pass:").is_some() {
        return Err(OpensslFlagError::PassphraseInSight);
    }
    if let Some(path) = behind("file:") {
        return Ok(PassphraseSource::File(path.into()));
    }
    let (place, line) = if octets == b"stdin" {
        (
            "standard input".to_owned(),
            Passphrase::from_line(io::stdin()),
        )
    } else if let Some(number) = behind("fd:").and_then(OsStr::to_str)
        && !number.is_empty()
        && number.bytes().all(|digit| digit.is_ascii_digit())
    {
        let opened = File::open(format!("/dev/fd/{number}"));
        let line = opened.and_then(Passphrase::from_line);
        (format!("descriptor {number}"), line)
    } else if let Some(name) = behind("env:") {
        let value = env::var_os(name).unwrap_or_default();
        let line = Passphrase::from_line(value.as_bytes());
        (format!("the variable {}", name.display()), line)
    } else {
        return Err(OpensslFlagError::PassphraseSource);
    };
    match line {
        Ok(Some(passphrase)) => Ok(PassphraseSource::Held(Arc::new(passphrase))),
        Ok(None) => Err(OpensslFlagError::PassphraseEmpty { place }),
        Err(source) => Err(OpensslFlagError::PassphraseUnreadable { place, source }),
    }
}
/// The words of a command line, flag by flag.
struct Words<'a> {
    rest: std::slice::Iter<'a, OsString>,
    flag: String,
    /// The value behind `=`.
    attached: Option<OsString>,
}

impl Words<'_> {
    fn of(arguments: &[OsString]) -> Words<'_> {
        Words {
            rest: arguments.iter(),
            flag: String::new(),
            attached: None,
        }
    }

    /// The name of the next flag, without its dashes.
    fn next_flag(&mut self) -> Result<Option<String>, OpensslFlagError> {
        let Some(word) = self.rest.next() else {
            return Ok(None);
        };
        let octets = word.as_bytes();
        let Some(name) = octets
            .strip_prefix(b"--")
            .or_else(|| octets.strip_prefix(b"-"))
            .filter(|name| !name.is_empty())
        else {
            let word = word.to_string_lossy().into_owned();
            return Err(OpensslFlagError::Stray { word });
        };
        let mut parts = name.splitn(2, |octet| *octet == b'=');
        self.flag = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
        self.attached = parts.next().map(|value| OsString::from_vec(value.to_vec()));
        Ok(Some(self.flag.clone()))
    }

    fn value(&mut self) -> Result<OsString, OpensslFlagError> {
        let value = self.attached.take().or_else(|| self.rest.next().cloned());
        value.ok_or_else(|| OpensslFlagError::NoValue {
            flag: self.flag.clone(),
        })
    }

    fn nothing(&mut self) -> Result<(), OpensslFlagError> {
        match self.attached.take() {
            None => Ok(()),
            Some(_) => Err(OpensslFlagError::StrayValue {
                flag: self.flag.clone(),
            }),
        }
    }

    fn path(&mut self) -> Result<PathBuf, OpensslFlagError> {
        self.value().map(PathBuf::from)
    }

    fn number(&mut self, flag: &'static str, min: u64, max: u64) -> Result<u64, OpensslFlagError> {
        let text = self.value()?.to_string_lossy().into_owned();
        match text.parse() {
            Ok(number) if (min..=max).contains(&number) => Ok(number),
            Ok(_) | Err(_) => Err(OpensslFlagError::Number {
                flag,
                text,
                min,
                max,
            }),
        }
    }

    /// `sha256`, `SHA-256`, `SHA2-256`.
    fn hash(&mut self) -> Result<&'static str, OpensslFlagError> {
        let text = self.value()?.to_string_lossy().into_owned();
        let plain = text.to_lowercase().replace("sha2-", "sha").replace('-', "");
        ["sha256", "sha384", "sha512"]
            .into_iter()
            .find(|word| *word == plain)
            .ok_or(OpensslFlagError::Hash { text })
    }

    /// Only what says what we do anyhow.
    fn signature_option(&mut self) -> Result<(), OpensslFlagError> {
        let text = self.value()?.to_string_lossy().into_owned();
        match text.as_str() {
            "rsa_padding_mode:pkcs1" => Ok(()),
            _ => Err(OpensslFlagError::SignatureOption { text }),
        }
    }
}

/// What a flag is that the responder does not have.
fn not_ours(flag: String, arguments: &[OsString]) -> OpensslFlagError {
    let refused = |why| OpensslFlagError::Refused {
        flag: flag.clone(),
        why,
    };
    match flag.as_str() {
        "badsig" => refused("no signature leaves here that is wrong"),
        "rcid" => refused("the CertID in an answer is the one that was asked for"),
        "provider" | "provider-path" | "propquery" => {
            refused("keys are used without OpenSSL's providers")
        }
        name if CLIENT_FLAGS.contains(&name) || CERT_ID_HASHES.contains(&name) => {
            let has_index = arguments
                .iter()
                .any(|word| ["-index", "--index"].iter().any(|flag| word == flag));
            OpensslFlagError::Client { flag, has_index }
        }
        name => {
            let known = SERVER_FLAGS.iter().copied();
            let suggestion = closest(name, known).map(str::to_owned);
            OpensslFlagError::Unknown { flag, suggestion }
        }
    }
}

/// Ten years.
const DAYS_MAX: u64 = 3650;
/// A day.
const TIMEOUT_SECONDS_MAX: u64 = 86_400;
/// More threads than any machine has use for.
const WORKERS_MAX: u64 = 256;
/// How long answers live without -ndays and -nmin: as from any other record.
const VALIDITY_DEFAULT: Duration = Duration::from_secs(12 * 3600);
/// An index that did not change is said to be of now once a minute.
const MAX_AGE_BEYOND: Duration = Duration::from_secs(120);
/// As `max-age` has it.
const MAX_AGE_MAX: Duration = Duration::from_secs(366 * 86_400);

/// Those that are read.
const SERVER_FLAGS: &[&str] = &[
    "CA",
    "help",
    "ignore_err",
    "index",
    "multi",
    "ndays",
    "nmin",
    "nrequest",
    "out",
    "passin",
    "port",
    "req_text",
    "resp_key_id",
    "resp_no_certs",
    "resp_text",
    "rkey",
    "rmd",
    "rother",
    "rsigner",
    "rsigopt",
    "text",
    "timeout",
];

/// Those of the client, of its check of the answer, and of files with whole messages.
const CLIENT_FLAGS: &[&str] = &[
    "CAfile",
    "CApath",
    "CAstore",
    "VAfile",
    "allow_proxy_certs",
    "attime",
    "auth_level",
    "cert",
    "check_ss_sig",
    "crl_check",
    "crl_check_all",
    "explicit_policy",
    "extended_crl",
    "header",
    "host",
    "ignore_critical",
    "inhibit_any",
    "inhibit_map",
    "issuer",
    "issuer_checks",
    "no-CAfile",
    "no-CApath",
    "no-CAstore",
    "no_alt_chains",
    "no_cert_checks",
    "no_cert_verify",
    "no_certs",
    "no_chain",
    "no_check_time",
    "no_explicit",
    "no_intern",
    "no_nonce",
    "no_proxy",
    "no_signature_verify",
    "nonce",
    "noverify",
    "partial_chain",
    "path",
    "policy",
    "policy_check",
    "policy_print",
    "proxy",
    "purpose",
    "reqin",
    "reqout",
    "respin",
    "respout",
    "serial",
    "sign_other",
    "signer",
    "signkey",
    "status_age",
    "suiteB_128",
    "suiteB_128_only",
    "suiteB_192",
    "trust_other",
    "trusted_first",
    "url",
    "use_deltas",
    "validity_period",
    "verify_depth",
    "verify_email",
    "verify_hostname",
    "verify_ip",
    "verify_name",
    "verify_other",
    "x509_strict",
];

/// Flags by which a client chooses the hash of its CertIDs.
const CERT_ID_HASHES: &[&str] = &["md5", "sha1", "sha224", "sha256", "sha384", "sha512"];
