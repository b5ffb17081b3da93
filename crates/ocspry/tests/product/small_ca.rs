//! `ocspry ca` and `ocspry cert sign`: a CA, and certificates that `openssl` takes.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use crate::small_ca_office::Office;

#[test]
fn a_root_an_intermediate_and_a_certificate_for_a_request_are_taken_by_openssl() {
    let Some(office) = Office::open() else { return };
    let root = office.json(
        "ca init root --no-passphrase --subject /O=Example/CN=Root --path-length 1 --out root.pem",
    );
    assert_eq!(root["subject"], "CN=Root,O=Example", "{root}");
    let issuing = office.json(
        "ca init issuing --no-passphrase --parent root --algorithm p-384 --permit example.com --out issuing.pem \
         --ocsp-url http://o.example.com/ --issuer-url http://o.example.com/ca --crl-url http://o.example.com/crl",
    );
    assert_eq!(issuing["parent"], "root");
    assert_eq!(issuing["key_kind"], "P-384");
    office.request("www", "-addext subjectAltName=DNS:www.example.com");
    office.done("cert sign issuing --csr www.csr --take-subject --take-names --out www.pem");
    office.openssl("verify -x509_strict -purpose sslserver -verify_hostname www.example.com -CAfile root.pem -untrusted issuing.pem www.pem");
    let text = office.openssl("x509 -in www.pem -noout -text");
    for part in [
        "OCSP - URI:http://o.example.com/",
        "CA Issuers - URI:http://o.example.com/ca",
        "URI:http://o.example.com/crl",
        "Subject: CN = www.example.com",
    ] {
        let spaced = part.replace(" = ", "=");
        assert!(
            text.contains(part) || text.contains(&spaced),
            "{part}: {text}"
        );
    }
    let text = office.openssl("x509 -in issuing.pem -noout -text");
    for part in ["pathlen:0", "DNS:example.com"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    let listed = office.done("ca list").stdout;
    let lines: Vec<&str> = listed.lines().collect();
    let serial = root["serial"].as_str().unwrap();
    assert!(
        lines[1].starts_with(&format!("{serial}  root ")),
        "{listed}"
    );
    assert_eq!(office.json(&format!("ca show {serial}"))["name"], "root");
    let known = office.certificates();
    assert_eq!(known[0]["profile"], "intermediate");
    assert_eq!(known[0]["serial"], issuing["serial"]);
    assert_eq!(known[1]["subject"], "CN=www.example.com");
}

#[test]
fn a_request_gives_its_key_and_what_it_was_told_to_give() {
    let Some(office) = Office::with_root() else {
        return;
    };
    office.request(
        "www",
        "-addext subjectAltName=DNS:other.example.com -addext extendedKeyUsage=codeSigning",
    );
    let run =
        office.done("cert sign root --csr www.csr --subject /CN=told.example.com --out www.pem");
    assert!(
        run.stderr.contains("asks for extKeyUsage codeSigning"),
        "{run:?}"
    );
    let text = office.openssl("x509 -in www.pem -noout -text");
    for part in ["DNS:told.example.com", "TLS Web Server Authentication"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    for part in ["other.example.com", "www.example.com", "Code Signing"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    let of = |what: &str| office.openssl(what);
    assert_eq!(
        of("x509 -in www.pem -noout -pubkey"),
        of("pkey -in www.key -pubout")
    );

    office.request("ca", "-addext basicConstraints=critical,CA:TRUE");
    office.refused(
        "cert sign root --csr ca.csr --take-subject",
        "the request asks for basicConstraints CA:TRUE (to be a CA), and a certificate of the profile server does not give that",
    );
    office.done("cert sign root --csr ca.csr --take-subject --profile intermediate --path-length 0 --out sub.pem");
    let text = office.openssl("x509 -in sub.pem -noout -text");
    assert!(text.contains("CA:TRUE, pathlen:0"), "{text}");
}

#[test]
fn a_certificate_never_takes_the_place_of_a_key() {
    let Some(office) = Office::with_root() else {
        return;
    };
    office.refused(
        "ca init other --no-passphrase --key other.pem --out other.pem",
        "--key and --out name one file",
    );
    assert!(!office.file("other.pem").exists());
    office.refused(
        "cert sign root --new-key --subject /CN=www.example.com --key www.pem --out www.pem",
        "--key and --out name one file",
    );
    office.request("www", "");
    let key = fs::read_to_string(office.file("www.key")).unwrap();
    office.done("cert sign root --csr www.csr --take-subject --out www.pem");
    office.refused(
        "cert renew ./www.pem --new-key --key again.pem --out again.pem",
        "--key and --out name one file",
    );
    office.refused(
        "cert show www.pem --out www.key",
        "www.key holds a private key, which is never overwritten",
    );
    office.refused(
        "ca show root --out www.key",
        "www.key holds a private key, which is never overwritten",
    );
    assert_eq!(
        fs::read_to_string(office.file("www.key")).unwrap(),
        key,
        "it stays"
    );
}

#[test]
fn what_must_not_be_signed_is_refused_and_leaves_nothing_in_the_ledger() {
    let Some(office) = Office::with_root() else {
        return;
    };
    office.request("www", "");
    let der = {
        office.openssl("req -in www.csr -outform DER -out www.der");
        fs::read(office.file("www.der")).unwrap()
    };
    let mut forged = der.clone();
    // In the subject, which the signature covers.
    let place = forged.windows(3).position(|part| part == b"www").unwrap();
    forged[place] = b'v';
    fs::write(office.file("forged.der"), forged).unwrap();
    office
        .openssl("req -new -newkey rsa:1024 -nodes -keyout weak.key -out weak.csr -subj /CN=weak");
    for (line, part) in [
        (
            "--csr forged.der --take-subject",
            "forged.der: the signature of the certification request is wrong",
        ),
        (
            "--csr weak.csr --take-subject",
            "the RSA key to certify has 1024 bits",
        ),
        (
            "--csr root.pem --take-subject",
            "this holds no certification request, but \"CERTIFICATE\"",
        ),
        (
            "--csr none.csr --take-subject",
            "the request none.csr cannot be read",
        ),
        (
            "--csr www.csr --take-subject --profile nothing",
            "there is no profile \"nothing\"; choose one of server, client",
        ),
        (
            "--csr www.csr --take-subject --days 36500",
            "ask for less, or renew the issuer",
        ),
        (
            "--csr www.csr --take-subject --expires 2020-01-01",
            "which is not after",
        ),
        (
            "--csr www.csr",
            "whose certificate? give --subject or --alt",
        ),
        (
            "--csr www.csr --profile email --subject /CN=a",
            "a certificate of the profile email needs an email address",
        ),
        ("--take-subject --subject /CN=a", ""),
        (
            "--subject /CN=a.example.com",
            "whose key? give --csr FILE, or --new-key with --key FILE",
        ),
        (
            "--new-key p-256 --subject /CN=a.example.com",
            "--new-key needs --key FILE",
        ),
        (
            "--new-key p-256 --key www.key --subject /CN=a.example.com",
            "a key is never overwritten",
        ),
    ] {
        if part.is_empty() {
            let run = office.command(&format!("cert sign root {line}")).run();
            assert_eq!(run.code, Some(2), "{run:?}");
        } else {
            office.refused(&format!("cert sign root {line}"), part);
        }
    }
    office.refused(
        "cert sign nobody --csr www.csr --take-subject",
        "knows no CA nobody; see: ocspry ca list",
    );
    office.done("ca edit root --disable");
    office.refused(
        "cert sign root --csr www.csr --take-subject",
        "CA root is disabled and issues nothing",
    );
    assert_eq!(office.certificates(), json!([]));
}

#[test]
fn a_key_is_for_its_owner_and_opens_by_its_passphrase_from_a_file_a_descriptor_or_a_credential() {
    let Some(office) = Office::open() else { return };
    office.write("pass", "secret word\nsecond line\n");
    office.write("wrong", "not it\n");
    let made = office.json("ca init root --passphrase-file pass");
    let key = office.file(made["key"].as_str().unwrap());
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(key.as_path()), mode(key.parent().unwrap())),
        (0o600, 0o700)
    );
    let pem = fs::read_to_string(&key).unwrap();
    assert!(
        pem.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"),
        "{pem}"
    );
    office.openssl(&format!(
        "pkey -in {} -passin file:pass -noout",
        key.display()
    ));

    let sign = "cert sign root --new-key --key a.key --subject /CN=a.example.com";
    office.refused(
        sign,
        "the key of CA root is encrypted: give --passphrase-file or --passphrase-fd, or a systemd credential root.passphrase",
    );
    office.refused(
        &format!("{sign} --passphrase-file wrong"),
        "the passphrase does not open this key",
    );
    assert!(!office.file("a.key").exists(), "no key is made for nothing");
    office.done(&format!("{sign} --passphrase-file pass"));
    office.done("cert sign root --new-key ed25519 --key b.key --subject /CN=b.example.com --passphrase-file pass --key-passphrase-file wrong");
    office.openssl("pkey -in b.key -passin file:wrong -noout");

    fs::create_dir(office.file("credentials")).unwrap();
    fs::copy(
        office.file("pass"),
        office.file("credentials/root.passphrase"),
    )
    .unwrap();
    let run = office
        .command("cert sign root --new-key --key c.key --subject /CN=c.example.com")
        .env("CREDENTIALS_DIRECTORY", office.file("credentials"))
        .run();
    assert_eq!(run.code, Some(0), "{run:?}");
    let run = office.shell("$OCSPRY cert sign root --new-key --key d.key --subject /CN=d.example.com --passphrase-fd 3 3<pass");
    assert_eq!(run.code, Some(0), "{run:?}");
    let run = office.shell("printf 'not it' | $OCSPRY cert sign root --new-key --key e.key --subject /CN=e --alt e.example.com --passphrase-fd 0");
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(office.certificates().as_array().unwrap().len(), 4);
}

#[test]
fn whoever_sits_at_a_terminal_is_asked_three_times_and_what_is_typed_is_not_shown() {
    let Some(office) = Office::open() else { return };
    let run = office.at_terminal("ca init root", &["secret word", "secret word"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("New passphrase for CA root"), "{run:?}");
    let sign = "cert sign root --new-key --key a.key --subject /CN=a.example.com";
    let run = office.at_terminal(sign, &["wrong 1", "wrong 2", "secret word"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    for typed in ["wrong 1", "wrong 2", "secret word"] {
        assert!(!run.stdout.contains(typed), "{typed}: {run:?}");
    }
    let sign = "cert sign root --new-key --key b.key --subject /CN=b.example.com";
    let run = office.at_terminal(sign, &["wrong 1", "wrong 2", "wrong 3"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(
        run.stdout
            .contains("3 wrong passphrases for the key of CA root; nothing was done"),
        "{run:?}"
    );
    assert_eq!(office.certificates().as_array().unwrap().len(), 1);
}

#[test]
fn a_key_without_a_passphrase_is_warned_about_and_lies_where_it_was_told_to() {
    let Some(office) = Office::open() else { return };
    let run = office.done("ca init root --key own.key");
    assert!(
        run.stderr
            .contains("own.key is not encrypted: whoever reads it can issue as this CA"),
        "{run:?}"
    );
    assert!(!office.file("keys").exists());
    office.refused("ca init other --key own.key", "a key is never overwritten");
    let sign = "cert sign root --new-key --key a.key --subject /CN=a.example.com";
    let signed = office.done(sign);
    assert!(!signed.stderr.contains("warning"), "{signed:?}");
    let readable = fs::Permissions::from_mode(0o644);
    fs::set_permissions(office.file("own.key"), readable).unwrap();
    let signed = office.done(&sign.replace("a.key", "b.key"));
    let warning = "own.key: every user of this machine can read this private key (mode 0644)";
    assert!(signed.stderr.contains(warning), "{signed:?}");
}

#[test]
fn the_ledger_is_named_by_a_flag_the_environment_or_a_configuration() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let without = |line: &str| {
        let run = office.command(line).env("OCSPRY_LEDGER", "").run();
        (run.code, run.stdout + &run.stderr)
    };
    let (code, said) = without("ca list");
    assert_eq!(code, Some(1), "{said}");
    for part in ["--ledger", "OCSPRY_LEDGER", "[ledger] url"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    fs::create_dir(office.file("etc")).unwrap();
    office.write(
        "etc/o.toml",
        "version = 1\n[ledger]\nurl = \"sqlite:../ledger.db\"\n",
    );
    office.write("etc/none.toml", "version = 1\n");
    for (line, code) in [
        ("ca list --ledger ledger.db", 0),
        ("ca list -c etc/o.toml", 0),
        ("ca list -c etc/none.toml", 1),
        ("ca list -c etc/missing.toml", 1),
        ("ca list --ledger missing.db", 1),
        ("ca list --ledger postgres://u:secret@h/d", 1),
    ] {
        let (found, said) = without(line);
        assert_eq!(found, Some(code), "{line}: {said}");
        assert!(!said.contains("secret"), "{said}");
    }
    // The flag comes first.
    let run = office.command("ca list --ledger missing.db").run();
    assert!(run.stderr.contains("missing.db: is not there"), "{run:?}");
    for (line, part) in [
        (
            "ca init a --no-passphrase --ledger /proc/l.db",
            "ledger /proc/l.db: cannot be made",
        ),
        ("ca init a --no-passphrase --ledger .", "is not a file"),
    ] {
        let run = office.command(line).run();
        assert_eq!(run.code, Some(1), "{run:?}");
        assert!(run.stderr.contains(part), "{run:?}");
    }
}

#[test]
fn a_name_is_one_ca_s_and_a_second_one_changes_nothing() {
    let Some(office) = Office::with_root() else {
        return;
    };
    let before = office.json("ca list");
    let keys = || fs::read_dir(office.file("keys")).unwrap().count();
    let keys_before = keys();
    office.refused(
        "ca init root --no-passphrase",
        "has a CA root already; choose another name",
    );
    office.refused("ca init a/b --no-passphrase", "cannot be the name of a CA");
    office.refused(
        "ca init sub --parent nobody --no-passphrase",
        "knows no CA nobody",
    );
    office.refused(
        "ca init sub --parent root --days 36500 --no-passphrase",
        "renew the issuer",
    );
    assert_eq!((office.json("ca list"), keys()), (before, keys_before));
}

#[test]
fn what_a_ca_is_set_to_holds_for_what_it_signs_from_then_on() {
    let Some(office) = Office::with_root() else {
        return;
    };
    office.request("www", "");
    let set = office.json(
        "ca edit root --ocsp-url http://a.example.com/ --ocsp-url http://b.example.com/ --profile client --validity 30d --key-algorithm p-521",
    );
    assert_eq!(
        set["ocsp_urls"],
        json!(["http://a.example.com/", "http://b.example.com/"])
    );
    office.done("cert sign root --new-key --key a.key --subject /CN=Alice --out a.pem");
    let text = office.openssl("x509 -in a.pem -noout -text -checkend 2500000");
    for part in [
        "URI:http://a.example.com/",
        "URI:http://b.example.com/",
        "Web Client",
        "secp521r1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let set = office.json("ca edit root --unset ocsp-url --unset profile");
    assert_eq!(
        (&set["ocsp_urls"], &set["profile"]),
        (&json!([]), &json!(null))
    );
    office.refused("ca edit root", "nothing to set");
    for line in [
        "--ocsp-url https://a/",
        "--profile nothing",
        "--validity soon",
        "--unset name",
        "--enable --disable",
    ] {
        let run = office.command(&format!("ca edit root {line}")).run();
        assert_eq!(run.code, Some(2), "{line}: {run:?}");
    }
}

#[test]
fn a_ca_that_exists_is_taken_in_with_its_key_and_below_its_parent() {
    let Some(office) = Office::with_root() else {
        return;
    };
    office.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout old.key -out old.pem -days 30 -subj /CN=Old");
    office.done("ca import old --certificate old.pem --key old.key");
    office.done("cert sign old --new-key --key a.key --subject /CN=a.example.com --out a.pem");
    office.openssl("verify -CAfile old.pem a.pem");
    office.refused(
        "ca import other --certificate a.pem",
        "is not a CA certificate",
    );
    office.refused(
        "ca import other --certificate old.pem",
        "has this CA (same subject and key) already, as old",
    );
    office.refused(
        "ca import other --certificate root.pem --key old.key",
        "does not belong to the certificate of CN=root",
    );

    office.request("sub", "");
    office.done("cert sign root --csr sub.csr --take-subject --profile intermediate --out sub.pem");
    let sub = office.json("ca import sub --certificate sub.pem");
    assert_eq!(
        (&sub["parent"], &sub["key"]),
        (&json!("root"), &json!(null))
    );
    office.refused(
        "cert sign sub --csr sub.csr --take-subject",
        "the key of CA sub is not at hand",
    );
    office.done("ca edit sub --key sub.key");
    office.done("cert sign sub --csr sub.csr --subject /CN=b.example.com --out b.pem");
    office.openssl("verify -CAfile root.pem -untrusted sub.pem b.pem");
}

#[test]
fn a_renewed_ca_is_the_same_with_its_key_and_another_with_a_new_one() {
    let Some(office) = Office::with_root() else {
        return;
    };
    office.done(
        "ca init sub --parent root --no-passphrase --ocsp-url http://o.example.com/ --out sub.pem",
    );
    office.done("cert sign sub --new-key --key a.key --subject /CN=a.example.com --out a.pem");
    let renewed = office.json("ca renew sub --days 400 --out sub-new.pem");
    assert_eq!(renewed["certificates"].as_array().unwrap().len(), 2);
    // The old certificate stays good for what was signed before, and the new one as well.
    for sub in ["sub.pem", "sub-new.pem"] {
        office.openssl(&format!("verify -CAfile root.pem -untrusted {sub} a.pem"));
    }
    let other =
        office.json("ca renew sub --new-key p-384 --as sub-2 --no-passphrase --out sub-2.pem");
    assert_eq!(
        (&other["name"], &other["parent"]),
        (&json!("sub-2"), &json!("root"))
    );
    assert_eq!(other["ocsp_urls"], json!(["http://o.example.com/"]));
    office.done("cert sign sub-2 --new-key --key b.key --subject /CN=b.example.com --out b.pem");
    office.openssl("verify -CAfile root.pem -untrusted sub-2.pem b.pem");
    office.done("cert sign sub --new-key --key c.key --subject /CN=c.example.com");

    office.done("ca renew root --days 500 --out root-new.pem");
    office.openssl("verify -CAfile root-new.pem -untrusted sub-2.pem b.pem");
    assert_eq!(office.json("ca list").as_array().unwrap().len(), 3);
}

#[test]
fn a_ca_whose_certificate_cannot_be_written_is_made_all_the_same_and_that_is_said() {
    let Some(office) = Office::open() else { return };
    for line in [
        "ca init root --no-passphrase --out nowhere/root.pem",
        "ca renew root --out nowhere/root.pem",
        "ca renew root --new-key p-384 --as root-2 --no-passphrase --out nowhere/root.pem",
    ] {
        let run = office.command(line).run();
        assert_eq!(run.code, Some(1), "{line}: {run:?}");
        let name = if line.contains("root-2") {
            "root-2"
        } else {
            "root"
        };
        assert!(
            run.stderr
                .contains(&format!("CA {name} and its certificate are in the ledger")),
            "{line}: {run:?}"
        );
        // As it says.
        office.done(&format!("ca show {name} --out {name}.pem"));
    }
}

#[test]
fn the_help_of_cert_renew_says_how_long_the_new_one_is_valid() {
    let Some(office) = Office::open() else { return };
    let help = office.done("cert renew --help").stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        help.contains("valid [default: as long as the old one was, and no longer than its CA]"),
        "{help}"
    );
}
