//! Key files as real tools write them: every kind, every form, and every file that is no key.
//!
//! The keys are made by the OpenSSL command line while the test runs; what is signed here is verified there.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops")]

use ocspry_core::{Signer, SigningSpeed, crypto};
use ocspry_signer::{FileSigner, KeyError, KeyKind, KeyWarning, NotAKey, Passphrase};
use ocspry_testkit::{Openssl, pem};
use ocspry_wire::der::{Reader, read, tag, write};
use ocspry_wire::x509::{Certificate, SignatureAlgorithm, SubjectPublicKeyInfo};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use zeroize::Zeroizing;

/// Key files of the OpenSSL command line, in its own directory.
trait KeyFiles {
    fn load(&self, name: &str) -> FileSigner;
    fn refuse(&self, name: &str) -> KeyError;
    fn open(&self, name: &str, secret: &str) -> Result<FileSigner, KeyError>;
    /// Writes a key of this kind to `key.pem`, as PKCS#8.
    fn generate(&self, options: &str);
}

impl KeyFiles for Openssl {
    fn load(&self, name: &str) -> FileSigner {
        FileSigner::load(&self.path(name), None).unwrap_or_else(|error| panic!("{error}"))
    }

    fn refuse(&self, name: &str) -> KeyError {
        FileSigner::load(&self.path(name), None).unwrap_err()
    }

    fn open(&self, name: &str, secret: &str) -> Result<FileSigner, KeyError> {
        FileSigner::load(&self.path(name), Some(&passphrase(secret)))
    }

    fn generate(&self, options: &str) {
        self.run(&format!("genpkey {options} -out key.pem"));
    }
}

fn passphrase(secret: &str) -> Passphrase {
    Passphrase::from_bytes(Zeroizing::new(secret.as_bytes().to_vec()))
}

const P256: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-256";
const P384: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-384";
const P521: &str = "-algorithm EC -pkeyopt ec_paramgen_curve:P-521";
const ED25519: &str = "-algorithm ED25519";
const RSA_2048: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:2048";
const RSA_3000: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:3000";
const RSA_4096: &str = "-algorithm RSA -pkeyopt rsa_keygen_bits:4096";

/// The forms older than PKCS#8: PKCS#1 for RSA, SEC1 for EC.
const OLDER_FORMS: &[(&str, &str)] = &[
    ("traditional.pem", "-traditional"),
    ("traditional.der", "-traditional -outform DER"),
];

