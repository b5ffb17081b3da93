//! Lists made to measure: every shape, every refusal, and that slices do not matter.

use proptest::prelude::*;

use super::*;
use crate::der::oid;
use crate::der::write::{push, push_header, push_nested};
use crate::ocsp::{CrlReason, RevokedInfo};
use crate::x509::SerialNumber;

/// A Name and its DER.
const CA: &[u8] = b"\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02CA";
const OTHER_CA: &[u8] = b"\x30\x10\x31\x0e\x30\x0c\x06\x03\x55\x04\x03\x0c\x05Other";
/// 1.2.3.4, which nobody knows.
const UNKNOWN: &[u8] = &[0x2a, 3, 4];
const CRITICAL: Option<u8> = Some(0xff);

mod pieces {
    use super::*;

    #[test]
    fn a_list_cut_anywhere_is_the_same_list() {
        for der in [full(), version_1(), empty(), indirect(), delta()] {
            let all = read(&der);
            assert!(all.1.is_ok(), "{:?}", all.1);
            assert_eq!(read_in(&der, 1), all, "octet by octet");
            for cut in 0..=der.len() {
                assert_eq!(read_cut(&der, &[cut]), all, "cut at {cut}");
            }
        }
    }

    #[test]
    fn crl_07_a_list_that_ends_anywhere_is_truncated_however_it_comes() {
        for der in [full(), indirect(), delta()] {
            for length in 0..der.len() {
                let cut_off = read(&der[..length]);
                let Err(CrlError::Der(error)) = cut_off.1 else {
                    panic!("{length}: {cut_off:?}")
                };
                assert_eq!(error.kind, DerErrorKind::Truncated, "{length}");
                assert!(error.offset <= length, "{length}: {error}");
                assert_eq!(read_in(&der[..length], 1), cut_off, "{length}");
            }
        }
    }

    #[test]
    fn a_list_with_any_octet_changed_says_the_same_however_it_comes() {
        for der in [full(), indirect(), delta()] {
            for at in 0..der.len() {
                for change in [0x01, 0x80, der[at]] {
                    let mut changed = der.clone();
                    changed[at] ^= change;
                    assert_eq!(read_in(&changed, 1), read(&changed), "{at} ^ {change:02x}");
                }
            }
        }
    }

    #[test]
    fn octets_behind_the_list_are_refused_and_the_list_is_gone() {
        let mut der = full();
        let length = der.len();
        der.push(0);
        let (_, result) = read(&der);
        assert_eq!(result, Err(error(length, DerErrorKind::TrailingData)));
        assert_eq!(read_in(&der, 1).1, result);

        let mut parser = CrlParser::new();
        assert_eq!(parser.push(&der[..length], |_| {}), Ok(length));
        assert_eq!(parser.push(&[], |_| {}), Ok(0), "nothing is no octet");
        assert!(parser.push(&[0], |_| {}).is_err());
        assert!(parser.push(&[], |_| {}).is_err(), "it stays refused");
        assert!(parser.finish().is_err());
    }

    #[test]
    fn the_header_is_known_before_the_first_entry() {
        let der = full();
        let mut parser = CrlParser::new();
        let before_entries = der.len() - behind_header(&der);
        assert_eq!(parser.push(&der[..before_entries - 1], |_| {}), Ok(0));
        assert_eq!(parser.header(), None);
        assert_eq!(
            parser.push(&der[..before_entries], |_| panic!("no entry yet")),
            Ok(before_entries)
        );
        let header = parser.header().unwrap();
        assert_eq!(header.der_bytes, der.len() as u64);
        assert_eq!(header.issuer, CA);
        assert_eq!(
            header.signature_algorithm,
            Some(SignatureAlgorithm::EcdsaSha256)
        );
        let tbs = header.tbs.start as usize..header.tbs.end as usize;
        assert_eq!(der[tbs.start], tag::SEQUENCE);
        assert_eq!(
            der[tbs.end..][..ALGORITHM.len()],
            *ALGORITHM,
            "the outer algorithm follows what is signed"
        );
    }

