//! FreeRADIUS that asks ocspry about the certificates of EAP-TLS clients (RFC 5216 §5.4), as in
//! examples/freeradius-ocsp.conf: who comes in and who does not.
//!
//! It asks with a nonce.  `softfail` forgives a responder that cannot be reached or speaks no OCSP, and nothing else:
//! tryLater keeps everybody out, HTTP 503 does not.

use crate::matrix::{Client, Row};
use crate::scene::{LieRefusals, Nonces, Said, Subject, battery, openssl_reason};
use crate::site::{CONFIGURATION, GOOD};
use crate::tls::{TlsScene, chain, example, key};
use ocspry_testkit::{
    ClosedPort, ForegroundPeer, Lie, OcspryProcess, Peer, Transport, on_free_port, run_bounded,
};
use ocspry_wire::ocsp::OcspRequest;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Longest wait for FreeRADIUS to be ready.
const START_WAIT_MAX: Duration = Duration::from_secs(30);
const SECRET: &str = "between-the-two";

/// What becomes of clients when the responder is no help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SoftFail {
    /// They are kept out, as in the example.
    No,
    /// They are let in.
    Yes,
}

/// What became of a client, and what FreeRADIUS says of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Login {
    /// EAP-Success in an Access-Accept.
    Accepted(String),
    /// EAP-Failure in an Access-Reject.
    Rejected(String),
}

/// FreeRADIUS on a port of its own.
struct FreeRadius {
    port: u16,
    process: ForegroundPeer,
}

impl FreeRadius {
    /// Asking at `url`.
    fn start(tls: &TlsScene, url: &str, softfail: SoftFail) -> FreeRadius {
        on_free_port(Transport::Udp, |port| {
            let place = tls.new_place();
            fs::write(place.join("ocsp.conf"), ocsp_section(url, softfail)).unwrap();
            fs::write(place.join("radiusd.conf"), configuration(tls, &place, port)).unwrap();
            let mut command = Peer::Freeradius.command().expect("looked for before");
            // One process in the foreground that tells all it does.
            let process = ForegroundPeer::start(command.arg("-X").arg("-d").arg(&place));
            let ready = process.wait_for_line("Ready to process requests", START_WAIT_MAX);
            if ready.is_some() {
                return Some(FreeRadius { port, process });
            }
            let clash = process.to_string().contains("Address already in use");
            assert!(clash, "FreeRADIUS is not ready:\n{process}");
            None
        })
    }

    /// A client with this certificate logs in; one for each server, so that what it says is about this one.
    fn login(self, tls: &TlsScene, subject: Subject) -> Login {
        let files = tls.path().display();
        let network = format!(
            "network={{\nkey_mgmt=WPA-EAP\neap=TLS\nidentity=\"somebody\"\nca_cert=\"{files}/root_ca.pem\"\n\
             client_cert=\"{files}/{}\"\nprivate_key=\"{files}/{}\"\n}}\n",
            chain(subject),
            key(subject)
        );
        let place = tls.new_place();
        fs::write(place.join("peer.conf"), network).unwrap();
        let mut command = Peer::EapolTest.command().expect("looked for before");
        command.arg("-c").arg(place.join("peer.conf"));
        command.args(["-a", "127.0.0.1", "-s", SECRET, "-r", "0", "-t", "30"]);
        let run = run_bounded(command.arg("-p").arg(self.port.to_string()));
        let received = |code: &str| run.stdout.contains(&format!("RADIUS message: code={code}"));
        match (run.code, run.stdout.lines().last()) {
            (Some(0), Some("SUCCESS")) if received("2 (Access-Accept)") => {
                Login::Accepted(self.words())
            }
            (Some(_), Some("FAILURE")) if received("3 (Access-Reject)") => {
                Login::Rejected(self.words())
            }
            _ => panic!("{run:?}\n{}", self.process),
        }
    }

    /// What it says of the answer it got, before it tells its client: the last of its lines that is about that, and the
    /// reason that OpenSSL gave it.
    fn words(self) -> String {
        let run = self.process.stop();
        let mut words = run.stdout.lines().filter_map(|line| {
            let (_, words) = line.split_once("eap_tls: ")?;
            let words = words.trim_start_matches("ERROR: ");
            words.strip_prefix("ocsp: ").filter(|words| {
                ["Cert status", "Couldn't", "Response"]
                    .iter()
                    .any(|start| words.starts_with(start))
            })
        });
        let words = words.next_back().map(str::to_owned);
        let all: Vec<String> = words.into_iter().chain(openssl_reason(&run)).collect();
        assert!(!all.is_empty(), "not a word of the answer: {run:?}");
        all.join(": ")
    }
}

fn ocsp_section(url: &str, softfail: SoftFail) -> String {
    let softfail = match softfail {
        SoftFail::No => "softfail = no",
        SoftFail::Yes => "softfail = yes",
    };
    let replacements = [
        ("http://127.0.0.1:8888/", url),
        ("softfail = no", softfail),
        // Nothing here is slow but the machine.
        ("timeout = 2", "timeout = 20"),
    ];
    example("freeradius-ocsp.conf", &replacements)
}

