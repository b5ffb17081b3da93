//! `cfssl ocspserve`, which hands out the answers of a file by serial number; here those that ocspry has signed.

use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Rival, Started, directory_of, starting, version_of};
use crate::peer_pki::PeerPki;

pub(super) fn start(pki: &PeerPki, answer: &[u8]) -> Result<Started> {
    let rival = Rival::Cfssl;
    let directory = directory_of(pki, "cfssl")?;
    let responses = directory.join("responses");
    std::fs::write(&responses, STANDARD.encode(answer) + "\n")?;
    let command = |port: u16| {
        let mut command = starting::on_core_0("cfssl");
        // A line for each request would be its access log.
        command.args(["ocspserve", "-loglevel", "3", "-port", &port.to_string()]);
        command.arg("-responses").arg(&responses);
        Ok(command)
    };
    let server =
        starting::on_a_free_port(rival.name(), &directory.join("output"), command, |port| {
            pki.checked_answer(port).map(drop)
        })
        .context("cfssl ocspserve (Debian package golang-cfssl)")?;
    Started::alone(
        rival,
        server,
        format!("cfssl {}", version_of(Path::new("cfssl"), "version")),
    )
}
