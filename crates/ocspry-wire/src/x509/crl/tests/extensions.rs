//! What the list says of itself.

use super::*;

#[test]
fn crl_10_an_unknown_critical_extension_makes_a_list_unusable() {
    let odd = extension(UNKNOWN, CRITICAL, &[]);
    let der = list(&[entry(&[1], &[])], &[number(1), odd.clone()]);
    let offset = find(&der, &odd);
    assert_eq!(
        read(&der).1,
        Err(CrlError::UnknownCriticalExtension { offset })
    );
}

#[test]
fn one_extension_twice_is_refused() {
    for twice in [number(1), base(1), scope(&[0x81, 1, 0xff]), key_id()] {
        let Err(CrlError::Der(error)) = read(&list(&[], &[twice.clone(), twice])).1 else {
            panic!()
        };
        assert_eq!(error.kind, DerErrorKind::DuplicateExtension);
    }
}

#[test]
fn crl_09_the_algorithm_outside_must_be_the_one_inside() {
    let mut der = full();
    let outside = der.len() - SIGNATURE.len() - 1;
    assert_eq!(der[outside], 0x02, "ecdsa-with-SHA256");
    der[outside] = 0x03;
    assert_eq!(read(&der).1, Err(CrlError::AlgorithmMismatch));
}

#[test]
fn crl_02_an_empty_sequence_of_entries_names_nobody_and_is_counted() {
    let extensions = [number(7), key_id()];
    let (entries, found) = accepted(&list(&[Vec::new()], &extensions));
    assert_eq!(entries, []);
    assert_eq!(found.defects.empty_revoked_certificates, 1);
    let (_, found) = accepted(&list(&[], &extensions));
    assert_eq!(found.defects.empty_revoked_certificates, 0);
}

#[test]
fn crl_04_a_list_of_version_1_is_read_and_counted() {
    let (entries, found) = accepted(&version_1());
    assert_eq!(serials(&entries), ["07"]);
    assert_eq!(found.defects.missing_version, 1);
}

#[test]
fn crl_22_number_and_key_are_known_or_their_lack_is_counted() {
    let (_, found) = accepted(&list(&[], &[number(300), key_id()]));
    assert_eq!(found.extensions.crl_number, Some(vec![1, 44]));
    assert_eq!(found.extensions.authority_key_id, Some(vec![9; 4]));
    assert_eq!(
        found.extensions.authority_key_id_der,
        Some(vec![0x30, 6, 0x80, 4, 9, 9, 9, 9])
    );
    assert_eq!(found.defects, CrlDefects::default());

    // By issuer and serial, without a keyIdentifier: not the form of RFC 5280, but not missing.
    let odd = extension(oid::AUTHORITY_KEY_IDENTIFIER, None, &[0x30, 3, 0x82, 1, 5]);
    let (_, found) = accepted(&list(&[], &[odd]));
    assert_eq!(found.extensions.authority_key_id, None);
    assert_eq!(
        found.extensions.authority_key_id_der,
        Some(vec![0x30, 3, 0x82, 1, 5])
    );
    let defects = found.defects;
    assert_eq!(
        (defects.missing_authority_key_id, defects.missing_crl_number),
        (0, 1)
    );
}

#[test]
fn a_delta_names_its_base_whether_that_is_critical_or_not() {
    let (_, found) = accepted(&list(&[], &[number(9), base(7), key_id()]));
    assert_eq!(found.extensions.base_crl_number, Some(vec![7]));
    assert_eq!(found.defects, CrlDefects::default());
    let odd = extension(oid::DELTA_CRL_INDICATOR, None, &[2, 1, 7]);
    let (_, found) = accepted(&list(&[], &[number(9), odd, key_id()]));
    assert_eq!(found.extensions.base_crl_number, Some(vec![7]));
    assert_eq!(found.defects.uncritical_delta_indicators, 1);
}

#[test]
fn remove_from_crl_is_a_defect_in_a_complete_list_only() {
    let entries = [entry(&[1], &[reason(8)])];
    for (extensions, count) in [(vec![number(9)], 1), (vec![number(9), base(7)], 0)] {
        let (entries, found) = accepted(&list(&entries, &extensions));
        assert!(entries[0].remove_from_crl);
        assert_eq!(found.defects.remove_from_crl, count);
    }
}

#[test]
fn crl_24_crl_25_crl_26_what_only_adds_is_read() {
    let (_, found) = accepted(&list(
        &[],
        &[
            extension(oid::FRESHEST_CRL, None, &freshest()),
            extension(oid::EXPIRED_CERTS_ON_CRL, None, b"\x18\x0f20200101000000Z"),
            extension(oid::MICROSOFT_NEXT_PUBLISH, None, b"\x17\x0d260108000000Z"),
        ],
    ));
    let extensions = found.extensions;
    assert_eq!(
        extensions.freshest_crl,
        ["http://example.com/a", "HTTPS://example.com/c"],
        "no ldap, no line breaks"
    );
    assert_eq!(extensions.freshest_crl_other_names, 2);
    assert_eq!(
        extensions.expired_certs_on_crl,
        Some(Time::from_unix(1_577_836_800))
    );
    assert_eq!(
        extensions.next_publish,
        Some(Time::from_unix(1_767_830_400))
    );
    assert_eq!(found.defects.unreadable_extensions, 0);
}

#[test]
fn what_only_adds_is_left_out_when_it_cannot_be_read_unless_it_is_critical() {
    for odd in [
        oid::FRESHEST_CRL,
        oid::EXPIRED_CERTS_ON_CRL,
        oid::MICROSOFT_NEXT_PUBLISH,
    ] {
        for value in [&b""[..], b"\x30\x00", b"\x04\x01x"] {
            let (_, found) = accepted(&list(&[], &[extension(odd, None, value)]));
            assert_eq!(found.defects.unreadable_extensions, 1);
            assert_eq!(found.extensions, CrlExtensions::default());
            assert!(
                read(&list(&[], &[extension(odd, CRITICAL, value)]))
                    .1
                    .is_err()
            );
        }
    }
}
