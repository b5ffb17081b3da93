//! Where to listen: addresses as people write them.  From: `raw`.  To: `checked`.

use std::fs;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use ipnet::IpNet;
use ocspry_http::{EndpointPaths, TrustedPeers};
use serde::Deserialize;
use toml::Spanned;

use super::checked::Checker;
use super::duration::DurationBounds;
use super::error::ConfigError;
use super::raw::RawListen;
use super::{ADMIN_VARIABLE, Environment};

/// Listens here unless told otherwise.
pub(super) const DEFAULT_HOST: &str = "127.0.0.1";
/// Port 8888: above 1024, so no privilege is needed.
pub(super) const DEFAULT_PORT: u16 = 8888;
/// Proxies commonly wait for a second.
const DEFAULT_PATIENCE: Duration = Duration::from_millis(500);
/// Shorter than one RSA signature takes would be none; longer than answers may take to make would be in vain.
pub(super) const PATIENCE_BOUNDS: DurationBounds = DurationBounds {
    min: Duration::from_millis(10),
    max: Duration::from_secs(5),
    min_text: "10ms",
    max_text: "5s",
};
/// What an address usually is, for suggestions where a part of it is missing.
struct Usual {
    host: &'static str,
    port: u16,
}

/// OCSP is for everybody.
const USUAL_OCSP: Usual = Usual {
    host: "[::]",
    port: DEFAULT_PORT,
};
/// The admin listener is for this machine.
const USUAL_ADMIN: Usual = Usual {
    host: DEFAULT_HOST,
    port: 9560,
};
/// The same as text, for whoever looks for it.
const USUAL_ADMIN_ADDRESS: &str = "127.0.0.1:9560";

/// Where the `serve` of this configuration file has its admin listener, as it stands there or in the environment, which wins;
/// where it usually is, if neither is there.
///
/// # Errors
/// The file cannot be read, is no TOML, or names none.
pub(crate) fn admin_of(config: Option<&Path>, environment: &Environment) -> Result<String> {
    #[derive(Deserialize)]
    struct Keys {
        listen: Option<Listen>,
    }
    #[derive(Deserialize)]
    struct Listen {
        admin: Option<String>,
    }
    if let Some(address) = environment.text(ADMIN_VARIABLE) {
        return Ok(address);
    }
    let Some(config) = config else {
        return Ok(USUAL_ADMIN_ADDRESS.to_owned());
    };
    let unknown = || {
        format!(
            "the admin listener cannot be found by {}: name it with --admin ADDRESS",
            config.display()
        )
    };
    let text = fs::read_to_string(config).with_context(unknown)?;
    let keys: Keys = toml::from_str(&text)
        .map_err(|error| anyhow::anyhow!("{}", error.message()))
        .with_context(unknown)?;
    let address = keys.listen.and_then(|listen| listen.admin);
    address
        .context("it has no listen.admin")
        .with_context(unknown)
}

/// What `[listen]` says.
pub(super) struct Listen {
    pub(super) ocsp: Vec<SocketAddr>,
    pub(super) admin: Option<SocketAddr>,
    pub(super) endpoint_paths: EndpointPaths,
    pub(super) port_sharing: PortSharing,
    pub(super) patience: Duration,
    pub(super) trusted: TrustedPeers,
}

/// Whether two instances may listen on one port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PortSharing {
    /// A second one is told that the port is in use.
    Alone,
    /// It is let in, for as long as both run.
    Beside,
}

