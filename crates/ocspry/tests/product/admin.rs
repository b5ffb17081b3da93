//! The admin listener: metrics, health and status, as an operator and a monitoring system meet them.

use crate::ledger::{FILE, empty_ledger};
use crate::list_server::ListServer;
use crate::site::{CONFIGURATION, GOOD, LATER, NOTICE_WAIT_MAX, REVOKED, Site, says_revoked};
use ocspry_testkit::{
    CrlSpec, HttpClient, HttpResponse, Namespace, Ocspry, OcspryProcess, Peer, Reply, RequestSpec,
    TerminationSignal, base64_path, cert_id, extension, nonce_extension, now, wait_until,
};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A responder with an admin listener on a free port.
pub(crate) struct Watched {
    pub(crate) process: OcspryProcess,
    port: u16,
}

impl Watched {
    fn start(site: &Site) -> Watched {
        Watched::of(site.serve())
    }

    pub(crate) fn of(serve: Ocspry<'static>) -> Watched {
        let process = serve.args(["--admin", "127.0.0.1:0"]).start();
        let line = process.wait_for_stdout(ADMIN_LINE, NOTICE_WAIT_MAX);
        let port = admin_port(&line);
        Watched { process, port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn get(&self, path: &str) -> HttpResponse {
        let mut client = HttpClient::connect(self.port).unwrap();
        client.get(path).unwrap()
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.get(path).body).unwrap()
    }

    fn metrics(&self) -> Metrics {
        Metrics::parse(&self.text("/metrics"))
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.text("/status")).unwrap()
    }

    /// The part of the status that is about the one issuer of the site.
    pub(crate) fn issuer(&self) -> Value {
        let status = self.status();
        let issuers = status["issuers"].as_array().unwrap();
        assert_eq!(issuers.len(), 1, "{status}");
        issuers[0].clone()
    }
}

/// Start of the line that names the address.
const ADMIN_LINE: &str = "admin listener at http://127.0.0.1:";

fn admin_port(line: &str) -> u16 {
    let (_, rest) = line.split_once(ADMIN_LINE).unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

/// A page of metrics, checked against the text format line by line.
#[derive(Debug)]
struct Metrics {
    /// Name and labels as written, to value.
    samples: BTreeMap<String, f64>,
    /// Name to type.
    types: BTreeMap<String, String>,
}

impl Metrics {
    /// Each family is HELP, TYPE, samples; each name, label and value has the form that the format gives it.
    fn parse(text: &str) -> Metrics {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut metrics = Metrics {
            samples: BTreeMap::new(),
            types: BTreeMap::new(),
        };
        let mut helped = None;
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').unwrap();
                assert!(!help.trim().is_empty(), "{line}");
                helped = Some(name);
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(helped.take(), Some(name), "{line}");
                assert!(is_name(name), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let first = metrics.types.insert(name.to_owned(), kind.to_owned());
                assert!(first.is_none(), "twice: {line}");
                family = name.to_owned();
            } else {
                let (sample, value) = line.rsplit_once(' ').unwrap();
                let name = sample.split('{').next().unwrap();
                assert_eq!(family_of(name, &metrics.types), family, "{line}");
                if let Some(labels) = sample.strip_prefix(name).filter(|rest| !rest.is_empty()) {
                    assert!(labels.ends_with("\"}"), "{line}");
                    for label in labels[1..labels.len() - 1].split(',') {
                        let (key, value) = label.split_once('=').unwrap();
                        assert!(is_name(key) && value.len() > 2, "{line}");
                        assert!(value.starts_with('"') && value.ends_with('"'), "{line}");
                    }
                }
                let value = value.parse().unwrap_or_else(|_| panic!("{line}"));
                let first = metrics.samples.insert(sample.to_owned(), value);
                assert!(first.is_none(), "twice: {line}");
            }
        }
        metrics
    }

    fn value(&self, sample: &str) -> i64 {
        let value = self.samples.get(sample);
        *value.unwrap_or_else(|| panic!("no {sample} in {:#?}", self.samples)) as i64
    }

    /// All samples of a family that are not 0.
    fn counted(&self, name: &str) -> BTreeMap<&str, i64> {
        let of_family = |sample: &&str| sample.split('{').next() == Some(name);
        self.samples
            .iter()
            .map(|(sample, value)| (sample.as_str(), *value as i64))
            .filter(|(sample, value)| of_family(sample) && *value != 0)
            .collect()
    }

    /// The keys of a family's labels.
    fn labels(&self, name: &str) -> BTreeSet<&str> {
        let samples = self.samples.keys().filter_map(|sample| {
            let (sample, labels) = sample.split_once('{')?;
            let is_its = family_of(sample, &self.types) == name;
            is_its.then(|| labels.strip_suffix('}')).flatten()
        });
        samples
            .flat_map(|labels| labels.split(','))
            .filter_map(|label| label.split_once('='))
            .map(|(key, _)| key)
            // Of the buckets of every histogram.
            .filter(|key| *key != "le")
            .collect()
    }

    fn label_values(&self, key: &str) -> BTreeSet<&str> {
        let start = format!("{key}=\"");
        self.samples
            .keys()
            .filter_map(|sample| sample.split_once(&start))
            .filter_map(|(_, rest)| rest.split_once('"'))
            .map(|(value, _)| value)
            .collect()
    }
}

