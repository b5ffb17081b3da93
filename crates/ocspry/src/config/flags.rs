//! The flags of `ocspry serve`: a short way to write a configuration.  From: the command line.  To: `checked`, as a
//! [`RawConfig`] like that of a file.
//!
//! Files may be given in any order: what belongs together is found by what is in them.  A CRL belongs to the CA whose
//! name it carries and whose key verifies it, a responder certificate likewise, a key to the certificate with its
//! public half.  A CRL that cannot be read today belongs to the CA that last used a list from that path, by what the
//! state directory says.  Where only one file and one place are left, they go together without being asked.  So a file
//! which is damaged today is judged when it is loaded, with the last good list at hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueHint;
use ocspry_core::{Issuer, OwnedCertificate, Policy, Signer, crypto};
use ocspry_signer::{FileSigner, Passphrase};
use ocspry_source::{CrlSigners, ListLoad, SourceLimits, StateDirectory, crl_issuer};
use ocspry_wire::Time;
use ocspry_wire::x509::SubjectPublicKeyInfo;
use ocspry_wire::x509::certificate::display_name;
use toml::Spanned;

use super::Environment;
use super::checked::{StateChoice, usual_state};
use super::diagnostics::{ConfigText, Place, Problem};
use super::error::{ConfigError, FileRole};
use super::layers;
use super::listen::{DEFAULT_HOST, DEFAULT_PORT};
use super::raw::{self, RawConfig, RawListen, RawResponder, RawStatus};
use crate::certificate_file::CertificateFile;

/// What `serve` can be told on the command line.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServeFlags {
    /// Configuration file (TOML) with issuers and all options, instead of the file flags below
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath,
        conflicts_with_all = ["ca", "crl", "ocsp_cert", "ocsp_key", "ca_key", "ocsp_key_passphrase_file", "next_update"])]
    pub(crate) config: Option<PathBuf>,

    /// Address to listen on [default: 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<String>,

    /// Port to listen on; 0 takes a free one [default: 8888]
    #[arg(long, value_name = "PORT")]
    pub(crate) port: Option<u16>,

    /// Address and port of the admin listener (metrics, health, status), as 127.0.0.1:9560; off unless given
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) admin: Option<String>,

    /// The admin listener may be beyond loopback, where others can read it
    #[arg(long)]
    pub(crate) admin_exposed: bool,

    /// Another `serve` of the same user may listen on the same address and port, for an upgrade without a gap
    #[arg(long)]
    pub(crate) share_port: bool,

    /// Path below which each issuer has an endpoint of its own; may be repeated [default: /ocsp/]
    #[arg(long, value_name = "PATH")]
    pub(crate) endpoint_path: Vec<String>,

    /// How long a client is to wait for its turn to get a signature; the rest is refused at once [default: 500ms]
    #[arg(long, value_name = "DURATION")]
    pub(crate) patience: Option<String>,

    /// Address or network of a proxy that may say in X-Real-IP who asks; may be repeated (loopback always may)
    #[arg(long, value_name = "ADDRESS[/BITS]")]
    pub(crate) trusted: Vec<String>,

    /// Certificate of a CA to answer for (PEM or DER; of several in one file the first counts)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "config",
        help_heading = "Files (each may be repeated, in any order)")]
    pub(crate) ca: Vec<PathBuf>,

    /// CRL of a CA (PEM or DER)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, required_unless_present = "config",
        help_heading = "Files (each may be repeated, in any order)")]
    pub(crate) crl: Vec<PathBuf>,

    /// Responder certificate, issued by the CA with the extended key usage OCSPSigning
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
        help_heading = "Files (each may be repeated, in any order)")]
    pub(crate) ocsp_cert: Vec<PathBuf>,

    /// Private key of a responder certificate (PEM or DER; RSA, P-256, P-384, P-521 or Ed25519)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
        help_heading = "Files (each may be repeated, in any order)")]
    pub(crate) ocsp_key: Vec<PathBuf>,

    /// Private key of a CA that signs its answers itself, instead of a responder certificate
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
        help_heading = "Files (each may be repeated, in any order)")]
    pub(crate) ca_key: Vec<PathBuf>,

    /// File whose first line is the passphrase of the encrypted private keys
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) ocsp_key_passphrase_file: Option<PathBuf>,

    /// Seconds between two checks of the files, besides watching them [default: 300]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) cache_ttl: Option<u64>,

    /// Longest life of an answer in hours; without it, an answer lives as long as the CRL
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=87_600))]
    pub(crate) next_update: Option<u64>,

    /// Log to this file instead of standard error; one that was rotated is let go by itself
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) log_file: Option<PathBuf>,

    /// How log lines look: text, or one JSON object each [default: text]
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], hide_possible_values = true)]
    pub(crate) log_format: Option<String>,

    /// Directory for the last good CRLs and high-water marks
    /// [default: $STATE_DIRECTORY, else $XDG_STATE_HOME/ocspry, else ~/.local/state/ocspry]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) state_dir: Option<PathBuf>,

    /// Socket for `ocspry reload` and other verbs on the running `serve`, for this user and root alone
    /// [default: $RUNTIME_DIRECTORY/control.sock, else control.sock in the state directory, else none, since no
    /// other place belongs to this user alone]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) control_socket: Option<PathBuf>,
}

