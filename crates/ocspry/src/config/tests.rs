//! What a configuration is refused for, and in which words; and which files of the command line belong together.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use ocspry_ca::{
    CaKey, CertificateAuthority, CertificateRequest, KeyAlgorithm, Profile, RevocationList,
    Subject, certificate_to_pem, crl_to_pem,
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
        ResponderConfig::Issuer {
            key: files.path("two.key"),
            passphrase_file: Some(files.path("pass"))
        }
    );
}

#[test]
fn issuers_keep_the_order_of_the_file() {
    let files = Files::new();
    let two = "[issuer.zz]\ncertificate = \"two.pem\"\nstatus = [{ crl = \"c\" }]\nresponder = { ca-key = \"k\" }\n";
    let config = files
        .load(&GOOD.replace("[issuer.one]", &format!("{two}[issuer.aa]")))
        .unwrap();
    let names: Vec<&str> = config
        .issuers
        .iter()
        .map(|issuer| issuer.name.as_str())
        .collect();
    assert_eq!(names, ["zz", "aa"]);
}

#[test]
fn what_is_wrong_in_a_file_is_said_with_its_line_and_what_to_do() {
    let files = Files::new();
    let more = |text: &str| format!("{GOOD}{text}");
    let status = |text: &str| GOOD.replace(r#"[{ crl = "one.crl" }]"#, text);
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
            "7: unknown key `zzz`: known here: certificate, also-named-in, status, crl-issuer, guard, freshest-crl, responder, validity, window-max, stale-until, nonce, unable, unknown-issuer, absent, never-issued, responder-id, embedded-certificates, cert-ids-max, cert-id-hashes, archive-cutoff, signature-hash-min",
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
            "8: `ledger` is not available in this version: remove it",
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
            "9: `managed` is not available in this version: remove it",
        ),
        (responder("[]"), "9: this key takes a table, not a list"),
        (
            more("[ledger]\nurl = \"sqlite:x\""),
            "12: `ledger` is not available in this version: remove it",
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
        (more("[issuer.one]\n"), "12: duplicate key"),
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
    for (text, expected) in cases {
        let lines = files.refuse(&text).lines();
        let expected = expected.replace("DIR", &files.directory.path().display().to_string());
        let expected = format!("{}:{expected}", files.path("c.toml").display());
        assert_eq!(lines, [expected], "for:\n{text}");
    }
}

const EVERY_SOURCE: &str = r#"[
    { crl = "one.crl" },
    { crl-dir = "lists" },
    { crl-url = "http://127.0.0.1:1/ca.crl" },
    { crl-url = "https://crl.example.com/ca.crl", allow-private-redirects = true },
    { issued = "index.txt" },
    { issued = "serials", role = "record", max-age = "1h", lag = "good" },
    { overlay = "overlay" },
]"#;

