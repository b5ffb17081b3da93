//! What a CRL file may be, and what each of the others is called.

use std::path::Path;
use std::sync::Arc;

use ocspry_core::{Absence, Lookup, OwnedCertificate, Revocation};
use ocspry_source::{
    CrlSigners, CrlWarning, ListLoad, LoadedList, Progress, SourceError, SourceLimits, crl_issuer,
};
use ocspry_testkit::{Authority, CrlEntrySpec, KeyKind, TestKey, forge, pem};
use ocspry_testkit::{CertificateSpec, CrlSpec};
use ocspry_wire::Time;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::SerialNumber;

use crate::site::{Site, assert_in_use, assert_quiet, refused, swapped};

#[test]
fn crl_05_der_and_pem_and_pem_with_text_around_it_are_the_same_list() {
    let site = Site::new();
    let der = site.ca.crl(&site.list(1, 5));
    let block = pem("X509 CRL", &der);
    let certificate = site.ca.certificate_pem();
    let forms = [
        der.clone(),
        block.clone().into_bytes(),
        format!("Certificate Revocation List (CRL):\n  Version 2\n{block}\nthe end\n").into_bytes(),
        format!(
            "0 is how this text begins\r\n{}",
            block.replace('\n', "\r\n")
        )
        .into_bytes(),
        format!("{certificate}{block}").into_bytes(),
        format!("\u{feff}{block}").into_bytes(),
    ];
    for form in forms {
        site.put(&form);
        assert_eq!(crl_issuer(&site.crl_path()).unwrap(), site.ca.name);
        let mut refresher = site.restarted();
        swapped(refresher.refresh(site.now));
        assert_in_use(&refresher, 1);
        let copy = std::fs::read(site.state_file("last-good.crl")).unwrap();
        assert_eq!(copy, der, "{}", String::from_utf8_lossy(&form));
        std::fs::remove_dir_all(site.state_path()).unwrap();
    }
}

#[test]
fn crl_01_a_list_without_entries_revokes_nobody() {
    let site = Site::new();
    let list = CrlSpec {
        entries: Vec::new(),
        ..site.list(1, 5)
    };
    site.put_list(&list);
    let mut refresher = site.stateless();
    assert_eq!(swapped(refresher.refresh(site.now)).facts.entry_count, 0);
    let table = refresher.issuer().table().unwrap();
    assert_eq!(table.absence(), Absence::NotRevoked);
    for serial in [&[1][..], &[0x7f; 20]] {
        let serial = SerialNumber::from_content(serial).unwrap();
        assert_eq!(table.lookup(&serial), Lookup::Absent);
    }
}

#[test]
fn crl_03_every_entry_of_a_large_unsorted_list_is_found_and_nothing_else_is() {
    let serial = |number: u32| {
        // A multiplication that is undone by no order: neighbours lie far apart.
        let scattered = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut octets = vec![0x01];
        octets.extend_from_slice(&scattered.to_be_bytes());
        octets
    };
    let site = Site::new();
    let list = (0..10_000).fold(
        CrlSpec {
            entries: Vec::new(),
            ..site.list(1, 5)
        },
        |list, number| list.revoke(&serial(number), Some(CrlReason::Superseded)),
    );
    site.put_list(&list);
    let mut refresher = site.stateless();
    assert_eq!(
        swapped(refresher.refresh(site.now)).facts.entry_count,
        10_000
    );
    let table = refresher.issuer().table().unwrap();
    for number in 0..12_000 {
        let found = table.lookup(&SerialNumber::from_content(&serial(number)).unwrap());
        assert_eq!(
            matches!(found, Lookup::Revoked(_)),
            number < 10_000,
            "{number}"
        );
    }
}

#[test]
fn every_kind_of_key_can_sign_a_list() {
    for kind in KeyKind::ALL {
        let site = Site {
            ca: Authority::root("Example CA", kind),
            ..Site::new()
        };
        site.put_list(&site.list(1, 5));
        let mut refresher = site.stateless();
        swapped(refresher.refresh(site.now));
        assert_in_use(&refresher, 1);
    }
}