impl ServeFlags {
    /// Lets the flags that may stand beside `--config` win over the keys of the file and of the environment.
    pub(super) fn override_keys(&self, raw: &mut RawConfig) {
        let listen = raw
            .listen
            .get_or_insert_with(|| flagged(RawListen::default()))
            .get_mut();
        if self.host.is_some() || self.port.is_some() {
            listen.ocsp = Some(self.listen());
        }
        if !self.endpoint_path.is_empty() {
            let paths = self.endpoint_path.iter().cloned().map(flagged);
            listen.endpoint_paths = Some(flagged(paths.collect()));
        }
        if let Some(address) = &self.admin {
            listen.admin = Some(flagged(address.clone()));
        }
        if self.admin_exposed {
            listen.admin_exposed = Some(flagged(true));
        }
        if self.share_port {
            listen.share_port = Some(flagged(true));
        }
        if let Some(patience) = &self.patience {
            listen.patience = Some(flagged(patience.clone()));
        }
        if !self.trusted.is_empty() {
            let trusted = self.trusted.iter().cloned().map(flagged);
            listen.trusted = Some(flagged(trusted.collect()));
        }
        raw.check_interval = self.check_interval().or(raw.check_interval.take());
        // A path given on the command line is relative to where the command was given.
        if let Some(path) = &self.log_file {
            raw.log_file = Some(flagged(from_here(path)));
        }
        if let Some(format) = &self.log_format {
            raw.log_format = Some(flagged(format.clone()));
        }
        if let Some(path) = &self.state_dir {
            raw.state_dir = Some(flagged(from_here(path)));
        }
        if let Some(path) = &self.control_socket {
            raw.control_socket = Some(flagged(from_here(path)));
        }
    }

    fn check_interval(&self) -> Option<Spanned<String>> {
        self.cache_ttl.map(|seconds| flagged(format!("{seconds}s")))
    }

    fn listen(&self) -> Spanned<Vec<Spanned<String>>> {
        let host = self.host.as_deref().unwrap_or(DEFAULT_HOST);
        let port = self.port.unwrap_or(DEFAULT_PORT);
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let address = if bare.contains(':') {
            format!("[{bare}]:{port}")
        } else {
            format!("{bare}:{port}")
        };
        flagged(vec![flagged(address)])
    }

    /// Writes the same configuration as a file would, one issuer for each `--ca`, over what the variables in `text` say.
    ///
    /// # Errors
    /// Every file that belongs nowhere, or twice, or is missing, each by name; or as [`layers::read`].
    pub(super) fn to_raw(
        &self,
        environment: &Environment,
        text: &ConfigText,
    ) -> Result<RawConfig, Vec<Problem>> {
        let issuers = Matching::of(self, environment).map_err(|errors| {
            errors
                .into_iter()
                .map(Problem::anywhere)
                .collect::<Vec<_>>()
        })?;
        let mut names: Vec<String> = Vec::new();
        for issuer in &issuers {
            names.push(issuer_name(&issuer.ca, |name| {
                names.iter().any(|taken| taken == name)
            }));
        }
        let mut raw = layers::read(text, environment, &names)?;
        raw.version = Some(flagged(raw::VERSION));
        self.override_keys(&mut raw);
        let validity = self.next_update.map(|hours| format!("{hours}h"));
        for (name, matched) in names.iter().zip(issuers) {
            let (certificate, key, ca_key) = match matched.responder {
                MatchedResponder::Delegate { certificate, key } => {
                    (Some(certificate), Some(key), None)
                }
                MatchedResponder::CaItself { key } => (None, None, Some(key)),
            };
            let Some(issuer) = raw.issuer.get_mut(name.as_str()) else {
                continue;
            };
            let issuer = issuer.get_mut();
            issuer.certificate = Some(flagged(matched.ca));
            issuer.status = Some(flagged(vec![flagged(RawStatus {
                crl: Some(flagged(matched.crl)),
                ..RawStatus::default()
            })]));
            let before = issuer.responder.take().map(Spanned::into_inner);
            let passphrase_file = self.ocsp_key_passphrase_file.clone().map(flagged);
            issuer.responder = Some(flagged(RawResponder {
                certificate: certificate.map(flagged),
                key: key.map(flagged),
                ca_key: ca_key.map(flagged),
                passphrase_file: passphrase_file
                    .or_else(|| before.and_then(|before| before.passphrase_file)),
                managed: None,
                held_passphrase: None,
            }));
            issuer.validity = validity.clone().map(flagged).or(issuer.validity.take());
        }
        Ok(raw)
    }
}

