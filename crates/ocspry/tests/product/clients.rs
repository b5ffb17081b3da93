//! Clients that are not openssl: GnuTLS and curl, POST and every spelling of GET.

use crate::site::{GOOD, REVOKED, Site};
use ocspry_testkit::{
    KeyKind, Peer, Reply, RequestSpec, base64_path, cert_id, nonce_extension, percent_encoded,
    run_bounded,
};
use ocspry_wire::ocsp::{CertStatus, HashAlgorithm};

#[test]
fn gnutls_verifies_good_and_revoked() {
    let site = Site::new();
    let process = site.serve().start();
    for (certificate, verdict) in [
        ("server.pem", "Certificate Status: good"),
        ("revoked.pem", "Certificate Status: revoked"),
    ] {
        for nonce in ["--nonce", "--no-nonce"] {
            let Some(mut ocsptool) = Peer::Ocsptool.command() else {
                return;
            };
            ocsptool.arg(format!("--ask={}", process.url())).arg(nonce);
            ocsptool.args([
                "--load-issuer",
                "intermediate_ca.pem",
                "--load-cert",
                certificate,
            ]);
            ocsptool
                .args(["--load-trust", "intermediate_ca.pem"])
                .current_dir(site.path());
            let run = run_bounded(&mut ocsptool);
            assert!(
                run.stdout.contains("Verifying OCSP Response: Success"),
                "{run:?}"
            );
            assert!(run.stdout.contains(verdict), "{run:?}");
        }
    }
}

#[test]
fn htp_01_htp_05_htp_11_curl_posts_a_request() {
    let site = Site::new();
    let process = site.serve().start();
    site.write("request.der", site.request(REVOKED));
    for version in ["--http1.0", "--http1.1"] {
        for expect in ["Expect:", "Expect: 100-continue"] {
            let Some(mut curl) = curl(&site) else { return };
            curl.arg(version)
                .args(["--data-binary", "@request.der", "-H", expect]);
            curl.args(["-H", "Content-Type: application/ocsp-request"])
                .arg(process.url());
            let run = run_bounded(&mut curl);
            assert_eq!(run.code, Some(0), "{run:?}");
            assert!(matches!(
                saved_reply(&site).single().status,
                CertStatus::Revoked(_)
            ));
        }
    }
}

#[test]
fn get_01_get_02_get_03_get_05_curl_gets_the_same_answer_for_every_spelling_of_the_path() {
    let site = Site::new();
    let process = site.serve().start();
    let request = request_with_plus_slash_and_padding(&site);
    let raw = base64_path(&request);
    let lower = percent_encoded(&raw)
        .replace("%2B", "%2b")
        .replace("%2F", "%2f")
        .replace("%3D", "%3d");
    let spellings = [
        raw.clone(),
        percent_encoded(&raw),
        lower,
        format!("/ocsp{raw}"),
        format!("/ocsp/{raw}"),
        format!("/a/b/c{}", percent_encoded(&raw)),
    ];
    for path in spellings {
        let Some(mut curl) = curl(&site) else { return };
        let run = run_bounded(curl.arg(format!("{}{path}", process.url().trim_end_matches('/'))));
        assert_eq!(run.code, Some(0), "{run:?}");
        let reply = saved_reply(&site).single();
        assert!(
            matches!(reply.status, CertStatus::Revoked(_)),
            "{path}: {reply:?}"
        );
    }
}

#[test]
fn cac_01_cac_02_cac_05_a_get_answer_may_be_kept_by_caches_until_its_next_update() {
    let site = Site::new();
    let process = site.serve().start();
    let response = process
        .connect()
        .get(&base64_path(&site.request(GOOD)))
        .unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("content-type"),
        Some("application/ocsp-response")
    );
    let single = Reply::check(&response.body, &site.ca).single();
    let cache_control = response.header("cache-control").expect("Cache-Control");
    for word in ["public", "no-transform", "must-revalidate"] {
        assert!(cache_control.contains(word), "{cache_control}");
    }
    let max_age: i64 = cache_control
        .split("max-age=")
        .nth(1)
        .and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
        .and_then(|digits| digits.parse().ok())
        .expect("max-age");
    assert!(max_age > 0);
    assert!(ocspry_testkit::now().plus_seconds(max_age) <= single.next_update);
    let entity_tag = response.header("etag").expect("ETag").to_owned();
    assert!(entity_tag.starts_with('"'), "a strong tag: {entity_tag}");
    assert!(response.header("expires").is_some());
    assert!(response.header("last-modified").is_some());
}

