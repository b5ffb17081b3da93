//! Where the control socket is: for `serve`, which makes it, and for the verbs that look for it.
//!
//! From: the `control-socket` key or flag, the environment, the state directory.  To: `cmd/serve` and `control_client`.
//! A verb reads no more of a configuration, in the file and in the environment, than these two keys: what else is wrong there
//! is for the running `serve` to say, which is asked to read it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::checked::{StateChoice, default_state, usual_state};
use super::{Config, Environment, SOCKET_VARIABLE, STATE_VARIABLE};

/// Its name in the runtime or state directory.
const FILE_NAME: &str = "control.sock";

/// Where the unit file of the documentation puts it.
const SYSTEM_SOCKET: &str = "/run/ocspry/control.sock";

/// Where `serve` is to make its control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SocketChoice {
    /// Named by the operator: it must work.
    Named(PathBuf),
    /// Found in the environment: it should work.
    Default(PathBuf),
    /// Nowhere.
    Nowhere,
}

impl SocketChoice {
    /// By the configuration, else `$RUNTIME_DIRECTORY`, else the state directory that is in use.
    pub(crate) fn of(
        config: &Config,
        environment: &Environment,
        state: Option<&Path>,
    ) -> SocketChoice {
        if let Some(path) = &config.control_socket {
            return SocketChoice::Named(path.clone());
        }
        in_runtime_directory(environment)
            .or_else(|| state.map(|state| state.join(FILE_NAME)))
            .map_or(SocketChoice::Nowhere, SocketChoice::Default)
    }
}

/// Where a verb without any hint looks, in this order.
pub(crate) fn usual_sockets(environment: &Environment) -> Vec<PathBuf> {
    if let Some(socket) = environment.text(SOCKET_VARIABLE) {
        return vec![socket.into()];
    }
    let mut sockets: Vec<PathBuf> = in_runtime_directory(environment).into_iter().collect();
    sockets.push(SYSTEM_SOCKET.into());
    sockets.extend(in_state(usual_state(environment)));
    sockets.dedup();
    sockets
}

/// Where the `serve` of this configuration file has its socket, in this order.
///
/// # Errors
/// The file cannot be read, or is no TOML.
pub(crate) fn sockets_of(config: &Path, environment: &Environment) -> Result<Vec<PathBuf>> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Keys {
        control_socket: Option<PathBuf>,
        state_dir: Option<PathBuf>,
    }
    let unreadable = || {
        format!(
            "the control socket cannot be found by {}: name it with --control-socket PATH",
            config.display()
        )
    };
    let text = fs::read_to_string(config).with_context(unreadable)?;
    let keys: Keys = toml::from_str(&text)
        .map_err(|error| anyhow::anyhow!("{}", error.message()))
        .with_context(unreadable)?;
    let base = config.parent().unwrap_or(Path::new(""));
    let of_variable = |name| environment.text(name).map(PathBuf::from);
    if let Some(socket) = of_variable(SOCKET_VARIABLE).or(keys.control_socket) {
        return Ok(vec![base.join(socket)]);
    }
    let state = of_variable(STATE_VARIABLE).or(keys.state_dir).map_or_else(
        || default_state(environment),
        |path| StateChoice::Named(base.join(path)),
    );
    Ok(in_runtime_directory(environment)
        .into_iter()
        .chain(in_state(state))
        .collect())
}

/// systemd sets the variable for all commands of a unit; of several directories the first counts.
fn in_runtime_directory(environment: &Environment) -> Option<PathBuf> {
    let first = environment
        .runtime_directory
        .as_deref()?
        .as_bytes()
        .split(|octet| *octet == b':')
        .next()?;
    let directory = Path::new(OsStr::from_bytes(first));
    directory.is_absolute().then(|| directory.join(FILE_NAME))
}

fn in_state(state: StateChoice) -> Option<PathBuf> {
    match state {
        StateChoice::Named(path) | StateChoice::Default(path) => Some(path.join(FILE_NAME)),
        StateChoice::Nowhere => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(runtime: Option<&str>, state: Option<&str>) -> Environment {
        Environment {
            state_directory: state.map(Into::into),
            runtime_directory: runtime.map(Into::into),
            ..Environment::default()
        }
    }

    fn found(text: &str, environment: &Environment) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        fs::write(&path, text).unwrap();
        let sockets = sockets_of(&path, environment).unwrap();
        let base = directory.path().display().to_string();
        sockets
            .iter()
            .map(|socket| socket.display().to_string().replace(&base, "BASE"))
            .collect()
    }

    #[test]
    fn a_verb_looks_where_the_configuration_says_even_if_the_rest_of_it_is_wrong() {
        let systemd = environment(Some("/run/o:/run/p"), Some("/var/lib/o"));
        let named = "control-socket = \"c.sock\"\nstate-dir = \"s\"\nnonsense = 1\n";
        assert_eq!(found(named, &systemd), ["BASE/c.sock"]);
        assert_eq!(
            found("state-dir = \"s\"", &systemd),
            ["/run/o/control.sock", "BASE/s/control.sock"]
        );
        assert_eq!(
            found("", &systemd),
            ["/run/o/control.sock", "/var/lib/o/control.sock"]
        );
        assert!(found("", &environment(None, None)).is_empty());
    }

    #[test]
    fn a_verb_without_a_hint_looks_where_systemd_and_the_state_directory_are() {
        let shown = |environment: &Environment| {
            let sockets = usual_sockets(environment).into_iter();
            sockets
                .map(|socket| socket.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(shown(&environment(None, None)), [SYSTEM_SOCKET]);
        assert_eq!(
            shown(&environment(Some("/run/ocspry"), Some("/s"))),
            [SYSTEM_SOCKET, "/s/control.sock"]
        );
        assert_eq!(shown(&environment(Some("relative"), None)), [SYSTEM_SOCKET]);
    }

    #[test]
    fn a_verb_looks_where_the_environment_says_before_the_file() {
        let with = |variables: &[(&str, &str)]| {
            let variables = variables.iter();
            Environment {
                variables: variables
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                ..environment(None, Some("/s"))
            }
        };
        let (socket, state) = (
            ("OCSPRY__CONTROL_SOCKET", "/e.sock"),
            ("OCSPRY__STATE_DIR", "/e"),
        );
        let file = "control-socket = \"c.sock\"\nstate-dir = \"s\"\n";
        assert_eq!(found(file, &with(&[socket])), ["/e.sock"]);
        assert_eq!(
            found("state-dir = \"s\"", &with(&[state])),
            ["/e/control.sock"]
        );
        assert_eq!(usual_sockets(&with(&[socket])), [PathBuf::from("/e.sock")]);
        let usual = usual_sockets(&with(&[state]));
        assert_eq!(usual.last(), Some(&PathBuf::from("/e/control.sock")));
    }

    #[test]
    fn a_configuration_that_is_no_toml_is_told_with_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("c.toml");
        for text in [None, Some("control-socket = ")] {
            if let Some(text) = text {
                fs::write(&path, text).unwrap();
            }
            let error = sockets_of(&path, &environment(None, None)).unwrap_err();
            let error = format!("{error:#}");
            assert!(
                error.contains("c.toml") && error.contains("--control-socket"),
                "{error}"
            );
        }
    }
}
