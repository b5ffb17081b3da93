//! The dashboard by itself: what it says beside `/status`, what it does with hostile names and requests, its bounds and its
//! headers.

use crate::fixture::{Fixture, GOOD, PATIENT, REVOKED, nothing_wrong};
use ocspry_core::{Clock, RevokedSerials, ValidityWindow};
use ocspry_http::{Admin, AdminState, IssuerReport, ListReport, Problem, SourceReport};
use ocspry_testkit::{HttpClient, HttpResponse, pem};
use ocspry_wire::Time;
use ocspry_wire::x509::Certificate;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct Dashboard {
    pub(crate) fixture: Fixture,
    admin: Admin,
    pub(crate) state: Arc<AdminState>,
}

impl Dashboard {
    /// With the fixture's issuer, and nothing wrong.
    pub(crate) fn start() -> Dashboard {
        Dashboard::with(|_| {})
    }

    /// With its report changed.
    pub(crate) fn with(change: impl FnOnce(&mut IssuerReport)) -> Dashboard {
        let fixture = Fixture::start(PATIENT);
        let clock = Arc::clone(&fixture.clock) as Arc<dyn Clock>;
        let state = Arc::new(AdminState::new("1.2.3", clock, |_| "77".to_owned()));
        let admin = Admin::start("127.0.0.1:0".parse().unwrap(), Arc::clone(&state)).unwrap();
        let responder = fixture.responder.load_full();
        let issuer = responder.issuers().iter().next().unwrap();
        let mut report = IssuerReport {
            vanished_count: 4_321,
            ..nothing_wrong(issuer)
        };
        change(&mut report);
        state.publish(vec![report]);
        state.serving(fixture.server.meter());
        Dashboard {
            fixture,
            admin,
            state,
        }
    }

    fn now(&self) -> Time {
        self.fixture.clock.now()
    }

    pub(crate) fn name(&self) -> String {
        let responder = self.fixture.responder.load_full();
        responder.issuers().iter().next().unwrap().name().to_owned()
    }

    fn connect(&self) -> HttpClient {
        HttpClient::connect(self.admin.local_address().port()).unwrap()
    }

    fn get(&self, target: &str) -> HttpResponse {
        self.connect().get(target).unwrap()
    }

    /// A page that is there.
    pub(crate) fn page(&self, target: &str) -> String {
        let response = self.get(target);
        assert_eq!(response.status, 200, "{target}");
        String::from_utf8(response.body).unwrap()
    }

    /// The answer to a request whose head is written out.
    fn raw(&self, head: &str) -> HttpResponse {
        let mut client = self.connect();
        client.send(head.as_bytes()).unwrap();
        client.receive(true).unwrap()
    }

    pub(crate) fn issuer_page(&self) -> String {
        self.page(&format!("/issuer/{}", self.name()))
    }
}

fn list_of(place: &str, serials: &Arc<RevokedSerials>) -> ListReport {
    ListReport {
        place: place.to_owned(),
        is_last_good: true,
        is_delta: false,
        scope: "all certificates".to_owned(),
        number: Some("77".to_owned()),
        this_update: Time::from_unix(1_790_000_000),
        next_update: Time::from_unix(1_890_000_000),
        entry_count: 12_345,
        defects: vec![("odd time", 3)],
        serials: Arc::downgrade(serials),
    }
}

/// What stands in the `dd` of a `dt`, without its tags.
pub(crate) fn said_of(page: &str, term: &str) -> String {
    let behind = page.split_once(&format!("<dt>{term}</dt><dd>"));
    let (_, rest) = behind.unwrap_or_else(|| panic!("no {term} in {page}"));
    text_of(rest.split("</dd>").next().unwrap())
}

fn text_of(markup: &str) -> String {
    let parts = markup.split('<').enumerate();
    let behind = |(place, part): (usize, &'_ str)| match place {
        0 => part.to_owned(),
        _ => part.split_once('>').unwrap().1.to_owned(),
    };
    parts.map(behind).collect()
}

