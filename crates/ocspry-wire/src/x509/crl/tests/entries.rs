//! What an entry may say, and what refuses the list.

use super::*;

#[test]
fn they_come_in_order_and_stop_at_the_first_that_cannot_be_used() {
    let der = list(
        &[
            entry(&[1], &[]),
            entry(&[2], &[]),
            entry(&[3; 65], &[]),
            entry(&[4], &[]),
        ],
        &[],
    );
    let (entries, result) = read(&der);
    assert_eq!(serials(&entries), ["01", "02"]);
    let Err(CrlError::SerialTooLong { offset }) = result else {
        panic!("{result:?}")
    };
    assert_eq!(
        der[offset..][..3],
        [tag::INTEGER, 65, 3],
        "the offset is that of the INTEGER"
    );
}

#[test]
fn every_defect_is_counted_once_per_entry() {
    let unspecified = reason(0);
    let der = list(
        &[
            entry(&[0xff], std::slice::from_ref(&unspecified)),
            entry(&[0x80; 21], std::slice::from_ref(&unspecified)),
            entry(&[0x00, 0x01], &[]),
        ],
        &[],
    );
    let found: Vec<_> = accepted(&der).1.defects.found().collect();
    assert_eq!(
        found,
        [
            ("reasonCode unspecified", 2),
            ("negative serial", 2),
            ("serial of more than 20 octets", 1),
            ("serial with needless leading octets", 1),
            ("no cRLNumber", 1),
            ("no authorityKeyIdentifier", 1),
        ]
    );
}

#[test]
fn needless_octets_do_not_hide_an_entry() {
    let mut padded = vec![0x00; 100];
    padded.push(0x05);
    for (written, number) in [
        (&padded[..], &[0x05][..]),
        (&[0xff, 0xff, 0x80], &[0x80]),
        (&[0x00, 0x00, 0x80], &[0x00, 0x80]),
    ] {
        let (entries, _) = accepted(&list(&[entry(written, &[])], &[]));
        assert_eq!(
            entries[0].serial_number,
            SerialNumber::from_content(number).unwrap()
        );
    }
}

#[test]
fn crl_18_crl_19_a_reason_is_read_alike_alone_and_beside_others() {
    for code in 0..=u8::MAX {
        let alone = list(&[entry(&[1], &[reason(code)])], &[]);
        let beside = list(
            &[entry(&[1], &[reason(code), extension(UNKNOWN, None, &[])])],
            &[],
        );
        let critical = list(
            &[entry(
                &[1],
                &[extension(oid::REASON_CODE, CRITICAL, &[0x0a, 1, code])],
            )],
            &[],
        );
        let (entries, found) = accepted(&alone);
        assert_eq!(entries[0].revoked.reason, CrlReason::from_code(code));
        assert_eq!(entries[0].remove_from_crl, code == 8);
        let counted = found.defects.undefined_reasons
            + found.defects.unspecified_reasons
            + found.defects.remove_from_crl;
        assert_eq!(counted, u64::from(entries[0].revoked.reason.is_none()));
        for other in [beside, critical] {
            let (others, list) = accepted(&other);
            assert_eq!((others, list.defects), (entries.clone(), found.defects));
        }
    }
}

#[test]
fn crl_15_crl_17_times_are_read_in_both_spellings() {
    for (tag, text, unix_seconds, early, odd) in [
        (tag::UTC_TIME, "991231235958Z", 946_684_798, 0, 0),
        (tag::UTC_TIME, "500101000000Z", -631_152_000, 0, 0),
        (tag::UTC_TIME, "491231235959Z", 2_524_607_999, 0, 0),
        (tag::UTC_TIME, "2601010000Z", 1_767_225_600, 0, 1),
        (
            tag::GENERALIZED_TIME,
            "20260101000000Z",
            1_767_225_600,
            1,
            0,
        ),
        (
            tag::GENERALIZED_TIME,
            "99991231235959Z",
            253_402_300_799,
            0,
            0,
        ),
    ] {
        let (entries, list) = accepted(&list(&[entry_at(tag, text)], &[]));
        let time = entries[0].revoked.revocation_time;
        assert_eq!(time, Time::from_unix(unix_seconds), "{text}");
        let defects = list.defects;
        assert_eq!(
            (defects.early_generalized_times, defects.odd_utc_times),
            (early, odd),
            "{text}"
        );
    }
    for text in [
        "2602300000Z",
        "26010100000Z",
        "260101000060Z",
        "26o101000000Z",
    ] {
        let (_, result) = read(&list(&[entry_at(tag::UTC_TIME, text)], &[]));
        assert!(
            matches!(result, Err(CrlError::Der(error)) if error.kind == DerErrorKind::Value),
            "{text}: {result:?}"
        );
    }
}