/// The family that a sample belongs to: of a histogram's, its name without the last part.
fn family_of<'a>(sample: &'a str, types: &BTreeMap<String, String>) -> &'a str {
    let is_histogram = |name: &&str| types.get(*name).is_some_and(|kind| kind == "histogram");
    ["_bucket", "_sum", "_count"]
        .into_iter()
        .filter_map(|part| sample.strip_suffix(part))
        .find(is_histogram)
        .unwrap_or(sample)
}

/// The first list, with a reason that is not to be written out.
fn with_a_defect(site: &Site) -> CrlSpec {
    let mut list = site.first_crl();
    list.entries[0].reason = None;
    list.entries[0].says_unspecified = true;
    list
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_lowercase())
        && text
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '_')
}

#[test]
fn ops_11_ops_12_metrics_count_each_request_once_by_what_became_of_it() {
    let site = Site::new();
    let watched = Watched::start(&site);
    // One connection is one worker: what was asked before is at hand there.
    let mut client = watched.process.connect();
    let good = site.request(GOOD);
    let mut bodies = 0;
    let mut sent = 0;
    let mut send = |response: std::io::Result<HttpResponse>, status: u16| {
        let response = response.unwrap();
        assert_eq!(response.status, status, "{response:?}");
        bodies += response.body.len() as i64;
        sent += 1;
        response
    };

    // Made, kept, and found by the same octets, be they in a body or in a path.
    send(client.post(&good), 200);
    send(client.post(&good), 200);
    let response = send(client.get(&base64_path(&good)), 200);
    let tag = format!("If-None-Match: {}\r\n", response.header("etag").unwrap());
    send(client.request("GET", &base64_path(&good), &tag), 304);
    send(client.request("HEAD", &base64_path(&good), ""), 200);
    // Found by the CertID alone.
    let unknown_extension = extension(&[0x2b, 0x06, 0x01, 0x04, 0x01], false, &[5, 0]);
    let other_octets = RequestSpec::one(site.cert_id(GOOD)).with_extension(unknown_extension);
    send(client.post(&other_octets.der()), 200);
    send(client.post(&site.request(REVOKED)), 200);
    // Another CertID for the same certificate.
    let sha1 = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &site.ca, GOOD));
    send(client.post(&sha1.der()), 200);
    // A nonce is never kept.
    for _ in 0..2 {
        let nonce = nonce_extension(&[7; 16]);
        let request = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce);
        send(client.post(&request.der()), 200);
    }
    let stranger = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &site.root, GOOD));
    send(client.post(&stranger.der()), 200);
    send(client.post(b"\x30\x00"), 200);
    send(client.get("/healthz"), 200);
    send(client.get("/metrics"), 404);
    send(client.request("DELETE", "/", ""), 405);

    let metrics = watched.metrics();
    let requests = |method: &str, outcome: &str| {
        format!("ocspry_requests_total{{method=\"{method}\",outcome=\"{outcome}\"}}")
    };
    let expected = [
        (requests("post", "good"), 6),
        (requests("post", "revoked"), 1),
        (requests("get", "good"), 2),
        (requests("head", "good"), 1),
        (requests("post", "unknown-issuer"), 1),
        (requests("post", "malformed"), 1),
        (requests("get", "healthz"), 1),
        (requests("get", "not-ocsp"), 1),
        (requests("other", "method-not-allowed"), 1),
    ];
    let expected: BTreeMap<&str, i64> = expected
        .iter()
        .map(|(sample, value)| (sample.as_str(), *value))
        .collect();
    assert_eq!(metrics.counted("ocspry_requests_total"), expected);
    assert_eq!(expected.values().sum::<i64>(), sent);
    for (sample, value) in [
        ("ocspry_responses_not_modified_total", 1),
        ("ocspry_response_body_bytes_total", bodies),
        // Of these that are requests at all: 11, and one malformed.
        (
            r#"ocspry_requests_by_hash_algorithm_total{hash_algorithm="sha256"}"#,
            10,
        ),
        (
            r#"ocspry_requests_by_hash_algorithm_total{hash_algorithm="sha1"}"#,
            1,
        ),
        (
            r#"ocspry_requests_by_hash_algorithm_total{hash_algorithm="unknown"}"#,
            0,
        ),
        (r#"ocspry_requests_by_nonce_total{nonce="present"}"#, 2),
        (r#"ocspry_requests_by_nonce_total{nonce="absent"}"#, 9),
        (r#"ocspry_response_cache_hits_total{level="request"}"#, 3),
        (r#"ocspry_response_cache_hits_total{level="cert-id"}"#, 2),
        ("ocspry_response_cache_misses_total", 3),
        (r#"ocspry_response_cache_entries{level="request"}"#, 5),
        (r#"ocspry_response_cache_entries{level="cert-id"}"#, 3),
        (r#"ocspry_signatures_total{result="signed"}"#, 5),
        (r#"ocspry_signatures_total{result="failed"}"#, 0),
        (r#"ocspry_signatures_total{result="refused"}"#, 0),
        ("ocspry_connections_total", 1),
        ("ocspry_connections_open", 1),
        ("ocspry_connections_refused_total", 0),
        ("ocspry_panics_total", 0),
        // By issuer, in six words; the stranger's and what is malformed are nobody's.
        (
            r#"ocspry_issuer_requests_total{issuer="intermediate_ca",answer="good"}"#,
            9,
        ),
        (
            r#"ocspry_issuer_requests_total{issuer="intermediate_ca",answer="revoked"}"#,
            1,
        ),
        (
            r#"ocspry_issuer_requests_total{issuer="intermediate_ca",answer="try-later"}"#,
            0,
        ),
        // One more by which the key was tried.
        (
            r#"ocspry_issuer_signatures_total{issuer="intermediate_ca",algorithm="ecdsa-sha256",result="signed"}"#,
            6,
        ),
        (
            r#"ocspry_signature_duration_seconds_count{issuer="intermediate_ca",algorithm="ecdsa-sha256"}"#,
            6,
        ),
        (
            r#"ocspry_signature_duration_seconds_bucket{issuer="intermediate_ca",algorithm="ecdsa-sha256",le="+Inf"}"#,
            6,
        ),
        // The first request of a worker is measured.
        (
            r#"ocspry_answer_duration_seconds_count{effort="signed"}"#,
            1,
        ),
        (r#"ocspry_source_entries{issuer="intermediate_ca"}"#, 1),
        (r#"ocspry_issuer_can_answer{issuer="intermediate_ca"}"#, 1),
    ] {
        assert_eq!(metrics.value(sample), value, "{sample}");
    }
    for level in ["request", "cert-id"] {
        let bytes = metrics.value(&format!("ocspry_response_cache_bytes{{level=\"{level}\"}}"));
        let most = metrics.value(&format!(
            "ocspry_response_cache_bytes_max{{level=\"{level}\"}}"
        ));
        assert!(0 < bytes && bytes < most, "{level}: {bytes} of {most}");
    }
}

#[test]
fn what_is_not_http_is_counted_and_so_are_slow_keys() {
    // An RSA key signs on the pool.
    let site = Site::with_keys(
        ocspry_testkit::KeyKind::P256,
        ocspry_testkit::KeyKind::Rsa2048,
    );
    let watched = Watched::start(&site);
    site.ask(&mut watched.process.connect(), &site.request(GOOD))
        .single();
    let mut client = watched.process.connect();
    client.send(b"not HTTP at all\r\n\r\n").unwrap();
    assert_eq!(client.receive(true).unwrap().status, 400);
    let malformed = r#"ocspry_requests_total{method="other",outcome="malformed-http"}"#;
    wait_until("it is counted", NOTICE_WAIT_MAX, || {
        watched.metrics().value(malformed) == 1
    });
    let metrics = watched.metrics();
    assert_eq!(
        metrics.value(r#"ocspry_signatures_total{result="signed"}"#),
        1
    );
    assert_eq!(metrics.value("ocspry_signing_queue_length"), 0);
}

#[test]
fn ops_11_metrics_tell_how_much_time_list_and_signer_have_left() {
    let site = Site::new();
    let list = site
        .first_crl()
        .made_at(now())
        .until(now().plus_seconds(7200));
    site.write_crl(&list);
    let watched = Watched::start(&site);
    let metrics = watched.metrics();
    let value = |name: &str| metrics.value(&format!("{name}{{issuer=\"intermediate_ca\"}}"));
    assert!((7000..=7200).contains(&value("ocspry_source_seconds_until_stale")));
    assert!(value("ocspry_signer_seconds_until_expiry") > 7200);
    let this_update = value("ocspry_source_this_update_timestamp_seconds");
    assert!((0..200).contains(&(now().unix_seconds() - this_update)));
    let started = metrics.value("process_start_time_seconds");
    assert!((0..200).contains(&(now().unix_seconds() - started)));
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        metrics.value(&format!("ocspry_build_info{{version=\"{version}\"}}")),
        1
    );
}

/// `serve` with the site's list as a file, and that of a server.
fn with_url(site: &Site, server: &ListServer) -> Ocspry<'static> {
    let status = format!(
        "status = [{{ crl = \"crl.pem\" }}, {{ crl-url = \"{}\" }}]",
        server.url()
    );
    let configuration = CONFIGURATION.replace("status = [{ crl = \"crl.pem\" }]", &status);
    site.write("ocspry.toml", configuration);
    site.ocspry().args(["serve", "-c", "ocspry.toml"])
}

#[test]
fn the_reference_explains_every_metric_with_its_labels_and_no_other() {
    let site = Site::new();
    site.write_crl(&with_a_defect(&site));
    let server = ListServer::start();
    server.publish(site.ca.crl(&with_a_defect(&site)));
    let (_ledger, _) = empty_ledger(&site);
    let serve = with_url(&site, &server);
    let configuration = std::fs::read_to_string(site.file("ocspry.toml")).unwrap();
    let configuration = configuration.replace(" }]", " }, { ledger = \"corporate\" }]");
    let ledger = format!("[ledger]\nurl = \"sqlite:{FILE}\"\n");
    site.write("ocspry.toml", format!("{configuration}{ledger}"));
    let watched = Watched::of(serve);
    wait_until("the URL was asked", NOTICE_WAIT_MAX, || {
        !watched.issuer()["sources"][1]["last_fetch"].is_null()
    });
    site.write("crl.pem", b"not a list");
    wait_until("the file is refused", NOTICE_WAIT_MAX, || {
        !watched.issuer()["source"]["last_error"].is_null()
    });
    let metrics = watched.metrics();
    let reference = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/reference/metrics.md"
    ));
    // | `name` | type | labels | meaning |
    let explained: BTreeMap<String, (String, BTreeSet<&str>)> = reference
        .lines()
        .filter(|line| line.starts_with("| `ocspry_") || line.starts_with("| `process_"))
        .map(|line| {
            let mut cells = line.trim_matches('|').split('|').map(str::trim);
            let mut cell = || cells.next().unwrap_or_else(|| panic!("{line}"));
            let name = cell().trim_matches('`').to_owned();
            let kind = cell().to_owned();
            let labels = cell().split('`').skip(1).step_by(2).collect();
            (name, (kind, labels))
        })
        .collect();
    let printed: BTreeMap<String, (String, BTreeSet<&str>)> = metrics
        .types
        .iter()
        .map(|(name, kind)| (name.clone(), (kind.clone(), metrics.labels(name))))
        .collect();
    assert_eq!(explained, printed);
    for key in [
        "method",
        "outcome",
        "hash_algorithm",
        "nonce",
        "level",
        "result",
        "defect",
        "answer",
        "algorithm",
        "effort",
    ] {
        for value in metrics.label_values(key) {
            let quoted = format!("`{value}`");
            assert!(reference.contains(&quoted), "no {quoted} of `{key}`");
        }
    }
}

#[test]
fn promtool_has_nothing_to_say_against_the_metrics() {
    if Peer::Promtool.find().is_none() {
        return;
    }
    let site = Site::new();
    let watched = Watched::start(&site);
    site.ask(&mut watched.process.connect(), &site.request(GOOD))
        .single();
    let page = watched.get("/metrics");
    assert_eq!(
        page.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    site.write("metrics.txt", &page.body);
    let run = site.shell(None, "promtool check metrics < metrics.txt");
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(format!("{}{}", run.stdout, run.stderr), "");
}

#[test]
fn status_says_what_is_served_by_whom_and_until_when() {
    let site = Site::new();
    let watched = Watched::start(&site);
    let page = watched.get("/status");
    assert_eq!(page.header("content-type"), Some("application/json"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    let status = watched.status();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["ready"], true);
    assert!(status["uptime_seconds"].is_u64());
    let issuer = watched.issuer();
    assert_eq!(issuer["name"], "intermediate_ca");
    assert_eq!(issuer["subject"], "CN=Site Intermediate");
    assert_eq!(issuer["can_answer"], true);
    assert_eq!(issuer["cannot_answer_because"], Value::Null);
    assert_eq!(issuer["source"]["path"], "crl.pem");
    assert_eq!(issuer["source"]["list"]["number"], "10");
    assert_eq!(issuer["source"]["list"]["entries"], 1);
    assert!(issuer["source"]["list"]["seconds_left"].as_i64().unwrap() > 0);
    assert_eq!(issuer["source"]["last_error"], Value::Null);
    assert_eq!(issuer["signer"]["in_use"]["kind"], "delegated");
    assert!(issuer["signer"]["in_use"]["seconds_left"].as_i64().unwrap() > 0);
    assert_eq!(issuer["signer"]["last_error"], Value::Null);
    assert_eq!(issuer["policy"]["nonce"], "echo");
    assert_eq!(issuer["policy"]["never_issued"], "unknown");
}

#[test]
fn status_lists_every_source_and_every_list_in_use() {
    let site = Site::new();
    let extra =
        "status = [{ crl = \"crl.pem\" }, { crl-dir = \"lists\" }, { overlay = \"overlay\" }]";
    std::fs::create_dir(site.file("lists")).unwrap();
    site.write_crl(&with_a_defect(&site));
    site.write(
        "lists/same.crl",
        std::fs::read(site.file("crl.pem")).unwrap(),
    );
    let configuration = CONFIGURATION.replace("status = [{ crl = \"crl.pem\" }]", extra);
    site.write("ocspry.toml", configuration);
    let serve = site.ocspry().args(["serve", "-c", "ocspry.toml"]);
    let watched = Watched::of(serve);
    let issuer = watched.issuer();
    let kinds: Vec<&Value> = issuer["sources"]
        .as_array()
        .unwrap()
        .iter()
        .map(|source| &source["kind"])
        .collect();
    assert_eq!(kinds, ["crl", "crl-dir", "overlay"]);
    let overlay = &issuer["sources"][2];
    let error = &overlay["last_error"];
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("overlay"), "{overlay}");
    assert!(
        error["since"].as_str().unwrap() <= now().to_string().as_str(),
        "{error}"
    );
    assert_eq!(issuer["sources"][0]["last_error"], Value::Null);
    // The same list twice is one list.
    let lists = issuer["lists"].as_array().unwrap();
    assert_eq!(lists.len(), 1, "{issuer}");
    let list = &lists[0];
    assert!(
        list["place"].as_str().unwrap().ends_with("crl.pem"),
        "{list}"
    );
    for (key, value) in [
        ("number", Value::from("10")),
        ("entries", Value::from(1)),
        ("delta", Value::from(false)),
        ("last_good_copy", Value::from(false)),
        ("scope", Value::from("all certificates")),
    ] {
        assert_eq!(list[key], value, "{key} of {list}");
    }
    assert_eq!(list["defects"]["reasonCode unspecified"], 1);
    assert_eq!(issuer["holding"], false);
    let unproven = issuer["unproven"].as_str().unwrap();
    assert!(unproven.contains("overlay"), "{unproven}");
    let metrics = watched.metrics();
    for (sample, value) in [
        (r#"ocspry_absence_unproven{issuer="site"}"#, 1),
        (r#"ocspry_crl_held{issuer="site"}"#, 0),
        (r#"ocspry_source_failing{issuer="site"}"#, 1),
        (
            r#"ocspry_crl_defects{issuer="site",defect="reasonCode unspecified"}"#,
            1,
        ),
    ] {
        assert_eq!(metrics.value(sample), value, "{sample}");
    }

    site.write("overlay", "");
    site.write_crl(&CrlSpec::new(11));
    wait_until(
        "the overlay and the new list are there",
        NOTICE_WAIT_MAX,
        || {
            let issuer = watched.issuer();
            issuer["unproven"].is_null() && issuer["lists"][0]["number"] == "11"
        },
    );
    let metrics = watched.metrics();
    let vanished = r#"ocspry_crl_vanished_entries_total{issuer="site"}"#;
    assert_eq!(metrics.value(vanished), 1);
    assert_eq!(
        metrics.value(r#"ocspry_absence_unproven{issuer="site"}"#),
        0
    );
}

#[test]
fn status_and_metrics_show_when_each_url_was_last_fetched_and_what_is_wrong_since() {
    let site = Site::new();
    let server = ListServer::start();
    let url = server.url();
    let delta = url.replace("ca.crl", "delta.crl");
    let list = site.first_crl().with_deltas_at(&[&delta]);
    // The server has the same for every path, so that there is no delta.
    server.publish(site.ca.crl(&list));
    let began = now().unix_seconds();
    let watched = Watched::of(with_url(&site, &server));
    let source = || watched.issuer()["sources"][1].clone();
    wait_until("the delta was asked for", NOTICE_WAIT_MAX, || {
        !source()["deltas"][0]["last_error"].is_null()
    });
    let shown = source();
    assert_eq!(shown["last_error"], Value::Null, "{shown}");
    assert_eq!(shown["errors"], 0, "{shown}");
    assert_eq!(shown["deltas"][0]["url"], delta);
    let message = shown["deltas"][0]["last_error"]["message"].as_str();
    assert!(message.unwrap().contains("is a complete CRL"), "{shown}");
    let file = &watched.issuer()["sources"][0];
    assert_eq!(
        (&file["last_fetch"], &file["deltas"]),
        (&Value::Null, &json!([]))
    );
    let sample = format!(
        "ocspry_crl_fetch_last_success_timestamp_seconds{{issuer=\"site\",source=\"{url}\"}}"
    );
    let metrics = watched.metrics();
    let fetched = metrics.value(&sample);
    assert!(
        (began..=now().unix_seconds()).contains(&fetched),
        "{fetched}"
    );
    assert_eq!(metrics.value(r#"ocspry_source_failing{issuer="site"}"#), 1);

    drop(server);
    let before = shown["last_fetch"].clone();
    assert_eq!(site.ocspry().arg("reload").run().code, Some(0));
    wait_until("the URL fails", NOTICE_WAIT_MAX, || {
        !source()["last_error"].is_null()
    });
    let shown = source();
    assert_eq!(shown["last_fetch"], before);
    let message = shown["last_error"]["message"].as_str().unwrap();
    assert!(message.contains("cannot connect"), "{message}");
    assert_eq!(watched.metrics().value(&sample), fetched);
}

#[test]
fn status_and_metrics_show_a_refused_list_since_when_and_its_recovery() {
    let site = Site::new();
    let watched = Watched::start(&site);
    let failing =
        |metrics: &Metrics| metrics.value(r#"ocspry_source_failing{issuer="intermediate_ca"}"#);
    assert_eq!(failing(&watched.metrics()), 0);
    site.replace("crl.pem", "not a list");
    wait_until("the refused list shows", NOTICE_WAIT_MAX, || {
        !watched.issuer()["source"]["last_error"].is_null()
    });
    let issuer = watched.issuer();
    let error = &issuer["source"]["last_error"];
    assert!(
        error["message"].as_str().unwrap().contains("crl.pem"),
        "{error}"
    );
    let since = error["since"].as_str().unwrap().to_owned();
    assert!(
        since.ends_with('Z') && since <= now().to_string(),
        "{since}"
    );
    // The list in use stays, and answers.
    assert_eq!(issuer["can_answer"], true);
    assert_eq!(issuer["source"]["list"]["number"], "10");
    assert_eq!(failing(&watched.metrics()), 1);
    assert_eq!(site.status(&watched.process, GOOD), CertStatus::Good);

    site.write_crl(&CrlSpec::new(12).revoke(LATER, None));
    wait_until("the new list shows", NOTICE_WAIT_MAX, || {
        let issuer = watched.issuer();
        issuer["source"]["last_error"].is_null() && issuer["source"]["list"]["number"] == "12"
    });
    assert_eq!(failing(&watched.metrics()), 0);
}

#[test]
fn status_shows_a_key_that_does_not_fit_while_the_old_one_signs() {
    let site = Site::new();
    let watched = Watched::start(&site);
    site.replace("ocsp.key", "not a key");
    wait_until("the refused key shows", NOTICE_WAIT_MAX, || {
        let issuer = watched.issuer();
        let error = issuer["signer"]["last_error"]["message"].clone();
        error.as_str().is_some_and(|text| text.contains("ocsp.key"))
    });
    assert_eq!(watched.issuer()["can_answer"], true);
    let failing = r#"ocspry_signer_failing{issuer="intermediate_ca"}"#;
    assert_eq!(watched.metrics().value(failing), 1);
}

#[test]
fn readyz_is_503_while_the_only_list_is_over_and_200_again_with_a_new_one() {
    let site = Site::new();
    let watched = Watched::start(&site);
    assert_eq!(watched.get("/readyz").status, 200);
    let short = CrlSpec::new(11).made_at(now()).until(now().plus_seconds(3));
    site.write_crl(&short);
    wait_until("the list is over", NOTICE_WAIT_MAX, || {
        watched.get("/readyz").status == 503
    });
    // What a client hears, what the probe hears, and what the operator reads are one.
    let reply = site.ask(&mut watched.process.connect(), &site.request(GOOD));
    assert_eq!(reply, Reply::Error(ErrorStatus::TryLater));
    let why = watched.text("/readyz");
    assert!(why.contains("intermediate_ca: the list ends on"), "{why}");
    let issuer = watched.issuer();
    assert_eq!(issuer["can_answer"], false);
    let because = issuer["cannot_answer_because"].as_str().unwrap();
    assert!(why.contains(because), "{because} in {why}");
    let can_answer = r#"ocspry_issuer_can_answer{issuer="intermediate_ca"}"#;
    assert_eq!(watched.metrics().value(can_answer), 0);
    // It lives all the same.
    assert_eq!(watched.get("/healthz").status, 200);

    site.write_crl(&CrlSpec::new(12).made_at(now()));
    wait_until("it is ready again", NOTICE_WAIT_MAX, || {
        watched.get("/readyz").status == 200
    });
    assert_eq!(watched.metrics().value(can_answer), 1);
}

#[test]
fn readyz_is_503_while_requests_in_flight_are_finished() {
    let site = Site::new();
    let watched = Watched::start(&site);
    let mut client = watched.process.connect();
    let request = site.request(GOOD);
    let length = request.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    );
    client.send(head.as_bytes()).unwrap();
    // The interim answer shows that the request has begun.
    assert_eq!(client.receive(false).unwrap().status, 100);
    watched.process.signal(TerminationSignal::Terminate);
    watched.process.wait_for_log("stopping", NOTICE_WAIT_MAX);
    let page = watched.get("/readyz");
    assert_eq!(
        (page.status, page.body),
        (503, b"not ready: stopping\n".to_vec())
    );
    assert_eq!(watched.get("/healthz").status, 200);
    client.send(&request).unwrap();
    assert_eq!(client.receive(true).unwrap().status, 200);
    assert_eq!(
        watched.process.finish(Duration::from_secs(10)).code,
        Some(0)
    );
}

#[test]
fn clients_that_hang_on_the_admin_listener_disturb_nobody_and_do_not_hold_up_the_end() {
    let site = Site::new();
    let watched = Watched::start(&site);
    // More than it serves at one time; some silent, some in the middle of a request.
    let hung: Vec<HttpClient> = (0..40)
        .map(|number| {
            let mut client = HttpClient::connect(watched.port).unwrap();
            if number % 2 == 0 {
                // Who is over the cap may be gone already.
                let _ = client.send(b"GET /status HTTP/1.1\r\nHo");
            }
            client
        })
        .collect();
    assert_eq!(site.status(&watched.process, GOOD), CertStatus::Good);
    site.write_crl(&CrlSpec::new(11).revoke(LATER, None));
    site.ask_until(&watched.process, LATER, NOTICE_WAIT_MAX, says_revoked);
    watched.process.signal(TerminationSignal::Terminate);
    // They are cut half a second after all else has ended; their own deadline would be 10 s.
    let finished = watched.process.finish(Duration::from_secs(8));
    assert_eq!(finished.code, Some(0), "{finished:?}");
    drop(hung);
}

#[test]
fn the_admin_pages_are_not_on_the_ocsp_listener_and_ocsp_is_not_on_theirs() {
    let site = Site::new();
    let watched = Watched::start(&site);
    for path in ["/metrics", "/status", "/readyz"] {
        let response = watched.process.connect().get(path).unwrap();
        assert_eq!(response.status, 404, "{path}");
    }
    let mut client = HttpClient::connect(watched.port).unwrap();
    let response = client.post(&site.request(GOOD)).unwrap();
    assert_eq!(response.status, 405);
    assert_eq!(watched.get(&base64_path(&site.request(GOOD))).status, 404);
}

#[test]
fn head_works_other_methods_are_405_and_other_paths_say_what_there_is() {
    let site = Site::new();
    let watched = Watched::start(&site);
    for path in ["/metrics", "/healthz", "/readyz", "/status"] {
        let connect = || HttpClient::connect(watched.port).unwrap();
        let head = connect().request("HEAD", path, "").unwrap();
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert!(
            head.header("content-length")
                .is_some_and(|length| length != "0")
        );
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let response = connect().request(method, path, "").unwrap();
            assert_eq!(response.status, 405, "{method} {path}");
            assert_eq!(response.header("allow"), Some("GET, HEAD"));
        }
        // A question mark and what follows is no other path.
        assert_eq!(watched.get(&format!("{path}?x=1")).status, 200);
    }
    let nothing = watched.get("/metricz");
    let text = String::from_utf8_lossy(&nothing.body).into_owned();
    assert_eq!(nothing.status, 404);
    for path in ["/metrics", "/healthz", "/readyz", "/status"] {
        assert!(text.contains(path), "{text}");
    }
}

#[test]
fn a_free_port_is_named_on_the_start_page_and_in_the_log() {
    let site = Site::new();
    let watched = Watched::start(&site);
    let line = watched.process.wait_for_log(ADMIN_LINE, NOTICE_WAIT_MAX);
    assert_eq!(admin_port(&line), watched.port);
    assert!(
        !watched.process.log().contains("WARN"),
        "{}",
        watched.process.log()
    );
}

#[test]
fn without_the_flag_or_the_key_there_is_no_admin_listener() {
    let site = Site::new();
    site.write("ocspry.toml", CONFIGURATION);
    for process in [
        site.serve().start(),
        site.ocspry().args(["serve", "-c", "ocspry.toml"]).start(),
    ] {
        assert!(!process.stdout().contains("admin"), "{}", process.stdout());
        assert!(!process.log().contains("admin"), "{}", process.log());
    }
}

#[test]
fn a_port_in_use_is_named_with_what_to_do() {
    let site = Site::new();
    let watched = Watched::start(&site);
    let address = format!("127.0.0.1:{}", watched.port);
    let finished = site.serve().args(["--admin", &address]).run();
    assert_eq!(finished.code, Some(1), "{finished:?}");
    let line = format!(
        "error: admin listener (--admin, listen.admin): cannot listen on {address}: address in use; stop the program that listens there, or choose another port"
    );
    assert_eq!(
        finished.stderr.lines().last(),
        Some(line.as_str()),
        "{finished:?}"
    );
}

#[test]
fn an_address_beyond_loopback_is_taken_with_consent_only() {
    let site = Site::new();
    let refused = site.serve().args(["--admin", "0.0.0.0:0"]).run();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for part in ["0.0.0.0:0", "`admin-exposed = true`", "--admin-exposed"] {
        assert!(refused.stderr.contains(part), "no {part:?} in {refused:?}");
    }
    let process = site
        .serve()
        .args(["--admin", "0.0.0.0:0", "--admin-exposed"])
        .start();
    process.wait_for_stdout("admin listener at http://0.0.0.0:", NOTICE_WAIT_MAX);
    assert!(!process.log().contains("WARN"), "{}", process.log());
}

#[test]
fn the_address_in_a_file_is_used_and_a_changed_one_needs_a_restart_and_is_said_to() {
    let site = Site::new();
    let configuration = |address: &str| {
        CONFIGURATION.replace("[listen]\n", &format!("[listen]\nadmin = \"{address}\"\n"))
    };
    site.write("ocspry.toml", configuration("127.0.0.1:0"));
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    let port = admin_port(&process.wait_for_stdout(ADMIN_LINE, NOTICE_WAIT_MAX));
    site.replace("ocspry.toml", configuration("127.0.0.2:0"));
    let line = process.wait_for_log("needs a restart", NOTICE_WAIT_MAX);
    assert!(line.contains("admin listener is 127.0.0.2:0 now"), "{line}");
    let mark = process.log_mark();
    site.replace("ocspry.toml", CONFIGURATION);
    let line = process.wait_for_log_after(mark, "needs a restart", NOTICE_WAIT_MAX);
    assert!(line.contains("admin listener is off now"), "{line}");
    let response = HttpClient::connect(port).unwrap().get("/readyz").unwrap();
    assert_eq!(response.status, 200);
}

#[test]
fn the_lines_of_the_readme_work() {
    let (Some(namespace), Some(_)) = (Namespace::new(), Peer::Curl.find()) else {
        return;
    };
    let readme = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md"));
    let (_, section) = readme.split_once("\n## Watch it\n").unwrap();
    let section = section.split("\n## ").next().unwrap();
    let lines: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("curl "))
        .collect();
    assert!(lines.len() >= 3, "{lines:?}");
    let site = Site::new();
    let admin = ["--admin", "127.0.0.1:9560"];
    assert!(section.contains(&admin.join(" ")));
    let serve = site.serve().args(admin).namespace(&namespace);
    let _process = serve.start();
    for line in lines {
        let run = site.shell(Some(&namespace), line);
        assert_eq!(run.code, Some(0), "{line}: {run:?}");
        let is_there = !run.stdout.is_empty() && !run.stdout.starts_with("Here are ");
        assert!(is_there, "{line}: {run:?}");
    }
}