/// All numbers that are there for programs, in order.
pub(crate) fn numbers(markup: &str) -> Vec<i64> {
    let parts = markup.split("<data value=\"").skip(1);
    parts
        .map(|part| part.split('"').next().unwrap().parse().unwrap())
        .collect()
}

#[test]
fn every_number_and_time_of_an_issuer_is_the_one_in_status_at_the_same_moment() {
    let dashboard = Dashboard::with(|report| {
        let table = report.issuer.table().unwrap();
        report
            .lists
            .push(list_of("test.crl", &table.lists()[0].base));
    });
    for seconds in [0, 1, 3_599, 90_000] {
        dashboard.fixture.clock.go_on(seconds);
        let status = dashboard.page("/status");
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let issuer = &status["issuers"][0];
        let (list, signer) = (&issuer["source"]["list"], &issuer["signer"]["in_use"]);
        let number = |value: &serde_json::Value| value.as_i64().unwrap();
        let page = dashboard.issuer_page();

        let answers = page.split_once("id=\"answers\"").unwrap().1;
        let answers = answers.split("</dl>").next().unwrap();
        let expected = [
            number(&list["seconds_left"]),
            number(&list["entries"]),
            number(&issuer["generation"]),
            4_321,
        ];
        assert_eq!(numbers(answers), expected);
        let time = |value: &serde_json::Value| value.as_str().unwrap().replace('T', " ");
        assert_eq!(said_of(answers, "thisUpdate"), time(&list["this_update"]));
        assert_eq!(said_of(answers, "nextUpdate"), time(&list["next_update"]));
        assert_eq!(
            said_of(answers, "Number"),
            list["number"].as_str().unwrap_or("none")
        );

        let of_signer = page.split_once("id=\"signer\"").unwrap().1;
        let of_signer = of_signer.split("</dl>").next().unwrap();
        assert_eq!(numbers(of_signer), [number(&signer["seconds_left"])]);
        assert_eq!(said_of(of_signer, "notAfter"), time(&signer["not_after"]));
        assert_eq!(
            said_of(of_signer, "Algorithm"),
            signer["algorithm"].as_str().unwrap()
        );

        let lists = page.split_once("id=\"lists\"").unwrap().1;
        let lists = lists.split("</table>").next().unwrap();
        let in_use = &issuer["lists"][0];
        let expected = [
            3,
            number(&in_use["seconds_left"]),
            number(&in_use["entries"]),
        ];
        assert_eq!(numbers(lists), expected);

        let overview = dashboard.page("/");
        let row = overview.split_once("id=\"issuers\"").unwrap().1;
        let row = row.split("</table>").next().unwrap();
        let expected = [
            number(&list["seconds_left"]),
            number(&list["entries"]),
            number(&signer["seconds_left"]),
        ];
        assert_eq!(numbers(row), expected);
        let as_of = format!("<time datetime=\"{}\">", status["now"].as_str().unwrap());
        assert!(overview.contains(&as_of), "{as_of} in {overview}");
    }
}

#[test]
fn requests_are_counted_by_what_became_of_them_as_metrics_count_them() {
    let dashboard = Dashboard::start();
    let mut client = dashboard.fixture.connect();
    for (serial, count) in [(GOOD, 5), (REVOKED, 3)] {
        for _ in 0..count {
            client
                .post(&dashboard.fixture.request(serial, &[]))
                .unwrap();
        }
    }
    client.post(b"not a request").unwrap();
    client.get("/healthz").unwrap();
    let page = dashboard.page("/");
    let table = page.split_once("id=\"requests\"").unwrap().1;
    let table = table.split("</table>").next().unwrap();
    // Last minute, last hour, since the start: no minute is over, and the hour has all.
    for (kind, count) in [
        ("not OCSP", 1),
        ("refused", 1),
        ("tryLater", 0),
        ("several certificates", 0),
        ("unknown", 0),
        ("revoked", 3),
        ("good", 5),
        ("all", 10),
    ] {
        let (_, row) = table.split_once(&format!("{kind}</th>")).unwrap();
        let row = row.split("</tr>").next().unwrap();
        assert_eq!(numbers(row), [0, count, count], "{kind}");
    }
    let metrics = dashboard.page("/metrics");
    for sample in ["outcome=\"good\"} 5\n", "outcome=\"revoked\"} 3\n"] {
        assert!(metrics.contains(sample), "{metrics}");
    }
    // The picture has a part for each kind that came.
    for class in ["good", "revoked", "refused", "other"] {
        assert!(
            page.contains(&format!("<path class=\"{class}\"")),
            "{class}"
        );
    }
    assert!(!page.contains("<path class=\"later\""));
}

