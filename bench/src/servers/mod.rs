//! Who is measured: ocspry, other people's responders, nginx in front of one, and a floor, each started on core 0.
//!
//! One file for each says how it is started, as its own documentation would have it in production with as many workers as there
//! are cores.  A server counts as started when a client accepts its answer.  From: `PeerPki`.  To: `Server`s to put loads on.

mod cfssl;
mod django_ca;
pub mod epoll_floor;
pub mod library;
mod nginx;
mod ocspry;
mod openssl;
mod pyca;
mod starting;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use ocspry_testkit::KeyKind;

use crate::asking::{Expected, Load, NonceAnswer};
use crate::peer_pki::PeerPki;
use crate::server::Server;

/// Who is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rival {
    /// The product.
    Ocspry,
    /// A loop over epoll that answers the same octets to everything: the floor.
    EpollFloor,
    /// nginx answering as many octets from its configuration.
    NginxReturn,
    /// nginx serving the answer from a file.
    NginxFile,
    /// nginx with a cache in front of the Python responder.
    NginxProxyCache,
    /// `cfssl ocspserve`, which hands out answers that were signed before.
    Cfssl,
    /// `openssl ocsp`.
    Openssl,
    /// A small threaded responder in Python with pyca/cryptography.
    Pyca,
    /// The OCSP view of django-ca.
    DjangoCa,
}

impl Rival {
    /// All of them, in the order of the tables.
    pub const ALL: [Rival; 9] = [
        Rival::Ocspry,
        Rival::EpollFloor,
        Rival::NginxReturn,
        Rival::NginxFile,
        Rival::NginxProxyCache,
        Rival::Cfssl,
        Rival::Openssl,
        Rival::Pyca,
        Rival::DjangoCa,
    ];

    /// What tables and `--only` call it.
    pub fn name(self) -> &'static str {
        match self {
            Rival::Ocspry => "ocspry",
            Rival::EpollFloor => "epoll floor",
            Rival::NginxReturn => "nginx return",
            Rival::NginxFile => "nginx file",
            Rival::NginxProxyCache => "nginx proxy_cache",
            Rival::Cfssl => "cfssl ocspserve",
            Rival::Openssl => "openssl ocsp",
            Rival::Pyca => "pyca",
            Rival::DjangoCa => "django-ca",
        }
    }

    /// Whether it can be asked so.
    pub fn takes(self, load: Load, kind: KeyKind) -> bool {
        let nonce = matches!(load, Load::NoncePost | Load::NoncePostOnce);
        match self {
            Rival::Ocspry | Rival::Pyca | Rival::EpollFloor => true,
            // It takes the slash before the base64 of a GET for a part of it, and refuses every one.
            Rival::Cfssl => load != Load::CachedGet,
            // An answer from a configuration or a file has no nonce, and its peers are the cached ones.
            Rival::NginxReturn => !nonce,
            // It refuses to serve a file for a POST.
            Rival::NginxFile => load == Load::CachedGet,
            // Every nonce would be a question of its own to the one behind it.
            Rival::NginxProxyCache => !nonce,
            // It has no keep-alive.
            Rival::Openssl => load == Load::NoncePostOnce,
            // It signs with the hash of the delegate's certificate, which an Ed25519 key cannot.
            Rival::DjangoCa => kind != KeyKind::Ed25519,
        }
    }

    /// What it does with a nonce.
    pub fn nonce_answer(self) -> NonceAnswer {
        match self {
            Rival::Ocspry | Rival::Openssl | Rival::Pyca | Rival::DjangoCa => NonceAnswer::Echoed,
            Rival::EpollFloor
            | Rival::NginxReturn
            | Rival::NginxFile
            | Rival::NginxProxyCache
            | Rival::Cfssl => NonceAnswer::Ignored,
        }
    }
}

/// A rival that answers.
pub struct Started {
    /// Who.
    pub rival: Rival,
    /// What is put under load.
    pub server: Server,
    /// What a right body is.
    pub expected: Expected,
    /// Its version, as it tells it.
    pub version: String,
    /// Memory of all its processes before any load.
    pub idle_kib: u64,
    /// Others that it cannot do without, and that are not counted.
    pub behind: Vec<Server>,
}

