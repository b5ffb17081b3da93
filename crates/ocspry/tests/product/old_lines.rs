//! The lines of django-ca, with `ocspry` in place of `manage.py`: a whole story, with openssl as the one who asks for
//! certificates, who asks for their status, and as the rival that answers from our index.

use std::path::PathBuf;
use std::time::Duration;

use crate::ledger_site::LedgerSite;
use ocspry_testkit::{ForegroundPeer, Namespace, Peer, wait_for_some};

/// Longest wait for openssl to listen.
const LISTEN_WAIT_MAX: Duration = Duration::from_secs(15);

/// The first CA of `list_cas`, by the serial that stands there.
fn first_serial(site: &LedgerSite) -> String {
    let listed = site.done("list_cas").stdout;
    let line = listed.lines().next().unwrap();
    let (serial, name) = line.split_once(" - ").unwrap();
    assert_eq!(name, "root", "{listed}");
    let is_octet = |pair: &str| {
        pair.len() == 2
            && pair
                .chars()
                .all(|digit| matches!(digit, '0'..='9' | 'A'..='F'))
    };
    assert!(serial.split(':').all(is_octet), "{listed}");
    serial.to_owned()
}

/// A CA named root and a directory for its certificate; None = no openssl.
fn site_with_root() -> Option<LedgerSite> {
    Peer::Openssl.find()?;
    let site = LedgerSite::empty();
    site.done("init_ca --key-size=2048 --pathlen=1 root /C=AT/O=Example/CN=root");
    std::fs::create_dir(site.file("files")).unwrap();
    Some(site)
}

/// A key and a request for it, by openssl: NAME.key and NAME.csr.
fn request(site: &LedgerSite, file: &str, name: &str) {
    site.openssl_done(&format!(
        "req -new -newkey rsa:2048 -nodes -keyout {name}.key -out {file}.csr -subj /O=Somebody/CN=ignored"
    ))
    .unwrap();
}

/// The serial of a certificate, as django-ca writes it.
fn serial_of(site: &LedgerSite, file: &str) -> String {
    let said = site
        .openssl_done(&format!("x509 -in {file} -noout -serial"))
        .unwrap();
    let digits: Vec<char> = said.trim().trim_start_matches("serial=").chars().collect();
    let pairs: Vec<String> = digits.chunks(2).map(|pair| pair.iter().collect()).collect();
    pairs.join(":")
}

#[test]
fn the_story_of_a_responder_certificate_and_an_index_runs_as_it_is_written() {
    let (Some(namespace), Some(site)) = (Namespace::new(), site_with_root()) else {
        return;
    };
    request(&site, "ocsp", "ocsp.example.com");
    site.done("sign_cert --csr=ocsp.csr --out=ocsp.pem --subject /CN=ocsp.example.com --ocsp");
    let serial = first_serial(&site);
    site.done(&format!(
        "edit_ca --ocsp-url=http://ocsp.example.com/ {serial}"
    ));
    site.done(&format!("dump_ca {serial} files/ca.crt"));

    for name in ["web", "gone"] {
        request(&site, name, name);
        site.done(&format!(
            "sign_cert --csr={name}.csr --out={name}.pem --subject /CN={name}.example.com"
        ));
    }
    let gone = serial_of(&site, "gone.pem");
    site.done(&format!("revoke_cert {gone} keyCompromise"));
    site.done("dump_ocsp_index ocsp.index");

    let line = "ocsp -index ocsp.index -port 8888 -rsigner ocsp.pem -rkey ocsp.example.com.key -CA files/ca.crt -text";
    let openssl: PathBuf = Peer::Openssl.find().unwrap();
    let mut command = namespace.command(&openssl);
    let mut rival = ForegroundPeer::start(
        command
            .args(line.split_whitespace())
            .current_dir(site.file(".")),
    );
    for (file, status) in [
        ("web.pem", "web.pem: good"),
        ("gone.pem", "gone.pem: revoked"),
    ] {
        let line = format!(
            "ocsp -issuer files/ca.crt -cert {file} -url http://127.0.0.1:8888 -CAfile files/ca.crt"
        );
        let said = wait_for_some(LISTEN_WAIT_MAX, || {
            let mut command = namespace.command(&openssl);
            let run = ocspry_testkit::run_bounded(
                command
                    .args(line.split_whitespace())
                    .current_dir(site.file(".")),
            );
            assert!(!rival.has_ended(), "{rival}");
            (run.code == Some(0)).then_some(run)
        })
        .unwrap_or_else(|| panic!("no answer: {rival}"));
        assert!(said.stdout.contains(status), "{said:?}");
        assert!(said.stderr.contains("Response verify OK"), "{said:?}");
        if file == "gone.pem" {
            assert!(said.stdout.contains("Reason: keyCompromise"), "{said:?}");
        }
    }
}

