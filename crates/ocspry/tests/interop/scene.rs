//! The responders that every client meets, and the battery that a client passes which asks by itself.
//!
//! The honest ones are the real binary; the lies come from an impostor, which every client must first have believed when
//! it does not lie.  From: the clients' modules.  To: `matrix`.

use crate::matrix::{Occasion, PLAIN, Row, Situation};
use crate::site::{CONFIGURATION, GOOD, REVOKED, Site};
use ocspry_testkit::{
    CertificateSpec, ClosedPort, CrlSpec, Impostor, KeyKind, Lie, OcspryProcess, OtherDelegate,
    Run, now, pem,
};
use ocspry_wire::ocsp::{ErrorStatus, OcspRequest};
use std::sync::Arc;

/// One CA, and all that may answer for it or pretend to.
pub(crate) struct Scene {
    /// Its files; `server.pem` is good, `revoked.pem` revoked.
    pub(crate) site: Site,
    /// Answers as it should.
    pub(crate) ocspry: OcspryProcess,
    /// The same with a list that has run out: tryLater.
    pub(crate) stale: OcspryProcess,
    /// Answers for another CA only: unauthorized.
    pub(crate) elsewhere: OcspryProcess,
    /// Answers unknown for what its list does not hold: `absent = "unknown"`.
    pub(crate) unknowing: OcspryProcess,
    _other_site: Site,
}

impl Scene {
    /// P-256 throughout, a delegated responder.
    pub(crate) fn new() -> Scene {
        let site = Site::new();
        let ocspry = site.serve().start();
        let run_out = CrlSpec::new(11)
            .made_at(now().plus_seconds(-100))
            .until(now().plus_seconds(-10));
        site.write("run-out.pem", pem("X509 CRL", &site.ca.crl(&run_out)));
        let stale = site
            .ocspry()
            .env("STATE_DIRECTORY", site.file("stale"))
            .args([
                "serve",
                "--ca",
                "intermediate_ca.pem",
                "--crl",
                "run-out.pem",
            ])
            .args([
                "--ocsp-cert",
                "ocsp.pem",
                "--ocsp-key",
                "ocsp.key",
                "--port",
                "0",
            ])
            .start();
        let other_site = Site::new();
        let elsewhere = other_site.serve().start();
        let configuration = format!("{CONFIGURATION}absent = \"unknown\"\n");
        site.write("unknown.toml", configuration);
        let unknowing = site
            .ocspry()
            .env("STATE_DIRECTORY", site.file("unknowing"))
            .args(["serve", "-c", "unknown.toml"])
            .start();
        Scene {
            site,
            ocspry,
            stale,
            elsewhere,
            unknowing,
            _other_site: other_site,
        }
    }

    /// An impostor that answers for the CA, as its delegate.
    pub(crate) fn impostor(&self, lie: Lie) -> Impostor {
        Impostor::start(&self.site.ca, &self.site.responder, lie)
    }

    /// A certificate of the CA that names a responder, written to a file; for clients that ask where it says.
    pub(crate) fn write_certificate(&self, name: &str, serial: &[u8], url: &str) {
        let mut spec = CertificateSpec::server("server.example");
        spec.serial = Some(serial.to_vec());
        spec.ocsp_url = Some(url.to_owned());
        let key = self.site.ca.key.public_key_info();
        let certificate = self.site.ca.issue(&spec, &key);
        self.site.write(name, pem("CERTIFICATE", &certificate));
    }

    /// A delegate of a CA under the same root, whose chain is as good as the right one's.
    pub(crate) fn sibling_delegate(&self) -> Lie {
        let sibling = self.site.root.intermediate("Sibling", KeyKind::P256);
        Lie::DelegateOf(Arc::new(OtherDelegate::of(&sibling)))
    }
}

/// Which certificate a client is to ask about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// `server.pem`.
    Server,
    /// `revoked.pem`.
    Revoked,
}

impl Subject {
    /// Its file.
    pub(crate) fn file(self) -> &'static str {
        match self {
            Subject::Server => "server.pem",
            Subject::Revoked => "revoked.pem",
        }
    }

    /// Its serial number.
    pub(crate) fn serial(self) -> &'static [u8] {
        match self {
            Subject::Server => GOOD,
            Subject::Revoked => REVOKED,
        }
    }
}

/// What a client concluded, with its own words for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// Verified, and good.
    Good(String),
    /// Verified, and revoked.
    Revoked(String),
    /// Verified, and unknown.
    Unknown(String),
    /// Not accepted: the answer, or the lack of one.
    Refused(String),
}

impl Said {
    /// The client's words.
    fn words(self) -> String {
        match self {
            Said::Good(words)
            | Said::Revoked(words)
            | Said::Unknown(words)
            | Said::Refused(words) => words,
        }
    }
}

/// What a client is asked to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    /// The responder.
    pub(crate) url: &'a str,
    /// About which certificate.
    pub(crate) subject: Subject,
    /// With a nonce in the request?
    pub(crate) nonce: Nonce,
}

/// Is the request to have one?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonce {
    /// Yes.
    With,
    /// No.
    Without,
}

/// Can the client send nonces?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonces {
    /// As the question says.
    Both,
    /// Always: the question is not heard.
    Always,
    /// Never, and so none is missed.
    Never,
}

/// How a client refuses each lie: a part of its words that names what is wrong with the answer, so that it is not refused
/// for something else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LieRefusals {
    /// The signature.
    pub(crate) forged_signature: &'static str,
    /// The times; None = the caller fills this cell by other means.
    pub(crate) expired: Option<&'static str>,
    /// The signer, of a root that nobody knows.
    pub(crate) stranger: &'static str,
    /// The signer, of another CA below the trusted root.
    pub(crate) sibling: &'static str,
}

