//! A site with a TLS server that staples, the two clients that look at a staple, and the battery that every such server
//! passes (RFC 6066 §8).
//!
//! A server may refuse to staple an answer, or staple it and leave the refusal to the client: the battery says who it has
//! to be.  From: the modules of the servers.  To: `matrix`, by `scene`.

use crate::matrix::{Note, Occasion, PLAIN, Row, Situation};
use crate::scene::{Scene, Subject};
use crate::site::{GOOD, REVOKED};
use ocspry_testkit::{
    CertificateSpec, ClosedPort, HttpClient, KeyKind, Lie, Peer, RequestSpec, cert_id, pem,
    run_bounded,
};
use ocspry_wire::ocsp::{HashAlgorithm, OcspRequest};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The name in every server's certificate.
const HOST: &str = "www.example.com";

/// A scene, and beside its files: chain.pem and key.pem of a good certificate, revoked-chain.pem and revoked-key.pem of a
/// revoked one, ca_and_root.pem.
pub(crate) struct TlsScene {
    pub(crate) scene: Scene,
    places: AtomicUsize,
}

impl TlsScene {
    /// With fresh keys.
    pub(crate) fn new() -> TlsScene {
        let scene = Scene::new();
        let site = &scene.site;
        let ca = site.ca.certificate_pem();
        site.write(
            "ca_and_root.pem",
            format!("{ca}{}", site.root.certificate_pem()),
        );
        for subject in [Subject::Server, Subject::Revoked] {
            let mut spec = CertificateSpec::server(HOST);
            spec.serial = Some(serial(subject).to_vec());
            // For servers and for clients.
            spec.ext_key_usage = Vec::new();
            let credential = site.ca.issue_with_key(&spec, KeyKind::P256);
            let certificate = pem("CERTIFICATE", &credential.certificate);
            site.write(chain(subject), format!("{certificate}{ca}"));
            site.write(key(subject), credential.key.pkcs8_pem());
        }
        TlsScene {
            scene,
            places: AtomicUsize::new(0),
        }
    }

    /// A directory in it that nobody has used yet.
    pub(crate) fn new_place(&self) -> PathBuf {
        let number = self.places.fetch_add(1, Ordering::Relaxed);
        let place = self.file(&format!("place-{number}"));
        std::fs::create_dir(&place).unwrap();
        place
    }

    /// The directory of its files.
    pub(crate) fn path(&self) -> &Path {
        self.scene.site.path()
    }

    /// A file of it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.scene.site.file(name)
    }

    /// The answer about a certificate that is to be had at `url`, whatever it is.
    pub(crate) fn fetch(&self, subject: Subject, url: &str) -> Vec<u8> {
        let port = url.trim_end_matches('/').rsplit(':').next().unwrap();
        let mut client = HttpClient::connect(port.parse().unwrap()).unwrap();
        // By SHA-1, as those do who fetch an answer for themselves: HAProxy knows no other.
        let asked = cert_id(HashAlgorithm::Sha1, &self.scene.site.ca, serial(subject));
        client.post(&RequestSpec::one(asked).der()).unwrap().body
    }

    /// What the two clients make of what a server staples; `said` is what the server has to say about it.
    pub(crate) fn look(&self, server: &TlsAddress, said: String) -> Seen {
        Seen {
            verdict: self.curl(server),
            printed: self.openssl(server),
            said,
        }
    }

    /// What curl does, which takes no connection without a staple that says good.
    pub(crate) fn curl(&self, server: &TlsAddress) -> Verdict {
        let mut command = Peer::Curl.command().expect("looked for before");
        // The first option keeps the user's own file of options out.
        command.args(["--disable", "--silent", "--show-error", "--max-time", "30"]);
        command.args(["--noproxy", "*", "--cacert", "root_ca.pem", "--cert-status"]);
        match server {
            TlsAddress::Socket(path) => command.arg("--unix-socket").arg(path),
            TlsAddress::Port(port) => command
                .arg("--connect-to")
                .arg(format!("{HOST}:443:127.0.0.1:{port}")),
        };
        command.arg(format!("https://{HOST}/"));
        let run = run_bounded(command.current_dir(self.path()));
        match run.code {
            Some(0) => Verdict::Accepted,
            Some(CURL_INVALID_CERTIFICATE_STATUS) => {
                let words = run.stderr.trim();
                Verdict::Refused(
                    words
                        .strip_prefix("curl: (91) ")
                        .unwrap_or(words)
                        .to_owned(),
                )
            }
            _ => panic!("{run:?}"),
        }
    }

    /// The status in the staple as `openssl s_client` prints it; None = nothing is stapled.  It checks the server's chain,
    /// and nothing of the staple.
    fn openssl(&self, server: &TlsAddress) -> Option<String> {
        let mut command = Peer::Openssl.command().expect("looked for before");
        command.args(["s_client", "-status", "-CAfile", "root_ca.pem"]);
        command.args(["-servername", HOST, "-verify_hostname", HOST]);
        command.arg("-verify_return_error");
        match server {
            TlsAddress::Socket(path) => command.arg("-unix").arg(path),
            TlsAddress::Port(port) => command.arg("-connect").arg(format!("127.0.0.1:{port}")),
        };
        let run = run_bounded(command.current_dir(self.path()));
        assert!(run.stdout.contains("Verify return code: 0 (ok)"), "{run:?}");
        if run.stdout.contains("OCSP response: no response sent") {
            return None;
        }
        let printed = |label: &str| {
            let mut lines = run.stdout.lines();
            lines.find_map(|line| line.trim().strip_prefix(label).map(str::to_owned))
        };
        let outer = printed("OCSP Response Status: ").unwrap_or_else(|| panic!("{run:?}"));
        Some(printed("Cert Status: ").unwrap_or(outer))
    }
}

