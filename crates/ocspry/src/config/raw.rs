//! What was typed: the TOML file as serde sees it, each value with its place.
//!
//! From: `layers`, which reads the file and the environment, or `flags`.  To: `checked`, which decides what may be.  Unknown keys
//! are refused here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use ocspry_core::OwnedCertificate;
use ocspry_signer::Passphrase;
use serde::Deserialize;
use toml::Spanned;

use super::diagnostics::{Place, Problem};
use super::error::{ConfigError, closest};

/// The only format of the file that this version reads.
pub(super) const VERSION: i64 = 1;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawConfig {
    /// `version = 1`.
    pub(super) version: Option<Spanned<i64>>,
    /// Where last good lists and high-water marks are kept.
    pub(super) state_dir: Option<Spanned<PathBuf>>,
    /// Time between two checks of the files, besides the watch.
    pub(super) check_interval: Option<Spanned<String>>,
    /// Log here instead of to standard error.
    pub(super) log_file: Option<Spanned<PathBuf>>,
    /// `text` or `json`.
    pub(super) log_format: Option<Spanned<String>>,
    /// Where the control socket is.
    pub(super) control_socket: Option<Spanned<PathBuf>>,
    /// `[listen]`.
    pub(super) listen: Option<Spanned<RawListen>>,
    /// `[issuer.NAME]`.
    #[serde(default)]
    pub(super) issuer: BTreeMap<Spanned<String>, Spanned<RawIssuer>>,
    /// `[ledger]`.
    pub(super) ledger: Option<Spanned<RawLedger>>,
    /// `[audit]`.
    pub(super) audit: Option<Spanned<RawAudit>>,
    /// `[request-log]`.
    pub(super) request_log: Option<Spanned<RawRequestLog>>,
}

/// `[request-log]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawRequestLog {
    /// Where requests are written down.
    pub(super) file: Option<Spanned<PathBuf>>,
    /// `1/1000`: one in a thousand.
    pub(super) sample: Option<Spanned<String>>,
    /// `none` or `peer`.
    pub(super) addresses: Option<Spanned<String>>,
}

/// `[audit]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawAudit {
    /// Where `serve` writes down what it does.
    pub(super) file: Option<Spanned<PathBuf>>,
}

/// `[ledger]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawLedger {
    /// Where it is: `sqlite:` and a path, or the path alone.
    pub(super) url: Option<Spanned<String>>,
    /// Where the CA puts its CRLs.
    pub(super) published: Option<Spanned<PathBuf>>,
    /// Where managed responders ask for their certificates.
    pub(super) responder_requests: Option<Spanned<PathBuf>>,
}

/// `[listen]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawListen {
    /// Addresses with ports.
    pub(super) ocsp: Option<Spanned<Vec<Spanned<String>>>>,
    /// Paths below which each issuer has an endpoint.
    pub(super) endpoint_paths: Option<Spanned<Vec<Spanned<String>>>>,
    /// Address with port of the admin listener.
    pub(super) admin: Option<Spanned<String>>,
    /// The admin listener may be beyond loopback.
    pub(super) admin_exposed: Option<Spanned<bool>>,
    /// Another instance may listen on the same addresses.
    pub(super) share_port: Option<Spanned<bool>>,
    /// How long clients are to wait for a signature.
    pub(super) patience: Option<Spanned<String>>,
    /// Proxies that are believed when they say who asks.
    pub(super) trusted: Option<Spanned<Vec<Spanned<String>>>>,
}

