//! Requests that are wrong, odd or at the edge, sent to the real listener: each gets its deliberate answer.

use crate::clients::request_with_plus_slash_and_padding;
use crate::site::{GOOD, LATER, REVOKED, Site};
use ocspry_testkit::{
    Authority, HttpClient, HttpResponse, KeyKind, OcspryProcess, Reply, RequestSpec, base64_path,
    cert_id, extension, nonce_extension, percent_encoded,
};
use ocspry_wire::ocsp::{CertStatus, ErrorStatus, HashAlgorithm};

const MALFORMED: &[u8; 5] = ErrorStatus::MalformedRequest.der();
const UNAUTHORIZED: &[u8; 5] = ErrorStatus::Unauthorized.der();

/// An OCSP error travels in HTTP 200, unsigned, and no cache may keep it.
fn assert_error(response: &HttpResponse, body: &[u8; 5], what: &str) {
    assert_eq!(response.status, 200, "{what}: {response:?}");
    assert_eq!(
        response.header("content-type"),
        Some("application/ocsp-response"),
        "{what}"
    );
    assert_eq!(response.body, body, "{what}");
    let cache_control = response.header("cache-control").unwrap_or_default();
    assert!(cache_control.contains("no-store"), "{what}: {response:?}");
}

/// The responder still answers well after whatever was done to it.
fn assert_alive(site: &Site, process: &OcspryProcess) {
    assert_eq!(site.status(process, GOOD), CertStatus::Good);
    assert!(matches!(
        site.status(process, REVOKED),
        CertStatus::Revoked(_)
    ));
}

#[test]
fn err_01_err_03_err_04_req_04_a_post_that_is_no_request_is_malformed() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let request = site.request(GOOD);
    let mut trailing = request.clone();
    trailing.push(0);
    let mut crlf = request.clone();
    crlf.extend_from_slice(b"\r\n");
    let response = client.post(&request).unwrap().body;
    let bodies: [(&str, &[u8]); 10] = [
        ("empty", &[]),
        ("one octet", &[0x30]),
        ("text", b"hello"),
        ("a trailing octet", &trailing),
        ("a trailing CRLF", &crlf),
        (
            "the request twice",
            &[request.clone(), request.clone()].concat(),
        ),
        ("an absurd length", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        ("a certificate", &site.ca.certificate),
        ("an indefinite length and no more", &[0x30, 0x80]),
        ("a response", &response),
    ];
    for (what, body) in bodies {
        assert_error(&client.post(body).unwrap(), MALFORMED, what);
    }
    assert_alive(&site, &process);
}

#[test]
fn err_02_a_request_cut_at_any_octet_is_malformed() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let request = RequestSpec::one(site.cert_id(GOOD))
        .with_extension(nonce_extension(&[9; 32]))
        .der();
    for length in 0..request.len() {
        let response = client.post(&request[..length]).unwrap();
        assert_error(&response, MALFORMED, &format!("{length} octets"));
    }
    assert_alive(&site, &process);
}

#[test]
fn a_request_with_any_octet_changed_never_gets_a_verdict_on_another_certificate() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let request = site.request(REVOKED);
    for index in 0..request.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut changed = request.clone();
            changed[index] ^= change;
            let response = client.post(&changed).unwrap();
            assert_eq!(response.status, 200, "octet {index}");
            match Reply::check(&response.body, &site.ca) {
                Reply::Error(_) => {}
                Reply::Signed(signed) => {
                    // Whatever was asked is repeated; only the very serial number on the list is revoked.
                    let single = &signed.singles[0];
                    assert!(
                        contains(&changed, &single.cert_id),
                        "octet {index} ^ {change:02x}"
                    );
                    let same_serial = single.cert_id.ends_with(REVOKED);
                    let revoked = matches!(single.status, CertStatus::Revoked(_));
                    assert_eq!(
                        revoked, same_serial,
                        "octet {index} ^ {change:02x}: {single:?}"
                    );
                }
            }
        }
    }
    assert_alive(&site, &process);
}

