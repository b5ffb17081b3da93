//! HAProxy and Varnish in front, configured from examples/ as they are, and nginx in the ways that change a path: an answer comes
//! through octet for octet, what may be kept is kept, and no path that was tidied up leads to another certificate's answer.

use crate::site::{GOOD, REVOKED, SERVE_FLAGS, Site};
use ocspry_testkit::{
    DaemonGuard, Namespace, OcspryProcess, Peer, Reply, RequestSpec, base64_path,
    nginx_configuration, nonce_extension, percent_encoded, run_bounded,
};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus};
use std::path::Path;

/// ocspry on port 8888 of a namespace, and something on port 80 in front of it.
struct Front<'a> {
    site: &'a Site,
    namespace: &'a Namespace,
    _proxy: DaemonGuard,
}

/// What curl got.
struct Fetched {
    head: String,
    body: Vec<u8>,
}

impl Fetched {
    /// The value of a header, by its lower-case name.
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl<'a> Front<'a> {
    fn haproxy(site: &'a Site, namespace: &'a Namespace) -> Option<Front<'a>> {
        let haproxy = Peer::Haproxy.find()?;
        let mut command = namespace.command(&haproxy);
        command.args([
            "-D",
            "-f",
            example("haproxy.cfg").as_str(),
            "-p",
            "proxy.pid",
        ]);
        Some(Front::begin(site, namespace, command))
    }

    fn varnish(site: &'a Site, namespace: &'a Namespace) -> Option<Front<'a>> {
        let varnish = Peer::Varnish.find()?;
        let mut command = namespace.command(&varnish);
        command
            .args([
                "-j",
                "none",
                "-a",
                ":80",
                "-s",
                "malloc,16m",
                "-p",
                "vsl_space=1M",
            ])
            .args(["-f", example("varnish.vcl").as_str(), "-P", "proxy.pid"])
            .arg("-n")
            .arg(site.file("varnish"));
        Some(Front::begin(site, namespace, command))
    }

    /// nginx that hands requests on by these lines.
    fn nginx(site: &'a Site, namespace: &'a Namespace, lines: &str) -> Option<Front<'a>> {
        let nginx = Peer::Nginx.find()?;
        let http = format!("access_log off;\nserver {{\nlisten 80;\n{lines}\n}}");
        let all = nginx_configuration(site.path(), "proxy.pid", &http);
        site.write("nginx.conf", all);
        let mut command = namespace.command(&nginx);
        command
            .arg("-p")
            .arg(site.path())
            .args(["-e", "error.log", "-c"])
            .arg(site.file("nginx.conf"));
        Some(Front::begin(site, namespace, command))
    }

    /// Runs a command whose parent ends when the daemon listens.
    fn begin(
        site: &'a Site,
        namespace: &'a Namespace,
        mut command: std::process::Command,
    ) -> Front<'a> {
        let run = run_bounded(command.current_dir(site.path()));
        let guard = DaemonGuard::new(&site.file("proxy.pid"));
        assert_eq!(run.code, Some(0), "{run:?}");
        Front {
            site,
            namespace,
            _proxy: guard,
        }
    }

    /// Asks through the proxy.
    fn get(&self, target: &str) -> Fetched {
        self.curl(&[], &format!("http://127.0.0.1{target}"))
    }

    /// Asks ocspry itself.
    fn get_directly(&self, target: &str) -> Fetched {
        self.curl(&[], &format!("http://127.0.0.1:8888{target}"))
    }

    fn curl(&self, arguments: &[&str], url: &str) -> Fetched {
        let curl = Peer::Curl.find().expect("looked for before");
        let mut command = self.namespace.command(&curl);
        command
            .args(["--silent", "--show-error", "--fail", "--max-time", "20"])
            .args(["--path-as-is", "--dump-header", "head.txt"])
            .args(["--output", "response.der"])
            .args(arguments)
            .arg(url)
            .current_dir(self.site.path());
        let run = run_bounded(&mut command);
        assert_eq!(run.code, Some(0), "{url}: {run:?}");
        Fetched {
            head: std::fs::read_to_string(self.site.file("head.txt")).unwrap(),
            body: std::fs::read(self.site.file("response.der")).unwrap(),
        }
    }
}

/// A file that ships.
fn example(name: &str) -> String {
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    Path::new(examples).join(name).display().to_string()
}

/// A network and ocspry in it; None where a peer is missing.
fn ocspry(site: &Site) -> Option<(Namespace, OcspryProcess)> {
    Peer::Curl.find()?;
    let namespace = Namespace::new()?;
    let process = site
        .ocspry()
        .namespace(&namespace)
        .arg("serve")
        .args(SERVE_FLAGS)
        .start();
    Some((namespace, process))
}

/// A path, nothing escaped, whose base64 has `//`, `+` and `=`, and the serial number in it.
fn doubled_path(site: &Site) -> (String, Vec<u8>) {
    (0..=u16::MAX)
        .map(|number| {
            let serial = [&[0x7f, 0xff, 0xff][..], &number.to_be_bytes(), &[0xfb]].concat();
            (base64_path(&site.request(&serial)), serial)
        })
        .find(|(path, _)| path[1..].contains("//") && path.contains('+') && path.ends_with('='))
        .expect("one of 65,536")
}

