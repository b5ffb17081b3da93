//! Key files, encrypted and not, between OpenSSL and us.

use ocspry_ca::{CaError, CaKey, KeyAlgorithm};
use ocspry_signer::{KeyError, Passphrase};
use ocspry_testkit::Openssl;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use zeroize::Zeroizing;

fn passphrase(text: &str) -> Passphrase {
    Passphrase::from_bytes(Zeroizing::new(text.as_bytes().to_vec()))
}

#[test]
fn an_encrypted_key_is_opened_by_its_passphrase_here_and_by_openssl() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    for algorithm in [KeyAlgorithm::P256, KeyAlgorithm::Rsa2048] {
        let key = CaKey::generate(algorithm).unwrap();
        let path = openssl.path("ca.key");
        key.write_pem(&path, Some(&passphrase("Maß & Ziel")))
            .unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"),
            "{text}"
        );

        let read = CaKey::load(&path, Some(&passphrase("Maß & Ziel"))).unwrap();
        assert_eq!(read.public_key(), key.public_key());
        openssl.write("pass", "Maß & Ziel\n");
        openssl.run("pkey -in ca.key -passin file:pass -pubout -outform DER -out public.der");
        assert_eq!(openssl.read("public.der"), key.public_key().der());
        let said = openssl.run("asn1parse -in ca.key");
        for word in ["PBES2", "PBKDF2", "hmacWithSHA256", "aes-256-cbc", "0927C0"] {
            assert!(said.contains(word), "{word} in {said}");
        }
    }
}

#[test]
fn a_wrong_and_a_missing_passphrase_are_told_apart() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.key");
    let key = CaKey::generate(KeyAlgorithm::Ed25519).unwrap();
    key.write_pem(&path, Some(&passphrase("secret"))).unwrap();
    let error = CaKey::load(&path, Some(&passphrase("Secret"))).unwrap_err();
    let is_wrong = matches!(error, CaError::Key(KeyError::PassphraseWrong { .. }));
    assert!(is_wrong, "{error}");
    let error = CaKey::load(&path, None).unwrap_err();
    let is_missing = matches!(error, CaError::Key(KeyError::PassphraseMissing { .. }));
    assert!(is_missing, "{error}");
}

#[test]
fn two_files_of_one_key_share_no_octets_that_count() {
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let pem = || key.to_encrypted_pem(&passphrase("secret")).unwrap();
    let (first, second) = (pem(), pem());
    // The same from the scheme's name to where the salt begins, another salt, another ciphertext.
    assert_ne!(first, second);
    let last = |pem: &str| pem.lines().rev().nth(1).map(str::to_owned);
    assert_ne!(last(&first), last(&second));
}

#[test]
fn a_key_is_not_put_under_an_empty_passphrase() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.key");
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let error = key.write_pem(&path, Some(&passphrase(""))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an empty passphrase protects nothing; give another, or leave the key without one"
    );
    assert!(!path.exists());
}

#[test]
fn keys_that_openssl_encrypted_are_opened() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    for (name, line) in [
        (
            "genpkey",
            "genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -aes256 -pass pass:secret -out genpkey.key",
        ),
        (
            "scrypt",
            "pkcs8 -topk8 -in plain.key -scrypt -passout pass:secret -out scrypt.key",
        ),
    ] {
        openssl.run("genpkey -algorithm ED25519 -out plain.key");
        openssl.run(line);
        let path = openssl.path(&format!("{name}.key"));
        CaKey::load(&path, Some(&passphrase("secret"))).unwrap();
        let error = CaKey::load(&path, Some(&passphrase("Secret"))).unwrap_err();
        assert!(
            matches!(error, CaError::Key(KeyError::PassphraseWrong { .. })),
            "{error}"
        );
    }
    // The old form is refused with the line that converts it.
    openssl.run("genrsa -traditional -aes256 -passout pass:secret -out old.key 2048");
    let error = CaKey::load(&openssl.path("old.key"), Some(&passphrase("secret"))).unwrap_err();
    assert!(
        error.to_string().contains("openssl pkcs8 -topk8 -in"),
        "{error}"
    );
}

#[test]
fn a_kind_of_key_is_found_by_the_name_it_prints() {
    for algorithm in KeyAlgorithm::ALL {
        let name = algorithm.to_string();
        assert_eq!(KeyAlgorithm::named(&name).unwrap(), algorithm);
        let plain = name.to_lowercase().replace([' ', '-'], "");
        assert_eq!(KeyAlgorithm::named(&plain).unwrap(), algorithm);
    }
    let error = KeyAlgorithm::named("rsa1024").unwrap_err().to_string();
    assert_eq!(
        error,
        "there is no kind of key \"rsa1024\"; choose one of P-256, P-384, P-521, Ed25519, RSA 2048, RSA 3072, RSA 4096"
    );
}