fn contains(whole: &[u8], part: &[u8]) -> bool {
    whole.windows(part.len()).any(|window| window == part)
}

#[test]
fn htp_16_htp_17_a_body_above_the_cap_is_refused_by_http() {
    let site = Site::new();
    let process = site.serve().start();
    for length in [16 * 1024 + 1, 64 * 1024 + 1, 5_000_000] {
        let response = post_unfinished(&process, length);
        assert_eq!(response.status, 413, "{length}: {response:?}");
    }
    let response = post_unfinished(&process, 999_999_999_999);
    assert_eq!(response.status, 413, "{response:?}");
    // The same without a Content-Length to be warned by.
    let mut client = process.connect();
    client
        .send(b"POST / HTTP/1.1\r\nHost: ocsp.test\r\nTransfer-Encoding: chunked\r\n\r\n10001\r\n")
        .unwrap();
    // The responder may close before all of it is sent; its answer counts, not the write.
    let _ = client.send(&vec![0x30; 0x1_0001]);
    let _ = client.send(b"\r\n0\r\n\r\n");
    match client.receive(true) {
        Ok(response) => assert_eq!(response.status, 413, "{response:?}"),
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}"),
    }
    assert_alive(&site, &process);
}

#[test]
fn htp_18_a_head_or_path_above_its_cap_is_refused_by_http() {
    let site = Site::new();
    let process = site.serve().start();
    let long_path = format!("/{}", "A".repeat(6 * 1024));
    assert_eq!(process.connect().get(&long_path).unwrap().status, 414);
    let long_head = format!("X-Long: {}\r\n", "a".repeat(9 * 1024));
    assert_eq!(
        process
            .connect()
            .request("GET", "/", &long_head)
            .unwrap()
            .status,
        431
    );
    let many = "X: y\r\n".repeat(300);
    assert_eq!(
        process.connect().request("GET", "/", &many).unwrap().status,
        431
    );
    assert_alive(&site, &process);
}

/// Announces a body and sends only its first octets.
fn post_unfinished(process: &OcspryProcess, length: u64) -> HttpResponse {
    let mut client = process.connect();
    client
        .send(
            format!(
                "POST / HTTP/1.1\r\nHost: ocsp.test\r\nContent-Type: application/ocsp-request\r\n\
                 Content-Length: {length}\r\n\r\n0000"
            )
            .as_bytes(),
        )
        .unwrap();
    client.receive(true).expect("refused before the body")
}

#[test]
fn htp_10_htp_12_a_chunked_or_piecewise_post_is_answered() {
    let site = Site::new();
    let process = site.serve().start();
    let request = site.request(GOOD);
    let mut client = process.connect();
    client
        .send(b"POST / HTTP/1.1\r\nHost: ocsp.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        .unwrap();
    for chunk in request.chunks(25) {
        client
            .send(format!("{:x}\r\n", chunk.len()).as_bytes())
            .unwrap();
        client.send(chunk).unwrap();
        client.send(b"\r\n").unwrap();
    }
    client.send(b"0\r\n\r\n").unwrap();
    let response = client.receive(true).unwrap();
    assert_eq!(
        Reply::check(&response.body, &site.ca).single().status,
        CertStatus::Good
    );

    let head = format!(
        "POST / HTTP/1.1\r\nHost: ocsp.test\r\nContent-Length: {}\r\n\r\n",
        request.len()
    );
    for piece in [head.as_bytes(), &request].concat().chunks(7) {
        client.send(piece).unwrap();
    }
    let response = client.receive(true).unwrap();
    assert_eq!(
        Reply::check(&response.body, &site.ca).single().status,
        CertStatus::Good
    );
}

#[test]
fn htp_20_htp_21_odd_http_is_refused_without_a_server_error_and_without_a_verdict() {
    let site = Site::new();
    let process = site.serve().start();
    let request = site.request(GOOD);
    let length = request.len();
    let smuggled = [
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nContent-Length: 3\r\n\r\n"
        ),
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nTransfer-Encoding: identity\r\n\r\n"
        ),
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -{length}\r\n\r\n"),
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nContent-Length: {length}\r\n\r\n"
        ),
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ),
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: {length}\r\n\r\n"
        ),
    ];
    for head in smuggled {
        let mut client = process.connect();
        client.send(head.as_bytes()).unwrap();
        let _ = client.send(&request);
        let response = client.receive(true).unwrap();
        assert_eq!(response.status, 400, "{head}: {response:?}");
    }
    for line in [
        "\u{16}\u{3}\u{1}\u{2}\r\n\r\n",
        "GET\r\n\r\n",
        "nonsense\r\n\r\n",
    ] {
        let mut client = process.connect();
        client.send(line.as_bytes()).unwrap();
        let _ = client.finish_sending();
        match client.receive(true) {
            Ok(response) => assert_eq!(response.status, 400, "{line:?}: {response:?}"),
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{error}"),
        }
    }
    assert_alive(&site, &process);
}

