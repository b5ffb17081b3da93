//! What a configuration is refused for, and in which words; and which files of the command line belong together.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use ocspry_ca::{
    CaKey, CertificateAuthority, CertificateRequest, Expiry, KeyAlgorithm, Profile, RevocationList,
    RootRequest, Subject, certificate_to_pem, crl_to_pem, new_serial_number,
};
use ocspry_core::{NeverIssuedPolicy, NoncePolicy};
use ocspry_source::fetch::CrlUrl;
use ocspry_source::{
    FreshestCrl, Guard, IssuedRole, IssuedSource, Lag, ListSource, StateDirectory, StatusSource,
};
use ocspry_wire::Time;

use super::*;
use crate::assemble;
use crate::certificate_file;

mod command_line;
mod effective;
mod environment;
mod issuers;
mod sample;
mod sources;

const NOW: Time = Time::from_unix(1_795_240_800);
const GOOD: &str = r#"version = 1

[listen]
ocsp = ["127.0.0.1:0"]

[issuer.one]
certificate = "one.pem"
status = [{ crl = "one.crl" }]
responder = { certificate = "one-ocsp.pem", key = "one-ocsp.key" }
validity = "12h"
nonce = "echo"
"#;

#[test]
fn a_file_becomes_a_configuration_with_paths_beside_it() {
    let files = Files::new();
    let text = GOOD.replace("\"echo\"", "\"required\"")
        + "[issuer.two]\ncertificate = \"two.pem\"\nstatus = [{ crl = \"/abs/two.crl\" }]\nresponder = { ca-key = \"two.key\", passphrase-file = \"pass\" }\n";
    let config = files.load(&text).unwrap();
    assert_eq!(config.listen, [SocketAddr::from(([127, 0, 0, 1], 0))]);
    assert_eq!(config.check_interval, Duration::from_secs(300));
    let [one, two] = config.issuers.as_slice() else {
        panic!("two issuers")
    };
    assert_eq!((one.name.as_str(), two.name.as_str()), ("one", "two"));
    assert_eq!(crl(one), files.path("one.crl"));
    assert_eq!(one.policy.validity, Some(Duration::from_secs(12 * 3600)));
    assert_eq!(one.policy.nonce, NoncePolicy::Required);
    assert_eq!(crl(two), Path::new("/abs/two.crl"));
    assert_eq!(two.policy.nonce, NoncePolicy::Echo);
    assert_eq!(two.policy.validity, None);
    assert_eq!(
        two.responder,
        ResponderConfig::Files(ResponderFiles::Issuer {
            key: files.path("two.key"),
            passphrase: Some(PassphraseSource::File(files.path("pass")))
        })
    );
}

#[test]
fn issuers_keep_the_order_of_the_file() {
    let files = Files::new();
    let two = "[issuer.zz]\ncertificate = \"two.pem\"\nstatus = [{ crl = \"c\" }]\nresponder = { ca-key = \"k\" }\n";
    let config = files
        .load(&GOOD.replace("[issuer.one]", &format!("{two}[issuer.aa]")))
        .unwrap();
    assert_eq!(names(&config), ["zz", "aa"]);
}