    #[test]
    fn a_piece_may_have_64_kib_and_no_octet_more() {
        for (octets, fits) in [
            (CrlParser::PIECE_MAX, true),
            (CrlParser::PIECE_MAX + 1, false),
        ] {
            // An entry.
            let der = list(&[entry(&[1], &[]), entry_of(octets)], &[]);
            let all = read(&der);
            assert_eq!(all.1.is_ok(), fits, "{octets}: {:?}", all.1);
            assert_eq!(read_in(&der, 1000), all);
            if !fits {
                let offset = der.len() - octets - ALGORITHM.len() - SIGNATURE.len();
                assert_eq!(all.1, Err(CrlError::PieceTooBig { offset }));
            }
            // What stands behind the entries.
            let padding = octets - list_extensions(&[extension(UNKNOWN, None, &[0; 60_000])]).len();
            let extensions = [extension(UNKNOWN, None, &vec![0; 60_000 + padding])];
            assert_eq!(list_extensions(&extensions).len(), octets);
            let der = list(&[], &extensions);
            let all = read(&der);
            assert_eq!(all.1.is_ok(), fits, "{octets}: {:?}", all.1);
            assert_eq!(read_in(&der, 1000), all);
        }
        // What stands before them.
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push_nested(out, tag::SEQUENCE, |out| {
                out.extend_from_slice(ALGORITHM);
                push(out, tag::SEQUENCE, &vec![0; CrlParser::PIECE_MAX]);
                push(out, tag::UTC_TIME, b"260101000000Z");
            });
            out.extend_from_slice(ALGORITHM);
            out.extend_from_slice(SIGNATURE);
        });
        let all = read(&der);
        assert!(
            matches!(all.1, Err(CrlError::PieceTooBig { .. })),
            "{all:?}"
        );
        assert_eq!(read_in(&der, 1000), all);
        assert_eq!(
            read(&der[..100]).1,
            all.1,
            "it is refused as soon as it is announced"
        );
    }

    #[test]
    fn a_list_of_more_than_4_gib_is_read_to_its_end() {
        let entry = entry_of(60_000);
        let count = (5_u64 << 30) / entry.len() as u64;
        let entries_length = count * entry.len() as u64;
        let long_header = |length: u64| {
            let mut header = vec![tag::SEQUENCE, 0x85];
            header.extend_from_slice(&length.to_be_bytes()[3..]);
            header
        };
        let mut before = ALGORITHM.to_vec();
        before.extend_from_slice(CA);
        push(&mut before, tag::UTC_TIME, b"260101000000Z");
        before.extend(long_header(entries_length));
        let tbs_length = before.len() as u64 + entries_length;
        let mut behind = ALGORITHM.to_vec();
        behind.extend_from_slice(SIGNATURE);
        let mut header = long_header(tbs_length + 7 + behind.len() as u64);
        header.extend(long_header(tbs_length));
        header.extend(before);

        let mut parser = CrlParser::new();
        assert_eq!(parser.push(&header, |_| {}), Ok(header.len()));
        for _ in 0..count {
            assert_eq!(parser.push(&entry, |_| {}), Ok(entry.len()));
        }
        let mut damaged = parser.clone();
        assert_eq!(parser.push(&behind, |_| {}), Ok(behind.len()));
        let found = parser.finish().unwrap();
        assert_eq!(found.entry_count, count);
        let length = (header.len() + behind.len()) as u64 + entries_length;
        assert_eq!(found.header.der_bytes, length);
        assert_eq!(found.header.tbs.end, length - behind.len() as u64);

        behind[0] = tag::INTEGER;
        let offset = usize::try_from(length).unwrap() - behind.len();
        assert_eq!(
            damaged.push(&behind, |_| {}),
            Err(error(offset, DerErrorKind::UnexpectedTag))
        );
    }

    #[test]
    fn a_length_beyond_the_element_around_is_refused_at_once() {
        // SEQUENCE of 20 octets around a SEQUENCE that announces 21, in the longest form that is still minimal.
        let inner = [0x30, 20, 0x30, 19];
        assert_eq!(
            read(&inner).1,
            Err(error(2, DerErrorKind::Truncated)),
            "19 and its header are 21"
        );
        let huge = [&[0x30, 0x88][..], &[0x7f; 8], &[0x30, 0x88], &[0x7f; 8]].concat();
        assert_eq!(read(&huge).1, Err(error(10, DerErrorKind::Truncated)));
        let beyond = [&[0x30, 0x88][..], &[0xff; 8]].concat();
        assert_eq!(read(&beyond).1, Err(error(0, DerErrorKind::Truncated)));
        let waits = [&[0x30, 0x88][..], &[0x7f; 8]].concat();
        assert_eq!(CrlParser::new().push(&waits, |_| {}), Ok(0));
    }

    proptest! {
        #[test]
        fn any_change_and_any_cuts_say_what_the_whole_says(
            which in 0_usize..3,
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut der = [full, indirect, delta][which]();
            for (at, octet) in changes {
                let at = at.index(der.len());
                der[at] = octet;
            }
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(der.len())).collect();
            cuts.sort_unstable();
            prop_assert_eq!(read_cut(&der, &cuts), read(&der));
        }
    }
}

