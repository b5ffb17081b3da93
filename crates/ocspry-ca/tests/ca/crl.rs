//! CRLs, as OpenSSL verifies and prints them.

use crate::pki::*;
use ocspry_ca::{
    BACKDATED_SECONDS, CaError, CaKey, CrlScope, DeltaEntry, DeltaList, HttpUrl, KeyAlgorithm,
    RevocationList, ScopeOfCertificates,
};
use ocspry_testkit::Openssl;
use ocspry_wire::Time;
use ocspry_wire::ocsp::CrlReason;
use ocspry_wire::x509::CertificateList;

#[test]
fn a_crl_is_the_same_whatever_the_order_of_its_entries() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    // RSA signs the same octets the same way; ECDSA does not.
    let ca = root(KeyAlgorithm::Rsa2048);
    let entries = vec![
        revoked(&[0x00, 0x80], Some(CrlReason::CertificateHold)),
        revoked(&[0x7f], None),
        revoked(&[0x01, 0x00], Some(CrlReason::CessationOfOperation)),
        revoked(&[0x40; 16], Some(CrlReason::AaCompromise)),
    ];
    let mut reversed = entries.clone();
    reversed.reverse();
    let list = list(128, NOW.plus_seconds(86_400));
    let crl = ca.crl(&list, entries, NOW).unwrap();
    assert_eq!(crl, ca.crl(&list, reversed, NOW).unwrap());

    let mut serials = Vec::new();
    let read = CertificateList::from_der(&crl, |entry| {
        serials.push(entry.serial_content.to_vec());
    })
    .unwrap();
    let header = read.header;
    assert_eq!(header.this_update, NOW.plus_seconds(-BACKDATED_SECONDS));
    assert_eq!(header.next_update, Some(NOW.plus_seconds(86_400)));
    assert_eq!(read.extensions.crl_number.as_deref(), Some(&[128][..]));
    assert_eq!(
        serials,
        [
            vec![0x7f],
            vec![0x00, 0x80],
            vec![0x01, 0x00],
            vec![0x40; 16]
        ]
    );

    openssl.write_crl("list.crl", &crl);
    let text = openssl.run("crl -in list.crl -noout -text");
    for line in [
        "Version 2 (0x1)",
        "Issuer: O = Example, CN = Test Root",
        "X509v3 CRL Number: \n                128",
        "Serial Number: 7F\n",
        "Certificate Hold",
        "Cessation Of Operation",
        "AA Compromise",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
}

#[test]
fn a_crl_names_the_key_that_signed_it_not_the_one_above() {
    let root = root(KeyAlgorithm::P256);
    let intermediate = intermediate_of(&root, None);
    let list = list(1, NOW.plus_seconds(60));
    let crl = intermediate.crl(&list, [], NOW).unwrap();
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let text = openssl.text(intermediate.certificate());
    let identifiers: Vec<_> = extensions(&text)
        .into_iter()
        .filter(|line| line.len() == 59)
        .collect();
    let of_crl = CertificateList::from_der(&crl, |_| {}).unwrap();
    let of_crl = of_crl.extensions.authority_key_id.unwrap();
    let of_crl: Vec<_> = of_crl.iter().map(|octet| format!("{octet:02X}")).collect();
    assert_eq!(
        of_crl.join(":"),
        identifiers[0],
        "the subject key identifier of its signer"
    );
    assert_ne!(of_crl.join(":"), identifiers[1]);
}

#[test]
fn a_crl_that_contradicts_itself_is_refused() {
    let ca = root(KeyAlgorithm::P256);
    let twice = [
        revoked(&[5], None),
        revoked(&[6], None),
        revoked(&[5], Some(CrlReason::Superseded)),
    ];
    let error = ca
        .crl(&list(1, NOW.plus_seconds(60)), twice, NOW)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the serial number 05 is in the revocation list twice"
    );
    let error = ca.crl(&list(1, NOW), [], NOW).unwrap_err();
    assert!(matches!(error, CaError::NextUpdatePast { .. }), "{error}");
}

fn url(url: &str) -> Vec<HttpUrl> {
    vec![HttpUrl::parse(url).unwrap()]
}

fn delta(number: u64, base: u64) -> DeltaList {
    DeltaList {
        number,
        base,
        previous_this_update: None,
        next_update: NOW.plus_seconds(86_400),
        scope: None,
    }
}