/// A value that stands in no file.
pub(super) fn flagged<T>(value: T) -> Spanned<T> {
    Spanned::new(Place::default(), value)
}

/// The path as it is from anywhere; unchanged where the working directory is unknown.
fn from_here(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// The file's name without its ending, made fit for an issuer's name and not yet taken.
pub(super) fn issuer_name(path: &Path, is_taken: impl Fn(&str) -> bool) -> String {
    let stem = path
        .file_stem()
        .map(|stem| stem.to_string_lossy().into_owned())
        .unwrap_or_default();
    let fit: String = stem
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() || "-_.".contains(letter) {
                letter
            } else {
                '-'
            }
        })
        .take(48)
        .collect();
    let fit = fit.trim_start_matches(['-', '_', '.']);
    let base = if fit.is_empty() { "ca" } else { fit };
    let mut name = base.to_owned();
    let mut count = 1;
    while is_taken(&name) {
        count += 1;
        name = format!("{base}-{count}");
    }
    name
}

/// A CA with everything that belongs to it.
struct MatchedIssuer {
    ca: PathBuf,
    crl: PathBuf,
    responder: MatchedResponder,
}

enum MatchedResponder {
    Delegate { certificate: PathBuf, key: PathBuf },
    CaItself { key: PathBuf },
}

/// A certificate of the command line.
struct Given {
    path: PathBuf,
    file: CertificateFile,
}

impl Given {
    fn certificate(&self) -> &OwnedCertificate {
        &self.file.certificate
    }

    /// `CN=Example CA (ca.pem)`.
    fn display(&self) -> String {
        format!(
            "{} ({})",
            display_name(self.certificate().view().subject),
            self.path.display()
        )
    }

    /// The certificate carries this key.
    fn has_key(&self, key: &SubjectPublicKeyInfo<'_>) -> bool {
        self.certificate().view().public_key.key_bits == key.key_bits
    }
}

/// One round of finding out what belongs together.
struct Matching {
    passphrase: Option<Passphrase>,
    errors: Vec<ConfigError>,
}

