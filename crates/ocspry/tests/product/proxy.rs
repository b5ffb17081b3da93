//! nginx in front, configured from examples/nginx.conf as it is: answers pass, and the cacheable ones are kept.

use crate::clients::request_with_plus_slash_and_padding;
use crate::site::{GOOD, REVOKED, SERVE_FLAGS, Site};
use ocspry_testkit::{
    DaemonGuard, Namespace, Peer, Reply, RequestSpec, base64_path, nginx_configuration,
    nonce_extension, percent_encoded, run_bounded, wait_for_some,
};
use ocspry_wire::ocsp::CertStatus;
use std::time::Duration;

/// The file that ships, line for line; only its cache directory is moved into the test's own.
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/nginx.conf");
const EXAMPLE_CACHE_DIRECTORY: &str = "/var/cache/nginx-ocsp";

/// nginx on port 80 of a namespace, in front of ocspry on port 8888.
struct Proxy<'a> {
    site: &'a Site,
    namespace: &'a Namespace,
    asked: usize,
    _nginx: DaemonGuard,
}

impl<'a> Proxy<'a> {
    fn start(site: &'a Site, namespace: &'a Namespace) -> Option<Proxy<'a>> {
        let nginx = Peer::Nginx.find()?;
        Peer::Curl.find()?;
        let directory = site.path().display();
        let example = std::fs::read_to_string(EXAMPLE).unwrap();
        assert!(
            example.contains(EXAMPLE_CACHE_DIRECTORY),
            "the example changed: {example}"
        );
        let cache = site.file("cache");
        site.write(
            "ocsp.conf",
            example.replace(EXAMPLE_CACHE_DIRECTORY, &cache.display().to_string()),
        );
        // The cache's verdict is in the test's own log: the example adds no headers.
        let http = format!(
            "log_format cache '$request_method $status $upstream_cache_status';\n\
             access_log {directory}/access.log cache;\ninclude {directory}/ocsp.conf;"
        );
        let all = nginx_configuration(site.path(), "nginx.pid", &http);
        site.write("nginx.conf", all);
        let mut command = namespace.command(&nginx);
        command
            .arg("-p")
            .arg(site.path())
            .args(["-e", "error.log", "-c"])
            .arg(site.file("nginx.conf"));
        // The parent ends when its workers listen.
        let run = run_bounded(&mut command);
        assert_eq!(run.code, Some(0), "{run:?}");
        let guard = DaemonGuard::new(&site.file("nginx.pid"));
        Some(Proxy {
            site,
            namespace,
            asked: 0,
            _nginx: guard,
        })
    }

    /// Asks through the proxy with curl; returns the answer and what the cache said.
    fn curl(&mut self, arguments: &[&str], target: &str) -> (Vec<u8>, String) {
        let curl = Peer::Curl.find().expect("found before");
        let mut command = self.namespace.command(&curl);
        command.args([
            "--silent",
            "--show-error",
            "--fail",
            "--max-time",
            "20",
            "--path-as-is",
        ]);
        command.args(["--output", "response.der"]).args(arguments);
        command
            .arg(format!("http://127.0.0.1{target}"))
            .current_dir(self.site.path());
        let run = run_bounded(&mut command);
        assert_eq!(run.code, Some(0), "{target}: {run:?}");
        self.asked += 1;
        (
            std::fs::read(self.site.file("response.der")).unwrap(),
            self.last_cache_status(),
        )
    }

    /// The log line of the last request; nginx writes it when the response is out.
    fn last_cache_status(&self) -> String {
        let line = wait_for_some(Duration::from_secs(10), || {
            let log = std::fs::read_to_string(self.site.file("access.log")).unwrap_or_default();
            log.lines().nth(self.asked - 1).map(str::to_owned)
        })
        .unwrap_or_else(|| panic!("no line {} in nginx's log", self.asked));
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    }
}

