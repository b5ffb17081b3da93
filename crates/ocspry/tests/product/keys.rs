//! Keys and responder certificates: what is taken in which form, what is refused with which sentence, and renewal.

use crate::site::{GOOD, NOTICE_WAIT_MAX, Site};
use ocspry_testkit::{
    Authority, CertificateSpec, KeyKind, OcspryProcess, Peer, Reply, TestKey, now, pem,
};
use ocspry_wire::ocsp::CertStatus;

/// One way to make and write a key: name, `openssl` lines (OUT is the file), and whether it is encrypted.
const FORMS: [(&str, &str); 19] = [
    (
        "RSA 2048, PKCS#8 PEM",
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out OUT",
    ),
    (
        "RSA 2048, PKCS#1 PEM",
        "openssl genrsa -traditional -out OUT 2048",
    ),
    (
        "RSA 2048, PKCS#1 DER",
        "openssl genrsa 2048 | openssl rsa -traditional -outform DER -out OUT",
    ),
    (
        "RSA 3072, PKCS#8 DER",
        "openssl genrsa 3072 | openssl pkcs8 -topk8 -nocrypt -outform DER -out OUT",
    ),
    ("RSA 4096, PKCS#8 PEM", "openssl genrsa -out OUT 4096"),
    (
        "P-256, SEC1 PEM with its parameters",
        "openssl ecparam -genkey -name prime256v1 -out OUT",
    ),
    (
        "P-256, SEC1 PEM",
        "openssl ecparam -genkey -noout -name prime256v1 -out OUT",
    ),
    (
        "P-256, SEC1 DER",
        "openssl ecparam -genkey -noout -name prime256v1 -outform DER -out OUT",
    ),
    (
        "P-256, PKCS#8 PEM",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out OUT",
    ),
    (
        "P-256, PKCS#8 DER",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out OUT",
    ),
    (
        "P-384, SEC1 PEM",
        "openssl ecparam -genkey -noout -name secp384r1 -out OUT",
    ),
    (
        "P-384, PKCS#8 PEM",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out OUT",
    ),
    (
        "P-521, SEC1 PEM",
        "openssl ecparam -genkey -noout -name secp521r1 -out OUT",
    ),
    (
        "P-521, PKCS#8 PEM",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -out OUT",
    ),
    (
        "Ed25519, PKCS#8 PEM",
        "openssl genpkey -algorithm ED25519 -out OUT",
    ),
    (
        "Ed25519, PKCS#8 DER",
        "openssl genpkey -algorithm ED25519 -outform DER -out OUT",
    ),
    (
        "P-256, encrypted PKCS#8 PEM",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | \
         openssl pkcs8 -topk8 -v2 aes-256-cbc -passout file:passphrase -out OUT",
    ),
    (
        "RSA 2048, encrypted PKCS#8 DER",
        "openssl genrsa 2048 | openssl pkcs8 -topk8 -v2 aes-128-cbc -passout file:passphrase -outform DER -out OUT",
    ),
    (
        "Ed25519, encrypted PKCS#8 PEM (scrypt)",
        "openssl genpkey -algorithm ED25519 | openssl pkcs8 -topk8 -scrypt -passout file:passphrase -out OUT",
    ),
];

#[test]
fn every_kind_of_key_in_every_form_signs() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = Site::new();
    site.write("passphrase", "correct horse battery staple\nsecond line\n");
    // A few at a time: most of the time is key generation.
    std::thread::scope(|scope| {
        for (lane, forms) in FORMS.chunks(FORMS.len().div_ceil(2)).enumerate() {
            let site = &site;
            scope.spawn(move || {
                for (what, line) in forms {
                    let key = format!("lane-{lane}.key");
                    let certificate = format!("lane-{lane}.pem");
                    let run =
                        site.shell(None, &format!("umask 077; {}", line.replace("OUT", &key)));
                    assert_eq!(run.code, Some(0), "{what}: {run:?}");
                    let info = public_key_info(site, &key);
                    let spec = CertificateSpec::responder("Renewed responder");
                    site.write(
                        &certificate,
                        pem("CERTIFICATE", &site.ca.issue(&spec, &info)),
                    );
                    let process =
                        serve_with(site, &certificate, &key, &format!("state-{lane}"), what);
                    let reply = site.ask(&mut process.connect(), &site.request(GOOD));
                    assert_eq!(reply.single().status, CertStatus::Good, "{what}");
                }
            });
        }
    });
}

