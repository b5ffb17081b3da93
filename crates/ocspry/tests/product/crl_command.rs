//! `ocspry crl show` and `ocspry crl check`: what a list says, and whether it would be used.

use crate::site::{GOOD, LATER, REVOKED, Site};
use ocspry_testkit::{
    Authority, CrlSpec, Finished, KeyKind, element, extension, forge, now, pem, sequence,
};
use ocspry_wire::der::{oid, tag};
use ocspry_wire::ocsp::CrlReason;
use rustix::fs::{CWD, Mode, mkfifoat};
use serde_json::{Value, json};

/// `ocspry crl …` in the site's directory.
fn crl(site: &Site, arguments: &[&str]) -> Finished {
    site.ocspry().arg("crl").args(arguments).run()
}

/// `ocspry crl show FILE`.
fn show(site: &Site, arguments: &[&str]) -> Finished {
    crl(site, &[&["show"], arguments].concat())
}

/// `ocspry crl check FILE --ca intermediate_ca.pem`.
fn check(site: &Site, arguments: &[&str]) -> Finished {
    crl(
        site,
        &[&["check", "--ca", "intermediate_ca.pem"], arguments].concat(),
    )
}

fn json_of(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// The names of an object's fields.
fn fields(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// A list of the site's CA as `openssl ca` writes it: these lines of its index, these extensions.  None = no openssl.
fn write_list_by_openssl(site: &Site, index: &str, extensions: &str) -> Option<()> {
    site.write("index.txt", index);
    site.write("crlnumber", "0A10\n");
    site.write(
        "ca.cnf",
        format!(
            "[ca]\ndefault_ca = site\n[site]\ndatabase = index.txt\ncrlnumber = crlnumber\ndefault_md = sha256\n\
             default_crl_days = 7\ncrl_extensions = list\n[list]\nauthorityKeyIdentifier = keyid\n{extensions}"
        ),
    );
    let line = "ca -config ca.cnf -gencrl -keyfile ca.key -cert intermediate_ca.pem -out made.pem";
    let run = site.openssl(&line.split(' ').collect::<Vec<&str>>())?;
    assert_eq!(run.code, Some(0), "{run:?}");
    Some(())
}

/// Revoked in each of the ways that OpenSSL's index knows; 61 entries.
fn index_of_many() -> String {
    let reasons = [
        "",
        ",unspecified",
        ",keyCompromise",
        ",superseded",
        ",superseded",
        ",CACompromise",
        ",keyTime,20251224120000Z",
        ",holdInstruction,holdInstructionReject",
        ",cessationOfOperation",
    ];
    (0..61)
        .map(|number| {
            let reason = reasons[number % reasons.len()];
            format!(
                "R\t350101000000Z\t260101000000Z{reason}\t{:04X}\tunknown\t/CN=a\n",
                0x1000 + number
            )
        })
        .collect()
}

#[test]
fn what_is_shown_is_what_openssl_counts() {
    let site = Site::new();
    if write_list_by_openssl(&site, &index_of_many(), "").is_none() {
        return;
    }
    let arguments = ["crl", "-in", "made.pem", "-noout", "-text", "-hash"];
    let text = site.openssl(&arguments).unwrap().stdout;
    let count = |part: &str| text.lines().filter(|line| line.trim() == part).count();
    let shown = json_of(&show(&site, &["made.pem", "--json"]));
    let serials = text.matches("Serial Number: ").count();
    assert_eq!((serials, &shown["entries"]), (61, &json!(61)), "{text}");
    let by_openssl = [
        ("keyCompromise", "Key Compromise"),
        ("superseded", "Superseded"),
        ("cACompromise", "CA Compromise"),
        ("certificateHold", "Certificate Hold"),
        ("cessationOfOperation", "Cessation Of Operation"),
    ];
    let mut with_reason = 0;
    for (name, label) in by_openssl {
        assert!(count(label) > 0, "{label}: {text}");
        assert_eq!(shown["by_reason"][name], count(label), "{name}: {text}");
        with_reason += count(label);
    }
    assert_eq!(shown["by_reason"]["unspecified"], 61 - with_reason);
    assert_eq!(
        shown["invalidity_dates"],
        text.matches("Invalidity Date").count()
    );
    assert_eq!(
        (&shown["number"], &shown["number_hex"]),
        (&json!("2576"), &json!("0a10"))
    );
    assert!(text.contains("0x0A10") || text.contains("2576"), "{text}");
    assert_eq!(shown["issuer"], "CN=Site Intermediate");
    assert_eq!(shown["form"], "pem");
    // For people the same.
    let people = show(&site, &["made.pem"]);
    assert_eq!(people.code, Some(0), "{people:?}");
    for part in [
        "CN=Site Intermediate",
        "2576",
        "all certificates of the issuer",
        "not verified",
        "nextUpdate",
        "invalidity dates",
    ] {
        assert!(people.stdout.contains(part), "no {part:?} in {people:?}");
    }
    assert!(!people.stdout.contains('\x1b'), "{people:?}");
    assert_eq!(people.stderr, "");
}

#[test]
fn der_and_pem_show_the_same_list() {
    let site = Site::new();
    let der = site.ca.crl(&site.first_crl());
    site.write("crl.der", &der);
    site.write("crl.pem", pem("X509 CRL", &der));
    let of = |name| {
        let mut shown = json_of(&show(&site, &[name, "--json"]));
        for field in ["file", "form", "file_bytes"] {
            shown[field] = Value::Null;
        }
        shown
    };
    assert_eq!(of("crl.der"), of("crl.pem"));
    for (name, form) in [("crl.der", "der"), ("crl.pem", "pem")] {
        let shown = json_of(&show(&site, &[name, "--json"]));
        let file_bytes = std::fs::metadata(site.file(name)).unwrap().len();
        assert_eq!(shown["form"], form);
        assert_eq!(shown["file_bytes"], file_bytes, "{name}");
        assert_eq!(shown["der_bytes"], der.len(), "{name}");
    }
}

#[test]
fn a_delta_a_part_and_other_scopes_are_named_in_words() {
    let site = Site::new();
    let index = "R\t350101000000Z\t260101000000Z,removeFromCRL\t1A2B3C\tunknown\t/CN=a\n";
    let extensions = "2.5.29.27 = critical,DER:02020A0F\nissuingDistributionPoint = critical, @scope\n\
                      [scope]\nfullname = URI:http://crl.example/part1\nonlyuser = TRUE\n\
                      onlysomereasons = keyCompromise, superseded\n";
    if write_list_by_openssl(&site, index, extensions).is_none() {
        return;
    }
    let people = show(&site, &["made.pem"]);
    let scope = "a delta over number 2575: user certificates only, the part at http://crl.example/part1, revoked for \
                 keyCompromise, superseded only";
    assert!(people.stdout.contains(scope), "{people:?}");
    assert!(people.stdout.contains("removeFromCRL"), "{people:?}");
    let shown = json_of(&show(&site, &["made.pem", "--json"]));
    assert_eq!(shown["base_number"], "2575");
    assert_eq!(shown["removed"], 1);
    assert_eq!(shown["scope"]["delta"], true);
    assert_eq!(shown["scope"]["partial"], true);
    assert_eq!(shown["scope"]["certificates"], "user");
    assert_eq!(shown["scope"]["uris"], json!(["http://crl.example/part1"]));
    assert_eq!(
        shown["scope"]["only_some_reasons"],
        json!(["keyCompromise", "superseded"])
    );
    // A delta that no longer calls it revoked is no list without it.
    let found = show(&site, &["made.pem", "--find", "1a:2b:3c"]);
    assert_eq!(found.code, Some(0), "{found:?}");
    assert!(found.stdout.contains("removed from the list"), "{found:?}");
    let absent = show(&site, &["made.pem", "--find", "01"]);
    assert_eq!(absent.code, Some(3), "{absent:?}");
    assert!(
        absent.stdout.contains("the complete CRL may name it"),
        "{absent:?}"
    );
    // It would be used, over its base and beside the other parts.
    let checked = check(&site, &["made.pem"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    for part in [
        "accepted as a delta over number 2575",
        "number 2575 or higher",
        "covers only the part at http://crl.example/part1",
    ] {
        assert!(checked.stdout.contains(part), "no {part:?} in {checked:?}");
    }
}

/// An indirect list of the site's CA, its signature made up: one certificate of its own, two of the root, one more of its own.
fn indirect_list(site: &Site) -> Vec<u8> {
    let critical = |identifier, value: &[u8]| extension(identifier, true, value);
    let issuer = |name: &[u8]| {
        let names = element(tag::SEQUENCE, &element(tag::context(4), name));
        element(tag::SEQUENCE, &critical(oid::CERTIFICATE_ISSUER, &names))
    };
    let entry = |serial: &[u8], extensions: &[u8]| {
        let (serial, time) = (
            element(tag::INTEGER, serial),
            element(tag::UTC_TIME, b"260101000000Z"),
        );
        sequence(&[&serial, &time, extensions])
    };
    let entries = sequence(&[
        &entry(GOOD, &[]),
        &entry(REVOKED, &issuer(&site.root.name)),
        &entry(LATER, &[]),
        &entry(REVOKED, &issuer(&site.ca.name)),
    ]);
    let scope = sequence(&[&element(tag::context_primitive(4), &[0xff])]);
    let extensions = element(
        tag::context(0),
        &sequence(&[&critical(oid::ISSUING_DISTRIBUTION_POINT, &scope)]),
    );
    let algorithm = site.ca.key.kind().signature_algorithm().der();
    let tbs = sequence(&[
        &element(tag::INTEGER, &[1]),
        algorithm,
        &site.ca.name,
        &element(tag::UTC_TIME, b"260101000000Z"),
        &element(tag::UTC_TIME, b"360101000000Z"),
        &entries,
        &extensions,
    ]);
    sequence(&[&tbs, algorithm, &element(tag::BIT_STRING, &[0; 9])])
}

#[test]
fn an_indirect_list_tells_whose_certificates_it_is_about() {
    let site = Site::new();
    site.write("indirect.crl", indirect_list(&site));
    let people = show(&site, &["indirect.crl"]);
    for part in [
        "certificates of other issuers (indirect)",
        "2 entries are about certificates of other issuers:",
        "2  CN=Site Root",
        "at most",
    ] {
        assert!(people.stdout.contains(part), "no {part:?} in {people:?}");
    }
    let shown = json_of(&show(
        &site,
        &["indirect.crl", "--json", "--find", "4d5e6f"],
    ));
    assert_eq!(
        (&shown["entries"], &shown["other_issuers_entries"]),
        (&json!(4), &json!(2))
    );
    assert_eq!(
        shown["other_issuers"],
        json!([{ "issuer": "CN=Site Root", "entries": 2 }])
    );
    assert_eq!(shown["duplicates"], Value::Null);
    let issuers = shown["find"][0]["entries"].as_array().unwrap().iter();
    let issuers: Vec<&Value> = issuers.map(|entry| &entry["certificate_issuer"]).collect();
    assert_eq!(issuers, ["CN=Site Root", "CN=Site Intermediate"]);
    let found = show(&site, &["indirect.crl", "--find", "707172"]);
    assert!(
        found.stdout.contains("a certificate of CN=Site Root"),
        "{found:?}"
    );
}

#[test]
fn a_serial_is_found_however_it_is_written() {
    let site = Site::new();
    let mut spec = site
        .first_crl()
        .revoke(LATER, Some(CrlReason::CertificateHold));
    spec.entries[0].invalidity_date = Some(now().plus_seconds(-7200));
    site.write_crl(&spec);
    for serial in [
        "4d5e6f",
        "4D5E6F",
        "0x4D5E6F",
        "4d:5e:6f",
        "serial=4D5E6F",
        "004d5e6f",
    ] {
        let found = show(&site, &["crl.pem", "--find", serial]);
        assert_eq!(found.code, Some(0), "{serial}: {found:?}");
        for part in [
            "4d5e6f: revoked",
            "(1 h ago), keyCompromise",
            "invalid since",
        ] {
            assert!(found.stdout.contains(part), "{serial}: {found:?}");
        }
    }
    let held = show(&site, &["crl.pem", "--find", "707172"]);
    assert!(held.stdout.contains("707172: on hold since"), "{held:?}");
    let both = show(&site, &["crl.pem", "--find", "4d5e6f", "--find", "1a2b3c"]);
    assert_eq!(both.code, Some(3), "{both:?}");
    assert!(both.stdout.contains("4d5e6f: revoked"), "{both:?}");
    assert!(both.stdout.contains("1a2b3c: not in the list"), "{both:?}");
    let shown = show(
        &site,
        &["crl.pem", "--json", "--find", "4d5e6f", "--find", "1a2b3c"],
    );
    assert_eq!(shown.code, Some(3), "{shown:?}");
    let found = &json_of(&shown)["find"];
    assert_eq!(found[0]["found"], true);
    assert_eq!(found[0]["entries"][0]["status"], "revoked");
    assert_eq!(found[0]["entries"][0]["reason"], "keyCompromise");
    assert_eq!(
        found[0]["entries"][0]["certificate_issuer"],
        "CN=Site Intermediate"
    );
    assert!(found[0]["entries"][0]["invalidity_date"].is_string());
    assert_eq!(
        found[1],
        json!({ "serial": "1a2b3c", "found": false, "entries": [] })
    );
    for none in ["", "xyz", "4d:5e:6", "0x"] {
        let refused = show(&site, &["crl.pem", "--find", none]);
        assert_eq!(refused.code, Some(2), "{none:?}: {refused:?}");
        assert!(
            refused.stderr.contains("is not a serial number in hex"),
            "{refused:?}"
        );
    }
}

#[test]
fn defects_expiry_and_duplicates_are_named() {
    let site = Site::new();
    let mut spec = CrlSpec::new(10)
        .revoke(&[0x80, 0x01], None)
        .revoke(&[0x00, 0x01], None)
        .revoke(&[0x01], None);
    spec.number = None;
    spec.entries[0].says_unspecified = true;
    spec.this_update = now().plus_seconds(-86_400);
    spec.next_update = Some(now().plus_seconds(-3600));
    site.write_crl(&spec);
    let people = show(&site, &["crl.pem"]);
    assert_eq!(people.code, Some(0), "{people:?}");
    for part in [
        "(1 h ago): expired",
        "negative serial",
        "serial with needless leading octets",
        "no cRLNumber",
        "reasonCode unspecified",
        "duplicates",
    ] {
        assert!(people.stdout.contains(part), "no {part:?} in {people:?}");
    }
    let shown = json_of(&show(&site, &["crl.pem", "--json"]));
    assert_eq!(shown["expired"], true);
    assert_eq!(shown["duplicates"], 1);
    assert_eq!(shown["number"], Value::Null);
    assert_eq!(shown["defects"]["negative serial"], 1);
}

/// What is no list, and what must be said of it.
fn no_lists(site: &Site) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let list = site.ca.crl(&site.first_crl());
    let armoured = pem("X509 CRL", &list);
    let key = ocspry_testkit::pem_to_der(&site.ca.key.pkcs8_pem());
    vec![
        (
            "a certificate as PEM",
            site.ca.certificate_pem().into(),
            "\"CERTIFICATE\"",
        ),
        (
            "a certificate",
            site.ca.certificate.clone(),
            "is the certificate of CN=Site Intermediate",
        ),
        (
            "a key as PEM",
            site.ca.key.pkcs8_pem().into(),
            "\"PRIVATE KEY\"",
        ),
        ("a key", key, "is a private key"),
        ("an OCSP request", site.request(GOOD), "is an OCSP request"),
        (
            "an OCSP error",
            vec![0x30, 0x03, 0x0a, 0x01, 0x06],
            "is an OCSP response",
        ),
        (
            "a web page",
            b"\n<!DOCTYPE html>\n<title>Log in</title>".to_vec(),
            "is a web page",
        ),
        (
            "gzip",
            vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0],
            "is compressed by gzip",
        ),
        (
            "text",
            b"hello\n".to_vec(),
            "is not a CRL, neither as DER nor as PEM",
        ),
        ("nothing", Vec::new(), "is empty"),
        ("half a list", list[..list.len() / 2].to_vec(), "is cut off"),
        (
            "half a list as PEM",
            armoured[..200].into(),
            "line 1: the PEM block that begins here has no end",
        ),
        ("two lists", armoured.repeat(2).into(), "holds several CRLs"),
    ]
}

#[test]
fn what_is_no_list_is_named_by_what_it_is_in_one_line() {
    let site = Site::new();
    std::fs::create_dir(site.file("directory")).unwrap();
    mkfifoat(CWD, site.file("pipe"), Mode::RWXU).unwrap();
    let mut cases: Vec<(&str, &str, &str)> = vec![
        ("a directory", "directory", "is a directory"),
        ("a pipe", "pipe", "is a pipe"),
        ("a file that is not there", "absent", "No such file"),
    ];
    let contents = no_lists(&site);
    for (what, content, said) in &contents {
        site.write(what, content);
        cases.push((what, what, said));
    }
    for (what, name, said) in cases {
        for finished in [show(&site, &[name]), check(&site, &[name])] {
            assert_eq!(finished.code, Some(1), "{what}: {finished:?}");
            assert_eq!(finished.stdout, "", "{what}");
            let start = format!("error: CRL {name}: ");
            assert!(finished.stderr.starts_with(&start), "{what}: {finished:?}");
            assert!(
                finished.stderr.contains(said),
                "{what}: no {said:?} in {finished:?}"
            );
            assert_eq!(finished.stderr.lines().count(), 1, "{what}: {finished:?}");
        }
    }
}

#[test]
fn a_certificate_request_is_named() {
    let site = Site::new();
    let line = "req -new -key ca.key -subj /CN=x -outform DER -out request.der";
    let Some(run) = site.openssl(&line.split(' ').collect::<Vec<&str>>()) else {
        return;
    };
    assert_eq!(run.code, Some(0), "{run:?}");
    let shown = show(&site, &["request.der"]);
    assert!(
        shown.stderr.contains("is a certificate request, not a CRL"),
        "{shown:?}"
    );
}

#[test]
fn a_list_that_serve_would_use_is_accepted_with_its_facts() {
    let site = Site::new();
    let checked = check(&site, &["crl.pem"]);
    assert_eq!(
        (checked.code, checked.stderr.as_str()),
        (Some(0), ""),
        "{checked:?}"
    );
    for part in [
        "crl.pem: accepted",
        "CN=Site Intermediate",
        "verified",
        "nextUpdate",
    ] {
        assert!(checked.stdout.contains(part), "no {part:?} in {checked:?}");
    }
    let verdict = json_of(&check(&site, &["crl.pem", "--json"]));
    assert_eq!(verdict["accepted"], true);
    assert_eq!(verdict["reason"], Value::Null);
    assert!(verdict["table_bytes"].is_u64(), "{verdict}");
    assert_eq!(verdict["list"]["revoked"], 1);
    let help = crl(&site, &["check", "--help"]);
    assert!(help.stdout.contains("--json"), "{help:?}");
}

#[test]
fn a_list_that_serve_would_not_use_is_refused_with_the_reason() {
    let site = Site::new();
    let good = site.first_crl();
    let accepted = json_of(&check(&site, &["crl.pem", "--json"]));
    let another = Authority::root("Another CA", KeyKind::P256);
    let mut critical = good.clone();
    critical.unknown_critical_extension = true;
    let mut expired = good.clone().until(now().plus_seconds(-60));
    expired.this_update = now().plus_seconds(-7200);
    let future = good.clone().made_at(now().plus_seconds(3600));
    let cases = [
        (
            "forged",
            forge(&site.ca.crl(&good)),
            "its signature does not verify",
            false,
        ),
        (
            "foreign",
            another.crl(&good),
            "was issued by CN=Another CA, not by CN=Site Intermediate",
            false,
        ),
        (
            "critical",
            site.ca.crl(&critical),
            "critical extension 1.3.6.1.4.1.99999.1",
            false,
        ),
        ("expired", site.ca.crl(&expired), "expired on", true),
        ("future", site.ca.crl(&future), "is from the future", true),
    ];
    for (name, der, said, has_facts) in cases {
        site.write(name, der);
        let checked = check(&site, &[name]);
        assert_eq!(checked.code, Some(1), "{name}: {checked:?}");
        assert!(
            checked.stderr.contains(said),
            "{name}: no {said:?} in {checked:?}"
        );
        assert_eq!(checked.stderr.lines().count(), 1, "{name}: {checked:?}");
        assert_eq!(
            checked.stdout.contains("not used now"),
            has_facts,
            "{name}: {checked:?}"
        );
        let checked = check(&site, &[name, "--json"]);
        assert_eq!(
            (checked.code, checked.stderr.as_str()),
            (Some(1), ""),
            "{name}: {checked:?}"
        );
        let verdict = json_of(&checked);
        assert_eq!(verdict["accepted"], false, "{name}");
        assert_eq!(fields(&verdict), fields(&accepted), "{name}");
        assert!(
            verdict["reason"].as_str().unwrap().contains(said),
            "{name}: {verdict}"
        );
        assert_eq!(
            verdict["table_bytes"].is_u64(),
            has_facts,
            "{name}: {verdict}"
        );
        assert_eq!(verdict["list"].is_object(), has_facts, "{name}: {verdict}");
    }
}

#[test]
fn another_key_of_the_ca_may_sign_when_it_is_named() {
    let site = Site::new();
    let mut same_name = ocspry_testkit::CertificateSpec::authority("Site Intermediate");
    same_name.serial = Some(vec![0x09]);
    let key = ocspry_testkit::TestKey::generate(KeyKind::P256);
    let other_key = Authority::root_from(&same_name, key);
    site.write(
        "crl.pem",
        pem("X509 CRL", &other_key.crl(&site.first_crl())),
    );
    site.write("other_key.pem", other_key.certificate_pem());
    assert_eq!(check(&site, &["crl.pem"]).code, Some(1));
    let checked = check(&site, &["crl.pem", "--crl-issuer", "other_key.pem"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
}

#[test]
fn a_ca_certificate_that_cannot_be_read_is_named() {
    let site = Site::new();
    for (name, said) in [
        ("absent.pem", "No such file"),
        ("crl.pem", "not a certificate"),
    ] {
        let checked = crl(&site, &["check", "crl.pem", "--ca", name]);
        assert_eq!(checked.code, Some(1), "{checked:?}");
        assert!(
            checked
                .stderr
                .starts_with(&format!("error: CA certificate {name} ")),
            "{checked:?}"
        );
        assert!(checked.stderr.contains(said), "{checked:?}");
    }
    assert_eq!(crl(&site, &["check", "crl.pem"]).code, Some(2));
}

#[test]
fn programs_find_every_field_whatever_the_list_says() {
    let site = Site::new();
    site.write_crl(&CrlSpec::new(10));
    let empty = json_of(&show(&site, &["crl.pem", "--json"]));
    site.write_crl(&CrlSpec::new(11).revoke(REVOKED, Some(CrlReason::KeyCompromise)));
    let full = json_of(&show(&site, &["crl.pem", "--json"]));
    assert_eq!(fields(&empty), fields(&full));
    for field in [
        "file_bytes",
        "der_bytes",
        "table_bytes",
        "entries",
        "invalidity_dates",
        "removed",
    ] {
        assert!(
            empty[field].is_u64() && full[field].is_u64(),
            "{field}: {full}"
        );
    }
    let documented = include_str!("../../../../docs/reference/crl.md");
    let verdict = json_of(&check(&site, &["crl.pem", "--json"]));
    let all = [&full, &full["scope"], &verdict, &verdict["list"]]
        .map(fields)
        .concat();
    for field in all {
        assert!(
            documented.contains(&format!("`{field}`")),
            "docs/reference/crl.md lacks `{field}`"
        );
    }
}