#[test]
fn revocation_time_reason_and_invalidity_date_are_kept() {
    let site = Site::new();
    let mut list = site.list(1, 5).revoke(&[7], Some(CrlReason::KeyCompromise));
    let revoked_at = site.now.plus_seconds(-3600);
    let invalid_since = site.now.plus_seconds(-7200);
    list.entries = vec![CrlEntrySpec {
        serial: vec![0x00, 0xff],
        revocation_time: revoked_at,
        reason: Some(CrlReason::KeyCompromise),
        says_unspecified: false,
        invalidity_date: Some(invalid_since),
        unknown_critical_extension: false,
        more_extensions: Vec::new(),
    }];
    site.put_list(&list);
    let mut refresher = site.stateless();
    let swapped = swapped(refresher.refresh(site.now));
    assert_eq!((swapped.facts.entry_count, swapped.is_expired), (1, false));
    let table = refresher.issuer().table().unwrap();
    let Lookup::Revoked(info) = table.lookup(&SerialNumber::from_content(&[0x00, 0xff]).unwrap())
    else {
        panic!("not revoked");
    };
    assert_eq!(info.revocation_time, revoked_at);
    assert_eq!(info.reason, Some(CrlReason::KeyCompromise));
    assert_eq!(info.invalidity_date, Some(invalid_since));
    assert_eq!(table.window().this_update, list.this_update);
    assert_eq!(Some(table.window().next_update), list.next_update);
}

#[test]
fn crl_07_crl_08_what_is_not_a_usable_list_is_refused_by_name() {
    let site = Site::new();
    let good = site.ca.crl(&site.list(1, 5));
    let other = Authority::root("Other CA", KeyKind::P256);
    let twin = Authority::root("Example CA", KeyKind::P256);
    let p384 = Authority::root("Example CA", KeyKind::P384);
    let unknown_extension = CrlSpec {
        unknown_critical_extension: true,
        ..site.list(1, 5)
    };
    let mut unknown_entry_extension = site.list(1, 5).revoke(&[2], None);
    unknown_entry_extension.entries[1].unknown_critical_extension = true;
    let block = pem("X509 CRL", &good);
    let middle = block.find("\nM").unwrap() + 10;
    let bad_base64 = [&block[..middle], "?", &block[middle + 1..]].concat();

    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "is empty"),
        (
            "one octet",
            vec![0x30],
            "is not a CRL, neither as DER nor as PEM",
        ),
        (
            "text",
            b"<html>404</html>".to_vec(),
            "is a web page (perhaps a log-in or error page that came in its place)",
        ),
        ("half of it", good[..good.len() / 2].to_vec(), "is cut off"),
        (
            "all but one octet",
            good[..good.len() - 1].to_vec(),
            "is cut off",
        ),
        (
            "a newline after the DER",
            [&good[..], b"\n"].concat(),
            "is not a CRL",
        ),
        (
            "two lists, DER",
            [&good[..], &good[..]].concat(),
            "is not a CRL",
        ),
        (
            "two lists, PEM",
            [&block[..], &block[..]].concat().into(),
            "holds several CRLs",
        ),
        (
            "half of the PEM",
            block[..block.len() / 2].into(),
            "line 1: the PEM block that begins here has no end",
        ),
        (
            "damaged PEM",
            bad_base64.into(),
            "not the base64 of a PEM block",
        ),
        (
            "a certificate, DER",
            site.ca.certificate.clone(),
            "is the certificate of CN=Example CA, not a CRL",
        ),
        (
            "a certificate, PEM",
            site.ca.certificate_pem().into(),
            "holds \"CERTIFICATE\", but no \"X509 CRL\"",
        ),
        (
            "a certificate in a CRL's armour",
            pem("X509 CRL", &site.ca.certificate).into(),
            "is the certificate of",
        ),
        (
            "a private key",
            site.ca.key.pkcs8_pem().into(),
            "holds \"PRIVATE KEY\"",
        ),
        (
            "another CA's list",
            other.crl(&site.list(1, 5)),
            "was issued by CN=Other CA, not by CN=Example CA",
        ),
        (
            "same name, other key",
            twin.crl(&site.list(1, 5)),
            "does not verify under the key of CN=Example CA",
        ),
        (
            "same name, other kind of key",
            p384.crl(&site.list(1, 5)),
            "does not verify",
        ),
        ("forged", forge(&good), "does not verify"),
        (
            "unknown critical extension",
            site.ca.crl(&unknown_extension),
            "critical extension 1.3.6.1.4.1.99999.1,",
        ),
        (
            "unknown critical entry extension",
            site.ca.crl(&unknown_entry_extension),
            "critical extension 1.3.6.1.4.1.99999.1 (octet ",
        ),
        (
            "nextUpdate before thisUpdate",
            site.ca
                .crl(&site.list(1, 5).until(site.now.plus_seconds(-600))),
            "is before its thisUpdate",
        ),
    ];
    for (name, content, expected) in cases {
        site.put(&content);
        let mut refresher = site.stateless();
        let sentence = refused(refresher.refresh(site.now));
        assert!(sentence.contains(expected), "{name}: {sentence}");
        let start = format!("CRL {}: ", site.crl_path().display());
        assert!(sentence.starts_with(&start), "{name}: {sentence}");
        assert!(!sentence.contains('\n'), "{name}: {sentence}");
        assert!(refresher.issuer().table().is_none(), "{name}");

        // The same file under a table that is in use: it stays.
        site.put_list(&site.list(3, 10));
        let mut refresher = site.stateless();
        swapped(refresher.refresh(site.now));
        site.put(&content);
        assert!(
            refused(refresher.refresh(site.now)).contains(expected),
            "{name}"
        );
        assert_in_use(&refresher, 3);
    }
}

