//! HAProxy that staples the file beside its certificate, and takes a newer answer by its socket, as in
//! examples/haproxy-stapling.cfg.
//!
//! It looks at status and times, and not at who signed: that is for whoever hands it an answer, as
//! examples/haproxy-staple.sh does, and for the client.

use crate::matrix::{Client, Row};
use crate::scene::Subject;
use crate::tls::{
    Asks, CURL_REVOKED, CURL_UNVERIFIED, Refusal, Refusals, Seen, TlsAddress, TlsScene, Verdict,
    chain, clients_are_here, example, key, stapling_battery,
};
use ocspry_testkit::{ClosedPort, DaemonGuard, Lie, Peer, Run, now, pem, run_bounded};
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus, RevokedInfo};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Longest wait for HAProxy to answer on its own socket.
const SOCKET_WAIT_MAX: Duration = Duration::from_secs(20);

/// A directory with www.pem, for HAProxy to be started in.
struct Place<'a> {
    tls: &'a TlsScene,
    path: PathBuf,
}

/// HAProxy on a socket in such a directory.
struct Haproxy<'a> {
    place: &'a Place<'a>,
    address: TlsAddress,
    warnings: String,
    _guard: DaemonGuard,
}

impl<'a> Place<'a> {
    fn new(tls: &'a TlsScene, subject: Subject) -> Place<'a> {
        let path = tls.new_place();
        let read = |name| fs::read_to_string(tls.file(name)).unwrap();
        fs::write(
            path.join("www.pem"),
            read(chain(subject)) + &read(key(subject)),
        )
        .unwrap();
        Place { tls, path }
    }

    /// Puts an answer beside the certificate.
    fn write_staple(&self, answer: &[u8]) {
        fs::write(self.path.join("www.pem.ocsp"), answer).unwrap();
    }

    fn staple(&self) -> Option<Vec<u8>> {
        fs::read(self.path.join("www.pem.ocsp")).ok()
    }

    /// Runs examples/haproxy-staple.sh, which asks at `url`.
    fn run_script(&self, url: &str) -> Run {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/haproxy-staple.sh"
        );
        let mut command = Command::new("/bin/sh");
        command.args([script, "www.pem", "../intermediate_ca.pem"]);
        command.args(["../root_ca.pem", url, "admin.sock"]);
        run_bounded(command.current_dir(&self.path))
    }

    /// Starts HAProxy.
    fn start(&self) -> Haproxy<'_> {
        let directory = self.path.display();
        let configuration = example(
            "haproxy-stapling.cfg",
            &[
                (
                    "/run/haproxy/admin.sock",
                    &format!("{directory}/admin.sock"),
                ),
                (
                    "bind :443 ssl crt /etc/haproxy/certs/www.pem",
                    &format!("bind unix@{directory}/tls.sock ssl crt {directory}/www.pem"),
                ),
            ],
        );
        fs::write(self.path.join("haproxy.cfg"), configuration).unwrap();
        let pid_file = self.path.join("haproxy.pid");
        let mut command = Peer::Haproxy.command().expect("looked for before");
        command.arg("-D").arg("-p").arg(&pid_file).arg("-f");
        // The parent ends when its child serves.
        let run = run_bounded(command.arg(self.path.join("haproxy.cfg")));
        assert_eq!(run.code, Some(0), "{run:?}");
        Haproxy {
            place: self,
            address: TlsAddress::Socket(self.path.join("tls.sock")),
            warnings: run.stderr,
            _guard: DaemonGuard::new(&pid_file),
        }
    }
}

impl Haproxy<'_> {
    fn look(&self, said: String) -> Seen {
        self.place.tls.look(&self.address, said)
    }

    /// What openssl prints of the staple.
    fn stapled(&self) -> Option<String> {
        self.look(String::new()).printed
    }

    /// Hands over an answer by `set ssl ocsp-response`; returns what HAProxy says.
    fn set(&self, answer: &[u8]) -> String {
        let text: String = pem("OCSP RESPONSE", answer)
            .lines()
            .filter(|line| !line.starts_with('-'))
            .collect();
        let mut socket = UnixStream::connect(self.place.path.join("admin.sock")).unwrap();
        socket.set_read_timeout(Some(SOCKET_WAIT_MAX)).unwrap();
        socket
            .write_all(format!("set ssl ocsp-response {text}\n").as_bytes())
            .unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        reply
    }
}

/// None = not here, or not all that looks at it.
fn version() -> Option<String> {
    clients_are_here()?;
    Peer::Socat.find()?;
    Peer::Haproxy.version(&["-v"])
}

const UPDATED: &str = "OCSP Response updated!";

