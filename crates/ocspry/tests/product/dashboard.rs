//! The dashboard as an operator has it open: in a real browser, in both themes, with and without JavaScript; and its words
//! beside those of `/status` and of other people's clients.

use crate::admin::Watched;
use crate::browser::Browser;
use crate::site::{GOOD, NOTICE_WAIT_MAX, OCSPRY, REVOKED, Site, write_private};
use ocspry_testkit::{
    Authority, CrlSpec, KeyKind, Ocspry, Peer, RequestSpec, cert_id, now, pem, wait_until,
};
use ocspry_wire::ocsp::{CrlReason, HashAlgorithm};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Four CAs: one is fine, the list of one ends soon, that of one is over but may be used (`stale-until`), one has none.
struct Fleet {
    directory: TempDir,
    fine: Authority,
    watched: Watched,
}

/// The issuers' names, the worst first.
const WORST_FIRST: [&str; 4] = ["empty", "stale", "ending", "fine"];

impl Fleet {
    fn start() -> Fleet {
        let directory = tempfile::tempdir().unwrap();
        let mut configuration = "version = 1\n[listen]\nocsp = [\"127.0.0.1:0\"]\n".to_owned();
        let hour = 3_600;
        let mut fine = None;
        for name in ["fine", "empty", "ending", "stale"] {
            let ca = Authority::root(&format!("CA {name}"), KeyKind::P256);
            let responder = ca.responder(KeyKind::P256);
            let write = |kind: &str, content: String| {
                let path = directory.path().join(format!("{name}.{kind}"));
                write_private(&path, content.as_bytes());
            };
            let list = CrlSpec::new(7).revoke(REVOKED, Some(CrlReason::KeyCompromise));
            let from_to = |from: i64, to: i64| {
                let list = list.clone().made_at(now().plus_seconds(from * hour));
                list.until(now().plus_seconds(to * hour))
            };
            let list = match name {
                "ending" => Some(from_to(-20, 2)),
                "stale" => Some(from_to(-20, -1)),
                "empty" => None,
                _ => Some(from_to(-1, 160)),
            };
            if let Some(list) = list {
                write("crl", pem("X509 CRL", &ca.crl(&list)));
            }
            write("ca", ca.certificate_pem());
            write("pem", responder.certificate_pem());
            write("key", responder.key.pkcs8_pem());
            let stale_until = match name {
                "stale" => format!("stale-until = \"{}\"\n", now().plus_seconds(48 * hour)),
                _ => String::new(),
            };
            configuration += &format!(
                "[issuer.{name}]\ncertificate = \"{name}.ca\"\nstatus = [{{ crl = \"{name}.crl\" }}]\n\
                 responder = {{ certificate = \"{name}.pem\", key = \"{name}.key\" }}\n{stale_until}"
            );
            if name == "fine" {
                fine = Some(ca);
            }
        }
        write_private(
            &directory.path().join("ocspry.toml"),
            configuration.as_bytes(),
        );
        let serve = Ocspry::new(OCSPRY)
            .directory(directory.path())
            .env("STATE_DIRECTORY", directory.path().join("state"))
            .args(["serve", "-c", "ocspry.toml"]);
        Fleet {
            watched: Watched::of(serve),
            fine: fine.unwrap(),
            directory,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.watched.port())
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.watched.text("/status")).unwrap()
    }

    fn ask(&self, serial: &[u8], times: usize) {
        let request = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &self.fine, serial)).der();
        let mut client = self.watched.process.connect();
        for _ in 0..times {
            assert_eq!(client.post(&request).unwrap().status, 200);
        }
    }

    /// Another CRL of the issuer that is fine.
    fn publish(&self, list: &CrlSpec) {
        let new = self.directory.path().join("new");
        write_private(&new, pem("X509 CRL", &self.fine.crl(list)).as_bytes());
        std::fs::rename(new, self.directory.path().join("fine.crl")).unwrap();
    }
}

/// All numbers below an element that programs can read, in order.
const NUMBERS: &str =
    "return [...document.querySelectorAll('SCOPE data')].map(data => Number(data.value))";

fn numbers(browser: &Browser, scope: &str) -> Vec<i64> {
    let found = browser.run(&NUMBERS.replace("SCOPE", scope));
    let found = found.as_array().unwrap();
    found
        .iter()
        .map(|number| number.as_i64().unwrap())
        .collect()
}

/// Finds what keeps people from using the page, by all of axe-core's rules.
fn violations(browser: &Browser, axe: &str) -> Value {
    browser.run(&format!("{axe}; window.axe = axe; return axe.version"));
    browser.run_until_done(
        "const done = arguments[arguments.length - 1];
         window.axe.run(document, { resultTypes: ['violations', 'incomplete'] }).then(
           found => done({
             violations: found.violations.map(it => [it.id, it.nodes.map(node => node.html)]),
             incomplete: found.incomplete.map(it => [it.id, it.nodes.map(node => node.html)]),
             passes: found.passes.length }),
           error => done({ violations: [String(error)], incomplete: [], passes: 0 }));",
    )
}