#[test]
fn get_01_get_02_get_06_cac_11_nginx_as_in_the_example_keeps_what_may_be_kept_and_nothing_else() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let site = Site::new();
    let _ocspry = site
        .ocspry()
        .namespace(&namespace)
        .arg("serve")
        .args(SERVE_FLAGS)
        .start();
    let Some(mut proxy) = Proxy::start(&site, &namespace) else {
        return;
    };
    let status = |body: &[u8]| Reply::check(body, &site.ca).single().status;

    // GET without a nonce: once from ocspry, then from the cache, the same octets.
    let target = base64_path(&site.request(GOOD));
    let (first, cache) = proxy.curl(&[], &target);
    assert_eq!(status(&first), CertStatus::Good);
    assert_eq!(cache, "MISS");
    let (second, cache) = proxy.curl(&[], &target);
    assert_eq!(cache, "HIT");
    assert_eq!(first, second);

    // Raw and percent-encoded `+`, `/` and `=`.
    let raw = base64_path(&request_with_plus_slash_and_padding(&site));
    for path in [raw.clone(), percent_encoded(&raw)] {
        for expected in ["MISS", "HIT"] {
            let (body, cache) = proxy.curl(&[], &path);
            assert!(matches!(status(&body), CertStatus::Revoked(_)), "{path}");
            assert_eq!(cache, expected, "{path}");
        }
    }

    // `//` inside the base64 comes through.
    let doubled = (0..u16::MAX)
        .map(|variant| [&[0x7f, 0xff, 0xff][..], &variant.to_be_bytes(), &[0x01]].concat())
        .find(|serial| base64_path(&site.request(serial))[1..].contains("//"))
        .expect("one of 65,535");
    let (body, _) = proxy.curl(&[], &base64_path(&site.request(&doubled)));
    assert_eq!(status(&body), CertStatus::Good);

    // With a nonce: never kept.
    let nonce = RequestSpec::one(site.cert_id(REVOKED)).with_extension(nonce_extension(&[3; 32]));
    let target = base64_path(&nonce.der());
    let (first, cache) = proxy.curl(&[], &target);
    assert_eq!(cache, "MISS");
    let (second, cache) = proxy.curl(&[], &target);
    assert_eq!(cache, "MISS");
    for body in [first, second] {
        assert_eq!(
            Reply::check(&body, &site.ca).signed().nonce,
            Some(vec![3; 32])
        );
    }

    // An error is never kept.
    let stranger = ocspry_testkit::Authority::root("Stranger", ocspry_testkit::KeyKind::P256);
    let asked = ocspry_testkit::cert_id(ocspry_wire::ocsp::HashAlgorithm::Sha1, &stranger, GOOD);
    let target = base64_path(&RequestSpec::one(asked).der());
    for _ in 0..2 {
        let (body, cache) = proxy.curl(&[], &target);
        assert_eq!(body, ocspry_wire::ocsp::ErrorStatus::Unauthorized.der());
        assert_eq!(cache, "MISS");
    }

    // POST passes by the cache.
    site.write("request.der", site.request(REVOKED));
    let post = [
        "--data-binary",
        "@request.der",
        "-H",
        "Content-Type: application/ocsp-request",
    ];
    for _ in 0..2 {
        let (body, cache) = proxy.curl(&post, "/ocsp");
        assert!(matches!(status(&body), CertStatus::Revoked(_)));
        assert_eq!(cache, "-");
    }
}

#[test]
fn openssl_verifies_through_nginx() {
    let Some(namespace) = Namespace::new() else {
        return;
    };
    let site = Site::new();
    let _ocspry = site
        .ocspry()
        .namespace(&namespace)
        .arg("serve")
        .args(SERVE_FLAGS)
        .start();
    let Some(_proxy) = Proxy::start(&site, &namespace) else {
        return;
    };
    let line = "openssl ocsp -issuer intermediate_ca.pem -cert revoked.pem -url http://127.0.0.1/ \
                -nonce -CAfile root_ca.pem";
    let run = site.shell(Some(&namespace), line);
    crate::site::assert_openssl_says(&run, "revoked.pem: revoked");
}