/// `[issuer.NAME]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawIssuer {
    /// The CA's certificate.
    pub(super) certificate: Option<Spanned<PathBuf>>,
    /// Certificates that the CA issued, with its name in another spelling.
    pub(super) also_named_in: Option<Spanned<Vec<Spanned<PathBuf>>>>,
    /// Where its certificates' status comes from.
    pub(super) status: Option<Spanned<Vec<Spanned<RawStatus>>>>,
    /// Certificates whose keys may sign its CRLs besides its own.
    pub(super) crl_issuer: Option<Spanned<Vec<Spanned<PathBuf>>>>,
    /// `alarm` or `refuse`.
    pub(super) guard: Option<Spanned<String>>,
    /// `crl-url`, `all` or `ignore`.
    pub(super) freshest_crl: Option<Spanned<String>>,
    /// Who signs the answers.
    pub(super) responder: Option<Spanned<RawResponder>>,
    /// Upper bound on an answer's life, from its signing.
    pub(super) validity: Option<Spanned<String>>,
    /// Upper bound on an answer's life, from its thisUpdate.
    pub(super) window_max: Option<Spanned<String>>,
    /// Until when an expired list is answered from.
    pub(super) stale_until: Option<Spanned<String>>,
    /// `echo`, `ignore` or `required`.
    pub(super) nonce: Option<Spanned<String>>,
    /// `try-later` or `http-503`.
    pub(super) unable: Option<Spanned<String>>,
    /// `try-later`, `without-nonce` or `http-503`.
    pub(super) nonce_over_budget: Option<Spanned<String>>,
    /// `unauthorized` or `unknown`.
    pub(super) unknown_issuer: Option<Spanned<String>>,
    /// `good` or `unknown`.
    pub(super) absent: Option<Spanned<String>>,
    /// `unknown`, `unauthorized` or `revoked`.
    pub(super) never_issued: Option<Spanned<String>>,
    /// `by-key` or `by-name`.
    pub(super) responder_id: Option<Spanned<String>>,
    /// `none`, `signer` or `chain`.
    pub(super) embedded_certificates: Option<Spanned<String>>,
    /// Most CertIDs in one request.
    pub(super) cert_ids_max: Option<Spanned<i64>>,
    /// Hash algorithms that a CertID may use.
    pub(super) cert_id_hashes: Option<Spanned<Vec<Spanned<String>>>>,
    /// `none`, `issuer`, or a span of time.
    pub(super) archive_cutoff: Option<Spanned<String>>,
    /// `sha256`, `sha384` or `sha512`.
    pub(super) signature_hash_min: Option<Spanned<String>>,
    /// Of several CAs in the file of the certificate, this one, from 0; no key of the file.
    #[serde(skip)]
    pub(super) certificate_position: Option<usize>,
    /// What answers enclose beside the usual certificates; no key of the file.
    #[serde(skip)]
    pub(super) enclosed: Vec<OwnedCertificate>,
}

/// One entry of `status`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawStatus {
    /// A CRL file.
    pub(super) crl: Option<Spanned<PathBuf>>,
    /// A directory of CRL files.
    pub(super) crl_dir: Option<Spanned<PathBuf>>,
    /// Where a CRL is fetched.
    pub(super) crl_url: Option<Spanned<String>>,
    /// What was issued: serials, an OpenSSL index, or a directory of certificates.
    pub(super) issued: Option<Spanned<PathBuf>>,
    /// Serials that are revoked, whatever the rest says.
    pub(super) overlay: Option<Spanned<PathBuf>>,
    /// The name of a CA in the ledger.
    pub(super) ledger: Option<Spanned<String>>,
    /// Redirects of `crl-url` may lead to private addresses.
    pub(super) allow_private_redirects: Option<Spanned<bool>>,
    /// `export` or `record`.
    pub(super) role: Option<Spanned<String>>,
    /// How old the list of what was issued may get.
    pub(super) max_age: Option<Spanned<String>>,
    /// `try-later` or `good`.
    pub(super) lag: Option<Spanned<String>>,
}

/// `responder`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(super) struct RawResponder {
    /// The delegate's certificate.
    pub(super) certificate: Option<Spanned<PathBuf>>,
    /// The delegate's key.
    pub(super) key: Option<Spanned<PathBuf>>,
    /// The CA's own key: the CA signs its answers itself.
    pub(super) ca_key: Option<Spanned<PathBuf>>,
    /// First line: the passphrase of the key.
    pub(super) passphrase_file: Option<Spanned<PathBuf>>,
    /// `serve` makes the key, and `ca tick` signs its certificate.
    pub(super) managed: Option<Spanned<bool>>,
    /// The passphrase of the key, where it is in no file; no key of the file.
    #[serde(skip)]
    pub(super) held_passphrase: Option<Arc<Passphrase>>,
}

