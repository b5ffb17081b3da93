//! `ocspry config show`, `explain` and `sample`, and keys that the environment says, of the real program.

use crate::configuration::check;
use crate::site::{CONFIGURATION, GOOD, NOTICE_WAIT_MAX, Site};
use ocspry_testkit::Reply;
use ocspry_wire::ocsp::ErrorStatus;

#[test]
fn what_is_in_force_is_shown_with_its_origin_and_can_be_loaded_again() {
    let site = Site::new();
    site.write(
        "ocspry.toml",
        format!("{CONFIGURATION}nonce = \"required\"\n"),
    );
    let shown = site
        .ocspry()
        .env("OCSPRY__ISSUER__SITE__VALIDITY", "6h")
        .args(["config", "show", "-c", "ocspry.toml", "--cache-ttl", "7"])
        .run();
    assert_eq!(shown.code, Some(0), "{shown:?}");
    let line = |start: &str| {
        let found = shown.stdout.lines().find(|line| line.starts_with(start));
        found
            .unwrap_or_else(|| panic!("no {start} in\n{}", shown.stdout))
            .to_owned()
    };
    for (start, origin) in [
        ("nonce = \"required\"", "# ocspry.toml:10"),
        ("validity = \"6h\"", "# OCSPRY__ISSUER__SITE__VALIDITY"),
        ("check-interval = \"7s\"", "# flag --cache-ttl"),
        ("guard = \"alarm\"", "# default"),
        ("# log-file =", "# default: to standard error"),
    ] {
        let line = line(start);
        assert!(line.ends_with(origin), "{line}");
    }
    // Elsewhere it means the same: paths are absolute.
    let elsewhere = tempfile::tempdir().unwrap();
    let again = elsewhere.path().join("again.toml");
    std::fs::write(&again, &shown.stdout).unwrap();
    let checked = site.ocspry().args(["config", "check"]).arg(&again).run();
    assert_eq!(checked.code, Some(0), "{checked:?}\n{}", shown.stdout);
    let shown_again = site
        .ocspry()
        .args(["config", "show", "--json", "-c"])
        .arg(&again)
        .run();
    let first = site
        .ocspry()
        .env("OCSPRY__ISSUER__SITE__VALIDITY", "6h")
        .args([
            "config",
            "show",
            "--json",
            "-c",
            "ocspry.toml",
            "--cache-ttl",
            "7",
        ])
        .run();
    let values = |json: &str| -> Vec<String> {
        let lines = json.lines().map(str::trim);
        let kept =
            lines.filter(|line| line.starts_with("\"key\"") || line.starts_with("\"value\""));
        kept.map(str::to_owned).collect()
    };
    assert_eq!(values(&shown_again.stdout), values(&first.stdout));
    assert!(values(&first.stdout).len() > 60, "{first:?}");
}

#[test]
fn no_secret_is_shown_but_the_files_that_they_lie_in() {
    let site = Site::new();
    site.write("ocsp.pass", "open sesame\n");
    let responder = "key = \"ocsp.key\", passphrase-file = \"ocsp.pass\"";
    site.write(
        "ocspry.toml",
        CONFIGURATION.replace("key = \"ocsp.key\"", responder),
    );
    let shown = site
        .ocspry()
        .args(["config", "show", "-c", "ocspry.toml"])
        .run();
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("passphrase-file = \"/"), "{shown:?}");
    assert!(shown.stdout.contains("/ocsp.pass\""), "{shown:?}");
    assert!(!shown.stdout.contains("sesame"), "{shown:?}");
}

#[test]
fn a_configuration_that_is_wrong_is_not_shown_but_what_is_wrong_with_it() {
    let site = Site::new();
    site.write("ocspry.toml", CONFIGURATION.replace("status", "statuss"));
    let shown = site
        .ocspry()
        .args(["config", "show", "-c", "ocspry.toml"])
        .run();
    let checked = site.ocspry().args(["config", "check", "ocspry.toml"]).run();
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert_eq!(
        (shown.stdout.as_str(), &shown.stderr),
        ("", &checked.stderr)
    );
}