const REFUSALS: Refusals = Refusals {
    revoked: CURL_REVOKED,
    unknown: Refusal::Server("OCSP single response: certificate status is unknown"),
    forged_signature: CURL_UNVERIFIED,
    expired: Refusal::Server("OCSP single response: no longer valid"),
    stranger: CURL_UNVERIFIED,
    sibling: CURL_UNVERIFIED,
    unauthorized: Refusal::Server("OCSP response status not successful"),
    try_later: Refusal::Server("OCSP response status not successful"),
    asks: Asks::Never,
};

#[test]
fn haproxy_staples_a_file_that_is_not_expired_unknown_or_an_error() {
    let Some(version) = version() else { return };
    let tls = TlsScene::new();
    Row::of(Client::HaproxyFile, &version, |row| {
        stapling_battery(row, &tls, REFUSALS, |subject, url| {
            let place = Place::new(&tls, subject);
            place.write_staple(&tls.fetch(subject, url));
            let haproxy = place.start();
            haproxy.look(haproxy.warnings.clone())
        });
    });
}

#[test]
fn haproxy_takes_an_answer_by_its_socket_that_is_not_expired_unknown_or_an_error() {
    let Some(version) = version() else { return };
    let tls = TlsScene::new();
    Row::of(Client::HaproxySocket, &version, |row| {
        stapling_battery(row, &tls, REFUSALS, |subject, url| {
            let place = Place::new(&tls, subject);
            // Without a file at start HAProxy takes none later; this one says the opposite, so that it is seen to stay or go.
            let first = match subject {
                Subject::Server => Lie::Status(CertStatus::Revoked(revoked())),
                Subject::Revoked => Lie::None,
            };
            let impostor = tls.scene.impostor(first);
            place.write_staple(&tls.fetch(subject, &impostor.url()));
            let haproxy = place.start();
            let before = haproxy.stapled();
            let said = haproxy.set(&tls.fetch(subject, url));
            let seen = haproxy.look(said.clone());
            if said.contains(UPDATED) {
                return seen;
            }
            assert_eq!(
                seen.printed, before,
                "refused, and the old one is gone: {said}"
            );
            Seen {
                verdict: Verdict::nothing_stapled(),
                printed: None,
                said,
            }
        });
    });
}

#[test]
fn the_script_for_haproxy_brings_our_answers_before_the_first_start_and_while_it_runs() {
    if version().is_none() {
        return;
    }
    let tls = TlsScene::new();
    for (subject, status) in [(Subject::Server, "good"), (Subject::Revoked, "revoked")] {
        let place = Place::new(&tls, subject);
        let run = place.run_script(&tls.scene.ocspry.url());
        assert_eq!(run.code, Some(0), "{run:?}");
        let haproxy = place.start();
        assert_eq!(haproxy.warnings, "");
        assert_eq!(haproxy.stapled().as_deref(), Some(status));
        fs::remove_file(place.path.join("www.pem.ocsp")).unwrap();
        let run = place.run_script(&tls.scene.ocspry.url());
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.stdout.contains(UPDATED), "{run:?}");
        assert!(place.staple().is_some());
        assert_eq!(haproxy.stapled().as_deref(), Some(status));
    }
}

#[test]
fn the_script_for_haproxy_takes_no_lie_and_no_silence_and_keeps_the_last_answer() {
    if version().is_none() {
        return;
    }
    let tls = TlsScene::new();
    let place = Place::new(&tls, Subject::Server);
    place.write_staple(&tls.fetch(Subject::Server, &tls.scene.ocspry.url()));
    let (haproxy, kept) = (place.start(), place.staple());
    let assert_refused = |url: &str| {
        let run = place.run_script(url);
        assert_eq!(run.code, Some(1), "{run:?}");
        assert_eq!(place.staple(), kept);
        assert!(!place.path.join("www.pem.ocsp.new").exists());
        assert_eq!(haproxy.stapled().as_deref(), Some("good"));
    };
    for lie in [
        Lie::ForgedSignature,
        Lie::ForeignDelegate,
        tls.scene.sibling_delegate(),
        Lie::Expired,
        Lie::Status(CertStatus::Unknown),
        Lie::ErrorStatus(ErrorStatus::TryLater),
        Lie::ErrorStatus(ErrorStatus::Unauthorized),
        Lie::HttpStatus(503),
    ] {
        let impostor = tls.scene.impostor(lie.clone());
        assert_refused(&impostor.url());
        assert!(!impostor.requests().is_empty(), "{lie:?}: never asked");
    }
    assert_refused(&ClosedPort::new().url());
}

fn revoked() -> RevokedInfo {
    RevokedInfo {
        revocation_time: now().plus_seconds(-3600),
        reason: Some(CrlReason::KeyCompromise),
        invalidity_date: None,
    }
}