#[test]
fn cac_06_a_cache_that_has_the_answer_is_told_so_with_304() {
    // Ed25519 signs the same answer the same way, so that an answer of the same second is the same answer.
    let site = Site::with_keys(KeyKind::P256, KeyKind::Ed25519);
    let process = site.serve().start();
    let mut client = process.connect();
    let target = base64_path(&site.request(GOOD));
    let known = (0..50).find_map(|_| {
        let tag = client
            .get(&target)
            .unwrap()
            .header("etag")
            .unwrap()
            .to_owned();
        let conditional = format!("If-None-Match: \"another\", {tag}\r\n");
        let response = client.request("GET", &target, &conditional).unwrap();
        (response.status == 304).then_some((tag, response))
    });
    let (tag, known) = known.expect("two requests within one second");
    assert_eq!(known.header("etag"), Some(tag.as_str()));
    assert!(known.header("cache-control").unwrap().contains("max-age"));
    // The connection is in step, and another tag gets the whole answer.
    let fresh = client
        .request("GET", &target, "If-None-Match: \"another\"\r\n")
        .unwrap();
    assert_eq!(fresh.status, 200);
    assert_eq!(
        Reply::check(&fresh.body, &site.ca).single().status,
        CertStatus::Good
    );
}

#[test]
fn htp_06_htp_09_htp_15_old_and_proxied_spellings_of_a_request_line_are_answered() {
    let site = Site::new();
    let process = site.serve().start();
    let target = base64_path(&site.request(REVOKED));
    let heads = [
        format!("GET {target} HTTP/1.0\r\n\r\n"),
        format!(
            "GET http://ocsp.test{target} HTTP/1.1\r\nHost: ocsp.test\r\nConnection: close\r\n\r\n"
        ),
        format!("GET {target} HTTP/1.1\r\nHost: ocsp.test\r\nConnection: close\r\n\r\n"),
    ];
    for head in heads {
        let mut client = process.connect();
        client.send(head.as_bytes()).unwrap();
        let response = client.receive(true).unwrap();
        let single = Reply::check(&response.body, &site.ca).single();
        assert!(matches!(single.status, CertStatus::Revoked(_)), "{head}");
        assert!(client.is_closed().unwrap(), "{head}");
    }
}

#[test]
fn an_answer_with_a_nonce_is_not_kept_by_caches() {
    let site = Site::new();
    let process = site.serve().start();
    let request = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(&[7; 16]));
    let response = process.connect().get(&base64_path(&request.der())).unwrap();
    assert_eq!(
        Reply::check(&response.body, &site.ca).signed().nonce,
        Some(vec![7; 16])
    );
    assert!(
        response
            .header("cache-control")
            .unwrap()
            .contains("no-store")
    );
}

#[test]
fn htp_03_head_sends_the_headers_of_get_and_keeps_the_connection_in_step() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let target = base64_path(&site.request(GOOD));
    let head = client.request("HEAD", &target, "").unwrap();
    let get = client.get(&target).unwrap();
    assert_eq!((head.status, get.status), (200, 200));
    assert_eq!(
        head.header("content-type"),
        Some("application/ocsp-response")
    );
    assert!(matches!(
        Reply::check(&get.body, &site.ca).single().status,
        CertStatus::Good
    ));
}

#[test]
fn htp_07_htp_08_many_requests_share_one_connection_and_pipelined_ones_come_back_in_order() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    for round in 0..40_u8 {
        let serial = if round % 2 == 0 { GOOD } else { REVOKED };
        let single = site.ask(&mut client, &site.request(serial)).single();
        assert_eq!(
            matches!(single.status, CertStatus::Revoked(_)),
            round % 2 == 1
        );
    }
    let mut burst = String::new();
    for serial in [GOOD, REVOKED, GOOD, REVOKED] {
        let target = base64_path(&site.request(serial));
        burst.push_str(&format!("GET {target} HTTP/1.1\r\nHost: ocsp.test\r\n\r\n"));
    }
    client.send(burst.as_bytes()).unwrap();
    for revoked in [false, true, false, true] {
        let response = client.receive(true).unwrap();
        let single = Reply::check(&response.body, &site.ca).single();
        assert_eq!(matches!(single.status, CertStatus::Revoked(_)), revoked);
    }
}

/// A request for [`REVOKED`] whose base64 has a `+`, a `/` and a `=`; an extension nobody knows is varied until it has.
pub(crate) fn request_with_plus_slash_and_padding(site: &Site) -> Vec<u8> {
    (0..=u16::MAX)
        .map(|variant| {
            let extension = ocspry_testkit::extension(
                &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x02],
                false,
                &variant.to_be_bytes().repeat(3),
            );
            RequestSpec::one(cert_id(HashAlgorithm::Sha1, &site.ca, REVOKED))
                .with_extension(extension)
                .der()
        })
        .find(|request| {
            let path = base64_path(request);
            path.contains('+') && path[1..].contains('/') && path.ends_with('=')
        })
        .expect("one of 65,536 has all three")
}

fn curl(site: &Site) -> Option<std::process::Command> {
    let mut curl = Peer::Curl.command()?;
    curl.args([
        "--silent",
        "--show-error",
        "--fail",
        "--max-time",
        "20",
        "--path-as-is",
    ]);
    curl.args(["--output", "response.der"])
        .current_dir(site.path());
    Some(curl)
}

fn saved_reply(site: &Site) -> Reply {
    Reply::check(&std::fs::read(site.file("response.der")).unwrap(), &site.ca)
}
