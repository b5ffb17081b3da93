//! Several CAs in one responder: files in any order, each answered by its own signer, what is ambiguous refused.

use crate::site::{CONFIGURATION, GOOD, OCSPRY, REVOKED, Site};
use ocspry_testkit::{
    Authority, Credential, CrlSpec, KeyKind, Ocspry, OcspryProcess, Reply, RequestSpec,
    base64_path, cert_id, pem,
};
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus, HashAlgorithm};
use ocspry_wire::x509::Certificate;
use tempfile::TempDir;

/// Two CAs with a file of each kind: a.ca a.crl a.pem a.key, b.ca …
struct TwoCas {
    directory: TempDir,
    a: (Authority, Credential),
    b: (Authority, Credential),
}

impl TwoCas {
    fn new(name_a: &str, name_b: &str) -> TwoCas {
        let make = |name: &str| {
            let ca = Authority::root(name, KeyKind::P256);
            let responder = ca.responder(KeyKind::P256);
            (ca, responder)
        };
        let cas = TwoCas {
            directory: tempfile::tempdir().unwrap(),
            a: make(name_a),
            b: make(name_b),
        };
        // GOOD is good at A and revoked at B; REVOKED the other way round.
        for (letter, (ca, responder), revoked) in [("a", &cas.a, REVOKED), ("b", &cas.b, GOOD)] {
            let crl = CrlSpec::new(1).revoke(revoked, Some(CrlReason::Superseded));
            cas.write(&format!("{letter}.ca"), ca.certificate_pem());
            cas.write(&format!("{letter}.ca.key"), ca.key.pkcs8_pem());
            cas.write(&format!("{letter}.crl"), pem("X509 CRL", &ca.crl(&crl)));
            cas.write(&format!("{letter}.pem"), responder.certificate_pem());
            cas.write(&format!("{letter}.key"), responder.key.pkcs8_pem());
        }
        cas
    }

    fn write(&self, name: &str, content: String) {
        crate::site::write_private(&self.directory.path().join(name), content.as_bytes());
    }

    fn ocspry(&self) -> Ocspry<'static> {
        let state = self.directory.path().join("state");
        Ocspry::new(OCSPRY)
            .directory(self.directory.path())
            .env("STATE_DIRECTORY", state)
            .args(["serve", "--port", "0"])
    }
}

const IN_ORDER: [&str; 16] = [
    "--ca",
    "a.ca",
    "--crl",
    "a.crl",
    "--ocsp-cert",
    "a.pem",
    "--ocsp-key",
    "a.key",
    "--ca",
    "b.ca",
    "--crl",
    "b.crl",
    "--ocsp-cert",
    "b.pem",
    "--ocsp-key",
    "b.key",
];

const SHUFFLED: [&str; 16] = [
    "--ocsp-key",
    "b.key",
    "--crl",
    "b.crl",
    "--ca",
    "a.ca",
    "--ocsp-key",
    "a.key",
    "--ocsp-cert",
    "a.pem",
    "--crl",
    "a.crl",
    "--ocsp-cert",
    "b.pem",
    "--ca",
    "b.ca",
];

fn assert_each_ca_answers_for_itself(cas: &TwoCas, flags: &[&str]) {
    let process = cas.ocspry().args(flags).start();
    let mut client = process.connect();
    for (ca, delegate, good, revoked) in [
        (&cas.a.0, &cas.a.1, GOOD, REVOKED),
        (&cas.b.0, &cas.b.1, REVOKED, GOOD),
    ] {
        for (serial, is_revoked) in [(good, false), (revoked, true)] {
            for hash in HashAlgorithm::ALL {
                let request = RequestSpec::one(cert_id(hash, ca, serial)).der();
                let reply = Reply::check(&client.post(&request).unwrap().body, ca).signed();
                assert_eq!(
                    matches!(reply.singles[0].status, CertStatus::Revoked(_)),
                    is_revoked
                );
                assert_eq!(
                    reply.certificates,
                    std::slice::from_ref(&delegate.certificate)
                );
            }
        }
    }
}

#[test]
fn req_06_mca_01_files_of_two_cas_may_come_in_any_order() {
    let cas = TwoCas::new("CA of A", "CA of B");
    assert_each_ca_answers_for_itself(&cas, &IN_ORDER);
    assert_each_ca_answers_for_itself(&cas, &SHUFFLED);
}

#[test]
fn cid_16_mca_02_two_cas_of_one_name_are_told_apart_by_their_keys() {
    let cas = TwoCas::new("Renewed CA", "Renewed CA");
    assert_each_ca_answers_for_itself(&cas, &SHUFFLED);
}

#[test]
fn one_ca_may_sign_itself_beside_one_with_a_delegate() {
    let cas = TwoCas::new("CA of A", "CA of B");
    let flags = [
        "--ca-key",
        "b.ca.key",
        "--ca",
        "a.ca",
        "--ca",
        "b.ca",
        "--crl",
        "b.crl",
        "--crl",
        "a.crl",
        "--ocsp-key",
        "a.key",
        "--ocsp-cert",
        "a.pem",
    ];
    let process = cas.ocspry().args(flags).start();
    let mut client = process.connect();
    for (ca, enclosed) in [(&cas.a.0, 1), (&cas.b.0, 0)] {
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha1, ca, REVOKED)).der();
        let reply = Reply::check(&client.post(&request).unwrap().body, ca).signed();
        assert_eq!(reply.certificates.len(), enclosed);
    }
}