impl Matching {
    fn of(
        flags: &ServeFlags,
        environment: &Environment,
    ) -> Result<Vec<MatchedIssuer>, Vec<ConfigError>> {
        let mut matching = Matching {
            // A passphrase that cannot be read is reported when the key is loaded.
            passphrase: flags
                .ocsp_key_passphrase_file
                .as_deref()
                .and_then(|path| Passphrase::from_file(path).ok()),
            errors: Vec::new(),
        };
        let cas = matching.certificates(&flags.ca, FileRole::CaCertificate);
        let certificates = matching.certificates(&flags.ocsp_cert, FileRole::ResponderCertificate);
        matching.refuse_doubled_cas(&cas);
        // Without its certificates nothing else can be judged.
        if !matching.errors.is_empty() {
            return Err(matching.errors);
        }

        let ca_names: Vec<String> = cas.iter().map(Given::display).collect();
        let last_used = last_used_paths(flags, environment, &cas);
        let crls = matching.pair(
            FileRole::Crl,
            &flags.crl,
            &ca_names,
            |path| {
                let issuer = crl_issuer(path).map_err(|error| error.to_string())?;
                let named = |ca: &Given| ca.certificate().view().subject == issuer;
                // A CA of the same name may have another key: only the signature tells whose the list is.
                cas.iter()
                    .position(|ca| named(ca) && is_list_of(path, ca))
                    .ok_or_else(|| why_no_ca(&cas, &issuer))
            },
            |path| {
                let path = Some(path.display().to_string());
                last_used.iter().position(|last| *last == path)
            },
        );
        let by_path = |path: &Path| certificates.iter().find(|given| given.path == path);
        let delegates = matching.pair(
            FileRole::ResponderCertificate,
            &flags.ocsp_cert,
            &ca_names,
            |path| {
                let given = by_path(path).ok_or_else(|| "it was not read".to_owned())?;
                let view = given.certificate().view();
                let issuing = cas.iter().position(|ca| {
                    let ca = ca.certificate().view();
                    // The CA's own certificate, given as a responder certificate, belongs to that CA.
                    (view.subject == ca.subject
                        && view.public_key.key_bits == ca.public_key.key_bits)
                        || crypto::is_signed_by(&view, &ca)
                });
                issuing.ok_or_else(|| why_no_ca(&cas, view.issuer))
            },
            |_| None,
        );
        let certificate_names: Vec<String> = certificates.iter().map(Given::display).collect();
        let keys = matching.pair_keys(
            FileRole::ResponderKey,
            &flags.ocsp_key,
            &certificates,
            &certificate_names,
        );
        let ca_keys = matching.pair_keys(FileRole::CaKey, &flags.ca_key, &cas, &ca_names);

        let mut issuers = Vec::new();
        for (index, ca) in cas.iter().enumerate() {
            let crl = crls[index].clone();
            if crl.is_none() {
                matching.lacking(FileRole::Crl, &ca_names[index]);
            }
            let responder = match (&delegates[index], &ca_keys[index]) {
                (Some(certificate), None) => {
                    let position = certificates
                        .iter()
                        .position(|given| given.path == *certificate);
                    let key = position.and_then(|position| keys[position].clone());
                    if key.is_none() {
                        let owner = position
                            .map_or("the responder", |position| &certificate_names[position]);
                        matching.lacking(FileRole::ResponderKey, owner);
                    }
                    key.map(|key| MatchedResponder::Delegate {
                        certificate: certificate.clone(),
                        key,
                    })
                }
                (None, Some(key)) => Some(MatchedResponder::CaItself { key: key.clone() }),
                (Some(certificate), Some(ca_key)) => {
                    matching.errors.push(ConfigError::TwoSigners {
                        ca_key: ca_key.clone(),
                        certificate: certificate.clone(),
                        owner: ca_names[index].clone(),
                    });
                    None
                }
                (None, None) => {
                    matching.lacking(FileRole::ResponderCertificate, &ca_names[index]);
                    None
                }
            };
            if let (Some(crl), Some(responder)) = (crl, responder) {
                issuers.push(MatchedIssuer {
                    ca: ca.path.clone(),
                    crl,
                    responder,
                });
            }
        }
        if matching.errors.is_empty() {
            Ok(issuers)
        } else {
            Err(matching.errors)
        }
    }

    fn certificates(&mut self, paths: &[PathBuf], role: FileRole) -> Vec<Given> {
        let mut given = Vec::new();
        for path in paths {
            match CertificateFile::read(path) {
                Ok(file) => given.push(Given {
                    path: path.clone(),
                    file,
                }),
                Err(source) => self.errors.push(ConfigError::Certificate { role, source }),
            }
        }
        given
    }

    fn refuse_doubled_cas(&mut self, cas: &[Given]) {
        for (index, second) in cas.iter().enumerate() {
            let view = second.certificate().view();
            let first = cas[..index].iter().find(|first| {
                let first = first.certificate().view();
                first.subject == view.subject
                    && first.public_key.key_bits == view.public_key.key_bits
            });
            if let Some(first) = first {
                self.errors.push(ConfigError::DoubledCa {
                    first: first.path.clone(),
                    second: second.path.clone(),
                    subject: display_name(view.subject),
                });
            }
        }
    }