/// CURLE_SSL_INVALIDCERTSTATUS.
const CURL_INVALID_CERTIFICATE_STATUS: i32 = 91;

/// The file with a certificate and its CA's.
pub(crate) fn chain(subject: Subject) -> &'static str {
    match subject {
        Subject::Server => "chain.pem",
        Subject::Revoked => "revoked-chain.pem",
    }
}

/// The file with its key.
pub(crate) fn key(subject: Subject) -> &'static str {
    match subject {
        Subject::Server => "key.pem",
        Subject::Revoked => "revoked-key.pem",
    }
}

/// The serial number in it.
fn serial(subject: Subject) -> &'static [u8] {
    match subject {
        Subject::Server => GOOD,
        Subject::Revoked => REVOKED,
    }
}

/// Where a TLS server listens.
#[derive(Clone, Debug)]
pub(crate) enum TlsAddress {
    /// A Unix socket: nobody else can have it.
    Socket(PathBuf),
    /// A port of 127.0.0.1.
    Port(u16),
}

/// What a client that insists on a staple does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Goes on.
    Accepted,
    /// Ends the connection, and says this.
    Refused(String),
}

impl Verdict {
    /// There is no staple.
    pub(crate) fn nothing_stapled() -> Verdict {
        Verdict::Refused("No OCSP response received".to_owned())
    }
}

/// What is seen of a server's staple from all sides.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// By curl.
    pub(crate) verdict: Verdict,
    /// By openssl.
    pub(crate) printed: Option<String>,
    /// In the server's log.
    pub(crate) said: String,
}

/// The two clients that look at a staple; None = one of them is not here.
pub(crate) fn clients_are_here() -> Option<()> {
    Peer::Curl.find()?;
    Peer::Openssl.find()?;
    Some(())
}

/// An example that ships, as text, with each of these parts, which must be in it, replaced.
pub(crate) fn example(name: &str, replacements: &[(&str, &str)]) -> String {
    let path = format!("{}/../../examples/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (part, replacement) in replacements {
        assert!(text.contains(part), "{name} has changed: no {part:?} in it");
        text = text.replace(part, replacement);
    }
    text
}

/// Who refuses an answer that is not to be believed, or that is no help, and what is said then.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// The server does not staple it; these words are in its log.
    Server(&'static str),
    /// The server does not staple it and says nothing about it.
    SilentServer,
    /// The server staples it; openssl prints this status, and curl refuses it with these words.
    Client(&'static str, &'static str),
}

impl Refusal {
    fn assert_seen(self, seen: &Seen) {
        let (verdict, printed) = match self {
            Refusal::Server(words) => {
                assert!(seen.said.contains(words), "no {words:?}: {seen:?}");
                (Verdict::nothing_stapled(), None)
            }
            Refusal::SilentServer => (Verdict::nothing_stapled(), None),
            Refusal::Client(status, words) => {
                (Verdict::Refused(words.to_owned()), Some(status.to_owned()))
            }
        };
        let expected = (&verdict, &printed);
        assert_eq!((&seen.verdict, &seen.printed), expected, "{}", seen.said);
    }

    /// Who refuses, for the table of verdicts.
    fn note(self) -> Note {
        match self {
            Refusal::Server(_) | Refusal::SilentServer => Note("the server does not staple it"),
            Refusal::Client(..) => Note("stapled, and refused by curl"),
        }
    }

    /// The same with words, for the table of reactions.
    fn text(self) -> String {
        match self {
            Refusal::Server(words) => format!("not stapled: {words}"),
            Refusal::SilentServer => "not stapled".to_owned(),
            Refusal::Client(_, words) => format!("stapled; curl: {words}"),
        }
    }
}