#[test]
fn what_was_wrong_is_told_until_it_is_over_and_after_it() {
    let dashboard = Dashboard::start();
    let problem = |message: &str, since| {
        Some(Problem {
            message: message.to_owned(),
            since,
        })
    };
    let began = dashboard.now().plus_seconds(-60);
    let responder = dashboard.fixture.responder.load_full();
    let issuer = responder.issuers().iter().next().unwrap();
    let report = |source_problem| IssuerReport {
        source_problem,
        ..nothing_wrong(issuer)
    };
    assert!(
        dashboard
            .page("/")
            .contains("Nothing was wrong since the start.")
    );
    dashboard
        .state
        .publish(vec![report(problem("the list is damaged", began))]);
    let page = dashboard.page("/");
    assert!(page.contains("The issuer answers"), "{page}");
    let row = format!("datetime=\"{began}\"");
    let problems = page.split_once("id=\"problems\"").unwrap().1;
    assert!(
        problems.contains(&row) && problems.contains("goes on"),
        "{problems}"
    );
    assert!(problems.contains("the list is damaged"), "{problems}");
    dashboard.fixture.clock.go_on(100);
    dashboard.state.publish(vec![report(None)]);
    let page = dashboard.page("/");
    let problems = page.split_once("id=\"problems\"").unwrap().1;
    let until = format!("datetime=\"{}\"", dashboard.now());
    assert!(
        problems.contains(&until) && !problems.contains("goes on"),
        "{problems}"
    );
}

#[test]
fn an_issuer_that_cannot_answer_is_said_to_so_in_the_heading_and_why() {
    let dashboard = Dashboard::start();
    let ended = ValidityWindow {
        this_update: dashboard.now().plus_seconds(-7_200),
        next_update: dashboard.now().plus_seconds(-3_600),
    };
    dashboard.fixture.set_list(&[], ended);
    let page = dashboard.page("/");
    assert!(
        page.contains("<h1 class=\"bad\">The issuer cannot answer</h1>"),
        "{page}"
    );
    assert!(page.contains("Cannot answer"), "{page}");
    assert!(page.contains("the list ends on"), "{page}");
    assert!(
        page.contains("over for <data value=\"-3600\">1 h</data>"),
        "{page}"
    );
    assert!(
        page.contains("<title>The issuer cannot answer – ocspry</title>"),
        "{page}"
    );
    assert!(dashboard.issuer_page().contains("Cannot answer"));
}

const HOSTILE: &str = "<script>alert('x')</script>\"&";

#[test]
fn what_comes_from_outside_is_text_on_every_page() {
    let problem = || {
        Some(Problem {
            message: HOSTILE.to_owned(),
            since: Time::from_unix(1_790_000_000),
        })
    };
    let dashboard = Dashboard::with(|report| {
        report.source_problem = problem();
        report.signer_problem = problem();
        report.unproven = Some(HOSTILE.to_owned());
        report.sources.push(SourceReport {
            kind: "crl",
            name: HOSTILE.to_owned(),
            problem: problem(),
            problem_count: 2,
            last_fetch: None,
            deltas: Vec::new(),
            ledger: None,
            overlay: None,
        });
    });
    let encoded: String = HOSTILE
        .bytes()
        .map(|octet| format!("%{octet:02x}"))
        .collect();
    let targets = [
        "/".to_owned(),
        format!("/issuer/{}", dashboard.name()),
        format!("/explain?of={encoded}&issuer={encoded}"),
        format!("/explain?of={encoded}"),
        format!("/explain?of=4d5e6f&issuer={encoded}"),
        format!("/issuer/{encoded}"),
        format!("/issuer/{HOSTILE}").replace(['<', '>', '"'], "~"),
    ];
    for target in targets {
        let response = dashboard.get(&target);
        let page = String::from_utf8(response.body).unwrap();
        assert!(!page.contains("<script>"), "{target}: {page}");
        assert!(!page.contains("alert('x')</script>"), "{target}: {page}");
        assert!(!page.contains("</script>\"&"), "{target}: {page}");
    }
    assert!(dashboard.page("/").contains("&lt;script&gt;alert("));
}