#[test]
fn sta_09_mca_03_a_request_that_mixes_two_of_our_cas_is_unauthorized_and_a_stranger_beside_ours_is_unknown()
 {
    let cas = TwoCas::new("CA of A", "CA of B");
    let process = cas.ocspry().args(IN_ORDER).start();
    let mut client = process.connect();
    let hash = HashAlgorithm::Sha256;
    let (a, b) = (&cas.a.0, &cas.b.0);
    let mixed = RequestSpec {
        cert_ids: vec![cert_id(hash, a, GOOD), cert_id(hash, b, GOOD)],
        extensions: Vec::new(),
    };
    let reply = Reply::check(&client.post(&mixed.der()).unwrap().body, a);
    assert_eq!(reply, Reply::Error(ErrorStatus::Unauthorized));
    let stranger = Authority::root("Stranger", KeyKind::P256);
    let beside = RequestSpec {
        cert_ids: vec![
            cert_id(hash, &stranger, GOOD),
            cert_id(hash, a, REVOKED),
            cert_id(hash, a, GOOD),
        ],
        extensions: Vec::new(),
    };
    let reply = Reply::check(&client.post(&beside.der()).unwrap().body, a).signed();
    let statuses: Vec<_> = reply.singles.iter().map(|single| single.status).collect();
    assert_eq!(statuses[0], CertStatus::Unknown);
    assert!(matches!(statuses[1], CertStatus::Revoked(_)));
    assert_eq!(statuses[2], CertStatus::Good);
}

#[test]
fn an_unknown_in_the_answer_makes_caches_forget_it_soon() {
    let cas = TwoCas::new("CA of A", "CA of B");
    let process = cas.ocspry().args(IN_ORDER).start();
    let hash = HashAlgorithm::Sha256;
    let stranger = Authority::root("Stranger", KeyKind::P256);
    let request = RequestSpec {
        cert_ids: vec![
            cert_id(hash, &cas.a.0, GOOD),
            cert_id(hash, &stranger, GOOD),
        ],
        extensions: Vec::new(),
    };
    let response = process.connect().get(&base64_path(&request.der())).unwrap();
    let signed = Reply::check(&response.body, &cas.a.0).signed();
    let unknown = &signed.singles[1];
    assert_eq!(unknown.status, CertStatus::Unknown);
    assert!(unknown.next_update <= signed.produced_at.plus_seconds(300));
    let cache_control = response.header("cache-control").unwrap();
    let max_age = cache_control
        .split("max-age=")
        .nth(1)
        .and_then(|rest| rest.split(',').next());
    let max_age: i64 = max_age
        .and_then(|digits| digits.parse().ok())
        .expect("max-age");
    assert!((1..=60).contains(&max_age), "{cache_control}");
}

#[test]
fn what_is_ambiguous_or_belongs_nowhere_is_refused_by_name() {
    let cas = TwoCas::new("CA of A", "CA of B");
    let stranger = Authority::root("Stranger", KeyKind::P256);
    cas.write(
        "stranger.crl",
        pem("X509 CRL", &stranger.crl(&CrlSpec::new(1))),
    );
    cas.write("a2.crl", pem("X509 CRL", &cas.a.0.crl(&CrlSpec::new(2))));
    let second = cas.a.0.responder(KeyKind::P256);
    cas.write("a2.pem", second.certificate_pem());
    cas.write("a2.key", second.key.pkcs8_pem());
    // Extra flags, and the files that the refusal must name.
    let cases: [(&[&str], &[&str]); 5] = [
        (&["--crl", "a2.crl"], &["a.crl", "a2.crl"]),
        (
            &["--ocsp-cert", "a2.pem", "--ocsp-key", "a2.key"],
            &["a.pem", "a2.pem"],
        ),
        (&["--crl", "stranger.crl"], &["stranger.crl"]),
        (&["--ocsp-key", "a2.key"], &["a2.key"]),
        (&["--ca", "a.ca"], &["a.ca"]),
    ];
    for (extra, named) in cases {
        let finished = cas.ocspry().args(IN_ORDER).args(extra).run();
        assert_eq!(finished.code, Some(1), "{extra:?}: {finished:?}");
        for name in named {
            assert!(
                finished.stderr.contains(name),
                "{extra:?}: no {name} in {finished:?}"
            );
        }
        assert!(!finished.stdout.contains("listening on"), "{extra:?}");
    }
    // A CA without a list, and one without a signer.
    for missing in [2, 4] {
        let mut flags = IN_ORDER.to_vec();
        flags.drain(8 + missing..10 + missing);
        let finished = cas.ocspry().args(flags).run();
        assert_eq!(finished.code, Some(1), "{finished:?}");
        assert!(finished.stderr.contains("CA of B"), "{finished:?}");
    }
}

