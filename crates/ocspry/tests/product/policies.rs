//! The choices of an issuer in the configuration file, seen by a client: each word of each key, and what is refused.

use crate::configuration::check;
use crate::site::{CONFIGURATION, GOOD, REVOKED, Site, says_revoked};
use ocspry_testkit::{
    Authority, CertificateSpec, CrlSpec, HttpClient, KeyKind, OcspryProcess, Reply, RequestSpec,
    TestKey, cert_id, pem, preferring,
};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm, OcspResponse, ResponderId};
use ocspry_wire::x509::SignatureAlgorithm;

/// `ocspry serve` with more keys for the only issuer.
fn serve(site: &Site, keys: &str) -> OcspryProcess {
    site.write("ocspry.toml", format!("{CONFIGURATION}{keys}\n"));
    site.ocspry().args(["serve", "-c", "ocspry.toml"]).start()
}

fn body(process: &OcspryProcess, request: &[u8]) -> Vec<u8> {
    process.connect().post(request).unwrap().body
}

#[test]
fn sta_01_absent_serials_are_good_or_unknown() {
    let site = Site::new();
    for (word, expected) in [("good", CertStatus::Good), ("unknown", CertStatus::Unknown)] {
        let process = serve(&site, &format!("absent = \"{word}\""));
        assert_eq!(site.status(&process, GOOD), expected);
        assert!(matches!(
            site.status(&process, REVOKED),
            CertStatus::Revoked(_)
        ));
    }
}

#[test]
fn unknown_answers_live_minutes_in_every_cache() {
    let site = Site::new();
    let process = serve(&site, "absent = \"unknown\"");
    let response = process.connect().post(&site.request(GOOD)).unwrap();
    let single = Reply::check(&response.body, &site.ca).single();
    let produced_at = Reply::check(&response.body, &site.ca).signed().produced_at;
    assert!(single.next_update <= produced_at.plus_seconds(300));
    let cache_control = response.header("cache-control").unwrap();
    let max_age = cache_control
        .split(", ")
        .find_map(|word| word.strip_prefix("max-age="))
        .unwrap();
    assert!(max_age.parse::<u64>().unwrap() <= 60, "{cache_control}");
}

#[test]
fn sta_08_sta_10_an_unknown_issuer_is_unauthorized_or_a_signed_unknown() {
    let site = Site::new();
    let stranger = Authority::root("Nobody's CA", KeyKind::P256);
    let asked = RequestSpec::one(cert_id(HashAlgorithm::Sha1, &stranger, GOOD)).der();
    let process = serve(&site, "unknown-issuer = \"unauthorized\"");
    assert_eq!(body(&process, &asked), ErrorStatus::Unauthorized.der());
    let process = serve(&site, "unknown-issuer = \"unknown\"");
    let reply = Reply::check(&body(&process, &asked), &site.ca);
    assert_eq!(reply.single().status, CertStatus::Unknown);
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
}

#[test]
fn err_09_unable_is_try_later_in_200_or_http_503() {
    let site = Site::new();
    let now = ocspry_testkit::now();
    let mut over = CrlSpec::new(11);
    (over.this_update, over.next_update) =
        (now.plus_seconds(-7_200), Some(now.plus_seconds(-3_600)));
    for (word, status) in [("try-later", 200), ("http-503", 503)] {
        site.write_crl(&over);
        let process = serve(&site, &format!("unable = \"{word}\""));
        let mut client = process.connect();
        let response = client.post(&site.request(GOOD)).unwrap();
        assert_eq!(response.status, status, "{response:?}");
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(
            response.body == ErrorStatus::TryLater.der(),
            status == 200,
            "{response:?}"
        );
        // The connection goes on, and what is malformed is still OCSP's to say.
        let response = client.post(b"\x30\x00").unwrap();
        assert_eq!(response.body, ErrorStatus::MalformedRequest.der());
    }
}

