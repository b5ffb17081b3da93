//! nginx that asks ocspry and staples what it hears, as in examples/nginx-stapling.conf; and nginx that staples a file
//! unseen, for the clients behind it to judge.
//!
//! nginx asks when somebody shakes hands, and staples from then on.

use crate::matrix::{Client, Occasion, PLAIN, Row, Situation};
use crate::scene::Subject;
use crate::tls::{
    Asks, CURL_REVOKED, CURL_UNKNOWN, CURL_UNVERIFIED, Refusal, Refusals, Seen, TlsAddress,
    TlsScene, Verdict, chain, clients_are_here, example, key, stapling_battery,
};
use ocspry_testkit::{
    DaemonGuard, Lie, Peer, nginx_configuration, run_bounded, wait_for_some, wait_until,
};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longest wait for nginx to have asked, and to staple or say why not.
const ASK_WAIT_MAX: Duration = Duration::from_secs(20);

/// nginx on a socket, in a directory of its own.
struct Nginx {
    place: PathBuf,
    address: TlsAddress,
    _guard: DaemonGuard,
}

impl Nginx {
    /// With a line of configuration in place of the one that says whom to ask.
    fn start(tls: &TlsScene, subject: Subject, whom_to_ask: &str) -> Nginx {
        let place = tls.new_place();
        let (directory, files) = (place.display(), tls.path().display());
        let www = example(
            "nginx-stapling.conf",
            &[
                ("listen 443 ", &format!("listen unix:{directory}/tls.sock ")),
                (
                    "/etc/ssl/www/chain.pem",
                    &format!("{files}/{}", chain(subject)),
                ),
                ("/etc/ssl/www/key.pem", &format!("{files}/{}", key(subject))),
                (
                    "/etc/ssl/www/ca_and_root.pem",
                    &format!("{files}/ca_and_root.pem"),
                ),
                (
                    "ssl_stapling_responder http://127.0.0.1:8888/;",
                    whom_to_ask,
                ),
            ],
        );
        fs::write(place.join("www.conf"), www).unwrap();
        let http = format!("access_log off;\ninclude {directory}/www.conf;");
        let all = nginx_configuration(&place, "nginx.pid", &http);
        fs::write(place.join("nginx.conf"), all).unwrap();
        let mut command = Peer::Nginx.command().expect("looked for before");
        command
            .arg("-p")
            .arg(&place)
            .args(["-e", "error.log", "-c"]);
        // The parent ends when its workers listen.
        let run = run_bounded(command.arg(place.join("nginx.conf")));
        assert_eq!(run.code, Some(0), "{run:?}");
        Nginx {
            address: TlsAddress::Socket(place.join("tls.sock")),
            _guard: DaemonGuard::new(&place.join("nginx.pid")),
            place,
        }
    }

    /// Shakes hands until something is stapled or nginx says why nothing is, and looks at it then.
    fn look(&self, tls: &TlsScene) -> Seen {
        wait_for_some(ASK_WAIT_MAX, || {
            let stapled = tls.curl(&self.address) != Verdict::nothing_stapled();
            let refused = log(&self.place).contains("requesting certificate status");
            (stapled || refused).then_some(())
        })
        .unwrap_or_else(|| panic!("nginx does not ask: {}", log(&self.place)));
        tls.look(&self.address, log(&self.place))
    }
}

fn log(place: &Path) -> String {
    fs::read_to_string(place.join("error.log")).unwrap_or_default()
}

#[test]
fn nginx_staples_good_answers_and_no_others() {
    let Some(version) = Peer::Nginx.version(&["-v"]) else {
        return;
    };
    if clients_are_here().is_none() {
        return;
    }
    let tls = TlsScene::new();
    let refusals = Refusals {
        revoked: Refusal::Server("certificate status \"revoked\" in the OCSP response"),
        unknown: Refusal::Server("certificate status \"unknown\" in the OCSP response"),
        forged_signature: Refusal::Server("OCSP routines::signature failure"),
        expired: Refusal::Server("OCSP routines::status expired"),
        stranger: Refusal::Server("unable to get local issuer certificate"),
        sibling: Refusal::Server("OCSP routines::root ca not trusted"),
        unauthorized: Refusal::Server("OCSP response not successful (6: unauthorized)"),
        try_later: Refusal::Server("OCSP response not successful (3: trylater)"),
        asks: Asks::Itself {
            refused_connection: Refusal::Server("Connection refused"),
        },
    };
    Row::of(Client::Nginx, &version, |row| {
        stapling_battery(row, &tls, refusals, |subject, url| {
            Nginx::start(&tls, subject, &format!("ssl_stapling_responder {url};")).look(&tls)
        });
    });
}