#[test]
fn the_overview_has_the_worst_first_and_each_page_says_what_status_says() {
    let fleet = Fleet::start();
    fleet.ask(GOOD, 4);
    fleet.ask(REVOKED, 2);
    let overview = fleet.watched.text("/");
    let places = WORST_FIRST.map(|name| overview.find(&format!("id=\"issuer-{name}\"")).unwrap());
    assert!(places.is_sorted(), "{overview}");
    assert!(
        overview.contains("1 of 4 issuers cannot answer"),
        "{overview}"
    );
    for word in ["Cannot answer", "Stale list", "Ends soon", "Fine"] {
        assert!(overview.contains(word), "{word} in {overview}");
    }
    for issuer in fleet.status()["issuers"].as_array().unwrap() {
        let name = issuer["name"].as_str().unwrap();
        let page = fleet.watched.text(&format!("/issuer/{name}"));
        let list = &issuer["source"]["list"];
        if list.is_null() {
            assert!(
                page.contains("No usable list has been loaded yet."),
                "{page}"
            );
        } else {
            for key in ["this_update", "next_update"] {
                let time = format!("<time datetime=\"{}\">", list[key].as_str().unwrap());
                assert!(page.contains(&time), "{key} in {page}");
            }
            let until = &issuer["stale_until"];
            assert_eq!(until.is_string(), name == "stale", "{issuer}");
            if let Some(until) = until.as_str() {
                let shown = format!("<dt>stale-until</dt><dd><time datetime=\"{until}\">");
                assert!(page.contains(&shown), "{shown} in {page}");
            }
            let entries = format!("<dt>Entries</dt><dd><data value=\"{}\">", list["entries"]);
            assert!(page.contains(&entries), "{entries} in {page}");
        }
        let error = &issuer["source"]["last_error"]["message"];
        assert_eq!(error.is_string(), name == "empty", "{issuer}");
        if name == "empty" {
            assert!(page.contains(error.as_str().unwrap()), "{error} in {page}");
            assert!(
                overview.contains(error.as_str().unwrap()),
                "{error} in {overview}"
            );
        }
        let endpoint = format!("/ocsp/{name}/</code>");
        assert!(page.contains(&endpoint), "{endpoint} in {page}");
    }
}

#[test]
fn the_lines_under_an_explanation_ask_and_get_what_it_says() {
    let (Some(_), Some(_)) = (Peer::Openssl.find(), Peer::Curl.find()) else {
        return;
    };
    let site = Site::new();
    let watched = Watched::of(site.serve());
    for (serial, status) in [("1a2b3c", "good"), ("4d5e6f", "revoked")] {
        let page = watched.text(&format!("/explain?of={serial}"));
        assert!(
            page.contains(&format!("</a>: {status}")) || page.contains(&format!(": {status}</a>")),
            "{page}"
        );
        let (_, lines) = page.split_once("<pre><code>").unwrap();
        for line in lines.split("</code>").next().unwrap().lines() {
            let run = site.shell(None, line);
            assert_eq!(run.code, Some(0), "{line}: {run:?}");
            if line.starts_with("openssl ocsp") {
                assert!(run.stdout.contains(&format!(": {status}")), "{run:?}");
                assert!(run.stderr.contains("Response verify OK"), "{run:?}");
            }
        }
    }
    let explained = watched.text("/explain?of=4d:5e:6f");
    for part in [
        "CRL 10 from ",
        "crl.pem",
        "keyCompromise",
        "set by the list",
    ] {
        assert!(explained.contains(part), "{part} in {explained}");
    }
}

