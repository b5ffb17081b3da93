//! `ocspry healthcheck` as a container or a load balancer runs it.

use crate::admin::Watched;
use crate::site::{CONFIGURATION, GOOD, NOTICE_WAIT_MAX, Site, says_good};
use ocspry_testkit::{CertificateSpec, Finished, KeyKind, now, wait_until};
use serde_json::Value;

fn check(site: &Site, arguments: &[&str]) -> Finished {
    site.ocspry().arg("healthcheck").args(arguments).run()
}

fn one_line(finished: &Finished) -> &str {
    assert_eq!(finished.stdout.lines().count(), 1, "{finished:?}");
    finished.stdout.trim_end()
}

#[test]
fn a_responder_that_answers_is_healthy_by_each_way_to_ask() {
    let site = Site::new();
    let watched = Watched::of(site.serve());
    let admin = format!("127.0.0.1:{}", watched.port());
    let named = CONFIGURATION.replace("[listen]\n", &format!("[listen]\nadmin = \"{admin}\"\n"));
    site.write("named.toml", named);
    site.write("elsewhere.toml", CONFIGURATION);
    let healthz = format!("http://127.0.0.1:{}/healthz", watched.process.port());
    let status = format!("http://{admin}/status");
    for arguments in [
        &["--admin", &admin][..],
        &["-c", "named.toml"],
        &["--url", &healthz],
        &["--strict", "--admin", &admin],
        &["--strict", "--url", &status],
    ] {
        let finished = check(&site, arguments);
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
        assert_eq!(one_line(&finished), "healthy", "{arguments:?}");
    }
    // The environment wins over the file, and is enough.
    for arguments in [&["-c", "named.toml"][..], &["-c", "elsewhere.toml"], &[]] {
        let checked = site.ocspry().arg("healthcheck").args(arguments);
        let finished = checked.env("OCSPRY__LISTEN__ADMIN", &admin).run();
        assert_eq!(finished.code, Some(0), "{arguments:?}: {finished:?}");
    }
    // The OCSP listener says no more than that it lives.
    let finished = check(&site, &["--strict", "--url", &healthz]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let verdict = check(&site, &["--json", "--admin", &admin]);
    let verdict: Value = serde_json::from_str(&verdict.stdout).unwrap();
    assert_eq!(verdict["healthy"], true);
    assert_eq!(verdict["problems"], Value::Array(Vec::new()));
}

#[test]
fn what_is_about_to_end_is_unhealthy_only_when_asked_strictly() {
    let site = Site::new();
    site.write_crl(&site.first_crl().made_at(now().plus_seconds(-2_000)));
    let watched = Watched::of(site.serve());
    let admin = format!("127.0.0.1:{}", watched.port());
    let plain = || check(&site, &["--admin", &admin]);
    let strict = || check(&site, &["--strict", "--admin", &admin]);
    assert_eq!(strict().code, Some(0));

    // A tenth of its time is left, which is 100 s.
    let list = |number| {
        let mut list = site.first_crl();
        list.number = Some(number);
        list.made_at(now().plus_seconds(-900))
            .until(now().plus_seconds(100))
    };
    site.write_crl(&list(11));
    wait_until("the list is in its last fifth", NOTICE_WAIT_MAX, || {
        strict().code == Some(1)
    });
    let finished = strict();
    let line = one_line(&finished);
    assert!(
        line.starts_with("unhealthy: intermediate_ca: the list ends in "),
        "{line}"
    );
    assert_eq!(plain().code, Some(0));

    let mut spec = CertificateSpec::responder("About to end");
    spec.not_before = now().plus_seconds(-86_400);
    spec.not_after = now().plus_seconds(3_600);
    let responder = site.ca.issue_with_key(&spec, KeyKind::P256);
    site.replace("ocsp.key", responder.key.pkcs8_pem());
    site.replace("ocsp.pem", responder.certificate_pem());
    wait_until("the signer is in its last fifth", NOTICE_WAIT_MAX, || {
        strict()
            .stdout
            .contains("the signer's certificate ends in ")
    });
    assert_eq!(plain().code, Some(0));
    site.ask_until(&watched.process, GOOD, NOTICE_WAIT_MAX, says_good);
}

#[test]
fn what_is_not_reached_or_not_asked_rightly_is_told_apart_by_the_exit_code() {
    let site = Site::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    // Nobody answers there: the kernel connects, and that is all.
    let finished = check(&site, &["--timeout", "1", "--admin", &address]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        one_line(&finished).contains("is not reached"),
        "{finished:?}"
    );
    drop(free);
    let finished = check(&site, &["--admin", &address]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    for wrong in [
        &["--url", "https://a/"][..],
        &["--url", "http://a/", "--admin", "a:1"],
        &["--timeout", "0"],
    ] {
        assert_eq!(check(&site, wrong).code, Some(2), "{wrong:?}");
    }
    site.write("none.toml", CONFIGURATION);
    let finished = check(&site, &["-c", "none.toml"]);
    assert_eq!(finished.code, Some(1), "{finished:?}");
    assert!(
        finished.stderr.contains("it has no listen.admin"),
        "{finished:?}"
    );
}
