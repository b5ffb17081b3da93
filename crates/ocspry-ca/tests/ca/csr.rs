//! Certification requests that OpenSSL made.

use crate::pki::*;
use ocspry_ca::{
    CaError, CaKey, CertificateRequest, KeyAlgorithm, NotGranted, Profile, SigningRequest, Subject,
};
use ocspry_testkit::Openssl;
use std::fs;

/// Makes `NAME.csr` with the key `NAME.key` of a kind that `genpkey` makes.
fn make_request(openssl: &Openssl, name: &str, genpkey: &str, req: &str) -> Vec<u8> {
    openssl.run(&format!("genpkey {genpkey} -out {name}.key"));
    openssl.run(&format!(
        "req -new -key {name}.key -out {name}.csr -subj /O=Asked/CN={name} {req}"
    ));
    openssl.read(&format!("{name}.csr"))
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";

#[test]
fn a_request_for_each_kind_of_key_becomes_a_certificate_that_openssl_accepts() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    openssl.write_certificate("root.pem", ca.certificate());
    for (name, genpkey, kind) in [
        (
            "rsa",
            "-algorithm RSA -pkeyopt rsa_keygen_bits:2048",
            "RSA 2048",
        ),
        ("p256", P256, "P-256"),
        (
            "p384",
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-384",
            "P-384",
        ),
        (
            "p521",
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-521",
            "P-521",
        ),
        ("ed25519", "-algorithm ED25519", "Ed25519"),
    ] {
        let pem = make_request(
            &openssl,
            name,
            genpkey,
            "-addext subjectAltName=DNS:a.example,IP:::1",
        );
        openssl.run(&format!("req -in {name}.csr -outform DER -out {name}.der"));
        let asked = SigningRequest::read(&pem).unwrap();
        assert_eq!(
            SigningRequest::read(&openssl.read(&format!("{name}.der")))
                .unwrap()
                .public_key(),
            asked.public_key()
        );
        assert_eq!(asked.public_key().kind().to_string(), kind);
        assert_eq!(
            asked.subject().unwrap().to_string(),
            format!("CN={name},O=Asked")
        );
        let names: Vec<_> = asked
            .alt_names()
            .unwrap()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(names, ["DNS:a.example", "IP:::1"]);
        assert_eq!(asked.not_granted(), []);

        let request = CertificateRequest {
            alt_names: asked.alt_names().unwrap(),
            ..CertificateRequest::usual(
                asked.subject().unwrap(),
                asked.public_key().clone(),
                Profile::Server,
            )
        };
        let issued = ca.issue(&request, new_serial(), NOW).unwrap();
        openssl.write_certificate("issued.pem", &issued);
        let at = NOW.unix_seconds();
        let said = openssl.run(&format!(
            "verify -x509_strict -attime {at} -purpose sslserver -verify_hostname a.example -CAfile root.pem issued.pem"
        ));
        assert_eq!(said.trim(), "issued.pem: OK");
        // The subject's octets are those of the request.
        assert_eq!(issued.view().subject, asked.subject().unwrap().der());
    }
}

#[test]
fn a_request_of_our_own_is_one_that_openssl_and_we_take() {
    let subject = Subject::new("asker", None).unwrap();
    for algorithm in KeyAlgorithm::ALL {
        let key = CaKey::generate(algorithm).unwrap();
        let pem = key.request_pem(&subject).unwrap();
        let asked = SigningRequest::read(pem.as_bytes()).unwrap();
        assert_eq!(asked.public_key(), key.public_key());
        assert_eq!(asked.subject().unwrap(), subject);
        assert_eq!(asked.not_granted(), []);
        assert_eq!(asked.alt_names().unwrap(), []);
        let Some(openssl) = Openssl::find() else {
            continue;
        };
        fs::write(openssl.path("own.csr"), &pem).unwrap();
        let said = openssl.run("req -in own.csr -noout -verify -subject");
        assert!(said.contains("asker"), "{algorithm}: {said}");
    }
}

