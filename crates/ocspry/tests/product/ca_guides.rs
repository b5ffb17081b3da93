//! The lines of the guides about the built-in CA, run as they are written.

use std::path::Path;
use std::process::Command;

use crate::ledger_site::LedgerSite;
use crate::openssl_ca::site_with_demo_ca;
use crate::site::{NOTICE_WAIT_MAX, OCSPRY};
use ocspry_testkit::{Namespace, Peer, Run, run_bounded, wait_for_some};

/// The blocks of a guide that are marked as lines of a shell.
fn blocks(guide: &str) -> Vec<&str> {
    let openings = guide.split("\n```sh\n").skip(1);
    openings
        .map(|rest| rest.split_once("```").unwrap().0)
        .collect()
}

/// Runs a block after the line that names the ledger.
fn run(site: &LedgerSite, namespace: Option<&Namespace>, exports: &str, block: &str) -> Run {
    let shell = Path::new("/bin/sh");
    let mut command = match namespace {
        Some(namespace) => namespace.command(shell),
        None => Command::new(shell),
    };
    let programs = Path::new(OCSPRY).parent().unwrap().display();
    let script = format!("set -e\numask 022\nPATH={programs}:$PATH\n{exports}\n{block}");
    run_bounded(command.args(["-c", &script]).current_dir(site.file(".")))
}

fn done(site: &LedgerSite, exports: &str, block: &str) -> Run {
    let run = run(site, None, exports, block);
    assert_eq!(run.code, Some(0), "{block}: {run:?}");
    run
}

#[test]
fn a_ca_in_five_minutes_is_as_the_guide_says() {
    let (Some(namespace), Some(_)) = (Namespace::new(), Peer::Openssl.find()) else {
        return;
    };
    let guide = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/guide/ca-in-five-minutes.md"
    ));
    let [exports, init, sign, status, serve, ask, end, backup] = blocks(guide)[..] else {
        panic!("the guide has other blocks now");
    };
    let site = LedgerSite::empty();
    for block in [init, sign, status] {
        done(&site, exports, block);
    }
    let mut words = serve.split_whitespace();
    assert_eq!(words.next(), Some("ocspry"));
    let _process = site.ocspry().namespace(&namespace).args(words).start();
    let said = run(&site, Some(&namespace), exports, ask);
    assert!(said.stdout.contains("www.pem: good"), "{said:?}");
    assert!(said.stderr.contains("Response verify OK"), "{said:?}");

    done(&site, exports, end);
    let said = wait_for_some(NOTICE_WAIT_MAX, || {
        let said = run(&site, Some(&namespace), exports, ask);
        said.stdout.contains("www.pem: revoked").then_some(said)
    });
    let said = said.expect("the answer does not become revoked");
    assert!(said.stdout.contains("Reason: keyCompromise"), "{said:?}");
    done(&site, exports, backup);
}

#[test]
fn coming_from_django_ca_is_as_the_guide_says() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let [exports, first, rest, rival, ..] = blocks(coming_from())[..] else {
        panic!("the guide has other blocks now");
    };
    let site = LedgerSite::empty();
    for (key, csr) in [("ocsp.example.com", "ocsp"), ("www", "www")] {
        site.openssl_done(&format!(
            "req -new -newkey rsa:2048 -nodes -keyout {key}.key -out {csr}.csr -subj /CN=any"
        ));
    }
    done(&site, exports, first);
    done(&site, exports, rest);
    let said = done(&site, exports, rival);
    assert!(said.stdout.contains("Cert Status: revoked"), "{said:?}");
    assert!(said.stdout.contains("keyCompromise"), "{said:?}");
}

#[test]
fn coming_from_openssl_ca_is_as_the_guide_says() {
    let Some(site) = site_with_demo_ca() else {
        return;
    };
    let [exports, _, _, _, import, back] = blocks(coming_from())[..] else {
        panic!("the guide has other blocks now");
    };
    let said = done(&site, exports, import);
    assert!(said.stdout.contains("gone.example"), "{said:?}");
    done(&site, exports, back);
    assert_eq!(site.read("index.txt"), site.read("demoCA/index.txt"));
}

fn coming_from() -> &'static str {
    include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/guide/coming-from.md"
    ))
}
