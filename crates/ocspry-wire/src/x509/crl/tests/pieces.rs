//! How a list comes: whole, cut anywhere, damaged, too long.

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