/// What holds for every kind of key, whoever holds it; `openssl` has it in `key.pem`.
fn signer_battery(
    signer: &(impl Signer + 'static),
    openssl: &Openssl,
    algorithm: SignatureAlgorithm,
    speed: SigningSpeed,
    openssl_verify: &str,
) {
    assert_eq!(signer.algorithm(), algorithm);
    assert_eq!(signer.speed(), speed);

    openssl.run("req -x509 -new -key key.pem -subj /CN=x -outform DER -out certificate.der");
    let certificate = openssl.read("certificate.der");
    let certified = Certificate::from_der(&certificate).unwrap().public_key;
    assert_eq!(
        signer.public_key_info(),
        certified.der,
        "the octets a certificate carries"
    );

    let verify = |message: &[u8], signature: &[u8]| {
        let key = SubjectPublicKeyInfo::from_der(signer.public_key_info()).unwrap();
        crypto::verify(Some(algorithm), &key, message, signature)
    };
    for message in [&b""[..], b"one request", &[0x5a; 70_000]] {
        let mut signature = b"before".to_vec();
        signer
            .sign(signer.algorithm(), message, &mut signature)
            .unwrap();
        let signature = signature
            .strip_prefix(b"before")
            .expect("appended, nothing overwritten");
        verify(message, signature).expect("its own signature");
        verify(b"another request", signature).expect_err("a signature of something else");
    }

    // Every algorithm that it offers works; any other is refused and leaves nothing behind.
    let key = SubjectPublicKeyInfo::from_der(signer.public_key_info()).unwrap();
    for other in SignatureAlgorithm::ALL {
        let mut signature = Vec::new();
        let signed = signer.sign(other, b"one request", &mut signature);
        let is_rsa = matches!(algorithm, SignatureAlgorithm::RsaSha256)
            && matches!(
                other,
                SignatureAlgorithm::RsaSha384 | SignatureAlgorithm::RsaSha512
            );
        assert_eq!(signer.signs_with(other), other == algorithm || is_rsa);
        if signer.signs_with(other) {
            let verified = crypto::verify(Some(other), &key, b"one request", &signature);
            assert_eq!(verified, Ok(()), "{}", other.name());
        } else {
            assert!(signed.is_err(), "{}", other.name());
            assert_eq!(signature, b"");
        }
    }

    std::thread::scope(|scope| {
        for thread in 0..4_u8 {
            scope.spawn(move || {
                for round in 0..8_u8 {
                    let mut signature = Vec::new();
                    signer
                        .sign(signer.algorithm(), &[thread, round], &mut signature)
                        .unwrap();
                    verify(&[thread, round], &signature).expect("signed while others sign");
                }
            });
        }
    });

    let mut signature = Vec::new();
    signer
        .sign(signer.algorithm(), b"said to openssl", &mut signature)
        .unwrap();
    openssl.write("message", b"said to openssl");
    openssl.write("signature", &signature);
    openssl.run("pkey -in key.pem -pubout -out public.pem");
    let said = openssl.run(&format!(
        "pkeyutl -verify -pubin -inkey public.pem -rawin -in message -sigfile signature {openssl_verify}"
    ));
    assert!(said.contains("Signature Verified Successfully"), "{said}");
}

/// Stamps the battery, and the reading of each form, on one kind of key.
macro_rules! kind_of_key {
    ($name:ident, $options:expr, $older:expr, $kind:expr, $algorithm:expr, $speed:expr, $openssl_verify:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn passes_the_signer_battery() {
                let Some(openssl) = Openssl::find() else { return };
                openssl.generate($options);
                let signer = openssl.load("key.pem");
                assert_eq!(signer.kind(), $kind);
                signer_battery(&signer, &openssl, $algorithm, $speed, $openssl_verify);
            }

            #[test]
            fn is_the_same_key_in_every_form() {
                let Some(openssl) = Openssl::find() else { return };
                openssl.generate($options);
                openssl.write("secret", "correct horse\n");
                openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
                let public = openssl.read("public.der");

                let pkcs8 = [("pkcs8.pem", ""), ("pkcs8.der", "-outform DER")];
                for (name, options) in pkcs8.iter().chain($older) {
                    openssl.run(&format!("pkey -in key.pem {options} -out {name}"));
                    let signer = openssl.load(name);
                    assert_eq!(signer.public_key_info(), public, "{name}");
                    assert_eq!(signer.kind(), $kind, "{name}");
                }

                for (name, options) in [
                    ("aes256.pem", "-v2 aes-256-cbc"),
                    ("aes192.pem", "-v2 aes-192-cbc -v2prf hmacWithSHA512"),
                    ("aes128.der", "-v2 aes-128-cbc -v2prf hmacWithSHA1 -outform DER"),
                    ("3des.pem", "-v2 des3"),
                    ("scrypt.der", "-scrypt -outform DER"),
                ] {
                    openssl.run(&format!(
                        "pkcs8 -topk8 -in key.pem {options} -passout file:secret -out {name}"
                    ));
                    let secret = Passphrase::from_file(&openssl.path("secret")).unwrap();
                    let signer = FileSigner::load(&openssl.path(name), Some(&secret)).unwrap();
                    assert_eq!(signer.public_key_info(), public, "{name}");
                    assert!(matches!(openssl.refuse(name), KeyError::PassphraseMissing { .. }), "{name}");
                    let error = openssl.open(name, "wrong").unwrap_err();
                    assert!(matches!(error, KeyError::PassphraseWrong { .. }), "{name}: {error}");
                }
            }

            #[test]
            fn is_read_by_openssl_when_exported() {
                let Some(openssl) = Openssl::find() else { return };
                openssl.generate($options);
                let exported = openssl.load("key.pem").export_pkcs8().unwrap();
                openssl.write("exported.der", &exported);
                openssl.run("pkey -in exported.der -inform DER -check -pubout -outform DER -out exported-public.der");
                openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
                // `-check` writes its verdict in front of the DER.
                assert!(openssl.read("exported-public.der").ends_with(&openssl.read("public.der")));
            }
        }
    };
}