impl Started {
    /// One that answers what it is asked, whose memory is what it has now, and that needs nobody else.
    fn alone(rival: Rival, server: Server, version: String) -> Result<Started> {
        Ok(Started {
            rival,
            idle_kib: server.memory_kib()?,
            server,
            expected: Expected::Answer(rival.nonce_answer()),
            version,
            behind: Vec::new(),
        })
    }
}

/// A rival that is not measured, and why.
pub struct Absent {
    /// Who.
    pub rival: Rival,
    /// Why not.
    pub why: String,
}

/// Where things are.
pub struct Places {
    /// The ocspry under test.
    pub ocspry: PathBuf,
    /// bench/rivals.
    pub rivals: PathBuf,
    /// The Python that has the packages of rivals/requirements.txt.
    pub python: PathBuf,
}

/// Starts those that are wanted; ocspry is always there, since the others serve its answer.  One that does not come up is
/// absent, with its reason.
///
/// # Errors
/// When ocspry or the floor does not start.
pub fn start(
    pki: &PeerPki,
    places: &Places,
    wanted: &[Rival],
) -> Result<(Vec<Started>, Vec<Absent>)> {
    let mut started = vec![ocspry::start(pki, places)?];
    let mut absent = Vec::new();
    let answer = pki.checked_answer(started[0].server.port)?;
    if wanted.contains(&Rival::EpollFloor) {
        started.push(epoll_floor::start(pki, &answer)?);
    }
    let nginx: Vec<Rival> = wanted
        .iter()
        .copied()
        .filter(|rival| nginx::IS.contains(rival))
        .collect();
    match nginx::start(pki, places, &nginx, &answer) {
        Ok(places) => started.extend(places),
        Err(error) => absent.extend(nginx.into_iter().map(|rival| Absent {
            rival,
            why: format!("{error:#}"),
        })),
    }
    for &rival in wanted {
        let result = match rival {
            Rival::Cfssl => cfssl::start(pki, &answer),
            Rival::Openssl => openssl::start(pki),
            Rival::Pyca => pyca::start(pki, places),
            Rival::DjangoCa => django_ca::start(pki, places),
            Rival::Ocspry
            | Rival::EpollFloor
            | Rival::NginxReturn
            | Rival::NginxFile
            | Rival::NginxProxyCache => continue,
        };
        match result {
            Ok(one) => started.push(one),
            Err(error) => absent.push(Absent {
                rival,
                why: format!("{error:#}"),
            }),
        }
    }
    started.sort_by_key(|one| one.rival);
    Ok((started, absent))
}

/// ocspry on core 0, for its own sake.
pub fn ocspry_start(pki: &PeerPki, places: &Places) -> Result<Server> {
    Ok(ocspry::start(pki, places)?.server)
}

/// ocspry on core 0 where it is known what was issued, and nothing is signed about what was not; and the port of its admin
/// listener.
pub fn ocspry_that_knows_what_was_issued(pki: &PeerPki, places: &Places) -> Result<(Server, u16)> {
    ocspry::start_that_knows_what_was_issued(pki, places)
}

/// ocspry on both cores.
pub fn ocspry_on_both_cores(pki: &PeerPki, places: &Places) -> Result<Server> {
    ocspry::start_on_both_cores(pki, places)
}

/// From `exec` of ocspry to the first answer that a client accepts.
pub fn ocspry_start_ms(pki: &PeerPki, places: &Places) -> Result<f64> {
    ocspry::start_ms(pki, places)
}

fn directory_of(pki: &PeerPki, name: &str) -> Result<PathBuf> {
    let directory = pki.path(name);
    std::fs::create_dir_all(&directory)?;
    Ok(directory)
}

fn version_of(program: &Path, argument: &str) -> String {
    said(Command::new(program).arg(argument))
}

/// The first line that a command prints, on whichever stream.
fn said(command: &mut Command) -> String {
    let Ok(output) = command.output() else {
        return "unknown".to_owned();
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let line = said.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or("unknown").trim().to_owned()
}
