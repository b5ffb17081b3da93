//! Apache httpd that asks ocspry and staples what it hears, as in examples/apache-stapling.conf.
//!
//! mod_ssl asks within the handshake.  It looks at status and times and not at who signed; `revoked` and `unknown` it
//! staples, and says so in its log.

use crate::matrix::{Client, Row};
use crate::scene::Subject;
use crate::tls::{
    Asks, CURL_REVOKED, CURL_UNKNOWN, CURL_UNVERIFIED, Refusal, Refusals, Seen, TlsAddress,
    TlsScene, chain, clients_are_here, example, key, stapling_battery,
};
use ocspry_testkit::{
    ClosedPort, ForegroundPeer, Lie, Peer, Transport, on_free_port, wait_for_some,
};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for Apache to listen.
const START_WAIT_MAX: Duration = Duration::from_secs(20);

/// Apache on a port, in a directory of its own.
struct Apache {
    place: PathBuf,
    address: TlsAddress,
    _process: ForegroundPeer,
}

/// How much of the example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Example {
    /// All of it.
    Whole,
    /// Without the two lines that change what Apache does by default.
    WithoutLastLines,
}

impl Apache {
    /// Asking at `url`.
    fn start(tls: &TlsScene, subject: Subject, url: &str, how_much: Example) -> Apache {
        on_free_port(Transport::Tcp, |port| {
            let place = tls.new_place();
            let text = configuration(tls, &place, subject, url, how_much, port);
            fs::write(place.join("apache.conf"), text).unwrap();
            let mut command = Peer::Apache.command().expect("looked for before");
            // One process that stays in the foreground and has no children.
            command.arg("-X").arg("-f").arg(place.join("apache.conf"));
            let mut process = ForegroundPeer::start(&mut command);
            let listens = wait_for_some(START_WAIT_MAX, || {
                if process.has_ended() {
                    return Some(false);
                }
                TcpStream::connect(("127.0.0.1", port)).ok().map(|_| true)
            });
            if listens == Some(true) {
                return Some(Apache {
                    place,
                    address: TlsAddress::Port(port),
                    _process: process,
                });
            }
            let clash = process.to_string().contains("Address already in use");
            assert!(clash, "Apache does not listen: {process}\n{}", log(&place));
            None
        })
    }

    fn look(&self, tls: &TlsScene) -> Seen {
        let seen = tls.look(&self.address, String::new());
        Seen {
            said: log(&self.place),
            ..seen
        }
    }
}

fn log(place: &Path) -> String {
    fs::read_to_string(place.join("error.log")).unwrap_or_default()
}

fn configuration(
    tls: &TlsScene,
    place: &Path,
    subject: Subject,
    url: &str,
    how_much: Example,
    port: u16,
) -> String {
    let (directory, files) = (place.display(), tls.path().display());
    let mut www = example(
        "apache-stapling.conf",
        &[
            ("${APACHE_RUN_DIR}", &directory.to_string()),
            ("*:443", &format!("127.0.0.1:{port}")),
            (
                "/etc/ssl/www/chain.pem",
                &format!("{files}/{}", chain(subject)),
            ),
            ("/etc/ssl/www/key.pem", &format!("{files}/{}", key(subject))),
            ("http://127.0.0.1:8888/", url),
        ],
    );
    if how_much == Example::WithoutLastLines {
        for line in [
            "SSLStaplingReturnResponderErrors off",
            "SSLStaplingFakeTryLater off",
        ] {
            assert!(www.contains(line), "the example has changed");
            www = www.replace(line, "");
        }
    }
    let modules: String = [
        ("mpm_event_module", "mod_mpm_event.so"),
        ("authz_core_module", "mod_authz_core.so"),
        ("socache_shmcb_module", "mod_socache_shmcb.so"),
        ("ssl_module", "mod_ssl.so"),
    ]
    .iter()
    .map(|(name, file)| format!("LoadModule {name} /usr/lib/apache2/modules/{file}\n"))
    .collect();
    format!(
        "ServerRoot {directory}\nServerName www.example.com\nDefaultRuntimeDir {directory}\n\
         PidFile {directory}/apache.pid\nErrorLog {directory}/error.log\nMutex file:{directory} default\n\
         User nobody\nGroup nogroup\n{modules}Listen 127.0.0.1:{port}\n{www}"
    )
}

/// None = not here, or not all that looks at it.
fn version() -> Option<String> {
    clients_are_here()?;
    Peer::Apache.version(&["-v"])
}

#[test]
fn apache_staples_what_it_hears_but_errors_and_expired_answers() {
    let Some(version) = version() else { return };
    let tls = TlsScene::new();
    let refusals = Refusals {
        revoked: CURL_REVOKED,
        unknown: CURL_UNKNOWN,
        forged_signature: CURL_UNVERIFIED,
        expired: Refusal::Server("stapling_check_response: response times invalid"),
        stranger: CURL_UNVERIFIED,
        sibling: CURL_UNVERIFIED,
        unauthorized: Refusal::SilentServer,
        try_later: Refusal::SilentServer,
        asks: Asks::Itself {
            refused_connection: Refusal::Server("could not connect to OCSP responder"),
        },
    };
    Row::of(Client::Apache, &version, |row| {
        stapling_battery(row, &tls, refusals, |subject, url| {
            Apache::start(&tls, subject, url, Example::Whole).look(&tls)
        });
    });
}

#[test]
fn apache_staples_nothing_after_http_503() {
    if version().is_none() {
        return;
    }
    let tls = TlsScene::new();
    let impostor = tls.scene.impostor(Lie::HttpStatus(503));
    let seen = Apache::start(&tls, Subject::Server, &impostor.url(), Example::Whole).look(&tls);
    assert_eq!(seen.printed, None, "{seen:?}");
    let words = "bad response from OCSP server: 503";
    assert!(seen.said.contains(words), "{seen:?}");
}

#[test]
fn apache_says_in_its_log_that_its_own_certificate_is_revoked() {
    if version().is_none() {
        return;
    }
    let tls = TlsScene::new();
    let url = tls.scene.ocspry.url();
    let seen = Apache::start(&tls, Subject::Revoked, &url, Example::Whole).look(&tls);
    let words = "response has certificate status revoked (reason: keyCompromise)";
    assert!(seen.said.contains(words), "{seen:?}");
}

#[test]
fn apache_without_the_last_two_lines_of_the_example_staples_errors_and_makes_one_up() {
    if version().is_none() {
        return;
    }
    let tls = TlsScene::new();
    let printed = |url: &str| {
        Apache::start(&tls, Subject::Server, url, Example::WithoutLastLines)
            .look(&tls)
            .printed
    };
    let unauthorized = printed(&tls.scene.elsewhere.url());
    assert_eq!(unauthorized.as_deref(), Some("unauthorized (0x6)"));
    let made_up = printed(&ClosedPort::new().url());
    assert_eq!(made_up.as_deref(), Some("trylater (0x3)"));
}