/// What every cache in front must do: pass all as it is, keep what may be kept.
fn check_cache(front: &Front<'_>, is_kept: impl Fn(&Fetched) -> bool) {
    let site = front.site;
    let (doubled, serial) = doubled_path(site);
    let plain = base64_path(&site.request(REVOKED));
    for path in [
        plain.clone(),
        percent_encoded(&plain),
        doubled.clone(),
        percent_encoded(&doubled),
        percent_encoded(&doubled)
            .replace("%2B", "%2b")
            .replace("%2F", "%2f")
            .replace("%3D", "%3d"),
        format!("/ocsp/{doubled}"),
    ] {
        let directly = front.get_directly(&path);
        let single = Reply::check(&directly.body, &site.ca).single();
        assert!(single.cert_id.ends_with(&serial) || single.cert_id.ends_with(REVOKED));
        let first = front.get(&path);
        assert!(!is_kept(&first), "{path}: {}", first.head);
        let second = front.get(&path);
        assert!(is_kept(&second), "{path}: {}", second.head);
        for fetched in [&first, &second] {
            assert_eq!(fetched.body, directly.body, "{path}");
            for name in ["content-type", "etag", "last-modified", "expires"] {
                assert_eq!(
                    fetched.header(name),
                    directly.header(name),
                    "{path}: {name}"
                );
            }
            let cache_control = fetched.header("cache-control").unwrap();
            assert!(
                cache_control.ends_with(", public, no-transform, must-revalidate"),
                "{cache_control}"
            );
        }
    }

    // One client's nonce is not another's answer, and no error is remembered.
    let nonce = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(&[5; 32]));
    let stranger = ocspry_testkit::Authority::root("Stranger", ocspry_testkit::KeyKind::P256);
    let hash = ocspry_wire::ocsp::HashAlgorithm::Sha1;
    let foreign = RequestSpec::one(ocspry_testkit::cert_id(hash, &stranger, GOOD));
    for _ in 0..2 {
        let fetched = front.get(&base64_path(&nonce.der()));
        assert!(!is_kept(&fetched), "{}", fetched.head);
        let signed = Reply::check(&fetched.body, &site.ca).signed();
        assert_eq!(signed.nonce, Some(vec![5; 32]));

        let fetched = front.get(&base64_path(&foreign.der()));
        assert!(!is_kept(&fetched), "{}", fetched.head);
        assert_eq!(fetched.body, ErrorStatus::Unauthorized.der());
    }

    // POST passes by, and gets the octets of GET.
    site.write("request.der", site.request(REVOKED));
    let kind = "Content-Type: application/ocsp-request";
    let post = ["--data-binary", "@request.der", "-H", kind];
    let posted = front.curl(&post, "http://127.0.0.1/ocsp");
    assert!(!is_kept(&posted), "{}", posted.head);
    assert_eq!(posted.body, front.get_directly(&plain).body);
}

#[test]
fn get_01_get_02_get_03_get_06_get_11_haproxy_as_in_the_example_passes_all_and_keeps_what_may_be_kept()
 {
    let site = Site::new();
    let Some((namespace, _ocspry)) = ocspry(&site) else {
        return;
    };
    let Some(front) = Front::haproxy(&site, &namespace) else {
        return;
    };
    // HAProxy says how old an answer is when it has it from its cache.
    check_cache(&front, |fetched| fetched.header("age").is_some());
}

#[test]
fn get_01_get_02_get_03_get_06_get_11_varnish_as_in_the_example_passes_all_and_keeps_what_may_be_kept()
 {
    let site = Site::new();
    let Some((namespace, _ocspry)) = ocspry(&site) else {
        return;
    };
    let Some(front) = Front::varnish(&site, &namespace) else {
        return;
    };
    // Varnish names two transactions for what it has from its cache: this one, and the one that fetched it.
    check_cache(&front, |fetched| {
        let transactions = fetched.header("x-varnish").unwrap();
        transactions.split(' ').count() == 2
    });
}

/// Asks for a certificate in each spelling; what is not its answer must be a refusal.
fn check_never_another(front: &Front<'_>) -> Vec<bool> {
    let site = front.site;
    let (doubled, serial) = doubled_path(site);
    [
        doubled.clone(),
        percent_encoded(&doubled),
        format!("/{doubled}"),
        format!("/ocsp/{doubled}"),
    ]
    .iter()
    .map(|path| {
        let fetched = front.get(path);
        if fetched.body == ErrorStatus::MalformedRequest.der() {
            return false;
        }
        let single = Reply::check(&fetched.body, &site.ca).single();
        assert_eq!(single.status, CertStatus::Good, "{path}");
        assert_eq!(single.cert_id, site.cert_id(&serial), "{path}");
        true
    })
    .collect()
}

#[test]
fn get_05_get_06_nginx_without_a_path_in_proxy_pass_keeps_every_slash() {
    for merge in ["on", "off"] {
        let site = Site::new();
        let Some((namespace, _ocspry)) = ocspry(&site) else {
            return;
        };
        let lines =
            format!("merge_slashes {merge};\nlocation / {{ proxy_pass http://127.0.0.1:8888; }}");
        let Some(front) = Front::nginx(&site, &namespace, &lines) else {
            return;
        };
        assert_eq!(check_never_another(&front), [true; 4], "{merge}");
    }
}

#[test]
fn get_07_nginx_that_merges_slashes_or_decodes_paths_never_leads_to_another_certificates_answer() {
    for (merge, answered) in [("on", [false; 4]), ("off", [true; 4])] {
        let site = Site::new();
        let Some((namespace, _ocspry)) = ocspry(&site) else {
            return;
        };
        // With a path in it, nginx sends on what it has decoded and tidied up.
        let lines =
            format!("merge_slashes {merge};\nlocation / {{ proxy_pass http://127.0.0.1:8888/; }}");
        let Some(front) = Front::nginx(&site, &namespace, &lines) else {
            return;
        };
        assert_eq!(check_never_another(&front), answered, "{merge}");
    }
}
