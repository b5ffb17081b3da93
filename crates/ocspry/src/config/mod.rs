//! The configuration of `ocspry serve`: what was typed becomes what may be.
//!
//! From: a TOML file (`raw`) or the flags of the command line (`flags`), which are a short way to write the same
//! thing.  Both go through one `checked::check()`.  To: `assemble`, which sees nothing but [`Config`].
//! `diagnostics` turns what is wrong into text for people and for programs.

mod checked;
mod diagnostics;
mod error;
mod flags;
mod raw;
#[cfg(test)]
mod tests;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) use checked::{Config, IssuerConfig, ResponderConfig, StateChoice};
pub(crate) use diagnostics::{ConfigText, Place, Problems};
pub(crate) use error::{ConfigError, FileRole};
pub(crate) use flags::ServeFlags;

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

    /// The configuration file, where there is one: a change of it is a reload.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            ConfigOrigin::File { path, flags: _ } => Some(path),
            ConfigOrigin::Flags(_) => None,
        }
    }

    /// Reads and checks everything anew.
    ///
    /// # Errors
    /// All that is wrong with the configuration, each with its place where it stands in a file.
    pub(crate) fn load(&self, environment: &Environment) -> Result<Config, Problems> {
        self.load_with_text(environment).map(|(config, _)| config)
    }

    /// Reads and checks everything anew, and hands out the text of the file, for messages that come later.
    ///
    /// # Errors
    /// As [`ConfigOrigin::load`].
    pub(crate) fn load_with_text(
        &self,
        environment: &Environment,
    ) -> Result<(Config, Option<ConfigText>), Problems> {
        match self {
            ConfigOrigin::File { path, flags } => {
                let bytes = fs::read(path).map_err(|source| {
                    Problems::without_text(ConfigError::ConfigUnreadable {
                        path: path.clone(),
                        source,
                    })
                })?;
                let text = String::from_utf8(bytes).map_err(|error| {
                    let offset = error.utf8_error().valid_up_to();
                    Problems::without_text(ConfigError::NotUtf8 {
                        path: path.clone(),
                        offset,
                    })
                })?;
                let base = path.parent().unwrap_or(Path::new(""));
                let checked =
                    raw::parse(&text)
                        .map_err(|problem| vec![problem])
                        .and_then(|mut raw| {
                            flags.override_keys(&mut raw);
                            checked::check(raw, base, environment)
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
            ConfigOrigin::Flags(flags) => flags
                .to_raw()
                .and_then(|raw| checked::check(raw, Path::new(""), environment))
                .map(|config| (config, None))
                .map_err(|problems| Problems {
                    text: None,
                    problems,
                }),
        }
    }
}

/// What the environment says about where state may live.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `STATE_DIRECTORY`: set by systemd; of several, separated by colons, the first counts.
    pub(crate) state_directory: Option<OsString>,
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
            xdg_state_home: env::var_os("XDG_STATE_HOME"),
            home: env::var_os("HOME"),
        }
    }
}
