//! The configuration of `ocspry serve`: what was typed becomes what may be.
//!
//! From: a TOML file (`raw`) or the flags of the command line (`flags`), which are a short way to write the same
//! thing.  Both go through one `checked::check()`.  To: `assemble`, which sees nothing but [`Config`].
//! `diagnostics` turns what is wrong into text for people and for programs.

mod checked;
mod control_socket;
mod diagnostics;
mod duration;
mod error;
mod flags;
mod ledger;
mod listen;
mod openssl_flag_error;
mod openssl_flags;
mod passphrase;
mod policy;
mod raw;
mod responder;
mod status;
#[cfg(test)]
mod tests;

use std::env;
use std::ffi::OsString;
use std::io;
use std::mem;
use std::path::{Path, PathBuf};

use ocspry_signer::read_regular_file;
use ocspry_wire::Time;

use crate::file_stamp::FileStamps;

pub(crate) use checked::{Config, IssuerConfig, StateChoice, default_state};
pub(crate) use control_socket::{SocketChoice, sockets_of, usual_sockets};
pub(crate) use diagnostics::{ConfigText, Place, Problems};
pub(crate) use duration::parse_duration;
pub(crate) use error::{ConfigError, FileRole};
pub(crate) use flags::ServeFlags;
pub(crate) use ledger::{LedgerConfig, ledger_of, published_beside};
pub(crate) use openssl_flag_error::OpensslFlagError;
pub(crate) use openssl_flags::OpensslFlags;
pub(crate) use passphrase::PassphraseSource;
pub(crate) use policy::parse_time;
pub(crate) use responder::{ManagedConfig, ResponderConfig, ResponderFiles};
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

    /// Reads and checks everything anew.
    ///
    /// # Errors
    /// All that is wrong with the configuration, each with its place where it stands in a file.
    pub(crate) fn load(&self, environment: &Environment, now: Time) -> Result<Config, Problems> {
        self.load_with_text(environment, now)
            .map(|(config, _)| config)
    }

    /// Reads and checks everything anew, and hands out the text of the file, for messages that come later.
    ///
    /// # Errors
    /// As [`ConfigOrigin::load`].
    pub(crate) fn load_with_text(
        &self,
        environment: &Environment,
        now: Time,
    ) -> Result<(Config, Option<ConfigText>), Problems> {
        match self {
            ConfigOrigin::File { path, flags } => {
                let structure = FileStamps::of([path.as_path()]);
                let text = read_text(path)?;
                let base = path.parent().unwrap_or(Path::new(""));
                let checked =
                    raw::parse(&text)
                        .map_err(|problem| vec![problem])
                        .and_then(|mut raw| {
                            flags.override_keys(&mut raw);
                            checked::check(raw, base, environment, structure, now)
                        });
                let text = Some(ConfigText {
                    path: path.clone(),
                    text,
                });
                match checked {
                    Ok(config) => Ok((config, text)),
                    Err(problems) => Err(Problems { text, problems }),
                }
            }
            ConfigOrigin::Openssl(flags) => {
                let structure = FileStamps::of(flags.structure().map(PathBuf::as_path));
                let none = FileStamps::default();
                flags
                    .to_raw()
                    .and_then(|(raw, left_out)| {
                        let mut config =
                            checked::check(raw, Path::new(""), environment, none, now)?;
                        config.warnings.extend(left_out);
                        config.structure = structure;
                        Ok((config, None))
                    })
                    .map_err(|problems| Problems {
                        text: None,
                        problems,
                    })
            }
            ConfigOrigin::Flags(flags) => {
                // The CAs' certificates are read twice: to find what belongs together, and to check.
                let structure = FileStamps::of(flags.ca.iter().map(PathBuf::as_path));
                flags
                    .to_raw(environment)
                    .and_then(|raw| {
                        checked::check(raw, Path::new(""), environment, FileStamps::default(), now)
                    })
                    .map(|config| {
                        (
                            Config {
                                structure,
                                ..config
                            },
                            None,
                        )
                    })
                    .map_err(|problems| Problems {
                        text: None,
                        problems,
                    })
            }
        }
    }
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

/// What the environment says about where state and control socket may live.
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
}

impl Environment {
    /// The variables of this process.
    pub(crate) fn of_process() -> Environment {
        Environment {
            state_directory: env::var_os("STATE_DIRECTORY"),
            runtime_directory: env::var_os("RUNTIME_DIRECTORY"),
            xdg_state_home: env::var_os("XDG_STATE_HOME"),
            home: env::var_os("HOME"),
        }
    }
}