/// Every situation and every occasion, once or more, and what the client makes of them.
pub(crate) fn battery(
    row: &mut Row,
    scene: &Scene,
    nonces: Nonces,
    refusals: LieRefusals,
    ask: impl Fn(Question<'_>) -> Said,
) {
    let about = |url: &str, subject: Subject, nonce: Nonce| {
        ask(Question {
            url,
            subject,
            nonce,
        })
    };
    let each: &[Nonce] = match nonces {
        Nonces::Both => &[Nonce::Without, Nonce::With],
        Nonces::Always => &[Nonce::With],
        Nonces::Never => &[Nonce::Without],
    };
    let first = each[0];

    row.cell(Situation::Good, || {
        for nonce in each {
            let said = about(&scene.ocspry.url(), Subject::Server, *nonce);
            assert!(matches!(said, Said::Good(_)), "{nonce:?}: {said:?}");
        }
        PLAIN
    });
    row.cell(Situation::Revoked, || {
        for nonce in each {
            let said = about(&scene.ocspry.url(), Subject::Revoked, *nonce);
            assert!(matches!(said, Said::Revoked(_)), "{nonce:?}: {said:?}");
        }
        PLAIN
    });
    row.cell(Situation::Unknown, || {
        let said = about(&scene.unknowing.url(), Subject::Server, first);
        assert!(matches!(said, Said::Unknown(_)), "{said:?}");
        PLAIN
    });
    let mut lies = vec![
        (
            Situation::ForgedSignature,
            vec![(Lie::ForgedSignature, refusals.forged_signature)],
        ),
        (
            Situation::ForeignDelegate,
            vec![
                (Lie::ForeignDelegate, refusals.stranger),
                (scene.sibling_delegate(), refusals.sibling),
            ],
        ),
    ];
    if let Some(expired) = refusals.expired {
        lies.push((Situation::Expired, vec![(Lie::Expired, expired)]));
    }
    for (situation, lies) in lies {
        row.cell(situation, || {
            // Believed without the lie, so that a refusal is the lie's.
            let honest = scene.impostor(Lie::None);
            let said = about(&honest.url(), Subject::Server, first);
            assert!(matches!(said, Said::Good(_)), "no lie: {said:?}");
            for (lie, part) in lies {
                let impostor = scene.impostor(lie.clone());
                let said = about(&impostor.url(), Subject::Server, first);
                let refusal = matches!(&said, Said::Refused(words) if words.contains(part));
                assert!(refusal, "no {part:?} for {lie:?}: {said:?}");
                assert!(!impostor.requests().is_empty(), "{lie:?}: never asked");
            }
            PLAIN
        });
    }

    row.reaction(Occasion::Unknown, || {
        about(&scene.unknowing.url(), Subject::Server, first).words()
    });
    let errors = [
        (
            Occasion::Unauthorized,
            &scene.elsewhere,
            ErrorStatus::Unauthorized,
        ),
        (Occasion::TryLater, &scene.stale, ErrorStatus::TryLater),
    ];
    for (occasion, process, status) in errors {
        row.reaction(occasion, || {
            let answer = process.connect().post(&scene.site.request(GOOD)).unwrap();
            assert_eq!(answer.body, status.der());
            let said = about(&process.url(), Subject::Server, first);
            assert!(matches!(said, Said::Refused(_)), "{said:?}");
            said.words()
        });
    }
    row.reaction(Occasion::NoNonce, || {
        if nonces == Nonces::Never {
            return "never sends one".to_owned();
        }
        let impostor = scene.impostor(Lie::WithoutNonce);
        let said = about(&impostor.url(), Subject::Server, Nonce::With);
        let asked = impostor.requests();
        let has_nonce = |request: &[u8]| OcspRequest::from_der(request).unwrap().nonce.is_some();
        assert!(
            asked.iter().any(|request| has_nonce(request)),
            "{asked:02x?}"
        );
        match said {
            Said::Refused(words) => format!("refuses: {words}"),
            said => format!("accepts: {}", said.words()),
        }
    });
    row.reaction(Occasion::RefusedConnection, || {
        let closed = ClosedPort::new();
        let said = about(&closed.url(), Subject::Server, first);
        assert!(matches!(said, Said::Refused(_)), "{said:?}");
        without_port(&said.words(), &closed.url())
    });
}

/// The words with no port in them: it differs from run to run.
fn without_port(words: &str, url: &str) -> String {
    let authority = url.trim_start_matches("http://").trim_end_matches('/');
    let port = authority.rsplit(':').next().unwrap_or_default();
    words.replace(port, "PORT")
}

/// Why OpenSSL is not satisfied with an answer, if it says so: the first reason in its own form of a line
/// (`error:CODE:LIBRARY:FUNCTION:REASON`, and perhaps `:FILE:LINE:MORE`).
pub(crate) fn openssl_reason(run: &Run) -> Option<String> {
    let mut lines = run.stdout.lines().chain(run.stderr.lines());
    let line = lines.find(|line| line.contains(":OCSP routines:"))?;
    let (_, line) = line.split_once("error:")?;
    let mut fields = line.splitn(7, ':').skip(3);
    let reason = fields.next()?;
    match fields.nth(2) {
        Some(more) if !more.is_empty() => Some(format!("{reason}: {more}")),
        _ => Some(reason.to_owned()),
    }
}

/// The first line, on stdout and then on stderr, that holds `part`, behind the exit code.
pub(crate) fn words(run: &Run, part: &str) -> Option<String> {
    let mut lines = run.stdout.lines().chain(run.stderr.lines());
    let line = lines.find(|line| line.contains(part))?;
    Some(format!("exit {}: {}", run.code.unwrap_or(-1), line.trim()))
}