kind_of_key!(
    p256,
    P256,
    OLDER_FORMS,
    KeyKind::P256,
    SignatureAlgorithm::EcdsaSha256,
    SigningSpeed::Inline,
    "-digest sha256"
);
kind_of_key!(
    p384,
    P384,
    OLDER_FORMS,
    KeyKind::P384,
    SignatureAlgorithm::EcdsaSha384,
    SigningSpeed::Inline,
    "-digest sha384"
);
kind_of_key!(
    p521,
    P521,
    OLDER_FORMS,
    KeyKind::P521,
    SignatureAlgorithm::EcdsaSha512,
    SigningSpeed::Queued,
    "-digest sha512"
);
kind_of_key!(
    ed25519,
    ED25519,
    &[],
    KeyKind::Ed25519,
    SignatureAlgorithm::Ed25519,
    SigningSpeed::Inline,
    ""
);
kind_of_key!(
    rsa_2048,
    RSA_2048,
    OLDER_FORMS,
    KeyKind::Rsa { bits: 2048 },
    SignatureAlgorithm::RsaSha256,
    SigningSpeed::Queued,
    "-digest sha256"
);
kind_of_key!(
    rsa_3000,
    RSA_3000,
    OLDER_FORMS,
    KeyKind::Rsa { bits: 3000 },
    SignatureAlgorithm::RsaSha256,
    SigningSpeed::Queued,
    "-digest sha256"
);
kind_of_key!(
    rsa_4096,
    RSA_4096,
    OLDER_FORMS,
    KeyKind::Rsa { bits: 4096 },
    SignatureAlgorithm::RsaSha256,
    SigningSpeed::Queued,
    "-digest sha256"
);

#[test]
fn the_older_commands_write_keys_that_are_read() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.run("genrsa -out genrsa.pem 2048");
    openssl.run("genrsa -traditional -out genrsa-traditional.pem 2048");
    openssl.run("ecparam -name secp384r1 -genkey -out with-parameters.pem");
    openssl.run("ecparam -name secp384r1 -genkey -noout -out without-parameters.pem");
    assert_eq!(
        openssl.load("genrsa.pem").kind(),
        KeyKind::Rsa { bits: 2048 }
    );
    assert_eq!(
        openssl.load("genrsa-traditional.pem").kind(),
        KeyKind::Rsa { bits: 2048 }
    );
    assert_eq!(openssl.load("with-parameters.pem").kind(), KeyKind::P384);
    assert_eq!(openssl.load("without-parameters.pem").kind(), KeyKind::P384);
    let text = String::from_utf8(openssl.read("with-parameters.pem")).unwrap();
    assert!(
        text.contains("-----BEGIN EC PARAMETERS-----"),
        "the test means this block: {text}"
    );
}