#[test]
fn serve_check_and_reload_see_the_environment() {
    let site = Site::new();
    site.write("ocspry.toml", CONFIGURATION);
    let refused = site
        .ocspry()
        .env("OCSPRY__ISSUER__SITE__NONCE", "ecko")
        .args(["config", "check", "ocspry.toml"])
        .run();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["OCSPRY__ISSUER__SITE__NONCE=ecko", "did you mean `echo`?"] {
        assert!(refused.stderr.contains(part), "{refused:?}");
    }
    let process = site
        .ocspry()
        .env("OCSPRY__ISSUER__SITE__NONCE", "required")
        .args(["serve", "-c", "ocspry.toml"])
        .start();
    let is_refused = || {
        let reply = site.ask(&mut process.connect(), &site.request(GOOD));
        matches!(reply, Reply::Error(ErrorStatus::Unauthorized))
    };
    assert!(is_refused());
    // Read anew, the file still stands under the environment.
    let mark = process.log_mark();
    site.replace(
        "ocspry.toml",
        format!("{CONFIGURATION}nonce = \"echo\"\ncert-ids-max = 2\n"),
    );
    process.wait_for_log_after(mark, "ocspry.toml", NOTICE_WAIT_MAX);
    let shown = site.ocspry().args(["reload", "-c", "ocspry.toml"]).run();
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(is_refused());
}

#[test]
fn a_key_is_explained_and_an_unknown_one_gets_a_suggestion() {
    let site = Site::new();
    let explain = |key: &str| site.ocspry().args(["config", "explain", key]).run();
    let validity = explain("issuer.*.validity");
    assert_eq!(validity.code, Some(0), "{validity:?}");
    for part in [
        "issuer.NAME.validity: longest life of an answer",
        "1m to 3650d",
        "12h for a CA of the ledger",
        "--next-update",
        "OCSPRY__ISSUER__NAME__VALIDITY",
        "validity = \"12h\"",
    ] {
        assert!(
            validity.stdout.contains(part),
            "no {part:?} in {validity:?}"
        );
    }
    let unknown = explain("listen.admn");
    assert_eq!(unknown.code, Some(1), "{unknown:?}");
    assert_eq!(
        unknown.stderr,
        "error: there is no key `listen.admn`: did you mean `listen.admin`?\n"
    );
    let all = site.ocspry().args(["config", "explain"]).run();
    for line in ["[listen]", "[issuer.NAME]", "[ledger]"] {
        assert!(all.stdout.lines().any(|shown| shown == line), "{all:?}");
    }
}

#[test]
fn the_sample_passes_the_check_once_its_files_are_there() {
    let site = Site::new();
    let sample = site.ocspry().args(["config", "sample"]).run();
    assert_eq!(sample.code, Some(0), "{sample:?}");
    let checked = check(&site, &sample.stdout);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    std::fs::remove_file(site.file("ocsp.key")).unwrap();
    let checked = check(&site, &sample.stdout);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(checked.stderr.contains("ocsp.key"), "{checked:?}");
}

#[test]
fn completions_and_man_pages_have_the_verbs_of_the_configuration() {
    let site = Site::new();
    let script = site.ocspry().args(["completions", "fish"]).run();
    let man = site.ocspry().args(["man", "man"]).run();
    assert_eq!((script.code, man.code), (Some(0), Some(0)), "{man:?}");
    for verb in ["check", "show", "explain", "sample"] {
        assert!(script.stdout.contains(&format!("-a \"{verb}\"")), "{verb}");
        let page = site.file("man").join(format!("ocspry-config-{verb}.1"));
        assert!(page.is_file(), "{verb}");
    }
    assert!(site.file("man").join("ocspry.toml.5").is_file());
}
