//! What an issuer's sources may be.

use super::*;

use ocspry_ledger::LedgerPlace;

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
            "8: this source has none of `crl`, `crl-dir`, `crl-url`, `issued`, `overlay` and `ledger`: write `status = [{ crl = \"FILE\" }]`",
        ),
        (
            with_status("[{ role = \"export\" }]"),
            "8: this source has none of `crl`, `crl-dir`, `crl-url`, `issued`, `overlay` and `ledger`: write `status = [{ crl = \"FILE\" }]`",
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
    files.refuse_each(cases);
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
fn an_issuer_that_is_fed_from_the_ledger_has_a_validity_and_says_its_name_there() {
    let files = Files::new();
    let text = with_status("[{ crl = \"one.crl\" }, { ledger = \"corporate\" }]");
    let text = text.replace("validity = \"12h\"\n", "");
    let config = files
        .load(&format!("{text}[ledger]\nurl = \"sqlite:ca/x.db\"\n"))
        .unwrap();
    let issuer = &config.issuers[0];
    assert_eq!(issuer.name_in_ledger(), Some("corporate"));
    assert_eq!(issuer.policy.validity, Some(Duration::from_secs(43_200)));
    let ledger = config.ledger.unwrap();
    assert_eq!(ledger.place, LedgerPlace::Sqlite(files.path("ca/x.db")));
    assert_eq!(ledger.published, files.path("ca/published"));

    let set = text.replace("nonce", "validity = \"1h\"\nnonce");
    let more = "[ledger]\nurl = \"x.db\"\npublished = \"crls\"\n";
    let config = files.load(&format!("{set}{more}")).unwrap();
    let validity = config.issuers[0].policy.validity;
    assert_eq!(validity, Some(Duration::from_secs(3_600)));
    assert_eq!(config.ledger.unwrap().published, files.path("crls"));
}