#[test]
fn what_is_wrong_in_a_file_is_said_with_its_line_and_what_to_do() {
    let files = Files::new();
    let more = |text: &str| format!("{GOOD}{text}");
    let status = |text: &str| GOOD.replace(r#"[{ crl = "one.crl" }]"#, text);
    let ledger = |text: &str, keys: &str| format!("{}[ledger]\n{keys}\n", status(text));
    let responder = |text: &str| {
        GOOD.replace(
            r#"{ certificate = "one-ocsp.pem", key = "one-ocsp.key" }"#,
            text,
        )
    };
    let admin =
        |address: &str| GOOD.replace("[listen]", &format!("[listen]\nadmin = \"{address}\""));
    let cases: Vec<(String, &str)> = vec![
        (
            GOOD.replace("version = 1", "version = 2"),
            "1: version 2 of the configuration is not known to this program: write `version = 1`",
        ),
        (
            GOOD.replace("version = 1", "version = \"1\""),
            "1: this key takes a whole number, not string \"1\"",
        ),
        (
            GOOD.replace("version = 1", ""),
            " the file has no `version`: add `version = 1`",
        ),
        (
            "version = 1\n".to_owned(),
            " no issuer is configured: add `[issuer.NAME]` with `certificate`, `status` and `responder`",
        ),
        (
            GOOD.replace("certificate = \"one.pem\"", "certifcate = \"one.pem\""),
            "7: unknown key `certifcate`: did you mean `certificate`?",
        ),
        (
            GOOD.replace("certificate = \"one.pem\"", "zzz = 1"),
            "7: unknown key `zzz`: known here: certificate, also-named-in, status, crl-issuer, guard, freshest-crl, responder, validity, window-max, stale-until, nonce, unable, nonce-over-budget, unknown-issuer, absent, never-issued, responder-id, embedded-certificates, cert-ids-max, cert-id-hashes, archive-cutoff, signature-hash-min",
        ),
        (
            GOOD.replace("status = [{ crl = \"one.crl\" }]", "crl = \"one.crl\""),
            "8: unknown key `crl`: write `status = [{ crl = \"…\" }]`",
        ),
        (
            GOOD.replace("ocsp = [\"127.0.0.1:0\"]", "port = 80"),
            "4: unknown key `port`: write `ocsp = [\"ADDRESS:PORT\"]` under `[listen]`",
        ),
        (
            GOOD.replace("validity", "log-file"),
            "10: unknown key `log-file`: it belongs at the top of the file, before the first table",
        ),
        (
            GOOD.replace("\"12h\"", "\"12 hours\""),
            "10: `12 hours` is not a duration: write a whole number and a unit: 30s, 5m, 12h or 7d",
        ),
        (
            GOOD.replace("\"12h\"", "\"5s\""),
            "10: `validity` must be between 1m and 3650d",
        ),
        (
            GOOD.replace("\"12h\"", "12"),
            "10: this key takes a string, not integer `12`",
        ),
        (
            GOOD.replace("\"echo\"", "\"ecko\""),
            "11: `nonce` cannot be `ecko`: did you mean `echo`?",
        ),
        (
            GOOD.replace("\"echo\"", "\"never\""),
            "11: `nonce` cannot be `never`: it is `echo`, `ignore` or `required`",
        ),
        (
            GOOD.replace("127.0.0.1:0", ":80"),
            "4: `:80` is not an address with a port: write `[::]:80`",
        ),
        (
            GOOD.replace("127.0.0.1:0", "::1"),
            "4: `::1` is not an address with a port: write `[::1]:8888`",
        ),
        (
            GOOD.replace("127.0.0.1:0", "http://127.0.0.1:80/"),
            "4: `http://127.0.0.1:80/` is not an address with a port: write `127.0.0.1:80`",
        ),
        (
            GOOD.replace("127.0.0.1:0", "what is this"),
            "4: `what is this` is not an address with a port: write it like `127.0.0.1:8888` or `[::]:80`",
        ),
        (
            GOOD.replace("\"127.0.0.1:0\"", ""),
            "4: `ocsp` lists no address: write `ocsp = [\"127.0.0.1:8888\"]`, or leave the key out",
        ),
        (
            GOOD.replace("\"127.0.0.1:0\"", "\"127.0.0.1:1\", \"127.0.0.1:1\""),
            "4: `127.0.0.1:1` is listed twice",
        ),
        (
            GOOD.replace("\"127.0.0.1:0\"", "\"127.0.0.1:7\", \"0.0.0.0:7\""),
            "4: `0.0.0.0:7` and `127.0.0.1:7` take the same port of the same address: keep the one that stands for all addresses, or those that are meant",
        ),
        (
            GOOD.replace("\"127.0.0.1:0\"", "\"[::]:7\", \"0.0.0.0:7\", \"[::1]:7\""),
            "4: `[::1]:7` and `[::]:7` take the same port of the same address: keep the one that stands for all addresses, or those that are meant",
        ),
        (
            GOOD.replace("[issuer.one]", "[issuer.\"a b\"]"),
            "6: `a b` cannot be an issuer's name: use 1 to 64 letters, digits, `-`, `_` or `.`, beginning with a letter or digit",
        ),
        (
            GOOD.replace("\"one-ocsp.key\"", "\"\""),
            "9: the path of `key` is empty: give the path of a file",
        ),
        (
            status("\"one.crl\""),
            "8: this key takes a list in brackets, not string \"one.crl\"",
        ),
        (
            status("[{ ledger = \"x\" }]"),
            "8: this source is a CA of the ledger, and there is no `[ledger]`: add `[ledger]` with `url = \"sqlite:/var/lib/ocspry/ledger.db\"`",
        ),
        (
            status("[{ ledger = \"a b\" }]"),
            "8: `a b` cannot be the name of a CA in a ledger: it is 1 to 64 letters, digits, `-`, `_` or `.`",
        ),
        (
            ledger("[{ ledger = \"x\" }, { ledger = \"y\" }]", "url = \"x.db\""),
            "8: an issuer is one CA of the ledger, and this is its second: give the other CA an `[issuer.NAME]` of its own",
        ),
        (
            ledger("[{ ledger = \"x\", crl = \"one.crl\" }]", "url = \"x.db\""),
            "8: this source has both `crl` and `ledger`: give each its own braces: `status = [{ … }, { … }]`",
        ),
        (
            ledger("[{ ledger = \"x\", lag = \"good\" }]", "url = \"x.db\""),
            "8: `lag` belongs beside `issued`, not beside `ledger`: remove it",
        ),
        (
            responder("{ certificate = \"a\" }"),
            "9: `responder` has no `key`: add `key = \"ocsp.key\"`",
        ),
        (
            responder("{ key = \"a\" }"),
            "9: `responder` has no `certificate`: add `certificate = \"ocsp.pem\"`",
        ),
        (
            responder("{ key = \"a\", ca-key = \"b\" }"),
            "9: `key` and `ca-key` cannot both be given: a delegate signs with `certificate` and `key`, the CA itself with `ca-key`",
        ),
        (
            responder("{ managed = true }"),
            "9: `managed` needs a CA of the ledger, and `status` names none: write `status = [{ ledger = \"NAME\" }]`, or give `certificate` and `key`",
        ),
        (
            responder("{ managed = true, key = \"a\" }"),
            "9: `managed` and `key` cannot both be given: `serve` makes the key of a managed responder itself, and `ocspry ca tick` signs its certificate: keep one of them",
        ),
        (
            responder("{ managed = false }"),
            "9: `responder` has no `certificate`: add `certificate = \"ocsp.pem\"`",
        ),
        (
            responder("{ managed = true }")
                .replace(r#"[{ crl = "one.crl" }]"#, "[{ ledger = \"x\" }]")
                + "[ledger]\nurl = \"x.db\"\n",
            "9: `ledger` has no `responder-requests`: add `responder-requests = \"/var/lib/ocspry-requests\"`",
        ),
        (responder("[]"), "9: this key takes a table, not a list"),
        (
            more("[ledger]"),
            "12: `ledger` has no `url`: add `url = \"sqlite:/var/lib/ocspry/ledger.db\"`",
        ),
        (
            more("[ledger]\nurl = \"\""),
            "13: the path of `url` is empty: give the path of a file",
        ),
        (
            more("[ledger]\nurl = \"postgres://user:secret@host/db\""),
            "13: ledger postgres://: is of a kind that this build cannot open; name a SQLite file: sqlite:/path/to/ledger.db",
        ),
        (
            more("[ledger]\nurl = \"x.db\"\nurls = \"x\""),
            "14: unknown key `urls`: did you mean `url`?",
        ),
        (
            admin("x"),
            "4: `x` is not an address with a port: write it like `127.0.0.1:8888` or `[::]:80`",
        ),
        (
            admin("9560"),
            "4: `9560` is not an address with a port: write `127.0.0.1:9560`",
        ),
        (
            admin("127.0.0.1"),
            "4: `127.0.0.1` is not an address with a port: write `127.0.0.1:9560`",
        ),
        (
            admin("127.0.0.1:80").replace("127.0.0.1:0", "127.0.0.1:80"),
            "4: `127.0.0.1:80` is an address of `ocsp`, and cannot be that of `admin` too: give the admin listener another port, as `127.0.0.1:9560`",
        ),
        (
            more("[issuer.one]\n"),
            "12: duplicate key: each key stands once in its table, and each issuer has a name of its own",
        ),
        (more("[issuer"), "12: unclosed table, expected `]`"),
        (
            GOOD.replace("\"one.pem\"", "\"no.pem\""),
            "7: CA certificate DIR/no.pem cannot be read: No such file or directory (os error 2): check the path and its permissions",
        ),
        (
            GOOD.replace("\"one.pem\"", "\"one.crl\""),
            "7: CA certificate DIR/one.crl holds a X509 CRL, not a certificate: check whether two files were mixed up",
        ),
    ];
    files.refuse_each(cases);
}

#[test]
fn endpoints_of_two_paths_do_not_overlap() {
    let files = Files::new();
    let with =
        |paths: &str| GOOD.replace("[listen]", &format!("[listen]\nendpoint-paths = {paths}"));
    let overlap = |text: &str, other: &str| {
        format!(
            "{}:4: the endpoints below `{text}` overlap those below `{other}`: keep one of them, or paths of which none begins with the other",
            files.path("c.toml").display()
        )
    };
    for (paths, text, other) in [
        (r#"["/ocsp/", "/ocsp/"]"#, "/ocsp/", "/ocsp/"),
        (r#"["/ocsp/", "/ocsp"]"#, "/ocsp", "/ocsp/"),
        (r#"["/ocsp/", "/ocsp/x/"]"#, "/ocsp/x/", "/ocsp/"),
        (r#"["/ocsp/x/", "/ocsp/"]"#, "/ocsp/", "/ocsp/x/"),
        (r#"["/", "/ocsp/"]"#, "/ocsp/", "/"),
    ] {
        assert_eq!(
            files.refuse(&with(paths)).lines(),
            [overlap(text, other)],
            "{paths}"
        );
    }
    files
        .load(&with(r#"["/ocsp/", "/ocspry/", "/x/ocsp/"]"#))
        .unwrap();
}

#[test]
fn no_two_kinds_of_lines_go_to_one_file() {
    let files = Files::new();
    let top = |log: &str| GOOD.replacen("\n\n", &format!("\nlog-file = \"{log}\"\n\n"), 1);
    let audit = "[audit]\nfile = \"a.jsonl\"\n";
    let requests = |file: &str| format!("[request-log]\nfile = \"{file}\"\n");
    let one_file = |line: u32, key: &str, other: &str| {
        let (c, a) = (files.path("c.toml"), files.path("a.jsonl"));
        let (c, a) = (c.display(), a.display());
        format!("{c}:{line}: `{key}` and `{other}` are one file, {a}: give each a file of its own")
    };
    let text = format!("{}{audit}", top("a.jsonl"));
    let refused = files.refuse(&text).lines();
    assert_eq!(refused, [one_file(14, "audit.file", "log-file")]);
    let text = format!("{GOOD}{audit}{}", requests("a.jsonl"));
    let refused = files.refuse(&text).lines();
    assert_eq!(refused, [one_file(15, "request-log.file", "audit.file")]);
    files
        .load(&format!("{}{audit}{}", top("b"), requests("c")))
        .unwrap();
}

#[test]
fn a_directory_that_serve_does_not_make_is_missed_before_it_starts() {
    let files = Files::new();
    let text = GOOD.replacen("\n\n", "\nlog-file = \"logs/a\"\n\n", 1)
        + "[audit]\nfile = \"/no/b\"\n[request-log]\nfile = \"c\"\n";
    let config = files.load(&text).unwrap();
    let said: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    let missing = |key: &str, directory: &Path| {
        let directory = directory.display();
        format!(
            "{key}: the directory {directory} is not there: make it before `serve` starts, which makes none"
        )
    };
    let (logs, no) = (files.path("logs"), Path::new("/no"));
    assert_eq!(
        said,
        [missing("log-file", &logs), missing("audit.file", no)]
    );
}

#[test]
fn a_line_that_may_hold_a_secret_is_named_and_not_shown() {
    let files = Files::new();
    let cases = [
        GOOD.replace("key = ", "passphrase = \"hunter2\", key = "),
        GOOD.replace("nonce = \"echo\"", "password = \"hunter2\""),
        GOOD.replace("nonce = \"echo\"", "password = hunter2"),
        GOOD.replace(
            "crl = \"one.crl\"",
            "crl-url = \"http://joe:hunter2@a.example/\"",
        ),
        format!("{GOOD}[ledger]\nurl = \"postgres://joe:hunter2@host/db\"\n"),
    ];
    for text in cases {
        let problems = files.refuse(&text);
        let said = problems.render();
        assert!(!said.contains("hunter2"), "{said}");
        assert!(said.starts_with("error: "), "{said}");
        let line = format!("{}:", files.path("c.toml").display());
        assert!(said.contains(&line), "{said}");
    }
    // A path is none.
    let text = GOOD.replace("key = ", "passphrase-file = 7, key = ");
    let said = files.refuse(&text).render();
    let said = anstream::adapter::strip_str(&said).to_string();
    assert!(said.contains("passphrase-file = 7"), "{said}");
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let files = Files::new();
    let text = GOOD
        .replace("127.0.0.1:0", "x")
        .replace("12h", "x")
        .replace("echo", "x");
    assert_eq!(files.refuse(&text).lines().len(), 3);
}

#[test]
fn a_problem_of_a_file_is_shown_with_a_caret() {
    let files = Files::new();
    let problems =
        files.refuse(&GOOD.replace("certificate = \"one.pem\"", "certifcate = \"one.pem\""));
    let text = anstream::adapter::strip_str(&problems.render()).to_string();
    let expected = format!(
        "error: unknown key `certifcate`\n --> {}:7:1\n  |\n7 | certifcate = \"one.pem\"\n  | ^^^^^^^^^^\n  |\n  = help: did you mean `certificate`?",
        files.path("c.toml").display()
    );
    assert_eq!(text, expected);
}

#[test]
fn flags_beside_a_file_win_over_its_keys() {
    let files = Files::new();
    fs::write(
        files.path("c.toml"),
        format!("check-interval = \"1h\"\nstate-dir = \"in-file\"\n{GOOD}"),
    )
    .unwrap();
    let path = files.path("c.toml");
    let flags = parse(&[
        "-c",
        path.to_str().unwrap(),
        "--port",
        "9",
        "--cache-ttl",
        "7",
        "--state-dir",
        "/given",
        "--admin",
        "127.0.0.1:0",
    ]);
    let config = ConfigOrigin::from_flags(flags)
        .load(&Environment::default(), NOW)
        .unwrap();
    assert_eq!(config.listen, [SocketAddr::from(([127, 0, 0, 1], 9))]);
    assert_eq!(config.admin, Some(SocketAddr::from(([127, 0, 0, 1], 0))));
    assert_eq!(config.check_interval, Duration::from_secs(7));
    assert_eq!(config.state, StateChoice::Named("/given".into()));
}

#[test]
fn an_admin_listener_is_off_unless_given_and_beyond_loopback_only_with_consent() {
    let files = Files::new();
    let with = |lines: &str| GOOD.replace("[listen]", &format!("[listen]\n{lines}"));
    assert_eq!(files.load(GOOD).unwrap().admin, None);
    for address in ["127.0.0.1:9560", "127.8.0.1:0", "[::1]:9560"] {
        let config = files
            .load(&with(&format!("admin = \"{address}\"")))
            .unwrap();
        assert_eq!(config.admin, Some(address.parse().unwrap()));
    }
    for address in [
        "0.0.0.0:9560",
        "[::]:9560",
        "192.0.2.1:9560",
        "10.0.0.1:9560",
    ] {
        let line = format!("admin = \"{address}\"");
        for unasked in [line.clone(), format!("{line}\nadmin-exposed = false")] {
            let lines = files.refuse(&with(&unasked)).lines();
            let [refused] = lines.as_slice() else {
                panic!("{lines:?}")
            };
            for part in [
                "c.toml:4: ",
                address,
                "without a password",
                "`admin-exposed = true`",
            ] {
                assert!(refused.contains(part), "no {part:?} in {refused}");
            }
        }
        let config = files
            .load(&with(&format!("{line}\nadmin-exposed = true")))
            .unwrap();
        assert_eq!(config.admin, Some(address.parse().unwrap()));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
}

#[test]
fn state_is_kept_where_the_environment_says() {
    let files = Files::new();
    let environment = |state: &str, xdg: &str, home: &str| Environment {
        state_directory: Some(state.into()).filter(|path: &OsString| !path.is_empty()),
        runtime_directory: None,
        xdg_state_home: Some(xdg.into()).filter(|path: &OsString| !path.is_empty()),
        home: Some(home.into()).filter(|path: &OsString| !path.is_empty()),
        ..Environment::default()
    };
    for (environment, expected) in [
        (
            environment("/s:/t", "/x", "/h"),
            StateChoice::Default("/s".into()),
        ),
        (
            environment("", "/x", "/h"),
            StateChoice::Default("/x/ocspry".into()),
        ),
        (
            environment("", "relative", "/h"),
            StateChoice::Default("/h/.local/state/ocspry".into()),
        ),
        (environment("", "", ""), StateChoice::Nowhere),
    ] {
        let origin = files.origin(GOOD);
        assert_eq!(origin.load(&environment, NOW).unwrap().state, expected);
    }
}

/// The file of the one list that it is configured with.
fn names(config: &Config) -> Vec<&str> {
    let issuers = config.issuers.iter();
    issuers.map(|issuer| issuer.name.as_str()).collect()
}

fn crl(issuer: &IssuerConfig) -> PathBuf {
    let [source] = issuer.sources.as_slice() else {
        panic!("one source: {:?}", issuer.sources)
    };
    source.path().unwrap().clone()
}

/// A directory with three small CAs: `NAME.pem`, `NAME.key`, `NAME.crl`, `NAME-ocsp.pem`, `NAME-ocsp.key`.
struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    fn new() -> Files {
        let files = Files {
            directory: tempfile::tempdir().unwrap(),
        };
        for name in ["one", "two", "three"] {
            files.ca(name, name);
        }
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn ca(&self, name: &str, common_name: &str) {
        let subject = |common_name: &str| Subject::new(common_name, None).unwrap();
        let day = Expiry::After(Duration::from_secs(86_400));
        let write_key = |name: &str| {
            let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
            fs::write(
                self.path(&format!("{name}.key")),
                key.to_pem().unwrap().as_bytes(),
            )
            .unwrap();
            key
        };
        let root = RootRequest {
            expiry: day,
            ..RootRequest::usual(subject(common_name))
        };
        let serial = new_serial_number().unwrap();
        let ca = CertificateAuthority::self_signed(write_key(name), &root, serial, NOW).unwrap();
        let delegate = format!("{name}-ocsp");
        let key = write_key(&delegate);
        let request = CertificateRequest {
            expiry: day,
            ..CertificateRequest::usual(
                subject(&delegate),
                key.public_key().clone(),
                Profile::OcspResponder,
            )
        };
        let serial = new_serial_number().unwrap();
        let certificate = ca.issue(&request, serial, NOW).unwrap();
        let list = RevocationList {
            number: 1,
            previous_this_update: None,
            next_update: NOW.plus_seconds(86_400),
            freshest: Vec::new(),
            scope: None,
        };
        let crl = ca.crl(&list, [], NOW).unwrap();
        for (file, pem) in [
            (
                format!("{name}.pem"),
                certificate_to_pem(ca.certificate().der()).unwrap(),
            ),
            (
                format!("{delegate}.pem"),
                certificate_to_pem(certificate.der()).unwrap(),
            ),
            (format!("{name}.crl"), crl_to_pem(&crl).unwrap()),
        ] {
            fs::write(self.path(&file), pem).unwrap();
        }
    }

    fn origin(&self, text: &str) -> ConfigOrigin {
        let path = self.path("c.toml");
        fs::write(&path, text).unwrap();
        ConfigOrigin::from_flags(ServeFlags {
            config: Some(path),
            ..ServeFlags::default()
        })
    }

    fn load(&self, text: &str) -> Result<Config, Problems> {
        self.origin(text).load(&Environment::default(), NOW)
    }

    fn refuse(&self, text: &str) -> Problems {
        self.load(text)
            .err()
            .unwrap_or_else(|| panic!("accepted:\n{text}"))
    }

    /// Each text is refused with this one line, which begins with the file; `DIR` stands for the directory.
    #[track_caller]
    fn refuse_each(&self, cases: Vec<(String, &str)>) {
        for (text, expected) in cases {
            let lines = self.refuse(&text).lines();
            let expected = expected.replace("DIR", &self.directory.path().display().to_string());
            let expected = format!("{}:{expected}", self.path("c.toml").display());
            assert_eq!(lines, [expected], "for:\n{text}");
        }
    }

    /// Each flag with its value in one string; values of file flags are put into the directory.
    fn load_flags(&self, flags: &[&str]) -> Result<Config, Problems> {
        let words: Vec<String> = flags
            .iter()
            .flat_map(|flag| {
                let (name, value) = flag.split_once(' ').unwrap();
                let is_plain = [
                    "--port",
                    "--host",
                    "--cache-ttl",
                    "--next-update",
                    "--log-format",
                ]
                .contains(&name);
                let value = if is_plain {
                    value.to_owned()
                } else {
                    self.path(value).display().to_string()
                };
                [name.to_owned(), value]
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ConfigOrigin::from_flags(parse(&words)).load(&Environment::default(), NOW)
    }
}

fn parse(words: &[&str]) -> ServeFlags {
    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        flags: ServeFlags,
    }
    Line::parse_from(["serve"].iter().chain(words)).flags
}
