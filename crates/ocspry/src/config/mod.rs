//! The configuration of `ocspry serve`: what was typed becomes what may be.
//!
//! From: a TOML file (`raw`) or the flags of the command line (`flags`), which are a short way to write the same
//! thing, and variables of the environment (`layers`); flags win over variables, and these over the file.  All go through one
//! `checked::check()`.  To: `assemble`, which sees nothing but [`Config`].  `keys` says what there is.
//! `diagnostics` turns what is wrong into text for people and for programs.

mod checked;
mod control_socket;
mod diagnostics;
mod duration;
mod effective;
mod error;
mod flags;
mod keys;
mod layers;
mod ledger;
mod listen;
mod openssl_flag_error;
mod openssl_flags;
mod passphrase;
mod policy;
mod raw;
mod request_log;
mod responder;
mod sample;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::io;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ocspry_signer::read_regular_file;
use ocspry_wire::Time;

use crate::file_stamp::FileStamps;
use diagnostics::Problem;
use effective::Settings;
use error::ConfigWarning;
use keys::VARIABLES;
use raw::RawConfig;

pub(crate) use checked::{Config, IssuerConfig, StateChoice, usual_state};
pub(crate) use control_socket::{SocketChoice, sockets_of, usual_sockets};
pub(crate) use diagnostics::{ConfigText, Place, Problems};
pub(crate) use duration::parse_duration;
pub(crate) use effective::{Origin, Setting};
pub(crate) use error::{ConfigError, FileRole};
pub(crate) use flags::ServeFlags;
pub(crate) use keys::{Absent, Applies, KEYS, Key, SOURCE, find as find_keys};
pub(crate) use ledger::{LedgerConfig, ledger_of, published_beside};
pub(crate) use listen::{PortSharing, admin_of};
pub(crate) use openssl_flag_error::OpensslFlagError;
pub(crate) use openssl_flags::OpensslFlags;
pub(crate) use passphrase::PassphraseSource;
pub(crate) use policy::parse_time;
pub(crate) use request_log::RequestLogConfig;
pub(crate) use responder::{ManagedConfig, ResponderConfig, ResponderFiles};
pub(crate) use sample::sample;
pub(crate) use status::SourceConfig;

/// Most octets of a configuration file: room for tens of thousands of issuers.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Where a configuration comes from: read again from there on SIGHUP.
#[derive(Clone, Debug)]
pub(crate) enum ConfigOrigin {
    /// A TOML file, with the flags that may stand beside it.
    File {
        path: PathBuf,
        flags: Box<ServeFlags>,
    },
    /// The flags alone.
    Flags(Box<ServeFlags>),
    /// The flags of `openssl ocsp`.
    Openssl(Box<OpensslFlags>),
}

impl ConfigOrigin {
    /// The origin that the flags of `serve` name.
    pub(crate) fn from_flags(flags: ServeFlags) -> ConfigOrigin {
        match flags.config.clone() {
            Some(path) => ConfigOrigin::File {
                path,
                flags: Box::new(flags),
            },
            None => ConfigOrigin::Flags(Box::new(flags)),
        }
    }

    /// A file, with no flag beside it.
    pub(crate) fn of_file(path: &Path) -> ConfigOrigin {
        ConfigOrigin::File {
            path: path.to_owned(),
            flags: Box::default(),
        }
    }

    /// Reads and checks everything anew.
    ///
    /// # Errors
    /// All that is wrong with the configuration, each with its place where it stands in a file.
    pub(crate) fn load(&self, environment: &Environment, now: Time) -> Result<Config, Problems> {
        self.load_with_text(environment, now)
            .map(|(config, _)| config)
    }

    /// Reads and checks everything anew, and hands out what was read, for messages that come later.
    ///
    /// # Errors
    /// As [`ConfigOrigin::load`].
    pub(crate) fn load_with_text(
        &self,
        environment: &Environment,
        now: Time,
    ) -> Result<(Config, Option<ConfigText>), Problems> {
        let structure = self.structure();
        let Reading { text, read } = self.read(environment)?;
        let checked = read.and_then(|typed| {
            let config = checked::check(typed.raw, self.base(), environment, now)?;
            Ok(Config {
                warnings: config.warnings.into_iter().chain(typed.left_out).collect(),
                structure: structure.before(config.structure),
                file_sha256: text.as_ref().and_then(ConfigText::file_sha256),
                ..config
            })
        });
        match checked {
            Ok(config) => Ok((config, text)),
            Err(problems) => Err(Problems { text, problems }),
        }
    }

    /// Every key in force, and where its value comes from.
    ///
    /// # Errors
    /// As [`ConfigOrigin::load`].
    pub(crate) fn settings(
        &self,
        environment: &Environment,
        now: Time,
    ) -> Result<Vec<Setting>, Problems> {
        let Reading { text, read } = self.read(environment)?;
        let checked = read.and_then(|typed| {
            let settings = Settings::typed(&typed.raw, text.as_ref(), self.base());
            let config = checked::check(typed.raw, self.base(), environment, now)?;
            Ok(settings.finished(&config, environment))
        });
        checked.map_err(|problems| Problems { text, problems })
    }