/// What a server does with each answer that is not good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refusals {
    pub(crate) revoked: Refusal,
    pub(crate) unknown: Refusal,
    pub(crate) forged_signature: Refusal,
    pub(crate) expired: Refusal,
    /// Signed for a root that nobody knows.
    pub(crate) stranger: Refusal,
    /// Signed for another CA below the trusted root.
    pub(crate) sibling: Refusal,
    pub(crate) unauthorized: Refusal,
    pub(crate) try_later: Refusal,
    pub(crate) asks: Asks,
}

/// Does the server ask by itself?
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asks {
    /// It does; this becomes of a connection that is refused.
    Itself { refused_connection: Refusal },
    /// It is given answers.
    Never,
}

/// What curl says of a certificate that is revoked, and what openssl prints.
pub(crate) const CURL_REVOKED: Refusal = Refusal::Client(
    "revoked",
    "SSL certificate revocation reason: keyCompromise (1)",
);
/// … of one that is unknown.
pub(crate) const CURL_UNKNOWN: Refusal = Refusal::Client(
    "unknown",
    "SSL server certificate status verification FAILED",
);
/// … of an answer with a wrong signature or signer.
pub(crate) const CURL_UNVERIFIED: Refusal =
    Refusal::Client("good", "OCSP response verification failed");

/// Every situation and every occasion; `look` starts a server that shows this certificate and has the answer at this URL
/// to staple, and looks at it.
pub(crate) fn stapling_battery(
    row: &mut Row,
    tls: &TlsScene,
    refusals: Refusals,
    look: impl Fn(Subject, &str) -> Seen,
) {
    let scene = &tls.scene;
    let assert_good = |url: &str| {
        let seen = look(Subject::Server, url);
        let expected = (Verdict::Accepted, Some("good".to_owned()));
        assert_eq!((seen.verdict, seen.printed), expected, "{}", seen.said);
    };
    row.cell(Situation::Good, || {
        assert_good(&scene.ocspry.url());
        PLAIN
    });
    row.cell(Situation::Revoked, || {
        let seen = look(Subject::Revoked, &scene.ocspry.url());
        refusals.revoked.assert_seen(&seen);
        refusals.revoked.note()
    });
    row.cell(Situation::Unknown, || {
        let seen = look(Subject::Server, &scene.unknowing.url());
        refusals.unknown.assert_seen(&seen);
        refusals.unknown.note()
    });
    // Believed without the lie, so that a refusal is the lie's.
    assert_good(&scene.impostor(Lie::None).url());
    let lies = [
        (
            Situation::ForgedSignature,
            vec![(Lie::ForgedSignature, refusals.forged_signature)],
        ),
        (Situation::Expired, vec![(Lie::Expired, refusals.expired)]),
        (
            Situation::ForeignDelegate,
            vec![
                (Lie::ForeignDelegate, refusals.stranger),
                (scene.sibling_delegate(), refusals.sibling),
            ],
        ),
    ];
    for (situation, lies) in lies {
        row.cell(situation, || {
            let note = lies[0].1.note();
            for (lie, refusal) in lies {
                let impostor = scene.impostor(lie.clone());
                let seen = look(Subject::Server, &impostor.url());
                refusal.assert_seen(&seen);
                assert!(!impostor.requests().is_empty(), "{lie:?}: never asked");
            }
            note
        });
    }
    for (occasion, url, refusal) in [
        (Occasion::Unknown, scene.unknowing.url(), refusals.unknown),
        (
            Occasion::Unauthorized,
            scene.elsewhere.url(),
            refusals.unauthorized,
        ),
        (Occasion::TryLater, scene.stale.url(), refusals.try_later),
    ] {
        row.reaction(occasion, || {
            refusal.assert_seen(&look(Subject::Server, &url));
            refusal.text()
        });
    }
    row.reaction(Occasion::NoNonce, || {
        let Asks::Itself { .. } = refusals.asks else {
            return "never asks".to_owned();
        };
        let impostor = scene.impostor(Lie::None);
        assert_good(&impostor.url());
        for request in impostor.requests() {
            let request = OcspRequest::from_der(&request).unwrap();
            assert!(request.nonce.is_none(), "{request:?}");
        }
        "never sends one".to_owned()
    });
    row.reaction(Occasion::RefusedConnection, || {
        let Asks::Itself { refused_connection } = refusals.asks else {
            return "never asks".to_owned();
        };
        let closed = ClosedPort::new();
        refused_connection.assert_seen(&look(Subject::Server, &closed.url()));
        refused_connection.text()
    });
}