mod entries {
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
        let (entries, found) =
            accepted(&list(&[entry(&[1], &[issuer])], &[scope(&[0x84, 1, 0xff])]));
        assert_eq!(entries[0].certificate_issuer.as_deref(), Some(CA));
        assert_eq!(found.defects.uncritical_certificate_issuers, 1);
    }
}

mod extensions {
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
}

mod scopes {
    use super::*;

    fn scoped(fields: &[u8]) -> Result<IssuingDistributionPoint, CrlError> {
        let (_, result) = read(&list(&[], &[scope(fields)]));
        result.map(|list| list.extensions.issuing_distribution_point.unwrap())
    }

    #[test]
    fn every_field_is_read() {
        let nothing = IssuingDistributionPoint {
            der: Vec::new(),
            distribution_point: None,
            uris: Vec::new(),
            only_contains_user_certs: false,
            only_contains_ca_certs: false,
            only_contains_attribute_certs: false,
            only_some_reasons: None,
            indirect_crl: false,
        };
        for (fields, expected) in [
            (
                &[0x81, 1, 0xff][..],
                IssuingDistributionPoint {
                    only_contains_user_certs: true,
                    ..nothing.clone()
                },
            ),
            (
                &[0x82, 1, 0xff],
                IssuingDistributionPoint {
                    only_contains_ca_certs: true,
                    ..nothing.clone()
                },
            ),
            (
                &[0x84, 1, 0xff, 0x85, 1, 0xff],
                IssuingDistributionPoint {
                    indirect_crl: true,
                    only_contains_attribute_certs: true,
                    ..nothing.clone()
                },
            ),
            (
                b"\xa0\x0a\xa0\x08\x86\x06ldap:a",
                IssuingDistributionPoint {
                    distribution_point: Some(b"\xa0\x08\x86\x06ldap:a".to_vec()),
                    uris: vec!["ldap:a".to_owned()],
                    ..nothing.clone()
                },
            ),
            (
                b"\xa0\x0f\xa1\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04name",
                IssuingDistributionPoint {
                    distribution_point: Some(
                        b"\xa1\x0d\x30\x0b\x06\x03\x55\x04\x03\x0c\x04name".to_vec(),
                    ),
                    ..nothing.clone()
                },
            ),
        ] {
            let found = scoped(fields).unwrap();
            assert_eq!(found.der[2..], *fields, "exactly as it stands");
            let expected = IssuingDistributionPoint {
                der: found.der.clone(),
                ..expected
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn reasons_are_a_set() {
        let reasons = |bits: &[u8]| {
            let mut field = Vec::new();
            push(&mut field, 0x83, bits);
            scoped(&field).map(|scope| {
                let set = scope.only_some_reasons.unwrap();
                (1..=10)
                    .filter_map(CrlReason::from_code)
                    .filter(|reason| set.contains(*reason))
                    .map(CrlReason::code)
                    .collect::<Vec<u8>>()
            })
        };
        assert_eq!(reasons(&[7, 0xff, 0x80]), Ok(vec![1, 2, 3, 4, 5, 6, 9, 10]));
        assert_eq!(reasons(&[5, 0x60]), Ok(vec![1, 2]));
        assert_eq!(reasons(&[0, 0x01]), Ok(vec![9]));
        assert_eq!(reasons(&[0]), Ok(vec![]));
        assert!(reasons(&[0, 0, 0x40]).is_err(), "a reason nobody knows");
        for odd in [&[][..], &[1], &[8, 0]] {
            assert!(reasons(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn idp_07_a_field_that_is_not_known_refuses_the_list() {
        for (fields, at) in [
            (&[0x89, 1, 0xff][..], 0),
            (&[0x81, 1, 0xff, 0x86, 1, 0xff], 3),
            // Known ones, but twice or out of order.
            (&[0x84, 1, 0xff, 0x81, 1, 0xff], 3),
            (&[0x81, 1, 0xff, 0x81, 1, 0xff], 3),
            // A DistributionPointName of a third kind.
            (&[0xa0, 2, 0xa2, 0], 2),
        ] {
            let der = list(&[], &[scope(fields)]);
            let offset = find(&der, fields) + at;
            assert_eq!(scoped(fields), Err(CrlError::UnknownScope { offset }));
        }
    }

    #[test]
    fn a_list_is_not_for_two_kinds_of_certificates_only() {
        for fields in [
            &[0x81, 1, 0xff, 0x82, 1, 0xff][..],
            &[0x81, 1, 0xff, 0x85, 1, 0xff],
            &[0x82, 1, 0xff, 0x85, 1, 0xff],
        ] {
            let der = list(&[], &[scope(fields)]);
            let offset = find(&der, fields) - 2;
            assert_eq!(scoped(fields), Err(CrlError::ContradictoryScope { offset }));
        }
    }

    #[test]
    fn what_is_no_scope_is_refused() {
        for fields in [
            &[0x81, 1, 0x01][..],
            &[0x81, 0],
            &[0xa0, 0],
            &[0xa0, 2, 0xa0, 0],
            &[0xa0, 4, 0xa0, 2, 0x86, 5],
            &[0x81],
        ] {
            assert!(
                matches!(scoped(fields), Err(CrlError::Der(_))),
                "{fields:02x?}"
            );
        }
    }

    #[test]
    fn odd_scopes_of_one_meaning_are_counted() {
        let defects = |extension| accepted(&list(&[], &[extension])).1.defects;
        let uncritical = extension(
            oid::ISSUING_DISTRIBUTION_POINT,
            None,
            &[0x30, 3, 0x81, 1, 0xff],
        );
        assert_eq!(defects(uncritical).uncritical_scopes, 1);
        assert_eq!(defects(scope(&[])).empty_scopes, 1);
        let found = defects(scope(&[0x81, 1, 0xff, 0x82, 1, 0, 0x84, 1, 0]));
        assert_eq!(found.explicit_defaults, 2);
        assert_eq!((found.uncritical_scopes, found.empty_scopes), (0, 0));
    }
}

/// What one entry was, with its borrowed parts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    serial_number: SerialNumber,
    revoked: RevokedInfo,
    remove_from_crl: bool,
    certificate_issuer: Option<Vec<u8>>,
}

type Read = (Vec<Seen>, Result<CertificateList, CrlError>);

fn read(der: &[u8]) -> Read {
    let mut entries = Vec::new();
    let result = CertificateList::from_der(der, |entry| entries.push(seen(entry)));
    (entries, result)
}

/// In slices of so many octets.
fn read_in(der: &[u8], octets: usize) -> Read {
    let cuts: Vec<usize> = (0..der.len()).step_by(octets).collect();
    read_cut(der, &cuts)
}

/// In slices that end at these octets, and one with the rest.
fn read_cut(der: &[u8], cuts: &[usize]) -> Read {
    let mut entries = Vec::new();
    let mut parser = CrlParser::new();
    let mut at = 0;
    for &end in cuts.iter().chain([&der.len()]) {
        match parser.push(&der[at..end], |entry| entries.push(seen(entry))) {
            Ok(taken) => at += taken,
            Err(error) => {
                assert_eq!(parser.finish(), Err(error), "it stays refused");
                return (entries, Err(error));
            }
        }
        assert!(end - at < CrlParser::PIECE_MAX, "more than a piece is left");
    }
    (entries, parser.finish())
}

fn accepted(der: &[u8]) -> (Vec<Seen>, CertificateList) {
    let (entries, result) = read(der);
    assert_eq!(read_in(der, 7).1, result);
    (entries, result.unwrap())
}

fn seen(entry: CrlEntry<'_>) -> Seen {
    Seen {
        serial_number: entry.serial_number,
        revoked: entry.revoked,
        remove_from_crl: entry.remove_from_crl,
        certificate_issuer: entry.certificate_issuer.map(<[u8]>::to_vec),
    }
}

fn serials(entries: &[Seen]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| entry.serial_number.to_string())
        .collect()
}

fn error(offset: usize, kind: DerErrorKind) -> CrlError {
    CrlError::Der(DerError { offset, kind })
}

/// Where this stands, once.
fn find(der: &[u8], part: &[u8]) -> usize {
    let mut found = der
        .windows(part.len())
        .enumerate()
        .filter(|(_, window)| *window == part);
    let (offset, _) = found.next().unwrap();
    assert_eq!(found.next(), None);
    offset
}

fn full() -> Vec<u8> {
    let date = extension(oid::INVALIDITY_DATE, None, b"\x18\x0f20251224120000Z");
    list(
        &[
            entry(&[0x12, 0x34], &[]),
            entry(&[5; 20], &[reason(1)]),
            entry(&[6; 16], &[reason(6), date]),
            entry(&[0x80], &[]),
            entry_at(tag::GENERALIZED_TIME, "20500101000000Z"),
        ],
        &[number(7), key_id(), extension(UNKNOWN, Some(0), &[])],
    )
}

fn indirect() -> Vec<u8> {
    list(
        &[
            entry(&[1], &[]),
            entry(&[2], &[certificate_issuer(&[OTHER_CA])]),
            entry(&[3], &[reason(3)]),
        ],
        &[number(7), scope(&[0x84, 1, 0xff])],
    )
}

fn delta() -> Vec<u8> {
    list(
        &[entry(&[1], &[reason(8)]), entry(&[2], &[])],
        &[
            number(9),
            base(7),
            key_id(),
            scope(b"\xa0\x0a\xa0\x08\x86\x06http:a\x82\x01\xff\x83\x02\x05\x60"),
            extension(oid::FRESHEST_CRL, None, &freshest()),
        ],
    )
}

fn empty() -> Vec<u8> {
    list(&[], &[number(7)])
}

fn version_1() -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push_nested(out, tag::SEQUENCE, |out| {
            out.extend_from_slice(ALGORITHM);
            out.extend_from_slice(CA);
            push(out, tag::UTC_TIME, b"260101000000Z");
            push(out, tag::SEQUENCE, &entry(&[7], &[]));
        });
        out.extend_from_slice(ALGORITHM);
        out.extend_from_slice(SIGNATURE);
    });
    der
}

/// A list around these entries and extensions, each already encoded.
fn list(entries: &[Vec<u8>], extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push_nested(out, tag::SEQUENCE, |out| {
            push(out, tag::INTEGER, &[1]);
            out.extend_from_slice(ALGORITHM);
            out.extend_from_slice(CA);
            push(out, tag::UTC_TIME, b"260101000000Z");
            push(out, tag::UTC_TIME, b"260201000000Z");
            if !entries.is_empty() {
                push(out, tag::SEQUENCE, &entries.concat());
            }
            if !extensions.is_empty() {
                out.extend(list_extensions(extensions));
            }
        });
        out.extend_from_slice(ALGORITHM);
        out.extend_from_slice(SIGNATURE);
    });
    der
}

