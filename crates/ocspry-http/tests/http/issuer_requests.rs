//! The requests about one issuer: the same numbers on its page, in the overview, in `/status` and in `/metrics`.

use crate::dashboard::{Dashboard, numbers};
use crate::fixture::{GOOD, REVOKED, nothing_wrong};
use ocspry_testkit::{Authority, KeyKind, RequestSpec, cert_id};
use ocspry_wire::ocsp::HashAlgorithm;
use serde_json::{Value, json};

/// What stands between two texts.
fn between<'a>(page: &'a str, start: &str, end: &str) -> &'a str {
    let (_, rest) = page
        .split_once(start)
        .unwrap_or_else(|| panic!("no {start} in {page}"));
    rest.split(end).next().unwrap()
}

fn status(dashboard: &Dashboard) -> Value {
    serde_json::from_str(&dashboard.page("/status")).unwrap()
}

#[test]
fn requests_about_an_issuer_are_one_number_wherever_they_are_told() {
    let dashboard = Dashboard::start();
    let issuers = |dashboard: &Dashboard| {
        let page = dashboard.page("/");
        between(&page, "id=\"issuers\"", "</table>").to_owned()
    };
    assert!(issuers(&dashboard).contains("no requests"));
    let mut client = dashboard.fixture.connect();
    let mut ask = |request: &[u8]| client.post(request).unwrap().status;
    for (serial, count) in [(GOOD, 5), (REVOKED, 3)] {
        for _ in 0..count {
            assert_eq!(ask(&dashboard.fixture.request(serial, &[])), 200);
        }
    }
    // Of nobody here, and of nobody at all.
    let stranger = Authority::root("Stranger", KeyKind::P256);
    let of_stranger = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &stranger, GOOD));
    assert_eq!(ask(&of_stranger.der()), 200);
    assert_eq!(ask(b"not a request"), 200);

    let counts = json!({
        "good": 5, "revoked": 3, "unknown": 0, "several": 0, "try_later": 0, "refused": 0,
    });
    let nothing = json!({
        "good": 0, "revoked": 0, "unknown": 0, "several": 0, "try_later": 0, "refused": 0,
    });
    let status = status(&dashboard);
    let requests = &status["issuers"][0]["requests"];
    assert_eq!(requests["since_start"], counts);
    assert_eq!(requests["last_hour"], counts);
    assert_eq!(requests["last_minute"], nothing, "none is over yet");
    // The server's are all.
    assert_eq!(status["requests"]["last_hour"]["refused"], 2);
    assert_eq!(status["requests"]["last_hour"]["not_ocsp"], 0);

    let metrics = dashboard.page("/metrics");
    for (answer, count) in [
        ("good", 5),
        ("revoked", 3),
        ("refused", 0),
        ("try-later", 0),
    ] {
        let name = dashboard.name();
        let sample = format!(
            "ocspry_issuer_requests_total{{issuer=\"{name}\",answer=\"{answer}\"}} {count}\n"
        );
        assert!(metrics.contains(&sample), "{sample} in {metrics}");
    }

    let row = issuers(&dashboard);
    let cell = between(&row, "class=\"parts\"", "</td>");
    assert_eq!(numbers(cell), [5, 3]);
    for kind in ["good", "revoked"] {
        assert!(row.contains(&format!("<path class=\"{kind}\"")), "{row}");
    }
    let page = dashboard.issuer_page();
    let table = between(&page, "id=\"requests\"", "</table>");
    for (kind, count) in [
        ("good", 5),
        ("revoked", 3),
        ("tryLater", 0),
        ("refused", 0),
        ("all", 8),
    ] {
        let row = between(table, &format!("{kind}</th>"), "</tr>");
        assert_eq!(numbers(row), [0, count, count], "{kind}");
    }
    assert!(!table.contains("not OCSP"), "{table}");
}

#[test]
fn of_two_hundred_issuers_the_overview_stays_a_page() {
    let dashboard = Dashboard::start();
    let mut client = dashboard.fixture.connect();
    for serial in [GOOD, REVOKED] {
        client
            .post(&dashboard.fixture.request(serial, &[]))
            .unwrap();
    }
    let responder = dashboard.fixture.responder.load_full();
    let issuer = responder.issuers().iter().next().unwrap();
    dashboard.state.publish(vec![nothing_wrong(issuer); 200]);
    let page = dashboard.page("/");
    println!("{} octets", page.len());
    assert!(page.len() < 320_000, "{}", page.len());
}
