//! Installs what the tests need from Debian's packages.
//!
//! A fresh machine has a Rust toolchain and git; the product's tests talk to real peers.  From: `cargo xtask setup` and
//! `ci`.  To: apt.

use std::process::Command;

use anyhow::{Result, bail};

use crate::step::{find_program, output_of, status_of};

/// Installs the packages whose programs are missing; says what it does, and does nothing when none is.
///
/// # Errors
/// When packages are missing and this is not root or apt is not there, with the line to run instead.
pub(crate) fn install_missing() -> Result<()> {
    let missing: Vec<&Peer> = PEERS
        .iter()
        .filter(|peer| find_program(peer.program).is_none())
        .collect();
    if missing.is_empty() {
        let programs: Vec<&str> = PEERS.iter().map(|peer| peer.program).collect();
        println!("nothing to install: found {}", programs.join(", "));
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|peer| peer.package).collect();
    for peer in &missing {
        println!(
            "missing: {} ({}), from package {}",
            peer.program, peer.purpose, peer.package
        );
    }
    install(&packages)
}

/// Installs Debian packages.
///
/// # Errors
/// When this is not root or apt is not there, with the line to run instead.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    let line = format!("apt-get install -y {}", packages.join(" "));
    if find_program("apt-get").is_none() {
        bail!("apt-get is not on this machine; install the programs above by other means");
    }
    if output_of(Command::new("id").arg("-u"))?.trim() != "0" {
        bail!("installing needs root; run: sudo {line}");
    }
    println!("apt-get update, then {line}");
    status_of(apt().args(["update", "-q"]))?;
    status_of(
        apt()
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(packages),
    )
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// A program that a test starts, and the package it comes in.
struct Peer {
    program: &'static str,
    package: &'static str,
    purpose: &'static str,
}

const PEERS: &[Peer] = &[
    Peer {
        program: "openssl",
        package: "openssl",
        purpose: "OCSP client",
    },
    Peer {
        program: "ocsptool",
        package: "gnutls-bin",
        purpose: "OCSP client of GnuTLS",
    },
    Peer {
        program: "nginx",
        package: "nginx-light",
        purpose: "caching proxy",
    },
    Peer {
        program: "curl",
        package: "curl",
        purpose: "HTTP client",
    },
    Peer {
        program: "ip",
        package: "iproute2",
        purpose: "network namespaces of tests",
    },
    Peer {
        program: "c++",
        package: "g++",
        purpose: "libFuzzer",
    },
];