#[test]
fn htp_04_other_methods_are_refused_and_name_the_allowed_ones() {
    let site = Site::new();
    let process = site.serve().start();
    for method in ["PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"] {
        let response = process
            .connect()
            .request(method, "/", "Content-Length: 0\r\n")
            .unwrap();
        assert_eq!(response.status, 405, "{method}: {response:?}");
        let allow = response.header("allow").expect("Allow");
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    }
    assert_alive(&site, &process);
}

#[test]
fn get_09_get_10_get_14_a_get_path_that_is_no_request_is_refused_without_a_verdict() {
    let site = Site::new();
    let process = site.serve().start();
    let raw = base64_path(&request_with_plus_slash_and_padding(&site));
    let spaces = raw.replace('+', "%20");
    let wrong = [
        "/".to_owned(),
        "/favicon.ico".to_owned(),
        "/%".to_owned(),
        "/%zz".to_owned(),
        "/MEow".to_owned(),
        format!("{}!", raw),
        spaces,
        raw[..raw.len() - 8].to_owned(),
        percent_encoded(&raw).replace('%', "%25"),
    ];
    for path in wrong {
        let response = process.connect().get(&path).unwrap();
        assert!(
            (400..500).contains(&response.status) || response.body == MALFORMED,
            "{path}: {response:?}"
        );
        assert!(!matches!(
            Reply::try_check(&response.body, &site.ca),
            Ok(Reply::Signed(_))
        ));
    }
    assert_alive(&site, &process);
}

#[test]
fn get_05_get_06_get_07_a_get_path_with_double_slashes_keeps_them() {
    let site = Site::new();
    let process = site.serve().start();
    // A serial number is searched whose request has `//` inside its base64.
    let (request, serial) = (0..=u32::from(u16::MAX))
        .map(|variant| {
            let serial = [
                &[0x7f, 0xff, 0xff][..],
                &variant.to_be_bytes()[2..],
                &[0x01],
            ]
            .concat();
            (site.request(&serial), serial)
        })
        .find(|(request, _)| base64_path(request)[1..].contains("//"))
        .expect("one of 65,536");
    for prefix in ["", "/", "/ocsp", "/ocsp/"] {
        let response = process
            .connect()
            .get(&format!("{prefix}{}", base64_path(&request)))
            .unwrap();
        let single = Reply::check(&response.body, &site.ca).single();
        assert!(single.cert_id.ends_with(&serial));
    }
    let collapsed = base64_path(&request).replace("//", "/");
    let response = process.connect().get(&collapsed).unwrap();
    assert!(!matches!(
        Reply::try_check(&response.body, &site.ca),
        Ok(Reply::Signed(_))
    ));
}