#[test]
fn pages_have_a_policy_that_lets_nothing_in_and_no_request_changes_anything() {
    let dashboard = Dashboard::start();
    let issuer = format!("/issuer/{}", dashboard.name());
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        (issuer.as_str(), "text/html; charset=utf-8"),
        ("/explain", "text/html; charset=utf-8"),
        ("/dashboard.css", "text/css; charset=utf-8"),
        ("/dashboard.js", "text/javascript; charset=utf-8"),
    ] {
        let response = dashboard.get(path);
        assert_eq!(response.status, 200, "{path}");
        let header = |name| response.header(name).unwrap_or_default();
        assert_eq!(header("content-type"), content_type);
        assert_eq!(header("x-content-type-options"), "nosniff");
        assert_eq!(header("referrer-policy"), "no-referrer");
        assert_eq!(header("cache-control"), "no-store");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; "), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(
            !policy.contains("unsafe") && !policy.contains('*'),
            "{policy}"
        );
        let page = String::from_utf8(response.body).unwrap();
        for forbidden in ["http-equiv", " style=", " onclick", "//cdn", "javascript:"] {
            assert!(!page.contains(forbidden), "{forbidden} in {path}");
        }
        assert!(!page.contains("method=\"post\""), "{path}");
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let refused = dashboard.connect().request(method, path, "").unwrap();
            assert_eq!(refused.status, 405, "{method} {path}");
            assert_eq!(refused.header("allow"), Some("GET, HEAD"));
        }
        let head = dashboard.connect().request("HEAD", path, "").unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
    let before = dashboard.fixture.responder.load_full();
    let issuer = before.issuers().iter().next().unwrap();
    assert_eq!(issuer.produced_last(), None, "nothing was signed");
}

#[test]
fn a_request_with_a_hostile_host_path_or_query_is_refused_with_a_page() {
    let dashboard = Dashboard::start();
    for (host, status) in [
        ("Host: 127.0.0.1:9560\r\n", 200),
        ("Host: [::1]:9560\r\n", 200),
        ("Host: ocsp-admin.example\r\n", 200),
        ("", 400),
        ("Host: \r\n", 400),
        ("Host: a\r\nHost: b\r\n", 400),
        ("Host: user@example.com\r\n", 400),
        ("Host: <script>alert(1)</script>\r\n", 400),
        ("Host: a b\r\n", 400),
        ("Host: a/../b\r\n", 400),
        (&format!("Host: {}\r\n", "a".repeat(300)), 400),
    ] {
        let response = dashboard.raw(&format!("GET / HTTP/1.1\r\n{host}\r\n"));
        assert_eq!(response.status, status, "{host}");
        let page = String::from_utf8(response.body).unwrap();
        assert!(!page.contains("alert(1)"), "{page}");
        // It is there for load balancers that send no name.
        let status = dashboard.raw(&format!("GET /healthz HTTP/1.1\r\n{host}\r\n"));
        assert_eq!(status.status, 200, "{host}");
    }
    let long = "a".repeat(17_000);
    for (target, status) in [
        ("/issuer/", 404),
        ("/issuer/nobody", 404),
        ("/issuer/../../etc/passwd", 404),
        ("/issuer/%2e%2e", 404),
        ("/issuer/%ff%fe", 404),
        ("/issuers", 404),
        ("/dashboard.cs", 404),
        (&format!("/{long}"), 404),
        (&format!("/explain?of={long}"), 414),
        (&format!("/issuer/{long}"), 414),
        (&format!("/?{long}"), 414),
        ("/explain?of=zz", 400),
        (&format!("/explain?of={}", "ab".repeat(65)), 400),
        ("/explain?of=4d&issuer=nobody", 400),
        ("/explain?of=%00%ff%fe", 400),
        ("/explain?%&=&&of", 200),
        ("/?of=1", 200),
    ] {
        assert_eq!(dashboard.get(target).status, status, "{target:.60}");
    }
}