    /// What was typed, all layers of it.
    ///
    /// # Errors
    /// There is no text: the file cannot be read.
    fn read(&self, environment: &Environment) -> Result<Reading, Problems> {
        let variables = || {
            let variables = environment.variables.iter();
            variables.map(|(name, value)| (name.as_str(), value.as_str()))
        };
        let alone = |raw| Typed {
            raw,
            left_out: Vec::new(),
        };
        let (text, read) = match self {
            ConfigOrigin::File { path, flags } => {
                let text = ConfigText::new(Some(path), read_text(path)?, variables());
                let mut raw = layers::read(&text, environment, &[]);
                if let Ok(raw) = &mut raw {
                    flags.override_keys(raw);
                }
                (Some(text), raw.map(alone))
            }
            ConfigOrigin::Flags(flags) => {
                let text = ConfigText::new(None, String::new(), variables());
                let raw = flags.to_raw(environment, &text);
                // Where nothing but flags was read, there is no text to show.
                let text = Some(text).filter(|text| !text.variables().is_empty());
                (text, raw.map(alone))
            }
            ConfigOrigin::Openssl(flags) => {
                let read = flags.to_raw();
                (None, read.map(|(raw, left_out)| Typed { raw, left_out }))
            }
        };
        Ok(Reading { text, read })
    }

    /// The stamps, taken now, of the files that are read before the check.
    fn structure(&self) -> FileStamps {
        match self {
            ConfigOrigin::File { path, flags: _ } => FileStamps::of([path.as_path()]),
            // The CAs' certificates are read twice: to find what belongs together, and to check.
            ConfigOrigin::Flags(flags) => FileStamps::of(flags.ca.iter().map(PathBuf::as_path)),
            ConfigOrigin::Openssl(flags) => FileStamps::of(flags.structure().map(PathBuf::as_path)),
        }
    }

    /// What relative paths are relative to.
    fn base(&self) -> &Path {
        match self {
            ConfigOrigin::File { path, flags: _ } => path.parent().unwrap_or(Path::new("")),
            ConfigOrigin::Flags(_) | ConfigOrigin::Openssl(_) => Path::new(""),
        }
    }
}

/// What was read.
struct Reading {
    /// For messages; none where nothing but flags was read.
    text: Option<ConfigText>,
    /// What it says, or what is wrong with it.
    read: Result<Typed, Vec<Problem>>,
}

/// What was typed.
struct Typed {
    raw: RawConfig,
    /// What was typed and left out.
    left_out: Vec<ConfigWarning>,
}

/// The text of a configuration file.
fn read_text(path: &Path) -> Result<String, Problems> {
    let unreadable = |source| {
        Problems::without_text(ConfigError::ConfigUnreadable {
            path: path.to_owned(),
            source,
        })
    };
    let mut file = read_regular_file(path, FILE_BYTES_MAX + 1).map_err(unreadable)?;
    let bytes = mem::take(&mut *file.content);
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(unreadable(io::ErrorKind::FileTooLarge.into()));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Problems::without_text(ConfigError::NotUtf8 {
            path: path.to_owned(),
            offset,
        })
    })
}

/// What the environment says: where state and control socket may live, and keys of the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `STATE_DIRECTORY`: set by systemd; of several, separated by colons, the first counts.
    pub(crate) state_directory: Option<OsString>,
    /// `RUNTIME_DIRECTORY`: set by systemd, in the same form.
    pub(crate) runtime_directory: Option<OsString>,
    /// `XDG_STATE_HOME`.
    pub(crate) xdg_state_home: Option<OsString>,
    /// `HOME`.
    pub(crate) home: Option<OsString>,
    /// `OCSPRY__TABLE__KEY` with their values, sorted by name.
    pub(crate) variables: BTreeMap<String, String>,
    /// Those of them whose name or value is no text.
    pub(crate) not_utf8: Vec<String>,
}

/// The variables of keys that other commands than `serve` look for.
const STATE_VARIABLE: &str = "OCSPRY__STATE_DIR";
const SOCKET_VARIABLE: &str = "OCSPRY__CONTROL_SOCKET";
const ADMIN_VARIABLE: &str = "OCSPRY__LISTEN__ADMIN";

impl Environment {
    /// What a variable says whose key takes a string; written as in the file, or bare.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let value = self.variables.get(name)?;
        Some(layers::text_of(value))
    }

    /// The variables of this process.
    pub(crate) fn of_process() -> Environment {
        let mut variables = BTreeMap::new();
        let mut not_utf8 = Vec::new();
        for (name, value) in env::vars_os() {
            if !name.as_bytes().starts_with(VARIABLES.as_bytes()) {
                continue;
            }
            match (name.into_string(), value.into_string()) {
                (Ok(name), Ok(value)) => {
                    variables.insert(name, value);
                }
                (Ok(name), Err(_)) => not_utf8.push(name),
                (Err(name), _) => not_utf8.push(name.to_string_lossy().into_owned()),
            }
        }
        Environment {
            state_directory: env::var_os("STATE_DIRECTORY"),
            runtime_directory: env::var_os("RUNTIME_DIRECTORY"),
            xdg_state_home: env::var_os("XDG_STATE_HOME"),
            home: env::var_os("HOME"),
            variables,
            not_utf8,
        }
    }
}