fn public_key_info(site: &Site, key: &str) -> Vec<u8> {
    let out = format!("{key}.pub");
    let form = if std::fs::read(site.file(key)).unwrap().starts_with(b"-----") {
        "PEM"
    } else {
        "DER"
    };
    let line = format!(
        "openssl pkey -in {key} -inform {form} -passin file:passphrase -pubout -outform DER -out {out}"
    );
    let run = site.shell(None, &line);
    assert_eq!(run.code, Some(0), "{run:?}");
    std::fs::read(site.file(&out)).unwrap()
}

fn serve_with(site: &Site, certificate: &str, key: &str, state: &str, what: &str) -> OcspryProcess {
    let command = site
        .ocspry()
        .env("STATE_DIRECTORY", site.file(state))
        .args([
            "serve",
            "--port",
            "0",
            "--ca",
            "intermediate_ca.pem",
            "--crl",
            "crl.pem",
        ])
        .args(["--ocsp-cert", certificate, "--ocsp-key", key]);
    if what.contains("encrypted") {
        command
            .args(["--ocsp-key-passphrase-file", "passphrase"])
            .start()
    } else {
        command.start()
    }
}

#[test]
fn certificates_may_be_der_or_have_text_around_them() {
    let site = Site::new();
    site.write("intermediate_ca.pem", &site.ca.certificate);
    site.write("ocsp.pem", &site.responder.certificate);
    let process = site.serve().start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    drop(process);
    site.write(
        "intermediate_ca.pem",
        format!("subject=…\n{}\nend\n", site.ca.certificate_pem()),
    );
    // The chain behind the certificate, as renewal tools write it.
    let chain = [site.responder.certificate_pem(), site.ca.certificate_pem()].concat();
    site.write("ocsp.pem", chain);
    let process = site.serve().start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    assert_eq!(enclosed(&site, &process), site.responder.certificate);
}

/// Starts with this responder, and expects exit code 1 and one line that names the file and says the sentence.
fn assert_refused(site: &Site, what: &str, extra: &[&str], file: &str, sentence: &str) {
    let finished = site.serve().args(extra).run();
    assert_eq!(finished.code, Some(1), "{what}: {finished:?}");
    let line = finished.stderr.lines().find(|line| line.contains(sentence));
    let line = line.unwrap_or_else(|| panic!("{what}: no {sentence:?} in {finished:?}"));
    assert!(line.contains(file), "{what}: {line}");
    assert!(
        !finished.stdout.contains("listening on"),
        "{what}: {finished:?}"
    );
    assert!(
        !finished.stderr.contains("panicked"),
        "{what}: {finished:?}"
    );
}

#[test]
fn sig_05_sig_06_a_certificate_that_may_not_answer_is_refused_in_a_plain_sentence() {
    type Change = fn(&mut CertificateSpec);
    let changes: [(&str, Change, &str); 6] = [
        (
            "no OCSPSigning",
            |spec| spec.ext_key_usage.clear(),
            "lacks the extended key usage OCSPSigning",
        ),
        (
            "no digitalSignature",
            |spec| spec.key_usage = Some(0x40),
            "without digitalSignature",
        ),
        (
            "expired",
            |spec| spec.not_after = now().plus_seconds(-60),
            "expired on",
        ),
        (
            "not yet valid",
            |spec| spec.not_before = now().plus_seconds(3600),
            "not valid before",
        ),
        ("a CA", |spec| spec.is_ca = true, "is a CA certificate"),
        (
            "a CA without OCSPSigning",
            |spec| {
                spec.is_ca = true;
                spec.ext_key_usage.clear();
            },
            "is a CA certificate",
        ),
    ];
    let site = Site::new();
    for (what, change, sentence) in changes {
        let mut spec = CertificateSpec::responder("Responder under test");
        change(&mut spec);
        let wrong = site.ca.issue_with_key(&spec, KeyKind::P256);
        site.write("ocsp.pem", wrong.certificate_pem());
        site.write("ocsp.key", wrong.key.pkcs8_pem());
        assert_refused(&site, what, &[], "ocsp.pem", sentence);
    }
}

