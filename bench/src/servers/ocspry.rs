//! ocspry, as `serve` starts with nothing set but files and a port.

use std::time::Instant;

use anyhow::Result;

use super::{Places, Rival, Started, starting, version_of};
use crate::asking::Expected;
use crate::peer_pki::PeerPki;
use crate::server::Server;

pub(super) fn start(pki: &PeerPki, places: &Places) -> Result<Started> {
    let server = Server::ocspry(&places.ocspry, &arguments(pki), pki.directory())?;
    // Before its first answer: what it takes when nobody has asked.
    let idle_kib = server.memory_kib()?;
    pki.checked_answer(server.port)?;
    Ok(Started {
        rival: Rival::Ocspry,
        server,
        expected: Expected::Answer(Rival::Ocspry.nonce_answer()),
        version: version_of(&places.ocspry, "--version"),
        idle_kib,
        behind: Vec::new(),
    })
}

/// One that knows what was issued, and says nothing that it must sign about what was not; and the port of its admin listener.
pub(super) fn start_that_knows_what_was_issued(
    pki: &PeerPki,
    places: &Places,
) -> Result<(Server, u16)> {
    let admin_port = starting::free_port()?;
    let config = pki.path("ocspry.toml");
    std::fs::write(&config, knows_what_was_issued(admin_port))?;
    let arguments = ["serve".to_owned(), format!("--config={}", config.display())];
    let server = Server::ocspry(&places.ocspry, &arguments, pki.directory())?;
    pki.checked_answer(server.port)?;
    Ok((server, admin_port))
}

fn knows_what_was_issued(admin_port: u16) -> String {
    format!(
        r#"version = 1
state-dir = "state"
[listen]
ocsp = ["127.0.0.1:0"]
admin = "127.0.0.1:{admin_port}"
[issuer.bench]
certificate = "ca.pem"
status = [{{ crl = "crl.pem" }}, {{ issued = "index.txt", role = "record" }}]
never-issued = "unauthorized"
responder = {{ certificate = "ocsp.pem", key = "ocsp.key" }}
"#
    )
}

pub(super) fn start_on_both_cores(pki: &PeerPki, places: &Places) -> Result<Server> {
    let server = Server::ocspry_everywhere(&places.ocspry, &arguments(pki), pki.directory())?;
    pki.checked_answer(server.port)?;
    Ok(server)
}

pub(super) fn start_ms(pki: &PeerPki, places: &Places) -> Result<f64> {
    let started = Instant::now();
    let server = Server::ocspry(&places.ocspry, &arguments(pki), pki.directory())?;
    pki.checked_answer(server.port)?;
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

fn arguments(pki: &PeerPki) -> Vec<String> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", pki.path(name).display());
    vec![
        "serve".to_owned(),
        "--port=0".to_owned(),
        file("ca", "ca.pem"),
        file("crl", "crl.pem"),
        file("ocsp-cert", "ocsp.pem"),
        file("ocsp-key", "ocsp.key"),
        file("state-dir", "state"),
    ]
}