/// The least that does EAP-TLS.
fn configuration(tls: &TlsScene, place: &Path, port: u16) -> String {
    let (directory, files) = (place.display(), tls.path().display());
    let (chain, key) = (chain(Subject::Server), key(Subject::Server));
    format!(
        "\
prefix = /usr
libdir = /usr/lib/freeradius
logdir = {directory}
run_dir = {directory}
raddbdir = {directory}
security {{
  allow_vulnerable_openssl = yes
}}
client test {{
  ipaddr = 127.0.0.1
  secret = {SECRET}
}}
modules {{
  eap {{
    default_eap_type = tls
    tls-config site {{
      certificate_file = {files}/{chain}
      private_key_file = {files}/{key}
      ca_file = {files}/ca_and_root.pem
      tls_min_version = \"1.2\"
      tls_max_version = \"1.2\"
      $INCLUDE {directory}/ocsp.conf
    }}
    tls {{
      tls = site
    }}
  }}
}}
server default {{
  listen {{
    type = auth
    ipaddr = 127.0.0.1
    port = {port}
  }}
  authorize {{
    eap
  }}
  authenticate {{
    eap
  }}
}}
"
    )
}

/// None = not here, or not who logs in.
fn version() -> Option<String> {
    Peer::EapolTest.find()?;
    let line = Peer::Freeradius.version(&["-v"])?;
    // What follows is about the machine it was built on.
    Some(line.split(',').next().unwrap_or_default().to_owned())
}

fn login(tls: &TlsScene, subject: Subject, url: &str, softfail: SoftFail) -> Login {
    FreeRadius::start(tls, url, softfail).login(tls, subject)
}

#[test]
fn freeradius_lets_in_who_is_good_and_with_softfail_everybody_while_nobody_answers() {
    let Some(version) = version() else { return };
    let tls = TlsScene::new();
    Row::of(Client::FreeRadius, &version, |row| {
        let refusals = LieRefusals {
            forged_signature: "Couldn't verify OCSP basic response: signature failure",
            expired: Some("status expired"),
            stranger: "Couldn't verify OCSP basic response: certificate verify error",
            sibling: "Couldn't verify OCSP basic response: root ca not trusted",
        };
        battery(row, &tls.scene, Nonces::Always, refusals, |question| {
            let (subject, url) = (question.subject, question.url);
            let strict = login(&tls, subject, url, SoftFail::No);
            let soft = login(&tls, subject, url, SoftFail::Yes);
            match (strict, soft) {
                (Login::Accepted(words), Login::Accepted(_)) => Said::Good(words),
                (Login::Rejected(words), Login::Rejected(same)) => {
                    assert_eq!(words, same);
                    match words.as_str() {
                        "Cert status: revoked" => Said::Revoked(words),
                        "Cert status: unknown" => {
                            Said::Unknown(format!("Access-Reject, softfail or not: {words}"))
                        }
                        _ => Said::Refused(format!("Access-Reject, softfail or not: {words}")),
                    }
                }
                (Login::Rejected(words), Login::Accepted(_)) => {
                    assert_eq!(words, NO_ANSWER);
                    Said::Refused(format!(
                        "Access-Reject; with softfail Access-Accept: {words}"
                    ))
                }
                other => panic!("softfail keeps out: {other:?}"),
            }
        });
    });
}

/// What FreeRADIUS says when it hears no OCSP at all.
const NO_ANSWER: &str = "Couldn't get OCSP response";

#[test]
fn freeradius_asks_with_a_nonce_and_takes_no_answer_without_it() {
    if version().is_none() {
        return;
    }
    let tls = TlsScene::new();
    let impostor = tls.scene.impostor(Lie::WithoutNonce);
    let refused = Login::Rejected("Response has wrong nonce value".to_owned());
    for softfail in [SoftFail::No, SoftFail::Yes] {
        let seen = login(&tls, Subject::Server, &impostor.url(), softfail);
        assert_eq!(seen, refused, "{softfail:?}");
    }
    let requests = impostor.requests();
    assert_eq!(requests.len(), 2);
    for request in requests {
        let request = OcspRequest::from_der(&request).unwrap();
        assert!(request.nonce.is_some(), "{request:?}");
    }
}

/// The binary with a list that has run out and `unable = "http-503"`.
fn serve_http_503(tls: &TlsScene) -> OcspryProcess {
    let site = &tls.scene.site;
    let configuration = CONFIGURATION.replace("crl.pem", "run-out.pem");
    site.write(
        "unable.toml",
        format!("{configuration}unable = \"http-503\"\n"),
    );
    let serve = site.ocspry().args(["serve", "-c", "unable.toml"]);
    let process = serve.env("STATE_DIRECTORY", site.file("unable")).start();
    let answer = process.connect().post(&site.request(GOOD)).unwrap();
    assert_eq!(answer.status, 503, "{answer:?}");
    process
}

#[test]
fn freeradius_takes_http_503_for_a_responder_that_is_not_there_and_try_later_for_a_no() {
    if version().is_none() {
        return;
    }
    let tls = TlsScene::new();
    let impostor = tls.scene.impostor(Lie::HttpStatus(503));
    let ocspry = serve_http_503(&tls);
    let closed = ClosedPort::new();
    for url in [impostor.url(), ocspry.url(), closed.url()] {
        for (softfail, expected) in [
            (SoftFail::No, Login::Rejected(NO_ANSWER.to_owned())),
            (SoftFail::Yes, Login::Accepted(NO_ANSWER.to_owned())),
        ] {
            let seen = login(&tls, Subject::Server, &url, softfail);
            assert_eq!(seen, expected, "{softfail:?}");
        }
    }
    assert_eq!(impostor.requests().len(), 2);
    let try_later = Login::Rejected("Response status: trylater".to_owned());
    for softfail in [SoftFail::No, SoftFail::Yes] {
        let seen = login(&tls, Subject::Server, &tls.scene.stale.url(), softfail);
        assert_eq!(seen, try_later, "{softfail:?}");
    }
}
