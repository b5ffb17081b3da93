//! A site: one directory with the files a person has who runs `ocspry serve` (CA, CRL, responder), and what they ask.

use ocspry_testkit::{
    Authority, Credential, CrlSpec, HttpClient, KeyKind, Namespace, Ocspry, OcspryProcess, Peer,
    Reply, RequestSpec, Run, cert_id, pem, run_bounded, wait_for_some,
};
use ocspry_wire::Time;
use ocspry_wire::ocsp::{CertStatus, CrlReason, HashAlgorithm};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The program under test.
pub(crate) const OCSPRY: &str = env!("CARGO_BIN_EXE_ocspry");

/// Serial number (content octets) of the certificate that is good: server.pem.
pub(crate) const GOOD: &[u8] = &[0x1a, 0x2b, 0x3c];
/// Serial number of the certificate that is revoked: revoked.pem.
pub(crate) const REVOKED: &[u8] = &[0x4d, 0x5e, 0x6f];
/// Serial number of the certificate that some tests revoke later: later.pem.
pub(crate) const LATER: &[u8] = &[0x70, 0x71, 0x72];

/// Longest wait for something the responder is to notice.
pub(crate) const NOTICE_WAIT_MAX: Duration = Duration::from_secs(15);

/// root_ca.pem, intermediate_ca.pem, server.pem, revoked.pem, later.pem, crl.pem, ocsp.pem, ocsp.key.
pub(crate) struct Site {
    directory: TempDir,
    pub(crate) root: Authority,
    pub(crate) ca: Authority,
    pub(crate) responder: Credential,
}

impl Site {
    /// P-256 throughout.
    pub(crate) fn new() -> Site {
        Site::with_keys(KeyKind::P256, KeyKind::P256)
    }

    /// A CA and a delegated responder with keys of these kinds.
    pub(crate) fn with_keys(ca: KeyKind, responder: KeyKind) -> Site {
        let root = Authority::root("Site Root", KeyKind::P256);
        let ca = root.intermediate("Site Intermediate", ca);
        let responder = ca.responder(responder);
        let directory = tempfile::Builder::new()
            .prefix("ocspry-site-")
            .tempdir()
            .unwrap();
        let site = Site {
            directory,
            root,
            ca,
            responder,
        };
        site.write("root_ca.pem", site.root.certificate_pem());
        site.write("intermediate_ca.pem", site.ca.certificate_pem());
        site.write("ca.key", site.ca.key.pkcs8_pem());
        site.write(
            "server.pem",
            pem("CERTIFICATE", &site.ca.server("server.example", GOOD)),
        );
        site.write(
            "revoked.pem",
            pem("CERTIFICATE", &site.ca.server("revoked.example", REVOKED)),
        );
        site.write(
            "later.pem",
            pem("CERTIFICATE", &site.ca.server("later.example", LATER)),
        );
        site.write("ocsp.pem", site.responder.certificate_pem());
        site.write("ocsp.key", site.responder.key.pkcs8_pem());
        site.write_crl(&site.first_crl());
        site
    }

    /// CRL number 10 with one revoked certificate.
    pub(crate) fn first_crl(&self) -> CrlSpec {
        CrlSpec::new(10).revoke(REVOKED, Some(CrlReason::KeyCompromise))
    }