#[test]
fn certificates_say_what_their_old_lines_asked_for() {
    let Some(site) = site_with_root() else { return };
    let serial = first_serial(&site);
    site.done(&format!(
        "edit_ca --ocsp-url=http://ocsp.example.com/ --issuer-url http://example.com/ca.cer --crl-url \
         http://example.com/ca.crl {serial}"
    ));
    request(&site, "web", "web");
    let ends = [
        (
            "--subject /C=AT/CN=web.example.com --alt www.example.com",
            "DNS:web.example.com, DNS:www.example.com",
        ),
        ("--alt only.example.com", "CN = only.example.com"),
        (
            "--subject /CN=web.example.com --cn-not-in-san --alt www.example.com",
            "DNS:www.example.com",
        ),
        (
            "--subject /CN=alice --client",
            "TLS Web Client Authentication",
        ),
        (
            "--subject /CN=web.example.com --server",
            "TLS Web Client Authentication, TLS Web Server Authentication",
        ),
        (
            "--subject /CN=alice --enduser",
            "E-mail Protection, Code Signing",
        ),
        ("--subject /CN=ocsp --ocsp", "OCSP Signing"),
        (
            "--subject /CN=x --key-usage critical,digitalSignature --ext-key-usage serverAuth,clientAuth",
            "TLS Web Server Authentication, TLS Web Client Authentication",
        ),
    ];
    for (flags, part) in ends {
        site.done(&format!(
            "sign_cert --ca {} --csr=web.csr --out=web.pem {flags}",
            &serial[..5]
        ));
        let text = site.openssl_done("x509 -in web.pem -noout -text").unwrap();
        assert!(text.contains(part), "{flags}: {text}");
        assert!(!text.contains("ignored"), "{flags}: {text}");
        let is_responder = flags.contains("--ocsp");
        assert_eq!(
            text.contains("OCSP - URI:http://ocsp.example.com/"),
            !is_responder,
            "{flags}: {text}"
        );
    }
    let not_after = site
        .openssl_done("x509 -in web.pem -noout -checkend 62121600")
        .unwrap();
    assert!(
        not_after.contains("will not expire"),
        "719 days: {not_after}"
    );
}

#[test]
fn an_old_line_means_a_certificate_of_the_ledger_and_never_a_file_of_that_name() {
    let Some(site) = site_with_root() else { return };
    for name in ["www.example.com", "other.example.com"] {
        request(&site, name, name);
        site.done(&format!(
            "sign_cert --csr={name}.csr --out={name}.pem --subject /CN={name}"
        ));
    }
    std::fs::copy(
        site.file("other.example.com.pem"),
        site.file("www.example.com"),
    )
    .unwrap();
    site.done("revoke_cert www.example.com keyCompromise");
    let state = |file: &str| site.json(&format!("cert show ./{file} --json"))["state"].take();
    assert_eq!(state("www.example.com.pem"), "revoked");
    assert_eq!(state("other.example.com.pem"), "valid");
    let told = site.refused("revoke_cert ./other.example.com.pem");
    assert!(told.contains("certificate not found"), "{told}");
}

