//! The small responder in Python of `bench/rivals`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Places, Rival, Started, said, starting};
use crate::peer_pki::PeerPki;

pub(super) fn start(pki: &PeerPki, places: &Places) -> Result<Started> {
    let rival = Rival::Pyca;
    let mut command = starting::on_core_0(&places.python);
    command
        .arg(places.rivals.join("pyca_responder.py"))
        .arg(pki.directory());
    command.stderr(std::fs::File::create(pki.path("pyca.log"))?);
    let port_of = |line: &str| line.trim().parse().ok();
    let server = starting::says_its_port(rival.name(), &mut command, port_of, |port| {
        pki.checked_answer(port).map(drop)
    })
    .context("the Python responder")?;
    Started::alone(rival, server, version(&places.python))
}

fn version(python: &Path) -> String {
    let line = "import cryptography, platform; \
                print('Python', platform.python_version(), 'cryptography', cryptography.__version__)";
    said(Command::new(python).args(["-c", line]))
}