/// What is said at this path, by POST and by GET with the request behind it; the path of a GET needs its slash.
fn said_at(process: &OcspryProcess, path: &str, request: &[u8]) -> Vec<u8> {
    let mut client = process.connect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: ocsp.test\r\nContent-Length: {}\r\n\r\n",
        request.len()
    );
    client.send(&[head.as_bytes(), request].concat()).unwrap();
    let posted = client.receive(true).unwrap();
    let behind = format!("{}{}", path.trim_end_matches('/'), base64_path(request));
    let got = client.get(&behind).unwrap();
    assert_eq!((posted.status, got.status), (200, 200), "{path}");
    assert_eq!(posted.body, got.body, "{path}");
    posted.body
}

const UNAUTHORIZED: &[u8] = &[0x30, 0x03, 0x0a, 0x01, 0x06];

#[test]
fn an_endpoint_answers_for_the_issuer_that_it_names_and_for_no_other() {
    let cas = TwoCas::new("CA of A", "CA of B");
    cas.write(
        "ocspry.toml",
        "version = 1\n[listen]\nocsp = [\"127.0.0.1:0\"]\n\
         endpoint-paths = [\"/ocsp/\", \"/django_ca/ocsp/\"]\n\
         [issuer.a]\ncertificate = \"a.ca\"\nstatus = [{ crl = \"a.crl\" }]\n\
         responder = { certificate = \"a.pem\", key = \"a.key\" }\n\
         [issuer.b-2]\ncertificate = \"b.ca\"\nstatus = [{ crl = \"b.crl\" }]\n\
         responder = { certificate = \"b.pem\", key = \"b.key\" }\n"
            .to_owned(),
    );
    let process = cas.ocspry().args(["--config", "ocspry.toml"]).start();
    let about = |ca| RequestSpec::one(cert_id(HashAlgorithm::Sha256, ca, GOOD)).der();
    let (about_a, about_b) = (about(&cas.a.0), about(&cas.b.0));
    // Twice: the second time each answer is in the cache, and is no answer at another endpoint.
    for _ in 0..2 {
        for base in ["/ocsp/", "/django_ca/ocsp/", "/ocsp//", "/%6fcsp/"] {
            for end in ["", "/"] {
                let at_a = |request| said_at(&process, &format!("{base}a{end}"), request);
                let at_b = |request| said_at(&process, &format!("{base}b%2d2{end}"), request);
                Reply::check(&at_a(&about_a), &cas.a.0).single();
                Reply::check(&at_b(&about_b), &cas.b.0).single();
                assert_eq!(at_a(&about_b), UNAUTHORIZED);
                assert_eq!(at_b(&about_a), UNAUTHORIZED);
            }
        }
        for path in [
            "/",
            "/ocsp",
            "/ocsp/",
            "/elsewhere/ocsp/a/",
            "/a",
            "/django_ca/ocsp",
        ] {
            Reply::check(&said_at(&process, path, &about_a), &cas.a.0).single();
            Reply::check(&said_at(&process, path, &about_b), &cas.b.0).single();
        }
        // Nobody is called so; and both certificates have the number 1000, which names neither.
        for path in [
            "/ocsp/c",
            "/ocsp/A/",
            "/ocsp/a/b",
            "/ocsp/b-2/x/",
            "/ocsp/1000/",
        ] {
            assert_eq!(said_at(&process, path, &about_a), UNAUTHORIZED, "{path}");
        }
    }
}

#[test]
fn an_endpoint_may_be_named_by_the_serial_number_of_the_cas_certificate() {
    let site = Site::new();
    let process = site.serve().start();
    let certificate = Certificate::from_der(&site.ca.certificate).unwrap();
    let serial = certificate.serial_number.to_string();
    let upper = serial.to_uppercase();
    let pairs: Vec<&str> = (0..upper.len())
        .step_by(2)
        .map(|at| &upper[at..at + 2])
        .collect();
    let short = upper.trim_start_matches('0').to_owned();
    for name in [
        serial,
        upper.clone(),
        pairs.join(":"),
        pairs.join("%3A"),
        short,
        format!("00{upper}"),
    ] {
        let path = format!("/ocsp/{name}/");
        let said = said_at(&process, &path, &site.request(GOOD));
        assert_eq!(
            Reply::check(&said, &site.ca).single().status,
            CertStatus::Good,
            "{name}"
        );
    }
    for name in [
        format!("{upper}0"),
        "7".to_owned(),
        "0".to_owned(),
        "f".repeat(200),
    ] {
        let path = format!("/ocsp/{name}");
        assert_eq!(
            said_at(&process, &path, &site.request(GOOD)),
            UNAUTHORIZED,
            "{name}"
        );
    }
}

#[test]
fn a_base_path_that_is_none_is_refused_with_what_to_write() {
    let site = Site::new();
    let listen = "[listen]\nendpoint-paths = [\"ocsp here\"]\n";
    site.write("ocspry.toml", CONFIGURATION.replace("[listen]\n", listen));
    let finished = site
        .ocspry()
        .args(["serve", "--config", "ocspry.toml"])
        .run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("write it like `/ocsp/`"),
        "{finished:?}"
    );
}