#[test]
fn crl_11_an_unknown_critical_extension_of_one_entry_refuses_the_list() {
    let odd = extension(UNKNOWN, CRITICAL, &[]);
    let der = list(
        &[entry(&[1], &[]), entry(&[2], std::slice::from_ref(&odd))],
        &[],
    );
    let offset = find(&der, &odd);
    assert_eq!(
        read(&der).1,
        Err(CrlError::UnknownCriticalEntryExtension { offset })
    );
}

#[test]
fn crl_12_unknown_extensions_that_are_not_critical_are_passed_over() {
    let odd = extension(UNKNOWN, None, b"whatever this is");
    let (entries, found) = accepted(&list(
        &[entry(&[1], &[odd.clone(), reason(1)])],
        &[odd, number(7)],
    ));
    assert_eq!(entries[0].revoked.reason, Some(CrlReason::KeyCompromise));
    assert_eq!(found.extensions.crl_number.as_deref(), Some(&[7][..]));
}

#[test]
fn one_extension_twice_in_an_entry_is_refused() {
    let der = list(&[entry(&[1], &[reason(1), reason(2)])], &[]);
    let Err(CrlError::Der(error)) = read(&der).1 else {
        panic!()
    };
    assert_eq!(error.kind, DerErrorKind::DuplicateExtension);
}

#[test]
fn a_certificate_issuer_holds_until_the_next_one() {
    let der = list(
        &[
            entry(&[1], &[]),
            entry(&[2], &[certificate_issuer(&[OTHER_CA])]),
            entry(&[3], &[]),
            entry(&[4], &[reason(1)]),
            entry(&[5], &[reason(1), certificate_issuer(&[CA])]),
            entry(&[6], &[]),
        ],
        &[scope(&[0x84, 1, 0xff])],
    );
    let (entries, found) = accepted(&der);
    let issuers: Vec<_> = entries
        .iter()
        .map(|entry| entry.certificate_issuer.as_deref())
        .collect();
    let (ca, other) = (Some(CA), Some(OTHER_CA));
    assert_eq!(issuers, [None, other, other, other, ca, ca]);
    assert_eq!(found.defects.uncritical_certificate_issuers, 0);
    assert_eq!(found.entry_count, 6);
}

#[test]
fn a_certificate_issuer_in_a_list_that_is_not_indirect_refuses_it() {
    let issuer = certificate_issuer(&[OTHER_CA]);
    let entries = [
        entry(&[1], &[]),
        entry(&[2], std::slice::from_ref(&issuer)),
        entry(&[3], &[]),
    ];
    for extensions in [vec![], vec![number(1)], vec![scope(&[0x81, 1, 0xff])]] {
        let der = list(&entries, &extensions);
        let offset = find(&der, &issuer);
        assert_eq!(read(&der).1, Err(CrlError::NotIndirect { offset }));
    }
}

#[test]
fn a_certificate_issuer_that_is_not_one_directory_name_refuses_the_list() {
    let dns = [&[0x82, 7][..], b"example"].concat();
    for issuer in [
        certificate_issuer_of(CRITICAL, &dns),
        certificate_issuer_of(CRITICAL, &[]),
        certificate_issuer(&[CA, OTHER_CA]),
    ] {
        let der = list(
            &[entry(&[1], std::slice::from_ref(&issuer))],
            &[scope(&[0x84, 1, 0xff])],
        );
        let offset = find(&der, &issuer);
        assert_eq!(
            read(&der).1,
            Err(CrlError::CertificateIssuerUnclear { offset })
        );
    }
    let both = [dns, directory_name(CA)].concat();
    let issuer = certificate_issuer_of(CRITICAL, &both);
    let der = list(&[entry(&[1], &[issuer])], &[scope(&[0x84, 1, 0xff])]);
    assert_eq!(accepted(&der).0[0].certificate_issuer.as_deref(), Some(CA));
}

#[test]
fn a_certificate_issuer_that_is_not_critical_is_counted() {
    let issuer = certificate_issuer_of(None, &directory_name(CA));
    let (entries, found) = accepted(&list(&[entry(&[1], &[issuer])], &[scope(&[0x84, 1, 0xff])]));
    assert_eq!(entries[0].certificate_issuer.as_deref(), Some(CA));
    assert_eq!(found.defects.uncritical_certificate_issuers, 1);
}