/// How many octets follow the header of a list that has entries.
fn behind_header(der: &[u8]) -> usize {
    let mut outer =
        crate::der::Reader::inside(crate::der::read::whole(der, tag::SEQUENCE).unwrap());
    let mut fields = crate::der::Reader::inside(outer.read(tag::SEQUENCE).unwrap());
    for _ in 0..5 {
        fields.read_any().unwrap();
    }
    der.len() - fields.read(tag::SEQUENCE).unwrap().value_offset
}

fn list_extensions(extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::context(0), |out| {
        push(out, tag::SEQUENCE, &extensions.concat());
    });
    der
}

fn entry(serial: &[u8], extensions: &[Vec<u8>]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push(out, tag::INTEGER, serial);
        push(out, tag::UTC_TIME, b"260102030405Z");
        if !extensions.is_empty() {
            push(out, tag::SEQUENCE, &extensions.concat());
        }
    });
    der
}

fn entry_at(tag: u8, time: &str) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push(out, tag::INTEGER, &[1]);
        push(out, tag, time.as_bytes());
    });
    der
}

/// An entry of so many octets, most of them in an extension that nobody knows.
fn entry_of(octets: usize) -> Vec<u8> {
    let entry = |value: usize| entry(&[1], &[extension(UNKNOWN, None, &vec![0; value])]);
    let around = entry(60_000).len() - 60_000;
    let found = entry(octets - around);
    assert_eq!(found.len(), octets);
    found
}