#[test]
fn err_11_sta_08_cid_16_cid_17_a_request_for_another_ca_is_unauthorized() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let stranger = Authority::root("Stranger", KeyKind::P256);
    let namesake = Authority::root("Site Intermediate", KeyKind::P256);
    let renamed = Authority::root_from(
        &ocspry_testkit::CertificateSpec::authority("Renamed"),
        ocspry_testkit::TestKey::generate(KeyKind::P256),
    );
    for hash in HashAlgorithm::ALL {
        for issuer in [&stranger, &namesake, &renamed, &site.root] {
            let request = RequestSpec::one(cert_id(hash, issuer, GOOD)).der();
            assert_error(&client.post(&request).unwrap(), UNAUTHORIZED, "another CA");
        }
    }
    // Name and key must both be this CA's: a stranger's key under our name, and our key under a stranger's name.
    for part in [CertIdPart::NameHash, CertIdPart::KeyHash] {
        let mixed = RequestSpec::one(mixed_cert_id(&site, &stranger, part)).der();
        assert_error(&client.post(&mixed).unwrap(), UNAUTHORIZED, "half ours");
    }
}

enum CertIdPart {
    NameHash,
    KeyHash,
}

/// A CertID of this site's CA with one hash taken from a stranger.
fn mixed_cert_id(site: &Site, stranger: &Authority, part: CertIdPart) -> Vec<u8> {
    const SHA256_OCTETS: usize = 32;
    let mut mixed = cert_id(HashAlgorithm::Sha256, &site.ca, GOOD);
    let theirs = cert_id(HashAlgorithm::Sha256, stranger, GOOD);
    // From the end: the serial with its header, the key hash, the header of that, the name hash.
    let key_hash_end = mixed.len() - (2 + GOOD.len());
    let end = match part {
        CertIdPart::KeyHash => key_hash_end,
        CertIdPart::NameHash => key_hash_end - SHA256_OCTETS - 2,
    };
    let hash = end - SHA256_OCTETS..end;
    mixed[hash.clone()].copy_from_slice(&theirs[hash]);
    mixed
}

#[test]
fn cid_07_cid_08_cid_13_serials_of_any_sign_and_size_are_answered_or_refused_and_never_confused() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let long: Vec<u8> = std::iter::once(0).chain([0xff; 20]).collect();
    let negative_of_revoked = [&[0xff][..], REVOKED].concat();
    for serial in [
        &[0x80][..],
        &[0xff],
        &[0x00, 0x80],
        &[0x00],
        &long,
        &negative_of_revoked,
        &[0x41; 64],
    ] {
        let reply = site.ask(&mut client, &site.request(serial));
        let single = reply.single();
        assert_eq!(single.status, CertStatus::Good, "{serial:02x?}");
        assert_eq!(single.cert_id, site.cert_id(serial), "{serial:02x?}");
    }
    for serial in [
        &[0x41; 65][..],
        &[0x41; 1000],
        &[0x41; 8000],
        &[],
        &[0x00, 0x00, 0x50],
    ] {
        let response = client.post(&site.request(serial)).unwrap();
        assert_error(&response, MALFORMED, &format!("{} octets", serial.len()));
    }
    // One off the revoked serial, longer, shorter.
    let near: [&[u8]; 6] = [
        &[0x4d, 0x5e, 0x6e],
        &[0x4d, 0x5e, 0x70],
        &[0x4d, 0x5e],
        &[0x5e, 0x6f],
        &[0x4d, 0x5e, 0x6f, 0x00],
        &[0x01, 0x4d, 0x5e, 0x6f],
    ];
    for serial in near {
        let single = site.ask(&mut client, &site.request(serial)).single();
        assert_eq!(single.status, CertStatus::Good, "{serial:02x?}");
    }
}

#[test]
fn non_01_non_02_non_03_non_08_nonces_of_1_to_128_octets_are_echoed_and_others_malformed() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    for length in [1, 8, 15, 16, 20, 23, 32, 33, 64, 127, 128] {
        let nonce: Vec<u8> = (0..length).map(|index| 0xff - index as u8).collect();
        let request = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(&nonce));
        let reply = site.ask(&mut client, &request.der()).signed();
        assert_eq!(reply.nonce, Some(nonce));
    }
    for length in [0, 129, 200, 1000] {
        let nonce = vec![0x55; length];
        let request = RequestSpec::one(site.cert_id(GOOD)).with_extension(nonce_extension(&nonce));
        let response = client.post(&request.der()).unwrap();
        assert_error(&response, MALFORMED, &format!("a nonce of {length} octets"));
    }
    let twice = RequestSpec::one(site.cert_id(GOOD))
        .with_extension(nonce_extension(&[1; 16]))
        .with_extension(nonce_extension(&[2; 16]));
    assert_error(&client.post(&twice.der()).unwrap(), MALFORMED, "two nonces");
}

