//! Several CAs in one responder: files in any order, each answered by its own signer, what is ambiguous refused.

use crate::site::{GOOD, OCSPRY, REVOKED};
use ocspry_testkit::{
    Authority, Credential, CrlSpec, KeyKind, Ocspry, Reply, RequestSpec, base64_path, cert_id, pem,
};
use ocspry_wire::ocsp::{CertStatus, CrlReason, ErrorStatus, HashAlgorithm};
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