impl Checker<'_> {
    /// The addresses of both listeners, where they can be understood, and the paths of the first.
    pub(super) fn listen(&mut self, raw: Option<Spanned<RawListen>>) -> Listen {
        let RawListen {
            ocsp,
            admin,
            admin_exposed,
            endpoint_paths,
            share_port,
            patience,
            trusted,
        } = raw.map(Spanned::into_inner).unwrap_or_default();
        let ocsp = self.ocsp_addresses(ocsp);
        let may_be_exposed = admin_exposed.is_some_and(Spanned::into_inner);
        Listen {
            admin: admin.and_then(|text| self.admin_address(&text, &ocsp, may_be_exposed)),
            ocsp,
            endpoint_paths: self.endpoint_paths(endpoint_paths),
            port_sharing: match share_port.map(Spanned::into_inner) {
                Some(true) => PortSharing::Beside,
                Some(false) | None => PortSharing::Alone,
            },
            patience: patience
                .and_then(|text| self.duration("patience", &text, PATIENCE_BOUNDS))
                .unwrap_or(DEFAULT_PATIENCE),
            trusted: self.trusted(trusted),
        }
    }

    fn trusted(&mut self, peers: Option<Spanned<Vec<Spanned<String>>>>) -> TrustedPeers {
        let peers = peers.map(Spanned::into_inner).unwrap_or_default();
        TrustedPeers::new(peers.iter().filter_map(|text| {
            let network = network(text.get_ref());
            if network.is_none() {
                let text_again = text.get_ref().clone();
                self.problem(text.span(), ConfigError::Trusted { text: text_again });
            }
            network
        }))
    }

    fn endpoint_paths(&mut self, paths: Option<Spanned<Vec<Spanned<String>>>>) -> EndpointPaths {
        let Some(paths) = paths else {
            return EndpointPaths::new([EndpointPaths::DEFAULT]);
        };
        for path in paths.get_ref() {
            if !is_path(path.get_ref()) {
                let text = path.get_ref().clone();
                self.problem(path.span(), ConfigError::EndpointPath { text });
            }
        }
        self.refuse_overlapping(paths.get_ref());
        let paths = paths.get_ref().iter();
        EndpointPaths::new(paths.map(|path| path.get_ref().as_str()))
    }

    /// What lies below two paths would be one issuer's by the one and nobody's by the other.
    fn refuse_overlapping(&mut self, paths: &[Spanned<String>]) {
        let within = |path: &str, other: &str| {
            let (path, other) = (path.trim_matches('/'), other.trim_matches('/'));
            let rest = path.strip_prefix(other);
            rest.is_some_and(|rest| other.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        for (position, path) in paths.iter().enumerate() {
            let text = path.get_ref();
            let mut before = paths[..position].iter().map(Spanned::get_ref);
            let other = before.find(|other| within(text, other) || within(other, text));
            if let Some(other) = other {
                let (text, other) = (text.clone(), other.clone());
                self.problem(
                    path.span(),
                    ConfigError::EndpointPathsOverlap { text, other },
                );
            }
        }
    }

    fn admin_address(
        &mut self,
        text: &Spanned<String>,
        ocsp: &[SocketAddr],
        may_be_exposed: bool,
    ) -> Option<SocketAddr> {
        let address = match resolve(text.get_ref(), &USUAL_ADMIN) {
            Ok(found) => found.first().copied()?,
            Err(error) => {
                self.problem(text.span(), error);
                return None;
            }
        };
        // A wildcard takes every address of its port.
        let overlaps = |other: &SocketAddr| {
            other.port() == address.port()
                && (other.ip() == address.ip()
                    || other.ip().is_unspecified()
                    || address.ip().is_unspecified())
        };
        if address.port() != 0 && ocsp.iter().any(overlaps) {
            let text_again = text.get_ref().clone();
            self.problem(text.span(), ConfigError::AdminOnOcsp { text: text_again });
        }
        if !may_be_exposed && !address.ip().to_canonical().is_loopback() {
            self.problem(text.span(), ConfigError::AdminExposed { address });
        }
        Some(address)
    }

    fn ocsp_addresses(&mut self, ocsp: Option<Spanned<Vec<Spanned<String>>>>) -> Vec<SocketAddr> {
        let Some(ocsp) = ocsp else {
            return vec![SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT))];
        };
        if ocsp.get_ref().is_empty() {
            self.problem(ocsp.span(), ConfigError::NoAddress);
        }
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for text in ocsp.into_inner() {
            let overlapping = |found: &[SocketAddr]| {
                let mut before = addresses.iter().copied();
                before.find(|before| found.iter().any(|address| overlap(*address, *before)))
            };
            match resolve(text.get_ref(), &USUAL_OCSP) {
                Ok(found) if found.iter().any(|address| addresses.contains(address)) => {
                    self.problem(
                        text.span(),
                        ConfigError::DoubledAddress {
                            text: text.get_ref().clone(),
                        },
                    );
                }
                Ok(found) => {
                    if let Some(other) = overlapping(&found) {
                        let text_again = text.get_ref().clone();
                        let error = ConfigError::AddressesOverlap {
                            text: text_again,
                            other,
                        };
                        self.problem(text.span(), error);
                    }
                    addresses.extend(found);
                }
                Err(error) => self.problem(text.span(), error),
            }
        }
        addresses
    }
}

/// The kernel gives the port to one of them: one is all addresses of its family, and `[::]` beside one of IPv4 is all of IPv6.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    one.port() == other.port()
        && one.port() != 0
        && one.is_ipv4() == other.is_ipv4()
        && (one.ip().is_unspecified() || other.ip().is_unspecified())
}

/// An address, or all that begin as one does.
fn network(text: &str) -> Option<IpNet> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).ok()
}

/// A path that no client spells in two ways.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && !text.contains("//")
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "/-_.~".contains(letter))
}

/// An address with a port; a host name becomes all of its addresses.
fn resolve(text: &str, usual: &Usual) -> Result<Vec<SocketAddr>, ConfigError> {
    if let Ok(address) = text.parse() {
        return Ok(vec![address]);
    }
    let refuse = |suggestion| {
        Err(ConfigError::Address {
            text: text.to_owned(),
            suggestion,
        })
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return refuse(Some(SocketAddr::new(address, usual.port).to_string()));
    }
    if let Ok(port) = text.trim_start_matches(['*', ':']).parse::<u16>() {
        return refuse(Some(format!("{}:{port}", usual.host)));
    }
    if let Some(rest) = text.strip_prefix("http://") {
        return refuse(Some(rest.trim_end_matches('/').to_owned()));
    }
    let is_host_and_port = text.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok()
            && !host.is_empty()
            && host
                .chars()
                .all(|letter| letter.is_ascii_alphanumeric() || "-.".contains(letter))
            && host.contains(|letter: char| letter.is_ascii_alphabetic())
    });
    if !is_host_and_port {
        return refuse(None);
    }
    let unresolved = |source| ConfigError::HostUnresolved {
        text: text.to_owned(),
        source,
    };
    let addresses: Vec<SocketAddr> = text.to_socket_addrs().map_err(unresolved)?.collect();
    if addresses.is_empty() {
        return refuse(None);
    }
    Ok(addresses)
}
