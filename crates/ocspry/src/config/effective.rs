//! The configuration as it is in force: every key with its value, and where the value comes from.
//!
//! From: what was typed (`raw`), `keys` for what was not, and the checked [`Config`] for what follows from other things.  To:
//! `ocspry config show`.  A passphrase is in no value here: keys name the files that secrets lie in.

use std::path::{Path, PathBuf};

use toml::{Spanned, Table, Value};

use super::Environment;
use super::checked::{Config, StateChoice};
use super::control_socket::SocketChoice;
use super::diagnostics::{ConfigText, Place};
use super::keys::{Absent, KEYS, Key};
use super::raw::{
    RawAudit, RawConfig, RawIssuer, RawLedger, RawListen, RawRequestLog, RawResponder, RawStatus,
};

/// One key in force.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// The key.
    pub(crate) key: &'static Key,
    /// The name of its issuer, if it is one of an issuer.
    pub(crate) issuer: Option<String>,
    /// Its value; none where no value says what holds.
    pub(crate) value: Option<Value>,
    /// Where the value comes from.
    pub(crate) origin: Origin,
    /// Of `status`: its sources, each with the keys that stand in it.
    pub(crate) sources: Vec<Vec<Setting>>,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody said it.
    Default,
    /// A line of the file, from 1.
    Line(usize),
    /// A variable of the environment.
    Variable(String),
    /// A flag.
    Flag,
}

/// Every key in force, table by table, the issuers in their order.
pub(super) struct Settings<'a> {
    text: Option<&'a ConfigText>,
    base: &'a Path,
    settings: Vec<Setting>,
}