#[test]
fn an_ec_key_without_its_public_part_gets_it_derived() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    for options in [P256, P384, P521] {
        openssl.generate(options);
        openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
        openssl.run("ec -in key.pem -no_public -out sec1.pem");
        openssl.run("ec -in key.pem -no_public -outform DER -out sec1.der");
        openssl.run("pkcs8 -topk8 -nocrypt -in sec1.pem -out pkcs8.pem");
        assert!(
            openssl.read("sec1.der").len() < openssl.read("public.der").len() + 32,
            "no public part"
        );
        for name in ["sec1.pem", "sec1.der", "pkcs8.pem"] {
            let signer = openssl.load(name);
            assert_eq!(
                signer.public_key_info(),
                openssl.read("public.der"),
                "{options} {name}"
            );
            let mut signature = Vec::new();
            signer
                .sign(signer.algorithm(), b"message", &mut signature)
                .unwrap();
            let key = SubjectPublicKeyInfo::from_der(signer.public_key_info()).unwrap();
            crypto::verify(Some(signer.algorithm()), &key, b"message", &signature).unwrap();
        }
    }
}

#[test]
fn a_compressed_public_part_comes_back_uncompressed() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P256);
    openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
    openssl.run("ec -in key.pem -conv_form compressed -out compressed.pem");
    assert!(openssl.read("compressed.pem").len() < openssl.read("key.pem").len());
    assert_eq!(
        openssl.load("compressed.pem").public_key_info(),
        openssl.read("public.der")
    );
}

/// `key.pem` as SEC1 DER without its `[0]` parameters.
fn sec1_without_curve(openssl: &Openssl) -> Vec<u8> {
    openssl.run("ec -in key.pem -outform DER -out sec1.der");
    let sec1 = openssl.read("sec1.der");
    let mut fields = Reader::inside(read::whole(&sec1, tag::SEQUENCE).unwrap());
    let mut stripped = Vec::new();
    write::push_nested(&mut stripped, tag::SEQUENCE, |out| {
        while !fields.is_empty() {
            let field = fields.read_any().unwrap();
            if field.tag != tag::context(0) {
                out.extend_from_slice(field.der);
            }
        }
    });
    assert!(stripped.len() < sec1.len());
    stripped
}

#[test]
fn the_curve_may_stand_in_the_parameters_block_alone() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P384);
    openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
    openssl.run("ecparam -name secp384r1 -out parameters.pem");
    let parameters = String::from_utf8(openssl.read("parameters.pem")).unwrap();
    let key = pem("EC PRIVATE KEY", &sec1_without_curve(&openssl));
    openssl.write("both.pem", parameters + &key);
    assert_eq!(
        openssl.load("both.pem").public_key_info(),
        openssl.read("public.der")
    );

    openssl.write("alone.pem", key);
    let error = openssl.refuse("alone.pem");
    assert!(matches!(error, KeyError::MissingCurve { .. }), "{error}");
}

#[test]
fn a_curve_spelled_out_is_refused_with_the_line_that_names_it() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.run("ecparam -name prime256v1 -genkey -noout -param_enc explicit -out key.pem");
    openssl.run("pkcs8 -topk8 -nocrypt -in key.pem -out pkcs8.pem");
    for name in ["key.pem", "pkcs8.pem"] {
        let error = openssl.refuse(name);
        assert!(matches!(error, KeyError::UnnamedCurve { .. }), "{error}");
        let text = error.to_string();
        let (_, line) = text.split_once("run: openssl ").unwrap();
        openssl.run(line);
        assert_eq!(openssl.load("NEW.key").kind(), KeyKind::P256);
    }
}

#[test]
fn old_encryption_is_refused_with_the_line_that_converts_it() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(RSA_2048);
    openssl.run("rsa -in key.pem -traditional -aes128 -passout pass:old -out proc-type.pem");
    openssl.run("pkcs8 -topk8 -v1 PBE-SHA1-3DES -in key.pem -passout pass:old -out pbes1.pem");
    openssl.run(
        "pkcs8 -topk8 -v1 PBE-SHA1-3DES -in key.pem -passout pass:old -outform DER -out pbes1.der",
    );
    for (name, named) in [
        ("proc-type.pem", "Proc-Type: 4,ENCRYPTED"),
        ("pbes1.pem", "PBE-SHA1-3DES"),
        ("pbes1.der", "PBE-SHA1-3DES"),
    ] {
        // With and without a passphrase: the way out is the same.
        let error = openssl.open(name, "old").unwrap_err();
        assert!(matches!(error, KeyError::OldEncryption { .. }), "{error}");
        assert_eq!(error.to_string(), openssl.refuse(name).to_string());
        assert!(error.to_string().contains(named), "{error}");

        let text = error.to_string();
        let (_, line) = text.split_once("convert it: openssl ").unwrap();
        openssl.run(&format!("{line} -passin pass:old -passout pass:new"));
        assert_eq!(
            openssl.open("NEW.key", "new").unwrap().kind(),
            KeyKind::Rsa { bits: 2048 }
        );
    }
}