#[test]
fn a_list_cut_off_anywhere_is_refused_as_der_and_as_pem() {
    let site = Site::new();
    let ca = OwnedCertificate::from_der(site.ca.certificate.clone()).unwrap();
    let der = site.ca.crl(&site.list(1, 5));
    let block = pem("X509 CRL", &der).into_bytes();
    for whole in [&der[..], block.trim_ascii_end()] {
        for length in 0..whole.len() {
            site.put(&whole[..length]);
            assert!(
                load(&site.crl_path(), &ca, site.now).is_err(),
                "{length} octets"
            );
        }
        site.put(whole);
        load(&site.crl_path(), &ca, site.now).unwrap();
    }
}

#[test]
fn crl_06_a_list_with_any_bit_turned_is_refused() {
    let site = Site::new();
    let ca = OwnedCertificate::from_der(site.ca.certificate.clone()).unwrap();
    let der = site.ca.crl(&site.list(1, 5));
    for position in 0..der.len() {
        let mut turned = der.clone();
        turned[position] ^= 1 << (position % 8);
        site.put(&turned);
        assert!(
            load(&site.crl_path(), &ca, site.now).is_err(),
            "octet {position}"
        );
    }
}

#[test]
fn what_is_not_a_file_is_refused_without_waiting() {
    let site = Site::new();
    let path = site.crl_path();
    let cause = || refused(site.stateless().refresh(site.now));
    assert!(
        cause().contains("cannot be read: No such file"),
        "{}",
        cause()
    );

    std::os::unix::fs::symlink(&path, &path).unwrap();
    assert!(cause().contains("cannot be read: "), "{}", cause());
    std::fs::remove_file(&path).unwrap();

    std::fs::create_dir(&path).unwrap();
    assert!(
        cause().contains("is a directory, not a file"),
        "{}",
        cause()
    );
    std::fs::remove_dir(&path).unwrap();

    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR).unwrap();
    assert!(cause().contains("is a pipe, not a file"), "{}", cause());
}

#[test]
fn a_file_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let site = Site::new();
    let der = site.ca.crl(&site.list(1, 5));
    site.put(&der);
    let bytes = der.len() as u64;
    let limited = |crl_bytes_max| {
        let ca = OwnedCertificate::from_der(site.ca.certificate.clone()).unwrap();
        let limits = SourceLimits {
            crl_bytes_max,
            ..SourceLimits::DEFAULT
        };
        ListLoad::open(&site.crl_path(), &signers(&ca), &limits).and_then(|load| load.run(site.now))
    };
    limited(bytes).unwrap();
    let error = limited(bytes - 1);
    assert!(
        matches!(error, Err(SourceError::TooLarge { .. })),
        "{error:?}"
    );
}