fn extension(oid: &[u8], critical: Option<u8>, value: &[u8]) -> Vec<u8> {
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        push(out, tag::OID, oid);
        if let Some(critical) = critical {
            push(out, tag::BOOLEAN, &[critical]);
        }
        push(out, tag::OCTET_STRING, value);
    });
    der
}

fn reason(code: u8) -> Vec<u8> {
    extension(oid::REASON_CODE, None, &[tag::ENUMERATED, 1, code])
}

fn number(number: u16) -> Vec<u8> {
    extension(oid::CRL_NUMBER, None, &integer(number))
}

fn base(number: u16) -> Vec<u8> {
    extension(oid::DELTA_CRL_INDICATOR, CRITICAL, &integer(number))
}

fn integer(number: u16) -> Vec<u8> {
    match number.to_be_bytes() {
        [0, low] => vec![tag::INTEGER, 1, low],
        [high, low] => vec![tag::INTEGER, 2, high, low],
    }
}

fn key_id() -> Vec<u8> {
    extension(
        oid::AUTHORITY_KEY_IDENTIFIER,
        None,
        &[0x30, 6, 0x80, 4, 9, 9, 9, 9],
    )
}

fn scope(fields: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    push_header(&mut value, tag::SEQUENCE, fields.len());
    value.extend_from_slice(fields);
    extension(oid::ISSUING_DISTRIBUTION_POINT, CRITICAL, &value)
}