impl<'a> Settings<'a> {
    /// What was typed; paths are made absolute from `base`.
    pub(super) fn typed(
        raw: &RawConfig,
        text: Option<&'a ConfigText>,
        base: &'a Path,
    ) -> Settings<'a> {
        let mut settings = Settings {
            text,
            base,
            settings: Vec::new(),
        };
        settings.whole(raw);
        settings
    }

    /// With what follows from other things.
    pub(super) fn finished(mut self, config: &Config, environment: &Environment) -> Vec<Setting> {
        for setting in &mut self.settings {
            if setting.value.is_none() {
                setting.value = derived(setting, config, environment);
            }
        }
        self.settings
    }

    fn whole(&mut self, raw: &RawConfig) {
        let RawConfig {
            version,
            state_dir,
            check_interval,
            log_file,
            log_format,
            control_socket,
            listen,
            issuer,
            ledger,
            audit,
            request_log,
        } = raw;
        self.add("version", None, version);
        self.add("state-dir", None, state_dir);
        self.add("check-interval", None, check_interval);
        self.add("log-file", None, log_file);
        self.add("log-format", None, log_format);
        self.add("control-socket", None, control_socket);
        let none = RawListen::default();
        let RawListen {
            ocsp,
            endpoint_paths,
            admin,
            admin_exposed,
            share_port,
            patience,
            trusted,
        } = listen.as_ref().map_or(&none, Spanned::get_ref);
        self.add("listen.ocsp", None, ocsp);
        self.add("listen.endpoint-paths", None, endpoint_paths);
        self.add("listen.admin", None, admin);
        self.add("listen.admin-exposed", None, admin_exposed);
        self.add("listen.share-port", None, share_port);
        self.add("listen.patience", None, patience);
        self.add("listen.trusted", None, trusted);
        let mut issuers: Vec<_> = issuer.iter().collect();
        issuers.sort_by_key(|(name, _)| name.span().start);
        for (name, issuer) in issuers {
            self.issuer(name.get_ref(), issuer.get_ref());
        }
        if let Some(ledger) = ledger {
            let RawLedger {
                url,
                published,
                responder_requests,
            } = ledger.get_ref();
            let url = url.as_ref().map(|url| self.ledger_url(url));
            self.add("ledger.url", None, &url);
            self.add("ledger.published", None, published);
            self.add("ledger.responder-requests", None, responder_requests);
        }
        if let Some(audit) = audit {
            let RawAudit { file } = audit.get_ref();
            self.add("audit.file", None, file);
        }
        if let Some(log) = request_log {
            let RawRequestLog {
                file,
                sample,
                addresses,
            } = log.get_ref();
            self.add("request-log.file", None, file);
            self.add("request-log.sample", None, sample);
            self.add("request-log.addresses", None, addresses);
        }
    }

    fn issuer(&mut self, name: &str, raw: &RawIssuer) {
        let RawIssuer {
            certificate,
            also_named_in,
            status,
            crl_issuer,
            guard,
            freshest_crl,
            responder,
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
        let name = Some(name);
        self.add("issuer.*.certificate", name, certificate);
        self.status(name, status.as_ref());
        self.add("issuer.*.crl-issuer", name, crl_issuer);
        self.add("issuer.*.guard", name, guard);
        self.add("issuer.*.freshest-crl", name, freshest_crl);
        self.add("issuer.*.validity", name, validity);
        self.add("issuer.*.window-max", name, window_max);
        self.add("issuer.*.stale-until", name, stale_until);
        self.add("issuer.*.nonce", name, nonce);
        self.add("issuer.*.unable", name, unable);
        self.add("issuer.*.nonce-over-budget", name, nonce_over_budget);
        self.add("issuer.*.unknown-issuer", name, unknown_issuer);
        self.add("issuer.*.absent", name, absent);
        self.add("issuer.*.never-issued", name, never_issued);
        self.add("issuer.*.also-named-in", name, also_named_in);
        self.add("issuer.*.responder-id", name, responder_id);
        self.add(
            "issuer.*.embedded-certificates",
            name,
            embedded_certificates,
        );
        self.add("issuer.*.cert-ids-max", name, cert_ids_max);
        self.add("issuer.*.cert-id-hashes", name, cert_id_hashes);
        self.add("issuer.*.archive-cutoff", name, archive_cutoff);
        self.add("issuer.*.signature-hash-min", name, signature_hash_min);
        let none = RawResponder::default();
        let RawResponder {
            certificate,
            key,
            ca_key,
            passphrase_file,
            managed,
            held_passphrase: _,
        } = responder.as_ref().map_or(&none, Spanned::get_ref);
        self.add("issuer.*.responder.certificate", name, certificate);
        self.add("issuer.*.responder.key", name, key);
        self.add("issuer.*.responder.ca-key", name, ca_key);
        self.add("issuer.*.responder.managed", name, managed);
        self.add("issuer.*.responder.passphrase-file", name, passphrase_file);
    }

    fn status(&mut self, issuer: Option<&str>, raw: Option<&Spanned<Vec<Spanned<RawStatus>>>>) {
        let Some(raw) = raw else { return };
        let entries = raw.get_ref().iter();
        let sources = entries.map(|source| {
            let mut of_source = Settings {
                text: self.text,
                base: self.base,
                settings: Vec::new(),
            };
            of_source.source(issuer, source.get_ref());
            of_source.settings
        });
        let sources: Vec<Vec<Setting>> = sources.collect();
        let tables = sources.iter().map(|source| {
            let entry = |setting: &Setting| {
                let value = setting.value.clone()?;
                Some((setting.key.last().to_owned(), value))
            };
            Value::Table(source.iter().filter_map(entry).collect::<Table>())
        });
        let value = Value::Array(tables.collect());
        self.push(
            "issuer.*.status",
            issuer,
            Some((value, raw.span())),
            sources,
        );
    }

    /// What was typed, and what holds beside it.
    fn source(&mut self, issuer: Option<&str>, raw: &RawStatus) {
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
        } = raw;
        self.add_typed("issuer.*.status.crl", issuer, crl);
        self.add_typed("issuer.*.status.crl-dir", issuer, crl_dir);
        self.add_typed("issuer.*.status.overlay", issuer, overlay);
        self.add_typed("issuer.*.status.ledger", issuer, ledger);
        if crl_url.is_some() {
            self.add_typed("issuer.*.status.crl-url", issuer, crl_url);
            let redirects = "issuer.*.status.allow-private-redirects";
            self.add(redirects, issuer, allow_private_redirects);
        }
        if issued.is_some() {
            self.add_typed("issuer.*.status.issued", issuer, issued);
            self.add("issuer.*.status.role", issuer, role);
            self.add("issuer.*.status.max-age", issuer, max_age);
            self.add("issuer.*.status.lag", issuer, lag);
        }
    }

    fn add_typed<T: Typed>(
        &mut self,
        name: &str,
        issuer: Option<&str>,
        value: &Option<Spanned<T>>,
    ) {
        if value.is_some() {
            self.add(name, issuer, value);
        }
    }

    fn add<T: Typed>(&mut self, name: &str, issuer: Option<&str>, value: &Option<Spanned<T>>) {
        let typed = value.as_ref();
        let typed = typed.map(|value| (value.get_ref().to_value(self.base), value.span()));
        self.push(name, issuer, typed, Vec::new());
    }

    fn push(
        &mut self,
        name: &str,
        issuer: Option<&str>,
        typed: Option<(Value, Place)>,
        sources: Vec<Vec<Setting>>,
    ) {
        // A test compares the table of keys with what serde reads, and so with the names that stand here.
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            return;
        };
        let (value, origin) = match typed {
            Some((value, place)) => (Some(value), self.origin(&place)),
            None => (default_of(key), Origin::Default),
        };
        self.settings.push(Setting {
            key,
            issuer: issuer.map(str::to_owned),
            value,
            origin,
            sources,
        });
    }

    fn origin(&self, place: &Place) -> Origin {
        let Some(text) = self.text else {
            return Origin::Flag;
        };
        match (text.variable(place), text.line_and_column(place)) {
            (Some(name), _) => Origin::Variable(name.to_owned()),
            (None, Some((line, _))) => Origin::Line(line),
            (None, None) => Origin::Flag,
        }
    }

    /// Its path made absolute, like all others.
    fn ledger_url(&self, url: &Spanned<String>) -> Spanned<String> {
        let text = url.get_ref();
        let path = text.strip_prefix("sqlite:").unwrap_or(text);
        let path = absolute(self.base, Path::new(path));
        Spanned::new(url.span(), format!("sqlite:{}", path.display()))
    }
}