#[test]
fn rsp_05_rsp_11_openssl_takes_both_kinds_of_responder_id() {
    let site = Site::new();
    for (word, by_key) in [("by-key", true), ("by-name", false)] {
        let process = serve(&site, &format!("responder-id = \"{word}\""));
        let der = body(&process, &site.request(GOOD));
        let basic = OcspResponse::from_der(&der).unwrap().basic.unwrap();
        let is_by_key = matches!(basic.responder_id, ResponderId::ByKeyHash(_));
        assert_eq!(is_by_key, by_key);
        assert_openssl_verifies(&site, &process, &["-CAfile", "root_ca.pem"]);
    }
}

#[test]
fn sig_02_rsp_14_openssl_takes_none_the_signers_or_the_whole_chain() {
    let site = Site::new();
    // The client has what the answer leaves out.
    for (word, count, trust) in [
        (
            "none",
            0,
            &["-VAfile", "ocsp.pem", "-CAfile", "root_ca.pem"][..],
        ),
        ("signer", 1, &["-CAfile", "root_ca.pem"]),
        ("chain", 2, &["-CAfile", "root_ca.pem"]),
    ] {
        let process = serve(&site, &format!("embedded-certificates = \"{word}\""));
        let der = body(&process, &site.request(GOOD));
        let basic = OcspResponse::from_der(&der).unwrap().basic.unwrap();
        assert_eq!(basic.certificates.len(), count, "{word}");
        assert_openssl_verifies(&site, &process, trust);
    }
}

#[test]
fn req_09_the_cap_on_cert_ids_is_the_operators() {
    let site = Site::new();
    let process = serve(&site, "cert-ids-max = 2");
    let request = |count: u8| {
        let ids = (0..count).map(|octet| site.cert_id(&[7, octet])).collect();
        RequestSpec::of(ids).der()
    };
    let two = Reply::check(&body(&process, &request(2)), &site.ca);
    assert_eq!(two.signed().singles.len(), 2);
    assert_eq!(body(&process, &request(3)), ErrorStatus::Unauthorized.der());
}

#[test]
fn a_hash_that_is_not_allowed_names_nobody() {
    let site = Site::new();
    let process = serve(&site, "cert-id-hashes = [\"sha256\", \"sha384\"]");
    for (hash, is_answered) in [
        (HashAlgorithm::Sha1, false),
        (HashAlgorithm::Sha256, true),
        (HashAlgorithm::Sha384, true),
        (HashAlgorithm::Sha512, false),
    ] {
        let asked = RequestSpec::one(cert_id(hash, &site.ca, GOOD)).der();
        let body = body(&process, &asked);
        assert_eq!(body != ErrorStatus::Unauthorized.der(), is_answered);
    }
}

#[test]
fn alg_04_alg_11_a_preferred_algorithm_signs_and_others_keep_theirs() {
    let site = Site::with_keys(KeyKind::P256, KeyKind::Rsa2048);
    let process = serve(&site, "signature-hash-min = \"sha256\"");
    let mut client = process.connect();
    let mut signed_with =
        |request: &[u8]| site.ask(&mut client, request).signed().signature_algorithm;
    for _ in 0..2 {
        for algorithm in [
            SignatureAlgorithm::RsaSha512,
            SignatureAlgorithm::RsaSha384,
            SignatureAlgorithm::RsaSha256,
        ] {
            let request =
                RequestSpec::one(site.cert_id(GOOD)).with_extension(preferring(&[algorithm.der()]));
            assert_eq!(signed_with(&request.der()), algorithm);
        }
        let plain = signed_with(&site.request(GOOD));
        assert_eq!(plain, SignatureAlgorithm::RsaSha256);
    }
}

#[test]
fn ext_08_ext_10_openssl_reads_the_archive_cutoff() {
    let site = Site::new();
    for (word, is_there) in [("none", false), ("issuer", true), ("30d", true)] {
        let process = serve(&site, &format!("archive-cutoff = \"{word}\""));
        let Some(run) = site.openssl(&[
            "ocsp",
            "-issuer",
            "intermediate_ca.pem",
            "-cert",
            "revoked.pem",
            "-url",
            &process.url(),
            "-CAfile",
            "root_ca.pem",
            "-text",
        ]) else {
            return;
        };
        assert!(run.stderr.contains("Response verify OK"), "{run:?}");
        assert_eq!(run.stdout.contains("OCSP Archive Cutoff"), is_there);
    }
}