#[test]
fn a_cipher_that_is_not_known_is_refused_with_the_line_that_converts_it() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P256);
    openssl.run("pkcs8 -topk8 -v2 camellia-256-cbc -in key.pem -passout pass:x -outform DER -out camellia.der");
    let text = openssl.open("camellia.der", "x").unwrap_err().to_string();
    let (_, line) = text.split_once("convert it: openssl ").unwrap();
    openssl.run(&format!("{line} -passin pass:x -passout pass:y"));
    assert_eq!(openssl.open("NEW.key", "y").unwrap().kind(), KeyKind::P256);
}

#[test]
fn rsa_keys_out_of_range_are_refused_with_their_size() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    for bits in [1024, 2047] {
        openssl.run(&format!("genrsa -out small.pem {bits}"));
        openssl.run("rsa -in small.pem -traditional -out small-traditional.pem");
        for name in ["small.pem", "small-traditional.pem"] {
            let text = openssl.refuse(name).to_string();
            assert!(
                text.contains(&format!(
                    "this RSA key has {bits} bits; keys of 2048 to 4096 bits"
                )),
                "{text}"
            );
        }
    }
    // Nothing but the size is looked at, so that no key of 4104 bits need be made.
    let mut too_long = Vec::new();
    write::push_nested(&mut too_long, tag::SEQUENCE, |out| {
        write::push(out, tag::INTEGER, &[0]);
        write::push(out, tag::INTEGER, &[&[0, 0xff][..], &[1; 512]].concat());
        for _ in 0..7 {
            write::push(out, tag::INTEGER, &[1]);
        }
    });
    openssl.write("large.der", too_long);
    let text = openssl.refuse("large.der").to_string();
    assert!(text.contains("this RSA key has 4104 bits"), "{text}");
}

#[test]
fn kinds_of_keys_that_do_not_sign_here_are_named() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    for (options, named) in [
        (
            "-algorithm EC -pkeyopt ec_paramgen_curve:secp256k1",
            "an EC key on the curve 1.3.132.0.10",
        ),
        ("-algorithm ED448", "an Ed448 key"),
        ("-algorithm X25519", "an X25519 key"),
        (
            "-algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048",
            "an RSA key restricted to PSS",
        ),
    ] {
        openssl.generate(options);
        let text = openssl.refuse("key.pem").to_string();
        assert!(
            text.contains(&format!(
                "key.pem: {named} cannot sign here; use a key on P-256"
            )),
            "{text}"
        );
    }
    openssl.run(
        "genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:1024 -out dsa-parameters.pem",
    );
    openssl.run("genpkey -paramfile dsa-parameters.pem -out key.pem");
    openssl.run("pkey -in key.pem -traditional -out dsa.pem");
    openssl.run("pkey -in key.pem -traditional -outform DER -out dsa.der");
    for name in ["key.pem", "dsa.pem", "dsa.der"] {
        let text = openssl.refuse(name).to_string();
        assert!(
            text.contains("a DSA key cannot sign here"),
            "{name}: {text}"
        );
    }
}