/// What no value of the table says, because it follows from other things.
fn derived(setting: &Setting, config: &Config, environment: &Environment) -> Option<Value> {
    let state = match &config.state {
        StateChoice::Named(path) | StateChoice::Default(path) => Some(path.as_path()),
        StateChoice::Nowhere => None,
    };
    match setting.key.name {
        "state-dir" => state.map(Path::to_owned).map(from_here),
        "control-socket" => match SocketChoice::of(config, environment, state) {
            SocketChoice::Named(path) | SocketChoice::Default(path) => Some(from_here(path)),
            SocketChoice::Nowhere => None,
        },
        "ledger.published" => {
            let ledger = config.ledger.as_ref()?;
            Some(from_here(ledger.published.clone()))
        }
        "issuer.*.validity" => {
            let issuers = config.issuers.iter();
            let mut named = issuers.filter(|issuer| Some(&issuer.name) == setting.issuer.as_ref());
            let hours = named.next()?.policy.validity?.as_secs() / 3_600;
            Some(Value::String(format!("{hours}h")))
        }
        _ => None,
    }
}

impl Setting {
    /// Whether it can stand in a file as it is: what the environment offered is taken if it works, what the file names must.
    pub(crate) fn is_written(&self) -> bool {
        let is_offered = matches!(self.key.name, "state-dir" | "control-socket");
        self.value.is_some() && !(is_offered && self.origin == Origin::Default)
    }
}

/// What the table of keys says.
fn default_of(key: &Key) -> Option<Value> {
    match key.default {
        Absent::Value(text) => text.parse().ok(),
        Absent::Refused | Absent::Means(_) => None,
    }
}

/// What can be typed, as a value of TOML again.
trait Typed {
    fn to_value(&self, base: &Path) -> Value;
}

impl Typed for String {
    fn to_value(&self, _: &Path) -> Value {
        Value::String(self.clone())
    }
}

impl Typed for i64 {
    fn to_value(&self, _: &Path) -> Value {
        Value::Integer(*self)
    }
}

impl Typed for bool {
    fn to_value(&self, _: &Path) -> Value {
        Value::Boolean(*self)
    }
}

impl Typed for PathBuf {
    fn to_value(&self, base: &Path) -> Value {
        value_of_path(&absolute(base, self))
    }
}

impl<T: Typed> Typed for Vec<Spanned<T>> {
    fn to_value(&self, base: &Path) -> Value {
        let items = self.iter();
        Value::Array(items.map(|item| item.get_ref().to_value(base)).collect())
    }
}

fn absolute(base: &Path, path: &Path) -> PathBuf {
    let path = base.join(path);
    std::path::absolute(&path).unwrap_or(path)
}

/// A path that is relative to the working directory, if to anything.
fn from_here(path: PathBuf) -> Value {
    value_of_path(&absolute(Path::new(""), &path))
}

fn value_of_path(path: &Path) -> Value {
    Value::String(path.display().to_string())
}