#[test]
fn sig_07_sig_12_a_certificate_of_another_ca_or_another_key_of_the_same_name_is_refused() {
    let site = Site::new();
    let stranger = Authority::root("Stranger", KeyKind::P256).responder(KeyKind::P256);
    site.write("ocsp.pem", stranger.certificate_pem());
    site.write("ocsp.key", stranger.key.pkcs8_pem());
    assert_refused(
        &site,
        "another CA",
        &[],
        "ocsp.pem",
        "was issued by CN=Stranger",
    );
    let namesake = Authority::root("Site Intermediate", KeyKind::P256).responder(KeyKind::P256);
    site.write("ocsp.pem", namesake.certificate_pem());
    site.write("ocsp.key", namesake.key.pkcs8_pem());
    assert_refused(
        &site,
        "a namesake",
        &[],
        "ocsp.pem",
        "not signed by this CA's key",
    );
    // A certificate of the root above is not this CA's either (RFC 6960 §4.2.2.2: issued directly).
    let above = site.root.responder(KeyKind::P256);
    site.write("ocsp.pem", above.certificate_pem());
    site.write("ocsp.key", above.key.pkcs8_pem());
    assert_refused(
        &site,
        "the CA above",
        &[],
        "ocsp.pem",
        "was issued by CN=Site Root",
    );
}

#[test]
fn sig_08_a_key_that_cannot_be_used_is_refused_in_a_plain_sentence() {
    let site = Site::new();
    let other = TestKey::generate(KeyKind::P256);
    let whole = site.responder.key.pkcs8_pem();
    let der = site.responder.key.pkcs8_der();
    let cases: [(&str, Vec<u8>, &str); 8] = [
        (
            "another key",
            other.pkcs8_pem().into_bytes(),
            "does not fit the certificate",
        ),
        (
            "another kind",
            TestKey::generate(KeyKind::Ed25519).pkcs8_pem().into_bytes(),
            "does not fit",
        ),
        ("empty", Vec::new(), "is empty"),
        (
            "a certificate",
            site.responder.certificate_pem().into_bytes(),
            "this is a certificate",
        ),
        ("text", b"secret\n".to_vec(), "neither PEM nor DER"),
        (
            "truncated PEM",
            whole.as_bytes()[..100].to_vec(),
            "ends in the middle",
        ),
        (
            "truncated DER",
            der[..der.len() / 2].to_vec(),
            "ends in the middle",
        ),
        (
            "two keys",
            [whole.as_bytes(), other.pkcs8_pem().as_bytes()].concat(),
            "2 private keys",
        ),
    ];
    for (what, content, sentence) in cases {
        site.write("ocsp.key", content);
        let file = if what.starts_with("another") {
            "ocsp.pem"
        } else {
            "ocsp.key"
        };
        assert_refused(&site, what, &[], file, sentence);
    }
}

#[test]
fn an_rsa_key_below_2048_bits_is_refused() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = Site::new();
    let run = site.shell(
        None,
        "openssl genrsa -out ocsp.key 1024 && echo none > passphrase",
    );
    assert_eq!(run.code, Some(0), "{run:?}");
    let info = public_key_info(&site, "ocsp.key");
    let certificate = site
        .ca
        .issue(&CertificateSpec::responder("Weak responder"), &info);
    site.write("ocsp.pem", pem("CERTIFICATE", &certificate));
    assert_refused(&site, "RSA 1024", &[], "ocsp.key", "1024 bits");
}