#[test]
fn what_is_not_a_private_key_is_named() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P256);
    openssl.write("secret", "x\n");
    openssl.run("req -x509 -new -key key.pem -subj /CN=x -out certificate.pem");
    openssl.run("x509 -in certificate.pem -outform DER -out certificate.der");
    openssl.run("req -new -key key.pem -subj /CN=x -out request.pem");
    openssl.run("req -in request.pem -outform DER -out request.der");
    openssl.run("pkey -in key.pem -pubout -out public.pem");
    openssl.run("pkey -in key.pem -pubout -outform DER -out public.der");
    openssl.run("ecparam -name prime256v1 -out parameters.pem");
    openssl.run(
        "pkcs12 -export -inkey key.pem -in certificate.pem -passout file:secret -out store.p12",
    );
    openssl.write("openssh", pem("OPENSSH PRIVATE KEY", b"openssh-key-v1"));
    openssl.write("list.pem", pem("X509 CRL", b"..."));
    openssl.write("text", "BEGIN PRIVATE KEY\n");
    for (name, expected) in [
        ("certificate.pem", NotAKey::Certificate),
        ("certificate.der", NotAKey::Certificate),
        ("request.pem", NotAKey::CertificateRequest),
        ("request.der", NotAKey::SignedObject),
        ("public.pem", NotAKey::PublicKey),
        ("public.der", NotAKey::PublicKey),
        ("parameters.pem", NotAKey::EcParameters),
        ("store.p12", NotAKey::Pkcs12),
        ("openssh", NotAKey::OpenSsh),
        ("list.pem", NotAKey::Crl),
        ("text", NotAKey::Unrecognized),
    ] {
        match openssl.refuse(name) {
            KeyError::NotAKey { path, found } => {
                assert_eq!(found, expected, "{name}");
                assert_eq!(path, openssl.path(name));
            }
            error => panic!("{name}: {error}"),
        }
    }
}

#[test]
fn certificates_beside_the_key_are_passed_over() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P256);
    openssl.run("req -x509 -new -key key.pem -subj /CN=x -out certificate.pem");
    let certificate = openssl.read("certificate.pem");
    let key = openssl.read("key.pem");
    openssl.write(
        "bundle.pem",
        [&certificate[..], b"some text\n", &key, &certificate].concat(),
    );
    assert_eq!(openssl.load("bundle.pem").kind(), KeyKind::P256);
}

#[test]
fn two_keys_in_one_file_are_refused() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P256);
    let key = openssl.read("key.pem");
    openssl.write("two.pem", [&key[..], &key].concat());
    let error = openssl.refuse("two.pem");
    assert!(
        matches!(error, KeyError::SeveralKeys { count: 2, .. }),
        "{error}"
    );
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    for options in [P256, ED25519, RSA_2048] {
        openssl.generate(options);
        openssl.run("pkey -in key.pem -traditional -outform DER -out key.der");
        openssl.run("pkcs8 -topk8 -in key.pem -passout pass:x -outform DER -out encrypted.der");
        let path = openssl.path("cut");
        for name in ["key.pem", "key.der", "encrypted.der"] {
            let whole = openssl.read(name);
            // Without its last line end a PEM file is whole.
            for length in 0..whole.len() - 1 {
                let error = FileSigner::from_bytes(&whole[..length], &path, None).unwrap_err();
                match (length, &error) {
                    (0, KeyError::Empty { .. }) => {}
                    (
                        1..,
                        KeyError::Truncated { .. }
                        | KeyError::NotAKey { .. }
                        | KeyError::BrokenPem { .. },
                    ) => {}
                    (_, error) => panic!("{options} {name} {length}: {error}"),
                }
            }
        }
    }
}

#[test]
fn a_flipped_bit_never_gives_another_key() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    for options in [P256, ED25519, RSA_2048] {
        openssl.generate(options);
        openssl.run("pkey -in key.pem -outform DER -out key.der");
        let whole = openssl.read("key.der");
        let public_key_info = openssl.load("key.der").public_key_info().to_vec();
        let path = openssl.path("flipped");
        for position in (0..whole.len()).step_by(3) {
            let mut flipped = whole.clone();
            flipped[position] ^= 1 << (position % 8);
            // Ed25519 has no redundancy in version 1 of PKCS#8: there another seed is another key.
            if let Ok(signer) = FileSigner::from_bytes(&flipped, &path, None) {
                assert!(
                    options == ED25519 || signer.public_key_info() == public_key_info,
                    "{options}: octet {position}"
                );
            }
        }
    }
}