#[test]
fn tim_10_the_window_of_an_answer_is_capped_with_both_ends_counted() {
    let site = Site::new();
    let mut list = site.first_crl();
    list.next_update = Some(ocspry_testkit::now().plus_seconds(30 * 86_400));
    site.write_crl(&list);
    let process = serve(&site, "window-max = \"7d\"");
    let single = site
        .ask(&mut process.connect(), &site.request(GOOD))
        .single();
    let seconds = single.next_update.seconds_since(single.this_update);
    assert_eq!(seconds, 7 * 86_400 - 1);
}

#[test]
fn cid_14_a_ca_is_found_under_the_name_as_a_certificate_spells_it() {
    // The CA's own certificate has its name as UTF8String; what it issued has it as PrintableString.
    let site = Site::new();
    let key = TestKey::from_pkcs8_der(&site.ca.key.pkcs8_der(), KeyKind::P256);
    let mut renamed = Authority::existing(site.ca.certificate.clone(), key);
    renamed.name = printable(&renamed.name);
    site.write(
        "spelled.pem",
        pem("CERTIFICATE", &renamed.server("leaf.example", GOOD)),
    );
    // The hash is over the name in the certificate asked about (RFC 6960 §4.1.1).
    let asked = RequestSpec::one(cert_id(HashAlgorithm::Sha256, &renamed, GOOD)).der();
    let process = serve(&site, "");
    assert_eq!(body(&process, &asked), ErrorStatus::Unauthorized.der());
    let process = serve(&site, "also-named-in = [\"spelled.pem\"]");
    let reply = Reply::check(&body(&process, &asked), &site.ca);
    assert_eq!(reply.single().status, CertStatus::Good);
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    // A certificate of another CA proves nothing.
    let stranger = Authority::root("Stranger", KeyKind::P256);
    site.write(
        "stranger.pem",
        pem("CERTIFICATE", &stranger.server("x.example", GOOD)),
    );
    let checked = check(
        &site,
        &format!("{CONFIGURATION}also-named-in = [\"stranger.pem\"]\n"),
    );
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(
        checked.stderr.contains("was not signed by this CA's key"),
        "{checked:?}"
    );
}

#[test]
fn a_certificate_that_spells_the_ca_otherwise_is_followed_and_is_no_reason_to_reload_for_ever() {
    // The first of two issuers names it, so that it stands in the middle of the files that are followed.
    let site = Site::new();
    let second = Authority::root("Second CA", KeyKind::P256);
    site.write("second.pem", second.certificate_pem());
    site.write("second.key", second.key.pkcs8_pem());
    site.write("second.crl", second.crl(&CrlSpec::new(1)));
    let text = format!(
        "{CONFIGURATION}also-named-in = [\"server.pem\"]\n\n[issuer.second]\ncertificate = \"second.pem\"\n\
         status = [{{ crl = \"second.crl\" }}]\nresponder = {{ ca-key = \"second.key\" }}\n"
    );
    site.write("ocspry.toml", text);
    let process = site.ocspry().args(["serve", "-c", "ocspry.toml"]).start();
    assert_eq!(site.status(&process, GOOD), CertStatus::Good);
    // A CRL that comes is noticed by a look of its own; by then an endless reload would have said so many times.
    site.write_crl(&site.first_crl().revoke(GOOD, None));
    site.ask_until(&process, GOOD, crate::site::NOTICE_WAIT_MAX, says_revoked);
    assert!(
        !process.log().contains("everything is read again"),
        "{}",
        process.log()
    );
    let another = site.ca.server("another.example", &[0x11]);
    site.replace("server.pem", pem("CERTIFICATE", &another));
    process.wait_for_log("everything is read again", crate::site::NOTICE_WAIT_MAX);
}