#[test]
fn an_encrypted_key_needs_the_right_passphrase_from_a_file() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = Site::new();
    site.write("passphrase", "right\n");
    site.write("wrong", "left\n");
    site.write("blank", "\n");
    let line = "openssl pkcs8 -topk8 -in ocsp.key -v2 aes-256-cbc -passout file:passphrase -out new.key \
                && mv new.key ocsp.key";
    let run = site.shell(None, line);
    assert_eq!(run.code, Some(0), "{run:?}");
    let flag = "--ocsp-key-passphrase-file";
    assert_refused(&site, "no passphrase", &[], "ocsp.key", "is encrypted");
    assert_refused(
        &site,
        "wrong",
        &[flag, "wrong"],
        "ocsp.key",
        "passphrase does not open this key",
    );
    assert_refused(
        &site,
        "empty",
        &[flag, "blank"],
        "blank",
        "first line is empty",
    );
    assert_refused(
        &site,
        "absent",
        &[flag, "absent"],
        "absent",
        "cannot read the passphrase file",
    );
    let process = site.serve().args([flag, "passphrase"]).start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    assert!(!process.log().contains("right"), "{}", process.log());
}

#[test]
fn a_key_encrypted_in_the_old_way_is_refused_with_the_line_that_converts_it() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = Site::new();
    site.write("passphrase", "right\n");
    let line = "openssl ec -in ocsp.key -aes128 -passout file:passphrase -out new.key && \
                grep -q Proc-Type new.key && mv new.key ocsp.key";
    let run = site.shell(None, line);
    assert_eq!(run.code, Some(0), "{run:?}");
    let flags = ["--ocsp-key-passphrase-file", "passphrase"];
    assert_refused(
        &site,
        "Proc-Type",
        &flags,
        "ocsp.key",
        "openssl pkcs8 -topk8",
    );
}

#[test]
fn sig_11_a_missing_nocheck_is_a_warning_only() {
    let site = Site::new();
    let clean = site.serve().start();
    clean.wait_for_log("serving", NOTICE_WAIT_MAX);
    assert!(!clean.log().contains("WARN"), "{}", clean.log());
    drop(clean);
    let mut spec = CertificateSpec::responder("Responder without nocheck");
    spec.ocsp_nocheck = false;
    let credential = site.ca.issue_with_key(&spec, KeyKind::P256);
    site.write("ocsp.pem", credential.certificate_pem());
    site.write("ocsp.key", credential.key.pkcs8_pem());
    let process = site.serve().start();
    let warning = process.wait_for_log("ocsp-nocheck", NOTICE_WAIT_MAX);
    assert!(
        warning.contains("WARN") && warning.contains("Responder without nocheck"),
        "{warning}"
    );
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn alg_02_a_certificate_or_list_signed_with_sha_1_is_a_warning_and_no_answer_is() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let site = Site::with_keys(KeyKind::Rsa2048, KeyKind::Rsa2048);
    site.write(
        "extensions",
        "extendedKeyUsage=OCSPSigning\nkeyUsage=digitalSignature\nnoCheck=ignored\n",
    );
    let line = "openssl req -new -key ocsp.key -subj /CN=Old -out ocsp.csr && \
                openssl x509 -req -in ocsp.csr -CA intermediate_ca.pem -CAkey ca.key -CAcreateserial -sha1 \
                -days 2 -extfile extensions -out ocsp.pem && \
                touch index.txt && openssl ca -gencrl -keyfile ca.key -cert intermediate_ca.pem -md sha1 \
                -config ca.cnf -crldays 1 -out crl.pem";
    site.write(
        "ca.cnf",
        "[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\n",
    );
    let run = site.shell(None, line);
    assert_eq!(run.code, Some(0), "{run:?}");
    let process = site.serve().start();
    process.wait_for_log("serving", NOTICE_WAIT_MAX);
    let sha1: Vec<String> = process
        .log()
        .lines()
        .filter(|line| line.contains("SHA-1"))
        .map(str::to_owned)
        .collect();
    assert!(
        sha1.iter()
            .any(|line| line.contains("WARN") && line.contains("CN=Old")),
        "{sha1:?}"
    );
    assert!(
        sha1.iter()
            .any(|line| line.contains("WARN") && line.contains("crl.pem")),
        "{sha1:?}"
    );
    let response = process.connect().post(&site.request(GOOD)).unwrap();
    // The answer itself is signed with SHA-256; the delegate's certificate is the one with SHA-1.
    let basic = ocspry_wire::ocsp::OcspResponse::from_der(&response.body)
        .unwrap()
        .basic
        .unwrap();
    assert_eq!(
        ocspry_wire::x509::SignatureAlgorithm::from_der(basic.signature_algorithm),
        Some(ocspry_wire::x509::SignatureAlgorithm::RsaSha256)
    );
}