/// Names as directoryNames.
fn certificate_issuer(names: &[&[u8]]) -> Vec<u8> {
    let names: Vec<u8> = names.iter().flat_map(|name| directory_name(name)).collect();
    certificate_issuer_of(CRITICAL, &names)
}

fn certificate_issuer_of(critical: Option<u8>, names: &[u8]) -> Vec<u8> {
    let mut value = Vec::new();
    push(&mut value, tag::SEQUENCE, names);
    extension(oid::CERTIFICATE_ISSUER, critical, &value)
}

fn directory_name(name: &[u8]) -> Vec<u8> {
    let mut der = Vec::new();
    push(&mut der, 0xa4, name);
    der
}

/// Two distribution points: one with three URIs, of which two are of use; one with another, and with reasons and a
/// cRLIssuer.
fn freshest() -> Vec<u8> {
    let point = |uris: &[&[u8]], more: &[u8]| {
        let mut der = Vec::new();
        push_nested(&mut der, tag::SEQUENCE, |out| {
            push_nested(out, tag::context(0), |out| {
                push_nested(out, tag::context(0), |out| {
                    for uri in uris {
                        push(out, 0x86, uri);
                    }
                });
            });
            out.extend_from_slice(more);
        });
        der
    };
    let mut der = Vec::new();
    push_nested(&mut der, tag::SEQUENCE, |out| {
        out.extend(point(
            &[
                b"http://example.com/a",
                b"ldap://example.com/b",
                b"http://example.com/\n",
            ],
            &[],
        ));
        out.extend(point(
            &[b"HTTPS://example.com/c"],
            &[&[0x81, 2, 1, 6, 0xa2, 2, 0x82, 0][..]].concat(),
        ));
    });
    der
}

const ALGORITHM: &[u8] = SignatureAlgorithm::EcdsaSha256.der();
const SIGNATURE: &[u8] = &[tag::BIT_STRING, 3, 0, 1, 2];