#[test]
fn nginx_staples_nothing_after_http_503() {
    if clients_are_here()
        .and_then(|()| Peer::Nginx.find())
        .is_none()
    {
        return;
    }
    let tls = TlsScene::new();
    let impostor = tls.scene.impostor(Lie::HttpStatus(503));
    let line = format!("ssl_stapling_responder {};", impostor.url());
    let nginx = Nginx::start(&tls, Subject::Server, &line);
    // That it has asked is all there is to wait for.
    wait_until("nginx asks", ASK_WAIT_MAX, || {
        assert_eq!(tls.curl(&nginx.address), Verdict::nothing_stapled());
        !impostor.requests().is_empty()
    });
    assert_eq!(tls.curl(&nginx.address), Verdict::nothing_stapled());
    assert_eq!(log(&nginx.place), "", "the guide says that it logs nothing");
}

/// What is seen of the answer at `url`, stapled by nginx from a file.
fn staple_unseen(tls: &TlsScene, subject: Subject, url: &str) -> Seen {
    let staple = tls.new_place().join("staple.der");
    fs::write(&staple, tls.fetch(subject, url)).unwrap();
    let line = format!("ssl_stapling_file {};", staple.display());
    let nginx = Nginx::start(tls, subject, &line);
    tls.look(&nginx.address, String::new())
}

#[test]
fn curl_accepts_a_staple_that_is_good_and_no_other() {
    let Some(version) = Peer::Curl.version(&["--version"]) else {
        return;
    };
    if clients_are_here()
        .and_then(|()| Peer::Nginx.find())
        .is_none()
    {
        return;
    }
    // What follows is a list of libraries.
    let version = version.split(" (").next().unwrap_or_default();
    let tls = TlsScene::new();
    let refusals = Refusals {
        revoked: CURL_REVOKED,
        unknown: CURL_UNKNOWN,
        forged_signature: CURL_UNVERIFIED,
        expired: Refusal::Client("good", "OCSP response has expired"),
        stranger: CURL_UNVERIFIED,
        sibling: CURL_UNVERIFIED,
        unauthorized: Refusal::Client(
            "unauthorized (0x6)",
            "Invalid OCSP response status: unauthorized (6)",
        ),
        try_later: Refusal::Client(
            "trylater (0x3)",
            "Invalid OCSP response status: trylater (3)",
        ),
        asks: Asks::Never,
    };
    Row::of(Client::Curl, version, |row| {
        stapling_battery(row, &tls, refusals, |subject, url| {
            staple_unseen(&tls, subject, url)
        });
    });
}

#[test]
fn openssl_s_client_prints_the_status_in_a_staple_and_judges_none() {
    let Some(version) = Peer::Openssl.version(&["version"]) else {
        return;
    };
    if clients_are_here()
        .and_then(|()| Peer::Nginx.find())
        .is_none()
    {
        return;
    }
    let tls = TlsScene::new();
    let printed = |subject, url: &str| staple_unseen(&tls, subject, url).printed;
    Row::of(Client::OpensslTls, &version, |row| {
        for (situation, subject, url, status) in [
            (
                Situation::Good,
                Subject::Server,
                tls.scene.ocspry.url(),
                "good",
            ),
            (
                Situation::Revoked,
                Subject::Revoked,
                tls.scene.ocspry.url(),
                "revoked",
            ),
            (
                Situation::Unknown,
                Subject::Server,
                tls.scene.unknowing.url(),
                "unknown",
            ),
        ] {
            row.cell(situation, || {
                assert_eq!(printed(subject, &url).as_deref(), Some(status));
                PLAIN
            });
        }
        for situation in [
            Situation::ForgedSignature,
            Situation::Expired,
            Situation::ForeignDelegate,
        ] {
            row.impossible(situation, "it prints the staple and checks nothing of it");
        }
        for (occasion, url) in [
            (Occasion::Unknown, tls.scene.unknowing.url()),
            (Occasion::Unauthorized, tls.scene.elsewhere.url()),
            (Occasion::TryLater, tls.scene.stale.url()),
        ] {
            row.reaction(occasion, || {
                let status = printed(Subject::Server, &url);
                format!("goes on, and prints {}", status.unwrap())
            });
        }
        for occasion in [Occasion::NoNonce, Occasion::RefusedConnection] {
            row.reaction(occasion, || "never asks".to_owned());
        }
    });
}