#[test]
fn sig_10_a_renewed_pair_replaced_one_file_after_the_other_takes_over_when_it_fits() {
    for certificate_first in [true, false] {
        let site = Site::new();
        let process = site.serve().start();
        let before = enclosed(&site, &process);
        assert_eq!(before, site.responder.certificate);
        let renewed = site.ca.responder(KeyKind::P384);
        let replace_certificate = || site.replace("ocsp.pem", renewed.certificate_pem());
        let replace_key = || site.replace("ocsp.key", renewed.key.pkcs8_pem());
        if certificate_first {
            replace_certificate()
        } else {
            replace_key()
        }
        process.wait_for_log("does not fit", NOTICE_WAIT_MAX);
        assert_eq!(enclosed(&site, &process), before, "the old pair stays");
        if certificate_first {
            replace_key()
        } else {
            replace_certificate()
        }
        site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, |reply| match reply {
            Reply::Signed(signed) => {
                signed.certificates == std::slice::from_ref(&renewed.certificate)
            }
            Reply::Error(status) => panic!("{status:?} during renewal"),
        });
    }
}

#[test]
fn a_broken_renewal_keeps_the_old_pair_answering() {
    let site = Site::new();
    let process = site.serve().start();
    let mut spec = CertificateSpec::responder("Responder without the right");
    spec.ext_key_usage.clear();
    let wrong = site.ca.issue_with_key(&spec, KeyKind::P256);
    site.replace("ocsp.key", wrong.key.pkcs8_pem());
    site.replace("ocsp.pem", wrong.certificate_pem());
    process.wait_for_log("OCSPSigning", NOTICE_WAIT_MAX);
    assert_eq!(enclosed(&site, &process), site.responder.certificate);
}

#[test]
fn sig_09_a_signer_that_expires_while_running_stops_signing() {
    let site = Site::new();
    let mut spec = CertificateSpec::responder("Responder with seconds left");
    let key = TestKey::generate(KeyKind::P256);
    site.write("ocsp.key", key.pkcs8_pem());
    let serve = site.serve();
    spec.not_after = now().plus_seconds(8);
    let short = site.ca.issue(&spec, &key.public_key_info());
    site.write("ocsp.pem", pem("CERTIFICATE", &short));
    let process = serve.start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    site.ask_until(&process, GOOD, NOTICE_WAIT_MAX, |reply| {
        *reply == Reply::Error(ocspry_wire::ocsp::ErrorStatus::TryLater)
    });
    assert!(now() >= spec.not_after.plus_seconds(-2));
}

fn enclosed(site: &Site, process: &OcspryProcess) -> Vec<u8> {
    let reply = site
        .ask(&mut process.connect(), &site.request(GOOD))
        .signed();
    reply
        .certificates
        .into_iter()
        .next()
        .expect("the delegate's certificate")
}
