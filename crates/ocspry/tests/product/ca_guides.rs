//! The lines of the guides about the built-in CA, run as they are written.

use std::path::Path;
use std::process::Command;

use crate::django_ca::site_with_django_ca;
use crate::ledger_site::LedgerSite;
use crate::openssl_ca::site_with_demo_ca;
use crate::site::{NOTICE_WAIT_MAX, OCSPRY};
use ocspry_testkit::{Namespace, Peer, Run, run_bounded, wait_for_some};

/// The blocks of a guide that are marked as lines of a shell.
fn blocks(guide: &str) -> Vec<&str> {
    let openings = guide.split("```sh\n").skip(1);
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
fn the_runbooks_do_what_they_say() {
    if Peer::Openssl.find().is_none() {
        return;
    }
    let guide = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/guide/incidents.md"
    ));
    let [
        exports,
        overdue,
        new_responder,
        old_responder,
        compromise,
        new_ca,
        old_ca,
        restore,
        reconcile,
    ] = blocks(guide)[..]
    else {
        panic!("the guide has other blocks now");
    };
    let site = site_of_runbooks();
    let crl = |name: &str| site.json(&format!("crl show published/{name}.crl --json"));
    done(&site, exports, overdue);
    assert_eq!(crl("issuing")["entries"], 0);

    done(&site, exports, new_responder);
    site.openssl_done("verify -CAfile root.pem -untrusted issuing.pem ocsp.pem");
    done(&site, exports, old_responder);
    let stolen = site.json("cert show stolen.pem --json");
    assert_eq!(stolen["reason"], "keyCompromise");
    assert_eq!(crl("issuing")["entries"], 1);
    site.done("ledger backup ledger-backup.db");

    // The leaf, and the new responder; the CA itself by its parent.
    done(&site, exports, compromise);
    assert_eq!(crl("issuing")["entries"], 3);
    assert_eq!(crl("root")["entries"], 1);
    let leaf = site.json("cert show www.pem --json");
    assert_eq!(leaf["reason"], "cACompromise");
    let number_before = crl("issuing")["number"].as_str().unwrap().to_owned();

    done(&site, exports, restore);
    let refused = site.refused("cert revoke www.pem --yes");
    assert!(refused.contains("ledger reconcile"), "{refused}");
    done(&site, exports, reconcile);
    for (file, reason) in [
        ("www.pem", "cACompromise"),
        ("stolen.pem", "keyCompromise"),
        ("issuing.pem", "cACompromise"),
    ] {
        let shown = site.json(&format!("cert show {file} --json"));
        assert_eq!(shown["reason"], reason, "{file}");
    }
    let number = crl("issuing")["number"].as_str().unwrap().to_owned();
    assert_ne!(number, number_before);

    // A key that is lost: on a ledger in which nothing has happened yet.
    let site = site_of_runbooks();
    std::fs::remove_file(site.file("issuing.key")).unwrap();
    done(&site, exports, new_ca);
    site.openssl_done("verify -CAfile root.pem issuing-2.pem");
    let late = run(&site, None, exports, old_ca);
    assert_eq!(late.code, Some(1), "a CA without its key is late: {late:?}");
    let root = site.json("crl show published/root.crl --json");
    assert_eq!(root["entries"], 1);
    let old = site.json("cert show issuing.pem --json");
    assert_eq!(old["reason"], "cessationOfOperation");
    site.done("ca edit issuing --unset key");
    site.done("ca tick");
}

/// A root, an intermediate, and what that has issued: a responder and a server.
fn site_of_runbooks() -> LedgerSite {
    let site = LedgerSite::with_root();
    site.done("ca init issuing --parent root --no-passphrase --key issuing.key --out issuing.pem");
    site.done("cert sign issuing --new-key --key ocsp.key --ocsp --subject /CN=old --out ocsp.pem");
    site.done(
        "cert sign issuing --new-key --key www.key --subject /CN=www --alt www.example.com --out www.pem",
    );
    site
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
fn the_cas_of_django_ca_come_along_as_the_guide_says() {
    let Some(site) = site_with_django_ca() else {
        return;
    };
    let [exports, _, _, _, import, responder, ..] = blocks(coming_from())[..] else {
        panic!("the guide has other blocks now");
    };
    let said = done(&site, exports, import);
    for part in [
        "6 certificates and 1 revocations would be added",
        "6 certificates and 1 revocations were added",
        "  Sub-CA  CN=Sub   root ",
    ] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    let (_, rest) = coming_from().split_once("```toml\n").unwrap();
    site.write("ocspry.toml", rest.split_once("```").unwrap().0);
    done(&site, exports, responder);
}

#[test]
fn coming_from_openssl_ca_is_as_the_guide_says() {
    let Some(site) = site_with_demo_ca() else {
        return;
    };
    let [exports, _, _, _, _, _, import, back] = blocks(coming_from())[..] else {
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
