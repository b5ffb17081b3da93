//! Which certificates a list is about.

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
