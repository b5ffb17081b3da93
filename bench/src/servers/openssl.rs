//! `openssl ocsp`, which reads the index that `openssl ca` keeps, signs every answer, and closes after each.
//!
//! One process: `-multi 1` would put a parent beside it, which does not end when it is told to.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::{Rival, Started, starting, version_of};
use crate::peer_pki::PeerPki;

pub(super) fn start(pki: &PeerPki) -> Result<Started> {
    let rival = Rival::Openssl;
    let mut command = starting::on_core_0("openssl");
    command
        .args(["ocsp", "-port", "0", "-ignore_err", "-ndays", "1"])
        .arg("-index")
        .arg(pki.path("index.txt"))
        .arg("-CA")
        .arg(pki.path("ca.pem"))
        .arg("-rsigner")
        .arg(pki.path("ocsp.pem"))
        .arg("-rkey")
        .arg(pki.path("ocsp.key"));
    command.stderr(std::fs::File::create(pki.path("openssl.log"))?);
    // With port 0 it says which one it has: `ACCEPT [::]:PORT PID=…`.
    let port_of = |line: &str| {
        let address = line.strip_prefix("ACCEPT ")?.split(' ').next()?;
        address.rsplit(':').next()?.parse().ok()
    };
    let server = starting::says_its_port(rival.name(), &mut command, port_of, |port| {
        pki.checked_answer(port).map(drop)
    })
    .context("openssl ocsp")?;
    Started::alone(rival, server, version_of(Path::new("openssl"), "version"))
}
