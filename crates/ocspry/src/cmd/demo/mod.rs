//! `ocspry demo`: a throw-away CA with its ledger, served like any other, with the client commands to try.
//!
//! From: `main`.  To: files in a directory (`pki`), then the same path as `serve`.  A second run uses the files of the
//! first, and renews what is over or in the last fifth of its life.

mod pki;

use std::env;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueHint};
use ocspry_core::{Clock, SystemClock};

use self::pki::{CONFIGURATION, DemoPki, INTERMEDIATE, LEDGER, REVOKED, ROOT, SERVER};
use crate::cmd::serve;
use crate::config::{ConfigOrigin, ServeFlags};
use crate::shell;

/// What `demo` can be told.
#[derive(Debug, Args)]
pub(crate) struct DemoFlags {
    /// Directory for the files; they stay, and the next run uses them again
    #[arg(long, value_name = "DIR", default_value = "ocspry-demo", value_hint = ValueHint::DirPath)]
    dir: PathBuf,

    /// Port to listen on at 127.0.0.1; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8888)]
    port: u16,
}

/// Makes or renews the files, then serves them.
///
/// # Errors
/// The directory is somebody else's or cannot be written, or what keeps `serve` from starting.
pub(crate) fn run(flags: &DemoFlags) -> Result<ExitCode> {
    let pki = DemoPki {
        directory: &flags.dir,
        port: flags.port,
        now: SystemClock.now(),
    };
    let made = pki.bring_up_to_date()?;
    let origin = ConfigOrigin::from_flags(ServeFlags {
        config: Some(flags.dir.join(CONFIGURATION)),
        ..ServeFlags::default()
    });
    serve::serve(origin, |addresses| try_it(&flags.dir, &made, addresses))
}

/// The lines to paste, and what they will answer.
fn try_it(directory: &Path, made: &[&str], addresses: &[SocketAddr]) -> String {
    let file = |name: &str| shell::word(&directory.join(name));
    let url = addresses
        .first()
        .map(|address| format!("http://{address}/ocsp"))
        .unwrap_or_default();
    let line = |certificate: &str| {
        format!(
            "openssl ocsp -issuer {} -cert {} -url {url} -nonce -CAfile {}",
            file(INTERMEDIATE.certificate),
            file(certificate),
            file(ROOT.certificate),
        )
    };
    let files = match made {
        [] => format!(
            "The files in {} are those of the run before.",
            directory.display()
        ),
        made => format!("Written to {}: {}.", directory.display(), made.join(", ")),
    };
    // As this program was started: it may lie in no directory of PATH.
    let program = env::args_os().next().unwrap_or_else(|| "ocspry".into());
    let program = shell::word(Path::new(&program));
    let mut text = String::new();
    let _ = write!(
        text,
        "\n{files}\n\nTry it from another terminal in this directory (Ctrl-C here stops):\n\n\
         \x20 {}\n\
         \x20     Response verify OK\n\
         \x20     {}: good\n\n\
         \x20 {}\n\
         \x20     Response verify OK\n\
         \x20     {}: revoked, Reason: keyCompromise\n\n\
         Revoke the first one, and ask for it again:\n\n\
         \x20 {program} cert revoke {} --reason superseded --yes --ledger {}\n\n",
        line(SERVER.certificate),
        directory.join(SERVER.certificate).display(),
        line(REVOKED.certificate),
        directory.join(REVOKED.certificate).display(),
        file(SERVER.certificate),
        file(LEDGER),
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_to_try_are_quoted_and_name_the_real_port() {
        let text = try_it(
            Path::new("my demo"),
            &["crl.pem"],
            &[SocketAddr::from(([127, 0, 0, 1], 4242))],
        );
        let line = "openssl ocsp -issuer 'my demo/intermediate_ca.pem' -cert 'my demo/server.pem' \
                    -url http://127.0.0.1:4242/ocsp -nonce -CAfile 'my demo/root_ca.pem'\n";
        assert!(text.contains(line), "{text}");
    }
}