    /// Finds an owner for each file: by what is in it, by what was in it when it was last used, or because one file and one
    /// owner are all that is left.
    fn pair(
        &mut self,
        role: FileRole,
        paths: &[PathBuf],
        owners: &[String],
        owner_of: impl Fn(&Path) -> Result<usize, String>,
        last_owner_of: impl Fn(&Path) -> Option<usize>,
    ) -> Vec<Option<PathBuf>> {
        let mut paired: Vec<Option<PathBuf>> = vec![None; owners.len()];
        if let ([path], [_]) = (paths, owners) {
            paired[0] = Some(path.clone());
            return paired;
        }
        let mut left = Vec::new();
        for path in paths {
            match owner_of(path) {
                Ok(owner) => match &paired[owner] {
                    None => paired[owner] = Some(path.clone()),
                    Some(first) => self.errors.push(ConfigError::Doubled {
                        role,
                        first: first.clone(),
                        second: path.clone(),
                        owner: owners[owner].clone(),
                    }),
                },
                Err(why) => left.push((path, why)),
            }
        }
        left.retain(|(path, _)| match last_owner_of(path) {
            Some(owner) if paired[owner].is_none() => {
                paired[owner] = Some((*path).clone());
                false
            }
            Some(_) | None => true,
        });
        let mut free = paired.iter_mut().filter(|place| place.is_none());
        match (left.as_slice(), free.next(), free.next()) {
            ([(path, _)], Some(place), None) => *place = Some((*path).clone()),
            _ => self
                .errors
                .extend(left.into_iter().map(|(path, why)| ConfigError::Unmatched {
                    role,
                    path: path.clone(),
                    candidates: owners.join(", "),
                    why,
                })),
        }
        paired
    }

    fn pair_keys(
        &mut self,
        role: FileRole,
        paths: &[PathBuf],
        certificates: &[Given],
        names: &[String],
    ) -> Vec<Option<PathBuf>> {
        let passphrase = self.passphrase.take();
        let owner_of = |path: &Path| {
            let signer =
                FileSigner::load(path, passphrase.as_ref()).map_err(|error| error.to_string())?;
            let key = SubjectPublicKeyInfo::from_der(signer.public_key_info())
                .map_err(|error| format!("its public key is damaged at octet {}", error.offset))?;
            certificates
                .iter()
                .position(|certificate| certificate.has_key(&key))
                .ok_or_else(|| "its public key is another one".to_owned())
        };
        let paired = self.pair(role, paths, names, owner_of, |_| None);
        self.passphrase = passphrase;
        paired
    }

    fn lacking(&mut self, role: FileRole, owner: &str) {
        // Where a file of that kind was refused already, that is the cause.
        let refused = self.errors.iter().any(|error| {
            matches!(error, ConfigError::Unmatched { role: other, .. } | ConfigError::Doubled { role: other, .. }
                if *other == role)
        });
        if !refused {
            self.errors.push(ConfigError::Lacking {
                role,
                owner: owner.to_owned(),
            });
        }
    }
}

/// For each CA, the path of the CRL that the state directory last kept for it.  What cannot be read there is reported when
/// the list is loaded.
fn last_used_paths(
    flags: &ServeFlags,
    environment: &Environment,
    cas: &[Given],
) -> Vec<Option<String>> {
    let place = match &flags.state_dir {
        Some(path) => StateChoice::Named(path.clone()),
        None => usual_state(environment),
    };
    let state = match &place {
        // Only looked at: it is made when the program serves.
        StateChoice::Named(path) | StateChoice::Default(path) if path.is_dir() => {
            StateDirectory::open(path).ok().map(Arc::new)
        }
        StateChoice::Named(_) | StateChoice::Default(_) | StateChoice::Nowhere => None,
    };
    cas.iter()
        .map(|ca| {
            let issuer = Issuer::new(String::new(), ca.certificate().clone(), Policy::DEFAULT);
            let places = state.as_ref()?.last_places(issuer.identity());
            places.into_iter().next()
        })
        .collect()
}

/// The list is this CA's: its signature holds.
fn is_list_of(path: &Path, ca: &Given) -> bool {
    let signers = Arc::new(CrlSigners::new(ca.certificate().clone(), Vec::new()));
    let load = ListLoad::open(path, &signers, &SourceLimits::DEFAULT);
    load.and_then(|load| load.run(Time::MAX)).is_ok()
}

/// Why none of the CAs issued something that names `issuer`.
fn why_no_ca(cas: &[Given], issuer: &[u8]) -> String {
    let name = display_name(issuer);
    if cas
        .iter()
        .any(|ca| ca.certificate().view().subject == issuer)
    {
        return format!("it names {name} as its issuer, but that CA's key did not sign it");
    }
    let behind = cas.iter().find(|ca| {
        ca.file
            .others
            .iter()
            .any(|other| other.view().subject == issuer)
    });
    match behind {
        Some(ca) => format!(
            "it is from {name}, which stands in {} behind another certificate and needs a file of its own",
            ca.path.display()
        ),
        None => format!("it is from {name}"),
    }
}