#[test]
fn crl_21_a_ca_whose_key_usage_lacks_crl_sign_cannot_sign_lists() {
    let mut spec = CertificateSpec::authority("Example CA");
    for (key_usage, may) in [(None, true), (Some(0x02), true), (Some(0x84), false)] {
        spec.key_usage = key_usage;
        let ca = Authority::root_from(&spec, TestKey::generate(KeyKind::P256));
        let site = Site { ca, ..Site::new() };
        site.put_list(&site.list(1, 5));
        let report = site.stateless().refresh(site.now);
        if may {
            swapped(report);
        } else {
            assert!(refused(report).contains("has a keyUsage without cRLSign"));
        }
    }
}

#[test]
fn crl_16_a_list_without_next_update_counts_for_a_day_from_when_its_file_was_written() {
    let site = Site::new();
    let list = CrlSpec {
        next_update: None,
        ..site.list(1, 3 * 24 * 60)
    };
    site.put_list(&list);
    let written = site.now.plus_seconds(-3600);
    set_modified(&site.crl_path(), written);
    let mut refresher = site.stateless();
    let first = swapped(refresher.refresh(site.now));
    let counts_until = written.plus_seconds(86_400);
    assert_eq!(first.facts.window.next_update, counts_until);
    assert_eq!(
        first.facts.warnings,
        [CrlWarning::NoNextUpdate { counts_until }]
    );

    // Written again with the same content: it counts anew.
    set_modified(&site.crl_path(), site.now.plus_seconds(-60));
    let second = swapped(refresher.refresh(site.now));
    assert_eq!(
        second.facts.window.next_update,
        site.now.plus_seconds(86_400 - 60)
    );

    // A file time in the future buys nothing.
    set_modified(&site.crl_path(), site.now.plus_seconds(365 * 86_400));
    assert_quiet(refresher.refresh(site.now));
}

#[test]
fn a_list_without_next_update_runs_out_although_its_file_is_post_dated() {
    let site = Site::new();
    let list = CrlSpec {
        next_update: None,
        ..site.list(1, 3 * 24 * 60)
    };
    site.put_list(&list);
    set_modified(&site.crl_path(), site.now.plus_seconds(365 * 86_400));
    let end = site.now.plus_seconds(86_400);
    let mut running = site.restarted();
    let first = swapped(running.refresh(site.now));
    assert_eq!(first.facts.window.next_update, end);
    for days in [1, 2, 366, 367] {
        let later = site.now.plus_seconds(days * 86_400);
        let mut restarted = site.restarted();
        assert_eq!(
            swapped(restarted.refresh(later)).facts.window.next_update,
            end,
            "{days}"
        );
        running.refresh(later);
        let window = running.issuer().table().unwrap().window();
        assert_eq!(window.next_update, end, "{days}");
    }
    // The file keeps its time when it is touched by something else.
    set_modified(&site.crl_path(), site.now.plus_seconds(365 * 86_400));
    let again = swapped(site.restarted().refresh(site.now.plus_seconds(3600)));
    assert_eq!(again.facts.window.next_update, end);
}

#[test]
fn a_file_of_many_other_blocks_is_refused_in_a_short_line() {
    let site = Site::new();
    let long = "\u{1b}".repeat(900);
    let text = format!("-----BEGIN {long}-----\n-----END {long}-----\n")
        + &"-----BEGIN A-----\n-----END A-----\n".repeat(5000);
    site.put(text.as_bytes());
    let sentence = refused(site.stateless().refresh(site.now));
    assert!(sentence.contains("\"A\", \"A\" and 499"), "{sentence}");
    assert!(
        sentence.len() < 300 && !sentence.contains('\u{1b}'),
        "{sentence}"
    );
}

#[test]
fn a_list_without_next_update_does_not_live_longer_by_a_restart() {
    let site = Site::new();
    let list = CrlSpec {
        next_update: None,
        ..site.list(1, 3 * 24 * 60)
    };
    site.put_list(&list);
    let written = site.now.plus_seconds(-3600);
    set_modified(&site.crl_path(), written);
    swapped(site.restarted().refresh(site.now));
    std::fs::remove_file(site.crl_path()).unwrap();
    let again = swapped(site.restarted().refresh(site.now));
    assert_eq!(again.facts.window.next_update, written.plus_seconds(86_400));
}