fn with_status(text: &str) -> String {
    GOOD.replace(r#"[{ crl = "one.crl" }]"#, text)
}

#[test]
fn an_issuer_has_as_many_sources_as_it_names_each_of_its_kind() {
    let files = Files::new();
    let config = files.load(&with_status(EVERY_SOURCE)).unwrap();
    let issuer = &config.issuers[0];
    let named: Vec<(&str, String)> = issuer
        .sources
        .iter()
        .map(|source| (source.kind(), source.name()))
        .collect();
    let path = |name: &str| files.path(name).display().to_string();
    assert_eq!(
        named,
        [
            ("crl", path("one.crl")),
            ("crl-dir", path("lists")),
            ("crl-url", "http://127.0.0.1:1/ca.crl".to_owned()),
            ("crl-url", "https://crl.example.com/ca.crl".to_owned()),
            ("issued", path("index.txt")),
            ("issued", path("serials")),
            ("overlay", path("overlay")),
        ]
    );
    let url = |text: &str| CrlUrl::parse(text).unwrap();
    let issued = |name: &str, role, hours: i64, lag| {
        StatusSource::Issued(IssuedSource {
            path: files.path(name),
            role,
            max_age_seconds: hours * 3600,
            lag,
        })
    };
    let sources = issuer.status_sources().sources;
    assert_eq!(
        sources[2..6],
        [
            StatusSource::Lists(ListSource::Url(url("http://127.0.0.1:1/ca.crl"))),
            StatusSource::Lists(ListSource::Url(
                url("https://crl.example.com/ca.crl").allowing_private()
            )),
            issued("index.txt", IssuedRole::Export, 24, Lag::TryLater),
            issued("serials", IssuedRole::Record, 1, Lag::Good),
        ]
    );
}

#[test]
fn crl_issuers_guard_and_never_issued_are_taken_over_and_have_defaults() {
    let files = Files::new();
    let plain = files.load(GOOD).unwrap().issuers.remove(0);
    assert_eq!(plain.guard, Guard::Alarm);
    assert_eq!(plain.freshest_crl, FreshestCrl::FetchedLists);
    assert!(plain.crl_issuers.is_empty());
    assert_eq!(plain.policy.never_issued, NeverIssuedPolicy::Unknown);
    let more = "crl-issuer = [\"two.pem\"]\nguard = \"refuse\"\nnever-issued = \"revoked\"\n\
        freshest-crl = \"all\"\n";
    let config = files.load(&format!("{GOOD}{more}")).unwrap();
    let issuer = &config.issuers[0];
    assert_eq!(issuer.guard, Guard::Refuse);
    assert_eq!(issuer.freshest_crl, FreshestCrl::AllLists);
    assert_eq!(issuer.policy.never_issued, NeverIssuedPolicy::Revoked);
    let two = certificate_file::CertificateFile::read(&files.path("two.pem")).unwrap();
    assert_eq!(issuer.crl_issuers, [two.certificate]);
    assert!(
        config
            .structure
            .paths()
            .any(|path| path == files.path("two.pem")),
        "a new CRL issuer certificate is a reload"
    );
}

#[test]
fn what_is_wrong_with_a_source_is_said_where_it_is_named() {
    let files = Files::new();
    let more = |text: &str| format!("{GOOD}{text}");
    let cases: Vec<(String, &str)> = vec![
        (
            with_status("[]"),
            "8: `status` names no source that says which certificates are revoked: write `status = [{ crl = \"FILE\" }]`",
        ),
        (
            with_status("[{ overlay = \"o\" }]"),
            "8: `status` names no source that says which certificates are revoked: an overlay only adds to what the CA says: name the CA's list too, as `{ crl = \"FILE\" }`",
        ),
        (
            with_status("[{}]"),
            "8: this source has none of `crl`, `crl-dir`, `crl-url`, `issued` and `overlay`: write `status = [{ crl = \"FILE\" }]`",
        ),
        (
            with_status("[{ role = \"export\" }]"),
            "8: this source has none of `crl`, `crl-dir`, `crl-url`, `issued` and `overlay`: write `status = [{ crl = \"FILE\" }]`",
        ),
        (
            with_status("[{ crl = \"a\", overlay = \"b\" }]"),
            "8: this source has both `crl` and `overlay`: give each its own braces: `status = [{ … }, { … }]`",
        ),
        (
            with_status("[{ crl-url = \"http://a/b\", role = \"record\" }]"),
            "8: `role` belongs beside `issued`, not beside `crl-url`: remove it",
        ),
        (
            with_status("[{ crl = \"a\", max-age = \"1h\" }]"),
            "8: `max-age` belongs beside `issued`, not beside `crl`: remove it; a CRL is as fresh as its own nextUpdate says",
        ),
        (
            with_status("[{ crl-dir = \"a\", lag = \"good\" }]"),
            "8: `lag` belongs beside `issued`, not beside `crl-dir`: remove it",
        ),
        (
            with_status("[{ crl-dir = \"a\", allow-private-redirects = true }]"),
            "8: `allow-private-redirects` belongs beside `crl-url`, not beside `crl-dir`: remove it",
        ),
        (
            with_status("[{ crl-url = \"http://a/b\", allow-private-redirects = \"yes\" }]"),
            "8: this key takes true or false, not string \"yes\"",
        ),
        (
            with_status("[{ crl = \"\" }]"),
            "8: the path of `crl` is empty: give the path of a file",
        ),
        (
            with_status("[{ crl = \"http://a/b.crl\" }]"),
            "8: `crl` is the path of a file, and `http://a/b.crl` is a URL: write `crl-url = \"http://a/b.crl\"`",
        ),
        (
            with_status("[{ crl-url = \"ca.crl\" }]"),
            "8: ca.crl: is not a URL: relative URL without a base; write it whole, as in http://crl.example.com/ca.crl: for a file, write `crl = \"ca.crl\"`",
        ),
        (
            with_status("[{ crl-url = \"ldap://a/b\" }]"),
            "8: ldap://a/b: CRLs are fetched by http and https, not by ldap; use the CA's http URL, or name a file with `crl`",
        ),
        (
            with_status("[{ crl-url = \"http://user:secret@a/b\" }]"),
            "8: the URL at a names a user: CRLs are public and are fetched without a password; remove everything up to the @",
        ),
        (
            with_status("[{ crl-url = \"http://169.254.169.254/\" }]"),
            "8: http://169.254.169.254/: 169.254.169.254 is link-local, which is never connected to; name the CRL's real host",
        ),
        (
            with_status("[{ crl-dirs = \"a\" }]"),
            "8: unknown key `crl-dirs`: did you mean `crl-dir`?",
        ),
        (
            with_status("[{ url = \"http://a/b\" }]"),
            "8: unknown key `url`: the key is `crl-url`",
        ),
        (
            with_status("[{ index = \"index.txt\" }]"),
            "8: unknown key `index`: write `issued = \"…\"`: an OpenSSL index is one of the files that it takes",
        ),
        (
            with_status("[{ crl = \"a\", guard = \"refuse\" }]"),
            "8: unknown key `guard`: it belongs under `[issuer.NAME]`, beside `status`",
        ),
        (
            with_status("[{ issued = \"x\", role = \"recrod\" }]"),
            "8: `role` cannot be `recrod`: did you mean `record`?",
        ),
        (
            with_status("[{ issued = \"x\", lag = \"revoked\" }]"),
            "8: `lag` cannot be `revoked`: it is `try-later` or `good`",
        ),
        (
            with_status("[{ issued = \"x\", max-age = \"5s\" }]"),
            "8: `max-age` must be between 1m and 366d",
        ),
        (
            with_status("[{ crl = \"a\", freshest-crl = \"all\" }]"),
            "8: unknown key `freshest-crl`: it belongs under `[issuer.NAME]`, beside `status`",
        ),
        (
            more("freshest-crl = \"follow\""),
            "12: `freshest-crl` cannot be `follow`: it is `crl-url`, `all` or `ignore`",
        ),
        (
            more("guard = \"refused\""),
            "12: `guard` cannot be `refused`: did you mean `refuse`?",
        ),
        (
            more("guard = \"off\""),
            "12: `guard` cannot be `off`: it is `alarm` or `refuse`",
        ),
        (
            more("never-issued = \"good\""),
            "12: `never-issued` cannot be `good`: it is `unknown`, `unauthorized` or `revoked`",
        ),
        (
            more("crl-issuer = []"),
            "12: `crl-issuer` lists nothing: name at least one, or leave the key out",
        ),
        (
            more("crl-issuer = \"two.pem\""),
            "12: this key takes a list in brackets, not string \"two.pem\"",
        ),
        (
            more("crl-issuer = [\"two.crl\"]"),
            "12: CRL issuer certificate DIR/two.crl holds a X509 CRL, not a certificate: check whether two files were mixed up",
        ),
        (
            more("crl-dir = \"lists\""),
            "12: unknown key `crl-dir`: write `status = [{ crl-dir = \"…\" }]`",
        ),
        (
            more("role = \"record\""),
            "12: unknown key `role`: it belongs inside `status`, beside `issued`",
        ),
        (
            GOOD.replace("version = 1", "version = 1\nguard = \"refuse\""),
            "2: unknown key `guard`: it belongs under `[issuer.NAME]`",
        ),
        (
            GOOD.replace("version = 1", "version = 1\nstatus = []"),
            "2: unknown key `status`: it belongs under `[issuer.NAME]`",
        ),
    ];
    for (text, expected) in cases {
        let lines = files.refuse(&text).lines();
        let expected = expected.replace("DIR", &files.directory.path().display().to_string());
        let expected = format!("{}:{expected}", files.path("c.toml").display());
        assert_eq!(lines, [expected], "for:\n{text}");
    }
}

#[test]
fn two_wrong_sources_are_both_said_and_no_source_is_missed_on_top() {
    let files = Files::new();
    let text = with_status("[{ crl-url = \"x\" }, { issued = \"y\", lag = \"z\" }]");
    assert_eq!(files.refuse(&text).lines().len(), 2);
}

#[test]
fn with_another_source_crl_issuer_or_guard_it_is_another_issuer() {
    let files = Files::new();
    let issuer = |text: &str| files.load(text).unwrap().issuers.remove(0);
    let good = issuer(GOOD);
    for text in [
        with_status("[{ crl = \"one.crl\" }, { overlay = \"o\" }]"),
        with_status("[{ crl-dir = \"one.crl\" }]"),
        format!("{GOOD}guard = \"refuse\""),
        format!("{GOOD}crl-issuer = [\"two.pem\"]"),
        format!("{GOOD}never-issued = \"unauthorized\""),
    ] {
        assert!(!good.makes_the_same_as(&issuer(&text)), "{text}");
    }
    assert!(good.makes_the_same_as(&issuer(&format!("{GOOD}guard = \"alarm\""))));
}

#[test]
fn two_issuers_of_one_name_and_key_are_refused_at_the_second() {
    let files = Files::new();
    let again = GOOD.split_once("[issuer.one]").unwrap().1;
    let lines = files
        .refuse(&format!("{GOOD}[issuer.again]{again}"))
        .lines();
    let expected = format!(
        "{}:12: issuer `again` is the same CA as issuer `one`: CN=one",
        files.path("c.toml").display()
    );
    assert_eq!(lines, [expected]);
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
fn an_admin_listener_is_off_unless_given_and_beyond_loopback_worth_a_warning() {
    let files = Files::new();
    let with = |admin: &str| {
        let line = format!("[listen]\nadmin = \"{admin}\"");
        files.load(&GOOD.replace("[listen]", &line)).unwrap()
    };
    assert_eq!(files.load(GOOD).unwrap().admin, None);
    for address in ["127.0.0.1:9560", "127.8.0.1:0", "[::1]:9560"] {
        let config = with(address);
        assert_eq!(config.admin, Some(address.parse().unwrap()));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }
    for address in ["0.0.0.0:9560", "[::]:9560", "192.0.2.1:9560"] {
        let config = with(address);
        assert_eq!(config.admin, Some(address.parse().unwrap()));
        let warning = config.warnings[0].to_string();
        assert!(
            warning.contains(address) && warning.contains("firewall"),
            "{warning}"
        );
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

#[test]
fn the_old_command_line_is_one_issuer_with_a_delegate() {
    let files = Files::new();
    let config = files
        .load_flags(&[
            "--port 8888",
            "--crl one.crl",
            "--ocsp-cert one-ocsp.pem",
            "--ocsp-key one-ocsp.key",
            "--ca one.pem",
        ])
        .unwrap();
    assert_eq!(config.listen, [SocketAddr::from(([127, 0, 0, 1], 8888))]);
    let [issuer] = config.issuers.as_slice() else {
        panic!("one issuer")
    };
    assert_eq!(issuer.name, "one");
    assert_eq!(crl(issuer), files.path("one.crl"));
    assert_eq!(issuer.policy.validity, None);
    assert_eq!(
        issuer.responder,
        ResponderConfig::Delegated {
            certificate: files.path("one-ocsp.pem"),
            key: files.path("one-ocsp.key"),
            passphrase_file: None
        }
    );
}

#[test]
fn flags_say_the_same_as_keys() {
    let files = Files::new();
    let flags = [
        "--host ::1",
        "--port 1234",
        "--ca one.pem",
        "--crl one.crl",
        "--ca-key one.key",
        "--next-update 5",
        "--cache-ttl 60",
        "--log-file log",
        "--state-dir state",
        "--ocsp-key-passphrase-file pass",
    ];
    let by_flags = files.load_flags(&flags).unwrap();
    let by_file = files
        .load(
            "version = 1\nstate-dir = \"state\"\ncheck-interval = \"60s\"\nlog-file = \"log\"\n[listen]\nocsp = [\"[::1]:1234\"]\n\
             [issuer.one]\ncertificate = \"one.pem\"\nstatus = [{ crl = \"one.crl\" }]\n\
             responder = { ca-key = \"one.key\", passphrase-file = \"pass\" }\nvalidity = \"5h\"\n",
        )
        .unwrap();
    assert_eq!(by_flags.listen, by_file.listen);
    assert_eq!(by_flags.state, by_file.state);
    assert_eq!(by_flags.check_interval, by_file.check_interval);
    assert_eq!(by_flags.log_file, by_file.log_file);
    let ([one], [other]) = (by_flags.issuers.as_slice(), by_file.issuers.as_slice()) else {
        panic!("one issuer each")
    };
    assert_eq!(
        (&one.name, crl(one), &one.responder, &one.policy),
        (&other.name, crl(other), &other.responder, &other.policy)
    );
}

#[test]
fn repeated_files_find_each_other_in_any_order() {
    let files = Files::new();
    let config = files
        .load_flags(&[
            "--ocsp-key two-ocsp.key",
            "--crl two.crl",
            "--ca one.pem",
            "--ocsp-cert one-ocsp.pem",
            "--crl one.crl",
            "--ca three.pem",
            "--ca-key three.key",
            "--ca two.pem",
            "--ocsp-key one-ocsp.key",
            "--crl three.crl",
            "--ocsp-cert two-ocsp.pem",
        ])
        .unwrap();
    let names: Vec<&str> = config
        .issuers
        .iter()
        .map(|issuer| issuer.name.as_str())
        .collect();
    assert_eq!(names, ["one", "three", "two"], "in the order of --ca");
    for issuer in &config.issuers {
        assert_eq!(crl(issuer), files.path(&format!("{}.crl", issuer.name)));
        let expected = match issuer.name.as_str() {
            "three" => ResponderConfig::Issuer {
                key: files.path("three.key"),
                passphrase_file: None,
            },
            name => ResponderConfig::Delegated {
                certificate: files.path(&format!("{name}-ocsp.pem")),
                key: files.path(&format!("{name}-ocsp.key")),
                passphrase_file: None,
            },
        };
        assert_eq!(issuer.responder, expected);
    }
}

#[test]
fn a_crl_that_cannot_be_read_goes_to_the_one_ca_that_is_left() {
    let files = Files::new();
    let config = files
        .load_flags(&[
            "--ca one.pem",
            "--ca two.pem",
            "--crl two.crl",
            "--crl gone.crl",
            "--ca-key one.key",
            "--ca-key two.key",
        ])
        .unwrap();
    assert_eq!(crl(&config.issuers[0]), files.path("gone.crl"));
}

#[test]
fn crls_that_cannot_be_read_go_to_the_cas_that_last_used_them() {
    let files = Files::new();
    let flags = [
        "--ca one.pem",
        "--ca two.pem",
        "--crl two.crl",
        "--crl one.crl",
        "--ca-key one.key",
        "--ca-key two.key",
        "--state-dir state",
    ];
    let config = files.load_flags(&flags).unwrap();
    let state = Arc::new(StateDirectory::open(&files.path("state")).unwrap());
    for issuer in &config.issuers {
        let (mut running, _) = assemble::build(issuer, Some(&state), None, &[], NOW);
        assert!(running.issuer.table().is_some());
        running.refresher.keep_now(NOW);
    }
    fs::write(files.path("one.crl"), "damaged").unwrap();
    fs::remove_file(files.path("two.crl")).unwrap();
    let crls: Vec<PathBuf> = files
        .load_flags(&flags)
        .unwrap()
        .issuers
        .iter()
        .map(crl)
        .collect();
    assert_eq!(crls, [files.path("one.crl"), files.path("two.crl")]);
}

#[test]
fn a_changed_issuer_keeps_list_and_credential_when_its_files_have_become_bad() {
    let files = Files::new();
    let before = files.load(GOOD).unwrap();
    let (running, _) = assemble::build(&before.issuers[0], None, None, &[], NOW);
    fs::write(files.path("one.crl"), "damaged").unwrap();
    // The delegate lives for a day.
    let later = NOW.plus_seconds(2 * 86_400);
    let changed = files.load(&GOOD.replace("12h", "6h")).unwrap();
    let (rebuilt, look) = assemble::build(&changed.issuers[0], None, None, &[running], later);
    assert_eq!(look.causes(&rebuilt).len(), 2, "{look:?}");
    assert!(rebuilt.can_answer() && !rebuilt.can_answer_at(later));

    let other_key = GOOD.replace("one-ocsp.key", "two-ocsp.key");
    let changed = files.load(&other_key).unwrap();
    let (other, _) = assemble::build(&changed.issuers[0], None, None, &[rebuilt], NOW);
    assert!(
        !other.can_answer(),
        "a credential of other files is not carried over"
    );
}

#[test]
fn an_issuer_is_the_same_wherever_it_stands_and_another_with_every_change() {
    let files = Files::new();
    let issuer = |text: &str| files.load(text).unwrap().issuers.remove(0);
    let good = issuer(GOOD);
    let moved = issuer(&GOOD.replace("[issuer.one]", "# moved\n\n[issuer.one]"));
    assert!(good.makes_the_same_as(&moved));
    for (from, to) in [
        ("[issuer.one]", "[issuer.uno]"),
        ("one.pem", "two.pem"),
        ("one.crl", "two.crl"),
        ("one-ocsp.key", "two-ocsp.key"),
        ("12h", "6h"),
        ("echo", "ignore"),
    ] {
        assert!(
            !good.makes_the_same_as(&issuer(&GOOD.replace(from, to))),
            "{to}"
        );
    }
}

#[test]
fn the_stamps_of_a_configuration_are_those_before_it_was_read() {
    let files = Files::new();
    let config = files.load(GOOD).unwrap();
    let paths = [files.path("c.toml"), files.path("one.pem")];
    let now = || FileStamps::of(paths.iter().map(PathBuf::as_path));
    assert_eq!(config.structure, now());
    fs::copy(files.path("two.pem"), files.path("new.pem")).unwrap();
    fs::rename(files.path("new.pem"), files.path("one.pem")).unwrap();
    assert_eq!(now().changed_since(&config.structure), [paths[1].as_path()]);
}

#[test]
fn a_ca_certificate_that_is_none_is_worth_a_warning() {
    let files = Files::new();
    let text = GOOD.replace("\"one.pem\"", "\"one-ocsp.pem\"");
    let warnings = files.load(&text).unwrap().warnings;
    let [warning] = warnings.as_slice() else {
        panic!("{warnings:?}")
    };
    let warning = warning.to_string();
    assert!(
        warning.contains("CN=one-ocsp is not marked as a CA"),
        "{warning}"
    );
}

#[test]
fn stale_until_is_a_time_at_most_seven_days_ahead_and_a_warning_in_any_case() {
    let files = Files::new();
    let with = |time: &str| GOOD.to_owned() + &format!("stale-until = \"{time}\"\n");
    let latest = NOW.plus_seconds(7 * 86_400);
    for until in [NOW.plus_seconds(1), latest] {
        let config = files.load(&with(&until.to_string())).unwrap();
        assert_eq!(config.issuers[0].policy.stale_until, Some(until));
        let warning = config.warnings[0].to_string();
        assert!(
            warning.starts_with("issuer one: stale-until is set"),
            "{warning}"
        );
    }
    for past in [NOW, NOW.plus_seconds(-86_400)] {
        let config = files.load(&with(&past.to_string())).unwrap();
        assert_eq!(config.issuers[0].policy.stale_until, None);
        let warning = config.warnings[0].to_string();
        assert!(warning.contains("has no effect any more"), "{warning}");
    }
    let refused = files
        .refuse(&with(&latest.plus_seconds(1).to_string()))
        .render();
    for part in ["at most 7 days ahead", &latest.to_string()] {
        assert!(refused.contains(part), "no {part} in {refused}");
    }
    for text in [
        "2026-12-01",
        "2026-12-01 12:00:00Z",
        "2026-12-01T12:00:00+00:00",
        "2026-12-01T12:00:00.5Z",
        "2026-13-01T12:00:00Z",
        "20261201120000Z",
        "12h",
        "",
    ] {
        let refused = files.refuse(&with(text)).render();
        assert!(
            refused.contains("write it in UTC and whole seconds"),
            "{refused}"
        );
    }
}

#[test]
fn cas_of_one_name_are_told_apart_by_their_keys() {
    let files = Files::new();
    files.ca("twin-a", "twin");
    files.ca("twin-b", "twin");
    let config = files
        .load_flags(&[
            "--ca twin-a.pem",
            "--ca twin-b.pem",
            "--crl twin-b.crl",
            "--crl twin-a.crl",
            "--ca-key twin-b.key",
            "--ca-key twin-a.key",
        ])
        .unwrap();
    assert_eq!(crl(&config.issuers[0]), files.path("twin-a.crl"));
    assert_eq!(crl(&config.issuers[1]), files.path("twin-b.crl"));
}

#[test]
fn files_that_do_not_belong_together_are_refused_by_name() {
    let files = Files::new();
    files.ca("twin", "one");
    let one = [
        "--ca one.pem",
        "--crl one.crl",
        "--ocsp-cert one-ocsp.pem",
        "--ocsp-key one-ocsp.key",
    ];
    let with = |more: &[&'static str]| [one.as_slice(), more].concat();
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (
            with(&["--crl two.crl"]),
            "CRL DIR/two.crl belongs to none of CN=one (DIR/one.pem): it is from CN=two: give the CA's certificate with --ca, or leave the CRL out",
        ),
        (
            with(&["--crl twin.crl"]),
            "CRL DIR/twin.crl belongs to none of CN=one (DIR/one.pem): it names CN=one as its issuer, but that CA's key did not sign it: give the CA's certificate with --ca, or leave the CRL out",
        ),
        (
            with(&["--crl one.crl"]),
            "CRLs DIR/one.crl and DIR/one.crl are both for CN=one (DIR/one.pem): keep one of them",
        ),
        (
            with(&["--ca one.pem"]),
            "DIR/one.pem and DIR/one.pem are the same CA: CN=one: give each CA once",
        ),
        (
            with(&["--ca two.pem", "--ca-key two.key"]),
            "no CRL for CN=two (DIR/two.pem): add its list with --crl FILE",
        ),
        (
            with(&["--ca two.pem", "--crl two.crl"]),
            "no responder certificate for CN=two (DIR/two.pem): add --ocsp-cert and --ocsp-key (a delegate of this CA), or --ca-key (the CA signs itself)",
        ),
        (
            with(&["--ocsp-cert two-ocsp.pem"]),
            "responder certificate DIR/two-ocsp.pem belongs to none of CN=one (DIR/one.pem): it is from CN=two: give the certificate of the CA that issued it with --ca, or leave it out",
        ),
        (
            with(&["--ocsp-key two-ocsp.key"]),
            "responder key DIR/two-ocsp.key belongs to none of CN=one-ocsp (DIR/one-ocsp.pem): its public key is another one: give its certificate with --ocsp-cert, or leave the key out",
        ),
        (
            with(&["--ca-key one.key"]),
            "both a CA key (DIR/one.key) and a responder certificate (DIR/one-ocsp.pem) for CN=one (DIR/one.pem): keep --ocsp-cert with --ocsp-key (better: the CA's key can stay elsewhere), or --ca-key",
        ),
        (
            one[..2].to_vec(),
            "no responder certificate for CN=one (DIR/one.pem): add --ocsp-cert and --ocsp-key (a delegate of this CA), or --ca-key (the CA signs itself)",
        ),
        (
            one[..3].to_vec(),
            "no responder key for CN=one-ocsp (DIR/one-ocsp.pem): add --ocsp-key FILE",
        ),
        (
            with(&["--ca none.pem"]),
            "CA certificate DIR/none.pem cannot be read: No such file or directory (os error 2): check the path and its permissions",
        ),
    ];
    for (flags, expected) in cases {
        let problems = files.load_flags(&flags).unwrap_err();
        let expected = expected.replace("DIR", &files.directory.path().display().to_string());
        assert_eq!(
            problems.lines(),
            std::slice::from_ref(&expected),
            "for {flags:?}"
        );
        assert_eq!(problems.render(), format!("error: {expected}"));
    }
}

#[test]
fn of_several_certificates_in_a_ca_file_the_first_counts_and_the_others_are_mentioned() {
    let files = Files::new();
    let read = |name: &str| fs::read_to_string(files.path(name)).unwrap();
    fs::write(files.path("chain.pem"), read("one.pem") + &read("two.pem")).unwrap();
    let flags = ["--ca chain.pem", "--crl one.crl", "--ca-key one.key"];
    let config = files.load_flags(&flags).unwrap();
    assert_eq!(
        config.issuers[0].certificate,
        files.load(GOOD).unwrap().issuers[0].certificate
    );
    let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
    let expected = format!(
        "{}: only the first certificate (CN=one) is used, 1 more ignored: give each CA in a file of its own",
        files.path("chain.pem").display()
    );
    assert_eq!(warnings, [expected]);

    let problems = files
        .load_flags(&[flags.as_slice(), &["--crl two.crl"]].concat())
        .unwrap_err();
    assert!(
        problems.lines()[0].contains("behind another certificate and needs a file of its own"),
        "{problems:?}"
    );
}

/// The file of the one list that it is configured with.
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
        let subject = |common_name: &str| Subject {
            common_name: common_name.to_owned(),
            organization: None,
        };
        let day = Duration::from_secs(86_400);
        let write_key = |name: &str| {
            let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
            fs::write(
                self.path(&format!("{name}.key")),
                key.to_pem().unwrap().as_bytes(),
            )
            .unwrap();
            key
        };
        let ca =
            CertificateAuthority::self_signed(write_key(name), &subject(common_name), day, NOW)
                .unwrap();
        let delegate = format!("{name}-ocsp");
        let key = write_key(&delegate);
        let certificate = ca
            .issue(
                &CertificateRequest {
                    subject: subject(&delegate),
                    public_key_info: key.public_key_info(),
                    profile: Profile::OcspResponder,
                    lifetime: day,
                },
                NOW,
            )
            .unwrap();
        let list = RevocationList {
            number: 1,
            next_update: NOW.plus_seconds(86_400),
            revoked: Vec::new(),
        };
        let crl = ca.crl(&list, NOW).unwrap();
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

    /// Each flag with its value in one string; values of file flags are put into the directory.
    fn load_flags(&self, flags: &[&str]) -> Result<Config, Problems> {
        let words: Vec<String> = flags
            .iter()
            .flat_map(|flag| {
                let (name, value) = flag.split_once(' ').unwrap();
                let is_plain = ["--port", "--host", "--cache-ttl", "--next-update"].contains(&name);
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