#[test]
fn an_empty_or_missing_file_is_said_to_be_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ocsp.key");
    let error = FileSigner::load(&path, None).unwrap_err();
    assert!(matches!(error, KeyError::Unreadable { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("ocsp.key: cannot read the private key: No such file"),
        "{error}"
    );

    for content in ["", "\n \r\n"] {
        fs::write(&path, content).unwrap();
        let error = FileSigner::load(&path, None).unwrap_err();
        assert!(matches!(error, KeyError::Empty { .. }), "{error}");
    }
    let error = FileSigner::load(directory.path(), None).unwrap_err();
    assert!(matches!(error, KeyError::Unreadable { .. }), "{error}");
}

#[test]
fn a_file_too_large_for_a_key_is_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("disk.img");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let error = FileSigner::load(&path, None).unwrap_err();
    assert!(matches!(error, KeyError::TooLarge { .. }), "{error}");
}

#[test]
fn a_key_that_others_can_read_works_with_a_warning() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P256);
    let path = openssl.path("key.pem");
    let warnings = |mode| {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        openssl.load("key.pem").warnings().to_vec()
    };
    assert_eq!(warnings(0o600), []);
    assert_eq!(warnings(0o640), [], "a group for keys is good practice");
    assert_eq!(
        warnings(0o644),
        [KeyWarning::ReadableByOthers {
            path: path.clone(),
            mode: 0o644
        }]
    );
    let text = warnings(0o604)[0].to_string();
    assert!(text.contains("(mode 0604); run: chmod 600 "), "{text}");
}

#[test]
fn a_passphrase_for_an_open_key_is_a_warning() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P256);
    let signer = openssl.open("key.pem", "x").unwrap();
    let path = openssl.path("key.pem");
    assert!(
        signer
            .warnings()
            .contains(&KeyWarning::PassphraseNotUsed { path })
    );
}

#[test]
fn no_message_and_no_debug_print_shows_a_secret() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    openssl.generate(P256);
    openssl.run("pkcs8 -topk8 -in key.pem -passout pass:hunter2 -out encrypted.pem");
    let error = openssl.open("encrypted.pem", "hunter3").unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("hunter"), "{text}");
    }
    let signer = openssl.open("encrypted.pem", "hunter2").unwrap();
    assert_eq!(
        format!("{signer:?}"),
        "FileSigner { kind: P256, warnings: [], .. }"
    );
}

#[test]
fn alg_02_alg_09_no_key_signs_with_sha_1_and_rsa_signs_with_sha_256() {
    let directory = tempfile::tempdir().unwrap();
    for kind in ocspry_testkit::KeyKind::ALL {
        let key = ocspry_testkit::TestKey::generate(kind);
        let path = directory.path().join("key.pem");
        fs::write(&path, key.pkcs8_pem()).unwrap();
        let signer = FileSigner::load(&path, None).unwrap_or_else(|error| panic!("{error}"));
        let algorithm = kind.signature_algorithm();
        assert_eq!(signer.algorithm(), algorithm, "{kind:?}");
        assert!(!signer.signs_with(SignatureAlgorithm::RsaSha1), "{kind:?}");
        let mut signature = Vec::new();
        signer
            .sign(algorithm, b"an answer", &mut signature)
            .unwrap();
        let key = SubjectPublicKeyInfo::from_der(signer.public_key_info()).unwrap();
        crypto::verify(Some(algorithm), &key, b"an answer", &signature).expect("its own");
    }
    let rsa = ocspry_testkit::KeyKind::Rsa2048.signature_algorithm();
    assert_eq!(rsa, SignatureAlgorithm::RsaSha256);
}