#[test]
fn a_browser_shows_it_in_both_themes_with_and_without_scripts_and_axe_finds_nothing() {
    let (Some(browser), Some(axe)) = (Browser::start(), Peer::AxeCore.find()) else {
        return;
    };
    let axe = std::fs::read_to_string(axe).unwrap();
    let fleet = Fleet::start();
    fleet.ask(GOOD, 40);
    fleet.ask(REVOKED, 9);
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        for has_scripts in [true, false] {
            browser.prefer_colour_scheme(scheme);
            browser.let_pages_run_scripts(has_scripts);
            for path in [
                "/",
                "/issuer/stale",
                "/issuer/empty",
                "/explain?of=4d5e6f",
                "/explain?of=zz",
                "/issuer/nobody",
            ] {
                browser.open(&fleet.url(path));
                let case = format!("{path}, {scheme}, scripts: {has_scripts}");
                let is_pausable = browser.run("return !document.getElementById('pause').hidden");
                assert_eq!(is_pausable, has_scripts, "{case}");
                // The checker needs scripts; those of the page are not run by that any more.
                browser.let_pages_run_scripts(true);
                let found = violations(&browser, &axe);
                browser.let_pages_run_scripts(has_scripts);
                assert_eq!(
                    found["violations"],
                    Value::Array(Vec::new()),
                    "{case}: {found:#}"
                );
                assert!(found["passes"].as_u64().unwrap() > 10, "{case}: {found:#}");
            }
            browser.open(&fleet.url("/"));
            let ground = "return getComputedStyle(document.documentElement).backgroundColor";
            grounds.push(browser.run(ground));
            let status = fleet.status();
            let issuers = status["issuers"].as_array().unwrap();
            let fine = issuers
                .iter()
                .find(|issuer| issuer["name"] == "fine")
                .unwrap();
            let row = "#issuers tr:has(#issuer-fine)";
            let [list_left, entries, signer_left, good, revoked] = numbers(&browser, row)[..]
            else {
                panic!("{:?}", numbers(&browser, row));
            };
            let list = &fine["source"]["list"];
            assert_eq!(list["entries"].as_i64(), Some(entries));
            // A moment passed between the two.
            let seconds = |value: &Value| value.as_i64().unwrap();
            let passed = list_left - seconds(&list["seconds_left"]);
            assert!((0..60).contains(&passed), "{passed}");
            assert_eq!(
                signer_left - seconds(&fine["signer"]["in_use"]["seconds_left"]),
                passed
            );
            let requests = numbers(&browser, "#requests tr:nth-last-child(2)");
            assert_eq!(requests[2], 40, "good answers: {requests:?}");
            assert_eq!((good, revoked), (40, 9));
            let hour = &fine["requests"]["last_hour"];
            assert_eq!((&hour["good"], &hour["revoked"]), (&json!(40), &json!(9)));
        }
    }
    assert_eq!(grounds[0], grounds[1]);
    assert_ne!(grounds[0], grounds[2], "dark is not light");
}

#[test]
fn an_open_page_follows_what_happens_can_be_paused_and_says_when_nobody_answers() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let fleet = Fleet::start();
    browser.open(&fleet.url("/"));
    browser.run("window.mark = 'the same page'; document.getElementById('issuer-fine').focus()");
    let entries = || numbers(&browser, "#issuers tr:has(#issuer-fine)")[1];
    assert_eq!(entries(), 1);
    let longer = CrlSpec::new(8).revoke(REVOKED, None).revoke(GOOD, None);
    fleet.publish(&longer);
    wait_until("the page shows the new list", NOTICE_WAIT_MAX, || {
        entries() == 2
    });
    assert_eq!(browser.run("return window.mark"), "the same page");
    let focus = "return document.activeElement.id";
    assert_eq!(browser.run(focus), "issuer-fine", "the focus stays");

    // By keyboard alone.
    browser.run("document.getElementById('pause').focus()");
    browser.press("Enter");
    let label = "return document.getElementById('pause').textContent";
    assert_eq!(browser.run(label), "Resume updates");
    let as_of = "return document.getElementById('now').textContent";
    let before = browser.run(as_of);
    fleet.publish(&CrlSpec::new(9).revoke(REVOKED, None));
    wait_until("it is in use", NOTICE_WAIT_MAX, || {
        let issuers = fleet.status()["issuers"].clone();
        let fine = issuers
            .as_array()
            .unwrap()
            .iter()
            .find(|issuer| issuer["name"] == "fine");
        fine.unwrap()["source"]["list"]["entries"] == 1
    });
    assert_eq!((entries(), browser.run(as_of)), (2, before));
    browser.press("Enter");
    wait_until("it goes on", NOTICE_WAIT_MAX, || entries() == 1);

    drop(fleet);
    let lost = "return document.getElementById('lost').textContent";
    wait_until("it says that nobody answers", NOTICE_WAIT_MAX, || {
        let said = browser.run(lost);
        said.as_str().unwrap().contains("No answer since")
    });
}

#[test]
fn who_uses_no_mouse_gets_everywhere_and_meets_the_content_first() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let fleet = Fleet::start();
    browser.open(&fleet.url("/"));
    browser.press("Tab");
    let focused = "return document.activeElement.textContent";
    assert_eq!(browser.run(focused), "To the content");
    browser.press("Enter");
    assert_eq!(browser.run("return document.activeElement.id"), "main");
    let reached = (0..40).any(|_| {
        browser.press("Tab");
        browser.run("return document.activeElement.id") == "issuer-empty"
    });
    assert!(reached);
    let outline = "return getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.run(outline), "solid", "the focus shows");
    browser.press("Enter");
    wait_until("its page is there", NOTICE_WAIT_MAX, || {
        browser.run("return location.pathname") == "/issuer/empty"
    });
}
