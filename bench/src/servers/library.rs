//! ocspry's listener and responder as a library, in a process of its own on core 0, with a key that is told how well it is.
//!
//! It is for what cannot be had of `serve`: a key that waits for a device that it has not.  It is this program once more, as
//! a child, which is told by lines on its standard input.

use std::io::Write as _;
use std::path::Path;
use std::process::{ChildStdin, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use ocspry_core::{
    Clock, Issuer, IssuerSet, OwnedCertificate, Policy, PoolLimits, Responder, ResponderCredential,
    SignError, Signer, SigningPool, SigningSpeed, SourceInfo, StatusTableBuilder, SystemClock,
    ValidityWindow,
};
use ocspry_http::{Limits, Listeners};
use ocspry_testkit::{KeyKind, TestKey};
use ocspry_wire::x509::{SignatureAlgorithm, pem};

use super::starting;
use crate::peer_pki::PeerPki;
use crate::server::Server;

/// The first argument of the child.
pub const VERB: &str = "library";

/// How long a slow key takes for a signature.
pub const SLOW: Duration = Duration::from_millis(200);
/// As `serve` has them with one processor.
const POOL: PoolLimits = PoolLimits {
    threads: 2,
    waiting_max: 512,
    patience: Duration::from_millis(500),
};

/// How well a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHealth {
    /// It signs at once.
    Well,
    /// It takes [`SLOW`].
    Slow,
    /// It does not come back until it is well.
    Hung,
}

impl KeyHealth {
    const ALL: [KeyHealth; 3] = [KeyHealth::Well, KeyHealth::Slow, KeyHealth::Hung];

    fn word(self) -> &'static str {
        match self {
            KeyHealth::Well => "well",
            KeyHealth::Slow => "slow",
            KeyHealth::Hung => "hung",
        }
    }
}

/// The child, as its parent has it.
pub struct Library {
    /// What is put under load.
    pub server: Server,
    told: ChildStdin,
}

impl Library {
    /// Starts it with a key that is well.  The PKI's delegate has a P-256 key.
    pub fn start(pki: &PeerPki) -> Result<Library> {
        let mut command = starting::on_core_0(std::env::current_exe()?);
        command.arg(VERB).arg(pki.directory()).stdin(Stdio::piped());
        let port_of = |line: &str| line.trim().parse().ok();
        let mut server =
            starting::says_its_port("ocspry as a library", &mut command, port_of, |port| {
                pki.checked_answer(port).map(drop)
            })?;
        let told = server.take_stdin().context("piped")?;
        Ok(Library { server, told })
    }

    /// Tells its key.
    pub fn key_becomes(&mut self, health: KeyHealth) -> Result<()> {
        writeln!(self.told, "{}", health.word()).context("the library")
    }
}

/// The child: says its port, and answers until its parent is gone.
pub fn serve(directory: &Path) -> Result<()> {
    let key = Arc::new(WaitingKey::read(&directory.join("ocsp.key"))?);
    let pool = SigningPool::start(POOL, || {})?;
    let issuers = IssuerSet::new(vec![Arc::new(issuer(directory, Arc::clone(&key))?)])?;
    let responder = Arc::new(ArcSwap::from_pointee(Responder::new(issuers, pool)));
    let listeners = Listeners::bind(&[([127, 0, 0, 1], 0).into()], 1)?;
    let clock = Arc::new(SystemClock);
    let server = ocspry_http::Server::start(listeners, responder, clock, Limits::DEFAULT)?;
    let address = server.local_addresses().first().context("one address")?;
    println!("{}", address.port());
    for line in std::io::stdin().lines() {
        let line = line?;
        let health = KeyHealth::ALL.into_iter().find(|one| one.word() == line);
        key.becomes(health.with_context(|| format!("{line}: no word for a key"))?);
    }
    Ok(())
}

/// The CA of the PKI with a list that revokes nothing.
fn issuer(directory: &Path, key: Arc<WaitingKey>) -> Result<Issuer> {
    let now = SystemClock.now();
    let authority = certificate(&directory.join("ca.pem"))?;
    let issuer = Issuer::new("bench".to_owned(), authority, Policy::DEFAULT);
    let delegate = certificate(&directory.join("ocsp.pem"))?;
    let (credential, _) = ResponderCredential::delegated(delegate, key, &issuer, now)?;
    issuer.set_credential(Some(Arc::new(credential)));
    let window = ValidityWindow {
        this_update: now.plus_seconds(-60),
        next_update: now.plus_seconds(86_400),
    };
    let source = SourceInfo {
        origin: "nothing is revoked".to_owned(),
        crl_number: None,
        digest: [0; 32],
        signature_algorithm: None,
    };
    let table = StatusTableBuilder::revoked_only().build(window, source);
    issuer.set_table(Some(Arc::new(table)));
    Ok(issuer)
}

fn certificate(path: &Path) -> Result<OwnedCertificate> {
    let certificate = OwnedCertificate::from_der(der(path)?);
    certificate.with_context(|| path.display().to_string())
}

fn der(path: &Path) -> Result<Vec<u8>> {
    let text = std::fs::read(path).with_context(|| path.display().to_string())?;
    let block = pem::blocks(&text)?.pop();
    Ok(block.with_context(|| path.display().to_string())?.der)
}

/// A key that signs when it may, on the threads for slow keys.
struct WaitingKey {
    key: TestKey,
    public_key_info: Vec<u8>,
    health: Mutex<KeyHealth>,
    changed: Condvar,
}

impl WaitingKey {
    fn read(path: &Path) -> Result<WaitingKey> {
        let key = TestKey::from_pkcs8_der(&der(path)?, KeyKind::P256);
        Ok(WaitingKey {
            public_key_info: key.public_key_info(),
            key,
            health: Mutex::new(KeyHealth::Well),
            changed: Condvar::new(),
        })
    }

    fn becomes(&self, health: KeyHealth) {
        *self.health() = health;
        self.changed.notify_all();
    }

    fn health(&self) -> MutexGuard<'_, KeyHealth> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Comes back when it is well, or when a slow one has taken its time.
    fn wait(&self) {
        let health = self.health();
        match *health {
            KeyHealth::Well => {}
            KeyHealth::Slow => {
                let is_slow = |health: &mut KeyHealth| *health == KeyHealth::Slow;
                drop(self.changed.wait_timeout_while(health, SLOW, is_slow));
            }
            KeyHealth::Hung => {
                let is_hung = |health: &mut KeyHealth| *health == KeyHealth::Hung;
                drop(self.changed.wait_while(health, is_hung));
            }
        }
    }
}

impl Signer for WaitingKey {
    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.kind().signature_algorithm()
    }

    fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }

    fn speed(&self) -> SigningSpeed {
        SigningSpeed::Queued
    }

    fn sign(
        &self,
        algorithm: SignatureAlgorithm,
        message: &[u8],
        signature: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        self.wait();
        signature.extend_from_slice(&self.key.sign_with(algorithm, message));
        Ok(())
    }
}