#[test]
fn ext_01_ext_02_an_unknown_extension_is_ignored_unless_critical() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let unknown = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x86, 0x8d, 0x1f, 0x03];
    let ignored = RequestSpec::one(site.cert_id(REVOKED)).with_extension(extension(
        unknown,
        false,
        &[0x05, 0x00],
    ));
    let single = site.ask(&mut client, &ignored.der()).single();
    assert!(matches!(single.status, CertStatus::Revoked(_)));
    let critical = RequestSpec::one(site.cert_id(REVOKED)).with_extension(extension(
        unknown,
        true,
        &[0x05, 0x00],
    ));
    assert_error(
        &client.post(&critical.der()).unwrap(),
        MALFORMED,
        "critical",
    );
}

#[test]
fn req_09_err_06_rsp_06_rsp_08_up_to_16_certids_share_one_answer() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    let ask = |client: &mut HttpClient, count: u16| {
        let mut spec = RequestSpec::default();
        for index in 0..count {
            let serial = if index % 3 == 2 {
                REVOKED.to_vec()
            } else {
                vec![0x30, (index >> 8) as u8, index as u8]
            };
            let hash = HashAlgorithm::ALL[usize::from(index) % 4];
            spec.cert_ids.push(cert_id(hash, &site.ca, &serial));
        }
        (client.post(&spec.der()).unwrap(), spec)
    };
    let (response, spec) = ask(&mut client, 16);
    let reply = Reply::check(&response.body, &site.ca).signed();
    let answered: Vec<_> = reply
        .singles
        .iter()
        .map(|single| single.cert_id.clone())
        .collect();
    assert_eq!(answered, spec.cert_ids, "one line for each, in order");
    for (index, single) in reply.singles.iter().enumerate() {
        assert_eq!(
            matches!(single.status, CertStatus::Revoked(_)),
            index % 3 == 2,
            "{index}"
        );
    }
    assert_error(&ask(&mut client, 0).0, MALFORMED, "no CertID");
    for count in [17, 20, 100] {
        let what = format!("{count} CertIDs");
        assert_error(&ask(&mut client, count).0, UNAUTHORIZED, &what);
    }
    // 400 of them are more octets than any request may have.
    assert_eq!(ask(&mut client, 400).0.status, 413);
    let mut client = process.connect();
    let twice = RequestSpec {
        cert_ids: vec![site.cert_id(LATER); 2],
        extensions: Vec::new(),
    };
    assert_eq!(
        site.ask(&mut client, &twice.der()).signed().singles.len(),
        2
    );
}

#[test]
fn htp_13_htp_14_a_client_that_vanishes_or_idles_harms_nobody() {
    let site = Site::new();
    let process = site.serve().start();
    let idle: Vec<HttpClient> = (0..120).map(|_| process.connect()).collect();
    for part in [
        "P",
        "POST / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n0",
    ] {
        let mut client = process.connect();
        client.send(part.as_bytes()).unwrap();
        drop(client);
    }
    assert_alive(&site, &process);
    drop(idle);
}

#[test]
fn no_request_of_a_client_makes_a_log_line_above_debug() {
    let site = Site::new();
    let process = site.serve().start();
    let mut client = process.connect();
    // The last line of the start comes after the line that names the address.
    process.wait_for_log("serving", crate::site::NOTICE_WAIT_MAX);
    let before = process.log();
    for body in [&b"garbage"[..], &site.request(GOOD), &[]] {
        client.post(body).unwrap();
    }
    let _ = process.connect().request("BREW", "/", "");
    assert_alive(&site, &process);
    let log = process.stop().stderr;
    let added = log.strip_prefix(&before).expect("the log only grows");
    for line in added.lines() {
        assert!(line.contains("SIGTERM") || line.contains("stopp"), "{line}");
    }
}