    /// Its directory.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// A file of it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file where it is; keys for the owner only.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        write_private(&self.file(name), content.as_ref());
    }

    /// Replaces a file by rename, as a careful publisher does.
    pub(crate) fn replace(&self, name: &str, content: impl AsRef<[u8]>) {
        let new = self.file(&format!("{name}.new"));
        write_private(&new, content.as_ref());
        std::fs::rename(new, self.file(name)).unwrap();
    }

    /// Another name of a file, in a directory of its own: what is written there changes the file without an event in
    /// the file's own directory, as on a network file system.
    pub(crate) fn other_name_of(&self, name: &str) -> PathBuf {
        let directory = self.file("other-names");
        std::fs::create_dir_all(&directory).unwrap();
        let other = directory.join(name);
        std::fs::hard_link(self.file(name), &other).unwrap();
        other
    }

    /// Signs a CRL and puts it in place of crl.pem by rename.
    pub(crate) fn write_crl(&self, spec: &CrlSpec) {
        self.replace("crl.pem", pem("X509 CRL", &self.ca.crl(spec)));
    }

    /// `ocspry`, in this directory, with a state directory in it.
    pub(crate) fn ocspry(&self) -> Ocspry<'static> {
        Ocspry::new(OCSPRY)
            .directory(self.path())
            .env("STATE_DIRECTORY", self.file("state"))
    }

    /// `ocspry serve` with the four files, on a free port.
    pub(crate) fn serve(&self) -> Ocspry<'static> {
        self.ocspry()
            .arg("serve")
            .args(SERVE_FLAGS)
            .args(["--port", "0"])
    }

    /// `ocspry serve` with a CA that signs its own answers, on a free port.
    pub(crate) fn serve_by_ca(&self) -> Ocspry<'static> {
        self.ocspry()
            .args([
                "serve",
                "--ca",
                "intermediate_ca.pem",
                "--crl",
                "crl.pem",
                "--ca-key",
                "ca.key",
            ])
            .args(["--port", "0"])
    }

    /// Runs the openssl command line in this directory; None = not installed.
    pub(crate) fn openssl(&self, arguments: &[&str]) -> Option<Run> {
        Some(run_bounded(
            Peer::Openssl
                .command()?
                .args(arguments)
                .current_dir(self.path()),
        ))
    }

    /// Runs a line of shell in this directory, as pasted; inside a namespace if one is given.
    pub(crate) fn shell(&self, namespace: Option<&Namespace>, line: &str) -> Run {
        let mut command = match namespace {
            Some(namespace) => namespace.command(Path::new("/bin/sh")),
            None => std::process::Command::new("/bin/sh"),
        };
        run_bounded(command.args(["-c", line]).current_dir(self.path()))
    }

    /// A SHA-256 CertID of this CA.
    pub(crate) fn cert_id(&self, serial: &[u8]) -> Vec<u8> {
        cert_id(HashAlgorithm::Sha256, &self.ca, serial)
    }

    /// A request for one certificate of this CA, no nonce.
    pub(crate) fn request(&self, serial: &[u8]) -> Vec<u8> {
        RequestSpec::one(self.cert_id(serial)).der()
    }

    /// POSTs a request and checks the answer.
    pub(crate) fn ask(&self, client: &mut HttpClient, request: &[u8]) -> Reply {
        let response = client.post(request).expect("an HTTP response");
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(
            response.header("content-type"),
            Some("application/ocsp-response")
        );
        Reply::check(&response.body, &self.ca)
    }

    /// The status of one certificate.
    pub(crate) fn status(&self, process: &OcspryProcess, serial: &[u8]) -> CertStatus {
        self.ask(&mut process.connect(), &self.request(serial))
            .single()
            .status
    }

    /// Asks until the answer is as wanted; panics with the last one when it does not become so in time.
    pub(crate) fn ask_until(
        &self,
        process: &OcspryProcess,
        serial: &[u8],
        wait_max: Duration,
        wanted: impl Fn(&Reply) -> bool,
    ) -> Reply {
        let mut client = process.connect();
        let request = self.request(serial);
        let mut last = None;
        let found = wait_for_some(wait_max, || {
            let reply = self.ask(&mut client, &request);
            let found = wanted(&reply).then(|| reply.clone());
            last = Some(reply);
            found
        });
        found
            .unwrap_or_else(|| panic!("still {last:?} after {wait_max:?}; log:\n{}", process.log()))
    }
}

/// As `std::fs::write`, with mode 0600, so that no key of a test draws a warning.
pub(crate) fn write_private(path: &Path, content: &[u8]) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap();
    file.write_all(content).unwrap();
}

/// The flags of the everyday command line.
pub(crate) const SERVE_FLAGS: [&str; 8] = [
    "--ca",
    "intermediate_ca.pem",
    "--crl",
    "crl.pem",
    "--ocsp-cert",
    "ocsp.pem",
    "--ocsp-key",
    "ocsp.key",
];

/// The same as a file, ready for more keys of the issuer.
pub(crate) const CONFIGURATION: &str = "\
version = 1

[listen]
ocsp = [\"127.0.0.1:0\"]

[issuer.site]
certificate = \"intermediate_ca.pem\"
status = [{ crl = \"crl.pem\" }]
responder = { certificate = \"ocsp.pem\", key = \"ocsp.key\" }
";

/// Does a reply say that its only certificate is revoked?
pub(crate) fn says_revoked(reply: &Reply) -> bool {
    match reply {
        Reply::Signed(signed) => signed
            .singles
            .iter()
            .all(|single| matches!(single.status, CertStatus::Revoked(_))),
        Reply::Error(_) => false,
    }
}

/// Does a reply say that its only certificate is good?
pub(crate) fn says_good(reply: &Reply) -> bool {
    match reply {
        Reply::Signed(signed) => signed
            .singles
            .iter()
            .all(|single| single.status == CertStatus::Good),
        Reply::Error(_) => false,
    }
}

/// `Nov 21 06:00:00 2026 GMT`, as OpenSSL prints a time.
pub(crate) fn openssl_time(time: Time) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let (year, month, day, hour, minute, second) = time.civil();
    let month = MONTHS[usize::from(month) - 1];
    format!("{month} {day:2} {hour:02}:{minute:02}:{second:02} {year} GMT")
}

/// What openssl must say of a verified answer: the verdict, on stderr, and the status line, on stdout.
pub(crate) fn assert_openssl_says(run: &Run, line: &str) {
    assert!(run.stderr.contains("Response verify OK"), "{run:?}");
    assert!(
        run.stdout.lines().any(|seen| seen == line),
        "no line {line:?} in {run:?}"
    );
    assert!(!run.stderr.contains("WARNING"), "{run:?}");
}