#[test]
fn what_a_request_asks_for_beyond_its_key_is_named_and_not_given() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let asked = make_request(
        &openssl,
        "greedy",
        P256,
        "-addext basicConstraints=critical,CA:TRUE,pathlen:3 -addext keyUsage=keyCertSign,cRLSign \
         -addext extendedKeyUsage=OCSPSigning,1.2.3.4 -addext noCheck=ignored -addext nsComment=x",
    );
    let asked = SigningRequest::read(&asked).unwrap();
    let named: Vec<_> = asked
        .not_granted()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        named,
        [
            "basicConstraints CA:TRUE (to be a CA)",
            "keyUsage keyCertSign or cRLSign (to sign as a CA)",
            "extKeyUsage OCSPSigning 1.2.3.4",
            "the extension 1.3.6.1.5.5.7.48.1.5",
            "the extension 2.16.840.1.113730.1.13",
        ]
    );
    let for_a_ca = asked
        .not_granted()
        .iter()
        .filter(|asked| asked.is_for_a_ca());
    assert_eq!(for_a_ca.count(), 2);

    let request = CertificateRequest::usual(
        asked.subject().unwrap(),
        asked.public_key().clone(),
        Profile::Client,
    );
    let issued = root(KeyAlgorithm::P256)
        .issue(&request, new_serial(), NOW)
        .unwrap();
    assert!(!issued.view().is_ca && !issued.view().has_ocsp_nocheck);
    let text = openssl.text(&issued);
    assert_eq!(
        masked(&extensions(&text)),
        [
            "X509v3 Key Usage: critical",
            "Digital Signature",
            "X509v3 Extended Key Usage:",
            "TLS Web Client Authentication",
            "X509v3 Subject Key Identifier:",
            "(key)",
            "X509v3 Authority Key Identifier:",
            "(key)",
        ]
    );
    let modest = make_request(
        &openssl,
        "modest",
        P256,
        "-addext keyUsage=digitalSignature",
    );
    assert_eq!(
        SigningRequest::read(&modest).unwrap().not_granted(),
        [NotGranted::KeyUsage]
    );
}

#[test]
fn a_request_that_was_changed_or_signed_by_another_key_is_refused() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    make_request(&openssl, "mine", P256, "-outform DER");
    let der = openssl.read("mine.csr");
    SigningRequest::read(&der).unwrap();
    // A letter of the subject.
    let at = der.windows(4).position(|part| part == b"mine").unwrap();
    let mut changed = der.clone();
    changed[at] ^= 1;
    let error = SigningRequest::read(&changed).unwrap_err();
    assert!(matches!(error, CaError::RequestSignature), "{error}");
    // Every single octet: refused, or (in the outermost algorithm) never taken for another request.
    for index in 0..der.len() {
        let mut changed = der.clone();
        changed[index] ^= 0x40;
        assert!(SigningRequest::read(&changed).is_err(), "octet {index}");
    }
}

#[test]
fn weak_and_unknown_keys_are_refused_by_name() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    for (name, genpkey, said) in [
        (
            "short",
            "-algorithm RSA -pkeyopt rsa_keygen_bits:1024",
            "the RSA key to certify has 1024 bits; 2048 to 8192 are allowed: make a new key",
        ),
        (
            "k1",
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
            "a key on the curve 1.3.132.0.10 is not certified here; use RSA, P-256, P-384, P-521 or Ed25519",
        ),
        (
            "explicit",
            "-algorithm EC -pkeyopt ec_paramgen_curve:P-256 -pkeyopt ec_param_enc:explicit",
            "the EC key to certify spells out its curve instead of naming it; make a new key",
        ),
        (
            "ed448",
            "-algorithm ED448",
            "a key of the algorithm 1.3.101.113 is not certified here; use RSA, P-256, P-384, P-521 or Ed25519",
        ),
    ] {
        let request = make_request(&openssl, name, genpkey, "");
        assert_eq!(
            SigningRequest::read(&request).unwrap_err().to_string(),
            said
        );
    }
}

#[test]
fn what_is_no_request_is_refused_by_what_it_is() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let request = make_request(&openssl, "a", P256, "");
    let certificate = root(KeyAlgorithm::P256).certificate().der().to_vec();
    openssl.write_certificate("ca.pem", root(KeyAlgorithm::P256).certificate());
    let key = fs::read(openssl.path("a.key")).unwrap();
    let several = [&request[..], &request].concat();
    let cut = &request[..request.len() / 2];
    for (content, said) in [
        (&b""[..], "this is no certification request (PKCS#10)"),
        (b"hello", "this is no certification request (PKCS#10)"),
        (&certificate, "this is no certification request (PKCS#10)"),
        (
            &openssl.read("ca.pem"),
            "this holds no certification request, but \"CERTIFICATE\"",
        ),
        (
            &key,
            "this holds no certification request, but \"PRIVATE KEY\"",
        ),
        (&several, "this holds several certification requests"),
        (cut, "line 1 breaks the PEM block"),
        (&[b' '; 70_000], "this has more than 65536 octets"),
    ] {
        let error = SigningRequest::read(content).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
    // Text above the block, as `openssl req -text` writes it, is passed over.
    openssl.run("req -in a.csr -text -out text.csr");
    SigningRequest::read(&openssl.read("text.csr")).unwrap();
}