#[test]
fn a_serial_is_explained_by_the_table_that_answers_and_certificates_by_who_signed_them() {
    let dashboard = Dashboard::with(|report| {
        let table = report.issuer.table().unwrap();
        report.lists.push(list_of("ca.crl", &table.lists()[0].base));
    });
    let page = dashboard.page("/explain?of=1002");
    assert!(page.contains(": revoked"), "{page}");
    assert!(
        said_of(&page, "Ask it").contains("-serial 0x1002"),
        "{page}"
    );
    let revoked_at = dashboard.now().plus_seconds(-3_660);
    let revoked_at = revoked_at.to_string().replace('T', " ");
    assert_eq!(
        said_of(&page, "Named by"),
        format!("CRL 77 from ca.crl: revoked {revoked_at}")
    );
    let page = dashboard.page("/explain?of=10:01");
    assert!(
        page.contains(": good") && said_of(&page, "Named by") == "no source",
        "{page}"
    );
    let end = said_of(&page, "nextUpdate");
    assert!(end.contains("set by the list"), "{end}");

    let url_encoded =
        |text: &str| -> String { text.bytes().map(|octet| format!("%{octet:02X}")).collect() };
    let certificate = dashboard.fixture.authority.server("a.example", REVOKED);
    let serial = Certificate::from_der(&certificate).unwrap().serial_number;
    let text = pem("CERTIFICATE", &certificate).replace('\n', "\r\n");
    let page = dashboard.page(&format!("/explain?of={}", url_encoded(&text)));
    assert!(
        page.contains(": revoked") && page.contains(&format!("<code>{serial}</code>")),
        "{page}"
    );
    assert!(page.contains("a.example"), "{page}");

    let stranger = ocspry_testkit::Authority::root("Stranger", ocspry_testkit::KeyKind::P256);
    let text = pem("CERTIFICATE", &stranger.server("b.example", REVOKED));
    for (text, told) in [
        (text.as_str(), "None of the issuers signed it"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "This is no certificate",
        ),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "This PEM is damaged"),
        (
            "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n",
            "There is no CERTIFICATE",
        ),
        ("xyz", "this is not a serial number in hex"),
    ] {
        let response = dashboard.get(&format!("/explain?of={}", url_encoded(text)));
        let page = String::from_utf8(response.body).unwrap();
        assert_eq!(response.status, 400, "{page}");
        assert!(
            page.contains(told) && page.contains("aria-invalid=\"true\""),
            "{told}: {page}"
        );
    }
}

#[test]
fn before_there_is_a_list_or_a_server_the_pages_say_so() {
    let clock: Arc<dyn Clock> = Arc::new(ocspry_core::SystemClock);
    let state = Arc::new(AdminState::new("1.2.3", clock, |_| String::new()));
    let admin = Admin::start("127.0.0.1:0".parse().unwrap(), state).unwrap();
    let get = |path: &str| {
        let mut client = HttpClient::connect(admin.local_address().port()).unwrap();
        String::from_utf8(client.get(path).unwrap().body).unwrap()
    };
    assert!(get("/").contains("Not ready: starting"));
    assert!(get("/explain?of=4d").contains("There is no issuer of that name."));
    admin.stop(Duration::ZERO);
}

#[test]
fn the_pages_are_light() {
    let dashboard = Dashboard::start();
    let weight = |target: &str| dashboard.get(target).body.len();
    let files = weight("/dashboard.css") + weight("/dashboard.js");
    let overview = weight("/") + files;
    let issuer = weight(&format!("/issuer/{}", dashboard.name())) + files;
    println!("overview {overview}, issuer {issuer}, of these style and script {files}");
    assert!(
        overview < 24_000 && issuer < 24_000,
        "{overview} {issuer} {files}"
    );
}