/// Puts an error of the TOML reader into our words.
pub(super) fn explain(error: &toml::de::Error, text: &str) -> Problem {
    let place = error.span().unwrap_or_default();
    let message = error.message();
    let error = if message.starts_with("unknown field") {
        // "unknown field `x`, expected one of `a`, `b`": the odd pieces between back-ticks are the names.
        let mut names = message.split('`').skip(1).step_by(2).map(str::to_owned);
        let key = names.next().unwrap_or_default();
        let known: Vec<String> = names.collect();
        let suggestion = misplaced(&key, &known).map(str::to_owned).or_else(|| {
            closest(&key, known.iter().map(String::as_str))
                .map(|name| format!("did you mean `{name}`?"))
        });
        ConfigError::UnknownKey {
            key,
            known,
            suggestion,
        }
    } else if let Some((found, expected)) = message
        .strip_prefix("invalid type: ")
        .or_else(|| message.strip_prefix("invalid "))
        .and_then(|rest| rest.split_once(", expected "))
    {
        let expected = match expected {
            "a sequence" => "a list in brackets",
            "i64" => "a whole number",
            // serde's word for a map whose keys are not known beforehand.
            "a map" => "a table",
            "a boolean" => "true or false",
            "path string" => "a string",
            other => other,
        };
        // "invalid length 0": a list where a table belongs; its length is not what is wrong.
        let found = match found {
            "map" => "a table",
            "sequence" => "a list",
            length if length.starts_with("length") => "a list",
            other => other,
        };
        ConfigError::WrongType {
            found: found.to_owned(),
            expected: expected.to_owned(),
        }
    } else {
        // A span at the very end of the text points behind the last line: show the last character instead.
        return Problem::at(
            clamp(place, text),
            ConfigError::Toml {
                message: message.to_owned(),
            },
        );
    };
    Problem::at(clamp(place, text), error)
}

/// A key that exists, but elsewhere.
fn misplaced(key: &str, known: &[String]) -> Option<&'static str> {
    let in_issuer = known.iter().any(|name| name == "never-issued");
    let in_source = known.iter().any(|name| name == "crl-dir");
    let at_the_top = known.iter().any(|name| name == "listen");
    match key {
        "crl" if in_issuer => Some("write `status = [{ crl = \"…\" }]`"),
        "crl-dir" if in_issuer => Some("write `status = [{ crl-dir = \"…\" }]`"),
        "crl-url" if in_issuer => Some("write `status = [{ crl-url = \"…\" }]`"),
        "issued" if in_issuer => Some("write `status = [{ issued = \"…\" }]`"),
        "overlay" if in_issuer => Some("write `status = [{ crl = \"…\" }, { overlay = \"…\" }]`"),
        "role" | "max-age" | "lag" if in_issuer => {
            Some("it belongs inside `status`, beside `issued`")
        }
        "allow-private-redirects" if in_issuer => {
            Some("it belongs inside `status`, beside `crl-url`")
        }
        "guard" | "freshest-crl" | "crl-issuer" | "absent" | "never-issued" | "stale-until"
            if in_source =>
        {
            Some("it belongs under `[issuer.NAME]`, beside `status`")
        }
        "url" if in_source => Some("the key is `crl-url`"),
        "index" | "serials" if in_source => {
            Some("write `issued = \"…\"`: an OpenSSL index is one of the files that it takes")
        }
        "dir" | "directory" if in_source => Some("the key is `crl-dir`"),
        "key" | "ca-key" | "passphrase-file" | "managed" if in_issuer => {
            Some("it belongs inside `responder = { … }`")
        }
        "host" | "port" | "address" | "ocsp" => {
            Some("write `ocsp = [\"ADDRESS:PORT\"]` under `[listen]`")
        }
        "admin" | "trusted" | "patience" if at_the_top => Some("it belongs under `[listen]`"),
        "issuers" | "ca" if at_the_top => Some("write one table `[issuer.NAME]` for each CA"),
        "validity"
        | "next-update"
        | "window-max"
        | "stale-until"
        | "status"
        | "responder"
        | "certificate"
        | "nonce"
        | "unable"
        | "nonce-over-budget"
        | "unknown-issuer"
        | "absent"
        | "never-issued"
        | "crl-issuer"
        | "guard"
        | "freshest-crl"
        | "also-named-in"
        | "responder-id"
        | "embedded-certificates"
        | "cert-ids-max"
        | "cert-id-hashes"
        | "archive-cutoff"
        | "signature-hash-min"
            if at_the_top =>
        {
            Some("it belongs under `[issuer.NAME]`")
        }
        "cache-ttl" => Some("the key is `check-interval`, at the top of the file"),
        "state-dir" | "check-interval" | "log-file" | "log-format" | "control-socket"
        | "version" => Some("it belongs at the top of the file, before the first table"),
        _ => None,
    }
}

/// Keeps a place inside the text and never empty, so that a caret can be drawn.
fn clamp(place: Place, text: &str) -> Place {
    let last = text.trim_end().len();
    if place.start >= last {
        return last.saturating_sub(1)..last;
    }
    place.start..place.end.max(place.start + 1).min(text.len())
}