#[test]
fn a_delta_takes_back_what_the_complete_list_holds_and_openssl_applies_it() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    let key = CaKey::generate(KeyAlgorithm::P256).unwrap();
    let held = issue(&ca, "held", &key, server(&["held"]));
    let stolen = issue(&ca, "stolen", &key, server(&["stolen"]));
    openssl.write_certificate("root.pem", ca.certificate());
    openssl.write_certificate("held.pem", &held);
    openssl.write_certificate("stolen.pem", &stolen);

    let on_hold = revoked(
        held.view().serial_number.content(),
        Some(CrlReason::CertificateHold),
    );
    let complete = RevocationList {
        freshest: url("http://crl.example/delta.crl"),
        ..list(7, NOW.plus_seconds(86_400))
    };
    let complete = ca.crl(&complete, [on_hold], NOW).unwrap();
    let changes = [
        DeltaEntry::Removed {
            serial_number: held.view().serial_number,
            removal_time: NOW.plus_seconds(-700),
        },
        DeltaEntry::Revoked(revoked(
            stolen.view().serial_number.content(),
            Some(CrlReason::KeyCompromise),
        )),
    ];
    let delta_list = ca.delta_crl(&delta(8, 7), changes, NOW).unwrap();

    let read = CertificateList::from_der(&delta_list, |_| {}).unwrap();
    assert_eq!(read.extensions.crl_number.as_deref(), Some(&[8][..]));
    assert_eq!(read.defects, Default::default());
    openssl.write_crl("complete.crl", &complete);
    openssl.write_crl("delta.crl", &delta_list);
    let text = openssl.run("crl -in delta.crl -noout -text");
    for line in [
        "X509v3 Delta CRL Indicator: critical\n                7",
        "Remove From CRL",
        "Key Compromise",
    ] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    let text = openssl.run("crl -in complete.crl -noout -text");
    let freshest = "X509v3 Freshest CRL: \n                Full Name:\n                  URI:http://crl.example/delta.crl";
    assert!(text.contains(freshest), "{text}");

    let at = NOW.unix_seconds();
    let verify = format!(
        "verify -x509_strict -attime {at} -crl_check -use_deltas -extended_crl -CAfile root.pem -CRLfile complete.crl"
    );
    for (file, with_delta, is_good) in [
        ("held.pem", "", false),
        ("stolen.pem", "", true),
        ("held.pem", "-CRLfile delta.crl", true),
        ("stolen.pem", "-CRLfile delta.crl", false),
    ] {
        let run = openssl.try_run(&format!("{verify} {with_delta} {file}"));
        assert_eq!(
            run.code == Some(0),
            is_good,
            "{file} {with_delta}: {}{}",
            run.stdout,
            run.stderr
        );
    }
}

#[test]
fn a_delta_that_is_not_after_its_base_or_changes_one_certificate_twice_is_refused() {
    let ca = root(KeyAlgorithm::P256);
    for (number, base) in [(7, 7), (6, 7)] {
        let error = ca.delta_crl(&delta(number, base), [], NOW).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("the delta CRL {number} cannot be based on {base}: its number must be higher")
        );
    }
    let twice = [
        DeltaEntry::Revoked(revoked(&[5], None)),
        DeltaEntry::Removed {
            serial_number: serial(&[5]),
            removal_time: NOW,
        },
    ];
    let error = ca.delta_crl(&delta(8, 7), twice, NOW).unwrap_err();
    assert!(matches!(error, CaError::DuplicateSerial { .. }), "{error}");
}

#[test]
fn a_list_of_a_part_says_of_which() {
    let Some(openssl) = Openssl::find() else {
        return;
    };
    let ca = root(KeyAlgorithm::P256);
    let text = |distribution_point, certificates| {
        let scoped = RevocationList {
            scope: Some(CrlScope {
                distribution_point,
                certificates,
            }),
            ..list(1, NOW.plus_seconds(60))
        };
        let crl = ca.crl(&scoped, [], NOW).unwrap();
        openssl.write_crl("part.crl", &crl);
        openssl.run("crl -in part.crl -noout -text")
    };
    let said = text(url("http://crl.example/1"), ScopeOfCertificates::Users);
    for line in [
        "X509v3 Issuing Distribution Point: critical",
        "URI:http://crl.example/1",
        "Only User Certificates",
    ] {
        assert!(said.contains(line), "{line:?} in {said}");
    }
    let said = text(Vec::new(), ScopeOfCertificates::Cas);
    assert!(said.contains("Only CA Certificates"), "{said}");
    // A part that is everything is not said at all: RFC 5280 §5.2.5.
    let said = text(Vec::new(), ScopeOfCertificates::All);
    assert!(!said.contains("Issuing Distribution Point"), "{said}");
}

#[test]
fn a_list_is_backdated_but_never_before_its_entries_or_the_list_before() {
    let ca = root(KeyAlgorithm::P256);
    let this_update = |previous: Option<i64>, entry: i64| {
        let list = RevocationList {
            previous_this_update: previous.map(|seconds| NOW.plus_seconds(seconds)),
            ..list(1, NOW.plus_seconds(60))
        };
        let mut entry_now = revoked(&[1], None);
        entry_now.revoked.revocation_time = NOW.plus_seconds(entry);
        let crl = ca
            .crl(&list, [entry_now, revoked(&[2], None)], NOW)
            .unwrap();
        let read = CertificateList::from_der(&crl, |_| {}).unwrap();
        read.header.this_update.seconds_since(NOW)
    };
    for (previous, entry, expected) in [
        (None, -3600, -BACKDATED_SECONDS),
        (Some(-86_400), -3600, -BACKDATED_SECONDS),
        (None, -5, -5),
        (Some(-60), -3600, -60),
        (Some(-60), -5, -5),
        // What is ahead of the clock moves nothing ahead of it.
        (None, 3600, -BACKDATED_SECONDS),
        (Some(3600), -3600, 0),
    ] {
        assert_eq!(
            this_update(previous, entry),
            expected,
            "{previous:?} {entry}"
        );
    }
}

#[test]
fn a_long_list_is_written_in_order_whatever_the_order_it_comes_in() {
    const COUNT: u32 = 100_000;
    let ca = root(KeyAlgorithm::P256);
    let entry = |number: u32| {
        let scattered = number.wrapping_mul(2_654_435_761);
        revoked(&[&[0x40; 12], &scattered.to_be_bytes()[..]].concat(), None)
    };
    let crl = ca
        .crl(&list(1, Time::MAX), (0..COUNT).map(entry), NOW)
        .unwrap();
    let mut before = Vec::new();
    let mut count = 0;
    CertificateList::from_der(&crl, |entry| {
        assert!(before < entry.serial_content.to_vec());
        before = entry.serial_content.to_vec();
        count += 1;
    })
    .unwrap();
    assert_eq!(count, COUNT);
}