#[test]
fn cid_17_a_renamed_ca_is_an_issuer_of_its_own() {
    let site = Site::new();
    let key = TestKey::from_pkcs8_der(&site.ca.key.pkcs8_der(), KeyKind::P256);
    let mut spec = CertificateSpec::authority("The same CA, renamed");
    spec.serial = Some(vec![0x22]);
    let renamed = Authority::root_from(&spec, key);
    site.write(
        "of-renamed.pem",
        pem("CERTIFICATE", &renamed.server("x.example", GOOD)),
    );
    let checked = check(
        &site,
        &format!("{CONFIGURATION}also-named-in = [\"of-renamed.pem\"]\n"),
    );
    assert_eq!(checked.code, Some(1), "{checked:?}");
    assert!(
        checked.stderr.contains("not CN=Site Intermediate"),
        "{checked:?}"
    );
}

#[test]
fn a_policy_changes_with_a_reload_and_no_request_fails() {
    let site = Site::new();
    let process = serve(&site, "");
    let mut client: HttpClient = process.connect();
    assert!(matches!(
        site.ask(&mut client, &site.request(GOOD)).single().status,
        CertStatus::Good
    ));
    site.replace(
        "ocspry.toml",
        format!("{CONFIGURATION}absent = \"unknown\"\nresponder-id = \"by-name\"\n"),
    );
    let reply = site.ask_until(
        &process,
        GOOD,
        crate::site::NOTICE_WAIT_MAX,
        |reply| matches!(reply, Reply::Signed(signed) if signed.singles[0].status == CertStatus::Unknown),
    );
    assert!(matches!(reply, Reply::Signed(_)));
    let der = body(&process, &site.request(GOOD));
    let basic = OcspResponse::from_der(&der).unwrap().basic.unwrap();
    assert!(matches!(basic.responder_id, ResponderId::ByName(_)));
}

#[test]
fn a_word_that_no_key_takes_is_refused_with_the_words_it_takes() {
    let site = Site::new();
    for (line, message) in [
        ("unable = \"503\"", "`unable` cannot be `503`"),
        ("absent = \"revoked\"", "it is `good` or `unknown`"),
        ("unknown-issuer = \"unknwon\"", "did you mean `unknown`?"),
        ("responder-id = \"by_key\"", "did you mean `by-key`?"),
        (
            "embedded-certificates = \"all\"",
            "it is `none`, `signer` or `chain`",
        ),
        ("cert-ids-max = 0", "between 1 and 128"),
        ("cert-ids-max = 129", "between 1 and 128"),
        (
            "cert-id-hashes = [\"md5\"]",
            "`cert-id-hashes` cannot be `md5`",
        ),
        ("cert-id-hashes = []", "lists nothing"),
        ("archive-cutoff = \"never\"", "it is `none` or `issuer`"),
        ("archive-cutoff = \"1h\"", "between 1d and 36500d"),
        ("window-max = \"5m\"", "between 1h and 3650d"),
        ("signature-hash-min = \"sha-1\"", "cannot be `sha-1`"),
        (
            "never-issued = \"good\"",
            "it is `unknown`, `unauthorized` or `revoked`",
        ),
    ] {
        let checked = check(&site, &format!("{CONFIGURATION}{line}\n"));
        assert_eq!(checked.code, Some(1), "{line}: {checked:?}");
        assert!(checked.stderr.contains(message), "{line}: {checked:?}");
        assert!(checked.stderr.contains("ocspry.toml:10"), "{checked:?}");
    }
}

fn assert_openssl_verifies(site: &Site, process: &OcspryProcess, trust: &[&str]) {
    let url = process.url();
    let asked = [
        "ocsp",
        "-issuer",
        "intermediate_ca.pem",
        "-cert",
        "revoked.pem",
        "-url",
        &url,
    ];
    let Some(run) = site.openssl(&[&asked, trust].concat()) else {
        return;
    };
    assert!(run.stderr.contains("Response verify OK"), "{run:?}");
    assert!(run.stdout.contains("revoked.pem: revoked"), "{run:?}");
}

/// The same name with a PrintableString in place of each UTF8String.
fn printable(name: &[u8]) -> Vec<u8> {
    let mut spelled = name.to_vec();
    let place = spelled
        .windows(5)
        .position(|window| window == [0x06, 0x03, 0x55, 0x04, 0x03])
        .unwrap()
        + 5;
    assert_eq!(spelled[place], 0x0c);
    spelled[place] = 0x13;
    spelled
}