#[test]
fn the_lists_of_openssl_are_read_as_openssl_means_them() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/source/data");
    let ca_pem = std::fs::read(data.join("rsa-ca.pem")).unwrap();
    let ca = ocspry_wire::x509::pem::blocks(&ca_pem)
        .unwrap()
        .remove(0)
        .der;
    let ca = OwnedCertificate::from_der(ca).unwrap();
    let now = Time::from_generalized(b"20270101000000Z").unwrap();

    let with_text = load(&data.join("crl-with-text.pem"), &ca, now).unwrap();
    assert_eq!(
        with_text.facts.crl_number.as_ref().unwrap().to_string(),
        "4096"
    );
    assert_eq!(with_text.facts.warnings, []);
    let lookup = |serial: &[u8]| {
        with_text
            .serials
            .lookup(&SerialNumber::from_content(serial).unwrap())
    };
    let Some(Revocation::Revoked(compromised)) = lookup(&[0x10, 0x01]) else {
        panic!("not revoked")
    };
    assert_eq!(compromised.reason, Some(CrlReason::KeyCompromise));
    assert_eq!(
        compromised.revocation_time.to_string(),
        "2025-10-01T12:00:00Z"
    );
    let Some(Revocation::Revoked(plain)) = lookup(&[0x10, 0x02]) else {
        panic!("not revoked")
    };
    assert_eq!(plain.reason, None);
    assert_eq!(lookup(&[0x10, 0x03]), None);

    let sha1 = load(&data.join("crl-sha1.pem"), &ca, now).unwrap();
    assert_eq!(sha1.facts.warnings, [CrlWarning::Sha1Signature]);

    let partitioned = load(&data.join("crl-partitioned.pem"), &ca, now).unwrap();
    assert_ne!(partitioned.scope.to_string(), with_text.scope.to_string());
    assert!(
        load(&data.join("crl-delta.pem"), &ca, now)
            .unwrap()
            .is_delta()
    );
}

#[test]
fn a_file_written_in_place_is_refused_until_it_is_whole() {
    let site = Site::new();
    site.put_list(&site.list(1, 10));
    let mut refresher = site.stateless();
    swapped(refresher.refresh(site.now));
    let new = site.ca.crl(&site.list(2, 5));
    std::fs::write(site.crl_path(), &new[..100]).unwrap();
    assert!(refused(refresher.refresh(site.now)).contains("is cut off"));
    assert_quiet(refresher.refresh(site.now));
    assert_in_use(&refresher, 1);
    std::fs::write(site.crl_path(), &new).unwrap();
    swapped(refresher.refresh(site.now));
    assert_in_use(&refresher, 2);
}

fn load(path: &Path, ca: &OwnedCertificate, now: Time) -> Result<LoadedList, SourceError> {
    ListLoad::open(path, &signers(ca), &SourceLimits::DEFAULT)?.run(now)
}

fn signers(ca: &OwnedCertificate) -> Arc<CrlSigners> {
    Arc::new(CrlSigners::new(ca.clone(), Vec::new()))
}

fn set_modified(path: &Path, time: Time) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    let since_epoch = std::time::Duration::from_secs(time.unix_seconds().try_into().unwrap());
    file.set_modified(std::time::SystemTime::UNIX_EPOCH + since_epoch)
        .unwrap();
}

#[test]
fn how_far_a_load_is_is_told_while_nothing_is_in_use_and_not_beside_answers() {
    let site = Site::new();
    let mut refresher = site.stateless();
    let (told, heard) = std::sync::mpsc::channel();
    let path = site.crl_path();
    refresher.show_loads(Some(Box::new(move |shown, progress| {
        assert_eq!(shown, path);
        told.send(progress).unwrap();
    })));
    site.put_list(&site.list(1, 5));
    refresher.refresh(site.now);
    let first: Vec<Progress> = heard.try_iter().collect();
    assert_eq!(first.last(), Some(&Progress::Done));
    assert!(first.contains(&Progress::Sorting), "{first:?}");
    site.put_list(&site.list(2, 4));
    refresher.refresh(site.now);
    assert_in_use(&refresher, 2);
    assert_eq!(heard.try_iter().count(), 0);
}