#[test]
fn lists_and_views_have_the_form_that_scripts_read() {
    let Some(site) = site_with_root() else { return };
    for name in ["web", "gone"] {
        request(&site, name, name);
        site.done(&format!(
            "sign_cert --csr={name}.csr --out={name}.pem --subject /CN={name}.example.com --days 30"
        ));
    }
    let (web, gone) = (serial_of(&site, "web.pem"), serial_of(&site, "gone.pem"));
    site.done("revoke_cert --reason key_compromise gone.example.com");
    let lines = |line: &str| -> Vec<String> {
        let listed = site.done(line).stdout;
        listed.lines().map(str::to_owned).collect()
    };
    let listed = lines("list_certs");
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert!(
        listed[0].starts_with(&format!("{web} - web.example.com (expires: 20")),
        "{listed:?}"
    );
    let listed = lines("list_certs --revoked");
    assert_eq!(listed[1], format!("{gone} - gone.example.com (revoked)"));

    let viewed = site.done("view_cert web.example.com").stdout;
    let pem = String::from_utf8(site.read("web.pem")).unwrap();
    assert!(viewed.ends_with(&pem), "{viewed}");
    let short = site.done("view_cert -n web.example.com").stdout;
    assert!(!short.contains("BEGIN"), "{short}");
    site.done(&format!("dump_cert {web} again.pem"));
    assert_eq!(site.read("again.pem"), pem.as_bytes());
    site.done(&format!("dump_cert -f DER {web} again.der"));
    assert_eq!(site.read("again.der")[0], 0x30);

    let serial = first_serial(&site);
    let viewed = site.done(&format!("view_ca {serial}")).stdout;
    assert!(viewed.contains("CN=root"), "{viewed}");
    site.done(&format!("edit_ca --disable {serial}"));
    assert!(
        site.done("list_cas")
            .stdout
            .ends_with(" - root (disabled)\n")
    );
}

#[test]
fn a_crl_of_an_old_line_lasts_as_long_as_it_said() {
    let Some(site) = site_with_root() else { return };
    let serial = first_serial(&site);
    site.done(&format!("dump_ca {serial} files/ca.crt"));
    site.done("dump_crl -e 3600 root.crl");
    site.done("crl check root.crl --ca files/ca.crt");
    let shown = site.json("crl show root.crl --json");
    let seconds = |key: &str| {
        let text: String = shown[key].as_str().unwrap().to_owned();
        text.replace([':', '-', 'T', 'Z', ' '], "")
    };
    assert!(seconds("next_update") > seconds("this_update"), "{shown}");
    let now = ocspry_testkit::now();
    let later = now
        .plus_seconds(3600 + 60)
        .to_string()
        .replace([':', '-', 'T', 'Z', ' '], "");
    assert!(seconds("next_update") < later, "{shown}");
    let dumped = site.done("dump_crl");
    assert!(
        dumped.stdout.starts_with("-----BEGIN X509 CRL-----"),
        "{dumped:?}"
    );
}

#[test]
fn an_old_line_that_cannot_mean_the_same_is_refused_and_told_why() {
    let Some(site) = site_with_root() else { return };
    for (line, part) in [
        (
            "init_ca --password=secret second /CN=second",
            "--passphrase-file",
        ),
        ("init_ca --algorithm=md5 second /CN=second", "md5"),
        (
            "init_ca --issuer-alt-name=http://example.com/ second /CN=second",
            "issuer-alt-name",
        ),
        ("edit_ca --ocsp-url=http://ocsp.example.com/ 99:99", "99:99"),
        ("revoke_cert nobody.example.com", "not found"),
    ] {
        let said = site.refused(line);
        assert!(said.contains(part), "{line}: {said}");
        assert!(!said.contains("secret"), "{line}: {said}");
    }
    assert_eq!(site.done("list_cas").stdout.lines().count(), 1);
}
